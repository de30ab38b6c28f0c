/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/node/resp_node.c - the fronts' list, their sums, and walks over them. */
#include "front/resp/node/resp_node.h"

#include "core/units.h"
#include "loop/loop.h"
#include "path/worker_row.h"

#include <assert.h>

void resp_node_init(struct resp_node *node)
{
    *node = (struct resp_node){.begun_ns = clock_monotonic_ns()};
    const int error = pthread_mutex_init(&node->lock, NULL);
    assert(error == 0);
    (void)error;
    for (unsigned i = 0; i < WORKERS_ALL_MAX; i++)
        list_init(&node->rosters[i].members);
    resp_slowlog_init(&node->slowlog);
}

void resp_node_fini(struct resp_node *node)
{
    resp_slowlog_fini(&node->slowlog);
    pthread_mutex_destroy(&node->lock);
}

void resp_node_enter(struct resp_node *node, struct resp_member *member,
                     const struct worker *worker)
{
    struct resp_roster *roster = &node->rosters[worker->index];
    pthread_mutex_lock(&node->lock);
    list_add_last(&roster->members, &member->link);
    roster->worker = worker;
    pthread_mutex_unlock(&node->lock);
}

static void add_counts(struct resp_node_counts *sum, const struct resp_member *member)
{
#define X(name, gist) sum->name += atomic_load_explicit(&member->name, memory_order_relaxed);
    RESP_NODE_COUNTS(X)
#undef X
}

void resp_node_leave(struct resp_node *node, struct resp_member *member)
{
    pthread_mutex_lock(&node->lock);
    list_remove(&member->link);
    add_counts(&node->past, member);
    pthread_mutex_unlock(&node->lock);
}

void resp_node_count(struct resp_node *node, struct resp_node_counts *counts)
{
    pthread_mutex_lock(&node->lock);
    *counts = node->past;
    for (unsigned i = 0; i < WORKERS_ALL_MAX; i++) {
        const struct resp_roster *roster = &node->rosters[i];
        if (!list_is_empty(&roster->members))
            counts->refused += atomic_load_explicit(&roster->worker->row->connections_refused,
                                                    memory_order_relaxed);
        list_each(&roster->members, link, after)
        {
            add_counts(counts, list_item(link, const struct resp_member, link));
        }
    }
    pthread_mutex_unlock(&node->lock);
}

/* ---- walks ---- */

static void visit_all(struct resp_walk *walk, unsigned index)
{
    list_each(&walk->node->rosters[index].members, link, after)
    {
        walk->visit(walk, list_item(link, struct resp_member, link)->sessions);
    }
}

/* The next worker's loop; NULL: all were visited. */
static struct loop *find_next(struct resp_walk *walk)
{
    struct loop *loop = NULL;
    pthread_mutex_lock(&walk->node->lock);
    for (; walk->next < WORKERS_ALL_MAX && loop == NULL; walk->next++) {
        const struct resp_roster *roster = &walk->node->rosters[walk->next];
        if (walk->next != walk->home && !list_is_empty(&roster->members))
            loop = roster->worker->loop;
    }
    pthread_mutex_unlock(&walk->node->lock);
    return loop;
}

static void come_home(struct post *post)
{
    struct resp_walk *walk = list_item(post, struct resp_walk, post);
    walk->over(walk);
}

static void arrive(struct post *post)
{
    struct resp_walk *walk = list_item(post, struct resp_walk, post);
    visit_all(walk, walk->next - 1);
    struct loop *loop = find_next(walk);
    if (loop == NULL) {
        loop = walk->node->rosters[walk->home].worker->loop; /* written before the walk began */
        walk->post.call = come_home;
    }
    loop_post(loop, &walk->post);
}

bool resp_node_walk(struct resp_node *node, struct resp_walk *walk, const struct worker *worker)
{
    walk->node = node;
    walk->home = worker->index;
    walk->next = 0;
    walk->post.call = arrive;
    visit_all(walk, walk->home);
    struct loop *loop = find_next(walk);
    if (loop != NULL)
        loop_post(loop, &walk->post);
    return loop == NULL;
}
