/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/zsets/merge.c - unions, intersections and differences of sorted sets and sets. */
#include "engine/keys/zsets/merge.h"

#include <math.h>
#include <stdlib.h>

/* The score of a member of @source whose bytes in tree 0 are @bytes. */
static double score_in(const struct zsets_source *source, struct bytes bytes)
{
    return source->value.type == KEY_SET ? 1 : zsets__read_score(bytes);
}

/* Infinity times zero counts as nothing. */
static double weighted(const struct zsets_source *source, struct bytes bytes)
{
    const double score = source->weight * score_in(source, bytes);
    return isnan(score) ? 0 : score;
}

/* @score and @more as one. What is no number (infinities that meet, an infinity without weight)
 * makes a sum nothing, and leaves the lowest or highest as it is: Redis' convention. */
static double aggregated(enum zsets_aggregate aggregate, double score, double more)
{
    switch (aggregate) {
    case ZSETS_MIN: return more < score ? more : score;
    case ZSETS_MAX: return more > score ? more : score;
    case ZSETS_SUM: break;
    }
    return isnan(score + more) ? 0 : score + more;
}

static int by_count(const void *left, const void *right)
{
    const struct zsets_source *a = left, *b = right;
    if (a->value.count != b->value.count)
        return a->value.count < b->value.count ? -1 : 1;
    return a->index < b->index ? -1 : 1;
}

void zsets__sort_sources(struct zsets_sources *sources)
{
    qsort(sources->at, sources->count, sizeof sources->at[0], by_count);
}

static int by_score(const void *left, const void *right)
{
    const struct zsets_entry *a = left, *b = right;
    if (a->score != b->score)
        return a->score < b->score ? -1 : 1;
    return bytes_compare(a->member, b->member);
}

void zsets__sort_result(struct zsets_result *result)
{
    if (result->count > 1)
        qsort(result->entries, result->count, sizeof result->entries[0], by_score);
}

/* Room for @count entries, of which there are none yet. */
static bool make_room(struct run *run, struct zsets_result *result, uint64_t count)
{
    *result = (struct zsets_result){0};
    if (count == 0)
        return true;
    result->entries = run_scratch(run, count * sizeof *result->entries);
    return result->entries != NULL;
}

static void place_first(struct zsets_source *source)
{
    source->cursor = space_cursor_of(source->space, &source->value, ZSETS_BY_MEMBER);
    if (source->value.count > 0)
        source->space->kind->seek_rank(&source->cursor, 0);
}

/* ---- union ---- */

/* Sources as a heap: the one that stands at the lowest member is on top, and of those at the same
 * member the first. */
struct heap {
    struct zsets_source **at;
    uint32_t              count;
};

static bool is_before(const struct zsets_source *a, const struct zsets_source *b)
{
    const int order = bytes_compare(a->cursor.key, b->cursor.key);
    return order != 0 ? order < 0 : a < b;
}

static void sift_down(struct heap *heap, uint32_t place)
{
    struct zsets_source *source = heap->at[place];
    for (;;) {
        uint32_t below = 2 * place + 1;
        if (below >= heap->count)
            break;
        if (below + 1 < heap->count && is_before(heap->at[below + 1], heap->at[below]))
            below++;
        if (!is_before(heap->at[below], source))
            break;
        heap->at[place] = heap->at[below];
        place = below;
    }
    heap->at[place] = source;
}

/* False: no scratch. @members: of all sources together. */
static bool make_heap(struct zsets_sources *sources, struct heap *heap, uint64_t *members)
{
    heap->count = 0;
    *members = 0;
    heap->at = run_scratch(sources->run, sources->count * sizeof(struct zsets_source *));
    if (heap->at == NULL)
        return false;
    for (uint32_t i = 0; i < sources->count; i++) {
        struct zsets_source *source = &sources->at[i];
        place_first(source);
        *members += source->value.count;
        if (source->cursor.is_there)
            heap->at[heap->count++] = source;
    }
    for (uint32_t i = heap->count / 2; i > 0; i--)
        sift_down(heap, i - 1);
    return true;
}

