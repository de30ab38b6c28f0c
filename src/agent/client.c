/* SPDX-License-Identifier: Apache-2.0 */
/* agent/client.c - one line and goodbye, or HTTP with one request at a time. */
#include "agent/client.h"

#include "agent/agent.h"
#include "codec/http1.h"
#include "codec/orca/orca.h"
#include "core/mem.h"
#include "core/units.h"

#include <string.h>

enum { HEAD_BYTES_MAX = 4096, FIELDS_MAX = 40, ANSWER_BYTES_MAX = 2048 };

static const struct http1_limits limits = {
    .head_bytes_max = HEAD_BYTES_MAX, .target_bytes_max = 1024, .fields_max = FIELDS_MAX};

struct client {
    struct sock           sock; /* first */
    struct agent_clients *clients;
    struct list_link      link;
    struct timer          patience;
    bool                  is_http, is_closing;
    bool                  is_last; /* no more requests after the answer under way */
    struct iovec          out;
    struct http1_reader   reader;
    struct http_head      head;
    struct http_field     fields[FIELDS_MAX];
    size_t                used; /* of `in` */
    uint8_t               in[HEAD_BYTES_MAX];
    char                  answer[ANSWER_BYTES_MAX];
};

static struct client *client_of(struct sock *sock)
{
    return list_item(sock, struct client, sock);
}

static void end(struct client *client)
{
    if (client->is_closing)
        return;
    client->is_closing = true;
    timer_clear(&client->patience);
    sock_close(&client->sock);
}

static void wait_for(struct client *client, uint64_t ms)
{
    timer_set(&client->clients->loop->timers, &client->patience,
              client->clients->loop->now_ns + ms * NS_PER_MS);
}

static void send_bytes(struct client *client, size_t bytes)
{
    client->out = (struct iovec){client->answer, bytes};
    sock_send(&client->sock, &client->out, 1);
}

static const struct load *load_now(struct client *client)
{
    struct sampler *sampler = client->clients->sampler;
    sampler_count(sampler, client->clients->loop->now_ns);
    return &sampler->load;
}

/* --- HTTP ------------------------------------------------------------------------------------- */

static void put_text(struct http1_writer *w, const char *text)
{
    http1_put(w, text, strlen(text));
}

static size_t orca_of(const struct load *load, char text[ORCA_TEXT_BYTES_MAX])
{
    struct orca_report report = {0};
    if (load->cpu >= 0)
        orca_say(&report, ORCA_cpu, load->cpu);
    if (load->memory >= 0)
        orca_say(&report, ORCA_memory, load->memory);
    if (load->pressure >= 0)
        orca_say(&report, ORCA_pressure, load->pressure);
    if (load->rif_from != LOAD_FROM_NOTHING)
        orca_say(&report, ORCA_rif, (double)load->rif);
    if (load->has_latency)
        orca_say(&report, ORCA_latency_us, (double)load->latency_us);
    return orca_write_text(&report, text);
}

static void answer(struct client *client, unsigned status, const char *body, size_t bytes)
{
    char orca[ORCA_TEXT_BYTES_MAX];
    const struct load *load = &client->clients->sampler->load;
    struct http1_writer w = {.at = (uint8_t *)client->answer,
                             .end = (uint8_t *)client->answer + sizeof client->answer};
    http1_put_status_line(&w, status);
    put_text(&w, "Content-Type: application/json\r\nCache-Control: no-store\r\n");
    if (status == 200 && orca_of(load, orca) > 0) {
        put_text(&w, "Endpoint-Load-Metrics: ");
        put_text(&w, orca);
        put_text(&w, "\r\n");
    }
    if (status == 405)
        put_text(&w, "Allow: GET, HEAD\r\n");
    http1_put_content_length(&w, bytes);
    if (client->is_last)
        put_text(&w, "Connection: close\r\n");
    put_text(&w, "\r\n");
    if (client->head.method != HTTP_METHOD_HEAD)
        http1_put(&w, body, bytes);
    send_bytes(client, (size_t)((char *)w.at - client->answer));
}

static bool is_probe(const struct http_head *head)
{
    static const char path[] = "/probe";
    const uint8_t *at = head->base + head->path.at;
    const uint8_t *query = memchr(at, '?', head->path.bytes);
    const size_t bytes = query != NULL ? (size_t)(query - at) : head->path.bytes;
    return (bytes == 1 && at[0] == '/') ||
           (bytes == sizeof path - 1 && memcmp(at, path, bytes) == 0);
}

