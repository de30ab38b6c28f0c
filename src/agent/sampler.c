/* SPDX-License-Identifier: Apache-2.0 */
/* agent/sampler.c - which file says what; the texts are proc.c's. */
#include "agent/sampler.h"

#include "agent/proc.h"
#include "core/units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RESOURCES_COUNT = 3 };

static const char *const resources[RESOURCES_COUNT] = {"cpu", "memory", "io"};

/* --- files ------------------------------------------------------------------------------------ */

static bool read_path(struct sampler *s, const char *path)
{
    size_t used = 0;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    for (;;) {
        const ssize_t got = read(fd, s->text + used, sizeof s->text - 1 - used);
        if (got <= 0) {
            (void)close(fd);
            s->text[used] = '\0';
            return got == 0;
        }
        used += (size_t)got;
    }
}

/* Reads a file below the root into `text`. */
static bool __attribute__((format(printf, 2, 3)))
read_file(struct sampler *s, const char *format, ...)
{
    char path[PATH_MAX];
    const int root_bytes = snprintf(path, sizeof path, "%s", s->config.root);
    if (root_bytes < 0 || (size_t)root_bytes >= sizeof path)
        return false;
    va_list arguments;
    va_start(arguments, format);
    const int bytes =
        vsnprintf(path + root_bytes, sizeof path - (size_t)root_bytes, format, arguments);
    va_end(arguments);
    return bytes > 0 && (size_t)bytes < sizeof path - (size_t)root_bytes && read_path(s, path);
}

static bool read_number(struct sampler *s, const struct sampler_folder *folder, const char *name,
                        uint64_t *value)
{
    return read_file(s, "%s/%s", folder->path, name) && proc_read_number(s->text, value);
}

/* --- finding a cgroup ------------------------------------------------------------------------- */

/* The folder of @controller ("": version 2) in which @name can be read; the process @pid, or the
 * path @path. */
static bool find_folder(struct sampler *s, const char *controller, const char *name, long pid,
                        struct sampler_folder *folder)
{
    struct proc_mount mount;
    char path[256];
    if (!read_file(s, "/proc/self/mountinfo") || !proc_find_mount(s->text, controller, &mount))
        return false;
    if (pid == 0)
        (void)snprintf(path, sizeof path, "%s", s->config.cgroup);
    else if (!read_file(s, "/proc/%ld/cgroup", pid) ||
             !proc_find_cgroup(s->text, controller, path, sizeof path))
        return false;
    if (!proc_join_cgroup(&mount, path, folder->path, sizeof folder->path) ||
        !read_file(s, "%s/%s", folder->path, name)) {
        folder->path[0] = '\0';
        return false;
    }
    folder->top_bytes = strlen(mount.point);
    folder->is_second = controller[0] == '\0';
    return true;
}

/* False: neither its CPU nor its memory can be read. */
static bool find_group(struct sampler *s, long pid)
{
    if (find_folder(s, "", "cpu.stat", pid, &s->usage))
        s->quota = s->usage;
    else if (find_folder(s, "cpuacct", "cpuacct.usage", pid, &s->usage))
        (void)find_folder(s, "cpu", "cpu.cfs_quota_us", pid, &s->quota);
    if (!find_folder(s, "", "memory.current", pid, &s->memory))
        (void)find_folder(s, "memory", "memory.usage_in_bytes", pid, &s->memory);
    return s->usage.path[0] != '\0' || s->memory.path[0] != '\0';
}

/* One level up; false: it was the top. */
static bool go_up(struct sampler_folder *folder)
{
    char *slash = strrchr(folder->path, '/');
    if (slash == NULL || (size_t)(slash - folder->path) < folder->top_bytes)
        return false;
    *slash = '\0';
    return true;
}

static bool is_number(const char *text)
{
    return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
}

enum err_kind sampler_init(struct sampler *s, const struct sampler_config *config, struct err *e)
{
    *s = (struct sampler){.config = *config,
                          .load = {.cpu = -1, .memory = -1, .pressure = -1},
                          .ticks_per_s = (uint64_t)sysconf(_SC_CLK_TCK),
                          .page_bytes = (uint64_t)sysconf(_SC_PAGESIZE),
                          .machine_processors = (double)sysconf(_SC_NPROCESSORS_ONLN)};
    const char *cgroup = config->cgroup;
    if (config->pid != 0 && !read_file(s, "/proc/%ld/stat", (long)config->pid))
        return err_set(e, ERR_INPUT, "there is no process %ld", (long)config->pid);
    if (cgroup != NULL && is_number(cgroup) && !read_file(s, "/proc/%s/cgroup", cgroup))
        return err_set(e, ERR_INPUT, "there is no process %s whose cgroup could be read", cgroup);
    if (cgroup != NULL && !find_group(s, is_number(cgroup) ? strtol(cgroup, NULL, 10) : 0))
        return err_set(e, ERR_INPUT, "there is no cgroup %s with CPU or memory in /sys/fs/cgroup",
                       cgroup);
    if (cgroup == NULL && config->pid != 0)
        (void)find_group(s, config->pid); /* it may be in none */
    return ERR_NONE;
}

