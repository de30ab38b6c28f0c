/* SPDX-License-Identifier: Apache-2.0 */
/* agent/sampler.h - reads the files of /proc and of cgroups, and keeps the load up to date.
 *
 *     the machine      CPU of all processors, MemAvailable, /proc/pressure
 *     a cgroup         its CPU, memory and pressure, against the lowest limit of it and those above
 *                      it; versions 2 and 1 (where there is no pressure: the machine's)
 *     a process        its CPU alone; memory and pressure of its cgroup
 * Without a limit of memory the machine's memory is the limit, and how full that is counts.
 *
 * Time:    nanoseconds on the monotonic clock, passed in; only a report's age is the wall clock's.
 * Memory:  owns nothing but itself. Threads: one.
 * Errors:  what cannot be read is not known, and is tried again at the next sample. */
#ifndef PANDO_AGENT_SAMPLER_H
#define PANDO_AGENT_SAMPLER_H

#include "agent/load.h"
#include "core/err.h"

#include <limits.h>
#include <sys/types.h>

enum {
    SAMPLER_EVERY_MS = 200,
    SAMPLER_RIF_MS = 10,        /* connections are not counted again within this time */
    SAMPLER_REPORT_AGE_S = 5,   /* an application's report that is older is passed over */
    SAMPLER_TEXT_BYTES = 65536, /* of a file that is read */
};

/* Texts are borrowed and outlive the sampler. */
struct sampler_config {
    const char *root;   /* "" for this machine; tests have a tree of their own */
    pid_t       pid;    /* 0: none */
    const char *cgroup; /* a path such as /app.slice/x, or the number of a process in it; NULL */
    double      processors; /* how many the application can use; 0: all that it may */
    uint16_t    port;       /* whose established connections are requests in flight; 0: nobody's */
    const char *report;     /* file in which the application says "rif=3 latency_us=900"; NULL */
    const char *state;      /* file with a word; NULL */
};

/* A folder of a cgroup; above `top_bytes` of it there is nothing to be read. */
struct sampler_folder {
    char   path[512];
    size_t top_bytes;
    bool   is_second; /* version 2 */
};

struct sampler {
    struct sampler_config config;
    struct load           load;
    struct load_rate      cpu, waits[3];
    struct sampler_folder usage, quota, memory; /* path "": there is none */
    uint64_t              counted_ns;           /* connections; 0: never */
    double                machine_processors;
    uint64_t              ticks_per_s, page_bytes;
    enum load_word        told; /* by a signal; the state file is stronger */
    bool                  is_process_gone;
    bool                  is_state_odd; /* the state file has no such word */
    char                  text[SAMPLER_TEXT_BYTES];
};

/* Finds the files. Not NONE: @e says what is not there (the process, the cgroup). */
must_check enum err_kind sampler_init(struct sampler *sampler, const struct sampler_config *config,
                                      struct err *e);

/* Measures all but the requests in flight. */
void sampler_step(struct sampler *sampler, uint64_t now_ns);

/* Requests in flight now. */
void sampler_count(struct sampler *sampler, uint64_t now_ns);

#endif
