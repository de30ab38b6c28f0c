/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/place/directory.c - `pando directory`: entries are shown and changed; it ends when
 * the change is done. */
#include "core/mem.h"
#include "core/quote.h"
#include "main/command/grid.h"
#include "main/command/place/layout.h"
#include "main/command/remote/json.h"
#include "main/directory/show.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    WAIT_S = 10,
    LOOK_AGAIN_MS = 10,
    INDENT = 2,
    STATUS_OK = 200,
    STATUS_BAD = 400,
};

/* The verbs: how many words stand before the file, and whether they change something. */
static const struct verb {
    const char *name;
    size_t words_count; /* with itself */
    bool changes;
} verbs[] = {
    {"set", 4, true},
    {"unset", 3, true},
    {"get", 3, false},
    {"list", 2, false},
};

static int refuse(const char *why)
{
    fprintf(stderr,
            "error: %s\n"
            "  pando directory set KEYSPACE PREFIX SHARD     such as: set tenants acme: 2\n"
            "  pando directory unset KEYSPACE PREFIX\n"
            "  pando directory get KEYSPACE PREFIX|KEY\n"
            "  pando directory list KEYSPACE\n",
            why);
    return EXIT_USAGE;
}

static bool write_target(char target[CONTROL_TARGET_BYTES_MAX], const struct verb *verb,
                         const struct command_line *line)
{
    return control_add_query(target, "do", verb->name) &&
           control_add_query(target, "keyspace", line->words[1]) &&
           control_add_query(target, "prefix", verb->words_count > 2 ? line->words[2] : NULL) &&
           control_add_query(target, "shard", verb->words_count > 3 ? line->words[3] : NULL);
}

/* ---- showing ---- */

/* "file", "command", "command; the file says 1". */
static void add_origin(struct grid *grid, const json_t *entry)
{
    const char *from = remote_json_text(entry, "from", "");
    const json_t *file_shard = json_object_get(entry, "file_shard");
    if (strcmp(from, "command") == 0 && json_is_integer(file_shard))
        grid_add(grid, GRID_FAINT, "by command; the file says shard %.0f",
                 json_number_value(file_shard));
    else
        grid_add(grid, GRID_FAINT,
                 strcmp(from, "command") == 0 ? "by command" : "as the file says");
}

static void print_list(const struct command_line *line, const json_t *all)
{
    struct grid grid = {0};
    size_t i;
    json_t *entry;
    printf("%s: %.0f shards, counted from 0; what has no entry goes by hash\n",
           remote_json_text(all, "keyspace", ""), remote_json_number(all, "shards"));
    json_array_foreach(json_object_get(all, "entries"), i, entry)
    {
        grid_add(&grid, GRID_PLAIN, "%s", remote_json_text(entry, "prefix", ""));
        if (json_is_integer(json_object_get(entry, "shard")))
            grid_add(&grid, GRID_PLAIN, "shard %.0f", remote_json_number(entry, "shard"));
        else
            grid_add(&grid, GRID_PLAIN, "no entry");
        add_origin(&grid, entry);
        grid_end_row(&grid);
    }
    (void)grid_write(&grid, INDENT, command_has_color(line, STDOUT_FILENO), stdout);
    grid_fini(&grid);
}

static void print_entry(const json_t *all)
{
    printf("%s: %s, shard %.0f of %.0f", remote_json_text(all, "key", ""),
           remote_json_text(all, "why", ""), remote_json_number(all, "shard"),
           remote_json_number(all, "shards"));
    const json_t *file_shard = json_object_get(all, "file_shard");
    if (strcmp(remote_json_text(all, "from", ""), "command") != 0)
        putchar('\n');
    else if (json_is_integer(file_shard))
        printf("; by command, the file says shard %.0f\n", json_number_value(file_shard));
    else
        puts("; by command");
}

