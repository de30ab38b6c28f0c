/* SPDX-License-Identifier: Apache-2.0 */
/* cache/rules/vary_test.c - which requests are the same by what answers vary by; one row a rule. */
#include "cache/rules/rules_testing.h"

#include <criterion/criterion.h>

enum { ROOM = 512 };

/* NULL of `names`: none are read. */
static const struct {
    const char *section, *rule, *answer, *names;
} name_rows[] = {
    {"9110 12.5.5", "none", "", ""},
    {"9110 12.5.5", "one", "Vary: Foo", "foo"},
    {"9110 5.1", "names have no case", "Vary: FoO", "foo"},
    {"9110 12.5.5", "in one order", "Vary: foo, bar, baz", "bar,baz,foo"},
    {"9110 5.3", "on several lines", "Vary: foo\nVary: bar", "bar,foo"},
    {"pando", "each once", "Vary: foo, Foo, bar\nVary: FOO", "bar,foo"},
    {"9110 5.6.1", "empty members", "Vary: , foo,,", "foo"},
    {"9110 5.6.1", "nothing but empty ones", "Vary: ,", ""},
    {"pando", "one begins as the other", "Vary: accept-encoding, accept", "accept,accept-encoding"},
    {"9110 12.5.5", "*", "Vary: *", NULL},
    {"9110 12.5.5", "* twice", "Vary: *, *", NULL},
    {"9110 12.5.5", "* before a name", "Vary: *, foo", NULL},
    {"9110 12.5.5", "* behind a name", "Vary: foo, *", NULL},
    {"9110 12.5.5", "* on another line", "Vary: foo\nVary: *", NULL},
    {"9110 12.5.5", "* behind nothing", "Vary: , *", NULL},
    {"pando", "what is no name", "Vary: foo bar", NULL},
    {"pando", "a quoted one", "Vary: \"foo\"", NULL},
};

Test(cache_vary, reads_names)
{
    static struct http1_testing_result answer;
    for (size_t i = 0; i < sizeof name_rows / sizeof name_rows[0]; i++) {
        char names[ROOM];
        testing_answer(&answer, 200, name_rows[i].answer);
        const size_t bytes = cache_vary_read(&answer.head, names, sizeof names);
        const char *wanted = name_rows[i].names;
        if (wanted == NULL)
            cr_expect_eq(bytes, SIZE_MAX, "%s", name_rows[i].rule);
        else
            cr_expect(bytes == strlen(wanted) && memcmp(names, wanted, bytes) == 0,
                      "RFC %s: %s: %.*s", name_rows[i].section, name_rows[i].rule, (int)bytes,
                      names);
        http1_testing_free(&answer);
    }
}

Test(cache_vary, names_that_do_not_fit)
{
    static struct http1_testing_result answer;
    char names[7];
    testing_answer(&answer, 200, "Vary: foo, bar");
    cr_expect_eq(cache_vary_read(&answer.head, names, 7), 7);
    cr_expect_gt(cache_vary_read(&answer.head, names, 6), 6);
    cr_expect_gt(cache_vary_read(&answer.head, names, 0), 0);
    http1_testing_free(&answer);
}

