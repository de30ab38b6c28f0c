/* SPDX-License-Identifier: Apache-2.0 */
/* config/value/words.c - edit distance and the cleaning of text for a terminal. */
#include "config/value/words.h"

#include <assert.h>
#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: three rows of the table are enough. */
size_t config_words_distance(const char *one, const char *other)
{
    const size_t one_bytes = strlen(one);
    const size_t other_bytes = strlen(other);
    if (one_bytes > CONFIG_WORD_BYTES_MAX || other_bytes > CONFIG_WORD_BYTES_MAX)
        return SIZE_MAX;
    size_t rows[3][CONFIG_WORD_BYTES_MAX + 1] = {{0}};
    size_t *before = rows[0], *above = rows[1], *here = rows[2];
    for (size_t j = 0; j <= other_bytes; j++)
        above[j] = j;
    for (size_t i = 1; i <= one_bytes; i++) {
        here[0] = i;
        for (size_t j = 1; j <= other_bytes; j++) {
            const size_t change = above[j - 1] + (one[i - 1] != other[j - 1]);
            here[j] = least(change, least(above[j], here[j - 1]) + 1);
            if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1])
                here[j] = least(here[j], before[j - 2] + 1);
        }
        size_t *spare = before;
        before = above;
        above = here;
        here = spare;
    }
    return above[other_bytes];
}

size_t config_words_near(const char *typed, const char *meant)
{
    const size_t distance = config_words_distance(typed, meant);
    const size_t bytes = strlen(meant);
    const size_t allowed = bytes / 3 > 2 ? bytes / 3 : 2;
    /* Two slips make any short word of any other: half of it must be right. */
    if (distance > allowed || distance > bytes / 2)
        return SIZE_MAX;
    return distance;
}

size_t config_words_character(const char *at, const char *end, uint32_t *code_point)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char first = (unsigned char)*at;
    const size_t bytes = first < 0x80   ? 1
                         : first < 0xC2 ? 0
                         : first < 0xE0 ? 2
                         : first < 0xF0 ? 3
                         : first < 0xF5 ? 4
                                        : 0;
    *code_point = UINT32_MAX;
    if (bytes == 0 || (size_t)(end - at) < bytes)
        return 1;
    uint32_t value = bytes == 1 ? first : first & (0xFFu >> (bytes + 1));
    for (size_t i = 1; i < bytes; i++) {
        const unsigned char next = (unsigned char)at[i];
        if ((next & 0xC0) != 0x80)
            return 1;
        value = value << 6 | (next & 0x3Fu);
    }
    if (value < smallest[bytes] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
        return 1;
    *code_point = value;
    return bytes;
}

static bool is_control(uint32_t code_point)
{
    /* U+2028.. and the bidirectional controls would let a file draw another line than it has;
     * U+FFFE and U+FFFF are no characters, and YAML cannot say them. */
    return code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0) ||
           (code_point >= 0x2028 && code_point <= 0x202E) ||
           (code_point >= 0x2066 && code_point <= 0x2069) || code_point == 0xFEFF ||
           code_point == 0xFFFE || code_point == 0xFFFF || code_point == UINT32_MAX;
}

bool config_words_is_plain(const char *text, size_t bytes)
{
    const char *end = text + bytes;
    while (text < end) {
        uint32_t code_point;
        text += config_words_character(text, end, &code_point);
        if (is_control(code_point))
            return false;
    }
    return true;
}

size_t config_words_clean(char *out, size_t out_bytes, const char *text, size_t bytes,
                          size_t characters)
{
    static const char ellipsis[] = "\xE2\x80\xA6";
    assert(out_bytes >= sizeof ellipsis);
    const char *end = text + bytes;
    size_t used = 0, count = 0;
    while (text < end) {
        uint32_t code_point;
        const size_t length = config_words_character(text, end, &code_point);
        if (count == characters || used + length + sizeof ellipsis > out_bytes) {
            memcpy(out + used, ellipsis, sizeof ellipsis - 1);
            used += sizeof ellipsis - 1;
            break;
        }
        if (is_control(code_point))
            out[used++] = code_point == '\t' ? ' ' : '?';
        else
            for (size_t i = 0; i < length; i++)
                out[used++] = text[i];
        text += length;
        count++;
    }
    out[used] = '\0';
    return count;
}
