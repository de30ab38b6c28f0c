/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/resp_front.h - the Redis protocol to clients: one front per listener and worker.
 *
 * A front accepts connections, reads commands out of the received bytes, runs those that need no
 * key itself and submits one key_op for each of the others to its path's door. Answers leave in the
 * order of the commands. At a reload only path and settings are exchanged; connections stay, and
 * commands on their way keep the path that they came in on.
 *
 * Memory:  a front is freed when it is stopped, its last connection is gone and its last op is done
 *          (`closed`).
 * Threads: its worker's.
 * Errors:  refusals are answered to the client in Redis' words; a command whose framing is in doubt
 *          ends its connection. */
#ifndef PANDO_FRONT_RESP_RESP_FRONT_H
#define PANDO_FRONT_RESP_RESP_FRONT_H

#include "front/resp/resp_path.h"
#include "front/resp/resp_settings.h"
#include "path/admission.h"
#include "path/worker.h"

/* What may be exchanged at a reload. Borrowed; outlives its use. */
struct resp_front_settings {
    const char                 *name; /* of the listener */
    const struct resp_settings *resp;
    const struct users         *users; /* NULL: whoever connects may do everything */
};

struct resp_front;

/* A front that listens on @fd (borrowed; it outlives the front). Accepting begins at once. Takes a
 * reference to @path. NULL: no memory. */
struct resp_front *resp_front_new(struct worker *worker, const struct resp_front_settings *settings,
                                  struct resp_path *path, struct admission *admission, int fd)
    must_check;

/* Takes a reference to @path and lets go of the old one; commands from now on use both. */
void resp_front_change(struct resp_front *front, const struct resp_front_settings *settings,
                       struct resp_path *path);

/* Stops accepting. What has come whole within a second is answered, then each connection closes;
 * a command that has come in part holds nothing up. @closed(self) comes when the last one is gone
 * and the front has been freed. */
void resp_front_stop(struct resp_front *front, void (*closed)(void *self), void *self);

/* Closes what is left (the drain's deadline has passed). */
void resp_front_abort(struct resp_front *front);

/* What a front and its connections come to. */
#define RESP_COUNTS(X)                                                                             \
    X(connections, "open now")                                                                     \
    X(connections_ever, "accepted since the front began")                                          \
    X(commands, "read whole since then")                                                           \
    X(bytes_in, "of commands since then")                                                          \
    X(bytes_out, "of answers since then")                                                          \
    X(refused, "commands that were no commands of the protocol, since then")                       \
    X(waiting, "ops that are under way")                                                           \
    X(charged_bytes, "memory of all connections")                                                  \
    X(charged_bytes_max, "of the most expensive one")

struct resp_front_census {
#define X(name, gist) uint64_t name;
    RESP_COUNTS(X)
#undef X
};

/* Adds this front's counts to @census. Walks all connections. */
void resp_front_count(const struct resp_front *front, struct resp_front_census *census);

#endif
