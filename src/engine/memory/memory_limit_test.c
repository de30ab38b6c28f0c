/* SPDX-License-Identifier: Apache-2.0 */
/* engine/memory/memory_limit_test.c - the limit is hard at every step; who goes for whom. */
#include "core/random.h"
#include "engine/memory/memory_testing.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { KEYS = 400, STEPS = 20000, LIMIT = 64 * 1024, VALUE_MAX = 3000 };

static uint8_t filler[LIMIT + 1];

static struct bytes key_of(unsigned number, char text[static 24])
{
    snprintf(text, 24, "key:%u", number);
    return bytes_of(text);
}

static enum space_result add_member(struct memory_space *space, struct bytes key, unsigned member)
{
    const struct space_kind *kind = space->space.kind;
    struct space_value value;
    bool is_new;
    char text[24];
    cr_assert(kind->find(&space->space, key, &value) == SPACE_OK);
    if (value.type != KEY_SET && value.type != KEY_NONE)
        return SPACE_OK;
    enum space_result result = SPACE_OK;
    if (value.type == KEY_NONE)
        result = kind->create(&space->space, key, KEY_SET, &value);
    if (result != SPACE_OK)
        return result;
    result = kind->tree_put(&value, 0, key_of(member, text), (struct bytes){0}, &is_new);
    cr_assert(kind->settle(&space->space, key, &value) == SPACE_OK);
    return result;
}

static enum space_result edit(struct memory_space *space, struct bytes key, size_t bytes)
{
    const struct space_kind *kind = space->space.kind;
    struct space_value value;
    uint8_t *at;
    cr_assert(kind->find(&space->space, key, &value) == SPACE_OK);
    if (value.type != KEY_STRING && value.type != KEY_NONE)
        return SPACE_OK;
    const enum space_result result = kind->edit(&space->space, key, &value, bytes, &at);
    if (result == SPACE_OK)
        cr_assert(kind->edited(&space->space, key, &value) == SPACE_OK);
    return result;
}

static enum space_result expire(struct memory_space *space, struct bytes key)
{
    const struct space_kind *kind = space->space.kind;
    struct space_value value;
    cr_assert(kind->find(&space->space, key, &value) == SPACE_OK);
    return value.type == KEY_NONE ? SPACE_OK : kind->expire(&space->space, key, &value, 1000000);
}

static enum space_result step(struct memory_space *space, struct random *random)
{
    const struct space_kind *kind = space->space.kind;
    char text[24], other_text[24];
    const struct bytes key = key_of(random_below(random_next(random), KEYS), text);
    const size_t bytes = random_below(random_next(random), VALUE_MAX);
    switch (random_below(random_next(random), 8)) {
    case 0:
    case 1: return kind->put(&space->space, key, (struct bytes){filler, bytes}, bytes % 3);
    case 2: return edit(space, key, bytes);
    case 3: kind->remove(&space->space, key); return SPACE_OK;
    case 4: return expire(space, key);
    case 5:
        return kind->rename(&space->space, key, &space->space,
                            key_of(random_below(random_next(random), KEYS), other_text));
    default: return add_member(space, key, (unsigned)bytes);
    }
}

static void expect_within(const struct memory_space *space)
{
    cr_assert(memory_space_bytes(space) <= space->granted_bytes);
    cr_assert(space->budget->granted_bytes == space->granted_bytes);
    cr_assert(space->granted_bytes <= LIMIT, "%lu", space->granted_bytes);
}

static void walk_at_random(bool evicts, bool is_ordered)
{
    struct memory_space *space = memory_testing_new(LIMIT, is_ordered);
    space->own_budget.evicts = evicts;
    struct random random;
    random_init(&random, 17 + is_ordered);
    unsigned full = 0;
    for (unsigned i = 0; i < STEPS; i++) {
        memory_space_begin(space, 1000 + i, false);
        const enum space_result result = step(space, &random);
        cr_assert(result == SPACE_OK || result == SPACE_FULL);
        full += result == SPACE_FULL;
        expect_within(space);
        memory_space_end(space);
        expect_within(space);
        if (i % 100 == 0) {
            memory_testing_expect_counted(space);
            memory_space_tend(space, 1000 + i, 10);
            expect_within(space);
        }
    }
    struct memory_counts counts = {0};
    memory_space_count(space, &counts);
    cr_expect(evicts ? full == 0 : full > 100, "%u were refused", full);
    cr_expect(evicts ? counts.evicted > 100 : counts.evicted == 0);
    memory_space_free(space);
}

Test(memory_limit, is_never_exceeded_while_keys_are_evicted)
{
    walk_at_random(true, false);
    walk_at_random(true, true);
}

Test(memory_limit, is_never_exceeded_where_nothing_is_evicted)
{
    walk_at_random(false, false);
    walk_at_random(false, true);
}

