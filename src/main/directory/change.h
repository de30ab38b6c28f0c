/* SPDX-License-Identifier: Apache-2.0 */
/* main/directory/change.h - a directory's entry is changed while all workers go on.
 *
 * No key moves by it, so it is refused while keys lie where they would not be found any more. That
 * nobody writes one meanwhile takes a fence:
 *
 *     look through the shards        refused here, it costs clients nothing
 *     raise the fence                commands on what begins so: TRYAGAIN
 *     all workers end a turn         what was on its way is in the queues of the writers
 *     the writers do what waits      now nothing of the old layout is under way
 *     look once more
 *     write DATA/facts               a kill before or after: the old entries, or the new ones
 *     the new entries                and the fence is down
 *
 * A failed sync whose outcome is not known, and that cannot be taken back, leaves the fence up
 * until a later change succeeds or the process starts anew.
 *
 * Memory:  owns itself and a reference to the keyspace until change_fini().
 * Threads: change_run() on one that may wait; it must not be a worker's or the control thread.
 * Errors:  the text, for people. */
#ifndef PANDO_MAIN_DIRECTORY_CHANGE_H
#define PANDO_MAIN_DIRECTORY_CHANGE_H

#include "main/directory/facts.h"
#include "main/directory/passed.h"
#include "main/kept_keyspace.h"
#include "main/worker_thread.h"

enum {
    CHANGE_TEXT_BYTES = 8192,    /* a quoted prefix twice, and a sentence */
    CHANGE_FENCE_MS_MAX = 10000, /* that commands may be refused for; then it is given up */
};

struct change_order {
    struct kept_keyspace *keyspace; /* of the directory strategy; a reference, which goes over */
    const char           *data;     /* the folder */
    struct bytes          prefix;   /* copied */
    uint32_t              shard;    /* PARTITION_NO_SHARD: the entry is taken away */
    struct worker_thread *workers;
    unsigned              workers_count;
    struct worker_thread *control;
};

struct change {
    struct change_order   order;
    uint8_t               prefix[FACTS_PREFIX_BYTES_MAX];
    char                  data[FACTS_PATH_MAX];
    struct passed_control passed;
    _Atomic bool          is_cancelled; /* by anybody: it is given up where that changes nothing */
    _Atomic bool          is_done;      /* the rest may be read */
    bool                  is_ok;
    char                  text[CHANGE_TEXT_BYTES]; /* what was done, or why not */
};

/* False: the prefix or the folder's name is too long; nothing is taken over. */
bool change_init(struct change *change, const struct change_order *order) must_check;

/* Does it. */
void change_run(struct change *change);

/* It is done, or was not begun. Accepts zero. */
void change_fini(struct change *change);

#endif
