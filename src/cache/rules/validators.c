/* SPDX-License-Identifier: Apache-2.0 */
/* cache/rules/validators.c - entity tags, dates, and conditions on them (RFC 9110 8.8, 13). */
#include "cache/rules/parts.h"

#include <string.h>

/* A second of Last-Modified may hold two changes. With this much between it and Date, the answer
 * was surely made after the second had passed, whatever the clocks. */
enum { STRONG_AFTER_S = 60 };

bool cache__etag_take(const uint8_t **at, const uint8_t *end, struct cache__member *tag)
{
    const uint8_t *next = *at;
    if (end - next >= 2 && next[0] == 'W' && next[1] == '/')
        next += 2;
    if (next == end || *next != '"')
        return false;
    for (next++; next < end && *next != '"'; next++)
        if (*next <= 0x20 || *next == 0x7f)
            return false;
    if (next == end)
        return false;
    next++;
    *tag = (struct cache__member){*at, (size_t)(next - *at)};
    *at = next;
    return true;
}

static bool same(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes)
{
    return a_bytes == b_bytes && memcmp(a, b, a_bytes) == 0;
}

bool cache__etag_same_strong(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes)
{
    return !cache__etag_is_weak(a, a_bytes) && same(a, a_bytes, b, b_bytes);
}

bool cache__etag_same_weak(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes)
{
    const size_t a_skip = cache__etag_is_weak(a, a_bytes) ? 2 : 0;
    const size_t b_skip = cache__etag_is_weak(b, b_bytes) ? 2 : 0;
    return same(a + a_skip, a_bytes - a_skip, b + b_skip, b_bytes - b_skip);
}

const struct http_field *cache__etag_find(const struct http_head *answer)
{
    const struct http_field *field = cache__only_field(answer, HTTP_FIELD_ETAG, NULL);
    if (field == NULL || field->value_bytes > CACHE_ETAG_BYTES_MAX)
        return NULL;
    const uint8_t *at = http_field_value(answer, field), *end = at + field->value_bytes;
    struct cache__member tag;
    return cache__etag_take(&at, end, &tag) && at == end ? field : NULL;
}

int64_t cache__date_read(const struct http_head *head, enum http_field_id id, int64_t now_s)
{
    int64_t date_s;
    const struct http_field *field = cache__only_field(head, id, NULL);
    if (field == NULL ||
        !http_date_read(&date_s, http_field_value(head, field), field->value_bytes, now_s))
        return -1;
    return date_s >= 0 ? date_s : -1;
}

bool cache__date_is_strong(const struct cache_validators *validators)
{
    return validators->last_modified_s >= 0 &&
           validators->date_s - STRONG_AFTER_S >= validators->last_modified_s;
}

bool cache_is_same_representation(const struct cache_validators *a,
                                  const struct cache_validators *b)
{
    if (a->etag != NULL && b->etag != NULL)
        return cache__etag_same_strong(a->etag, a->etag_bytes, b->etag, b->etag_bytes);
    return a->etag == NULL && b->etag == NULL && cache__date_is_strong(a) &&
           cache__date_is_strong(b) && a->last_modified_s == b->last_modified_s;
}

/* The validators that @answer names; not its date. */
static struct cache_validators validators_of(const struct http_head *answer, int64_t now_s)
{
    const struct http_field *etag = cache__etag_find(answer);
    return (struct cache_validators){
        .etag = etag != NULL ? http_field_value(answer, etag) : NULL,
        .etag_bytes = etag != NULL ? etag->value_bytes : 0,
        .last_modified_s = cache__date_read(answer, HTTP_FIELD_LAST_MODIFIED, now_s),
    };
}

/* A 304 that names no validator answers the one that was sent, which was that of @kept: RFC 9111
 * 4.3.4 leaves out this case, but many servers send such. One that names another speaks of
 * something else, whatever its status says. */
