/* SPDX-License-Identifier: Apache-2.0 */
/* session/sticky_stage_test.c - when a cookie is set, and when not. */
#include "session/sticky_stage.h"

#include "core/units.h"
#include "path/path_testing.h"

#include <criterion/criterion.h>

static const struct sticky_settings settings = {.cookie = "t", .for_ns = 1000 * NS_PER_S};
static const struct session_keys keys = {.count = 1, .at = {{{1}}}};
static struct bench bench;
static struct sticky_stage room;
static struct http_field fields[2];
static char text[STICKY_FIELD_BYTES_MAX + 16];

static void open_room(void)
{
    if (!seal_is_there())
        cr_skip("built without libsodium");
    bench_init(&bench, 2);
    bench.keep_ops = true;
    bench.worker.wall_s = 5000;
    bench.targets[0].identity = 70;
    bench.targets[1].identity = 71;
    sticky_stage_init(&room, &bench.service, &settings, &keys, &bench.below.stage);
}

/* A request with the cookie that holds @identity; 0: without. The target at @index answers it.
 * True if a cookie is set. */
static bool visit(uint64_t identity, unsigned index, unsigned status)
{
    struct op *op = bench_op(&bench, HTTP_METHOD_GET);
    if (identity != 0) {
        char line[STICKY_FIELD_BYTES_MAX + 1];
        line[sticky_write(&room.sticky, identity, 5000, false, line)] = '\0';
        *strchr(line, ';') = '\0';
        (void)snprintf(text, sizeof text, "Cookie%s", line + 12);
        fields[0] = (struct http_field){.name_bytes = 6,
                                        .value_at = 6,
                                        .value_bytes = (uint32_t)strlen(text) - 6,
                                        .id = HTTP_FIELD_COOKIE};
        op->request->head =
            (struct http_head){.base = (const uint8_t *)text, .fields = fields, .fields_count = 1};
        op->request->head.present[HTTP_FIELD_COOKIE >> 6] |= 1ull << (HTTP_FIELD_COOKIE & 63);
    }
    stage_submit(&room.stage, op);
    cr_expect(op->sticky == identity);
    op->target = &bench.targets[index];
    if (status != 0)
        bench_answer(&bench, status);
    else
        bench_fail(&bench, ERR_TARGET_TIMEOUT);
    const bool is_set = op->answer_fields != NULL;
    op->target = NULL;
    op_free(op);
    return is_set;
}

Test(sticky_stage, sets_a_cookie_if_another_target_answered)
{
    open_room();
    cr_expect(visit(0, 0, 200), "there was none");
    cr_expect(!visit(70, 0, 200), "the same target");
    cr_expect(visit(70, 1, 200), "another one");
    cr_expect(visit(0, 0, 404), "whatever it answered");
    cr_expect(!visit(0, 0, 0), "nobody answered");
    cr_expect(bench.row.sticky_set_count == 3 && bench.row.sticky_ignored_count == 0);
    bench_fini(&bench);
}

Test(sticky_stage, renews_a_cookie_that_is_half_over)
{
    open_room();
    bench.worker.wall_s = 5400;
    cr_expect(!visit(70, 0, 200));
    bench.worker.wall_s = 5600;
    cr_expect(visit(70, 0, 200));
    bench_fini(&bench);
}

/* What another room has said for the answer stays. */
Test(sticky_stage, adds_to_what_others_said)
{
    open_room();
    struct op *op = bench_op(&bench, HTTP_METHOD_GET);
    op->answer_fields = "X: 1\r\n";
    op->answer_fields_bytes = 6;
    stage_submit(&room.stage, op);
    op->target = &bench.targets[0];
    bench_answer(&bench, 200);
    cr_expect(op->answer_fields_bytes > 6);
    cr_expect(strncmp(op->answer_fields, "X: 1\r\nSet-Cookie: t=", 20) == 0);
    op->target = NULL;
    op_free(op);
    bench_fini(&bench);
}
