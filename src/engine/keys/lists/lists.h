/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/lists/lists.h - a list under a key: elements at places, which are numbers with gaps.
 *
 * The first element of a list stands at the middle of all 64-bit numbers, and what is pushed a
 * step of 2^20 beside it, so LINSERT finds a number between two neighbours some twenty times
 * before there is none. Then the neighbours are spread: of the windows around the spot, each twice
 * as wide as the one before, the first in which elements would stand far enough apart (farther the
 * wider it is, so that what was spread has slack for as many more). At an end of the numbers,
 * which a queue may reach in years, the whole list is spread around the middle.
 *
 * An element is moved by putting it at its new place before the old one goes, in an order in which
 * none overtakes another: so a spread that finds no room has changed nothing that can be seen.
 *
 * Memory:  scratch of the run; elements lie in the space until it is changed.
 * Threads: whoever holds the space.
 * Errors:  false: answered, if nothing else is said. */
#ifndef PANDO_ENGINE_KEYS_LISTS_LISTS_H
#define PANDO_ENGINE_KEYS_LISTS_LISTS_H

#include "engine/keys/members.h"

#define LISTS_MIDDLE ((uint64_t)1 << 63)
#define LISTS_STEP   ((uint64_t)1 << 20)

struct list_at {
    struct run        *run;
    struct bytes       key;
    struct space      *space;
    struct space_value value; /* type NONE: nothing is there */
};

enum lists_end { LISTS_FIRST, LISTS_LAST };

/* A place as it is written: its bytes ascend as the numbers do. */
struct lists_place {
    uint8_t bytes[SPACE_PLACE_BYTES];
};

/* The place of @number. */
struct lists_place lists__place(uint64_t number);

/* The number of a place: a key of tree 0. */
uint64_t lists__number(struct bytes place);

/* The key in tree 0. */
static inline struct bytes lists__place_key(const struct lists_place *place)
{
    return (struct bytes){place->bytes, sizeof place->bytes};
}

/* Finds the list under @key. */
bool lists__open(struct list_at *list, struct run *run, struct bytes key) must_check;

/* Makes it if it is not there. lists__settle() is due. */
bool lists__make(struct list_at *list) must_check;

/* Once after changes. */
enum space_result lists__settle(struct list_at *list) must_check;

/* A cursor at the element at @rank. */
struct space_cursor lists__at(struct list_at *list, uint64_t rank);

/* A cursor at an end of a list that is not empty. */
struct space_cursor lists__at_end(struct list_at *list, enum lists_end end);

/* To the next one, seen from @end. */
static inline void lists__step(struct space_cursor *at, enum lists_end end)
{
    if (end == LISTS_FIRST)
        at->space->kind->next(at);
    else
        at->space->kind->prev(at);
}

/* Puts @element, which does not lie in the space, before the first or behind the last. */
bool lists__push(struct list_at *list, enum lists_end end, struct bytes element) must_check;

/* Removes @count elements, which are there, from @end on. Not answered. */
enum space_result lists__drop(struct list_at *list, enum lists_end end, uint64_t count) must_check;

/* Answers @count elements, which are there, from @end on, as bulk strings, removes them, and
 * settles. False: what was written since @begun is taken back and the error is answered. */
bool lists__pop(struct list_at *list, enum lists_end end, uint64_t count, size_t begun);

/* Puts @element where the one at @rank stands now, which goes behind it. @rank is at most the
 * list's count. */
bool lists__insert(struct list_at *list, uint64_t rank, struct bytes element) must_check;

/* Reads argument @index as LEFT or RIGHT; false: it is neither, not answered. */
bool lists__read_end(const struct run *run, uint32_t index, enum lists_end *end) must_check;

/* From which to which place, counted from the first, and before the end: Redis' numbers, negative
 * ones from the last. False: none. */
bool lists__read_range(uint64_t count, int64_t from, int64_t to, uint64_t *first, uint64_t *behind)
    must_check;

#endif
