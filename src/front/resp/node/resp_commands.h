/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/node/resp_commands.h - the commands about the node: CLUSTER, SLOWLOG, MEMORY, LATENCY
 * and small ones that clients of a server expect.
 *
 * Threads: the session's. Errors: written as the answer. */
#ifndef PANDO_FRONT_RESP_NODE_RESP_COMMANDS_H
#define PANDO_FRONT_RESP_NODE_RESP_COMMANDS_H

#include "front/resp/session/resp_session_inside.h"

/* CLUSTER. */
void resp__cluster(struct resp_session *session, const struct resp_ask *ask);
/* READONLY, READWRITE and ASKING: this node leads all slots, so they change nothing. */
void resp__cluster_mode(struct resp_session *session, const struct resp_ask *ask);
/* SLOWLOG. */
void resp__slowlog(struct resp_session *session, const struct resp_ask *ask);
/* LATENCY. */
void resp__latency(struct resp_session *session, const struct resp_ask *ask);
/* MEMORY, but for USAGE of a key, which its engine answers. */
void resp__memory(struct resp_session *session, const struct resp_ask *ask);
/* Is it USAGE of a key? Of a command MEMORY. */
bool resp__is_usage(const struct resp_ask *ask);
/* Is it answered here, though others of its row are about keys? */
static inline bool resp__is_own(const struct resp_ask *ask)
{
    return ask->command->number == COMMAND_IS_MEMORY && !resp__is_usage(ask);
}
/* ROLE. */
void resp__role(struct resp_session *session, const struct resp_ask *ask);
/* WAIT. */
void resp__wait(struct resp_session *session, const struct resp_ask *ask);

/* Why a command of Redis is refused by the node, an error; NULL: it is none of those. */
const char *resp__refusal(struct bytes name);

extern const struct resp_subcommand resp__acl_subcommands[];
extern const struct resp_subcommand resp__client_subcommands[];
extern const struct resp_subcommand resp__cluster_subcommands[];
extern const struct resp_subcommand resp__command_subcommands[];
extern const struct resp_subcommand resp__config_subcommands[];
extern const struct resp_subcommand resp__latency_subcommands[];
extern const struct resp_subcommand resp__memory_subcommands[];
extern const struct resp_subcommand resp__pubsub_subcommands[];
extern const struct resp_subcommand resp__slowlog_subcommands[];

#endif
