/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/check.c - `pando check`: what is wrong with a configuration, and can it
 * listen, are its targets there, are its keys sound? */
#include "core/mem.h"
#include "main/command/command.h"
#include "main/command/grid.h"
#include "main/command/keys/deep.h"
#include "main/command/live/listeners.h"
#include "main/command/live/live.h"
#include "main/directory/facts.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { INDENT = 2 };

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

static void print_found(const struct settings *settings, const struct settings_request *request)
{
    size_t targets_count = 0;
    for (size_t i = 0; i < settings->services_count; i++)
        targets_count += settings->services[i].targets_count;
    printf("ok: %s: %zu listener%s, %zu service%s, %zu target%s\n",
           request->file == NULL ? "the flags" : request->file, settings->listeners_count,
           plural(settings->listeners_count), settings->services_count,
           plural(settings->services_count), targets_count, plural(targets_count));
}

/* ---- listeners ---- */

static const char *listener_word(const struct live_listener *row)
{
    return row->why[0] != '\0' ? row->why : row->is_served ? "served by the running Pando" : "free";
}

static void print_listeners(const struct live_listeners *listeners, bool has_color)
{
    struct grid grid = {0};
    for (size_t i = 0; i < listeners->count; i++) {
        const struct live_listener *row = &listeners->at[i];
        const bool ok = row->why[0] == '\0';
        grid_add(&grid, ok ? GRID_GOOD : GRID_BAD, ok ? "ok" : "fails");
        grid_add(&grid, GRID_PLAIN, "%s", row->listener->name);
        grid_add(&grid, GRID_PLAIN, "%s", row->listener->address->text);
        grid_add(&grid, GRID_PLAIN, "%s", listener_word(row));
        grid_end_row(&grid);
    }
    (void)grid_write(&grid, INDENT, has_color, stdout);
    grid_fini(&grid);
    if (listeners->refused_count > 0)
        printf("%zu of %zu listener%s cannot have its address\n", listeners->refused_count,
               listeners->count, plural(listeners->count));
}

static json_t *listeners_json(const struct live_listeners *listeners)
{
    json_t *list = json_array();
    for (size_t i = 0; i < listeners->count; i++) {
        const struct live_listener *row = &listeners->at[i];
        const bool ok = row->why[0] == '\0';
        json_t *one = json_pack("{s:s, s:s, s:b, s:b}", "listener", row->listener->name, "address",
                                row->listener->address->text, "ok", ok, "served", row->is_served);
        (void)json_object_set_new(one, "why", ok ? json_null() : json_string(row->why));
        (void)json_array_append_new(list, one);
    }
    return list;
}

/* ---- targets ---- */

static void print_live(const struct live *live, bool has_color)
{
    struct grid grid = {0};
    for (size_t i = 0; i < live->count; i++) {
        const struct live_probe *probe = &live->probes[i];
        const bool ok = probe->why[0] == '\0';
        grid_add(&grid, ok ? GRID_GOOD : GRID_BAD, ok ? "ok" : "fails");
        grid_add(&grid, GRID_PLAIN, "%s", probe->service->name);
        grid_add(&grid, GRID_PLAIN, "%s", probe->target->address.text);
        grid_add(&grid, GRID_PLAIN, "%s", probe->address);
        if (ok)
            grid_add(&grid, GRID_PLAIN, "connected in %.1f ms", probe->took_ms);
        else
            grid_add(&grid, GRID_PLAIN, "%s", probe->why);
        grid_end_row(&grid);
    }
    (void)grid_write(&grid, INDENT, has_color, stdout);
    grid_fini(&grid);
    if (live->missing_count > 0)
        printf("%zu of %zu target%s cannot be reached\n", live->missing_count, live->targets_count,
               plural(live->targets_count));
}

