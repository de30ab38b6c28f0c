# SPDX-License-Identifier: Apache-2.0
"""Disks that fail and files that are damaged: what was answered stays, what is not known is said, and no value is wrong."""
import collections
import signal
import subprocess
import sys
import time

import pytest

import pando
from redis_front import Client, Closed, Refused, config
from redis_power import preload

unsanitized = pytest.mark.skipif(pando.SANITIZED, reason="a sanitizer's library must be loaded before ours")


@unsanitized
@pytest.mark.parametrize("what", ["sync 1", "sync 3", "write 1", "head 1"])
def test_a_disk_that_fails_takes_no_writes_and_loses_none(tmp_path, what):
    """One call fails with EIO, and the next would succeed: what was in that transaction is uncertain, nothing is
    written after it, reads go on, and after a restart all is there that was answered. Where the head of the file could
    not be written, LMDB gives nothing more: then reads have the error, too."""
    orders = tmp_path / "fail"
    port, settings = config({"default": {}}, "lmdb")
    environment = {"LD_PRELOAD": str(preload("fail", tmp_path)), "PANDO_FAIL": str(orders)}
    with pando.running(settings, environment=environment) as proxy:
        with Client(port) as client:
            assert client("set", "before", 1) == "OK"
            orders.write_text(what)
            answered, said = [], None
            for number in range(10):
                answer = client("mset", f"k{number}", number, f"l{number}", "x" * 5000)
                if answer != "OK":
                    said = answer
                    break
                answered.append(number)
            assert not orders.exists() and len(answered) < 10
            assert said.startswith("UNCERTAIN the disk of the keyspace failed")
            failed = len(answered)
            for words in (("set", "after", 1), ("del", "before"), ("incr", "before")):
                assert client(*words) == "ERR the disk of the keyspace does not take writes any more"
            client("multi")
            client("incr", "before")
            assert "does not take writes any more" in client("exec")
            reads = [client("get", "before"), *(client("get", f"k{number}") for number in answered)]
            if what.startswith("head"):
                assert all(isinstance(answer, Refused) and "disk of the keyspace" in answer for answer in reads)
            else:
                assert reads == [b"1", *(b"%d" % number for number in answered)] and client("exists", "after") == 0
        proxy.signal(signal.SIGTERM)
        assert proxy.process.wait(pando.PATIENCE_S) == 0
        proxy.start()
        with Client(port) as client:
            for number in answered:
                assert client("mget", f"k{number}", f"l{number}") == [b"%d" % number, b"x" * 5000]
            assert client("mget", f"k{failed}", f"l{failed}") in ([None, None], [b"%d" % failed, b"x" * 5000])
            assert client("get", "before") == b"1" and client("exists", "after") == 0
            assert client("set", "after", 1) == "OK"


# --- flipped bits ---

FLIPS = 3000 if pando.LONG else 250
FLIPS_AT_START = 150 if pando.LONG else 8


def fill(client):
    """Something of every kind, on some hundred pages."""
    client.pipeline([("set", f"s{i}", b"%d " % i + b"v" * (i * 37 % 900)) for i in range(150)] +
                    [("set", f"long{i}", b"%d" % i * 3000) for i in range(6)] +
                    [("set", "chunks", bytes(range(256)) * 800), ("set", "soon", 1, "px", 86_400_000)] +
                    [("hset", "hash", *[word for i in range(200) for word in (f"f{i}", f"value {i}")]),
                     ("hset", "small", "a", 1, "b", 2), ("rpush", "list", *[f"e{i}" for i in range(200)]),
                     ("sadd", "set", *[f"m{i}" for i in range(200)]),
                     ("zadd", "zset", *[word for i in range(200) for word in (i / 2, f"m{i}")])])


