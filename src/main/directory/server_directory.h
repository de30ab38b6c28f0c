/* SPDX-License-Identifier: Apache-2.0 */
/* main/directory/server_directory.h - directories over the control socket: what they say, and their
 * changes, which go on by themselves while who ordered them asks how far they are.
 *
 *     GET  /control/directory?do=list&keyspace=tenants
 *     GET  /control/directory?do=get&keyspace=tenants&prefix=acme:
 *     POST /control/directory/change?do=set&keyspace=tenants&prefix=acme:&shard=2    {"id": 7}
 *     POST /control/directory/change?do=unset&keyspace=tenants&prefix=acme:          {"id": 8}
 *     GET  /control/directory?id=7        {"id": 7, "done": true, "ok": ..., "text": ...}
 *
 * Threads: the control thread; a change has a thread of its own, one at a time.
 * Memory:  server->directory, from the first change to server__end_directory(). */
#ifndef PANDO_MAIN_DIRECTORY_SERVER_DIRECTORY_H
#define PANDO_MAIN_DIRECTORY_SERVER_DIRECTORY_H

#include "main/server_inside.h"

/* Of struct admin_sources. */
unsigned server__show_directory(void *self, const struct admin_query *query, FILE *out);
unsigned server__change_directory(void *self, const struct admin_query *query, FILE *out);

/* Ends what is under way; all workers still turn. */
void server__end_directory(struct server *server);

/* The keyspace of that name in force, borrowed; NULL: there is none. */
struct kept_keyspace *server__find_keyspace(const struct server *server, const char *name);

#endif
