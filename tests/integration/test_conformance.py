# SPDX-License-Identifier: Apache-2.0
"""integration/test_conformance.py - every row of tests/conformance/http1_rows.json through the whole proxy.

The format of a row is explained in tests/conformance/README.md. Each row is sent whole, cut at a few
positions (PANDO_LONG: at every one), and as second in a pipeline. A row of kind "answer" is what a server
says. Each accepted message, as Pando passed it on, is read again by nginx and by Node
(test_conformance_peers.py).
"""
import json
import pathlib
import random
import socket
import threading

import pytest

import origins
import pando
import raw

ROWS = json.loads((pathlib.Path(__file__).parents[1] / "conformance" / "http1_rows.json").read_text())
REQUESTS = [row for row in ROWS if row["kind"] == "request"]
ANSWERS = [row for row in ROWS if row["kind"] == "answer"]

CUTS = 3                    # per row, if not long
CUTS_MOST = 2000            # of a row of many thousand bytes, if long
THOROUGH = 6                # rows that are cut at every position, drawn by the seed, if not long
FIRST = raw.request("/first")


def bytes_of(row):
    return row["bytes"].encode("latin-1")


def cuts_of(row):
    """Where this row is cut."""
    draw = random.Random(f"{pando.SEED} {row['name']}")
    every = range(1, len(row["bytes"]))
    if pando.LONG:
        return every if len(every) <= CUTS_MOST else sorted(draw.sample(every, CUTS_MOST))
    if row["name"] in THOROUGH_NAMES:
        return every
    return sorted(draw.sample(every, min(CUTS, len(every))))


THOROUGH_NAMES = {row["name"] for row in random.Random(pando.SEED).sample(
    [row for row in ROWS if len(row["bytes"]) < 150], THOROUGH)}


def rows(some):
    return pytest.mark.parametrize("row", some, ids=[row["name"] for row in some])


class Recorder:
    """A server whose every connection has one request, so that its bytes are those of one request."""

    def __init__(self):
        self.server = origins.Origin(keep_bytes=True)
        self.server.default = lambda exchange: exchange.answer(body=b"fine")
        self.checked_count = 0

    def since(self):
        """(whole requests, bytes of each connection) since the last call; none of them malformed."""
        with self.server.lock:
            connections = self.server.connections[self.checked_count:]
            requests = [r for r in self.server.requests if r.connection >= self.checked_count]
            self.checked_count = len(self.server.connections)
        assert [connection.error for connection in connections if connection.error] == []
        return requests, [bytes(connection.reader.seen) for connection in connections]

    def settle(self):
        """Waits until Pando has ended what is not whole, so that nothing of it comes later."""
        pando.until(lambda: self.server.open_count == 0, "the connections of the last row end")


@pytest.fixture(scope="module")
def recorder():
    recorder = Recorder()
    yield recorder
    recorder.server.stop()


@pytest.fixture(scope="module")
def proxy(io, recorder):
    with pando.running({"workers": 1, "services": {
            "all": {"targets": [recorder.server.address], "upstream": {"requests-per-connection": 1}}}}, io) as proxy:
        yield proxy


def send(client, data, cuts=()):
    """A refusal may come, and the connection end, before everything is sent."""
    try:
        client.send_pieces(data, cuts, pause_s=0.001)
    except (BrokenPipeError, ConnectionResetError):
        pass


def method_of(row):
    return row["bytes"].split(" ")[0]


def expect_refused(row, client, recorder, others_count=0):
    answer = client.answer()
    assert answer.status == row["status"], (answer.head, answer.body)
    assert answer.closes
    assert answer.get("Content-Type") == "application/problem+json"
    assert answer.get("Proxy-Status").startswith("pando; error=")
    assert len(json.loads(answer.body)["detail"]) > 10
    assert client.ended() == "fin"
    recorder.settle()
    requests, _ = recorder.since()
    assert [request.target for request in requests] == ["/first"] * others_count


def expect_accepted(row, client, recorder, others_count=0):
    answer = client.answer(method_of(row))
    assert answer.status == 200, (answer.head, answer.body)
    recorder.settle()
    requests, seen = recorder.since()
    assert len(requests) == len(seen) == 1 + others_count
    mine = [request for request in requests if request.target != "/first"]
    assert len(mine) == 1
    expect_forwarded(row, mine[0])


