/* SPDX-License-Identifier: Apache-2.0 */
/* main/command_control.c - reload, status, tap: the commands that talk to the running server. */
#include "main/command.h"

#include "core/mem.h"
#include "main/control_client.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_S = 30, TAP_LINE_BYTES = 65536, STATUS_BYTES_MAX = 16 * 1024 * 1024 };

/* The control socket: a flag, the file's, or the preset of both. The settings must outlive the path. */
static const char *find_socket(const struct command_line *line, struct settings **settings)
{
    *settings = NULL;
    if (line->control != NULL)
        return line->control;
    struct settings_request request;
    command_request(&request, line);
    if (request.file == NULL)
        request.to = "localhost:1"; /* only the preset of the socket is wanted */
    struct config_errors errors = {0};
    *settings = settings_load(&request, &errors);
    if (*settings == NULL) {
        config_errors_write_text(&errors, stderr);
        fputs("\nerror: this file does not say where the control socket is; name it by --control PATH\n", stderr);
    }
    config_errors_free(&errors);
    return *settings == NULL ? NULL : (*settings)->control_path;
}

static bool print_piece(void *self, const char *at, size_t bytes)
{
    return fwrite(at, 1, bytes, self) == bytes && fflush(self) == 0;
}

/* Asks and says what went wrong. False: exit 1. */
static bool ask(const struct control_request *request, unsigned *status)
{
    struct err e = {0};
    if (control_ask(request, status, &e) == ERR_NONE)
        return true;
    fprintf(stderr, "error: %s\n", e.story);
    return false;
}

/* --- reload ----------------------------------------------------------------------------------------------------- */

int command_reload(const struct command_line *line)
{
    struct settings *settings;
    const char      *socket = find_socket(line, &settings);
    unsigned         status = 0;
    int              exit_status = EXIT_USAGE;
    if (socket != NULL) {
        const struct control_request request = {socket, "POST", "/control/reload", WAIT_S, print_piece, stdout};
        exit_status = !ask(&request, &status) ? EXIT_FAILURE : status == 200 ? EXIT_SUCCESS : EXIT_USAGE;
    }
    settings_free(settings);
    return exit_status;
}

/* --- status ----------------------------------------------------------------------------------------------------- */

struct text {
    char  *at;
    size_t bytes;
};

static bool collect(void *self, const char *at, size_t bytes)
{
    struct text *text = self;
    if (text->bytes + bytes > STATUS_BYTES_MAX)
        return false;
    char *larger = mem_resize(text->at, text->bytes + bytes + 1);
    if (larger == NULL)
        return false;
    memcpy(larger + text->bytes, at, bytes);
    text->at = larger;
    text->bytes += bytes;
    text->at[text->bytes] = '\0';
    return true;
}

static const char *string_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static double number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void print_state(const char *state, bool color)
{
    const bool well = strcmp(state, "up") == 0;
    printf("%s%s %-7s%s", color ? (well ? "\x1b[32m" : "\x1b[31m") : "", well ? "●" : "✕", state,
           color ? "\x1b[0m" : "");
}

static void print_target(const json_t *target, bool color)
{
    const json_t *latency = json_object_get(target, "latency_ms");
    printf("    ");
    print_state(string_of(target, "state"), color);
    printf(" %-28s %9.0f requests %7.0f failed %4.0f in flight   p50 %.1f ms  p99 %.1f ms", string_of(target, "name"),
           number_of(target, "requests"), number_of(target, "failures"), number_of(target, "inflight"),
           number_of(latency, "p50"), number_of(latency, "p99"));
    const char *reason = string_of(target, "reason");
    printf("%s%s\n", reason[0] == '\0' ? "" : "  ", reason);
}

static void print_service(const json_t *service, bool color)
{
    const json_t *latency = json_object_get(service, "latency_ms");
    printf("\n  %s (%s): %.0f requests, %.0f errors, %.0f retries, %.0f in flight, p50 %.1f ms, p99 %.1f ms\n",
           string_of(service, "name"), string_of(service, "balance"), number_of(service, "requests"),
           number_of(service, "errors"), number_of(service, "retries"), number_of(service, "inflight"),
           number_of(latency, "p50"), number_of(latency, "p99"));
    size_t  i;
    json_t *target;
    json_array_foreach(json_object_get(service, "targets"), i, target)
        print_target(target, color);
}

