/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/space/keys.c - what is under a key: finding, putting, removing, renaming, expiring.
 *
 * A record is built in the buffer first, since what it is made of may lie in pages that the change
 * moves. Then what belonged to the old one goes, then the record and its entries in EXPIRY and
 * POSITIONS are written, and whoever watches the key is told. */
#include "engine/lmdb/space/inside.h"
#include "engine/lmdb/space/lmdb_space.h"

#include <assert.h>

/* ---- keys in LMDB ---- */

void lmdb__record_key(const struct lmdb_space *space, struct bytes key, struct record_key *lmdb_key)
{
    uint8_t prefix[RECORD_POSITION_BYTES] = {0};
    size_t prefix_bytes = 1;
    if (!space->space.is_ordered) {
        prefix_bytes = sizeof prefix;
        record_put_u32(prefix,
                       record_position(key, space->shard->name_bytes, space->shard->secret));
    }
    record_key_make(lmdb_key, (struct bytes){prefix, prefix_bytes}, key, space->shard->secret);
}

struct bytes lmdb__name_of(const struct lmdb_space *space, struct bytes lmdb_key,
                           const struct record *record)
{
    if (record_is_cut(lmdb_key))
        return record->name;
    const size_t prefix_bytes = space->space.is_ordered ? 1 : RECORD_POSITION_BYTES;
    assert(lmdb_key.count >= prefix_bytes);
    return (struct bytes){lmdb_key.at + prefix_bytes, lmdb_key.count - prefix_bytes};
}

static void position_key(const struct lmdb_space *space, struct bytes key,
                         struct record_key *position)
{
    uint8_t prefix[RECORD_POSITION_BYTES];
    record_put_u32(prefix, record_position(key, space->shard->name_bytes, space->shard->secret));
    record_key_make(position, (struct bytes){prefix, sizeof prefix}, key, space->shard->secret);
}

static void expiry_key(const struct lmdb_space *space, uint64_t expires_ms,
                       const struct record_key *lmdb_key, struct record_key *expiry)
{
    uint8_t prefix[8];
    record_put_u64(prefix, expires_ms);
    record_key_make(expiry, (struct bytes){prefix, sizeof prefix}, record_key_bytes(lmdb_key),
                    space->shard->secret);
}

/* ---- looking ---- */

static void note_old(const struct record *record, struct lmdb_old *old)
{
    uint64_t pair[2] = {0};
    if (record_is_elsewhere(record))
        record_read_pair(record->payload, pair);
    *old = (struct lmdb_old){.is_there = true,
                             .type = record->type,
                             .is_chunked = (record->flags & RECORD_CHUNKED) != 0,
                             .expires_ms = record->expires_ms,
                             .id = pair[0],
                             .count = pair[1]};
}

/* The record itself; *@is_damaged: there is one and its sum is wrong. */
static enum space_result read_record(struct lmdb_space *space, struct bytes key,
                                     const struct record_key *lmdb_key, struct record *record,
                                     struct lmdb_old *old)
{
    struct bytes value;
    bool is_there;
    const struct bytes at = record_key_bytes(lmdb_key);
    const enum space_result result = lmdb__get(space, LMDB_KEYS, at, &value, &is_there);
    *old = (struct lmdb_old){0};
    if (result != SPACE_OK || !is_there)
        return result;
    if (!record_read(record, value, at))
        *old = (struct lmdb_old){.is_there = true, .is_damaged = true};
    else if (!record_is_cut(at) || bytes_equal(record->name, key))
        note_old(record, old);
    return SPACE_OK;
}

enum space_result lmdb__look(struct lmdb_space *space, struct bytes key,
                             const struct record_key *lmdb_key, struct lmdb_old *old)
{
    struct record record;
    return read_record(space, key, lmdb_key, &record, old);
}

struct lmdb_old lmdb__old_of(const struct space_value *value)
{
    const bool is_chunked = (value->own[1] & LMDB_VALUE_IS_CHUNKED) != 0;
    return (struct lmdb_old){.is_there = (value->own[1] & LMDB_VALUE_IS_STORED) != 0,
                             .type = value->type,
                             .is_chunked = is_chunked,
                             .expires_ms = value->expires_ms,
                             .id = value->own[0],
                             .count = is_chunked ? value->string.count : value->count};
}

static enum space_result fill(struct lmdb_space *space, const struct record *record,
                              const struct lmdb_old *old, struct space_value *value)
{
    value->type = old->type;
    value->expires_ms = old->expires_ms;
    if (old->expires_ms - 1 < space->fresh_until_ms - 1) /* 0, none, is behind all others */
        space->fresh_until_ms = old->expires_ms;
    value->media = record->media;
    value->own[0] = old->id;
    value->own[1] = LMDB_VALUE_IS_STORED | (old->is_chunked ? LMDB_VALUE_IS_CHUNKED : 0u);
    if (old->type != KEY_STRING)
        value->count = old->count;
    else if (old->is_chunked)
        return lmdb__read_chunks(space, old->id, old->count, &value->string);
    else
        value->string = record->payload;
    return SPACE_OK;
}

