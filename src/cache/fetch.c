/* SPDX-License-Identifier: Apache-2.0 */
/* cache/fetch.c - an answer is fetched by an op of its own, so that no client can take it from the
 * others by leaving.
 *
 *     head kept      -> put, the fill is OPEN, all who wait read while it grows -> settled
 *     304            -> what was stale is put again with its new head, OPEN
 *     not to be kept -> the fill is ALONE: the first client is passed the answer, the others ask
 *     an error       -> what is stale where it may be used, OPEN; else FAILED */
#include "cache/fetch.h"

#include "cache/compress.h"
#include "core/units.h"
#include "loop/loop.h"
#include "path/target.h"

#include <assert.h>
#include <string.h>

static struct cache_row *row_of(const struct cache_fetch *fetch)
{
    return fetch->stage->side->row;
}

/* --- ends ------------------------------------------------------------------------------------- */

/* The op has finished and nothing of it is needed any more. */
static void free_fetch(struct cache_fetch *fetch)
{
    struct cache_stage *stage = fetch->stage;
    struct cache_side *side = stage->side;
    const struct cache_path path = stage->path;
    timer_clear(&fetch->room_again);
    fetch->fill->fetch = NULL;
    fetch->fill->resumed = NULL;
    cache_fill_hide(fetch->fill);
    cache_fill_unref(fetch->fill);
    store_entry_unref(fetch->stale);
    store_entry_unref(fetch->entry);
    store_entry_unref(fetch->part);
    cache_purge_end(side, &fetch->begun);
    store_entry_unref(fetch->source);
    cache__coder_free(fetch->coder);
    op_free(fetch->op);
    if (path.release != NULL)
        path.release(path.path); /* the stage may go with it */
    cache_side_unref(side);
}

static void free_if_over(struct cache_fetch *fetch)
{
    if (fetch->op_is_finished && fetch->is_settled && !fetch->is_pumping)
        free_fetch(fetch);
}

void cache__fetches_cancel(struct cache_side *side)
{
    cache_side_ref(side); /* the last fetch may be what holds it */
    list_each(&side->cache->purges.workers[side->worker->index].begun, link, after)
    {
        struct cache_begun *begun = list_item(link, struct cache_begun, link);
        op_cancel(list_item(begun, struct cache_fetch, begun)->op);
    }
    cache_side_unref(side);
}

/* What comes of the answer is wanted by nobody. free_if_over() must follow. */
static void drop_answer(struct cache_fetch *fetch)
{
    const bool was_pumping = fetch->is_pumping;
    fetch->is_settled = fetch->is_pumping = true; /* it may finish in here */
    fetch->op->answer_body.readable = (struct pipe_side){0};
    if (!fetch->op_is_finished)
        pipe_break(&fetch->op->answer_body);
    if (!fetch->op_is_finished)
        op_cancel(fetch->op);
    fetch->is_pumping = was_pumping;
}

/* Tells all who wait. The fetch may be gone afterwards; true if it is not. */
static bool tell(struct cache_fetch *fetch, enum cache_fill_state state)
{
    struct cache_fill *fill = cache_fill_ref(fetch->fill);
    atomic_store(&fill->state, state);
    cache_fill_wake(fill);
    const bool is_there = fill->fetch == fetch;
    cache_fill_unref(fill);
    return is_there;
}

/* The clients get what there is: a reference to @entry is taken over. */
static bool tell_open(struct cache_fetch *fetch, struct store_entry *entry)
{
    if (fetch->fill->entry != NULL)
        store_entry_unref(fetch->fill->entry);
    fetch->fill->entry = entry;
    fetch->first = NULL; /* it reads like all the others */
    return tell(fetch, CACHE_FILL_OPEN);
}

/* May what is stale be used in place of this answer, or of none? What is broken off in the middle
 * counts as an answer. */
