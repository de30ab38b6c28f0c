# SPDX-License-Identifier: Apache-2.0
"""integration/redis_shapes.py - the table of all commands that embedded engines have: what their arguments look like.

One row per command of src/path/command/rows.h that goes to keys (pando.range aside, which Redis has not); a test
holds the two against each other.
"""
import time

from redis_draw import (FLOATS, INTS, KINDS, MEMBERS, ODD_FLOATS, ODD_INTS, counted, integer, key, maybe, member, mixed,
                        number, of, one, pattern, real, some, value)

text = one(key("str"), key("str"), key("bits"), key("num"))
anything = one(*map(key, KINDS))
# Two keys of one kind: what moves values must not move a sorted set of many scores to where ranges by member are asked.
same_kind = one(*((key(kind), key(kind)) for kind in KINDS))

# --- expiry ---

SECONDS = of([b"1000", b"5000", b"100000"],
             [b"0", b"-1", b"9223372036854775807", b"9223372036854775", b"9223372036854776", b"-9223372036854775808", b"x",
              b"", b"1.5", b"9223372036854775808"], 0.1)
MILLISECONDS = of([b"1000000", b"5000000", b"100000000"], [b"0", b"-1", b"9223372036854775807", b"-5", b"x",
                                                           b"-9223372036854775808"], 0.1)


def second(draw):
    """A second of Unix time, never near now."""
    return b"%d" % (time.time() + draw.choice((-100000, 1000, 1000, 5000, 100000))) if draw.chance(0.9) \
        else SECONDS(draw)


def millisecond(draw):
    return b"%d" % (1000 * (time.time() + draw.choice((-100000, 1000, 1000, 5000)))) if draw.chance(0.9) \
        else MILLISECONDS(draw)


expiry = one(("EX", SECONDS), ("PX", MILLISECONDS), ("EXAT", second), ("PXAT", millisecond))
expiry_flags = mixed("NX", "XX", "GT", "LT", share=0.15)

GENERIC = {
    "del": some(1, 2, anything),
    "unlink": some(1, 2, anything),
    "exists": some(1, 5, anything),
    "touch": some(1, 5, anything),
    "type": anything,
    "expire": (anything, SECONDS, expiry_flags),
    "pexpire": (anything, MILLISECONDS, expiry_flags),
    "expireat": (anything, second, expiry_flags),
    "pexpireat": (anything, millisecond, expiry_flags),
    "ttl": anything,
    "pttl": anything,
    "expiretime": anything,
    "pexpiretime": anything,
    "persist": anything,
    "rename": same_kind,
    "renamenx": same_kind,
    "copy": (same_kind, mixed("REPLACE", ("DB", of([b"0"], [b"1", b"-1", b"x"], 0.1)), share=0.4)),
    "object": one((one("ENCODING", "REFCOUNT", "IDLETIME", "FREQ", "HELP", "MORE"), anything),
                  ("ENCODING", anything), "HELP"),
    "randomkey": (),
    "keys": pattern,
    "scan": (b"0", mixed(("MATCH", pattern), ("COUNT", number(0, 50)),
                         ("TYPE", one("string", "list", "set", "zset", "hash", "none")))),
    "dbsize": (),
    "flushdb": maybe(one("SYNC", "ASYNC", "NOW")),
    "flushall": maybe(one("SYNC", "ASYNC", "NOW")),
}

# --- sort ---

sort_patterns = one(b"str:*", b"num:*", b"hash:*->m1", b"hash:*->m2", b"#", b"nostar", b"num:*->", b"*")


def sort_options(storing):
    def shape(draw):
        options = [("LIMIT", one(integer, number(0, 4)), one(integer, number(-1, 20)))] if draw.chance(0.3) else []
        options += ["ALPHA"] if draw.chance(0.4) else []
        options += [("BY", one(b"nosort", sort_patterns))] if draw.chance(0.3) else []
        options += [("GET", sort_patterns) for _ in range(draw.randint(1, 3))] if draw.chance(0.3) else []
        options += [draw.choice(("ASC", "DESC"))] if draw.chance(0.4) else []
        # Which of two of one weight stands first is not promised, so such results are not kept. (By ALPHA all texts
        # that are the same up to a NUL are of one weight in Redis.)
        if storing and draw.chance(0.3):
            options = [each for each in options if each != "ALPHA" and each[0] != "BY"] + [("STORE", key("list"))]
        draw.shuffle(options)
        return tuple(options)
    return shape


