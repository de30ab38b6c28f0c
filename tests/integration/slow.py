# SPDX-License-Identifier: Apache-2.0
"""slow.py - large bodies that are sent and read slowly, and checked to the last byte.

A body is a pattern of 1 MiB over and over, so that neither side has to keep or hash it. BodyServer is
an HTTP/1.1 server for such bodies; upload() and download() are its clients. All of them use small
socket buffers if asked to, so that what stands in between shows how much it takes.
"""
import random
import re
import socket
import struct
import threading
import time

PATTERN_BYTES = 1 << 20
PATTERN = random.Random(2).randbytes(PATTERN_BYTES)
TWICE = memoryview(PATTERN * 2)
PIECE = 256 * 1024


def piece_at(offset, most):
    """Up to `most` bytes of the body, from `offset` on."""
    start = offset % PATTERN_BYTES
    return TWICE[start : start + min(most, PATTERN_BYTES)]


class Check:
    """Counts a body's bytes and compares each with the pattern."""

    def __init__(self):
        self.bytes = 0
        self.wrong_at = None

    def feed(self, data):
        at = 0
        while at < len(data):
            piece = data[at : at + PATTERN_BYTES]
            if self.wrong_at is None and piece_at(self.bytes, len(piece)) != piece:
                self.wrong_at = self.bytes
            self.bytes += len(piece)
            at += len(piece)


class Pace:
    """Keeps a loop at `rate` bytes a second; None is no limit, 0 a halt. The rate may change at any time."""

    def __init__(self, rate):
        self.set(rate)

    def set(self, rate):
        self.rate, self.since, self.bytes = rate, time.monotonic(), 0

    def most(self):
        """How much to move next; waits while the rate is 0."""
        while self.rate == 0:
            time.sleep(0.01)
        return PIECE if self.rate is None else max(int(self.rate * 0.02), 1)

    def took(self, count):
        if not self.rate:
            return
        self.bytes += count
        while self.rate and (ahead_s := self.bytes / self.rate - (time.monotonic() - self.since)) > 0:
            time.sleep(min(ahead_s, 0.05))    # in short naps: the rate may change meanwhile


def set_buffers(sock, buffer_bytes):
    """The kernel doubles what it is told; this is what it will say it has."""
    if buffer_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes // 2)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes // 2)


