/* SPDX-License-Identifier: Apache-2.0 */
/* engine/memory/memory_space.c - begins and ends, the budget, and the ways in and out. */
#include "engine/memory/memory_space.h"

#include "engine/memory/memory_inside.h"

#include <assert.h>
#include <stdatomic.h>

static const struct space_kind memory_kind = {
    .name = "memory",
    .find = memory__space_find,
    .put = memory__space_put,
    .put_as = memory__space_put_as,
    .edit = memory__space_edit,
    .edited = memory__space_edited,
    .remove = memory__space_remove,
    .expire = memory__space_expire,
    .create = memory__space_create,
    .settle = memory__space_settle,
    .rename = memory__space_rename,
    .tree_get = memory__tree_get,
    .tree_put = memory__tree_put,
    .tree_remove = memory__tree_remove,
    .seek = memory__seek,
    .seek_rank = memory__seek_rank,
    .seek_end = memory__seek_end,
    .next = memory__next,
    .prev = memory__prev,
    .rank = memory__rank,
    .count = memory__space_count,
    .scan = memory__space_scan,
    .random = memory__space_random,
    .beside = memory__space_beside,
    .clear = memory__space_clear,
    .bytes = memory__value_bytes,
};

enum { OWN_GRANT_BYTES = 256 };

void memory_space_init(struct memory_space *space, const struct memory_space_options *options)
{
    *space = (struct memory_space){
        .space = {.kind = &memory_kind, .is_ordered = options->is_ordered},
        .hash_key = options->hash_key,
        .budget = options->budget,
        .hint_bytes = SIZE_MAX,
    };
    if (space->budget == NULL) {
        space->own_budget = (struct memory_budget){.bytes_max = options->bytes_max,
                                                   .evicts = options->evicts,
                                                   .grant_bytes = OWN_GRANT_BYTES};
        space->budget = &space->own_budget;
    }
    key_table_init(&space->table, options->prefix_bits, options->prefix);
    for (unsigned i = 0; i < MEMORY_WATCH_LISTS; i++)
        list_init(&space->watches[i]);
}

/* Gives back all that is granted beyond @kept_bytes more than is held. */
static void give_back(struct memory_space *space, uint64_t kept_bytes)
{
    const uint64_t kept = memory_space_bytes(space) + kept_bytes;
    if (space->granted_bytes <= kept)
        return;
    atomic_fetch_sub_explicit(&space->budget->granted_bytes, space->granted_bytes - kept,
                              memory_order_relaxed);
    space->granted_bytes = kept;
}

/* Frees up to @members members of what is doomed. False: nothing was. */
static bool free_doomed(struct memory_space *space, size_t members)
{
    if (space->doomed == NULL)
        return false;
    while (space->doomed != NULL && members > 0) {
        struct key_entry *entry = space->doomed;
        struct key_entry *next = *key_entry_link(entry);
        const uint64_t bytes = key_entry_bytes(entry);
        const bool is_freed = key_entry_free_some(entry, &members);
        space->entries_bytes -= bytes - (is_freed ? 0 : key_entry_bytes(entry));
        if (is_freed)
            space->doomed = next;
    }
    return true;
}

static void free_all(struct memory_space *space)
{
    free_doomed(space, SIZE_MAX);
    key_table_clear(&space->table);
    key_tree_clear(&space->order);
    space->entries_bytes = 0;
    give_back(space, 0);
}

void memory_space_fini(struct memory_space *space)
{
    assert(space->watches_count == 0);
    free_all(space);
}

struct memory_space *memory_space_new(const struct memory_space_options *options)
{
    struct memory_space *space = mem_alloc(sizeof *space);
    if (space != NULL)
        memory_space_init(space, options);
    return space;
}

void memory_space_free(struct memory_space *space)
{
    if (space == NULL)
        return;
    memory_space_fini(space);
    mem_free(space);
}

void memory_space_begin(struct memory_space *space, uint64_t now_ms, bool is_reading)
{
    space->space.now_ms = now_ms;
    space->is_reading = is_reading;
    space->hint_bytes = SIZE_MAX; /* of no key */
    key_table_next_generation(&space->table);
}

