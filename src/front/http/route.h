/* SPDX-License-Identifier: Apache-2.0 */
/* front/http/route.h - which service answers: by host, then by the longest path prefix.
 *
 * An exact host beats "*.suffix" (the longest suffix first), which beats "every host". Among the
 * routes of one host the
 * longest path wins; a prefix matches whole segments: "/api" takes "/api", "/api/x" and "/api?x"
 * but not "/apix".
 * If no path of the best host matches, the next best host is tried.
 *
 * Memory:  a router owns its array; what the routes point at is borrowed from the path. Pure but
 * for the count. */
#ifndef PANDO_FRONT_HTTP_ROUTE_H
#define PANDO_FRONT_HTTP_ROUTE_H

#include "front/http/http_settings.h"
#include "path/service.h"
#include "path/stage.h"

struct http_route {
    const char                         *host; /* lower case; "*.suffix"; "" is every host */
    const char                         *path; /* begins with "/" */
    uint32_t                            host_bytes;
    uint32_t                            path_bytes;
    struct stage                       *top;     /* of the service's path */
    struct service                     *service; /* NULL: nothing is counted (the admin pages) */
    const struct http_service_settings *settings;
};

/* The routes of one listener on one worker, and the count of what still uses them. */
struct http_router {
    struct http_route *routes; /* sorted: best first */
    uint32_t           count;
    uint32_t           refs_count;                /* the front's own and one per op */
    void (*released)(struct http_router *router); /* the last reference is gone */
    void *path;                                   /* for released() */
};

/* Sorts the routes; call once after filling the array. */
void http_router_sort(struct http_router *router);

/* The route for @host (without port, any case) and @path (with or without a query), or NULL. */
const struct http_route *http_router_find(const struct http_router *router, const uint8_t *host,
                                          uint32_t host_bytes, const uint8_t *path,
                                          uint32_t path_bytes);

#endif
