/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/session/resp_subcommands.c - which commands have subcommands, and their HELP. */
#include "front/resp/node/resp_commands.h"

#include <stdio.h>

const struct resp_subcommand *resp__subcommands(const struct command *command)
{
    switch (command->number) {
    case COMMAND_IS_ACL: return resp__acl_subcommands;
    case COMMAND_IS_CLIENT: return resp__client_subcommands;
    case COMMAND_IS_CLUSTER: return resp__cluster_subcommands;
    case COMMAND_IS_COMMAND: return resp__command_subcommands;
    case COMMAND_IS_CONFIG: return resp__config_subcommands;
    case COMMAND_IS_LATENCY: return resp__latency_subcommands;
    case COMMAND_IS_MEMORY: return resp__memory_subcommands;
    case COMMAND_IS_PUBSUB: return resp__pubsub_subcommands;
    case COMMAND_IS_SLOWLOG: return resp__slowlog_subcommands;
    default: return NULL;
    }
}

void resp__help(struct resp_session *session, const struct resp_ask *ask)
{
    const struct resp_subcommand *table = resp__subcommands(ask->command);
    char line[256];
    uint64_t count = 1;
    (void)session;
    const size_t begun = resp_begin_array(ask->out);
    (void)snprintf(line, sizeof line, "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
                   ask->command->name);
    for (char *at = line; *at != ' '; at++)
        *at = (char)(*at - ('a' - 'A')); /* a name of letters */
    resp_simple(ask->out, line);
    for (; table->name != NULL; table++, count += 2) {
        resp_simple(ask->out, table->form);
        (void)snprintf(line, sizeof line, "    %s", table->gist);
        resp_simple(ask->out, line);
    }
    resp_end_array(ask->out, begun, count);
}
