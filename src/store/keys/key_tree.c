/* SPDX-License-Identifier: Apache-2.0 */
/* store/keys/key_tree.c - members are found, put in and removed.
 *
 * A put takes all memory that it will need before it changes anything: the cell, one node for each
 * full one on the way up, room in the first that is not full. */
#include "store/keys/key_node.h"

#include <assert.h>

/* The way from the root (level 0) to a leaf. */
struct way {
    struct key_tree *tree;
    struct key_node *nodes[KEY_TREE_LEVELS_MAX];
    size_t           index[KEY_TREE_LEVELS_MAX]; /* of the child; in the leaf: of the member */
    size_t           leaf;                       /* its level */
    bool             is_there;
};

static void walk_down(struct way *way, struct key_tree *tree, struct bytes key)
{
    way->tree = tree;
    way->leaf = tree->height - 1;
    struct key_node *node = tree->root;
    for (size_t level = 0; level < way->leaf; level++) {
        way->nodes[level] = node;
        way->index[level] = key_node_child(node, key);
        node = key_node_branches(node)[way->index[level]].child;
    }
    way->nodes[way->leaf] = node;
    way->index[way->leaf] = key_node_search(node, key, &way->is_there);
}

/* The node at @level has another address. */
static void moved_to(struct way *way, size_t level, struct key_node *node)
{
    way->nodes[level] = node;
    if (level == 0)
        way->tree->root = node;
    else
        key_node_branches(way->nodes[level - 1])[way->index[level - 1]].child = node;
}

/* What the branch at @level says of the child on the way is true again, with @change members
 * more. */
static void refresh_one(struct way *way, size_t level, uint64_t change)
{
    struct key_node *node = way->nodes[level];
    struct key_branch *branch = &key_node_branches(node)[way->index[level]];
    const struct key_cell *first = key_node_first(way->nodes[level + 1]);
    branch->count += change;
    if (branch->first == first)
        return;
    const struct key_branch refreshed = {
        .child = branch->child, .count = branch->count, .first = first};
    key_node_set_branch(node, way->index[level], &refreshed);
}

/* The same from @level up to the root. */
static void refresh_up(struct way *way, size_t level, uint64_t change)
{
    for (size_t above = level + 1; above-- > 0;)
        refresh_one(way, above, change);
}

bool key_tree_get(const struct key_tree *tree, struct bytes key, struct bytes *value)
{
    if (tree->height == 0)
        return false;
    struct key_node *node = tree->root;
    while (node->is_branch)
        node = key_node_branches(node)[key_node_child(node, key)].child;
    bool is_there;
    const size_t index = key_node_search(node, key, &is_there);
    if (!is_there)
        return false;
    key_cell_read(key_node_cells(node)[index], &key, value);
    return true;
}

/* ---- put: what is there already ---- */

/* The new cell is made before the old one goes: key and value may lie in it. */
static bool put_over(struct way *way, struct bytes key, struct bytes value)
{
    struct key_cell **place = &key_node_cells(way->nodes[way->leaf])[way->index[way->leaf]];
    struct key_cell *old = *place;
    struct bytes old_key, old_value;
    key_cell_read(old, &old_key, &old_value);
    if (old_value.count == value.count) {
        if (value.count > 0)
            memmove((uint8_t *)(uintptr_t)old_value.at, value.at, value.count);
        return true;
    }
    struct key_cell *cell = key_cell_new(way->tree, key, value);
    if (cell == NULL)
        return false;
    *place = cell;
    if (way->leaf > 0)
        refresh_up(way, way->leaf - 1, 0);
    key_cell_free(way->tree, old);
    return true;
}

/* ---- put: what is new ---- */

/* What a put needs, taken beforehand. */
struct reserve {
    struct key_cell *cell;
    struct key_node *right[KEY_TREE_LEVELS_MAX]; /* for the full node at that level */
    struct key_node *root;
};

/* Where the new item comes to stand: in the leaf at its place, in a branch behind the child. */
static size_t place_at(const struct way *way, size_t level)
{
    return way->index[level] + (level < way->leaf);
}

/* Where a full node is cut. At the ends of the tree so that the full part stays whole. */
static size_t cut_of(const struct way *way, size_t level)
{
    bool is_first = true;
    bool is_last = true;
    for (size_t above = 0; above < level; above++) {
        is_first &= way->index[above] == 0;
        is_last &= way->index[above] + 1u == way->nodes[above]->count;
    }
    if (is_last && place_at(way, level) == KEY_TREE_NODE_MAX)
        return KEY_TREE_NODE_MAX;
    if (is_first && way->index[level] == 0)
        return level < way->leaf;
    return KEY_TREE_NODE_MAX / 2;
}

static bool is_full(const struct way *way, size_t level)
{
    return way->nodes[level]->count == KEY_TREE_NODE_MAX;
}

