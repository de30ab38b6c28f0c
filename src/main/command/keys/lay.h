/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/keys/lay.h - a backup is restored.
 *
 * Memory: none is kept. Threads: one. Errors: with the story; nothing was restored then. */
#ifndef PANDO_MAIN_COMMAND_KEYS_LAY_H
#define PANDO_MAIN_COMMAND_KEYS_LAY_H

#include "main/settings.h"

/* Keyspaces that are wanted; none: all. */
struct keys_only {
    const char *const *names;
    size_t             count;
};

/* Lays what is in the backup @path under settings->data_path, and writes what it did to standard
 * output. */
must_check enum err_kind keys_restore(const struct settings *settings, const char *path,
                                      const struct keys_only *only, struct err *e);

#endif