static bool may_use_stale(const struct cache_fetch *fetch)
{
    const struct cache_stage *stage = fetch->stage;
    const uint64_t now_ms = cache_now_ms(stage->side);
    if (fetch->stale == NULL || cache__is_purged(stage->side, fetch->stale))
        return false;
    const struct cache_meta *meta = &cache_object_of(fetch->stale)->meta;
    if (fetch->op->answer.error != ERR_NONE)
        return cache_may_use_cut_off(meta, &fetch->ask, stage->settings, now_ms);
    return cache_may_use_on_error(meta, &fetch->ask, now_ms);
}

static void fail(struct cache_fetch *fetch, enum err_kind error, const char *detail)
{
    struct cache_fill *fill = fetch->fill;
    row_add(&row_of(fetch)->fetches_failed, 1);
    fetch->is_settled = true;
    cache_fill_hide(fill);
    if (may_use_stale(fetch)) {
        fill->is_stale = true;
        (void)tell_open(fetch, store_entry_ref(fetch->stale));
        return;
    }
    fill->error = error;
    fill->detail = detail;
    fill->error_status = fetch->op->answer.status;
    fill->retry_after_s = fetch->op->answer.retry_after_s;
    fetch->first = NULL;
    (void)tell(fetch, CACHE_FILL_FAILED);
}

/* The store's memory is held by readers: buffers of many more would go far beyond its limit. */
static void hold_less(struct op *op)
{
    if (op->answer_body.bytes_max > CACHE_PIPE_BYTES)
        op->answer_body.bytes_max = CACHE_PIPE_BYTES;
}

/* --- passing on to the first client ----------------------------------------------------------- */

static void end_relay(struct cache_fetch *fetch)
{
    struct cache_visit *visit = fetch->first;
    struct op *client = visit->op;
    const enum err_kind error = (enum err_kind)fetch->op->answer_body.error;
    if (fetch->op->answer_trailers != NULL) {
        struct http_head *trailers = arena_take(&client->arena, sizeof *trailers);
        if (trailers != NULL && op_copy_head(&client->arena, trailers, fetch->op->answer_trailers))
            client->answer_trailers = trailers;
    }
    fetch->first = NULL;
    fetch->is_settled = true;
    visit->fetch = NULL;
    client->on_cancel = NULL;
    client->answer_body.writable = (struct pipe_side){0};
    cache__visit_release(visit);
    if (!client->answer_body.ended)
        pipe_end(&client->answer_body, error);
    op_finish(client, client->cancelled   ? OUTCOME_CANCELLED
                      : error != ERR_NONE ? OUTCOME_FAILED
                                          : OUTCOME_DONE);
}

static bool can_move(const struct pipe *from, const struct pipe *to)
{
    return pipe_is_drained(from) || (from->count > 0 && pipe_room(to) > 0);
}

/* The fetch may be gone afterwards. */
static void relay(struct cache_fetch *fetch)
{
    struct pipe *from = &fetch->op->answer_body;
    if (fetch->is_pumping)
        return;
    fetch->is_pumping = true;
    while (fetch->first != NULL) {
        struct pipe *to = &fetch->first->op->answer_body;
        if (pipe_is_drained(from)) {
            end_relay(fetch);
            break;
        }
        if (from->count > 0 && pipe_room(to) > 0) {
            pipe_move(from, to);
            continue;
        }
        pipe_follow(from, to); /* more may come in there */
        if (fetch->first == NULL || !can_move(from, to))
            break;
    }
    if (fetch->first == NULL && !fetch->is_settled)
        drop_answer(fetch);
    fetch->is_pumping = false;
    free_if_over(fetch);
}

static void relay_room(void *self, struct pipe *pipe)
{
    (void)pipe;
    relay(self);
}

static void relay_body(void *self, struct pipe *pipe)
{
    (void)pipe;
    relay(self);
}

void cache__fetch_left(struct cache_fetch *fetch)
{
    fetch->first = NULL;
    if (!fetch->is_relaying)
        return; /* the others, or the store, may still want it */
    if (!fetch->is_pumping) {
        drop_answer(fetch);
        free_if_over(fetch);
    }
}

static void relay_cancelled(struct op *op)
{
    struct cache_visit *visit = op->holder;
    cache__visit_release(visit);
    op->answer_body.writable = (struct pipe_side){0};
    op_refuse(op, ERR_CANCELLED, NULL);
}

