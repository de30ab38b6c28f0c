/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/space/gap.c - that what was not found is not there.
 *
 * LMDB's pages have no sums. A flipped bit in a key that lies there, or in one of those that lead
 * to it, makes a search go astray, and it ends where nothing is: an answer that is as wrong as
 * another value would be. But it ends beside the key that is damaged, or between keys that are not
 * on both sides of what was sought. So a miss looks at its two neighbours. */
#include "engine/lmdb/space/inside.h"

/* Records of keys may lie beside one whose value is damaged: there the key's own hash is enough. */
static bool is_sound(const struct lmdb_space *space, enum lmdb_database database, struct bytes key,
                     struct bytes value)
{
    if (database != LMDB_KEYS || space->space.is_ordered || record_is_cut(key))
        return record_is_whole(value, key);
    if (key.count < RECORD_POSITION_BYTES)
        return false;
    const struct bytes name = {key.at + RECORD_POSITION_BYTES, key.count - RECORD_POSITION_BYTES};
    return record_get_u32(key.at) ==
           record_position(name, space->shard->name_bytes, space->shard->secret);
}

/* What was found there lies in the file, and is sound. */
static bool is_there(const struct lmdb_space *space, enum lmdb_database database, MDB_val found,
                     MDB_val value)
{
    const struct bytes at = lmdb__bytes(found), bytes = lmdb__bytes(value);
    return lmdb_shard_has(space->shard, at) && lmdb_shard_has(space->shard, bytes) &&
           is_sound(space, database, at, bytes);
}

enum space_result lmdb__check_below(struct lmdb_space *space, enum lmdb_database database,
                                    MDB_cursor *cursor, bool is_at_end, struct bytes key)
{
    MDB_val found = {0}, value = {0};
    int error = mdb_cursor_get(cursor, &found, &value, is_at_end ? MDB_LAST : MDB_PREV);
    if (error == 0 &&
        (!is_there(space, database, found, value) || bytes_compare(lmdb__bytes(found), key) >= 0))
        return lmdb__damaged(space);
    /* Where there is none below it stays where it is. */
    if (error == 0 && !is_at_end)
        error = mdb_cursor_get(cursor, &found, &value, MDB_NEXT);
    return error == MDB_NOTFOUND ? SPACE_OK : lmdb__fail(space, error);
}

enum space_result lmdb__check_miss(struct lmdb_space *space, enum lmdb_database database,
                                   struct bytes key)
{
    MDB_cursor *cursor;
    MDB_val found = lmdb__val(key), value = {0};
    int error = mdb_cursor_open(space->txn, space->shard->databases[database], &cursor);
    if (error != 0)
        return lmdb__fail(space, error);
    enum space_result result = SPACE_OK;
    error = mdb_cursor_get(cursor, &found, &value, MDB_SET_RANGE);
    if (error != 0 && error != MDB_NOTFOUND)
        result = lmdb__fail(space, error);
    else if (error == 0 && (!is_there(space, database, found, value) ||
                            bytes_compare(lmdb__bytes(found), key) <= 0))
        result = lmdb__damaged(space);
    else
        result = lmdb__check_below(space, database, cursor, error != 0, key);
    mdb_cursor_close(cursor);
    return result;
}
