/* SPDX-License-Identifier: Apache-2.0 */
/* main/settings_test.c - a file gives settings or located errors; settings give a file again. */
#include "main/settings.h"

#include "core/mem.h"
#include "main/settings_keys.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct settings_request plain = {.places = {.is_root = true}};

static struct settings *load(const struct settings_request *request, const char *text,
                             struct config_errors *errors)
{
    return settings_load_text(request, "pando.yaml", text, strlen(text), errors);
}

/* The settings of @text, which must be right. */
static struct settings *get(const struct settings_request *request, const char *text)
{
    struct config_errors errors = {0};
    struct settings *settings = load(request, text, &errors);
    if (settings == NULL)
        config_errors_write_text(&errors, stderr);
    cr_assert_not_null(settings, "%s", text);
    config_errors_free(&errors);
    return settings;
}

/* What is printed about @errors; from malloc. */
static char *printed(const struct config_errors *errors)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    cr_assert_not_null(out);
    config_errors_write_text(errors, out);
    cr_assert(fclose(out) == 0);
    return text;
}

static void expect_errors(const struct settings_request *request, const char *text,
                          const char *expected)
{
    struct config_errors errors = {0};
    struct settings *settings = load(request, text, &errors);
    char *got = printed(&errors);
    cr_expect_null(settings);
    cr_expect_str_eq(got, expected);
    free(got);
    settings_free(settings);
    config_errors_free(&errors);
}

/* One error whose message is @message, at @line and @column of @text. */
static void expect_error(const char *text, uint32_t line, uint32_t column, const char *message)
{
    struct config_errors errors = {0};
    cr_expect_null(load(&plain, text, &errors), "%s", text);
    cr_expect(errors.count == 1, "%zu errors: %s", errors.count, text);
    cr_expect_str_eq(errors.at[0].message, message);
    cr_expect(errors.at[0].place.line == line && errors.at[0].place.column == column, "%u:%u: %s",
              errors.at[0].place.line, errors.at[0].place.column, text);
    config_errors_free(&errors);
}

/* ---- errors ---- */

Test(settings, five_mistakes_are_five_located_errors_in_order)
{
    expect_errors(
        &plain,
        "http:\n"
        "  idle-timeout: 60\n"
        "  header-bytes: 2MiB\n"
        "services:\n"
        "  shop:\n"
        "    targets: [\"10.0.0.1\"]\n"
        "    balnce: least-connections\n"
        "log: {format: jason}\n",
        "error: http.idle-timeout cannot be `60`\n"
        " --> pando.yaml:2:17\n"
        "2 |   idle-timeout: 60\n"
        "  |                 ^^ a bare number: say its unit, as in 60ms, 60s, 60m or 60h\n"
        "  = the manual: http.idle-timeout\n"
        "\n"
        "error: http.header-bytes cannot be `2MiB`\n"
        " --> pando.yaml:3:17\n"
        "3 |   header-bytes: 2MiB\n"
        "  |                 ^^^^ expected a size with its unit, such as 64KiB, from 1KiB to 1MiB\n"
        "  = the manual: http.header-bytes\n"
        "\n"
        "error: services.shop.targets[0].address cannot be `10.0.0.1`\n"
        " --> pando.yaml:6:15\n"
        "6 |     targets: [\"10.0.0.1\"]\n"
        "  |               ^^^^^^^^^^ expected a port behind the address, as in app.internal:3000\n"
        "  = the manual: services.<name>.targets.address\n"
        "\n"
        "error: unknown setting `balnce` in services.shop\n"
        " --> pando.yaml:7:5\n"
        "7 |     balnce: least-connections\n"
        "  |     ^^^^^^ did you mean `balance`?\n"
        "  = the manual: services.<name>.balance\n"
        "\n"
        "error: log.format cannot be `jason`\n"
        " --> pando.yaml:8:15\n"
        "8 | log: {format: jason}\n"
        "  |               ^^^^^ did you mean `json`?\n"
        "  = the manual: log.format\n");
}

Test(settings, the_line_number_widens_the_gutter)
{
    expect_errors(
        &plain, "\n\n\n\n\n\n\n\n\n\n\n\nservices:\n  shop:\n    balnce: x\n    targets: \"a:1\"\n",
        "error: unknown setting `balnce` in services.shop\n"
        "  --> pando.yaml:15:5\n"
        "15 |     balnce: x\n"
        "   |     ^^^^^^ did you mean `balance`?\n"
        "   = the manual: services.<name>.balance\n");
}

