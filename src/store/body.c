/* SPDX-License-Identifier: Apache-2.0 */
/* store/body.c - bytes that one writer appends while many read.
 *
 * Pieces hang in a list that only grows, so readers walk it without a lock. Dropping its beginning
 * is the exception: the writer first says how far, then looks whether anybody walks. If so, the
 * pieces wait for the next time. Who begins to walk later begins behind them. */
#include "store/shard.h"
#include "store/store.h"

#include <assert.h>
#include <string.h>

enum {
    PIECE_BYTES_MIN = 4096,       /* of a body of unknown size */
    PIECE_BYTES_SCATTERED = 1024, /* where there is no better run */
};

struct store_body *store_body_new(struct store *store, const struct store_key *key)
{
    struct store_shard *shard = store__shard_of(store, key->hash);
    size_t bytes = sizeof(struct store_body);
    struct store_body *body = store__shard_take(shard, &bytes, bytes);
    if (body == NULL)
        return NULL;
    const struct store_body made = {
        .refs_count = 1, .shard = shard, .charged_bytes = region_rounded(bytes)};
    memcpy(body, &made, sizeof made);
    return body;
}

/* --- The writer ----------------------------------------------------------------------------- */

/* As large as all before it together: a small body wastes little, a large one has few. */
static size_t piece_bytes(uint64_t ready_bytes, size_t left)
{
    uint64_t bytes = ready_bytes > PIECE_BYTES_MIN ? ready_bytes : PIECE_BYTES_MIN;
    if (bytes < left + sizeof(struct store_piece))
        bytes = left + sizeof(struct store_piece);
    bytes = region_rounded(bytes < STORE_PIECE_BYTES_MAX ? bytes : STORE_PIECE_BYTES_MAX);
    return (size_t)bytes;
}

static struct store_piece *add_piece(struct store_body *body, size_t left, size_t least)
{
    const uint64_t ready = atomic_load_explicit(&body->ready_bytes, memory_order_relaxed);
    struct store_shard *shard = body->shard;
    size_t bytes = piece_bytes(ready, left);
    struct store_piece *piece = store__shard_take(shard, &bytes, least < bytes ? least : bytes);
    if (piece == NULL)
        return NULL;
    const struct store_piece made = {.shard = shard,
                                     .refs_count = 1,
                                     .capacity = (uint32_t)(bytes - sizeof made),
                                     .starts_at = ready};
    memcpy(piece, &made, sizeof made);
    pthread_mutex_lock(&shard->lock);
    body->charged_bytes += region_rounded(bytes);
    pthread_mutex_unlock(&shard->lock);
    if (body->last != NULL) {
        atomic_store_explicit(&body->last->next, piece, memory_order_release);
    } else {
        body->oldest = piece;
        atomic_store(&body->first, piece);
    }
    body->last = piece;
    return piece;
}

bool store_body_reserve(struct store_body *body, uint64_t bytes)
{
    assert(body->last == NULL);
    const size_t most = STORE_PIECE_BYTES_MAX - sizeof(struct store_piece);
    return add_piece(body, bytes < most ? (size_t)bytes : most, STORE_PIECE_BYTES_MAX) != NULL;
}

size_t store_body_append(struct store_body *body, const void *at, size_t bytes)
{
    assert(body->state == STORE_BODY_GROWS);
    size_t done = 0;
    while (done < bytes) {
        const uint64_t ready = atomic_load_explicit(&body->ready_bytes, memory_order_relaxed);
        struct store_piece *piece = body->last;
        if (piece == NULL || ready == piece->starts_at + piece->capacity)
            piece = add_piece(body, bytes - done, PIECE_BYTES_SCATTERED);
        if (piece == NULL)
            break;
        const size_t from = (size_t)(ready - piece->starts_at);
        const size_t room = piece->capacity - from;
        const size_t count = bytes - done < room ? bytes - done : room;
        memcpy(piece->data + from, (const uint8_t *)at + done, count);
        atomic_store_explicit(&body->ready_bytes, ready + count, memory_order_release);
        done += count;
    }
    return done;
}

/* What the last piece was too large. */
static void trim(struct store_body *body)
{
    struct store_piece *piece = body->last;
    if (piece == NULL)
        return;
    struct store_shard *shard = body->shard;
    const size_t before = sizeof *piece + piece->capacity;
    const size_t kept = region_rounded(sizeof *piece + body->ready_bytes - piece->starts_at);
    pthread_mutex_lock(&shard->lock);
    region_trim(&shard->region, piece, before, kept);
    atomic_store(&piece->capacity, (uint32_t)(kept - sizeof *piece));
    body->charged_bytes -= region_rounded(before) - kept;
    pthread_mutex_unlock(&shard->lock);
}

void store_body_end(struct store_body *body, bool is_whole)
{
    assert(body->state == STORE_BODY_GROWS);
    trim(body);
    atomic_store_explicit(&body->state, is_whole ? STORE_BODY_WHOLE : STORE_BODY_BROKEN,
                          memory_order_release);
}

static void let_go(struct store_body *body, struct store_piece *until)
{
    struct store_shard *shard = body->shard;
    pthread_mutex_lock(&shard->lock);
    while (body->oldest != until) {
        struct store_piece *piece = body->oldest;
        body->oldest = piece->next;
        body->charged_bytes -= region_rounded(sizeof *piece + piece->capacity);
        store__piece_unref_locked(shard, piece);
    }
    pthread_mutex_unlock(&shard->lock);
}

void store_body_drop(struct store_body *body, uint64_t until)
{
    struct store_piece *first = atomic_load(&body->first);
    if (first == NULL)
        return;
    while (first != body->last && first->starts_at + first->capacity <= until)
        first = first->next;
    atomic_store(&body->dropped_bytes, first->starts_at);
    atomic_store(&body->first, first);
    if (body->oldest != first && atomic_load(&body->walkers_count) == 0)
        let_go(body, first);
}

/* --- Readers -------------------------------------------------------------------------------- */

/* A piece that was dropped leads to others that are gone. */
static struct store_piece *beginning(struct store_body *body, uint64_t offset,
                                     struct store_piece *after)
{
    if (after != NULL && after->starts_at <= offset &&
        after->starts_at >= atomic_load(&body->dropped_bytes))
        return after;
    return atomic_load(&body->first);
}

struct store_piece *store_body_find(struct store_body *body, uint64_t offset,
                                    struct store_piece *after)
{
    if (offset >= atomic_load_explicit(&body->ready_bytes, memory_order_acquire))
        return NULL;
    atomic_fetch_add(&body->walkers_count, 1);
    struct store_piece *piece = beginning(body, offset, after);
    while (piece != NULL && offset >= piece->starts_at + piece->capacity)
        piece = atomic_load_explicit(&piece->next, memory_order_acquire);
    if (piece != NULL && offset < piece->starts_at)
        piece = NULL;
    if (piece != NULL)
        store_piece_ref(piece);
    atomic_fetch_sub(&body->walkers_count, 1);
    return piece;
}
