# SPDX-License-Identifier: Apache-2.0
"""Backups of keys on the disk: of one instant while clients write, laid into other layouts, and what is damaged is
named."""
import pathlib
import signal
import threading

import pytest

import pando
from redis_front import Client, Closed, config

ACCOUNTS, MONEY = 20, 1000
RANGE = {"partition": "range", "shards": 3, "splits": ["h", "o"]}


def digest(client, pattern="*"):
    """Every key with its type, value and time to expire, in seconds."""
    result, cursor = {}, b"0"
    while True:
        cursor, keys = client("scan", cursor, "match", pattern, "count", 500)
        for key in keys:
            kind = client("type", key)
            value = {"string": lambda: client("get", key), "list": lambda: client("lrange", key, 0, -1),
                     "set": lambda: sorted(client("smembers", key)),
                     "zset": lambda: client("zrange", key, 0, -1, "withscores"),
                     "hash": lambda: sorted(zip(*[iter(client("hgetall", key))] * 2))}[kind]()
            expires_ms = client("pexpiretime", key)
            result[key] = (kind, value, expires_ms)
        if cursor == b"0":
            return result


def fill(client):
    """All types, small and large, with and without expiry."""
    for number in range(60):
        name = f"users:{chr(97 + number % 26)}{number}"
        client("set", name, f"v{number}")
        client("hset", f"h{number}", "f", number, "g", b"\0\xff")
    client("set", "long", b"x" * 300_000)
    client("set", b"\0odd\r\n", b"")
    client("set", b"k" * 900, "a key that is cut on the disk")
    client("rpush", "list", *range(2000))
    client("sadd", "set", *[b"m" * (number * 9) for number in range(100)])
    client("zadd", "zset", *[word for number in range(300) for word in (number - 150.5, f"m{number}")])
    client("hset", "hash", *[word for number in range(300) for word in (f"f{number}", b"v" * number)])
    for key in ("users:a0", "long", "list", "set", "zset", "hash"):
        client("pexpire", key, 3_600_000)
    client("set", "soon", 1, "px", 1)


def begin(proxy, keyspaces, data=None):
    """Restarts the server with these keyspaces, in another data folder if one is named."""
    proxy.signal(signal.SIGTERM)
    assert proxy.process.wait(pando.PATIENCE_S) == 0
    port, settings = config(keyspaces, "lmdb")
    proxy.write({**settings, **({"data": str(data)} if data else {})})
    return port


def restore(proxy, backup, data, *flags):
    return pando.command("restore", str(backup), str(proxy.file), "--data", str(data), *flags)


def test_all_types_come_back_in_another_layout(io):
    """One shard becomes four, hash becomes range; from a server, and from the files of one that is stopped."""
    port, settings = config({"users": {}, "default": {}}, "lmdb")
    with pando.running(settings, io) as proxy:
        first, second, data = proxy.folder / "first.backup", proxy.folder / "second.backup", proxy.folder / "data2"
        with Client(port) as client:
            fill(client)
            pando.until(lambda: client("get", "soon") is None, "it has expired")
            before = digest(client)
        made = proxy.command("backup", str(first))
        assert made.returncode == 0 and "of 2 keyspaces" in made.stdout, made
        port = begin(proxy, {"users": RANGE, "default": {"shards": 4}})
        refused = pando.command("check", str(proxy.file))
        assert refused.returncode == 2 and "lie by another layout" in refused.stderr, refused
        assert "pando restore" in refused.stderr
        made = pando.command("backup", str(second), str(proxy.file))
        assert made.returncode == 0, made
        for backup in (first, second):
            into = data / backup.name
            into.parent.mkdir(exist_ok=True)
            laid = restore(proxy, backup, into)
            assert laid.returncode == 0 and "by range on 3 shards" in laid.stdout, laid
            again = restore(proxy, backup, into)
            assert again.returncode == 1 and "is there already" in again.stderr, again
        port = begin_with(proxy, {"users": RANGE, "default": {"shards": 4}}, data / "first.backup")
        with Client(port) as client:
            assert digest(client) == before
            assert client("pando.range", "users:a", "users:b")[:1] == [b"users:a0"]
        checked = pando.command("check", "--deep", str(proxy.file))
        assert checked.returncode == 0 and "default/0003: ok" in checked.stdout, checked