Test(settings, each_wrong_thing_is_one_error_at_its_place)
{
    expect_error("http: {pipeline-depth: 0}", 1, 24, "http.pipeline-depth cannot be `0`");
    expect_error("http: {pipeline-depth: 4.5}", 1, 24, "http.pipeline-depth cannot be `4.5`");
    expect_error("http: {pipeline-depth: none}", 1, 24, "http.pipeline-depth cannot be `none`");
    expect_error("http: {pipeline-depth: }", 1, 8, "http.pipeline-depth has no value");
    expect_error("http: {pipeline-depth: [1]}", 1, 24, "http.pipeline-depth cannot be a list");
    expect_error("http: {forwarded: yes}", 1, 19, "http.forwarded cannot be `yes`");
    expect_error("http: {via: \"a b\"}", 1, 13, "the name in Via is not a token");
    expect_error("http: {via: \"a\\nb\"}", 1, 13, "http.via cannot be `a?b`");
    expect_error("http: 5", 1, 7, "http cannot be `5`");
    expect_error("nonsense: 5", 1, 1, "unknown setting `nonsense`");
    expect_error("workers: 1\nworkers: 2", 2, 1, "`workers` is said twice");
    expect_error("services: {a: {}}", 1, 12, "services.a.targets is missing");
    expect_error("services: {a: {targets: []}}", 1, 25, "services.a.targets has 0 elements");
    expect_error("services: {a: {targets: {weight: 1}}}", 1, 16,
                 "services.a.targets.address is missing");
    expect_error("services: {a: {targets: {address: x:1, weight: 0}}}", 1, 48,
                 "services.a.targets.weight cannot be `0`");
    expect_error("services: {a: {targets: [x:1, X:1]}}", 1, 31,
                 "services.a.targets has the same twice");
    expect_error("services: {a: {targets: [{address: x:1, zone: /a}]}}", 1, 47,
                 "`/a` is not a zone");
    expect_error("services: {a.b: {targets: x:1}}", 1, 12, "`a.b` cannot name a service");
    expect_error("services: {a: {targets: x:1}, b: {targets: y:1}}", 1, 31,
                 "services a and b match the same requests");
    expect_error("services: {a: {targets: x:1, match: {host: H, path: /x/}},\n"
                 "           b: {targets: y:1, match: [{host: i}, {host: h, path: /x}]}}",
                 2, 49, "services a and b match the same requests");
    expect_error("services: {a: {targets: x:1, match: {path: x}}}", 1, 44,
                 "services.a: path cannot be `x`");
    expect_error("services: {a: {targets: x:1, match: {path: /a/../b}}}", 1, 44,
                 "services.a: path cannot be `/a/../b`");
    expect_error("services: {a: {targets: x:1, match: {host: \"h:80\"}}}", 1, 44,
                 "services.a: host cannot be `h:80`");
    expect_error("services: {a: {targets: x:1, match: {host: \"a.*\"}}}", 1, 44,
                 "services.a: host cannot be `a.*`");
    expect_error("breaker: {pause-first: 1m}", 1, 24,
                 "breaker.pause-first is over breaker.pause-most");
    expect_error("services: {a: {targets: x:1, breaker: {pause-most: 1ms}}}", 1, 52,
                 "breaker.pause-first is over breaker.pause-most");
}

Test(settings, listeners_are_checked_against_each_other)
{
    expect_error("listeners: {a: {http: \"127.0.0.1:80\"}, b: {admin: \"localhost:80\"}}", 1, 51,
                 "listeners a and b listen on the same address");
    expect_error("listeners: {a: {admin: \"0.0.0.0:80\"}}", 1, 24,
                 "this listener asks for no password and would be open to other machines");
    expect_error("listeners: {a: {redis: \"127.0.0.1:80\"}}", 1, 17,
                 "a Redis listener has no keyspace to serve");
    expect_error("keyspaces: {default: {}}\nlisteners: {a: {redis: \"0.0.0.0:80\"}}", 2, 24,
                 "this listener asks for no password and would be open to other machines");
    expect_error("listeners: {a: {http: \"x:80\"}}", 1, 23, "listeners.a.http cannot be `x:80`");
    expect_error("listeners: {a: {open: true}}", 1, 13, "listeners.a does not say what it speaks");
    expect_error("listeners: {a: {http: \"[::1]:1\", admin: \"[::1]:2\"}}", 1, 34,
                 "a listener speaks one dialect");
    expect_error("listeners: {}", 1, 12, "listeners has 0 elements");
    expect_error("listeners: {a: {http: \"[::1]:1\", trust: [10.0.0.1/8]}}", 1, 42,
                 "listeners.a.trust[0] cannot be `10.0.0.1/8`");
    settings_free(get(&plain, "listeners: {a: {admin: \"0.0.0.0:80\", open: true}}"));
    settings_free(get(&plain, "listeners: {a: {http: \"[::1]:0\"}, b: {http: \"[::1]:0\"}}"));
}

