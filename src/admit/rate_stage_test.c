/* SPDX-License-Identifier: Apache-2.0 */
/* admit/rate_stage_test.c - what a client hears that asks too often. */
#include "admit/rate_stage.h"

#include "core/units.h"
#include "path/path_testing.h"

#include <criterion/criterion.h>

static struct bench bench;
static struct keep keep;
static struct rate_table *table;
static struct rate_stage room;

static void start(const struct rate_settings *settings)
{
    bench_init(&bench, 1);
    bench.keep_ops = true;
    keep_init(&keep);
    table = rate_table_get(&keep, "shop", settings->keys);
    cr_assert(table != NULL);
    rate_stage_init(&room, &bench.service, table, settings, (struct hash_key){.k = {1, 2}},
                    &bench.below.stage);
}

static void finish(void)
{
    rate_table_give(table);
    keep_fini(&keep);
    bench_fini(&bench);
}

static struct op *submit(void)
{
    struct op *op = bench_op(&bench, HTTP_METHOD_GET);
    bench.seen = (struct bench_seen){0};
    strcpy(op->request->client, "10.0.0.1");
    op->request->origin = op->request->client;
    stage_submit(&room.stage, op);
    return op;
}

static bool says(const struct op *op, const char *fields)
{
    return op->answer_fields_bytes == strlen(fields) &&
           memcmp(op->answer_fields, fields, strlen(fields)) == 0;
}

Test(rate_stage, one_over_the_rate_hears_when_to_come_again)
{
    const struct rate_settings settings = {
        .requests = 2, .per_ns = 10 * NS_PER_S, .key = "address", .keys = 64};
    start(&settings);
    for (int i = 0; i < 2; i++) {
        struct op *op = submit();
        cr_expect(bench.below.ops_count == 1 && op->answer_fields == NULL);
        bench_answer(&bench, 200);
        op_free(op);
    }
    struct op *op = submit();
    cr_expect(bench.seen.error == ERR_RATE_LIMIT && bench.seen.finished_count == 1);
    cr_expect(bench.seen.retry_after_s == 5 && bench.row.rate_limited_count == 1);
    cr_expect(says(op, "RateLimit-Policy: \"default\";q=2;w=10\r\n"
                       "RateLimit: \"default\";r=0;t=5\r\n"));
    op_free(op);
    bench.now_ns += 5 * NS_PER_S;
    op = submit();
    cr_expect(bench.below.ops_count == 1);
    bench_answer(&bench, 200);
    op_free(op);
    finish();
}

Test(rate_stage, whoever_is_let_in_hears_what_is_left_if_a_setting_asks)
{
    const struct rate_settings settings = {.requests = 1,
                                           .per_ns = NS_PER_S / 2,
                                           .burst = 3,
                                           .key = "address",
                                           .keys = 64,
                                           .tell = true};
    start(&settings);
    struct op *op = submit();
    cr_expect(says(op, "RateLimit-Policy: \"default\";q=2;w=1\r\n"
                       "RateLimit: \"default\";r=2;t=1\r\n"));
    bench_answer(&bench, 200);
    op_free(op);
    finish();
}
