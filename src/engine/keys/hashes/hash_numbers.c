/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/hashes/hash_numbers.c - fields that are numbers. */
#include "engine/keys/long_double.h"
#include "engine/keys/members.h"

#include <math.h>

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

void run__HINCRBYFLOAT(struct run *run)
{
    struct number number;
    long double sum = 0, step;
    char text[LONG_DOUBLE_BYTES_MAX];
    if (!long_double_read(run->args[3], &step)) {
        resp_error(run->out, RUN_NO_FLOAT);
        return;
    }
    if (isinf(step)) {
        resp_error(run->out, "ERR value is NaN or Infinity");
        return;
    }
    if (!find_number(run, &number))
        return;
    if (number.is_there && !long_double_read(number.text, &sum)) {
        resp_error(run->out, "ERR hash value is not a float");
        return;
    }
    sum += step;
    if (isnan(sum) || isinf(sum)) {
        resp_error(run->out, "ERR increment would produce NaN or Infinity");
        return;
    }
    const struct bytes written = long_double_write(text, sum);
    if (put_number(run, &number, written))
        resp_bulk(run->out, written);
}