Test(settings, keyspaces_become_layouts)
{
    struct settings *settings =
        get(&plain, "keyspaces:\n"
                    "  users: {partition: range, shards: 3, splits: [h, o]}\n"
                    "  default: {memory: 2MiB, eviction: none}\n"
                    "  tenants: {partition: directory, shards: 2, directory: [{prefix: \"acme:\", "
                    "shard: 1}]}\n");
    cr_assert(settings->keyspaces_count == 3);
    const struct settings_keyspace *users = &settings->keyspaces[0],
                                   *rest = &settings->keyspaces[1],
                                   *tenants = &settings->keyspaces[2];
    cr_expect(partition_shard_of(&users->partition, bytes_of("users:kim")) == 1);
    cr_expect(users->memory_bytes == CONFIG_MIB(256) && users->eviction == MEMORY_EVICTION_SIEVE);
    cr_expect(rest->partition.name_bytes == 0 && rest->partition.shards_count == 1);
    cr_expect(rest->memory_bytes == CONFIG_MIB(2) && rest->eviction == MEMORY_EVICTION_NONE);
    cr_expect(partition_shard_of(&tenants->partition, bytes_of("tenants:acme:1")) == 1);
    settings_free(settings);
}

Test(settings, what_is_no_layout_is_refused)
{
    expect_error("keyspaces: {a: {partition: range, shards: 2}}", 1, 43,
                 "ranges need as many splits as there are borders between shards");
    expect_error("keyspaces: {a: {partition: range, shards: 3, splits: [o, h]}}", 1, 54,
                 "splits must ascend");
    expect_error("keyspaces: {a: {splits: [h]}}", 1, 25, "only ranges have splits");
    expect_error("keyspaces: {a: {partition: directory, directory: [{prefix: x, shard: 1}]}}", 1,
                 50, "an entry of the directory names a shard that is not there");
    expect_error("keyspaces: {a: {engine: redis}}", 1, 25, "keyspaces.a.engine cannot be `redis`");
}

Test(settings, yaml_that_could_mean_more_than_it_shows_is_refused)
{
    expect_error("a: &x 1\nb: *x", 1, 4, "anchors are not supported");
    expect_error("b: *x", 1, 4, "aliases are not supported");
    expect_error("workers: !!int 1", 1, 10, "tags are not supported");
    expect_error("workers: 1\n---\nworkers: 2", 2, 1, "a file holds one document");
    expect_error("- a", 1, 1, "a file holds a section of settings");
    expect_error("? [a]\n: b", 1, 3, "a key must be a word");
    expect_error("include: [a.yaml]", 1, 11, "nothing can be included here");
    expect_error("a: [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]", 1, 19, "nested too deeply");
    expect_error(
        "http:\n\tvia: x", 2, 1,
        "not valid YAML: found character that cannot start any token while scanning for the "
        "next token");
    expect_error("http: {via: x", 1, 14,
                 "not valid YAML: did not find expected ',' or '}' while parsing a flow mapping");
    expect_error("http:\n  via: \xFF", 2, 8, "not valid YAML: invalid leading UTF-8 octet");
}

Test(settings, a_file_too_large_is_refused_before_it_is_read)
{
    const size_t bytes = CONFIG_FILE_BYTES_MAX + 1;
    char *text = malloc(bytes);
    struct config_errors errors = {0};
    cr_assert_not_null(text);
    memset(text, ' ', bytes);
    cr_expect_null(settings_load_text(&plain, "big.yaml", text, bytes, &errors));
    cr_expect(errors.count == 1 && strstr(errors.at[0].message, "4 MiB") != NULL);
    config_errors_free(&errors);
    free(text);
}

