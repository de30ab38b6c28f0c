/* SPDX-License-Identifier: Apache-2.0 */
/* partition/split.c - one command becomes one part per shard; the last answer merges them.
 *
 * sort the keys by shard -> one block with parts, their arguments and the keys' places -> submit
 * all -> done() of the last part -> merge -> done() of the op */
#include "core/mem.h"
#include "partition/partition_stage.h"

#include <stdlib.h>

/* A key, and where it goes. */
struct sorted {
    struct keyspace *keyspace;
    uint32_t         shard;
    uint32_t         index; /* among the command's keys */
};

struct split;

struct part {
    struct key_op    op;
    struct resp_out  out;
    struct keyspace *keyspace;
    uint32_t         shard;
    struct split    *split;
};

struct split {
    struct key_op          *op;
    uint32_t                left;       /* parts without an answer, and one while they are sent */
    uint32_t                keys_count; /* of EACH */
    uint32_t                parts_count;
    struct part            *parts;
    const struct resp_out **outs;   /* of the parts */
    uint32_t               *places; /* of the keys, in the order of the parts; NULL: no keys */
    struct bytes           *args;   /* of the parts; NULL: they have the op's */
};

static void free_split(struct split *split)
{
    for (uint32_t i = 0; split->parts != NULL && i < split->parts_count; i++)
        resp_out_fini(&split->parts[i].out);
    mem_free(split->parts);
    mem_free(split->outs);
    mem_free(split->places);
    mem_free(split->args);
    mem_free(split);
}

/* Room for @parts_count parts, @keys_count keys and @args_count arguments; NULL: no memory. */
static struct split *new_split(struct key_op *op, uint32_t parts_count, uint32_t keys_count,
                               uint32_t args_count)
{
    struct split *split = mem_alloc(sizeof *split);
    if (split == NULL)
        return NULL;
    *split =
        (struct split){.op = op, .left = 1, .keys_count = keys_count, .parts_count = parts_count};
    split->parts = mem_alloc(parts_count * sizeof *split->parts);
    split->outs = mem_alloc(parts_count * sizeof(struct resp_out *));
    split->places = mem_alloc((keys_count + 1) * sizeof *split->places);
    split->args = mem_alloc((args_count + 1) * sizeof *split->args);
    if (split->parts == NULL || split->outs == NULL || split->places == NULL ||
        split->args == NULL) {
        free_split(split);
        return NULL;
    }
    return split;
}

static void answer(struct split *split)
{
    struct key_op *op = split->op;
    for (uint32_t i = 0; i < split->parts_count; i++) {
        split->outs[i] = &split->parts[i].out;
        op->is_refused = op->is_refused || split->parts[i].op.is_refused;
    }
    partition__merge(op, &(struct partition_answers){.parts = split->outs,
                                                     .parts_count = split->parts_count,
                                                     .places = split->places,
                                                     .keys_count = split->keys_count});
    free_split(split);
    op->done(op);
}

static void leave(struct split *split)
{
    if (--split->left == 0)
        answer(split);
}

static void part_done(struct key_op *op)
{
    leave(list_item(op, struct part, op)->split);
}

/* Arguments and answer of a part are its own from the beginning. */
static bool already_apart(struct key_op *op)
{
    op->is_apart = true;
    return true;
}

static void fill_part(struct split *split, uint32_t index, struct keyspace *keyspace,
                      uint32_t shard)
{
    const struct key_op *op = split->op;
    struct part *part = &split->parts[index];
    part->op = (struct key_op){
        .command = op->command,
        .args = op->args,
        .args_count = op->args_count,
        .what = op->what,
        .is_apart = op->is_apart,
        .is_behind = op->is_behind,
        .now_ms = op->now_ms,
        .out = &part->out,
        .set_apart = already_apart,
        .done = part_done,
    };
    part->keyspace = keyspace;
    part->shard = shard;
    part->split = split;
    resp_out_init(&part->out, op->out->version, op->out->bytes_max, NULL);
}

static void send(struct split *split)
{
    split->left = split->parts_count + 1;
    for (uint32_t i = 0; i < split->parts_count; i++)
        partition__send(&split->parts[i].op, split->parts[i].keyspace, split->parts[i].shard);
    leave(split);
}

/* What may wait must have arguments of its own. False: no memory, answered. */
static bool stand_apart(struct key_op *op)
{
    if (op->is_apart || op->set_apart(op))
        return true;
    partition__refuse_memory(op);
    return false;
}

/* --- by keys -------------------------------------------------------------------------------- */