static void let_go(struct way *way, struct reserve *reserve)
{
    for (size_t level = 0; level <= way->leaf; level++)
        if (reserve->right[level] != NULL)
            key_node_free(way->tree, reserve->right[level]);
    if (reserve->root != NULL)
        key_node_free(way->tree, reserve->root);
    if (reserve->cell != NULL)
        key_cell_free(way->tree, reserve->cell);
}

/* Room for one more in the node at @level, which is not full. */
static bool make_room(struct way *way, size_t level)
{
    struct key_node *node = way->nodes[level];
    if (node->count < node->room)
        return true;
    node = key_node_resize(way->tree, node, (size_t)2 * node->room);
    if (node != NULL)
        moved_to(way, level, node);
    return node != NULL;
}

static bool reserve_all(struct way *way, struct bytes key, struct bytes value,
                        struct reserve *reserve)
{
    *reserve = (struct reserve){.cell = key_cell_new(way->tree, key, value)};
    if (reserve->cell == NULL)
        return false;
    size_t level = way->leaf;
    for (;; level--) {
        if (!is_full(way, level))
            return make_room(way, level);
        const bool is_end = cut_of(way, level) == KEY_TREE_NODE_MAX;
        reserve->right[level] = key_node_new(way->tree, level < way->leaf,
                                             is_end ? KEY_TREE_NODE_MIN : KEY_TREE_NODE_MAX);
        if (reserve->right[level] == NULL)
            return false;
        if (level == 0)
            break;
    }
    if (way->tree->height == KEY_TREE_LEVELS_MAX)
        return false;
    reserve->root = key_node_new(way->tree, true, KEY_TREE_NODE_MIN);
    return reserve->root != NULL;
}

static struct key_branch branch_of(struct key_node *node)
{
    return (struct key_branch){
        .child = node, .count = key_node_members(node), .first = key_node_first(node)};
}

/* What is put into a level: the cell, or the branch to a new node below. */
struct item {
    struct key_cell  *cell; /* NULL: a branch */
    struct key_branch branch;
};

static void insert(struct key_node *node, size_t index, const struct item *item)
{
    if (item->cell != NULL)
        key_node_insert_cell(node, index, item->cell);
    else
        key_node_insert_branch(node, index, &item->branch);
}

/* The full node at @level is cut in two, and @item goes into one of them. */
static void cut(struct way *way, size_t level, const struct item *item, struct key_node *right)
{
    struct key_node *node = way->nodes[level];
    const size_t at = cut_of(way, level);
    const size_t place = place_at(way, level);
    key_node_move(node, at, right);
    if (place < at || at == 0)
        insert(node, place, item);
    else
        insert(right, place - at, item);
}

static void grow_root(struct way *way, struct reserve *reserve, const struct key_branch *right)
{
    const struct key_branch left = branch_of(way->tree->root);
    key_node_insert_branch(reserve->root, 0, &left);
    key_node_insert_branch(reserve->root, 1, right);
    way->tree->root = reserve->root;
    way->tree->height++;
}

/* Cuts from the leaf upwards until a node has room. Cannot fail. */
static void put_in(struct way *way, struct reserve *reserve)
{
    struct item item = {.cell = reserve->cell};
    for (size_t level = way->leaf;; level--) {
        if (reserve->right[level] == NULL) {
            insert(way->nodes[level], place_at(way, level), &item);
            if (level > 0)
                refresh_up(way, level - 1, 1);
            break;
        }
        cut(way, level, &item, reserve->right[level]);
        item = (struct item){.branch = branch_of(reserve->right[level])};
        if (level == 0) {
            grow_root(way, reserve, &item.branch);
            break;
        }
        const struct key_branch left = branch_of(way->nodes[level]);
        key_node_set_branch(way->nodes[level - 1], way->index[level - 1], &left);
    }
    way->tree->count++;
}

static bool put_first(struct key_tree *tree, struct bytes key, struct bytes value)
{
    struct key_cell *cell = key_cell_new(tree, key, value);
    if (cell == NULL)
        return false;
    tree->root = key_node_new(tree, false, KEY_TREE_NODE_MIN);
    if (tree->root == NULL) {
        key_cell_free(tree, cell);
        return false;
    }
    key_node_insert_cell(tree->root, 0, cell);
    tree->height = tree->count = 1;
    return true;
}

size_t key_tree_put_bytes(const struct key_tree *tree, size_t key_bytes, size_t value_bytes)
{
    const size_t cell = mem_held_bytes_max(key_cell_bytes(key_bytes, value_bytes));
    if (tree->height == 0)
        return cell + mem_held_bytes_max(key_node_bytes(false, KEY_TREE_NODE_MIN));
    const struct key_node *root = tree->root;
    if (tree->height == 1 && root->count < root->room)
        return cell;
    if (tree->height == 1 && root->count < KEY_TREE_NODE_MAX)
        return cell + mem_held_bytes_max(key_node_bytes(false, (size_t)2 * root->room));
    return cell + mem_held_bytes_max(key_node_bytes(false, KEY_TREE_NODE_MAX)) +
           (tree->height - 1) * mem_held_bytes_max(key_node_bytes(true, KEY_TREE_NODE_MAX)) +
           mem_held_bytes_max(key_node_bytes(true, KEY_TREE_NODE_MIN));
}

