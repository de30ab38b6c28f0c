/* SPDX-License-Identifier: Apache-2.0 */
/* path/command/rows_values.h - the rows of commands about keys of any type, and of strings.
 *
 * The columns stand in rows.h. */
#ifndef PANDO_PATH_COMMAND_ROWS_VALUES_H
#define PANDO_PATH_COMMAND_ROWS_VALUES_H

#define COMMAND_ROWS_GENERIC(X)                                                                    \
    X(DEL, "del", -2, WRITE, 1, -1, 1, SUM, "generic", "Deletes keys.")                            \
    X(UNLINK, "unlink", -2, WRITE | FAST, 1, -1, 1, SUM, "generic", "Deletes keys.")               \
    X(EXISTS, "exists", -2, READ | FAST, 1, -1, 1, SUM, "generic", "Counts the keys that exist.")  \
    X(TOUCH, "touch", -2, READ | FAST | VARIES, 1, -1, 1, SUM, "generic",                          \
      "Counts the keys that exist, which counts as a use.")                                        \
    X(TYPE, "type", 2, READ | FAST, 1, 1, 1, KEYS, "generic",                                      \
      "Names the type of the value at a key.")                                                     \
    X(EXPIRE, "expire", -3, WRITE | FAST, 1, 1, 1, KEYS, "generic",                                \
      "Sets how many seconds a key still lives.")                                                  \
    X(PEXPIRE, "pexpire", -3, WRITE | FAST, 1, 1, 1, KEYS, "generic",                              \
      "Sets how many milliseconds a key still lives.")                                             \
    X(EXPIREAT, "expireat", -3, WRITE | FAST, 1, 1, 1, KEYS, "generic",                            \
      "Sets the second of Unix time at which a key goes.")                                         \
    X(PEXPIREAT, "pexpireat", -3, WRITE | FAST, 1, 1, 1, KEYS, "generic",                          \
      "Sets the millisecond of Unix time at which a key goes.")                                    \
    X(TTL, "ttl", 2, READ | FAST | VARIES, 1, 1, 1, KEYS, "generic",                               \
      "Seconds that a key still lives.")                                                           \
    X(PTTL, "pttl", 2, READ | FAST | VARIES, 1, 1, 1, KEYS, "generic",                             \
      "Milliseconds that a key still lives.")                                                      \
    X(EXPIRETIME, "expiretime", 2, READ | FAST, 1, 1, 1, KEYS, "generic",                          \
      "The second of Unix time at which a key goes.")                                              \
    X(PEXPIRETIME, "pexpiretime", 2, READ | FAST, 1, 1, 1, KEYS, "generic",                        \
      "The millisecond of Unix time at which a key goes.")                                         \
    X(PERSIST, "persist", 2, WRITE | FAST, 1, 1, 1, KEYS, "generic", "Lets a key live for good.")  \
    X(RENAME, "rename", 3, WRITE, 1, 2, 1, KEYS, "generic",                                        \
      "Gives a key another name, over what has it.")                                               \
    X(RENAMENX, "renamenx", 3, WRITE | FAST, 1, 2, 1, KEYS, "generic",                             \
      "Gives a key another name that nothing has.")                                                \
    X(COPY, "copy", -3, WRITE | GROW, 1, 2, 1, KEYS, "generic", "Copies a value to another key.")  \
    X(OBJECT, "object", -2, READ | VARIES, 2, 2, 1, KEYS, "generic", "Says how a value is kept.")  \
    X(MEMORY, "memory", -2, READ | VARIES, 2, 2, 1, KEYS, "server",                                \
      "USAGE: the bytes that a key takes.")                                                        \
    X(SORT, "sort", -2, WRITE | GROW | WHOLE, 1, 1, 1, KEYS, "generic",                            \
      "Sorts a list, set or sorted set, perhaps into a list.")                                     \
    X(SORT_RO, "sort_ro", -2, READ | WHOLE, 1, 1, 1, KEYS, "generic",                              \
      "Sorts a list, set or sorted set.")                                                          \
    X(RANDOMKEY, "randomkey", 1, READ | VARIES, 0, 0, 0, ANY, "generic", "A key by chance.")       \
    X(KEYS, "keys", 2, READ, 0, 0, 0, EVERY_JOIN, "generic", "All keys that match a pattern.")     \
    X(SCAN, "scan", -2, READ | NO_MULTI, 0, 0, 0, SCAN, "generic",                                 \
      "Some keys, and where to go on.")                                                            \
    X(DBSIZE, "dbsize", 1, READ | FAST, 0, 0, 0, EVERY_SUM, "server", "Counts the keys.")          \
    X(FLUSHDB, "flushdb", -1, WRITE, 0, 0, 0, EVERY_OK, "server", "Deletes all keys.")             \
    X(FLUSHALL, "flushall", -1, WRITE, 0, 0, 0, EVERY_OK, "server", "Deletes all keys.")           \
    X(PANDO_RANGE, "pando.range", -3, READ, 0, 0, 0, RANGE, "pando",                               \
      "Keys of a range keyspace from one to another, in their order.")                             \
    X(PANDO_GET, "pando.get", -2, READ, 1, 1, 1, KEYS, "pando",                                    \
      "A string with its media type, entity tag, length and time of expiry.")                      \
    X(PANDO_PUT, "pando.put", -4, WRITE | GROW, 1, 1, 1, KEYS, "pando",                            \
      "Sets a string with its media type, perhaps only if its entity tag is one of these.")        \
    X(PANDO_DEL, "pando.del", -2, WRITE, 1, 1, 1, KEYS, "pando",                                   \
      "Deletes a string, perhaps only if its entity tag is one of these.")

