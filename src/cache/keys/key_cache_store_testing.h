/* SPDX-License-Identifier: Apache-2.0 */
/* cache/keys/key_cache_store_testing.h - for tests: a store that is a fake, and does HGET, HSET,
 * PEXPIREAT key ms LT and DEL as the memory engine does.
 *
 * Threads: any. */
#ifndef PANDO_CACHE_KEYS_KEY_CACHE_STORE_TESTING_H
#define PANDO_CACHE_KEYS_KEY_CACHE_STORE_TESTING_H

#include "codec/resp/resp_out.h"
#include "path/command/key_op.h"

#include <criterion/criterion.h>
#include <pthread.h>

enum { FAKE_CELLS = 64 };

struct fake_cell {
    bool     is_there;
    uint64_t expires_ms; /* of the key; 0: never */
    size_t   key_bytes, field_bytes, value_bytes;
    uint8_t  key[32], field[1200], value[1200];
};

struct fake_store {
    struct key_door  door; /* first */
    pthread_mutex_t  lock;
    bool             is_full; /* takes nothing */
    struct fake_cell cells[FAKE_CELLS];
};

static inline bool fake_is(const uint8_t *at, size_t bytes, struct bytes other)
{
    return bytes == other.count && memcmp(at, other.at, bytes) == 0;
}

static inline struct fake_cell *fake_cell(struct fake_store *store, const struct key_op *op)
{
    for (unsigned i = 0; i < FAKE_CELLS; i++) {
        struct fake_cell *cell = &store->cells[i];
        if (cell->is_there && cell->expires_ms != 0 && cell->expires_ms <= op->now_ms)
            cell->is_there = false;
        if (cell->is_there && fake_is(cell->key, cell->key_bytes, op->args[1]) &&
            fake_is(cell->field, cell->field_bytes, op->args[2]))
            return cell;
    }
    return NULL;
}

static inline void fake_hset(struct fake_store *store, struct key_op *op)
{
    struct fake_cell *cell = fake_cell(store, op);
    for (unsigned i = 0; cell == NULL && i < FAKE_CELLS; i++)
        if (!store->cells[i].is_there)
            cell = &store->cells[i];
    if (cell == NULL || store->is_full) {
        resp_error(op->out, "OOM there is no room");
        return;
    }
    *cell = (struct fake_cell){.is_there = true,
                               .key_bytes = op->args[1].count,
                               .field_bytes = op->args[2].count,
                               .value_bytes = op->args[3].count};
    cr_assert(cell->key_bytes <= sizeof cell->key && cell->field_bytes <= sizeof cell->field &&
              cell->value_bytes <= sizeof cell->value);
    memcpy(cell->key, op->args[1].at, cell->key_bytes);
    memcpy(cell->field, op->args[2].at, cell->field_bytes);
    memcpy(cell->value, op->args[3].at, cell->value_bytes);
    resp_integer(op->out, 1);
}

/* Each cell of the key; how many. */
static inline int64_t fake_each(struct fake_store *store, const struct key_op *op, uint64_t expires)
{
    int64_t count = 0;
    for (unsigned i = 0; i < FAKE_CELLS; i++) {
        struct fake_cell *cell = &store->cells[i];
        if (!cell->is_there || !fake_is(cell->key, cell->key_bytes, op->args[1]))
            continue;
        count++;
        if (expires == 0)
            cell->is_there = false;
        else if (cell->expires_ms == 0 || expires < cell->expires_ms)
            cell->expires_ms = expires;
    }
    return count;
}

static inline void fake_store_submit(struct key_door *door, struct key_op *op)
{
    struct fake_store *store = (struct fake_store *)(void *)door;
    int64_t expires = 0;
    pthread_mutex_lock(&store->lock);
    const struct fake_cell *cell;
    switch (op->command->number) {
    case COMMAND_IS_HGET:
        if ((cell = fake_cell(store, op)) != NULL)
            resp_bulk(op->out, (struct bytes){cell->value, cell->value_bytes});
        else
            resp_null(op->out);
        break;
    case COMMAND_IS_HSET: fake_hset(store, op); break;
    case COMMAND_IS_PEXPIREAT:
        cr_assert(bytes_read_int64(op->args[2], &expires) && expires > 0);
        resp_integer(op->out, fake_each(store, op, (uint64_t)expires));
        break;
    default:
        cr_assert(op->command->number == COMMAND_IS_DEL);
        resp_integer(op->out, fake_each(store, op, 0) > 0);
    }
    pthread_mutex_unlock(&store->lock);
    op->done(op);
}

#endif
