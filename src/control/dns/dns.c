/* SPDX-License-Identifier: Apache-2.0 */
/* control/dns/dns.c - the thread of c-ares.
 *
 * A question comes by the thread's own queue of posts and an eventfd. For addresses it is one
 * ares_getaddrinfo() (A and AAAA together); for SRV one ares_query(), then one ares_getaddrinfo()
 * for each host named. The last answer to come sorts what was found and posts the query back. */
#include "control/dns/dns.h"

#include "core/mem.h"
#include "core/units.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SOCKETS_MAX = 64,  /* a UDP and a TCP socket for each of the few servers of resolv.conf */
    TIMEOUT_MS = 2000, /* of one try; c-ares doubles it with each round over the servers */
    TRIES = 3,
    WAIT_MS_MAX = 5000, /* c-ares' own timeouts are shorter while a question is open */
};

static const char RESOLV_CONF[] = "/etc/resolv.conf";

struct dns {
    struct loop    *loop;
    char           *servers; /* NULL: those of resolv.conf */
    ares_channel    channel;
    bool            has_channel;
    struct timespec configured_at; /* when resolv.conf was changed last, as read for the channel */
    pthread_t       thread;
    bool            has_thread;
    int             wake_fd;
    _Atomic bool    stopping;
    struct post_queue posts;
    struct pollfd     sockets[SOCKETS_MAX + 1]; /* the first is wake_fd */
    nfds_t            sockets_count;
    unsigned          open_count; /* questions that c-ares has */
};

/* One host of an SRV record, or the name itself. */
struct lookup {
    struct dns_query *query;
    uint16_t          port;
    uint16_t          weight;
};

/* What c-ares says, for people. */
#define STATUSES(X)                                                                                \
    X(ARES_ENODATA, "the name has no such records")                                                \
    X(ARES_ENOTFOUND, "the name does not exist")                                                   \
    X(ARES_ESERVFAIL, "the DNS server failed (SERVFAIL)")                                          \
    X(ARES_EREFUSED, "the DNS server refused to answer")                                           \
    X(ARES_EFORMERR, "the DNS server did not understand the question")                             \
    X(ARES_ENOTIMP, "the DNS server does not know this kind of question")                          \
    X(ARES_EBADNAME, "it is not a valid DNS name")                                                 \
    X(ARES_EBADRESP, "the DNS server's answer is malformed")                                       \
    X(ARES_ECONNREFUSED, "every DNS server is out of reach, refused or failed")                    \
    X(ARES_ETIMEOUT, "no DNS server answered in time")                                             \
    X(ARES_ENOMEM, "out of memory")

static const char *sentence_of(int status)
{
    switch (status) {
#define X(name, sentence) case name: return sentence;
        STATUSES(X)
#undef X
    default: return "the DNS answer could not be used";
    }
}

/* --- answers -------------------------------------------------------------------------------- */

static void on_answered(struct post *post)
{
    struct dns_query *query = list_item(post, struct dns_query, post);
    query->answered(query);
}

static void fail(struct dns_query *query, enum err_kind kind, const char *why)
{
    query->answer.kind = kind;
    query->answer.why = why;
}

static void finish(struct dns_query *query)
{
    struct dns *dns = query->dns;
    if (query->answer.count > 0)
        query->answer.kind = ERR_NONE; /* `why` stays: part of it may have failed */
    else if (query->answer.kind == ERR_NONE)
        fail(query, ERR_DNS, "the name has no addresses");
    dns_answer_sort(&query->answer);
    mem_free(query->lookups);
    query->lookups = NULL;
    query->post.call = on_answered;
    if (!atomic_load(&dns->stopping))
        loop_post(dns->loop, &query->post);
}

static void finish_one(struct dns_query *query)
{
    query->dns->open_count--;
    if (--query->waiting_count == 0)
        finish(query);
}

static bool read_node(const struct ares_addrinfo_node *node, const struct lookup *lookup,
                      struct dns_address *address)
{
    *address = (struct dns_address){.weight = lookup->weight};
    if (node->ai_family == AF_INET && node->ai_addrlen == sizeof(struct sockaddr_in)) {
        memcpy(&address->address, node->ai_addr, sizeof(struct sockaddr_in));
        ((struct sockaddr_in *)(void *)&address->address)->sin_port = htons(lookup->port);
    } else if (node->ai_family == AF_INET6 && node->ai_addrlen == sizeof(struct sockaddr_in6)) {
        memcpy(&address->address, node->ai_addr, sizeof(struct sockaddr_in6));
        ((struct sockaddr_in6 *)(void *)&address->address)->sin6_port = htons(lookup->port);
    } else {
        return false;
    }
    address->bytes = (socklen_t)node->ai_addrlen;
    return true;
}

