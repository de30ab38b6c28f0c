/* SPDX-License-Identifier: Apache-2.0 */
/* cache/disk/writer.c - the thread that writes: what was forgotten first, then entries, one by one;
 * when nothing waits any more, all of it can be found. */
#include "cache/disk/disk_inside.h"

#include "core/units.h"

#include <assert.h>
#include <string.h>

#define XXH_STATIC_LINKING_ONLY /* the state's size, so that it lies on the stack */
#include <xxhash.h>

enum { FORGETS_AT_ONCE = 64, HELD_AGAIN_MS = 500 };

/* --- entries ---------------------------------------------------------------------------------- */

/* Calls @take for every run of the body's bytes. False: something is missing. */
static bool each_run(struct store_body *body,
                     void (*take)(void *self, const uint8_t *at, size_t bytes), void *self)
{
    const uint64_t end = atomic_load(&body->ready_bytes);
    struct store_piece *piece = NULL;
    uint64_t at = 0;
    while (at < end) {
        struct store_piece *next = store_body_find(body, at, piece);
        store_piece_unref(piece);
        piece = next;
        if (piece == NULL)
            return false;
        const uint64_t until = piece->starts_at + atomic_load(&piece->capacity);
        const uint64_t bytes = (until < end ? until : end) - at;
        take(self, piece->data + (at - piece->starts_at), (size_t)bytes);
        at += bytes;
    }
    store_piece_unref(piece);
    return true;
}

static void sum_run(void *self, const uint8_t *at, size_t bytes)
{
    (void)XXH3_64bits_update(self, at, bytes);
}

static void append_run(void *self, const uint8_t *at, size_t bytes)
{
    disk__log_append(self, at, bytes);
}

/* The front's fields may change under our eyes: what is written is what was summed. */
static void write_entry(struct disk *disk, XXH3_state_t *state, const struct disk_waiting *waiting)
{
    struct store_entry *entry = waiting->entry;
    struct store_body *body = entry->body;
    const size_t bytes = (size_t)entry->front_bytes + entry->key_bytes;
    uint8_t *copy = disk->log.copy;
    memcpy(copy, store_entry_front(entry), bytes);
    (void)XXH3_64bits_reset(state);
    (void)XXH3_64bits_update(state, copy, bytes);
    if (body != NULL && !each_run(body, sum_run, state))
        return;
    struct disk_record record = {
        .magic = DISK_RECORD_MAGIC,
        .kind = DISK_OBJECT,
        .has_body = body != NULL,
        .hash = entry->hash,
        .born_ms = waiting->born_ms,
        .front_bytes = entry->front_bytes,
        .key_bytes = entry->key_bytes,
        .body_bytes = body == NULL ? 0 : atomic_load(&body->ready_bytes),
        .content_sum = XXH3_64bits_digest(state),
        .version = waiting->version,
    };
    if (!disk__log_begin(disk, &record)) {
        disk__count(&disk->counted.dropped_writes, 1);
        return;
    }
    disk__log_append(disk, &record, sizeof record);
    disk__log_append(disk, copy, bytes);
    const bool is_whole = body == NULL || each_run(body, append_run, disk);
    assert(is_whole); /* as it was a moment ago */
    disk__log_end(disk, &record, waiting->gate_count, 0);
}

static bool take_entry_locked(struct disk *disk, struct disk_waiting *waiting)
{
    if (disk->writes_count == 0)
        return false;
    *waiting = disk->writes[disk->writes_first];
    disk->writes_first = (disk->writes_first + 1) % DISK_WRITES_MAX;
    disk->writes_count--;
    return true;
}

/* --- what was forgotten ----------------------------------------------------------------------- */

static uint32_t take_forgets_locked(struct disk *disk, uint64_t *hashes)
{
    uint32_t count = 0;
    while (count < FORGETS_AT_ONCE && disk->forgets_count > 0) {
        hashes[count++] = disk->forgets[disk->forgets_first];
        disk->forgets_first = (disk->forgets_first + 1) % DISK_FORGETS_MAX;
        disk->forgets_count--;
    }
    return count;
}

