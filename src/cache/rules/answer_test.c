/* SPDX-License-Identifier: Apache-2.0 */
/* cache/rules/answer_test.c - what is kept, and for how long; one row a rule. */
#include "cache/rules/rules_testing.h"

#include <criterion/criterion.h>

enum { S = 1000, DAY_S = 86400 };

#define NS_PER_S UINT64_C(1000000000)

struct row {
    const char        *section; /* of an RFC, or "pando" */
    const char        *rule;
    unsigned           status; /* 0: 200 */
    const char        *answer;
    enum cache_refusal refusal;
    uint64_t           lifetime_s; /* if it is kept */
    uint64_t           age_s;      /* the initial one */
    const char        *request;    /* NULL: a GET without fields */
};

/* A kept answer as this row says, received at TESTING_NOW_MS. */
static enum cache_refusal judge(const struct row *row, const struct cache_settings *settings,
                                const struct cache_rule *rule, struct cache_meta *meta)
{
    static struct http1_testing_result request, answer;
    struct cache_ask ask;
    testing_request(&request, row->request != NULL ? row->request : "");
    testing_answer(&answer, row->status != 0 ? row->status : 200, row->answer);
    cache_ask_read(&ask, &request.head);
    const struct cache_exchange exchange = {.settings = settings,
                                            .rule = rule,
                                            .ask = &ask,
                                            .requested_ms = TESTING_NOW_MS,
                                            .received_ms = TESTING_NOW_MS};
    const enum cache_refusal refusal = cache_judge_answer(meta, &answer.head, &exchange);
    http1_testing_free(&request);
    http1_testing_free(&answer);
    return refusal;
}

static void expect(const struct row *row, const struct cache_settings *settings,
                   const struct cache_rule *rule)
{
    struct cache_meta meta = {0};
    const enum cache_refusal refusal = judge(row, settings, rule, &meta);
    cr_expect(refusal == row->refusal, "RFC %s: %s: [%s] is %s, not %s", row->section, row->rule,
              row->answer, cache_refusal_gist(refusal), cache_refusal_gist(row->refusal));
    if (refusal != CACHE_REFUSED_NONE || row->refusal != CACHE_REFUSED_NONE)
        return;
    cr_expect(meta.lifetime_ms == row->lifetime_s * S,
              "RFC %s: %s: [%s] has a lifetime of %lu ms, not %lu s", row->section, row->rule,
              row->answer, meta.lifetime_ms, row->lifetime_s);
    cr_expect(meta.initial_age_ms == row->age_s * S,
              "RFC %s: %s: [%s] came with an age of %lu ms, not %lu s", row->section, row->rule,
              row->answer, meta.initial_age_ms, row->age_s);
}

#define EXPECT_ALL(rows, settings, rule)                                                           \
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows)[0]; i++)                                    \
    expect(&(rows)[i], settings, rule)

#define KEPT(lifetime) CACHE_REFUSED_NONE, .lifetime_s = (lifetime)
#define NOT(reason)    CACHE_REFUSED_##reason, .lifetime_s = 0
#define TAG            "\nETag: \"a\""

