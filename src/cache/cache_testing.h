/* SPDX-License-Identifier: Apache-2.0 */
/* cache/cache_testing.h - for tests of the stage: a cache with one or two workers, clients that
 * note what they are given, and servers that do as the test says. No thread, no clock: posts and
 * timers run in house_turn().
 *
 *     house_open(&house, 4 * MIB);
 *     struct client *client = house_ask(&house, 0, "/a", "");         worker 0 asks
 *     struct op *op = house_asked(&house, 0);                         the first op that went down
 *     house_answer(&house, op, 200, "Cache-Control: max-age=60", "hello");
 *     cr_expect(client_got(client, 200, "hello"));
 *     house_close(&house);                                            everything was given back
 *
 * A client reads as it is sent, unless it was told to be slow. Each op below has a number in the
 * order in which it came; it is gone once it was answered to its end, or was cancelled. */
#ifndef PANDO_CACHE_CACHE_TESTING_H
#define PANDO_CACHE_CACHE_TESTING_H

#include "cache/cache_stage.h"
#include "cache/rules/rules_testing.h"
#include "core/units.h"
#include "loop/loop.h"
#include "path/path_testing.h"

#include <criterion/criterion.h>
#include <sys/mman.h>

enum { HOUSE_WORKERS = 2, HOUSE_CLIENTS_MAX = 32, CLIENT_BODY_BYTES = 1024 * 1024 };

struct client {
    struct frame  frame; /* first */
    struct op    *op;    /* NULL: it has finished, and all was read */
    bool          is_slow, is_reading;
    unsigned      answers_count, interims_count;
    enum err_kind error;
    unsigned      status;
    char          fields[1024]; /* of the answer, and what rooms added; lines */
    bool          finished, ended;
    enum outcome  outcome;
    enum err_kind body_error;
    size_t        body_bytes;
    char         *body; /* of house.bodies */
};

struct house {
    struct bench          bench;
    struct worker         workers[HOUSE_WORKERS]; /* the first is bench.worker's twin in time */
    struct loop           loops[HOUSE_WORKERS];
    struct keep           keep;
    struct cache         *cache;
    struct cache_settings settings;
    struct cache_stage    stages[HOUSE_WORKERS];
    int                   holds_count;     /* of the path */
    unsigned              cancelled_count; /* ops below */
    unsigned              clients_count;
    struct client         clients[HOUSE_CLIENTS_MAX];
    char                 *bodies; /* that they got; mapped, so that a search for leaks skips it */
};

enum { HOUSE_BODIES_BYTES = HOUSE_CLIENTS_MAX * (CLIENT_BODY_BYTES + 1) };

/* Settings as if the file said nothing. */
#define HOUSE_PRESET(field, name, kind, low, high, preset, live, help) .field = preset,
static const struct cache_settings house_presets = {CACHE_SETTINGS(HOUSE_PRESET)};

static inline void house_hold(void *path)
{
    ++*(int *)path;
}

static inline void house_release(void *path)
{
    --*(int *)path;
}

