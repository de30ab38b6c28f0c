/* SPDX-License-Identifier: Apache-2.0 */
/* path/command/media.c - texts to numbers and back. */
#include "path/command/media.h"

#include <assert.h>

static const char *const texts[] = {
#define X(number, text) [number] = text,
    MEDIA_ROWS(X)
#undef X
};

enum { TEXTS_COUNT = sizeof texts / sizeof texts[0] };

#define X(number, text)                                                                            \
    static_assert(sizeof(text) <= MEDIA_TEXT_BYTES_MAX && (number) <= UINT8_MAX, text);
MEDIA_ROWS(X)
#undef X

/* A text as the table has it, while it is written. */
struct draft {
    char   at[MEDIA_TEXT_BYTES_MAX];
    size_t count;
};

static bool is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

static struct bytes trim(struct bytes text)
{
    while (text.count > 0 && is_space(text.at[0]))
        text = (struct bytes){text.at + 1, text.count - 1};
    while (text.count > 0 && is_space(text.at[text.count - 1]))
        text.count--;
    return text;
}

/* In lower case. False: there is no room. */
static bool put(struct draft *draft, struct bytes text)
{
    if (text.count > sizeof draft->at - draft->count)
        return false;
    for (size_t i = 0; i < text.count; i++) {
        const uint8_t byte = text.at[i];
        draft->at[draft->count++] = (char)(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
    }
    return true;
}

static bool is_utf_8(struct bytes parameter)
{
    return bytes_is_word(parameter, "charset=utf-8") ||
           bytes_is_word(parameter, "charset=\"utf-8\"");
}

/* One space before the one parameter that there may be. */
static bool write_as_in_table(struct draft *draft, struct bytes text)
{
    const uint8_t *semicolon = text.count == 0 ? NULL : memchr(text.at, ';', text.count);
    const size_t name_bytes = semicolon == NULL ? text.count : (size_t)(semicolon - text.at);
    draft->count = 0;
    if (!put(draft, trim((struct bytes){text.at, name_bytes})))
        return false;
    if (semicolon == NULL)
        return true;
    return is_utf_8(trim((struct bytes){semicolon + 1, text.count - name_bytes - 1})) &&
           put(draft, bytes_of("; charset=utf-8"));
}

bool media_find(struct bytes text, uint8_t *media)
{
    struct draft draft;
    if (!write_as_in_table(&draft, text))
        return false;
    const struct bytes wanted = {(const uint8_t *)draft.at, draft.count};
    for (unsigned i = 0; i < TEXTS_COUNT; i++) {
        if (bytes_equal(wanted, bytes_of(texts[i]))) {
            *media = (uint8_t)i;
            return true;
        }
    }
    return false;
}

const char *media_text(uint8_t media)
{
    return texts[media < TEXTS_COUNT ? media : MEDIA_NONE];
}
