/* SPDX-License-Identifier: Apache-2.0 */
/* cache/rules/coding.c - which answers are worth keeping compressed, and may be (RFC 9110). */
#include "cache/rules/parts.h"

#include <string.h>

/* Types whose bodies are text, or as loose as text. What is compressed already (images, video,
 * archives, WOFF) is not here. */
#define TYPES(X)                                                                                   \
    X("application/json")                                                                          \
    X("application/javascript")                                                                    \
    X("application/ecmascript")                                                                    \
    X("application/x-javascript")                                                                  \
    X("application/xml")                                                                           \
    X("application/wasm")                                                                          \
    X("application/graphql")                                                                       \
    X("application/ndjson")                                                                        \
    X("application/x-ndjson")                                                                      \
    X("application/rtf")                                                                           \
    X("application/sql")                                                                           \
    X("application/yaml")                                                                          \
    X("application/toml")                                                                          \
    X("application/x-font-ttf")                                                                    \
    X("application/x-font-opentype")                                                               \
    X("application/vnd.ms-fontobject")                                                             \
    X("font/ttf")                                                                                  \
    X("font/otf")                                                                                  \
    X("font/sfnt")                                                                                 \
    X("font/collection")                                                                           \
    X("image/bmp")                                                                                 \
    X("image/x-icon")                                                                              \
    X("image/vnd.microsoft.icon")

static bool ends_with(const struct cache__member *type, const char *end)
{
    const size_t bytes = strlen(end);
    return type->bytes >= bytes && http_same_text(type->at + type->bytes - bytes, end, bytes);
}

static bool is_loose_type(const struct cache__member *type)
{
    static const char *const types[] = {
#define X(type) type,
        TYPES(X)
#undef X
    };
    static const char *const ends[] = {"+json", "+xml", "+yaml", "+text"};
    /* Events are for one reader at the time that they come: nobody keeps them. */
    if (type->bytes == 17 && http_same_text(type->at, "text/event-stream", 17))
        return false;
    if (type->bytes > 5 && http_same_text(type->at, "text/", 5))
        return true;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (type->bytes == strlen(types[i]) && http_same_text(type->at, types[i], type->bytes))
            return true;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_with(type, ends[i]))
            return true;
    return false;
}

/* The type without its parameters. */
static bool has_loose_type(const struct http_head *answer)
{
    const struct http_field *field = cache__only_field(answer, HTTP_FIELD_CONTENT_TYPE, NULL);
    if (field == NULL)
        return false;
    struct cache__member type = {http_field_value(answer, field), 0};
    while (type.bytes < field->value_bytes && type.at[type.bytes] != ';' &&
           !cache__is_space(type.at[type.bytes]))
        type.bytes++;
    return is_loose_type(&type);
}

/* Of the answer as it is, so that CDN-Cache-Control does not stand in for Cache-Control here. */
static bool says_no_transform(const struct http_head *answer, enum http_field_id id)
{
    static const char word[] = "no-transform";
    struct cache__list list;
    struct cache__member member;
    bool is_said = false;
    cache__list_init(&list, answer, id);
    while (cache__list_next(&list, &member))
        is_said |=
            member.bytes >= sizeof word - 1 && http_same_text(member.at, word, sizeof word - 1) &&
            (member.bytes == sizeof word - 1 || !cache__is_token_byte(member.at[sizeof word - 1]));
    return is_said || list.is_torn;
}

bool cache_may_transform(const struct http_head *answer)
{
    return !says_no_transform(answer, HTTP_FIELD_CACHE_CONTROL) &&
           !says_no_transform(answer, HTTP_FIELD_CDN_CACHE_CONTROL);
}

bool cache_may_compress(const struct http_head *answer)
{
    const struct http_field *etag = http_head_find(answer, HTTP_FIELD_ETAG);
    return answer->status == 200 && !http_head_has(answer, HTTP_FIELD_CONTENT_ENCODING) &&
           !http_head_has(answer, HTTP_FIELD_CONTENT_RANGE) &&
           answer->framing != HTTP_FRAMING_NONE &&
           (!answer->has_content_length || answer->content_length >= CACHE_COMPRESS_BYTES_MIN) &&
           (etag == NULL || etag->value_bytes + CACHE_CODED_ETAG_EXTRA <= CACHE_ETAG_BYTES_MAX) &&
           has_loose_type(answer) && cache_may_transform(answer);
}

/* --- Entity tags ---------------------------------------------------------------------------- */

size_t cache_etag_code(const uint8_t *etag, size_t bytes, const char *coding, uint8_t *out)
{
    const size_t coding_bytes = strlen(coding);
    uint8_t *at = out;
    if (!cache__etag_is_weak(etag, bytes)) {
        memcpy(at, "W/", 2);
        at += 2;
    }
    memcpy(at, etag, bytes - 1); /* without the closing quote */
    at += bytes - 1;
    *at++ = '-';
    memcpy(at, coding, coding_bytes);
    at += coding_bytes;
    *at++ = '"';
    return (size_t)(at - out);
}

size_t cache_etag_decode(const uint8_t *etag, size_t bytes, bool was_strong, uint8_t *out)
{
    size_t end = bytes;
    while (end > 0 && etag[end - 1] != '-')
        end--;
    if (end == 0)
        return 0;
    const size_t skip = was_strong ? 2 : 0;
    const size_t kept = end - 1 - skip;
    memcpy(out, etag + skip, kept);
    out[kept] = '"';
    return kept + 1;
}