sortable = one(key("list"), key("set"), key("zset"), key("list"))
GENERIC["sort"] = (sortable, sort_options(True))
GENERIC["sort_ro"] = (sortable, sort_options(False))

# --- strings ---

offset = one(number(0, 40), number(-3, 300), of([b"536870912", b"9223372036854775807", b"-1", b"x", b""]))
fraction = of(FLOATS, ODD_FLOATS, 0.15)

bit_offset = of([b"%d" % offset for offset in (0, 1, 3, 7, 8, 9, 15, 63, 64, 100, 257)],
                [b"-1", b"4294967296", b"x", b"", b"#1", b"9223372036854775807"], 0.05)
bit_type = of([b"u1", b"i1", b"u2", b"i5", b"u7", b"u8", b"i8", b"u9", b"i16", b"u31", b"i32", b"u63", b"i63", b"i64"],
              [b"u64", b"i65", b"u0", b"i0", b"x8", b"i", b"", b"i-1", b"i08", b"U8"], 0.04)
field_offset = one(bit_offset, one(b"#0", b"#1", b"#2", b"#9"))
field_number = of(INTS + [b"127", b"-128", b"255", b"65536", b"-9223372036854775808"], ODD_INTS, 0.06)
overflow = ("OVERFLOW", one("WRAP", "SAT", "FAIL", "FAIL", "SAT"))
bit_range = one((), (), (integer, integer), (integer, integer, one("BIT", "BYTE", "BIT", "BITS")), integer)
get_field = ("GET", bit_type, field_offset)

STRINGS = {
    "get": text,
    "set": one((text, value), (key("num"), of(INTS)),
               (text, value, mixed("NX", "XX", "GET", "KEEPTTL", expiry, share=0.25))),
    "setnx": (text, value),
    "setex": (text, SECONDS, value),
    "psetex": (text, MILLISECONDS, value),
    "getset": (text, value),
    "getdel": text,
    "getex": (text, one((), expiry, "PERSIST", (expiry, "PERSIST"), expiry)),
    "mget": some(1, 5, anything),
    "mset": some(1, 4, text, value),
    "msetnx": some(1, 2, text, value),
    "append": (text, value),
    "strlen": text,
    "getrange": (text, integer, integer),
    "substr": (text, integer, integer),
    "setrange": (text, offset, value),
    "incr": key("num"),
    "decr": key("num"),
    "incrby": (key("num"), integer),
    "decrby": (key("num"), integer),
    "incrbyfloat": (key("num"), fraction),
    "lcs": (text, text, mixed("LEN", "IDX", ("MINMATCHLEN", integer), "WITHMATCHLEN")),
    "setbit": (text, bit_offset, of([b"0", b"1", b"1"], [b"2", b"-1", b"x"])),
    "getbit": (text, bit_offset),
    "bitcount": (text, bit_range),
    "bitpos": (text, of([b"0", b"1"], [b"2", b"x", b"-1"]), one(bit_range, integer)),
    "bitop": one((one("AND", "OR", "XOR", "NOT", "NAND"), key("bits"), some(1, 3, text)),
                 ("NOT", key("bits"), text)),
    "bitfield": (key("bits"), some(0, 4, one(get_field, ("SET", bit_type, field_offset, field_number), overflow,
                                             ("INCRBY", bit_type, field_offset, field_number)))),
    "bitfield_ro": (text, some(0, 3, get_field)),
}

# --- hashes, sets, lists ---

field = member
cursor_options = (b"0", mixed(("MATCH", pattern), ("COUNT", number(0, 30))))

HASHES = {
    "hset": (key("hash"), some(1, 6, field, value)),
    "hsetnx": (key("hash"), field, value),
    "hmset": (key("hash"), some(1, 6, field, value)),
    "hget": (key("hash"), field),
    "hmget": (key("hash"), some(1, 5, field)),
    "hgetall": key("hash"),
    "hdel": (key("hash"), some(1, 5, field)),
    "hlen": key("hash"),
    "hstrlen": (key("hash"), field),
    "hexists": (key("hash"), field),
    "hkeys": key("hash"),
    "hvals": key("hash"),
    "hincrby": (key("hash"), of(MEMBERS[:6]), integer),
    "hincrbyfloat": (key("hash"), of(MEMBERS[:6]), fraction),
    "hrandfield": (key("hash"), maybe(integer, maybe("WITHVALUES"), share=0.8)),
    "hscan": (key("hash"), cursor_options),
}

