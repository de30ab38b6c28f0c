/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/place/layout.h - questions about keyspaces: to the running process, else answered
 * from the file and DATA/facts.
 *
 * Memory:  a struct layout_offline is filled and given back. Threads: none.
 * Errors:  written to standard error. */
#ifndef PANDO_MAIN_COMMAND_PLACE_LAYOUT_H
#define PANDO_MAIN_COMMAND_PLACE_LAYOUT_H

#include "main/command/remote/control.h"
#include "main/directory/facts.h"

#include <jansson.h>

/* What came of asking. */
enum layout_asked {
    LAYOUT_ANSWERED, /* *@answer is set, to be given back */
    LAYOUT_REFUSED,  /* why is written; the command line's mistake */
    LAYOUT_FAILED,   /* why is written */
    LAYOUT_NOBODY,   /* no process listens there */
};

/* GET @target. */
enum layout_asked layout_ask(const struct control *control, const char *target, json_t **answer);

/* A keyspace as a start would lay it. */
struct layout_offline {
    struct settings       *own; /* that were loaded for this; NULL: borrowed */
    const struct settings *settings;
    struct partition      *partition;
    struct facts           facts;
};

/* The settings: those of @control, or loaded with @file, which may be NULL. False: why is
 * written. */
must_check bool layout_offline_settings(struct layout_offline *offline,
                                        const struct control *control,
                                        const struct command_line *line, const char *file);

/* The layout of @keyspace of them. False: why is written. */
must_check bool layout_offline_lay(struct layout_offline *offline,
                                   const struct settings_keyspace *keyspace);

/* Accepts zero. */
void layout_offline_fini(struct layout_offline *offline);

/* Writes @all as it is: --json. Returns the exit status. */
int layout_print_json(const json_t *all);

#endif
