# SPDX-License-Identifier: Apache-2.0
"""integration/redis_words.py - random commands from the table of shapes, and what may differ between two servers'
answers to them.

From now and then a command is spoilt: an argument too few or too many, the wrong type, nonsense where a number
stands. same() compares two answers to one command; it knows which have no order. ALLOWED is the list of differences
that are meant, each with its reason.
"""
import collections

from redis_draw import INTS, KEYS_EACH, KINDS, LARGE, LARGE_COUNT, MEMBERS, ODD_FLOATS, ODD_INTS, words_of
from redis_shapes import SHAPES, ZSETS

ALL_KEYS = [b"%s:%d" % (kind.encode(), index) for kind in KINDS for index in range(KEYS_EACH)] + \
    sorted(LARGE.values()) + [b"none", b"nolex"]

# Of resp_errorf().
ERROR_BYTES_MAX = 500

# Leave nothing to compare, so they come rarely.
RARE = {"flushall", "flushdb"}
RARE_SHARE = 0.0005


# --- commands ---

def name_of(words):
    return words[0].decode("latin-1").lower()


def spoilt(draw, words):
    """The same with one thing wrong."""
    words = list(words)
    place = draw.randrange(1, len(words)) if len(words) > 1 else 0
    throw = draw.random()
    if place == 0 or throw < 0.2:
        words.append(draw.choice(MEMBERS + INTS))
    elif throw < 0.4:
        del words[place]
    elif throw < 0.6:
        words.insert(place, draw.choice(MEMBERS + INTS))
    elif throw < 0.8:
        words[place] = draw.choice(ODD_INTS + ODD_FLOATS)
    else:
        words[place] = draw.choice(words)
    return words


