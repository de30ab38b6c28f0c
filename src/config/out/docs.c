/* SPDX-License-Identifier: Apache-2.0 */
/* config/out/docs.c - what the rows say to people: the manual in Markdown, and a commented file. */
#include "config/out/write.h"
#include "config/tree.h"

#include <string.h>

/* ---- the manual ---- */

static bool has_table(const struct config_key *key)
{
    return key->kind == CONFIG_SECTION || key->kind == CONFIG_LIST || key->kind == CONFIG_MAP;
}

/* What may be written: the range, the words, or the kind in general. */
static void write_allowed(const struct config_key *key, FILE *out)
{
    char range[CONFIG__TEXT_BYTES];
    if (key->kind == CONFIG_CHOICE) {
        for (const struct config_choice *choice = key->choices; choice->name != NULL; choice++)
            fprintf(out, "%s`%s`: %s", choice == key->choices ? "" : "; ", choice->name,
                    choice->gist);
        return;
    }
    fputs(config__kind_expected(key->kind), out);
    if (key->kind < CONFIG_BOOLEAN)
        fprintf(out, ",%s", config__range_write(key, range, sizeof range));
}

static void write_preset(const struct config_key *key, const char *inherited_from, FILE *out)
{
    char preset[CONFIG__TEXT_BYTES];
    if (inherited_from != NULL)
        fprintf(out, "as `%s.%s`", inherited_from, key->name);
    else if (key->required)
        fputs("required", out);
    else if (key->preset_words != NULL)
        fputs(key->preset_words, out);
    else if (config__preset_write(key, preset, sizeof preset)[0] != '\0')
        fprintf(out, "`%s`", preset);
    else
        fputs("none", out);
}

/* @inherited_from is the section whose values are the presets of these rows, or NULL. */
static void write_rows(const struct config_table *table, const char *inherited_from, FILE *out)
{
    bool is_first = true;
    for (const struct config_key *key = table->keys; key->name != NULL; key++) {
        if (key->hidden || has_table(key))
            continue;
        if (is_first)
            fputs("| setting | meaning | preset | allowed | a reload changes it |\n"
                  "|---|---|---|---|---|\n",
                  out);
        is_first = false;
        fprintf(out, "| `%s` | %s | ", key->name, key->help);
        write_preset(key, inherited_from, out);
        fputs(" | ", out);
        write_allowed(key, out);
        fprintf(out, " | %s |\n", key->start_only ? "no, at the next start" : "yes");
    }
    if (!is_first)
        fputc('\n', out);
}

static char upper(char letter)
{
    return letter >= 'a' && letter <= 'z' ? (char)(letter - ('a' - 'A')) : letter;
}

static void write_section(const struct config_key *key, const char *path, unsigned depth, FILE *out)
{
    char below[CONFIG__PATH_BYTES];
    (void)snprintf(below, sizeof below, "%s%s%s%s", path, path[0] != '\0' ? "." : "", key->name,
                   key->kind == CONFIG_MAP    ? ".<name>"
                   : key->kind == CONFIG_LIST ? "[]"
                                              : "");
    fprintf(out, "%.*s `%s`\n\n%c%s.\n", (int)depth, "######", below, upper(key->help[0]),
            key->help + 1);
    if (key->preset_words != NULL)
        fprintf(out, "If none is said: %s.\n", key->preset_words);
    if (key->table->short_form != NULL)
        fprintf(out, "A bare word is its `%s`.\n", key->table->short_form);
    if (key->kind == CONFIG_LIST && key->one_or_many)
        fputs("A single one needs no list.\n", out);
    fputc('\n', out);
    write_rows(key->table, key->preset_offset != 0 ? key->name : NULL, out);
    for (const struct config_key *inner = key->table->keys; inner->name != NULL; inner++)
        if (!inner->hidden && has_table(inner))
            write_section(inner, below, depth + 1, out);
}

void config_write_docs(const struct config_table *root, FILE *out)
{
    fputs("# Settings\n\n"
          "A configuration is a YAML file. Every duration and size says its unit: `250ms`, `10s`,\n"
          "`1m30s`, `1h`; `512B`, `64KiB`, `1MiB`. `none` is no limit at all. A setting that is\n"
          "not said has its preset. `--set section.setting=value` wins over the file.\n\n"
          "`include: [services.yaml]` takes in other files, named relative to the one that names\n"
          "them: sections are joined, and a setting or an entry said in two files is an error.\n\n",
          out);
    write_rows(root, NULL, out);
    for (const struct config_key *key = root->keys; key->name != NULL; key++)
        if (!key->hidden && has_table(key))
            write_section(key, "", 2, out);
}

/* ---- a commented file ---- */

#define COMMENT_COLUMNS 98

