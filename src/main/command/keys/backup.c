/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/keys/backup.c - `pando backup`: by the running server, or where none runs, from the
 * files. */
#include "config/value/quantity.h"
#include "core/mem.h"
#include "core/units.h"
#include "main/command/keys/files.h"
#include "main/command/remote/control.h"
#include "main/command/remote/json.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    WAIT_S = 30, /* the pause of the writers is not in it, but a busy control thread may be */
    LOOK_AGAIN_MS = 100,
    STATUS_OK = 200,
    STATUS_BAD = 400,
};

static int fail(const char *why)
{
    fprintf(stderr, "error: %s\n", why);
    return EXIT_FAILURE;
}

/* ---- the file's name ---- */

/* In a folder: pando-20261127-160311.backup, in UTC. */
static bool name_file(const char *said, char path[PATH_MAX])
{
    struct stat file;
    const bool is_folder = stat(said, &file) == 0 && S_ISDIR(file.st_mode);
    const time_t now = time(NULL);
    struct tm parts;
    char here[PATH_MAX] = "", stamp[64] = "";
    if (is_folder && gmtime_r(&now, &parts) != NULL)
        (void)strftime(stamp, sizeof stamp, "/pando-%Y%m%d-%H%M%S.backup", &parts);
    if (said[0] != '/' && getcwd(here, sizeof here) == NULL)
        return false;
    const int bytes =
        snprintf(path, PATH_MAX, "%s%s%s%s", here, here[0] == '\0' ? "" : "/", said, stamp);
    return bytes > 0 && bytes < PATH_MAX;
}

