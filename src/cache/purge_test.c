/* SPDX-License-Identifier: Apache-2.0 */
/* cache/purge_test.c - what rules mean, for how long they stay, and what the walk finds. */
#include "cache/cache.h"
#include "cache/object.h"
#include "core/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { WORKERS = 2, MS = 1000000 };

/* A cache with one side, that of worker 0. */
struct house {
    struct keep            keep;
    struct cache          *cache;
    struct cache_side      side;
    struct worker          worker;
    uint64_t               now_ns;
    struct cache_purge_sum sum;
};

static struct house house;

static void set_up(void)
{
    static const struct cache_settings settings = {.memory_bytes = 64 * MIB,
                                                   .policy = STORE_S3_FIFO};
    keep_init(&house.keep);
    const struct cache_wish wish = {
        .service = "shop", .settings = &settings, .data_path = "", .workers_count = WORKERS};
    house.cache = cache_get(&house.keep, &wish);
    cr_assert(house.cache != NULL);
    house.now_ns = 1000ull * MS;
    house.worker = (struct worker){.now_ns = &house.now_ns};
    house.side.cache = house.cache;
    house.side.worker = &house.worker;
    house.side.row = &house.cache->rows[0];
}

static void tear_down(void)
{
    cache_give(house.cache);
    keep_fini(&house.keep);
}

TestSuite(purge, .init = set_up, .fini = tear_down);

/* Keeps an answer to @url, with a tag or NULL, that was asked for after @seen purges. */
static struct store_entry *keep_answer(const char *url, const char *tag, uint64_t seen)
{
    static const struct http_head head = {.status = 200};
    static const struct cache_meta meta = {.status = 200, .lifetime_ms = 60000};
    const uint64_t hash = tag == NULL ? 0 : cache_tag_hash((const uint8_t *)tag, strlen(tag));
    const struct store_key key = {cache_hash(house.cache, (const uint8_t *)url, strlen(url)),
                                  (const uint8_t *)url, (uint32_t)strlen(url)};
    const struct cache_object_parts parts = {
        .head = &head,
        .meta = &meta,
        .date = "Sun, 06 Nov 1994 08:49:37 GMT",
        .tags = &hash,
        .tags_count = tag != NULL,
        .purges_seen = seen,
        .url_bytes = key.bytes,
    };
    struct store_entry *entry = cache_object_new(house.cache->store, &key, &parts);
    cr_assert(entry != NULL);
    store_put(house.cache->store, entry);
    atomic_store(&cache_object_of(entry)->is_over, true);
    cr_assert(store_settle(house.cache->store, entry));
    return entry;
}

static uint64_t number(void)
{
    return atomic_load(&house.cache->purges.number);
}

static enum err_kind purge(enum cache_purge_by by, const char *text, bool is_soft)
{
    struct err e = {0};
    const struct cache_purge_order order = {
        .by = by, .is_soft = is_soft, .text = text, .bytes = (uint32_t)strlen(text)};
    return cache_purge(house.cache, &order, house.now_ns, &house.sum, &e);
}

static enum cache_purge_verdict look(struct store_entry *entry)
{
    return cache_purge_look(house.cache, house.side.row, entry, 1);
}

static void walk(void)
{
    while (cache_purges_step(house.cache, house.now_ns))
        ;
}

static uint64_t entries(void)
{
    struct store_figures figures;
    store_read_figures(house.cache->store, &figures);
    return figures.entries;
}

/* Each row: a rule, and whether it means http://x/images/1 with the tag "t". */
Test(purge, means_what_it_says)
{
    static const struct {
        enum cache_purge_by by;
        const char *text;
        bool is_meant;
    } rows[] = {
        {CACHE_PURGE_URL, "http://x/images/1", true},
        {CACHE_PURGE_URL, "http://x/images/", false},
        {CACHE_PURGE_URL, "http://x/images/11", false},
        {CACHE_PURGE_PREFIX, "http://x/", true},
        {CACHE_PURGE_PREFIX, "http://x/images/1", true},
        {CACHE_PURGE_PREFIX, "http://x/images/11", false},
        {CACHE_PURGE_PREFIX, "https://x/", false},
        {CACHE_PURGE_TAG, "t", true},
        {CACHE_PURGE_TAG, "T", false},
        {CACHE_PURGE_TAG, "tt", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int is_soft = 0; is_soft < 2; is_soft++) {
            struct store_entry *entry = keep_answer("http://x/images/1", "t", number());
            cr_assert(purge(rows[i].by, rows[i].text, is_soft) == ERR_NONE);
            const enum cache_purge_verdict meant = is_soft ? CACHE_PURGE_SOFT : CACHE_PURGE_HARD;
            cr_expect(look(entry) == (rows[i].is_meant ? meant : CACHE_PURGE_NOT), "row %zu", i);
            walk();
            cr_expect(entries() == (rows[i].is_meant && !is_soft ? 0 : 1), "row %zu", i);
            store_entry_unref(entry);
        }
    }
}

