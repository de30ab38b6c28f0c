/* SPDX-License-Identifier: Apache-2.0 */
/* store/keys/key_node.h - cells and nodes of a key_tree; for the files of the tree only.
 *
 * A cell is two lengths, the key and the value. A length below 254 is one byte; 254 and four bytes
 * stand for any other.
 *
 * Beside its items a node has of each the first four bytes of its key, as a number: a search looks
 * at cells only where these are equal, so it costs two or three misses of the processor's cache
 * instead of one for each halving.
 *
 * Memory:  counted in the tree's `bytes`.
 * Threads: whoever holds the tree. */
#ifndef PANDO_STORE_KEYS_KEY_NODE_H
#define PANDO_STORE_KEYS_KEY_NODE_H

#include "core/mem.h"
#include "store/keys/key_tree.h"

struct key_cell {
    uint8_t bytes[1];
};

struct key_branch {
    struct key_node       *child;
    uint64_t               count; /* of members below it */
    const struct key_cell *first; /* of them */
};

struct key_node {
    uint16_t count;
    uint16_t room;
    uint32_t is_branch;
    union {
        struct key_cell  *cells[1];    /* of a leaf: room */
        struct key_branch branches[1]; /* of a branch: room */
    };                                 /* behind them: room prefixes */
};

enum {
    KEY_NODE_HEAD_BYTES = offsetof(struct key_node, cells),
    KEY_NODE_FEW = KEY_TREE_NODE_MAX / 4, /* below it a node is joined with its neighbour */
    KEY_NODE_JOINED_MAX = KEY_TREE_NODE_MAX * 3 / 4,
};

static inline size_t key_node_item_bytes(bool is_branch)
{
    return is_branch ? sizeof(struct key_branch) : sizeof(struct key_cell *);
}

static inline size_t key_node_bytes(bool is_branch, size_t room)
{
    return KEY_NODE_HEAD_BYTES + room * (key_node_item_bytes(is_branch) + sizeof(uint32_t));
}

/* The arrays are longer than the struct says, so they are reached by their address. */
static inline struct key_cell **key_node_cells(struct key_node *node)
{
    return (struct key_cell **)(void *)((uint8_t *)node + KEY_NODE_HEAD_BYTES);
}

static inline struct key_branch *key_node_branches(struct key_node *node)
{
    return (struct key_branch *)(void *)((uint8_t *)node + KEY_NODE_HEAD_BYTES);
}

static inline uint32_t *key_node_prefixes(struct key_node *node)
{
    return (uint32_t *)(void *)((uint8_t *)node + KEY_NODE_HEAD_BYTES +
                                node->room * key_node_item_bytes(node->is_branch));
}

static inline const struct key_cell *key_node_first(struct key_node *node)
{
    return node->is_branch ? key_node_branches(node)[0].first : key_node_cells(node)[0];
}

/* ---- cells ---- */

static inline const uint8_t *key_cell__length(const uint8_t *at, size_t *length)
{
    if (*at < 254) {
        *length = *at;
        return at + 1;
    }
    uint32_t wide;
    memcpy(&wide, at + 1, sizeof wide);
    *length = wide;
    return at + 1 + sizeof wide;
}

static inline void key_cell_read(const struct key_cell *cell, struct bytes *key,
                                 struct bytes *value)
{
    const uint8_t *at = key_cell__length(cell->bytes, &key->count);
    at = key_cell__length(at, &value->count);
    key->at = at;
    value->at = at + key->count;
}

static inline struct bytes key_cell_key(const struct key_cell *cell)
{
    struct bytes key, value;
    key_cell_read(cell, &key, &value);
    return key;
}

/* Bytes of a cell, without what the heap adds. */
size_t key_cell_bytes(size_t key_bytes, size_t value_bytes);

/* NULL: no memory. */
struct key_cell *key_cell_new(struct key_tree *tree, struct bytes key, struct bytes value)
    must_check;
/* Lets a cell go. */
void key_cell_free(struct key_tree *tree, struct key_cell *cell);

/* ---- nodes ---- */

/* An empty node. NULL: no memory. */
struct key_node *key_node_new(struct key_tree *tree, bool is_branch, size_t room) must_check;
/* Lets a node go, not what it points at. */
void key_node_free(struct key_tree *tree, struct key_node *node);

/* Another room; the node may move. NULL: it is as it was. */
struct key_node *key_node_resize(struct key_tree *tree, struct key_node *node, size_t room)
    must_check;

/* A cell comes to stand at @index of a leaf; there is room. */
void key_node_insert_cell(struct key_node *leaf, size_t index, struct key_cell *cell);
/* The same in a branch. */
void key_node_insert_branch(struct key_node *node, size_t index, const struct key_branch *item);
/* What is at @index of a branch is now @item. */
void key_node_set_branch(struct key_node *node, size_t index, const struct key_branch *item);
void key_node_remove(struct key_node *node, size_t index);

/* The items from @index on go to the end of @to, which has room. */
void key_node_move(struct key_node *node, size_t index, struct key_node *to);

/* Members below it. */
uint64_t key_node_members(struct key_node *node);

/* Of a leaf: the first place whose key is @key or above; *@is_there: it is @key. */
size_t key_node_search(struct key_node *leaf, struct bytes key, bool *is_there);

/* Of a branch: the child that @key is in, or belongs in. */
size_t key_node_child(struct key_node *branch, struct bytes key);

#endif
