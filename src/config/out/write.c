/* SPDX-License-Identifier: Apache-2.0 */
/* config/out/write.c - filled structs out again: as YAML, and as differences between two. */
#include "config/out/write.h"

#include "config/tree.h"
#include "config/value/quantity.h"

#include <stdlib.h>
#include <string.h>

const void *config__field(const struct config_key *key, const void *base)
{
    return (const char *)base + key->offset;
}

size_t config__elements_count(const struct config_key *key, const void *base)
{
    size_t count;
    memcpy(&count, (const char *)base + key->count_offset, sizeof count);
    return count;
}

const void *config__element(const struct config_key *key, const void *base, size_t index)
{
    const char *elements;
    memcpy(&elements, config__field(key, base), sizeof elements);
    return elements + index * key->table->struct_bytes;
}

static const char *text_of(const struct config_key *key, const void *base)
{
    const char *text;
    if (key->kind == CONFIG_LISTEN || key->kind == CONFIG_TARGET)
        text = ((const struct config_address *)config__field(key, base))->text;
    else
        memcpy(&text, config__field(key, base), sizeof text);
    return text != NULL ? text : "";
}

/* Of COUNT, SIZE, DURATION, BOOLEAN and CHOICE. */
static uint64_t amount_of(const struct config_key *key, const void *base)
{
    uint64_t amount;
    uint32_t count;
    bool is_true;
    switch (key->kind) {
    case CONFIG_BOOLEAN: memcpy(&is_true, config__field(key, base), sizeof is_true); return is_true;
    case CONFIG_COUNT:
    case CONFIG_COUNT_OR_NONE:
    case CONFIG_COUNT_OR_AUTO:
    case CONFIG_CHOICE: memcpy(&count, config__field(key, base), sizeof count); return count;
    default: memcpy(&amount, config__field(key, base), sizeof amount); return amount;
    }
}

bool config__is_said(const struct config_key *key, const void *base)
{
    if (key->kind == CONFIG_LISTEN || key->kind == CONFIG_TARGET)
        return text_of(key, base)[0] != '\0';
    return !key->hidden;
}

bool config__is_preset(const struct config_key *key, const void *base)
{
    if (key->required)
        return false; /* it has none, and is always said */
    if (key->kind == CONFIG_TEXT)
        return strcmp(text_of(key, base), key->preset_text) == 0;
    if (key->kind == CONFIG_LISTEN || key->kind == CONFIG_TARGET)
        return text_of(key, base)[0] == '\0';
    if (key->kind == CONFIG_NETWORKS)
        return ((const struct config_networks *)config__field(key, base))->count == 0;
    return key->kind <= CONFIG_CHOICE && amount_of(key, base) == key->preset;
}

static bool same_networks(const struct config_networks *one, const struct config_networks *other)
{
    return one->count == other->count &&
           (one->count == 0 || memcmp(one->at, other->at, one->count * sizeof *one->at) == 0);
}

static bool same_rows(const struct config_table *table, const void *one, const void *other)
{
    for (const struct config_key *key = table->keys; key->name != NULL; key++)
        if (!config__same(key, one, other))
            return false;
    return true;
}

static bool same_elements(const struct config_key *key, const void *one, const void *other)
{
    const size_t count = config__elements_count(key, one);
    if (count != config__elements_count(key, other))
        return false;
    for (size_t i = 0; i < count; i++) {
        const void *a = config__element(key, one, i), *b = config__element(key, other, i);
        if (!same_rows(key->table, a, b))
            return false;
        if (key->kind == CONFIG_MAP &&
            strcmp(*(const char *const *)a, *(const char *const *)b) != 0)
            return false;
    }
    return true;
}

bool config__same(const struct config_key *key, const void *one, const void *other)
{
    switch (key->kind) {
    case CONFIG_TEXT:
    case CONFIG_LISTEN:
    case CONFIG_TARGET: return strcmp(text_of(key, one), text_of(key, other)) == 0;
    case CONFIG_NETWORKS: return same_networks(config__field(key, one), config__field(key, other));
    case CONFIG_SECTION:
        return same_rows(key->table, config__field(key, one), config__field(key, other));
    case CONFIG_LIST:
    case CONFIG_MAP: return same_elements(key, one, other);
    default: return amount_of(key, one) == amount_of(key, other);
    }
}

