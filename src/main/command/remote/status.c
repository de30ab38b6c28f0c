/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/remote/status.c - `pando status`: /api/status as a table. */
#include "core/mem.h"
#include "main/command/grid.h"
#include "main/command/remote/control.h"
#include "main/command/remote/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_S = 10, WATCH_S = 1, INDENT = 2 };

/* ---- the answer ---- */

static const char *string_of(const json_t *object, const char *key)
{
    return remote_json_text(object, key, "");
}

/* "3 d 4 h", "4 h 12 min", "12 min 5 s", "5 s" */
static void write_duration(char *text, size_t bytes, double seconds)
{
    const unsigned long s = (unsigned long)seconds;
    if (s >= 86400)
        (void)snprintf(text, bytes, "%lu d %lu h", s / 86400, s % 86400 / 3600);
    else if (s >= 3600)
        (void)snprintf(text, bytes, "%lu h %lu min", s / 3600, s % 3600 / 60);
    else if (s >= 60)
        (void)snprintf(text, bytes, "%lu min %lu s", s / 60, s % 60);
    else
        (void)snprintf(text, bytes, "%lu s", s);
}

/* ---- what is shown ---- */

static void add_latency(struct grid *grid, const json_t *object)
{
    const json_t *latency = json_object_get(object, "latency_ms");
    static const char *const keys[] = {"p50", "p99"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const json_t *value = json_object_get(latency, keys[i]);
        if (json_is_number(value))
            grid_add(grid, GRID_NUMBER, "%.1f ms", json_number_value(value));
        else
            grid_add(grid, GRID_NUMBER, "-");
    }
}

static enum grid_look look_of(const char *state)
{
    if (strcmp(state, "up") == 0)
        return GRID_GOOD;
    return strcmp(state, "down") == 0 ? GRID_BAD : GRID_DOUBTFUL;
}

static void add_target(struct grid *grid, const json_t *target)
{
    const char *state = string_of(target, "state");
    grid_add(grid, GRID_PLAIN, "%s", string_of(target, "name"));
    grid_add(grid, look_of(state), "%s", state);
    grid_add(grid, GRID_NUMBER, "%.0f", remote_json_number(target, "requests"));
    grid_add(grid, GRID_NUMBER, "%.0f", remote_json_number(target, "failures"));
    grid_add(grid, GRID_NUMBER, "%.0f", remote_json_number(target, "inflight"));
    grid_add(grid, GRID_NUMBER, "%.0f", remote_json_number(target, "idle_connections"));
    add_latency(grid, target);
    grid_add(grid, GRID_FAINT, "%s", string_of(target, "reason"));
    grid_end_row(grid);
}

static void add_headings(struct grid *grid)
{
    static const char *const numbers[] = {"requests", "failed", "in flight", "idle", "p50", "p99"};
    grid_add(grid, GRID_FAINT, "target");
    grid_add(grid, GRID_FAINT, "state");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        grid_add(grid, GRID_NUMBER, "%s", numbers[i]);
    grid_add(grid, GRID_FAINT, "why");
    grid_end_row(grid);
}

/* Said only where it happens. */
static void print_limits(const json_t *limits)
{
    static const struct {
        const char *name, *words;
    } rows[] = {
        {"rate_limited", "over the rate of their client"},
        {"shed_full", "refused because the waiting room was full"},
        {"shed_displaced", "refused to make room for others"},
        {"shed_deadline", "refused because their turn would have come too late"},
        {"shed_waited", "refused after they had waited as long as they may"},
    };
    for (size_t i = 0; limits != NULL && i < sizeof rows / sizeof rows[0]; i++)
        if (remote_json_number(limits, rows[i].name) > 0)
            printf("  %s: %.0f requests\n", rows[i].words,
                   remote_json_number(limits, rows[i].name));
}

static void print_concurrency(const json_t *concurrency)
{
    const char *name;
    const json_t *waiting = json_object_get(concurrency, "waiting");
    json_t *count;
    if (!json_is_object(concurrency))
        return;
    printf("  limit %.0f (%s), %.0f in progress; waiting:", remote_json_number(concurrency, "now"),
           string_of(concurrency, "limit"), remote_json_number(concurrency, "inflight"));
    json_object_foreach((json_t *)(uintptr_t)waiting, name, count)
        printf(" %s %lld", name, (long long)json_integer_value(count));
    printf("\n");
}

/* One that is closed says nothing. */
static void print_circuit(const json_t *circuit)
{
    const double again_s = remote_json_number(circuit, "half_open_in_s");
    if (!json_is_object(circuit) || strcmp(string_of(circuit, "state"), "closed") == 0)
        return;
    printf("  circuit breaker %s: %s", string_of(circuit, "state"), string_of(circuit, "reason"));
    if (again_s > 0)
        printf("; tried again in %.1f s", again_s);
    printf("\n");
}

/* Said only where it happened. */
static void print_refused(const json_t *limits)
{
    if (limits == NULL || remote_json_number(limits, "breaker_refused") == 0)
        return;
    printf("  refused by the circuit breaker: %.0f requests, %.0f of them given the fallback\n",
           remote_json_number(limits, "breaker_refused"),
           remote_json_number(limits, "breaker_fallback"));
}

