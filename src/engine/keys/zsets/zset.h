/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/zsets/zset.h - a sorted set under a key: its two trees as one, ranges of it, and
 * results of several.
 *
 * Both trees hold the same members: tree 0 by hash4 and name, with the score as its value; tree 1
 * by score and name. A score is kept as 8 bytes whose order is the scores' order, the same in both
 * trees. -0 is kept as 0, as Redis' small sorted sets do, so a score is read out of either tree.
 *
 * All ranges are ranks: two seeks in tree 1 say from which to which, whatever the limits were.
 *
 * Memory:  scratch of the run; members in results lie in the space until it is changed.
 * Threads: whoever holds the space.
 * Errors:  bool functions have answered when they are false; enum space_result is for the caller to
 *          answer. */
#ifndef PANDO_ENGINE_KEYS_ZSETS_ZSET_H
#define PANDO_ENGINE_KEYS_ZSETS_ZSET_H

#include "engine/keys/members.h"

enum { ZSETS_SCORE_BYTES = 8, ZSETS_BY_MEMBER = 0, ZSETS_BY_SCORE = 1 /* the trees */ };

struct zset {
    struct run        *run;
    struct space      *space;
    struct bytes       key;
    struct space_value value; /* type NONE: nothing is there */
    /* The member that is spoken of, behind room for what its keys begin with. */
    uint8_t *name;
    size_t   name_bytes, name_room;
    uint32_t name_hash;
};

/* ---- scores ---- */

/* The number whose order as an unsigned one is the order of scores. */
uint64_t zsets__rank_of_score(double score);

/* Writes it to @out, ZSETS_SCORE_BYTES bytes. */
void zsets__write_score(uint8_t *out, double score);

/* Reads it from the beginning of @bytes. */
double zsets__read_score(struct bytes bytes);

/* ---- one sorted set ---- */

/* What is under @key, perhaps nothing. False: another type, or damaged. */
bool zsets__open(struct zset *zset, struct run *run, struct bytes key) must_check;

/* Makes a new one where nothing is. */
bool zsets__create(struct zset *zset) must_check;

/* Makes room for names of @bytes bytes. */
bool zsets__reserve(struct zset *zset, size_t bytes) must_check;

/* Makes room for the names that stand at @first, @first + @step, ... of the arguments. */
bool zsets__reserve_args(struct zset *zset, uint32_t first, uint32_t step) must_check;

/* From here on @member is spoken of. There must be room for it. */
void zsets__name(struct zset *zset, struct bytes member);

/* The keys of the member that is spoken of; each until the other is asked for. */
struct bytes zsets__member_key(struct zset *zset);
struct bytes zsets__score_key(struct zset *zset, double score);

/* Its score. *@is_there: false: it is no member. */
enum space_result zsets__get(struct zset *zset, double *score, bool *is_there) must_check;

/* The score of @member; answers what is not OK. */
bool zsets__score(struct zset *zset, struct bytes member, double *score, bool *is_there) must_check;

/* Takes it out; it was a member with @score. */
enum space_result zsets__remove(struct zset *zset, double score) must_check;

/* Once after changes. */
enum space_result zsets__settle(struct zset *zset) must_check;

/* A member and score where a cursor in the tree by score stands. */
static inline struct bytes zsets__name_at(const struct space_cursor *cursor)
{
    return (struct bytes){cursor->key.at + ZSETS_SCORE_BYTES,
                          cursor->key.count - ZSETS_SCORE_BYTES};
}

/* ---- answers ---- */

enum zsets_form {
    ZSETS_NAMES, /* members alone */
    ZSETS_FLAT,  /* member, score, member, score */
    ZSETS_PAIRS, /* an array of arrays of the two */
};

/* How members with scores stand in most answers: pairs in version 3 only. */
static inline enum zsets_form zsets__form(const struct run *run, bool with_scores)
{
    if (!with_scores)
        return ZSETS_NAMES;
    return run->out->version < 3 ? ZSETS_FLAT : ZSETS_PAIRS;
}

/* The head of an array of @count members, which follow one by one. */
void zsets__write_head(struct run *run, uint64_t count, enum zsets_form form);
void zsets__write_member(struct run *run, struct bytes member, double score, enum zsets_form form);

/* ---- ranges: from one rank up to, not with, another ---- */

struct zsets_span {
    uint64_t from, to; /* to >= from; the same: none */
};

enum zsets_by { ZSETS_RANGE_RANK, ZSETS_RANGE_SCORE, ZSETS_RANGE_MEMBER };

struct zsets_limit {
    int64_t      rank;
    double       score;
    struct bytes member;
    bool         is_open;  /* the limit itself is not meant */
    int8_t       infinity; /* of members: -1 is below all, 1 above all */
};

struct zsets_limits {
    enum zsets_by      by;
    struct zsets_limit low, high;
};

/* Reads two arguments as limits; the error is Redis' own for their kind. */
bool zsets__read_limits(struct run *run, enum zsets_by by, uint32_t low, uint32_t high,
                        struct zsets_limits *limits) must_check;

/* The ranks that are between @limits. By members it is right if all scores are equal; if not, Redis
 * promises nothing either: here those with the lowest score are looked at. False: no memory. */
bool zsets__find_span(struct zset *zset, const struct zsets_limits *limits, struct zsets_span *span)
    must_check;

/* How many are below @key in the tree by score. */
uint64_t zsets__rank_of(struct zset *zset, struct bytes key);

/* A cursor at the first of @span, or at its last. */
struct space_cursor zsets__walk(struct zset *zset, struct zsets_span span, bool is_reverse);

static inline void zsets__step(struct space_cursor *cursor, bool is_reverse)
{
    if (is_reverse)
        cursor->space->kind->prev(cursor);
    else
        cursor->space->kind->next(cursor);
}

/* Writes the members of @span as an array. DAMAGED: they are not all there; what was written is to
 * be taken back. */
enum space_result zsets__write_span(struct zset *zset, struct zsets_span span, bool is_reverse,
                                    enum zsets_form form) must_check;

/* Makes room for the names that zsets__remove_span() comes by. */
bool zsets__reserve_span(struct zset *zset, struct zsets_span span) must_check;

/* Removes the members of @span and settles. */
enum space_result zsets__remove_span(struct zset *zset, struct zsets_span span) must_check;

/* ---- results: members of no key yet ---- */

struct zsets_entry {
    double       score;
    struct bytes member;
};

struct zsets_result {
    struct zsets_entry *entries;
    uint64_t            count;
};

/* What is under @key from here on: @result, whose members may lie in what was there; nothing if it
 * is empty. Answers how many. If it finds no room, nothing has changed. */
void zsets__store(struct run *run, struct bytes key, const struct zsets_result *result);

#endif