static const struct row directive_rows[] = {
    {"9111 5.2.2.1", "max-age is the lifetime", 0, "Cache-Control: max-age=3600", KEPT(3600)},
    {"9111 5.2", "names of directives have no case", 0, "Cache-Control: MaX-aGe=3600", KEPT(3600)},
    {"9111 5.2", "a number may be quoted", 0, "Cache-Control: max-age=\"3600\"", KEPT(3600)},
    {"9111 1.2.2", "zeros may lead", 0, "Cache-Control: max-age=003600", KEPT(3600)},
    {"9111 1.2.2", "the largest number", 0, "Cache-Control: max-age=2147483647", KEPT(2147483647)},
    {"9111 1.2.2", "one more counts as the largest", 0, "Cache-Control: max-age=2147483648",
     KEPT(2147483647)},
    {"9111 1.2.2", "two more count as the largest", 0, "Cache-Control: max-age=2147483649",
     KEPT(2147483647)},
    {"9111 1.2.2", "what 64 bits do not hold too", 0,
     "Cache-Control: max-age=99999999999999999999999", KEPT(2147483647)},
    {"9111 1.2.2", "2^64 does not wrap", 0, "Cache-Control: max-age=18446744073709551616",
     KEPT(2147483647)},
    {"9111 5.2.2.1", "max-age=0 is never fresh", 0, "Cache-Control: max-age=0", NOT(NO_LIFETIME)},
    {"9111 5.2.2.1", "but can be asked for with an ETag", 0, "Cache-Control: max-age=0" TAG,
     KEPT(0)},
    {"9111 5.2.2.1", "or with Last-Modified", 0,
     "Cache-Control: max-age=0\nLast-Modified: " TESTING_DAY_AGO, KEPT(0)},
    {"9111 4.2.1", "a negative lifetime is none", 0, "Cache-Control: max-age=-3600" TAG, KEPT(0)},
    {"9111 4.2.1", "a decimal lifetime is none", 0, "Cache-Control: max-age=3600.0" TAG, KEPT(0)},
    {"9111 4.2.1", "also with a fraction", 0, "Cache-Control: max-age=3600.5" TAG, KEPT(0)},
    {"9111 4.2.1", "letters before", 0, "Cache-Control: max-age=a3600" TAG, KEPT(0)},
    {"9111 4.2.1", "letters behind", 0, "Cache-Control: max-age=3600a" TAG, KEPT(0)},
    {"9111 4.2.1", "single quotes are no quotes", 0, "Cache-Control: max-age='3600'" TAG, KEPT(0)},
    {"9111 4.2.1", "nothing", 0, "Cache-Control: max-age=" TAG, KEPT(0)},
    {"9111 4.2.1", "no value", 0, "Cache-Control: max-age" TAG, KEPT(0)},
    {"9111 4.2.1", "nothing in quotes", 0, "Cache-Control: max-age=\"\"" TAG, KEPT(0)},
    {"9111 4.2.1", "a space before =", 0, "Cache-Control: max-age =3600" TAG, KEPT(0)},
    {"9111 4.2.1", "a space after =", 0, "Cache-Control: max-age= 3600" TAG, KEPT(0)},
    {"9111 4.2.1", "a plus", 0, "Cache-Control: max-age=+3600" TAG, KEPT(0)},
    {"9111 4.2.1", "a list", 0, "Cache-Control: max-age=3600;x" TAG, KEPT(0)},
    {"9111 4.2.1", "an escape in quotes", 0, "Cache-Control: max-age=\"36\\00\"" TAG, KEPT(0)},
    {"9111 4.2.1", "what cannot be read does not give way to Expires", 0,
     "Cache-Control: max-age=x" TAG "\nExpires: " TESTING_HOUR_AHEAD, KEPT(0)},
    {"9111 4.2.1", "of two the smaller, which is the first", 0,
     "Cache-Control: max-age=1, max-age=1800", KEPT(1)},
    {"9111 4.2.1", "of two the smaller, which is the second", 0,
     "Cache-Control: max-age=1800, max-age=1", KEPT(1)},
    {"9111 4.2.1", "on two lines", 0, "Cache-Control: max-age=1800\nCache-Control: max-age=1",
     KEPT(1)},
    {"9111 4.2.1", "on two lines, turned round", 0,
     "Cache-Control: max-age=1\nCache-Control: max-age=1800", KEPT(1)},
    {"9111 4.2.1", "0 and 100", 0, "Cache-Control: max-age=0, max-age=100" TAG, KEPT(0)},
    {"9111 4.2.1", "one that can be read and one that cannot", 0,
     "Cache-Control: max-age=100, max-age=x" TAG, KEPT(0)},
    {"9111 5.2.2.10", "s-maxage is the lifetime", 0, "Cache-Control: s-maxage=3600", KEPT(3600)},
    {"9111 5.2.2.10", "s-maxage before a longer max-age", 0,
     "Cache-Control: max-age=3600, s-maxage=1", KEPT(1)},
    {"9111 5.2.2.10", "in any order", 0, "Cache-Control: s-maxage=1, max-age=3600", KEPT(1)},
    {"9111 5.2.2.10", "on two lines", 0, "Cache-Control: max-age=3600\nCache-Control: s-maxage=1",
     KEPT(1)},
    {"9111 5.2.2.10", "s-maxage before a shorter max-age", 0,
     "Cache-Control: max-age=1, s-maxage=3600", KEPT(3600)},
    {"9111 5.2.2.10", "s-maxage before Expires", 0,
     "Cache-Control: max-age=0, s-maxage=3600\nExpires: " TESTING_HOUR_AGO, KEPT(3600)},
    {"9111 5.2.2.10", "an s-maxage that cannot be read is none", 0,
     "Cache-Control: max-age=3600, s-maxage=x" TAG, KEPT(0)},
    {"9111 5.2.3", "what is unknown does not count", 0, "Cache-Control: foobar, max-age=3600",
     KEPT(3600)},
    {"9111 5.2.3", "nor does its value", 0, "Cache-Control: foo=bar, max-age=3600", KEPT(3600)},
    {"9111 5.2", "a directive in quotes is none", 0, "Cache-Control: x=\"max-age=3600\", max-age=1",
     KEPT(1)},
    {"9111 5.2", "also behind", 0, "Cache-Control: max-age=1, x=\"max-age=3600\"", KEPT(1)},
    {"9111 5.2", "commas in quotes part nothing", 0,
     "Cache-Control: x=\"a, max-age=5, b\", max-age=1", KEPT(1)},
    {"9111 5.2", "nor does no-store in quotes count", 0,
     "Cache-Control: x=\"no-store, \\\"private\\\"\", max-age=1", KEPT(1)},
    {"9111 5.2", "both in quotes", 0, "Cache-Control: x=\"max-age=3600\", max-age=\"1\"", KEPT(1)},
    {"9110 5.6.1", "empty members do not count", 0, "Cache-Control: , ,max-age=7, ,", KEPT(7)},
    {"9110 5.6.1", "nor do empty lines", 0,
     "Cache-Control:\nCache-Control: max-age=7\nCache-Control: ,", KEPT(7)},
    {"9110 5.6.1", "white space around members", 0, "Cache-Control: \t max-age=7 \t,\tfoo",
     KEPT(7)},
    {"pando", "a quote without end hides what follows", 0,
     "Cache-Control: max-age=3600, x=\"no-store", NOT(MALFORMED)},
    {"pando", "also if it ends on another line", 0,
     "Cache-Control: max-age=3600, x=\"a\nCache-Control: b\"", NOT(MALFORMED)},
    {"pando", "a quote within a name", 0, "Cache-Control: max-age=3600, x\"y, no-store\"",
     NOT(MALFORMED)},
    {"pando", "a quote behind a quote", 0, "Cache-Control: max-age=3600, x=\"y\"\"z\"",
     NOT(MALFORMED)},
    {"pando", "an escape at the end", 0, "Cache-Control: max-age=3600, x=\"y\\\"", NOT(MALFORMED)},
};

