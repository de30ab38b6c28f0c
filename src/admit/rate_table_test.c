/* SPDX-License-Identifier: Apache-2.0 */
/* admit/rate_table_test.c - many clients in few places. */
#include "admit/rate_table.h"

#include "core/units.h"

#include <criterion/criterion.h>

static struct keep keep;
static struct rate_table *table;
static const uint64_t now_ns = 1000 * NS_PER_S;

static void start(uint32_t keys)
{
    keep_init(&keep);
    table = rate_table_get(&keep, "shop", keys);
    cr_assert(table != NULL);
}

static void finish(void)
{
    rate_table_give(table);
    keep_fini(&keep);
}

Test(rate_table, clients_do_not_share_a_bucket)
{
    const struct rate rate = rate_of(1, NS_PER_S, 1);
    start(1024);
    for (uint64_t client = 1; client <= 8; client++)
        cr_expect(rate_table_take(table, &rate, client << 40, true, now_ns).verdict.admitted);
    for (uint64_t client = 1; client <= 8; client++)
        cr_expect_not(rate_table_take(table, &rate, client << 40, true, now_ns).verdict.admitted);
    finish();
}

Test(rate_table, when_full_the_one_that_used_the_least_is_forgotten)
{
    const struct rate rate = rate_of(1, NS_PER_S, 4);
    start(8);
    for (uint64_t client = 1; client <= 8; client++)
        cr_expect(rate_table_take(table, &rate, client, true, now_ns).verdict.admitted);
    while (rate_table_take(table, &rate, 1, true, now_ns).verdict.admitted)
        ;
    for (uint64_t client = 100; client < 1000; client++) {
        const struct rate_result result = rate_table_take(table, &rate, client, true, now_ns);
        cr_expect(result.verdict.admitted && result.forgotten && !result.is_full);
    }
    cr_expect_not(rate_table_take(table, &rate, 1, true, now_ns).verdict.admitted,
                  "who asks the most is still known");
    finish();
}

Test(rate_table, when_full_a_newcomer_may_be_refused_until_a_bucket_is_full_again)
{
    const struct rate rate = rate_of(1, NS_PER_S, 4);
    start(8);
    for (uint64_t client = 1; client <= 8; client++)
        cr_expect(rate_table_take(table, &rate, client, false, now_ns).verdict.admitted);
    const struct rate_result refused = rate_table_take(table, &rate, 9, false, now_ns);
    cr_expect(refused.is_full && !refused.verdict.admitted);
    cr_expect(refused.verdict.wait_ns == NS_PER_S);
    cr_expect(rate_table_take(table, &rate, 9, false, now_ns + NS_PER_S).verdict.admitted);
    finish();
}

Test(rate_table, a_reload_keeps_the_buckets_unless_their_number_changes)
{
    const struct rate rate = rate_of(1, NS_PER_S, 1);
    start(64);
    cr_expect(rate_table_take(table, &rate, 5, true, now_ns).verdict.admitted);
    struct rate_table *same = rate_table_get(&keep, "shop", 64);
    cr_expect(same == table);
    rate_table_give(same);
    struct rate_table *other = rate_table_get(&keep, "shop", 128);
    cr_expect(other != table);
    cr_expect(rate_table_take(other, &rate, 5, true, now_ns).verdict.admitted);
    rate_table_give(other);
    finish();
}
