/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/lmdb_writer.c - batches: taken, run, committed, answered. */
#include "engine/lmdb/lmdb_writer.h"

#include "core/units.h"
#include "engine/lmdb/sync/lmdb_sync.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>

enum { BATCHES_PER_SLICE = 8 }; /* while there is always something to do */

#define UNCERTAIN                                                                                  \
    "UNCERTAIN the disk of the keyspace failed meanwhile: the write may or may not be there "      \
    "after a restart"

/* ---- answers on their way back ---- */

static void answer_all(struct post *post)
{
    struct lmdb_answers *answers = (struct lmdb_answers *)(void *)post;
    struct list ops;
    list_init(&ops);
    pthread_mutex_lock(&answers->lock);
    list_take_all(&ops, &answers->ops);
    answers->is_posted = false;
    pthread_mutex_unlock(&answers->lock);
    for (struct list_link *link; (link = list_first(&ops)) != NULL;) {
        struct key_op *op = list_item(link, struct key_op, link);
        list_remove(link);
        answers->outstanding--;
        op->done(op);
    }
}

void lmdb_answers_init(struct lmdb_answers *answers, struct loop *loop)
{
    *answers = (struct lmdb_answers){.post.call = answer_all, .loop = loop};
    list_init(&answers->ops);
    const int error = pthread_mutex_init(&answers->lock, NULL);
    assert(error == 0);
    (void)error;
}

void lmdb_answers_fini(struct lmdb_answers *answers)
{
    assert(answers->outstanding == 0);
    pthread_mutex_destroy(&answers->lock);
}

/* One message a batch and worker, not one an op. */
static void give_back(struct key_op *op)
{
    struct lmdb_answers *answers = op->holder;
    pthread_mutex_lock(&answers->lock);
    list_add_last(&answers->ops, &op->link);
    const bool is_posted = answers->is_posted;
    answers->is_posted = true;
    if (!is_posted) /* within the lock: whoever takes the ops may end the worker */
        loop_post(answers->loop, &answers->post);
    pthread_mutex_unlock(&answers->lock);
}

/* ---- one transaction ---- */

static bool may_grow(const struct key_op *op)
{
    if (op->what == KEY_OP_COMMAND)
        return (op->command->flags & COMMAND_GROW) != 0;
    for (uint32_t i = 0; i < op->parts_count && op->what == KEY_OP_EXEC; i++)
        if ((op->parts[i]->command->flags & COMMAND_GROW) != 0)
            return true;
    return false;
}

/* Refused before it begins, a command costs the others of its batch nothing. */
static bool is_refused_before(struct lmdb_writer *writer, struct lmdb_batched *batched)
{
    if (!may_grow(batched->op) || !lmdb_space_is_full(&writer->space, 0))
        return false;
    lmdb_run_refuse(batched->op, batched->used, space_result_text(SPACE_DISK_FULL));
    return true;
}

static enum space_result commit(struct lmdb_writer *writer)
{
    struct lmdb_figures *figures = &writer->shard->figures;
    const bool is_change = writer->space.changes > 0;
    const uint64_t begun_ns = clock_monotonic_ns();
    const enum space_result result = lmdb_space_commit(&writer->space);
    const uint64_t took_ns = clock_monotonic_ns() - begun_ns;
    if (!is_change || result != SPACE_OK)
        return result;
    /* Before anybody is answered: who reads after that looks here (lmdb_space_read()). */
    atomic_fetch_add_explicit(&figures->commits, 1, memory_order_release);
    atomic_store_explicit(&figures->commit_last_ns, took_ns, memory_order_relaxed);
    if (took_ns > atomic_load_explicit(&figures->commit_max_ns, memory_order_relaxed))
        atomic_store_explicit(&figures->commit_max_ns, took_ns, memory_order_relaxed);
    return result;
}

/* Runs ops [@from, @to) of the batch and commits. Not OK: nothing of it happened, or, where
 * *@is_uncertain, nobody knows. */
static enum space_result attempt(struct lmdb_writer *writer, size_t from, size_t to,
                                 bool *is_uncertain)
{
    enum space_result result = lmdb_space_write(&writer->space);
    *is_uncertain = false;
    if (result != SPACE_OK)
        return result;
    writer->space.counts = (struct lmdb_counts){0}; /* of an attempt that failed */
    for (size_t i = from; i < to && writer->space.failure == SPACE_OK; i++) {
        struct lmdb_batched *batched = &writer->batch[i];
        if (batched->op->out != NULL)
            resp_out_rewind(batched->op->out, batched->used);
        batched->op->is_refused = false;
        if (!is_refused_before(writer, batched))
            lmdb_run_op(&writer->run, batched->op);
    }
    result = writer->space.failure;
    if (result == SPACE_OK) {
        result = commit(writer);
        lmdb_space_publish(&writer->space);
        *is_uncertain = result == SPACE_FAILED;
        return result;
    }
    lmdb_space_abort(&writer->space);
    if (result == SPACE_FAILED)
        atomic_store(&writer->shard->failed, true);
    return result;
}

