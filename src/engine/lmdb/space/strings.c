/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/space/strings.c - long strings in chunks, and strings that are changed in place.
 *
 * A string that is changed keeps the id of its chunks, and only those that differ are written: an
 * APPEND to a long one writes its last chunk. Readers see what was there when they began, as of
 * everything in LMDB. */
#include "engine/lmdb/space/inside.h"

#include <assert.h>

struct chunk_key {
    uint8_t at[RECORD_ID_BYTES + 4];
};

static struct bytes chunk_key(struct chunk_key *key, uint64_t id, uint64_t index)
{
    record_put_u64(key->at, id);
    record_put_u32(key->at + RECORD_ID_BYTES, (uint32_t)index);
    return (struct bytes){key->at, sizeof key->at};
}

static uint64_t chunks_of(uint64_t bytes)
{
    return (bytes + RECORD_CHUNK_BYTES - 1) / RECORD_CHUNK_BYTES;
}

/* What of @bytes is in the chunk at @index. */
static size_t part_of(uint64_t bytes, uint64_t index)
{
    const uint64_t left = bytes - index * RECORD_CHUNK_BYTES;
    return left < RECORD_CHUNK_BYTES ? (size_t)left : RECORD_CHUNK_BYTES;
}

enum space_result lmdb__read_chunks(struct lmdb_space *space, uint64_t id, uint64_t bytes,
                                    struct bytes *string)
{
    struct chunk_key key;
    uint8_t *at = lmdb__block(space, bytes);
    if (at == NULL)
        return space->failure;
    for (uint64_t i = 0; i < chunks_of(bytes); i++) {
        struct bytes chunk;
        bool is_there;
        const size_t part = part_of(bytes, i);
        const struct bytes key_at = chunk_key(&key, id, i);
        const enum space_result result = lmdb__get(space, LMDB_CHUNKS, key_at, &chunk, &is_there);
        if (result != SPACE_OK)
            return result;
        if (!is_there || chunk.count != RECORD_SUM_BYTES + part || !record_is_whole(chunk, key_at))
            return lmdb__damaged(space);
        memcpy(at + i * RECORD_CHUNK_BYTES, chunk.at + RECORD_SUM_BYTES, part);
    }
    *string = (struct bytes){at, bytes};
    return SPACE_OK;
}

/* Writes one, unless it is there already. */
static enum space_result write_chunk(struct lmdb_space *space, struct bytes key, struct bytes part)
{
    struct bytes old;
    bool is_there;
    enum space_result result = lmdb__get(space, LMDB_CHUNKS, key, &old, &is_there);
    uint8_t *buffer = lmdb__buffer(space, RECORD_SUM_BYTES + RECORD_CHUNK_BYTES);
    if (result != SPACE_OK || buffer == NULL)
        return space->failure;
    memcpy(buffer + RECORD_SUM_BYTES, part.at, part.count);
    record_seal(buffer, RECORD_SUM_BYTES + part.count, key);
    const struct bytes chunk = {buffer, RECORD_SUM_BYTES + part.count};
    return is_there && bytes_equal(old, chunk) ? SPACE_OK
                                               : lmdb__put(space, LMDB_CHUNKS, key, chunk);
}

enum space_result lmdb__write_chunks(struct lmdb_space *space, uint64_t id, struct bytes string)
{
    struct chunk_key key;
    bool was_there = true;
    const uint64_t count = chunks_of(string.count);
    enum space_result result = SPACE_OK;
    for (uint64_t i = 0; i < count && result == SPACE_OK; i++)
        result = write_chunk(
            space, chunk_key(&key, id, i),
            (struct bytes){string.at + i * RECORD_CHUNK_BYTES, part_of(string.count, i)});
    for (uint64_t i = count; was_there && result == SPACE_OK; i++)
        result = lmdb__delete(space, LMDB_CHUNKS, chunk_key(&key, id, i), &was_there);
    return result;
}

enum space_result lmdb__delete_chunks(struct lmdb_space *space, uint64_t id)
{
    uint8_t prefix[RECORD_ID_BYTES];
    uint64_t deleted;
    record_put_u64(prefix, id);
    return lmdb__delete_all(space, LMDB_CHUNKS, (struct bytes){prefix, sizeof prefix}, UINT64_MAX,
                            &deleted);
}

enum space_result lmdb__lay_string(struct lmdb_space *space, struct record *record,
                                   struct bytes string, uint64_t id, uint64_t pair[2])
{
    if (string.count <= RECORD_INLINE_MAX) {
        record->payload = string;
        return SPACE_OK;
    }
    if (id == 0)
        id = lmdb__new_id(space);
    if (id == 0)
        return space->failure;
    pair[0] = id;
    pair[1] = string.count;
    record->flags |= RECORD_CHUNKED;
    record->payload = (struct bytes){(const uint8_t *)pair, RECORD_PAIR_BYTES};
    return lmdb__write_chunks(space, id, string);
}

/* ---- changed in place ---- */

enum space_result lmdb__edit(struct space *self, struct bytes key, struct space_value *value,
                             size_t bytes, uint8_t **at)
{
    struct lmdb_space *space = lmdb__of(self);
    struct record_key lmdb_key;
    const size_t old_bytes = value->string.count;
    const size_t kept = old_bytes < bytes ? old_bytes : bytes;
    assert(value->type == KEY_NONE || value->type == KEY_STRING);
    const enum space_result result =
        lmdb__begin_at(space, key, bytes > old_bytes ? bytes - old_bytes : 0, &lmdb_key);
    if (result != SPACE_OK)
        return result;
    uint8_t *block = lmdb__block(space, bytes);
    if (block == NULL)
        return space->failure;
    if (kept > 0)
        memcpy(block, value->string.at, kept);
    memset(block + kept, 0, bytes - kept);
    value->type = KEY_STRING;
    value->string = (struct bytes){block, bytes};
    *at = block;
    return SPACE_OK;
}

enum space_result lmdb__edited(struct space *self, struct bytes key, struct space_value *value)
{
    struct lmdb_space *space = lmdb__of(self);
    struct record_key lmdb_key;
    uint64_t pair[2] = {0};
    struct lmdb_old old = lmdb__old_of(value);
    struct record record = {
        .type = KEY_STRING, .media = value->media, .expires_ms = value->expires_ms};
    enum space_result result = space->failure;
    lmdb__record_key(space, key, &lmdb_key);
    if (result == SPACE_OK && !old.is_there) /* what is there is over, and goes */
        result = lmdb__look(space, key, &lmdb_key, &old);
    if (result == SPACE_OK)
        result = lmdb__lay_string(space, &record, value->string, old.is_chunked ? old.id : 0, pair);
    if (result == SPACE_OK)
        result = lmdb__replace(space, key, &lmdb_key, &old, &record);
    value->own[0] = pair[0];
    value->own[1] = LMDB_VALUE_IS_STORED | (pair[0] != 0 ? LMDB_VALUE_IS_CHUNKED : 0u);
    return result;
}
