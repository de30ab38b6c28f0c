# SPDX-License-Identifier: Apache-2.0
"""test_limits.py - every limit: what happens at it, that the next client is served, and which metric tells.

Times are asserted from below exactly and from above generously.
"""
import contextlib
import json
import os
import select
import socket
import threading
import time

import pytest

import pando
import raw
import ws
from pando import until


def config_of(origin, **more):
    return pando.merged({"services": {"shop": {"targets": [origin.address]}}}, more)


@contextlib.contextmanager
def counted(proxy, name, by=1, **labels):
    """The metric grows by at least so much while this is open; workers publish a few times a second."""
    before = proxy.metric(name, **labels)
    yield
    until(lambda: proxy.metric(name, **labels) >= before + by,
          lambda: f"{name} {labels} is {proxy.metric(name, **labels)}, was {before}")


def is_refusal(answer, status, words):
    """Refused by Pando itself, with the reason in Proxy-Status and in problem+json."""
    assert answer.status == status, answer.head
    assert words in answer.get("Proxy-Status"), answer.head
    assert answer.get("Content-Type") == "application/problem+json"
    problem = json.loads(answer.body)
    assert problem["status"] == status
    assert words in json.dumps(problem)
    return True


def is_served(proxy):
    return proxy.ask("/after").status == 200


# --- heads ---


def test_header_bytes(start, origin):
    proxy = start(config_of(origin, http={"header-bytes": "2KiB"}))
    fits = raw.request("/fits", fields=[("X-Fill", "x" * 1900)])
    assert len(fits) <= 2048
    with proxy.client() as client:
        client.send(fits)
        assert client.answer().status == 200
    with proxy.client() as client, counted(proxy, "pando_worker_requests_refused_total"):
        client.send(raw.request("/large", fields=[("X-Fill", "x" * 2048)]))
        assert is_refusal(client.answer(), 431, "head")
        assert client.ended() == "fin"
    assert is_served(proxy)
    assert not origin.seen("/large")


def test_header_bytes_without_an_end(start, origin):
    """Nobody has to wait for the end of a head that is too long already."""
    proxy = start(config_of(origin, http={"header-bytes": "2KiB"}))
    with proxy.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Fill: " + b"x" * 2100)
        assert client.answer().status == 431


def test_header_count(start, origin):
    proxy = start(config_of(origin, http={"header-count": 10}))
    assert proxy.ask("/fits", fields=[(f"X-{i}", "1") for i in range(9)]).status == 200    # and Host
    with counted(proxy, "pando_worker_requests_refused_total"):
        answer = proxy.ask("/many", fields=[(f"X-{i}", "1") for i in range(10)])
        assert is_refusal(answer, 431, "")
    assert is_served(proxy)
    assert not origin.seen("/many")


def test_target_bytes(start, origin):
    proxy = start(config_of(origin, http={"target-bytes": "256B"}))
    assert proxy.ask("/" + "a" * 255).status == 200
    with counted(proxy, "pando_worker_requests_refused_total"):
        assert is_refusal(proxy.ask("/" + "a" * 256), 414, "")
    assert is_served(proxy)


# --- bodies ---


def test_body_bytes_with_a_length(start, origin):
    proxy = start(config_of(origin, http={"body-bytes": "1KiB"}))
    assert proxy.ask("/fits", "POST", body=b"x" * 1024).status == 200
    with proxy.client() as client, counted(proxy, "pando_worker_requests_refused_total"):
        client.send(raw.head("POST /large HTTP/1.1", [("Host", "a"), ("Content-Length", "1025")]))
        assert is_refusal(client.answer(), 413, "larger than allowed")    # before a byte of it was sent
        assert client.ended() == "fin"
    assert is_served(proxy)
    assert not origin.seen("/large")


