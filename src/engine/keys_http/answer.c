/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys_http/answer.c - the answers of commands become those of requests.
 *
 * A value goes on in the buffer that the engine wrote it to; nothing is copied. */
#include "engine/keys_http/flight.h"

#include "codec/resp/resp_value.h"
#include "core/mem.h"
#include "path/command/media.h"
#include "path/reply.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    PROBLEM_BYTES_MAX = 768,
    HELD_BYTES_MIN = 64 * 1024, /* of an answer: a smaller one is like any other's */
};

/* ---- reading ---- */

static void skip(struct reading *reading, size_t count)
{
    reading->rest = (struct bytes){reading->rest.at + count, reading->rest.count - count};
}

char reading__head(struct reading *reading, int64_t *number)
{
    char kind = 0;
    *number = -1;
    const size_t head = reading->failed ? 0 : resp_value_head(reading->rest, &kind, number);
    if (head == 0) {
        reading->failed = true;
        return 0;
    }
    skip(reading, head);
    return kind;
}

struct bytes reading__bulk(struct reading *reading)
{
    int64_t count;
    const char kind = reading__head(reading, &count);
    if (kind != '$' || count < 0 || reading->rest.count < (size_t)count + 2) {
        reading->failed |= kind != '$' || count >= 0;
        return (struct bytes){0};
    }
    const struct bytes bulk = {reading->rest.at, (size_t)count};
    skip(reading, bulk.count + 2);
    return bulk;
}

static struct bytes answer_of(const struct flight *flight)
{
    return (struct bytes){flight->out.buf == NULL ? NULL : flight->out.buf->data, flight->out.used};
}

/* ---- problems ---- */

/* Text of ours into JSON: what would need an escape becomes an apostrophe. */
static void put_sentence(char *out, size_t room, const char *text)
{
    size_t used = 0;
    for (; *text != '\0' && used + 1 < room; text++)
        out[used++] = *text == '"' || *text == '\\' || (unsigned char)*text < ' ' ? '\'' : *text;
    out[used] = '\0';
}

static void start_problem(struct reply *reply, struct op *http, unsigned status)
{
    reply_start(reply, http, status);
    reply_add(reply, HTTP_FIELD_CONTENT_TYPE, "application/problem+json");
    reply_add(reply, HTTP_FIELD_CACHE_CONTROL, "no-store");
}

static void send_problem(struct reply *reply, unsigned status, const char *detail)
{
    char sentence[512], body[PROBLEM_BYTES_MAX];
    put_sentence(sentence, sizeof sentence, detail);
    const int bytes =
        snprintf(body, sizeof body,
                 "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,\"detail\":\"%s\"}\n",
                 http_status_reason(status), status, sentence);
    reply_send_copy(reply, body, (size_t)bytes);
}

void keys_http__problem(struct op *http, unsigned status, const char *detail)
{
    struct reply reply;
    start_problem(&reply, http, status);
    if (status == 503)
        reply_add(&reply, HTTP_FIELD_RETRY_AFTER, "1");
    send_problem(&reply, status, detail);
}

void keys_http__ask_who(struct op *http)
{
    struct reply reply;
    start_problem(&reply, http, 401);
    reply_add(&reply, HTTP_FIELD_WWW_AUTHENTICATE, "Basic realm=\"pando\", charset=\"UTF-8\"");
    send_problem(&reply, 401, "a name and a password of the users file are needed");
}

void keys_http__refuse_method(struct op *http, const char *allowed)
{
    struct reply reply;
    start_problem(&reply, http, 405);
    reply_add(&reply, HTTP_FIELD_ALLOW, allowed);
    send_problem(&reply, 405, "this cannot be done with a key over HTTP");
}

/* The statuses of errors, by how they begin; the first that fits. */
static const struct {
    const char *begin;
    unsigned status;
} refusals[] = {
    {"WRONGTYPE ", 409},
    {"OOM ", 507},
    {"MISCONF ", 507},
    {"BUSY ", 503},
    {"TRYAGAIN ", 503},
    {"UNCERTAIN ", 500},
    {"NOPERM ", 403},
    {"ERR no keyspace ", 404},
    {"ERR the value would be larger", 413},
    {"ERR the key is too long", 414},
    {"ERR this media type", 415},
    {"ERR the answer is larger", 400},
    {"ERR the keys of this keyspace have no order", 404},
    {"ERR the disk of the keyspace does not take writes", 503},
};