static const struct row refusal_rows[] = {
    {"9111 5.2.2.5", "no-store", 0, "Cache-Control: no-store", NOT(NO_STORE)},
    {"9111 5.2.2.5", "in any case", 0, "Cache-Control: No-StOrE", NOT(NO_STORE)},
    {"9111 5.2.2.5", "before a lifetime", 0, "Cache-Control: no-store, max-age=100", NOT(NO_STORE)},
    {"9111 5.2.2.5", "behind a lifetime and Expires", 0,
     "Cache-Control: max-age=100, no-store\nExpires: " TESTING_HOUR_AHEAD, NOT(NO_STORE)},
    {"9111 5.2.2.5", "on another line", 0, "Cache-Control: max-age=100\nCache-Control: no-store",
     NOT(NO_STORE)},
    {"9111 5.2.2.5", "with public", 0, "Cache-Control: public, s-maxage=9, no-store",
     NOT(NO_STORE)},
    {"pando", "with a value", 0, "Cache-Control: no-store=1, max-age=9", NOT(NO_STORE)},
    {"pando", "with something behind", 0, "Cache-Control: no-store x, max-age=9", NOT(NO_STORE)},
    {"pando", "with a semicolon behind", 0, "Cache-Control: no-store; max-age=9", NOT(NO_STORE)},
    {"pando", "but not within a longer name", 0, "Cache-Control: no-store-x, max-age=9", KEPT(9)},
    {"9111 5.2.2.7", "private", 0, "Cache-Control: private, max-age=3600", NOT(PRIVATE)},
    {"9111 5.2.2.7", "private and public", 0, "Cache-Control: private, public, max-age=9",
     NOT(PRIVATE)},
    {"9111 5.2.2.7", "private of a field keeps the rest", 0,
     "Cache-Control: private=\"x-user\", max-age=9", KEPT(9)},
    {"9111 5.2.2.7", "of several fields", 0,
     "Cache-Control: private=\"x-user, Set-Cookie\", max-age=9", KEPT(9)},
    {"pando", "as a token it is of all", 0, "Cache-Control: private=x-user, max-age=9",
     NOT(PRIVATE)},
    {"pando", "with a number, too", 0, "Cache-Control: private=1, max-age=9", NOT(PRIVATE)},
    {"pando", "of nothing is of all", 0, "Cache-Control: private=\"\", max-age=9", NOT(PRIVATE)},
    {"pando", "of no name is of all", 0, "Cache-Control: private=\"x user\", max-age=9",
     NOT(PRIVATE)},
    {"pando", "of a field that tells what the body is, is of all", 0,
     "Cache-Control: private=\"Content-Encoding\", max-age=9", NOT(PRIVATE)},
    {"9111 5.2.2.7", "private both ways", 0, "Cache-Control: private=\"x\", private, max-age=9",
     NOT(PRIVATE)},
    {"9111 5.2.2.4", "no-cache without a validator is of no use", 0,
     "Cache-Control: no-cache, max-age=9", NOT(NO_LIFETIME)},
    {"9111 5.2.2.4", "no-cache with one is asked for", 0, "Cache-Control: no-cache" TAG, KEPT(0)},
    {"9111 5.2.2.4", "no-cache of a field", 0, "Cache-Control: no-cache=\"a\", max-age=9", KEPT(9)},
    {"9111 3.5", "Authorization", 0, "Cache-Control: max-age=9", NOT(AUTHORIZATION),
     .request = "Authorization: x"},
    {"9111 3.5", "Authorization and Expires", 0, "Expires: " TESTING_HOUR_AHEAD, NOT(AUTHORIZATION),
     .request = "Authorization: x"},
    {"9111 3.5", "Authorization and public", 0, "Cache-Control: max-age=9, public", KEPT(9),
     .request = "Authorization: x"},
    {"9111 3.5", "Authorization and s-maxage", 0, "Cache-Control: s-maxage=9", KEPT(9),
     .request = "Authorization: x"},
    {"9111 3.5", "Authorization and must-revalidate", 0,
     "Cache-Control: max-age=9, must-revalidate", KEPT(9), .request = "Authorization: x"},
    {"9111 3.5", "Authorization and proxy-revalidate", 0,
     "Cache-Control: max-age=9, proxy-revalidate", NOT(AUTHORIZATION),
     .request = "Authorization: x"},
    {"pando", "an s-maxage that cannot be read is no leave", 0, "Cache-Control: s-maxage=x" TAG,
     NOT(AUTHORIZATION), .request = "Authorization: x"},
    {"pando", "nor public with a value", 0, "Cache-Control: max-age=9, public=1",
     NOT(AUTHORIZATION), .request = "Authorization: x"},
    {"9111 5.2.1.5", "a request that says no-store", 0, "Cache-Control: max-age=9",
     NOT(NO_STORE_ASKED), .request = "Cache-Control: no-store"},
    {"pando", "a Cookie, and no word that it is for all", 0, "Cache-Control: max-age=9",
     NOT(COOKIE), .request = "Cookie: a=b"},
    {"pando", "a Cookie and public", 0, "Cache-Control: max-age=9, public", KEPT(9),
     .request = "Cookie: a=b"},
    {"pando", "a Cookie and s-maxage", 0, "Cache-Control: s-maxage=9", KEPT(9),
     .request = "Cookie: a=b"},
    {"pando", "a Cookie and CDN-Cache-Control", 0, "CDN-Cache-Control: max-age=9", KEPT(9),
     .request = "Cookie: a=b"},
    {"pando", "a Cookie and must-revalidate", 0, "Cache-Control: max-age=9, must-revalidate",
     NOT(COOKIE), .request = "Cookie: a=b"},
    {"9111 7.3", "Set-Cookie, and no word that it is for all", 0,
     "Cache-Control: max-age=9\nSet-Cookie: a=b", NOT(SET_COOKIE)},
    {"pando", "Set-Cookie and public", 0, "Cache-Control: max-age=9, public\nSet-Cookie: a=b",
     NOT(SET_COOKIE)},
    {"pando", "Set-Cookie and s-maxage", 0, "Cache-Control: s-maxage=9\nSet-Cookie: a=b",
     NOT(SET_COOKIE)},
    {"pando", "what varies by what Pando writes itself", 0,
     "Cache-Control: max-age=9\nVary: X-Forwarded-For", NOT(VARY_ANY)},
    {"pando", "too large a request", 413, "Cache-Control: max-age=9", NOT(STATUS)},
    {"9111 5.2.2.4", "Set-Cookie that is not kept", 0,
     "Cache-Control: max-age=9, no-cache=\"Set-Cookie\"\nSet-Cookie: a=b", KEPT(9)},
    {"9111 4.1", "Vary: *", 0, "Cache-Control: max-age=9\nVary: *", NOT(VARY_ANY)},
    {"9111 4.1", "Vary with * among names", 0, "Cache-Control: max-age=9\nVary: a, *",
     NOT(VARY_ANY)},
    {"9111 4.1", "Vary with * on another line", 0, "Cache-Control: max-age=9\nVary:\nVary: *",
     NOT(VARY_ANY)},
    {"9111 4.1", "Vary of names", 0, "Cache-Control: max-age=9\nVary: a, b", KEPT(9)},
    {"pando", "Vary of no names", 0, "Cache-Control: max-age=9\nVary: a b", NOT(VARY_ANY)},
    {"pando", "an answer with a session", 0, "Cache-Control: public, max-age=9\nPando-Session: x",
     NOT(SESSION)},
    {"9111 3", "a part with a range", 206, "Cache-Control: max-age=9\nContent-Range: bytes 0-4/10",
     KEPT(9)},
    {"9111 3.3", "a part without", 206, "Cache-Control: max-age=9", NOT(PARTIAL)},
    {"9111 3.3", "a part of an unknown whole", 206,
     "Cache-Control: max-age=9\nContent-Range: bytes 0-4/*", NOT(PARTIAL)},
};

