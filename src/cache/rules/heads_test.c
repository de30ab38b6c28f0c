/* SPDX-License-Identifier: Apache-2.0 */
/* cache/rules/heads_test.c - what is left out of kept heads and what news change in them; one row a
 * rule. */
#include "cache/rules/rules_testing.h"

#include <criterion/criterion.h>

enum { ROOM = 2048, FIELDS = 64 };

/* The fields without hop, as "Name: value\n..." without the last newline. */
static void show(const struct http_head *head, char text[ROOM])
{
    size_t bytes = 0;
    text[0] = '\0';
    for (size_t i = 0; i < head->fields_count; i++) {
        const struct http_field *field = &head->fields[i];
        if (!field->hop)
            bytes += (size_t)snprintf(
                text + bytes, ROOM - bytes, "%s%.*s: %.*s", bytes > 0 ? "\n" : "",
                field->name_bytes, (const char *)http_field_name(head, field),
                (int)field->value_bytes, (const char *)http_field_value(head, field));
    }
}

static const struct {
    const char *section, *rule, *answer, *left;
} mark_rows[] = {
    {"9111 3.1", "fields are kept", "A: 1\nSet-Cookie: a=b\nX: y", "A: 1\nSet-Cookie: a=b\nX: y"},
    {"9111 3.1", "but not those of one hop", "A: 1\nKeep-Alive: x\nProxy-Authenticate: x", "A: 1"},
    {"9111 3.1", "nor those that Connection names", "Connection: a, b\nA: 1\nB: 2\nC: 3", "C: 3"},
    {"9111 5.1", "nor Age", "Age: 3\nA: 1", "A: 1"},
    {"9211 2", "nor Cache-Status", "Cache-Status: x; hit\nA: 1", "A: 1"},
    {"9110 6.5.1", "nor the names of trailers, which are not kept", "Trailer: x\nA: 1", "A: 1"},
    {"9111 5.2.2.4", "no-cache of a field", "Cache-Control: no-cache=\"a\"\nA: 1\nB: 2",
     "Cache-Control: no-cache=\"a\"\nB: 2"},
    {"9111 5.2.2.4", "of two, on another line",
     "A: 1\nB: 2\nC: 3\nCache-Control: x\nCache-Control: no-cache=\"a, b\"",
     "C: 3\nCache-Control: x\nCache-Control: no-cache=\"a, b\""},
    {"9111 5.2.2.7", "private of a field", "A: 1\na: 2\nCache-Control: private=\"A\"",
     "Cache-Control: private=\"A\""},
    {"9111 5.2.2.7", "private and no-cache",
     "A: 1\nB: 2\nCache-Control: private=\"a\", no-cache=\"b\"",
     "Cache-Control: private=\"a\", no-cache=\"b\""},
    {"pando", "not of fields without which it means something else",
     "Vary: x\nCache-Control: no-cache=\"vary\"", "Vary: x\nCache-Control: no-cache=\"vary\""},
    {"9111 5.2.3", "other directives name no fields", "A: 1\nCache-Control: x=\"a\"",
     "A: 1\nCache-Control: x=\"a\""},
    {"9111 5.2.2.5", "nor does no-store", "A: 1\nCache-Control: no-store=\"a\"",
     "A: 1\nCache-Control: no-store=\"a\""},
    {"9213 2.2", "of CDN-Cache-Control",
     "A: 1\nB: 2\nCDN-Cache-Control: private=\"a\"\nCache-Control: private=\"b\"",
     "B: 2\nCDN-Cache-Control: private=\"a\"\nCache-Control: private=\"b\""},
};

Test(cache_heads, fields_that_are_not_kept)
{
    static struct http1_testing_result answer;
    for (size_t i = 0; i < sizeof mark_rows / sizeof mark_rows[0]; i++) {
        char left[ROOM];
        testing_answer(&answer, 200, mark_rows[i].answer);
        cache_mark_fields(&answer.head);
        show(&answer.head, left);
        cr_expect_str_eq(left, mark_rows[i].left, "RFC %s: %s: %s", mark_rows[i].section,
                         mark_rows[i].rule, left);
        http1_testing_free(&answer);
    }
}

