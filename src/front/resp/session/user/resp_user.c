/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/session/user/resp_user.c - AUTH, and what becomes of a session when users change. */
#include "front/resp/session/user/resp_user.h"

#define WRONG_PASSWORD "WRONGPASS invalid username-password pair or user is disabled."
#define NO_PASSWORD                                                                                \
    "ERR AUTH <password> called without any password configured for the default user. Are you "    \
    "sure your configuration is correct?"
#define DEFAULT_USER "default"
#define NOBODY       "(nobody)"

static enum resp_standing standing_of(const struct users *users, const struct user *user)
{
    if (users == NULL)
        return RESP_MAY_ALL;
    if (user == NULL)
        return RESP_NOBODY;
    return user->grant.reads_only ? RESP_READER : RESP_MAY_ALL;
}

/* What follows from session->who.login. */
static void take_login(struct resp_session *session)
{
    const struct user *user = session->who.login.user;
    session->who.grant = user == NULL ? NULL : &user->grant;
    session->who.standing = (uint8_t)standing_of(session->home->users, user);
}

void resp_user_forget(struct resp_session *session)
{
    const struct users *users = session->home->users;
    session->who.login = (struct user_login){.user = users == NULL ? NULL : users_nameless(users)};
    take_login(session);
}

bool resp_user_log_in(struct resp_session *session, struct bytes name, struct bytes password,
                      struct resp_out *out)
{
    const struct users *users = session->home->users;
    const bool is_right = users == NULL ? bytes_equal(name, bytes_of(DEFAULT_USER))
                                        : users_login(users, name, password, &session->who.login);
    if (is_right)
        take_login(session);
    else
        resp_error(out, WRONG_PASSWORD);
    return is_right;
}

void resp__auth(struct resp_session *session, const struct resp_ask *ask)
{
    const struct users *users = session->home->users;
    const bool is_named = ask->args_count == 3;
    const struct bytes name = is_named ? ask->args[1] : bytes_of(DEFAULT_USER);
    if (ask->args_count > 3)
        resp_error(ask->out, "ERR syntax error");
    else if (!is_named && (users == NULL || users_nameless(users) != NULL))
        resp_error(ask->out, NO_PASSWORD);
    else if (resp_user_log_in(session, name, ask->args[ask->args_count - 1], ask->out))
        resp_simple(ask->out, "OK");
}

/* --- other users ---------------------------------------------------------------------------- */

/* Where nobody was asked for a password before, he has said nothing. */
static void renew(struct resp_session *session, const struct users *users)
{
    const enum resp_standing before = session->who.standing;
    if (users != NULL && session->who.login.user != NULL)
        users_renew(users, &session->who.login);
    else if (users == NULL || before != RESP_NOBODY)
        resp_user_forget(session);
    take_login(session);
    if (session->who.standing == RESP_NOBODY) {
        resp_queue_clear(&session->queue);
        resp_watches_clear(&session->watches);
        resp__leave_channels(session);
    } else if (session->who.standing == RESP_READER && before != RESP_READER) {
        session->queue.is_bad = session->queue.is_open;
    }
}

void resp_users_change(struct resp_sessions *sessions, const struct users *users)
{
    sessions->users = users;
    list_each(&sessions->all, link, after)
    {
        renew(list_item(link, struct resp_session, link), users);
    }
}

/* --- what he may say ------------------------------------------------------------------------ */

void resp_user_refuse(struct resp_session *session, const struct resp_ask *ask)
{
    if (session->who.standing == RESP_NOBODY)
        resp_error(ask->out, "NOAUTH Authentication required.");
    else
        resp_errorf(ask->out, "NOPERM this user has no permissions to run the '%s' command",
                    ask->command->name);
    session->queue.is_bad = session->queue.is_open;
}

struct bytes resp_user_name(const struct resp_session *session)
{
    if (session->who.login.user != NULL)
        return session->who.login.user->name;
    return bytes_of(session->who.standing == RESP_NOBODY ? NOBODY : DEFAULT_USER);
}

bool resp_user_is_free(const struct resp_session *session)
{
    return session->who.standing == RESP_MAY_ALL &&
           (session->who.grant == NULL || session->who.grant->is_all);
}

bool resp_user_may_ask(const struct resp_session *session, const struct resp_ask *ask,
                       const char *subcommand)
{
    if (resp_user_is_free(session))
        return true;
    resp_errorf(ask->out, "NOPERM this user has no permissions to run the '%s|%s' command",
                ask->command->name, subcommand);
    return false;
}
