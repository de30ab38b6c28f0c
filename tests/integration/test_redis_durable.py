# SPDX-License-Identifier: Apache-2.0
"""Keys in LMDB: what was answered is there after a kill, whole; syncs are shared; a full disk and another layout are
refused in words."""
import collections
import json
import os
import random
import signal
import socket
import subprocess
import threading

import pytest

import pando
from redis_front import Client, Closed, Refused, config, serving
from redis_power import Group

ROUNDS = 200 if pando.LONG else 6
CLIENTS = 8
SIZES = [10, 100, 5000, 100_000]


class Writer(threading.Thread):
    """Writes to its groups until the connection ends."""

    def __init__(self, port, groups, seed):
        super().__init__(daemon=True)
        self.port, self.groups, self.random = port, groups, random.Random(seed)

    def run(self):
        try:
            with Client(self.port) as client:
                while True:
                    self.random.choice(self.groups).write(client, self.random, SIZES)
        except (Closed, OSError):
            pass


def whole(client, groups):
    """What is there of all groups."""
    return {**dict(zip(keys := [key for group in groups for key in (group.first, group.second)], client("mget", *keys))),
            **{group.hash: {b"f": client("hget", group.hash, "f")} for group in groups}}


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def kill(proxy, port, supervisor):
    """kill -9 of the server, which its supervisor starts again, or of both; then all is there to be asked."""
    if supervisor:
        proxy.kill()
        # The kernel takes a ring of io_uring apart after the process has ended, and its sockets with it.
        pando.until(lambda: all(map(is_free, (port, proxy.port, proxy.admin_port))), "the ports are free again")
        proxy.start()
    else:
        os.kill(proxy.server_pid(), signal.SIGKILL)
    return pando.until(lambda: answers(port), "it answers again")


def test_kill_9_under_load_loses_nothing_that_was_answered(io):
    """At random moments. Mostly the supervisor is killed, too: it waits longer after each death of the server."""
    port, settings = config({"default": {}}, "lmdb")
    draw, counts = random.Random(pando.SEED), collections.Counter()
    groups = [[Group(f"{number}-{one}") for one in range(8)] for number in range(CLIENTS)]
    every = sum(groups, [])
    with pando.running(settings, io, may_die=True) as proxy:
        for number in range(ROUNDS):
            writers = [Writer(port, own, f"{pando.SEED} {number} {one}") for one, own in enumerate(groups)]
            for writer in writers:
                writer.start()
            pando.until(lambda: sum(group.answered() for group in every) > 20, "some writes are answered")
            threading.Event().wait(draw.random() * 0.3)
            kill(proxy, port, supervisor=number % 10 != 3)
            for writer in writers:
                writer.join(pando.PATIENCE_S)
                assert not writer.is_alive()
            counts.update(rounds=1, answered=sum(group.answered() for group in every))
            with Client(port) as client:
                there = whole(client, every)
            counts.update(filter(None, (group.judge(there, 1 << 63) for group in every)))
            for group in every:
                group.begin_anew(there)
    print("kill -9, " + ", ".join(f"{name} {counts[name]}" for name in ("rounds", "answered", "lost", "torn", "half")))
    assert counts["rounds"] == ROUNDS and counts["answered"] > 20 * ROUNDS
    assert counts["lost"] == counts["torn"] == counts["half"] == 0


def answers(port):
    try:
        with Client(port) as client:
            return port if client("ping") == "PONG" else None
    except (OSError, Closed):
        return None


def test_a_restart_keeps_everything(io):
    port, settings = config({"users": {"partition": "range", "shards": 3, "splits": ["h", "o"]}, "default": {"shards": 2}}, "lmdb")
    with pando.running(settings, io) as proxy:
        with Client(port) as client:
            client("hset", "h", "f", "v")
            client("zadd", "z", 1.5, "m")
            client("rpush", "l", *range(100))
            client("set", "large", b"x" * 1_000_000)
            client("set", "soon", 1, "px", 50)
            client("mset", *[word for name in ("anna", "kim", "zoe") for word in (f"users:{name}", name)])
            cursor, first = client("scan", 0, "count", 2)
        proxy.signal(signal.SIGTERM)
        assert proxy.process.wait(pando.PATIENCE_S) == 0
        proxy.start()
        with Client(port) as client:
            assert client("hgetall", "h") == [b"f", b"v"] and client("zscore", "z", "m") == b"1.5"
            assert client("lrange", "l", 98, -1) == [b"98", b"99"] and client("strlen", "large") == 1_000_000
            pando.until(lambda: client("get", "soon") is None, "its time has come meanwhile")
            assert client("pando.range", "users:a", "users:z~") == [b"users:anna", b"users:kim", b"users:zoe"]
            seen = set(first)
            while cursor != b"0":      # a cursor of before
                cursor, page = client("scan", cursor, "count", 2)
                seen.update(page)
            assert {b"h", b"z", b"l", b"large", b"users:anna", b"users:kim", b"users:zoe"} <= seen


