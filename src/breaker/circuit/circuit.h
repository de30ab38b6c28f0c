/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/circuit/circuit.h - the circuit breaker's machine: pure, for services and targets alike.
 *
 *     CLOSED --rate of failed or slow answers--> OPEN --time--> HALF_OPEN --trials well--> CLOSED
 *                                                 ^--trials failed (twice the time)--'
 *
 * While closed it looks at a window of ten buckets that slides: with at least `volume` answers in
 * it, and a share of failed (or slow) ones that reaches the limit, it opens. It stays open for
 * first * 2^(openings in a row - 1), at most `most`, and then 80 % to 120 % of that, so that many
 * nodes do not try in step. Then so many trials are admitted; when all have been reported, their
 * own shares decide. One that opens again within a window after it closed goes on doubling.
 *
 * Time:    nanoseconds on the monotonic clock; passed in, never read.
 * Memory:  plain values (path/circuit/circuit.h).
 * Threads: the control thread's. Errors: none. */
#ifndef PANDO_BREAKER_CIRCUIT_CIRCUIT_H
#define PANDO_BREAKER_CIRCUIT_CIRCUIT_H

#include "path/circuit/circuit.h"

#include <stddef.h>

/* Moves it on; @circuit->has_changed says whether its state is another now. */
void circuit_step(struct circuit *circuit, const struct circuit_rules *rules,
                  const struct circuit_look *look);

/* "62 % of 120 answers in 10 s were failures". */
void circuit_write_cause(const struct circuit_cause *cause, uint64_t window_ns, char *out,
                         size_t room);

#endif
