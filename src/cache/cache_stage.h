/* SPDX-License-Identifier: Apache-2.0 */
/* cache/cache_stage.h - is the answer known? The cache's door on the path.
 *
 * Above session: what is kept is for everybody, so no cookie of ours may be on it.
 *
 * Threads: the worker's. */
#ifndef PANDO_CACHE_CACHE_STAGE_H
#define PANDO_CACHE_CACHE_STAGE_H

#include "cache/cache.h"
#include "path/service.h"
#include "path/stage.h"

/* What a fetch walks on may outlive the requests that wait for it. */
struct cache_path {
    void *path;
    void (*hold)(void *path);
    void (*release)(void *path);
};

struct cache_stage {
    struct stage                 stage; /* first */
    struct cache_side           *side;
    const struct cache_settings *settings;
    struct cache_path            path;
};

/* Takes a reference of the worker's side of @cache. False: no memory. */
bool cache_stage_init(struct cache_stage *stage, struct cache *cache, struct worker *worker,
                      const struct cache_settings *settings, const struct cache_path *path,
                      struct stage *below) must_check;

/* Nothing walks on it any more. Accepts zero. */
void cache_stage_fini(struct cache_stage *stage);

#endif
