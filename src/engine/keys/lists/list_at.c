/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/lists/list_at.c - a list under a key: its ends. */
#include "engine/keys/lists/lists.h"

struct lists_place lists__place(uint64_t number)
{
    struct lists_place place;
    const uint64_t ordered = __builtin_bswap64(number);
    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "bswap makes it big-endian");
    memcpy(place.bytes, &ordered, sizeof ordered);
    return place;
}

uint64_t lists__number(struct bytes place)
{
    uint64_t ordered;
    memcpy(&ordered, place.at, sizeof ordered);
    return __builtin_bswap64(ordered);
}

bool lists__open(struct list_at *list, struct run *run, struct bytes key)
{
    *list = (struct list_at){.run = run, .key = key};
    return run_find(run, key, KEY_LIST, &list->space, &list->value);
}

bool lists__make(struct list_at *list)
{
    return list->value.type != KEY_NONE ||
           run_is_ok(list->run,
                     list->space->kind->create(list->space, list->key, KEY_LIST, &list->value));
}

enum space_result lists__settle(struct list_at *list)
{
    return list->space->kind->settle(list->space, list->key, &list->value);
}

struct space_cursor lists__at(struct list_at *list, uint64_t rank)
{
    struct space_cursor at = space_cursor_of(list->space, &list->value, 0);
    list->space->kind->seek_rank(&at, rank);
    return at;
}

struct space_cursor lists__at_end(struct list_at *list, enum lists_end end)
{
    struct space_cursor at = space_cursor_of(list->space, &list->value, 0);
    if (end == LISTS_FIRST) {
        list->space->kind->seek_rank(&at, 0);
    } else {
        list->space->kind->seek_end(&at);
        list->space->kind->prev(&at);
    }
    return at;
}

enum space_result lists__drop(struct list_at *list, enum lists_end end, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        const struct space_cursor at = lists__at_end(list, end);
        bool was_there;
        if (!at.is_there)
            return SPACE_DAMAGED;
        const struct lists_place place = lists__place(lists__number(at.key));
        const enum space_result result =
            list->space->kind->tree_remove(&list->value, 0, lists__place_key(&place), &was_there);
        if (result != SPACE_OK)
            return result;
    }
    return SPACE_OK;
}

/* All is answered before the first is removed, or an answer that does not fit would lose them. */
bool lists__pop(struct list_at *list, enum lists_end end, uint64_t count, size_t begun)
{
    struct resp_out *out = list->run->out;
    struct space_cursor at = lists__at_end(list, end);
    for (uint64_t i = 0; i < count; i++, lists__step(&at, end)) {
        if (!at.is_there) {
            members_refuse(list->run, begun, SPACE_DAMAGED);
            return false;
        }
        resp_bulk(out, at.member_value);
        if (out->failed)
            return false;
    }
    const enum space_result dropped = lists__drop(list, end, count);
    const enum space_result settled = lists__settle(list);
    if (dropped == SPACE_OK && settled == SPACE_OK)
        return true;
    members_refuse(list->run, begun, dropped != SPACE_OK ? dropped : settled);
    return false;
}

bool lists__read_end(const struct run *run, uint32_t index, enum lists_end *end)
{
    const bool is_left = run_arg_is(run, index, "left");
    *end = is_left ? LISTS_FIRST : LISTS_LAST;
    return is_left || run_arg_is(run, index, "right");
}

bool lists__read_range(uint64_t count, int64_t from, int64_t to, uint64_t *first, uint64_t *behind)
{
    const int64_t all = (int64_t)count;
    if (from < 0)
        from = from < -all ? 0 : from + all;
    if (to < 0)
        to = to < -all ? -1 : to + all;
    if (to >= all)
        to = all - 1;
    if (from > to)
        return false;
    *first = (uint64_t)from;
    *behind = (uint64_t)to + 1;
    return true;
}
