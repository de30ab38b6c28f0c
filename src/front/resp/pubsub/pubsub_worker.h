/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/pubsub/pubsub_worker.h - one worker's subscribers, and the reading of its inbox.
 *
 * Knows no connection: it calls a subscriber's reader. While messages are handed on nobody
 * subscribes or leaves; who does not take one is dropped afterwards.
 *
 * Memory:  a subscriber is embedded in its session and owns its subscriptions; it counts what they
 *          take. The worker's tables are gone when the last one has left.
 * Threads: its worker's; the hub is shared.
 * Errors:  no memory. */
#ifndef PANDO_FRONT_RESP_PUBSUB_PUBSUB_WORKER_H
#define PANDO_FRONT_RESP_PUBSUB_PUBSUB_WORKER_H

#include "front/resp/pubsub/pubsub_hub.h"

struct pubsub_subscriber;

/* One message, as it is handed to one subscriber after the other. */
struct pubsub_parcel {
    struct pubsub_message *message;
    const struct bytes    *pattern; /* that matched; NULL: it comes by the channel's name */
    struct buf            *shared;  /* its tail; NULL: nobody has needed it, see below */
};

/* The message's tail as a buffer that many outputs may hold, on this worker; the parcel's, to be
 * referenced. NULL: no memory. */
struct buf *pubsub_parcel_share(struct pubsub_parcel *parcel) must_check;

struct pubsub_reader {
    /* Takes what it needs of @parcel; runs no command and closes nothing. False: it is to be
     * dropped. */
    bool (*push)(struct pubsub_subscriber *self, struct pubsub_parcel *parcel);
    /* Ends it; it leaves everything. */
    void (*drop)(struct pubsub_subscriber *self);
    /* It published more than could be handed on, and may go on now. */
    void (*go_on)(struct pubsub_subscriber *self);
};

struct pubsub_subscriber {
    uint32_t         counts[PUBSUB_KINDS_COUNT]; /* these and `held` are looked at often */
    struct list_link held;                       /* in worker->held: nothing is read from it */
    const struct pubsub_reader *reader;
    size_t                      bytes;                             /* of memory */
    struct list_link            doomed;                            /* in worker->doomed */
    struct list                 subscriptions[PUBSUB_KINDS_COUNT]; /* struct pubsub_subscription */
};

/* A channel or pattern that this worker has subscribers of. */
struct pubsub_place {
    struct pubsub_node   node; /* first; in worker->places */
    struct list_link     link; /* in worker->patterns, if it is one */
    struct pubsub_topic *topic;
    struct list          subscriptions; /* oldest first */
};

struct pubsub_subscription {
    struct pubsub_node        node; /* first; in worker->subscriptions */
    struct list_link          in_place, in_subscriber;
    struct pubsub_place      *place;
    struct pubsub_subscriber *subscriber;
    uint64_t                  since;
    uint8_t                   kind;
};

struct pubsub_worker {
    struct pubsub_inbox inbox; /* first */
    struct pubsub_hub  *hub;   /* NULL: not open */
    unsigned            index;
    struct pubsub_table places[PUBSUB_KINDS_COUNT];
    struct pubsub_table subscriptions; /* by name and subscriber */
    struct list         patterns;      /* struct pubsub_place, oldest first */
    struct list         doomed, held;
    bool                is_handing_on;
};

/* Opens it, unless it is open. @loop outlives its use. */
void pubsub_worker_open(struct pubsub_worker *worker, struct pubsub_hub *hub, unsigned index,
                        struct loop *loop);

/* Its last subscriber has left, its loop ends. Accepts zero. */
void pubsub_worker_close(struct pubsub_worker *worker);

/* Subscribes nothing. @reader: constant. */
void pubsub_subscriber_init(struct pubsub_subscriber *subscriber,
                            const struct pubsub_reader *reader);

/* Has it subscribed anything? */
static inline bool pubsub_subscribes(const struct pubsub_subscriber *subscriber)
{
    return (subscriber->counts[PUBSUB_CHANNEL] | subscriber->counts[PUBSUB_PATTERN] |
            subscriber->counts[PUBSUB_SHARD]) != 0;
}

/* Is it not to be read from, because others have to hand on what it published? */
static inline bool pubsub_is_held(const struct pubsub_subscriber *subscriber)
{
    return link_is_in_list(&subscriber->held);
}

/* Harmless if it has subscribed that already. False: no memory. */
bool pubsub_subscribe(struct pubsub_worker *worker, struct pubsub_subscriber *subscriber,
                      enum pubsub_kind kind, struct bytes name) must_check;

/* Harmless if it has not. @name may be the subscription's own. */
void pubsub_unsubscribe(struct pubsub_worker *worker, struct pubsub_subscriber *subscriber,
                        enum pubsub_kind kind, struct bytes name);

/* The oldest of that kind; NULL: there is none. */
const struct bytes *pubsub_first(const struct pubsub_subscriber *subscriber, enum pubsub_kind kind);

/* Subscribes nothing any more; what it waits for as a publisher goes on. */
void pubsub_unsubscribe_all(struct pubsub_worker *worker, struct pubsub_subscriber *subscriber);

/* Leaves everything, also what it waits for: its connection goes. */
void pubsub_leave(struct pubsub_worker *worker, struct pubsub_subscriber *subscriber);

/* Puts @text on its way to all workers. @publisher: is held if it is ahead. False: no memory. */
bool pubsub_publish(struct pubsub_worker *worker, struct pubsub_subscriber *publisher,
                    const struct pubsub_text *text, uint64_t *receivers_count) must_check;

/* Hands on what is in the inbox. */
void pubsub_hand_on(struct pubsub_worker *worker);

#endif
