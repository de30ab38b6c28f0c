/* SPDX-License-Identifier: Apache-2.0 */
/* control/check/probe.c - connect, send, read, judge, close; at every step the clock may win.
 *
 * The answer is judged as soon as it can be: a wrong status at its head, a wanted text where it is
 * found. What follows is not read. */
#include "control/check/probe.h"

#include "codec/http1.h"
#include "core/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ANSWER_BYTES_MAX = 96 * 1024,
    BODY_BYTES_MAX = 64 * 1024,
    FIELDS_MAX = 100,
    REQUEST_BYTES_MAX = 2048, /* path and host are bounded by their settings */
};

struct probe {
    struct sock             sock; /* first */
    struct probe_question   question;
    struct sockaddr_storage address;
    struct timer            patience;
    struct iovec            out;
    bool                    is_judged;
    bool                    has_head;
    struct http_head        head;
    struct http_field       fields[FIELDS_MAX];
    struct http1_reader     reader;
    struct http1_chunks     chunks;
    size_t                  used;       /* bytes of the answer that have come */
    size_t                  read_at;    /* of them, those that were made sense of */
    size_t                  body_bytes; /* without framing, at the front of `body` */
    size_t                  request_bytes;
    char                    wanted[256];
    char                    request[REQUEST_BYTES_MAX];
    uint8_t                 body[BODY_BYTES_MAX];
    uint8_t                 answer[ANSWER_BYTES_MAX];
};

static const struct http1_limits limits = {
    .head_bytes_max = 32768, .target_bytes_max = 8192, .fields_max = FIELDS_MAX};

static struct probe *probe_of(struct sock *sock)
{
    return list_item(sock, struct probe, sock);
}

/* The one way out. */
static void end_with(struct probe *probe, const char *why)
{
    if (probe->is_judged)
        return;
    probe->is_judged = true;
    timer_clear(&probe->patience);
    sock_close(&probe->sock);
    if (probe->question.judged != NULL)
        probe->question.judged(probe->question.self, why);
}

static void end_with_errno(struct probe *probe, const char *what, int error)
{
    char why[PROBE_REASON_BYTES], text[64];
    (void)snprintf(why, sizeof why, "%s: %s", what, strerror_r(error, text, sizeof text));
    end_with(probe, why);
}

/* --- judging the answer ---------------------------------------------------------------------- */

/* True: the body has all that is wanted of it. */
static bool finds(const struct probe *probe)
{
    const size_t bytes = strlen(probe->wanted);
    return bytes == 0 || memmem(probe->body, probe->body_bytes, probe->wanted, bytes) != NULL;
}

static void miss(struct probe *probe)
{
    char why[PROBE_REASON_BYTES];
    (void)snprintf(why, sizeof why, "the answer's body does not contain \"%.64s\"", probe->wanted);
    end_with(probe, why);
}

/* False: it was judged. */
static bool take_body(struct probe *probe, const uint8_t *at, size_t bytes)
{
    const size_t room = sizeof probe->body - probe->body_bytes;
    memcpy(probe->body + probe->body_bytes, at, bytes < room ? bytes : room);
    probe->body_bytes += bytes < room ? bytes : room;
    if (finds(probe))
        end_with(probe, NULL);
    else if (bytes >= room)
        miss(probe);
    return !probe->is_judged;
}

static void read_chunked(struct probe *probe)
{
    while (probe->read_at < probe->used) {
        struct http1_piece piece;
        const enum http1_verdict verdict = http1_chunks_read(
            &probe->chunks, probe->answer + probe->read_at, probe->used - probe->read_at, &piece);
        if (verdict == HTTP1_BAD) {
            end_with(probe, "the answer's chunks are malformed");
            return;
        }
        probe->read_at += piece.consumed;
        if (piece.bytes > 0 && !take_body(probe, piece.data, piece.bytes))
            return;
        if (verdict == HTTP1_DONE) {
            miss(probe);
            return;
        }
    }
}

static void read_plain(struct probe *probe)
{
    const bool has_end = probe->head.framing == HTTP_FRAMING_LENGTH;
    const size_t here = probe->used - probe->read_at;
    probe->read_at = probe->used;
    if (here > 0 && !take_body(probe, probe->answer + probe->used - here, here))
        return;
    if (probe->head.framing == HTTP_FRAMING_NONE ||
        (has_end && probe->used - probe->head.head_bytes >= probe->head.content_length))
        miss(probe);
}

static void judge_status(struct probe *probe)
{
    char why[PROBE_REASON_BYTES];
    if (config_statuses_fit(&probe->question.statuses, probe->head.status)) {
        if (probe->wanted[0] == '\0')
            end_with(probe, NULL);
        return;
    }
    (void)snprintf(why, sizeof why, "answered with status %u", probe->head.status);
    end_with(probe, why);
}

static void start_head(struct probe *probe)
{
    probe->head = (struct http_head){.fields = probe->fields, .fields_max = FIELDS_MAX};
    http1_reader_init_answer(&probe->reader, &limits, HTTP_METHOD_GET, false);
}

/* An interim answer is none: its bytes go, and another head is expected. */
static void skip_interim(struct probe *probe)
{
    probe->used -= probe->head.head_bytes;
    memmove(probe->answer, probe->answer + probe->head.head_bytes, probe->used);
    start_head(probe);
}

