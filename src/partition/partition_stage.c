/* SPDX-License-Identifier: Apache-2.0 */
/* partition/partition_stage.c - where an op goes: as it is, split, or along a walk.
 *
 * Happy path: one key -> its keyspace -> its shard -> the engine's door. */
#include "partition/partition_stage.h"

#include "core/mem.h"

/* Where the keys of a command are. */
struct place {
    struct keyspace *keyspace; /* NULL: of several, or of none */
    uint32_t         shard;    /* KEY_SHARD_SEVERAL: of several */
    const char      *refused;  /* why it has none: a key is of no keyspace, or of one that was not
                                    granted, or its place is being changed; NULL: it has one */
};

void partition__refuse(struct key_op *op, const char *text)
{
    resp_error(op->out, text);
    op->done(op);
}

void partition__refuse_memory(struct key_op *op)
{
    op->is_refused = true;
    partition__refuse(op, "OOM out of memory");
}

void partition__send(struct key_op *op, struct keyspace *keyspace, uint32_t shard)
{
    op->keyspace = keyspace;
    op->shard = shard;
    key_door_submit(keyspace_door(keyspace, shard), op);
}

struct keyspace *partition__first_granted(const struct partition_stage *stage,
                                          const struct key_op *op, uint32_t number)
{
    for (; number < stage->keyspaces.count; number++)
        if (partition__may(op, &stage->keyspaces.at[number]))
            return &stage->keyspaces.at[number];
    return NULL;
}

/* Adds one more key of @op to what is known of the place. False: nothing can change it any more. */
static bool add_key(const struct partition_stage *stage, const struct key_op *op, struct bytes key,
                    bool is_first, struct place *place)
{
    struct keyspace *keyspace = keyspaces_find(&stage->keyspaces, key);
    if (keyspace == NULL) {
        *place = (struct place){.refused = PARTITION_NO_KEYSPACE};
        return false;
    }
    if (op->grant != NULL && !partition__may(op, keyspace)) {
        *place = (struct place){.refused = PARTITION_NOT_GRANTED};
        return false;
    }
    if (partition_is_fenced(keyspace->partition, key)) {
        *place = (struct place){.refused = PARTITION_FENCED};
        return false;
    }
    const uint32_t shard = partition_shard_of(keyspace->partition, key);
    if (is_first) {
        *place = (struct place){.keyspace = keyspace, .shard = shard};
        return true;
    }
    if (keyspace != place->keyspace)
        place->keyspace = NULL;
    if (shard != place->shard)
        place->shard = KEY_SHARD_SEVERAL;
    return true;
}

static struct place place_of(const struct partition_stage *stage, const struct key_op *op,
                             const struct command_keys *keys)
{
    struct place place = {0};
    const uint32_t count = command_keys_count(keys);
    for (uint32_t i = 0; i < count; i++)
        if (!add_key(stage, op, op->args[command_key_place(keys, i)], i == 0, &place))
            break;
    return place;
}

static bool can_be_split(const struct command *command)
{
    return command->route == COMMAND_ROUTE_SUM || command->route == COMMAND_ROUTE_EACH ||
           command->route == COMMAND_ROUTE_SET;
}

/* The keyspace that answers what names no key, such as a command that says its keys wrongly. */
static struct keyspace *any_keyspace(const struct partition_stage *stage, const struct key_op *op)
{
    struct keyspace *fallback = stage->keyspaces.fallback;
    if (fallback != NULL && partition__may(op, fallback))
        return fallback;
    return partition__first_granted(stage, op, 0);
}

static void refuse_place(struct key_op *op, const char *why)
{
    op->is_refused = true;
    partition__refuse(op, why);
}

/* The place of what names no key. */
static struct place place_anywhere(const struct partition_stage *stage, const struct key_op *op)
{
    struct keyspace *keyspace = any_keyspace(stage, op);
    struct place place = {.keyspace = keyspace};
    if (keyspace == NULL)
        place.refused = stage->keyspaces.count == 0 ? PARTITION_NO_KEYSPACE : PARTITION_NOT_GRANTED;
    return place;
}

static void send_without_keys(struct partition_stage *stage, struct key_op *op)
{
    const struct place place = place_anywhere(stage, op);
    if (place.keyspace == NULL)
        refuse_place(op, place.refused);
    else
        partition__send(op, place.keyspace, 0);
}

static void send_by_keys(struct partition_stage *stage, struct key_op *op)
{
    struct command_keys keys;
    if (!command_find_keys(op->command, op->args, op->args_count, &keys) ||
        command_keys_count(&keys) == 0) {
        send_without_keys(stage, op);
        return;
    }
    const struct place place = place_of(stage, op, &keys);
    if (place.refused != NULL)
        refuse_place(op, place.refused);
    else if (place.keyspace != NULL &&
             (place.shard != KEY_SHARD_SEVERAL || place.keyspace->holds_several))
        partition__send(op, place.keyspace, place.shard);
    else if (can_be_split(op->command))
        partition__split_keys(stage, op, &keys);
    else
        partition__refuse(op, PARTITION_CROSSSLOT);
}

static void send_command(struct partition_stage *stage, struct key_op *op)
{
    switch (op->command->route) {
    case COMMAND_ROUTE_EVERY_SUM:
    case COMMAND_ROUTE_EVERY_JOIN:
    case COMMAND_ROUTE_EVERY_OK: partition__split_all(stage, op); break;
    case COMMAND_ROUTE_ANY:
    case COMMAND_ROUTE_SCAN:
    case COMMAND_ROUTE_RANGE: partition__walk(stage, op); break;
    default: send_by_keys(stage, op);
    }
}

