/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/command.h - the commands and their flags, one row each: parsing, help and completion
 * are made from them.
 *
 * Results go to standard output, messages to standard error. Exit: EXIT_SUCCESS; EXIT_FAILURE if
 * what was asked for failed; EXIT_USAGE if the command line or the configuration has mistakes.
 *
 * Memory:  a struct command_line borrows the strings of argv. Threads: none. */
#ifndef PANDO_MAIN_COMMAND_COMMAND_H
#define PANDO_MAIN_COMMAND_COMMAND_H

#include "main/settings.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    EXIT_USAGE = 2,
    COMMAND_SETS_MAX = 256,
    COMMAND_WORDS_MAX = 64,   /* the most that a row allows */
    COMMAND_VALUES_MAX = 256, /* of flags that may be repeated */
};

/* To add a command: its row here, and command_<name>() in a file of its own. */
#define COMMANDS(X)                                                                                \
    /* name, words after it, how many at most, gist */                                             \
    X(run, "[FILE]", 1, "serve, in front of the services of a file or of --to")                    \
    X(init, "", 0, "write a commented configuration file to standard output")                      \
    X(check, "[FILE]", 1, "say everything that is wrong with a configuration")                     \
    X(reload, "[FILE]", 1,                                                                         \
      "make the running server read its configuration again, and say what changed")                \
    X(drain, "SERVICE/TARGET [FILE]", 2,                                                           \
      "give a target nothing new while it finishes what it has; survives restarts")                \
    X(undrain, "SERVICE/TARGET [FILE]", 2, "give it requests again")                               \
    X(weight, "SERVICE/TARGET N|file [FILE]", 3,                                                   \
      "change a target's share of the requests, until the file says another weight for it")        \
    X(status, "[FILE]", 1, "show services, targets and their health")                              \
    X(tap, "[FILE]", 1, "show requests as they finish")                                            \
    X(explain, "URL|KEY [FILE]", 2,                                                                \
      "say which service answers a request, whether from its cache, and why not; or where a key "  \
      "is, and why")                                                                               \
    X(directory, "set | unset | get | list KEYSPACE [PREFIX] [SHARD] [FILE]", 5,                   \
      "say on which shard of a directory keyspace a prefix is; survives restarts")                 \
    X(purge, "[URL...]", 64,                                                                       \
      "take answers out of the caches, by URL, prefix or tag, and say how many")                   \
    X(backup, "TO [FILE]", 2, "write all keys on the disk, of one instant, to a file or folder")   \
    X(restore, "BACKUP [FILE]", 2, "lay a backup's keys into an empty data folder")                \
    X(agent, "", 0,                                                                                \
      "run beside an application and say how busy it is: agent-check, and probes over HTTP")       \
    X(password, "[NAME]", 1, "draw a password, and print its row of a users-file")                 \
    X(config, "schema | docs | show [FILE] | diff OLD NEW", 3,                                     \
      "the settings: JSON Schema, manual, all in force, what a reload would change")               \
    X(completion, "bash | zsh | fish", 1,                                                          \
      "a script with which the shell completes commands and flags")                                \
    X(man, "", 0, "the manual page: pando man | man -l -")                                         \
    X(help, "[COMMAND]", 1, "this, or a command and its flags")

/* Which commands take a flag. */
#define COMMANDS_LOADING "run init check config"
#define COMMANDS_KEYS    COMMANDS_LOADING " backup restore"
#define COMMANDS_ALL     ""

