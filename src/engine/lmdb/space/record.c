/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/space/record.c - keys that are cut, positions, sums, and the heads of records. */
#include "engine/lmdb/space/record.h"

#include "core/slot.h"

#include <assert.h>
#include <xxhash.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers in values are little-endian");

enum { NAME_BYTES_AT = 12 };

void record_key_make(struct record_key *key, struct bytes prefix, struct bytes name, uint64_t seed)
{
    assert(prefix.count <= 16);
    memcpy(key->at, prefix.at, prefix.count);
    if (prefix.count + name.count < RECORD_KEY_MAX) {
        if (name.count > 0)
            memcpy(key->at + prefix.count, name.at, name.count);
        key->count = (uint16_t)(prefix.count + name.count);
        return;
    }
    const size_t kept = RECORD_KEY_MAX - RECORD_CUT_BYTES - prefix.count;
    XXH128_canonical_t hash;
    XXH128_canonicalFromHash(&hash, XXH3_128bits_withSeed(name.at, name.count, seed));
    memcpy(key->at + prefix.count, name.at, kept);
    memcpy(key->at + prefix.count + kept, hash.digest, RECORD_CUT_BYTES);
    key->count = RECORD_KEY_MAX;
}

uint32_t record_position(struct bytes key, uint32_t name_bytes, uint64_t seed)
{
    const size_t skipped = name_bytes < key.count ? name_bytes : key.count;
    const uint32_t slot = slot_of((struct bytes){key.at + skipped, key.count - skipped});
    const uint64_t hash = XXH3_64bits_withSeed(key.at, key.count, seed);
    return slot << RECORD_HASH_BITS | (uint32_t)(hash >> (64 - RECORD_HASH_BITS));
}

static uint64_t sum_of(const uint8_t *value, size_t bytes, struct bytes lmdb_key)
{
    return XXH3_64bits_withSeed(value + RECORD_SUM_BYTES, bytes - RECORD_SUM_BYTES,
                                XXH3_64bits(lmdb_key.at, lmdb_key.count));
}

void record_seal(uint8_t *value, size_t bytes, struct bytes lmdb_key)
{
    assert(bytes >= RECORD_SUM_BYTES);
    const uint64_t sum = sum_of(value, bytes, lmdb_key);
    memcpy(value, &sum, sizeof sum);
}

bool record_is_whole(struct bytes value, struct bytes lmdb_key)
{
    if (value.count < RECORD_SUM_BYTES)
        return false;
    const uint64_t sum = sum_of(value.at, value.count, lmdb_key);
    return memcmp(value.at, &sum, sizeof sum) == 0;
}

void record_write(const struct record *record, uint8_t *out, struct bytes lmdb_key)
{
    const uint32_t name_bytes = (uint32_t)record->name.count;
    const uint8_t kinds[4] = {RECORD_FORMAT, record->type, record->flags, record->media};
    memcpy(out + 8, kinds, sizeof kinds);
    memcpy(out + NAME_BYTES_AT, &name_bytes, sizeof name_bytes);
    memcpy(out + 16, &record->expires_ms, 8);
    memcpy(out + 24, record->version, 16);
    if (name_bytes > 0)
        memcpy(out + RECORD_HEAD_BYTES, record->name.at, name_bytes);
    if (record->payload.count > 0)
        memcpy(out + RECORD_HEAD_BYTES + name_bytes, record->payload.at, record->payload.count);
    record_seal(out, record_bytes(record), lmdb_key);
}

bool record_read(struct record *record, struct bytes value, struct bytes lmdb_key)
{
    if (value.count < RECORD_HEAD_BYTES || !record_is_whole(value, lmdb_key) ||
        value.at[8] != RECORD_FORMAT)
        return false;
    uint32_t name_bytes;
    memcpy(&name_bytes, value.at + NAME_BYTES_AT, sizeof name_bytes);
    if (name_bytes > value.count - RECORD_HEAD_BYTES)
        return false;
    record->type = value.at[9];
    record->flags = value.at[10];
    record->media = value.at[11];
    memcpy(&record->expires_ms, value.at + 16, 8);
    memcpy(record->version, value.at + 24, 16);
    record->name = (struct bytes){value.at + RECORD_HEAD_BYTES, name_bytes};
    record->payload =
        (struct bytes){record->name.at + name_bytes, value.count - RECORD_HEAD_BYTES - name_bytes};
    return record->type > KEY_NONE && record->type < KEY_TYPES_COUNT &&
           (!record_is_elsewhere(record) || record->payload.count == RECORD_PAIR_BYTES);
}

void record_write_member(uint8_t *out, struct bytes name, struct bytes bytes, struct bytes lmdb_key)
{
    const size_t head = record_member_head(lmdb_key, name.count);
    if (record_is_cut(lmdb_key)) {
        const uint32_t name_bytes = (uint32_t)name.count;
        memcpy(out + RECORD_SUM_BYTES, &name_bytes, sizeof name_bytes);
        memcpy(out + RECORD_SUM_BYTES + 4, name.at, name.count);
    }
    if (bytes.count > 0)
        memcpy(out + head, bytes.at, bytes.count);
    record_seal(out, head + bytes.count, lmdb_key);
}

bool record_read_member(struct bytes value, struct bytes lmdb_key, size_t prefix_bytes,
                        struct bytes *name, struct bytes *bytes)
{
    if (lmdb_key.count < prefix_bytes || !record_is_whole(value, lmdb_key))
        return false;
    size_t head = RECORD_SUM_BYTES;
    *name = (struct bytes){lmdb_key.at + prefix_bytes, lmdb_key.count - prefix_bytes};
    if (record_is_cut(lmdb_key)) {
        uint32_t name_bytes;
        if (value.count < RECORD_SUM_BYTES + sizeof name_bytes)
            return false;
        memcpy(&name_bytes, value.at + RECORD_SUM_BYTES, sizeof name_bytes);
        head += sizeof name_bytes + name_bytes;
        if (head > value.count)
            return false;
        *name = (struct bytes){value.at + RECORD_SUM_BYTES + 4, name_bytes};
    }
    *bytes = (struct bytes){value.at + head, value.count - head};
    return true;
}
