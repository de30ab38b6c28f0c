/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/sets/set_combine.c - what is in all, in any, or only in the first of several sets.
 *
 * The walks hand each member of the result to a visitor: one that answers it, counts it, or keeps
 * a copy. A result that is stored is copied first, since its sources lie in the space that is
 * about to change, and then built aside, so it is stored whole or not at all. */
#include "engine/keys/sets/sets.h"
#include "engine/keys/whole.h"

struct kept {
    struct kept *next;
    struct bytes key;
};

struct result {
    struct sets  sets;
    struct run  *run;
    uint64_t     count;     /* members so far */
    uint64_t     count_max; /* the walk ends there */
    struct kept *first, **last;
    bool (*visit)(struct result *result, struct bytes key); /* false: answered */
    size_t begun;                                           /* where the answer begins */
};

/* ---- visitors ---- */

static bool answer(struct result *result, struct bytes key)
{
    resp_bulk(result->run->out, members_name(key));
    return !result->run->out->failed;
}

static bool count_only(struct result *result, struct bytes key)
{
    (void)result;
    (void)key;
    return true;
}

static bool keep(struct result *result, struct bytes key)
{
    struct kept *kept = run_scratch(result->run, sizeof *kept + key.count);
    if (kept == NULL)
        return false;
    memcpy(kept + 1, key.at, key.count);
    *kept = (struct kept){.key = {(const uint8_t *)(kept + 1), key.count}};
    *result->last = kept;
    result->last = &kept->next;
    return true;
}

static bool add(struct result *result, struct bytes key)
{
    result->count++;
    return result->visit(result, key);
}

/* ---- walks; false: answered ---- */

typedef bool walk_of(struct result *result);

/* Is @key in all sets but the one at @but? */
static bool is_in_others(struct result *result, uint32_t but, struct bytes key, bool *is_in)
{
    struct sets *sets = &result->sets;
    *is_in = true;
    for (uint32_t i = 0; i < sets->count && *is_in; i++) {
        struct bytes ignored;
        const size_t error = result->run->out->used;
        if (i == but || run_is_ok(result->run, sets->spaces[i]->kind->tree_get(
                                                   &sets->values[i], 0, key, &ignored, is_in)))
            continue;
        members_unsay(result->run, result->begun, error);
        return false;
    }
    return true;
}

/* The smallest is walked, and its members looked for in the others. */
static bool intersect(struct result *result)
{
    struct sets *sets = &result->sets;
    uint32_t smallest = 0;
    for (uint32_t i = 0; i < sets->count; i++) {
        if (sets->values[i].type == KEY_NONE)
            return true;
        if (sets->values[i].count < sets->values[smallest].count)
            smallest = i;
    }
    struct space_cursor at = space_cursor_of(sets->spaces[smallest], &sets->values[smallest], 0);
    at.space->kind->seek_rank(&at, 0);
    for (; at.is_there && result->count < result->count_max; at.space->kind->next(&at)) {
        bool is_in;
        if (!is_in_others(result, smallest, at.key, &is_in) || (is_in && !add(result, at.key)))
            return false;
    }
    return true;
}

static bool unite(struct result *result)
{
    struct sets *sets = &result->sets;
    if (!sets__merge(sets, 0))
        return false;
    while (sets->heap_count > 0) {
        const struct bytes key = sets__lowest(sets);
        if (!add(result, key))
            return false;
        do
            sets__pass(sets);
        while (sets->heap_count > 0 && bytes_equal(sets__lowest(sets), key));
    }
    return true;
}

static bool subtract(struct result *result)
{
    struct sets *sets = &result->sets;
    if (sets->values[0].type == KEY_NONE)
        return true;
    if (!sets__merge(sets, 1))
        return false;
    struct space_cursor at = space_cursor_of(sets->spaces[0], &sets->values[0], 0);
    at.space->kind->seek_rank(&at, 0);
    for (; at.is_there; at.space->kind->next(&at))
        if (!sets__holds(sets, at.key) && !add(result, at.key))
            return false;
    return true;
}

