/* SPDX-License-Identifier: Apache-2.0 */
/* config/config.h - settings as tables: rows make struct, parser, manual, schema, comparison.
 *
 * config/table.h says what a row is. First config_new, then config_read_file (or _text), config_set
 * for each flag, config_fill, and checks of one's own with config_complain; config_free at the end
 * gives back everything, the filled struct's strings and lists included.
 *
 * Memory:  a struct config owns an arena for all that it read. Threads: one at a time; once
 *          filled, the struct is only read and may be shared.
 * Errors:  of the user: collected in a struct config_errors, all of them. Out of memory: also
 *          there. */
#ifndef PANDO_CONFIG_CONFIG_H
#define PANDO_CONFIG_CONFIG_H

#include "config/errors.h"
#include "config/table.h"
#include "core/err.h"

/* Bounds on what is read; a file over one of them gets an error that says which. */
#define CONFIG_FILE_BYTES_MAX    (4u << 20) /* one file; thousands of targets fit */
#define CONFIG_FILES_MAX         64         /* the file and everything it includes */
#define CONFIG_INCLUDE_DEPTH_MAX 8
#define CONFIG_DEPTH_MAX         16     /* of nesting */
#define CONFIG_NODES_MAX         200000 /* keys and values, over all files */

struct config;

/* NULL: out of memory. */
struct config *config_new(void);

/* Accepts NULL. */
void config_free(struct config *config);

/* @bytes of zeroed memory that live as long as @config, aligned for everything; NULL: there is
 * none. */
void *config_allocate(struct config *config, size_t bytes);

/* Reads @path and what it includes. False: @errors has grown. Once per config. */
must_check bool config_read_file(struct config *config, const struct config_table *root,
                                 const char *path, struct config_errors *errors);

/* A file that is in memory already. */
struct config_text {
    const char *file; /* what errors call it */
    const char *at;   /* may be NULL if bytes is 0 */
    size_t      bytes;
};

/* As config_read_file() for a text, which may not include files. It is copied. */
must_check bool config_read_text(struct config *config, const struct config_table *root,
                                 const struct config_text *text, struct config_errors *errors);

/* What a flag says, over the files. */
struct config_override {
    const char *path;    /* "services.shop.balance" */
    const char *value;   /* a word as it is; for sections and lists YAML, such as [a, b] */
    const char *flag;    /* what errors call it: "--set" */
    const char *shown;   /* the line they show, which ends in @value: "services.shop.balance=x" */
    bool        is_list; /* @value is words with commas between them */
};

/* Sets it. False: @errors has grown. The strings are copied. */
must_check bool config_set(struct config *config, const struct config_table *root,
                           const struct config_override *override, struct config_errors *errors);

/* Is anything said at "listeners.web.http"? */
bool config_has(const struct config *config, const char *path);

/* The name of the first entry of the map at @path that has a key @key, or NULL. */
const char *config_entry_with(const struct config *config, const char *path, const char *key);

/* Fills the struct of @root from presets and what was read. False: @errors has grown; the struct
 * is still whole (presets stand where the file was wrong), so that one's own checks may add to
 * them. */
must_check bool config_fill(struct config *config, const struct config_table *root, void *filled,
                            struct config_errors *errors);

/* Which part of "services.shop.match" an error points at. */
enum config_part { CONFIG_PART_KEY, CONFIG_PART_VALUE };

/* Where an error is, for checks of one's own. */
struct config_complaint {
    const char *path; /* "services.shop.targets[1].weight"; if not said, the nearest above it */
    enum config_part part;
    const char      *first_path; /* where the same was said before, or NULL */
    const char      *hint;       /* beside the underline, or NULL */
};

/* Adds an error; its message is made of @format. */
void config_complain(const struct config *config, struct config_errors *errors,
                     const struct config_complaint *where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* One line for each difference between two filled structs, such as "http.idle-timeout: 60s -> 30s".
 * Returns how many; @out may be NULL. Those of START rows end in "(after a restart)". */
size_t config_write_changes(const struct config_table *root, const void *old, const void *new,
                            FILE *out);

/* The whole filled struct as YAML, every value said; reading it gives the same struct. */
void config_write_yaml(const struct config_table *root, const void *filled, FILE *out);

/* A commented file: what @filled says otherwise than @presets, the rest as comments, so that
 * reading it gives @filled again. @title is its first comment. */
void config_write_init(const struct config_table *root, const void *filled, const void *presets,
                       const char *title, FILE *out);

/* Every setting in Markdown. */
void config_write_docs(const struct config_table *root, FILE *out);

/* Every setting in troff's man macros, for a manual page that has a .SH of its own before it. */
void config_write_manpage(const struct config_table *root, FILE *out);

/* JSON Schema, draft 2020-12. */
void config_write_schema(const struct config_table *root, const char *title, FILE *out);

#endif
