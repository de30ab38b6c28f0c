# SPDX-License-Identifier: Apache-2.0
"""test_memory.py - what a connection costs in each of its states, and that a request costs no allocation.

Ten thousand connections, or as many as the descriptor limit allows (ulimit -Hn). The figures are printed: run with -s.
"""
import contextlib
import resource
import selectors
import socket
import struct
import threading
import time

import pytest

import pando
import raw
from origins import Nginx
from pando import until
from traffic import wrk

KIB = 1 << 10
FEW = 1000
DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
MANY = 10_000 if DESCRIPTORS >= 15_000 or DESCRIPTORS < 0 else 5_000 if DESCRIPTORS >= 10_000 else 2_000
# Of an unread answer Pando holds two descriptors, and so does this process, which is the server as well.
UNREAD = min(MANY, 5_000 if pando.LONG else 3_000)

IDLE_BYTES = 3 * KIB         # an idle connection that has served a request
HALF_HEAD_BYTES = 8 * KIB    # one that has sent half a head of some 200 bytes
BUFFER_BYTES = 16 * KIB      # http.buffer-bytes in the test of unread answers
UNREAD_BYTES = BUFFER_BYTES + 8 * KIB    # the rest: structs of both connections, heads, the op
HEAD_BYTES = 2 * KIB         # where heads are written; held until they have left


@pytest.fixture(autouse=True)
def descriptors():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


class Crowd:
    """Many client connections; closed with RST, so that they leave no TIME_WAIT behind."""

    def __init__(self, port):
        self.port = port
        self.socks = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for sock in self.socks:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()

    def grow(self, to, request, receive_bytes=0):
        """More connections; each sends `request`. The new ones."""
        first = len(self.socks)
        while len(self.socks) < to:
            sock = socket.socket()
            if receive_bytes:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            sock.settimeout(20)
            sock.connect(("127.0.0.1", self.port))
            sock.sendall(request)
            self.socks.append(sock)
        return self.socks[first:]

    def read(self, socks):
        for sock in socks:
            assert sock.recv(4096).startswith(b"HTTP/1.1 200")


def open_count(proxy, state="open"):
    return sum(proxy.metric(f"pando_worker_connections_{state}", worker=str(i)) for i in range(2))


def until_all(proxy, count, state):
    """So many connections are in that state. A loaded machine may take its time, as long as there are more and more."""
    there = -1
    while there < count:
        before = there
        there = until(lambda: open_count(proxy, state) > before and open_count(proxy, state),    # noqa: B023
                      lambda: f"more than {before} connections {state}, of {count}")    # noqa: B023


def charged(proxy, count, state):
    """(bytes per connection, bytes of the most expensive), once the census of all of them is in."""
    until_all(proxy, count, state)
    time.sleep(2.3)    # the census is taken every two seconds
    metrics = proxy.metrics()
    workers = [f'{{worker="{i}"}}' for i in range(2)]
    whole = sum(metrics["pando_worker_charged_bytes" + worker] for worker in workers)
    return whole / count, max(metrics["pando_worker_charged_bytes_max" + worker] for worker in workers)


def config_of(address, **more):
    return pando.merged({"services": {"shop": {"targets": [address]}}, "log": {"access": False},
                         "http": {"idle-timeout": "10m", "header-timeout": "10m"}}, more)


