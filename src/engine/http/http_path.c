/* SPDX-License-Identifier: Apache-2.0 */
/* engine/http/http_path.c - the rule, and its bounds. */
#include "engine/http/http_path.h"

#include "core/units.h"

enum {
    PATIENCE_MS_MIN = 250,
    KERNEL_TICK_MS = 10, /* the longest; its times are as coarse */
};

uint64_t http_path_patience_ns(uint64_t connect_timeout_ns)
{
    const uint64_t least_ns = PATIENCE_MS_MIN * NS_PER_MS;
    return connect_timeout_ns < least_ns ? least_ns : connect_timeout_ns;
}

bool http_path_is_lost(const struct conn_acks *acks, uint64_t left_bytes, uint64_t patience_ns)
{
    return acks->in_flight_count > 0 && acks->taken_bytes < left_bytes &&
           acks->silent_ns + KERNEL_TICK_MS * NS_PER_MS >= patience_ns;
}
