/* SPDX-License-Identifier: Apache-2.0 */
/* path/command/rows_collections.h - the rows of commands about hashes, sets, lists and sorted sets.
 *
 * The columns stand in rows.h. */
#ifndef PANDO_PATH_COMMAND_ROWS_COLLECTIONS_H
#define PANDO_PATH_COMMAND_ROWS_COLLECTIONS_H

#define COMMAND_ROWS_HASHES(X)                                                                     \
    X(HSET, "hset", -4, WRITE | GROW | FAST, 1, 1, 1, KEYS, "hash", "Sets fields of a hash.")      \
    X(HSETNX, "hsetnx", 4, WRITE | GROW | FAST, 1, 1, 1, KEYS, "hash",                             \
      "Sets a field that is not there.")                                                           \
    X(HMSET, "hmset", -4, WRITE | GROW | FAST, 1, 1, 1, KEYS, "hash", "Sets fields of a hash.")    \
    X(HGET, "hget", 3, READ | FAST, 1, 1, 1, KEYS, "hash", "The value of a field.")                \
    X(HMGET, "hmget", -3, READ | FAST, 1, 1, 1, KEYS, "hash", "The values of several fields.")     \
    X(HGETALL, "hgetall", 2, READ, 1, 1, 1, KEYS, "hash", "All fields and values.")                \
    X(HDEL, "hdel", -3, WRITE | FAST, 1, 1, 1, KEYS, "hash", "Deletes fields.")                    \
    X(HLEN, "hlen", 2, READ | FAST, 1, 1, 1, KEYS, "hash", "Counts the fields.")                   \
    X(HSTRLEN, "hstrlen", 3, READ | FAST, 1, 1, 1, KEYS, "hash", "The length of a field's value.") \
    X(HEXISTS, "hexists", 3, READ | FAST, 1, 1, 1, KEYS, "hash", "Whether a field is there.")      \
    X(HKEYS, "hkeys", 2, READ, 1, 1, 1, KEYS, "hash", "All fields.")                               \
    X(HVALS, "hvals", 2, READ, 1, 1, 1, KEYS, "hash", "All values.")                               \
    X(HINCRBY, "hincrby", 4, WRITE | GROW | FAST, 1, 1, 1, KEYS, "hash",                           \
      "Adds to a field's number.")                                                                 \
    X(HINCRBYFLOAT, "hincrbyfloat", 4, WRITE | GROW | FAST, 1, 1, 1, KEYS, "hash",                 \
      "Adds to a field's number with a fraction.")                                                 \
    X(HRANDFIELD, "hrandfield", -2, READ | VARIES, 1, 1, 1, KEYS, "hash", "Fields by chance.")     \
    X(HSCAN, "hscan", -3, READ | VARIES, 1, 1, 1, KEYS, "hash",                                    \
      "Some fields and values, and where to go on.")

#define COMMAND_ROWS_SETS(X)                                                                       \
    X(SADD, "sadd", -3, WRITE | GROW | FAST, 1, 1, 1, KEYS, "set", "Adds members to a set.")       \
    X(SREM, "srem", -3, WRITE | FAST, 1, 1, 1, KEYS, "set", "Removes members.")                    \
    X(SMEMBERS, "smembers", 2, READ, 1, 1, 1, KEYS, "set", "All members.")                         \
    X(SISMEMBER, "sismember", 3, READ | FAST, 1, 1, 1, KEYS, "set",                                \
      "Whether something is a member.")                                                            \
    X(SMISMEMBER, "smismember", -3, READ | FAST, 1, 1, 1, KEYS, "set",                             \
      "Which of several are members.")                                                             \
    X(SCARD, "scard", 2, READ | FAST, 1, 1, 1, KEYS, "set", "Counts the members.")                 \
    X(SPOP, "spop", -2, WRITE | FAST, 1, 1, 1, KEYS, "set",                                        \
      "Removes members by chance and answers them.")                                               \
    X(SRANDMEMBER, "srandmember", -2, READ | VARIES, 1, 1, 1, KEYS, "set", "Members by chance.")   \
    X(SMOVE, "smove", 4, WRITE | FAST, 1, 2, 1, KEYS, "set", "Moves a member to another set.")     \
    X(SINTER, "sinter", -2, READ, 1, -1, 1, KEYS, "set", "What is in all of several sets.")        \
    X(SINTERSTORE, "sinterstore", -3, WRITE | GROW, 1, -1, 1, KEYS, "set",                         \
      "The same, kept at a key.")                                                                  \
    X(SINTERCARD, "sintercard", -3, READ | COUNTED, 0, 0, 0, KEYS, "set",                          \
      "Counts what is in all of several sets.")                                                    \
    X(SUNION, "sunion", -2, READ, 1, -1, 1, KEYS, "set", "What is in any of several sets.")        \
    X(SUNIONSTORE, "sunionstore", -3, WRITE | GROW, 1, -1, 1, KEYS, "set",                         \
      "The same, kept at a key.")                                                                  \
    X(SDIFF, "sdiff", -2, READ, 1, -1, 1, KEYS, "set",                                             \
      "What is in the first set and in no other.")                                                 \
    X(SDIFFSTORE, "sdiffstore", -3, WRITE | GROW, 1, -1, 1, KEYS, "set",                           \
      "The same, kept at a key.")                                                                  \
    X(SSCAN, "sscan", -3, READ | VARIES, 1, 1, 1, KEYS, "set",                                     \
      "Some members, and where to go on.")

