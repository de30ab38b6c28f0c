/* SPDX-License-Identifier: Apache-2.0 */
/* cache/rules/use_test.c - what a request says, and when a kept answer is used; one row a rule. */
#include "cache/rules/rules_testing.h"

#include <criterion/criterion.h>

enum { S = 1000 };

/* --- The request --- */

struct ask_row {
    const char *section;
    const char *rule;
    const char *request;
    struct cache_ask
        ask; /* of max-age and so on the value + 1, so that what is left out is not said */
};

static struct cache_ask read_ask(const char *fields)
{
    static struct http1_testing_result request;
    struct cache_ask ask;
    testing_request(&request, fields);
    cache_ask_read(&ask, &request.head);
    http1_testing_free(&request);
    return ask;
}

static void expect_ask(const struct ask_row *row)
{
    const struct cache_ask ask = read_ask(row->request), *wanted = &row->ask;
    cr_expect(ask.no_cache == wanted->no_cache && ask.no_store == wanted->no_store &&
                  ask.only_if_cached == wanted->only_if_cached &&
                  ask.has_authorization == wanted->has_authorization &&
                  ask.has_cookie == wanted->has_cookie && ask.has_range == wanted->has_range &&
                  ask.has_conditions == wanted->has_conditions,
              "RFC %s: %s: [%s]", row->section, row->rule, row->request);
    cr_expect(ask.max_age_s == wanted->max_age_s - 1 && ask.min_fresh_s == wanted->min_fresh_s &&
                  ask.max_stale_s == wanted->max_stale_s - 1 &&
                  ask.stale_if_error_s == wanted->stale_if_error_s - 1,
              "RFC %s: %s: [%s]: %ld %ld %ld", row->section, row->rule, row->request, ask.max_age_s,
              ask.min_fresh_s, ask.max_stale_s);
    cr_expect(ask.is_get && !ask.is_head);
}

#define SAYS(...) {__VA_ARGS__}

