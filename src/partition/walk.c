/* SPDX-License-Identifier: Apache-2.0 */
/* partition/walk.c - SCAN, PANDO.RANGE and RANDOMKEY: one shard after the other, until there is
 * enough.
 *
 * begin at a shard -> a part is submitted -> its answer is looked at -> the next shard, or the end.
 * Parts that are answered within submit() are looked at in one loop, so a thousand empty shards do
 * not make a thousand frames. */
#include "codec/resp/resp_value.h"
#include "core/mem.h"
#include "partition/partition_stage.h"
#include "path/command/scan_cursor.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

enum { RANGE_ARGS_MAX = 6 };

static_assert((int)PARTITION_SHARDS_MAX <= (int)SCAN_SHARDS_MAX &&
                  (int)KEYSPACES_MAX <= (int)SCAN_KEYSPACES_MAX,
              "a cursor names every shard of every keyspace");

struct walk {
    struct key_op           part; /* first */
    struct resp_out         out;
    struct partition_stage *stage;
    struct key_op          *op;
    struct keyspace        *keyspace;
    uint32_t                shard;
    uint32_t                tries_left; /* shards still to be visited */
    uint64_t                position;   /* of SCAN, in the shard */
    bool                    is_answered, is_stepping;
    bool                    is_reverse;
    bool                    has_count;
    uint64_t                count_left; /* of PANDO.RANGE, if has_count */
    uint64_t                found_count;
    struct resp_out         found; /* of PANDO.RANGE: the elements */
    struct bytes            args[RANGE_ARGS_MAX];
    uint8_t                 count_text[BYTES_INT64_MAX];
};

static void step(struct walk *walk);

static void free_walk(struct walk *walk)
{
    resp_out_fini(&walk->out);
    resp_out_fini(&walk->found);
    mem_free(walk);
}

static void end(struct walk *walk)
{
    struct key_op *op = walk->op;
    op->is_refused = op->is_refused || walk->part.is_refused;
    free_walk(walk);
    op->done(op);
}

static void part_done(struct key_op *part)
{
    struct walk *walk = (struct walk *)(void *)part;
    walk->is_answered = true;
    if (!walk->is_stepping)
        step(walk);
}

static bool already_apart(struct key_op *part)
{
    part->is_apart = true;
    return true;
}

static struct walk *new_walk(struct partition_stage *stage, struct key_op *op)
{
    struct walk *walk = NULL;
    if (op->is_apart || op->set_apart(op))
        walk = mem_alloc(sizeof *walk);
    if (walk == NULL) {
        partition__refuse_memory(op);
        return NULL;
    }
    walk->part = (struct key_op){.command = op->command,
                                 .args = op->args,
                                 .args_count = op->args_count,
                                 .is_apart = true,
                                 .is_behind = op->is_behind,
                                 .now_ms = op->now_ms,
                                 .out = &walk->out,
                                 .set_apart = already_apart,
                                 .done = part_done};
    walk->stage = stage;
    walk->op = op;
    resp_out_init(&walk->out, op->out->version, op->out->bytes_max, NULL);
    resp_out_init(&walk->found, op->out->version, op->out->bytes_max, NULL);
    return walk;
}

static struct bytes part_text(const struct walk *walk)
{
    return (struct bytes){walk->out.buf == NULL ? NULL : walk->out.buf->data, walk->out.used};
}

static bool part_failed(const struct walk *walk)
{
    return walk->out.failed || walk->out.used == 0 || walk->out.buf->data[0] == '-';
}

/* The part's answer, an error mostly, is the op's. */
static void pass_on(struct walk *walk)
{
    if (walk->out.failed)
        resp_error(walk->op->out, "ERR the answer is larger than 'answer-bytes'");
    else
        resp_raw(walk->op->out, part_text(walk));
}

/* The next shard of this keyspace, or the first of the next one that is granted. False: that was
 * the last. */
static bool go_on(struct walk *walk)
{
    if (walk->shard + 1 < walk->keyspace->partition->shards_count) {
        walk->shard++;
        return true;
    }
    struct keyspace *next =
        partition__first_granted(walk->stage, walk->op, walk->keyspace->number + 1);
    walk->shard = 0;
    if (next == NULL)
        return false;
    walk->keyspace = next;
    return true;
}

/* --- SCAN ----------------------------------------------------------------------------------- */

static uint64_t cursor_now(const struct walk *walk)
{
    return scan_cursor_of(&(struct scan_place){.keyspace = walk->keyspace->number,
                                               .shard = walk->shard,
                                               .position = walk->position},
                          walk->stage->keyspaces.fingerprint);
}

