/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/generic/expiry.c - how long keys live: EXPIRE, TTL, PERSIST, and the like. */
#include "engine/keys/run.h"

enum { MS_PER_SECOND = 1000 };

/* ---- to set it ---- */

struct conditions {
    bool only_without, only_with, only_later, only_earlier; /* NX, XX, GT, LT */
};

/* False: answered. */
static bool read_conditions(struct run *run, struct conditions *conditions)
{
    *conditions = (struct conditions){0};
    for (uint32_t i = 3; i < run->args_count; i++) {
        if (run_arg_is(run, i, "nx")) {
            conditions->only_without = true;
        } else if (run_arg_is(run, i, "xx")) {
            conditions->only_with = true;
        } else if (run_arg_is(run, i, "gt")) {
            conditions->only_later = true;
        } else if (run_arg_is(run, i, "lt")) {
            conditions->only_earlier = true;
        } else {
            resp_errorf(run->out, "ERR Unsupported option %.*s", (int)run->args[i].count,
                        (const char *)run->args[i].at);
            return false;
        }
    }
    const bool has_other =
        conditions->only_with || conditions->only_later || conditions->only_earlier;
    if (conditions->only_without && has_other)
        resp_error(run->out, "ERR NX and XX, GT or LT options at the same time are not compatible");
    else if (conditions->only_later && conditions->only_earlier)
        resp_error(run->out, "ERR GT and LT options at the same time are not compatible");
    else
        return true;
    return false;
}

/* Reads argument 2 as Unix time in ms, which may be before 1970. False: answered. */
static bool read_time(struct run *run, bool is_in_seconds, bool is_from_now, int64_t *when_ms)
{
    if (!run_integer(run, 2, when_ms))
        return false;
    if (!(is_in_seconds && __builtin_mul_overflow(*when_ms, MS_PER_SECOND, when_ms)) &&
        !(is_from_now && __builtin_add_overflow(*when_ms, (int64_t)run->now_ms, when_ms)))
        return true;
    resp_errorf(run->out, "ERR invalid expire time in '%s' command", run->op->command->name);
    return false;
}

/* What lives for good lives longer than anything else. */
static bool are_met(const struct conditions *conditions, const struct space_value *value,
                    int64_t when_ms)
{
    const bool has_expiry = value->expires_ms != 0;
    const int64_t expires_ms = (int64_t)value->expires_ms;
    return !(conditions->only_without && has_expiry) && !(conditions->only_with && !has_expiry) &&
           !(conditions->only_later && (!has_expiry || when_ms <= expires_ms)) &&
           !(conditions->only_earlier && has_expiry && when_ms >= expires_ms);
}

/* A time that is over deletes the key. */
static enum space_result expire(struct run *run, struct space *space, struct space_value *value,
                                int64_t when_ms)
{
    if (when_ms > (int64_t)run->now_ms)
        return space->kind->expire(space, run->args[1], value, (uint64_t)when_ms);
    space->kind->remove(space, run->args[1]);
    return SPACE_OK;
}

static void set_expiry(struct run *run, bool is_in_seconds, bool is_from_now)
{
    struct conditions conditions;
    int64_t when_ms;
    struct space *space;
    struct space_value value;
    if (!read_conditions(run, &conditions) ||
        !read_time(run, is_in_seconds, is_from_now, &when_ms) ||
        !run_find_any(run, run->args[1], &space, &value))
        return;
    if (value.type == KEY_NONE || !are_met(&conditions, &value, when_ms))
        resp_integer(run->out, 0);
    else if (run_is_ok(run, expire(run, space, &value, when_ms)))
        resp_integer(run->out, 1);
}

void run__EXPIRE(struct run *run)
{
    set_expiry(run, true, true);
}

void run__PEXPIRE(struct run *run)
{
    set_expiry(run, false, true);
}

void run__EXPIREAT(struct run *run)
{
    set_expiry(run, true, false);
}

void run__PEXPIREAT(struct run *run)
{
    set_expiry(run, false, false);
}

void run__PERSIST(struct run *run)
{
    struct space *space;
    struct space_value value;
    if (!run_find_any(run, run->args[1], &space, &value))
        return;
    if (value.type == KEY_NONE || value.expires_ms == 0)
        resp_integer(run->out, 0);
    else if (run_is_ok(run, space->kind->expire(space, run->args[1], &value, 0)))
        resp_integer(run->out, 1);
}

/* ---- to ask for it ---- */

enum { ANSWER_NO_KEY = -2, ANSWER_NO_EXPIRY = -1 };

/* To the nearest second. */
static int64_t to_seconds(uint64_t ms)
{
    return (int64_t)((ms + MS_PER_SECOND / 2) / MS_PER_SECOND);
}

static void answer_expiry(struct run *run, bool is_in_seconds, bool is_from_now)
{
    struct space *space;
    struct space_value value;
    if (!run_find_any(run, run->args[1], &space, &value))
        return;
    if (value.type == KEY_NONE || value.expires_ms == 0) {
        resp_integer(run->out, value.type == KEY_NONE ? ANSWER_NO_KEY : ANSWER_NO_EXPIRY);
        return;
    }
    uint64_t ms = value.expires_ms;
    if (is_from_now)
        ms = ms > run->now_ms ? ms - run->now_ms : 0;
    resp_integer(run->out, is_in_seconds ? to_seconds(ms) : (int64_t)ms);
}

void run__TTL(struct run *run)
{
    answer_expiry(run, true, true);
}

void run__PTTL(struct run *run)
{
    answer_expiry(run, false, true);
}

void run__EXPIRETIME(struct run *run)
{
    answer_expiry(run, true, false);
}

void run__PEXPIRETIME(struct run *run)
{
    answer_expiry(run, false, false);
}
