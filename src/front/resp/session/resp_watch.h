/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/session/resp_watch.h - the keys that a client watches: each is told to its engine, and
 * told again when it is over.
 *
 * A watch has an op of its own for both. Its client may go meanwhile; the watch then goes by
 * itself.
 *
 * Memory:  a watch is its own block; it is freed when it is dropped and no op of it is under way.
 *          Meanwhile it holds its path, and the door of the front.
 * Threads: its worker's. */
#ifndef PANDO_FRONT_RESP_SESSION_RESP_WATCH_H
#define PANDO_FRONT_RESP_SESSION_RESP_WATCH_H

#include "front/door/door.h"
#include "front/resp/resp_path.h"

struct resp_watches {
    struct list list; /* struct key_watch */
    uint32_t    count;
    size_t      bytes;
};

/* What a WATCH waits for. */
struct resp_watcher {
    uint32_t left_count; /* keys that are not watched yet */
    char     error[128]; /* of the first that failed, with its code; empty: none */
    /* The last one is watched, or failed. */
    void (*all_done)(struct resp_watcher *self);
};

/* Whose they are. */
struct resp_watch_place {
    struct resp_path       *path;
    struct door            *door;
    bool                    is_behind; /* an earlier op of the client is under way */
    const struct key_grant *grant;     /* the client's */
};

/* Nothing is watched. */
void resp_watches_init(struct resp_watches *watches);

/* Is @key among them? */
bool resp_watches_have(const struct resp_watches *watches, struct bytes key);

/* Adds @key, which is not among them, and submits its op. @watcher counts it; it may be told before
 * this returns. False: no memory, and nothing was added. */
bool resp_watches_add(struct resp_watches *watches, struct bytes key,
                      const struct resp_watch_place *place, struct resp_watcher *watcher)
    must_check;

/* Drops all: they are not watched any more when their ops are done. */
void resp_watches_clear(struct resp_watches *watches);

/* Moves all to @to, for EXEC. */
void resp_watches_take(struct resp_watches *watches, struct list *to);

/* Drops what resp_watches_take() gave. */
void resp_watches_drop_all(struct list *list);

#endif
