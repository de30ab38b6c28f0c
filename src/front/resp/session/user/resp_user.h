/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/session/user/resp_user.h - inside the session: who its client is, and what he may say.
 *
 * Where a listener has no users, everybody is `default` and may say everything. Where it has, a
 * client is who its password says; before that it is the user `default`, if he needs no password,
 * or nobody, who may say nothing but who it is. Keyspaces are refused further below: by partition,
 * which finds them; the session's grant goes with every op.
 *
 * Memory:  the users' are the listener's settings'; they stay until resp_users_change() came back
 *          and the ops that were under way are done.
 * Threads: the session's. */
#ifndef PANDO_FRONT_RESP_SESSION_USER_RESP_USER_H
#define PANDO_FRONT_RESP_SESSION_USER_RESP_USER_H

#include "front/resp/session/resp_session_inside.h"

/* Of a client that has not said yet who it is. */
enum {
    RESP_NOBODY_ARGS_MAX = 16, /* no more than 'args-max' may be */
    RESP_NOBODY_BULK_BYTES_MAX = 16 * 1024,
    RESP_NOBODY_BYTES_MAX = RESP_NOBODY_ARGS_MAX * (RESP_NOBODY_BULK_BYTES_MAX + 32),
    RESP_NOBODY_HELD_BYTES_MAX = 1024, /* of answers that it has not taken */
};

/* Becomes one who has said nothing yet. */
void resp_user_forget(struct resp_session *session);

/* Becomes the user of that name, if @password is his. False: refused, and answered in @out. */
bool resp_user_log_in(struct resp_session *session, struct bytes name, struct bytes password,
                      struct resp_out *out) must_check;

/* From now on the users of all sessions are @users (NULL: there are none); each client is looked up
 * again. Whose name or password is gone is nobody, and what he queued and watched is forgotten.
 * Transactions of those who may only read from now on come to nothing. */
void resp_users_change(struct resp_sessions *sessions, const struct users *users);

/* Answers why a command that resp_session_may() refuses is not run. In MULTI that spoils the
 * transaction. */
void resp_user_refuse(struct resp_session *session, const struct resp_ask *ask);

/* What he is called, in CLIENT LIST and ACL WHOAMI. */
struct bytes resp_user_name(const struct resp_session *session);

/* May he write to every keyspace? Only such a user learns about others and ends their
 * connections. */
bool resp_user_is_free(const struct resp_session *session);

/* The same, for a subcommand that shows what is others'. False: refused, and answered. */
bool resp_user_may_ask(const struct resp_session *session, const struct resp_ask *ask,
                       const char *subcommand) must_check;

#endif