def test_body_bytes_in_chunks(start, origin):
    proxy = start(config_of(origin, http={"body-bytes": "1KiB"}))
    coding = [("Transfer-Encoding", "chunked")]
    assert proxy.ask("/fits", "POST", coding, raw.chunked(b"x" * 1024, 100)).status == 200
    with counted(proxy, "pando_errors_total", kind="BODY_LIMIT"):
        with proxy.client() as client:
            client.send(raw.request("/large", "POST", coding, raw.chunked(b"x" * 1025, 100)))
            assert is_refusal(client.answer(), 413, "larger than allowed")
            assert client.ended() == "fin"
    assert is_served(proxy)
    assert not origin.seen("/large")    # it never got a whole one


def test_body_bytes_of_one_service(start, origin):
    proxy = start(pando.merged(config_of(origin), {"services": {
        "shop": {"http": {"body-bytes": "1KiB"}},
        "files": {"match": {"path": "/files"}, "targets": [origin.address]}}}))
    assert proxy.ask("/x", "POST", body=b"x" * 2000).status == 413
    assert proxy.ask("/files/x", "POST", body=b"x" * 2000).status == 200


# --- connections ---


def test_connections_in_all(start, origin):
    proxy = start(config_of(origin, limits={"connections": 6}))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(proxy.client()) for _ in range(6)]
        for client in clients:
            assert client.ask().status == 200
        with counted(proxy, "pando_worker_connections_refused_total", by=3):
            for _ in range(3):
                with proxy.client() as client:
                    answer = client.answer()
                    assert answer.status == 503
                    assert answer.get("Retry-After") == "1"
                    assert client.ended() == "fin"
        for client in clients:
            assert client.ask().status == 200
        clients[0].close()
        until(lambda: is_served(proxy), "the place that became free")
    until(lambda: proxy.metric("pando_worker_connections_open", worker="0") == 0, "no connections")


def test_the_idlest_make_room(start, origin):
    """At the limit who has been idle for longest is closed; who has just asked, or is asking, is not."""
    proxy = start(config_of(origin, limits={"connections": 4}, workers=1))
    with contextlib.ExitStack() as stack:
        idlest, idle, waiting, fresh = (stack.enter_context(proxy.client()) for _ in range(4))
        assert idlest.ask().status == 200
        time.sleep(0.3)
        assert idle.ask().status == 200
        origin.on("/long", lambda exchange: (time.sleep(2.5), exchange.answer(200)))
        waiting.send(raw.request("/long"))
        time.sleep(1.2)
        assert fresh.ask().status == 200
        with counted(proxy, "pando_worker_connections_evicted_total"):
            with proxy.client() as new:
                assert new.ask().status == 200
                assert idlest.ended() == "fin"
                assert fresh.ask().status == 200 and idle.ask().status == 200
                with proxy.client() as refused:    # nobody has been idle for a second
                    assert refused.answer().status == 503
        assert waiting.answer().status == 200


def test_connections_per_client(start, origin):
    proxy = start(config_of(origin, limits={"connections-per-client": 3}))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(proxy.client()) for _ in range(3)]
        for client in clients:
            assert client.ask().status == 200
        with counted(proxy, "pando_worker_connections_refused_total"), proxy.client() as client:
            answer = client.answer()
            assert answer.status == 429
            assert answer.get("Retry-After") == "1"
            assert client.ended() == "fin"
        # Another address is another client.
        with socket.create_connection(("127.0.0.1", proxy.port), 10, source_address=("127.0.0.2", 0)) as sock:
            sock.sendall(raw.request("/other"))
            assert raw.Reader(sock).answer().status == 200
        clients[0].close()
        until(lambda: is_served(proxy), "the place that became free")


def test_requests_per_connection(start, origin):
    proxy = start(config_of(origin, http={"requests-per-connection": 3}))
    with proxy.client() as client:
        for _ in range(2):
            assert not client.ask().closes
        last = client.ask()
        assert last.status == 200 and last.closes
        assert client.ended() == "fin"
    with proxy.client() as client:    # pipelined: what is beyond the limit is not answered, and not sent on
        client.send(b"".join(raw.request(f"/piped/{i}") for i in range(5)))
        assert [client.answer().closes for _ in range(3)] == [False, False, True]
        assert client.ended() == "fin"
    assert not origin.seen("/piped/3")


