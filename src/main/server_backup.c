/* SPDX-License-Identifier: Apache-2.0 */
/* main/server_backup.c - backups of the running server's keyspaces, on a thread of their own.
 *
 * One is ordered by POST /control/backup and has a number, by which GET /control/backed-up tells
 * how far it is: who asked may leave. One at a time; a stop calls it off. */
#include "admin/pages/pages.h"
#include "core/mem.h"
#include "core/units.h"
#include "main/save/save.h"
#include "main/server_inside.h"

#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
    STATUS_OK = 200,
    STATUS_BAD = 400,
    STATUS_NOT_FOUND = 404,
    STATUS_REFUSED = 422,
    STATUS_LATER = 503,
};

struct server_backup {
    struct post            post; /* first: the thread's word that it is done */
    struct server         *server;
    struct save            save;
    struct save_keyspace  *keyspaces;
    struct kept_keyspace **kept; /* references */
    uint64_t               id, begun_ns;
    pthread_t              thread;
    bool                   is_joined;
    _Atomic bool           is_done;
    enum err_kind          failed; /* once it is done */
    struct err             e;
    char                   path[SAVE_PATH_MAX];
};

static void give_back(struct server_backup *backup)
{
    for (size_t i = 0; backup->kept != NULL && i < backup->save.keyspaces_count; i++)
        kept_keyspace_give(backup->kept[i]);
    mem_free((void *)backup->kept);
    backup->kept = NULL;
}

/* Once it is done, or before it was begun; what it says stays to be asked for. */
static void join(struct server_backup *backup)
{
    if (!backup->is_joined)
        pthread_join(backup->thread, NULL);
    backup->is_joined = true;
    give_back(backup);
}

static void forget(struct server *server)
{
    struct server_backup *backup = server->backup;
    if (backup == NULL)
        return;
    join(backup);
    mem_free(backup->keyspaces);
    mem_free(backup->save.parts);
    mem_free(backup);
    server->backup = NULL;
}

void server__end_backup(struct server *server)
{
    if (server->backup == NULL)
        return;
    atomic_store(&server->backup->save.is_cancelled, true);
    forget(server);
}

/* ---- the thread ---- */

static void tell(const struct server_backup *backup)
{
    const struct save *save = &backup->save;
    const uint64_t took_ms = (clock_monotonic_ns() - backup->begun_ns) / NS_PER_MS;
    if (backup->failed != ERR_NONE)
        events_tell(backup->server->events, LOG_LEVEL_ERROR, "backup to %s failed: %s", save->path,
                    backup->e.story);
    else
        events_tell(backup->server->events, LOG_LEVEL_INFO,
                    "backup to %s: %" PRIu64 " keys, %" PRIu64 " bytes in %" PRIu64 " ms",
                    save->path, atomic_load(&save->keys), atomic_load(&save->bytes), took_ms);
}

static void arrived(struct post *post)
{
    join((struct server_backup *)(void *)post);
}

static void *work(void *self)
{
    struct server_backup *backup = self;
    struct loop *loop = &backup->server->control.loop;
    backup->failed = save_write(&backup->save, &backup->e);
    tell(backup);
    loop_post(loop, &backup->post);
    atomic_store(&backup->is_done, true); /* the last word: it may be joined now */
    return NULL;
}

static enum err_kind start(struct server_backup *backup, struct err *e)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&backup->thread, NULL, work, backup);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        return err_set(e, ERR_SYSTEM, "a thread could not be started");
    backup->is_joined = false;
    return ERR_NONE;
}

/* ---- what is to be saved ---- */

static void add_keyspace(struct server_backup *backup, struct kept_keyspace *kept)
{
    const size_t index = backup->save.keyspaces_count++;
    struct save_keyspace *keyspace = &backup->keyspaces[index];
    kept_ref(&kept->kept);
    backup->kept[index] = kept;
    *keyspace = (struct save_keyspace){
        .name = kept->kept.name,
        .shards_count = kept->partition->shards_count,
        .parts_from = backup->save.parts_count,
        .is_left_out = kept->engine != KEYSPACE_LMDB,
    };
    save_layout(keyspace->layout, kept->partition->strategy->name, kept->partition->shards_count);
    for (uint32_t i = 0; i < kept->shards_open; i++)
        backup->save.parts[backup->save.parts_count++] =
            (struct lmdb_backup_part){.shard = &kept->shards[i], .writer = &kept->writers[i]};
}

