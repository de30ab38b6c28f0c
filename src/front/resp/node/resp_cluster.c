/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/node/resp_cluster.c - CLUSTER: Pando is the one node, and has all slots.
 *
 * So clients of Redis Cluster find their way. The address that they are told is the one that they
 * connected to, or `announce`. */
#include "core/slot.h"
#include "front/resp/node/resp_commands.h"

#include <stdio.h>
#include <stdlib.h>

struct address {
    char     host[256];
    uint16_t port;
};

/* "127.0.0.1:6380", "[::1]:6380" -> host, port. */
static void split(const char *text, struct address *address)
{
    const char *colon = strrchr(text, ':');
    const bool has_brackets = text[0] == '[';
    const int bytes = colon == NULL ? 0 : (int)(colon - text) - 2 * has_brackets;
    (void)snprintf(address->host, sizeof address->host, "%.*s", bytes < 0 ? 0 : bytes,
                   text + has_brackets);
    address->port = colon == NULL ? 0 : (uint16_t)strtoul(colon + 1, NULL, 10);
}

static struct address address_of(const struct resp_session *session)
{
    const struct config_address *announced = &session->home->settings->announce;
    struct address address = {.port = announced->port};
    struct resp_facts facts = {.fd = -1};
    if (announced->kind != CONFIG_ADDRESS_NONE) {
        (void)snprintf(address.host, sizeof address.host, "%s", announced->host);
        return address;
    }
    session->home->describe(session, &facts);
    split(facts.local_address, &address);
    return address;
}

static const char *id_of(const struct resp_session *session)
{
    return session->home->path->node->id;
}

static bool is_own_id(const struct resp_session *session, const struct resp_ask *ask)
{
    const struct bytes id = ask->args[2];
    if (bytes_equal(id, bytes_of(id_of(session))))
        return true;
    resp_errorf(ask->out, "ERR Unknown node %.*s", (int)(id.count < 128 ? id.count : 128),
                (const char *)id.at);
    return false;
}

/* ---- where the slots are ---- */

static void run_slots(struct resp_session *session, const struct resp_ask *ask)
{
    const struct address address = address_of(session);
    struct resp_out *out = ask->out;
    resp_array(out, 1);
    resp_array(out, 3);
    resp_integer(out, 0);
    resp_integer(out, SLOTS_COUNT - 1);
    resp_array(out, 4);
    resp_bulk_text(out, address.host);
    resp_integer(out, address.port);
    resp_bulk_text(out, id_of(session));
    resp_map(out, 0);
}

static void put_text(struct resp_out *out, const char *name, const char *text)
{
    resp_bulk_text(out, name);
    resp_bulk_text(out, text);
}

static void put_node(struct resp_out *out, const struct resp_session *session)
{
    const struct address address = address_of(session);
    resp_map(out, 7);
    put_text(out, "id", id_of(session));
    resp_bulk_text(out, "port");
    resp_integer(out, address.port);
    put_text(out, "ip", address.host);
    put_text(out, "endpoint", address.host);
    put_text(out, "role", "master");
    resp_bulk_text(out, "replication-offset");
    resp_integer(out, 0);
    put_text(out, "health", "online");
}

static void run_shards(struct resp_session *session, const struct resp_ask *ask)
{
    struct resp_out *out = ask->out;
    resp_array(out, 1);
    resp_map(out, 2);
    resp_bulk_text(out, "slots");
    resp_array(out, 2);
    resp_integer(out, 0);
    resp_integer(out, SLOTS_COUNT - 1);
    resp_bulk_text(out, "nodes");
    resp_array(out, 1);
    put_node(out, session);
}

/* There is no bus between nodes: its port is 0. */
static void run_nodes(struct resp_session *session, const struct resp_ask *ask)
{
    const struct address address = address_of(session);
    char line[512];
    const int bytes =
        snprintf(line, sizeof line, "%s %s:%u@0 myself,master - 0 0 0 connected 0-%d\n",
                 id_of(session), address.host, address.port, SLOTS_COUNT - 1);
    resp_verbatim(ask->out, (struct bytes){(const uint8_t *)line, (size_t)bytes});
}

#define INFO_LINES(X)                                                                              \
    X("cluster_state:ok")                                                                          \
    X("cluster_slots_assigned:16384")                                                              \
    X("cluster_slots_ok:16384")                                                                    \
    X("cluster_slots_pfail:0")                                                                     \
    X("cluster_slots_fail:0")                                                                      \
    X("cluster_known_nodes:1")                                                                     \
    X("cluster_size:1")                                                                            \
    X("cluster_current_epoch:0")                                                                   \
    X("cluster_my_epoch:0")                                                                        \
    X("cluster_stats_messages_sent:0")                                                             \
    X("cluster_stats_messages_received:0")                                                         \
    X("total_cluster_links_buffer_limit_exceeded:0")