class Generator:
    """Commands from SHAPES, or from some of them."""

    def __init__(self, draw, names=None, spoilt_share=0.03):
        self.draw = draw
        self.names = sorted(names or set(SHAPES) - RARE)
        self.rare = sorted(RARE) if names is None else []
        self.spoilt_share = spoilt_share
        self.options = set()

    def command(self):
        """A command that is_bearable()."""
        while True:
            words = self._command()
            if is_bearable(words):
                return words

    def bearable_of(self, name):
        """The same of one name."""
        while True:
            words = self.command_of(name)
            if is_bearable(words):
                return words

    def _command(self):
        return self.command_of(self.draw.choice(self.rare if self.rare and self.draw.chance(RARE_SHARE) else self.names))

    def command_of(self, name):
        """One of that name; which options stand in it: `options`."""
        self.draw.texts.clear()
        words = words_of(self.draw, (name, SHAPES[name]))
        self.options = set(self.draw.texts) - {name}
        sets_scores = name == "zadd" and words[1].startswith((b"lex", b"nolex"))
        return spoilt(self.draw, words) if self.draw.chance(self.spoilt_share) and not sets_scores else words

    @staticmethod
    def fill():
        """Commands that make the large values, so that not all are of the small form."""
        commands = []
        for kind, large in LARGE.items():
            head = {"hash": b"HSET", "set": b"SADD", "list": b"RPUSH", "zset": b"ZADD", "lex": b"ZADD"}[kind]
            commands.append([b"DEL", large])
            for start in range(0, LARGE_COUNT, 500):
                words = [head, large]
                for index in range(start, start + 500):
                    name = b"n%d" % index
                    words += {"hash": [name, b"%d" % index], "set": [name], "list": [name],
                              "zset": [b"%d" % (index // 3 - 200), name], "lex": [b"0", name]}[kind]
                commands.append(words)
        return commands


def number_of(word):
    """The whole number that a word is, or None."""
    try:
        return int(word)
    except ValueError:
        return None


# Where the numbers stand that say how long a key lives.
LIFETIMES = {"expire": 2, "pexpire": 2, "setex": 2, "psetex": 2, "getex": 2, "set": 3}


def is_bearable(words):
    """No answers of endless length, no strings of gigabytes, and nothing that expires while the two servers are asked
    one after the other."""
    name = name_of(words)
    place = LIFETIMES.get(name, 2)
    numbers = [number for number in (number_of(word.lstrip(b"#")) for word in words[place:]) if number is not None]
    if name in BY_CHANCE:
        return not any(-2**63 < number < -1000 for number in numbers)
    if name in ("setbit", "setrange", "bitfield"):
        return not any(100000 < number < 2**32 for number in numbers)
    if name in LIFETIMES:
        return not any(0 < number < 1000 for number in numbers)
    return True


def cursor_place(words):
    """Where the cursor of a scan stands; None: there is none."""
    place = 1 if name_of(words) == "scan" else 2
    return place if len(words) > place else None


# --- comparison ---

# Arrays in which only the elements count.
ORDERLESS = {"smembers", "sinter", "sunion", "sdiff", "hkeys", "hvals", "keys"}
# The same of pairs, which version 2 sends flat.
PAIRED = {"hgetall"}
# Answered from what is there, by chance.
BY_CHANCE = {"spop", "srandmember", "hrandfield", "zrandmember", "randomkey"}
# Where the cursor goes on is each server's own matter.
SCANS = {"scan", "hscan", "sscan", "zscan"}
# They need more than one step to compare. (Redis counts keys that have expired until they are asked for.)
ALONE = BY_CHANCE | SCANS | {"dbsize"}


def paired(elements):
    return [tuple(elements[index:index + 2]) for index in range(0, len(elements), 2)]


def normal(name, answer):
    """An answer in a form that is equal for equal answers."""
    kind, content = answer
    if not isinstance(content, list):
        return answer
    if name in ORDERLESS:
        return kind, sorted(content, key=repr)
    if name in PAIRED:
        return kind, sorted(paired(content), key=repr)
    return answer


class Allowed(collections.namedtuple("Allowed", "names reason may parts", defaults=(False,))):
    """A difference that is meant. @may(words, theirs, ours). @parts: the keys differ then, and are deleted."""


def with_scores_of_zero(answer):
    """The same with 0 for -0."""
    kind, content = answer
    if isinstance(content, list):
        return kind, [with_scores_of_zero(each) for each in content]
    return (kind, b"0") if content == b"-0" else answer


def scanned_numbers(answer):
    """The pairs of a ZSCAN, with their scores as numbers."""
    return [(each[0], float(each[1])) for each in answer[1]] if isinstance(answer[1], list) else answer


def are_near(apart):
    """Whole numbers that are at most so far apart, and not codes."""
    return lambda words, theirs, ours: theirs[0] == ours[0] == ":" and theirs[1] > 0 and \
        abs(theirs[1] - ours[1]) <= apart


def of_object(question):
    return lambda words, theirs, ours: len(words) > 1 and words[1].lower() == question and theirs[0] == ours[0] != "-"


def sorted_otherwise(option):
    """The same elements in another order; of a part of them only so many. Not kept anywhere."""
    def may(words, theirs, ours):
        options = [word.lower() for word in words[2:]]
        if option not in options or b"store" in options or theirs[0] != "*" or ours[0] != "*":
            return False
        if b"limit" in options:
            return len(theirs[1]) == len(ours[1])
        return sorted(theirs[1], key=repr) == sorted(ours[1], key=repr)
    return may


def names_type_none(words, theirs, ours):
    options = [word.lower() for word in words[2:]]
    return (b"type", b"none") in zip(options, options[1:]) and ours == ("*", [])


def in_one_line(answer):
    return answer[0], answer[1].strip() if answer[0] == "-" else answer[1]


ALLOWED = [
    Allowed(set(ZSETS), "a score of -0 is kept as 0; Redis keeps it in large sorted sets, and in small ones not",
            lambda words, theirs, ours: with_scores_of_zero(theirs) == with_scores_of_zero(ours)),
    Allowed({"zscan"}, "whole scores from 1e17 on are written as in every other answer; Redis' small sorted sets write "
                       "them out in ZSCAN only",
            lambda words, theirs, ours: scanned_numbers(theirs) == scanned_numbers(ours)),
    Allowed({"ttl", "expiretime"}, "the two servers were asked at two moments", are_near(1)),
    Allowed({"pttl", "pexpiretime"}, "the two servers were asked at two moments", are_near(1000)),
    Allowed({"copy"}, "there is one database",
            lambda words, theirs, ours: ours == ("-", b"ERR DB index is out of range") and
            (theirs[0] == ":" or theirs == ("-", b"ERR syntax error"))),
    Allowed({"expire", "pexpire", "expireat", "pexpireat"}, "an error quotes so much of an option; Redis quotes all of it",
            lambda words, theirs, ours: theirs[0] == ours[0] == "-" and len(ours[1]) >= ERROR_BYTES_MAX and
            theirs[1].startswith(ours[1])),
    Allowed({"object"}, "how Redis keeps a value depends on what it was before", of_object(b"encoding")),
    Allowed({"object"}, "Redis shares small numbers, and counts all who do", of_object(b"refcount")),
    Allowed({"object"}, "when a key was last used is not told", of_object(b"idletime")),
    Allowed({"sort", "sort_ro"}, "which of two of one weight, or of a set that is not sorted, is first is not promised",
            sorted_otherwise(b"by")),
    Allowed({"sort", "sort_ro"}, "texts are compared whole; Redis compares them up to their first NUL",
            sorted_otherwise(b"alpha")),
    Allowed({"scan"}, "a cursor that no SCAN gave is refused; Redis takes any number",
            lambda words, theirs, ours: ours == ("-", b"ERR invalid cursor") and words[1] != b"0"),
    Allowed({"scan"}, "Redis gives keys that have just expired the type none", names_type_none),
    Allowed(set(SHAPES), "line ends at the end of a word that an error quotes become spaces; Redis leaves them out",
            lambda words, theirs, ours: in_one_line(theirs) == in_one_line(ours)),
    Allowed({"sort", "sort_ro"}, "Redis 7.0 takes an earlier command's number that was out of range for one of these",
            lambda words, theirs, ours: theirs == ("-", b"ERR One or more scores can't be converted into double"),
            parts=True),
]


def allowed_of(words, theirs, ours):
    """The row of ALLOWED by which two answers may differ, or None."""
    return next((allowed for allowed in ALLOWED
                 if name_of(words) in allowed.names and allowed.may(words, theirs, ours)), None)


def same(words, theirs, ours):
    name = name_of(words)
    return theirs == ours or normal(name, theirs) == normal(name, ours)


# --- what is answered by chance ---

def elements_of(answer):
    """What was drawn: words, or pairs of words."""
    kind, content = answer
    if not isinstance(content, list):
        return [content]
    return [tuple(word[1] for word in each[1]) if isinstance(each[1], list) else each[1] for each in content]


def is_possible(words, theirs, ours, there):
    """May both have come by chance from @there, the words of all that is under the key?"""
    name = name_of(words)
    if theirs[0] != ours[0] or theirs[0] == "-":
        return False
    drawn, other = elements_of(ours), elements_of(theirs)
    if len(drawn) != len(other) or [type(each) for each in drawn] != [type(each) for each in other]:
        return False
    whole = there
    if name in ("hrandfield", "zrandmember"):
        whole = paired(there) if len(words) > 3 else there[::2]
        if len(words) > 3 and drawn and not isinstance(drawn[0], tuple):
            drawn = paired(drawn)
    if name == "zrandmember" and len(words) > 3:    # -0 is allowed to be 0
        drawn, whole = ([(each, float(score)) for each, score in all_of] for all_of in (drawn, whole))
    count = number_of(words[2]) if len(words) > 2 else None
    if set(drawn) - set(whole):
        return False
    return count is not None and count < 0 or len(set(drawn)) == len(drawn)