/* Adds the place of one part of the transaction @op. False: nothing can change it any more. */
static bool add_part(const struct partition_stage *stage, const struct key_op *op,
                     const struct key_op *part, bool *is_first, struct place *place)
{
    struct command_keys keys;
    if (!command_find_keys(part->command, part->args, part->args_count, &keys))
        return true; /* it answers the error itself, wherever it is */
    const uint32_t count = command_keys_count(&keys);
    for (uint32_t i = 0; i < count; i++) {
        if (!add_key(stage, op, part->args[command_key_place(&keys, i)], *is_first, place))
            return false;
        *is_first = false;
    }
    return true;
}

/* A part without keys, as DBSIZE, is about the whole keyspace. */
static bool is_about_all(const struct key_op *part)
{
    return part->command->first_key == 0 && (part->command->flags & COMMAND_COUNTED) == 0;
}

/* All parts go with the op, at one instant. */
static void send_parts(struct key_op *op, const struct place *place)
{
    for (uint32_t i = 0; i < op->parts_count; i++) {
        op->parts[i]->keyspace = place->keyspace;
        op->parts[i]->shard = place->shard;
        op->parts[i]->now_ms = op->now_ms;
    }
    partition__send(op, place->keyspace, place->shard);
}

/* Was the layout changed since? Nothing is known then of the key, which may lie elsewhere now. */
static bool has_moved(const struct partition_stage *stage, const struct key_watch *watch)
{
    const struct keyspace *keyspace =
        keyspaces_find(&stage->keyspaces, (struct bytes){watch->key, watch->key_bytes});
    return keyspace != NULL && watch->number != partition_number(keyspace->partition);
}

/* As if a watched key had been changed. */
static void call_off(struct key_op *op)
{
    resp_null_array(op->out);
    op->done(op);
}

static void send_transaction(struct partition_stage *stage, struct key_op *op)
{
    struct place place = {0};
    bool is_first = true, is_whole = false, is_moved = false;
    for (uint32_t i = 0; i < op->parts_count; i++) {
        is_whole = is_whole || is_about_all(op->parts[i]);
        if (!add_part(stage, op, op->parts[i], &is_first, &place))
            break;
    }
    if (op->watches != NULL)
        list_each(op->watches, link, after)
        {
            const struct key_watch *watch = list_item(link, struct key_watch, link);
            is_moved = is_moved || has_moved(stage, watch);
            if (place.refused == NULL)
                (void)add_key(stage, op, (struct bytes){watch->key, watch->key_bytes}, is_first,
                              &place);
            is_first = false;
        }
    if (is_first && place.refused == NULL)
        place = place_anywhere(stage, op);
    if (place.keyspace != NULL && is_whole && place.keyspace->partition->shards_count > 1)
        place.shard = KEY_SHARD_SEVERAL;
    if (place.refused != NULL)
        refuse_place(op, place.refused);
    else if (is_moved)
        call_off(op);
    else if (place.keyspace == NULL)
        partition__refuse(op, "CROSSSLOT the keys of a transaction must be of one keyspace");
    else if (place.shard == KEY_SHARD_SEVERAL && !place.keyspace->holds_several)
        partition__refuse(op, "CROSSSLOT the keys of a transaction must be of one shard");
    else
        send_parts(op, &place);
}

static void send_watch(struct partition_stage *stage, struct key_op *op)
{
    const struct bytes key = {op->watch->key, op->watch->key_bytes};
    struct keyspace *keyspace = keyspaces_find(&stage->keyspaces, key);
    if (keyspace == NULL) {
        refuse_place(op, PARTITION_NO_KEYSPACE);
    } else if (op->what == KEY_OP_UNWATCH) {
        partition__send(op, keyspace, op->watch->shard); /* where it is, whatever came since */
    } else if (!partition__may(op, keyspace)) {
        refuse_place(op, PARTITION_NOT_GRANTED);
    } else if (partition_is_fenced(keyspace->partition, key)) {
        refuse_place(op, PARTITION_FENCED);
    } else {
        op->watch->number = partition_number(keyspace->partition);
        op->watch->shard = partition_shard_of(keyspace->partition, key);
        partition__send(op, keyspace, op->watch->shard);
    }
}

static void submit(struct key_door *door, struct key_op *op)
{
    struct partition_stage *stage = (struct partition_stage *)(void *)door;
    switch (op->what) {
    case KEY_OP_EXEC: send_transaction(stage, op); break;
    case KEY_OP_WATCH:
    case KEY_OP_UNWATCH: send_watch(stage, op); break;
    default: send_command(stage, op);
    }
}

/* Neighbours of one keyspace go on together. Where an engine has a door for each shard, that of the
 * first shard is asked: only one that holds several looks ahead. */
static void expect(struct key_door *door, const struct bytes *keys, uint32_t keys_count)
{
    struct partition_stage *stage = (struct partition_stage *)(void *)door;
    uint32_t begin = 0;
    for (uint32_t end = 1; begin < keys_count; begin = end, end = begin + 1) {
        const struct keyspace *keyspace = keyspaces_find(&stage->keyspaces, keys[begin]);
        while (end < keys_count && keyspaces_find(&stage->keyspaces, keys[end]) == keyspace)
            end++;
        if (keyspace != NULL && keyspace->holds_several)
            key_door_expect(keyspace->doors[0], keys + begin, end - begin);
    }
}

void partition_stage_init(struct partition_stage *stage, const struct keyspaces *keyspaces,
                          struct random *random)
{
    *stage = (struct partition_stage){
        .door = {.submit = submit, .expect = expect}, .keyspaces = *keyspaces, .random = random};
}
