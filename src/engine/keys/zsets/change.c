/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/zsets/change.c - changes of scores that are made all or not at all. */
#include "engine/keys/zsets/change.h"

bool zsets__changes_init(struct zsets_changes *changes, struct zset *zset, uint32_t count_max)
{
    *changes = (struct zsets_changes){.zset = zset};
    changes->at = run_scratch(zset->run, count_max * sizeof *changes->at);
    return changes->at != NULL;
}

static enum space_result put_place(struct zset *zset, double score, bool *is_new)
{
    return zset->space->kind->tree_put(&zset->value, ZSETS_BY_SCORE, zsets__score_key(zset, score),
                                       (struct bytes){NULL, 0}, is_new);
}

static enum space_result put_score(struct zset *zset, double score)
{
    uint8_t bytes[ZSETS_SCORE_BYTES];
    bool is_new;
    zsets__write_score(bytes, score);
    return zset->space->kind->tree_put(&zset->value, ZSETS_BY_MEMBER, zsets__member_key(zset),
                                       (struct bytes){bytes, sizeof bytes}, &is_new);
}

static enum space_result remove_place(struct zset *zset, double score)
{
    bool was_there;
    return zset->space->kind->tree_remove(&zset->value, ZSETS_BY_SCORE,
                                          zsets__score_key(zset, score), &was_there);
}

static enum space_result remove_score(struct zset *zset)
{
    bool was_there;
    return zset->space->kind->tree_remove(&zset->value, ZSETS_BY_MEMBER, zsets__member_key(zset),
                                          &was_there);
}

static void note_failure(struct zsets_changes *changes, enum space_result result)
{
    if (changes->result == SPACE_OK)
        changes->result = result;
}

const double *zsets__changes_look(struct zsets_changes *changes, struct bytes member)
{
    bool is_there;
    zsets__name(changes->zset, member);
    note_failure(changes, member.count > MEMBER_BYTES_MAX ? SPACE_TOO_LARGE : SPACE_OK);
    note_failure(changes, zsets__get(changes->zset, &changes->before, &is_there));
    return is_there ? &changes->before : NULL;
}

void zsets__change(struct zsets_changes *changes, struct bytes member, const double *before,
                   double after)
{
    struct zset *zset = changes->zset;
    struct zsets_change change = {.member = member, .after = after, .was_there = before != NULL};
    if (before != NULL)
        change.before = *before;
    note_failure(changes, put_place(zset, after, &change.is_new_place));
    if (changes->result != SPACE_OK)
        return;
    note_failure(changes, put_score(zset, after));
    if (changes->result != SPACE_OK) {
        if (change.is_new_place)
            (void)remove_place(zset, after);
        return;
    }
    changes->has_returned |= !change.is_new_place;
    changes->at[changes->count++] = change;
}

/* Neither removing nor writing over needs room. If the disk fails here as well, the engine gives up
 * the whole transaction. */
static void take_back(struct zsets_changes *changes)
{
    struct zset *zset = changes->zset;
    while (changes->count > 0) {
        const struct zsets_change *change = &changes->at[--changes->count];
        zsets__name(zset, change->member);
        if (change->is_new_place)
            (void)remove_place(zset, change->after);
        (void)(change->was_there ? put_score(zset, change->before) : remove_score(zset));
    }
}

/* Removes the place that @change left, unless the member came back to it. */
static enum space_result leave(struct zsets_changes *changes, const struct zsets_change *change)
{
    struct zset *zset = changes->zset;
    zsets__name(zset, change->member);
    if (!changes->has_returned)
        return remove_place(zset, change->before);
    double now;
    bool is_there;
    const enum space_result result = zsets__get(zset, &now, &is_there);
    if (result != SPACE_OK || (is_there && now == change->before))
        return result;
    return remove_place(zset, change->before);
}

bool zsets__changes_end(struct zsets_changes *changes)
{
    const bool is_due = changes->count > 0 || changes->result != SPACE_OK;
    if (changes->result != SPACE_OK)
        take_back(changes);
    for (uint32_t i = 0; i < changes->count && changes->result == SPACE_OK; i++) {
        if (changes->at[i].was_there)
            note_failure(changes, leave(changes, &changes->at[i]));
    }
    if (is_due)
        note_failure(changes, zsets__settle(changes->zset));
    return run_is_ok(changes->zset->run, changes->result);
}
