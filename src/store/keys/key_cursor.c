/* SPDX-License-Identifier: Apache-2.0 */
/* store/keys/key_cursor.c - walks over a key_tree, by keys and by ranks. */
#include "store/keys/key_node.h"

static struct key_node *child_at(const struct key_cursor *cursor, size_t level)
{
    return key_node_branches(cursor->nodes[level])[cursor->index[level]].child;
}

/* From @level, whose index is set, down to the first or the last member below it. */
static void go_down(struct key_cursor *cursor, const struct key_tree *tree, size_t level,
                    bool is_last)
{
    while (++level < tree->height) {
        struct key_node *node = child_at(cursor, level - 1);
        cursor->nodes[level] = node;
        cursor->index[level] = is_last ? (uint8_t)(node->count - 1) : 0;
    }
    cursor->place = KEY_CURSOR_THERE;
}

static void seek_edge(struct key_cursor *cursor, const struct key_tree *tree, bool is_last)
{
    if (tree->height == 0)
        return;
    cursor->nodes[0] = tree->root;
    cursor->index[0] = is_last ? (uint8_t)(tree->root->count - 1) : 0;
    go_down(cursor, tree, 0, is_last);
}

void key_cursor_seek(struct key_cursor *cursor, const struct key_tree *tree, struct bytes key)
{
    cursor->place = KEY_CURSOR_BEHIND;
    if (tree->height == 0)
        return;
    struct key_node *node = tree->root;
    size_t level = 0;
    for (; level + 1 < tree->height; level++) {
        cursor->nodes[level] = node;
        cursor->index[level] = (uint8_t)key_node_child(node, key);
        node = child_at(cursor, level);
    }
    bool is_there;
    const size_t index = key_node_search(node, key, &is_there);
    cursor->nodes[level] = node;
    cursor->place = KEY_CURSOR_THERE;
    if (index < node->count) {
        cursor->index[level] = (uint8_t)index;
        return;
    }
    cursor->index[level] = (uint8_t)(node->count - 1); /* it is the first of the next leaf */
    key_cursor_next(cursor, tree);
}

void key_cursor_seek_rank(struct key_cursor *cursor, const struct key_tree *tree, uint64_t rank)
{
    cursor->place = KEY_CURSOR_BEHIND;
    if (rank >= tree->count)
        return;
    struct key_node *node = tree->root;
    for (size_t level = 0;; level++) {
        size_t index = 0;
        for (; node->is_branch && rank >= key_node_branches(node)[index].count; index++)
            rank -= key_node_branches(node)[index].count;
        cursor->nodes[level] = node;
        cursor->index[level] = node->is_branch ? (uint8_t)index : (uint8_t)rank;
        if (!node->is_branch)
            break;
        node = child_at(cursor, level);
    }
    cursor->place = KEY_CURSOR_THERE;
}

void key_cursor_seek_end(struct key_cursor *cursor)
{
    cursor->place = KEY_CURSOR_BEHIND;
}

void key_cursor_next(struct key_cursor *cursor, const struct key_tree *tree)
{
    if (cursor->place == KEY_CURSOR_BEHIND)
        return;
    if (cursor->place == KEY_CURSOR_BEFORE) {
        cursor->place = KEY_CURSOR_BEHIND; /* if nothing is in it */
        seek_edge(cursor, tree, false);
        return;
    }
    for (size_t level = tree->height; level-- > 0;)
        if (cursor->index[level] + 1u < cursor->nodes[level]->count) {
            cursor->index[level]++;
            go_down(cursor, tree, level, false);
            return;
        }
    cursor->place = KEY_CURSOR_BEHIND;
}

void key_cursor_prev(struct key_cursor *cursor, const struct key_tree *tree)
{
    if (cursor->place == KEY_CURSOR_BEFORE)
        return;
    if (cursor->place == KEY_CURSOR_BEHIND) {
        cursor->place = KEY_CURSOR_BEFORE;
        seek_edge(cursor, tree, true);
        return;
    }
    for (size_t level = tree->height; level-- > 0;)
        if (cursor->index[level] > 0) {
            cursor->index[level]--;
            go_down(cursor, tree, level, true);
            return;
        }
    cursor->place = KEY_CURSOR_BEFORE;
}

uint64_t key_cursor_rank(const struct key_cursor *cursor, const struct key_tree *tree)
{
    if (cursor->place != KEY_CURSOR_THERE)
        return cursor->place == KEY_CURSOR_BEHIND ? tree->count : 0;
    uint64_t rank = cursor->index[tree->height - 1];
    for (size_t level = 0; level + 1 < tree->height; level++)
        for (size_t i = 0; i < cursor->index[level]; i++)
            rank += key_node_branches(cursor->nodes[level])[i].count;
    return rank;
}

bool key_cursor_read(const struct key_cursor *cursor, const struct key_tree *tree,
                     struct bytes *key, struct bytes *value)
{
    if (cursor->place != KEY_CURSOR_THERE)
        return false;
    const size_t leaf = tree->height - 1;
    key_cell_read(key_node_cells(cursor->nodes[leaf])[cursor->index[leaf]], key, value);
    return true;
}
