/* SPDX-License-Identifier: Apache-2.0 */
/* engine/memory/memory_testing.h - spaces for tests, and a second count of their bytes. */
#ifndef PANDO_ENGINE_MEMORY_MEMORY_TESTING_H
#define PANDO_ENGINE_MEMORY_MEMORY_TESTING_H

#include "engine/memory/memory_space.h"

#include <criterion/criterion.h>

/* A space by itself that evicts if it has a limit. */
static inline struct memory_space *memory_testing_new(uint64_t bytes_max, bool is_ordered)
{
    static const struct hash_key hash_key = {{3, 4}};
    struct memory_space *space = memory_space_new(&(struct memory_space_options){
        .hash_key = &hash_key,
        .bytes_max = bytes_max,
        .evicts = bytes_max > 0,
        .is_ordered = is_ordered,
    });
    cr_assert(space != NULL);
    memory_space_begin(space, 1, false);
    return space;
}

static inline bool memory_testing__add(void *self, struct key_entry *entry)
{
    *(uint64_t *)self += key_entry_bytes(entry);
    return true;
}

/* What the space counted one by one is what its entries hold. */
static inline void memory_testing_expect_counted(struct memory_space *space)
{
    uint64_t bytes = 0;
    uint64_t position = 0;
    key_table_scan(&space->table, &position, SIZE_MAX, memory_testing__add, &bytes);
    cr_assert(position == KEY_TABLE_END);
    for (struct key_entry *doomed = space->doomed; doomed != NULL; doomed = *key_entry_link(doomed))
        bytes += key_entry_bytes(doomed);
    cr_assert(bytes == space->entries_bytes, "%lu bytes are there, %lu were counted", bytes,
              space->entries_bytes);
    cr_assert(space->space.is_ordered == (space->order.count > 0) || space->table.count == 0);
    cr_assert(!space->space.is_ordered || space->order.count == space->table.count);
}

#endif
