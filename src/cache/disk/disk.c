/* SPDX-License-Identifier: Apache-2.0 */
/* cache/disk/disk.c - the door: what is let in, what waits, what was forgotten, and the end. */
#include "cache/disk/disk_inside.h"

#include "core/mem.h"
#include "core/units.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SEGMENTS_AIM = 256, /* so many for a large file */
    SEGMENTS_MIN = 8,
    SEEN_MIN = 4096,
    SEEN_MAX = 1 << 22,
};

#define SEGMENT_BYTES_MIN (4 * MIB)
#define SEGMENT_BYTES_MAX (1024 * MIB)
#define SLOTS_MAX         (1ull << 31)

/* --- opening ---------------------------------------------------------------------------------- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Large enough for large objects, small enough that little is lost at once. */
static uint64_t segment_bytes_for(uint64_t limit_bytes)
{
    const uint64_t small = least(SEGMENT_BYTES_MIN, limit_bytes / SEGMENTS_MIN);
    const uint64_t aim = limit_bytes / SEGMENTS_AIM;
    return least(aim > small ? aim : small, SEGMENT_BYTES_MAX) / 65536 * 65536;
}

static bool make_folders(const char *path, struct err *e)
{
    char folder[4096];
    const size_t bytes = strlen(path);
    if (bytes >= sizeof folder) {
        (void)err_set(e, ERR_LIMIT, "%s: the path is too long", path);
        return false;
    }
    for (size_t i = 1; i < bytes; i++) {
        if (path[i] != '/')
            continue;
        memcpy(folder, path, i);
        folder[i] = '\0';
        if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
            (void)err_set_errno(e, "make the folder %s", folder);
            return false;
        }
    }
    return true;
}

static bool take_memory(struct disk *disk)
{
    struct disk_log *log = &disk->log;
    const uint64_t limit = disk->options.limit_bytes;
    const uint64_t slots = least(limit / DISK_OBJECT_BYTES, SLOTS_MAX);
    log->head = log->spare = DISK_NONE;
    log->segment_bytes = segment_bytes_for(limit);
    log->segments_count =
        (uint32_t)least((limit - DISK_HEADER_BYTES) / log->segment_bytes, UINT16_MAX);
    log->segments = mem_alloc(log->segments_count * sizeof *log->segments);
    log->buffer = mem_alloc(DISK_BUFFER_BYTES);
    log->scratch = mem_alloc(DISK_READ_BYTES);
    log->copy = mem_alloc(DISK_READ_BYTES);
    disk->seen_count = SEEN_MIN;
    while (disk->seen_count < slots / 4 && disk->seen_count < SEEN_MAX)
        disk->seen_count *= 2;
    disk->seen = mem_reserve(disk->seen_count * sizeof *disk->seen);
    return log->segments != NULL && log->buffer != NULL && log->scratch != NULL &&
           log->copy != NULL && disk->seen != NULL && places_init(&disk->places, (uint32_t)slots);
}

static void close_all(struct disk *disk)
{
    struct disk_log *log = &disk->log;
    if (disk->fd >= 0)
        close(disk->fd);
    places_fini(&disk->places);
    mem_unreserve(disk->seen, disk->seen_count * sizeof *disk->seen);
    mem_free(log->segments);
    mem_free(log->items);
    mem_free(log->buffer);
    mem_free(log->scratch);
    mem_free(log->copy);
    pthread_cond_destroy(&disk->to_write);
    pthread_cond_destroy(&disk->to_read);
    pthread_cond_destroy(&disk->idle);
    pthread_mutex_destroy(&disk->lock);
    mem_free(disk);
}

static void end_threads(struct disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    disk->is_stopping = true;
    pthread_cond_broadcast(&disk->to_write);
    pthread_cond_broadcast(&disk->to_read);
    pthread_mutex_unlock(&disk->lock);
    for (unsigned i = 0; i < disk->threads_count; i++)
        pthread_join(disk->threads[i], NULL);
}

static bool start_threads(struct disk *disk, struct err *e)
{
    for (unsigned i = 0; i < 1 + DISK_READERS; i++) {
        void *(*const run)(void *) = i == 0 ? disk__write_all : disk__read_all;
        if (pthread_create(&disk->threads[i], NULL, run, disk) != 0) {
            (void)err_set(e, ERR_SYSTEM, "a thread could not be started");
            end_threads(disk);
            return false;
        }
        disk->threads_count++;
    }
    return true;
}

static bool open_file(struct disk *disk, struct err *e)
{
    const char *path = disk->options.path;
    if (!make_folders(path, e))
        return false;
    disk->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (disk->fd < 0) {
        (void)err_set_errno(e, "open %s", path);
        return false;
    }
    const enum disk_opened opened = disk__load(disk, e);
    disk->is_open = opened == DISK_OPENED;
    return opened != DISK_BROKEN;
}

