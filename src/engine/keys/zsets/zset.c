/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/zsets/zset.c - the two trees of a sorted set as one. */
#include "engine/keys/zsets/zset.h"

#include <assert.h>

#define SIGN ((uint64_t)1 << 63)

enum { NAME_ROOM_MIN = 64 };

uint64_t zsets__rank_of_score(double score)
{
    uint64_t bits;
    const double kept = score == 0 ? 0 : score;
    memcpy(&bits, &kept, sizeof bits);
    return bits & SIGN ? ~bits : bits | SIGN;
}

static void write_big_endian(uint8_t *out, uint64_t number, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        out[i] = (uint8_t)(number >> (8 * (bytes - 1 - i)));
}

void zsets__write_score(uint8_t *out, double score)
{
    write_big_endian(out, zsets__rank_of_score(score), ZSETS_SCORE_BYTES);
}

double zsets__read_score(struct bytes bytes)
{
    assert(bytes.count >= ZSETS_SCORE_BYTES);
    uint64_t rank = 0;
    for (unsigned i = 0; i < ZSETS_SCORE_BYTES; i++)
        rank = rank << 8 | bytes.at[i];
    const uint64_t bits = rank & SIGN ? rank & ~SIGN : ~rank;
    double score;
    memcpy(&score, &bits, sizeof score);
    return score;
}

bool zsets__open(struct zset *zset, struct run *run, struct bytes key)
{
    *zset = (struct zset){.run = run, .key = key};
    return run_find(run, key, KEY_ZSET, &zset->space, &zset->value);
}

bool zsets__create(struct zset *zset)
{
    return run_is_ok(zset->run,
                     zset->space->kind->create(zset->space, zset->key, KEY_ZSET, &zset->value));
}

bool zsets__reserve(struct zset *zset, size_t bytes)
{
    if (zset->name != NULL && bytes <= zset->name_room)
        return true;
    /* Twice as much each time: scratch is not given back before the command is over. */
    const size_t least = zset->name_room == 0 ? NAME_ROOM_MIN : 2 * zset->name_room;
    const size_t room = bytes < least ? least : bytes;
    uint8_t *at = run_scratch(zset->run, ZSETS_SCORE_BYTES + room);
    if (at == NULL)
        return false;
    zset->name = at + ZSETS_SCORE_BYTES;
    zset->name_room = room;
    return true;
}

bool zsets__reserve_args(struct zset *zset, uint32_t first, uint32_t step)
{
    size_t bytes_max = 0;
    for (uint32_t i = first; i < zset->run->args_count; i += step) {
        const size_t bytes = zset->run->args[i].count;
        bytes_max = bytes > bytes_max ? bytes : bytes_max;
    }
    return zsets__reserve(zset, bytes_max);
}

void zsets__name(struct zset *zset, struct bytes member)
{
    assert(zset->name != NULL && member.count <= zset->name_room);
    if (member.count != 0)
        memcpy(zset->name, member.at, member.count);
    zset->name_bytes = member.count;
    zset->name_hash = members_hash(member);
}

struct bytes zsets__member_key(struct zset *zset)
{
    uint8_t *at = zset->name - SPACE_MEMBER_HASH_BYTES;
    write_big_endian(at, zset->name_hash, SPACE_MEMBER_HASH_BYTES);
    return (struct bytes){at, SPACE_MEMBER_HASH_BYTES + zset->name_bytes};
}

struct bytes zsets__score_key(struct zset *zset, double score)
{
    uint8_t *at = zset->name - ZSETS_SCORE_BYTES;
    zsets__write_score(at, score);
    return (struct bytes){at, ZSETS_SCORE_BYTES + zset->name_bytes};
}

enum space_result zsets__get(struct zset *zset, double *score, bool *is_there)
{
    *is_there = false;
    if (zset->value.type == KEY_NONE || zset->name_bytes > MEMBER_BYTES_MAX)
        return SPACE_OK;
    struct bytes found;
    const enum space_result result = zset->space->kind->tree_get(
        &zset->value, ZSETS_BY_MEMBER, zsets__member_key(zset), &found, is_there);
    if (result == SPACE_OK && *is_there)
        *score = zsets__read_score(found);
    return result;
}

bool zsets__score(struct zset *zset, struct bytes member, double *score, bool *is_there)
{
    if (!zsets__reserve(zset, member.count))
        return false;
    zsets__name(zset, member);
    return run_is_ok(zset->run, zsets__get(zset, score, is_there));
}

enum space_result zsets__remove(struct zset *zset, double score)
{
    const struct space_kind *kind = zset->space->kind;
    bool was_there;
    const enum space_result result =
        kind->tree_remove(&zset->value, ZSETS_BY_SCORE, zsets__score_key(zset, score), &was_there);
    if (result != SPACE_OK)
        return result;
    return kind->tree_remove(&zset->value, ZSETS_BY_MEMBER, zsets__member_key(zset), &was_there);
}

enum space_result zsets__settle(struct zset *zset)
{
    return zset->space->kind->settle(zset->space, zset->key, &zset->value);
}

void zsets__write_head(struct run *run, uint64_t count, enum zsets_form form)
{
    resp_array(run->out, form == ZSETS_FLAT ? 2 * count : count);
}

void zsets__write_member(struct run *run, struct bytes member, double score, enum zsets_form form)
{
    if (form == ZSETS_PAIRS)
        resp_array(run->out, 2);
    resp_bulk(run->out, member);
    if (form != ZSETS_NAMES)
        resp_double(run->out, score);
}