Test(settings, twenty_errors_are_kept_and_the_rest_counted)
{
    char text[4096] = "http:\n";
    for (int i = 0; i < 23; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "  x%d: 1\n", i);
    struct config_errors errors = {0};
    cr_expect_null(load(&plain, text, &errors));
    char *got = printed(&errors);
    cr_expect(errors.count == 23 && config_errors_kept(&errors) == 20);
    cr_expect_str_eq(got + strlen(got) - strlen("\nand 3 more\n"), "\nand 3 more\n");
    free(got);
    config_errors_free(&errors);
}

Test(settings, a_long_line_is_shown_in_part_and_underlined_rightly)
{
    char text[512];
    (void)snprintf(text, sizeof text, "%200s: x", "");
    memset(text, 'a', 200);
    memcpy(text, "http: {via: \"", 13);
    memcpy(text + 180, "\", viaa: y}", 12);
    struct config_errors errors = {0};
    cr_expect_null(load(&plain, text, &errors));
    const struct config_error *unknown = &errors.at[errors.count - 1];
    cr_expect(unknown->place.column == 184, "%u", unknown->place.column);
    cr_expect(strncmp(unknown->place.line_text + unknown->place.indent, "viaa", 4) == 0);
    config_errors_free(&errors);
}

Test(settings, errors_as_json_have_their_places)
{
    struct config_errors errors = {0};
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    cr_expect_null(load(&plain, "workers: 1\nworkers: 2", &errors));
    config_errors_write_json(&errors, out);
    cr_assert(fclose(out) == 0);
    json_t *json = json_loads(text, 0, NULL);
    const char *message, *file;
    int line, first_line, count;
    cr_assert(json_unpack(json, "{s:i, s:[{s:s, s:{s:s, s:i}, s:{s:i}}]}", "count", &count,
                          "errors", "message", &message, "place", "file", &file, "line", &line,
                          "first", "line", &first_line) == 0);
    cr_expect(count == 1 && line == 2 && first_line == 1);
    cr_expect_str_eq(file, "pando.yaml");
    json_decref(json);
    free(text);
    config_errors_free(&errors);
}

/* ---- settings ---- */

Test(settings, to_needs_no_file)
{
    const struct settings_request request = {
        .to = "a:1,[::1]:2", .zone = "eu/a", .places = {.is_root = true}};
    struct config_errors errors = {0};
    struct settings *settings = settings_load(&request, &errors);
    cr_assert_not_null(settings);
    cr_expect(settings->listeners_count == 2 && settings->services_count == 1);
    cr_expect(settings->listeners[0].dialect == LISTENER_HTTP &&
              settings->listeners[0].address->port == 8080);
    cr_expect(settings->listeners[1].dialect == LISTENER_ADMIN &&
              settings->listeners[1].address->port == 9780);
    const struct settings_service *service = &settings->services[0];
    cr_expect_str_eq(service->name, "default");
    cr_expect_str_eq(service->matches[0].host, "");
    cr_expect_str_eq(service->matches[0].path, "/");
    cr_expect(service->targets_count == 2 && service->balance.strategy == 0);
    cr_expect_str_eq(service->targets[1].address.text, "[::1]:2");
    cr_expect_str_eq(settings->zone, "eu/a");
    cr_expect_str_eq(settings->control_path, "/run/pando/control.sock");
    cr_expect_str_eq(settings->data_path, "/var/lib/pando");
    settings_free(settings);
}

Test(settings, the_rows_of_the_design_are_read)
{
    struct settings *settings = get(
        &plain, "listeners:\n"
                "  web:     {http: \":8080\", trust: 10.0.0.0/8}\n"
                "  admin:   {admin: \"127.0.0.1:9780\"}\n"
                "control: /run/pando/control.sock\n"
                "http: {body-bytes: 1MiB, via: edge}\n"
                "services:\n"
                "  shop:\n"
                "    match: {host: Shop.Example, path: /a/}\n"
                "    targets: [\"10.0.0.1:3000\", {address: \"10.0.0.2:3000\", zone: us-east/a, "
                "weight: 2}]\n"
                "    balance: least-connections\n"
                "    http: {body-bytes: none}\n");
    const struct settings_service *shop = &settings->services[0];
    cr_expect_str_eq(shop->matches[0].host, "shop.example");
    cr_expect_str_eq(shop->matches[0].path, "/a");
    cr_expect(shop->targets[0].weight == 1 && shop->targets[1].weight == 2);
    cr_expect_str_eq(shop->targets[1].zone, "us-east/a");
    cr_expect_str_eq(balance_words[shop->balance.strategy].name, "least-connections");
    cr_expect(settings->listeners[0].trust.count == 1 && settings->listeners[0].address->every);
    cr_expect(settings->http_service.body_bytes == 1 << 20, "said for all");
    cr_expect(shop->http.body_bytes == CONFIG_NONE, "and otherwise for one");
    cr_expect_str_eq(shop->http.via, "edge");
    cr_expect(settings->http.header_bytes == 32768 &&
              settings->upstream.connect_timeout_ns == CONFIG_SECONDS(5));
    settings_free(settings);
}