static int show(const struct command_line *line, const json_t *all)
{
    if (line->json != NULL)
        return layout_print_json(all);
    if (json_object_get(all, "entries") != NULL)
        print_list(line, all);
    else
        print_entry(all);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- where none runs ---- */

static const struct settings_keyspace *find_keyspace(const struct settings *settings,
                                                     const char *name)
{
    for (size_t i = 0; i < settings->keyspaces_count; i++)
        if (strcmp(settings->keyspaces[i].name, name) == 0)
            return &settings->keyspaces[i];
    fprintf(stderr, "error: there is no keyspace `%s` in the file\n", name);
    return NULL;
}

/* The prefix or key without the keyspace's name. NULL: no memory, or not quoted rightly. */
static uint8_t *read_rest(const char *word, const struct partition *partition, const char *keyspace,
                          struct bytes *rest)
{
    size_t count;
    uint8_t *bytes = mem_alloc(strlen(word) + 1);
    if (bytes == NULL || !quote_read(word, bytes, &count)) {
        mem_free(bytes);
        return NULL;
    }
    *rest = (struct bytes){bytes, count};
    const size_t name_bytes = partition->name_bytes;
    if (name_bytes > 0 && count >= name_bytes && memcmp(bytes, keyspace, name_bytes - 1) == 0 &&
        bytes[name_bytes - 1] == ':')
        *rest = partition_rest(partition, *rest);
    return bytes;
}

static int show_offline(const struct command_line *line, const struct verb *verb,
                        struct layout_offline *offline)
{
    const struct settings_keyspace *keyspace = find_keyspace(offline->settings, line->words[1]);
    struct bytes rest = {0};
    if (keyspace == NULL || !layout_offline_lay(offline, keyspace))
        return EXIT_USAGE;
    if (offline->partition->strategy != &partition_directory)
        return refuse("that keyspace has no directory: it is not `partition: directory`");
    const struct shown_directory shown = {keyspace->name, offline->partition, &offline->facts};
    uint8_t *bytes = verb->words_count < 3
                         ? NULL
                         : read_rest(line->words[2], offline->partition, keyspace->name, &rest);
    if (verb->words_count == 3 && bytes == NULL)
        return refuse("the prefix is not quoted rightly");
    json_t *all = verb->words_count < 3 ? show_list(&shown) : show_entry(&shown, rest);
    const int status = all == NULL ? EXIT_FAILURE : show(line, all);
    json_decref(all);
    mem_free(bytes);
    return status;
}

/* ---- asking and ordering ---- */

static int ask(const struct command_line *line, const struct verb *verb,
               const struct control *control)
{
    char target[CONTROL_TARGET_BYTES_MAX] = "/control/directory";
    struct layout_offline offline = {0};
    json_t *all = NULL;
    int status = EXIT_USAGE;
    if (!write_target(target, verb, line))
        return refuse("that is too long");
    switch (layout_ask(control, target, &all)) {
    case LAYOUT_ANSWERED: status = show(line, all); break;
    case LAYOUT_NOBODY:
        if (layout_offline_settings(&offline, control, line, line->words[verb->words_count]))
            status = show_offline(line, verb, &offline);
        layout_offline_fini(&offline);
        break;
    case LAYOUT_FAILED: status = EXIT_FAILURE; break;
    default: break;
    }
    json_decref(all);
    return status;
}

/* NULL: why is written, and *@status says so. */
static json_t *begin(const struct control *control, const char *target, int *status)
{
    struct control_text text = {0};
    struct control_question question = {.method = "POST",
                                        .target = target,
                                        .wait_s = WAIT_S,
                                        .received = control_collect,
                                        .self = &text};
    json_t *begun = NULL;
    *status = EXIT_FAILURE;
    if (control_ask(control, &question) && question.status == STATUS_OK && text.at != NULL)
        begun = remote_json_read(text.at);
    else if (question.status == STATUS_BAD)
        *status = EXIT_USAGE;
    mem_free(text.at);
    return begun;
}

/* Until it is done. NULL: why it is not known is written. */
static json_t *await(const struct control *control, double id)
{
    char target[64];
    const struct timespec pause = {.tv_nsec = LOOK_AGAIN_MS * 1000000L};
    (void)snprintf(target, sizeof target, "/control/directory?id=%.0f", id);
    for (;;) {
        json_t *now = NULL;
        const enum layout_asked asked = layout_ask(control, target, &now);
        if (asked == LAYOUT_NOBODY)
            fputs("error: the server has ended meanwhile: `pando directory list` says what holds "
                  "when it runs again\n",
                  stderr);
        if (asked != LAYOUT_ANSWERED || json_is_true(json_object_get(now, "done")))
            return now;
        json_decref(now);
        (void)nanosleep(&pause, NULL);
    }
}

static int order(const struct command_line *line, const struct verb *verb,
                 const struct control *control)
{
    char target[CONTROL_TARGET_BYTES_MAX] = "/control/directory/change";
    int status;
    if (!write_target(target, verb, line))
        return refuse("that is too long");
    json_t *begun = begin(control, target, &status);
    if (begun == NULL)
        return status;
    json_t *done = await(control, remote_json_number(begun, "id"));
    json_decref(begun);
    if (done == NULL)
        return EXIT_FAILURE;
    const bool ok = json_is_true(json_object_get(done, "ok"));
    const char *text = remote_json_text(done, "text", "");
    if (line->json != NULL)
        (void)layout_print_json(done);
    else if (ok)
        printf("%s\n", text);
    else
        fprintf(stderr, "error: %s\n", text);
    json_decref(done);
    return ok && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int command_directory(const struct command_line *line)
{
    struct command_line finding = *line;
    struct control control = {0};
    const struct verb *verb = NULL;
    int status = EXIT_USAGE;
    for (size_t i = 0; line->words_count > 0 && i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, line->words[0]) == 0)
            verb = &verbs[i];
    if (verb == NULL)
        return refuse("set, unset, get or list?");
    if (line->words_count < verb->words_count || line->words_count > verb->words_count + 1)
        return refuse("there are too few words, or too many");
    finding.words[0] = line->words[verb->words_count]; /* the file, or NULL */
    if (control_find(&control, &finding))
        status = verb->changes ? order(line, verb, &control) : ask(line, verb, &control);
    control_fini(&control);
    return status;
}