Test(purge, means_only_what_was_asked_for_before_it)
{
    struct store_entry *before = keep_answer("http://x/1", "t", number());
    cr_assert(purge(CACHE_PURGE_TAG, "t", false) == ERR_NONE);
    struct store_entry *after = keep_answer("http://x/2", "t", number());
    cr_expect(look(before) == CACHE_PURGE_HARD);
    cr_expect(look(after) == CACHE_PURGE_NOT);
    walk();
    cr_expect(house.sum.purged_count == 1 && house.sum.waiting_count == 0);
    cr_expect(look(after) == CACHE_PURGE_NOT);
    store_entry_unref(before);
    store_entry_unref(after);
}

Test(purge, hard_beats_soft_and_each_counts_once)
{
    struct store_entry *entry = keep_answer("http://x/1", "t", number());
    cr_assert(purge(CACHE_PURGE_TAG, "t", true) == ERR_NONE);
    cr_expect(look(entry) == CACHE_PURGE_SOFT && look(entry) == CACHE_PURGE_SOFT);
    cr_expect(house.side.row->purged == 1);
    cr_assert(purge(CACHE_PURGE_PREFIX, "http://x/", false) == ERR_NONE);
    cr_expect(look(entry) == CACHE_PURGE_HARD && look(entry) == CACHE_PURGE_HARD);
    cr_expect(house.side.row->purged == 2);
    walk();
    cr_expect(house.sum.purged_count == 2 && house.side.row->purged == 2);
    store_entry_unref(entry);
}

Test(purge, the_walk_finds_all_and_nothing_else)
{
    enum { COUNT = 5000 };
    char url[64];
    for (int i = 0; i < COUNT; i++) {
        snprintf(url, sizeof url, "http://x/%s/%d", i % 5 == 0 ? "a" : "b", i);
        store_entry_unref(keep_answer(url, NULL, number()));
    }
    cr_assert(purge(CACHE_PURGE_PREFIX, "http://x/a/", false) == ERR_NONE);
    cr_expect(house.sum.waiting_count == 1);
    cr_assert(cache_purges_step(house.cache, house.now_ns), "one step is not the whole walk");
    /* Made while the walk is under way: it gets one of its own. */
    cr_assert(purge(CACHE_PURGE_PREFIX, "http://x/b/1", false) == ERR_NONE);
    const uint64_t b_count = 889; /* 1, 1x, 1xx, 1xxx but those that 5 divides */
    walk();
    cr_expect(house.sum.waiting_count == 0);
    cr_expect(house.sum.purged_count == COUNT / 5 + b_count, "%llu",
              (unsigned long long)house.sum.purged_count);
    cr_expect(entries() == COUNT - COUNT / 5 - b_count);
    cr_expect(house.cache->purges.rules_count == 0 && house.cache->purges.newest == 0);
}

/* What comes of a fetch from before the rule finds it, however late. */
Test(purge, a_rule_stays_while_a_fetch_from_before_it_is_under_way)
{
    struct cache_begun before, after;
    cache_purge_begin(&house.side, &before);
    cr_assert(purge(CACHE_PURGE_TAG, "t", false) == ERR_NONE);
    cache_purge_begin(&house.side, &after);
    walk();
    cr_expect(house.sum.waiting_count == 0, "who ordered it need not wait for that");
    cr_expect(house.cache->purges.rules_count == 1);
    struct store_entry *late = keep_answer("http://x/1", "t", before.seen);
    struct store_entry *new = keep_answer("http://x/2", "t", after.seen);
    cr_expect(look(late) == CACHE_PURGE_HARD && look(new) == CACHE_PURGE_NOT);
    cache_purge_end(&house.side, &before);
    walk();
    cr_expect(house.cache->purges.rules_count == 0);
    cr_expect(look(late) == CACHE_PURGE_HARD && look(new) == CACHE_PURGE_NOT);
    cache_purge_end(&house.side, &after);
    store_entry_unref(late);
    store_entry_unref(new);
}

