# SPDX-License-Identifier: Apache-2.0
"""test_balance.py - which target gets a request, and what happens when one of them is gone.

Origins that are killed are processes of their own, so that SIGKILL is what the kernel makes of it.
"""
import collections
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

import origins
import pando
import raw
from pando import until
from traffic import Traffic

COPY = r'''
import http.server, socketserver, sys, time

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    def version_string(self):
        return sys.argv[2]
    def do_GET(self):
        body = self.path.encode()
        time.sleep(0.001)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()
    def log_message(self, *_):
        pass

class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
'''


class Copy:
    """One copy of an application, in a process of its own."""

    def __init__(self, name):
        self.name, self.port = name, pando.free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.start()

    def start(self):
        self.process = subprocess.Popen([sys.executable, "-c", COPY, str(self.port), self.name])
        until(self.answers, "a copy to start")

    def answers(self):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        return False

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def copies():
    made = [Copy(name) for name in ("a", "b", "c")]
    yield made
    for copy in made:
        copy.kill()


@pytest.fixture
def trio():
    """Three scriptable origins that say who they are."""
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(origins.Origin()) for _ in range(3)]
        for index, server in enumerate(made):
            server.default = lambda exchange, index=index: exchange.answer(200, [("Server", f"s{index}")], b"ok")
        yield made


def config_of(servers, balance, weights=None, **more):
    weights = weights or [1] * len(servers)
    targets = [{"address": server.address, "weight": weight} for server, weight in zip(servers, weights)]
    return pando.merged({"services": {"shop": {"balance": balance, "hash": {"key": "query:n"}, "targets": targets}},
                         "workers": 1}, more)


def ask_many(proxy, count):
    """Who answered, in order."""
    with proxy.client() as client:
        answers = [client.ask(f"/{i}") for i in range(count)]
    assert {answer.status for answer in answers} == {200}, [answer.head for answer in answers if answer.status != 200]
    return [answer.get("Server") for answer in answers]


# --- strategies ---


@pytest.mark.parametrize("weights", [(1, 1, 1), (3, 2, 1), (5, 1, 1)])
def test_round_robin_is_exact_and_smooth(start, trio, weights):
    proxy = start(config_of(trio, "round-robin", weights))
    whole = sum(weights)
    order = ask_many(proxy, whole * 6)
    for at in range(0, len(order), whole):    # in every window of a whole round
        counts = collections.Counter(order[at:at + whole])
        assert [counts[f"s{i}"] for i in range(3)] == list(weights)
    if weights == (5, 1, 1):
        assert "s0 s0 s0 s0 s0" not in " ".join(order[:7])    # smooth: the heavy one has no long run
    figures = [proxy.metric("pando_upstream_requests_total", target=server.address) for server in trio]
    until(lambda: [proxy.metric("pando_upstream_requests_total", target=server.address) for server in trio] ==
          [weight * 6 for weight in weights], lambda: f"the counts in /metrics: {figures}")


def test_least_connections_avoids_a_busy_one(start, trio):
    gate = threading.Event()
    for server in trio:
        server.on("/hold", lambda exchange: (gate.wait(20), exchange.answer(200)))
    proxy = start(config_of(trio, "least-connections"))
    with contextlib.ExitStack() as stack:
        holders = [stack.enter_context(proxy.client()) for _ in range(6)]
        for holder in holders[:2]:    # two are busy now, each with one
            holder.send(raw.request("/hold"))
            time.sleep(0.05)
        busy = {index for index, server in enumerate(trio) if server.seen("/hold")}
        assert len(busy) == 2
        free = ({0, 1, 2} - busy).pop()
        assert set(ask_many(proxy, 30)) == {f"s{free}"}
        # And those that stay are spread evenly.
        for holder in holders[2:]:
            holder.send(raw.request("/hold"))
            time.sleep(0.05)
        assert [len(server.seen("/hold")) for server in trio] == [2, 2, 2]
        gate.set()
        for holder in holders:
            assert holder.answer().status == 200
    assert proxy.metric("pando_upstream_inflight") == 0


def test_least_connections_by_weight(start, trio):
    gate = threading.Event()
    for server in trio:
        server.on("/hold", lambda exchange: (gate.wait(20), exchange.answer(200)))
    proxy = start(config_of(trio, "least-connections", (4, 2, 1)))
    with contextlib.ExitStack() as stack:
        for _ in range(14):
            stack.enter_context(proxy.client()).send(raw.request("/hold"))
            time.sleep(0.02)
        until(lambda: sum(len(server.seen("/hold")) for server in trio) == 14, "all to arrive")
        assert [len(server.seen("/hold")) for server in trio] == [8, 4, 2]
        gate.set()


