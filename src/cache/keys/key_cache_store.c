/* SPDX-License-Identifier: Apache-2.0 */
/* cache/keys/key_cache_store.c - the store is asked, told and cleaned by commands of its own.
 *
 * A value is when the answer was read (8 bytes, of the loop's clock), until when it is right (8
 * bytes, Unix time; 0: for good), and the answer. The store drops a key by Unix time, so a clock
 * that is set back would let it live longer than `for`; the first of these does not. */
#include "cache/keys/key_cache_inside.h"
#include "codec/resp/resp_value.h"
#include "core/units.h"

#include <assert.h>

enum {
    HEAD_BYTES = 16,
    SCRATCH_KEPT_BYTES = 64 * 1024, /* a larger one is given back */
};

struct head {
    uint64_t begun_ns, fresh_until_ms;
};
static_assert(sizeof(struct head) == HEAD_BYTES, "a head is two numbers");

/* ---- one command to the store ---- */

struct asking {
    struct key_op op;
    bool          is_done;
};

static void done(struct key_op *op)
{
    list_item(op, struct asking, op)->is_done = true;
}

static void say(struct key_cache_stage *stage, enum command_number number, const struct bytes *args,
                uint32_t args_count, struct key_op *like)
{
    struct asking asking = {
        .op =
            {
                .command = &commands[number],
                .args = args,
                .args_count = args_count,
                .now_ms = like->now_ms,
                .out = like->out,
                .done = done,
            },
    };
    key_door_submit(stage->options.store, &asking.op);
    assert(asking.is_done); /* the store's promise */
}

/* Into the scratch, behind what is there. */
static void say_aside(struct key_cache_stage *stage, enum command_number number,
                      const struct bytes *args, uint32_t args_count, uint64_t now_ms)
{
    struct key_op like = {.now_ms = now_ms, .out = &stage->scratch};
    say(stage, number, args, args_count, &like);
}

static struct resp_out *begin_scratch(struct key_cache_stage *stage)
{
    if (stage->scratch.failed ||
        (stage->scratch.buf != NULL && stage->scratch.buf->capacity > SCRATCH_KEPT_BYTES)) {
        resp_out_fini(&stage->scratch);
        resp_out_init(&stage->scratch, 2, 0, NULL);
    }
    resp_out_rewind(&stage->scratch, 0);
    return &stage->scratch;
}

/* ---- finding ---- */

/* The bulk string at @begun becomes the answer that it holds. False: it is not right any more, or
 * there is none. */
static bool unwrap(const struct key_cache_stage *stage, struct key_op *op, size_t begun)
{
    struct resp_out *out = op->out;
    struct head head;
    char kind = 0;
    int64_t count = 0;
    if (out->failed || out->used <= begun)
        return false;
    uint8_t *at = out->buf->data + begun;
    const size_t bulk_head = resp_value_head((struct bytes){at, out->used - begun}, &kind, &count);
    if (bulk_head == 0 || kind != '$' || count <= HEAD_BYTES)
        return false;
    memcpy(&head, at + bulk_head, sizeof head);
    /* Another worker's turn may have begun later than this one's. */
    const uint64_t now_ns = stage->options.loop->now_ns;
    const uint64_t age_ns = now_ns > head.begun_ns ? now_ns - head.begun_ns : 0;
    if (age_ns >= stage->options.cache->options.for_ns ||
        (head.fresh_until_ms != 0 && op->now_ms >= head.fresh_until_ms))
        return false;
    const size_t bytes = (size_t)count - HEAD_BYTES;
    memmove(at, at + bulk_head + HEAD_BYTES, bytes);
    resp_out_rewind(out, begun + bytes);
    op->fresh_until_ms = head.fresh_until_ms;
    return true;
}

bool key_cache__find(struct key_cache_stage *stage, struct key_op *op,
                     const struct key_cache_question *question)
{
    const struct bytes args[] = {
        bytes_of("hget"), question->key, {question->field, question->field_bytes}};
    const size_t begun = op->out->used;
    if (op->out->failed)
        return false;
    say(stage, COMMAND_IS_HGET, args, 3, op);
    if (unwrap(stage, op, begun))
        return true;
    op->out->failed = false; /* the head may be what did not fit */
    resp_out_rewind(op->out, begun);
    return false;
}

/* ---- keeping ---- */

/* Unix time at which the store lets go of the key. */
static uint64_t ends_ms(const struct key_cache_stage *stage, const struct key_cache_kept *kept)
{
    const uint64_t by_age = kept->begun_ms + stage->options.cache->options.for_ns / NS_PER_MS + 1;
    return kept->fresh_until_ms != 0 && kept->fresh_until_ms < by_age ? kept->fresh_until_ms
                                                                      : by_age;
}

void key_cache__keep(struct key_cache_stage *stage, const struct key_cache_kept *kept)
{
    const struct head head = {kept->begun_ns, kept->fresh_until_ms};
    uint8_t text[BYTES_INT64_MAX];
    struct resp_out *scratch = begin_scratch(stage);
    resp_raw(scratch, (struct bytes){(const uint8_t *)&head, sizeof head});
    resp_raw(scratch, kept->answer);
    if (scratch->failed)
        return;
    struct resp_out value = *scratch; /* the store's answers must not move it */
    resp_out_init(scratch, 2, 0, NULL);
    const struct bytes set[] = {
        bytes_of("hset"), kept->key, kept->field, {value.buf->data, value.used}};
    say_aside(stage, COMMAND_IS_HSET, set, 4, kept->begun_ms);
    const struct bytes expire[] = {
        bytes_of("pexpireat"),
        kept->key,
        {text, bytes_write_int64(text, (int64_t)ends_ms(stage, kept))},
        bytes_of("lt"),
    };
    say_aside(stage, COMMAND_IS_PEXPIREAT, expire, 4, kept->begun_ms);
    resp_out_fini(scratch);
    *scratch = value;
}

void key_cache__drop(struct key_cache_stage *stage, struct bytes key, uint64_t now_ms)
{
    const struct bytes args[] = {bytes_of("del"), key};
    struct resp_out *scratch = begin_scratch(stage);
    say_aside(stage, COMMAND_IS_DEL, args, 2, now_ms);
    if (scratch->used > 1 && scratch->buf->data[1] == '1')
        key_cache__count(stage, KEY_CACHE_invalidated);
}
