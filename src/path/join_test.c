/* SPDX-License-Identifier: Apache-2.0 */
/* path/join_test.c - every order of answers, and every way in which none comes. */
#include "path/join.h"

#include "path/path_testing.h"

#include <criterion/criterion.h>

enum { CHILDREN = 3 };

static struct bench bench;
static struct join_depot depot;
static struct op *children[BENCH_OPS_MAX]; /* as they started */
static unsigned started_count, settled_count, released_count;
static enum join_verdict verdict;
static unsigned well_seen; /* bit per child that was well when it was settled */
static size_t to_pass;

static void start(struct join *join, size_t index, struct op *child)
{
    (void)join;
    children[index] = child;
    started_count++;
    stage_submit(&bench.below.stage, child);
}

static void settled(struct join *join, struct op *parent, enum join_verdict given)
{
    settled_count++;
    verdict = given;
    well_seen = 0;
    for (size_t i = 0; i < join_tally(join)->children_count; i++)
        well_seen |= (unsigned)join_is_well(join, i) << i;
    if (given == JOIN_BADLY) {
        op_refuse(parent, ERR_NO_TARGET, "no quorum");
        return;
    }
    parent->answer.head.status = 200;
    op_answer(parent);
    pipe_end(&parent->answer_body, ERR_NONE);
    op_finish(parent, OUTCOME_DONE);
}

static void settled_passing(struct join *join, struct op *parent, enum join_verdict given)
{
    settled_count++;
    verdict = given;
    for (size_t i = 0; i < join_tally(join)->children_count; i++) {
        const struct op *child = join_child(join, i);
        if (given == JOIN_WELL ? join_is_well(join, i) : child != NULL && child->answered)
            to_pass = i;
    }
    join_pass(join, parent, to_pass);
}

static void released(void *self)
{
    cr_assert(self == &bench);
    released_count++;
}

static const struct join_kind at_answer = {.name = "answers",
                                           .rule = join_quorum,
                                           .start = start,
                                           .settled = settled,
                                           .released = released};
static const struct join_kind at_answer_cancelling = {.name = "answers, then cancels",
                                                      .cancels_rest = true,
                                                      .rule = join_quorum,
                                                      .start = start,
                                                      .settled = settled,
                                                      .released = released};
static const struct join_kind at_end = {.name = "ends",
                                        .counted = JOIN_COUNTED_FINISHED,
                                        .rule = join_quorum,
                                        .start = start,
                                        .settled = settled,
                                        .released = released};
static const struct join_kind passing = {.name = "passes one on",
                                         .cancels_rest = true,
                                         .rule = join_quorum,
                                         .start = start,
                                         .settled = settled_passing,
                                         .released = released};

/* The parent of the join that is to come. */
static struct op *begin(void)
{
    bench_init(&bench, 1);
    join_depot_init(&depot, &bench.worker, BENCH_OPS_MAX);
    memset(children, 0, sizeof children);
    started_count = settled_count = released_count = 0;
    verdict = JOIN_WAIT;
    return bench_op(&bench, HTTP_METHOD_GET);
}

static struct join_order order_of(const struct join_kind *kind, size_t count, size_t needed)
{
    return (struct join_order){.kind = kind,
                               .self = &bench,
                               .children_count = count,
                               .at_once_max = count,
                               .needed_count = needed,
                               .answer_room = 1000};
}

static struct op *run(const struct join_kind *kind, size_t count, size_t needed)
{
    struct op *parent = begin();
    const struct join_order order = order_of(kind, count, needed);
    join_start(&depot, parent, &order);
    return parent;
}

/* Everything was given back. */
static void end(void)
{
    cr_expect(released_count == 1, "released %u times", released_count);
    cr_expect(bench.seen.answers_count == 1 && bench.seen.finished_count == 1);
    cr_expect(bench.worker.ops.taken_count == 0 && bench.worker.requests.taken_count == 0);
    join_depot_fini(&depot);
    bench_fini(&bench);
}

static void answer(struct op *child, unsigned status)
{
    child->answer.head.status = (uint16_t)status;
    op_answer(child);
}

static void finish(struct op *child)
{
    pipe_end(&child->answer_body, ERR_NONE);
    op_finish(child, OUTCOME_DONE);
}

static void put(struct op *child, const char *text)
{
    const struct slice slice = {.at = (const uint8_t *)text, .bytes = (uint32_t)strlen(text)};
    cr_assert(pipe_put(&child->answer_body, slice));
}

