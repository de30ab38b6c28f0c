/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/run.c - `pando run`: as the supervisor, and as the server that it starts. */
#include "main/command/command.h"
#include "main/server.h"
#include "main/supervisor/supervisor.h"
#include "main/supervisor_client.h"

#include <malloc.h>
#include <stdlib.h>

/* As the supervisor's child. */
static int serve(const struct command_line *line, struct supervisor_client *client)
{
    struct settings_request request;
    struct settings *settings = command_load(line, line->words[0], &request);
    int status = EXIT_USAGE;
    if (settings == NULL)
        supervisor_failed(client, "the configuration has mistakes");
    else
        status = server_run(settings, &request, client);
    supervisor_client_free(client);
    return status;
}

int command_run(const struct command_line *line)
{
    struct supervisor_client *client = supervisor_client_new();
    if (client != NULL)
        return serve(line, client);
    /* Mistakes are told before anything is started, and once. */
    struct settings_request request;
    struct settings *settings = command_load(line, line->words[0], &request);
    if (settings == NULL)
        return EXIT_USAGE;
    settings_free(settings);
    (void)malloc_trim(0); /* the supervisor lives long and needs next to nothing */
    return supervisor_run(line->arguments);
}