def test_two_choices_spreads(start, trio):
    proxy = start(config_of(trio, "two-choices", (2, 1, 1)))
    counts = collections.Counter(ask_many(proxy, 1200))
    assert set(counts) == {"s0", "s1", "s2"}
    assert 450 < counts["s0"] < 750 and 200 < counts["s1"] < 400 and 200 < counts["s2"] < 400, counts


def test_two_choices_sees_who_is_slow(start, trio):
    """The slow one of three gets far less than a third, because it is busy when it is drawn."""
    for index, server in enumerate(trio):
        pause_s = 0.1 if index == 0 else 0.002
        server.default = lambda exchange, index=index, pause_s=pause_s: (
            time.sleep(pause_s), exchange.answer(200, [("Server", f"s{index}")], b"ok"))
    proxy = start(config_of(trio, "two-choices"))
    with Traffic(proxy.port, clients=6) as traffic:
        time.sleep(1.5)
    assert traffic.failures == []
    assert traffic.servers["s0"] < 0.15 * traffic.done, traffic.servers


def test_workers_share_what_they_know(start, trio):
    """Requests in flight are counted over all workers."""
    gate = threading.Event()
    for server in trio:
        server.on("/hold", lambda exchange: (gate.wait(20), exchange.answer(200)))
    proxy = start(config_of(trio, "least-connections", workers=2))
    with contextlib.ExitStack() as stack:
        for _ in range(12):    # each on a connection of its own, so on either worker
            stack.enter_context(proxy.client()).send(raw.request("/hold"))
            time.sleep(0.02)
        until(lambda: sum(len(server.seen("/hold")) for server in trio) == 12, "all to arrive")
        assert [len(server.seen("/hold")) for server in trio] == [4, 4, 4]
        gate.set()


# --- those that are gone ---


def test_a_dead_target_is_passed_over_and_returns(start, trio):
    proxy = start(config_of(trio, "round-robin", breaker={"pause-first": "200ms", "pause-most": "400ms"}))
    assert set(ask_many(proxy, 3)) == {"s0", "s1", "s2"}
    trio[1].stop()
    until(lambda: proxy.metric("pando_upstream_connections_idle", target=trio[1].address) == 0,
          "its kept connections to be closed")
    assert set(ask_many(proxy, 30)) == {"s0", "s2"}
    assert proxy.metric("pando_upstream_healthy", target=trio[1].address) == 0
    assert proxy.metric("pando_upstream_healthy") == 2
    status = proxy.status()
    assert "refused" in str(status), status    # with the reason
    assert f"{trio[1].address} is passed over" in proxy.stderr
    # Passed over means: it costs the others nothing. One request a pause tries it.
    tries = proxy.metric("pando_upstream_connects_total", target=trio[1].address)
    began = time.monotonic()
    ask_many(proxy, 300)
    more = proxy.metric("pando_upstream_connects_total", target=trio[1].address) - tries
    assert more <= (time.monotonic() - began) / 0.15 + 2, more
    trio[1].restart()
    until(lambda: "s1" in ask_many(proxy, 6), "it to be asked again")
    until(lambda: proxy.metric("pando_upstream_healthy") == 3, "it to be healthy")
    order = ask_many(proxy, 30)
    assert order.count("s1") == 10


def test_a_post_goes_elsewhere_as_well_if_nothing_was_sent(start, trio):
    trio[0].stop()
    proxy = start(config_of(trio, "round-robin"))
    for i in range(12):
        answer = proxy.ask(f"/{i}", "POST", body=b"x" * 5000)
        assert answer.status == 200 and answer.get("Server") in ("s1", "s2")


def test_all_are_gone_and_come_back(start, trio):
    proxy = start(config_of(trio, "two-choices", breaker={"pause-first": "100ms", "pause-most": "300ms"}))
    ask_many(proxy, 3)
    for server in trio:
        server.stop()
    began = time.monotonic()
    answers = [proxy.ask() for _ in range(20)]
    assert {answer.status for answer in answers} <= {502, 503}
    assert answers[-1].get("Retry-After") is not None
    assert time.monotonic() - began < 5    # refused at once, not after a timeout
    for server in trio:
        server.restart()
    until(lambda: proxy.ask().status == 200, "the service to be back")
    until(lambda: (proxy.ask(), proxy.metric("pando_upstream_healthy"))[1] == 3, "all to be back")
    assert len(set(ask_many(proxy, 60))) == 3


