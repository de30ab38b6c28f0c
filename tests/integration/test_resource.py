# SPDX-License-Identifier: Apache-2.0
"""test_resource.py - balance resource: by what servers report in answers, to probes, through agents.

Probes go to the targets' addresses, so several targets are 127.0.0.2, 127.0.0.3 ...
"""
import collections
import contextlib
import json
import threading
import time

import pytest

import agent
import origins
import pando
from pando import until


class Fleet:
    """Servers that say who they are; `report` is what each puts into its answers, `probe` what it says to
    probes (a dict, bytes of an answer, or None: it holds them)."""

    def __init__(self, stack, count):
        self.probe_port, self.hold = pando.free_port(), threading.Event()
        stack.callback(self.hold.set)
        self.servers, self.reports, self.probes, self.probers = [], {}, {}, []
        for index in range(count):
            server = stack.enter_context(origins.Origin(host=f"127.0.0.{index + 2}"))
            server.default = lambda exchange, index=index: exchange.answer(
                200, [("Server", f"s{index}"), *self.reports.get(index, [])], b"ok")
            self.servers.append(server)

    def listen(self, stack):
        for index, server in enumerate(self.servers):
            prober = stack.enter_context(origins.Origin(host=server.host, port=self.probe_port))
            prober.default = lambda exchange, index=index: self.say(exchange, index)
            self.probers.append(prober)
        return self

    def say(self, exchange, index):
        said = self.probes.get(index, {"rif": 1, "latency_us": 1000})
        if said is None:
            self.hold.wait(pando.PATIENCE_S)
        elif isinstance(said, bytes):
            exchange.send(said)
        else:
            exchange.answer(200, [("Content-Type", "application/json")], json.dumps(said).encode())

    def config(self, probes=True, **more):
        settings = {"probe-port": self.probe_port, "probe-timeout": "5s"} if probes else {}
        return {"workers": 1, "services": {"shop": {
            "balance": "resource", "targets": [server.address for server in self.servers],
            "resource": {**settings, **more}}}}


@pytest.fixture
def fleet():
    with contextlib.ExitStack() as stack:
        def make(count, listen=True):
            it = Fleet(stack, count)
            return it.listen(stack) if listen else it
        yield make


def shares(proxy, count=100):
    with proxy.client() as client:
        return collections.Counter(client.ask(f"/{i}").get("Server") for i in range(count))


def basis(proxy):
    return proxy.status()["services"][0]["balance_basis"]


def await_basis(proxy, wanted):
    until(lambda: shares(proxy, 20) and basis(proxy) == wanted, lambda: f"{wanted}: {basis(proxy)}")


ORCA = "Endpoint-Load-Metrics"


def orca(cpu, qps=100):
    return [(ORCA, f"TEXT cpu_utilization={cpu}, rps_fractional={qps}, named_metrics.other=3")]


def test_reported_utilisation_shifts_the_traffic_and_is_taken_out(start, fleet):
    it = fleet(2, listen=False)
    it.reports = {0: orca(0.1), 1: [(ORCA, 'JSON {"application_utilization": 0.9, "rps_fractional": 100}')]}
    proxy = start(it.config(probes=False, blackout="0s", update="100ms"))
    answer = proxy.ask("/")
    assert answer.status == 200 and answer.get(ORCA) is None
    await_basis(proxy, "utilisation")
    until(lambda: shares(proxy, 200)["s0"] > 150, lambda: f"9 of 10 go to the idle one: {shares(proxy, 200)}")
    it.reports = {0: orca(0.9), 1: orca(0.1)}
    until(lambda: shares(proxy, 200)["s1"] > 150, "and to the other, when that is the idle one")
    assert basis(proxy) == "utilisation" and "resource by utilisation" in proxy.command("status").stdout


def test_reports_that_are_missing_malformed_or_old_fall_back_and_it_is_said(start, fleet):
    it = fleet(3, listen=False)
    it.reports = {0: [(ORCA, "TEXT cpu_utilization=nan")], 1: [(ORCA, "BIN AAAA")], 2: [(ORCA, "x" * 4000)]}
    proxy = start(it.config(probes=False, blackout="0s", update="100ms", expire="300ms"))
    await_basis(proxy, "two-choices")
    assert set(shares(proxy)) == {"s0", "s1", "s2"}
    fallbacks = lambda: proxy.metric("pando_balance_fallbacks_total", service="shop")
    until(lambda: shares(proxy, 10) and fallbacks() > 50, "fallbacks are counted")
    assert proxy.metric("pando_balance_basis", service="shop") == 4
    assert "resource by two-choices" in proxy.admin("/").text
    it.reports = {index: orca(0.5) for index in range(3)}
    await_basis(proxy, "utilisation")
    it.reports = {}
    await_basis(proxy, "two-choices")


