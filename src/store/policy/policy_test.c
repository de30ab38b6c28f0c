/* SPDX-License-Identifier: Apache-2.0 */
/* store/policy/policy_test.c - what policies promise: held entries stay, and hits are worth it. */
#include "store/policy/policy.h"

#include "store/policy/ratios_testing.h"

#include <criterion/criterion.h>

enum { ENTRIES = 64, EACH = 128 };
static struct store_entry entries[ENTRIES];
static struct policy policy;
static struct list victims;

static void start(enum store_policy of, uint64_t capacity_bytes)
{
    policy_init(&policy, policy_kind_of(of));
    policy.capacity_bytes = capacity_bytes;
    list_init(&victims);
    if (policy.kind->needs_sketch)
        cr_assert(sketch_init(&policy.sketch, 1000));
    for (unsigned i = 0; i < ENTRIES; i++) {
        entries[i] = (struct store_entry){.hash = i, .charged_bytes = EACH, .refs_count = 1};
        link_init(&entries[i].link);
    }
}

static bool admit(unsigned number)
{
    return policy.kind->admit(&policy, &entries[number], &victims, 0);
}

static void use(unsigned number)
{
    policy_set_uses(&entries[number], 1);
    if (policy.kind->touch != NULL)
        policy.kind->touch(&policy, &entries[number]);
    if (policy.kind->promote != NULL)
        policy.kind->promote(&policy, &entries[number]);
}

static unsigned evict(void)
{
    struct store_entry *entry = policy.kind->evict(&policy);
    cr_assert(entry != NULL);
    return (unsigned)(entry - entries);
}

Test(policy, of_every_kind_lets_go_of_all_but_what_is_held)
{
    for (enum store_policy of = 0; of < STORE_POLICIES_COUNT; of++) {
        bool gone[ENTRIES] = {false};
        start(of, ENTRIES * EACH);
        for (unsigned i = 0; i < ENTRIES; i++)
            cr_expect(admit(i));
        cr_expect(list_is_empty(&victims) && policy_bytes(&policy) == ENTRIES * EACH);
        entries[5].refs_count = entries[63].refs_count = 2;
        for (unsigned i = 0; i < ENTRIES - 2; i++) {
            const unsigned number = evict();
            cr_expect(!gone[number] && number != 5 && number != 63);
            gone[number] = true;
        }
        cr_expect(policy.kind->evict(&policy) == NULL && policy_bytes(&policy) == 2 * EACH);
        entries[5].refs_count = 1;
        cr_expect(evict() == 5);
        policy_leave(&policy, &entries[63]);
        cr_expect(policy_bytes(&policy) == 0);
        sketch_fini(&policy.sketch);
    }
}

Test(policy, of_every_kind_prefers_what_was_used)
{
    for (enum store_policy of = 0; of < STORE_POLICIES_COUNT; of++) {
        start(of, ENTRIES * EACH);
        for (unsigned i = 0; i < ENTRIES; i++)
            cr_expect(admit(i));
        for (unsigned i = 0; i < ENTRIES; i += 4)
            use(i);
        for (unsigned i = 0; i < ENTRIES / 2; i++)
            cr_expect(evict() % 4 != 0, "policy %d, %u", (int)of, i);
        sketch_fini(&policy.sketch);
    }
}

Test(policy, lru_goes_by_the_last_use)
{
    start(STORE_LRU, ENTRIES * EACH);
    for (unsigned i = 0; i < 4; i++)
        cr_expect(admit(i));
    use(0);
    use(2);
    cr_expect(evict() == 1 && evict() == 3 && evict() == 0 && evict() == 2);
}

Test(policy, sieve_leaves_survivors_where_they_are)
{
    start(STORE_SIEVE, ENTRIES * EACH);
    for (unsigned i = 0; i < 4; i++)
        cr_expect(admit(i));
    use(0);
    use(1);
    cr_expect(evict() == 2, "the hand passed 0 and 1");
    cr_expect(admit(4));
    cr_expect(evict() == 3 && evict() == 4 && evict() == 0, "and goes on from there");
}

