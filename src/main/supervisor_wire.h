/* SPDX-License-Identifier: Apache-2.0 */
/* main/supervisor_wire.h - what the supervisor and the server say to each other: fixed messages over a SOCK_SEQPACKET pair.
 *
 * Descriptors travel beside a message (SCM_RIGHTS). Both ends are the same binary or its next version, so every message
 * carries the version of this layout. */
#ifndef PANDO_MAIN_SUPERVISOR_WIRE_H
#define PANDO_MAIN_SUPERVISOR_WIRE_H

#include "core/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define SUPERVISOR_FD_VARIABLE "PANDO_SUPERVISOR_FD"

enum { SUPERVISOR_WIRE_VERSION = 1 };

#define SUPERVISOR_WORDS(X)                                                                        \
    X(LISTEN, "server: give me the socket of this key; made if it is not there")                   \
    X(RELEASE, "server: I no longer need the socket of this key")                                  \
    X(READY, "server: I serve")                                                                    \
    X(STOPPING, "server: I drain")                                                                 \
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
    uint32_t                word;       /* enum supervisor_word */
    char                    key[160];   /* "tcp 127.0.0.1:8080 #3", "unix /run/pando/control.sock" */
    struct sockaddr_storage address;    /* LISTEN */
    uint32_t                address_bytes;
    uint32_t                backlog;
    uint32_t                mode;       /* of a unix socket's file */
    uint32_t                every;      /* an address of [::] takes IPv4 too */
    uint32_t                kind;       /* SOCKET: enum err_kind */
    char                    story[256]; /* SOCKET: why not */
};

/* One message, with @fd beside it unless that is -1. False: the other end is gone. */
bool supervisor_send(int socket, const struct supervisor_message *message, int fd);

/* Waits for one. *@fd is -1 if none came along. False: the other end is gone, or speaks another version. */
bool supervisor_receive(int socket, struct supervisor_message *message, int *fd) must_check;

#endif
