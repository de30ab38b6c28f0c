/* SPDX-License-Identifier: Apache-2.0 */
/* control/check/probe.c - what is asked, and how the answer is judged.
 *
 * The answer is judged as soon as it can be: a wrong status at its head, a wanted text where it is
 * found. What follows is not read. */
#include "control/check/probe.h"

#include "codec/http1.h"
#include "control/call.h"
#include "core/mem.h"

#include <stdio.h>
#include <string.h>

enum {
    ANSWER_BYTES_MAX = 96 * 1024,
    BODY_BYTES_MAX = 64 * 1024,
    FIELDS_MAX = 100,
    REQUEST_BYTES_MAX = 2048, /* path and host are bounded by their settings */
};

struct probe {
    struct call           call; /* first */
    struct probe_question question;
    bool                  has_head;
    struct http_head      head;
    struct http_field     fields[FIELDS_MAX];
    struct http1_reader   reader;
    struct http1_chunks   chunks;
    size_t                used;       /* bytes of the answer that have come */
    size_t                read_at;    /* of them, those that were made sense of */
    size_t                body_bytes; /* without framing, at the front of `body` */
    size_t                request_bytes;
    char                  wanted[256];
    char                  request[REQUEST_BYTES_MAX];
    uint8_t               body[BODY_BYTES_MAX];
    uint8_t               answer[ANSWER_BYTES_MAX];
};

static const struct http1_limits limits = {
    .head_bytes_max = 32768, .target_bytes_max = 8192, .fields_max = FIELDS_MAX};

static struct probe *probe_of(struct call *call)
{
    return list_item(call, struct probe, call);
}

static void end_with(struct probe *probe, const char *why)
{
    call_end(&probe->call, why);
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
    return !probe->call.is_over;
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
    while (!probe->has_head && !probe->call.is_over && probe->used > 0) {
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
    if (!probe->has_head || probe->call.is_over)
        return;
    if (probe->head.framing == HTTP_FRAMING_CHUNKED)
        read_chunked(probe);
    else
        read_plain(probe);
}

/* --- the call --------------------------------------------------------------------------------- */

static void on_connected(struct call *call)
{
    struct probe *probe = probe_of(call);
    if (!probe->question.is_http)
        end_with(probe, NULL);
}

static void on_received(struct call *call, const uint8_t *at, size_t bytes)
{
    struct probe *probe = probe_of(call);
    if (bytes > sizeof probe->answer - probe->used) {
        end_with(probe, "its answer is longer than a check reads");
        return;
    }
    memcpy(probe->answer + probe->used, at, bytes);
    probe->used += bytes;
    read_answer(probe);
}

static void on_hung_up(struct call *call)
{
    struct probe *probe = probe_of(call);
    if (!probe->has_head)
        end_with(probe, "the connection ended before an answer");
    else
        miss(probe);
}

static void on_over(struct call *call, const char *why)
{
    const struct probe *probe = probe_of(call);
    if (probe->question.judged != NULL)
        probe->question.judged(probe->question.self, why);
}

static void on_closed(struct call *call)
{
    struct probe *probe = probe_of(call);
    void (*ended)(void *owner) = probe->question.ended;
    void *owner = probe->question.owner;
    mem_free(probe);
    if (ended != NULL)
        ended(owner);
}

static const struct call_events events = {
    .connected = on_connected,
    .received = on_received,
    .hung_up = on_hung_up,
    .over = on_over,
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
    struct probe *probe = probe_new(question);
    if (probe == NULL)
        return NULL;
    const struct call_options options = {
        .loop = question->loop,
        .address = question->address,
        .address_bytes = question->address_bytes,
        .timeout_ns = question->timeout_ns,
        .send = probe->request,
        .send_bytes = probe->request_bytes,
    };
    if (!call_start(&probe->call, &events, &options)) {
        mem_free(probe);
        return NULL;
    }
    /* The texts are the asker's. */
    probe->question.path = probe->question.host = probe->question.body = NULL;
    return probe;
}

void probe_cancel(struct probe *probe)
{
    if (probe == NULL || probe->call.is_over)
        return;
    probe->question.judged = NULL;
    end_with(probe, NULL);
}
