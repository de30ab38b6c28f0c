/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/resp_run.c - one command: refused, queued, answered here, or made an op. */
#include "front/resp/node/resp_commands.h"
#include "front/resp/node/resp_survey.h"
#include "front/resp/resp_conn.h"
#include "front/resp/session/user/resp_user.h"

static bool is_silent(const struct resp_session *session)
{
    return session->is_reply_off || session->is_skipping;
}

/* CLIENT REPLY silences answers; those to SUBSCRIBE and its like are sent like messages, as in
 * Redis. */
static bool is_pushed(const struct command *command)
{
    return (command->flags & COMMAND_PUBSUB) != 0 && resp_session_may_in_pubsub(command);
}

/* An answer that is written at once: the session's, "QUEUED", or an error. */
static void answer_at_once(struct resp_conn *rc, const struct resp_ask *from,
                           void (*write)(struct resp_session *session, const struct resp_ask *ask))
{
    struct resp_ask ask = *from;
    ask.out = resp__sink(rc);
    if (ask.out == NULL) {
        resp__close(rc);
        return;
    }
    const size_t begun = ask.out->used;
    write(&rc->session, &ask);
    const bool is_message = write == resp_session_run && is_pushed(ask.command);
    resp__sunk(rc, ask.out, begun, is_silent(&rc->session) && !is_message);
}

/* Who publishes to himself reads the message before the answer. */
static void run_publish(struct resp_conn *rc, const struct resp_ask *ask)
{
    struct resp_published published;
    resp_session_publish(&rc->session, ask, &published);
    if (rc->conn.sock.closing)
        return; /* he did not read */
    struct resp_out *out = resp__sink(rc);
    if (out == NULL) {
        resp__close(rc);
        return;
    }
    const size_t begun = out->used;
    resp_published_write(&published, out);
    resp__sunk(rc, out, begun, is_silent(&rc->session));
}

static void run_keys(struct resp_conn *rc, const struct resp_ask *ask)
{
    struct resp_flight *flight = resp__flight_new(rc);
    if (flight == NULL) {
        resp__close(rc);
        return;
    }
    flight->is_silent = is_silent(&rc->session);
    flight->op.command = ask->command;
    flight->op.args = ask->args;
    flight->op.args_count = ask->args_count;
    flight->op.grant = rc->session.who.grant;
    resp__submit(rc, flight);
}

static void run(struct resp_conn *rc, const struct command *command, const struct bytes *args,
                uint32_t args_count)
{
    struct resp_session *session = &rc->session;
    const struct resp_ask ask = {.command = command, .args = args, .args_count = args_count};
    row_add(&rc->front->member.commands, 1);
    session->is_skipping = session->skips_next;
    session->skips_next = false;
    if (command == NULL || !command_takes(command, args_count)) {
        answer_at_once(rc, &ask, resp_session_refuse);
        return;
    }
    if (!resp_session_may(session, command)) {
        answer_at_once(rc, &ask, resp_user_refuse);
        return;
    }
    session->last = command;
    if (resp_session_is_in_pubsub(session, command))
        answer_at_once(rc, &ask, resp_session_refuse_in_pubsub);
    else if (resp_session_queues(session, command))
        answer_at_once(rc, &ask, resp_session_queue);
    else if (command->route != COMMAND_ROUTE_FRONT && !resp__is_own(&ask))
        run_keys(rc, &ask);
    else if (command->number == COMMAND_IS_EXEC)
        resp__run_exec(rc, is_silent(session));
    else if (command->number == COMMAND_IS_WATCH)
        resp__run_watch(rc, args, args_count, is_silent(session));
    else if (command->number == COMMAND_IS_PUBLISH || command->number == COMMAND_IS_SPUBLISH)
        run_publish(rc, &ask);
    else if (command->number == COMMAND_IS_CLIENT && resp__is_survey(&ask))
        resp__run_survey(rc, &ask, is_silent(session));
    else
        answer_at_once(rc, &ask, resp_session_run);
}

void resp__run(struct resp_conn *rc, const struct bytes *args, uint32_t args_count)
{
    const struct command *command = command_find(args[0]);
    const uint8_t *gathered = rc->gathered.at;
    run(rc, command, args, args_count);
    if (gathered != rc->gathered.at)
        args = NULL; /* a flight took them over, and may be gone */
    if (--rc->front->timing.left == 0 || !resp__is_small(command, args_count))
        resp__time_group(rc, args, args_count);
}
