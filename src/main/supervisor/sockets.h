/* SPDX-License-Identifier: Apache-2.0 */
/* main/supervisor/sockets.h - the listening sockets, who claims them, and how they are made.
 *
 * A server claims a socket by its key; what is not there yet is made. A socket that nobody claims
 * any more is closed by the next sweep, and the file of a unix socket goes with it.
 *
 * Memory:  zero is empty; supervisor__sockets_fini() closes and gives back all.
 * Threads: none. Errors: a story that says what to do. */
#ifndef PANDO_MAIN_SUPERVISOR_SOCKETS_H
#define PANDO_MAIN_SUPERVISOR_SOCKETS_H

#include "main/supervisor/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/un.h>

enum {
    SUPERVISOR_PLACES = 4,          /* servers at a time */
    SUPERVISOR_SOCKETS_MAX = 65536, /* more than listeners times workers may be */
};

struct supervisor_socket {
    int      fd;
    char     key[SUPERVISOR_KEY_BYTES];
    uint16_t claims[SUPERVISOR_PLACES]; /* how often each server asked for it */
    uint16_t port;                      /* of TCP */
    /* Of a unix socket: its file, to be removed if it is still ours. */
    char  path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    dev_t device;
    ino_t inode;
};

struct supervisor_sockets {
    struct supervisor_socket *at;
    size_t                    count, room;
};

/* The socket that @message (a LISTEN) asks for, claimed once more for @place. *@fd stays ours. */
must_check enum err_kind supervisor__sockets_claim(struct supervisor_sockets *sockets,
                                                   const struct supervisor_message *message,
                                                   unsigned place, int *fd, struct err *e);

/* Takes back one claim of @place; harmless if there is none. */
void supervisor__sockets_release(struct supervisor_sockets *sockets, const char *key,
                                 unsigned place);

/* Takes back the claims of @place on TCP sockets: its server accepts no more. It keeps its unix
 * socket, over which one may watch how it ends. */
void supervisor__sockets_retire(struct supervisor_sockets *sockets, unsigned place);

/* Takes back all claims of @place. */
void supervisor__sockets_drop(struct supervisor_sockets *sockets, unsigned place);

/* Closes what nobody claims. */
void supervisor__sockets_sweep(struct supervisor_sockets *sockets);

/* Closes all. */
void supervisor__sockets_fini(struct supervisor_sockets *sockets);

#endif
