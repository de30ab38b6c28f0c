/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/node/resp_watchers.c - SLOWLOG, LATENCY and MEMORY: what is asked of a server that is
 * looked after. */
#include "front/resp/node/resp_commands.h"
#include "front/resp/session/user/resp_user.h"

enum { SLOWLOG_GET_PRESET = 10 };

/* ---- SLOWLOG ---- */

static struct resp_slowlog *log_of(const struct resp_session *session)
{
    return &session->home->path->node->slowlog;
}

static void run_get(struct resp_session *session, const struct resp_ask *ask)
{
    int64_t count = SLOWLOG_GET_PRESET;
    if (!resp_user_may_ask(session, ask, "get"))
        return;
    if (ask->args_count > 3) {
        resp__refuse_subcommand(ask);
        return;
    }
    if (ask->args_count == 3 && (!bytes_read_int64(ask->args[2], &count) || count < -1)) {
        resp_error(ask->out, "ERR count should be greater than or equal to -1");
        return;
    }
    resp_slowlog_write(log_of(session), count < 0 ? UINT64_MAX : (uint64_t)count, ask->out);
}

static void run_len(struct resp_session *session, const struct resp_ask *ask)
{
    resp_integer(ask->out, (int64_t)resp_slowlog_count(log_of(session)));
}

static void run_slowlog_reset(struct resp_session *session, const struct resp_ask *ask)
{
    if (!resp_user_may_ask(session, ask, "reset"))
        return;
    resp_slowlog_clear(log_of(session));
    resp_simple(ask->out, "OK");
}

const struct resp_subcommand resp__slowlog_subcommands[] = {
    {"get", -2, run_get, "GET [<count>]",
     "The newest commands that took long (preset: 10, -1: all): id, Unix time, microseconds, "
     "arguments, client, client's name."},
    {"len", 2, run_len, "LEN", "How many there are."},
    {"reset", 2, run_slowlog_reset, "RESET", "Forgets them."},
    {"help", 2, resp__help, "HELP", "This."},
    {.name = NULL},
};

void resp__slowlog(struct resp_session *session, const struct resp_ask *ask)
{
    resp__run_subcommand(session, ask, resp__slowlog_subcommands);
}

/* ---- LATENCY: as of a Redis that does not monitor it ---- */

static void run_latest(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    resp_array(ask->out, 0);
}

static void run_histogram(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    resp_map(ask->out, 0);
}

static void run_latency_reset(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    resp_integer(ask->out, 0);
}

static void run_graph(struct resp_session *session, const struct resp_ask *ask)
{
    const struct bytes event = ask->args[2];
    (void)session;
    resp_errorf(ask->out, "ERR No samples available for event '%.*s'",
                (int)(event.count < 128 ? event.count : 128), (const char *)event.at);
}

static void run_latency_doctor(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    resp_verbatim(ask->out,
                  bytes_of("Latency is not monitored by event. SLOWLOG has the commands that took "
                           "long, and the metrics page how long requests take.\n"));
}

const struct resp_subcommand resp__latency_subcommands[] = {
    {"latest", 2, run_latest, "LATEST", "Is empty: nothing is monitored."},
    {"history", 3, run_latest, "HISTORY <event>", "Is empty."},
    {"histogram", -2, run_histogram, "HISTOGRAM [<command> ...]", "Is empty."},
    {"reset", -2, run_latency_reset, "RESET [<event> ...]", "Is 0: nothing was there."},
    {"graph", 3, run_graph, "GRAPH <event>", "Is refused: there are no samples."},
    {"doctor", 2, run_latency_doctor, "DOCTOR", "Says where to look instead."},
    {"help", 2, resp__help, "HELP", "This."},
    {.name = NULL},
};

void resp__latency(struct resp_session *session, const struct resp_ask *ask)
{
    resp__run_subcommand(session, ask, resp__latency_subcommands);
}

/* ---- MEMORY ---- */

bool resp__is_usage(const struct resp_ask *ask)
{
    return ask->args_count >= 3 && bytes_is_word(ask->args[1], "usage");
}

static void run_memory_doctor(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    resp_verbatim(ask->out,
                  bytes_of("Each keyspace says what it takes and what it may take: INFO keyspace, "
                           "`pando status` and the metrics page.\n"));
}

static void put(struct resp_out *out, const char *name, uint64_t number)
{
    resp_bulk_text(out, name);
    resp_integer(out, (int64_t)number);
}

static void run_stats(struct resp_session *session, const struct resp_ask *ask)
{
    const struct resp_figures figures = resp__figures(session);
    struct resp_out *out = ask->out;
    resp_map(out, 6);
    put(out, "peak.allocated", figures.memory_peak_bytes);
    put(out, "total.allocated", figures.memory_bytes);
    put(out, "keys.count", figures.keys);
    put(out, "keys.bytes-per-key", figures.keys == 0 ? 0 : figures.memory_bytes / figures.keys);
    put(out, "dataset.bytes", figures.memory_bytes);
    put(out, "allocator.resident", figures.memory_rss_bytes);
}

static void run_purge(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    resp_simple(ask->out, "OK"); /* the heap gives back by itself what it can */
}

static void run_malloc_stats(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    resp_verbatim(ask->out, bytes_of("Stats not supported for the current allocator"));
}

const struct resp_subcommand resp__memory_subcommands[] = {
    {"usage", -3, NULL /* with a key it is its engine's */, "USAGE <key> [SAMPLES <count>]",
     "Bytes that a key takes with its value."},
    {"stats", 2, run_stats, "STATS", "What the keys of all keyspaces take."},
    {"doctor", 2, run_memory_doctor, "DOCTOR", "Says where to look."},
    {"purge", 2, run_purge, "PURGE", "Changes nothing."},
    {"malloc-stats", 2, run_malloc_stats, "MALLOC-STATS", "Has none."},
    {"help", 2, resp__help, "HELP", "This."},
    {.name = NULL},
};

void resp__memory(struct resp_session *session, const struct resp_ask *ask)
{
    resp__run_subcommand(session, ask, resp__memory_subcommands);
}
