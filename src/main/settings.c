/* SPDX-License-Identifier: Apache-2.0 */
/* main/settings.c - loads the settings: presets, file, flags, --set, each over the one before. */
#include "main/settings.h"

#include "config/value/words.h"
#include "main/settings_keys.h"
#include "main/users/users_file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES  256
#define SHOWN_BYTES 256

struct loader {
    struct config        *config;
    struct config_errors *errors;
    bool                  is_good;
};

void settings_places_get(struct settings_places *places)
{
    *places = (struct settings_places){.runtime_dir = getenv("XDG_RUNTIME_DIR"),
                                       .state_home = getenv("XDG_STATE_HOME"),
                                       .home = getenv("HOME"),
                                       .is_root = geteuid() == 0};
}

/* ---- flags ---- */

static void set(struct loader *loader, const char *flag, const char *path, const char *value)
{
    const struct config_override override = {
        .path = path, .value = value, .flag = flag, .shown = value};
    if (value != NULL)
        loader->is_good &= config_set(loader->config, &settings_table, &override, loader->errors);
}

/* The address of the first listener that speaks @dialect, or of a new one. */
static void set_listener(struct loader *loader, const char *flag, const char *dialect,
                         const char *value)
{
    char path[PATH_BYTES];
    const char *name = config_entry_with(loader->config, "listeners", dialect);
    (void)snprintf(path, sizeof path, "listeners.%s.%s", name != NULL ? name : dialect, dialect);
    set(loader, flag, path, value);
}

void settings__refuse_flag(struct config_errors *errors, const char *flag, const char *value,
                           const char *message, const char *hint)
{
    char shown[SHOWN_BYTES];
    const size_t characters =
        config_words_clean(shown, sizeof shown, value, strlen(value), sizeof shown);
    config_errors_add(errors, &(struct config_error){.message = message,
                                                     .hint = hint,
                                                     .place = {.file = flag,
                                                               .is_flag = true,
                                                               .line = 1,
                                                               .column = 1,
                                                               .length = (uint32_t)characters,
                                                               .line_text = shown}});
}

/* --set a.b=value */
static void set_any(struct loader *loader, const char *text)
{
    char path[PATH_BYTES];
    const char *equals = strchr(text, '=');
    const size_t bytes = equals != NULL ? (size_t)(equals - text) : strlen(text);
    if (equals == NULL || bytes == 0 || bytes >= sizeof path) {
        settings__refuse_flag(loader->errors, "--set", text, "--set takes setting=value",
                              "as in --set http.idle-timeout=30s");
        loader->is_good = false;
        return;
    }
    memcpy(path, text, bytes);
    path[bytes] = '\0';
    const struct config_override override = {
        .path = path, .value = equals + 1, .flag = "--set", .shown = text};
    loader->is_good &= config_set(loader->config, &settings_table, &override, loader->errors);
}

/* Where nothing is said of listeners: HTTP if there is a service, the Redis protocol if there are
 * keys; and if nobody said what Pando is for, it keeps keys. */
static void set_presets(struct loader *loader, const struct settings_request *request)
{
    const struct config *config = loader->config;
    const bool serves =
        request->to != NULL || request->http != NULL || config_has(config, "services");
    const bool has_keys = config_has(config, "keyspaces");
    const bool wants_keys = request->redis != NULL || (!serves && !config_has(config, "listeners"));
    if (!has_keys && wants_keys)
        set(loader, "the presets", "keyspaces.default.engine", "lmdb");
    if (config_has(config, "listeners"))
        return;
    if (serves)
        set(loader, "the presets", "listeners.web.http", "127.0.0.1:8080");
    if (has_keys || wants_keys)
        set(loader, "the presets", "listeners.data.redis", "127.0.0.1:6380");
    set(loader, "the presets", "listeners.admin.admin", "127.0.0.1:9780");
    if ((has_keys || wants_keys) && !serves)
        set(loader, "the presets", "listeners.admin.keys", "true");
}

static void set_flags(struct loader *loader, const struct settings_request *request)
{
    set_presets(loader, request);
    if (request->to != NULL) {
        const struct config_override override = {.path = "services.default.targets",
                                                 .value = request->to,
                                                 .flag = "--to",
                                                 .shown = request->to,
                                                 .is_list = true};
        loader->is_good &= config_set(loader->config, &settings_table, &override, loader->errors);
    }
    if (request->http != NULL)
        set_listener(loader, "--http", "http", request->http);
    if (request->admin != NULL)
        set_listener(loader, "--admin", "admin", request->admin);
    if (request->redis != NULL)
        set_listener(loader, "--redis", "redis", request->redis);
    set(loader, "--data", "data", request->data);
    set(loader, "--control", "control", request->control);
    set(loader, "--workers", "workers", request->workers);
    set(loader, "--io", "io", request->io);
    for (size_t i = 0; i < request->sets_count; i++)
        set_any(loader, request->sets[i]);
}

/* ---- places ---- */

