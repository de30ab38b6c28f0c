/* SPDX-License-Identifier: Apache-2.0 */
/* config/table.h - the rows of settings: what a room writes, and what is made of it.
 *
 * A room writes its settings as an X-list in ROOM_settings.h, eight columns a row:
 *
 *     #define HTTP_SETTINGS(X)                                                              \
 *         X(header_bytes, "header-bytes", SIZE, CONFIG_KIB(1), CONFIG_MIB(1),               \
 *           CONFIG_KIB(32), LIVE, "most bytes in the head of a request")
 *     struct http_settings { HTTP_SETTINGS(CONFIG_FIELD) };
 *
 * that is: C field (unit last), name in the file, kind, lowest, highest, preset, LIVE (a reload
 * changes it) or START (only a new start does), and a sentence. main/settings_keys.c lays the
 * rooms' rows into one tree of struct config_table. Everything here is constant. */
#ifndef PANDO_CONFIG_TABLE_H
#define PANDO_CONFIG_TABLE_H

#include "config/address.h"
#include "config/value/units.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A kind of setting and what a user is told to write. The C types are CONFIG_TYPE_* below; a
 * SECTION is embedded in its parent, a LIST and a MAP are a pointer and a size_t count. */
#define CONFIG_KINDS(X)                                                                            \
    X(COUNT, "a whole number")                                                                     \
    X(COUNT_OR_NONE, "a whole number or `none`")                                                   \
    X(COUNT_OR_AUTO, "a whole number or `auto`")                                                   \
    X(SIZE, "a size with its unit, such as 64KiB")                                                 \
    X(SIZE_OR_NONE, "a size with its unit, such as 64KiB, or `none`")                              \
    X(DURATION, "a duration with its unit, such as 10s")                                           \
    X(DURATION_OR_NONE, "a duration with its unit, such as 10s, or `none`")                        \
    X(BOOLEAN, "`true` or `false`")                                                                \
    X(TEXT, "a text")                                                                              \
    X(CHOICE, "one of a few words")                                                                \
    X(LISTEN, "an address to listen on, such as 127.0.0.1:8080 or :8080")                          \
    X(TARGET,                                                                                      \
      "an address, such as 10.0.0.1:3000, app.internal:3000, unix:/run/app.sock or "               \
      "srv:_http._tcp.app.internal")                                                               \
    X(NETWORKS, "a list of networks, such as [10.0.0.0/8, ::1]")                                   \
    X(SECTION, "a section of settings")                                                            \
    X(LIST, "a list")                                                                              \
    X(MAP, "a section of named entries")

enum config_kind {
#define X(kind, expected) CONFIG_##kind,
    CONFIG_KINDS(X)
#undef X
};

/* One word of a CHOICE; a table of them ends with a name of NULL. The setting holds the index. */
struct config_choice {
    const char *name;
    const char *gist; /* one line for the manual */
};

struct config_table;

/* One row. Made by CONFIG_KEY (from a room's X-list) or written out in main/settings_keys.c. */
struct config_key {
    const char      *name; /* in the file: "header-bytes"; NULL ends a table */
    enum config_kind kind;
    bool             start_only;   /* a reload does not change it */
    bool             required;     /* the file must say it */
    bool             one_or_many;  /* LIST: a single element needs no brackets */
    bool             hidden;       /* not in the manual: known only to be refused well */
    size_t           offset;       /* of the field in the struct of its table */
    size_t           count_offset; /* LIST and MAP: of its size_t count */
    uint64_t         lowest;       /* COUNT, SIZE, DURATION; TEXT: fewest bytes */
    uint64_t    highest; /* likewise; LIST, MAP, NETWORKS: most elements (0: CONFIG_NODES_MAX) */
    uint64_t    preset;  /* COUNT, SIZE, DURATION, BOOLEAN, CHOICE */
    const char *preset_text;             /* TEXT: the preset */
    const char *preset_words;            /* for the manual, where the preset is worked out later */
    const struct config_choice *choices; /* CHOICE */
    const struct config_table  *table;   /* SECTION, LIST, MAP: what is inside */
    /* SECTION inside a MAP: the preset of its fields is what stands at root + preset_offset - 1,
     * whose layout is the same; 0: the rows' presets. */
    size_t      preset_offset;
    const char *example; /* for `pando init`, as written in YAML; or NULL */
    const char *help;
};

