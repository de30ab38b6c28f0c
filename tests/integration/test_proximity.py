# SPDX-License-Identifier: Apache-2.0
"""test_proximity.py - balance: proximity. The own zone first, then outwards as the near ones fill up or are gone."""
import collections
import contextlib
import threading

import pytest

import origins
import pando
import raw
from pando import until

ZONES = ["eu/a", "eu/a", "eu/b", "us/a"]


@pytest.fixture
def servers():
    """Two in eu/a, one in eu/b, one in us/a; each says who it is."""
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(origins.Origin()) for _ in ZONES]
        for index, server in enumerate(made):
            server.default = lambda exchange, index=index: exchange.answer(200, [("Server", f"s{index}")], b"ok")
        yield made


def config_of(servers, **more):
    targets = [{"address": server.address, "zone": zone} for server, zone in zip(servers, ZONES)]
    return pando.merged({"services": {"shop": {"balance": "proximity", "targets": targets}}, "workers": 1,
                         "breaker": {"pause-first": "100ms", "pause-most": "200ms"}}, more)


def shares(proxy, count=40):
    with proxy.client() as client:
        answers = [client.ask(f"/{i}") for i in range(count)]
    assert {answer.status for answer in answers} == {200}
    return collections.Counter(answer.get("Server") for answer in answers)


@pytest.mark.parametrize("zone, near", [("eu/a", {"s0", "s1"}), ("eu/b", {"s2"}), ("us/a", {"s3"}), ("us/z", {"s3"})])
def test_the_own_zone_comes_first(start, servers, zone, near):
    proxy = start(config_of(servers), flags=["--zone", zone])
    assert set(shares(proxy)) == near


def test_far_from_all_every_target_is_as_near(start, servers):
    proxy = start(config_of(servers), flags=["--zone", "asia/a"])
    assert len(shares(proxy, 80)) == 4


def test_without_a_zone_every_target_is_as_near(start, servers):
    assert len(shares(start(config_of(servers)), 80)) == 4


def test_it_goes_outwards_as_the_near_ones_go_and_back(start, servers):
    proxy = start(config_of(servers), flags=["--zone", "eu/a"])
    assert set(shares(proxy)) == {"s0", "s1"}
    servers[0].stop()
    assert set(shares(proxy)) == {"s1"}
    servers[1].stop()
    assert set(shares(proxy)) == {"s2"}
    servers[2].stop()
    assert set(shares(proxy)) == {"s3"}
    servers[0].restart()
    until(lambda: set(shares(proxy)) == {"s0"}, "the own zone to be back")
    for server in servers[1:3]:
        server.restart()


def test_it_spills_as_the_near_ones_fill(start, servers):
    """Capacity 5 each: eu/a holds 10. Up to 5 in flight all stay; of 20 some have gone to the region and beyond."""
    gate = threading.Event()
    for server in servers:
        server.on("/hold", lambda exchange: (gate.wait(20), exchange.answer(200)))
    proxy = start(config_of(servers, services={"shop": {"proximity": {"capacity": 5}}}), flags=["--zone", "eu/a"])
    held = lambda: [len(server.seen("/hold")) for server in servers]
    with contextlib.ExitStack() as stack:
        clients = []
        for count in range(1, 21):
            clients.append(stack.enter_context(proxy.client()))
            clients[-1].send(raw.request("/hold"))
            until(lambda count=count: sum(held()) == count, "it to arrive")
            if count == 6:
                assert sum(held()[:2]) == 6
        assert sum(held()[:2]) <= 11 and held()[2] > 0 and held()[3] > 0, held()
        gate.set()
        for client in clients:
            assert client.answer().status == 200
    until(lambda: set(shares(proxy)) == {"s0", "s1"}, "all to be near again")


def test_by_time(start, servers):
    """On one machine all are as near; each is measured when it is first connected to."""
    proxy = start(config_of(servers, services={"shop": {"proximity": {"by": "time"}}}), flags=["--zone", "eu/a"])
    until(lambda: len(shares(proxy)) > 1 and len({name for _ in range(5) for name in shares(proxy)}) == 4,
          "all to be asked")
    for server in servers:
        assert 0 < proxy.metric("pando_upstream_connect_microseconds", target=server.address) < 5_000_000
