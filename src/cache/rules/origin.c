/* SPDX-License-Identifier: Apache-2.0 */
/* cache/rules/origin.c - what an unsafe request makes invalid (RFC 9111 4.4), and the references
 * that its answer gives (RFC 3986 5). */
#include "cache/rules/parts.h"

#include <string.h>

bool cache_invalidates(enum http_method method, unsigned status)
{
    return method != HTTP_METHOD_NONE && method != HTTP_METHOD_CONNECT &&
           !http_method_is_safe(method) && status >= 200 && status < 400;
}

/* Bytes of some text, between these. */
struct piece {
    const uint8_t *at;
    const uint8_t *end;
};

static size_t count_of(struct piece piece)
{
    return (size_t)(piece.end - piece.at);
}

/* --- The same origin? --- */

static bool is_scheme(struct piece text, const char *scheme)
{
    return count_of(text) == strlen(scheme) && http_same_text(text.at, scheme, count_of(text));
}

static unsigned default_port(const char *scheme)
{
    return strcasecmp(scheme, "https") == 0 ? 443 : strcasecmp(scheme, "http") == 0 ? 80 : 0;
}

/* Parts host and port; @port is left alone if there is none. */
static bool part_authority(struct piece authority, struct piece *host, uint64_t *port)
{
    const uint8_t *colon = authority.end;
    while (colon > authority.at && cache__is_digit(colon[-1]))
        colon--;
    *host = authority;
    if (colon == authority.at || colon[-1] != ':')
        return memchr(authority.at, '@', count_of(authority)) == NULL;
    host->end = colon - 1;
    if (memchr(host->at, '@', count_of(*host)) != NULL)
        return false;
    /* More colons than that of the port stand in the brackets of an IPv6 address only. */
    if (memchr(host->at, ':', count_of(*host)) != NULL && host->end[-1] != ']')
        return false;
    return colon == authority.end || (cache__number_take(&colon, authority.end, port) && *port > 0);
}

static bool is_same_authority(const struct http_head *request, const char *scheme,
                              struct piece authority)
{
    struct piece host;
    const unsigned by_scheme = default_port(scheme);
    uint64_t port = by_scheme;
    if (!part_authority(authority, &host, &port) || count_of(host) == 0)
        return false;
    const uint64_t ours = request->port != 0 ? request->port : by_scheme;
    return port == ours && count_of(host) == request->host.bytes &&
           http_same_text(host.at, (const char *)http_span_bytes(request, request->host),
                          count_of(host));
}

/* --- Resolving --- */

struct output {
    char  *at;
    size_t room;
    size_t bytes;
    bool   full;
};

static void put(struct output *out, struct piece piece)
{
    const size_t count = count_of(piece);
    if (out->full || out->room - out->bytes < count) {
        out->full = true;
        return;
    }
    if (count > 0)
        memcpy(out->at + out->bytes, piece.at, count);
    out->bytes += count;
}

/* Takes back the last segment and its slash. */
static void take_back(struct output *out)
{
    while (out->bytes > 0 && out->at[--out->bytes] != '/')
        ;
}

/* Writes one segment with the slash before it; @is_last: nothing follows. Dot segments go (RFC 3986
 * 5.2.4), and leave their slash behind if they are last. */
static void put_segment(struct output *out, struct piece segment, bool is_last)
{
    static const uint8_t slash[] = "/";
    const size_t count = count_of(segment);
    const bool is_dot = count == 1 && segment.at[0] == '.';
    const bool is_double = count == 2 && segment.at[0] == '.' && segment.at[1] == '.';
    if (is_double)
        take_back(out);
    if ((is_dot || is_double) && !is_last)
        return;
    put(out, (struct piece){slash, slash + 1});
    if (!is_dot && !is_double)
        put(out, segment);
}

/* Writes the segments of @path, each with a slash before it, whether or not @path begins with one.
 * @is_last as above, of its last segment. */
static void put_segments(struct output *out, struct piece path, bool is_last)
{
    if (path.at < path.end && *path.at == '/')
        path.at++;
    for (;;) {
        const uint8_t *slash = memchr(path.at, '/', count_of(path));
        const struct piece segment = {path.at, slash != NULL ? slash : path.end};
        put_segment(out, segment, slash == NULL && is_last);
        if (slash == NULL)
            return;
        path.at = slash + 1;
    }
}

static const uint8_t *find(struct piece text, uint8_t byte)
{
    const uint8_t *found = count_of(text) > 0 ? memchr(text.at, byte, count_of(text)) : NULL;
    return found != NULL ? found : text.end;
}

/* @reference is a path and a query, both perhaps empty. */
static void resolve(struct output *out, const struct http_head *request, struct piece reference)
{
    static const uint8_t root[] = "/";
    struct piece base = {http_span_bytes(request, request->path),
                         http_span_bytes(request, request->path) + request->path.bytes};
    if (request->path.bytes == 0 || *base.at != '/')
        base = (struct piece){root, root + 1};
    const struct piece base_path = {base.at, find(base, '?')};
    const struct piece path = {reference.at, find(reference, '?')};
    if (count_of(path) == 0) {
        put(out, base_path);
        put(out, count_of(reference) > 0 ? (struct piece){path.end, reference.end}
                                         : (struct piece){base_path.end, base.end});
        return;
    }
    if (*path.at != '/') {
        const uint8_t *last = base_path.end;
        while (last[-1] != '/')
            last--;
        if (last - 1 > base_path.at)
            put_segments(out, (struct piece){base_path.at, last - 1}, false);
    }
    put_segments(out, path, true);
    put(out, (struct piece){path.end, reference.end});
}

/* --- Both --- */

/* Bytes that no URI holds; a reader that takes them in might see another address. */
static bool is_readable(struct piece text)
{
    for (const uint8_t *at = text.at; at < text.end; at++)
        if (*at <= 0x20 || *at >= 0x7f || memchr("\\\"<>^`{|}", *at, 9) != NULL)
            return false;
    return true;
}

/* Takes the scheme, if there is one before any "/" or "?"; false: it is another. */
static bool take_scheme(struct piece *text, const char *scheme, bool *is_taken)
{
    const uint8_t *colon = find(*text, ':');
    *is_taken = colon < find(*text, '/') && colon < find(*text, '?');
    if (!*is_taken)
        return true;
    if (!is_scheme((struct piece){text->at, colon}, scheme))
        return false;
    text->at = colon + 1;
    return true;
}

bool cache_same_origin_path(const struct http_head *request, const char *scheme,
                            const uint8_t *value, size_t bytes, char *out, size_t room,
                            size_t *out_bytes)
{
    struct piece text = {value, value + bytes};
    bool has_scheme;
    text.end = find(text, '#');
    if (!is_readable(text) || !take_scheme(&text, scheme, &has_scheme))
        return false;
    const bool has_authority = count_of(text) >= 2 && text.at[0] == '/' && text.at[1] == '/';
    if (has_scheme && !has_authority)
        return false;
    if (has_authority) {
        text.at += 2;
        const uint8_t *slash = find(text, '/'), *mark = find(text, '?');
        const uint8_t *stop = slash < mark ? slash : mark;
        if (!is_same_authority(request, scheme, (struct piece){text.at, stop}))
            return false;
        text.at = stop;
    }
    struct output to = {.at = out, .room = room};
    if (has_authority && (count_of(text) == 0 || *text.at == '?')) {
        static const uint8_t root[] = "/";
        put(&to, (struct piece){root, root + 1});
        put(&to, text);
    } else {
        resolve(&to, request, text);
    }
    *out_bytes = to.bytes;
    return !to.full;
}
