/* SPDX-License-Identifier: Apache-2.0 */
/* path/command/command.c - the rows as data, the lookup by name, and which arguments are keys. */
#include "path/command/command.h"

#include <assert.h>

/* The words of the rows' columns, which stand there without a prefix. */
enum flag_word {
#define X(name, bit, word, gist) name = COMMAND_##name,
    COMMAND_FLAGS(X)
#undef X
};

const struct command commands[COMMANDS_COUNT] = {
#define X(symbol, word, least, does, first, last, step, goes, lists, sentence)                     \
    [COMMAND_IS_##symbol] = {                                                                      \
        .name = word,                                                                              \
        .group = lists,                                                                            \
        .gist = sentence,                                                                          \
        .arity = least,                                                                            \
        .flags = does,                                                                             \
        .number = COMMAND_IS_##symbol,                                                             \
        .route = COMMAND_ROUTE_##goes,                                                             \
        .first_key = first,                                                                        \
        .last_key = last,                                                                          \
        .key_step = step,                                                                          \
    },
    COMMAND_ROWS(X)
#undef X
};

/* --- by name ---------------------------------------------------------------------------------- */

enum { NAME_BYTES_MIN = 3, NAME_BYTES_MAX = 16 };

#define X(symbol, word, ...)                                                                       \
    static_assert(sizeof(word) > NAME_BYTES_MIN && sizeof(word) - 1 <= NAME_BYTES_MAX, word);
COMMAND_ROWS(X)
#undef X

/* What takes a length is always inlined with a constant one. */
#define FOLDED inline __attribute__((always_inline))

#define PADDING "\0\0\0\0\0\0\0\0\0\0\0\0\0"

/* The letters among eight bytes in lower case: bit 5 is set where a byte is in A to Z. */
static FOLDED uint64_t lower(uint64_t bytes)
{
    const uint64_t each = 0x0101010101010101u;
    const uint64_t low_bits = bytes & (0x7f * each);
    const uint64_t is_from_a = low_bits + (0x80 - 'A') * each;
    const uint64_t is_above_z = low_bits + (0x7f - 'Z') * each;
    const uint64_t is_letter = (is_from_a ^ is_above_z) & ~bytes & (0x80 * each);
    return bytes | is_letter >> 2;
}

static FOLDED uint64_t load(const void *at, size_t bytes)
{
    uint64_t word = 0;
    memcpy(&word, at, bytes);
    return word;
}

/* Up to 8 bytes, the rest 0. In registers: bytes stored one by one are loaded as a word slowly. */
static FOLDED uint64_t load_name(const uint8_t *at, size_t length)
{
    if (length >= 8)
        return load(at, 8);
    if (length >= 4)
        return load(at, 4) | load(at + length - 4, 4) << (8 * (length - 4));
    return load(at, 2) | (uint64_t)at[2] << 16;
}

/* Bytes 8 and up of a name. */
static FOLDED uint64_t load_rest(const uint8_t *at, size_t length)
{
    return length <= 8 ? 0 : load(at + length - 8, 8) >> (8 * (16 - length) & 63);
}

/* Only one comparison of words for each row of @length is left of this, and the names are written
 * nowhere but in the rows. GET and SET are early. */
static FOLDED unsigned number_of(const uint8_t *at, size_t length)
{
    const uint64_t name = lower(load_name(at, length)), rest = lower(load_rest(at, length));
#define X(symbol, word, ...)                                                                       \
    if (sizeof(word) - 1 == length && name == load(word PADDING, 8) &&                             \
        rest == load(&(word PADDING)[8], 8))                                                       \
        return COMMAND_IS_##symbol;
    COMMAND_ROWS(X)
#undef X
    return COMMANDS_COUNT;
}

#define NAME_LENGTHS(X)                                                                            \
    X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16)

const struct command *command_find(struct bytes name)
{
    unsigned number = COMMANDS_COUNT;
    switch (name.count) {
#define X(length)                                                                                  \
    case length:                                                                                   \
        number = number_of(name.at, length);                                                       \
        break;
        NAME_LENGTHS(X)
#undef X
    default:
        break;
    }
    return number == COMMANDS_COUNT ? NULL : &commands[number];
}

