/* SPDX-License-Identifier: Apache-2.0 */
/* main/settings_geo_test.c - locations of targets and of this node, and the database: what is read,
 * and what is refused where. */
#include "main/settings.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GEO_FOLDER PANDO_SOURCE_ROOT "/tests/unit/geo/"
#define GEO        "geo-file: " GEO_FOLDER "city.mmdb\n"

static struct settings *load(const char *text, const char *location, struct config_errors *errors)
{
    const struct settings_request request = {.location = location, .places = {.is_root = true}};
    *errors = (struct config_errors){0};
    return settings_load_text(&request, "a.yaml", text, strlen(text), errors);
}

static struct settings *get(const char *text, const char *location)
{
    struct config_errors errors;
    struct settings *settings = load(text, location, &errors);
    if (settings == NULL)
        config_errors_write_text(&errors, stderr);
    cr_assert_not_null(settings);
    return settings;
}

static void expect_error(const char *text, const char *location, uint32_t line, uint32_t column,
                         const char *words)
{
    struct config_errors errors;
    cr_expect_null(load(text, location, &errors), "%s", text);
    cr_assert(errors.count == 1, "%s: %zu errors", text, errors.count);
    const struct config_error *error = &errors.at[0];
    cr_expect(error->place.line == line && error->place.column == column, "%u:%u",
              error->place.line, error->place.column);
    cr_expect(strstr(error->message, words) != NULL, "%s", error->message);
    config_errors_free(&errors);
}

Test(settings_geo, locations_are_read)
{
    struct settings *settings = get("services:\n"
                                    "  a:\n"
                                    "    balance: proximity\n"
                                    "    proximity: {by: location}\n"
                                    "    targets:\n"
                                    "      - {address: \"10.0.0.1:1\", location: \"52.52,13.40\"}\n"
                                    "      - address: \"10.0.0.2:1\"\n"
                                    "        location: -33.87, 151.2\n"
                                    "      - {address: \"10.0.0.3:1\", location: NO}\n"
                                    "  b:\n"
                                    "    match: {path: /b}\n"
                                    "    targets: \"10.0.0.1:1\"\n",
                                    "JP");
    const struct settings_service *service = &settings->services[0];
    static const char *const wanted[] = {"52.52,13.4", "-33.87,151.2", "NO"};
    struct geo_place place;
    for (size_t i = 0; i < 3; i++)
        cr_expect(geo_place_read(wanted[i], &place) &&
                      geo_is_same(&place, &service->targets[i].place),
                  "%s", wanted[i]);
    cr_expect(geo_place_read("JP", &place) && geo_is_same(&place, &settings->home));
    cr_expect(!geo_is_known(&settings->services[1].targets[0].place));
    cr_expect(settings->geo == NULL, "there is none");
    settings_free(settings);
}

Test(settings_geo, what_is_wrong_is_said_where_it_stands)
{
    expect_error("services: {a: {targets: [{address: x:1, location: Berlin}]}}", NULL, 1, 51,
                 "`Berlin` is not a place on the globe");
    expect_error("services: {a: {targets: [{address: x:1, location: \"91,0\"}]}}", NULL, 1, 51,
                 "`91,0` is not a place on the globe");
    expect_error("services: {a: {targets: x:1}}", "52.52", 1, 1, "not a place on the globe");
    expect_error("services: {a: {balance: proximity, proximity: {by: location},\n"
                 "  targets: [{address: x:1, location: DE}, y:1]}}",
                 NULL, 2, 43, "this target does not say where it is");
    expect_error("services: {a: {balance: proximity, proximity: {by: location},\n"
                 "  targets: [{address: x:1, location: ZZZ}]}}",
                 NULL, 2, 38, "`ZZZ` is not a place"); /* once */
}

/* A capacity is a number, or found. */
Test(settings_geo, a_capacity_is_a_number_or_auto)
{
    static const struct {
        const char *words;
        uint32_t capacity;
    } rows[] = {{"{}", CONFIG_AUTO}, {"{capacity: auto}", CONFIG_AUTO}, {"{capacity: 7}", 7}};
    for (size_t i = 0; i < 3; i++) {
        char text[128], shown[64];
        char *written = NULL;
        size_t bytes = 0;
        (void)snprintf(text, sizeof text, "services: {a: {targets: [x:1], proximity: %s}}",
                       rows[i].words);
        struct settings *settings = get(text, NULL);
        cr_expect(settings->services[0].balance.proximity.capacity == rows[i].capacity);
        FILE *out = open_memstream(&written, &bytes);
        settings_write_yaml(settings, out);
        fclose(out);
        (void)snprintf(shown, sizeof shown,
                       rows[i].capacity == CONFIG_AUTO ? "capacity: auto" : "capacity: 7");
        cr_expect(strstr(written, shown) != NULL, "%s", shown);
        free(written);
        settings_free(settings);
    }
    expect_error("services: {a: {targets: [x:1], proximity: {capacity: 0}}}", NULL, 1, 54,
                 "capacity cannot be `0`");
    expect_error("services: {a: {targets: [x:1], proximity: {capacity: none}}}", NULL, 1, 54,
                 "capacity cannot be `none`");
}

/* A place that is not asked for need not be said. */
Test(settings_geo, other_strategies_need_no_locations)
{
    settings_free(get("services: {a: {balance: proximity, targets: [x:1]}}", NULL));
    settings_free(get("services: {a: {proximity: {by: location}, targets: [x:1]}}", NULL));
}

Test(settings_geo, the_database_is_opened_and_kept_while_it_is_unchanged)
{
    if (!geo_file_is_there())
        cr_skip("built without libmaxminddb");
    struct settings *settings = get(GEO, NULL);
    cr_assert_not_null(settings->geo);
    cr_expect_str_eq(geo_file_facts(settings->geo).path, GEO_FOLDER "city.mmdb");
    const struct settings_request request = {.geo = settings->geo};
    struct config_errors errors = {0};
    struct settings *again = settings_load_text(&request, "a.yaml", GEO, strlen(GEO), &errors);
    cr_assert_not_null(again);
    cr_expect(again->geo == settings->geo);
    settings_free(settings); /* the new ones have their own reference */
    cr_expect_str_eq(geo_file_facts(again->geo).type, "Test-City");
    settings_free(again);
}

Test(settings_geo, a_database_that_cannot_be_used_is_a_mistake)
{
    if (!geo_file_is_there()) {
        expect_error(GEO, NULL, 1, 1, "built without libmaxminddb");
        return;
    }
    expect_error("workers: 1\ngeo-file: /nonexistent/a.mmdb\n", NULL, 2, 11,
                 "geo-file /nonexistent/a.mmdb: it cannot be opened: No such file");
    expect_error("geo-file: " GEO_FOLDER "other.mmdb\n", NULL, 1, 11,
                 "its records (Test-ASN) say neither coordinates nor a country");
    expect_error("geo-file: " PANDO_SOURCE_ROOT "/meson.build\n", NULL, 1, 11,
                 "it is no database of MaxMind's format");
}

/* With another mistake in the file the database is let go again (LeakSanitizer looks). */
Test(settings_geo, a_file_with_mistakes_keeps_nothing_open)
{
    if (!geo_file_is_there())
        cr_skip("built without libmaxminddb");
    expect_error(GEO "workers: x\n", NULL, 2, 10, "workers cannot be `x`");
}
