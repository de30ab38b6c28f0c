/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/space/model_test.c - the model of model_testing.h. */
#include "engine/lmdb/space/model_testing.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static uint32_t draw(struct model *model, uint32_t below)
{
    return random_below(random_next(&model->random), below);
}

/* Short, empty, tagged and long ones; the long ones differ at the end only. */
struct bytes model_key(struct model *model, unsigned index)
{
    const size_t longest = model->is_ordered ? 500 : 1000;
    size_t bytes = index == 0 ? 0 : index % 4 == 1 ? longest - index : 3 + index;
    memset(model->name, 'k', bytes);
    if (index % 4 == 2)
        memcpy(model->name, "{t}", 3);
    if (bytes > 0)
        model->name[bytes - 1] = (uint8_t)('a' + index);
    return (struct bytes){model->name, bytes};
}

static struct bytes member_of(const struct model *model, unsigned member)
{
    return (struct bytes){model->members[member], model->member_bytes[member]};
}

/* In their order: the first two bytes say it; every fifth is so long that its key is cut. */
static void name_members(struct model *model)
{
    for (unsigned i = 0; i < MODEL_MEMBERS; i++) {
        const size_t bytes = i == 0 ? 0 : i % 5 == 4 ? 450 + 16 * i : 2 + i % 7;
        memset(model->members[i], 0xee, bytes);
        if (bytes > 0)
            model->members[i][0] = (uint8_t)(i / 16);
        if (bytes > 1)
            model->members[i][1] = (uint8_t)(i % 16 * 16);
        model->member_bytes[i] = bytes;
    }
}

void model_init(struct model *model, bool is_ordered, uint64_t seed)
{
    *model = (struct model){.is_ordered = is_ordered, .now_ms = 1000000};
    random_init(&model->random, seed);
    name_members(model);
}

void model_fini(struct model *model)
{
    for (unsigned i = 0; i < MODEL_KEYS; i++)
        free(model->values[i].string);
}

void model_copy(struct model *to, const struct model *from)
{
    const struct random random = to->random;
    model_fini(to);
    *to = *from;
    to->random = random;
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        struct model_value *value = &to->values[i];
        if (value->string == NULL)
            continue;
        value->string = malloc(value->string_bytes + 1);
        memcpy(value->string, from->values[i].string, value->string_bytes);
    }
}

static struct bytes member_bytes(uint32_t seed, uint8_t *room)
{
    const size_t bytes = seed % 13 == 0 ? 3000 + seed % 3000 : seed % 40;
    for (size_t i = 0; i < bytes; i++)
        room[i] = (uint8_t)(seed + i * 7);
    return (struct bytes){room, bytes};
}

static uint64_t count_of(const struct model_value *value, unsigned tree)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < MODEL_MEMBERS; i++)
        count += value->is_there[tree][i];
    return count;
}

static void forget(struct model_value *value)
{
    free(value->string);
    *value = (struct model_value){0};
}

static bool is_live(const struct model *model, const struct model_value *value)
{
    return value->type != KEY_NONE && (value->expires_ms == 0 || value->expires_ms > model->now_ms);
}

/* ---- changes ---- */

static uint64_t draw_expiry(struct model *model)
{
    return draw(model, 3) == 0 ? model->now_ms + 1 + draw(model, 500) : 0;
}

static size_t draw_length(struct model *model)
{
    const uint32_t kind = draw(model, 8);
    return kind == 0   ? draw(model, MODEL_STRING_MAX)
           : kind == 1 ? 65536 + draw(model, 2)
           : kind == 2 ? 0
                       : draw(model, 300);
}

static void step_put(struct model *model, struct space *space, unsigned index)
{
    struct model_value *value = &model->values[index];
    const size_t bytes = draw_length(model);
    forget(value);
    value->type = KEY_STRING;
    value->expires_ms = draw_expiry(model);
    value->string = malloc(bytes + 1);
    value->string_bytes = bytes;
    memset(value->string, (int)draw(model, 256), bytes);
    const struct bytes string = {value->string, bytes};
    cr_assert(space->kind->put(space, model_key(model, index), string, value->expires_ms) ==
              SPACE_OK);
}

