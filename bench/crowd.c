/* SPDX-License-Identifier: Apache-2.0 */
/* bench/crowd.c - readers of a large site before a small cache: many that are fast, and many that are slow.
 *
 *     crowd --port PORT --requests N [--fast N] [--paths N] [--slow N] [--slow-rate BYTES]
 *           [--vary-percent N] [--vary-paths N] [--kinds N] [--seed N]
 *
 * --fast connections ask again as soon as they are answered, until --requests are answered: for one of
 * --paths paths by Zipf's law (exponent 1), or, of a hundred so many as --vary-percent says, for one of
 * --vary-paths with one of --kinds values of X-Kind. Meanwhile --slow connections each read answers of
 * 128 to 512 KiB with --slow-rate bytes a second, each of a path that nobody else asks for; they end with
 * the others. What is there is in sizes.h. Length and beginning of every body are compared with it.
 *
 * Prints one line of JSON: answered, errors (a fast answer that is not 200 or does not come whole), wrong
 * (bodies that are not those asked for), bytes, seconds, slow_answered, slow_bytes, and slow_cut (slow
 * answers that did not come whole). Loopback only, one thread. Exit 0 if there are neither errors nor
 * wrong ones, else 1. */
#include "sizes.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_BYTES_MAX 2048
#define BUFFER_BYTES   262144
#define EVENTS_MAX     256
#define TICK_MS        25
#define TICKS_PER_READ 10   /* each slow one reads so seldom */
#define SLOW_WINDOW    8192 /* bytes that the kernel may hold for a slow one */
#define NS_PER_SECOND  1000000000ull

struct settings {
    uint64_t port, requests, fast, paths, slow, slow_rate, vary_percent, vary_paths, kinds, seed;
};

struct reader {
    int      fd; /* -1: not connected */
    bool     is_slow, is_busy, in_body;
    size_t   head_bytes;       /* with the mark of the body */
    uint64_t body_left;        /* after the mark */
    uint64_t hash, body_bytes; /* of what was asked for */
    char     head[HEAD_BYTES_MAX + 1];
};

static struct {
    struct settings settings;
    int epoll_fd;
    uint64_t random, asked, slow_asked;
    uint64_t answered, errors, wrong, bytes, slow_answered, slow_bytes, slow_cut;
    struct reader *readers; /* the fast ones first */
    char buffer[BUFFER_BYTES];
} crowd = {.settings = {.fast = 64,
                        .paths = 200000,
                        .slow_rate = 4096,
                        .vary_percent = 10,
                        .vary_paths = 20,
                        .kinds = 1000,
                        .seed = 1}};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
    exit(2);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* Uniform in [0, 1), by xorshift64*. */
static double draw(void)
{
    crowd.random ^= crowd.random >> 12;
    crowd.random ^= crowd.random << 25;
    crowd.random ^= crowd.random >> 27;
    return (double)((crowd.random * 2685821657736338717ull) >> 11) * 0x1p-53;
}

static uint64_t below(uint64_t count)
{
    return (uint64_t)(draw() * (double)count);
}

/* From 0 on: the n-th is asked for 1/n as often as the first. */
static uint64_t by_zipf(uint64_t count)
{
    return (uint64_t)pow((double)count + 1, draw()) - 1;
}

static void hang_up(struct reader *reader)
{
    if (reader->fd >= 0)
        close(reader->fd);
    reader->fd = -1;
    reader->is_busy = false;
}

