/* SPDX-License-Identifier: Apache-2.0 */
/* cache/purge.c - rules of purges, and the walk that applies them to everything. */
#include "cache/purge.h"

#include "cache/cache.h"
#include "cache/object.h"
#include "cache/tier.h"
#include "core/mem.h"
#include "path/target.h"

#include <string.h>

enum {
    WALK_BUCKETS = 64, /* with one shard's lock held */
    WALK_CALLS = 16,   /* in one step */
};

bool cache_purges_init(struct cache_purges *purges, unsigned workers_count)
{
    /* In a snapshot there are numbers of a process before. */
    atomic_init(&purges->number, (clock_wall_ns() / NS_PER_MS) << 20);
    pthread_rwlock_init(&purges->lock, NULL);
    purges->workers = mem_alloc_lines(workers_count * sizeof *purges->workers);
    if (purges->workers == NULL)
        return false;
    purges->workers_count = workers_count;
    for (unsigned i = 0; i < workers_count; i++) {
        list_init(&purges->workers[i].begun);
        atomic_init(&purges->workers[i].oldest, UINT64_MAX);
    }
    return true;
}

void cache_purges_fini(struct cache_purges *purges)
{
    for (uint32_t i = 0; i < purges->rules_count; i++)
        mem_free(purges->rules[i].text);
    if (atomic_load(&purges->number) != 0)
        pthread_rwlock_destroy(&purges->lock);
    mem_free(purges->workers);
    purges->workers = NULL;
}

/* --- What a rule means ---------------------------------------------------------------------- */

static bool has_tag(const struct cache_purge_facts *facts, uint64_t hash)
{
    for (uint32_t i = 0; i < facts->tags_count; i++)
        if (facts->tags[i] == hash)
            return true;
    return false;
}

static bool is_meant(const struct cache_purge_rule *rule, const struct cache_purge_facts *facts)
{
    if (rule->number <= facts->seen)
        return false;
    switch (rule->by) {
    case CACHE_PURGE_URL:
        return rule->bytes == facts->url_bytes && memcmp(rule->text, facts->url, rule->bytes) == 0;
    case CACHE_PURGE_PREFIX:
        return rule->bytes <= facts->url_bytes && memcmp(rule->text, facts->url, rule->bytes) == 0;
    case CACHE_PURGE_TAG: break;
    }
    return has_tag(facts, rule->hash);
}

/* The rule that means it; a hard one before soft ones. NULL: none. */
static struct cache_purge_rule *find_rule(struct cache_purges *purges,
                                          const struct cache_purge_facts *facts)
{
    struct cache_purge_rule *found = NULL;
    for (uint32_t i = 0; i < purges->rules_count; i++) {
        struct cache_purge_rule *rule = &purges->rules[i];
        if ((found == NULL || !rule->is_soft) && is_meant(rule, facts))
            found = rule;
        if (found != NULL && !found->is_soft)
            break;
    }
    return found;
}

static void count(struct cache_purge_rule *rule)
{
    atomic_fetch_add_explicit(&rule->purged_count, 1, memory_order_relaxed);
}

enum cache_purge_verdict cache_purges_apply(struct cache *cache,
                                            const struct cache_purge_facts *facts)
{
    struct cache_purges *purges = &cache->purges;
    enum cache_purge_verdict verdict = CACHE_PURGE_NOT;
    if (facts->seen >= atomic_load(&purges->newest))
        return CACHE_PURGE_NOT;
    pthread_rwlock_rdlock(&purges->lock);
    struct cache_purge_rule *rule = find_rule(purges, facts);
    if (rule != NULL) {
        count(rule);
        verdict = rule->is_soft ? CACHE_PURGE_SOFT : CACHE_PURGE_HARD;
    }
    pthread_rwlock_unlock(&purges->lock);
    return verdict;
}

/* --- Entries -------------------------------------------------------------------------------- */

/* True: it was not so before. */
static bool mark(struct cache_object *object, bool is_soft, uint64_t now_ms)
{
    uint64_t before = 0;
    if (is_soft)
        return atomic_compare_exchange_strong(&object->stale_ms, &before, now_ms);
    return atomic_exchange(&object->stale_ms, CACHE_PURGED_HARD) != CACHE_PURGED_HARD;
}

