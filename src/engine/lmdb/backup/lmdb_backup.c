/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/backup/lmdb_backup.c - a moment without writers, and the walk over a shard's keys. */
#include "engine/lmdb/backup/lmdb_backup.h"

#include "core/units.h"
#include "engine/lmdb/space/record.h"

#include <ctype.h>
#include <lmdb.h>
#include <stdio.h>

enum { NAME_SHOWN_MAX = 60 };

/* ---- one instant ---- */

static enum err_kind begin_all(struct lmdb_backup_part *parts, size_t count, struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        if (parts[i].txn != NULL)
            continue;
        const int error = mdb_txn_begin(parts[i].shard->env, NULL, MDB_RDONLY, &parts[i].txn);
        if (error != 0)
            return err_set(e, ERR_SYSTEM, "read %.150s: %s", parts[i].shard->path,
                           mdb_strerror(error));
    }
    return ERR_NONE;
}

static enum err_kind wait_for_writers(struct lmdb_backup_part *parts, size_t count, struct err *e)
{
    const uint64_t until_ns = clock_monotonic_ns() + LMDB_BACKUP_PAUSE_MS * NS_PER_MS;
    for (size_t i = 0; i < count; i++)
        if (parts[i].writer != NULL && !lmdb_writer_rest(parts[i].writer, until_ns))
            return err_set(e, ERR_LIMIT,
                           "the disk under %.130s has not finished a write for %d s, so no instant "
                           "could be found; try again",
                           parts[i].shard->path, LMDB_BACKUP_PAUSE_MS / 1000);
    return ERR_NONE;
}

enum err_kind lmdb_backup_begin(struct lmdb_backup_part *parts, size_t count, struct err *e)
{
    for (size_t i = 0; i < count; i++)
        if (parts[i].writer != NULL)
            lmdb_writer_pause(parts[i].writer);
    enum err_kind kind = wait_for_writers(parts, count, e);
    if (kind == ERR_NONE)
        kind = begin_all(parts, count, e);
    for (size_t i = 0; i < count; i++)
        if (parts[i].writer != NULL)
            lmdb_writer_go_on(parts[i].writer);
    if (kind != ERR_NONE)
        lmdb_backup_end(parts, count);
    return kind;
}

void lmdb_backup_end(struct lmdb_backup_part *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (parts[i].txn != NULL)
            mdb_txn_abort(parts[i].txn);
        parts[i].txn = NULL;
    }
}

/* ---- the walk ---- */

struct walk {
    const struct lmdb_backup_part *part;
    struct backup_writer          *writer;
    MDB_cursor                    *keys, *members;
    struct bytes                   name; /* of the key that is being written */
};

static struct bytes bytes_of_val(MDB_val val)
{
    return (struct bytes){val.mv_data, val.mv_size};
}

static enum err_kind damaged(const struct walk *walk, struct err *e)
{
    char shown[NAME_SHOWN_MAX + 1];
    size_t count = 0;
    for (; count < walk->name.count && count < NAME_SHOWN_MAX; count++)
        shown[count] = (char)(isprint(walk->name.at[count]) ? walk->name.at[count] : '?');
    shown[count] = '\0';
    return err_set(e, ERR_INPUT,
                   "%.80s: '%s' is damaged: `pando check --deep` says what is; delete that key, or "
                   "restore an older backup",
                   walk->part->shard->path, shown);
}

/* What LMDB said of a step of the walk. */
static enum err_kind failed(const struct walk *walk, int error, struct err *e)
{
    if (error == 0 || error == MDB_NOTFOUND)
        return ERR_NONE;
    return lmdb_result(error) == SPACE_DAMAGED
               ? damaged(walk, e)
               : err_set(e, ERR_SYSTEM, "read %.150s: %s", walk->part->shard->path,
                         mdb_strerror(error));
}

static enum err_kind write_chunks(struct walk *walk, const struct backup_item *item,
                                  const uint64_t pair[2], struct err *e)
{
    uint8_t at[RECORD_ID_BYTES + 4];
    const unsigned database = walk->part->shard->databases[LMDB_CHUNKS];
    const struct bytes key = {at, sizeof at};
    record_put_u64(at, pair[0]);
    backup_write_long(walk->writer, item, pair[1]);
    uint32_t index = 0;
    for (uint64_t left = pair[1]; left > 0 && !walk->writer->failed; index++) {
        MDB_val lmdb_key = {sizeof at, at}, value;
        record_put_u32(at + RECORD_ID_BYTES, index);
        const int error = mdb_get(walk->part->txn, database, &lmdb_key, &value);
        const struct bytes chunk = bytes_of_val(value);
        if (error != 0)
            return error == MDB_NOTFOUND ? damaged(walk, e) : failed(walk, error, e);
        if (!lmdb_shard_has(walk->part->shard, chunk) || !record_is_whole(chunk, key) ||
            chunk.count == RECORD_SUM_BYTES || chunk.count - RECORD_SUM_BYTES > left)
            return damaged(walk, e);
        left -= chunk.count - RECORD_SUM_BYTES;
        backup_write_part(walk->writer, (struct bytes){chunk.at + RECORD_SUM_BYTES,
                                                       chunk.count - RECORD_SUM_BYTES});
    }
    return ERR_NONE;
}

