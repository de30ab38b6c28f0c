/* SPDX-License-Identifier: Apache-2.0 */
/* main/explain/explain_key.h - where a key is, and why, as JSON: from the settings and the layout
 * alone. What only the running process knows is added by server_explain.h.
 *
 *     {"key", "keyspace", "partition", "why", "shard", "shards", "engine", "file", "copies",
 *      "command", "live": false}
 *
 * "keyspace" is null where none has the key; then only "why" follows. "file" is null where the
 * engine has none.
 *
 * Memory:  what is returned is the caller's (json_decref); NULL: no memory.
 * Threads: one at a time; the partition's table must not change meanwhile. */
#ifndef PANDO_MAIN_EXPLAIN_EXPLAIN_KEY_H
#define PANDO_MAIN_EXPLAIN_EXPLAIN_KEY_H

#include "main/settings.h"

#include <jansson.h>

/* What a key is explained by. */
struct explained_key {
    const struct settings          *settings;
    const struct settings_keyspace *keyspace;  /* NULL: none has it */
    const struct partition         *partition; /* in force, and what holds it */
    enum keyspace_engine            engine;
    const char                     *data; /* the folder of its files */
    struct bytes                    key;
};

/* The keyspace of @key as the settings say it; NULL: none has it. */
const struct settings_keyspace *explain_key_find(const struct settings *settings, struct bytes key);

json_t *explain_key(const struct explained_key *explained);

/* The command line with which redis-cli reaches @key, whose type is @type ("hash"; "none" or NULL:
 * not known). */
json_t *explain_key_command(const struct settings *settings, struct bytes key, const char *type);

#endif
