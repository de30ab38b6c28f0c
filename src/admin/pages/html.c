/* SPDX-License-Identifier: Apache-2.0 */
/* admin/pages/html.c - the status page: plain HTML, no script, one screen.
 *
 * On top one sentence that says how it goes, then services with their targets, then listeners
 * and the process, then what happened last. A state is a word and a shape, never a colour alone.
 * Everything that is not written here is escaped. */
#include "admin/pages/pages.h"

#include "core/units.h"

#include <string.h>

enum {
    REFRESH_S = 5,
    EVENTS_SHOWN = 12,
};

const char pages_style[] =
    ":root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--line:#d8dee6;--page:#f6f8fa;"
    "--card:#fff;--good:#0b6b3a;--worn:#8a5200;--bad:#b3101c}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#98a3b3;--line:#2f3947;"
    "--page:#12161c;--card:#1a2029;--good:#58d18c;--worn:#f0b450;--bad:#ff7b7b}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;padding:16px 24px;background:var(--page);color:var(--ink);"
    "font:14px/1.45 system-ui,sans-serif}\n"
    "main{max-width:1240px;margin:0 auto}\n"
    "header{display:flex;gap:16px;align-items:baseline;flex-wrap:wrap;margin-bottom:8px}\n"
    "h1{font-size:18px;margin:0}\n"
    "h2{font-size:15px;margin:0}\n"
    "h3{font-size:14px;font-weight:500;margin:0}\n"
    "header p,.soft{color:var(--soft);margin:0}\n"
    "a{color:inherit}\n"
    "section{background:var(--card);border:1px solid var(--line);border-radius:6px;"
    "padding:10px 14px;margin:0 0 12px}\n"
    ".verdict{border-left-width:6px;font-size:17px}\n"
    ".verdict p{margin:0}\n"
    ".verdict .advice{font-size:14px;margin-top:4px;color:var(--ink)}\n"
    ".verdict.good{border-left-color:var(--good)}.verdict.good strong{color:var(--good)}\n"
    ".verdict.worn{border-left-color:var(--worn)}.verdict.worn strong{color:var(--worn)}\n"
    ".verdict.bad{border-left-color:var(--bad)}.verdict.bad p{color:var(--bad)}"
    ".verdict.bad .advice{color:var(--ink)}\n"
    ".head{display:flex;gap:20px;align-items:baseline;flex-wrap:wrap;margin-bottom:4px}\n"
    ".cache{gap:4px 20px}.full{vertical-align:baseline}.full .room{opacity:.15}\n"
    ".head b{font-variant-numeric:tabular-nums}\n"
    "table{width:100%;border-collapse:collapse}\n"
    "th{font-weight:500;color:var(--soft);text-align:left;font-size:12px}\n"
    "th,td{padding:3px 10px 3px 0;border-top:1px solid var(--line);vertical-align:top}\n"
    "th.t{width:180px}th.z{width:80px}th.n{width:70px}\n"
    "th.n,td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\n"
    "td.name{font-family:ui-monospace,monospace;font-size:13px}\n"
    ".up{color:var(--good)}.trial,.draining{color:var(--worn)}\n"
    ".paused,.gone,.down,.ejected,.open{color:var(--bad)}\n"
    ".error{color:var(--bad)}.warning{color:var(--worn)}\n"
    "svg{vertical-align:middle}svg rect{fill:currentColor;opacity:.55}\n"
    ".pair{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,2fr);gap:12px}\n"
    "@media(max-width:800px){.pair{display:block}}\n"
    "td.at{white-space:nowrap;color:var(--soft)}td.text{overflow-wrap:anywhere}\n";

/* --- pieces --------------------------------------------------------------------------------- */

static void put_cell(FILE *out, const char *text)
{
    fputs("<td class=n>", out);
    pages_put_html(out, text);
    fputs("</td>", out);
}

