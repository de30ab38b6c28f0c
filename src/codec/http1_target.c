/* SPDX-License-Identifier: Apache-2.0 */
/* codec/http1_target.c - request targets and hosts (RFC 9112 3.2, RFC 9110 4.2 and 7.2).
 *
 * Bytes of a target: all VCHAR of ASCII but "#" (a fragment is never sent). RFC 3986 also forbids
 * "<>\^`{|} and the quotation mark, yet browsers send some of them raw in queries, and nginx,
 * HAProxy and Node take them; they are passed on as they came. A backslash in the path is refused,
 * since browsers and some servers read it as "/" and so would route elsewhere than we do. Bytes
 * over 127 are refused, as HAProxy does: their meaning hangs on a charset that nobody told. Percent
 * escapes are neither checked nor decoded here.
 *
 * Hosts: letters, digits and -._~ (RFC 3986 unreserved), or an IPv6 address in brackets; then an
 * optional port, 1 to 65535. Narrower than RFC 3986, which allows percent escapes, !$&'()*+,;=
 * and an empty port: no real host needs them, while caches and routers were split with them. */
#include "codec/http1_parts.h"

#include <arpa/inet.h>

const uint8_t http1__classes[256] = {
    ['!'] = HTTP1__TOKEN,
    ['#' ... '\''] = HTTP1__TOKEN,
    ['*' ... '+'] = HTTP1__TOKEN,
    ['-' ... '.'] = HTTP1__TOKEN | HTTP1__HOST,
    ['0' ... '9'] = HTTP1__TOKEN | HTTP1__HOST | HTTP1__HEX | HTTP1__DIGIT,
    ['A' ... 'F'] = HTTP1__TOKEN | HTTP1__HOST | HTTP1__HEX,
    ['G' ... 'Z'] = HTTP1__TOKEN | HTTP1__HOST,
    ['^'] = HTTP1__TOKEN,
    ['_'] = HTTP1__TOKEN | HTTP1__HOST,
    ['`'] = HTTP1__TOKEN,
    ['a' ... 'f'] = HTTP1__TOKEN | HTTP1__HOST | HTTP1__HEX,
    ['g' ... 'z'] = HTTP1__TOKEN | HTTP1__HOST,
    ['|'] = HTTP1__TOKEN,
    ['~'] = HTTP1__TOKEN | HTTP1__HOST,
};

bool http1__all(const uint8_t *bytes, size_t count, unsigned classes)
{
    for (size_t i = 0; i < count; i++)
        if (!http1__is(bytes[i], classes))
            return false;
    return count > 0;
}

enum { HOST_BYTES_MAX = 255 }; /* RFC 1035: no name in the DNS is longer */

/* An authority, taken apart. */
struct authority {
    uint32_t host_bytes;
    uint16_t port; /* 0 if there is none */
};

static bool is_ipv6(const uint8_t *bytes, size_t count)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (count == 0 || count >= sizeof text)
        return false;
    memcpy(text, bytes, count);
    text[count] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

/* The length of the host that @bytes begin with, or 0 if there is none. */
static uint32_t host_length(const uint8_t *bytes, uint32_t count)
{
    if (count > 0 && bytes[0] == '[') {
        const uint8_t *bracket = memchr(bytes, ']', count);
        if (bracket == NULL || !is_ipv6(bytes + 1, (size_t)(bracket - bytes - 1)))
            return 0;
        return (uint32_t)(bracket - bytes) + 1;
    }
    uint32_t i = 0;
    while (i < count && http1__is(bytes[i], HTTP1__HOST))
        i++;
    return i > HOST_BYTES_MAX ? 0 : i;
}

static bool split_authority(const uint8_t *bytes, uint32_t count, struct authority *out)
{
    const uint32_t host = host_length(bytes, count);
    *out = (struct authority){.host_bytes = host};
    if (host == 0)
        return false;
    if (host == count)
        return true;
    const uint32_t digits = count - host - 1;
    if (bytes[host] != ':' || digits > 5 || !http1__all(bytes + host + 1, digits, HTTP1__DIGIT))
        return false;
    uint32_t port = 0;
    for (uint32_t i = host + 1; i < count; i++)
        port = port * 10 + (bytes[i] - '0') * 1u;
    out->port = (uint16_t)port;
    return port > 0 && port <= UINT16_MAX;
}

static bool set_authority(struct http_head *head, uint32_t at, uint32_t count)
{
    struct authority parts;
    if (!split_authority(head->base + at, count, &parts))
        return false;
    head->authority = (struct http_span){at, count};
    head->host = (struct http_span){at, parts.host_bytes};
    head->port = parts.port;
    return true;
}

/* CONNECT host:port. The port must be said. */
static enum http1_refusal check_connect(struct http1_reader *reader, struct http_head *head)
{
    if (!set_authority(head, head->target.at, head->target.bytes) || head->port == 0)
        return http1__refuse(reader, HTTP1_REFUSAL_TARGET_CONNECT, head->target.at);
    return HTTP1_REFUSAL_NONE;
}

static enum http1_refusal check_asterisk(struct http1_reader *reader, struct http_head *head)
{
    const uint8_t *method = head->base + head->method_text.at;
    if (head->method_text.bytes == 3 && memcmp(method, "PRI", 3) == 0)
        return http1__refuse(reader, HTTP1_REFUSAL_HTTP2_PREFACE, head->method_text.at);
    if (head->method != HTTP_METHOD_OPTIONS)
        return http1__refuse(reader, HTTP1_REFUSAL_TARGET_ASTERISK, head->target.at);
    head->asterisk = true;
    head->path = head->target;
    return HTTP1_REFUSAL_NONE;
}