/* --- CPU -------------------------------------------------------------------------------------- */

static double quota_at(struct sampler *s, const struct sampler_folder *folder)
{
    double processors = 0;
    uint64_t quota, period;
    if (folder->is_second) {
        if (!read_file(s, "%s/cpu.max", folder->path) || !proc_read_cpu_max(s->text, &processors))
            return 0;
        return processors;
    }
    if (!read_number(s, folder, "cpu.cfs_quota_us", &quota) || quota == PROC_NO_LIMIT ||
        !read_number(s, folder, "cpu.cfs_period_us", &period) || period == 0)
        return 0;
    return (double)quota / (double)period;
}

/* How many processors it may use: the least that is said of it and of those above it. */
static double processors(struct sampler *s)
{
    struct sampler_folder folder = s->quota;
    double least = s->machine_processors;
    if (s->config.processors > 0 && s->config.processors < least)
        least = s->config.processors;
    if (folder.path[0] == '\0')
        return least;
    do {
        const double quota = quota_at(s, &folder);
        if (quota > 0 && quota < least)
            least = quota;
    } while (go_up(&folder));
    return least;
}

static void step_process(struct sampler *s, uint64_t now_ns)
{
    struct proc_process process;
    s->is_process_gone = !read_file(s, "/proc/%ld/stat", (long)s->config.pid) ||
                         !proc_read_process(s->text, &process);
    if (!s->is_process_gone)
        load_rate_step(&s->cpu, process.ticks, processors(s) * (double)s->ticks_per_s, now_ns);
}

static void step_group(struct sampler *s, uint64_t now_ns)
{
    uint64_t used;
    if (s->usage.is_second) {
        if (read_file(s, "%s/cpu.stat", s->usage.path) &&
            proc_read_field(s->text, "usage_usec", &used))
            load_rate_step(&s->cpu, used, processors(s) * 1e6, now_ns);
    } else if (read_number(s, &s->usage, "cpuacct.usage", &used)) {
        load_rate_step(&s->cpu, used, processors(s) * (double)NS_PER_S, now_ns);
    }
}

static void step_machine(struct sampler *s, uint64_t now_ns)
{
    struct proc_ticks ticks;
    if (read_file(s, "/proc/stat") && proc_read_stat(s->text, &ticks))
        load_rate_step(&s->cpu, ticks.busy, processors(s) * (double)s->ticks_per_s, now_ns);
}

static void step_cpu(struct sampler *s, uint64_t now_ns)
{
    if (s->config.pid != 0)
        step_process(s, now_ns);
    else if (s->usage.path[0] != '\0')
        step_group(s, now_ns);
    else
        step_machine(s, now_ns);
    s->load.cpu = s->cpu.is_known ? s->cpu.share : -1;
}

/* --- memory and pressure ---------------------------------------------------------------------- */

/* The least limit of the cgroup and those above it, in bytes. */
static uint64_t memory_limit(struct sampler *s)
{
    const char *name = s->memory.is_second ? "memory.max" : "memory.limit_in_bytes";
    struct sampler_folder folder = s->memory;
    uint64_t least = PROC_NO_LIMIT, limit;
    if (folder.path[0] == '\0')
        return least;
    do {
        if (read_number(s, &folder, name, &limit) && limit < least)
            least = limit;
    } while (go_up(&folder));
    return least;
}

/* What the cgroup could not give back at once. */
static bool memory_used(struct sampler *s, uint64_t *used)
{
    const bool is_second = s->memory.is_second;
    uint64_t cached = 0;
    if (!read_number(s, &s->memory, is_second ? "memory.current" : "memory.usage_in_bytes", used))
        return false;
    if (read_file(s, "%s/memory.stat", s->memory.path) &&
        proc_read_field(s->text, is_second ? "inactive_file" : "total_inactive_file", &cached))
        *used -= cached < *used ? cached : *used;
    return true;
}

