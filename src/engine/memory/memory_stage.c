/* SPDX-License-Identifier: Apache-2.0 */
/* engine/memory/memory_stage.c - an op takes the locks that it needs, runs, and is answered.
 *
 * A command on one key: one hash, one lock, no loop. Anything else: the stripes that it needs are
 * marked in a set of bits, locked from the lowest to the highest, and unlocked likewise. */
#include "engine/keys/run.h"
#include "engine/memory/memory_engine.h"

#include <assert.h>
#include <stdatomic.h>

/* ---- where a key is ---- */

static struct memory_hint find_place(const struct memory_stage *stage, uint32_t shard,
                                     struct bytes key)
{
    const struct memory_engine *engine = stage->options.engine;
    const uint64_t hash = hash_sip13(&engine->hash_key, key.at, key.count);
    if (shard == KEY_SHARD_SEVERAL)
        shard = stage->options.shard_of(stage->options.layout, key);
    assert(shard < engine->shards_count);
    return (struct memory_hint){
        .key = key, .hash = hash, .stripe = memory_engine__stripe(engine, shard, hash)};
}

static struct memory_space *space_at(const struct memory_stage *stage, uint32_t stripe)
{
    return &stage->options.engine->stripes[stripe].space;
}

/* The hint of @key, which handlers ask for in the order of the arguments, mostly. */
static const struct memory_hint *find_hint(struct memory_stage *stage, struct bytes key)
{
    for (uint32_t i = 0; i < stage->hints_count; i++) {
        const uint32_t index = (stage->hint_next + i) % stage->hints_count;
        const struct memory_hint *hint = &stage->hints[index];
        if (hint->key.at != key.at || hint->key.count != key.count)
            continue;
        stage->hint_next = index + 1;
        return hint;
    }
    return NULL;
}

/* run->space_of(). Keys that are not arguments are made by the handler, perhaps one after the other
 * at the same address, so their hashes are not kept. */
static struct space *space_of(struct run *run, struct bytes key)
{
    struct memory_stage *stage = run->engine;
    const struct memory_hint *hint = find_hint(stage, key);
    const uint32_t stripe =
        hint != NULL ? hint->stripe : find_place(stage, run->op->shard, key).stripe;
    struct memory_space *space = space_at(stage, stripe);
    if (hint != NULL)
        memory_space_hint(space, key, hint->hash);
    space->is_reading = (run->op->command->flags & COMMAND_READ) != 0;
    return &space->space;
}

/* ---- running ---- */

static void run_on(struct memory_stage *stage, struct key_op *op)
{
    const struct memory_engine *engine = stage->options.engine;
    const bool is_of_all = op->shard == KEY_SHARD_SEVERAL;
    struct run run = {
        .op = op,
        .now_ms = op->now_ms,
        .random = stage->options.random,
        .value_bytes_max = stage->options.value_bytes_max,
        .space_of = space_of,
        .engine = stage,
        .spaces = engine->spaces + (is_of_all ? 0 : op->shard * engine->stripes_count),
        .spaces_count = is_of_all ? memory_engine__stripes(engine) : engine->stripes_count,
    };
    run_command(&run, op);
}

/* The place of the one key that a command has; 0: it has none, or several, or may touch others. */
static uint32_t single_key(const struct key_op *op)
{
    const struct command *command = op->command;
    if (command->first_key <= 0 || command->first_key != command->last_key ||
        (uint32_t)command->first_key >= op->args_count ||
        (command->flags & (COMMAND_COUNTED | COMMAND_WHOLE)) != 0)
        return 0;
    return (uint32_t)command->first_key;
}

static void run_on_one(struct memory_stage *stage, struct key_op *op, struct bytes key)
{
    stage->hints[0] = find_place(stage, op->shard, key);
    stage->hints_count = 1;
    stage->hint_next = 0;
    struct memory_stripe *stripe = &stage->options.engine->stripes[stage->hints[0].stripe];
    pthread_mutex_lock(&stripe->lock);
    memory_space_begin(&stripe->space, op->now_ms, false);
    stripe->space.counts.commands++;
    run_on(stage, op);
    memory_space_end(&stripe->space);
    pthread_mutex_unlock(&stripe->lock);
}

/* ---- several stripes ---- */

static uint32_t words_of(const struct memory_engine *engine)
{
    return (memory_engine__stripes(engine) + 63) / 64;
}

static void need(struct memory_stage *stage, uint32_t stripe)
{
    stage->needed[stripe / 64] |= (uint64_t)1 << stripe % 64;
}

