/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys_http/flight.c - from the request to the key path and back.
 *
 * A body is gathered as it comes, into a block that grows; what the flight holds is counted first,
 * so a client that says a length and sends nothing takes nothing. */
#include "engine/keys_http/flight.h"

#include "core/mem.h"
#include "core/units.h"

#include <assert.h>

enum {
    TEXT_SPARE_BYTES = 256,      /* numbers, and the name of a keyspace */
    GATHER_FIRST_BYTES = 16384,  /* of a body's block */
    GATHER_STEP_MAX = 64u << 20, /* it grows by as much again as it has, up to this */
};

static void cancelled(struct op *http);

/* Of op->charged. */
static size_t charged(const struct op *http)
{
    const struct flight *flight = http->holder;
    return sizeof *flight + flight->value_room;
}

static size_t text_bytes_of(const struct op *http)
{
    /* Decoded and kept: every byte of the head at most twice. */
    return 2 * (size_t)http->request->head.head_bytes + TEXT_SPARE_BYTES;
}

struct flight *flight__new(struct keys_http_stage *stage, struct op *http)
{
    const size_t text_bytes = text_bytes_of(http);
    struct flight *flight = slab_take(&stage->flights);
    uint8_t *block = NULL;
    if (flight != NULL && text_bytes > FLIGHT_TEXT_BYTES) {
        block = mem_take(text_bytes);
        if (block == NULL) {
            slab_give(&stage->flights, flight);
            flight = NULL;
        }
    }
    if (flight == NULL) {
        op_refuse(http, ERR_MEMORY, NULL);
        return NULL;
    }
    memset(flight, 0, offsetof(struct flight, room));
    flight->stage = stage;
    flight->http = http;
    flight->block = block;
    flight->text = block != NULL ? block : flight->room;
    flight->op.args = flight->args;
    link_init(&flight->op.link);
    resp_out_init(&flight->out, 2, 0, NULL);
    http->holder = flight;
    http->on_cancel = cancelled;
    http->charged = charged;
    return flight;
}

static void drop_value(struct flight *flight)
{
    mem_free(flight->value);
    flight->stage->options.held->bytes -= flight->value_room;
    flight->value = NULL;
    flight->value_room = flight->value_bytes = 0;
}

/* The request knows nothing of it any more. */
static struct op *part(struct flight *flight)
{
    struct op *http = flight->http;
    flight->http = NULL;
    if (http == NULL)
        return NULL;
    http->holder = NULL;
    http->on_cancel = NULL;
    http->charged = NULL;
    if (http->request_body != NULL)
        http->request_body->readable = (struct pipe_side){0};
    return http;
}

void flight__free(struct flight *flight)
{
    (void)part(flight);
    if (flight->is_gathering) {
        flight->is_over = true;
        return;
    }
    drop_value(flight);
    resp_out_fini(&flight->out);
    mem_free(flight->block);
    slab_give(&flight->stage->flights, flight);
}

void flight__refuse(struct flight *flight, unsigned status, const char *detail)
{
    struct op *http = part(flight);
    flight__free(flight);
    keys_http__problem(http, status, detail);
}

void flight__add(struct flight *flight, struct bytes arg)
{
    assert(flight->op.args_count < FLIGHT_ARGS_MAX);
    flight->args[flight->op.args_count++] = arg;
}

struct bytes flight__keep(struct flight *flight, struct bytes bytes)
{
    uint8_t *at = flight->text;
    if (bytes.count > 0)
        memcpy(at, bytes.at, bytes.count);
    flight->text += bytes.count;
    return (struct bytes){at, bytes.count};
}

/* ---- under way ---- */

/* Goes on alone: what it walks on stays, and so does the worker. */
static void go_alone(struct flight *flight)
{
    const struct keys_http_options *options = &flight->stage->options;
    options->hold(options->path);
    worker_await(options->worker);
}

static void end_alone(struct flight *flight)
{
    const struct keys_http_options options = flight->stage->options;
    flight__free(flight);
    options.release(options.path);
    worker_came_back(options.worker);
}

static void cancelled(struct op *http)
{
    struct flight *flight = http->holder;
    if (flight->is_under_way)
        go_alone(flight);
    (void)part(flight);
    if (!flight->is_under_way)
        flight__free(flight);
    if (http->request_body != NULL)
        pipe_break(http->request_body);
    op_refuse(http, ERR_CANCELLED, NULL);
}