static unsigned status_of(struct bytes error)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct bytes begin = bytes_of(refusals[i].begin);
        if (error.count >= begin.count && memcmp(error.at, begin.at, begin.count) == 0)
            return refusals[i].status;
    }
    return 500;
}

/* Words of capitals at the beginning say what is wrong to programs; people read the rest, but for
 * UNCERTAIN, which is the point. */
static struct bytes sentence_of(struct bytes error)
{
    const uint8_t *space = error.count == 0 ? NULL : memchr(error.at, ' ', error.count);
    if (space == NULL || memcmp(error.at, "UNCERTAIN", 9) == 0)
        return error;
    const size_t code = (size_t)(space - error.at) + 1;
    return (struct bytes){error.at + code, error.count - code};
}

bool keys_http__refused(struct flight *flight)
{
    const struct bytes answer = answer_of(flight);
    if (flight->out.failed || answer.count < 3) {
        flight__refuse(flight, 503, "out of memory");
        return true;
    }
    if (answer.at[0] != '-')
        return false;
    const struct bytes error = {answer.at + 1, answer.count - 3};
    const struct bytes sentence = sentence_of(error);
    char detail[400];
    (void)snprintf(detail, sizeof detail, "%.*s", (int)sentence.count, (const char *)sentence.at);
    flight__refuse(flight, status_of(error), detail);
    return true;
}

/* ---- GET ---- */

/* A command's answer, read. */
struct found {
    struct bytes value; /* at is NULL: it was not asked for */
    struct bytes type, tag;
    int64_t      bytes, expires_ms;
};

static bool read_found(struct bytes answer, struct found *found)
{
    struct reading reading = {.rest = answer};
    int64_t count;
    (void)reading__head(&reading, &count);
    found->value = reading__bulk(&reading);
    found->type = reading__bulk(&reading);
    found->tag = reading__bulk(&reading);
    (void)reading__head(&reading, &found->bytes);
    (void)reading__head(&reading, &found->expires_ms);
    return !reading.failed && count == 5;
}

static void add_bytes(struct reply *reply, enum http_field_id id, struct bytes value)
{
    char text[MEDIA_TEXT_BYTES_MAX];
    (void)snprintf(text, sizeof text, "%.*s", (int)value.count, (const char *)value.at);
    reply_add(reply, id, text);
}

static void add_tag(struct reply *reply, struct bytes tag)
{
    char text[64];
    (void)snprintf(text, sizeof text, "\"%.*s\"", (int)tag.count, (const char *)tag.at);
    reply_add(reply, HTTP_FIELD_ETAG, text);
}

static void add_expiry(struct reply *reply, const struct flight *flight, int64_t expires_ms)
{
    char text[BYTES_INT64_MAX + 4];
    if (expires_ms < 0)
        return;
    const int64_t left = expires_ms - (int64_t)flight->op.now_ms;
    (void)snprintf(text, sizeof text, "%" PRId64 "ms", left < 0 ? 0 : left);
    reply_add_name(reply, FIELDS_EXPIRES_IN, text);
}

const char *keys_http__cache_control(const struct flight *flight)
{
    return flight->stage->options.users.users == NULL ? "no-cache" : "private, no-cache";
}

