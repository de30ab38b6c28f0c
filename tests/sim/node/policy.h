/* SPDX-License-Identifier: Apache-2.0 */
/* sim/node/policy.h - what a service of the program would do: the settings of one, read by the
 * program's own reader, presets and all.
 *
 * So a scene says its policies in the words of the manual, and what it does not say is what a user
 * gets who does not say it either.
 *
 * Memory: sim_policy_free() frees. Errors: a mistake in the words ends the program with the
 * reader's explanation. */
#ifndef PANDO_SIM_MODEL_POLICY_H
#define PANDO_SIM_MODEL_POLICY_H

#include "main/settings.h"

struct sim_policy {
    struct settings               *settings; /* owns all */
    const struct settings_service *service;
};

/* @words: rows of a service in YAML's flow form, "balance: hash, retry: {budget: 0}". */
struct sim_policy sim_policy_read(const char *words);

/* Accepts zero. */
void sim_policy_free(struct sim_policy *policy);

#endif
