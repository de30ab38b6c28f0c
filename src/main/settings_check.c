/* SPDX-License-Identifier: Apache-2.0 */
/* main/settings_check.c - what is wrong between settings that are each right by themselves.
 *
 * Runs over the filled struct; where a row was wrong, the struct holds its preset, and the check
 * looks at what was said (config_has) so that one mistake gives one error. */
#include "config/value/statuses.h"
#include "core/mem.h"
#include "main/settings_keys.h"
#include "main/users/users_file.h"
#include "path/client_key.h"
#include "session/keys.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define PATH_BYTES  256
#define COOKIE_NAME "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

struct checker {
    struct settings      *settings;
    struct config_errors *errors;
};

/* One of many that must differ. */
struct claim {
    const char *what;  /* in one spelling */
    size_t      outer; /* index of service, or 0 */
    size_t      inner; /* index in it */
};

static void complain(const struct checker *checker, const char *path, enum config_part part,
                     const char *hint, const char *message)
{
    config_complain(checker->settings->config, checker->errors,
                    &(struct config_complaint){.path = path, .part = part, .hint = hint}, "%s",
                    message);
}

static void no_memory(const struct checker *checker)
{
    config_errors_add(
        checker->errors,
        &(struct config_error){.message = "out of memory while the settings were checked"});
}

