/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/remote/json_test.c - what a client sent cannot steer the terminal of who watches. */
#include "main/command/remote/json.h"

#include <criterion/criterion.h>

/* Escapes of JSON become what they stand for, unless that would steer a terminal. */
Test(remote_json, cleans_strings_however_deep)
{
    json_t *json = remote_json_read("{\"path\": \"/\\u001b[2J\\u009b1m\\u007f\\r\\n\","
                                    " \"list\": [{\"why\": \"a\\u202eb\\u2066c\\u200f\"}]}");
    cr_assert(json != NULL);
    const json_t *inner = json_array_get(json_object_get(json, "list"), 0);
    cr_expect_str_eq(remote_json_text(json, "path", ""), "/?[2J?1m???");
    cr_expect_str_eq(remote_json_text(inner, "why", ""), "a?b?c?");
    json_decref(json);
}

/* Names in other scripts are names. */
Test(remote_json, leaves_other_text_alone)
{
    json_t *json = remote_json_read("{\"name\": \"ca\\u00f1a \\u5de5\\u5177 \\ud83d\\udc3c\"}");
    cr_assert(json != NULL);
    cr_expect_str_eq(remote_json_text(json, "name", ""), "ca\u00f1a \u5de5\u5177 \U0001F43C");
    json_decref(json);
}

Test(remote_json, what_is_missing_has_a_value)
{
    json_t *json = remote_json_read("{\"st\": 200, \"up\": null}");
    cr_assert(json != NULL);
    cr_expect_str_eq(remote_json_text(json, "up", "-"), "-");
    cr_expect(remote_json_number(json, "st") == 200);
    cr_expect(remote_json_number(json, "dur") == 0);
    cr_expect(remote_json_number(NULL, "dur") == 0);
    json_decref(json);
}

Test(remote_json, no_json_is_nothing)
{
    cr_expect(remote_json_read("requests were dropped") == NULL);
    cr_expect(remote_json_read("") == NULL);
}
