/* SPDX-License-Identifier: Apache-2.0 */
/* loop/post.h - messages from any thread to a loop: a queue of many writers and one reader
 * (Vyukov's intrusive MPSC).
 *
 * A message is embedded in what it is about, so posting never allocates and never fails; whoever
 * posts an op moves it.
 *
 * Memory:  the post belongs to the queue from loop_post() until its call() begins. */
#ifndef PANDO_LOOP_POST_H
#define PANDO_LOOP_POST_H

#include <stdatomic.h>
#include <stddef.h>

struct post {
    _Atomic(struct post *) next;
    void (*call)(struct post *post);
};

struct post_queue {
    _Atomic(struct post *) last;  /* writers */
    struct post           *first; /* the reader */
    struct post            nil;
};

static inline void post_queue_init(struct post_queue *queue)
{
    atomic_init(&queue->nil.next, NULL);
    queue->first = &queue->nil;
    atomic_init(&queue->last, &queue->nil);
}

static inline void post_queue_put(struct post_queue *queue, struct post *post)
{
    atomic_store_explicit(&post->next, NULL, memory_order_relaxed);
    struct post *before = atomic_exchange_explicit(&queue->last, post, memory_order_acq_rel);
    atomic_store_explicit(&before->next, post, memory_order_release);
}

/* The oldest message, or NULL if there is none or a writer is just in the middle of its put (it
 * wakes the reader
 * afterwards). */
static inline struct post *post_queue_take(struct post_queue *queue)
{
    struct post *first = queue->first;
    struct post *next = atomic_load_explicit(&first->next, memory_order_acquire);
    if (first == &queue->nil) {
        if (next == NULL)
            return NULL;
        queue->first = first = next;
        next = atomic_load_explicit(&first->next, memory_order_acquire);
    }
    if (next != NULL) {
        queue->first = next;
        return first;
    }
    if (first != atomic_load_explicit(&queue->last, memory_order_acquire))
        return NULL;
    post_queue_put(queue, &queue->nil);
    next = atomic_load_explicit(&first->next, memory_order_acquire);
    if (next == NULL)
        return NULL;
    queue->first = next;
    return first;
}

#endif
