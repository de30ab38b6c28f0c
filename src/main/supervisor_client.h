/* SPDX-License-Identifier: Apache-2.0 */
/* main/supervisor_client.h - the server's end: asks the supervisor for listening sockets and tells it how things are.
 *
 * Sockets outlive the server process: when it dies, the next one gets the same.
 * Threads: the control thread. Calls wait for the supervisor's answer, which comes at once. */
#ifndef PANDO_MAIN_SUPERVISOR_CLIENT_H
#define PANDO_MAIN_SUPERVISOR_CLIENT_H

#include "config/address.h"
#include "core/err.h"

struct supervisor_client;

/* Finds the supervisor by its variable in the environment, and takes the variable out. NULL: there is none. */
struct supervisor_client *supervisor_client_new(void);
void                      supervisor_client_free(struct supervisor_client *client);

/* The @index-th socket of a TCP address, listening; one per worker, so that the kernel spreads connections
 * (SO_REUSEPORT). *@fd is the caller's until supervisor_release(). */
must_check enum err_kind supervisor_listen(struct supervisor_client *client, const struct config_address *address,
                                           unsigned index, int backlog, int *fd, struct err *e);

/* A unix socket at @path, which is made with @mode and removed at the end. */
must_check enum err_kind supervisor_listen_unix(struct supervisor_client *client, const char *path, unsigned mode,
                                                int *fd, struct err *e);

/* Closes @fd; the supervisor closes its copy when no other server needs it. */
void supervisor_release(struct supervisor_client *client, int fd);

void supervisor_ready(struct supervisor_client *client);
void supervisor_stopping(struct supervisor_client *client);
void supervisor_failed(struct supervisor_client *client, const char *story);

/* Hangs up when the supervisor is gone. */
int supervisor_watch_fd(const struct supervisor_client *client);

#endif
