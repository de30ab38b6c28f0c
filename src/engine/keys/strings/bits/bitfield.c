/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/strings/bits/bitfield.c - BITFIELD: numbers of any width at any place of a string.
 *
 * All is read before anything is done. Then the string is made long enough for all that is to be
 * written, also where an overflow lets nothing be written after all, as Redis does. */
#include "engine/keys/members.h"
#include "engine/keys/strings/bits/bit_row.h"
#include "engine/keys/strings/strings.h"

enum overflow { OVERFLOW_WRAP, OVERFLOW_SAT, OVERFLOW_FAIL };

enum act { ACT_GET, ACT_SET, ACT_INCRBY };

struct step {
    enum act      act;
    enum overflow overflow;
    bool          is_signed;
    unsigned      width; /* bits */
    uint64_t      place;
    int64_t       number; /* of SET and INCRBY */
};

/* ---- what is asked ---- */

/* "u1" to "u63" and "i1" to "i64"; false: answered. */
static bool read_type(struct run *run, uint32_t index, struct step *step)
{
    const struct bytes text = run->args[index];
    int64_t width = 0;
    if (text.count > 1 && (text.at[0] == 'i' || text.at[0] == 'u')) {
        step->is_signed = text.at[0] == 'i';
        if (bytes_read_int64((struct bytes){text.at + 1, text.count - 1}, &width) && width >= 1 &&
            width <= (step->is_signed ? 64 : 63)) {
            step->width = (unsigned)width;
            return true;
        }
    }
    resp_error(run->out, "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is "
                         "not supported but i64 is.");
    return false;
}

/* False: answered. */
static bool read_overflow(struct run *run, uint32_t index, enum overflow *overflow)
{
    static const char *const words[] = {"wrap", "sat", "fail"};
    for (unsigned i = OVERFLOW_WRAP; i <= OVERFLOW_FAIL; i++) {
        *overflow = (enum overflow)i;
        if (run_arg_is(run, index, words[i]))
            return true;
    }
    resp_error(run->out, "ERR Invalid OVERFLOW type specified");
    return false;
}

/* Is argument @index one of the words, with all that must follow it? */
static bool is_act(const struct run *run, uint32_t index, enum act *act)
{
    const uint32_t behind = run->args_count - index - 1;
    if (run_arg_is(run, index, "get"))
        *act = ACT_GET;
    else if (run_arg_is(run, index, "set"))
        *act = ACT_SET;
    else if (run_arg_is(run, index, "incrby"))
        *act = ACT_INCRBY;
    else
        return false;
    return behind >= (*act == ACT_GET ? 2 : 3);
}

/* The step at *@index, which is moved to its last word. False: answered. */
static bool read_step(struct run *run, uint32_t *index, struct step *step)
{
    const uint32_t at = *index;
    if (!is_act(run, at, &step->act)) {
        resp_error(run->out, RUN_SYNTAX);
        return false;
    }
    *index = at + (step->act == ACT_GET ? 2 : 3);
    return read_type(run, at + 1, step) &&
           strings__read_bit_offset(run, at + 2, step->width, &step->place) &&
           (step->act == ACT_GET || run_integer(run, at + 3, &step->number));
}

struct plan {
    struct step *steps;
    uint32_t     count;
    bool         writes;
    uint64_t     bytes; /* that must be there for what is written */
};

static bool read_plan(struct run *run, struct plan *plan)
{
    enum overflow overflow = OVERFLOW_WRAP;
    *plan = (struct plan){.steps = run_scratch(run, run->args_count / 3 * sizeof(struct step))};
    if (plan->steps == NULL)
        return false;
    for (uint32_t i = 2; i < run->args_count; i++) {
        if (run_arg_is(run, i, "overflow") && i + 1 < run->args_count) {
            if (!read_overflow(run, ++i, &overflow))
                return false;
            continue;
        }
        struct step *step = &plan->steps[plan->count];
        if (!read_step(run, &i, step))
            return false;
        step->overflow = overflow;
        plan->count++;
        if (step->act == ACT_GET)
            continue;
        const uint64_t bytes = (step->place + step->width - 1) / 8 + 1;
        plan->writes = true;
        plan->bytes = bytes > plan->bytes ? bytes : plan->bytes;
    }
    return true;
}