SETS = {
    "sadd": (key("set"), some(1, 6, member)),
    "srem": (key("set"), some(1, 5, member)),
    "smembers": key("set"),
    "sismember": (key("set"), member),
    "smismember": (key("set"), some(1, 5, member)),
    "scard": key("set"),
    "spop": (key("set"), maybe(one(integer, b"100", b"1"), share=0.7)),
    "srandmember": (key("set"), maybe(integer, share=0.8)),
    "smove": (key("set"), key("set"), member),
    "sinter": some(1, 4, key("set")),
    "sinterstore": (key("set"), some(1, 4, key("set"))),
    "sintercard": (counted(key("set")), maybe("LIMIT", number(-1, 5))),
    "sunion": some(1, 4, key("set")),
    "sunionstore": (key("set"), some(1, 4, key("set"))),
    "sdiff": some(1, 4, key("set")),
    "sdiffstore": (key("set"), some(1, 4, key("set"))),
    "sscan": (key("set"), cursor_options),
}

side = of([b"LEFT", b"RIGHT", b"left", b"right"], [b"middle", b""])
# Few elements, so that they stand there more than once.
element = one(of(MEMBERS[:5]), member)

LISTS = {
    "lpush": (key("list"), some(1, 6, element)),
    "rpush": (key("list"), some(1, 6, element)),
    "lpushx": (key("list"), some(1, 3, element)),
    "rpushx": (key("list"), some(1, 3, element)),
    "lpop": (key("list"), maybe(number(0, 3))),
    "rpop": (key("list"), maybe(number(0, 3))),
    "llen": key("list"),
    "lrange": (key("list"), integer, integer),
    "lindex": (key("list"), integer),
    "lset": (key("list"), integer, element),
    "linsert": (key("list"), one("BEFORE", "AFTER", "BEFORE", "AFTER", "BESIDE"), element, element),
    "lrem": (key("list"), integer, element),
    "ltrim": (key("list"), one(number(-30, 3), integer), one(number(-3, 30), integer)),
    "lpos": (key("list"), element, mixed(("RANK", integer), ("COUNT", number(-1, 4)), ("MAXLEN", number(-1, 50)))),
    "lmove": (key("list"), key("list"), side, side),
    "rpoplpush": (key("list"), key("list")),
    "lmpop": (counted(key("list")), side, maybe("COUNT", number(0, 5))),
}

# --- sorted sets ---

score = of([b"%d" % number for number in range(-4, 6)] + FLOATS, ODD_FLOATS, 0.06)


def score_limit(draw):
    word = draw.choice(FLOATS + [b"-inf", b"+inf", b"-inf", b"+inf"]) if draw.chance(0.95) else draw.choice(ODD_FLOATS)
    return b"(" + word if draw.chance(0.3) else word


def member_limit(draw):
    if draw.chance(0.3):
        return draw.choice((b"-", b"+"))
    if draw.chance(0.04):
        return draw.choice((b"", b"a", b"(", b"[", b"+a", b"-\0", b"((a"))
    return draw.choice((b"[", b"(")) + draw.choice(MEMBERS)


limits = maybe("LIMIT", one(integer, number(0, 5)), one(integer, number(-1, 6)))
scored = one(key("zset"), key("zset"), key("set"))


def combined(storing, counts_only=False, scores=True):
    """Sorted sets joined; as many weights as keys, mostly."""
    def shape(draw):
        count = draw.randint(1, 4)
        given = count if draw.chance(0.95) else draw.randint(0, 5)
        options = []
        if scores and draw.chance(0.4):
            options.append(("WEIGHTS", (real,) * given))
        if scores and draw.chance(0.4):
            options.append(("AGGREGATE", draw.choice(("SUM", "MIN", "MAX") * 5 + ("AVG",))))
        if not storing and draw.chance(0.5) or draw.chance(0.02):
            options.append("WITHSCORES")
        if counts_only and draw.chance(0.5) or draw.chance(0.02):
            options.append(("LIMIT", number(0, 5)))
        if counts_only and draw.chance(0.9):
            options = [each for each in options if each != "WITHSCORES"]
        draw.shuffle(options)
        said = b"%d" % (count if draw.chance(0.96) else draw.randint(-1, 6))
        return (key("zset") if storing else (), said, (scored,) * count, tuple(options))
    return shape