Test(memory_limit, evicts_nobody_for_what_can_never_fit)
{
    struct memory_space *space = memory_testing_new(LIMIT, false);
    const struct space_kind *kind = space->space.kind;
    char text[24];
    for (unsigned i = 0; i < 20; i++)
        cr_assert(kind->put(&space->space, key_of(i, text), bytes_of("v"), 0) == SPACE_OK);
    memory_space_begin(space, 1, false);
    cr_expect(kind->put(&space->space, bytes_of("large"), (struct bytes){filler, LIMIT}, 0) ==
              SPACE_FULL);
    cr_expect(edit(space, bytes_of("large"), LIMIT) == SPACE_FULL);
    cr_expect(kind->count(&space->space) == 20);
    memory_space_free(space);
}

/* A command that found many values and then makes a large one keeps what it found. */
Test(memory_limit, never_evicts_what_the_command_found)
{
    struct memory_space *space = memory_testing_new(LIMIT, false);
    const struct space_kind *kind = space->space.kind;
    struct space_value found[20];
    char text[24];
    for (unsigned i = 0; i < KEYS; i++) {
        memory_space_begin(space, 1, false);
        cr_assert(kind->put(&space->space, key_of(i, text), (struct bytes){filler, 100}, 0) ==
                  SPACE_OK);
    }
    memory_space_begin(space, 1, false);
    unsigned found_count = 0;
    for (unsigned i = 0; i < KEYS && found_count < 20; i += 7) {
        cr_assert(kind->find(&space->space, key_of(i, text), &found[found_count]) == SPACE_OK);
        found_count += found[found_count].type == KEY_STRING;
    }
    cr_assert(found_count == 20);
    cr_expect(kind->put(&space->space, bytes_of("large"), (struct bytes){filler, LIMIT - 16000},
                        0) == SPACE_OK);
    for (unsigned i = 0; i < found_count; i++)
        cr_expect(bytes_equal(found[i].string, (struct bytes){filler, 100}));
    cr_expect(edit(space, bytes_of("other"), LIMIT - 16000) == SPACE_FULL, "all is in use");
    memory_space_begin(space, 1, false);
    cr_expect(edit(space, bytes_of("other"), LIMIT - 16000) == SPACE_OK);
    memory_space_free(space);
}

/* What grows in small steps does not push others out for room that it may need later. */
Test(memory_limit, evicts_nobody_for_room_ahead)
{
    struct memory_space *space = memory_testing_new(LIMIT, false);
    const struct space_kind *kind = space->space.kind;
    cr_assert(kind->put(&space->space, bytes_of("a"), (struct bytes){filler, 20000}, 0) ==
              SPACE_OK);
    cr_assert(kind->put(&space->space, bytes_of("b"), (struct bytes){filler, 20000}, 0) ==
              SPACE_OK);
    memory_space_begin(space, 1, false);
    cr_expect(edit(space, bytes_of("a"), 25000) == SPACE_OK);
    cr_expect(kind->count(&space->space) == 2);
    memory_space_free(space);
}

/* A table that evicts for every new key still gets its buckets. */
Test(memory_limit, lets_the_table_grow_under_pressure)
{
    struct memory_space *space = memory_testing_new(LIMIT, false);
    const struct space_kind *kind = space->space.kind;
    char text[24];
    for (unsigned i = 0; i < 30000; i++) {
        memory_space_begin(space, 1, false);
        cr_assert(kind->put(&space->space, key_of(i, text),
                            (struct bytes){filler, i < 10000 ? 500 : 10}, 0) == SPACE_OK);
        memory_space_end(space);
    }
    const uint64_t count = kind->count(&space->space);
    cr_expect(count > 900, "%lu small keys", count);
    cr_expect(count <= KEY_TABLE_LOAD * key_table__buckets(&space->table) + 1);
    memory_space_free(space);
}

Test(memory_limit, frees_all_that_was_granted)
{
    struct memory_space *space = memory_testing_new(LIMIT, true);
    const struct space_kind *kind = space->space.kind;
    struct random random;
    random_init(&random, 1);
    for (unsigned i = 0; i < 1000; i++)
        (void)step(space, &random);
    kind->clear(&space->space);
    cr_expect(memory_space_bytes(space) == 0 && space->own_budget.granted_bytes == 0);
    memory_space_free(space);
}

#ifdef PANDO_FAULTS
Test(memory_limit, counts_right_when_memory_fails_too)
{
    struct memory_space *space = memory_testing_new(LIMIT, true);
    struct random random;
    random_init(&random, 23);
    for (unsigned i = 0; i < STEPS; i++) {
        memory_space_begin(space, 1, false);
        fault_fail_nth(FAULT_ALLOCATION, random_below(random_next(&random), 5));
        (void)step(space, &random);
        fault_fail_nth(FAULT_ALLOCATION, 0);
        memory_space_end(space);
        expect_within(space);
        if (i % 50 == 0)
            memory_testing_expect_counted(space);
    }
    memory_space_free(space);
}
#endif
