/* SPDX-License-Identifier: Apache-2.0 */
/* main/supervisor/wire.c - messages with descriptors. */
#include "main/supervisor/wire.h"

#include <errno.h>
#include <string.h>

/* Room for one descriptor, aligned as the kernel wants it. */
union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
};

bool supervisor_send(int socket, const struct supervisor_message *message, int fd, int flags)
{
    struct iovec iov = {(void *)(uintptr_t)message, sizeof *message};
    union control control = {0};
    struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd >= 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = sizeof control.bytes;
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    }
    ssize_t sent;
    do
        sent = sendmsg(socket, &header, flags | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)sizeof *message;
}

enum supervisor_got supervisor_receive(int socket, struct supervisor_message *message, int *fd,
                                       int flags)
{
    struct iovec iov = {message, sizeof *message};
    union control control = {0};
    struct msghdr header = {.msg_iov = &iov,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes};
    *fd = -1;
    ssize_t got;
    do
        got = recvmsg(socket, &header, flags | MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return SUPERVISOR_GOT_NOTHING;
    if (got <= 0)
        return SUPERVISOR_GOT_END;
    const struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    if (rights != NULL && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS)
        memcpy(fd, CMSG_DATA(rights), sizeof *fd);
    if (got != (ssize_t)sizeof *message || message->version != SUPERVISOR_WIRE_VERSION)
        return SUPERVISOR_GOT_NONSENSE;
    message->key[sizeof message->key - 1] = '\0';
    message->story[sizeof message->story - 1] = '\0';
    return SUPERVISOR_GOT_MESSAGE;
}
