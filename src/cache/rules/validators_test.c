/* SPDX-License-Identifier: Apache-2.0 */
/* cache/rules/validators_test.c - conditions, ranges and validators; one row a rule. */
#include "cache/rules/rules_testing.h"

#include <criterion/criterion.h>

/* A kept answer that has an ETag and changed @ago_s before it came; -1: neither is known. */
static struct cache_validators validators(const char *etag, int64_t ago_s)
{
    return (struct cache_validators){
        .etag = (const uint8_t *)etag,
        .etag_bytes = etag != NULL ? (uint32_t)strlen(etag) : 0,
        .last_modified_s = ago_s >= 0 ? TESTING_NOW_S - ago_s : -1,
        .date_s = TESTING_NOW_S,
    };
}

enum { HOUR_S = 3600 };

#define SEND CACHE_CONDITION_SEND
#define SAME CACHE_CONDITION_UNMODIFIED
#define FAIL CACHE_CONDITION_FAILED

static const struct {
    const char *section, *rule, *etag;
    int64_t ago_s;
    const char *request;
    enum cache_condition condition;
} condition_rows[] = {
    {"9110 13", "none", "\"a\"", HOUR_S, "", SEND},
    {"9110 13.1.2", "the same tag", "\"a\"", -1, "If-None-Match: \"a\"", SAME},
    {"9110 13.1.2", "another", "\"a\"", -1, "If-None-Match: \"b\"", SEND},
    {"9110 8.8.3", "tags have a case", "\"a\"", -1, "If-None-Match: \"A\"", SEND},
    {"9110 13.1.2", "first of several", "\"a\"", -1, "If-None-Match: \"a\", \"b\", \"c\"", SAME},
    {"9110 13.1.2", "second of several", "\"b\"", -1, "If-None-Match: \"a\" ,\t\"b\",\"c\"", SAME},
    {"9110 13.1.2", "last of several", "\"c\"", -1, "If-None-Match: \"a\", \"b\", \"c\"", SAME},
    {"9110 5.3", "on another line", "\"b\"", -1, "If-None-Match: \"a\"\nIf-None-Match: \"b\"",
     SAME},
    {"9110 5.6.1", "empty members", "\"b\"", -1, "If-None-Match: ,, \"b\" ,", SAME},
    {"9110 13.1.2", "compared weakly", "\"a\"", -1, "If-None-Match: W/\"a\"", SAME},
    {"9110 13.1.2", "both ways", "W/\"a\"", -1, "If-None-Match: \"a\"", SAME},
    {"9110 13.1.2", "both weak", "W/\"a\"", -1, "If-None-Match: W/\"a\"", SAME},
    {"9110 8.8.3", "W has a case", "\"a\"", -1, "If-None-Match: w/\"a\"", SEND},
    {"9110 8.8.3", "W without its slash", "\"a\"", -1, "If-None-Match: W\"a\"", SEND},
    {"9110 8.8.3", "without quotes", "\"a\"", -1, "If-None-Match: a", SEND},
    {"9110 8.8.3", "with one quote", "\"a\"", -1, "If-None-Match: \"a", SEND},
    {"9110 8.8.3", "with something behind", "\"a\"", -1, "If-None-Match: \"a\"b", SEND},
    {"pando", "behind a wrong one nothing is read", "\"a\"", -1, "If-None-Match: b, \"a\"", SEND},
    {"9110 8.8.3", "commas in tags", "\"a,b\"", -1, "If-None-Match: \"a,b\"", SAME},
    {"9110 8.8.3", "which do not part them", "\"b\"", -1, "If-None-Match: \"a,\"b\",\"", SEND},
    {"9110 8.8.3", "a backslash is a byte", "\"a\\\"", -1, "If-None-Match: \"a\\\", \"b\"", SAME},
    {"9110 8.8.3", "bytes above 127", "\"a\xfc\"", -1, "If-None-Match: \"a\xfc\"", SAME},
    {"9110 8.8.3", "the empty tag", "\"\"", -1, "If-None-Match: \"\"", SAME},
    {"9110 13.1.2", "*", "\"a\"", -1, "If-None-Match: *", SAME},
    {"9110 13.1.2", "* without a tag", NULL, -1, "If-None-Match: *", SAME},
    {"9110 13.1.2", "* among tags is none", "\"a\"", -1, "If-None-Match: \"b\", *", SEND},
    {"9110 13.1.2", "a tag, and the answer has none", NULL, -1, "If-None-Match: \"a\"", SEND},
    {"9110 13.2.2", "before If-Modified-Since: same", "\"a\"", 0,
     "If-None-Match: \"a\"\nIf-Modified-Since: " TESTING_HOUR_AGO, SAME},
    {"9110 13.2.2", "before If-Modified-Since: not", "\"a\"", HOUR_S,
     "If-None-Match: \"b\"\nIf-Modified-Since: " TESTING_NOW, SEND},
    {"9110 13.1.3", "before it without a tag", NULL, HOUR_S,
     "If-None-Match: \"b\"\nIf-Modified-Since: " TESTING_NOW, SEND},
    {"9110 13.1.3", "not changed since", NULL, HOUR_S, "If-Modified-Since: " TESTING_HOUR_AGO,
     SAME},
    {"9110 13.1.3", "changed long before", NULL, HOUR_S, "If-Modified-Since: " TESTING_NOW, SAME},
    {"9110 13.1.3", "changed after", NULL, HOUR_S, "If-Modified-Since: " TESTING_DAY_AGO, SEND},
    {"9110 13.1.3", "in the form of RFC 850", NULL, HOUR_S,
     "If-Modified-Since: Sunday, 06-Nov-94 07:49:37 GMT", SAME},
    {"9110 13.1.3", "in that of asctime", NULL, HOUR_S,
     "If-Modified-Since: Sun Nov  6 07:49:37 1994", SAME},
    {"9110 13.1.3", "what is no date does not count", NULL, HOUR_S, "If-Modified-Since: now", SEND},
    {"9110 13.1.3", "nor do two", NULL, HOUR_S,
     "If-Modified-Since: " TESTING_NOW "\nIf-Modified-Since: " TESTING_NOW, SEND},
    {"9111 4.3.2", "without Last-Modified by Date: after", NULL, -1,
     "If-Modified-Since: " TESTING_NOW, SAME},
    {"9111 4.3.2", "without Last-Modified by Date: before", NULL, -1,
     "If-Modified-Since: " TESTING_HOUR_AGO, SEND},
    {"9110 13.1.1", "If-Match that holds", "\"a\"", -1, "If-Match: \"b\", \"a\"", SEND},
    {"9110 13.1.1", "If-Match that does not", "\"a\"", -1, "If-Match: \"b\"", FAIL},
    {"9110 13.1.1", "compared strongly", "\"a\"", -1, "If-Match: W/\"a\"", FAIL},
    {"9110 13.1.1", "a weak one never", "W/\"a\"", -1, "If-Match: W/\"a\"", FAIL},
    {"9110 13.1.1", "If-Match: *", NULL, -1, "If-Match: *", SEND},
    {"9110 13.1.1", "without a tag", NULL, -1, "If-Match: \"a\"", FAIL},
    {"9110 13.2.2", "before If-None-Match", "\"a\"", -1, "If-Match: \"b\"\nIf-None-Match: \"a\"",
     FAIL},
    {"9110 13.2.2", "and then If-None-Match", "\"a\"", -1, "If-Match: \"a\"\nIf-None-Match: \"a\"",
     SAME},
    {"9110 13.2.2", "before If-Unmodified-Since", "\"a\"", 0,
     "If-Match: \"a\"\nIf-Unmodified-Since: " TESTING_HOUR_AGO, SEND},
    {"9110 13.1.4", "If-Unmodified-Since that holds", NULL, HOUR_S,
     "If-Unmodified-Since: " TESTING_HOUR_AGO, SEND},
    {"9110 13.1.4", "If-Unmodified-Since that does not", NULL, HOUR_S,
     "If-Unmodified-Since: " TESTING_DAY_AGO, FAIL},
    {"9110 13.1.4", "what is no date does not count", NULL, HOUR_S, "If-Unmodified-Since: x", SEND},
    {"9110 13.1.4", "without Last-Modified it does not", NULL, -1,
     "If-Unmodified-Since: " TESTING_DAY_AGO, SEND},
    {"9110 13.1.5", "If-Range is not looked at", "\"a\"", -1, "If-Range: \"b\"", SEND},
};

