/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/keys/files.h - a backup from the files, where no server runs.
 *
 * Memory: none is kept. Threads: one. Errors: with the story. */
#ifndef PANDO_MAIN_COMMAND_KEYS_FILES_H
#define PANDO_MAIN_COMMAND_KEYS_FILES_H

#include "main/settings.h"

struct keys_saved {
    uint64_t keys, members, bytes, instant_ms;
    size_t   keyspaces; /* those on engine memory not among them */
};

/* Writes the keyspaces of @settings that are on engine lmdb to @path, by the layout that they have,
 * whatever the settings say; at most @throttle bytes a second, if it is not 0. */
must_check enum err_kind keys_save_files(const struct settings *settings, const char *path,
                                         uint64_t throttle, struct keys_saved *saved,
                                         struct err *e);

#endif
