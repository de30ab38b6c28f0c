/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/space/tree.c - members of collections, and cursors over them.
 *
 * A space_cursor has no end that we hear of, so LMDB's cursors are lent to it from a few slots: who
 * has not moved for longest loses his, and is placed anew by the key he stands at. */
#include "engine/lmdb/space/inside.h"

#include <assert.h>

enum { PREFIX_BYTES = RECORD_ID_BYTES + 1 };

/* What cursor->own has. */
enum { OWN_SLOT, OWN_SERIAL, OWN_WHERE };

/* Of OWN_WHERE, where it is not there. */
enum { NOWHERE, BEHIND_END, BEFORE_FIRST };

struct prefix {
    uint8_t at[PREFIX_BYTES];
};

static struct bytes prefix_of(struct prefix *prefix, const struct space_value *value, unsigned tree)
{
    record_put_u64(prefix->at, value->own[0]);
    prefix->at[RECORD_ID_BYTES] = (uint8_t)tree;
    return (struct bytes){prefix->at, sizeof prefix->at};
}

static struct bytes member_key(const struct lmdb_space *space, const struct space_value *value,
                               unsigned tree, struct bytes name, struct record_key *lmdb_key)
{
    struct prefix prefix;
    record_key_make(lmdb_key, prefix_of(&prefix, value, tree), name, space->shard->secret);
    return record_key_bytes(lmdb_key);
}

/* ---- members by their keys ---- */

/* The member's bytes; *@is_there is false where another one is cut alike. */
static enum space_result read_member(struct lmdb_space *space, struct bytes lmdb_key,
                                     struct bytes key, struct bytes *found, bool *is_there)
{
    struct bytes value, name;
    const enum space_result result = lmdb__get(space, LMDB_MEMBERS, lmdb_key, &value, is_there);
    if (result != SPACE_OK || !*is_there)
        return result;
    if (!record_read_member(value, lmdb_key, PREFIX_BYTES, &name, found)) {
        *is_there = false;
        return lmdb__damaged(space);
    }
    *is_there = !record_is_cut(lmdb_key) || bytes_equal(name, key);
    return SPACE_OK;
}

enum space_result lmdb__tree_get(struct space_value *value, unsigned tree, struct bytes key,
                                 struct bytes *found, bool *is_there)
{
    struct lmdb_space *space = lmdb__of(value->space);
    struct record_key lmdb_key;
    return read_member(space, member_key(space, value, tree, key, &lmdb_key), key, found, is_there);
}

/* Is another member than @name there, whose key is cut alike? Two hashes of 128 bits are the same
 * then, or somebody knows the secret; either way nothing can be put. */
static bool is_another(struct bytes lmdb_key, struct bytes name, struct bytes value)
{
    struct bytes old_name, old_bytes;
    return record_is_cut(lmdb_key) &&
           record_read_member(value, lmdb_key, PREFIX_BYTES, &old_name, &old_bytes) &&
           !bytes_equal(old_name, name);
}

static enum space_result put_member(struct lmdb_space *space, struct bytes lmdb_key,
                                    struct bytes name, struct bytes value, bool *is_new)
{
    MDB_val key = lmdb__val(lmdb_key), val = lmdb__val(value);
    const unsigned database = space->shard->databases[LMDB_MEMBERS];
    const int error = mdb_put(space->txn, database, &key, &val, MDB_NOOVERWRITE);
    *is_new = error == 0;
    space->changes++;
    if (error != MDB_KEYEXIST)
        return lmdb__fail(space, error);
    if (lmdb_shard_has(space->shard, lmdb__bytes(val)) &&
        is_another(lmdb_key, name, lmdb__bytes(val)))
        return lmdb__refuse(space, SPACE_KEY_TOO_LONG);
    return lmdb__put(space, LMDB_MEMBERS, lmdb_key, value);
}

