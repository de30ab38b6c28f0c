# SPDX-License-Identifier: Apache-2.0
"""test_retries.py - a failed attempt goes to another target: which, when, with what body, and within which budget.

Targets are two Origins, `sick` and `well`. Ejections are off, so that every request may meet the sick one.
"""
import contextlib
import threading

import pytest

import pando
from origins import Origin
from pando import until

OFF = {"errors-in-a-row": "none", "silences-in-a-row": "none", "deviations": "none"}


@pytest.fixture
def pair():
    with Origin() as sick, Origin() as well:
        yield sick, well


def config_of(pair, **service):
    service.setdefault("outlier", OFF)
    service.setdefault("balance", "round-robin")
    return {"services": {"shop": {"targets": [origin.address for origin in pair], **service}}}


def fail_with(status, fields=()):
    return lambda exchange: exchange.answer(status, fields, body=b"no")


def hang(exchange):
    exchange.ended()


def ask_all(proxy, method="GET", body=b"", times=6):
    """Round robin: about half of them meet the sick target first."""
    return [proxy.ask("/x", method, body=body).status for _ in range(times)]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_bad_status_goes_elsewhere(start, pair, status):
    sick, well = pair
    sick.on("/x", fail_with(status))
    proxy = start(config_of(pair))
    assert ask_all(proxy) == [200] * 6
    assert 2 <= len(sick.seen("/x")) <= 6 == len(well.seen("/x"))
    until(lambda: proxy.metric("pando_retries_total", service="shop", reason="status") == len(sick.seen("/x")),
          "not counted")
    assert any(line["retry"] == 1 for line in proxy.log_lines(6) if "retry" in line)


def test_its_connection_is_kept(start, pair):
    sick, _ = pair
    sick.on("/x", fail_with(500))
    proxy = start(config_of(pair) | {"workers": 1})
    ask_all(proxy, times=12)
    assert len(sick.seen("/x")) > 1
    assert len(sick.connections) == 1


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_connection_that_ends_without_an_answer(start, pair, how):
    sick, _ = pair
    sick.on("/x", lambda exchange: getattr(exchange, how)())
    proxy = start(config_of(pair))
    assert ask_all(proxy) == [200] * 6
    assert len(sick.seen("/x")) >= 2


def test_a_target_that_does_not_answer(start, pair):
    sick, _ = pair
    sick.on("/x", hang)
    proxy = start(config_of(pair, upstream={"try-timeout": "100ms"}))
    assert ask_all(proxy, times=4) == [200] * 4
    assert proxy.metric("pando_retries_total", reason="timeout") >= 1


def test_try_timeout_alone_is_504(start, origin):
    origin.on("/x", hang)
    proxy = start({"services": {"shop": {"targets": [origin.address], "upstream": {"try-timeout": "100ms"}}}})
    answer = proxy.ask("/x")
    assert answer.status == 504 and "try-timeout" in answer.get("Proxy-Status")
    assert len(origin.seen("/x")) == 1


def test_half_a_head_is_no_answer(start, pair):
    sick, _ = pair
    sick.on("/x", lambda exchange: exchange.send(b"HTTP/1.1 200 OK\r\nContent-").close())
    proxy = start(config_of(pair))
    assert ask_all(proxy) == [200] * 6