static void refuse(struct lmdb_writer *writer, size_t from, size_t to, const char *text)
{
    for (size_t i = from; i < to; i++)
        lmdb_run_refuse(writer->batch[i].op, writer->batch[i].used, text);
}

static void run_batch(struct lmdb_writer *writer, size_t count)
{
    bool is_uncertain;
    enum space_result result = attempt(writer, 0, count, &is_uncertain);
    if (is_uncertain) {
        refuse(writer, 0, count, UNCERTAIN);
    } else if (result == SPACE_FAILED || (result != SPACE_OK && count == 1)) {
        refuse(writer, 0, count, space_result_text(result));
    } else if (result != SPACE_OK) {
        atomic_fetch_add_explicit(&writer->shard->figures.again, 1, memory_order_relaxed);
        for (size_t i = 0; i < count; i++) {
            result = attempt(writer, i, i + 1, &is_uncertain);
            if (result != SPACE_OK)
                refuse(writer, i, i + 1, is_uncertain ? UNCERTAIN : space_result_text(result));
        }
    }
    atomic_fetch_add_explicit(&writer->shard->figures.ops, count, memory_order_relaxed);
    atomic_fetch_sub_explicit(&writer->shard->figures.waiting, count, memory_order_relaxed);
    for (size_t i = 0; i < count; i++)
        give_back(writer->batch[i].op);
}

/* ---- what is over ---- */

/* True: there is more of it. */
static bool remove_slice(struct lmdb_writer *writer, uint64_t now_ms)
{
    if (lmdb_space_write(&writer->space) != SPACE_OK)
        return false;
    const uint32_t keys = lmdb_space_remove_expired(&writer->space, now_ms, LMDB_SLICE_KEYS);
    const uint32_t members = lmdb_space_empty_trash(&writer->space, LMDB_SLICE_MEMBERS);
    if (writer->space.failure != SPACE_OK) {
        lmdb_space_abort(&writer->space); /* a full disk: at the next tick again */
        return false;
    }
    return commit(writer) == SPACE_OK && (keys == LMDB_SLICE_KEYS || members == LMDB_SLICE_MEMBERS);
}

/* ---- the queue ---- */

static uint64_t args_bytes(const struct key_op *op)
{
    uint64_t bytes = 0;
    if (op->what == KEY_OP_COMMAND)
        for (uint32_t i = 0; i < op->args_count; i++)
            bytes += op->args[i].count;
    for (uint32_t i = 0; op->what == KEY_OP_EXEC && i < op->parts_count; i++)
        bytes += args_bytes(op->parts[i]);
    return bytes;
}

/* Under the lock. */
static size_t take_batch(struct lmdb_writer *writer)
{
    size_t count = 0;
    uint64_t bytes = 0;
    struct list_link *link;
    while (count < LMDB_BATCH_OPS && bytes < LMDB_BATCH_BYTES &&
           (link = list_first(&writer->queue)) != NULL) {
        struct key_op *op = list_item(link, struct key_op, link);
        list_remove(link);
        bytes += args_bytes(op);
        writer->batch[count++] = (struct lmdb_batched){op, op->out == NULL ? 0 : op->out->used};
    }
    return count;
}

/* Does what was found under the lock. */
static void do_work(struct lmdb_writer *writer, size_t count, uint64_t upkeep_ms)
{
    if (count > 0) {
        run_batch(writer, count);
        writer->passed++;
        pthread_mutex_lock(&writer->lock);
        writer->done += count;
        pthread_mutex_unlock(&writer->lock);
    }
    if (upkeep_ms == 0 || (count > 0 && writer->passed < BATCHES_PER_SLICE))
        return;
    writer->passed = 0;
    if (remove_slice(writer, upkeep_ms))
        return;
    pthread_mutex_lock(&writer->lock);
    if (writer->upkeep_ms == upkeep_ms)
        writer->upkeep_ms = 0;
    pthread_mutex_unlock(&writer->lock);
}

bool lmdb_writer_step(struct lmdb_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    const bool may_begin = writer->pauses == 0;
    const size_t count = may_begin ? take_batch(writer) : 0;
    const uint64_t upkeep_ms = may_begin ? writer->upkeep_ms : 0;
    writer->is_busy = count > 0 || upkeep_ms != 0;
    pthread_mutex_unlock(&writer->lock);
    if (count == 0 && upkeep_ms == 0)
        return false;
    do_work(writer, count, upkeep_ms);
    pthread_mutex_lock(&writer->lock);
    writer->is_busy = false;
    if (writer->pauses > 0)
        pthread_cond_broadcast(&writer->rested);
    pthread_mutex_unlock(&writer->lock);
    return true;
}

