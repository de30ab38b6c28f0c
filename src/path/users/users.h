/* SPDX-License-Identifier: Apache-2.0 */
/* path/users/users.h - who may ask for keys, by name and password.
 *
 * One file of users stands behind every listener that names it: the same names hold for the Redis
 * protocol and for keys over HTTP. A password is kept as SHA-256, as Redis does, so it should be a
 * long and drawn one.
 *
 * Memory:  counted; whoever keeps a user keeps his users.
 * Threads: constant once made; any. */
#ifndef PANDO_PATH_USERS_USERS_H
#define PANDO_PATH_USERS_USERS_H

#include "core/secret/secret.h"
#include "path/command/key_grant.h"

enum {
    USERS_MAX = 10000,
    USER_PASSWORDS_MAX = 8,         /* of one user, so that they are changed without a gap */
    USER_PASSWORD_BYTES_MAX = 4096, /* a longer one is wrong */
};

struct users;

struct user {
    struct users    *users; /* whose he is; uncounted */
    struct bytes     name;
    struct key_grant grant;
    bool             is_nopass; /* any password is right, and nobody has to say one */
};

/* What makes a user; read during users_new() only. */
struct users_row {
    struct bytes                name;
    bool                        is_nopass;
    struct key_grant            grant; /* its keyspaces in any order */
    const struct secret_digest *passwords;
    uint32_t                    passwords_count; /* at most USER_PASSWORDS_MAX */
};

/* Of @count rows with different names, in any order; it has one holder. NULL: no memory. */
struct users *users_new(const struct users_row *rows, uint32_t count) must_check;

/* One more holder, or one fewer; the last frees them. users_unref() accepts NULL. */
struct users *users_ref(struct users *users);
void users_unref(struct users *users);

/* The user of that name if @password is his; NULL: it is not, or there is none, which takes as
 * long. */
const struct user *users_authenticate(const struct users *users, struct bytes name,
                                      struct bytes password);

/* Who a client turned out to be, kept for as long as he stays. */
struct user_login {
    const struct user   *user;    /* NULL: nobody */
    bool                 is_said; /* by a password, `digest`; else he said nothing */
    struct secret_digest digest;
};

/* As users_authenticate(). False: it is nobody, and @login is untouched. */
bool users_login(const struct users *users, struct bytes name, struct bytes password,
                 struct user_login *login) must_check;

/* The same client among other users: a file was read anew. He is nobody if his name is gone, or the
 * password that he said is not his any more. @login.user is still there. */
void users_renew(const struct users *users, struct user_login *login);

/* The user of that name, or NULL: not for whoever has yet to say a password. */
const struct user *users_named(const struct users *users, struct bytes name);

/* All of them, by name. */
uint32_t users_count(const struct users *users);
/* The one at @index, below users_count(). */
const struct user *users_at(const struct users *users, uint32_t index);

/* How many passwords he may say. */
uint32_t user_passwords_count(const struct user *user);

/* Are these the same users, with the same passwords and grants? */
bool users_same(const struct users *one, const struct users *other);

/* Who a client is before he says it: the user `default` if he needs no password; NULL: nobody, so
 * he has to say it. */
const struct user *users_nameless(const struct users *users);

#endif