static void need_all_of(struct memory_stage *stage, uint32_t shard)
{
    const struct memory_engine *engine = stage->options.engine;
    const bool is_of_all = shard == KEY_SHARD_SEVERAL;
    const uint32_t first = is_of_all ? 0 : shard * engine->stripes_count;
    const uint32_t count = is_of_all ? memory_engine__stripes(engine) : engine->stripes_count;
    for (uint32_t i = 0; i < count; i++)
        need(stage, first + i);
}

/* Finds the keys of a command: their places become hints; @needs: and what they need is marked. */
static void note_keys(struct memory_stage *stage, const struct key_op *op, bool needs)
{
    struct command_keys keys;
    const bool has_keys = command_find_keys(op->command, op->args, op->args_count, &keys);
    const uint32_t count = has_keys ? command_keys_count(&keys) : 0;
    stage->hints_count = stage->hint_next = 0;
    for (uint32_t i = 0; i < count && (needs || i < MEMORY_HINTS_MAX); i++) {
        const struct bytes key = op->args[command_key_place(&keys, i)];
        const struct memory_hint place = find_place(stage, op->shard, key);
        if (i < MEMORY_HINTS_MAX)
            stage->hints[stage->hints_count++] = place;
        if (needs)
            need(stage, place.stripe);
    }
    if (needs && (count == 0 || (op->command->flags & COMMAND_WHOLE) != 0))
        need_all_of(stage, op->shard);
}

/* Calls @act for each stripe that is needed, from the lowest on. */
static void each_needed(struct memory_stage *stage,
                        void (*act)(struct memory_stripe *stripe, void *with), void *with)
{
    struct memory_engine *engine = stage->options.engine;
    for (uint32_t word = 0; word < words_of(engine); word++)
        for (uint64_t bits = stage->needed[word]; bits != 0; bits &= bits - 1)
            act(&engine->stripes[word * 64 + (uint32_t)__builtin_ctzll(bits)], with);
}

struct holding {
    void    *holder;
    uint64_t now_ms;
};

static void hold(struct memory_stripe *stripe, void *with)
{
    const struct holding *holding = with;
    pthread_mutex_lock(&stripe->lock);
    atomic_store_explicit(&stripe->holder, holding->holder, memory_order_relaxed);
    memory_space_begin(&stripe->space, holding->now_ms, false);
}

static void let_go(struct memory_stripe *stripe, void *with)
{
    (void)with;
    memory_space_end(&stripe->space);
    atomic_store_explicit(&stripe->holder, NULL, memory_order_relaxed);
    pthread_mutex_unlock(&stripe->lock);
}

static void hold_needed(struct memory_stage *stage, uint64_t now_ms)
{
    struct holding holding = {.holder = stage, .now_ms = now_ms};
    each_needed(stage, hold, &holding);
}

static void let_go_needed(struct memory_stage *stage)
{
    each_needed(stage, let_go, NULL);
    memset(stage->needed, 0, words_of(stage->options.engine) * sizeof *stage->needed);
}

/* Commands are counted in the lowest stripe that they hold. */
static void count_command(struct memory_stage *stage)
{
    uint32_t word = 0;
    while (stage->needed[word] == 0)
        word++;
    const uint32_t stripe = word * 64 + (uint32_t)__builtin_ctzll(stage->needed[word]);
    space_at(stage, stripe)->counts.commands++;
}

/* What the hints lead to comes into the processor's cache, all buckets at once and then all
 * entries. */
static void fetch_hinted(struct memory_stage *stage)
{
    for (uint32_t i = 0; i < stage->hints_count; i++)
        key_table_fetch_bucket(&space_at(stage, stage->hints[i].stripe)->table,
                               stage->hints[i].hash);
    for (uint32_t i = 0; i < stage->hints_count; i++)
        key_table_fetch_entry(&space_at(stage, stage->hints[i].stripe)->table,
                              stage->hints[i].hash);
}

static void run_on_several(struct memory_stage *stage, struct key_op *op)
{
    note_keys(stage, op, true);
    hold_needed(stage, op->now_ms);
    fetch_hinted(stage);
    count_command(stage);
    run_on(stage, op);
    let_go_needed(stage);
}

static void run_one(struct memory_stage *stage, struct key_op *op)
{
    const uint32_t place = single_key(op);
    if (place > 0)
        run_on_one(stage, op, op->args[place]);
    else
        run_on_several(stage, op);
}

/* ---- EXEC ---- */

static struct memory_stripe *stripe_of(const struct key_watch *watch)
{
    return (struct memory_stripe *)(void *)((uint8_t *)watch->place -
                                            offsetof(struct memory_stripe, space));
}

static void need_watched(struct memory_stage *stage, const struct list *watches)
{
    if (watches == NULL)
        return;
    list_each(watches, link, after)
    {
        const struct key_watch *watch = list_item(link, struct key_watch, link);
        if (watch->place != NULL)
            need(stage, (uint32_t)(stripe_of(watch) - stage->options.engine->stripes));
    }
}