/* printf into the configuration's memory; NULL: no memory (the error is added). */
static char *keep(const struct checker *checker, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static char *keep(const struct checker *checker, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int bytes = vsnprintf(NULL, 0, format, arguments);
    char *text = bytes < 0 ? NULL : config_allocate(checker->settings->config, (size_t)bytes + 1);
    if (text != NULL)
        (void)vsnprintf(text, (size_t)bytes + 1, format, again);
    else
        no_memory(checker);
    va_end(again);
    va_end(arguments);
    return text;
}

static int by_claim(const void *a, const void *b)
{
    const struct claim *one = a, *other = b;
    const int order = strcmp(one->what, other->what);
    if (order != 0)
        return order;
    if (one->outer != other->outer)
        return one->outer < other->outer ? -1 : 1;
    return one->inner < other->inner ? -1 : one->inner > other->inner;
}

/* ---- listeners ---- */

static const struct {
    const char *key;
    enum listener_dialect dialect;
    size_t offset;
} dialects[] = {
    {"http", LISTENER_HTTP, offsetof(struct listener_settings, http)},
    {"admin", LISTENER_ADMIN, offsetof(struct listener_settings, admin)},
    {"redis", LISTENER_REDIS, offsetof(struct listener_settings, redis)},
};
#define DIALECTS_COUNT (sizeof dialects / sizeof dialects[0])

/* Sets the listener's dialect and address from which of the keys was said. */
static void find_dialect(const struct checker *checker, struct listener_settings *listener)
{
    char path[PATH_BYTES];
    listener->dialect = LISTENER_NONE;
    for (size_t i = 0; i < DIALECTS_COUNT; i++) {
        (void)snprintf(path, sizeof path, "listeners.%s.%s", listener->name, dialects[i].key);
        if (!config_has(checker->settings->config, path))
            continue;
        if (listener->dialect != LISTENER_NONE) {
            complain(checker, path, CONFIG_PART_KEY, "give the other one an entry of its own",
                     "a listener speaks one dialect");
            continue;
        }
        listener->dialect = dialects[i].dialect;
        listener->address =
            (const struct config_address *)((const char *)listener + dialects[i].offset);
    }
    (void)snprintf(path, sizeof path, "listeners.%s", listener->name);
    if (listener->dialect == LISTENER_NONE)
        config_complain(
            checker->settings->config, checker->errors,
            &(struct config_complaint){
                .path = path,
                .hint = "expected `http: ADDRESS`, `redis: ADDRESS` or `admin: ADDRESS`"},
            "%s does not say what it speaks", path);
}

static void check_listener(const struct checker *checker, struct listener_settings *listener)
{
    char path[PATH_BYTES];
    find_dialect(checker, listener);
    (void)snprintf(path, sizeof path, "listeners.%s.trust", listener->name);
    if (listener->dialect != LISTENER_HTTP && listener->trust.count > 0)
        complain(checker, path, CONFIG_PART_KEY, "it belongs to an http listener",
                 "this listener believes nobody");
    (void)snprintf(path, sizeof path, "listeners.%s.keys", listener->name);
    if (listener->keys && listener->dialect == LISTENER_REDIS)
        complain(checker, path, CONFIG_PART_KEY, "it belongs to an http or admin listener",
                 "this listener does not answer /kv/");
    else if (listener->keys && checker->settings->keyspaces_count == 0)
        complain(checker, path, CONFIG_PART_KEY, "add `keyspaces: {default: {}}`",
                 "a listener with keys has no keyspace to serve");
    if (listener->dialect == LISTENER_NONE ||
        (listener->dialect == LISTENER_HTTP && !listener->keys))
        return;
    const char *key = dialects[listener->dialect - 1].key;
    (void)snprintf(path, sizeof path, "listeners.%s.%s", listener->name, key);
    const bool asks = listener->users_file[0] != '\0' && listener->dialect != LISTENER_ADMIN;
    if (listener->address->kind != CONFIG_ADDRESS_NONE && !listener->open && !asks &&
        !config_address_is_loopback(listener->address))
        complain(checker, path, CONFIG_PART_VALUE,
                 listener->dialect != LISTENER_ADMIN
                     ? "use 127.0.0.1, name a `users-file`, or say `open: true` beside it"
                     : "use 127.0.0.1, or say `open: true` beside it",
                 "this listener asks for no password and would be open to other machines");
    if (listener->dialect == LISTENER_REDIS && checker->settings->keyspaces_count == 0)
        complain(checker, path, CONFIG_PART_KEY, "add `keyspaces: {default: {engine: memory}}`",
                 "a Redis listener has no keyspace to serve");
}

/* At most 256 listeners, so each is compared with those before it. */
static void check_listeners(const struct checker *checker)
{
    struct settings *settings = checker->settings;
    char path[PATH_BYTES], first_path[PATH_BYTES];
    for (size_t i = 0; i < settings->listeners_count; i++)
        check_listener(checker, &settings->listeners[i]);
    for (size_t i = 0; i < settings->listeners_count; i++)
        for (size_t j = 0; j < i; j++) {
            const struct listener_settings *one = &settings->listeners[j],
                                           *other = &settings->listeners[i];
            if (one->address == NULL || other->address == NULL || other->address->port == 0 ||
                !config_address_same(one->address, other->address))
                continue;
            (void)snprintf(path, sizeof path, "listeners.%s.%s", other->name,
                           dialects[other->dialect - 1].key);
            (void)snprintf(first_path, sizeof first_path, "listeners.%s.%s", one->name,
                           dialects[one->dialect - 1].key);
            config_complain(settings->config, checker->errors,
                            &(struct config_complaint){.path = path,
                                                       .part = CONFIG_PART_VALUE,
                                                       .first_path = first_path,
                                                       .hint = "give each its own address"},
                            "listeners %s and %s listen on the same address", one->name,
                            other->name);
            break;
        }
}

/* ---- services ---- */

/* A host in lower case, in the configuration's memory; NULL: not one (@hint says why) or no
 * memory. */
static char *read_host(const struct checker *checker, const char *text, const char **hint)
{
    char *host = keep(checker, "%s", strcmp(text, "*") == 0 ? "" : text);
    *hint = NULL;
    if (host == NULL)
        return NULL;
    for (char *at = host; *at != '\0'; at++)
        *at = *at >= 'A' && *at <= 'Z' ? (char)(*at + ('a' - 'A')) : *at;
    const char *name = strncmp(host, "*.", 2) == 0 ? host + 2 : host;
    if (strchr(name, '*') != NULL || strcmp(host, "*.") == 0)
        *hint = "a star stands only for the first labels, as in *.shop.example";
    else if (name[0] == '[' && name[strlen(name) - 1] == ']' &&
             name[strspn(name, "[]0123456789abcdef:.")] == '\0')
        *hint = NULL;
    else if (strstr(name, "://") != NULL || strchr(name, '/') != NULL)
        *hint = "expected the host alone; a path goes into `path`";
    else if (strchr(name, ':') != NULL)
        *hint = "expected the host without a port: every port is matched";
    else if (name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.")] != '\0')
        *hint = "expected letters, digits, - and dots; other scripts as xn--...";
    else if (name[0] == '.' || strstr(name, "..") != NULL ||
             (name[0] != '\0' && name[strlen(name) - 1] == '.'))
        *hint = "expected no dot at the beginning or end, nor two in a row";
    return *hint == NULL ? host : NULL;
}

/* Does @path have "." or ".." among its segments, or an empty one? */
static bool has_odd_segment(const char *path)
{
    for (const char *at = path + 1; *at != '\0';) {
        const size_t bytes = strcspn(at, "/");
        if (bytes == 0 || (bytes <= 2 && strspn(at, ".") >= bytes))
            return true;
        at += bytes;
        at += *at == '/';
    }
    return false;
}

/* A path without the slash at its end ("/api/" and "/api" are the same prefix); as read_host(). */
static char *read_path(const struct checker *checker, const char *text, const char **hint)
{
    char *path = keep(checker, "%s", text);
    *hint = NULL;
    if (path == NULL)
        return NULL;
    if (path[0] != '/')
        *hint = "expected a path that begins with /";
    else if (path[strcspn(path, "?#%* ")] != '\0')
        *hint = "expected a plain prefix, without ?, #, %, * and spaces";
    else if (has_odd_segment(path))
        *hint = "expected no empty segment, and none that is . or ..";
    else if (path[1] != '\0' && path[strlen(path) - 1] == '/')
        path[strlen(path) - 1] = '\0';
    return *hint == NULL ? path : NULL;
}

static void check_match(const struct checker *checker, const struct settings_service *service,
                        size_t index)
{
    struct settings_match *match = &service->matches[index];
    struct {
        const char **field;
        const char *key;
        char *(*read)(const struct checker *, const char *, const char **);
    } parts[] = {{&match->host, "host", read_host}, {&match->path, "path", read_path}};
    for (size_t i = 0; i < 2; i++) {
        char path[PATH_BYTES];
        const char *hint;
        const char *value = parts[i].read(checker, *parts[i].field, &hint);
        (void)snprintf(path, sizeof path, "services.%s.match[%zu].%s", service->name, index,
                       parts[i].key);
        if (hint != NULL)
            config_complain(
                checker->settings->config, checker->errors,
                &(struct config_complaint){.path = path, .part = CONFIG_PART_VALUE, .hint = hint},
                "services.%s: %s cannot be `%s`", service->name, parts[i].key, *parts[i].field);
        if (value != NULL)
            *parts[i].field = value;
    }
}

/* A service that says no match answers everything that no other does. */
static void check_matches(const struct checker *checker, struct settings_service *service)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "services.%s.match", service->name);
    if (service->matches_count == 0 && config_has(checker->settings->config, path))
        return; /* it was wrong, and that was said */
    if (service->matches_count == 0) {
        service->matches = config_allocate(checker->settings->config, sizeof *service->matches);
        if (service->matches == NULL) {
            no_memory(checker);
            return;
        }
        service->matches[0] = (struct settings_match){.host = "", .path = "/"};
        service->matches_count = 1;
    }
    for (size_t i = 0; i < service->matches_count; i++)
        check_match(checker, service, i);
}

