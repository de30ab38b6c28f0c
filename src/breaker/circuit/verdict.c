/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/circuit/verdict.c - statuses, errors and times. */
#include "breaker/circuit/verdict.h"

/* A deadline is the client's to choose, so by itself it says nothing about the servers; that they
 * were slow is another matter. */
bool circuit_is_failure(enum err_kind kind)
{
    switch (kind) {
    case ERR_NO_TARGET:
    case ERR_DNS:
    case ERR_CONNECT_REFUSED:
    case ERR_CONNECT_TIMEOUT:
    case ERR_CONNECT_FAILED:
    case ERR_TARGET_CLOSED:
    case ERR_TARGET_STALE:
    case ERR_TARGET_NOT_SENT:
    case ERR_TARGET_TIMEOUT:
    case ERR_TARGET_UNREACHABLE:
    case ERR_TARGET_NONSENSE:
    case ERR_TARGET_ERROR:
    case ERR_TARGET_INCOMPLETE: return true;
    default: return false;
    }
}

static bool is_backpressure(const struct circuit_evidence *evidence)
{
    return evidence->error == ERR_NONE &&
           (evidence->status == 429 || (evidence->status == 503 && evidence->says_when));
}

static bool is_failed(const struct circuit_judge *judge, const struct circuit_evidence *evidence)
{
    if (evidence->error == ERR_NONE)
        return config_statuses_fit(&judge->statuses, evidence->status);
    return !evidence->is_cancelled && circuit_is_failure(evidence->error);
}

struct circuit_verdict circuit_judge(const struct circuit_judge *judge,
                                     const struct circuit_evidence *evidence)
{
    const bool failed = is_failed(judge, evidence);
    const bool slow =
        judge->slow_ns != 0 && evidence->is_timed && evidence->elapsed_ns > judge->slow_ns;
    if (is_backpressure(evidence))
        return (struct circuit_verdict){.finding = CIRCUIT_BACKPRESSURE};
    if (failed || slow)
        return (struct circuit_verdict){CIRCUIT_BAD, failed, slow};
    return (struct circuit_verdict){.finding = evidence->error == ERR_NONE ? CIRCUIT_WELL
                                                                           : CIRCUIT_NOTHING};
}
