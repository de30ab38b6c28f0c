/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/concurrency/limit/limit.h - how many requests a service can have in progress at once:
 * machines that find out.
 *
 * Workers count what ends in windows; every 100 ms control gives a machine the sum over all
 * workers, and the machine moves the limit. A window holds only requests that were begun after
 * the last backoff: those begun before suffered from the same congestion, which was answered
 * already, and would let the limit fall once for each of them.
 *
 * Time:    nanoseconds on the monotonic clock; passed in.
 * Memory:  plain values. Threads: pure. Errors: none. */
#ifndef PANDO_BREAKER_CONCURRENCY_LIMIT_LIMIT_H
#define PANDO_BREAKER_CONCURRENCY_LIMIT_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

/* Bounds of a limit; all over 0. */
struct limit_bounds {
    uint32_t start; /* before anything was measured */
    uint32_t least;
    uint32_t most;
};

/* What ended since the last step, of all workers. */
struct limit_window {
    uint64_t samples_count;  /* requests whose latency says something: answered, or waited for */
    uint64_t busy_count;     /* of them, good ones at whose end half of the limit was in use */
    uint64_t dropped_count;  /* requests refused for overload, timed out, or too slow */
    uint64_t latency_sum_ns; /* of the samples, from permit to the answer's head */
};

struct limit_state {
    double   limit;         /* the figure in force is its whole part */
    double   credit;        /* aimd: busy samples towards one more */
    double   long_ns;       /* gradient: the latency of a long time */
    uint32_t windows_count; /* gradient: windows in it, up to the warm-up */
    uint64_t backed_off_ns; /* when the limit was last lowered for drops; 0: never */
};

struct limit_machine {
    const char         *name; /* as written in the settings */
    struct limit_bounds preset;
    /* Moves @state->limit within @bounds. A window without samples changes nothing. */
    void (*step)(struct limit_state *state, const struct limit_bounds *bounds,
                 const struct limit_window *window, uint64_t now_ns);
};

/* To add a machine: write limit/<name>.c and add its line here. From the list come the setting's
 * words, the manual and the test that runs every machine. */
#define LIMIT_MACHINES(X)                                                                          \
    /* symbol   word        gist                                                                */ \
    X(fixed,    "fixed",    "always `start`")                                                      \
    X(aimd,     "aimd",     "one more after each limit's worth of answers, a tenth fewer when "    \
                            "requests are dropped, time out or take longer than `slow-after`")     \
    X(gradient, "gradient", "follows latency: lower when it rises over that of the last minute "   \
                            "(Netflix's Gradient2)")

/* Which machine; LIMIT_NONE is no limit at all. */
enum limit_choice {
    LIMIT_NONE,
#define X(symbol, word, gist) LIMIT_##symbol,
    LIMIT_MACHINES(X)
#undef X
        LIMIT_CHOICES_COUNT
};

#define X(symbol, word, gist) extern const struct limit_machine limit_##symbol;
LIMIT_MACHINES(X)
#undef X

/* The machine of a choice that is not LIMIT_NONE. */
const struct limit_machine *limit_get(enum limit_choice choice);

/* Before the first step. */
struct limit_state limit_start(const struct limit_bounds *bounds);

/* @value within @bounds. */
static inline double limit_within(double value, const struct limit_bounds *bounds)
{
    return value < bounds->least ? bounds->least : value > bounds->most ? bounds->most : value;
}

#endif
