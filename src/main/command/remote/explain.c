/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/remote/explain.c - `pando explain`: what would become of a request, and why; keys
 * are explained by keys/explain_key.c. */
#include "core/mem.h"
#include "main/command/place/explain_key.h"
#include "main/command/remote/control.h"
#include "main/command/remote/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_S = 10, STATUS_OK = 200, STATUS_BAD = 400 };

static const char *string_of(const json_t *object, const char *key)
{
    return remote_json_text(object, key, "");
}

static void print_line(const char *name, const char *text)
{
    if (text[0] != '\0')
        printf("  %-14s %s\n", name, text);
}

/* --- what is known of the answer ------------------------------------------------------------ */

static void print_age(const json_t *kept)
{
    const double ttl = remote_json_number(kept, "ttl_s");
    printf("  %-14s %.0f s of %.0f s%s; ", "age", remote_json_number(kept, "age_s"),
           remote_json_number(kept, "lifetime_s"),
           json_is_true(json_object_get(kept, "heuristic")) ? ", a guess from Last-Modified" : "");
    if (json_is_true(json_object_get(kept, "purged_softly")))
        printf("purged softly\n");
    else if (ttl > 0)
        printf("fresh for %.0f s more\n", ttl);
    else
        printf("stale for %.0f s\n", -ttl);
}

static void print_grace(const json_t *kept)
{
    const double swr = remote_json_number(kept, "stale_while_revalidate_s");
    const double sie = remote_json_number(kept, "stale_if_error_s");
    if (swr > 0)
        printf("  %-14s for %.0f s while a new one is fetched\n", "stale use", swr);
    if (sie > 0)
        printf("  %-14s for %.0f s where no server gives a good answer\n", "stale use", sie);
}

static void print_size(const json_t *kept)
{
    const json_t *bytes = json_object_get(kept, "bytes");
    printf("  %-14s %.0f", "status", remote_json_number(kept, "status"));
    if (json_is_integer(bytes))
        printf(", %.0f bytes", json_number_value(bytes));
    if (json_is_true(json_object_get(kept, "growing")))
        printf(", and it still comes");
    printf("\n");
    if (remote_json_number(kept, "tags") > 0)
        printf("  %-14s %.0f\n", "tags", remote_json_number(kept, "tags"));
}

/* With what servers are asked whether it still holds. */
static void print_validators(const json_t *kept)
{
    const char *etag = string_of(kept, "etag");
    const char *modified = string_of(kept, "last_modified");
    const bool is_own = json_is_true(json_object_get(kept, "own_etag"));
    if (etag[0] != '\0')
        printf("  %-14s ETag %s%s\n", "validators", etag,
               is_own ? ", made by Pando, for browsers" : "");
    if (modified[0] != '\0')
        printf("  %-14s Last-Modified %s\n", "validators", modified);
    if ((etag[0] == '\0' || is_own) && modified[0] == '\0')
        print_line("validators", "none: when it is stale, it is fetched whole");
}

static void print_kept(const json_t *kept)
{
    if (!json_is_object(kept)) {
        print_line("kept", "nothing");
        return;
    }
    print_age(kept);
    print_grace(kept);
    print_size(kept);
    print_validators(kept);
    print_line("Cache-Control", string_of(kept, "cache_control")[0] == '\0'
                                    ? "not said"
                                    : string_of(kept, "cache_control"));
    print_line("CDN-Cache-Control", string_of(kept, "cdn_cache_control"));
}

/* --- the request ---------------------------------------------------------------------------- */

static void print_vary(const json_t *vary)
{
    if (json_is_object(vary))
        printf("  %-14s %s; this is variant %s\n", "varies by", string_of(vary, "names"),
               string_of(vary, "variant"));
}