/* Then nothing that was begun before it is kept, whatever it is. */
Test(purge, a_rule_does_not_stay_for_ever)
{
    struct cache_begun before;
    cache_purge_begin(&house.side, &before);
    cr_assert(purge(CACHE_PURGE_TAG, "t", false) == ERR_NONE);
    walk();
    house.now_ns += (CACHE_PURGE_LINGER_MS + 1ull) * MS;
    walk();
    cr_expect(house.cache->purges.rules_count == 0);
    struct store_entry *late = keep_answer("http://x/1", "other", before.seen);
    cr_expect(look(late) == CACHE_PURGE_NOT, "what has settled was walked over");
    atomic_store(&cache_object_of(late)->is_over, false);
    cr_expect(look(late) == CACHE_PURGE_HARD);
    struct cache_begun after;
    cache_purge_begin(&house.side, &after);
    cr_expect(cache_purge_forgot(house.cache, &before));
    cr_expect(!cache_purge_forgot(house.cache, &after));
    cache_purge_end(&house.side, &before);
    cache_purge_end(&house.side, &after);
    store_entry_unref(late);
}

Test(purge, the_table_is_bounded)
{
    char tag[16];
    struct cache_begun before;
    cache_purge_begin(&house.side, &before);
    for (int i = 0; i < CACHE_PURGES_MAX; i++) {
        snprintf(tag, sizeof tag, "%d", i);
        cr_assert(purge(CACHE_PURGE_TAG, tag, false) == ERR_NONE);
    }
    cr_expect(purge(CACHE_PURGE_TAG, "one more", false) == ERR_LIMIT);
    cr_expect(house.sum.waiting_count == CACHE_PURGES_MAX);
    walk();
    cr_expect(house.sum.waiting_count == 0);
    cr_expect(house.cache->purges.rules_count == CACHE_PURGES_MAX, "the fetch keeps them");
    cr_expect(purge(CACHE_PURGE_TAG, "one more", false) == ERR_NONE, "but not from a new one");
    cr_expect(house.cache->purges.floor > before.seen);
    walk();
    cache_purge_end(&house.side, &before);
}

/* For what is kept elsewhere. */
Test(purge, facts_alone_are_judged)
{
    const uint64_t tag = cache_tag_hash((const uint8_t *)"t", 1);
    const struct cache_purge_facts facts = {.seen = number(),
                                            .url = (const uint8_t *)"http://x/1",
                                            .url_bytes = 10,
                                            .tags = &tag,
                                            .tags_count = 1};
    cr_expect(cache_purges_apply(house.cache, &facts) == CACHE_PURGE_NOT);
    cr_assert(purge(CACHE_PURGE_TAG, "t", true) == ERR_NONE);
    cr_expect(cache_purges_apply(house.cache, &facts) == CACHE_PURGE_SOFT);
    cr_assert(purge(CACHE_PURGE_URL, "http://x/1", false) == ERR_NONE);
    cr_expect(cache_purges_apply(house.cache, &facts) == CACHE_PURGE_HARD);
}

/* Each row: as it was typed, and its key; NULL: it is none. */
Test(purge, urls_are_written_as_requests_have_them)
{
    static const char *const rows[][2] = {
        {"http://x/", "http://x/"},
        {"HTTPS://Shop.Example/A?b=C", "https://shop.example/A?b=C"},
        {"http://x", "http://x/"},
        {"http://x:8080", "http://x:8080/"},
        {"http://x?a", "http://x/?a"},
        {"http://x#a", "http://x/"},
        {"http://x/a#b/c", "http://x/a"},
        {"http://x/a%20b", "http://x/a%20b"},
        {"http://x/a b", NULL},
        {"http://x/\xc3\xa4", NULL},
        {"http:///a", NULL},
        {"x/a", NULL},
        {"/a", NULL},
        {"ftp://x/", NULL},
        {"", NULL},
    };
    char out[64];
    size_t bytes;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *wrong = cache_url_write(rows[i][0], out, sizeof out, &bytes);
        cr_expect((wrong == NULL) == (rows[i][1] != NULL), "%s: %s", rows[i][0],
                  wrong == NULL ? "no mistake" : wrong);
        if (wrong == NULL && rows[i][1] != NULL)
            cr_expect(strcmp(out, rows[i][1]) == 0 && bytes == strlen(out), "%s: %s", rows[i][0],
                      out);
    }
    cr_expect(cache_url_write("http://x/1234567", out, 16, &bytes) != NULL);
}