static void take_nodes(struct dns_query *query, const struct lookup *lookup,
                       const struct ares_addrinfo_node *node)
{
    for (; node != NULL; node = node->ai_next) {
        struct dns_address address;
        if (!read_node(node, lookup, &address))
            continue;
        if (!dns_answer_add(&query->answer, &address)) {
            fail(query, ERR_LIMIT, "the name has more addresses than are taken");
            return;
        }
        const uint32_t ttl_s = dns_ttl_bounded(node->ai_ttl);
        if (ttl_s < query->answer.ttl_s)
            query->answer.ttl_s = ttl_s;
    }
}

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
    struct lookup *lookup = arg;
    (void)timeouts;
    if (status != ARES_SUCCESS)
        fail(lookup->query, ERR_DNS, sentence_of(status));
    else
        take_nodes(lookup->query, lookup, found->nodes);
    if (found != NULL)
        ares_freeaddrinfo(found);
    finish_one(lookup->query);
}

/* --- questions ------------------------------------------------------------------------------ */

static void look_up(struct lookup *lookup, const char *host)
{
    struct dns *dns = lookup->query->dns;
    const struct ares_addrinfo_hints hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NOSORT};
    lookup->query->waiting_count++;
    dns->open_count++;
    ares_getaddrinfo(dns->channel, host, NULL, &hints, on_addresses, lookup);
}

static bool make_lookups(struct dns_query *query, size_t count)
{
    query->lookups = mem_alloc(count * sizeof *query->lookups);
    if (query->lookups == NULL)
        fail(query, ERR_MEMORY, "out of memory");
    return query->lookups != NULL;
}

/* The caller holds one of query->waiting_count, so that the first answer is not taken for the
 * last. */
static void follow_records(struct dns_query *query, struct dns_record *records, int count)
{
    if (count < 0) {
        fail(query, ERR_DNS, sentence_of(ARES_EBADRESP));
        return;
    }
    if (count == 0) {
        fail(query, ERR_DNS, sentence_of(ARES_ENODATA));
        return;
    }
    query->answer.ttl_s = dns_ttl_bounded(records[0].ttl_s);
    const size_t chosen = dns_choose_records(records, (size_t)count);
    if (!make_lookups(query, chosen))
        return;
    for (size_t i = 0; i < chosen; i++) {
        query->lookups[i] = (struct lookup){query, records[i].port, records[i].weight};
        look_up(&query->lookups[i], records[i].host);
    }
}

static void on_records(void *arg, int status, int timeouts, unsigned char *bytes, int count)
{
    struct dns_query *query = arg;
    (void)timeouts;
    if (status != ARES_SUCCESS) {
        fail(query, ERR_DNS, sentence_of(status));
    } else {
        struct dns_record *records = mem_alloc(DNS_RECORDS_MAX * sizeof *records);
        if (records == NULL)
            fail(query, ERR_MEMORY, "out of memory");
        else
            follow_records(query, records,
                           dns_read_records(bytes, (size_t)count, records, DNS_RECORDS_MAX));
        mem_free(records);
    }
    finish_one(query);
}

static void on_asked(struct post *post)
{
    struct dns_query *query = list_item(post, struct dns_query, post);
    struct dns *dns = query->dns;
    query->answer = (struct dns_answer){.ttl_s = DNS_TTL_S_MAX};
    if (query->sort == DNS_SERVICE) {
        query->waiting_count = 1;
        dns->open_count++;
        ares_query(dns->channel, query->name, ns_c_in, ns_t_srv, on_records, query);
        return;
    }
    if (!make_lookups(query, 1)) {
        finish(query);
        return;
    }
    query->lookups[0] = (struct lookup){.query = query, .port = query->port};
    look_up(&query->lookups[0], query->name);
}