static struct cache_purge_facts facts_of(struct store_entry *entry)
{
    struct cache_object *object = cache_object_of(entry);
    return (struct cache_purge_facts){
        .seen = atomic_load(&object->purges_seen),
        .url = store_entry_key(entry),
        .url_bytes = object->url_bytes,
        .tags = (const uint64_t *)(void *)cache_object_at(object, object->tags_at),
        .tags_count = object->tags_count,
    };
}

bool cache_purge_means(struct cache *cache, struct store_entry *entry)
{
    struct cache_purges *purges = &cache->purges;
    const struct cache_purge_facts facts = facts_of(entry);
    if (cache_object_of(entry)->kind != CACHE_OBJECT_ANSWER ||
        facts.seen >= atomic_load(&purges->newest))
        return false;
    pthread_rwlock_rdlock(&purges->lock);
    const bool is_any = find_rule(purges, &facts) != NULL;
    pthread_rwlock_unlock(&purges->lock);
    return is_any;
}

static void apply(struct cache_purges *purges, struct cache_row *row, struct store_entry *entry,
                  uint64_t now_ms)
{
    struct cache_object *object = cache_object_of(entry);
    const struct cache_purge_facts facts = facts_of(entry);
    uint64_t seen = facts.seen;
    pthread_rwlock_rdlock(&purges->lock);
    const uint64_t judged = atomic_load(&purges->newest);
    struct cache_purge_rule *rule = find_rule(purges, &facts);
    if (rule != NULL && mark(object, rule->is_soft, now_ms)) {
        count(rule);
        row_add(&row->purged, 1);
    }
    pthread_rwlock_unlock(&purges->lock);
    while (seen < judged && !atomic_compare_exchange_weak(&object->purges_seen, &seen, judged))
        ;
}

enum cache_purge_verdict cache_purge_look(struct cache *cache, struct cache_row *row,
                                          struct store_entry *entry, uint64_t now_ms)
{
    struct cache_purges *purges = &cache->purges;
    struct cache_object *object = cache_object_of(entry);
    if (object->kind != CACHE_OBJECT_ANSWER)
        return CACHE_PURGE_NOT;
    if (atomic_load_explicit(&object->purges_seen, memory_order_relaxed) <
        atomic_load_explicit(&purges->newest, memory_order_acquire))
        apply(purges, row, entry, now_ms);
    /* What has settled was seen by the walk; what grows is looked at again when it settles. */
    if (!atomic_load_explicit(&object->is_over, memory_order_acquire) &&
        atomic_load(&object->purges_seen) < atomic_load(&purges->floor) && mark(object, false, 0))
        row_add(&row->purged, 1);
    const uint64_t stale_ms = atomic_load_explicit(&object->stale_ms, memory_order_relaxed);
    return stale_ms == 0                   ? CACHE_PURGE_NOT
           : stale_ms == CACHE_PURGED_HARD ? CACHE_PURGE_HARD
                                           : CACHE_PURGE_SOFT;
}

/* --- Fetches -------------------------------------------------------------------------------- */

/* Whoever drops a rule must not overlook a fetch that has just read an older number: so `oldest` is
 * low before the number is read. */
void cache_purge_begin(struct cache_side *side, struct cache_begun *begun)
{
    struct cache_purges *purges = &side->cache->purges;
    struct cache_begun_list *list = &purges->workers[side->worker->index];
    const bool is_first = list_is_empty(&list->begun);
    if (is_first)
        atomic_store(&list->oldest, 0);
    begun->seen = atomic_load(&purges->number);
    list_add_last(&list->begun, &begun->link);
    if (is_first)
        atomic_store(&list->oldest, begun->seen);
}

void cache_purge_end(struct cache_side *side, struct cache_begun *begun)
{
    struct cache_begun_list *list = &side->cache->purges.workers[side->worker->index];
    list_remove(&begun->link);
    const struct list_link *first = list_first(&list->begun);
    atomic_store(&list->oldest,
                 first == NULL ? UINT64_MAX : list_item(first, struct cache_begun, link)->seen);
}

bool cache_purge_forgot(const struct cache *cache, const struct cache_begun *begun)
{
    return begun->seen < atomic_load(&cache->purges.floor);
}

static uint64_t oldest_begun(const struct cache_purges *purges)
{
    uint64_t oldest = UINT64_MAX;
    for (unsigned i = 0; i < purges->workers_count; i++) {
        const uint64_t of_worker = atomic_load(&purges->workers[i].oldest);
        oldest = of_worker < oldest ? of_worker : oldest;
    }
    return oldest;
}

/* --- The table ------------------------------------------------------------------------------ */

