/* SPDX-License-Identifier: Apache-2.0 */
/* main/face/face.c - a router of its own for each listener that keys may be asked of. */
#include "main/face/face.h"

#include "core/mem.h"
#include "main/assemble.h"

#include <string.h>

static const struct kept_keyspace *kept_of(const struct generation *generation, const char *name)
{
    for (size_t i = 0; i < generation->settings->keyspaces_count; i++)
        if (strcmp(generation->settings->keyspaces[i].name, name) == 0)
            return generation->keyspaces[i];
    return NULL;
}

static bool list_keyspaces(struct face *face, const struct generation *generation)
{
    const struct keyspaces *all = &face->keys->partition.keyspaces;
    face->keyspaces = mem_alloc((all->count + 1) * sizeof *face->keyspaces);
    for (uint32_t i = 0; face->keyspaces != NULL && i < all->count; i++) {
        const struct keyspace *keyspace = &all->at[i];
        face->keyspaces[i] = (struct keys_http_keyspace){
            .name = bytes_of(keyspace->name),
            .is_default = keyspace == all->fallback,
            .is_ordered = keyspace->partition->strategy->is_ordered,
            .value_bytes_max = kept_of(generation, keyspace->name)->value_bytes_max,
        };
    }
    return face->keyspaces != NULL;
}

static uint32_t keyspace_of(void *self, struct bytes key)
{
    const struct face *face = self;
    const struct keyspaces *all = &face->keys->partition.keyspaces;
    const struct keyspace *keyspace = keyspaces_find(all, key);
    return keyspace == NULL ? all->count : keyspace->number;
}

/* Keys come before every service, whatever the host: the listener asks for them. */
static bool list_routes(struct face *face, const struct face_parts *parts)
{
    const uint32_t count = parts->services->count;
    struct http_route *routes = mem_alloc((count + 1) * sizeof *routes);
    if (routes == NULL)
        return false;
    routes[0] = (struct http_route){
        .host = "",
        .path = KEYS_HTTP_PREFIX,
        .path_bytes = sizeof KEYS_HTTP_PREFIX - 1,
        .top = &face->stage.stage,
        .settings = &parts->generation->settings->http_service,
    };
    if (count > 0)
        memcpy(routes + 1, parts->services->routes, count * sizeof *routes);
    face->router.routes = routes;
    face->router.count = count + 1;
    return true;
}

/* Who may come in through that listener. */
static struct keys_http_users users_of(const struct listener_settings *listener)
{
    return (struct keys_http_users){
        .users = listener->users, .authenticate = users_authenticate, .nameless = users_nameless};
}

bool face_init(struct face *face, const struct face_parts *parts)
{
    const struct listener_settings *listener = parts->listener;
    struct worker_thread *thread = parts->thread;
    *face = (struct face){
        .router = {.refs_count = 1, .released = parts->released, .path = parts->path},
        .keys = parts->keys,
        .listener = listener->name,
    };
    if (!list_keyspaces(face, parts->generation) || !list_routes(face, parts))
        return false;
    const struct keys_http_options options = {
        .worker = &thread->worker,
        .door = &parts->keys->partition.door,
        .settings = &parts->generation->settings->kv,
        .held = &thread->kv_held,
        .keyspaces = face->keyspaces,
        .keyspaces_count = parts->keys->partition.keyspaces.count,
        .keyspace_of = keyspace_of,
        .self = face,
        .users = users_of(listener),
        .is_local = users_of(listener).users == NULL && !listener->open &&
                    config_address_is_loopback(listener->address),
        .path = parts->path,
        .hold = parts->hold,
        .release = parts->release,
    };
    keys_http_stage_init(&face->stage, &options);
    return true;
}

void face_fini(struct face *face)
{
    keys_http_stage_fini(&face->stage);
    mem_free(face->keyspaces);
    mem_free(face->router.routes);
    *face = (struct face){0};
}
