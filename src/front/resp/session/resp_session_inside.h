/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/session/resp_session_inside.h - for the session's own files: helpers, and the commands
 * that they run; those about the node are in node/resp_commands.h.
 *
 * Threads: the session's. */
#ifndef PANDO_FRONT_RESP_SESSION_RESP_SESSION_INSIDE_H
#define PANDO_FRONT_RESP_SESSION_RESP_SESSION_INSIDE_H

#include "front/resp/session/resp_session.h"

/* Is @bytes one of CLIENT's names: nothing but printable characters without a space? */
bool resp__is_name(struct bytes bytes);

/* Sets *@to to a copy, NULL where @bytes is empty. False: no memory, answered. */
bool resp__set_text(char **to, struct bytes bytes, struct resp_out *out) must_check;

/* "ERR unknown subcommand ...". */
void resp__refuse_subcommand(const struct resp_ask *ask);

/* A subcommand and what runs it. */
struct resp_subcommand {
    const char *name;
    int32_t     arity; /* arguments with both names; -n: n or more */
    void (*run)(struct resp_session *session, const struct resp_ask *ask);
    const char *form, *gist; /* of HELP and COMMAND DOCS */
};

/* The one of @table, which ends with a name of NULL, that args[1] names. NULL: refused. */
const struct resp_subcommand *resp__find_subcommand(const struct resp_ask *ask,
                                                    const struct resp_subcommand *table) must_check;
/* The subcommands of @command, ended by a name of NULL; NULL: it has none here. */
const struct resp_subcommand *resp__subcommands(const struct command *command);

/* HELP: the forms and gists of the command's subcommands. */
void resp__help(struct resp_session *session, const struct resp_ask *ask);

/* Runs the one of @table, which ends with a name of NULL, that args[1] names. */
void resp__run_subcommand(struct resp_session *session, const struct resp_ask *ask,
                          const struct resp_subcommand *table);

/* ---- CLIENT LIST and KILL: about the sessions of all fronts, which are on several threads ---- */

/* Whom they are about; what was not said takes everybody. */
struct resp_victims {
    int64_t            *ids; /* of LIST, ascending, owned; NULL: all */
    uint32_t            ids_count;
    int64_t             id; /* of KILL; 0: any */
    const struct bytes *address, *local_address, *type, *user;
    bool                skips_me;
    bool                is_none; /* a kind that we have none of */
};

enum { RESP_ASKER_USER_BYTES = 256 }; /* whose name is longer may end no connection */

struct resp_clients {
    struct resp_victims victims;
    uint64_t            asker_id; /* the session that asks */
    const struct users *users;    /* of its listener: only compared */
    bool                is_free;  /* who may write everywhere */
    size_t              asker_user_bytes;
    char                asker_user[RESP_ASKER_USER_BYTES]; /* a copy: he may go meanwhile */
    bool                kills;
    bool                is_old_kill; /* KILL address */
    uint32_t            count;       /* killed */
    struct resp_out     text;        /* of LIST */
};

/* Is it CLIENT LIST or KILL, with as many arguments as they take? */
bool resp__is_clients(const struct resp_ask *ask);

/* Reads it; the arguments are borrowed until the answer. False: refused. */
bool resp__clients_read(struct resp_clients *clients, const struct resp_session *session,
                        const struct resp_ask *ask) must_check;

/* Lists or kills the sessions of @home, on its thread. */
void resp__clients_visit(struct resp_clients *clients, struct resp_sessions *home);

/* Writes the answer, and lets go of what it holds. */
void resp__clients_answer(struct resp_clients *clients, struct resp_out *out);

/* CLIENT. */
void resp__client(struct resp_session *session, const struct resp_ask *ask);
/* COMMAND. */
void resp__command(struct resp_session *session, const struct resp_ask *ask);
/* Figures of the whole node. */
struct resp_figures resp__figures(const struct resp_session *session);

/* INFO. */
void resp__info(struct resp_session *session, const struct resp_ask *ask);
/* CONFIG. */
void resp__config(struct resp_session *session, const struct resp_ask *ask);
/* HELLO. */
void resp__hello(struct resp_session *session, const struct resp_ask *ask);
/* AUTH. */
void resp__auth(struct resp_session *session, const struct resp_ask *ask);
/* ACL. */
void resp__acl(struct resp_session *session, const struct resp_ask *ask);
/* SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE. */
void resp__subscribe(struct resp_session *session, const struct resp_ask *ask);
/* UNSUBSCRIBE, PUNSUBSCRIBE, SUNSUBSCRIBE. */
void resp__unsubscribe(struct resp_session *session, const struct resp_ask *ask);
/* PUBLISH, SPUBLISH. */
void resp__publish(struct resp_session *session, const struct resp_ask *ask);
/* PUBSUB. */
void resp__pubsub(struct resp_session *session, const struct resp_ask *ask);
/* Is it a PUBSUB that cannot be run? Then it is refused. */
bool resp__refuse_pubsub(const struct resp_ask *ask);
/* Subscribes nothing any more; a publisher that waits goes on waiting. */
void resp__leave_channels(struct resp_session *session);
/* The same of a session that ends, which waits for nothing any more. */
void resp__end_channels(struct resp_session *session);
/* The categories of commands; and the commands of one. False: there is none, nothing is written. */
void resp__acl_categories(struct resp_out *out);
bool resp__acl_category(struct resp_out *out, struct bytes category) must_check;

#endif