Test(cache_conditions, are_answered)
{
    static struct http1_testing_result request;
    for (size_t i = 0; i < sizeof condition_rows / sizeof condition_rows[0]; i++) {
        const struct cache_validators kept =
            validators(condition_rows[i].etag, condition_rows[i].ago_s);
        testing_request(&request, condition_rows[i].request);
        cr_expect_eq((int)cache_judge_conditions(&kept, &request.head),
                     (int)condition_rows[i].condition, "RFC %s: %s: [%s]",
                     condition_rows[i].section, condition_rows[i].rule, condition_rows[i].request);
        http1_testing_free(&request);
    }
}

/* --- Ranges --- */

#define PART(from, to) CACHE_RANGE_PART, from, to
#define WHOLE          CACHE_RANGE_WHOLE, 0, 0
#define BEYOND         CACHE_RANGE_BEYOND, 0, 0
#define MANY           CACHE_RANGE_MANY, 0, 0

/* Of an answer with the ETag "a" that changed an hour ago. */
static const struct {
    const char *section, *rule;
    uint64_t total_bytes;
    const char *request;
    enum cache_range_verdict verdict;
    uint64_t first, last;
} range_rows[] = {
    {"9110 14.2", "none", 10, "", WHOLE},
    {"9110 14.1.2", "first and last", 10, "Range: bytes=0-1", PART(0, 1)},
    {"9110 14.1.2", "one byte", 10, "Range: bytes=9-9", PART(9, 9)},
    {"9110 14.1.2", "no last", 10, "Range: bytes=4-", PART(4, 9)},
    {"9110 14.1.2", "the last five", 10, "Range: bytes=-5", PART(5, 9)},
    {"9110 14.1.2", "more than there is", 10, "Range: bytes=-99", PART(0, 9)},
    {"9110 14.1.2", "all of it", 10, "Range: bytes=0-9", PART(0, 9)},
    {"9110 14.1.2", "last beyond the end", 10, "Range: bytes=8-99", PART(8, 9)},
    {"9110 14.1.2", "last beyond 64 bits", 10, "Range: bytes=8-99999999999999999999999",
     PART(8, 9)},
    {"9110 14.1.2", "the last of beyond 64 bits", 10, "Range: bytes=-99999999999999999999999",
     PART(0, 9)},
    {"9110 14.1.2", "first at the end", 10, "Range: bytes=10-", BEYOND},
    {"9110 14.1.2", "first beyond", 10, "Range: bytes=11-12", BEYOND},
    {"9110 14.1.2", "first beyond 64 bits", 10, "Range: bytes=99999999999999999999999-", BEYOND},
    {"9110 14.1.2", "2^64 does not wrap", 10, "Range: bytes=18446744073709551616-", BEYOND},
    {"9110 14.1.2", "the last none", 10, "Range: bytes=-0", BEYOND},
    {"9110 14.1.2", "of nothing", 0, "Range: bytes=0-", BEYOND},
    {"pando", "the last of nothing", 0, "Range: bytes=-5", BEYOND},
    {"9110 14.1.1", "last before first", 10, "Range: bytes=5-4", WHOLE},
    {"9110 14.1.1", "no bytes", 10, "Range: bytes=", WHOLE},
    {"9110 14.1.1", "a dash", 10, "Range: bytes=-", WHOLE},
    {"9110 14.1.1", "no dash", 10, "Range: bytes=5", WHOLE},
    {"9110 14.1.1", "two dashes", 10, "Range: bytes=1--2", WHOLE},
    {"9110 14.1.1", "letters", 10, "Range: bytes=a-b", WHOLE},
    {"9110 14.1.1", "a space in it", 10, "Range: bytes=1 -2", WHOLE},
    {"9110 14.1.1", "a space before =", 10, "Range: bytes =1-2", WHOLE},
    {"9110 14.1", "the unit in capitals", 10, "Range: BYTES=1-2", PART(1, 2)},
    {"9110 14.1", "another unit", 10, "Range: lines=1-2", WHOLE},
    {"9110 14.1", "no unit", 10, "Range: 1-2", WHOLE},
    {"9110 14.1.1", "hexadecimal", 10, "Range: bytes=0x1-2", WHOLE},
    {"9110 14.1.1", "a sign", 10, "Range: bytes=+1-2", WHOLE},
    {"pando", "two lines", 10, "Range: bytes=1-2\nRange: bytes=3-4", WHOLE},
    {"9110 14.2", "two ranges", 10, "Range: bytes=0-1, 3-4", MANY},
    {"9110 14.2", "three", 10, "Range: bytes=0-0,3-4,-1", MANY},
    {"9110 14.2", "one of two is beyond", 10, "Range: bytes=20-30, 3-4", PART(3, 4)},
    {"9110 15.5.17", "both are", 10, "Range: bytes=20-30, 40-", BEYOND},
    {"9110 14.2", "one of two is wrong", 10, "Range: bytes=0-1, x", WHOLE},
    {"9110 5.6.1", "empty members", 10, "Range: bytes=, 0-1 ,", PART(0, 1)},
    {"9110 13.1.5", "If-Range that holds", 10, "Range: bytes=0-1\nIf-Range: \"a\"", PART(0, 1)},
    {"9110 13.1.5", "If-Range that does not", 10, "Range: bytes=0-1\nIf-Range: \"b\"", WHOLE},
    {"9110 13.1.5", "before beyond", 10, "Range: bytes=99-\nIf-Range: \"b\"", WHOLE},
    {"9110 13.1.5", "compared strongly", 10, "Range: bytes=0-1\nIf-Range: W/\"a\"", WHOLE},
    {"9110 13.1.5", "a list is wrong", 10, "Range: bytes=0-1\nIf-Range: \"a\", \"b\"", WHOLE},
    {"9110 13.1.5", "twice is wrong", 10, "Range: bytes=0-1\nIf-Range: \"a\"\nIf-Range: \"a\"",
     WHOLE},
    {"9110 13.1.5", "the date", 10, "Range: bytes=0-1\nIf-Range: " TESTING_HOUR_AGO, PART(0, 1)},
    {"9110 13.1.5", "a later one", 10, "Range: bytes=0-1\nIf-Range: " TESTING_NOW, WHOLE},
    {"9110 13.1.5", "an earlier one", 10, "Range: bytes=0-1\nIf-Range: " TESTING_DAY_AGO, WHOLE},
    {"9110 13.1.5", "what is neither", 10, "Range: bytes=0-1\nIf-Range: a", WHOLE},
    {"9110 13.1.5", "without Range", 10, "If-Range: \"a\"", WHOLE},
};

