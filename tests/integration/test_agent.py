# SPDX-License-Identifier: Apache-2.0
"""test_agent.py - `pando agent`: what it measures, what it says, and that HAProxy understands it."""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

import agent
import pando
from pando import until


@pytest.fixture
def beside(io):
    with contextlib.ExitStack() as stack:
        yield lambda *flags: stack.enter_context(agent.running(io, *flags))


def test_the_line_says_idle_capacity_and_the_word_of_the_state_file(beside):
    it = beside()
    assert re.fullmatch(r"up \d+%\n", it.line())
    assert re.fullmatch(r"up \d+%\n", it.line(b"shop/10.0.0.1:3000\n")), "agent-send is not looked at"
    for word, sent in (("drain #deploy", r"drain \d+% #deploy\n"), ("maint", r"maint \d+%\n"),
                       ("ready", r"ready up \d+%\n"), ("down #disk", r"down \d+% #disk\n"), ("", r"up \d+%\n")):
        it.say(word)
        until(lambda: re.fullmatch(sent, it.line()), lambda: f"{word}: {it.line()}")
    it.say("dry")
    until(lambda: "the state file holds no word" in it.stderr, "a warning")


def test_signals_drain_and_make_ready(beside):
    it = beside()
    it.process.send_signal(signal.SIGUSR1)
    until(lambda: it.line().startswith("drain "), "drain")
    it.process.send_signal(signal.SIGUSR2)
    until(lambda: it.line().startswith("ready up "), "ready")


def test_a_probe_says_what_is_measured_and_null_for_the_rest(beside):
    it = beside()
    probe = until(lambda: (lambda p: p if p["cpu"] is not None else None)(it.probe()), "two readings")
    assert 0 <= probe["cpu"] <= 1 and 0 <= probe["memory"] <= 1 and 1 <= probe["percent"] <= 100
    assert probe["rif"] is None and probe["latency_us"] is None and probe["state"] == "up"
    it.write(it.report, "rif=12 latency_us=3400\n")
    probe = it.probe()
    assert (probe["rif"], probe["latency_us"], probe["rif_from"]) == (12, 3400, "report")
    os.utime(it.report, (time.time() - 60, time.time() - 60))
    assert it.probe()["rif"] is None, "a report that is old is none"


def test_http_keeps_connections_and_answers_in_order(beside):
    it = beside()
    it.write(it.report, "rif=12\n")
    with it.client() as client:
        for _ in range(3):
            answer = client.ask("/probe?x")
            assert answer.status == 200 and "named_metrics.rif=12" in answer.get("Endpoint-Load-Metrics")
        assert client.ask("/other").status == 404
        assert client.ask("/probe", "POST").status == 405
        assert client.ask("/probe", "HEAD").body == b""
    with socket.create_connection(("127.0.0.1", it.http_port), pando.PATIENCE_S) as sock:
        sock.sendall(b"GET /probe HTTP/1.1\r\nHost: a\r\n\r\n" * 20)
        sock.shutdown(socket.SHUT_WR)
        data = b""
        while more := sock.recv(65536):
            data += more
        assert data.count(b"HTTP/1.1 200 OK") >= 1
    with socket.create_connection(("127.0.0.1", it.http_port), pando.PATIENCE_S) as sock:
        sock.sendall(b"SSH-2.0-nonsense\r\n\r\n")
        assert sock.recv(100) == b""


def test_connections_of_the_applications_port_are_counted(beside):
    with socket.create_server(("127.0.0.1", 0)) as server:
        it = beside("--port", server.getsockname()[1])
        assert it.probe()["rif"] == 0
        clients = [socket.create_connection(server.getsockname()) for _ in range(5)]
        until(lambda: it.probe()["rif"] == 5, lambda: f"5 connections: {it.probe()}")
        assert it.probe()["rif_from"] == "connections"
        for client in clients:
            client.close()


def burn():
    return subprocess.Popen([sys.executable, "-c", "while True: pass"])


def test_a_process_is_seen_to_work_and_to_be_gone(beside):
    process = burn()
    try:
        it = beside("--pid", process.pid, "--cpus", "0.01")
        until(lambda: (it.probe()["cpu"] or 0) > 0.9, lambda: f"it burns: {it.probe()}")
        assert it.line() == "up 1%\n", "load alone takes nobody out"
    finally:
        process.kill()
        process.wait()
    until(lambda: it.line().startswith("down ") and "is gone" in it.line(), lambda: it.line())


def test_a_cgroup_is_found_by_a_process_in_it(beside):
    it = beside("--cgroup", os.getpid())
    probe = until(lambda: (lambda p: p if p["cpu"] is not None else None)(it.probe()), "two readings")
    assert 0 <= probe["memory"] <= 1


@pytest.mark.parametrize("flags, why", [
    (("--pid", "0"), "expected a number from 1"), (("--pid", "4194305"), "there is no process"),
    (("--cgroup", "/no/such/group"), "there is no cgroup"), (("--cpus", "none"), "how many processors"),
    (("--listen", "here"), "--listen here"), (("--port", "70000"), "expected a number from 1 to 65535"),
    (("--pid", "1", "--cgroup", "/"), "choose one"), (("--io", "kqueue"), "expected auto, epoll"),
    (("--http", "192.0.2.1:80"), "listen on 192.0.2.1:80"),
])
def test_mistakes_are_told(flags, why):
    done = pando.command("agent", *flags)
    assert done.returncode != 0 and why in done.stderr, done.stderr


# --- HAProxy asks our agent ---

HAPROXY = """
global
    stats socket {folder}/haproxy.sock mode 600 level admin
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend web
    bind 127.0.0.1:{port}
    default_backend shop
backend shop
    server one 127.0.0.1:{origin} weight 100 check inter 100ms agent-check agent-port {agent} agent-inter 100ms agent-send "shop/one\\n"
"""


def haproxy_server(folder):
    """The row of server `one` of `show stat`."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(f"{folder}/haproxy.sock")
        sock.sendall(b"show stat\n")
        text = b""
        while more := sock.recv(65536):
            text += more
    head, *rows = [line.split(",") for line in text.decode().splitlines() if line]
    return next(dict(zip(head, row)) for row in rows if row[:2] == ["shop", "one"])


@pytest.mark.skipif(shutil.which("haproxy", path="/usr/sbin:/usr/bin") is None, reason="there is no HAProxy")
def test_haproxy_obeys_our_agent(beside, tmp_path, origin):
    it = beside()
    config = tmp_path / "haproxy.cfg"
    port = pando.free_port()
    config.write_text(HAPROXY.format(folder=tmp_path, port=port, origin=origin.port, agent=it.port))
    process = subprocess.Popen([shutil.which("haproxy", path="/usr/sbin:/usr/bin"), "-db", "-f", config],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: (tmp_path / "haproxy.sock").exists(), "HAProxy runs")
        row = lambda: haproxy_server(tmp_path)
        until(lambda: row()["agent_status"] == "L7OK" and int(row()["weight"]) <= 100, lambda: f"weight: {row()}")
        for word, status in (("drain #deploy", "DRAIN"), ("ready", "UP"), ("maint", "MAINT"), ("ready", "UP"),
                             ("down #disk", "DOWN"), ("up", "UP"), ("stopped", "DOWN"), ("ready", "UP")):
            it.say(word)
            until(lambda: row()["status"].startswith(status), lambda: f"{word}: {row()['status']}")
    finally:
        process.terminate()
        process.wait()
