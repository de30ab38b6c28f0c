/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/place/explain_key.c - `pando explain KEY`. */
#include "main/command/place/explain_key.h"

#include "core/mem.h"
#include "core/quote.h"
#include "core/units.h"
#include "main/command/place/layout.h"
#include "main/command/remote/json.h"
#include "main/explain/explain_key.h"

#include <stdlib.h>
#include <string.h>

static void print_line(const char *name, const char *text)
{
    if (text[0] != '\0')
        printf("  %-10s %s\n", name, text);
}

static void print_expiry(const json_t *all)
{
    const json_t *expires = json_object_get(all, "expires_ms");
    char when[32];
    if (!json_is_integer(expires)) {
        printf(", never expires\n");
        return;
    }
    const uint64_t now_ms = clock_wall_ns() / NS_PER_MS;
    const double left_s = (json_number_value(expires) - (double)now_ms) / 1e3;
    const time_t at_s = (time_t)(json_integer_value(expires) / 1000);
    struct tm tm;
    if (gmtime_r(&at_s, &tm) == NULL || strftime(when, sizeof when, "%F %TZ", &tm) == 0)
        when[0] = '\0';
    printf(", expires in %.1f s, %s\n", left_s < 0 ? 0.0 : left_s, when);
}

static void print_presence(const json_t *all)
{
    const char *trouble = remote_json_text(all, "trouble", "");
    if (!json_is_true(json_object_get(all, "live"))) {
        print_line("there", "not known: no Pando runs here, so this is what the file says");
    } else if (trouble[0] != '\0') {
        printf("  %-10s not known: %s\n", "there", trouble);
    } else if (!json_is_true(json_object_get(all, "there"))) {
        print_line("there", "no");
    } else {
        printf("  %-10s yes: a %s", "there", remote_json_text(all, "type", ""));
        print_expiry(all);
    }
}

static void print(const json_t *all)
{
    const char *key = remote_json_text(all, "key", ""), *why = remote_json_text(all, "why", "");
    if (!json_is_string(json_object_get(all, "keyspace"))) {
        printf("%s: %s\n", key, why);
        return;
    }
    printf("%s: %s, shard %.0f of %.0f, engine %s\n", key, why, remote_json_number(all, "shard"),
           remote_json_number(all, "shards"), remote_json_text(all, "engine", ""));
    printf("  %-10s %s, partition %s\n", "keyspace", remote_json_text(all, "keyspace", ""),
           remote_json_text(all, "partition", ""));
    print_line("file", remote_json_text(all, "file", ""));
    print_presence(all);
    printf("  %-10s %.0f\n", "copies", remote_json_number(all, "copies"));
    print_line("ask", remote_json_text(all, "command", "no listener speaks Redis"));
}

static int show(const struct command_line *line, json_t *all)
{
    if (line->json != NULL)
        return layout_print_json(all);
    print(all);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* From the file. */
static int explain_offline(const struct command_line *line, const struct control *control,
                           struct bytes key)
{
    struct layout_offline offline;
    json_t *all = NULL;
    bool ok = layout_offline_settings(&offline, control, line, line->words[1]);
    if (ok) {
        struct explained_key explained = {.settings = offline.settings,
                                          .keyspace = explain_key_find(offline.settings, key),
                                          .data = offline.settings->data_path,
                                          .key = key};
        ok = explained.keyspace == NULL || layout_offline_lay(&offline, explained.keyspace);
        explained.partition = offline.partition;
        explained.engine = explained.keyspace == NULL ? 0 : explained.keyspace->engine;
        all = ok ? explain_key(&explained) : NULL;
    }
    const int status = all == NULL ? EXIT_USAGE : show(line, all);
    json_decref(all);
    layout_offline_fini(&offline);
    return status;
}

static int explain(const struct command_line *line, const struct control *control, struct bytes key)
{
    char target[CONTROL_TARGET_BYTES_MAX] = "/control/explain";
    json_t *all = NULL;
    if (!control_add_query(target, "key", line->words[0])) {
        fputs("error: the key is too long for this command\n", stderr);
        return EXIT_USAGE;
    }
    switch (layout_ask(control, target, &all)) {
    case LAYOUT_NOBODY: return explain_offline(line, control, key);
    case LAYOUT_REFUSED: return EXIT_USAGE;
    case LAYOUT_FAILED: return EXIT_FAILURE;
    default: break;
    }
    const int status = show(line, all);
    json_decref(all);
    return status;
}

int explain_key_remote(const struct command_line *line)
{
    struct command_line finding = *line;
    struct control control = {0};
    const char *word = line->words[0];
    size_t count;
    int status = EXIT_USAGE;
    uint8_t *bytes = mem_alloc(strlen(word) + 1);
    if (bytes == NULL || !quote_read(word, bytes, &count)) {
        fputs("error: what begins with a double quote must be quoted whole, as redis-cli does it\n"
              "  pando explain '\"carts:a b\\x00\"'\n",
              stderr);
        mem_free(bytes);
        return EXIT_USAGE;
    }
    finding.words[0] = line->words[1]; /* the file whose control socket is meant */
    if (control_find(&control, &finding))
        status = explain(line, &control, (struct bytes){bytes, count});
    control_fini(&control);
    mem_free(bytes);
    return status;
}
