/* SPDX-License-Identifier: Apache-2.0 */
/* bench/waiter.c - an HTTP server that waits instead of burning: what a request costs is time.
 *
 *     waiter [--address ADDRESS] --port PORT --slots N --mean-us MICROSECONDS [--seed N]
 *
 * It works on at most --slots requests at once, each for an exponentially distributed time of that
 * mean; more wait in the order in which they came. So it is an M/G/k station whose load costs no
 * processor, and eight of them fit on one machine. Answers 100 bytes to whatever is asked, or at
 * once to /small; and to /probe what Prequal's servers answer (Wydrowski and others, NSDI 2024,
 * 4.1): requests in flight, and how long those took lately that came when there were as many.
 * Loopback only, one thread, no pipelining. At SIGUSR1 it is ten times slower, at SIGUSR2 as before;
 * ends at SIGTERM. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX    16384
#define HEAD_BYTES_MAX 4096
#define EVENTS_MAX     256
#define RIF_MAX        64 /* more are counted as so many */
#define NS_PER_S       1000000000ull
#define NS_PER_US      1000.0
#define SLOWER         10

/* A connection, by its descriptor. A job ends though its client left: a server does not notice. */
struct client {
    bool     open;
    bool     has_job; /* queued or worked on */
    uint32_t life;    /* counts the connections that had this descriptor */
    size_t   head_bytes;
    char     head[HEAD_BYTES_MAX + 1];
};

struct job {
    uint64_t came_ns;
    uint32_t rif; /* with it, when it came */
    uint64_t ends_ns;
    int      fd;
    uint32_t life;
};

struct waiter {
    int           epoll_fd, listener;
    uint32_t      slots;
    double        mean_ns;
    uint64_t      random;
    struct job   *working; /* a binary heap by ends_ns */
    uint32_t      working_count;
    struct job    queue[CLIENTS_MAX];
    uint32_t      queue_first, queue_count;
    double        took_us[RIF_MAX]; /* by job.rif, weighted to the latest; 0: not seen */
    struct client clients[CLIENTS_MAX];
};

static struct waiter waiter;
static volatile sig_atomic_t is_slow;

static void on_signal(int number)
{
    is_slow = number == SIGUSR1;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* xorshift64* (Marsaglia 2003, Vigna 2016), to (0, 1]. */
static double draw(void)
{
    waiter.random ^= waiter.random >> 12;
    waiter.random ^= waiter.random << 25;
    waiter.random ^= waiter.random >> 27;
    return (double)((waiter.random * 2685821657736338717ull >> 11) + 1) * 0x1p-53;
}

static void swap_jobs(uint32_t a, uint32_t b)
{
    const struct job kept = waiter.working[a];
    waiter.working[a] = waiter.working[b];
    waiter.working[b] = kept;
}

static void work_on(struct job job)
{
    uint32_t at = waiter.working_count++;
    job.ends_ns = now_ns() + (uint64_t)(-log(draw()) * waiter.mean_ns * (is_slow ? SLOWER : 1));
    waiter.working[at] = job;
    for (; at > 0 && waiter.working[(at - 1) / 2].ends_ns > waiter.working[at].ends_ns;
         at = (at - 1) / 2)
        swap_jobs(at, (at - 1) / 2);
}

static struct job take_first(void)
{
    const struct job first = waiter.working[0];
    waiter.working[0] = waiter.working[--waiter.working_count];
    for (uint32_t at = 0;;) {
        uint32_t least = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2; child++)
            if (child < waiter.working_count &&
                waiter.working[child].ends_ns < waiter.working[least].ends_ns)
                least = child;
        if (least == at)
            return first;
        swap_jobs(at, least);
        at = least;
    }
}

static void answer(int fd)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
                               "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                               "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    (void)send(fd, text, sizeof text - 1, MSG_NOSIGNAL);
}

static uint32_t in_flight(void)
{
    const uint32_t count = waiter.working_count + waiter.queue_count;
    return count < RIF_MAX ? count : RIF_MAX - 1;
}

static void learn(const struct job *job)
{
    double *took = &waiter.took_us[job->rif];
    const double now = (double)(now_ns() - job->came_ns) / NS_PER_US;
    *took = *took > 0 ? *took + (now - *took) / 8 : now;
}

/* Where nothing is known of so many, what is known of the next number; below before above. */
static double expected_us(uint32_t rif)
{
    for (uint32_t by = 0; by < RIF_MAX; by++) {
        if (by <= rif && waiter.took_us[rif - by] > 0)
            return waiter.took_us[rif - by];
        if (rif + by < RIF_MAX && waiter.took_us[rif + by] > 0)
            return waiter.took_us[rif + by];
    }
    return waiter.mean_ns / NS_PER_US;
}

static void answer_probe(int fd)
{
    char body[64], text[192];
    const int bytes = snprintf(body, sizeof body, "{\"rif\":%u,\"latency_us\":%.0f}", in_flight(),
                               expected_us(in_flight()));
    const int all =
        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", bytes, body);
    (void)send(fd, text, (size_t)all, MSG_NOSIGNAL);
}

