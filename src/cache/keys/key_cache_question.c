/* SPDX-License-Identifier: Apache-2.0 */
/* cache/keys/key_cache_question.c - a command as the name of its answer.
 *
 *     version    1 byte: 2 or 3
 *     command    1 byte: its number
 *     generation 8 bytes
 *     for each argument that is not the key: 4 bytes of length, the argument
 *
 * The bytes themselves, not a digest of them: nobody can make two commands that share a name. */
#include "cache/keys/key_cache_inside.h"

#include <assert.h>

static_assert(COMMANDS_COUNT <= UINT8_MAX + 1, "a command's number is one byte");

/* The place of the one key that it has; 0: it has none, or several. */
static uint32_t find_key(const struct key_op *op)
{
    const struct command *command = op->command;
    struct command_keys keys;
    if (command->first_key > 0 && command->first_key == command->last_key &&
        (command->flags & COMMAND_COUNTED) == 0)
        return (uint32_t)command->first_key < op->args_count ? (uint32_t)command->first_key : 0;
    if (!command_find_keys(command, op->args, op->args_count, &keys) ||
        command_keys_count(&keys) != 1)
        return 0;
    return command_key_place(&keys, 0);
}

static bool is_kept(const struct command *command)
{
    const unsigned looked_at = COMMAND_READ | COMMAND_WRITE | COMMAND_WHOLE | COMMAND_VARIES;
    return (command->flags & looked_at) == COMMAND_READ;
}

/* False: they are too long. */
static bool add_args(struct key_cache_question *question, const struct key_op *op, uint32_t place)
{
    for (uint32_t i = 1; i < op->args_count; i++) {
        const uint32_t count = (uint32_t)op->args[i].count;
        if (i == place)
            continue;
        if (op->args[i].count > KEY_CACHE_COMMAND_BYTES ||
            question->field_bytes + sizeof count + count > sizeof question->field)
            return false;
        memcpy(question->field + question->field_bytes, &count, sizeof count);
        if (count > 0)
            memcpy(question->field + question->field_bytes + sizeof count, op->args[i].at, count);
        question->field_bytes += sizeof count + count;
    }
    return true;
}

bool key_cache__ask(const struct key_cache *cache, const struct key_op *op,
                    struct key_cache_question *question)
{
    if (op->what != KEY_OP_COMMAND || !is_kept(op->command))
        return false;
    const uint32_t place = find_key(op);
    if (place == 0)
        return false;
    question->key = op->args[place];
    question->generation = key_cache__generation(cache);
    question->field[0] = op->out->version;
    question->field[1] = op->command->number;
    memcpy(question->field + 2, &question->generation, sizeof question->generation);
    question->field_bytes = 2 + sizeof question->generation;
    return add_args(question, op, place);
}
