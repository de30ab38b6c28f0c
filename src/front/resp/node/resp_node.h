/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/node/resp_node.h - what all Redis fronts of the process have in common: who the node
 * is, which fronts there are, what they counted, and what was slow.
 *
 * Sessions belong to their worker's thread. Whoever must see all of them begins a walk: it visits
 * the fronts of its own worker, then goes from loop to loop by a post, and comes back.
 *
 * Memory:  embedded in what outlives every front. A walk is its maker's until it is over.
 * Threads: init and fini on one; the rest on any, but where a line says whose.
 * Errors:  none. */
#ifndef PANDO_FRONT_RESP_NODE_RESP_NODE_H
#define PANDO_FRONT_RESP_NODE_RESP_NODE_H

#include "core/list.h"
#include "front/resp/node/resp_slowlog.h"
#include "loop/post.h"
#include "path/worker.h"

#include <pthread.h>
#include <stdatomic.h>

enum { RESP_NODE_ID_BYTES = 40 }; /* hexadecimal digits, as Redis Cluster's */

struct resp_sessions;

/* What a front counts, for figures of the whole node. */
#define RESP_NODE_COUNTS(X)                                                                        \
    X(connections, "open now")                                                                     \
    X(connections_ever, "accepted")                                                                \
    X(commands, "read whole")                                                                      \
    X(bytes_in, "of commands")                                                                     \
    X(bytes_out, "of answers")

struct resp_node_counts {
#define X(name, gist) uint64_t name;
    RESP_NODE_COUNTS(X)
#undef X
    uint64_t refused; /* connections, by these workers, whatever they spoke */
};

/* A front as the node knows it. Counters are written by its worker alone, and read by any. */
struct resp_member {
    struct list_link      link;
    struct resp_sessions *sessions;
#define X(name, gist) _Atomic uint64_t name;
    RESP_NODE_COUNTS(X)
#undef X
};

/* The fronts of one worker: changed by its thread under the node's lock, so that it may read it
 * without. */
struct resp_roster {
    struct list          members;
    const struct worker *worker; /* NULL: there never was one */
};

struct resp_node {
    pthread_mutex_t         lock; /* of the rosters, and of `past` */
    struct resp_roster      rosters[WORKERS_ALL_MAX];
    struct resp_node_counts past; /* of fronts that are gone */
    struct resp_slowlog     slowlog;
    uint64_t                begun_ns;                   /* monotonic */
    char                    id[RESP_NODE_ID_BYTES + 1]; /* set before the first front; or empty */
};

/* No front is there, and the id is empty. */
void resp_node_init(struct resp_node *node);

/* No front is left. */
void resp_node_fini(struct resp_node *node);

/* A front is there, or not any more. On its worker's thread. */
void resp_node_enter(struct resp_node *node, struct resp_member *member,
                     const struct worker *worker);
void resp_node_leave(struct resp_node *node, struct resp_member *member);

/* What all fronts counted, those that are gone too. */
void resp_node_count(struct resp_node *node, struct resp_node_counts *counts);

struct resp_walk {
    struct post       post;
    struct resp_node *node;
    unsigned          home; /* the worker that began it */
    unsigned          next; /* to be visited, or a later one */
    /* On the thread of the front's worker. */
    void (*visit)(struct resp_walk *self, struct resp_sessions *sessions);
    /* All were visited; on the thread that began it. */
    void (*over)(struct resp_walk *self);
};

/* Visits every front, those of @worker, whose thread it is, within the call. True: there are no
 * others, so it is over, and over() is not called. Somebody who keeps the worker's loop turning
 * must wait for it. */
bool resp_node_walk(struct resp_node *node, struct resp_walk *walk, const struct worker *worker)
    must_check;

#endif
