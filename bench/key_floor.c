/* SPDX-License-Identifier: Apache-2.0 */
/* bench/key_floor.c - the least work that a GET and a SET cost on this kernel: a bare hash table on
 * epoll.
 *
 *     key-floor --listen PORT [--keys COUNT]
 *
 * It knows GET, SET and PING as redis-benchmark sends them, and trusts every length: no limits, no
 * expiry, no types, no eviction. The table has room for four times --keys (100,000) and does not
 * grow. Loopback only, one thread. A yardstick, not a store: a real one cannot be cheaper. */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EVENTS_MAX = 256,
    IN_BYTES = 65536,
    OUT_BYTES = 1 << 20, /* a whole buffer of pipelined GETs of small values */
    VALUE_BYTES_MAX = 1024,
    ARGS_MAX = 3,
};

struct item {
    uint64_t hash; /* 0: free */
    uint32_t key_bytes, value_bytes;
    uint8_t *bytes; /* the key, then the value */
};

struct client {
    int     fd;
    size_t  in_used;
    uint8_t in[IN_BYTES];
};

struct text {
    const uint8_t *at;
    uint32_t       bytes;
};

static struct item *items;
static size_t items_mask;
static uint8_t out[OUT_BYTES];
static size_t out_used;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "key-floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* FNV-1a: the cheapest that spreads these keys; no guard against chosen ones. */
static uint64_t hash_of(struct text key)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (uint32_t i = 0; i < key.bytes; i++)
        hash = (hash ^ key.at[i]) * 0x100000001b3u;
    return hash | 1;
}

static struct item *find(struct text key)
{
    const uint64_t hash = hash_of(key);
    for (size_t at = (hash >> 8) & items_mask;; at = (at + 1) & items_mask) {
        struct item *item = &items[at];
        if (item->hash == 0 || (item->hash == hash && item->key_bytes == key.bytes &&
                                memcmp(item->bytes, key.at, key.bytes) == 0))
            return item;
    }
}

static void put(const void *bytes, size_t count)
{
    memcpy(out + out_used, bytes, count);
    out_used += count;
}

static void get(struct text key)
{
    const struct item *item = find(key);
    if (item->hash == 0) {
        put("$-1\r\n", 5);
        return;
    }
    out_used += (size_t)sprintf((char *)out + out_used, "$%u\r\n", item->value_bytes);
    put(item->bytes + item->key_bytes, item->value_bytes);
    put("\r\n", 2);
}

static void set(struct text key, struct text value)
{
    struct item *item = find(key);
    if (item->hash == 0 || item->value_bytes != value.bytes) {
        free(item->bytes);
        item->bytes = malloc(key.bytes + value.bytes);
        if (item->bytes == NULL)
            die("memory");
        memcpy(item->bytes, key.at, key.bytes);
    }
    memcpy(item->bytes + key.bytes, value.at, value.bytes);
    *item = (struct item){hash_of(key), key.bytes, value.bytes, item->bytes};
    put("+OK\r\n", 5);
}

/* A number and its CRLF from @at on; the byte after them, or NULL if they are not whole. */
static const uint8_t *number(const uint8_t *at, const uint8_t *end, uint32_t *value)
{
    for (*value = 0; at < end && *at != '\r'; at++)
        *value = *value * 10 + (*at - '0');
    return end - at < 2 ? NULL : at + 2;
}

/* One command at @at; the byte after it, or NULL if it is not whole. */
static const uint8_t *command(const uint8_t *at, const uint8_t *end)
{
    struct text args[ARGS_MAX] = {{0}};
    uint32_t count;
    at = at == end ? NULL : number(at + 1, end, &count);
    for (uint32_t i = 0; at != NULL && i < count; i++) {
        if (at == end || (at = number(at + 1, end, &args[i].bytes)) == NULL ||
            (size_t)(end - at) < args[i].bytes + 2u)
            return NULL;
        args[i].at = at;
        at += args[i].bytes + 2;
    }
    if (at == NULL)
        return NULL;
    if (count == 3)
        set(args[1], args[2]);
    else if (count == 2)
        get(args[1]);
    else
        put("+PONG\r\n", 7);
    return at;
}

/* False: it has left. */
static bool serve(struct client *client)
{
    for (;;) {
        const ssize_t got =
            read(client->fd, client->in + client->in_used, IN_BYTES - client->in_used);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            return false;
        if (got < 0)
            return true;
        const size_t asked = IN_BYTES - client->in_used;
        const uint8_t *at = client->in, *end = at + client->in_used + (size_t)got, *next;
        while ((next = command(at, end)) != NULL)
            at = next;
        client->in_used = (size_t)(end - at);
        memmove(client->in, at, client->in_used);
        if (out_used > 0 && write(client->fd, out, out_used) != (ssize_t)out_used)
            return false;
        out_used = 0;
        if ((size_t)got < asked)
            return true;
    }
}

static int listen_on(uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 4096) != 0)
        die("listen");
    return fd;
}

static void accept_one(int epoll, int listener)
{
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        die("memory");
    client->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = client};
    if (client->fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, client->fd, &event) != 0)
        free(client);
}

static void run(uint16_t port)
{
    const int epoll = epoll_create1(EPOLL_CLOEXEC), listener = listen_on(port);
    struct epoll_event events[EVENTS_MAX], event = {.events = EPOLLIN};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0)
        die("epoll");
    for (;;) {
        const int count = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            struct client *client = events[i].data.ptr;
            if (client == NULL) {
                accept_one(epoll, listener);
            } else if (!serve(client)) {
                close(client->fd);
                free(client);
            }
        }
    }
}

int main(int count, char **arguments)
{
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'}, {"keys", required_argument, NULL, 'k'}, {0}};
    size_t keys = 100000, room = 1;
    uint16_t port = 0;
    for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) {
        if (option == 'l')
            port = (uint16_t)strtoul(optarg, NULL, 10);
        else if (option == 'k')
            keys = strtoul(optarg, NULL, 10);
        else
            return 2;
    }
    while (room < keys * 4)
        room *= 2;
    items = calloc(room, sizeof *items);
    items_mask = room - 1;
    if (items == NULL)
        die("memory");
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGPIPE, SIG_IGN);
    run(port);
}
