/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/session/resp_info.c - INFO and CONFIG GET: figures of the node, and what clients ask
 * of a server's settings. */
#include "front/resp/node/resp_commands.h"

#include "core/glob.h"
#include "core/units.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>

/* The sections in their order; those that INFO alone has. */
#define SECTIONS(X)                                                                                \
    X("Server")                                                                                    \
    X("Clients")                                                                                   \
    X("Memory")                                                                                    \
    X("Persistence")                                                                               \
    X("Stats")                                                                                     \
    X("Replication")                                                                               \
    X("CPU")                                                                                       \
    X("Modules")                                                                                   \
    X("Errorstats")                                                                                \
    X("Cluster")                                                                                   \
    X("Keyspace")

/* Lines that are always the same: what clients look at to know what they may do. */
#define LINES(X)                                                                                   \
    X("Server", "redis_version", RESP_REDIS_VERSION)                                               \
    X("Server", "server_name", "pando")                                                            \
    X("Server", "redis_mode", "standalone")                                                        \
    X("Server", "os", "Linux")                                                                     \
    X("Server", "arch_bits", "64")                                                                 \
    X("Clients", "cluster_connections", "0")                                                       \
    X("Clients", "blocked_clients", "0")                                                           \
    X("Clients", "tracking_clients", "0")                                                          \
    X("Memory", "maxmemory_policy", "noeviction")                                                  \
    X("Persistence", "loading", "0")                                                               \
    X("Persistence", "async_loading", "0")                                                         \
    X("Persistence", "rdb_bgsave_in_progress", "0")                                                \
    X("Persistence", "rdb_last_bgsave_status", "ok")                                               \
    X("Persistence", "aof_enabled", "0")                                                           \
    X("Persistence", "aof_rewrite_in_progress", "0")                                               \
    X("Persistence", "aof_rewrite_scheduled", "0")                                                 \
    X("Persistence", "aof_last_bgrewrite_status", "ok")                                            \
    X("Persistence", "aof_last_write_status", "ok")                                                \
    X("Stats", "sync_full", "0")                                                                   \
    X("Stats", "sync_partial_ok", "0")                                                             \
    X("Stats", "sync_partial_err", "0")                                                            \
    X("Replication", "role", "master")                                                             \
    X("Replication", "connected_slaves", "0")                                                      \
    X("Replication", "master_failover_state", "no-failover")                                       \
    X("Replication", "master_repl_offset", "0")                                                    \
    X("Replication", "second_repl_offset", "-1")                                                   \
    X("Replication", "repl_backlog_active", "0")                                                   \
    X("Cluster", "cluster_enabled", "1") /* clients of a cluster demand it, others do not look */

static const char *const sections[] = {
#define X(name) name,
    SECTIONS(X)
#undef X
};

static void add(struct resp_out *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void add(struct resp_out *text, const char *format, ...)
{
    char line[256];
    va_list rest;
    va_start(rest, format);
    const int count = vsnprintf(line, sizeof line, format, rest);
    va_end(rest);
    if (count > 0 && (size_t)count < sizeof line)
        resp_raw(text, (struct bytes){(const uint8_t *)line, (size_t)count});
}

/* "1.50M", as Redis writes sizes for people. */
static void add_human(struct resp_out *text, const char *name, uint64_t bytes)
{
    static const char units[] = "BKMGTP";
    double value = (double)bytes;
    unsigned unit = 0;
    for (; value >= 1024 && units[unit + 1] != 0; unit++)
        value /= 1024;
    add(text, "%s_human:%.*f%c\r\n", name, unit == 0 ? 0 : 2, value, units[unit]);
}

static void add_memory(struct resp_out *text, const struct resp_figures *figures)
{
    const double used = figures->memory_bytes == 0 ? 1 : (double)figures->memory_bytes;
    add_human(text, "used_memory", figures->memory_bytes);
    add_human(text, "used_memory_rss", figures->memory_rss_bytes);
    add_human(text, "used_memory_peak", figures->memory_peak_bytes);
    add_human(text, "total_system_memory", figures->system_bytes);
    add_human(text, "maxmemory", figures->memory_bytes_max);
    add(text, "used_memory_dataset:%llu\r\n", (unsigned long long)figures->memory_bytes);
    add(text, "mem_fragmentation_ratio:%.2f\r\n", (double)figures->memory_rss_bytes / used);
    add(text, "mem_allocator:libc\r\n");
}

static void add_time(struct resp_out *text, const char *name, const struct timeval *time)
{
    add(text, "%s:%lld.%06ld\r\n", name, (long long)time->tv_sec, (long)time->tv_usec);
}

static void add_cpu(struct resp_out *text)
{
    struct rusage own = {0}, children = {0};
    (void)getrusage(RUSAGE_SELF, &own);
    (void)getrusage(RUSAGE_CHILDREN, &children);
    add_time(text, "used_cpu_sys", &own.ru_stime);
    add_time(text, "used_cpu_user", &own.ru_utime);
    add_time(text, "used_cpu_sys_children", &children.ru_stime);
    add_time(text, "used_cpu_user_children", &children.ru_utime);
}

/* What has to be worked out. */
static void add_worked_out(struct resp_session *session, struct resp_out *text, const char *section,
                           const struct resp_figures *figures)
{
    const char *id = session->home->path->node->id;
    if (strcmp(section, "Server") == 0)
        add(text, "run_id:%s\r\nserver_time_usec:%llu\r\n", id,
            (unsigned long long)(clock_wall_ns() / NS_PER_US));
    else if (strcmp(section, "Memory") == 0)
        add_memory(text, figures);
    else if (strcmp(section, "Replication") == 0)
        add(text, "master_replid:%s\r\n", id);
    else if (strcmp(section, "CPU") == 0)
        add_cpu(text);
    else if (strcmp(section, "Keyspace") == 0 && figures->keys > 0)
        add(text, "db0:keys=%llu,expires=%llu,avg_ttl=0\r\n", (unsigned long long)figures->keys,
            (unsigned long long)figures->keys_with_expiry);
}

static void add_section(struct resp_session *session, struct resp_out *text, const char *section,
                        const struct resp_figures *figures)
{
    struct resp_path *path = session->home->path;
    add(text, "%s# %s\r\n", text->used > 0 ? "\r\n" : "", section);
#define X(in, name, value)                                                                         \
    if (strcmp(section, in) == 0)                                                                  \
        add(text, "%s:%s\r\n", name, value);
    LINES(X)
#undef X
#define X(field, in, name)                                                                         \
    if (strcmp(section, in) == 0)                                                                  \
        add(text, "%s:%llu\r\n", name, (unsigned long long)figures->field);
    RESP_FIGURES(X)
#undef X
    add_worked_out(session, text, section, figures);
    if (path->info != NULL)
        path->info(path, section, text);
}

/* Is a section asked for? Names are in any case; INFO alone asks for all. */
static bool is_asked(const struct resp_ask *ask, const char *section)
{
    char lower[16];
    size_t i = 0;
    for (; section[i] != 0; i++)
        lower[i] = (char)(section[i] | 0x20); /* they are letters */
    lower[i] = 0;
    for (uint32_t at = 1; at < ask->args_count; at++) {
        const struct bytes word = ask->args[at];
        if (bytes_is_word(word, lower) || bytes_is_word(word, "all") ||
            bytes_is_word(word, "everything") || bytes_is_word(word, "default"))
            return true;
    }
    return ask->args_count == 1;
}

struct resp_figures resp__figures(const struct resp_session *session)
{
    struct resp_sessions *home = session->home;
    struct resp_figures figures = {0};
    home->figures(home, &figures);
    if (home->path->figures != NULL)
        home->path->figures(home->path, &figures);
    return figures;
}

void resp__info(struct resp_session *session, const struct resp_ask *ask)
{
    const struct resp_figures figures = resp__figures(session);
    struct resp_out text;
    resp_out_init(&text, 2, ask->out->bytes_max, NULL);
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++)
        if (is_asked(ask, sections[i]))
            add_section(session, &text, sections[i], &figures);
    if (text.failed)
        resp_error(ask->out, "OOM out of memory");
    else
        resp_verbatim(ask->out,
                      (struct bytes){text.buf == NULL ? NULL : text.buf->data, text.used});
    resp_out_fini(&text);
}

