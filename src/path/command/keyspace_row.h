/* SPDX-License-Identifier: Apache-2.0 */
/* path/command/keyspace_row.h - what a keyspace holds and did.
 *
 * From the list come the struct, the metrics page and the status page. */
#ifndef PANDO_PATH_COMMAND_KEYSPACE_ROW_H
#define PANDO_PATH_COMMAND_KEYSPACE_ROW_H

#include <stdint.h>

#define KEYSPACE_FIGURES(X)                                                                        \
    /* name         sort     help                                                               */ \
    X(keys,         GAUGE,   "keys that are there, expired ones until they are removed")           \
    X(used_bytes,   GAUGE,   "memory or disk that they take, with all that holding them takes")    \
    X(limit_bytes,  GAUGE,   "most that they may take; 0: there is no limit")                      \
    X(commands,     COUNTER, "commands that were carried out")                                     \
    X(writes,       COUNTER, "commands that the writers of engine lmdb carried out")               \
    X(commits,      COUNTER, "transactions in which they did so; each asks the disk once")         \
    X(hits,         COUNTER, "keys that a reading command found")                                  \
    X(misses,       COUNTER, "keys that a reading command did not find")                           \
    X(expired,      COUNTER, "keys that were removed because their time had come")                 \
    X(evicted,      COUNTER, "keys that were removed to make room for others")                     \
    X(cache_hits,   COUNTER, "commands that the cache before the engine answered")                 \
    X(cache_misses, COUNTER, "commands that it asked the engine for")                              \
    X(cache_joined, COUNTER, "commands that waited for what another had asked for already")        \
    X(cache_invalidated, COUNTER, "keys that a write took out of the cache")                       \
    X(cache_used_bytes, GAUGE, "memory that the cache takes, with all that holding it takes")

struct keyspace_figures {
#define X(name, sort, help) uint64_t name;
    KEYSPACE_FIGURES(X)
#undef X
};

#endif
