/* SPDX-License-Identifier: Apache-2.0 */
/* main/settings_breaker.c - what is wrong in the circuit breakers' settings of one service, and the
 * fallback's file, which is read here so that a mistake is told by `pando check` as well. */
#include "config/value/statuses.h"
#include "main/settings_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 256, FILE_BYTES_MAX = 1 << 20 };

struct checker {
    struct settings         *settings;
    struct settings_service *service;
    struct config_errors    *errors;
};

/* At the service's own setting, or at the one outside that it comes from. */
static void complain(const struct checker *checker, const char *key, const char *hint,
                     const char *message)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "services.%s.breaker.%s", checker->service->name, key);
    if (!config_has(checker->settings->config, path))
        (void)snprintf(path, sizeof path, "breaker.%s", key);
    config_complain(
        checker->settings->config, checker->errors,
        &(struct config_complaint){.path = path, .part = CONFIG_PART_VALUE, .hint = hint},
        "services.%s: breaker.%s %s", checker->service->name, key, message);
}

static void check_circuit(const struct checker *checker, const char *section,
                          const struct circuit_settings *circuit)
{
    struct config_statuses statuses;
    char key[64];
    (void)snprintf(key, sizeof key, "%s.failure-statuses", section);
    if (!config_statuses_read(&statuses, circuit->statuses))
        complain(checker, key, "expected numbers and ranges with commas, such as 500, 502-504",
                 "is no list of statuses");
    (void)snprintf(key, sizeof key, "%s.open-first", section);
    if (circuit->open_first_ns > circuit->open_most_ns)
        complain(checker, key, "lower this, or raise open-most", "is over open-most");
    (void)snprintf(key, sizeof key, "%s.enabled", section);
    if (circuit->enabled && circuit->failed_percent == 0 &&
        (circuit->slow_percent == 0 || circuit->slow_ns == 0))
        complain(checker, key, "say failure-rate, or slow-rate and slow-after",
                 "is true, but nothing would open it");
}

/* --- the fallback ---------------------------------------------------------------------------- */

/* NULL, or what is wrong. */
static const char *read_whole(const struct checker *checker, int fd,
                              struct fallback_settings *fallback)
{
    struct stat about;
    size_t used = 0;
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
        return "is no regular file";
    if (about.st_size > FILE_BYTES_MAX)
        return "is over 1 MiB";
    char *at = config_allocate(checker->settings->config, (size_t)about.st_size + 1);
    if (at == NULL)
        return "cannot be read: out of memory";
    while (used < (size_t)about.st_size) {
        const ssize_t bytes = read(fd, at + used, (size_t)about.st_size - used);
        if (bytes <= 0)
            return "cannot be read whole";
        used += (size_t)bytes;
    }
    fallback->file_at = at;
    fallback->file_bytes = used;
    return NULL;
}

static void read_file(const struct checker *checker, struct fallback_settings *fallback)
{
    const int fd = open(fallback->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char trouble[128];
    if (fd < 0) {
        (void)snprintf(trouble, sizeof trouble, "cannot be read: %s", strerror(errno));
        complain(checker, "fallback.file", "a path is absolute, or from where Pando is started",
                 trouble);
        return;
    }
    const char *wrong = read_whole(checker, fd, fallback);
    close(fd);
    if (wrong != NULL)
        complain(checker, "fallback.file", "expected a file of at most 1 MiB", wrong);
}

static void check_answer(const struct checker *checker, struct fallback_settings *fallback)
{
    const bool has_file = fallback->file[0] != '\0', has_body = fallback->body[0] != '\0';
    if (has_file && has_body)
        complain(checker, "fallback.file", "say one of them", "stands beside fallback.body");
    if ((has_file || has_body) && fallback->status == 0)
        complain(checker, has_file ? "fallback.file" : "fallback.body",
                 "say fallback.status, such as 200 or 503", "has no status to go with it");
    for (const char *at = fallback->content_type; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            complain(checker, "fallback.content-type", "expected a type such as text/html",
                     "is no content type");
            break;
        }
    }
    if (has_file)
        read_file(checker, fallback);
}

static struct settings_service *find(const struct settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->services_count; i++)
        if (strcmp(settings->services[i].name, name) == 0)
            return &settings->services[i];
    return NULL;
}

/* Does the chain of fallbacks lead back to the service? Bounded by their number. */
static bool is_circle(const struct checker *checker)
{
    const struct settings *settings = checker->settings;
    const struct settings_service *at = checker->service;
    for (size_t i = 0; i <= settings->services_count; i++) {
        if (at->breaker.fallback.service[0] == '\0')
            return false;
        at = find(settings, at->breaker.fallback.service);
        if (at == NULL)
            return false;
        if (at == checker->service)
            return true;
    }
    return false; /* a circle that it only leads to; said of those in it */
}

static void check_other_service(const struct checker *checker, struct fallback_settings *fallback)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "services.%s.breaker.fallback.service",
                   checker->service->name);
    if (strcmp(fallback->service, checker->service->name) == 0 &&
        !config_has(checker->settings->config, path)) {
        fallback->service = ""; /* the one that all others fall back on has none itself */
        return;
    }
    if (fallback->status != 0)
        complain(checker, "fallback.service", "say one of them", "stands beside fallback.status");
    if (find(checker->settings, fallback->service) == NULL)
        complain(checker, "fallback.service", "expected the name of a service",
                 "is no service of this file");
    else if (is_circle(checker))
        complain(checker, "fallback.service", "let the last of them answer by itself",
                 "leads back to this service");
}

void settings__check_breaker(struct settings *settings, size_t index, struct config_errors *errors)
{
    struct settings_service *service = &settings->services[index];
    const struct checker checker = {settings, service, errors};
    check_circuit(&checker, "service", &service->breaker.service);
    check_circuit(&checker, "target", &service->breaker.target);
    check_answer(&checker, &service->breaker.fallback);
    if (service->breaker.fallback.service[0] != '\0')
        check_other_service(&checker, &service->breaker.fallback);
}