static const struct row status_rows[] = {
    {"9111 3", "200 with a lifetime", 200, "Cache-Control: max-age=9", KEPT(9)},
    {"9111 3", "203 with a lifetime", 203, "Cache-Control: max-age=9", KEPT(9)},
    {"9111 3", "204 with a lifetime", 204, "Cache-Control: max-age=9", KEPT(9)},
    {"9111 3", "299 with a lifetime", 299, "Cache-Control: max-age=9", KEPT(9)},
    {"9111 3", "301 with a lifetime", 301, "Cache-Control: max-age=9", KEPT(9)},
    {"9111 3", "302 with a lifetime", 302, "Cache-Control: max-age=9", KEPT(9)},
    {"9111 3", "303 with a lifetime", 303, "Cache-Control: max-age=9", KEPT(9)},
    {"9111 3", "307 with a lifetime", 307, "Cache-Control: max-age=9", KEPT(9)},
    {"9111 3", "308 with a lifetime", 308, "Cache-Control: max-age=9", KEPT(9)},
    {"9111 3", "400 with a lifetime", 400, "Cache-Control: max-age=9", KEPT(9)},
    {"9111 3", "404 with a lifetime", 404, "Cache-Control: max-age=9", KEPT(9)},
    {"9111 3", "410 with Expires", 410, "Expires: " TESTING_HOUR_AHEAD, KEPT(3600)},
    {"9111 3", "499 with a lifetime", 499, "Cache-Control: max-age=9", KEPT(9)},
    {"9111 3", "500 with a lifetime", 500, "Cache-Control: max-age=9", KEPT(9)},
    {"9111 3", "502 with a lifetime", 502, "Cache-Control: max-age=9", KEPT(9)},
    {"9111 3", "503 with a lifetime", 503, "Cache-Control: max-age=9", KEPT(9)},
    {"9111 3", "504 with a lifetime", 504, "Cache-Control: max-age=9", KEPT(9)},
    {"9111 3", "599 with a lifetime", 599, "Cache-Control: max-age=9", KEPT(9)},
    {"9111 3", "304 is never kept by itself", 304, "Cache-Control: max-age=9", NOT(STATUS)},
    {"pando", "412 is about conditions", 412, "Cache-Control: max-age=9", NOT(STATUS)},
    {"pando", "416 is about ranges", 416, "Cache-Control: max-age=9", NOT(STATUS)},
    {"6585 3", "428", 428, "Cache-Control: max-age=9", NOT(STATUS)},
    {"6585 4", "429", 429, "Cache-Control: max-age=9", NOT(STATUS)},
    {"6585 5", "431", 431, "Cache-Control: max-age=9", NOT(STATUS)},
    {"6585 6", "511", 511, "Cache-Control: max-age=9", NOT(STATUS)},
    {"9111 5.2.2.3", "must-understand of a status that is not", 599,
     "Cache-Control: max-age=9, must-understand", NOT(STATUS)},
    {"9111 5.2.2.3", "must-understand of one that is", 200,
     "Cache-Control: max-age=9, must-understand", KEPT(9)},
    {"9111 5.2.2.3", "then no-store does not count", 200,
     "Cache-Control: max-age=9, must-understand, no-store", KEPT(9)},
    {"9111 5.2.2.3", "but it does for others", 299,
     "Cache-Control: max-age=9, must-understand, no-store", NOT(NO_STORE)},
    {"pando", "must-understand with a value does not undo no-store", 200,
     "Cache-Control: max-age=9, must-understand=1, no-store", NOT(NO_STORE)},
    {"9111 4.2.2", "200 by a guess", 200, "Last-Modified: " TESTING_DAY_AGO, KEPT(8640)},
    {"9111 4.2.2", "203 by a guess", 203, "Last-Modified: " TESTING_DAY_AGO, KEPT(8640)},
    {"9111 4.2.2", "204 by a guess", 204, "Last-Modified: " TESTING_DAY_AGO, KEPT(8640)},
    {"9111 4.2.2", "206 by a guess", 206,
     "Content-Range: bytes 0-1/9\nLast-Modified: " TESTING_DAY_AGO, KEPT(8640)},
    {"9111 4.2.2", "300 by a guess", 300, "Last-Modified: " TESTING_DAY_AGO, KEPT(8640)},
    {"9111 4.2.2", "301 by a guess", 301, "Last-Modified: " TESTING_DAY_AGO, KEPT(8640)},
    {"9111 4.2.2", "308 by a guess", 308, "Last-Modified: " TESTING_DAY_AGO, KEPT(8640)},
    {"9111 4.2.2", "201 not", 201, "Last-Modified: " TESTING_DAY_AGO, NOT(NO_LIFETIME)},
    {"9111 4.2.2", "202 not", 202, "Last-Modified: " TESTING_DAY_AGO, NOT(NO_LIFETIME)},
    {"9111 4.2.2", "302 not", 302, "Last-Modified: " TESTING_DAY_AGO, NOT(NO_LIFETIME)},
    {"9111 4.2.2", "302 if it says public", 302,
     "Cache-Control: public\nLast-Modified: " TESTING_DAY_AGO, KEPT(8640)},
    {"pando", "404 never by a guess", 404, "Last-Modified: " TESTING_DAY_AGO, NOT(NO_LIFETIME)},
    {"pando", "410 neither", 410, "Last-Modified: " TESTING_DAY_AGO TAG, NOT(NO_LIFETIME)},
    {"pando", "501 neither", 501, "Last-Modified: " TESTING_DAY_AGO, NOT(NO_LIFETIME)},
    {"9111 4.2.2", "but if it says public", 599,
     "Cache-Control: public\nLast-Modified: " TESTING_DAY_AGO, KEPT(8640)},
    {"9111 4.2.2", "403, 502, 503, 504 not", 503, "Last-Modified: " TESTING_DAY_AGO,
     NOT(NO_LIFETIME)},
    {"9111 4.2.2", "no guess beside a lifetime", 200,
     "Cache-Control: max-age=9\nLast-Modified: " TESTING_DAY_AGO, KEPT(9)},
    {"9111 4.2.2", "no guess beside Expires", 200, "Expires: 0\nLast-Modified: " TESTING_DAY_AGO,
     KEPT(0)},
    {"9111 4.2.2", "no guess without Last-Modified", 200, "", NOT(NO_LIFETIME)},
    {"9111 4.2.2", "an ETag is enough to ask", 200, "ETag: \"a\"", KEPT(0)},
    {"9111 4.2.2", "at most a day", 200, "Last-Modified: Sun, 06 Nov 1983 08:49:37 GMT",
     KEPT(86400)},
    {"9111 4.2.2", "changed after it was sent", 200, "Last-Modified: " TESTING_HOUR_AHEAD, KEPT(0)},
    {"9111 4.2.2", "a change that is no date", 200, "Last-Modified: yesterday", NOT(NO_LIFETIME)},
    {"9111 4.2.2", "two changes", 200,
     "Last-Modified: " TESTING_DAY_AGO "\nLast-Modified: " TESTING_DAY_AGO, NOT(NO_LIFETIME)},
    {"pando", "no guess beside Pragma", 200, "Pragma: no-cache\nLast-Modified: " TESTING_DAY_AGO,
     KEPT(0)},
    {"9111 5.4", "Pragma does not count beside Cache-Control", 200,
     "Pragma: no-cache\nCache-Control: max-age=9", KEPT(9)},
};

