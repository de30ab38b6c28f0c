/* SPDX-License-Identifier: Apache-2.0 */
/* cache/keep.c - answers become entries of the store, under the keys that they vary by. */
#include "cache/compress.h"
#include "cache/fetch.h"

#include "path/target.h"

#include <string.h>

/* --- tags ------------------------------------------------------------------------------------- */

static bool is_between(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == ',';
}

/* Surrogate-Key has spaces between its tags, Cache-Tag commas; a tag holds neither. */
static uint32_t read_tags(const struct http_head *head, enum http_field_id id, uint64_t *tags,
                          uint32_t count)
{
    for (const struct http_field *field = http_head_find(head, id); field != NULL;
         field = http_head_find_next(head, field)) {
        const uint8_t *at = http_field_value(head, field);
        const uint8_t *end = at + field->value_bytes;
        while (at < end && count < CACHE_TAGS_MAX) {
            const uint8_t *begin = at;
            while (at < end && !is_between(*at))
                at++;
            if (at > begin)
                tags[count++] = cache_tag_hash(begin, (size_t)(at - begin));
            at += at < end;
        }
    }
    return count;
}

/* --- variants --------------------------------------------------------------------------------- */

static struct store_key url_of(const struct cache_fetch *fetch, uint8_t *buffer)
{
    struct cache *cache = fetch->stage->side->cache;
    const size_t bytes =
        cache__key_write(fetch->op->request, buffer, CACHE_KEY_BYTES_MAX); /* it fitted before */
    return (struct store_key){cache_hash(cache, buffer, bytes), buffer, (uint32_t)bytes};
}

/* The sign at the URL that names what its answers vary by, with a reference: the one that is there,
 * or a new one with all names of both. NULL: no room, or too many names. */
static struct store_entry *sign_for(struct cache_fetch *fetch, const struct store_key *url,
                                    const char *names, size_t names_bytes)
{
    struct cache *cache = fetch->stage->side->cache;
    struct store_entry *there = store_find_surely(cache->store, url);
    char joined[CACHE_VARY_BYTES_MAX];
    size_t joined_bytes = names_bytes;
    memcpy(joined, names, names_bytes);
    if (there != NULL && cache_object_of(there)->kind == CACHE_OBJECT_VARIES) {
        struct cache_object *object = cache_object_of(there);
        const char *own = (const char *)cache_object_at(object, object->names_at);
        joined_bytes =
            cache_vary_join(own, object->names_bytes, names, names_bytes, joined, sizeof joined);
        if (joined_bytes == object->names_bytes && memcmp(joined, own, joined_bytes) == 0)
            return there;
    }
    store_entry_unref(there);
    if (joined_bytes > sizeof joined)
        return NULL;
    struct store_entry *sign = cache_object_new_varies(
        cache->store, url, joined, joined_bytes, atomic_fetch_add(&cache->generations_count, 1),
        (uint32_t)fetch->stage->settings->variants);
    if (sign == NULL)
        return NULL;
    cache_object_of(sign)->meta.received_ms = cache_now_ms(fetch->stage->side);
    cache__put(cache, sign);
    (void)store_settle(cache->store, sign);
    return sign;
}

