/* SPDX-License-Identifier: Apache-2.0 */
/* cache/coder.c - a body is coded piece by piece on its way to the store, and coders take turns. */
#include "cache/compress.h"
#include "cache/fetch.h"
#include "core/mem.h"
#include "core/units.h"
#include "loop/loop.h"

#include <assert.h>

struct cache_coder {
    struct list_link    turn; /* among those that wait for one */
    struct timer        pause;
    struct cache_side  *side;
    struct cache_fetch *fetch;
    struct compressor  *compressor;
    size_t              memory_bytes; /* that it is charged with */
    uint32_t            taken_bytes;  /* of the first slice that waits */
    uint32_t            out_at, out_bytes;
    bool                holds;      /* what was given is perhaps not all out */
    bool                is_resting; /* the pause runs */
    bool                is_flushing;
    bool                is_over; /* the end was coded */
    bool                is_broken;
    uint8_t             out[CACHE_CODE_OUT_BYTES];
};

/* --- turns ---------------------------------------------------------------------------------- */

static void wait_for_turn(struct cache_coder *coder)
{
    const struct worker *worker = coder->side->worker;
    struct cache_turns *turns = &coder->side->turns;
    if (!link_is_in_list(&coder->turn))
        list_add_last(&turns->waiting, &coder->turn);
    timer_set(&worker->loop->timers, &turns->next, *worker->now_ns);
}

/* True: it may work. False: it is called when it may. */
static bool has_turn(struct cache_coder *coder)
{
    struct cache_turns *turns = &coder->side->turns;
    const uint64_t now_ns = *coder->side->worker->now_ns;
    if (turns->now_ns != now_ns) {
        turns->now_ns = now_ns;
        turns->left_bytes = CACHE_CODE_BYTES_PER_TURN;
    }
    if (turns->left_bytes > 0 && (turns->called == coder || list_is_empty(&turns->waiting)))
        return true;
    wait_for_turn(coder);
    return false;
}

static void next_turn(struct timer *timer)
{
    struct cache_side *side = list_item(timer, struct cache_side, turns.next);
    struct cache_turns *turns = &side->turns;
    struct list_link *link;
    cache_side_ref(side);
    turns->left_bytes =
        turns->now_ns == *side->worker->now_ns ? turns->left_bytes : CACHE_CODE_BYTES_PER_TURN;
    turns->now_ns = *side->worker->now_ns;
    while (turns->left_bytes > 0 && (link = list_first(&turns->waiting)) != NULL) {
        struct cache_coder *coder = list_item(link, struct cache_coder, turn);
        list_remove(link);
        turns->called = coder;
        cache__fetch_fill(coder->fetch); /* both may be gone afterwards */
        turns->called = NULL;
    }
    if (!list_is_empty(&turns->waiting))
        timer_set(&side->worker->loop->timers, &turns->next, *side->worker->now_ns);
    cache_side_unref(side);
}

void cache__turns_init(struct cache_turns *turns)
{
    list_init(&turns->waiting);
    timer_init(&turns->next, next_turn);
}

/* --- a life --------------------------------------------------------------------------------- */

/* A source that is silent: what it gave so far is let out. */
static void paused(struct timer *timer)
{
    struct cache_coder *coder = list_item(timer, struct cache_coder, pause);
    coder->is_resting = false;
    coder->is_flushing = coder->holds && pipe_peek(&coder->fetch->op->answer_body) == NULL;
    cache__fetch_fill(coder->fetch);
}

struct cache_coder *cache__coder_new(struct cache_fetch *fetch, enum cache_encoding coding,
                                     const struct http_head *answer)
{
    struct cache_side *side = fetch->stage->side;
    const uint64_t body_bytes =
        answer->has_content_length ? answer->content_length : COMPRESS_BYTES_UNKNOWN;
    const size_t memory_bytes = compress_memory_bytes((enum compress_coding)coding, body_bytes) +
                                sizeof(struct cache_coder);
    if (side->turns.memory_bytes + memory_bytes > CACHE_CODE_MEMORY_BYTES)
        return NULL;
    struct cache_coder *coder = mem_alloc(sizeof *coder);
    if (coder == NULL)
        return NULL;
    coder->compressor = compressor_new((enum compress_coding)coding, body_bytes);
    if (coder->compressor == NULL) {
        mem_free(coder);
        return NULL;
    }
    coder->side = side;
    coder->fetch = fetch;
    coder->memory_bytes = memory_bytes;
    side->turns.memory_bytes += memory_bytes;
    link_init(&coder->turn);
    timer_init(&coder->pause, paused);
    return coder;
}

