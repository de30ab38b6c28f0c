/* SPDX-License-Identifier: Apache-2.0 */
/* main/supervisor/notify.c - datagrams to the service manager. */
#include "main/supervisor/notify.h"

#include "core/units.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void tell(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const size_t bytes = path == NULL ? 0 : strlen(path);
    if (bytes < 2 || bytes >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(address.sun_path, path, bytes);
    if (address.sun_path[0] == '@') /* a name without a file */
        address.sun_path[0] = '\0';
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
                 (const struct sockaddr *)&address,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes));
    close(fd);
}

void notify_ready(void)
{
    tell("READY=1\nSTATUS=serving");
}

void notify_reloading(uint64_t now_ns)
{
    char state[96];
    (void)snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%llu",
                   (unsigned long long)(now_ns / NS_PER_US));
    tell(state);
}

void notify_stopping(void)
{
    tell("STOPPING=1\nSTATUS=requests in progress may end");
}