/* @folder and @rest joined, in the configuration's memory. */
static const char *join(struct loader *loader, const char *folder, const char *rest)
{
    const size_t bytes = strlen(folder) + strlen(rest) + 1;
    char *path = config_allocate(loader->config, bytes);
    if (path != NULL) {
        (void)snprintf(path, bytes, "%s%s", folder, rest);
        return path;
    }
    config_errors_add(loader->errors, &(struct config_error){
                                          .message = "out of memory while the settings were read"});
    return "";
}

/* The XDG specification says to ignore what is not absolute. */
static bool is_usable(const char *folder)
{
    return folder != NULL && folder[0] == '/';
}

static void find_places(struct loader *loader, struct settings *settings,
                        const struct settings_places *places)
{
    if (places->is_root)
        settings->data_preset = "/var/lib/pando";
    else if (is_usable(places->state_home))
        settings->data_preset = join(loader, places->state_home, "/pando");
    else if (is_usable(places->home))
        settings->data_preset = join(loader, places->home, "/.local/state/pando");
    else
        settings->data_preset = "pando-data";
    if (settings->data_path[0] == '\0')
        settings->data_path = settings->data_preset;
    if (places->is_root)
        settings->control_preset = "/run/pando/control.sock";
    else if (is_usable(places->runtime_dir))
        settings->control_preset = join(loader, places->runtime_dir, "/pando/control.sock");
    else
        settings->control_preset = join(loader, settings->data_path, "/control.sock");
    if (settings->control_path[0] == '\0')
        settings->control_path = settings->control_preset;
}

/* ---- loading ---- */

/* What comes after the file: takes over @loader->config. */
static struct settings *finish(struct loader *loader, const struct settings_request *request)
{
    const size_t count_before = loader->errors->count;
    const bool is_lost = !loader->is_good && !config_has(loader->config, ""); /* no file to go by */
    struct settings *settings = is_lost ? NULL : config_allocate(loader->config, sizeof *settings);
    if (settings != NULL) {
        set_flags(loader, request);
        loader->is_good &= config_fill(loader->config, &settings_table, settings, loader->errors);
        settings->config = loader->config;
        settings->zone = join(loader, request->zone != NULL ? request->zone : "", "");
        settings__check_geo(settings, request, loader->errors);
        find_places(loader, settings, &request->places);
        settings_check(settings, loader->errors);
    } else if (!is_lost)
        config_errors_add(
            loader->errors,
            &(struct config_error){.message = "out of memory while the settings were read"});
    if (settings != NULL && loader->is_good && loader->errors->count == count_before)
        return settings;
    config_errors_sort(loader->errors);
    if (settings != NULL) {
        users_file_forget_all(settings);
        geo_file_unref(settings->geo);
    }
    config_free(loader->config);
    return NULL;
}

/* A configuration, or NULL with the error added. */
static struct config *begin(struct config_errors *errors)
{
    struct config *config = config_new();
    if (config == NULL)
        config_errors_add(errors, &(struct config_error){
                                      .message = "out of memory while the settings were read"});
    return config;
}

struct settings *settings_load(const struct settings_request *request, struct config_errors *errors)
{
    struct loader loader = {.config = begin(errors), .errors = errors, .is_good = true};
    if (loader.config == NULL)
        return NULL;
    if (request->file == NULL ||
        config_read_file(loader.config, &settings_table, request->file, errors))
        return finish(&loader, request);
    loader.is_good = false;
    return finish(&loader, request);
}

struct settings *settings_load_text(const struct settings_request *request, const char *file,
                                    const char *text, size_t bytes, struct config_errors *errors)
{
    struct loader loader = {.config = begin(errors), .errors = errors, .is_good = true};
    if (loader.config == NULL)
        return NULL;
    loader.is_good =
        config_read_text(loader.config, &settings_table,
                         &(struct config_text){.file = file, .at = text, .bytes = bytes}, errors);
    return finish(&loader, request);
}

void settings_free(struct settings *settings)
{
    if (settings == NULL)
        return;
    users_file_forget_all(settings);
    geo_file_unref(settings->geo);
    config_free(settings->config); /* the struct itself lies in there too */
}

/* ---- writing ---- */

size_t settings_write_changes(const struct settings *old, const struct settings *new, FILE *out)
{
    return config_write_changes(&settings_table, old, new, out);
}

void settings_write_yaml(const struct settings *settings, FILE *out)
{
    config_write_yaml(&settings_table, settings, out);
}

void settings_write_schema(FILE *out)
{
    config_write_schema(&settings_table, "Pando's configuration", out);
}

void settings_write_docs(FILE *out)
{
    config_write_docs(&settings_table, out);
}

void settings_write_manpage(FILE *out)
{
    config_write_manpage(&settings_table, out);
}

void settings_write_init(const struct settings *settings, FILE *out)
{
    const struct settings_request nothing = {0};
    struct config_errors errors = {0};
    struct settings *presets = settings_load(&nothing, &errors);
    if (presets != NULL) {
        presets->control_path = settings->control_preset;
        presets->data_path = settings->data_preset;
        config_write_init(
            &settings_table, settings, presets,
            "Pando's configuration. `pando check` reads this file without starting; "
            "`pando config docs` explains every setting. Take the # away from a setting "
            "to change it.",
            out);
    } else
        fputs("# out of memory\n", out);
    settings_free(presets);
    config_errors_free(&errors);
}