static void step_memory(struct sampler *s)
{
    uint64_t all_kib = 0, free_kib = 0, used;
    if (!read_file(s, "/proc/meminfo") || !proc_read_field(s->text, "MemTotal", &all_kib) ||
        !proc_read_field(s->text, "MemAvailable", &free_kib) || all_kib == 0)
        all_kib = free_kib = 0;
    const uint64_t limit = memory_limit(s);
    if (limit > 0 && (all_kib == 0 ? limit != PROC_NO_LIMIT : limit < all_kib * KIB) &&
        memory_used(s, &used))
        s->load.memory = (double)used / (double)limit;
    else if (all_kib > 0 && free_kib <= all_kib)
        s->load.memory = 1 - (double)free_kib / (double)all_kib;
    else
        s->load.memory = -1;
    if (s->load.memory > 1)
        s->load.memory = 1;
}

static bool read_pressure(struct sampler *s, const char *resource, uint64_t *waited_us)
{
    if (s->usage.path[0] != '\0' && s->usage.is_second &&
        read_file(s, "%s/%s.pressure", s->usage.path, resource) &&
        proc_read_pressure(s->text, waited_us))
        return true;
    return read_file(s, "/proc/pressure/%s", resource) && proc_read_pressure(s->text, waited_us);
}

static void step_pressure(struct sampler *s, uint64_t now_ns)
{
    uint64_t waited_us;
    s->load.pressure = -1;
    for (unsigned i = 0; i < RESOURCES_COUNT; i++) {
        if (!read_pressure(s, resources[i], &waited_us))
            continue;
        load_rate_step(&s->waits[i], waited_us, 1e6, now_ns);
        if (s->waits[i].share > s->load.pressure)
            s->load.pressure = s->waits[i].share;
    }
}

/* --- words ------------------------------------------------------------------------------------ */

/* The state file, else a signal; a process that is gone is down whatever they say. */
static void step_word(struct sampler *s)
{
    s->load.word = s->told;
    s->load.reason[0] = '\0';
    s->is_state_odd = false;
    if (s->config.state != NULL && read_path(s, s->config.state))
        s->is_state_odd = !load_read_word(&s->load, s->text);
    if (s->load.word == LOAD_WORD_NONE)
        s->load.word = s->told;
    if (!s->is_process_gone)
        return;
    s->load.word = LOAD_WORD_DOWN;
    (void)snprintf(s->load.reason, sizeof s->load.reason, "process %ld is gone",
                   (long)s->config.pid);
}

void sampler_step(struct sampler *s, uint64_t now_ns)
{
    step_cpu(s, now_ns);
    step_memory(s);
    step_pressure(s, now_ns);
    step_word(s);
}

/* --- requests in flight ----------------------------------------------------------------------- */

static bool count_lines(struct sampler *s, const char *name, uint64_t *count)
{
    char path[PATH_MAX], line[512];
    const int bytes = s->config.pid != 0
                          ? snprintf(path, sizeof path, "%s/proc/%ld/net/%s", s->config.root,
                                     (long)s->config.pid, name)
                          : snprintf(path, sizeof path, "%s/proc/net/%s", s->config.root, name);
    if (bytes < 0 || (size_t)bytes >= sizeof path)
        return false;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    while (fgets(line, sizeof line, file) != NULL)
        *count += proc_is_connection(line, s->config.port);
    (void)fclose(file);
    return true;
}

static void count_connections(struct sampler *s, uint64_t now_ns)
{
    uint64_t count = 0;
    if (s->counted_ns != 0 && now_ns - s->counted_ns < SAMPLER_RIF_MS * NS_PER_MS)
        return;
    s->counted_ns = now_ns;
    const bool is_fourth = count_lines(s, "tcp", &count);
    const bool is_sixth = count_lines(s, "tcp6", &count);
    s->load.rif = count;
    s->load.rif_from = is_fourth || is_sixth ? LOAD_FROM_CONNECTIONS : LOAD_FROM_NOTHING;
}

static bool read_report(struct sampler *s, struct proc_report *report)
{
    struct stat file;
    const uint64_t now_s = clock_wall_ns() / NS_PER_S;
    return s->config.report != NULL && stat(s->config.report, &file) == 0 &&
           (uint64_t)file.st_mtim.tv_sec + SAMPLER_REPORT_AGE_S >= now_s &&
           read_path(s, s->config.report) && proc_read_report(s->text, report);
}

void sampler_count(struct sampler *s, uint64_t now_ns)
{
    struct proc_report report = {0};
    if (!read_report(s, &report))
        report = (struct proc_report){0};
    s->load.has_latency = report.has_latency;
    s->load.latency_us = report.latency_us;
    if (report.has_rif) {
        s->load.rif = report.rif;
        s->load.rif_from = LOAD_FROM_REPORT;
        s->counted_ns = 0;
    } else if (s->config.port != 0) {
        count_connections(s, now_ns);
    } else {
        s->load.rif_from = LOAD_FROM_NOTHING;
    }
}
