/* SPDX-License-Identifier: Apache-2.0 */
/* admit/rate.c - the token bucket. */
#include "admit/rate.h"

#include <assert.h>

struct rate rate_of(uint32_t requests, uint64_t per_ns, uint32_t burst)
{
    assert(requests > 0 && per_ns > 0 && burst > 0);
    const uint64_t token_ns = per_ns / requests > 0 ? per_ns / requests : 1;
    return (struct rate){.token_ns = token_ns, .depth_ns = token_ns * burst};
}

struct rate_verdict rate_take(const struct rate *rate, uint64_t *full_ns, uint64_t now_ns)
{
    struct rate_verdict verdict = {0};
    uint64_t owed_ns = *full_ns > now_ns ? *full_ns - now_ns : 0;
    /* Settings may have become smaller since; nobody owes more than a whole bucket. */
    if (owed_ns > rate->depth_ns) {
        owed_ns = rate->depth_ns;
        *full_ns = now_ns + owed_ns;
    }
    verdict.admitted = owed_ns + rate->token_ns <= rate->depth_ns;
    if (verdict.admitted) {
        owed_ns += rate->token_ns;
        *full_ns = now_ns + owed_ns;
    }
    verdict.left_count = (uint32_t)((rate->depth_ns - owed_ns) / rate->token_ns);
    if (owed_ns > 0)
        verdict.wait_ns = (owed_ns - 1) % rate->token_ns + 1;
    return verdict;
}
