/* SPDX-License-Identifier: Apache-2.0 */
/* config/value/quantity.c - numbers and their units. */
#include "config/value/quantity.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t    factor;
};

#define X(name, factor) {name, factor},
static const struct unit durations[] = {CONFIG_DURATION_UNITS(X){NULL, 0}};
static const struct unit sizes[] = {CONFIG_SIZE_UNITS(X){NULL, 0}};
#undef X

/* Reads digits at *@at and moves behind them. */
static enum config_quantity_verdict read_digits(const char **at, uint64_t *number)
{
    const char *start = *at;
    *number = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++)
        if (__builtin_mul_overflow(*number, 10u, number) ||
            __builtin_add_overflow(*number, (uint64_t)(**at - '0'), number))
            return CONFIG_QUANTITY_HUGE;
    return *at == start ? CONFIG_QUANTITY_BAD : CONFIG_QUANTITY_GOOD;
}

/* The unit at *@at, which is moved behind it; NULL: none of @units. */
static const struct unit *read_unit(const struct unit *units, const char **at)
{
    const size_t bytes = strspn(*at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    for (; units->name != NULL; units++)
        if (strlen(units->name) == bytes && memcmp(units->name, *at, bytes) == 0) {
            *at += bytes;
            return units;
        }
    return NULL;
}

enum config_quantity_verdict config_count_read(const char *text, uint64_t *count)
{
    const enum config_quantity_verdict verdict = read_digits(&text, count);
    return verdict == CONFIG_QUANTITY_GOOD && *text != '\0' ? CONFIG_QUANTITY_BAD : verdict;
}

/* One number and its unit, added to *@sum. @units is narrowed to those smaller than what was
 * read. */
static enum config_quantity_verdict add_part(const struct unit **units, const char **text,
                                             uint64_t *sum)
{
    uint64_t number;
    const enum config_quantity_verdict verdict = read_digits(text, &number);
    if (verdict != CONFIG_QUANTITY_GOOD)
        return verdict;
    if (**text == '\0')
        return CONFIG_QUANTITY_NO_UNIT;
    if (**text == '.')
        return CONFIG_QUANTITY_BAD;
    const struct unit *unit = read_unit(*units, text);
    if (unit == NULL)
        return CONFIG_QUANTITY_BAD_UNIT;
    if (__builtin_mul_overflow(number, unit->factor, &number) ||
        __builtin_add_overflow(*sum, number, sum))
        return CONFIG_QUANTITY_HUGE;
    *units = unit + 1;
    return CONFIG_QUANTITY_GOOD;
}

enum config_quantity_verdict config_duration_read(const char *text, uint64_t *ns)
{
    const struct unit *units = durations;
    enum config_quantity_verdict verdict;
    *ns = 0;
    do
        verdict = add_part(&units, &text, ns);
    while (verdict == CONFIG_QUANTITY_GOOD && *text != '\0');
    return verdict;
}

enum config_quantity_verdict config_size_read(const char *text, uint64_t *bytes)
{
    const struct unit *units = sizes;
    *bytes = 0;
    const enum config_quantity_verdict verdict = add_part(&units, &text, bytes);
    return verdict == CONFIG_QUANTITY_GOOD && *text != '\0' ? CONFIG_QUANTITY_BAD : verdict;
}

static const char *write_in(const struct unit *units, uint64_t amount, const char *zero, char *text)
{
    while (units->factor > 1 && (amount == 0 || amount % units->factor != 0))
        units++;
    if (amount == 0)
        (void)snprintf(text, CONFIG_QUANTITY_BYTES, "%s", zero);
    else
        (void)snprintf(text, CONFIG_QUANTITY_BYTES, "%" PRIu64 "%s", amount / units->factor,
                       units->name);
    return text;
}

const char *config_duration_write(uint64_t ns, char text[CONFIG_QUANTITY_BYTES])
{
    return write_in(durations, ns, "0s", text);
}

const char *config_size_write(uint64_t bytes, char text[CONFIG_QUANTITY_BYTES])
{
    return write_in(sizes, bytes, "0B", text);
}