static void raise_floor(struct cache_purges *purges, uint64_t number)
{
    if (atomic_load(&purges->floor) < number)
        atomic_store(&purges->floor, number);
}

/* With the lock, to write. */
static void drop_rule(struct cache_purges *purges, uint32_t index)
{
    uint64_t newest = 0;
    mem_free(purges->rules[index].text);
    purges->rules_count--;
    for (uint32_t i = index; i < purges->rules_count; i++)
        memcpy((void *)&purges->rules[i], (const void *)&purges->rules[i + 1],
               sizeof purges->rules[i]);
    for (uint32_t i = 0; i < purges->rules_count; i++)
        newest = purges->rules[i].number; /* they stand in their order */
    atomic_store(&purges->newest, newest);
}

/* Those that are done; @needs_place: one that only lingers, too. */
static void drop_rules(struct cache_purges *purges, uint64_t now_ms, bool needs_place)
{
    const uint64_t oldest = oldest_begun(purges);
    if (purges->rules_count == 0)
        return;
    pthread_rwlock_wrlock(&purges->lock);
    for (uint32_t i = 0; i < purges->rules_count;) {
        const struct cache_purge_rule *rule = &purges->rules[i];
        const bool is_needed = oldest < rule->number;
        const bool gives_up = needs_place || now_ms - rule->since_ms > CACHE_PURGE_LINGER_MS;
        if (!rule->is_swept || (is_needed && !gives_up)) {
            i++;
            continue;
        }
        if (is_needed) {
            raise_floor(purges, rule->number);
            needs_place = false;
        }
        drop_rule(purges, i);
    }
    pthread_rwlock_unlock(&purges->lock);
}

static struct cache_purge_rule *add_rule(struct cache_purges *purges,
                                         const struct cache_purge_rule *made)
{
    struct cache_purge_rule *rule = &purges->rules[purges->rules_count];
    pthread_rwlock_wrlock(&purges->lock);
    memcpy((void *)rule, (const void *)made, sizeof *rule);
    rule->number = atomic_load(&purges->number) + 1;
    purges->rules_count++;
    atomic_store(&purges->number, rule->number);
    atomic_store(&purges->newest, rule->number);
    pthread_rwlock_unlock(&purges->lock);
    return rule;
}

static void tell(struct cache_purge_rule *rule)
{
    rule->is_swept = true;
    if (rule->sum == NULL)
        return;
    rule->sum->purged_count += atomic_load(&rule->purged_count);
    rule->sum->waiting_count--;
    rule->sum = NULL;
}

/* --- One URL -------------------------------------------------------------------------------- */

static struct cache_row *own_row(struct cache *cache)
{
    return &cache->rows[cache->workers_count];
}

static void purge_entry(struct cache *cache, struct store_entry *entry, uint64_t now_ms)
{
    if (entry != NULL && cache_purge_look(cache, own_row(cache), entry, now_ms) == CACHE_PURGE_HARD)
        (void)store_remove(cache->store, entry);
}

/* What the sign knows of. Those that it has forgotten cannot be found without it. */
static void purge_variants(struct cache *cache, struct cache_object *sign,
                           struct cache_purge_rule *rule, uint64_t now_ms)
{
    const _Atomic uint64_t *variants =
        (const _Atomic uint64_t *)(void *)cache_object_at(sign, sign->variants_at);
    for (uint32_t i = 0; i < sign->variants_max; i++) {
        const uint64_t hash = atomic_load_explicit(&variants[i], memory_order_relaxed);
        const bool was_on_disk = hash != 0 && cache_disk_forget(cache, hash);
        struct store_entry *entry = hash == 0 ? NULL : store_find_hash(cache->store, hash);
        if (was_on_disk && entry == NULL)
            count(rule);
        purge_entry(cache, entry, now_ms);
        store_entry_unref(entry);
    }
}

/* What lies on the disk is not marked but goes, however soft the purge; without its sign no variant
 * is found there. */
static void purge_url(struct cache *cache, const struct cache_purge_order *order,
                      struct cache_purge_rule *rule, uint64_t now_ms)
{
    const uint8_t *url = (const uint8_t *)order->text;
    const struct store_key key = {cache_hash(cache, url, order->bytes), url, order->bytes};
    const bool was_on_disk = cache_disk_forget(cache, key.hash);
    struct store_entry *entry = store_find_surely(cache->store, &key);
    if (was_on_disk && entry == NULL)
        count(rule);
    const enum cache_object_kind kind =
        entry == NULL ? CACHE_OBJECT_ANSWER : cache_object_of(entry)->kind;
    purge_entry(cache, entry, now_ms);
    if (kind == CACHE_OBJECT_VARIES)
        purge_variants(cache, cache_object_of(entry), rule, now_ms);
    if (kind == CACHE_OBJECT_PASSES || (kind == CACHE_OBJECT_VARIES && !order->is_soft))
        (void)store_remove(cache->store, entry);
    store_entry_unref(entry);
}

