/* SPDX-License-Identifier: Apache-2.0 */
/* cache/explain.c - words for what was decided, and what is known of a kept answer. */
#include "cache/explain.h"

#include "core/units.h"

#include <stdio.h>
#include <string.h>

enum { MS_PER_S = 1000 };

static const struct {
    const char *word, *gist;
} expectations[] = {
#define X(name, word, gist) [CACHE_EXPECT_##name] = {word, gist},
    CACHE_EXPECTATIONS(X)
#undef X
};

const char *cache_expectation_word(enum cache_expectation expected)
{
    return expectations[expected].word;
}

const char *cache_expectation_gist(enum cache_expectation expected)
{
    return expectations[expected].gist;
}

/* All lines of a field, joined; what does not fit is left out. */
static void copy_field(char *out, size_t room, const struct http_head *head, enum http_field_id id)
{
    size_t used = 0;
    for (const struct http_field *field = http_head_find(head, id); field != NULL && used < room;
         field = http_head_find_next(head, field)) {
        const int written =
            snprintf(out + used, room - used, "%s%.*s", used > 0 ? ", " : "",
                     (int)field->value_bytes, (const char *)http_field_value(head, field));
        used += written > 0 ? (size_t)written : 0;
    }
}

static void tell_validators(struct cache_explained *out, struct cache_object *object)
{
    const struct cache_validators validators = cache_object_validators(object);
    out->has_own_etag = object->meta.etag_bytes == 0 && validators.etag_bytes > 0;
    out->last_modified_s = validators.last_modified_s;
    (void)snprintf(out->etag, sizeof out->etag, "%.*s", (int)validators.etag_bytes,
                   validators.etag == NULL ? "" : (const char *)validators.etag);
}

static void tell_answer(struct cache_explained *out, struct cache_object *object, uint64_t now_ms)
{
    const struct cache_meta *meta = &object->meta;
    const struct http_head head = cache_object_peek_head(object);
    const uint64_t stale_ms = atomic_load(&object->stale_ms);
    out->has_answer = true;
    out->is_growing = !atomic_load(&object->is_over);
    out->is_purged = stale_ms != 0;
    out->is_heuristic = meta->is_heuristic;
    out->status = meta->status;
    out->age_s = cache_age_s(meta, now_ms);
    out->ttl_s = cache_ttl_s(meta, now_ms);
    out->lifetime_s = meta->lifetime_ms / MS_PER_S;
    out->swr_s = meta->swr_ms / MS_PER_S;
    out->sie_s = meta->sie_ms / MS_PER_S;
    out->bytes = atomic_load(&object->total_bytes);
    out->tags_count = object->tags_count;
    tell_validators(out, object);
    copy_field(out->control, sizeof out->control, &head, HTTP_FIELD_CACHE_CONTROL);
    copy_field(out->cdn_control, sizeof out->cdn_control, &head, HTTP_FIELD_CDN_CACHE_CONTROL);
}

void cache__explain_entry(struct cache_explained *out, struct store_entry *entry, uint64_t now_ms)
{
    struct cache_object *object = cache_object_of(entry);
    if (object->kind == CACHE_OBJECT_ANSWER)
        tell_answer(out, object, now_ms);
    if (object->kind == CACHE_OBJECT_PASSES && object->expires_ms > now_ms) {
        out->passes_s = (object->expires_ms - now_ms + MS_PER_S - 1) / MS_PER_S;
        out->passes_for = object->classes;
    }
}