def dial(port, buffer_bytes=0, timeout_s=60):
    sock = socket.socket()
    set_buffers(sock, buffer_bytes)
    sock.settimeout(timeout_s)
    sock.connect(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def read_head(sock, early=b""):
    """The head with its empty line, and what came after it. An empty head: the other side has ended."""
    data = early
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            return b"", data
        data += more
    head, rest = data.split(b"\r\n\r\n", 1)
    return head + b"\r\n\r\n", rest


def field(head, name):
    found = re.search(rb"\r\n" + name.encode() + rb":[ \t]*([^\r\n]*)", head, re.I)
    return found.group(1).decode("latin1") if found else None


def read_sized(sock, length, check, pace, rest=b""):
    check.feed(rest)
    while check.bytes < length:
        data = sock.recv(min(pace.most(), length - check.bytes))
        if not data:
            raise ConnectionError(f"the body ended after {check.bytes} of {length} bytes")
        check.feed(data)
        pace.took(len(data))


class BodyServer:
    """POST: reads the body at `pace`, answers "BYTES WRONG_AT". GET /BYTES: sends so many, as fast as they are taken."""

    def __init__(self, rate=None, buffer_bytes=0):
        self.paces = []
        self.rate = rate
        self.buffer_bytes = buffer_bytes
        self.read_bytes = 0  # of request bodies, over all connections
        self.sent_bytes = 0  # of answer bodies: what the kernel has taken
        self.lock = threading.Lock()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        set_buffers(self.listener, buffer_bytes)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(512)
        self.port = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.connections = set()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections.add(sock)
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        rest = b""
        sock.settimeout(3600)    # send() then tells at once how much the kernel took, instead of waiting for all
        try:
            while True:
                head, rest = read_head(sock, rest)
                if not head:
                    return
                if head.startswith(b"GET"):
                    self.send_body(sock, int(re.match(rb"GET /(\d+)", head).group(1)))
                else:
                    rest = self.take_body(sock, head, rest)
        except OSError:
            pass
        finally:
            self.connections.discard(sock)
            sock.close()

    def send_body(self, sock, length):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length)
        at = 0
        while at < length:
            sent = sock.send(piece_at(at, min(PIECE, length - at)))
            at += sent
            with self.lock:
                self.sent_bytes += sent

    def take_body(self, sock, head, rest):
        length = int(field(head, "content-length"))
        check = Check()
        pace = Pace(self.rate)
        with self.lock:
            self.paces.append(pace)
            self.read_bytes += len(rest[:length])
        check.feed(rest[:length])
        rest = rest[length:]
        while check.bytes < length:
            data = sock.recv(min(pace.most(), length - check.bytes))
            if not data:
                raise ConnectionError("the body ended early")
            check.feed(data)
            with self.lock:
                self.read_bytes += len(data)
            pace.took(len(data))
        with self.lock:
            self.paces.remove(pace)
        text = f"{check.bytes} {check.wrong_at}".encode()
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
        return rest

    def set_rate(self, rate):
        """For the bodies that come, and for those that are coming."""
        with self.lock:
            self.rate = rate
            for pace in self.paces:
                pace.set(rate)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.set_rate(None)
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for sock in list(self.connections):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Transfer(threading.Thread):
    """One body on its way, in a thread. After join(): `error` is None, or says what went wrong."""

    def __init__(self, port, length, rate=None, buffer_bytes=0, host="bodies.test"):
        super().__init__(daemon=True)
        self.port, self.length, self.buffer_bytes, self.host = port, length, buffer_bytes, host
        self.pace = Pace(rate)
        self.moved = 0  # bytes of the body that this side has sent or read
        self.sock = None
        self.error = None
        self.start()

    def run(self):
        try:
            self.sock = dial(self.port, self.buffer_bytes)
            with self.sock:
                self.move(self.sock)
        except (OSError, ValueError) as error:
            self.error = f"{type(error).__name__}: {error} (after {self.moved} of {self.length} bytes)"

    def set_rate(self, rate):
        self.pace.set(rate)


class Upload(Transfer):
    """Sends a body with its length, and reads what the server says of it."""

    def move(self, sock):
        sock.sendall(
            f"POST /up HTTP/1.1\r\nHost: {self.host}\r\nContent-Length: {self.length}\r\n\r\n".encode()
        )
        while self.moved < self.length:
            sent = sock.send(piece_at(self.moved, min(self.pace.most(), self.length - self.moved)))
            self.moved += sent
            self.pace.took(sent)
        head, rest = read_head(sock)
        if not head.startswith(b"HTTP/1.1 200"):
            raise ValueError(f"answered {head!r}")
        want = int(field(head, "content-length"))
        while len(rest) < want:
            data = sock.recv(65536)
            if not data:
                raise ConnectionError("the answer ended early")
            rest += data
        if rest.decode() != f"{self.length} None":
            raise ValueError(f"the server got {rest!r}")


class Download(Transfer):
    """Asks for a body and reads it."""

    def move(self, sock):
        sock.sendall(f"GET /{self.length} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
        head, rest = read_head(sock)
        if not head.startswith(b"HTTP/1.1 200"):
            raise ValueError(f"answered {head!r}")
        check = Check()
        check.feed(rest)
        self.moved = check.bytes
        while check.bytes < self.length:
            data = sock.recv(min(self.pace.most(), self.length - check.bytes))
            if not data:
                raise ConnectionError("the body ended early")
            check.feed(data)
            self.moved = check.bytes
            self.pace.took(len(data))
        if check.wrong_at is not None:
            raise ValueError(f"byte {check.wrong_at} is wrong")


def unsent_bytes(sock):
    """Bytes that this side's kernel holds: written, and not yet acknowledged by the other side's."""
    import fcntl
    import termios

    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0\0\0\0"))[0]
