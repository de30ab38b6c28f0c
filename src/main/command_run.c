/* SPDX-License-Identifier: Apache-2.0 */
/* main/command_run.c - run, init, check, config: the commands that read a configuration. */
#include "main/command.h"

#include "main/server.h"
#include "main/supervisor.h"
#include "main/supervisor_client.h"

#include <ares.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONNECT_TIMEOUT_MS = 2000, PATH_BYTES = 4096 };

int command_version(void)
{
    printf("pando %s\n  HTTP/1.1; I/O by epoll and io_uring; libyaml, jansson, c-ares %s\n", PANDO_VERSION,
           ares_version(NULL));
    return EXIT_SUCCESS;
}

/* --- which settings --------------------------------------------------------------------------------------------- */

/* ./pando.yaml, then the user's, then the system's. NULL: there is none of them. */
static const char *find_file(void)
{
    static char path[PATH_BYTES]; /* lives as long as the process, as argv does */
    const char *home = getenv("XDG_CONFIG_HOME");
    const char *user = getenv("HOME");
    if (access("pando.yaml", R_OK) == 0)
        return "pando.yaml";
    if (home != NULL && home[0] == '/')
        (void)snprintf(path, sizeof path, "%s/pando/pando.yaml", home);
    else
        (void)snprintf(path, sizeof path, "%s/.config/pando/pando.yaml", user == NULL ? "" : user);
    if (access(path, R_OK) == 0)
        return path;
    return access("/etc/pando/pando.yaml", R_OK) == 0 ? "/etc/pando/pando.yaml" : NULL;
}

void command_request(struct settings_request *request, const struct command_line *line)
{
    *request = (struct settings_request){
        .file = line->words_count > 0 ? line->words[0] : NULL,
        .to = line->to,
        .http = line->http,
        .admin = line->admin,
        .redis = line->redis,
        .data = line->data,
        .control = line->control,
        .workers = line->workers,
        .io = line->io,
        .zone = line->zone,
        .sets = line->set_at,
        .sets_count = line->set_count,
    };
    if (request->file == NULL && request->to == NULL)
        request->file = find_file();
    settings_places_get(&request->places);
}

static void explain_nothing_to_do(const char *command)
{
    fprintf(stderr,
            "error: nothing to serve: no file was named, and there is no ./pando.yaml,\n"
            "       ~/.config/pando/pando.yaml or /etc/pando/pando.yaml\n\n"
            "  pando %s --to localhost:3000           in front of one server, no file needed\n"
            "  pando init --to localhost:3000 > pando.yaml   a file to begin with\n",
            command);
}

struct settings *command_load(const struct command_line *line, struct settings_request *request)
{
    command_request(request, line);
    if (request->file == NULL && request->to == NULL) {
        explain_nothing_to_do(line->command);
        return NULL;
    }
    struct config_errors errors = {0};
    struct settings     *settings = settings_load(request, &errors);
    if (settings == NULL) {
        if (line->json != NULL)
            config_errors_write_json(&errors, stdout);
        else
            config_errors_write_text(&errors, stderr);
    }
    config_errors_free(&errors);
    return settings;
}

/* --- run -------------------------------------------------------------------------------------------------------- */

static int serve(const struct command_line *line, struct supervisor_client *client)
{
    struct settings_request request;
    struct settings        *settings = command_load(line, &request);
    if (settings == NULL) {
        supervisor_failed(client, "the configuration has mistakes");
        return EXIT_USAGE;
    }
    const int status = server_run(settings, &request, client);
    supervisor_client_free(client);
    return status;
}

int command_run(const struct command_line *line)
{
    struct supervisor_client *client = supervisor_client_new();
    if (client != NULL)
        return serve(line, client);
    /* Mistakes are told before anything is started. */
    struct settings_request request;
    struct settings        *settings = command_load(line, &request);
    if (settings == NULL)
        return EXIT_USAGE;
    settings_free(settings);
    return supervisor_run(line->arguments);
}

/* --- init ------------------------------------------------------------------------------------------------------- */

int command_init(const struct command_line *line)
{
    struct settings_request request;
    if (line->words_count > 0) {
        fputs("error: init writes to standard output: pando init --to localhost:3000 > pando.yaml\n", stderr);
        return EXIT_USAGE;
    }
    struct command_line with = *line;
    if (with.to == NULL)
        with.to = "localhost:3000";
    struct settings *settings = command_load(&with, &request);
    if (settings == NULL)
        return EXIT_USAGE;
    settings_write_init(settings, stdout);
    settings_free(settings);
    return EXIT_SUCCESS;
}

/* --- check ------------------------------------------------------------------------------------------------------ */

