/* SPDX-License-Identifier: Apache-2.0 */
/* cache/serve.c - answers from the store: whole or in part, small bodies at once, large ones
 * piece by piece, growing ones as they grow.
 *
 * Nobody is given half an answer for a whole one: where the rest does not come, the pipe ends
 * with an error and the front cuts the connection. */
#include "cache/cache_inside.h"
#include "cache/compress.h"
#include "cache/lend.h"
#include "path/target.h"

#include <assert.h>
#include <string.h>

/* What of the body is sent. */
struct part {
    uint64_t offset, end; /* end: CACHE_BYTES_UNKNOWN: as far as it grows */
    bool     is_bodyless;
};

/* --- bodies that are read piece by piece ------------------------------------------------------ */

static void finish(struct cache_visit *visit, enum err_kind error)
{
    struct op *op = visit->op;
    const enum outcome outcome = op->cancelled       ? OUTCOME_CANCELLED
                                 : error == ERR_NONE ? OUTCOME_DONE
                                                     : OUTCOME_FAILED;
    cache__visit_release(visit);
    op->on_cancel = NULL;
    op->answer_body.writable = (struct pipe_side){0};
    if (!op->answer_body.ended)
        pipe_end(&op->answer_body, op->cancelled ? ERR_CANCELLED : error);
    op_finish(op, outcome);
}

/* Slow readers of an answer that outgrew the store lose what they have not read. */
static void fall_behind(struct cache_visit *visit)
{
    row_add(&visit->stage->side->row->left_behind, 1);
    finish(visit, ERR_TARGET_INCOMPLETE);
}

/* True: there is more by now, or it is known that no more comes. */
static bool has_changed(const struct cache_visit *visit)
{
    const struct store_body *body = visit->entry->body;
    return atomic_load(&body->ready_bytes) > visit->offset ||
           atomic_load(&body->state) != STORE_BODY_GROWS;
}

/* False: it need not wait. */
static bool wait_for_more(struct cache_visit *visit)
{
    struct cache_side *side = visit->stage->side;
    if (visit->fill == NULL) {
        visit->fill = cache_fill_of(&side->cache->fills, visit->entry);
        if (visit->fill == NULL) /* it has just ended */
            return false;
        visit->is_reading = true;
        atomic_fetch_add(&visit->fill->readers_count, 1);
    }
    cache_fill_wait(visit->fill, side->worker->index, side->worker->loop, &visit->waiter);
    if (!has_changed(visit))
        return true;
    cache_fill_leave(visit->fill, side->worker->index, &visit->waiter);
    return false;
}

