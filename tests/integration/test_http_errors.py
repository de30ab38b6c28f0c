# SPDX-License-Identifier: Apache-2.0
"""integration/test_http_errors.py - what clients get when no server answers, and what the log says of it."""
import json
import re
import socket
import time

import pytest

import origins
import pando
import raw
from pando import until


def wait_forever(exchange):
    exchange.ended(60)


@pytest.fixture(scope="module")
def server():
    with origins.Origin() as server:
        server.on("/late", wait_forever)
        server.on("/dies", lambda exchange: exchange.close())
        server.on("/nonsense", lambda exchange: exchange.send(b"SSH-2.0-OpenSSH_9.2\r\n").close())
        server.on("/huge", lambda exchange: exchange.answer(fields=[("X", "y" * 70_000)]))
        server.on("/stalls", lambda exchange: (exchange.send(
            raw.head("HTTP/1.1 200 OK", [("Content-Length", "10")]) + b"hello"), exchange.ended(60)))
        yield server


@pytest.fixture(scope="module")
def full():
    """A server that takes no more connections: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        for filler in fillers:
            filler.close()


@pytest.fixture(scope="module")
def proxy(io, server, full):
    server.forget()
    free = pando.free_port()
    nobody = f"127.0.0.1:{free}"
    services = {
        "shop": {"match": {"host": "shop.example"}, "targets": [server.address],
                 "upstream": {"answer-timeout": "200ms", "answer-body-timeout": "200ms"}},
        "limited": {"match": {"host": "limited.test"}, "targets": [server.address],
                    "http": {"request-timeout": "200ms"}},
        "nobody": {"match": {"host": "nobody.test"}, "targets": [nobody],
                   "breaker": {"pause-first": "1ms", "pause-most": "1ms"}},
        "paused": {"match": {"host": "paused.test"}, "targets": [nobody], "breaker": {"pause-first": "10s"}},
        "socket": {"match": {"host": "socket.test"}, "targets": ["unix:/nonexistent/pando/socket"]},
        "nowhere": {"match": {"host": "nowhere.test"}, "targets": ["nowhere.invalid:80"]},
        "full": {"match": {"host": "full.test"}, "targets": [full], "upstream": {"connect-timeout": "200ms"}},
        "one": {"match": {"host": "one.test"}, "targets": [server.address], "limits": {"requests-in-flight": 1}},
    }
    with pando.running({"services": services, "log": {"slow": "150ms"}}, io) as proxy:
        yield proxy


@pytest.fixture
def client(proxy):
    with proxy.client() as client:
        yield client


def expect_problem(answer, status, error):
    """The form of every error of Pando's own: RFC 9457 and RFC 9209."""
    assert answer.status == status, (answer.head, answer.body)
    assert answer.get("Content-Type") == "application/problem+json"
    assert answer.get("Cache-Control") == "no-store"
    match = re.fullmatch(r'pando; error=([a-z_]+); details="([^"]+)"', answer.get("Proxy-Status"))
    assert match and match.group(1) == error, answer.get("Proxy-Status")
    problem = json.loads(answer.body)
    assert problem["status"] == status and problem["type"] == "about:blank"
    assert problem["title"] and problem["detail"] == match.group(2) and problem["kind"]
    return problem


def of(service):
    """The fields that ask for a service."""
    return [("Host", f"{service}.test")]


@pytest.mark.parametrize("target, service, status, error", [
    ("/dies", None, 502, "connection_terminated"),
    ("/nonsense", None, 502, "http_protocol_error"),
    ("/huge", None, 502, "http_protocol_error"),
    ("/late", None, 504, "http_response_timeout"),
    ("/late", "limited", 504, "http_response_timeout"),
    ("/a", "nobody", 502, "connection_refused"),
    ("/a", "socket", 502, "connection_refused"),
    ("/a", "nowhere", 503, "destination_unavailable"),
    ("/a", "full", 504, "connection_timeout"),
])
def test_an_error_says_what_happened_and_the_connection_goes_on_or_says_so(
        client, proxy, target, service, status, error):
    path = f"{target}?{service}{status}"
    answer = client.ask(path, fields=of(service) if service else ())
    expect_problem(answer, status, error)
    line = proxy.log_of(path)
    assert line["st"] == status and line["err"] and line["why"]
    if answer.closes:
        assert client.ended() == "fin"
    else:
        assert client.ask("/after").status == 200


def test_a_paused_target_is_503_with_the_time_to_wait(client):
    expect_problem(client.ask("/a", fields=of("paused")), 502, "connection_refused")
    # The word of it has to go round the workers first.
    answer = until(lambda: next((answer for answer in [client.ask("/a", fields=of("paused"))]
                                 if answer.status == 503), None), "503")
    expect_problem(answer, 503, "destination_unavailable")
    assert 1 <= int(answer.get("Retry-After")) <= 12    # ten seconds, and a fifth more or less


def test_too_many_at_once_is_503_with_the_time_to_wait(proxy, server, client):
    server.on("/one/slow", lambda exchange: (time.sleep(0.15), exchange.answer(body=b"x")))
    client.send(raw.request("/one/slow", fields=of("one")))
    server.wait_for("/one/slow")
    answer = proxy.ask("/one/more", fields=of("one"))
    expect_problem(answer, 503, "proxy_internal_limit_exceeded")
    assert int(answer.get("Retry-After")) >= 1
    assert client.answer().body == b"x"
    assert client.ask("/one/more", fields=of("one")).status == 200


