/* SPDX-License-Identifier: Apache-2.0 */
/* balance/balance.h - which equal target takes a request: the strategies, and what they are asked.
 *
 * A strategy is one file and one line in the list (balance_settings.h). It is pure: draws and `now`
 * are given, its state belongs to one worker, the set is a snapshot of targets in service. So there
 * is no lock, and no filter either: only after a refusal (ask.tried) does a pick look at the
 * targets' states.
 *
 *     set_changed   a set came: the state for it is filled, once
 *     pick          a request came: who takes it, and who ought to be probed
 *     finished      an attempt or a probe is over: what was learned
 *     tick          every 100 ms while requests come: what grows old
 *
 * The room (balance_stage.h) makes these calls and does what a strategy may not: it draws, reads
 * the clock, hashes the key, looks up where the client is, sends the probes, reads what servers
 * report. The simulator makes the same calls.
 *
 * Time:    nanoseconds on the monotonic clock; in the calls of one state it never goes back.
 * Memory:  the caller owns the state, zeroed before set_changed(); a new set gets a new state.
 *          A strategy allocates nothing.
 * Threads: a state belongs to its worker. Targets' counts are relaxed atomics of all workers.
 * Errors:  none; no target left is BALANCE_NONE. */
#ifndef PANDO_BALANCE_BALANCE_H
#define PANDO_BALANCE_BALANCE_H

#include "balance/balance_settings.h"
#include "core/geo/place.h"
#include "path/service.h"
#include "path/target.h"

#include <stddef.h>
#include <stdint.h>

#define BALANCE_NONE SIZE_MAX

enum {
    BALANCE_TICK_MS = 100,
    BALANCE_PROBES_MAX = 8, /* that one call may ask for */
};

/* Which targets of the set ought to be probed; filled by a strategy, sent by the room. One that
 * is asked for twice is probed twice. */
struct balance_probes {
    uint32_t count;
    uint32_t at[BALANCE_PROBES_MAX]; /* indexes into the set */
};

/* What a pick may depend on. */
struct ask {
    uint64_t now_ns;
    uint64_t draw[2];              /* random, uniform */
    uint64_t key_hash;             /* XXH3 of the request's key; 0 unless the strategy is by_key */
    const struct geo_place *place; /* of the client; NULL, or nowhere: that is not known */
    struct target *const   *tried; /* not to be picked again */
    unsigned                tried_count;
    bool                    only_up; /* of the others only those whose state is UP at this moment */
    /* Empty at the call. NULL: nobody would send them, as unless the strategy says has_probes. */
    struct balance_probes *probes;
};

/* How an attempt ended, for the target. */
#define BALANCE_OUTCOMES(X)                                                                        \
    X(ANSWERED, "answered, and not with 5xx")                                                      \
    X(BUSY, "answered 429, or 503 with Retry-After: it is well and asks for less")                 \
    X(ERROR, "answered with another 5xx")                                                          \
    X(FAILED, "gave no usable answer, and the target is to blame")                                 \
    X(UNTOLD, "ended for a reason that says nothing of the target: the client left, say")          \
    X(PROBED, "was no attempt: a probe or an agent brought a report")

enum balance_outcome {
#define X(name, gist) BALANCE_##name,
    BALANCE_OUTCOMES(X)
#undef X
};

/* What a server reports of itself: in an answer's fields, to a probe, or through its agent. */
#define BALANCE_FIGURES(X)                                                                         \
    /* name               type      meaning                                                     */ \
    X(UTILISATION, utilisation, double, "how full it is: 0 idle, 1 full, more than that overfull") \
    X(REQUESTS, requests_per_s, double, "requests it finishes each second")                        \
    X(ERRORS, errors_per_s, double, "of them, those that fail")                                    \
    X(INFLIGHT, inflight, uint32_t, "requests in it now, from everybody")                          \
    X(LATENCY, latency_ns, uint64_t, "how long a request takes at the load that it has now")

/* Bits of balance_report.has. */
enum balance_figure {
#define X(name, field, type, meaning) BALANCE_HAS_##name##_BIT,
    BALANCE_FIGURES(X)
#undef X
#define X(name, field, type, meaning) BALANCE_HAS_##name = 1 << BALANCE_HAS_##name##_BIT,
    BALANCE_FIGURES(X)
#undef X
};

struct balance_report {
    unsigned has; /* BALANCE_HAS_*: which of these were reported; the others are 0 */
#define X(name, field, type, meaning) type field;
    BALANCE_FIGURES(X)
#undef X
};

