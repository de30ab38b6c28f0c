# SPDX-License-Identifier: Apache-2.0
"""integration/test_http_connections.py - how connections end and are used again, on both sides."""
import threading
import time

import pytest

import origins
import raw
from pando import until


@pytest.fixture
def proxy_of(start):
    """proxy_of(server, **service): a Pando of one worker, so that there is one pool of connections."""
    return lambda server, **service: start(
        {"workers": 1, "services": {"all": {"targets": [server.address], **service}}})


@pytest.fixture
def proxy(proxy_of, origin):
    return proxy_of(origin)


def used(origin, path):
    """The connections that the requests of a path came on."""
    return [request.connection for request in origin.seen(path)]


# --- connections to servers ---

def test_a_connection_to_a_server_is_used_again(proxy, origin):
    for _ in range(10):
        assert proxy.ask("/a").status == 200
    assert set(used(origin, "/a")) == {0}


def test_requests_at_once_have_connections_of_their_own(proxy, origin):
    gate = threading.Barrier(4)
    origin.on("/wait", lambda exchange: (gate.wait(10), exchange.answer(body=b"x")))
    clients = [proxy.client().send(raw.request("/wait")) for _ in range(4)]
    for client in clients:
        assert client.answer().body == b"x"
        client.close()
    assert sorted(used(origin, "/wait")) == [0, 1, 2, 3]
    for _ in range(8):
        assert proxy.ask("/then").status == 200
    assert len(origin.connections) == 4


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx",
    b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy",
    b"HTTP/1.1 204 No Content\r\n\r\nx",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
], ids=["close", "http-1.0", "a-byte-too-many", "a-body-on-204", "an-answer-too-many"])
def test_a_connection_is_not_used_again_after(proxy, origin, answer):
    ends = []
    origin.on("/odd", lambda exchange: (exchange.send(answer), ends.append(exchange.ended())))
    status = 204 if b" 204 " in answer else 200
    assert proxy.ask("/odd").status == status
    assert proxy.ask("/after").status == 200
    assert used(origin, "/after") == [1]
    until(lambda: ends, "Pando ends the odd connection")


def test_bytes_on_a_kept_connection_close_it_and_reach_nobody(proxy, origin):
    assert proxy.ask("/a").status == 200
    first = origin.connections[0]
    first.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    until(lambda: first.end is not None, "Pando ends the connection")
    assert b"evil" not in proxy.ask("/b").body
    assert used(origin, "/b") == [1]


def test_a_fin_on_a_kept_connection_closes_it(proxy, origin):
    for i in range(5):
        origin.on(f"/a{i}", lambda exchange: exchange.answer(body=b"x").close())
        assert proxy.ask(f"/a{i}").status == 200
        until(lambda i=i: origin.connections[i].end is not None, "the end")
    assert len(origin.connections) == 5


def test_a_request_on_a_connection_that_turned_out_dead_is_sent_again(proxy, origin):
    """The server reads the second request on a kept connection and closes without a word."""
    origin.on("/a", lambda exchange: exchange.answer(body=b"x") if exchange.connection.requests_count == 1
              else exchange.close())
    assert proxy.ask("/a").status == 200
    assert proxy.ask("/a").status == 200
    assert used(origin, "/a") == [0, 0, 1]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("end", ["fin", "rst"])
def test_an_idempotent_request_is_repeated_once(proxy, origin, method, end):
    def script(exchange):
        if exchange.connection.requests_count == 1:
            exchange.answer(body=b"x")
        elif end == "fin":
            exchange.close()
        else:
            exchange.reset()
    origin.on("/a", script)
    assert proxy.ask("/a").status == 200
    assert proxy.ask("/a", method).status == 200
    assert used(origin, "/a") == [0, 0, 1]
    assert origin.requests[-1].method == method


@pytest.mark.parametrize("method", ["POST", "PATCH", "BREW"])
def test_other_requests_are_not_repeated(proxy, origin, method):
    origin.on("/a", lambda exchange: exchange.answer(body=b"x") if exchange.connection.requests_count == 1
              else exchange.close())
    assert proxy.ask("/a").status == 200
    answer = proxy.ask("/a", method)
    assert answer.status == 502
    assert "error=connection_terminated" in answer.get("Proxy-Status")
    assert used(origin, "/a") == [0, 0]


def test_a_body_that_was_sent_is_not_sent_again(proxy, origin):
    origin.on("/a", lambda exchange: exchange.answer(body=b"x") if exchange.connection.requests_count == 1
              else exchange.close())
    assert proxy.ask("/a").status == 200
    assert proxy.ask("/a", "POST", body=b"body").status == 502
    assert used(origin, "/a") == [0, 0]


def test_a_request_on_a_new_connection_that_dies_is_not_repeated_at_the_same_target(proxy, origin):
    origin.on("/a", lambda exchange: exchange.close())
    answer = proxy.ask("/a")
    assert answer.status == 502 and used(origin, "/a") == [0]


def test_a_post_on_a_new_connection_that_dies_is_not_repeated(proxy, origin):
    origin.on("/a", lambda exchange: exchange.close())
    answer = proxy.ask("/a", method="POST", body=b"x")
    assert answer.status == 502 and used(origin, "/a") == [0]


