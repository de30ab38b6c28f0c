/* SPDX-License-Identifier: Apache-2.0 */
/* store/keys/key_tree_test.c - the tree against a simple model, at every size, without memory. */
#include "store/keys/key_tree.h"

#include "core/mem.h"
#include "core/random.h"
#include "store/keys/key_node.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { KEYS = 3000, KEY_BYTES = 24, STEPS = 20000 };

/* All keys there can be, in their order, and which are there with what. */
struct model {
    char     keys[KEYS][KEY_BYTES];
    bool     is_there[KEYS];
    uint32_t value_bytes[KEYS];
    uint64_t count;
};

static struct model model;

static struct bytes key_at(unsigned index)
{
    return bytes_of(model.keys[index]);
}

/* Keys of several lengths, many with the same first bytes, some a prefix of the next. */
static void model_init(void)
{
    memset(&model, 0, sizeof model);
    for (unsigned i = 0; i < KEYS; i++)
        snprintf(model.keys[i], KEY_BYTES, "%s%05u%s", i < KEYS / 2 ? "same" : "zz", i / 3,
                 (const char *[]){"", "a", "b-and-longer"}[i % 3]);
}

static uint8_t filler[2000];

static struct bytes value_of(unsigned index)
{
    return (struct bytes){filler, model.value_bytes[index]};
}

static uint64_t rank_of(unsigned index)
{
    uint64_t rank = 0;
    for (unsigned i = 0; i < index; i++)
        rank += model.is_there[i];
    return rank;
}

/* The first that is there from @index on; KEYS: none. */
static unsigned there_from(unsigned index)
{
    while (index < KEYS && !model.is_there[index])
        index++;
    return index;
}

static bool put(struct key_tree *tree, unsigned index, uint32_t value_bytes)
{
    bool is_new;
    const size_t most = key_tree_put_bytes(tree, key_at(index).count, value_bytes);
    const uint64_t before = tree->bytes;
    const struct bytes value = {filler, value_bytes};
    if (!key_tree_put(tree, key_at(index), value, &is_new))
        return false;
    cr_assert(is_new == !model.is_there[index]);
    cr_assert(tree->bytes <= before + most, "%zu were to be enough", most);
    model.count += is_new;
    model.is_there[index] = true;
    model.value_bytes[index] = value_bytes;
    return true;
}

static void take(struct key_tree *tree, unsigned index)
{
    const uint64_t before = tree->bytes;
    cr_assert(key_tree_remove(tree, key_at(index)) == model.is_there[index]);
    cr_assert(tree->bytes <= before, "removing takes no memory");
    model.count -= model.is_there[index];
    model.is_there[index] = false;
}

static void expect_at(const struct key_cursor *cursor, const struct key_tree *tree, unsigned index)
{
    struct bytes key, value;
    const bool is_there = key_cursor_read(cursor, tree, &key, &value);
    cr_assert(is_there == (index < KEYS));
    if (is_there) {
        cr_assert(bytes_equal(key, key_at(index)));
        cr_assert(bytes_equal(value, value_of(index)));
    }
    cr_assert(key_cursor_rank(cursor, tree) == rank_of(index < KEYS ? index : KEYS));
}

/* One key, found in every way. */
static void look(const struct key_tree *tree, unsigned index)
{
    struct bytes value;
    cr_assert(key_tree_get(tree, key_at(index), &value) == model.is_there[index]);
    cr_assert(!model.is_there[index] || bytes_equal(value, value_of(index)));
    struct key_cursor cursor;
    const unsigned found = there_from(index);
    key_cursor_seek(&cursor, tree, key_at(index));
    expect_at(&cursor, tree, found);
    if (found == KEYS)
        return;
    key_cursor_seek_rank(&cursor, tree, rank_of(found));
    expect_at(&cursor, tree, found);
    key_cursor_next(&cursor, tree);
    expect_at(&cursor, tree, there_from(found + 1));
    key_cursor_prev(&cursor, tree);
    expect_at(&cursor, tree, found);
}

