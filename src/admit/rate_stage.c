/* SPDX-License-Identifier: Apache-2.0 */
/* admit/rate_stage.c - a token for each request. */
#include "admit/rate_stage.h"

#include "core/units.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

enum { FIELDS_BYTES_MAX = 128 };

/* Without memory the answer goes without them. */
static void tell(const struct rate_stage *stage, struct op *op, const struct rate_verdict *verdict)
{
    char *text = arena_take(&op->arena, FIELDS_BYTES_MAX);
    if (text == NULL)
        return;
    const int bytes =
        snprintf(text, FIELDS_BYTES_MAX, "%sRateLimit: \"default\";r=%" PRIu32 ";t=%" PRIu64 "\r\n",
                 stage->policy, verdict->left_count, seconds_up(verdict->wait_ns));
    assert(bytes > 0 && bytes < FIELDS_BYTES_MAX);
    op->answer_fields = text;
    op->answer_fields_bytes = (uint32_t)bytes;
}

static void submit(struct stage *self, struct op *op)
{
    const struct rate_stage *stage = (const struct rate_stage *)(const void *)self;
    struct service_row *row = &stage->service->rows[op->worker->index];
    const struct rate_result result = rate_table_take(
        stage->table, &stage->rate, client_key_of(&stage->rule, &stage->key, op->request),
        stage->forgets, *op->worker->now_ns);
    if (result.forgotten)
        row_add(&row->rate_forgotten_count, 1);
    if (stage->tells || !result.verdict.admitted)
        tell(stage, op, &result.verdict);
    if (result.verdict.admitted) {
        stage_submit(self->below, op);
        return;
    }
    row_add(&row->rate_limited_count, 1);
    op->answer.retry_after_s = (uint32_t)seconds_up(result.verdict.wait_ns);
    op_refuse(op, ERR_RATE_LIMIT,
              result.is_full ? "more clients ask than rate.keys says can be remembered" : NULL);
}

static const struct stage_kind kind = {.name = "rate", .submit = submit};

/* A window in the field is whole seconds. */
static void write_policy(struct rate_stage *stage, const struct rate_settings *settings)
{
    const uint64_t window_s = seconds_up(settings->per_ns);
    const double in_window =
        (double)settings->requests * (double)(window_s * NS_PER_S) / (double)settings->per_ns;
    (void)snprintf(stage->policy, sizeof stage->policy,
                   "RateLimit-Policy: \"default\";q=%.0f;w=%" PRIu64 "\r\n", in_window, window_s);
}

void rate_stage_init(struct rate_stage *stage, struct service *service, struct rate_table *table,
                     const struct rate_settings *settings, struct hash_key key, struct stage *below)
{
    *stage = (struct rate_stage){
        .stage = {.kind = &kind, .below = below},
        .service = service,
        .table = table,
        .rate = rate_of(settings->requests, settings->per_ns,
                        settings->burst != 0 ? settings->burst : settings->requests),
        .key = key,
        .forgets = settings->when_full == RATE_FULL_FORGET,
        .tells = settings->tell,
    };
    const bool is_rule = client_key_read(settings->key, &stage->rule);
    assert(is_rule);
    write_policy(stage, settings);
}
