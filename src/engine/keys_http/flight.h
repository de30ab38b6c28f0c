/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys_http/flight.h - one request's command on its way, and what the files of this folder
 * say to each other.
 *
 * new -> args -> (gather the body) -> submit -> done -> the answer, or nobody waits for it any more
 *
 * Memory:  from the stage's slab; its texts lie in it or in a block of its own.
 * Threads: its worker's. */
#ifndef PANDO_ENGINE_KEYS_HTTP_FLIGHT_H
#define PANDO_ENGINE_KEYS_HTTP_FLIGHT_H

#include "codec/resp/resp_out.h"
#include "engine/keys_http/address.h"
#include "engine/keys_http/fields.h"
#include "engine/keys_http/keys_http.h"
#include "path/op.h"

enum {
    FLIGHT_ARGS_MAX = 6 + 4 * FIELDS_TAGS_MAX, /* key, value, type, expiry; both conditions */
    FLIGHT_TEXT_BYTES = 1024,                  /* of the usual request */
    FLIGHT_LIST_COUNT = 1000,                  /* keys that a listing has unless it says so */
    FLIGHT_LIST_COUNT_MAX = 10000,
    FLIGHT_LIST_BYTES_MAX = 64 * 1024 * 1024, /* of a listing's keys */
};

struct flight {
    struct key_op                    op; /* first */
    struct keys_http_stage          *stage;
    struct op                       *http;     /* NULL: nobody waits for it any more */
    const struct keys_http_keyspace *keyspace; /* that its key is of */
    /* Makes the request's answer of the command's; takes the request over. */
    void (*answer)(struct flight *flight);
    bool               is_under_way; /* in the key path */
    bool               in_submit;
    bool               is_gathering; /* a call that gathers is on the stack */
    bool               is_over;      /* and shall free it */
    struct resp_out    out;
    struct bytes       args[FLIGHT_ARGS_MAX];
    uint8_t           *value; /* of PUT, as far as it came */
    size_t             value_bytes, value_room;
    struct fields_tags match, none_match;
    /* Of a listing. */
    struct bytes from, to, listed; /* as they were asked for; the name that keys begin with */
    uint64_t     list_count;
    bool         is_reverse;
    uint8_t     *block; /* of texts where the request is large; NULL */
    uint8_t     *text;  /* the next that is free */
    uint8_t      room[FLIGHT_TEXT_BYTES];
};

/* ---- flight.c ---- */

/* A flight for @http with room for texts as large as its head; NULL: no memory, refused. */
struct flight *flight__new(struct keys_http_stage *stage, struct op *http) must_check;

/* Gives it back; its request was answered, or is refused by the caller. */
void flight__free(struct flight *flight);

/* Adds an argument, which lies somewhere that stays. */
void flight__add(struct flight *flight, struct bytes arg);

/* A copy of @bytes among its texts. */
struct bytes flight__keep(struct flight *flight, struct bytes bytes);

/* Goes to the key path as @command with its arguments. */
void flight__submit(struct flight *flight, enum command_number command);

/* First gathers the request's body as argument @index; then the same. */
void flight__submit_with_body(struct flight *flight);

/* Refuses the request, and the flight is gone. */
void flight__refuse(struct flight *flight, unsigned status, const char *detail);

/* ---- answer.c ---- */

/* Answers with a problem document; @detail is a sentence without quotes. Takes the request over. */
void keys_http__problem(struct op *http, unsigned status, const char *detail);

/* 401. */
void keys_http__ask_who(struct op *http);

/* 405: @allowed alone. */
void keys_http__refuse_method(struct op *http, const char *allowed);

/* Answers of PANDO.GET, PANDO.PUT and PANDO.DEL. */
void keys_http__answer_get(struct flight *flight);
/* 201 or 204, or 412. */
void keys_http__answer_put(struct flight *flight);
/* 204, 404 or 412. */
void keys_http__answer_delete(struct flight *flight);

/* Is the command's answer an error? Then the request is refused with it. */
bool keys_http__refused(struct flight *flight);

/* What caches may do with an answer. */
const char *keys_http__cache_control(const struct flight *flight);

/* ---- listing.c ---- */

/* Reads what of the keyspace is to be listed, and asks for it; refuses what cannot be. */
void keys_http__list(struct flight *flight, struct bytes query);

/* ---- reading answers ---- */

/* What of a command's answer was not read yet. */
struct reading {
    struct bytes rest;
    bool         failed;
};

/* The next value's head: its kind, its number; 0 at nonsense, and failed. */
char reading__head(struct reading *reading, int64_t *number);

/* The next bulk string; at is NULL if it is null. */
struct bytes reading__bulk(struct reading *reading);

#endif