/* The rows of one struct. In a MAP the struct's first field is `const char *name`. */
struct config_table {
    const struct config_key *keys;
    size_t                   struct_bytes; /* of one element; unused for a SECTION */
    const char              *short_form;   /* a bare value means {short_form: value}; or NULL */
    const char              *element;      /* what one is called: "service", "target" */
};

/* From an X-list: the fields of the struct. */
#define CONFIG_FIELD(field, name, kind, lowest, highest, preset, when, help)                       \
    CONFIG_TYPE_##kind field;

/* From an X-list: its rows, for fields at @type.@at (which ends in a dot, or is empty). */
#define CONFIG_KEY(type, at, field, name_, kind_, lowest_, highest_, preset_, when, help_)         \
    {.name = name_,                                                                                \
     .kind = CONFIG_##kind_,                                                                       \
     .offset = offsetof(type, at field),                                                           \
     .start_only = CONFIG_WHEN_##when,                                                             \
     CONFIG_RANGE_##kind_(lowest_, highest_) CONFIG_PRESET_##kind_(preset_).help = help_},

/* From an X-list of X(ENUM, "word", "gist"): the words of a CHOICE, in the order of the enum. */
#define CONFIG_WORD(enumerator, name, gist) {name, gist},

/* ---- what CONFIG_FIELD and CONFIG_KEY are made of ---- */

#define CONFIG_TYPE_COUNT            uint32_t
#define CONFIG_TYPE_COUNT_OR_NONE    uint32_t
#define CONFIG_TYPE_COUNT_OR_AUTO    uint32_t
#define CONFIG_TYPE_SIZE             uint64_t
#define CONFIG_TYPE_SIZE_OR_NONE     uint64_t
#define CONFIG_TYPE_DURATION         uint64_t
#define CONFIG_TYPE_DURATION_OR_NONE uint64_t
#define CONFIG_TYPE_BOOLEAN          bool
#define CONFIG_TYPE_TEXT             const char *
#define CONFIG_TYPE_CHOICE           uint32_t
#define CONFIG_TYPE_LISTEN           struct config_address
#define CONFIG_TYPE_NETWORKS         struct config_networks
#define CONFIG_TYPE_TARGET           struct config_address

#define CONFIG_RANGE_COUNT(low, high)            .lowest = (low), .highest = (high),
#define CONFIG_RANGE_COUNT_OR_NONE(low, high)    .lowest = (low), .highest = (high),
#define CONFIG_RANGE_COUNT_OR_AUTO(low, high)    .lowest = (low), .highest = (high),
#define CONFIG_RANGE_SIZE(low, high)             .lowest = (low), .highest = (high),
#define CONFIG_RANGE_SIZE_OR_NONE(low, high)     .lowest = (low), .highest = (high),
#define CONFIG_RANGE_DURATION(low, high)         .lowest = (low), .highest = (high),
#define CONFIG_RANGE_DURATION_OR_NONE(low, high) .lowest = (low), .highest = (high),
#define CONFIG_RANGE_BOOLEAN(low, high)
#define CONFIG_RANGE_TEXT(low, high)       .lowest = (low), .highest = (high),
#define CONFIG_RANGE_CHOICE(words, unused) .choices = (words),
#define CONFIG_RANGE_LISTEN(low, high)
#define CONFIG_RANGE_TARGET(low, high)
#define CONFIG_RANGE_NETWORKS(low, high) .lowest = (low), .highest = (high),

#define CONFIG_PRESET_COUNT(value)            .preset = (value),
#define CONFIG_PRESET_COUNT_OR_NONE(value)    .preset = (value),
#define CONFIG_PRESET_COUNT_OR_AUTO(value)    .preset = (value),
#define CONFIG_PRESET_SIZE(value)             .preset = (value),
#define CONFIG_PRESET_SIZE_OR_NONE(value)     .preset = (value),
#define CONFIG_PRESET_DURATION(value)         .preset = (value),
#define CONFIG_PRESET_DURATION_OR_NONE(value) .preset = (value),
#define CONFIG_PRESET_BOOLEAN(value)          .preset = (value),
#define CONFIG_PRESET_TEXT(value)             .preset_text = (value),
#define CONFIG_PRESET_CHOICE(value)           .preset = (value),
#define CONFIG_PRESET_LISTEN(value)
#define CONFIG_PRESET_TARGET(value)
#define CONFIG_PRESET_NETWORKS(value)

#define CONFIG_WHEN_LIVE  false
#define CONFIG_WHEN_START true

#endif
