# SPDX-License-Identifier: Apache-2.0
"""relay.py - a relay on the loopback that makes a connection as slow and as long as a test needs.

As a program it relays, in a process of its own so that it neither waits for a test nor makes one wait:

    relay.py --to 127.0.0.1:3000 --rate 1048576 --delay-ms 20 --buffer 65536

It prints the port it listens on and then obeys one word a line from its input: `rate N` (bytes a
second, each connection and each way; `none` is no limit, 0 is a halt), `stats` (answered with one line of JSON), and the
end of its input ends it. As a module: `with Relay("127.0.0.1:3000", rate=1 << 20) as relay:`.

A relay reads only what it can hand on at once (or, with a delay, what is on its way), so that what it
did not read is in the buffers of the kernel and of whoever sends.
"""
import collections
import errno
import json
import os
import selectors
import socket
import struct
import subprocess
import sys
import time

PIECE = 64 * 1024
TICK_S = 0.005


class Way:
    """One direction of one connection: what `source` sends goes to `sink`."""

    def __init__(self, source, sink, relay, name):
        self.source, self.sink, self.relay, self.name = source, sink, relay, name
        self.budget = 0.0
        self.filled_at = time.monotonic()
        self.queue = collections.deque()  # (due, bytes), in order
        self.held = 0
        self.ended = False  # source has sent its last byte
        self.over = False  # and that was handed on

    def refill(self, now):
        rate = self.relay.rate
        if rate is None:
            self.budget = PIECE
        else:
            # At most what two ticks bring, or one piece: a rate is not saved up.
            most = max(rate * TICK_S * 4, 1)
            self.budget = min(self.budget + (now - self.filled_at) * rate, most)
        self.filled_at = now

    def room(self):
        """Bytes that may be read now."""
        on_the_way = PIECE if self.relay.rate is None else self.relay.rate * self.relay.delay_s
        on_the_way = int(on_the_way) + PIECE if self.relay.delay_s else 1
        if self.held >= on_the_way:
            return 0
        return min(int(self.budget), PIECE)

    def read(self, now):
        room = self.room()
        if room <= 0 or self.ended:
            return
        try:
            data = self.source.recv(room)
        except BlockingIOError:
            return
        if not data:
            self.ended = True
            return
        self.budget -= len(data)
        self.relay.moved[self.name] += len(data)
        self.queue.append((now + self.relay.delay_s, data))
        self.held += len(data)

    def write(self, now):
        while self.queue and self.queue[0][0] <= now:
            due, data = self.queue[0]
            try:
                sent = self.sink.send(data)
            except BlockingIOError:
                return
            self.held -= sent
            if sent < len(data):
                self.queue[0] = (due, data[sent:])
                return
            self.queue.popleft()
        if self.ended and not self.queue and not self.over:
            self.over = True
            try:
                self.sink.shutdown(socket.SHUT_WR)
            except OSError:
                pass


class Relaying:
    """The loop of the process."""

    def __init__(self, to, rate, delay_s, buffer_bytes):
        self.to, self.rate, self.delay_s, self.buffer_bytes = to, rate, delay_s, buffer_bytes
        self.moved = {"forth": 0, "back": 0}
        self.accepted = 0
        self.selector = selectors.DefaultSelector()
        self.pairs = {}  # socket -> (the other, way that reads it, way that writes it)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.set_buffers(self.listener)
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ, "listener")
        self.input = b""
        os.set_blocking(0, False)
        self.selector.register(0, selectors.EVENT_READ, "input")

    def set_buffers(self, sock):
        if self.buffer_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.buffer_bytes // 2)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.buffer_bytes // 2)

    def accept(self):
        try:
            near, _ = self.listener.accept()
        except BlockingIOError:
            return
        family = socket.AF_UNIX if isinstance(self.to, str) else socket.AF_INET
        far = socket.socket(family, socket.SOCK_STREAM)
        self.set_buffers(far)
        self.set_buffers(near)
        try:
            far.connect(self.to)
        except OSError:
            reset(near)
            far.close()
            return
        self.accepted += 1
        for sock in (near, far):
            sock.setblocking(False)
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        forth, back = Way(near, far, self, "forth"), Way(far, near, self, "back")
        self.pairs[near] = (far, forth, back)
        self.pairs[far] = (near, back, forth)

    def drop(self, sock, with_reset):
        far, _, _ = self.pairs.pop(sock)
        self.pairs.pop(far)
        for each in (sock, far):
            if with_reset:
                reset(each)
            else:
                each.close()

    def obey(self):
        """False: the input has ended."""
        try:
            data = os.read(0, 4096)
        except BlockingIOError:
            return True
        if not data:
            return False
        self.input += data
        *lines, self.input = self.input.split(b"\n")
        for line in lines:
            words = line.decode().split()
            if words[0] == "rate":
                self.rate = None if words[1] == "none" else float(words[1])
            elif words[0] == "stats":
                stats = {"accepted": self.accepted, "open": len(self.pairs) // 2}
                print(json.dumps(stats | self.moved), flush=True)
        return True

    def turn(self):
        """One tick: reads and writes everything that may be, without asking who is ready."""
        now = time.monotonic()
        busy = False
        for sock in list(self.pairs):
            if sock not in self.pairs:
                continue
            _, reading, writing = self.pairs[sock]
            before = reading.held, self.moved[reading.name]
            try:
                reading.refill(now)
                reading.write(now)
                reading.read(now)
                reading.write(now)
            except OSError as error:
                self.drop(sock, error.errno in (errno.ECONNRESET, errno.EPIPE))
                continue
            busy = busy or before != (reading.held, self.moved[reading.name])
            if reading.over and writing.over:
                self.drop(sock, False)
        return busy

    def run(self):
        while True:
            busy = self.turn()
            fast = self.rate is None and self.delay_s == 0
            wait_s = 0 if busy and fast else TICK_S if self.pairs else None
            for key, _ in self.selector.select(wait_s):
                if key.data == "listener":
                    self.accept()
                elif not self.obey():
                    return


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Relay:
    """A relay in a process of its own. `to` is HOST:PORT or the path of a unix socket."""

    def __init__(self, to, rate=None, delay_ms=0, buffer_bytes=0):
        command = [sys.executable, __file__, "--to", to, "--delay-ms", str(delay_ms), "--buffer", str(buffer_bytes)]
        if rate is not None:
            command += ["--rate", str(rate)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.port = int(self.process.stdout.readline())
        self.address = f"127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def set_rate(self, rate):
        self.process.stdin.write(f"rate {'none' if rate is None else rate}\n")
        self.process.stdin.flush()

    def stats(self):
        """Bytes moved so far: `forth` from who connected, `back` to it; connections `accepted`, `open`."""
        self.process.stdin.write("stats\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def main():
    options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
    to = options["--to"]
    if not to.startswith("/"):
        host, port = to.rsplit(":", 1)
        to = (host, int(port))
    rate = float(options["--rate"]) if "--rate" in options else None
    relaying = Relaying(to, rate, float(options["--delay-ms"]) / 1000, int(options["--buffer"]))
    print(relaying.listener.getsockname()[1], flush=True)
    relaying.run()


if __name__ == "__main__":
    main()
