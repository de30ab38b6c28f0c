/* SPDX-License-Identifier: Apache-2.0 */
/* config/errors.h - everything that is wrong with a configuration, each thing with its place.
 *
 * Memory:  starts zeroed; config_errors_free() gives back all, also of a zeroed one. The strings
 *          in it are its own, so it outlives the configuration that it speaks of.
 * Threads: belongs to its caller. */
#ifndef PANDO_CONFIG_ERRORS_H
#define PANDO_CONFIG_ERRORS_H

#include "core/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* More than this many are counted, not kept: nobody reads further. */
#define CONFIG_ERRORS_MAX 20

/* A place in a file or in a flag. */
struct config_place {
    const char *file;      /* as the user named it, or "--set"; NULL: no place is known */
    bool        is_flag;   /* its line and column are not worth saying */
    uint32_t    line;      /* from 1; 0: the file as a whole */
    uint32_t    column;    /* from 1, in characters (code points) */
    uint32_t    length;    /* characters to underline, at least 1, within the line */
    const char *line_text; /* the line (a long one in part), fit for a terminal; NULL: not known */
    uint32_t    indent;    /* characters of line_text before what is underlined */
};

struct config_error {
    const char         *message; /* "unknown setting `balnce` in services.shop" */
    const char         *hint;    /* beside the underline: "did you mean `balance`?"; or NULL */
    const char         *manual;  /* "services.<name>.balance", or NULL */
    struct config_place place;
    struct config_place first; /* where the same thing was said before; file NULL if not so */
};

struct config_errors {
    struct config_error at[CONFIG_ERRORS_MAX]; /* in the order of files and lines once sorted */
    size_t              count;                 /* of all; may be over CONFIG_ERRORS_MAX */
    struct arena        memory;                /* of their strings */
};

/* Adds one; copies every string in @error. Out of memory: it is counted all the same. */
void config_errors_add(struct config_errors *errors, const struct config_error *error);

/* How many of them are kept in at[]. */
size_t config_errors_kept(const struct config_errors *errors);

/* Orders those kept by file (as first met), line and column; stable. */
void config_errors_sort(struct config_errors *errors);

/* Writes them as plain text, without colour: message, place, line, underline, manual; a blank line
 * between two; at last "and N more". */
void config_errors_write_text(const struct config_errors *errors, FILE *out);

/* Writes {"count": N, "errors": [{message, hint, manual, place, first}]}; a place is
 * {file, line, column, length}. */
void config_errors_write_json(const struct config_errors *errors, FILE *out);

/* Gives back all; @errors is then empty and ready again. */
void config_errors_free(struct config_errors *errors);

#endif
