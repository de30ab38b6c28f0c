/* SPDX-License-Identifier: Apache-2.0 */
/* front/door/door.c - accepting, turning away, making room, stopping. */
#include "front/door/door.h"

#include "core/units.h"
#include "path/target.h"
#include "path/worker_row.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

enum {
    ACCEPT_PAUSE_MS = 100, /* until accepting is tried again */
    EVICT_IDLE_MS = 1000,  /* a connection idle for less is not closed to make room */
    EVICT_SHARE = 16,
    EVICT_MAX = 64,
};

static struct door_guest *guest_of(struct list_link *link)
{
    return list_item(link, struct door_guest, link);
}

static void write_client(struct door_guest *guest)
{
    const struct sockaddr *peer = (struct sockaddr *)&guest->peer;
    const char *written = NULL;
    if (peer->sa_family == AF_INET) {
        written = inet_ntop(AF_INET, &((struct sockaddr_in *)&guest->peer)->sin_addr, guest->client,
                            sizeof guest->client);
    } else if (peer->sa_family == AF_INET6) {
        const struct in6_addr *address = &((struct sockaddr_in6 *)&guest->peer)->sin6_addr;
        written =
            IN6_IS_ADDR_V4MAPPED(address)
                ? inet_ntop(AF_INET, &address->s6_addr[12], guest->client, sizeof guest->client)
                : inet_ntop(AF_INET6, address, guest->client, sizeof guest->client);
    }
    if (written == NULL)
        strcpy(guest->client, "unix");
}

/* --- making room */

static bool has_been_idle(const struct door_guest *guest, uint64_t until_ns, uint64_t *since_ns)
{
    *since_ns = guest->door->kind->idle_since_ns(guest);
    return *since_ns <= until_ns;
}

/* Closes the idlest connections, a sixteenth of the range at once so that the walk pays. False:
 * none has been idle for long enough. */
static bool close_idlest(struct door *door)
{
    const uint64_t now_ns = *door->worker->now_ns;
    if (now_ns < door->room_again_ns)
        return false;
    const uint64_t latest_ns = now_ns - EVICT_IDLE_MS * NS_PER_MS;
    uint64_t since_ns, oldest_ns = UINT64_MAX;
    list_each(&door->guests, link, after)
    {
        if (has_been_idle(guest_of(link), latest_ns, &since_ns) && since_ns < oldest_ns)
            oldest_ns = since_ns;
    }
    if (oldest_ns == UINT64_MAX) {
        door->room_again_ns = now_ns + ACCEPT_PAUSE_MS * NS_PER_MS;
        return false;
    }
    unsigned closed = 0;
    const uint64_t until_ns = oldest_ns + (latest_ns - oldest_ns) / EVICT_SHARE;
    list_each(&door->guests, link, after)
    {
        struct door_guest *guest = guest_of(link);
        if (!has_been_idle(guest, until_ns, &since_ns))
            continue;
        door->kind->close(guest);
        door_leave(guest); /* its place is free from now on */
        if (++closed == EVICT_MAX)
            break;
    }
    row_add(&door->worker->row->connections_evicted, closed);
    return true;
}

/* Descriptors have run out, or nearly: a pause lets others finish, instead of a loop that fails
 * as fast as it can. */
static void pause_accepting(struct door *door)
{
    listener_pause(&door->listener);
    (void)close_idlest(door);
    door->admission->told(door->admission, true);
    row_add(&door->worker->row->accept_pauses, 1);
    timer_set(&door->worker->loop->timers, &door->accept_again,
              *door->worker->now_ns + ACCEPT_PAUSE_MS * NS_PER_MS);
}

static void exhausted(struct listener *listener, int error)
{
    (void)error;
    pause_accepting(list_item(listener, struct door, listener));
}

static void accept_again(struct timer *timer)
{
    struct door *door = list_item(timer, struct door, accept_again);
    if (door->stopping)
        return;
    if (door->admission->is_short_of_descriptors(door->admission, -1)) {
        (void)close_idlest(door);
        timer_set(&door->worker->loop->timers, timer,
                  *door->worker->now_ns + ACCEPT_PAUSE_MS * NS_PER_MS);
    } else {
        door->admission->told(door->admission, false);
        listener_start(&door->listener);
    }
}

/* --- coming in */