#define COMMAND_ROWS_STRINGS(X)                                                                    \
    X(GET, "get", 2, READ | FAST, 1, 1, 1, KEYS, "string", "The string at a key.")                 \
    X(SET, "set", -3, WRITE | GROW, 1, 1, 1, KEYS, "string",                                       \
      "Sets a key to a string, perhaps only under a condition.")                                   \
    X(SETNX, "setnx", 3, WRITE | GROW | FAST, 1, 1, 1, KEYS, "string",                             \
      "Sets a key that is not there.")                                                             \
    X(SETEX, "setex", 4, WRITE | GROW, 1, 1, 1, KEYS, "string", "Sets a key for some seconds.")    \
    X(PSETEX, "psetex", 4, WRITE | GROW, 1, 1, 1, KEYS, "string",                                  \
      "Sets a key for some milliseconds.")                                                         \
    X(GETSET, "getset", 3, WRITE | GROW | FAST, 1, 1, 1, KEYS, "string",                           \
      "Sets a key and answers what it was.")                                                       \
    X(GETDEL, "getdel", 2, WRITE | FAST, 1, 1, 1, KEYS, "string",                                  \
      "Answers a string and deletes it.")                                                          \
    X(GETEX, "getex", -2, WRITE | FAST, 1, 1, 1, KEYS, "string",                                   \
      "Answers a string and sets how long it lives.")                                              \
    X(MGET, "mget", -2, READ | FAST, 1, -1, 1, EACH, "string", "The strings at several keys.")     \
    X(MSET, "mset", -3, WRITE | GROW, 1, -1, 2, SET, "string", "Sets several keys.")               \
    X(MSETNX, "msetnx", -3, WRITE | GROW, 1, -1, 2, KEYS, "string",                                \
      "Sets several keys if none is there.")                                                       \
    X(APPEND, "append", 3, WRITE | GROW | FAST, 1, 1, 1, KEYS, "string",                           \
      "Adds to the end of a string.")                                                              \
    X(STRLEN, "strlen", 2, READ | FAST, 1, 1, 1, KEYS, "string", "The length of a string.")        \
    X(GETRANGE, "getrange", 4, READ, 1, 1, 1, KEYS, "string", "A part of a string.")               \
    X(SUBSTR, "substr", 4, READ, 1, 1, 1, KEYS, "string", "A part of a string.")                   \
    X(SETRANGE, "setrange", 4, WRITE | GROW, 1, 1, 1, KEYS, "string",                              \
      "Writes over a part of a string.")                                                           \
    X(INCR, "incr", 2, WRITE | GROW | FAST, 1, 1, 1, KEYS, "string", "Adds one to a number.")      \
    X(DECR, "decr", 2, WRITE | GROW | FAST, 1, 1, 1, KEYS, "string", "Takes one from a number.")   \
    X(INCRBY, "incrby", 3, WRITE | GROW | FAST, 1, 1, 1, KEYS, "string", "Adds to a number.")      \
    X(DECRBY, "decrby", 3, WRITE | GROW | FAST, 1, 1, 1, KEYS, "string", "Takes from a number.")   \
    X(INCRBYFLOAT, "incrbyfloat", 3, WRITE | GROW | FAST, 1, 1, 1, KEYS, "string",                 \
      "Adds to a number with a fraction.")                                                         \
    X(LCS, "lcs", -3, READ, 1, 2, 1, KEYS, "string",                                               \
      "The longest common subsequence of two strings.")                                            \
    X(SETBIT, "setbit", 4, WRITE | GROW, 1, 1, 1, KEYS, "bitmap", "Sets a bit of a string.")       \
    X(GETBIT, "getbit", 3, READ | FAST, 1, 1, 1, KEYS, "bitmap", "A bit of a string.")             \
    X(BITCOUNT, "bitcount", -2, READ, 1, 1, 1, KEYS, "bitmap", "Counts the bits that are set.")    \
    X(BITPOS, "bitpos", -3, READ, 1, 1, 1, KEYS, "bitmap",                                         \
      "Finds the first bit that is set, or is not.")                                               \
    X(BITOP, "bitop", -4, WRITE | GROW, 2, -1, 1, KEYS, "bitmap", "Joins strings bit by bit.")     \
    X(BITFIELD, "bitfield", -2, WRITE | GROW, 1, 1, 1, KEYS, "bitmap",                             \
      "Reads and changes numbers of any width in a string.")                                       \
    X(BITFIELD_RO, "bitfield_ro", -2, READ | FAST, 1, 1, 1, KEYS, "bitmap",                        \
      "Reads numbers of any width in a string.")

#endif
