# SPDX-License-Identifier: Apache-2.0
"""Keys on one machine: the three partitions, several keyspaces, what crosses shards, and what operators see."""
import json

import pytest

import pando
from cache_origin import CacheOrigin
from redis_front import Client, Refused, config, serving

CROSSSLOT = "CROSSSLOT Keys in request don't hash to the same slot"
USERS = {"users": {"partition": "range", "shards": 3, "splits": ["h", "o"]}}


@pytest.fixture(scope="module")
def shop(io):
    """Four keyspaces: one of each partition, and the rest."""
    with serving({**USERS, "carts": {"partition": "hash", "shards": 4},
                  "tenants": {"partition": "directory", "shards": 3,
                              "directory": [{"prefix": "acme:", "shard": 2}, {"prefix": "bolt:", "shard": 1}]},
                  "default": {}}, io) as proxy:
        yield proxy


@pytest.fixture
def client(shop):
    with Client(shop.redis_port) as client:
        assert client("flushall") == "OK"
        yield client


def test_users_by_the_letters_of_their_names(client):
    """The example of the theory: A-G, H-N, O-Z on three shards, read in order across them."""
    names = ["anna", "gus", "hal", "nora", "olga", "zoe"]
    for name in names:
        assert client("set", f"users:{name}", name.upper()) == "OK"
    keys = [f"users:{name}".encode() for name in names]
    assert client("pando.range", "users:", "users:~") == keys
    assert client("pando.range", "users:gus", "users:olga") == keys[1:5]
    assert client("pando.range", "users:gus", "users:olga", "reverse") == keys[4:0:-1]
    assert client("pando.range", "users:b", "users:z", "count", 2) == keys[1:3]
    assert client("pando.range", "users:b", "users:z", "reverse", "count", 2) == [keys[4], keys[3]]
    assert client("pando.range", "users:x", "users:a") == []
    assert client("pando.range", "users:a", "+") == keys
    assert client("pando.range", "-", "users:h", "count", 10) == keys[:2]


def test_a_range_is_asked_of_a_keyspace_that_has_an_order(client):
    assert client("pando.range", "carts:1", "carts:2").startswith("ERR the keys of this keyspace have no order")
    assert client("pando.range", "users:a", "carts:b") == "CROSSSLOT the range ends in another keyspace"
    assert client("pando.range", "users:a", "users:b", "count", 0) == "ERR COUNT must be a positive number"
    assert client("pando.range", "users:a", "users:b", "limit") == "ERR syntax error"


def test_one_keyspace_holds_several_shards_at_once(client):
    """On the memory engine a command over several shards is atomic, so none is refused."""
    keys = [f"carts:{i}" for i in range(40)]
    assert client("mset", *[word for key in keys for word in (key, key)]) == "OK"
    assert client("mget", *keys) == [key.encode() for key in keys]
    assert client("exists", *keys, "carts:x") == 40
    assert client("msetnx", "carts:x", 1, keys[0], 2) == 0
    assert client("rename", keys[0], "carts:renamed") == "OK"
    assert client("get", "carts:renamed") == b"carts:0"
    for i in range(20):
        client("sadd", f"carts:s{i}", *range(i, i + 30))
    assert sorted(map(int, client("sinter", *[f"carts:s{i}" for i in range(20)]))) == list(range(19, 30))
    assert client("del", *keys) == 39


def test_keys_of_several_keyspaces_are_split_or_refused(client):
    assert client("mset", "users:a", 1, "carts:b", 2, "c", 3) == "OK"
    assert client("mget", "c", "users:a", "x", "carts:b") == [b"3", b"1", None, b"2"]
    assert client("exists", "c", "users:a", "x", "carts:b") == 3
    assert client("rename", "users:a", "carts:a") == CROSSSLOT
    assert client("sinter", "users:a", "carts:a") == CROSSSLOT
    assert client("dbsize") == 3
    assert sorted(client("keys", "*")) == [b"c", b"carts:b", b"users:a"]
    assert client("randomkey") in (b"c", b"carts:b", b"users:a")
    assert client("del", "c", "users:a", "x", "carts:b") == 3
    assert client("randomkey") is None


def test_a_transaction_is_of_one_keyspace_and_any_of_its_shards(client):
    assert client("multi") == "OK"
    for i in range(8):
        assert client("incr", f"carts:{i}") == "QUEUED"
    assert client("exec") == [1] * 8
    client("multi")
    client("incr", "carts:1")
    client("incr", "users:1")
    assert client("exec") == "CROSSSLOT the keys of a transaction must be of one keyspace"
    assert client("get", "carts:1") == b"1"


