/* SPDX-License-Identifier: Apache-2.0 */
/* main/directory/show.h - the entries of a directory, and the one that a key has, as JSON. Of the
 * running process, or from the file and DATA/facts where none runs.
 *
 * Memory:  what is returned is the caller's (json_decref); NULL: no memory.
 * Threads: one at a time; the partition's table must not change meanwhile. */
#ifndef PANDO_MAIN_DIRECTORY_SHOW_H
#define PANDO_MAIN_DIRECTORY_SHOW_H

#include "main/directory/facts.h"

#include <jansson.h>

/* A directory to be shown. */
struct shown_directory {
    const char             *keyspace;
    const struct partition *partition;
    const struct facts     *facts;
};

/* {"keyspace", "shards", "entries": [{"prefix", "shard", "from", "file_shard"}]}: "from" is "file"
 * or "command"; "shard" is null where a command took the entry away, "file_shard" where the file
 * has none. Entries ascend. */
json_t *show_list(const struct shown_directory *directory);

/* {"keyspace", "key", "shard", "shards", "why", "prefix", "from", "file_shard"}: of the entry that
 * has @rest; the last three are not there where it goes by hash. */
json_t *show_entry(const struct shown_directory *directory, struct bytes rest);

/* @bytes quoted where they are not plain (core/quote.h). */
json_t *show_quoted(struct bytes bytes);

/* Why @rest is where it is, as the strategy says it. */
json_t *show_why(const struct partition *partition, struct bytes rest);

#endif
