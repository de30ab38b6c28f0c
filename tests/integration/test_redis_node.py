# SPDX-License-Identifier: Apache-2.0
"""What is asked about the node: of all its listeners and workers, on both engines."""
import contextlib
import json
import os
import re
import time

import pytest

import pando
from pando import PATIENCE_S, free_port
from redis_front import Client, Refused, config


@contextlib.contextmanager
def node(io, engine="memory", **more):
    """Two workers and two listeners; `ports` are theirs."""
    port, settings = config({"default": {}, "carts": {"shards": 2}}, engine, **more)
    other = free_port()
    settings["listeners"]["other"] = {"redis": f"127.0.0.1:{other}"}
    with pando.running(settings, io) as proxy:    # of two workers
        proxy.redis_port = port
        proxy.ports = [port, other]
        yield proxy


@pytest.fixture(scope="module", params=["memory", "lmdb"])
def store(io, request):
    with node(io, request.param, redis={"slowlog-slower-than": "0ms"}) as proxy:
        yield proxy


@contextlib.contextmanager
def clients(proxy, count):
    """So many over both listeners, so that each worker has some (a port falls on one by chance)."""
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(Client(proxy.ports[i % 2])) for i in range(count)]
        assert [client("ping") for client in made] == ["PONG"] * count    # all are in
        yield made


def info(client, *sections):
    text = client("info", *sections).decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def until(holds):
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


# --- clients ---

def test_every_client_is_listed_and_only_those_that_are_asked_for(store):
    with clients(store, 16) as all_of_them:
        ids = [client("client", "id") for client in all_of_them]
        for client in all_of_them[:2]:
            listed = {int(each) for each in re.findall(rb"^id=(\d+) ", client("client", "list"), re.M)}
            assert listed >= set(ids)
            few = client("client", "list", "id", ids[3], ids[14], 999999)
            assert {int(each) for each in re.findall(rb"id=(\d+) ", few)} == {ids[3], ids[14]}
            assert client("client", "list", "type", "replica") == b""
            assert client("client", "list", "type", "x") == Refused("ERR Unknown client type 'x'")
            assert client("client", "list", "id", "0") == Refused("ERR Invalid client ID")


def test_an_answer_that_asks_all_workers_stands_in_its_place(store):
    with clients(store, 8) as (client, *_):
        answers = client.pipeline([("set", "a", "1"), ("client", "list"), ("get", "a"),
                                   ("client", "kill", "id", "999999"), ("client", "kill", "10.0.0.1:1"), ("ping",)])
        assert answers[0] == "OK" and answers[1].count(b"\n") >= 8
        assert answers[2:] == [b"1", 0, Refused("ERR No such client"), "PONG"]


def test_clients_of_every_worker_are_killed(store):
    with clients(store, 16) as all_of_them, Client(store.redis_port) as killer:
        ids = [client("client", "id") for client in all_of_them]
        for victim_id in ids[:8]:
            assert killer("client", "kill", "id", victim_id) == 1
        assert all(client.is_closed() for client in all_of_them[:8])
        address = "127.0.0.1:%d" % all_of_them[8].socket.getsockname()[1]
        assert killer("client", "kill", address) == "OK" and all_of_them[8].is_closed()
        rest = len(all_of_them[9:])
        laddr = f"127.0.0.1:{store.ports[1]}"
        of_other = sum(client.socket.getpeername()[1] == store.ports[1] for client in all_of_them[9:])
        assert killer("client", "kill", "laddr", laddr) == of_other
        assert killer("client", "kill", "type", "normal") == rest - of_other
        assert all(client.is_closed() for client in all_of_them[9:])
        assert killer("client", "kill", "id", killer("client", "id"), "skipme", "no") == 1 and killer.is_closed()


def test_a_client_that_goes_while_it_asks_is_missed_by_nobody(store):
    for _ in range(50):
        client = Client(store.redis_port)
        client.send(b"*2\r\n$6\r\nclient\r\n$4\r\nlist\r\n" * 20)
        client.close()
    with Client(store.redis_port) as client:
        until(lambda: client("client", "list").count(b"\n") == 1)


def test_client_list_is_no_part_of_a_transaction(store):
    with Client(store.redis_port) as client:
        assert client("multi") == "OK"
        assert client("client", "list") == Refused("ERR Command not allowed inside a transaction")
        assert client("exec").startswith("EXECABORT")


# --- figures ---

def test_info_counts_over_all_workers(store):
    with clients(store, 12) as all_of_them:
        before = info(all_of_them[0])
        assert int(before["connected_clients"]) >= 12 and int(before["total_connections_received"]) >= 12
        for client in all_of_them:
            client("ping")
        after = info(all_of_them[1], "stats", "clients")
        assert int(after["total_commands_processed"]) >= int(before["total_commands_processed"]) + 12
        assert "redis_version" not in after and "redis_version" in info(all_of_them[2], "everything")
        sections = re.findall(rb"^# (\w+)", all_of_them[0]("info", "default"), re.M)
        assert sections == [b"Server", b"Clients", b"Memory", b"Persistence", b"Stats", b"Replication", b"CPU",
                            b"Modules", b"Errorstats", b"Cluster", b"Keyspace"]


def keyspace(client, name):
    line = info(client, "keyspace")[f"keyspace_{name}"]
    pairs = (each.split("=") for each in line.split(","))
    return {word: int(value) if value.isdigit() else value for word, value in pairs}


