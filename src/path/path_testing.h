/* SPDX-License-Identifier: Apache-2.0 */
/* path/path_testing.h - for tests of rooms: a worker and a service without threads, a stage above
 * and a stage below.
 *
 *     bench_init(&bench, 3);                   a worker, a service with three targets that are UP
 *     op = bench_op(&bench, HTTP_METHOD_GET);  with a frame that notes what comes up
 *     stage_submit(&room.stage, op);           the room's `below` is &bench.below.stage
 *     bench_fail(&bench, ERR_CONNECT_REFUSED); answers the op that came down last
 *     cr_expect(bench.seen.error == ...);      what came up; the op is freed when it finishes
 *
 * No clock (bench.now_ns is set by hand), no sleep, no port. */
#ifndef PANDO_PATH_PATH_TESTING_H
#define PANDO_PATH_PATH_TESTING_H

#include "path/op.h"
#include "path/service.h"
#include "path/testing/below.h"

#include <assert.h>
#include <string.h>

enum { BENCH_TARGETS_MAX = 16, BENCH_REPORTS_MAX = 64 };

/* What came up to the top. */
struct bench_seen {
    unsigned       answers_count;
    unsigned       interims_count;
    unsigned       finished_count;
    enum err_kind  error;
    const char    *detail;
    unsigned       status;
    unsigned       retry_after_s;
    unsigned       retries_count;
    struct target *target;
    enum outcome   outcome;
};

struct bench_report {
    struct target *target;
    bool           ok;
    const char    *reason;
};

struct bench {
    uint64_t            now_ns;
    struct worker       worker;
    struct service      service;
    struct service_row  row;
    struct target       targets[BENCH_TARGETS_MAX];
    struct target_row   rows[BENCH_TARGETS_MAX];
    struct target_set  *set;
    uint64_t            set_memory[2][8 + BENCH_TARGETS_MAX]; /* the set, and the one before it */
    struct bench_below  below;
    struct bench_seen   seen;
    struct bench_report reports[BENCH_REPORTS_MAX];
    unsigned            reports_count;
    bool                keep_ops;   /* finished ops are left to the test */
    bool                drain_last; /* the last target that is published drains */
};

struct bench_top {
    struct frame  frame; /* first */
    struct bench *bench;
};

static inline void bench_top_interim(struct frame *self, struct op *op)
{
    (void)op;
    ((struct bench_top *)(void *)self)->bench->seen.interims_count++;
}

static inline void bench_top_answered(struct frame *self, struct op *op)
{
    struct bench_seen *seen = &((struct bench_top *)(void *)self)->bench->seen;
    seen->answers_count++;
    seen->error = op->answer.error;
    seen->detail = op->answer.detail;
    seen->status = op->answer.head.status;
    seen->retry_after_s = op->answer.retry_after_s;
}

static inline void bench_top_finished(struct frame *self, struct op *op, enum outcome outcome)
{
    struct bench *bench = ((struct bench_top *)(void *)self)->bench;
    bench->seen.finished_count++;
    bench->seen.outcome = outcome;
    bench->seen.retries_count = op->retries_count;
    bench->seen.target = op->target;
    if (!bench->keep_ops)
        op_free(op);
}

static inline void bench_reported(struct service *service, struct target *target, bool ok,
                                  const char *reason)
{
    struct bench *bench = service->control;
    assert(bench->reports_count < BENCH_REPORTS_MAX);
    bench->reports[bench->reports_count++] = (struct bench_report){target, ok, reason};
}

/* Publishes the first @count targets, and tells the listeners. */
static inline void bench_publish(struct bench *bench, uint32_t count)
{
    struct service_view *view = &bench->service.views[0];
    const uint64_t version = bench->set->version + 1;
    struct target_set *set = (struct target_set *)(void *)bench->set_memory[version % 2];
    bench->set = set;
    *set = (struct target_set){.count = count, .version = version};
    for (uint32_t i = 0; i < count; i++) {
        set->at[i] = &bench->targets[i];
        set->weight_sum += bench->targets[i].weight;
        if (bench->targets[i].weight > set->weight_max)
            set->weight_max = bench->targets[i].weight;
    }
    set->draining = bench->drain_last;
    set->count -= set->draining;
    view->set = set;
    list_each(&view->listeners, link, after)
    {
        struct service_listener *listener = list_item(link, struct service_listener, link);
        listener->changed(listener, set);
    }
}

static inline void bench_init(struct bench *bench, uint32_t targets_count)
{
    static const struct stage_kind below = {.name = "below", .submit = bench_hold};
    memset(bench, 0, sizeof *bench);
    bench->now_ns = 1000000000;
    bench->worker.now_ns = &bench->now_ns;
    random_init(&bench->worker.random, 1);
    list_init(&bench->worker.ends);
    slab_init(&bench->worker.ops, "ops", sizeof(struct op), 0);
    slab_init(&bench->worker.requests, "requests", sizeof(struct request), 0);
    bench->service.workers_count = 1;
    bench->service.rows = &bench->row;
    bench->service.reported = bench_reported;
    bench->service.control = bench;
    list_init(&bench->service.views[0].listeners);
    bench->set = (struct target_set *)(void *)bench->set_memory[0];
    for (int i = 0; i < BENCH_TARGETS_MAX; i++) {
        bench->targets[i].weight = 1;
        bench->targets[i].workers_count = 1;
        bench->targets[i].rows = &bench->rows[i];
    }
    bench->below.stage.kind = &below;
    bench_publish(bench, targets_count);
}

/* Every op and every reference to a target must have been given back. */
static inline void bench_fini(struct bench *bench)
{
    for (int i = 0; i < BENCH_TARGETS_MAX; i++)
        assert(bench->targets[i].refs_count == 0 && bench->targets[i].inflight == 0);
    slab_fini(&bench->worker.ops);
    slab_fini(&bench->worker.requests);
}

static inline struct op *bench_op(struct bench *bench, enum http_method method)
{
    struct op *op = op_new(&bench->worker, 65536);
    assert(op != NULL);
    op->request->head.method = (uint8_t)method;
    struct bench_top *top = arena_take(&op->arena, sizeof *top);
    assert(top != NULL);
    *top = (struct bench_top){
        .frame = {.interim = bench_top_interim,
                  .answered = bench_top_answered,
                  .finished = bench_top_finished},
        .bench = bench,
    };
    op_push(op, &top->frame);
    return op;
}

/* The op that came down last; it is no longer held. */
static inline struct op *bench_take(struct bench *bench)
{
    assert(bench->below.ops_count > 0);
    return bench->below.ops[--bench->below.ops_count];
}

/* Answers it with @status, whole. */
static inline void bench_answer(struct bench *bench, unsigned status)
{
    struct op *op = bench_take(bench);
    op->answer.head.status = (uint16_t)status;
    op_answer(op);
    if (!op->answer_body.ended)
        pipe_end(&op->answer_body, ERR_NONE);
    op_finish(op, OUTCOME_DONE);
}

/* Answers it with an error. */
static inline void bench_fail(struct bench *bench, enum err_kind kind)
{
    op_refuse(bench_take(bench), kind, NULL);
}

#endif