void memory_space_end(struct memory_space *space)
{
    const uint64_t grant_bytes = space->budget->grant_bytes;
    if (space->granted_bytes > memory_space_bytes(space) + 4 * grant_bytes)
        give_back(space, grant_bytes);
}

void memory_space_count(const struct memory_space *space, struct memory_counts *sum)
{
    sum->keys += space->table.count;
    sum->bytes += memory_space_bytes(space);
    sum->hits += space->counts.hits;
    sum->misses += space->counts.misses;
    sum->evicted += space->counts.evicted;
    sum->expired += space->counts.expired;
    sum->commands += space->counts.commands;
}

/* ---- the budget ---- */

/* With @granted granted, is there room for @bytes? */
static bool leaves(const struct memory_budget *budget, uint64_t granted, uint64_t bytes)
{
    return budget->bytes_max == 0 ||
           (granted <= budget->bytes_max && bytes <= budget->bytes_max - granted);
}

static bool is_granted(struct memory_space *space, uint64_t bytes)
{
    struct memory_budget *budget = space->budget;
    uint64_t granted = atomic_load_explicit(&budget->granted_bytes, memory_order_relaxed);
    do {
        if (!leaves(budget, granted, bytes))
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&budget->granted_bytes, &granted,
                                                    granted + bytes, memory_order_relaxed,
                                                    memory_order_relaxed));
    space->granted_bytes += bytes;
    return true;
}

/* Of the budget: some more at once if there is, or just as much as is needed. */
static bool take_grant(struct memory_space *space, uint64_t bytes)
{
    const uint64_t wanted = memory_space_bytes(space) + bytes;
    if (wanted <= space->granted_bytes)
        return true;
    const uint64_t missing = wanted - space->granted_bytes;
    return (missing < space->budget->grant_bytes &&
            is_granted(space, space->budget->grant_bytes)) ||
           is_granted(space, missing);
}

static bool evict_one(struct memory_space *space)
{
    struct key_entry *victim = space->budget->evicts ? key_table_victim(&space->table) : NULL;
    if (victim == NULL)
        return false;
    space->counts.evicted++;
    memory__drop(space, victim);
    return true;
}

bool memory__claim_more(struct memory_space *space, uint64_t bytes)
{
    struct memory_budget *budget = space->budget;
    if (budget->bytes_max > 0 && bytes > budget->bytes_max)
        return false; /* nobody is evicted in vain for it */
    do {
        if (take_grant(space, bytes))
            return true;
    } while (free_doomed(space, MEMORY_LARGE_MEMBERS) || evict_one(space));
    if (budget->make_room == NULL)
        return false;
    budget->make_room(budget->self, space,
                      memory_space_bytes(space) + bytes - space->granted_bytes);
    return take_grant(space, bytes);
}

bool memory_budget_has(const struct memory_budget *budget, uint64_t bytes)
{
    return leaves(budget, atomic_load_explicit(&budget->granted_bytes, memory_order_relaxed),
                  bytes);
}

bool memory__has_room(const struct memory_space *space, uint64_t bytes)
{
    return memory_space_bytes(space) + bytes <= space->granted_bytes ||
           memory_budget_has(space->budget, bytes);
}

void memory_space_yield(struct memory_space *space, uint64_t bytes)
{
    do
        give_back(space, 0);
    while (!memory_budget_has(space->budget, bytes) &&
           (free_doomed(space, MEMORY_LARGE_MEMBERS) || evict_one(space)));
}

/* ---- in and out ---- */

static size_t order_bytes(const struct memory_space *space, struct bytes key)
{
    return space->space.is_ordered ? key_tree_put_bytes(&space->order, key.count, 0) : 0;
}