static json_t *live_json(const struct live *live)
{
    json_t *list = json_array();
    for (size_t i = 0; i < live->count; i++) {
        const struct live_probe *probe = &live->probes[i];
        const bool ok = probe->why[0] == '\0';
        json_t *one = json_pack("{s:s, s:s, s:s, s:b}", "service", probe->service->name, "target",
                                probe->target->address.text, "address", probe->address, "ok", ok);
        (void)json_object_set_new(one, "why", ok ? json_null() : json_string(probe->why));
        (void)json_object_set_new(one, "connect_ms", ok ? json_real(probe->took_ms) : json_null());
        (void)json_array_append_new(list, one);
    }
    return list;
}

/* {"count": 0, "errors": [], "listeners": [...], "targets": [...]}: what a file with mistakes
 * gives, and more. */
static void print_json(const struct live_listeners *listeners, const struct live *live,
                       bool is_live)
{
    json_t *all = json_pack("{s:i, s:[]}", "count", 0, "errors");
    if (is_live) {
        (void)json_object_set_new(all, "listeners", listeners_json(listeners));
        (void)json_object_set_new(all, "targets", live_json(live));
    }
    (void)json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(all);
}

/* ---- what commands said of directories ---- */

/* Would a start take it? Otherwise why not is written. What may not be read is the server's
 * alone. */
static bool fits(const struct settings *settings, const struct settings_keyspace *keyspace)
{
    struct facts facts;
    struct err e = {0};
    struct partition_table *table = NULL;
    enum err_kind failed = facts_load(&facts, settings->data_path, &e);
    if (failed == ERR_NONE) {
        failed = facts_table(
            &facts, &(struct facts_layout){keyspace->name, &keyspace->partition, NULL}, &table, &e);
        facts_fini(&facts);
    }
    mem_free(table);
    if (failed == ERR_INPUT)
        fprintf(stderr, "error: keyspace %s: %s\n", keyspace->name, e.story);
    return failed != ERR_INPUT;
}

static bool facts_fit(const struct settings *settings)
{
    for (size_t i = 0; i < settings->keyspaces_count; i++)
        if (settings->keyspaces[i].partition.strategy == &partition_directory &&
            !fits(settings, &settings->keyspaces[i]))
            return false;
    return true;
}

/* ---- the command ---- */

static int check(const struct command_line *line, const struct settings *settings,
                 const struct settings_request *request)
{
    struct live_listeners listeners = {0};
    struct live live = {0};
    struct err e = {0};
    if (line->json == NULL) {
        print_found(settings, request);
        (void)fflush(stdout); /* the rest may take a moment */
    }
    const bool ok =
        line->live == NULL || (live_listeners_try(&listeners, settings, &e) == ERR_NONE &&
                               live_try(&live, settings, &e) == ERR_NONE);
    if (!ok)
        fprintf(stderr, "error: %s\n", e.story);
    else if (line->json != NULL)
        print_json(&listeners, &live, line->live != NULL);
    else if (line->live != NULL) {
        print_listeners(&listeners, command_has_color(line, STDOUT_FILENO));
        print_live(&live, command_has_color(line, STDOUT_FILENO));
    }
    const bool is_well = ok && live.missing_count == 0 && listeners.refused_count == 0;
    live_listeners_fini(&listeners);
    live_fini(&live);
    return is_well ? EXIT_SUCCESS : EXIT_FAILURE;
}

int command_check(const struct command_line *line)
{
    struct settings_request request;
    struct settings *settings = command_load(line, line->words[0], &request);
    if (settings == NULL)
        return EXIT_USAGE;
    const enum keys_found layouts =
        facts_fit(settings) ? keys_check_layouts(settings) : KEYS_LIE_OTHERWISE;
    int status = layouts == KEYS_LIE_OTHERWISE ? EXIT_USAGE : EXIT_FAILURE;
    if (layouts == KEYS_ARE_WELL)
        status = check(line, settings, &request);
    /* Also of keys that lie otherwise. */
    if (line->deep != NULL && keys_check_deep(settings) != KEYS_ARE_WELL && status == EXIT_SUCCESS)
        status = EXIT_FAILURE;
    settings_free(settings);
    return status;
}
