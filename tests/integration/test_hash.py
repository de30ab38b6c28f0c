# SPDX-License-Identifier: Apache-2.0
"""test_hash.py - balance: hash. A key has a target; when that is gone, overfull or back, as few keys move as can be."""
import collections
import contextlib
import threading

import pytest

import origins
import pando
import raw
from pando import until

TARGETS = 5


@pytest.fixture
def servers():
    """Origins that say who they are."""
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(origins.Origin()) for _ in range(TARGETS)]
        for index, server in enumerate(made):
            server.default = lambda exchange, index=index: exchange.answer(200, [("Server", f"s{index}")], b"ok")
        yield made


def config_of(servers, key, **more):
    return pando.merged({"services": {"shop": {"balance": "hash", "hash": {"key": key},
                                               "targets": [server.address for server in servers]}}, "workers": 2}, more)


def with_key(kind, value):
    """The path and fields of a request that has this key."""
    return {"header:X-User": ("/", [("X-User", value)]), "cookie:user": ("/", [("Cookie", f"a=b; user={value}; c=d")]),
            "path": (f"/{value}?n=1", []), "query:user": (f"/?a=b&user={value}", [])}[kind]


def who(proxy, kind, values):
    """Who answers for each key. Each over a new connection, so that both workers are asked."""
    found = []
    for value in values:
        path, fields = with_key(kind, value)
        answer = proxy.ask(path, fields=fields)
        assert answer.status == 200
        found.append(answer.get("Server"))
    return found


@pytest.mark.parametrize("kind", ["header:X-User", "cookie:user", "path", "query:user"])
def test_a_key_has_a_target(start, servers, kind):
    proxy = start(config_of(servers, kind))
    values = [f"u{i}" for i in range(40)]
    first = who(proxy, kind, values)
    assert len(set(first)) == TARGETS
    assert who(proxy, kind, values) == first


def test_another_node_finds_the_same_target(start, servers):
    one, other = start(config_of(servers, "path")), start(config_of(servers[::-1], "path", workers=1))
    values = [f"u{i}" for i in range(40)]
    assert who(one, "path", values) == who(other, "path", values)


def test_an_address_has_a_target(start, servers):
    """Two clients, each always the same server; a believed proxy says who they are."""
    proxy = start(config_of(servers, "address", listeners={"web": {"trust": ["127.0.0.0/8"]}}))
    for client in ("192.0.2.1", "192.0.2.77"):
        answers = {proxy.ask("/", fields=[("X-Forwarded-For", client)]).get("Server") for _ in range(8)}
        assert len(answers) == 1
    found = {proxy.ask("/", fields=[("X-Forwarded-For", f"192.0.2.{i}")]).get("Server") for i in range(60)}
    assert len(found) == TARGETS


def test_keys_of_the_others_stay_when_one_is_gone(start, servers):
    proxy = start(config_of(servers, "path", breaker={"pause-first": "100ms", "pause-most": "200ms"}))
    values = [f"u{i}" for i in range(100)]
    before = who(proxy, "path", values)
    servers[2].stop()
    until(lambda: (proxy.ask("/"), proxy.metric("pando_upstream_healthy", target=servers[2].address))[1] == 0
          or who(proxy, "path", values[:20]) is None, "it to be seen to be gone")
    after = who(proxy, "path", values)
    moved = [(old, new) for old, new in zip(before, after) if old != new]
    assert sum(old != "s2" for old, _ in moved) <= 5, moved
    assert len({new for old, new in moved if old == "s2"}) > 1    # and not all to one
    servers[2].restart()
    until(lambda: who(proxy, "path", values) == before, "every key to be where it was")


def test_a_hot_key_does_not_fill_its_target(start, servers):
    """20 requests of one key at once: at most ceil(1.25 * 20 / 5) = 5 for each of them."""
    gate = threading.Event()
    for server in servers:
        server.on("/hot", lambda exchange: (gate.wait(20), exchange.answer(200)))
    proxy = start(config_of(servers, "path"))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(proxy.client()) for _ in range(20)]
        for count, client in enumerate(clients, 1):
            client.send(raw.request("/hot"))
            until(lambda count=count: sum(len(server.seen("/hot")) for server in servers) == count, "it to arrive")
        shares = [len(server.seen("/hot")) for server in servers]
        gate.set()
        for client in clients:
            assert client.answer().status == 200
    assert max(shares) == 5, shares


def test_without_a_bound_it_does(start, servers):
    gate = threading.Event()
    for server in servers:
        server.on("/hot", lambda exchange: (gate.wait(20), exchange.answer(200)))
    proxy = start(config_of(servers, "path", services={"shop": {"hash": {"load-percent": "none"}}}))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(proxy.client()) for _ in range(10)]
        for client in clients:
            client.send(raw.request("/hot"))
        until(lambda: sum(len(server.seen("/hot")) for server in servers) == 10, "all to arrive")
        assert max(len(server.seen("/hot")) for server in servers) == 10
        gate.set()
        for client in clients:
            assert client.answer().status == 200


def test_weights(start, servers):
    proxy = start({"services": {"shop": {"balance": "hash", "hash": {"key": "path"}, "targets": [
        {"address": servers[0].address, "weight": 4}, {"address": servers[1].address, "weight": 1}]}}})
    shares = collections.Counter(who(proxy, "path", [f"w{i}" for i in range(300)]))
    assert 190 < shares["s0"] < 285, shares


def test_a_key_that_nothing_has_is_refused(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text('services: {shop: {targets: "a:1", balance: hash, hash: {key: "body:x"}}}\n')
    done = pando.command("check", file)
    assert done.returncode == 2
    assert "expected address, header:NAME, cookie:NAME, path or query:NAME" in done.stderr + done.stdout
