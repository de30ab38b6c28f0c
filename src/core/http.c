/* SPDX-License-Identifier: Apache-2.0 */
/* core/http.c - the tables of HTTP's words, and finding them. */
#include "core/http.h"

#include <assert.h>
#include <string.h>

static const struct http_field_row field_rows[] = {
    [HTTP_FIELD_OTHER] = {.name = "", .copied = HTTP_COPIED_PASS, .trailer_drop = false},
#define STRIP false
#define PINNED true
#define TRAILER_OK false
#define TRAILER_DROP true
#define X(id, text, how, connection, in_trailer)                                                   \
    [HTTP_FIELD_##id] = {text, sizeof(text) - 1, HTTP_COPIED_##how, connection, in_trailer},
    HTTP_FIELDS(X)
#undef X
#undef STRIP
#undef PINNED
#undef TRAILER_OK
#undef TRAILER_DROP
};

/* A perfect hash: no two names of the table share a slot. It mixes the length and three bytes.
 * If a new name collides, look for another odd multiplier by trying random ones (about one in
 * 2,000 fits). */
enum { SLOTS_COUNT = 512 };

static uint32_t slot_of(const uint8_t *name, size_t count)
{
    const uint32_t key = (uint32_t)(name[0] | 0x20) | (uint32_t)(name[count - 1] | 0x20) << 8 |
                         (uint32_t)(name[count * 3 / 4] | 0x20) << 16 | (uint32_t)count << 24;
    return key * UINT32_C(0x15ad9a9d) >> 23;
}

static const uint8_t slots[SLOTS_COUNT] = {
    /* clang-format off */
    [9] = HTTP_FIELD_ALLOW,
    [16] = HTTP_FIELD_TRACESTATE,
    [23] = HTTP_FIELD_CONTENT_DISPOSITION,
    [31] = HTTP_FIELD_ETAG,
    [45] = HTTP_FIELD_UPGRADE,
    [46] = HTTP_FIELD_ORIGIN,
    [51] = HTTP_FIELD_KEEP_ALIVE,
    [59] = HTTP_FIELD_IF_MATCH,
    [64] = HTTP_FIELD_STRICT_TRANSPORT_SECURITY,
    [66] = HTTP_FIELD_PROXY_AUTHENTICATION_INFO,
    [69] = HTTP_FIELD_TRANSFER_ENCODING,
    [88] = HTTP_FIELD_WWW_AUTHENTICATE,
    [95] = HTTP_FIELD_CONTENT_SECURITY_POLICY,
    [100] = HTTP_FIELD_VIA,
    [103] = HTTP_FIELD_ACCEPT,
    [108] = HTTP_FIELD_SEC_WEBSOCKET_VERSION,
    [115] = HTTP_FIELD_UPGRADE_INSECURE_REQUESTS,
    [119] = HTTP_FIELD_TRACEPARENT,
    [130] = HTTP_FIELD_REFERER,
    [135] = HTTP_FIELD_IF_MODIFIED_SINCE,
    [139] = HTTP_FIELD_SEC_FETCH_SITE,
    [142] = HTTP_FIELD_SEC_WEBSOCKET_KEY,
    [144] = HTTP_FIELD_X_FORWARDED_PORT,
    [149] = HTTP_FIELD_BAGGAGE,
    [151] = HTTP_FIELD_SEC_FETCH_USER,
    [160] = HTTP_FIELD_CONTENT_TYPE,
    [161] = HTTP_FIELD_PROXY_AUTHORIZATION,
    [165] = HTTP_FIELD_IDEMPOTENCY_KEY,
    [179] = HTTP_FIELD_CONTENT_LANGUAGE,
    [187] = HTTP_FIELD_FORWARDED,
    [196] = HTTP_FIELD_SEC_FETCH_DEST,
    [200] = HTTP_FIELD_SERVER_TIMING,
    [211] = HTTP_FIELD_DATE,
    [213] = HTTP_FIELD_ENDPOINT_LOAD_METRICS,
    [214] = HTTP_FIELD_RANGE,
    [216] = HTTP_FIELD_TRAILER,
    [218] = HTTP_FIELD_MAX_FORWARDS,
    [220] = HTTP_FIELD_PROXY_AUTHENTICATE,
    [221] = HTTP_FIELD_CONTENT_RANGE,
    [225] = HTTP_FIELD_CONTENT_ENCODING,
    [230] = HTTP_FIELD_X_FORWARDED_HOST,
    [235] = HTTP_FIELD_SEC_WEBSOCKET_ACCEPT,
    [241] = HTTP_FIELD_PREFER,
    [247] = HTTP_FIELD_CDN_CACHE_CONTROL,
    [251] = HTTP_FIELD_IF_UNMODIFIED_SINCE,
    [254] = HTTP_FIELD_IF_RANGE,
    [258] = HTTP_FIELD_X_FORWARDED_PROTO,
    [259] = HTTP_FIELD_PANDO_SESSION,
    [260] = HTTP_FIELD_SEC_WEBSOCKET_PROTOCOL,
    [262] = HTTP_FIELD_X_REQUEST_ID,
    [269] = HTTP_FIELD_CONNECTION,
    [274] = HTTP_FIELD_LAST_MODIFIED,
    [277] = HTTP_FIELD_TE,
    [279] = HTTP_FIELD_AGE,
    [291] = HTTP_FIELD_ACCEPT_LANGUAGE,
    [296] = HTTP_FIELD_VARY,
    [311] = HTTP_FIELD_ACCEPT_RANGES,
    [331] = HTTP_FIELD_SEC_FETCH_MODE,
    [335] = HTTP_FIELD_CACHE_CONTROL,
    [336] = HTTP_FIELD_ACCEPT_ENCODING,
    [351] = HTTP_FIELD_LOCATION,
    [352] = HTTP_FIELD_EXPECT,
    [360] = HTTP_FIELD_USER_AGENT,
    [371] = HTTP_FIELD_SERVER,
    [392] = HTTP_FIELD_RETRY_AFTER,
    [396] = HTTP_FIELD_PRAGMA,
    [400] = HTTP_FIELD_LINK,
    [403] = HTTP_FIELD_CACHE_STATUS,
    [406] = HTTP_FIELD_HTTP2_SETTINGS,
    [414] = HTTP_FIELD_CACHE_TAG,
    [415] = HTTP_FIELD_X_REAL_IP,
    [425] = HTTP_FIELD_EXPIRES,
    [429] = HTTP_FIELD_SURROGATE_CONTROL,
    [430] = HTTP_FIELD_AUTHORIZATION,
    [433] = HTTP_FIELD_X_FORWARDED_FOR,
    [435] = HTTP_FIELD_CONTENT_LOCATION,
    [449] = HTTP_FIELD_SEC_WEBSOCKET_EXTENSIONS,
    [455] = HTTP_FIELD_PROXY_STATUS,
    [465] = HTTP_FIELD_ALT_SVC,
    [476] = HTTP_FIELD_CONTENT_LENGTH,
    [483] = HTTP_FIELD_SURROGATE_KEY,
    [487] = HTTP_FIELD_PROXY_CONNECTION,
    [497] = HTTP_FIELD_COOKIE,
    [499] = HTTP_FIELD_IF_NONE_MATCH,
    [503] = HTTP_FIELD_HOST,
    [505] = HTTP_FIELD_SET_COOKIE,
    /* clang-format on */
};

static uint64_t load_8(const void *from)
{
    uint64_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

static uint32_t load_4(const void *from)
{
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* Zero if the bytes are equal but for the case of letters. In a name of the table a byte is a
 * letter if and only if it has the bit 0x40, and only letters may differ in the bit 0x20. */
static uint64_t differ(uint64_t seen, uint64_t name)
{
    return (seen ^ name) & ~((name & UINT64_C(0x4040404040404040)) >> 1);
}

static bool same_name(const uint8_t *seen, const char *name, size_t count)
{
    if (count >= 8) {
        uint64_t wrong = differ(load_8(seen + count - 8), load_8(name + count - 8));
        for (size_t i = 0; i + 8 < count; i += 8)
            wrong |= differ(load_8(seen + i), load_8(name + i));
        return wrong == 0;
    }
    if (count >= 4)
        return (differ(load_4(seen), load_4(name)) |
                differ(load_4(seen + count - 4), load_4(name + count - 4))) == 0;
    for (size_t i = 0; i < count; i++)
        if (differ(seen[i], (uint8_t)name[i]) != 0)
            return false;
    return true;
}

const struct http_field_row *http_field_row(enum http_field_id id)
{
    assert((size_t)id < HTTP_FIELDS_COUNT);
    return &field_rows[id];
}

enum http_field_id http_field_find(const uint8_t *name, size_t count)
{
    if (count == 0 || count >= sizeof field_rows[0].name)
        return HTTP_FIELD_OTHER;
    const uint8_t id = slots[slot_of(name, count)];
    const struct http_field_row *row = &field_rows[id];
    if (row->name_bytes != count || !same_name(name, row->name, count))
        return HTTP_FIELD_OTHER;
    return (enum http_field_id)id;
}

static const struct {
    char name[8];
    uint8_t name_bytes;
    bool safe;
    bool idempotent;
} methods[] = {
    [HTTP_METHOD_NONE] = {.name = ""},
#define X(text, is_safe, is_idempotent)                                                            \
    [HTTP_METHOD_##text] = {#text, sizeof(#text) - 1, is_safe, is_idempotent},
    HTTP_METHODS(X)
#undef X
        [HTTP_METHOD_OTHER] = {.name = ""},
};

enum http_method http_method_find(const uint8_t *name, size_t count)
{
    for (unsigned i = HTTP_METHOD_NONE + 1; i < HTTP_METHOD_OTHER; i++)
        if (methods[i].name_bytes == count && memcmp(methods[i].name, name, count) == 0)
            return (enum http_method)i;
    return HTTP_METHOD_OTHER;
}

const char *http_method_name(enum http_method method)
{
    assert((size_t)method < HTTP_METHODS_COUNT);
    return methods[method].name;
}

bool http_method_is_safe(enum http_method method)
{
    assert((size_t)method < HTTP_METHODS_COUNT);
    return methods[method].safe;
}

bool http_method_is_idempotent(enum http_method method)
{
    assert((size_t)method < HTTP_METHODS_COUNT);
    return methods[method].idempotent;
}

const char *http_status_reason(unsigned status)
{
    switch (status) {
#define X(code, reason)                                                                            \
    case code:                                                                                     \
        return reason;
        HTTP_STATUSES(X)
#undef X
    default:
        return "";
    }
}

const struct http_field *http_head_find(const struct http_head *head, enum http_field_id id)
{
    assert(id != HTTP_FIELD_OTHER);
    if (!http_head_has(head, id))
        return NULL;
    for (size_t i = 0; i < head->fields_count; i++)
        if (head->fields[i].id == id)
            return &head->fields[i];
    return NULL;
}

const struct http_field *http_head_find_next(const struct http_head *head,
                                             const struct http_field *field)
{
    const struct http_field *end = head->fields + head->fields_count;
    for (const struct http_field *next = field + 1; next < end; next++)
        if (next->id == field->id)
            return next;
    return NULL;
}

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

bool http_same_text(const uint8_t *a, const char *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (lower(a[i]) != lower((uint8_t)b[i]))
            return false;
    return true;
}

const struct http_field *http_head_find_name(const struct http_head *head, const char *name,
                                             size_t count)
{
    const enum http_field_id id = http_field_find((const uint8_t *)name, count);
    if (id != HTTP_FIELD_OTHER)
        return http_head_find(head, id);
    for (size_t i = 0; i < head->fields_count; i++) {
        const struct http_field *field = &head->fields[i];
        if (field->name_bytes == count && http_same_text(head->base + field->name_at, name, count))
            return field;
    }
    return NULL;
}
