/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/strings/bits/bit_row.c - rows of bits, eight bytes at a time where it can be. */
#include "engine/keys/strings/bits/bit_row.h"

#include <string.h>

/* Eight bytes from @at on, the first bit of the row as the highest. */
static uint64_t load(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return __builtin_bswap64(word);
}

/* Up to eight bytes, from the highest on, the rest 0. */
static uint64_t load_some(const uint8_t *at, size_t bytes)
{
    uint64_t word = 0;
    memcpy(&word, at, bytes < sizeof word ? bytes : sizeof word);
    return __builtin_bswap64(word);
}

/* @count ones from the highest bit on. */
static uint64_t ones(uint64_t count)
{
    return count == 0 ? 0 : ~(uint64_t)0 << (64 - count);
}

uint64_t bit_row_count(const uint8_t *at, uint64_t first, uint64_t last)
{
    const uint64_t begin = first / 8, end = last / 8 + 1;
    uint64_t count = 0, byte = begin;
    for (; byte + 8 <= end; byte += 8)
        count += (uint64_t)__builtin_popcountll(load(at + byte));
    for (; byte < end; byte++)
        count += (uint64_t)__builtin_popcount(at[byte]);
    const unsigned before = at[begin] & ~(0xffu >> first % 8) & 0xff;
    const unsigned after = at[end - 1] & (0x7fu >> last % 8);
    return count - (uint64_t)__builtin_popcount(before) - (uint64_t)__builtin_popcount(after);
}

uint64_t bit_row_find(const uint8_t *at, uint64_t first, uint64_t last, bool bit)
{
    const uint64_t end = last / 8 + 1, flip = bit ? 0 : ~(uint64_t)0;
    for (uint64_t byte = first / 8; byte < end; byte += 8) {
        uint64_t word =
            (byte + 8 <= end ? load(at + byte) : load_some(at + byte, end - byte)) ^ flip;
        if (byte == first / 8)
            word &= ~ones(first % 8);
        if (word != 0)
            return byte * 8 + (uint64_t)__builtin_clzll(word);
    }
    return last + 1;
}

uint64_t bit_row_read(const uint8_t *at, size_t bytes, uint64_t place, unsigned width)
{
    const uint64_t byte = place / 8;
    const unsigned shift = place % 8;
    if (byte >= bytes)
        return 0;
    uint64_t word = load_some(at + byte, bytes - byte) << shift;
    if (shift != 0 && byte + 8 < bytes)
        word |= (uint64_t)at[byte + 8] >> (8 - shift);
    return word >> (64 - width);
}

void bit_row_write(uint8_t *at, uint64_t place, unsigned width, uint64_t number)
{
    for (unsigned done = 0; done < width;) {
        const unsigned from = (unsigned)((place + done) % 8);
        const unsigned most = 8 - from, left = width - done, count = most < left ? most : left;
        const unsigned mask = (0xffu >> (8 - count)) << (most - count);
        const unsigned bits = (unsigned)(number >> (left - count)) << (most - count) & mask;
        uint8_t *byte = &at[(place + done) / 8];
        *byte = (uint8_t)((*byte & ~mask) | bits);
        done += count;
    }
}
