/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/run.h - one command on spaces that are held: what every handler is given, and the
 * helpers that handlers share.
 *
 * A handler reads its arguments, asks the spaces of its keys, and writes exactly one answer to
 * run->out: Redis' own, errors included. It neither waits nor keeps anything.
 *
 * Memory:  scratch is what run_scratch() gives: freed when the command is over.
 * Threads: whoever holds the spaces. */
#ifndef PANDO_ENGINE_KEYS_RUN_H
#define PANDO_ENGINE_KEYS_RUN_H

#include "codec/resp/resp_out.h"
#include "core/arena.h"
#include "core/random.h"
#include "engine/keys/space.h"
#include "path/command/key_op.h"

/* The errors that many commands share. */
#define RUN_WRONG_TYPE "WRONGTYPE Operation against a key holding the wrong kind of value"
#define RUN_SYNTAX     "ERR syntax error"
#define RUN_NO_INTEGER "ERR value is not an integer or out of range"
#define RUN_NO_FLOAT   "ERR value is not a valid float"
#define RUN_NO_MEMORY  "OOM out of memory"
#define RUN_NO_KEY     "ERR no such key"
#define RUN_NO_INDEX   "ERR index out of range"

struct run {
    struct key_op      *op;
    const struct bytes *args; /* of op */
    uint32_t            args_count;
    uint64_t            now_ms;
    uint64_t            scan_position; /* of SCAN: in: where to begin; out: where to go on, or
                                          SPACE_SCAN_END if the shard is through */
    struct resp_out    *out;
    struct random      *random;
    uint64_t            value_bytes_max; /* of a string that a command makes */
    struct arena        arena;           /* of run_scratch() */
    /* The space that holds @key, among those that the engine holds for this op. */
    struct space *(*space_of)(struct run *run, struct bytes key);
    void *engine; /* space_of()'s */
    /* The spaces that are held, for commands over all keys of the shard: scan order. */
    struct space **spaces;
    uint32_t       spaces_count;
};

typedef void run_handler(struct run *run);

/* The handlers, by enum command_number; NULL for what the front answers. One per row. */
extern run_handler *const run_handlers[COMMANDS_COUNT];

/* Runs op->command: checks nothing but what handlers check; the answer is written whole or is an
 * error. @run is filled but for args, out, arena. */
void run_command(struct run *run, struct key_op *op);

/* @bytes of scratch, aligned to 8; NULL: none, and the error is answered. */
void *run_scratch(struct run *run, size_t bytes) must_check;

/* ---- what handlers say to begin with ---- */

/* Finds @key; false: it holds another type than @type (NONE is none), or is damaged, and that is
 * answered. value->type is NONE where nothing is. *@space: where it is. */
bool run_find(struct run *run, struct bytes key, enum key_type type, struct space **space,
              struct space_value *value) must_check;

/* The same, of any type. */
bool run_find_any(struct run *run, struct bytes key, struct space **space,
                  struct space_value *value) must_check;

/* Answers the error of @result unless it is OK. True: OK. */
bool run_is_ok(struct run *run, enum space_result result) must_check;

/* Reads argument @index as a whole number, or answers RUN_NO_INTEGER. */
bool run_integer(struct run *run, uint32_t index, int64_t *number) must_check;

/* Reads it as a double, or answers RUN_NO_FLOAT. */
bool run_double(struct run *run, uint32_t index, double *number) must_check;

/* Is argument @index @word (lower case), in any case? */
static inline bool run_arg_is(const struct run *run, uint32_t index, const char *word)
{
    return bytes_is_word(run->args[index], word);
}

/* ---- the groups' handlers: engine/keys/GROUP/; one each per row of the list ---- */

#define X(symbol, ...) run_handler run__##symbol;
COMMAND_ROWS_ENGINE(X)
#undef X

#endif
