/* SPDX-License-Identifier: Apache-2.0 */
/* control/health/check.c - active health checks: when a target is asked, what its answer means.
 *
 * A target is asked at once when it comes, then every interval, give or take the jitter. So many
 * passes or failures in a row change its standing; the very first verdict does so alone, since
 * nothing else is known. What could not be asked (no descriptor, no memory) is no verdict. */
#include "control/check/probe.h"
#include "control/health/health.h"
#include "control/members.h"

#include "core/mem.h"
#include "core/units.h"

#include <stdio.h>
#include <string.h>

enum {
    PROBES_MAX = 128, /* at once, in all; the others wait their turn */
    CROWD_WAIT_MS = 20,
    FIRST_SPREAD_MS = 1000, /* the first checks of many targets */
    FEW_TARGETS = 16,       /* so many are asked at once */
};

const struct config_choice health_checks[] = {HEALTH_CHECKS(CONFIG_WORD){.name = NULL}};

/* --- settings -------------------------------------------------------------------------------- */

static const char *keep(char **room, const char *text)
{
    const size_t bytes = strlen(text) + 1;
    char *at = *room;
    memcpy(at, text, bytes);
    *room += bytes;
    return at;
}

struct registry_health *registry__health_copy(const struct health_settings *settings)
{
    static const struct health_settings none = {
        .path = "/", .host = "", .status = "200-399", .body = ""};
    const struct health_settings *from = settings != NULL ? settings : &none;
    struct registry_health *health =
        mem_alloc(sizeof *health + strlen(from->path) + strlen(from->host) + strlen(from->status) +
                  strlen(from->body) + 4);
    if (health == NULL)
        return NULL;
    char *room = health->texts;
    health->settings = *from;
    health->settings.path = keep(&room, from->path);
    health->settings.host = keep(&room, from->host);
    health->settings.status = keep(&room, from->status);
    health->settings.body = keep(&room, from->body);
    if (!config_statuses_read(&health->statuses, from->status))
        health->statuses = (struct config_statuses){0}; /* settings were checked; nothing passes */
    return health;
}

static bool is_same(const struct health_settings *one, const struct health_settings *other)
{
    return one->check == other->check && one->interval_ns == other->interval_ns &&
           one->timeout_ns == other->timeout_ns && one->rise == other->rise &&
           one->fall == other->fall && one->jitter == other->jitter && one->panic == other->panic &&
           strcmp(one->path, other->path) == 0 && strcmp(one->host, other->host) == 0 &&
           strcmp(one->status, other->status) == 0 && strcmp(one->body, other->body) == 0;
}

/* --- asking ---------------------------------------------------------------------------------- */

static void on_judged(void *self, const char *why);
static void on_ended(void *owner);

static void ask_in(struct registry_target *rt, uint64_t wait_ns)
{
    struct loop *loop = rt->registry->sources.loop;
    timer_set(&loop->timers, &rt->check.next, loop->now_ns + wait_ns);
}

/* An interval from when the last check began, not from when it ended. */
static void ask_again(struct registry_target *rt)
{
    const struct health_settings *settings = &rt->service->health->settings;
    struct registry *registry = rt->registry;
    const uint64_t most_ns = settings->interval_ns / 100 * settings->jitter;
    const uint64_t draw_ns = random_next(&registry->random) % (2 * most_ns + 1);
    const uint64_t at_ns = rt->check.began_ns + settings->interval_ns - most_ns + draw_ns;
    const uint64_t now_ns = registry->sources.loop->now_ns;
    ask_in(rt, at_ns > now_ns ? at_ns - now_ns : 0);
}

static void ask(struct registry_target *rt)
{
    const struct registry_health *health = rt->service->health;
    const struct target *target = &rt->target;
    const bool is_unix = target->address.ss_family == AF_UNIX;
    const struct probe_question question = {
        .loop = rt->registry->sources.loop,
        .address = (const struct sockaddr *)&target->address,
        .address_bytes = target->address_bytes,
        .timeout_ns = health->settings.timeout_ns,
        .is_http = health->settings.check == HEALTH_CHECK_HTTP,
        .path = health->settings.path,
        .host = health->settings.host[0] != '\0' || is_unix ? health->settings.host : target->name,
        .body = health->settings.body,
        .statuses = health->statuses,
        .judged = on_judged,
        .ended = on_ended,
        .self = rt,
        .owner = rt->registry,
    };
    rt->check.began_ns = rt->registry->sources.loop->now_ns;
    rt->check.probe = probe_start(&question);
    if (rt->check.probe != NULL)
        rt->registry->probes_count++;
    else
        ask_again(rt);
}