/* How an attempt went, or what a probe brought. */
struct sample {
    uint64_t              now_ns;
    uint64_t              latency_ns; /* from sent to the answer's head; 0: there was none */
    enum balance_outcome  outcome;
    struct balance_report report; /* has 0: it said nothing of itself */
};

/* What a state is filled from. */
struct balance_setup {
    const struct target_set       *set;
    const struct balance_settings *settings; /* outlives the state */
    const char                    *zone;     /* of this node: "region/zone", or "" */
    struct geo_place               home;     /* of this node; nowhere: it was not said */
    uint64_t                       now_ns;
    uint64_t                       draw; /* keeps workers from beginning in step */
    /* The state and set before this one, read only, that what was learned of targets in both may be
     * kept; see balance_index_of(). NULL: none. Both or neither. */
    const void              *old_state;
    const struct target_set *old_set;
};

/* What a strategy shows of itself. */
struct balance_insight {
    enum balance_basis basis;  /* of the last pick */
    uint64_t fallbacks_count;  /* picks without fresh reports, since the state was filled */
    uint32_t pool_size, theta; /* of Prequal's pool of probes */
};

struct balance_strategy {
    size_t state_bytes;  /* per worker; with target_bytes 0 and no more_bytes: stateless */
    size_t target_bytes; /* more of it for each target of the set */
    /* And more, as a function of how many targets there are. NULL: none. */
    size_t (*more_bytes)(uint32_t targets_count);
    bool by_key;      /* picks need ask.key_hash */
    bool has_probes;  /* it asks for probes */
    bool has_reports; /* it wants sample.report of answers */
    /* Fills @state, which is zeroed; the set may be empty. NULL if stateless. */
    void (*set_changed)(void *state, const struct balance_setup *setup);
    /* An index into @set, which is not empty, of a target that the ask allows; or BALANCE_NONE.
     * Whenever one is allowed, one is found. */
    size_t (*pick)(void *state, const struct target_set *set, const struct ask *ask);
    /* An attempt is over, or a probe's answer came, of the target at @index of the set that @state
     * was filled for. Not called for targets that have left it. Attempts that never came to the
     * target (gate or engine had no way there) are not told. May be NULL. */
    void (*finished)(void *state, size_t index, const struct sample *sample);
    /* Every 100 ms while requests come, before the pick; of one that asks for probes also twice in
     * the age of a report, for a minute after the last request. Of @ask now_ns, draw and probes are
     * set. May be NULL. */
    void (*tick)(void *state, const struct target_set *set, const struct ask *ask);
    /* What may be seen of it now. May be NULL. */
    void (*show)(const void *state, struct balance_insight *insight);
};

#define X(name, word, gist) extern const struct balance_strategy balance_##name;
BALANCE_STRATEGIES(X)
#undef X

/* The strategy at @index (enum balance_sort), or NULL after the last. */
const struct balance_strategy *balance_at(size_t index);

/* Its name, as the file says it. */
const char *balance_name(const struct balance_strategy *strategy);

/* How large a state for @targets_count targets is; 0: it has none. */
size_t balance_state_bytes(const struct balance_strategy *strategy, uint32_t targets_count);

/* Does the strategy go by where clients are (ask.place)? */
bool balance_wants_places(const struct balance_settings *settings);

/* Where @target is in @set, or BALANCE_NONE. It is looked for at @hint first, which may be
 * anything: of a set and the one before it most places are the same. */
size_t balance_index_of(const struct target_set *set, const struct target *target, size_t hint);

/* The first from @from on, round the set, that is allowed; BALANCE_NONE if none is. */
size_t balance_first_allowed(const struct target_set *set, const struct ask *ask, size_t from);

/* For balance_allows(), when there was an attempt before. */
bool balance__allows_again(const struct ask *ask, const struct target *target);

/* May @target be picked? */
static inline bool balance_allows(const struct ask *ask, const struct target *target)
{
    return __builtin_expect(ask->tried_count == 0, 1) || balance__allows_again(ask, target);
}

/* Would a request that is about to go to @here be better off at @there: would @there, with this
 * request, be no busier for its weight than @here is already without it? Of equal weights that is
 * simply the one with fewer requests in flight; of unequal ones an idle set keeps to the weights,
 * where comparing requests alone would favour the light and counting this one the heavy. */
static inline bool balance_is_better(const struct target *there, const struct target *here)
{
    const uint64_t busy_there = atomic_load_explicit(&there->inflight, memory_order_relaxed) + 1ull;
    const uint64_t busy_here = atomic_load_explicit(&here->inflight, memory_order_relaxed);
    return busy_there * here->weight <= busy_here * there->weight;
}

#endif
