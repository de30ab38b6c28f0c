/* SPDX-License-Identifier: Apache-2.0 */
/* cache/disk/reader.c - the threads that read: a record becomes an entry of the store, if it is
 * whole and the one that was asked for.
 *
 * Nothing is held while a record is read. If its segment is written over meanwhile, then the
 * checksum says so. */
#include "cache/disk/disk_inside.h"

#include "core/mem.h"
#include "loop/loop.h"

#include <string.h>

#define XXH_STATIC_LINKING_ONLY /* the state's size, so that it lies on the stack */
#include <xxhash.h>

enum { FIRST_BYTES = 64 * 1024 }; /* most records are read at once */

/* A record that is being read. */
struct reading {
    struct disk       *disk;
    uint8_t           *buffer;     /* DISK_READ_BYTES */
    uint64_t           at;         /* in the file, of the record */
    uint64_t           bytes;      /* of the record */
    uint64_t           got;        /* of it, that lie in the buffer */
    uint64_t           gate_count; /* when it set out */
    struct disk_record record;
    XXH3_state_t       state;
};

static bool read_some(struct reading *reading, uint64_t until)
{
    if (until > reading->bytes)
        until = reading->bytes;
    if (until <= reading->got)
        return true;
    if (!disk__read_at(reading->disk, reading->buffer + reading->got, until - reading->got,
                       reading->at + reading->got))
        return false;
    reading->got = until;
    return true;
}

/* Its head, front and key are in the buffer afterwards. */
static bool read_front(struct reading *reading)
{
    struct disk_record *record = &reading->record;
    if (!read_some(reading, FIRST_BYTES))
        return false;
    memcpy(record, reading->buffer, sizeof *record);
    const uint64_t bytes = sizeof *record + (uint64_t)record->front_bytes + record->key_bytes;
    return disk__record_is_right(record, reading->disk->id) && record->kind == DISK_OBJECT &&
           disk_record_units(record) * DISK_UNIT_BYTES == reading->bytes &&
           record->front_bytes <= STORE_FRONT_BYTES_MAX && bytes <= DISK_READ_BYTES &&
           read_some(reading, bytes);
}

static const uint8_t *front_of(const struct reading *reading)
{
    return reading->buffer + sizeof reading->record;
}

static const uint8_t *key_of(const struct reading *reading)
{
    return front_of(reading) + reading->record.front_bytes;
}

static bool take(struct reading *reading, struct store_body *body, const uint8_t *at, size_t bytes)
{
    (void)XXH3_64bits_update(&reading->state, at, bytes);
    return store_body_append(body, at, bytes) == bytes;
}

/* What of it is in the buffer first, then the rest. */
static bool read_body(struct reading *reading, struct store_body *body)
{
    const struct disk_record *record = &reading->record;
    const uint64_t before = sizeof *record + (uint64_t)record->front_bytes + record->key_bytes;
    uint64_t left = record->body_bytes;
    uint64_t bytes = reading->got - before < left ? reading->got - before : left;
    uint64_t at = reading->at + before + bytes;
    if (!take(reading, body, reading->buffer + before, bytes))
        return false;
    for (left -= bytes; left > 0; left -= bytes, at += bytes) {
        bytes = left < DISK_READ_BYTES ? left : DISK_READ_BYTES;
        if (!disk__read_at(reading->disk, reading->buffer, bytes, at) ||
            !take(reading, body, reading->buffer, bytes))
            return false;
    }
    return true;
}

static bool fill(struct reading *reading, struct store *store, struct store_entry *entry,
                 const struct store_key *key)
{
    const struct disk_record *record = &reading->record;
    const size_t bytes = (size_t)record->front_bytes + record->key_bytes;
    memcpy(store_entry_front(entry), front_of(reading), record->front_bytes);
    (void)XXH3_64bits_reset(&reading->state);
    (void)XXH3_64bits_update(&reading->state, front_of(reading), bytes);
    bool is_whole = true;
    if (record->has_body) {
        entry->body = store_body_new(store, key);
        is_whole = entry->body != NULL && read_body(reading, entry->body);
        is_whole = is_whole && XXH3_64bits_digest(&reading->state) == record->content_sum;
        if (entry->body != NULL)
            store_body_end(entry->body, is_whole);
        return is_whole;
    }
    return XXH3_64bits_digest(&reading->state) == record->content_sum;
}

/* An entry that is not put yet, or NULL. @was_torn: it is of no use to anybody. */
static struct store_entry *load(struct reading *reading, struct disk_read *read, bool *was_torn)
{
    const struct disk_record *record = &reading->record;
    *was_torn = !read_front(reading) || record->hash != read->key.hash;
    if (*was_torn || record->key_bytes != read->key.bytes ||
        memcmp(key_of(reading), read->key.at, read->key.bytes) != 0)
        return NULL;
    struct store_entry *entry = store_entry_new(read->store, &read->key, record->front_bytes);
    if (entry == NULL)
        return NULL;
    const bool is_whole = fill(reading, read->store, entry, &read->key);
    if (is_whole && (read->accepts == NULL || read->accepts(read, entry)))
        return entry;
    *was_torn = true;
    store_entry_unref(entry);
    return NULL;
}

static bool is_at(const struct disk_slot *slot, const struct disk_slot *place)
{
    return slot != NULL && slot->segment == place->segment && slot->at_units == place->at_units;
}

/* Whoever forgets first closes the gate and then looks into the store; here it is the opposite, so
 * one of both sees it. */