static void answer_request(struct client *client)
{
    static const char odd_path[] = "{\"error\":\"there is only /probe\"}\n";
    static const char odd_method[] = "{\"error\":\"only GET and HEAD\"}\n";
    char json[LOAD_JSON_BYTES_MAX];
    const struct http_head *head = &client->head;
    client->is_last = !head->keep_alive || head->framing != HTTP_FRAMING_NONE;
    if (head->method != HTTP_METHOD_GET && head->method != HTTP_METHOD_HEAD)
        answer(client, 405, odd_method, sizeof odd_method - 1);
    else if (!is_probe(head))
        answer(client, 404, odd_path, sizeof odd_path - 1);
    else
        answer(client, 200, json, load_write_json(load_now(client), json));
}

static void start_head(struct client *client)
{
    client->head = (struct http_head){.fields = client->fields, .fields_max = FIELDS_MAX};
    http1_reader_init(&client->reader, &limits);
}

/* One request; the next is read when this one's answer has left. */
static void read_request(struct client *client)
{
    if (client->used == 0 || client->sock.sending || client->is_closing)
        return;
    switch (http1_request_read(&client->reader, client->in, client->used, &client->head)) {
    case HTTP1_PARTIAL:
        if (client->used == sizeof client->in)
            end(client);
        return;
    case HTTP1_BAD: end(client); return;
    case HTTP1_DONE: break;
    }
    const size_t rest = client->used - client->head.head_bytes;
    answer_request(client);
    memmove(client->in, client->in + client->head.head_bytes, rest);
    client->used = rest;
    start_head(client);
}

/* --- the socket ------------------------------------------------------------------------------- */

/* To the line's port one may say anything (agent-send); it is not looked at. */
static void on_received(struct sock *sock, struct buf *buf, uint8_t *at, uint32_t bytes)
{
    struct client *client = client_of(sock);
    (void)buf;
    if (!client->is_http || client->is_closing || client->is_last)
        return;
    if (bytes > sizeof client->in - client->used) {
        end(client);
        return;
    }
    memcpy(client->in + client->used, at, bytes);
    client->used += bytes;
    read_request(client);
}

static void on_ended(struct sock *sock, int error)
{
    struct client *client = client_of(sock);
    client->is_last = true;
    if (error != 0 || !sock->sending)
        end(client);
}

/* The other side ends it, so that nothing it sent late destroys what it has not read yet. */
static void on_sent(struct sock *sock, int error)
{
    struct client *client = client_of(sock);
    if (client->is_closing)
        return;
    if (error != 0 || sock->ended) {
        end(client);
    } else if (!client->is_http || client->is_last) {
        client->is_last = true;
        (void)shutdown(sock->fd, SHUT_WR);
        wait_for(client, AGENT_LINE_MS);
    } else {
        wait_for(client, AGENT_IDLE_MS);
        read_request(client);
    }
}

static void on_closed(struct sock *sock)
{
    struct client *client = client_of(sock);
    struct agent_clients *clients = client->clients;
    list_remove(&client->link);
    clients->count--;
    mem_free(client);
    clients->gone(clients->self);
}

static const struct sock_events events = {
    .received = on_received,
    .ended = on_ended,
    .sent = on_sent,
    .closed = on_closed,
};

static void on_late(struct timer *timer)
{
    end(list_item(timer, struct client, patience));
}

/* --- life ------------------------------------------------------------------------------------- */

void agent_clients_init(struct agent_clients *clients, struct loop *loop, struct sampler *sampler)
{
    *clients = (struct agent_clients){.loop = loop, .sampler = sampler};
    list_init(&clients->all);
}

bool agent_client_new(struct agent_clients *clients, int fd, bool is_http)
{
    if (clients->count >= AGENT_CONNECTIONS_MAX)
        return false;
    struct client *client = mem_alloc(sizeof *client);
    if (client == NULL)
        return false;
    client->clients = clients;
    client->is_http = is_http;
    clients->count++;
    list_add_last(&clients->all, &client->link);
    timer_init(&client->patience, on_late);
    start_head(client);
    sock_open(&client->sock, clients->loop, &events, fd);
    sock_receive(&client->sock, SOCK_RECEIVE_WATCH);
    wait_for(client, is_http ? AGENT_IDLE_MS : AGENT_LINE_MS);
    if (!is_http)
        send_bytes(client, load_write_line(load_now(client), client->answer));
    return true;
}

void agent_clients_close(struct agent_clients *clients)
{
    list_each(&clients->all, link, after) end(list_item(link, struct client, link));
}
