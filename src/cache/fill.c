/* SPDX-License-Identifier: Apache-2.0 */
/* cache/fill.c - the table of what is being fetched, and waking who waits for it. */
#include "cache/fill.h"

#include "core/mem.h"
#include "loop/loop.h"

#include <assert.h>
#include <string.h>

void cache_fills_init(struct cache_fills *fills)
{
    for (unsigned i = 0; i < CACHE_FILL_STRIPES; i++) {
        pthread_mutex_init(&fills->stripes[i].lock, NULL);
        list_init(&fills->stripes[i].fills);
    }
}

void cache_fills_fini(struct cache_fills *fills)
{
    for (unsigned i = 0; i < CACHE_FILL_STRIPES; i++) {
        assert(list_is_empty(&fills->stripes[i].fills));
        pthread_mutex_destroy(&fills->stripes[i].lock);
    }
}

static struct cache_fill_stripe *stripe_of(struct cache_fills *fills, uint64_t hash)
{
    return &fills->stripes[hash % CACHE_FILL_STRIPES];
}

/* --- one -------------------------------------------------------------------------------------- */

static void call_group(struct post *post);

static bool set_key(struct cache_fill *fill, const struct store_key *key)
{
    uint8_t *copy = mem_alloc(key->bytes + 1);
    if (copy == NULL)
        return false;
    memcpy(copy, key->at, key->bytes);
    mem_free(fill->key);
    fill->key = copy;
    fill->key_bytes = key->bytes;
    fill->hash = key->hash;
    return true;
}

struct cache_fill *cache_fill_new(struct cache_fills *fills, const struct store_key *key,
                                  unsigned owner, unsigned workers_count)
{
    struct cache_fill *fill = mem_alloc(sizeof *fill + workers_count * sizeof(struct cache_group));
    if (fill == NULL || !set_key(fill, key)) {
        mem_free(fill);
        return NULL;
    }
    fill->fills = fills;
    fill->owner = owner;
    fill->refs_count = 1;
    fill->groups_count = workers_count;
    for (unsigned i = 0; i < workers_count; i++) {
        fill->groups[i].fill = fill;
        fill->groups[i].post.call = call_group;
        list_init(&fill->groups[i].waiters);
    }
    return fill;
}

struct cache_fill *cache_fill_ref(struct cache_fill *fill)
{
    atomic_fetch_add_explicit(&fill->refs_count, 1, memory_order_relaxed);
    return fill;
}

void cache_fill_unref(struct cache_fill *fill)
{
    if (fill == NULL || atomic_fetch_sub_explicit(&fill->refs_count, 1, memory_order_acq_rel) != 1)
        return;
    assert(fill->stripe == NULL);
    store_entry_unref(fill->entry);
    mem_free(fill->key);
    mem_free(fill);
}

/* --- the table -------------------------------------------------------------------------------- */

static bool has_key(const struct cache_fill *fill, const struct store_key *key)
{
    return fill->hash == key->hash && fill->key_bytes == key->bytes &&
           memcmp(fill->key, key->at, key->bytes) == 0;
}

static struct cache_fill *find(struct cache_fill_stripe *stripe, const struct store_key *key,
                               uint8_t classes)
{
    list_each(&stripe->fills, link, after)
    {
        struct cache_fill *fill = list_item(link, struct cache_fill, link);
        if (fill->may_be_joined && fill->classes == classes && has_key(fill, key))
            return fill;
    }
    return NULL;
}

static void show(struct cache_fill *fill, struct cache_fill_stripe *stripe, bool may_be_joined)
{
    fill->stripe = stripe;
    fill->may_be_joined = may_be_joined;
    list_add_last(&stripe->fills, &fill->link);
}

void cache_fill_hide(struct cache_fill *fill)
{
    struct cache_fill_stripe *stripe = fill->stripe;
    if (stripe == NULL)
        return;
    pthread_mutex_lock(&stripe->lock);
    list_remove(&fill->link);
    fill->stripe = NULL;
    pthread_mutex_unlock(&stripe->lock);
}

bool cache_fill_show(struct cache_fill *fill, const struct store_key *key, bool may_be_joined)
{
    cache_fill_hide(fill);
    if (!has_key(fill, key) && !set_key(fill, key))
        return false;
    struct cache_fill_stripe *stripe = stripe_of(fill->fills, fill->hash);
    pthread_mutex_lock(&stripe->lock);
    show(fill, stripe, may_be_joined);
    pthread_mutex_unlock(&stripe->lock);
    return true;
}

enum cache_fill_found cache_fill_begin(struct cache_fill *fill, struct store *store,
                                       const struct store_entry *seen, struct cache_fill **found,
                                       struct store_entry **entry)
{
    const struct store_key key = {fill->hash, fill->key, fill->key_bytes};
    struct cache_fill_stripe *stripe = stripe_of(fill->fills, fill->hash);
    enum cache_fill_found verdict = CACHE_FILL_IS_MINE;
    struct store_entry *there = NULL;
    pthread_mutex_lock(&stripe->lock);
    struct cache_fill *other = find(stripe, &key, fill->classes);
    if (other != NULL) {
        *found = cache_fill_ref(other);
        verdict = CACHE_FILL_IS_OTHERS;
    } else if ((there = store_find_surely(store, &key)) != NULL && there != seen) {
        *entry = there;
        there = NULL;
        verdict = CACHE_FILL_IS_OVER;
    } else {
        show(fill, stripe, true);
    }
    pthread_mutex_unlock(&stripe->lock);
    store_entry_unref(there);
    return verdict;
}