static void copy_story(struct op *client, const struct op *op)
{
    if (op->target != NULL)
        op_hold_target(client, op->target);
    client->sent_ns = op->sent_ns;
    client->waited_ns = op->waited_ns;
    client->retries_count = op->retries_count;
    client->kept_connection = op->kept_connection;
    client->hedge = op->hedge;
}

static void copy_fields(struct op *client, const struct op *op)
{
    char *fields = NULL;
    if (op->answer_fields_bytes > 0)
        fields = arena_take(&client->arena, client->answer_fields_bytes + op->answer_fields_bytes);
    if (fields == NULL)
        return;
    if (client->answer_fields_bytes > 0)
        memcpy(fields, client->answer_fields, client->answer_fields_bytes);
    memcpy(fields + client->answer_fields_bytes, op->answer_fields, op->answer_fields_bytes);
    client->answer_fields = fields;
    client->answer_fields_bytes += op->answer_fields_bytes;
}

void cache__fetch_relay(struct cache_fetch *fetch, struct cache_visit *visit)
{
    struct op *client = visit->op;
    struct op *op = fetch->op;
    fetch->is_relaying = true;
    visit->said.forward_status = op->answer.head.status;
    if (!op_copy_head(&client->arena, &client->answer.head, &op->answer.head)) {
        cache__visit_release(visit);
        op_refuse(client, ERR_MEMORY, NULL);
        return;
    }
    client->answer.close = op->answer.close;
    copy_fields(client, op);
    if (fetch->refusal != CACHE_REFUSED_NONE)
        visit->said.detail = cache_refusal_word(fetch->refusal);
    cache__say(visit->stage, client, &visit->said, NULL, NULL);
    if (fetch->refusal == CACHE_REFUSED_MEMORY) {
        hold_less(op);
        hold_less(client);
    }
    client->answer_body.writable = (struct pipe_side){relay_room, fetch};
    op->answer_body.readable = (struct pipe_side){relay_body, fetch};
    op_answer(client);
    client->holder = visit;
    client->on_cancel = relay_cancelled;
    if (client->cancelled)
        relay_cancelled(client);
    else
        relay(fetch);
}

/* --- keeping ---------------------------------------------------------------------------------- */

static struct cache_object *object_of(const struct cache_fetch *fetch)
{
    return cache_object_of(fetch->entry);
}

static void keep_whole(struct cache_fetch *fetch)
{
    struct cache_object *object = object_of(fetch);
    struct cache_side *side = fetch->stage->side;
    struct store *store = side->cache->store;
    (void)cache__is_purged(side, fetch->entry); /* it is marked before it is found whole */
    if (fetch->wants_etag)
        cache_object_set_etag(object, XXH64_digest(&fetch->hash));
    atomic_store(&object->total_bytes, fetch->filled_bytes);
    atomic_store(&object->is_over, true);
    if (fetch->entry->body != NULL)
        store_body_end(fetch->entry->body, true);
    if (fetch->is_window)
        return;
    row_add(&row_of(fetch)->stored, 1);
    row_add(&row_of(fetch)->compressed, fetch->coder != NULL);
    if (!fetch->is_put && !atomic_load(&fetch->fill->is_doomed))
        cache__put(fetch->stage->side->cache, fetch->entry);
    (void)store_settle(store, fetch->entry);
    if (atomic_load(&fetch->fill->is_doomed) || cache__is_purged(side, fetch->entry))
        (void)store_remove(store, fetch->entry);
    else if (fetch->part != NULL && cache_object_is_part(object))
        cache__join_parts(fetch->stage->side, fetch->part, fetch->entry);
}

