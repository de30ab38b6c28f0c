# SPDX-License-Identifier: Apache-2.0
"""test_names.py - targets by name: records that change, and a resolver that falls ill (reliability 4.2, row 20)."""
import collections
import contextlib
import socket

import pytest

import origins
import pando
from names import Names
from pando import until
from traffic import Traffic


@pytest.fixture
def names():
    with Names() as server:
        yield server


@pytest.fixture
def pair():
    """Two origins that say who they are, on 127.0.0.1."""
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(origins.Origin()) for _ in range(2)]
        for index, server in enumerate(made):
            server.default = lambda exchange, index=index: exchange.answer(200, [("Server", f"s{index}")], b"ok")
        yield made


def config_of(target, **more):
    return pando.merged({"services": {"shop": {"targets": [target], "balance": "round-robin"}}, "workers": 1}, more)


def who(proxy, count=8):
    answers = [proxy.ask() for _ in range(count)]
    return collections.Counter(answer.get("Server") for answer in answers if answer.status == 200)


def test_srv_records_give_ports_and_weights(start, names, pair, tmp_path):
    names.say("_http._tcp.app.test", srv=[(1, 3, pair[0].port, "one.test"), (1, 1, pair[1].port, "two.test")], ttl_s=60)
    for name in ("one.test", "two.test"):
        names.say(name, a=["127.0.0.1"], ttl_s=60)
    proxy = start(config_of("srv:_http._tcp.app.test"), prefix=names.prefix(tmp_path))
    until(lambda: len(who(proxy)) == 2, "both to be asked")
    assert who(proxy, 40) == {"s0": 30, "s1": 10}


def test_srv_records_that_change_are_followed(start, names, pair, tmp_path):
    names.say("one.test", a=["127.0.0.1"])
    names.say("_http._tcp.app.test", srv=[(1, 1, pair[0].port, "one.test")])
    proxy = start(config_of("srv:_http._tcp.app.test"), prefix=names.prefix(tmp_path))
    until(lambda: who(proxy) == {"s0": 8}, "the first to be asked")
    with Traffic(proxy.port, clients=2) as traffic:
        traffic.wait_for(20)
        names.say("_http._tcp.app.test", srv=[(1, 1, pair[0].port, "one.test"), (1, 1, pair[1].port, "one.test")])
        until(lambda: len(who(proxy)) == 2, "the second to be asked")
        names.say("_http._tcp.app.test", srv=[(1, 1, pair[1].port, "one.test")])
        until(lambda: who(proxy) == {"s1": 8}, "the first to be left alone")
    assert traffic.failures == []


def test_an_address_that_changes_is_followed_and_nothing_is_lost(start, names, tmp_path):
    port = pando.free_port()
    places = ["127.0.0.1", "127.0.0.2"]
    with contextlib.ExitStack() as stack:
        for place in places:
            stack.enter_context(origins.serving(socket.AF_INET, place, port))
        names.say("app.test", a=places[:1])
        proxy = start(config_of(f"app.test:{port}"), prefix=names.prefix(tmp_path))
        until(lambda: who(proxy) == {places[0]: 8}, "the first address to be asked")
        with Traffic(proxy.port, clients=2) as traffic:
            for turn in range(4):
                traffic.wait_for(20)
                place = places[(turn + 1) % 2]
                names.say("app.test", a=[place])
                until(lambda place=place: who(proxy) == {place: 8}, "the new address to be asked")
        assert traffic.failures == []


@pytest.mark.parametrize("trouble", ["nxdomain", "servfail", "silent", 1.5])
def test_while_the_resolver_is_ill_the_last_good_addresses_serve(start, names, pair, tmp_path, trouble):
    names.say("app.test", a=["127.0.0.1"])
    proxy = start(config_of(f"app.test:{pair[0].port}"), prefix=names.prefix(tmp_path))
    until(lambda: who(proxy) == {"s0": 8}, "the address to be asked")
    with Traffic(proxy.port, clients=2) as traffic:
        names.trouble = trouble
        names.wait_until_asked(1 if trouble == "silent" else 2)
        traffic.wait_for(20)
        if isinstance(trouble, str):
            until(lambda: "app.test" in proxy.stderr, lambda: f"a word about it:\n{proxy.stderr}")
        names.trouble = None
        names.wait_until_asked()
        traffic.wait_for(20)
    assert traffic.failures == []


def test_a_name_that_cannot_be_resolved_at_first_is_used_as_soon_as_it_can(start, names, pair, tmp_path):
    names.trouble = "servfail"
    names.say("app.test", a=["127.0.0.1"])
    config = {"services": {"shop": {"targets": [f"app.test:{pair[0].port}"]},
                           "other": {"match": {"host": "other.example"}, "targets": [pair[1].address]}}, "workers": 1}
    proxy = start(config, prefix=names.prefix(tmp_path))
    assert proxy.ask().status in (502, 503)
    names.trouble = None
    until(lambda: who(proxy, 1) == {"s0": 1}, "the name to be asked for again")