def test_the_field_is_kept_for_clients_if_they_may_have_it(start, fleet):
    it = fleet(1, listen=False)
    it.reports = {0: orca(0.5)}
    proxy = start(it.config(probes=False, **{"keep-field": True}))
    assert "cpu_utilization=0.5" in proxy.ask("/").get(ORCA)
    config = it.config(probes=False)
    config["services"]["shop"]["balance"] = "two-choices"
    assert proxy.reload(config).returncode == 0
    assert "cpu_utilization=0.5" in proxy.ask("/").get(ORCA), "other strategies do not look at it"


def test_requests_in_flight_in_answers_are_compared_without_probes(start, fleet):
    it = fleet(3, listen=False)
    say = lambda rif: [(ORCA, f"TEXT named_metrics.rif={rif}, named_metrics.latency_us=1000")]
    it.reports = {0: say(500), 1: say(1), 2: say(1)}
    proxy = start(it.config(probes=False))
    until(lambda: shares(proxy, 100)["s0"] < 20 and basis(proxy) == "reports", "the busy one gets less")


@pytest.mark.parametrize("count, wanted", [(3, "reports"), (9, "reports"), (17, "probes")])
def test_probes_find_the_busy_one(start, fleet, count, wanted):
    it = fleet(count)
    it.probes = {0: {"rif": 400, "latency_us": 1000}}
    proxy = start(it.config())
    await_basis(proxy, wanted)
    until(lambda: shares(proxy, 100)["s0"] <= 3, lambda: f"hardly anything goes to it: {shares(proxy)}")
    assert proxy.metric("pando_upstream_probes_total") > count
    if wanted == "probes":
        until(lambda: shares(proxy, 20) and proxy.metric("pando_balance_pool_size") >= 2, "a pool")
    connections = sum(len(prober.connections) for prober in it.probers)
    shares(proxy, 100)
    assert sum(len(prober.connections) for prober in it.probers) <= connections + count, "they are kept"


@pytest.mark.parametrize("count, wanted", [(3, "reports"), (17, "probes")])
def test_the_first_request_after_a_pause_finds_fresh_reports(start, fleet, count, wanted):
    it = fleet(count)
    proxy = start(it.config(**{"max-age": "2s"}))
    await_basis(proxy, wanted)
    fallbacks = proxy.metric("pando_balance_fallbacks_total")
    asked = proxy.metric("pando_upstream_probes_total")
    until(lambda: proxy.metric("pando_upstream_probes_total") >= asked + 6, "probes without requests")
    for _ in range(2):
        time.sleep(2.5)     # longer than max-age
        assert proxy.ask("/").status == 200
        assert basis(proxy) == wanted
    assert proxy.metric("pando_balance_fallbacks_total") == fallbacks


@pytest.mark.parametrize("said", [
    None, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}x", b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n",
    b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"rif\":1}GET", b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 5000,
])
def test_probes_that_bring_nothing_are_no_failure(start, fleet, said):
    it = fleet(3)
    it.probes = {index: said for index in range(3)}
    proxy = start(it.config(**{"probe-timeout": "20ms"}))
    until(lambda: shares(proxy, 10) and proxy.metric("pando_upstream_probe_misses_total") > 2 * 3, "misses are counted")
    until(lambda: shares(proxy, 10) and basis(proxy) in ("two-choices", "reports"), "it is shown")
    if said is not None and b'{"rif":1}' not in said:
        assert basis(proxy) == "two-choices"
    it.hold.set()
    it.probes = {}
    await_basis(proxy, "reports")


def test_a_reload_may_take_probes_away_while_they_are_under_way(start, fleet):
    it = fleet(9)
    it.probes = {index: None for index in range(9)}
    proxy = start(it.config())
    shares(proxy, 50)
    assert proxy.reload(it.config(probes=False)).returncode == 0
    it.hold.set()
    await_basis(proxy, "two-choices")
    it.probes = {}
    config = it.config()
    config["services"]["shop"]["targets"] = config["services"]["shop"]["targets"][:4]
    assert proxy.reload(config).returncode == 0
    await_basis(proxy, "reports")


def test_pando_agent_beside_real_origins(start, io, fleet):
    """The application reports its requests; the busy one gets less; when the agents die it falls back."""
    it = fleet(3, listen=False)
    with contextlib.ExitStack() as stack:
        beside = [stack.enter_context(agent.running(io, host=server.host, http_port=it.probe_port))
                  for server in it.servers]
        for index, one in enumerate(beside):
            one.write(one.report, f"rif={300 if index == 0 else 2} latency_us=1000\n")
        stop = threading.Event()
        writer = threading.Thread(target=lambda: [
            [one.write(one.report, one.report.read_text()) for one in beside] for _ in iter(lambda: stop.wait(0.5), True)])
        writer.start()
        try:
            proxy = start(it.config())
            await_basis(proxy, "reports")
            until(lambda: shares(proxy, 100)["s0"] < 10, lambda: f"the busy one gets less: {shares(proxy)}")
        finally:
            stop.set()
            writer.join()
        for one in beside:
            one.kill()
        await_basis(proxy, "two-choices")
        assert set(shares(proxy)) == {"s0", "s1", "s2"}
