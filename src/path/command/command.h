/* SPDX-License-Identifier: Apache-2.0 */
/* path/command/command.h - what is known of a command: its row, and which of its arguments are
 * keys.
 *
 * Threads: constant; any. */
#ifndef PANDO_PATH_COMMAND_COMMAND_H
#define PANDO_PATH_COMMAND_COMMAND_H

#include "core/bytes.h"
#include "path/command/rows.h"

enum command_flag {
#define X(name, bit, word, gist) COMMAND_##name = 1u << (bit),
    COMMAND_FLAGS(X)
#undef X
};

enum command_route {
#define X(name, gist) COMMAND_ROUTE_##name,
    COMMAND_ROUTES(X)
#undef X
};

/* Flags and routes have names of their own, so a command's number is COMMAND_IS_name. */
enum command_number {
#define X(symbol, ...) COMMAND_IS_##symbol,
    COMMAND_ROWS(X)
#undef X
    COMMANDS_COUNT
};

struct command {
    const char *name;
    const char *group;
    const char *gist;
    int16_t     arity;
    uint16_t    flags;  /* of enum command_flag */
    uint8_t     number; /* enum command_number */
    uint8_t     route;  /* enum command_route */
    int8_t      first_key, last_key, key_step;
};

/* All rows, by number. */
extern const struct command commands[COMMANDS_COUNT];

/* The command of that name, in any case; NULL: there is none. */
const struct command *command_find(struct bytes name);

/* May it have @args_count arguments, its name counted? */
static inline bool command_takes(const struct command *command, uint32_t args_count)
{
    return command->arity < 0 ? args_count >= (uint32_t)-command->arity
                              : args_count == (uint32_t)command->arity;
}

/* Which arguments are keys: @first, @first + step, ... up to @last; and one more at @alone. */
struct command_keys {
    uint32_t first;
    uint32_t last; /* below first: none */
    uint32_t step;
    uint32_t alone; /* the place of a target that stands before the counted ones; 0: none */
};

/* False: a command that says itself how many keys it names says so wrongly; it has none then, and
 * whoever runs it answers the error. @args_count fits. */
bool command_find_keys(const struct command *command, const struct bytes *args, uint32_t args_count,
                       struct command_keys *keys);

static inline uint32_t command_keys_count(const struct command_keys *keys)
{
    const uint32_t counted = keys->last < keys->first || keys->first == 0
                                 ? 0
                                 : (keys->last - keys->first) / keys->step + 1;
    return counted + (keys->alone != 0);
}

/* The place among the arguments of the key at @index, below command_keys_count(). The one that
 * stands alone is the first. */
static inline uint32_t command_key_place(const struct command_keys *keys, uint32_t index)
{
    if (keys->alone != 0) {
        if (index == 0)
            return keys->alone;
        index--;
    }
    return keys->first + index * keys->step;
}

/* What another engine has and the embedded ones have not: the word that names it for the sentence
 * of refusal ("streams"), or NULL for a command that nobody knows. */
const char *command_absent_group(struct bytes name);

#endif
