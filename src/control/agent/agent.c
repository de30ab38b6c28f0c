/* SPDX-License-Identifier: Apache-2.0 */
/* control/agent/agent.c - when agents are asked, and what follows from what they say. */
#include "control/agent/agent.h"

#include "control/health/health.h"
#include "control/members.h"
#include "core/units.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    WHOLE = 100,
    PERCENT_STEP = 5, /* sets are built anew for so many percent, not for one */
    ASKS_MAX = 128,   /* at once, in all; the others wait their turn */
    CROWD_WAIT_MS = 20,
    SPREAD_MS = 1000, /* the first questions of many targets */
    FEW_TARGETS = 16, /* so many are asked at once */
};

static bool asks_agents(const struct registry_service *service)
{
    return service->agents.settings.port > 0 && service->agents.settings.port <= UINT16_MAX;
}

/* --- what they said --------------------------------------------------------------------------- */

bool registry__agent_orders_out(const struct registry_target *rt)
{
    return rt->agent.order == SAID_DRAIN || rt->agent.order == SAID_MAINT ||
           rt->agent.takes_nothing;
}

bool registry__agent_is_down(const struct registry_target *rt)
{
    return rt->agent.health == SAID_DOWN || rt->agent.health == SAID_FAIL ||
           rt->agent.health == SAID_STOPPED;
}

void registry__agent_write_reason(const struct registry_target *rt, char *out, size_t room)
{
    const struct registry_agent *agent = &rt->agent;
    const bool is_order = agent->order == SAID_DRAIN || agent->order == SAID_MAINT;
    const enum said_word word = is_order                      ? agent->order
                                : registry__agent_is_down(rt) ? agent->health
                                                              : SAID_NOTHING;
    if (word != SAID_NOTHING)
        (void)snprintf(out, room, "its agent says %s%s%s", said_word_name(word),
                       agent->reason[0] != '\0' ? ": " : "", agent->reason);
    else if (agent->takes_nothing)
        (void)snprintf(out, room, "its agent says 0 %%%s%s", agent->reason[0] != '\0' ? ": " : "",
                       agent->reason);
    else if (agent->silent[0] != '\0')
        (void)snprintf(out, room, "%s", agent->silent);
    else if (rt->target.agent_percent != WHOLE)
        (void)snprintf(out, room, "its agent says %u %% of its weight", rt->target.agent_percent);
    else
        out[0] = '\0';
}

/* The percent that is worth a new set: the least, all, or a step away from the one that holds. */
static uint16_t percent_of(const struct registry_target *rt, const struct said *said)
{
    const uint32_t now = rt->target.agent_percent;
    uint32_t percent = said->percent;
    if (said->has_weight)
        percent = said->weight * WHOLE / rt->target.weight_said;
    if (percent > SAID_PERCENT_MAX)
        percent = SAID_PERCENT_MAX;
    if (percent == 0)
        percent = 1; /* `takes_nothing` says the rest */
    const uint32_t apart = percent > now ? percent - now : now - percent;
    const bool is_end = percent == WHOLE || percent == 1;
    return (uint16_t)(apart < PERCENT_STEP && !is_end ? now : percent);
}

/* What may be seen of it changed: sets and the reason follow. */
static void put_in_force(struct registry_target *rt, bool is_standing_new)
{
    const bool was_well = rt->target.standing == TARGET_UP;
    registry__stand(rt);
    const bool is_weight_new = registry__warm_step(rt->service, rt->registry->sources.loop->now_ns);
    if (!is_standing_new && !is_weight_new)
        return;
    registry__publish(rt->service);
    const bool is_well = rt->target.standing == TARGET_UP;
    if (was_well != is_well)
        registry__tell(rt->registry, is_well ? REGISTRY_TELL_CHANGE : REGISTRY_TELL_TROUBLE,
                       "%s: %s %s%s%s", rt->service->service.name, rt->target.name,
                       is_well ? "takes requests again: its agent says so" : "takes no requests: ",
                       is_well ? "" : rt->target.standing_reason, "");
}