static enum space_result find_it(struct lmdb_space *space, struct bytes key,
                                 struct space_value *value)
{
    struct record_key lmdb_key;
    struct record record;
    struct lmdb_old old;
    *value = (struct space_value){.space = &space->space};
    lmdb__record_key(space, key, &lmdb_key);
    const enum space_result result = read_record(space, key, &lmdb_key, &record, &old);
    if (result != SPACE_OK || !old.is_there)
        return result;
    if (old.is_damaged)
        return lmdb__damaged(space);
    return lmdb__is_over(old.expires_ms, space->space.now_ms) ? SPACE_OK
                                                              : fill(space, &record, &old, value);
}

static enum space_result find(struct space *self, struct bytes key, struct space_value *value)
{
    struct lmdb_space *space = lmdb__of(self);
    const enum space_result result = find_it(space, key, value);
    if (space->is_reading && result == SPACE_OK) {
        space->counts.hits += value->type != KEY_NONE;
        space->counts.misses += value->type == KEY_NONE;
    }
    return result;
}

bool lmdb_space_is_expired(struct lmdb_space *space, struct bytes key, uint64_t now_ms)
{
    struct record_key lmdb_key;
    struct lmdb_old old;
    lmdb__record_key(space, key, &lmdb_key);
    return lmdb__look(space, key, &lmdb_key, &old) == SPACE_OK && old.is_there &&
           lmdb__is_over(old.expires_ms, now_ms);
}

/* ---- writing a record ---- */

static enum space_result put_expiry(struct lmdb_space *space, uint64_t expires_ms,
                                    const struct record_key *lmdb_key)
{
    struct record_key key;
    if (expires_ms == 0)
        return SPACE_OK;
    expiry_key(space, expires_ms, lmdb_key, &key);
    const struct bytes whole = record_key_bytes(lmdb_key);
    const bool is_cut = record_is_cut(record_key_bytes(&key));
    return lmdb__put(space, LMDB_EXPIRY, record_key_bytes(&key),
                     (struct bytes){whole.at, is_cut ? whole.count : 0});
}

static enum space_result delete_expiry(struct lmdb_space *space, uint64_t expires_ms,
                                       const struct record_key *lmdb_key)
{
    struct record_key key;
    bool was_there;
    if (expires_ms == 0)
        return SPACE_OK;
    expiry_key(space, expires_ms, lmdb_key, &key);
    return lmdb__delete(space, LMDB_EXPIRY, record_key_bytes(&key), &was_there);
}

static enum space_result put_position(struct lmdb_space *space, struct bytes key)
{
    struct record_key position;
    if (!space->space.is_ordered)
        return SPACE_OK;
    position_key(space, key, &position);
    return lmdb__put(space, LMDB_POSITIONS, record_key_bytes(&position), (struct bytes){NULL, 0});
}

static enum space_result delete_position(struct lmdb_space *space, struct bytes key)
{
    struct record_key position;
    bool was_there;
    if (!space->space.is_ordered)
        return SPACE_OK;
    position_key(space, key, &position);
    return lmdb__delete(space, LMDB_POSITIONS, record_key_bytes(&position), &was_there);
}

/* What lies elsewhere for the record: its chunks or members. */
static enum space_result drop_elsewhere(struct lmdb_space *space, const struct lmdb_old *old)
{
    if (!old->is_there || old->is_damaged || old->id == 0)
        return SPACE_OK;
    return old->is_chunked ? lmdb__delete_chunks(space, old->id)
                           : lmdb__delete_members(space, old->id, old->count);
}

static uint64_t id_of(const struct record *record)
{
    uint64_t pair[2] = {0};
    if (record_is_elsewhere(record))
        record_read_pair(record->payload, pair);
    return pair[0];
}

/* Writes it to the buffer. */
static enum space_result build(struct lmdb_space *space, struct bytes key,
                               const struct record_key *lmdb_key, struct record *record,
                               struct bytes *built)
{
    const struct bytes at = record_key_bytes(lmdb_key);
    record->version[0] = mdb_txn_id(space->txn);
    record->version[1] = space->changes + 1;
    record->name = (struct bytes){key.at, record_is_cut(at) ? key.count : 0};
    const size_t bytes = record_bytes(record);
    uint8_t *buffer = lmdb__buffer(space, bytes);
    if (buffer == NULL)
        return space->failure;
    record_write(record, buffer, at);
    *built = (struct bytes){buffer, bytes};
    return SPACE_OK;
}

