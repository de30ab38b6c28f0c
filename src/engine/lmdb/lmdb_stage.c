/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/lmdb_stage.c - what is run at once, and what goes to the writer. */
#include "engine/lmdb/lmdb_stage.h"

#include <assert.h>

static void refuse(struct key_op *op, const char *text)
{
    lmdb_run_refuse(op, op->out == NULL ? 0 : op->out->used, text);
    op->done(op);
}

/* A callback that comes after the turn's end was seen must not wait until the next turn. */
static void see_turn_end(struct lmdb_stage *stage)
{
    stage->answers.loop->again = true;
}

static void run_now(struct lmdb_stage *stage, struct key_op *op)
{
    const enum space_result result = lmdb_space_read(&stage->space);
    if (result != SPACE_OK) {
        refuse(op, space_result_text(result));
        return;
    }
    see_turn_end(stage);
    lmdb_run_op(&stage->run, op);
    op->done(op);
}

/* The end of a watch is never refused, since its memory goes then; it has nothing to be kept. */
static bool make_apart(struct key_op *op)
{
    return op->is_apart || op->set_apart == NULL || op->set_apart(op) || op->what == KEY_OP_UNWATCH;
}

static void send_to_writer(struct lmdb_stage *stage, struct key_op *op)
{
    const uint64_t waiting =
        stage->fresh_count +
        atomic_load_explicit(&stage->shard->figures.waiting, memory_order_relaxed);
    if (atomic_load_explicit(&stage->shard->failed, memory_order_relaxed) &&
        op->what != KEY_OP_UNWATCH) {
        refuse(op, space_result_text(SPACE_FAILED));
    } else if (waiting >= stage->waiting_max && op->what != KEY_OP_UNWATCH) {
        refuse(op, LMDB_BUSY);
    } else if (!make_apart(op)) {
        refuse(op, RUN_NO_MEMORY);
    } else {
        op->holder = &stage->answers;
        stage->answers.outstanding++;
        stage->fresh_count++;
        list_add_last(&stage->fresh, &op->link);
        see_turn_end(stage);
    }
}

static bool only_reads(const struct key_op *op)
{
    return op->what == KEY_OP_COMMAND && (op->command->flags & COMMAND_WRITE) == 0;
}

static void submit(struct key_door *door, struct key_op *op)
{
    struct lmdb_stage *stage = (struct lmdb_stage *)(void *)door;
    if (only_reads(op) && !op->is_behind) {
        run_now(stage, op);
    } else if (op->what == KEY_OP_UNWATCH && !op->is_behind) {
        lmdb_watches_remove(&stage->shard->watches, op->watch);
        op->done(op);
    } else {
        send_to_writer(stage, op);
    }
}

static void end_turn(struct loop_hook *hook)
{
    struct lmdb_stage *stage = list_item(hook, struct lmdb_stage, hook);
    lmdb_space_read_end(&stage->space);
    lmdb_space_publish(&stage->space);
    if (stage->fresh_count == 0)
        return;
    const uint64_t count = stage->fresh_count;
    stage->fresh_count = 0;
    lmdb_writer_submit(stage->writer, &stage->fresh, count);
}

void lmdb_stage_init(struct lmdb_stage *stage, const struct lmdb_stage_options *options)
{
    *stage = (struct lmdb_stage){.door.submit = submit,
                                 .shard = options->shard,
                                 .writer = options->writer,
                                 .hook.call = end_turn,
                                 .waiting_max = options->waiting_max};
    lmdb_space_init(&stage->space, options->shard, false);
    lmdb_run_init(&stage->run, &stage->space, options->value_bytes_max, options->seed);
    lmdb_answers_init(&stage->answers, options->loop);
    list_init(&stage->fresh);
    list_add_last(&options->loop->turn_hooks, &stage->hook.link);
}

void lmdb_stage_fini(struct lmdb_stage *stage)
{
    if (stage->shard == NULL)
        return;
    assert(list_is_empty(&stage->fresh));
    list_remove(&stage->hook.link);
    lmdb_space_fini(&stage->space);
    lmdb_answers_fini(&stage->answers);
    *stage = (struct lmdb_stage){0};
}
