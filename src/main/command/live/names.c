/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/live/names.c - asking DNS for all names at once, and waiting for the answers. */
#include "main/command/live/names.h"

#include "core/mem.h"
#include "core/units.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

struct names {
    struct live *live;
    ares_channel channel;
    size_t       open_count; /* questions without an answer */
    bool         is_short_of_memory;
};

/* One question: the addresses of a name, or first the records that give names. */
struct question {
    struct names                  *names;
    const struct settings_service *service;
    const struct settings_target  *target;
    uint16_t                       port;
};

static void add_failure(const struct question *question, const char *why)
{
    struct live_probe *probe =
        live__add(question->names->live, question->service, question->target);
    if (probe == NULL)
        question->names->is_short_of_memory = true;
    else
        (void)snprintf(probe->why, sizeof probe->why, "%s", why);
}

static void add_address(const struct question *question, const struct ares_addrinfo_node *node)
{
    if (node->ai_addrlen > sizeof(struct sockaddr_storage))
        return;
    struct live_probe *probe =
        live__add(question->names->live, question->service, question->target);
    if (probe == NULL) {
        question->names->is_short_of_memory = true;
        return;
    }
    memcpy(&probe->socket, node->ai_addr, node->ai_addrlen);
    probe->socket_bytes = (socklen_t)node->ai_addrlen;
    if (node->ai_family == AF_INET)
        ((struct sockaddr_in *)(void *)&probe->socket)->sin_port = htons(question->port);
    else
        ((struct sockaddr_in6 *)(void *)&probe->socket)->sin6_port = htons(question->port);
}

static void answered(const struct question *question)
{
    question->names->open_count--;
    mem_free((void *)(uintptr_t)question);
}

static const char *sentence_of(int status)
{
    if (status == ARES_ECANCELLED || status == ARES_EDESTRUCTION || status == ARES_ETIMEOUT)
        return "DNS did not answer in time";
    return status == ARES_ENOTFOUND || status == ARES_ENODATA ? "there is no such name"
                                                              : ares_strerror(status);
}

static void on_addresses(void *argument, int status, int timeouts, struct ares_addrinfo *found)
{
    const struct question *question = argument;
    (void)timeouts;
    if (status != ARES_SUCCESS)
        add_failure(question, sentence_of(status));
    for (const struct ares_addrinfo_node *node = found == NULL ? NULL : found->nodes; node != NULL;
         node = node->ai_next)
        if (node->ai_family == AF_INET || node->ai_family == AF_INET6)
            add_address(question, node);
    ares_freeaddrinfo(found);
    answered(question);
}

static struct question *ask(const struct question *about, const char *host, uint16_t port)
{
    static const struct ares_addrinfo_hints hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NOSORT};
    struct question *question = mem_alloc(sizeof *question);
    if (question == NULL) {
        about->names->is_short_of_memory = true;
        return NULL;
    }
    *question = *about;
    question->port = port;
    question->names->open_count++;
    if (host != NULL)
        ares_getaddrinfo(question->names->channel, host, NULL, &hints, on_addresses, question);
    return question;
}

static void on_records(void *argument, int status, int timeouts, unsigned char *bytes, int count)
{
    const struct question *question = argument;
    struct ares_srv_reply *records = NULL;
    (void)timeouts;
    if (status == ARES_SUCCESS)
        status = ares_parse_srv_reply(bytes, count, &records);
    if (status != ARES_SUCCESS)
        add_failure(question, sentence_of(status));
    for (const struct ares_srv_reply *record = records; record != NULL; record = record->next)
        (void)ask(question, record->host, record->port);
    ares_free_data(records);
    answered(question);
}

static void ask_about(struct names *names, const struct settings_service *service,
                      const struct settings_target *target)
{
    const struct config_address *address = &target->address;
    const struct question about = {.names = names, .service = service, .target = target};
    if (address->kind == CONFIG_ADDRESS_NAME) {
        (void)ask(&about, address->host, address->port);
    } else if (address->kind == CONFIG_ADDRESS_SRV) {
        struct question *question = ask(&about, NULL, 0);
        if (question != NULL)
            ares_query(names->channel, address->host, ns_c_in, ns_t_srv, on_records, question);
    }
}

/* One wait for DNS, at most until @until_ns. */
static void wait_once(const struct names *names, uint64_t until_ns)
{
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    struct pollfd fds[ARES_GETSOCK_MAXNUM];
    const int wanted = ares_getsock(names->channel, sockets, ARES_GETSOCK_MAXNUM);
    const uint64_t now_ns = clock_monotonic_ns();
    const uint64_t left_ms = until_ns > now_ns ? (until_ns - now_ns) / NS_PER_MS : 0;
    struct timeval most = {(time_t)(left_ms / 1000), (suseconds_t)(left_ms % 1000 * 1000)}, room;
    const struct timeval *wait = ares_timeout(names->channel, &most, &room);
    nfds_t count = 0;
    for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
        /* ARES_GETSOCK_WRITABLE shifts an int into its sign for the last of them. */
        const bool reads = (unsigned)wanted >> i & 1u;
        const bool writes = (unsigned)wanted >> (i + ARES_GETSOCK_MAXNUM) & 1u;
        if (reads || writes)
            fds[count++] = (struct pollfd){
                .fd = sockets[i], .events = (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0))};
    }
    (void)poll(fds, count, (int)(wait->tv_sec * 1000 + wait->tv_usec / 1000) + 1);
    for (nfds_t i = 0; i < count; i++)
        ares_process_fd(names->channel,
                        fds[i].revents & (POLLIN | POLLERR | POLLHUP) ? fds[i].fd : ARES_SOCKET_BAD,
                        fds[i].revents & (POLLOUT | POLLERR) ? fds[i].fd : ARES_SOCKET_BAD);
    ares_process_fd(names->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* its time-outs */
}

static void ask_all(struct names *names, const struct settings *settings)
{
    for (size_t i = 0; i < settings->services_count; i++)
        for (size_t j = 0; j < settings->services[i].targets_count; j++)
            ask_about(names, &settings->services[i], &settings->services[i].targets[j]);
}

enum err_kind live__resolve(struct live *live, const struct settings *settings, struct err *e)
{
    struct names names = {.live = live};
    int status = ares_library_init(ARES_LIB_INIT_ALL);
    if (status == ARES_SUCCESS)
        status = ares_init(&names.channel);
    if (status != ARES_SUCCESS)
        return err_set(e, ERR_DNS, "starting DNS: %s", ares_strerror(status));
    const uint64_t until_ns = clock_monotonic_ns() + LIVE_WAIT_MS * NS_PER_MS;
    ask_all(&names, settings);
    while (names.open_count > 0 && clock_monotonic_ns() < until_ns)
        wait_once(&names, until_ns);
    ares_destroy(names.channel); /* tells every open question */
    ares_library_cleanup();
    return names.is_short_of_memory ? err_set(e, ERR_MEMORY, "no memory for the targets")
                                    : ERR_NONE;
}