static void step_edit(struct model *model, struct space *space, unsigned index)
{
    struct model_value *value = &model->values[index];
    struct space_value found;
    uint8_t *at;
    if (!is_live(model, value))
        forget(value);
    if (value->type != KEY_NONE && value->type != KEY_STRING)
        return;
    const size_t bytes = draw_length(model) + 1;
    const size_t place = draw(model, (uint32_t)bytes);
    const struct bytes key = model_key(model, index);
    cr_assert(space->kind->find(space, key, &found) == SPACE_OK);
    cr_assert(found.type == value->type);
    cr_assert(space->kind->edit(space, key, &found, bytes, &at) == SPACE_OK);
    value->string = realloc(value->string, bytes);
    if (bytes > value->string_bytes)
        memset(value->string + value->string_bytes, 0, bytes - value->string_bytes);
    cr_assert(memcmp(at, value->string, bytes) == 0);
    at[place] = value->string[place] = (uint8_t)draw(model, 256);
    value->type = KEY_STRING;
    value->string_bytes = bytes;
    cr_assert(space->kind->edited(space, key, &found) == SPACE_OK);
    cr_assert(bytes_equal(found.string, (struct bytes){value->string, bytes}));
}

static void change_member(struct model *model, struct space *space, struct model_value *value,
                          struct space_value *found)
{
    static uint8_t room[8192];
    bool is_new, was_there;
    const unsigned member = draw(model, MODEL_MEMBERS), tree = draw(model, 4) == 0;
    const struct bytes name = member_of(model, member);
    const uint32_t seed = (uint32_t)random_next(&model->random);
    if (draw(model, 3) == 0) {
        cr_assert(space->kind->tree_remove(found, tree, name, &was_there) == SPACE_OK);
        cr_assert(was_there == value->is_there[tree][member]);
        value->is_there[tree][member] = false;
        return;
    }
    cr_assert(space->kind->tree_put(found, tree, name, member_bytes(seed, room), &is_new) ==
              SPACE_OK);
    cr_assert(is_new == !value->is_there[tree][member]);
    value->is_there[tree][member] = true;
    value->seeds[tree][member] = seed;
}

/* A collection without members in tree 0 is removed, whatever is in tree 1; ours then has none. */
static void step_members(struct model *model, struct space *space, unsigned index)
{
    struct model_value *value = &model->values[index];
    struct space_value found;
    const struct bytes key = model_key(model, index);
    if (!is_live(model, value))
        forget(value);
    if (value->type == KEY_STRING)
        return;
    cr_assert(space->kind->find(space, key, &found) == SPACE_OK);
    if (value->type == KEY_NONE) {
        value->type = KEY_ZSET;
        cr_assert(space->kind->create(space, key, KEY_ZSET, &found) == SPACE_OK);
    }
    for (uint32_t left = 1 + draw(model, 12); left > 0; left--)
        change_member(model, space, value, &found);
    cr_assert(found.count == count_of(value, 0));
    for (unsigned i = 0; i < MODEL_MEMBERS && found.count == 0; i++) {
        bool was_there;
        cr_assert(space->kind->tree_remove(&found, 1, member_of(model, i), &was_there) == SPACE_OK);
    }
    cr_assert(space->kind->settle(space, key, &found) == SPACE_OK);
    if (count_of(value, 0) == 0)
        forget(value);
}

static void step_remove(struct model *model, struct space *space, unsigned index)
{
    struct model_value *value = &model->values[index];
    cr_assert(space->kind->remove(space, model_key(model, index)) == is_live(model, value));
    forget(value);
}

static void step_expire(struct model *model, struct space *space, unsigned index)
{
    struct model_value *value = &model->values[index];
    struct space_value found;
    const struct bytes key = model_key(model, index);
    if (!is_live(model, value))
        return;
    value->expires_ms = draw_expiry(model);
    cr_assert(space->kind->find(space, key, &found) == SPACE_OK);
    cr_assert(space->kind->expire(space, key, &found, value->expires_ms) == SPACE_OK);
    cr_assert(found.expires_ms == value->expires_ms);
}