def test_no_service_is_404(client, proxy):
    expect_problem(client.ask("/", fields=[("Host", "nobody.example")]), 404, "destination_not_found")


def test_the_error_of_a_head_request_has_no_body(client):
    answer = client.ask("/dies", "HEAD")
    assert answer.status == 502 and int(answer.get("Content-Length")) >= 0
    assert client.ask("/after").status == 200


def test_an_error_in_the_middle_of_a_pipeline(client):
    client.send(raw.request("/a") + raw.request("/dies") + raw.request("/b") + raw.request("/a", fields=of("nobody")))
    assert [client.answer().status for _ in range(4)] == [200, 502, 200, 502]


def test_an_error_for_a_client_of_http_1_0(client):
    client.send(b"GET /dies HTTP/1.0\r\nHost: shop.example\r\n\r\n")
    assert client.answer().status == 502
    assert client.ended() == "fin"


def test_a_refused_request_gets_its_reason_after_the_answers_before_it(client, server):
    server.on("/slow", lambda exchange: (time.sleep(0.1), exchange.answer(body=b"slow")))
    client.send(raw.request("/slow") + b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + raw.request("/never"))
    assert client.answer().body == b"slow"
    answer = client.answer()
    problem = expect_problem(answer, 400, "http_request_error")
    assert "Host" in problem["detail"] and answer.closes
    assert client.ended() == "fin"
    assert server.seen("/never") == []


def test_a_refused_client_that_goes_on_sending_sees_the_answer(client):
    client.send(b"GET / HTTP/1.1\r\nbad header\r\n\r\n")
    for _ in range(20):
        client.send(b"x" * 50_000)
    assert client.answer().status == 400
    client.half_close()
    client.reader.rest()


def test_an_answer_that_stalls_is_broken_off(client):
    client.send(raw.request("/stalls"))
    with pytest.raises(raw.Ended):
        client.answer()


# --- the access log ---

def test_the_lines_of_a_request(proxy, server, client):
    client.send(raw.request("/logged/caf\xc3\xa9?q=%22", "POST", [("User-Agent", "x")], b"hello"))
    answer = client.answer()
    # A byte over 127 in a target is refused; what is logged then has no path.
    assert answer.status == 400
    with proxy.client() as other:
        answer = other.ask('/logged?q="quoted"\\', "POST", body=b"hello")
    line = proxy.log_of('/logged?q="quoted"\\')
    assert line["m"] == "POST" and line["host"] == "shop.example" and line["st"] == 200
    assert line["route"] == "shop" and line["up"] == server.address and line["retry"] == 0
    assert line["client"] == "127.0.0.1" and line["out"] == len(answer.body)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["ts"])
    assert re.fullmatch("[0-9a-f]{32}", line["trace"])
    assert 0 < line["dur"] < 5 and line["wait"] <= line["dur"]


def test_the_log_counts_the_bytes_of_the_request(proxy, client):
    client.ask("/counted", "POST", body=b"12345")
    assert proxy.log_of("/counted")["in"] == 5


def test_a_slow_request_is_marked(proxy, server, client):
    server.on("/slow-one", lambda exchange: (time.sleep(0.16), exchange.answer(body=b"slow")))
    client.ask("/slow-one")
    client.ask("/fast-one")
    assert proxy.log_of("/slow-one").get("slow") is True
    assert "slow" not in proxy.log_of("/fast-one")


def test_a_cancelled_request_is_logged_as_such(proxy, server):
    server.on("/cancelled", lambda exchange: exchange.ended())
    client = proxy.client().send(raw.request("/cancelled"))
    server.wait_for("/cancelled")
    client.reset()
    line = proxy.log_of("/cancelled")
    assert line["err"] == "CANCELLED" and line["st"] in (0, 499)


def test_a_refused_request_is_logged(proxy):
    with proxy.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n")
        assert client.answer().status == 400
    until(lambda: any(line["st"] == 400 and "Content-Length" in line.get("why", "")
                      for line in proxy.log_lines()), "a log line that says why")


@pytest.mark.parametrize("kind, pattern", [
    ("common", r'127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET /a\?b HTTP/1\.1" 200 \d+'),
    ("combined", r'127\.0\.0\.1 - - \[.*\] "GET /a\?b HTTP/1\.1" 200 \d+ "http://r/" "agent \\"x\\""'),
])
def test_the_other_forms_of_the_log(start, origin, kind, pattern):
    proxy = start({"services": {"all": {"targets": [origin.address]}}, "log": {"format": kind}})
    proxy.ask("/a?b", fields=[("Referer", "http://r/"), ("User-Agent", 'agent "x"')])
    until(lambda: proxy._log(), "a line")
    assert re.fullmatch(pattern, proxy._log()[0]), proxy._log()[0]


def test_every_line_is_whole_json_whatever_clients_send(proxy, client, draw):
    """Bytes of every kind in fields, hosts refused, targets of odd characters."""
    for i in range(50):
        value = "".join(chr(draw.choice([9, *range(32, 127), *range(128, 256)])) for _ in range(20)).strip()
        client.ask(f"/json{i}?" + draw.choice(['"', "\\", "<>", "{}", "'"]) * 5, fields=[("User-Agent", value)])
    until(lambda: any(line.get("path", "").startswith("/json49") for line in proxy.log_lines()), "the last line")