Test(cache_ranges, are_found)
{
    static struct http1_testing_result request;
    const struct cache_validators kept = validators("\"a\"", HOUR_S);
    for (size_t i = 0; i < sizeof range_rows / sizeof range_rows[0]; i++) {
        struct cache_range range = {0};
        testing_request(&request, range_rows[i].request);
        const enum cache_range_verdict verdict =
            cache_judge_range(&range, &kept, &request.head, range_rows[i].total_bytes);
        cr_expect(verdict == range_rows[i].verdict &&
                      (verdict != CACHE_RANGE_PART ||
                       (range.first == range_rows[i].first && range.last == range_rows[i].last)),
                  "RFC %s: %s: [%s]: %d %lu-%lu", range_rows[i].section, range_rows[i].rule,
                  range_rows[i].request, verdict, range.first, range.last);
        http1_testing_free(&request);
    }
}

/* RFC 9110 8.8.2.2: a date within the minute before Date is weak. RFC 9110 14.2: only GET. */
Test(cache_ranges, are_not_given_on_weak_grounds)
{
    static struct http1_testing_result request;
    struct cache_range range;
    struct cache_validators kept = validators(NULL, 0);
    testing_request(&request, "Range: bytes=0-1\nIf-Range: " TESTING_NOW);
    cr_expect_eq((int)cache_judge_range(&range, &kept, &request.head, 10), CACHE_RANGE_WHOLE);
    kept.date_s += 60;
    cr_expect_eq((int)cache_judge_range(&range, &kept, &request.head, 10), CACHE_RANGE_PART);
    http1_testing_free(&request);
    testing_request(&request, "Range: bytes=0-1\nIf-Range: W/\"a\"");
    kept = validators("W/\"a\"", HOUR_S);
    cr_expect_eq((int)cache_judge_range(&range, &kept, &request.head, 10), CACHE_RANGE_WHOLE);
    http1_testing_free(&request);
    testing_read(&request, HTTP1_TESTING_REQUEST, "HEAD / HTTP/1.1\r\nHost: a", "Range: bytes=0-1");
    cr_expect_eq((int)cache_judge_range(&range, &kept, &request.head, 10), CACHE_RANGE_WHOLE);
    http1_testing_free(&request);
}

