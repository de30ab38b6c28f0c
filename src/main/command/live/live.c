/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/live/live.c - connecting to every address of every target, all at once. */
#include "main/command/live/live.h"

#include "core/mem.h"
#include "core/units.h"
#include "main/command/live/names.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 512 }; /* connections at a time: below the usual limit of 1024 descriptors */

struct live_probe *live__add(struct live *live, const struct settings_service *service,
                             const struct settings_target *target)
{
    if (live->count == live->room) {
        const size_t room = live->room == 0 ? 32 : live->room * 2;
        struct live_probe *larger = mem_resize(live->probes, room * sizeof *larger);
        if (larger == NULL)
            return NULL;
        live->probes = larger;
        live->room = room;
    }
    struct live_probe *probe = &live->probes[live->count++];
    *probe = (struct live_probe){.service = service, .target = target, .fd = -1};
    return probe;
}

static enum err_kind add_addresses(struct live *live, const struct settings *settings,
                                   struct err *e)
{
    for (size_t i = 0; i < settings->services_count; i++) {
        const struct settings_service *service = &settings->services[i];
        for (size_t j = 0; j < service->targets_count; j++) {
            const struct config_address *address = &service->targets[j].address;
            live->targets_count++;
            if (address->kind != CONFIG_ADDRESS_IP && address->kind != CONFIG_ADDRESS_UNIX)
                continue;
            struct live_probe *probe = live__add(live, service, &service->targets[j]);
            if (probe == NULL)
                return err_set(e, ERR_MEMORY, "no memory for the targets");
            probe->socket = address->socket;
            probe->socket_bytes = address->socket_bytes;
        }
    }
    return live__resolve(live, settings, e);
}

/* ---- connecting ---- */

static void conclude(struct live_probe *probe, int error, uint64_t began_ns)
{
    probe->took_ms = (double)(clock_monotonic_ns() - began_ns) / (double)NS_PER_MS;
    if (error == EINPROGRESS)
        (void)snprintf(probe->why, sizeof probe->why, "no answer within %d ms", LIVE_WAIT_MS);
    else if (error == EAGAIN) /* of a unix socket */
        (void)snprintf(probe->why, sizeof probe->why, "it does not take connections");
    else if (error != 0)
        (void)snprintf(probe->why, sizeof probe->why, "%s", strerror(error));
    if (probe->fd >= 0)
        close(probe->fd);
    probe->fd = -1;
}

static void begin(struct live_probe *probe, uint64_t began_ns)
{
    const struct sockaddr *address = (const struct sockaddr *)&probe->socket;
    char host[96], port[8];
    if (probe->socket_bytes == 0)
        return; /* it has its reason */
    if (probe->socket.ss_family != AF_UNIX &&
        getnameinfo(address, probe->socket_bytes, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        (void)snprintf(probe->address, sizeof probe->address,
                       probe->socket.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    probe->fd = socket(probe->socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe->fd < 0 || connect(probe->fd, address, probe->socket_bytes) != 0) {
        if (errno != EINPROGRESS)
            conclude(probe, errno, began_ns);
    } else {
        conclude(probe, 0, began_ns);
    }
}

static void finish(struct live_probe *probe, uint64_t began_ns)
{
    int error = 0;
    socklen_t bytes = sizeof error;
    if (getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) != 0)
        error = errno;
    conclude(probe, error, began_ns);
}

/* Tries @count probes, at most BATCH. */
static void try_batch(struct live_probe *probes, size_t count)
{
    struct pollfd fds[BATCH];
    const uint64_t began_ns = clock_monotonic_ns();
    const uint64_t until_ns = began_ns + LIVE_WAIT_MS * NS_PER_MS;
    size_t open_count = 0;
    for (size_t i = 0; i < count; i++) {
        begin(&probes[i], began_ns);
        fds[i] = (struct pollfd){.fd = probes[i].fd, .events = POLLOUT};
        open_count += probes[i].fd >= 0;
    }
    for (uint64_t now_ns; open_count > 0 && (now_ns = clock_monotonic_ns()) < until_ns;) {
        if (poll(fds, count, (int)((until_ns - now_ns) / NS_PER_MS) + 1) <= 0)
            continue;
        for (size_t i = 0; i < count; i++) {
            if (fds[i].fd < 0 || fds[i].revents == 0)
                continue;
            finish(&probes[i], began_ns);
            fds[i].fd = -1;
            open_count--;
        }
    }
    for (size_t i = 0; i < count; i++)
        if (probes[i].fd >= 0)
            conclude(&probes[i], EINPROGRESS, began_ns);
}

/* ---- all of it ---- */

/* In the order of the file; addresses of one target beside each other. */
static int compare(const void *a, const void *b)
{
    const struct live_probe *one = a, *other = b;
    if (one->service != other->service)
        return one->service < other->service ? -1 : 1;
    if (one->target != other->target)
        return one->target < other->target ? -1 : 1;
    return strcmp(one->address, other->address);
}

/* Targets whose probes, which lie beside each other, all failed. */
static size_t count_missing(const struct live *live)
{
    size_t missing = 0;
    bool is_reached = false;
    for (size_t i = 0; i < live->count; i++) {
        is_reached = is_reached || live->probes[i].why[0] == '\0';
        if (i + 1 < live->count && live->probes[i + 1].target == live->probes[i].target)
            continue;
        missing += !is_reached;
        is_reached = false;
    }
    return missing;
}

enum err_kind live_try(struct live *live, const struct settings *settings, struct err *e)
{
    const enum err_kind failed = add_addresses(live, settings, e);
    if (failed != ERR_NONE)
        return failed;
    for (size_t i = 0; i < live->count; i += BATCH)
        try_batch(live->probes + i, live->count - i < BATCH ? live->count - i : BATCH);
    if (live->count > 0)
        qsort(live->probes, live->count, sizeof *live->probes, compare);
    live->missing_count = count_missing(live);
    return ERR_NONE;
}

void live_fini(struct live *live)
{
    mem_free(live->probes);
    *live = (struct live){0};
}