/* True: the walk goes on. */
static bool look_at_scan(struct walk *walk)
{
    if (part_failed(walk)) {
        pass_on(walk);
        return false;
    }
    uint64_t cursor = 0;
    walk->position = walk->part.scan_position;
    if (walk->position < KEY_SCAN_END) {
        cursor = cursor_now(walk);
    } else {
        walk->position = 0;
        if (go_on(walk))
            cursor = cursor_now(walk);
    }
    resp_array(walk->op->out, 2);
    char text[BYTES_INT64_MAX + 1];
    (void)snprintf(text, sizeof text, "%" PRIu64, cursor);
    resp_bulk_text(walk->op->out, text);
    resp_raw(walk->op->out, part_text(walk));
    return false;
}

static bool begin_scan(struct walk *walk)
{
    const struct keyspaces *all = &walk->stage->keyspaces;
    struct scan_place place;
    if (walk->op->args_count < 2 ||
        !scan_cursor_read(walk->op->args[1], all->fingerprint, &place) ||
        place.keyspace >= all->count ||
        place.shard >= all->at[place.keyspace].partition->shards_count) {
        resp_error(walk->op->out, SCAN_CURSOR_INVALID);
        return false;
    }
    walk->keyspace = partition__first_granted(walk->stage, walk->op, place.keyspace);
    if (walk->keyspace == NULL) { /* it went on in one that is not granted any more */
        resp_array(walk->op->out, 2);
        resp_bulk_text(walk->op->out, "0");
        resp_array(walk->op->out, 0);
        return false;
    }
    const bool is_there = walk->keyspace->number == place.keyspace;
    walk->shard = is_there ? place.shard : 0;
    walk->position = is_there ? place.position : 0;
    return true;
}

/* --- PANDO.RANGE ---------------------------------------------------------------------------- */

static bool is_open_end(struct bytes limit)
{
    return limit.count == 1 && (limit.at[0] == '-' || limit.at[0] == '+');
}

/* Reads REVERSE and COUNT n behind the two limits. */
static bool read_range(struct walk *walk)
{
    const struct key_op *op = walk->op;
    for (uint32_t i = 3; i < op->args_count; i++) {
        int64_t count;
        if (bytes_is_word(op->args[i], "reverse")) {
            walk->is_reverse = true;
        } else if (bytes_is_word(op->args[i], "count") && i + 1 < op->args_count) {
            if (!bytes_read_int64(op->args[++i], &count) || count < 1) {
                resp_error(op->out, "ERR COUNT must be a positive number");
                return false;
            }
            walk->has_count = true;
            walk->count_left = (uint64_t)count;
        } else {
            resp_error(op->out, "ERR syntax error");
            return false;
        }
    }
    return true;
}

/* Where a limit lies among the shards: an open end is the first or the last. */
static uint32_t shard_of_limit(const struct walk *walk, struct bytes limit)
{
    if (is_open_end(limit))
        return limit.at[0] == '-' ? 0 : walk->keyspace->partition->shards_count - 1;
    return partition_shard_of(walk->keyspace->partition, limit);
}

static bool find_range_keyspace(struct walk *walk)
{
    const struct bytes from = walk->op->args[1], to = walk->op->args[2];
    const struct bytes named = is_open_end(from) ? to : from;
    const struct keyspaces *all = &walk->stage->keyspaces;
    walk->keyspace = is_open_end(named) ? all->fallback : keyspaces_find(all, named);
    if (walk->keyspace == NULL)
        resp_error(walk->op->out, PARTITION_NO_KEYSPACE);
    else if (!partition__may(walk->op, walk->keyspace))
        resp_error(walk->op->out, PARTITION_NOT_GRANTED);
    else if (!walk->keyspace->partition->strategy->is_ordered)
        resp_error(walk->op->out, "ERR the keys of this keyspace have no order: it is not "
                                  "'partition: range'");
    else if (!is_open_end(from) && !is_open_end(to) && keyspaces_find(all, to) != walk->keyspace)
        resp_error(walk->op->out, "CROSSSLOT the range ends in another keyspace");
    else
        return true;
    return false;
}

/* From the shard of one limit to that of the other; in reverse the limits are still given from the
 * lower to the higher. */
static bool begin_range(struct walk *walk)
{
    if (walk->stage->keyspaces.count == 0) {
        resp_error(walk->op->out, PARTITION_NO_KEYSPACE);
        return false;
    }
    if (!find_range_keyspace(walk) || !read_range(walk))
        return false;
    const uint32_t first = shard_of_limit(walk, walk->op->args[1]);
    const uint32_t last = shard_of_limit(walk, walk->op->args[2]);
    walk->shard = walk->is_reverse ? last : first;
    walk->tries_left = last < first ? 1 : last - first + 1;
    return true;
}

