/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/lists/list_change.c - elements that are set, added or removed within a list. */
#include "engine/keys/lists/lists.h"

static void set_at(struct list_at *list, uint64_t rank)
{
    struct run *run = list->run;
    const struct space_cursor at = lists__at(list, rank);
    if (!at.is_there) {
        resp_error(run->out, space_result_text(SPACE_DAMAGED));
        return;
    }
    const struct lists_place place = lists__place(lists__number(at.key));
    bool is_new;
    const enum space_result put = list->space->kind->tree_put(
        &list->value, 0, lists__place_key(&place), run->args[3], &is_new);
    const enum space_result settled = lists__settle(list);
    if (run_is_ok(run, put != SPACE_OK ? put : settled))
        resp_simple(run->out, "OK");
}

void run__LSET(struct run *run)
{
    struct list_at list;
    int64_t index;
    if (!lists__open(&list, run, run->args[1]))
        return;
    if (list.value.type == KEY_NONE) {
        resp_error(run->out, RUN_NO_KEY);
        return;
    }
    if (!run_integer(run, 2, &index))
        return;
    const uint64_t rank = index < 0 ? (uint64_t)index + list.value.count : (uint64_t)index;
    if (rank < list.value.count)
        set_at(&list, rank);
    else
        resp_error(run->out, RUN_NO_INDEX);
}

/* ---- LINSERT ---- */

/* The rank of the first element that is @pivot. False: none is. */
static bool find_pivot(struct list_at *list, struct bytes pivot, uint64_t *rank)
{
    struct space_cursor at = lists__at_end(list, LISTS_FIRST);
    for (*rank = 0; at.is_there; ++*rank, lists__step(&at, LISTS_FIRST))
        if (bytes_equal(at.member_value, pivot))
            return true;
    return false;
}

void run__LINSERT(struct run *run)
{
    struct list_at list;
    uint64_t rank;
    const bool is_behind = run_arg_is(run, 2, "after");
    if (!is_behind && !run_arg_is(run, 2, "before")) {
        resp_error(run->out, RUN_SYNTAX);
        return;
    }
    if (!lists__open(&list, run, run->args[1]))
        return;
    if (list.value.type == KEY_NONE) {
        resp_integer(run->out, 0);
        return;
    }
    if (!find_pivot(&list, run->args[3], &rank)) {
        resp_integer(run->out, -1);
        return;
    }
    const bool is_put = lists__insert(&list, rank + is_behind, run->args[4]);
    const uint64_t count = list.value.count;
    const enum space_result settled = lists__settle(&list);
    if (is_put && run_is_ok(run, settled))
        resp_integer(run->out, (int64_t)count);
}

/* ---- LREM ---- */

/* Removes the element where @at stands; @at is at the next one, seen from @end. */
static enum space_result remove_at(struct list_at *list, struct space_cursor *at,
                                   enum lists_end end)
{
    const struct lists_place place = lists__place(lists__number(at->key));
    bool was_there;
    const enum space_result result =
        list->space->kind->tree_remove(&list->value, 0, lists__place_key(&place), &was_there);
    *at = space_cursor_of(list->space, &list->value, 0);
    list->space->kind->seek(at, lists__place_key(&place));
    if (end == LISTS_LAST)
        list->space->kind->prev(at);
    return result;
}

/* Removes up to @most elements that are args[3], from @end on. */
static enum space_result remove_equal(struct list_at *list, enum lists_end end, uint64_t most,
                                      uint64_t *removed)
{
    struct space_cursor at = lists__at_end(list, end);
    *removed = 0;
    while (at.is_there && *removed < most) {
        if (!bytes_equal(at.member_value, list->run->args[3])) {
            lists__step(&at, end);
            continue;
        }
        const enum space_result result = remove_at(list, &at, end);
        if (result != SPACE_OK)
            return result;
        ++*removed;
        if (list->value.count == 0)
            break;
    }
    return SPACE_OK;
}

void run__LREM(struct run *run)
{
    struct list_at list;
    int64_t count;
    uint64_t removed;
    if (!run_integer(run, 2, &count) || !lists__open(&list, run, run->args[1]))
        return;
    if (list.value.type == KEY_NONE) {
        resp_integer(run->out, 0);
        return;
    }
    const uint64_t most = count == 0  ? UINT64_MAX
                          : count < 0 ? 0 - (uint64_t)count
                                      : (uint64_t)count;
    enum space_result result =
        remove_equal(&list, count < 0 ? LISTS_LAST : LISTS_FIRST, most, &removed);
    const enum space_result settled = removed == 0 ? SPACE_OK : lists__settle(&list);
    if (run_is_ok(run, result != SPACE_OK ? result : settled))
        resp_integer(run->out, (int64_t)removed);
}

/* ---- LTRIM ---- */

/* Removes all but those from rank @first up to @behind, which are some. */
static enum space_result trim(struct list_at *list, uint64_t first, uint64_t behind)
{
    const uint64_t last_count = list->value.count - behind;
    enum space_result result = lists__drop(list, LISTS_FIRST, first);
    if (result == SPACE_OK)
        result = lists__drop(list, LISTS_LAST, last_count);
    const enum space_result settled = lists__settle(list);
    return result != SPACE_OK ? result : settled;
}

void run__LTRIM(struct run *run)
{
    struct list_at list;
    int64_t from, to;
    uint64_t first, behind;
    enum space_result result = SPACE_OK;
    if (!run_integer(run, 2, &from) || !run_integer(run, 3, &to) ||
        !lists__open(&list, run, run->args[1]))
        return;
    if (list.value.type != KEY_NONE) {
        if (!lists__read_range(list.value.count, from, to, &first, &behind))
            (void)list.space->kind->remove(list.space, list.key);
        else if (first > 0 || behind < list.value.count)
            result = trim(&list, first, behind);
    }
    if (run_is_ok(run, result))
        resp_simple(run->out, "OK");
}