/* What a browser shows of a value is nobody's page: it runs nothing and is of no site. */
static void start_found(struct reply *reply, const struct flight *flight, unsigned status,
                        const struct found *found)
{
    reply_start(reply, flight->http, status);
    if (status == 200)
        add_bytes(reply, HTTP_FIELD_CONTENT_TYPE, found->type);
    add_tag(reply, found->tag);
    reply_add(reply, HTTP_FIELD_CACHE_CONTROL, keys_http__cache_control(flight));
    add_expiry(reply, flight, found->expires_ms);
    reply_add_name(reply, "X-Content-Type-Options", "nosniff");
    reply_add(reply, HTTP_FIELD_CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox");
}

static bool has_tag(const struct fields_tags *tags, struct bytes tag)
{
    for (uint32_t i = 0; i < tags->count; i++)
        if (bytes_equal(tags->at[i], tag) || bytes_equal(tags->at[i], bytes_of("*")))
            return true;
    return false;
}

/* A buffer that gives back what it counted. */
struct counted {
    struct buf             buf; /* first */
    struct buf            *inner;
    struct keys_http_held *held;
};

static void release_counted(struct buf *buf)
{
    struct counted *counted = (struct counted *)(void *)buf;
    counted->held->bytes -= counted->inner->capacity;
    buf_unref(counted->inner);
    mem_free(counted);
}

/* Takes over the slice's reference. False: no memory. */
static bool count(struct keys_http_held *held, struct slice *slice)
{
    struct counted *counted = mem_alloc(sizeof *counted);
    if (counted == NULL) {
        buf_unref(slice->buf);
        return false;
    }
    *counted = (struct counted){
        .buf = {.data = slice->buf->data,
                .capacity = slice->buf->capacity,
                .refs_count = 1,
                .released = release_counted,
                .used_bytes = slice->buf->used_bytes},
        .inner = slice->buf,
        .held = held,
    };
    held->bytes += slice->buf->capacity;
    slice->buf = &counted->buf;
    return true;
}

static void send_value(struct flight *flight, struct reply *reply, struct bytes value)
{
    struct keys_http_held *held = flight->stage->options.held;
    struct slice slice = resp_out_take(&flight->out);
    slice.at = value.at;
    slice.bytes = (uint32_t)value.count;
    struct op *http = flight->http;
    if (value.count >= HELD_BYTES_MIN && !count(held, &slice)) {
        flight__free(flight);
        op_refuse(http, ERR_MEMORY, NULL);
        return;
    }
    flight__free(flight);
    reply_send_slice(reply, slice);
}

void keys_http__answer_get(struct flight *flight)
{
    struct found found = {0};
    struct reply reply;
    int64_t null;
    if (keys_http__refused(flight))
        return;
    struct reading reading = {.rest = answer_of(flight)};
    if (reading__head(&reading, &null) == '*' && null < 0) {
        flight__refuse(flight, flight->match.is_said ? 412 : 404, "there is no such key");
    } else if (!read_found(answer_of(flight), &found)) {
        flight__refuse(flight, 500, "the key path answered nonsense");
    } else if (flight->match.is_said && !has_tag(&flight->match, found.tag)) {
        flight__refuse(flight, 412, "the value is another: its entity tag is none of If-Match");
    } else if (flight->none_match.is_said && has_tag(&flight->none_match, found.tag)) {
        start_found(&reply, flight, 304, &found);
        flight__free(flight);
        reply_send_head(&reply, (uint64_t)found.bytes);
    } else {
        start_found(&reply, flight, 200, &found);
        if (found.value.at != NULL) {
            send_value(flight, &reply, found.value);
            return;
        }
        flight__free(flight);
        reply_send_head(&reply, (uint64_t)found.bytes);
    }
}

/* ---- PUT, DELETE ---- */

static void refuse_condition(struct flight *flight)
{
    flight__refuse(flight, 412,
                   flight->match.is_said ? "the value is another, or gone: its entity tag is none "
                                           "of If-Match"
                                         : "there is a value: its entity tag is one of "
                                           "If-None-Match");
}

void keys_http__answer_put(struct flight *flight)
{
    struct reply reply;
    int64_t count, is_new, expires_ms;
    if (keys_http__refused(flight))
        return;
    struct reading reading = {.rest = answer_of(flight)};
    (void)reading__head(&reading, &count);
    if (!reading.failed && count < 0) {
        refuse_condition(flight);
        return;
    }
    (void)reading__head(&reading, &is_new);
    const struct bytes tag = reading__bulk(&reading);
    (void)reading__head(&reading, &expires_ms);
    if (reading.failed) {
        flight__refuse(flight, 500, "the key path answered nonsense");
        return;
    }
    reply_start(&reply, flight->http, is_new ? 201 : 204);
    add_tag(&reply, tag);
    add_expiry(&reply, flight, expires_ms);
    flight__free(flight);
    reply_send(&reply, NULL);
}

void keys_http__answer_delete(struct flight *flight)
{
    struct reply reply;
    int64_t count;
    if (keys_http__refused(flight))
        return;
    struct reading reading = {.rest = answer_of(flight)};
    const char kind = reading__head(&reading, &count);
    if (kind == '$') {
        refuse_condition(flight);
    } else if (kind != ':') {
        flight__refuse(flight, 500, "the key path answered nonsense");
    } else if (count == 0) {
        flight__refuse(flight, 404, "there is no such key");
    } else {
        reply_start(&reply, flight->http, 204);
        flight__free(flight);
        reply_send(&reply, NULL);
    }
}
