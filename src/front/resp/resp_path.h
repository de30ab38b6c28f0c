/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/resp_path.h - what stands below the Redis front: the door for its ops, and who knows
 * the figures of the node.
 *
 * A reload gives a front another path; ops on their way keep theirs by a reference.
 *
 * Threads: a path belongs to one worker; what its functions read may be shared. */
#ifndef PANDO_FRONT_RESP_RESP_PATH_H
#define PANDO_FRONT_RESP_RESP_PATH_H

#include "codec/resp/resp_out.h"
#include "front/resp/node/resp_node.h"
#include "path/command/key_op.h"

#include <stdatomic.h>

struct pubsub_worker;

/* Figures of the whole node that INFO tells, in their sections' order. */
#define RESP_FIGURES(X)                                                                            \
    /* field              section       name                                                    */ \
    X(process_id,         "Server",     "process_id")                                              \
    X(tcp_port,           "Server",     "tcp_port")                                                \
    X(uptime_s,           "Server",     "uptime_in_seconds")                                       \
    X(uptime_days,        "Server",     "uptime_in_days")                                          \
    X(connections,        "Clients",    "connected_clients")                                       \
    X(connections_max,    "Clients",    "maxclients")                                              \
    X(memory_bytes,       "Memory",     "used_memory")                                             \
    X(memory_rss_bytes,   "Memory",     "used_memory_rss")                                         \
    X(memory_peak_bytes,  "Memory",     "used_memory_peak")                                        \
    X(system_bytes,       "Memory",     "total_system_memory")                                     \
    X(memory_bytes_max,   "Memory",     "maxmemory")                                               \
    X(connections_ever,   "Stats",      "total_connections_received")                              \
    X(commands_ever,      "Stats",      "total_commands_processed")                                \
    X(bytes_in,           "Stats",      "total_net_input_bytes")                                   \
    X(bytes_out,          "Stats",      "total_net_output_bytes")                                  \
    X(connections_refused, "Stats",     "rejected_connections")                                    \
    X(pubsub_channels,    "Stats",      "pubsub_channels")                                         \
    X(pubsub_patterns,    "Stats",      "pubsub_patterns")                                         \
    X(pubsub_shard_channels, "Stats",   "pubsubshard_channels")                                    \
    X(keys_expired,       "Stats",      "expired_keys")                                            \
    X(keys_evicted,       "Stats",      "evicted_keys")                                            \
    X(hits,               "Stats",      "keyspace_hits")                                           \
    X(misses,             "Stats",      "keyspace_misses")

struct resp_figures {
#define X(field, section, name) uint64_t field;
    RESP_FIGURES(X)
#undef X
    uint64_t keys, keys_with_expiry; /* of all keyspaces: the line db0 */
};

struct resp_path {
    uint32_t refs_count;                      /* the front's own and one per op */
    void (*released)(struct resp_path *path); /* the last reference is gone */
    void                 *path;               /* for released() and the functions below */
    struct key_door      *door;
    _Atomic uint64_t     *clients_count; /* of the process, which numbers its clients by it */
    struct pubsub_worker *pubsub; /* who subscribes what, on this worker; outlives the path */
    struct resp_node     *node;   /* the process's */
    /* Sets what is known; the front has filled in what it knows of itself. May be NULL. */
    void (*figures)(struct resp_path *self, struct resp_figures *figures);
    /* Adds lines "name:value\r\n" to INFO's section of that name ("Keyspace"). May be NULL. */
    void (*info)(struct resp_path *self, const char *section, struct resp_out *text);
};

static inline void resp_path_let_go(struct resp_path *path)
{
    if (--path->refs_count == 0)
        path->released(path);
}

#endif
