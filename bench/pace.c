/* SPDX-License-Identifier: Apache-2.0 */
/* bench/pace.c - an HTTP/1.1 load client that keeps a given rate, which wrk cannot.
 *
 *     pace --to [ADDRESS:]PORT[,...] --path PATH [--connections N] [--seconds N] [--requests N] [--rate N]
 *          [--paths N] [--close] [--seed N] [--good-ms N] [--give-up-ms N [--retries N]]
 *
 * With --rate it is an open loop: requests are due at random (Poisson) moments of that mean rate,
 * whatever the server does; one that finds no free connection waits, and its latency counts from
 * the moment it was due, so a stall is not hidden. Without --rate every connection asks again as
 * soon as it is answered. --close uses a new connection for each request. With --paths the requests
 * are for PATH0000, PATH0001 and so on, N of them in turn, so that they have keys of their own for
 * whom that matters. It ends after --seconds, or when --requests are answered.
 *
 * Prints one line of JSON: answered, errors (answers other than 200, broken connections),
 * unanswered (was due, but not answered a second after the end: the rate is more than the server
 * or the machine can do), bytes of bodies, seconds, p50_us, p99_us, p999_us, max_us. Answers must have
 * a Content-Length. With --good-ms also good: how many were answered within so long of being due, for
 * each second in which they were due. With --give-up-ms a client that has waited so long for a try
 * hangs up; with --retries it asks again at once, after a failure too, up to so many times, and only
 * the last counts as an error. Loopback only, one thread. Exit 0 if all was answered well, else 1. */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TARGETS_MAX    16
#define HEAD_BYTES_MAX 4096
#define BUFFER_BYTES   262144
#define EVENTS_MAX     256
#define SECONDS_MAX    3600
#define PATHS_MAX      10000
#define WAITING_MAX    (1u << 20)    /* due requests that found no free connection; power of 2 */
#define GRACE_NS       1000000000ull /* for the last answers, after the end */
#define NS_PER_SECOND  1000000000ull
#define IDLE_WAIT_NS   100000000ull

struct settings {
    struct sockaddr_in targets[TARGETS_MAX]; /* connections are spread over them in turn */
    unsigned           targets_count;
    bool               close;
    double             rate;     /* 0: as fast as answers come */
    uint64_t           seconds;  /* 0: no end by time */
    uint64_t           requests; /* 0: no end by count */
    uint32_t           connections_count;
    uint64_t           seed;
    uint64_t           good_ns;    /* 0: not counted */
    uint64_t           give_up_ns; /* 0: never */
    uint64_t           retries;
    uint64_t           paths_count;
    char              *texts; /* paths_count of them, each of request_bytes */
    size_t             request_bytes;
};

struct client {
    int            fd; /* -1 if not connected */
    bool           busy;
    bool           unsent; /* the request waits for the connection to stand */
    bool           in_body;
    uint64_t       due_ns;
    uint64_t       path;            /* which */
    uint64_t       tried_ns;        /* when the present try began */
    uint64_t       tries_left;      /* after the present one */
    struct client *later, *earlier; /* of those that wait, by tried_ns */
    uint64_t       body_left_bytes;
    size_t         head_bytes;
    char           head[HEAD_BYTES_MAX + 1];
};

struct pace {
    const struct settings *settings;
    int                    epoll_fd;
    struct client         *clients;
    uint32_t              *free_clients; /* a queue, so that all connections are used in turn */
    uint32_t               free_from;
    uint32_t               free_count;
    uint64_t              *waiting_due_ns;
    uint32_t               waiting_from;
    uint32_t               waiting_count;
    uint64_t              *latencies_ns;
    size_t                 latencies_count;
    size_t                 latencies_max;
    uint64_t               asked;
    uint64_t               errors;
    uint64_t               unanswered;
    uint64_t               body_bytes;
    uint64_t               begin_ns;
    uint64_t               good[SECONDS_MAX + 1];
    uint64_t               random;
    struct client         *first_tried, *last_tried;
    char                   buffer[BUFFER_BYTES];
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "pace: %s: %s\n", what, strerror(errno));
    exit(2);
}

