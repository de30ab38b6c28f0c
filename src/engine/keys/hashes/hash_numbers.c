/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/hashes/hash_numbers.c - fields that are numbers. */
#include "engine/keys/members.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    NUMBER_TEXT_MAX = 5 * 1024, /* Redis reads no longer ones; one of 4,933 digits and 17 fits */
};

/* The field args[2] of the hash args[1]; a hash that is not there has no fields. */
struct number {
    struct space      *space;
    struct space_value value;
    struct bytes       text;
    bool               is_there;
};

static bool find_number(struct run *run, struct number *number)
{
    *number = (struct number){0};
    if (!run_find(run, run->args[1], KEY_HASH, &number->space, &number->value))
        return false;
    return number->value.type == KEY_NONE ||
           members_get(run, &number->value, run->args[2], &number->text, &number->is_there);
}

/* False: answered. */
static bool put_number(struct run *run, struct number *number, struct bytes text)
{
    struct space *space = number->space;
    bool is_new;
    if (number->value.type == KEY_NONE &&
        !run_is_ok(run, space->kind->create(space, run->args[1], KEY_HASH, &number->value)))
        return false;
    const bool is_put = members_put(run, &number->value, run->args[2], text, &is_new);
    const enum space_result settled = space->kind->settle(space, run->args[1], &number->value);
    return is_put && run_is_ok(run, settled);
}

void run__HINCRBY(struct run *run)
{
    struct number number;
    int64_t sum = 0, step;
    uint8_t text[BYTES_INT64_MAX];
    if (!run_integer(run, 3, &step) || !find_number(run, &number))
        return;
    if (number.is_there && !bytes_read_int64(number.text, &sum)) {
        resp_error(run->out, "ERR hash value is not an integer");
        return;
    }
    if (__builtin_add_overflow(sum, step, &sum)) {
        resp_error(run->out, "ERR increment or decrement would overflow");
        return;
    }
    if (put_number(run, &number, (struct bytes){text, bytes_write_int64(text, sum)}))
        resp_integer(run->out, sum);
}

/* As strtold() reads it whole, without space before it; not nan, nor what is too large or too
 * small. */
static bool read_long_double(struct bytes bytes, long double *number)
{
    char text[NUMBER_TEXT_MAX];
    char *end;
    if (bytes.count == 0 || bytes.count >= sizeof text ||
        (bytes.at[0] >= '\t' && bytes.at[0] <= '\r') || bytes.at[0] == ' ')
        return false;
    memcpy(text, bytes.at, bytes.count);
    text[bytes.count] = '\0';
    errno = 0;
    *number = strtold(text, &end);
    if ((size_t)(end - text) != bytes.count || isnan(*number))
        return false;
    return errno != ERANGE || !(isinf(*number) || fpclassify(*number) == FP_ZERO);
}

/* 17 digits behind the point, less the zeros at the end. Returns how many bytes. */
static size_t write_long_double(char *out, size_t room, long double number)
{
    size_t count = (size_t)snprintf(out, room, "%.17Lf", number);
    while (out[count - 1] == '0')
        count--;
    if (out[count - 1] == '.')
        count--;
    if (count == 2 && memcmp(out, "-0", 2) == 0) {
        out[0] = '0';
        count = 1;
    }
    return count;
}

void run__HINCRBYFLOAT(struct run *run)
{
    struct number number;
    long double sum = 0, step;
    char text[NUMBER_TEXT_MAX];
    if (!read_long_double(run->args[3], &step)) {
        resp_error(run->out, RUN_NO_FLOAT);
        return;
    }
    if (isinf(step)) {
        resp_error(run->out, "ERR value is NaN or Infinity");
        return;
    }
    if (!find_number(run, &number))
        return;
    if (number.is_there && !read_long_double(number.text, &sum)) {
        resp_error(run->out, "ERR hash value is not a float");
        return;
    }
    sum += step;
    if (isnan(sum) || isinf(sum)) {
        resp_error(run->out, "ERR increment would produce NaN or Infinity");
        return;
    }
    const struct bytes written = {(const uint8_t *)text, write_long_double(text, sizeof text, sum)};
    if (put_number(run, &number, written))
        resp_bulk(run->out, written);
}
