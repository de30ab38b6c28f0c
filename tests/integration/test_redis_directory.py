# SPDX-License-Identifier: Apache-2.0
"""The table of a directory keyspace, changed by command while clients write: no key is lost sight of, and what was said
outlasts reloads, restarts and kills."""
import contextlib
import json
import os
import random
import signal
import subprocess
import threading

import pytest

import pando
from redis_front import Client, Closed, Refused, config, serving

TENANTS = {"tenants": {"partition": "directory", "shards": 3,
                       "directory": [{"prefix": "acme:", "shard": 2}, {"prefix": "bolt:", "shard": 1}]},
           "default": {}}
ENGINES = pytest.mark.parametrize("engine", ["memory", "lmdb"])
KILLS = 60 if pando.LONG else 3


def directory(proxy, *words):
    return proxy.command("directory", *words)


def change(proxy, *words):
    done = directory(proxy, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(proxy, *words):
    done = directory(proxy, *words)
    assert done.returncode != 0 and done.stdout == ""
    return done.stderr


def entries(proxy, *file):
    """By the running process; with a file, as anybody would ask who knows that one."""
    done = pando.command("directory", "list", "tenants", *file, "--json") if file else directory(proxy, "list", "tenants", "--json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    return {entry["prefix"]: (entry["shard"], entry["from"], entry["file_shard"]) for entry in shown["entries"]}


def shard_of(proxy, key):
    return json.loads(proxy.command("explain", key, "--json").stdout)["shard"]


def insist(client, *words):
    """The answer, once the fence is down."""
    return pando.until(lambda: [answer for answer in [client(*words)]
                                if not (isinstance(answer, Refused) and answer.startswith("TRYAGAIN"))], "the fence is down")[0]


@ENGINES
def test_entries_are_set_shown_and_taken_away(io, engine):
    with serving(TENANTS, io, engine) as proxy:
        assert entries(proxy) == {"acme:": (2, "file", 2), "bolt:": (1, "file", 1)}
        assert change(proxy, "set", "tenants", "corp:", "1") == "tenants: what begins with corp: goes to shard 1 of 3\n"
        change(proxy, "set", "tenants", "tenants:bolt:", "0")      # the keyspace's name may stand before it
        change(proxy, "unset", "tenants", "acme:")
        assert entries(proxy) == {"acme:": (None, "command", 2), "bolt:": (0, "command", 1), "corp:": (1, "command", None)}
        text = change(proxy, "list", "tenants")
        assert "bolt:  shard 0   by command; the file says shard 1" in text and "corp:  shard 1   by command\n" in text
        assert "acme:  no entry  by command; the file says shard 2" in text
        assert change(proxy, "get", "tenants", "corp:77") == "corp:77: directory entry corp:, shard 1 of 3; by command\n"
        assert change(proxy, "get", "tenants", "tenants:bolt:7").endswith("shard 0 of 3; by command, the file says shard 1\n")
        assert change(proxy, "get", "tenants", "acme:7").startswith("acme:7: no entry of the directory; by hash: slot ")
        change(proxy, "set", "tenants", "acme:", "2")              # as the file says it: no fact is needed any more
        change(proxy, "unset", "tenants", "corp:")
        change(proxy, "set", "tenants", '"a b\\x00\\xff"', "2")
        assert entries(proxy) == {"acme:": (2, "file", 2), "bolt:": (0, "command", 1), '"a b\\x00\\xff"': (2, "command", None)}
        facts = (proxy.folder / "data" / "facts").read_text().splitlines()
        assert facts[0] == "pando facts 1" and facts[-1].startswith("sum ") and len(facts) == 4
        with Client(proxy.redis_port) as client:
            assert client("set", b"tenants:a b\0\xff1", 1) == "OK"
        assert shard_of(proxy, '"tenants:a b\\x00\\xff1"') == 2


@ENGINES
def test_what_cannot_be_is_refused_in_words(io, engine):
    with serving({**TENANTS, "carts": {"shards": 2}}, io, engine) as proxy, Client(proxy.redis_port) as client:
        assert "no keyspace of that name" in refused(proxy, "set", "nobody", "x:", "1")
        assert "not `partition: directory`" in refused(proxy, "set", "carts", "x:", "1")
        assert "no shard of that number" in refused(proxy, "set", "tenants", "x:", "3")
        for number in ("-1", "1x", "", "99999999999999999999"):
            assert "shard" in refused(proxy, "set", "--", "tenants", "x:", number)
        assert "has no entry" in refused(proxy, "unset", "tenants", "x:")
        assert "not quoted rightly" in refused(proxy, "set", "tenants", '"x', "1")
        assert "at most 1024 bytes" in refused(proxy, "set", "tenants", "x" * 1025, "1")
        for few in (["set", "tenants", "x:"], ["list"], [], ["move", "tenants"], ["list", "tenants", "a", "b"]):
            assert directory(proxy, *few).returncode == 2
        # Keys where they would not be found any more: each of them is counted, of all types.
        client("set", "tenants:acme:1", 1)
        client("rpush", "tenants:acme:2", 1)
        client("hset", "tenants:acme:3", "a", 1)
        client("set", "tenants:acme:soon", 1, "px", 1)
        pando.until(lambda: client("exists", "tenants:acme:soon") == 0, "it is expired")
        said = refused(proxy, "set", "tenants", "acme:", "0")
        assert said.startswith("error: 3 keys of 'tenants' that begin with acme: lie on shard 2 and would not be found")
        assert "nothing was changed" in said
        assert "3 keys" in refused(proxy, "unset", "tenants", "acme:") or shard_of(proxy, "tenants:acme:1") == 2
        assert entries(proxy)["acme:"] == (2, "file", 2)
        assert change(proxy, "set", "tenants", "acme:", "2") != ""      # where they are already
        # A longer prefix has its own entry: what it has stays, whatever happens to the shorter one.
        change(proxy, "set", "tenants", "bolt:x:", "1")
        client("set", "tenants:bolt:x:1", "kept")
        change(proxy, "set", "tenants", "bolt:", "0")
        assert client("get", "tenants:bolt:x:1") == b"kept" and shard_of(proxy, "tenants:bolt:x:1") == 1
        assert "1 key of 'tenants'" in refused(proxy, "unset", "tenants", "bolt:x:")
        client("del", "tenants:acme:1", "tenants:acme:2", "tenants:acme:3")
        change(proxy, "set", "tenants", "acme:", "0")
        assert client("set", "tenants:acme:1", 2) == "OK" and shard_of(proxy, "tenants:acme:1") == 0


@ENGINES
def test_the_table_outlasts_reloads_and_restarts(io, engine):
    port, settings = config(TENANTS, engine)
    with pando.running(settings, io) as proxy:
        change(proxy, "set", "tenants", "acme:", "0")
        change(proxy, "unset", "tenants", "bolt:")
        change(proxy, "set", "tenants", "corp:", "1")
        wanted = entries(proxy)
        with Client(port) as client:
            assert client("mset", *[word for name in "abcdefgh" for word in (f"tenants:corp:{name}", name)]) == "OK"
            assert client("set", "tenants:acme:1", "x") == "OK"
            assert proxy.reload({**settings, "limits": {"connections": 999}}).returncode == 0
            assert entries(proxy) == wanted and client("get", "tenants:acme:1") == b"x"
        with Client(port) as client:
            assert client("get", "tenants:acme:1") == b"x" and shard_of(proxy, "tenants:acme:1") == 0
        proxy.signal(signal.SIGTERM)
        assert proxy.process.wait(pando.PATIENCE_S) == 0
        # Where none runs, the file and the facts say it.
        assert entries(proxy, proxy.file) == wanted
        done = pando.command("directory", "get", "tenants", "acme:1", proxy.file)
        assert done.stdout == "acme:1: directory entry acme:, shard 0 of 3; by command, the file says shard 2\n"
        assert json.loads(pando.command("explain", "tenants:acme:1", proxy.file, "--json").stdout)["shard"] == 0
        assert "control.sock" in refused(proxy, "set", "tenants", "x:", "1")
        proxy.start()
        assert entries(proxy) == wanted
        with Client(port) as client:
            assert client("get", "tenants:acme:1") == (b"x" if engine == "lmdb" else None)
            assert client("exists", *[f"tenants:corp:{name}" for name in "abcdefgh"]) == (8 if engine == "lmdb" else 0)


def test_damaged_facts_are_refused_at_the_start(io):
    """They are never taken for others: keys would be looked for elsewhere."""
    with pando.running(config(TENANTS)[1], io) as proxy:
        change(proxy, "set", "tenants", "acme:", "0")
        facts = proxy.folder / "data" / "facts"
        good = facts.read_bytes()
        proxy.signal(signal.SIGTERM)
        assert proxy.process.wait(pando.PATIENCE_S) == 0
        flipped = good.replace(b" 0 acme", b" 1 acme")
        for bad, words in ((flipped, "damaged"), (good[:-9], "damaged"), (b"", "damaged"), (good + b"x\n", "damaged")):
            facts.write_bytes(bad)
            done = subprocess.run([pando.PROGRAM, "run", str(proxy.file), "--io", io], capture_output=True, text=True,
                                  timeout=60, check=False)
            assert done.returncode == 1 and "facts" in done.stderr and words in done.stderr, done.stderr
            assert words in pando.command("directory", "list", "tenants", proxy.file).stderr
            checked = pando.command("check", proxy.file)
            assert checked.returncode == 2 and words in checked.stderr and "keyspace tenants" in checked.stderr
        facts.write_bytes(good)
        assert pando.command("check", proxy.file).returncode == 0
        proxy.start()
        assert entries(proxy)["acme:"] == (0, "command", 2)


@ENGINES
def test_a_watch_of_before_undoes_the_transaction(io, engine):
    """Its key may be elsewhere now; it is as if it had been changed."""
    with serving(TENANTS, io, engine) as proxy, Client(proxy.redis_port) as client, Client(proxy.redis_port) as other:
        for shard in (0, 2):      # there and back again
            assert client("watch", "tenants:acme:1") == "OK"
            change(proxy, "set", "tenants", "acme:", 1)
            assert other("set", "tenants:acme:1", "other") == "OK" and other("del", "tenants:acme:1") == 1
            change(proxy, "set", "tenants", "acme:", shard)
            client("multi")
            client("set", "tenants:acme:1", "mine")
            assert client("exec") is None and client("get", "tenants:acme:1") is None
        client("watch", "tenants:acme:1")
        change(proxy, "set", "tenants", "acme:", 1)
        assert client("unwatch") == "OK"      # where it was watched
        client("watch", "tenants:acme:1")
        client("multi")
        client("set", "tenants:acme:1", "mine")
        assert client("exec") == ["OK"] and other("get", "tenants:acme:1") == b"mine"
        client("watch", "tenants:acme:1")
        other("set", "tenants:acme:1", "other")
        client("multi")
        client("set", "tenants:acme:1", "mine")
        assert client("exec") is None


@ENGINES
def test_a_cursor_of_before_finds_every_key_that_stays(io, engine):
    with serving(TENANTS, io, engine) as proxy, Client(proxy.redis_port) as client:
        staying = {f"tenants:{name}:{i}".encode() for name in ("acme", "bolt", "zed") for i in range(200)}
        client.pipeline([("set", key, 1) for key in staying])
        cursor, seen, pages, changes = b"0", set(), 0, 0
        while True:
            cursor, page = client("scan", cursor, "count", 20)
            seen.update(page)
            if cursor == b"0":
                break
            if pages % (10 if engine == "memory" else 1) == 0:
                change(proxy, "set", "tenants", "empty:", changes % 3)
                changes += 1
            pages += 1
        assert staying <= seen and changes >= 2


# --- under load ---

class Tenant(threading.Thread):
    """Writes keys of its own below the prefix, and believes nothing: what was answered must be there."""

    def __init__(self, port, number, keeps):
        super().__init__(daemon=True)
        self.port, self.number, self.keeps = port, number, keeps
        self.random = random.Random(f"{pando.SEED} {number}")
        self.is_over, self.wrong, self.rounds, self.fenced = False, None, 0, 0
        self.kept, self.perhaps = set(), set()      # keys that are there for sure; that may be

    def run(self):
        try:
            with Client(self.port) as client:
                while not self.is_over:
                    self.one(client)
                    self.rounds += 1
        except AssertionError as wrong:
            self.wrong = wrong
        except (Closed, OSError):
            pass

    def ask(self, client, *words):
        while True:
            answer = client(*words)
            if not (isinstance(answer, Refused) and answer.startswith(("TRYAGAIN", "EXECABORT TRYAGAIN"))):
                return answer
            self.fenced += 1

    def one(self, client):
        key = f"tenants:flip:{self.number}:{self.rounds}"
        pair = [key + "{t}a", key + "{t}b"]
        self.perhaps.update(pair + [key])
        assert self.ask(client, "set", key, self.rounds) == "OK"
        assert self.ask(client, "get", key) == b"%d" % self.rounds
        client.pipeline([("multi",), ("set", pair[0], 1), ("incr", pair[1])])
        answer = client("exec")
        if isinstance(answer, Refused):
            assert answer.startswith("TRYAGAIN"), answer
            assert self.ask(client, "exists", *pair) == 0
        else:
            assert answer == ["OK", 1], answer
            assert self.ask(client, "mget", *pair) == [b"1", b"1"]
            if self.keeps:
                self.kept.update(pair)
        if self.keeps:
            self.kept.add(key)
            return
        assert self.ask(client, "del", key) == 1
        for one in pair:
            assert self.ask(client, "del", one) in (0, 1) and self.ask(client, "exists", one) == 0
        self.perhaps.clear()
        threading.Event().wait(self.random.random() * 0.02)


def stop(writers):
    for writer in writers:
        writer.is_over = True
    for writer in writers:
        writer.join(pando.PATIENCE_S)
        assert writer.wrong is None, writer.wrong


def flip(proxy, number):
    """True: it was changed. A refusal says that keys are there, or a fence would have lasted too long."""
    words = ("unset", "tenants", "flip:") if number % 4 == 3 else ("set", "tenants", "flip:", number % 4)
    done = directory(proxy, *words)
    assert done.returncode == 0 or "would not be found any more" in done.stderr or "has no entry" in done.stderr, done.stderr
    return done.returncode == 0


def check_kept(client, writers):
    """Every key is found, and is there once."""
    wanted = {key for writer in writers for key in writer.kept}
    perhaps = {key for writer in writers for key in writer.perhaps}
    found = [key.decode() for key in client("keys", "tenants:flip:*")]
    assert len(found) == len(set(found)), "a key is there twice"
    assert wanted <= set(found) <= wanted | perhaps
    for key in found:
        assert client("get", key) is not None, key


@ENGINES
def test_it_goes_back_and_forth_under_writers(io, engine):
    """While they write on two workers: over a prefix that is empty now and then it is changed, over one with keys never;
    what was answered is there, once, whatever happened meanwhile."""
    port, settings = config(TENANTS, engine)
    with pando.running(settings, io) as proxy:
        writers = [Tenant(port, number, keeps=False) for number in range(4)]
        for writer in writers:
            writer.start()
        changed, number = 0, 0
        while changed < (200 if pando.LONG else 12):
            changed += flip(proxy, number)
            number += 1
            if number % 10 == 0:
                assert proxy.reload({**settings, "limits": {"connections": 1000 + number}}).returncode == 0
            assert all(writer.wrong is None for writer in writers), [writer.wrong for writer in writers]
        stop(writers)
        with Client(port) as client:
            assert client("keys", "tenants:flip:*") == []
            keepers = [Tenant(port, number, keeps=True) for number in range(16)]
            for writer in keepers:
                writer.start()
            done = [flip(proxy, number) for number in range(12)]
            pando.until(lambda: all(writer.kept for writer in keepers), "all have written")
            done += [flip(proxy, number) for number in range(4)]
            assert done.count(True) < len(done)
            stop(keepers)
            check_kept(client, keepers)


def test_kill_9_leaves_the_old_table_or_the_new_one(io):
    port, settings = config(TENANTS, "lmdb")
    with pando.running(settings, io, may_die=True) as proxy:
        draw = random.Random(pando.SEED)
        now = None
        for number in range(KILLS):
            with Client(port) as client:
                assert client("flushall") == "OK"
            writers = [Tenant(port, 100 * number + one, keeps=one == 0) for one in range(3)]
            ended = threading.Event()

            def go_on():
                while not ended.is_set():
                    for shard in ("0", "1", "2"):
                        directory(proxy, "set", "tenants", "alone:", shard)
                        directory(proxy, "set", "tenants", "flip:", shard)
            changer = threading.Thread(target=go_on)
            changer.start()
            for writer in writers:
                writer.start()
            threading.Event().wait(0.1 + draw.random() * 0.4)
            os.kill(proxy.server_pid(), signal.SIGKILL)
            ended.set()
            changer.join(pando.PATIENCE_S)
            stop(writers)
            with Client(pando.until(lambda: answers(port), "it answers again")) as client:
                now = pando.until(lambda: read(proxy), "the table is read")
                assert set(now) <= {"acme:", "bolt:", "alone:", "flip:"}
                check_kept(client, writers)
                for shard in ("0", "1"):
                    change(proxy, "set", "tenants", "alone:", shard)
                    assert insist(client, "set", "tenants:alone:1", shard) == "OK" and client("del", "tenants:alone:1") == 1


def read(proxy):
    with contextlib.suppress(AssertionError, json.JSONDecodeError):
        return entries(proxy)
    return None


def answers(port):
    try:
        with Client(port) as client:
            return port if client("ping") == "PONG" else None
    except (OSError, Closed):
        return None