static void print_status(const json_t *all, bool color)
{
    const json_t *config = json_object_get(all, "config");
    printf("pando %s, %s for %.0f s, %.0f workers on %s\n", string_of(all, "version"), string_of(all, "state"),
           number_of(all, "uptime_s"), number_of(all, "workers"), string_of(all, "io"));
    printf("  configuration %s, revision %.0f\n", string_of(config, "file")[0] == '\0' ? "from flags" : string_of(config, "file"),
           number_of(config, "revision"));
    size_t  i;
    json_t *item;
    json_array_foreach(json_object_get(all, "listeners"), i, item)
        printf("  %-8s %-24s %-6s %.0f connections\n", string_of(item, "name"), string_of(item, "address"),
               string_of(item, "dialect"), number_of(item, "connections"));
    json_array_foreach(json_object_get(all, "services"), i, item)
        print_service(item, color);
}

static int show_status(const struct command_line *line, const char *socket)
{
    struct text                  text = {0};
    unsigned                     status = 0;
    const struct control_request request = {socket, "GET", "/api/status", WAIT_S, collect, &text};
    if (!ask(&request, &status)) {
        mem_free(text.at);
        return EXIT_FAILURE;
    }
    json_t *all = text.at == NULL ? NULL : json_loads(text.at, 0, NULL);
    int     exit_status = EXIT_SUCCESS;
    if (status != 200 || all == NULL) {
        fprintf(stderr, "error: the server answered with status %u\n", status);
        exit_status = EXIT_FAILURE;
    } else if (line->json != NULL) {
        puts(text.at);
    } else {
        print_status(all, command_has_color(line, STDOUT_FILENO));
    }
    json_decref(all);
    mem_free(text.at);
    return exit_status;
}

int command_status(const struct command_line *line)
{
    struct settings *settings;
    const char      *socket = find_socket(line, &settings);
    int              exit_status = socket == NULL ? EXIT_USAGE : show_status(line, socket);
    while (line->watch != NULL && exit_status == EXIT_SUCCESS) {
        sleep(1);
        if (isatty(STDOUT_FILENO))
            fputs("\x1b[H\x1b[2J", stdout);
        exit_status = show_status(line, socket);
    }
    settings_free(settings);
    return exit_status;
}

/* --- tap -------------------------------------------------------------------------------------------------------- */

struct tap {
    bool   raw;
    size_t bytes;
    char   line[TAP_LINE_BYTES];
};

static void print_request(const char *line)
{
    json_t *all = json_loads(line, 0, NULL);
    if (all == NULL) {
        puts(line);
        return;
    }
    printf("%s %3.0f %7.1f ms  %-6s %s%s  -> %s %s%s\n", string_of(all, "ts"), number_of(all, "st"),
           number_of(all, "dur") * 1000, string_of(all, "m"), string_of(all, "host"), string_of(all, "path"),
           string_of(all, "up")[0] == '\0' ? "-" : string_of(all, "up"), string_of(all, "client"),
           string_of(all, "why")[0] == '\0' ? "" : "  !");
    json_decref(all);
}

static bool print_lines(void *self, const char *at, size_t bytes)
{
    struct tap *tap = self;
    if (tap->raw)
        return print_piece(stdout, at, bytes);
    for (size_t i = 0; i < bytes; i++) {
        if (at[i] != '\n') {
            if (tap->bytes + 1 < sizeof tap->line)
                tap->line[tap->bytes++] = at[i];
            continue;
        }
        tap->line[tap->bytes] = '\0';
        tap->bytes = 0;
        print_request(tap->line);
    }
    return fflush(stdout) == 0;
}

/* Appends "key=value" with what is not a letter or digit escaped. */
static void add_query(char *target, size_t room, const char *key, const char *value)
{
    size_t length = strlen(target);
    length += (size_t)snprintf(target + length, room - length, "%s%s=", strchr(target, '?') == NULL ? "?" : "&", key);
    for (; *value != '\0' && length + 4 < room; value++) {
        const unsigned char byte = (unsigned char)*value;
        const bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
                           byte == '-' || byte == '_' || byte == '.' || byte == '/';
        length += (size_t)snprintf(target + length, room - length, plain ? "%c" : "%%%02X", byte);
    }
}

int command_tap(const struct command_line *line)
{
    struct settings *settings;
    const char      *socket = find_socket(line, &settings);
    if (socket == NULL)
        return EXIT_USAGE;
    char target[1024] = "/control/tap";
    if (line->service != NULL)
        add_query(target, sizeof target, "service", line->service);
    if (line->statuses != NULL)
        add_query(target, sizeof target, "status", line->statuses);
    if (line->path != NULL)
        add_query(target, sizeof target, "path", line->path);
    static struct tap            tap; /* large */
    unsigned                     status = 0;
    const struct control_request request = {socket, "GET", target, 0, print_lines, &tap};
    tap.raw = line->json != NULL;
    const bool ok = ask(&request, &status);
    settings_free(settings);
    return ok && status == 200 ? EXIT_SUCCESS : EXIT_FAILURE;
}
