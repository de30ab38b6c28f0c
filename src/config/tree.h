/* SPDX-License-Identifier: Apache-2.0 */
/* config/tree.h - what stands in the files, as nodes with places; shared inside config/ only.
 *
 * Memory: everything lies in the configuration's memory. Strings end in NUL and hold none. */
#ifndef PANDO_CONFIG_TREE_H
#define PANDO_CONFIG_TREE_H

#include "config/config.h"
#include "core/arena.h"

#include <sys/types.h>

/* A file, or a flag. */
struct config__source {
    const char *name; /* as errors call it; fit for a terminal */
    bool        is_flag;
    const char *path; /* to resolve includes against; NULL: it may not include */
    const char *text;
    size_t      bytes;
    dev_t       device; /* with inode: the same file by another name */
    ino_t       inode;
};

#define CONFIG__TEXT_BYTES 512
#define CONFIG__PATH_BYTES 512
#define CONFIG__WHOLE_FILE UINT32_MAX

/* Where a key or value stands. Lines and columns from 0, in characters, as libyaml counts them. */
struct config__span {
    const struct config__source *source; /* NULL: nowhere */
    uint32_t                     line;   /* or CONFIG__WHOLE_FILE */
    uint32_t                     column;
    uint32_t                     length; /* to the end of the line at most; the writer clips it */
};

enum config__node_kind { CONFIG__SCALAR, CONFIG__SEQUENCE, CONFIG__MAPPING };

struct config__node {
    enum config__node_kind kind;
    bool                   is_plain; /* SCALAR: without quotes */
    bool                   is_twin;  /* the same key was there before; about to be dropped */
    bool                 is_block; /* others: over several lines, so its key is the better place */
    const char          *text;     /* SCALAR */
    struct config__span  span;
    const char          *key; /* of a member of a mapping, else NULL */
    struct config__span  key_span;
    size_t               count; /* of children */
    struct config__node *first, *last;
    struct config__node *next; /* sibling */
};

struct config {
    struct arena               memory;
    struct config__node       *root;  /* a mapping; NULL before anything was read */
    const struct config_table *table; /* of the root, once one was given */
    size_t                     nodes_count;
    struct config__source     *files[CONFIG_FILES_MAX];
    size_t                     files_count;
};

/* Most memory of one configuration: far more than CONFIG_NODES_MAX nodes and their structs need. */
#define CONFIG__MEMORY_BYTES_MAX (1u << 30)

/* @bytes of zeroed memory, or NULL. */
void *config__take(struct arena *memory, size_t bytes);

/* A copy of @bytes at @text with a NUL behind it, or NULL. */
char *config__copy(struct arena *memory, const char *text, size_t bytes);

/* What an error says beside its message; all but `at` may be NULL. */
struct config__report {
    const struct config__span *at;
    const struct config__span *first;
    const char                *hint;
    const char                *manual;
};

/* Adds an error at a span. */
void config__report(struct config_errors *errors, const struct config__report *report,
                    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Adds "out of memory" and returns false. */
bool config__no_memory(struct config_errors *errors);

/* Where an error about @node as a whole is best shown. */
const struct config__span *config__node_place(const struct config__node *node);

/* Is nothing said: empty, ~ or null without quotes? */
bool config__node_is_empty(const struct config__node *node);

/* A new node, counted; NULL: no memory, or too many (the error is added). */
struct config__node *config__node_new(struct config *config, enum config__node_kind kind,
                                      const struct config__span *span,
                                      struct config_errors *errors);

/* Puts @child at the end of @parent's children. */
void config__node_append(struct config__node *parent, struct config__node *child);

/* The child of a mapping with that key, or NULL (also if @mapping is NULL or no mapping). */
struct config__node *config__node_find(const struct config__node *mapping, const char *key);

/* Reads the YAML behind the first @skipped bytes of a source (of a flag: what stands before its
 * value) into nodes. *@root is NULL for an empty document. False: an error was added. */
bool config__yaml_read(struct config *config, const struct config__source *source, size_t skipped,
                       struct config__node **root, struct config_errors *errors);

/* Adds the children of @from to @into: sections and maps of @table are merged, anything else that
 * is said twice is an error, which names both places. */
void config__merge(const struct config_table *table, const char *path, struct config__node *into,
                   struct config__node *from, struct config_errors *errors);

/* Adds an error for each key that @mapping, which @path names, has twice, and keeps the first.
 * False: no memory. */
bool config__find_twins(struct config__node *mapping, const char *path,
                        struct config_errors *errors);

/* The row of @table for @name, or NULL. */
const struct config_key *config__key_find(const struct config_table *table, const char *name);

/* Is its value a single word in the file? */
bool config__kind_is_scalar(enum config_kind kind);

/* How many elements a LIST, MAP or NETWORKS may have. */
uint64_t config__count_max(const struct config_key *key);

/* Whether @name may name an entry of a MAP: 1 to 64 letters, digits, - and _. */
bool config__is_entry_name(const char *name);

/* The preset of @key as a file says it, or "" if there is none. Returns @text. */
const char *config__preset_write(const struct config_key *key, char *text, size_t text_bytes);

/* " from 1KiB to 1MiB" with its leading space, or "" if the kind has no range. Returns @text. */
const char *config__range_write(const struct config_key *key, char *text, size_t text_bytes);

/* The word that stands for no number of @kind, "none" or "auto"; NULL: there is none. */
const char *config__word_of(enum config_kind kind);

/* One amount of @kind as a file says it. Returns @text. */
const char *config__amount_write(enum config_kind kind, uint64_t amount, char *text,
                                 size_t text_bytes);

/* What @kind is in words: "a size with its unit, such as 64KiB". */
const char *config__kind_expected(enum config_kind kind);

/* The name in the manual of "services.shop.targets[1].weight": "services.<name>.targets.weight". */
void config__manual_write(const struct config_table *root, const char *path, char *manual,
                          size_t manual_bytes);

#endif