def scan(client, *options):
    cursor, keys, pages = b"0", [], 0
    while True:
        cursor, page = client("scan", cursor, *options)
        keys += page
        pages += 1
        if cursor == b"0":
            return keys, pages


def test_a_scan_finds_every_key_of_every_shard(client):
    wanted = {f"{space}{i}".encode() for i in range(300) for space in ("users:", "carts:", "tenants:acme:", "")}
    client.pipeline([("set", key, 1) for key in wanted])
    keys, pages = scan(client, "count", 20)
    assert set(keys) == wanted and pages > 20
    keys, _ = scan(client, "match", "carts:1?", "count", 100)
    assert set(keys) == {b"carts:%d" % i for i in range(10, 20)}


def test_a_scan_while_keys_come_and_go_finds_those_that_stay(client, draw):
    staying = {f"carts:stay{i}".encode() for i in range(500)}
    client.pipeline([("set", key, 1) for key in staying])
    cursor, seen = b"0", set()
    while True:
        cursor, page = client("scan", cursor, "count", 10)
        seen.update(page)
        if cursor == b"0":
            break
        for _ in range(40):
            key = f"carts:go{draw.randrange(300)}"
            client(*(("set", key, 1) if draw.random() < 0.7 else ("del", key)))
    assert staying <= seen


@pytest.mark.parametrize("cursor", ["1", "12345678901234567890", "-1", "x", "99999999999999999999999"])
def test_a_foreign_cursor_is_refused(client, cursor):
    assert client("scan", cursor) == "ERR invalid cursor"


def test_a_key_of_no_keyspace_is_refused(io):
    with serving({"carts": {}}, io) as proxy, Client(proxy.redis_port) as client:
        assert client("set", "carts:1", 1) == "OK"
        assert client("set", "users:1", 1).startswith("ERR no keyspace has this key")
        assert client("mget", "carts:1", "x").startswith("ERR no keyspace has this key")


def test_more_than_the_memory_evicts_or_refuses(io):
    with serving({"cache": {"memory": "1MiB"}, "kept": {"memory": "1MiB", "eviction": "none"}}, io) as proxy:
        with Client(proxy.redis_port) as client:
            value = b"v" * 1000
            answers = client.pipeline([("set", f"cache:{i}", value) for i in range(5000)])
            assert set(answers) == {"OK"}
            answers = client.pipeline([("set", f"kept:{i}", value) for i in range(5000)])
            assert answers[0] == "OK" and isinstance(answers[-1], Refused) and answers[-1].startswith("OOM ")
            assert client("get", "kept:0") == value
            assert client("del", *[f"kept:{i}" for i in range(100)]) == 100
            assert client("set", "kept:again", 1) == "OK"
        figures = {one["name"]: one for one in proxy.status()["keyspaces"]}
        assert figures["cache"]["evicted"] > 3000 and figures["kept"]["evicted"] == 0
        for one in figures.values():
            assert 0 < one["used_bytes"] <= one["limit_bytes"] == 1 << 20


def test_what_is_expired_goes_by_itself(io):
    with serving({"default": {}}, io) as proxy, Client(proxy.redis_port) as client:
        client.pipeline([("set", f"k{i}", 1, "px", 20) for i in range(2000)] + [("set", "stays", 1)])
        pando.until(lambda: client("dbsize") == 1, "all keys but one are gone", pause_s=0.1)
        assert proxy.metric("pando_keys_expired_total", keyspace="default") == 2000


# --- operators ---

def test_keyspaces_stand_on_every_page(shop, client):
    client("set", "users:anna", 1)
    client("get", "users:anna")
    client("get", "users:nobody")
    assert shop.metric("pando_keys_keys", keyspace="users") == 1
    users = next(one for one in shop.status()["keyspaces"] if one["name"] == "users")
    assert (users["partition"], users["engine"], users["shards"]) == ("range", "memory", 3)
    assert users["hits"] >= 1 and users["misses"] >= 1
    assert "<td class=name>users</td><td>range</td>" in shop.admin("/").text
    shown = shop.command("status").stdout
    assert "keyspaces" in shown and "memory by range over 3 shards" in shown
    listeners = {one["name"]: one["dialect"] for one in shop.status()["listeners"]}
    assert listeners["data"] == "redis"


def test_a_reload_keeps_keys_and_connections(io):
    port, settings = config({"default": {}, "carts": {"shards": 2}})
    with pando.running(settings, io) as proxy, Client(port) as client:
        client.pipeline([("set", f"carts:{i}", i) for i in range(50)] + [("set", "a", 1)])
        settings["keyspaces"]["users"] = {}
        settings["redis"] = {"idle-timeout": "1h"}
        done = proxy.reload(settings)
        assert done.returncode == 0, done.stderr
        assert "keyspaces.users" in done.stdout and "redis.idle-timeout" in done.stdout
        assert client("get", "a") == b"1" and client("dbsize") == 51
        assert client("set", "users:1", 1) == "OK"


