/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/pubsub/pubsub_hub.h - who subscribes what, over all workers of the process, and the
 * way of a message to them.
 *
 *     PUBLISH on one worker -> hub: which workers have subscribers? -> a letter in each one's inbox
 *     each of those workers (pubsub_worker.h): its own subscribers get it
 *
 * Letters are put under the hub's lock, so all subscribers of the process see all messages in one
 * order, and when a worker's last subscriber has left nobody posts to its loop any more.
 *
 * A worker that cannot keep up would gather letters without end: whoever publishes while more than
 * PUBSUB_INBOX_BYTES wait in an inbox is not read from until they were handed on.
 *
 * Memory:  a topic lives as long as it has subscribers, a message until its last reader has let go
 *          of it. The hub outlives all workers.
 * Threads: any, but where a line says otherwise.
 * Errors:  no memory. */
#ifndef PANDO_FRONT_RESP_PUBSUB_PUBSUB_HUB_H
#define PANDO_FRONT_RESP_PUBSUB_PUBSUB_HUB_H

#include "codec/resp/resp_out.h"
#include "core/hash.h"
#include "front/resp/pubsub/pubsub_table.h"
#include "loop/loop.h"
#include "path/command/pubsub_row.h"
#include "path/worker.h"

#include <pthread.h>

enum { PUBSUB_INBOX_BYTES = 8 * 1024 * 1024 };

/* What may be subscribed: three name spaces. */
#define PUBSUB_KINDS(X)                                                                            \
    X(CHANNEL, "by its name")                                                                      \
    X(PATTERN, "all channels that match it")                                                       \
    X(SHARD, "by its name, in the name space of shards")

enum pubsub_kind {
#define X(kind, gist) PUBSUB_##kind,
    PUBSUB_KINDS(X)
#undef X
    PUBSUB_KINDS_COUNT
};

/* A channel or pattern that somebody subscribes. Its name does not change; the rest is the
 * hub's. */
struct pubsub_topic {
    struct pubsub_node node;    /* first; its hash is the name's */
    struct list_link   link;    /* in hub->all, oldest first */
    uint64_t           workers; /* a bit for each that has subscribers */
    uint64_t           subscribers_count;
    struct bytes       name; /* lies behind it */
};

struct pubsub_message;

/* A message on its way to one worker. */
struct pubsub_letter {
    struct list_link       link;
    struct pubsub_message *message;
    bool                   has_patterns; /* the worker subscribes patterns that match */
};

struct pubsub_message {
    _Atomic uint32_t     refs_count;
    enum pubsub_kind     kind; /* CHANNEL or SHARD */
    uint64_t             hash; /* of the channel */
    uint64_t             sequence;
    struct bytes         channel;
    struct bytes         tail; /* both bulk strings as they are sent: channel and text */
    size_t               held_bytes;
    struct pubsub_letter letters[]; /* one for each worker; behind them the tail */
};

/* Where the letters to a worker come in. */
struct pubsub_inbox {
    struct post     post; /* first; its call reads the letters */
    struct loop    *loop;
    pthread_mutex_t lock;
    struct list     letters;
    size_t          bytes;
    uint64_t        waiting_workers; /* bits: who have publishers that are not read from */
    bool            is_posted;
    struct post     go_on; /* to the same loop: an inbox that was full is read */
    bool            has_go_on;
};

struct pubsub_hub {
    struct hash_key      key;
    pthread_mutex_t      lock;
    struct pubsub_table  topics[PUBSUB_KINDS_COUNT];
    struct list          all[PUBSUB_KINDS_COUNT];
    struct pubsub_inbox *inboxes[WORKERS_MAX]; /* NULL: that worker is not there, or gone */
    unsigned             workers_count;
    uint64_t             sequence; /* grows with every subscription */
    _Atomic uint64_t     subscriptions_count;
    _Atomic uint64_t     messages, deliveries, closed; /* since the process began */
};

/* What is published. */
struct pubsub_text {
    enum pubsub_kind kind; /* CHANNEL or SHARD */
    struct bytes     channel, text;
    bool reads_own; /* the publisher's worker reads its inbox at once: it need not be woken */
};

/* What became of it. */
struct pubsub_sent {
    uint64_t receivers_count;
    bool     is_ahead; /* an inbox is full: the publisher is to wait for `go_on` */
};

/* @key: the process's. */
void pubsub_hub_init(struct pubsub_hub *hub, const struct hash_key *key, unsigned workers_count);
/* No worker uses it any more. Accepts zero. */
void pubsub_hub_fini(struct pubsub_hub *hub);

/* The hash of a name. */
uint64_t pubsub_hub_hash(const struct pubsub_hub *hub, struct bytes name);

/* One subscriber more on the worker of @index. *@since: messages from there on are for him. NULL:
 * no memory. */
struct pubsub_topic *pubsub_hub_join(struct pubsub_hub *hub, enum pubsub_kind kind,
                                     struct bytes name, unsigned index, uint64_t *since) must_check;

/* One fewer. @is_last: of that worker. The topic may be gone then. */
void pubsub_hub_leave(struct pubsub_hub *hub, enum pubsub_kind kind, struct pubsub_topic *topic,
                      unsigned index, bool is_last);

/* Puts a letter to every worker that has subscribers. @index: the publisher's worker. False: no
 * memory, and nobody gets it. */
bool pubsub_hub_publish(struct pubsub_hub *hub, const struct pubsub_text *text, unsigned index,
                        struct pubsub_sent *sent) must_check;

/* What the inbox @inbox has, and who waits until it was handed on; empty then. */
uint64_t pubsub_hub_take(struct pubsub_inbox *inbox, struct list *letters);

/* Those workers may read from their publishers again. */
void pubsub_hub_tell(struct pubsub_hub *hub, uint64_t waiting_workers);

/* Opens or closes the inbox of a worker. */
void pubsub_hub_set_inbox(struct pubsub_hub *hub, unsigned index, struct pubsub_inbox *inbox);

/* Writes the names of the topics of @kind that match @pattern (NULL: all) as an array. */
void pubsub_hub_list(struct pubsub_hub *hub, enum pubsub_kind kind, const struct bytes *pattern,
                     struct resp_out *out);

/* Subscribers of one topic. */
uint64_t pubsub_hub_subscribers(struct pubsub_hub *hub, enum pubsub_kind kind, struct bytes name);

/* Topics of @kind. */
uint64_t pubsub_hub_topics(struct pubsub_hub *hub, enum pubsub_kind kind);

/* What there is and was. */
void pubsub_hub_count(struct pubsub_hub *hub, struct pubsub_figures *figures);

/* One reference more, or one fewer. */
static inline void pubsub_message_ref(struct pubsub_message *message)
{
    (void)atomic_fetch_add_explicit(&message->refs_count, 1, memory_order_relaxed);
}
/* The last one frees it. */
void pubsub_message_unref(struct pubsub_message *message);

#endif