struct key_entry *memory__add(struct memory_space *space, uint64_t hash,
                              const struct key_entry_plan *plan)
{
    const size_t bytes = mem_held_bytes_max(key_entry_plan_bytes(plan));
    if (!memory__claim(space, bytes + key_table_insert_bytes(&space->table) +
                                  order_bytes(space, plan->key)))
        return NULL;
    struct key_entry *entry = key_entry_new(plan);
    if (entry == NULL)
        return NULL;
    bool is_new = false;
    if (space->space.is_ordered &&
        !key_tree_put(&space->order, plan->key, (struct bytes){0}, &is_new)) {
        key_entry_free(entry);
        return NULL;
    }
    if (!key_table_insert(&space->table, hash, entry)) {
        if (is_new)
            key_tree_remove(&space->order, plan->key);
        key_entry_free(entry);
        return NULL;
    }
    space->entries_bytes += mem_held_bytes(entry);
    return entry;
}

void memory__let_go(struct memory_space *space, struct key_entry *entry)
{
    if (memory__is_large(entry)) {
        *key_entry_link(entry) = space->doomed;
        space->doomed = entry;
        return;
    }
    space->entries_bytes -= key_entry_bytes(entry);
    key_entry_free(entry);
}

void memory__drop(struct memory_space *space, struct key_entry *entry)
{
    memory__touch(space, entry);
    if (space->space.is_ordered)
        key_tree_remove(&space->order, key_entry_key(entry));
    key_table_take(&space->table, entry);
    memory__let_go(space, entry);
}

void memory__space_clear(struct space *of)
{
    struct memory_space *space = memory__of(of);
    for (unsigned i = 0; space->watches_count > 0 && i < MEMORY_WATCH_LISTS; i++)
        list_each(&space->watches[i], link, after)
        {
            struct key_watch *watch = list_item(link, struct key_watch, watched);
            const struct bytes key = {watch->key, watch->key_bytes};
            watch->touched |= memory__find(space, memory__hash(space, key), key) != NULL;
        }
    free_all(space);
}

/* ---- in the background ---- */

enum { MEMBERS_A_BUCKET = 8 }; /* to free them takes about as long as to look at a bucket */

/* One step, if it needs nobody to be evicted. */
static bool tend_table(struct memory_space *space)
{
    const size_t bytes = key_table_tend_bytes(&space->table);
    return bytes > 0 && take_grant(space, bytes) && key_table_tend(&space->table);
}

bool memory_space_tend(struct memory_space *space, uint64_t now_ms, size_t budget)
{
    memory_space_begin(space, now_ms, false);
    const uint64_t expired_before = space->counts.expired;
    size_t looked = budget;
    struct key_entry *entry;
    while ((entry = key_table_expired(&space->table, now_ms, &looked)) != NULL) {
        space->counts.expired++;
        memory__drop(space, entry);
        looked -= looked > 0;
    }
    free_doomed(space, budget * MEMBERS_A_BUCKET);
    size_t steps = budget;
    while (steps > 0 && tend_table(space))
        steps--;
    memory_space_end(space);
    return steps == 0 || space->doomed != NULL ||
           space->counts.expired - expired_before > budget / 8;
}

/* ---- watches ---- */

static struct bytes key_of(const struct key_watch *watch)
{
    return (struct bytes){watch->key, watch->key_bytes};
}

void memory__touch_watched(struct memory_space *space, const struct key_entry *entry)
{
    list_each(&space->watches[entry->hash % MEMORY_WATCH_LISTS], link, after)
    {
        struct key_watch *watch = list_item(link, struct key_watch, watched);
        watch->touched |= bytes_equal(key_of(watch), key_entry_key(entry));
    }
}

void memory_space_watch(struct memory_space *space, struct key_watch *watch)
{
    const struct bytes key = key_of(watch);
    const uint64_t hash = memory__hash(space, key);
    memory__find(space, hash, key);
    list_add_last(&space->watches[(hash >> 32) % MEMORY_WATCH_LISTS], &watch->watched);
    watch->place = space;
    watch->touched = false;
    space->watches_count++;
}

void memory_space_unwatch(struct key_watch *watch)
{
    struct memory_space *space = watch->place;
    list_remove(&watch->watched);
    watch->place = NULL;
    space->watches_count--;
}

bool memory_space_is_touched(struct memory_space *space, const struct key_watch *watch)
{
    const struct bytes key = key_of(watch);
    memory__find(space, memory__hash(space, key), key);
    return watch->touched;
}
