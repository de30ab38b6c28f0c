# SPDX-License-Identifier: Apache-2.0
"""Random commands about channels are answered as redis-server answers them, and messages come where they come there.

Six connections to each server, of versions 2 and 3, take turns. Behind each command all connections say PING with a
word of their own, and everything up to its echo is compared: answers, and messages that came between them. On our side
the connections are spread over two listeners and the workers.
"""
import contextlib
import random

import pytest

import pando
import redis_server
from redis_front import serving
from redis_server import Client, Ended

STEPS = 20000 if pando.LONG else 1200
SEEDS = range(pando.SEED, pando.SEED + (6 if pando.LONG else 1))
VERSIONS = (2, 3, 2, 3, 2, 3)
# Not the empty one: Redis' pattern * matches all names but that, and here it matches all.
CHANNELS = [b"a", b"b", b"news.art", b"news.music", b"*", b"with space", b"\xff\x00\r\n"]
MESSAGES = (b"message", b"pmessage", b"smessage")
PATTERNS = [b"*", b"news.*", b"[ab]", b"?", b"news.m*c", b"a", b"", b"\\*", b"none*"]

pytestmark = pytest.mark.skipif(redis_server.PROGRAM is None, reason="redis-server is not installed")


class Generator:
    def __init__(self, seed):
        self.draw = random.Random(seed)
        self.number = 0

    def some(self, names, least, most):
        return [self.draw.choice(names) for _ in range(self.draw.randint(least, most))]

    def single(self):
        """One command, often about a channel."""
        draw = self.draw
        self.number += 1
        kind = draw.choices(["sub", "unsub", "publish", "pubsub", "other", "wrong"], [8, 5, 10, 3, 2, 1])[0]
        space = draw.choice([b"", b"", b"P", b"P", b"S"])
        names = PATTERNS if space == b"P" else CHANNELS
        if kind == "sub":
            return [space + b"SUBSCRIBE", *self.some(names, 1, 3)]
        if kind == "unsub":
            return [space + b"UNSUBSCRIBE", *self.some(names, 0, 2)]
        if kind == "publish":
            text = b"%d" % self.number + b"." * draw.choice([0, 3, 100, 20000])
            return [draw.choice([b"PUBLISH", b"PUBLISH", b"SPUBLISH"]), draw.choice(CHANNELS), text]
        if kind == "pubsub":
            return [b"PUBSUB", *draw.choice([
                [b"CHANNELS"], [b"CHANNELS", draw.choice(PATTERNS)], [b"NUMSUB", *self.some(CHANNELS, 0, 3)],
                [b"NUMPAT"], [b"SHARDCHANNELS"], [b"SHARDCHANNELS", draw.choice(PATTERNS)],
                [b"SHARDNUMSUB", *self.some(CHANNELS, 0, 3)]])]
        if kind == "other":
            return draw.choice([[b"PING"], [b"PING", b"x"], [b"GET", b"nokey"], [b"ECHO", b"e"], [b"EXEC"],
                                [b"DISCARD"], [b"CLIENT", b"GETNAME"], [b"RESET"], [b"QUIT"], [b"SELECT", b"0"]])
        return draw.choice([[b"SUBSCRIBE"], [b"PUBLISH", b"a"], [b"PUBLISH", b"a", b"b", b"c"], [b"SPUBLISH", b"a"],
                            [b"PUBSUB"], [b"PUBSUB", b"NOSUCH"], [b"PUBSUB", b"CHANNELS", b"a", b"b"],
                            [b"PUBSUB", b"NUMPAT", b"x"], [b"PSUBSCRIBE"], [b"NOSUCH", b"a"]])

    def step(self, version):
        """Commands that go out together."""
        if self.draw.random() < 0.1:
            inner = [self.single() for _ in range(self.draw.randint(0, 4))]
            hears = version == 3 or any(words[0].endswith(b"SUBSCRIBE") for words in inner)
            return [[b"MULTI"], *[words for words in inner if may_be_queued(words, hears)], [b"EXEC"]]
        if self.draw.random() < 0.05:
            silence = self.draw.choice([[b"CLIENT", b"REPLY", b"SKIP"], [b"CLIENT", b"REPLY", b"OFF"]])
            inner = self.single()
            if version == 2 and inner[0].endswith(b"SUBSCRIBE") or inner[0] == b"QUIT":
                inner = [b"PING"]    # or it could not be switched on again; and Redis waits for QUIT's answer to leave
            return [silence, inner, [b"CLIENT", b"REPLY", b"ON"]]
        return [self.single() for _ in range(self.draw.choice([1, 1, 1, 3]))]


