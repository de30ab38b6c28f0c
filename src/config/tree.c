/* SPDX-License-Identifier: Apache-2.0 */
/* config/tree.c - nodes, their places, and the merging of several files. */
#include "config/tree.h"

#include "config/value/quantity.h"
#include "config/value/words.h"
#include "core/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Longest part of a line that an error shows, in characters, and how much of it lies before the
 * place. */
#define SHOWN_CHARACTERS 160
#define SHOWN_BEFORE     60
#define SHOWN_BYTES      (SHOWN_CHARACTERS * 4 + 8)

void *config__take(struct arena *memory, size_t bytes)
{
    void *taken = bytes < CONFIG__MEMORY_BYTES_MAX ? arena_take(memory, bytes) : NULL;
    if (taken != NULL)
        memset(taken, 0, bytes);
    return taken;
}

char *config__copy(struct arena *memory, const char *text, size_t bytes)
{
    char *copy = config__take(memory, bytes + 1);
    if (copy != NULL && bytes > 0)
        memcpy(copy, text, bytes);
    return copy;
}

/* The line break at @at in bytes; 0: none. The same ones as libyaml counts. */
static size_t break_at(const char *at, const char *end)
{
    const size_t left = (size_t)(end - at);
    if (*at == '\n')
        return 1;
    if (*at == '\r')
        return left > 1 && at[1] == '\n' ? 2 : 1;
    if (left > 1 && memcmp(at, "\xC2\x85", 2) == 0)
        return 2;
    if (left > 2 && (memcmp(at, "\xE2\x80\xA8", 3) == 0 || memcmp(at, "\xE2\x80\xA9", 3) == 0))
        return 3;
    return 0;
}

/* The start of line @line (from 0), and its end without its break. */
static const char *find_line(const struct config__source *source, uint32_t line,
                             const char **line_end)
{
    const char *at = source->text, *end = source->text + source->bytes;
    while (line > 0 && at < end) {
        const size_t bytes = break_at(at, end);
        line -= bytes > 0;
        at += bytes > 0 ? bytes : 1;
    }
    *line_end = at;
    while (*line_end < end && break_at(*line_end, end) == 0)
        (*line_end)++;
    return at;
}

static const char *skip_characters(const char *at, const char *end, uint32_t characters)
{
    uint32_t code_point;
    for (; characters > 0 && at < end; characters--)
        at += config_words_character(at, end, &code_point);
    return at;
}

/* The end of a file is better shown behind the last thing that it says. */
static struct config__span behind_the_last_word(const struct config__span *span)
{
    const struct config__source *source = span->source;
    struct config__span said = *span;
    const char *end;
    const char *start = find_line(source, said.line, &end);
    if (start < source->text + source->bytes || said.line == 0)
        return said;
    while (said.line > 0 && start == end)
        start = find_line(source, --said.line, &end);
    for (said.column = 0; start < end; said.column++)
        start = skip_characters(start, end, 1);
    return said;
}

/* The place of @span; its line is written to @shown. */
static struct config_place place_of(const struct config__span *span, char shown[SHOWN_BYTES])
{
    if (span == NULL || span->source == NULL)
        return (struct config_place){0};
    if (span->line == CONFIG__WHOLE_FILE)
        return (struct config_place){.file = span->source->name, .is_flag = span->source->is_flag};
    const char *end;
    const struct config__span said = behind_the_last_word(span);
    span = &said;
    const char *start = find_line(span->source, span->line, &end);
    const uint32_t skipped = span->column > SHOWN_CHARACTERS / 2 ? span->column - SHOWN_BEFORE : 0;
    const uint32_t indent = span->column - skipped;
    start = skip_characters(start, end, skipped);
    const size_t characters =
        config_words_clean(shown, SHOWN_BYTES, start, (size_t)(end - start), SHOWN_CHARACTERS);
    const uint32_t room = characters > indent ? (uint32_t)characters - indent : 1;
    const uint32_t length = span->length == 0 ? 1 : span->length < room ? span->length : room;
    return (struct config_place){.file = span->source->name,
                                 .is_flag = span->source->is_flag,
                                 .line = span->line + 1,
                                 .column = span->column + 1,
                                 .length = length,
                                 .line_text = shown,
                                 .indent = indent};
}

void config__report(struct config_errors *errors, const struct config__report *report,
                    const char *format, ...)
{
    char message[CONFIG__TEXT_BYTES], clean[CONFIG__TEXT_BYTES], shown[SHOWN_BYTES],
        shown_first[SHOWN_BYTES];
    va_list arguments;
    va_start(arguments, format);
    const int bytes = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (bytes < 0)
        message[0] = '\0';
    if (errors->count >= CONFIG_ERRORS_MAX) {
        errors->count++; /* finding lines in large files takes time, and nobody would see it */
        return;
    }
    config_words_clean(clean, sizeof clean, message, strlen(message), sizeof clean);
    config_errors_add(errors,
                      &(struct config_error){.message = clean,
                                             .hint = report->hint,
                                             .manual = report->manual,
                                             .place = place_of(report->at, shown),
                                             .first = place_of(report->first, shown_first)});
}

