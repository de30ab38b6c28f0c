/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/node/resp_survey.h - commands about the sessions of all fronts, whose answer waits
 * until every worker was asked: CLIENT LIST and CLIENT KILL.
 *
 * Memory:  a survey is its flight's.
 * Threads: its worker's; the walk visits the others.
 * Errors:  answered. */
#ifndef PANDO_FRONT_RESP_NODE_RESP_SURVEY_H
#define PANDO_FRONT_RESP_NODE_RESP_SURVEY_H

#include "front/resp/resp_conn.h"
#include "front/resp/session/resp_session_inside.h"

/* Is it one of them? Of a command CLIENT. */
static inline bool resp__is_survey(const struct resp_ask *ask)
{
    return resp__is_clients(ask);
}

/* Runs it. In a batch. */
void resp__run_survey(struct resp_conn *rc, const struct resp_ask *ask, bool is_silent);

#endif