/* The answer's body has ended. The fetch may be gone afterwards. */
static void body_over(struct cache_fetch *fetch, enum err_kind error)
{
    struct cache_fill *fill = fetch->fill;
    fetch->op->answer_body.readable = (struct pipe_side){0};
    if (error == ERR_NONE) {
        keep_whole(fetch);
    } else if (fetch->is_put) {
        (void)store_remove(fetch->stage->side->cache->store, fetch->entry);
        store_body_end(fetch->entry->body, false);
        row_add(&row_of(fetch)->fetches_failed, 1);
    } else { /* nobody has seen anything of it */
        fail(fetch, error, NULL);
        return;
    }
    fetch->is_settled = true;
    cache_fill_hide(fill);
    if (atomic_load(&fill->state) == CACHE_FILL_ASKING)
        (void)tell_open(fetch, store_entry_ref(fetch->entry));
    else
        cache_fill_wake(fill);
}

/* It is larger than what is kept: from here on it only passes through. */
static void outgrow(struct cache_fetch *fetch)
{
    if (fetch->is_window)
        return;
    fetch->is_window = true;
    fetch->outgrown_ns = *fetch->stage->side->worker->now_ns;
    row_add(&row_of(fetch)->outgrown, 1);
    (void)store_remove(fetch->stage->side->cache->store, fetch->entry);
}

/* False: the readers have to take something first, or there are none any more. */
static bool slide(struct cache_fetch *fetch)
{
    struct cache_fill *fill = fetch->fill;
    const uint64_t ready = fetch->filled_bytes;
    if (ready > CACHE_WINDOW_BYTES)
        store_body_drop(fetch->entry->body, ready - CACHE_WINDOW_BYTES);
    atomic_store(&fill->is_paused, true);
    if (atomic_load(&fill->readers_count) > 0 &&
        ready >= atomic_load(&fill->wanted_until) + CACHE_WINDOW_BYTES / 2)
        return false;
    atomic_store(&fill->is_paused, false);
    return true;
}

/* Memory is let go of by readers, or by nobody: it is looked for again soon. A reader that is
 * alone is the fastest one. */
static void wait_for_memory(struct cache_fetch *fetch)
{
    const struct worker *worker = fetch->stage->side->worker;
    const uint64_t now_ns = *worker->now_ns;
    hold_less(fetch->op);
    if (fetch->room_since_ns == 0)
        fetch->room_since_ns = now_ns;
    if (now_ns - fetch->room_since_ns >= CACHE_ROOM_PATIENCE_MS * NS_PER_MS ||
        (atomic_load(&fetch->fill->readers_count) < 2 &&
         now_ns - fetch->outgrown_ns >= CACHE_ROOM_FOUND_MS * NS_PER_MS))
        store_body_drop(fetch->entry->body, atomic_load(&fetch->fill->wanted_until));
    atomic_store(&fetch->fill->is_paused, true);
    timer_set(&worker->loop->timers, &fetch->room_again, now_ns + CACHE_ROOM_AGAIN_MS * NS_PER_MS);
}

/* Copies what it can of @bytes; returns how many. */
static size_t fill_some(struct cache_fetch *fetch, const uint8_t *at, size_t bytes)
{
    struct cache_object *object = object_of(fetch);
    size_t taken;
    if (fetch->entry->body == NULL) {
        taken = object->inline_bytes - fetch->filled_bytes;
        taken = bytes < taken ? bytes : taken;
        memcpy(cache_object_at(object, object->inline_at) + fetch->filled_bytes, at, taken);
    } else {
        taken = store_body_append(fetch->entry->body, at, bytes);
    }
    if (fetch->wants_etag)
        (void)XXH64_update(&fetch->hash, at, taken);
    fetch->filled_bytes += taken;
    fetch->room_since_ns = taken > 0 ? 0 : fetch->room_since_ns;
    return taken;
}

static bool is_too_large(const struct cache_fetch *fetch)
{
    const struct cache_stage *stage = fetch->stage;
    return fetch->filled_bytes > stage->settings->object_bytes ||
           fetch->filled_bytes > store_object_bytes_max(stage->side->cache->store);
}