static const struct row date_rows[] = {
    {"9111 5.3", "Expires minus Date", 0, "Expires: " TESTING_HOUR_AHEAD "\nDate: " TESTING_NOW,
     KEPT(3600)},
    {"9111 5.3", "past", 0, "Expires: " TESTING_HOUR_AGO "\nDate: " TESTING_NOW TAG, KEPT(0)},
    {"9111 5.3", "now", 0, "Expires: " TESTING_NOW "\nDate: " TESTING_NOW TAG, KEPT(0)},
    {"9111 5.3", "a second ago", 0,
     "Expires: Sun, 06 Nov 1994 08:49:36 GMT\nDate: " TESTING_NOW TAG, KEPT(0)},
    {"9111 5.3", "0 is past", 0, "Expires: 0\nDate: " TESTING_NOW TAG, KEPT(0)},
    {"9111 5.3", "-1 is past", 0, "Expires: -1" TAG, KEPT(0)},
    {"9111 5.3", "empty is past", 0, "Expires:" TAG, KEPT(0)},
    {"9111 5.3", "a number is past", 0, "Expires: 99999999999" TAG, KEPT(0)},
    {"9111 5.3", "max-age before a past Expires", 0,
     "Cache-Control: max-age=3600\nExpires: " TESTING_HOUR_AGO, KEPT(3600)},
    {"9111 5.3", "max-age before an Expires that is no date", 0,
     "Cache-Control: max-age=3600\nExpires: 0", KEPT(3600)},
    {"9111 5.3", "max-age=0 before a future Expires", 0,
     "Cache-Control: max-age=0\nExpires: " TESTING_HOUR_AHEAD TAG, KEPT(0)},
    {"9111 5.3", "Expires beside other directives", 0,
     "Cache-Control: public\nExpires: " TESTING_HOUR_AHEAD, KEPT(3600)},
    {"9111 5.3", "before Date, both ahead", 0,
     "Expires: Sun, 06 Nov 1994 08:54:37 GMT\nDate: Sun, 06 Nov 1994 08:56:17 GMT" TAG, KEPT(0)},
    {"9111 4.2.3", "without Date the time it came", 0, "Expires: " TESTING_HOUR_AHEAD, KEPT(3600)},
    {"9111 4.2.3", "the same where Date is none", 0, "Date: foo\nExpires: " TESTING_HOUR_AHEAD,
     KEPT(3600)},
    {"9111 5.3", "two of them: the earlier", 0,
     "Expires: " TESTING_HOUR_AHEAD "\nExpires: Sun, 06 Nov 1994 08:49:38 GMT", KEPT(1)},
    {"9111 5.3", "two of them, one is none", 0, "Expires: " TESTING_HOUR_AHEAD "\nExpires: x" TAG,
     KEPT(0)},
    {"9110 5.6.7", "in the form of RFC 850", 0, "Expires: Sunday, 06-Nov-94 09:49:37 GMT",
     KEPT(3600)},
    {"9110 5.6.7", "in that of asctime", 0, "Expires: Sun Nov  6 09:49:37 1994", KEPT(3600)},
    {"9111 4.2", "a weekday in any case", 0, "Expires: SUN, 06 Nov 1994 09:49:37 GMT", KEPT(3600)},
    {"9111 4.2", "a month in any case", 0, "Expires: Sun, 06 NOV 1994 09:49:37 GMT", KEPT(3600)},
    {"9111 4.2", "a zone in any case", 0, "Expires: Sun, 06 Nov 1994 09:49:37 gMT", KEPT(3600)},
    {"9111 4.2", "another zone is none", 0, "Expires: Sun, 06 Nov 1994 09:49:37 UTC" TAG, KEPT(0)},
    {"9111 4.2", "a local one too", 0, "Expires: Sun, 06 Nov 1994 09:49:37 AEST" TAG, KEPT(0)},
    {"9110 5.6.7", "a year of two digits", 0, "Expires: Sun, 06 Nov 94 09:49:37 GMT" TAG, KEPT(0)},
    {"9110 5.6.7", "no comma", 0, "Expires: Sun 06 Nov 1994 09:49:37 GMT" TAG, KEPT(0)},
    {"9110 5.6.7", "two spaces", 0, "Expires: Sun, 06  Nov  1994 09:49:37 GMT" TAG, KEPT(0)},
    {"9110 5.6.7", "dashes", 0, "Expires: Sun, 06-Nov-1994 09:49:37 GMT" TAG, KEPT(0)},
    {"9110 5.6.7", "points in the time", 0, "Expires: Sun, 06 Nov 1994 09.49.37 GMT" TAG, KEPT(0)},
    {"9110 5.6.7", "an hour of one digit", 0, "Expires: Sun, 06 Nov 1994 9:49:37 GMT" TAG, KEPT(0)},
    {"9111 1.2.2", "far ahead", 0, "Expires: Fri, 31 Dec 9999 23:59:59 GMT", KEPT(2147483647)},
    {"9111 4.2.3", "apparent age", 0, "Cache-Control: max-age=9\nDate: " TESTING_HOUR_AGO, KEPT(9),
     .age_s = 3600},
    {"9111 4.2.3", "a Date ahead is no age", 0,
     "Cache-Control: max-age=9\nDate: " TESTING_HOUR_AHEAD, KEPT(9)},
    {"9111 5.1", "Age", 0, "Cache-Control: max-age=9\nAge: 100", KEPT(9), .age_s = 100},
    {"9111 4.2.3", "the larger of Age and apparent age", 0,
     "Cache-Control: max-age=9\nAge: 100\nDate: " TESTING_HOUR_AGO, KEPT(9), .age_s = 3600},
    {"9111 4.2.3", "turned round", 0,
     "Cache-Control: max-age=9\nAge: 7200\nDate: " TESTING_HOUR_AGO, KEPT(9), .age_s = 7200},
    {"9111 5.1", "a huge Age", 0, "Cache-Control: max-age=9\nAge: 2147483648", KEPT(9),
     .age_s = 2147483647},
    {"9111 5.1", "one that 64 bits do not hold", 0,
     "Cache-Control: max-age=9\nAge: 99999999999999999999", KEPT(9), .age_s = 2147483647},
#define OLD .age_s = CACHE_SECONDS_MAX
    {"pando", "a list of ages is old", 0, "Cache-Control: max-age=9\nAge: 7200, 0", KEPT(9), OLD},
    {"pando", "whatever it begins with", 0, "Cache-Control: max-age=9\nAge: 0 ,7200", KEPT(9), OLD},
    {"pando", "so are two lines", 0, "Cache-Control: max-age=9\nAge: 0\nAge: 0", KEPT(9), OLD},
    {"pando", "what is no number is old", 0, "Cache-Control: max-age=9\nAge: abc", KEPT(9), OLD},
    {"pando", "a negative one, too", 0, "Cache-Control: max-age=9\nAge: -7200", KEPT(9), OLD},
    {"pando", "and a decimal one", 0, "Cache-Control: max-age=9\nAge: 7200.0", KEPT(9), OLD},
#undef OLD
};

