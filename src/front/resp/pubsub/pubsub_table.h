/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/pubsub/pubsub_table.h - a hash table of what embeds a node, chained, which grows and
 * shrinks with what is in it.
 *
 * Memory:  owns its array alone. It goes with the last node; one that was reserved and not used
 *          stays until the end.
 * Threads: none of its own.
 * Errors:  pubsub_table_reserve() fails only where there was no array yet; otherwise chains become
 *          longer. */
#ifndef PANDO_FRONT_RESP_PUBSUB_PUBSUB_TABLE_H
#define PANDO_FRONT_RESP_PUBSUB_PUBSUB_TABLE_H

#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pubsub_node {
    struct pubsub_node *next; /* of the same place */
    uint64_t            hash;
};

struct pubsub_table {
    struct pubsub_node **places;
    size_t               places_count; /* 0, or a power of two */
    size_t               count;
};

/* Room for one node more. False: no memory. */
bool pubsub_table_reserve(struct pubsub_table *table) must_check;

/* Adds @node, whose hash is set, after pubsub_table_reserve(). */
void pubsub_table_add(struct pubsub_table *table, struct pubsub_node *node);

/* Takes out @node, which is in it. */
void pubsub_table_remove(struct pubsub_table *table, struct pubsub_node *node);

/* Nothing is in it. Accepts zero. */
void pubsub_table_fini(struct pubsub_table *table);

/* The first node that may be the one of that hash, to be followed by `next`; NULL: none. */
static inline struct pubsub_node *pubsub_table_find(const struct pubsub_table *table, uint64_t hash)
{
    return table->count == 0 ? NULL : table->places[hash & (table->places_count - 1)];
}

#endif
