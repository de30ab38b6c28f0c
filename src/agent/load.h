/* SPDX-License-Identifier: Apache-2.0 */
/* agent/load.h - what was measured, and what is said of it. Pure.
 *
 * The percent that agent-check asks for is idle capacity:
 *
 *     100 * (1 - the largest of  CPU used, pressure, memory's last fifth used)
 *
 * and at least 1: how busy a server is does not take it out; that is for a word (drain, down) or a
 * health check. Memory counts from 80 % on (0 there, 1 at 100 %), since a server that uses its
 * memory is not busy, and one that is about to run out must not get more.
 *
 * Memory: none is kept. Threads: any. Errors: what is not known is not said. */
#ifndef PANDO_AGENT_LOAD_H
#define PANDO_AGENT_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LOAD_LINE_BYTES_MAX = 256,
    LOAD_JSON_BYTES_MAX = 640,
    LOAD_REASON_BYTES = 96,
    LOAD_SMOOTH_MS = 1000, /* a change is seen to two thirds after this time */
};

/* What an operator says by the state file or a signal: X(name, word in the file, what is sent
 * before the percent, gist). Agent-check knows two states: an operator's (ready, drain, maint),
 * which is touched only if the agent was told to, and whether the server works (up, down). */
#define LOAD_WORDS(X)                                                                              \
    X(NONE, "", "up", "nothing was said")                                                          \
    X(READY, "ready", "ready up", "takes requests; ends a drain or maint that an agent said")      \
    X(UP, "up", "up", "works; ends a down that an agent said")                                     \
    X(DRAIN, "drain", "drain", "takes nothing new")                                                \
    X(MAINT, "maint", "maint", "takes nothing")                                                    \
    X(DOWN, "down", "down", "does not work")                                                       \
    X(FAIL, "fail", "fail", "does not work")                                                       \
    X(STOPPED, "stopped", "stopped", "does not work, on purpose")

enum load_word {
#define X(name, word, sent, gist) LOAD_WORD_##name,
    LOAD_WORDS(X)
#undef X
};

/* Where the requests in flight were counted. */
#define LOAD_SOURCES(X)                                                                            \
    X(NOTHING, "nothing")                                                                          \
    X(CONNECTIONS, "connections")                                                                  \
    X(REPORT, "report")

enum load_source {
#define X(name, word) LOAD_FROM_##name,
    LOAD_SOURCES(X)
#undef X
};

/* Shares are 0 to 1; less than 0: not known. */
struct load {
    double           cpu, memory, pressure;
    uint64_t         rif;        /* requests in flight, unless rif_from is NOTHING */
    uint64_t         latency_us; /* if has_latency */
    bool             has_latency;
    enum load_source rif_from;
    enum load_word   word;
    char             reason[LOAD_REASON_BYTES]; /* "": none; no line ends in it */
};

/* A counter that grows by up to @capacity per second, and the share of that which it did. */
struct load_rate {
    bool     is_known;
    double   share; /* 0 to 1, smoothed; less than 0 until there were two readings */
    uint64_t total, at_ns;
};

/* Takes a reading. A counter that went backwards begins anew. */
void load_rate_step(struct load_rate *rate, uint64_t total, double capacity_per_s, uint64_t now_ns);

/* Idle capacity, 1 to 100. */
unsigned load_percent(const struct load *load);

/* Reads "drain #reason" of a state file: its first line. False: no such word. */
bool load_read_word(struct load *load, const char *text) __attribute__((warn_unused_result));

/* "up 75%\n", "drain 75% #reason\n"; returns its length. */
size_t load_write_line(const struct load *load, char text[LOAD_LINE_BYTES_MAX]);

/* {"rif":3,...}\n; returns its length. */
size_t load_write_json(const struct load *load, char text[LOAD_JSON_BYTES_MAX]);

#endif