def test_pipeline_depth(start, origin):
    now, most, lock = [0], [0], threading.Lock()

    def slow(exchange):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.05)
        with lock:
            now[0] -= 1
        exchange.answer(200, body=exchange.request.target.encode())

    origin.on("/slow", slow)
    proxy = start(config_of(origin, http={"pipeline-depth": 2}))
    with proxy.client() as client:
        client.send(b"".join(raw.request(f"/slow?{i}") for i in range(12)))
        assert [client.answer().text for _ in range(12)] == [f"/slow?{i}" for i in range(12)]
    assert most[0] == 2


# --- clients that take their time ---


def ended_after(client, at_least_s, at_most_s=5):
    """Seconds until the connection ended by itself, answered or not."""
    began = time.monotonic()
    client.sock.settimeout(at_most_s + 5)
    with contextlib.suppress(raw.Ended):
        client.reader.rest()
    took_s = time.monotonic() - began
    assert at_least_s <= took_s <= at_most_s, took_s
    return took_s


def test_header_timeout(start, origin):
    proxy = start(config_of(origin, http={"header-timeout": "400ms"}))
    with counted(proxy, "pando_worker_expired_head_total", by=3):
        with proxy.client() as half, proxy.client() as silent, proxy.client() as second:
            assert second.ask().status == 200
            began = time.monotonic()
            half.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
            second.send(b"GET / HT")
            for client in (half, second):
                answer = client.answer()
                assert is_refusal(answer, 408, "did not come in time")
                assert answer.closes
                assert 0.35 <= time.monotonic() - began <= 5
                assert client.ended() == "fin"
            assert silent.ended() in ("fin", "rst")    # who said nothing is told nothing
    assert is_served(proxy)


def test_header_timeout_is_absolute(start, origin):
    """A byte now and then does not buy time (slowloris)."""
    proxy = start(config_of(origin, http={"header-timeout": "400ms"}))
    with proxy.client() as client:
        began = time.monotonic()
        with contextlib.suppress(OSError):
            for byte in b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: " + b"x" * 200:
                client.send(bytes([byte]))
                time.sleep(0.05)
                if not client.is_silent(0.001):
                    break
        assert 0.35 < time.monotonic() - began < 3
        assert client.answer().status == 408


def test_body_timeout(start, origin):
    proxy = start(config_of(origin, http={"body-timeout": "400ms"}))
    with counted(proxy, "pando_worker_expired_body_total"), proxy.client() as client:
        client.send(raw.head("POST /slow HTTP/1.1", [("Host", "a"), ("Content-Length", "100")]) + b"x" * 10)
        for _ in range(4):    # each byte in time: the pause counts, not the whole
            time.sleep(0.2)
            client.send(b"x")
        began = time.monotonic()
        answer = client.answer()
        assert is_refusal(answer, 408, "too slowly")
        assert 0.35 <= time.monotonic() - began <= 5
        assert client.ended() == "fin"
    assert is_served(proxy)
    assert not origin.seen("/slow")


def test_body_rate_min(start, origin):
    """Bytes that come steadily but too slowly (R.U.D.Y.). The rate is asked for over 5 seconds."""
    proxy = start(config_of(origin, http={"body-rate-min": "1KiB"}))
    with proxy.client() as slow, proxy.client() as quick, counted(proxy, "pando_worker_expired_body_total"):
        for client in (slow, quick):
            client.send(raw.head("POST /up HTTP/1.1", [("Host", "a"), ("Content-Length", "40000")]))
        began = time.monotonic()
        while slow.is_silent(0.1):
            assert time.monotonic() - began < 10, "the slow one is not refused"
            slow.send(b"x" * 20)
            quick.send(b"x" * 500)
        took_s = time.monotonic() - began
        assert is_refusal(slow.answer(), 408, "too slowly")
        assert 4.5 < took_s < 9
        for _ in range(5):
            quick.send(b"x" * 500)
            assert quick.is_silent(0.1)    # it was fast enough


