/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/concurrency/limit/limit.c - the list of machines. */
#include "breaker/concurrency/limit/limit.h"

#include <assert.h>
#include <stddef.h>

static const struct limit_machine *const machines[LIMIT_CHOICES_COUNT] = {
#define X(symbol, word, gist) [LIMIT_##symbol] = &limit_##symbol,
    LIMIT_MACHINES(X)
#undef X
};

const struct limit_machine *limit_get(enum limit_choice choice)
{
    assert(choice < LIMIT_CHOICES_COUNT && machines[choice] != NULL);
    return machines[choice];
}

struct limit_state limit_start(const struct limit_bounds *bounds)
{
    return (struct limit_state){.limit = limit_within(bounds->start, bounds)};
}