/* From here on it can be found and read while it grows. False: the fetch may be gone. */
static bool open_body(struct cache_fetch *fetch)
{
    const struct store_key key = {fetch->entry->hash, store_entry_key(fetch->entry),
                                  fetch->entry->key_bytes};
    fetch->fill->entry = store_entry_ref(fetch->entry);
    cache__put(fetch->stage->side->cache, fetch->entry);
    fetch->is_put = true;
    if (!cache_fill_show(fetch->fill, &key, false)) {
        body_over(fetch, ERR_MEMORY);
        drop_answer(fetch);
        free_if_over(fetch);
        return false;
    }
    fetch->first = NULL; /* it reads like all the others */
    return tell(fetch, CACHE_FILL_OPEN);
}

/* A small body that does not come with its head grows like a large one, so that nobody waits for
 * all of it. Without memory they do wait. */
static void move_out(struct cache_fetch *fetch)
{
    struct cache_object *object = object_of(fetch);
    const struct store_key key = {fetch->entry->hash, store_entry_key(fetch->entry),
                                  fetch->entry->key_bytes};
    struct store_body *body = store_body_new(fetch->stage->side->cache->store, &key);
    const size_t bytes = fetch->filled_bytes;
    if (body == NULL)
        return;
    if (store_body_append(body, cache_object_at(object, object->inline_at), bytes) < bytes) {
        store_body_unref(body);
        return;
    }
    object->inline_bytes = 0;
    fetch->entry->body = body;
    (void)open_body(fetch);
}

/* One slice, or part of it. False: no more for now. */
static bool fill_slice(struct cache_fetch *fetch)
{
    struct pipe *pipe = &fetch->op->answer_body;
    const struct slice *slice = pipe_peek(pipe);
    if (slice == NULL || (fetch->is_window && !slide(fetch)))
        return false;
    const uint32_t left = slice->bytes - fetch->taken_bytes;
    const size_t taken = fill_some(fetch, slice->at + fetch->taken_bytes, left);
    fetch->taken_bytes += (uint32_t)taken;
    if (taken < left || is_too_large(fetch))
        outgrow(fetch);
    if (taken < left) {
        wait_for_memory(fetch);
        return taken > 0;
    }
    const struct slice done = pipe_take(pipe);
    fetch->taken_bytes = 0;
    buf_unref(done.buf);
    return true;
}

/* As fill_slice(), for a body that is kept compressed. */
static bool fill_coded(struct cache_fetch *fetch)
{
    size_t bytes;
    if (fetch->is_window && !slide(fetch))
        return false;
    const uint8_t *at = cache__coder_peek(fetch->coder, &bytes);
    if (bytes == 0)
        return cache__coder_step(fetch->coder, &fetch->op->answer_body);
    const size_t taken = fill_some(fetch, at, bytes);
    cache__coder_take(fetch->coder, taken);
    if (taken < bytes || is_too_large(fetch))
        outgrow(fetch);
    if (taken < bytes)
        wait_for_memory(fetch);
    return taken > 0;
}

static bool is_body_over(const struct cache_fetch *fetch, enum err_kind *error)
{
    const struct pipe *pipe = &fetch->op->answer_body;
    if (fetch->coder != NULL)
        return cache__coder_is_over(fetch->coder, pipe, error);
    *error = (enum err_kind)pipe->error;
    return pipe_is_drained(pipe);
}

static bool is_unwanted(const struct cache_fetch *fetch)
{
    return fetch->is_window && atomic_load(&fetch->fill->readers_count) == 0;
}

/* The fetch may be gone afterwards. */
static void fill_body(struct cache_fetch *fetch)
{
    struct pipe *pipe = &fetch->op->answer_body;
    const uint64_t before = fetch->filled_bytes;
    enum err_kind error;
    if (fetch->is_pumping || fetch->is_settled || fetch->entry == NULL)
        return;
    fetch->is_pumping = true;
    while (fetch->coder != NULL ? fill_coded(fetch) : fill_slice(fetch))
        ;
    if (is_body_over(fetch, &error)) {
        body_over(fetch, error);
        if (!pipe_is_drained(pipe))
            drop_answer(fetch);
    } else if (fetch->is_put && fetch->filled_bytes > before) {
        cache_fill_wake(fetch->fill);
    } else if (!fetch->is_put && fetch->filled_bytes > 0) {
        move_out(fetch);
    }
    if (!fetch->is_settled && is_unwanted(fetch)) {
        store_body_end(fetch->entry->body, false);
        drop_answer(fetch);
    }
    fetch->is_pumping = false;
    free_if_over(fetch);
}

