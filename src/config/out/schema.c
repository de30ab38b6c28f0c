/* SPDX-License-Identifier: Apache-2.0 */
/* config/out/schema.c - the rows as JSON Schema (draft 2020-12), for editors.
 *
 * The schema may allow what `pando check` refuses (ranges of sizes and durations stand in words,
 * checks across settings do not stand at all), never the other way round.
 * Memory: jansson's own. Out of memory: members are missing, and nothing worse. */
#include "config/tree.h"

#include <jansson.h>
#include <string.h>

#define DURATION_PATTERN "^([0-9]+(d|h|m|s|ms|us|ns))+$"
#define SIZE_PATTERN     "^[0-9]+(B|KiB|MiB|GiB|TiB)$"
#define NAME_PATTERN     "^[A-Za-z0-9_-]{1,64}$"

/* @value, or the word that stands for none. */
static json_t *or_word(json_t *value, const struct config_key *key)
{
    const char *word = config__word_of(key->kind);
    return word != NULL ? json_pack("{s:[o,{s:s}]}", "anyOf", value, "const", word) : value;
}

static json_t *count_schema(const struct config_key *key)
{
    json_t *count = json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum",
                              (json_int_t)key->lowest, "maximum", (json_int_t)key->highest);
    return or_word(count, key);
}

static json_t *pattern_schema(const char *pattern, const struct config_key *key)
{
    return or_word(json_pack("{s:s, s:s}", "type", "string", "pattern", pattern), key);
}

static json_t *choice_schema(const struct config_key *key)
{
    json_t *words = json_array();
    for (const struct config_choice *choice = key->choices; choice->name != NULL; choice++)
        (void)json_array_append_new(words, json_string(choice->name));
    return json_pack("{s:o}", "enum", words);
}

/* A word in YAML may look like a number or a boolean and still be a text here. */
static json_t *text_schema(const struct config_key *key)
{
    return json_pack("{s:[s,s,s], s:I, s:I}", "type", "string", "number", "boolean", "minLength",
                     (json_int_t)(key->lowest > 0), "maxLength", (json_int_t)key->highest);
}

static json_t *networks_schema(void)
{
    return json_pack("{s:[s,s], s:{s:s}}", "type", "array", "string", "items", "type", "string");
}

static json_t *table_schema(const struct config_table *table, bool is_inherited);

static json_t *element_schema(const struct config_table *table)
{
    json_t *section = table_schema(table, false);
    return table->short_form == NULL
               ? section
               : json_pack("{s:[{s:s},o]}", "anyOf", "type", "string", section);
}

static json_t *list_schema(const struct config_key *key)
{
    json_t *list = json_pack(
        "{s:s, s:I, s:I, s:o}", "type", "array", "minItems", (json_int_t)key->lowest, "maxItems",
        (json_int_t)config__count_max(key), "items", element_schema(key->table));
    return key->one_or_many ? json_pack("{s:[o,o]}", "anyOf", list, element_schema(key->table))
                            : list;
}

static json_t *map_schema(const struct config_key *key)
{
    return json_pack("{s:[s,s], s:I, s:{s:s}, s:o}", "type", "object", "null", "maxProperties",
                     (json_int_t)config__count_max(key), "propertyNames", "pattern", NAME_PATTERN,
                     "additionalProperties", element_schema(key->table));
}

static json_t *value_schema(const struct config_key *key)
{
    switch (key->kind) {
    case CONFIG_COUNT:
    case CONFIG_COUNT_OR_NONE:
    case CONFIG_COUNT_OR_AUTO: return count_schema(key);
    case CONFIG_SIZE:
    case CONFIG_SIZE_OR_NONE: return pattern_schema(SIZE_PATTERN, key);
    case CONFIG_DURATION:
    case CONFIG_DURATION_OR_NONE: return pattern_schema(DURATION_PATTERN, key);
    case CONFIG_BOOLEAN: return json_pack("{s:s}", "type", "boolean");
    case CONFIG_TEXT: return text_schema(key);
    case CONFIG_CHOICE: return choice_schema(key);
    case CONFIG_LISTEN:
    case CONFIG_TARGET: return json_pack("{s:s}", "type", "string");
    case CONFIG_NETWORKS: return networks_schema();
    case CONFIG_SECTION: return table_schema(key->table, key->preset_offset != 0);
    case CONFIG_LIST: return list_schema(key);
    case CONFIG_MAP: return map_schema(key);
    }
    return json_object();
}

/* The preset as the type that the schema gives it. */
static json_t *preset_json(const struct config_key *key)
{
    char text[CONFIG__TEXT_BYTES];
    if (key->preset_words != NULL || key->required)
        return NULL;
    if (key->kind == CONFIG_BOOLEAN)
        return json_boolean(key->preset != 0);
    if (key->kind == CONFIG_COUNT ||
        ((key->kind == CONFIG_COUNT_OR_NONE || key->kind == CONFIG_COUNT_OR_AUTO) &&
         key->preset != CONFIG_NONE))
        return json_integer((json_int_t)key->preset);
    if (key->kind == CONFIG_TEXT)
        return json_string(key->preset_text);
    config__preset_write(key, text, sizeof text);
    return text[0] != '\0' ? json_string(text) : NULL;
}

static json_t *key_schema(const struct config_key *key, bool is_inherited)
{
    char help[CONFIG__TEXT_BYTES], range[CONFIG__TEXT_BYTES];
    json_t *schema = value_schema(key);
    const char *from = config__range_write(key, range, sizeof range);
    (void)snprintf(help, sizeof help, "%s%s%s", key->help, from[0] != '\0' ? ";" : "", from);
    (void)json_object_set_new(schema, "description", json_string(help));
    json_t *preset = is_inherited ? NULL : preset_json(key);
    if (preset != NULL)
        (void)json_object_set_new(schema, "default", preset);
    return schema;
}

static json_t *table_schema(const struct config_table *table, bool is_inherited)
{
    json_t *properties = json_object(), *required = json_array();
    for (const struct config_key *key = table->keys; key->name != NULL; key++) {
        if (key->hidden)
            continue;
        (void)json_object_set_new(properties, key->name, key_schema(key, is_inherited));
        if (key->required)
            (void)json_array_append_new(required, json_string(key->name));
    }
    json_t *schema = json_pack("{s:[s,s], s:b, s:o}", "type", "object", "null",
                               "additionalProperties", 0, "properties", properties);
    if (json_array_size(required) > 0)
        (void)json_object_set(schema, "required", required);
    json_decref(required);
    return schema;
}

void config_write_schema(const struct config_table *root, const char *title, FILE *out)
{
    json_t *schema = json_pack("{s:s, s:s}", "$schema",
                               "https://json-schema.org/draft/2020-12/schema", "title", title);
    json_t *rows = table_schema(root, false);
    (void)json_object_update(schema, rows);
    json_decref(rows);
    (void)json_object_set_new(json_object_get(schema, "properties"), "include",
                              json_pack("{s:[s,s], s:{s:s}, s:s}", "type", "array", "string",
                                        "items", "type", "string", "description",
                                        "files taken in, named relative to this one"));
    (void)json_dumpf(schema, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(schema);
}
