/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/space/all.c - what is about all keys: walks, chance, order, emptying, and removing
 * what is over. */
#include "engine/lmdb/space/inside.h"

#include <assert.h>

enum {
    RANDOM_STEPS = 16, /* a key by chance is this many steps from one by a random place, at most */
    RANDOM_TRIES = 128,
};

uint64_t lmdb__count(struct space *self)
{
    struct lmdb_space *space = lmdb__of(self);
    MDB_stat stat;
    if (space->failure != SPACE_OK ||
        lmdb__fail(space, mdb_stat(space->txn, space->shard->databases[LMDB_KEYS], &stat)) !=
            SPACE_OK)
        return 0;
    return stat.ms_entries;
}

/* ---- walks over KEYS or POSITIONS ---- */

struct walk {
    struct lmdb_space *space;
    MDB_cursor        *cursor;
    bool               is_over; /* nothing there, or noted */
    struct bytes       at, value;
};

static struct walk begin_walk(struct lmdb_space *space, enum lmdb_database database)
{
    struct walk walk = {.space = space, .is_over = space->failure != SPACE_OK};
    if (!walk.is_over)
        walk.is_over =
            lmdb__fail(space, mdb_cursor_open(space->txn, space->shard->databases[database],
                                              &walk.cursor)) != SPACE_OK;
    return walk;
}

static void end_walk(struct walk *walk)
{
    if (walk->cursor != NULL)
        mdb_cursor_close(walk->cursor);
}

/* Moves; @from: for SET_RANGE. False: there is nothing. */
static bool go(struct walk *walk, MDB_cursor_op op, struct bytes from)
{
    MDB_val key = lmdb__val(from), value;
    if (walk->cursor == NULL)
        return false;
    const int error = mdb_cursor_get(walk->cursor, &key, &value, op);
    walk->is_over = error != 0;
    if (error != 0) {
        if (error != MDB_NOTFOUND)
            (void)lmdb__fail(walk->space, error);
        return false;
    }
    walk->at = lmdb__bytes(key);
    walk->value = lmdb__bytes(value);
    walk->is_over = !lmdb_shard_has(walk->space->shard, walk->at) ||
                    !lmdb_shard_has(walk->space->shard, walk->value);
    if (walk->is_over)
        (void)lmdb__damaged(walk->space);
    return !walk->is_over;
}

static const struct bytes nothing;

/* What is at @lmdb_key as far as a walk says it: of what is damaged, its name and that it is there;
 * who asks for it hears of the damage. False: it is over. */
static bool describe(struct lmdb_space *space, struct bytes lmdb_key, struct bytes bytes,
                     struct bytes *key, struct space_value *value)
{
    struct record record = {.type = KEY_STRING};
    const bool is_whole = record_read(&record, bytes, lmdb_key);
    *value =
        (struct space_value){.space = &space->space, .type = is_whole ? record.type : KEY_STRING};
    *key = nothing;
    if (is_whole || !record_is_cut(lmdb_key))
        *key = lmdb__name_of(space, lmdb_key, &record);
    if (!is_whole)
        return key->at != NULL;
    value->expires_ms = record.expires_ms;
    value->media = record.media;
    if (!record_is_elsewhere(&record))
        value->string = record.payload;
    return !lmdb__is_over(record.expires_ms, space->space.now_ms);
}

static bool has_name(const struct lmdb_space *space, struct bytes lmdb_key)
{
    return lmdb_key.count >= (space->space.is_ordered ? 1 : RECORD_POSITION_BYTES);
}

/* The key of which the walk tells, and its value. */
static bool visited(struct walk *walk, struct bytes *key, struct space_value *value)
{
    struct lmdb_space *space = walk->space;
    if (!space->space.is_ordered)
        return has_name(space, walk->at) && describe(space, walk->at, walk->value, key, value);
    struct record_key lmdb_key;
    struct bytes bytes;
    bool is_there;
    const struct bytes name = {walk->at.at + RECORD_POSITION_BYTES,
                               walk->at.count - RECORD_POSITION_BYTES};
    lmdb__record_key(space, name, &lmdb_key);
    const struct bytes at = record_key_bytes(&lmdb_key);
    if (lmdb__get(space, LMDB_KEYS, at, &bytes, &is_there) != SPACE_OK || !is_there ||
        !describe(space, at, bytes, key, value))
        return false;
    *key = name; /* that of the walk stays */
    return true;
}

static enum lmdb_database scanned_of(const struct lmdb_space *space)
{
    return space->space.is_ordered ? LMDB_POSITIONS : LMDB_KEYS;
}

static bool go_to_position(struct walk *walk, uint64_t position)
{
    uint8_t at[RECORD_POSITION_BYTES];
    record_put_u32(at, (uint32_t)position);
    return go(walk, MDB_SET_RANGE, (struct bytes){at, sizeof at}) &&
           walk->at.count >= RECORD_POSITION_BYTES;
}