def test_a_repeat_that_dies_too_is_answered_with_502(proxy, origin):
    def script(exchange):
        if exchange.connection.index == 0 and exchange.connection.requests_count == 1:
            exchange.answer(body=b"x")
        else:
            exchange.close()
    origin.on("/a", script)
    assert proxy.ask("/a").status == 200
    assert proxy.ask("/a").status == 502
    assert used(origin, "/a") == [0, 0, 1]


def test_a_server_that_begins_to_answer_is_not_asked_again(proxy, origin):
    def script(exchange):
        if exchange.connection.requests_count == 1:
            exchange.answer(body=b"x")
        else:
            exchange.send(b"HTTP/1.1 2").close()
    origin.on("/a", script)
    assert proxy.ask("/a").status == 200
    assert proxy.ask("/a").status == 502
    assert used(origin, "/a") == [0, 0]


def test_the_repeat_can_be_turned_off(proxy_of, origin):
    proxy = proxy_of(origin, breaker={"retry-dead-connection": False})
    origin.on("/a", lambda exchange: exchange.answer(body=b"x") if exchange.connection.requests_count == 1
              else exchange.close())
    assert proxy.ask("/a").status == 200
    assert proxy.ask("/a").status == 502


def test_a_connection_serves_so_many_requests_as_is_set(proxy_of, origin):
    proxy = proxy_of(origin, upstream={"requests-per-connection": 3})
    for _ in range(7):
        assert proxy.ask("/a").status == 200
    assert used(origin, "/a") == [0, 0, 0, 1, 1, 1, 2]


def test_unused_connections_are_closed_in_time(proxy_of, origin):
    proxy = proxy_of(origin, upstream={"idle-timeout": "100ms"})
    assert proxy.ask("/a").status == 200
    until(lambda: origin.open_count == 0, "the kept connection is closed")


def test_no_connection_is_kept_if_none_shall_be(proxy_of, origin):
    proxy = proxy_of(origin, upstream={"connections-kept": 0})
    for _ in range(3):
        assert proxy.ask("/a").status == 200
    assert used(origin, "/a") == [0, 1, 2]


def test_a_server_on_a_unix_socket(proxy_of, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("u") / "s")
    with origins.Origin(path=path) as server:
        proxy = proxy_of(server)
        for _ in range(3):
            assert proxy.ask("/a", "POST", body=b"hello").status == 200
        assert len(server.connections) == 1


# --- the client's side ends ---

def test_a_fin_after_a_request_is_a_half_close_and_is_answered(proxy, origin):
    origin.on("/slow", lambda exchange: (time.sleep(0.1), exchange.answer(body=b"late")))
    with proxy.client() as client:
        client.send(raw.request("/slow")).half_close()
        assert client.answer().body == b"late"
        assert client.ended() == "fin"


def test_a_fin_after_a_pipeline_is_a_half_close_and_all_is_answered(proxy, origin):
    origin.on("/slow", lambda exchange: (time.sleep(0.05), exchange.answer(body=b"late")))
    with proxy.client() as client:
        client.send(raw.request("/slow") * 5).half_close()
        for _ in range(5):
            assert client.answer().body == b"late"
        assert client.ended() == "fin"


def test_a_fin_after_a_whole_body_is_a_half_close(proxy):
    with proxy.client() as client:
        client.send(raw.request("/a", "POST", [("Transfer-Encoding", "chunked")], raw.chunked(b"hello"))).half_close()
        assert client.answer().status == 200
        assert client.ended() == "fin"


def test_a_fin_inside_a_head_after_a_request(proxy):
    with proxy.client() as client:
        client.send(raw.request("/a") + b"GET /b HTT").half_close()
        assert client.answer().status == 200
        assert client.ended() == "fin"


def test_a_fin_on_an_unused_connection_is_answered_with_one(proxy):
    with proxy.client() as client:
        client.half_close()
        assert client.ended() == "fin"
    with proxy.client() as client:
        assert client.ask("/a").status == 200
        client.half_close()
        assert client.ended() == "fin"


BODIES = {"length": raw.request("/body", "POST", [("Content-Length", "10")], b"hello"),
          "chunked": raw.request("/body", "POST", [("Transfer-Encoding", "chunked")], b"a\r\nhello")}


@pytest.mark.parametrize("how", ["half_close", "close", "reset"])
@pytest.mark.parametrize("body", BODIES)
def test_an_end_inside_a_body_cancels_at_the_server(proxy, origin, body, how):
    ends, begun = [], threading.Event()

    def script(exchange):
        begun.set()
        ends.append(exchange.ended())
    origin.on("/body", script, read_body=False)
    with proxy.client() as client:
        client.send(BODIES[body])
        assert begun.wait(10)
        getattr(client, how)()
        until(lambda: ends, "the server sees the end")
    assert proxy.ask("/after").status == 200
    assert used(origin, "/after") == [1]


