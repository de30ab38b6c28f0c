/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/whole.c - changes of many members that happen whole or not at all. */
#include "engine/keys/whole.h"

#include "engine/keys/members.h"

/* ---- the trail ---- */

struct trail_step {
    struct trail_step *before;
    struct bytes       key;
    struct bytes       old; /* a copy */
    bool               was_there;
};

static struct trail_step *make_step(struct trail *trail, struct bytes member)
{
    struct trail_step *step = run_scratch(trail->run, sizeof *step);
    if (step == NULL)
        return NULL;
    *step = (struct trail_step){
        .before = trail->last,
        .key = members_key(trail->run, member),
    };
    return step->key.at == NULL ? NULL : step;
}

/* Copies what is there now. */
static bool remember(struct trail *trail, struct trail_step *step)
{
    struct bytes found = {0};
    if (!run_is_ok(trail->run, trail->space->kind->tree_get(trail->value, 0, step->key, &found,
                                                            &step->was_there)))
        return false;
    if (!step->was_there)
        return true;
    uint8_t *copy = run_scratch(trail->run, found.count + 1);
    if (copy == NULL)
        return false;
    if (found.count > 0)
        memcpy(copy, found.at, found.count);
    step->old = (struct bytes){copy, found.count};
    return true;
}

bool trail_put(struct trail *trail, struct bytes member, struct bytes bytes, bool keeps_old,
               bool *is_new)
{
    if (member.count > MEMBER_BYTES_MAX)
        return run_is_ok(trail->run, SPACE_TOO_LARGE);
    struct trail_step *step = make_step(trail, member);
    if (step == NULL || (keeps_old && !remember(trail, step)))
        return false;
    if (!run_is_ok(trail->run,
                   trail->space->kind->tree_put(trail->value, 0, step->key, bytes, is_new)))
        return false;
    if (*is_new || keeps_old)
        trail->last = step;
    return true;
}

void trail_back(struct trail *trail)
{
    const struct space_kind *kind = trail->space->kind;
    for (struct trail_step *step = trail->last; step != NULL; step = step->before) {
        bool ignored;
        if (step->was_there)
            (void)kind->tree_put(trail->value, 0, step->key, step->old, &ignored);
        else
            (void)kind->tree_remove(trail->value, 0, step->key, &ignored);
    }
    trail->last = NULL;
}

/* ---- aside ---- */

static struct bytes name_of(const struct aside *aside)
{
    return (struct bytes){aside->name, sizeof aside->name};
}

/* Gone, whatever state it is in. */
static bool drop(struct aside *aside)
{
    (void)aside->space->kind->settle(aside->space, name_of(aside), &aside->value);
    (void)aside->space->kind->remove(aside->space, name_of(aside));
    return false;
}

/* A name of zeros and 16 bytes of chance. */
static void draw_name(struct aside *aside)
{
    const uint64_t draws[] = {random_next(aside->run->random), random_next(aside->run->random)};
    _Static_assert(sizeof draws < ASIDE_NAME_BYTES, "the name begins with zeros");
    memset(aside->name, 0, sizeof aside->name);
    memcpy(aside->name + sizeof aside->name - sizeof draws, draws, sizeof draws);
}

bool aside_begin(struct aside *aside, struct run *run, struct space *space, enum key_type type)
{
    *aside = (struct aside){.run = run, .space = space};
    do {
        draw_name(aside);
        if (!run_is_ok(run, space->kind->find(space, name_of(aside), &aside->value)))
            return false;
    } while (aside->value.type != KEY_NONE);
    return run_is_ok(run, space->kind->create(space, name_of(aside), type, &aside->value));
}

bool aside_put(struct aside *aside, unsigned tree, struct bytes key, struct bytes bytes)
{
    bool is_new;
    const enum space_result result =
        aside->space->kind->tree_put(&aside->value, tree, key, bytes, &is_new);
    return run_is_ok(aside->run, result) || drop(aside);
}

bool aside_keep(struct aside *aside, struct bytes key)
{
    enum space_result result =
        aside->space->kind->settle(aside->space, name_of(aside), &aside->value);
    if (result == SPACE_OK)
        result = aside->space->kind->rename(aside->space, name_of(aside), aside->space, key);
    if (result != SPACE_OK)
        (void)aside->space->kind->remove(aside->space, name_of(aside));
    return run_is_ok(aside->run, result);
}
