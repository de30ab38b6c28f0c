/* SPDX-License-Identifier: Apache-2.0 */
/* metrics/openmetrics.h - writes figures as OpenMetrics 1.0 text, or as the older text of
 * Prometheus 0.0.4.
 *
 *     openmetrics_family(&out, OPENMETRICS_COUNTER, "pando_requests", "", "requests that came");
 *     openmetrics_counter(&out, labels, 1, count);      writes pando_requests_total{...} 7
 *     openmetrics_family(&out, OPENMETRICS_HISTOGRAM, "pando_duration_seconds", "seconds", "...");
 *     openmetrics_histogram(&out, labels, 2, &view);
 *     openmetrics_end(&out);                            writes # EOF
 *
 * All samples of a family stand together: begin it once, then write every label set. A counter's
 * family is named without `_total`, which its samples get; a unit is the end of the name.
 *
 * Memory:  the text grows on the heap up to OPENMETRICS_BYTES_MAX; openmetrics_fini() frees it.
 *          Names, labels and help are read during the call only.
 * Threads: belongs to its caller.
 * Errors:  lack of memory and a text over the limit are remembered: look at `failed` once, at the
 *          end. A wrong name or a sample of another type than its family's is a bug and asserts. */
#ifndef PANDO_METRICS_OPENMETRICS_H
#define PANDO_METRICS_OPENMETRICS_H

#include "metrics/histogram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    OPENMETRICS_BYTES_MAX = 64 * 1024 * 1024, /* thousands of targets with their histograms */
    OPENMETRICS_NAME_BYTES_MAX = 96,
};

#define OPENMETRICS_TYPE            "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define OPENMETRICS_PROMETHEUS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* What a family may be; the word is the one after # TYPE. */
#define OPENMETRICS_SORTS(X)                                                                       \
    X(COUNTER, "counter")                                                                          \
    X(GAUGE, "gauge")                                                                              \
    X(HISTOGRAM, "histogram")                                                                      \
    X(INFO, "info")

enum openmetrics_sort {
#define X(name, word) OPENMETRICS_##name,
    OPENMETRICS_SORTS(X)
#undef X
};

struct openmetrics_label {
    const char *name;  /* letters, digits and _ */
    const char *value; /* any text; escaped */
};

/* Zeroed is an empty text. */
struct openmetrics {
    char                 *text; /* `bytes` of it; not ended by NUL */
    size_t                bytes;
    size_t                capacity;
    bool                  prometheus; /* set before the first call: the older text */
    bool                  failed;     /* no memory, or over the limit: the text is cut */
    bool                  ended;
    enum openmetrics_sort sort; /* of the family that was begun last */
    char                  name[OPENMETRICS_NAME_BYTES_MAX + 1];
};

/* Accepts zero. */
void openmetrics_fini(struct openmetrics *out);

/* Begins a family. @unit is "" or what @name ends with: seconds, bytes, ratio. */
void openmetrics_family(struct openmetrics *out, enum openmetrics_sort sort, const char *name,
                        const char *unit, const char *help);

/* A sample of a COUNTER family. */
void openmetrics_counter(struct openmetrics *out, const struct openmetrics_label *labels,
                         size_t labels_count, uint64_t value);

/* A sample of a COUNTER family that counts seconds, from nanoseconds. */
void openmetrics_counter_ns(struct openmetrics *out, const struct openmetrics_label *labels,
                            size_t labels_count, uint64_t value_ns);

/* A sample of a GAUGE family. */
void openmetrics_gauge(struct openmetrics *out, const struct openmetrics_label *labels,
                       size_t labels_count, int64_t value);

/* A sample of a GAUGE family that is no whole number. */
void openmetrics_gauge_real(struct openmetrics *out, const struct openmetrics_label *labels,
                            size_t labels_count, double value);

/* A sample of an INFO family: the labels say it. */
void openmetrics_info(struct openmetrics *out, const struct openmetrics_label *labels,
                      size_t labels_count);

/* A sample of a HISTOGRAM family that ends in _seconds: the bounds are those of the buckets at each
 * octave from 128 us to 34 s, so that every count is exact. */
void openmetrics_histogram(struct openmetrics *out, const struct openmetrics_label *labels,
                           size_t labels_count, const struct histogram_view *view);

/* Nothing may follow. */
void openmetrics_end(struct openmetrics *out);

#endif
