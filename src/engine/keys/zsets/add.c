/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/zsets/add.c - ZADD and ZINCRBY: scores that are set, under conditions.
 *
 * All scores are read before anything is changed, and what was changed is taken back if there is no
 * room for all of it. */
#include "engine/keys/zsets/change.h"

#include <math.h>

enum condition {
    NX = 1 << 0,   /* only new members */
    XX = 1 << 1,   /* only those that are there */
    GT = 1 << 2,   /* only to a higher score */
    LT = 1 << 3,   /* only to a lower one */
    CH = 1 << 4,   /* those that changed are counted too */
    INCR = 1 << 5, /* the number is added to the score */
};

struct add {
    unsigned conditions;
    uint32_t first;  /* place of the first score; members stand behind their scores */
    uint32_t count;  /* of pairs */
    double  *scores; /* of the pairs */
    uint32_t added, updated;
    bool     is_done; /* INCR: a score came of it */
    bool     is_nan;
    double   score; /* that one */
};

static unsigned condition_of(const struct run *run, uint32_t index)
{
    static const struct {
        const char *word;
        enum condition condition;
    } words[] = {{"nx", NX}, {"xx", XX}, {"gt", GT}, {"lt", LT}, {"ch", CH}, {"incr", INCR}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (run_arg_is(run, index, words[i].word))
            return words[i].condition;
    }
    return 0;
}

static void read_conditions(const struct run *run, struct add *add)
{
    unsigned condition;
    add->first = 2;
    while (add->first < run->args_count && (condition = condition_of(run, add->first)) != 0) {
        add->conditions |= condition;
        add->first++;
    }
    add->count = (run->args_count - add->first) / 2;
}

static bool has(const struct add *add, unsigned conditions)
{
    return (add->conditions & conditions) == conditions;
}

/* What may not be said together; NULL if it may. */
static const char *contradiction(const struct run *run, const struct add *add)
{
    if (add->count == 0 || (run->args_count - add->first) % 2 != 0)
        return RUN_SYNTAX;
    if (has(add, NX | XX))
        return "ERR XX and NX options at the same time are not compatible";
    if (has(add, GT | NX) || has(add, LT | NX) || has(add, GT | LT))
        return "ERR GT, LT, and/or NX options at the same time are not compatible";
    if (has(add, INCR) && add->count > 1)
        return "ERR INCR option supports a single increment-element pair";
    return NULL;
}

static bool read_scores(struct run *run, struct add *add)
{
    add->scores = run_scratch(run, add->count * sizeof *add->scores);
    if (add->scores == NULL)
        return false;
    for (uint32_t i = 0; i < add->count; i++) {
        if (!run_double(run, add->first + 2 * i, &add->scores[i]))
            return false;
    }
    return true;
}

/* The score that a member with @before (NULL: that is none yet) gets from @number; false: it stays
 * as it is. */
static bool decide(struct add *add, const double *before, double number, double *after)
{
    *after = number;
    if (before == NULL)
        return !has(add, XX);
    if (has(add, NX))
        return false;
    if (has(add, INCR))
        *after = *before + number;
    add->is_nan = isnan(*after);
    return !add->is_nan && !(has(add, LT) && *after >= *before) &&
           !(has(add, GT) && *after <= *before);
}

static void add_one(struct add *add, struct zsets_changes *changes, struct bytes member,
                    double number)
{
    double after;
    const double *before = zsets__changes_look(changes, member);
    if (changes->result != SPACE_OK || !decide(add, before, number, &after))
        return;
    add->is_done = true;
    add->score = after;
    if (before != NULL && *before == after)
        return;
    add->added += before == NULL;
    add->updated += before != NULL;
    zsets__change(changes, member, before, after);
}

/* False: answered. */
static bool add_all(struct run *run, struct add *add, struct zset *zset)
{
    struct zsets_changes changes;
    if (!zsets__reserve_args(zset, add->first + 1, 2) ||
        !zsets__changes_init(&changes, zset, add->count) ||
        (zset->value.type == KEY_NONE && !zsets__create(zset)))
        return false;
    for (uint32_t i = 0; i < add->count && changes.result == SPACE_OK; i++)
        add_one(add, &changes, run->args[add->first + 2 * i + 1], add->scores[i]);
    return zsets__changes_end(&changes);
}

static void answer(struct run *run, const struct add *add)
{
    if (!has(add, INCR))
        resp_integer(run->out, add->added + (has(add, CH) ? add->updated : 0));
    else if (add->is_nan)
        resp_error(run->out, "ERR resulting score is not a number (NaN)");
    else if (add->is_done)
        resp_double(run->out, add->score);
    else
        resp_null(run->out);
}

static void add_to(struct run *run, struct add *add)
{
    struct zset zset;
    if (!read_scores(run, add) || !zsets__open(&zset, run, run->args[1]))
        return;
    if (zset.value.type == KEY_NONE && has(add, XX)) {
        answer(run, add);
        return;
    }
    if (add_all(run, add, &zset))
        answer(run, add);
}

void run__ZADD(struct run *run)
{
    struct add add = {0};
    read_conditions(run, &add);
    const char *error = contradiction(run, &add);
    if (error != NULL)
        resp_error(run->out, error);
    else
        add_to(run, &add);
}

void run__ZINCRBY(struct run *run)
{
    struct add add = {.conditions = INCR, .first = 2, .count = 1};
    add_to(run, &add);
}