static const struct row surrogate_rows[] = {
    {"edge 1.0", "its max-age", 0, "Surrogate-Control: max-age=9", KEPT(9)},
    {"edge 1.0", "in any case", 0, "Surrogate-Control: MaX-aGe=9", KEPT(9)},
    {"edge 1.0", "before Cache-Control", 0, "Surrogate-Control: max-age=9\nCache-Control: no-store",
     KEPT(9)},
    {"edge 1.0", "before Expires", 0, "Surrogate-Control: max-age=9\nExpires: 0", KEPT(9)},
    {"edge 1.0", "no-store", 0, "Surrogate-Control: no-store\nCache-Control: max-age=9",
     NOT(NO_STORE)},
    {"edge 1.0", "for us by name", 0, "Surrogate-Control: max-age=9;pando", KEPT(9)},
    {"edge 1.0", "for another", 0, "Surrogate-Control: max-age=9;other", NOT(NO_LIFETIME)},
    {"edge 1.0", "our name beats all", 0, "Surrogate-Control: no-store, max-age=9; pando", KEPT(9)},
    {"edge 1.0", "what it does not know", 0,
     "Surrogate-Control: content=\"ESI/1.0\"\nCache-Control: max-age=7", KEPT(7)},
    {"edge 1.0", "with others", 0, "Surrogate-Control: x, max-age=9+60", KEPT(9)},
    {"edge 1.0", "space makes it another", 0,
     "Surrogate-Control: max-age =9\nCache-Control: max-age=7", KEPT(7)},
    {"edge 1.0", "after CDN-Cache-Control", 0,
     "Surrogate-Control: max-age=9\nCDN-Cache-Control: max-age=8", KEPT(8)},
    {"pando", "a quote without end", 0,
     "Surrogate-Control: max-age=9, x=\"\nCache-Control: max-age=7", KEPT(7)},
};

static const struct row targeted_rows[] = {
    {"9213 2.2", "its max-age", 0, "CDN-Cache-Control: max-age=9", KEPT(9)},
    {"9213 2.2", "before a shorter max-age", 0,
     "CDN-Cache-Control: max-age=9\nCache-Control: max-age=1", KEPT(9)},
    {"9213 2.2", "before a longer one", 0, "CDN-Cache-Control: max-age=1\nCache-Control: max-age=9",
     KEPT(1)},
    {"9213 2.2", "before Expires", 0, "CDN-Cache-Control: max-age=9\nExpires: 0", KEPT(9)},
    {"9213 2.2", "0 before a future Expires", 0,
     "CDN-Cache-Control: max-age=0" TAG "\nExpires: " TESTING_HOUR_AHEAD, KEPT(0)},
    {"9213 2.2", "before no-store", 0, "CDN-Cache-Control: max-age=9\nCache-Control: no-store",
     KEPT(9)},
    {"9213 3.1", "none, which is no directive, before no-store", 0,
     "CDN-Cache-Control: none\nCache-Control: no-store" TAG, KEPT(0)},
    {"9213 2.2", "its no-store", 0, "CDN-Cache-Control: no-store\nCache-Control: max-age=9",
     NOT(NO_STORE)},
    {"9213 2.2", "its private", 0, "CDN-Cache-Control: private\nCache-Control: max-age=9",
     NOT(PRIVATE)},
    {"9213 2.2", "its no-cache", 0, "CDN-Cache-Control: no-cache\nCache-Control: max-age=9",
     NOT(NO_LIFETIME)},
    {"9213 2.2", "an Age beyond it", 0, "CDN-Cache-Control: max-age=9\nAge: 10", KEPT(9),
     .age_s = 10},
    {"9213 2.1", "without a lifetime Expires does not count", 0,
     "CDN-Cache-Control: foo\nExpires: " TESTING_HOUR_AHEAD TAG, KEPT(0)},
    {"9213 2.2", "empty does not count", 0, "CDN-Cache-Control:\nCache-Control: max-age=9",
     KEPT(9)},
    {"9213 2.1", "a large number", 0, "CDN-Cache-Control: max-age=99999999999", KEPT(2147483647)},
    {"8941 3.3.1", "one of 16 digits is wrong, so all of it", 0,
     "CDN-Cache-Control: max-age=1000000000000000\nCache-Control: max-age=9", KEPT(9)},
    {"9213 2.1", "unknown directives do not count", 0, "CDN-Cache-Control: foobar, max-age=9",
     KEPT(9)},
    {"9213 2.1", "parameters do not count", 0, "CDN-Cache-Control: max-age=9;a;b=1; c=\"x\"",
     KEPT(9)},
    {"8941 4.2.2", "of one key the last value", 0, "CDN-Cache-Control: max-age=1, max-age=9",
     KEPT(9)},
    {"8941 3.1.2", "names in capitals are wrong", 0,
     "CDN-Cache-Control: MaX-aGe=9\nCache-Control: max-age=1", KEPT(1)},
    {"8941 4.2", "a space before =", 0, "CDN-Cache-Control: max-age =9\nCache-Control: max-age=1",
     KEPT(1)},
    {"8941 4.2", "a space after =", 0, "CDN-Cache-Control: max-age= 9\nCache-Control: max-age=1",
     KEPT(1)},
    {"8941 4.2", "what is no key", 0,
     "CDN-Cache-Control: max-age=9, &&&&&\nCache-Control: no-store", NOT(NO_STORE)},
    {"8941 4.2.2", "a comma at the end", 0,
     "CDN-Cache-Control: max-age=9,\nCache-Control: max-age=1", KEPT(1)},
    {"8941 4.2.2", "two commas", 0, "CDN-Cache-Control: max-age=9,,foo\nCache-Control: max-age=1",
     KEPT(1)},
    {"8941 4.2.2", "no comma", 0, "CDN-Cache-Control: max-age=9 foo\nCache-Control: max-age=1",
     KEPT(1)},
    {"8941 4.2", "two lines", 0, "CDN-Cache-Control: foo\nCDN-Cache-Control: max-age=9", KEPT(9)},
    {"8941 4.2", "an empty line among them", 0,
     "CDN-Cache-Control: max-age=9\nCDN-Cache-Control:\nCache-Control: max-age=1", KEPT(1)},
    {"9213 2.1", "a number as a string is not used", 0,
     "CDN-Cache-Control: max-age=\"9\"\nCache-Control: max-age=1" TAG, KEPT(0)},
    {"9213 2.1", "nor a decimal", 0, "CDN-Cache-Control: max-age=9.5\nCache-Control: max-age=1" TAG,
     KEPT(0)},
    {"9213 2.1", "nor a negative one", 0, "CDN-Cache-Control: max-age=-9" TAG, KEPT(0)},
    {"9213 2.1", "nor none", 0, "CDN-Cache-Control: max-age" TAG, KEPT(0)},
    {"8941 3.3.6", "?0 is not said", 0, "CDN-Cache-Control: no-store=?0, max-age=9", KEPT(9)},
    {"8941 3.3.6", "?1 is", 0, "CDN-Cache-Control: no-store=?1, max-age=9", NOT(NO_STORE)},
    {"8941 3.3.6", "?2 is wrong", 0,
     "CDN-Cache-Control: no-store=?2, max-age=9\nCache-Control: max-age=1", KEPT(1)},
    {"pando", "no-store of another type counts", 0, "CDN-Cache-Control: no-store=1, max-age=9",
     NOT(NO_STORE)},
    {"9213 2.1", "private of fields", 0, "CDN-Cache-Control: private=\"x-user\", max-age=9",
     KEPT(9)},
    {"8941 3.3.3", "a string without end", 0,
     "CDN-Cache-Control: max-age=9, x=\"a\nCache-Control: max-age=1", KEPT(1)},
    {"8941 3.3.3", "an escape that is none", 0,
     "CDN-Cache-Control: max-age=9, x=\"\\a\"\nCache-Control: max-age=1", KEPT(1)},
    {"8941 3.3.3", "escapes", 0, "CDN-Cache-Control: max-age=9, x=\"\\\"\\\\\"", KEPT(9)},
    {"8941 3.3.5", "bytes", 0, "CDN-Cache-Control: max-age=9, x=:YQ==:", KEPT(9)},
    {"8941 3.3.5", "bytes without end", 0,
     "CDN-Cache-Control: max-age=9, x=:YQ\nCache-Control: max-age=1", KEPT(1)},
    {"8941 3.1.1", "a list", 0, "CDN-Cache-Control: max-age=9, x=(1 a \"b\";c);d", KEPT(9)},
    {"8941 3.1.1", "a list without end", 0,
     "CDN-Cache-Control: max-age=9, x=(1 a\nCache-Control: max-age=1", KEPT(1)},
    {"8941 3.3.2", "a decimal of four digits", 0,
     "CDN-Cache-Control: max-age=9, x=1.2345\nCache-Control: max-age=1", KEPT(1)},
    {"9651 3.3.7", "types that came later are wrong", 0,
     "CDN-Cache-Control: max-age=9, x=@1\nCache-Control: max-age=1", KEPT(1)},
    {"9111 3.5", "its max-age is no leave for Authorization", 0, "CDN-Cache-Control: max-age=9",
     NOT(AUTHORIZATION), .request = "Authorization: x"},
    {"9111 3.5", "its public is", 0, "CDN-Cache-Control: max-age=9, public", KEPT(9),
     .request = "Authorization: x"},
};