static void write_bytes(char out[32], double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    unsigned unit = 0;
    for (; bytes >= 1024 && unit < 4; unit++)
        bytes /= 1024;
    (void)snprintf(out, 32, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

/* ---- what is told at the end ---- */

struct told {
    const char *file;
    double      keys, members, bytes;
    uint64_t    instant_ms;
    size_t      keyspaces;
};

static void tell(const struct told *told)
{
    char size[32], when[64] = "";
    const time_t instant = (time_t)(told->instant_ms / 1000);
    struct tm parts;
    write_bytes(size, told->bytes);
    if (gmtime_r(&instant, &parts) != NULL)
        (void)strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S UTC", &parts);
    printf("%s: %.0f key%s and %.0f member%s of %zu keyspace%s, %s, as of %s\n", told->file,
           told->keys, told->keys == 1 ? "" : "s", told->members, told->members == 1 ? "" : "s",
           told->keyspaces, told->keyspaces == 1 ? "" : "s", size, when);
}

static void tell_left_out(const char *name)
{
    printf("left out: %s, which is on engine memory\n", name);
}

/* ---- by the server ---- */

struct remote {
    const struct control *control;
    struct control_text   text;
    unsigned              status;
    bool                  is_unheard; /* nobody listens */
};

static json_t *ask(struct remote *remote, const char *method, const char *target)
{
    struct control_question question = {.method = method,
                                        .target = target,
                                        .wait_s = WAIT_S,
                                        .received = control_collect,
                                        .self = &remote->text,
                                        .may_be_unheard = true};
    remote->text.bytes = 0;
    const bool is_answered = control_ask(remote->control, &question);
    remote->status = question.status;
    remote->is_unheard = question.is_unheard;
    return is_answered && question.status == STATUS_OK && remote->text.at != NULL
               ? remote_json_read(remote->text.at)
               : NULL;
}

static void show_progress(const json_t *state)
{
    char size[32];
    if (isatty(STDERR_FILENO) != 1)
        return;
    write_bytes(size, remote_json_number(state, "bytes"));
    fprintf(stderr, "\r%.0f keys, %s \033[K", remote_json_number(state, "keys"), size);
}

static void clear_progress(void)
{
    if (isatty(STDERR_FILENO) == 1)
        fputs("\r\033[K", stderr);
}

/* It is over. */
static int tell_remote(const struct command_line *line, const json_t *state, const char *text)
{
    const char *error = json_is_null(json_object_get(state, "error"))
                            ? NULL
                            : remote_json_text(state, "error", "it failed, and did not say why");
    size_t i;
    json_t *left_out;
    if (line->json != NULL)
        fputs(text, stdout);
    if (error != NULL)
        return line->json != NULL ? EXIT_FAILURE : fail(error);
    if (line->json != NULL)
        return EXIT_SUCCESS;
    tell(&(struct told){
        .file = remote_json_text(state, "file", ""),
        .keys = remote_json_number(state, "keys"),
        .members = remote_json_number(state, "members"),
        .bytes = remote_json_number(state, "bytes"),
        .instant_ms = (uint64_t)remote_json_number(state, "instant_ms"),
        .keyspaces = json_array_size(json_object_get(state, "keyspaces")),
    });
    json_array_foreach(json_object_get(state, "left_out"), i, left_out)
        tell_left_out(remote_json_text(left_out, "name", ""));
    return EXIT_SUCCESS;
}

/* Until the server has written it. */
static int wait_for(struct remote *remote, const struct command_line *line, json_t *state)
{
    char target[64];
    const struct timespec pause = {.tv_nsec = LOOK_AGAIN_MS * 1000000L};
    (void)snprintf(target, sizeof target, "/control/backed-up?id=%.0f",
                   remote_json_number(state, "id"));
    while (state != NULL && !json_is_true(json_object_get(state, "done"))) {
        show_progress(state);
        (void)nanosleep(&pause, NULL);
        json_decref(state);
        state = ask(remote, "GET", target);
    }
    clear_progress();
    if (state == NULL)
        return fail("the server went away; what it had written is no backup");
    const int status = tell_remote(line, state, remote->text.at);
    json_decref(state);
    return status;
}

/* *@is_unheard: no server is there. */
static int by_server(const struct command_line *line, const struct control *control,
                     const char *path, uint64_t throttle, bool *is_unheard)
{
    char target[CONTROL_TARGET_BYTES_MAX] = "/control/backup", number[32];
    struct remote remote = {.control = control};
    (void)snprintf(number, sizeof number, "%" PRIu64, throttle);
    if (!control_add_query(target, "file", path) || !control_add_query(target, "throttle", number))
        return fail("the file's name is too long");
    json_t *state = ask(&remote, "POST", target);
    int status = remote.status == STATUS_BAD ? EXIT_USAGE : EXIT_FAILURE;
    *is_unheard = remote.is_unheard;
    if (state != NULL)
        status = wait_for(&remote, line, state);
    mem_free(remote.text.at);
    return status;
}

/* ---- from the files ---- */

static int from_files(const struct settings *settings, const char *path, uint64_t throttle)
{
    struct keys_saved saved;
    struct err e = {0};
    if (keys_save_files(settings, path, throttle, &saved, &e) != ERR_NONE)
        return fail(e.story);
    tell(&(struct told){.file = path,
                        .keys = (double)saved.keys,
                        .members = (double)saved.members,
                        .bytes = (double)saved.bytes,
                        .instant_ms = saved.instant_ms,
                        .keyspaces = saved.keyspaces});
    for (size_t i = 0; i < settings->keyspaces_count; i++)
        if (settings->keyspaces[i].engine != KEYSPACE_LMDB)
            tell_left_out(settings->keyspaces[i].name);
    return EXIT_SUCCESS;
}

/* ---- the command ---- */

static int refuse(const char *why)
{
    fprintf(stderr,
            "error: %s\n"
            "  pando backup /backups                  a file in that folder, named after the time\n"
            "  pando backup /backups/keys.backup      that file\n",
            why);
    return EXIT_USAGE;
}

static int back_up(const struct command_line *line, const char *path, uint64_t throttle)
{
    struct command_line finding = *line;
    struct settings_request request;
    struct control control = {0};
    bool is_unheard = false;
    int status = EXIT_USAGE;
    finding.words[0] = line->words[1];
    if (control_find(&control, &finding))
        status = by_server(line, &control, path, throttle, &is_unheard);
    control_fini(&control);
    if (!is_unheard)
        return status;
    struct settings *settings = command_load(line, line->words[1], &request);
    if (settings == NULL)
        return EXIT_USAGE;
    status = from_files(settings, path, throttle);
    settings_free(settings);
    return status;
}

int command_backup(const struct command_line *line)
{
    char path[PATH_MAX];
    uint64_t throttle = 0;
    if (line->words_count == 0)
        return refuse("where to?");
    if (line->throttle != NULL &&
        (config_size_read(line->throttle, &throttle) != CONFIG_QUANTITY_GOOD || throttle == 0))
        return refuse("--throttle is a size with its unit, such as 20MiB: so much a second");
    if (!name_file(line->words[0], path))
        return refuse("the file's name is too long");
    return back_up(line, path, throttle);
}
