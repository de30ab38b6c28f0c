/* SPDX-License-Identifier: Apache-2.0 */
/* admin/pages/pages.h - the pages themselves: what is known, written as text, JSON and HTML.
 *
 * They read and write only: no sockets, no clocks, so tests compare them with what they ought to
 * be.
 *
 * Threads: the control thread. Errors: those of the stream, for the caller to look at. */
#ifndef PANDO_ADMIN_PAGES_PAGES_H
#define PANDO_ADMIN_PAGES_PAGES_H

#include "admin/pages/history.h"
#include "metrics/openmetrics.h"

#include <jansson.h>

/* What a page is made of. */
struct pages {
    const struct admin_sources *sources;
    const struct history       *history;
    uint64_t                    now_ns; /* monotonic */
    uint64_t                    wall_ns;
};

/* How it goes, from best to worst. */
#define PAGES_TONES(X)                                                                             \
    X(GOOD, "good")                                                                                \
    X(WORN, "worn")                                                                                \
    X(BAD, "bad")

enum pages_tone {
#define X(name, word) PAGES_TONE_##name,
    PAGES_TONES(X)
#undef X
};

/* One sentence for people: how it goes, or what is wrong, and what to type. */
struct pages_verdict {
    enum pages_tone tone;
    char            sentence[640];
    char            advice[320]; /* "" if there is none */
};

/* Targets of a service by what they are. */
struct pages_tally {
    unsigned targets, taking; /* drained ones are neither taking nor paused */
    unsigned paused;          /* not up, whatever the reason */
    unsigned anyway;          /* taking although judged not to be well, since too few are */
    uint64_t inflight;        /* requests that they have */
};

/* Counts the targets of @service. */
void pages_tally(const struct pages *pages, const struct service *service,
                 struct pages_tally *tally);

/* By what the service's strategy picks: "probes"; "" if it does not say. */
const char *pages_basis(const struct sums *sums);

/* The state of a target, as workers see it. */
enum target_state pages_state(const struct target *target);

/* Judges. */
void pages_judge(const struct pages *pages, struct pages_verdict *verdict);

/* The cache of @service. False: it has none. */
bool pages_cache(const struct pages *pages, const struct service *service,
                 struct admin_cache *cache);

/* What follows from the figures of a cache; shares are 0 to 1. */
struct pages_cache_sums {
    uint64_t met;                            /* requests that it looked something up for */
    uint64_t spared;                         /* requests that no server had to answer */
    double   hit_share, spared_share, age_s; /* of met; of all requests; mean of all hits */
};
void pages_sum_cache(const struct cache_figures *figures, struct pages_cache_sums *sums);

/* The cache of @service on each of the pages; nothing, or null, where there is none. */
void pages_put_cache_families(const struct pages *pages, struct openmetrics *out);
json_t *pages_cache_json(const struct pages *pages, const struct service *service);
void pages_put_cache(const struct pages *pages, const struct service *service, FILE *out);

/* The channels of the Redis protocol; nothing where there are no keyspaces. */
void pages_put_channel_families(const struct pages *pages, struct openmetrics *out);
json_t *pages_channels_json(const struct pages *pages);

/* The keyspaces on each of the pages; nothing, or an empty list, where there are none. */
void pages_put_keyspace_families(const struct pages *pages, struct openmetrics *out);
json_t *pages_keyspaces_json(const struct pages *pages);
/* How many there are, and their keys. False: none. */
bool pages_sum_keyspaces(const struct pages *pages, unsigned *count, uint64_t *keys);
void pages_put_keyspaces(const struct pages *pages, FILE *out);

/* The unit that a family's name ends in, static; "" for none. */
const char *pages_unit_of(const char *name);

/* The metrics; to be given back by openmetrics_fini(). */
void pages_write_metrics(const struct pages *pages, struct openmetrics *out);

/* The same text for those who do not read OpenMetrics (Prometheus text 0.0.4). */
void pages_write_classic(const struct openmetrics *metrics, FILE *out);

/* /api/status. False: no memory. */
bool pages_write_status(const struct pages *pages, FILE *out) must_check;

/* The HTML page, and the style sheet that it names. @is_still: it does not refresh itself. */
void pages_write_html(const struct pages *pages, bool is_still, FILE *out);
extern const char pages_style[];

/* @text with what HTML takes for markup escaped, and controls as U+FFFD. */
void pages_put_html(FILE *out, const char *text);

/* "3 min", "2 h 5 min", "12 s", "230 ms": for people. */
void pages_write_span(char out[32], uint64_t ns);

/* 1234567 as "1,234,567". */
void pages_write_count(char out[32], uint64_t count);

/* Null stays null; what is not UTF-8 is escaped, so that a name never makes the whole answer fail.
 * NULL: no memory. */
json_t *pages_json_text(const char *words);

/* "12.3 MiB", "812 bytes". */
void pages_write_bytes(char out[32], uint64_t bytes);

/* Microseconds as "0.4 ms", "12 ms", "1.25 s"; "-" for 0. */
void pages_write_latency(char out[32], uint64_t us);

/* A wall clock as "2026-11-24T13:17:56Z"; "" for 0. */
void pages_write_time(char out[32], uint64_t wall_ns);

#endif
