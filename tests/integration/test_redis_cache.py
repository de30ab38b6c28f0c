# SPDX-License-Identifier: Apache-2.0
"""The cache before lmdb: no reader misses a write that was answered, what others change is seen in time, one read for
many who ask at once, a bound on memory, all types, both versions of the protocol."""
import json
import random
import threading
import time

import pytest

import pando
from redis_front import Client, config, serving

CACHE = {"memory": "8MiB", "for": "1h"}
KEYSPACES = {"hot": {"cache": CACHE, "sync": "never"}, "plain": {"sync": "never"},
             "parts": {"shards": 3, "cache": CACHE}}
ROUNDS = 4000 if pando.LONG else 300


def figures(proxy, keyspace="hot"):
    one = next(one for one in proxy.status()["keyspaces"] if one["name"] == keyspace)
    return {name.removeprefix("cache_"): value for name, value in one.items() if name.startswith("cache_")}


def at_once(tasks):
    """Runs all in threads that begin together; the first failure is raised."""
    failures, barrier = [], threading.Barrier(len(tasks))

    def run(task):
        barrier.wait()
        try:
            task()
        except BaseException as failure:    # also a failed assertion
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(task,), daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


@pytest.fixture(scope="module")
def shop(io):
    with serving(KEYSPACES, io, engine="lmdb") as proxy:
        yield proxy


@pytest.fixture
def client(shop):
    with Client(shop.redis_port) as client:
        assert client("flushall") == "OK"
        yield client


def test_hot_keys_are_answered_without_the_engine(shop, client):
    before = figures(shop)
    assert client("set", "hot:a", "x") == "OK"
    assert [client("get", "hot:a") for _ in range(10)] == [b"x"] * 10
    assert [client("get", "hot:nothing") for _ in range(10)] == [None] * 10
    after = figures(shop)
    assert after["misses"] - before["misses"] == 2 and after["hits"] - before["hits"] == 18
    assert 0 < after["used_bytes"] <= 8 << 20
    assert client("del", "hot:a") == 1 and client("get", "hot:a") is None
    assert figures(shop)["invalidated"] - after["invalidated"] == 1
    assert shop.metric("pando_keys_cache_hits_total", keyspace="hot") == figures(shop)["hits"]
    assert figures(shop, "plain") == {"hits": 0, "misses": 0, "joined": 0, "invalidated": 0, "used_bytes": 0}


class Register:
    """A key whose value only grows: who asks after a write was answered sees at least that."""

    def __init__(self, key):
        self.key, self.asked, self.answered, self.is_over = key, 0, 0, False

    def write(self, port):
        with Client(port) as client:
            for number in range(1, ROUNDS + 1):
                self.asked = number
                how = number % 5
                if how == 0:
                    client.pipeline([("multi",), ("set", self.key, number)])
                    assert client("exec") == ["OK"]
                elif how == 1:
                    assert client("incr", self.key) == number
                elif how == 2:
                    assert client("mset", self.key, number) == "OK"
                elif how == 3:
                    assert client.pipeline([("set", self.key + ":new", number),
                                            ("rename", self.key + ":new", self.key)]) == ["OK", "OK"]
                else:
                    assert client("set", self.key, number) == "OK"
                self.answered = number
        self.is_over = True

    def read(self, port):
        with Client(port) as client:
            seen = 0
            while not self.is_over:
                lowest = max(self.answered, seen)   # one client never goes back, either
                seen = int(client("get", self.key) or 0)
                assert lowest <= seen <= self.asked, (self.key, lowest, seen, self.asked)


def test_no_reader_misses_a_write_that_was_answered(shop, client):
    """Many connections on two workers, one writer for each key."""
    before = figures(shop), figures(shop, "parts")
    registers = [Register(key) for key in ("hot:r1", "hot:r2", "parts:{r}")]
    at_once([lambda r=r: r.write(shop.redis_port) for r in registers] +
            [lambda r=r: r.read(shop.redis_port) for r in registers for _ in range(3)])
    for register in registers:
        assert client("get", register.key) == b"%d" % ROUNDS
    assert figures(shop)["invalidated"] > before[0]["invalidated"]
    assert figures(shop)["hits"] > before[0]["hits"] and figures(shop, "parts")["hits"] > before[1]["hits"]


