/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/sets/set_merge.c - several sets walked at once, in the order that all have. */
#include "engine/keys/sets/sets.h"

bool sets__open(struct sets *sets, struct run *run, uint32_t first, uint32_t count)
{
    *sets = (struct sets){.run = run, .count = count};
    sets->spaces = run_scratch(run, count * sizeof(struct space *));
    if (sets->spaces == NULL)
        return false;
    sets->values = run_scratch(run, count * sizeof(struct space_value));
    if (sets->values == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!run_find(run, run->args[first + i], KEY_SET, &sets->spaces[i], &sets->values[i]))
            return false;
    return true;
}

/* Puts the cursor at @at down to where none below it is lower. */
static void sink(struct sets *sets, uint32_t at)
{
    struct space_cursor **heap = sets->heap;
    struct space_cursor *const sinking = heap[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= sets->heap_count)
            break;
        if (child + 1 < sets->heap_count &&
            bytes_compare(heap[child + 1]->key, heap[child]->key) < 0)
            child++;
        if (bytes_compare(sinking->key, heap[child]->key) <= 0)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = sinking;
}

bool sets__merge(struct sets *sets, uint32_t from)
{
    const size_t most = sets->count + 1; /* none of no sets would be no memory */
    struct space_cursor *cursors = run_scratch(sets->run, most * sizeof *cursors);
    if (cursors == NULL)
        return false;
    sets->heap = run_scratch(sets->run, most * sizeof(struct space_cursor *));
    if (sets->heap == NULL)
        return false;
    sets->heap_count = 0;
    for (uint32_t i = from; i < sets->count; i++) {
        if (sets->values[i].type == KEY_NONE)
            continue;
        cursors[i] = space_cursor_of(sets->spaces[i], &sets->values[i], 0);
        cursors[i].space->kind->seek_rank(&cursors[i], 0);
        if (cursors[i].is_there)
            sets->heap[sets->heap_count++] = &cursors[i];
    }
    for (uint32_t at = sets->heap_count / 2; at-- > 0;)
        sink(sets, at);
    return true;
}

/* The cursor on top was moved: out, if it is at its end, or down to its place. */
static void settle_top(struct sets *sets)
{
    if (!sets->heap[0]->is_there)
        sets->heap[0] = sets->heap[--sets->heap_count];
    if (sets->heap_count > 0)
        sink(sets, 0);
}

void sets__pass(struct sets *sets)
{
    sets->heap[0]->space->kind->next(sets->heap[0]);
    settle_top(sets);
}

bool sets__holds(struct sets *sets, struct bytes key)
{
    while (sets->heap_count > 0) {
        const int order = bytes_compare(sets->heap[0]->key, key);
        if (order >= 0)
            return order == 0;
        sets->heap[0]->space->kind->seek(sets->heap[0], key);
        settle_top(sets);
    }
    return false;
}
