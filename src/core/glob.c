/* SPDX-License-Identifier: Apache-2.0 */
/* core/glob.c - one walk over the text with one place to go back to: behind the last star. */
#include "core/glob.h"

/* The member of a class that begins at @at: a byte, an escaped one, or a range; *@end is behind it.
 * Is @byte in it? */
static bool is_in_member(struct bytes pattern, size_t at, uint8_t byte, size_t *end)
{
    const uint8_t *p = pattern.at + at;
    const size_t left = pattern.count - at;
    if (p[0] == '\\' && left >= 2) {
        *end = at + 2;
        return p[1] == byte;
    }
    if (left >= 3 && p[1] == '-') {
        *end = at + 3;
        return p[0] <= p[2] ? byte >= p[0] && byte <= p[2] : byte >= p[2] && byte <= p[0];
    }
    *end = at + 1;
    return p[0] == byte;
}

/* @at is behind the bracket. A class that is never closed ends with the pattern. */
static bool is_in_class(struct bytes pattern, size_t at, uint8_t byte, size_t *end)
{
    const bool is_negated = at < pattern.count && pattern.at[at] == '^';
    bool is_in = false;
    at += is_negated;
    while (at < pattern.count && pattern.at[at] != ']') {
        if (is_in_member(pattern, at, byte, &at))
            is_in = true;
    }
    *end = at < pattern.count ? at + 1 : at;
    return is_in != is_negated;
}

/* Does the part of the pattern at @at, which is no star, take @byte? *@end is behind the part. */
static bool takes(struct bytes pattern, size_t at, uint8_t byte, size_t *end)
{
    const uint8_t first = pattern.at[at];
    *end = at + 1;
    if (first == '?')
        return true;
    if (first == '[')
        return is_in_class(pattern, at + 1, byte, end);
    if (first == '\\' && at + 1 < pattern.count) {
        *end = at + 2;
        return pattern.at[at + 1] == byte;
    }
    return first == byte;
}

static size_t pass_stars(struct bytes pattern, size_t at)
{
    while (at < pattern.count && pattern.at[at] == '*')
        at++;
    return at;
}

bool glob_matches(struct bytes pattern, struct bytes text)
{
    size_t at = 0, text_at = 0;
    size_t star_end = 0, star_text = 0; /* where to go back to; star_end 0: nowhere */
    while (text_at < text.count) {
        if (at < pattern.count && pattern.at[at] == '*') {
            star_end = at = pass_stars(pattern, at);
            star_text = text_at;
            if (at == pattern.count)
                return true;
        } else if (at < pattern.count && takes(pattern, at, text.at[text_at], &at)) {
            text_at++;
        } else if (star_end > 0) {
            at = star_end;
            text_at = ++star_text; /* the star takes one byte more */
        } else {
            return false;
        }
    }
    return pass_stars(pattern, at) == pattern.count;
}
