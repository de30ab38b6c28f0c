# SPDX-License-Identifier: Apache-2.0
"""integration/test_http_tunnel.py - WebSocket: upgrades, tunnels, their ends and their idle limit."""
import threading
import time

import pytest

import origins
import pando
import raw
import ws
from pando import until


def push(socket):
    """Sends at once, in the same write as the 101 where possible, then echoes."""
    for i in range(3):
        socket.send(b"pushed %d" % i)
    ws.echo(socket)


def quit_after_one(socket):
    socket.receive()


def wait_for_end(socket):
    try:
        while True:
            socket.receive()
    except raw.Ended as end:
        ends.append(end.how)


def refuse(exchange):
    exchange.answer(403, body=b"no")


ends = []


@pytest.fixture(scope="module")
def server():
    with origins.Origin() as server:
        server.on("/echo", ws.serve(ws.echo)).on("/push", ws.serve(push)).on("/quit", ws.serve(quit_after_one))
        server.on("/wait", ws.serve(wait_for_end)).on("/refuse", refuse)
        server.on("/brief/echo", ws.serve(ws.echo)).on("/brief/wait", ws.serve(wait_for_end))
        yield server


@pytest.fixture(scope="module")
def proxy(io, server):
    with pando.running({"services": {
        "all": {"targets": [server.address]},
        "brief": {"match": {"path": "/brief"}, "targets": [server.address], "http": {"tunnel-idle-timeout": "1s"}},
    }}, io) as proxy:
        yield proxy


@pytest.fixture
def client(proxy):
    ends.clear()
    with proxy.client() as client:
        yield client


def test_frames_are_echoed(client):
    socket = ws.connect(client, "/echo")
    for data in (b"", b"a", b"x" * 125, b"x" * 126, b"x" * 70_000):
        socket.send(data)
        assert socket.receive() == (ws.BINARY, data)
    socket.close()
    assert socket.receive()[0] == ws.CLOSE
    assert client.ended() == "fin"


def test_the_upgrade_is_said_to_both_sides(client, server):
    socket = ws.connect(client, "/echo?who", fields=[("Sec-WebSocket-Protocol", "chat")])
    assert "upgrade" in socket.answer.get("Connection").lower()
    request = server.requests[-1]
    assert request.get("Connection").lower() == "upgrade" and request.get("Upgrade") == "websocket"
    assert request.get("Sec-WebSocket-Protocol") == "chat"


def test_big_frames_both_ways_at_once(client, draw):
    """8 MiB each way; the echo is read while it is still being sent."""
    socket = ws.connect(client, "/echo")
    frames = [draw.randbytes(1 << 20) for _ in range(8)]

    def send():
        for data in frames:
            socket.send(data)
    thread = threading.Thread(target=send)
    thread.start()
    for data in frames:
        assert socket.receive() == (ws.BINARY, data)
    thread.join()


def test_many_small_frames(client):
    socket = ws.connect(client, "/echo")
    client.send(b"".join(ws.frame(ws.TEXT, b"%d" % i, True) for i in range(2000)))
    for i in range(2000):
        assert socket.receive() == (ws.TEXT, b"%d" % i)


def test_what_the_server_sends_with_the_101_arrives(client):
    socket = ws.connect(client, "/push")
    for i in range(3):
        assert socket.receive() == (ws.BINARY, b"pushed %d" % i)
    socket.send(b"back")
    assert socket.receive() == (ws.BINARY, b"back")


def test_what_the_client_sends_with_the_request_arrives(client):
    """Frames before the 101: they wait for the server's word."""
    client.send(ws.upgrade_request("/echo") + ws.frame(ws.TEXT, b"eager", True))
    assert client.answer().status == 101
    socket = ws.Socket(client.sock, client.reader, True)
    assert socket.receive() == (ws.TEXT, b"eager")


def test_the_server_closes(client):
    socket = ws.connect(client, "/quit")
    socket.send(b"bye")
    assert client.ended() == "fin"


def test_the_client_closes(client, server):
    ws.connect(client, "/wait")
    client.close()
    until(lambda: ends == ["fin"], "the server sees a FIN")


def test_the_client_resets(client, server):
    ws.connect(client, "/wait")
    client.reset()
    until(lambda: ends, "the server sees the end")


def test_the_client_half_closes_and_still_receives(client):
    socket = ws.connect(client, "/echo")
    client.send(ws.frame(ws.BINARY, b"x" * 300_000, True)).half_close()
    assert socket.receive() == (ws.BINARY, b"x" * 300_000)
    assert client.ended() == "fin"


def test_a_refused_upgrade_is_an_ordinary_answer(client):
    client.send(ws.upgrade_request("/refuse"))
    answer = client.answer()
    assert answer.status == 403 and answer.body == b"no"


def test_a_tunnel_after_requests_on_the_same_connection(client):
    for _ in range(3):
        assert client.ask("/plain").status == 200
    socket = ws.connect(client, "/echo")
    socket.send(b"x")
    assert socket.receive() == (ws.BINARY, b"x")


def test_a_tunnels_connection_to_the_server_is_never_used_again(client, proxy, server):
    socket = ws.connect(client, "/quit?again")
    tunnel = server.requests[-1].connection
    socket.send(b"bye")
    client.ended()
    for _ in range(4):
        assert proxy.ask("/plain").status == 200
    assert tunnel not in {request.connection for request in server.seen("/plain")}


def test_a_server_that_switches_unasked_is_refused(client, server):
    server.on("/unasked", lambda exchange: exchange.send(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nevil").close())
    assert client.ask("/unasked").status == 502


def test_a_silent_tunnel_is_closed_after_its_idle_limit(client, server):
    ws.connect(client, "/brief/wait")
    begun = time.monotonic()
    client.ended()
    assert time.monotonic() - begun > 0.5
    until(lambda: ends, "the server sees the end")


@pytest.mark.parametrize("from_client", [True, False], ids=["client", "server"])
def test_a_tunnel_with_traffic_in_one_direction_stays(client, server, from_client):
    """Longer than its limit of 1 s."""
    seen = []

    def receive(socket):
        while True:
            seen.append(socket.receive())

    def send(socket):
        for _ in range(6):
            socket.send(b"tick")
            time.sleep(0.3)
    server.on("/brief/one-way", ws.serve(receive if from_client else send))
    socket = ws.connect(client, "/brief/one-way")
    if from_client:
        send(socket)
        until(lambda: len(seen) == 6, "all six ticks")
    else:
        for _ in range(6):
            assert socket.receive() == (ws.BINARY, b"tick")


def test_a_tunnel_is_logged_when_it_ends(client, proxy):
    socket = ws.connect(client, "/quit")
    socket.send(b"bye")
    client.ended()
    client.close()
    until(lambda: any(line["path"] == "/quit" and line["st"] == 101 for line in proxy.log_lines()),
          "a line with status 101")


def test_many_tunnels_at_once_end_when_the_server_goes(proxy, server):
    clients = [proxy.client() for _ in range(20)]
    for client in clients:
        ws.connect(client, "/wait")
    server.drop_all()
    for client in clients:
        client.ended()
        client.close()