def test_many_clients_share_a_sync(io):
    """64 clients, one write at a time each: at least eight writes a transaction, in the mean."""
    with serving({"default": {}}, io, "lmdb") as proxy:
        def write(number):
            with Client(proxy.redis_port) as client:
                for i in range(50):
                    assert client("set", f"k{number}-{i}", "v" * 100) == "OK"
        threads = [threading.Thread(target=write, args=(number,)) for number in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        figures = proxy.status()["keyspaces"][0]
        assert figures["writes"] == 64 * 50 and figures["keys"] == 64 * 50
        assert figures["commits"] <= figures["writes"] / 8


def test_a_full_keyspace_refuses_writes_and_goes_on_reading(io):
    with serving({"default": {"disk": "2MiB"}}, io, "lmdb") as proxy, Client(proxy.redis_port) as client:
        answers_of = [client("set", f"k{i}", b"v" * 10_000) for i in range(400)]
        assert answers_of[0] == "OK" and isinstance(answers_of[-1], Refused) and answers_of[-1].startswith("MISCONF")
        kept = [i for i, answer in enumerate(answers_of) if answer == "OK"]
        assert all(client("get", f"k{i}") == b"v" * 10_000 for i in kept)
        assert client("del", *[f"k{i}" for i in kept[:100]]) == 100
        pando.until(lambda: client("set", "again", 1) == "OK", "there is room again")


def test_another_layout_is_refused_at_the_start_with_what_to_do(io):
    port, settings = config({"carts": {"shards": 2}}, "lmdb")
    with pando.running(settings, io) as proxy:
        with Client(port) as client:
            client("set", "carts:1", 1)
        settings["keyspaces"]["carts"]["shards"] = 3
        assert "carts.shards: 2 -> 3 (after a restart)" in proxy.reload(settings).stdout
        with Client(port) as client:
            assert client("get", "carts:1") == b"1"
        proxy.signal(signal.SIGTERM)
        assert proxy.process.wait(pando.PATIENCE_S) == 0
        done = subprocess.run([pando.PROGRAM, "run", str(proxy.file), "--io", io], capture_output=True, text=True, timeout=60,
                              check=False)
        assert done.returncode == 1
        assert "keyspace carts" in done.stderr and "shard 0 of 2" in done.stderr and "put that back" in done.stderr
        settings["keyspaces"]["carts"]["shards"] = 2
        proxy.write(settings)
        proxy.start()
        with Client(port) as client:
            assert client("get", "carts:1") == b"1"


def test_several_shards_are_several_files(io):
    with serving({"default": {"shards": 4}}, io, "lmdb") as proxy, Client(proxy.redis_port) as client:
        keys = [f"k{i}" for i in range(40)]
        assert client("mset", *[word for key in keys for word in (key, key)]) == "OK"
        assert client("mget", *keys) == [key.encode() for key in keys]
        # foo has slot 12182 and bar slot 5061: of 4096 each, shards 2 and 1
        assert client("rename", "foo", "bar") == "CROSSSLOT Keys in request don't hash to the same slot"
        assert client("rename", "{k5}a", "{k5}b") == "ERR no such key"
        assert client("multi") == "OK"
        client("incr", "foo")
        client("incr", "bar")
        assert client("exec") == "CROSSSLOT the keys of a transaction must be of one shard"
        assert client("mget", "foo", "bar") == [None, None]
        assert client("multi") == "OK"
        client("incr", "{t}a")
        client("incr", "{t}b")
        assert client("exec") == [1, 1]
        folder = proxy.folder / "data" / "keys" / "default"
        assert sorted(path.name for path in folder.iterdir()) == ["0000", "0001", "0002", "0003"]


def test_run_alone_keeps_keys(io, tmp_path):
    """Nothing is configured: a store that Redis clients can use, in the data folder."""
    redis, admin = pando.free_port(), pando.free_port()
    words = ["run", "--redis", f"127.0.0.1:{redis}", "--admin", f"127.0.0.1:{admin}", "--data", tmp_path / "data",
             "--control", tmp_path / "c.sock", "--io", io]
    for wanted in (None, b"1"):
        with subprocess.Popen([pando.PROGRAM, *map(str, words)], cwd=tmp_path, stderr=subprocess.PIPE,
                              env={**os.environ, "HOME": str(tmp_path)}) as process:
            try:
                with Client(pando.until(lambda: answers(redis), "it answers")) as client:
                    assert client("get", "a") == wanted
                    assert client("set", "a", 1) == "OK"
                shown = pando.command("status", "--json", "--control", tmp_path / "c.sock").stdout
                assert [one["engine"] for one in json.loads(shown)["keyspaces"]] == ["lmdb"]
            finally:
                process.send_signal(signal.SIGTERM)
                assert process.wait(pando.PATIENCE_S) == 0


def test_writes_are_answered_after_their_sync(tmp_path):
    """Traced: no answer to a write leaves before the fdatasync() that follows it has returned."""
    strace = "/usr/bin/strace"
    if not os.access(strace, os.X_OK):
        pytest.skip("there is no strace")
    trace = tmp_path / "trace"
    with serving({"default": {}}, "epoll", "lmdb") as proxy:
        with subprocess.Popen([strace, "-f", "-s", "64", "-e", "trace=fdatasync,sendmsg,sendto,write", "-o", str(trace), "-p",
                               str(proxy.server_pid())], stderr=subprocess.PIPE) as tracing:
            tracing.stderr.readline()      # attached
            with Client(proxy.redis_port) as client:
                for i in range(20):
                    assert client("set", f"k{i}", i) == "OK"
            tracing.send_signal(signal.SIGINT)
            tracing.wait(pando.PATIENCE_S)
    synced = answered = 0
    for line in trace.read_text().splitlines():
        if "fdatasync" in line and line.rstrip().endswith("= 0"):
            synced += 1
        elif "+OK" in line:
            answered += 1
            assert synced >= answered, line
    assert answered == 20
