/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/retry/retry.h - may a failed attempt be followed by another, where, and on whose account?
 *
 *     the attempt                                  what follows        the budget
 *     the gate refused it                          elsewhere           free
 *     nothing of it was sent                       elsewhere           free
 *     a kept connection was dead                   once, elsewhere     free
 *     it may have been carried out: no answer in   elsewhere if the    charged
 *       time, cut off, malformed, a bad status     method allows it
 *     429, or 503 with Retry-After                 nothing
 *
 * Free ones cannot become a storm: each target gets at most one that sends no byte, and a kept
 * connection dies but once. Nothing follows once the client has left or the deadline has passed,
 * or if bytes of the body were used that cannot be sent again.
 *
 * Pure:   everything is given. Memory: none. Threads: any. Errors: none. */
#ifndef PANDO_BREAKER_RETRY_RETRY_H
#define PANDO_BREAKER_RETRY_RETRY_H

#include "core/err.h"

#include <stdbool.h>
#include <stdint.h>

/* What follows on an attempt that has ended badly. */
enum retry_next {
    RETRY_NONE,      /* its answer goes up */
    RETRY_ELSEWHERE, /* another target, this one not again */
    RETRY_REPEAT,    /* the same, for a kept connection that was dead: another target if there is
                      * one */
    RETRY_BACK,      /* there is none: the target of the dead connection */
};

/* What is known when an attempt has ended badly. */
struct retry_case {
    enum err_kind error;         /* NONE: it was answered with a status that is to be repeated */
    bool          is_kept;       /* it went over a connection that had been used before */
    bool          has_target;    /* one was picked for it */
    bool          is_shedding;   /* the answer says that the server defends itself */
    bool          is_over;       /* the client has left, or the deadline has passed */
    bool          may_repeat;    /* the method is idempotent, or settings allow any */
    bool          is_body_whole; /* all of the body that was used can be sent again */
    bool          repeats_dead;  /* settings allow it for dead connections */
    bool          was_repeated;  /* that has happened already */
    bool          has_dead;      /* a target is left to which a kept connection was dead */
    unsigned      offered_count; /* targets that it was offered to, this one included */
    unsigned      refused_count; /* times that the gate refused */
    unsigned      tries, refusals_max;
};

struct retry_verdict {
    enum retry_next next;
    bool            is_charged; /* it needs a place in the budget */
};

/* What follows on @now. */
struct retry_verdict retry_after(const struct retry_case *now);

/* Most repeated attempts at a time beside @active requests. */
static inline uint64_t retry_budget(uint64_t active, uint32_t percent, uint32_t least)
{
    const uint64_t share = active * percent / 100;
    return share > least ? share : least;
}

/* The pause before the @n-th repetition (from 1) of a request; @draw is random and uniform. */
uint64_t retry_pause_ns(uint64_t pause_ns, unsigned n, uint64_t draw);

#endif
