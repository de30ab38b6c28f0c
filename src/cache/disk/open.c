/* SPDX-License-Identifier: Apache-2.0 */
/* cache/disk/open.c - the file is made, or what is in it is found: oldest segment first, so that
 * what was written later under a hash holds. */
#include "cache/disk/disk_inside.h"

#include "core/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static bool read_header(int fd, uint32_t format, struct disk_header *header)
{
    return pread(fd, header, sizeof *header, 0) == (ssize_t)sizeof *header &&
           disk__header_is_right(header) && header->owner_format == format && !header->is_untrusted;
}

bool disk_read_key(const char *path, uint32_t format, struct hash_key *key)
{
    struct disk_header header;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const bool is_there = fd >= 0 && read_header(fd, format, &header);
    if (is_there)
        *key = header.key;
    if (fd >= 0)
        close(fd);
    return is_there;
}

bool disk__write_header(struct disk *disk, bool is_untrusted)
{
    const struct disk_options *options = &disk->options;
    struct disk_header header = {
        .magic = DISK_MAGIC,
        .format = DISK_FORMAT,
        .owner_format = options->format,
        .segment_bytes = disk->log.segment_bytes,
        .key = options->key,
        .id = disk->id,
        .is_untrusted = is_untrusted,
    };
    disk__header_seal(&header);
    return pwrite(disk->fd, &header, sizeof header, 0) == (ssize_t)sizeof header;
}

/* --- what is in a segment --------------------------------------------------------------------- */

/* Where the log goes on if this is the newest segment. */
struct found {
    uint64_t lap; /* 0: nothing is in it */
    uint64_t end_units;
    bool     has_table;
};

static bool read_record(const struct disk *disk, uint32_t segment, uint64_t at_units,
                        struct disk_record *record)
{
    const uint64_t end_units = disk->log.segment_bytes / DISK_UNIT_BYTES;
    return at_units < end_units &&
           disk__read_at(disk, record, sizeof *record, disk__at(disk, segment, at_units)) &&
           disk__record_is_right(record, disk->id) &&
           at_units + disk_record_units(record) <= end_units;
}

static bool add_item(struct disk *disk, const struct disk_item *item)
{
    struct disk_log *log = &disk->log;
    if (log->items_count == log->items_max) {
        const uint32_t most = log->items_max == 0 ? 1024 : log->items_max * 2;
        struct disk_item *items = mem_resize(log->items, most * sizeof *items);
        if (items == NULL)
            return false;
        log->items = items;
        log->items_max = most;
    }
    log->items[log->items_count++] = *item;
    return true;
}

/* False: it has none of this lap. */
static bool read_table(struct disk *disk, uint32_t segment, uint64_t lap)
{
    struct disk_log *log = &disk->log;
    const uint64_t end = disk__at(disk, segment + 1, 0);
    struct disk_footer footer;
    if (!disk__read_at(disk, &footer, sizeof footer, end - sizeof footer) ||
        !disk__footer_is_right(&footer, disk->id) || footer.lap != lap ||
        disk_table_bytes(footer.items_count) > log->segment_bytes)
        return false;
    if (footer.items_count > log->items_max) {
        struct disk_item *items = mem_resize(log->items, footer.items_count * sizeof *items);
        if (items == NULL)
            return false;
        log->items = items;
        log->items_max = footer.items_count;
    }
    log->items_count = footer.items_count;
    return disk__read_at(disk, log->items, footer.items_count * sizeof *log->items,
                         end - disk_table_bytes(footer.items_count)) &&
           disk__items_are_right(&footer, log->items, disk->id);
}

static void read_records(struct disk *disk, uint32_t segment, struct found *found)
{
    struct disk_record record;
    disk->log.items_count = 0;
    while (read_record(disk, segment, found->end_units, &record) && record.lap == found->lap) {
        const struct disk_item item = {
            .hash = record.hash,
            .at_units = (uint32_t)found->end_units,
            .units = (uint32_t)disk_record_units(&record),
            .version = record.version,
            .kind = record.kind,
        };
        if (!add_item(disk, &item))
            return;
        found->end_units += item.units;
    }
}

