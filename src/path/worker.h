/* SPDX-License-Identifier: Apache-2.0 */
/* path/worker.h - what one thread of Pando has for itself: everything hangs on it, so nothing is
 * global.
 *
 * Threads: all fields belong to the worker's thread but where a line says otherwise. */
#ifndef PANDO_PATH_WORKER_H
#define PANDO_PATH_WORKER_H

#include "core/list.h"
#include "core/random.h"
#include "core/slab.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct conn_hub;
struct journal;
struct worker_row;

enum {
    WORKERS_MAX = 64, /* more cores than this want more nodes */
    WORKER_CONTROL =
        WORKERS_MAX, /* the index of the control thread, which serves admin listeners */
    WORKERS_ALL_MAX = WORKERS_MAX + 1,
};

/* What may outlive the requests it was made for. It is called when the last client has left for
 * good: what nobody waits for any more ends at once. */
struct worker_end {
    struct list_link link; /* in worker.ends */
    void (*call)(struct worker_end *self);
};

struct worker {
    unsigned index;
    bool     stopping;    /* answers say close; nothing new is kept open */
    int descriptors_most; /* a connection to a target whose number is this or more is not opened */
    int descriptors_kept_most; /* nor kept idle from here on */
    struct loop       *loop;   /* posting to it is allowed from any thread */
    struct conn_hub   *hub;
    const uint64_t    *now_ns;   /* the loop's, monotonic */
    uint64_t           wall_s;   /* of the date that `date` shows */
    char               date[32]; /* IMF-fixdate of this second; refreshed by the loop's turn */
    struct random      random;
    struct slab        ops;      /* struct op with its arena's first block */
    struct slab        requests; /* struct request with its arena's first block */
    struct journal    *journal;  /* never NULL */
    struct worker_row *row;      /* what others may read of this worker */
    struct list        ends;     /* struct worker_end */
    uint32_t awaited_count;      /* of what is elsewhere and comes back before the loop may end */
    void (*all_back)(struct worker *worker); /* it has; NULL: nobody asks */
};

/* Something that belongs to this worker is elsewhere, and no connection waits for it. */
static inline void worker_await(struct worker *worker)
{
    worker->awaited_count++;
}

/* It is back, and gone. The loop may end soon. */
static inline void worker_came_back(struct worker *worker)
{
    if (--worker->awaited_count == 0 && worker->all_back != NULL)
        worker->all_back(worker);
}

#endif
