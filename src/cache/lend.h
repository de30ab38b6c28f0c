/* SPDX-License-Identifier: Apache-2.0 */
/* cache/lend.h - bytes of the store as buffers that connections send from; nothing is copied.
 *
 * Memory:  a lent buffer holds its entry or piece, and the worker's side, until it is sent.
 * Threads: the worker's. */
#ifndef PANDO_CACHE_LEND_H
#define PANDO_CACHE_LEND_H

#include "cache/cache.h"
#include "core/buf.h"

struct cache_lend {
    struct buf          buf; /* first */
    struct cache_side  *side;
    struct store_entry *entry; /* one of the two */
    struct store_piece *piece;
};

/* @bytes bytes at @at, which lie in @entry or in @piece, of which it takes a reference of its own.
 * buf is NULL without memory. */
struct slice cache_lend(struct cache_side *side, struct store_entry *entry,
                        struct store_piece *piece, const uint8_t *at, uint32_t bytes);

#endif