Test(cache_vary, joins_lists)
{
    static const struct {
        const char *a, *b, *both;
    } rows[] = {
        {"", "", ""},
        {"a", "", "a"},
        {"", "a", "a"},
        {"a", "a", "a"},
        {"a,c", "b", "a,b,c"},
        {"b", "a,c", "a,b,c"},
        {"a,b", "b,c", "a,b,c"},
        {"accept", "accept-encoding", "accept,accept-encoding"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char both[64];
        const size_t bytes = cache_vary_join(rows[i].a, strlen(rows[i].a), rows[i].b,
                                             strlen(rows[i].b), both, sizeof both);
        cr_expect(bytes == strlen(rows[i].both) && memcmp(both, rows[i].both, bytes) == 0,
                  "%s + %s = %.*s", rows[i].a, rows[i].b, (int)bytes, both);
        cr_expect_eq(
            cache_vary_join(rows[i].a, strlen(rows[i].a), rows[i].b, strlen(rows[i].b), both, 0),
            bytes);
    }
}

static const struct {
    const char *section, *rule, *names, *a, *b;
    bool same;
} rows[] = {
    {"9111 4.1", "the same", "foo", "Foo: 1", "Foo: 1", true},
    {"9111 4.1", "another value", "foo", "Foo: 1", "Foo: 2", false},
    {"9111 4.1", "missing in one", "foo", "Foo: 1", "", false},
    {"9111 4.1", "missing in both", "foo", "Other: 1", "", true},
    {"9111 4.1", "missing is not empty", "foo", "Foo:", "", false},
    {"9111 4.1", "other fields do not count", "foo", "Foo: 1\nOther: 2", "Other: 3\nFoo: 1", true},
    {"9111 4.1", "two fields", "bar,foo", "Foo: 1\nBar: a", "Bar: a\nFoo: 1", true},
    {"9111 4.1", "one of two differs", "bar,foo", "Foo: 1\nBar: a", "Foo: 2\nBar: a", false},
    {"9111 4.1", "one of two is missing", "bar,foo", "Foo: 1", "Bar: 1", false},
    {"9111 4.1", "one of three is missing in both", "bar,baz,foo", "Foo: 1\nBaz: 7",
     "Baz: 7\nFoo: 1", true},
    {"9111 4.1", "a longer value", "foo", "Foo: 1", "Foo: 11", false},
    {"9110 5.1", "names have no case", "foo", "FOO: 1", "foo: 1", true},
    {"9110 5.3", "lines are joined", "foo", "Foo: 1, 2", "Foo: 1\nFoo: 2", true},
    {"9111 4.1", "their order counts", "foo", "Foo: 1, 2", "Foo: 2\nFoo: 1", false},
    {"9111 4.1", "white space around commas", "foo", "Foo: 1,2", "Foo:  1 ,\t2 ", true},
    {"pando", "but not between words", "foo", "Foo: a b", "Foo: ab", false},
    {"pando", "nor how much", "foo", "Foo: a b", "Foo: a  b", false},
    {"9110 5.6.4", "nor in quotes", "foo", "Foo: \"a, b\"", "Foo: \"a,b\"", false},
    {"9110 5.6.4", "nor behind an escaped quote", "foo", "Foo: \"a\\\", b\"", "Foo: \"a\\\",b\"",
     false},
    {"9110 5.6.4", "behind the quotes it is", "foo", "Foo: \"a\" , b", "Foo: \"a\",b", true},
    {"9110 5.3", "quotes over lines, as they are joined", "foo", "Foo: \"a\nFoo: b\"",
     "Foo: \"a, b\"", true},
    {"9110 5.3", "which is not without the space", "foo", "Foo: \"a\nFoo: b\"", "Foo: \"a,b\"",
     false},
    {"pando", "case counts", "foo", "Foo: a", "Foo: A", false},
    {"pando", "a value in two fields", "bar,foo", "Bar: a\nFoo: b", "Bar: ab\nFoo:", false},
    {"pando", "a comma is no line", "foo", "Foo: 1,", "Foo: 1", false},
    {"6265 5.4", "in Cookie every byte counts", "cookie", "Cookie: a=1, 2", "Cookie: a=1,2", false},
    {"6265 5.4", "also where lines end", "cookie", "Cookie: a=1\nCookie: b=2", "Cookie: a=1,b=2",
     false},
    {"9110 10.1.5", "in User-Agent too", "user-agent", "User-Agent: x (y, z)",
     "User-Agent: x (y,z)", false},
    {"9110 12.5.4", "languages have no case", "accept-language", "Accept-Language: en, de",
     "Accept-Language: eN, De", true},
    {"9110 12.5.4", "nor white space", "accept-language", "Accept-Language: en, de;q=0.5",
     "Accept-Language: en ,  de ; q=0.5", true},
    {"9110 12.5.4", "but an order", "accept-language", "Accept-Language: en, de",
     "Accept-Language: de, en", false},
    {"9110 12.5.4", "and weights", "accept-language", "Accept-Language: en",
     "Accept-Language: en;q=0.5", false},
    {"9110 12.5.3", "codings: order does not count", "accept-encoding", "Accept-Encoding: gzip, br",
     "Accept-Encoding: br,gzip", true},
    {"9110 12.5.3", "nor do weights above 0", "accept-encoding", "Accept-Encoding: gzip;q=0.5, br",
     "Accept-Encoding: br, gzip", true},
    {"9110 12.5.3", "nor what is unknown", "accept-encoding", "Accept-Encoding: gzip, deflate",
     "Accept-Encoding: gzip", true},
    {"9110 12.5.3", "which ones does", "accept-encoding", "Accept-Encoding: gzip",
     "Accept-Encoding: br", false},
    {"9110 12.5.3", "and whether any", "accept-encoding", "Accept-Encoding: gzip", "", false},
    {"pando", "none is as identity", "accept-encoding", "Accept-Encoding: identity", "", true},
};

static size_t write(const char *names, const char *fields, uint8_t *out)
{
    static struct http1_testing_result request;
    testing_request(&request, fields);
    const size_t bytes = cache_vary_write(names, strlen(names), &request.head, out, ROOM);
    cr_expect_leq(bytes, ROOM);
    cr_expect_eq(cache_vary_write(names, strlen(names), &request.head, out + ROOM, 0), bytes);
    http1_testing_free(&request);
    return bytes;
}

Test(cache_vary, requests_are_the_same_or_not)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t a[ROOM], b[ROOM];
        const size_t a_bytes = write(rows[i].names, rows[i].a, a);
        const size_t b_bytes = write(rows[i].names, rows[i].b, b);
        const bool same = a_bytes == b_bytes && memcmp(a, b, a_bytes) == 0;
        cr_expect_eq(same, rows[i].same, "RFC %s: %s: [%s] [%s]", rows[i].section, rows[i].rule,
                     rows[i].a, rows[i].b);
    }
}

/* --- Content codings --- */

