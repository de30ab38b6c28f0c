/* SPDX-License-Identifier: Apache-2.0 */
/* main/face/beside.c - the control thread's key path, held by what walks on it. */
#include "main/face/beside.h"

#include "core/mem.h"
#include "main/assemble.h"

#include <string.h>

struct beside {
    struct generation *generation;
    struct key_path    keys;
    struct face       *faces;
    size_t             faces_count;
    unsigned           held_count; /* its maker, each face's router, each flight that is alone */
};

static bool has_keys(const struct listener_settings *listener)
{
    return listener->keys && listener->dialect == LISTENER_ADMIN;
}

bool beside_is_wanted(const struct settings *settings)
{
    for (size_t i = 0; i < settings->listeners_count; i++)
        if (has_keys(&settings->listeners[i]))
            return true;
    return false;
}

static void free_beside(struct beside *beside)
{
    for (size_t i = 0; i < beside->faces_count; i++)
        face_fini(&beside->faces[i]);
    mem_free(beside->faces);
    key_path_fini(&beside->keys);
    generation_unref(beside->generation);
    mem_free(beside);
}

static void hold(void *self)
{
    ((struct beside *)self)->held_count++;
}

static void let_go(void *self)
{
    struct beside *beside = self;
    if (--beside->held_count == 0)
        free_beside(beside);
}

static void released(struct http_router *router)
{
    let_go(router->path);
}

static bool build_faces(struct beside *beside, struct worker_thread *thread,
                        const struct http_router *pages)
{
    const struct settings *settings = beside->generation->settings;
    bool ok = true;
    for (size_t i = 0; ok && i < settings->listeners_count; i++) {
        const struct face_parts parts = {
            .thread = thread,
            .generation = beside->generation,
            .keys = &beside->keys,
            .services = pages,
            .listener = &settings->listeners[i],
            .path = beside,
            .released = released,
            .hold = hold,
            .release = let_go,
        };
        if (!has_keys(&settings->listeners[i]))
            continue;
        ok = face_init(&beside->faces[beside->faces_count++], &parts);
        beside->held_count++;
    }
    return ok;
}

struct beside *beside_new(struct worker_thread *thread, struct generation *generation,
                          const struct http_router *pages)
{
    struct beside *beside = mem_alloc(sizeof *beside);
    if (beside == NULL)
        return NULL;
    beside->generation = generation_ref(generation);
    beside->held_count = 1;
    beside->faces = mem_alloc((generation->settings->listeners_count + 1) * sizeof *beside->faces);
    if (beside->faces == NULL || !key_path_init(&beside->keys, thread, generation) ||
        !build_faces(beside, thread, pages)) {
        free_beside(beside);
        return NULL;
    }
    return beside;
}

struct http_router *beside_router(struct beside *beside, const char *listener)
{
    for (size_t i = 0; beside != NULL && i < beside->faces_count; i++)
        if (strcmp(beside->faces[i].listener, listener) == 0)
            return &beside->faces[i].router;
    return NULL;
}

void beside_release(struct beside *beside)
{
    if (beside == NULL)
        return;
    for (size_t i = 0; i < beside->faces_count; i++)
        if (--beside->faces[i].router.refs_count == 0)
            beside->held_count--; /* the maker's own keeps it until here */
    let_go(beside);
}
