/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/circuit/verdict_test.c - what each answer and each error says. */
#include "breaker/circuit/verdict.h"

#include <criterion/criterion.h>

static struct circuit_judge judge_of(const char *statuses, uint64_t slow_ns)
{
    struct circuit_judge judge = {.slow_ns = slow_ns};
    cr_assert(config_statuses_read(&judge.statuses, statuses));
    return judge;
}

Test(verdict, of_statuses)
{
    const struct circuit_judge judge = judge_of("500, 502-504", 0);
    static const struct {
        unsigned status;
        bool says_when;
        enum circuit_finding finding;
    } rows[] = {
        {200, false, CIRCUIT_WELL},        {404, false, CIRCUIT_WELL},
        {500, false, CIRCUIT_BAD},         {501, false, CIRCUIT_WELL},
        {502, true, CIRCUIT_BAD},          {503, false, CIRCUIT_BAD},
        {503, true, CIRCUIT_BACKPRESSURE}, {429, false, CIRCUIT_BACKPRESSURE},
        {504, false, CIRCUIT_BAD},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct circuit_evidence evidence = {.status = rows[i].status,
                                                  .says_when = rows[i].says_when};
        const struct circuit_verdict verdict = circuit_judge(&judge, &evidence);
        cr_expect(verdict.finding == rows[i].finding, "row %zu", i);
        cr_expect(verdict.failed == (rows[i].finding == CIRCUIT_BAD) && !verdict.slow);
    }
}

Test(verdict, of_errors)
{
    static const enum err_kind nothing[] = {
        ERR_SYSTEM,       ERR_MEMORY,     ERR_INPUT,       ERR_LIMIT,    ERR_BODY_LIMIT,
        ERR_CLIENT_LIMIT, ERR_RATE_LIMIT, ERR_CANCELLED,   ERR_DEADLINE, ERR_STOPPING,
        ERR_OVERLOAD,     ERR_NO_ROUTE,   ERR_CIRCUIT_OPEN};
    const struct circuit_judge judge = judge_of("500", 0);
    for (int kind = ERR_NONE + 1; kind < ERR_KINDS_COUNT; kind++) {
        const struct circuit_evidence evidence = {.error = (enum err_kind)kind};
        enum circuit_finding expected = CIRCUIT_BAD;
        for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++)
            expected = nothing[i] == evidence.error ? CIRCUIT_NOTHING : expected;
        cr_expect(circuit_judge(&judge, &evidence).finding == expected, "%s",
                  err_row(evidence.error)->name);
    }
}

Test(verdict, of_times)
{
    const struct circuit_judge judge = judge_of("500", 1000);
    struct circuit_evidence evidence = {.status = 200, .is_timed = true, .elapsed_ns = 1000};
    cr_expect(circuit_judge(&judge, &evidence).finding == CIRCUIT_WELL);
    evidence.elapsed_ns = 1001;
    cr_expect(circuit_judge(&judge, &evidence).slow && !circuit_judge(&judge, &evidence).failed);
    evidence.is_timed = false; /* the client took its time to send a body */
    cr_expect(circuit_judge(&judge, &evidence).finding == CIRCUIT_WELL);
}

/* One who leaves says nothing, but for the time that it had waited already. */
Test(verdict, of_a_client_that_left)
{
    const struct circuit_judge judge = judge_of("500", 1000);
    struct circuit_evidence evidence = {
        .error = ERR_TARGET_CLOSED, .is_cancelled = true, .is_timed = true, .elapsed_ns = 10};
    cr_expect(circuit_judge(&judge, &evidence).finding == CIRCUIT_NOTHING);
    evidence.elapsed_ns = 2000;
    cr_expect(circuit_judge(&judge, &evidence).slow && !circuit_judge(&judge, &evidence).failed);
}
