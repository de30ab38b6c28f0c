# SPDX-License-Identifier: Apache-2.0
"""test_ill.py - servers that stop and go on or are cut off, all servers gone, and little memory (reliability 4.2, rows 6, 7 and 17).

The faults of one server under a steady load, with their times, are in tests/faults.
"""
import concurrent.futures
import contextlib
import os
import pathlib
import signal
import socket
import sys
import threading
import time

import pytest

import origins
import pando
import raw
from pando import until
from test_balance import copies    # noqa: F401  (a fixture)
from test_health import target_of
from traffic import Traffic

sys.path.append(str(pathlib.Path(__file__).parents[1] / "faults"))
import ill              # noqa: E402
from orders import Orders    # noqa: E402

CGROUP = pathlib.Path("/sys/fs/cgroup/memory")


class Callers:
    """Clients whose every request is their own, and who compare what comes back with it."""

    def __init__(self, port, count):
        self.port, self.stopping, self.lock = port, threading.Event(), threading.Lock()
        self.good, self.wrong, self.statuses, self.broken = 0, [], set(), 0
        self.servers = {}
        self.threads = [threading.Thread(target=self._run, args=(i,), daemon=True) for i in range(count)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)

    def _run(self, number):
        client, count = raw.Client(("127.0.0.1", self.port), 20), 0
        while not self.stopping.is_set():
            count += 1
            target = f"/{number}/{count}/" + "x" * (count % 50)
            try:
                answer = client.ask(target)
            except (OSError, raw.Ended):
                self.broken += 1
                client = raw.Client(("127.0.0.1", self.port), 20)
                continue
            with self.lock:
                self.statuses.add(answer.status)
                if answer.status == 200 and answer.body != target.encode():
                    self.wrong.append((target, answer.body))
                if answer.status == 200:
                    self.good += 1
                    server = answer.get("Server")
                    self.servers[server] = self.servers.get(server, 0) + 1
            if answer.closes:
                client.close()
                client = raw.Client(("127.0.0.1", self.port), 20)


def test_late_answers_of_a_server_that_was_stopped_reach_nobody(start, copies):    # noqa: F811
    """SIGSTOP until its requests are given up, then SIGCONT: what it then says belongs to nobody."""
    proxy = start({"services": {"shop": {"targets": [copy.address for copy in copies]}},
                   "upstream": {"answer-timeout": "300ms"}, "outlier": {"eject-first": "200ms", "eject-most": "400ms"}})
    with Callers(proxy.port, 8) as callers:
        until(lambda: len(callers.servers) == 3, "all to be asked")
        for _ in range(10 if pando.LONG else 3):
            copies[1].process.send_signal(signal.SIGSTOP)
            before = callers.good
            time.sleep(0.7)    # longer than any of its requests is waited for
            until(lambda before=before: callers.good > before + 50, "the others to go on")
            copies[1].process.send_signal(signal.SIGCONT)
            before = callers.servers.get("b", 0)
            until(lambda before=before: callers.servers.get("b", 0) > before, "it to be asked again")
    assert callers.wrong == []
    assert callers.statuses <= {200, 502, 503, 504}


@pytest.mark.parametrize("fault", ["kill -9", "SIGSTOP"])
def test_no_post_reaches_two_servers(start, fault):
    """Those that a stopped server had not read are carried out by it later, when their clients were told 504: not by another
    as well. tests/faults has all faults, under more load."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(ill.Server(name)) for name in ("one", "two", "three")]
        proxy = start({"services": {"shop": {"targets": [server.address for server in servers]}},
                       "upstream": {"try-timeout": "200ms"}, "outlier": {"eject-first": "200ms"},
                       "retry": {"hedge": "after", "hedge-after": "20ms"}})
        with Orders(proxy.port, rate=200, seconds=4) as orders:
            until(lambda: all(server.record.read_text() for server in servers), "all to be asked")
            ill.tell(servers[0], fault, True)
            until(lambda: target_of(proxy, servers[0])["state"] != "up", "it to be out of service")
            ill.tell(servers[0], fault, False)
            orders.finish()
        for server in servers:
            server.settle()
        orders.compare(servers)
        print(orders.shown())
        assert orders.repeated == {}
        assert orders.wrong == []
        assert fault != "SIGSTOP" or orders.failed_count > 0
        assert proxy.metric("pando_retries_total", reason="timeout") == 0


@pytest.mark.skipif(not ill.can_cut_off(), reason="network namespaces and nftables are not to be had here")
def test_a_path_that_swallows_packets_is_found_on_kept_connections(start, copies):    # noqa: F811
    """Sent and not acknowledged for connect-timeout: out of service, and the request goes to another, long before
    try-timeout, which a server that is stopped runs into, as its kernel acknowledges."""
    with ill.Server("far", apart=True) as far:
        proxy = start({"services": {"shop": {"targets": [far.address, copies[0].address], "balance": "round-robin"}},
                       "upstream": {"connect-timeout": "300ms", "try-timeout": "650ms"},
                       "breaker": {"pause-first": "30s", "pause-most": "60s"}})
        client = raw.Client(("127.0.0.1", proxy.port), 20)
        for _ in range(8):
            assert client.ask("/").status == 200
        far.cut_off(True)
        for _ in range(4):
            assert client.ask("/").status == 200
        until(lambda: target_of(proxy, far)["state"] == "paused", "the one that is cut off to be out")
        assert "acknowledge" in target_of(proxy, far)["reason"]
        assert proxy.metric("pando_upstream_healthy") == 1


def test_who_answers_nobody_is_out_after_two_requests(start):
    """Strategies that look at requests in flight give few to a server that has stopped: five errors in a row would take seconds."""
    with origins.Origin() as well, origins.Origin() as sick:
        sick.default = lambda exchange: exchange.ended()
        proxy = start({"services": {"shop": {"targets": [well.address, sick.address], "balance": "round-robin"}},
                       "upstream": {"try-timeout": "200ms"}})
        assert [proxy.ask("/").status for _ in range(4)] == [200] * 4
        until(lambda: target_of(proxy, sick)["state"] == "ejected", "it to be ejected")
        assert "2 requests in a row had no answer in time" in target_of(proxy, sick)["reason"]
        assert [proxy.ask("/").status for _ in range(10)] == [200] * 10
        assert 2 <= len(sick.requests) < 5    # one or two may be sent before all workers know


def test_who_is_slow_at_one_thing_stays(start):
    """Requests that take too long, many of them at once, while others are answered, say nothing about the server."""
    with origins.Origin() as first, origins.Origin() as second:
        for server in (first, second):
            server.on("/slow", lambda exchange: exchange.ended())
        proxy = start({"services": {"shop": {"targets": [first.address, second.address], "balance": "round-robin"}},
                       "upstream": {"try-timeout": "300ms"}, "outlier": {"errors-in-a-row": "none"}})
        with Traffic(proxy.port, clients=2, pause_s=0.005) as traffic:
            traffic.wait_for(20)
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(lambda _: proxy.ask("/slow").status, range(16)))
        assert traffic.failures == [] and set(answers) == {504}
        assert proxy.metric("pando_upstream_ejections_total") == 0


def test_an_upload_that_is_read_slowly_is_not_taken_for_a_dead_path(start):
    """A full window is acknowledged, but the kernel's limit on unacknowledged data counts it the same."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        proxy = start({"services": {"shop": {"targets": [f"127.0.0.1:{listener.getsockname()[1]}"]}},
                       "upstream": {"connect-timeout": "100ms"}})
        client, body = raw.Client(("127.0.0.1", proxy.port), 20), b"x" * (8 << 20)
        sender = threading.Thread(target=client.send, daemon=True, args=(
            b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body,))
        sender.start()
        server, _ = listener.accept()
        with server:
            server.settimeout(20)
            time.sleep(1)    # ten times the limit, with a full window
            got = b""
            while b"\r\n\r\n" not in got:
                got += server.recv(65536)
            left = len(body) - len(got.partition(b"\r\n\r\n")[2])
            while left > 0:
                piece = server.recv(min(left, 1 << 20))
                assert piece, "the upload was given up"
                left -= len(piece)
            server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            assert client.answer().status == 200
        sender.join(10)


