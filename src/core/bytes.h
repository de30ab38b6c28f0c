/* SPDX-License-Identifier: Apache-2.0 */
/* core/bytes.h - bytes that lie somewhere else, and the numbers that are written in them.
 *
 * Memory:  a struct bytes owns nothing; whoever made it says how long they stay.
 * Threads: pure.
 * Errors:  readers give false for what is not exactly a number. */
#ifndef PANDO_CORE_BYTES_H
#define PANDO_CORE_BYTES_H

#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *at; /* may be NULL if count is 0 */
    size_t         count;
};

enum {
    BYTES_INT64_MAX = 20,  /* characters of any int64_t */
    BYTES_DOUBLE_MAX = 32, /* characters of any double as written here */
};

/* The bytes of a text that ends in NUL, without it. */
static inline struct bytes bytes_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.count == b.count && (a.count == 0 || memcmp(a.at, b.at, a.count) == 0);
}

/* Order of the unsigned bytes; what is a prefix of the other comes first. Below 0, 0, above 0. */
static inline int bytes_compare(struct bytes a, struct bytes b)
{
    const size_t common = a.count < b.count ? a.count : b.count;
    const int order = common == 0 ? 0 : memcmp(a.at, b.at, common);
    return order != 0 ? order : (a.count > b.count) - (a.count < b.count);
}

/* Is it @word, which is in lower case, in any case? */
bool bytes_is_word(struct bytes bytes, const char *word);

/* A whole decimal number that is written as we would write it: no space, no plus, no leading zero,
 * nothing behind it. */
bool bytes_read_int64(struct bytes bytes, int64_t *number) must_check;

/* The same without a sign, up to UINT64_MAX. */
bool bytes_read_uint64(struct bytes bytes, uint64_t *number) must_check;

/* As strtod() reads it, whole, without space before it and not nan; inf and -inf are numbers. At
 * most 400 characters. */
bool bytes_read_double(struct bytes bytes, double *number) must_check;

/* Writes @number to @out of at least BYTES_INT64_MAX bytes; returns how many. Not NUL-ended. */
unsigned bytes_write_int64(uint8_t *out, int64_t number);

/* Writes @number to @out of at least BYTES_DOUBLE_MAX bytes as Redis answers it: whole numbers
 * without a point, others with 17 significant digits, inf and -inf. Returns how many. */
unsigned bytes_write_double(uint8_t *out, double number);

#endif
