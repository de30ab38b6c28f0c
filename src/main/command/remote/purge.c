/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/remote/purge.c - `pando purge`: answers are taken out of the caches; it ends when
 * they are. */
#include "core/mem.h"
#include "main/command/remote/control.h"
#include "main/command/remote/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    WAIT_S = 10,
    LOOK_AGAIN_MS = 20,
    STATUS_OK = 200,
    STATUS_BAD = 400,
};

static int refuse(const char *why)
{
    fprintf(stderr,
            "error: %s\n"
            "  pando purge http://shop.example/cart\n"
            "  pando purge --prefix http://shop.example/images/\n"
            "  pando purge --tag product-17 --soft\n",
            why);
    return EXIT_USAGE;
}

static bool add_values(char target[CONTROL_TARGET_BYTES_MAX], const struct command_line *line,
                       const char *key, size_t offset)
{
    size_t at = 0;
    const char *value;
    while ((value = command_next_value(line, offset, &at)) != NULL)
        if (!control_add_query(target, key, value))
            return false;
    return true;
}

/* False: it is longer than one request may be. */
static bool write_target(char target[CONTROL_TARGET_BYTES_MAX], const struct command_line *line)
{
    for (size_t i = 0; i < line->words_count; i++)
        if (!control_add_query(target, "url", line->words[i]))
            return false;
    return add_values(target, line, "prefix", offsetof(struct command_line, prefix)) &&
           add_values(target, line, "tag", offsetof(struct command_line, tag)) &&
           control_add_query(target, "soft", line->soft) &&
           control_add_query(target, "service", line->service);
}

/* Asks; the answer as JSON, or NULL, and *@status says why. */
static json_t *ask(const struct control *control, const char *method, const char *target,
                   unsigned *status, struct control_text *text)
{
    struct control_question question = {.method = method,
                                        .target = target,
                                        .wait_s = WAIT_S,
                                        .received = control_collect,
                                        .self = text};
    text->bytes = 0;
    const bool ok = control_ask(control, &question);
    *status = question.status;
    return ok && question.status == STATUS_OK && text->at != NULL ? remote_json_read(text->at)
                                                                  : NULL;
}

static void print(const json_t *purge, bool is_soft)
{
    size_t i;
    json_t *service;
    json_array_foreach(json_object_get(purge, "services"), i, service)
    {
        const double purged = remote_json_number(service, "purged");
        printf("%s %.0f answer%s of %s\n", is_soft ? "made stale" : "purged", purged,
               purged == 1 ? "" : "s", remote_json_text(service, "name", ""));
    }
}

/* Until the walk over the caches is over. */
static int wait_and_print(const struct control *control, const struct command_line *line,
                          json_t *purge, struct control_text *text)
{
    char target[64];
    unsigned status = STATUS_OK;
    const struct timespec pause = {.tv_nsec = LOOK_AGAIN_MS * 1000000L};
    (void)snprintf(target, sizeof target, "/control/purged?id=%.0f",
                   remote_json_number(purge, "id"));
    while (purge != NULL && !json_is_true(json_object_get(purge, "done"))) {
        (void)nanosleep(&pause, NULL);
        json_decref(purge);
        purge = ask(control, "GET", target, &status, text);
    }
    if (purge == NULL)
        return EXIT_FAILURE;
    if (line->json != NULL)
        fputs(text->at, stdout);
    else
        print(purge, line->soft != NULL);
    json_decref(purge);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int order(const struct control *control, const struct command_line *line, const char *target)
{
    struct control_text text = {0};
    unsigned status;
    json_t *purge = ask(control, "POST", target, &status, &text);
    int result = status == STATUS_BAD ? EXIT_USAGE : EXIT_FAILURE;
    if (purge != NULL)
        result = wait_and_print(control, line, purge, &text);
    mem_free(text.at);
    return result;
}

int command_purge(const struct command_line *line)
{
    char target[CONTROL_TARGET_BYTES_MAX] = "/control/purge";
    struct command_line finding = *line;
    struct control control = {0};
    int status = EXIT_USAGE;
    if (line->words_count == 0 && line->prefix == NULL && line->tag == NULL)
        return refuse("what is to be purged?");
    if (!write_target(target, line))
        return refuse("that is too much for one command; use several");
    finding.words[0] = NULL; /* it is no file */
    if (control_find(&control, &finding))
        status = order(&control, line, target);
    control_fini(&control);
    return status;
}