void cache__coder_free(struct cache_coder *coder)
{
    if (coder == NULL)
        return;
    struct cache_turns *turns = &coder->side->turns;
    if (link_is_in_list(&coder->turn))
        list_remove(&coder->turn);
    if (list_is_empty(&turns->waiting))
        timer_clear(&turns->next);
    if (turns->called == coder)
        turns->called = NULL;
    turns->memory_bytes -= coder->memory_bytes;
    timer_clear(&coder->pause);
    compressor_free(coder->compressor);
    mem_free(coder);
}

/* --- work ----------------------------------------------------------------------------------- */

/* Nothing to read now. */
static void rest(struct cache_coder *coder)
{
    const struct worker *worker = coder->side->worker;
    if (!coder->holds || coder->is_resting)
        return;
    coder->is_resting = true;
    timer_set(&worker->loop->timers, &coder->pause,
              *worker->now_ns + CACHE_CODE_PAUSE_MS * NS_PER_MS);
}

static void run(struct cache_coder *coder, struct compress_io *io, enum compress_mode mode)
{
    io->out = coder->out;
    io->out_bytes = sizeof coder->out;
    const enum compress_verdict verdict = compressor_step(coder->compressor, io, mode);
    coder->out_at = 0;
    coder->out_bytes = (uint32_t)(sizeof coder->out - io->out_bytes);
    row_add(&coder->side->row->compressed_to_bytes, coder->out_bytes);
    if (verdict == COMPRESS_BROKEN) {
        coder->is_broken = true;
    } else if (verdict == COMPRESS_DONE) {
        coder->holds &= mode == COMPRESS_MORE;
        coder->is_flushing &= mode == COMPRESS_MORE;
        coder->is_over = mode == COMPRESS_END;
    }
}

static void read_slice(struct cache_coder *coder, struct pipe *pipe)
{
    struct cache_turns *turns = &coder->side->turns;
    const struct slice *slice = pipe_peek(pipe);
    const uint32_t slice_bytes = slice->bytes - coder->taken_bytes;
    const uint32_t bytes = slice_bytes < turns->left_bytes ? slice_bytes : turns->left_bytes;
    struct compress_io io = {.in = slice->at + coder->taken_bytes, .in_bytes = bytes};
    timer_clear(&coder->pause);
    coder->is_resting = false;
    coder->holds = true;
    run(coder, &io, COMPRESS_MORE);
    const uint32_t taken = bytes - (uint32_t)io.in_bytes;
    turns->left_bytes -= taken;
    row_add(&coder->side->row->compressed_bytes, taken);
    coder->taken_bytes += taken;
    if (taken < slice_bytes)
        return;
    coder->taken_bytes = 0;
    const struct slice done = pipe_take(pipe);
    buf_unref(done.buf);
}

bool cache__coder_step(struct cache_coder *coder, struct pipe *pipe)
{
    struct compress_io nothing = {0};
    assert(coder->out_bytes == 0);
    if (coder->is_over || coder->is_broken || (pipe->ended && pipe->error != ERR_NONE))
        return false;
    if (pipe_peek(pipe) == NULL && !pipe->ended && !coder->is_flushing) {
        rest(coder);
        return false;
    }
    if (!has_turn(coder))
        return false;
    if (coder->is_flushing)
        run(coder, &nothing, COMPRESS_FLUSH);
    else if (pipe_peek(pipe) != NULL)
        read_slice(coder, pipe);
    else
        run(coder, &nothing, COMPRESS_END);
    return !coder->is_broken;
}

bool cache__coder_is_over(const struct cache_coder *coder, const struct pipe *pipe,
                          enum err_kind *error)
{
    *error = ERR_NONE;
    if (coder->is_broken)
        *error = ERR_MEMORY;
    else if (pipe_is_drained(pipe) || (pipe->ended && pipe->error != ERR_NONE))
        *error = (enum err_kind)pipe->error;
    return *error != ERR_NONE || (coder->is_over && coder->out_bytes == 0);
}

const uint8_t *cache__coder_peek(const struct cache_coder *coder, size_t *bytes)
{
    *bytes = coder->out_bytes;
    return coder->out + coder->out_at;
}

void cache__coder_take(struct cache_coder *coder, size_t bytes)
{
    coder->out_at += (uint32_t)bytes;
    coder->out_bytes -= (uint32_t)bytes;
}