bool key_tree_put(struct key_tree *tree, struct bytes key, struct bytes value, bool *is_new)
{
    *is_new = tree->height == 0;
    if (tree->height == 0)
        return put_first(tree, key, value);
    struct way way;
    walk_down(&way, tree, key);
    if (way.is_there)
        return put_over(&way, key, value);
    struct reserve reserve;
    if (!reserve_all(&way, key, value, &reserve)) {
        let_go(&way, &reserve);
        return false;
    }
    put_in(&way, &reserve);
    *is_new = true;
    return true;
}

/* ---- remove ---- */

/* The child at @index of @parent and the one beside it become one, if they are few. Without memory
 * they stay two. */
static void join_few(struct key_tree *tree, struct key_node *parent, size_t index)
{
    if (key_node_branches(parent)[index].child->count >= KEY_NODE_FEW || parent->count < 2)
        return;
    struct key_branch *left =
        &key_node_branches(parent)[index + 1 < parent->count ? index : index - 1];
    struct key_branch *right = left + 1;
    const size_t joined = (size_t)left->child->count + right->child->count;
    if (joined > KEY_NODE_JOINED_MAX)
        return;
    size_t room = left->child->room;
    while (room < joined)
        room *= 2;
    if (room > (size_t)left->child->room + right->child->room)
        return; /* it would take more than it frees, and removing takes nothing */
    if (room > left->child->room) {
        struct key_node *resized = key_node_resize(tree, left->child, room);
        if (resized == NULL)
            return;
        left->child = resized;
    }
    key_node_move(right->child, 0, left->child);
    key_node_free(tree, right->child);
    left->count += right->count;
    key_node_remove(parent, (size_t)(right - key_node_branches(parent)));
}

/* A node that is nearly empty gives half of its room back. */
static void give_room_back(struct way *way, size_t level)
{
    struct key_node *node = way->nodes[level];
    if (node->room <= KEY_TREE_NODE_MIN || node->count > node->room / 4)
        return;
    node = key_node_resize(way->tree, node, node->room / 2u);
    if (node != NULL)
        moved_to(way, level, node);
}

/* Says above that the child on the way lost a member, or lets go of it if it was the last. */
static void lose_one(struct way *way, size_t above)
{
    struct key_node *parent = way->nodes[above];
    struct key_node *child = way->nodes[above + 1];
    const size_t index = way->index[above];
    if (child->count == 0) {
        key_node_free(way->tree, child);
        key_node_remove(parent, index);
        return;
    }
    give_room_back(way, above + 1);
    refresh_one(way, above, (uint64_t)-1);
    join_few(way->tree, parent, index);
}

static void lower_root(struct way *way)
{
    struct key_tree *tree = way->tree;
    while (tree->height > 1 && tree->root->count == 1) {
        struct key_node *child = key_node_branches(tree->root)[0].child;
        key_node_free(tree, tree->root);
        tree->root = child;
        tree->height--;
    }
    if (tree->root->count > 0)
        return;
    key_node_free(tree, tree->root);
    tree->root = NULL;
    tree->height = 0;
}

bool key_tree_remove(struct key_tree *tree, struct bytes key)
{
    if (tree->height == 0)
        return false;
    struct way way;
    walk_down(&way, tree, key);
    if (!way.is_there)
        return false;
    struct key_node *leaf = way.nodes[way.leaf];
    struct key_cell *cell = key_node_cells(leaf)[way.index[way.leaf]];
    key_node_remove(leaf, way.index[way.leaf]);
    for (size_t above = way.leaf; above-- > 0;)
        lose_one(&way, above);
    if (way.leaf == 0 && leaf->count > 0)
        give_room_back(&way, 0);
    lower_root(&way);
    tree->count--;
    key_cell_free(tree, cell);
    return true;
}

/* ---- clear ---- */

/* The last node of the lowest level that is left; *@above is its branch, or NULL. */
static struct key_node *last_of(struct key_tree *tree, struct key_node **above)
{
    struct key_node *node = tree->root;
    *above = NULL;
    while (node->is_branch && node->count > 0) {
        *above = node;
        node = key_node_branches(node)[node->count - 1].child;
    }
    return node;
}

bool key_tree_clear_some(struct key_tree *tree, size_t *members)
{
    while (tree->root != NULL && *members > 0) {
        struct key_node *above;
        struct key_node *node = last_of(tree, &above);
        for (; node->count > 0 && *members > 0; --*members)
            key_cell_free(tree, key_node_cells(node)[--node->count]);
        if (node->count > 0)
            break;
        key_node_free(tree, node);
        if (above != NULL)
            above->count--;
        else
            tree->root = NULL;
    }
    if (tree->root != NULL)
        return false;
    assert(tree->bytes == 0);
    *tree = (struct key_tree){0};
    return true;
}

void key_tree_clear(struct key_tree *tree)
{
    size_t members = SIZE_MAX;
    key_tree_clear_some(tree, &members);
}
