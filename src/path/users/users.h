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

#include "path/command/key_grant.h"

struct users;

struct user {
    struct users    *users; /* whose he is; uncounted */
    struct bytes     name;
    struct key_grant grant;
    bool             is_nopass; /* any password is right, and nobody has to say one */
};

/* One more holder, or one fewer; the last frees them. users_unref() accepts NULL. */
struct users *users_ref(struct users *users);
void users_unref(struct users *users);

/* The user of that name if @password is his; NULL: it is not, or there is none, which takes as
 * long. */
const struct user *users_authenticate(const struct users *users, struct bytes name,
                                      struct bytes password);

/* Who a client is before he says it: the user `default` if he needs no password; NULL: nobody, so
 * he has to say it. */
const struct user *users_nameless(const struct users *users);

#endif
