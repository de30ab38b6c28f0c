/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/pubsub/pubsub_table_test.c - what is added is found until it is taken out. */
#include "front/resp/pubsub/pubsub_table.h"

#include "core/mem.h"
#include "core/random.h"

#include <criterion/criterion.h>

enum { NODES = 300 };

static bool has(const struct pubsub_table *table, const struct pubsub_node *wanted)
{
    const struct pubsub_node *node = pubsub_table_find(table, wanted->hash);
    while (node != NULL && node != wanted)
        node = node->next;
    return node != NULL;
}

/* Few hashes, so that chains are long, and the same ones too. */
Test(pubsub_table, agrees_with_a_plain_list)
{
    static struct pubsub_node nodes[NODES];
    bool is_in[NODES] = {false};
    struct pubsub_table table = {0};
    struct random random;
    random_init(&random, 5);
    for (unsigned i = 0; i < NODES; i++)
        nodes[i].hash = random_next(&random) % 100 * 0x9e3779b97f4a7c15u;
    for (unsigned step = 0; step < 20000; step++) {
        /* it grows, shrinks to nothing, and grows again */
        const bool grows = step / 2000 % 2 == 0;
        const unsigned i = random_below(random_next(&random), NODES);
        if (is_in[i] && (!grows || step % 4 == 0)) {
            pubsub_table_remove(&table, &nodes[i]);
            is_in[i] = false;
        } else if (!is_in[i] && (grows || step % 4 == 0)) {
            cr_assert(pubsub_table_reserve(&table));
            pubsub_table_add(&table, &nodes[i]);
            is_in[i] = true;
        }
        cr_assert(has(&table, &nodes[i]) == is_in[i]);
        cr_assert(table.places_count <= 512);
    }
    for (unsigned i = 0; i < NODES; i++) {
        cr_assert(has(&table, &nodes[i]) == is_in[i]);
        if (is_in[i])
            pubsub_table_remove(&table, &nodes[i]);
    }
    cr_expect(table.count == 0 && table.places == NULL, "it holds no memory while it is empty");
}

Test(pubsub_table, shrinks_with_what_is_in_it)
{
    static struct pubsub_node nodes[NODES];
    struct pubsub_table table = {0};
    for (unsigned i = 0; i < NODES; i++) {
        nodes[i].hash = i;
        cr_assert(pubsub_table_reserve(&table));
        pubsub_table_add(&table, &nodes[i]);
    }
    cr_expect(table.places_count == 512);
    for (unsigned i = 1; i < NODES; i++)
        pubsub_table_remove(&table, &nodes[i]);
    cr_expect(table.places_count == 16 && has(&table, &nodes[0]));
    pubsub_table_remove(&table, &nodes[0]);
}

#ifdef PANDO_FAULTS
Test(pubsub_table, takes_more_than_it_has_places_for_when_memory_fails)
{
    static struct pubsub_node nodes[NODES];
    struct pubsub_table table = {0};
    fault_fail_nth(FAULT_ALLOCATION, 1);
    cr_expect(!pubsub_table_reserve(&table), "it has no place at all");
    for (unsigned i = 0; i < 40; i++) {
        nodes[i].hash = i;
        fault_fail_nth(FAULT_ALLOCATION, i == 0 ? 0 : 1);
        cr_assert(pubsub_table_reserve(&table));
        pubsub_table_add(&table, &nodes[i]);
    }
    fault_fail_nth(FAULT_ALLOCATION, 0);
    cr_expect(table.places_count == 16);
    for (unsigned i = 0; i < 40; i++) {
        cr_expect(has(&table, &nodes[i]));
        pubsub_table_remove(&table, &nodes[i]);
    }
}
#endif
