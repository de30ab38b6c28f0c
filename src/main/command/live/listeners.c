/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/live/listeners.c - binding each address, and asking who has those that are taken. */
#include "main/command/live/listeners.h"

#include "core/mem.h"
#include "main/command/remote/client.h"
#include "main/command/remote/json.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STATUS_WAIT_S = 2, STATUS_OK = 200 };

/* The errno of binding @address without sharing it, or 0. */
static int try_bind(const struct config_address *address)
{
    const int on = 1, only_v6 = !address->every;
    const int family = address->socket.ss_family;
    const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof only_v6);
    const bool ok = bind(fd, (const struct sockaddr *)&address->socket, address->socket_bytes) == 0;
    const int error = ok ? 0 : errno;
    close(fd);
    return error;
}

/* A machine without IPv6 has every IPv4 address, and the server takes those. */
static int try_address(const struct config_address *address)
{
    const int error = try_bind(address);
    if (!address->every || (error != EAFNOSUPPORT && error != EADDRNOTAVAIL))
        return error;
    struct config_address any = {.socket_bytes = sizeof(struct sockaddr_in)};
    const struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(address->port)};
    memcpy(&any.socket, &in, sizeof in);
    return try_bind(&any);
}

/* ---- who has it ---- */

static bool answered(void *self, unsigned status)
{
    (void)self;
    return status == STATUS_OK;
}

static bool received(void *self, const char *at, size_t bytes)
{
    return fwrite(at, 1, bytes, self) == bytes;
}

/* What the running server says of itself, or NULL: there is none. */
static json_t *ask_status(const char *control_path)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (out == NULL)
        return NULL;
    const struct client_request request = {.socket = control_path,
                                           .method = "GET",
                                           .target = "/api/status",
                                           .wait_s = STATUS_WAIT_S,
                                           .answered = answered,
                                           .received = received,
                                           .self = out};
    const bool ok = client_ask(&request, NULL) == ERR_NONE;
    const bool is_whole = fclose(out) == 0;
    json_t *status = ok && is_whole && bytes > 0 ? remote_json_read(text) : NULL;
    free(text);
    return status;
}

static bool is_served(const json_t *status, const struct config_address *address)
{
    size_t i;
    const json_t *one;
    json_array_foreach(json_object_get(status, "listeners"), i,
                       one) if (strcmp(remote_json_text(one, "address", ""), address->text) ==
                                0) return true;
    return false;
}

/* ---- all of it ---- */

static void explain(struct live_listener *row, int error)
{
    switch (error) {
    case 0: break;
    case EADDRINUSE:
        (void)snprintf(row->why, sizeof row->why, "another process listens there");
        break;
    case EACCES: (void)snprintf(row->why, sizeof row->why, "not allowed for this user"); break;
    case EADDRNOTAVAIL:
        (void)snprintf(row->why, sizeof row->why, "this machine has no such address");
        break;
    default: (void)snprintf(row->why, sizeof row->why, "%s", strerror(error));
    }
}

enum err_kind live_listeners_try(struct live_listeners *listeners, const struct settings *settings,
                                 struct err *e)
{
    listeners->at = mem_alloc((settings->listeners_count + 1) * sizeof *listeners->at);
    if (listeners->at == NULL)
        return err_set(e, ERR_MEMORY, "no memory for the listeners");
    json_t *status = NULL;
    bool is_asked = false;
    for (size_t i = 0; i < settings->listeners_count; i++) {
        struct live_listener *row = &listeners->at[listeners->count++];
        row->listener = &settings->listeners[i];
        const int error = try_address(row->listener->address);
        if (error == EADDRINUSE && !is_asked) {
            status = ask_status(settings->control_path);
            is_asked = true;
        }
        row->is_served = error == EADDRINUSE && is_served(status, row->listener->address);
        if (!row->is_served)
            explain(row, error);
        listeners->refused_count += row->why[0] != '\0';
    }
    json_decref(status);
    return ERR_NONE;
}

void live_listeners_fini(struct live_listeners *listeners)
{
    mem_free(listeners->at);
    *listeners = (struct live_listeners){0};
}
