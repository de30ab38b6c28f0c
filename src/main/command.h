/* SPDX-License-Identifier: Apache-2.0 */
/* main/command.h - the commands and flags of the program: one row each, from which parsing and help are made.
 *
 * Results go to stdout, messages to stderr. Exit: 0 done, 1 failed, 2 wrong usage or a configuration with mistakes. */
#ifndef PANDO_MAIN_COMMAND_H
#define PANDO_MAIN_COMMAND_H

#include "main/settings.h"

#include <stdbool.h>
#include <stddef.h>

enum { EXIT_USAGE = 2, COMMAND_SETS_MAX = 256, COMMAND_WORDS_MAX = 4 };

/* Commands: name, what follows it, gist. `of` letters mark the flags that a command takes. */
#define COMMANDS(X)                                                                                              \
    X(run,    "[FILE]",               "serve: in front of services, from a file or with --to")                  \
    X(init,   "",                     "print a commented configuration file for --to")                          \
    X(check,  "[FILE]",               "read a configuration and say everything that is wrong with it")          \
    X(reload, "[FILE]",               "tell the running server to read its configuration anew, and say what changes") \
    X(status, "[FILE]",               "show services, targets and their health")                                \
    X(tap,    "[FILE]",               "show requests as they finish")                                           \
    X(config, "schema|docs|man|show|diff ...", "the settings: JSON Schema, manual, what is in force, what differs") \
    X(help,   "[COMMAND]",            "this, or a command's flags")

/* Flags: field, name, argument ("" for none), commands that take it, help. */
#define COMMAND_FLAGS(X)                                                                                        \
    X(to,       "to",       "A,B,..", "run init check",      "targets of one service that answers every request: host:port, srv:name, unix:/path") \
    X(http,     "http",     "ADDRESS", "run init check",     "where clients connect; preset 127.0.0.1:8080 with --to") \
    X(admin,    "admin",    "ADDRESS", "run init check",     "metrics, probes and the status page; preset 127.0.0.1:9780 with --to") \
    X(redis,    "redis",    "ADDRESS", "run init check",     "the Redis front; refused by this version, with the reason") \
    X(data,     "data",     "DIR",     "run init check",     "the folder for what is kept on disk")              \
    X(control,  "control",  "PATH",    "run init check reload status tap", "the control socket")                 \
    X(workers,  "workers",  "N",       "run init check",     "threads that carry traffic; preset one per core")  \
    X(io,       "io",       "KIND",    "run init check",     "auto, epoll or io_uring")                           \
    X(zone,     "zone",     "REGION/ZONE", "run check",      "where this node stands")                            \
    X(sets,     "set",      "a.b=value", "run init check config", "one setting; wins over the file; may be repeated") \
    X(live,     "live",     "",        "check",              "also connect to every target")                      \
    X(json,     "json",     "",        "check status tap",   "for programs")                                      \
    X(watch,    "watch",    "",        "status",             "again every second")                                \
    X(service,  "service",  "NAME",    "tap",                "only requests of this service")                     \
    X(statuses, "status",   "5xx",     "tap",                "only answers of this status or class")              \
    X(path,     "path",     "PREFIX",  "tap",                "only requests whose path begins so")                \
    X(no_color, "no-color", "",        "run check status tap", "plain text")                                      \
    X(help,     "help",     "",        "",                   "this command's flags")                              \
    X(version,  "version",  "",        "",                   "the version and what it was built with")

/* A command line that was read. Strings are those of argv. */
struct command_line {
    const char *command;
    const char *words[COMMAND_WORDS_MAX]; /* what is no flag, after the command */
    size_t      words_count;
#define X(field, name, argument, commands, help) const char *field; /* "" for a flag without an argument */
    COMMAND_FLAGS(X)
#undef X
    const char *set_at[COMMAND_SETS_MAX];
    size_t      set_count;
    char *const *arguments; /* the whole, for the supervisor */
};

/* Reads argv. False: a message was printed to stderr. */
bool command_read(struct command_line *line, int count, char *const arguments[]);

/* Help for all, or for one command; to stdout. False: there is no such command. */
bool command_write_help(const char *command);

/* The settings request of a command line; @file is found by the usual places if none is named. */
void command_request(struct settings_request *request, const struct command_line *line);

/* Loads what @line names; prints the mistakes. NULL: exit with EXIT_USAGE. */
struct settings *command_load(const struct command_line *line, struct settings_request *request);

/* --version. */
int command_version(void);

/* May colour be used on this descriptor? */
bool command_has_color(const struct command_line *line, int fd);

/* --- one function per command; the exit status -------------------------------------------------------------------- */

#define X(name, words, gist) int command_##name(const struct command_line *line);
COMMANDS(X)
#undef X

#endif
