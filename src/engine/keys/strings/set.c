/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/strings/set.c - SET with its conditions, and its older relatives. */
#include "engine/keys/members.h"
#include "engine/keys/strings/strings.h"

struct set_options {
    bool             only_new;     /* NX */
    bool             only_present; /* XX */
    bool             answers_old;  /* GET */
    bool             keeps_expiry; /* KEEPTTL */
    enum expiry_form expiry;
    uint32_t         expiry_index;  /* of its number among the arguments */
    uint32_t         compare_index; /* of IFEQ's value; 0: none was given */
};

/* The option at *@index, which is moved to its last word. False: it is none, or does not go with
 * one before it. */
static bool read_option(const struct run *run, uint32_t *index, struct set_options *options)
{
    const uint32_t at = *index;
    const bool has_no_expiry = options->expiry == EXPIRY_NONE && !options->keeps_expiry;
    enum expiry_form form;
    if (run_arg_is(run, at, "nx") && !options->only_present && options->compare_index == 0) {
        options->only_new = true;
    } else if (run_arg_is(run, at, "xx") && !options->only_new && options->compare_index == 0) {
        options->only_present = true;
    } else if (run_arg_is(run, at, "ifeq") && !options->only_new && !options->only_present &&
               at + 1 < run->args_count) {
        options->compare_index = ++*index;
    } else if (run_arg_is(run, at, "get")) {
        options->answers_old = true;
    } else if (run_arg_is(run, at, "keepttl") && options->expiry == EXPIRY_NONE) {
        options->keeps_expiry = true;
    } else if (strings__is_expiry(run, at, &form) && (has_no_expiry || options->expiry == form)) {
        options->expiry = form;
        options->expiry_index = ++*index;
    } else {
        return false;
    }
    return true;
}

static bool read_options(struct run *run, struct set_options *options)
{
    *options = (struct set_options){0};
    for (uint32_t i = 3; i < run->args_count; i++) {
        if (!read_option(run, &i, options)) {
            resp_error(run->out, RUN_SYNTAX);
            return false;
        }
    }
    return true;
}

static bool is_met(const struct run *run, const struct set_options *options,
                   const struct space_value *old)
{
    if (options->compare_index != 0)
        return old->type == KEY_STRING &&
               bytes_equal(old->string, run->args[options->compare_index]);
    return old->type == KEY_NONE ? !options->only_present : !options->only_new;
}

static void put(struct run *run, struct space *space, struct bytes string, uint64_t expires_ms)
{
    if (run_is_ok(run, strings__put(run, space, run->args[1], string, expires_ms)))
        resp_simple(run->out, "OK");
}

/* The old string is answered before it is gone, and taken back if the new one is refused. */
static void replace(struct run *run, struct space *space, const struct space_value *old,
                    uint64_t expires_ms)
{
    const size_t begun = run->out->used;
    strings__answer(run, old);
    if (run->out->failed)
        return;
    const enum space_result result =
        strings__put(run, space, run->args[1], run->args[2], expires_ms);
    if (result != SPACE_OK)
        members_refuse(run, begun, result);
}

static void set_with_options(struct run *run)
{
    struct set_options options;
    struct space *space;
    struct space_value old;
    uint64_t expires_ms = 0;
    if (!read_options(run, &options))
        return;
    if (options.expiry != EXPIRY_NONE &&
        !strings__read_expiry(run, options.expiry_index, options.expiry, &expires_ms))
        return;
    const bool wants_string = options.answers_old || options.compare_index != 0;
    if (wants_string ? !run_find(run, run->args[1], KEY_STRING, &space, &old)
                     : !run_find_any(run, run->args[1], &space, &old))
        return;
    if (options.keeps_expiry)
        expires_ms = old.expires_ms;
    if (!is_met(run, &options, &old) && options.answers_old)
        strings__answer(run, &old);
    else if (!is_met(run, &options, &old))
        resp_null(run->out);
    else if (options.answers_old)
        replace(run, space, &old, expires_ms);
    else
        put(run, space, run->args[2], expires_ms);
}

void run__SET(struct run *run)
{
    if (run->args_count == 3)
        put(run, run->space_of(run, run->args[1]), run->args[2], 0);
    else
        set_with_options(run);
}

void run__SETNX(struct run *run)
{
    struct space *space;
    struct space_value old;
    if (!run_find_any(run, run->args[1], &space, &old))
        return;
    if (old.type != KEY_NONE)
        resp_integer(run->out, 0);
    else if (run_is_ok(run, strings__put(run, space, run->args[1], run->args[2], 0)))
        resp_integer(run->out, 1);
}

static void set_for(struct run *run, enum expiry_form form)
{
    uint64_t expires_ms;
    if (strings__read_expiry(run, 2, form, &expires_ms))
        put(run, run->space_of(run, run->args[1]), run->args[3], expires_ms);
}

void run__SETEX(struct run *run)
{
    set_for(run, EXPIRY_EX);
}

void run__PSETEX(struct run *run)
{
    set_for(run, EXPIRY_PX);
}

void run__GETSET(struct run *run)
{
    struct space *space;
    struct space_value old;
    if (run_find(run, run->args[1], KEY_STRING, &space, &old))
        replace(run, space, &old, 0);
}