enum space_result lmdb__tree_put(struct space_value *value, unsigned tree, struct bytes key,
                                 struct bytes bytes, bool *is_new)
{
    struct lmdb_space *space = lmdb__of(value->space);
    struct record_key lmdb_key;
    enum space_result result = lmdb__begin_change(space, key.count + bytes.count);
    *is_new = false;
    if (result != SPACE_OK)
        return result;
    /* The bytes may lie in a page that the put moves. */
    const struct bytes at = member_key(space, value, tree, key, &lmdb_key);
    const size_t size = record_member_head(at, key.count) + bytes.count;
    uint8_t *buffer = lmdb__buffer(space, size);
    if (buffer == NULL)
        return space->failure;
    record_write_member(buffer, key, bytes, at);
    result = put_member(space, at, key, (struct bytes){buffer, size}, is_new);
    value->is_changed = true;
    value->count += tree == 0 && *is_new;
    return result;
}

enum space_result lmdb__tree_remove(struct space_value *value, unsigned tree, struct bytes key,
                                    bool *was_there)
{
    struct lmdb_space *space = lmdb__of(value->space);
    struct record_key lmdb_key;
    const struct bytes at = member_key(space, value, tree, key, &lmdb_key);
    enum space_result result = space->failure;
    *was_there = true;
    if (result == SPACE_OK && record_is_cut(at)) {
        struct bytes found;
        result = read_member(space, at, key, &found, was_there);
    }
    if (result != SPACE_OK || !*was_there) {
        *was_there = false;
        return result;
    }
    result = lmdb__delete(space, LMDB_MEMBERS, at, was_there);
    value->is_changed |= *was_there;
    value->count -= tree == 0 && *was_there && value->count > 0;
    return result;
}

enum space_result lmdb__delete_members(struct lmdb_space *space, uint64_t id, uint64_t count)
{
    uint8_t prefix[RECORD_ID_BYTES];
    uint64_t deleted;
    record_put_u64(prefix, id);
    const struct bytes at = {prefix, sizeof prefix};
    if (count > LMDB_REMOVED_AT_ONCE)
        return lmdb__put(space, LMDB_TRASH, at, (struct bytes){NULL, 0});
    return lmdb__delete_all(space, LMDB_MEMBERS, at, UINT64_MAX, &deleted);
}

/* ---- slots ---- */

/* The slot is ready to be placed in the transaction. */
static bool prepare(struct lmdb_space *space, struct lmdb_slot *slot)
{
    int error = 0;
    if (slot->cursor == NULL)
        error = mdb_cursor_open(space->txn, space->shard->databases[LMDB_MEMBERS], &slot->cursor);
    else if (slot->is_stale)
        error = mdb_cursor_renew(space->txn, slot->cursor);
    slot->is_stale = false;
    return lmdb__fail(space, error) == SPACE_OK;
}

static struct lmdb_slot *longest_unused(struct lmdb_space *space)
{
    struct lmdb_slot *slot = &space->slots[0];
    for (unsigned i = 1; i < LMDB_SLOTS; i++)
        if (space->slots[i].used < slot->used)
            slot = &space->slots[i];
    return slot;
}

/* The slot of @cursor; *@is_new: it stands nowhere. NULL: noted. */
static struct lmdb_slot *slot_of(struct space_cursor *cursor, bool *is_new)
{
    struct lmdb_space *space = lmdb__of(cursor->value->space);
    struct lmdb_slot *slot = NULL;
    if (space->failure != SPACE_OK)
        return NULL;
    if (cursor->own[OWN_SERIAL] != 0)
        slot = &space->slots[cursor->own[OWN_SLOT]];
    *is_new = slot == NULL || slot->serial != cursor->own[OWN_SERIAL];
    if (*is_new) {
        slot = longest_unused(space);
        if (!prepare(space, slot))
            return NULL;
        slot->serial = ++space->serial;
        cursor->own[OWN_SLOT] = (uint64_t)(slot - space->slots);
        cursor->own[OWN_SERIAL] = slot->serial;
    }
    slot->used = ++space->serial;
    return slot;
}

/* ---- where a cursor stands ---- */

static void stand_nowhere(struct space_cursor *cursor, unsigned where)
{
    cursor->is_there = false;
    cursor->key = cursor->member_value = (struct bytes){0};
    cursor->own[OWN_WHERE] = where;
}