static int by_shard(const void *a, const void *b)
{
    const struct sorted *one = a, *other = b;
    if (one->keyspace != other->keyspace)
        return one->keyspace->number < other->keyspace->number ? -1 : 1;
    if (one->shard != other->shard)
        return one->shard < other->shard ? -1 : 1;
    return one->index < other->index ? -1 : one->index > other->index;
}

static bool is_same_part(const struct sorted *one, const struct sorted *other)
{
    return one->keyspace == other->keyspace && one->shard == other->shard;
}

/* The parts of the sorted keys: the name, then each key with what belongs to it (MSET's values). */
static void fill_by_keys(struct split *split, const struct command_keys *keys,
                         const struct sorted *sorted)
{
    const struct key_op *op = split->op;
    uint32_t parts = 0, args = 0;
    for (uint32_t i = 0; i < split->keys_count; i++) {
        if (i == 0 || !is_same_part(&sorted[i - 1], &sorted[i])) {
            fill_part(split, parts, sorted[i].keyspace, sorted[i].shard);
            split->parts[parts].op.args = &split->args[args];
            split->parts[parts++].op.args_count = 1;
            split->args[args++] = op->args[0];
        }
        const uint32_t place = command_key_place(keys, sorted[i].index);
        for (uint32_t j = 0; j < keys->step; j++)
            split->args[args++] = op->args[place + j];
        split->parts[parts - 1].op.args_count += keys->step;
        split->places[i] = sorted[i].index;
    }
}

static uint32_t count_parts(const struct sorted *sorted, uint32_t count)
{
    uint32_t parts = 1;
    for (uint32_t i = 1; i < count; i++)
        parts += !is_same_part(&sorted[i - 1], &sorted[i]);
    return parts;
}

void partition__split_keys(struct partition_stage *stage, struct key_op *op,
                           const struct command_keys *keys)
{
    const uint32_t count = command_keys_count(keys);
    if (op->args_count < command_key_place(keys, count - 1) + keys->step) {
        partition__refuse(op, "ERR wrong number of arguments for 'mset' command");
        return;
    }
    if (!stand_apart(op))
        return;
    struct sorted *sorted = mem_alloc(count * sizeof *sorted);
    struct split *split = NULL;
    if (sorted != NULL) {
        for (uint32_t i = 0; i < count; i++) {
            const struct bytes key = op->args[command_key_place(keys, i)];
            struct keyspace *keyspace = keyspaces_find(&stage->keyspaces, key);
            sorted[i] = (struct sorted){keyspace, partition_shard_of(keyspace->partition, key), i};
        }
        qsort(sorted, count, sizeof *sorted, by_shard);
        const uint32_t parts = count_parts(sorted, count);
        split = new_split(op, parts, count, parts + count * keys->step);
    }
    if (split != NULL)
        fill_by_keys(split, keys, sorted);
    mem_free(sorted);
    if (split == NULL)
        partition__refuse_memory(op);
    else
        send(split);
}

/* --- all ------------------------------------------------------------------------------------ */

/* How many parts a keyspace takes. */
static uint32_t doors_of(const struct keyspace *keyspace)
{
    return keyspace->holds_several ? 1 : keyspace->partition->shards_count;
}

static uint32_t shard_at(const struct keyspace *keyspace, uint32_t index)
{
    return keyspace->holds_several && keyspace->partition->shards_count > 1 ? KEY_SHARD_SEVERAL
                                                                            : index;
}

void partition__split_all(struct partition_stage *stage, struct key_op *op)
{
    struct keyspace *first = partition__first_granted(stage, op, 0);
    uint32_t parts = 0, part = 0;
    for (struct keyspace *each = first; each != NULL;
         each = partition__first_granted(stage, op, each->number + 1))
        parts += doors_of(each);
    if (parts == 0) {
        partition__refuse(op, stage->keyspaces.count > 0 ? PARTITION_NOT_GRANTED
                                                         : PARTITION_NO_KEYSPACE);
        return;
    }
    if (parts == 1) {
        partition__send(op, first, shard_at(first, 0));
        return;
    }
    if (!stand_apart(op))
        return;
    struct split *split = new_split(op, parts, 0, 0);
    if (split == NULL) {
        partition__refuse_memory(op);
        return;
    }
    for (struct keyspace *each = first; each != NULL;
         each = partition__first_granted(stage, op, each->number + 1))
        for (uint32_t i = 0; i < doors_of(each); i++)
            fill_part(split, part++, each, shard_at(each, i));
    send(split);
}
