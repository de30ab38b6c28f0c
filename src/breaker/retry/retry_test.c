/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/retry/retry_test.c - what follows on which failure. */
#include "breaker/retry/retry.h"

#include <criterion/criterion.h>

static struct retry_case after(enum err_kind error)
{
    return (struct retry_case){.error = error,
                               .has_target = true,
                               .may_repeat = true,
                               .is_body_whole = true,
                               .repeats_dead = true,
                               .offered_count = 1,
                               .tries = 3,
                               .refusals_max = 8};
}

static void expect(const struct retry_case *now, enum retry_next next, bool is_charged)
{
    const struct retry_verdict verdict = retry_after(now);
    cr_expect(verdict.next == next && verdict.is_charged == is_charged, "after %s: %d, %d",
              err_row(now->error)->name, (int)verdict.next, (int)verdict.is_charged);
}

/* Whatever the kind: only `sent`, the method, and whether the connection had been used count. */
Test(retry, every_kind_follows_its_row)
{
    for (int kind = ERR_SYSTEM; kind < ERR_KINDS_COUNT; kind++) {
        struct retry_case now = after((enum err_kind)kind);
        const bool is_stale = kind == ERR_TARGET_STALE;
        const bool was_sent = err_row((enum err_kind)kind)->sent != ERR_SENT_NO;
        expect(&now, is_stale ? RETRY_REPEAT : RETRY_ELSEWHERE, was_sent && !is_stale);
        now.may_repeat = false;
        expect(&now, was_sent ? RETRY_NONE : RETRY_ELSEWHERE, false);
        now.is_body_whole = false;
        expect(&now, RETRY_NONE, false);
    }
}

Test(retry, a_bad_status_is_charged_unless_the_server_defends_itself)
{
    struct retry_case now = after(ERR_NONE);
    expect(&now, RETRY_ELSEWHERE, true);
    now.is_shedding = true;
    expect(&now, RETRY_NONE, false);
}

Test(retry, a_dead_connection_is_replaced_once_and_then_counts_as_any_other_failure)
{
    struct retry_case now = after(ERR_TARGET_STALE);
    expect(&now, RETRY_REPEAT, false);
    now.was_repeated = true;
    expect(&now, RETRY_ELSEWHERE, true);
    now.repeats_dead = false;
    expect(&now, RETRY_NONE, false);
    now = after(ERR_TARGET_NOT_SENT);
    now.is_kept = true;
    now.may_repeat = false;
    expect(&now, RETRY_REPEAT, false);
    now.is_kept = false;
    expect(&now, RETRY_ELSEWHERE, false);
}

Test(retry, goes_back_to_the_dead_connections_target_if_there_is_no_other)
{
    struct retry_case now = after(ERR_NO_TARGET);
    now.has_target = false;
    expect(&now, RETRY_NONE, false);
    now.has_dead = true;
    expect(&now, RETRY_BACK, false);
}

Test(retry, tries_and_refusals_are_bounded)
{
    struct retry_case now = after(ERR_CONNECT_REFUSED);
    now.offered_count = 3;
    expect(&now, RETRY_NONE, false);
    now.error = ERR_TARGET_TIMEOUT;
    expect(&now, RETRY_NONE, false);
    now.error = ERR_NO_TARGET;
    now.refused_count = 7;
    expect(&now, RETRY_ELSEWHERE, false);
    now.refused_count = 8;
    expect(&now, RETRY_NONE, false);
}

Test(retry, nothing_follows_when_it_is_over)
{
    struct retry_case now = after(ERR_CONNECT_REFUSED);
    now.is_over = true;
    expect(&now, RETRY_NONE, false);
}

Test(retry, the_budget_is_a_share_and_never_less_than_its_least)
{
    cr_expect(retry_budget(0, 20, 3) == 3 && retry_budget(19, 20, 3) == 3);
    cr_expect(retry_budget(20, 20, 3) == 4 && retry_budget(1000, 20, 3) == 200);
    cr_expect(retry_budget(1000, 0, 0) == 0);
}

Test(retry, pauses_are_jittered_and_double)
{
    const uint64_t ms = 1000000;
    cr_expect(retry_pause_ns(25 * ms, 1, UINT64_MAX) == 0);
    cr_expect(retry_pause_ns(25 * ms, 2, 0) == 0);
    const uint64_t second = retry_pause_ns(25 * ms, 2, UINT64_MAX);
    const uint64_t third = retry_pause_ns(25 * ms, 3, UINT64_MAX);
    cr_expect(second > 24 * ms && second <= 25 * ms && third > 49 * ms && third <= 50 * ms);
    cr_expect(retry_pause_ns(60000 * ms, 200, UINT64_MAX) > 900000 * ms);
}