enum space_result lmdb__replace(struct lmdb_space *space, struct bytes key,
                                const struct record_key *lmdb_key, const struct lmdb_old *old,
                                struct record *record)
{
    struct bytes built = {0};
    const uint64_t id = id_of(record);
    enum space_result result = build(space, key, lmdb_key, record, &built);
    if (result == SPACE_OK && old->id != id)
        result = drop_elsewhere(space, old);
    if (result == SPACE_OK && old->expires_ms != record->expires_ms)
        result = delete_expiry(space, old->expires_ms, lmdb_key);
    if (result == SPACE_OK)
        result = lmdb__put(space, LMDB_KEYS, record_key_bytes(lmdb_key), built);
    if (result == SPACE_OK && old->expires_ms != record->expires_ms)
        result = put_expiry(space, record->expires_ms, lmdb_key);
    if (result == SPACE_OK && !old->is_there)
        result = put_position(space, key);
    lmdb_watches_touch(&space->shard->watches, key);
    return result;
}

enum space_result lmdb__remove(struct lmdb_space *space, struct bytes key,
                               const struct record_key *lmdb_key, const struct lmdb_old *old)
{
    bool was_there;
    enum space_result result = drop_elsewhere(space, old);
    if (result == SPACE_OK)
        result = delete_expiry(space, old->expires_ms, lmdb_key);
    if (result == SPACE_OK)
        result = delete_position(space, key);
    lmdb_watches_touch(&space->shard->watches, key);
    if (result == SPACE_OK)
        result = lmdb__delete(space, LMDB_KEYS, record_key_bytes(lmdb_key), &was_there);
    return result;
}

/* ---- the vtable's ---- */

enum space_result lmdb__begin_at(struct lmdb_space *space, struct bytes key, size_t bytes,
                                 struct record_key *lmdb_key)
{
    if (space->space.is_ordered && key.count > RECORD_ORDERED_KEY_MAX)
        return SPACE_KEY_TOO_LONG;
    lmdb__record_key(space, key, lmdb_key);
    return lmdb__begin_change(space, key.count + bytes);
}

static enum space_result put_as(struct space *self, struct bytes key, struct bytes string,
                                uint64_t expires_ms, uint8_t media)
{
    struct lmdb_space *space = lmdb__of(self);
    struct record_key lmdb_key;
    struct lmdb_old old;
    uint64_t pair[2];
    struct record record = {.type = KEY_STRING, .media = media, .expires_ms = expires_ms};
    enum space_result result = lmdb__begin_at(space, key, string.count, &lmdb_key);
    if (result == SPACE_OK)
        result = lmdb__look(space, key, &lmdb_key, &old);
    if (result == SPACE_OK)
        result = lmdb__lay_string(space, &record, string, 0, pair);
    return result == SPACE_OK ? lmdb__replace(space, key, &lmdb_key, &old, &record) : result;
}

static enum space_result put(struct space *self, struct bytes key, struct bytes string,
                             uint64_t expires_ms)
{
    return put_as(self, key, string, expires_ms, 0);
}

static bool remove_key(struct space *self, struct bytes key)
{
    struct lmdb_space *space = lmdb__of(self);
    struct record_key lmdb_key;
    struct lmdb_old old;
    lmdb__record_key(space, key, &lmdb_key);
    if (lmdb__look(space, key, &lmdb_key, &old) != SPACE_OK || !old.is_there)
        return false;
    return lmdb__remove(space, key, &lmdb_key, &old) == SPACE_OK &&
           !lmdb__is_over(old.expires_ms, self->now_ms);
}

/* The record of @value, with what it has been given meanwhile. */
static void describe(const struct space_value *value, struct record *record, uint64_t pair[2])
{
    const bool is_chunked = (value->own[1] & LMDB_VALUE_IS_CHUNKED) != 0;
    *record = (struct record){
        .type = value->type, .media = value->media, .expires_ms = value->expires_ms};
    if (value->type == KEY_STRING && !is_chunked) {
        record->payload = value->string;
        return;
    }
    record->flags = is_chunked ? RECORD_CHUNKED : 0;
    pair[0] = value->own[0];
    pair[1] = is_chunked ? value->string.count : value->count;
    record->payload = (struct bytes){(const uint8_t *)pair, RECORD_PAIR_BYTES};
}

