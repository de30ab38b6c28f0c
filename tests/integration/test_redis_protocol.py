# SPDX-License-Identifier: Apache-2.0
"""The Redis protocol as clients and attackers speak it: framing, pipelines, limits, HELLO, MULTI and WATCH."""
import socket
import threading
import time

import pytest

import pando
from redis_front import Client, Closed, Refused, encode, serving


@pytest.fixture(scope="module", params=["memory", "lmdb"])
def store(io, request):
    with serving({"default": {}, "carts": {"shards": 4}}, io, request.param) as proxy:
        yield proxy


@pytest.fixture
def client(store):
    with Client(store.redis_port) as client:
        client("flushall")
        yield client


# --- framing ---

def test_crumbs_are_one_command(client):
    for byte in encode("set", "a", "x" * 100):
        client.send(bytes([byte]))
    assert client.read() == "OK"
    assert client("get", "a") == b"x" * 100


def test_a_pipeline_is_answered_in_order(client):
    commands = [("set", f"k{i}", i) for i in range(1000)] + [("get", f"k{i}") for i in range(1000)]
    assert client.pipeline(commands) == ["OK"] * 1000 + [b"%d" % i for i in range(1000)]


def test_binary_keys_and_values_pass_untouched(client):
    key, value = bytes(range(256)), b"\r\n$-1\r\n" * 50 + bytes(range(256))
    assert client("set", key, value) == "OK" and client("get", key) == value
    assert client("set", b"", b"") == "OK" and client("get", b"") == b""


