/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/session/user/resp_acl.c - ACL: who one is and, for whoever may do everything, who else
 * there is. Users are changed in their file alone. */
#include "front/resp/node/resp_commands.h"
#include "front/resp/session/user/resp_user.h"

#define CHANGED_ELSEWHERE                                                                          \
    "ERR users are those of the listener's `users-file`: change it there, then `pando reload`"
#define HIDDEN "#(not shown)" /* a digest is for guessing the password */

/* Of a listener without users: the one that everybody is. */
static const struct user everybody = {
    .name = {(const uint8_t *)"default", 7}, .grant = {.is_all = true}, .is_nopass = true};

static uint32_t count_users(const struct resp_session *session)
{
    return session->home->users == NULL ? 1 : users_count(session->home->users);
}

static const struct user *user_at(const struct resp_session *session, uint32_t index)
{
    return session->home->users == NULL ? &everybody : users_at(session->home->users, index);
}

static uint32_t count_passwords(const struct user *user)
{
    return user == &everybody ? 0 : user_passwords_count(user);
}

/* --- in Redis' words ------------------------------------------------------------------------ */

static void add(struct resp_out *text, const char *words)
{
    resp_raw(text, bytes_of(words));
}

/* `~carts:*`; keys of `default` are those of no other keyspace, for which Redis has no pattern. */
static void add_keys(struct resp_out *text, const struct user *user)
{
    if (user->grant.is_all)
        add(text, "~*");
    for (uint32_t i = 0; i < user->grant.keyspaces_count; i++) {
        const struct bytes keyspace = user->grant.keyspaces[i];
        const bool is_default = bytes_equal(keyspace, bytes_of("default"));
        add(text, i > 0 ? " ~" : "~");
        add(text, is_default ? "(" : "");
        resp_raw(text, keyspace);
        add(text, is_default ? ")" : ":*");
    }
}

static const char *commands_of(const struct user *user)
{
    return user->grant.reads_only ? "+@all -@write" : "+@all";
}

/* user anna on #(not shown) ~carts:* &* +@all -@write */
static void add_user(struct resp_out *text, const struct user *user)
{
    add(text, "user ");
    resp_raw(text, user->name);
    add(text, user->is_nopass ? " on nopass " : " on ");
    for (uint32_t i = 0; i < count_passwords(user); i++)
        add(text, HIDDEN " ");
    add_keys(text, user);
    add(text, " &* ");
    add(text, commands_of(user));
}

/* The bulk string of what @write writes about @user. */
static void put_text(struct resp_out *out, const struct user *user,
                     void (*write)(struct resp_out *text, const struct user *user))
{
    struct resp_out text;
    resp_out_init(&text, 2, out->bytes_max, NULL);
    write(&text, user);
    if (text.failed)
        out->failed = true;
    else
        resp_bulk(out, (struct bytes){text.buf == NULL ? NULL : text.buf->data, text.used});
    resp_out_fini(&text);
}

/* --- the subcommands ------------------------------------------------------------------------ */

static void run_whoami(struct resp_session *session, const struct resp_ask *ask)
{
    resp_bulk(ask->out, resp_user_name(session));
}

static void run_users(struct resp_session *session, const struct resp_ask *ask)
{
    if (!resp_user_may_ask(session, ask, "users"))
        return;
    resp_array(ask->out, count_users(session));
    for (uint32_t i = 0; i < count_users(session); i++)
        resp_bulk(ask->out, user_at(session, i)->name);
}

static void run_list(struct resp_session *session, const struct resp_ask *ask)
{
    if (!resp_user_may_ask(session, ask, "list"))
        return;
    resp_array(ask->out, count_users(session));
    for (uint32_t i = 0; i < count_users(session); i++)
        put_text(ask->out, user_at(session, i), add_user);
}

static void put_user(struct resp_out *out, const struct user *user)
{
    resp_map(out, 6);
    resp_bulk_text(out, "flags");
    resp_set(out, user->is_nopass ? 2 : 1);
    resp_simple(out, "on");
    if (user->is_nopass)
        resp_simple(out, "nopass");
    resp_bulk_text(out, "passwords");
    resp_array(out, count_passwords(user));
    for (uint32_t i = 0; i < count_passwords(user); i++)
        resp_bulk_text(out, HIDDEN);
    resp_bulk_text(out, "commands");
    resp_bulk_text(out, commands_of(user));
    resp_bulk_text(out, "keys");
    put_text(out, user, add_keys);
    resp_bulk_text(out, "channels");
    resp_bulk_text(out, "&*");
    resp_bulk_text(out, "selectors");
    resp_array(out, 0);
}

static void run_getuser(struct resp_session *session, const struct resp_ask *ask)
{
    if (!resp_user_may_ask(session, ask, "getuser"))
        return;
    for (uint32_t i = 0; i < count_users(session); i++) {
        if (!bytes_equal(user_at(session, i)->name, ask->args[2]))
            continue;
        put_user(ask->out, user_at(session, i));
        return;
    }
    resp_null(ask->out);
}

static void run_cat(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    if (ask->args_count > 3)
        resp_error(ask->out,
                   "ERR unknown subcommand or wrong number of arguments for 'cat'. Try ACL HELP.");
    else if (ask->args_count == 2)
        resp__acl_categories(ask->out);
    else if (!resp__acl_category(ask->out, ask->args[2]))
        resp_errorf(ask->out, "ERR Unknown category '%.*s'",
                    (int)(ask->args[2].count < 128 ? ask->args[2].count : 128),
                    (const char *)ask->args[2].at);
}

static void refuse_change(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    resp_error(ask->out, CHANGED_ELSEWHERE);
}

const struct resp_subcommand resp__acl_subcommands[] = {
    {"whoami", 2, run_whoami, "WHOAMI", "The user of this connection."},
    {"users", 2, run_users, "USERS", "The names of all users."},
    {"list", 2, run_list, "LIST", "All users, without their passwords' digests."},
    {"getuser", 3, run_getuser, "GETUSER <username>", "One of them."},
    {"cat", -2, run_cat, "CAT [<category>]", "The kinds of commands, or one of them."},
    {"setuser", -3, refuse_change, "SETUSER <username> ...", "Is refused: users are in a file."},
    {"deluser", -3, refuse_change, "DELUSER <username> ...", "Is refused: users are in a file."},
    {"load", 2, refuse_change, "LOAD", "Is refused: `pando reload` reads the file anew."},
    {"save", 2, refuse_change, "SAVE", "Is refused: nothing here is newer than the file."},
    {"help", 2, resp__help, "HELP", "This."},
    {.name = NULL},
};

void resp__acl(struct resp_session *session, const struct resp_ask *ask)
{
    resp__run_subcommand(session, ask, resp__acl_subcommands);
}
