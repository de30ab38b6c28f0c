/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/check/pages.c - the trees of pages in an LMDB file (data format 1, 64 bits), read
 * without LMDB: that every page is what its parent says, lies in the file, and is used once.
 *
 *     page     number (8) pad (2) flags (2) lower (2) upper (2), or of a long value: pages (4);
 *              then offsets (2 each) of nodes, which lie at the page's end
 *     node     of a leaf: size (4) flags (2) key_bytes (2) key value; a long value's page instead
 *              of a branch: page (6) key_bytes (2) key
 *     database pad (4) flags (2) depth (2) branches (8) leaves (8) long (8) entries (8) root (8)
 *     heads    pages 0 and 1: page, then magic (4) version (4) address (8) map (8), the database of
 *              free pages, the database of databases, last page (8), transaction (8) */
#include "core/mem.h"
#include "engine/lmdb/check/lmdb_check.h"

#include <lmdb.h>
#include <stdio.h>
#include <unistd.h>

enum {
    HEAD_BYTES = 16,
    NODE_BYTES = 8,
    DATABASE_BYTES = 48,
    META_BYTES = 136,
    META_FREE_AT = 24,
    META_MAIN_AT = 72,
    META_LAST_AT = 120,
    META_TXN_AT = 128,
    PAGE_BRANCH = 1,
    PAGE_LEAF = 2,
    PAGE_LONG = 4,
    NODE_LONG = 1,
    NODE_DATABASE = 2,
    DEPTH_MAX = 32,
    KEY_MAX = 511,
    TRIES = 100,
};

#define MAGIC   0xbeefc0deu
#define NO_PAGE UINT64_MAX

struct tree {
    const char *name;
    uint16_t    depth;
    uint64_t    entries;
    uint64_t    root;
    uint64_t    counted;
    bool        is_main;     /* its values may be databases */
    bool        is_numbered; /* keys are numbers of this machine, not bytes in order */
    uint8_t     last_key[KEY_MAX];
    uint16_t    last_bytes;
};

struct walk {
    struct lmdb_check *check;
    int                fd;
    uint32_t           page_bytes;
    uint64_t           last_page;
    uint8_t           *seen;   /* a bit a page */
    uint8_t           *levels; /* a page for each level of each of two trees */
};

static uint16_t u16(const uint8_t *at)
{
    uint16_t number;
    memcpy(&number, at, sizeof number);
    return number;
}

static uint32_t u32(const uint8_t *at)
{
    uint32_t number;
    memcpy(&number, at, sizeof number);
    return number;
}

static uint64_t u64(const uint8_t *at)
{
    uint64_t number;
    memcpy(&number, at, sizeof number);
    return number;
}

static struct tree tree_at(const uint8_t *at, const char *name)
{
    return (struct tree){
        .name = name, .depth = u16(at + 6), .entries = u64(at + 32), .root = u64(at + 40)};
}

static bool read_page(struct walk *walk, uint64_t page, uint8_t *out)
{
    return pread(walk->fd, out, walk->page_bytes, (off_t)(page * walk->page_bytes)) ==
           (ssize_t)walk->page_bytes;
}

/* Notes that pages are used. False: found. */
static bool use(struct walk *walk, const char *name, uint64_t page, uint64_t count)
{
    if (page < 2 || count == 0 || page > walk->last_page || count > walk->last_page - page + 1) {
        lmdb__find(walk->check, "%s: page %lu is named, and the file ends at page %lu", name, page,
                   walk->last_page);
        return false;
    }
    for (uint64_t i = page; i < page + count; i++) {
        if (walk->seen[i / 8] & 1u << i % 8) {
            lmdb__find(walk->check, "%s: page %lu is used twice", name, i);
            return false;
        }
        walk->seen[i / 8] |= (uint8_t)(1u << i % 8);
    }
    walk->check->checked->pages += count;
    return true;
}

/* Reads it, and it is what it should be. */
static bool load(struct walk *walk, const struct tree *tree, uint64_t page, unsigned flags,
                 uint8_t *out)
{
    if (!read_page(walk, page, out)) {
        lmdb__find(walk->check, "%s: page %lu cannot be read", tree->name, page);
        return false;
    }
    if (u64(out) != page || (u16(out + 10) & (PAGE_BRANCH | PAGE_LEAF | PAGE_LONG)) != flags) {
        lmdb__find(walk->check, "%s: page %lu is not what its parent says", tree->name, page);
        return false;
    }
    return true;
}