bool config__no_memory(struct config_errors *errors)
{
    config__report(errors, &(struct config__report){0},
                   "out of memory while the configuration was read");
    return false;
}

const struct config__span *config__node_place(const struct config__node *node)
{
    return node->is_block && node->key != NULL ? &node->key_span : &node->span;
}

bool config__node_is_empty(const struct config__node *node)
{
    return node->kind == CONFIG__SCALAR && node->is_plain &&
           (node->text[0] == '\0' || strcmp(node->text, "~") == 0 ||
            strcmp(node->text, "null") == 0);
}

struct config__node *config__node_new(struct config *config, enum config__node_kind kind,
                                      const struct config__span *span, struct config_errors *errors)
{
    if (config->nodes_count >= CONFIG_NODES_MAX) {
        config__report(errors, &(struct config__report){.at = span},
                       "the configuration has over %d keys and values", CONFIG_NODES_MAX);
        return NULL;
    }
    struct config__node *node = config__take(&config->memory, sizeof *node);
    if (node == NULL) {
        (void)config__no_memory(errors);
        return NULL;
    }
    config->nodes_count++;
    node->kind = kind;
    node->span = *span;
    return node;
}

void config__node_append(struct config__node *parent, struct config__node *child)
{
    child->next = NULL;
    if (parent->last != NULL)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->count++;
}

struct config__node *config__node_find(const struct config__node *mapping, const char *key)
{
    if (mapping == NULL || mapping->kind != CONFIG__MAPPING)
        return NULL;
    for (struct config__node *child = mapping->first; child != NULL; child = child->next)
        if (strcmp(child->key, key) == 0)
            return child;
    return NULL;
}

struct numbered {
    struct config__node *node;
    size_t               index;
};

static int by_key(const void *a, const void *b)
{
    const struct numbered *one = a, *other = b;
    const int order = strcmp(one->node->key, other->node->key);
    return order != 0 ? order : one->index < other->index ? -1 : 1;
}

/* Takes those marked as twins out of the children. */
static void drop_twins(struct config__node *mapping)
{
    struct config__node *next, *child = mapping->first;
    mapping->first = mapping->last = NULL;
    mapping->count = 0;
    for (; child != NULL; child = next) {
        next = child->next;
        if (!child->is_twin)
            config__node_append(mapping, child);
    }
}

bool config__find_twins(struct config__node *mapping, const char *path,
                        struct config_errors *errors)
{
    if (mapping->count < 2)
        return true;
    struct numbered *sorted = mem_alloc(mapping->count * sizeof *sorted);
    if (sorted == NULL)
        return config__no_memory(errors);
    size_t count = 0;
    for (struct config__node *child = mapping->first; child != NULL; child = child->next, count++)
        sorted[count] = (struct numbered){child, count};
    qsort(sorted, count, sizeof *sorted, by_key);
    const struct config__node *original = sorted[0].node;
    for (size_t i = 1; i < count; i++) {
        struct config__node *node = sorted[i].node;
        if (strcmp(original->key, node->key) != 0) {
            original = node;
            continue;
        }
        node->is_twin = true;
        config__report(
            errors, &(struct config__report){.at = &node->key_span, .first = &original->key_span},
            "`%s` is said twice%s%s", node->key, path[0] != '\0' ? " in " : "", path);
    }
    mem_free(sorted);
    drop_twins(mapping);
    return true;
}

static bool is_collection(const struct config_key *key)
{
    return key != NULL && (key->kind == CONFIG_SECTION || key->kind == CONFIG_MAP);
}

static void merge_child(const struct config_table *table, const char *path,
                        struct config__node *into, struct config__node *child,
                        struct config_errors *errors)
{
    const struct config_key *key = table == NULL ? NULL : config__key_find(table, child->key);
    struct config__node *old = is_collection(key) ? config__node_find(into, child->key) : NULL;
    if (old == NULL) {
        config__node_append(into, child);
        return;
    }
    if (config__node_is_empty(child))
        return; /* a heading with nothing under it */
    if (config__node_is_empty(old)) {
        child->next = old->next;
        *old = *child;
        return;
    }
    if (old->kind != CONFIG__MAPPING || child->kind != CONFIG__MAPPING) {
        config__node_append(into, child); /* and is found to be said twice */
        return;
    }
    char below[CONFIG__PATH_BYTES];
    (void)snprintf(below, sizeof below, "%s%s%s", path, path[0] != '\0' ? "." : "", child->key);
    config__merge(key->kind == CONFIG_SECTION ? key->table : NULL, below, old, child, errors);
}