static bool be_connected(struct reader *reader)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)crowd.settings.port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1, window = SLOW_WINDOW;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = reader};
    if (reader->fd >= 0)
        return true;
    /* A connection over loopback stands at once, or not at all. */
    reader->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (reader->fd < 0)
        return false;
    if (reader->is_slow)
        (void)setsockopt(reader->fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    (void)setsockopt(reader->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(reader->fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
        (reader->is_slow || epoll_ctl(crowd.epoll_fd, EPOLL_CTL_ADD, reader->fd, &event) == 0))
        return true;
    hang_up(reader);
    return false;
}

/* Its path and kind; 0: none. */
static uint32_t choose(const struct reader *reader, char path[static 64])
{
    const struct settings *settings = &crowd.settings;
    if (reader->is_slow) {
        snprintf(path, 64, "/slow/%" PRIu64, crowd.slow_asked++);
        return 0;
    }
    crowd.asked++;
    if (below(100) < settings->vary_percent) {
        snprintf(path, 64, "/vary/%" PRIu64, below(settings->vary_paths));
        return 1 + (uint32_t)below(settings->kinds);
    }
    snprintf(path, 64, "/any/%" PRIu64, by_zipf(settings->paths));
    return 0;
}

static void ask(struct reader *reader)
{
    char path[64], field[32] = "", request[256];
    const uint32_t kind = choose(reader, path);
    if (kind > 0)
        snprintf(field, sizeof field, "X-Kind: %u\r\n", kind);
    const int bytes =
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: shop\r\n%s\r\n", path, field);
    reader->hash = sizes_hash(path, strlen(path), kind);
    reader->body_bytes = sizes_body_bytes(path, strlen(path), reader->hash);
    reader->head_bytes = 0;
    reader->in_body = false;
    reader->is_busy =
        be_connected(reader) && send(reader->fd, request, (size_t)bytes, MSG_NOSIGNAL) == bytes;
}

static void answered(struct reader *reader)
{
    reader->is_busy = false;
    crowd.answered += !reader->is_slow;
    crowd.slow_answered += reader->is_slow;
    crowd.bytes += reader->body_bytes;
}

static void failed(struct reader *reader)
{
    hang_up(reader);
    crowd.errors += !reader->is_slow;
    crowd.slow_cut += reader->is_slow;
}

/* Head and mark are complete. False: it is not what was asked for. */
static bool is_right(const struct reader *reader, const char *body)
{
    char mark[SIZES_MARK + 1];
    const char *length = strcasestr(reader->head, "\r\ncontent-length:");
    snprintf(mark, sizeof mark, "%016" PRIx64, reader->hash);
    return length != NULL && strtoull(length + 17, NULL, 10) == reader->body_bytes &&
           memcmp(body, mark, SIZES_MARK) == 0;
}

/* Takes @count received bytes; false if they are no good answer. */
static bool take(struct reader *reader, const char *bytes, size_t count)
{
    if (!reader->in_body) {
        const size_t before = reader->head_bytes;
        const size_t part = count < HEAD_BYTES_MAX - before ? count : HEAD_BYTES_MAX - before;
        memcpy(reader->head + before, bytes, part);
        reader->head_bytes += part;
        reader->head[reader->head_bytes] = '\0';
        const char *body = strstr(reader->head, "\r\n\r\n");
        if (body == NULL || (size_t)(body + 4 - reader->head) + SIZES_MARK > reader->head_bytes)
            return reader->head_bytes < HEAD_BYTES_MAX;
        body += 4;
        if (strncmp(reader->head, "HTTP/1.1 200 ", 13) != 0)
            return false;
        if (!is_right(reader, body)) {
            crowd.wrong++;
            return false;
        }
        reader->in_body = true;
        reader->body_left = reader->body_bytes;
        count -= (size_t)(body - reader->head) - before;
    }
    if (count > reader->body_left)
        return false;
    reader->body_left -= count;
    if (reader->body_left == 0)
        answered(reader);
    return true;
}

/* False: nothing more is there now. */
static bool receive(struct reader *reader, size_t most)
{
    /* What a body says after its mark is not looked at, so it need not be copied. */
    const bool is_skipped = reader->in_body && reader->body_left > 0 && !reader->is_slow;
    if (is_skipped && most > reader->body_left)
        most = reader->body_left;
    const ssize_t got =
        recv(reader->fd, crowd.buffer, most, MSG_DONTWAIT | (is_skipped ? MSG_TRUNC : 0));
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got <= 0 || !reader->is_busy || !take(reader, crowd.buffer, (size_t)got)) {
        if (reader->is_busy)
            failed(reader);
        else
            hang_up(reader); /* it was free, so nothing is lost */
        return false;
    }
    crowd.slow_bytes += reader->is_slow ? (uint64_t)got : 0;
    return true;
}

static bool is_enough(void)
{
    return crowd.asked >= crowd.settings.requests;
}

/* An edge tells once, so it is read until nothing is there. */
static void go_on(struct reader *reader)
{
    while (reader->fd >= 0 && receive(reader, BUFFER_BYTES))
        if (!reader->is_busy && !is_enough())
            ask(reader);
    for (int tries = 0; !reader->is_busy && !is_enough() && tries < 3; tries++)
        ask(reader);
}

static void read_slowly(struct reader *reader)
{
    const size_t most = crowd.settings.slow_rate * TICK_MS * TICKS_PER_READ / 1000;
    if (reader->is_busy)
        (void)receive(reader, most < BUFFER_BYTES ? most : BUFFER_BYTES);
    else
        ask(reader);
}

