/* SPDX-License-Identifier: Apache-2.0 */
/* balance/probe/prober.c - a kept connection, a request, an answer of two kilobytes at most. */
#include "balance/probe/prober.h"

#include "balance/report.h"
#include "codec/http1.h"
#include "core/mem.h"
#include "loop/loop.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_BYTES_MAX = 2048, REQUEST_BYTES_MAX = 512, FIELDS_MAX = 32 };

static const struct http1_limits limits = {
    .head_bytes_max = ANSWER_BYTES_MAX, .target_bytes_max = 512, .fields_max = FIELDS_MAX};

/* The connection of one target. */
struct line {
    struct sock           sock; /* first */
    struct prober        *prober;
    struct list_link      link;
    struct target        *target;
    struct balance_stage *stage; /* that waits for an answer, or NULL */
    struct timer          patience;
    bool                  is_open, is_connected, is_closing;
    bool                  is_waiting; /* a probe is under way */
    void (*done)(void *token);        /* of prober_close() */
    void *token;
    /* What it is asked, as the settings said when it was. */
    uint32_t                port;
    struct sockaddr_storage address;
    struct iovec            out;
    size_t                  request_bytes, used;
    struct http1_reader     reader;
    struct http_head        head;
    struct http_field       fields[FIELDS_MAX];
    char                    request[REQUEST_BYTES_MAX];
    uint8_t                 answer[ANSWER_BYTES_MAX];
};

static struct line *line_of(struct sock *sock)
{
    return list_item(sock, struct line, sock);
}

static struct list *bucket_of(struct prober *prober, const struct target *target)
{
    return &prober->lines[target->identity % PROBER_BUCKETS];
}

static struct line *find(struct prober *prober, const struct target *target)
{
    list_each(bucket_of(prober, target), link, after)
    {
        struct line *line = list_item(link, struct line, link);
        if (line->target == target)
            return line;
    }
    return NULL;
}

/* --- ends ------------------------------------------------------------------------------------- */

static void hang_up(struct line *line)
{
    timer_clear(&line->patience);
    line->is_waiting = false;
    line->stage = NULL;
    if (!line->is_open || line->is_closing)
        return;
    line->is_closing = true;
    sock_close(&line->sock);
}

static void fail(struct line *line)
{
    if (line->is_waiting)
        row_add(&line->target->rows[line->prober->worker->index].probe_misses_count, 1);
    hang_up(line);
}

static void drop(struct line *line)
{
    void (*done)(void *token) = line->done;
    void *token = line->token;
    list_remove(&line->link);
    mem_free(line);
    done(token);
}

/* --- the answer ------------------------------------------------------------------------------- */

static bool read_report(const struct line *line, struct balance_report *report)
{
    struct orca_report orca;
    struct http_head head = line->head;
    balance__report_take(report, &head, true);
    if (report->has != 0)
        return true;
    const char *body = (const char *)line->answer + head.head_bytes;
    if (!orca_read_json(&orca, body, line->used - head.head_bytes))
        return false;
    balance__report_of(report, &orca);
    return report->has != 0;
}

/* All of it has come. */
static void take_answer(struct line *line)
{
    struct balance_report report;
    struct balance_stage *stage = line->stage;
    const bool is_good = line->head.status == 200 && read_report(line, &report);
    if (!is_good) {
        fail(line);
        return;
    }
    timer_clear(&line->patience);
    line->is_waiting = false;
    line->stage = NULL;
    if (!line->head.keep_alive)
        hang_up(line);
    if (stage != NULL)
        balance_stage_probed(stage, line->target, &report);
}

static void read_answer(struct line *line)
{
    switch (http1_answer_read(&line->reader, line->answer, line->used, &line->head)) {
    case HTTP1_PARTIAL: return;
    case HTTP1_BAD: fail(line); return;
    case HTTP1_DONE: return;
    }
}

static size_t whole_bytes(const struct line *line)
{
    return line->head.framing == HTTP_FRAMING_LENGTH
               ? line->head.head_bytes + (size_t)line->head.content_length
               : line->head.head_bytes;
}

/* A body of unknown length, or a long one, is no report's. */
static bool is_bounded(const struct http_head *head)
{
    return head->status >= 200 &&
           (head->framing == HTTP_FRAMING_NONE ||
            (head->framing == HTTP_FRAMING_LENGTH && head->content_length <= ANSWER_BYTES_MAX));
}

static void on_received(struct sock *sock, struct buf *buf, uint8_t *at, uint32_t bytes)
{
    struct line *line = line_of(sock);
    (void)buf;
    if (line->is_closing)
        return;
    if (!line->is_waiting || bytes > sizeof line->answer - line->used) {
        fail(line);
        return;
    }
    memcpy(line->answer + line->used, at, bytes);
    line->used += bytes;
    if (line->head.status == 0)
        read_answer(line);
    if (line->is_closing || line->head.status == 0)
        return;
    if (!is_bounded(&line->head) || line->used > whole_bytes(line))
        fail(line);
    else if (line->used == whole_bytes(line))
        take_answer(line);
}

/* --- the socket ------------------------------------------------------------------------------- */