static void run_info(struct resp_session *session, const struct resp_ask *ask)
{
#define X(line) line "\r\n"
    static const char text[] = INFO_LINES(X);
#undef X
    (void)session;
    resp_verbatim(ask->out, bytes_of(text));
}

static void run_keyslot(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    resp_integer(ask->out, slot_of(ask->args[2]));
}

static void run_myid(struct resp_session *session, const struct resp_ask *ask)
{
    resp_bulk_text(ask->out, id_of(session));
}

/* ---- other nodes, which there are none of ---- */

static void run_links(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    resp_array(ask->out, 0);
}

static void run_replicas(struct resp_session *session, const struct resp_ask *ask)
{
    if (is_own_id(session, ask))
        resp_array(ask->out, 0);
}

static void run_reports(struct resp_session *session, const struct resp_ask *ask)
{
    if (is_own_id(session, ask))
        resp_integer(ask->out, 0);
}

static void refuse_keys(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    resp_error(ask->out, "ERR keys are not kept by slot over all keyspaces; SCAN returns them all");
}

static void refuse_change(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    resp_error(ask->out, "ERR Pando is the one node, and always has all slots: which one has what "
                         "is not changed by commands");
}

#define SUBCOMMANDS(X)                                                                             \
    X("slots", 2, run_slots, "SLOTS", "Which slots are where: all of them here.")                  \
    X("shards", 2, run_shards, "SHARDS", "The same, in the newer form.")                           \
    X("nodes", 2, run_nodes, "NODES", "The same, as a line of text for each node.")                \
    X("info", 2, run_info, "INFO", "How the cluster is: well.")                                    \
    X("keyslot", 3, run_keyslot, "KEYSLOT <key>", "The slot of a key.")                            \
    X("myid", 2, run_myid, "MYID", "This node's id.")                                              \
    X("links", 2, run_links, "LINKS", "Is empty: there are no other nodes.")                       \
    X("replicas", 3, run_replicas, "REPLICAS <node-id>", "Is empty.")                              \
    X("slaves", 3, run_replicas, "SLAVES <node-id>", "Is empty.")                                  \
    X("count-failure-reports", 3, run_reports, "COUNT-FAILURE-REPORTS <node-id>", "Is 0.")         \
    X("countkeysinslot", 3, refuse_keys, "COUNTKEYSINSLOT <slot>", "Is refused.")                  \
    X("getkeysinslot", 4, refuse_keys, "GETKEYSINSLOT <slot> <count>", "Is refused.")              \
    X("addslots", -3, refuse_change, "ADDSLOTS <slot> ...", "Is refused, as all changes are.")     \
    X("addslotsrange", -4, refuse_change, "ADDSLOTSRANGE <from> <to> ...", "Is refused.")          \
    X("bumpepoch", 2, refuse_change, "BUMPEPOCH", "Is refused.")                                   \
    X("delslots", -3, refuse_change, "DELSLOTS <slot> ...", "Is refused.")                         \
    X("delslotsrange", -4, refuse_change, "DELSLOTSRANGE <from> <to> ...", "Is refused.")          \
    X("failover", -2, refuse_change, "FAILOVER", "Is refused.")                                    \
    X("flushslots", 2, refuse_change, "FLUSHSLOTS", "Is refused.")                                 \
    X("forget", 3, refuse_change, "FORGET <node-id>", "Is refused.")                               \
    X("meet", -4, refuse_change, "MEET <ip> <port>", "Is refused.")                                \
    X("replicate", 3, refuse_change, "REPLICATE <node-id>", "Is refused.")                         \
    X("reset", -2, refuse_change, "RESET", "Is refused.")                                          \
    X("saveconfig", 2, refuse_change, "SAVECONFIG", "Is refused.")                                 \
    X("set-config-epoch", 3, refuse_change, "SET-CONFIG-EPOCH <epoch>", "Is refused.")             \
    X("setslot", -4, refuse_change, "SETSLOT <slot> ...", "Is refused.")                           \
    X("help", 2, resp__help, "HELP", "This.")

const struct resp_subcommand resp__cluster_subcommands[] = {
#define X(name, arity, run, form, gist) {name, arity, run, form, gist},
    SUBCOMMANDS(X)
#undef X
    {.name = NULL},
};

void resp__cluster(struct resp_session *session, const struct resp_ask *ask)
{
    resp__run_subcommand(session, ask, resp__cluster_subcommands);
}

void resp__cluster_mode(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    resp_simple(ask->out, "OK");
}
