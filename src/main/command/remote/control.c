/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/remote/control.c - finding the control socket, asking over it; `pando reload`. */
#include "main/command/remote/control.h"

#include "core/mem.h"
#include "main/command/remote/client.h"
#include "main/settings_keys.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ANSWER_BYTES_MAX = 64 * 1024 * 1024,
    RELOAD_WAIT_S = 60, /* thousands of targets take their time */
    STATUS_OK = 200,
    STATUS_REFUSED = 422, /* the server read the file, and it has mistakes */
};

/* ---- finding ---- */

static const char *if_said(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : NULL;
}

/* Of a file with mistakes: the presets, but for what the file says about the control socket and the
 * folder that it may lie in, if that much can be read. */
static struct settings *load_guess(const struct settings_request *request)
{
    struct settings_request presets = {.places = request->places};
    struct config_errors errors = {0}; /* they were noted before */
    struct settings said = {0};
    struct config *config = config_new();
    if (config != NULL && request->file != NULL) {
        bool is_whole = config_read_file(config, &settings_table, request->file, &errors);
        if (is_whole || config_has(config, ""))
            is_whole = config_fill(config, &settings_table, &said, &errors);
        (void)is_whole; /* it is not; what was read is in @said all the same */
    }
    presets.control = if_said(said.control_path);
    presets.data = if_said(said.data_path);
    struct settings *settings = settings_load(&presets, &errors);
    config_free(config);
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
        control->settings = load_guess(&request);
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

enum err_kind control_try(const struct control *control, struct control_question *question,
                          struct err *e)
{
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
    return client_ask(&request, e);
}

bool control_ask(const struct control *control, struct control_question *question)
{
    struct err e = {0};
    question->is_unheard = false;
    const enum err_kind failed = control_try(control, question, &e);
    if (failed == ERR_NONE)
        return true;
    question->is_unheard = failed == ERR_CONNECT_REFUSED;
    if (question->is_unheard && question->may_be_unheard)
        return false;
    fprintf(stderr, "error: %s\n", e.story);
    if (failed == ERR_CONNECT_REFUSED && control->errors.count > 0) {
        fputs("the configuration has mistakes, so it may mean another socket:\n\n", stderr);
        config_errors_write_text(&control->errors, stderr);
    }
    return false;
}

bool control_collect(void *self, const char *at, size_t bytes)
{
    struct control_text *text = self;
    if (text->bytes + bytes >= ANSWER_BYTES_MAX)
        return false;
    if (text->bytes + bytes >= text->room) {
        const size_t room = (text->bytes + bytes) * 2 + 1;
        char *larger = mem_resize(text->at, room);
        if (larger == NULL)
            return false;
        text->at = larger;
        text->room = room;
    }
    memcpy(text->at + text->bytes, at, bytes);
    text->bytes += bytes;
    text->at[text->bytes] = '\0';
    return true;
}

bool control_add_query(char target[CONTROL_TARGET_BYTES_MAX], const char *key, const char *value)
{
    size_t at = strlen(target);
    if (value == NULL)
        return true;
    if (at + strlen(key) + 3 * strlen(value) + 3 > CONTROL_TARGET_BYTES_MAX)
        return false;
    at += (size_t)sprintf(target + at, "%c%s=", strchr(target, '?') == NULL ? '?' : '&', key);
    for (; *value != '\0'; value++) {
        const unsigned char byte = (unsigned char)*value;
        const bool is_plain = byte < 0x80 && (isalnum(byte) || strchr("-_./:,~", byte) != NULL);
        at += (size_t)sprintf(target + at, is_plain ? "%c" : "%%%02X", byte);
    }
    return true;
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
