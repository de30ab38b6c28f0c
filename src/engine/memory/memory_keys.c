/* SPDX-License-Identifier: Apache-2.0 */
/* engine/memory/memory_keys.c - what commands do to keys: found, set, edited, moved, removed. */
#include "engine/memory/memory_inside.h"

#include <assert.h>

enum {
    EDIT_AHEAD_MAX = 1024 * 1024, /* a string that grows gets as much again, up to this */
    SLACK_BYTES = 64,             /* a block may have this much beyond twice what is used */
};

/* ---- found ---- */

struct key_entry *memory__find(struct memory_space *space, uint64_t hash, struct bytes key)
{
    struct key_entry *entry = key_table_find(&space->table, hash, key);
    if (entry == NULL || !memory__is_expired(space, entry))
        return entry;
    space->counts.expired++;
    memory__drop(space, entry);
    return NULL;
}

static void fill_place(struct space_value *value, struct key_entry *entry)
{
    value->place = entry;
    value->type = entry->type;
    value->expires_ms = key_entry_expires_ms(entry);
    if (entry->is_collection)
        value->count = key_entry_tree(entry, 0)->count;
    else
        value->string = (struct bytes){key_entry_string_at(entry), entry->value_bytes};
    value->media = key_entry_mark(entry);
}

void memory__fill(struct memory_space *space, struct space_value *value, struct key_entry *entry)
{
    *value = (struct space_value){.space = &space->space};
    if (entry != NULL)
        fill_place(value, entry);
}

enum space_result memory__space_find(struct space *of, struct bytes key, struct space_value *value)
{
    struct memory_space *space = memory__of(of);
    struct key_entry *entry = memory__find(space, memory__hash(space, key), key);
    if (space->is_reading) {
        space->counts.hits += entry != NULL;
        space->counts.misses += entry == NULL;
    }
    memory__fill(space, value, entry);
    return SPACE_OK;
}

/* ---- set ---- */

static struct key_entry_plan plan_of(struct bytes key, uint64_t hash, size_t string_bytes,
                                     uint64_t expires_ms)
{
    return (struct key_entry_plan){.key = key,
                                   .hash = (uint32_t)(hash >> 32),
                                   .type = KEY_STRING,
                                   .string_bytes = string_bytes,
                                   .expires_ms = expires_ms};
}

static bool is_too_large(struct bytes key, size_t string_bytes)
{
    return key.count > SPACE_KEY_BYTES_MAX || string_bytes > KEY_ENTRY_STRING_BYTES_MAX;
}

/* Is a block of @usable bytes right for @bytes of them? */
static bool fits(size_t usable, size_t bytes)
{
    return bytes <= usable && usable <= 2 * bytes + SLACK_BYTES;
}

static void write_string(struct key_entry *entry, struct bytes string, uint8_t media)
{
    if (string.count > 0)
        memmove(key_entry_string_at(entry), string.at, string.count);
    key_entry_set_string(entry, string.count, media);
}

/* Into the block that is there, if it is right for it. @string may lie in it, unless the expiry
 * before it comes or goes. */
static bool is_set_in_place(struct memory_space *space, struct key_entry *entry,
                            const struct key_entry_plan *plan, struct bytes string)
{
    const size_t usable = mem_usable_bytes(entry);
    if (entry->is_collection || !fits(usable, key_entry_plan_bytes(plan)))
        return false;
    if (entry->has_expiry == (plan->expires_ms > 0)) {
        write_string(entry, string, plan->mark);
        key_entry_set_expiry(entry, plan->expires_ms);
        return true;
    }
    const uintptr_t from = (uintptr_t)entry;
    if ((uintptr_t)string.at - from < usable)
        return false;
    key_entry_set_string(entry, 0, 0);
    key_entry_set_expiry(entry, plan->expires_ms);
    write_string(entry, string, plan->mark);
    key_table_replace(&space->table, entry, entry);
    return true;
}

/* May the space hold @bytes in place of @old_bytes of its own, which it frees at once? */
static bool claim_instead(struct memory_space *space, uint64_t bytes, uint64_t old_bytes)
{
    return bytes <= old_bytes || memory__claim(space, bytes - old_bytes);
}

/* What memory__let_go() of @entry frees at once. */
static uint64_t freed_bytes(struct key_entry *entry)
{
    return memory__is_large(entry) ? 0 : key_entry_bytes(entry);
}

/* @entry takes the place of @old, which is freed. */
static void take_place(struct memory_space *space, struct key_entry *old, struct key_entry *entry)
{
    key_table_replace(&space->table, old, entry);
    space->entries_bytes += mem_held_bytes(entry);
    memory__let_go(space, old);
}

static struct key_entry *set_anew(struct memory_space *space, struct key_entry *old,
                                  const struct key_entry_plan *plan, struct bytes string)
{
    if (!claim_instead(space, mem_held_bytes_max(key_entry_plan_bytes(plan)), freed_bytes(old)))
        return NULL;
    struct key_entry *entry = key_entry_new(plan);
    if (entry == NULL)
        return NULL;
    write_string(entry, string, plan->mark);
    take_place(space, old, entry);
    return entry;
}