/* Sorts @claims and complains of each that is the same as the one before; @path_of and @say word
 * it. */
static void check_claims(const struct checker *checker, struct claim *claims, size_t count,
                         const char *list, const char *hint)
{
    const struct settings *settings = checker->settings;
    qsort(claims, count, sizeof *claims, by_claim);
    size_t original = 0;
    for (size_t i = 1; i < count; i++) {
        char path[PATH_BYTES], first_path[PATH_BYTES];
        if (strcmp(claims[i].what, claims[original].what) != 0) {
            original = i;
            continue;
        }
        const char *name = settings->services[claims[i].outer].name;
        const char *first_name = settings->services[claims[original].outer].name;
        (void)snprintf(path, sizeof path, "services.%s.%s[%zu]", name, list, claims[i].inner);
        (void)snprintf(first_path, sizeof first_path, "services.%s.%s[%zu]", first_name, list,
                       claims[original].inner);
        const struct config_complaint where = {
            .path = path, .part = CONFIG_PART_VALUE, .first_path = first_path, .hint = hint};
        if (claims[i].outer == claims[original].outer)
            config_complain(settings->config, checker->errors, &where,
                            "services.%s.%s has the same twice", name, list);
        else
            config_complain(settings->config, checker->errors, &where,
                            "services %s and %s match the same requests", first_name, name);
    }
}