static void land(struct flight *flight)
{
    if (flight->http == NULL) {
        end_alone(flight);
        return;
    }
    drop_value(flight);
    flight->answer(flight);
}

static void done(struct key_op *op)
{
    struct flight *flight = (struct flight *)(void *)op;
    flight->is_under_way = false;
    if (!flight->in_submit)
        land(flight);
}

/* Arguments and answer are its own from the beginning. */
static bool already_apart(struct key_op *op)
{
    op->is_apart = true;
    return true;
}

void flight__submit(struct flight *flight, enum command_number command)
{
    struct key_op *op = &flight->op;
    op->command = &commands[command];
    op->is_apart = true;
    op->now_ms = clock_wall_ns() / NS_PER_MS;
    op->out = &flight->out;
    op->set_apart = already_apart;
    op->done = done;
    flight->in_submit = flight->is_under_way = true;
    key_door_submit(flight->stage->options.door, op);
    flight->in_submit = false;
    if (!flight->is_under_way)
        land(flight);
}

/* ---- the body ---- */

static bool grow(struct flight *flight, size_t room)
{
    struct keys_http_held *held = flight->stage->options.held;
    uint8_t *value = mem_resize(flight->value, room);
    if (value == NULL)
        return false;
    held->bytes += room - flight->value_room;
    flight->value = value;
    flight->value_room = room;
    return true;
}

/* Room for @bytes more, and for as much again. False: refused. */
static bool make_room(struct flight *flight, size_t bytes)
{
    const struct keys_http_options *options = &flight->stage->options;
    const size_t needed = flight->value_bytes + bytes;
    const struct http_head *head = &flight->http->request->head;
    if (needed > flight->keyspace->value_bytes_max) {
        flight__refuse(flight, 413, "the value is larger than 'value-bytes' of the keyspace");
        return false;
    }
    if (needed <= flight->value_room)
        return true;
    const size_t step =
        flight->value_room < GATHER_STEP_MAX ? flight->value_room : (size_t)GATHER_STEP_MAX;
    size_t room = flight->value_room + (step < GATHER_FIRST_BYTES ? GATHER_FIRST_BYTES : step);
    if (room < needed)
        room = needed;
    if (head->has_content_length && room > head->content_length && head->content_length >= needed)
        room = (size_t)head->content_length;
    if (options->held->bytes + (room - flight->value_room) > options->settings->held_bytes) {
        flight__refuse(flight, 503, "as many values are on their way as 'kv.held-bytes' allows");
        return false;
    }
    if (grow(flight, room))
        return true;
    flight__refuse(flight, 503, "out of memory");
    return false;
}

static bool take(struct flight *flight, struct pipe *pipe)
{
    const struct slice *slice = pipe_peek(pipe);
    if (!make_room(flight, slice->bytes))
        return false;
    memcpy(flight->value + flight->value_bytes, slice->at, slice->bytes);
    flight->value_bytes += slice->bytes;
    /* Its writer may put more at once, which calls here again: that is left to the loop. */
    buf_unref(pipe_take(pipe).buf);
    return !flight->is_over;
}

/* False: it has not all come yet, or the flight is over. */
static bool gather(struct flight *flight, struct pipe *pipe)
{
    flight->is_gathering = true;
    while (!flight->is_over && pipe_peek(pipe) != NULL)
        if (!take(flight, pipe))
            break;
    flight->is_gathering = false;
    if (flight->is_over) {
        flight__free(flight);
        return false;
    }
    return pipe_is_drained(pipe);
}

static void came(void *self, struct pipe *pipe)
{
    struct flight *flight = self;
    if (flight->is_gathering || !gather(flight, pipe))
        return;
    if (pipe->error != ERR_NONE) {
        struct op *http = part(flight);
        flight__free(flight);
        op_refuse(http, ERR_CANCELLED, NULL);
        return;
    }
    pipe->readable = (struct pipe_side){0};
    flight->args[2] = (struct bytes){flight->value, flight->value_bytes};
    flight__submit(flight, COMMAND_IS_PANDO_PUT);
}

void flight__submit_with_body(struct flight *flight)
{
    struct pipe *pipe = flight->http->request_body;
    if (pipe == NULL) {
        flight__submit(flight, COMMAND_IS_PANDO_PUT);
        return;
    }
    pipe->readable = (struct pipe_side){came, flight};
    came(flight, pipe);
}
