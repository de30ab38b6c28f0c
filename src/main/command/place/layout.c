/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/place/layout.c - asks for layouts, or lays them. */
#include "main/command/place/layout.h"

#include "core/mem.h"
#include "main/command/remote/json.h"

#include <stdlib.h>

enum { WAIT_S = 10, STATUS_OK = 200, STATUS_BAD = 400 };

/* --- the running process --- */

enum layout_asked layout_ask(const struct control *control, const char *target, json_t **answer)
{
    struct control_text text = {0};
    struct err e = {0};
    struct control_question question = {.method = "GET",
                                        .target = target,
                                        .wait_s = WAIT_S,
                                        .received = control_collect,
                                        .self = &text};
    enum layout_asked asked = LAYOUT_FAILED;
    const enum err_kind failed = control_try(control, &question, &e);
    if (failed == ERR_CONNECT_REFUSED) {
        asked = LAYOUT_NOBODY;
    } else if (failed != ERR_NONE) {
        fprintf(stderr, "error: %s\n", e.story);
    } else if (question.status != STATUS_OK) {
        asked = question.status == STATUS_BAD ? LAYOUT_REFUSED : LAYOUT_FAILED;
    } else {
        *answer = remote_json_read(text.at == NULL ? "" : text.at);
        asked = *answer == NULL ? LAYOUT_FAILED : LAYOUT_ANSWERED;
        if (*answer == NULL)
            fputs("error: the server's answer is not JSON; is it of another version?\n", stderr);
    }
    mem_free(text.at);
    return asked;
}

/* --- where none runs --- */

bool layout_offline_settings(struct layout_offline *offline, const struct control *control,
                             const struct command_line *line, const char *file)
{
    struct settings_request request;
    struct config_errors errors = {0};
    *offline = (struct layout_offline){0};
    facts_init(&offline->facts);
    offline->settings = control->settings;
    if (control->errors.count > 0) {
        config_errors_write_text(&control->errors, stderr);
        return false;
    }
    if (offline->settings == NULL) {
        command_request(&request, line, file);
        offline->own = settings_load(&request, &errors);
        offline->settings = offline->own;
        if (offline->own == NULL)
            config_errors_write_text(&errors, stderr);
        config_errors_free(&errors);
    }
    return offline->settings != NULL;
}

bool layout_offline_lay(struct layout_offline *offline, const struct settings_keyspace *keyspace)
{
    struct err e = {0};
    struct partition_table *table = NULL;
    offline->partition = partition_copy(&keyspace->partition);
    enum err_kind failed =
        offline->partition == NULL ? err_set(&e, ERR_MEMORY, "no memory") : ERR_NONE;
    if (failed == ERR_NONE && keyspace->partition.strategy == &partition_directory) {
        failed = facts_load(&offline->facts, offline->settings->data_path, &e);
        if (failed == ERR_NONE)
            failed = facts_table(
                &offline->facts,
                &(struct facts_layout){.keyspace = keyspace->name, .partition = offline->partition},
                &table, &e);
        atomic_store(&offline->partition->table, table);
    }
    if (failed != ERR_NONE)
        fprintf(stderr, "error: keyspace %s: %s\n", keyspace->name, e.story);
    return failed == ERR_NONE;
}

void layout_offline_fini(struct layout_offline *offline)
{
    if (offline->settings == NULL && offline->partition == NULL)
        return;
    if (offline->partition != NULL)
        mem_free((void *)(uintptr_t)partition_table(offline->partition));
    mem_free(offline->partition);
    facts_fini(&offline->facts);
    settings_free(offline->own);
    *offline = (struct layout_offline){0};
}

int layout_print_json(const json_t *all)
{
    (void)json_dumpf(all, stdout, JSON_INDENT(1));
    putchar('\n');
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
