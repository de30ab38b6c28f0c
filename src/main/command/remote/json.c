/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/remote/json.c - cleaning strings, and taking them out. */
#include "main/command/remote/json.h"

#include "config/value/words.h"
#include "core/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* C0, DEL, C1, and the marks that turn the direction of text. */
static bool is_steering(uint32_t code_point)
{
    return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0) ||
           code_point == UINT32_MAX || code_point == 0x61c || code_point == 0x200e ||
           code_point == 0x200f || (code_point >= 0x2028 && code_point <= 0x202e) ||
           (code_point >= 0x2066 && code_point <= 0x2069);
}

static bool clean_string(json_t *string)
{
    const size_t bytes = json_string_length(string);
    const char *at = json_string_value(string);
    const char *end = at + bytes;
    char *clean = mem_alloc(bytes + 1);
    size_t used = 0;
    if (clean == NULL)
        return false;
    while (at < end) {
        uint32_t code_point;
        const size_t size = config_words_character(at, end, &code_point);
        if (is_steering(code_point)) {
            clean[used++] = '?';
        } else {
            memcpy(clean + used, at, size);
            used += size;
        }
        at += size;
    }
    const bool ok = json_string_setn_nocheck(string, clean, used) == 0;
    mem_free(clean);
    return ok;
}

/* As deep as jansson reads, which has a limit of its own. Keys are the server's own words. */
static bool clean_all(json_t *json)
{
    size_t i;
    const char *key;
    json_t *inner;
    if (json_is_string(json))
        return clean_string(json);
    json_array_foreach(json, i, inner)
    {
        if (!clean_all(inner))
            return false;
    }
    json_object_foreach(json, key, inner)
    {
        if (!clean_all(inner))
            return false;
    }
    return true;
}

json_t *remote_json_read(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    if (json == NULL || clean_all(json))
        return json;
    json_decref(json);
    return NULL;
}

const char *remote_json_text(const json_t *object, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? otherwise : text;
}

double remote_json_number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}
