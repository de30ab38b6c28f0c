/* SPDX-License-Identifier: Apache-2.0 */
/* engine/memory/memory_inside.h - what the files of a memory_space share: claims on the budget, and
 * the ways of an entry into the table and out of it.
 *
 * Threads: whoever holds the space. */
#ifndef PANDO_ENGINE_MEMORY_MEMORY_INSIDE_H
#define PANDO_ENGINE_MEMORY_MEMORY_INSIDE_H

#include "engine/memory/memory_space.h"

static inline struct memory_space *memory__of(struct space *space)
{
    return (struct memory_space *)(void *)space;
}

static inline uint64_t memory__hash(const struct memory_space *space, struct bytes key)
{
    if (key.at == space->hint_at && key.count == space->hint_bytes)
        return space->hint_hash;
    return hash_sip13(space->hash_key, key.at, key.count);
}

/* For a claim that the grant does not cover. */
bool memory__claim_more(struct memory_space *space, uint64_t bytes) must_check;

/* May the space hold @bytes more? Evicts for it. Once true, it holds at most that much more until
 * the next claim. */
static inline must_check bool memory__claim(struct memory_space *space, uint64_t bytes)
{
    return memory_space_bytes(space) + bytes <= space->granted_bytes ||
           memory__claim_more(space, bytes);
}

/* Could it hold @bytes more without anybody being evicted? */
bool memory__has_room(const struct memory_space *space, uint64_t bytes);

/* A new key: claimed, ordered, in the table. @plan has its hash's upper half. NULL: SPACE_FULL. */
struct key_entry *memory__add(struct memory_space *space, uint64_t hash,
                              const struct key_entry_plan *plan) must_check;

enum { MEMORY_LARGE_MEMBERS = 1000 }; /* freeing them takes about 50 us */

/* Is it freed bit by bit? */
static inline bool memory__is_large(const struct key_entry *entry)
{
    return entry->is_collection && key_entry_tree(entry, 0)->count > MEMORY_LARGE_MEMBERS;
}

/* Frees an entry that is out of the table and still counted; a large one later. */
void memory__let_go(struct memory_space *space, struct key_entry *entry);

/* Takes it out and frees it; whoever watches it is told. */
void memory__drop(struct memory_space *space, struct key_entry *entry);

/* Tells whoever watches the key of @entry. */
void memory__touch_watched(struct memory_space *space, const struct key_entry *entry);
static inline void memory__touch(struct memory_space *space, const struct key_entry *entry)
{
    if (space->watches_count > 0)
        memory__touch_watched(space, entry);
}

/* The entry of @key unless it is expired, which removes it. */
struct key_entry *memory__find(struct memory_space *space, uint64_t hash, struct bytes key);

static inline bool memory__is_expired(const struct memory_space *space,
                                      const struct key_entry *entry)
{
    const uint64_t expires_ms = key_entry_expires_ms(entry);
    return expires_ms != 0 && expires_ms <= space->space.now_ms;
}

/* Says in @value what @entry is; NULL: nothing. */
void memory__fill(struct memory_space *space, struct space_value *value, struct key_entry *entry);

/* The functions of the vtable; see space.h. */
enum space_result memory__space_find(struct space *space, struct bytes key,
                                     struct space_value *value);
enum space_result memory__space_put(struct space *space, struct bytes key, struct bytes string,
                                    uint64_t expires_ms);
/* The same with a media type. */
enum space_result memory__space_put_as(struct space *space, struct bytes key, struct bytes string,
                                       uint64_t expires_ms, uint8_t media);
enum space_result memory__space_edit(struct space *space, struct bytes key,
                                     struct space_value *value, size_t bytes, uint8_t **at);
enum space_result memory__space_edited(struct space *space, struct bytes key,
                                       struct space_value *value);
bool memory__space_remove(struct space *space, struct bytes key);
enum space_result memory__space_expire(struct space *space, struct bytes key,
                                       struct space_value *value, uint64_t expires_ms);
enum space_result memory__space_create(struct space *space, struct bytes key, enum key_type type,
                                       struct space_value *value);
enum space_result memory__space_settle(struct space *space, struct bytes key,
                                       struct space_value *value);
enum space_result memory__space_rename(struct space *space, struct bytes key, struct space *to,
                                       struct bytes to_key);
enum space_result memory__tree_get(struct space_value *value, unsigned tree, struct bytes key,
                                   struct bytes *found, bool *is_there);
enum space_result memory__tree_put(struct space_value *value, unsigned tree, struct bytes key,
                                   struct bytes bytes, bool *is_new);
enum space_result memory__tree_remove(struct space_value *value, unsigned tree, struct bytes key,
                                      bool *was_there);
void memory__seek(struct space_cursor *cursor, struct bytes key);
void memory__seek_rank(struct space_cursor *cursor, uint64_t rank);
void memory__seek_end(struct space_cursor *cursor);
void memory__next(struct space_cursor *cursor);
void memory__prev(struct space_cursor *cursor);
uint64_t memory__rank(struct space_cursor *cursor);
uint64_t memory__space_count(struct space *space);
void memory__space_scan(struct space *space, uint64_t *position, size_t budget, space_visit *visit,
                        void *self);
bool memory__space_random(struct space *space, uint64_t draw, struct bytes *key);
bool memory__space_beside(struct space *space, struct bytes from, bool is_reverse, bool is_after,
                          struct bytes *key);
void memory__space_clear(struct space *space);
uint64_t memory__value_bytes(struct space_value *value);

#endif
