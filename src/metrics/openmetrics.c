/* SPDX-License-Identifier: Apache-2.0 */
/* metrics/openmetrics.c - the writer of OpenMetrics text. */
#include "metrics/openmetrics.h"

#include "core/mem.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    CAPACITY_FIRST = 16384,
    NUMBER_BYTES_MAX = 40,
    BOUND_OCTAVE_FIRST = 7, /* 2^7 us: 128 us, about the fastest answer over a network */
    BOUND_OCTAVE_LAST = 25, /* 2^25 us: 34 s; slower ones are in +Inf */
};

static const char *const words[] = {
#define X(name, word) [OPENMETRICS_##name] = word,
    OPENMETRICS_SORTS(X)
#undef X
};

void openmetrics_fini(struct openmetrics *out)
{
    mem_free(out->text);
    *out = (struct openmetrics){0};
}

/* --- putting --------------------------------------------------------------------------------- */

static bool has_room(struct openmetrics *out, size_t bytes)
{
    if (out->failed)
        return false;
    if (out->capacity - out->bytes >= bytes)
        return true;
    size_t capacity = out->capacity == 0 ? CAPACITY_FIRST : out->capacity;
    while (capacity - out->bytes < bytes && capacity < OPENMETRICS_BYTES_MAX)
        capacity *= 2;
    char *text = capacity - out->bytes < bytes ? NULL : mem_resize(out->text, capacity);
    if (text == NULL) {
        out->failed = true;
        return false;
    }
    out->text = text;
    out->capacity = capacity;
    return true;
}

static void put(struct openmetrics *out, const char *text, size_t bytes)
{
    if (!has_room(out, bytes))
        return;
    memcpy(out->text + out->bytes, text, bytes);
    out->bytes += bytes;
}

static void put_text(struct openmetrics *out, const char *text)
{
    put(out, text, strlen(text));
}

/* What @escaped names gets a backslash, a line feed becomes \n. Other controls would be no text. */
static void put_escaped(struct openmetrics *out, const char *text, const char *escaped)
{
    for (; *text != '\0'; text++) {
        const size_t plain = strcspn(text, escaped);
        put(out, text, plain);
        text += plain;
        if (*text == '\0')
            return;
        put(out, "\\", 1);
        put(out, *text == '\n' ? "n" : text, 1);
    }
}

static bool is_name(const char *name)
{
    const char *const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    return name[0] != '\0' && strchr(letters, name[0]) != NULL &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789")] ==
               '\0';
}

/* {a="b",c="d"} and a space; @bound is the `le` of a histogram's bucket, or NULL. */
static void put_labels(struct openmetrics *out, const struct openmetrics_label *labels,
                       size_t labels_count, const char *bound)
{
    const char *before = "{";
    for (size_t i = 0; i < labels_count; i++) {
        assert(is_name(labels[i].name));
        put_text(out, before);
        put_text(out, labels[i].name);
        put_text(out, "=\"");
        put_escaped(out, labels[i].value, "\\\"\n");
        put_text(out, "\"");
        before = ",";
    }
    if (bound != NULL) {
        put_text(out, before);
        put_text(out, "le=\"");
        put_text(out, bound);
        put_text(out, "\"");
        before = ",";
    }
    put_text(out, before[0] == '{' ? " " : "} ");
}

static void put_value(struct openmetrics *out, const char *value)
{
    put_text(out, value);
    put_text(out, "\n");
}

static void put_count(struct openmetrics *out, uint64_t count)
{
    char text[NUMBER_BYTES_MAX];
    snprintf(text, sizeof text, "%llu", (unsigned long long)count);
    put_value(out, text);
}

/* @value of which @per_second make a second, as seconds without loss. */
static void write_seconds(char text[NUMBER_BYTES_MAX], uint64_t value, uint64_t per_second)
{
    const int digits = per_second == 1000000 ? 6 : 9;
    snprintf(text, NUMBER_BYTES_MAX, "%llu.%0*llu", (unsigned long long)(value / per_second),
             digits, (unsigned long long)(value % per_second));
}

static void put_start(struct openmetrics *out, enum openmetrics_sort sort, const char *suffix)
{
    assert(out->sort == sort && out->name[0] != '\0' && !out->ended);
    put_text(out, out->name);
    put_text(out, suffix);
}

/* --- families and samples -------------------------------------------------------------------- */

static bool ends_in(const char *name, const char *end)
{
    const size_t name_bytes = strlen(name);
    const size_t end_bytes = strlen(end);
    return name_bytes > end_bytes && strcmp(name + name_bytes - end_bytes, end) == 0;
}

