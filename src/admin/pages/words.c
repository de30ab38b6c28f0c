/* SPDX-License-Identifier: Apache-2.0 */
/* admin/pages/words.c - numbers and states as people read them, and the sentence on top. */
#include "admin/pages/pages.h"

#include "core/units.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

enum {
    ERROR_SHARE_WORN_PERMILLE = 10, /* from here on the sentence speaks of errors */
};

/* --- numbers -------------------------------------------------------------------------------- */

void pages_write_span(char out[32], uint64_t ns)
{
    const unsigned long long s = ns / NS_PER_S;
    if (ns < NS_PER_S)
        snprintf(out, 32, "%llu ms", (unsigned long long)(ns / NS_PER_MS));
    else if (ns < 10 * NS_PER_S)
        snprintf(out, 32, "%.1f s", (double)ns / 1e9);
    else if (s < 120)
        snprintf(out, 32, "%llu s", s);
    else if (s < 7200)
        snprintf(out, 32, "%llu min", s / 60);
    else if (s < 172800)
        snprintf(out, 32, "%llu h %llu min", s / 3600, s % 3600 / 60);
    else
        snprintf(out, 32, "%llu days", s / 86400);
}

void pages_write_count(char out[32], uint64_t count)
{
    char digits[24];
    const int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    char *at = out;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *at++ = ',';
        *at++ = digits[i];
    }
    *at = '\0';
}

void pages_write_latency(char out[32], uint64_t us)
{
    if (us == 0)
        snprintf(out, 32, "-");
    else if (us < 10000)
        snprintf(out, 32, "%.2f ms", (double)us / 1e3);
    else if (us < 1000000)
        snprintf(out, 32, "%.0f ms", (double)us / 1e3);
    else
        snprintf(out, 32, "%.2f s", (double)us / 1e6);
}

void pages_write_time(char out[32], uint64_t wall_ns)
{
    const time_t time = (time_t)(wall_ns / NS_PER_S);
    struct tm utc;
    out[0] = '\0';
    if (wall_ns == 0)
        return;
    gmtime_r(&time, &utc);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

void pages_put_html(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        const unsigned char byte = (unsigned char)*text;
        switch (byte) {
        case '&': fputs("&amp;", out); break;
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '"': fputs("&quot;", out); break;
        case '\'': fputs("&#39;", out); break;
        default:
            if (byte < 0x20 || byte == 0x7f)
                fputs("\xef\xbf\xbd", out);
            else
                fputc(byte, out);
        }
    }
}

/* --- states --------------------------------------------------------------------------------- */

const char *pages_basis(const struct sums *sums)
{
    static const char *const words[] = {
#define X(name, word, gist) word,
        BALANCE_BASES(X)
#undef X
    };
    return sums->balance_basis < sizeof words / sizeof *words ? words[sums->balance_basis] : "";
}

enum target_state pages_state(const struct target *target)
{
    return target_shown_state(target);
}

void pages_tally(const struct pages *pages, const struct service *service,
                 struct pages_tally *tally)
{
    const struct admin_sources *sources = pages->sources;
    const struct target *target;
    *tally = (struct pages_tally){0};
    for (size_t i = 0; (target = sources->target_at(sources->self, service, i)) != NULL; i++) {
        tally->targets++;
        tally->inflight += atomic_load_explicit(&target->inflight, memory_order_relaxed);
        const enum target_state state = pages_state(target);
        if (state == TARGET_UP || target->takes_anyway)
            tally->taking++;
        tally->anyway += target->takes_anyway;
        tally->paused += state != TARGET_UP && state != TARGET_DRAINING;
    }
}

/* --- the sentence --------------------------------------------------------------------------- */

/* What was found so far; the worst is said. */
struct judgement {
    const struct pages   *pages;
    struct pages_verdict *verdict;
    unsigned              services, targets, taking;
    double                rate;
    uint64_t              p99_us; /* of the slowest service */
    uint64_t              requests_minute, errors_minute;
};

static bool is_worse(const struct judgement *j, enum pages_tone tone)
{
    return j->verdict->sentence[0] == '\0' || tone > j->verdict->tone;
}

static const struct target *first_down(const struct pages *pages, const struct service *service)
{
    const struct admin_sources *sources = pages->sources;
    const struct target *target, *drained = NULL;
    for (size_t i = 0; (target = sources->target_at(sources->self, service, i)) != NULL; i++) {
        if (pages_state(target) == TARGET_DRAINING)
            drained = target;
        else if (pages_state(target) != TARGET_UP)
            return target;
    }
    return drained;
}