static void print_passes(const json_t *passes)
{
    const json_t *list = json_object_get(passes, "for");
    size_t i;
    json_t *who;
    if (!json_is_object(passes))
        return;
    if (json_array_size(list) == 4)
        print_line("passes", "all requests");
    else
        json_array_foreach(list, i, who) print_line("passes", json_string_value(who));
    printf("  %-14s %.0f s, or until an answer that may be kept\n", "for",
           remote_json_number(passes, "for_s"));
}

static void print_cached(const json_t *all)
{
    printf("%s: %s, %s\n", string_of(all, "service"), string_of(all, "expected"),
           string_of(all, "gist"));
    print_line("because", string_of(all, "why"));
    if (string_of(all, "forward")[0] != '\0')
        printf("  %-14s fwd=%s\n", "Cache-Status", string_of(all, "forward"));
    print_line("key", string_of(all, "key"));
    print_vary(json_object_get(all, "vary"));
    print_passes(json_object_get(all, "passes"));
    if (string_of(all, "key")[0] != '\0')
        print_kept(json_object_get(all, "kept"));
}

static void print(const json_t *all)
{
    if (string_of(all, "service")[0] == '\0')
        printf("no service: the request is answered with 404, as no service matches its host and "
               "path\n");
    else if (!json_is_true(json_object_get(all, "cache")))
        printf("%s: every request goes to a server, as the service has no cache\n",
               string_of(all, "service"));
    else
        print_cached(all);
}

/* --- the command ---------------------------------------------------------------------------- */

static int show(const struct command_line *line, const char *answer)
{
    json_t *all = remote_json_read(answer);
    if (all == NULL) {
        fputs("error: the server's answer is not JSON; is it of another version?\n", stderr);
        return EXIT_FAILURE;
    }
    if (line->json != NULL)
        fputs(answer, stdout);
    else
        print(all);
    json_decref(all);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int ask(const struct command_line *line, const struct control *control, const char *target)
{
    struct control_text text = {0};
    struct control_question question = {.method = "GET",
                                        .target = target,
                                        .wait_s = WAIT_S,
                                        .received = control_collect,
                                        .self = &text};
    int status = EXIT_FAILURE;
    if (control_ask(control, &question))
        status = question.status == STATUS_OK    ? show(line, text.at == NULL ? "" : text.at)
                 : question.status == STATUS_BAD ? EXIT_USAGE
                                                 : EXIT_FAILURE;
    mem_free(text.at);
    return status;
}

static bool write_target(char target[CONTROL_TARGET_BYTES_MAX], const struct command_line *line)
{
    size_t at = 0;
    const char *header;
    if (!control_add_query(target, "url", line->words[0]) ||
        !control_add_query(target, "method", line->method))
        return false;
    while ((header = command_next_value(line, offsetof(struct command_line, header), &at)) != NULL)
        if (!control_add_query(target, "header", header))
            return false;
    return true;
}

/* A URL has a scheme and two slashes, or is a path; anything else may be a key. */
static bool is_url(const char *word)
{
    const size_t bytes =
        strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
    return word[0] == '/' || (bytes > 0 && strncmp(word + bytes, "://", 3) == 0);
}

int command_explain(const struct command_line *line)
{
    char target[CONTROL_TARGET_BYTES_MAX] = "/control/explain";
    struct command_line finding = *line;
    struct control control = {0};
    int status = EXIT_USAGE;
    if (line->words_count == 0) {
        fputs("error: which URL? Or which key?\n"
              "  pando explain http://shop.example/cart -H 'Accept: image/avif'\n"
              "  pando explain carts:42\n",
              stderr);
        return EXIT_USAGE;
    }
    if (line->key != NULL || !is_url(line->words[0]))
        return explain_key_remote(line);
    if (!write_target(target, line)) {
        fputs("error: the request is too long\n", stderr);
        return EXIT_USAGE;
    }
    finding.words[0] = line->words[1]; /* the file whose control socket is meant */
    if (control_find(&control, &finding))
        status = ask(line, &control, target);
    control_fini(&control);
    return status;
}