static void on_next(struct timer *timer)
{
    struct registry_target *rt = list_item(timer, struct registry_target, check.next);
    if (rt->service == NULL || rt->registry->stopping || rt->check.probe != NULL)
        return;
    if (rt->registry->probes_count >= PROBES_MAX)
        ask_in(rt, CROWD_WAIT_MS * NS_PER_MS);
    else
        ask(rt);
}

static void on_ended(void *owner)
{
    struct registry *registry = owner;
    registry->probes_count--;
    registry__stopped_if_done(registry);
}

/* --- judging --------------------------------------------------------------------------------- */

static void fall(struct registry_target *rt)
{
    struct registry_service *service = rt->service;
    rt->check.is_down = true;
    registry__stand(rt);
    registry__publish(service);
    registry__tell(rt->registry, REGISTRY_TELL_TROUBLE, "%s: %s is down: health check: %s",
                   service->service.name, rt->target.name, rt->check.why);
    registry__tell_if_none(service);
}

static void rise(struct registry_target *rt)
{
    rt->check.is_down = false;
    registry__warm_start(rt);
    registry__stand(rt);
    registry__publish(rt->service);
    registry__tell(rt->registry, REGISTRY_TELL_CHANGE, "%s: %s is up again: its health checks pass",
                   rt->service->service.name, rt->target.name);
}

static void count_failure(struct registry_target *rt, const char *why)
{
    struct registry_check *check = &rt->check;
    const uint32_t enough = check->is_known ? rt->service->health->settings.fall : 1;
    rt->target.check_failures_count++;
    check->passes_count = 0;
    (void)snprintf(check->why, sizeof check->why, "%s", why);
    if (check->is_down)
        registry__stand(rt); /* the newest reason */
    else if (++check->failures_count >= enough)
        fall(rt);
}

static void count_pass(struct registry_target *rt)
{
    struct registry_check *check = &rt->check;
    check->failures_count = 0;
    registry__outlier_passed(rt);
    registry__health_try(rt); /* it can be connected to, so its pause need not last */
    if (check->is_down && ++check->passes_count >= rt->service->health->settings.rise)
        rise(rt);
}

static void on_judged(void *self, const char *why)
{
    struct registry_target *rt = self;
    rt->check.probe = NULL;
    rt->target.checks_count++;
    if (why != NULL)
        count_failure(rt, why);
    else
        count_pass(rt);
    rt->check.is_known = true;
    ask_again(rt);
}

/* --- life ------------------------------------------------------------------------------------ */

void registry__check_init(struct registry_target *rt, const struct registry_target *before)
{
    timer_init(&rt->check.next, on_next);
    if (before == NULL)
        return;
    rt->check.is_known = before->check.is_known;
    rt->check.is_down = before->check.is_down;
    rt->check.passes_count = before->check.passes_count;
    rt->check.failures_count = before->check.failures_count;
    memcpy(rt->check.why, before->check.why, sizeof rt->check.why);
    rt->target.checks_count = before->target.checks_count;
    rt->target.check_failures_count = before->target.check_failures_count;
}

void registry__check_stop(struct registry_target *rt)
{
    timer_clear(&rt->check.next);
    probe_cancel(rt->check.probe);
    rt->check.probe = NULL;
}

void registry__check_arm(struct registry_target *rt)
{
    const struct registry_service *service = rt->service;
    uint64_t spread_ns = service->health->settings.interval_ns;
    registry__check_stop(rt);
    if (!rt->registry->started || service->health->settings.check == HEALTH_CHECK_NONE)
        return;
    if (spread_ns > FIRST_SPREAD_MS * NS_PER_MS)
        spread_ns = FIRST_SPREAD_MS * NS_PER_MS;
    ask_in(rt, service->targets_count <= FEW_TARGETS
                   ? 0
                   : random_next(&rt->registry->random) % spread_ns);
}

void registry__check_arm_all(struct registry_service *service)
{
    for (size_t i = 0; i < service->targets_count; i++)
        registry__check_arm(service->targets[i]);
}

void registry__health_take(struct registry_service *service, struct registry_health *health)
{
    struct registry_health *old = service->health;
    service->health = health;
    service->checks_changed = old == NULL || !is_same(&old->settings, &health->settings);
    mem_free(old);
}

void registry__health_took(struct registry_service *service)
{
    if (!service->checks_changed)
        return;
    service->checks_changed = false;
    for (size_t i = 0; i < service->targets_count; i++) {
        struct registry_target *rt = service->targets[i];
        if (service->health->settings.check == HEALTH_CHECK_NONE) {
            rt->check.is_down = rt->check.is_known = false;
            rt->check.failures_count = rt->check.passes_count = 0;
            registry__stand(rt);
        }
        registry__check_arm(rt);
    }
    registry__publish(service);
}