/* Fills the log's items with what is in it. */
static void read_segment(struct disk *disk, uint32_t segment, struct found *found)
{
    found->has_table = read_table(disk, segment, found->lap);
    if (!found->has_table)
        read_records(disk, segment, found);
}

static void take_items(struct disk *disk, uint32_t segment)
{
    struct disk_log *log = &disk->log;
    for (uint32_t i = 0; i < log->items_count; i++) {
        const struct disk_item *item = &log->items[i];
        const struct disk_slot slot = {
            .hash = item->hash,
            .at_units = item->at_units,
            .units = item->units,
            .version = item->version,
            .segment = (uint16_t)segment,
        };
        struct disk_slot *older = places_find(&disk->places, item->hash);
        if (item->kind == DISK_OBJECT)
            (void)places_add(&disk->places, &slot, &log->segments[segment].first_slot);
        else if (older != NULL)
            places_kill(&disk->places, older);
    }
}

/* The segment of the lowest lap above @lap; DISK_NONE: there is none. */
static uint32_t next_segment(const struct disk_log *log, uint64_t lap)
{
    uint32_t best = DISK_NONE;
    for (uint32_t i = 0; i < log->segments_count; i++)
        if (log->segments[i].lap > lap &&
            (best == DISK_NONE || log->segments[i].lap < log->segments[best].lap))
            best = i;
    return best;
}

/* The log goes on in the newest segment if that is not full. */
static void read_all(struct disk *disk)
{
    struct disk_log *log = &disk->log;
    struct disk_record record;
    struct found found = {0};
    uint32_t newest = DISK_NONE;
    for (uint32_t i = 0; i < log->segments_count; i++)
        log->segments[i].lap = read_record(disk, i, 0, &record) ? record.lap : 0;
    for (uint32_t i; (i = next_segment(log, log->laps_count)) != DISK_NONE;) {
        found = (struct found){.lap = log->segments[i].lap};
        read_segment(disk, i, &found);
        take_items(disk, i);
        log->laps_count = found.lap;
        newest = i;
    }
    if (newest == DISK_NONE || found.has_table) {
        log->items_count = 0;
        return;
    }
    log->head = newest;
    log->at_units = log->safe_units = found.end_units;
    log->sent_bytes = found.end_units * DISK_UNIT_BYTES;
    log->safe_items = log->items_count;
}

/* --- the file --------------------------------------------------------------------------------- */

static bool make(struct disk *disk, struct err *e)
{
    if (ftruncate(disk->fd, 0) != 0 ||
        getrandom(&disk->id, sizeof disk->id, 0) != (ssize_t)sizeof disk->id ||
        !disk__write_header(disk, false)) {
        (void)err_set_errno(e, "write %s", disk->options.path);
        return false;
    }
    return true;
}

static bool is_same_key(const struct hash_key *a, const struct hash_key *b)
{
    return a->k[0] == b->k[0] && a->k[1] == b->k[1];
}

/* Also of a file that was made for a larger limit, all but what lies behind the limit. */
static bool load(struct disk *disk, struct err *e)
{
    struct disk_header header;
    struct stat s;
    if (!read_header(disk->fd, disk->options.format, &header) ||
        header.segment_bytes != disk->log.segment_bytes ||
        !is_same_key(&header.key, &disk->options.key))
        return make(disk, e);
    const uint64_t most = disk__at(disk, disk->log.segments_count, 0);
    if (fstat(disk->fd, &s) == 0 && (uint64_t)s.st_size > most &&
        ftruncate(disk->fd, (off_t)most) != 0)
        return make(disk, e);
    disk->id = header.id;
    read_all(disk);
    return true;
}

static bool lock(const struct disk *disk)
{
    return flock(disk->fd, LOCK_EX | LOCK_NB) == 0;
}

enum disk_opened disk__load(struct disk *disk, struct err *e)
{
    if (!lock(disk))
        return DISK_HELD;
    (void)posix_fadvise(disk->fd, 0, 0, POSIX_FADV_RANDOM);
    return load(disk, e) ? DISK_OPENED : DISK_BROKEN;
}

/* What the other has kept is not looked at: it may have been forgotten here meanwhile. */
bool disk__take_over(struct disk *disk)
{
    struct err e;
    return lock(disk) && make(disk, &e);
}
