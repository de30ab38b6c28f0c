/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/sets/sets.h - several sets walked at once, in the order that all of them have.
 *
 * A set's tree is sorted by hash and name, so what is in any of many sets comes out of their
 * cursors in one order, each member at all its sets together: a heap of cursors, the lowest key on
 * top. No table of what was seen is needed, and a walk takes no more than all members times the
 * logarithm of how many sets there are.
 *
 * Memory:  scratch of the run.
 * Threads: whoever holds the spaces, which must not change meanwhile.
 * Errors:  false: answered. */
#ifndef PANDO_ENGINE_KEYS_SETS_SETS_H
#define PANDO_ENGINE_KEYS_SETS_SETS_H

#include "engine/keys/members.h"

/* The sets of a command's keys, in their order. */
struct sets {
    struct run           *run;
    struct space        **spaces;
    struct space_value   *values; /* type NONE: nothing is there */
    struct space_cursor **heap;   /* of those that are not at their end */
    uint32_t              count;
    uint32_t              heap_count;
};

/* Finds the sets of the @count keys from args[@first] on. */
bool sets__open(struct sets *sets, struct run *run, uint32_t first, uint32_t count) must_check;

/* The heap holds the sets from @from on, each at its first member. */
bool sets__merge(struct sets *sets, uint32_t from) must_check;

/* The lowest key in the heap; at NULL: all sets are at their ends. */
static inline struct bytes sets__lowest(const struct sets *sets)
{
    return sets->heap_count == 0 ? (struct bytes){0} : sets->heap[0]->key;
}

/* The set on top goes on by one member. */
void sets__pass(struct sets *sets);

/* Is @key in any set of the heap? Passes all that is below it: the next one asked for must be
 * above. */
bool sets__holds(struct sets *sets, struct bytes key);

#endif