static bool check_long(struct walk *walk, const struct tree *tree, uint64_t page, uint64_t bytes)
{
    uint8_t head[HEAD_BYTES];
    const uint64_t count = (HEAD_BYTES - 1 + bytes) / walk->page_bytes + 1;
    if (!use(walk, tree->name, page, count))
        return false;
    if (pread(walk->fd, head, sizeof head, (off_t)(page * walk->page_bytes)) != sizeof head ||
        u64(head) != page || (u16(head + 10) & PAGE_LONG) == 0 || u32(head + 12) != count) {
        lmdb__find(walk->check, "%s: page %lu is not the long value that its node says", tree->name,
                   page);
        return false;
    }
    return true;
}

static bool is_in_order(struct tree *tree, const uint8_t *key, uint16_t bytes)
{
    const struct bytes now = {key, bytes}, last = {tree->last_key, tree->last_bytes};
    const bool is_first = tree->counted == 0;
    if (!is_first && !tree->is_numbered && bytes_compare(last, now) >= 0)
        return false;
    memcpy(tree->last_key, key, bytes);
    tree->last_bytes = bytes;
    return true;
}

/* The node at @index lies in the page whole; @value_bytes of a leaf's come behind its key. */
static const uint8_t *node_at(const struct walk *walk, const uint8_t *page, unsigned index)
{
    const uint16_t at = u16(page + HEAD_BYTES + (size_t)2 * index);
    if (at < u16(page + 14) || at > walk->page_bytes - NODE_BYTES)
        return NULL;
    const uint8_t *node = page + at;
    uint64_t bytes = NODE_BYTES + u16(node + 6);
    if ((u16(page + 10) & PAGE_LEAF) != 0)
        bytes += (u16(node + 4) & NODE_LONG) != 0 ? 8 : u32(node);
    return u16(node + 6) <= KEY_MAX && at + bytes <= walk->page_bytes ? node : NULL;
}

static bool check_tree(struct walk *walk, struct tree *tree, uint8_t *levels);

/* A free page's number stands in the values of the database of free pages. */
static bool check_free(struct walk *walk, const struct tree *tree, const uint8_t *node)
{
    const uint8_t *value = node + NODE_BYTES + u16(node + 6);
    const uint64_t bytes = u32(node);
    uint64_t word;
    if ((u16(node + 4) & NODE_LONG) == 0)
        memcpy(&word, value, 8);
    else if (pread(walk->fd, &word, 8, (off_t)(u64(value) * walk->page_bytes + HEAD_BYTES)) !=
             sizeof word)
        return false;
    const uint64_t count = word;
    for (uint64_t i = 1; i <= count; i++) {
        if (8 * (i + 1) > bytes) {
            lmdb__find(walk->check, "%s: a list of free pages is cut", tree->name);
            return false;
        }
        if ((u16(node + 4) & NODE_LONG) == 0)
            memcpy(&word, value + 8 * i, 8);
        else if (pread(walk->fd, &word, 8,
                       (off_t)(u64(value) * walk->page_bytes + HEAD_BYTES + 8 * i)) != sizeof word)
            return false;
        if (!use(walk, tree->name, word, 1))
            return false;
    }
    return true;
}

static bool check_value(struct walk *walk, struct tree *tree, const uint8_t *node, uint8_t *levels)
{
    const uint16_t flags = u16(node + 4), key_bytes = u16(node + 6);
    const uint8_t *value = node + NODE_BYTES + key_bytes;
    if (!is_in_order(tree, node + NODE_BYTES, key_bytes)) {
        lmdb__find(walk->check, "%s: its keys are not in order", tree->name);
        return false;
    }
    if ((flags & ~(tree->is_main ? NODE_DATABASE : NODE_LONG)) != 0) {
        lmdb__find(walk->check, "%s: a value is of a kind that we do not write", tree->name);
        return false;
    }
    tree->counted++;
    if ((flags & NODE_LONG) != 0 && !check_long(walk, tree, u64(value), u32(node)))
        return false;
    if (tree->is_numbered)
        return check_free(walk, tree, node);
    if ((flags & NODE_DATABASE) == 0)
        return true;
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)key_bytes, (const char *)(node + NODE_BYTES));
    if (u32(node) != DATABASE_BYTES || u16(value + 4) != 0) {
        lmdb__find(walk->check, "%s: the head of database %s is wrong", tree->name, name);
        return false;
    }
    struct tree below = tree_at(value, name);
    return check_tree(walk, &below, levels + (size_t)DEPTH_MAX * walk->page_bytes);
}