static void look_at_all(const struct key_tree *tree)
{
    struct key_cursor cursor;
    unsigned index = there_from(0);
    key_cursor_seek_rank(&cursor, tree, 0);
    for (; index < KEYS; index = there_from(index + 1)) {
        expect_at(&cursor, tree, index);
        key_cursor_next(&cursor, tree);
    }
    expect_at(&cursor, tree, KEYS);
    for (index = KEYS; index-- > 0;)
        if (model.is_there[index]) {
            key_cursor_prev(&cursor, tree);
            expect_at(&cursor, tree, index);
        }
    key_cursor_prev(&cursor, tree);
    cr_assert(cursor.place == KEY_CURSOR_BEFORE);
    cr_assert(tree->count == model.count);
}

/* What the tree counts is what its blocks hold. */
static uint64_t held_below(struct key_node *node)
{
    uint64_t bytes = mem_held_bytes(node);
    for (size_t i = 0; i < node->count; i++)
        bytes += node->is_branch ? held_below(key_node_branches(node)[i].child)
                                 : mem_held_bytes(key_node_cells(node)[i]);
    return bytes;
}

/* @put_percent of the steps put. */
static void walk_at_random(struct key_tree *tree, struct random *random, unsigned put_percent)
{
    for (unsigned i = 0; i < STEPS; i++) {
        const unsigned index = random_below(random_next(random), KEYS);
        if (random_below(random_next(random), 100) < put_percent)
            cr_assert(put(tree, index, random_below(random_next(random), i % 50 == 0 ? 2000 : 20)));
        else
            take(tree, index);
        if (i % 16 == 0)
            look(tree, random_below(random_next(random), KEYS));
    }
    look_at_all(tree);
    cr_assert(tree->bytes == (tree->root == NULL ? 0 : held_below(tree->root)));
}

Test(key_tree, does_what_a_sorted_list_does)
{
    struct key_tree tree = {0};
    struct random random;
    random_init(&random, 7);
    model_init();
    look(&tree, 0);
    look_at_all(&tree);
    walk_at_random(&tree, &random, 80);
    walk_at_random(&tree, &random, 50);
    walk_at_random(&tree, &random, 15);
    for (unsigned i = 0; i < KEYS; i++)
        take(&tree, i);
    cr_expect(tree.root == NULL && tree.bytes == 0 && tree.height == 0 && tree.count == 0);
}

Test(key_tree, clears_whatever_is_in_it)
{
    struct key_tree tree = {0};
    model_init();
    key_tree_clear(&tree);
    for (unsigned i = 0; i < KEYS; i++)
        cr_assert(put(&tree, i, i % 300));
    key_tree_clear(&tree);
    cr_expect(tree.bytes == 0 && tree.count == 0);
}

/* Bytes for each member beside its cell. */
static double node_bytes(const struct key_tree *tree, size_t cell_bytes)
{
    return (double)tree->bytes / (double)tree->count - (double)cell_bytes;
}

/* A list that grows at either end leaves no half-full nodes behind. */
Test(key_tree, is_dense_when_filled_from_an_end)
{
    static const uint8_t element[30];
    for (unsigned is_forward = 0; is_forward < 2; is_forward++) {
        struct key_tree tree = {0};
        size_t cell_bytes = 0;
        for (unsigned i = 0; i < 10000; i++) {
            const unsigned place = is_forward ? i : 10000 - i;
            const uint8_t key[4] = {0, 0, (uint8_t)(place >> 8), (uint8_t)place};
            bool is_new;
            cr_assert(key_tree_put(&tree, (struct bytes){key, 4},
                                   (struct bytes){element, sizeof element}, &is_new));
            if (i == 0)
                cell_bytes = mem_held_bytes(key_node_cells(tree.root)[0]);
        }
        cr_expect(node_bytes(&tree, cell_bytes) < 13, "%f", node_bytes(&tree, cell_bytes));
        key_tree_clear(&tree);
    }
}

