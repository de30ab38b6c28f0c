/* SPDX-License-Identifier: Apache-2.0 */
/* front/door/door.h - how clients come in and leave, whatever they speak: accepting, limits, pauses
 * when descriptors run out, idle ones that make room, and stopping.
 *
 * A front embeds a struct door and each of its connections a struct door_guest. What differs from
 * dialect to dialect is in struct door_kind.
 *
 *     accepted -> admission -> kind->enter -> ... -> door_leave (its place is free)
 *                                                 -> door_forget (its memory may go)
 *
 * Memory:  owned by the front; it frees itself in kind->emptied.
 * Threads: its worker's.
 * Errors:  who may not come in is told so, if that is possible without waiting. */
#ifndef PANDO_FRONT_DOOR_DOOR_H
#define PANDO_FRONT_DOOR_DOOR_H

#include "loop/loop.h"
#include "path/admission.h"
#include "path/worker.h"

enum { DOOR_STOP_GRACE_MS = 1000 }; /* for what left a client before it could know of the stop */

struct door;
struct door_guest;

struct door_kind {
    const char *busy; /* what one reads who is turned away because of a limit */
    const char *many; /* because of a limit of his own */
    /* Makes a connection of @fd, which it takes over, and calls door_enter(). NULL: no memory; @fd
     * stays the door's. */
    struct door_guest *(*enter)(struct door *door, int fd, const struct sockaddr_storage *peer);
    /* Since when it has had nothing to do; UINT64_MAX: it has. */
    uint64_t (*idle_since_ns)(const struct door_guest *guest);
    /* Closes it now. */
    void (*close)(struct door_guest *guest);
    /* It was stopped, nothing is in it any more, and nothing of it is used: the front goes. */
    void (*emptied)(struct door *door);
};

struct door {
    const struct door_kind *kind;
    struct worker          *worker;
    struct admission       *admission;
    struct listener         listener;
    struct timer            accept_again; /* after descriptors ran out */
    struct list             guests;       /* struct door_guest */
    uint32_t                guests_count;
    uint32_t                holds_count;   /* what else keeps the front from going */
    uint64_t                room_again_ns; /* until then nobody is idle enough to be closed */
    bool                    stopping, listener_closed;
    void (*closed)(void *self);
    void *closed_self;
};

struct door_guest {
    struct list_link        link; /* in door->guests */
    struct door            *door;
    bool                    admitted;
    char                    client[48]; /* address without port, or "unix" */
    struct sockaddr_storage peer;
};

/* Not open yet. @worker and @admission are borrowed. */
void door_init(struct door *door, const struct door_kind *kind, struct worker *worker,
               struct admission *admission);

/* Listens on @fd, which is borrowed. Accepting begins at once. */
void door_open(struct door *door, int fd);

/* From inside kind->enter: the guest, from @peer, is in. */
void door_enter(struct door *door, struct door_guest *guest, const struct sockaddr_storage *peer);

/* Its place among the connections that may be open is free. Idempotent. */
void door_leave(struct door_guest *guest);

/* Its connection is closed: it leaves, and is not in the list any more. door_end_if_empty() is due
 * when its memory was given back. */
void door_forget(struct door_guest *guest);

/* Ends a door that was stopped if nothing is in it any more: `emptied`, then `closed`. */
void door_end_if_empty(struct door *door);

/* Stops accepting. @closed(self) comes once when the front is gone. */
void door_stop(struct door *door, void (*closed)(void *self), void *self);

/* Closes all that is in it. */
void door_abort(struct door *door);

#endif
