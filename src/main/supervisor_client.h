/* SPDX-License-Identifier: Apache-2.0 */
/* main/supervisor_client.h - the server's end: asks the supervisor for listening sockets, and tells
 * it how things are.
 *
 * Sockets outlive the server process: when it dies, the next one gets the same.
 *
 * Memory:  supervisor_client_new() allocates, supervisor_client_free() gives back.
 * Threads: the control thread. Calls wait for the supervisor's answer, which comes at once; after
 *          10 s without one they fail.
 * Errors:  a story that says what to do. */
#ifndef PANDO_MAIN_SUPERVISOR_CLIENT_H
#define PANDO_MAIN_SUPERVISOR_CLIENT_H

#include "config/address.h"
#include "core/err.h"

struct supervisor_client;

/* Finds the supervisor by its variable in the environment, and takes the variable out. NULL: there
 * is none, so this process is not the server (or has no memory). */
struct supervisor_client *supervisor_client_new(void);

/* Hangs up. The listening sockets that were given stay open. Accepts NULL. */
void supervisor_client_free(struct supervisor_client *client);

/* The @index-th socket of a TCP address, listening; one per worker, so that the kernel spreads
 * connections (SO_REUSEPORT). *@fd is the caller's until supervisor_release(). */
must_check enum err_kind supervisor_listen(struct supervisor_client *client,
                                           const struct config_address *address, unsigned index,
                                           int backlog, int *fd, struct err *e);

/* A unix socket at @path, which is made with @mode and removed at the end; folders on the way are
 * made too. */
must_check enum err_kind supervisor_listen_unix(struct supervisor_client *client, const char *path,
                                                unsigned mode, int *fd, struct err *e);

/* Closes @fd; the supervisor closes its own when no other server claims it. */
void supervisor_release(struct supervisor_client *client, int fd);

/* All sockets are there and connections are accepted. Once; after an upgrade the old server is then
 * told to drain. */
void supervisor_ready(struct supervisor_client *client);

/* The reload that SIGHUP asked for is over, taken or refused; a service manager waits for it. */
void supervisor_reloaded(struct supervisor_client *client);

/* Accepts no more: sockets that no other server claims are closed. */
void supervisor_stopping(struct supervisor_client *client);

/* Cannot start; the story was told to the user. The process then ends, with a status that is not
 * 0. */
void supervisor_failed(struct supervisor_client *client, const char *story);

/* Hangs up (POLLHUP) when the supervisor is gone. Not to be read from. */
int supervisor_watch_fd(const struct supervisor_client *client);

#endif