static const char *reason_of(const struct target *target)
{
    const char *reason = target_shown_reason(target);
    return reason != NULL ? reason : "it cannot be reached";
}

static void say_no_target(struct judgement *j, const struct admin_service *service)
{
    const struct target *down = first_down(j->pages, service->service);
    struct pages_verdict *v = j->verdict;
    if (!is_worse(j, PAGES_TONE_BAD))
        return;
    v->tone = PAGES_TONE_BAD;
    if (down == NULL) {
        snprintf(v->sentence, sizeof v->sentence,
                 "%s has no target, so its requests are answered with 503: %s.",
                 service->service->name,
                 service->trouble != NULL ? service->trouble : "none is configured");
        snprintf(v->advice, sizeof v->advice,
                 "Ask for the name yourself: getent ahosts NAME. Or correct the file; then type: "
                 "pando reload");
        return;
    }
    snprintf(v->sentence, sizeof v->sentence,
             "%s has no target that takes requests, so they are answered with 503. %s: %s.",
             service->service->name, down->name, reason_of(down));
    snprintf(v->advice, sizeof v->advice,
             "See whether the server runs and listens. On its machine type: ss -ltn");
}

static void say_some_down(struct judgement *j, const struct admin_service *service,
                          const struct pages_tally *tally)
{
    const struct target *down = first_down(j->pages, service->service);
    struct pages_verdict *v = j->verdict;
    if (down == NULL || !is_worse(j, PAGES_TONE_WORN))
        return;
    const uint64_t retry_ns = atomic_load_explicit(&down->retry_at_ns, memory_order_relaxed);
    char again[64] = "";
    if (retry_ns > j->pages->now_ns) {
        char span[32];
        pages_write_span(span, retry_ns - j->pages->now_ns);
        snprintf(again, sizeof again, "; tried again in %s", span);
    }
    v->tone = PAGES_TONE_WORN;
    snprintf(v->sentence, sizeof v->sentence, "%s: %u of %u targets up. %s is passed over: %s%s.",
             service->service->name, tally->taking, tally->targets, down->name, reason_of(down),
             again);
    snprintf(v->advice, sizeof v->advice, "%s",
             pages_state(down) == TARGET_EJECTED || pages_state(down) == TARGET_OPEN
                 ? "See what it answers. Type: pando tap --status 5xx"
                 : "See whether the server runs and listens. On its machine type: ss -ltn");
}

static void say_errors(struct judgement *j, const struct admin_service *service,
                       const struct figures *figures)
{
    struct pages_verdict *v = j->verdict;
    if (figures->errors_minute * 1000 < figures->requests_minute * ERROR_SHARE_WORN_PERMILLE ||
        figures->errors_minute == 0 || !is_worse(j, PAGES_TONE_WORN))
        return;
    v->tone = PAGES_TONE_WORN;
    snprintf(v->sentence, sizeof v->sentence,
             "%s: %.1f %% of the last minute's requests were answered with an error (5xx).",
             service->service->name,
             100.0 * (double)figures->errors_minute / (double)figures->requests_minute);
    snprintf(v->advice, sizeof v->advice, "See which, and why. Type: pando tap --status 5xx");
}

static void say_trouble(struct judgement *j, const struct admin_service *service)
{
    struct pages_verdict *v = j->verdict;
    if (service->trouble == NULL || !is_worse(j, PAGES_TONE_WORN))
        return;
    v->tone = PAGES_TONE_WORN;
    snprintf(v->sentence, sizeof v->sentence, "%s: %s.", service->service->name, service->trouble);
}

static void say_circuit(struct judgement *j, const struct admin_service *service)
{
    const struct admin_circuit *circuit = &service->circuit;
    struct pages_verdict *v = j->verdict;
    const enum pages_tone tone = circuit->is_open ? PAGES_TONE_BAD : PAGES_TONE_WORN;
    char again[64] = "";
    if (circuit->state == NULL || circuit->is_closed || !is_worse(j, tone))
        return;
    if (circuit->until_ns > j->pages->now_ns) {
        char span[32];
        pages_write_span(span, circuit->until_ns - j->pages->now_ns);
        snprintf(again, sizeof again, "; it is tried again in %s", span);
    }
    v->tone = tone;
    snprintf(v->sentence, sizeof v->sentence, "The circuit breaker of %s is %s: %s%s.",
             service->service->name, circuit->state, circuit->reason, again);
    snprintf(v->advice, sizeof v->advice,
             "See what its servers answered. Type: pando tap --status 5xx");
}

