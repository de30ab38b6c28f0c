/* SPDX-License-Identifier: Apache-2.0 */
/* config/errors.c - keeps the errors of a configuration and writes them for people and programs. */
#include "config/errors.h"

#include <jansson.h>
#include <string.h>

/* Room for what is kept: each error has a few strings of some hundred bytes. */
#define MEMORY_BYTES_MAX (1u << 20)

/* NULL stays NULL; out of memory, a text says so: an error is never lost. */
static const char *keep(struct config_errors *errors, const char *text)
{
    if (text == NULL)
        return NULL;
    const size_t bytes = strlen(text) + 1;
    char *copy = arena_take(&errors->memory, bytes);
    if (copy == NULL)
        return "(no memory left to say it)";
    memcpy(copy, text, bytes);
    return copy;
}

static void keep_place(struct config_errors *errors, struct config_place *place)
{
    place->file = keep(errors, place->file);
    place->line_text = keep(errors, place->line_text);
}

void config_errors_add(struct config_errors *errors, const struct config_error *error)
{
    if (errors->count == 0)
        errors->memory = (struct arena){.heap_bytes_max = MEMORY_BYTES_MAX};
    if (errors->count < CONFIG_ERRORS_MAX) {
        struct config_error *kept = &errors->at[errors->count];
        *kept = *error;
        kept->message = keep(errors, error->message);
        kept->hint = keep(errors, error->hint);
        kept->manual = keep(errors, error->manual);
        keep_place(errors, &kept->place);
        keep_place(errors, &kept->first);
    }
    errors->count++;
}

size_t config_errors_kept(const struct config_errors *errors)
{
    return errors->count < CONFIG_ERRORS_MAX ? errors->count : CONFIG_ERRORS_MAX;
}

/* Where @file was first met among the errors: files stay in the order in which they were read. */
static size_t rank_of(const struct config_errors *errors, const char *file)
{
    for (size_t i = 0; i < config_errors_kept(errors); i++) {
        const char *other = errors->at[i].place.file;
        if (other == file || (other != NULL && file != NULL && strcmp(other, file) == 0))
            return i;
    }
    return CONFIG_ERRORS_MAX;
}

static bool is_after(const struct config_error *one, const struct config_error *other)
{
    if (one->place.line != other->place.line)
        return one->place.line > other->place.line;
    return one->place.column > other->place.column;
}

void config_errors_sort(struct config_errors *errors)
{
    size_t ranks[CONFIG_ERRORS_MAX];
    for (size_t i = 0; i < config_errors_kept(errors); i++)
        ranks[i] = rank_of(errors, errors->at[i].place.file);
    for (size_t i = 1; i < config_errors_kept(errors); i++) {
        const struct config_error moved = errors->at[i];
        const size_t rank = ranks[i];
        size_t to = i;
        for (; to > 0 && (ranks[to - 1] > rank ||
                          (ranks[to - 1] == rank && is_after(&errors->at[to - 1], &moved)));
             to--) {
            errors->at[to] = errors->at[to - 1];
            ranks[to] = ranks[to - 1];
        }
        errors->at[to] = moved;
        ranks[to] = rank;
    }
}

static void write_place(const struct config_place *place, FILE *out)
{
    if (place->line == 0 || place->is_flag)
        fprintf(out, "%s", place->file);
    else
        fprintf(out, "%s:%u:%u", place->file, place->line, place->column);
}

static void write_hint(const struct config_error *error, FILE *out)
{
    if (error->hint != NULL)
        fprintf(out, " %s", error->hint);
    if (error->first.file != NULL) {
        fprintf(out, "%s first said at ", error->hint != NULL ? ";" : "");
        write_place(&error->first, out);
    }
}

/* The line and what is underlined in it. */
static void write_line(const struct config_error *error, int gutter, FILE *out)
{
    const struct config_place *place = &error->place;
    if (place->is_flag)
        fprintf(out, "%*s | %s\n", gutter, "", place->line_text);
    else
        fprintf(out, "%*u | %s\n", gutter, place->line, place->line_text);
    fprintf(out, "%*s | %*s", gutter, "", (int)place->indent, "");
    for (uint32_t i = 0; i < place->length; i++)
        fputc('^', out);
    write_hint(error, out);
    fputc('\n', out);
}

static void write_error(const struct config_error *error, FILE *out)
{
    const struct config_place *place = &error->place;
    const bool has_line = place->file != NULL && place->line > 0 && place->line_text != NULL;
    const int gutter = !has_line || place->is_flag ? 1 : snprintf(NULL, 0, "%u", place->line);
    fprintf(out, "error: %s\n", error->message);
    if (place->file != NULL) {
        fprintf(out, "%*s--> ", gutter, "");
        write_place(place, out);
        fputc('\n', out);
    }
    if (has_line)
        write_line(error, gutter, out);
    else if (error->hint != NULL || error->first.file != NULL) {
        fprintf(out, "%*s =", gutter, "");
        write_hint(error, out);
        fputc('\n', out);
    }
    if (error->manual != NULL)
        fprintf(out, "%*s = the manual: %s\n", gutter, "", error->manual);
}

void config_errors_write_text(const struct config_errors *errors, FILE *out)
{
    const size_t kept = config_errors_kept(errors);
    for (size_t i = 0; i < kept; i++) {
        if (i > 0)
            fputc('\n', out);
        write_error(&errors->at[i], out);
    }
    if (errors->count > kept)
        fprintf(out, "\nand %zu more\n", errors->count - kept);
}

static json_t *place_json(const struct config_place *place)
{
    return json_pack("{s:s?, s:I, s:I, s:I}", "file", place->file, "line", (json_int_t)place->line,
                     "column", (json_int_t)place->column, "length", (json_int_t)place->length);
}

void config_errors_write_json(const struct config_errors *errors, FILE *out)
{
    json_t *list = json_array();
    for (size_t i = 0; i < config_errors_kept(errors); i++) {
        const struct config_error *error = &errors->at[i];
        json_t *one =
            json_pack("{s:s, s:s?, s:s?, s:o}", "message", error->message, "hint", error->hint,
                      "manual", error->manual, "place", place_json(&error->place));
        if (error->first.file != NULL)
            (void)json_object_set_new(one, "first", place_json(&error->first));
        (void)json_array_append_new(list, one);
    }
    json_t *all = json_pack("{s:I, s:o}", "count", (json_int_t)errors->count, "errors", list);
    (void)json_dumpf(all, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(all);
}

void config_errors_free(struct config_errors *errors)
{
    arena_fini(&errors->memory);
    *errors = (struct config_errors){0};
}
