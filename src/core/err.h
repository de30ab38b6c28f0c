/* SPDX-License-Identifier: Apache-2.0 */
/* core/err.h - the kinds of failure, written once, and the struct that tells their story.
 *
 * Three sorts of failure are never mixed: bugs assert (also in release); refusals (bad input,
 * limits) are
 * values of enum err_kind; boot failures fill a struct err, print its story and end the program.
 *
 * Whether a request may be tried again, and whether its result is uncertain, follows from `sent` in
 * the
 * row below and never from a kind's name.
 *
 * Memory:  nothing is allocated. Threads: a struct err belongs to its caller. */
#ifndef PANDO_CORE_ERR_H
#define PANDO_CORE_ERR_H

#include <stddef.h>
#include <stdint.h>

#define must_check __attribute__((warn_unused_result))

/* What had reached the server when the error came. */
enum err_sent {
    ERR_SENT_NO,    /* nothing: safe to send elsewhere */
    ERR_SENT_MAYBE, /* perhaps all of it: only an idempotent request may be repeated */
    ERR_SENT_YES,   /* it was answered or refused there: repeating is the client's choice */
};

/* One row per kind: HTTP status, Proxy-Status error token (RFC 9209), RESP prefix, sent,
 * sentence. */
#define ERR_KINDS(X)                                                                                  \
    /* kind             status  proxy-status token            RESP    sent   sentence             */ \
    X(NONE,              200, "",                             "",     NO,    "no error")              \
    X(SYSTEM,            500, "proxy_internal_error",         "ERR",  NO,    "a system call failed")  \
    X(MEMORY,            503, "proxy_internal_limit_exceeded", "OOM", NO,    "out of memory")         \
    X(INPUT,             400, "http_request_error",           "ERR",  NO,    "the request is malformed") \
    X(LIMIT,             503, "proxy_internal_limit_exceeded", "BUSY", NO,   "a limit of this node was reached") \
    X(CLIENT_LIMIT,      429, "http_request_denied",          "BUSY", NO,    "this client holds too many connections") \
    X(RATE_LIMIT,        429, "http_request_denied",          "BUSY", NO,    "this client sends more requests than it may") \
    X(BODY_LIMIT,        413, "http_request_error",           "ERR",  NO,    "the request body is larger than allowed") \
    X(OVERLOAD,          503, "connection_limit_reached",     "BUSY", NO,    "the service is too busy") \
    X(NO_ROUTE,          404, "destination_not_found",        "ERR",  NO,    "no service answers for this host and path") \
    X(NO_TARGET,         503, "destination_unavailable",      "BUSY", NO,    "no target of the service is available") \
    X(CIRCUIT_OPEN, 503, "destination_unavailable", "BUSY", NO, "the circuit breaker is open") \
    X(DNS,               502, "dns_error",                    "ERR",  NO,    "the target's name could not be resolved") \
    X(CONNECT_REFUSED,   502, "connection_refused",           "ERR",  NO,    "the target refused the connection") \
    X(CONNECT_TIMEOUT,   504, "connection_timeout",           "ERR",  NO,    "the target did not accept the connection in time") \
    X(CONNECT_FAILED,    502, "destination_ip_unroutable",    "ERR",  NO,    "the target could not be reached") \
    X(TARGET_CLOSED,     502, "connection_terminated",        "ERR",  MAYBE, "the target closed the connection before answering") \
    X(TARGET_STALE,      502, "connection_terminated",        "ERR",  MAYBE, "a kept connection to the target turned out to be dead") \
    X(TARGET_NOT_SENT,   502, "connection_terminated",        "ERR",  NO,    "the connection to the target ended before the request was sent") \
    X(TARGET_TIMEOUT,    504, "http_response_timeout",        "ERR",  MAYBE, "the target did not answer in time") \
    X(TARGET_UNREACHABLE, 504, "connection_timeout", "ERR", MAYBE,                                 \
      "the target's host did not acknowledge what was sent")                                       \
    X(TARGET_NONSENSE,   502, "http_protocol_error",          "ERR",  YES,   "the target's answer is malformed") \
    X(TARGET_INCOMPLETE, 502, "http_response_incomplete",     "ERR",  YES,   "the target's answer ended early") \
    X(TARGET_ERROR,      502, "destination_unavailable",      "ERR",  YES,                        \
      "no target had a good answer")                                                               \
    X(DEADLINE,          504, "http_response_timeout",        "ERR",  MAYBE, "the request's deadline passed") \
    X(CANCELLED,         499, "http_request_error",           "ERR",  MAYBE, "the client went away") \
    X(STOPPING,          503, "destination_unavailable",      "BUSY", NO,    "this node is stopping")

enum err_kind {
#define X(kind, status, token, resp, sent, sentence) ERR_##kind,
    ERR_KINDS(X)
#undef X
    ERR_KINDS_COUNT
};

struct err_row {
    const char   *name;         /* as in logs and metrics: "CONNECT_REFUSED" */
    uint16_t      status;       /* HTTP status that the client gets */
    const char   *proxy_status; /* error token of RFC 9209 */
    const char   *resp;         /* prefix of a RESP error */
    enum err_sent sent;
    const char   *sentence;
};

/* The row of @kind; never NULL. */
const struct err_row *err_row(enum err_kind kind);

struct err {
    enum err_kind kind;
    int           sys;        /* errno, or 0 */
    size_t        offset;     /* byte of the input that was refused, or 0 */
    char          story[256]; /* outermost first: "open shop.db: map 4 GiB: no memory" */
};

/* Fills @e (may be NULL) and returns @kind, so that a refusal is one statement. */
enum err_kind err_set(struct err *e, enum err_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As err_set() for a failed system call: takes errno, appends its text; kind SYSTEM. */
enum err_kind err_set_errno(struct err *e, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Puts an outer chapter before the story: err_wrap(e, "open %s", path). Returns the kind in @e. */
enum err_kind err_wrap(struct err *e, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