static const struct {
    const char *section, *rule, *request, *normal;
} encoding_rows[] = {
    {"9110 12.5.3", "no field", "", ""},
    {"9110 12.5.3", "an empty one", "Accept-Encoding:", ""},
    {"9110 12.5.3", "one", "Accept-Encoding: gzip", "gzip"},
    {"9110 8.4.1", "in any case", "Accept-Encoding: GZip", "gzip"},
    {"9110 8.4.1.3", "x-gzip is gzip", "Accept-Encoding: x-gzip", "gzip"},
    {"pando", "in one order", "Accept-Encoding: gzip, zstd, br", "br, zstd, gzip"},
    {"pando", "browsers", "Accept-Encoding: gzip, deflate, br, zstd", "br, zstd, gzip"},
    {"9110 5.3", "on several lines", "Accept-Encoding: gzip\nAccept-Encoding: br", "br, gzip"},
    {"9110 12.5.3", "unknown ones", "Accept-Encoding: deflate, compress", ""},
    {"9110 12.4.2", "a weight of 0", "Accept-Encoding: gzip;q=0, br", "br"},
    {"9110 12.4.2", "of 0.000", "Accept-Encoding: gzip;q=0.000, br", "br"},
    {"9110 12.4.2", "of 0.001", "Accept-Encoding: gzip;q=0.001", "gzip"},
    {"9110 12.4.2", "of 0.", "Accept-Encoding: gzip;q=0.", ""},
    {"9110 12.4.2", "of 1", "Accept-Encoding: gzip;q=1", "gzip"},
    {"9110 12.4.2", "of 1.", "Accept-Encoding: gzip;q=1.", "gzip"},
    {"9110 12.4.2", "of 1.000", "Accept-Encoding: gzip;q=1.000", "gzip"},
    {"9110 12.4.2", "of 1.001 is none", "Accept-Encoding: gzip;q=1.001", ""},
    {"9110 12.4.2", "of 2 is none", "Accept-Encoding: gzip;q=2", ""},
    {"9110 12.4.2", "of four digits is none", "Accept-Encoding: gzip;q=0.1234", ""},
    {"9110 12.4.2", "of letters is none", "Accept-Encoding: gzip;q=high", ""},
    {"9110 12.4.2", "of nothing is none", "Accept-Encoding: gzip;q=", ""},
    {"9110 12.4.2", "of a negative is none", "Accept-Encoding: gzip;q=-1", ""},
    {"9110 12.4.2", "Q and spaces", "Accept-Encoding: gzip ; Q=0.5", "gzip"},
    {"pando", "other parameters", "Accept-Encoding: gzip;x=1", ""},
    {"pando", "something behind", "Accept-Encoding: gzip x", ""},
    {"pando", "taken and refused", "Accept-Encoding: gzip, gzip;q=0", ""},
    {"9110 12.5.3", "*", "Accept-Encoding: *", "br, zstd, gzip"},
    {"9110 12.5.3", "* but one", "Accept-Encoding: br;q=0, *", "zstd, gzip"},
    {"9110 12.5.3", "*;q=0 is identity too", "Accept-Encoding: *;q=0", "identity;q=0"},
    {"9110 12.5.3", "one and no other", "Accept-Encoding: gzip, *;q=0", "gzip, identity;q=0"},
    {"9110 12.5.3", "one and identity", "Accept-Encoding: gzip, identity, *;q=0", "gzip"},
    {"9110 12.5.3", "no identity", "Accept-Encoding: gzip, identity;q=0", "gzip, identity;q=0"},
    {"9110 12.5.3", "identity behind", "Accept-Encoding: gzip, identity;q=0.1", "gzip"},
    {"9110 12.5.3", "all and no identity", "Accept-Encoding: *, identity;q=0",
     "br, zstd, gzip, identity;q=0"},
};

Test(cache_encodings, are_reduced_to_a_set)
{
    static struct http1_testing_result request;
    for (size_t i = 0; i < sizeof encoding_rows / sizeof encoding_rows[0]; i++) {
        char normal[64];
        testing_request(&request, encoding_rows[i].request);
        const size_t bytes = cache_encodings_write(cache_encodings_read(&request.head), normal);
        cr_expect(bytes == strlen(encoding_rows[i].normal) &&
                      memcmp(normal, encoding_rows[i].normal, bytes) == 0,
                  "RFC %s: %s: [%s]: %.*s", encoding_rows[i].section, encoding_rows[i].rule,
                  encoding_rows[i].request, (int)bytes, normal);
        http1_testing_free(&request);
    }
}

/* So that what the server is sent means what the client meant. */
Test(cache_encodings, the_normal_form_means_the_same)
{
    static struct http1_testing_result request;
    for (unsigned set = 0; set < 2u << CACHE_ENCODING_IDENTITY; set++) {
        char normal[64], field[128];
        const size_t bytes = cache_encodings_write(set, normal);
        snprintf(field, sizeof field, "Accept-Encoding: %.*s", (int)bytes, normal);
        testing_request(&request, field);
        cr_expect_eq(cache_encodings_read(&request.head), set, "%u: %s", set, field);
        http1_testing_free(&request);
    }
}
