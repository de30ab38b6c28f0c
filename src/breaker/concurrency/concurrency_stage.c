/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/concurrency/concurrency_stage.c - a permit for each request.
 *
 * Happy path: submit() enters and goes on below with a frame; `answered` counts the sample,
 * `finished` gives the permit back. Without a permit: a ticket is left in the waiting room, with a
 * timer, and the op's on_cancel; admitted(), refused(), the timer or a cancel ends the wait. */
#include "breaker/concurrency/concurrency_stage.h"

#include "core/http.h"
#include "core/units.h"
#include "loop/loop.h"

#include <assert.h>
#include <string.h>

enum { RETRY_AFTER_S_MAX = 30 };

/* A request that has a permit. */
struct passage {
    struct frame              frame; /* first */
    struct concurrency_stage *stage;
    struct ticket            *ticket; /* with which it waited; NULL: it did not */
    uint64_t                  begun_ns;
    bool                      again; /* all targets were full: it waits once more */
};

/* A request that waits for one. */
struct ticket {
    struct permits_waiter     waiter; /* first */
    struct timer              timer;
    struct concurrency_stage *stage;
    struct op                *op;
    struct passage           *passage; /* that it had before; NULL: it comes for the first time */
};

static struct service_row *row_of(const struct concurrency_stage *stage, const struct op *op)
{
    return &stage->service->rows[op->worker->index];
}

/* --- refusing --------------------------------------------------------------------------------- */

static void refuse(const struct concurrency_stage *stage, struct op *op, const char *detail)
{
    const uint64_t backlog_s = permits_backlog_ns(stage->permits) / NS_PER_S + 1;
    op->answer.retry_after_s =
        (uint32_t)(backlog_s < RETRY_AFTER_S_MAX ? backlog_s : RETRY_AFTER_S_MAX);
    op_refuse(op, ERR_OVERLOAD, detail);
}

/* --- with a permit ---------------------------------------------------------------------------- */

/* What the end of an attempt says of the service's load. */
enum sign {
    SIGN_NONE,
    SIGN_ANSWERED, /* so long it took */
    SIGN_TIMEOUT,  /* so long it took, at least, and that is too long */
    SIGN_SHED,     /* the service refused it, which took no time */
};

static bool is_past_deadline(const struct op *op)
{
    return op->deadline_ns != 0 && *op->worker->now_ns >= op->deadline_ns;
}

static enum sign sign_of(const struct op *op)
{
    const unsigned status = op->answer.head.status;
    switch (op->answer.error) {
    case ERR_NONE:
        return status == 429 || status == 503 || status == 504 ? SIGN_SHED : SIGN_ANSWERED;
    case ERR_TARGET_TIMEOUT:
    case ERR_TARGET_UNREACHABLE:
    case ERR_CONNECT_TIMEOUT:
    case ERR_DEADLINE: return SIGN_TIMEOUT;
    case ERR_CANCELLED: return is_past_deadline(op) ? SIGN_TIMEOUT : SIGN_NONE;
    default: return SIGN_NONE;
    }
}

static void report(const struct passage *passage, const struct op *op)
{
    const struct concurrency_stage *stage = passage->stage;
    const uint64_t took_ns = *op->worker->now_ns - passage->begun_ns;
    const bool is_slow = took_ns > stage->settings->slow_after_ns;
    const uint64_t latency_ns = took_ns > 0 ? took_ns : 1; /* 0 would say nothing */
    enum sign sign = sign_of(op);
    if (sign == SIGN_NONE && op->answer.error == ERR_CANCELLED && is_slow)
        sign = SIGN_TIMEOUT; /* it waited longer than is good, and went */
    if (sign == SIGN_NONE)
        return;
    const struct permits_sample sample = {
        .begun_ns = passage->begun_ns,
        .latency_ns = sign == SIGN_SHED ? 0 : latency_ns,
        .dropped = sign != SIGN_ANSWERED || is_slow,
    };
    permits_report(stage->permits, &sample);
}

static bool is_body_untouched(const struct op *op)
{
    const struct pipe *body = op->request_body;
    return body == NULL ||
           (body->bytes_total == body->bytes && !body->broken && body->error == ERR_NONE);
}

/* Nothing was sent, and all that is wrong is that every target has as many as it may. */
static bool is_for_later(const struct op *op)
{
    return op->answer.error == ERR_NO_TARGET && op->found_full && is_body_untouched(op) &&
           !op->cancelled && !is_past_deadline(op);
}

static void answered(struct frame *self, struct op *op)
{
    struct passage *passage = (struct passage *)(void *)self;
    passage->again = is_for_later(op);
    if (passage->again)
        return;
    report(passage, op);
    op_answer_above(self, op);
}

static void wait(struct concurrency_stage *stage, struct op *op, struct passage *passage);

/* As if it had not been admitted. */
static void put_back(struct passage *passage, struct op *op)
{
    const uint8_t retries_count = op->retries_count;
    op_reset_for_retry(op);
    op->retries_count = retries_count;
    op->found_full = false;
    op->tried_count = 0;
    op->target = NULL;
    op->sent_ns = 0;
    wait(passage->stage, op, passage);
}

