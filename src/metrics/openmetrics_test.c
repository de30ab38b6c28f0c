/* SPDX-License-Identifier: Apache-2.0 */
/* metrics/openmetrics_test.c - the text, byte by byte. */
#include "metrics/openmetrics.h"

#include "core/mem.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void expect_text(struct openmetrics *out, const char *wanted)
{
    cr_assert(!out->failed);
    cr_expect(out->bytes == strlen(wanted) && memcmp(out->text, wanted, out->bytes) == 0,
              "wanted:\n%s\ngot:\n%.*s", wanted, (int)out->bytes, out->text);
    openmetrics_fini(out);
}

Test(openmetrics, counters_get_total)
{
    struct openmetrics out = {0};
    const struct openmetrics_label labels[] = {{"service", "shop"}, {"class", "2xx"}};
    openmetrics_family(&out, OPENMETRICS_COUNTER, "pando_requests", "",
                       "requests whose head was read");
    openmetrics_counter(&out, labels, 2, 18446744073709551615u);
    openmetrics_counter(&out, labels, 1, 0);
    openmetrics_end(&out);
    expect_text(&out, "# TYPE pando_requests counter\n"
                      "# HELP pando_requests requests whose head was read\n"
                      "pando_requests_total{service=\"shop\",class=\"2xx\"} 18446744073709551615\n"
                      "pando_requests_total{service=\"shop\"} 0\n"
                      "# EOF\n");
}

Test(openmetrics, gauges_and_units)
{
    struct openmetrics out = {0};
    openmetrics_family(&out, OPENMETRICS_GAUGE, "pando_memory_bytes", "bytes", "memory");
    openmetrics_gauge(&out, NULL, 0, -5);
    openmetrics_gauge_real(&out, NULL, 0, 0.25);
    openmetrics_family(&out, OPENMETRICS_COUNTER, "process_cpu_seconds", "seconds", "CPU");
    openmetrics_counter_ns(&out, NULL, 0, 12000000034u);
    expect_text(&out, "# TYPE pando_memory_bytes gauge\n"
                      "# UNIT pando_memory_bytes bytes\n"
                      "# HELP pando_memory_bytes memory\n"
                      "pando_memory_bytes -5\n"
                      "pando_memory_bytes 0.25\n"
                      "# TYPE process_cpu_seconds counter\n"
                      "# UNIT process_cpu_seconds seconds\n"
                      "# HELP process_cpu_seconds CPU\n"
                      "process_cpu_seconds_total 12.000000034\n");
}

/* A label's value may be any text that a configuration holds, and must stay in its quotes. */
Test(openmetrics, labels_are_escaped)
{
    struct openmetrics out = {0};
    const struct openmetrics_label labels[] = {{"target", "a\\b\"c\nd"}, {"empty", ""}};
    openmetrics_family(&out, OPENMETRICS_INFO, "pando_build", "", "first \"line\"\nsecond");
    openmetrics_info(&out, labels, 2);
    expect_text(&out, "# TYPE pando_build info\n"
                      "# HELP pando_build first \\\"line\\\"\\nsecond\n"
                      "pando_build_info{target=\"a\\\\b\\\"c\\nd\",empty=\"\"} 1\n");
}

/* The same calls, the older text. */
Test(openmetrics, prometheus_names_families_like_their_samples)
{
    struct openmetrics out = {.prometheus = true};
    const struct openmetrics_label label = {"version", "1"};
    openmetrics_family(&out, OPENMETRICS_COUNTER, "pando_bytes", "bytes", "a \"b\" \\ c\nd");
    openmetrics_counter(&out, NULL, 0, 7);
    openmetrics_family(&out, OPENMETRICS_INFO, "pando_build", "", "version");
    openmetrics_info(&out, &label, 1);
    openmetrics_end(&out);
    expect_text(&out, "# TYPE pando_bytes_total counter\n"
                      "# HELP pando_bytes_total a \"b\" \\\\ c\\nd\n"
                      "pando_bytes_total 7\n"
                      "# TYPE pando_build_info gauge\n"
                      "# HELP pando_build_info version\n"
                      "pando_build_info{version=\"1\"} 1\n");
}

/* The count that stands after @bound in the text. */
static uint64_t bucket_of(const struct openmetrics *out, const char *bound)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "le=\"%s\"} ", bound);
    const char *at = memmem(out->text, out->bytes, wanted, strlen(wanted));
    cr_assert(at != NULL, "no bucket %s", bound);
    return strtoull(at + strlen(wanted), NULL, 10);
}

Test(openmetrics, histograms_are_cumulative_and_exact)
{
    struct histogram histogram = {0};
    struct histogram_view view = {0};
    struct openmetrics out = {0};
    const struct openmetrics_label label = {"service", "shop"};
    const uint64_t values[] = {100, 127, 128, 1500, 40000000};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        histogram_record(&histogram, values[i]);
    histogram_add(&view, &histogram);
    openmetrics_family(&out, OPENMETRICS_HISTOGRAM, "pando_duration_seconds", "seconds", "time");
    openmetrics_histogram(&out, &label, 1, &view);
    openmetrics_end(&out);
    cr_expect(bucket_of(&out, "0.000128") == 2);
    cr_expect(bucket_of(&out, "0.000256") == 3);
    cr_expect(bucket_of(&out, "0.001024") == 3);
    cr_expect(bucket_of(&out, "0.002048") == 4);
    cr_expect(bucket_of(&out, "33.554432") == 4);
    cr_expect(bucket_of(&out, "+Inf") == 5);
    cr_expect(memmem(out.text, out.bytes, "pando_duration_seconds_count{service=\"shop\"} 5\n",
                     47) != NULL);
    cr_expect(memmem(out.text, out.bytes,
                     "pando_duration_seconds_sum{service=\"shop\"} 40.001855\n", 53) != NULL);
    openmetrics_fini(&out);
}

Test(openmetrics, a_long_text_grows)
{
    struct openmetrics out = {0};
    openmetrics_family(&out, OPENMETRICS_GAUGE, "pando_g", "", "many");
    for (int i = 0; i < 100000; i++)
        openmetrics_gauge(&out, NULL, 0, 7);
    openmetrics_end(&out);
    cr_expect(!out.failed && out.bytes > 1000000);
    cr_expect(memcmp(out.text + out.bytes - 6, "# EOF\n", 6) == 0);
    openmetrics_fini(&out);
}

#ifdef PANDO_FAULTS
Test(openmetrics, lack_of_memory_is_remembered)
{
    struct openmetrics out = {0};
    fault_fail_nth(FAULT_ALLOCATION, 2);
    openmetrics_family(&out, OPENMETRICS_GAUGE, "pando_g", "", "many");
    for (int i = 0; i < 100000; i++)
        openmetrics_gauge(&out, NULL, 0, 7);
    openmetrics_end(&out);
    cr_expect(out.failed && out.bytes < 20000);
    openmetrics_fini(&out);
}
#endif

Test(openmetrics, a_sample_of_another_sort_is_a_bug, .signal = SIGABRT)
{
    struct openmetrics out = {0};
    openmetrics_family(&out, OPENMETRICS_GAUGE, "pando_g", "", "one");
    openmetrics_counter(&out, NULL, 0, 1);
}
