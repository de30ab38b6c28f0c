/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/space/lmdb_space.c - transactions, scratch, and LMDB's calls with their errors. */
#include "engine/lmdb/space/lmdb_space.h"

#include "core/mem.h"
#include "engine/lmdb/space/inside.h"

#include <assert.h>

enum {
    SLACK_PAGES = 4,             /* what a small change may need of branches */
    BUFFER_KEPT_BYTES = 1 << 18, /* a larger one is given back after the command */
};

struct block {
    struct list_link link;
    uint8_t          at[];
};

void lmdb_space_init(struct lmdb_space *space, struct lmdb_shard *shard, bool is_writer)
{
    *space = (struct lmdb_space){.shard = shard, .is_writer = is_writer};
    space->space.kind = &lmdb__space_kind;
    space->space.is_ordered = shard->is_ordered;
    list_init(&space->blocks);
}

void lmdb_space_fini(struct lmdb_space *space)
{
    if (space->shard == NULL)
        return;
    lmdb_space_rest(space);
    if (space->is_writer)
        lmdb_space_abort(space);
    for (unsigned i = 0; i < LMDB_SLOTS && !space->is_writer; i++)
        if (space->slots[i].cursor != NULL)
            mdb_cursor_close(space->slots[i].cursor);
    if (space->txn != NULL)
        mdb_txn_abort(space->txn);
    mem_free(space->buffer);
    *space = (struct lmdb_space){0};
}

/* ---- transactions ---- */

static void begin(struct lmdb_space *space)
{
    space->is_open = true;
    space->failure = SPACE_OK;
    space->next_id = 0;
    space->changes = 0;
}

enum space_result lmdb_space_read(struct lmdb_space *space)
{
    assert(!space->is_writer);
    const uint64_t commits =
        atomic_load_explicit(&space->shard->figures.commits, memory_order_acquire);
    if (space->is_open && space->commits_seen == commits)
        return SPACE_OK;
    lmdb_space_read_end(space);
    space->commits_seen = commits;
    const int error = space->txn == NULL
                          ? mdb_txn_begin(space->shard->env, NULL, MDB_RDONLY, &space->txn)
                          : mdb_txn_renew(space->txn);
    if (error != 0)
        return lmdb_result(error);
    begin(space);
    return SPACE_OK;
}

void lmdb_space_read_end(struct lmdb_space *space)
{
    if (!space->is_open)
        return;
    mdb_txn_reset(space->txn);
    space->is_open = false;
    for (unsigned i = 0; i < LMDB_SLOTS; i++) {
        space->slots[i].is_stale = true;
        space->slots[i].serial = 0;
    }
}

enum space_result lmdb_space_write(struct lmdb_space *space)
{
    assert(space->is_writer && !space->is_open);
    if (atomic_load(&space->shard->failed))
        return SPACE_FAILED;
    const int error = mdb_txn_begin(space->shard->env, NULL, 0, &space->txn);
    if (error != 0)
        return lmdb_result(error);
    begin(space);
    return SPACE_OK;
}

/* LMDB frees the cursors of a transaction that writes. */
static void end_write(struct lmdb_space *space)
{
    space->txn = NULL;
    space->is_open = false;
    for (unsigned i = 0; i < LMDB_SLOTS; i++)
        space->slots[i] = (struct lmdb_slot){0};
}

enum space_result lmdb_space_commit(struct lmdb_space *space)
{
    assert(space->is_writer && space->is_open && space->failure == SPACE_OK);
    if (space->changes > 0)
        lmdb_shard_publish(space->shard, space->txn);
    const int error = mdb_txn_commit(space->txn);
    end_write(space);
    const enum space_result result = lmdb_shard_result(space->shard, error);
    if (result == SPACE_FAILED)
        atomic_store(&space->shard->failed, true);
    return result;
}

void lmdb_space_abort(struct lmdb_space *space)
{
    if (!space->is_open)
        return;
    mdb_txn_abort(space->txn);
    end_write(space);
}

