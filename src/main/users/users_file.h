/* SPDX-License-Identifier: Apache-2.0 */
/* main/users/users_file.h - the users of listeners, read from their file.
 *
 *     users:
 *       anna: {password-sha256: "<64 hexadecimal digits>", keyspaces: [carts, users], access: read}
 *       default: {nopass: true, keyspaces: [catalogue]}
 *
 * It is read whole by every load of the settings, so that `pando check` says what is wrong with it
 * and a reload takes what has changed. One that everybody may read or change is refused.
 *
 * Memory:  the users are counted; a listener's settings hold one reference.
 * Threads: any; blocks on the disk.
 * Errors:  of the user, each with its place in the file. */
#ifndef PANDO_MAIN_USERS_USERS_FILE_H
#define PANDO_MAIN_USERS_USERS_FILE_H

#include "main/settings.h"
#include "path/users/users.h"

/* Reads `users-file` of every listener that says it, each file once, and checks that it fits. */
void users_file_read_all(struct settings *settings, struct config_errors *errors);

/* Gives them back. */
void users_file_forget_all(struct settings *settings);

/* A line for each file that both settings name and that holds other users in @new; returns how
 * many. */
size_t users_file_write_changes(const struct settings *old, const struct settings *new, FILE *out);

#endif
