/* SPDX-License-Identifier: Apache-2.0 */
/* config/value/statuses.c - a list of statuses, read and compared. */
#include "config/value/statuses.h"

#include <stddef.h>

enum { STATUS_LOWEST = 100, STATUS_HIGHEST = 599 };

static const char *skip_spaces(const char *at)
{
    while (*at == ' ')
        at++;
    return at;
}

/* Three digits; NULL if there are others. */
static const char *read_number(const char *at, uint16_t *out)
{
    unsigned number = 0;
    at = skip_spaces(at);
    for (int i = 0; i < 3; i++, at++) {
        if (*at < '0' || *at > '9')
            return NULL;
        number = number * 10 + (unsigned)(*at - '0');
    }
    *out = (uint16_t)number;
    return number < STATUS_LOWEST || number > STATUS_HIGHEST ? NULL : skip_spaces(at);
}

static const char *read_range(const char *at, uint16_t *first, uint16_t *last)
{
    at = read_number(at, first);
    *last = *first;
    if (at != NULL && *at == '-')
        at = read_number(at + 1, last);
    return at != NULL && *first <= *last ? at : NULL;
}

bool config_statuses_read(struct config_statuses *statuses, const char *text)
{
    *statuses = (struct config_statuses){0};
    for (const char *at = text; statuses->count < CONFIG_STATUSES_RANGES_MAX; at++) {
        const uint16_t index = statuses->count++;
        at = read_range(at, &statuses->ranges[index].first, &statuses->ranges[index].last);
        if (at == NULL || (*at != '\0' && *at != ','))
            return false;
        if (*at == '\0')
            return true;
    }
    return false;
}

bool config_statuses_fit(const struct config_statuses *statuses, unsigned status)
{
    for (uint16_t i = 0; i < statuses->count; i++) {
        if (status >= statuses->ranges[i].first && status <= statuses->ranges[i].last)
            return true;
    }
    return false;
}
