/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/concurrency/room.c - lists of clients, and of the waiters of each. */
#include "breaker/concurrency/room.h"

#include <assert.h>

/* A client that waits with one priority. */
struct room_client {
    struct list_link turn;  /* in room.turns */
    struct list_link crowd; /* in room.crowds */
    struct list_link chain; /* in room.buckets */
    struct list      waiters;
    uint64_t         client;
    uint32_t         count;
    uint8_t          level;
    uint8_t          priority;
};

void room_init(struct room *room)
{
    *room = (struct room){0};
    for (int p = 0; p < PRIORITIES_COUNT; p++) {
        list_init(&room->turns[p]);
        for (int i = 0; i < ROOM_CROWD_LEVELS; i++)
            list_init(&room->crowds[p][i]);
    }
    for (int i = 0; i < ROOM_BUCKETS; i++)
        list_init(&room->buckets[i]);
    slab_init(&room->clients, "waiting clients", sizeof(struct room_client), 0);
}

void room_fini(struct room *room)
{
    assert(room->count == 0);
    slab_fini(&room->clients);
}

/* --- clients ---------------------------------------------------------------------------------- */

/* Clients' numbers are hashes under a secret key: any bits of them will do. */
static size_t bucket_of(uint64_t client, enum priority priority)
{
    return (client + (unsigned)priority) % ROOM_BUCKETS;
}

static struct room_client *find(const struct room *room, uint64_t client, enum priority priority)
{
    const struct list *bucket = &room->buckets[bucket_of(client, priority)];
    list_each(bucket, link, after)
    {
        struct room_client *known = list_item(link, struct room_client, chain);
        if (known->client == client && known->priority == (uint8_t)priority)
            return known;
    }
    return NULL;
}

static struct room_client *find_or_add(struct room *room, uint64_t client, enum priority priority)
{
    struct room_client *added = find(room, client, priority);
    if (added != NULL)
        return added;
    added = slab_take(&room->clients);
    if (added == NULL)
        return NULL;
    *added = (struct room_client){.client = client, .priority = (uint8_t)priority};
    list_init(&added->waiters);
    link_init(&added->turn);
    link_init(&added->crowd);
    link_init(&added->chain);
    list_add_last(&room->turns[priority], &added->turn);
    list_add_last(&room->buckets[bucket_of(client, priority)], &added->chain);
    room->clients_counts[priority]++;
    return added;
}

static unsigned level_of(uint32_t count)
{
    const unsigned level = 31u - (unsigned)__builtin_clz(count);
    return level < ROOM_CROWD_LEVELS ? level : ROOM_CROWD_LEVELS - 1;
}

static void leave_crowd(struct room *room, struct room_client *client)
{
    list_remove(&client->crowd);
    if (list_is_empty(&room->crowds[client->priority][client->level]))
        room->crowded[client->priority] &= ~(1u << client->level);
}

static void enter_crowd(struct room *room, struct room_client *client)
{
    client->level = (uint8_t)level_of(client->count);
    list_add_last(&room->crowds[client->priority][client->level], &client->crowd);
    room->crowded[client->priority] |= 1u << client->level;
}

/* The only place where counts change. */
static void count(struct room *room, struct room_client *client, int by)
{
    if (link_is_in_list(&client->crowd))
        leave_crowd(room, client);
    client->count += (uint32_t)by;
    room->counts[client->priority] += (uint32_t)by;
    room->count += (uint32_t)by;
    if (client->count > 0) {
        enter_crowd(room, client);
        return;
    }
    list_remove(&client->turn);
    list_remove(&client->chain);
    room->clients_counts[client->priority]--;
    slab_give(&room->clients, client);
}

/* --- waiters ---------------------------------------------------------------------------------- */

bool room_add(struct room *room, struct room_waiter *waiter, bool first)
{
    struct room_client *client = find_or_add(room, waiter->client, waiter->priority);
    if (client == NULL)
        return false;
    link_init(&waiter->link);
    waiter->in = client;
    if (first) {
        list_add_first(&client->waiters, &waiter->link);
        list_remove(&client->turn);
        list_add_first(&room->turns[waiter->priority], &client->turn);
    } else {
        list_add_last(&client->waiters, &waiter->link);
    }
    count(room, client, 1);
    return true;
}

void room_remove(struct room *room, struct room_waiter *waiter)
{
    struct room_client *client = waiter->in;
    if (client == NULL)
        return;
    list_remove(&waiter->link);
    waiter->in = NULL;
    count(room, client, -1);
}

static struct room_waiter *first_of(const struct list *turns)
{
    const struct room_client *client = list_item(list_first(turns), const struct room_client, turn);
    return list_item(list_first(&client->waiters), struct room_waiter, link);
}

struct room_waiter *room_next(const struct room *room)
{
    for (int p = 0; p < PRIORITIES_COUNT; p++)
        if (room->counts[p] > 0)
            return first_of(&room->turns[p]);
    return NULL;
}

struct room_waiter *room_take(struct room *room)
{
    struct room_waiter *next = room_next(room);
    if (next == NULL)
        return NULL;
    list_move_last(&room->turns[next->priority], &next->in->turn);
    room_remove(room, next);
    return next;
}

enum priority room_lowest(const struct room *room)
{
    for (int p = PRIORITIES_COUNT; p-- > 0;)
        if (room->counts[p] > 0)
            return (enum priority)p;
    return PRIORITIES_COUNT;
}

struct room_waiter *room_worst(const struct room *room, uint64_t client, enum priority priority)
{
    const enum priority lowest = room_lowest(room);
    if (lowest == PRIORITIES_COUNT || lowest < priority)
        return NULL;
    const unsigned level = level_of(room->crowded[lowest]);
    if (lowest == priority) {
        const struct room_client *own = find(room, client, priority);
        if (level_of(own == NULL ? 1 : own->count + 1) >= level)
            return NULL;
    }
    /* The last is the one that grew last, so its newest is new. */
    const struct room_client *most =
        list_item(room->crowds[lowest][level].head.previous, const struct room_client, crowd);
    return list_item(most->waiters.head.previous, struct room_waiter, link);
}

uint32_t room_ahead(const struct room *room, uint64_t client, enum priority priority)
{
    uint32_t ahead = 0;
    for (int p = 0; p < (int)priority; p++)
        ahead += room->counts[p];
    const struct room_client *own = find(room, client, priority);
    /* Before its own turn comes once more, each of the others has had one more too. */
    const uint64_t rounds = own == NULL ? 1 : (uint64_t)own->count + 1;
    const uint64_t in_turns = rounds * room->clients_counts[priority];
    const uint32_t here = room->counts[priority];
    return ahead + (in_turns < here ? (uint32_t)in_turns : here);
}
