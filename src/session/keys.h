/* SPDX-License-Identifier: Apache-2.0 */
/* session/keys.h - the keys of a key file: the first seals, all open, so that they can be changed
 * without anybody losing a session (add the new one below, on all nodes; move it to the top; take
 * the old one away when what it sealed has expired).
 *
 * Memory:  a struct session_keys is plain. It is wiped by whoever frees it.
 * Threads: session_keys_read() blocks on a file: not for workers. */
#ifndef PANDO_SESSION_KEYS_H
#define PANDO_SESSION_KEYS_H

#include "core/err.h"
#include "core/seal.h"

enum { SESSION_KEYS_MAX = 8 };

struct session_keys {
    size_t          count; /* at least 1 */
    struct seal_key at[SESSION_KEYS_MAX];
};

/* Reads the file at @path: a key of 64 hexadecimal digits on each line; empty lines and those that
 * begin with # do not count. Not NONE: @e says what is wrong, and where. */
enum err_kind session_keys_read(struct session_keys *keys, const char *path, struct err *e)
    must_check;

#endif