void lmdb__scan(struct space *self, uint64_t *position, size_t budget, space_visit *visit,
                void *visitor)
{
    struct walk walk = begin_walk(lmdb__of(self), scanned_of(lmdb__of(self)));
    size_t looked = 0;
    uint64_t last = UINT64_MAX;
    bool goes_on = true;
    bool is_there = *position < SPACE_SCAN_END && go_to_position(&walk, *position);
    *position = SPACE_SCAN_END;
    while (is_there) {
        const uint64_t here = record_get_u32(walk.at.at);
        if (!goes_on || (looked >= budget && here != last)) {
            *position = here;
            break;
        }
        struct bytes key;
        struct space_value value;
        if (visited(&walk, &key, &value))
            goes_on = visit(visitor, key, &value);
        looked++;
        last = here;
        is_there = go(&walk, MDB_NEXT, nothing) && walk.at.count >= RECORD_POSITION_BYTES;
    }
    end_walk(&walk);
}

/* ---- chance ---- */

/* Positions are in clusters where keys have few tags, so a place by chance in a gap says only which
 * slot; the place within it is drawn anew. */
static bool go_by_chance(struct walk *walk, uint64_t draw)
{
    if (!go(walk, MDB_LAST, nothing) || walk->at.count < RECORD_POSITION_BYTES)
        return false;
    const uint64_t last = record_get_u32(walk->at.at);
    if (!go(walk, MDB_FIRST, nothing) || walk->at.count < RECORD_POSITION_BYTES)
        return false;
    const uint64_t first = record_get_u32(walk->at.at);
    const uint64_t place = first + ((draw >> 32) * (last - first + 1) >> 32);
    if (!go_to_position(walk, place))
        return go(walk, MDB_FIRST, nothing);
    const uint64_t found = record_get_u32(walk->at.at);
    const uint64_t slot = found >> RECORD_HASH_BITS;
    if (slot == place >> RECORD_HASH_BITS)
        return true;
    const uint64_t within = draw & (((uint64_t)1 << RECORD_HASH_BITS) - 1);
    return go_to_position(walk, slot << RECORD_HASH_BITS | within) || go(walk, MDB_FIRST, nothing);
}

bool lmdb__random(struct space *self, uint64_t draw, struct bytes *key)
{
    struct lmdb_space *space = lmdb__of(self);
    struct walk walk = begin_walk(space, scanned_of(space));
    struct space_value value;
    struct bytes seen; /* may be one whose time is over */
    uint64_t steps = (draw >> RECORD_HASH_BITS) % RANDOM_STEPS;
    bool is_found = false;
    bool is_there = go_by_chance(&walk, draw);
    for (int tries = 0; is_there && tries < RANDOM_TRIES; tries++) {
        if (visited(&walk, &seen, &value)) {
            is_found = true;
            *key = seen;
            if (steps-- == 0)
                break;
        }
        is_there = go(&walk, MDB_NEXT, nothing) || go(&walk, MDB_FIRST, nothing);
    }
    end_walk(&walk);
    return is_found;
}

/* ---- order ---- */

/* The walk stands at the first candidate. */
static bool go_beside(struct walk *walk, struct bytes from, bool is_reverse, bool is_after)
{
    struct record_key lmdb_key;
    if (from.count > RECORD_ORDERED_KEY_MAX) { /* no such key: what is beside it is the same */
        from.count = RECORD_ORDERED_KEY_MAX;
        is_after = !is_reverse;
    }
    lmdb__record_key(walk->space, from, &lmdb_key);
    const struct bytes at = record_key_bytes(&lmdb_key);
    const bool is_found = go(walk, MDB_SET_RANGE, at);
    if (!is_reverse)
        return is_found && is_after && bytes_equal(walk->at, at) ? go(walk, MDB_NEXT, nothing)
                                                                 : is_found;
    if (!is_found)
        return go(walk, MDB_LAST, nothing);
    return !is_after && bytes_equal(walk->at, at) ? true : go(walk, MDB_PREV, nothing);
}

bool lmdb__beside(struct space *self, struct bytes from, bool is_reverse, bool is_after,
                  struct bytes *key)
{
    struct lmdb_space *space = lmdb__of(self);
    struct walk walk = begin_walk(space, LMDB_KEYS);
    struct space_value value;
    bool is_found = false;
    assert(self->is_ordered);
    bool is_there = go_beside(&walk, from, is_reverse, is_after);
    while (is_there && !is_found) {
        is_found = has_name(space, walk.at) && describe(space, walk.at, walk.value, key, &value);
        if (!is_found)
            is_there = go(&walk, is_reverse ? MDB_PREV : MDB_NEXT, nothing);
    }
    end_walk(&walk);
    return is_found;
}