Test(settings, a_preset_for_services_may_stand_behind_them)
{
    struct settings *settings =
        get(&plain, "services: {a: {targets: x:1}}\nupstream: {connect-timeout: 7s}\n");
    cr_expect(settings->services[0].upstream.connect_timeout_ns == CONFIG_SECONDS(7));
    settings_free(settings);
}

Test(settings, empty_headings_are_no_mistake)
{
    settings_free(get(&plain, "services:\nhttp:\nlog: {}\n"));
    settings_free(get(&plain, ""));
    settings_free(get(&plain, "# nothing\n"));
    settings_free(get(&plain, "\xEF\xBB\xBFhttp: {via: x}\n"));
}

Test(settings, flags_win_over_the_file)
{
    static const char *const sets[] = {"services.shop.targets=[b:2, {address: c:3, weight: 9}]",
                                       "http.idle-timeout=5s", "listeners.web.trust=10.0.0.0/8",
                                       "services.shop.http.via=x"};
    const struct settings_request request = {.http = "127.0.0.1:81",
                                             .admin = "127.0.0.1:82",
                                             .workers = "3",
                                             .io = "epoll",
                                             .data = "/d",
                                             .control = "/c",
                                             .sets = sets,
                                             .sets_count = 4};
    struct settings *settings = get(&request, "listeners: {web: {http: \":80\"}}\n"
                                              "workers: 2\n"
                                              "services: {shop: {targets: a:1}}\n");
    cr_expect(settings->listeners_count == 2 && settings->listeners[0].address->port == 81);
    cr_expect_str_eq(settings->listeners[1].name, "admin");
    cr_expect(settings->workers_count == 3 && settings->io == SETTINGS_IO_EPOLL);
    cr_expect(settings->services[0].targets_count == 2 &&
              settings->services[0].targets[1].weight == 9);
    cr_expect(settings->http.idle_timeout_ns == CONFIG_SECONDS(5));
    cr_expect(settings->listeners[0].trust.count == 1);
    cr_expect_str_eq(settings->data_path, "/d");
    settings_free(settings);
}

Test(settings, a_wrong_flag_is_shown)
{
    static const char *const sets[] = {"services.shop.targets=[b:2, c]"};
    const struct settings_request request = {.io = "epol", .sets = sets, .sets_count = 1};
    expect_errors(&request, "services: {shop: {targets: a:1}}\n",
                  "error: io cannot be `epol`\n"
                  " --> --io\n"
                  "  | epol\n"
                  "  | ^^^^ did you mean `epoll`?\n"
                  "  = the manual: io\n"
                  "\n"
                  "error: services.shop.targets[1].address cannot be `c`\n"
                  " --> --set\n"
                  "  | services.shop.targets=[b:2, c]\n"
                  "  |                             ^ expected a port behind the address, as in "
                  "app.internal:3000\n"
                  "  = the manual: services.<name>.targets.address\n");
}

Test(settings, a_set_without_a_place_is_refused)
{
    static const char *const rows[] = {"",
                                       "=",
                                       "=x",
                                       "x",
                                       ".a=1",
                                       "a.=1",
                                       "a..b=1",
                                       "services.a.targets[0]=x:1",
                                       "http.via=\x01",
                                       "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a=1",
                                       "zone=x",
                                       "include=x"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct settings_request request = {.sets = &rows[i], .sets_count = 1};
        struct config_errors errors = {0};
        cr_expect_null(settings_load(&request, &errors), "%s", rows[i]);
        cr_expect(errors.count == 1, "%s", rows[i]);
        config_errors_free(&errors);
    }
}

Test(settings, places_follow_the_environment)
{
    const struct settings_request request = {
        .places = {.runtime_dir = "/run/user/7", .state_home = "relative", .home = "/home/u"}};
    struct settings *settings = get(&request, "");
    cr_expect_str_eq(settings->control_path, "/run/user/7/pando/control.sock");
    cr_expect_str_eq(settings->data_path, "/home/u/.local/state/pando",
                     "a relative one is ignored");
    settings_free(settings);
    settings = get(&(struct settings_request){0}, "data: /d\n");
    cr_expect_str_eq(settings->control_path, "/d/control.sock");
    settings_free(settings);
}