def test_idle_timeout(start, origin):
    proxy = start(config_of(origin, http={"idle-timeout": "400ms"}))
    with counted(proxy, "pando_worker_expired_idle_total"), proxy.client() as client:
        for _ in range(3):
            assert client.ask().status == 200
            time.sleep(0.2)    # less than the limit, each time anew
        began = time.monotonic()
        assert client.ended() == "fin"
        assert 0.1 < time.monotonic() - began < 5


def test_tunnel_idle_timeout(start, origin):
    origin.on("/echo", ws.serve(ws.echo))
    proxy = start(config_of(origin, http={"tunnel-idle-timeout": "1s", "idle-timeout": "100ms"}))
    with proxy.client() as client:
        tunnel = ws.connect(client, "/echo")
        for _ in range(3):
            tunnel.send(b"still here")
            assert tunnel.receive()[1] == b"still here"
            time.sleep(0.5)
        began = time.monotonic()
        with pytest.raises(raw.Ended):
            tunnel.receive()
        assert 0.3 < time.monotonic() - began < 5
    until(lambda: origin.open_count == 0, "the other end of the tunnel to close")


def test_send_timeout(start, origin):
    """A client that asks for much and reads nothing."""
    seen = {}

    def give(exchange):
        began = time.monotonic()
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n")
        try:
            while True:
                exchange.send(b"x" * 100000)
        except OSError:
            seen["after_s"] = time.monotonic() - began
            raise

    origin.on("/much", give)
    proxy = start(config_of(origin, http={"send-timeout": "500ms"}))
    with counted(proxy, "pando_worker_expired_send_total"), proxy.client() as client:
        client.send(raw.request("/much"))
        until(lambda: "after_s" in seen, "the server to be told")
        assert 0.4 < seen["after_s"] < 10
    assert is_served(proxy)
    until(lambda: proxy.metric("pando_worker_ops_inflight") == 0, "nothing in flight")


def test_a_slow_reader_is_not_a_client_that_reads_nothing(start, origin):
    origin.on("/much", lambda exchange: exchange.answer(200, body=b"x" * 20_000_000))
    proxy = start(config_of(origin, http={"send-timeout": "500ms"}))
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    sock.settimeout(20)
    sock.connect(("127.0.0.1", proxy.port))
    with sock:
        sock.sendall(raw.request("/much"))
        for _ in range(12):    # far longer than the limit, a little each time
            assert len(sock.recv(100_000)) > 0
            time.sleep(0.1)
        reader = raw.Reader(sock)
        rest = 0
        with contextlib.suppress(raw.Ended):
            while rest < 18_000_000:
                rest += len(reader.some())
        assert rest >= 18_000_000


# --- servers that take their time ---


def test_request_timeout(start, origin):
    origin.on("/never", lambda exchange: exchange.ended())
    proxy = start(config_of(origin, http={"request-timeout": "400ms"}))
    with counted(proxy, "pando_worker_expired_request_total"), counted(proxy, "pando_errors_total", kind="DEADLINE"):
        began = time.monotonic()
        assert is_refusal(proxy.ask("/never"), 504, "deadline")
        assert 0.35 <= time.monotonic() - began <= 5
    until(lambda: origin.open_count == 0, "the server to be told")
    assert is_served(proxy)


