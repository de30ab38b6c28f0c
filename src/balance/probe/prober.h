/* SPDX-License-Identifier: Apache-2.0 */
/* balance/probe/prober.h - asks targets for reports over HTTP, for the strategies of one worker.
 *
 * One connection for each target, kept between probes, with one probe at a time on it: a target
 * that is asked while it has not answered is left out. What is odd on a connection (a timeout, a
 * byte too many, an answer that is no report) closes it, and the next probe makes a new one.
 *
 * Memory:  a block for each target that was probed, until prober_close(). Threads: its worker's.
 * Errors:  a probe without an answer brings nothing; it is counted. */
#ifndef PANDO_BALANCE_PROBE_PROBER_H
#define PANDO_BALANCE_PROBE_PROBER_H

#include "balance/balance_stage.h"

enum { PROBER_BUCKETS = 64 };

struct prober {
    struct balance_prober prober; /* first; what stages get */
    struct worker        *worker;
    struct list           lines[PROBER_BUCKETS]; /* by target */
};

/* No probe was sent yet. @worker is borrowed. */
void prober_init(struct prober *prober, struct worker *worker);

/* @stage ends: what it asked for is told to nobody. */
void prober_forget(struct prober *prober, const struct balance_stage *stage);

/* Nobody names @target any more: its connection is closed. @done(@token) follows, at once or
 * later. */
void prober_close(struct prober *prober, const struct target *target, void (*done)(void *token),
                  void *token);

#endif
