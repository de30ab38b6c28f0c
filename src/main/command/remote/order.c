/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/remote/order.c - `pando drain`, `pando undrain`, `pando weight`: one target of one
 * service, at run time. */
#include "main/command/remote/control.h"

#include "path/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_S = 10 };

static bool print(void *self, const char *at, size_t bytes)
{
    return fwrite(at, 1, bytes, self) == bytes;
}

static int refuse(const struct command_line *line, const char *why)
{
    fprintf(stderr, "error: %s\n  pando %s %s, such as: pando %s shop/10.0.0.1:3000%s\n", why,
            line->command->name, line->command->words, line->command->name,
            strcmp(line->command->name, "weight") == 0 ? " 3" : "");
    return EXIT_USAGE;
}

/* Writes the target of the request. NULL: well, else what is wrong. */
static const char *write_target(char target[CONTROL_TARGET_BYTES_MAX], const char *action,
                                const char *name, const char *weight)
{
    char service[64];
    const char *slash = strchr(name, '/');
    if (slash == NULL || slash == name || slash[1] == '\0')
        return "a target is named with its service before it";
    if ((size_t)(slash - name) >= sizeof service)
        return "the name of the service is too long";
    (void)snprintf(service, sizeof service, "%.*s", (int)(slash - name), name);
    (void)snprintf(target, CONTROL_TARGET_BYTES_MAX, "/control/target");
    if (!control_add_query(target, "do", action) ||
        !control_add_query(target, "service", service) ||
        !control_add_query(target, "target", slash + 1) ||
        !control_add_query(target, "weight", weight))
        return "the name of the target is too long";
    return NULL;
}

/* @file: the configuration whose control socket is meant, or NULL. */
static int give(const struct command_line *line, const char *weight, const char *file)
{
    char target[CONTROL_TARGET_BYTES_MAX];
    struct command_line finding = *line;
    struct control control = {0};
    struct control_question question = {
        .method = "POST", .target = target, .wait_s = WAIT_S, .received = print, .self = stdout};
    int status = EXIT_USAGE;
    if (line->words_count == 0)
        return refuse(line, "which target?");
    const char *wrong = write_target(target, line->command->name, line->words[0], weight);
    if (wrong != NULL)
        return refuse(line, wrong);
    finding.words[0] = file;
    if (control_find(&control, &finding))
        status = control_ask(&control, &question) && question.status == 200 ? EXIT_SUCCESS
                                                                            : EXIT_FAILURE;
    control_fini(&control);
    return status;
}

int command_drain(const struct command_line *line)
{
    return give(line, NULL, line->words[1]);
}

int command_undrain(const struct command_line *line)
{
    return give(line, NULL, line->words[1]);
}

int command_weight(const struct command_line *line)
{
    char *end;
    if (line->words_count < 2)
        return refuse(line, "a target and its weight are wanted");
    if (strcmp(line->words[1], "file") == 0)
        return give(line, "0", line->words[2]);
    const unsigned long weight = strtoul(line->words[1], &end, 10);
    if (*end != '\0' || weight < 1 || weight > TARGET_WEIGHT_MAX)
        return refuse(line, "a weight is 1 to 256, or `file` for what the file says; to give a "
                            "target nothing there is `pando drain`");
    return give(line, line->words[1], line->words[2]);
}
