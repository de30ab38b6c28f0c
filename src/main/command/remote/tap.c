/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/remote/tap.c - `pando tap`: requests as they finish, one readable line each. */
#include "core/mem.h"
#include "main/command/remote/control.h"
#include "main/command/remote/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LINE_BYTES_MAX = 64 * 1024, /* twice what the log's longest line may be */
};

struct tap {
    bool   is_raw, has_color;
    size_t bytes; /* of the line so far */
    char   line[LINE_BYTES_MAX];
};

static const char *color_of(double status)
{
    if (status >= 500)
        return "\x1b[31m";
    return status >= 400 ? "\x1b[33m" : "\x1b[32m";
}

/* 12:30:01.123 200    3.1 ms  GET shop.example/cart  10.0.0.2:3000  2 retries  why  */
static void print_request(const struct tap *tap, const json_t *request)
{
    const char *time = remote_json_text(request, "ts", "");
    const char *clock = strchr(time, 'T') == NULL ? time : strchr(time, 'T') + 1;
    const double status = remote_json_number(request, "st");
    const double retries = remote_json_number(request, "retry");
    printf("%-12.12s %s%3.0f%s %8.1f ms  %-4s %s%s  %s", clock,
           tap->has_color ? color_of(status) : "", status, tap->has_color ? "\x1b[0m" : "",
           remote_json_number(request, "dur") * 1000, remote_json_text(request, "m", "-"),
           remote_json_text(request, "host", ""), remote_json_text(request, "path", "-"),
           remote_json_text(request, "up", "(no target)"));
    if (retries > 0)
        printf("  %.0f retr%s", retries, retries == 1 ? "y" : "ies");
    if (json_is_true(json_object_get(request, "slow")))
        fputs("  slow", stdout);
    if (json_object_get(request, "why") != NULL)
        printf("  %s", remote_json_text(request, "why", ""));
    putchar('\n');
}

static void print_line(const struct tap *tap)
{
    json_t *line = remote_json_read(tap->line);
    if (json_object_get(line, "dropped") != NULL)
        printf("... %.0f more came faster than they could be shown\n",
               remote_json_number(line, "dropped"));
    else if (line != NULL)
        print_request(tap, line);
    json_decref(line);
}

static bool take(void *self, const char *at, size_t bytes)
{
    struct tap *tap = self;
    if (tap->is_raw)
        return fwrite(at, 1, bytes, stdout) == bytes && fflush(stdout) == 0;
    for (size_t i = 0; i < bytes; i++) {
        if (at[i] != '\n') {
            if (tap->bytes + 1 < sizeof tap->line)
                tap->line[tap->bytes++] = at[i];
            continue;
        }
        tap->line[tap->bytes] = '\0';
        tap->bytes = 0;
        print_line(tap);
    }
    return fflush(stdout) == 0;
}

static int show(const struct command_line *line, const struct control *control, struct tap *tap)
{
    char target[CONTROL_TARGET_BYTES_MAX] = "/control/tap";
    struct control_question question = {
        .method = "GET", .target = target, .received = take, .self = tap};
    if (!control_add_query(target, "service", line->service) ||
        !control_add_query(target, "status", line->statuses) ||
        !control_add_query(target, "path", line->path)) {
        fputs("error: what is to be chosen by is too long\n", stderr);
        return EXIT_USAGE;
    }
    if (!control_ask(control, &question))
        return EXIT_FAILURE;
    if (question.status == 400) /* what was wrong with the filter was written */
        return EXIT_USAGE;
    return question.status == 200 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int command_tap(const struct command_line *line)
{
    struct control control = {0};
    int status = EXIT_USAGE;
    struct tap *tap = mem_alloc(sizeof *tap); /* large */
    if (tap != NULL && control_find(&control, line)) {
        tap->is_raw = line->json != NULL;
        tap->has_color = command_has_color(line, STDOUT_FILENO);
        status = show(line, &control, tap);
    }
    control_fini(&control);
    mem_free(tap);
    return status;
}