def test_hits_and_misses_are_counted_for_each_keyspace(store):
    with clients(store, 8) as all_of_them:
        client = all_of_them[0]
        assert client("mset", "carts:1", "x", "carts:2", "y") == "OK"
        before, other = keyspace(client, "carts"), keyspace(client, "default")
        for each in all_of_them:
            assert each("get", "carts:1") == b"x" and each("get", "carts:none") is None
        # Behind a write of its own client, a read is the writer's.
        assert client.pipeline([("set", "carts:1", "z"), ("get", "carts:1")]) == ["OK", b"z"]

        def counted():
            now = keyspace(client, "carts")
            return [now[word] - before[word] for word in ("hits", "misses", "commands")]
        until(lambda: counted() == [9, 8, 18])
        assert keyspace(client, "default")["hits"] == other["hits"]
        assert keyspace(client, "carts")["keys"] == 2


def test_memory_usage_grows_with_the_value(store):
    with Client(store.redis_port) as client:
        assert client("set", "m:s", "x" * 1000) == "OK" and client("rpush", "m:l", *(["y" * 100] * 100)) == 100
        assert 1000 < client("memory", "usage", "m:s") < 2000
        assert 10_000 < client("memory", "usage", "m:l", "samples", 0) < 40_000
        assert client("memory", "usage", "m:none") is None
        assert client("memory", "usage", "m:s", "samples", "-1") == Refused("ERR syntax error")
        assert client.pipeline([("multi",), ("memory", "usage", "m:s"), ("exec",)])[2][0] > 1000
        stats = client("memory", "stats")
        assert stats[stats.index(b"keys.count") + 1] > 0


# --- what was slow ---

def test_slowlog_has_the_commands_of_all_workers(store):
    with clients(store, 8) as all_of_them:
        client = all_of_them[0]
        assert client("slowlog", "reset") == "OK"
        for number, each in enumerate(all_of_them):
            assert each("client", "setname", f"n{number}") == "OK" and each("set", f"s{number}", "v" * 200) == "OK"
        seen = client("slowlog", "get", -1)
        sets = {entry[5]: entry for entry in seen if entry[3][0] == b"set"}
        assert set(sets) == {b"n%d" % number for number in range(8)}
        for number, each in enumerate(all_of_them):
            identity, wall_s, took_us, args, address, _ = sets[b"n%d" % number]
            assert args == [b"set", b"s%d" % number, b"v" * 128 + b"... (72 more bytes)"]
            assert address == b"127.0.0.1:%d" % each.socket.getsockname()[1]
            assert identity >= 0 and abs(wall_s - time.time()) < 60 and took_us >= 0
        assert len(client("slowlog", "get", 2)) == 2 and client("slowlog", "len") >= 16
        assert client("config", "get", "slowlog*") == [b"slowlog-log-slower-than", b"0", b"slowlog-max-len", b"128"]


def test_slowlog_keeps_only_what_is_slow_and_so_many(io):
    few = {"slowlog-entries": 3, "slowlog-slower-than": "1ms"}
    with node(io, redis=few) as proxy, Client(proxy.redis_port) as client:
        for start in range(0, 60_000, 10_000):
            assert client("sadd", "large", *range(start, start + 10_000)) == 10_000
        client("slowlog", "reset")
        client.pipeline([("get", "a")] * 500)
        for _ in range(5):
            client("sort", "large", "limit", 0, 1)
        seen = client("slowlog", "get")
        assert len(seen) == 3 and all(entry[3][:2] == [b"sort", b"large"] and entry[2] >= 1000 for entry in seen)
    none = {"slowlog-entries": 0, "slowlog-slower-than": "0ms"}
    with node(io, redis=none) as proxy, Client(proxy.redis_port) as client:
        client.pipeline([("get", "a")] * 50)
        assert client("slowlog", "len") == 0


def test_a_write_that_waits_for_the_disk_is_timed_once_and_whole(io):
    with node(io, "lmdb", redis={"slowlog-slower-than": "0ms"}) as proxy, Client(proxy.redis_port) as client:
        client("slowlog", "reset")
        client.pipeline([("set", f"k{i}", "v") for i in range(20)])
        sets = [entry for entry in client("slowlog", "get", -1) if entry[3][0] == b"set"]
        assert sorted(entry[3][1] for entry in sets) == sorted(b"k%d" % i for i in range(20))


# --- the cluster of one ---

def test_cluster_tells_the_address_that_the_client_connected_to(store):
    for port in store.ports:
        with Client(port) as client:
            ((first, last, (host, told, identity, _)),) = client("cluster", "slots")
            assert (first, last, host, told) == (0, 16383, b"127.0.0.1", port) and len(identity) == 40
            assert client("cluster", "myid") == identity


def test_the_id_outlives_a_restart(io, tmp_path):
    ids = []
    for _ in range(2):
        with node(io, "lmdb", data=str(tmp_path / "data")) as proxy, Client(proxy.redis_port) as client:
            ids.append(client("cluster", "myid"))
    assert ids[0] == ids[1]
    assert (tmp_path / "data" / "node-id").read_bytes().strip() == ids[0]
    os.truncate(tmp_path / "data" / "node-id", 7)    # a damaged one is drawn anew, and never told
    with node(io, "lmdb", data=str(tmp_path / "data")) as proxy, Client(proxy.redis_port) as client:
        assert len(client("cluster", "myid")) == 40


def test_another_address_is_announced(io):
    with node(io, redis={"announce": "pando.example:7000"}) as proxy, Client(proxy.redis_port) as client:
        assert client("cluster", "slots")[0][2][:2] == [b"pando.example", 7000]


@pytest.mark.parametrize("address", ["unix:/tmp/x", "srv:_redis._tcp.example"])
def test_an_announced_address_has_host_and_port(tmp_path, address):
    _, settings = config(redis={"announce": address})
    (tmp_path / "pando.yaml").write_text(json.dumps(settings))    # JSON is YAML
    done = pando.command("check", tmp_path / "pando.yaml")
    assert done.returncode == 2 and "announce" in done.stderr
