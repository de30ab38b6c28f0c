/* SPDX-License-Identifier: Apache-2.0 */
/* engine/memory/memory_visit.c - a walk over all keys of a shard by a thread of its own. */
#include "engine/memory/memory_engine.h"

enum { VISIT_KEYS = 256 }; /* under one lock: some microseconds */

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

static void visit_stripe(struct memory_stripe *stripe, uint64_t position, uint64_t now_ms,
                         struct visiting *visiting)
{
    struct space *space = &stripe->space.space;
    while (position != SPACE_SCAN_END && visiting->goes_on) {
        pthread_mutex_lock(&stripe->lock);
        memory_space_begin(&stripe->space, now_ms, false);
        space->kind->scan(space, &position, VISIT_KEYS, pass_on, visiting);
        memory_space_end(&stripe->space);
        pthread_mutex_unlock(&stripe->lock);
    }
}

void memory_engine_visit(struct memory_engine *engine, uint32_t shard, uint64_t now_ms,
                         space_visit *visit, void *self)
{
    struct visiting visiting = {visit, self, true};
    struct memory_stripe *stripes = &engine->stripes[(size_t)shard * engine->stripes_count];
    for (uint32_t i = 0; i < engine->stripes_count && visiting.goes_on; i++)
        visit_stripe(&stripes[i], (uint64_t)i << (SPACE_POSITION_BITS - engine->stripe_bits),
                     now_ms, &visiting);
}