static enum space_result expire(struct space *self, struct bytes key, struct space_value *value,
                                uint64_t expires_ms)
{
    struct lmdb_space *space = lmdb__of(self);
    const struct lmdb_old old = lmdb__old_of(value);
    struct record_key lmdb_key;
    struct record record;
    uint64_t pair[2];
    if (space->failure != SPACE_OK)
        return space->failure;
    lmdb__record_key(space, key, &lmdb_key);
    value->expires_ms = expires_ms;
    if (!old.is_there) { /* its record is written when it settles */
        enum space_result result = delete_expiry(space, old.expires_ms, &lmdb_key);
        return result == SPACE_OK ? put_expiry(space, expires_ms, &lmdb_key) : result;
    }
    describe(value, &record, pair);
    const enum space_result result = lmdb__replace(space, key, &lmdb_key, &old, &record);
    if (value->type == KEY_STRING && (value->own[1] & LMDB_VALUE_IS_CHUNKED) == 0)
        value->string = (struct bytes){space->buffer + RECORD_HEAD_BYTES + record.name.count,
                                       value->string.count};
    return result;
}

static enum space_result create(struct space *self, struct bytes key, enum key_type type,
                                struct space_value *value)
{
    struct lmdb_space *space = lmdb__of(self);
    struct record_key lmdb_key;
    struct lmdb_old old;
    *value = (struct space_value){.space = self};
    enum space_result result = lmdb__begin_at(space, key, RECORD_HEAD_BYTES, &lmdb_key);
    if (result == SPACE_OK)
        result = lmdb__look(space, key, &lmdb_key, &old);
    if (result == SPACE_OK && old.is_there) /* its time is over */
        result = lmdb__remove(space, key, &lmdb_key, &old);
    if (result != SPACE_OK)
        return result;
    value->type = (uint8_t)type;
    value->own[0] = lmdb__new_id(space);
    return value->own[0] == 0 ? space->failure : SPACE_OK;
}

static enum space_result settle(struct space *self, struct bytes key, struct space_value *value)
{
    struct lmdb_space *space = lmdb__of(self);
    const struct lmdb_old old = lmdb__old_of(value);
    struct record_key lmdb_key;
    struct record record;
    uint64_t pair[2];
    if (!value->is_changed || space->failure != SPACE_OK)
        return space->failure;
    value->is_changed = false;
    lmdb__record_key(space, key, &lmdb_key);
    if (value->count == 0) {
        *value = (struct space_value){.space = self};
        return old.is_there ? lmdb__remove(space, key, &lmdb_key, &old)
                            : delete_expiry(space, old.expires_ms, &lmdb_key);
    }
    describe(value, &record, pair);
    value->own[1] |= LMDB_VALUE_IS_STORED;
    return lmdb__replace(space, key, &lmdb_key, &old, &record);
}

static enum space_result rename_key(struct space *self, struct bytes key, struct space *to,
                                    struct bytes to_key)
{
    struct lmdb_space *space = lmdb__of(self);
    struct record_key from_at, to_at;
    struct lmdb_old moved, old;
    struct record record;
    uint8_t *payload;
    assert(self == to); /* a shard is one space, and commands do not cross shards */
    if (bytes_equal(key, to_key))
        return SPACE_OK;
    enum space_result result = lmdb__begin_at(space, to_key, RECORD_HEAD_BYTES, &to_at);
    lmdb__record_key(space, key, &from_at);
    if (result == SPACE_OK)
        result = read_record(space, key, &from_at, &record, &moved);
    if (result != SPACE_OK || !moved.is_there || lmdb__is_over(moved.expires_ms, self->now_ms))
        return result;
    if (moved.is_damaged)
        return lmdb__damaged(space);
    payload = lmdb__block(space, record.payload.count);
    if (payload == NULL)
        return space->failure;
    memcpy(payload, record.payload.at, record.payload.count);
    record.payload.at = payload;
    /* What lies elsewhere goes along. */
    result = lmdb__remove(space, key, &from_at,
                          &(struct lmdb_old){.is_there = true, .expires_ms = moved.expires_ms});
    if (result == SPACE_OK)
        result = lmdb__look(space, to_key, &to_at, &old);
    return result == SPACE_OK ? lmdb__replace(space, to_key, &to_at, &old, &record) : result;
}

const struct space_kind lmdb__space_kind = {
    .name = "lmdb",
    .find = find,
    .put = put,
    .put_as = put_as,
    .edit = lmdb__edit,
    .edited = lmdb__edited,
    .remove = remove_key,
    .expire = expire,
    .create = create,
    .settle = settle,
    .rename = rename_key,
    .tree_get = lmdb__tree_get,
    .tree_put = lmdb__tree_put,
    .tree_remove = lmdb__tree_remove,
    .seek = lmdb__seek,
    .seek_rank = lmdb__seek_rank,
    .seek_end = lmdb__seek_end,
    .next = lmdb__next,
    .prev = lmdb__prev,
    .rank = lmdb__rank,
    .count = lmdb__count,
    .scan = lmdb__scan,
    .random = lmdb__random,
    .beside = lmdb__beside,
    .clear = lmdb__clear,
};