static void send_request(struct line *line)
{
    line->used = 0;
    line->head = (struct http_head){.fields = line->fields, .fields_max = FIELDS_MAX};
    http1_reader_init_answer(&line->reader, &limits, HTTP_METHOD_GET, false);
    line->out = (struct iovec){line->request, line->request_bytes};
    sock_send(&line->sock, &line->out, 1);
}

static void on_connected(struct sock *sock, int error)
{
    struct line *line = line_of(sock);
    if (line->is_closing)
        return;
    if (error != 0) {
        fail(line);
        return;
    }
    line->is_connected = true;
    sock_receive(sock, SOCK_RECEIVE_WATCH);
    if (line->is_waiting)
        send_request(line);
}

static void on_ended(struct sock *sock, int error)
{
    (void)error;
    fail(line_of(sock));
}

static void on_sent(struct sock *sock, int error)
{
    if (error != 0)
        fail(line_of(sock));
}

static void on_closed(struct sock *sock)
{
    struct line *line = line_of(sock);
    line->is_open = line->is_closing = line->is_connected = false;
    if (line->done != NULL)
        drop(line);
}

static const struct sock_events events = {
    .received = on_received,
    .ended = on_ended,
    .sent = on_sent,
    .connected = on_connected,
    .closed = on_closed,
};

static void on_late(struct timer *timer)
{
    fail(list_item(timer, struct line, patience));
}

/* --- asking ----------------------------------------------------------------------------------- */

static struct line *line_new(struct prober *prober, struct target *target)
{
    struct line *line = mem_alloc(sizeof *line);
    if (line == NULL)
        return NULL;
    line->prober = prober;
    line->target = target;
    timer_init(&line->patience, on_late);
    list_add_last(bucket_of(prober, target), &line->link);
    return line;
}

/* False: the target has no such address, or there is no descriptor. */
static bool open_line(struct line *line, uint32_t port)
{
    struct worker *worker = line->prober->worker;
    line->address = line->target->address;
    line->port = port;
    if (line->address.ss_family == AF_INET)
        ((struct sockaddr_in *)(void *)&line->address)->sin_port = htons((uint16_t)port);
    else if (line->address.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)&line->address)->sin6_port = htons((uint16_t)port);
    else
        return false;
    const int fd = socket(line->address.ss_family,
                          SOCK_STREAM | SOCK_CLOEXEC | worker->loop->kind->socket_flags, 0);
    if (fd < 0)
        return false;
    if (fd >= worker->descriptors_most) {
        (void)close(fd);
        return false;
    }
    line->is_open = true;
    sock_open(&line->sock, worker->loop, &events, fd);
    sock_connect(&line->sock, (const struct sockaddr *)&line->address, line->target->address_bytes);
    return true;
}

static void write_request(struct line *line, const struct resource_settings *settings)
{
    const int bytes = snprintf(line->request, sizeof line->request,
                               "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: pando-probe\r\n\r\n",
                               settings->probe_path, line->target->name);
    line->request_bytes = bytes > 0 && (size_t)bytes < sizeof line->request ? (size_t)bytes : 0;
}

static void send_probe(struct balance_prober *self, struct balance_stage *stage,
                       struct target *target)
{
    struct prober *prober = (struct prober *)(void *)self;
    const struct resource_settings *settings = &stage->options.settings->resource;
    struct loop *loop = prober->worker->loop;
    if (prober->worker->stopping)
        return;
    struct line *line = find(prober, target);
    if (line == NULL)
        line = line_new(prober, target);
    if (line == NULL || line->is_waiting || line->is_closing || line->done != NULL)
        return;
    if (line->is_open && line->port != settings->probe_port) {
        hang_up(line); /* the settings have changed */
        return;
    }
    write_request(line, settings);
    if (line->request_bytes == 0 || (!line->is_open && !open_line(line, settings->probe_port)))
        return;
    line->is_waiting = true;
    line->stage = stage;
    row_add(&target->rows[prober->worker->index].probes_count, 1);
    timer_set(&loop->timers, &line->patience, loop->now_ns + settings->probe_timeout_ns);
    if (line->is_connected)
        send_request(line);
}

/* --- life ------------------------------------------------------------------------------------- */

void prober_init(struct prober *prober, struct worker *worker)
{
    *prober = (struct prober){.prober = {.send = send_probe}, .worker = worker};
    for (unsigned i = 0; i < PROBER_BUCKETS; i++)
        list_init(&prober->lines[i]);
}

void prober_forget(struct prober *prober, const struct balance_stage *stage)
{
    for (unsigned i = 0; i < PROBER_BUCKETS; i++) {
        list_each(&prober->lines[i], link, after)
        {
            struct line *line = list_item(link, struct line, link);
            if (line->stage == stage)
                line->stage = NULL;
        }
    }
}

void prober_close(struct prober *prober, const struct target *target, void (*done)(void *token),
                  void *token)
{
    struct line *line = find(prober, target);
    if (line == NULL) {
        done(token);
        return;
    }
    line->done = done;
    line->token = token;
    if (line->is_open)
        hang_up(line);
    else
        drop(line);
}
