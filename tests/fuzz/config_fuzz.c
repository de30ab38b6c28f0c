/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/config_fuzz.c - any text as a configuration file, and any --set over it.
 *
 * The input is a file, and behind its first NUL a --set. The laws: - comments and empty lines
 * before a file change neither verdict nor settings, and move each error down by as many lines; -
 * settings that load, written out as YAML or as a commented file, load to the same settings; -
 * whatever does not load has an error that can be printed. */
#include "main/settings.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX       "# a comment: {\n\n"
#define PREFIX_LINES 2

/* libyaml decodes 16 KiB ahead, so in larger files it depends on the prefix which of two errors
 * is met. */
#define COMPARED_BYTES 8000

static struct settings *load(const char *text, size_t bytes, const char *set,
                             struct config_errors *errors)
{
    const struct settings_request request = {.sets = &set, .sets_count = set != NULL};
    return settings_load_text(&request, "fuzz.yaml", text, bytes, errors);
}

static void check_errors(const struct config_errors *errors)
{
    char *text = NULL;
    size_t bytes = 0;
    assert(errors->count > 0);
    FILE *out = open_memstream(&text, &bytes);
    assert(out != NULL);
    config_errors_write_text(errors, out);
    config_errors_write_json(errors, out);
    assert(fclose(out) == 0 && bytes > 0);
    free(text);
}

static void check_moved(const struct config_errors *plain, const struct config_errors *moved)
{
    assert(plain->count == moved->count);
    if (plain->count > CONFIG_ERRORS_MAX)
        return;
    for (size_t i = 0; i < plain->count; i++) {
        const struct config_place *a = &plain->at[i].place, *b = &moved->at[i].place;
        assert(strcmp(plain->at[i].message, moved->at[i].message) == 0);
        assert(a->line == 0 || a->is_flag ? a->line == b->line : a->line + PREFIX_LINES == b->line);
        assert(a->column == b->column && a->length == b->length);
    }
}

/* @settings, written by @write, are read as the same. */
static void check_written(const struct settings *settings,
                          void (*write)(const struct settings *, FILE *))
{
    char *text = NULL;
    size_t bytes = 0;
    struct config_errors errors = {0};
    FILE *out = open_memstream(&text, &bytes);
    assert(out != NULL);
    write(settings, out);
    assert(fclose(out) == 0);
    struct settings *again = load(text, bytes, NULL, &errors);
    if (again == NULL)
        config_errors_write_text(&errors, stderr);
    assert(again != NULL);
    assert(settings_write_changes(settings, again, stderr) == 0);
    settings_free(again);
    config_errors_free(&errors);
    free(text);
}

/* A --set ends with a NUL; strndup() of bytes without one is taken for an overflow by ASan's strict
 * string checks. */
static char *copy_set(const char *at, size_t bytes)
{
    char *set = calloc(1, bytes + 1);
    assert(set != NULL);
    memcpy(set, at, bytes);
    return set;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *nul = size > 0 ? memchr(data, '\0', size) : NULL;
    const size_t bytes = nul != NULL ? (size_t)(nul - (const char *)data) : size;
    char *set = nul != NULL ? copy_set(nul + 1, size - bytes - 1) : NULL;
    if (bytes >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0) {
        free(set);
        return 0; /* a byte order mark stands first or nowhere */
    }
    char *longer = malloc(bytes + sizeof PREFIX);
    assert(longer != NULL);
    memcpy(longer, PREFIX, sizeof PREFIX - 1);
    if (bytes > 0)
        memcpy(longer + sizeof PREFIX - 1, data, bytes);

    struct config_errors errors = {0}, moved_errors = {0};
    struct settings *settings = load(bytes > 0 ? (const char *)data : "", bytes, set, &errors);
    struct settings *moved = load(longer, bytes + sizeof PREFIX - 1, set, &moved_errors);
    assert((settings == NULL) == (moved == NULL));
    if (settings == NULL) {
        check_errors(&errors);
        if (bytes < COMPARED_BYTES)
            check_moved(&errors, &moved_errors);
    } else {
        assert(errors.count == 0);
        assert(settings_write_changes(settings, moved, stderr) == 0);
        check_written(settings, settings_write_yaml);
        check_written(settings, settings_write_init);
    }
    settings_free(settings);
    settings_free(moved);
    config_errors_free(&errors);
    config_errors_free(&moved_errors);
    free(longer);
    free(set);
    return 0;
}
