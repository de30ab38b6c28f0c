/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/members.c - members of hashes, sets and sorted sets by their names: the keys of tree
 * 0 and the walk over it. */
#include "engine/keys/members.h"

#include "core/glob.h"

#include <xxhash.h>

/* ---- keys ---- */

uint32_t members_hash(struct bytes member)
{
    const uint64_t hash =
        XXH3_64bits(member.count == 0 ? (const void *)"" : member.at, member.count);
    return (uint32_t)(hash ^ hash >> 32);
}

static void write_hash(uint8_t *at, uint32_t hash)
{
    const uint32_t ordered = __builtin_bswap32(hash);
    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "bswap makes it big-endian");
    memcpy(at, &ordered, sizeof ordered);
}

static uint32_t hash_in(struct bytes key)
{
    uint32_t ordered;
    memcpy(&ordered, key.at, sizeof ordered);
    return __builtin_bswap32(ordered);
}

struct bytes members_key(struct run *run, struct bytes member)
{
    uint8_t *key = run_scratch(run, SPACE_MEMBER_HASH_BYTES + member.count);
    if (key == NULL)
        return (struct bytes){0};
    write_hash(key, members_hash(member));
    if (member.count > 0)
        memcpy(key + SPACE_MEMBER_HASH_BYTES, member.at, member.count);
    return (struct bytes){key, SPACE_MEMBER_HASH_BYTES + member.count};
}

struct bytes members_copy(struct run *run, struct bytes bytes)
{
    uint8_t *copy = run_scratch(run, bytes.count + 1);
    if (copy == NULL)
        return (struct bytes){0};
    if (bytes.count > 0)
        memcpy(copy, bytes.at, bytes.count);
    return (struct bytes){copy, bytes.count};
}

/* ---- one member ---- */

bool members_get(struct run *run, struct space_value *value, struct bytes member,
                 struct bytes *found, bool *is_there)
{
    *is_there = false;
    if (member.count > MEMBER_BYTES_MAX)
        return true;
    const struct bytes key = members_key(run, member);
    return key.at != NULL &&
           run_is_ok(run, value->space->kind->tree_get(value, 0, key, found, is_there));
}

bool members_put(struct run *run, struct space_value *value, struct bytes member,
                 struct bytes bytes, bool *is_new)
{
    if (member.count > MEMBER_BYTES_MAX)
        return run_is_ok(run, SPACE_TOO_LARGE);
    const struct bytes key = members_key(run, member);
    return key.at != NULL &&
           run_is_ok(run, value->space->kind->tree_put(value, 0, key, bytes, is_new));
}

bool members_remove(struct run *run, struct space_value *value, struct bytes member,
                    bool *was_there)
{
    *was_there = false;
    if (member.count > MEMBER_BYTES_MAX)
        return true;
    const struct bytes key = members_key(run, member);
    return key.at != NULL &&
           run_is_ok(run, value->space->kind->tree_remove(value, 0, key, was_there));
}

void members_remove_listed(struct run *run, enum key_type type)
{
    struct space *space;
    struct space_value value;
    int64_t removed = 0;
    bool is_ok = true;
    if (!run_find(run, run->args[1], type, &space, &value))
        return;
    for (uint32_t i = 2; i < run->args_count && is_ok && value.type != KEY_NONE; i++) {
        bool was_there = false;
        is_ok = members_remove(run, &value, run->args[i], &was_there);
        removed += was_there;
        if (value.count == 0)
            break;
    }
    const enum space_result settled =
        removed == 0 ? SPACE_OK : space->kind->settle(space, run->args[1], &value);
    if (is_ok && run_is_ok(run, settled))
        resp_integer(run->out, removed);
}

/* ---- by chance ---- */

/* 0..below-1; with 128 bits, since ranks may be over 32. */
static uint64_t draw_below(struct run *run, uint64_t below)
{
    return (uint64_t)(((unsigned __int128)random_next(run->random) * below) >> 64);
}