struct cache_fill *cache_fill_of(struct cache_fills *fills, const struct store_entry *entry)
{
    struct cache_fill_stripe *stripe = stripe_of(fills, entry->hash);
    struct cache_fill *found = NULL;
    pthread_mutex_lock(&stripe->lock);
    list_each(&stripe->fills, link, after)
    {
        struct cache_fill *fill = list_item(link, struct cache_fill, link);
        if (fill->entry == entry)
            found = cache_fill_ref(fill);
    }
    pthread_mutex_unlock(&stripe->lock);
    return found;
}

void cache_fills_doom(struct cache_fills *fills, const struct store_key *key)
{
    struct cache_fill_stripe *stripe = stripe_of(fills, key->hash);
    pthread_mutex_lock(&stripe->lock);
    list_each(&stripe->fills, link, after)
    {
        struct cache_fill *fill = list_item(link, struct cache_fill, link);
        if (has_key(fill, key)) {
            fill->is_doomed = true;
            fill->may_be_joined = false;
        }
    }
    pthread_mutex_unlock(&stripe->lock);
}

static bool is_of(const struct cache_fill *fill, const char *url, size_t bytes, bool is_prefix)
{
    if (fill->key_bytes < bytes || memcmp(fill->key, url, bytes) != 0)
        return false;
    return is_prefix || fill->key_bytes == bytes || fill->key[bytes] == '\0';
}

void cache_fills_part(struct cache_fills *fills, const char *url, size_t bytes, bool is_prefix)
{
    for (unsigned i = 0; i < CACHE_FILL_STRIPES; i++) {
        struct cache_fill_stripe *stripe = &fills->stripes[i];
        pthread_mutex_lock(&stripe->lock);
        list_each(&stripe->fills, link, after)
        {
            struct cache_fill *fill = list_item(link, struct cache_fill, link);
            if (is_of(fill, url, bytes, is_prefix))
                fill->may_be_joined = false;
        }
        pthread_mutex_unlock(&stripe->lock);
    }
}

/* --- waiting ---------------------------------------------------------------------------------- */

void cache_fill_wait(struct cache_fill *fill, unsigned index, struct loop *loop,
                     struct cache_waiter *waiter)
{
    struct cache_group *group = &fill->groups[index];
    if (group->loop == NULL) /* once it is wanted, the owner reads it */
        group->loop = loop;
    if (!link_is_in_list(&waiter->link))
        list_add_last(&group->waiters, &waiter->link);
    /* The owner first changes and then looks here; whoever waits does the opposite. */
    atomic_store(&group->is_wanted, true);
}

void cache_fill_leave(struct cache_fill *fill, unsigned index, struct cache_waiter *waiter)
{
    struct cache_group *group = &fill->groups[index];
    if (link_is_in_list(&waiter->link))
        list_remove(&waiter->link);
    if (list_is_empty(&group->waiters))
        atomic_store(&group->is_wanted, false);
}

/* Each that waits now is called once; who waits anew meanwhile is called the next time. */
static void call_all(struct cache_group *group)
{
    struct list called;
    list_init(&called);
    atomic_store(&group->is_wanted, false);
    for (struct list_link *link; (link = list_first(&group->waiters)) != NULL;) {
        list_remove(link);
        list_add_last(&called, link);
    }
    for (struct list_link *link; (link = list_first(&called)) != NULL;) {
        list_remove(link);
        struct cache_waiter *waiter = list_item(link, struct cache_waiter, link);
        waiter->call(waiter);
    }
}

static void call_group(struct post *post)
{
    struct cache_group *group = list_item(post, struct cache_group, post);
    struct cache_fill *fill = group->fill;
    atomic_store(&group->is_posted, false);
    call_all(group);
    if (group == &fill->groups[fill->owner] && fill->resumed != NULL)
        fill->resumed(fill);
    cache_fill_unref(fill);
}

static void post_group(struct cache_group *group)
{
    if (atomic_exchange(&group->is_posted, true))
        return;
    cache_fill_ref(group->fill);
    loop_post(group->loop, &group->post);
}

void cache_fill_wake(struct cache_fill *fill)
{
    atomic_thread_fence(memory_order_seq_cst);
    cache_fill_ref(fill);
    for (unsigned i = 0; i < fill->groups_count; i++) {
        struct cache_group *group = &fill->groups[i];
        if (i != fill->owner && atomic_load(&group->is_wanted))
            post_group(group);
    }
    if (atomic_load(&fill->groups[fill->owner].is_wanted))
        call_all(&fill->groups[fill->owner]);
    cache_fill_unref(fill);
}

void cache_fill_wake_owner(struct cache_fill *fill)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_exchange(&fill->is_paused, false))
        post_group(&fill->groups[fill->owner]);
}