/* A name that is none, which was said already, may not be a path to it either. */
static bool is_findable(const struct settings_service *service)
{
    return service->name[strcspn(service->name, ".[")] == '\0';
}

static void check_same_matches(const struct checker *checker)
{
    const struct settings *settings = checker->settings;
    size_t count = 0, room = 1;
    for (size_t i = 0; i < settings->services_count; i++)
        room += settings->services[i].matches_count;
    struct claim *claims = mem_alloc(room * sizeof *claims);
    for (size_t i = 0; claims != NULL && i < settings->services_count; i++)
        for (size_t j = 0;
             is_findable(&settings->services[i]) && j < settings->services[i].matches_count; j++) {
            const struct settings_match *match = &settings->services[i].matches[j];
            const char *what = keep(checker, "%s %s", match->host, match->path);
            if (what != NULL)
                claims[count++] = (struct claim){what, i, j};
        }
    if (claims == NULL)
        no_memory(checker);
    else
        check_claims(checker, claims, count, "match", "give each its own host or path");
    mem_free(claims);
}

static void check_same_targets(const struct checker *checker, size_t index)
{
    const struct settings_service *service = &checker->settings->services[index];
    struct claim *claims = mem_alloc((service->targets_count + 1) * sizeof *claims);
    size_t count = 0;
    for (size_t i = 0; claims != NULL && i < service->targets_count; i++) {
        const struct config_address *address = &service->targets[i].address;
        const char *what =
            address->kind == CONFIG_ADDRESS_NONE
                ? NULL
                : keep(checker, "%d %s %u", (int)address->kind, address->host, address->port);
        if (what != NULL)
            claims[count++] = (struct claim){what, index, i};
    }
    if (claims == NULL)
        no_memory(checker);
    else
        check_claims(checker, claims, count, "targets", "use `weight` to give a target more");
    mem_free(claims);
}

/* "region/zone", "rack7": words with slashes between them. */
static bool is_zone(const char *zone)
{
    const size_t bytes = strlen(zone);
    return zone[strspn(zone,
                       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./")] ==
               '\0' &&
           bytes <= 64 && strstr(zone, "//") == NULL && zone[0] != '/' &&
           (bytes == 0 || zone[bytes - 1] != '/');
}

static void check_zones(const struct checker *checker, const struct settings_service *service)
{
    char path[PATH_BYTES];
    for (size_t i = 0; i < service->targets_count; i++) {
        (void)snprintf(path, sizeof path, "services.%s.targets[%zu].zone", service->name, i);
        if (!is_zone(service->targets[i].zone))
            config_complain(checker->settings->config, checker->errors,
                            &(struct config_complaint){.path = path,
                                                       .part = CONFIG_PART_VALUE,
                                                       .hint = "expected region/zone"},
                            "`%s` is not a zone", service->targets[i].zone);
    }
}

/* ---- sections ---- */

/* A name in Via is a token. @in is "" or "services.shop.". */
static void check_http(const struct checker *checker, const char *in,
                       const struct http_service_settings *http)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%shttp.via", in);
    if (http->via[strspn(
            http->via,
            "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")] !=
        '\0')
        complain(checker, path, CONFIG_PART_VALUE, "expected letters, digits and !#$%&'*+-.^_`|~",
                 "the name in Via is not a token");
}

static void check_breaker(const struct checker *checker, const char *in,
                          const struct breaker_settings *breaker)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%sbreaker.pause-first", in);
    if (!config_has(checker->settings->config, path))
        (void)snprintf(path, sizeof path, "%sbreaker.pause-most", in);
    if (breaker->pause_first_ns > breaker->pause_most_ns)
        complain(checker, path, CONFIG_PART_VALUE, "lower this, or raise pause-most",
                 "breaker.pause-first is over breaker.pause-most");
}

