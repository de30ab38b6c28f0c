/* SPDX-License-Identifier: Apache-2.0 */
/* cache/keys/key_cache_stage.c - the door: what is looked for, what is held, what goes behind. */
#include "cache/keys/key_cache_inside.h"

void key_cache__go_on(struct key_cache_stage *stage, struct key_op *op)
{
    struct key_cache_question question;
    if (key_cache__changes(op))
        key_cache__write(stage, op);
    else if (!op->is_behind && key_cache__ask(stage->options.cache, op, &question))
        key_cache__read(stage, op, &question);
    else
        key_door_submit(stage->options.behind, op);
}

static void submit(struct key_door *door, struct key_op *op)
{
    struct key_cache_stage *stage = (struct key_cache_stage *)(void *)door;
    if (key_cache__must_hold(stage, op))
        key_cache__hold(stage, op);
    else
        key_cache__go_on(stage, op);
}

void key_cache_stage_init(struct key_cache_stage *stage,
                          const struct key_cache_stage_options *options)
{
    struct key_cache *cache = options->cache;
    const uint32_t number = atomic_fetch_add(&cache->stages_count, 1);
    *stage = (struct key_cache_stage){.door.submit = submit,
                                      .options = *options,
                                      .cell = &cache->cells[number % KEY_CACHE_CELLS]};
    resp_out_init(&stage->scratch, 2, 0, NULL);
    key_cache__answers_init(stage);
}

void key_cache_stage_fini(struct key_cache_stage *stage)
{
    if (stage->options.cache == NULL)
        return;
    key_cache__answers_fini(stage);
    resp_out_fini(&stage->scratch);
    *stage = (struct key_cache_stage){0};
}
