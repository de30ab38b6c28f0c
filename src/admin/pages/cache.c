/* SPDX-License-Identifier: Apache-2.0 */
/* admin/pages/cache.c - what the caches of services do: families of metrics, JSON, a line of the
 * page. */
#include "admin/pages/pages.h"

#include <string.h>

bool pages_cache(const struct pages *pages, const struct service *service,
                 struct admin_cache *cache)
{
    const struct admin_sources *sources = pages->sources;
    return sources->cache_of != NULL && sources->cache_of(sources->self, service, cache);
}

/* --- what follows from the figures ---------------------------------------------------------- */

static double share(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (double)part / (double)whole;
}

void pages_sum_cache(const struct cache_figures *figures, struct pages_cache_sums *sums)
{
    const uint64_t answered = figures->hits + figures->collapsed;
    sums->met = answered + figures->misses;
    sums->hit_share = share(figures->hits, sums->met);
    /* What is fetched behind a client's back is asked of servers all the same. */
    sums->spared = answered > figures->fetches_behind ? answered - figures->fetches_behind : 0;
    sums->spared_share = share(sums->spared, sums->met + figures->passed);
    sums->age_s = figures->hits == 0 ? 0 : (double)figures->hit_age_seconds / (double)figures->hits;
}

/* --- /metrics ------------------------------------------------------------------------------- */

/* A figure of a cache: where it stands in struct admin_cache. */
struct figure {
    const char           *name, *help;
    size_t                offset;
    enum openmetrics_sort sort;
};

