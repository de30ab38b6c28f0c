/* SPDX-License-Identifier: Apache-2.0 */
/* cache/object.c - kept answers in the memory of the store. */
#include "cache/object.h"

#include <assert.h>
#include <string.h>

static uint32_t aligned(uint32_t bytes)
{
    return (bytes + 15) & ~15u;
}

/* --- making ----------------------------------------------------------------------------------- */

static bool is_kept_field(const struct http_field *field)
{
    return !field->hop && field->id != HTTP_FIELD_AGE;
}

/* Names are written as the table has them, so that whole heads are copied in one run. */
static uint32_t lines_bytes(const struct http_head *head, uint16_t *count)
{
    uint32_t bytes = 0;
    *count = 0;
    for (uint16_t i = 0; i < head->fields_count; i++) {
        const struct http_field *field = &head->fields[i];
        if (!is_kept_field(field))
            continue;
        bytes += field->name_bytes + field->value_bytes + 4u;
        (*count)++;
    }
    return bytes;
}

struct lines {
    struct http_head *head;
    uint8_t          *base;
    uint32_t          used;
};

static void put(struct lines *lines, const void *at, uint32_t bytes)
{
    memcpy(lines->base + lines->used, at, bytes);
    lines->used += bytes;
}

static void put_line(struct lines *lines, const uint8_t *name, uint16_t name_bytes,
                     const uint8_t *value, uint32_t value_bytes)
{
    struct http_head *head = lines->head;
    const enum http_field_id id = http_field_find(name, name_bytes);
    head->fields[head->fields_count++] = (struct http_field){
        .name_at = lines->used,
        .name_bytes = name_bytes,
        .value_at = lines->used + name_bytes + 2,
        .value_bytes = value_bytes,
        .id = (uint8_t)id,
    };
    head->present[(unsigned)id >> 6] |= 1ull << ((unsigned)id & 63);
    put(lines, name, name_bytes);
    put(lines, ": ", 2);
    put(lines, value, value_bytes);
    put(lines, "\r\n", 2);
}

static void put_lines(struct lines *lines, const struct http_head *head)
{
    for (uint16_t i = 0; i < head->fields_count; i++) {
        const struct http_field *field = &head->fields[i];
        if (is_kept_field(field))
            put_line(lines, http_field_name(head, field), field->name_bytes,
                     http_field_value(head, field), field->value_bytes);
    }
}

/* Spans move with their fields. */
static void set_meta(struct cache_object *object, const struct cache_object_parts *parts)
{
    const struct http_head kept = cache_object_peek_head(object);
    const struct http_field *etag = http_head_find(&kept, HTTP_FIELD_ETAG);
    object->meta = *parts->meta;
    if (parts->meta->etag_bytes > 0) {
        object->meta.etag_at = etag == NULL ? 0 : etag->value_at;
        object->meta.etag_bytes = etag == NULL ? 0 : etag->value_bytes;
    }
}

static void set_framing(struct http_head *head, const struct cache_object_parts *parts)
{
    const bool is_empty = parts->total_bytes == 0;
    head->version_minor = 1;
    head->keep_alive = true;
    head->status = parts->meta->status;
    head->has_content_length =
        parts->total_bytes != CACHE_BYTES_UNKNOWN && head->status != 204 && head->status != 304;
    head->content_length = head->has_content_length ? parts->total_bytes : 0;
    head->framing = is_empty                                    ? HTTP_FRAMING_NONE
                    : parts->total_bytes == CACHE_BYTES_UNKNOWN ? HTTP_FRAMING_CHUNKED
                                                                : HTTP_FRAMING_LENGTH;
}

struct store_entry *cache_object_new(struct store *store, const struct store_key *key,
                                     const struct cache_object_parts *parts)
{
    static const char date[] = "Date";
    uint16_t count;
    const bool is_dated = http_head_has(parts->head, HTTP_FIELD_DATE);
    uint32_t bytes = lines_bytes(parts->head, &count);
    if (!is_dated) {
        bytes += sizeof date - 1 + HTTP_DATE_BYTES + 4;
        count++;
    }
    const uint32_t fields_at = aligned(sizeof(struct cache_object));
    const uint32_t bytes_at = fields_at + count * (uint32_t)sizeof(struct http_field);
    const uint32_t tags_at = aligned(bytes_at + bytes);
    const uint32_t inline_at = tags_at + parts->tags_count * 8;
    const uint32_t inline_bytes =
        parts->total_bytes <= CACHE_INLINE_BYTES ? (uint32_t)parts->total_bytes : 0;
    if (inline_at + inline_bytes > STORE_FRONT_BYTES_MAX)
        return NULL;
    struct store_entry *entry = store_entry_new(store, key, inline_at + inline_bytes);
    if (entry == NULL)
        return NULL;
    struct cache_object *object = cache_object_of(entry);
    *object = (struct cache_object){
        .kind = CACHE_OBJECT_ANSWER,
        .is_vary = parts->is_vary,
        .coded = parts->coded,
        .fields_at = fields_at,
        .bytes_at = bytes_at,
        .inline_at = inline_at,
        .inline_bytes = inline_bytes,
        .total_bytes = parts->total_bytes,
        .tags_at = tags_at,
        .tags_count = parts->tags_count,
        .url_bytes = parts->url_bytes,
        .part_first = parts->part_first,
        .whole_bytes = parts->whole_bytes,
        .purges_seen = parts->purges_seen,
    };
    struct http_head *head = &object->head;
    head->fields = (struct http_field *)(void *)cache_object_at(object, fields_at);
    struct lines lines = {.head = head, .base = cache_object_at(object, bytes_at)};
    put_lines(&lines, parts->head);
    if (!is_dated)
        put_line(&lines, (const uint8_t *)date, sizeof date - 1, (const uint8_t *)parts->date,
                 HTTP_DATE_BYTES);
    assert(lines.used == bytes && head->fields_count == count);
    head->fields_max = head->fields_count;
    head->head_bytes = bytes;
    head->fields = NULL;
    if (parts->tags_count > 0)
        memcpy(cache_object_at(object, tags_at), parts->tags,
               parts->tags_count * sizeof *parts->tags);
    set_framing(head, parts);
    set_meta(object, parts);
    return entry;
}