Test(cache_answer, directives_are_read_carefully)
{
    EXPECT_ALL(directive_rows, &testing_settings, NULL);
}

Test(cache_answer, what_is_not_for_all_is_not_kept)
{
    EXPECT_ALL(refusal_rows, &testing_settings, NULL);
}

Test(cache_answer, a_status_is_kept_or_not)
{
    EXPECT_ALL(status_rows, &testing_settings, NULL);
}

Test(cache_answer, dates_and_ages)
{
    EXPECT_ALL(date_rows, &testing_settings, NULL);
}

Test(cache_answer, targeted_at_caches_as_ours)
{
    EXPECT_ALL(targeted_rows, &testing_settings, NULL);
    EXPECT_ALL(surrogate_rows, &testing_settings, NULL);
}

static const struct row edge_rows[] = {
    {"pando", "edge-for before max-age", 0, "Cache-Control: max-age=9", KEPT(60)},
    {"pando", "edge-for before max-age=0", 0, "Cache-Control: max-age=0", KEPT(60)},
    {"pando", "edge-for before s-maxage", 0, "Cache-Control: s-maxage=900", KEPT(60)},
    {"pando", "edge-for before CDN-Cache-Control", 0, "CDN-Cache-Control: max-age=900", KEPT(60)},
    {"pando", "edge-for where nothing is said", 0, "", KEPT(60)},
    {"pando", "edge-for beside Pragma", 0, "Pragma: no-cache", KEPT(60)},
    {"pando", "edge-for counts from here", 0, "Cache-Control: max-age=9\nAge: 100", KEPT(160),
     .age_s = 100},
    {"pando", "edge-for does not undo no-store", 0, "Cache-Control: no-store", NOT(NO_STORE)},
    {"pando", "nor private", 0, "Cache-Control: private", NOT(PRIVATE)},
    {"pando", "nor Set-Cookie", 0, "Set-Cookie: a=b", NOT(SET_COOKIE)},
    {"pando", "nor Vary: *", 0, "Vary: *", NOT(VARY_ANY)},
    {"pando", "nor Authorization", 0, "", NOT(AUTHORIZATION), .request = "Authorization: x"},
    {"pando", "it is not for errors that say a lifetime", 404, "Cache-Control: max-age=9", KEPT(9)},
    {"pando", "nor for those that do not", 404, "", NOT(NO_LIFETIME)},
    {"pando", "nor for statuses that are not kept without a word", 302, "", NOT(NO_LIFETIME)},
    {"pando", "but for those if they say one", 302, "Cache-Control: max-age=9", KEPT(60)},
};

static const struct row given_rows[] = {
    {"pando", "fresh-for where nothing is said", 200, "", KEPT(30)},
    {"pando", "fresh-for before a guess", 200, "Last-Modified: " TESTING_DAY_AGO, KEPT(30)},
    {"pando", "not before max-age", 200, "Cache-Control: max-age=9", KEPT(9)},
    {"pando", "nor before Expires", 200, "Expires: 0" TAG, KEPT(0)},
    {"pando", "nor beside Pragma", 200, "Pragma: no-cache", NOT(NO_LIFETIME)},
    {"pando", "fresh-for is not for 302", 302, "", NOT(NO_LIFETIME)},
    {"pando", "nor for 404: that is negative-for", 404, "", KEPT(5)},
    {"pando", "negative-for 405", 405, "", KEPT(5)},
    {"pando", "negative-for 410", 410, "", KEPT(5)},
    {"pando", "negative-for 414", 414, "", KEPT(5)},
    {"pando", "negative-for 501", 501, "", KEPT(5)},
    {"pando", "not for 400", 400, "", NOT(NO_LIFETIME)},
    {"pando", "not for 403", 403, "", NOT(NO_LIFETIME)},
    {"pando", "not for 500", 500, "", NOT(NO_LIFETIME)},
    {"pando", "not for 503", 503, "", NOT(NO_LIFETIME)},
    {"pando", "not for 404 with a lifetime", 404, "Cache-Control: max-age=9", KEPT(9)},
    {"pando", "not for 404 that is private", 404, "Cache-Control: private", NOT(PRIVATE)},
    {"pando", "not for 404 that sets a cookie", 404, "Set-Cookie: a=b", NOT(SET_COOKIE)},
};

Test(cache_answer, edge_for_replaces_lifetimes_and_nothing_else)
{
    const struct cache_rule rule = {.path = "/", .edge_for_ns = 60 * NS_PER_S};
    EXPECT_ALL(edge_rows, &testing_settings, &rule);
}

