/* SPDX-License-Identifier: Apache-2.0 */
/* agent/agent.c - two listeners, a timer that samples, and connections answered at once. */
#include "agent/agent.h"

#include "agent/client.h"
#include "core/mem.h"
#include "core/units.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BACKLOG = 128, STOP_MS = 2000 };

struct agent {
    const struct agent_config *config;
    struct loop                loop;
    struct listener            listeners[2]; /* for the line, for HTTP */
    struct agent_clients       clients;
    struct timer               again;
    struct sampler             sampler;
    sigset_t                   signals;
    bool                       is_stopping, was_odd;
    unsigned                   listening_count;
    uint64_t                   stop_at_ns;
};

/* --- sampling and signals -------------------------------------------------------------------- */

static void on_listener_closed(struct listener *listener)
{
    struct agent *agent = list_item(listener->loop, struct agent, loop);
    agent->listening_count--;
}

static void stop(struct agent *agent)
{
    if (agent->is_stopping)
        return;
    agent->is_stopping = true;
    agent->stop_at_ns = agent->loop.now_ns + STOP_MS * NS_PER_MS;
    for (unsigned i = 0; i < 2; i++)
        listener_stop(&agent->listeners[i]);
    agent_clients_close(&agent->clients);
}

/* They are blocked, and looked for at every sample: nothing here is in a hurry. */
static void take_signals(struct agent *agent)
{
    static const struct timespec now = {0};
    for (int got; (got = sigtimedwait(&agent->signals, NULL, &now)) > 0;) {
        if (got == SIGUSR1)
            agent->sampler.told = LOAD_WORD_DRAIN;
        else if (got == SIGUSR2)
            agent->sampler.told = LOAD_WORD_READY;
        else
            stop(agent);
    }
}

static void warn(struct agent *agent)
{
    const bool is_odd = agent->sampler.is_state_odd;
    if (is_odd && !agent->was_odd && agent->config->warned != NULL)
        agent->config->warned(agent->config->self,
                              "the state file holds no word that an agent may say, so what was "
                              "said before it holds; expected: ready, up, drain, maint, down, fail "
                              "or stopped, and perhaps #reason");
    agent->was_odd = is_odd;
}

static void on_again(struct timer *timer)
{
    struct agent *agent = list_item(timer, struct agent, again);
    take_signals(agent);
    sampler_step(&agent->sampler, agent->loop.now_ns);
    warn(agent);
    timer_set(&agent->loop.timers, timer, agent->loop.now_ns + SAMPLER_EVERY_MS * NS_PER_MS);
}

/* --- listening ------------------------------------------------------------------------------- */

static void on_accepted(struct listener *listener, int fd, const struct sockaddr *peer,
                        socklen_t peer_bytes)
{
    struct agent *agent = list_item(listener->loop, struct agent, loop);
    (void)peer, (void)peer_bytes;
    if (agent->is_stopping ||
        !agent_client_new(&agent->clients, fd, listener == &agent->listeners[1]))
        (void)close(fd);
}

/* The connections that are open go on; when one ends, accepting goes on too. */
static void on_exhausted(struct listener *listener, int error)
{
    (void)listener, (void)error;
}

static const struct listener_events listener_events = {
    .accepted = on_accepted,
    .exhausted = on_exhausted,
};

/* Those that ran out of descriptors try again. */
static void on_client_gone(void *self)
{
    struct agent *agent = self;
    for (unsigned i = 0; i < 2 && !agent->is_stopping; i++)
        listener_start(&agent->listeners[i]);
}

static uint16_t port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in fourth;
        struct sockaddr_in6 sixth;
    } address = {0};
    socklen_t bytes = sizeof address;
    if (getsockname(fd, &address.any, &bytes) != 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.sixth.sin6_port
                                                   : address.fourth.sin_port);
}

static int open_socket(const struct agent *agent, const struct config_address *address)
{
    const int on = 1, off = 0;
    const int fd = socket(address->socket.ss_family,
                          SOCK_STREAM | SOCK_CLOEXEC | agent->loop.kind->socket_flags, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->every) /* ":port" is both families */
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, (const struct sockaddr *)&address->socket, address->socket_bytes) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    const int error = errno;
    (void)close(fd);
    errno = error;
    return -1;
}

static enum err_kind open_sockets(struct agent *agent, int fds[2], struct err *e)
{
    const struct config_address *const addresses[2] = {&agent->config->line, &agent->config->http};
    for (unsigned i = 0; i < 2; i++) {
        fds[i] = open_socket(agent, addresses[i]);
        if (fds[i] < 0)
            return err_set(e, ERR_SYSTEM, "listen on %s: %s", addresses[i]->text, strerror(errno));
    }
    return ERR_NONE;
}

/* --- life ------------------------------------------------------------------------------------ */

static void block_signals(struct agent *agent)
{
    sigemptyset(&agent->signals);
    sigaddset(&agent->signals, SIGTERM);
    sigaddset(&agent->signals, SIGINT);
    sigaddset(&agent->signals, SIGUSR1);
    sigaddset(&agent->signals, SIGUSR2);
    (void)sigprocmask(SIG_BLOCK, &agent->signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

static void serve(struct agent *agent, const int fds[2])
{
    for (unsigned i = 0; i < 2; i++) {
        listener_open(&agent->listeners[i], &agent->loop, &listener_events, fds[i]);
        agent->listeners[i].closed = on_listener_closed;
        listener_start(&agent->listeners[i]);
        agent->listening_count++;
    }
    on_again(&agent->again);
    if (agent->config->started != NULL)
        agent->config->started(agent->config->self, port_of(fds[0]), port_of(fds[1]));
    while (!agent->is_stopping || agent->listening_count > 0 || agent->clients.count > 0)
        loop_turn(&agent->loop, agent->loop.now_ns + SAMPLER_EVERY_MS * NS_PER_MS);
    timer_clear(&agent->again);
}

enum err_kind agent_run(const struct agent_config *config, struct err *e)
{
    int fds[2] = {-1, -1};
    struct agent *agent = mem_alloc(sizeof *agent);
    if (agent == NULL)
        return err_set(e, ERR_MEMORY, "start the agent: out of memory");
    agent->config = config;
    timer_init(&agent->again, on_again);
    block_signals(agent);
    enum err_kind kind = sampler_init(&agent->sampler, &config->sampler, e);
    if (kind == ERR_NONE)
        kind = loop_open(&agent->loop, config->io, e);
    if (kind == ERR_NONE) {
        agent_clients_init(&agent->clients, &agent->loop, &agent->sampler);
        agent->clients.gone = on_client_gone;
        agent->clients.self = agent;
        kind = open_sockets(agent, fds, e);
        if (kind == ERR_NONE)
            serve(agent, fds);
        loop_close(&agent->loop);
    }
    for (unsigned i = 0; i < 2; i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
    mem_free(agent);
    return kind;
}
