/* SPDX-License-Identifier: Apache-2.0 */
/* store/keys/key_tree.h - a sorted map of bytes to bytes that can be asked by rank: a counted
 * B+tree.
 *
 * A member is one block of the heap, a cell; leaves are arrays of pointers to cells, in the order
 * of bytes_compare(). Branches know of each child its first cell and how many members are below it.
 * An array has room for 4 to 64, so three members take three cells and one small node. What is put
 * in behind the last or before the first leaves full nodes behind it, not halves.
 *
 * Memory:  all of it is the tree's; key_tree_clear() frees it. `bytes` is what that is, as the heap
 *          counts it. Bytes that are given stay until the member is changed or removed.
 * Threads: whoever holds it.
 * Errors:  false where there is no memory: nothing has changed then. Removing needs none. */
#ifndef PANDO_STORE_KEYS_KEY_TREE_H
#define PANDO_STORE_KEYS_KEY_TREE_H

#include "core/bytes.h"

struct key_node;

enum {
    KEY_TREE_LEVELS_MAX = 10, /* nodes are kept over a quarter full, so over 10^12 members */
    KEY_TREE_NODE_MIN = 4,
    KEY_TREE_NODE_MAX = 64,
};

/* Zeroed: empty. May be moved in memory. */
struct key_tree {
    struct key_node *root;
    uint64_t         count;  /* of members */
    uint64_t         bytes;  /* that cells and nodes hold */
    uint64_t         height; /* levels; 0: nothing is in it */
};

/* Where a cursor stands. */
enum key_cursor_place { KEY_CURSOR_BEFORE, KEY_CURSOR_THERE, KEY_CURSOR_BEHIND };

/* A place in a tree. Ends with any change of the tree but for a put of a key that is there. */
struct key_cursor {
    struct key_node *nodes[KEY_TREE_LEVELS_MAX];
    uint8_t          index[KEY_TREE_LEVELS_MAX];
    uint8_t          place; /* enum key_cursor_place */
};

/* Frees all members. */
void key_tree_clear(struct key_tree *tree);

/* Frees up to @*members of them, and takes off @*members how many. From then on the tree is good
 * for nothing but to be cleared. True: nothing is left. */
bool key_tree_clear_some(struct key_tree *tree, size_t *members);

/* False: it is not there. */
bool key_tree_get(const struct key_tree *tree, struct bytes key, struct bytes *value);

/* The most that a put of such a member adds to `bytes`. */
size_t key_tree_put_bytes(const struct key_tree *tree, size_t key_bytes, size_t value_bytes);

/* @key has @value from here on; both may lie in this tree. *@is_new: it was not there. */
bool key_tree_put(struct key_tree *tree, struct bytes key, struct bytes value, bool *is_new)
    must_check;

/* False: it was not there. @key may lie in this tree. */
bool key_tree_remove(struct key_tree *tree, struct bytes key);

/* ---- cursors ---- */

/* At the first key that is @key or above it. */
void key_cursor_seek(struct key_cursor *cursor, const struct key_tree *tree, struct bytes key);
/* At the one with @rank others below it. */
void key_cursor_seek_rank(struct key_cursor *cursor, const struct key_tree *tree, uint64_t rank);
/* Behind the last. */
void key_cursor_seek_end(struct key_cursor *cursor);

/* To the one behind it, or behind the last. */
void key_cursor_next(struct key_cursor *cursor, const struct key_tree *tree);
/* To the one before it, or before the first. */
void key_cursor_prev(struct key_cursor *cursor, const struct key_tree *tree);

/* How many are below where it stands. */
uint64_t key_cursor_rank(const struct key_cursor *cursor, const struct key_tree *tree);

/* What it stands at. False: it stands at nothing. */
bool key_cursor_read(const struct key_cursor *cursor, const struct key_tree *tree,
                     struct bytes *key, struct bytes *value);

#endif