READS = ([("get", f"s{i}") for i in range(150)] + [("strlen", f"s{i}") for i in range(0, 150, 7)] +
         [("get", f"long{i}") for i in range(6)] +
         [("get", "chunks"), ("getrange", "chunks", 99_999, 100_050), ("pexpiretime", "soon"), ("type", "hash"),
          ("hgetall", "hash"), ("hget", "hash", "f77"), ("hmget", "hash", "f1", "f199", "none"), ("hlen", "hash"),
          ("hgetall", "small"), ("lrange", "list", 0, -1), ("lindex", "list", 100), ("llen", "list"),
          ("smembers", "set"), ("sismember", "set", "m5"), ("scard", "set"), ("zrange", "zset", 0, -1, "withscores"),
          ("zscore", "zset", "m9"), ("zrank", "zset", "m50"), ("zcount", "zset", 10, 20), ("exists", "s1", "none")])


def kind_of(answer, right):
    """right, error, missing (nothing where there is something, or a part of the members) or wrong."""
    if answer == right:
        return "right"
    if isinstance(answer, Refused):
        return "error"
    if answer is None or answer in (0, "none", -2):
        return "missing"
    if isinstance(right, list) and isinstance(answer, list):
        return "missing" if all(each is None or each in right for each in answer) else "wrong"
    return "wrong"


def read_all(port, rights):
    """Outcomes of all reads; "died" where the server ended meanwhile."""
    try:
        with Client(port) as client:
            answers = client.pipeline(READS)
    except (Closed, OSError):
        return ["died"]
    return [kind_of(answer, right) for answer, right in zip(answers, rights)]


def flipped(draw, file):
    """Flips a bit of the file; a function that flips it back, and where it was."""
    at, bit = draw.randrange(file.stat().st_size), draw.randrange(8)

    def flip():
        with open(file, "r+b") as opened:
            opened.seek(at)
            byte = opened.read(1)[0]
            opened.seek(at)
            opened.write(bytes([byte ^ (1 << bit)]))
    flip()
    return flip, f"page {at // 4096} byte {at % 4096} bit {bit}"


def is_up(port):
    try:
        with Client(port) as client:
            return client("ping") == "PONG"
    except (OSError, Closed):
        return False


def worst(outcomes):
    return max(outcomes, key=["right", "error", "refused", "died", "missing", "wrong"].index)


# What is under a name; the others are also about order and number, which are LMDB's pages alone.
VALUES = {"get", "getrange", "strlen", "hget", "hgetall", "hmget", "zscore", "pexpiretime", "type"}
# Bits of LMDB's own pages of which nothing tells that they are damaged (the root of a tree, a key that a page points to
# twice): something is not found, or stands at another place. Measured: 11 of 18,000 bits.
HIDDEN_SHARE = 1 / 300


def badly(outcomes):
    """The commands that were not answered as they should be."""
    return [words for words, outcome in zip(READS, outcomes) if outcome in ("missing", "wrong")]


def wrong_values(outcomes):
    return [words for words, outcome in zip(READS, outcomes) if outcome == "wrong" and words[0] in VALUES]


@pytest.mark.skipif(pando.SANITIZED, reason="LMDB itself reads where a damaged page says")
def test_a_flipped_bit_is_an_error_or_nothing_at_all(draw):
    """Anywhere in the file, under a server that runs: no value is wrong, and hardly ever is anything not found that is
    there. LMDB trusts its pages, so a few bits end the server; it is started again."""
    port, settings = config({"default": {}}, "lmdb")
    counts, bad = collections.Counter(), []
    with pando.running(settings, may_die=True) as proxy:
        with Client(port) as client:
            fill(client)
            rights = client.pipeline(READS)
        file = proxy.folder / "data" / "keys" / "default" / "0000" / "data.mdb"
        for _ in range(FLIPS):
            flip_back, where = flipped(draw, file)
            outcomes = read_all(port, rights)
            flip_back()
            outcome = worst(outcomes)
            counts[outcome] += 1
            assert not wrong_values(outcomes), where
            if badly(outcomes):
                bad.append((where, badly(outcomes)))
            if outcome == "died":
                pando.until(lambda: is_up(port), "it is started again", 60)
        with Client(port) as client:
            assert client.pipeline(READS) == rights
    print(f"{FLIPS} flipped bits, live: {dict(counts)}")
    assert len(bad) <= 1 + FLIPS * HIDDEN_SHARE and counts["died"] <= 1 + FLIPS / 50, (counts, bad)
    assert counts["error"] > FLIPS / 4