def begin_with(proxy, keyspaces, data):
    """Starts a server that is stopped."""
    port, settings = config(keyspaces, "lmdb")
    proxy.write({**settings, "data": str(data)})
    proxy.start()
    return port


class Transfers(threading.Thread):
    """Moves money between accounts of one shard by MULTI, and counts what was answered."""

    def __init__(self, port, number):
        super().__init__(daemon=True)
        self.port, self.number, self.answered, self.is_over = port, number, 0, False

    def run(self):
        try:
            with Client(self.port) as client:
                while not self.is_over:
                    one, other = self.answered % ACCOUNTS, (self.answered * 7 + 1 + self.number) % ACCOUNTS
                    client.pipeline([("multi",), ("decr", f"{{a}}:{one}"), ("incr", f"{{a}}:{other}")])
                    assert client("exec") is not None
                    assert client("set", f"count:{self.number}", self.answered + 1) == "OK"
                    self.answered += 1
        except (Closed, OSError):
            pass


def test_a_backup_is_of_one_instant_while_clients_write(io):
    """No transfer is in it half; nothing is missing that was answered before it began."""
    port, settings = config({"default": {"shards": 4}}, "lmdb")
    with pando.running(settings, io) as proxy:
        with Client(port) as client:
            client("mset", *[word for one in range(ACCOUNTS) for word in (f"{{a}}:{one}", MONEY)])
            client("mset", *[word for one in range(500) for word in (f"filler{one}", b"x" * 2000)])
        writers = [Transfers(port, number) for number in range(4)]
        for writer in writers:
            writer.start()
        pando.until(lambda: all(writer.answered > 20 for writer in writers), "all of them write")
        backups = []
        for number in range(4 if pando.LONG else 2):
            before = [writer.answered for writer in writers]
            made = proxy.command("backup", str(proxy.folder / f"{number}.backup"), "--throttle", "4MiB")
            assert made.returncode == 0, made
            after = [writer.answered for writer in writers]
            assert all(late > early for early, late in zip(before, after)), "they wrote meanwhile"
            backups.append((number, before, after))
        for writer in writers:
            writer.is_over = True
            writer.join(pando.PATIENCE_S)
        begin(proxy, {"default": {"shards": 2}})
        for number, before, after in backups:
            data = proxy.folder / f"data-{number}"
            assert restore(proxy, proxy.folder / f"{number}.backup", data).returncode == 0
            port = begin_with(proxy, {"default": {"shards": 2}}, data)
            with Client(port) as client:
                money = [int(client("get", f"{{a}}:{one}")) for one in range(ACCOUNTS)]
                counts = [int(client("get", f"count:{one}")) for one in range(len(writers))]
            assert sum(money) == ACCOUNTS * MONEY
            assert all(early <= count <= late + 1 for early, count, late in zip(before, counts, after))
            proxy.signal(signal.SIGTERM)
            assert proxy.process.wait(pando.PATIENCE_S) == 0
        proxy.start()


def test_what_is_damaged_or_does_not_fit_is_named_and_nothing_is_left(io):
    port, settings = config({"users": {}, "default": {}, "cache": {"engine": "memory"}}, "lmdb")
    with pando.running(settings, io) as proxy:
        backup, data = proxy.folder / "whole.backup", proxy.folder / "other"
        with Client(port) as client:
            fill(client)
        made = proxy.command("backup", str(backup))
        assert made.returncode == 0 and "left out: cache" in made.stdout, made
        whole = backup.read_bytes()
        for name, content, words in (
                ("cut", whole[:-10], "is cut"), ("bad", whole[:5000] + b"!" + whole[5001:], "sum of a block is wrong"),
                ("foreign", b"listeners: {}\n", "no backup of Pando")):
            file = proxy.folder / name
            file.write_bytes(content)
            refused = restore(proxy, file, data)
            assert refused.returncode == 1 and words in refused.stderr and name in refused.stderr, refused
            assert list(data.glob("keys/*")) == [] and list(data.glob("keys/.*")) == []
        small = proxy.folder / "small.yaml"
        small.write_text(f"keyspaces: {{users: {{shards: 2}}}}\ncontrol: {proxy.folder}/none\n")
        refused = pando.command("restore", str(backup), str(small), "--data", str(data))
        assert refused.returncode == 1 and "--only" in refused.stderr and "default" in refused.stderr, refused
        laid = pando.command("restore", str(backup), str(small), "--data", str(data), "--only", "users")
        assert laid.returncode == 0 and "users: 60 keys" in laid.stdout, laid
        refused = pando.command("restore", str(backup), str(small), "--data", str(data), "--only", "carts")
        assert refused.returncode == 1 and "no such keyspace" in refused.stderr, refused
        small.write_text("keyspaces: {users: {engine: memory}}\n")
        refused = pando.command("restore", str(backup), str(small), "--data", f"{data}2", "--only", "users")
        assert refused.returncode == 1 and "engine memory" in refused.stderr, refused
        kept = proxy.command("backup", str(proxy.file))
        assert kept.returncode == 1 and "is no backup" in kept.stderr and proxy.file.read_bytes()[:1] == b"{", kept
        (proxy.folder / "many").mkdir()
        assert proxy.command("backup", str(proxy.folder / "many")).returncode == 0
        assert [file.suffix for file in (proxy.folder / "many").iterdir()] == [".backup"]


