/* SPDX-License-Identifier: Apache-2.0 */
/* cache/fill_test.c - who fetches, who joins, and who is called when something has come. */
#include "cache/fill.h"

#include "core/mem.h"
#include "core/units.h"
#include "loop/loop.h"

#include <criterion/criterion.h>
#include <string.h>

enum { OWNER = 0, OTHER = 1, WORKERS = 2 };

static struct cache_fills fills;
static struct store *store;
static struct loop loops[WORKERS];
static int calls[4];

struct waiting {
    struct cache_waiter waiter; /* first */
    struct cache_fill  *fill;
    int                 number;
    bool                again; /* it waits anew when it is called */
};

static void set_up(void)
{
    static const struct store_options options = {.memory_bytes = MIB, .threads_count = WORKERS};
    cache_fills_init(&fills);
    store = store_new(&options);
    cr_assert(store != NULL);
    for (int i = 0; i < WORKERS; i++)
        post_queue_init(&loops[i].posts);
}

/* That nothing is held is asserted in these. */
static void tear_down(void)
{
    cache_fills_fini(&fills);
    store_free(store);
}

TestSuite(fill, .init = set_up, .fini = tear_down);

static struct store_key key_of(const char *text)
{
    uint64_t hash = 14695981039346656037u;
    for (const char *at = text; *at != '\0'; at++)
        hash = (hash ^ (uint8_t)*at) * 1099511628211u;
    return (struct store_key){hash, (const uint8_t *)text, (uint32_t)strlen(text)};
}

static struct cache_fill *new_fill(const char *text)
{
    const struct store_key key = key_of(text);
    struct cache_fill *fill = cache_fill_new(&fills, &key, OWNER, WORKERS);
    cr_assert(fill != NULL);
    return fill;
}

static void end(struct cache_fill *fill)
{
    cache_fill_hide(fill);
    cache_fill_unref(fill);
}

static struct store_entry *keep(const char *text)
{
    const struct store_key key = key_of(text);
    struct store_entry *entry = store_entry_new(store, &key, 64);
    cr_assert(entry != NULL);
    store_put(store, entry);
    cr_assert(store_settle(store, entry));
    return entry;
}

static enum cache_fill_found begin(struct cache_fill *fill, const struct store_entry *seen,
                                   struct cache_fill **others)
{
    struct store_entry *entry = NULL;
    *others = NULL;
    const enum cache_fill_found found = cache_fill_begin(fill, store, seen, others, &entry);
    cr_expect((found == CACHE_FILL_IS_OVER) == (entry != NULL));
    cr_expect((found == CACHE_FILL_IS_OTHERS) == (*others != NULL));
    store_entry_unref(entry);
    return found;
}

static void run_posts(int worker)
{
    for (struct post *post; (post = post_queue_take(&loops[worker].posts)) != NULL;)
        post->call(post);
}

static void called(struct cache_waiter *waiter)
{
    struct waiting *waiting = (struct waiting *)(void *)waiter;
    calls[waiting->number]++;
    if (waiting->again)
        cache_fill_wait(waiting->fill, OWNER, &loops[OWNER], waiter);
}

static void wait_in(struct waiting *waiting, struct cache_fill *fill, int number, unsigned worker)
{
    *waiting = (struct waiting){.waiter.call = called, .fill = fill, .number = number};
    link_init(&waiting->waiter.link);
    cache_fill_wait(fill, worker, &loops[worker], &waiting->waiter);
}

Test(fill, the_first_fetches_and_the_others_join)
{
    struct cache_fill *first = new_fill("/a"), *second = new_fill("/a"), *third = new_fill("/b");
    struct cache_fill *others;
    cr_expect(begin(first, NULL, &others) == CACHE_FILL_IS_MINE);
    cr_expect(begin(second, NULL, &others) == CACHE_FILL_IS_OTHERS && others == first);
    cache_fill_unref(others);
    cr_expect(begin(third, NULL, &others) == CACHE_FILL_IS_MINE);
    cache_fill_hide(first);
    cr_expect(begin(second, NULL, &others) == CACHE_FILL_IS_MINE, "the first is over");
    end(first);
    end(second);
    end(third);
}

Test(fill, who_asks_in_another_way_does_not_join)
{
    struct cache_fill *first = new_fill("/a"), *second = new_fill("/a");
    struct cache_fill *others;
    second->classes = 1;
    cr_expect(begin(first, NULL, &others) == CACHE_FILL_IS_MINE);
    cr_expect(begin(second, NULL, &others) == CACHE_FILL_IS_MINE);
    end(first);
    end(second);
}

Test(fill, what_has_come_meanwhile_is_found)
{
    struct store_entry *entry = keep("/a");
    struct cache_fill *fill = new_fill("/a");
    struct cache_fill *others;
    cr_expect(begin(fill, NULL, &others) == CACHE_FILL_IS_OVER);
    cr_expect(begin(fill, entry, &others) == CACHE_FILL_IS_MINE, "it is what is to be replaced");
    end(fill);
    store_entry_unref(entry);
}