static const struct {
    const char *section, *rule, *kept, *news, *merged;
} merge_rows[] = {
    {"9111 3.2", "what is not in the news stays", "A: 1", "B: 2", "A: 1\nB: 2"},
    {"9111 3.2", "what is replaces it", "A: 1\nB: 2", "a: 3", "B: 2\na: 3"},
    {"9111 3.2", "all lines of it", "A: 1\nA: 2", "A: 3\nA: 4\nA: 5", "A: 3\nA: 4\nA: 5"},
    {"9111 3.2", "Cache-Control", "Cache-Control: max-age=1", "Cache-Control: max-age=2",
     "Cache-Control: max-age=2"},
    {"9111 3.2", "Expires", "Expires: 0", "Expires: 1", "Expires: 1"},
    {"9111 3.2", "Content-Type too", "Content-Type: text/plain",
     "Content-Type: text/plain;charset=utf-8", "Content-Type: text/plain;charset=utf-8"},
    {"9111 3.2", "Content-Location too", "Content-Location: /a", "Content-Location: /b",
     "Content-Location: /b"},
    {"9111 3.2", "Set-Cookie too", "Set-Cookie: a=b", "Set-Cookie: a=c", "Set-Cookie: a=c"},
    {"9111 3.2", "other names with Content- too", "Content-Foo: a", "Content-Foo: b",
     "Content-Foo: b"},
    /* It stands in the head's content_length, and its line is never copied. */
    {"9111 3.2", "not Content-Length", "Content-Length: 5", "Content-Length: 10", ""},
    {"9111 3.2", "not Content-Encoding", "Content-Encoding: br", "Content-Encoding: gzip",
     "Content-Encoding: br"},
    {"9111 3.2", "nor is it added", "A: 1", "Content-Encoding: gzip", "A: 1"},
    {"9111 3.2", "not Content-Range", "Content-Range: bytes 0-1/2", "Content-Range: bytes 0-1/3",
     "Content-Range: bytes 0-1/2"},
    {"9111 3.2", "not Content-MD5", "Content-MD5: a", "Content-MD5: b", "Content-MD5: a"},
    {"9530 2", "not Content-Digest", "Content-Digest: a", "Content-Digest: b", "Content-Digest: a"},
    {"9110 8.8.3", "not ETag", "ETag: \"a\"", "ETag: W/\"a\"", "ETag: \"a\""},
    {"9110 8.8.3", "but where there was none", "A: 1", "ETag: \"a\"", "A: 1\nETag: \"a\""},
    {"9111 3.1", "nothing of one hop", "A: 1", "Connection: b\nB: 2\nKeep-Alive: x", "A: 1"},
    {"9111 3.1", "which replaces nothing", "B: 1", "Connection: b\nB: 2", "B: 1"},
    {"9111 5.1", "Age is that of the news", "Age: 5", "Age: 3", "Age: 3"},
    {"9111 5.1", "or none", "Age: 5\nA: 1", "", "A: 1"},
    {"9111 4.2.3", "Date too", "Date: a", "Date: b", "Date: b"},
    {"9110 6.6.1", "or none", "Date: a\nA: 1", "", "A: 1"},
};

static const struct http_head *merge(struct http_head *out, uint8_t *bytes, const char *kept,
                                     const char *news, size_t room)
{
    static struct http1_testing_result kept_read, news_read;
    testing_answer(&kept_read, 200, kept);
    testing_answer(&news_read, 304, news);
    const bool is_done = cache_merge_heads(out, bytes, room, &kept_read.head, &news_read.head);
    http1_testing_free(&kept_read);
    http1_testing_free(&news_read);
    return is_done ? out : NULL;
}

Test(cache_heads, news_change_them)
{
    struct http_field fields[FIELDS];
    uint8_t bytes[ROOM];
    for (size_t i = 0; i < sizeof merge_rows / sizeof merge_rows[0]; i++) {
        struct http_head out = {.fields = fields, .fields_max = FIELDS};
        char merged[ROOM];
        cr_assert_not_null(merge(&out, bytes, merge_rows[i].kept, merge_rows[i].news, ROOM));
        show(&out, merged);
        cr_expect_str_eq(merged, merge_rows[i].merged, "RFC %s: %s: %s", merge_rows[i].section,
                         merge_rows[i].rule, merged);
        cr_expect(out.status == 200 && out.base == bytes && out.fields == fields);
    }
}

Test(cache_heads, merged_ones_have_the_length_of_what_is_kept)
{
    struct http_field fields[FIELDS];
    uint8_t bytes[ROOM];
    struct http_head out = {.fields = fields, .fields_max = FIELDS};
    cr_assert_not_null(merge(&out, bytes, "Content-Length: 5", "Content-Length: 10", ROOM));
    cr_expect(out.has_content_length && out.content_length == 5);
}

Test(cache_heads, merged_ones_can_be_looked_up_in)
{
    struct http_field fields[FIELDS];
    uint8_t bytes[ROOM];
    struct http_head out = {.fields = fields, .fields_max = FIELDS};
    cr_assert_not_null(merge(&out, bytes, "ETag: \"a\"\nAge: 3", "Cache-Control: max-age=2", ROOM));
    cr_expect(http_head_has(&out, HTTP_FIELD_ETAG) &&
              http_head_has(&out, HTTP_FIELD_CACHE_CONTROL));
    cr_expect(!http_head_has(&out, HTTP_FIELD_AGE));
    cr_expect_eq(out.head_bytes, strlen("ETag\"a\"Cache-Controlmax-age=2"));
}

Test(cache_heads, merging_needs_room)
{
    struct http_field fields[2];
    uint8_t bytes[8];
    struct http_head out = {.fields = fields, .fields_max = 2};
    cr_expect_not_null(merge(&out, bytes, "A: 123", "B: 123", 8));
    cr_expect_null(merge(&out, bytes, "A: 123", "B: 123", 7));
    cr_expect_null(merge(&out, bytes, "A: 1\nC: 1", "B: 1", 8));
    out.fields_max = 0;
    cr_expect_null(merge(&out, bytes, "A: 1", "", 8));
}