struct disk *disk_open(const struct disk_options *options, struct err *e)
{
    struct disk *disk = mem_alloc(sizeof *disk);
    assert(options->limit_bytes >= DISK_LIMIT_BYTES_MIN);
    if (disk == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory for %s", options->path);
        return NULL;
    }
    disk->options = *options;
    disk->fd = -1;
    atomic_init(&disk->refs_count, 1);
    pthread_mutex_init(&disk->lock, NULL);
    pthread_cond_init(&disk->to_write, NULL);
    pthread_cond_init(&disk->to_read, NULL);
    pthread_cond_init(&disk->idle, NULL);
    list_init(&disk->reads);
    if (!take_memory(disk)) {
        (void)err_set(e, ERR_MEMORY, "no memory for %s", options->path);
        close_all(disk);
        return NULL;
    }
    if (!open_file(disk, e) || !start_threads(disk, e)) {
        close_all(disk);
        return NULL;
    }
    disk->options.path = NULL; /* it was the caller's */
    return disk;
}

struct disk *disk_ref(struct disk *disk)
{
    atomic_fetch_add_explicit(&disk->refs_count, 1, memory_order_relaxed);
    return disk;
}

void disk_unref(struct disk *disk)
{
    if (disk == NULL || atomic_fetch_sub_explicit(&disk->refs_count, 1, memory_order_acq_rel) != 1)
        return;
    end_threads(disk);
    close_all(disk);
}

/* Others may go on putting. */
void disk_drain(struct disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    const uint64_t put_count = disk->put_count;
    while (disk->handled_count < put_count)
        pthread_cond_wait(&disk->idle, &disk->lock);
    disk->wants_settle = disk->is_open;
    pthread_cond_signal(&disk->to_write);
    while (disk->wants_settle)
        pthread_cond_wait(&disk->idle, &disk->lock);
    pthread_mutex_unlock(&disk->lock);
}

/* --- forgetting ------------------------------------------------------------------------------- */

void disk__tell_file_locked(struct disk *disk, uint64_t hash)
{
    if (disk->forgets_count == DISK_FORGETS_MAX) {
        disk->is_untrusted = true;
    } else {
        const uint32_t last = disk->forgets_first + disk->forgets_count++;
        disk->forgets[last % DISK_FORGETS_MAX] = hash;
    }
    pthread_cond_signal(&disk->to_write);
}

/* The older one is not found any more. */
static void kill_locked(struct disk *disk, struct disk_slot *slot)
{
    places_kill(&disk->places, slot);
    disk__tell_file_locked(disk, slot->hash);
}

bool disk_forget(struct disk *disk, uint64_t hash, uint64_t now_ms)
{
    if (!disk->is_open)
        return false; /* and it will begin empty */
    pthread_mutex_lock(&disk->lock);
    struct disk_slot *slot = places_find(&disk->places, hash);
    gate_close(&disk->gate, hash, now_ms, clock_monotonic_ns());
    if (slot != NULL) {
        disk__count(&disk->counted.forgotten, 1);
        kill_locked(disk, slot);
    }
    pthread_mutex_unlock(&disk->lock);
    return slot != NULL;
}

/* Slot by slot, so that nobody waits for all; the file is empty after a restart. */
void disk_clear(struct disk *disk)
{
    struct places *places = &disk->places;
    disk_drain(disk);
    for (uint32_t i = 1, most = 0; i == 1 || i < most; i++) {
        pthread_mutex_lock(&disk->lock);
        disk->is_untrusted = true;
        most = places->slots_touched;
        if (i < most && places->slots[i].is_live)
            places_kill(places, &places->slots[i]);
        pthread_cond_signal(&disk->to_write);
        pthread_mutex_unlock(&disk->lock);
    }
}