/* A flag whose argument is "" is a switch. */
#define COMMAND_FLAGS(X)                                                                           \
    /* field, name, argument, commands, help */                                                    \
    X(to, "to", "A,B", COMMANDS_LOADING,                                                           \
      "targets of one service that answers every request: host:port, srv:name, unix:/path")        \
    X(http, "http", "ADDRESS", COMMANDS_LOADING,                                                   \
      "where clients connect; 127.0.0.1:8080 if the file names no listeners")                      \
    X(redis, "redis", "ADDRESS", COMMANDS_LOADING,                                                 \
      "where clients of the Redis protocol are served; 127.0.0.1:6380 with keyspaces")             \
    X(admin, "admin", "ADDRESS", COMMANDS_LOADING,                                                 \
      "metrics, probes and the status page; 127.0.0.1:9780 if the file names no listeners")        \
    X(data, "data", "DIR", COMMANDS_KEYS, "the folder for what is kept on disk")                   \
    X(workers, "workers", "N", COMMANDS_LOADING,                                                   \
      "threads that carry traffic; one for each core unless set")                                  \
    X(io, "io", "KIND", COMMANDS_LOADING " agent", "auto, epoll or io_uring")                      \
    X(zone, "zone", "REGION/ZONE", COMMANDS_LOADING, "where this node stands")                     \
    X(location, "location", "PLACE", COMMANDS_LOADING,                                             \
      "where on the globe it stands: \"LATITUDE,LONGITUDE\" or a country (ISO 3166)")              \
    X(control, "control", "PATH", COMMANDS_LOADING                                              \
      " reload drain undrain weight status tap explain directory purge backup",                    \
      "the control socket")                                                                        \
    X(sets, "set", "a.b=VALUE", COMMANDS_KEYS, "any setting, over the file; may be repeated")      \
    X(live, "live", "", "check", "also bind every listener's address and connect to every target") \
    X(deep, "deep", "", "check", "also read all keys on the disk, and name what is damaged")       \
    X(throttle, "throttle", "SIZE", "backup", "at most that much a second, such as 20MiB")         \
    X(only, "only", "KEYSPACE", "restore", "of the backup, this one alone; may be repeated")       \
    X(json, "json", "", "check status tap explain directory purge", "for programs")                \
    X(watch, "watch", "", "status", "again every second, until Ctrl-C")                            \
    X(service, "service", "NAME", "tap purge", "only requests for this service, or its cache")     \
    X(method, "method", "METHOD", "explain", "of the request; GET unless set")                     \
    X(header, "header", "'NAME: VALUE'", "explain",                                                \
      "what the request says beside its URL; -H is shorter; may be repeated")                      \
    X(key, "key", "", "explain", "what is named is a key, even if it looks like a URL")            \
    X(prefix, "prefix", "URL", "purge", "all URLs that begin so; may be repeated")                 \
    X(tag, "tag", "TAG", "purge", "answers with this Surrogate-Key or Cache-Tag; repeatable")      \
    X(soft, "soft", "", "purge", "keep them, but ask a server before each is used again")          \
    X(statuses, "status", "STATUS", "tap", "only answers of this status (404) or class (5xx)")     \
    X(path, "path", "PREFIX", "tap", "only requests whose path begins so")                         \
    X(agent_line, "listen", "ADDRESS", "agent",                                                    \
      "where each connection is answered with one line (agent-check); 127.0.0.1:9781")             \
    X(agent_http, "http", "ADDRESS", "agent",                                                      \
      "where GET /probe is answered with JSON; 127.0.0.1:9782")                                    \
    X(agent_pid, "pid", "N", "agent",                                                              \
      "the process whose CPU counts; when it is gone, that is said as `down`")                     \
    X(agent_cgroup, "cgroup", "PATH|PID", "agent",                                                 \
      "the cgroup that counts, or that of a process; without this and --pid the whole machine")    \
    X(agent_cpus, "cpus", "N", "agent",                                                            \
      "how many processors the application can use, such as 1 or 2.5; all that it may unless set") \
    X(agent_port, "port", "N", "agent",                                                            \
      "the application's port: its established connections are told as requests in flight")        \
    X(agent_report, "report", "FILE", "agent",                                                     \
      "where the application writes `rif=3 latency_us=900`; counts if at most 5 s old")            \
    X(agent_state, "state", "FILE", "agent",                                                       \
      "its first line is said too: ready, up, drain, maint, down, fail or stopped, and #reason")   \
    X(from_stdin, "stdin", "", "password", "take it from standard input instead, one line")        \
    X(no_color, "no-color", "", COMMANDS_ALL,                                                      \
      "plain text, as when NO_COLOR is set or no terminal reads")                                  \
    X(help, "help", "", COMMANDS_ALL, "this; -h is shorter")                                       \
    X(version, "version", "", COMMANDS_ALL, "the version")

/* A command line that was read. */
struct command_line {
    const struct command_row *command; /* NULL: none was named */
    const char               *words[COMMAND_WORDS_MAX]; /* what is no flag, after the command */
    size_t                    words_count;
    /* What each flag says: NULL if it is not there, "" for a switch. */
#define X(field, name, argument, commands, help) const char *field;
    COMMAND_FLAGS(X)
#undef X
    struct command_value {
        size_t      offset; /* of the flag's field */
        const char *value;
    } values[COMMAND_VALUES_MAX]; /* what flags say, in their order, but for --set */
    size_t       values_count;
    const char  *set_at[COMMAND_SETS_MAX]; /* every --set, in their order */
    size_t       sets_count;
    bool         is_short_help; /* -h */
    char *const *arguments;     /* all of argv */
};

struct command_row {
    const char *name;
    const char *words;
    size_t      words_max;
    const char *gist;
    int (*run)(const struct command_line *line); /* returns the exit status */
};

struct command_flag {
    const char *name;
    const char *argument;
    const char *commands; /* "": all */
    const char *help;
    size_t      offset; /* of its field in struct command_line */
};

/* The tables; they end with a row whose name is NULL. */
extern const struct command_row command_rows[];
extern const struct command_flag command_flags[];

/* The row of @name, or NULL. */
const struct command_row *command_row_find(const char *name);

/* May @flag stand after @command? */
bool command_row_takes(const struct command_row *command, const struct command_flag *flag);

/* Reads argv. False: a message was written to standard error. */
must_check bool command_read(struct command_line *line, int count, char *const arguments[]);

/* The next value, from *@at on, of the flag whose field is at @offset; NULL: no more. */
const char *command_next_value(const struct command_line *line, size_t offset, size_t *at);

/* Writes help for all (@command NULL) or for one command to standard output. */
void command_write_help(const struct command_row *command, bool is_short);

/* "error: unknown command `stats`; did you mean `status`?" to standard error. */
void command_refuse_word(const char *word);

/* What the flags ask settings_load() for. The file is the one that is named, else without --to the
 * first that is there of ./pando.yaml, $XDG_CONFIG_HOME/pando/pando.yaml (~/.config without that)
 * and /etc/pando/pando.yaml. The strings live as long as the process. */
void command_request(struct settings_request *request, const struct command_line *line,
                     const char *file);

/* Loads what @line names, with @file or NULL as the file. NULL: all that is wrong was written,
 * and the exit status is EXIT_USAGE. */
must_check struct settings *command_load(const struct command_line *line, const char *file,
                                         struct settings_request *request);

/* May text on this descriptor be coloured? */
bool command_has_color(const struct command_line *line, int fd);

/* One function for each command; returns the exit status. */
#define X(name, words, words_max, gist) int command_##name(const struct command_line *line);
COMMANDS(X)
#undef X

#endif
