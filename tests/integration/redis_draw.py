# SPDX-License-Identifier: Apache-2.0
"""integration/redis_draw.py - what random words of the Redis protocol are made of.

A shape says what arguments look like: bytes (a word), a text (a word in any case), a tuple (one shape after the
other) or a function of a Draw that gives a shape.
"""
import random

KINDS = ("str", "num", "bits", "hash", "set", "list", "zset", "lex")
KEYS_EACH = 5
LARGE = {kind: b"%s:large" % kind.encode() for kind in ("hash", "set", "list", "zset", "lex")}
LARGE_COUNT = 2000

INTS = [b"0", b"1", b"-1", b"2", b"3", b"5", b"-2", b"-3", b"10", b"100", b"-100", b"7", b"1000"]
ODD_INTS = [b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808", b"99999999999999999999", b"01",
            b"+1", b" 1", b"1 ", b"", b"abc", b"1.5", b"-0", b"0x10", b"-9223372036854775807", b"4294967296",
            b"2147483648", b"4611686018427387904"]
FLOATS = [b"0", b"1", b"-1", b"2", b"0.5", b"1.5", b"-2.25", b"3", b"10", b"1e3", b"0.1", b"0.2",
          b"0.30000000000000004", b"123456789.125", b"1e17", b"-1e-5", b"3.0", b"5"]
ODD_FLOATS = [b"inf", b"-inf", b"+inf", b"Infinity", b"-Infinity", b"nan", b"-nan", b"1e400", b"-1e400", b"1e-400",
              b"", b" 1", b"1 ", b"abc", b"0x10", b"-0", b"-0.0", b"1e308", b"-1e308", b"1.7976931348623157e308",
              b"9007199254740993", b"1,5", b"1e", b"5e-324", b"1_0", b"inf ", b"12345678901234567890", b".5", b"5.",
              b"+1"]
MEMBERS = [b"m%d" % number for number in range(24)] + [
    b"", b"a", b"b", b"c", b"aa", b"ab", b"b\0", b"b\0c", b"\xff\xfe", b"x" * 70, b"two words", b"\r\n", b"B", b"1",
    b"-1", b"3.5", b"x" * 3000]
VALUES = MEMBERS + [b"hello world", b"0", b"10", b"12.5", b"\0\0\0", b"v" * 300, b"9223372036854775807", b"\x80\x01"]
PATTERNS = [b"*", b"m*", b"?", b"m?", b"[a-c]", b"[^m]*", b"\\*", b"*1", b"m[0-9]", b"", b"a*b", b"*:*", b"set:?",
            b"[a"]


# The kinds of key that a command may name in place of its own. Redis promises ranges by member only where all scores
# are one, so `lex` keys hold such sorted sets, and what ranges by member comes by no other ones.
OTHERS = {**{kind: [other for other in KINDS if other not in ("lex", "num")] for kind in KINDS}, "lex": ["num"]}


class Draw(random.Random):
    """Draws words. `wrong_share`: of keys that are of another kind; `texts`: the options drawn since it was emptied."""

    wrong_share = 0.05

    def __init__(self, seed=None):
        super().__init__(seed)
        self.texts = []

    def chance(self, share):
        return self.random() < share

    def key(self, kind):
        throw = self.random()
        if throw < self.wrong_share:
            kind = self.choice(OTHERS[kind])
        elif throw < self.wrong_share + 0.04:
            return b"nolex" if kind == "lex" else b"none"
        elif throw < self.wrong_share + 0.1 and kind in LARGE:
            return LARGE[kind]
        return b"%s:%d" % (kind.encode(), self.randrange(KEYS_EACH))


def key(kind):
    return lambda draw: draw.key(kind)


def of(words, odd=(), share=0.04):
    """One of the words, rarely an odd one."""
    return lambda draw: draw.choice(odd) if odd and draw.chance(share) else draw.choice(words)


def one(*shapes):
    return lambda draw: draw.choice(shapes)


def maybe(*shape, share=0.3):
    return lambda draw: shape if draw.chance(share) else ()


def some(low, high, *shape):
    """The shape, repeated."""
    return lambda draw: (shape,) * draw.randint(low, high)


def mixed(*shapes, share=0.3):
    """Some of the shapes in any order."""
    def shape(draw):
        chosen = [each for each in shapes if draw.chance(share)]
        draw.shuffle(chosen)
        return tuple(chosen)
    return shape


def counted(shape, low=1, high=4):
    """How many, then so many; rarely the number is wrong."""
    def counting(draw):
        count = draw.randint(low, high)
        said = draw.choice((count - 1, count + 1, 0, -1, b"x", b"")) if draw.chance(0.04) else count
        return (said if isinstance(said, bytes) else b"%d" % said, (shape,) * count)
    return counting


def number(low, high):
    """A whole number, rarely an odd one."""
    return lambda draw: draw.choice(ODD_INTS) if draw.chance(0.03) else b"%d" % draw.randint(low, high)


integer = of(INTS, ODD_INTS)
real = of(FLOATS, ODD_FLOATS, 0.08)
member = of(MEMBERS)
value = of(VALUES)
pattern = of(PATTERNS)


def words_of(draw, shape):
    """The words of a shape."""
    if isinstance(shape, bytes):
        return [shape]
    if isinstance(shape, str):
        draw.texts.append(shape)
        return [draw.choice((shape, shape.lower(), shape.capitalize())).encode()]
    if isinstance(shape, tuple):
        return [word for each in shape for word in words_of(draw, each)]
    return words_of(draw, shape(draw))
