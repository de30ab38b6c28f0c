/* SPDX-License-Identifier: Apache-2.0 */
/* cache/rules/encoding.c - which content codings a client takes (RFC 9110 12.5.3). */
#include "cache/rules/parts.h"

#include <string.h>

enum {
    ALL = (1u << (CACHE_ENCODINGS_COUNT + 1)) - 1,
    IDENTITY = 1u << CACHE_ENCODING_IDENTITY,
    WEIGHT_MAX = 1000,
};

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

/* In thousandths. What is no weight (RFC 9110 12.4.2) counts as 0: the coding is not used. */
static unsigned weight_of(const uint8_t *text, size_t bytes)
{
    if (bytes < 1 || bytes > 5 || text[0] < '0' || text[0] > '1')
        return 0;
    unsigned weight = text[0] == '1' ? WEIGHT_MAX : 0;
    unsigned place = 100;
    for (size_t i = 1; i < bytes; i++) {
        if (i == 1 ? text[i] != '.' : !cache__is_digit(text[i]))
            return 0;
        if (i > 1) {
            weight += place * (unsigned)(text[i] - '0');
            place /= 10;
        }
    }
    return weight <= WEIGHT_MAX ? weight : 0;
}

static size_t skip_spaces(const struct cache__member *member, size_t at)
{
    while (at < member->bytes && cache__is_space(member->at[at]))
        at++;
    return at;
}

/* What a request says of each coding. */
struct wishes {
    unsigned taken, refused;                     /* by name */
    unsigned all_taken, all_refused;             /* by "*", which is for those not named */
    unsigned weights[CACHE_ENCODINGS_COUNT + 1]; /* the highest by name */
    unsigned all_weight;
};

static void add_weight(struct wishes *wishes, unsigned bit, unsigned weight)
{
    for (unsigned i = 0; i <= CACHE_ENCODINGS_COUNT; i++)
        if (bit == 1u << i && weight > wishes->weights[i])
            wishes->weights[i] = weight;
    if (bit == ALL && weight > wishes->all_weight)
        wishes->all_weight = weight;
}

/* Reads "coding" or "coding;q=weight". */
static void read_member(struct wishes *wishes, const struct cache__member *member)
{
    size_t end = 0;
    while (end < member->bytes && cache__is_token_byte(member->at[end]))
        end++;
    const unsigned bit = bit_of(member->at, end);
    unsigned weight = end == member->bytes ? WEIGHT_MAX : 0;
    size_t at = skip_spaces(member, end);
    if (at < member->bytes && member->at[at] == ';') {
        at = skip_spaces(member, at + 1);
        if (member->bytes - at >= 2 && (member->at[at] | 0x20) == 'q' && member->at[at + 1] == '=')
            weight = weight_of(member->at + at + 2, member->bytes - at - 2);
    }
    const bool is_star = member->at[0] == '*';
    unsigned *set = weight > 0 ? (is_star ? &wishes->all_taken : &wishes->taken)
                               : (is_star ? &wishes->all_refused : &wishes->refused);
    *set |= bit;
    add_weight(wishes, bit, weight);
}

static void read_wishes(struct wishes *wishes, const struct http_head *request)
{
    struct cache__list list;
    struct cache__member member;
    *wishes = (struct wishes){0};
    cache__list_init(&list, request, HTTP_FIELD_ACCEPT_ENCODING);
    while (cache__list_next(&list, &member))
        read_member(wishes, &member);
}

static unsigned set_of(const struct wishes *wishes)
{
    const unsigned named = wishes->taken | wishes->refused;
    const unsigned by_star = (wishes->all_refused == 0 ? wishes->all_taken : 0) & ~named;
    unsigned set = (wishes->taken & ~wishes->refused) | by_star;
    if ((named & IDENTITY) == 0 && wishes->all_refused == 0)
        set |= IDENTITY;
    return set;
}

unsigned cache_encodings_read(const struct http_head *request)
{
    struct wishes wishes;
    read_wishes(&wishes, request);
    return set_of(&wishes);
}

/* --- Of those, the one ----------------------------------------------------------------------- */

/* Identity that is not named is what is left if nothing else is wanted: its weight is 0. */
static unsigned weight_in(const struct wishes *wishes, unsigned coding)
{
    const unsigned named = wishes->taken | wishes->refused;
    if ((named >> coding & 1) != 0)
        return wishes->weights[coding];
    return coding == CACHE_ENCODING_IDENTITY ? 0 : wishes->all_weight;
}

unsigned cache_encodings_reduce(const struct http_head *request, unsigned makes)
{
    struct wishes wishes;
    read_wishes(&wishes, request);
    const unsigned set = set_of(&wishes);
    unsigned best = CACHE_ENCODING_IDENTITY;
    unsigned best_weight = 0;
    for (unsigned i = 0; i <= CACHE_ENCODINGS_COUNT; i++) {
        const unsigned weight = weight_in(&wishes, i);
        if ((set & (makes | IDENTITY) & 1u << i) != 0 && weight > best_weight) {
            best = i;
            best_weight = weight;
        }
    }
    return ((1u << best) | IDENTITY) & set;
}

enum cache_encoding cache_encodings_best(unsigned reduced)
{
    for (unsigned i = 0; i < CACHE_ENCODINGS_COUNT; i++)
        if ((reduced >> i & 1) != 0)
            return (enum cache_encoding)i;
    return CACHE_ENCODING_IDENTITY;
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
