/* SPDX-License-Identifier: Apache-2.0 */
/* cache/disk/log.c - records are appended to the head segment; when it is full the next is begun,
 * and the oldest is emptied to be the one after.
 *
 * One segment is always empty, so that what is moved out of the oldest has a place. A write that
 * fails takes the log back to the last record that can be found. A full disk is as a smaller
 * limit: what was written once is written over. */
#include "cache/disk/disk_inside.h"

#include "core/mem.h"
#include "core/units.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
    PAUSE_MS = 200,    /* without writes after one that failed */
    FULL_AGAIN_S = 60, /* until a full disk is asked for more */
    ITEMS_MIN = 1024,
    DROP_AT_ONCE = 64, /* slots under one hold of the lock */
};

bool disk__read_at(const struct disk *disk, void *to, size_t bytes, uint64_t at)
{
    uint8_t *into = to;
    while (bytes > 0) {
        const ssize_t got = pread(disk->fd, into, bytes, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        into += got;
        at += (uint64_t)got;
        bytes -= (size_t)got;
    }
    return true;
}

static bool write_at(const struct disk *disk, const void *from, size_t bytes, uint64_t at)
{
    const uint8_t *next = from;
    while (bytes > 0) {
        const ssize_t put = pwrite(disk->fd, next, bytes, (off_t)at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            errno = put == 0 ? ENOSPC : errno;
            return false;
        }
        next += put;
        at += (uint64_t)put;
        bytes -= (size_t)put;
    }
    return true;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* What was to be forgotten would be there again after a restart. */
static void distrust(struct disk *disk)
{
    const struct disk_log *log = &disk->log;
    for (uint32_t i = log->safe_items; i < log->items_count; i++)
        if (log->items[i].kind == DISK_FORGOTTEN) {
            pthread_mutex_lock(&disk->lock);
            disk->is_untrusted = true;
            pthread_mutex_unlock(&disk->lock);
            return;
        }
}

static void fail(struct disk *disk)
{
    struct disk_log *log = &disk->log;
    const uint64_t now_ns = clock_monotonic_ns();
    const int error = errno;
    disk__count(&disk->counted.writes_failed, 1);
    atomic_store(&disk->paused_until_ns, now_ns + PAUSE_MS * NS_PER_MS);
    if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
        log->is_full = log->is_stuck = true;
        log->full_until_ns = now_ns + FULL_AGAIN_S * NS_PER_S;
        if (log->safe_units == 0)
            log->segments[log->head].lap = 0;
    }
    distrust(disk);
    log->has_failed = true;
    log->buffer_bytes = 0;
    log->pending_count = 0;
    log->at_units = log->safe_units;
    log->sent_bytes = log->safe_units * DISK_UNIT_BYTES;
    log->items_count = log->safe_items;
}

/* Writing back begins at once, so that the kernel does not collect it and then hold all up. */
static void flush(struct disk *disk)
{
    struct disk_log *log = &disk->log;
    if (log->buffer_bytes == 0)
        return;
    const uint64_t at = disk__at(disk, log->head, 0) + log->sent_bytes;
    if (!write_at(disk, log->buffer, log->buffer_bytes, at)) {
        fail(disk);
        return;
    }
    (void)sync_file_range(disk->fd, (off_t)at, log->buffer_bytes, SYNC_FILE_RANGE_WRITE);
    disk__count(&disk->counted.written_bytes, log->buffer_bytes);
    log->sent_bytes += log->buffer_bytes;
    log->buffer_bytes = 0;
}

void disk__log_append(struct disk *disk, const void *at, size_t bytes)
{
    struct disk_log *log = &disk->log;
    const uint8_t *from = at;
    while (bytes > 0 && !log->has_failed) {
        const size_t room = DISK_BUFFER_BYTES - log->buffer_bytes;
        const size_t count = bytes < room ? bytes : room;
        memcpy(log->buffer + log->buffer_bytes, from, count);
        log->buffer_bytes += (uint32_t)count;
        from += count;
        bytes -= count;
        if (log->buffer_bytes == DISK_BUFFER_BYTES)
            flush(disk);
    }
}

/* One that was moved may have been replaced or forgotten since it was read. */
static bool is_still_good(struct disk *disk, const struct disk_pending *pending)
{
    if (!gate_admits(&disk->gate, pending->slot.hash, pending->gate_count)) {
        disk__tell_file_locked(disk, pending->slot.hash);
        return false;
    }
    const struct disk_slot *from = &disk->places.slots[pending->moved_from];
    return pending->moved_from == 0 || (from->is_live && from->hash == pending->slot.hash);
}

static void publish(struct disk *disk)
{
    struct disk_log *log = &disk->log;
    uint32_t *first = &log->segments[log->head].first_slot;
    pthread_mutex_lock(&disk->lock);
    for (uint32_t i = 0; i < log->pending_count; i++) {
        const struct disk_pending *pending = &log->pending[i];
        if (!is_still_good(disk, pending))
            continue;
        if (places_add(&disk->places, &pending->slot, first) == NULL)
            disk__tell_file_locked(disk, pending->slot.hash);
        else if (pending->moved_from == 0)
            disk__count(&disk->counted.writes, 1);
        else
            disk__count(&disk->counted.moved, 1);
    }
    pthread_mutex_unlock(&disk->lock);
    log->pending_count = 0;
}

void disk__log_settle(struct disk *disk)
{
    struct disk_log *log = &disk->log;
    flush(disk);
    if (log->at_units == log->safe_units)
        return;
    log->safe_units = log->at_units;
    log->safe_items = log->items_count;
    publish(disk);
}

/* --- segments --------------------------------------------------------------------------------- */

/* Without it the segment is read record by record when the file is opened. */
static void write_table(struct disk *disk)
{
    const struct disk_log *log = &disk->log;
    struct disk_footer footer = {
        .items_count = log->items_count,
        .lap = log->segments[log->head].lap,
    };
    const uint64_t end = disk__at(disk, log->head + 1, 0);
    if (log->items_count == 0)
        return;
    disk__footer_seal(&footer, log->items, disk->id);
    if (write_at(disk, log->items, log->items_count * sizeof *log->items,
                 end - disk_table_bytes(log->items_count)) &&
        write_at(disk, &footer, sizeof footer, end - sizeof footer))
        disk__count(&disk->counted.written_bytes, disk_table_bytes(log->items_count));
}

static bool fits(const struct disk_log *log, uint64_t units)
{
    return (log->at_units + units) * DISK_UNIT_BYTES + disk_table_bytes(log->items_count + 1u) <=
           log->segment_bytes;
}

/* Appends what lies in a slot once more, if there is room in the head: it begins no segment. */
static void move(struct disk *disk, const struct disk_slot *slot, uint32_t index,
                 uint64_t gate_count)
{
    struct disk_log *log = &disk->log;
    struct disk_record record;
    uint64_t at = disk__at(disk, slot->segment, slot->at_units);
    uint64_t left = (uint64_t)slot->units * DISK_UNIT_BYTES - sizeof record;
    if (log->is_stuck || !fits(log, slot->units) ||
        !disk__read_at(disk, &record, sizeof record, at) ||
        !disk__record_is_right(&record, disk->id) || record.hash != slot->hash ||
        disk_record_units(&record) != slot->units || !disk__log_begin(disk, &record))
        return;
    disk__log_append(disk, &record, sizeof record);
    at += sizeof record;
    while (left > 0) {
        const size_t bytes = left < DISK_READ_BYTES ? (size_t)left : DISK_READ_BYTES;
        if (!disk__read_at(disk, log->scratch, bytes, at))
            memset(log->scratch, 0, bytes); /* its checksum will tell */
        disk__log_append(disk, log->scratch, bytes);
        at += bytes;
        left -= bytes;
    }
    disk__log_end(disk, &record, gate_count, index);
}

/* What was read of the oldest segment stays, as long as it is not too much. */
static void move_wanted(struct disk *disk, const struct disk_segment *segment)
{
    uint64_t room = disk->log.segment_bytes / DISK_MOVED_SHARE / DISK_UNIT_BYTES;
    uint32_t index = segment->first_slot;
    while (index != 0) {
        pthread_mutex_lock(&disk->lock);
        const struct disk_slot slot = disk->places.slots[index];
        const bool may_move = disk->walkers_count == 0;
        const uint64_t gate_count = disk->gate.count;
        pthread_mutex_unlock(&disk->lock);
        if (slot.is_live && slot.was_read && slot.units <= room && may_move) {
            room -= slot.units;
            move(disk, &slot, index, gate_count);
        }
        index = slot.next_in_segment;
    }
    disk__log_settle(disk);
}

static void empty(struct disk *disk, struct disk_segment *segment)
{
    atomic_store(&disk->has_wrapped, true);
    if (disk->log.head != DISK_NONE)
        move_wanted(disk, segment);
    while (segment->first_slot != 0) {
        pthread_mutex_lock(&disk->lock);
        const uint32_t lived = places_drop(&disk->places, &segment->first_slot, DROP_AT_ONCE);
        pthread_mutex_unlock(&disk->lock);
        disk__count(&disk->counted.evicted, lived);
    }
}

static uint32_t find_spare(struct disk *disk)
{
    struct disk_log *log = &disk->log;
    uint32_t oldest = DISK_NONE;
    if (log->is_full && clock_monotonic_ns() >= log->full_until_ns)
        log->is_full = false;
    for (uint32_t i = 0; i < log->segments_count; i++) {
        const uint64_t lap = log->segments[i].lap;
        if (i == log->head || (lap == 0 && log->is_full))
            continue;
        if (lap == 0)
            return i;
        if (oldest == DISK_NONE || lap < log->segments[oldest].lap)
            oldest = i;
    }
    if (oldest != DISK_NONE)
        empty(disk, &log->segments[oldest]);
    return oldest;
}

bool disk__log_advance(struct disk *disk)
{
    struct disk_log *log = &disk->log;
    if (log->head != DISK_NONE) {
        disk__log_settle(disk);
        write_table(disk);
    }
    if (log->spare != DISK_NONE && log->is_full && log->segments[log->spare].lap == 0)
        log->spare = DISK_NONE;
    if (log->spare == DISK_NONE)
        log->spare = find_spare(disk);
    if (log->spare == DISK_NONE)
        return false;
    log->head = log->spare;
    log->segments[log->head].lap = ++log->laps_count;
    log->at_units = log->safe_units = log->sent_bytes = 0;
    log->items_count = log->safe_items = 0;
    log->is_stuck = log->has_failed = false;
    log->spare = DISK_NONE;
    log->spare = find_spare(disk);
    return true;
}

/* --- records ---------------------------------------------------------------------------------- */

static bool has_item_room(struct disk_log *log)
{
    if (log->items_count < log->items_max)
        return true;
    const uint32_t most = log->items_max == 0 ? ITEMS_MIN : log->items_max * 2;
    struct disk_item *items = mem_resize(log->items, most * sizeof *items);
    if (items == NULL)
        return false;
    log->items = items;
    log->items_max = most;
    return true;
}

bool disk__log_begin(struct disk *disk, struct disk_record *record)
{
    struct disk_log *log = &disk->log;
    const uint64_t units = disk_record_units(record);
    log->has_failed = false;
    if (!has_item_room(log) || units * DISK_UNIT_BYTES + disk_table_bytes(1) > log->segment_bytes)
        return false;
    if ((log->head == DISK_NONE || log->is_stuck || !fits(log, units)) && !disk__log_advance(disk))
        return false;
    if (!fits(log, units)) /* what was moved has filled it */
        return false;
    record->lap = log->segments[log->head].lap;
    disk__record_seal(record, disk->id);
    return true;
}

void disk__log_end(struct disk *disk, const struct disk_record *record, uint64_t gate_count,
                   uint32_t moved_from)
{
    static const uint8_t nothing[DISK_UNIT_BYTES];
    struct disk_log *log = &disk->log;
    const uint64_t units = disk_record_units(record);
    const uint64_t end = (log->at_units + units) * DISK_UNIT_BYTES;
    const uint64_t filled = log->sent_bytes + log->buffer_bytes;
    if (!log->has_failed && filled < end)
        disk__log_append(disk, nothing, (size_t)(end - filled));
    if (log->has_failed)
        return;
    log->items[log->items_count++] = (struct disk_item){
        .hash = record->hash,
        .at_units = (uint32_t)log->at_units,
        .units = (uint32_t)units,
        .version = record->version,
        .kind = record->kind,
    };
    if (record->kind == DISK_OBJECT)
        log->pending[log->pending_count++] = (struct disk_pending){
            .slot = {.hash = record->hash,
                     .at_units = (uint32_t)log->at_units,
                     .units = (uint32_t)units,
                     .version = record->version,
                     .segment = (uint16_t)log->head},
            .gate_count = gate_count,
            .moved_from = moved_from,
        };
    log->at_units += units;
    if (log->pending_count == DISK_PENDING_MAX)
        disk__log_settle(disk);
}
