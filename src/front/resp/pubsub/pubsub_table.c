/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/pubsub/pubsub_table.c - a hash table of what embeds a node. */
#include "front/resp/pubsub/pubsub_table.h"

#include "core/mem.h"

#include <assert.h>

enum {
    PLACES_MIN = 16,
    EMPTY_SHARE = 8, /* so many places a node, and the table shrinks */
};

static struct pubsub_node **place_of(const struct pubsub_table *table, uint64_t hash)
{
    return &table->places[hash & (table->places_count - 1)];
}

/* False: no memory; it stays as it was. */
static bool resize(struct pubsub_table *table, size_t places_count)
{
    const struct pubsub_table old = *table;
    struct pubsub_node **places = mem_alloc(places_count * sizeof(struct pubsub_node *));
    if (places == NULL)
        return false;
    table->places = places;
    table->places_count = places_count;
    for (size_t i = 0; i < old.places_count; i++) {
        for (struct pubsub_node *node = old.places[i], *next; node != NULL; node = next) {
            struct pubsub_node **place = place_of(table, node->hash);
            next = node->next;
            node->next = *place;
            *place = node;
        }
    }
    mem_free((void *)old.places);
    return true;
}

bool pubsub_table_reserve(struct pubsub_table *table)
{
    if (table->count < table->places_count)
        return true;
    const bool has_grown =
        resize(table, table->places_count == 0 ? PLACES_MIN : table->places_count * 2);
    return has_grown || table->places_count > 0;
}

void pubsub_table_add(struct pubsub_table *table, struct pubsub_node *node)
{
    struct pubsub_node **place = place_of(table, node->hash);
    node->next = *place;
    *place = node;
    table->count++;
}

void pubsub_table_remove(struct pubsub_table *table, struct pubsub_node *node)
{
    struct pubsub_node **at = place_of(table, node->hash);
    while (*at != node) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    if (--table->count == 0) {
        mem_free((void *)table->places);
        *table = (struct pubsub_table){0};
    } else if (table->places_count > PLACES_MIN &&
               table->count * EMPTY_SHARE < table->places_count) {
        (void)resize(table, table->places_count / 2); /* without memory it stays large */
    }
}

void pubsub_table_fini(struct pubsub_table *table)
{
    assert(table->count == 0);
    mem_free((void *)table->places);
    *table = (struct pubsub_table){0};
}
