/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/session/resp_session.h - what a Redis client has said so far, and the commands that
 * are about that: HELLO, CLIENT, COMMAND, INFO, MULTI, ...
 *
 * Knows no socket: what it must know of the connection it asks through struct resp_sessions, which
 * all sessions of a front share.
 *
 * Memory:  a session is embedded in its connection and owns its name, its queue and its watches.
 *          Watches whose op is under way outlive it; each holds the door of the front.
 * Threads: its worker's.
 * Errors:  Redis' own, written as the answer. */
#ifndef PANDO_FRONT_RESP_SESSION_RESP_SESSION_H
#define PANDO_FRONT_RESP_SESSION_RESP_SESSION_H

#include "front/resp/resp_path.h"
#include "front/resp/resp_settings.h"
#include "front/resp/session/resp_queue.h"
#include "front/resp/session/resp_watch.h"

#define RESP_REDIS_VERSION "7.0.15" /* that clients take us for */

struct resp_session;

/* What a connection knows of itself, for CLIENT LIST. */
struct resp_facts {
    char     address[64], local_address[64]; /* "127.0.0.1:6380" */
    int      fd;
    uint64_t age_s, idle_s;
    size_t   received_bytes; /* of a command that is not whole */
    size_t   queued_bytes;   /* of answers */
    uint32_t queued_count;
    size_t   bytes; /* of memory, all in all */
};

/* The sessions of one front. */
struct resp_sessions {
    struct list                 all; /* struct resp_session, oldest first */
    const struct resp_settings *settings;
    struct resp_path           *path;
    struct door                *door;
    void (*figures)(struct resp_sessions *self, struct resp_figures *figures); /* the front's own */
    void (*describe)(const struct resp_session *session, struct resp_facts *facts);
    void (*close)(struct resp_session *session); /* at once */
};

struct resp_session {
    struct resp_sessions *home;
    struct list_link      link; /* in home->all */
    uint64_t              id;
    uint8_t               version; /* of the protocol: 2 or 3 */
    bool                  is_over; /* nothing more is run: QUIT, or it killed itself */
    bool                  is_reply_off;
    bool                  skips_next;                    /* the next command is not answered */
    bool                  is_skipping;                   /* the one that runs now is not */
    const struct command *last;                          /* that was run; NULL: none */
    char                 *name, *lib_name, *lib_version; /* NULL: none */
    struct resp_queue     queue;
    struct resp_watches   watches;
};

/* One command for the session. */
struct resp_ask {
    const struct command *command; /* NULL: unknown, only to be refused */
    const struct bytes   *args;
    uint32_t              args_count; /* fits the command's arity unless it is to be refused */
    struct resp_out      *out;
};

/* Registers it with @home. */
void resp_session_init(struct resp_session *session, struct resp_sessions *home);

/* Lets go of everything. Accepts one that was let go of. */
void resp_session_fini(struct resp_session *session);

/* Answers that there is no such command (ask->command is NULL), or that it takes another number of
 * arguments. In MULTI that spoils the transaction. */
void resp_session_refuse(struct resp_session *session, const struct resp_ask *ask);

/* Is @command put into the queue of MULTI, instead of being run? */
bool resp_session_queues(const struct resp_session *session, const struct command *command);

/* Puts it there, and answers. */
void resp_session_queue(struct resp_session *session, const struct resp_ask *ask);

/* Runs a command of route FRONT and writes its answer, but for EXEC and WATCH, which have to wait
 * for ops. */
void resp_session_run(struct resp_session *session, const struct resp_ask *ask);

/* ---- for the session's files ---- */

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
    const struct bytes *ids; /* of LIST: whole numbers; may be NULL */
    uint32_t            ids_count;
    int64_t             id; /* of KILL; 0: any */
    const struct bytes *address, *local_address;
    bool                skips_me;
    bool                is_none; /* a kind, or a user, that we have none of */
};

struct resp_clients {
    struct resp_victims victims;
    uint64_t            asker_id; /* the session that asks */
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

#endif