static void end_job(const struct job *job)
{
    learn(job);
    struct client *client = &waiter.clients[job->fd];
    if (client->open && client->life == job->life) {
        client->has_job = false;
        answer(job->fd);
    }
    if (waiter.queue_count == 0)
        return;
    const struct job next = waiter.queue[waiter.queue_first];
    waiter.queue_first = (waiter.queue_first + 1) % CLIENTS_MAX;
    waiter.queue_count--;
    work_on(next);
}

static void take_request(int fd)
{
    struct client *client = &waiter.clients[fd];
    client->head_bytes = 0;
    if (strncmp(client->head, "GET /small ", 11) == 0) {
        answer(fd);
        return;
    }
    if (strncmp(client->head, "GET /probe ", 11) == 0) {
        answer_probe(fd);
        return;
    }
    const struct job job = {
        .came_ns = now_ns(), .rif = in_flight(), .fd = fd, .life = client->life};
    client->has_job = true;
    if (waiter.working_count < waiter.slots)
        work_on(job);
    else if (waiter.queue_count < CLIENTS_MAX)
        waiter.queue[(waiter.queue_first + waiter.queue_count++) % CLIENTS_MAX] = job;
}

static void leave(int fd)
{
    waiter.clients[fd].open = false;
    close(fd);
}

static void read_client(int fd)
{
    struct client *client = &waiter.clients[fd];
    const ssize_t got = recv(fd, client->head + client->head_bytes,
                             HEAD_BYTES_MAX - client->head_bytes, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0 || client->has_job) {
        leave(fd);
        return;
    }
    client->head_bytes += (size_t)got;
    client->head[client->head_bytes] = '\0';
    if (strstr(client->head, "\r\n\r\n") != NULL)
        take_request(fd);
    else if (client->head_bytes == HEAD_BYTES_MAX)
        leave(fd);
}

static void accept_some(void)
{
    for (int fd; (fd = accept4(waiter.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        const int on = 1;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (fd >= CLIENTS_MAX || epoll_ctl(waiter.epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
            close(fd);
            continue;
        }
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct client *client = &waiter.clients[fd];
        client->open = true;
        client->has_job = false;
        client->head_bytes = 0;
        client->life++;
    }
}

static void serve(void)
{
    struct epoll_event events[EVENTS_MAX];
    for (;;) {
        const uint64_t now = now_ns();
        struct timespec timeout = {.tv_sec = 3600};
        if (waiter.working_count > 0) {
            const uint64_t ends = waiter.working[0].ends_ns;
            const uint64_t left = ends > now ? ends - now : 0;
            timeout = (struct timespec){(time_t)(left / NS_PER_S), (long)(left % NS_PER_S)};
        }
        const int count = epoll_pwait2(waiter.epoll_fd, events, EVENTS_MAX, &timeout, NULL);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == waiter.listener)
                accept_some();
            else
                read_client(events[i].data.fd);
        }
        const uint64_t later = now_ns();
        while (waiter.working_count > 0 && waiter.working[0].ends_ns <= later) {
            const struct job job = take_first();
            end_job(&job);
        }
    }
}

static void listen_on(struct in_addr at, uint16_t port)
{
    const int on = 1;
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = at};
    waiter.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    waiter.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)setsockopt(waiter.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = waiter.listener};
    if (bind(waiter.listener, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(waiter.listener, 4096) != 0 ||
        epoll_ctl(waiter.epoll_fd, EPOLL_CTL_ADD, waiter.listener, &event) != 0) {
        perror("waiter");
        exit(1);
    }
}

int main(int count, char **words)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},    {"slots", required_argument, NULL, 's'},
        {"mean-us", required_argument, NULL, 'm'}, {"address", required_argument, NULL, 'a'},
        {"seed", required_argument, NULL, 'r'},    {0}};
    struct in_addr address = {htonl(INADDR_LOOPBACK)};
    unsigned long port = 0;
    bool is_known = true;
    waiter.random = 1;
    for (int option; (option = getopt_long(count, words, "", options, NULL)) != -1;) {
        switch (option) {
        case 'p': port = strtoul(optarg, NULL, 10); break;
        case 's': waiter.slots = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'a': is_known = inet_pton(AF_INET, optarg, &address) == 1; break;
        case 'm': waiter.mean_ns = strtod(optarg, NULL) * NS_PER_US; break;
        case 'r': waiter.random = strtoull(optarg, NULL, 10) * 2 + 1; break;
        default: return 2;
        }
    }
    if (port == 0 || port > UINT16_MAX || waiter.slots == 0 || waiter.mean_ns <= 0 || !is_known ||
        ntohl(address.s_addr) >> IN_CLASSA_NSHIFT != IN_LOOPBACKNET) {
        fprintf(stderr, "usage: waiter [--address ADDRESS] --port PORT --slots N "
                        "--mean-us MICROSECONDS [--seed N]\n");
        return 2;
    }
    (void)prctl(PR_SET_PDEATHSIG, 15);
    (void)signal(SIGUSR1, on_signal);
    (void)signal(SIGUSR2, on_signal);
    waiter.working = calloc(waiter.slots, sizeof *waiter.working);
    if (waiter.working == NULL)
        return 1;
    for (int i = 0; i < 16; i++)
        (void)draw(); /* seeds that differ little begin alike */
    listen_on(address, (uint16_t)port);
    serve();
}