static void *must_have(void *memory)
{
    if (memory == NULL)
        die("memory");
    return memory;
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* Uniform in [0, 1), by xorshift64*. */
static double draw(struct pace *pace)
{
    pace->random ^= pace->random >> 12;
    pace->random ^= pace->random << 25;
    pace->random ^= pace->random >> 27;
    return (double)((pace->random * 2685821657736338717ull) >> 11) * 0x1p-53;
}

/* Exponentially distributed with mean 1, by von Neumann's comparisons: a run of falling draws of odd
 * length gives its first draw as the fraction; an even one adds 1 and tries again. */
static double draw_interval(struct pace *pace)
{
    for (double whole = 0;; whole++) {
        double first = draw(pace), last = first;
        unsigned length = 1;

        for (double next; (next = draw(pace)) < last; last = next)
            length++;
        if (length % 2 == 1)
            return whole + first;
    }
}

static bool is_waiting(const struct pace *pace, const struct client *c)
{
    return c->earlier != NULL || pace->first_tried == c;
}

static void stop_waiting(struct pace *pace, struct client *c)
{
    if (!is_waiting(pace, c))
        return;
    *(c->earlier != NULL ? &c->earlier->later : &pace->first_tried) = c->later;
    *(c->later != NULL ? &c->later->earlier : &pace->last_tried) = c->earlier;
    c->earlier = c->later = NULL;
}

static void begin_waiting(struct pace *pace, struct client *c)
{
    c->tried_ns = now_ns();
    c->earlier = pace->last_tried;
    *(c->earlier != NULL ? &c->earlier->later : &pace->first_tried) = c;
    pace->last_tried = c;
}

static void client_free(struct pace *pace, struct client *c)
{
    uint32_t most = pace->settings->connections_count;

    stop_waiting(pace, c);
    c->busy = false;
    pace->free_clients[(pace->free_from + pace->free_count++) % most] =
        (uint32_t)(c - pace->clients);
}

static void client_close(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

static void try_now(struct pace *pace, struct client *c);

static void client_failed(struct pace *pace, struct client *c)
{
    client_close(c);
    if (c->tries_left > 0) {
        c->tries_left--;
        try_now(pace, c);
        return;
    }
    pace->errors++;
    client_free(pace, c);
}

static const struct sockaddr_in *target_of(const struct pace *pace, const struct client *c)
{
    const size_t number = (size_t)(c - pace->clients);
    return &pace->settings->targets[number % pace->settings->targets_count];
}

static bool client_connect(struct pace *pace, struct client *c)
{
    const struct sockaddr_in *address = target_of(pace, c);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    const int on = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        return false;
    if (setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
        (connect(c->fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
         errno == EINPROGRESS) &&
        epoll_ctl(pace->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) == 0)
        return true;
    client_close(c);
    return false;
}

/* A request is far smaller than an empty socket's buffer: it goes whole or not at all. */
static void client_send(struct pace *pace, struct client *c)
{
    const size_t bytes = pace->settings->request_bytes;
    const char *request = pace->settings->texts + c->path * bytes;
    ssize_t sent = send(c->fd, request, bytes, MSG_NOSIGNAL);

    c->unsent = sent < 0 && errno == EAGAIN;
    if (!c->unsent && (sent < 0 || (size_t)sent != bytes))
        client_failed(pace, c);
}

static void try_now(struct pace *pace, struct client *c)
{
    c->in_body = false;
    c->head_bytes = 0;
    stop_waiting(pace, c);
    begin_waiting(pace, c);
    if (c->fd < 0 && !client_connect(pace, c))
        client_failed(pace, c);
    else
        client_send(pace, c);
}

static void ask(struct pace *pace, uint64_t due_ns)
{
    struct client *c = &pace->clients[pace->free_clients[pace->free_from]];

    assert(pace->free_count > 0);
    pace->free_from = (pace->free_from + 1) % pace->settings->connections_count;
    pace->free_count--;
    c->path = pace->asked++ % pace->settings->paths_count;
    c->busy = true;
    c->due_ns = due_ns;
    c->tries_left = pace->settings->retries;
    try_now(pace, c);
}

static void answered(struct pace *pace, struct client *c)
{
    if (pace->latencies_count == pace->latencies_max) {
        pace->latencies_max = pace->latencies_max * 2 + 65536;
        pace->latencies_ns = must_have(
            realloc(pace->latencies_ns, pace->latencies_max * sizeof *pace->latencies_ns));
    }
    const uint64_t latency_ns = now_ns() - c->due_ns;
    const uint64_t second = (c->due_ns - pace->begin_ns) / NS_PER_SECOND;
    pace->latencies_ns[pace->latencies_count++] = latency_ns;
    if (latency_ns <= pace->settings->good_ns && second <= SECONDS_MAX)
        pace->good[second]++;
    if (pace->settings->close)
        client_close(c);
    client_free(pace, c);
}

/* Content-Length of a 200 answer whose head is complete; false for any other answer. */
static bool head_read(const char *head, uint64_t *length)
{
    if (strncmp(head, "HTTP/1.1 200 ", 13) != 0)
        return false;
    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, "content-length:", 15) == 0) {
            *length = strtoull(line + 17, NULL, 10);
            return true;
        }
    }
    return false;
}

