/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/remote/client.c - one request over a unix socket. */
#include "main/command/remote/client.h"

#include "codec/http1.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    ROOM_BYTES = 65536,
    FIELDS_MAX = 64,
    REQUEST_BYTES_MAX = 8192,
};

/* An answer that is being read: the bytes [from, to) of the room are not dealt with yet. */
struct reading {
    const struct client_request *request;
    int                          fd;
    size_t                       from, to;
    bool                         is_ended; /* the caller wants no more */
    uint8_t                      room[ROOM_BYTES];
};

static enum err_kind explain(const struct client_request *request, int error, struct err *e)
{
    if (error == ENOENT || error == ECONNREFUSED)
        return err_set(
            e, ERR_CONNECT_REFUSED,
            "no server listens on the control socket %s\n"
            "  is `pando run` running? if it has another socket, name it with --control, "
            "or name its file",
            request->socket);
    if (error == EACCES || error == EPERM)
        return err_set(e, ERR_SYSTEM,
                       "%s may be opened only by root and by the user that runs the server",
                       request->socket);
    if (error == EAGAIN)
        return err_set(e, ERR_CONNECT_TIMEOUT, "%s: the server does not take connections",
                       request->socket);
    errno = error;
    return err_set_errno(e, "%s", request->socket);
}