bool cache_is_about(const struct cache_validators *kept, const struct http_head *news)
{
    const struct cache_validators new = validators_of(news, kept->date_s);
    if (new.etag == NULL && http_head_has(news, HTTP_FIELD_ETAG))
        return false;
    if (new.etag != NULL && kept->etag != NULL)
        return cache__etag_is_weak(new.etag, new.etag_bytes)
                   ? cache__etag_same_weak(new.etag, new.etag_bytes, kept->etag, kept->etag_bytes)
                   : cache__etag_same_strong(new.etag, new.etag_bytes, kept->etag,
                                             kept->etag_bytes);
    if (new.etag != NULL && !cache__etag_is_weak(new.etag, new.etag_bytes) &&
        !cache__date_is_strong(kept))
        return false;
    if (new.etag != NULL || new.last_modified_s >= 0)
        return new.last_modified_s >= 0 && new.last_modified_s == kept->last_modified_s;
    return true;
}

/* --- Conditions that a cache answers itself (RFC 9110 13.2.2, RFC 9111 4.3.2) --- */

typedef bool same_etag(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes);

/* Is the kept ETag in this line? What comes after a wrong byte is not read. */
static bool is_in_line(const struct cache_validators *validators, const uint8_t *at,
                       const uint8_t *end, same_etag *is_same)
{
    struct cache__member tag;
    for (;;) {
        while (at < end && (cache__is_space(*at) || *at == ','))
            at++;
        if (at == end || !cache__etag_take(&at, end, &tag))
            return false;
        while (at < end && cache__is_space(*at))
            at++;
        if (at < end && *at != ',')
            return false;
        if (is_same(validators->etag, validators->etag_bytes, tag.at, tag.bytes))
            return true;
    }
}

/* Does the list of tags match? "*" does, as there is an answer. */
static bool matches(const struct cache_validators *validators, const struct http_head *request,
                    enum http_field_id id, same_etag *is_same)
{
    const struct http_field *field = cache__only_field(request, id, NULL);
    if (field != NULL && field->value_bytes == 1 && *http_field_value(request, field) == '*')
        return true;
    if (validators->etag == NULL)
        return false;
    for (field = http_head_find(request, id); field != NULL;
         field = http_head_find_next(request, field)) {
        const uint8_t *value = http_field_value(request, field);
        if (is_in_line(validators, value, value + field->value_bytes, is_same))
            return true;
    }
    return false;
}

/* Without Last-Modified an answer is as old as its Date (RFC 9111 4.3.2). */
static bool is_unmodified(const struct cache_validators *validators, int64_t since_s)
{
    const int64_t changed_s =
        validators->last_modified_s >= 0 ? validators->last_modified_s : validators->date_s;
    return since_s >= 0 && changed_s <= since_s;
}

static bool is_failed(const struct cache_validators *validators, const struct http_head *request)
{
    if (http_head_has(request, HTTP_FIELD_IF_MATCH))
        return !matches(validators, request, HTTP_FIELD_IF_MATCH, cache__etag_same_strong);
    const int64_t since_s =
        cache__date_read(request, HTTP_FIELD_IF_UNMODIFIED_SINCE, validators->date_s);
    return since_s >= 0 && validators->last_modified_s > since_s;
}

enum cache_condition cache_judge_conditions(const struct cache_validators *validators,
                                            const struct http_head *request)
{
    if (is_failed(validators, request))
        return CACHE_CONDITION_FAILED;
    const bool is_same =
        http_head_has(request, HTTP_FIELD_IF_NONE_MATCH)
            ? matches(validators, request, HTTP_FIELD_IF_NONE_MATCH, cache__etag_same_weak)
            : is_unmodified(validators, cache__date_read(request, HTTP_FIELD_IF_MODIFIED_SINCE,
                                                         validators->date_s));
    return is_same ? CACHE_CONDITION_UNMODIFIED : CACHE_CONDITION_SEND;
}
