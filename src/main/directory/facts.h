/* SPDX-License-Identifier: Apache-2.0 */
/* main/directory/facts.h - what was said of keyspaces by command and must outlast the process: the
 * changed entries of directories.
 *
 * The file DATA/facts is the one home of these facts on one machine. It is written anew as a whole,
 * synced, and put in place by a rename, so a kill at any moment leaves the old one or the new one.
 *
 *     pando facts 1
 *     directory tenants 2 acme:            KEYSPACE SHARD PREFIX, quoted where it is not plain
 *     directory tenants - "bolt \xff"      the entry of the file is taken away
 *     sum 0123456789abcdef                 XXH3-64 of all lines above
 *
 * Memory:  facts own themselves. Threads: one at a time.
 * Errors:  the story; a file that is damaged or of another version is refused whole. */
#ifndef PANDO_MAIN_DIRECTORY_FACTS_H
#define PANDO_MAIN_DIRECTORY_FACTS_H

#include "core/err.h"
#include "core/list.h"
#include "partition/partition.h"

enum {
    FACTS_MAX = 65536,             /* entries, of all keyspaces */
    FACTS_PREFIX_BYTES_MAX = 1024, /* of one */
    FACTS_PATH_MAX = 4096,
};

struct fact {
    struct list_link link;
    char             keyspace[KEYSPACE_NAME_BYTES_MAX + 1];
    uint32_t         shard; /* PARTITION_NO_SHARD: the file's entry is taken away */
    uint32_t         prefix_bytes;
    uint8_t          prefix[];
};

struct facts {
    struct list list;
    uint32_t    count;
};

/* An empty list; frees a list. */
void facts_init(struct facts *facts);
void facts_fini(struct facts *facts);

static inline struct bytes fact_prefix(const struct fact *fact)
{
    return (struct bytes){fact->prefix, fact->prefix_bytes};
}

/* What is said of that prefix, or NULL. */
struct fact *facts_find(const struct facts *facts, const char *keyspace, struct bytes prefix);

/* One more. ERR_LIMIT: there are too many, or the prefix is too long. */
must_check enum err_kind facts_add(struct facts *facts, const char *keyspace, struct bytes prefix,
                                   uint32_t shard, struct err *e);
void facts_drop(struct facts *facts, struct fact *fact);

/* The file of the folder @data: what stands in it; none if it is not there. */
must_check enum err_kind facts_load(struct facts *facts, const char *data, struct err *e);

/* Makes it say @facts, on the disk, when this returns. *@is_unsure: it failed, and which of the two
 * stands there after a loss of power is not known. */
must_check enum err_kind facts_store(const struct facts *facts, const char *data, bool *is_unsure,
                                     struct err *e);

/* Of which directory a table is to be. */
struct facts_layout {
    const char             *keyspace;
    const struct partition *partition;
    const struct bytes     *fence; /* NULL: none */
};

/* The entries in force: those of the file with @facts over them. *@table is to be given to
 * mem_free(). ERR_INPUT: a fact names a shard that is not there. */
must_check enum err_kind facts_table(const struct facts *facts, const struct facts_layout *layout,
                                     struct partition_table **table, struct err *e);

#endif