/* @text as comment lines at @indent. */
static void write_comment(const char *text, int indent, FILE *out)
{
    int column = 0;
    while (*text != '\0') {
        const int bytes = (int)strcspn(text, " ");
        if (column == 0 || column + 1 + bytes > COMMENT_COLUMNS) {
            fprintf(out, "%s%*s#", column > 0 ? "\n" : "", indent, "");
            column = indent + 1;
        }
        fprintf(out, " %.*s", bytes, text);
        column += 1 + bytes;
        text += bytes;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

/* An example of several lines, each made a comment. */
static void write_example(const char *example, int indent, FILE *out)
{
    while (*example != '\0') {
        const size_t bytes = strcspn(example, "\n");
        fprintf(out, "%*s#%.*s\n", indent, "", (int)bytes, example);
        example += bytes + (example[bytes] == '\n');
    }
}

static void write_help(const struct config_key *key, int indent, FILE *out)
{
    char text[CONFIG__TEXT_BYTES * 2], range[CONFIG__TEXT_BYTES];
    if (key->kind == CONFIG_CHOICE) {
        size_t used = (size_t)snprintf(text, sizeof text, "%s:", key->help);
        for (const struct config_choice *choice = key->choices;
             choice->name != NULL && used < sizeof text; choice++)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s %s (%s)",
                                     choice == key->choices ? "" : ",", choice->name, choice->gist);
    } else if (key->kind < CONFIG_BOOLEAN)
        (void)snprintf(text, sizeof text, "%s;%s", key->help,
                       config__range_write(key, range, sizeof range));
    else
        (void)snprintf(text, sizeof text, "%s", key->help);
    write_comment(text, indent, out);
}

struct init {
    const void *root; /* the whole filled struct */
    FILE       *out;
};

static void init_rows(const struct init *init, const struct config_table *table, const void *base,
                      const void *presets, int indent);

static void init_elements(const struct init *init, const struct config_key *key, const void *base,
                          int indent)
{
    FILE *out = init->out;
    const size_t count = config__elements_count(key, base);
    const bool is_empty_list = count == 0 && key->kind == CONFIG_LIST;
    fprintf(out, "%*s%s%s:%s\n", indent, "", is_empty_list ? "#" : "", key->name,
            is_empty_list && key->example == NULL ? " []" : "");
    if (count == 0 && key->example != NULL)
        write_example(key->example, indent + (is_empty_list ? 0 : 2), out);
    for (size_t i = 0; i < count; i++) {
        const void *element = config__element(key, base, i);
        if (key->kind == CONFIG_MAP) {
            fprintf(out, "%*s%s:\n", indent + 2, "", *(const char *const *)element);
            init_rows(init, key->table, element, NULL, indent + 4);
        } else {
            fprintf(out, "%*s- ", indent + 2, "");
            config__flow_write(key->table, element, true, out);
            fputc('\n', out);
        }
    }
}

/* A section that has its presets from another one is left out as long as it has them all. */
static void init_inherited(const struct init *init, const struct config_key *key, const void *base,
                           int indent)
{
    FILE *out = init->out;
    const void *field = config__field(key, base);
    const void *preset = (const char *)init->root + key->preset_offset - 1;
    bool is_open = false;
    for (const struct config_key *inner = key->table->keys; inner->name != NULL; inner++) {
        if (inner->hidden || config__same(inner, field, preset))
            continue;
        if (!is_open)
            fprintf(out, "%*s%s:\n", indent, "", key->name);
        is_open = true;
        fprintf(out, "%*s%s: ", indent + 2, "", inner->name);
        config__value_write(inner, field, out);
        fputc('\n', out);
    }
    if (!is_open)
        fprintf(out, "%*s#%s: {}\n", indent, "", key->name);
}

static void init_row(const struct init *init, const struct config_key *key, const void *base,
                     const void *presets, int indent)
{
    FILE *out = init->out;
    const bool is_preset =
        presets != NULL ? config__same(key, base, presets) : config__is_preset(key, base);
    const bool is_said = config__is_said(key, base);
    if (!is_said && (key->kind == CONFIG_LISTEN || key->kind == CONFIG_TARGET))
        return; /* one of the forms that this element does not have */
    write_help(key, indent, out);
    fprintf(out, "%*s%s%s: ", indent, "", is_preset ? "#" : "", key->name);
    config__value_write(key, base, out);
    fputc('\n', out);
}

/* @presets is the same struct with nothing said, or NULL: then the rows' presets count. */
static void init_rows(const struct init *init, const struct config_table *table, const void *base,
                      const void *presets, int indent)
{
    FILE *out = init->out;
    for (const struct config_key *key = table->keys; key->name != NULL; key++) {
        const void *inner_presets = presets == NULL ? NULL : config__field(key, presets);
        if (key->hidden)
            continue;
        if (indent == 0 && key > table->keys)
            fputc('\n', out);
        if (has_table(key))
            write_help(key, indent, out);
        if (key->kind == CONFIG_SECTION && key->preset_offset != 0)
            init_inherited(init, key, base, indent);
        else if (key->kind == CONFIG_SECTION) {
            fprintf(out, "%*s%s:\n", indent, "", key->name);
            init_rows(init, key->table, config__field(key, base), inner_presets, indent + 2);
        } else if (has_table(key))
            init_elements(init, key, base, indent);
        else
            init_row(init, key, base, presets, indent);
    }
}

void config_write_init(const struct config_table *root, const void *filled, const void *presets,
                       const char *title, FILE *out)
{
    write_comment(title, 0, out);
    fputc('\n', out);
    init_rows(&(struct init){.root = filled, .out = out}, root, filled, presets, 0);
}