/* ---- what is done ---- */

static int64_t number_of(const struct step *step, uint64_t bits)
{
    if (!step->is_signed)
        return (int64_t)bits;
    return (int64_t)(bits << (64 - step->width)) >> (64 - step->width);
}

static int64_t highest(const struct step *step)
{
    return step->width == 64 ? INT64_MAX : (int64_t)((1ull << (step->width - step->is_signed)) - 1);
}

static int64_t lowest(const struct step *step)
{
    return step->is_signed ? -highest(step) - 1 : 0;
}

/* Above 0: the number is above what the width holds, below 0: below it. What SET gives to unsigned
 * fields is taken as unsigned; and at the very bottom Redis takes the lowest numbers for high ones,
 * because their distance to the top is more than an int64 holds. */
static int side_of(const struct step *step, __int128 number)
{
    const bool is_set = step->act == ACT_SET;
    if (number > highest(step))
        return 1;
    if (is_set && step->width < 64 && number < (__int128)highest(step) - INT64_MAX)
        return 1;
    if (number < lowest(step))
        return is_set && !step->is_signed ? 1 : -1;
    return 0;
}

/* Does what a step that writes says, and answers. */
static void change(struct run *run, const struct step *step, uint8_t *at, size_t bytes)
{
    const int64_t old = number_of(step, bit_row_read(at, bytes, step->place, step->width));
    const __int128 wanted = (__int128)step->number + (step->act == ACT_INCRBY ? old : 0);
    const int side = side_of(step, wanted);
    uint64_t bits = (uint64_t)wanted;
    if (side != 0 && step->overflow == OVERFLOW_FAIL) {
        resp_null(run->out);
        return;
    }
    if (side != 0 && step->overflow == OVERFLOW_SAT)
        bits = (uint64_t)(side > 0 ? highest(step) : lowest(step));
    bit_row_write(at, step->place, step->width, bits);
    const uint64_t kept = bit_row_read(at, bytes, step->place, step->width);
    resp_integer(run->out, step->act == ACT_SET ? old : number_of(step, kept));
}

static void take_steps(struct run *run, const struct plan *plan, uint8_t *at, struct bytes string)
{
    resp_array(run->out, plan->count);
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct step *step = &plan->steps[i];
        if (step->act == ACT_GET)
            resp_integer(run->out, number_of(step, bit_row_read(string.at, string.count,
                                                                step->place, step->width)));
        else
            change(run, step, at, string.count);
    }
}

/* Grows the string and takes the steps in it. */
static void take_steps_in_place(struct run *run, const struct plan *plan, struct space *space,
                                struct space_value *value)
{
    const size_t begun = run->out->used;
    const uint64_t had = value->type == KEY_NONE ? 0 : value->string.count;
    const uint64_t bytes = had > plan->bytes ? had : plan->bytes;
    uint8_t *at;
    if (!strings__edit(run, space, value, bytes, &at))
        return;
    take_steps(run, plan, at, (struct bytes){at, bytes});
    const enum space_result result = space->kind->edited(space, run->args[1], value);
    if (result != SPACE_OK)
        members_refuse(run, begun, result);
}

void run__BITFIELD(struct run *run)
{
    struct plan plan;
    struct space *space;
    struct space_value value;
    if (!read_plan(run, &plan) || !run_find(run, run->args[1], KEY_STRING, &space, &value))
        return;
    if (plan.writes)
        take_steps_in_place(run, &plan, space, &value);
    else
        take_steps(run, &plan, NULL, value.type == KEY_NONE ? (struct bytes){0} : value.string);
}

void run__BITFIELD_RO(struct run *run)
{
    struct plan plan;
    struct space *space;
    struct space_value value;
    if (!read_plan(run, &plan))
        return;
    if (plan.writes)
        resp_error(run->out, "ERR BITFIELD_RO only supports the GET subcommand");
    else if (run_find(run, run->args[1], KEY_STRING, &space, &value))
        take_steps(run, &plan, NULL, value.type == KEY_NONE ? (struct bytes){0} : value.string);
}
