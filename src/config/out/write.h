/* SPDX-License-Identifier: Apache-2.0 */
/* config/out/write.h - single values on their way out; shared inside config/ only. */
#ifndef PANDO_CONFIG_OUT_WRITE_H
#define PANDO_CONFIG_OUT_WRITE_H

#include "config/config.h"

/* The field of @key in @base. */
const void *config__field(const struct config_key *key, const void *base);

/* Of a LIST or MAP: how many elements, and the one at @index. */
size_t config__elements_count(const struct config_key *key, const void *base);
const void *config__element(const struct config_key *key, const void *base, size_t index);

/* Does a file need to say it? Addresses that are not given, and rows that are hidden, it cannot. */
bool config__is_said(const struct config_key *key, const void *base);

/* Are the fields of @key in two structs the same? SECTION, LIST and MAP are compared whole. */
bool config__same(const struct config_key *key, const void *one, const void *other);

/* The value of a scalar or NETWORKS as YAML. */
void config__value_write(const struct config_key *key, const void *base, FILE *out);

/* An element on one line, {a: 1, b: 2}; with @is_short only what is no preset, and the short form
 * if that is enough. */
void config__flow_write(const struct config_table *table, const void *base, bool is_short,
                        FILE *out);

/* Does the field hold the preset of its row? (not known for lists and sections: false) */
bool config__is_preset(const struct config_key *key, const void *base);

#endif