/* ---- several files ---- */

static void write_file(const char *name, const char *text)
{
    FILE *out = fopen(name, "w");
    cr_assert_not_null(out);
    cr_assert(fputs(text, out) >= 0 && fclose(out) == 0);
}

static void enter_empty_folder(void)
{
    char folder[] = "/tmp/pando-settings-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    cr_assert(chdir(folder) == 0);
}

static void leave_folder(void)
{
    char *folder = get_current_dir_name();
    static const char *const names[] = {"main.yaml", "d/a.yaml", "d/b.yaml", "d"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)remove(names[i]);
    cr_assert(chdir("/") == 0 && rmdir(folder) == 0);
    free(folder);
}

Test(settings, files_are_joined_and_errors_name_the_right_one)
{
    const struct settings_request request = {.file = "main.yaml"};
    struct config_errors errors = {0};
    enter_empty_folder();
    cr_assert(mkdir("d", 0700) == 0);
    write_file("main.yaml",
               "include: [d/a.yaml, d/b.yaml]\nhttp: {via: x}\nservices: {shop: {targets: \"a:1\", "
               "match: {host: s}}}\n");
    write_file("d/a.yaml", "http: {header-count: 50}\nservices: {api: {targets: \"b:2\"}}\nlog:\n");
    write_file("d/b.yaml", "log: {slow: 1s}\nservices:\n");
    struct settings *settings = settings_load(&request, &errors);
    cr_assert_not_null(settings);
    cr_expect(settings->services_count == 2 && settings->http.header_count == 50 &&
              settings->log.slow_ns == CONFIG_SECONDS(1));
    cr_expect_str_eq(settings->http_service.via, "x");
    settings_free(settings);

    write_file("d/b.yaml",
               "include: ../main.yaml\nhttp: {via: y}\nservices:\n  shop: {targets: \"c:1\"}\n");
    cr_expect_null(settings_load(&request, &errors));
    char *got = printed(&errors);
    cr_expect_str_eq(got, "error: d/../main.yaml: included a second time\n"
                          " --> d/b.yaml:1:10\n"
                          "1 | include: ../main.yaml\n"
                          "  |          ^^^^^^^^^^^^\n"
                          "\n"
                          "error: `via` is said twice in http\n"
                          " --> d/b.yaml:2:8\n"
                          "2 | http: {via: y}\n"
                          "  |        ^^^ first said at main.yaml:2:8\n"
                          "\n"
                          "error: `shop` is said twice in services\n"
                          " --> d/b.yaml:4:3\n"
                          "4 |   shop: {targets: \"c:1\"}\n"
                          "  |   ^^^^ first said at main.yaml:3:12\n");
    free(got);
    config_errors_free(&errors);
    leave_folder();
}

Test(settings, a_file_that_is_not_there_is_one_error)
{
    static const char *const sets[] = {"services.shop.balance=round-robin"};
    const struct settings_request request = {
        .file = "/nowhere/pando.yaml", .sets = sets, .sets_count = 1};
    struct config_errors errors = {0};
    cr_expect_null(settings_load(&request, &errors));
    char *got = printed(&errors);
    cr_expect_str_eq(
        got, "error: /nowhere/pando.yaml: No such file or directory\n --> /nowhere/pando.yaml\n");
    free(got);
    config_errors_free(&errors);
}

/* ---- out again ---- */

static const char rich[] =
    "listeners: {web: {http: \":8080\", trust: [10.0.0.0/8, \"::1\"]}, a: {admin: "
    "\"0.0.0.0:1\", open: true}}\n"
    "services:\n"
    "  shop:\n"
    "    match: [{host: \"*.shop.example\"}, {path: /b}]\n"
    "    targets: [\"10.0.0.1:3000\", {address: \"unix:/a \\\\ \\\" b\", zone: a/b, weight: 7}]\n"
    "    http: {via: x, body-bytes: 3B}\n"
    "    limits: {requests-in-flight: 4}\n"
    "  null: {targets: \"srv:_a._b.c\"}\n"
    "http: {body-bytes: 5MiB, forwarded: false}\n"
    "log: {path: \"/a: b # c\", format: common, slow: 1500ms}\n"
    "data: \"~\"\n";

