/* SPDX-License-Identifier: Apache-2.0 */
/* agent/proc.h - what stands in files of /proc and of cgroups: texts to numbers. Pure.
 *
 * Memory: none is kept. Threads: any.
 * Errors: false, and what was to be filled is untouched, if a text is not as kernels write it. */
#ifndef PANDO_AGENT_PROC_H
#define PANDO_AGENT_PROC_H

#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROC_NO_LIMIT UINT64_MAX

/* "12345\n"; "max" and -1 are PROC_NO_LIMIT. */
must_check bool proc_read_number(const char *text, uint64_t *value);

/* The number after @name at the beginning of a line: "usage_usec 77", "MemTotal:  77 kB" (then of
 * kB). */
must_check bool proc_read_field(const char *text, const char *name, uint64_t *value);

/* /proc/stat: ticks of all processors since the start, and of them those in which they had
 * something to do; waiting for a disk is idle, what a hypervisor stole is not. */
struct proc_ticks {
    uint64_t all, busy;
};

/* The first line of /proc/stat. */
must_check bool proc_read_stat(const char *text, struct proc_ticks *ticks);

/* /proc/PID/stat: ticks that the process used, and its resident pages. Its name may hold anything,
 * also ") ". */
struct proc_process {
    uint64_t ticks;
    uint64_t resident_pages;
};

/* All of /proc/PID/stat, which is one line. */
must_check bool proc_read_process(const char *text, struct proc_process *process);

/* /proc/pressure/X, X.pressure: microseconds in which something waited ("some"). */
must_check bool proc_read_pressure(const char *text, uint64_t *waited_us);

/* cpu.max: how many processors' worth it may use; 0: as many as there are. */
must_check bool proc_read_cpu_max(const char *text, double *processors);

/* A line of /proc/net/tcp or tcp6: is it an established connection of the local @port? */
bool proc_is_connection(const char *line, uint16_t port);

/* What an application writes of itself: "rif=12 latency_us=3400", in any order. */
struct proc_report {
    bool     has_rif, has_latency;
    uint64_t rif, latency_us;
};

/* All of what it wrote; anything else in it makes it none. */
must_check bool proc_read_report(const char *text, struct proc_report *report);

/* --- where a cgroup's files are --------------------------------------------------------------- */

/* The path of a process in the hierarchy of @controller ("": version 2), from /proc/PID/cgroup. */
must_check bool proc_find_cgroup(const char *text, const char *controller, char *path, size_t room);

/* Where the hierarchy is mounted, from /proc/self/mountinfo. @root: what of it is mounted there. */
struct proc_mount {
    char point[256];
    char root[256];
};

/* The mount of the hierarchy of @controller ("": version 2). */
must_check bool proc_find_mount(const char *text, const char *controller, struct proc_mount *mount);

/* The folder of the cgroup @path under @mount; what lies outside of what is mounted, as seen from
 * inside a container, is the mount itself. */
must_check bool proc_join_cgroup(const struct proc_mount *mount, const char *path, char *folder,
                                 size_t room);

#endif