def test_a_client_reads_its_own_writes_in_pipelines(shop, client, draw):
    def talk(number, seed):
        drawn, value = random.Random(seed), 0
        key = f"hot:own{number % 3}:{number}"
        with Client(shop.redis_port) as own:
            for _ in range(ROUNDS // 10):
                commands, wanted = [], []
                for _ in range(drawn.randrange(1, 12)):
                    if drawn.random() < 0.4:
                        commands.append(("incr", key))
                        value += 1
                        wanted.append(value)
                    else:
                        commands.append(("get", key))
                        wanted.append(b"%d" % value if value else None)
                assert own.pipeline(commands) == wanted

    at_once([lambda i=i: talk(i, draw.random()) for i in range(8)])


def test_compare_and_set_loses_no_increment(shop, client):
    """What WATCH protects is read through the cache."""
    done = []

    def increment():
        with Client(shop.redis_port) as own:
            for _ in range(ROUNDS // 20):
                own("watch", "hot:sum")
                value = int(own("get", "hot:sum") or 0)
                own("multi")
                own("set", "hot:sum", value + 1)
                if own("exec") == ["OK"]:
                    done.append(1)

    at_once([increment] * 6)
    assert client("get", "hot:sum") == b"%d" % len(done) and len(done) >= ROUNDS // 20


def test_many_who_ask_at_once_make_one_read(shop, client):
    """A miss is one read, whoever else asks meanwhile, on whatever worker."""
    keys = [f"hot:cold{i}" for i in range(30)]
    value = b"v" * 200_000
    client.pipeline([("set", key, value) for key in keys])
    before = figures(shop)

    def ask():
        with Client(shop.redis_port) as own:
            for key in keys:
                assert own("get", key) == value

    at_once([ask] * 10)
    after = figures(shop)
    assert after["misses"] - before["misses"] == len(keys)
    assert after["hits"] + after["joined"] - before["hits"] - before["joined"] == 9 * len(keys)


TYPES = {
    "s": ([("set", "{k}", "{v}"), ("append", "{k}", "{v}"), ("setrange", "{k}", 2, "{v}"), ("setbit", "{k}", 7, 1)],
          [("get", "{k}"), ("strlen", "{k}"), ("getrange", "{k}", 0, 3), ("bitcount", "{k}"), ("mget", "{k}")]),
    "h": ([("hset", "{k}", "{m}", "{v}"), ("hdel", "{k}", "{m}"), ("hincrby", "{k}", "n", 1)],
          [("hget", "{k}", "{m}"), ("hlen", "{k}"), ("hgetall", "{k}"), ("hmget", "{k}", "n", "{m}")]),
    "l": ([("rpush", "{k}", "{m}"), ("lpop", "{k}"), ("lset", "{k}", 0, "{v}"), ("ltrim", "{k}", 0, 5)],
          [("lrange", "{k}", 0, -1), ("llen", "{k}"), ("lindex", "{k}", 0), ("lpos", "{k}", "{m}")]),
    "t": ([("sadd", "{k}", "{m}"), ("srem", "{k}", "{m}"), ("spop", "{k}", 0), ("smove", "{k}", "{k}", "{m}")],
          [("sismember", "{k}", "{m}"), ("scard", "{k}"), ("smembers", "{k}"), ("smismember", "{k}", "{m}", "n")]),
    "z": ([("zadd", "{k}", "{v}", "{m}"), ("zrem", "{k}", "{m}"), ("zpopmin", "{k}")],
          [("zscore", "{k}", "{m}"), ("zrange", "{k}", 0, -1, "withscores"), ("zcard", "{k}"),
           ("zrank", "{k}", "{m}")]),
}
ALL = ([("del", "{k}"), ("rename", "{k}", "{k}"), ("pexpire", "{k}", 5000), ("persist", "{k}")],
       [("type", "{k}"), ("exists", "{k}"), ("pexpiretime", "{other}"), ("object", "encoding", "{other}")])


@pytest.mark.parametrize("version", [2, 3])
def test_every_type_answers_as_without_a_cache(shop, client, draw, version):
    """The same commands on two keyspaces, one with a cache; every read twice."""
    client("hello", version)

    def both(words, names):
        return [client(*[str(word).format(k=f"{space}:{names['k']}", **{n: names[n] for n in "mv"},
                                          other=f"{space}:none") for word in words]) for space in ("hot", "plain")]

    before = figures(shop)
    for _ in range(ROUNDS):
        kind = draw.choice("shltz")
        names = {"k": kind + draw.choice("12"), "m": draw.choice("mno"), "v": draw.randrange(100)}
        writes, reads = (TYPES[draw.choice("shltz") if draw.random() < 0.05 else kind][i] + ALL[i] for i in (0, 1))
        with_cache, without = both(draw.choice(writes), names)
        assert with_cache == without
        words = draw.choice(reads)
        for _ in range(2):
            with_cache, without = both(words, names)
            assert repr(with_cache) == repr(without), (words, names)
    assert figures(shop)["hits"] > before["hits"]


def test_an_answer_does_not_outlive_its_key(shop, client):
    for i in range(10):
        key = f"hot:short{i}"
        client("set", key, "x", "px", 60 + i)
        while client("pttl", key) >= 0:     # which is not kept
            assert client("get", key) in (b"x", None)
        assert client("get", key) is None and client("exists", key) == 0


def test_the_memory_is_a_bound_and_what_leaves_is_read_again(io):
    small = {"sync": "never", "cache": {"memory": "1MiB", "for": "1h"}}
    with serving({"default": small}, io, engine="lmdb") as proxy, Client(proxy.redis_port) as client:
        value = b"v" * 1000
        for i in range(0, 4000, 500):
            client.pipeline([("set", f"k{j}", value + b"%d" % j) for j in range(i, i + 500)])
        for _ in range(2):
            for i in range(4000):
                assert client("get", f"k{i}") == value + b"%d" % i
            assert 0 < figures(proxy, "default")["used_bytes"] <= 1 << 20
        large = b"w" * 200_000      # more than a tenth of the memory: not kept
        client("set", "large", large)
        before = figures(proxy, "default")
        assert [client("get", "large") for _ in range(3)] == [large] * 3
        assert figures(proxy, "default")["misses"] - before["misses"] == 3


def test_what_another_process_changes_is_seen_when_the_time_is_over(io, tmp_path):
    """The one way past the cache with lmdb: a second Pando on the same files."""
    spaces = {"slow": {"cache": CACHE}, "quick": {"cache": {"memory": "8MiB", "for": "1s"}}}
    data = str(tmp_path / "data")
    with serving(spaces, io, engine="lmdb", data=data) as one, Client(one.redis_port) as client:
        client("mset", "slow:a", 1, "quick:a", 1)
        began = time.monotonic()
        assert (client("get", "slow:a"), client("get", "quick:a")) == (b"1", b"1")
        with serving({"slow": {}, "quick": {}}, io, engine="lmdb", data=data) as other, \
                Client(other.redis_port) as behind:
            behind("mset", "slow:a", 2, "quick:a", 2)
            assert client("get", "slow:a") == b"1"
            pando.until(lambda: client("get", "quick:a") == b"2", "quick:a is seen")
            assert time.monotonic() - began >= 1
            assert client("get", "slow:a") == b"1"
            client("set", "slow:a", 3)
            assert client("get", "slow:a") == b"3" == behind("get", "slow:a")


def test_another_size_is_taken_after_a_restart(io):
    port, settings = config({"hot": {"cache": {"memory": "2MiB"}}}, engine="lmdb")
    with pando.running(settings, io) as proxy, Client(port) as client:
        client("set", "hot:a", 1)
        assert [client("get", "hot:a") for _ in range(3)] == [b"1"] * 3
        settings["keyspaces"]["hot"]["cache"] = {"memory": "3MiB"}
        done = proxy.reload(settings)
        assert "keyspaces.hot.cache.memory: 2MiB -> 3MiB (after a restart)" in done.stdout
        before = figures(proxy)
        assert before["hits"] == 2
        assert client("get", "hot:a") == b"1" and figures(proxy)["hits"] == 3


MISTAKES = [
    ({"engine": "memory", "cache": {"memory": "64MiB"}}, "engine memory is a cache by itself"),
    ({"cache": {"for": "2s"}}, "a cache needs to be told how much memory it may take"),
    ({"cache": {"memory": "1KiB"}}, "from 1MiB"),
    ({"cache": {"memory": "64MiB", "for": "0s"}}, "cache.for cannot be `0s`"),
]


@pytest.mark.parametrize("keyspace, words", MISTAKES, ids=[words for _, words in MISTAKES])
def test_mistakes_are_told(tmp_path, keyspace, words):
    file = tmp_path / "pando.yaml"
    file.write_text(json.dumps({"keyspaces": {"hot": keyspace},
                                "listeners": {"data": {"redis": "127.0.0.1:6380"}}}, indent=1))
    done = pando.command("check", file)
    assert done.returncode == 2 and words in done.stderr and f"{file}:" in done.stderr