static void finished(struct frame *self, struct op *op, enum outcome outcome)
{
    struct passage *passage = (struct passage *)(void *)self;
    struct concurrency_stage *stage = passage->stage;
    if (!passage->again) {
        /* Before the op goes: with it the path may, and the permits. */
        permits_release(stage->permits);
        op_finish(op, outcome);
    } else if (op->cancelled) { /* since it was answered below */
        permits_release(stage->permits);
        op_answer_above(self, op);
        op_finish(op, OUTCOME_CANCELLED);
    } else {
        permits_return(stage->permits);
        put_back(passage, op);
    }
}

/* The caller has a permit for @op. @ticket: with which it waited, or NULL. */
static void start(struct concurrency_stage *stage, struct op *op, struct ticket *ticket)
{
    struct passage *passage = ticket == NULL ? NULL : ticket->passage;
    if (passage == NULL)
        passage = arena_take(&op->arena, sizeof *passage);
    if (passage == NULL) {
        permits_release(stage->permits);
        op_refuse(op, ERR_MEMORY, NULL);
        return;
    }
    *passage = (struct passage){
        .frame = {.answered = answered, .finished = finished},
        .stage = stage,
        .ticket = ticket,
        .begun_ns = *op->worker->now_ns,
    };
    op_push(op, &passage->frame);
    stage_submit(stage->stage.below, op);
}

/* --- without ---------------------------------------------------------------------------------- */

/* The ticket is out of the room; what it was for goes on. */
static struct op *end_wait(struct ticket *ticket)
{
    struct op *op = ticket->op;
    timer_clear(&ticket->timer);
    op->on_cancel = NULL;
    op->holder = NULL;
    op->waited_ns += *op->worker->now_ns - ticket->waiter.waiter.since_ns;
    row_add(&row_of(ticket->stage, op)->waited_count, 1);
    return op;
}

static void admitted(struct permits_waiter *waiter)
{
    struct ticket *ticket = (struct ticket *)(void *)waiter;
    start(ticket->stage, end_wait(ticket), ticket);
}

static void refused(struct permits_waiter *waiter)
{
    struct ticket *ticket = (struct ticket *)(void *)waiter;
    struct op *op = end_wait(ticket);
    row_add(&row_of(ticket->stage, op)->shed_displaced_count, 1);
    refuse(ticket->stage, op,
           "the waiting room is full, and it made room for a request of higher priority or of "
           "another client");
}

static void waited_long(struct timer *timer)
{
    struct ticket *ticket = list_item(timer, struct ticket, timer);
    struct concurrency_stage *stage = ticket->stage;
    permits_leave(stage->permits, &ticket->waiter);
    struct op *op = end_wait(ticket);
    row_add(&row_of(stage, op)->shed_waited_count, 1);
    refuse(stage, op, "it waited as long as concurrency.most-wait or its deadline lets it");
}

static void cancelled(struct op *op)
{
    struct ticket *ticket = op->holder;
    struct concurrency_stage *stage = ticket->stage;
    permits_leave(stage->permits, &ticket->waiter);
    (void)end_wait(ticket);
    row_add(&row_of(stage, op)->wait_cancelled_count, 1);
    op_refuse(op, ERR_CANCELLED, NULL);
}

static enum priority priority_of(const struct concurrency_stage *stage, const struct op *op)
{
    const char *name = stage->settings->priority_header;
    if (name[0] == '\0')
        return (enum priority)stage->settings->priority;
    const struct http_head *head = &op->request->head;
    const struct http_field *field = http_head_find_name(head, name, strlen(name));
    const enum priority said =
        field == NULL
            ? PRIORITIES_COUNT
            : concurrency_read_priority(http_field_value(head, field), field->value_bytes);
    return said != PRIORITIES_COUNT ? said : (enum priority)stage->settings->priority;
}

/* When its wait must be over. 0: that cannot be kept. */
static uint64_t latest_start_ns(const struct concurrency_stage *stage, const struct op *op,
                                const struct room_waiter *waiter)
{
    const uint64_t now_ns = *op->worker->now_ns;
    uint64_t latest_ns = now_ns + stage->settings->most_wait_ns;
    if (op->deadline_ns != 0) {
        const uint64_t service_ns = permits_service_ns(stage->permits);
        const uint64_t begun_ns = op->deadline_ns > service_ns ? op->deadline_ns - service_ns : 0;
        latest_ns = begun_ns < latest_ns ? begun_ns : latest_ns;
    }
    const uint64_t expected_ns =
        permits_expected_wait_ns(stage->permits, waiter->client, waiter->priority);
    return now_ns + expected_ns < latest_ns ? latest_ns : 0;
}

/* NULL: no memory. */
static struct ticket *ticket_for(struct concurrency_stage *stage, struct op *op,
                                 struct passage *passage)
{
    struct ticket *ticket = passage == NULL ? NULL : passage->ticket;
    if (ticket == NULL)
        ticket = arena_take(&op->arena, sizeof *ticket);
    if (ticket == NULL)
        return NULL;
    *ticket = (struct ticket){
        .waiter = {.waiter = {.client = client_key_of(&stage->rule, &stage->key, op->request),
                              .since_ns = *op->worker->now_ns,
                              .priority = priority_of(stage, op)},
                   .admitted = admitted,
                   .refused = refused},
        .stage = stage,
        .op = op,
        .passage = passage,
    };
    timer_init(&ticket->timer, waited_long);
    return ticket;
}

