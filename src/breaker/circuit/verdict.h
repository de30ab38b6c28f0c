/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/circuit/verdict.h - what an answer, or its absence, says to a circuit breaker. Pure.
 *
 * Failed: an answer with one of the statuses that settings list, and what came instead of a usable
 * answer, if the servers have caused it: not connected, reset, timed out, malformed. Slow: the
 * head came later than settings say. Neither: an answer of 429, and of 503 with Retry-After, since
 * who defends itself is well. Nothing at all: what the client broke off, and what is this node's
 * own or the client's own fault.
 *
 * Memory: plain values. Threads: any. Errors: none. */
#ifndef PANDO_BREAKER_CIRCUIT_VERDICT_H
#define PANDO_BREAKER_CIRCUIT_VERDICT_H

#include "config/value/statuses.h"
#include "core/err.h"

/* What answers are judged by. */
struct circuit_judge {
    struct config_statuses statuses; /* that are failures */
    uint64_t               slow_ns;  /* later than this is slow; 0: nothing is */
};

struct circuit_evidence {
    enum err_kind error;        /* NONE: it was answered */
    unsigned      status;       /* then */
    bool          says_when;    /* the answer has Retry-After */
    bool          is_cancelled; /* the client has left */
    bool          is_timed;     /* elapsed_ns is the servers' doing alone */
    uint64_t      elapsed_ns;
};

enum circuit_finding {
    CIRCUIT_NOTHING,      /* nothing was learned */
    CIRCUIT_BACKPRESSURE, /* it defends itself: counts neither way, and ends a trial well */
    CIRCUIT_WELL,
    CIRCUIT_BAD, /* failed, slow, or both */
};

struct circuit_verdict {
    enum circuit_finding finding;
    bool                 failed, slow;
};

/* Judges an answer's head, or an error in its place. */
struct circuit_verdict circuit_judge(const struct circuit_judge *judge,
                                     const struct circuit_evidence *evidence);

/* Did the servers cause this error? */
bool circuit_is_failure(enum err_kind kind);

#endif
