/* SPDX-License-Identifier: Apache-2.0 */
/* admit/rate.h - a token bucket that is one number: when it will be full again.
 *
 * The bucket holds `burst` tokens and gets `requests` of them every `per`; a request takes one.
 * Instead of tokens and a time, its state is the moment at which it would be full (the generic
 * cell rate algorithm, ITU-T I.371), so a bucket nobody has used for long is the same as none.
 *
 * Time:    nanoseconds on the monotonic clock; passed in.
 * Memory:  none. Threads: pure. */
#ifndef PANDO_ADMIT_RATE_H
#define PANDO_ADMIT_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate {
    uint64_t token_ns; /* one more token every so often; at least 1 */
    uint64_t depth_ns; /* of a full bucket: burst * token_ns */
};

struct rate_verdict {
    bool     admitted;
    uint32_t left_count; /* tokens that are in it now */
    uint64_t wait_ns;    /* until there is one more: if refused, until the next may come */
};

/* @requests in @per_ns, @burst at once; all over 0. */
struct rate rate_of(uint32_t requests, uint64_t per_ns, uint32_t burst);

/* Takes a token at @now_ns; *@full_ns is the bucket; 0 is a full one. */
struct rate_verdict rate_take(const struct rate *rate, uint64_t *full_ns, uint64_t now_ns);

#endif