/* --- Ordering, walking ---------------------------------------------------------------------- */

enum err_kind cache_purge(struct cache *cache, const struct cache_purge_order *order,
                          uint64_t now_ns, struct cache_purge_sum *sum, struct err *e)
{
    struct cache_purges *purges = &cache->purges;
    const uint64_t now_ms = now_ns / NS_PER_MS + cache->clock_ms;
    if (purges->rules_count == CACHE_PURGES_MAX)
        drop_rules(purges, now_ms, true);
    if (purges->rules_count == CACHE_PURGES_MAX)
        return err_set(e, ERR_LIMIT, "%d purges are under way; try again in a moment",
                       CACHE_PURGES_MAX);
    struct cache_purge_rule made = {
        .since_ms = now_ms,
        .by = order->by,
        .is_soft = order->is_soft,
        .bytes = order->bytes,
        .hash = cache_tag_hash((const uint8_t *)order->text, order->bytes),
        .text = mem_alloc(order->bytes + 1),
        .sum = sum,
    };
    if (made.text == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    memcpy(made.text, order->text, order->bytes);
    sum->waiting_count++;
    struct cache_purge_rule *rule = add_rule(purges, &made);
    /* By which tags it goes is not known before its head has come. */
    if (order->by != CACHE_PURGE_TAG)
        cache_fills_part(&cache->fills, order->text, order->bytes, order->by == CACHE_PURGE_PREFIX);
    if (order->by == CACHE_PURGE_URL) {
        purge_url(cache, order, rule, now_ms);
        tell(rule);
    }
    return ERR_NONE;
}

struct walk {
    struct cache *cache;
    uint64_t      now_ms;
};

static enum store_visit visit(void *self, struct store_entry *entry)
{
    const struct walk *walk = self;
    const enum cache_purge_verdict verdict =
        cache_purge_look(walk->cache, own_row(walk->cache), entry, walk->now_ms);
    if (verdict != CACHE_PURGE_NOT) /* so that it is not counted there once more */
        (void)cache_disk_forget(walk->cache, entry->hash);
    return verdict == CACHE_PURGE_HARD ? STORE_REMOVE : STORE_KEEP;
}

/* True: some rule waits for a walk that has not begun. */
static bool has_unswept(const struct cache_purges *purges)
{
    for (uint32_t i = 0; i < purges->rules_count; i++)
        if (!purges->rules[i].is_swept)
            return true;
    return false;
}

static void end_walk(struct cache_purges *purges)
{
    purges->is_walking = false;
    for (uint32_t i = 0; i < purges->rules_count; i++)
        if (purges->rules[i].number <= purges->walk_number)
            tell(&purges->rules[i]);
}

/* After the store, so that what has left that meanwhile is there. */
static bool is_disk_swept(struct cache *cache)
{
    struct cache_purges *purges = &cache->purges;
    if (!purges->is_sweeping)
        purges->is_sweeping = cache_disk_sweep_begin(cache);
    if (purges->is_sweeping && !cache_disk_sweep_is_over(cache))
        return false;
    purges->is_sweeping = false;
    return true;
}

bool cache_purges_step(struct cache *cache, uint64_t now_ns)
{
    struct cache_purges *purges = &cache->purges;
    struct walk walk = {cache, now_ns / NS_PER_MS + cache->clock_ms};
    if (!purges->is_walking && has_unswept(purges)) {
        purges->is_walking = true;
        purges->walk_number = atomic_load(&purges->number);
        purges->cursor = (struct store_cursor){0};
    }
    for (int i = 0; purges->is_walking && i < WALK_CALLS && !purges->cursor.done; i++)
        store_walk(cache->store, &purges->cursor, WALK_BUCKETS, visit, &walk);
    if (purges->is_walking && purges->cursor.done && is_disk_swept(cache))
        end_walk(purges);
    drop_rules(purges, walk.now_ms, false);
    return purges->is_walking || has_unswept(purges);
}
