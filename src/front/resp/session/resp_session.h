/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/session/resp_session.h - what a Redis client has said so far, and the commands that
 * are about that: HELLO, CLIENT, COMMAND, INFO, MULTI, ...
 *
 * Knows no socket: what it must know of the connection it asks through struct resp_sessions, which
 * all sessions of a front share.
 *
 * Memory:  a session is embedded in its connection and owns its name, its queue, its watches and
 *          what it subscribes.
 *          Watches whose op is under way outlive it; each holds the door of the front.
 * Threads: its worker's.
 * Errors:  Redis' own, written as the answer. */
#ifndef PANDO_FRONT_RESP_SESSION_RESP_SESSION_H
#define PANDO_FRONT_RESP_SESSION_RESP_SESSION_H

#include "front/resp/pubsub/pubsub_worker.h"
#include "front/resp/resp_path.h"
#include "front/resp/resp_settings.h"
#include "front/resp/session/resp_queue.h"
#include "front/resp/session/resp_watch.h"
#include "path/users/users.h"

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
    const struct users         *users;  /* NULL: there are none, and everybody may everything */
    const struct pubsub_reader *reader; /* of messages that a session subscribes */
    void (*figures)(struct resp_sessions *self, struct resp_figures *figures); /* the front's own */
    void (*describe)(const struct resp_session *session, struct resp_facts *facts);
    void (*close)(struct resp_session *session); /* at once */
};

/* What the front itself refuses a client. */
enum resp_standing {
    RESP_MAY_ALL,
    RESP_NOBODY, /* has to say who it is: only what is UNNAMED */
    RESP_READER, /* may not change keys: nothing that does WRITE */
};

/* Who a client is (user/resp_user.h). */
struct resp_who {
    struct user_login       login;    /* .user is NULL if there are no users, or he is nobody */
    const struct key_grant *grant;    /* for its ops; NULL likewise */
    uint8_t                 standing; /* enum resp_standing */
};

struct resp_session {
    struct resp_sessions    *home;
    struct list_link         link; /* in home->all */
    uint64_t                 id;
    uint8_t                  version; /* of the protocol: 2 or 3 */
    bool                     is_over; /* nothing more is run: QUIT, or it killed itself */
    bool                     is_reply_off;
    bool                     skips_next;                    /* the next command is not answered */
    bool                     is_skipping;                   /* the one that runs now is not */
    const struct command    *last;                          /* that was run; NULL: none */
    char                    *name, *lib_name, *lib_version; /* NULL: none */
    struct resp_queue        queue;
    struct resp_watches      watches;
    struct pubsub_subscriber subscriber;
    struct resp_who          who;
};

/* One command for the session. */
struct resp_ask {
    const struct command *command; /* NULL: unknown, only to be refused */
    const struct bytes   *args;
    uint32_t              args_count; /* fits the command's arity unless it is to be refused */
    struct resp_out      *out;
    bool                  is_of_exec; /* it was queued, and is run in the middle of others */
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

/* May the client say @command at all? */
static inline bool resp_session_may(const struct resp_session *session,
                                    const struct command *command)
{
    if (session->who.standing == RESP_MAY_ALL)
        return true;
    return session->who.standing == RESP_NOBODY ? (command->flags & COMMAND_UNNAMED) != 0
                                                : (command->flags & COMMAND_WRITE) == 0;
}

/* May @command be run while a client of version 2 subscribes something? */
bool resp_session_may_in_pubsub(const struct command *command);

/* Is it one that may not? What such a client reads must be messages. */
static inline bool resp_session_is_in_pubsub(const struct resp_session *session,
                                             const struct command *command)
{
    return pubsub_subscribes(&session->subscriber) && session->version == 2 &&
           !resp_session_may_in_pubsub(command);
}

/* Says so. */
void resp_session_refuse_in_pubsub(struct resp_session *session, const struct resp_ask *ask);

/* What became of a PUBLISH. */
struct resp_published {
    const char *error; /* NULL: it went out */
    uint64_t    receivers_count;
};

/* PUBLISH and SPUBLISH without the answer: subscribers on this worker, the session among them, have
 * the message in their lines then, or, in EXEC, get it in the next turn. */
void resp_session_publish(struct resp_session *session, const struct resp_ask *ask,
                          struct resp_published *published);

/* The answer. */
void resp_published_write(const struct resp_published *published, struct resp_out *out);

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
    const struct bytes *ids; /* of LIST: whole numbers; may be NULL */
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
/* Subscribes nothing any more. */
void resp__leave_channels(struct resp_session *session);
/* The categories of commands; and the commands of one. False: there is none, nothing is written. */
void resp__acl_categories(struct resp_out *out);
bool resp__acl_category(struct resp_out *out, struct bytes category) must_check;

#endif
