# SPDX-License-Identifier: Apache-2.0
"""test_agent_check.py - agents beside the targets say how much these can take, and Pando obeys.

Agents answer on the targets' addresses, so the targets are 127.0.0.2, 127.0.0.3 and 127.0.0.4.
"""
import collections
import contextlib
import socket
import threading

import pytest

import agent
import origins
import pando
from pando import until


class Voice:
    """An agent that says what the test says; `heard` is what it was sent."""

    def __init__(self, host, port):
        self.line, self.heard, self.asked_count = b"up 100%\n", b"", 0
        self.listener = socket.create_server((host, port), backlog=64)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                with sock, contextlib.suppress(OSError):
                    sock.settimeout(5)
                    self.asked_count += 1
                    if self.line is None:      # neither answers nor ends
                        sock.recv(1000)
                        while sock.recv(1000):
                            pass
                        continue
                    for piece in self.line if isinstance(self.line, list) else [self.line]:
                        sock.sendall(piece)
                    sock.shutdown(socket.SHUT_WR)
                    while data := sock.recv(1000):
                        self.heard = data

    def stop(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Trio:
    def __init__(self, stack):
        self.agent_port = pando.free_port()
        self.servers, self.voices, self.stack = [], [], stack
        for index in range(3):
            server = stack.enter_context(origins.Origin(host=f"127.0.0.{index + 2}"))
            server.default = lambda exchange, index=index: exchange.answer(200, [("Server", f"s{index}")], b"ok")
            self.servers.append(server)

    def speak(self):
        self.voices = [Voice(server.host, self.agent_port) for server in self.servers]
        for voice in self.voices:
            self.stack.callback(voice.stop)
        return self

    def config(self, **more):
        return {"services": {"shop": {
            "balance": "round-robin", "targets": [server.address for server in self.servers],
            "agent": {"port": self.agent_port, "every": "30ms", "timeout": "5s", **more}}}}


@pytest.fixture
def trio():
    with contextlib.ExitStack() as stack:
        yield Trio(stack)


def target_of(proxy, index):
    return proxy.status()["services"][0]["targets"][index]


def await_target(proxy, index, state, reason=""):
    is_so = lambda t: t["state"] == state and reason in (t["reason"] or "")
    until(lambda: is_so(target_of(proxy, index)), lambda: f"{index} {state} {reason}: {target_of(proxy, index)}")


def shares(proxy, count=60):
    with proxy.client() as client:
        return collections.Counter(client.ask(f"/{i}").get("Server") for i in range(count))


def percent(proxy, trio, index):
    return proxy.metric("pando_upstream_agent_percent", target=trio.servers[index].address)


def test_a_percent_is_a_share_of_the_weight(start, trio):
    trio.speak()
    trio.voices[1].line = b"50%\n"
    trio.voices[2].line = b"weight:25%\n"
    proxy = start({**trio.config(), "workers": 1})
    until(lambda: percent(proxy, trio, 1) == 50 and percent(proxy, trio, 2) == 25, "both agents said so")
    until(lambda: shares(proxy, 70) == {"s0": 40, "s1": 20, "s2": 10}, lambda: str(shares(proxy, 70)))
    assert "50 % of its weight" in target_of(proxy, 1)["reason"]
    assert target_of(proxy, 1)["weight"] == 1, "what people said stays"
    trio.voices[1].line = trio.voices[2].line = b"100%\n"
    until(lambda: shares(proxy, 60) == {"s0": 20, "s1": 20, "s2": 20}, "all alike again")
    assert target_of(proxy, 1)["reason"] is None


@pytest.mark.parametrize("line, state, back", [
    (b"drain #deploy\n", "draining", b"ready\n"), (b"maint\n", "draining", b"ready up 100%\n"),
    (b"down #disk\n", "down", b"up\n"), (b"STOPPED\r\n", "down", b"ready,up\r\n"), (b"fail", "down", b"up"),
    (b"0%\n", "draining", b"100%\n"), ([b"dr", b"ain", b"\nup\n"], "draining", [b"re", b"ady"]),
])
def test_words_take_a_target_out_and_only_the_agent_brings_it_back(start, trio, line, state, back):
    trio.speak()
    proxy = start(trio.config())
    trio.voices[0].line = line
    await_target(proxy, 0, state, "its agent says")
    until(lambda: set(shares(proxy, 12)) == {"s1", "s2"}, "the set without it")
    trio.voices[0].line = b"maxconn:9\n"    # says nothing of it
    asked = trio.voices[0].asked_count
    until(lambda: trio.voices[0].asked_count > asked + 2, "asked again")
    await_target(proxy, 0, state)
    trio.voices[0].line = back
    await_target(proxy, 0, "up")
    until(lambda: set(shares(proxy, 12)) == {"s0", "s1", "s2"}, "the set with it")


def test_an_agent_that_is_silent_is_no_failure_and_is_shown(start, trio):
    trio.speak()
    trio.voices[0].line = b"10%\n"
    proxy = start({**trio.config(timeout="50ms"), "workers": 1})
    until(lambda: percent(proxy, trio, 0) == 10, "it said so")
    trio.voices[0].line = None
    until(lambda: "agent silent since" in (target_of(proxy, 0)["reason"] or ""), "it is shown")
    assert "no answer within 50 ms" in target_of(proxy, 0)["reason"]
    assert target_of(proxy, 0)["state"] == "up" and percent(proxy, trio, 0) == 100
    until(lambda: shares(proxy, 60) == {"s0": 20, "s1": 20, "s2": 20}, "its whole weight")
    address = trio.servers[0].address
    assert proxy.metric("pando_upstream_agent_silent", target=address) == 1
    assert proxy.metric("pando_upstream_agent_misses_total", target=address) >= 3
    assert "its weight is the configured one" in proxy.stderr
    assert "agent silent since" in proxy.command("status").stdout
    trio.voices[0].line = b"nonsense\n"
    until(lambda: trio.voices[0].asked_count > 5, "asked on")
    assert "agent silent since" in target_of(proxy, 0)["reason"]
    trio.voices[0].line = b"10%\n"
    until(lambda: percent(proxy, trio, 0) == 10, "it is heard again")
    assert f"the agent of {address} answers again" in proxy.stderr


def test_words_hold_while_the_agent_is_silent(start, trio):
    trio.speak()
    proxy = start(trio.config())
    trio.voices[2].line = b"drain #for good\n"
    await_target(proxy, 2, "draining", "for good")
    trio.voices[2].stop()
    until(lambda: proxy.metric("pando_upstream_agent_silent", target=trio.servers[2].address) == 1, "silent")
    await_target(proxy, 2, "draining", "for good")
    config = trio.config()
    del config["services"]["shop"]["agent"]
    assert proxy.reload(config).returncode == 0
    await_target(proxy, 2, "up")
    assert proxy.metric("pando_upstream_agent_silent", target=trio.servers[2].address) == 0


def test_an_operator_and_health_checks_come_before_the_agent(start, trio):
    trio.speak()
    config = trio.config()
    config["services"]["shop"]["health"] = {"check": "http", "path": "/health", "interval": "20ms"}
    trio.servers[1].on("/health", lambda exchange: exchange.answer(500))
    proxy = start(config)
    await_target(proxy, 1, "down", "health check: answered with status 500")
    trio.voices[0].line = b"drain\n"
    await_target(proxy, 0, "draining", "its agent says drain")
    assert proxy.command("drain", f"shop/{trio.servers[0].address}").returncode == 0
    await_target(proxy, 0, "draining", "an operator drains it")
    trio.voices[0].line = b"ready up\n"
    asked = trio.voices[0].asked_count
    until(lambda: trio.voices[0].asked_count > asked + 2, "asked again")
    await_target(proxy, 0, "draining", "an operator drains it")


def test_the_agent_may_bound_requests_at_once(start, trio):
    trio.speak()
    for voice in trio.voices:
        voice.line = b"up maxconn:1\n"
    hold = threading.Event()
    for server in trio.servers:
        server.on("/hold", lambda exchange: (hold.wait(pando.PATIENCE_S), exchange.answer(200)))
    proxy = start(trio.config())
    until(lambda: all(proxy.metric("pando_upstream_inflight_most", target=server.address) == 1
                      for server in trio.servers), "said")
    clients = [proxy.client() for _ in range(3)]
    for client in clients:
        client.send(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
    until(lambda: all(len(server.seen("/hold")) == 1 for server in trio.servers), "one at each")
    assert proxy.ask("/more").status == 503
    hold.set()
    for client in clients:
        assert client.answer().status == 200
        client.close()
    until(lambda: proxy.ask("/more").status == 200, "there is room again")


@pytest.mark.parametrize("line", [b"x" * 100000 + b"\n", b"\0\0\0\n", b"#up\n", b"", b"75\n", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_hostile_lines_change_nothing(start, trio, line):
    trio.speak()
    trio.voices[0].line = line
    proxy = start(trio.config(send="shop"))
    until(lambda: "agent silent since" in (target_of(proxy, 0)["reason"] or ""), "no line that is one")
    assert target_of(proxy, 0)["state"] == "up"
    until(lambda: trio.voices[1].heard == b"shop\n", "what is sent")


def test_pando_agent_beside_real_origins_shifts_the_traffic(start, trio, io):
    """The busy one is held at 1 % by what its agent measures; it drains by its state file; it dies."""
    with contextlib.ExitStack() as stack:
        burner = stack.enter_context(burning())
        beside = [stack.enter_context(agent.running(io, "--pid", burner if i == 0 else 1, "--cpus", 0.01 if i == 0 else 64,
                                                    host=server.host, port=trio.agent_port))
                  for i, server in enumerate(trio.servers)]
        proxy = start({**trio.config(), "workers": 1})
        until(lambda: percent(proxy, trio, 0) == 1, "the busy one")
        # A weight of 1 beside at least 1 each (the machine's own pressure counts for all).
        beside[1].say("drain #deploy")
        await_target(proxy, 1, "draining", "its agent says drain: deploy")
        until(lambda: "s1" not in shares(proxy, 12), "nothing goes there")
        beside[1].say("ready")
        await_target(proxy, 1, "up")
        beside[0].kill()
        until(lambda: "agent silent since" in (target_of(proxy, 0)["reason"] or ""), "it is shown")
        assert percent(proxy, trio, 0) == 100
        assert "s0" in shares(proxy, 300)


@contextlib.contextmanager
def burning():
    import subprocess
    import sys
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()