static void step_rename(struct model *model, struct space *space, unsigned index)
{
    uint8_t copy[MODEL_NAME_MAX];
    const unsigned to = draw(model, MODEL_KEYS);
    const struct bytes to_name = model_key(model, to);
    if (!is_live(model, &model->values[index]) || to == index)
        return;
    memcpy(copy, to_name.at, to_name.count);
    const struct bytes to_key = {copy, to_name.count};
    cr_assert(space->kind->rename(space, model_key(model, index), space, to_key) == SPACE_OK);
    forget(&model->values[to]);
    model->values[to] = model->values[index];
    model->values[index] = (struct model_value){0};
}

void model_step(struct model *model, struct space *space)
{
    static void (*const steps[])(struct model * model, struct space * space, unsigned index) = {
        step_put,     step_edit,   step_edit,   step_members, step_members,
        step_members, step_remove, step_expire, step_rename};
    model->now_ms += draw(model, 20);
    space->now_ms = model->now_ms;
    steps[draw(model, sizeof steps / sizeof steps[0])](model, space, draw(model, MODEL_KEYS));
    if (draw(model, 200) > 0)
        return;
    space->kind->clear(space);
    for (unsigned i = 0; i < MODEL_KEYS; i++)
        forget(&model->values[i]);
}

/* ---- comparison ---- */

static void compare_place(struct model *model, struct space_cursor *cursor,
                          const struct model_value *value, unsigned member)
{
    static uint8_t room[8192];
    const struct bytes bytes = member_bytes(value->seeds[cursor->tree][member], room);
    cr_assert(cursor->is_there);
    cr_assert(bytes_equal(cursor->key, member_of(model, member)), "member %u", member);
    cr_assert(bytes_equal(cursor->member_value, bytes));
}

static void compare_walks(struct model *model, struct space *space, struct space_value *found,
                          const struct model_value *value, unsigned tree)
{
    struct space_cursor up = {.value = found, .tree = (uint8_t)tree};
    struct space_cursor down = up;
    uint64_t rank = 0;
    space->kind->seek(&up, (struct bytes){NULL, 0});
    for (unsigned i = 0; i < MODEL_MEMBERS; i++) {
        if (!value->is_there[tree][i])
            continue;
        compare_place(model, &up, value, i);
        cr_assert(space->kind->rank(&up) == rank++);
        space->kind->next(&up);
    }
    cr_assert(!up.is_there);
    space->kind->seek_end(&down);
    cr_assert(!down.is_there);
    for (unsigned i = MODEL_MEMBERS; i-- > 0;) {
        if (!value->is_there[tree][i])
            continue;
        space->kind->prev(&down);
        compare_place(model, &down, value, i);
    }
    space->kind->prev(&down);
    cr_assert(!down.is_there);
    space->kind->next(&down);
    cr_assert(down.is_there == (rank > 0));
}

static void compare_seeks(struct model *model, struct space *space, struct space_value *found,
                          const struct model_value *value, unsigned tree)
{
    uint64_t rank = 0;
    for (unsigned i = 0; i < MODEL_MEMBERS; i++) {
        struct space_cursor cursor = {.value = found, .tree = (uint8_t)tree};
        struct bytes bytes;
        bool is_there;
        unsigned next = i;
        while (next < MODEL_MEMBERS && !value->is_there[tree][next])
            next++;
        space->kind->seek(&cursor, member_of(model, i));
        cr_assert(cursor.is_there == (next < MODEL_MEMBERS));
        if (cursor.is_there)
            compare_place(model, &cursor, value, next);
        cr_assert(space->kind->tree_get(found, tree, member_of(model, i), &bytes, &is_there) ==
                  SPACE_OK);
        cr_assert(is_there == value->is_there[tree][i]);
        if (!is_there || tree == 1)
            continue;
        space->kind->seek_rank(&cursor, rank++);
        compare_place(model, &cursor, value, i);
    }
}

