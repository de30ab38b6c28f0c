/* SPDX-License-Identifier: Apache-2.0 */
/* path/command/media_test.c - types that are in the table, and what is not. */
#include "path/command/media.h"

#include <criterion/criterion.h>

static const struct row {
    uint8_t number;
    const char *text;
} rows[] = {
#define X(number, text) {number, text},
    MEDIA_ROWS(X)
#undef X
};

enum { ROWS_COUNT = sizeof rows / sizeof rows[0] };

/* Numbers are on disks, so none may be missing or stand twice. */
Test(media, every_row_is_found_and_said_again)
{
    for (unsigned i = 0; i < ROWS_COUNT; i++) {
        uint8_t media = 255;
        cr_expect(rows[i].number == i);
        cr_expect(media_find(bytes_of(rows[i].text), &media) && media == i, "%s", rows[i].text);
        cr_expect(strcmp(media_text((uint8_t)i), rows[i].text) == 0);
    }
}

Test(media, is_said_in_many_ways)
{
    const char *const ways[] = {"text/plain; charset=utf-8", "text/plain;charset=UTF-8",
                                "TEXT/Plain ;  charset=\"utf-8\"", " text/plain;Charset=utf-8\t"};
    uint8_t wanted, media;
    cr_assert(media_find(bytes_of("text/plain; charset=utf-8"), &wanted));
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        cr_expect(media_find(bytes_of(ways[i]), &media) && media == wanted, "%s", ways[i]);
    cr_expect(media_find(bytes_of("text/plain"), &media) && media != wanted);
}

Test(media, that_is_not_in_the_table_is_none)
{
    const char *const others[] = {
        "",
        "text",
        "text/",
        "text/plai",
        "text/plain;",
        "text/plain; charset=latin1",
        "text/plain; charset=utf-8; format=flowed",
        "image/png; charset=utf-8",
        "text/plain charset=utf-8",
        "application/x-a-type-much-longer-than-any-in-the-table-of-media-types-there",
    };
    uint8_t media;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        cr_expect(!media_find(bytes_of(others[i]), &media), "%s", others[i]);
    cr_expect(!media_find((struct bytes){NULL, 0}, &media));
}

Test(media, of_a_later_version_is_answered_as_bytes)
{
    cr_expect(strcmp(media_text(255), "application/octet-stream") == 0);
}