static const struct ask_row ask_rows[] = {
    {"9111 5.2.1", "nothing", "", SAYS(.no_cache = false)},
    {"9111 5.2.1", "other fields say nothing", "Accept: */*\nUser-Agent: x",
     SAYS(.no_cache = false)},
    {"9111 5.2.1.4", "no-cache", "Cache-Control: no-cache", SAYS(.no_cache = true)},
    {"9111 5.2.1.4", "no-cache in any case", "Cache-Control: No-CACHE", SAYS(.no_cache = true)},
    {"pando", "no-cache with a value", "Cache-Control: no-cache=x", SAYS(.no_cache = true)},
    {"9111 5.2.1.5", "no-store", "Cache-Control: no-store", SAYS(.no_store = true)},
    {"9111 5.2.1.7", "only-if-cached", "Cache-Control: only-if-cached",
     SAYS(.only_if_cached = true)},
    {"9111 5.2.1.1", "max-age", "Cache-Control: max-age=7", SAYS(.max_age_s = 8)},
    {"9111 5.2.1.1", "max-age=0", "Cache-Control: max-age=0", SAYS(.max_age_s = 1)},
    {"9111 5.2", "max-age in quotes", "Cache-Control: max-age=\"7\"", SAYS(.max_age_s = 8)},
    {"pando", "of two the smaller", "Cache-Control: max-age=7, max-age=5", SAYS(.max_age_s = 6)},
    {"pando", "what cannot be read is 0", "Cache-Control: max-age=x", SAYS(.max_age_s = 1)},
    {"9111 1.2.2", "a large one", "Cache-Control: max-age=9999999999",
     SAYS(.max_age_s = INT64_C(2147483648))},
    {"9111 5.2.1.3", "min-fresh", "Cache-Control: min-fresh=7", SAYS(.min_fresh_s = 7)},
    {"pando", "of two the larger", "Cache-Control: min-fresh=7, min-fresh=9",
     SAYS(.min_fresh_s = 9)},
    {"pando", "what cannot be read is never fresh enough", "Cache-Control: min-fresh=-7",
     SAYS(.min_fresh_s = 2147483647)},
    {"9111 5.2.1.2", "max-stale", "Cache-Control: max-stale=7", SAYS(.max_stale_s = 8)},
    {"9111 5.2.1.2", "max-stale of any age", "Cache-Control: max-stale",
     SAYS(.max_stale_s = INT64_C(2147483648))},
    {"pando", "of two the smaller", "Cache-Control: max-stale, max-stale=7",
     SAYS(.max_stale_s = 8)},
    {"pando", "what cannot be read allows nothing", "Cache-Control: max-stale=x",
     SAYS(.max_stale_s = 1)},
    {"5861 4", "stale-if-error", "Cache-Control: stale-if-error=7", SAYS(.stale_if_error_s = 8)},
    {"9110 5.3", "on several lines", "Cache-Control: no-store\nCache-Control: max-age=0",
     SAYS(.no_store = true, .max_age_s = 1)},
    {"9110 5.6.4", "in quotes nothing counts", "Cache-Control: x=\"no-store, no-cache\"",
     SAYS(.no_cache = false)},
    {"9111 5.2.3", "what is unknown does not count", "Cache-Control: public, immutable, foo=1",
     SAYS(.no_cache = false)},
    {"pando", "a quote without end", "Cache-Control: x=\"a",
     SAYS(.no_cache = true, .no_store = true)},
    {"9111 5.4", "Pragma: no-cache", "Pragma: no-cache", SAYS(.no_cache = true)},
    {"9111 5.4", "among others", "Pragma: a, No-Cache", SAYS(.no_cache = true)},
    {"9111 5.4", "other words of it", "Pragma: foo", SAYS(.no_cache = false)},
    {"9111 5.4", "it does not count beside Cache-Control",
     "Pragma: no-cache\nCache-Control: max-age=7", SAYS(.max_age_s = 8)},
    {"9111 3.5", "Authorization", "Authorization: x", SAYS(.has_authorization = true)},
    {"pando", "Cookie", "Cookie: a=b", SAYS(.has_cookie = true)},
    {"9110 14.2", "Range", "Range: bytes=0-1", SAYS(.has_range = true)},
    {"9110 13.1", "If-Match", "If-Match: \"a\"", SAYS(.has_conditions = true)},
    {"9110 13.1", "If-None-Match", "If-None-Match: \"a\"", SAYS(.has_conditions = true)},
    {"9110 13.1", "If-Modified-Since", "If-Modified-Since: " TESTING_NOW,
     SAYS(.has_conditions = true)},
    {"9110 13.1", "If-Unmodified-Since", "If-Unmodified-Since: " TESTING_NOW,
     SAYS(.has_conditions = true)},
    {"9110 13.1", "If-Range is none of them", "If-Range: \"a\"", SAYS(.no_cache = false)},
};

Test(cache_ask, says_what_its_fields_say)
{
    for (size_t i = 0; i < sizeof ask_rows / sizeof ask_rows[0]; i++)
        expect_ask(&ask_rows[i]);
}

Test(cache_ask, only_get_and_head_meet_the_cache)
{
    static struct http1_testing_result request;
    struct cache_ask ask;
    testing_read(&request, HTTP1_TESTING_REQUEST, "HEAD / HTTP/1.1\r\nHost: a", "Range: bytes=0-1");
    cache_ask_read(&ask, &request.head);
    cr_expect(ask.is_head && !ask.is_get && !ask.has_range);
    http1_testing_free(&request);
    testing_read(&request, HTTP1_TESTING_REQUEST, "POST / HTTP/1.1\r\nHost: a", "");
    cache_ask_read(&ask, &request.head);
    cr_expect(!ask.is_head && !ask.is_get);
    http1_testing_free(&request);
}

/* --- Use --- */

struct row {
    const char       *section;
    const char       *rule;
    struct cache_meta meta; /* times in seconds; is_public where nothing else is of matter */
    uint64_t          age_s;
    const char       *request;
    enum cache_use    use;
    bool              on_error; /* may it be used then? */
};

#define META(...) {.status = 200, __VA_ARGS__}
#define FOR_10_S .lifetime_ms = 10