void disk_replace(struct disk *disk, uint64_t hash)
{
    if (!disk->is_open)
        return;
    pthread_mutex_lock(&disk->lock);
    struct disk_slot *slot = places_find(&disk->places, hash);
    if (slot != NULL)
        kill_locked(disk, slot);
    pthread_mutex_unlock(&disk->lock);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* While there is room all are; then those that were asked for again, be it after they had left. */
static bool is_wanted_locked(struct disk *disk, const struct store_entry *entry)
{
    if (!atomic_load(&disk->has_wrapped) || entry->uses > 0)
        return true;
    uint16_t *seen = &disk->seen[entry->hash & (disk->seen_count - 1)];
    const uint16_t mark = (uint16_t)(entry->hash >> 48 | 1);
    if (*seen == mark)
        return true;
    *seen = mark;
    return false;
}

static bool has_room_locked(struct disk *disk, uint64_t bytes)
{
    const uint64_t paused_until_ns = atomic_load(&disk->paused_until_ns);
    const uint64_t queued_bytes = atomic_load(&disk->counted.queued_bytes);
    return disk->writes_count < DISK_WRITES_MAX &&
           (queued_bytes == 0 || queued_bytes + bytes <= disk->options.queue_bytes) &&
           (paused_until_ns == 0 || clock_monotonic_ns() >= paused_until_ns);
}

static void put_locked(struct disk *disk, const struct disk_waiting *waiting)
{
    struct store_entry *entry = waiting->entry;
    struct disk_slot *slot = places_find(&disk->places, entry->hash);
    if (slot != NULL && slot->version == waiting->version) {
        slot->was_read |= entry->uses > 0;
        disk__count(&disk->counted.unchanged, 1);
        return;
    }
    if (slot != NULL) /* what is there is out of date, whatever comes of this one */
        kill_locked(disk, slot);
    if (!gate_admits_new(&disk->gate, entry->hash, waiting->born_ms, clock_monotonic_ns()))
        return;
    if (!is_wanted_locked(disk, entry)) {
        disk__count(&disk->counted.unwanted, 1);
    } else if (!has_room_locked(disk, waiting->bytes)) {
        disk__count(&disk->counted.dropped_writes, 1);
    } else {
        const uint32_t last = disk->writes_first + disk->writes_count++;
        disk->writes[last % DISK_WRITES_MAX] = *waiting;
        disk->writes[last % DISK_WRITES_MAX].gate_count = disk->gate.count;
        disk->put_count++;
        (void)store_entry_ref(entry);
        disk__count(&disk->counted.queued_bytes, waiting->bytes);
        pthread_cond_signal(&disk->to_write);
    }
}

static bool is_whole(const struct store_body *body)
{
    return body == NULL || (atomic_load(&body->state) == STORE_BODY_WHOLE &&
                            atomic_load(&body->dropped_bytes) == 0);
}

void disk_put(struct disk *disk, struct store_entry *entry, uint64_t born_ms, uint32_t version)
{
    struct store_body *body = entry->body;
    const struct disk_waiting waiting = {
        .entry = entry,
        .born_ms = born_ms,
        .bytes = sizeof(struct disk_record) + (uint64_t)entry->front_bytes + entry->key_bytes +
                 (body == NULL ? 0 : atomic_load(&body->ready_bytes)),
        .version = version,
    };
    if (!disk->is_open || !is_whole(body) ||
        waiting.bytes + DISK_UNIT_BYTES + disk_table_bytes(1) > disk->log.segment_bytes)
        return;
    pthread_mutex_lock(&disk->lock);
    put_locked(disk, &waiting);
    pthread_mutex_unlock(&disk->lock);
}

/* --- reading ---------------------------------------------------------------------------------- */

bool disk_find(struct disk *disk, uint64_t hash)
{
    if (!disk->is_open)
        return false;
    pthread_mutex_lock(&disk->lock);
    const bool is_there = places_find(&disk->places, hash) != NULL;
    pthread_mutex_unlock(&disk->lock);
    return is_there;
}

bool disk_get(struct disk *disk, struct disk_read *read)
{
    pthread_mutex_lock(&disk->lock);
    const bool is_there = places_find(&disk->places, read->key.hash) != NULL;
    const bool has_room = disk->reads_count < DISK_READS_MAX;
    if (is_there && has_room) {
        read->disk = disk;
        list_add_last(&disk->reads, &read->link);
        disk->reads_count++;
        pthread_cond_signal(&disk->to_read);
    }
    pthread_mutex_unlock(&disk->lock);
    if (!is_there)
        disk__count(&disk->counted.misses, 1);
    else if (!has_room)
        disk__count(&disk->counted.reads_refused, 1);
    return is_there && has_room;
}

/* --- figures ---------------------------------------------------------------------------------- */

void disk_read_figures(struct disk *disk, struct disk_figures *figures)
{
    struct stat s;
#define X(name, sort, help) figures->name = atomic_load(&disk->counted.name);
    DISK_FIGURES(X)
#undef X
    figures->limit_bytes = disk->options.limit_bytes;
    if (fstat(disk->fd, &s) == 0)
        figures->used_bytes = (uint64_t)s.st_blocks * 512;
    pthread_mutex_lock(&disk->lock);
    figures->objects = disk->places.live_count;
    figures->live_bytes = disk->places.live_units * DISK_UNIT_BYTES;
    figures->index_bytes = places_bytes(&disk->places);
    pthread_mutex_unlock(&disk->lock);
}