static void tick(uint64_t number)
{
    struct reader *slow = crowd.readers + crowd.settings.fast;
    for (uint64_t i = number % TICKS_PER_READ; i < crowd.settings.slow; i += TICKS_PER_READ)
        read_slowly(&slow[i]);
}

static bool is_anybody_busy(void)
{
    for (uint64_t i = 0; i < crowd.settings.fast; i++)
        if (crowd.readers[i].is_busy)
            return true;
    return false;
}

static double run(void)
{
    const uint64_t begin_ns = now_ns();
    uint64_t ticks = 0;
    for (uint64_t i = 0; i < crowd.settings.fast && !is_enough(); i++)
        ask(&crowd.readers[i]);
    while (!is_enough() || is_anybody_busy()) {
        struct epoll_event events[EVENTS_MAX];
        const int count = epoll_wait(crowd.epoll_fd, events, EVENTS_MAX, TICK_MS);
        if (count < 0 && errno != EINTR)
            die("epoll");
        for (int i = 0; i < count; i++)
            go_on(events[i].data.ptr);
        /* One at a time: what was missed is not caught up with. */
        if (now_ns() - begin_ns >= ticks * TICK_MS * (NS_PER_SECOND / 1000))
            tick(ticks++);
    }
    return (double)(now_ns() - begin_ns) / (double)NS_PER_SECOND;
}

static void read_words(int count, char **words)
{
    struct settings *settings = &crowd.settings;
    uint64_t *const numbers[] = {
        &settings->port,  &settings->requests,  &settings->fast,         &settings->paths,
        &settings->slow,  &settings->slow_rate, &settings->vary_percent, &settings->vary_paths,
        &settings->kinds, &settings->seed,
    };
    static const struct option options[] = {{"port", required_argument, NULL, 0},
                                            {"requests", required_argument, NULL, 0},
                                            {"fast", required_argument, NULL, 0},
                                            {"paths", required_argument, NULL, 0},
                                            {"slow", required_argument, NULL, 0},
                                            {"slow-rate", required_argument, NULL, 0},
                                            {"vary-percent", required_argument, NULL, 0},
                                            {"vary-paths", required_argument, NULL, 0},
                                            {"kinds", required_argument, NULL, 0},
                                            {"seed", required_argument, NULL, 0},
                                            {0}};
    int option, index;
    while ((option = getopt_long(count, words, "", options, &index)) == 0)
        *numbers[index] = strtoull(optarg, NULL, 10);
    if (option != -1 || optind != count || settings->port == 0 || settings->port > UINT16_MAX ||
        settings->requests == 0 || settings->fast == 0 || settings->fast + settings->slow > 10000) {
        fprintf(stderr, "usage: crowd --port PORT --requests N [--fast N] [--paths N] [--slow N] "
                        "[--slow-rate BYTES]\n             [--vary-percent N] [--vary-paths N] "
                        "[--kinds N] [--seed N]\n");
        exit(2);
    }
}

int main(int count, char **words)
{
    read_words(count, words);
    (void)prctl(PR_SET_PDEATHSIG, 15);
    crowd.random = crowd.settings.seed * 0x9e3779b97f4a7c15ull | 1;
    for (int i = 0; i < 16; i++)
        (void)draw(); /* seeds that differ little begin alike */
    const uint64_t all = crowd.settings.fast + crowd.settings.slow;
    crowd.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    crowd.readers = calloc(all, sizeof *crowd.readers);
    if (crowd.epoll_fd < 0 || crowd.readers == NULL)
        die("memory");
    for (uint64_t i = 0; i < all; i++) {
        crowd.readers[i].fd = -1;
        crowd.readers[i].is_slow = i >= crowd.settings.fast;
    }
    const double seconds = run();
    printf("{\"answered\": %" PRIu64 ", \"errors\": %" PRIu64 ", \"wrong\": %" PRIu64
           ", \"bytes\": %" PRIu64 ", \"seconds\": %.6f, \"slow_answered\": %" PRIu64
           ", \"slow_bytes\": %" PRIu64 ", \"slow_cut\": %" PRIu64 "}\n",
           crowd.answered, crowd.errors, crowd.wrong, crowd.bytes, seconds, crowd.slow_answered,
           crowd.slow_bytes, crowd.slow_cut);
    return crowd.errors == 0 && crowd.wrong == 0 ? 0 : 1;
}