/* ---- emptying ---- */

static bool is_there_now(void *self, struct bytes key)
{
    struct lmdb_space *space = self;
    struct record_key lmdb_key;
    struct lmdb_old old;
    lmdb__record_key(space, key, &lmdb_key);
    return lmdb__look(space, key, &lmdb_key, &old) == SPACE_OK && old.is_there &&
           !lmdb__is_over(old.expires_ms, space->space.now_ms);
}

void lmdb__clear(struct space *self)
{
    struct lmdb_space *space = lmdb__of(self);
    if (space->failure != SPACE_OK)
        return;
    lmdb_watches_touch_all(&space->shard->watches, is_there_now, space);
    for (unsigned i = LMDB_KEYS; i < LMDB_DATABASES_COUNT; i++) {
        const int error = mdb_drop(space->txn, space->shard->databases[i], 0);
        if (lmdb__fail(space, error) != SPACE_OK)
            return;
    }
    space->changes++;
}

/* ---- what is over ---- */

/* The key of KEYS that an entry of EXPIRY is about. */
static bool expired_key(const struct walk *walk, struct record_key *lmdb_key)
{
    const struct bytes whole =
        record_is_cut(walk->at) ? walk->value : (struct bytes){walk->at.at + 8, walk->at.count - 8};
    if (whole.count == 0 || whole.count > RECORD_KEY_MAX)
        return false;
    lmdb_key->count = (uint16_t)whole.count;
    memcpy(lmdb_key->at, whole.at, whole.count);
    return true;
}

/* Removes the key if it is still the one that is to go at @expires_ms. True: it was. */
static bool remove_if_over(struct lmdb_space *space, const struct record_key *lmdb_key,
                           uint64_t expires_ms)
{
    struct bytes value;
    bool is_there;
    struct record record;
    struct lmdb_old old;
    const struct bytes at = record_key_bytes(lmdb_key);
    if (lmdb__get(space, LMDB_KEYS, at, &value, &is_there) != SPACE_OK || !is_there ||
        !has_name(space, at) || !record_read(&record, value, at) || record.expires_ms != expires_ms)
        return false;
    const struct bytes name = lmdb__name_of(space, at, &record);
    uint8_t *copy = lmdb__block(space, name.count);
    if (copy == NULL)
        return false;
    memcpy(copy, name.at, name.count);
    const struct bytes key = {copy, name.count};
    return lmdb__look(space, key, lmdb_key, &old) == SPACE_OK && old.is_there &&
           lmdb__remove(space, key, lmdb_key, &old) == SPACE_OK;
}

uint32_t lmdb_space_remove_expired(struct lmdb_space *space, uint64_t now_ms, uint32_t most)
{
    uint32_t looked = 0;
    uint64_t removed = 0;
    struct walk walk = begin_walk(space, LMDB_EXPIRY);
    while (looked < most && space->failure == SPACE_OK && go(&walk, MDB_FIRST, nothing) &&
           walk.at.count >= 8 && record_get_u64(walk.at.at) <= now_ms) {
        struct record_key lmdb_key, entry;
        bool was_there;
        const uint64_t expires_ms = record_get_u64(walk.at.at);
        const bool has_key = expired_key(&walk, &lmdb_key);
        entry.count = (uint16_t)walk.at.count;
        memcpy(entry.at, walk.at.at, walk.at.count);
        looked++;
        if (has_key && remove_if_over(space, &lmdb_key, expires_ms))
            removed++;
        else if (lmdb__delete(space, LMDB_EXPIRY, record_key_bytes(&entry), &was_there) != SPACE_OK)
            break;
    }
    end_walk(&walk);
    lmdb_space_rest(space);
    if (space->failure == SPACE_OK)
        atomic_fetch_add_explicit(&space->shard->figures.expired, removed, memory_order_relaxed);
    return looked;
}

uint32_t lmdb_space_empty_trash(struct lmdb_space *space, uint32_t most)
{
    uint64_t deleted = 0;
    struct walk walk = begin_walk(space, LMDB_TRASH);
    while (deleted < most && space->failure == SPACE_OK && go(&walk, MDB_FIRST, nothing) &&
           walk.at.count == RECORD_ID_BYTES) {
        uint8_t id[RECORD_ID_BYTES];
        uint64_t of_it;
        bool was_there;
        memcpy(id, walk.at.at, sizeof id);
        const struct bytes at = {id, sizeof id};
        if (lmdb__delete_all(space, LMDB_MEMBERS, at, most - deleted, &of_it) != SPACE_OK)
            break;
        deleted += of_it;
        if (deleted < most && lmdb__delete(space, LMDB_TRASH, at, &was_there) != SPACE_OK)
            break;
    }
    end_walk(&walk);
    return (uint32_t)deleted;
}