/* @settings written by @write: what is read from it; the text is freed. */
static struct settings *reread(const struct settings *settings,
                               void (*write)(const struct settings *, FILE *))
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    cr_assert_not_null(out);
    write(settings, out);
    cr_assert(fclose(out) == 0);
    struct settings *again = get(&plain, text);
    free(text);
    return again;
}

Test(settings, what_is_written_is_read_as_the_same)
{
    struct settings *settings = get(&plain, rich);
    struct settings *as_yaml = reread(settings, settings_write_yaml);
    struct settings *as_init = reread(settings, settings_write_init);
    cr_expect(settings_write_changes(settings, as_yaml, stderr) == 0);
    cr_expect(settings_write_changes(settings, as_init, stderr) == 0);
    settings_free(settings);
    settings_free(as_yaml);
    settings_free(as_init);
}

/* Takes the # from every line that is a setting: after it comes no space. */
static void uncomment(char *text)
{
    char *to = text;
    for (char *at = text; *at != '\0'; at++) {
        const bool starts = at == text || at[-1] == '\n' || at[-1] == ' ';
        const bool is_setting = starts && at[0] == '#' && at[1] != ' ' && at[1] != '\n';
        if (!is_setting)
            *to++ = *at;
    }
    *to = '\0';
}

Test(settings, the_comments_of_a_fresh_file_are_settings_too)
{
    const struct settings_request request = {.to = "a:1", .places = {.is_root = true}};
    struct config_errors errors = {0};
    struct settings *settings = settings_load(&request, &errors);
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    settings_write_init(settings, out);
    cr_assert(fclose(out) == 0);
    uncomment(text);
    struct settings *again = get(&plain, text);
    cr_expect(settings_write_changes(settings, again, stderr) == 0);
    free(text);
    settings_free(again);
    settings_free(settings);
}

static void expect_changes(const char *old_text, const char *new_text, const char *expected)
{
    struct settings *old = get(&plain, old_text), *new = get(&plain, new_text);
    char *text = NULL;
    size_t bytes = 0, lines_count = 0;
    FILE *out = open_memstream(&text, &bytes);
    const size_t count = settings_write_changes(old, new, out);
    cr_assert(fclose(out) == 0);
    for (size_t i = 0; i < bytes; i++)
        lines_count += text[i] == '\n';
    cr_expect_str_eq(text, expected);
    cr_expect(count == lines_count && count == settings_write_changes(old, new, NULL));
    free(text);
    settings_free(old);
    settings_free(new);
}

Test(settings, a_reload_says_what_changes_one_line_each)
{
    expect_changes(
        "services: {a: {targets: [x:1, {address: y:1, weight: 2}]}, b: {targets: z:1, match: "
        "{path: /b}}}\n"
        "http: {idle-timeout: 10s}\n"
        "workers: 2\n",
        "services: {a: {targets: [{address: y:1, weight: 3}, w:1], balance: round-robin}, c: "
        "{targets: z:1, match: {path: /b}}}\n"
        "http: {idle-timeout: 20s, via: edge}\n"
        "workers: 4\n"
        "listeners: {web: {http: \"127.0.0.1:8081\"}, admin: {admin: \"127.0.0.1:9780\"}}\n",
        "listeners.web.http: \"127.0.0.1:8080\" -> \"127.0.0.1:8081\"\n"
        "services.a.targets[w:1]: added\n"
        "services.a.targets[x:1]: removed\n"
        "services.a.targets[y:1].weight: 2 -> 3\n"
        "services.a.balance: two-choices -> round-robin\n"
        "services.b: removed\n"
        "services.c: added\n"
        "http.idle-timeout: 10s -> 20s\n"
        "http.via: \"pando\" -> \"edge\"\n"
        "workers: 2 -> 4 (after a restart)\n");
}

/* Its entries are told from one another by all that they say. */
Test(settings, a_reload_says_which_entries_of_a_directory_change)
{
    expect_changes("keyspaces: {a: {partition: directory, shards: 3, directory: "
                   "[{prefix: \"x:\", shard: 0}, {prefix: \"y:\", shard: 1}]}}",
                   "keyspaces: {a: {partition: directory, shards: 3, directory: "
                   "[{prefix: \"y:\", shard: 1}, {prefix: \"x:\", shard: 2}]}}",
                   "keyspaces.a.directory[{prefix: \"x:\", shard: 0}]: removed (after a restart)\n"
                   "keyspaces.a.directory[{prefix: \"x:\", shard: 2}]: added (after a restart)\n");
}