static void expect_use(const struct row *row, const struct cache_settings *settings)
{
    struct cache_meta meta = row->meta;
    meta.received_ms = TESTING_NOW_MS;
    meta.initial_age_ms *= S;
    meta.lifetime_ms *= S;
    meta.swr_ms *= S;
    meta.sie_ms *= S;
    const uint64_t now_ms = TESTING_NOW_MS + row->age_s * S;
    const struct cache_ask ask = read_ask(row->request);
    const enum cache_use use = cache_judge_use(&meta, &ask, settings, now_ms);
    cr_expect(use == row->use, "RFC %s: %s: [%s]: %s", row->section, row->rule, row->request,
              cache_use_gist(use));
    const bool on_error = cache_may_use_on_error(&meta, &ask, now_ms);
    cr_expect(on_error == row->on_error, "RFC %s: %s: [%s] on an error", row->section, row->rule,
              row->request);
}

static const struct row use_rows[] = {
    {"9111 4.2", "younger than its lifetime", META(FOR_10_S), 9, "", CACHE_USE_FRESH, true},
    {"9111 4.2", "as old as its lifetime", META(FOR_10_S), 10, "", CACHE_USE_ASK, false},
    {"9111 4.2", "never fresh", META(.lifetime_ms = 0), 0, "", CACHE_USE_ASK, false},
    {"9111 4.2.3", "it came with an age", META(FOR_10_S, .initial_age_ms = 5), 4, "",
     CACHE_USE_FRESH, true},
    {"9111 4.2.3", "which counts", META(FOR_10_S, .initial_age_ms = 5), 5, "", CACHE_USE_ASK,
     false},
    {"9111 5.2.2.4", "no-cache", META(FOR_10_S, .no_cache = true), 0, "", CACHE_USE_ASK, false},
    {"9111 5.2.2.4", "no-cache and max-stale", META(FOR_10_S, .no_cache = true), 0,
     "Cache-Control: max-stale", CACHE_USE_ASK, false},
    {"9111 5.2.2.4", "no-cache and stale-if-error", META(FOR_10_S, .no_cache = true, .sie_ms = 9),
     0, "", CACHE_USE_ASK, false},
    {"9111 5.2.2.2", "must-revalidate while fresh", META(FOR_10_S, .must_revalidate = true), 9, "",
     CACHE_USE_FRESH, true},
    {"9111 5.2.2.2", "must-revalidate when stale",
     META(FOR_10_S, .must_revalidate = true, .swr_ms = 9, .sie_ms = 9), 11, "", CACHE_USE_ASK,
     false},
    {"9111 5.2.2.2", "must-revalidate and max-stale", META(FOR_10_S, .must_revalidate = true), 11,
     "Cache-Control: max-stale", CACHE_USE_ASK, false},
    {"9111 5.2.2.2", "must-revalidate and a request's stale-if-error",
     META(FOR_10_S, .must_revalidate = true), 11, "Cache-Control: stale-if-error=9", CACHE_USE_ASK,
     false},
    {"9111 5.2.1.4", "a request's no-cache", META(FOR_10_S), 1, "Cache-Control: no-cache",
     CACHE_USE_REQUEST, true},
    {"9111 5.4", "its Pragma", META(FOR_10_S), 1, "Pragma: no-cache", CACHE_USE_REQUEST, true},
    {"9111 5.2.1.5", "its no-store is not about what is kept", META(FOR_10_S), 1,
     "Cache-Control: no-store", CACHE_USE_FRESH, true},
    {"9111 5.2.1.1", "max-age that holds", META(FOR_10_S), 5, "Cache-Control: max-age=5",
     CACHE_USE_FRESH, true},
    {"9111 5.2.1.1", "max-age that does not", META(FOR_10_S), 6, "Cache-Control: max-age=5",
     CACHE_USE_REQUEST, true},
    {"9111 5.2.1.1", "max-age=0", META(FOR_10_S), 1, "Cache-Control: max-age=0", CACHE_USE_REQUEST,
     true},
    {"9111 5.2.1.1", "max-age and the age it came with",
     META(.lifetime_ms = 3600, .initial_age_ms = 1800), 0, "Cache-Control: max-age=600",
     CACHE_USE_REQUEST, true},
    {"9111 5.2.1.1", "max-age wants nothing stale", META(FOR_10_S, .swr_ms = 9), 11,
     "Cache-Control: max-age=90", CACHE_USE_ASK, false},
    {"9111 5.2.1.1", "but with max-stale it does", META(FOR_10_S), 11,
     "Cache-Control: max-age=90, max-stale=5", CACHE_USE_STALE, false},
    {"9111 5.2.1.1", "within max-age", META(FOR_10_S), 11, "Cache-Control: max-age=10, max-stale=5",
     CACHE_USE_ASK, false},
    {"8246 2.1", "immutable is not asked for on a reload", META(FOR_10_S, .immutable = true), 1,
     "Cache-Control: max-age=0", CACHE_USE_FRESH, true},
    {"8246 2.1", "but on a forced one", META(FOR_10_S, .immutable = true), 1,
     "Cache-Control: no-cache", CACHE_USE_REQUEST, true},
    {"8246 2", "and when it is stale", META(FOR_10_S, .immutable = true), 11,
     "Cache-Control: max-age=0", CACHE_USE_ASK, false},
    {"9111 5.2.1.3", "min-fresh that holds", META(FOR_10_S), 5, "Cache-Control: min-fresh=5",
     CACHE_USE_FRESH, true},
    {"9111 5.2.1.3", "min-fresh that does not", META(FOR_10_S), 6, "Cache-Control: min-fresh=5",
     CACHE_USE_REQUEST, true},
    {"9111 5.2.1.3", "min-fresh longer than the lifetime", META(.lifetime_ms = 1500), 0,
     "Cache-Control: min-fresh=2000", CACHE_USE_REQUEST, true},
    {"9111 5.2.1.3", "min-fresh and the age it came with",
     META(.lifetime_ms = 1500, .initial_age_ms = 1000), 0, "Cache-Control: min-fresh=1000",
     CACHE_USE_REQUEST, true},
    {"9111 5.2.1.3", "min-fresh wants nothing stale", META(FOR_10_S, .swr_ms = 9), 11,
     "Cache-Control: min-fresh=1", CACHE_USE_ASK, false},
    {"9111 5.2.1.2", "max-stale that holds", META(FOR_10_S), 15, "Cache-Control: max-stale=5",
     CACHE_USE_STALE, false},
    {"9111 5.2.1.2", "max-stale that does not", META(FOR_10_S), 16, "Cache-Control: max-stale=5",
     CACHE_USE_ASK, false},
    {"9111 5.2.1.2", "any staleness", META(FOR_10_S), 100000, "Cache-Control: max-stale",
     CACHE_USE_STALE, false},
    {"9111 5.2.1.2", "max-stale and the age it came with",
     META(.lifetime_ms = 1500, .initial_age_ms = 2000), 0, "Cache-Control: max-stale=1000",
     CACHE_USE_STALE, false},
    {"9111 5.2.1.2", "max-stale where it is fresh", META(FOR_10_S), 1, "Cache-Control: max-stale=5",
     CACHE_USE_FRESH, true},
    {"5861 3", "stale-while-revalidate", META(FOR_10_S, .swr_ms = 5), 14, "", CACHE_USE_REVALIDATE,
     false},
    {"5861 3", "beyond it", META(FOR_10_S, .swr_ms = 5), 15, "", CACHE_USE_ASK, false},
    {"5861 3", "max-stale is narrower", META(FOR_10_S, .swr_ms = 9), 14,
     "Cache-Control: max-stale=2", CACHE_USE_ASK, false},
    {"5861 4", "stale-if-error", META(FOR_10_S, .sie_ms = 5), 14, "", CACHE_USE_ASK, true},
    {"5861 4", "beyond it", META(FOR_10_S, .sie_ms = 5), 15, "", CACHE_USE_ASK, false},
    {"5861 4", "a request's stale-if-error", META(FOR_10_S), 14, "Cache-Control: stale-if-error=5",
     CACHE_USE_ASK, true},
    {"5861 4", "beyond that", META(FOR_10_S), 15, "Cache-Control: stale-if-error=5", CACHE_USE_ASK,
     false},
    {"9111 3.5", "Authorization, and no word that it is shared", META(FOR_10_S), 1,
     "Authorization: x", CACHE_USE_NOT_FOR, false},
    {"9111 3.5", "Authorization, and it is", META(FOR_10_S, .is_shared_by_authorization = true), 1,
     "Authorization: x", CACHE_USE_FRESH, true},
    {"pando", "Cookie, and no word that it is for all", META(FOR_10_S), 1, "Cookie: a=b",
     CACHE_USE_NOT_FOR, true},
    {"pando", "Cookie, and it is", META(FOR_10_S, .is_public = true), 1, "Cookie: a=b",
     CACHE_USE_FRESH, true},
    {"pando", "who may not see it is not asked for", META(FOR_10_S), 1,
     "Cookie: a=b\nCache-Control: no-cache", CACHE_USE_NOT_FOR, true},
};