static const struct {
    const char *rule, *answer;
    bool is_good;
    uint64_t first, last, total;
} content_range_rows[] = {
    {"a range of a total", "Content-Range: bytes 4-9/10", true, 4, 9, 10},
    {"the unit in capitals", "Content-Range: Bytes 0-0/1", true, 0, 0, 1},
    {"none", "", false, 0, 0, 0},
    {"an unknown total", "Content-Range: bytes 4-9/*", false, 0, 0, 0},
    {"an unknown range", "Content-Range: bytes */10", false, 0, 0, 0},
    {"last at the total", "Content-Range: bytes 4-10/10", false, 0, 0, 0},
    {"last before first", "Content-Range: bytes 5-4/10", false, 0, 0, 0},
    {"another unit", "Content-Range: lines 4-9/10", false, 0, 0, 0},
    {"=", "Content-Range: bytes=4-9/10", false, 0, 0, 0},
    {"two spaces", "Content-Range: bytes  4-9/10", false, 0, 0, 0},
    {"something behind", "Content-Range: bytes 4-9/10x", false, 0, 0, 0},
    {"no total", "Content-Range: bytes 4-9", false, 0, 0, 0},
    {"numbers beyond 64 bits", "Content-Range: bytes 4-99999999999999999999/99999999999999999999",
     false, 0, 0, 0},
    {"twice", "Content-Range: bytes 4-9/10\nContent-Range: bytes 4-9/10", false, 0, 0, 0},
};