@pytest.mark.parametrize("bytes_count", [20_000, 300_000, 5_000_000, 40_000_000])
def test_large_values_come_and_go(client, bytes_count):
    value = bytes(bytearray(i * 7 % 251 for i in range(1000))) * (bytes_count // 1000)
    assert client("set", "large", value) == "OK"
    assert client("get", "large") == value
    assert client("append", "large", b"end") == len(value) + 3
    assert client("getrange", "large", -5, -1) == value[-2:] + b"end"
    assert client("del", "large") == 1


BAD = [
    (b"*-5\r\n*1\r\n$4\r\nPING\r\n", None),    # nothing is said, as with Redis
    (b"*2147483648\r\n", "invalid multibulk length"),
    (b"*1048577\r\n", "invalid multibulk length"),
    (b"*x\r\n", "invalid multibulk length"),
    (b"*1\r\n$-1\r\n", "invalid bulk length"),
    (b"*1\r\n$536870913\r\n", "invalid bulk length"),
    (b"*1\r\n$4294967296\r\n", "invalid bulk length"),
    (b"*1\r\n$99999999999999999999\r\n", "invalid bulk length"),
    (b"*1\r\n:4\r\n", "expected '$', got ':'"),
    (b"*1\r\n*1\r\n*1\r\n", "expected '$', got '*'"),
    (b"*1" + b"1" * 100, "Protocol error"),
    (b"GET / HTTP/1.1\r\n", ""),
    (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", ""),
    (b"Host: x\r\n", ""),
    (b"set a b\r\n", ""),
    (b"\x16\x03\x01\x02\x00\x01", ""),
]


@pytest.mark.parametrize("data, words", BAD, ids=[repr(data[:20]) for data, _ in BAD])
def test_what_is_no_command_ends_the_connection(client, store, data, words):
    client.send(data)
    if words is None:
        assert client.read() == "PONG"
        return
    answer = client.read()
    assert isinstance(answer, Refused) and words in answer
    assert client.is_closed()
    with Client(store.redis_port) as other:
        assert other("ping") == "PONG"


def test_a_length_that_lies_takes_no_memory(io):
    with serving({"default": {}}, io) as proxy:
        before = proxy.memory_bytes()
        clients = [Client(proxy.redis_port) for _ in range(50)]
        for one in clients:
            one.send(b"*1000000\r\n$536870912\r\nonly this")
        with Client(proxy.redis_port) as other:
            assert other("ping") == "PONG"
        assert proxy.memory_bytes() - before < 16 << 20
        for one in clients:
            one.close()


def test_ping_may_be_said_on_a_line(client):
    client.send(b"PING\r\nping\n\r\n")
    assert client.read() == "PONG" and client.read() == "PONG"
    assert client("echo", "x") == b"x"


def test_lines_are_commands_where_that_is_set(io):
    with serving({"default": {}}, io, redis={"inline": True}) as proxy, Client(proxy.redis_port) as client:
        client.send(b"set a  hello\r\nget a\r\n")
        assert client.read() == "OK" and client.read() == b"hello"
        client.send(b"POST / HTTP/1.1\r\n")
        assert isinstance(client.read(), Refused) and client.is_closed()


# --- limits ---

def test_who_does_not_read_is_not_read_from_either(io):
    """A client that never takes its answers costs what `unread-bytes` says, and gets all when it reads."""
    with serving({"default": {}}, io, redis={"unread-bytes": "1MiB"}) as proxy:
        with Client(proxy.redis_port, 60) as client:
            value = b"v" * 100_000
            client("set", "a", value)
            before = proxy.memory_bytes()
            sender = threading.Thread(target=client.send, args=(encode("get", "a") * 1000,), daemon=True)
            sender.start()
            time.sleep(1)
            assert proxy.memory_bytes() - before < 16 << 20
            with Client(proxy.redis_port) as other:
                assert other("ping") == "PONG"
            begun = time.monotonic()
            assert all(client.read() == value for _ in range(1000))
            # 100 passes of the limit: were each to wait for an alarm, this would take half a minute.
            assert time.monotonic() - begun < pando.PATIENCE_S
            sender.join()


def test_an_answer_over_its_limit_is_an_error(io):
    with serving({"default": {}}, io, redis={"answer-bytes": "64KiB"}) as proxy, Client(proxy.redis_port) as client:
        client("set", "a", b"v" * 40_000)
        assert client("get", "a") == b"v" * 40_000
        assert client("append", "a", b"v" * 40_000) == 80_000
        for words in (("get", "a"), ("mget", "a", "a")):
            answer = client(*words)
            assert isinstance(answer, Refused) and "answer-bytes" in answer
        client("multi")
        client("getrange", "a", 0, 40_000)
        client("getrange", "a", 0, 40_000)
        answer = client("exec")
        assert isinstance(answer, Refused) and "answer-bytes" in answer
        assert client("ping") == "PONG"


def test_a_pipeline_of_many_clients_stays_within_its_memory(io):
    with serving({"default": {"memory": "16MiB"}}, io) as proxy:
        clients = [Client(proxy.redis_port) for _ in range(300)]
        for number, one in enumerate(clients):
            one.send(b"".join(encode("set", f"k{number}-{i}", b"v" * 500) for i in range(50)))
        for one in clients:
            assert [one.read() for _ in range(50)] == ["OK"] * 50
        figures = proxy.status()["keyspaces"][0]
        assert figures["used_bytes"] <= figures["limit_bytes"]
        for one in clients:
            one.close()


def test_idle_clients_leave_where_that_is_set(io):
    with serving({"default": {}}, io, redis={"idle-timeout": "300ms"}) as proxy, Client(proxy.redis_port) as client:
        assert client("ping") == "PONG"
        assert client.is_closed()


# --- versions, names and what clients ask at their start ---

def test_hello_chooses_the_version(client):
    client("hset", "h", "f", "v")
    assert client("hgetall", "h") == [b"f", b"v"]
    hello = client("hello", 3)
    assert hello[b"proto"] == 3 and hello[b"role"] == b"master" and hello[b"mode"] == b"standalone"
    assert client("hgetall", "h") == {b"f": b"v"}
    assert client("get", "nothing") is None
    assert client("hello", 4).startswith("NOPROTO")
    assert client("hello", 2)[:2] == [b"server", b"redis"]
    assert client("hgetall", "h") == [b"f", b"v"]


def test_names_and_numbers_of_clients(client):
    number = client("client", "id")
    assert client("client", "getname") is None
    assert client("client", "setname", "shop") == "OK" and client("client", "getname") == b"shop"
    assert b"name=shop" in client("client", "info")
    assert client("client", "setname", "a b").startswith("ERR Client names cannot contain spaces")
    assert client("client", "id") == number
    assert client("reset") == "RESET" and client("client", "getname") is None


def test_replies_may_be_left_out(client):
    client.send(encode("client", "reply", "off") + encode("set", "a", 1) + encode("client", "reply", "on"))
    assert client.read() == "OK"
    client.send(encode("client", "reply", "skip") + encode("set", "a", 2) + encode("get", "a"))
    assert client.read() == b"2"


def test_what_is_not_there_is_refused_in_a_sentence(client):
    assert client("nonsense", "a").startswith("ERR unknown command 'nonsense'")
    assert client("get") == "ERR wrong number of arguments for 'get' command"
    assert "engine" in client("xadd", "s", "*", "a", "b")
    assert client("select", 0) == "OK"
    assert isinstance(client("select", 1), Refused)
    assert client("auth", "x").startswith("ERR")


def test_the_table_of_commands_is_told(client):
    assert client("command", "count") > 150
    name, arity, flags, first, last, step = client("command", "info", "get")[0][:6]
    assert (name, arity, first, last, step) == (b"get", 2, 1, 1, 1) and "readonly" in map(str, flags)
    assert client("command", "getkeys", "mset", "a", 1, "b", 2) == [b"a", b"b"]
    assert client("command", "getkeys", "zunionstore", "t", 2, "a", "b", "weights", 1, 2) == [b"t", b"a", b"b"]
    assert b"redis_version:7" in client("info")
    assert client("config", "get", "maxmemory")[0] == b"maxmemory"


# --- transactions ---

def test_a_transaction_is_done_whole(client):
    assert client("multi") == "OK"
    assert client("set", "a", 1) == "QUEUED"
    assert client("incr", "a") == "QUEUED"
    assert client("lpush", "a", 1) == "QUEUED"
    assert client("get", "a") == "QUEUED"
    answers = client("exec")
    assert answers[:2] == ["OK", 2] and answers[2].startswith("WRONGTYPE") and answers[3] == b"2"


def test_a_mistake_while_queueing_undoes_all(client):
    client("multi")
    client("set", "a", 1)
    assert client("get").startswith("ERR wrong number")
    assert client("exec").startswith("EXECABORT")
    assert client("get", "a") is None
    assert client("exec") == "ERR EXEC without MULTI"
    assert client("discard") == "ERR DISCARD without MULTI"
    client("multi")
    assert client("multi") == "ERR MULTI calls can not be nested"
    assert client("discard") == "OK" and client("get", "a") is None


CHANGES = [("set", "w", 2), ("del", "w"), ("append", "w", "x"), ("incr", "w"), ("expire", "w", 100), ("rename", "w", "v"),
           ("rename", "other", "w"), ("copy", "other", "w", "replace"), ("flushall",), ("getdel", "w"),
           ("mset", "z", 1, "w", 3), ("setbit", "w", 1, 1)]


@pytest.mark.parametrize("change", CHANGES, ids=[words[0] for words in CHANGES])
def test_what_is_watched_and_changed_undoes_the_transaction(client, store, change):
    client("mset", "w", 1, "other", 5)
    with Client(store.redis_port) as other:
        assert client("watch", "w", "unchanged") == "OK"
        other(*change)
        client("multi")
        client("set", "done", 1)
        assert client("exec") is None
        assert client("exists", "done") == 0
        client("multi")    # EXEC has forgotten the watches
        client("set", "done", 1)
        assert client("exec") == ["OK"]


def test_what_is_watched_and_only_read_does_not(client, store):
    client("mset", "w", 1, "x", 1)
    with Client(store.redis_port) as other:
        client("watch", "w")
        other("get", "w")
        other("set", "x", 2)
        other("setnx", "w", 5)
        client("multi")
        client("incr", "w")
        assert client("exec") == [2]
        client("watch", "w")
        other("set", "w", 7)
        assert client("unwatch") == "OK"
        client("multi")
        client("get", "w")
        assert client("exec") == [b"7"]


def test_many_clients_count_to_the_same_number_by_watching(store, client):
    """Compare and set by WATCH over both workers: no increment is lost."""
    client("set", "carts:n", 0)

    def count():
        with Client(store.redis_port) as mine:
            for _ in range(50):
                while True:
                    mine("watch", "carts:n")
                    number = int(mine("get", "carts:n"))
                    mine("multi")
                    mine("set", "carts:n", number + 1)
                    if mine("exec") is not None:
                        break
    threads = [threading.Thread(target=count) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client("get", "carts:n") == b"300"


def test_a_client_that_leaves_in_mid_transaction_changes_nothing(store, client):
    gone = Client(store.redis_port)
    gone("multi")
    gone("set", "a", 1)
    gone.close()
    assert client("get", "a") is None
    half = Client(store.redis_port)
    half.send(encode("set", "a", "x" * 50)[:-10])
    half.socket.shutdown(socket.SHUT_WR)
    assert half.is_closed()
    assert client("get", "a") is None
    whole = Client(store.redis_port)
    whole.send(encode("set", "a", "1") + encode("get", "a"))
    whole.socket.shutdown(socket.SHUT_WR)
    assert whole.read() == "OK" and whole.read() == b"1"
    with pytest.raises(Closed):
        whole.read()