struct store_entry *cache_object_new_varies(struct store *store, const struct store_key *key,
                                            const char *names, size_t names_bytes,
                                            uint64_t generation, uint32_t variants_max)
{
    const uint32_t variants_at = aligned(sizeof(struct cache_object));
    const uint32_t names_at = variants_at + variants_max * 8;
    struct store_entry *entry = store_entry_new(store, key, names_at + (uint32_t)names_bytes);
    if (entry == NULL)
        return NULL;
    struct cache_object *object = cache_object_of(entry);
    *object = (struct cache_object){
        .kind = CACHE_OBJECT_VARIES,
        .is_over = true,
        .generation = generation,
        .names_at = names_at,
        .names_bytes = (uint32_t)names_bytes,
        .variants_at = variants_at,
        .variants_max = variants_max,
        .url_bytes = key->bytes,
    };
    memcpy(cache_object_at(object, names_at), names, names_bytes);
    return entry;
}

struct store_entry *cache_object_new_passes(struct store *store, const struct store_key *key,
                                            unsigned classes, uint64_t expires_ms)
{
    struct store_entry *entry = store_entry_new(store, key, sizeof(struct cache_object));
    if (entry == NULL)
        return NULL;
    *cache_object_of(entry) = (struct cache_object){
        .kind = CACHE_OBJECT_PASSES,
        .is_over = true,
        .classes = (uint8_t)classes,
        .expires_ms = expires_ms,
        .url_bytes = key->bytes,
    };
    return entry;
}

/* --- reading ---------------------------------------------------------------------------------- */

static void set_length(struct cache_object *object, struct http_head *head)
{
    if (head->framing != HTTP_FRAMING_CHUNKED || !atomic_load(&object->is_over))
        return;
    head->content_length = atomic_load(&object->total_bytes);
    head->has_content_length = true;
    head->framing = head->content_length == 0 ? HTTP_FRAMING_NONE : HTTP_FRAMING_LENGTH;
}

struct http_head cache_object_peek_head(struct cache_object *object)
{
    struct http_head head = object->head;
    head.base = cache_object_at(object, object->bytes_at);
    head.fields = (struct http_field *)(void *)cache_object_at(object, object->fields_at);
    set_length(object, &head);
    return head;
}

bool cache_object_read_head(struct cache_object *object, struct arena *arena,
                            struct http_head *head)
{
    const uint32_t fields_bytes = object->bytes_at - object->fields_at;
    const uint32_t bytes = fields_bytes + object->head.head_bytes;
    uint8_t *memory = arena_take(arena, bytes);
    if (memory == NULL)
        return false;
    memcpy(memory, cache_object_at(object, object->fields_at), bytes);
    *head = object->head;
    head->fields = (struct http_field *)(void *)memory;
    head->base = memory + fields_bytes;
    set_length(object, head);
    return true;
}

struct cache_validators cache_object_validators(struct cache_object *object)
{
    const struct cache_meta *meta = &object->meta;
    struct cache_validators validators = {
        .last_modified_s = meta->last_modified_s,
        .date_s = meta->date_s,
    };
    const uint32_t own_bytes = atomic_load_explicit(&object->own_etag_bytes, memory_order_acquire);
    if (meta->etag_bytes > 0) {
        validators.etag = cache_object_at(object, object->bytes_at + meta->etag_at);
        validators.etag_bytes = meta->etag_bytes;
    } else if (own_bytes > 0) {
        validators.etag = (const uint8_t *)object->own_etag;
        validators.etag_bytes = own_bytes;
    }
    return validators;
}

void cache_object_set_etag(struct cache_object *object, uint64_t hash)
{
    char *at = object->own_etag;
    *at++ = '"';
    for (int shift = 60; shift >= 0; shift -= 4)
        *at++ = "0123456789abcdef"[(hash >> shift) & 15];
    *at = '"';
    atomic_store_explicit(&object->own_etag_bytes, CACHE_OWN_ETAG_BYTES, memory_order_release);
}

/* Two that store at once may both miss the other's hash: then one is noted twice, which costs a
 * place. */
uint64_t cache_object_add_variant(struct cache_object *object, uint64_t hash)
{
    _Atomic uint64_t *variants =
        (_Atomic uint64_t *)(void *)cache_object_at(object, object->variants_at);
    for (uint32_t i = 0; i < object->variants_max; i++)
        if (atomic_load_explicit(&variants[i], memory_order_relaxed) == hash)
            return 0;
    const uint32_t at = atomic_fetch_add(&object->variants_count, 1) % object->variants_max;
    return atomic_exchange(&variants[at], hash);
}
