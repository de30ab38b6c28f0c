/* SPDX-License-Identifier: Apache-2.0 */
/* cache/key.c - the names of what is kept: exactly what the server is asked for, and nothing
 * that it is not. */
#include "cache/cache_inside.h"

#include <string.h>
#include <strings.h>

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

size_t cache__key_write(const struct request *request, uint8_t *out, size_t room)
{
    const struct http_head *head = &request->head;
    const size_t scheme_bytes = strlen(request->scheme);
    const size_t bytes = scheme_bytes + 3 + head->authority.bytes + head->path.bytes;
    if (bytes > room)
        return bytes;
    memcpy(out, request->scheme, scheme_bytes);
    out += scheme_bytes;
    memcpy(out, "://", 3);
    out += 3;
    const uint8_t *authority = http_span_bytes(head, head->authority);
    for (uint32_t i = 0; i < head->authority.bytes; i++)
        *out++ = lower(authority[i]);
    memcpy(out, http_span_bytes(head, head->path), head->path.bytes);
    return bytes;
}

/* Where the host ends; NULL: it is no URL. */
static const char *end_of_host(const char *url)
{
    size_t scheme_bytes = 0;
    if (strncasecmp(url, "http://", 7) == 0)
        scheme_bytes = 7;
    else if (strncasecmp(url, "https://", 8) == 0)
        scheme_bytes = 8;
    const size_t host_bytes = scheme_bytes == 0 ? 0 : strcspn(url + scheme_bytes, "/?#");
    return host_bytes == 0 ? NULL : url + scheme_bytes + host_bytes;
}

const char *cache_url_write(const char *url, char *out, size_t room, size_t *bytes)
{
    const char *host_end = end_of_host(url);
    size_t used = 0;
    if (host_end == NULL)
        return "a URL begins with http:// or https:// and a host";
    if (strlen(url) + 2 > room)
        return "the URL is too long";
    for (const char *at = url; *at != '\0' && *at != '#'; at++) {
        const uint8_t byte = (uint8_t)*at;
        if (byte <= ' ' || byte >= 0x7f)
            return "spaces, controls and letters beyond ASCII stand as %XX in a URL";
        if (at == host_end && byte != '/')
            out[used++] = '/';
        out[used++] = (char)(at < host_end ? lower(byte) : byte);
    }
    if (*host_end == '\0' || *host_end == '#')
        out[used++] = '/';
    *bytes = used;
    out[used] = '\0';
    return NULL;
}

/* No URL holds a NUL, so no URL is a variant of another. */
size_t cache__key_write_variant(const struct store_key *url, struct cache_object *varies,
                                const struct http_head *head, uint8_t *out, size_t room)
{
    const size_t prefix = url->bytes + 1 + sizeof varies->generation;
    if (prefix >= room)
        return 0;
    if (out != url->at)
        memcpy(out, url->at, url->bytes);
    out[url->bytes] = '\0';
    memcpy(out + url->bytes + 1, &varies->generation, sizeof varies->generation);
    const char *names = (const char *)cache_object_at(varies, varies->names_at);
    const size_t bytes =
        cache_vary_write(names, varies->names_bytes, head, out + prefix, room - prefix);
    return bytes > room - prefix ? 0 : prefix + bytes;
}

void cache__look(struct cache_side *side, const struct store_key *url, const struct http_head *head,
                 struct cache_look *look)
{
    struct store *store = side->cache->store;
    const unsigned thread = side->worker->index;
    *look = (struct cache_look){.url = *url, .key = *url};
    struct store_entry *entry = store_find(store, thread, url);
    if (entry != NULL && cache_object_of(entry)->kind == CACHE_OBJECT_VARIES) {
        const size_t bytes = cache__key_write_variant(url, cache_object_of(entry), head, side->key,
                                                      sizeof side->key);
        store_entry_unref(entry);
        entry = NULL;
        look->is_varied = true;
        look->key = (struct store_key){.at = side->key, .bytes = (uint32_t)bytes};
        look->key.hash = cache_hash(side->cache, side->key, bytes);
        if (bytes > 0)
            entry = store_find(store, thread, &look->key);
    }
    look->entry = entry;
}
