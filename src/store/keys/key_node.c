/* SPDX-License-Identifier: Apache-2.0 */
/* store/keys/key_node.c - arrays of cells and of branches. */
#include "store/keys/key_node.h"

#include <assert.h>

/* ---- cells ---- */

static size_t length_bytes(size_t length)
{
    return length < 254 ? 1 : 1 + sizeof(uint32_t);
}

static uint8_t *write_length(uint8_t *at, size_t length)
{
    if (length < 254) {
        *at = (uint8_t)length;
        return at + 1;
    }
    const uint32_t wide = (uint32_t)length;
    *at = 254;
    memcpy(at + 1, &wide, sizeof wide);
    return at + 1 + sizeof wide;
}

static uint8_t *write_bytes(uint8_t *at, struct bytes bytes)
{
    if (bytes.count > 0)
        memcpy(at, bytes.at, bytes.count);
    return at + bytes.count;
}

size_t key_cell_bytes(size_t key_bytes, size_t value_bytes)
{
    return length_bytes(key_bytes) + length_bytes(value_bytes) + key_bytes + value_bytes;
}

struct key_cell *key_cell_new(struct key_tree *tree, struct bytes key, struct bytes value)
{
    assert(key.count <= UINT32_MAX && value.count <= UINT32_MAX);
    struct key_cell *cell = mem_take(key_cell_bytes(key.count, value.count));
    if (cell == NULL)
        return NULL;
    uint8_t *at = write_length(cell->bytes, key.count);
    at = write_length(at, value.count);
    write_bytes(write_bytes(at, key), value);
    tree->bytes += mem_held_bytes(cell);
    return cell;
}

void key_cell_free(struct key_tree *tree, struct key_cell *cell)
{
    tree->bytes -= mem_held_bytes(cell);
    mem_free(cell);
}

/* ---- nodes ---- */

struct key_node *key_node_new(struct key_tree *tree, bool is_branch, size_t room)
{
    struct key_node *node = mem_take(key_node_bytes(is_branch, room));
    if (node == NULL)
        return NULL;
    node->count = 0;
    node->room = (uint16_t)room;
    node->is_branch = is_branch;
    tree->bytes += mem_held_bytes(node);
    return node;
}

void key_node_free(struct key_tree *tree, struct key_node *node)
{
    tree->bytes -= mem_held_bytes(node);
    mem_free(node);
}

struct key_node *key_node_resize(struct key_tree *tree, struct key_node *node, size_t room)
{
    struct key_node *resized = key_node_new(tree, node->is_branch, room);
    if (resized == NULL)
        return NULL;
    key_node_move(node, 0, resized);
    key_node_free(tree, node);
    return resized;
}

static uint8_t *item_at(struct key_node *node, size_t index)
{
    return (uint8_t *)node + KEY_NODE_HEAD_BYTES + index * key_node_item_bytes(node->is_branch);
}

/* The first bytes of a key as a number, which has the order of the keys where it differs. */
static uint32_t prefix_of(struct bytes key)
{
    uint8_t first[4] = {0};
    if (key.count > 0)
        memcpy(first, key.at, key.count < sizeof first ? key.count : sizeof first);
    return (uint32_t)first[0] << 24 | (uint32_t)first[1] << 16 | (uint32_t)first[2] << 8 | first[3];
}

static void insert(struct key_node *node, size_t index, const void *item, uint32_t prefix)
{
    assert(node->count < node->room && index <= node->count);
    const size_t bytes = key_node_item_bytes(node->is_branch);
    uint8_t *at = item_at(node, index);
    uint32_t *prefixes = key_node_prefixes(node) + index;
    const size_t moved = node->count - index;
    memmove(at + bytes, at, moved * bytes);
    memcpy(at, item, bytes);
    memmove(prefixes + 1, prefixes, moved * sizeof *prefixes);
    *prefixes = prefix;
    node->count++;
}

void key_node_insert_cell(struct key_node *leaf, size_t index, struct key_cell *cell)
{
    insert(leaf, index, &cell, prefix_of(key_cell_key(cell)));
}

void key_node_insert_branch(struct key_node *node, size_t index, const struct key_branch *item)
{
    insert(node, index, item, prefix_of(key_cell_key(item->first)));
}

void key_node_set_branch(struct key_node *node, size_t index, const struct key_branch *item)
{
    key_node_branches(node)[index] = *item;
    key_node_prefixes(node)[index] = prefix_of(key_cell_key(item->first));
}

void key_node_remove(struct key_node *node, size_t index)
{
    assert(index < node->count);
    const size_t bytes = key_node_item_bytes(node->is_branch);
    uint8_t *at = item_at(node, index);
    uint32_t *prefixes = key_node_prefixes(node) + index;
    node->count--;
    memmove(at, at + bytes, (node->count - index) * bytes);
    memmove(prefixes, prefixes + 1, (node->count - index) * sizeof *prefixes);
}

void key_node_move(struct key_node *node, size_t index, struct key_node *to)
{
    const size_t moved = node->count - index;
    assert(index <= node->count && to->count + moved <= to->room);
    memcpy(item_at(to, to->count), item_at(node, index),
           moved * key_node_item_bytes(node->is_branch));
    memcpy(key_node_prefixes(to) + to->count, key_node_prefixes(node) + index,
           moved * sizeof(uint32_t));
    to->count = (uint16_t)(to->count + moved);
    node->count = (uint16_t)index;
}

uint64_t key_node_members(struct key_node *node)
{
    if (!node->is_branch)
        return node->count;
    uint64_t members = 0;
    for (size_t i = 0; i < node->count; i++)
        members += key_node_branches(node)[i].count;
    return members;
}

/* The first of [@low, @high) whose prefix is @prefix or above it. */
static size_t first_from(const uint32_t *prefixes, size_t low, size_t high, uint64_t prefix)
{
    while (low < high) {
        const size_t middle = (low + high) / 2;
        const bool is_below = prefixes[middle] < prefix;
        low = is_below ? middle + 1 : low;
        high = is_below ? high : middle;
    }
    return low;
}

/* Where the prefixes are those of @key: from *@low to before *@high. */
static void narrow(struct key_node *node, struct bytes key, size_t *low, size_t *high)
{
    const uint32_t *prefixes = key_node_prefixes(node);
    const uint64_t prefix = prefix_of(key);
    *low = first_from(prefixes, 0, node->count, prefix);
    *high = *low;
    if (*low < node->count && prefixes[*low] == prefix)
        *high = first_from(prefixes, *low + 1, node->count, prefix + 1);
}

size_t key_node_search(struct key_node *leaf, struct bytes key, bool *is_there)
{
    size_t low, high;
    narrow(leaf, key, &low, &high);
    *is_there = false;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        const int order = bytes_compare(key_cell_key(key_node_cells(leaf)[middle]), key);
        if (order == 0) {
            *is_there = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The one before the first whose own first is above @key; the first child takes what is below all
 * of them. */
size_t key_node_child(struct key_node *branch, struct bytes key)
{
    size_t low, high;
    narrow(branch, key, &low, &high);
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (bytes_compare(key_cell_key(key_node_branches(branch)[middle].first), key) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? low - 1 : 0;
}
