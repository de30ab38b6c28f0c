/* SPDX-License-Identifier: Apache-2.0 */
/* partition/partition_stage.h - the door that sends commands to the shards of their keys.
 *
 * A command whose keys are of one shard, or of several that their engine holds at once, goes on as
 * it is. One that can be done shard by shard is split, and the answers are merged as its row says
 * (path/command/rows.h): each shard does its part whole, all parts together are not atomic. What
 * can be neither is refused: CROSSSLOT. Walks over all keys (SCAN, PANDO.RANGE, RANDOMKEY) go from
 * shard to shard. What the op's user was not granted is refused, and left out of walks.
 *
 * Memory:  what is split takes one block until it is answered.
 * Threads: its worker's.
 * Errors:  answered to the client; op->is_refused is set where the reason is not the command's. */
#ifndef PANDO_PARTITION_PARTITION_STAGE_H
#define PANDO_PARTITION_PARTITION_STAGE_H

#include "codec/resp/resp_out.h"
#include "core/random.h"
#include "partition/keyspaces.h"

struct partition_stage {
    struct key_door  door; /* first */
    struct keyspaces keyspaces;
    struct random   *random; /* the worker's */
};

/* @keyspaces is taken over by value; what it refers to is borrowed. */
void partition_stage_init(struct partition_stage *stage, const struct keyspaces *keyspaces,
                          struct random *random);

/* --- inside the room ------------------------------------------------------------------------ */

#define PARTITION_NO_KEYSPACE                                                                      \
    "ERR no keyspace has this key: name one before a colon, as in 'carts:42', or add the "         \
    "keyspace 'default'"
#define PARTITION_FENCED                                                                           \
    "TRYAGAIN the directory of the keyspace is being changed for what begins like this key"
#define PARTITION_CROSSSLOT "CROSSSLOT Keys in request don't hash to the same slot"
#define PARTITION_NOT_GRANTED                                                                      \
    "NOPERM this user has no permissions to access one of the keys used as arguments"

/* May @op touch keys of @keyspace? */
static inline bool partition__may(const struct key_op *op, const struct keyspace *keyspace)
{
    return key_grant_has(op->grant,
                         (struct bytes){(const uint8_t *)keyspace->name, keyspace->name_bytes});
}

/* The first keyspace from @number on that @op may touch; NULL: there is none. */
struct keyspace *partition__first_granted(const struct partition_stage *stage,
                                          const struct key_op *op, uint32_t number);

/* Answers @text and ends the op. */
void partition__refuse(struct key_op *op, const char *text);

/* Answers that there is no memory and ends it. */
void partition__refuse_memory(struct key_op *op);

/* Sends @op to @shard of @keyspace. */
void partition__send(struct key_op *op, struct keyspace *keyspace, uint32_t shard);

/* split.c: to several shards or keyspaces at once, by keys. */
void partition__split_keys(struct partition_stage *stage, struct key_op *op,
                           const struct command_keys *keys);

/* split.c: to every shard of every keyspace. */
void partition__split_all(struct partition_stage *stage, struct key_op *op);

/* merge.c: the parts' answers become the op's. @places: of EACH, for each element in the order of
 * the parts, which of the keys it answers. */
struct partition_answers {
    const struct resp_out *const *parts;
    uint32_t                      parts_count;
    const uint32_t               *places;
    uint32_t                      keys_count;
};
void partition__merge(struct key_op *op, const struct partition_answers *answers);

/* walk.c: SCAN, PANDO.RANGE and RANDOMKEY, shard after shard. */
void partition__walk(struct partition_stage *stage, struct key_op *op);

#endif
