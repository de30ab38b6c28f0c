/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/session/resp_watch.c - watches, from WATCH to UNWATCH. */
#include "front/resp/session/resp_watch.h"

#include "core/mem.h"

#include <stdio.h>

struct watch {
    struct key_op           op; /* of WATCH, then of UNWATCH */
    struct resp_out         out;
    struct resp_path       *path;
    struct door            *door;
    struct resp_watcher    *watcher;    /* NULL: nobody waits */
    bool                    is_dropped; /* while WATCH is under way: UNWATCH follows */
    const struct key_grant *grant;      /* for WATCH; whoever watches may always stop doing so */
    struct key_watch        watched;    /* last: the key follows */
};

static const struct bytes watch_args[1] = {{(const uint8_t *)"watch", 5}};

static struct watch *watch_of(struct list_link *link)
{
    return list_item(link, struct watch, watched.link);
}

static bool set_apart(struct key_op *op)
{
    op->is_apart = true; /* it is from the beginning */
    return true;
}

static void submit(struct watch *watch, enum key_op_what what, bool is_behind,
                   void (*done)(struct key_op *op))
{
    resp_out_init(&watch->out, 2, 0, NULL);
    watch->op = (struct key_op){
        .command = &commands[what == KEY_OP_WATCH ? COMMAND_IS_WATCH : COMMAND_IS_UNWATCH],
        .args = watch_args,
        .args_count = 1,
        .what = (uint8_t)what,
        .is_apart = true,
        .is_behind = is_behind,
        .out = &watch->out,
        .grant = what == KEY_OP_WATCH ? watch->grant : NULL,
        .watch = &watch->watched,
        .set_apart = set_apart,
        .done = done,
    };
    link_init(&watch->op.link);
    key_door_submit(watch->path->door, &watch->op);
}

static void free_watch(struct watch *watch)
{
    struct door *door = watch->door;
    struct resp_path *path = watch->path;
    resp_out_fini(&watch->out);
    mem_free(watch);
    resp_path_let_go(path);
    door->holds_count--;
    door_end_if_empty(door);
}

static void unwatched(struct key_op *op)
{
    free_watch(list_item(op, struct watch, op));
}

/* A watch that is nowhere needs nobody to be told. */
static void unwatch(struct watch *watch)
{
    if (watch->watched.place == NULL)
        free_watch(watch);
    else
        submit(watch, KEY_OP_UNWATCH, false, unwatched);
}

/* The answer is of no interest but for an error; nobody watches then. */
static void note_error(struct watch *watch, struct resp_watcher *watcher)
{
    const struct resp_out *out = &watch->out;
    if (out->used < 3 || out->buf->data[0] != '-')
        return;
    list_remove(&watch->watched.link);
    watch->is_dropped = true;
    if (watcher->error[0] == 0)
        (void)snprintf(watcher->error, sizeof watcher->error, "%.*s", (int)out->used - 3,
                       (const char *)out->buf->data + 1);
}

static void watched(struct key_op *op)
{
    struct watch *watch = list_item(op, struct watch, op);
    struct resp_watcher *watcher = watch->watcher;
    watch->watcher = NULL;
    note_error(watch, watcher);
    resp_out_fini(&watch->out);
    if (watch->is_dropped)
        unwatch(watch);
    if (--watcher->left_count == 0)
        watcher->all_done(watcher);
}

void resp_watches_init(struct resp_watches *watches)
{
    *watches = (struct resp_watches){0};
    list_init(&watches->list);
}

bool resp_watches_have(const struct resp_watches *watches, struct bytes key)
{
    list_each(&watches->list, link, after)
    {
        const struct key_watch *watch = list_item(link, struct key_watch, link);
        if (bytes_equal((struct bytes){watch->key, watch->key_bytes}, key))
            return true;
    }
    return false;
}

bool resp_watches_add(struct resp_watches *watches, struct bytes key,
                      const struct resp_watch_place *place, struct resp_watcher *watcher)
{
    struct watch *watch = mem_alloc(sizeof *watch + key.count);
    if (watch == NULL)
        return false;
    watch->path = place->path;
    watch->door = place->door;
    watch->watcher = watcher;
    watch->grant = place->grant;
    watch->watched.key_bytes = (uint32_t)key.count;
    if (key.count > 0)
        memcpy(watch->watched.key, key.at, key.count);
    link_init(&watch->watched.watched);
    list_add_last(&watches->list, &watch->watched.link);
    watches->count++;
    watches->bytes += sizeof *watch + key.count;
    place->path->refs_count++;
    place->door->holds_count++;
    submit(watch, KEY_OP_WATCH, place->is_behind, watched);
    return true;
}

void resp_watches_drop_all(struct list *list)
{
    for (struct list_link *link; (link = list_first(list)) != NULL;) {
        struct watch *watch = watch_of(link);
        list_remove(link);
        if (watch->watcher != NULL)
            watch->is_dropped = true;
        else
            unwatch(watch);
    }
}

void resp_watches_clear(struct resp_watches *watches)
{
    resp_watches_drop_all(&watches->list);
    watches->count = 0;
    watches->bytes = 0;
}

void resp_watches_take(struct resp_watches *watches, struct list *to)
{
    list_take_all(to, &watches->list);
    watches->count = 0;
    watches->bytes = 0;
}