void lmdb_space_rest(struct lmdb_space *space)
{
    list_each(&space->blocks, link, after)
    {
        list_remove(link);
        mem_free(list_item(link, struct block, link));
    }
    space->met_damage = false;
    space->fresh_until_ms = 0;
    if (space->buffer_room > BUFFER_KEPT_BYTES) {
        mem_free(space->buffer);
        space->buffer = NULL;
        space->buffer_room = 0;
    }
    /* LMDB gives nothing more in a transaction that met damaged pages. */
    if (!space->is_writer && space->failure != SPACE_OK)
        lmdb_space_read_end(space);
}

/* ---- figures ---- */

static void add(_Atomic uint64_t *figure, uint64_t count)
{
    if (count > 0)
        atomic_fetch_add_explicit(figure, count, memory_order_relaxed);
}

void lmdb_space_publish(struct lmdb_space *space)
{
    struct lmdb_figures *figures = &space->shard->figures;
    add(&figures->commands, space->counts.commands);
    add(&figures->hits, space->counts.hits);
    add(&figures->misses, space->counts.misses);
    space->counts = (struct lmdb_counts){0};
}

/* ---- failures ---- */

enum space_result lmdb__refuse(struct lmdb_space *space, enum space_result result)
{
    if (space->failure == SPACE_OK)
        space->failure = (uint8_t)result;
    return result;
}

enum space_result lmdb__fail(struct lmdb_space *space, int error)
{
    const enum space_result result = lmdb_shard_result(space->shard, error);
    if (result == SPACE_DAMAGED)
        space->met_damage = true;
    return result == SPACE_OK ? SPACE_OK : lmdb__refuse(space, result);
}

enum space_result lmdb__damaged(struct lmdb_space *space)
{
    space->met_damage = true;
    return space->is_writer ? lmdb__refuse(space, SPACE_DAMAGED) : SPACE_DAMAGED;
}

bool lmdb_space_is_full(struct lmdb_space *space, uint64_t bytes)
{
    const uint64_t most = atomic_load_explicit(&space->shard->disk_bytes_max, memory_order_relaxed);
    return most != 0 && lmdb_shard_used_bytes(space->shard, space->txn) + bytes +
                                SLACK_PAGES * (uint64_t)space->shard->page_bytes >
                            most;
}

enum space_result lmdb__begin_change(struct lmdb_space *space, size_t bytes)
{
    assert(space->is_writer && space->is_open);
    if (space->failure != SPACE_OK)
        return space->failure;
    return lmdb_space_is_full(space, bytes) ? lmdb__refuse(space, SPACE_DISK_FULL) : SPACE_OK;
}

/* ---- memory ---- */

uint8_t *lmdb__buffer(struct lmdb_space *space, size_t bytes)
{
    if (bytes > space->buffer_room) {
        const size_t room = bytes < 4096 ? 4096 : bytes;
        mem_free(space->buffer);
        space->buffer = mem_alloc(room);
        space->buffer_room = space->buffer == NULL ? 0 : room;
    }
    if (space->buffer == NULL)
        (void)lmdb__refuse(space, SPACE_FULL);
    return space->buffer;
}

uint8_t *lmdb__block(struct lmdb_space *space, size_t bytes)
{
    struct block *block = mem_alloc(sizeof *block + bytes);
    if (block == NULL) {
        (void)lmdb__refuse(space, SPACE_FULL);
        return NULL;
    }
    list_add_last(&space->blocks, &block->link);
    return block->at;
}

/* ---- LMDB's calls ---- */

