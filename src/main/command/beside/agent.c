/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/beside/agent.c - `pando agent`: flags to what the agent is told. */
#include "agent/agent.h"
#include "main/command/command.h"

#include "config/value/quantity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ADDRESS_BYTES_MAX = 256 };

static bool refuse(const char *flag, const char *value, const char *expected)
{
    fprintf(stderr, "error: --%s %s: expected %s\n", flag, value, expected);
    return false;
}

static bool read_address(struct config_address *address, const char *flag, const char *text,
                         char host[ADDRESS_BYTES_MAX + CONFIG_HOST_EXTRA_BYTES])
{
    if (strlen(text) > ADDRESS_BYTES_MAX)
        return refuse(flag, text, "an address such as 127.0.0.1:9781");
    const char *why = config_address_read(address, text, CONFIG_ADDRESS_LISTEN, host);
    return why == NULL || refuse(flag, text, why);
}

static bool read_count(const char *flag, const char *text, uint64_t most, uint64_t *count)
{
    char expected[64];
    if (text == NULL ||
        (config_count_read(text, count) == CONFIG_QUANTITY_GOOD && *count > 0 && *count <= most))
        return true;
    (void)snprintf(expected, sizeof expected, "a number from 1 to %llu", (unsigned long long)most);
    return refuse(flag, text, expected);
}

static bool read_cpus(const char *text, double *cpus)
{
    char *end = NULL;
    if (text == NULL)
        return true;
    *cpus = strtod(text, &end);
    if (end != text && *end == '\0' && isfinite(*cpus) && *cpus > 0 && *cpus <= 65536)
        return true;
    return refuse("cpus", text, "how many processors it can use, such as 1 or 2.5");
}

static bool read_sampler(const struct command_line *line, struct sampler_config *sampler)
{
    uint64_t pid = 0, port = 0;
    if (!read_count("pid", line->agent_pid, INT32_MAX, &pid) ||
        !read_count("port", line->agent_port, UINT16_MAX, &port) ||
        !read_cpus(line->agent_cpus, &sampler->processors))
        return false;
    if (line->agent_cgroup != NULL && line->agent_pid != NULL) {
        fputs("error: --pid and --cgroup: choose one; `--cgroup PID` is the cgroup of a process\n",
              stderr);
        return false;
    }
    sampler->root = "";
    sampler->pid = (pid_t)pid;
    sampler->port = (uint16_t)port;
    sampler->cgroup = line->agent_cgroup;
    sampler->report = line->agent_report;
    sampler->state = line->agent_state;
    return true;
}

static void tell_started(void *self, uint16_t line, uint16_t http)
{
    const struct agent_config *config = self;
    fprintf(stderr, "pando agent: one line on %s (port %u), GET /probe on %s (port %u)\n",
            config->line.text, line, config->http.text, http);
}

static void tell_warning(void *self, const char *text)
{
    (void)self;
    fprintf(stderr, "pando agent: warning: %s\n", text);
}

int command_agent(const struct command_line *line)
{
    char hosts[2][ADDRESS_BYTES_MAX + CONFIG_HOST_EXTRA_BYTES];
    struct agent_config config = {.io = line->io != NULL ? line->io : "auto",
                                  .started = tell_started,
                                  .warned = tell_warning,
                                  .self = &config};
    struct err e;
    const char *at = line->agent_line != NULL ? line->agent_line : "127.0.0.1:9781";
    const char *http = line->agent_http != NULL ? line->agent_http : "127.0.0.1:9782";
    if (!read_address(&config.line, "listen", at, hosts[0]) ||
        !read_address(&config.http, "http", http, hosts[1]) || !read_sampler(line, &config.sampler))
        return EXIT_USAGE;
    if (strcmp(config.io, "auto") != 0 && strcmp(config.io, "epoll") != 0 &&
        strcmp(config.io, "io_uring") != 0) {
        (void)refuse("io", config.io, "auto, epoll or io_uring");
        return EXIT_USAGE;
    }
    if (agent_run(&config, &e) == ERR_NONE)
        return EXIT_SUCCESS;
    fprintf(stderr, "error: %s\n", e.story);
    return EXIT_FAILURE;
}
