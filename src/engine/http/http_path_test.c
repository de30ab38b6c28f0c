/* SPDX-License-Identifier: Apache-2.0 */
/* engine/http/http_path_test.c - who is cut off, and who is only slow. */
#include "engine/http/http_path.h"

#include "core/units.h"

#include <criterion/criterion.h>

#define PATIENCE_NS (300 * NS_PER_MS)

/* 100 bytes had left when the wait began. */
static const struct {
    const char *what;
    struct conn_acks acks;
    bool is_lost;
} rows[] = {
    {"nothing of it is acknowledged", {0, PATIENCE_NS, 1}, true},
    {"a part of it is, long ago", {99, PATIENCE_NS, 1}, true},
    {"all of it is", {100, PATIENCE_NS, 0}, false},
    {"all of it is, and what left later is on its way", {100, PATIENCE_NS, 3}, false},
    {"something is, just now: a slow path", {50, 5 * NS_PER_MS, 8}, false},
    {"the window is full, and said so long ago", {50, 900 * NS_PER_MS, 0}, false},
    {"the kernel's clock is coarse", {0, PATIENCE_NS - 8 * NS_PER_MS, 1}, true},
    {"it was acknowledged less than that ago", {0, PATIENCE_NS - 50 * NS_PER_MS, 1}, false},
};

Test(http_path, is_lost_only_if_nobody_acknowledges)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_expect(http_path_is_lost(&rows[i].acks, 100, PATIENCE_NS) == rows[i].is_lost, "%s",
                  rows[i].what);
}

Test(http_path, waits_longer_than_a_kernel_may_hold_an_acknowledgement_back)
{
    cr_expect(http_path_patience_ns(5 * NS_PER_S) == 5 * NS_PER_S);
    cr_expect(http_path_patience_ns(1) > 200 * NS_PER_MS);
}
