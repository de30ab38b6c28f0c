/* SPDX-License-Identifier: Apache-2.0 */
/* cache/tier.h - inside the cache room: the disk's beginning and end, and what is written to it. */
#ifndef PANDO_CACHE_TIER_H
#define PANDO_CACHE_TIER_H

#include "cache/cache.h"

/* Opens the disk that the settings want, or takes that of @before (may be NULL), with the key that
 * its objects were hashed with. What cannot be opened is told in disk_error. */
void cache_disk_open(struct cache *cache, const struct cache_wish *wish, struct cache *before);

/* Everything on the disk is looked at by the rules of purges that there are now. False: there is no
 * disk. The control thread, as the next two. */
bool cache_disk_sweep_begin(struct cache *cache) must_check;

/* After it was begun; true once. */
bool cache_disk_sweep_is_over(struct cache *cache) must_check;

/* It is not needed any more. Accepts one that is not under way. */
void cache_disk_sweep_end(struct cache *cache);

/* Nothing of the cache's waits to be written afterwards. Accepts one without. */
void cache_disk_close(struct cache *cache);

/* store_options.evicted. @self: a cache. */
void cache_disk_evicted(void *self, struct store_entry *entry);

#endif