static void tell_progress(struct cache_visit *visit)
{
    struct cache_fill *fill = visit->fill;
    if (fill == NULL)
        return;
    uint64_t until = atomic_load_explicit(&fill->wanted_until, memory_order_relaxed);
    while (visit->offset > until &&
           !atomic_compare_exchange_weak(&fill->wanted_until, &until, visit->offset))
        ;
    cache_fill_wake_owner(fill);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* False: there was no memory, or the pipe took no more. */
static bool send_piece(struct cache_visit *visit, struct store_piece *piece, uint64_t ready)
{
    const uint64_t at = visit->offset - piece->starts_at;
    const uint64_t bytes =
        least(least(piece->capacity - at, ready - visit->offset), visit->end - visit->offset);
    struct pipe *pipe = &visit->op->answer_body;
    const struct slice slice =
        cache_lend(visit->stage->side, NULL, piece, piece->data + at, (uint32_t)bytes);
    if (slice.buf == NULL || !pipe_put(pipe, slice)) {
        buf_unref(slice.buf);
        return false;
    }
    visit->offset += bytes;
    return true;
}

enum step {
    STEP_AGAIN,
    STEP_WAIT,
    STEP_OVER, /* the visit is gone */
};

static enum step nothing_there(struct cache_visit *visit, enum store_body_state state)
{
    struct store_body *body = visit->entry->body;
    if (atomic_load(&body->dropped_bytes) > visit->offset) {
        fall_behind(visit);
        return STEP_OVER;
    }
    if (has_changed(visit) && state == STORE_BODY_GROWS)
        return STEP_AGAIN;
    if (state == STORE_BODY_WHOLE && visit->end == CACHE_BYTES_UNKNOWN) {
        visit->end = visit->offset;
        return STEP_AGAIN;
    }
    if (state != STORE_BODY_GROWS) {
        finish(visit, ERR_TARGET_INCOMPLETE);
        return STEP_OVER;
    }
    return wait_for_more(visit) ? STEP_WAIT : STEP_AGAIN;
}

static enum step step(struct cache_visit *visit)
{
    struct store_body *body = visit->entry->body;
    struct pipe *pipe = &visit->op->answer_body;
    if (visit->op->cancelled || pipe->broken) {
        finish(visit, ERR_CANCELLED);
        return STEP_OVER;
    }
    if (visit->offset >= visit->end) {
        finish(visit, ERR_NONE);
        return STEP_OVER;
    }
    if (pipe_room(pipe) == 0) {
        pipe_wait_for_room(pipe);
        return STEP_WAIT;
    }
    const enum store_body_state state = atomic_load(&body->state);
    const uint64_t ready = atomic_load(&body->ready_bytes);
    struct store_piece *piece =
        ready > visit->offset ? store_body_find(body, visit->offset, visit->piece) : NULL;
    if (piece == NULL)
        return nothing_there(visit, state);
    store_piece_unref(visit->piece);
    visit->piece = piece;
    if (!send_piece(visit, piece, ready)) {
        finish(visit, ERR_MEMORY);
        return STEP_OVER;
    }
    tell_progress(visit);
    return STEP_AGAIN;
}

/* Putting to a pipe may call its reader, which may call here: that is left to the outer one. */
static void pump(struct cache_visit *visit)
{
    if (visit->is_pumping)
        return;
    enum step next;
    visit->is_pumping = true;
    while ((next = step(visit)) == STEP_AGAIN)
        ;
    if (next != STEP_OVER)
        visit->is_pumping = false;
}

static void on_room(void *self, struct pipe *pipe)
{
    (void)pipe;
    pump(self);
}

static void on_more(struct cache_waiter *waiter)
{
    pump(list_item(waiter, struct cache_visit, waiter));
}

static void cancelled(struct op *op)
{
    struct cache_visit *visit = op->holder;
    if (!visit->is_pumping) /* else it looks by itself */
        pump(visit);
}

static void read_body(const struct cache_serving *serving, const struct part *part)
{
    struct op *op = serving->op;
    struct cache_visit *visit = arena_take(&op->arena, sizeof *visit);
    if (visit == NULL) {
        store_entry_unref(serving->entry);
        op_refuse(op, ERR_MEMORY, NULL);
        return;
    }
    *visit = (struct cache_visit){
        .waiter.call = on_more,
        .stage = serving->stage,
        .op = op,
        .entry = serving->entry,
        .offset = part->offset,
        .end = part->end,
        .is_pumping = true,
    };
    link_init(&visit->waiter.link);
    if (serving->fill != NULL)
        visit->fill = cache_fill_ref(serving->fill);
    else if (atomic_load(&visit->entry->body->state) == STORE_BODY_GROWS)
        visit->fill = cache_fill_of(&serving->stage->side->cache->fills, visit->entry);
    if (visit->fill != NULL) { /* the fetch has to know for whom it goes on */
        visit->is_reading = true;
        atomic_fetch_add(&visit->fill->readers_count, 1);
    }
    op->answer_body.writable = (struct pipe_side){on_room, visit};
    op_answer(op);
    op->holder = visit;
    op->on_cancel = cancelled;
    visit->is_pumping = false;
    pump(visit);
}

/* --- what is sent ----------------------------------------------------------------------------- */

static void hide_but(struct http_head *head, const enum http_field_id *kept, size_t count)
{
    for (uint16_t i = 0; i < head->fields_count; i++) {
        bool is_kept = false;
        for (size_t k = 0; k < count; k++)
            is_kept |= head->fields[i].id == kept[k];
        head->fields[i].hop |= !is_kept;
    }
}

static void make_bodyless(struct http_head *head, unsigned status)
{
    head->status = (uint16_t)status;
    head->framing = HTTP_FRAMING_NONE;
    head->has_content_length = false;
    head->content_length = 0;
}

/* RFC 9110 15.4.5. */
static void make_not_modified(struct http_head *head)
{
    static const enum http_field_id kept[] = {
        HTTP_FIELD_CACHE_CONTROL,
        HTTP_FIELD_CDN_CACHE_CONTROL,
        HTTP_FIELD_CONTENT_LOCATION,
        HTTP_FIELD_DATE,
        HTTP_FIELD_ETAG,
        HTTP_FIELD_EXPIRES,
        HTTP_FIELD_VARY,
        HTTP_FIELD_LAST_MODIFIED,
        HTTP_FIELD_SET_COOKIE,
    };
    hide_but(head, kept, sizeof kept / sizeof *kept);
    make_bodyless(head, 304);
}

static void make_beyond(struct http_head *head)
{
    static const enum http_field_id kept[] = {HTTP_FIELD_DATE, HTTP_FIELD_ETAG,
                                              HTTP_FIELD_LAST_MODIFIED};
    hide_but(head, kept, sizeof kept / sizeof *kept);
    make_bodyless(head, 416);
    head->has_content_length = true;
}

static void take_range(const struct cache_serving *serving, struct cache_object *object,
                       struct part *part)
{
    struct http_head *head = &serving->op->answer.head;
    const struct cache_validators validators = cache_object_validators(object);
    struct cache_range range;
    if (!head->has_content_length)
        return; /* how long it will be is not known yet: it is answered whole */
    if ((object->coded & CACHE_CODED_HERE) != 0)
        return; /* coded once more it may be other bytes, and parts would not fit */
    const uint64_t whole_bytes = head->content_length;
    switch (cache_judge_range(&range, &validators, &serving->op->request->head, whole_bytes)) {
    case CACHE_RANGE_PART:
        head->status = 206;
        head->content_length = range.last - range.first + 1;
        head->framing = HTTP_FRAMING_LENGTH;
        *part = (struct part){.offset = range.first, .end = range.last + 1};
        cache__say_range(serving->op, &range, whole_bytes);
        break;
    case CACHE_RANGE_BEYOND:
        make_beyond(head);
        part->is_bodyless = true;
        cache__say_range(serving->op, NULL, whole_bytes);
        break;
    case CACHE_RANGE_WHOLE:
    case CACHE_RANGE_MANY: break;
    }
}

/* What is kept is a part itself. */
static void take_part(const struct cache_serving *serving, struct cache_object *object,
                      struct part *part)
{
    struct http_head *head = &serving->op->answer.head;
    struct cache_range range = {
        .first = object->part_first,
        .last = object->part_first + atomic_load(&object->total_bytes) - 1,
    };
    if (!serving->is_as_fetched &&
        cache__part_covers(object, &serving->op->request->head, &range)) {
        part->offset = range.first - object->part_first;
        part->end = part->offset + (range.last - range.first + 1);
        head->content_length = part->end - part->offset;
    }
    cache__say_range(serving->op, &range, object->whole_bytes);
}

/* Did no server have to send the body? */
static bool is_spared(const struct cache_said *said)
{
    return !said->is_stored || said->forward_status == 304;
}

static void plan(const struct cache_serving *serving, struct cache_object *object,
                 struct part *part)
{
    struct op *op = serving->op;
    struct http_head *head = &op->answer.head;
    *part = (struct part){
        .end = head->has_content_length ? head->content_length : CACHE_BYTES_UNKNOWN,
        .is_bodyless = head->framing == HTTP_FRAMING_NONE,
    };
    if (object->meta.status == 200 && serving->ask->has_conditions) {
        const struct cache_validators validators = cache_object_validators(object);
        if (cache_judge_conditions(&validators, &op->request->head) == CACHE_CONDITION_UNMODIFIED) {
            make_not_modified(head);
            part->is_bodyless = true;
            row_add(&serving->stage->side->row->not_modified, 1);
            return;
        }
    }
    if (cache_object_is_part(object))
        take_part(serving, object, part);
    else if (object->meta.status == 200 && serving->ask->has_range)
        take_range(serving, object, part);
    if (serving->ask->is_head)
        part->is_bodyless = true;
    else if (!part->is_bodyless && part->end != CACHE_BYTES_UNKNOWN && is_spared(&serving->said))
        row_add(&serving->stage->side->row->hit_bytes, part->end - part->offset);
}

static void send_inline(const struct cache_serving *serving, struct cache_object *object,
                        const struct part *part)
{
    struct op *op = serving->op;
    if (!part->is_bodyless) {
        const struct slice slice =
            cache_lend(serving->stage->side, serving->entry, NULL,
                       cache_object_at(object, object->inline_at) + part->offset,
                       (uint32_t)(part->end - part->offset));
        if (slice.buf == NULL || !pipe_put(&op->answer_body, slice)) {
            buf_unref(slice.buf);
            store_entry_unref(serving->entry);
            op_refuse(op, ERR_MEMORY, NULL);
            return;
        }
    }
    store_entry_unref(serving->entry);
    pipe_end(&op->answer_body, ERR_NONE);
    op_answer(op);
    op_finish(op, op->cancelled ? OUTCOME_CANCELLED : OUTCOME_DONE);
}

static void count_hit(const struct cache_side *side, const struct cache_object *object)
{
    row_add(&side->row->hits, 1);
    row_add(&side->row->hit_age_seconds, cache_age_s(&object->meta, cache_now_ms(side)));
    if (cache_ttl_s(&object->meta, cache_now_ms(side)) < 0)
        row_add(&side->row->hits_stale, 1);
}

void cache__serve(const struct cache_serving *serving)
{
    struct op *op = serving->op;
    struct cache_object *object = cache_object_of(serving->entry);
    struct part part;
    assert(object->kind == CACHE_OBJECT_ANSWER);
    if (!cache_object_read_head(object, &op->arena, &op->answer.head)) {
        store_entry_unref(serving->entry);
        op_refuse(op, ERR_MEMORY, NULL);
        return;
    }
    if (serving->said.is_hit)
        count_hit(serving->stage->side, object);
    plan(serving, object, &part);
    cache__say(serving->stage, op, &serving->said, object, serving->rule);
    if (serving->entry->body == NULL || part.is_bodyless)
        send_inline(serving, object, &part);
    else
        read_body(serving, &part);
}
