/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/remote/json.h - the server's JSON, made fit for a terminal.
 *
 * The server escapes what clients sent; reading JSON takes that away again. So every string is
 * cleaned once, here, before anything of it can be shown.
 *
 * Memory:  jansson's; the caller owns what remote_json_read() gives. Threads: none. */
#ifndef PANDO_MAIN_COMMAND_REMOTE_JSON_H
#define PANDO_MAIN_COMMAND_REMOTE_JSON_H

#include <jansson.h>

/* Reads @text. In every string below, what could steer a terminal or turn the direction of its text
 * is a question mark. NULL: it is not JSON, or there is no memory. */
json_t *remote_json_read(const char *text);

/* A string of @object, or @otherwise if it has none. */
const char *remote_json_text(const json_t *object, const char *key, const char *otherwise);

/* A number of @object, or 0. */
double remote_json_number(const json_t *object, const char *key);

#endif
