# SPDX-License-Identifier: Apache-2.0
"""integration/redis_front.py - a Pando with a Redis listener, and a client that says exactly what it is told.

    with serving({"carts": {"partition": "hash", "shards": 4}}, io) as proxy:
        with Client(proxy.redis_port) as client:
            assert client("set", "carts:1", "x") == "OK"

Client answers are Python values: bytes for bulk strings, str for simple ones, Refused for errors, None, int,
float, bool, list, dict, set; a push is a tuple.
"""
import contextlib
import socket

import pando
from pando import PATIENCE_S, free_port

CRLF = b"\r\n"


class Refused(str):
    """An error that the server answered."""


class Closed(Exception):
    """The server closed the connection."""


def encode(*words):
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


class Client:
    def __init__(self, port, timeout_s=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_s or PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def __call__(self, *words):
        self.send(encode(*words))
        return self.read()

    def pipeline(self, commands):
        """All commands in one piece; all answers."""
        self.send(b"".join(encode(*words) for words in commands))
        return [self.read() for _ in commands]

    def _more(self):
        data = self.socket.recv(1 << 20)
        if not data:
            raise Closed
        self.buffer += data

    def _line(self):
        while CRLF not in self.buffer:
            self._more()
        line, self.buffer = self.buffer.split(CRLF, 1)
        return line

    def _bytes(self, count):
        while len(self.buffer) < count + 2:
            self._more()
        data, rest = self.buffer[:count], self.buffer[count:]
        assert rest[:2] == CRLF
        self.buffer = rest[2:]
        return data

    def read(self):
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return Refused(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b",":
            return float(rest)
        if kind == b"#":
            return rest == b"t"
        if kind == b"_":
            return None
        if kind in b"$=":
            return None if rest == b"-1" else self._bytes(int(rest))
        if kind in b"*~>":
            if rest == b"-1":
                return None
            items = [self.read() for _ in range(int(rest))]
            return {b"*": list, b">": tuple, b"~": list}[kind](items)
        if kind == b"%":
            return {self.read(): self.read() for _ in range(int(rest))}
        raise AssertionError(f"not an answer: {line!r}")

    def is_closed(self):
        """Reads to the end; what came before it is dropped."""
        try:
            while True:
                self._more()
        except (Closed, ConnectionResetError):
            return True
        except socket.timeout:
            return False


def config(keyspaces=None, engine="memory", **more):
    """A configuration with a Redis listener, and its port. @engine: of the keyspaces that do not say theirs."""
    port = free_port()
    return port, pando.merged({
        "listeners": {"data": {"redis": f"127.0.0.1:{port}"}},
        "keyspaces": {name: {"engine": engine, **keyspace} for name, keyspace in (keyspaces or {"default": {}}).items()},
    }, more)


@contextlib.contextmanager
def serving(keyspaces=None, io="epoll", engine="memory", **more):
    """A Pando that serves keys; `redis_port` is where."""
    port, settings = config(keyspaces, engine, **more)
    with pando.running(settings, io) as proxy:
        proxy.redis_port = port
        yield proxy