/* ---- CONFIG GET ---- */

/* What clients ask for; the numbers are of `settings` and `figures`. */
#define PARAMETERS(X)                                                                              \
    X("appendfsync", TEXT, "no")                                                                   \
    X("appendonly", TEXT, "no")                                                                    \
    X("cluster-enabled", TEXT, "yes")                                                              \
    X("databases", TEXT, "1")                                                                      \
    X("maxclients", NUMBER, figures.connections_max)                                               \
    X("maxmemory", NUMBER, figures.memory_bytes_max)                                               \
    X("maxmemory-policy", TEXT, "noeviction")                                                      \
    X("notify-keyspace-events", TEXT, "")                                                          \
    X("port", NUMBER, figures.tcp_port)                                                            \
    X("proto-max-bulk-len", NUMBER, settings->bulk_bytes)                                          \
    X("requirepass", TEXT, "")                                                                     \
    X("save", TEXT, "")                                                                            \
    X("slowlog-log-slower-than", NUMBER, settings->slowlog_slower_than_ns / NS_PER_US)             \
    X("slowlog-max-len", NUMBER, settings->slowlog_entries)                                        \
    X("tcp-keepalive", TEXT, "0")                                                                  \
    X("timeout", NUMBER, settings->idle_timeout_ns / NS_PER_S)

#define PUT_TEXT(out, value)   resp_bulk_text(out, value)
#define PUT_NUMBER(out, value) resp_bulk_integer(out, (int64_t)(value))

static bool is_parameter_asked(const struct resp_ask *ask, const char *name)
{
    for (uint32_t i = 2; i < ask->args_count; i++)
        if (glob_matches(ask->args[i], bytes_of(name)))
            return true;
    return false;
}

static void run_get(struct resp_session *session, const struct resp_ask *ask)
{
    const struct resp_figures figures = resp__figures(session);
    const struct resp_settings *settings = session->home->settings;
    uint64_t count = 0;
#define X(name, sort, value) count += is_parameter_asked(ask, name);
    PARAMETERS(X)
#undef X
    resp_map(ask->out, count);
#define X(name, sort, value)                                                                       \
    if (is_parameter_asked(ask, name)) {                                                           \
        resp_bulk_text(ask->out, name);                                                            \
        PUT_##sort(ask->out, value);                                                               \
    }
    PARAMETERS(X)
#undef X
}

static void refuse_change(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    resp_error(ask->out, "ERR settings are changed in Pando's file, and by `pando reload`");
}

const struct resp_subcommand resp__config_subcommands[] = {
    {"get", -3, run_get, "GET <pattern> ...", "What clients ask of a server's settings."},
    {"set", -4, refuse_change, "SET <name> <value> ...", "Is refused."},
    {"rewrite", 2, refuse_change, "REWRITE", "Is refused."},
    {"resetstat", 2, refuse_change, "RESETSTAT", "Is refused."},
    {"help", 2, resp__help, "HELP", "This."},
    {.name = NULL},
};

void resp__config(struct resp_session *session, const struct resp_ask *ask)
{
    resp__run_subcommand(session, ask, resp__config_subcommands);
}