static void put_meta(struct openmetrics *out, const char *what)
{
    put_text(out, "# ");
    put_text(out, what);
    put_text(out, " ");
    put_text(out, out->name);
    if (out->prometheus && out->sort == OPENMETRICS_COUNTER)
        put_text(out, "_total"); /* there a family has the name of its samples */
    else if (out->prometheus && out->sort == OPENMETRICS_INFO)
        put_text(out, "_info");
    put_text(out, " ");
}

void openmetrics_family(struct openmetrics *out, enum openmetrics_sort sort, const char *name,
                        const char *unit, const char *help)
{
    assert(!out->ended && is_name(name) && strlen(name) <= OPENMETRICS_NAME_BYTES_MAX);
    assert(!ends_in(name, "_total") && !ends_in(name, "_info"));
    assert(unit[0] == '\0' || ends_in(name, unit));
    out->sort = sort;
    snprintf(out->name, sizeof out->name, "%s", name);
    put_meta(out, "TYPE");
    /* The older text has no info: it is a gauge of 1. */
    put_value(out, words[out->prometheus && sort == OPENMETRICS_INFO ? OPENMETRICS_GAUGE : sort]);
    if (unit[0] != '\0' && !out->prometheus) {
        put_meta(out, "UNIT");
        put_value(out, unit);
    }
    put_meta(out, "HELP");
    /* The older text knows no escaped quote in a help. */
    put_escaped(out, help, out->prometheus ? "\\\n" : "\\\"\n");
    put_text(out, "\n");
}

void openmetrics_counter(struct openmetrics *out, const struct openmetrics_label *labels,
                         size_t labels_count, uint64_t value)
{
    put_start(out, OPENMETRICS_COUNTER, "_total");
    put_labels(out, labels, labels_count, NULL);
    put_count(out, value);
}

void openmetrics_counter_ns(struct openmetrics *out, const struct openmetrics_label *labels,
                            size_t labels_count, uint64_t value_ns)
{
    char text[NUMBER_BYTES_MAX];
    write_seconds(text, value_ns, 1000000000);
    put_start(out, OPENMETRICS_COUNTER, "_total");
    put_labels(out, labels, labels_count, NULL);
    put_value(out, text);
}

void openmetrics_gauge(struct openmetrics *out, const struct openmetrics_label *labels,
                       size_t labels_count, int64_t value)
{
    char text[NUMBER_BYTES_MAX];
    snprintf(text, sizeof text, "%lld", (long long)value);
    put_start(out, OPENMETRICS_GAUGE, "");
    put_labels(out, labels, labels_count, NULL);
    put_value(out, text);
}

void openmetrics_gauge_real(struct openmetrics *out, const struct openmetrics_label *labels,
                            size_t labels_count, double value)
{
    char text[NUMBER_BYTES_MAX];
    if (isfinite(value))
        snprintf(text, sizeof text, "%.9g", value);
    else
        snprintf(text, sizeof text, "%s", isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
    put_start(out, OPENMETRICS_GAUGE, "");
    put_labels(out, labels, labels_count, NULL);
    put_value(out, text);
}

void openmetrics_info(struct openmetrics *out, const struct openmetrics_label *labels,
                      size_t labels_count)
{
    put_start(out, OPENMETRICS_INFO, "_info");
    put_labels(out, labels, labels_count, NULL);
    put_count(out, 1);
}

static void put_bucket(struct openmetrics *out, const struct openmetrics_label *labels,
                       size_t labels_count, const char *bound, uint64_t count)
{
    put_start(out, OPENMETRICS_HISTOGRAM, "_bucket");
    put_labels(out, labels, labels_count, bound);
    put_count(out, count);
}

void openmetrics_histogram(struct openmetrics *out, const struct openmetrics_label *labels,
                           size_t labels_count, const struct histogram_view *view)
{
    char text[NUMBER_BYTES_MAX];
    uint64_t count = 0;
    unsigned bucket = 0;
    assert(ends_in(out->name, "_seconds"));
    for (unsigned octave = BOUND_OCTAVE_FIRST; octave <= BOUND_OCTAVE_LAST; octave++) {
        const uint64_t bound_us = 1ull << octave;
        for (; histogram_bucket_from_us(bucket) < bound_us; bucket++)
            count += view->counts[bucket];
        write_seconds(text, bound_us, 1000000);
        put_bucket(out, labels, labels_count, text, count);
    }
    put_bucket(out, labels, labels_count, "+Inf", view->count);
    put_start(out, OPENMETRICS_HISTOGRAM, "_count");
    put_labels(out, labels, labels_count, NULL);
    put_count(out, view->count);
    write_seconds(text, view->sum_us, 1000000);
    put_start(out, OPENMETRICS_HISTOGRAM, "_sum");
    put_labels(out, labels, labels_count, NULL);
    put_value(out, text);
}

void openmetrics_end(struct openmetrics *out)
{
    assert(!out->ended);
    if (!out->prometheus)
        put_text(out, "# EOF\n");
    out->ended = true;
}