static bool check_page(struct walk *walk, struct tree *tree, uint64_t number, unsigned level,
                       uint8_t *levels)
{
    uint8_t *page = levels + (size_t)(level - 1) * walk->page_bytes;
    const bool is_leaf = level == tree->depth;
    if (!use(walk, tree->name, number, 1) ||
        !load(walk, tree, number, is_leaf ? PAGE_LEAF : PAGE_BRANCH, page))
        return false;
    const uint16_t lower = u16(page + 12), upper = u16(page + 14);
    if (lower < HEAD_BYTES || lower > upper || upper > walk->page_bytes || lower % 2 != 0 ||
        (!is_leaf && lower == HEAD_BYTES)) {
        lmdb__find(walk->check, "%s: page %lu has a wrong head", tree->name, number);
        return false;
    }
    for (unsigned i = 0; i < (lower - HEAD_BYTES) / 2u; i++) {
        const uint8_t *node = node_at(walk, page, i);
        if (node == NULL) {
            lmdb__find(walk->check, "%s: page %lu: node %u does not lie in it", tree->name, number,
                       i);
            return false;
        }
        const uint64_t child = u32(node) | (uint64_t)u16(node + 4) << 32;
        if (is_leaf ? !check_value(walk, tree, node, levels)
                    : !check_page(walk, tree, child, level + 1, levels))
            return false;
    }
    return true;
}

static bool check_tree(struct walk *walk, struct tree *tree, uint8_t *levels)
{
    if (tree->root == NO_PAGE)
        return true;
    if (tree->depth == 0 || tree->depth > DEPTH_MAX) {
        lmdb__find(walk->check, "%s: %u levels of pages cannot be", tree->name, tree->depth);
        return false;
    }
    if (!check_page(walk, tree, tree->root, 1, levels))
        return false;
    if (tree->counted != tree->entries) {
        lmdb__find(walk->check, "%s: %lu entries are there, and its head says %lu", tree->name,
                   tree->counted, tree->entries);
        return false;
    }
    return true;
}

/* The head of the transaction that we are in; the writer uses both in turns, so look at once. */
static bool find_head(struct walk *walk, uint8_t head[META_BYTES])
{
    for (uint64_t page = 0; page < 2; page++) {
        if (pread(walk->fd, head, META_BYTES, (off_t)(page * walk->page_bytes + HEAD_BYTES)) ==
                META_BYTES &&
            u32(head) == MAGIC && u64(head + META_TXN_AT) == mdb_txn_id(walk->check->txn))
            return true;
    }
    return false;
}

static bool begin_at_head(struct walk *walk, uint8_t head[META_BYTES])
{
    for (int i = 0; i < TRIES; i++) {
        if (find_head(walk, head))
            return true;
        mdb_txn_reset(walk->check->txn);
        if (mdb_txn_renew(walk->check->txn) != 0)
            return false;
    }
    return false;
}

static bool check_all(struct walk *walk, const uint8_t *head)
{
    struct tree free_pages = tree_at(head + META_FREE_AT, "free pages");
    struct tree databases = tree_at(head + META_MAIN_AT, "databases");
    free_pages.is_numbered = true;
    databases.is_main = true;
    return check_tree(walk, &databases, walk->levels) &&
           check_tree(walk, &free_pages, walk->levels);
}

enum err_kind lmdb__check_pages(struct lmdb_check *check, struct err *e)
{
    struct walk walk = {.check = check, .page_bytes = check->shard->page_bytes};
    uint8_t head[META_BYTES];
    if (mdb_env_get_fd(check->shard->env, &walk.fd) != 0 || !begin_at_head(&walk, head))
        return err_set(e, ERR_SYSTEM, "read the heads of %.150s/data.mdb", check->shard->path);
    walk.last_page = u64(head + META_LAST_AT);
    if (walk.last_page >= check->shard->map_bytes / walk.page_bytes) {
        lmdb__find(check, "page 0 or 1: the last page %lu is outside of the map", walk.last_page);
        return ERR_NONE;
    }
    walk.seen = mem_alloc(walk.last_page / 8 + 1);
    walk.levels = mem_alloc((size_t)2 * DEPTH_MAX * walk.page_bytes);
    const bool has_memory = walk.seen != NULL && walk.levels != NULL;
    if (has_memory)
        (void)check_all(&walk, head);
    mem_free(walk.seen);
    mem_free(walk.levels);
    return has_memory ? ERR_NONE : err_set(e, ERR_MEMORY, "check %.150s", check->shard->path);
}
