# SPDX-License-Identifier: Apache-2.0
"""integration/redis_compare.py - the same commands to two servers, over four connections to each, and what differed.

Commands go out one connection at a time, in small pipelines, so both servers see them in one order. What is
answered by chance is examined against what is there; scans are followed to their end; now and then keys expire, and
all keys are compared. After a difference its keys are deleted on both sides, so that one fault is not seen twice.

    python3 redis_compare.py REDIS_PORT STORE_PORT [SEED [COUNT [NAME...]]]
    python3 redis_compare.py REDIS_PORT STORE_PORT SEED each LEAST SECONDS     # each of everything so often
"""
import collections
import itertools
import sys
import time

import redis_words
from redis_draw import Draw
from redis_server import Client
from redis_words import name_of

VERSIONS = (2, 3, 2, 3)
BATCH_MAX = 8
COUNTED_BATCH = 24
DUMP_EVERY = 2000
EXPIRE_EVERY = 150
EXPIRING = 4
TRANSACTION_SHARE = 0.1
SCAN_STEPS_MAX = 4000
SETTLE_SECONDS = 3
# They name no key.
NO_KEY = {"randomkey", "keys", "scan", "dbsize", "flushdb", "flushall"}

READERS = {b"string": [b"GET"], b"hash": [b"HGETALL"], b"set": [b"SMEMBERS"], b"list": [b"LRANGE", b"0", b"-1"],
           b"zset": [b"ZRANGE", b"0", b"-1", b"WITHSCORES"]}


def reader_of(kind, key):
    """The command that reads all of a value."""
    head, *rest = READERS[kind]
    return [head, key, *rest]


def flat(answer):
    """The words in an answer, one after the other."""
    kind, content = answer
    if isinstance(content, list):
        return [word for each in content for word in flat(each)]
    return [content]


def pairs(words):
    return [tuple(words[index:index + 2]) for index in range(0, len(words), 2)]


