/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/node/resp_survey.c - a flight that walks over the workers. */
#include "front/resp/node/resp_survey.h"

#include "core/mem.h"

struct resp_survey {
    struct resp_walk    walk; /* first */
    struct resp_flight *flight;
    struct resp_clients clients;
};

static void visit(struct resp_walk *walk, struct resp_sessions *sessions)
{
    struct resp_survey *survey = (struct resp_survey *)(void *)walk;
    resp__clients_visit(&survey->clients, sessions);
}

static void over(struct resp_walk *walk)
{
    struct resp_survey *survey = (struct resp_survey *)(void *)walk;
    struct resp_flight *flight = survey->flight;
    resp__clients_answer(&survey->clients, &flight->out);
    mem_free(survey);
    resp__land(flight);
}

/* The answer is there at once. */
static void answer(struct resp_conn *rc, struct resp_survey *survey, struct resp_out *out,
                   size_t begun)
{
    struct resp_flight *flight = survey->flight;
    resp__clients_answer(&survey->clients, out);
    resp__sunk(rc, out, begun, flight->is_silent);
    resp__flight_free(flight);
    mem_free(survey);
}

/* NULL: no memory. */
static struct resp_survey *new_survey(struct resp_conn *rc, const struct resp_ask *ask)
{
    struct resp_flight *flight = resp__flight_new(rc);
    struct resp_survey *survey = flight == NULL ? NULL : mem_alloc(sizeof *survey);
    if (survey == NULL) {
        if (flight != NULL)
            resp__flight_free(flight);
        return NULL;
    }
    *survey = (struct resp_survey){.walk = {.visit = visit, .over = over}, .flight = flight};
    flight->op.command = ask->command;
    flight->op.args = ask->args;
    flight->op.args_count = ask->args_count;
    return survey;
}

static void drop(struct resp_survey *survey)
{
    resp__flight_free(survey->flight);
    mem_free(survey);
}

/* The arguments are the flight's from here on; false: no memory, or they are refused. */
static bool read_ask(struct resp_conn *rc, struct resp_survey *survey, struct resp_out *out)
{
    struct key_op *op = &survey->flight->op;
    if (!resp__keep_args(survey->flight)) {
        resp_error(out, "OOM out of memory");
        return false;
    }
    const struct resp_ask kept = {
        .command = op->command, .args = op->args, .args_count = op->args_count, .out = out};
    return resp__clients_read(&survey->clients, &rc->session, &kept);
}

void resp__run_survey(struct resp_conn *rc, const struct resp_ask *ask, bool is_silent)
{
    struct resp_out *out = resp__sink(rc);
    struct resp_survey *survey = out == NULL ? NULL : new_survey(rc, ask);
    if (survey == NULL) {
        resp__close(rc);
        return;
    }
    const size_t begun = out->used;
    survey->flight->is_silent = is_silent;
    if (!read_ask(rc, survey, out)) {
        resp__sunk(rc, out, begun, is_silent);
        drop(survey);
    } else if (resp_node_walk(rc->front->path->node, &survey->walk, rc->front->worker)) {
        answer(rc, survey, out, begun);
    } else {
        resp__join_line(survey->flight);
    }
}