/* The length of "http" or "https" if the target begins with it and "://"; else 0 and the reason. */
static uint32_t scheme_length(const uint8_t *target, uint32_t count, enum http1_refusal *why)
{
    const uint8_t *colon = memchr(target, ':', count);
    *why = HTTP1_REFUSAL_TARGET_FORM;
    if (colon == NULL || memchr(target, '/', (size_t)(colon - target)) != NULL)
        return 0;
    const uint32_t bytes = (uint32_t)(colon - target);
    if (count - bytes < 3 || colon[1] != '/' || colon[2] != '/')
        return 0;
    *why = HTTP1_REFUSAL_TARGET_SCHEME;
    if ((bytes == 4 || bytes == 5) && http_same_text(target, "https", bytes))
        return bytes;
    return 0;
}

/* http://host:port/path?query. Where the path is empty, the second slash before the host serves
 * as path "/", so that `path` is always a span of the head. */
static enum http1_refusal check_absolute(struct http1_reader *reader, struct http_head *head)
{
    const struct http_span target = head->target;
    const uint8_t *bytes = head->base + target.at;
    enum http1_refusal why;
    const uint32_t scheme = scheme_length(bytes, target.bytes, &why);
    if (scheme == 0)
        return http1__refuse(reader, why, target.at);
    const uint32_t start = scheme + 3;
    uint32_t end = start;
    while (end < target.bytes && bytes[end] != '/' && bytes[end] != '?') {
        if (bytes[end] == '@')
            return http1__refuse(reader, HTTP1_REFUSAL_TARGET_USERINFO, target.at + end);
        end++;
    }
    if (!set_authority(head, target.at + start, end - start))
        return http1__refuse(reader, HTTP1_REFUSAL_TARGET_AUTHORITY, target.at + start);
    head->scheme = (struct http_span){target.at, scheme};
    if (end == target.bytes) {
        head->path = (struct http_span){target.at + scheme + 2, 1};
        head->asterisk = head->method == HTTP_METHOD_OPTIONS; /* RFC 9112 3.2.4 */
        return HTTP1_REFUSAL_NONE;
    }
    /* RFC 3986 allows it; servers read it as "/?..." or as an error, clients do not send it. */
    if (bytes[end] == '?')
        return http1__refuse(reader, HTTP1_REFUSAL_TARGET_NO_PATH, target.at + end);
    head->path = (struct http_span){target.at + end, target.bytes - end};
    return HTTP1_REFUSAL_NONE;
}

static enum http1_refusal check_path(struct http1_reader *reader, const struct http_head *head)
{
    const uint8_t *path = head->base + head->path.at;
    const uint8_t *backslash = memchr(path, '\\', head->path.bytes);
    if (backslash != NULL && memchr(path, '?', (size_t)(backslash - path)) == NULL)
        return http1__refuse(reader, HTTP1_REFUSAL_TARGET_BYTE, (uint32_t)(backslash - head->base));
    return HTTP1_REFUSAL_NONE;
}

enum http1_refusal http1__target_check(struct http1_reader *reader, struct http_head *head)
{
    const struct http_span target = head->target;
    const uint8_t *bytes = head->base + target.at;
    if (head->method == HTTP_METHOD_CONNECT)
        return check_connect(reader, head);
    if (bytes[0] == '/') {
        head->path = target;
        return check_path(reader, head);
    }
    if (target.bytes == 1 && bytes[0] == '*')
        return check_asterisk(reader, head);
    const enum http1_refusal refusal = check_absolute(reader, head);
    return refusal != HTTP1_REFUSAL_NONE ? refusal : check_path(reader, head);
}

/* Is it the host of the target? The scheme's own port may be left out on either side, and a Host
 * field beside CONNECT may leave out any. */
static bool same_authority(const struct http_head *head, const uint8_t *host,
                           struct authority parts)
{
    if (parts.host_bytes != head->host.bytes ||
        !http_same_text(host, (const char *)head->base + head->host.at, parts.host_bytes))
        return false;
    if (head->method == HTTP_METHOD_CONNECT)
        return parts.port == 0 || parts.port == head->port;
    const uint16_t usual = head->scheme.bytes == 5 ? 443 : 80;
    return (parts.port == 0 ? usual : parts.port) == (head->port == 0 ? usual : head->port);
}

enum http1_refusal http1__host_check(struct http1_reader *reader, struct http_head *head,
                                     const struct http_field *field)
{
    if (http_head_has(head, HTTP_FIELD_HOST))
        return http1__refuse(reader, HTTP1_REFUSAL_HOST_MANY, field->name_at);
    if (head->authority.bytes == 0) {
        if (!set_authority(head, field->value_at, field->value_bytes))
            return http1__refuse(reader, HTTP1_REFUSAL_HOST_SYNTAX, field->value_at);
        return HTTP1_REFUSAL_NONE;
    }
    const uint8_t *value = http_field_value(head, field);
    struct authority parts;
    if (!split_authority(value, field->value_bytes, &parts))
        return http1__refuse(reader, HTTP1_REFUSAL_HOST_SYNTAX, field->value_at);
    if (!same_authority(head, value, parts))
        return http1__refuse(reader, HTTP1_REFUSAL_HOST_DIFFERS, field->value_at);
    return HTTP1_REFUSAL_NONE;
}
