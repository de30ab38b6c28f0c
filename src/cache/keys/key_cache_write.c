/* SPDX-License-Identifier: Apache-2.0 */
/* cache/keys/key_cache_write.c - what changes keys: its slots are marked, its keys leave the store,
 * it goes behind, the marks are taken back when it is answered, however it went. */
#include "cache/keys/key_cache_inside.h"

struct writing {
    struct key_cache_child  child; /* first */
    struct key_cache_stage *stage;
};

/* What is done with each key of an op that changes it. */
struct each {
    struct key_cache_stage *stage;
    uint64_t                now_ms;
    void (*one)(const struct each *each, struct bytes key);
    void (*all)(const struct each *each);
};

static bool is_write(const struct key_op *op)
{
    return (op->command->flags & COMMAND_WRITE) != 0;
}

bool key_cache__changes(const struct key_op *op)
{
    if (op->what == KEY_OP_COMMAND)
        return is_write(op);
    for (uint32_t i = 0; op->what == KEY_OP_EXEC && i < op->parts_count; i++)
        if (is_write(op->parts[i]))
            return true;
    return false;
}

/* One that counts its keys wrongly has none, and changes nothing. */
static void each_of_command(const struct each *each, const struct key_op *op)
{
    struct command_keys keys;
    if (!is_write(op) || !command_find_keys(op->command, op->args, op->args_count, &keys))
        return;
    const uint32_t count = command_keys_count(&keys);
    for (uint32_t i = 0; i < count; i++)
        each->one(each, op->args[command_key_place(&keys, i)]);
    if (count == 0)
        each->all(each);
}

static void each_of(const struct each *each, const struct key_op *op)
{
    if (op->what == KEY_OP_COMMAND)
        each_of_command(each, op);
    for (uint32_t i = 0; op->what == KEY_OP_EXEC && i < op->parts_count; i++)
        each_of_command(each, op->parts[i]);
}

static void begin_one(const struct each *each, struct bytes key)
{
    key_cache__begin(each->stage->options.cache, key);
    key_cache__drop(each->stage, key, each->now_ms);
}

static void begin_all(const struct each *each)
{
    key_cache__begin_all(each->stage->options.cache);
}

static void end_one(const struct each *each, struct bytes key)
{
    key_cache__end(each->stage->options.cache, key);
}

static void end_all(const struct each *each)
{
    key_cache__end_all(each->stage->options.cache);
}

static void done(struct key_op *op)
{
    struct writing *writing = (struct writing *)(void *)op;
    struct key_op *asked = writing->child.asked;
    const struct each each = {.stage = writing->stage, .one = end_one, .all = end_all};
    each_of(&each, op);
    key_cache__child_over(&writing->child);
    mem_free(writing);
    asked->done(asked);
}

void key_cache__write(struct key_cache_stage *stage, struct key_op *op)
{
    struct writing *writing = mem_take(sizeof *writing);
    const struct each each = {
        .stage = stage, .now_ms = op->now_ms, .one = begin_one, .all = begin_all};
    if (writing == NULL) {
        key_cache__refuse(op, KEY_CACHE_NO_MEMORY);
        return;
    }
    writing->stage = stage;
    each_of(&each, op);
    key_cache__child_init(&writing->child, op, done);
    key_door_submit(stage->options.behind, &writing->child.op);
}