/* ---- YAML ---- */

/* Texts hold no control characters, so quotes and backslashes are all there is to escape. */
static void write_quoted(const char *text, FILE *out)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void write_networks(const struct config_networks *networks, FILE *out)
{
    char text[64];
    fputc('[', out);
    for (size_t i = 0; i < networks->count; i++) {
        config_network_write(&networks->at[i], text);
        fprintf(out, "%s\"%s\"", i > 0 ? ", " : "", text);
    }
    fputc(']', out);
}

void config__value_write(const struct config_key *key, const void *base, FILE *out)
{
    char text[CONFIG_QUANTITY_BYTES];
    switch (key->kind) {
    case CONFIG_BOOLEAN: fputs(amount_of(key, base) != 0 ? "true" : "false", out); break;
    case CONFIG_TEXT:
    case CONFIG_LISTEN:
    case CONFIG_TARGET: write_quoted(text_of(key, base), out); break;
    case CONFIG_CHOICE: fputs(key->choices[amount_of(key, base)].name, out); break;
    case CONFIG_NETWORKS: write_networks(config__field(key, base), out); break;
    default:
        fputs(config__amount_write(key->kind, amount_of(key, base), text, sizeof text), out);
        break;
    }
}

static void write_flow_value(const struct config_key *key, const void *base, bool is_short,
                             FILE *out)
{
    if (key->kind == CONFIG_SECTION) {
        config__flow_write(key->table, config__field(key, base), is_short, out);
        return;
    }
    if (key->kind != CONFIG_LIST && key->kind != CONFIG_MAP) {
        config__value_write(key, base, out);
        return;
    }
    fputc(key->kind == CONFIG_LIST ? '[' : '{', out);
    for (size_t i = 0; i < config__elements_count(key, base); i++) {
        const void *element = config__element(key, base, i);
        fputs(i > 0 ? ", " : "", out);
        if (key->kind == CONFIG_MAP)
            fprintf(out, "%s: ", *(const char *const *)element);
        config__flow_write(key->table, element, is_short, out);
    }
    fputc(key->kind == CONFIG_LIST ? ']' : '}', out);
}

void config__flow_write(const struct config_table *table, const void *base, bool is_short,
                        FILE *out)
{
    const struct config_key *last = NULL, *only = NULL;
    size_t count = 0, shown_count = 0;
    for (const struct config_key *key = table->keys; key->name != NULL; key++) {
        last = config__is_said(key, base) ? key : last;
        only = config__is_said(key, base) && !(is_short && config__is_preset(key, base))
                   ? (count++, key)
                   : only;
    }
    if (is_short && count == 1 && table->short_form != NULL &&
        strcmp(only->name, table->short_form) == 0) {
        write_flow_value(only, base, is_short, out);
        return;
    }
    fputc('{', out);
    for (const struct config_key *key = table->keys; key->name != NULL; key++) {
        if (!config__is_said(key, base) ||
            (is_short && config__is_preset(key, base) && !(count == 0 && key == last)))
            continue;
        fprintf(out, "%s%s: ", shown_count++ > 0 ? ", " : "", key->name);
        write_flow_value(key, base, is_short, out);
    }
    fputc('}', out);
}

static void write_block(const struct config_table *table, const void *base, int indent, FILE *out);

static void write_block_elements(const struct config_key *key, const void *base, int indent,
                                 FILE *out)
{
    const size_t count = config__elements_count(key, base);
    if (count == 0)
        fputs(key->kind == CONFIG_LIST ? " []" : " {}", out);
    fputc('\n', out);
    for (size_t i = 0; i < count; i++) {
        const void *element = config__element(key, base, i);
        if (key->kind == CONFIG_MAP) {
            fprintf(out, "%*s%s:\n", indent + 2, "", *(const char *const *)element);
            write_block(key->table, element, indent + 4, out);
        } else {
            fprintf(out, "%*s- ", indent + 2, "");
            config__flow_write(key->table, element, false, out);
            fputc('\n', out);
        }
    }
}