/* Takes @count received bytes; false if they are no answer that we understand. */
static bool client_take(struct pace *pace, struct client *c, const char *bytes, size_t count)
{
    if (!c->in_body) {
        size_t before = c->head_bytes;
        size_t part = count < HEAD_BYTES_MAX - before ? count : HEAD_BYTES_MAX - before;
        const char *end;

        memcpy(c->head + before, bytes, part);
        c->head_bytes += part;
        c->head[c->head_bytes] = '\0';
        end = strstr(c->head, "\r\n\r\n");
        if (end == NULL)
            return c->head_bytes < HEAD_BYTES_MAX;
        if (!head_read(c->head, &c->body_left_bytes))
            return false;
        count -= (size_t)(end + 4 - c->head) - before;
        c->in_body = true;
    }
    if (count > c->body_left_bytes)
        return false;
    c->body_left_bytes -= count;
    pace->body_bytes += count;
    if (c->body_left_bytes == 0)
        answered(pace, c);
    return true;
}

static void client_receive(struct pace *pace, struct client *c, bool until_end)
{
    while (c->fd >= 0) {
        ssize_t count = recv(c->fd, pace->buffer, BUFFER_BYTES, 0);

        if (count < 0 && errno == EAGAIN)
            return;
        if (count <= 0 || !c->busy) { /* a free connection may be closed, but nothing said */
            if (count > 0)
                pace->errors++;
            if (c->busy)
                client_failed(pace, c);
            else
                client_close(c);
            return;
        }
        if (!client_take(pace, c, pace->buffer, (size_t)count)) {
            client_failed(pace, c);
            return;
        }
        if (count < BUFFER_BYTES && !until_end)
            return;
    }
}