Test(cache_answer, lifetimes_that_the_settings_give)
{
    const struct cache_settings settings = {.fresh_for_ns = 30 * NS_PER_S,
                                            .negative_for_ns = 5 * NS_PER_S};
    EXPECT_ALL(given_rows, &settings, NULL);
}

Test(cache_answer, a_rule_keeps_a_path_out)
{
    const struct cache_rule rule = {.path = "/", .bypass = true};
    const struct row row = {"pando", "bypass", 0, "Cache-Control: max-age=9", NOT(BYPASS)};
    expect(&row, &testing_settings, &rule);
}

Test(cache_answer, cookies_are_as_the_settings_say)
{
    const struct cache_settings ignore = {.cookies = CACHE_COOKIES_IGNORE};
    const struct cache_settings pass = {.cookies = CACHE_COOKIES_PASS};
    const struct row ignored = {
        "pando", "ignore", 0, "Cache-Control: max-age=9", KEPT(9), .request = "Cookie: a=b"};
    const struct row passed = {"pando",     "pass",
                               0,           "Cache-Control: max-age=9, public",
                               NOT(COOKIE), .request = "Cookie: a=b"};
    expect(&ignored, &ignore, NULL);
    expect(&passed, &pass, NULL);
}

Test(cache_answer, only_answers_to_get_are_kept)
{
    static struct http1_testing_result answer;
    testing_answer(&answer, 200, "Cache-Control: max-age=9");
    const struct cache_ask ask = {.is_head = true};
    const struct cache_exchange exchange = {.settings = &testing_settings, .ask = &ask};
    struct cache_meta meta;
    cr_expect(cache_judge_answer(&meta, &answer.head, &exchange) == CACHE_REFUSED_METHOD);
    http1_testing_free(&answer);
}

/* RFC 9111 4.2.3: what the request took counts as age. */
Test(cache_answer, the_way_counts_as_age)
{
    static struct http1_testing_result answer;
    testing_answer(&answer, 200, "Cache-Control: max-age=9\nAge: 3\nDate: " TESTING_NOW);
    const struct cache_ask ask = {.is_get = true};
    const struct cache_exchange exchange = {.settings = &testing_settings,
                                            .ask = &ask,
                                            .requested_ms = TESTING_NOW_MS - 1500,
                                            .received_ms = TESTING_NOW_MS};
    struct cache_meta meta;
    cr_expect(cache_judge_answer(&meta, &answer.head, &exchange) == CACHE_REFUSED_NONE);
    cr_expect(meta.initial_age_ms == 4500);
    http1_testing_free(&answer);
}

static struct cache_meta kept(const char *fields, const struct cache_settings *settings)
{
    const struct row row = {.answer = fields};
    struct cache_meta meta = {0};
    const enum cache_refusal refusal = judge(&row, settings, NULL, &meta);
    cr_expect(refusal == CACHE_REFUSED_NONE, "[%s]: %s", fields, cache_refusal_gist(refusal));
    return meta;
}

/* RFC 5861: an answer's own word before the settings, which are for what was fresh once. */
Test(cache_answer, how_long_it_may_be_used_stale)
{
    const struct cache_settings some = {.stale_while_revalidate_ns = 7 * NS_PER_S,
                                        .stale_if_error_ns = 8 * NS_PER_S};
    static const struct {
        const char *answer;
        uint64_t swr_s, sie_s;
    } rows[] = {
        {"Cache-Control: max-age=9", 7, 8},
        {"Cache-Control: max-age=9, stale-while-revalidate=1", 1, 8},
        {"Cache-Control: max-age=9, stale-if-error=1", 7, 1},
        {"Cache-Control: max-age=9, stale-while-revalidate=0, stale-if-error=0", 0, 0},
        {"Cache-Control: max-age=9, stale-while-revalidate, stale-if-error=x", 0, 0},
        {"Cache-Control: max-age=9, stale-while-revalidate=5, stale-while-revalidate=3", 3, 8},
        {"Cache-Control: max-age=9, must-revalidate, stale-while-revalidate=5", 0, 0},
        {"Cache-Control: max-age=9, proxy-revalidate, stale-if-error=5", 0, 0},
        {"Cache-Control: s-maxage=9, stale-while-revalidate=5", 0, 0},
        {"Cache-Control: max-age=9, no-cache, stale-while-revalidate=5" TAG, 0, 0},
        {"Cache-Control: max-age=0" TAG, 0, 0},
        {"Cache-Control: max-age=0, stale-while-revalidate=5", 5, 0},
        {"CDN-Cache-Control: max-age=9, stale-while-revalidate=5", 5, 8},
        {"CDN-Cache-Control: max-age=9\nCache-Control: stale-if-error=5", 7, 8},
        {"ETag: \"a\"", 0, 0},
        {"Last-Modified: " TESTING_DAY_AGO, 7, 8},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct cache_meta meta = kept(rows[i].answer, &some);
        cr_expect(meta.swr_ms == rows[i].swr_s * S && meta.sie_ms == rows[i].sie_s * S,
                  "[%s]: %lu %lu", rows[i].answer, meta.swr_ms, meta.sie_ms);
    }
}

Test(cache_answer, what_is_remembered)
{
    struct cache_meta meta =
        kept("Cache-Control: max-age=9, immutable\nETag: W/\"ab\"\nLast-Modified: " TESTING_DAY_AGO,
             &testing_settings);
    cr_expect(meta.immutable && meta.is_weak && !meta.is_public && !meta.must_revalidate);
    cr_expect(meta.etag_bytes == 6 && meta.status == 200 && !meta.is_heuristic);
    cr_expect(meta.last_modified_s == TESTING_NOW_S - DAY_S && meta.date_s == TESTING_NOW_S);
    meta = kept("Cache-Control: s-maxage=9\nETag: \"a\"\nETag: \"b\"", &testing_settings);
    cr_expect(meta.etag_bytes == 0 && meta.is_public && meta.is_shared_by_authorization);
    cr_expect(meta.must_revalidate);
    meta = kept("Cache-Control: max-age=9, must-revalidate\nETag: a", &testing_settings);
    cr_expect(meta.etag_bytes == 0 && !meta.is_public && meta.is_shared_by_authorization);
    meta = kept("Last-Modified: " TESTING_DAY_AGO, &testing_settings);
    cr_expect(meta.is_heuristic && meta.last_modified_s == TESTING_NOW_S - DAY_S);
}

Test(cache_answer, every_refusal_has_words)
{
    for (int i = CACHE_REFUSED_NONE + 1; i < CACHE_REFUSALS_COUNT; i++) {
        cr_expect(cache_refusal_word((enum cache_refusal)i)[0] != '\0');
        cr_expect(cache_refusal_gist((enum cache_refusal)i)[0] != '\0');
    }
}
