/* SPDX-License-Identifier: Apache-2.0 */
/* config/value/statuses.h - a list of HTTP statuses: "200", "200-299", "200, 204, 300-399".
 *
 * Pure. Memory: none. Threads: any. Errors: a text that is no such list is refused. */
#ifndef PANDO_CONFIG_VALUE_STATUSES_H
#define PANDO_CONFIG_VALUE_STATUSES_H

#include <stdbool.h>
#include <stdint.h>

enum { CONFIG_STATUSES_RANGES_MAX = 16 };

struct config_statuses {
    uint16_t count;
    struct {
        uint16_t first, last;
    } ranges[CONFIG_STATUSES_RANGES_MAX];
};

/* Reads a list. False: it is none (a status is 100 to 599), or has too many members. */
bool config_statuses_read(struct config_statuses *statuses, const char *text)
    __attribute__((warn_unused_result));

/* Is @status among them? */
bool config_statuses_fit(const struct config_statuses *statuses, unsigned status);

#endif