static void put_count_cell(FILE *out, uint64_t count)
{
    char text[32];
    pages_write_count(text, count);
    put_cell(out, text);
}

static void put_latency_cell(FILE *out, uint64_t us)
{
    char text[32];
    pages_write_latency(text, us);
    put_cell(out, text);
}

static void put_rate_cell(FILE *out, double rate)
{
    char text[32];
    if (rate < 10 && rate > 0)
        snprintf(text, sizeof text, "%.1f", rate);
    else
        pages_write_count(text, (uint64_t)(rate + 0.5));
    put_cell(out, text);
}

/* A bar for each of the last 60 seconds. Drawn with attributes alone: the policy allows no
 * inline style. */
static void put_bars(FILE *out, const struct figures *figures)
{
    enum { BAR = 3, HEIGHT = 24 };
    uint32_t most = 1;
    for (unsigned i = 0; i < figures->seconds_count; i++)
        most = figures->rates[i] > most ? figures->rates[i] : most;
    fprintf(
        out,
        "<svg width=%d height=%d role=img aria-label=\"requests in each of the last %u seconds, "
        "at most %u\">",
        HISTORY_SECONDS * BAR, HEIGHT, figures->seconds_count, most);
    for (unsigned i = 0; i < figures->seconds_count; i++) {
        const unsigned height =
            (unsigned)(((uint64_t)figures->rates[i] * HEIGHT + most - 1) / most);
        const unsigned x = (HISTORY_SECONDS - figures->seconds_count + i) * BAR;
        if (height > 0)
            fprintf(out, "<rect x=%u y=%u width=%d height=%u />", x, HEIGHT - height, BAR - 1,
                    height);
    }
    fputs("</svg>", out);
}

/* --- targets -------------------------------------------------------------------------------- */

/* A shape for each state, for those who do not see its colour. */
static const char *const shapes[TARGET_STATES_COUNT] = {
    [TARGET_UP] = "&#9679;",                                     /* a full circle */
    [TARGET_PAUSED] = "&#10005;",                                /* a cross */
    [TARGET_TRIAL] = "&#9680;",                                  /* a half circle */
    [TARGET_GONE] = "&#9675;",                                   /* an empty circle */
    [TARGET_DRAINING] = "&#9660;",                               /* a triangle that points down */
    [TARGET_OPEN] = "&#8856;",                                   /* a circle with a stroke */
    [TARGET_DOWN] = "&#10005;",    [TARGET_EJECTED] = "&#8856;", /* a circle with a stroke */
};

static void put_state(const struct pages *pages, const struct target *target, FILE *out)
{
    const enum target_state state = pages_state(target);
    const char *reason = target_shown_reason(target);
    const uint64_t retry_ns = atomic_load_explicit(&target->retry_at_ns, memory_order_relaxed);
    const char *word = target_state_word(state);
    fprintf(out, "<td><span class=%s>%s %s</span>", word, shapes[state], word);
    if (reason != NULL) {
        fputs(": ", out);
        pages_put_html(out, reason);
    }
    if ((state == TARGET_PAUSED || state == TARGET_OPEN) && retry_ns > pages->now_ns) {
        char span[32];
        pages_write_span(span, retry_ns - pages->now_ns);
        fprintf(out, "; tried again in %s", span);
    }
    fputs("</td>", out);
}

static void put_target(const struct pages *pages, const struct target *target, FILE *out)
{
    struct sums sums;
    struct figures figures;
    sums_of_target(&sums, target);
    history_figures(pages->history, target->rows, &sums, &figures);
    fputs("<tr><td class=name>", out);
    pages_put_html(out, target->name);
    fputs("</td>", out);
    put_state(pages, target, out);
    fputs("<td>", out);
    pages_put_html(out, target->zone);
    fputs("</td>", out);
    put_count_cell(out, target->weight_said);
    put_count_cell(out, atomic_load_explicit(&target->inflight, memory_order_relaxed));
    put_rate_cell(out, figures.requests_per_second);
    put_latency_cell(out, figures.p50_us);
    put_latency_cell(out, figures.p99_us);
    put_count_cell(out, sums.requests);
    put_count_cell(out, sums.errors);
    put_count_cell(out, sums.open);
    put_count_cell(out, sums.idle);
    fputs("</tr>\n", out);
}

