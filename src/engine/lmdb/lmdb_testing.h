/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/lmdb_testing.h - for tests: a shard in a folder of its own, which goes with it.
 *
 * Memory:  lmdb_testing_begin() to lmdb_testing_end().
 * Threads: one. */
#ifndef PANDO_ENGINE_LMDB_LMDB_TESTING_H
#define PANDO_ENGINE_LMDB_LMDB_TESTING_H

#include "engine/lmdb/lmdb_shard.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct lmdb_testing {
    struct lmdb_settings settings;
    struct lmdb_shard    shard;
    char                 folder[64];
};

/* Opens what is there, or anew. */
static inline void lmdb_testing_open(struct lmdb_testing *t)
{
    struct err e = {0};
    cr_assert(lmdb_shard_open(&t->shard, &t->settings, &e) == ERR_NONE, "%s", e.story);
}

/* A new folder; the settings may be changed before lmdb_testing_open(). */
static inline void lmdb_testing_begin(struct lmdb_testing *t)
{
    *t = (struct lmdb_testing){0};
    snprintf(t->folder, sizeof t->folder, "/tmp/pando-lmdb-XXXXXX");
    cr_assert(mkdtemp(t->folder) != NULL);
    t->settings = (struct lmdb_settings){
        .folder = t->folder, .layout = "hash, shard 0 of 1", .map_bytes = (uint64_t)1 << 30};
}

/* "DIR/0000/NAME". */
static inline const char *lmdb_testing_path(const struct lmdb_testing *t, const char *name,
                                            char path[128])
{
    snprintf(path, 128, "%s/%04u/%s", t->folder, t->settings.number, name);
    return path;
}

static inline void lmdb_testing_end(struct lmdb_testing *t)
{
    char path[128];
    lmdb_shard_close(&t->shard);
    unlink(lmdb_testing_path(t, "data.mdb", path));
    unlink(lmdb_testing_path(t, "lock.mdb", path));
    rmdir(lmdb_testing_path(t, "", path));
    rmdir(t->folder);
}

#endif