/* Gives what @error, @key and @value say; @where it is if that is not in the tree. */
static void arrive(struct space_cursor *cursor, int error, MDB_val key, MDB_val value,
                   unsigned where)
{
    struct lmdb_space *space = lmdb__of(cursor->value->space);
    struct prefix prefix;
    const struct bytes begin = prefix_of(&prefix, cursor->value, cursor->tree);
    stand_nowhere(cursor, where);
    if (error != 0) {
        if (error != MDB_NOTFOUND)
            (void)lmdb__fail(space, error);
        return;
    }
    const struct bytes at = lmdb__bytes(key);
    if (!lmdb_shard_has(space->shard, at) || !lmdb_shard_has(space->shard, lmdb__bytes(value))) {
        (void)lmdb__damaged(space);
        return;
    }
    if (at.count < begin.count || memcmp(at.at, begin.at, begin.count) != 0) {
        /* It may be one of ours whose prefix is damaged. */
        if (!record_is_whole(lmdb__bytes(value), at))
            (void)lmdb__damaged(space);
        return;
    }
    cursor->is_there = record_read_member(lmdb__bytes(value), at, PREFIX_BYTES, &cursor->key,
                                          &cursor->member_value);
    if (!cursor->is_there) {
        stand_nowhere(cursor, where);
        (void)lmdb__damaged(space);
    }
}

void lmdb__seek(struct space_cursor *cursor, struct bytes key)
{
    struct record_key lmdb_key;
    bool is_new;
    struct lmdb_slot *slot = slot_of(cursor, &is_new);
    MDB_val found = {0}, value = {0};
    if (slot == NULL) {
        stand_nowhere(cursor, NOWHERE);
        return;
    }
    struct lmdb_space *space = lmdb__of(cursor->value->space);
    const struct bytes sought = member_key(space, cursor->value, cursor->tree, key, &lmdb_key);
    found = lmdb__val(sought);
    const int error = mdb_cursor_get(slot->cursor, &found, &value, MDB_SET_RANGE);
    arrive(cursor, error, found, value, BEHIND_END);
    if ((error == 0 || error == MDB_NOTFOUND) &&
        lmdb__check_below(space, LMDB_MEMBERS, slot->cursor, error != 0, sought) != SPACE_OK)
        stand_nowhere(cursor, NOWHERE);
}

void lmdb__seek_end(struct space_cursor *cursor)
{
    stand_nowhere(cursor, BEHIND_END);
}

/* What lies there is what was put there. */
static bool is_sound(const struct lmdb_space *space, MDB_val key, MDB_val value)
{
    return lmdb_shard_has(space->shard, lmdb__bytes(key)) &&
           lmdb_shard_has(space->shard, lmdb__bytes(value)) &&
           record_is_whole(lmdb__bytes(value), lmdb__bytes(key));
}

/* The last of the tree is the one before the first of what follows; which may be one of the tree
 * whose key is damaged. */
static void seek_last(struct space_cursor *cursor)
{
    struct prefix prefix;
    bool is_new;
    struct lmdb_slot *slot = slot_of(cursor, &is_new);
    MDB_val value = {0};
    MDB_val key = lmdb__val(prefix_of(&prefix, cursor->value, cursor->tree + 1u));
    if (slot == NULL) {
        stand_nowhere(cursor, NOWHERE);
        return;
    }
    int error = mdb_cursor_get(slot->cursor, &key, &value, MDB_SET_RANGE);
    if (error == 0 && !is_sound(lmdb__of(cursor->value->space), key, value)) {
        (void)lmdb__damaged(lmdb__of(cursor->value->space));
        stand_nowhere(cursor, NOWHERE);
        return;
    }
    if (error == 0 || error == MDB_NOTFOUND)
        error = mdb_cursor_get(slot->cursor, &key, &value, error == 0 ? MDB_PREV : MDB_LAST);
    arrive(cursor, error, key, value, BEFORE_FIRST);
}

/* Places the slot anew at the cursor's key. False: it is not there any more, and the slot stands
 * behind it. */
