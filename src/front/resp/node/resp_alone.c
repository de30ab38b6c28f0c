/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/node/resp_alone.c - commands of a Redis with replicas, databases and snapshots, of
 * which this node has none. */
#include "front/resp/node/resp_commands.h"

void resp__role(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    resp_array(ask->out, 3);
    resp_bulk_text(ask->out, "master");
    resp_integer(ask->out, 0);
    resp_array(ask->out, 0);
}

/* The copies that have what the client wrote: there are none, and none is waited for. */
void resp__wait(struct resp_session *session, const struct resp_ask *ask)
{
    int64_t copies, timeout_ms;
    (void)session;
    if (!bytes_read_int64(ask->args[1], &copies))
        resp_error(ask->out, "ERR value is not an integer or out of range");
    else if (!bytes_read_int64(ask->args[2], &timeout_ms))
        resp_error(ask->out, "ERR timeout is not an integer or out of range");
    else if (timeout_ms < 0)
        resp_error(ask->out, "ERR timeout is negative");
    else
        resp_integer(ask->out, 0);
}

#define NO_REPLICATION                                                                             \
    "ERR this node follows no other one and has no followers: keyspaces are kept by their engine"
#define NO_SNAPSHOT                                                                                \
    "ERR nothing is saved apart: with engine lmdb the disk has what was answered, and engine "     \
    "memory is a cache"
#define NO_DATABASES "ERR there is one database, 0; keyspaces are chosen by the key's name"

#define REFUSALS(X)                                                                                \
    X("bgrewriteaof", NO_SNAPSHOT)                                                                 \
    X("bgsave", NO_SNAPSHOT)                                                                       \
    X("debug", "ERR DEBUG is refused: it could hold up every client of its thread")                \
    X("failover", NO_REPLICATION)                                                                  \
    X("lastsave", NO_SNAPSHOT)                                                                     \
    X("monitor", "ERR MONITOR is refused: no client is shown what others say; SLOWLOG has the "    \
                 "commands that took long")                                                        \
    X("move", NO_DATABASES)                                                                        \
    X("psync", NO_REPLICATION)                                                                     \
    X("replconf", NO_REPLICATION)                                                                  \
    X("replicaof", NO_REPLICATION)                                                                 \
    X("save", NO_SNAPSHOT)                                                                         \
    X("shutdown", "ERR SHUTDOWN is refused: Pando is stopped by a signal (SIGTERM), from its own " \
                  "machine")                                                                       \
    X("slaveof", NO_REPLICATION)                                                                   \
    X("swapdb", NO_DATABASES)                                                                      \
    X("sync", NO_REPLICATION)                                                                      \
    X("waitaof", NO_REPLICATION)

const char *resp__refusal(struct bytes name)
{
#define X(word, sentence)                                                                          \
    if (bytes_is_word(name, word))                                                                 \
        return sentence;
    REFUSALS(X)
#undef X
    return NULL;
}