def test_a_reload_with_another_layout_says_after_a_restart_and_keeps_the_keys(io):
    """The layout of a keyspace is that of its start: keys must not disappear behind another one."""
    port, settings = config({"carts": {"shards": 2}})
    with pando.running(settings, io) as proxy, Client(port) as client:
        client.pipeline([("set", f"carts:{i}", i) for i in range(50)])
        settings["keyspaces"]["carts"] = {"shards": 3, "memory": "2MiB"}
        done = proxy.reload(settings)
        assert "carts.shards: 2 -> 3 (after a restart)" in done.stdout
        assert client("mget", *[f"carts:{i}" for i in range(50)]) == [b"%d" % i for i in range(50)]
        assert client("dbsize") == 50
        assert next(iter(proxy.status()["keyspaces"]))["shards"] == 2


def test_a_reload_without_the_listener_closes_it_and_answers_what_came(io):
    port, settings = config()
    with pando.running(settings, io) as proxy, Client(port) as client:
        assert client("ping") == "PONG"
        del settings["listeners"]["data"]
        assert proxy.reload(settings).returncode == 0
        assert client.is_closed()
        with pytest.raises(ConnectionRefusedError):
            Client(port)


def test_a_stop_does_not_wait_for_half_a_command(start):
    port, settings = config()
    proxy = start(settings)
    client = Client(port)
    client.send(b"*2\r\n$3\r\nget\r\n$100\r\nhalf")
    idle = Client(port)
    assert idle("ping") == "PONG"
    proxy.stop(timeout_s=5)


MISTAKES = [
    ({"users": {"partition": "range", "shards": 3}}, "ranges need as many splits"),
    ({"users": {"partition": "range", "shards": 3, "splits": ["o", "h"]}}, "splits must ascend"),
    ({"users": {"partition": "hash", "splits": ["h"], "shards": 2}}, "only ranges have splits"),
    ({"users": {"partition": "directory", "shards": 2, "directory": [{"prefix": "a", "shard": 2}]}},
     "names a shard that is not there"),
    ({"users": {"partition": "hashh"}}, "did you mean `hash`?"),
    ({"users": {"engine": "redis"}}, "users.engine"),
    ({"users": {"shards": 0}}, "shards"),
    ({"users": {"memory": "1KiB"}}, "memory"),
]


@pytest.mark.parametrize("keyspaces, words", MISTAKES, ids=[words for _, words in MISTAKES])
def test_mistakes_are_told(tmp_path, keyspaces, words):
    file = tmp_path / "pando.yaml"
    file.write_text(json.dumps({"keyspaces": keyspaces,
                                "listeners": {"data": {"redis": "127.0.0.1:6380"}}}, indent=1))
    done = pando.command("check", file)
    assert done.returncode == 2 and words in done.stderr and f"{file}:" in done.stderr


def test_a_redis_listener_is_for_this_machine_unless_it_is_open(tmp_path):
    file = tmp_path / "pando.yaml"
    text = {"keyspaces": {"default": {}}, "listeners": {"data": {"redis": ":6380"}}}
    file.write_text(json.dumps(text))
    done = pando.command("check", file)
    assert done.returncode == 2 and "asks for no password" in done.stderr
    text["listeners"]["data"]["open"] = True
    file.write_text(json.dumps(text))
    assert pando.command("check", file).returncode == 0


def test_a_redis_listener_needs_a_keyspace(tmp_path):
    file = tmp_path / "pando.yaml"
    file.write_text(json.dumps({"listeners": {"data": {"redis": "127.0.0.1:6380"}}}))
    done = pando.command("check", file)
    assert done.returncode == 2 and "no keyspace to serve" in done.stderr


def test_a_fetch_for_the_cache_lets_go_of_no_key(io):
    """Keys and cached services share a worker's path, which a fetch holds until it has ended."""
    with CacheOrigin() as origin:
        services = {"shop": {"targets": [origin.address], "cache": {"memory": "16MiB"}}}
        with serving(io=io, engine="lmdb", services=services, workers=1) as proxy, Client(proxy.redis_port) as client:
            for count in range(1, 11):
                origin.page(f"/{count}", cache="max-age=60")
                assert proxy.ask(f"/{count}").status == 200
                assert client("incr", "n") == count
            assert proxy.metric("pando_keys_writes_total", keyspace="default") == 10
