/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/generic/all.c - commands over all keys of a shard: KEYS, SCAN, RANDOMKEY, DBSIZE, and
 * the end of them all. */
#include "core/glob.h"
#include "engine/keys/run.h"

/* ---- lists of keys ---- */

struct listing {
    struct run  *run;
    struct bytes pattern;
    bool         has_pattern;
    bool         has_type;
    struct bytes type;   /* its name, in any case */
    uint64_t     looked; /* at */
    uint64_t     listed; /* of them */
};

static bool list_key(void *self, struct bytes key, const struct space_value *value)
{
    struct listing *listing = self;
    listing->looked++;
    if ((!listing->has_type || bytes_is_word(listing->type, key_type_name(value->type))) &&
        (!listing->has_pattern || glob_matches(listing->pattern, key))) {
        resp_bulk(listing->run->out, key);
        listing->listed++;
    }
    return !listing->run->out->failed;
}

void run__KEYS(struct run *run)
{
    struct listing listing = {.run = run, .pattern = run->args[1], .has_pattern = true};
    const size_t begun = resp_begin_array(run->out);
    for (uint32_t i = 0; i < run->spaces_count; i++) {
        struct space *space = run->spaces[i];
        uint64_t position = 0;
        while (position != SPACE_SCAN_END && !run->out->failed)
            space->kind->scan(space, &position, SIZE_MAX, list_key, &listing);
    }
    resp_end_array(run->out, begun, listing.listed);
}

enum { SCAN_COUNT = 10 }; /* as Redis presets it */

/* The options behind the cursor, which was read where the shard was chosen. False: answered. */
static bool read_scan_options(struct run *run, struct listing *listing, int64_t *count)
{
    for (uint32_t i = 2; i < run->args_count; i += 2) {
        const bool has_more = i + 1 < run->args_count;
        bool is_good = has_more;
        if (has_more && run_arg_is(run, i, "count")) {
            if (!run_integer(run, i + 1, count))
                return false;
            is_good = *count >= 1;
        } else if (has_more && run_arg_is(run, i, "match")) {
            listing->pattern = run->args[i + 1];
            listing->has_pattern = true;
        } else if (has_more && run_arg_is(run, i, "type")) {
            listing->type = run->args[i + 1];
            listing->has_type = true;
        } else {
            is_good = false;
        }
        if (!is_good) {
            resp_error(run->out, RUN_SYNTAX);
            return false;
        }
    }
    return true;
}

/* The spaces share the positions of the shard evenly, in their order. */
static uint64_t first_position(const struct run *run, uint32_t space)
{
    return (((uint64_t)space << SPACE_POSITION_BITS) + run->spaces_count - 1) / run->spaces_count;
}

static uint32_t space_at(const struct run *run, uint64_t position)
{
    return (uint32_t)((position * run->spaces_count) >> SPACE_POSITION_BITS);
}

/* Lists from *@position on until @budget were looked at, and further to where a cursor may
 * stand. */
static void list_some_of(struct space *space, uint64_t *position, uint64_t budget,
                         struct listing *listing)
{
    do {
        space->kind->scan(space, position, budget, list_key, listing);
        budget = 1;
    } while (*position % KEY_SCAN_GRAIN != 0);
}

/* Lists from run->scan_position on until about @count were looked at; leaves there where to go
 * on. */
static void list_some(struct run *run, struct listing *listing, uint64_t count)
{
    uint64_t position = run->scan_position;
    for (uint32_t i = space_at(run, position); i < run->spaces_count; i++) {
        list_some_of(run->spaces[i], &position, count - listing->looked, listing);
        if (position != SPACE_SCAN_END)
            break;
        if (i + 1 < run->spaces_count)
            position = first_position(run, i + 1);
        if (listing->looked >= count)
            break;
    }
    run->scan_position = position;
}

void run__SCAN(struct run *run)
{
    struct listing listing = {.run = run};
    int64_t count = SCAN_COUNT;
    if (!read_scan_options(run, &listing, &count))
        return;
    const size_t begun = resp_begin_array(run->out);
    list_some(run, &listing, (uint64_t)count);
    resp_end_array(run->out, begun, listing.listed);
}

/* ---- one of them, their number ---- */

static uint64_t count_all(const struct run *run)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < run->spaces_count; i++)
        count += run->spaces[i]->kind->count(run->spaces[i]);
    return count;
}

/* The space of the key at a place that is drawn among all. */
static uint32_t draw_space(struct run *run)
{
    const unsigned __int128 draw = random_next(run->random);
    uint64_t left = (uint64_t)((draw * count_all(run)) >> 64);
    uint32_t space = 0;
    for (; space + 1 < run->spaces_count; space++) {
        const uint64_t count = run->spaces[space]->kind->count(run->spaces[space]);
        if (left < count)
            break;
        left -= count;
    }
    return space;
}

/* A space may hold nothing but what has expired: then the next one is asked. */
void run__RANDOMKEY(struct run *run)
{
    const uint32_t first = draw_space(run);
    for (uint32_t i = 0; i < run->spaces_count; i++) {
        struct space *space = run->spaces[(first + i) % run->spaces_count];
        struct bytes key;
        if (space->kind->random(space, random_next(run->random), &key)) {
            resp_bulk(run->out, key);
            return;
        }
    }
    resp_null(run->out);
}

void run__DBSIZE(struct run *run)
{
    resp_integer(run->out, (int64_t)count_all(run));
}

/* ---- none of them ---- */

void run__FLUSHALL(struct run *run)
{
    const bool says_how =
        run->args_count == 2 && (run_arg_is(run, 1, "sync") || run_arg_is(run, 1, "async"));
    if (run->args_count > 1 && !says_how) {
        resp_error(run->out, RUN_SYNTAX);
        return;
    }
    for (uint32_t i = 0; i < run->spaces_count; i++)
        run->spaces[i]->kind->clear(run->spaces[i]);
    resp_simple(run->out, "OK");
}

void run__FLUSHDB(struct run *run)
{
    run__FLUSHALL(run);
}