def may_be_queued(words, hears):
    """Redis 7.0 writes a message to the publisher himself into the middle of EXEC's answer; here it comes behind it.
    So whoever may hear himself does not publish. What leaves all channels has no order."""
    return not (len(words) == 1 and words[0].endswith(b"UNSUBSCRIBE")) and words[0] not in (b"MULTI", b"EXEC", b"DISCARD", b"RESET", b"QUIT") and \
        not (hears and words[0] in (b"PUBLISH", b"SPUBLISH"))


def is_barrier(frame, word):
    kind, content = frame
    return content == word or kind == "*" and isinstance(content, list) and len(content) == 2 and \
        content[1] == ("$", word)


def first(frame):
    content = frame[1]
    return content[0][1] if isinstance(content, list) and content and content[0][0] == "$" else None


def with_sorted_lists(frame):
    kind, content = frame
    if kind != "*" or not isinstance(content, list) or first(frame) in MESSAGES:
        return frame
    content = [with_sorted_lists(each) for each in content]
    return kind, sorted(content, key=repr) if all(each[0] == "$" for each in content) else content


def normal(frames, commands):
    """What has no order is put into one: names of all that is left at once, patterns that match, lists of channels."""
    if any(words[0] == b"PUBSUB" for words in commands):
        frames = [with_sorted_lists(frame) for frame in frames]
    pmessages = iter(sorted((frame for frame in frames if first(frame) == b"pmessage"), key=repr))
    frames = [next(pmessages) if first(frame) == b"pmessage" else frame for frame in frames]
    if any(len(words) == 1 and words[0].endswith(b"UNSUBSCRIBE") for words in commands):
        counts = sorted(repr(frame[1][2]) for frame in frames if is_unsubscribed(frame))
        names = sorted(repr(frame[1][:2]) for frame in frames if is_unsubscribed(frame))
        frames = [frame for frame in frames if not is_unsubscribed(frame)] + [("left", (names, counts))]
    return frames


def is_unsubscribed(frame):
    return (first(frame) or b"").endswith(b"unsubscribe")


class Side:
    """The connections to one server."""

    def __init__(self, ports):
        self.ports = ports
        self.clients = [self.connect(index) for index in range(len(VERSIONS))]

    def connect(self, index):
        return Client(self.ports[index % len(self.ports)], VERSIONS[index])

    def run(self, index, commands, number):
        """Sends them; for each connection what came up to the barrier."""
        self.clients[index].send(commands)
        seen = [self.read(index, b"barrier-%d" % number)]
        for other in range(len(VERSIONS)):
            if other != index:
                seen.append(self.read(other, b"barrier-%d" % number))
        return seen

    def read(self, index, word):
        frames = []
        try:
            self.clients[index].send([[b"PING", word]])
            while not frames or not is_barrier(frames[-1], word):
                frames.append(self.clients[index].answer())
        except (Ended, ConnectionError):
            frames.append(("ended", None))
        except TimeoutError:
            frames.append(("nothing", str(self.ports)))
        return frames

    def renew(self, index):
        self.clients[index].close()
        self.clients[index] = self.connect(index)

    def close(self):
        for client in self.clients:
            client.close()


@pytest.fixture(scope="module")
def redis():
    with redis_server.RedisServer() as server:
        yield server.port


@pytest.fixture(scope="module")
def ports(io):
    second = pando.free_port()
    with serving(io=io, listeners={"second": {"redis": f"127.0.0.1:{second}"}}) as proxy:
        yield proxy.redis_port, second


@pytest.mark.parametrize("seed", SEEDS)
def test_channels_are_as_in_redis(redis, ports, seed):
    generator = Generator(seed)
    messages = 0
    with contextlib.closing(Side([redis])) as theirs, contextlib.closing(Side(ports)) as ours:
        for number in range(STEPS):
            index = generator.draw.randrange(len(VERSIONS))
            commands = generator.step(VERSIONS[index])
            wanted, got = (side.run(index, commands, number) for side in (theirs, ours))
            for place, (want, have) in enumerate(zip(wanted, got)):
                assert normal(have, commands) == normal(want, commands), (seed, number, place, commands)
                messages += sum(first(frame) in MESSAGES for frame in want)
            if any(words[0] in (b"QUIT", b"RESET") for words in commands) or wanted[0][-1][0] == "ended":
                theirs.renew(index)
                ours.renew(index)
    assert messages > STEPS / 4
