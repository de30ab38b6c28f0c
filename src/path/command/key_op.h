/* SPDX-License-Identifier: Apache-2.0 */
/* path/command/key_op.h - one command over keys on its way, and the door between the rooms that it
 * passes through.
 *
 * Much lighter than an HTTP op: no arena, no frames, one callback. A command that can be answered
 * at once is answered within submit(), into the front's own buffer; one that must wait (a disk,
 * another server) is `apart`: its arguments and its answer are its own, and it may visit other
 * threads.
 *
 *     front: fills the op, key_door_submit(door, op) ... op->done(op), once, perhaps before that
 *            returns, always on the worker's thread
 *
 * Memory:  the op is its maker's; the arguments stay until done(). `out` is written by whoever
 * holds
 *          the op.
 * Threads: one at a time. */
#ifndef PANDO_PATH_COMMAND_KEY_OP_H
#define PANDO_PATH_COMMAND_KEY_OP_H

#include "core/list.h"
#include "path/command/command.h"
#include "path/command/key_grant.h"

struct keyspace;
struct resp_out; /* codec/resp: one answer, or part of one */

/* A key that a client watches until its EXEC. */
struct key_watch {
    struct list_link link;    /* the client's */
    struct list_link watched; /* the engine's, under its lock */
    void            *place;   /* the engine's: where it is watched; NULL: nowhere */
    bool             touched; /* changed since; under the engine's lock */
    uint32_t         shard;   /* partition's: where it is watched */
    uint32_t         number;  /* partition's: of the layout at that time */
    uint32_t         key_bytes;
    uint8_t          key[];
};

enum key_op_what {
    KEY_OP_COMMAND, /* `command` with `args` */
    KEY_OP_EXEC,    /* `parts` all at once, unless something watched was touched */
    KEY_OP_WATCH,   /* watch->key is watched from now on */
    KEY_OP_UNWATCH, /* it is not any more */
};

struct key_op {
    const struct command *command;
    const struct bytes   *args; /* args[0] is the name */
    uint32_t              args_count;
    uint8_t               what;     /* enum key_op_what */
    bool                  is_apart; /* args and out are the op's own */
    bool             is_behind; /* an earlier op of its client is under way: it must not overtake */
    bool             is_refused;    /* its answer is an error that has nothing to do with keys:
                                         a limit, another keyspace, a full disk */
    uint32_t         shard;         /* partition's word to the engine; KEY_SHARD_SEVERAL */
    uint64_t         now_ms;        /* Unix time; what is expired at it is not there */
    uint64_t         scan_position; /* of SCAN: where to begin in the shard; then where to go
                                            on, or KEY_SCAN_END (scan_cursor.h has the cursor) */
    struct resp_out *out;
    const struct key_grant *grant;   /* the user's; NULL: there are no users, so all may all */
    uint64_t         fresh_until_ms; /* set by an engine: Unix time at which the answer of a reading
                                  command stops being right by itself, since one of its keys
                                  expires; 0: it does not */
    struct keyspace *keyspace;       /* the one that it was routed to */
    struct key_op  **parts;          /* of EXEC, in their order; each has its `out` = the EXEC's */
    uint32_t         parts_count;
    struct list     *watches; /* of EXEC: struct key_watch; may be NULL */
    struct key_watch *watch;  /* of WATCH and UNWATCH */
    struct list_link  link;   /* of whoever holds it */
    void             *holder;
    /* It could not be done at once and arguments or answer are not its own yet: called before the
     * op is kept; makes it apart. False: no memory. */
    bool (*set_apart)(struct key_op *op);
    void (*done)(struct key_op *op);
};

/* Keys of several shards, all held by one engine at once. */
#define KEY_SHARD_SEVERAL UINT32_MAX

/* Behind the last position of a shard. */
#define KEY_SCAN_END ((uint64_t)1 << 32)

/* Where SCAN goes on is a multiple of this, so that a cursor has no more than 52 bits. */
#define KEY_SCAN_GRAIN ((uint64_t)1 << 10)

struct key_door {
    void (*submit)(struct key_door *self, struct key_op *op);
    /* Ops on these keys come next, as far as anybody can tell: what they lie in may be fetched into
     * the processor's cache meanwhile, all at once. Nothing may depend on it. NULL: nobody does. */
    void (*expect)(struct key_door *self, const struct bytes *keys, uint32_t keys_count);
};

enum { KEY_EXPECTED_MAX = 16 }; /* keys of one call */

static inline void key_door_submit(struct key_door *door, struct key_op *op)
{
    door->submit(door, op);
}

/* @keys_count: at most KEY_EXPECTED_MAX. */
static inline void key_door_expect(struct key_door *door, const struct bytes *keys,
                                   uint32_t keys_count)
{
    if (door->expect != NULL && keys_count > 0)
        door->expect(door, keys, keys_count);
}

#endif
