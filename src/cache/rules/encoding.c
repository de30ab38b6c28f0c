/* SPDX-License-Identifier: Apache-2.0 */
/* cache/rules/encoding.c - which content codings a client takes (RFC 9110 12.5.3). */
#include "cache/rules/parts.h"

#include <string.h>

enum { ALL = (1u << (CACHE_ENCODINGS_COUNT + 1)) - 1, IDENTITY = 1u << CACHE_ENCODING_IDENTITY };

static const struct {
    const char *word;
    size_t bytes;
} codings[] = {
#define X(name, text) {text, sizeof(text) - 1},
    CACHE_ENCODINGS(X)
#undef X
};

static bool is_word(const uint8_t *text, size_t bytes, const char *word)
{
    return strlen(word) == bytes && http_same_text(text, word, bytes);
}

/* The bit of a coding; ALL for "*"; 0: another. */
static unsigned bit_of(const uint8_t *text, size_t bytes)
{
    for (unsigned i = 0; i < CACHE_ENCODINGS_COUNT; i++)
        if (is_word(text, bytes, codings[i].word))
            return 1u << i;
    if (is_word(text, bytes, "x-gzip"))
        return 1u << CACHE_ENCODING_GZIP;
    if (is_word(text, bytes, "identity"))
        return IDENTITY;
    return is_word(text, bytes, "*") ? ALL : 0;
}

/* Is it more than 0? What is no weight (RFC 9110 12.4.2) counts as 0: the coding is not used. */
static bool is_weight_positive(const uint8_t *text, size_t bytes)
{
    if (bytes < 1 || bytes > 5 || text[0] < '0' || text[0] > '1')
        return false;
    bool is_above = text[0] == '1';
    for (size_t i = 1; i < bytes; i++) {
        if (i == 1 ? text[i] != '.' : !cache__is_digit(text[i]))
            return false;
        if (i > 1 && text[i] != '0') {
            if (text[0] == '1')
                return false;
            is_above = true;
        }
    }
    return is_above;
}

static size_t skip_spaces(const struct cache__member *member, size_t at)
{
    while (at < member->bytes && cache__is_space(member->at[at]))
        at++;
    return at;
}

/* Reads "coding" or "coding;q=weight". */
static void read_member(const struct cache__member *member, unsigned *taken, unsigned *refused)
{
    size_t end = 0;
    while (end < member->bytes && cache__is_token_byte(member->at[end]))
        end++;
    const unsigned bit = bit_of(member->at, end);
    bool is_taken = end == member->bytes;
    size_t at = skip_spaces(member, end);
    if (at < member->bytes && member->at[at] == ';') {
        at = skip_spaces(member, at + 1);
        if (member->bytes - at >= 2 && (member->at[at] | 0x20) == 'q' && member->at[at + 1] == '=')
            is_taken = is_weight_positive(member->at + at + 2, member->bytes - at - 2);
    }
    *(is_taken ? taken : refused) |= bit;
}

unsigned cache_encodings_read(const struct http_head *request)
{
    struct cache__list list;
    struct cache__member member;
    unsigned taken = 0, refused = 0;         /* by name */
    unsigned all_taken = 0, all_refused = 0; /* by "*", which is for those not named */
    cache__list_init(&list, request, HTTP_FIELD_ACCEPT_ENCODING);
    while (cache__list_next(&list, &member)) {
        const bool is_star = member.at[0] == '*';
        read_member(&member, is_star ? &all_taken : &taken, is_star ? &all_refused : &refused);
    }
    const unsigned named = taken | refused;
    const unsigned by_star = (all_refused == 0 ? all_taken : 0) & ~named;
    unsigned set = (taken & ~refused) | by_star;
    if ((named & IDENTITY) == 0 && all_refused == 0)
        set |= IDENTITY;
    return set;
}

size_t cache_encodings_write(unsigned set, char out[64])
{
    size_t bytes = 0;
    for (unsigned i = 0; i < CACHE_ENCODINGS_COUNT; i++) {
        if ((set >> i & 1) == 0)
            continue;
        if (bytes > 0) {
            memcpy(out + bytes, ", ", 2);
            bytes += 2;
        }
        memcpy(out + bytes, codings[i].word, codings[i].bytes);
        bytes += codings[i].bytes;
    }
    if ((set & IDENTITY) == 0) {
        const char *last = bytes > 0 ? ", identity;q=0" : "identity;q=0";
        memcpy(out + bytes, last, strlen(last));
        bytes += strlen(last);
    }
    return bytes;
}
