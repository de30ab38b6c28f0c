/* SPDX-License-Identifier: Apache-2.0 */
/* sim/node/policy.c - a configuration file around the words. */
#include "sim/node/policy.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = 4096 };

struct sim_policy sim_policy_read(const char *words)
{
    const struct settings_request request = {.places = {.is_root = true}};
    struct config_errors errors = {0};
    char text[TEXT_BYTES];
    snprintf(text, sizeof text,
             "listeners: {web: {http: \"127.0.0.1:8080\"}}\n"
             "services: {fleet: {targets: [\"127.0.0.1:1\"], %s}}\n",
             words);
    struct settings *settings = settings_load_text(&request, "scene", text, strlen(text), &errors);
    if (settings == NULL) {
        config_errors_write_text(&errors, stderr);
        abort();
    }
    config_errors_free(&errors);
    return (struct sim_policy){.settings = settings, .service = &settings->services[0]};
}

void sim_policy_free(struct sim_policy *policy)
{
    settings_free(policy->settings);
    *policy = (struct sim_policy){0};
}