void cache__fetch_fill(struct cache_fetch *fetch)
{
    fill_body(fetch);
}

static void on_body(void *self, struct pipe *pipe)
{
    (void)pipe;
    fill_body(self);
}

static void on_room_again(struct timer *timer)
{
    struct cache_fetch *fetch = list_item(timer, struct cache_fetch, room_again);
    atomic_store(&fetch->fill->is_paused, false);
    fill_body(fetch);
}

static void resumed(struct cache_fill *fill)
{
    if (fill->fetch != NULL)
        fill_body(fill->fetch);
}

/* --- the answer ------------------------------------------------------------------------------- */

static void release_all(struct cache_fetch *fetch, enum cache_refusal refusal)
{
    fetch->refusal = refusal;
    row_add(&row_of(fetch)->not_stored, 1);
    cache__code_undo(fetch);
    cache__keep_passing(fetch, refusal);
    cache_fill_hide(fetch->fill);
    fetch->fill->is_part = fetch->is_part;
    if (tell(fetch, CACHE_FILL_ALONE) && !fetch->is_relaying) { /* nobody wants just this one */
        drop_answer(fetch);
        free_if_over(fetch);
    }
}

static void keep(struct cache_fetch *fetch, struct cache_meta *meta)
{
    cache__code_answer(fetch, meta);
    const enum cache_refusal refusal = atomic_load(&fetch->fill->is_doomed)
                                           ? CACHE_REFUSED_BYPASS
                                           : cache__keep_answer(fetch, meta);
    if (refusal != CACHE_REFUSED_NONE) {
        release_all(fetch, refusal);
        return;
    }
    XXH64_reset(&fetch->hash, 0);
    fetch->wants_etag = fetch->stage->settings->etags && meta->etag_bytes == 0 &&
                        meta->last_modified_s < 0 && meta->status == 200;
    fetch->op->answer_body.readable = (struct pipe_side){on_body, fetch};
    if (fetch->entry->body != NULL && !open_body(fetch))
        return;
    fill_body(fetch);
}

static void freshen(struct cache_fetch *fetch, const struct cache_exchange *exchange)
{
    fetch->is_settled = true;
    cache_fill_hide(fetch->fill);
    if (!cache__keep_freshened(fetch, exchange)) {
        /* It holds for those who asked, but for nobody after them. */
        (void)cache_disk_forget(fetch->stage->side->cache, fetch->stale->hash);
        (void)store_remove(fetch->stage->side->cache->store, fetch->stale);
        (void)tell_open(fetch, store_entry_ref(fetch->stale));
        return;
    }
    (void)tell_open(fetch, store_entry_ref(fetch->entry));
}

/* Nobody asked for that: a part of what was asked for whole; or it has not changed since another
 * state than ours (RFC 9111 4.3.4). */
static bool is_odd(const struct cache_fetch *fetch, const struct http_head *head)
{
    return (head->status == 206 && !fetch->is_part) || head->status == 304;
}

static void answered(struct frame *self, struct op *op)
{
    struct cache_fetch *fetch = (struct cache_fetch *)(void *)self;
    const struct http_head *head = &op->answer.head;
    struct cache_meta meta;
    const struct cache_exchange exchange = {
        .settings = fetch->stage->settings,
        .rule = fetch->rule,
        .ask = &fetch->ask,
        .requested_ms = fetch->requested_ms,
        .received_ms = cache_now_ms(fetch->stage->side),
    };
    fetch->fill->fetched_status = fetch->source != NULL ? 0 : head->status;
    if (fetch->first != NULL)
        copy_story(fetch->first->op, op);
    if (op->answer.error != ERR_NONE) {
        fail(fetch, op->answer.error, op->answer.detail);
        return;
    }
    if (fetch->stale != NULL) {
        struct cache_object *stale = cache_object_of(fetch->stale);
        uint8_t etag[CACHE_ETAG_BYTES_MAX];
        const struct cache_validators validators = cache__server_validators(stale, etag);
        if (head->status == 304 && cache_is_about(&validators, head)) {
            freshen(fetch, &exchange);
            return;
        }
        if (cache_is_error_status(head->status) && may_use_stale(fetch)) {
            fail(fetch, ERR_TARGET_ERROR, NULL);
            drop_answer(fetch);
            free_if_over(fetch);
            return;
        }
    }
    const enum cache_refusal refusal =
        is_odd(fetch, head) ? CACHE_REFUSED_ODD : cache_judge_answer(&meta, head, &exchange);
    if (refusal == CACHE_REFUSED_NONE)
        keep(fetch, &meta);
    else
        release_all(fetch, refusal);
}