void config__merge(const struct config_table *table, const char *path, struct config__node *into,
                   struct config__node *from, struct config_errors *errors)
{
    struct config__node *next;
    for (struct config__node *child = from->first; child != NULL; child = next) {
        next = child->next;
        merge_child(table, path, into, child, errors);
    }
    (void)config__find_twins(into, path, errors);
}

const struct config_key *config__key_find(const struct config_table *table, const char *name)
{
    for (const struct config_key *key = table->keys; key->name != NULL; key++)
        if (strcmp(key->name, name) == 0)
            return key;
    return NULL;
}

bool config__kind_is_scalar(enum config_kind kind)
{
    return kind < CONFIG_NETWORKS;
}

uint64_t config__count_max(const struct config_key *key)
{
    return key->highest != 0 ? key->highest : CONFIG_NODES_MAX;
}

bool config__is_entry_name(const char *name)
{
    const size_t bytes =
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
    return bytes > 0 && bytes <= CONFIG_WORD_BYTES_MAX && name[bytes] == '\0';
}

const char *config__kind_expected(enum config_kind kind)
{
    static const char *const expected[] = {
#define X(kind, expected) expected,
        CONFIG_KINDS(X)
#undef X
    };
    return expected[kind];
}

const char *config__word_of(enum config_kind kind)
{
    if (kind == CONFIG_COUNT_OR_NONE || kind == CONFIG_SIZE_OR_NONE ||
        kind == CONFIG_DURATION_OR_NONE)
        return "none";
    return kind == CONFIG_COUNT_OR_AUTO ? "auto" : NULL;
}

const char *config__amount_write(enum config_kind kind, uint64_t amount, char *text,
                                 size_t text_bytes)
{
    char quantity[CONFIG_QUANTITY_BYTES];
    const char *word = config__word_of(kind);
    if (word != NULL && amount == CONFIG_NONE)
        (void)snprintf(text, text_bytes, "%s", word);
    else if (kind == CONFIG_SIZE || kind == CONFIG_SIZE_OR_NONE)
        (void)snprintf(text, text_bytes, "%s", config_size_write(amount, quantity));
    else if (kind == CONFIG_DURATION || kind == CONFIG_DURATION_OR_NONE)
        (void)snprintf(text, text_bytes, "%s", config_duration_write(amount, quantity));
    else
        (void)snprintf(text, text_bytes, "%" PRIu64, amount);
    return text;
}

const char *config__preset_write(const struct config_key *key, char *text, size_t text_bytes)
{
    if (key->preset_words != NULL)
        (void)snprintf(text, text_bytes, "%s", key->preset_words);
    else if (key->kind == CONFIG_BOOLEAN)
        (void)snprintf(text, text_bytes, "%s", key->preset != 0 ? "true" : "false");
    else if (key->kind == CONFIG_TEXT)
        (void)snprintf(text, text_bytes, "\"%s\"",
                       key->preset_text != NULL ? key->preset_text : "");
    else if (key->kind == CONFIG_CHOICE)
        (void)snprintf(text, text_bytes, "%s", key->choices[key->preset].name);
    else if (key->kind < CONFIG_BOOLEAN)
        return config__amount_write(key->kind, key->preset, text, text_bytes);
    else
        text[0] = '\0';
    return text;
}

const char *config__range_write(const struct config_key *key, char *text, size_t text_bytes)
{
    char lowest[CONFIG_QUANTITY_BYTES], highest[CONFIG_QUANTITY_BYTES];
    text[0] = '\0';
    if (key->kind >= CONFIG_BOOLEAN)
        return text;
    config__amount_write(key->kind, key->lowest, lowest, sizeof lowest);
    config__amount_write(key->kind, key->highest, highest, sizeof highest);
    (void)snprintf(text, text_bytes, " from %s to %s", lowest, highest);
    return text;
}

void config__manual_write(const struct config_table *root, const char *path, char *manual,
                          size_t manual_bytes)
{
    const struct config_table *table = root;
    const struct config_key *map = NULL; /* whose entry's name comes next */
    size_t used = 0;
    manual[0] = '\0';
    while (*path != '\0' && used < manual_bytes) {
        char name[CONFIG_WORD_BYTES_MAX + 1];
        const size_t bytes = strcspn(path, ".["),
                     taken = bytes < sizeof name ? bytes : sizeof name - 1;
        memcpy(name, path, taken);
        name[taken] = '\0';
        const struct config_key *key =
            map != NULL || table == NULL ? NULL : config__key_find(table, name);
        if (map == NULL && key == NULL)
            return; /* not in the manual: stop at what is */
        used += (size_t)snprintf(manual + used, manual_bytes - used, "%s%s", used > 0 ? "." : "",
                                 map != NULL ? "<name>" : name);
        table = map != NULL ? map->table : key->table;
        map = key != NULL && key->kind == CONFIG_MAP ? key : NULL;
        path += bytes;
        path += strcspn(path, ".");
        path += *path == '.';
    }
}
