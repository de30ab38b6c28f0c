/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/lists/list_places.c - at which place a new element goes, and making room for it. */
#include "engine/keys/lists/lists.h"

#include <assert.h>

enum {
    WINDOW_FIRST = 8,  /* elements to each side; twice as many with each step */
    APART_FIRST = 256, /* numbers from one to the next; half as many again with each step */
};

/* The elements from rank @first up to @behind are to stand @apart from one another, above @low. */
struct spread {
    uint64_t first, behind;
    uint64_t low, apart;
    uint64_t hole; /* before the element at this rank a number is left free */
    uint8_t *copy; /* of an element that is moved */
    size_t   copy_room;
};

static uint64_t target(const struct spread *spread, uint64_t rank)
{
    return spread->low + spread->apart * (rank - spread->first + 1 + (rank >= spread->hole));
}

/* False: no memory, answered. */
static bool copy_element(struct list_at *list, struct spread *spread, struct bytes *element)
{
    if (element->count > spread->copy_room || spread->copy == NULL) {
        spread->copy_room = 2 * element->count + 64;
        spread->copy = run_scratch(list->run, spread->copy_room);
        if (spread->copy == NULL)
            return false;
    }
    if (element->count > 0)
        memcpy(spread->copy, element->at, element->count);
    element->at = spread->copy;
    return true;
}

/* Puts what stands at @from at @to too, and then removes it from @from. */
static bool move(struct list_at *list, uint64_t from, uint64_t to, struct bytes element)
{
    const struct space_kind *kind = list->space->kind;
    const struct lists_place old = lists__place(from), new = lists__place(to);
    bool ignored;
    if (!run_is_ok(list->run,
                   kind->tree_put(&list->value, 0, lists__place_key(&new), element, &ignored)))
        return false;
    const enum space_result removed =
        kind->tree_remove(&list->value, 0, lists__place_key(&old), &ignored);
    if (removed != SPACE_OK)
        (void)kind->tree_remove(&list->value, 0, lists__place_key(&new), &ignored);
    return run_is_ok(list->run, removed);
}

/* Moves the element at @rank to its target if that is @lower than where it stands, or is not. */
static bool move_if(struct list_at *list, struct spread *spread, uint64_t rank, bool lower)
{
    const struct space_cursor at = lists__at(list, rank);
    if (!at.is_there)
        return run_is_ok(list->run, SPACE_DAMAGED);
    const uint64_t from = lists__number(at.key), to = target(spread, rank);
    struct bytes element = at.member_value;
    if (from == to || (to < from) != lower)
        return true;
    return copy_element(list, spread, &element) && move(list, from, to, element);
}

/* Those that go down go from the first on, those that go up from the last on: so each finds its
 * target free, and nothing is overtaken. */
static bool spread_out(struct list_at *list, struct spread *spread)
{
    for (uint64_t rank = spread->first; rank < spread->behind; rank++)
        if (!move_if(list, spread, rank, true))
            return false;
    for (uint64_t rank = spread->behind; rank-- > spread->first;)
        if (!move_if(list, spread, rank, false))
            return false;
    return true;
}

static void plan_whole(const struct list_at *list, struct spread *spread)
{
    spread->first = 0;
    spread->behind = list->value.count;
    spread->apart = LISTS_STEP;
    spread->low = LISTS_MIDDLE - (list->value.count / 2 + 1) * LISTS_STEP;
}

/* The number of the element at @rank, which is there unless the tree is damaged. */
static uint64_t number_at(struct list_at *list, uint64_t rank)
{
    const struct space_cursor at = lists__at(list, rank);
    return at.is_there ? lists__number(at.key) : LISTS_MIDDLE;
}

/* Plans for the window of @reach elements to each side of the hole; beyond an end of the list there
 * is as much room as pushes would take. */
static void plan_window(struct list_at *list, struct spread *spread, uint64_t reach)
{
    const uint64_t count = list->value.count;
    spread->first = spread->hole > reach ? spread->hole - reach : 0;
    spread->behind = count - spread->hole > reach ? spread->hole + reach : count;
    const uint64_t numbers = spread->behind - spread->first + 2;
    const uint64_t room = numbers * LISTS_STEP;
    uint64_t high;
    if (spread->first > 0) {
        spread->low = number_at(list, spread->first - 1);
    } else {
        const uint64_t lowest = number_at(list, 0);
        spread->low = lowest > room ? lowest - room : 0;
    }
    if (spread->behind < count) {
        high = number_at(list, spread->behind);
    } else {
        const uint64_t highest = number_at(list, count - 1);
        high = highest < UINT64_MAX - room ? highest + room : UINT64_MAX;
    }
    spread->apart = high > spread->low ? (high - spread->low) / numbers : 0;
}

/* Makes a number free before the element at @rank, between two neighbours that have none. */
static bool make_free(struct list_at *list, uint64_t rank, uint64_t *number)
{
    struct spread spread = {.hole = rank};
    uint64_t apart_least = APART_FIRST;
    for (uint64_t reach = WINDOW_FIRST;; reach *= 2) {
        plan_window(list, &spread, reach);
        if (spread.first == 0 && spread.behind == list->value.count)
            plan_whole(list, &spread);
        if (spread.apart >= apart_least || spread.apart >= LISTS_STEP)
            break;
        apart_least += apart_least / 2;
    }
    *number = spread.low + spread.apart * (rank - spread.first + 1);
    return spread_out(list, &spread);
}

/* A number a step beyond @end. False: there is none. */
static bool number_beyond(struct list_at *list, enum lists_end end, uint64_t *number)
{
    const struct space_cursor at = lists__at_end(list, end);
    const uint64_t last = at.is_there ? lists__number(at.key) : LISTS_MIDDLE;
    *number = end == LISTS_FIRST ? last - LISTS_STEP : last + LISTS_STEP;
    return end == LISTS_FIRST ? last > LISTS_STEP : last < UINT64_MAX - LISTS_STEP;
}

static bool put(struct list_at *list, uint64_t number, struct bytes element)
{
    const struct lists_place place = lists__place(number);
    bool is_new;
    return run_is_ok(list->run, list->space->kind->tree_put(
                                    &list->value, 0, lists__place_key(&place), element, &is_new));
}

bool lists__push(struct list_at *list, enum lists_end end, struct bytes element)
{
    uint64_t number = LISTS_MIDDLE;
    if (list->value.count > 0 && !number_beyond(list, end, &number)) {
        struct spread whole = {.hole = UINT64_MAX};
        plan_whole(list, &whole);
        if (!spread_out(list, &whole))
            return false;
        if (!number_beyond(list, end, &number))
            return run_is_ok(list->run, SPACE_DAMAGED);
    }
    return put(list, number, element);
}

bool lists__insert(struct list_at *list, uint64_t rank, struct bytes element)
{
    assert(rank <= list->value.count);
    if (rank == 0 || rank == list->value.count)
        return lists__push(list, rank == 0 ? LISTS_FIRST : LISTS_LAST, element);
    const uint64_t before = number_at(list, rank - 1), behind = number_at(list, rank);
    uint64_t number = before + (behind - before) / 2;
    if (behind - before < 2 && !make_free(list, rank, &number))
        return false;
    return put(list, number, element);
}