/* @in: as above. What came from the global section is complained of there. */
static void check_health(const struct checker *checker, const char *in,
                         const struct health_settings *health)
{
    struct config_statuses statuses;
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%shealth.status", in);
    if (!config_statuses_read(&statuses, health->status))
        complain(checker, path, CONFIG_PART_VALUE,
                 "expected numbers and ranges with commas, such as 200, 204, 300-399",
                 "health.status is no list of statuses");
    (void)snprintf(path, sizeof path, "%shealth.path", in);
    if (health->path[0] != '/' || health->path[strcspn(health->path, " \r\n\t")] != '\0')
        complain(checker, path, CONFIG_PART_VALUE, "expected a path that begins with /",
                 "health.path cannot be asked for");
    (void)snprintf(path, sizeof path, "%shealth.host", in);
    if (health->host[strcspn(health->host, " \r\n\t/")] != '\0')
        complain(checker, path, CONFIG_PART_VALUE, "expected a host, with a port if need be",
                 "health.host is not a host");
}

static void check_retry(const struct checker *checker, const char *in,
                        const struct retry_settings *retry)
{
    struct config_statuses statuses;
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%sretry.statuses", in);
    if (retry->statuses[0] != '\0' && !config_statuses_read(&statuses, retry->statuses))
        complain(checker, path, CONFIG_PART_VALUE,
                 "expected numbers and ranges with commas, such as 500, 502-504",
                 "retry.statuses is no list of statuses");
}

static bool same_health(const struct health_settings *one, const struct health_settings *other)
{
    return strcmp(one->status, other->status) == 0 && strcmp(one->path, other->path) == 0 &&
           strcmp(one->host, other->host) == 0;
}

static void check_client_key(const struct checker *checker, const char *in, const char *key,
                             const char *text)
{
    char path[PATH_BYTES + 32];
    struct client_key_rule rule;
    (void)snprintf(path, sizeof path, "%s%s", in, key);
    if (!client_key_read(text, &rule))
        complain(checker, path, CONFIG_PART_VALUE, "expected address, header:NAME or cookie:NAME",
                 "this tells no clients apart");
}

static void check_hash_key(const struct checker *checker, const char *in, const char *text)
{
    char path[PATH_BYTES + 32];
    struct client_key_rule rule;
    (void)snprintf(path, sizeof path, "%shash.key", in);
    if (!client_key_read_route(text, &rule))
        complain(checker, path, CONFIG_PART_VALUE,
                 "expected address, header:NAME, cookie:NAME, path or query:NAME",
                 "there is nothing like this in a request");
}

/* Writes the path of the first bound that was said. */
static void find_bound(const struct checker *checker, const char *in, char *path, size_t bytes)
{
    static const char *const keys[] = {"start", "least", "most"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        (void)snprintf(path, bytes, "%sconcurrency.%s", in, keys[i]);
        if (config_has(checker->settings->config, path))
            return;
    }
}

static void check_concurrency(const struct checker *checker, const char *in,
                              const struct concurrency_settings *concurrency)
{
    const struct limit_bounds bounds = concurrency_bounds(concurrency);
    const bool is_said =
        concurrency->start != 0 || concurrency->least != 0 || concurrency->most != 0;
    char path[PATH_BYTES + 32], hint[128];
    check_client_key(checker, in, "concurrency.client", concurrency->client);
    find_bound(checker, in, path, sizeof path);
    if (concurrency->limit == LIMIT_NONE) {
        if (is_said)
            complain(checker, path, CONFIG_PART_KEY, "say `limit: aimd`, or another",
                     "concurrency has bounds but no limit");
        return;
    }
    if (bounds.least <= bounds.start && bounds.start <= bounds.most)
        return;
    (void)snprintf(hint, sizeof hint,
                   "least is %" PRIu32 ", start is %" PRIu32 ", most is %" PRIu32, bounds.least,
                   bounds.start, bounds.most);
    complain(checker, path, CONFIG_PART_VALUE, hint,
             "concurrency.start is not between concurrency.least and concurrency.most");
}