def zrange_options(draw):
    by = draw.choice(("rank", "rank", "score", "lex", "score"))
    low, high = {"rank": (integer, integer), "score": (score_limit, score_limit), "lex": (b"-", b"+")}[by]
    options = [{"rank": (), "score": "BYSCORE", "lex": "BYLEX"}[by]]
    if draw.chance(0.4):
        options.append("REV")
        low, high = (high, low) if by == "lex" else (low, high)
    if draw.chance(0.4 if by != "rank" else 0.03):
        options.append(("LIMIT", one(integer, number(0, 5)), one(integer, number(-1, 6))))
    if draw.chance(0.4 if by != "lex" else 0.1):
        options.append("WITHSCORES")
    if draw.chance(0.03):
        options.append(draw.choice(("BYLEX", "BYSCORE", "REV", "NX")))
    draw.shuffle(options)
    return (low, high, tuple(options))


def store_options(draw):
    low, high, options = zrange_options(draw)
    return (low, high, tuple(each for each in options if each != "WITHSCORES" or draw.chance(0.1)))


lex_options = (one((b"-", b"+"), (member_limit, member_limit)), "BYLEX", mixed("REV", limits))

ZSETS = {
    "zadd": one((key("zset"), mixed("NX", "XX", "GT", "LT", "CH", "INCR", share=0.12), some(1, 5, score, member)),
                (key("zset"), one("INCR", ("INCR", "GT"), ("LT", "INCR"), ("NX", "INCR"), ("XX", "INCR")), score,
                 member),
                (key("zset"), one("CH", ("GT", "CH"), ("CH", "XX", "LT")), some(1, 12, score, member)),
                (key("lex"), some(1, 8, b"0", member))),
    "zincrby": (key("zset"), score, member),
    "zrem": (one(key("zset"), key("lex")), some(1, 5, member)),
    "zscore": (key("zset"), member),
    "zmscore": (key("zset"), some(1, 5, member)),
    "zcard": (key("zset"),),
    "zcount": (key("zset"), score_limit, score_limit),
    "zlexcount": (key("lex"), member_limit, member_limit),
    "zrange": one((key("zset"), zrange_options), (key("zset"), zrange_options), (key("lex"), lex_options)),
    "zrevrange": (key("zset"), integer, integer, maybe("WITHSCORES")),
    "zrangebyscore": (key("zset"), score_limit, score_limit, mixed("WITHSCORES", limits)),
    "zrevrangebyscore": (key("zset"), score_limit, score_limit, mixed("WITHSCORES", limits)),
    "zrangebylex": (key("lex"), member_limit, member_limit, limits),
    "zrevrangebylex": (key("lex"), member_limit, member_limit, limits),
    "zrangestore": one((key("zset"), key("zset"), store_options), (key("lex"), key("lex"), lex_options)),
    "zrank": (one(key("zset"), key("lex")), member),
    "zrevrank": (key("zset"), member),
    "zremrangebyrank": (key("zset"), integer, integer),
    "zremrangebyscore": (key("zset"), score_limit, score_limit),
    "zremrangebylex": (key("lex"), member_limit, member_limit),
    "zpopmin": (one(key("zset"), key("lex")), maybe(number(-1, 4))),
    "zpopmax": (key("zset"), maybe(number(-1, 4))),
    "zmpop": (counted(key("zset")), one("MIN", "MAX", "MAX", "MIN", "MID"), maybe("COUNT", number(0, 5))),
    "zrandmember": (key("zset"), maybe(integer, maybe("WITHSCORES"), share=0.8)),
    "zunion": combined(False),
    "zinter": combined(False),
    "zdiff": combined(False, scores=False),
    "zunionstore": combined(True),
    "zinterstore": combined(True),
    "zdiffstore": combined(True, scores=False),
    "zintercard": combined(False, counts_only=True, scores=False),
    "zscan": (key("zset"), cursor_options),
}

SHAPES = {**GENERIC, **STRINGS, **HASHES, **SETS, **LISTS, **ZSETS}