void dns_ask(struct dns *dns, struct dns_query *query)
{
    const uint64_t one = 1;
    query->dns = dns;
    query->waiting_count = 0;
    query->post.call = on_asked;
    post_queue_put(&dns->posts, &query->post);
    while (write(dns->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

void dns_query_fini(struct dns_query *query)
{
    dns_answer_fini(&query->answer);
    mem_free(query->lookups);
    query->lookups = NULL;
}

/* --- the thread ----------------------------------------------------------------------------- */

static void on_socket(void *data, ares_socket_t fd, int readable, int writable)
{
    struct dns *dns = data;
    const short events = (short)((readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
    nfds_t i = 1;
    while (i < dns->sockets_count && dns->sockets[i].fd != fd)
        i++;
    if (events == 0) {
        if (i < dns->sockets_count)
            dns->sockets[i] = dns->sockets[--dns->sockets_count];
        return;
    }
    if (i > SOCKETS_MAX)
        return; /* c-ares' timeout ends the question */
    dns->sockets[i] = (struct pollfd){.fd = fd, .events = events};
    if (i == dns->sockets_count)
        dns->sockets_count++;
}

static struct timespec configuration_time(void)
{
    struct stat stat_of = {0};
    if (stat(RESOLV_CONF, &stat_of) != 0)
        return (struct timespec){0};
    return stat_of.st_mtim;
}

static int open_channel(struct dns *dns)
{
    struct ares_options options = {
        .timeout = TIMEOUT_MS,
        .tries = TRIES,
        .sock_state_cb = on_socket,
        .sock_state_cb_data = dns,
    };
    dns->configured_at = configuration_time();
    int status = ares_init_options(&dns->channel, &options,
                                   ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS)
        return status;
    if (dns->servers != NULL)
        status = ares_set_servers_ports_csv(dns->channel, dns->servers);
    if (status == ARES_SUCCESS)
        dns->has_channel = true;
    else
        ares_destroy(dns->channel);
    return status;
}

/* resolv.conf may change while Pando runs; c-ares reads it only once. */
static void refresh_channel(struct dns *dns)
{
    const struct timespec now = configuration_time();
    if (dns->servers != NULL || dns->open_count > 0 ||
        (now.tv_sec == dns->configured_at.tv_sec && now.tv_nsec == dns->configured_at.tv_nsec))
        return;
    ares_channel old = dns->channel;
    if (open_channel(dns) == ARES_SUCCESS)
        ares_destroy(old);
    else
        dns->channel = old;
}

static int wait_ms(struct dns *dns)
{
    struct timeval limit = {.tv_sec = WAIT_MS_MAX / 1000}, wait;
    if (dns->open_count == 0)
        return -1;
    const struct timeval *until = ares_timeout(dns->channel, &limit, &wait);
    return (int)(until->tv_sec * 1000 + until->tv_usec / 1000 + 1);
}

static void process(struct dns *dns)
{
    struct pollfd ready[SOCKETS_MAX + 1];
    const nfds_t count = dns->sockets_count;
    memcpy(ready, dns->sockets, count * sizeof *ready); /* c-ares changes them meanwhile */
    for (nfds_t i = 1; i < count; i++) {
        const bool readable = (ready[i].revents & (POLLIN | POLLERR | POLLHUP)) != 0;
        const bool writable = (ready[i].revents & POLLOUT) != 0;
        if (readable || writable)
            ares_process_fd(dns->channel, readable ? ready[i].fd : ARES_SOCKET_BAD,
                            writable ? ready[i].fd : ARES_SOCKET_BAD);
    }
    ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void *run(void *arg)
{
    struct dns *dns = arg;
    while (!atomic_load(&dns->stopping)) {
        for (nfds_t i = 0; i < dns->sockets_count; i++)
            dns->sockets[i].revents = 0;
        (void)poll(dns->sockets, dns->sockets_count, wait_ms(dns));
        uint64_t wakes;
        if (dns->sockets[0].revents != 0)
            (void)!read(dns->wake_fd, &wakes, sizeof wakes);
        process(dns);
        refresh_channel(dns);
        for (struct post *post; (post = post_queue_take(&dns->posts)) != NULL;)
            post->call(post);
    }
    return NULL;
}

/* Signals are the main thread's. */
static int start_thread(struct dns *dns)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&dns->thread, NULL, run, dns);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    dns->has_thread = error == 0;
    return error;
}

static enum err_kind open_dns(struct dns *dns, const char *servers, struct err *e)
{
    if (servers != NULL && (dns->servers = mem_copy_text(servers)) == NULL)
        return err_set(e, ERR_MEMORY, "start DNS: out of memory");
    dns->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (dns->wake_fd < 0)
        return err_set_errno(e, "start DNS: eventfd");
    dns->sockets[0] = (struct pollfd){.fd = dns->wake_fd, .events = POLLIN};
    dns->sockets_count = 1;
    const int status = open_channel(dns);
    if (status != ARES_SUCCESS)
        return err_set(e, ERR_DNS, "start DNS: %s", ares_strerror(status));
    errno = start_thread(dns);
    if (errno != 0)
        return err_set_errno(e, "start DNS: thread");
    return ERR_NONE;
}

struct dns *dns_new(struct loop *loop, const char *servers, struct err *e)
{
    struct dns *dns = mem_alloc(sizeof *dns);
    if (dns == NULL) {
        err_set(e, ERR_MEMORY, "start DNS: out of memory");
        return NULL;
    }
    dns->loop = loop;
    dns->wake_fd = -1;
    post_queue_init(&dns->posts);
    if (ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS &&
        open_dns(dns, servers, e) == ERR_NONE)
        return dns;
    dns_free(dns);
    return NULL;
}

void dns_free(struct dns *dns)
{
    const uint64_t one = 1;
    if (dns == NULL)
        return;
    atomic_store(&dns->stopping, true);
    if (dns->has_thread) {
        (void)!write(dns->wake_fd, &one, sizeof one);
        pthread_join(dns->thread, NULL);
    }
    if (dns->has_channel)
        ares_destroy(dns->channel); /* tells every open question; finish() posts nothing any more */
    ares_library_cleanup();
    if (dns->wake_fd >= 0)
        close(dns->wake_fd);
    mem_free(dns->servers);
    mem_free(dns);
}