static struct key_entry *set_new(struct memory_space *space, uint64_t hash,
                                 const struct key_entry_plan *plan, struct bytes string)
{
    struct key_entry *entry = memory__add(space, hash, plan);
    if (entry != NULL)
        write_string(entry, string, plan->mark);
    return entry;
}

enum space_result memory__space_put_as(struct space *of, struct bytes key, struct bytes string,
                                       uint64_t expires_ms, uint8_t media)
{
    struct memory_space *space = memory__of(of);
    if (is_too_large(key, string.count))
        return SPACE_TOO_LARGE;
    const uint64_t hash = memory__hash(space, key);
    struct key_entry_plan plan = plan_of(key, hash, string.count, expires_ms);
    plan.mark = media;
    struct key_entry *entry = key_table_find(&space->table, hash, key);
    if (entry == NULL)
        entry = set_new(space, hash, &plan, string);
    else if (!is_set_in_place(space, entry, &plan, string))
        entry = set_anew(space, entry, &plan, string);
    if (entry == NULL)
        return SPACE_FULL;
    memory__touch(space, entry);
    return SPACE_OK;
}

enum space_result memory__space_put(struct space *of, struct bytes key, struct bytes string,
                                    uint64_t expires_ms)
{
    return memory__space_put_as(of, key, string, expires_ms, 0);
}

/* ---- edited ---- */

/* A block of @bytes for @entry, which may move. */
static struct key_entry *resize(struct memory_space *space, struct key_entry *entry, size_t bytes)
{
    const size_t held = mem_held_bytes(entry);
    if (!claim_instead(space, mem_held_bytes_max(bytes), held))
        return NULL;
    struct key_entry *resized = mem_resize(entry, bytes);
    if (resized == NULL)
        return NULL;
    if (resized != entry)
        key_table_replace(&space->table, entry, resized);
    space->entries_bytes += mem_held_bytes(resized) - held;
    return resized;
}

/* Room for @bytes in use; more if it grows and nobody has to go for it, since what grew once grows
 * again. */
static struct key_entry *make_room(struct memory_space *space, struct key_entry *entry,
                                   size_t bytes)
{
    const bool grows = bytes > key_entry_used_bytes(entry);
    const size_t usable = mem_usable_bytes(entry);
    if (bytes <= usable && (grows || fits(usable, bytes)))
        return entry;
    const size_t ahead = bytes < EDIT_AHEAD_MAX ? bytes : EDIT_AHEAD_MAX;
    struct key_entry *resized = NULL;
    if (grows && memory__has_room(space, mem_held_bytes_max(bytes + ahead)))
        resized = resize(space, entry, bytes + ahead);
    if (resized == NULL)
        resized = resize(space, entry, bytes);
    return resized == NULL && !grows ? entry : resized;
}

static enum space_result edit_new(struct memory_space *space, struct bytes key,
                                  struct space_value *value, size_t bytes)
{
    const uint64_t hash = memory__hash(space, key);
    const struct key_entry_plan plan = plan_of(key, hash, bytes, 0);
    struct key_entry *entry = memory__add(space, hash, &plan);
    if (entry == NULL)
        return SPACE_FULL;
    memset(key_entry_string_at(entry), 0, bytes);
    fill_place(value, entry);
    return SPACE_OK;
}

static enum space_result edit_old(struct memory_space *space, struct space_value *value,
                                  size_t bytes)
{
    struct key_entry *entry = value->place;
    const size_t before = entry->value_bytes;
    const uint8_t media = key_entry_mark(entry);
    entry = make_room(space, entry, key_entry_used_bytes(entry) - before + bytes);
    if (entry == NULL)
        return SPACE_FULL;
    if (bytes > before)
        memset(key_entry_string_at(entry) + before, 0, bytes - before);
    key_entry_set_string(entry, bytes, media);
    fill_place(value, entry);
    return SPACE_OK;
}

enum space_result memory__space_edit(struct space *of, struct bytes key, struct space_value *value,
                                     size_t bytes, uint8_t **at)
{
    if (is_too_large(key, bytes))
        return SPACE_TOO_LARGE;
    const enum space_result result = value->type == KEY_NONE
                                         ? edit_new(memory__of(of), key, value, bytes)
                                         : edit_old(memory__of(of), value, bytes);
    if (result == SPACE_OK)
        *at = key_entry_string_at(value->place);
    return result;
}

enum space_result memory__space_edited(struct space *of, struct bytes key,
                                       struct space_value *value)
{
    (void)key;
    memory__touch(memory__of(of), value->place);
    return SPACE_OK;
}

/* ---- removed, expired ---- */

bool memory__space_remove(struct space *of, struct bytes key)
{
    struct memory_space *space = memory__of(of);
    struct key_entry *entry = memory__find(space, memory__hash(space, key), key);
    if (entry == NULL)
        return false;
    memory__drop(space, entry);
    return true;
}

