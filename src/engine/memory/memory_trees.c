/* SPDX-License-Identifier: Apache-2.0 */
/* engine/memory/memory_trees.c - members, cursors, and the walks over all keys. */
#include "engine/memory/memory_inside.h"

#include <assert.h>

static_assert(sizeof(struct key_cursor) <= sizeof(((struct space_cursor *)0)->own),
              "a cursor of the tree fits into the space's");

/* ---- members ---- */

static struct key_tree *tree_of(const struct space_value *value, unsigned tree)
{
    const struct key_entry *entry = value->place;
    assert(entry->is_collection && tree < entry->value_bytes);
    return key_entry_tree(entry, tree);
}

enum space_result memory__tree_get(struct space_value *value, unsigned tree, struct bytes key,
                                   struct bytes *found, bool *is_there)
{
    *is_there = key_tree_get(tree_of(value, tree), key, found);
    return SPACE_OK;
}

/* What was done to @tree is counted, in the space and in @value. */
static void note_change(struct memory_space *space, struct space_value *value,
                        const struct key_tree *tree, uint64_t bytes_before)
{
    space->entries_bytes += tree->bytes - bytes_before;
    value->count = tree_of(value, 0)->count;
    value->is_changed = true;
}

enum space_result memory__tree_put(struct space_value *value, unsigned number, struct bytes key,
                                   struct bytes bytes, bool *is_new)
{
    struct memory_space *space = memory__of(value->space);
    struct key_tree *tree = tree_of(value, number);
    if (bytes.count > UINT32_MAX || key.count > UINT32_MAX)
        return SPACE_TOO_LARGE;
    if (!memory__claim(space, key_tree_put_bytes(tree, key.count, bytes.count)))
        return SPACE_FULL;
    const uint64_t before = tree->bytes;
    const bool is_put = key_tree_put(tree, key, bytes, is_new);
    note_change(space, value, tree, before);
    return is_put ? SPACE_OK : SPACE_FULL;
}

enum space_result memory__tree_remove(struct space_value *value, unsigned number, struct bytes key,
                                      bool *was_there)
{
    struct key_tree *tree = tree_of(value, number);
    const uint64_t before = tree->bytes;
    *was_there = key_tree_remove(tree, key);
    if (*was_there)
        note_change(memory__of(value->space), value, tree, before);
    return SPACE_OK;
}

/* ---- cursors ---- */

static struct key_cursor *own_of(struct space_cursor *cursor)
{
    return (struct key_cursor *)(void *)cursor->own;
}

static const struct key_tree *tree_under(const struct space_cursor *cursor)
{
    return tree_of(cursor->value, cursor->tree);
}

/* Says in @cursor what it stands at. */
static void show(struct space_cursor *cursor)
{
    cursor->is_there =
        key_cursor_read(own_of(cursor), tree_under(cursor), &cursor->key, &cursor->member_value);
}

void memory__seek(struct space_cursor *cursor, struct bytes key)
{
    key_cursor_seek(own_of(cursor), tree_under(cursor), key);
    show(cursor);
}

void memory__seek_rank(struct space_cursor *cursor, uint64_t rank)
{
    key_cursor_seek_rank(own_of(cursor), tree_under(cursor), rank);
    show(cursor);
}

void memory__seek_end(struct space_cursor *cursor)
{
    key_cursor_seek_end(own_of(cursor));
    show(cursor);
}

void memory__next(struct space_cursor *cursor)
{
    key_cursor_next(own_of(cursor), tree_under(cursor));
    show(cursor);
}

void memory__prev(struct space_cursor *cursor)
{
    key_cursor_prev(own_of(cursor), tree_under(cursor));
    show(cursor);
}

uint64_t memory__rank(struct space_cursor *cursor)
{
    return key_cursor_rank(own_of(cursor), tree_under(cursor));
}

/* ---- all keys ---- */

uint64_t memory__space_count(struct space *of)
{
    return memory__of(of)->table.count;
}

struct walk {
    struct memory_space *space;
    space_visit         *visit;
    void                *self;
};

static bool visit_entry(void *self, struct key_entry *entry)
{
    const struct walk *walk = self;
    if (memory__is_expired(walk->space, entry))
        return true;
    struct space_value value;
    memory__fill(walk->space, &value, entry);
    return walk->visit(walk->self, key_entry_key(entry), &value);
}

void memory__space_scan(struct space *of, uint64_t *position, size_t budget, space_visit *visit,
                        void *self)
{
    struct walk walk = {.space = memory__of(of), .visit = visit, .self = self};
    key_table_scan(&walk.space->table, position, budget, visit_entry, &walk);
}

bool memory__space_random(struct space *of, uint64_t draw, struct bytes *key)
{
    struct memory_space *space = memory__of(of);
    struct key_entry *entry = key_table_random(&space->table, draw, of->now_ms);
    if (entry == NULL)
        return false;
    key_table_pin(&space->table, entry);
    *key = key_entry_key(entry);
    return true;
}

static void step(struct key_cursor *cursor, const struct key_tree *tree, bool is_reverse)
{
    if (is_reverse)
        key_cursor_prev(cursor, tree);
    else
        key_cursor_next(cursor, tree);
}

/* Is @key, which is in the order, still to be seen? */
static bool is_live(struct memory_space *space, struct bytes key)
{
    const struct key_entry *entry = key_table_find(&space->table, memory__hash(space, key), key);
    assert(entry != NULL);
    return !memory__is_expired(space, entry);
}

bool memory__space_beside(struct space *of, struct bytes from, bool is_reverse, bool is_after,
                          struct bytes *key)
{
    struct memory_space *space = memory__of(of);
    const struct key_tree *order = &space->order;
    struct key_cursor cursor;
    struct bytes nothing;
    assert(of->is_ordered);
    key_cursor_seek(&cursor, order, from);
    const bool is_from = key_cursor_read(&cursor, order, key, &nothing) && bytes_equal(*key, from);
    if (is_from ? is_after : is_reverse)
        step(&cursor, order, is_reverse);
    while (key_cursor_read(&cursor, order, key, &nothing)) {
        if (is_live(space, *key))
            return true;
        step(&cursor, order, is_reverse);
    }
    return false;
}
