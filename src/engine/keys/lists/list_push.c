/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/lists/list_push.c - elements that come and go at the ends: push, pop, move.
 *
 * A push of several elements that finds no room for one of them removes those before it. */
#include "engine/keys/lists/lists.h"

/* ---- push ---- */

/* Pushes args[2] and those that follow. False: answered, and nothing is changed. */
static bool push_all(struct list_at *list, enum lists_end end)
{
    const struct run *run = list->run;
    for (uint32_t i = 2; i < run->args_count; i++) {
        if (lists__push(list, end, run->args[i]))
            continue;
        const enum space_result dropped = lists__drop(list, end, i - 2);
        (void)dropped; /* an error is answered already */
        return false;
    }
    return true;
}

static void push(struct run *run, enum lists_end end, bool must_exist)
{
    struct list_at list;
    if (!lists__open(&list, run, run->args[1]))
        return;
    if (must_exist && list.value.type == KEY_NONE) {
        resp_integer(run->out, 0);
        return;
    }
    if (!lists__make(&list))
        return;
    const bool is_pushed = push_all(&list, end);
    const uint64_t count = list.value.count;
    const enum space_result settled = lists__settle(&list);
    if (is_pushed && run_is_ok(run, settled))
        resp_integer(run->out, (int64_t)count);
}

void run__LPUSH(struct run *run)
{
    push(run, LISTS_FIRST, false);
}

void run__RPUSH(struct run *run)
{
    push(run, LISTS_LAST, false);
}

void run__LPUSHX(struct run *run)
{
    push(run, LISTS_FIRST, true);
}

void run__RPUSHX(struct run *run)
{
    push(run, LISTS_LAST, true);
}

/* ---- pop ---- */

static uint64_t at_most(uint64_t wanted, uint64_t there)
{
    return wanted < there ? wanted : there;
}

static void pop_many(struct list_at *list, enum lists_end end, uint64_t wanted)
{
    struct resp_out *out = list->run->out;
    const size_t begun = out->used;
    const uint64_t count = at_most(wanted, list->value.count);
    resp_array(out, count);
    if (count > 0)
        lists__pop(list, end, count, begun);
}

static void pop(struct run *run, enum lists_end end)
{
    struct list_at list;
    int64_t count = 1;
    const bool has_count = run->args_count > 2;
    if (run->args_count > 3) {
        resp_errorf(run->out, "ERR wrong number of arguments for '%s' command",
                    run->op->command->name);
        return;
    }
    if (has_count && (!bytes_read_int64(run->args[2], &count) || count < 0)) {
        resp_error(run->out, "ERR value is out of range, must be positive");
        return;
    }
    if (!lists__open(&list, run, run->args[1]))
        return;
    if (has_count && list.value.type == KEY_NONE)
        resp_null_array(run->out);
    else if (list.value.type == KEY_NONE)
        resp_null(run->out);
    else if (has_count)
        pop_many(&list, end, (uint64_t)count);
    else
        lists__pop(&list, end, 1, run->out->used);
}

void run__LPOP(struct run *run)
{
    pop(run, LISTS_FIRST);
}

void run__RPOP(struct run *run)
{
    pop(run, LISTS_LAST);
}

/* ---- LMPOP ---- */

struct pop_from {
    uint32_t       keys_count;
    enum lists_end end;
    int64_t        count;
};

/* LEFT or RIGHT, and COUNT once, from args[@i] on. False: answered. */
static bool read_end_and_count(struct run *run, uint32_t i, struct pop_from *from)
{
    const char *error =
        i >= run->args_count || !lists__read_end(run, i, &from->end) ? RUN_SYNTAX : NULL;
    from->count = 0;
    for (i++; i < run->args_count && error == NULL; i += 2) {
        if (from->count > 0 || i + 1 == run->args_count || !run_arg_is(run, i, "count"))
            error = RUN_SYNTAX;
        else if (!bytes_read_int64(run->args[i + 1], &from->count) || from->count <= 0)
            error = "ERR count should be greater than 0";
    }
    if (from->count == 0)
        from->count = 1;
    if (error != NULL)
        resp_error(run->out, error);
    return error == NULL;
}

/* False: answered. */
static bool read_pop_from(struct run *run, struct pop_from *from)
{
    int64_t keys_count;
    if (!bytes_read_int64(run->args[1], &keys_count) || keys_count <= 0) {
        resp_error(run->out, "ERR numkeys should be greater than 0");
        return false;
    }
    if (keys_count > run->args_count - 2) {
        resp_error(run->out, RUN_SYNTAX);
        return false;
    }
    from->keys_count = (uint32_t)keys_count;
    return read_end_and_count(run, from->keys_count + 2, from);
}

void run__LMPOP(struct run *run)
{
    const size_t begun = run->out->used;
    struct pop_from from;
    struct list_at list = {0};
    if (!read_pop_from(run, &from))
        return;
    for (uint32_t i = 0; i < from.keys_count && list.value.type == KEY_NONE; i++)
        if (!lists__open(&list, run, run->args[2 + i]))
            return;
    if (list.value.type == KEY_NONE) {
        resp_null_array(run->out);
        return;
    }
    const uint64_t count = at_most((uint64_t)from.count, list.value.count);
    resp_array(run->out, 2);
    resp_bulk(run->out, list.key);
    resp_array(run->out, count);
    lists__pop(&list, from.end, count, begun);
}

/* ---- move ---- */

/* Pushes @element at @end of @to. False: answered, and nothing is changed. */
static bool push_one(struct list_at *to, enum lists_end end, struct bytes element)
{
    if (!lists__make(to))
        return false;
    const bool is_pushed = lists__push(to, end, element);
    const enum space_result settled = lists__settle(to);
    return is_pushed && run_is_ok(to->run, settled);
}

/* It is pushed there before it goes here, since only the push may find no room. In one list too:
 * what goes is known by its end, so it does not matter if the push moved all places, and at the
 * same end what was pushed goes, which is equal. */
static void move(struct list_at *from, enum lists_end from_end, struct list_at *to,
                 enum lists_end to_end)
{
    struct run *run = from->run;
    const struct space_cursor at = lists__at_end(from, from_end);
    if (!at.is_there) {
        resp_error(run->out, space_result_text(SPACE_DAMAGED));
        return;
    }
    const struct bytes element = members_copy(run, at.member_value);
    if (element.at == NULL || !push_one(to, to_end, element))
        return;
    const enum space_result dropped = lists__drop(from, from_end, 1);
    const enum space_result settled = lists__settle(from);
    if (run_is_ok(run, dropped != SPACE_OK ? dropped : settled))
        resp_bulk(run->out, element);
}

static void move_between(struct run *run, enum lists_end from_end, enum lists_end to_end)
{
    struct list_at from, other;
    if (!lists__open(&from, run, run->args[1]))
        return;
    if (from.value.type == KEY_NONE) { /* whatever the other is, as Redis has it */
        resp_null(run->out);
        return;
    }
    if (bytes_equal(run->args[1], run->args[2]))
        move(&from, from_end, &from, to_end);
    else if (lists__open(&other, run, run->args[2]))
        move(&from, from_end, &other, to_end);
}

void run__LMOVE(struct run *run)
{
    enum lists_end from_end, to_end;
    if (lists__read_end(run, 3, &from_end) && lists__read_end(run, 4, &to_end))
        move_between(run, from_end, to_end);
    else
        resp_error(run->out, RUN_SYNTAX);
}

void run__RPOPLPUSH(struct run *run)
{
    move_between(run, LISTS_LAST, LISTS_FIRST);
}
