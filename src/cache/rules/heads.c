/* SPDX-License-Identifier: Apache-2.0 */
/* cache/rules/heads.c - kept heads: what is left out of them, and what a 304 changes (RFC 9111 3.1,
 * 3.2). */
#include "cache/rules/parts.h"

#include <string.h>

/* --- Fields that are not kept --- */

void cache__names_init(struct cache__names *names, const struct http_head *answer)
{
    *names = (struct cache__names){0};
    if (http_head_has(answer, HTTP_FIELD_CDN_CACHE_CONTROL))
        names->is_targeted = cache__targeted_read(&names->targeted, answer);
    cache__list_init(&names->list, answer, HTTP_FIELD_CACHE_CONTROL);
}

static bool names_fields(const struct cache__directive *directive)
{
    return (directive->word == CACHE__WORD_NO_CACHE || directive->word == CACHE__WORD_PRIVATE) &&
           cache__directive_names_fields(directive);
}

static bool next_targeted(struct cache__names *names)
{
    while (names->word < CACHE__WORDS_COUNT) {
        const unsigned word = names->word++;
        names->directive = names->targeted.last[word];
        if (names->targeted.is_said[word] && names_fields(&names->directive))
            return true;
    }
    return false;
}

static bool next_listed(struct cache__names *names)
{
    struct cache__member member;
    while (cache__list_next(&names->list, &member)) {
        cache__directive_read(&names->directive, &member);
        if (names_fields(&names->directive))
            return true;
    }
    return false;
}

bool cache__names_next(struct cache__names *names, struct cache__member *name)
{
    while (
        !cache__name_next(names->directive.value, names->directive.value_bytes, &names->at, name)) {
        names->at = 0;
        if (!(names->is_targeted ? next_targeted(names) : next_listed(names))) {
            names->directive = (struct cache__directive){0};
            return false;
        }
    }
    return true;
}

/* Of one message, or one hop: it would be wrong on a later answer. */
static bool is_never_kept(enum http_field_id id)
{
    return http_field_row(id)->copied == HTTP_COPIED_HOP || id == HTTP_FIELD_AGE ||
           id == HTTP_FIELD_CACHE_STATUS || id == HTTP_FIELD_ENDPOINT_LOAD_METRICS ||
           id == HTTP_FIELD_TRAILER;
}

static bool is_named(const struct http_head *head, const struct http_field *field,
                     const struct cache__member *name)
{
    return field->name_bytes == name->bytes &&
           http_same_text(http_field_name(head, field), (const char *)name->at, name->bytes);
}

void cache_mark_fields(struct http_head *answer)
{
    for (size_t i = 0; i < answer->fields_count; i++)
        if (is_never_kept((enum http_field_id)answer->fields[i].id))
            answer->fields[i].hop = 1;
    struct cache__names names;
    struct cache__member name;
    cache__names_init(&names, answer);
    while (cache__names_next(&names, &name))
        for (size_t i = 0; i < answer->fields_count; i++)
            if (is_named(answer, &answer->fields[i], &name))
                answer->fields[i].hop = 1;
}

/* --- Merging --- */

/* Fields about the body that is kept, which the news did not bring. RFC 9111 3.2 excepts the length
 * and lets implementations except what they have acted upon; the digests are of the same sort.
 * Content-Type is not among them: it must be updated. */
static bool is_about_body(const struct http_head *head, const struct http_field *field)
{
    static const char *const digests[] = {"content-md5", "content-digest"};
    switch (field->id) {
    case HTTP_FIELD_CONTENT_LENGTH:
    case HTTP_FIELD_CONTENT_ENCODING:
    case HTTP_FIELD_CONTENT_RANGE:
    case HTTP_FIELD_TRANSFER_ENCODING: return true;
    default: break;
    }
    for (size_t i = 0; i < sizeof digests / sizeof digests[0]; i++) {
        const struct cache__member name = {(const uint8_t *)digests[i], strlen(digests[i])};
        if (is_named(head, field, &name))
            return true;
    }
    return false;
}

/* Does @field of the news go into the merged head? The kept ETag stays: it is the kept body's. */
static bool is_news(const struct http_head *kept, const struct http_head *news,
                    const struct http_field *field)
{
    return !field->hop && !is_about_body(news, field) &&
           !(field->id == HTTP_FIELD_ETAG && http_head_has(kept, HTTP_FIELD_ETAG));
}

/* Age and Date are of the message that brought them: without new ones the answer is dated by when
 * the news came. */
static bool is_outdated(const struct http_head *kept, const struct http_head *news,
                        const struct http_field *field)
{
    if (field->hop || field->id == HTTP_FIELD_AGE || field->id == HTTP_FIELD_DATE)
        return true;
    const struct cache__member name = {http_field_name(kept, field), field->name_bytes};
    for (size_t i = 0; i < news->fields_count; i++)
        if (is_named(news, &news->fields[i], &name) && is_news(kept, news, &news->fields[i]))
            return true;
    return false;
}

/* What is being written. */
struct merging {
    struct http_head *out;
    uint8_t          *bytes;
    size_t            room;
};

static bool put_bytes(struct merging *m, const uint8_t *from, size_t count)
{
    if (m->room - m->out->head_bytes < count)
        return false;
    if (count > 0)
        memcpy(m->bytes + m->out->head_bytes, from, count);
    m->out->head_bytes += (uint32_t)count;
    return true;
}

static bool put_field(struct merging *m, const struct http_head *head,
                      const struct http_field *field)
{
    struct http_head *out = m->out;
    if (out->fields_count == out->fields_max)
        return false;
    struct http_field *copy = &out->fields[out->fields_count];
    *copy = *field;
    copy->hop = 0;
    copy->name_at = out->head_bytes;
    if (!put_bytes(m, http_field_name(head, field), field->name_bytes))
        return false;
    copy->value_at = out->head_bytes;
    if (!put_bytes(m, http_field_value(head, field), field->value_bytes))
        return false;
    out->fields_count++;
    out->present[field->id >> 6] |= UINT64_C(1) << (field->id & 63);
    return true;
}

bool cache_merge_heads(struct http_head *out, uint8_t *bytes, size_t room,
                       const struct http_head *kept, const struct http_head *news)
{
    struct http_field *fields = out->fields;
    const uint16_t fields_max = out->fields_max;
    struct merging m = {out, bytes, room < UINT32_MAX ? room : UINT32_MAX};
    *out = *kept;
    out->base = bytes;
    out->fields = fields;
    out->fields_max = fields_max;
    out->fields_count = 0;
    out->head_bytes = 0;
    out->present[0] = out->present[1] = 0;
    for (size_t i = 0; i < kept->fields_count; i++)
        if (!is_outdated(kept, news, &kept->fields[i]) && !put_field(&m, kept, &kept->fields[i]))
            return false;
    for (size_t i = 0; i < news->fields_count; i++)
        if (is_news(kept, news, &news->fields[i]) && !put_field(&m, news, &news->fields[i]))
            return false;
    return true;
}