static void client_event(struct pace *pace, struct client *c, uint32_t events)
{
    if (c->fd >= 0 && c->busy && c->unsent && (events & EPOLLOUT) != 0)
        client_send(pace, c);
    if (c->fd >= 0 && (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        client_receive(pace, c, (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
}

static bool enough(const struct pace *pace)
{
    return pace->settings->requests != 0 && pace->asked >= pace->settings->requests;
}

/* Sends what is due, oldest first; returns the moment of the next request. */
static uint64_t ask_what_is_due(struct pace *pace, uint64_t next_ns, uint64_t now)
{
    if (pace->settings->rate <= 0) {
        /* Bounded by the connections there are: one that fails at once must not hold us here. */
        for (uint32_t left = pace->free_count; left > 0 && !enough(pace); left--)
            ask(pace, now);
        return now + IDLE_WAIT_NS;
    }
    for (; next_ns <= now;
         next_ns += (uint64_t)(draw_interval(pace) * 1e9 / pace->settings->rate)) {
        if (pace->waiting_count == WAITING_MAX)
            pace->unanswered++;
        else
            pace->waiting_due_ns[(pace->waiting_from + pace->waiting_count++) % WAITING_MAX] =
                next_ns;
    }
    for (uint32_t left = pace->free_count; left > 0 && pace->waiting_count > 0 && !enough(pace);
         left--) {
        uint64_t due_ns = pace->waiting_due_ns[pace->waiting_from];

        pace->waiting_from = (pace->waiting_from + 1) % WAITING_MAX;
        pace->waiting_count--;
        ask(pace, due_ns);
    }
    return next_ns;
}

/* Hangs up where the patience is over; returns how long the next one will still wait. */
static uint64_t give_up(struct pace *pace)
{
    const uint64_t patience_ns = pace->settings->give_up_ns, now = now_ns();

    if (patience_ns == 0)
        return UINT64_MAX;
    /* A try that begins now goes to the end, so this ends. */
    for (struct client *c; (c = pace->first_tried) != NULL;) {
        if (c->tried_ns + patience_ns > now)
            return c->tried_ns + patience_ns - now;
        client_failed(pace, c);
    }
    return UINT64_MAX;
}

static void pump(struct pace *pace, uint64_t wait_ns)
{
    const uint64_t patience_ns = give_up(pace);

    if (patience_ns < wait_ns)
        wait_ns = patience_ns;
    struct epoll_event events[EVENTS_MAX];
    struct timespec wait = {.tv_sec = (time_t)(wait_ns / NS_PER_SECOND),
                            .tv_nsec = (long)(wait_ns % NS_PER_SECOND)};
    int count = epoll_pwait2(pace->epoll_fd, events, EVENTS_MAX, &wait, NULL);

    if (count < 0 && errno != EINTR)
        die("epoll");
    for (int i = 0; i < count; i++)
        client_event(pace, events[i].data.ptr, events[i].events);
}

/* Returns how many seconds requests were made. */
static double run(struct pace *pace)
{
    const struct settings *settings = pace->settings;
    uint64_t begin_ns = now_ns(), now = begin_ns, next_ns = begin_ns, end_ns = UINT64_MAX, last_ns;

    pace->begin_ns = begin_ns;
    if (settings->seconds != 0)
        end_ns = begin_ns + settings->seconds * NS_PER_SECOND;
    while (now < end_ns && !enough(pace)) {
        next_ns = ask_what_is_due(pace, next_ns, now);
        if (settings->rate <= 0)
            next_ns = now + IDLE_WAIT_NS;
        now = now_ns();
        if (now < next_ns)
            pump(pace, (next_ns < end_ns ? next_ns : end_ns) - (now < end_ns ? now : end_ns));
        now = now_ns();
    }
    /* What was asked is waited for: long if the count decides, briefly if the clock does. */
    for (last_ns = now; pace->free_count < settings->connections_count; now = now_ns()) {
        if (settings->seconds != 0 && now > last_ns + GRACE_NS)
            break;
        pump(pace, IDLE_WAIT_NS);
    }
    pace->unanswered += settings->connections_count - pace->free_count + pace->waiting_count;
    return (double)((settings->seconds != 0 && !enough(pace) ? last_ns : now) - begin_ns) / 1e9;
}

static int compare_latencies(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

static double quantile_us(const struct pace *pace, double share)
{
    if (pace->latencies_count == 0)
        return 0;
    return (double)pace->latencies_ns[(size_t)((double)(pace->latencies_count - 1) * share)] / 1e3;
}

/* ---- the command line ---- */

static _Noreturn void usage(void)
{
    fputs(
        "usage: pace --to [ADDRESS:]PORT[,...] --path PATH [--connections N] [--seconds N] [--requests N]\n"
        "            [--rate N] [--paths N] [--close] [--seed N] [--good-ms N] [--give-up-ms N [--retries N]]\n",
        stderr);
    exit(2);
}

static uint64_t number_in(const char *text, uint64_t least, uint64_t most)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);

    if (*text == '\0' || *end != '\0' || value < least || value > most) {
        fprintf(stderr, "pace: '%s' is not a number from %llu to %llu\n", text,
                (unsigned long long)least, (unsigned long long)most);
        exit(2);
    }
    return value;
}

/* One for each path, all of one length. */
static void requests_make(struct settings *settings, const char *path)
{
    char request[1024];

    for (uint64_t i = 0; i < (settings->paths_count == 0 ? 1 : settings->paths_count); i++) {
        char number[24] = "";

        if (settings->paths_count > 0)
            snprintf(number, sizeof number, "%04llu", (unsigned long long)i);
        int bytes =
            snprintf(request, sizeof request, "GET %s%s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s\r\n",
                     path, number, (unsigned)ntohs(settings->targets[0].sin_port),
                     settings->close ? "Connection: close\r\n" : "");

        if (bytes < 0 || (size_t)bytes >= sizeof request)
            usage();
        settings->request_bytes = (size_t)bytes;
        settings->texts = must_have(realloc(settings->texts, (i + 1) * settings->request_bytes));
        memcpy(settings->texts + i * settings->request_bytes, request, (size_t)bytes);
    }
    settings->paths_count = settings->paths_count == 0 ? 1 : settings->paths_count;
}

/* [ADDRESS:]PORT, the address one of this machine's loopback. */
static struct sockaddr_in target_in(char *word)
{
    struct sockaddr_in target = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char *colon = strchr(word, ':');

    if (colon != NULL) {
        *colon = '\0';
        if (inet_pton(AF_INET, word, &target.sin_addr) != 1 ||
            ntohl(target.sin_addr.s_addr) >> IN_CLASSA_NSHIFT != IN_LOOPBACKNET) {
            fprintf(stderr, "pace: '%s' is no address of the loopback\n", word);
            exit(2);
        }
        word = colon + 1;
    }
    target.sin_port = htons((uint16_t)number_in(word, 1, 65535));
    return target;
}

static void read_targets(struct settings *settings, char *text)
{
    char *rest = NULL;

    for (char *word = strtok_r(text, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
        if (settings->targets_count == TARGETS_MAX)
            usage();
        settings->targets[settings->targets_count++] = target_in(word);
    }
}

static struct settings settings_read(int argc, char **argv)
{
    static const struct option options[] = {
        {"to", required_argument, NULL, 't'},
        {"path", required_argument, NULL, 'p'},
        {"connections", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 's'},
        {"requests", required_argument, NULL, 'n'},
        {"rate", required_argument, NULL, 'r'},
        {"paths", required_argument, NULL, 'k'},
        {"close", no_argument, NULL, 'x'},
        {"seed", required_argument, NULL, 'e'},
        {"good-ms", required_argument, NULL, 'g'},
        {"give-up-ms", required_argument, NULL, 'u'},
        {"retries", required_argument, NULL, 'a'},
        {NULL, 0, NULL, 0},
    };
    struct settings settings = {.connections_count = 64, .seed = 1};
    const char *path = NULL;
    int letter;

    while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (letter == 't')
            read_targets(&settings, optarg);
        else if (letter == 'p')
            path = optarg;
        else if (letter == 'c')
            settings.connections_count = (uint32_t)number_in(optarg, 1, 10000);
        else if (letter == 's')
            settings.seconds = number_in(optarg, 1, SECONDS_MAX);
        else if (letter == 'n')
            settings.requests = number_in(optarg, 1, UINT64_MAX);
        else if (letter == 'r')
            settings.rate = (double)number_in(optarg, 1, 10000000);
        else if (letter == 'k')
            settings.paths_count = number_in(optarg, 1, PATHS_MAX);
        else if (letter == 'x')
            settings.close = true;
        else if (letter == 'e')
            settings.seed = number_in(optarg, 1, UINT64_MAX);
        else if (letter == 'g')
            settings.good_ns = number_in(optarg, 1, 1000000) * 1000000;
        else if (letter == 'u')
            settings.give_up_ns = number_in(optarg, 1, 1000000) * 1000000;
        else if (letter == 'a')
            settings.retries = number_in(optarg, 0, 100);
        else
            usage();
    }
    if (optind != argc || settings.targets_count == 0 || path == NULL ||
        (settings.seconds == 0 && settings.requests == 0))
        usage();
    requests_make(&settings, path);
    return settings;
}

int main(int argc, char **argv)
{
    static struct pace pace;
    struct settings settings = settings_read(argc, argv);
    double seconds;

    /* Otherwise every wait would be 50 us longer than asked. */
    prctl(PR_SET_TIMERSLACK, 1);
    pace.settings = &settings;
    pace.random = settings.seed * 0x9e3779b97f4a7c15ull | 1;
    pace.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (pace.epoll_fd < 0)
        die("epoll");
    pace.clients = must_have(calloc(settings.connections_count, sizeof *pace.clients));
    pace.free_clients = must_have(calloc(settings.connections_count, sizeof *pace.free_clients));
    pace.waiting_due_ns = must_have(calloc(WAITING_MAX, sizeof *pace.waiting_due_ns));
    for (uint32_t i = 0; i < settings.connections_count; i++) {
        pace.clients[i].fd = -1;
        client_free(&pace, &pace.clients[i]);
    }
    seconds = run(&pace);
    if (pace.latencies_count > 0)
        qsort(pace.latencies_ns, pace.latencies_count, sizeof *pace.latencies_ns,
              compare_latencies);
    printf(
        "{\"answered\": %zu, \"errors\": %llu, \"unanswered\": %llu, \"bytes\": %llu, \"seconds\": %.6f, "
        "\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f",
        pace.latencies_count, (unsigned long long)pace.errors, (unsigned long long)pace.unanswered,
        (unsigned long long)pace.body_bytes, seconds, quantile_us(&pace, 0.5),
        quantile_us(&pace, 0.99), quantile_us(&pace, 0.999), quantile_us(&pace, 1));
    for (uint64_t i = 0; settings.good_ns != 0 && i < settings.seconds; i++)
        printf("%s%llu", i == 0 ? ", \"good\": [" : ", ", (unsigned long long)pace.good[i]);
    printf("%s}\n", settings.good_ns != 0 && settings.seconds != 0 ? "]" : "");
    return pace.errors == 0 && pace.unanswered == 0 ? 0 : 1;
}