enum space_result memory__space_expire(struct space *of, struct bytes key,
                                       struct space_value *value, uint64_t expires_ms)
{
    (void)key;
    struct memory_space *space = memory__of(of);
    struct key_entry *entry = value->place;
    if (expires_ms > 0 && !key_entry_can_expire(entry)) {
        entry = resize(space, entry, key_entry_used_bytes(entry) + KEY_ENTRY_EXPIRY_BYTES);
        if (entry == NULL)
            return SPACE_FULL;
    }
    key_entry_set_expiry(entry, expires_ms);
    key_table_replace(&space->table, entry, entry);
    fill_place(value, entry);
    memory__touch(space, entry);
    return SPACE_OK;
}

/* ---- collections ---- */

enum space_result memory__space_create(struct space *of, struct bytes key, enum key_type type,
                                       struct space_value *value)
{
    struct memory_space *space = memory__of(of);
    if (is_too_large(key, 0))
        return SPACE_TOO_LARGE;
    const uint64_t hash = memory__hash(space, key);
    const struct key_entry_plan plan = {.key = key,
                                        .hash = (uint32_t)(hash >> 32),
                                        .type = (uint8_t)type,
                                        .trees = type == KEY_ZSET ? 2 : 1};
    memory__fill(space, value, memory__add(space, hash, &plan));
    value->is_changed = value->place != NULL;
    return value->is_changed ? SPACE_OK : SPACE_FULL;
}

enum space_result memory__space_settle(struct space *of, struct bytes key,
                                       struct space_value *value)
{
    (void)key;
    struct memory_space *space = memory__of(of);
    struct key_entry *entry = value->place;
    if (entry == NULL)
        return SPACE_OK;
    if (key_entry_tree(entry, 0)->count == 0) {
        memory__drop(space, entry);
        memory__fill(space, value, NULL);
    } else if (value->is_changed) {
        memory__touch(space, entry);
    }
    value->is_changed = false;
    return SPACE_OK;
}

/* ---- moved ---- */

/* What is in @entry goes into @moved, which was planned for it. */
static void move_value(struct key_entry *entry, struct key_entry *moved)
{
    if (!entry->is_collection) {
        write_string(moved, (struct bytes){key_entry_string_at(entry), entry->value_bytes},
                     key_entry_mark(entry));
        return;
    }
    key_entry_set_expiry(moved, key_entry_expires_ms(entry));
    for (unsigned i = 0; i < entry->value_bytes; i++) {
        *key_entry_tree(moved, i) = *key_entry_tree(entry, i);
        *key_entry_tree(entry, i) = (struct key_tree){0};
    }
}

/* The grant of what @entry holds goes along, so that a move needs no more than its new name. */
static void lend(struct memory_space *space, struct memory_space *to, uint64_t bytes)
{
    if (space == to)
        return;
    space->granted_bytes -= bytes;
    to->granted_bytes += bytes;
}

/* An empty entry for @plan in @to, in place of what is there. */
static struct key_entry *place_for(struct memory_space *to, uint64_t hash,
                                   const struct key_entry_plan *plan)
{
    struct key_entry *old = memory__find(to, hash, plan->key);
    if (old == NULL)
        return memory__add(to, hash, plan);
    const size_t bytes = mem_held_bytes_max(key_entry_plan_bytes(plan));
    struct key_entry *entry =
        claim_instead(to, bytes, freed_bytes(old)) ? key_entry_new(plan) : NULL;
    if (entry != NULL)
        take_place(to, old, entry);
    return entry;
}

enum space_result memory__space_rename(struct space *of, struct bytes key, struct space *to_space,
                                       struct bytes to_key)
{
    struct memory_space *space = memory__of(of);
    struct memory_space *to = memory__of(to_space);
    struct key_entry *entry = memory__find(space, memory__hash(space, key), key);
    if (entry == NULL || (space == to && bytes_equal(key, to_key)))
        return SPACE_OK;
    if (is_too_large(to_key, 0))
        return SPACE_TOO_LARGE;
    const uint64_t hash = memory__hash(to, to_key);
    struct key_entry_plan plan = plan_of(to_key, hash, entry->value_bytes, 0);
    plan.type = entry->type;
    plan.mark = key_entry_mark(entry);
    if (entry->is_collection)
        plan.trees = (uint8_t)entry->value_bytes;
    else
        plan.expires_ms = key_entry_expires_ms(entry);
    struct key_entry *moved = place_for(to, hash, &plan);
    if (moved == NULL)
        return SPACE_FULL;
    const uint64_t trees_bytes = key_entry_bytes(entry) - mem_held_bytes(entry);
    move_value(entry, moved);
    lend(space, to, trees_bytes);
    to->entries_bytes += trees_bytes;
    space->entries_bytes -= trees_bytes;
    key_table_replace(&to->table, moved, moved); /* it may have an expiry now */
    memory__drop(space, entry);
    memory__touch(to, moved);
    return SPACE_OK;
}

uint64_t memory__value_bytes(struct space_value *value)
{
    return key_entry_bytes(value->place);
}