static enum err_kind open_socket(struct reading *r, struct err *e)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval wait = {.tv_sec = r->request->wait_s};
    if (strlen(r->request->socket) >= sizeof address.sun_path)
        return err_set(e, ERR_INPUT, "%s: too long for the path of a unix socket (%zu bytes)",
                       r->request->socket, sizeof address.sun_path - 1);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", r->request->socket);
    r->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (r->fd < 0)
        return err_set_errno(e, "socket");
    (void)setsockopt(r->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    (void)setsockopt(r->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    if (connect(r->fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return ERR_NONE;
    return explain(r->request, errno, e);
}

static enum err_kind send_request(const struct reading *r, struct err *e)
{
    char text[REQUEST_BYTES_MAX];
    const int bytes = snprintf(
        text, sizeof text, "%s %s HTTP/1.1\r\nHost: control\r\n%sConnection: close\r\n\r\n",
        r->request->method, r->request->target,
        strcmp(r->request->method, "POST") == 0 ? "Content-Length: 0\r\n" : "");
    if (bytes < 0 || (size_t)bytes >= sizeof text)
        return err_set(e, ERR_INPUT, "the request is too long");
    return send(r->fd, text, (size_t)bytes, MSG_NOSIGNAL) == bytes
               ? ERR_NONE
               : err_set_errno(e, "%s: sending", r->request->socket);
}

/* Waits for more bytes. *@is_closed: there are no more. */
static enum err_kind fill(struct reading *r, bool *is_closed, struct err *e)
{
    memmove(r->room, r->room + r->from, r->to - r->from);
    r->to -= r->from;
    r->from = 0;
    ssize_t got;
    do
        got = recv(r->fd, r->room + r->to, sizeof r->room - r->to, 0);
    while (got < 0 && errno == EINTR);
    *is_closed = got == 0;
    if (got < 0 && errno == EAGAIN)
        return err_set(e, ERR_TARGET_TIMEOUT, "%s: the server was silent for %u s",
                       r->request->socket, r->request->wait_s);
    if (got < 0)
        return err_set_errno(e, "%s: receiving", r->request->socket);
    r->to += (size_t)got;
    return ERR_NONE;
}

static enum err_kind fill_head(struct reading *r, struct err *e)
{
    bool is_closed;
    const enum err_kind failed = fill(r, &is_closed, e);
    if (failed != ERR_NONE || !is_closed)
        return failed;
    return err_set(e, ERR_TARGET_CLOSED, "%s: the server ended before it answered",
                   r->request->socket);
}

static enum err_kind read_head(struct reading *r, struct http_head *head, struct err *e)
{
    static const struct http1_limits limits = HTTP1_LIMITS_PRESET;
    const struct client_request *request = r->request;
    struct http1_reader reader;
    http1_reader_init_answer(
        &reader, &limits,
        http_method_find((const uint8_t *)request->method, strlen(request->method)), false);
    for (;;) {
        switch (http1_answer_read(&reader, r->room, r->to, head)) {
        case HTTP1_DONE: r->from = head->head_bytes; return ERR_NONE;
        case HTTP1_BAD:
            return err_set(e, ERR_TARGET_NONSENSE,
                           "%s: what answers there is not a server of this program",
                           request->socket);
        case HTTP1_PARTIAL: break;
        }
        const enum err_kind failed = fill_head(r, e);
        if (failed != ERR_NONE)
            return failed;
    }
}

static void give(struct reading *r, const void *at, size_t bytes)
{
    if (bytes > 0 && !r->request->received(r->request->self, at, bytes))
        r->is_ended = true;
}

static enum err_kind incomplete(const struct reading *r, struct err *e)
{
    return err_set(e, ERR_TARGET_INCOMPLETE, "%s: the server ended in the middle of its answer",
                   r->request->socket);
}

static enum err_kind read_chunked(struct reading *r, struct err *e)
{
    struct http1_chunks chunks = {0};
    for (;;) {
        struct http1_piece piece;
        bool is_closed = false;
        const enum http1_verdict verdict =
            http1_chunks_read(&chunks, r->room + r->from, r->to - r->from, &piece);
        if (verdict == HTTP1_BAD)
            return incomplete(r, e);
        give(r, piece.data, piece.bytes);
        r->from += piece.consumed;
        if (verdict == HTTP1_DONE || r->is_ended)
            return ERR_NONE;
        if (r->from < r->to)
            continue;
        const enum err_kind failed = fill(r, &is_closed, e);
        if (failed != ERR_NONE || is_closed)
            return failed != ERR_NONE ? failed : incomplete(r, e);
    }
}

/* @left: its length, or UINT64_MAX if the end of the connection is the end. */
static enum err_kind read_plain(struct reading *r, uint64_t left, struct err *e)
{
    for (;;) {
        const size_t here = r->to - r->from;
        const size_t taken = here < left ? here : (size_t)left;
        bool is_closed = false;
        give(r, r->room + r->from, taken);
        r->from += taken;
        left -= left == UINT64_MAX ? 0 : taken;
        if (left == 0 || r->is_ended)
            return ERR_NONE;
        const enum err_kind failed = fill(r, &is_closed, e);
        if (failed != ERR_NONE)
            return failed;
        if (is_closed)
            return left == UINT64_MAX ? ERR_NONE : incomplete(r, e);
    }
}

static enum err_kind read_body(struct reading *r, const struct http_head *head, struct err *e)
{
    switch ((enum http_framing)head->framing) {
    case HTTP_FRAMING_CHUNKED: return read_chunked(r, e);
    case HTTP_FRAMING_LENGTH: return read_plain(r, head->content_length, e);
    case HTTP_FRAMING_UNTIL_CLOSE: return read_plain(r, UINT64_MAX, e);
    case HTTP_FRAMING_NONE:
    case HTTP_FRAMING_TUNNEL: break;
    }
    return ERR_NONE;
}

static enum err_kind talk(struct reading *r, struct err *e)
{
    struct http_field fields[FIELDS_MAX];
    struct http_head head = {.fields = fields, .fields_max = FIELDS_MAX};
    enum err_kind failed = open_socket(r, e);
    if (failed == ERR_NONE)
        failed = send_request(r, e);
    if (failed == ERR_NONE)
        failed = read_head(r, &head, e);
    if (failed == ERR_NONE && r->request->answered(r->request->self, head.status))
        failed = read_body(r, &head, e);
    return failed;
}

enum err_kind client_ask(const struct client_request *request, struct err *e)
{
    struct reading r = {.request = request, .fd = -1};
    const enum err_kind failed = talk(&r, e);
    if (r.fd >= 0)
        close(r.fd);
    return failed;
}