static void judge_service(struct judgement *j, const struct admin_service *service)
{
    struct pages_tally tally;
    struct sums sums;
    struct figures figures;
    pages_tally(j->pages, service->service, &tally);
    sums_of_service(&sums, service->service);
    history_figures(j->pages->history, service->service, &sums, &figures);
    j->services++;
    j->targets += tally.targets;
    j->taking += tally.taking;
    j->rate += figures.requests_per_second;
    j->requests_minute += figures.requests_minute;
    j->errors_minute += figures.errors_minute;
    if (figures.p99_us > j->p99_us)
        j->p99_us = figures.p99_us;
    say_circuit(j, service);
    if (tally.taking == 0)
        say_no_target(j, service);
    else if (tally.anyway > 0)
        say_trouble(j, service);
    else if (tally.paused > 0)
        say_some_down(j, service, &tally);
    say_errors(j, service, &figures);
    say_trouble(j, service);
}

/* The process' own state comes before anything that a service may have. */
static void say_process(struct judgement *j)
{
    const struct admin_facts *facts = j->pages->sources->facts;
    struct pages_verdict *v = j->verdict;
    if (facts->is_stopping) {
        v->tone = PAGES_TONE_BAD;
        snprintf(v->sentence, sizeof v->sentence,
                 "Stopping: nothing new is accepted, requests in progress are finished.");
    } else if (facts->reload_wall_ns != 0 && !facts->is_reload_ok) {
        v->tone = PAGES_TONE_WORN;
        snprintf(v->sentence, sizeof v->sentence,
                 "The last reload was refused; the settings of before hold. %s",
                 facts->reload_message != NULL ? facts->reload_message : "");
        snprintf(v->advice, sizeof v->advice, "See what is wrong. Type: pando check %s",
                 facts->config_file != NULL ? facts->config_file : "");
    } else if (!facts->is_ready) {
        v->tone = PAGES_TONE_WORN;
        snprintf(v->sentence, sizeof v->sentence, "Not ready: %s.",
                 facts->unready_reason != NULL ? facts->unready_reason : "starting");
    }
}

static void say_healthy(struct judgement *j)
{
    struct pages_verdict *v = j->verdict;
    char rate[32], latency[32];
    unsigned keyspaces;
    uint64_t keys;
    pages_write_count(rate, (uint64_t)(j->rate + 0.5));
    pages_write_latency(latency, j->p99_us);
    v->tone = PAGES_TONE_GOOD;
    if (j->services == 0 && pages_sum_keyspaces(j->pages, &keyspaces, &keys)) {
        snprintf(v->sentence, sizeof v->sentence, "Healthy. %u keyspace%s with %" PRIu64 " key%s.",
                 keyspaces, keyspaces == 1 ? "" : "s", keys, keys == 1 ? "" : "s");
    } else if (j->services == 0) {
        snprintf(v->sentence, sizeof v->sentence,
                 "Running, but no service is configured: every request is answered with 404.");
        snprintf(v->advice, sizeof v->advice, "Type: pando run --to localhost:3000");
    } else if (j->requests_minute == 0) {
        snprintf(v->sentence, sizeof v->sentence,
                 "Healthy. %u of %u targets up; no requests in the last minute.", j->taking,
                 j->targets);
    } else {
        snprintf(v->sentence, sizeof v->sentence,
                 "Healthy. %u of %u targets up, %s requests/s, p99 %s, %.2f %% errors.", j->taking,
                 j->targets, rate, latency,
                 100.0 * (double)j->errors_minute / (double)j->requests_minute);
    }
}

void pages_judge(const struct pages *pages, struct pages_verdict *verdict)
{
    const struct admin_sources *sources = pages->sources;
    struct judgement j = {.pages = pages, .verdict = verdict};
    struct admin_service service;
    *verdict = (struct pages_verdict){0};
    say_process(&j);
    for (size_t i = 0; sources->service_at(sources->self, i, &service); i++)
        judge_service(&j, &service);
    if (verdict->sentence[0] == '\0')
        say_healthy(&j);
}
