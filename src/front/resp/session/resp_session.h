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

#endif
