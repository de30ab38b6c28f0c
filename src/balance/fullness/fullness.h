/* SPDX-License-Identifier: Apache-2.0 */
/* balance/fullness/fullness.h - how many requests in flight fill a ring of targets, found from how
 * long answers take there and elsewhere.
 *
 * It is TCP Vegas' idea, as Netflix's gradient limit has it: what may be in flight is moved by the
 * ratio of the time that an answer ought to take to the time that it takes. Windows of 64 answers
 * give a mean time W; in a window in which
 *
 *     W > T, or requests were spilled, or ought to have been:    capacity *= (T / W)^(1/5)
 *
 * so that it settles where W = T, and stays where it is while nothing is spilled. T is the time of
 * the fastest other ring, the way there included, so requests begin to go where they are answered
 * as soon (Wardrop's equilibrium); but at least twice the best window that this or another ring has
 * had in the last minutes: neither chance nor a ring that is just a little faster draws them away.
 * Of a ring that had no answers for ten seconds its own best window counts: it may be idle by now.
 * If nothing is known of any other, T is 0.9 W until something is, since a node that starts under
 * load has seen no better times to compare with. A failed answer counts as 50 W.
 *
 * Capacity, not the share that is spilled, is what is learned: a spill then follows requests in
 * flight at once, and what is slow, learning, is slow on purpose. In the simulator's world `zones`
 * with 8 servers at load 0.9, where this form fails at most 0.01 % of the requests, others failed
 * more: 1 - best / W as the fullness itself 5 %, W / 2T as the fullness 6 %, a share that is moved
 * by W / T - 1 in every window 0.4 %, and all but the first sent more far. The exponent (0.1 to
 * 0.4), the ten seconds (3 to 60) and the 64 answers (32 to 128) make next to no difference there.
 * tests/sim/sim_test.c holds it to that.
 *
 * Memory: a fixed struct; zeroed: nothing is known, and the ring is never full. Threads: its
 * worker's. Errors: none. */
#ifndef PANDO_BALANCE_FULLNESS_H
#define PANDO_BALANCE_FULLNESS_H

#include "balance/balance.h"

struct fullness {
    double capacity;   /* in flight for each of weight; 0: not found */
    double latency_ns; /* W of the last window */
    double best_ns,
        best_before_ns; /* least W without failures, in these minutes and those before */
    uint64_t best_since_ns;
    uint64_t seen_ns; /* when the last window ended; 0: none has */
    /* The window under way. */
    double   latency_sum_ns; /* of good answers */
    double   inflight_sum;   /* for each of weight, at every look */
    uint32_t good_count, failed_count, looks_count, spilled_count;
};

/* An attempt is over. */
void balance__fullness_add(struct fullness *fullness, const struct sample *sample);

/* A request looks at the ring, which has so much in flight for each of weight. How full it is: 0
 * idle, 1 full. */
double balance__fullness_look(struct fullness *fullness, double inflight);

/* Ends the window if it has enough answers. False: it has not. */
bool balance__fullness_close(struct fullness *fullness, uint64_t now_ns);

/* How long an answer takes there, for others who think of sending there; 0: not known. */
double balance__fullness_price_ns(const struct fullness *fullness, uint64_t now_ns);

/* The best window of the last minutes; 0: none yet. */
double balance__fullness_best_ns(const struct fullness *fullness);

/* Learns from the window that was closed, and begins the next. @others_ns: the least price of the
 * others, 0 if none is known; @best_ns: the best window of all. @spill: how full a ring is when it
 * begins to spill. */
void balance__fullness_learn(struct fullness *fullness, double others_ns, double best_ns,
                             double spill);

#endif