static void read_head(struct probe *probe)
{
    while (!probe->has_head && !probe->is_judged && probe->used > 0) {
        switch (http1_answer_read(&probe->reader, probe->answer, probe->used, &probe->head)) {
        case HTTP1_PARTIAL: return;
        case HTTP1_BAD: end_with(probe, "its answer is no HTTP"); return;
        case HTTP1_DONE: break;
        }
        if (probe->head.status < 200) {
            skip_interim(probe);
            continue;
        }
        probe->has_head = true;
        probe->read_at = probe->head.head_bytes;
        judge_status(probe);
    }
}

static void read_answer(struct probe *probe)
{
    read_head(probe);
    if (!probe->has_head || probe->is_judged)
        return;
    if (probe->head.framing == HTTP_FRAMING_CHUNKED)
        read_chunked(probe);
    else
        read_plain(probe);
}

/* --- the socket ------------------------------------------------------------------------------ */

static void on_received(struct sock *sock, struct buf *buf, uint8_t *at, uint32_t bytes)
{
    struct probe *probe = probe_of(sock);
    (void)buf;
    if (probe->is_judged)
        return;
    if (bytes > sizeof probe->answer - probe->used) {
        end_with(probe, "its answer is longer than a check reads");
        return;
    }
    memcpy(probe->answer + probe->used, at, bytes);
    probe->used += bytes;
    read_answer(probe);
}

static void on_ended(struct sock *sock, int error)
{
    struct probe *probe = probe_of(sock);
    if (probe->is_judged)
        return;
    if (error != 0)
        end_with_errno(probe, "the connection broke", error);
    else if (!probe->has_head)
        end_with(probe, "the connection ended before an answer");
    else
        miss(probe);
}

/* A target may answer and close before it has read all; what it said is read first. */
static void on_sent(struct sock *sock, int error)
{
    (void)sock, (void)error;
}

static void on_connected(struct sock *sock, int error)
{
    struct probe *probe = probe_of(sock);
    if (probe->is_judged)
        return;
    if (error != 0) {
        end_with_errno(probe, "connect", error);
        return;
    }
    if (!probe->question.is_http) {
        end_with(probe, NULL);
        return;
    }
    probe->out = (struct iovec){probe->request, probe->request_bytes};
    sock_receive(sock, SOCK_RECEIVE_WATCH);
    sock_send(sock, &probe->out, 1);
}

static void on_closed(struct sock *sock)
{
    struct probe *probe = probe_of(sock);
    void (*ended)(void *owner) = probe->question.ended;
    void *owner = probe->question.owner;
    mem_free(probe);
    if (ended != NULL)
        ended(owner);
}

static void on_late(struct timer *timer)
{
    struct probe *probe = list_item(timer, struct probe, patience);
    char why[PROBE_REASON_BYTES];
    (void)snprintf(why, sizeof why, "no answer within %llu ms",
                   (unsigned long long)(probe->question.timeout_ns / 1000000));
    end_with(probe, why);
}

static const struct sock_events events = {
    .received = on_received,
    .ended = on_ended,
    .sent = on_sent,
    .connected = on_connected,
    .closed = on_closed,
};

/* --- life ------------------------------------------------------------------------------------ */

static bool write_request(struct probe *probe, const struct probe_question *question)
{
    const int bytes = snprintf(
        probe->request, sizeof probe->request,
        "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: pando-health\r\nConnection: close\r\n\r\n",
        question->path, question->host[0] != '\0' ? question->host : "localhost");
    probe->request_bytes = bytes > 0 ? (size_t)bytes : 0;
    return bytes > 0 && (size_t)bytes < sizeof probe->request;
}

static struct probe *probe_new(const struct probe_question *question)
{
    struct probe *probe = mem_alloc(sizeof *probe);
    if (probe == NULL)
        return NULL;
    probe->question = *question;
    memcpy(&probe->address, question->address, question->address_bytes);
    timer_init(&probe->patience, on_late);
    start_head(probe);
    (void)snprintf(probe->wanted, sizeof probe->wanted, "%s",
                   question->is_http ? question->body : "");
    if (!question->is_http || write_request(probe, question))
        return probe;
    mem_free(probe);
    return NULL;
}

struct probe *probe_start(const struct probe_question *question)
{
    struct loop *loop = question->loop;
    struct probe *probe = probe_new(question);
    if (probe == NULL)
        return NULL;
    const int fd = socket(question->address->sa_family,
                          SOCK_STREAM | SOCK_CLOEXEC | loop->kind->socket_flags, 0);
    if (fd < 0) {
        mem_free(probe);
        return NULL;
    }
    /* The texts are the asker's. */
    probe->question.path = probe->question.host = probe->question.body = NULL;
    sock_open(&probe->sock, loop, &events, fd);
    timer_set(&loop->timers, &probe->patience, loop->now_ns + question->timeout_ns);
    sock_connect(&probe->sock, (const struct sockaddr *)&probe->address, question->address_bytes);
    return probe;
}

void probe_cancel(struct probe *probe)
{
    if (probe == NULL || probe->is_judged)
        return;
    probe->question.judged = NULL;
    end_with(probe, NULL);
}
