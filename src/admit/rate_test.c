/* SPDX-License-Identifier: Apache-2.0 */
/* admit/rate_test.c - a bucket of tokens, second by second. */
#include "admit/rate.h"

#include "core/random.h"
#include "core/units.h"

#include <criterion/criterion.h>

static const uint64_t start_ns = 1000 * NS_PER_S;

Test(rate, a_full_bucket_gives_its_burst_and_no_more)
{
    const struct rate rate = rate_of(10, NS_PER_S, 3);
    uint64_t full_ns = 0;
    for (unsigned left = 3; left-- > 0;) {
        const struct rate_verdict verdict = rate_take(&rate, &full_ns, start_ns);
        cr_expect(verdict.admitted && verdict.left_count == left);
    }
    const struct rate_verdict refused = rate_take(&rate, &full_ns, start_ns);
    cr_expect(!refused.admitted && refused.left_count == 0);
    cr_expect(refused.wait_ns == NS_PER_S / 10);
}

Test(rate, after_the_wait_it_said_there_is_exactly_one)
{
    const struct rate rate = rate_of(10, NS_PER_S, 3);
    uint64_t full_ns = 0;
    while (rate_take(&rate, &full_ns, start_ns).admitted)
        ;
    const uint64_t wait_ns = rate_take(&rate, &full_ns, start_ns + 5).wait_ns;
    cr_expect_not(rate_take(&rate, &full_ns, start_ns + 5 + wait_ns - 1).admitted);
    cr_expect(rate_take(&rate, &full_ns, start_ns + 5 + wait_ns).admitted);
    cr_expect_not(rate_take(&rate, &full_ns, start_ns + 5 + wait_ns).admitted);
}

Test(rate, a_refusal_costs_nothing)
{
    const struct rate rate = rate_of(1, NS_PER_S, 1);
    uint64_t full_ns = 0;
    cr_expect(rate_take(&rate, &full_ns, start_ns).admitted);
    for (int i = 0; i < 1000; i++)
        cr_expect_not(rate_take(&rate, &full_ns, start_ns + NS_PER_S / 2).admitted);
    cr_expect(rate_take(&rate, &full_ns, start_ns + NS_PER_S).admitted);
}

Test(rate, an_old_bucket_is_a_full_one)
{
    const struct rate rate = rate_of(5, NS_PER_S, 5);
    uint64_t used_ns = 0, fresh_ns = 0;
    while (rate_take(&rate, &used_ns, start_ns).admitted)
        ;
    const struct rate_verdict used = rate_take(&rate, &used_ns, start_ns + NS_PER_S);
    const struct rate_verdict fresh = rate_take(&rate, &fresh_ns, start_ns + NS_PER_S);
    cr_expect(used.admitted && used.left_count == fresh.left_count && used_ns == fresh_ns);
}

Test(rate, smaller_settings_are_not_held_against_anybody)
{
    const struct rate wide = rate_of(1, NS_PER_S, 1000), narrow = rate_of(1, NS_PER_S, 1);
    uint64_t full_ns = 0;
    while (rate_take(&wide, &full_ns, start_ns).admitted)
        ;
    cr_expect_not(rate_take(&narrow, &full_ns, start_ns).admitted);
    cr_expect(rate_take(&narrow, &full_ns, start_ns + NS_PER_S).admitted);
}

/* However requests come, never more than burst + rate * time get in. */
Test(rate, never_more_than_the_burst_and_the_rate)
{
    const struct rate rate = rate_of(50, NS_PER_S, 20);
    struct random random;
    random_init(&random, 7);
    uint64_t full_ns = 0, now_ns = start_ns, admitted_count = 0;
    for (int i = 0; i < 20000; i++) {
        now_ns += random_next(&random) % (10 * NS_PER_MS);
        admitted_count += rate_take(&rate, &full_ns, now_ns).admitted;
        cr_assert(admitted_count <= 20 + 50 * (now_ns - start_ns) / NS_PER_S + 1);
    }
    cr_expect(admitted_count >= 50 * (now_ns - start_ns) / NS_PER_S);
}
