/* SPDX-License-Identifier: Apache-2.0 */
/* core/http_test.c - every word of the tables is found, in any case; dates are right. */
#include "core/http.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static enum http_field_id find(const char *name)
{
    return http_field_find((const uint8_t *)name, strlen(name));
}

/* A copy at the very end of a heap block, so that a sanitizer sees any read beyond it. */
static enum http_field_id find_in_copy(const char *name, int (*change)(int))
{
    const size_t count = strlen(name);
    uint8_t *copy = malloc(count);
    for (size_t i = 0; i < count; i++)
        copy[i] = (uint8_t)change((uint8_t)name[i]);
    const enum http_field_id id = http_field_find(copy, count);
    free(copy);
    return id;
}

/* If this fails after a change to HTTP_FIELDS: `slots` in http.c does not hold what this prints.
 * Where two rows print the same slot, the multiplier must change too. */
Test(http_fields, every_row_is_found_in_any_case)
{
    for (int i = 1; i < HTTP_FIELDS_COUNT; i++) {
        const struct http_field_row *row = http_field_row((enum http_field_id)i);
        const size_t count = row->name_bytes;
        const uint32_t key =
            (uint32_t)(row->name[0] | 0x20) | (uint32_t)(row->name[count - 1] | 0x20) << 8 |
            (uint32_t)(row->name[count * 3 / 4] | 0x20) << 16 | (uint32_t)count << 24;
        cr_expect_eq((int)find_in_copy(row->name, toupper), i, "[%u] = %s",
                     key * UINT32_C(0x15ad9a9d) >> 23, row->name);
        cr_expect_eq((int)find_in_copy(row->name, tolower), i);
    }
}

Test(http_fields, names_hold_only_letters_digits_and_hyphens)
{
    for (int i = 1; i < HTTP_FIELDS_COUNT; i++) {
        const struct http_field_row *row = http_field_row((enum http_field_id)i);
        cr_expect_eq(strlen(row->name), row->name_bytes);
        cr_expect(row->name_bytes >= 2);
        for (const char *at = row->name; *at != '\0'; at++)
            cr_expect(isalnum((unsigned char)*at) || *at == '-', "%s", row->name);
    }
}

/* Each byte of each name replaced by each other byte: nothing is found, but for the other case
 * of a letter. */
Test(http_fields, a_name_that_differs_in_one_byte_is_another)
{
    for (int i = 1; i < HTTP_FIELDS_COUNT; i++) {
        const struct http_field_row *row = http_field_row((enum http_field_id)i);
        uint8_t name[sizeof row->name];
        memcpy(name, row->name, sizeof name);
        for (size_t at = 0; at < row->name_bytes; at++)
            for (unsigned byte = 0; byte < 256; byte++) {
                name[at] = (uint8_t)byte;
                const bool same = tolower((int)byte) == tolower((unsigned char)row->name[at]);
                cr_expect_eq(http_field_find(name, row->name_bytes) == (enum http_field_id)i, same,
                             "%s %zu %u", row->name, at, byte);
                name[at] = (uint8_t)row->name[at];
            }
    }
}

Test(http_fields, other_names_are_other)
{
    cr_expect_eq(find(""), HTTP_FIELD_OTHER);
    cr_expect_eq(find("X"), HTTP_FIELD_OTHER);
    cr_expect_eq(find("Hos"), HTTP_FIELD_OTHER);
    cr_expect_eq(find("Hostt"), HTTP_FIELD_OTHER);
    cr_expect_eq(find("Transfer_Encoding"), HTTP_FIELD_OTHER);
    cr_expect_eq(find("a-name-that-is-much-longer-than-any-row-of-the-table"), HTTP_FIELD_OTHER);
}

Test(http_fields, framing_and_hop_by_hop_fields_are_never_copied)
{
    cr_expect_eq(http_field_row(HTTP_FIELD_CONNECTION)->copied, HTTP_COPIED_HOP);
    cr_expect_eq(http_field_row(HTTP_FIELD_TRANSFER_ENCODING)->copied, HTTP_COPIED_HOP);
    cr_expect_eq(http_field_row(HTTP_FIELD_CONTENT_LENGTH)->copied, HTTP_COPIED_ANEW);
    cr_expect_eq(http_field_row(HTTP_FIELD_HOST)->copied, HTTP_COPIED_ANEW);
    cr_expect_eq(http_field_row(HTTP_FIELD_OTHER)->copied, HTTP_COPIED_PASS);
}