Test(fill, nobody_joins_what_is_out_of_date)
{
    struct cache_fill *first = new_fill("/a"), *second = new_fill("/a");
    struct cache_fill *others;
    const struct store_key key = key_of("/a");
    cr_expect(begin(first, NULL, &others) == CACHE_FILL_IS_MINE);
    cache_fills_doom(&fills, &key);
    cr_expect(atomic_load(&first->is_doomed));
    cr_expect(begin(second, NULL, &others) == CACHE_FILL_IS_MINE);
    cr_expect(!atomic_load(&second->is_doomed));
    end(first);
    end(second);
}

Test(fill, parts_a_url_with_its_variants_or_all_that_begin_so)
{
    static const struct {
        const char *key;
        size_t bytes; /* of it; a NUL lies inside a variant's */
        const char *url;
        bool is_prefix, is_parted;
    } rows[] = {
        {"/a", 2, "/a", false, true},   {"/a\0x", 4, "/a", false, true},
        {"/ab", 3, "/a", false, false}, {"/ab", 3, "/a", true, true},
        {"/a", 2, "/ab", true, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct store_key key = {7, (const uint8_t *)rows[i].key, (uint32_t)rows[i].bytes};
        struct cache_fill *fill = cache_fill_new(&fills, &key, OWNER, WORKERS);
        cr_assert(fill != NULL && cache_fill_show(fill, &key, true));
        cache_fills_part(&fills, rows[i].url, strlen(rows[i].url), rows[i].is_prefix);
        cr_expect(fill->may_be_joined != rows[i].is_parted, "row %zu", i);
        end(fill);
    }
}

Test(fill, is_found_by_the_entry_that_it_makes_grow)
{
    struct cache_fill *fill = new_fill("/a");
    struct store_entry *entry = keep("/a");
    const struct store_key key = key_of("/a");
    cr_expect(cache_fill_of(&fills, entry) == NULL);
    fill->entry = store_entry_ref(entry);
    cr_assert(cache_fill_show(fill, &key, false));
    cr_expect(cache_fill_of(&fills, entry) == fill);
    cache_fill_unref(fill);
    end(fill);
    store_entry_unref(entry);
}

Test(fill, the_owners_group_is_called_at_once_and_the_others_by_one_post)
{
    struct cache_fill *fill = new_fill("/a");
    struct waiting near, far, farther;
    wait_in(&near, fill, 0, OWNER);
    wait_in(&far, fill, 1, OTHER);
    wait_in(&farther, fill, 2, OTHER);
    cache_fill_wake(fill);
    cr_expect(calls[0] == 1 && calls[1] == 0 && calls[2] == 0);
    cache_fill_wake(fill);
    cr_expect(calls[0] == 1, "who was called does not wait any more");
    run_posts(OTHER);
    cr_expect(calls[1] == 1 && calls[2] == 1);
    run_posts(OTHER);
    cr_expect(calls[1] == 1 && calls[2] == 1);
    end(fill);
}

Test(fill, who_waits_anew_is_called_the_next_time)
{
    struct cache_fill *fill = new_fill("/a");
    struct waiting eager;
    wait_in(&eager, fill, 0, OWNER);
    eager.again = true;
    cache_fill_wake(fill);
    cr_expect(calls[0] == 1);
    cache_fill_wake(fill);
    cr_expect(calls[0] == 2);
    cache_fill_leave(fill, OWNER, &eager.waiter);
    cache_fill_leave(fill, OWNER, &eager.waiter);
    cache_fill_wake(fill);
    cr_expect(calls[0] == 2);
    end(fill);
}

/* The post holds it. */
Test(fill, who_leaves_before_the_post_is_not_called)
{
    struct cache_fill *fill = new_fill("/a");
    struct waiting far;
    wait_in(&far, fill, 0, OTHER);
    cache_fill_wake(fill);
    cache_fill_leave(fill, OTHER, &far.waiter);
    end(fill);
    run_posts(OTHER);
    cr_expect(calls[0] == 0);
}

static void resumed(struct cache_fill *fill)
{
    (void)fill;
    calls[3]++;
}

Test(fill, a_reader_wakes_an_owner_that_waits_and_no_other)
{
    struct cache_fill *fill = new_fill("/a");
    fill->resumed = resumed;
    fill->groups[OWNER].loop = &loops[OWNER];
    cache_fill_wake_owner(fill);
    run_posts(OWNER);
    cr_expect(calls[3] == 0);
    atomic_store(&fill->is_paused, true);
    cache_fill_wake_owner(fill);
    cache_fill_wake_owner(fill);
    run_posts(OWNER);
    cr_expect(calls[3] == 1);
    end(fill);
}

Test(fill, a_key_that_cannot_be_had_leaves_it_hidden)
{
    struct cache_fill *fill = new_fill("/a");
    const struct store_key own = key_of("/a"), other = key_of("/b");
    struct cache_fill *others;
    cr_assert(cache_fill_show(fill, &own, true));
    fault_fail_nth(FAULT_ALLOCATION, 1);
    cr_expect(!cache_fill_show(fill, &other, false));
    fault_fail_nth(FAULT_ALLOCATION, 0);
    struct cache_fill *next = new_fill("/a");
    cr_expect(begin(next, NULL, &others) == CACHE_FILL_IS_MINE);
    end(next);
    end(fill);
}