Test(policy, sieve_survives_the_leaving_of_what_its_hand_is_on)
{
    start(STORE_SIEVE, ENTRIES * EACH);
    for (unsigned i = 0; i < 4; i++)
        cr_expect(admit(i));
    use(0);
    cr_expect(evict() == 1);
    policy_leave(&policy, &entries[2]);
    cr_expect(evict() == 3 && evict() == 0);
}

Test(policy, s3_fifo_does_not_let_one_that_comes_once_push_out_one_that_came_often)
{
    start(STORE_S3_FIFO, 4 * EACH);
    for (unsigned i = 0; i < 4; i++)
        cr_expect(admit(i));
    for (unsigned i = 0; i < 4; i++)
        sketch_add(&policy.sketch, i);
    cr_expect_not(admit(10));
    cr_expect(list_is_empty(&victims) && policy_bytes(&policy) == 4 * EACH);
    cr_expect(admit(10), "now it came as often");
    cr_expect(!list_is_empty(&victims));
    sketch_fini(&policy.sketch);
}

Test(policy, s3_fifo_weighs_a_large_one_against_all_that_it_would_push_out)
{
    start(STORE_S3_FIFO, 8 * EACH);
    for (unsigned i = 0; i < 8; i++)
        cr_expect(admit(i));
    entries[20].charged_bytes = 3 * EACH;
    for (int comes = 1; comes <= 3; comes++)
        cr_expect_not(admit(20), "three that came once are worth as much");
    cr_expect(admit(20), "the fourth time");
    cr_expect(policy_bytes(&policy) == 8 * EACH);
    sketch_fini(&policy.sketch);
}

Test(sketch, counts_up_to_fifteen_forgets_by_halves_and_grows_without_losing)
{
    struct sketch sketch;
    cr_assert(sketch_init(&sketch, 4096));
    for (int i = 0; i < 20; i++)
        sketch_add(&sketch, 42);
    for (int i = 0; i < 3; i++)
        sketch_add(&sketch, 43);
    cr_expect(sketch_count(&sketch, 42) == 15 && sketch_count(&sketch, 43) == 3);
    cr_expect(sketch_count(&sketch, 44) == 0);
    const size_t bytes = sketch_bytes(&sketch);
    cr_expect(sketch_is_small(&sketch, 1000));
    sketch_grow(&sketch);
    cr_expect(sketch_bytes(&sketch) == 2 * bytes && !sketch_is_small(&sketch, 1000));
    cr_expect(sketch_count(&sketch, 42) == 15 && sketch_count(&sketch, 43) == 3);
    for (uint64_t hash = 1000; hash < 1000 + 10240; hash++)
        sketch_add(&sketch, hash << 20);
    cr_expect(sketch_count(&sketch, 42) < 15, "%u", sketch_count(&sketch, 42));
    sketch_fini(&sketch);
}

/* The figures that docs/cache-hit-ratios.md shows. */
Test(policy, s3_fifo_is_worth_eight_points_more_than_lru_and_loses_nothing_by_scans)
{
    const double lru = ratios_run(STORE_LRU, RATIOS_ZIPF, 5, 15);
    const double s3_fifo = ratios_run(STORE_S3_FIFO, RATIOS_ZIPF, 5, 15);
    const double with_scans = ratios_run(STORE_S3_FIFO, RATIOS_SCAN, 5, 15);
    cr_expect(s3_fifo >= lru + 0.08, "%.4f, and lru %.4f", s3_fifo, lru);
    cr_expect(with_scans >= ratios_run(STORE_LRU, RATIOS_SCAN, 5, 15));
    cr_expect(with_scans >= s3_fifo - 0.01, "%.4f of %.4f", with_scans, s3_fifo);
}

Test(policy, s3_fifo_is_nowhere_below_lru)
{
    for (enum ratios_stream stream = 0; stream < RATIOS_STREAMS_COUNT; stream++) {
        const double lru = ratios_run(STORE_LRU, stream, 10, 9);
        const double s3_fifo = ratios_run(STORE_S3_FIFO, stream, 10, 9);
        cr_expect(s3_fifo >= lru, "stream %d: %.4f, and lru %.4f", (int)stream, s3_fifo, lru);
    }
}
