/* SPDX-License-Identifier: Apache-2.0 */
/* path/keep.h - what a service has beside its targets and must keep over a reload, by its name.
 *
 * A path only refers; buckets and permits live on. Each configuration in force holds one
 * reference to each thing it uses; the new one takes its reference before the old one gives its
 * back, so the thing survives, and goes when no configuration names it any more.
 *
 * Memory:  a struct kept is the first field of the thing; its maker says how it is freed.
 * Threads: any; a lock is held for a walk over the services, at reload only. */
#ifndef PANDO_PATH_KEEP_H
#define PANDO_PATH_KEEP_H

#include "core/list.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct keep {
    pthread_mutex_t lock;
    struct list     things;
};

struct kept {
    struct list_link link;
    struct keep     *keep;
    char             name[64]; /* of the service */
    _Atomic uint32_t refs_count;
    void (*drop)(struct kept *kept); /* frees the thing */
};

void keep_init(struct keep *keep);

/* Also drops what was not given back: whoever held it has ended. */
void keep_fini(struct keep *keep);

/* A reference to the thing of that name, or NULL. */
struct kept *keep_find(struct keep *keep, const char *name);

/* Keeps a new thing with one reference, in front of older ones of the same name. */
void keep_add(struct keep *keep, struct kept *kept, const char *name,
              void (*drop)(struct kept *kept));

void kept_ref(struct kept *kept);

/* Accepts NULL. Any thread. */
void kept_unref(struct kept *kept);

#endif