def test_once_the_head_has_gone_up_nothing_is_repeated(start, pair):
    sick, well = pair
    for origin in pair:
        origin.on("/x", lambda exchange: exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").close())
    proxy = start(config_of(pair))
    with proxy.client() as client, contextlib.suppress(Exception):
        client.ask("/x")
    assert len(sick.seen("/x")) + len(well.seen("/x")) == 1


def test_what_may_have_been_carried_out_is_sent_once(start, pair):
    sick, well = pair
    for path, script in (("/status", fail_with(500)), ("/hang", hang), ("/close", lambda exchange: exchange.close())):
        for origin in pair:
            origin.on(path, script)
    proxy = start(config_of(pair, upstream={"try-timeout": "100ms"}))
    for path, status in (("/status", 500), ("/hang", 504), ("/close", 502)):
        for _ in range(2):
            assert proxy.ask(path, "POST", body=b"order").status == status
        assert len(sick.seen(path)) + len(well.seen(path)) == 2
    assert proxy.metric("pando_retries_total") == 0


def test_any_method_if_asked(start, pair):
    sick, well = pair
    sick.on("/x", fail_with(500))
    proxy = start(config_of(pair, retry={"any-method": True}))
    assert ask_all(proxy, "POST", b"order") == [200] * 6
    assert {request.body for request in well.seen("/x")} == {b"order"}


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_sent_again(start, pair, chunked):
    sick, well = pair
    sick.on("/x", fail_with(503))
    body = bytes(range(256)) * 200
    proxy = start(config_of(pair))
    for _ in range(4):
        if chunked:
            with proxy.client() as client:
                client.send(b"PUT /x HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n")
                for i in range(0, len(body), 2560):
                    client.send(b"%x\r\n%s\r\n" % (len(body[i:i + 2560]), body[i:i + 2560]))
                client.send(b"0\r\n\r\n")
                assert client.answer("PUT").status == 200
        else:
            assert proxy.ask("/x", "PUT", body=body).status == 200
    assert len(sick.seen("/x")) >= 1
    assert [request.body for request in well.seen("/x")] == [body] * 4


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_server_that_is_lost_in_the_middle_of_a_body(start, pair, how):
    """What was sent of it is sent again, and what still comes goes to the other."""
    sick, well = pair
    sick.on("/x", lambda exchange: getattr(exchange, how)(), read_body=False)
    body = bytes(range(256)) * 160
    proxy = start(config_of(pair))
    for _ in range(20):
        with proxy.client() as client:
            client.send(b"PUT /x HTTP/1.1\r\nHost: shop.example\r\nContent-Length: %d\r\n\r\n" % len(body))
            for i in range(0, len(body), 2560):
                client.send(body[i:i + 2560])
            assert client.answer("PUT").status == 200
    assert len(sick.seen("/x")) >= 5
    assert [request.body for request in well.seen("/x")] == [body] * 20


def test_a_body_over_the_limit_is_sent_once(start, pair):
    sick, well = pair
    for origin in pair:
        origin.on("/x", fail_with(503))
    proxy = start(config_of(pair, retry={"replay-bytes": "1KiB"}))
    assert proxy.ask("/x", "PUT", body=bytes(5000)).status == 503
    assert len(sick.seen("/x")) + len(well.seen("/x")) == 1
    assert proxy.ask("/x", "PUT", body=bytes(500)).status == 503
    assert len(sick.seen("/x")) + len(well.seen("/x")) == 3


def test_the_last_answer_reaches_the_client_whole(start, pair):
    for origin in pair:
        origin.on("/x", fail_with(500, [("X-Why", "tired")]))
    proxy = start(config_of(pair))
    answer = proxy.ask("/x")
    assert answer.status == 500 and answer.get("X-Why") == "tired" and answer.body == b"no"
    assert sum(len(origin.seen("/x")) for origin in pair) == 2, "never the same target twice"


@pytest.mark.parametrize("status,fields", [(429, []), (503, [("Retry-After", "3")])])
def test_a_server_that_defends_itself_is_left_alone(start, pair, status, fields):
    for origin in pair:
        origin.on("/x", fail_with(status, fields))
    proxy = start(config_of(pair, retry={"statuses": "400-599"}))
    assert ask_all(proxy, times=2) == [status] * 2
    assert sum(len(origin.seen("/x")) for origin in pair) == 2


def test_statuses_are_a_setting(start, pair):
    for origin in pair:
        origin.on("/x", fail_with(500))
        origin.on("/y", fail_with(404))
    proxy = start(config_of(pair, retry={"statuses": "404"}))
    assert proxy.ask("/x").status == 500 and proxy.ask("/y").status == 404
    assert sum(len(origin.seen("/x")) for origin in pair) == 1
    assert sum(len(origin.seen("/y")) for origin in pair) == 2


def test_the_budget(start, pair):
    """Both targets hold the repeated attempts: no more than the budget reach the second, the others get their error."""
    first, second = pair
    gate = threading.Event()
    seen = threading.Semaphore(0)

    def once(exchange):
        if len([r for r in first.seen("/x") + second.seen("/x") if r.get("X-Id") == exchange.request.get("X-Id")]) == 1:
            exchange.answer(500)
        else:
            seen.release()
            gate.wait(20)
            exchange.answer(200)
    for origin in pair:
        origin.on("/x", once)
    proxy = start(config_of(pair, retry={"budget": 0, "budget-min": 2, "budget-wait": "50ms"}) | {"workers": 2})
    statuses = []
    threads = [threading.Thread(target=lambda i=i: statuses.append(
        proxy.ask("/x", fields=[("X-Id", str(i))]).status)) for i in range(6)]
    for thread in threads:
        thread.start()
    until(lambda: statuses.count(500) == 4, "four without a place")
    assert len(first.seen("/x")) + len(second.seen("/x")) == 8
    gate.set()
    for thread in threads:
        thread.join(20)
    assert sorted(statuses) == [200, 200, 500, 500, 500, 500]
    until(lambda: proxy.metric("pando_retries_denied_total", service="shop") == 4, "no metric")
    assert proxy.metric("pando_retries_delayed_total", service="shop") == 4


def test_statuses_are_checked():
    result = pando.command("check", "--set", "retry.statuses=bad", "--to", "127.0.0.1:1")
    assert result.returncode == 2 and "retry.statuses is no list of statuses" in result.stderr
