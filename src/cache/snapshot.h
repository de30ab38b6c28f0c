/* SPDX-License-Identifier: Apache-2.0 */
/* cache/snapshot.h - what is cached outlives a clean stop, in a file of the data folder.
 *
 * The file is taken away as it is read: what a process that ends in another way had purged or
 * made invalid since does not come back. For the same reason only who looked last for it writes
 * it: after an upgrade two processes serve for a while, and what the old one has may be out of
 * date.
 *
 * Threads: while no worker uses the cache, so before the first request and after the last. */
#ifndef PANDO_CACHE_SNAPSHOT_H
#define PANDO_CACHE_SNAPSHOT_H

#include "cache/cache.h"

/* Puts in what @folder has for @service, once in the cache's life; *@count is how many answers. A
 * file that is missing, torn or of another version gives fewer, and is no error. */
enum err_kind cache_warm(struct cache *cache, const char *folder, const char *service,
                         uint64_t *count, struct err *e) must_check;

/* Writes all that is kept there, but for what purges mean. */
enum err_kind cache_save(struct cache *cache, const char *folder, const char *service,
                         uint64_t *count, struct err *e) must_check;

#endif
