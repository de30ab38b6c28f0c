/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/space/record.h - how keys and values lie in an LMDB file: format 1.
 *
 * LMDB's keys are 1 to 511 bytes. Every key of ours is a prefix and a name; where both are over 510
 * bytes the name is cut, the LMDB key ends in the name's XXH3-128 and is 511 bytes long, which no
 * other is, and the whole name stands in the value, where it is compared.
 *
 *     keys       position (4) key            -> record       position: slot (14 bits), hash (18)
 *                or, in an ordered keyspace:
 *                0 (1) key                   -> record
 *     positions  position (4) key            -> nothing      ordered keyspaces only
 *     chunks     id (8) index (4)            -> sum (8) bytes of a long string
 *     members    id (8) tree (1) member      -> sum (8) [name_bytes (4) name] bytes
 *     expiry     expires_ms (8) keys' key    -> nothing, or keys' key where it is cut
 *     trash      id (8)                      -> nothing      members of no key, to be removed
 *
 *     record     sum (8) format (1) type (1) flags (1) media (1) name_bytes (4) expires_ms (8)
 *                version (16) [name] payload
 *     payload    of a string: its bytes, or id (8) bytes (8) where they are in chunks;
 *                of a collection: id (8) count (8)
 *
 * Numbers in LMDB keys are big-endian, so that they are in order; those in values little-endian. A
 * sum is the XXH3-64 of all that follows it, seeded with that of the LMDB key, so a record that was
 * moved to another key is as wrong as one with a flipped bit.
 *
 * Threads: pure.
 * Errors:  false: it is damaged. */
#ifndef PANDO_ENGINE_LMDB_SPACE_RECORD_H
#define PANDO_ENGINE_LMDB_SPACE_RECORD_H

#include "engine/keys/space.h"

enum {
    RECORD_FORMAT = 1,
    RECORD_KEY_MAX = 511, /* LMDB's */
    RECORD_CUT_BYTES = 16,
    RECORD_POSITION_BYTES = 4,
    RECORD_HASH_BITS = 18, /* of a position */
    RECORD_ID_BYTES = 8,
    RECORD_SUM_BYTES = 8,
    RECORD_HEAD_BYTES = 40,
    RECORD_PAIR_BYTES = 16,          /* the payload where the value lies elsewhere */
    RECORD_INLINE_MAX = 64 * 1024,   /* of a string; a longer one is in chunks */
    RECORD_CHUNK_BYTES = 32768 - 24, /* with its sum and LMDB's head of a page exactly 8 pages */
    RECORD_ORDERED_KEY_MAX = 500,    /* of a key in an ordered keyspace, which must not be cut */
    RECORD_CHUNKED = 1,              /* flag: the string is in chunks */
};

/* A key as LMDB has it. */
struct record_key {
    uint16_t count;
    uint8_t  at[RECORD_KEY_MAX];
};

static inline struct bytes record_key_bytes(const struct record_key *key)
{
    return (struct bytes){key->at, key->count};
}

/* Is the name in it cut? */
static inline bool record_is_cut(struct bytes lmdb_key)
{
    return lmdb_key.count == RECORD_KEY_MAX;
}

/* @prefix, at most 16 bytes, and @name, cut if need be; @seed is the environment's secret. */
void record_key_make(struct record_key *key, struct bytes prefix, struct bytes name, uint64_t seed);

/* Where SCAN finds @key: the slot of what follows its first @name_bytes bytes, then a hash. */
uint32_t record_position(struct bytes key, uint32_t name_bytes, uint64_t seed);

/* ---- numbers ---- */

static inline void record_put_u32(uint8_t *at, uint32_t number)
{
    number = __builtin_bswap32(number);
    memcpy(at, &number, sizeof number);
}

static inline uint32_t record_get_u32(const uint8_t *at)
{
    uint32_t number;
    memcpy(&number, at, sizeof number);
    return __builtin_bswap32(number);
}

static inline void record_put_u64(uint8_t *at, uint64_t number)
{
    number = __builtin_bswap64(number);
    memcpy(at, &number, sizeof number);
}

static inline uint64_t record_get_u64(const uint8_t *at)
{
    uint64_t number;
    memcpy(&number, at, sizeof number);
    return __builtin_bswap64(number);
}

/* ---- sealed values: those that begin with a sum ---- */

/* Writes the sum over @bytes bytes at @value, its own RECORD_SUM_BYTES counted. */
void record_seal(uint8_t *value, size_t bytes, struct bytes lmdb_key);

/* Is @value as it was sealed? */
bool record_is_whole(struct bytes value, struct bytes lmdb_key);

/* ---- records of keys ---- */

struct record {
    uint8_t      type;  /* enum key_type, not NONE */
    uint8_t      flags; /* RECORD_CHUNKED */
    uint8_t      media; /* of a string: enum media_type; 0: none was said */
    uint64_t     expires_ms;
    uint64_t     version[2]; /* the transaction's number and a count within it; for clocks later */
    struct bytes name;       /* the whole key where the LMDB key is cut */
    struct bytes payload;
};

static inline size_t record_bytes(const struct record *record)
{
    return RECORD_HEAD_BYTES + record->name.count + record->payload.count;
}

/* Writes record_bytes() to @out, sealed. */
void record_write(const struct record *record, uint8_t *out, struct bytes lmdb_key);

/* Reads what lies in @value; name and payload point into it. */
bool record_read(struct record *record, struct bytes value, struct bytes lmdb_key) must_check;

/* The two numbers of a payload of RECORD_PAIR_BYTES. */
static inline void record_read_pair(struct bytes payload, uint64_t pair[2])
{
    memcpy(pair, payload.at, RECORD_PAIR_BYTES);
}

/* Is the payload only where the value lies? */
static inline bool record_is_elsewhere(const struct record *record)
{
    return record->type != KEY_STRING || (record->flags & RECORD_CHUNKED) != 0;
}

/* ---- members ---- */

/* What stands before a member's bytes in its value. */
static inline size_t record_member_head(struct bytes lmdb_key, size_t name_bytes)
{
    return RECORD_SUM_BYTES + (record_is_cut(lmdb_key) ? 4 + name_bytes : 0);
}

/* Writes name and @bytes to @out, of record_member_head() more, sealed. */
void record_write_member(uint8_t *out, struct bytes name, struct bytes bytes,
                         struct bytes lmdb_key);

/* The member's whole name, whose prefix in @lmdb_key has @prefix_bytes, and its bytes. */
bool record_read_member(struct bytes value, struct bytes lmdb_key, size_t prefix_bytes,
                        struct bytes *name, struct bytes *bytes) must_check;

#endif
