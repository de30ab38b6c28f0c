/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/resp_time.c - what SLOWLOG shows: the clock is read seldom, and what took long is
 * noted (node/resp_slowlog.h says what a figure means). */
#include "core/units.h"
#include "front/resp/resp_conn.h"

/* Nothing is timed: the clock is never due. */
static bool is_off(const struct resp_settings *settings)
{
    return settings->slowlog_entries == 0;
}

void resp__time_begin(struct resp_conn *rc)
{
    const struct resp_settings *settings = rc->front->settings.resp;
    struct resp_timing *timing = &rc->front->timing;
    const bool is_apart = settings->slowlog_slower_than_ns < RESP_TIMED_APART_NS;
    if (is_off(settings)) {
        *timing = (struct resp_timing){
            .left = UINT32_MAX, .left_whole = UINT32_MAX, .left_last = UINT32_MAX};
        return;
    }
    timing->from_ns = clock_monotonic_ns();
    timing->left = timing->left_whole = is_apart ? 1 : RESP_TIMED_TOGETHER;
    timing->left_last = 1;
}

/* What stands behind the name of a command that says a password is not shown. */
static void redact(struct resp_slow_command *command, struct bytes shown[2])
{
    const struct command *named = command_find(command->args[0]);
    if (named == NULL || command->args_count < 2 ||
        ((named->flags & COMMAND_UNNAMED) == 0 && named->number != COMMAND_IS_ACL))
        return;
    shown[0] = command->args[0];
    shown[1] = bytes_of("(redacted)");
    command->args = shown;
    command->args_count = 2;
}

static void note(const struct resp_front *front, const struct resp_session *session,
                 const struct resp_slow_command *command)
{
    struct resp_facts facts = {.fd = -1};
    struct resp_slow_command noted = *command;
    struct bytes shown[2];
    redact(&noted, shown);
    if (session != NULL) { /* not gone meanwhile */
        session->home->describe(session, &facts);
        noted.name = session->name == NULL ? (struct bytes){0} : bytes_of(session->name);
    }
    noted.address = bytes_of(facts.address);
    noted.wall_s = clock_wall_ns() / NS_PER_S;
    resp_slowlog_add(&front->path->node->slowlog, &noted, front->settings.resp->slowlog_entries);
}

void resp__time_group(struct resp_conn *rc, const struct bytes *args, uint32_t args_count)
{
    const struct resp_settings *settings = rc->front->settings.resp;
    struct resp_timing *timing = &rc->front->timing;
    timing->left = timing->left_whole;
    if (is_off(settings))
        return;
    const uint64_t now_ns = clock_monotonic_ns(), took_ns = now_ns - timing->from_ns;
    const bool is_noted_later = timing->is_apart && timing->left_whole == 1;
    timing->from_ns = now_ns;
    timing->is_apart = false;
    if (took_ns < settings->slowlog_slower_than_ns || is_noted_later)
        return;
    const struct bytes unknown = bytes_of(rc->session.last == NULL ? "?" : rc->session.last->name);
    note(rc->front, &rc->session,
         &(struct resp_slow_command){.args = args == NULL ? &unknown : args,
                                     .args_count = args == NULL ? 1 : args_count,
                                     .took_ns = took_ns});
}

void resp__time_flight(const struct resp_flight *flight)
{
    const struct resp_front *front = flight->front;
    const struct resp_settings *settings = front->settings.resp;
    if (is_off(settings) || flight->op.args_count == 0)
        return;
    const uint64_t took_ns = clock_monotonic_ns() - flight->begun_ns;
    if (took_ns < settings->slowlog_slower_than_ns)
        return;
    const struct resp_slow_command command = {
        .args = flight->op.args, .args_count = flight->op.args_count, .took_ns = took_ns};
    const struct resp_session *session = NULL;
    if (flight->conn != NULL)
        session = &flight->conn->session;
    note(front, session, &command);
}
