/* SPDX-License-Identifier: Apache-2.0 */
/* main/settings_keys.h - the tree of rows that fills struct settings; for main/settings*.c only. */
#ifndef PANDO_MAIN_SETTINGS_KEYS_H
#define PANDO_MAIN_SETTINGS_KEYS_H

#include "main/settings.h"

/* The root of a file. Its struct is struct settings. */
extern const struct config_table settings_table;

/* The words of `partition`, in the order of PARTITION_STRATEGIES. End with a name of NULL. */
extern const struct config_choice keyspace_partitions[];

/* Checks what single rows cannot see, and fills what is worked out: dialects, matches in one
 * spelling. Adds to @errors; meant to run also when config_fill() has found errors. */
void settings_check(struct settings *settings, struct config_errors *errors);

/* The part of settings_check() that is about the circuit breakers of the service at @index. Reads
 * the fallback's file into the settings. */
void settings__check_breaker(struct settings *settings, size_t index, struct config_errors *errors);

/* The part that is about keyspaces: fills their layouts. */
void settings__check_keyspaces(struct settings *settings, struct config_errors *errors);

/* What is said of places on the globe: reads them, and opens the database. */
void settings__check_geo(struct settings *settings, const struct settings_request *request,
                         struct config_errors *errors);

/* Adds an error about a flag's @value as a whole. */
void settings__refuse_flag(struct config_errors *errors, const char *flag, const char *value,
                           const char *message, const char *hint);

#endif
