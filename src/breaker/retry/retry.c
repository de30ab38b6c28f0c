/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/retry/retry.c - the table of the header, from top to bottom. */
#include "breaker/retry/retry.h"

#include "core/random.h"
#include "core/units.h"

enum { DOUBLINGS_MAX = 4 }; /* of at most a minute: 32 bits of microseconds are enough */

/* The target was picked and was not to be had, against: no target was left to pick. */
static bool is_refusal(const struct retry_case *now)
{
    return now->error == ERR_NO_TARGET && now->has_target;
}

/* It says nothing of the target that a connection, idle for long, was no longer there. */
static bool is_dead_connection(const struct retry_case *now)
{
    if (now->error == ERR_TARGET_STALE)
        return now->may_repeat;
    return now->error == ERR_TARGET_NOT_SENT && now->is_kept;
}

/* Nothing of it was sent, so it makes no storm. */
static struct retry_verdict after_nothing_sent(const struct retry_case *now)
{
    if (is_refusal(now))
        return (struct retry_verdict){
            now->refused_count < now->refusals_max ? RETRY_ELSEWHERE : RETRY_NONE, false};
    return (struct retry_verdict){now->offered_count < now->tries ? RETRY_ELSEWHERE : RETRY_NONE,
                                  false};
}

struct retry_verdict retry_after(const struct retry_case *now)
{
    const struct retry_verdict none = {RETRY_NONE, false};
    if (now->is_over || !now->is_body_whole)
        return none;
    if (!now->has_target)
        return now->error == ERR_NO_TARGET && now->has_dead
                   ? (struct retry_verdict){RETRY_BACK, false}
                   : none;
    if (is_dead_connection(now)) {
        if (!now->repeats_dead)
            return none;
        if (!now->was_repeated)
            return (struct retry_verdict){RETRY_REPEAT, false};
    }
    if (now->error != ERR_NONE && err_row(now->error)->sent == ERR_SENT_NO)
        return after_nothing_sent(now);
    if (now->is_shedding || !now->may_repeat || now->offered_count >= now->tries)
        return none;
    return (struct retry_verdict){RETRY_ELSEWHERE, true};
}

uint64_t retry_pause_ns(uint64_t pause_ns, unsigned n, uint64_t draw)
{
    if (n < 2 || pause_ns == 0)
        return 0;
    const unsigned doublings = n - 2 < DOUBLINGS_MAX ? n - 2 : DOUBLINGS_MAX;
    return random_below(draw, (uint32_t)(pause_ns / NS_PER_US) << doublings) * NS_PER_US;
}