/* --- services ------------------------------------------------------------------------------- */

static void put_error_share(FILE *out, const struct figures *figures)
{
    const double share = figures->requests_minute == 0 ? 0
                                                       : 100.0 * (double)figures->errors_minute /
                                                             (double)figures->requests_minute;
    fprintf(out, "<span>errors <b%s>%.2f %%</b></span>",
            figures->errors_minute > 0 ? " class=error" : "", share);
}

static void put_up(FILE *out, const struct pages_tally *tally)
{
    const bool all_up = tally->paused == 0 && tally->targets > 0;
    const char *word = all_up ? "up" : tally->taking > 0 ? "trial" : "paused";
    fprintf(out, "<span class=%s>%s %u of %u up</span>", word,
            shapes[all_up ? TARGET_UP : TARGET_PAUSED], tally->taking, tally->targets);
}

static void put_head_figures(FILE *out, const struct sums *sums, const struct figures *figures,
                             uint64_t inflight)
{
    char p50[32], p99[32], rate[32], retries[32];
    pages_write_latency(p50, figures->p50_us);
    pages_write_latency(p99, figures->p99_us);
    pages_write_count(rate, (uint64_t)(figures->requests_per_second + 0.5));
    pages_write_count(retries, sums->retries);
    fprintf(out, "<span><b>%s</b> requests/s</span>", rate);
    put_bars(out, figures);
    fprintf(out, "<span><b>%llu</b> in flight</span>", (unsigned long long)inflight);
    put_error_share(out, figures);
    fprintf(out,
            "<span>p50 <b>%s</b></span><span>p99 <b>%s</b></span><span>retries <b>%s</b></span>",
            p50, p99, retries);
}

/* Only where there is a limit on concurrency. */
static void put_load(FILE *out, const struct service_load *load)
{
    char limit[32], waiting[32];
    uint64_t count = 0;
    if (load->limit_word == NULL)
        return;
    for (int i = 0; i < PRIORITIES_COUNT; i++)
        count += load->waiting[i];
    pages_write_count(limit, load->limit);
    pages_write_count(waiting, count);
    fprintf(out, "<span>limit <b>%s</b> (%s)</span><span>waiting <b>%s</b></span>",
            load->limit == 0 ? "none" : limit, load->limit_word, waiting);
}

static uint64_t shed_of(const struct sums *sums)
{
    return sums->shed_full + sums->shed_displaced + sums->shed_deadline + sums->shed_waited;
}

/* Said only where it happens. */
static void put_limits(FILE *out, const struct sums *sums)
{
    char limited[32];
    pages_write_count(limited, sums->rate_limited);
    if (sums->rate_limited > 0)
        fprintf(out, "<span>over rate <b>%s</b></span>", limited);
    pages_write_count(limited, sums->breaker_refused);
    if (sums->breaker_refused > 0)
        fprintf(out, "<span>refused by its breaker <b>%s</b></span>", limited);
    pages_write_count(limited, shed_of(sums));
    if (shed_of(sums) > 0)
        fprintf(out, "<span>shed <b>%s</b></span>", limited);
}

/* A circuit breaker that is closed says nothing. */
static void put_circuit(const struct pages *pages, const struct admin_circuit *circuit, FILE *out)
{
    char span[32];
    if (circuit->state == NULL || circuit->is_closed)
        return;
    fprintf(out, "<p class=%s>circuit breaker <b>%s</b>: ", circuit->is_open ? "error" : "warning",
            circuit->state);
    pages_put_html(out, circuit->reason);
    if (circuit->until_ns > pages->now_ns) {
        pages_write_span(span, circuit->until_ns - pages->now_ns);
        fprintf(out, "; tried again in %s", span);
    } else if (!circuit->is_open) {
        fprintf(out, "; %u trials left", circuit->trials_left);
    }
    fputs("</p>\n", out);
}

