/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/lmdb_visit.c - the walk, a slice in each transaction, so that none lasts long. */
#include "engine/lmdb/lmdb_visit.h"

enum { VISIT_KEYS = 4096 }; /* in one transaction */

struct visiting {
    space_visit *visit;
    void        *self;
    bool         goes_on;
};

static bool pass_on(void *self, struct bytes key, const struct space_value *value)
{
    struct visiting *visiting = self;
    visiting->goes_on = visiting->visit(visiting->self, key, value);
    return visiting->goes_on;
}

static enum space_result visit_slice(struct lmdb_space *space, uint64_t *position, uint64_t now_ms,
                                     struct visiting *visiting)
{
    const enum space_result result = lmdb_space_read(space);
    if (result != SPACE_OK)
        return result;
    space->space.now_ms = now_ms;
    space->space.kind->scan(&space->space, position, VISIT_KEYS, pass_on, visiting);
    const enum space_result failure = space->failure;
    lmdb_space_rest(space);
    lmdb_space_read_end(space);
    return failure;
}

enum space_result lmdb_shard_visit(struct lmdb_shard *shard, uint64_t now_ms, space_visit *visit,
                                   void *self)
{
    struct visiting visiting = {visit, self, true};
    struct lmdb_space space;
    uint64_t position = 0;
    enum space_result result = SPACE_OK;
    lmdb_space_init(&space, shard, false);
    while (result == SPACE_OK && position != SPACE_SCAN_END && visiting.goes_on)
        result = visit_slice(&space, &position, now_ms, &visiting);
    lmdb_space_fini(&space);
    return result;
}
