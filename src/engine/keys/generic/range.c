/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/generic/range.c - PANDO.RANGE from to [REVERSE] [COUNT n]: keys in their order.
 *
 * @from is the lower limit and @to the upper one, both included, whatever the direction; - and +
 * are open ends. A shard of ordered keys is one space as a rule; where it is several, each gives
 * its next key, and the foremost of those is the next one of all. */
#include "engine/keys/run.h"

/* A limit that is open is below every key, or above. */
enum limit { LIMIT_BELOW_ALL, LIMIT_KEY, LIMIT_ABOVE_ALL };

struct range {
    enum limit   low_kind, high_kind;
    struct bytes low, high;
    bool         is_reverse;
    bool         is_limited;
    int64_t      count; /* if it is limited */
};

static enum limit kind_of(struct bytes limit)
{
    if (limit.count != 1 || (limit.at[0] != '-' && limit.at[0] != '+'))
        return LIMIT_KEY;
    return limit.at[0] == '-' ? LIMIT_BELOW_ALL : LIMIT_ABOVE_ALL;
}

/* False: answered. */
static bool read_range(struct run *run, struct range *range)
{
    *range = (struct range){
        .low = run->args[1],
        .high = run->args[2],
        .low_kind = kind_of(run->args[1]),
        .high_kind = kind_of(run->args[2]),
    };
    for (uint32_t i = 3; i < run->args_count; i++) {
        if (run_arg_is(run, i, "reverse")) {
            range->is_reverse = true;
        } else if (run_arg_is(run, i, "count") && i + 1 < run->args_count) {
            range->is_limited = true;
            if (!run_integer(run, ++i, &range->count))
                return false;
        } else {
            resp_error(run->out, RUN_SYNTAX);
            return false;
        }
    }
    if (range->count >= 0)
        return true;
    resp_error(run->out, "ERR value is out of range, must be positive");
    return false;
}

/* The least key, and one that no key is above. False: no memory, answered. */
static bool set_open_ends(struct run *run, struct range *range)
{
    if (range->low_kind == LIMIT_BELOW_ALL)
        range->low = (struct bytes){0};
    if (range->high_kind != LIMIT_ABOVE_ALL || !range->is_reverse)
        return true;
    uint8_t *above = run_scratch(run, SPACE_KEY_BYTES_MAX);
    if (above == NULL)
        return false;
    memset(above, 0xff, SPACE_KEY_BYTES_MAX);
    range->high = (struct bytes){above, SPACE_KEY_BYTES_MAX};
    return true;
}

/* The next key of a space. */
struct front {
    struct space *space;
    bool          is_there;
    struct bytes  key;
};

static bool is_in_range(const struct range *range, struct bytes key)
{
    if (range->is_reverse)
        return range->low_kind == LIMIT_BELOW_ALL || bytes_compare(key, range->low) >= 0;
    return range->high_kind == LIMIT_ABOVE_ALL || bytes_compare(key, range->high) <= 0;
}

static void go_to(struct front *front, const struct range *range, struct bytes from, bool is_after)
{
    front->is_there =
        front->space->kind->beside(front->space, from, range->is_reverse, is_after, &front->key) &&
        is_in_range(range, front->key);
}

/* The one whose key is next of all; NULL: there is none. */
static struct front *foremost(struct front *fronts, uint32_t count, bool is_reverse)
{
    struct front *first = NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (!fronts[i].is_there)
            continue;
        const int order = first == NULL ? 0 : bytes_compare(fronts[i].key, first->key);
        if (first == NULL || (is_reverse ? order > 0 : order < 0))
            first = &fronts[i];
    }
    return first;
}

static void answer_range(struct run *run, const struct range *range, struct front *fronts)
{
    const size_t begun = resp_begin_array(run->out);
    int64_t count = 0;
    while (!run->out->failed && !(range->is_limited && count == range->count)) {
        struct front *front = foremost(fronts, run->spaces_count, range->is_reverse);
        if (front == NULL)
            break;
        resp_bulk(run->out, front->key);
        count++;
        go_to(front, range, front->key, true);
    }
    resp_end_array(run->out, begun, (uint64_t)count);
}

static bool are_ordered(const struct run *run)
{
    for (uint32_t i = 0; i < run->spaces_count; i++)
        if (!run->spaces[i]->is_ordered)
            return false;
    return true;
}

void run__PANDO_RANGE(struct run *run)
{
    struct range range;
    if (!read_range(run, &range) || !set_open_ends(run, &range))
        return;
    if (!are_ordered(run)) {
        resp_error(run->out, "ERR PANDO.RANGE needs a keyspace with 'partition: range'");
        return;
    }
    if (range.low_kind == LIMIT_ABOVE_ALL || range.high_kind == LIMIT_BELOW_ALL) {
        resp_array(run->out, 0);
        return;
    }
    struct front *fronts = run_scratch(run, run->spaces_count * sizeof *fronts);
    if (fronts == NULL)
        return;
    for (uint32_t i = 0; i < run->spaces_count; i++) {
        fronts[i] = (struct front){.space = run->spaces[i]};
        go_to(&fronts[i], &range, range.is_reverse ? range.high : range.low, false);
    }
    answer_range(run, &range, fronts);
}