static void put_service_head(const struct pages *pages, const struct admin_service *service,
                             FILE *out)
{
    struct pages_tally tally;
    struct sums sums;
    struct figures figures;
    pages_tally(pages, service->service, &tally);
    sums_of_service(&sums, service->service);
    history_figures(pages->history, service->service, &sums, &figures);
    fputs("<section><div class=head><h2>", out);
    pages_put_html(out, service->service->name);
    fputs("</h2>", out);
    put_up(out, &tally);
    fputs("<span class=soft>", out);
    pages_put_html(out, service->balance);
    if (sums.balance_basis != BALANCE_BY_NOTHING)
        fprintf(out, " by %s", pages_basis(&sums));
    fputs("</span>", out);
    put_head_figures(out, &sums, &figures, tally.inflight);
    put_load(out, &service->load);
    put_limits(out, &sums);
    fputs("</div>\n", out);
    pages_put_cache(pages, service->service, out);
    put_circuit(pages, &service->circuit, out);
    if (service->trouble != NULL) {
        fputs("<p class=warning>", out);
        pages_put_html(out, service->trouble);
        fputs("</p>\n", out);
    }
}

static void put_service(const struct pages *pages, const struct admin_service *service, FILE *out)
{
    const struct admin_sources *sources = pages->sources;
    const struct target *target;
    put_service_head(pages, service, out);
    fputs("<table><thead><tr><th class=t>target<th>state<th class=z>zone<th class=n>weight"
          "<th class=n>in flight<th class=n>requests/s<th class=n>p50<th class=n>p99"
          "<th class=n>requests<th class=n>failures<th class=n>connections<th class=n>idle"
          "</tr></thead><tbody>\n",
          out);
    for (size_t i = 0; (target = sources->target_at(sources->self, service->service, i)) != NULL;
         i++)
        put_target(pages, target, out);
    fputs("</tbody></table></section>\n", out);
}

/* --- the rest of the page ------------------------------------------------------------------- */

