/* SPDX-License-Identifier: Apache-2.0 */
/* main/supervisor/wire.h - what the supervisor and the server say to each other.
 *
 * Messages of one size over a SOCK_SEQPACKET pair; a descriptor travels beside its message
 * (SCM_RIGHTS). The server asks and tells, the supervisor only answers. After an upgrade the two
 * ends are of different versions of the program, so every message carries the version of this
 * layout, and one that says another is not understood.
 *
 * Memory: none. Threads: none of its own. */
#ifndef PANDO_MAIN_SUPERVISOR_WIRE_H
#define PANDO_MAIN_SUPERVISOR_WIRE_H

#include "core/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* In the environment of the server: its end of the pair. */
#define SUPERVISOR_FD_VARIABLE "PANDO_SUPERVISOR_FD"

enum {
    SUPERVISOR_WIRE_VERSION = 1,
    SUPERVISOR_KEY_BYTES = 192,
};

#define SUPERVISOR_WORDS(X)                                                                        \
    X(LISTEN, "server: give me the socket of this key; made if it is not there")                   \
    X(RELEASE, "server: I no longer need the socket of this key")                                  \
    X(READY, "server: I serve")                                                                    \
    X(RELOADED, "server: the reload that SIGHUP asked for is over, taken or refused")              \
    X(STOPPING, "server: I drain, and listen no more")                                             \
    X(FAILED, "server: I could not start; the story was told")                                     \
    X(SOCKET, "supervisor: here it is, or why not")

enum supervisor_word {
    SUPERVISOR_NONE,
#define X(word, gist) SUPERVISOR_##word,
    SUPERVISOR_WORDS(X)
#undef X
};

struct supervisor_message {
    uint32_t                version;
    uint32_t                word;   /* enum supervisor_word */
    uint32_t                serial; /* LISTEN; the SOCKET that answers has the same */
    char                    key[SUPERVISOR_KEY_BYTES]; /* "tcp 127.0.0.1:8080 #3" */
    struct sockaddr_storage address;                   /* LISTEN */
    uint32_t                address_bytes;
    uint32_t                backlog;
    uint32_t                mode;       /* of a unix socket's file */
    uint32_t                every;      /* an address of [::] takes IPv4 too */
    uint32_t                kind;       /* SOCKET: enum err_kind */
    char                    story[256]; /* SOCKET: why not */
};

enum supervisor_got {
    SUPERVISOR_GOT_MESSAGE,
    SUPERVISOR_GOT_NOTHING, /* none is there (with MSG_DONTWAIT), or none came in time */
    SUPERVISOR_GOT_NONSENSE,
    SUPERVISOR_GOT_END, /* the other end is gone */
};

/* Sends one message, with @fd beside it unless that is -1. @flags: MSG_DONTWAIT or 0. False: it
 * could not be sent. */
bool supervisor_send(int socket, const struct supervisor_message *message, int fd, int flags);

/* Receives one. *@fd is -1 if none came along, else the caller's (close on exec). */
enum supervisor_got supervisor_receive(int socket, struct supervisor_message *message, int *fd,
                                       int flags) must_check;

#endif
