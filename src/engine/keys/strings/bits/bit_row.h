/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/strings/bits/bit_row.h - bytes as a row of bits, the highest bit of each byte first:
 * counting, searching, and numbers of any width at any place.
 *
 * Threads: pure. */
#ifndef PANDO_ENGINE_KEYS_STRINGS_BITS_BIT_ROW_H
#define PANDO_ENGINE_KEYS_STRINGS_BITS_BIT_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool bit_row_get(const uint8_t *at, uint64_t place)
{
    return (at[place / 8] & 0x80 >> place % 8) != 0;
}

/* How many of the bits @first to @last, both included, are set. */
uint64_t bit_row_count(const uint8_t *at, uint64_t first, uint64_t last);

/* The first place from @first to @last where the bit is @bit; above @last: there is none. */
uint64_t bit_row_find(const uint8_t *at, uint64_t first, uint64_t last, bool bit);

/* The number of @width bits, 1 to 64, at @place of @bytes bytes; what lies behind them is 0. */
uint64_t bit_row_read(const uint8_t *at, size_t bytes, uint64_t place, unsigned width);

/* Writes the lowest @width bits of @number at @place; there is room. */
void bit_row_write(uint8_t *at, uint64_t place, unsigned width, uint64_t number);

#endif