static const struct figure figures[] = {
#define X(name, help)                                                                              \
    {"pando_cache_" #name, help, offsetof(struct admin_cache, figures.name), OPENMETRICS_COUNTER},
    CACHE_FIGURES(X)
#undef X
#define X(name, sort, help)                                                                        \
    {"pando_cache_" #name, help, offsetof(struct admin_cache, store.name), OPENMETRICS_##sort},
        STORE_FIGURES(X)
#undef X
#define X(name, sort, help)                                                                        \
    {"pando_cache_disk_" #name, help, offsetof(struct admin_cache, disk.name), OPENMETRICS_##sort},
            DISK_FIGURES(X)
#undef X
};

const char *pages_unit_of(const char *name)
{
    static const char *const units[] = {"bytes", "seconds"};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        const size_t bytes = strlen(units[i]), all = strlen(name);
        if (all > bytes && name[all - bytes - 1] == '_' &&
            strcmp(name + all - bytes, units[i]) == 0)
            return units[i];
    }
    return "";
}

/* Services without a cache have no sample, nor those without a disk of what it did. */
static void put_figure(const struct pages *pages, struct openmetrics *out,
                       const struct figure *figure)
{
    const struct admin_sources *sources = pages->sources;
    struct admin_service service;
    struct admin_cache cache;
    const bool is_of_disk = figure->offset >= offsetof(struct admin_cache, disk);
    openmetrics_family(out, figure->sort, figure->name, pages_unit_of(figure->name), figure->help);
    for (size_t i = 0; sources->service_at(sources->self, i, &service); i++) {
        const struct openmetrics_label label = {"service", service.service->name};
        uint64_t value;
        if (!pages_cache(pages, service.service, &cache) || (is_of_disk && !cache.has_disk))
            continue;
        memcpy(&value, (const char *)&cache + figure->offset, sizeof value);
        if (figure->sort == OPENMETRICS_COUNTER)
            openmetrics_counter(out, &label, 1, value);
        else
            openmetrics_gauge(out, &label, 1, (int64_t)value);
    }
}

void pages_put_cache_families(const struct pages *pages, struct openmetrics *out)
{
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        put_figure(pages, out, &figures[i]);
}

/* --- /api/status ---------------------------------------------------------------------------- */

static void set(json_t *object, const char *name, uint64_t value)
{
    json_object_set_new(object, name, json_integer((json_int_t)value));
}

static json_t *disk_json(const struct admin_cache *cache)
{
    if (!cache->has_disk)
        return json_null();
    json_t *object = json_object();
#define X(name, sort, help) set(object, #name, cache->disk.name);
    DISK_FIGURES(X)
#undef X
    return object;
}

json_t *pages_cache_json(const struct pages *pages, const struct service *service)
{
    struct admin_cache cache;
    struct pages_cache_sums sums;
    if (!pages_cache(pages, service, &cache))
        return json_null();
    pages_sum_cache(&cache.figures, &sums);
    json_t *object = json_pack("{s:s, s:f, s:f, s:f}", "policy", cache.policy, "hit_ratio",
                               sums.hit_share, "spared_ratio", sums.spared_share, "mean_age_s",
                               sums.age_s);
    set(object, "requests", sums.met);
    set(object, "spared_requests", sums.spared);
    set(object, "spared_bytes", cache.figures.hit_bytes);
#define X(name, help) set(object, #name, cache.figures.name);
    CACHE_FIGURES(X)
#undef X
#define X(name, sort, help) set(object, #name, cache.store.name);
    STORE_FIGURES(X)
#undef X
    json_object_set_new(object, "disk", disk_json(&cache));
    return object;
}

/* --- the page ------------------------------------------------------------------------------- */

void pages_write_bytes(char out[32], uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double amount = (double)bytes / 1024;
    size_t unit = 0;
    if (bytes < 1024) {
        snprintf(out, 32, "%u bytes", (unsigned)bytes);
        return;
    }
    for (; amount >= 1023.95 && unit + 1 < sizeof units / sizeof *units; unit++)
        amount /= 1024;
    snprintf(out, 32, amount >= 100 || amount == (double)(uint64_t)amount ? "%.0f %s" : "%.1f %s",
             amount, units[unit]);
}

static void put_count(FILE *out, const char *before, uint64_t count, const char *after)
{
    char text[32];
    pages_write_count(text, count);
    fprintf(out, "<span>%s<b>%s</b>%s</span>", before, text, after);
}

/* How full it is: a bar with its words beside it. */
static void put_fill(FILE *out, uint64_t used_bytes, uint64_t limit_bytes, const char *after)
{
    enum { WIDTH = 60, HEIGHT = 8 };
    char used[32], limit[32];
    const uint64_t full = used_bytes < limit_bytes ? used_bytes : limit_bytes;
    const unsigned width = (unsigned)(share(full, limit_bytes) * WIDTH + 0.5);
    pages_write_bytes(used, used_bytes);
    pages_write_bytes(limit, limit_bytes);
    fprintf(out,
            "<span><svg class=full width=%d height=%d aria-hidden=true><rect class=room width=%d "
            "height=%d /><rect width=%u height=%d /></svg> <b>%s</b> of %s%s</span>",
            WIDTH, HEIGHT, WIDTH, HEIGHT, width, HEIGHT, used, limit, after);
}

void pages_put_cache(const struct pages *pages, const struct service *service, FILE *out)
{
    struct admin_cache cache;
    struct pages_cache_sums sums;
    char bytes[32], spared[32];
    if (!pages_cache(pages, service, &cache))
        return;
    pages_sum_cache(&cache.figures, &sums);
    fputs("<div class=\"head cache\"><h3>cache</h3>", out);
    if (sums.met == 0)
        fputs("<span>no requests yet</span>", out);
    else
        fprintf(out, "<span><b>%.1f %%</b> hits</span>", 100 * sums.hit_share);
    put_fill(out, cache.store.used_bytes, cache.store.limit_bytes, "");
    put_count(out, "", cache.store.entries, cache.store.entries == 1 ? " entry" : " entries");
    if (cache.has_disk) {
        put_fill(out, cache.disk.used_bytes, cache.disk.limit_bytes, " on disk");
        put_count(out, "", cache.disk.objects, cache.disk.objects == 1 ? " object" : " objects");
    }
    if (cache.disk.hits > 0)
        put_count(out, "from disk ", cache.disk.hits, "");
    pages_write_bytes(bytes, cache.figures.hit_bytes);
    pages_write_count(spared, sums.spared);
    if (sums.spared > 0)
        fprintf(out, "<span>servers were spared <b>%s</b> requests (%.0f %%) and <b>%s</b></span>",
                spared, 100 * sums.spared_share, bytes);
    if (cache.figures.collapsed > 0)
        put_count(out, "collapsed ", cache.figures.collapsed, "");
    if (cache.store.evicted > 0)
        put_count(out, "evicted ", cache.store.evicted, "");
    if (cache.figures.purged > 0)
        put_count(out, "purged ", cache.figures.purged, "");
    if (cache.figures.fetches_failed > 0)
        put_count(out, "failed fetches ", cache.figures.fetches_failed, "");
    if (cache.figures.hits > 0) {
        pages_write_span(bytes, (uint64_t)(sums.age_s * 1e9));
        fprintf(out, "<span class=soft>hits are %s old</span>", bytes);
    }
    fprintf(out, "<span class=soft>%s</span></div>\n", cache.policy);
}
