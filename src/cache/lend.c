/* SPDX-License-Identifier: Apache-2.0 */
/* cache/lend.c - lending the store's memory. */
#include "cache/lend.h"

static void released(struct buf *buf)
{
    struct cache_lend *lend = (struct cache_lend *)(void *)buf;
    struct cache_side *side = lend->side;
    store_entry_unref(lend->entry);
    store_piece_unref(lend->piece);
    slab_give(&side->lends, lend);
    cache_side_unref(side);
}

struct slice cache_lend(struct cache_side *side, struct store_entry *entry,
                        struct store_piece *piece, const uint8_t *at, uint32_t bytes)
{
    struct cache_lend *lend = slab_take(&side->lends);
    if (lend == NULL)
        return (struct slice){0};
    *lend = (struct cache_lend){
        .buf = {.data = (uint8_t *)(uintptr_t)at,
                .capacity = bytes,
                .refs_count = 1,
                .released = released,
                .owner = lend,
                .used_bytes = bytes},
        .side = side,
        .entry = entry == NULL ? NULL : store_entry_ref(entry),
        .piece = piece == NULL ? NULL : store_piece_ref(piece),
    };
    cache_side_ref(side);
    return (struct slice){&lend->buf, at, bytes};
}