def expect_forwarded(row, message):
    """What the next hop got is what the row says."""
    forwarded = row.get("forwarded", {})
    lines = [line.decode("latin-1") for line in message.head.split(b"\r\n")]
    assert message.start == forwarded.get("line", message.start)
    for line in forwarded.get("has", []):
        assert line in lines, (line, lines)
    for name in forwarded.get("not", []):
        assert message.all(name) == [], (name, lines)
    assert message.body.decode("latin-1") == forwarded.get("body", message.body.decode("latin-1"))
    for name in forwarded.get("trailers_not", []):
        assert message.trailer(name) is None, message.trailers


@rows(REQUESTS)
def test_request(row, proxy, recorder):
    data = bytes_of(row)
    expect = expect_refused if row["expect"] == "refuse" else expect_accepted
    recorder.since()
    with proxy.client() as client:
        send(client, data)
        expect(row, client, recorder)
    for cut in cuts_of(row):
        with proxy.client() as client:
            send(client, data, [cut])
            expect(row, client, recorder)
    with proxy.client() as client:
        send(client, FIRST + data)
        assert client.answer().status == 200
        expect(row, client, recorder, 1)


# --- answers ---

def ask_of(row):
    """The request that the row answers."""
    if row.get("upgrade_asked"):
        return raw.request("/row", fields=[("Connection", "upgrade"), ("Upgrade", "websocket")])
    return raw.request("/row", row.get("asked", "GET"))


def expect_answer_refused(row, client, asked):
    """502; or, where the fault is in the body, an answer that breaks off."""
    try:
        answer = client.answer(asked)
    except raw.Ended:
        assert row.get("ends") or "chunked" in row["bytes"].lower(), "broken off before there was an answer"
        return
    assert answer.status == row["status"] == 502, (answer.head, answer.body)
    assert answer.get("Content-Type") == "application/problem+json"
    assert "error=" in answer.get("Proxy-Status")


def expect_answer_accepted(row, client, asked):
    answer = client.answer(asked)
    status = next(line.split(" ")[1] for line in row["bytes"].split("\r\n")
                  if line.startswith("HTTP/1.") and " 100 " not in line)
    assert answer.status == int(status[:3]), (answer.head, answer.body)
    expect_forwarded(row, answer)
    if answer.status != 101:
        assert client.ask("/after").status == 200


class Speaker:
    """A server that says the bytes of the current row to /row."""

    def __init__(self):
        self.server = origins.Origin()
        self.server.default = lambda exchange: exchange.answer(body=b"fine")
        self.server.on("/row", self.say)
        self.data, self.cuts, self.ends, self.is_last = b"", (), False, False
        self.over = threading.Event()   # Pando has ended the connection

    def say(self, exchange):
        try:
            exchange.send_pieces(self.data, self.cuts, pause_s=0.001)
        except OSError:
            pass                        # refused before everything was sent
        if self.ends:
            exchange.sock.shutdown(socket.SHUT_WR)
        if self.ends or self.is_last:
            exchange.ended()
            self.over.set()


@pytest.fixture(scope="module")
def speaker():
    speaker = Speaker()
    yield speaker
    speaker.server.stop()


@pytest.fixture(scope="module")
def before_speaker(io, speaker):
    limits = {"answer-header-bytes": "32KiB", "answer-header-count": 100}    # those of requests, as the rows have them
    with pando.running({"workers": 1, "upstream": limits,
                        "services": {"all": {"targets": [speaker.server.address]}}}, io) as proxy:
        yield proxy


def run_answer(row, proxy, speaker, cuts=(), before=b""):
    speaker.data, speaker.cuts, speaker.ends = bytes_of(row), cuts, row.get("ends", False)
    speaker.over.clear()
    speaker.is_last = row["expect"] == "refuse" or row.get("upgrade_asked", False)
    asked = row.get("asked", "GET")
    with proxy.client() as client:
        client.send(before + ask_of(row))
        if before:
            assert client.answer().status == 200
        if row["expect"] == "refuse":
            expect_answer_refused(row, client, asked)
        else:
            expect_answer_accepted(row, client, asked)
    # A connection on which something was odd is not used again.
    if row["expect"] == "refuse":
        assert speaker.over.wait(pando.PATIENCE_S), "Pando keeps the server's connection"


@rows(ANSWERS)
def test_answer(row, before_speaker, speaker):
    run_answer(row, before_speaker, speaker)
    for cut in cuts_of(row):
        run_answer(row, before_speaker, speaker, [cut])
    run_answer(row, before_speaker, speaker, before=FIRST)