static void write_forgets(struct disk *disk, const uint64_t *hashes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct disk_record record = {
            .magic = DISK_RECORD_MAGIC, .kind = DISK_FORGOTTEN, .hash = hashes[i]};
        bool is_written = disk__log_begin(disk, &record);
        if (is_written) {
            disk__log_append(disk, &record, sizeof record);
            disk__log_end(disk, &record, 0, 0);
            is_written = !disk->log.has_failed;
        }
        if (!is_written) {
            pthread_mutex_lock(&disk->lock);
            disk->is_untrusted = true;
            pthread_mutex_unlock(&disk->lock);
        }
    }
}

/* --- the thread ------------------------------------------------------------------------------- */

static void wait_a_while(struct disk *disk, pthread_cond_t *cond, uint64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    const uint64_t ns = (uint64_t)until.tv_nsec + ms * NS_PER_MS;
    until.tv_sec += (time_t)(ns / NS_PER_S);
    until.tv_nsec = (long)(ns % NS_PER_S);
    (void)pthread_cond_timedwait(cond, &disk->lock, &until);
}

/* Until whoever has the file lets go of it. With the lock. */
static void open_locked(struct disk *disk)
{
    while (!disk->is_open && !disk->is_stopping) {
        if (disk__take_over(disk))
            disk->is_open = true;
        else
            wait_a_while(disk, &disk->to_write, HELD_AGAIN_MS);
    }
}

/* Waits for work. False: there is none, and there will be none. */
static bool wait_for_work_locked(struct disk *disk)
{
    while (disk->writes_count == 0 && disk->forgets_count == 0 && !disk->wants_settle &&
           disk->is_untrusted == disk->is_untrusted_written) {
        if (disk->is_stopping)
            return false;
        pthread_cond_wait(&disk->to_write, &disk->lock);
    }
    return true;
}

/* What could not be found may have to be noted as gone: then it is not over yet. */
static void settle(struct disk *disk)
{
    disk__log_settle(disk);
    pthread_mutex_lock(&disk->lock);
    if (disk->forgets_count == 0) {
        disk->wants_settle = false;
        pthread_cond_broadcast(&disk->idle);
    }
    pthread_mutex_unlock(&disk->lock);
}

static void write_some(struct disk *disk, XXH3_state_t *state)
{
    uint64_t hashes[FORGETS_AT_ONCE];
    struct disk_waiting waiting;
    pthread_mutex_lock(&disk->lock);
    const bool is_distrust_new = disk->is_untrusted && !disk->is_untrusted_written;
    disk->is_untrusted_written = disk->is_untrusted;
    const uint32_t forgets_count = take_forgets_locked(disk, hashes);
    const bool has_entry = take_entry_locked(disk, &waiting);
    pthread_mutex_unlock(&disk->lock);
    if (is_distrust_new && !disk__write_header(disk, true))
        disk__count(&disk->counted.writes_failed, 1);
    write_forgets(disk, hashes, forgets_count);
    if (has_entry) {
        write_entry(disk, state, &waiting);
        store_entry_unref(waiting.entry);
    }
    pthread_mutex_lock(&disk->lock);
    if (has_entry) {
        atomic_fetch_sub(&disk->counted.queued_bytes, waiting.bytes);
        disk->handled_count++;
        pthread_cond_broadcast(&disk->idle);
    }
    const bool settles =
        disk->wants_settle || (disk->writes_count == 0 && disk->forgets_count == 0);
    pthread_mutex_unlock(&disk->lock);
    if (settles)
        settle(disk);
}

void *disk__write_all(void *self)
{
    struct disk *disk = self;
    XXH3_state_t state;
    pthread_mutex_lock(&disk->lock);
    open_locked(disk);
    while (disk->is_open && wait_for_work_locked(disk)) {
        pthread_mutex_unlock(&disk->lock);
        write_some(disk, &state);
        pthread_mutex_lock(&disk->lock);
    }
    pthread_mutex_unlock(&disk->lock);
    return NULL;
}