/* False: damaged. */
static bool write_member(struct walk *walk, struct bytes key, struct bytes value)
{
    struct bytes name, bytes;
    if (!lmdb_shard_has(walk->part->shard, value) ||
        !record_read_member(value, key, RECORD_ID_BYTES + 1, &name, &bytes) ||
        key.at[RECORD_ID_BYTES] >= BACKUP_TREES)
        return false;
    backup_write_item(walk->writer, &(struct backup_item){.tag = BACKUP_MEMBER,
                                                          .kind = key.at[RECORD_ID_BYTES],
                                                          .name = name,
                                                          .value = bytes});
    return true;
}

/* Of a sorted set every member stands in both trees. */
static enum err_kind write_members(struct walk *walk, const uint64_t pair[2], bool has_two,
                                   struct err *e)
{
    uint8_t id[RECORD_ID_BYTES];
    uint64_t due[BACKUP_TREES] = {pair[1], has_two ? pair[1] : 0};
    record_put_u64(id, pair[0]);
    MDB_val key = {sizeof id, id}, value;
    int error = mdb_cursor_get(walk->members, &key, &value, MDB_SET_RANGE);
    while (error == 0 && !walk->writer->failed && key.mv_size > sizeof id &&
           memcmp(key.mv_data, id, sizeof id) == 0) {
        if (!write_member(walk, bytes_of_val(key), bytes_of_val(value)))
            return damaged(walk, e);
        due[((const uint8_t *)key.mv_data)[RECORD_ID_BYTES]]--;
        error = mdb_cursor_get(walk->members, &key, &value, MDB_NEXT);
    }
    if (error != 0 && error != MDB_NOTFOUND)
        return failed(walk, error, e);
    return (due[0] == 0 && due[1] == 0) || walk->writer->failed ? ERR_NONE : damaged(walk, e);
}

static enum err_kind write_key(struct walk *walk, struct bytes key, struct bytes value,
                               struct err *e)
{
    struct record record;
    uint64_t pair[2];
    const size_t prefix = walk->part->shard->is_ordered ? 1 : RECORD_POSITION_BYTES;
    const bool is_named = key.count >= prefix;
    walk->name = (struct bytes){key.at + prefix, is_named ? key.count - prefix : 0};
    if (!is_named || !lmdb_shard_has(walk->part->shard, value) || !record_read(&record, value, key))
        return damaged(walk, e);
    if (record_is_cut(key))
        walk->name = record.name;
    struct backup_item item = {.tag = BACKUP_STRING,
                               .kind = record.media,
                               .number = record.expires_ms,
                               .name = walk->name,
                               .value = record.payload};
    if (!record_is_elsewhere(&record)) {
        backup_write_item(walk->writer, &item);
        return ERR_NONE;
    }
    record_read_pair(record.payload, pair);
    if (record.type == KEY_STRING)
        return write_chunks(walk, &item, pair, e);
    item.tag = BACKUP_COLLECTION;
    item.kind = record.type;
    item.value = (struct bytes){(const uint8_t *)&pair[1], sizeof pair[1]};
    backup_write_item(walk->writer, &item);
    return write_members(walk, pair, record.type == KEY_ZSET, e);
}

static enum err_kind write_keys(struct walk *walk, struct err *e)
{
    MDB_val key, value;
    enum err_kind kind = ERR_NONE;
    int error = mdb_cursor_get(walk->keys, &key, &value, MDB_FIRST);
    while (error == 0 && kind == ERR_NONE && !walk->writer->failed) {
        kind = write_key(walk, bytes_of_val(key), bytes_of_val(value), e);
        error = mdb_cursor_get(walk->keys, &key, &value, MDB_NEXT);
    }
    return kind != ERR_NONE || walk->writer->failed ? kind : failed(walk, error, e);
}

enum err_kind lmdb_backup_write(const struct lmdb_backup_part *part, struct backup_writer *writer,
                                struct err *e)
{
    struct walk walk = {.part = part, .writer = writer};
    const unsigned *databases = part->shard->databases;
    int error = mdb_cursor_open(part->txn, databases[LMDB_KEYS], &walk.keys);
    if (error == 0)
        error = mdb_cursor_open(part->txn, databases[LMDB_MEMBERS], &walk.members);
    const enum err_kind kind = error != 0 ? failed(&walk, error, e) : write_keys(&walk, e);
    if (walk.keys != NULL)
        mdb_cursor_close(walk.keys);
    if (walk.members != NULL)
        mdb_cursor_close(walk.members);
    return kind;
}
