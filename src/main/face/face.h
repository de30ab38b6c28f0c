/* SPDX-License-Identifier: Apache-2.0 */
/* main/face/face.h - what a listener with `keys: true` stands before: keys over HTTP, then the
 * services, on one worker.
 *
 *     front/http > engine/keys_http > partition > engine
 *
 * Memory:  a part of struct path, which frees it when nothing holds any router any more.
 * Threads: its worker's. */
#ifndef PANDO_MAIN_FACE_FACE_H
#define PANDO_MAIN_FACE_FACE_H

#include "engine/keys_http/keys_http.h"
#include "front/http/route.h"
#include "main/assemble_keys.h"

struct face {
    struct http_router         router; /* first; what fronts hold */
    struct keys_http_stage     stage;
    struct keys_http_keyspace *keyspaces; /* by name, as those of the key path */
    struct key_path           *keys;
    const char                *listener; /* its name */
};

/* What it is made of; all outlives it. */
struct face_parts {
    struct worker_thread           *thread;
    struct generation              *generation;
    struct key_path                *keys;
    const struct http_router       *services; /* sorted */
    const struct listener_settings *listener;
    void                           *path; /* that it is a part of */
    void (*released)(struct http_router *router);
    void (*hold)(void *path);
    void (*release)(void *path);
};

/* False: no memory; face_fini() is due all the same. */
must_check bool face_init(struct face *face, const struct face_parts *parts);

/* Accepts zero. */
void face_fini(struct face *face);

#endif