@pytest.mark.parametrize("balance", pando.strategies())
def test_a_copy_is_killed_under_load(start, copies, balance):
    """kill -9 of one of three: idempotent requests do not notice, nor its coming back."""
    proxy = start(config_of(copies, balance, workers=2, breaker={"pause-first": "100ms", "pause-most": "500ms"}))
    with Traffic(proxy.port, clients=4) as kept, Traffic(proxy.port, clients=2, keep=False) as fresh:
        kept.wait_for(300)
        for _ in range(10 if pando.LONG else 2):
            copies[1].kill()
            kept.wait_for(300)
            fresh.wait_for(100)
            before = kept.servers.get("b", 0)
            copies[1].start()
            until(lambda: kept.servers.get("b", 0) > before, "the copy to be asked again")
    assert kept.failures == [] and fresh.failures == []
    print(balance, dict(kept.servers), "retries", proxy.metric("pando_retries_total"),
          f"longest {kept.longest_s * 1000:.0f} ms")


# --- addresses ---


def test_a_unix_socket(start, tmp_path):
    path = tmp_path / "app.sock"
    with origins.Origin(path=str(path)) as server:
        proxy = start({"services": {"shop": {"targets": [f"unix:{path}"]}}})
        assert proxy.ask("/u", "POST", body=b"x" * 100_000).status == 200
        assert len(server.seen("/u")[0].body) == 100_000
        server.stop()
        assert proxy.ask("/gone").status in (502, 503)
        server.restart()
        until(lambda: proxy.ask("/back").status == 200, "the socket to be tried again")


def own_hosts(tmp_path, lines):
    """A command before Pando's, in whose mount namespace /etc/hosts is ours. Needs root."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False).returncode != 0:
        pytest.skip("a mount namespace of its own needs root")
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{line}\n" for line in lines))
    return ["unshare", "-m", "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$@"', "sh"]


def test_a_name_with_several_addresses(start, tmp_path):
    """Every address of a name is a target of its own."""
    port = pando.free_port()
    places = {"127.0.0.1": socket.AF_INET, "127.0.0.2": socket.AF_INET, "::1": socket.AF_INET6}
    prefix = own_hosts(tmp_path, [f"{address} trio.test" for address in places])
    with contextlib.ExitStack() as stack:
        for address, family in places.items():
            stack.enter_context(origins.serving(family, address, port))
        config = {"services": {"shop": {"targets": [f"trio.test:{port}"], "balance": "round-robin"}}, "workers": 1}
        proxy = start(config, prefix=prefix)
        until(lambda: proxy.ask().status == 200, "the name to be resolved")
        until(lambda: {proxy.ask().get("Server") for _ in range(6)} == set(places), "all three to be asked")
        counts = collections.Counter(proxy.ask().get("Server") for _ in range(30))
        assert set(counts.values()) == {10}, counts


def test_localhost_is_a_name(start, origin):
    """Whatever addresses it has here, and although the origin listens on one of them."""
    proxy = start({"services": {"shop": {"targets": [f"localhost:{origin.port}"]}}})
    until(lambda: proxy.ask().status == 200, "the name to be resolved")
    for _ in range(20):
        assert proxy.ask("/x", "POST", body=b"x").status == 200


def test_a_name_that_does_not_exist(start, origin):
    """It is said, and the others of the service are asked."""
    proxy = start({"services": {"shop": {"targets": ["no-such-name.invalid:80", origin.address]}}})
    for _ in range(10):
        assert proxy.ask().status == 200
    until(lambda: "no-such-name.invalid" in proxy.stderr, lambda: f"a word about it:\n{proxy.stderr}")


def test_services_are_told_apart(start, trio):
    """By host and by the longest path; what fits none is answered with 404."""
    proxy = start({"services": {
        "a": {"match": {"host": "a.test"}, "targets": [trio[0].address]},
        "api": {"match": {"host": "a.test", "path": "/api"}, "targets": [trio[1].address]},
        "all": {"match": {"host": "*.b.test"}, "targets": [trio[2].address]}}})
    for host, path, server in (("a.test", "/", "s0"), ("A.TEST:80", "/x", "s0"), ("a.test", "/api", "s1"),
                               ("a.test", "/api/x", "s1"), ("a.test", "/apix", "s0"), ("x.b.test", "/", "s2"),
                               ("y.x.b.test", "/api", "s2")):
        assert proxy.ask(path, fields=[("Host", host)]).get("Server") == server, (host, path)
    for host in ("b.test", "c.test", "xa.test"):
        assert proxy.ask("/", fields=[("Host", host)]).status == 404, host


# --- two-choices by latency ---


def test_by_latency_the_slow_one_gets_fewer(start, trio):
    """One of three takes 60 ms for an answer; requests come one at a time, so nothing else tells it from the others."""
    trio[0].default = lambda exchange: (time.sleep(0.06), exchange.answer(200, [("Server", "s0")], b"late"))
    proxy = start(config_of(trio, "two-choices", services={"shop": {"two-choices": {"latency": True}}}))
    shares = collections.Counter(ask_many(proxy, 120))
    assert shares["s0"] <= 3 and min(shares["s1"], shares["s2"]) > 0, shares
