/* SPDX-License-Identifier: Apache-2.0 */
/* path/command/rows.h - the one table of commands: name, arity, what it does, where its keys are,
 * where it goes.
 *
 * From the rows come the enum, the lookup, COMMAND INFO, DOCS and GETKEYS, the routing, the
 * engines' tables of handlers, the manual and the tests. Columns:
 *
 *     symbol    COMMAND_symbol
 *     name      as clients write it, in lower case
 *     arity     arguments with the name; -n: n or more
 *     flags     COMMAND_flag words joined by |
 *     keys      first, last, step: places of the keys; last -1: to the end; 0, 0, 0: no keys here
 *     route     where it goes, COMMAND_ROUTES
 *     group     what the manual lists it under, as Redis' own
 *     gist      one sentence */
#ifndef PANDO_PATH_COMMAND_ROWS_H
#define PANDO_PATH_COMMAND_ROWS_H

#include "path/command/rows_collections.h"
#include "path/command/rows_values.h"

/* What a command does, beside its keys. */
#define COMMAND_FLAGS(X)                                                                           \
    X(READ, 0, "readonly", "reads keys")                                                           \
    X(WRITE, 1, "write", "changes keys")                                                           \
    X(GROW, 2, "denyoom", "may need more memory, so it is refused where there is none")            \
    X(FAST, 3, "fast", "takes no longer the more there is")                                        \
    X(COUNTED, 4, "movablekeys", "says itself how many keys it names")                             \
    X(NO_MULTI, 5, "no_multi", "is not queued in MULTI")                                           \
    X(UNNAMED, 6, "no_auth", "may be said before the password")                                    \
    X(ADMIN, 7, "admin", "is about the node")                                                      \
    X(PUBSUB, 8, "pubsub", "is about channels")                                                    \
    X(WHOLE, 9, "noscript", "may touch keys that it does not name, so all are held meanwhile")     \
    X(VARIES, 10, "random", "answers by chance, time or use, so its answer is never kept")

/* Where a command goes. */
#define COMMAND_ROUTES(X)                                                                          \
    X(FRONT, "is answered by the node that was asked, without a key")                              \
    X(KEYS, "goes to its keys: to one shard, or to several that can be held at once")              \
    X(SUM, "each shard gets its own keys, and the numbers are added")                              \
    X(EACH, "each shard gets its own keys, and the answers stand in the keys' order")              \
    X(SET, "each shard gets its own keys and values")                                              \
    X(EVERY_SUM, "every shard answers a number, and they are added")                               \
    X(EVERY_JOIN, "every shard answers a list, and they are joined")                               \
    X(EVERY_OK, "every shard does it")                                                             \
    X(ANY, "a shard that has an answer, begun with one by chance")                                 \
    X(SCAN, "shard after shard, as the cursor says")                                               \
    X(RANGE, "shard after shard, in the order of the keys")