class Comparison:
    """Two servers, by their ports. `differences` are tuples: what stands in describe(). @transactions: the store has
    a front that knows MULTI."""

    def __init__(self, redis_port, store_port, seed, names=None, transactions=False):
        self.transactions = transactions
        self.draw = Draw(seed)
        self.generator = redis_words.Generator(self.draw, names)
        self.couples = [(Client(redis_port, version), Client(store_port, version)) for version in VERSIONS]
        self.control = (Client(redis_port), Client(store_port))
        self.seed = seed
        self.count = 0
        self.histogram = collections.Counter()
        self.allowed = collections.Counter()
        self.differences = []
        self.edges = collections.defaultdict(collections.Counter)    # by name: of run_until()
        self.expired = set()

    def close(self):
        for client in [*itertools.chain(*self.couples), *self.control]:
            client.close()

    # --- the run ---

    def run(self, count):
        self.both([b"FLUSHALL"])
        self.fill()
        while self.count < count:
            batch = [self.generator.command() for _ in range(self.draw.randint(1, BATCH_MAX))]
            couple = self.draw.choice(self.couples)
            before = self.count
            self.run_batch(couple, batch)
            if self.count // EXPIRE_EVERY != before // EXPIRE_EVERY:
                self.let_expire()
            if self.count // DUMP_EVERY != before // DUMP_EVERY:
                self.compare_keys()
                self.fill()
        self.compare_keys()

    # --- each of everything so often ---

    def run_until(self, least, until_s):
        """Every command; each of its options; each with a key of a wrong type, where that is an error; each on a key whose
        time has just come: at least so many times. What is not known yet to be there is found on the way. False: the time,
        in time.monotonic(), was over before."""
        self.both([b"FLUSHALL"])
        self.fill()
        names = sorted(redis_words.SHAPES)
        for number in itertools.count():
            short = [name for name in names if self.is_short(name, least)]
            if not short or time.monotonic() > until_s:
                self.compare_keys()
                return not short
            expires = number % 2 == 1
            self.draw.wrong_share = 0.5 if number % 4 == 2 else Draw.wrong_share
            if expires:
                self.expire_all()
            for _ in range(1 if expires else 4):
                self.run_counted(self.draw.choices(short, k=COUNTED_BATCH))
            if number % 30 == 0:
                self.fill()

    def is_short(self, name, least):
        """Is there anything of it that was done at least once, and not so often?"""
        edges = self.edges[name]
        return edges["times"] < least or any(0 < count < least for edge, count in edges.items() if edge != "expired") or \
            (edges["expired"] < least and name not in NO_KEY)

    def run_counted(self, names):
        batch = []
        for name in names:
            words = self.generator.bearable_of(name)
            batch.append(words)
            self.edges[name].update({"times": 1, **{option: 1 for option in self.generator.options}})
            if self.expired.intersection(words[1:]):
                self.edges[name]["expired"] += 1
                self.expired.difference_update(words[1:])
        self.run_batch(self.draw.choice(self.couples), batch)

    def expire_all(self):
        """Every key: when one is named next, its time is over."""
        for client in self.control:
            client.send([[b"PEXPIRE", key, b"2"] for key in redis_words.ALL_KEYS])
        there = [self.control[0].answer() == self.control[1].answer() == (":", 1) for _ in redis_words.ALL_KEYS]
        self.expired = {key for key, is_there in zip(redis_words.ALL_KEYS, there) if is_there}
        time.sleep(0.006)

    def edges_table(self, least):
        """A row for each command: how often each of its edges was met; `!` where that is too seldom."""
        lines = []
        for name, edges in sorted(self.edges.items()):
            words = [f"{edge}{'!' if count < least else ''} {count}" for edge, count in sorted(edges.items(), key=str)
                     if edge != "times"]
            lines.append(f"{name:18} {edges['times']:7}{'!' if edges['times'] < least else ' '} {'  '.join(words)}")
        return "\n".join(lines)

    def let_expire(self):
        """Some keys are expired when they are named next."""
        for _ in range(EXPIRING):
            key = self.draw.choice(redis_words.ALL_KEYS)
            self.both([b"PEXPIRE", key, b"2"] if self.draw.chance(0.7) else [b"SET", key, b"soon gone", b"PX", b"2"])
        time.sleep(0.01)

    def run_batch(self, couple, batch):
        """A pipeline, in pieces: what needs steps of its own stands alone."""
        for alone, piece in itertools.groupby(batch, lambda words: name_of(words) in redis_words.ALONE):
            piece = list(piece)
            if alone:
                for words in piece:
                    self.run_alone(couple, words)
            elif self.transactions and self.draw.chance(TRANSACTION_SHARE):
                self.run_transaction(couple, piece)
            else:
                for client in couple:
                    client.send(piece)
                for words in piece:
                    self.note(couple, words, couple[0].answer(), couple[1].answer())
        self.count += len(batch)

    def run_transaction(self, couple, batch):
        """The same between MULTI and EXEC; what was queued is answered there."""
        for client in couple:
            client.send([[b"MULTI"], *batch, [b"EXEC"]])
        queued = []
        for words in [[b"MULTI"], *batch]:
            theirs, ours = couple[0].answer(), couple[1].answer()
            self.note(couple, [b"MULTI"], theirs, ours)
            queued += [words] if theirs == ("+", b"QUEUED") else []
        theirs, ours = couple[0].answer(), couple[1].answer()
        if theirs[0] == ours[0] == "*" and len(theirs[1]) == len(ours[1]) == len(queued):
            for words, *answers in zip(queued, theirs[1], ours[1]):
                self.note(couple, words, *answers)
        else:
            self.note(couple, [b"EXEC", *itertools.chain(*batch)], theirs, ours)

    def both(self, words):
        """The answers of both over the connections for our own purposes."""
        return tuple(client.ask(*words) for client in self.control)

    def fill(self):
        for words in self.generator.fill():
            self.both(words)

    # --- one command ---

    def note(self, couple, words, theirs, ours):
        """Counts one pair of answers, and keeps what differs."""
        self.histogram[name_of(words), "error" if theirs[0] == "-" else "ok"] += 1
        if theirs[0] == "-" and theirs[1].startswith(b"WRONGTYPE"):
            self.edges[name_of(words)]["wrong type"] += 1
        if redis_words.same(words, theirs, ours):
            return
        allowed = redis_words.allowed_of(words, theirs, ours)
        if allowed is None:
            self.keep(couple, words, theirs, ours)
            return
        self.allowed[allowed.reason] += 1
        if allowed.parts:
            self.forget(words)

    def keep(self, couple, words, theirs, ours):
        self.differences.append((self.seed, self.count, couple[0].version, words, theirs, ours))
        self.forget(words)

    def forget(self, words):
        """The keys of a command are deleted on both sides."""
        for word in words[1:]:
            self.both([b"DEL", word])

    def run_alone(self, couple, words):
        name = name_of(words)
        if name in redis_words.SCANS:
            self.run_scan(couple, words)
        elif name == "dbsize":
            self.note(couple, words, *self.ask_until_same(couple, words))
        else:
            self.run_by_chance(couple, words)

    def ask_until_same(self, couple, words):
        """What has expired is counted until it is removed in the background, which each does in its own time."""
        end = time.monotonic() + SETTLE_SECONDS
        while True:
            answers = [client.ask(*words) for client in couple]
            if redis_words.same(words, *answers) or time.monotonic() > end:
                return answers
            time.sleep(0.02)

    def run_scan(self, couple, words):
        """From the first cursor to the end, on each side by its own cursors."""
        at = redis_words.cursor_place(words)
        answers = [self.scan_all(client, words, at) for client in couple]
        if at is None or words[at] != b"0":
            answers = [answer if answer[0] == "-" else ("*", None) for answer in answers]
        self.note(couple, words, *answers)

    def scan_all(self, client, words, at):
        seen = set()
        words = list(words)
        for _ in range(SCAN_STEPS_MAX):
            answer = client.ask(*words)
            if answer[0] == "-" or at is None:
                return answer
            cursor, elements = answer[1]
            found = flat(elements)
            seen |= set(pairs(found) if name_of(words) in ("hscan", "zscan") else found)
            if cursor == ("$", b"0"):
                return "*", sorted(seen, key=repr)
            words[at] = cursor[1]
        return "!", b"the scan does not end"

    def run_by_chance(self, couple, words):
        """Both answers must be possible ones, of one form."""
        there = self.content(words)
        theirs, ours = (client.ask(*words) for client in couple)
        if redis_words.same(words, theirs, ours):
            self.note(couple, words, theirs, ours)
            return
        self.histogram[name_of(words), "by chance"] += 1
        if not redis_words.is_possible(words, theirs, ours, there):
            self.keep(couple, words, theirs, ours)
        elif name_of(words) == "spop":
            self.both([b"DEL", words[1]])

    def content(self, words):
        """What is under the key of a command, as words."""
        if name_of(words) == "randomkey":
            return flat(self.control[0].ask(b"KEYS", b"*"))
        if len(words) < 2:
            return []
        kind = self.control[0].ask(b"TYPE", words[1])[1]
        return flat(self.control[0].ask(*reader_of(kind, words[1]))) if kind in READERS else []

    # --- all keys ---

    def compare_keys(self):
        keys = self.both([b"KEYS", b"*"])
        self.note(self.control, [b"KEYS", b"*"], *keys)
        for key in sorted(set(flat(keys[0]) + flat(keys[1]))):
            theirs, ours = self.both([b"TYPE", key])
            if theirs != ours or theirs[1] not in READERS:
                self.note(self.control, [b"TYPE", key], theirs, ours)
                continue
            for words in (reader_of(theirs[1], key), [b"PTTL", key]):
                self.note(self.control, words, *self.both(words))

    # --- in words ---

    def describe(self, most=20):
        lines = [f"seed {seed}, command {count}, version {version}: "
                 f"{b' '.join(words)[:400]!r}\n    redis {str(theirs)[:600]}\n    ours  {str(ours)[:600]}"
                 for seed, count, version, words, theirs, ours in self.differences[:most]]
        return f"{len(self.differences)} differences in {self.count} commands\n" + "\n".join(lines)

    def table(self):
        """The histogram: each command with how often it was answered how."""
        by_name = collections.defaultdict(dict)
        for (name, outcome), count in self.histogram.items():
            by_name[name][outcome] = count
        lines = [f"{name:20}" + "".join(f" {outcome} {count:6}" for outcome, count in sorted(found.items()))
                 for name, found in sorted(by_name.items())]
        lines += [f"allowed {count:6}: {reason}" for reason, count in self.allowed.most_common()]
        return "\n".join(lines)


def main(redis_port, store_port, seed="1", count="10000", *names):
    each = count == "each"
    comparison = Comparison(int(redis_port), int(store_port), int(seed), None if each else names or None, each)
    try:
        if each:
            comparison.run_until(int(names[0]), time.monotonic() + int(names[1]))
            print(comparison.edges_table(int(names[0])))
        else:
            comparison.run(int(count))
    finally:
        print(comparison.table())
        print(comparison.describe())
    return bool(comparison.differences)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
