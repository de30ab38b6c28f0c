/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/load.c - which settings a command line means, and loading them. */
#include "main/command/command.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME "pando/pando.yaml"

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0; /* one that may not be read is an error, not passed over */
}

/* The user's file, or NULL if there can be none. */
static const char *user_file(void)
{
    static char path[PATH_MAX]; /* lives as long as argv does */
    const char *config_home = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    int bytes = -1;
    if (config_home != NULL && config_home[0] == '/')
        bytes = snprintf(path, sizeof path, "%s/" FILE_NAME, config_home);
    else if (home != NULL && home[0] == '/')
        bytes = snprintf(path, sizeof path, "%s/.config/" FILE_NAME, home);
    return bytes > 0 && (size_t)bytes < sizeof path ? path : NULL;
}

static const char *find_file(void)
{
    const char *user = user_file();
    if (is_there("pando.yaml"))
        return "pando.yaml";
    if (user != NULL && is_there(user))
        return user;
    return is_there("/etc/" FILE_NAME) ? "/etc/" FILE_NAME : NULL;
}

void command_request(struct settings_request *request, const struct command_line *line,
                     const char *file)
{
    *request = (struct settings_request){
        .file = file,
        .to = line->to,
        .http = line->http,
        .admin = line->admin,
        .redis = line->redis,
        .data = line->data,
        .control = line->control,
        .workers = line->workers,
        .io = line->io,
        .zone = line->zone,
        .location = line->location,
        .sets = line->set_at,
        .sets_count = line->sets_count,
    };
    if (request->file == NULL && request->to == NULL)
        request->file = find_file();
    settings_places_get(&request->places);
}

static void explain_no_file(const struct command_line *line)
{
    fprintf(stderr,
            "error: `pando %s` has nothing to go by: no file is named, and there is none at\n"
            "  ./pando.yaml, ~/.config/" FILE_NAME " or /etc/" FILE_NAME "\n"
            "what to type:\n"
            "  pando run --to localhost:3000                  in front of one server, no file\n"
            "  pando init --to localhost:3000 > pando.yaml    a file to begin with\n",
            line->command->name);
}

static void write_errors(const struct config_errors *errors, const struct command_line *line)
{
    if (line->json != NULL) {
        config_errors_write_json(errors, stdout);
        return;
    }
    config_errors_write_text(errors, stderr);
    fprintf(stderr, "\n%zu mistake%s\n", errors->count, errors->count == 1 ? "" : "s");
}

/* `pando run` alone serves keys, which these are about. */
static bool goes_without_file(const struct command_line *line)
{
    return line->command->run == command_run || line->command->run == command_backup ||
           line->command->run == command_restore || line->deep != NULL;
}

struct settings *command_load(const struct command_line *line, const char *file,
                              struct settings_request *request)
{
    struct config_errors errors = {0};
    command_request(request, line, file);
    if (request->file == NULL && request->to == NULL && line->sets_count == 0 &&
        !goes_without_file(line)) {
        explain_no_file(line);
        return NULL;
    }
    struct settings *settings = settings_load(request, &errors);
    if (settings == NULL)
        write_errors(&errors, line);
    config_errors_free(&errors);
    return settings;
}