def test_a_deep_check_names_what_is_damaged(io):
    """On a live server all is well; a flipped byte is named; the server, too, gives no value for it."""
    port, settings = config({"default": {}}, "lmdb")
    with pando.running(settings, io) as proxy:
        with Client(port) as client:
            fill(client)
            client("set", "precious", b"SIGNATURE" * 20)
        writer = Transfers(port, 0)
        writer.start()
        checked = pando.command("check", "--deep", str(proxy.file))
        assert checked.returncode == 0 and "default/0000: ok: " in checked.stdout, checked
        writer.is_over = True
        writer.join(pando.PATIENCE_S)
        proxy.signal(signal.SIGTERM)
        assert proxy.process.wait(pando.PATIENCE_S) == 0
        file = proxy.folder / "data/keys/default/0000/data.mdb"
        content = bytearray(file.read_bytes())
        at = content.find(b"SIGNATURESIGNATURE")
        while at >= 0:      # the page as it is, and older ones
            content[at + 3] ^= 1
            at = content.find(b"SIGNATURESIGNATURE", at + 200)
        file.write_bytes(content)
        checked = pando.command("check", "--deep", str(proxy.file))
        assert checked.returncode == 1 and "keys: 'precious': its sum is wrong" in checked.stdout, checked
        made = pando.command("backup", str(proxy.folder / "b"), str(proxy.file))
        assert made.returncode == 1 and "'precious' is damaged" in made.stderr, made
        assert not list(proxy.folder.glob("b*"))
        file.write_bytes(content[:len(content) // 2])
        checked = pando.command("check", "--deep", str(proxy.file))
        assert checked.returncode == 1 and "default/0000: " in checked.stdout, checked
        file.unlink()
        checked = pando.command("check", "--deep", str(proxy.file))
        assert checked.returncode == 1 and "there is no" in checked.stdout, checked
        pathlib.Path(file.parent / "lock.mdb").unlink()
        file.parent.rmdir()
        proxy.start()


def test_a_changed_layout_is_said_at_the_reload(io):
    port, settings = config({"default": {}}, "lmdb")
    with pando.running(settings, io) as proxy:
        with Client(port) as client:
            client("set", "a", 1)
        port, changed = config({"default": {"shards": 2}}, "lmdb")
        said = proxy.reload({**changed, "listeners": proxy.config["listeners"]})
        assert said.returncode == 0 and "a restart would be refused" in said.stdout, said
        said = proxy.reload({**settings, "listeners": proxy.config["listeners"]})
        assert said.returncode == 0 and "refused" not in said.stdout, said


@pytest.mark.parametrize("interval", ["10ms", "60s"])
def test_sync_interval_answers_before_the_disk_and_a_kill_loses_nothing(io, interval):
    port, settings = config({"default": {"sync": "interval", "sync-interval": interval}}, "lmdb")
    with pando.running(settings, io, may_die=True) as proxy:
        state = proxy.folder / "data/keys/default/0000/sync.state"
        with Client(port) as client:
            for number in range(200):
                assert client("set", f"k{number}", number) == "OK"
        assert state.exists()
        proxy.kill()
        proxy.start()
        with Client(port) as client:
            assert [client("get", f"k{number}") for number in range(200)] == [b"%d" % one for one in range(200)]
        proxy.signal(signal.SIGTERM)
        assert proxy.process.wait(pando.PATIENCE_S) == 0
        assert not state.exists()
        proxy.start()
