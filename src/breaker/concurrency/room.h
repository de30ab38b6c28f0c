/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/concurrency/room.h - the waiting room of one service on one worker: who is next, and who
 * has to go.
 *
 * Next is the highest priority that anybody waits with; in it, clients take turns; of a client, the
 * oldest. Shed is the lowest priority; in it, the newest of a client that has the most waiting, so
 * a client that fills the room makes room by itself. "The most" is told apart by powers of two,
 * which makes every call O(1).
 *
 * Time:    passed in and only handed on.
 * Memory:  waiters are the caller's, embedded; one small block for each client that waits, from a
 *          slab.
 * Threads: its worker's.
 * Errors:  room_add() has no memory. */
#ifndef PANDO_BREAKER_CONCURRENCY_ROOM_H
#define PANDO_BREAKER_CONCURRENCY_ROOM_H

#include "core/list.h"
#include "core/slab.h"
#include "path/service.h"

enum {
    ROOM_BUCKETS = 128,     /* of the table of clients; chains are short up to some hundred */
    ROOM_CROWD_LEVELS = 21, /* powers of two up to the largest room */
};

struct room_client;

struct room_waiter {
    struct list_link    link;     /* among the waiters of its client */
    struct room_client *in;       /* NULL: does not wait */
    uint64_t            client;   /* path/client_key.h */
    uint64_t            since_ns; /* when it began to wait */
    enum priority       priority;
};

struct room {
    struct list turns[PRIORITIES_COUNT]; /* clients, whose turn it is first */
    /* The same clients by the power of two of how many they have waiting. */
    struct list crowds[PRIORITIES_COUNT][ROOM_CROWD_LEVELS];
    uint32_t    crowded[PRIORITIES_COUNT]; /* a bit for each crowd that is not empty */
    uint32_t    counts[PRIORITIES_COUNT];  /* waiters */
    uint32_t    clients_counts[PRIORITIES_COUNT];
    uint32_t    count;
    struct list buckets[ROOM_BUCKETS];
    struct slab clients;
};

/* Nobody waits yet. */
void room_init(struct room *room);

/* Nobody waits any more. */
void room_fini(struct room *room);

/* @waiter, of which client, since and priority are set, waits behind its client's others. With
 * @first it goes before them, and its client is next: it had its turn already. False: no memory. */
bool room_add(struct room *room, struct room_waiter *waiter, bool first) must_check;

/* @waiter leaves; harmless if it does not wait. */
void room_remove(struct room *room, struct room_waiter *waiter);

/* Who is next, or NULL; stays where it is. */
struct room_waiter *room_next(const struct room *room);

/* Takes out who is next and gives the turn to the next client; NULL: nobody waits. */
struct room_waiter *room_take(struct room *room);

/* Who has to go so that one more of @client and @priority may wait; NULL: that one itself. Stays
 * where it is. */
struct room_waiter *room_worst(const struct room *room, uint64_t client, enum priority priority);

/* The lowest priority that anybody waits with; PRIORITIES_COUNT: nobody does. */
enum priority room_lowest(const struct room *room);

/* How many would be served before one more of @client and @priority, if nobody came any more. */
uint32_t room_ahead(const struct room *room, uint64_t client, enum priority priority);

#endif