/* It did not even begin to wait. */
static void turn_away(struct ticket *ticket, enum permits_verdict verdict)
{
    const struct concurrency_stage *stage = ticket->stage;
    struct op *op = ticket->op;
    timer_clear(&ticket->timer);
    op->on_cancel = NULL;
    op->holder = NULL;
    if (verdict == PERMITS_NO_MEMORY) {
        op_refuse(op, ERR_MEMORY, NULL);
        return;
    }
    row_add(&row_of(stage, op)->shed_full_count, 1);
    refuse(stage, op,
           stage->settings->waiting == 0
               ? "as many requests are in progress as the limit of the service allows"
               : "the waiting room is full of requests that are as urgent");
}

/* @passage: that it had before, then it is next of all; or NULL. The op and its ticket may have
 * gone when this returns. */
static void wait(struct concurrency_stage *stage, struct op *op, struct passage *passage)
{
    const bool first = passage != NULL;
    struct ticket *ticket = ticket_for(stage, op, passage);
    if (ticket == NULL) {
        op_refuse(op, ERR_MEMORY, NULL);
        return;
    }
    const uint64_t latest_ns = latest_start_ns(stage, op, &ticket->waiter.waiter);
    if (latest_ns == 0 && !first) {
        row_add(&row_of(stage, op)->shed_deadline_count, 1);
        refuse(stage, op,
               "its turn would come after concurrency.most-wait, or too late for its deadline");
        return;
    }
    op->holder = ticket;
    op->on_cancel = cancelled;
    timer_set(&op->worker->loop->timers, &ticket->timer,
              latest_ns != 0 ? latest_ns : *op->worker->now_ns + stage->settings->most_wait_ns);
    const enum permits_verdict verdict =
        permits_wait(stage->permits, &ticket->waiter, stage->settings->waiting, first);
    if (verdict != PERMITS_WAITS)
        turn_away(ticket, verdict);
}

static void cap(const struct concurrency_stage *stage, const struct op *op)
{
    const struct target_set *set = stage->service->views[op->worker->index].set;
    const uint64_t count = set == NULL ? 0 : set->count;
    const uint64_t most = count * stage->settings->per_target;
    permits_cap(stage->permits, most == 0 || most > UINT32_MAX ? UINT32_MAX : (uint32_t)most);
}

static void submit(struct stage *self, struct op *op)
{
    struct concurrency_stage *stage = (struct concurrency_stage *)(void *)self;
    if (stage->settings->per_target != 0)
        cap(stage, op);
    if (permits_enter(stage->permits))
        start(stage, op, NULL);
    else
        wait(stage, op, NULL);
}

static const struct stage_kind kind = {.name = "concurrency", .submit = submit};

bool concurrency_stage_init(struct concurrency_stage *stage, const struct concurrency_parts *parts,
                            struct stage *below)
{
    *stage = (struct concurrency_stage){
        .stage = {.kind = &kind, .below = below},
        .service = parts->service,
        .permits = permits_join(parts->permits, parts->worker),
        .settings = parts->settings,
        .key = parts->key,
    };
    const bool is_rule = client_key_read(parts->settings->client, &stage->rule);
    assert(is_rule);
    return stage->permits != NULL;
}

/* --- what a header says ----------------------------------------------------------------------- */

static bool is_word(const uint8_t *text, size_t bytes, const char *word)
{
    return bytes == strlen(word) && http_same_text(text, word, bytes);
}

/* The urgency of RFC 9218, of which 3 is usual. */
static enum priority of_urgency(uint8_t digit)
{
    static const enum priority by_urgency[] = {
        PRIORITY_CRITICAL, PRIORITY_HIGH, PRIORITY_HIGH, PRIORITY_NORMAL,
        PRIORITY_NORMAL,   PRIORITY_LOW,  PRIORITY_LOW,  PRIORITY_LOW,
    };
    return digit >= '0' && digit <= '7' ? by_urgency[digit - '0'] : PRIORITIES_COUNT;
}

enum priority concurrency_read_priority(const uint8_t *text, size_t bytes)
{
    static const char *const words[] = {
#define X(enumerator, name, gist) [enumerator] = name,
        PRIORITIES(X)
#undef X
    };
    for (int p = 0; p < PRIORITIES_COUNT; p++)
        if (is_word(text, bytes, words[p]))
            return (enum priority)p;
    /* u=N among the parameters. */
    for (size_t i = 0; i + 3 <= bytes; i++) {
        const bool begins = i == 0 || text[i - 1] == ' ' || text[i - 1] == ',';
        const bool ends = i + 3 == bytes || text[i + 3] == ' ' || text[i + 3] == ',';
        if (begins && ends && text[i] == 'u' && text[i + 1] == '=')
            return of_urgency(text[i + 2]);
    }
    return PRIORITIES_COUNT;
}
