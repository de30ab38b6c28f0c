/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/lmdb_run.c - commands and transactions on a space. */
#include "engine/lmdb/lmdb_run.h"

void lmdb_run_init(struct lmdb_run *run, struct lmdb_space *space, uint64_t value_bytes_max,
                   uint64_t seed)
{
    *run = (struct lmdb_run){
        .space = space, .spaces = {&space->space}, .value_bytes_max = value_bytes_max};
    random_init(&run->random, seed);
}

static struct space *space_of(struct run *run, struct bytes key)
{
    (void)key;
    return run->spaces[0];
}

static void run_one(struct lmdb_run *self, struct key_op *op, uint64_t now_ms)
{
    const size_t used = op->out->used;
    struct run run = {.now_ms = now_ms,
                      .random = &self->random,
                      .value_bytes_max = self->value_bytes_max,
                      .space_of = space_of,
                      .engine = self,
                      .spaces = self->spaces,
                      .spaces_count = 1};
    self->space->space.now_ms = now_ms;
    self->space->is_reading = (op->command->flags & COMMAND_READ) != 0;
    self->space->counts.commands++;
    run_command(&run, op);
    if (self->space->met_damage) {
        resp_out_rewind(op->out, used);
        resp_error(op->out, space_result_text(SPACE_DAMAGED));
    }
    op->fresh_until_ms = self->space->fresh_until_ms;
    lmdb_space_rest(self->space);
}

/* One whose time was over when the watch began was removed then; so this one went since. */
static bool any_expired(struct lmdb_run *run, const struct key_op *op)
{
    bool is_expired = false;
    list_each(op->watches, link, after)
    {
        const struct key_watch *watch = list_item(link, struct key_watch, link);
        const struct bytes key = {watch->key, watch->key_bytes};
        is_expired = is_expired || lmdb_space_is_expired(run->space, key, op->now_ms);
    }
    return is_expired;
}

/* Ends its watches, so that what it changes itself does not touch them: it may be run again. True:
 * none of them was touched. */
static bool may_exec(struct lmdb_run *run, const struct key_op *op)
{
    struct lmdb_watches *watches = &run->space->shard->watches;
    if (op->watches == NULL)
        return true;
    const bool is_touched = lmdb_watches_touched(watches, op->watches) || any_expired(run, op);
    list_each(op->watches, link, after)
    {
        struct key_watch *watch = list_item(link, struct key_watch, link);
        lmdb_watches_remove(watches, watch);
        watch->touched |= is_touched;
    }
    return !is_touched;
}

static void run_parts(struct lmdb_run *run, struct key_op *op)
{
    if (!may_exec(run, op)) {
        resp_null_array(op->out);
        return;
    }
    resp_array(op->out, op->parts_count);
    for (uint32_t i = 0; i < op->parts_count && run->space->failure == SPACE_OK; i++)
        run_one(run, op->parts[i], op->now_ms);
}

/* What is there but over would count as changed at EXEC, so it goes now. */
static void begin_watch(struct lmdb_run *run, struct key_watch *watch, uint64_t now_ms)
{
    const struct bytes key = {watch->key, watch->key_bytes};
    struct space *space = &run->space->space;
    space->now_ms = now_ms;
    if (lmdb_space_is_expired(run->space, key, now_ms))
        (void)space->kind->remove(space, key);
    lmdb_watches_remove(&run->space->shard->watches, watch); /* it is run anew where all failed */
    lmdb_watches_add(&run->space->shard->watches, watch);
}

void lmdb_run_op(struct lmdb_run *run, struct key_op *op)
{
    switch (op->what) {
    case KEY_OP_EXEC: run_parts(run, op); break;
    case KEY_OP_WATCH: begin_watch(run, op->watch, op->now_ms); break;
    case KEY_OP_UNWATCH: lmdb_watches_remove(&run->space->shard->watches, op->watch); break;
    default: run_one(run, op, op->now_ms);
    }
}

void lmdb_run_refuse(struct key_op *op, size_t used, const char *text)
{
    op->is_refused = true;
    if (op->out == NULL)
        return;
    resp_out_rewind(op->out, used);
    if (op->what == KEY_OP_EXEC)
        resp_errorf(op->out, "EXECABORT Transaction discarded because of: %s", text);
    else
        resp_error(op->out, text);
}
