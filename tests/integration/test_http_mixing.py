# SPDX-License-Identifier: Apache-2.0
"""integration/test_http_mixing.py - no byte of one client's answer reaches another (promise P1).

Every request carries a value of its own, every answer is made from it, and requests, pipelines, broken
bodies, cancels and dying servers are mixed at random on many connections at once.
"""
import hashlib
import random
import threading
import time

import pytest

import origins
import pando
import raw

CONNECTIONS = 32
REQUESTS = 20_000 if pando.LONG else 2_000


def body_of(token, size):
    """The bytes that belong to a token, and to no other."""
    seed = hashlib.sha256(token.encode()).digest()
    return (seed * (size // len(seed) + 1))[:size]


def serve(exchange):
    """/token/size/kind: an answer of that token; kind says how it is given."""
    _, token, size, kind = exchange.request.target.split("/")
    body = body_of(token, int(size))
    fields = [("X-Token", token)]
    if exchange.request.body and exchange.request.body != body_of(token, len(exchange.request.body)):
        exchange.answer(500, fields, b"the request's body is another's", close=True)
    elif kind == "chunked":
        exchange.answer(200, fields, body, chunk=random.randrange(1, 5000))
    elif kind == "close":
        exchange.answer(200, fields, body, close=True)
    elif kind == "slow":
        time.sleep(random.random() * 0.03)
        exchange.answer(200, fields, body)
    elif kind == "half":
        exchange.send(raw.head("HTTP/1.1 200 X", [*fields, ("Content-Length", str(len(body) + 1))]) + body)
        exchange.reset() if random.random() < 0.5 else exchange.close()
    elif kind == "dies":
        exchange.close()
    else:
        exchange.answer(200, fields, body)


class Client(threading.Thread):
    """Sends its share of requests; what is wrong goes to `wrongs`."""

    def __init__(self, proxy, index, count, wrongs):
        super().__init__(daemon=True)
        self.proxy = proxy
        self.draw = random.Random(f"{pando.SEED} {index}")
        self.index = index
        self.left = count
        self.wrongs = wrongs
        self.good = self.cancelled = self.broken = 0
        self.connection = None

    def run(self):
        try:
            while self.left > 0 and not self.wrongs:
                self.turn()
        except Exception as error:  # pylint: disable=broad-except
            self.wrongs.append(f"client {self.index}: {error!r}")
        finally:
            self.leave()

    def leave(self, reset=False):
        if self.connection is not None:
            self.connection.reset() if reset else self.connection.close()
        self.connection = None

    def turn(self):
        """One batch: a pipeline of one to four requests, and what comes of it."""
        draw = self.draw
        batch = [self.one() for _ in range(draw.choice([1, 1, 1, 2, 4]))]
        self.left -= len(batch)
        data = b"".join(data for _, _, data in batch)
        self.connection = self.connection or self.proxy.client()
        fate = draw.random()
        try:
            if fate < 0.05:                          # cancelled midway through what is sent
                self.connection.send(data[:draw.randrange(1, len(data))])
                self.cancelled += len(batch)
                self.leave(reset=draw.random() < 0.5)
                return
            self.connection.send(data)
            if fate < 0.12:                          # cancelled while the answer comes, or before
                time.sleep(draw.random() * 0.01)
                if draw.random() < 0.5:
                    self.connection.reader.some()
                self.cancelled += len(batch)
                self.leave(reset=draw.random() < 0.5)
                return
            for token, size, _ in batch:
                self.check(token, size)
        except (raw.Ended, BrokenPipeError, ConnectionResetError):
            self.broken += 1
            self.leave()

    def one(self):
        draw = self.draw
        token = f"{self.index}x{self.left}x{draw.getrandbits(32):08x}"
        size = draw.choice([0, 10, 100, 3000, 20_000, 100_000])
        kind = draw.choices(["plain", "chunked", "close", "slow", "half", "dies"], [50, 20, 8, 12, 2, 2])[0]
        target = f"/{token}/{size}/{kind}"
        body = body_of(token, draw.choice([1, 50, 5000, 70_000]))
        form = draw.randrange(3)
        if form == 0:
            return token, size, raw.request(target)
        if form == 1:
            return token, size, raw.request(target, "POST", body=body)
        return token, size, raw.request(target, "POST", [("Transfer-Encoding", "chunked")],
                                        raw.chunked(body, draw.choice([100, 4000, 1 << 16])))

    def check(self, token, size):
        answer = self.connection.answer()
        if answer.status == 502 and answer.get("X-Token") is None:
            self.broken += 1
        elif answer.status != 200 or answer.get("X-Token") != token or answer.body != body_of(token, size):
            self.wrongs.append(f"client {self.index} asked for {token} ({size} bytes) and got {answer.head!r}"
                               f" with {len(answer.body)} bytes: {answer.body[:80]!r}")
        else:
            self.good += 1
        if answer.closes:
            self.leave()
            raise raw.Ended("fin")


def test_answers_never_reach_the_wrong_client(start):
    with origins.Origin() as one, origins.Origin() as two:
        one.default = two.default = serve
        proxy = start({"services": {"all": {"targets": [one.address, two.address]}}, "log": {"access": True}})
        wrongs = []
        clients = [Client(proxy, index, REQUESTS // CONNECTIONS, wrongs) for index in range(CONNECTIONS)]
        for client in clients:
            client.start()
        end = time.monotonic() + pando.PATIENCE_S * (30 if pando.LONG else 3)
        for client in clients:
            client.join(max(0, end - time.monotonic()))
        assert not [client.index for client in clients if client.is_alive()], "these clients hang"
        assert wrongs == []
        assert one.errors == [] and two.errors == []
        good, cancelled = sum(c.good for c in clients), sum(c.cancelled for c in clients)
        assert good > REQUESTS / 2 and cancelled > REQUESTS / 50, (good, cancelled)
        # Nothing is left over: the requests of clients that have gone are over at the servers, too.
        pando.until(lambda: proxy.metric("pando_upstream_inflight") == 0, "no request is in flight")
        pando.until(lambda: all(proxy.metric("pando_worker_ops_inflight", worker=worker) == 0 for worker in "01"),
                    "no op is left")


@pytest.mark.parametrize("kind", ["kept", "fresh"])
def test_a_late_answer_to_a_cancelled_request_reaches_nobody(start, origin, kind):
    """The server goes on answering the request of a client that has gone; another client asks meanwhile."""
    def late(exchange):
        time.sleep(0.05)
        exchange.answer(body=b"secret of the first")
    origin.on("/late", late)
    proxy = start({"workers": 1, "services": {"all": {"targets": [origin.address]}}})
    if kind == "kept":
        assert proxy.ask("/warm").status == 200
    for round_count in range(1, 11):
        first = proxy.client().send(raw.request("/late"))
        origin.wait_for("/late", round_count)
        first.reset()
        with proxy.client() as second:
            for i in range(5):
                answer = second.ask(f"/second{i}")
                assert answer.status == 200 and b"secret" not in answer.body
                time.sleep(0.01)
