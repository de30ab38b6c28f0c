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

/* One step further away from @key: it is another one, further away. A page that points to one of
 * its keys twice has lost one, and both that it has there are sound. */
static bool goes_on(MDB_cursor *cursor, MDB_cursor_op op, MDB_val from, int *error)
{
    MDB_val key = {0};
    *error = mdb_cursor_get(cursor, &key, NULL, op);
    if (*error != 0)
        return true;
    const int order = bytes_compare(lmdb__bytes(key), lmdb__bytes(from));
    return op == MDB_NEXT ? order > 0 : order < 0;
}

enum space_result lmdb__check_below(struct lmdb_space *space, enum lmdb_database database,
                                    MDB_cursor *cursor, bool is_at_end, struct bytes key)
{
    MDB_val found = {0}, value = {0};
    int error = mdb_cursor_get(cursor, &found, &value, is_at_end ? MDB_LAST : MDB_PREV);
    if (error != 0) /* where there is none below, it stays where it is */
        return error == MDB_NOTFOUND ? SPACE_OK : lmdb__fail(space, error);
    if (!is_there(space, database, found, value) || bytes_compare(lmdb__bytes(found), key) >= 0 ||
        !goes_on(cursor, MDB_PREV, found, &error))
        return lmdb__damaged(space);
    for (int steps = error == 0 ? 2 : 1; steps > 0 && !is_at_end; steps--)
        error = mdb_cursor_get(cursor, &found, &value, MDB_NEXT);
    return error == MDB_NOTFOUND ? SPACE_OK : lmdb__fail(space, error);
}

/* The first above @key, if there is one. */
static enum space_result check_above(struct lmdb_space *space, enum lmdb_database database,
                                     MDB_cursor *cursor, struct bytes key, bool *is_at_end)
{
    MDB_val found = lmdb__val(key), value = {0};
    int error = mdb_cursor_get(cursor, &found, &value, MDB_SET_RANGE);
    *is_at_end = error == MDB_NOTFOUND;
    if (error != 0)
        return *is_at_end ? SPACE_OK : lmdb__fail(space, error);
    if (!is_there(space, database, found, value) || bytes_compare(lmdb__bytes(found), key) <= 0 ||
        !goes_on(cursor, MDB_NEXT, found, &error))
        return lmdb__damaged(space);
    if (error == 0) /* back */
        error = mdb_cursor_get(cursor, &found, &value, MDB_PREV);
    return error == MDB_NOTFOUND ? SPACE_OK : lmdb__fail(space, error);
}

enum space_result lmdb__check_miss(struct lmdb_space *space, enum lmdb_database database,
                                   struct bytes key)
{
    MDB_cursor *cursor;
    bool is_at_end;
    const int error = mdb_cursor_open(space->txn, space->shard->databases[database], &cursor);
    if (error != 0)
        return lmdb__fail(space, error);
    enum space_result result = check_above(space, database, cursor, key, &is_at_end);
    if (result == SPACE_OK)
        result = lmdb__check_below(space, database, cursor, is_at_end, key);
    mdb_cursor_close(cursor);
    return result;
}
