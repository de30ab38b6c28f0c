/* SPDX-License-Identifier: Apache-2.0 */
/* control/check/statuses.h - which statuses pass a check: "200", "200-299", "200, 204, 300-399".
 *
 * Pure. Memory: none. Threads: any. Errors: a text that is no such list is refused. */
#ifndef PANDO_CONTROL_CHECK_STATUSES_H
#define PANDO_CONTROL_CHECK_STATUSES_H

#include <stdbool.h>
#include <stdint.h>

enum { CHECK_RANGES_MAX = 16 };

struct check_statuses {
    uint16_t count;
    struct {
        uint16_t first, last;
    } ranges[CHECK_RANGES_MAX];
};

/* Reads a list. False: it is none (a status is 100 to 599), or has more than CHECK_RANGES_MAX
 * members. */
bool check_statuses_read(struct check_statuses *statuses, const char *text)
    __attribute__((warn_unused_result));

/* Is @status among them? */
bool check_statuses_fit(const struct check_statuses *statuses, unsigned status);

#endif