static void compare_value(struct model *model, struct space *space, unsigned index)
{
    const struct model_value *value = &model->values[index];
    struct space_value found;
    cr_assert(space->kind->find(space, model_key(model, index), &found) == SPACE_OK);
    if (!is_live(model, value)) {
        cr_assert(found.type == KEY_NONE);
        return;
    }
    cr_assert(found.type == value->type && found.expires_ms == value->expires_ms);
    if (value->type == KEY_STRING) {
        cr_assert(bytes_equal(found.string, (struct bytes){value->string, value->string_bytes}));
        return;
    }
    cr_assert(found.count == count_of(value, 0));
    for (unsigned tree = 0; tree < 2; tree++) {
        compare_walks(model, space, &found, value, tree);
        compare_seeks(model, space, &found, value, tree);
    }
}

struct visits {
    struct model *model;
    unsigned      seen[MODEL_KEYS];
    size_t        left; /* until visit says to stop */
};

static bool visit(void *self, struct bytes key, const struct space_value *value)
{
    struct visits *visits = self;
    unsigned index = 0;
    while (index < MODEL_KEYS && !bytes_equal(model_key(visits->model, index), key))
        index++;
    cr_assert(index < MODEL_KEYS);
    visits->seen[index]++;
    cr_assert(value->type == visits->model->values[index].type);
    return visits->left-- > 1;
}

static void compare_scan(struct model *model, struct space *space, size_t budget, size_t stop)
{
    struct visits visits = {.model = model};
    uint64_t position = 0;
    while (position != SPACE_SCAN_END) {
        visits.left = stop;
        space->kind->scan(space, &position, budget, visit, &visits);
    }
    for (unsigned i = 0; i < MODEL_KEYS; i++)
        cr_assert(visits.seen[i] == is_live(model, &model->values[i]), "key %u: %u", i,
                  visits.seen[i]);
}

/* The key that is beside key @index, by looking at all. */
static unsigned beside(struct model *model, unsigned index, bool is_reverse, bool is_after)
{
    uint8_t from[MODEL_NAME_MAX], best[MODEL_NAME_MAX];
    size_t best_bytes = 0;
    unsigned found = MODEL_KEYS;
    const struct bytes name = model_key(model, index);
    const struct bytes from_key = {from, name.count};
    memcpy(from, name.at, name.count);
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        const struct bytes key = model_key(model, i);
        const int order = is_reverse ? bytes_compare(from_key, key) : bytes_compare(key, from_key);
        const struct bytes best_key = {best, best_bytes};
        const int better = is_reverse ? bytes_compare(key, best_key) : bytes_compare(best_key, key);
        if (!is_live(model, &model->values[i]) || order < 0 || (is_after && order == 0) ||
            (found != MODEL_KEYS && better < 0))
            continue;
        found = i;
        best_bytes = key.count;
        memcpy(best, key.at, key.count);
    }
    return found;
}

static void compare_order(struct model *model, struct space *space)
{
    for (unsigned i = 0; i < 4 * MODEL_KEYS; i++) {
        struct bytes key;
        const bool is_reverse = i & 1, is_after = i & 2;
        const unsigned expected = beside(model, i / 4, is_reverse, is_after);
        const bool is_there =
            space->kind->beside(space, model_key(model, i / 4), is_reverse, is_after, &key);
        cr_assert(is_there == (expected != MODEL_KEYS));
        if (is_there)
            cr_assert(bytes_equal(key, model_key(model, expected)));
    }
}

void model_compare(struct model *model, struct space *space)
{
    struct bytes key;
    bool any = false;
    space->now_ms = model->now_ms;
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        any |= is_live(model, &model->values[i]);
        compare_value(model, space, i);
    }
    compare_scan(model, space, 1, SIZE_MAX);
    compare_scan(model, space, 5, SIZE_MAX);
    compare_scan(model, space, 100, 1);
    cr_assert(space->kind->random(space, random_next(&model->random), &key) == any);
    if (model->is_ordered)
        compare_order(model, space);
}