def test_all_servers_gone_and_back_make_no_storm(start):
    """Refused at once while they are gone; afterwards the servers get what the clients ask, not more."""
    with contextlib.ExitStack() as stack:
        trio = [stack.enter_context(origins.Origin()) for _ in range(3)]
        for server in trio:
            server.default = lambda exchange: exchange.answer(200, body=exchange.request.target.encode())
        proxy = start({"services": {"shop": {"targets": [server.address for server in trio]}},
                       "breaker": {"pause-first": "100ms", "pause-most": "300ms"}})
        with Callers(proxy.port, 8) as callers:
            until(lambda: 200 in callers.statuses, "the first answers")
            for server in trio:
                server.stop()
            callers.statuses.clear()
            until(lambda: 503 in callers.statuses, "them to be refused")
            for server in trio:
                server.forget()
                server.restart()
            callers.statuses.clear()
            until(lambda: proxy.metric("pando_upstream_healthy") == 3, "all to be back")
            began = callers.good
            until(lambda: callers.good > began + 500, "the load to be as before")
        arrived = sum(len(server.requests) for server in trio)
        assert callers.wrong == []
        assert arrived <= callers.good * 1.1 + 20    # all that were asked in this time, and what was repeated


@contextlib.contextmanager
def memory_cgroup(limit_bytes):
    """A memory cgroup (version 1); yields its folder."""
    folder = CGROUP / f"pando-{os.getpid()}"
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text(str(limit_bytes))
    except OSError as error:
        pytest.skip(f"no memory cgroup can be made here: {error}")
    try:
        yield folder
    finally:
        until(lambda: not (folder / "cgroup.procs").read_text(), "its processes to end")
        folder.rmdir()


def test_large_bodies_and_many_idle_connections_fit_into_little_memory(start):
    """64 MiB for all of Pando: 64 stalled downloads of 64 MiB and thousands of idle connections, and others are served."""
    idle_count = 10_000 if pando.LONG else 3_000
    with memory_cgroup(64 << 20) as folder, origins.Nginx("location / { }") as nginx:
        nginx.put("large", b"x" * (64 << 20))
        nginx.put("small", b"small")
        proxy = start({"services": {"shop": {"targets": [nginx.address]}}, "http": {"idle-timeout": "10m"},
                       "log": {"access": False}},
                      prefix=["sh", "-c", f'echo $$ > {folder}/cgroup.procs && exec "$@"', "sh"])
        with contextlib.ExitStack() as clients:
            for _ in range(64):
                reader = clients.enter_context(proxy.client())
                reader.send(raw.request("/large"))
                reader.sock.recv(1000)
            for _ in range(idle_count):
                sock = clients.enter_context(socket.create_connection(("127.0.0.1", proxy.port)))
                sock.sendall(raw.request("/small"))
                assert sock.recv(4096).startswith(b"HTTP/1.1 200")
            with Traffic(proxy.port, clients=4, path="/small") as traffic:
                traffic.wait_for(500)
        assert traffic.failures == []
        most = int((folder / "memory.max_usage_in_bytes").read_text())
        print(f"most memory {most >> 20} MiB with {idle_count} idle connections and 64 stalled downloads")
        assert "oom_kill 0" in (folder / "memory.oom_control").read_text()
        assert most < 64 << 20
        proxy.stop()