/* Interims are for the first client. */
static void interim(struct frame *self, struct op *op)
{
    struct cache_fetch *fetch = (struct cache_fetch *)(void *)self;
    if (fetch->first == NULL)
        return;
    struct op *client = fetch->first->op;
    client->answer.head = op->answer.head;
    op_interim(client);
    if (fetch->first != NULL)
        client->answer.head = (struct http_head){0};
}

static void finished(struct frame *self, struct op *op, enum outcome outcome)
{
    struct cache_fetch *fetch = (struct cache_fetch *)(void *)self;
    if (!op->answer_body.ended)
        pipe_end(&op->answer_body, outcome == OUTCOME_DONE ? ERR_NONE : ERR_TARGET_INCOMPLETE);
    fetch->op_is_finished = true;
    free_if_over(fetch);
}

/* What is kept is read as a client of its own would. The fetch may be gone afterwards. */
static void code_source(struct cache_fetch *fetch, struct cache_visit *first)
{
    static const struct cache_ask whole = {.is_get = true};
    row_add(&row_of(fetch)->recoded, 1);
    if (first != NULL)
        first->said = (struct cache_said){.is_hit = true, .detail = "compressed"};
    cache__serve(&(struct cache_serving){
        .stage = fetch->stage,
        .op = fetch->op,
        .ask = &whole,
        .rule = fetch->rule,
        .entry = store_entry_ref(fetch->source),
    });
}

void cache__fetch(const struct cache_order *order)
{
    struct cache_stage *stage = order->stage;
    struct cache_fill *fill = order->fill;
    struct op *op = cache__fetch_op(order);
    struct cache_fetch *fetch = op == NULL ? NULL : arena_take(&op->arena, sizeof *fetch);
    if (fetch == NULL) {
        if (op != NULL)
            op_free(op);
        fill->error = ERR_MEMORY;
        cache_fill_hide(fill);
        atomic_store(&fill->state, CACHE_FILL_FAILED);
        cache_fill_wake(fill);
        cache_fill_unref(fill);
        return;
    }
    *fetch = (struct cache_fetch){
        .frame = {.interim = interim, .answered = answered, .finished = finished},
        .stage = stage,
        .op = op,
        .fill = fill,
        .first = order->first,
        .stale = order->stale == NULL ? NULL : store_entry_ref(order->stale),
        .rule = order->rule,
        .part = order->is_part && order->part != NULL ? store_entry_ref(order->part) : NULL,
        .is_part = order->is_part,
        .ask = *order->ask,
        .requested_ms = cache_now_ms(stage->side),
    };
    timer_init(&fetch->room_again, on_room_again);
    cache_purge_begin(stage->side, &fetch->begun);
    fill->fetch = fetch;
    fill->resumed = resumed;
    fill->groups[fill->owner].loop = stage->side->worker->loop;
    if (order->first != NULL)
        order->first->fetch = fetch;
    if (stage->path.hold != NULL)
        stage->path.hold(stage->path.path);
    cache_side_ref(stage->side);
    op_push(op, &fetch->frame);
    fetch->source = cache__code_source(order, op);
    if (fetch->source != NULL) {
        code_source(fetch, order->first);
        return;
    }
    row_add(&row_of(fetch)->fetches, 1);
    stage_submit(stage->stage.below, op);
}
