/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/zsets/store.c - a result becomes what is under a key.
 *
 * The members are copied to scratch first, since the destination may be one of the sources. Then
 * the new sorted set is built aside, while the old value stays, and takes its place at once; so if
 * there is no room half-way, the half is removed and nothing has changed. */
#include "engine/keys/whole.h"
#include "engine/keys/zsets/zset.h"

/* The members of @result move to scratch; *@longest: of their names. */
static bool copy_members(struct run *run, const struct zsets_result *result, size_t *longest)
{
    size_t bytes = 0;
    *longest = 0;
    for (uint64_t i = 0; i < result->count; i++) {
        const size_t name_bytes = result->entries[i].member.count;
        bytes += name_bytes;
        *longest = name_bytes > *longest ? name_bytes : *longest;
    }
    uint8_t *at = run_scratch(run, bytes + 1);
    if (at == NULL)
        return false;
    for (uint64_t i = 0; i < result->count; i++) {
        struct bytes *member = &result->entries[i].member;
        if (member->count != 0)
            memcpy(at, member->at, member->count);
        member->at = at;
        at += member->count;
    }
    return true;
}

/* False: answered, and what was built is gone. */
static bool put_all(struct aside *aside, struct zset *names, const struct zsets_result *result)
{
    for (uint64_t i = 0; i < result->count; i++) {
        const struct zsets_entry *entry = &result->entries[i];
        uint8_t score[ZSETS_SCORE_BYTES];
        zsets__write_score(score, entry->score);
        zsets__name(names, entry->member);
        if (!aside_put(aside, ZSETS_BY_SCORE, zsets__score_key(names, entry->score),
                       (struct bytes){NULL, 0}) ||
            !aside_put(aside, ZSETS_BY_MEMBER, zsets__member_key(names),
                       (struct bytes){score, sizeof score}))
            return false;
    }
    return true;
}

static void store(struct run *run, struct space *space, struct bytes key,
                  const struct zsets_result *result)
{
    struct zset names = {.run = run};
    struct aside aside;
    size_t longest;
    if (copy_members(run, result, &longest) && zsets__reserve(&names, longest) &&
        aside_begin(&aside, run, space, KEY_ZSET) && put_all(&aside, &names, result) &&
        aside_keep(&aside, key))
        resp_integer(run->out, (int64_t)result->count);
}

void zsets__store(struct run *run, struct bytes key, const struct zsets_result *result)
{
    struct space *space = run->space_of(run, key);
    if (result->count != 0) {
        store(run, space, key, result);
        return;
    }
    (void)space->kind->remove(space, key);
    resp_integer(run->out, 0);
}