/* A cell may be put under its own key, from its own bytes, at every change of length. */
Test(key_tree, takes_bytes_that_lie_in_it)
{
    struct key_tree tree = {0};
    bool is_new;
    cr_assert(key_tree_put(&tree, bytes_of("key"), bytes_of("0123456789"), &is_new));
    cr_assert(key_tree_put(&tree, bytes_of("other"), bytes_of("abcdef"), &is_new));
    struct key_cursor cursor;
    struct bytes key, value, other;
    key_cursor_seek_rank(&cursor, &tree, 0);
    cr_assert(key_cursor_read(&cursor, &tree, &key, &value));
    value.at += 3;
    value.count = 4;
    cr_assert(key_tree_put(&tree, key, value, &is_new));
    cr_expect(!is_new);
    cr_assert(key_tree_get(&tree, bytes_of("key"), &value));
    cr_expect(bytes_equal(value, bytes_of("3456")));
    cr_assert(key_tree_get(&tree, bytes_of("other"), &other));
    cr_assert(key_tree_put(&tree, bytes_of("key"), other, &is_new));
    cr_assert(key_tree_get(&tree, bytes_of("key"), &value));
    cr_expect(bytes_equal(value, bytes_of("abcdef")));
    cr_expect(key_cursor_rank(&cursor, &tree) == 0, "a put of what is there keeps cursors");
    key_cursor_next(&cursor, &tree);
    cr_expect(key_cursor_read(&cursor, &tree, &key, &value) && bytes_equal(key, bytes_of("other")));
    cr_expect(key_tree_remove(&tree, key));
    key_tree_clear(&tree);
}

/* A name of zero bytes, and one whose first bytes are zeros. */
Test(key_tree, tells_short_keys_apart)
{
    struct key_tree tree = {0};
    static const uint8_t zeros[6];
    bool is_new;
    for (unsigned count = 6; count-- > 0;)
        cr_assert(key_tree_put(&tree, (struct bytes){zeros, count}, bytes_of("v"), &is_new));
    cr_expect(tree.count == 6);
    struct key_cursor cursor;
    struct bytes key, value;
    key_cursor_seek(&cursor, &tree, (struct bytes){NULL, 0});
    for (unsigned count = 0; count < 6; count++, key_cursor_next(&cursor, &tree))
        cr_expect(key_cursor_read(&cursor, &tree, &key, &value) && key.count == count);
    key_tree_clear(&tree);
}

#ifdef PANDO_FAULTS
/* Puts with the nth allocation failing, until none fails. */
static void put_without_memory(struct key_tree *tree, unsigned index)
{
    for (uint64_t nth = 1;; nth++) {
        const uint64_t bytes = tree->bytes;
        fault_fail_nth(FAULT_ALLOCATION, nth);
        const bool is_put = put(tree, index, 5 + index % 7);
        fault_fail_nth(FAULT_ALLOCATION, 0);
        if (is_put)
            return;
        cr_assert(nth < 20);
        cr_assert(tree->bytes <= bytes + key_node_bytes(true, KEY_TREE_NODE_MAX),
                  "only room that was made stays");
        look(tree, index);
        cr_assert(tree->count == model.count);
        cr_assert(tree->bytes == (tree->root == NULL ? 0 : held_below(tree->root)));
    }
}

Test(key_tree, is_whole_when_memory_fails)
{
    struct key_tree tree = {0};
    struct random random;
    random_init(&random, 11);
    model_init();
    for (unsigned i = 0; i < 1500; i++)
        put_without_memory(&tree, random_below(random_next(&random), KEYS));
    for (unsigned i = 0; i < 500; i++)
        put_without_memory(&tree, i);
    look_at_all(&tree);
    for (unsigned i = 0; i < 20000; i++) {
        fault_fail_nth(FAULT_ALLOCATION, 1);
        take(&tree, random_below(random_next(&random), KEYS));
        fault_fail_nth(FAULT_ALLOCATION, 0);
    }
    look_at_all(&tree);
    key_tree_clear(&tree);
}
#endif