Test(http_methods, are_found_by_their_exact_name)
{
    for (int i = HTTP_METHOD_NONE + 1; i < HTTP_METHOD_OTHER; i++) {
        const char *name = http_method_name((enum http_method)i);
        cr_expect_eq((int)http_method_find((const uint8_t *)name, strlen(name)), i);
    }
    cr_expect_eq(http_method_find((const uint8_t *)"get", 3), HTTP_METHOD_OTHER);
    cr_expect_eq(http_method_find((const uint8_t *)"PURGE", 5), HTTP_METHOD_OTHER);
    cr_expect_eq(http_method_find((const uint8_t *)"", 0), HTTP_METHOD_OTHER);
}

Test(http_methods, safe_ones_are_idempotent)
{
    for (int i = 0; i < HTTP_METHODS_COUNT; i++)
        cr_expect(!http_method_is_safe((enum http_method)i) ||
                  http_method_is_idempotent((enum http_method)i));
    cr_expect_not(http_method_is_idempotent(HTTP_METHOD_POST));
    cr_expect_not(http_method_is_idempotent(HTTP_METHOD_OTHER));
    cr_expect(http_method_is_idempotent(HTTP_METHOD_DELETE));
}

Test(http_statuses, have_reasons)
{
    cr_expect_str_eq(http_status_reason(200), "OK");
    cr_expect_str_eq(http_status_reason(431), "Request Header Fields Too Large");
    cr_expect_str_eq(http_status_reason(299), "");
}

static void expect_date(int64_t unix_s)
{
    char wanted[64], seen[HTTP_DATE_BYTES + 1] = "";
    const time_t time = unix_s;
    struct tm parts;
    gmtime_r(&time, &parts);
    strftime(wanted, sizeof wanted, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    http_date_write(seen, unix_s);
    cr_expect_str_eq(seen, wanted, "%lld", (long long)unix_s);
}

Test(http_date, is_what_the_c_library_says)
{
    char text[HTTP_DATE_BYTES + 1] = "";
    http_date_write(text, 784111777);
    cr_expect_str_eq(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    for (int64_t day = 0; day < 100000;
         day += 7) /* 273 years; with their leap days and century years */
        expect_date(day * 86400 + day * 7919 % 86400);
    for (int64_t day = 11016; day < 11020; day++) /* around 29 February 2000 */
        expect_date(day * 86400 + 86399);
    expect_date(INT64_C(253402300799));
}

static struct http_head head_of(const char *text, struct http_field *fields)
{
    /* The offsets of "X-A: 1" and "Vary: x" on two lines: one name is known. */
    fields[0] = (struct http_field){.name_at = 0, .name_bytes = 3, .value_at = 5, .value_bytes = 1};
    fields[1] = (struct http_field){
        .name_at = 8, .name_bytes = 4, .value_at = 14, .value_bytes = 1, .id = HTTP_FIELD_VARY};
    struct http_head head = {.base = (const uint8_t *)text, .fields = fields, .fields_count = 2};
    head.present[0] |= (UINT64_C(1) << HTTP_FIELD_OTHER);
    head.present[HTTP_FIELD_VARY >> 6] |= UINT64_C(1) << (HTTP_FIELD_VARY & 63);
    return head;
}

Test(http_head, finds_fields_by_id_and_by_name)
{
    struct http_field fields[2];
    const struct http_head head = head_of("X-A: 1\r\nVary: x\r\n", fields);
    cr_expect_eq(http_head_find(&head, HTTP_FIELD_VARY), &fields[1]);
    cr_expect_null(http_head_find(&head, HTTP_FIELD_HOST));
    cr_expect_null(http_head_find_next(&head, &fields[1]));
    cr_expect_eq(http_head_find_name(&head, "x-a", 3), &fields[0]);
    cr_expect_eq(http_head_find_name(&head, "vary", 4), &fields[1]);
    cr_expect_null(http_head_find_name(&head, "x-b", 3));
}