def test_request_timeout_in_the_middle_of_an_answer(start, origin):
    """It cannot be answered any more; then the connection must end, lest half an answer looks whole."""
    def half(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        exchange.ended()

    origin.on("/half", half)
    proxy = start(config_of(origin, http={"request-timeout": "400ms"}))
    with proxy.client() as client:
        client.send(raw.request("/half"))
        with pytest.raises(raw.Ended):
            client.answer()
    until(lambda: origin.open_count == 0, "the server to be told")


@contextlib.contextmanager
def full_backlog():
    """The address of a listener that accepts nothing, and whose backlog is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        time.sleep(0.05)
        yield "127.0.0.1:%d" % listener.getsockname()[1]


def test_connect_timeout(start):
    with full_backlog() as address:
        proxy = start({"services": {"shop": {"targets": [address]}}, "upstream": {"connect-timeout": "300ms"}})
        with counted(proxy, "pando_upstream_connect_failures_total"), \
                counted(proxy, "pando_errors_total", kind="CONNECT_TIMEOUT"):
            began = time.monotonic()
            assert is_refusal(proxy.ask("/x"), 504, "did not accept the connection in time")
            assert 0.25 <= time.monotonic() - began <= 5


def test_connect_timeout_then_another_target(start, origin):
    """Nothing was sent, so that even a POST goes to another target."""
    with full_backlog() as address:
        proxy = start({"services": {"shop": {"targets": [address, origin.address], "balance": "round-robin"}},
                       "upstream": {"connect-timeout": "200ms"}})
        for _ in range(4):
            assert proxy.ask("/x", "POST", body=b"x" * 1000).status == 200


def test_answer_timeout(start, origin):
    origin.on("/never", lambda exchange: exchange.ended())
    proxy = start(config_of(origin, upstream={"answer-timeout": "300ms"}))
    with counted(proxy, "pando_errors_total", kind="TARGET_TIMEOUT"):
        for method in ("GET", "POST"):
            began = time.monotonic()
            assert is_refusal(proxy.ask("/never", method), 504, "did not answer in time")
            assert 0.25 <= time.monotonic() - began <= 5
    assert len(origin.seen("/never")) == 2    # nobody asked twice
    until(lambda: origin.open_count == 0, "the connections are not used again")
    assert is_served(proxy)


def test_answer_timeout_begins_with_the_last_byte_of_the_request(start, origin):
    proxy = start(config_of(origin, upstream={"answer-timeout": "300ms"}))
    with proxy.client() as client:
        client.send(raw.head("POST /slow HTTP/1.1", [("Host", "a"), ("Content-Length", "6")]))
        for _ in range(6):
            time.sleep(0.1)
            client.send(b"x")
        assert client.answer().status == 200


def test_answer_body_timeout(start, origin):
    def half(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        exchange.ended()

    origin.on("/half", half)
    proxy = start(config_of(origin, upstream={"answer-body-timeout": "300ms"}))
    with proxy.client() as client:
        began = time.monotonic()
        client.send(raw.request("/half"))
        with pytest.raises(raw.Ended):
            client.answer()
        assert 0.25 <= time.monotonic() - began <= 5
    until(lambda: origin.open_count == 0, "the server to be told")


@pytest.mark.parametrize("setting, value, script", [
    ("answer-header-bytes", "1KiB", lambda e: e.answer(200, [("X-Fill", "x" * 1100)])),
    ("answer-header-count", 8, lambda e: e.answer(200, [(f"X-{i}", "1") for i in range(8)])),
    ("answer-interim-count", 2, lambda e: e.send(b"HTTP/1.1 103 Early\r\n\r\n" * 3).answer(200)),
], ids=["bytes", "count", "interims"])
def test_limits_of_answers(start, origin, setting, value, script):
    origin.on("/over", script)
    proxy = start(config_of(origin, upstream={setting: value}))
    with counted(proxy, "pando_errors_total", kind="TARGET_NONSENSE"):
        answer = proxy.ask("/over")
        assert answer.status == 502
    assert is_served(proxy)


# --- requests in flight ---


def gated(origin):
    """Requests of /gate wait until the event is set."""
    gate = threading.Event()
    origin.on("/gate", lambda exchange: (gate.wait(20), exchange.answer(200)))
    return gate


@pytest.mark.parametrize("where", ["node", "service"])
def test_requests_in_flight(start, origin, where):
    gate = gated(origin)
    limits = {"limits": {"requests-in-flight": 2}}
    proxy = start(pando.merged(config_of(origin), limits if where == "node" else {"services": {"shop": limits}}))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(proxy.client()) for _ in range(2)]
        for client in clients:
            client.send(raw.request("/gate"))
        origin.wait_for("/gate", 2)
        with counted(proxy, "pando_errors_total", kind="LIMIT"):
            with proxy.client() as client:
                answer = client.ask("/one-more")
                assert is_refusal(answer, 503, "in progress")
                assert int(answer.get("Retry-After")) >= 1
                assert not answer.closes
                gate.set()
                for other in clients:
                    assert other.answer().status == 200
                assert client.ask("/again").status == 200    # on the same connection
    assert not origin.seen("/one-more")


def test_connections_per_target(start, origin):
    """What would need one more connection goes elsewhere, and if there is nowhere, is told so."""
    gate = gated(origin)
    proxy = start(config_of(origin, upstream={"connections-per-target": 2}))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(proxy.client()) for _ in range(2)]
        for client in clients:
            client.send(raw.request("/gate"))
        origin.wait_for("/gate", 2)
        answer = proxy.ask("/one-more")
        assert answer.status == 503
        assert int(answer.get("Retry-After")) >= 1
        gate.set()
        for client in clients:
            assert client.answer().status == 200
        assert proxy.ask("/again").status == 200
        assert origin.open_count <= 2


# --- descriptors ---


def cpu_s(pid):
    """Seconds of processor time so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        words = stat.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("asking", [False, True], ids=["idle", "asking"])
def test_descriptors_running_out(start, origin, asking):
    """Accepting pauses, says so, does not spin; who is in is served, the pages answer, and it recovers."""
    proxy = start(config_of(origin, limits={"descriptors-kept": 40}, http={"header-timeout": "1m"}),
                  prefix=["prlimit", "--nofile=128:128"])
    with contextlib.ExitStack() as stack:
        inside = stack.enter_context(proxy.client())
        assert inside.ask().status == 200
        clients = [stack.enter_context(proxy.client()) for _ in range(150)]
        if asking:    # all at once, so that connections to the server are short as well
            for i, client in enumerate(clients):
                client.send(raw.request(f"/waiting/{i}"))
        for page in ("/metrics", "/readyz", "/api/status"):
            time.sleep(0.2)
            assert inside.ask("/inside").status in ((200, 503) if asking else (200,))
            assert proxy.admin(page).status == 200
        assert proxy.metric("pando_worker_accept_pauses_total") >= 1
        assert 10 < proxy.metric("pando_worker_connections_open") < 140
        assert proxy.descriptors_count() <= 128
        pid = proxy.server_pid()
        before_s = cpu_s(pid)
        for _ in range(5):    # who asks now and then is not idle, and stays
            time.sleep(0.2)
            answer = inside.ask("/inside")
            # More are asking than there can be connections to the server: this one may be unlucky.
            assert answer.status == 200 or (asking and answer.status == 503), answer.body
        assert cpu_s(pid) - before_s < 0.25, "it spins"
        # Those inside leave, whoever they are, and those outside come in: nobody goes without an answer.
        if not asking:
            for client in clients:
                with contextlib.suppress(OSError):    # it was turned away
                    client.send(raw.request("/waiting"))
        served, end = 0, time.monotonic() + 20
        while clients:
            ready, _, _ = select.select([client.sock for client in clients], [], [], end - time.monotonic())
            assert ready, f"{len(clients)} wait for ever"
            for client in [client for client in clients if client.sock in ready]:
                status = client.answer().status
                assert status in (200, 503)    # 503: turned away, or no descriptor for the server
                served += status == 200
                client.close()
                clients.remove(client)
        assert served > 10
    until(lambda: is_served(proxy), "accepting as before")
    assert "descriptor" in proxy.stderr, proxy.stderr