/* ---- commands ---- */

static bool open_result(struct result *result, struct run *run, uint32_t first_key,
                        uint32_t keys_count)
{
    *result = (struct result){.run = run, .count_max = UINT64_MAX, .begun = run->out->used};
    result->last = &result->first;
    return sets__open(&result->sets, run, first_key, keys_count);
}

/* The head of a set is an array's but for its first byte; how many there are is known late. */
static void end_set(struct result *result)
{
    struct resp_out *out = result->run->out;
    resp_end_array(out, result->begun, result->count);
    if (out->version == 3 && !out->failed)
        out->buf->data[result->begun] = '~';
}

static void answer_all(struct run *run, walk_of *walk)
{
    struct result result;
    if (!open_result(&result, run, 1, run->args_count - 1))
        return;
    result.visit = answer;
    if (walk(&result))
        end_set(&result);
}

/* False: answered. */
static bool put_kept(struct result *result, struct space *space, struct bytes key)
{
    struct aside aside;
    if (!aside_begin(&aside, result->run, space, KEY_SET))
        return false;
    for (const struct kept *kept = result->first; kept != NULL; kept = kept->next)
        if (!aside_put(&aside, 0, kept->key, (struct bytes){0}))
            return false;
    return aside_keep(&aside, key);
}

static void store_all(struct run *run, walk_of *walk)
{
    struct result result;
    const struct bytes key = run->args[1];
    if (!open_result(&result, run, 2, run->args_count - 2))
        return;
    result.visit = keep;
    if (!walk(&result))
        return;
    struct space *space = run->space_of(run, key);
    if (result.count == 0)
        (void)space->kind->remove(space, key);
    else if (!put_kept(&result, space, key))
        return;
    resp_integer(run->out, (int64_t)result.count);
}

void run__SINTER(struct run *run)
{
    answer_all(run, intersect);
}

void run__SUNION(struct run *run)
{
    answer_all(run, unite);
}

void run__SDIFF(struct run *run)
{
    answer_all(run, subtract);
}

void run__SINTERSTORE(struct run *run)
{
    store_all(run, intersect);
}

void run__SUNIONSTORE(struct run *run)
{
    store_all(run, unite);
}

void run__SDIFFSTORE(struct run *run)
{
    store_all(run, subtract);
}

/* LIMIT, perhaps more than once, behind the keys. False: answered. */
static bool read_limit(struct run *run, uint32_t first, uint64_t *limit)
{
    *limit = 0;
    for (uint32_t i = first; i < run->args_count; i += 2) {
        int64_t number;
        if (i + 1 == run->args_count || !run_arg_is(run, i, "limit")) {
            resp_error(run->out, RUN_SYNTAX);
            return false;
        }
        if (!bytes_read_int64(run->args[i + 1], &number) || number < 0) {
            resp_error(run->out, "ERR LIMIT can't be negative");
            return false;
        }
        *limit = (uint64_t)number;
    }
    return true;
}

void run__SINTERCARD(struct run *run)
{
    struct result result;
    int64_t keys_count;
    uint64_t limit;
    if (!bytes_read_int64(run->args[1], &keys_count) || keys_count <= 0) {
        resp_error(run->out, "ERR numkeys should be greater than 0");
        return;
    }
    if (keys_count > run->args_count - 2) {
        resp_error(run->out, "ERR Number of keys can't be greater than number of args");
        return;
    }
    if (!read_limit(run, (uint32_t)keys_count + 2, &limit) ||
        !open_result(&result, run, 2, (uint32_t)keys_count))
        return;
    result.visit = count_only;
    result.count_max = limit == 0 ? UINT64_MAX : limit;
    if (intersect(&result))
        resp_integer(run->out, (int64_t)result.count);
}