Test(cache_ranges, of_parts_are_read)
{
    static struct http1_testing_result answer;
    for (size_t i = 0; i < sizeof content_range_rows / sizeof content_range_rows[0]; i++) {
        struct cache_range range = {0};
        uint64_t total = 0;
        testing_answer(&answer, 206, content_range_rows[i].answer);
        const bool is_good = cache_content_range_read(&answer.head, &range, &total);
        cr_expect_eq(is_good, content_range_rows[i].is_good, "RFC 9110 14.4: %s",
                     content_range_rows[i].rule);
        if (is_good)
            cr_expect(range.first == content_range_rows[i].first &&
                          range.last == content_range_rows[i].last &&
                          total == content_range_rows[i].total,
                      "RFC 9110 14.4: %s", content_range_rows[i].rule);
        http1_testing_free(&answer);
    }
}

/* --- Validators --- */

static const struct {
    const char *rule, *a;
    int64_t a_ago_s;
    const char *b;
    int64_t b_ago_s;
    bool same;
} part_rows[] = {
    {"the same strong tag", "\"a\"", -1, "\"a\"", HOUR_S, true},
    {"another", "\"a\"", -1, "\"b\"", -1, false},
    {"a weak one", "W/\"a\"", -1, "W/\"a\"", -1, false},
    {"one is weak", "\"a\"", -1, "W/\"a\"", -1, false},
    {"only one has a tag", "\"a\"", HOUR_S, NULL, HOUR_S, false},
    {"none has, the same strong date", NULL, HOUR_S, NULL, HOUR_S, true},
    {"the same weak date", NULL, 1, NULL, 1, false},
    {"another date", NULL, HOUR_S, NULL, HOUR_S + 1, false},
    {"nothing", NULL, -1, NULL, -1, false},
    {"tags before dates", "\"a\"", HOUR_S, "\"b\"", HOUR_S, false},
};

