# SPDX-License-Identifier: Apache-2.0
"""Thousands of connections, each with a pipeline under way: memory stays within what settings promise, and each gets its
answers."""
import resource
import select
import selectors
import socket
import time

import pytest

import pando
from redis_front import Client, encode, serving

CONNECTIONS = 5000 if pando.LONG else 1000
DEPTH = 60
UNDER_WAY = 4                  # commands that may be under way: their answers are not known yet, and come whatever waits
VALUE = b"v" * 8000             # forty times that is far over all bounds
UNREAD_BYTES = 16 * 1024       # the lowest that may be set
FLIGHT_BYTES = 768             # of a command under way, with its arguments


@pytest.fixture
def descriptors():
    """Ours and Pando's, which inherits them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < CONNECTIONS + 500:
        pytest.skip(f"only {hard} descriptors are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * CONNECTIONS), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect_all(port):
    """So small a buffer that answers stay with the server."""
    sockets = []
    for _ in range(CONNECTIONS):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.connect(("127.0.0.1", port))
        one.setblocking(False)
        sockets.append(one)
    return sockets


def send_all(sockets, data):
    """The same on each; what the kernel did not take yet is sent as it does."""
    left = {one: data for one in sockets}
    end = time.monotonic() + 4 * pando.PATIENCE_S
    while left and time.monotonic() < end:
        for one in list(left):
            try:
                left[one] = left[one][one.send(left[one]):]
            except BlockingIOError:
                pass
            if not left[one]:
                del left[one]
        select.select([], [], [], 0.01)
    return len(left)


def read_all(sockets, end_of_it):
    """What each gets up to the bytes that end it."""
    got = dict.fromkeys(sockets, b"")
    with selectors.DefaultSelector() as selector:
        for one in sockets:
            selector.register(one, selectors.EVENT_READ)
        end = time.monotonic() + 10 * pando.PATIENCE_S
        left = len(sockets)
        while left:
            assert time.monotonic() < end, f"{left} have not got all"
            for key, _ in selector.select(1):
                data = key.fileobj.recv(1 << 16)
                assert data, "it was closed"
                got[key.fileobj] += data
                if got[key.fileobj].endswith(end_of_it):
                    selector.unregister(key.fileobj)
                    left -= 1
    return got


@pytest.mark.skipif(pando.SANITIZED, reason="it is about memory")
@pytest.mark.parametrize("engine", ["memory", "lmdb"])
def test_thousands_of_pipelines_stay_within_their_memory(io, engine, descriptors):
    """No client reads its answers: each connection keeps what `unread-bytes` allows, and one answer more; then all read."""
    with serving({"default": {}}, io, engine, redis={"unread-bytes": f"{UNREAD_BYTES}B", "pipeline-depth": UNDER_WAY}) as proxy:
        with Client(proxy.redis_port) as client:
            assert client("set", "v", VALUE) == "OK"
        idle = proxy.memory_bytes()
        pipeline = b"".join(encode("get", "v") if number % 3 else encode("incr", "n") for number in range(1, DEPTH)) + \
            encode("echo", "the end")
        # What is bounded, the answer that crosses the bound, what was sent, and a buffer of the loop's; with lmdb also the
        # commands under way. The heap keeps what a crowd gave back, so the next ones are held to the same.
        under_way = UNDER_WAY * (len(VALUE) + FLIGHT_BYTES) if engine == "lmdb" else 0
        most = UNREAD_BYTES + 2 * len(VALUE) + len(pipeline) + 16384 + under_way
        peaks = [crowd(proxy, idle, pipeline) for _ in range(2)]
        print(f"{engine} {io}: bytes a connection with a pipeline, crowd after crowd:", *map(round, peaks))
        assert max(peaks) < most


def crowd(proxy, idle, pipeline):
    """All connect, send, wait and read; the most bytes of memory that each took."""
    before = proxy.memory_bytes()
    sockets = connect_all(proxy.redis_port)
    try:
        assert (proxy.memory_bytes() - before) / CONNECTIONS < 4096
        assert send_all(sockets, pipeline) == 0
        peak = 0
        for _ in range(10):
            peak = max(peak, proxy.memory_bytes())
            time.sleep(0.1)
        with Client(proxy.redis_port) as other:
            assert other("ping") == "PONG"
        for whole in read_all(sockets, b"$7\r\nthe end\r\n").values():
            assert whole.startswith(b"$%d\r\n" % len(VALUE) + VALUE) and whole.count(VALUE) == DEPTH - 1 - (DEPTH - 1) // 3
    finally:
        for one in sockets:
            one.close()
    return (peak - idle) / CONNECTIONS
