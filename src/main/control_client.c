/* SPDX-License-Identifier: Apache-2.0 */
/* main/control_client.c - one request over a unix socket. */
#include "main/control_client.h"

#include "codec/http1.h"
#include "core/units.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { ROOM_BYTES = 65536, FIELDS_MAX = 64 };

/* An answer that is being read: bytes [from, to) of the room wait. */
struct reading {
    int      fd;
    size_t   from, to;
    uint8_t  room[ROOM_BYTES];
};

static enum err_kind open_socket(const struct control_request *request, int *fd, struct err *e)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(request->socket) >= sizeof address.sun_path)
        return err_set(e, ERR_INPUT, "%s: the path is too long for a unix socket", request->socket);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", request->socket);
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return err_set_errno(e, "socket");
    const struct timeval wait = {.tv_sec = request->wait_s};
    (void)setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    if (connect(*fd, (struct sockaddr *)&address, sizeof address) == 0)
        return ERR_NONE;
    const int error = errno;
    close(*fd);
    if (error == ENOENT || error == ECONNREFUSED)
        return err_set(e, ERR_CONNECT_REFUSED,
                       "%s: no server listens there; is `pando run` running, and with this control socket? "
                       "(--control PATH, or the file that it was started with)",
                       request->socket);
    if (error == EACCES)
        return err_set(e, ERR_SYSTEM, "%s: only the user that runs the server, and root, may use it",
                       request->socket);
    errno = error;
    return err_set_errno(e, "%s", request->socket);
}

static enum err_kind send_request(const struct control_request *request, int fd, struct err *e)
{
    char      text[2048];
    const int length = snprintf(text, sizeof text,
                                "%s %s HTTP/1.1\r\nHost: control\r\n%sConnection: close\r\n\r\n", request->method,
                                request->target, strcmp(request->method, "POST") == 0 ? "Content-Length: 0\r\n" : "");
    if (length < 0 || (size_t)length >= sizeof text)
        return err_set(e, ERR_INPUT, "the request is too long");
    return send(fd, text, (size_t)length, MSG_NOSIGNAL) == length ? ERR_NONE : err_set_errno(e, "send");
}

/* More bytes; 0 at the end, -1 on an error. */
static ssize_t fill(struct reading *r)
{
    if (r->from > 0) {
        memmove(r->room, r->room + r->from, r->to - r->from);
        r->to -= r->from;
        r->from = 0;
    }
    ssize_t got;
    do
        got = recv(r->fd, r->room + r->to, sizeof r->room - r->to, 0);
    while (got < 0 && errno == EINTR);
    if (got > 0)
        r->to += (size_t)got;
    return got;
}

static enum err_kind read_head(struct reading *r, const struct control_request *request, struct http_head *head,
                               struct err *e)
{
    static const struct http1_limits limits = HTTP1_LIMITS_PRESET;
    struct http1_reader              reader;
    const enum http_method method = strcmp(request->method, "POST") == 0 ? HTTP_METHOD_POST : HTTP_METHOD_GET;
    http1_reader_init_answer(&reader, &limits, method, false);
    for (;;) {
        const enum http1_verdict verdict = http1_answer_read(&reader, r->room + r->from, r->to - r->from, head);
        if (verdict == HTTP1_DONE) {
            r->from += head->head_bytes;
            return ERR_NONE;
        }
        if (verdict == HTTP1_BAD)
            return err_set(e, ERR_TARGET_NONSENSE, "%s: what answers there is not this program", request->socket);
        const ssize_t got = fill(r);
        if (got < 0)
            return err_set_errno(e, "%s: no answer", request->socket);
        if (got == 0)
            return err_set(e, ERR_TARGET_CLOSED, "%s: the server closed the connection", request->socket);
    }
}

static bool give(const struct control_request *request, const void *at, size_t bytes)
{
    return bytes == 0 || request->received(request->self, at, bytes);
}

/* False: the end, wanted or not. */
static bool read_chunks(struct reading *r, struct http1_chunks *chunks, const struct control_request *request)
{
    struct http1_piece       piece;
    const enum http1_verdict verdict = http1_chunks_read(chunks, r->room + r->from, r->to - r->from, &piece);
    if (!give(request, piece.data, piece.bytes) || verdict != HTTP1_PARTIAL)
        return false;
    r->from += piece.consumed;
    return r->from < r->to || fill(r) > 0;
}

static bool read_plain(struct reading *r, uint64_t *left, const struct control_request *request)
{
    const size_t taken = r->to - r->from < *left ? r->to - r->from : (size_t)*left;
    if (!give(request, r->room + r->from, taken))
        return false;
    r->from += taken;
    *left -= taken;
    return *left > 0 && fill(r) > 0;
}

static void read_body(struct reading *r, const struct http_head *head, const struct control_request *request)
{
    struct http1_chunks chunks = {0};
    uint64_t            left = head->framing == HTTP_FRAMING_LENGTH ? head->content_length : UINT64_MAX;
    if (head->framing == HTTP_FRAMING_NONE)
        return;
    if (head->framing == HTTP_FRAMING_CHUNKED)
        while (read_chunks(r, &chunks, request))
            ;
    else
        while (read_plain(r, &left, request))
            ;
}

enum err_kind control_ask(const struct control_request *request, unsigned *status, struct err *e)
{
    struct reading    r = {.fd = -1};
    struct http_field fields[FIELDS_MAX];
    struct http_head  head = {.fields = fields, .fields_max = FIELDS_MAX};
    enum err_kind     failed = open_socket(request, &r.fd, e);
    if (failed != ERR_NONE)
        return failed;
    failed = send_request(request, r.fd, e);
    if (failed == ERR_NONE)
        failed = read_head(&r, request, &head, e);
    if (failed == ERR_NONE) {
        *status = head.status;
        read_body(&r, &head, request);
    }
    close(r.fd);
    return failed;
}