def test_a_reset_cancels_at_the_server(proxy, origin):
    ends, begun = [], threading.Event()

    def script(exchange):
        begun.set()
        ends.append(exchange.ended())
    origin.on("/wait", script)
    client = proxy.client().send(raw.request("/wait"))
    assert begun.wait(10)
    client.reset()
    until(lambda: ends, "the server sees the end")


def test_a_client_that_goes_inside_an_answer_cancels_at_the_server(proxy, origin):
    ends = []

    def script(exchange):
        exchange.send(raw.head("HTTP/1.1 200 OK", [("Content-Length", "1000000000")]))
        try:
            while True:
                exchange.send(b"x" * 10000)
        except OSError:
            ends.append(True)
        exchange.close()
    origin.on("/endless", script)
    client = proxy.client().send(raw.request("/endless"))
    client.reader.take(50_000)
    client.reset()
    until(lambda: ends, "the server sees the end")
    assert proxy.ask("/after").status == 200


def test_clients_that_go_while_their_pipeline_waits(proxy, origin):
    gone = []

    def script(exchange):
        gone.append(exchange.ended())
    origin.on("/wait", script)
    client = proxy.client().send(raw.request("/wait") * 4)
    origin.wait_for("/wait", 4)
    client.reset()
    until(lambda: len(gone) == 4, "all four are cancelled")
    assert proxy.ask("/after").status == 200


# --- early answers ---

@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_answer_before_the_body_was_sent_reaches_the_client(proxy, origin, framing):
    origin.on("/early", lambda exchange: exchange.answer(413, body=b"too much", close=True), read_body=False)
    with proxy.client() as client:
        if framing == "length":
            client.send(raw.request("/early", "POST", [("Content-Length", "1000000")], b"x" * 1000))
        else:
            client.send(raw.request("/early", "POST", [("Transfer-Encoding", "chunked")], b"5\r\nhello\r\n"))
        answer = client.answer()
        assert answer.status == 413 and answer.body == b"too much"
        assert answer.closes
        assert client.ended() == "fin"


def test_an_early_answer_reaches_a_client_that_goes_on_sending(proxy, origin):
    origin.on("/early", lambda exchange: exchange.answer(413, body=b"too much", close=True), read_body=False)
    with proxy.client() as client:
        client.send(raw.request("/early", "POST", [("Content-Length", "3000000")]))
        sent = 0
        try:
            while sent < 3_000_000:
                client.send(b"x" * 10_000)
                sent += 10_000
        except OSError:
            pass                # Pando may stop reading; the answer must be there all the same
        assert client.answer().status == 413


def test_the_server_of_an_early_answer_is_not_used_again(proxy, origin):
    """Whatever it says: the rest of the body would be read as the next request."""
    ends = []
    origin.on("/early", lambda exchange: (exchange.answer(200, body=b"early"), ends.append(exchange.ended())),
              read_body=False)
    with proxy.client() as client:
        client.send(raw.request("/early", "POST", [("Content-Length", "100")], b"GET /evil HTTP/1.1\r\n"))
        assert client.answer().body == b"early"
        until(lambda: ends, "Pando ends the server's connection")
    assert proxy.ask("/after").status == 200
    assert used(origin, "/after") == [1] and origin.seen("/evil") == []


def test_an_early_answer_with_a_long_body_is_whole(proxy, origin, draw):
    body = draw.randbytes(500_000)
    origin.on("/early", lambda exchange: exchange.answer(200, body=body), read_body=False)
    with proxy.client() as client:
        client.send(raw.request("/early", "POST", [("Content-Length", "100")], b"x"))
        answer = client.answer()
        assert answer.body == body and answer.closes


# --- answers that break off ---

@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("begun", [
    raw.head("HTTP/1.1 200 OK", [("Content-Length", "10")]) + b"hello",
    raw.head("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked")]) + b"5\r\nhello\r\n",
    raw.head("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked")]) + b"5\r\nhello\r\n0\r\nX-T: 1\r\n",
], ids=["length", "chunked", "trailers"])
def test_an_answer_that_breaks_off_is_broken_off(proxy, origin, begun, end):
    """Never completed, so that the client cannot take it for the whole."""
    def script(exchange):
        exchange.send(begun)
        time.sleep(0.05)
        getattr(exchange, end)()
    origin.on("/half", script)
    with proxy.client() as client:
        client.send(raw.request("/half"))
        with pytest.raises(raw.Ended):
            client.answer()
    assert proxy.ask("/after").status == 200


def test_an_answer_until_close_that_is_reset_is_broken_off(proxy, origin):
    def script(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        time.sleep(0.1)
        exchange.reset()
    origin.on("/half", script)
    with proxy.client() as client:
        client.send(raw.request("/half"))
        with pytest.raises(raw.Ended):
            client.answer()


def test_a_chunked_answer_with_a_wrong_chunk_is_broken_off(proxy, origin):
    origin.on("/wrong", lambda exchange: exchange.send(
        raw.head("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked")]) + b"5\r\nhello\r\n")
        .send_pieces(b"5\r\nhelloXX0\r\n\r\n", [7], 0.05))
    with proxy.client() as client:
        client.send(raw.request("/wrong"))
        with pytest.raises(raw.Ended):
            client.answer()