static void end_silence(struct registry_target *rt)
{
    rt->agent.misses_count = 0;
    if (rt->agent.silent[0] == '\0')
        return;
    rt->agent.silent[0] = '\0';
    rt->target.is_agent_silent = false;
    registry__tell(rt->registry, REGISTRY_TELL_CHANGE, "%s: the agent of %s answers again",
                   rt->service->service.name, rt->target.name);
}

static void take_said(struct registry_target *rt, const struct said *said)
{
    struct registry_agent *agent = &rt->agent;
    const bool was_out = registry__agent_orders_out(rt), was_down = registry__agent_is_down(rt);
    end_silence(rt);
    if (said->order != SAID_NOTHING)
        agent->order = said->order;
    if (said->health != SAID_NOTHING)
        agent->health = said->health;
    memcpy(agent->reason, said->reason, sizeof agent->reason);
    if (said->has_percent || said->has_weight) {
        agent->takes_nothing = said->has_percent ? said->percent == 0 : said->weight == 0;
        rt->target.agent_percent = percent_of(rt, said);
    }
    if (said->has_most)
        rt->target.inflight_most = said->most;
    const bool is_new =
        was_out != registry__agent_orders_out(rt) || was_down != registry__agent_is_down(rt);
    if (is_new && (was_out || was_down) && !registry__agent_orders_out(rt) &&
        !registry__agent_is_down(rt))
        registry__warm_start(rt);
    put_in_force(rt, is_new);
}

/* The first misses are told by nobody: an agent may restart. */
static void take_silence(struct registry_target *rt, const char *why)
{
    struct registry_agent *agent = &rt->agent;
    char since[32];
    struct tm parts;
    const time_t now_s = (time_t)(clock_wall_ns() / NS_PER_S);
    rt->target.agent_misses_count++;
    if (++agent->misses_count != AGENT_MISSES)
        return;
    (void)gmtime_r(&now_s, &parts);
    (void)strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%SZ", &parts);
    (void)snprintf(agent->silent, sizeof agent->silent, "agent silent since %s: %s", since, why);
    rt->target.is_agent_silent = true;
    rt->target.agent_percent = WHOLE;
    rt->target.inflight_most = 0;
    agent->takes_nothing = false; /* a weight, not a word */
    registry__tell(rt->registry, REGISTRY_TELL_TROUBLE,
                   "%s: the agent of %s is silent (%s); its weight is the configured one",
                   rt->service->service.name, rt->target.name, why);
    put_in_force(rt, true);
}

/* --- asking ----------------------------------------------------------------------------------- */

static void ask_in(struct registry_target *rt, uint64_t wait_ns)
{
    struct loop *loop = rt->registry->sources.loop;
    timer_set(&loop->timers, &rt->agent.next, loop->now_ns + wait_ns);
}

/* An interval from when the last question began. */
static void ask_again(struct registry_target *rt)
{
    const uint64_t at_ns = rt->agent.began_ns + rt->service->agents.settings.every_ns;
    const uint64_t now_ns = rt->registry->sources.loop->now_ns;
    ask_in(rt, at_ns > now_ns ? at_ns - now_ns : 0);
}

static void on_answered(void *self, const char *text, size_t bytes, const char *why)
{
    struct registry_target *rt = self;
    struct said said;
    rt->agent.ask = NULL;
    rt->target.agent_asks_count++;
    if (text == NULL)
        take_silence(rt, why);
    else if (!said_read(&said, text, bytes))
        take_silence(rt, "its line says nothing that is known");
    else
        take_said(rt, &said);
    ask_again(rt);
}

static void on_ended(void *owner)
{
    struct registry *registry = owner;
    registry->asks_count--;
    registry__stopped_if_done(registry);
}

/* The target's address with the agent's port; false: it has no port. */
static bool address_of(const struct registry_target *rt, struct sockaddr_storage *address)
{
    const uint16_t port = htons((uint16_t)rt->service->agents.settings.port);
    *address = rt->target.address;
    if (address->ss_family == AF_INET)
        ((struct sockaddr_in *)address)->sin_port = port;
    else if (address->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)address)->sin6_port = port;
    else
        return false;
    return true;
}