enum space_result lmdb__get(struct lmdb_space *space, enum lmdb_database database, struct bytes key,
                            struct bytes *value, bool *is_there)
{
    MDB_val lmdb_key = lmdb__val(key), found;
    *is_there = false;
    if (space->failure != SPACE_OK)
        return space->failure;
    const int error = mdb_get(space->txn, space->shard->databases[database], &lmdb_key, &found);
    if (error == MDB_NOTFOUND)
        return database == LMDB_KEYS || database == LMDB_MEMBERS
                   ? lmdb__check_miss(space, database, key)
                   : SPACE_OK;
    if (error != 0)
        return lmdb__fail(space, error);
    *value = lmdb__bytes(found);
    if (!lmdb_shard_has(space->shard, *value))
        return lmdb__damaged(space);
    *is_there = true;
    return SPACE_OK;
}

enum space_result lmdb__put(struct lmdb_space *space, enum lmdb_database database, struct bytes key,
                            struct bytes value)
{
    MDB_val lmdb_key = lmdb__val(key), lmdb_value = lmdb__val(value);
    space->changes++;
    return lmdb__fail(
        space, mdb_put(space->txn, space->shard->databases[database], &lmdb_key, &lmdb_value, 0));
}

enum space_result lmdb__delete(struct lmdb_space *space, enum lmdb_database database,
                               struct bytes key, bool *was_there)
{
    MDB_val lmdb_key = lmdb__val(key);
    const int error = mdb_del(space->txn, space->shard->databases[database], &lmdb_key, NULL);
    *was_there = error == 0;
    space->changes += *was_there;
    if (error == MDB_NOTFOUND && database == LMDB_MEMBERS)
        return lmdb__check_miss(space, database, key);
    return error == MDB_NOTFOUND ? SPACE_OK : lmdb__fail(space, error);
}

static bool begins_with(struct bytes key, struct bytes prefix)
{
    return key.count >= prefix.count && memcmp(key.at, prefix.at, prefix.count) == 0;
}

enum space_result lmdb__delete_all(struct lmdb_space *space, enum lmdb_database database,
                                   struct bytes prefix, uint64_t most, uint64_t *deleted)
{
    MDB_cursor *cursor;
    MDB_val key = lmdb__val(prefix);
    *deleted = 0;
    int error = mdb_cursor_open(space->txn, space->shard->databases[database], &cursor);
    if (error != 0)
        return lmdb__fail(space, error);
    error = mdb_cursor_get(cursor, &key, NULL, MDB_SET_RANGE);
    while (error == 0 && *deleted < most && begins_with(lmdb__bytes(key), prefix)) {
        error = mdb_cursor_del(cursor, 0);
        ++*deleted;
        space->changes++;
        if (error == 0) /* gives what stood behind it */
            error = mdb_cursor_get(cursor, &key, NULL, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return error == MDB_NOTFOUND ? SPACE_OK : lmdb__fail(space, error);
}

/* The highest id of a database; 0: it is empty. */
static enum space_result highest_id(struct lmdb_space *space, enum lmdb_database database,
                                    uint64_t *id)
{
    MDB_cursor *cursor;
    MDB_val key;
    int error = mdb_cursor_open(space->txn, space->shard->databases[database], &cursor);
    if (error != 0)
        return lmdb__fail(space, error);
    error = mdb_cursor_get(cursor, &key, NULL, MDB_LAST);
    if (error == 0 && key.mv_size >= RECORD_ID_BYTES)
        *id = record_get_u64(key.mv_data);
    mdb_cursor_close(cursor);
    return error == MDB_NOTFOUND ? SPACE_OK : lmdb__fail(space, error);
}

/* Nothing is kept: what is used is what is there, and another process may have written
 * meanwhile. */
uint64_t lmdb__new_id(struct lmdb_space *space)
{
    if (space->next_id == 0) {
        uint64_t chunks = 0, members = 0;
        if (highest_id(space, LMDB_CHUNKS, &chunks) != SPACE_OK ||
            highest_id(space, LMDB_MEMBERS, &members) != SPACE_OK)
            return 0;
        if (chunks == UINT64_MAX || members == UINT64_MAX) {
            (void)lmdb__damaged(space);
            return 0;
        }
        space->next_id = (chunks > members ? chunks : members) + 1;
    }
    return space->next_id++;
}
