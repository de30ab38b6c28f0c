/* SPDX-License-Identifier: Apache-2.0 */
/* cache/parts.c - parts of answers (206): what they cover, and putting them together (RFC 9111
 * 3.4).
 *
 * A part is one run of bytes. Two of the same strong validator that touch or overlap become one;
 * when it has every byte it is a whole answer. */
#include "cache/cache_inside.h"

#include <string.h>

bool cache__wants_part(const struct cache_ask *ask, const struct http_head *request)
{
    static const char all[] = "bytes=0-";
    const struct http_field *field = http_head_find(request, HTTP_FIELD_RANGE);
    if (!ask->has_range || field == NULL || http_head_find_next(request, field) != NULL)
        return false;
    const uint8_t *value = http_field_value(request, field);
    return memchr(value, ',', field->value_bytes) == NULL &&
           !(field->value_bytes == sizeof all - 1 && http_same_text(value, all, sizeof all - 1));
}

bool cache__part_covers(struct cache_object *object, const struct http_head *request,
                        struct cache_range *range)
{
    const struct cache_validators validators = cache_object_validators(object);
    return atomic_load(&object->is_over) &&
           cache_judge_range(range, &validators, request, object->whole_bytes) ==
               CACHE_RANGE_PART &&
           range->first >= object->part_first &&
           range->last - object->part_first < atomic_load(&object->total_bytes);
}

/* --- putting together ------------------------------------------------------------------------- */

struct run {
    struct store_entry  *entry;
    struct cache_object *object;
    uint64_t             first, end; /* in the whole */
};

static struct run run_of(struct store_entry *entry)
{
    struct cache_object *object = cache_object_of(entry);
    return (struct run){entry, object, object->part_first,
                        object->part_first + atomic_load(&object->total_bytes)};
}

/* Where bytes go: beside the head, or to a body. */
struct sink {
    uint8_t           *inline_at;
    struct store_body *body;
};

static bool put(struct sink *sink, const uint8_t *at, size_t bytes)
{
    if (sink->body != NULL)
        return store_body_append(sink->body, at, bytes) == bytes;
    memcpy(sink->inline_at, at, bytes);
    sink->inline_at += bytes;
    return true;
}

/* Copies what @run has of [from, to) of the whole. */
static bool put_run(struct sink *sink, const struct run *run, uint64_t from, uint64_t to)
{
    uint64_t offset = from - run->first;
    const uint64_t end = to - run->first;
    struct store_piece *piece = NULL;
    bool ok = true;
    if (run->entry->body == NULL)
        return offset >= end ||
               put(sink, cache_object_at(run->object, run->object->inline_at) + offset,
                   end - offset);
    while (ok && offset < end) {
        struct store_piece *next = store_body_find(run->entry->body, offset, piece);
        store_piece_unref(piece);
        piece = next;
        if (piece == NULL)
            return false;
        const uint64_t at = offset - piece->starts_at;
        uint64_t bytes = piece->capacity - at;
        bytes = bytes < end - offset ? bytes : end - offset;
        ok = put(sink, piece->data + at, bytes);
        offset += bytes;
    }
    store_piece_unref(piece);
    return ok;
}

static bool are_joinable(const struct run *a, const struct run *b)
{
    const struct cache_validators one = cache_object_validators(a->object);
    const struct cache_validators other = cache_object_validators(b->object);
    return a->object->whole_bytes == b->object->whole_bytes &&
           cache_is_same_representation(&one, &other) && a->first <= b->end && b->first <= a->end &&
           !(a->first <= b->first && b->end <= a->end);
}

/* An empty entry for what both have, with the head of the newer. NULL: no room. */
static struct store_entry *new_joined(struct cache_side *side, const struct run *newer,
                                      const struct run *older, uint64_t first, uint64_t end)
{
    struct store *store = side->cache->store;
    struct cache_object *object = newer->object;
    const struct http_head head = cache_object_peek_head(object);
    const struct store_key key = {newer->entry->hash, store_entry_key(newer->entry),
                                  newer->entry->key_bytes};
    const bool is_whole = first == 0 && end == object->whole_bytes;
    const uint64_t seen = atomic_load(&object->purges_seen);
    const uint64_t older_seen = atomic_load(&older->object->purges_seen);
    struct cache_meta meta = object->meta;
    if (is_whole)
        meta.status = 200;
    const struct cache_object_parts parts = {
        .head = &head,
        .meta = &meta,
        .date = side->worker->date,
        .tags = (const uint64_t *)(void *)cache_object_at(object, object->tags_at),
        .tags_count = object->tags_count,
        .total_bytes = end - first,
        .purges_seen = seen < older_seen ? seen : older_seen,
        .url_bytes = object->url_bytes,
        .is_vary = object->is_vary,
        .part_first = is_whole ? 0 : first,
        .whole_bytes = is_whole ? 0 : object->whole_bytes,
    };
    struct store_entry *entry = cache_object_new(store, &key, &parts);
    if (entry != NULL && parts.total_bytes > CACHE_INLINE_BYTES &&
        (entry->body = store_body_new(store, &key)) == NULL) {
        store_entry_unref(entry);
        return NULL;
    }
    return entry;
}

void cache__join_parts(struct cache_side *side, struct store_entry *older,
                       struct store_entry *newer)
{
    struct store *store = side->cache->store;
    const struct run a = run_of(older), b = run_of(newer);
    if (!cache_object_is_part(a.object) || !atomic_load(&a.object->is_over) ||
        !are_joinable(&b, &a))
        return;
    const uint64_t first = a.first < b.first ? a.first : b.first;
    const uint64_t end = a.end > b.end ? a.end : b.end;
    if (end - first > store_object_bytes_max(store))
        return;
    struct store_entry *joined = new_joined(side, &b, &a, first, end);
    if (joined == NULL)
        return;
    struct cache_object *object = cache_object_of(joined);
    struct sink sink = {.inline_at = cache_object_at(object, object->inline_at),
                        .body = joined->body};
    const bool ok = (first == b.first || put_run(&sink, &a, first, b.first)) &&
                    put_run(&sink, &b, b.first, b.end) &&
                    (end == b.end || put_run(&sink, &a, b.end, end));
    if (joined->body != NULL)
        store_body_end(joined->body, ok);
    if (ok) {
        atomic_store(&object->is_over, true);
        cache__put(side->cache, joined);
        (void)store_settle(store, joined);
    }
    store_entry_unref(joined);
}