static void write_block(const struct config_table *table, const void *base, int indent, FILE *out)
{
    for (const struct config_key *key = table->keys; key->name != NULL; key++) {
        if (!config__is_said(key, base))
            continue;
        fprintf(out, "%*s%s:", indent, "", key->name);
        if (key->kind == CONFIG_SECTION) {
            fputc('\n', out);
            write_block(key->table, config__field(key, base), indent + 2, out);
        } else if (key->kind == CONFIG_LIST || key->kind == CONFIG_MAP) {
            write_block_elements(key, base, indent, out);
        } else {
            fputc(' ', out);
            config__value_write(key, base, out);
            fputc('\n', out);
        }
    }
}

void config_write_yaml(const struct config_table *root, const void *filled, FILE *out)
{
    write_block(root, filled, 0, out);
}

/* ---- differences ---- */

struct differ {
    struct arena memory; /* of lists of elements, and of identities that are made up */
    const void  *old_root, *new_root;
    FILE        *out; /* may be NULL */
    size_t       count;
    size_t       path_bytes;
    char         path[CONFIG__PATH_BYTES];
};

struct element {
    const char *identity;
    const void *base;
};

/* Sorted by identity. */
struct elements {
    struct element *at; /* NULL: there was no memory */
    size_t          count;
};

static size_t differ_enter(struct differ *differ, const char *before_name, const char *name,
                           const char *after_name)
{
    const size_t before = differ->path_bytes, room = sizeof differ->path - before;
    const int bytes = snprintf(differ->path + before, room, "%s%s%s", before > 0 ? before_name : "",
                               name, after_name);
    if (bytes > 0)
        differ->path_bytes += (size_t)bytes < room ? (size_t)bytes : room - 1;
    return before;
}

static void differ_leave(struct differ *differ, size_t before)
{
    differ->path_bytes = before;
    differ->path[before] = '\0';
}

static void say_changed(struct differ *differ, const struct config_key *key, const void *old,
                        const void *new)
{
    differ->count++;
    if (differ->out == NULL)
        return;
    fprintf(differ->out, "%s: ", differ->path);
    if (!config__is_said(key, old))
        fputs("none", differ->out);
    else
        config__value_write(key, old, differ->out);
    fputs(" -> ", differ->out);
    if (!config__is_said(key, new))
        fputs("none", differ->out);
    else
        config__value_write(key, new, differ->out);
    fputs(key->start_only ? " (after a restart)\n" : "\n", differ->out);
}

static void say(struct differ *differ, const char *what)
{
    differ->count++;
    if (differ->out != NULL)
        fprintf(differ->out, "%s: %s\n", differ->path, what);
}

static int by_identity(const void *a, const void *b)
{
    return strcmp(((const struct element *)a)->identity, ((const struct element *)b)->identity);
}

/* All that the element says, on one line; NULL: no memory. */
static const char *flow_of(struct differ *differ, const struct config_table *table,
                           const void *base)
{
    char *text = NULL, *kept = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (out == NULL)
        return NULL;
    config__flow_write(table, base, true, out);
    if (fclose(out) == 0)
        kept = config__copy(&differ->memory, text, bytes);
    free(text);
    return kept;
}

/* What tells an element from its neighbours: its name, its short form, or all of it. */
static const char *identity_of(struct differ *differ, const struct config_key *key,
                               const void *base)
{
    if (key->kind == CONFIG_MAP)
        return *(const char *const *)base;
    if (key->table->short_form != NULL)
        return text_of(config__key_find(key->table, key->table->short_form), base);
    return flow_of(differ, key->table, base);
}

