# SPDX-License-Identifier: Apache-2.0
"""integration/test_cache_collapse.py - many who ask for the same at once cost the server one request, and nobody is
held up by another, sees what is another's, or takes a part of an answer for all of it."""
import re
import resource
import selectors
import socket
import struct
import threading
import time

import pytest

import pando
import raw
from cache_origin import CacheOrigin, cache_status, hit, made_body
from pando import until

CLIENTS = 1000
BODY_BYTES = 1 << 20
SLOW_BYTES_S = 10 * 1024
WHOLE, CUT = "whole", "cut"


@pytest.fixture(autouse=True)
def descriptors():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def origin():
    with CacheOrigin() as server:
        yield server


def config_of(server, **cache):
    return {"log": {"access": False},
            "services": {"shop": {"targets": [server.address], "cache": {"memory": "64MiB", **cache}}}}


class Asker:
    """One client with one request: what it has of its answer, kept as a count and compared as it comes.

    `end` is None while more is awaited; "whole": the framing says that this was all; "cut": the connection ended
    before that; "closed": it ended with FIN, and the framing is "until close", so the client takes it for all."""

    def __init__(self, port, request, expected):
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.expected = expected            # None: the body is kept in `body`, and not compared
        self.head, self.status, self.waiting = None, None, b""
        self.bytes, self.wrong_at, self.body = 0, None, b""
        self.left = 0                       # of the body, or of the chunk that is coming
        self.chunked = self.until_close = False
        self.end = None
        self.sock.sendall(request)
        self.sock.setblocking(False)

    def read(self, most=1 << 18):
        """Takes what is there, at most so much."""
        try:
            data = self.sock.recv(most)
        except BlockingIOError:
            return
        except ConnectionResetError:
            self.end = CUT
            return
        if not data:
            self.end = "closed" if self.until_close else CUT
            return
        self.waiting += data
        if self.head is None and b"\r\n\r\n" in self.waiting:
            self._read_head()
        while self.head is not None and self.end is None and self._step():
            pass

    def _read_head(self):
        head, self.waiting = self.waiting.split(b"\r\n\r\n", 1)
        self.head = head.decode("latin-1")
        self.status = int(self.head.split(" ")[1])
        length = re.search(r"(?im)^content-length: (\d+)\r?$", self.head)
        self.chunked = re.search(r"(?im)^transfer-encoding: chunked\r?$", self.head) is not None
        self.until_close = length is None and not self.chunked
        self.left = int(length.group(1)) if length else 0
        if length and self.left == 0:
            self.end = WHOLE

    def _step(self):
        """One piece of the body, or one line between chunks; False: more must come."""
        if self.chunked and self.left == 0:
            line, found, rest = self.waiting.partition(b"\r\n")
            if not found or (line == b"0" and b"\r\n" not in rest):
                return False
            self.waiting, self.left = rest, int(line, 16)
            if self.left == 0:
                self.end = WHOLE
            return True
        data = self.waiting if self.until_close else self.waiting[:self.left]
        if not data or (self.chunked and len(data) == self.left and len(self.waiting) < self.left + 2):
            return False
        self._take(data)
        self.waiting = self.waiting[len(data):]
        if not self.until_close:
            self.left -= len(data)
        if self.chunked and self.left == 0:
            assert self.waiting.startswith(b"\r\n"), "no CRLF after a chunk"
            self.waiting = self.waiting[2:]
        elif not self.until_close and self.left == 0:
            self.end = WHOLE
        return True

    def _take(self, data):
        if self.expected is None:
            self.body += data
        elif self.status == 200 and self.wrong_at is None and \
                self.expected[self.bytes:self.bytes + len(data)] != data:
            self.wrong_at = self.bytes
        self.bytes += len(data)

    @property
    def has_all(self):
        """Would its user believe to have the answer, and is it the right one?"""
        return self.end == WHOLE and self.status == 200 and self.bytes == len(self.expected) and self.wrong_at is None

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Askers:
    """Many of them in one thread, which reads as fast as it can."""

    def __init__(self, port, path, expected=None):
        self.port, self.path, self.expected = port, path, memoryview(expected) if expected is not None else None
        self.all = []
        self.arriving = []
        self.selector = selectors.DefaultSelector()
        self.leaving = []
        self.stopping = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join(10)
        for asker in self.all:
            asker.sock.close()

    def ask(self, count=1, version="1.1", fields=""):
        """So many more; they are read from at once."""
        request = f"GET {self.path} HTTP/{version}\r\nHost: shop.example\r\n{fields}\r\n".encode()
        more = [Asker(self.port, request, self.expected) for _ in range(count)]
        self.all += more
        self.arriving += more
        return more

    def _run(self):
        while not self.stopping:
            while self.arriving:
                asker = self.arriving.pop()
                self.selector.register(asker.sock, selectors.EVENT_READ, asker)
            while self.leaving:
                asker = self.leaving.pop()
                if asker.end is None:
                    self.selector.unregister(asker.sock)
                asker.end = "left"
                asker.reset()
            for key, _ in self.selector.select(0.01):
                asker = key.data
                try:
                    asker.read()
                except (OSError, ValueError, AssertionError) as error:    # also: closed by the test
                    asker.end = asker.end or f"broken: {error!r}"
                if asker.end is not None:
                    self.selector.unregister(asker.sock)

    def leave(self, asker):
        """One goes away without a word, soon."""
        self.leaving.append(asker)

    def ends(self):
        """{(end, status): how many}, for a message."""
        found = {}
        for asker in self.all:
            found[asker.end, asker.status] = found.get((asker.end, asker.status), 0) + 1
        return found


