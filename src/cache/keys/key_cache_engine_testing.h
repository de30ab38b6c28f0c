/* SPDX-License-Identifier: Apache-2.0 */
/* cache/keys/key_cache_engine_testing.h - for tests: an engine that is a fake.
 *
 * It holds numbers under keys of one letter. It answers at once, or, if it is late, carries an op
 * out when the test says so and answers when the test says so.
 *
 * Threads: one. */
#ifndef PANDO_CACHE_KEYS_KEY_CACHE_ENGINE_TESTING_H
#define PANDO_CACHE_KEYS_KEY_CACHE_ENGINE_TESTING_H

#include "codec/resp/resp_out.h"
#include "path/command/key_op.h"

#include <criterion/criterion.h>

enum { FAKE_KEYS = 26 };

struct fake_value {
    bool     is_there;
    int64_t  number;
    uint64_t expires_ms;
};

struct fake_engine {
    struct key_door   door; /* first */
    bool              is_late;
    const char       *error;      /* that it answers to everything; NULL: none */
    bool              is_refused; /* that answer's */
    struct list       ops;        /* struct key_op that are not carried out */
    struct list       over;       /* that are not answered */
    unsigned          asked_count;
    struct fake_value values[FAKE_KEYS];
};

static inline struct fake_value *fake_value(struct fake_engine *engine, const struct key_op *op,
                                            uint32_t place)
{
    struct fake_value *value = &engine->values[op->args[place].at[0] - 'a'];
    if (value->expires_ms != 0 && value->expires_ms <= op->now_ms)
        *value = (struct fake_value){0};
    return value;
}

static inline void fake_get(struct fake_engine *engine, struct key_op *op)
{
    struct command_keys keys;
    cr_assert(command_find_keys(op->command, op->args, op->args_count, &keys));
    const struct fake_value *value = fake_value(engine, op, command_key_place(&keys, 0));
    op->fresh_until_ms = value->is_there ? value->expires_ms : 0;
    if (value->is_there)
        resp_bulk_integer(op->out, value->number);
    else
        resp_null(op->out);
}

static inline void fake_set(struct fake_engine *engine, struct key_op *op)
{
    struct fake_value value = {.is_there = true};
    int64_t expires = 0;
    cr_assert(bytes_read_int64(op->args[2], &value.number));
    if (op->args_count == 5 && bytes_read_int64(op->args[4], &expires))
        value.expires_ms = (uint64_t)expires;
    *fake_value(engine, op, 1) = value;
    resp_simple(op->out, "OK");
}

static inline void fake_run(struct fake_engine *engine, struct key_op *op)
{
    switch (op->command->number) {
    case COMMAND_IS_SET: fake_set(engine, op); break;
    case COMMAND_IS_MSET:
        for (uint32_t i = 1; i + 1 < op->args_count; i += 2) {
            struct fake_value *value = fake_value(engine, op, i);
            *value = (struct fake_value){.is_there = true};
            cr_assert(bytes_read_int64(op->args[i + 1], &value->number));
        }
        resp_simple(op->out, "OK");
        break;
    case COMMAND_IS_RENAME:
    case COMMAND_IS_COPY:
        *fake_value(engine, op, 2) = *fake_value(engine, op, 1);
        resp_simple(op->out, "OK");
        break;
    case COMMAND_IS_SORT:
        cr_assert(op->args_count == 4);
        *fake_value(engine, op, 3) = *fake_value(engine, op, 1);
        resp_integer(op->out, 1);
        break;
    case COMMAND_IS_DEL:
        for (uint32_t i = 1; i < op->args_count; i++)
            *fake_value(engine, op, i) = (struct fake_value){0};
        resp_integer(op->out, 1);
        break;
    case COMMAND_IS_FLUSHALL:
        memset(engine->values, 0, sizeof engine->values);
        resp_simple(op->out, "OK");
        break;
    default: fake_get(engine, op);
    }
}

/* Carries it out. */
static inline void fake_do(struct fake_engine *engine, struct key_op *op)
{
    if (engine->error != NULL) {
        op->is_refused = engine->is_refused;
        resp_error(op->out, engine->error);
    } else if (op->what == KEY_OP_EXEC) {
        resp_array(op->out, op->parts_count);
        for (uint32_t i = 0; i < op->parts_count; i++)
            fake_run(engine, op->parts[i]);
    } else if (op->what == KEY_OP_COMMAND) {
        fake_run(engine, op);
    }
}

static inline void fake_engine_submit(struct key_door *door, struct key_op *op)
{
    struct fake_engine *engine = (struct fake_engine *)(void *)door;
    engine->asked_count++;
    if (!engine->is_late) {
        fake_do(engine, op);
        op->done(op);
        return;
    }
    cr_assert(op->is_apart || op->set_apart(op));
    list_add_last(&engine->ops, &op->link);
}

/* Carries the oldest op out, which is answered later. */
static inline void fake_carry_out(struct fake_engine *engine)
{
    struct list_link *link = list_first(&engine->ops);
    cr_assert(link != NULL, "nothing was asked");
    list_remove(link);
    fake_do(engine, list_item(link, struct key_op, link));
    list_add_last(&engine->over, link);
}

/* Answers what was carried out first. */
static inline void fake_answer(struct fake_engine *engine)
{
    struct list_link *link = list_first(&engine->over);
    cr_assert(link != NULL, "nothing was carried out");
    list_remove(link);
    struct key_op *op = list_item(link, struct key_op, link);
    op->done(op);
}

static inline void fake_carry_out_and_answer(struct fake_engine *engine)
{
    fake_carry_out(engine);
    fake_answer(engine);
}

#endif