static void put_listeners(const struct pages *pages, FILE *out)
{
    const struct admin_sources *sources = pages->sources;
    struct admin_listener listener;
    fputs("<section><h2>Listeners</h2><table><thead><tr><th>name<th>address<th>speaks"
          "<th class=n>connections</tr></thead><tbody>\n",
          out);
    for (size_t i = 0; sources->listener_at(sources->self, i, &listener); i++) {
        fputs("<tr><td>", out);
        pages_put_html(out, listener.name);
        fputs("</td><td class=name>", out);
        pages_put_html(out, listener.address);
        fputs("</td><td>", out);
        pages_put_html(out, listener.dialect);
        fputs("</td>", out);
        put_count_cell(out, listener.connections);
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table></section>\n", out);
}

static void put_events(const struct pages *pages, FILE *out)
{
    static const char *const classes[] = {[LOG_LEVEL_ERROR] = "error",
                                          [LOG_LEVEL_WARNING] = "warning",
                                          [LOG_LEVEL_INFO] = "info",
                                          [LOG_LEVEL_DEBUG] = "info"};
    struct event kept[EVENTS_SHOWN];
    const size_t count = events_copy(pages->sources->events, kept, EVENTS_SHOWN);
    fputs("<section><h2>Events</h2><table><tbody>\n", out);
    for (size_t i = 0; i < count; i++) {
        char span[32], time[32];
        pages_write_time(time, kept[i].wall_ns);
        pages_write_span(span,
                         pages->wall_ns > kept[i].wall_ns ? pages->wall_ns - kept[i].wall_ns : 0);
        fprintf(out,
                "<tr><td class=at><time datetime=\"%s\" title=\"%s\">%s ago</time></td>"
                "<td class=\"text %s\">",
                time, time, span, classes[kept[i].level]);
        pages_put_html(out, kept[i].text);
        fputs("</td></tr>\n", out);
    }
    if (count == 0)
        fputs("<tr><td class=soft>nothing yet</td></tr>\n", out);
    fputs("</tbody></table></section>\n", out);
}

static void put_config(const struct pages *pages, FILE *out)
{
    const struct admin_facts *facts = pages->sources->facts;
    char span[32];
    fputs("configuration ", out);
    if (facts->config_file != NULL)
        pages_put_html(out, facts->config_file);
    else
        fputs("from flags", out);
    pages_write_span(span, pages->wall_ns > facts->config_loaded_wall_ns
                               ? pages->wall_ns - facts->config_loaded_wall_ns
                               : 0);
    fprintf(out, ", revision %llu, loaded %s ago", (unsigned long long)facts->config_revision,
            span);
}

static void put_header(const struct pages *pages, bool is_still, FILE *out)
{
    const struct admin_sources *sources = pages->sources;
    char uptime[32];
    pages_write_span(uptime, pages->now_ns - sources->started_ns);
    fputs("<header><h1>Pando ", out);
    pages_put_html(out, sources->version);
    fputs("</h1><p>up ", out);
    fprintf(out, "%s, %u worker%s on ", uptime, sources->workers_count,
            sources->workers_count == 1 ? "" : "s");
    pages_put_html(out, sources->io);
    fputs(", ", out);
    put_config(pages, out);
    fputs("</p><p>", out);
    if (is_still)
        fputs("<a href=\"/\">refresh by itself</a>", out);
    else
        fprintf(out, "refreshed every %d s, <a href=\"/?still\">hold still</a>", REFRESH_S);
    fputs("</p></header>\n", out);
}

static void put_verdict(const struct pages *pages, FILE *out)
{
    static const char *const words[] = {"good", "worn", "bad"};
    static const char *const marks[] = {"&#9679; ", "&#9888; ", "&#10005; "};
    struct pages_verdict verdict;
    pages_judge(pages, &verdict);
    fprintf(out, "<section class=\"verdict %s\" role=status><p><strong>%s</strong>",
            words[verdict.tone], marks[verdict.tone]);
    pages_put_html(out, verdict.sentence);
    fputs("</p>", out);
    if (verdict.advice[0] != '\0') {
        fputs("<p class=advice>", out);
        pages_put_html(out, verdict.advice);
        fputs("</p>", out);
    }
    fputs("</section>\n", out);
}

void pages_write_html(const struct pages *pages, bool is_still, FILE *out)
{
    const struct admin_sources *sources = pages->sources;
    struct admin_service service;
    fputs("<!doctype html>\n<html lang=en><head><meta charset=utf-8>"
          "<meta name=viewport content=\"width=device-width\">",
          out);
    if (!is_still)
        fprintf(out, "<meta http-equiv=refresh content=%d>", REFRESH_S);
    fputs("<title>Pando</title><link rel=stylesheet href=\"/style.css\"></head><body><main>\n",
          out);
    put_header(pages, is_still, out);
    put_verdict(pages, out);
    for (size_t i = 0; sources->service_at(sources->self, i, &service); i++)
        put_service(pages, &service, out);
    pages_put_keyspaces(pages, out);
    fputs("<div class=pair>", out);
    put_listeners(pages, out);
    put_events(pages, out);
    fputs("</div><p class=soft>For programs: <a href=\"/metrics\">/metrics</a> "
          "<a href=\"/api/status\">/api/status</a> <a href=\"/healthz\">/healthz</a> "
          "<a href=\"/readyz\">/readyz</a>. Latencies and errors are those of the last minute.</p>"
          "</main></body></html>\n",
          out);
}
