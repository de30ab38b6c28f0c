/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/resp_run.c - one command: refused, queued, answered here, or made an op. */
#include "front/resp/resp_conn.h"
#include "front/resp/session/user/resp_user.h"

static bool is_silent(const struct resp_session *session)
{
    return session->is_reply_off || session->is_skipping;
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
    resp__sunk(rc, ask.out, begun, is_silent(&rc->session));
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

void resp__run(struct resp_conn *rc, const struct bytes *args, uint32_t args_count)
{
    struct resp_session *session = &rc->session;
    const struct command *command = command_find(args[0]);
    const struct resp_ask ask = {.command = command, .args = args, .args_count = args_count};
    rc->front->commands++;
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
    if (resp_session_queues(session, command))
        answer_at_once(rc, &ask, resp_session_queue);
    else if (command->route != COMMAND_ROUTE_FRONT)
        run_keys(rc, &ask);
    else if (command->number == COMMAND_IS_EXEC)
        resp__run_exec(rc, is_silent(session));
    else if (command->number == COMMAND_IS_WATCH)
        resp__run_watch(rc, args, args_count, is_silent(session));
    else
        answer_at_once(rc, &ask, resp_session_run);
}