/* --- every order ------------------------------------------------------------------------------ */

static const unsigned orders[6][CHILDREN] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                             {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

/* What the quorum says after the first @steps of @order, of which bit i of @good says whether child
 * i is well. */
static enum join_verdict model(const unsigned *order, unsigned steps, unsigned good,
                               unsigned needed)
{
    unsigned well = 0, badly = 0;
    for (unsigned i = 0; i < steps; i++) {
        well += (good >> order[i]) & 1;
        badly += !((good >> order[i]) & 1);
        if (well >= needed)
            return JOIN_WELL;
        if (CHILDREN - badly < needed)
            return JOIN_BADLY;
    }
    return JOIN_WAIT;
}

static void expect_model(const unsigned *order, unsigned steps, unsigned good, unsigned needed)
{
    const enum join_verdict wanted = model(order, steps, good, needed);
    cr_assert(verdict == wanted && settled_count == (wanted != JOIN_WAIT));
    cr_assert(bench.seen.finished_count == settled_count, "the parent waits for nobody");
    cr_assert(bench.seen.answers_count == settled_count);
}

/* Children end one after the other, answer and end together. */
static void run_order(const struct join_kind *kind, const unsigned *order, unsigned good,
                      unsigned needed)
{
    run(kind, CHILDREN, needed);
    cr_assert(started_count == CHILDREN);
    for (unsigned i = 0; i < CHILDREN; i++) {
        struct op *child = children[order[i]];
        expect_model(order, i, good, needed);
        if ((good >> order[i] & 1) == 0) {
            op_refuse(child, ERR_TARGET_CLOSED, NULL);
        } else {
            answer(child, 200);
            put(child, "x");
            finish(child);
        }
    }
    expect_model(order, CHILDREN, good, needed);
    end();
}

Test(join, decides_as_soon_as_it_can_in_every_order)
{
    const struct join_kind *kinds[] = {&at_answer, &at_answer_cancelling, &at_end};
    for (int kind = 0; kind < 3; kind++)
        for (int order = 0; order < 6; order++)
            for (unsigned good = 0; good < 8; good++)
                for (unsigned needed = 1; needed <= CHILDREN; needed++)
                    run_order(kinds[kind], orders[order], good, needed);
}

/* All answer first, in one order, then all end, in another: the decision comes with the answers,
 * and for a join that counts ends, with the ends. */
static void run_two_orders(const struct join_kind *kind, const unsigned *answers,
                           const unsigned *ends, unsigned needed)
{
    run(kind, CHILDREN, needed);
    for (unsigned i = 0; i < CHILDREN; i++) {
        answer(children[answers[i]], 200);
        if (kind->counted == JOIN_COUNTED_ANSWERED)
            expect_model(answers, i + 1, 7, needed);
        else
            cr_assert(settled_count == 0);
    }
    for (unsigned i = 0; i < CHILDREN; i++) {
        finish(children[ends[i]]);
        if (kind->counted == JOIN_COUNTED_FINISHED)
            expect_model(ends, i + 1, 7, needed);
    }
    end();
}

Test(join, answers_and_ends_come_in_any_order)
{
    for (int a = 0; a < 6; a++)
        for (int e = 0; e < 6; e++)
            for (unsigned needed = 1; needed <= CHILDREN; needed++) {
                run_two_orders(&at_answer, orders[a], orders[e], needed);
                run_two_orders(&at_end, orders[a], orders[e], needed);
            }
}

static void answer_at_once(struct bench_below *below, struct op *op)
{
    (void)below;
    answer(op, 200);
    finish(op);
}

static void refuse_at_once(struct bench_below *below, struct op *op)
{
    (void)below;
    op_refuse(op, ERR_CONNECT_REFUSED, NULL);
}

/* No child ever leaves the stack. A thousand would show whether each is a call deeper. */
Test(join, children_may_end_before_start_returns)
{
    void (*const scripts[])(struct bench_below *, struct op *) = {answer_at_once, refuse_at_once};
    const struct join_kind *kinds[] = {&at_answer, &at_answer_cancelling, &at_end};
    for (int script = 0; script < 2; script++)
        for (int kind = 0; kind < 3; kind++)
            for (size_t at_once = 1; at_once <= 8; at_once += 7) {
                struct op *parent = begin();
                struct join_order order = order_of(kinds[kind], 8, 2);
                order.at_once_max = at_once;
                bench.below.script = scripts[script];
                join_start(&depot, parent, &order);
                cr_expect(verdict == (script == 0 ? JOIN_WELL : JOIN_BADLY));
                end();
            }
}

/* --- stragglers ------------------------------------------------------------------------------- */

Test(join, stragglers_outlive_the_parent)
{
    run(&at_answer, CHILDREN, 1);
    answer(children[0], 200);
    cr_expect(bench.seen.finished_count == 1 && released_count == 0);
    finish(children[0]);
    answer(children[1], 200);
    op_refuse(children[2], ERR_TARGET_TIMEOUT, NULL);
    cr_expect(released_count == 0);
    finish(children[1]);
    end();
}

static void on_cancel(struct op *op)
{
    op_refuse(op, ERR_CANCELLED, NULL);
}

/* As an engine would, each ends as soon as it is asked to. */
Test(join, stragglers_are_cancelled_if_the_kind_says_so)
{
    run(&at_answer_cancelling, CHILDREN, 1);
    for (int i = 0; i < CHILDREN; i++)
        children[i]->on_cancel = on_cancel;
    answer(children[1], 200); /* itself among them: its body is not wanted either */
    end();
}

static void count_call(void *self, struct pipe *pipe)
{
    (void)pipe;
    ++*(unsigned *)self;
}

/* A late body is read for a while, so that its connection can be kept; an endless one is broken
 * off. */
Test(join, late_bodies_are_dropped_then_broken_off)
{
    static const char kilobyte[1001] = {[0 ... 999] = 'x'};
    unsigned calls = 0;
    run(&at_answer, CHILDREN, 1);
    answer(children[0], 200);
    finish(children[0]);
    answer(children[1], 200);
    put(children[1], "late");
    cr_expect(children[1]->answer_body.count == 0);
    finish(children[1]);

    struct op *endless = children[2];
    answer(endless, 200);
    endless->answer_body.writable = (struct pipe_side){count_call, &calls};
    for (int i = 0; i < 65; i++)
        put(endless, kilobyte);
    cr_expect(!endless->answer_body.broken);
    put(endless, kilobyte);
    cr_expect(endless->answer_body.broken && calls == 1);
    op_refuse(endless, ERR_CANCELLED, NULL);
    end();
}

static void fail_when_broken(void *self, struct pipe *pipe)
{
    if (pipe->broken)
        op_refuse(self, ERR_CANCELLED, NULL);
}

/* Breaking it off may end it, and with it the join, in the midst of dropping. */
Test(join, a_late_body_may_end_while_it_is_dropped)
{
    static const char much[70000] = {[0 ... 69998] = 'x'};
    run(&at_answer, 1, 1);
    children[0]->answer_body.writable = (struct pipe_side){fail_when_broken, children[0]};
    put(children[0], much);
    answer(children[0], 200);
    end();
}

/* --- fan-out ---------------------------------------------------------------------------------- */

Test(join, no_more_than_so_many_are_under_way)
{
    struct op *parent = begin();
    struct join_order order = order_of(&at_end, 10, 10);
    order.at_once_max = 3;
    join_start(&depot, parent, &order);
    for (unsigned i = 0; i < 10; i++) {
        cr_assert(started_count == (i + 3 < 10 ? i + 3 : 10));
        cr_assert(bench.worker.ops.taken_count <= 1 + 10);
        answer(children[i], 200);
        finish(children[i]);
    }
    cr_expect(verdict == JOIN_WELL && well_seen == 1023);
    end();
}

/* A write that has its quorum goes on to the other copies; one that cannot get it does not. */
Test(join, those_not_started_start_only_after_a_good_decision)
{
    struct op *parent = begin();
    struct join_order order = order_of(&at_answer, 4, 1);
    order.at_once_max = 1;
    join_start(&depot, parent, &order);
    answer(children[0], 200);
    cr_expect(bench.seen.finished_count == 1 && started_count == 1);
    finish(children[0]);
    for (unsigned i = 1; i < 4; i++) {
        cr_assert(started_count == i + 1);
        op_refuse(children[i], ERR_TARGET_CLOSED, NULL);
    }
    end();

    parent = begin();
    order.needed_count = 4;
    join_start(&depot, parent, &order);
    op_refuse(children[0], ERR_CONNECT_REFUSED, NULL);
    cr_expect(started_count == 1 && verdict == JOIN_BADLY);
    end();
}

Test(join, a_body_larger_than_its_room_counts_badly)
{
    run(&at_end, 2, 2);
    struct op *child = children[0];
    child->answer_body.writable = (struct pipe_side){fail_when_broken, child};
    answer(child, 200);
    static const char much[1001] = {[0 ... 999] = 'x'};
    put(child, much);
    cr_expect(verdict == JOIN_BADLY);
    op_refuse(children[1], ERR_TARGET_CLOSED, NULL);
    end();
}

/* --- cancel and memory ------------------------------------------------------------------------ */

/* At every moment of its life, whether children obey at once or not. */
Test(join, a_cancel_ends_the_parent_at_once)
{
    for (unsigned answered = 0; answered < CHILDREN; answered++)
        for (int obey = 0; obey < 2; obey++) {
            struct op *parent = run(&at_answer, CHILDREN, CHILDREN);
            for (unsigned i = 0; i < CHILDREN; i++)
                children[i]->on_cancel = obey ? on_cancel : NULL;
            for (unsigned i = 0; i < answered; i++)
                answer(children[i], 200);
            op_cancel(parent);
            cr_expect(bench.seen.finished_count == 1 && bench.seen.error == ERR_CANCELLED);
            cr_expect(bench.seen.outcome == OUTCOME_CANCELLED && settled_count == 0);
            for (unsigned i = 0; i < CHILDREN && !obey; i++) {
                cr_expect(children[i]->cancelled);
                op_refuse(children[i], ERR_CANCELLED, NULL);
            }
            end();
        }
}

Test(join, a_cancel_starts_nobody)
{
    struct op *parent = begin();
    struct join_order order = order_of(&at_answer, 4, 4);
    order.at_once_max = 2;
    join_start(&depot, parent, &order);
    children[0]->on_cancel = children[1]->on_cancel = on_cancel;
    op_cancel(parent);
    cr_expect(started_count == 2);
    end();
}

Test(join, without_memory_a_child_counts_badly)
{
    struct op *parent = begin();
    const struct join_order order = order_of(&at_end, CHILDREN, 2);
    bench.worker.ops.taken_max = 3;
    join_start(&depot, parent, &order);
    cr_expect(started_count == 2);
    for (int i = 0; i < 2; i++) {
        answer(children[i], 200);
        finish(children[i]);
    }
    cr_expect(verdict == JOIN_WELL && well_seen == 3);
    end();
}

Test(join, without_memory_for_any_child_it_is_refused)
{
    struct op *parent = begin();
    const struct join_order order = order_of(&at_end, CHILDREN, 1);
    bench.worker.ops.taken_max = 1;
    join_start(&depot, parent, &order);
    cr_expect(verdict == JOIN_BADLY);
    end();
}

Test(join, without_memory_for_itself_it_is_refused)
{
    struct op *parent = begin();
    const struct join_order order = order_of(&at_end, CHILDREN, 1);
    depot.slab.taken_max = 1;
    void *other = slab_take(&depot.slab);
    join_start(&depot, parent, &order);
    cr_expect(bench.seen.error == ERR_MEMORY);
    slab_give(&depot.slab, other);
    end();
}

Test(join, children_take_the_parents_deadline_and_request)
{
    struct op *parent = begin();
    const struct join_order order = order_of(&at_answer, 2, 2);
    parent->deadline_ns = 77;
    join_start(&depot, parent, &order);
    cr_expect(children[1]->deadline_ns == 77 && children[1]->request == parent->request);
    cr_expect(children[1]->parent == parent);
    op_refuse(children[0], ERR_DEADLINE, NULL);
    cr_expect(children[1]->parent == NULL, "it is gone");
    op_refuse(children[1], ERR_DEADLINE, NULL);
    end();
}

/* --- passing one answer on -------------------------------------------------------------------- */

/* Gives what the parent's body holds. */
static void take_all(struct op *parent, char *out)
{
    while (parent->answer_body.count > 0) {
        const struct slice slice = pipe_take(&parent->answer_body);
        strncat(out, (const char *)slice.at, slice.bytes);
        buf_unref(slice.buf);
    }
}

static struct op *run_passing(void)
{
    struct op *parent = run(&passing, CHILDREN, 1);
    bench.keep_ops = true;
    for (int i = 0; i < CHILDREN; i++)
        children[i]->on_cancel = on_cancel;
    return parent;
}

static void end_passing(struct op *parent)
{
    op_free(parent);
    end();
}

static const char head_bytes[] = "A: b\r\n";

static void answer_with_head(struct op *child)
{
    static struct http_field field = {.name_bytes = 1, .value_at = 3, .value_bytes = 1};
    child->answer.head = (struct http_head){.base = (const uint8_t *)head_bytes,
                                            .head_bytes = sizeof head_bytes - 1,
                                            .fields = &field,
                                            .fields_count = 1,
                                            .status = 203};
    op_answer(child);
}

Test(join, passes_head_and_body_on)
{
    char body[64] = "";
    struct op *parent = run_passing();
    struct op *child = children[1];
    op_hold_target(child, &bench.targets[0]);
    put(child, "before ");
    answer_with_head(child);
    cr_expect(bench.seen.status == 203 && parent->answer.head.base != child->answer.head.base);
    cr_expect(memcmp(parent->answer.head.base, head_bytes, 6) == 0);
    cr_expect(parent->target == &bench.targets[0]);
    put(child, "and after");
    take_all(parent, body);
    cr_expect(bench.seen.finished_count == 0);
    finish(child);
    cr_expect(bench.seen.finished_count == 1 && bench.seen.outcome == OUTCOME_DONE);
    cr_expect(parent->answer_body.ended && parent->answer_body.error == ERR_NONE);
    cr_expect_str_eq(body, "before and after");
    end_passing(parent);
}

Test(join, passes_an_error_on_if_there_is_nothing_better)
{
    struct op *parent = run(&passing, 1, 1);
    (void)parent;
    children[0]->answer.status = 599;
    op_refuse(children[0], ERR_CONNECT_TIMEOUT, "why");
    cr_expect(bench.seen.error == ERR_CONNECT_TIMEOUT);
    cr_expect_str_eq(bench.seen.detail, "why");
    end();
}

/* What the parent's reader leaves fills the parent's pipe; then the child's writer stops, too. */
Test(join, passes_backpressure_on)
{
    char body[4096] = "";
    unsigned rooms = 0;
    char piece[101] = {0};
    struct op *parent = run_passing();
    struct op *child = children[0];
    memset(piece, 'p', 100);
    parent->answer_body.bytes_max = 500;
    answer_with_head(child);
    child->answer_body.writable = (struct pipe_side){count_call, &rooms};
    unsigned sent = 0;
    for (; pipe_room(&child->answer_body) > 0; sent++)
        put(child, piece);
    cr_expect(sent == 5, "%u: both pipes together hold what one may", sent);
    pipe_wait_for_room(&child->answer_body);
    take_all(parent, body);
    take_all(parent, body);
    cr_expect(rooms >= 1 && pipe_room(&child->answer_body) > 0);
    for (; sent < 10; sent++) {
        put(child, piece);
        take_all(parent, body);
    }
    finish(child);
    for (int i = 0; i < 10; i++)
        take_all(parent, body);
    cr_expect(strlen(body) == 1000 && bench.seen.finished_count == 1);
    end_passing(parent);
}

/* An answer that breaks off breaks off for the parent too. */
Test(join, passes_an_early_end_on)
{
    struct op *parent = run_passing();
    answer_with_head(children[2]);
    put(children[2], "half");
    op_refuse(children[2], ERR_TARGET_INCOMPLETE, NULL);
    char body[16] = "";
    take_all(parent, body);
    cr_expect(parent->answer_body.ended && parent->answer_body.error == ERR_TARGET_INCOMPLETE);
    cr_expect(bench.seen.finished_count == 1 && bench.seen.outcome == OUTCOME_FAILED);
    end_passing(parent);
}

Test(join, a_reader_that_leaves_ends_the_child)
{
    struct op *parent = run_passing();
    struct op *child = children[0];
    answer_with_head(child);
    child->answer_body.writable = (struct pipe_side){fail_when_broken, child};
    pipe_break(&parent->answer_body);
    cr_expect(bench.seen.finished_count == 1);
    end_passing(parent);
}

/* Asked to stop while the answer is being passed on: before, between, or after its last byte. */
Test(join, a_cancel_while_passing)
{
    for (int moment = 0; moment < 3; moment++) {
        struct op *parent = run_passing();
        struct op *child = children[0];
        answer_with_head(child);
        if (moment > 0)
            put(child, "some");
        if (moment > 1)
            pipe_end(&child->answer_body, ERR_NONE);
        op_cancel(parent);
        cr_expect(bench.seen.finished_count == 1 && bench.seen.outcome == OUTCOME_CANCELLED);
        cr_expect(parent->answer_body.ended);
        end_passing(parent);
    }
}

static void cancel_it(void *self, struct pipe *pipe)
{
    (void)pipe;
    op_cancel(self);
}

/* The client's side may give up from inside the very call that brings it bytes. */
Test(join, a_cancel_from_inside_a_put)
{
    struct op *parent = run_passing();
    struct op *child = children[0];
    bench.keep_ops = false;
    parent->answer_body.readable = (struct pipe_side){cancel_it, parent};
    put(child, "one");
    put(child, "two");
    answer_with_head(child);
    cr_expect(bench.seen.outcome == OUTCOME_CANCELLED);
    end();
}

/* --- anything at any moment ------------------------------------------------------------------- */

/* Like an engine: it may be cancelled, and hears when nobody reads. */
struct server {
    struct op *op; /* NULL once ended */
    bool       answered, obedient;
};

static struct server servers[BENCH_OPS_MAX];

static void server_end(struct server *server, enum err_kind kind)
{
    struct op *op = server->op;
    if (op == NULL)
        return;
    server->op = NULL;
    op->on_cancel = NULL;
    op->answer_body.writable = (struct pipe_side){0};
    if (kind != ERR_NONE)
        op_refuse(op, kind, NULL);
    else
        finish(op);
}

static void server_cancelled(struct op *op)
{
    struct server *server = op->holder;
    if (server->obedient)
        server_end(server, ERR_CANCELLED);
}

static void server_room(void *self, struct pipe *pipe)
{
    if (pipe->broken)
        server_end(self, ERR_CANCELLED);
}

static void serve(struct bench_below *below, struct op *op)
{
    struct server *server = &servers[below->submitted_count - 1];
    const uint64_t draw = random_next(&bench.worker.random);
    *server = (struct server){.op = op, .obedient = draw & 1};
    op->holder = server;
    op->on_cancel = server_cancelled;
    op->answer_body.writable = (struct pipe_side){server_room, server};
    if ((draw & 14) == 14)
        server_end(server, ERR_CONNECT_REFUSED);
}

static void server_step(struct server *server, uint32_t draw)
{
    static const char piece[201] = {[0 ... 199] = 'x'};
    if (server->op == NULL)
        return;
    if (!server->answered) {
        server->answered = true;
        if (draw < 70)
            answer_with_head(server->op);
        else
            server_end(server, ERR_TARGET_CLOSED);
    } else if (draw < 60) {
        if (pipe_room(&server->op->answer_body) > 0)
            put(server->op, piece);
    } else {
        server_end(server, draw < 90 ? ERR_NONE : ERR_TARGET_INCOMPLETE);
    }
}

/* What the client's side may do. */
static void client_step(struct op *parent, uint32_t draw)
{
    if (draw < 80)
        take_all(parent, (char[4096]){0});
    else if (draw < 97)
        return;
    else if (draw == 97 && parent->answered)
        pipe_break(&parent->answer_body);
    else
        op_cancel(parent);
}

static void run_at_random(uint64_t seed)
{
    const struct join_kind *kinds[] = {&at_answer, &at_answer_cancelling, &at_end, &passing};
    struct op *parent = begin();
    struct random random;
    random_init(&random, seed);
    random_init(&bench.worker.random, seed + 1);
    memset(servers, 0, sizeof servers);
    bench.below.script = serve;
    bench.keep_ops = true;
    const uint32_t count = 1 + random_below(random_next(&random), 6);
    struct join_order order = order_of(kinds[random_below(random_next(&random), 4)], count,
                                       1 + random_below(random_next(&random), count));
    order.at_once_max = 1 + random_below(random_next(&random), count);
    parent->answer_body.bytes_max = 500;
    join_start(&depot, parent, &order);
    for (int i = 0; i < 300 && (released_count == 0 || bench.seen.finished_count == 0); i++) {
        const uint32_t draw = random_below(random_next(&random), 100);
        if (random_below(random_next(&random), 8) == 0 && bench.seen.finished_count == 0)
            client_step(parent, draw);
        else
            server_step(&servers[random_below(random_next(&random), count)], draw);
    }
    for (unsigned i = 0; i < count; i++)
        for (int step = 0; step < 3;
             step++) /* ends those that are left, and those that start then */
            server_end(&servers[i], ERR_TARGET_TIMEOUT);
    while (bench.seen.finished_count == 0 && parent->answer_body.count > 0)
        take_all(parent, (char[4096]){0});
    op_free(parent);
    end();
}

Test(join, keeps_its_promises_in_any_order)
{
    for (uint64_t seed = 1; seed <= 20000; seed++)
        run_at_random(seed);
}
