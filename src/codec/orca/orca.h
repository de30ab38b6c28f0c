/* SPDX-License-Identifier: Apache-2.0 */
/* codec/orca/orca.h - what a server says of its load: the field endpoint-load-metrics (ORCA).
 *
 *     TEXT cpu_utilization=0.3, mem_utilization=0.8, rps_fractional=10.0, named_metrics.rif=4
 *     JSON {"cpu_utilization": 0.3, "named_metrics": {"rif": 4}}
 *
 * The text form takes "=" or ":" between name and value, as Envoy does. The same JSON object,
 * alone, is what a probe's answer may have as its body. Names without a row below are passed over;
 * a value that is no number, or not within what its row allows, makes the whole report bad: half of
 * a report would be believed as if it were all.
 *
 * Pure. Memory: none is kept. Threads: any. Errors: false, and the report says nothing. */
#ifndef PANDO_CODEC_ORCA_ORCA_H
#define PANDO_CODEC_ORCA_ORCA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ORCA_TEXT_BYTES_MAX = 512 }; /* room for what orca_write_text() writes */

/* X(field, name, most): the figures that are understood. Utilisations may be over 1: what is
 * configured as full need not be the end. */
#define ORCA_FIGURES(X)                                                                            \
    X(application, "application_utilization", 1e6)                                                 \
    X(cpu, "cpu_utilization", 1e6)                                                                 \
    X(memory, "mem_utilization", 1)                                                                \
    X(qps, "rps_fractional", 1e12)                                                                 \
    X(eps, "eps", 1e12)                                                                            \
    X(rif, "named_metrics.rif", 1e9)                                                               \
    X(latency_us, "named_metrics.latency_us", 1e12)                                                \
    X(pressure, "named_metrics.pressure", 1)

enum orca_figure {
#define X(field, name, most) ORCA_##field,
    ORCA_FIGURES(X)
#undef X
    ORCA_FIGURES_COUNT
};

struct orca_report {
    uint32_t said; /* bit i: figure i was there */
    double   at[ORCA_FIGURES_COUNT];
};

static inline bool orca_says(const struct orca_report *report, enum orca_figure figure)
{
    return (report->said >> figure & 1) != 0;
}

static inline void orca_say(struct orca_report *report, enum orca_figure figure, double value)
{
    report->said |= 1u << figure;
    report->at[figure] = value;
}

/* Reads the value of a field endpoint-load-metrics. False: it is malformed, or in a form that is
 * not read (BIN), or says nothing that is understood. */
bool orca_read(struct orca_report *report, const char *text, size_t bytes)
    __attribute__((warn_unused_result));

/* Reads a JSON object, which all of @text must be but for white space. Beside the names above,
 * those without "named_metrics." are understood too: {"rif": 3, "latency_us": 900}. null is a
 * figure that is not said. */
bool orca_read_json(struct orca_report *report, const char *text, size_t bytes)
    __attribute__((warn_unused_result));

/* Writes the value of a field, with its NUL; returns its length, 0 if nothing is said. */
size_t orca_write_text(const struct orca_report *report, char text[ORCA_TEXT_BYTES_MAX]);

#endif