#define COMMAND_ROWS_LISTS(X)                                                                      \
    X(LPUSH, "lpush", -3, WRITE | GROW | FAST, 1, 1, 1, KEYS, "list",                              \
      "Adds elements before the first.")                                                           \
    X(RPUSH, "rpush", -3, WRITE | GROW | FAST, 1, 1, 1, KEYS, "list",                              \
      "Adds elements behind the last.")                                                            \
    X(LPUSHX, "lpushx", -3, WRITE | GROW | FAST, 1, 1, 1, KEYS, "list",                            \
      "The same if the list is there.")                                                            \
    X(RPUSHX, "rpushx", -3, WRITE | GROW | FAST, 1, 1, 1, KEYS, "list",                            \
      "The same if the list is there.")                                                            \
    X(LPOP, "lpop", -2, WRITE | FAST, 1, 1, 1, KEYS, "list", "Takes the first elements.")          \
    X(RPOP, "rpop", -2, WRITE | FAST, 1, 1, 1, KEYS, "list", "Takes the last elements.")           \
    X(LLEN, "llen", 2, READ | FAST, 1, 1, 1, KEYS, "list", "Counts the elements.")                 \
    X(LRANGE, "lrange", 4, READ, 1, 1, 1, KEYS, "list", "Elements from one place to another.")     \
    X(LINDEX, "lindex", 3, READ, 1, 1, 1, KEYS, "list", "The element at a place.")                 \
    X(LSET, "lset", 4, WRITE | GROW, 1, 1, 1, KEYS, "list", "Sets the element at a place.")        \
    X(LINSERT, "linsert", 5, WRITE | GROW, 1, 1, 1, KEYS, "list",                                  \
      "Adds an element before or after another.")                                                  \
    X(LREM, "lrem", 4, WRITE, 1, 1, 1, KEYS, "list", "Removes elements that are equal to one.")    \
    X(LTRIM, "ltrim", 4, WRITE, 1, 1, 1, KEYS, "list", "Removes all but some places.")             \
    X(LPOS, "lpos", -3, READ, 1, 1, 1, KEYS, "list", "Where an element stands.")                   \
    X(LMOVE, "lmove", 5, WRITE | GROW, 1, 2, 1, KEYS, "list",                                      \
      "Moves an element to the end of a list.")                                                    \
    X(RPOPLPUSH, "rpoplpush", 3, WRITE | GROW, 1, 2, 1, KEYS, "list",                              \
      "Moves the last element to the front of a list.")                                            \
    X(LMPOP, "lmpop", -4, WRITE | COUNTED, 0, 0, 0, KEYS, "list",                                  \
      "Takes elements from the first list that has any.")