/* What the front answers. WATCH names keys, which it asks their shards about. */
#define COMMAND_ROWS_FRONT(X)                                                                      \
    X(PING, "ping", -1, FAST, 0, 0, 0, FRONT, "connection", "Answers PONG, or what it was given.") \
    X(ECHO, "echo", 2, FAST, 0, 0, 0, FRONT, "connection", "Answers what it was given.")           \
    X(HELLO, "hello", -1, FAST | UNNAMED | NO_MULTI, 0, 0, 0, FRONT, "connection",                 \
      "Chooses the protocol's version, and answers who this is.")                                  \
    X(AUTH, "auth", -2, FAST | UNNAMED | NO_MULTI, 0, 0, 0, FRONT, "connection",                   \
      "Says who the client is.")                                                                   \
    X(ACL, "acl", -2, 0, 0, 0, 0, FRONT, "server", "About users, which a file names.")             \
    X(SELECT, "select", 2, FAST, 0, 0, 0, FRONT, "connection",                                     \
      "Chooses the database, of which there is one: 0.")                                           \
    X(QUIT, "quit", -1, FAST | UNNAMED | NO_MULTI, 0, 0, 0, FRONT, "connection",                   \
      "Ends the connection.")                                                                      \
    X(RESET, "reset", 1, FAST | UNNAMED | NO_MULTI, 0, 0, 0, FRONT, "connection",                  \
      "Makes the connection as new.")                                                              \
    X(CLIENT, "client", -2, 0, 0, 0, 0, FRONT, "connection",                                       \
      "About this connection, and the others.")                                                    \
    X(COMMAND, "command", -1, 0, 0, 0, 0, FRONT, "server", "About the commands.")                  \
    X(INFO, "info", -1, 0, 0, 0, 0, FRONT, "server", "Figures of the node.")                       \
    X(CONFIG, "config", -2, ADMIN, 0, 0, 0, FRONT, "server",                                       \
      "GET: what clients ask of a server's settings.")                                             \
    X(TIME, "time", 1, FAST, 0, 0, 0, FRONT, "server", "Seconds and microseconds of Unix time.")   \
    X(CLUSTER, "cluster", -2, 0, 0, 0, 0, FRONT, "cluster",                                        \
      "Which slots are where: all of them at this node.")                                          \
    X(READONLY, "readonly", 1, FAST, 0, 0, 0, FRONT, "cluster", "Is taken and changes nothing.")   \
    X(READWRITE, "readwrite", 1, FAST, 0, 0, 0, FRONT, "cluster", "Is taken and changes nothing.") \
    X(ASKING, "asking", 1, FAST, 0, 0, 0, FRONT, "cluster", "Is taken and changes nothing.")       \
    X(SLOWLOG, "slowlog", -2, ADMIN, 0, 0, 0, FRONT, "server", "The commands that took long.")     \
    X(LATENCY, "latency", -2, ADMIN, 0, 0, 0, FRONT, "server", "Is empty: nothing is monitored.")  \
    X(ROLE, "role", 1, FAST, 0, 0, 0, FRONT, "server", "Says that this node leads.")               \
    X(WAIT, "wait", 3, 0, 0, 0, 0, FRONT, "generic", "Is 0 at once: there are no copies.")         \
    X(LOLWUT, "lolwut", -1, READ | FAST, 0, 0, 0, FRONT, "server", "Draws trees.")                 \
    X(MULTI, "multi", 1, FAST | NO_MULTI, 0, 0, 0, FRONT, "transactions",                          \
      "From here on commands are queued.")                                                         \
    X(EXEC, "exec", 1, NO_MULTI, 0, 0, 0, FRONT, "transactions",                                   \
      "All that was queued is done at once.")                                                      \
    X(DISCARD, "discard", 1, FAST | NO_MULTI, 0, 0, 0, FRONT, "transactions",                      \
      "What was queued is forgotten.")                                                             \
    X(WATCH, "watch", -2, FAST | NO_MULTI, 1, -1, 1, FRONT, "transactions",                        \
      "EXEC does nothing if one of these keys is changed before.")                                 \
    X(UNWATCH, "unwatch", 1, FAST, 0, 0, 0, FRONT, "transactions", "Forgets the keys of WATCH.")   \
    COMMAND_ROWS_PUBSUB(X)

/* Channels, which are no keys. */
#define COMMAND_ROWS_PUBSUB(X)                                                                     \
    X(SUBSCRIBE, "subscribe", -2, PUBSUB, 0, 0, 0, FRONT, "pubsub",                                \
      "Sends what is published in these channels from now on.")                                    \
    X(UNSUBSCRIBE, "unsubscribe", -1, PUBSUB, 0, 0, 0, FRONT, "pubsub",                            \
      "No longer these channels, or none.")                                                        \
    X(PSUBSCRIBE, "psubscribe", -2, PUBSUB, 0, 0, 0, FRONT, "pubsub",                              \
      "The same for all channels that match a pattern.")                                           \
    X(PUNSUBSCRIBE, "punsubscribe", -1, PUBSUB, 0, 0, 0, FRONT, "pubsub",                          \
      "No longer these patterns, or none.")                                                        \
    X(PUBLISH, "publish", 3, PUBSUB | FAST, 0, 0, 0, FRONT, "pubsub",                              \
      "Sends a message to a channel, and answers how many get it.")                                \
    X(SSUBSCRIBE, "ssubscribe", -2, PUBSUB, 0, 0, 0, FRONT, "pubsub",                              \
      "Subscribes channels of the shard.")                                                         \
    X(SUNSUBSCRIBE, "sunsubscribe", -1, PUBSUB, 0, 0, 0, FRONT, "pubsub",                          \
      "No longer these channels of the shard, or none.")                                           \
    X(SPUBLISH, "spublish", 3, PUBSUB | FAST, 0, 0, 0, FRONT, "pubsub",                            \
      "Sends a message to a channel of the shard.")                                                \
    X(PUBSUB, "pubsub", -2, 0, 0, 0, 0, FRONT, "pubsub", "About channels and who subscribes them.")

/* What engines do. */
#define COMMAND_ROWS_ENGINE(X)                                                                     \
    COMMAND_ROWS_GENERIC(X)                                                                        \
    COMMAND_ROWS_STRINGS(X)                                                                        \
    COMMAND_ROWS_HASHES(X)                                                                         \
    COMMAND_ROWS_SETS(X)                                                                           \
    COMMAND_ROWS_LISTS(X)                                                                          \
    COMMAND_ROWS_ZSETS(X)

#define COMMAND_ROWS(X)                                                                            \
    COMMAND_ROWS_ENGINE(X)                                                                         \
    COMMAND_ROWS_FRONT(X)

#endif
