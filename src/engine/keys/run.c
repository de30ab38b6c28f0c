/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/run.c - the table of handlers, and what they share. */
#include "engine/keys/run.h"

#include <assert.h>

enum {
    SCRATCH_BLOCK_BYTES = 2048,   /* on the stack: most commands that need any need less */
    SCRATCH_BYTES_MAX = 1u << 30, /* beyond it; two of the largest strings, as BITOP and LCS may */
};

run_handler *const run_handlers[COMMANDS_COUNT] = {
#define X(symbol, ...) [COMMAND_IS_##symbol] = run__##symbol,
    COMMAND_ROWS_ENGINE(X)
#undef X
};

void run_command(struct run *run, struct key_op *op)
{
    uint64_t block[SCRATCH_BLOCK_BYTES / sizeof(uint64_t)];
    run_handler *handler = run_handlers[op->command->number];
    assert(handler != NULL && command_takes(op->command, op->args_count));
    run->op = op;
    run->args = op->args;
    run->args_count = op->args_count;
    run->out = op->out;
    run->scan_position = op->scan_position;
    arena_init(&run->arena, block, sizeof block, SCRATCH_BYTES_MAX);
    handler(run);
    arena_fini(&run->arena);
    op->scan_position = run->scan_position;
}

void *run_scratch(struct run *run, size_t bytes)
{
    void *scratch = bytes > SCRATCH_BYTES_MAX ? NULL : arena_take(&run->arena, bytes);
    if (scratch == NULL)
        resp_error(run->out, RUN_NO_MEMORY);
    return scratch;
}

bool run_is_ok(struct run *run, enum space_result result)
{
    if (result == SPACE_OK)
        return true;
    resp_error(run->out, space_result_text(result));
    return false;
}

bool run_find_any(struct run *run, struct bytes key, struct space **space,
                  struct space_value *value)
{
    *space = run->space_of(run, key);
    return run_is_ok(run, (*space)->kind->find(*space, key, value));
}

bool run_find(struct run *run, struct bytes key, enum key_type type, struct space **space,
              struct space_value *value)
{
    if (!run_find_any(run, key, space, value))
        return false;
    if (value->type == type || value->type == KEY_NONE)
        return true;
    resp_error(run->out, RUN_WRONG_TYPE);
    return false;
}

bool run_integer(struct run *run, uint32_t index, int64_t *number)
{
    if (bytes_read_int64(run->args[index], number))
        return true;
    resp_error(run->out, RUN_NO_INTEGER);
    return false;
}

bool run_double(struct run *run, uint32_t index, double *number)
{
    if (bytes_read_double(run->args[index], number))
        return true;
    resp_error(run->out, RUN_NO_FLOAT);
    return false;
}

const char *key_type_name(enum key_type type)
{
    static const char *const names[KEY_TYPES_COUNT] = {
#define X(name, word) word,
        KEY_TYPES(X)
#undef X
    };
    assert(type < KEY_TYPES_COUNT);
    return names[type];
}

const char *space_result_text(enum space_result result)
{
    static const char *const texts[SPACE_RESULTS_COUNT] = {
#define X(name, sentence) sentence,
        SPACE_RESULTS(X)
#undef X
    };
    assert(result < SPACE_RESULTS_COUNT);
    return texts[result];
}