Test(cache_validators, of_parts_that_may_be_put_together)
{
    for (size_t i = 0; i < sizeof part_rows / sizeof part_rows[0]; i++) {
        const struct cache_validators a = validators(part_rows[i].a, part_rows[i].a_ago_s);
        const struct cache_validators b = validators(part_rows[i].b, part_rows[i].b_ago_s);
        cr_expect_eq(cache_is_same_representation(&a, &b), part_rows[i].same,
                     "RFC 9110 15.3.7.3: %s", part_rows[i].rule);
        cr_expect_eq(cache_is_same_representation(&b, &a), part_rows[i].same,
                     "RFC 9110 15.3.7.3: %s, turned round", part_rows[i].rule);
    }
}

static const struct {
    const char *rule, *etag;
    int64_t ago_s;
    const char *news;
    bool is_about;
} news_rows[] = {
    {"the same tag", "\"a\"", -1, "ETag: \"a\"", true},
    {"another", "\"a\"", -1, "ETag: \"b\"", false},
    {"another, though the date is the same", "\"a\"", HOUR_S,
     "ETag: \"b\"\nLast-Modified: " TESTING_HOUR_AGO, false},
    {"a strong one for a weak one", "W/\"a\"", -1, "ETag: \"a\"", false},
    {"a weak one for a strong one", "\"a\"", -1, "ETag: W/\"a\"", true},
    {"a weak one for a weak one", "W/\"a\"", -1, "ETag: W/\"a\"", true},
    {"another weak one", "W/\"a\"", -1, "ETag: W/\"b\"", false},
    {"the same date", NULL, HOUR_S, "Last-Modified: " TESTING_HOUR_AGO, true},
    {"another date", NULL, HOUR_S, "Last-Modified: " TESTING_DAY_AGO, false},
    {"only the date, of one that has a tag", "\"a\"", HOUR_S, "Last-Modified: " TESTING_HOUR_AGO,
     true},
    {"only another date, of one that has a tag", "\"a\"", HOUR_S, "Last-Modified: " TESTING_NOW,
     false},
    {"a new strong tag, and the same strong date", NULL, HOUR_S,
     "ETag: \"a\"\nLast-Modified: " TESTING_HOUR_AGO, true},
    {"a new strong tag, and a weak date", NULL, 0, "ETag: \"a\"\nLast-Modified: " TESTING_NOW,
     false},
    {"a new weak tag, and the same date", NULL, 0, "ETag: W/\"a\"\nLast-Modified: " TESTING_NOW,
     true},
    {"a new tag alone", NULL, HOUR_S, "ETag: \"a\"", false},
    {"nothing, of one that has a tag", "\"a\"", -1, "", true},
    {"nothing, of one that has a date", NULL, HOUR_S, "", true},
    {"nothing of nothing", NULL, -1, "", true},
    {"a tag that is none", "\"a\"", -1, "ETag: a", false},
    {"two tags", "\"a\"", -1, "ETag: \"a\"\nETag: \"b\"", false},
};

Test(cache_validators, of_news_about_what_is_kept)
{
    static struct http1_testing_result news;
    for (size_t i = 0; i < sizeof news_rows / sizeof news_rows[0]; i++) {
        const struct cache_validators kept = validators(news_rows[i].etag, news_rows[i].ago_s);
        testing_answer(&news, 304, news_rows[i].news);
        cr_expect_eq(cache_is_about(&kept, &news.head), news_rows[i].is_about, "RFC 9111 4.3.4: %s",
                     news_rows[i].rule);
        http1_testing_free(&news);
    }
}
