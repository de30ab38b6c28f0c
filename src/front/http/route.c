/* SPDX-License-Identifier: Apache-2.0 */
/* front/http/route.c - host and longest prefix. */
#include "front/http/route.h"

#include "core/http.h"

#include <stdlib.h>
#include <string.h>

/* Exact hosts first, then wildcards by falling length, then every host; longer paths first. */
static int host_rank(const struct http_route *route)
{
    if (route->host_bytes == 0)
        return 2;
    return route->host[0] == '*' ? 1 : 0;
}

static int compare(const void *left, const void *right)
{
    const struct http_route *a = left;
    const struct http_route *b = right;
    if (host_rank(a) != host_rank(b))
        return host_rank(a) - host_rank(b);
    if (host_rank(a) == 1 && a->host_bytes != b->host_bytes)
        return a->host_bytes > b->host_bytes ? -1 : 1;
    const int hosts = strcmp(a->host, b->host);
    if (hosts != 0)
        return hosts;
    if (a->path_bytes != b->path_bytes)
        return a->path_bytes > b->path_bytes ? -1 : 1;
    return strcmp(a->path, b->path);
}

void http_router_sort(struct http_router *router)
{
    if (router->count > 1)
        qsort(router->routes, router->count, sizeof *router->routes, compare);
}

static bool host_fits(const struct http_route *route, const uint8_t *host, uint32_t bytes)
{
    if (route->host_bytes == 0)
        return true;
    if (route->host[0] != '*')
        return bytes == route->host_bytes && http_same_text(host, route->host, bytes);
    const uint32_t suffix = route->host_bytes - 1; /* ".example": at least one label before it */
    return bytes > suffix && http_same_text(host + bytes - suffix, route->host + 1, suffix);
}

static bool path_fits(const struct http_route *route, const uint8_t *path, uint32_t bytes)
{
    const uint32_t prefix = route->path_bytes;
    if (prefix == 1) /* "/" is every path, and "*" of OPTIONS too */
        return true;
    if (bytes < prefix || memcmp(path, route->path, prefix) != 0)
        return false;
    return bytes == prefix || route->path[prefix - 1] == '/' || path[prefix] == '/' ||
           path[prefix] == '?';
}

const struct http_route *http_router_find(const struct http_router *router, const uint8_t *host,
                                          uint32_t host_bytes, const uint8_t *path,
                                          uint32_t path_bytes)
{
    for (uint32_t i = 0; i < router->count; i++) {
        const struct http_route *route = &router->routes[i];
        if (host_fits(route, host, host_bytes) && path_fits(route, path, path_bytes))
            return route;
    }
    return NULL;
}
