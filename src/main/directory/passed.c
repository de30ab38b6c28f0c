/* SPDX-License-Identifier: Apache-2.0 */
/* main/directory/passed.c - the end of turns, and of queues. */
#include "main/directory/passed.h"

#include "core/units.h"

#include <time.h>

enum { LOOK_AGAIN_NS = 200 * 1000 };

struct passing {
    struct loop_hook hook;
    sem_t            ended;
};

static void turn_ended(struct loop_hook *hook)
{
    struct passing *passing = list_item(hook, struct passing, hook);
    list_remove(&hook->link);
    sem_post(&passing->ended); /* it is gone after this */
}

/* Behind the hooks of the doors, which hand on what they have. */
static void await_turn_end(struct worker_thread *thread, void *argument)
{
    struct passing *passing = argument;
    passing->hook.call = turn_ended;
    list_add_last(&thread->loop.turn_hooks, &passing->hook.link);
}

void passed_turns(struct worker_thread *workers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct passing passing = {0};
        sem_init(&passing.ended, 0, 0);
        worker_thread_run(&workers[i], await_turn_end, &passing);
        while (sem_wait(&passing.ended) != 0)
            ;
        sem_destroy(&passing.ended);
    }
}

static void control_turn_ended(struct loop_hook *hook)
{
    list_remove(&hook->link);
    atomic_store(&list_item(hook, struct passed_control, hook)->is_over, true);
}

static void await_control(struct post *post)
{
    struct passed_control *passed = list_item(post, struct passed_control, post);
    list_add_last(&passed->loop->turn_hooks, &passed->hook.link);
}

void passed_control_turn(struct passed_control *passed, struct worker_thread *control,
                         const _Atomic bool *is_cancelled)
{
    const struct timespec pause = {.tv_nsec = LOOK_AGAIN_NS};
    *passed = (struct passed_control){
        .post.call = await_control, .hook.call = control_turn_ended, .loop = &control->loop};
    loop_post(&control->loop, &passed->post);
    while (!atomic_load(&passed->is_over) && !atomic_load(is_cancelled))
        (void)nanosleep(&pause, NULL);
}

static bool passed_writer(struct lmdb_writer *writer, uint64_t until_ns,
                          const _Atomic bool *is_cancelled)
{
    const uint64_t mark = lmdb_writer_mark(writer);
    const struct timespec pause = {.tv_nsec = LOOK_AGAIN_NS};
    while (!lmdb_writer_has_done(writer, mark)) {
        if (clock_monotonic_ns() > until_ns || atomic_load(is_cancelled))
            return false;
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

bool passed_writers(struct kept_keyspace *keyspace, uint64_t until_ns,
                    const _Atomic bool *is_cancelled)
{
    for (uint32_t i = 0; i < keyspace->writers_running; i++)
        if (!passed_writer(&keyspace->writers[i], until_ns, is_cancelled))
            return false;
    return true;
}