static struct elements sorted_elements(struct differ *differ, const struct config_key *key,
                                       const void *base)
{
    struct elements sorted = {.count = config__elements_count(key, base)};
    struct element *at = config__take(&differ->memory, (sorted.count + 1) * sizeof *at);
    for (size_t i = 0; at != NULL && i < sorted.count; i++) {
        at[i].base = config__element(key, base, i);
        at[i].identity = identity_of(differ, key, at[i].base);
        if (at[i].identity == NULL)
            return sorted;
    }
    sorted.at = at;
    if (at != NULL)
        qsort(at, sorted.count, sizeof *at, by_identity);
    return sorted;
}

static void compare_rows(struct differ *differ, const struct config_table *table, const void *old,
                         const void *new);

/* Which of two sorted lists has the next element: below 0 the old, above 0 the new, 0 both. */
static int next_of(const struct elements *old, size_t i, const struct elements *new, size_t j)
{
    if (i == old->count)
        return 1;
    if (j == new->count)
        return -1;
    return strcmp(old->at[i].identity, new->at[j].identity);
}

/* The two lists are sorted, so they are walked side by side. */
static void compare_sorted(struct differ *differ, const struct config_key *key,
                           const struct elements *old, const struct elements *new)
{
    const bool is_map = key->kind == CONFIG_MAP;
    for (size_t i = 0, j = 0; i < old->count || j < new->count;) {
        const int order = next_of(old, i, new, j);
        const char *identity = order <= 0 ? old->at[i].identity : new->at[j].identity;
        const size_t before = differ_enter(differ, is_map ? "." : "[", identity, is_map ? "" : "]");
        if (order == 0)
            compare_rows(differ, key->table, old->at[i].base, new->at[j].base);
        else
            say(differ, key->start_only
                            ? order < 0 ? "removed (after a restart)" : "added (after a restart)"
                        : order < 0 ? "removed"
                                    : "added");
        differ_leave(differ, before);
        i += order <= 0;
        j += order >= 0;
    }
}

static void compare_elements(struct differ *differ, const struct config_key *key, const void *old,
                             const void *new)
{
    const struct elements olds = sorted_elements(differ, key, old);
    const struct elements news = sorted_elements(differ, key, new);
    if (olds.at != NULL && news.at != NULL)
        compare_sorted(differ, key, &olds, &news);
    else
        say(differ, "may have changed (no memory left to compare)");
}

/* A service's section whose every change follows the global one, which was said already, is not
 * news. */
static void compare_inherited(struct differ *differ, const struct config_key *section,
                              const void *old, const void *new)
{
    const char *old_preset = (const char *)differ->old_root + section->preset_offset - 1;
    const char *new_preset = (const char *)differ->new_root + section->preset_offset - 1;
    for (const struct config_key *key = section->table->keys; key->name != NULL; key++) {
        if (config__same(key, old, new) ||
            (config__same(key, old, old_preset) && config__same(key, new, new_preset)))
            continue;
        const size_t before = differ_enter(differ, ".", key->name, "");
        say_changed(differ, key, old, new);
        differ_leave(differ, before);
    }
}

static void compare_rows(struct differ *differ, const struct config_table *table, const void *old,
                         const void *new)
{
    for (const struct config_key *key = table->keys; key->name != NULL; key++) {
        const size_t before = differ_enter(differ, ".", key->name, "");
        const void *old_field = config__field(key, old), *new_field = config__field(key, new);
        if (key->kind == CONFIG_SECTION && key->preset_offset != 0)
            compare_inherited(differ, key, old_field, new_field);
        else if (key->kind == CONFIG_SECTION)
            compare_rows(differ, key->table, old_field, new_field);
        else if (key->kind == CONFIG_LIST || key->kind == CONFIG_MAP)
            compare_elements(differ, key, old, new);
        else if (!config__same(key, old, new))
            say_changed(differ, key, old, new);
        differ_leave(differ, before);
    }
}

size_t config_write_changes(const struct config_table *root, const void *old, const void *new,
                            FILE *out)
{
    struct differ differ = {.memory = {.heap_bytes_max = CONFIG__MEMORY_BYTES_MAX},
                            .old_root = old,
                            .new_root = new,
                            .out = out};
    compare_rows(&differ, root, old, new);
    arena_fini(&differ.memory);
    return differ.count;
}