/* The part's arguments: the same limits, and as many as are still wanted. */
static void write_range_args(struct walk *walk)
{
    uint32_t count = 0;
    for (; count < 3; count++)
        walk->args[count] = walk->op->args[count];
    if (walk->is_reverse)
        walk->args[count++] = bytes_of("reverse");
    if (walk->has_count) {
        walk->args[count++] = bytes_of("count");
        walk->args[count++] = (struct bytes){
            walk->count_text, bytes_write_int64(walk->count_text, (int64_t)walk->count_left)};
    }
    walk->part.args = walk->args;
    walk->part.args_count = count;
}

static bool look_at_range(struct walk *walk)
{
    char kind;
    int64_t count;
    if (part_failed(walk)) {
        pass_on(walk);
        return false;
    }
    const struct bytes text = part_text(walk);
    const size_t head = resp_value_head(text, &kind, &count);
    resp_raw(&walk->found, (struct bytes){text.at + head, text.count - head});
    walk->found_count += (uint64_t)count;
    walk->count_left -= walk->has_count ? (uint64_t)count : 0;
    if (--walk->tries_left > 0 && (!walk->has_count || walk->count_left > 0)) {
        walk->shard = walk->is_reverse ? walk->shard - 1 : walk->shard + 1;
        return true;
    }
    if (walk->found.failed) {
        resp_error(walk->op->out, "ERR the answer is larger than 'answer-bytes'");
        return false;
    }
    resp_array(walk->op->out, walk->found_count);
    if (walk->found.used > 0)
        resp_raw(walk->op->out, (struct bytes){walk->found.buf->data, walk->found.used});
    return false;
}

/* --- RANDOMKEY ------------------------------------------------------------------------------ */

static bool begin_random(struct walk *walk)
{
    struct keyspace *first = partition__first_granted(walk->stage, walk->op, 0);
    for (struct keyspace *each = first; each != NULL;
         each = partition__first_granted(walk->stage, walk->op, each->number + 1))
        walk->tries_left += each->partition->shards_count;
    if (walk->tries_left == 0) {
        resp_error(walk->op->out, walk->stage->keyspaces.count > 0 ? PARTITION_NOT_GRANTED
                                                                   : PARTITION_NO_KEYSPACE);
        return false;
    }
    uint32_t begin = random_below(random_next(walk->stage->random), walk->tries_left);
    walk->keyspace = first;
    while (begin-- > 0)
        (void)go_on(walk);
    return true;
}

static bool look_at_random(struct walk *walk)
{
    char kind;
    int64_t bytes;
    const bool is_null = resp_value_head(part_text(walk), &kind, &bytes) > 0 &&
                         (kind == '$' || kind == '_') && bytes < 0;
    if (!is_null || --walk->tries_left == 0) {
        pass_on(walk);
        return false;
    }
    if (!go_on(walk))
        walk->keyspace = partition__first_granted(walk->stage, walk->op, 0);
    return true;
}

/* --- all three ------------------------------------------------------------------------------ */

static bool begin(struct walk *walk)
{
    switch (walk->op->command->route) {
    case COMMAND_ROUTE_SCAN:
        if (walk->stage->keyspaces.count > 0)
            return begin_scan(walk);
        resp_error(walk->op->out, PARTITION_NO_KEYSPACE);
        return false;
    case COMMAND_ROUTE_RANGE: return begin_range(walk);
    default: return begin_random(walk);
    }
}

static bool look(struct walk *walk)
{
    switch (walk->op->command->route) {
    case COMMAND_ROUTE_SCAN: return look_at_scan(walk);
    case COMMAND_ROUTE_RANGE: return look_at_range(walk);
    default: return look_at_random(walk);
    }
}

static void send(struct walk *walk)
{
    walk->is_answered = false;
    resp_out_rewind(&walk->out, 0);
    walk->part.scan_position = walk->position;
    if (walk->op->command->route == COMMAND_ROUTE_RANGE)
        write_range_args(walk);
    partition__send(&walk->part, walk->keyspace, walk->shard);
}

/* Looks at answers and sends the next part, until one has to be waited for. */
static void step(struct walk *walk)
{
    walk->is_stepping = true;
    while (walk->is_answered) {
        if (!look(walk)) {
            end(walk);
            return;
        }
        send(walk);
    }
    walk->is_stepping = false;
}

void partition__walk(struct partition_stage *stage, struct key_op *op)
{
    struct walk *walk = new_walk(stage, op);
    if (walk == NULL)
        return;
    if (!begin(walk)) {
        end(walk);
        return;
    }
    walk->is_stepping = true;
    send(walk);
    step(walk);
}
