/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/strings/number.c - strings that are numbers: INCR and its relatives. */
#include "engine/keys/long_double.h"
#include "engine/keys/strings/strings.h"

#include <math.h>

/* Puts the number's digits in the place of the string; the expiry stays. */
static bool write_digits(struct run *run, struct space *space, struct space_value *value,
                         struct bytes digits)
{
    uint8_t *at;
    if (!strings__edit(run, space, value, digits.count, &at))
        return false;
    memcpy(at, digits.at, digits.count);
    return strings__edited(run, space, value);
}

static void add(struct run *run, int64_t by)
{
    struct space *space;
    struct space_value value;
    int64_t number = 0;
    uint8_t digits[BYTES_INT64_MAX];
    if (!run_find(run, run->args[1], KEY_STRING, &space, &value))
        return;
    if (value.type != KEY_NONE && !bytes_read_int64(value.string, &number)) {
        resp_error(run->out, RUN_NO_INTEGER);
        return;
    }
    if (__builtin_add_overflow(number, by, &number)) {
        resp_error(run->out, "ERR increment or decrement would overflow");
        return;
    }
    if (write_digits(run, space, &value, (struct bytes){digits, bytes_write_int64(digits, number)}))
        resp_integer(run->out, number);
}

void run__INCR(struct run *run)
{
    add(run, 1);
}

void run__DECR(struct run *run)
{
    add(run, -1);
}

void run__INCRBY(struct run *run)
{
    int64_t by;
    if (run_integer(run, 2, &by))
        add(run, by);
}

void run__DECRBY(struct run *run)
{
    int64_t by;
    if (!run_integer(run, 2, &by))
        return;
    if (by == INT64_MIN)
        resp_error(run->out, "ERR decrement would overflow");
    else
        add(run, -by);
}

void run__INCRBYFLOAT(struct run *run)
{
    struct space *space;
    struct space_value value;
    long double number = 0, by;
    char text[LONG_DOUBLE_BYTES_MAX];
    if (!run_find(run, run->args[1], KEY_STRING, &space, &value))
        return;
    if ((value.type != KEY_NONE && !long_double_read(value.string, &number)) ||
        !long_double_read(run->args[2], &by)) {
        resp_error(run->out, RUN_NO_FLOAT);
        return;
    }
    number += by;
    if (isnan(number) || isinf(number)) {
        resp_error(run->out, "ERR increment would produce NaN or Infinity");
        return;
    }
    const struct bytes digits = long_double_write(text, number);
    if (write_digits(run, space, &value, digits))
        resp_bulk(run->out, digits);
}
