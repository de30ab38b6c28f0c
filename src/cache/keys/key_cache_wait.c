/* SPDX-License-Identifier: Apache-2.0 */
/* cache/keys/key_cache_wait.c - ops that wait for a read of another, and those that must not
 * overtake them.
 *
 * A client whose GET waits may have sent more. The GET is answered by a read that may come later
 * than what the client's next ops do, so these are held until it is answered. Which ops are of that
 * client is not known here: all are held that are behind any op of theirs. Meanwhile nothing more
 * waits, so that takes as long as the reads that are under way. */
#include "cache/keys/key_cache_inside.h"

#include <assert.h>

/* ---- on their way back ---- */

static void end_waiting(struct key_cache_stage *stage)
{
    stage->waiting_count--;
    atomic_fetch_sub_explicit(&stage->options.cache->waiters_count, 1, memory_order_relaxed);
}

static void release_held(struct key_cache_stage *stage)
{
    struct list_link *link;
    while (stage->waiting_count == 0 && (link = list_first(&stage->held)) != NULL) {
        list_remove(link);
        key_cache__go_on(stage, list_item(link, struct key_op, link));
    }
}

static void answer_all(struct post *post)
{
    struct key_cache_stage *stage = list_item(post, struct key_cache_stage, answers.post);
    struct list answered, unanswered;
    list_init(&answered);
    list_init(&unanswered);
    pthread_mutex_lock(&stage->answers.lock);
    list_take_all(&answered, &stage->answers.answered);
    list_take_all(&unanswered, &stage->answers.unanswered);
    stage->answers.is_posted = false;
    pthread_mutex_unlock(&stage->answers.lock);
    for (struct list_link *link; (link = list_first(&unanswered)) != NULL;) {
        struct key_op *op = list_item(link, struct key_op, link);
        list_remove(link);
        end_waiting(stage);
        key_door_submit(stage->options.behind, op);
    }
    for (struct list_link *link; (link = list_first(&answered)) != NULL;) {
        struct key_op *op = list_item(link, struct key_op, link);
        list_remove(link);
        end_waiting(stage);
        op->done(op);
    }
    release_held(stage);
}

void key_cache__give_back(struct key_op *op, bool is_answered)
{
    struct key_cache_stage *stage = op->holder;
    struct key_cache_answers *answers = &stage->answers;
    pthread_mutex_lock(&answers->lock);
    list_add_last(is_answered ? &answers->answered : &answers->unanswered, &op->link);
    const bool is_posted = answers->is_posted;
    answers->is_posted = true;
    if (!is_posted) /* within the lock: whoever takes the ops may end the worker */
        loop_post(stage->options.loop, &answers->post);
    pthread_mutex_unlock(&answers->lock);
}

void key_cache__answers_init(struct key_cache_stage *stage)
{
    stage->answers.post.call = answer_all;
    list_init(&stage->answers.answered);
    list_init(&stage->answers.unanswered);
    list_init(&stage->held);
    const int error = pthread_mutex_init(&stage->answers.lock, NULL);
    assert(error == 0);
    (void)error;
}

void key_cache__answers_fini(struct key_cache_stage *stage)
{
    assert(stage->waiting_count == 0 && list_is_empty(&stage->held));
    pthread_mutex_destroy(&stage->answers.lock);
}

/* ---- waiting ---- */

bool key_cache__may_wait(const struct key_cache_stage *stage)
{
    const struct key_cache *cache = stage->options.cache;
    return list_is_empty(&stage->held) &&
           atomic_load_explicit(&cache->waiters_count, memory_order_relaxed) <
               cache->options.waiters_max;
}

void key_cache__wait(struct key_cache_stage *stage, struct key_op *op, struct list *waiters)
{
    op->holder = stage;
    stage->waiting_count++;
    atomic_fetch_add_explicit(&stage->options.cache->waiters_count, 1, memory_order_relaxed);
    list_add_last(waiters, &op->link);
}

/* The end of a watch is never refused, since its memory goes then; it has nothing to be kept. */
void key_cache__hold(struct key_cache_stage *stage, struct key_op *op)
{
    const bool is_kept = op->is_apart || op->what == KEY_OP_UNWATCH || op->set_apart(op);
    if (is_kept)
        list_add_last(&stage->held, &op->link);
    else
        key_cache__refuse(op, KEY_CACHE_NO_MEMORY);
}
