/* SPDX-License-Identifier: Apache-2.0 */
/* core/random_test.c - the published sequences, and draws that are spread evenly. */
#include "core/random.h"

#include <criterion/criterion.h>

/* splitmix64 from the seed 1234567, as its authors' program prints it. */
Test(random, mixes_as_splitmix64_does)
{
    const uint64_t wanted[] = {6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                               4593380528125082431u, 16408922859458223821u};
    uint64_t seed = 1234567;
    for (int i = 0; i < 5; i++)
        cr_expect(random_mix(&seed) == wanted[i], "draw %d", i);
}

/* xoshiro256++ from the state 1, 2, 3, 4. */
Test(random, draws_as_xoshiro256_plus_plus_does)
{
    const uint64_t wanted[] = {
        41943041u,           58720359u, 3588806011781223u, 3591011842654386u, 9228616714210784205u,
        9973669472204895162u};
    struct random random = {.state = {1, 2, 3, 4}};
    for (int i = 0; i < 6; i++)
        cr_expect(random_next(&random) == wanted[i], "draw %d", i);
}

Test(random, the_same_seed_gives_the_same_draws)
{
    struct random one, same, other;
    random_init(&one, 5);
    random_init(&same, 5);
    random_init(&other, 6);
    int different = 0;
    for (int i = 0; i < 100; i++) {
        const uint64_t draw = random_next(&one);
        cr_expect(draw == random_next(&same));
        different += draw != random_next(&other);
    }
    cr_expect(different == 100);
}

Test(random, below_reaches_both_ends_and_not_beyond)
{
    cr_expect(random_below(0, 10) == 0);
    cr_expect(random_below(UINT64_MAX, 10) == 9);
    cr_expect(random_below(UINT64_MAX, 1) == 0);
    cr_expect(random_below(UINT64_MAX, UINT32_MAX) == UINT32_MAX - 1);
}

/* 100,000 draws into 10 places: each is within 5 standard deviations (475) of 10,000. */
Test(random, below_is_even)
{
    int counts[10] = {0};
    struct random random;
    random_init(&random, 1);
    for (int i = 0; i < 100000; i++)
        counts[random_below(random_next(&random), 10)]++;
    for (int i = 0; i < 10; i++)
        cr_expect(counts[i] > 10000 - 475 && counts[i] < 10000 + 475, "%d: %d", i, counts[i]);
}
