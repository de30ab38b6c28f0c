/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/pause.c - the growing pause. */
#include "breaker/pause.h"

#include "core/random.h"

static uint64_t pause_ns(const struct pause_settings *settings, uint32_t failures, uint64_t draw)
{
    uint64_t pause = settings->first_ns;
    for (uint32_t i = 1; i < failures && pause < settings->most_ns; i++)
        pause *= 2;
    if (pause > settings->most_ns)
        pause = settings->most_ns;
    return pause / 1000 * (800 + random_below(draw, 401)); /* 80 % to 120 %, by thousandths */
}

static struct pause failed(const struct pause *before, const struct pause_settings *settings,
                           uint64_t now_ns, uint64_t draw)
{
    /* Requests that were under way when the pause began fail too: the same failure, not the next.
     * */
    if (before->state == TARGET_PAUSED)
        return *before;
    struct pause after = *before;
    if (after.failures_in_a_row < UINT32_MAX)
        after.failures_in_a_row++;
    after.state = TARGET_PAUSED;
    after.retry_at_ns = now_ns + pause_ns(settings, after.failures_in_a_row, draw);
    return after;
}

static struct pause due(const struct pause *before, uint64_t now_ns)
{
    struct pause after = *before;
    if (before->state == TARGET_PAUSED && now_ns >= before->retry_at_ns) {
        after.state = TARGET_TRIAL;
        after.retry_at_ns = 0;
    }
    return after;
}

struct pause pause_step(const struct pause *before, const struct pause_settings *settings,
                        enum pause_event event, uint64_t now_ns, uint64_t draw)
{
    if (before->state == TARGET_GONE)
        return *before;
    switch (event) {
    case PAUSE_FAILED: return failed(before, settings, now_ns, draw);
    case PAUSE_CONNECTED: return (struct pause){.state = TARGET_UP};
    case PAUSE_DUE: break;
    }
    return due(before, now_ns);
}