static const char *try_socket(int family, const struct sockaddr *address, socklen_t bytes)
{
    const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return strerror(errno);
    int error = connect(fd, address, bytes) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
        struct pollfd waiting = {.fd = fd, .events = POLLOUT};
        socklen_t     size = sizeof error;
        if (poll(&waiting, 1, CONNECT_TIMEOUT_MS) <= 0)
            error = ETIMEDOUT;
        else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
            error = errno;
    }
    close(fd);
    return error == 0 ? NULL : strerror(error);
}

static const char *try_name(const struct config_address *address)
{
    char                  port[8];
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo      *found = NULL;
    (void)snprintf(port, sizeof port, "%u", address->port);
    const int failed = getaddrinfo(address->host, port, &hints, &found);
    if (failed != 0)
        return gai_strerror(failed);
    const char *why = "no address";
    for (const struct addrinfo *at = found; at != NULL && why != NULL; at = at->ai_next)
        why = try_socket(at->ai_family, at->ai_addr, at->ai_addrlen);
    freeaddrinfo(found);
    return why;
}

/* NULL: it could be connected to. */
static const char *try_target(const struct config_address *address)
{
    if (address->kind == CONFIG_ADDRESS_NAME)
        return try_name(address);
    if (address->kind == CONFIG_ADDRESS_SRV)
        return NULL; /* asked for when it runs */
    return try_socket(address->socket.ss_family, (const struct sockaddr *)&address->socket, address->socket_bytes);
}

static int check_live(const struct settings *settings)
{
    unsigned failures = 0;
    for (size_t i = 0; i < settings->services_count; i++) {
        const struct settings_service *service = &settings->services[i];
        for (size_t j = 0; j < service->targets_count; j++) {
            const struct config_address *address = &service->targets[j].address;
            const char                  *why = try_target(address);
            printf("  %-4s %s/%s%s%s\n", why == NULL ? "ok" : "FAIL", service->name, address->text,
                   why == NULL ? "" : ": ", why == NULL ? "" : why);
            failures += why != NULL;
        }
    }
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static size_t count_targets(const struct settings *settings)
{
    size_t count = 0;
    for (size_t i = 0; i < settings->services_count; i++)
        count += settings->services[i].targets_count;
    return count;
}

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

int command_check(const struct command_line *line)
{
    struct settings_request request;
    struct settings        *settings = command_load(line, &request);
    if (settings == NULL)
        return EXIT_USAGE;
    int status = EXIT_SUCCESS;
    if (line->json != NULL)
        puts("{\"count\": 0, \"errors\": []}");
    else
        printf("%s: ok, %zu listener%s, %zu service%s, %zu target%s\n",
               request.file == NULL ? "the flags" : request.file, settings->listeners_count,
               plural(settings->listeners_count), settings->services_count, plural(settings->services_count),
               count_targets(settings), plural(count_targets(settings)));
    if (line->live != NULL)
        status = check_live(settings);
    settings_free(settings);
    return status;
}

/* --- config ----------------------------------------------------------------------------------------------------- */

static int config_diff(const struct command_line *line)
{
    if (line->words_count != 3) {
        fputs("error: pando config diff OLD.yaml NEW.yaml\n", stderr);
        return EXIT_USAGE;
    }
    struct settings *settings[2] = {NULL, NULL};
    int              status = EXIT_USAGE;
    for (int i = 0; i < 2; i++) {
        struct command_line     one = *line;
        struct settings_request request;
        one.words[0] = line->words[i + 1];
        one.words_count = 1;
        settings[i] = command_load(&one, &request);
    }
    if (settings[0] != NULL && settings[1] != NULL) {
        if (settings_write_changes(settings[0], settings[1], stdout) == 0)
            puts("nothing differs");
        status = EXIT_SUCCESS;
    }
    for (int i = 0; i < 2; i++)
        settings_free(settings[i]);
    return status;
}

static int config_show(const struct command_line *line)
{
    struct command_line     one = *line;
    struct settings_request request;
    one.words[0] = line->words[1];
    one.words_count = line->words_count - 1;
    struct settings *settings = command_load(&one, &request);
    if (settings == NULL)
        return EXIT_USAGE;
    settings_write_yaml(settings, stdout);
    settings_free(settings);
    return EXIT_SUCCESS;
}

int command_config(const struct command_line *line)
{
    const char *what = line->words_count > 0 ? line->words[0] : "";
    if (strcmp(what, "schema") == 0)
        settings_write_schema(stdout);
    else if (strcmp(what, "docs") == 0)
        settings_write_docs(stdout);
    else if (strcmp(what, "man") == 0)
        settings_write_manpage(stdout);
    else if (strcmp(what, "show") == 0)
        return config_show(line);
    else if (strcmp(what, "diff") == 0)
        return config_diff(line);
    else {
        fputs("error: pando config schema | docs | man | show [FILE] | diff OLD NEW\n", stderr);
        return EXIT_USAGE;
    }
    return EXIT_SUCCESS;
}