/* Takes in the member at which @source stands; the same one of sources before it is the last
 * entry. */
static void unite_one(const struct zsets_sources *sources, const struct zsets_source *source,
                      struct zsets_result *result)
{
    const struct bytes member = members_name(source->cursor.key);
    const double score = weighted(source, source->cursor.member_value);
    struct zsets_entry *last = result->count == 0 ? NULL : &result->entries[result->count - 1];
    if (last != NULL && bytes_equal(last->member, member))
        last->score = aggregated(sources->aggregate, last->score, score);
    else
        result->entries[result->count++] = (struct zsets_entry){score, member};
}

bool zsets__unite(struct zsets_sources *sources, struct zsets_result *result)
{
    struct heap heap;
    uint64_t members;
    if (!make_heap(sources, &heap, &members) || !make_room(sources->run, result, members))
        return false;
    while (heap.count > 0) {
        struct zsets_source *source = heap.at[0];
        unite_one(sources, source, result);
        source->space->kind->next(&source->cursor);
        if (!source->cursor.is_there)
            heap.at[0] = heap.at[--heap.count];
        if (heap.count > 0)
            sift_down(&heap, 0);
    }
    return true;
}

/* ---- intersection and difference ---- */

/* Looks the member with @key in tree 0 up in another source. False: answered. */
static bool look(struct run *run, struct zsets_source *source, struct bytes key,
                 struct bytes *found, bool *is_there)
{
    *is_there = false;
    if (source->value.count == 0)
        return true;
    return run_is_ok(
        run, source->space->kind->tree_get(&source->value, ZSETS_BY_MEMBER, key, found, is_there));
}

/* Is the member where the first source stands in all others? Then *@score is of all together. */
static bool is_in_all(struct zsets_sources *sources, double *score, bool *is_there)
{
    const struct zsets_source *first = &sources->at[0];
    *score = weighted(first, first->cursor.member_value);
    *is_there = true;
    for (uint32_t i = 1; i < sources->count && *is_there; i++) {
        struct zsets_source *other = &sources->at[i];
        struct bytes found;
        if (!look(sources->run, other, first->cursor.key, &found, is_there))
            return false;
        if (*is_there)
            *score = aggregated(sources->aggregate, *score, other->weight * score_in(other, found));
    }
    return true;
}

bool zsets__intersect(struct zsets_sources *sources, uint64_t count_max,
                      struct zsets_result *result)
{
    struct zsets_source *first = &sources->at[0];
    if (!make_room(sources->run, result, first->value.count))
        return false;
    place_first(first);
    for (; first->cursor.is_there && result->count < count_max;
         first->space->kind->next(&first->cursor)) {
        double score;
        bool is_there;
        if (!is_in_all(sources, &score, &is_there))
            return false;
        if (is_there)
            result->entries[result->count++] =
                (struct zsets_entry){score, members_name(first->cursor.key)};
    }
    return true;
}

/* Is the member where the first source stands in none of the others? */
static bool is_in_no_other(struct zsets_sources *sources, bool *is_alone)
{
    *is_alone = true;
    for (uint32_t i = 1; i < sources->count && *is_alone; i++) {
        struct bytes found;
        bool is_there;
        if (!look(sources->run, &sources->at[i], sources->at[0].cursor.key, &found, &is_there))
            return false;
        *is_alone = !is_there;
    }
    return true;
}

bool zsets__subtract(struct zsets_sources *sources, struct zsets_result *result)
{
    struct zsets_source *first = &sources->at[0];
    if (!make_room(sources->run, result, first->value.count))
        return false;
    place_first(first);
    for (; first->cursor.is_there; first->space->kind->next(&first->cursor)) {
        const struct bytes bytes = first->cursor.member_value;
        bool is_alone;
        if (!is_in_no_other(sources, &is_alone))
            return false;
        if (is_alone)
            result->entries[result->count++] =
                (struct zsets_entry){score_in(first, bytes), members_name(first->cursor.key)};
    }
    return true;
}
