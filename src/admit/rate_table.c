/* SPDX-License-Identifier: Apache-2.0 */
/* admit/rate_table.c - groups of eight buckets. */
#include "admit/rate_table.h"

#include "core/mem.h"

#include <assert.h>

enum { GROUP_PLACES = 8, LOCKS = 64 };

/* A place whose full_ns has passed is free. */
struct place {
    uint64_t client;
    uint64_t full_ns;
};

struct rate_table {
    struct kept     kept; /* first */
    uint32_t        keys; /* as the settings said */
    uint32_t        groups_count;
    pthread_mutex_t locks[LOCKS];
    struct place    places[]; /* groups_count * GROUP_PLACES */
};

static void drop(struct kept *kept)
{
    struct rate_table *table = (struct rate_table *)(void *)kept;
    for (int i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&table->locks[i]);
    mem_free(table);
}

static struct rate_table *table_new(uint32_t keys)
{
    const uint32_t groups_count = (keys + GROUP_PLACES - 1) / GROUP_PLACES;
    struct rate_table *table =
        mem_alloc(sizeof *table + (size_t)groups_count * GROUP_PLACES * sizeof(struct place));
    if (table == NULL)
        return NULL;
    table->keys = keys;
    table->groups_count = groups_count;
    for (int i = 0; i < LOCKS; i++)
        pthread_mutex_init(&table->locks[i], NULL);
    return table;
}

struct rate_table *rate_table_get(struct keep *keep, const char *name, uint32_t keys)
{
    struct rate_table *table = (struct rate_table *)(void *)keep_find(keep, name);
    if (table != NULL && table->keys == keys)
        return table;
    rate_table_give(table);
    table = table_new(keys);
    if (table != NULL)
        keep_add(keep, &table->kept, name, drop);
    return table;
}

void rate_table_give(struct rate_table *table)
{
    kept_unref(table != NULL ? &table->kept : NULL);
}

/* The place of @client; else a free one; else the one that will be full soonest. */
static struct place *find_place(struct place *group, uint64_t client, uint64_t now_ns)
{
    struct place *best = NULL;
    for (int i = 0; i < GROUP_PLACES; i++) {
        struct place *place = &group[i];
        if (place->client == client)
            return place;
        if (best == NULL || place->full_ns < best->full_ns)
            best = place;
    }
    if (best->full_ns <= now_ns)
        *best = (struct place){.client = client};
    return best;
}

static struct rate_result take(struct place *group, const struct rate *rate, uint64_t client,
                               bool forgets, uint64_t now_ns)
{
    struct rate_result result = {0};
    struct place *place = find_place(group, client, now_ns);
    if (place->client != client) {
        result.is_full = !forgets;
        result.forgotten = forgets;
        result.verdict.wait_ns = place->full_ns - now_ns;
        if (!forgets)
            return result;
        *place = (struct place){.client = client};
    }
    result.verdict = rate_take(rate, &place->full_ns, now_ns);
    return result;
}

struct rate_result rate_table_take(struct rate_table *table, const struct rate *rate,
                                   uint64_t client, bool forgets, uint64_t now_ns)
{
    assert(client != 0);
    const uint32_t group = (uint32_t)(((client >> 32) * table->groups_count) >> 32);
    pthread_mutex_t *lock = &table->locks[group % LOCKS];
    pthread_mutex_lock(lock);
    const struct rate_result result =
        take(&table->places[(size_t)group * GROUP_PLACES], rate, client, forgets, now_ns);
    pthread_mutex_unlock(lock);
    return result;
}