static bool put(struct disk *disk, const struct disk_slot *place, const struct reading *reading,
                struct store *store, struct store_entry *entry)
{
    store_put(store, entry);
    pthread_mutex_lock(&disk->lock);
    const bool is_forgotten = !gate_admits(&disk->gate, place->hash, reading->gate_count);
    struct disk_slot *slot = places_find(&disk->places, place->hash);
    if (is_at(slot, place))
        slot->was_read = true;
    pthread_mutex_unlock(&disk->lock);
    if (is_forgotten)
        (void)store_remove(store, entry);
    (void)store_settle(store, entry);
    return !is_forgotten;
}

static void failed(struct disk *disk, const struct disk_slot *place, bool was_torn)
{
    pthread_mutex_lock(&disk->lock);
    struct disk_slot *slot = places_find(&disk->places, place->hash);
    const bool is_there = is_at(slot, place);
    if (is_there && was_torn)
        places_kill(&disk->places, slot);
    pthread_mutex_unlock(&disk->lock);
    disk__count(is_there ? &disk->counted.reads_failed : &disk->counted.misses, 1);
}

static void serve(struct disk *disk, struct disk_read *read, const struct disk_slot *place,
                  struct reading *reading)
{
    bool was_torn;
    reading->at = disk__at(disk, place->segment, place->at_units);
    reading->bytes = (uint64_t)place->units * DISK_UNIT_BYTES;
    reading->got = 0;
    read->entry = load(reading, read, &was_torn);
    if (read->entry == NULL) {
        failed(disk, place, was_torn);
        return;
    }
    if (!put(disk, place, reading, read->store, read->entry)) {
        store_entry_unref(read->entry);
        read->entry = NULL;
        disk__count(&disk->counted.misses, 1);
        return;
    }
    disk__count(&disk->counted.hits, 1);
    disk__count(&disk->counted.hit_bytes, reading->bytes);
}

static void answer(struct post *post)
{
    struct disk_read *read = list_item(post, struct disk_read, post);
    read->done(read, read->entry);
}

void *disk__read_all(void *self)
{
    struct disk *disk = self;
    struct reading reading = {.disk = disk, .buffer = mem_alloc(DISK_READ_BYTES)};
    pthread_mutex_lock(&disk->lock);
    for (;;) {
        struct list_link *link = list_first(&disk->reads);
        if (link == NULL && disk->is_stopping)
            break;
        if (link == NULL) {
            pthread_cond_wait(&disk->to_read, &disk->lock);
            continue;
        }
        struct disk_read *read = list_item(link, struct disk_read, link);
        const struct disk_slot *slot = places_find(&disk->places, read->key.hash);
        const struct disk_slot place = slot == NULL ? (struct disk_slot){0} : *slot;
        list_remove(link);
        disk->reads_count--;
        reading.gate_count = disk->gate.count;
        pthread_mutex_unlock(&disk->lock);
        read->entry = NULL;
        if (place.units > 0 && reading.buffer != NULL)
            serve(disk, read, &place, &reading);
        else
            disk__count(&disk->counted.misses, 1);
        read->post.call = answer;
        loop_post(read->loop, &read->post);
        pthread_mutex_lock(&disk->lock);
    }
    pthread_mutex_unlock(&disk->lock);
    mem_free(reading.buffer);
    return NULL;
}

/* --- the walk --------------------------------------------------------------------------------- */

enum { WALK_AT_ONCE = 256 };

/* DISK_NONE: there are no more. */
static uint32_t take_places(struct disk *disk, uint32_t *next, struct disk_slot *places)
{
    uint32_t count = 0;
    pthread_mutex_lock(&disk->lock);
    if (*next >= disk->places.slots_touched)
        count = DISK_NONE;
    for (uint32_t i = 0; i < WALK_AT_ONCE && *next < disk->places.slots_touched; i++) {
        const struct disk_slot *slot = &disk->places.slots[(*next)++];
        if (slot->is_live)
            places[count++] = *slot;
    }
    pthread_mutex_unlock(&disk->lock);
    return count;
}

static bool is_meant(struct reading *reading, const struct disk_slot *place, struct disk_walk *walk)
{
    const struct disk_record *record = &reading->record;
    reading->at = disk__at(reading->disk, place->segment, place->at_units);
    reading->bytes = (uint64_t)place->units * DISK_UNIT_BYTES;
    reading->got = 0;
    if (!read_front(reading) || record->hash != place->hash)
        return false; /* it is of no use to readers either */
    const struct disk_seen seen = {
        .key = {record->hash, key_of(reading), record->key_bytes},
        .front = front_of(reading),
        .front_bytes = record->front_bytes,
        .born_ms = record->born_ms,
    };
    return walk->visit(walk, &seen) == STORE_REMOVE;
}

static void change_walkers(struct disk *disk, uint32_t by)
{
    pthread_mutex_lock(&disk->lock);
    disk->walkers_count += by;
    pthread_mutex_unlock(&disk->lock);
}

void disk_walk(struct disk *disk, struct disk_walk *walk)
{
    struct reading reading = {.disk = disk, .buffer = mem_alloc(DISK_READ_BYTES)};
    struct disk_slot *places = mem_alloc(WALK_AT_ONCE * sizeof *places);
    const bool has_memory = reading.buffer != NULL && places != NULL;
    change_walkers(disk, 1);
    disk_drain(disk);
    for (uint32_t next = 1, count;
         has_memory && (count = take_places(disk, &next, places)) != DISK_NONE;) {
        bool has_removed = false;
        for (uint32_t i = 0; i < count && !atomic_load(&walk->stops); i++)
            if (is_meant(&reading, &places[i], walk))
                has_removed |= disk_forget(disk, places[i].hash, walk->now_ms);
        if (has_removed)
            disk_drain(disk); /* or there would be no place to note more */
    }
    if (!has_memory)
        disk_clear(disk); /* it may be among them */
    change_walkers(disk, UINT32_MAX);
    mem_free(places);
    mem_free(reading.buffer);
}