/* --- its keys --------------------------------------------------------------------------------- */

/* The keys that are counted by the number at @place. */
static bool find_counted(uint32_t place, const struct bytes *args, uint32_t args_count,
                         struct command_keys *keys)
{
    int64_t count = 0;
    if (place >= args_count || !bytes_read_int64(args[place], &count))
        return false;
    if (count < 1 || count > (int64_t)(args_count - place - 1))
        return false;
    *keys = (struct command_keys){.first = place + 1, .last = place + (uint32_t)count, .step = 1};
    return true;
}

/* SORT key ... STORE target: what stands behind the other options' words is not looked at. */
static void find_sort_target(const struct bytes *args, uint32_t args_count,
                             struct command_keys *keys)
{
    for (uint32_t i = 2; i < args_count; i++) {
        if (bytes_is_word(args[i], "limit"))
            i += 2;
        else if (bytes_is_word(args[i], "get") || bytes_is_word(args[i], "by"))
            i += 1;
        else if (bytes_is_word(args[i], "store") && i + 1 < args_count)
            keys->alone = ++i;
    }
}

bool command_find_keys(const struct command *command, const struct bytes *args, uint32_t args_count,
                       struct command_keys *keys)
{
    *keys = (struct command_keys){.step = 1};
    if ((command->flags & COMMAND_COUNTED) != 0) {
        const bool has_target = command->first_key != 0;
        if (!find_counted(has_target ? 2 : 1, args, args_count, keys))
            return false;
        keys->alone = has_target ? (uint32_t)command->first_key : 0;
        return true;
    }
    if (command->first_key == 0)
        return true;
    keys->first = (uint32_t)command->first_key;
    keys->step = (uint32_t)command->key_step;
    keys->last = command->last_key < 0 ? args_count - 1 : (uint32_t)command->last_key;
    if (keys->last >= args_count)
        keys->last = args_count - 1;
    if (command->number == COMMAND_IS_SORT)
        find_sort_target(args, args_count, keys);
    return true;
}

/* --- what the embedded engines have not ------------------------------------------------------- */

/* Word of the sentence, and the commands of that group. */
#define ABSENT_GROUPS(X)                                                                           \
    X("streams", "xack\0xadd\0xautoclaim\0xclaim\0xdel\0xgroup\0xinfo\0xlen\0xpending\0xrange\0"   \
                 "xread\0xreadgroup\0xrevrange\0xsetid\0xtrim\0")                                  \
    X("geo", "geoadd\0geodist\0geohash\0geopos\0georadius\0georadius_ro\0georadiusbymember\0"      \
             "georadiusbymember_ro\0geosearch\0geosearchstore\0")                                  \
    X("hyperloglog", "pfadd\0pfcount\0pfdebug\0pfmerge\0pfselftest\0")                             \
    X("scripts", "eval\0eval_ro\0evalsha\0evalsha_ro\0fcall\0fcall_ro\0function\0script\0")        \
    X("blocking lists", "blpop\0brpop\0blmove\0blmpop\0brpoplpush\0bzpopmin\0bzpopmax\0bzmpop\0")  \
    X("expiry of hash fields", "hexpire\0hpexpire\0hexpireat\0hpexpireat\0httl\0hpttl\0"           \
                               "hexpiretime\0hpexpiretime\0hpersist\0hgetex\0hgetdel\0hsetex\0")   \
    X("dump and restore", "dump\0restore\0restore-asking\0migrate\0")                              \
    X("modules", "module\0")

struct absent {
    const char *group;
    const char *names; /* each ends in NUL, and an empty one ends them */
};

static const struct absent absents[] = {
#define X(group, names) {group, names},
    ABSENT_GROUPS(X)
#undef X
};

const char *command_absent_group(struct bytes name)
{
    for (size_t i = 0; i < sizeof absents / sizeof absents[0]; i++)
        for (const char *at = absents[i].names; *at != '\0'; at += strlen(at) + 1)
            if (bytes_is_word(name, at))
                return absents[i].group;
    return NULL;
}
