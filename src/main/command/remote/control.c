/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/remote/control.c - finding the control socket, asking over it; `pando reload`. */
#include "main/command/remote/control.h"

#include "main/command/remote/client.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    RELOAD_WAIT_S = 60, /* thousands of targets take their time */
    STATUS_OK = 200,
    STATUS_REFUSED = 422, /* the server read the file, and it has mistakes */
};

/* ---- finding ---- */

/* Without a file, or with one that cannot be read: where a server listens if nobody says so. */
static struct settings *load_presets(void)
{
    struct settings_request presets = {0};
    struct config_errors errors = {0};
    settings_places_get(&presets.places);
    struct settings *settings = settings_load(&presets, &errors);
    config_errors_free(&errors);
    return settings;
}

bool control_find(struct control *control, const struct command_line *line)
{
    struct settings_request request;
    *control = (struct control){.path = line->control};
    if (control->path != NULL)
        return true;
    command_request(&request, line, line->words[0]);
    control->settings = settings_load(&request, &control->errors);
    if (control->settings == NULL)
        control->settings = load_presets();
    if (control->settings == NULL) {
        config_errors_write_text(&control->errors, stderr);
        return false;
    }
    control->path = control->settings->control_path;
    return true;
}

void control_fini(struct control *control)
{
    settings_free(control->settings);
    config_errors_free(&control->errors);
    *control = (struct control){0};
}

/* ---- asking ---- */

static bool answered(void *self, unsigned status)
{
    struct control_question *question = self;
    question->status = status;
    return true;
}

static bool received(void *self, const char *at, size_t bytes)
{
    const struct control_question *question = self;
    if (question->status == STATUS_OK)
        return question->received(question->self, at, bytes);
    return fwrite(at, 1, bytes, stderr) == bytes;
}

bool control_ask(const struct control *control, struct control_question *question)
{
    struct err e = {0};
    const struct client_request request = {
        .socket = control->path,
        .method = question->method,
        .target = question->target,
        .wait_s = question->wait_s,
        .answered = answered,
        .received = received,
        .self = question,
    };
    question->status = 0;
    const enum err_kind failed = client_ask(&request, &e);
    if (failed == ERR_NONE)
        return true;
    fprintf(stderr, "error: %s\n", e.story);
    if (failed == ERR_CONNECT_REFUSED && control->errors.count > 0) {
        fputs("this socket is only the preset, since the configuration has mistakes:\n\n", stderr);
        config_errors_write_text(&control->errors, stderr);
    }
    return false;
}

/* ---- reload ---- */

static bool print(void *self, const char *at, size_t bytes)
{
    return fwrite(at, 1, bytes, self) == bytes;
}

int command_reload(const struct command_line *line)
{
    struct control control;
    int status = EXIT_USAGE;
    if (control_find(&control, line)) {
        struct control_question question = {.method = "POST",
                                            .target = "/control/reload",
                                            .wait_s = RELOAD_WAIT_S,
                                            .received = print,
                                            .self = stdout};
        if (!control_ask(&control, &question) ||
            (question.status != STATUS_OK && question.status != STATUS_REFUSED))
            status = EXIT_FAILURE;
        else
            status = question.status == STATUS_OK ? EXIT_SUCCESS : EXIT_USAGE;
    }
    control_fini(&control);
    return status;
}
