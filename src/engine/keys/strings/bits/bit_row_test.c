/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/strings/bits/bit_row_test.c - rows of bits against what goes bit by bit. */
#include "engine/keys/strings/bits/bit_row.h"

#include "core/random.h"

#include <criterion/criterion.h>
#include <string.h>

enum { ROW_BYTES = 41, ROW_BITS = ROW_BYTES * 8, ROUNDS = 20000 };

/* Mostly of equal bytes, so that searches go far. */
static void draw_row(struct random *random, uint8_t *row)
{
    memset(row, random_below(random_next(random), 2) == 0 ? 0 : 0xff, ROW_BYTES);
    for (uint32_t i = random_below(random_next(random), 5); i > 0; i--)
        row[random_below(random_next(random), ROW_BYTES)] = (uint8_t)random_next(random);
}

static void draw_range(struct random *random, uint64_t *first, uint64_t *last)
{
    *first = random_below(random_next(random), ROW_BITS);
    *last = *first + random_below(random_next(random), (uint32_t)(ROW_BITS - *first));
}

Test(bit_row, counts_what_is_set)
{
    struct random random;
    random_init(&random, 1);
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t row[ROW_BYTES];
        uint64_t first, last, count = 0;
        draw_row(&random, row);
        draw_range(&random, &first, &last);
        for (uint64_t place = first; place <= last; place++)
            count += bit_row_get(row, place);
        cr_assert(bit_row_count(row, first, last) == count, "%d", round);
    }
}

Test(bit_row, finds_the_first)
{
    struct random random;
    random_init(&random, 2);
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t row[ROW_BYTES];
        uint64_t first, last;
        const bool bit = round % 2 == 0;
        draw_row(&random, row);
        draw_range(&random, &first, &last);
        uint64_t place = first;
        while (place <= last && bit_row_get(row, place) != bit)
            place++;
        const uint64_t found = bit_row_find(row, first, last, bit);
        cr_assert(place > last ? found > last : found == place, "%d", round);
    }
}

static uint64_t read_slowly(const uint8_t *row, uint64_t place, unsigned width)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < width; i++)
        number = number << 1 | (place + i < ROW_BITS && bit_row_get(row, place + i));
    return number;
}

Test(bit_row, reads_numbers_also_over_the_end)
{
    struct random random;
    random_init(&random, 3);
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t row[ROW_BYTES];
        draw_row(&random, row);
        const uint64_t place = random_below(random_next(&random), ROW_BITS + 100);
        const unsigned width = 1 + random_below(random_next(&random), 64);
        cr_assert(bit_row_read(row, ROW_BYTES, place, width) == read_slowly(row, place, width),
                  "%d", round);
    }
}

Test(bit_row, writes_a_number_and_nothing_beside_it)
{
    struct random random;
    random_init(&random, 4);
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t row[ROW_BYTES], was[ROW_BYTES];
        draw_row(&random, row);
        memcpy(was, row, sizeof row);
        const unsigned width = 1 + random_below(random_next(&random), 64);
        const uint64_t place = random_below(random_next(&random), ROW_BITS - width + 1);
        const uint64_t number = random_next(&random);
        bit_row_write(row, place, width, number);
        const uint64_t kept = width == 64 ? number : number & (((uint64_t)1 << width) - 1);
        cr_assert(read_slowly(row, place, width) == kept, "%d", round);
        for (uint64_t i = 0; i < ROW_BITS; i++)
            cr_assert(i - place < width || bit_row_get(row, i) == bit_row_get(was, i), "%d", round);
    }
}