@pytest.mark.skipif(pando.SANITIZED, reason="LMDB itself reads where a damaged page says")
def test_a_flipped_bit_is_found_at_the_start_or_at_the_read(draw):
    """The same, between a stop and a start; what is not served is refused with what is wrong."""
    port, settings = config({"default": {}}, "lmdb")
    counts, bad = collections.Counter(), []
    with pando.running(settings, may_die=True) as proxy:
        with Client(port) as client:
            fill(client)
            rights = client.pipeline(READS)
        file = proxy.folder / "data" / "keys" / "default" / "0000" / "data.mdb"
        for _ in range(FLIPS_AT_START):
            proxy.signal(signal.SIGTERM)
            proxy.process.wait(pando.PATIENCE_S)
            flip_back, where = flipped(draw, file)
            try:
                proxy.start()
                outcomes = read_all(port, rights)
            except AssertionError:
                outcomes = ["refused" if "data.mdb: it is damaged" in proxy.stderr else "died"]
            outcome = worst(outcomes)
            counts[outcome] += 1
            assert not wrong_values(outcomes), where
            if badly(outcomes):
                bad.append((where, badly(outcomes)))
            flip_back()
            if outcome in ("died", "refused"):
                proxy.kill()
                proxy.start()
    print(f"{FLIPS_AT_START} flipped bits before a start: {dict(counts)}")
    assert len(bad) <= 1 + FLIPS_AT_START * HIDDEN_SHARE and counts["right"] < FLIPS_AT_START, (counts, bad)
    assert counts["died"] <= 1 + FLIPS_AT_START / 10, counts    # the others say what is wrong, or serve what is right


# --- dead and long readers ---

READER = """
import ctypes, sys, time
lmdb = ctypes.CDLL("liblmdb.so.0")
env, txn = ctypes.c_void_p(), ctypes.c_void_p()
assert lmdb.mdb_env_create(ctypes.byref(env)) == 0
assert lmdb.mdb_env_set_mapsize(env, ctypes.c_size_t(1 << 30)) == 0
assert lmdb.mdb_env_open(env, sys.argv[1].encode(), 0x20000, 0o600) == 0    # MDB_RDONLY
assert lmdb.mdb_txn_begin(env, None, 0x20000, ctypes.byref(txn)) == 0
print("reads", flush=True)
time.sleep(600)
"""


def write_over(client, times):
    """Always the same keys; the file's length in pages afterwards is what the state before them has cost."""
    for _ in range(times):
        client.pipeline([("set", f"k{number}", b"v" * 1000) for number in range(50)])


def test_a_dead_reader_is_cleared_and_the_file_stops_growing():
    """While another process reads, nothing of what it sees may be used again, and the file grows. When that process is
    killed, its transaction is cleared away, and what was kept for it is used."""
    port, settings = config({"default": {}}, "lmdb")
    with pando.running(settings) as proxy, Client(port) as client:
        folder = proxy.folder / "data" / "keys" / "default" / "0000"

        def pages():
            return (folder / "data.mdb").stat().st_size // 4096
        write_over(client, 20)
        before = pages()
        write_over(client, 20)
        alone = pages()
        with subprocess.Popen([sys.executable, "-c", READER, str(folder)], stdout=subprocess.PIPE) as reader:
            assert reader.stdout.readline() == b"reads\n"
            write_over(client, 40)
            grown = pages()
            reader.kill()
            reader.wait()
        assert alone - before < 40 and grown - alone > 400      # that it would be seen
        time.sleep(6)      # a look every five seconds
        write_over(client, 2)
        settled = pages()
        write_over(client, 40)
        assert pages() - settled < 40, (before, alone, grown, settled, pages())
        assert client("get", "k1") == b"v" * 1000