/* A connection over a limit is told so, if that is possible without waiting. */
static void turn_away(struct door *door, int fd, enum err_kind kind)
{
    const char *text = kind == ERR_CLIENT_LIMIT ? door->kind->many : door->kind->busy;
    row_add(&door->worker->row->connections_refused, 1);
    (void)send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
    close(fd);
}

static bool read_peer(int fd, const struct sockaddr *address, socklen_t address_bytes,
                      struct sockaddr_storage *peer)
{
    socklen_t bytes = sizeof *peer;
    *peer = (struct sockaddr_storage){0};
    if (address == NULL)
        return getpeername(fd, (struct sockaddr *)peer, &bytes) == 0;
    memcpy(peer, address, address_bytes < bytes ? address_bytes : bytes);
    return true;
}

static enum err_kind admit(struct door *door, const struct sockaddr_storage *peer)
{
    struct admission *admission = door->admission;
    enum err_kind refused = admission->connection(admission, (const struct sockaddr *)peer);
    if (refused == ERR_LIMIT && close_idlest(door))
        refused = admission->connection(admission, (const struct sockaddr *)peer);
    return refused;
}

static void accepted(struct listener *listener, int fd, const struct sockaddr *address,
                     socklen_t address_bytes)
{
    struct door *door = list_item(listener, struct door, listener);
    struct sockaddr_storage peer;
    row_add(&door->worker->row->connections_accepted, 1);
    if (!read_peer(fd, address, address_bytes, &peer)) { /* it is gone already */
        close(fd);
        return;
    }
    const bool is_short = door->admission->is_short_of_descriptors(door->admission, fd);
    if (is_short &&
        !door->listener.wanted) { /* the kernel accepted it before it heard of the pause */
        turn_away(door, fd, ERR_LIMIT);
        return;
    }
    const enum err_kind refused = admit(door, &peer);
    if (refused != ERR_NONE) {
        turn_away(door, fd, refused);
        return;
    }
    if (door->kind->enter(door, fd, &peer) == NULL) {
        door->admission->left(door->admission, (struct sockaddr *)&peer);
        turn_away(door, fd, ERR_MEMORY);
        return;
    }
    if (is_short)
        pause_accepting(door);
}

static const struct listener_events listener_events = {.accepted = accepted,
                                                       .exhausted = exhausted};

void door_init(struct door *door, const struct door_kind *kind, struct worker *worker,
               struct admission *admission)
{
    *door = (struct door){.kind = kind, .worker = worker, .admission = admission};
    list_init(&door->guests);
    timer_init(&door->accept_again, accept_again);
}

void door_open(struct door *door, int fd)
{
    listener_open(&door->listener, door->worker->loop, &listener_events, fd);
    listener_start(&door->listener);
}

void door_enter(struct door *door, struct door_guest *guest, const struct sockaddr_storage *peer)
{
    guest->door = door;
    guest->peer = *peer;
    guest->admitted = true;
    write_client(guest);
    list_add_last(&door->guests, &guest->link);
    door->guests_count++;
}

/* --- going */

void door_leave(struct door_guest *guest)
{
    struct admission *admission = guest->door->admission;
    if (guest->admitted)
        admission->left(admission, (struct sockaddr *)&guest->peer);
    guest->admitted = false;
}

void door_forget(struct door_guest *guest)
{
    door_leave(guest);
    list_remove(&guest->link);
    guest->door->guests_count--;
}

void door_end_if_empty(struct door *door)
{
    if (!door->stopping || !door->listener_closed || door->guests_count > 0 ||
        door->holds_count > 0)
        return;
    timer_clear(&door->accept_again);
    void (*closed)(void *) = door->closed;
    void *self = door->closed_self;
    door->kind->emptied(door);
    closed(self);
}

static void listener_closed(struct listener *listener)
{
    struct door *door = list_item(listener, struct door, listener);
    door->listener_closed = true;
    door_end_if_empty(door);
}

void door_stop(struct door *door, void (*closed)(void *self), void *self)
{
    door->stopping = true;
    door->closed = closed;
    door->closed_self = self;
    timer_set(&door->worker->loop->timers, &door->accept_again, 0);
    door->listener.closed = listener_closed;
    listener_stop(&door->listener);
}

void door_abort(struct door *door)
{
    list_each(&door->guests, link, after) door->kind->close(guest_of(link));
}