static void ask(struct registry_target *rt)
{
    const struct registry_agents *agents = &rt->service->agents;
    struct sockaddr_storage address;
    if (!address_of(rt, &address))
        return;
    const struct agent_question question = {
        .loop = rt->registry->sources.loop,
        .address = (const struct sockaddr *)&address,
        .address_bytes = rt->target.address_bytes,
        .timeout_ns = agents->settings.timeout_ns,
        .send = agents->send,
        .answered = on_answered,
        .ended = on_ended,
        .self = rt,
        .owner = rt->registry,
    };
    rt->agent.began_ns = rt->registry->sources.loop->now_ns;
    rt->agent.ask = agent_ask_start(&question);
    if (rt->agent.ask != NULL)
        rt->registry->asks_count++;
    else
        ask_again(rt); /* no descriptor: that says nothing of the agent */
}

static void on_next(struct timer *timer)
{
    struct registry_target *rt = list_item(timer, struct registry_target, agent.next);
    if (rt->service == NULL || rt->registry->stopping || rt->agent.ask != NULL)
        return;
    if (rt->registry->asks_count >= ASKS_MAX)
        ask_in(rt, CROWD_WAIT_MS * NS_PER_MS);
    else
        ask(rt);
}

/* --- life ------------------------------------------------------------------------------------- */

/* Nothing was said. */
static void forget(struct registry_target *rt)
{
    struct registry_agent *agent = &rt->agent;
    agent->order = agent->health = SAID_NOTHING;
    agent->takes_nothing = false;
    agent->misses_count = 0;
    agent->reason[0] = agent->silent[0] = '\0';
    rt->target.agent_percent = WHOLE;
    rt->target.inflight_most = 0;
    rt->target.is_agent_silent = false;
}

void registry__agent_init(struct registry_target *rt, const struct registry_target *before)
{
    if (before != NULL) {
        rt->agent = before->agent;
        rt->agent.ask = NULL;
        rt->target.agent_percent = before->target.agent_percent;
        rt->target.inflight_most = before->target.inflight_most;
        rt->target.is_agent_silent = before->target.is_agent_silent;
        rt->target.agent_asks_count = before->target.agent_asks_count;
        rt->target.agent_misses_count = before->target.agent_misses_count;
    } else {
        forget(rt);
    }
    timer_init(&rt->agent.next, on_next);
}

void registry__agent_stop(struct registry_target *rt)
{
    timer_clear(&rt->agent.next);
    agent_ask_cancel(rt->agent.ask);
    rt->agent.ask = NULL;
}

void registry__agent_arm(struct registry_target *rt)
{
    const struct registry_service *service = rt->service;
    uint64_t spread_ns = service->agents.settings.every_ns;
    registry__agent_stop(rt);
    if (!rt->registry->started || !asks_agents(service))
        return;
    if (spread_ns > SPREAD_MS * NS_PER_MS)
        spread_ns = SPREAD_MS * NS_PER_MS;
    ask_in(rt, service->targets_count <= FEW_TARGETS
                   ? 0
                   : random_next(&rt->registry->random) % spread_ns);
}

void registry__agent_arm_all(struct registry_service *service)
{
    for (size_t i = 0; i < service->targets_count; i++)
        registry__agent_arm(service->targets[i]);
}

void registry__agents_take(struct registry_service *service, const struct agent_settings *settings)
{
    static const struct agent_settings none = {.send = ""};
    const struct agent_settings *from = settings != NULL ? settings : &none;
    struct registry_agents *agents = &service->agents;
    agents->has_changed =
        agents->settings.port != from->port || agents->settings.every_ns != from->every_ns ||
        agents->settings.timeout_ns != from->timeout_ns || strcmp(agents->send, from->send) != 0;
    agents->settings = *from;
    (void)snprintf(agents->send, sizeof agents->send, "%s", from->send);
    agents->settings.send = NULL; /* the settings' */
}

void registry__agents_took(struct registry_service *service)
{
    if (!service->agents.has_changed)
        return;
    service->agents.has_changed = false;
    for (size_t i = 0; i < service->targets_count; i++) {
        struct registry_target *rt = service->targets[i];
        if (!asks_agents(service)) {
            forget(rt);
            registry__stand(rt);
        }
        registry__agent_arm(rt);
    }
    (void)registry__warm_step(service, service->registry->sources.loop->now_ns);
    registry__publish(service);
}
