/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/lists/list_read.c - what is in a list. */
#include "engine/keys/lists/lists.h"

void run__LLEN(struct run *run)
{
    struct list_at list;
    if (lists__open(&list, run, run->args[1]))
        resp_integer(run->out, list.value.type == KEY_NONE ? 0 : (int64_t)list.value.count);
}

static void write_element(struct run *run, const struct space_cursor *at)
{
    resp_bulk(run->out, at->member_value);
}

void run__LRANGE(struct run *run)
{
    const size_t begun = run->out->used;
    struct list_at list;
    int64_t from, to;
    uint64_t first, behind;
    if (!run_integer(run, 2, &from) || !run_integer(run, 3, &to) ||
        !lists__open(&list, run, run->args[1]))
        return;
    if (list.value.type == KEY_NONE ||
        !lists__read_range(list.value.count, from, to, &first, &behind)) {
        resp_array(run->out, 0);
        return;
    }
    struct space_cursor at = lists__at(&list, first);
    resp_array(run->out, behind - first);
    members_write(run, &at, behind - first, begun, write_element);
}

void run__LINDEX(struct run *run)
{
    struct list_at list;
    int64_t index;
    if (!lists__open(&list, run, run->args[1]))
        return;
    if (list.value.type == KEY_NONE) {
        resp_null(run->out);
        return;
    }
    if (!run_integer(run, 2, &index))
        return;
    const uint64_t rank = index < 0 ? (uint64_t)index + list.value.count : (uint64_t)index;
    if (rank >= list.value.count) {
        resp_null(run->out);
        return;
    }
    struct space_cursor at = lists__at(&list, rank);
    members_write(run, &at, 1, run->out->used, write_element);
}

/* ---- LPOS ---- */

struct search {
    int64_t        rank; /* the first match that counts: 1 is the first of all */
    int64_t        count;
    int64_t        looks_max; /* 0: all */
    bool           has_count;
    enum lists_end end; /* where it begins */
};

static bool read_rank(struct run *run, struct search *search)
{
    if (search->rank == 0) {
        resp_error(run->out, "ERR RANK can't be zero: use 1 to start from the first match, 2 from "
                             "the second ... or use negative to start from the end of the list");
        return false;
    }
    if (search->rank > 0)
        return true;
    search->end = LISTS_LAST;
    search->rank = search->rank == INT64_MIN ? 1 : -search->rank; /* it has no opposite: as Redis */
    return true;
}

/* Reads the option args[@i] and its number. False: answered. */
static bool read_option(struct run *run, uint32_t i, struct search *search)
{
    const bool is_pair = i + 1 < run->args_count;
    if (is_pair && run_arg_is(run, i, "rank")) {
        search->end = LISTS_FIRST;
        return run_integer(run, i + 1, &search->rank) && read_rank(run, search);
    }
    const bool is_count = is_pair && run_arg_is(run, i, "count");
    if (!is_count && !(is_pair && run_arg_is(run, i, "maxlen"))) {
        resp_error(run->out, RUN_SYNTAX);
        return false;
    }
    int64_t *number = is_count ? &search->count : &search->looks_max;
    search->has_count |= is_count;
    if (bytes_read_int64(run->args[i + 1], number) && *number >= 0)
        return true;
    resp_errorf(run->out, "ERR %s can't be negative", is_count ? "COUNT" : "MAXLEN");
    return false;
}

/* Writes where args[2] is, as often as wanted; returns how often. */
static uint64_t write_matches(struct list_at *list, const struct search *search)
{
    struct run *run = list->run;
    const uint64_t count = list->value.count;
    const uint64_t wanted = search->count == 0 ? UINT64_MAX : (uint64_t)search->count;
    uint64_t looks = search->looks_max == 0 ? count : (uint64_t)search->looks_max;
    uint64_t matches = 0, written = 0;
    struct space_cursor at = lists__at_end(list, search->end);
    for (uint64_t i = 0; at.is_there && looks > 0 && written < wanted; i++, looks--) {
        if (bytes_equal(at.member_value, run->args[2]) && ++matches >= (uint64_t)search->rank) {
            const uint64_t rank = search->end == LISTS_FIRST ? i : count - 1 - i;
            resp_integer(run->out, (int64_t)rank);
            written++;
        }
        lists__step(&at, search->end);
    }
    return written;
}

void run__LPOS(struct run *run)
{
    struct search search = {.rank = 1, .count = 1};
    struct list_at list;
    uint64_t written = 0;
    for (uint32_t i = 3; i < run->args_count; i += 2)
        if (!read_option(run, i, &search))
            return;
    if (!lists__open(&list, run, run->args[1]))
        return;
    const size_t begun = resp_begin_array(run->out);
    if (list.value.type != KEY_NONE)
        written = write_matches(&list, &search);
    if (search.has_count)
        resp_end_array(run->out, begun, written);
    else if (written == 0)
        resp_null(run->out);
}