/* Under the lock. */
static bool has_to_wait(const struct lmdb_writer *writer)
{
    return writer->pauses > 0 ||
           (list_is_empty(&writer->queue) && writer->upkeep_ms == 0 && !writer->is_stopping);
}

static bool wait_for_work(struct lmdb_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    while (has_to_wait(writer)) {
        writer->is_asleep = true;
        pthread_cond_wait(&writer->wake, &writer->lock);
        writer->is_asleep = false;
    }
    const bool goes_on = !writer->is_stopping || !list_is_empty(&writer->queue);
    pthread_mutex_unlock(&writer->lock);
    return goes_on;
}

static void *work(void *self)
{
    struct lmdb_writer *writer = self;
    while (wait_for_work(writer))
        (void)lmdb_writer_step(writer);
    return NULL;
}

/* Under the lock. */
static void wake_up(struct lmdb_writer *writer)
{
    if (writer->is_asleep)
        pthread_cond_signal(&writer->wake);
}

void lmdb_writer_submit(struct lmdb_writer *writer, struct list *ops, uint64_t count)
{
    atomic_fetch_add_explicit(&writer->shard->figures.waiting, count, memory_order_relaxed);
    pthread_mutex_lock(&writer->lock);
    list_take_all(&writer->queue, ops);
    writer->taken_over += count;
    wake_up(writer);
    pthread_mutex_unlock(&writer->lock);
}

uint64_t lmdb_writer_mark(struct lmdb_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    const uint64_t mark = writer->taken_over;
    pthread_mutex_unlock(&writer->lock);
    return mark;
}

bool lmdb_writer_has_done(struct lmdb_writer *writer, uint64_t mark)
{
    pthread_mutex_lock(&writer->lock);
    const bool has_done = writer->done >= mark;
    pthread_mutex_unlock(&writer->lock);
    return has_done;
}

void lmdb_writer_tick(struct lmdb_writer *writer, uint64_t now_ms)
{
    pthread_mutex_lock(&writer->lock);
    writer->upkeep_ms = now_ms;
    wake_up(writer);
    pthread_mutex_unlock(&writer->lock);
}

/* ---- pauses ---- */

void lmdb_writer_pause(struct lmdb_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    writer->pauses++;
    pthread_mutex_unlock(&writer->lock);
}

bool lmdb_writer_rest(struct lmdb_writer *writer, uint64_t until_ns)
{
    const struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
                                   .tv_nsec = (long)(until_ns % NS_PER_S)};
    int error = 0;
    pthread_mutex_lock(&writer->lock);
    while (writer->is_busy && error == 0)
        error = pthread_cond_clockwait(&writer->rested, &writer->lock, CLOCK_MONOTONIC, &until);
    const bool is_resting = !writer->is_busy;
    pthread_mutex_unlock(&writer->lock);
    return is_resting;
}

void lmdb_writer_go_on(struct lmdb_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    assert(writer->pauses > 0);
    writer->pauses--;
    wake_up(writer);
    pthread_mutex_unlock(&writer->lock);
}

/* ---- begin and end ---- */

void lmdb_writer_init(struct lmdb_writer *writer, struct lmdb_shard *shard,
                      uint64_t value_bytes_max, uint64_t seed)
{
    *writer = (struct lmdb_writer){.shard = shard};
    list_init(&writer->queue);
    lmdb_space_init(&writer->space, shard, true);
    lmdb_run_init(&writer->run, &writer->space, value_bytes_max, seed);
    const int error = pthread_mutex_init(&writer->lock, NULL) |
                      pthread_cond_init(&writer->wake, NULL) |
                      pthread_cond_init(&writer->rested, NULL);
    assert(error == 0);
    (void)error;
}

/* Signals are other threads' business. */
enum err_kind lmdb_writer_start(struct lmdb_writer *writer, struct err *e)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&writer->thread, NULL, work, writer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        return err_set(e, ERR_SYSTEM, "the writer's thread of %.150s could not be started",
                       writer->shard->path);
    writer->is_running = true;
    return lmdb_sync_start(writer->shard, writer->shard->sync_interval_ns, e);
}

void lmdb_writer_stop(struct lmdb_writer *writer)
{
    if (writer->shard == NULL)
        return;
    pthread_mutex_lock(&writer->lock);
    writer->is_stopping = true;
    wake_up(writer);
    pthread_mutex_unlock(&writer->lock);
    if (writer->is_running)
        pthread_join(writer->thread, NULL);
    lmdb_sync_stop(writer->shard);
    lmdb_space_fini(&writer->space);
    pthread_cond_destroy(&writer->wake);
    pthread_cond_destroy(&writer->rested);
    pthread_mutex_destroy(&writer->lock);
    *writer = (struct lmdb_writer){0};
}