#define COMMAND_ROWS_ZSETS(X)                                                                      \
    X(ZADD, "zadd", -4, WRITE | GROW | FAST, 1, 1, 1, KEYS, "sorted-set",                          \
      "Adds members with scores, or changes scores.")                                              \
    X(ZINCRBY, "zincrby", 4, WRITE | GROW | FAST, 1, 1, 1, KEYS, "sorted-set",                     \
      "Adds to a member's score.")                                                                 \
    X(ZREM, "zrem", -3, WRITE | FAST, 1, 1, 1, KEYS, "sorted-set", "Removes members.")             \
    X(ZSCORE, "zscore", 3, READ | FAST, 1, 1, 1, KEYS, "sorted-set", "A member's score.")          \
    X(ZMSCORE, "zmscore", -3, READ | FAST, 1, 1, 1, KEYS, "sorted-set",                            \
      "The scores of several members.")                                                            \
    X(ZCARD, "zcard", 2, READ | FAST, 1, 1, 1, KEYS, "sorted-set", "Counts the members.")          \
    X(ZCOUNT, "zcount", 4, READ | FAST, 1, 1, 1, KEYS, "sorted-set",                               \
      "Counts the members between two scores.")                                                    \
    X(ZLEXCOUNT, "zlexcount", 4, READ | FAST, 1, 1, 1, KEYS, "sorted-set",                         \
      "Counts the members between two members.")                                                   \
    X(ZRANGE, "zrange", -4, READ, 1, 1, 1, KEYS, "sorted-set",                                     \
      "Members from one place, score or member to another.")                                       \
    X(ZREVRANGE, "zrevrange", -4, READ, 1, 1, 1, KEYS, "sorted-set",                               \
      "Members from one place to another, the highest first.")                                     \
    X(ZRANGEBYSCORE, "zrangebyscore", -4, READ, 1, 1, 1, KEYS, "sorted-set",                       \
      "Members between two scores.")                                                               \
    X(ZREVRANGEBYSCORE, "zrevrangebyscore", -4, READ, 1, 1, 1, KEYS, "sorted-set",                 \
      "The same, the highest first.")                                                              \
    X(ZRANGEBYLEX, "zrangebylex", -4, READ, 1, 1, 1, KEYS, "sorted-set",                           \
      "Members between two members.")                                                              \
    X(ZREVRANGEBYLEX, "zrevrangebylex", -4, READ, 1, 1, 1, KEYS, "sorted-set",                     \
      "The same, the highest first.")                                                              \
    X(ZRANGESTORE, "zrangestore", -5, WRITE | GROW, 1, 2, 1, KEYS, "sorted-set",                   \
      "ZRANGE, kept at a key.")                                                                    \
    X(ZRANK, "zrank", 3, READ | FAST, 1, 1, 1, KEYS, "sorted-set",                                 \
      "A member's place from the lowest.")                                                         \
    X(ZREVRANK, "zrevrank", 3, READ | FAST, 1, 1, 1, KEYS, "sorted-set",                           \
      "A member's place from the highest.")                                                        \
    X(ZREMRANGEBYRANK, "zremrangebyrank", 4, WRITE, 1, 1, 1, KEYS, "sorted-set",                   \
      "Removes members from one place to another.")                                                \
    X(ZREMRANGEBYSCORE, "zremrangebyscore", 4, WRITE, 1, 1, 1, KEYS, "sorted-set",                 \
      "Removes members between two scores.")                                                       \
    X(ZREMRANGEBYLEX, "zremrangebylex", 4, WRITE, 1, 1, 1, KEYS, "sorted-set",                     \
      "Removes members between two members.")                                                      \
    X(ZPOPMIN, "zpopmin", -2, WRITE | FAST, 1, 1, 1, KEYS, "sorted-set",                           \
      "Takes the members with the lowest scores.")                                                 \
    X(ZPOPMAX, "zpopmax", -2, WRITE | FAST, 1, 1, 1, KEYS, "sorted-set",                           \
      "Takes the members with the highest scores.")                                                \
    X(ZMPOP, "zmpop", -4, WRITE | COUNTED, 0, 0, 0, KEYS, "sorted-set",                            \
      "Takes members from the first sorted set that has any.")                                     \
    X(ZRANDMEMBER, "zrandmember", -2, READ | VARIES, 1, 1, 1, KEYS, "sorted-set",                  \
      "Members by chance.")                                                                        \
    X(ZUNION, "zunion", -3, READ | COUNTED, 0, 0, 0, KEYS, "sorted-set",                           \
      "What is in any of several sorted sets.")                                                    \
    X(ZUNIONSTORE, "zunionstore", -4, WRITE | GROW | COUNTED, 1, 1, 1, KEYS, "sorted-set",         \
      "The same, kept at a key.")                                                                  \
    X(ZINTER, "zinter", -3, READ | COUNTED, 0, 0, 0, KEYS, "sorted-set",                           \
      "What is in all of several sorted sets.")                                                    \
    X(ZINTERSTORE, "zinterstore", -4, WRITE | GROW | COUNTED, 1, 1, 1, KEYS, "sorted-set",         \
      "The same, kept at a key.")                                                                  \
    X(ZINTERCARD, "zintercard", -3, READ | COUNTED, 0, 0, 0, KEYS, "sorted-set",                   \
      "Counts what is in all of several sorted sets.")                                             \
    X(ZDIFF, "zdiff", -3, READ | COUNTED, 0, 0, 0, KEYS, "sorted-set",                             \
      "What is in the first sorted set and in no other.")                                          \
    X(ZDIFFSTORE, "zdiffstore", -4, WRITE | GROW | COUNTED, 1, 1, 1, KEYS, "sorted-set",           \
      "The same, kept at a key.")                                                                  \
    X(ZSCAN, "zscan", -3, READ | VARIES, 1, 1, 1, KEYS, "sorted-set",                              \
      "Some members and scores, and where to go on.")

#endif
