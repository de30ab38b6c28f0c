/* SPDX-License-Identifier: Apache-2.0 */
/* config/out/manpage.c - the rows as the body of a manual page, in the man macros of troff. */
#include "config/tree.h"

#include <string.h>

/* @text with what troff would take for itself escaped; backquotes become bold. */
static void write_text(const char *text, FILE *out)
{
    bool is_bold = false;
    for (; *text != '\0'; text++)
        if (*text == '`') {
            is_bold = !is_bold;
            fputs(is_bold ? "\\fB" : "\\fR", out);
        } else if (*text == '\\' || *text == '-')
            fprintf(out, "\\%s", *text == '-' ? "-" : "e");
        else
            fputc(*text, out);
}

/* "`json` (one JSON object a line); `common` (...)", or the kind and its range. */
static void write_allowed(const struct config_key *key, FILE *out)
{
    char range[CONFIG__TEXT_BYTES];
    if (key->kind != CONFIG_CHOICE) {
        write_text(config__kind_expected(key->kind), out);
        write_text(config__range_write(key, range, sizeof range), out);
        return;
    }
    for (const struct config_choice *choice = key->choices; choice->name != NULL; choice++) {
        fputs(choice == key->choices ? "" : "; ", out);
        fprintf(out, "\\fB");
        write_text(choice->name, out);
        fputs("\\fR (", out);
        write_text(choice->gist, out);
        fputc(')', out);
    }
}

static void write_preset(const struct config_key *key, const char *inherited_from, FILE *out)
{
    char preset[CONFIG__TEXT_BYTES];
    if (key->required) {
        fputs(" Required.", out);
        return;
    }
    config__preset_write(key, preset, sizeof preset);
    if (inherited_from == NULL && preset[0] == '\0')
        return;
    fputs(" Preset: ", out);
    if (inherited_from != NULL) {
        fputs("as ", out);
        write_text(inherited_from, out);
        fputc('.', out);
        write_text(key->name, out);
    } else
        write_text(preset, out);
    fputc('.', out);
}

static void write_row(const struct config_key *key, const char *inherited_from, FILE *out)
{
    fputs(".TP\n.B ", out);
    write_text(key->name, out);
    fputs("\n", out);
    write_text(key->help, out);
    fputs(":\n", out); /* a line of its own, so that none begins with a control character */
    write_allowed(key, out);
    fputc('.', out);
    write_preset(key, inherited_from, out);
    fputs(key->start_only ? " Changes at the next start, not by a reload.\n" : "\n", out);
}

static bool has_table(const struct config_key *key)
{
    return key->kind == CONFIG_SECTION || key->kind == CONFIG_LIST || key->kind == CONFIG_MAP;
}

static void write_table(const struct config_table *table, const char *path,
                        const char *inherited_from, FILE *out)
{
    for (const struct config_key *key = table->keys; key->name != NULL; key++)
        if (!key->hidden && !has_table(key))
            write_row(key, inherited_from, out);
    for (const struct config_key *key = table->keys; key->name != NULL; key++) {
        char below[CONFIG__PATH_BYTES];
        if (key->hidden || !has_table(key))
            continue;
        (void)snprintf(below, sizeof below, "%s%s%s%s", path, path[0] != '\0' ? "." : "", key->name,
                       key->kind == CONFIG_MAP ? ".<name>" : "");
        fputs(".SS ", out);
        write_text(below, out);
        fputc('\n', out);
        write_text(key->help, out);
        fputs(".\n", out);
        write_table(key->table, below, key->preset_offset != 0 ? key->name : NULL, out);
    }
}

void config_write_manpage(const struct config_table *root, FILE *out)
{
    write_table(root, "", NULL, out);
}