/* False: no memory. */
static bool gather(struct server_backup *backup, const struct generation *generation)
{
    const size_t count = generation->settings->keyspaces_count;
    size_t shards = 0;
    for (size_t i = 0; i < count; i++)
        shards += generation->keyspaces[i]->shards_open;
    backup->keyspaces = mem_alloc((count + 1) * sizeof *backup->keyspaces);
    backup->kept = mem_alloc((count + 1) * sizeof(struct kept_keyspace *));
    backup->save.parts = mem_alloc((shards + 1) * sizeof *backup->save.parts);
    if (backup->keyspaces == NULL || backup->kept == NULL || backup->save.parts == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        add_keyspace(backup, generation->keyspaces[i]);
    backup->save.keyspaces = backup->keyspaces;
    return true;
}

/* ---- asking ---- */

static unsigned refuse(FILE *out, unsigned status, const char *wrong)
{
    fprintf(out, "error: %s\n", wrong);
    return status;
}

static const char *member_of(const struct admin_query *query, const char *name)
{
    for (size_t i = 0; i < query->count; i++)
        if (strcmp(query->at[i].name, name) == 0)
            return query->at[i].value;
    return NULL;
}

static void write_state(const struct server_backup *backup, FILE *out)
{
    const struct save *save = &backup->save;
    const bool is_done = atomic_load(&backup->is_done);
    json_t *in = json_array(), *left_out = json_array();
    for (size_t i = 0; i < save->keyspaces_count; i++)
        json_array_append_new(save->keyspaces[i].is_left_out ? left_out : in,
                              json_pack("{s:s, s:s}", "name", save->keyspaces[i].name, "layout",
                                        save->keyspaces[i].layout));
    json_t *root = json_pack(
        "{s:I, s:b, s:o, s:I, s:I, s:I, s:I, s:o, s:o}", "id", (json_int_t)backup->id, "done",
        is_done, "file", pages_json_text(save->path), "bytes",
        (json_int_t)atomic_load(&save->bytes), "keys", (json_int_t)atomic_load(&save->keys),
        "members", (json_int_t)atomic_load(&save->members), "instant_ms",
        (json_int_t)atomic_load(&save->instant_ms), "keyspaces", in, "left_out", left_out);
    json_object_set_new(root, "error",
                        is_done && backup->failed != ERR_NONE ? pages_json_text(backup->e.story)
                                                              : json_null());
    (void)json_dumpf(root, out, JSON_INDENT(1));
    fputc('\n', out);
    json_decref(root);
}

/* NULL: refused, and *@status says how. */
static struct server_backup *make(struct server *server, const char *file, const char *throttle,
                                  FILE *out, unsigned *status)
{
    struct err e = {0};
    struct server_backup *backup = mem_alloc(sizeof *backup);
    *status = STATUS_LATER;
    if (backup == NULL) {
        (void)refuse(out, *status, "no memory");
        return NULL;
    }
    *backup = (struct server_backup){.post.call = arrived, .server = server, .is_joined = true};
    (void)snprintf(backup->path, sizeof backup->path, "%s", file);
    backup->save.path = backup->path;
    backup->save.bytes_per_second = throttle == NULL ? 0 : strtoull(throttle, NULL, 10);
    backup->begun_ns = clock_monotonic_ns();
    backup->id = ++server->backups_count;
    server->backup = backup;
    if (!gather(backup, server->generation)) {
        (void)refuse(out, *status, "no memory");
    } else if (backup->save.parts_count == 0) {
        *status = refuse(out, STATUS_REFUSED,
                         "there is nothing to back up: no keyspace is on engine lmdb");
    } else if (save_may_replace(file, &e) != ERR_NONE) {
        *status = refuse(out, STATUS_REFUSED, e.story);
    } else if (start(backup, &e) != ERR_NONE) {
        (void)refuse(out, *status, e.story);
    } else {
        return backup;
    }
    forget(server);
    return NULL;
}

unsigned server__backup(void *self, const struct admin_query *query, FILE *out)
{
    struct server *server = self;
    const char *file = member_of(query, "file");
    unsigned status;
    if (file == NULL || file[0] != '/' || strlen(file) >= SAVE_PATH_MAX)
        return refuse(out, STATUS_BAD, "expected ?file=, an absolute path");
    if (server->backup != NULL && !atomic_load(&server->backup->is_done))
        return refuse(out, STATUS_LATER, "a backup is under way; try again when it is done");
    /* Its word that it is done may still be on its way. */
    if (server->backup != NULL && !server->backup->is_joined)
        return refuse(out, STATUS_LATER, "a backup has just ended; try again");
    forget(server);
    const struct server_backup *backup =
        make(server, file, member_of(query, "throttle"), out, &status);
    if (backup == NULL)
        return status;
    write_state(backup, out);
    return STATUS_OK;
}

unsigned server__backed_up(void *self, const struct admin_query *query, FILE *out)
{
    const struct server *server = self;
    const char *id = member_of(query, "id");
    if (server->backup == NULL || id == NULL || strtoull(id, NULL, 10) != server->backup->id)
        return refuse(out, STATUS_NOT_FOUND, "that backup is not known any more");
    write_state(server->backup, out);
    return STATUS_OK;
}