static inline bool house_try_open(struct house *house, uint64_t memory_bytes)
{
    memset(house, 0, sizeof *house);
    house->bodies = mmap(NULL, HOUSE_BODIES_BYTES, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert(house->bodies != MAP_FAILED);
    bench_init(&house->bench, 1);
    house->settings = house_presets;
    house->settings.memory_bytes = memory_bytes;
    keep_init(&house->keep);
    const struct cache_wish wish = {.service = "shop",
                                    .settings = &house->settings,
                                    .data_path = "",
                                    .workers_count = HOUSE_WORKERS};
    house->cache = cache_get(&house->keep, &wish);
    const struct cache_path path = {&house->holds_count, house_hold, house_release};
    bool ok = house->cache != NULL;
    for (unsigned i = 0; i < HOUSE_WORKERS; i++) {
        struct worker *worker = &house->workers[i];
        post_queue_init(&house->loops[i].posts);
        timer_wheel_init(&house->loops[i].timers, house->bench.now_ns);
        worker->index = i;
        worker->loop = &house->loops[i];
        list_init(&worker->ends);
        worker->now_ns = &house->bench.now_ns;
        memcpy(worker->date, TESTING_NOW, sizeof TESTING_NOW);
        slab_init(&worker->ops, "ops", sizeof(struct op), 0);
        slab_init(&worker->requests, "requests", sizeof(struct request), 0);
        ok = ok && cache_stage_init(&house->stages[i], house->cache, worker, &house->settings,
                                    &path, &house->bench.below.stage);
    }
    return ok;
}

static inline void house_open(struct house *house, uint64_t memory_bytes)
{
    cr_assert(house_try_open(house, memory_bytes));
}

/* What was posted, and timers that are due @ms later. */
static inline void house_turn(struct house *house, uint64_t ms)
{
    for (uint64_t i = 0; i <= ms; i++) {
        house->bench.now_ns += i == 0 ? 0 : NS_PER_MS;
        for (unsigned k = 0; k < HOUSE_WORKERS; k++) {
            for (struct post *post; (post = post_queue_take(&house->loops[k].posts)) != NULL;)
                post->call(post);
            timer_wheel_turn(&house->loops[k].timers, house->bench.now_ns);
        }
    }
}

/* Long enough to matter for freshness; no timer is due. */
static inline void house_pass(struct house *house, uint64_t seconds)
{
    house->bench.now_ns += seconds * NS_PER_S;
}

static inline void client_read(struct client *client, size_t most);

/* All clients must have finished. What slabs, store and path count is asserted. */
static inline void house_close(struct house *house)
{
    house_turn(house, 0);
    for (unsigned i = 0; i < house->clients_count; i++) {
        if (house->clients[i].finished && house->clients[i].op != NULL)
            client_read(&house->clients[i], SIZE_MAX);
        cr_expect(house->clients[i].finished && house->clients[i].answers_count == 1,
                  "client %u has %u answers, finished: %d", i, house->clients[i].answers_count,
                  house->clients[i].finished);
    }
    cr_expect(house->holds_count == 0, "%d fetches hold the path", house->holds_count);
    for (unsigned i = 0; i < HOUSE_WORKERS; i++) {
        cache_stage_fini(&house->stages[i]);
        slab_fini(&house->workers[i].ops);
        slab_fini(&house->workers[i].requests);
    }
    cache_give(house->cache);
    keep_fini(&house->keep);
    bench_fini(&house->bench);
    (void)munmap(house->bodies, HOUSE_BODIES_BYTES);
}

/* --- clients ---------------------------------------------------------------------------------- */

/* Takes at most @most bytes, in whole slices; the rest, too, if the op is over. Taking may make
 * it end. */
static inline void client_read(struct client *client, size_t most)
{
    struct op *op = client->op;
    struct pipe *pipe = &op->answer_body;
    if (client->is_reading)
        return;
    client->is_reading = true;
    for (size_t taken = 0; (taken < most || client->finished) && pipe_peek(pipe) != NULL;) {
        const struct slice slice = pipe_take(pipe);
        assert(client->body_bytes + slice.bytes <= CLIENT_BODY_BYTES);
        memcpy(client->body + client->body_bytes, slice.at, slice.bytes);
        client->body_bytes += slice.bytes;
        taken += slice.bytes;
        buf_unref(slice.buf);
    }
    client->is_reading = false;
    if (pipe_is_drained(pipe)) {
        client->ended = true;
        client->body_error = (enum err_kind)pipe->error;
    }
    if (client->finished) {
        client->op = NULL;
        op_free(op);
    }
}

static inline void client_readable(void *self, struct pipe *pipe)
{
    struct client *client = self;
    (void)pipe;
    if (!client->is_slow)
        client_read(client, SIZE_MAX);
}

static inline void client_interim(struct frame *self, struct op *op)
{
    (void)op;
    ((struct client *)(void *)self)->interims_count++;
}

static inline void client_note_fields(struct client *client, const struct op *op)
{
    const struct http_head *head = &op->answer.head;
    size_t used = 0;
    for (uint16_t i = 0; i < head->fields_count; i++) {
        const struct http_field *field = &head->fields[i];
        if (!field->hop)
            used += (size_t)snprintf(
                client->fields + used, sizeof client->fields - used, "%.*s: %.*s\r\n",
                field->name_bytes, (const char *)http_field_name(head, field),
                (int)field->value_bytes, (const char *)http_field_value(head, field));
    }
    snprintf(client->fields + used, sizeof client->fields - used, "%.*s",
             (int)op->answer_fields_bytes, op->answer_fields == NULL ? "" : op->answer_fields);
}

static inline void client_answered(struct frame *self, struct op *op)
{
    struct client *client = (struct client *)(void *)self;
    client->answers_count++;
    client->error = op->answer.error;
    client->status = op->answer.head.status;
    if (op->answer.error == ERR_NONE)
        client_note_fields(client, op);
    op->answer_body.readable = (struct pipe_side){client_readable, client};
    client_readable(client, &op->answer_body);
}

static inline void client_finished(struct frame *self, struct op *op, enum outcome outcome)
{
    struct client *client = (struct client *)(void *)self;
    (void)op;
    client->finished = true;
    client->outcome = outcome;
    if (!client->is_slow || outcome == OUTCOME_CANCELLED)
        client_read(client, SIZE_MAX);
}

/* A new client on worker @index sends "@method @path" with @fields; @slow: it reads only by
 * client_read(). NULL: no memory. */
static inline struct client *house_send(struct house *house, unsigned index, const char *method,
                                        const char *path, const char *fields, bool slow)
{
    static struct http1_testing_result result;
    char first[256];
    struct op *op = op_new(&house->workers[index], 65536);
    if (op == NULL)
        return NULL;
    snprintf(first, sizeof first, "%s %s HTTP/1.1\r\nHost: shop", method, path);
    testing_read(&result, HTTP1_TESTING_REQUEST, first, fields);
    struct request *request = op->request;
    const bool ok = op_copy_head(&request->arena, &request->head, &result.head);
    http1_testing_free(&result);
    if (!ok) {
        op_free(op);
        return NULL;
    }
    memcpy(request->client, "127.0.0.1", 10);
    request->origin = request->client;
    request->scheme = "http";
    request->via = "pando";
    assert(house->clients_count < HOUSE_CLIENTS_MAX);
    struct client *client = &house->clients[house->clients_count++];
    *client = (struct client){
        .frame = {.interim = client_interim,
                  .answered = client_answered,
                  .finished = client_finished},
        .op = op,
        .is_slow = slow,
        .body = house->bodies + (size_t)(client - house->clients) * (CLIENT_BODY_BYTES + 1),
    };
    client->body[0] = '\0';
    op_push(op, &client->frame);
    stage_submit(&house->stages[index].stage, op);
    return client;
}

static inline struct client *house_ask(struct house *house, unsigned index, const char *path,
                                       const char *fields)
{
    return house_send(house, index, "GET", path, fields, false);
}

/* Was it given that, whole? */
static inline bool client_got(const struct client *client, unsigned status, const char *body)
{
    return client->finished && client->answers_count == 1 && client->error == ERR_NONE &&
           client->status == status && client->outcome == OUTCOME_DONE && client->ended &&
           client->body_error == ERR_NONE && client->body_bytes == strlen(body) &&
           memcmp(client->body, body, client->body_bytes) == 0;
}

static inline bool client_said(const struct client *client, const char *text)
{
    return strstr(client->fields, text) != NULL;
}

/* --- servers ---------------------------------------------------------------------------------- */

static inline unsigned house_asked_count(const struct house *house)
{
    return house->bench.below.submitted_count;
}

static inline void house_cancelled(struct op *op)
{
    ((struct house *)op->holder)->cancelled_count++;
    op_refuse(op, ERR_CANCELLED, NULL);
}

/* The op that came down as number @index. */
static inline struct op *house_asked(struct house *house, unsigned index)
{
    cr_assert(index < house_asked_count(house), "only %u ops came down", house_asked_count(house));
    struct op *op = house->bench.below.ops[index];
    op->on_cancel = house_cancelled;
    op->holder = house;
    return op;
}

/* Does its request say "@field: @value"? @value NULL: any. */
static inline bool op_says(const struct op *op, const char *field, const char *value)
{
    const struct http_head *head = &op->request->head;
    const struct http_field *found = http_head_find_name(head, field, strlen(field));
    return found != NULL && !found->hop &&
           (value == NULL || (found->value_bytes == strlen(value) &&
                              memcmp(http_field_value(head, found), value, strlen(value)) == 0));
}

/* Its head; the body is to follow. False: it was cancelled in there and is gone, or had no
 * memory. */
static inline bool house_answer_head(struct house *house, struct op *op, unsigned status,
                                     const char *fields)
{
    static struct http1_testing_result result;
    const unsigned cancelled = house->cancelled_count;
    testing_answer(&result, status, fields);
    const bool ok = op_copy_head(&op->arena, &op->answer.head, &result.head);
    http1_testing_free(&result);
    if (!ok) {
        op_refuse(op, ERR_MEMORY, NULL);
        return false;
    }
    op_answer(op);
    return house->cancelled_count == cancelled;
}

/* False: the pipe is full or broken, or there is no memory; then nothing was put. It may have
 * been cancelled in there. */
static inline bool house_put(struct op *op, const void *at, size_t bytes)
{
    struct buf *buf = pipe_room(&op->answer_body) > 0 ? buf_new_copy(at, bytes) : NULL;
    if (buf == NULL)
        return false;
    const struct slice slice = {buf, buf->data, (uint32_t)bytes};
    if (pipe_put(&op->answer_body, slice))
        return true;
    buf_unref(buf);
    return false;
}

static inline void house_end(struct op *op, enum err_kind error)
{
    if (!op->answer_body.ended)
        pipe_end(&op->answer_body, error);
    op_finish(op, error == ERR_NONE ? OUTCOME_DONE : OUTCOME_FAILED);
}

/* All of an answer; its length is said. */
static inline void house_answer(struct house *house, struct op *op, unsigned status,
                                const char *fields, const char *body)
{
    char all[1024];
    const bool is_bodyless = status == 304 || status == 204;
    snprintf(all, sizeof all, "%s%s", fields, *fields != '\0' ? "\n" : "");
    if (!is_bodyless)
        snprintf(all + strlen(all), sizeof all - strlen(all), "Content-Length: %zu", strlen(body));
    else if (*all != '\0')
        all[strlen(all) - 1] = '\0';
    if (!house_answer_head(house, op, status, all))
        return;
    const unsigned cancelled = house->cancelled_count;
    const bool was_put = is_bodyless || *body == '\0' || house_put(op, body, strlen(body));
    if (house->cancelled_count == cancelled)
        house_end(op, was_put ? ERR_NONE : ERR_MEMORY);
}

#endif