/* The variant's key in the side's buffer; the one that has to go for it goes. False: refused. */
static enum cache_refusal variant_key(struct cache_fetch *fetch, const struct store_key *url,
                                      const char *names, size_t names_bytes, struct store_key *key)
{
    struct cache_side *side = fetch->stage->side;
    struct cache *cache = side->cache;
    struct store_entry *sign = sign_for(fetch, url, names, names_bytes);
    if (sign == NULL)
        return CACHE_REFUSED_MEMORY;
    const size_t bytes = cache__key_write_variant(
        url, cache_object_of(sign), &fetch->op->request->head, side->key, sizeof side->key);
    *key = (struct store_key){cache_hash(cache, side->key, bytes), side->key, (uint32_t)bytes};
    const uint64_t oldest =
        bytes == 0 ? 0 : cache_object_add_variant(cache_object_of(sign), key->hash);
    if (oldest != 0) {
        (void)cache_disk_forget(cache, oldest);
        store_remove_hash(cache->store, oldest);
    }
    store_entry_unref(sign);
    return bytes == 0 ? CACHE_REFUSED_VARY_LONG : CACHE_REFUSED_NONE;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* How much of a body there will be. */
static uint64_t body_bytes(const struct http_head *head)
{
    if (head->framing == HTTP_FRAMING_NONE)
        return 0;
    return head->framing == HTTP_FRAMING_LENGTH ? head->content_length : CACHE_BYTES_UNKNOWN;
}

/* What is for the cache itself, or was for this hop, is not shown to clients later. */
static void mark_fields(struct http_head *head)
{
    cache_mark_fields(head);
    for (uint16_t i = 0; i < head->fields_count; i++) {
        const uint8_t id = head->fields[i].id;
        if (id == HTTP_FIELD_SURROGATE_KEY || id == HTTP_FIELD_CACHE_TAG ||
            id == HTTP_FIELD_SURROGATE_CONTROL)
            head->fields[i].hop = 1;
    }
}

static bool is_too_large(const struct cache_fetch *fetch, uint64_t bytes)
{
    return bytes != CACHE_BYTES_UNKNOWN &&
           (bytes > fetch->stage->settings->object_bytes ||
            bytes > store_object_bytes_max(fetch->stage->side->cache->store));
}

/* Which part of what a 206 is. False: it cannot be told, or its length says otherwise. */
static bool read_part(const struct http_head *head, struct cache_object_parts *parts)
{
    struct cache_range range;
    uint64_t whole_bytes;
    if (!cache_content_range_read(head, &range, &whole_bytes) ||
        range.last - range.first + 1 != parts->total_bytes)
        return false;
    parts->part_first = range.first;
    parts->whole_bytes = whole_bytes;
    return true;
}

static void hide_range(struct http_head *head)
{
    for (uint16_t i = 0; i < head->fields_count; i++)
        if (head->fields[i].id == HTTP_FIELD_CONTENT_RANGE)
            head->fields[i].hop = 1;
}

/* With room for its beginning: where there is none the answer is passed on, and nobody waits
 * until there is. NULL: no room. */
static struct store_body *new_body(struct store *store, const struct store_key *key,
                                   uint64_t total_bytes)
{
    struct store_body *body = store_body_new(store, key);
    if (body == NULL ||
        store_body_reserve(body, total_bytes == CACHE_BYTES_UNKNOWN ? 1 : total_bytes))
        return body;
    store_body_unref(body);
    return NULL;
}

enum cache_refusal cache__keep_answer(struct cache_fetch *fetch, const struct cache_meta *meta)
{
    struct cache_side *side = fetch->stage->side;
    struct cache *cache = side->cache;
    struct http_head *head = &fetch->op->answer.head;
    char names[CACHE_VARY_BYTES_MAX];
    uint64_t tags[CACHE_TAGS_MAX];
    const uint64_t total_bytes = body_bytes(head);
    const size_t names_bytes =
        cache__code_names(fetch, names, cache_vary_read(head, names, sizeof names), sizeof names);
    struct store_key key = url_of(fetch, side->key);
    const uint32_t url_bytes = key.bytes;
    if (is_too_large(fetch, total_bytes))
        return CACHE_REFUSED_LARGE;
    if (names_bytes > sizeof names)
        return names_bytes == SIZE_MAX ? CACHE_REFUSED_VARY_ANY : CACHE_REFUSED_VARY_LONG;
    if (names_bytes > 0) {
        const struct store_key url = key;
        const enum cache_refusal refusal = variant_key(fetch, &url, names, names_bytes, &key);
        if (refusal != CACHE_REFUSED_NONE)
            return refusal;
    }
    uint32_t tags_count = read_tags(head, HTTP_FIELD_SURROGATE_KEY, tags, 0);
    tags_count = read_tags(head, HTTP_FIELD_CACHE_TAG, tags, tags_count);
    mark_fields(head);
    struct cache_object_parts parts = {
        .head = head,
        .meta = meta,
        .date = side->worker->date,
        .tags = tags,
        .tags_count = tags_count,
        .total_bytes = total_bytes,
        .purges_seen = fetch->begun.seen,
        .url_bytes = url_bytes,
        .is_vary = names_bytes > 0,
        .coded = fetch->coded,
    };
    if (meta->status == 206) {
        if (!read_part(head, &parts))
            return CACHE_REFUSED_PARTIAL;
        hide_range(head);
    }
    fetch->entry = cache_object_new(cache->store, &key, &parts);
    if (fetch->entry == NULL)
        return CACHE_REFUSED_MEMORY;
    if (total_bytes > CACHE_INLINE_BYTES &&
        (fetch->entry->body = new_body(cache->store, &key, total_bytes)) == NULL) {
        store_entry_unref(fetch->entry);
        fetch->entry = NULL;
        return CACHE_REFUSED_MEMORY;
    }
    return CACHE_REFUSED_NONE;
}

static void copy_body(struct cache_object *to, struct cache_object *from)
{
    memcpy(cache_object_at(to, to->inline_at), cache_object_at(from, from->inline_at),
           from->inline_bytes);
    const uint32_t etag_bytes = atomic_load(&from->own_etag_bytes);
    memcpy(to->own_etag, from->own_etag, sizeof to->own_etag);
    atomic_store(&to->own_etag_bytes, (uint8_t)etag_bytes);
    atomic_store(&to->total_bytes, atomic_load(&from->total_bytes));
    atomic_store(&to->is_over, true);
}

bool cache__keep_freshened(struct cache_fetch *fetch, const struct cache_exchange *exchange)
{
    struct cache *cache = fetch->stage->side->cache;
    struct cache_object *stale = cache_object_of(fetch->stale);
    const struct http_head kept = cache_object_peek_head(stale);
    const struct http_head *news = &fetch->op->answer.head;
    const uint32_t room = kept.head_bytes + news->head_bytes + 64;
    const uint16_t fields_max = (uint16_t)(kept.fields_count + news->fields_count);
    uint8_t *bytes = arena_take(&fetch->op->arena, room);
    struct http_head merged = {
        .fields = arena_take(&fetch->op->arena, fields_max * sizeof *merged.fields),
        .fields_max = fields_max,
    };
    struct cache_meta meta;
    if (bytes == NULL || merged.fields == NULL ||
        !cache_merge_heads(&merged, bytes, room, &kept, news) ||
        !cache__code_freshened(fetch, &merged))
        return false;
    if (atomic_load(&fetch->fill->is_doomed) || cache_purge_forgot(cache, &fetch->begun) ||
        cache_judge_answer(&meta, &merged, exchange) != CACHE_REFUSED_NONE)
        return false;
    mark_fields(&merged);
    const struct store_key key = {fetch->stale->hash, store_entry_key(fetch->stale),
                                  fetch->stale->key_bytes};
    const struct cache_object_parts parts = {
        .head = &merged,
        .meta = &meta,
        .date = fetch->stage->side->worker->date,
        .tags = (const uint64_t *)(void *)cache_object_at(stale, stale->tags_at),
        .tags_count = stale->tags_count,
        .total_bytes = atomic_load(&stale->total_bytes),
        .purges_seen = fetch->begun.seen,
        .url_bytes = stale->url_bytes,
        .is_vary = stale->is_vary,
        .part_first = stale->part_first,
        .whole_bytes = stale->whole_bytes,
        .coded = stale->coded,
    };
    if (fetch->stale->body == NULL && parts.total_bytes > CACHE_INLINE_BYTES)
        return false;
    fetch->entry = cache_object_new(cache->store, &key, &parts);
    if (fetch->entry == NULL)
        return false;
    struct cache_object *object = cache_object_of(fetch->entry);
    if (fetch->stale->body != NULL) {
        fetch->entry->body = store_body_ref(fetch->stale->body);
        object->inline_bytes = 0;
    }
    copy_body(object, stale);
    cache__put(cache, fetch->entry);
    (void)store_settle(cache->store, fetch->entry);
    if (cache__is_purged(fetch->stage->side, fetch->entry))
        (void)store_remove(cache->store, fetch->entry);
    return true;
}

/* Not where it is only this request's or this moment's doing: others may be answered better. */
void cache__keep_passing(struct cache_fetch *fetch, enum cache_refusal refusal)
{
    struct cache_stage *stage = fetch->stage;
    struct cache *cache = stage->side->cache;
    const struct cache_fill *fill = fetch->fill;
    const struct store_key key = {fill->hash, fill->key, fill->key_bytes};
    const unsigned class = cache__class_of(stage, &fetch->ask);
    /* What passes without cookie or authorization passes with them, too. */
    const unsigned classes = class == 0 ? 0xfu : 1u << class;
    if (cache_is_error_status(fetch->op->answer.head.status))
        return;
    if (refusal == CACHE_REFUSED_MEMORY || refusal == CACHE_REFUSED_NO_STORE_ASKED ||
        refusal == CACHE_REFUSED_BYPASS || refusal == CACHE_REFUSED_ODD)
        return;
    struct store_entry *there = store_find_surely(cache->store, &key);
    const bool is_better =
        there != NULL && class != 0 && cache_object_of(there)->kind != CACHE_OBJECT_PASSES;
    const unsigned others = there != NULL && cache_object_of(there)->kind == CACHE_OBJECT_PASSES
                                ? cache_object_of(there)->classes
                                : 0;
    store_entry_unref(there);
    if (is_better)
        return;
    struct store_entry *sign = cache_object_new_passes(cache->store, &key, classes | others,
                                                       cache_now_ms(stage->side) + CACHE_PASSES_MS);
    if (sign == NULL)
        return;
    cache__put(cache, sign);
    (void)store_settle(cache->store, sign);
    store_entry_unref(sign);
}