class Slow(threading.Thread):
    """One that reads 10 KiB a second, until it is told to hurry."""

    def __init__(self, asker):
        super().__init__(daemon=True)
        self.asker, self.hurry = asker, threading.Event()
        self.start()

    def run(self):
        while self.asker.end is None:
            if self.hurry.is_set():
                self.asker.read()
            else:
                self.asker.read(SLOW_BYTES_S // 10)
                self.hurry.wait(0.1)


def in_flight(proxy):
    return [proxy.metric("pando_worker_ops_inflight", worker=worker) for worker in "01"]


@pytest.mark.parametrize("chunk", [0, 50_000], ids=["length", "chunked"])
def test_a_thousand_askers_are_one_request(start, origin, chunk):
    """Half of them come before the answer has begun, the others while it comes."""
    before, middle = threading.Event(), threading.Event()
    origin.page("/big", cache="public, max-age=60", bytes=BODY_BYTES, chunk=chunk, before=before, middle=middle)
    proxy = start(config_of(origin))
    body = made_body(1, BODY_BYTES)
    with Askers(proxy.port, "/big", body) as askers:
        first, = askers.ask()
        origin.wait_for("/big")
        askers.ask(CLIENTS // 2 - 1)
        slow = Asker(proxy.port, raw.request("/big"), memoryview(body))
        until(lambda: sum(in_flight(proxy)) >= CLIENTS // 2 + 1, lambda: f"all wait; so far {in_flight(proxy)}")
        before.set()
        until(lambda: first.bytes > 0, "the first has a part of the body")
        askers.leave(first)
        snail = Slow(slow)
        askers.ask(CLIENTS - CLIENTS // 2 - 1)
        rest = [asker for asker in askers.all if asker is not first]
        until(lambda: slow.bytes > 0 and all(asker.bytes > 0 for asker in rest),
              lambda: f"all have a part before the server has sent the rest; without one are "
                      f"{sum(asker.bytes == 0 for asker in rest)}; {askers.ends()}")
        assert min(in_flight(proxy)) >= CLIENTS // 20, "both workers have clients that wait for it"
        assert origin.count("/big") == 1
        middle.set()
        until(lambda: all(asker.end for asker in rest), lambda: f"all have it all; {askers.ends()}",
              pando.PATIENCE_S * 3)
        assert all(asker.has_all for asker in rest), askers.ends()
        assert slow.end is None, "nobody waited for the slow one, nor was it dropped"
        time.sleep(1)
        snail.hurry.set()
        until(lambda: slow.end, "the slow one has it, too")
        assert slow.has_all, (slow.end, slow.bytes, slow.wrong_at)
        slow.sock.close()
    assert origin.count("/big") == 1
    answer = proxy.ask("/big")
    assert hit(answer) and answer.body == body and origin.count("/big") == 1


def test_all_of_them_leave(start, origin):
    """Whatever then becomes of the request to the server: nothing is left over, and the next asker is served."""
    middle = threading.Event()
    page = origin.page("/left", cache="max-age=60", bytes=BODY_BYTES, middle=middle)
    proxy = start(config_of(origin))
    with Askers(proxy.port, "/left", made_body(1, BODY_BYTES)) as askers:
        some = askers.ask(20)
        until(lambda: all(asker.bytes > 0 for asker in some), lambda: f"all have a part; {askers.ends()}")
        for asker in some:
            askers.leave(asker)
        until(lambda: all(asker.end == "left" for asker in askers.all), "all to leave")
    page.middle = None
    middle.set()
    until(lambda: sum(in_flight(proxy)) == 0, lambda: f"no request is left: {in_flight(proxy)}")
    until(lambda: proxy.metric("pando_upstream_inflight") == 0, "none is on its way to the server")
    answer = proxy.ask("/left")
    assert answer.status == 200 and answer.body == made_body(int(answer.get("X-Serial")), BODY_BYTES)


DYING = {"length": {}, "chunked": {"chunk": 9000}, "until-close": {"until_close": True}}


@pytest.mark.parametrize("how", DYING)
def test_nobody_takes_half_an_answer_for_all(start, origin, how):
    """The server dies in the middle: every connection that has a part of it is cut."""
    before, middle = threading.Event(), threading.Event()
    page = origin.page("/dying", cache="public, max-age=60", bytes=200_000, half=True, before=before, middle=middle,
                       **DYING[how])
    proxy = start(config_of(origin))
    with Askers(proxy.port, "/dying", made_body(1, 200_000)) as askers:
        askers.ask()
        origin.wait_for("/dying")
        askers.ask(100)
        until(lambda: sum(in_flight(proxy)) >= 101, lambda: f"all wait: {in_flight(proxy)}")
        before.set()
        until(lambda: all(asker.bytes > 0 or asker.end for asker in askers.all),
              lambda: f"all have a part; {askers.ends()}")
        late = askers.ask(100)
        until(lambda: all(asker.bytes > 0 or asker.end for asker in late),
              lambda: f"so have the late ones; {askers.ends()}")
        middle.set()
        until(lambda: all(asker.end for asker in askers.all), lambda: f"all are told; {askers.ends()}")
        for asker in askers.all:
            assert asker.end == CUT or (asker.end == WHOLE and asker.status >= 500), askers.ends()
    page.half, page.before, page.middle = False, None, None
    seen = origin.count("/dying")
    answer = proxy.ask("/dying")
    assert answer.status == 200 and answer.body == made_body(int(answer.get("X-Serial")), 200_000)
    assert origin.count("/dying") == seen + 1 and not hit(answer), "what broke off is not kept"


def test_half_an_answer_is_reset_for_old_clients(start, origin):
    """To a client of HTTP/1.0 an answer without length ends with the connection: RST is the only sign that it broke."""
    middle = threading.Event()
    origin.page("/old", cache="public, max-age=60", bytes=20_000, chunk=9000, half=True, middle=middle)
    proxy = start(config_of(origin))
    with Askers(proxy.port, "/old", made_body(1, 20_000)) as askers:
        askers.ask(5)
        old = askers.ask(5, version="1.0")
        until(lambda: all(asker.bytes > 0 for asker in askers.all), lambda: f"all have a part; {askers.ends()}")
        middle.set()
        until(lambda: all(asker.end for asker in askers.all), lambda: f"all are told; {askers.ends()}")
        assert all(asker.end == CUT for asker in old), askers.ends()


def test_a_server_that_dies_before_its_answer(start, origin):
    """No storm: those who waited do not all ask by themselves, and nobody waits for ever."""
    gate = threading.Event()

    def die(exchange):
        gate.wait(pando.PATIENCE_S)
        exchange.close()
    origin.on("/dead", die)
    proxy = start(config_of(origin))
    with Askers(proxy.port, "/dead", b"") as askers:
        askers.ask(200)
        until(lambda: sum(in_flight(proxy)) >= 200, lambda: f"all wait: {in_flight(proxy)}")
        asked_before = origin.count("/dead")
        gate.set()
        until(lambda: all(asker.end for asker in askers.all), lambda: f"all are told; {askers.ends()}")
        assert all(asker.status in (502, 503, 504) for asker in askers.all), askers.ends()
    assert asked_before == 1, "they waited for one"
    assert origin.count("/dead") <= 200 * 2, "retries stay within their budget"


def test_a_length_over_the_limit_holds_nobody_up(start, origin):
    """Known from the head: the others ask by themselves while the first one's body is still coming."""
    before, middle = threading.Event(), threading.Event()
    size = 1 << 20
    page = origin.page("/large", cache="public, max-age=60", bytes=size, before=before, middle=middle)
    proxy = start(config_of(origin, **{"object-bytes": "64KiB"}))
    with Askers(proxy.port, "/large") as askers:
        askers.ask()
        origin.wait_for("/large")
        askers.ask(19)
        until(lambda: sum(in_flight(proxy)) >= 20, lambda: f"all wait: {in_flight(proxy)}")
        assert origin.count("/large") == 1
        before.set()
        origin.wait_for("/large", 20)
        page.middle = None
        middle.set()
        until(lambda: all(asker.end for asker in askers.all), lambda: f"all have theirs; {askers.ends()}")
        numbers = sorted(int(asker.body.split(b"\n", 1)[0]) for asker in askers.all)
        assert numbers == list(range(1, 21)), "each has an answer of its own"
        for asker in askers.all:
            assert asker.end == WHOLE and asker.body == made_body(int(asker.body.split(b"\n", 1)[0]), size)
    assert not hit(proxy.ask("/large"))


def test_a_body_that_turns_out_too_large_is_still_whole(start, origin):
    """Without a length nobody knows before it is there: who streams it gets all of it, and it is not kept."""
    middle = threading.Event()
    origin.page("/grows", cache="public, max-age=60", bytes=1 << 20, chunk=30_000, middle=middle)
    proxy = start(config_of(origin, **{"object-bytes": "64KiB"}))
    with Askers(proxy.port, "/grows") as askers:
        askers.ask(20)
        until(lambda: all(asker.bytes > 0 for asker in askers.all), lambda: f"all have a part; {askers.ends()}")
        middle.set()
        until(lambda: all(asker.end for asker in askers.all), lambda: f"all have theirs; {askers.ends()}")
        for asker in askers.all:
            assert asker.end == WHOLE and asker.body == made_body(int(asker.body.split(b"\n", 1)[0]), 1 << 20)
    assert not hit(proxy.ask("/grows"))


UNCACHEABLE = {
    "private": {"cache": "private, max-age=60"},
    "no-store": {"cache": "no-store"},
    "set-cookie": {"cache": "public, max-age=60", "headers": (("Set-Cookie", "id=1"),)},
    "vary-any": {"cache": "public, max-age=60", "vary": "*"},
    "nothing said": {},
    "error": {"status": 503},
}


@pytest.mark.parametrize("why", UNCACHEABLE)
def test_an_answer_that_may_not_be_shared_releases_all_at_once(start, origin, why):
    """By its head alone, while its body still comes; then each has a request of its own, all at the same time."""
    count, first_middle = 30, threading.Event()
    before, all_there = threading.Event(), threading.Event()
    page = origin.page("/own", bytes=1000, before=before, middle=first_middle, **UNCACHEABLE[why])
    proxy = start(config_of(origin))
    with Askers(proxy.port, "/own") as askers:
        askers.ask()
        origin.wait_for("/own")
        askers.ask(count - 1)
        until(lambda: sum(in_flight(proxy)) >= count, lambda: f"all wait: {in_flight(proxy)}")
        # The others' answers are held until all of them have asked: one after the other, this would hang.
        opened, page.before = page.before, all_there
        opened.set()
        origin.wait_for("/own", count)
        page.middle = None
        all_there.set()
        first_middle.set()
        until(lambda: all(asker.end for asker in askers.all), lambda: f"all have theirs; {askers.ends()}")
        numbers = sorted(int(asker.body.split(b"\n", 1)[0]) for asker in askers.all)
        assert numbers == list(range(1, count + 1)), "nobody has another's answer"


def test_who_may_not_share_does_not_wait(start, origin):
    """A request of another kind asks by itself: it could not use what comes."""
    middle = threading.Event()
    page = origin.page("/kinds", cache="max-age=60", bytes=1000, middle=middle)
    proxy = start(config_of(origin))
    with Askers(proxy.port, "/kinds") as askers:
        first, = askers.ask()
        until(lambda: first.bytes > 0, "the first has a part")
        page.middle = None
        for number, fields in enumerate(["Cache-Control: no-cache\r\n", "Cookie: id=1\r\n"]):
            other, = askers.ask(fields=fields)
            until(lambda asker=other: asker.end, f"its own answer, though the first still waits ({fields.strip()})")
            assert other.status == 200 and other.body == made_body(number + 2, 1000)
        middle.set()
        until(lambda: first.end == WHOLE, "the first has all")


def test_more_than_may_wait_ask_by_themselves(start, origin):
    """`waiters` bounds what one slow answer may gather."""
    before = threading.Event()
    origin.page("/bound", cache="public, max-age=60", bytes=1000, before=before)
    proxy = start(config_of(origin, waiters=10))
    with Askers(proxy.port, "/bound") as askers:
        askers.ask()
        origin.wait_for("/bound")
        askers.ask(29)
        requests = origin.wait_for("/bound", 20)
        assert len(requests) <= 30
        before.set()
        until(lambda: all(asker.end for asker in askers.all), lambda: f"all have theirs; {askers.ends()}")
        assert all(asker.end == WHOLE and asker.status == 200 for asker in askers.all), askers.ends()
    assert len(origin.seen("/bound")) <= 21


def test_waiters_are_told_apart_in_cache_status(start, origin):
    """RFC 9211 2.5: who was served by another's request says `collapsed`."""
    before = threading.Event()
    origin.page("/told", cache="public, max-age=60", before=before)
    proxy = start(config_of(origin))
    with proxy.client() as first, proxy.client() as second:
        first.send(raw.request("/told"))
        origin.wait_for("/told")
        second.send(raw.request("/told"))
        until(lambda: sum(in_flight(proxy)) >= 2, "both wait")
        before.set()
        one, two = cache_status(first.answer()), cache_status(second.answer())
    assert "collapsed" not in one and "collapsed" in two, (one, two)
    assert not one.get("hit") and one.get("fwd") == "uri-miss"


def test_a_fetch_that_nobody_waits_for_does_not_hold_up_the_end(start, origin):
    """The asker leaves, the server never answers, and Pando is told to end: stop() examines how it does."""
    gate = threading.Event()
    origin.page("/hangs", cache="max-age=60", before=gate)
    proxy = start({**config_of(origin), "shutdown": {"drain-for": "1s"}})
    with proxy.client() as client:
        client.send(raw.request("/hangs"))
        until(lambda: origin.count("/hangs") == 1, "the server to be asked")
    until(lambda: proxy.metric("pando_upstream_inflight") == 1, "the fetch to be all that is left")
    proxy.stop()
    gate.set()
