/* SPDX-License-Identifier: Apache-2.0 */
/* front/http/http_front.h - HTTP/1.1 to clients: one front per listener and worker.
 *
 * A front accepts connections, reads requests strictly, and submits one op per request to the top
 * of the service that its
 * router names. Answers leave in the order of the requests. At a reload only the router and the
 * settings are exchanged;
 * connections stay, and requests on their way keep the path they came in on.
 *
 * Memory:  a front is freed when it is stopped and its last connection is gone (`closed`).
 * Threads: its worker's.
 * Errors:  refusals are answered to the client with a problem document and Proxy-Status. */
#ifndef PANDO_FRONT_HTTP_HTTP_FRONT_H
#define PANDO_FRONT_HTTP_HTTP_FRONT_H

#include "config/address.h"
#include "front/http/http_settings.h"
#include "front/http/route.h"
#include "loop/conn.h"
#include "path/admission.h"
#include "path/worker.h"

/* What may be exchanged at a reload. Borrowed; outlives its use. */
struct http_front_settings {
    const char                         *name;   /* of the listener */
    const char                         *scheme; /* "http" */
    const struct http_settings         *http;
    const struct http_service_settings *service; /* for requests that no service answers */
    const struct config_networks       *trust;
};

struct http_front;

/* A front that listens on @fd (borrowed; it outlives the front). Accepting begins at once. NULL:
 * no memory. */
struct http_front *http_front_new(struct worker *worker, const struct http_front_settings *settings,
                                  struct http_router *router, struct admission *admission, int fd)
    must_check;

/* Takes over a reference to @router and lets go of the old one; requests from now on use both. */
void http_front_change(struct http_front *front, const struct http_front_settings *settings,
                       struct http_router *router);

/* Stops accepting. Connections that are idle close in a second, unless a request that was on its
 * way comes and is answered;
 * the others close after their answer. @closed(self) comes when the last one
 * is gone and the front has been freed. */
void http_front_stop(struct http_front *front, void (*closed)(void *self), void *self);

/* Cancels what is left (the drain's deadline has passed). */
void http_front_abort(struct http_front *front);

/* Adds what this front's connections are charged with to the worker's row: called by the
 * worker's publishing timer. */
struct http_front_census {
    uint64_t connections, tunnels, charged_bytes, charged_bytes_max;
};
void http_front_count(const struct http_front *front, struct http_front_census *census);

#endif
