# SPDX-License-Identifier: Apache-2.0
"""bench/idle.py - what an idle connection costs in memory.

Opens 1,000 connections, each of which is answered once, then 10,000 more, and takes the slope of the contender's
memory between. Then up to 10,000 of them ask at once for an answer that the server gives out slowly, so that
all are under way together; when they are answered and idle again the slope is taken once more: what being busy
left behind. A contender needs a descriptor for each side of a busy connection, so the hard limit of open
files may make that number smaller, which is said.
"""
import select
import socket
import time

from children import Failed
from meter import memory_bytes

FIRST = 1000
MORE = 10000
SPARE_DESCRIPTORS = 300
SETTLE_SECONDS = 1.5
ANSWER_SECONDS = 60


def request(port, path):
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()


def answer_bytes(text):
    """Length of the whole answer whose beginning is @text, or None if its head is not complete."""
    head, mark, _ = text.partition(b"\r\n\r\n")
    if not mark:
        return None
    lines = head.split(b"\r\n")
    if b" 200 " not in lines[0] + b" ":
        raise Failed(f"an answer of {lines[0].decode('latin-1')}")
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return len(head) + 4 + int(value)
    raise Failed("an answer without Content-Length")


def open_one(port):
    """A connection that has been answered once."""
    connection = socket.create_connection(("127.0.0.1", port), 10)
    try:
        connection.sendall(request(port, "/small"))
        text = b""
        while (whole := answer_bytes(text)) is None or len(text) < whole:
            part = connection.recv(65536)
            if not part:
                raise Failed("closed in the middle of an answer")
            text += part
        connection.setblocking(False)
    except BaseException:
        connection.close()
        raise
    return connection


def ask_all_at_once(connections, port, path):
    """All ask before any answer is read; returns when all are answered."""
    poll = select.epoll()
    got = {}
    try:
        for connection in connections:
            connection.send(request(port, path))
        for connection in connections:
            poll.register(connection.fileno(), select.EPOLLIN)
            got[connection.fileno()] = [connection, b"", 0, None]
        until = time.monotonic() + ANSWER_SECONDS
        while got:
            if time.monotonic() > until:
                raise Failed(f"{len(got)} of {len(connections)} busy connections were not answered")
            for descriptor, _ in poll.poll(1):
                state = got[descriptor]
                part = state[0].recv(65536)
                if not part:
                    raise Failed("a busy connection was closed")
                state[2] += len(part)
                if state[3] is None:
                    state[1] += part
                    state[3] = answer_bytes(state[1])
                if state[3] is not None and state[2] >= state[3]:
                    poll.unregister(descriptor)
                    del got[descriptor]
    finally:
        poll.close()


def measure(contender, descriptors):
    """{idle_bytes, after_busy_bytes, busy_count}: memory per connection; needs a contender just started."""
    if descriptors < FIRST + MORE + SPARE_DESCRIPTORS:
        raise Failed(f"{FIRST + MORE} connections need {FIRST + MORE + SPARE_DESCRIPTORS} open files, and the "
                     f"hard limit is {descriptors}: raise it (ulimit -Hn, LimitNOFILE=)")
    busy_count = min(MORE, descriptors - FIRST - MORE - SPARE_DESCRIPTORS)
    connections = []
    try:
        for _ in range(FIRST):
            connections.append(open_one(contender.port))
        time.sleep(SETTLE_SECONDS)
        first = memory_bytes(contender.pid)
        for _ in range(MORE):
            connections.append(open_one(contender.port))
        time.sleep(SETTLE_SECONDS)
        figures = {"idle_bytes": (memory_bytes(contender.pid) - first) / MORE}
        if busy_count >= FIRST:
            ask_all_at_once(connections[-busy_count:], contender.port, "/slow")
            time.sleep(SETTLE_SECONDS)
            figures["busy_count"] = busy_count
            figures["after_busy_bytes"] = (memory_bytes(contender.pid) - first) / MORE
        return figures
    except OSError as error:
        raise Failed(f"after {len(connections)} connections: {error}; it wrote: {contender.said()}") from None
    finally:
        for connection in connections:
            connection.close()
