/* SPDX-License-Identifier: Apache-2.0 */
/* cache/disk/disk_inside.h - inside the disk: what its threads share, and the log that one writes.
 *
 *     disk.c    the door: queues, limits, admission, figures, the end
 *     open.c    the file is made, or read to find what is in it
 *     log.c     records are appended, segments begun and overwritten
 *     writer.c  the thread that writes: entries and what was forgotten
 *     reader.c  the threads that read
 *     places.c  where everything lies
 *
 * What is written is found only after it is in the file whole, so that a reader never meets the
 * buffer. */
#ifndef PANDO_CACHE_DISK_DISK_INSIDE_H
#define PANDO_CACHE_DISK_DISK_INSIDE_H

#include "cache/disk/disk.h"
#include "cache/disk/format.h"
#include "cache/disk/gate.h"
#include "cache/disk/places.h"
#include "core/list.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    DISK_BUFFER_BYTES = 1024 * 1024, /* of the writer; a write is at most that large */
    DISK_READ_BYTES = 512 * 1024,    /* of a reader; a front and its key fit */
    DISK_PENDING_MAX = 256,          /* records that are found together */
    DISK_MOVED_SHARE = 4,            /* of a segment, what is moved out of one at most */
};

#define DISK_NONE UINT32_MAX

struct disk_segment {
    uint64_t lap;        /* 0: it was never written */
    uint32_t first_slot; /* the lock's */
};

/* In the buffer, or in the file but not to be found yet. */
struct disk_pending {
    struct disk_slot slot;
    uint64_t         gate_count; /* when it set out */
    uint32_t         moved_from; /* a slot; 0: it is new */
};

/* The writer's own, but for what disk_segment says. */
struct disk_log {
    struct disk_segment *segments;
    uint32_t             segments_count;
    uint64_t             segment_bytes;
    uint64_t             laps_count;
    uint32_t             head, spare; /* that is written, and the one to be next; DISK_NONE */
    uint64_t             at_units;    /* appended to the head */
    uint64_t             sent_bytes;  /* of it, given to the file */
    uint64_t             safe_units;  /* of it, whole records that are found */
    struct disk_item    *items;       /* the head's table of contents */
    uint32_t             items_count, items_max, safe_items;
    uint8_t             *buffer;
    uint32_t             buffer_bytes;
    uint8_t             *scratch; /* DISK_READ_BYTES, to move records */
    uint8_t             *copy;    /* likewise, of the front and key that are being written */
    struct disk_pending  pending[DISK_PENDING_MAX];
    uint32_t             pending_count;
    bool                 has_failed;    /* the record that is being appended is lost */
    bool                 is_full;       /* the disk: no segment is begun that was never written */
    bool                 is_stuck;      /* the head can take no more */
    uint64_t             full_until_ns; /* then it is tried again */
};

struct disk_waiting {
    struct store_entry *entry; /* a reference */
    uint64_t            born_ms;
    uint64_t            bytes;
    uint64_t            gate_count;
    uint32_t            version;
};

struct disk {
    struct disk_options options;
    _Atomic uint32_t    refs_count;
    int                 fd;
    uint64_t            id; /* the file's */
    struct disk_log     log;

    pthread_mutex_t lock;
    pthread_cond_t  to_write, to_read, idle;
    _Atomic bool    is_open; /* the file is ours; under the lock, as what follows */
    bool            is_stopping;
    bool            wants_settle;             /* somebody waits until all that was put is found */
    uint64_t        put_count, handled_count; /* entries that came, and that the writer let go of */
    bool            is_untrusted, is_untrusted_written;
    struct places   places;
    struct disk_waiting writes[DISK_WRITES_MAX]; /* a ring */
    uint32_t            writes_first, writes_count;
    uint64_t            forgets[DISK_FORGETS_MAX]; /* a ring of hashes */
    uint32_t            forgets_first, forgets_count;
    struct gate         gate;
    struct list         reads;
    uint32_t            reads_count;
    uint16_t           *seen; /* of hashes that were asked for once; by hash */
    uint32_t            seen_count;
    uint32_t            walkers_count; /* nothing is moved meanwhile */

    _Atomic bool     has_wrapped;     /* there was no room for all */
    _Atomic uint64_t paused_until_ns; /* no entries are taken */
    struct {
#define X(name, sort, help) _Atomic uint64_t name;
        DISK_FIGURES(X)
#undef X
    } counted;
    pthread_t           threads[1 + DISK_READERS];
    unsigned            threads_count;
};

static inline void disk__count(_Atomic uint64_t *figure, uint64_t more)
{
    atomic_fetch_add_explicit(figure, more, memory_order_relaxed);
}

static inline uint64_t disk__at(const struct disk *disk, uint32_t segment, uint64_t units)
{
    return DISK_HEADER_BYTES + segment * disk->log.segment_bytes + units * DISK_UNIT_BYTES;
}

/* All @bytes bytes at that place. False: an error, or the file ends. */
bool disk__read_at(const struct disk *disk, void *to, size_t bytes, uint64_t at) must_check;

/* Notes that the file has to say that @hash is gone. With the lock. */
void disk__tell_file_locked(struct disk *disk, uint64_t hash);

/* --- open.c ----------------------------------------------------------------------------------- */

enum disk_opened { DISK_OPENED, DISK_HELD, DISK_BROKEN };

/* Takes the lock of the file, reads what is in it and begins the log. HELD: another has the lock;
 * BROKEN: @e says why. */
enum disk_opened disk__load(struct disk *disk, struct err *e) must_check;

/* The same for one that was HELD, which begins empty. False: it is still held, or broken. */
bool disk__take_over(struct disk *disk) must_check;

/* Writes the header anew. False: it could not be. */
bool disk__write_header(struct disk *disk, bool is_untrusted) must_check;

/* --- log.c; the writer ------------------------------------------------------------------------ */

/* Room for a record of that size at the end of the log; may begin a segment and overwrite another.
 * False: there is none. */
bool disk__log_begin(struct disk *disk, struct disk_record *record) must_check;

/* The record's head, then its parts, in order. */
void disk__log_append(struct disk *disk, const void *at, size_t bytes);

/* The record is whole. @gate_count: when it set out. @moved_from: a slot; 0: it is new. */
void disk__log_end(struct disk *disk, const struct disk_record *record, uint64_t gate_count,
                   uint32_t moved_from);

/* All that was appended is in the file and can be found. */
void disk__log_settle(struct disk *disk);

/* Chooses the segments to be written next. False: there is none. */
bool disk__log_advance(struct disk *disk);

/* --- threads ---------------------------------------------------------------------------------- */

/* What they do until the disk is stopping. */
void *disk__write_all(void *disk);

/* Likewise. */
void *disk__read_all(void *disk);

#endif