/* What a cookie's name may be, and the keys. */
static void check_sticky(const struct checker *checker, const char *in,
                         const struct sticky_settings *sticky)
{
    char path[PATH_BYTES + 32];
    struct session_keys keys;
    struct err e = {0};
    (void)snprintf(path, sizeof path, "%ssticky.cookie", in);
    if (sticky->key_file[0] == '\0') {
        if (strcmp(sticky->cookie, STICKY_COOKIE) != 0)
            complain(checker, path, CONFIG_PART_KEY,
                     "say `key-file` too: openssl rand -hex 32 > FILE; chmod 600 FILE",
                     "sticky has no keys, so no cookie would be set");
        return;
    }
    if (sticky->cookie[strspn(sticky->cookie, COOKIE_NAME)] != '\0')
        complain(checker, path, CONFIG_PART_VALUE, "expected letters, digits and !#$%&'*+-.^_`|~",
                 "a cookie cannot have this name");
    (void)snprintf(path, sizeof path, "%ssticky.key-file", in);
    if (!seal_is_there())
        complain(checker, path, CONFIG_PART_KEY, "build it with -Dsodium=enabled",
                 "this Pando was built without libsodium and can seal no cookies");
    else if (session_keys_read(&keys, sticky->key_file, &e) != ERR_NONE)
        config_complain(
            checker->settings->config, checker->errors,
            &(struct config_complaint){.path = path,
                                       .part = CONFIG_PART_VALUE,
                                       .hint = "openssl rand -hex 32 > FILE; chmod 600 FILE"},
            "the keys in %s cannot be used: %s", sticky->key_file, e.story);
    explicit_bzero(&keys, sizeof keys);
}

static bool same_pauses(const struct breaker_settings *one, const struct breaker_settings *other)
{
    return one->pause_first_ns == other->pause_first_ns &&
           one->pause_most_ns == other->pause_most_ns;
}

static void check_service(const struct checker *checker, size_t index)
{
    struct settings *settings = checker->settings;
    struct settings_service *service = &settings->services[index];
    char in[PATH_BYTES];
    (void)snprintf(in, sizeof in, "services.%s.", service->name);
    check_matches(checker, service);
    check_same_targets(checker, index);
    check_zones(checker, service);
    check_client_key(checker, in, "rate.key", service->rate.key);
    check_hash_key(checker, in, service->balance.hash.key);
    check_concurrency(checker, in, &service->concurrency);
    check_sticky(checker, in, &service->sticky);
    /* What came from the global section is complained of there. */
    if (strcmp(service->http.via, settings->http_service.via) != 0)
        check_http(checker, in, &service->http);
    if (!same_pauses(&service->breaker, &settings->breaker))
        check_breaker(checker, in, &service->breaker);
    if (strcmp(service->retry.statuses, settings->retry.statuses) != 0)
        check_retry(checker, in, &service->retry);
    if (!same_health(&service->health, &settings->health))
        check_health(checker, in, &service->health);
    settings__check_breaker(settings, index, checker->errors);
}

static void check_places(const struct checker *checker)
{
    const struct settings *settings = checker->settings;
    if (strlen(settings->control_path) >= sizeof((struct sockaddr_un){0}).sun_path)
        config_complain(settings->config, checker->errors,
                        &(struct config_complaint){.path = "control",
                                                   .part = CONFIG_PART_VALUE,
                                                   .hint = "say a shorter one with `control:`"},
                        "the control socket's path is over 107 bytes: %s", settings->control_path);
    if (!is_zone(settings->zone))
        settings__refuse_flag(checker->errors, "--zone", settings->zone,
                              "this is not the name of a zone", "expected region/zone");
}

void settings_check(struct settings *settings, struct config_errors *errors)
{
    const struct checker checker = {.settings = settings, .errors = errors};
    check_listeners(&checker);
    users_file_read_all(settings, errors);
    check_http(&checker, "", &settings->http_service);
    check_breaker(&checker, "", &settings->breaker);
    check_retry(&checker, "", &settings->retry);
    check_health(&checker, "", &settings->health);
    for (size_t i = 0; i < settings->services_count; i++)
        check_service(&checker, i);
    check_same_matches(&checker);
    settings__check_keyspaces(settings, errors);
    check_places(&checker);
}
