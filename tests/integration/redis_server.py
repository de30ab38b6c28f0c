# SPDX-License-Identifier: Apache-2.0
"""integration/redis_server.py - Debian's redis-server to compare with, and a raw client of the Redis protocol.

    with RedisServer() as redis, Client(redis.port, version=3) as client:
        client.ask(b"GET", b"key")       # ("$", b"value")

Answers keep their kind: a pair of the byte that they begin with and their content, so that a comparison sees
whether a double was sent as a double or as a string. Content is bytes, an int, a list, or None.
"""
import pathlib
import shutil
import socket
import subprocess
import tempfile

import pando

PROGRAM = shutil.which("redis-server")


class Ended(Exception):
    """The server closed the connection."""


class Malformed(Exception):
    """What came is not an answer."""


class RedisServer:
    """One redis-server on a free port, without persistence, in a folder of its own."""

    def __init__(self):
        self.port = pando.free_port()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pando-redis-"))
        self.process = None

    def start(self):
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                 "--dir", str(self.folder)], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            pando.until(self._is_ready, lambda: f"redis-server is not ready:\n{self.log}")
        except BaseException:
            self.stop()
            raise
        return self

    def _is_ready(self):
        assert self.process.poll() is None, f"redis-server ended:\n{self.log}"
        try:
            with Client(self.port) as client:
                return client.ask(b"PING") == ("+", b"PONG")
        except OSError:
            return False

    @property
    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def stop(self):
        """Ends the process that start() began, and no other."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


def encoded(words):
    """A command as clients send it."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class Client:
    """One connection. @version 2 or 3."""

    def __init__(self, port, version=2, timeout_s=20):
        self.version = version
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._bytes = b""
        self._at = 0
        if version == 3:
            hello = self.ask(b"HELLO", b"3")
            assert hello[0] == "%", hello

    def ask(self, *words):
        """Sends one command; its answer."""
        self.send([words])
        return self.answer()

    def send(self, commands):
        self.socket.sendall(b"".join(encoded(words) for words in commands))

    def answer(self):
        """The next answer."""
        kind, line = self._head()
        if kind in "+-(,":
            return kind, line
        if kind == ":":
            return kind, int(line)
        if kind == "#":
            return kind, line
        if kind == "_":
            return kind, None
        if kind in "$=!":
            count = int(line)
            return kind, None if count < 0 else self._bulk(count)
        if kind in "*~>%":
            count = int(line)
            if count < 0:
                return kind, None
            return kind, [self.answer() for _ in range(count * (2 if kind == "%" else 1))]
        raise Malformed(kind + line.decode("latin-1"))

    def _more(self):
        more = self.socket.recv(1 << 18)
        if not more:
            raise Ended(self._bytes[self._at:])
        self._bytes = self._bytes[self._at:] + more
        self._at = 0

    def _head(self):
        while True:
            end = self._bytes.find(b"\r\n", self._at)
            if end >= 0:
                break
            self._more()
        line = self._bytes[self._at:end]
        self._at = end + 2
        if not line:
            raise Malformed("an empty line")
        return chr(line[0]), line[1:]

    def _bulk(self, count):
        while len(self._bytes) - self._at < count + 2:
            self._more()
        value = self._bytes[self._at:self._at + count]
        if self._bytes[self._at + count:self._at + count + 2] != b"\r\n":
            raise Malformed(f"no end after {value!r}")
        self._at += count + 2
        return value

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