Test(settings, order_and_spelling_are_no_change)
{
    expect_changes(
        "services: {a: {targets: [x:1, y:1]}}\nhttp: {idle-timeout: 60s}\n",
        "http: {idle-timeout: 1m}\nservices: {a: {targets: [{address: y:1, weight: 1}, x:1], "
        "match: {path: /}}}\n",
        "");
}

Test(settings, what_a_service_says_for_itself_is_its_own_change)
{
    expect_changes("services: {a: {targets: x:1, http: {via: me}}}\n",
                   "services: {a: {targets: x:1, http: {via: you}}}\nhttp: {via: all}\n",
                   "services.a.http.via: \"me\" -> \"you\"\nhttp.via: \"pando\" -> \"all\"\n");
}

#ifdef PANDO_FAULTS
/* Whichever allocation fails, the answer is settings or an error, and nothing is lost or leaked. */
Test(settings, the_nth_allocation_fails)
{
    struct settings *whole = get(&plain, rich);
    for (uint64_t nth = 1;; nth++) {
        struct config_errors errors = {0};
        fault_fail_nth(FAULT_ALLOCATION, nth);
        struct settings *settings = load(&plain, rich, &errors);
        const bool is_over = fault_seen(FAULT_ALLOCATION) < nth;
        fault_fail_nth(FAULT_ALLOCATION, 0);
        cr_expect((settings == NULL) == (errors.count > 0), "allocation %lu", (unsigned long)nth);
        if (settings != NULL)
            cr_expect(settings_write_changes(whole, settings, stderr) == 0);
        settings_free(settings);
        config_errors_free(&errors);
        if (is_over)
            break;
    }
    settings_free(whole);
}
#endif

/* ---- tables ---- */

/* Every row has a sentence, a name that can be typed, and a preset that its own range allows. */
static void check_table(const struct config_table *table)
{
    for (const struct config_key *key = table->keys; key->name != NULL; key++) {
        cr_expect(key->name[strspn(key->name, "abcdefghijklmnopqrstuvwxyz-")] == '\0', "%s",
                  key->name);
        cr_expect(key->help != NULL && key->help[0] != '\0' &&
                      key->help[strlen(key->help) - 1] != '.',
                  "%s", key->name);
        if (key->table != NULL)
            check_table(key->table);
        const bool may_be_none =
            key->kind == CONFIG_COUNT_OR_NONE || key->kind == CONFIG_COUNT_OR_AUTO ||
            key->kind == CONFIG_SIZE_OR_NONE || key->kind == CONFIG_DURATION_OR_NONE;
        if (key->kind < CONFIG_BOOLEAN && !(may_be_none && key->preset == CONFIG_NONE))
            cr_expect(key->lowest <= key->preset && key->preset <= key->highest, "%s", key->name);
        if (may_be_none)
            cr_expect(key->lowest > CONFIG_NONE, "%s: none must not be a value too", key->name);
    }
}

Test(settings, every_row_is_whole)
{
    check_table(&settings_table);
}

static char *written(void (*write)(FILE *))
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    write(out);
    cr_assert(fclose(out) == 0);
    return text;
}

Test(settings, the_schema_is_json_and_has_every_section)
{
    char *text = written(settings_write_schema);
    json_t *schema = json_loads(text, 0, NULL);
    const json_t *properties = json_object_get(schema, "properties");
    for (const struct config_key *key = settings_table.keys; key->name != NULL; key++)
        cr_expect_not_null(json_object_get(json_object_get(properties, key->name), "description"),
                           "%s", key->name);
    cr_expect_not_null(json_object_get(properties, "include"));
    json_decref(schema);
    free(text);
}

Test(settings, the_manual_names_every_limit)
{
    static const char *const names[] = {"header-bytes",
                                        "header-count",
                                        "body-bytes",
                                        "connections-per-client",
                                        "requests-per-connection",
                                        "header-timeout",
                                        "body-timeout",
                                        "idle-timeout",
                                        "connect-timeout",
                                        "answer-timeout",
                                        "request-timeout",
                                        "descriptors-kept"};
    char *docs = written(settings_write_docs), *manpage = written(settings_write_manpage);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char row[64];
        (void)snprintf(row, sizeof row, "| `%s` |", names[i]);
        cr_expect_not_null(strstr(docs, row), "%s", names[i]);
    }
    cr_expect_not_null(strstr(manpage, "\n.B header\\-bytes\n"));
    free(docs);
    free(manpage);
}
