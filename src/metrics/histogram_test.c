/* SPDX-License-Identifier: Apache-2.0 */
/* metrics/histogram_test.c - buckets, sums and quantiles. */
#include "metrics/histogram.h"

#include "core/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(histogram, is_no_larger_than_promised)
{
    cr_expect(sizeof(struct histogram) == 1544);
}

/* Every value lies in the bucket that begins at or below it, and below the next one. */
Test(histogram, buckets_leave_no_gap)
{
    for (unsigned i = 0; i + 1 < HISTOGRAM_BUCKETS; i++) {
        const uint64_t from = histogram_bucket_from_us(i);
        const uint64_t to = histogram_bucket_from_us(i + 1);
        cr_assert(to > from, "bucket %u is empty", i);
        cr_assert(histogram_bucket(from) == i && histogram_bucket(to - 1) == i, "bucket %u", i);
        cr_assert(to - from == 1 || (double)(to - from) / (double)from <= 0.125, "bucket %u", i);
    }
    cr_expect(histogram_bucket(60u * 1000 * 1000) < HISTOGRAM_BUCKETS - 1);
    cr_expect(histogram_bucket(UINT64_MAX) == HISTOGRAM_BUCKETS - 1);
}

Test(histogram, counts_and_sums_over_workers)
{
    struct histogram one = {0}, other = {0};
    struct histogram_view view = {0};
    histogram_record(&one, 10);
    histogram_record(&one, 1000);
    histogram_record(&other, 10);
    histogram_add(&view, &one);
    histogram_add(&view, &other);
    cr_expect(view.count == 3 && view.sum_us == 1020);
    cr_expect(view.counts[histogram_bucket(10)] == 2);
}

Test(histogram, has_no_quantile_while_empty)
{
    const struct histogram_view view = {0};
    cr_expect(histogram_quantile_us(&view, 0.5) == 0);
}

static int compare(const void *a, const void *b)
{
    const uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;
    return one < other ? -1 : one > other;
}

/* Against the sorted values themselves, over five orders of magnitude. */
Test(histogram, quantiles_are_off_by_at_most_a_sixteenth)
{
    enum { COUNT = 20000 };
    static uint64_t values[COUNT];
    struct histogram histogram = {0};
    struct histogram_view view = {0};
    struct random random;
    random_init(&random, 1);
    for (int i = 0; i < COUNT; i++) {
        values[i] = 1ull << random_below(random_next(&random), 20);
        values[i] += random_below(random_next(&random), (uint32_t)values[i]);
        histogram_record(&histogram, values[i]);
    }
    histogram_add(&view, &histogram);
    qsort(values, COUNT, sizeof values[0], compare);
    const double quantiles[] = {0, 0.01, 0.5, 0.9, 0.99, 0.999, 1};
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
        size_t rank = (size_t)(quantiles[i] * COUNT);
        rank = rank < COUNT ? rank : COUNT - 1;
        const double truth = (double)values[rank];
        const double got = (double)histogram_quantile_us(&view, quantiles[i]);
        cr_expect(got >= truth * 0.93 - 1 && got <= truth * 1.07 + 1, "q %g: %g is told as %g",
                  quantiles[i], truth, got);
    }
}

Test(histogram, counts_up_to_a_bound)
{
    struct histogram histogram = {0};
    struct histogram_view view = {0};
    const uint64_t values[] = {1, 5, 127, 128, 5000, 1000000000};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        histogram_record(&histogram, values[i]);
    histogram_add(&view, &histogram);
    cr_expect(histogram_count_up_to(&view, 0) == 0);
    cr_expect(histogram_count_up_to(&view, 127) == 3);
    cr_expect(histogram_count_up_to(&view, 8191) == 5);
    cr_expect(histogram_count_up_to(&view, UINT64_MAX - 1) == 5, "the last bucket has no end");
}

Test(histogram, a_difference_is_what_came_since)
{
    struct histogram histogram = {0};
    struct histogram_view before = {0}, after = {0};
    histogram_record(&histogram, 100);
    histogram_add(&before, &histogram);
    histogram_record(&histogram, 9000);
    histogram_add(&after, &histogram);
    histogram_subtract(&after, &before);
    cr_expect(after.count == 1 && after.sum_us == 9000);
    cr_expect(after.counts[histogram_bucket(9000)] == 1 &&
              after.counts[histogram_bucket(100)] == 0);
}