def test_idle_connections(start):
    """Each has served one request. The slope between 1,000 and many is what one costs."""
    with Nginx("return 200 'ok';") as nginx:
        proxy = start(config_of(nginx.address))
        with Crowd(proxy.port) as crowd:
            request = raw.request("/", fields=[("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/118.0")])
            crowd.read(crowd.grow(FEW, request))
            until(lambda: open_count(proxy, "idle") >= FEW, "all to be idle")
            few = proxy.memory_bytes()
            for to in range(FEW, MANY, 500):    # some at a time: it is not their burst that is measured
                crowd.read(crowd.grow(to + 500, request))
            each, most = charged(proxy, MANY, "idle")
            slope = (proxy.memory_bytes() - few) / (MANY - FEW)
            print(f"{MANY} idle connections: {each:.0f} bytes charged to each, {most:.0f} at most, "
                  f"{slope:.0f} bytes of memory each")
            assert 0 < each <= IDLE_BYTES and most <= IDLE_BYTES
            assert slope <= IDLE_BYTES
            # And they are served as if there were few.
            crowd.socks[MANY // 2].sendall(request)
            crowd.read([crowd.socks[MANY // 2]])
        until(lambda: open_count(proxy) == 0, "all to be closed")
        until(lambda: proxy.metric("pando_worker_charged_bytes", worker="0") == 0, "nothing to be charged")


def test_half_sent_heads(start, origin):
    proxy = start(config_of(origin.address))
    half = raw.request("/", fields=[("X-Half", "x" * 150)])[:-10]
    with Crowd(proxy.port) as crowd:
        crowd.grow(FEW, half)
        until(lambda: open_count(proxy, "head") >= FEW, "all to have begun")
        few = proxy.memory_bytes()
        crowd.grow(MANY, half)
        each, most = charged(proxy, MANY, "head")
        slope = (proxy.memory_bytes() - few) / (MANY - FEW)
        print(f"{MANY} half-sent heads: {each:.0f} bytes charged to each, {most:.0f} at most, "
              f"{slope:.0f} bytes of memory each")
        assert 0 < each <= HALF_HEAD_BYTES and most <= HALF_HEAD_BYTES
        assert slope <= HALF_HEAD_BYTES
        for sock in crowd.socks[:50]:    # they are not forgotten
            sock.sendall(raw.request("/", fields=[("X-Half", "x" * 150)])[-10:])
        crowd.read(crowd.socks[:50])
    until(lambda: open_count(proxy) == 0, "all to be closed")


def test_large_heads_are_charged_for_what_they_are(start, origin):
    """A head near its limit, half sent: the charge says so, and the limit of heads bounds it."""
    proxy = start(config_of(origin.address, http={"header-bytes": "16KiB"}))
    with Crowd(proxy.port) as crowd:
        crowd.grow(100, raw.request("/", fields=[("X-Half", "x" * 15_000)])[:-10])
        each, most = charged(proxy, 100, "head")
        print(f"heads of 15 KB: {each:.0f} bytes charged to each, {most:.0f} at most")
        assert 15_000 <= each <= 16 * KIB * 2 + HALF_HEAD_BYTES and most <= 16 * KIB * 2 + HALF_HEAD_BYTES


class Endless(threading.Thread):
    """A server that answers every request with so many bytes, on any number of connections, in one thread."""

    def __init__(self, length):
        super().__init__(daemon=True)
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + b"x" * length
        self.listener = socket.create_server(("127.0.0.1", pando.free_port()), backlog=4096)
        self.listener.setblocking(False)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.left = {}
        self.going = True

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.going = False
        self.join(5)
        for sock in (*self.left, self.listener):
            sock.close()

    def run(self):
        while self.going:
            for key, mask in self.selector.select(0.1):
                if key.fileobj is self.listener:
                    self.accept()
                else:
                    with contextlib.suppress(BlockingIOError):
                        self.serve(key.fileobj, mask)

    def accept(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                sock, _ = self.listener.accept()
                sock.setblocking(False)
                self.left[sock] = memoryview(b"")
                self.selector.register(sock, selectors.EVENT_READ)

    def serve(self, sock, mask):
        try:
            if mask & selectors.EVENT_READ:
                data = sock.recv(65536)
                if not data:
                    raise ConnectionResetError
                self.left[sock] = memoryview(self.answer)
            while self.left[sock]:
                self.left[sock] = self.left[sock][sock.send(self.left[sock]):]
            self.selector.modify(sock, selectors.EVENT_READ)
        except BlockingIOError:
            self.selector.modify(sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
        except OSError:
            self.selector.unregister(sock)
            self.left.pop(sock)
            sock.close()


def test_unread_answers(start):
    """Clients that ask and never read: each costs at most what http.buffer-bytes says."""
    with Endless(320 * KIB) as server:
        proxy = start(config_of(server.address, http={"buffer-bytes": f"{BUFFER_BYTES}B", "send-timeout": "10m"}))
        request = raw.request("/")
        with Crowd(proxy.port) as crowd:
            crowd.grow(FEW, request, receive_bytes=4096)
            until(lambda: proxy.metric("pando_worker_ops_inflight") >= FEW, "all to be answered in part")
            time.sleep(1)
            few = proxy.memory_bytes()
            for to in range(FEW, UNREAD, 500):
                crowd.grow(to + 500, request, receive_bytes=4096)
            each, most = charged(proxy, UNREAD, "open")
            slope = (proxy.memory_bytes() - few) / (UNREAD - FEW)
            print(f"{UNREAD} unread answers: {each:.0f} bytes charged to each, {most:.0f} at most, "
                  f"{slope:.0f} bytes of memory each")
            assert BUFFER_BYTES / 4 < each <= UNREAD_BYTES
            assert most <= UNREAD_BYTES + HEAD_BYTES    # the census may meet one whose head is just being sent
            assert slope <= UNREAD_BYTES + 8 * KIB    # two buffers, in whole pages
        until(lambda: open_count(proxy) == 0, "all to be closed")
        until(lambda: proxy.metric("pando_worker_ops_inflight") == 0, "nothing in flight")


# --- allocations ---


def load(proxy, requests, fields=(), connections=64):
    """So many requests at least; how many it were."""
    done = 0
    while done < requests:
        result = wrk(f"http://127.0.0.1:{proxy.port}/", 10 if pando.LONG else 1, connections, fields=fields).result()
        assert result["errors"] == 0 and result["not_2xx"] == 0, result["text"]
        done += result["requests"]
    return done


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "connection-each"])
def test_no_allocation_per_request(start, keep):
    """Access log on. After warm-up a hundred thousand requests (a million with PANDO_LONG) ask for no memory."""
    wanted = (1_000_000 if pando.LONG else 100_000) if keep else (100_000 if pando.LONG else 10_000)
    fields = [] if keep else [("Connection", "close")]
    with Nginx("return 200 'ok';") as nginx:
        proxy = start({"services": {"shop": {"targets": [nginx.address]}}})
        load(proxy, 2000, fields, connections=256)    # more at once than there will be
        # To read the metric asks for memory itself, always for as much.
        readings = [proxy.metric("pando_allocations_total") for _ in range(3)]
        reading = readings[2] - readings[1]
        done = load(proxy, wanted, fields)
        grown = proxy.metric("pando_allocations_total") - readings[2] - reading
        print(f"{done} requests, {grown:.0f} allocations (and {reading:.0f} for reading that)")
        lines = proxy.metric("pando_worker_log_lines_total") + proxy.metric("pando_worker_log_lines_dropped_total")
        assert lines >= done * 0.9    # the log was on
        assert grown == 0
