/* SPDX-License-Identifier: Apache-2.0 */
/* path/testing/below.h - for tests of rooms: the stage below, which does as the test says. */
#ifndef PANDO_PATH_TESTING_BELOW_H
#define PANDO_PATH_TESTING_BELOW_H

#include "path/op.h"

#include <assert.h>

enum { BENCH_OPS_MAX = 64 };

/* Holds what is submitted until the test says what becomes of it. */
struct bench_below {
    struct stage stage;              /* first */
    struct op   *ops[BENCH_OPS_MAX]; /* that are held */
    unsigned     ops_count;
    unsigned     submitted_count;
    /* NULL, or called instead of holding. */
    void (*script)(struct bench_below *self, struct op *op);
};

static inline void bench_hold(struct stage *self, struct op *op)
{
    struct bench_below *below = (struct bench_below *)(void *)self;
    below->submitted_count++;
    if (below->script != NULL) {
        below->script(below, op);
        return;
    }
    assert(below->ops_count < BENCH_OPS_MAX);
    below->ops[below->ops_count++] = op;
}

#endif
