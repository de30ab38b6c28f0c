/* SPDX-License-Identifier: Apache-2.0 */
/* path/keep.c - things that outlive a configuration. */
#include "path/keep.h"

#include <stdio.h>
#include <string.h>

void keep_init(struct keep *keep)
{
    pthread_mutex_init(&keep->lock, NULL);
    list_init(&keep->things);
}

void keep_fini(struct keep *keep)
{
    list_each(&keep->things, link, after)
    {
        struct kept *kept = list_item(link, struct kept, link);
        list_remove(link);
        kept->drop(kept);
    }
    pthread_mutex_destroy(&keep->lock);
}

struct kept *keep_find(struct keep *keep, const char *name)
{
    struct kept *found = NULL;
    pthread_mutex_lock(&keep->lock);
    list_each(&keep->things, link, after)
    {
        struct kept *kept = list_item(link, struct kept, link);
        if (found == NULL && strcmp(kept->name, name) == 0)
            found = kept;
    }
    if (found != NULL)
        kept_ref(found);
    pthread_mutex_unlock(&keep->lock);
    return found;
}

void keep_add(struct keep *keep, struct kept *kept, const char *name,
              void (*drop)(struct kept *kept))
{
    kept->keep = keep;
    kept->drop = drop;
    atomic_init(&kept->refs_count, 1);
    (void)snprintf(kept->name, sizeof kept->name, "%s", name);
    pthread_mutex_lock(&keep->lock);
    list_add_first(&keep->things, &kept->link);
    pthread_mutex_unlock(&keep->lock);
}

void kept_ref(struct kept *kept)
{
    atomic_fetch_add(&kept->refs_count, 1);
}

void kept_unref(struct kept *kept)
{
    if (kept == NULL)
        return;
    struct keep *keep = kept->keep;
    /* Under the lock, so that nobody finds it between its last reference and its end. */
    pthread_mutex_lock(&keep->lock);
    const bool is_last = atomic_fetch_sub(&kept->refs_count, 1) == 1;
    if (is_last)
        list_remove(&kept->link);
    pthread_mutex_unlock(&keep->lock);
    if (is_last)
        kept->drop(kept);
}