void members_draw(struct run *run, struct space_cursor *cursor)
{
    cursor->space->kind->seek_rank(cursor, draw_below(run, cursor->value->count));
}

/* More than half of them: goes over all ranks, and takes each with the share that is still wanted
 * among those that are left. */
static uint64_t *choose_most(struct run *run, uint64_t total, uint64_t count)
{
    uint64_t *ranks = run_scratch(run, count * sizeof *ranks);
    uint64_t chosen = 0;
    if (ranks == NULL)
        return NULL;
    for (uint64_t rank = 0; chosen < count; rank++)
        if (draw_below(run, total - rank) < count - chosen)
            ranks[chosen++] = rank;
    return ranks;
}

/* Puts @rank into a table of @mask + 1 places, of which at most half are taken; false: it is there.
 * A place holds a rank and one, 0 is empty. */
static bool add_rank(uint64_t *table, uint64_t mask, uint64_t rank)
{
    uint64_t at = rank * 0x9e3779b97f4a7c15u >> 20 & mask;
    for (; table[at] != 0; at = (at + 1) & mask)
        if (table[at] == rank + 1)
            return false;
    table[at] = rank + 1;
    return true;
}

/* Draws until there are enough, which is at most twice as often on average, and then closes up the
 * table. */
static uint64_t *choose_few(struct run *run, uint64_t total, uint64_t count)
{
    uint64_t places = 2;
    while (places < 2 * count)
        places *= 2;
    uint64_t *table = run_scratch(run, places * sizeof *table);
    if (table == NULL)
        return NULL;
    memset(table, 0, places * sizeof *table);
    for (uint64_t chosen = 0; chosen < count;)
        chosen += add_rank(table, places - 1, draw_below(run, total));
    for (uint64_t at = 0, to = 0; at < places; at++)
        if (table[at] != 0)
            table[to++] = table[at] - 1;
    return table;
}

uint64_t *members_choose(struct run *run, uint64_t total, uint64_t count)
{
    return count > total / 2 ? choose_most(run, total, count) : choose_few(run, total, count);
}

/* ---- answers ---- */

void members_refuse(struct run *run, size_t begun, enum space_result result)
{
    resp_out_rewind(run->out, begun);
    resp_error(run->out, space_result_text(result));
}

void members_unsay(struct run *run, size_t begun, size_t error)
{
    struct resp_out *out = run->out;
    if (out->failed)
        return;
    memmove(out->buf->data + begun, out->buf->data + error, out->used - error);
    resp_out_rewind(out, out->used - (error - begun));
}

bool members_write(struct run *run, struct space_cursor *cursor, uint64_t count, size_t begun,
                   void (*write)(struct run *run, const struct space_cursor *cursor))
{
    for (uint64_t i = 0; i < count && !run->out->failed; i++) {
        if (!cursor->is_there) {
            members_refuse(run, begun, SPACE_DAMAGED);
            return false;
        }
        write(run, cursor);
        cursor->space->kind->next(cursor);
    }
    return !run->out->failed;
}

/* ---- scan ---- */

enum {
    SCAN_COUNT = 10,          /* as Redis' */
    SCAN_WHOLE_COUNT = 128,   /* so many members are given at once, */
    SCAN_WHOLE_BYTES = 65536, /* unless they are large */
};

typedef unsigned scan_write(struct run *run, const struct space_cursor *cursor);

struct scan {
    uint64_t     cursor; /* as the client has it: a hash and one, or 0 */
    uint64_t     count;
    bool         has_pattern;
    struct bytes pattern;
    scan_write  *write;
    uint64_t     elements; /* that were written */
};

/* As strtoul() reads it whole, since clients may send what Redis takes: a sign, zeros in front,
 * nothing at all. */
static bool read_cursor(struct bytes text, uint64_t *cursor)
{
    const bool has_sign = text.count > 0 && (text.at[0] == '-' || text.at[0] == '+');
    uint64_t number = 0;
    if (has_sign && text.count == 1)
        return false;
    for (size_t i = has_sign; i < text.count; i++) {
        const unsigned digit = (unsigned)text.at[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, digit, &number))
            return false;
    }
    *cursor = has_sign && text.at[0] == '-' ? 0 - number : number;
    return true;
}