static int stand_again(struct space_cursor *cursor, struct lmdb_slot *slot)
{
    struct record_key lmdb_key;
    MDB_val key = lmdb__val(member_key(lmdb__of(cursor->value->space), cursor->value, cursor->tree,
                                       cursor->key, &lmdb_key));
    return mdb_cursor_get(slot->cursor, &key, NULL, MDB_SET_KEY);
}

static void move(struct space_cursor *cursor, MDB_cursor_op op, unsigned where)
{
    bool is_new;
    struct lmdb_slot *slot = slot_of(cursor, &is_new);
    MDB_val key = {0}, value = {0};
    if (slot == NULL) {
        stand_nowhere(cursor, NOWHERE);
        return;
    }
    int error = is_new ? stand_again(cursor, slot) : 0;
    if (error == 0)
        error = mdb_cursor_get(slot->cursor, &key, &value, op);
    arrive(cursor, error, key, value, where);
}

void lmdb__next(struct space_cursor *cursor)
{
    if (cursor->is_there)
        move(cursor, MDB_NEXT, BEHIND_END);
    else if (cursor->own[OWN_WHERE] == BEFORE_FIRST)
        lmdb__seek(cursor, (struct bytes){NULL, 0});
}

void lmdb__prev(struct space_cursor *cursor)
{
    if (cursor->is_there)
        move(cursor, MDB_PREV, BEFORE_FIRST);
    else if (cursor->own[OWN_WHERE] == BEHIND_END)
        seek_last(cursor);
}

/* ---- ranks: walked, without looking at what is passed ---- */

/* @steps in one direction from where the cursor stands. */
static void stride(struct space_cursor *cursor, uint64_t steps, MDB_cursor_op op, unsigned where)
{
    bool is_new;
    struct lmdb_slot *slot = slot_of(cursor, &is_new);
    MDB_val key = {0}, value = {0};
    if (slot == NULL || steps == 0 || !cursor->is_there)
        return;
    int error = 0;
    for (uint64_t i = 1; i < steps && error == 0; i++)
        error = mdb_cursor_get(slot->cursor, &key, NULL, op);
    if (error == 0)
        error = mdb_cursor_get(slot->cursor, &key, &value, op);
    arrive(cursor, error, key, value, where);
}

void lmdb__seek_rank(struct space_cursor *cursor, uint64_t rank)
{
    const uint64_t count = cursor->value->count;
    if (rank >= count) {
        stand_nowhere(cursor, BEHIND_END);
    } else if (rank < count / 2) {
        lmdb__seek(cursor, (struct bytes){NULL, 0});
        stride(cursor, rank, MDB_NEXT, BEHIND_END);
    } else {
        seek_last(cursor);
        stride(cursor, count - 1 - rank, MDB_PREV, BEFORE_FIRST);
    }
}

uint64_t lmdb__rank(struct space_cursor *cursor)
{
    if (!cursor->is_there)
        return cursor->own[OWN_WHERE] == BEFORE_FIRST ? 0 : cursor->value->count;
    struct space_cursor walker = {.value = cursor->value, .tree = cursor->tree, .key = cursor->key};
    bool is_new;
    struct prefix prefix;
    struct lmdb_slot *slot = slot_of(&walker, &is_new);
    uint64_t rank = 0;
    const struct bytes begin = prefix_of(&prefix, cursor->value, cursor->tree);
    struct lmdb_space *space = lmdb__of(cursor->value->space);
    MDB_val key = {0}, value = {0};
    int error = slot == NULL ? MDB_NOTFOUND : stand_again(&walker, slot);
    while (error == 0 && (error = mdb_cursor_get(slot->cursor, &key, &value, MDB_PREV)) == 0 &&
           key.mv_size >= begin.count && memcmp(key.mv_data, begin.at, begin.count) == 0)
        rank++;
    if (error != 0 && error != MDB_NOTFOUND)
        (void)lmdb__fail(space, error);
    else if (error == 0 && !is_sound(space, key, value))
        (void)lmdb__damaged(space); /* it ended at what may be one of ours */
    return rank;
}