Test(cache_use, is_as_answer_and_request_say)
{
    for (size_t i = 0; i < sizeof use_rows / sizeof use_rows[0]; i++)
        expect_use(&use_rows[i], &testing_settings);
}

Test(cache_use, cookies_are_as_the_settings_say)
{
    const struct cache_settings ignore = {.cookies = CACHE_COOKIES_IGNORE};
    const struct cache_settings pass = {.cookies = CACHE_COOKIES_PASS};
    const struct row ignored = {"pando",         "ignore", META(FOR_10_S), 1, "Cookie: a=b",
                                CACHE_USE_FRESH, true};
    const struct row passed = {"pando", "pass",        META(FOR_10_S, .is_public = true),
                               1,       "Cookie: a=b", CACHE_USE_NOT_FOR,
                               true};
    expect_use(&ignored, &ignore);
    expect_use(&passed, &pass);
}

Test(cache_use, age_and_what_is_left)
{
    const struct cache_meta meta = {
        .received_ms = TESTING_NOW_MS, .initial_age_ms = 1500, .lifetime_ms = 10000};
    static const struct {
        uint64_t after_ms, age_s;
        int64_t ttl_s;
    } rows[] = {{0, 1, 8},
                {499, 1, 8},
                {500, 2, 8},
                {501, 2, 7},
                {8499, 9, 0},
                {8500, 10, 0},
                {8501, 10, -1},
                {9500, 11, -1},
                {9501, 11, -2},
                {98500, 100, -90},
                {UINT64_C(9999999999999), 2147483647, -9999999992}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const uint64_t now_ms = TESTING_NOW_MS + rows[i].after_ms;
        cr_expect_eq(cache_age_s(&meta, now_ms), rows[i].age_s, "%lu", rows[i].after_ms);
        cr_expect_eq(cache_ttl_s(&meta, now_ms), rows[i].ttl_s, "%lu: %ld", rows[i].after_ms,
                     cache_ttl_s(&meta, now_ms));
    }
    cr_expect_eq(cache_age_s(&meta, TESTING_NOW_MS - 5000), 1, "a clock that went back");
}

/* RFC 5861 4. */
Test(cache_use, which_statuses_are_errors)
{
    for (unsigned status = 100; status < 600; status++)
        cr_expect_eq(cache_is_error_status(status),
                     status == 500 || status == 502 || status == 503 || status == 504, "%u",
                     status);
    cr_expect(cache_is_error_status(0), "no answer at all");
}

/* RFC 9211 2.2: what is sent on has one of these words. */
Test(cache_use, every_use_has_words)
{
    for (int i = 0; i < CACHE_USES_COUNT; i++)
        cr_expect(cache_use_gist((enum cache_use)i)[0] != '\0');
    cr_expect_str_eq(cache_use_forward(CACHE_USE_ASK), "stale");
    cr_expect_str_eq(cache_use_forward(CACHE_USE_REQUEST), "request");
    cr_expect_str_eq(cache_use_forward(CACHE_USE_FRESH), "");
}
