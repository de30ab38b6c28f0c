/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/keys/deep.h - what `pando check` says of the keys that are there already.
 *
 * Memory: none is kept. Threads: one. Errors: written to standard error. */
#ifndef PANDO_MAIN_COMMAND_KEYS_DEEP_H
#define PANDO_MAIN_COMMAND_KEYS_DEEP_H

#include "main/settings.h"

enum keys_found {
    KEYS_ARE_WELL,
    KEYS_ARE_DAMAGED,   /* or not there, or cannot be read */
    KEYS_LIE_OTHERWISE, /* than the settings say */
};

/* Do the keys under settings->data_path lie as the settings say? If not, what to do is written.
 * What may not be read is said and is no failure. */
enum keys_found keys_check_layouts(const struct settings *settings);

/* Reads all of every keyspace of engine lmdb, and writes what is damaged by name to standard
 * output, then sums. */
enum keys_found keys_check_deep(const struct settings *settings);

#endif