/* "1,234" */
static void write_count(char out[32], double count)
{
    char digits[32];
    const int length = snprintf(digits, sizeof digits, "%.0f", count);
    char *at = out;
    for (int i = 0; i < length && at < out + 30; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *at++ = ',';
        *at++ = digits[i];
    }
    *at = '\0';
}

/* "12.3 MiB" */
static void write_bytes(char out[32], double bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    for (; bytes >= 1023.95 && unit + 1 < sizeof units / sizeof units[0]; unit++)
        bytes /= 1024;
    (void)snprintf(out, 32, unit == 0 || bytes >= 100 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

static void print_count(const json_t *object, const char *key, const char *words)
{
    char count[32];
    write_count(count, remote_json_number(object, key));
    if (remote_json_number(object, key) > 0)
        printf(", %s %s", count, words);
}

/* cache 61 % hits (1,234 of 2,020), 12.3 MiB of 64.0 MiB, 1,204 entries, ... */
static void print_cache(const json_t *cache)
{
    char hits[32], met[32], used[32], limit[32], spared[32], bytes[32];
    const json_t *disk = json_object_get(cache, "disk");
    if (!json_is_object(cache))
        return;
    write_count(hits, remote_json_number(cache, "hits"));
    write_count(met, remote_json_number(cache, "requests"));
    write_bytes(used, remote_json_number(cache, "used_bytes"));
    write_bytes(limit, remote_json_number(cache, "limit_bytes"));
    if (remote_json_number(cache, "requests") == 0)
        printf("  cache, no requests yet, %s of %s", used, limit);
    else
        printf("  cache %.0f %% hits (%s of %s), %s of %s",
               100 * remote_json_number(cache, "hit_ratio"), hits, met, used, limit);
    print_count(cache, "entries", "entries");
    if (json_is_object(disk)) {
        write_bytes(used, remote_json_number(disk, "used_bytes"));
        write_bytes(limit, remote_json_number(disk, "limit_bytes"));
        printf(", %s of %s on disk", used, limit);
        print_count(disk, "objects", "objects there");
        print_count(disk, "hits", "hits from it");
    }
    print_count(cache, "collapsed", "collapsed");
    print_count(cache, "evicted", "evicted");
    print_count(cache, "purged", "purged");
    write_count(spared, remote_json_number(cache, "spared_requests"));
    write_bytes(bytes, remote_json_number(cache, "spared_bytes"));
    if (remote_json_number(cache, "spared_requests") > 0)
        printf(", servers were spared %s requests and %s", spared, bytes);
    printf("\n");
}

static void print_service(const json_t *service, bool has_color)
{
    struct grid grid = {0};
    const json_t *targets = json_object_get(service, "targets");
    size_t i;
    json_t *target;
    add_headings(&grid);
    json_array_foreach(targets, i, target) add_target(&grid, target);
    const char *basis = string_of(service, "balance_basis");
    printf("\n%s  %s%s%s: %.0f requests, %.0f errors, %.0f retries, %.0f in flight\n",
           string_of(service, "name"), string_of(service, "balance"),
           basis[0] != '\0' ? " by " : "", basis, remote_json_number(service, "requests"),
           remote_json_number(service, "errors"), remote_json_number(service, "retries"),
           remote_json_number(service, "inflight"));
    print_cache(json_object_get(service, "cache"));
    print_circuit(json_object_get(service, "breaker"));
    print_refused(json_object_get(service, "limits"));
    print_concurrency(json_object_get(service, "concurrency"));
    print_limits(json_object_get(service, "limits"));
    if (string_of(service, "trouble")[0] != '\0')
        printf("  %s\n", string_of(service, "trouble"));
    (void)grid_write(&grid, INDENT, has_color, stdout);
    grid_fini(&grid);
}

static void print_reload(const json_t *config)
{
    const json_t *last = json_object_get(config, "last_reload");
    if (json_is_object(last))
        printf("  last reload %s %s: %s\n", string_of(last, "at"),
               json_is_true(json_object_get(last, "ok")) ? "taken" : "REFUSED",
               string_of(last, "message"));
}

static void print_geo(const json_t *geo)
{
    char age[64];
    if (!json_is_object(geo))
        return;
    write_duration(age, sizeof age, remote_json_number(geo, "age_s"));
    printf("  locations by %s: %s, made %s ago\n", string_of(geo, "file"), string_of(geo, "type"),
           age);
}

static void print_listeners(const json_t *listeners, bool has_color)
{
    struct grid grid = {0};
    size_t i;
    json_t *listener;
    json_array_foreach(listeners, i, listener)
    {
        const double connections = remote_json_number(listener, "connections");
        grid_add(&grid, GRID_PLAIN, "%s", string_of(listener, "name"));
        grid_add(&grid, GRID_PLAIN, "%s", string_of(listener, "dialect"));
        grid_add(&grid, GRID_PLAIN, "%s", string_of(listener, "address"));
        grid_add(&grid, GRID_PLAIN, "%.0f connection%s", connections, connections == 1 ? "" : "s");
        grid_end_row(&grid);
    }
    (void)grid_write(&grid, INDENT, has_color, stdout);
    grid_fini(&grid);
}

/* One line for each: what it is, how full it is, and how well it is asked. */
static void print_keyspaces(const json_t *keyspaces, bool has_color)
{
    struct grid grid = {0};
    size_t i;
    json_t *keyspace;
    json_array_foreach(keyspaces, i, keyspace)
    {
        char keys[32], used[32], limit[32], commands[32];
        const double hits = remote_json_number(keyspace, "hits");
        const double asked = hits + remote_json_number(keyspace, "misses");
        const double shards = remote_json_number(keyspace, "shards");
        write_count(keys, remote_json_number(keyspace, "keys"));
        write_count(commands, remote_json_number(keyspace, "commands") +
                                  remote_json_number(keyspace, "writes"));
        const double most = remote_json_number(keyspace, "limit_bytes");
        write_bytes(used, remote_json_number(keyspace, "used_bytes"));
        write_bytes(limit, most);
        grid_add(&grid, GRID_PLAIN, "%s", string_of(keyspace, "name"));
        grid_add(&grid, GRID_PLAIN, "%s by %s over %.0f shard%s", string_of(keyspace, "engine"),
                 string_of(keyspace, "partition"), shards, shards == 1 ? "" : "s");
        grid_add(&grid, GRID_NUMBER, "%s keys", keys);
        grid_add(&grid, GRID_NUMBER, "%s%s%s", used, most > 0 ? " of " : "", most > 0 ? limit : "");
        grid_add(&grid, GRID_NUMBER, "%s %s", commands,
                 strcmp(string_of(keyspace, "engine"), "lmdb") == 0 ? "writes" : "commands");
        if (asked > 0)
            grid_add(&grid, GRID_NUMBER, "%.0f %% found", 100 * hits / asked);
        else
            grid_add(&grid, GRID_NUMBER, "-");
        grid_end_row(&grid);
    }
    if (i > 0)
        printf("\nkeyspaces\n");
    (void)grid_write(&grid, INDENT, has_color, stdout);
    grid_fini(&grid);
}

static void print_all(const json_t *all, bool has_color)
{
    const json_t *config = json_object_get(all, "config");
    const json_t *health = json_object_get(all, "health");
    const char *file = string_of(config, "file");
    const double workers = remote_json_number(all, "workers");
    char uptime[64];
    size_t i;
    json_t *service;
    write_duration(uptime, sizeof uptime, remote_json_number(all, "uptime_s"));
    if (json_is_object(health))
        printf("%s%s%s\n", string_of(health, "sentence"),
               string_of(health, "advice")[0] == '\0' ? "" : "\n  ", string_of(health, "advice"));
    printf("pando %s, %s for %s, %.0f worker%s on %s\n", string_of(all, "version"),
           string_of(all, "state"), uptime, workers, workers == 1 ? "" : "s", string_of(all, "io"));
    printf("  %s%s, revision %.0f, loaded %s\n", file[0] == '\0' ? "configured by flags" : "file ",
           file, remote_json_number(config, "revision"), string_of(config, "loaded"));
    print_reload(config);
    print_geo(json_object_get(all, "geo"));
    print_listeners(json_object_get(all, "listeners"), has_color);
    json_array_foreach(json_object_get(all, "services"), i, service)
        print_service(service, has_color);
    print_keyspaces(json_object_get(all, "keyspaces"), has_color);
}

/* ---- the command ---- */

static int show(const struct command_line *line, const char *answer)
{
    json_t *all = remote_json_read(answer);
    if (all == NULL) {
        fputs("error: the server's answer is not JSON; is it of another version?\n", stderr);
        return EXIT_FAILURE;
    }
    if (line->watch != NULL && isatty(STDOUT_FILENO))
        fputs("\x1b[H\x1b[2J", stdout);
    if (line->json != NULL)
        fputs(answer, stdout);
    else
        print_all(all, command_has_color(line, STDOUT_FILENO));
    json_decref(all);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int ask_and_show(const struct command_line *line, const struct control *control)
{
    struct control_text text = {0};
    int status = EXIT_FAILURE;
    struct control_question question = {.method = "GET",
                                        .target = "/api/status",
                                        .wait_s = WAIT_S,
                                        .received = control_collect,
                                        .self = &text};
    if (control_ask(control, &question) && question.status == 200)
        status = show(line, text.at == NULL ? "" : text.at);
    mem_free(text.at);
    return status;
}

int command_status(const struct command_line *line)
{
    struct control control;
    int status = EXIT_USAGE;
    if (control_find(&control, line)) {
        status = ask_and_show(line, &control);
        while (line->watch != NULL && status == EXIT_SUCCESS) {
            (void)sleep(WATCH_S);
            status = ask_and_show(line, &control);
        }
    }
    control_fini(&control);
    return status;
}
