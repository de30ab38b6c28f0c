/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/concurrency/permits.h - the permits of one service, shared by all workers, and who waits
 * for them on each.
 *
 * A permit is claimed by compare-and-swap against the limit. Waiters are local to a worker. A
 * release passes its permit on, to the worker whose next waiter has the highest priority, and
 * among equals has waited longest; to another worker by a posted message. So a worker cannot keep
 * the permits for its own clients, and while anybody waits nobody who comes later is let in first.
 *
 *     permits_enter() ------------------------- true: the caller has a permit
 *     permits_wait() -> admitted() once, later: the waiter has one
 *                    -> refused() once: it was shed;   or permits_leave(): it left
 *     permits_release() gives a permit back
 *
 * Never lost: who begins to wait tries once more after it can be seen, and who gives back looks for
 * waiters after the permit can be seen. Control's step, every 100 ms, also hands out what is free.
 *
 * Memory:  kept by the service's name over reloads (path/keep.h); waiters are the caller's.
 * Threads: what takes a struct permits_worker runs on its worker; permits_step() on control; the
 *          rest on any.
 * Errors:  as enum permits_verdict. */
#ifndef PANDO_BREAKER_CONCURRENCY_PERMITS_H
#define PANDO_BREAKER_CONCURRENCY_PERMITS_H

#include "breaker/concurrency/limit/limit.h"
#include "breaker/concurrency/room.h"
#include "core/err.h"
#include "path/keep.h"

struct permits;
struct permits_worker;

/* What became of one that wanted to wait. */
enum permits_verdict {
    PERMITS_WAITS,     /* admitted() or refused() follows, or has come already */
    PERMITS_FULL,      /* there are as many as may wait, and none of them has to go for it */
    PERMITS_NO_MEMORY, /* it does not wait */
};

struct permits_waiter {
    struct room_waiter waiter; /* first; client, priority and since_ns are set by the caller */
    /* It has a permit and waits no more. From here on it may be freed. */
    void (*admitted)(struct permits_waiter *self);
    /* It was shed to make room, and waits no more. From here on it may be freed. */
    void (*refused)(struct permits_waiter *self);
};

/* How the limit is found. */
struct permits_rule {
    enum limit_choice   choice; /* LIMIT_NONE: only permits_cap() limits */
    struct limit_bounds bounds;
};

/* Those of the service @name, now under @rule, or new ones; NULL: no memory. To be given back with
 * permits_give(). On the control thread. */
struct permits *permits_get(struct keep *keep, const char *name, const struct permits_rule *rule)
    must_check;

/* Accepts NULL. Any thread. */
void permits_give(struct permits *permits);

/* This worker's part; the same at every call. NULL: no memory. On the worker's thread. */
struct permits_worker *permits_join(struct permits *permits, struct worker *worker) must_check;

/* A further bound beside the limit, such as what all targets may have together. Any worker. */
void permits_cap(struct permits_worker *worker, uint32_t most);

/* Claims a permit, if one is free and nobody waits. */
bool permits_enter(struct permits_worker *worker) must_check;

/* @waiter waits, at most @most on all workers. @first: it was admitted before, had to give its
 * permit back and is to be next; then it waits in any case and what is free does not go to it at
 * once. May call admitted() and, of another waiter, refused(). */
enum permits_verdict permits_wait(struct permits_worker *worker, struct permits_waiter *waiter,
                                  uint32_t most, bool first) must_check;

/* @waiter waits no more; harmless if it does not. */
void permits_leave(struct permits_worker *worker, struct permits_waiter *waiter);

/* Gives a permit back; may call admitted() of others. */
void permits_release(struct permits_worker *worker);

/* Gives a permit back that could not be used, without looking for whom to give it to. */
void permits_return(struct permits_worker *worker);

/* How a request that had a permit since @begun_ns went. */
struct permits_sample {
    uint64_t begun_ns;
    uint64_t latency_ns; /* 0: says nothing */
    bool     dropped;    /* refused for overload, timed out, or too slow */
};

/* Counts it for the limit. */
void permits_report(struct permits_worker *worker, const struct permits_sample *sample);

/* How long one more of @client and @priority would wait, as far as is known: what waits before it,
 * at the rate at which the service answers. */
uint64_t permits_expected_wait_ns(const struct permits_worker *worker, uint64_t client,
                                  enum priority priority);

/* How long a request takes that has a permit; 0: not known yet. */
uint64_t permits_service_ns(const struct permits_worker *worker);

/* When all that wait would be served. */
uint64_t permits_backlog_ns(const struct permits_worker *worker);

/* Moves the limit and hands out what is free. Every 100 ms. */
void permits_step(struct permits *permits, uint64_t now_ns);

/* For people. */
void permits_load(const struct permits *permits, struct service_load *load);

#endif