/* Was any of them touched? None is watched from here on. */
static bool end_watches(const struct list *watches)
{
    bool is_touched = false;
    if (watches == NULL)
        return false;
    list_each(watches, link, after)
    {
        struct key_watch *watch = list_item(link, struct key_watch, link);
        if (watch->place == NULL)
            continue;
        is_touched |= memory_space_is_touched(watch->place, watch);
        memory_space_unwatch(watch);
    }
    return is_touched;
}

static void run_parts(struct memory_stage *stage, struct key_op *op)
{
    resp_array(op->out, op->parts_count);
    for (uint32_t i = 0; i < op->parts_count; i++) {
        note_keys(stage, op->parts[i], false);
        count_command(stage);
        run_on(stage, op->parts[i]);
    }
}

static void run_exec(struct memory_stage *stage, struct key_op *op)
{
    for (uint32_t i = 0; i < op->parts_count; i++)
        note_keys(stage, op->parts[i], true);
    need_watched(stage, op->watches);
    hold_needed(stage, op->now_ms);
    if (end_watches(op->watches))
        resp_null_array(op->out);
    else
        run_parts(stage, op);
    let_go_needed(stage);
}

/* ---- watches ---- */

static void watch_key(struct memory_stage *stage, struct key_op *op)
{
    const struct bytes key = {op->watch->key, op->watch->key_bytes};
    const struct memory_hint place = find_place(stage, op->shard, key);
    struct memory_stripe *stripe = &stage->options.engine->stripes[place.stripe];
    pthread_mutex_lock(&stripe->lock);
    memory_space_begin(&stripe->space, op->now_ms, false);
    memory_space_watch(&stripe->space, op->watch);
    pthread_mutex_unlock(&stripe->lock);
}

/* Only the client's own ops change `place`, and they are here one at a time. */
static void unwatch_key(struct key_watch *watch)
{
    if (watch->place == NULL)
        return;
    struct memory_stripe *stripe = stripe_of(watch);
    pthread_mutex_lock(&stripe->lock);
    memory_space_unwatch(watch);
    pthread_mutex_unlock(&stripe->lock);
}

/* ---- the door ---- */

static void submit(struct key_door *self, struct key_op *op)
{
    struct memory_stage *stage = (struct memory_stage *)(void *)self;
    switch ((enum key_op_what)op->what) {
    case KEY_OP_COMMAND: run_one(stage, op); break;
    case KEY_OP_EXEC: run_exec(stage, op); break;
    case KEY_OP_WATCH: watch_key(stage, op); break;
    case KEY_OP_UNWATCH: unwatch_key(op->watch); break;
    }
    op->done(op);
}

/* ---- what comes next ---- */

/* A stripe that another worker holds is left out: waiting would cost more than it saves. */
static void fetch(const struct memory_stage *stage, const struct memory_hint *place,
                  void (*step)(const struct key_table *table, uint64_t hash))
{
    struct memory_stripe *stripe = &stage->options.engine->stripes[place->stripe];
    if (pthread_mutex_trylock(&stripe->lock) != 0)
        return;
    step(&stripe->space.table, place->hash);
    pthread_mutex_unlock(&stripe->lock);
}

/* In two passes, so that all buckets come at once, and then all entries. */
static void expect(struct key_door *self, const struct bytes *keys, uint32_t keys_count)
{
    const struct memory_stage *stage = (const struct memory_stage *)(void *)self;
    const uint32_t shard = stage->options.engine->shards_count == 1 ? 0 : KEY_SHARD_SEVERAL;
    struct memory_hint places[KEY_EXPECTED_MAX];
    assert(keys_count <= KEY_EXPECTED_MAX);
    for (uint32_t i = 0; i < keys_count; i++) {
        places[i] = find_place(stage, shard, keys[i]);
        fetch(stage, &places[i], key_table_fetch_bucket);
    }
    for (uint32_t i = 0; i < keys_count; i++)
        fetch(stage, &places[i], key_table_fetch_entry);
}

bool memory_stage_init(struct memory_stage *stage, const struct memory_stage_options *options)
{
    *stage =
        (struct memory_stage){.door = {.submit = submit, .expect = expect}, .options = *options};
    stage->needed = mem_alloc(words_of(options->engine) * sizeof *stage->needed);
    if (stage->needed == NULL)
        return false;
    memory_engine_ref(options->engine);
    return true;
}

void memory_stage_fini(struct memory_stage *stage)
{
    if (stage->needed == NULL)
        return;
    mem_free(stage->needed);
    stage->needed = NULL;
    memory_engine_unref(stage->options.engine);
}
