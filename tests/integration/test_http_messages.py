# SPDX-License-Identifier: Apache-2.0
"""integration/test_http_messages.py - what a request and its answer look like on the other side of Pando."""
import json
import time

import pytest

import origins
import pando
import raw


def slow(exchange):
    time.sleep(0.15)
    exchange.answer(body=b"slow")


def echo(exchange):
    exchange.answer(body=exchange.request.body)


def echo_chunked(exchange):
    size = int(exchange.request.target.partition("?")[2] or 1000)
    exchange.answer(body=exchange.request.body, chunk=size)


def echo_until_close(exchange):
    exchange.send(raw.head("HTTP/1.1 200 OK", [("X-Kind", "close")]) + exchange.request.body).close()


def old_until_close(exchange):
    exchange.send(b"HTTP/1.0 200 OK\r\nX-Kind: old\r\n\r\n" + exchange.request.body).close()


def old_kept(exchange):
    exchange.send(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nkept")


def old_with_length(exchange):
    exchange.send(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold").close()


def with_trailers(exchange):
    exchange.answer(fields=[("Trailer", "X-Sum")], body=b"twelve bytes", chunk=5, trailers=[
        ("X-Sum", "12"), ("Content-Length", "7"), ("ETag", '"late"')])


def hinted(exchange):
    exchange.send(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
    time.sleep(0.05)
    exchange.send(b"HTTP/1.1 103 Early Hints\r\nLink: </font>; rel=preload\r\nKeep-Alive: 1\r\n\r\n")
    exchange.answer(body=b"hinted")


def no_content(exchange):
    exchange.answer(204, [("X-Kind", "nothing")])


def not_modified(exchange):
    exchange.answer(304, [("ETag", '"e"'), ("Content-Length", "5")])


def head_of(exchange):
    exchange.answer(fields=[("Content-Length", "1234")])


def head_of_chunked(exchange):
    exchange.send(raw.head("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked")]))


def hop_by_hop(exchange):
    exchange.answer(fields=[("Connection", "keep-alive, X-Listed"), ("Keep-Alive", "timeout=5"), ("X-Listed", "1"),
                            ("Proxy-Connection", "x"), ("X-End", "2"), ("Upgrade", "h2c")], body=b"x")


def via(exchange):
    exchange.answer(fields=[("Via", "1.1 inner")], body=b"x")


SCRIPTS = {
    "/slow": slow, "/echo": echo, "/chunked": echo_chunked, "/close": echo_until_close, "/old": old_until_close,
    "/old-kept": old_kept, "/old-length": old_with_length, "/trailers": with_trailers, "/hints": hinted,
    "/nothing": no_content, "/same": not_modified, "/head": head_of, "/head-chunked": head_of_chunked,
    "/hop": hop_by_hop, "/via": via,
}


@pytest.fixture(scope="module")
def server():
    with origins.Origin() as server:
        for path, script in SCRIPTS.items():
            server.on(path, script)
        yield server


@pytest.fixture(scope="module")
def proxy(io, server):
    with pando.running({"services": {
        "all": {"targets": [server.address]},
        "small": {"match": {"path": "/small"}, "targets": [server.address], "http": {"body-bytes": "10B"}},
    }}, io) as proxy:
        yield proxy
    assert server.errors == []


@pytest.fixture
def client(proxy):
    with proxy.client() as client:
        yield client


def told(answer):
    """What the origin says that it was asked."""
    assert answer.status == 200, answer.head
    return json.loads(answer.body)


def names(message):
    return [name.lower() for name, _ in message.fields]


# --- connections of clients ---

def test_many_requests_go_over_one_connection(client):
    for i in range(20):
        assert told(client.ask(f"/n{i}"))["target"] == f"/n{i}"


def test_pipelined_answers_come_in_the_order_of_the_requests(client):
    client.send(b"".join(raw.request(target) for target in ("/slow", "/a", "/slow", "/b")))
    client.send(raw.request("/echo", "POST", body=b"in between") + raw.request("/c"))
    assert client.answer().body == b"slow"
    assert told(client.answer())["target"] == "/a"
    assert client.answer().body == b"slow"
    assert told(client.answer())["target"] == "/b"
    assert client.answer().body == b"in between"
    assert told(client.answer())["target"] == "/c"


def test_more_requests_than_the_pipeline_is_deep_are_all_answered(client):
    client.send(b"".join(raw.request(f"/deep{i}") for i in range(100)))
    for i in range(100):
        assert told(client.answer())["target"] == f"/deep{i}"


def test_a_pipeline_of_every_kind_of_body(client):
    client.send(raw.request("/echo", "POST", body=b"one"))
    client.send(raw.request("/chunked?2", "POST", [("Transfer-Encoding", "chunked")], raw.chunked(b"two two", 3)))
    client.send(raw.request("/head", "HEAD"))
    client.send(raw.request("/nothing") + raw.request("/same") + raw.request("/close", "PUT", body=b"three"))
    client.send(raw.request("/old", "POST", body=b"four") + raw.request("/end", fields=[("Connection", "close")]))
    assert client.answer().body == b"one"
    assert client.answer().body == b"two two"
    assert client.answer("HEAD").get("Content-Length") == "1234"
    assert client.answer().status == 204
    assert client.answer().status == 304
    assert client.answer().body == b"three"
    assert client.answer().body == b"four"
    last = client.answer()
    assert told(last)["target"] == "/end" and last.get("Connection") == "close"
    assert client.ended() == "fin"


def test_connection_close_is_said_and_done(client):
    answer = client.ask("/", fields=[("Connection", "close")])
    assert answer.get("Connection") == "close"
    assert client.ended() == "fin"


def test_an_empty_line_between_requests_is_skipped(client):
    client.send(raw.request("/echo", "POST", body=b"a") + b"\r\n" + raw.request("/second"))
    assert client.answer().body == b"a"
    assert told(client.answer())["target"] == "/second"


# --- bodies ---

SIZES = [0, 1, 100, 4095, 4096, 16383, 16384, 65536, 100_003, 1_000_000]


@pytest.mark.parametrize("size", SIZES)
def test_bodies_with_a_length_pass_both_ways(client, draw, size):
    body = draw.randbytes(size)
    answer = client.ask("/echo", "POST", body=body)
    assert answer.body == body and answer.framing == "length"
    assert client.ask("/after").status == 200


@pytest.mark.parametrize("size", SIZES)
def test_bodies_in_chunks_pass_both_ways(client, draw, size):
    body = draw.randbytes(size)
    piece = draw.choice([1, 7, 1000, 1 << 16]) if size < 5000 else draw.choice([1000, 1 << 14, 1 << 20])
    target = f"/chunked?{piece}"
    client.send(raw.request(target, "POST", [("Transfer-Encoding", "chunked")], raw.chunked(body, piece)))
    answer = client.answer()
    assert answer.body == body and answer.framing == "chunked"
    assert client.ask("/after").status == 200


@pytest.mark.parametrize("piece", [1, 10, 100, 1000])
def test_a_body_in_many_small_chunks(client, draw, piece):
    """More pieces than fit between the two sides at once."""
    body = draw.randbytes(piece * 700)
    client.send(raw.request("/echo", "POST", [("Transfer-Encoding", "chunked")], raw.chunked(body, piece)))
    assert client.answer().body == body
    answer = client.ask(f"/chunked?{piece}", "POST", body=body)
    assert answer.body == body


def test_chunks_reach_the_server_as_chunks(client):
    client.send(raw.request("/seen", "POST", [("Transfer-Encoding", "chunked")], raw.chunked(b"hello", 2)))
    seen = told(client.answer())
    assert seen["framing"] == "chunked" and seen["body"] == "hello"


def test_a_chunked_body_of_nothing(client):
    client.send(raw.request("/seen", "POST", [("Transfer-Encoding", "chunked")], b"0\r\n\r\n"))
    seen = told(client.answer())
    assert seen["framing"] == "chunked" and seen["body"] == ""


def test_a_body_that_comes_byte_by_byte(client):
    data = raw.request("/echo", "POST", body=b"0123456789")
    client.send_pieces(data, range(1, len(data)), pause_s=0.0005)
    assert client.answer().body == b"0123456789"


def test_a_chunked_body_that_comes_byte_by_byte(client):
    data = raw.request("/chunked?3", "POST", [("Transfer-Encoding", "chunked")],
                       raw.chunked(b"0123456789", 4, [("X-T", "1")]))
    client.send_pieces(data, range(1, len(data)), pause_s=0.0005)
    assert client.answer().body == b"0123456789"


def test_an_answer_until_close_reaches_the_client_whole_and_its_connection_stays(client, draw):
    body = draw.randbytes(200_000)
    for target in ("/close", "/old"):
        answer = client.ask(target, "POST", body=body)
        assert answer.body == body and answer.framing == "chunked"
    assert client.ask("/after").status == 200


def test_trailers_of_requests_reach_the_server(client):
    fields = [("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum")]
    client.send(raw.request("/seen", "POST", fields, raw.chunked(b"hello", 2, [
        ("X-Sum", "5"), ("Host", "evil"), ("Transfer-Encoding", "x")])))
    seen = told(client.answer())
    assert seen["trailers"] == [["X-Sum", "5"]]
    assert ["Trailer", "X-Sum"] in seen["fields"]


def test_trailers_of_answers_reach_the_client(client):
    answer = client.ask("/trailers", fields=[("TE", "trailers"), ("Connection", "TE")])
    assert answer.body == b"twelve bytes"
    assert answer.trailers == [("X-Sum", "12"), ("ETag", '"late"')]
    assert client.ask("/after").status == 200


def test_te_trailers_is_said_to_the_server_anew(client):
    seen = told(client.ask("/seen", fields=[("TE", "trailers, gzip"), ("Connection", "TE")]))
    assert ["TE", "trailers"] in seen["fields"]


# --- expectations and interim answers ---

def test_pando_answers_an_expectation_and_passes_it_not_on(client, server):
    client.send(raw.request("/expects", "POST", [("Expect", "100-continue"), ("Content-Length", "5")]))
    assert client.reader.line() == b"HTTP/1.1 100 Continue"
    assert client.reader.line() == b""
    client.send(b"hello")
    seen = told(client.answer())
    assert seen["body"] == "hello"
    assert "expect" not in [name.lower() for name, _ in seen["fields"]]
    assert client.ask("/after").status == 200


def test_an_expectation_of_a_body_that_is_already_there(client):
    answer = client.ask("/echo", "POST", [("Expect", "100-continue")], b"hello")
    assert answer.body == b"hello"
    assert [interim.status for interim in answer.interims] in ([], [100])
    assert client.ask("/after").status == 200


def test_an_expectation_with_a_chunked_body(client):
    client.send(raw.request("/echo", "POST", [("Expect", "100-continue"), ("Transfer-Encoding", "chunked")]))
    assert client.reader.line() == b"HTTP/1.1 100 Continue"
    assert client.reader.line() == b""
    client.send(raw.chunked(b"hello"))
    assert client.answer().body == b"hello"


def test_a_body_that_is_too_large_is_refused_instead_of_asked_for(client, server):
    client.send(raw.request("/small/a", "POST", [("Expect", "100-continue"), ("Content-Length", "11")]))
    answer = client.answer()
    assert answer.status == 413 and answer.interims == []
    assert server.seen("/small/a") == []


def test_another_expectation_is_refused(client):
    answer = client.ask("/", "POST", [("Expect", "the-unexpected")], b"x")
    assert answer.status == 417


def test_hints_come_before_the_answer(client):
    answer = client.ask("/hints")
    assert answer.body == b"hinted"
    assert [interim.status for interim in answer.interims] == [103, 103]
    assert answer.interims[0].get("Link") == "</style.css>; rel=preload"
    assert "keep-alive" not in names(answer.interims[1])


def test_hints_come_as_soon_as_the_server_sends_them(client, origin):
    client.send(raw.request("/hints"))
    assert client.reader.head(raw.Answer).status == 103


def test_hints_are_not_for_clients_of_http_1_0(client):
    client.send(b"GET /hints HTTP/1.0\r\nHost: a\r\n\r\n")
    answer = client.answer()
    assert answer.status == 200 and answer.interims == [] and answer.body == b"hinted"


# --- answers without a body ---

def test_the_answer_to_head_has_a_length_and_no_body(client):
    for _ in range(3):
        answer = client.ask("/head", "HEAD")
        assert answer.status == 200 and answer.get("Content-Length") == "1234"
    answer = client.ask("/head-chunked", "HEAD")
    assert answer.status == 200 and answer.get("Content-Length") is None
    assert client.ask("/after").status == 200


def test_204_and_304_have_no_body(client):
    for _ in range(3):
        answer = client.ask("/nothing")
        assert answer.status == 204 and answer.get("X-Kind") == "nothing"
        assert answer.get("Content-Length") is None and answer.get("Transfer-Encoding") is None
        answer = client.ask("/same")
        assert answer.status == 304 and answer.get("ETag") == '"e"'
    assert client.ask("/after").status == 200


# --- HTTP/1.0 ---

def test_a_client_of_http_1_0_gets_one_answer_and_the_end(client):
    client.send(b"GET /a HTTP/1.0\r\nHost: a\r\n\r\n")
    answer = client.answer()
    assert told(answer)["target"] == "/a"
    assert client.ended() == "fin"


def test_a_client_of_http_1_0_needs_no_host(client):
    client.send(b"GET /a HTTP/1.0\r\n\r\n")
    seen = told(client.answer())
    assert [value for name, value in seen["fields"] if name == "Host"] != []
    assert ["Via", "1.0 pando"] in seen["fields"]


def test_a_client_of_http_1_0_may_keep_its_connection(client):
    for i in range(3):
        client.send(f"GET /a{i} HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n".encode())
        answer = client.answer()
        assert told(answer)["target"] == f"/a{i}"
        assert answer.get("Connection").lower() == "keep-alive"


@pytest.mark.parametrize("keep", [b"", b"Connection: keep-alive\r\n"])
@pytest.mark.parametrize("path", [b"/chunked?3", b"/close", b"/old"])
def test_a_client_of_http_1_0_never_sees_chunks(client, path, keep):
    client.send(b"POST %s HTTP/1.0\r\nHost: a\r\n%sContent-Length: 10\r\n\r\n0123456789" % (path, keep))
    answer = client.answer()
    assert answer.body == b"0123456789" and answer.framing == "close"
    assert answer.get("Transfer-Encoding") is None
    assert "keep-alive" not in answer.get("Connection", "").lower()


def test_a_server_of_http_1_0_with_a_length(client):
    for _ in range(3):
        answer = client.ask("/old-length")
        assert answer.body == b"old" and answer.start.startswith("HTTP/1.1 200")


def test_a_server_of_http_1_0_that_keeps_its_connection(client, server):
    for _ in range(3):
        assert client.ask("/old-kept").body == b"kept"


# --- targets ---

def test_an_absolute_target_reaches_the_server_as_a_path(client):
    seen = told(client.ask("http://shop.example/a?b=c"))
    assert seen["target"] == "/a?b=c" and ["Host", "shop.example"] in seen["fields"]


def test_an_absolute_target_without_a_path(client):
    assert told(client.ask("http://shop.example"))["target"] == "/"


def test_an_absolute_target_of_another_host_is_refused(client):
    assert client.ask("http://other.example/").status == 400


def test_options_for_the_server_as_a_whole(client):
    seen = told(client.ask("*", "OPTIONS"))
    assert seen["target"] == "*" and seen["method"] == "OPTIONS"


def test_a_target_is_passed_on_byte_by_byte(client):
    target = "/a//b/../c/%2e%2E/%41;p?q=%00&&r={x}|'\"<>"
    assert told(client.ask(target))["target"] == target


def test_methods_that_nobody_knows_are_passed_on(client):
    assert told(client.ask("/", "BREW"))["method"] == "BREW"


def test_connect_is_refused(client):
    client.send(b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n")
    assert client.answer().status in (400, 405, 501)


# --- fields ---

def test_hop_by_hop_fields_of_requests_are_not_passed_on(client):
    seen = told(client.ask("/seen", fields=[
        ("Connection", "keep-alive, X-Listed ,x-also"), ("Keep-Alive", "5"), ("Proxy-Connection", "keep-alive"),
        ("X-Listed", "1"), ("X-ALSO", "1"), ("TE", "gzip"), ("Proxy-Authorization", "Basic eA=="),
        ("Upgrade", "websocket"), ("X-End", "2")]))
    have = {name.lower() for name, _ in seen["fields"]}
    assert have & {"keep-alive", "proxy-connection", "x-listed", "x-also", "te", "proxy-authorization",
                   "upgrade"} == set()
    assert ["X-End", "2"] in seen["fields"]


def test_hop_by_hop_fields_of_answers_are_not_passed_on(client):
    answer = client.ask("/hop")
    assert set(names(answer)) & {"keep-alive", "x-listed", "proxy-connection", "upgrade"} == set()
    assert "keep-alive" not in answer.get("Connection", "")
    assert answer.get("X-End") == "2"


def test_other_fields_keep_their_order_their_case_and_their_bytes(client):
    fields = [("X-Z", "1"), ("x-a", "\xe4\xff"), ("X-Z", "2"), ("Cookie", "a=1"), ("Cookie", "b=2"),
              ("X-Empty", ""), ("aCCept", "*/*")]
    seen = told(client.ask("/seen", fields=fields))
    kept = [tuple(field) for field in seen["fields"] if tuple(field) in fields]
    assert kept == fields


def test_via_is_appended_both_ways(client):
    seen = told(client.ask("/seen", fields=[("Via", "1.0 outer")]))
    assert [value for name, value in seen["fields"] if name == "Via"] == ["1.0 outer", "1.1 pando"]
    assert client.ask("/via").all("Via") == ["1.1 inner", "1.1 pando"]


def test_an_answer_has_a_date(client):
    assert client.ask("/nothing").get("Date").endswith(" GMT")
