/* SPDX-License-Identifier: Apache-2.0 */
/* main/supervisor/restart.c - when to start again, and when to end. */
#include "main/supervisor/restart.h"

#include <stdlib.h>

/* 0, 50, 100, 200, ... for the 1st, 2nd, ... quick death in a row. */
static uint32_t pause_after(unsigned quick_count)
{
    uint32_t pause_ms = RESTART_PAUSE_FIRST_MS;
    if (quick_count < 2)
        return 0;
    for (unsigned i = 2; i < quick_count && pause_ms < RESTART_PAUSE_MOST_MS; i++)
        pause_ms *= 2;
    return pause_ms < RESTART_PAUSE_MOST_MS ? pause_ms : RESTART_PAUSE_MOST_MS;
}

struct restart_sequel restart_judge(const struct restart_death *death)
{
    const bool is_quick = !death->has_served || death->lived_ms < RESTART_QUICK_MS;
    const unsigned quick_count = is_quick ? death->quick_count + 1 : 0;
    struct restart_sequel sequel = {.quick_count = quick_count};
    if (!death->by_signal && (death->code == EXIT_SUCCESS || !death->ever_served)) {
        sequel.ends = true;
        sequel.status = death->code;
    } else if (!death->ever_served && quick_count >= RESTART_BOOT_TRIES) {
        sequel.ends = true;
        sequel.status = EXIT_FAILURE;
    } else
        sequel.pause_ms = pause_after(quick_count);
    return sequel;
}