/* COUNT and MATCH, which stand behind the cursor. False: answered. */
static bool read_options(struct run *run, struct scan *scan)
{
    for (uint32_t i = 3; i < run->args_count; i += 2) {
        const bool is_pair = i + 1 < run->args_count;
        int64_t count;
        if (is_pair && run_arg_is(run, i, "match")) {
            scan->pattern = run->args[i + 1];
            scan->has_pattern = true;
            continue;
        }
        if (is_pair && run_arg_is(run, i, "count")) {
            if (!run_integer(run, i + 1, &count))
                return false;
            scan->count = (uint64_t)count;
            if (count >= 1)
                continue;
        }
        resp_error(run->out, RUN_SYNTAX);
        return false;
    }
    return true;
}

/* Writes members from the cursor on, all of one hash together; the client's next cursor. */
static uint64_t walk(struct run *run, struct scan *scan, struct space_cursor *at)
{
    const bool is_small = at->value->count <= SCAN_WHOLE_COUNT;
    uint64_t looked = 0, bytes = 0;
    for (uint32_t hash = 0; at->is_there && !run->out->failed; at->space->kind->next(at)) {
        const uint32_t previous = hash;
        hash = hash_in(at->key);
        const bool is_enough = looked >= scan->count && (!is_small || bytes > SCAN_WHOLE_BYTES);
        if (is_enough && hash != previous)
            return (uint64_t)hash + 1;
        looked++;
        bytes += at->key.count + at->member_value.count;
        if (!scan->has_pattern || glob_matches(scan->pattern, members_name(at->key)))
            scan->elements += scan->write(run, at);
    }
    return 0;
}

/* Puts the bulk string of the cursor, known only now, before what was written from @begun on. */
static void write_cursor_before(struct run *run, size_t begun, uint64_t cursor)
{
    struct resp_out *out = run->out;
    const size_t written = out->used - begun;
    resp_bulk_integer(out, (int64_t)cursor);
    if (out->failed)
        return;
    const size_t bytes = out->used - begun - written;
    uint8_t head[BYTES_INT64_MAX + 16];
    uint8_t *from = out->buf->data + begun;
    memcpy(head, from + written, bytes);
    memmove(from + bytes, from, written);
    memcpy(from, head, bytes);
}

static void scan_value(struct run *run, struct scan *scan, struct space *space,
                       struct space_value *value)
{
    struct space_cursor at = space_cursor_of(space, value, 0);
    uint8_t from[SPACE_MEMBER_HASH_BYTES];
    uint64_t next = 0;
    resp_array(run->out, 2);
    const size_t begun = resp_begin_array(run->out);
    if (scan->cursor <= (uint64_t)UINT32_MAX + 1) {
        write_hash(from, scan->cursor == 0 ? 0 : (uint32_t)(scan->cursor - 1));
        space->kind->seek(&at, (struct bytes){from, sizeof from});
        next = walk(run, scan, &at);
    }
    resp_end_array(run->out, begun, scan->elements);
    write_cursor_before(run, begun, next);
}

void members_scan(struct run *run, enum key_type type, scan_write *write)
{
    struct scan scan = {.count = SCAN_COUNT, .write = write};
    struct space *space;
    struct space_value value;
    if (!read_cursor(run->args[2], &scan.cursor)) {
        resp_error(run->out, "ERR invalid cursor");
        return;
    }
    if (!run_find(run, run->args[1], type, &space, &value))
        return;
    if (value.type == KEY_NONE) { /* before the options, as Redis has it */
        resp_array(run->out, 2);
        resp_bulk_text(run->out, "0");
        resp_array(run->out, 0);
        return;
    }
    if (read_options(run, &scan))
        scan_value(run, &scan, space, &value);
}
