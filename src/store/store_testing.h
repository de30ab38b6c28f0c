/* SPDX-License-Identifier: Apache-2.0 */
/* store/store_testing.h - a store, entries and bodies whose bytes tell whose they are. For tests.
 *
 * Threads: as the store. */
#ifndef PANDO_STORE_STORE_TESTING_H
#define PANDO_STORE_STORE_TESTING_H

#include "core/random.h"
#include "store/store.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TESTING_MIB = 1024 * 1024 };

/* A key that is a number. */
struct testing_key {
    uint64_t         number;
    struct store_key key;
};

static inline uint64_t testing_hash(const void *self, const uint8_t *at, size_t bytes)
{
    (void)self;
    uint64_t number = 0;
    memcpy(&number, at, bytes < 8 ? bytes : 8);
    return random_mix(&number);
}

static inline struct store_key *testing_key(struct testing_key *key, uint64_t number)
{
    key->number = number;
    key->key.at = (const uint8_t *)&key->number;
    key->key.bytes = sizeof key->number;
    key->key.hash = testing_hash(NULL, key->key.at, key->key.bytes);
    return &key->key;
}

static inline struct store *testing_store(uint64_t memory_bytes, enum store_policy policy)
{
    const struct store_options options = {
        .memory_bytes = memory_bytes, .policy = policy, .threads_count = 4, .hash = testing_hash};
    struct store *store = store_new(&options);
    cr_assert(store != NULL);
    return store;
}

/* Every byte of what is stored under a number, at a place. */
static inline uint8_t testing_byte(uint64_t number, uint64_t offset)
{
    return (uint8_t)(number * 31 + offset * 7 + (offset >> 8));
}

static inline void testing_fill(uint8_t *at, uint64_t number, uint64_t offset, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = testing_byte(number, offset + i);
}

static inline bool testing_is_of(const uint8_t *at, uint64_t number, uint64_t offset, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (at[i] != testing_byte(number, offset + i))
            return false;
    return true;
}

/* Appends until there are @bytes more. False: no room. */
static inline bool testing_append(struct store_body *body, uint64_t number, size_t bytes)
{
    uint8_t buffer[16384];
    while (bytes > 0) {
        const uint64_t offset = body->ready_bytes;
        const size_t count = bytes < sizeof buffer ? bytes : sizeof buffer;
        testing_fill(buffer, number, offset, count);
        const size_t done = store_body_append(body, buffer, count);
        bytes -= done;
        if (done < count)
            return false;
    }
    return true;
}

/* Reads a body from @from to its end, piece by piece. */
static inline bool testing_body_is_of(struct store_body *body, uint64_t number, uint64_t from)
{
    struct store_piece *piece = NULL;
    bool is_right = true;
    for (uint64_t at = from; is_right && at < body->ready_bytes;) {
        struct store_piece *next = store_body_find(body, at, piece);
        store_piece_unref(piece);
        piece = next;
        if (piece == NULL)
            return false;
        const uint64_t ready = body->ready_bytes, end = piece->starts_at + piece->capacity;
        const size_t bytes = (size_t)((ready < end ? ready : end) - at);
        is_right = testing_is_of(piece->data + (at - piece->starts_at), number, at, bytes);
        at += bytes;
    }
    store_piece_unref(piece);
    return is_right;
}

/* An entry under @number with a filled front and perhaps a body, put but not settled; the caller
 * has a reference. NULL: no room. */
static inline struct store_entry *testing_put(struct store *store, uint64_t number,
                                              uint32_t front_bytes, size_t body_bytes)
{
    struct testing_key key;
    struct store_entry *entry = store_entry_new(store, testing_key(&key, number), front_bytes);
    if (entry == NULL)
        return NULL;
    testing_fill(store_entry_front(entry), number, 0, front_bytes);
    if (body_bytes > 0) {
        entry->body = store_body_new(store, &key.key);
        const bool whole = entry->body != NULL && testing_append(entry->body, number, body_bytes);
        if (entry->body != NULL)
            store_body_end(entry->body, whole);
        if (!whole) {
            store_entry_unref(entry);
            return NULL;
        }
    }
    store_put(store, entry);
    return entry;
}

/* The same, settled, and let go of. False: there was no room, or it was rejected. */
static inline bool testing_add(struct store *store, uint64_t number, uint32_t front_bytes,
                               size_t body_bytes)
{
    struct store_entry *entry = testing_put(store, number, front_bytes, body_bytes);
    if (entry == NULL)
        return false;
    const bool stays = store_settle(store, entry);
    store_entry_unref(entry);
    return stays;
}

static inline struct store_entry *testing_find(struct store *store, uint64_t number)
{
    struct testing_key key;
    return store_find(store, 0, testing_key(&key, number));
}

static inline bool testing_has(struct store *store, uint64_t number)
{
    struct store_entry *entry = testing_find(store, number);
    store_entry_unref(entry);
    return entry != NULL;
}

static inline struct store_figures testing_figures(struct store *store)
{
    struct store_figures figures;
    store_read_figures(store, &figures);
    return figures;
}

/* Resident memory of this process, as the kernel counts it. */
static inline size_t testing_resident_bytes(void)
{
    size_t all = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    cr_assert(file != NULL && fscanf(file, "%zu %zu", &all, &resident) == 2);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

#endif
