# SPDX-License-Identifier: Apache-2.0
"""integration/raw.py - HTTP/1.1 on a plain socket: exact bytes out, parsed messages in.

The reader is strict and independent of Pando's codec: CRLF alone ends a line, a length is decimal, a chunk
size is hexadecimal, and what does not fit raises Malformed. A connection that ended raises Ended.
"""
import re
import socket
import struct
import time

BODYLESS = (204, 304)


class Ended(Exception):
    """The other side closed (how: "fin") or reset (how: "rst") the connection."""

    def __init__(self, how, rest=b""):
        super().__init__(f"{how} after {rest!r}")
        self.how = how
        self.rest = rest


class Malformed(Exception):
    """What came is not HTTP."""


class Message:
    """A head, and what belongs to it. `fields` is a list of (name, value), in order, as received."""

    def __init__(self, start, fields, head):
        self.start = start
        self.fields = fields
        self.head = head            # its raw bytes, with the empty line
        self.body = b""
        self.trailers = []
        self.chunks = None          # sizes of the chunks; None: not chunked
        self.framing = "none"       # none, length, chunked, close

    def all(self, name):
        """Every value of a field."""
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name, otherwise=None):
        """The value of a field that stands there at most once."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} stands there {len(values)} times: {self.head!r}"
        return values[0] if values else otherwise

    def trailer(self, name):
        return next((value for key, value in self.trailers if key.lower() == name.lower()), None)

    @property
    def text(self):
        return self.body.decode("utf-8")


class Answer(Message):
    """`status`, and the interim (1xx) answers that came before."""

    def __init__(self, start, fields, head):
        super().__init__(start, fields, head)
        match = re.fullmatch(r"HTTP/1\.([01]) (\d{3})(?: (.*))?", start, re.DOTALL)
        if match is None:
            raise Malformed(f"status line {start!r}")
        self.minor = int(match.group(1))
        self.status = int(match.group(2))
        self.reason = match.group(3) or ""
        self.interims = []

    @property
    def closes(self):
        """Does the sender say that it closes after this?"""
        options = ",".join(self.all("Connection")).lower()
        return "close" in options or (self.minor == 0 and "keep-alive" not in options)


class Request(Message):
    """`method` and `target`."""

    def __init__(self, start, fields, head):
        super().__init__(start, fields, head)
        parts = start.split(" ")
        if len(parts) != 3 or not re.fullmatch(r"HTTP/1\.[01]", parts[2]):
            raise Malformed(f"request line {start!r}")
        self.method, self.target, self.version = parts

    @property
    def closes(self):
        options = ",".join(self.all("Connection")).lower()
        return "close" in options or (self.version == "HTTP/1.0" and "keep-alive" not in options)


class Reader:
    """Reads messages from a socket. `seen` keeps every byte that was received."""

    def __init__(self, sock):
        self.sock = sock
        self.waiting = b""
        self.seen = bytearray()
        self.keep = False

    def _more(self):
        try:
            data = self.sock.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            raise Ended("rst", self.waiting) from None
        if not data:
            raise Ended("fin", self.waiting)
        if self.keep:
            self.seen += data
        self.waiting += data

    def take(self, count):
        """Exactly so many bytes."""
        if count > 1 << 16:         # large bodies: without copying what waits again and again
            parts, have = [self.waiting], len(self.waiting)
            while have < count:
                self.waiting = b""
                self._more()
                parts.append(self.waiting)
                have += len(self.waiting)
            self.waiting = b"".join(parts)
        while len(self.waiting) < count:
            self._more()
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        return taken

    def some(self):
        """Whatever is there, at least one byte."""
        if not self.waiting:
            self._more()
        taken, self.waiting = self.waiting, b""
        return taken

    def rest(self):
        """All until the other side closes."""
        parts = []
        try:
            while True:
                parts.append(self.some())
        except Ended as end:
            if end.how == "rst":
                raise Ended("rst", b"".join(parts)) from None
        return b"".join(parts)

    def line(self):
        while b"\n" not in self.waiting:
            if len(self.waiting) > 1 << 20:
                raise Malformed("a line without end")
            self._more()
        line, self.waiting = self.waiting.split(b"\n", 1)
        if not line.endswith(b"\r") or b"\r" in line[:-1]:
            raise Malformed(f"line end of {line!r}")
        return line[:-1]

    def fields(self):
        """Field lines up to the empty line; and the raw bytes."""
        fields, lines = [], []
        while True:
            line = self.line()
            lines.append(line + b"\r\n")
            if not line:
                return fields, b"".join(lines)
            match = re.fullmatch(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*",
                                 line, re.DOTALL)
            if match is None:
                raise Malformed(f"field line {line!r}")
            fields.append((match.group(1).decode("latin-1"), match.group(2).decode("latin-1")))

    def head(self, kind):
        start = self.line()
        fields, raw = self.fields()
        return kind(start.decode("latin-1"), fields, start + b"\r\n" + raw)

    def chunks(self, message):
        message.framing = "chunked"
        message.chunks = []
        parts = []
        while True:
            line = self.line()
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}", line):
                raise Malformed(f"chunk size {line!r}")
            size = int(line, 16)
            if size == 0:
                break
            message.chunks.append(size)
            parts.append(self.take(size))
            if self.take(2) != b"\r\n":
                raise Malformed("chunk data is not followed by CRLF")
        message.body = b"".join(parts)
        message.trailers, _ = self.fields()

    def body(self, message, until_close=False):
        """Reads the body that the head announces."""
        length, coding = message.all("Content-Length"), message.all("Transfer-Encoding")
        if len(length) + len(coding) > 1:
            raise Malformed(f"two ways of framing: {message.head!r}")
        if coding:
            if coding[0].lower() != "chunked":
                raise Malformed(f"coding {coding[0]!r}")
            self.chunks(message)
        elif length:
            if not re.fullmatch(r"\d{1,18}", length[0]):
                raise Malformed(f"length {length[0]!r}")
            message.framing = "length"
            message.body = self.take(int(length[0]))
        elif until_close:
            message.framing = "close"
            message.body = self.rest()

    def request(self, with_body=True):
        request = self.head(Request)
        if with_body:
            self.body(request)
        return request

    def answer(self, method="GET", with_body=True):
        """The next final answer; interims before it are in .interims. 101 is final."""
        interims = []
        while True:
            answer = self.head(Answer)
            if answer.status >= 200 or answer.status == 101:
                break
            interims.append(answer)
        answer.interims = interims
        if with_body and method != "HEAD" and answer.status not in BODYLESS and answer.status != 101:
            self.body(answer, until_close=True)
        return answer


def head(start, fields=()):
    """The bytes of a head."""
    lines = [start, *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def request(target="/", method="GET", fields=(), body=b"", host="shop.example"):
    """The bytes of a request; Host and Content-Length are added if they are missing."""
    fields = list(fields)
    names = [name.lower() for name, _ in fields]
    if "host" not in names and host is not None:
        fields.insert(0, ("Host", host))
    if (body or method in ("POST", "PUT", "PATCH")) and "transfer-encoding" not in names \
            and "content-length" not in names:
        fields.append(("Content-Length", str(len(body))))
    return head(f"{method} {target} HTTP/1.1", fields) + body


def chunked(body, size=7, trailers=()):
    """`body` in chunks, with its end."""
    parts = [b"%x\r\n%s\r\n" % (len(body[i:i + size]), body[i:i + size]) for i in range(0, len(body), size)]
    return b"".join(parts) + b"0\r\n" + head("", trailers)[2:]


class Client:
    """A client connection."""

    def __init__(self, address, timeout_s=20, source=None):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(timeout_s)
        if source is not None:
            self.sock.bind((source, 0))
        self.sock.connect(address)
        if family == socket.AF_INET:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = Reader(self.sock)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.sock.sendall(data)
        return self

    def send_pieces(self, data, cuts, pause_s=0.002):
        """Sends the data cut at these offsets, with a pause after each piece."""
        edges = [0, *sorted(set(cut for cut in cuts if 0 < cut < len(data))), len(data)]
        for i in range(len(edges) - 1):
            if i > 0:
                time.sleep(pause_s)
            self.sock.sendall(data[edges[i]:edges[i + 1]])
        return self

    def answer(self, method="GET", with_body=True):
        return self.reader.answer(method, with_body)

    def ask(self, target="/", method="GET", fields=(), body=b""):
        self.send(request(target, method, fields, body))
        return self.answer(method)

    def ended(self, timeout_s=None):
        """Waits for the end of the connection: "fin" or "rst". Bytes before it are an error."""
        if timeout_s is not None:
            self.sock.settimeout(timeout_s)
        try:
            data = self.reader.some()
        except Ended as end:
            return end.how
        raise AssertionError(f"bytes instead of the end: {data!r}")

    def is_silent(self, for_s=0.2):
        """True if nothing comes for that long, neither bytes nor the end."""
        if self.reader.waiting:
            return False
        before = self.sock.gettimeout()
        self.sock.settimeout(for_s)
        try:
            self.reader.waiting += self.reader.some()
            return False
        except socket.timeout:
            return True
        except Ended:
            return False
        finally:
            self.sock.settimeout(before)

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)
        return self

    def reset(self):
        """RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()
