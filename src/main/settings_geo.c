/* SPDX-License-Identifier: Apache-2.0 */
/* main/settings_geo.c - where this node and the targets stand on the globe, and the database that
 * tells where clients are. It is opened here, so that `pando check` tells what is wrong with it,
 * and what was checked is what is used. */
#include "balance/balance.h"
#include "main/settings_keys.h"

#include <string.h>

#define PATH_BYTES 256
#define PLACE_HINT                                                                                 \
    "expected degrees as in \"52.52,13.40\" (latitude, longitude), or a country as in DE"

struct checker {
    struct settings      *settings;
    struct config_errors *errors;
};

static void check_target(const struct checker *checker, const struct settings_service *service,
                         size_t index)
{
    struct settings_target *target = &service->targets[index];
    const struct config *config = checker->settings->config;
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "services.%s.targets[%zu].location", service->name, index);
    struct config_complaint where = {.path = path, .part = CONFIG_PART_VALUE, .hint = PLACE_HINT};
    if (geo_place_read(target->location, &target->place))
        return;
    if (target->location[0] != '\0') {
        config_complain(config, checker->errors, &where, "`%s` is not a place on the globe",
                        target->location);
        return;
    }
    if (!balance_wants_places(&service->balance) || config_has(config, path))
        return;
    /* As near as can be, it would draw the requests of the whole world. */
    (void)snprintf(path, sizeof path, "services.%s.targets[%zu]", service->name, index);
    where.hint = "say `location`, in degrees or as a country: {address: ..., location: DE}";
    config_complain(config, checker->errors, &where,
                    "services.%s goes by location, and this target does not say where it is",
                    service->name);
}

static void open_file(const struct checker *checker, struct geo_file *known)
{
    struct settings *settings = checker->settings;
    struct err e = {0};
    struct config_complaint where = {.path = "geo-file", .part = CONFIG_PART_KEY};
    if (settings->geo_path[0] == '\0')
        return;
    if (!geo_file_is_there()) {
        where.hint = "build it with -Dgeo=enabled";
        config_complain(settings->config, checker->errors, &where,
                        "this Pando was built without libmaxminddb and cannot read geo-file");
        return;
    }
    where.part = CONFIG_PART_VALUE;
    where.hint = "expected a City or Country database (.mmdb), by an absolute path or from where "
                 "Pando is started";
    if (geo_file_open(&settings->geo, settings->geo_path, known, &e) != ERR_NONE)
        config_complain(settings->config, checker->errors, &where, "geo-file %s: %s",
                        settings->geo_path, e.story);
}

void settings__check_geo(struct settings *settings, const struct settings_request *request,
                         struct config_errors *errors)
{
    const struct checker checker = {settings, errors};
    if (request->location != NULL && !geo_place_read(request->location, &settings->home))
        settings__refuse_flag(errors, "--location", request->location,
                              "this is not a place on the globe", PLACE_HINT);
    for (size_t i = 0; i < settings->services_count; i++)
        for (size_t k = 0; k < settings->services[i].targets_count; k++)
            check_target(&checker, &settings->services[i], k);
    open_file(&checker, request->geo);
}
