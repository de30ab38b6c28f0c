/* SPDX-License-Identifier: Apache-2.0 */
/* cache/rules/range.c - ranges of bytes (RFC 9110 14): Range and Content-Range. */
#include "cache/rules/parts.h"

/* One member of a Range. */
enum spec {
    SPEC_WRONG,
    SPEC_BEYOND, /* nothing of it is there */
    SPEC_GOOD,
};

/* Takes "bytes" and @mark. */
static bool take_unit(const uint8_t **at, const uint8_t *end, uint8_t mark)
{
    enum { BYTES = sizeof "bytes" - 1 };
    if (end - *at <= BYTES || !http_same_text(*at, "bytes", BYTES) || (*at)[BYTES] != mark)
        return false;
    *at += BYTES + 1;
    return true;
}

static bool take_byte(const uint8_t **at, const uint8_t *end, uint8_t byte)
{
    if (*at == end || **at != byte)
        return false;
    (*at)++;
    return true;
}

/* "-n": the last n bytes. */
static enum spec read_suffix(const uint8_t *at, const uint8_t *end, uint64_t total_bytes,
                             struct cache_range *range)
{
    uint64_t count;
    if (!cache__number_take(&at, end, &count) || at != end)
        return SPEC_WRONG;
    if (count == 0 || total_bytes == 0)
        return SPEC_BEYOND;
    *range = (struct cache_range){count < total_bytes ? total_bytes - count : 0, total_bytes - 1};
    return SPEC_GOOD;
}

static enum spec read_spec(const uint8_t *at, const uint8_t *end, uint64_t total_bytes,
                           struct cache_range *range)
{
    if (take_byte(&at, end, '-'))
        return read_suffix(at, end, total_bytes, range);
    uint64_t last = UINT64_MAX;
    if (!cache__number_take(&at, end, &range->first) || !take_byte(&at, end, '-'))
        return SPEC_WRONG;
    if (at != end && (!cache__number_take(&at, end, &last) || at != end || last < range->first))
        return SPEC_WRONG;
    if (range->first >= total_bytes)
        return SPEC_BEYOND;
    range->last = last < total_bytes ? last : total_bytes - 1;
    return SPEC_GOOD;
}

/* Of a list of specs without its unit. What is beyond the end does not count beside what is not. */
static enum cache_range_verdict read_specs(const uint8_t *at, const uint8_t *end,
                                           uint64_t total_bytes, struct cache_range *range)
{
    size_t good = 0, beyond = 0;
    while (at < end) {
        const uint8_t *stop = at, *next;
        while (stop < end && *stop != ',')
            stop++;
        next = stop < end ? stop + 1 : end;
        while (at < stop && cache__is_space(*at))
            at++;
        while (stop > at && cache__is_space(stop[-1]))
            stop--;
        struct cache_range one;
        const enum spec spec = at < stop ? read_spec(at, stop, total_bytes, &one) : SPEC_WRONG;
        if (spec == SPEC_WRONG && at < stop)
            return CACHE_RANGE_WHOLE;
        if (spec == SPEC_GOOD && good++ == 0)
            *range = one;
        beyond += spec == SPEC_BEYOND;
        at = next;
    }
    if (good > 0)
        return good == 1 ? CACHE_RANGE_PART : CACHE_RANGE_MANY;
    return beyond > 0 ? CACHE_RANGE_BEYOND : CACHE_RANGE_WHOLE;
}

/* RFC 9110 13.1.5. True too where there is no If-Range. */
static bool if_range_holds(const struct cache_validators *validators,
                           const struct http_head *request)
{
    if (!http_head_has(request, HTTP_FIELD_IF_RANGE))
        return true;
    const struct http_field *field = cache__only_field(request, HTTP_FIELD_IF_RANGE, NULL);
    if (field == NULL)
        return false;
    const uint8_t *at = http_field_value(request, field), *end = at + field->value_bytes;
    struct cache__member tag;
    if (cache__etag_take(&at, end, &tag))
        return at == end && validators->etag != NULL &&
               cache__etag_same_strong(validators->etag, validators->etag_bytes, tag.at, tag.bytes);
    return cache__date_is_strong(validators) &&
           cache__date_read(request, HTTP_FIELD_IF_RANGE, validators->date_s) ==
               validators->last_modified_s;
}

enum cache_range_verdict cache_judge_range(struct cache_range *range,
                                           const struct cache_validators *validators,
                                           const struct http_head *request, uint64_t total_bytes)
{
    const struct http_field *field = cache__only_field(request, HTTP_FIELD_RANGE, NULL);
    if (field == NULL || request->method != HTTP_METHOD_GET)
        return CACHE_RANGE_WHOLE;
    const uint8_t *at = http_field_value(request, field), *end = at + field->value_bytes;
    if (!take_unit(&at, end, '=') || !if_range_holds(validators, request))
        return CACHE_RANGE_WHOLE;
    return read_specs(at, end, total_bytes, range);
}

bool cache_content_range_read(const struct http_head *answer, struct cache_range *range,
                              uint64_t *total_bytes)
{
    const struct http_field *field = cache__only_field(answer, HTTP_FIELD_CONTENT_RANGE, NULL);
    if (field == NULL)
        return false;
    const uint8_t *at = http_field_value(answer, field), *end = at + field->value_bytes;
    return take_unit(&at, end, ' ') && cache__number_take(&at, end, &range->first) &&
           take_byte(&at, end, '-') && cache__number_take(&at, end, &range->last) &&
           take_byte(&at, end, '/') && cache__number_take(&at, end, total_bytes) && at == end &&
           range->first <= range->last && range->last < *total_bytes;
}
