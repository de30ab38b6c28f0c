# SPDX-License-Identifier: Apache-2.0
"""test_deadlines.py - how long a client still waits: said by those that are believed, told to servers, and kept.
"""
import threading
import time

import pytest

from pando import until

HEADER = "X-Request-Timeout-Ms"


def config_of(origin, believe=True, **service):
    trust = {"listeners": {"web": {"trust": ["127.0.0.0/8"]}}} if believe else {}
    return trust | {"workers": 1, "services": {"shop": {"targets": [origin.address], **service}}}


def hang(exchange):
    exchange.ended()


def told(origin, path="/x", header=HEADER):
    return origin.seen(path)[-1].get(header)


def test_a_deadline_is_carried_on(start, origin):
    proxy = start(config_of(origin))
    assert proxy.ask("/x", fields=[(HEADER, "60000")]).status == 200
    assert 30000 < int(told(origin)) <= 60000
    assert len(origin.seen("/x")[-1].all(HEADER)) == 1


def test_one_of_grpc_too(start, origin):
    proxy = start(config_of(origin))
    assert proxy.ask("/x", fields=[("grpc-timeout", "60S")]).status == 200
    assert 30000 < int(told(origin)) <= 60000
    value = told(origin, header="grpc-timeout")
    assert value.endswith("m") and 30000 < int(value[:-1]) <= 60000
    proxy.ask("/x", fields=[("grpc-timeout", "2M"), (HEADER, "60000")])
    assert int(told(origin)) <= 60000


def test_without_a_deadline_nothing_is_told(start, origin):
    proxy = start(config_of(origin))
    proxy.ask("/x")
    assert told(origin) is None


def test_request_timeout_is_told(start, origin):
    proxy = start(config_of(origin, http={"request-timeout": "90s"}))
    proxy.ask("/x")
    assert 60000 < int(told(origin)) <= 90000
    proxy.ask("/x", fields=[(HEADER, "10000")])
    assert int(told(origin)) <= 10000
    proxy.ask("/x", fields=[(HEADER, "1000000")])
    assert int(told(origin)) <= 90000


def test_strangers_are_not_believed(start, origin):
    proxy = start(config_of(origin, believe=False))
    assert proxy.ask("/x", fields=[(HEADER, "0"), ("grpc-timeout", "1n")]).status == 200
    assert told(origin) is None, "it would be taken for ours"
    assert told(origin, header="grpc-timeout") == "1n", "that one is between the ends"


@pytest.mark.parametrize("value", ["soon", "-5", "", "1.5", "99999999999999999999"])
def test_nonsense_is_nothing(start, origin, value):
    proxy = start(config_of(origin))
    assert proxy.ask("/x", fields=[(HEADER, value)]).status == 200
    assert told(origin) is None


def test_expiry_cancels_and_is_504(start, origin):
    origin.on("/x", hang)
    proxy = start(config_of(origin))
    answer = proxy.ask("/x", fields=[(HEADER, "200")])
    assert answer.status == 504 and "deadline" in answer.get("Proxy-Status")
    until(lambda: origin.connections[-1].end in ("fin", "rst") or origin.open_count == 0, "not cancelled")


def test_no_retry_outlives_the_deadline(start, origin):
    """The first attempt takes it all: nothing goes to the second target."""
    origin.on("/x", hang)
    config = config_of(origin, upstream={"try-timeout": "10s"})
    proxy = start(config)
    assert proxy.ask("/x", fields=[(HEADER, "150")]).status == 504
    assert len(origin.seen("/x")) == 1


def test_another_name(start, origin):
    proxy = start(config_of(origin, http={"deadline-header": "X-Envoy-Expected-Rq-Timeout-Ms"}))
    proxy.ask("/x", fields=[("x-envoy-expected-rq-timeout-ms", "5000")])
    assert int(told(origin, header="X-Envoy-Expected-Rq-Timeout-Ms")) <= 5000


def test_no_name(start, origin):
    proxy = start(config_of(origin, http={"deadline-header": ""}))
    assert proxy.ask("/x", fields=[(HEADER, "0")]).status == 200
    assert told(origin) == "0", "a header like any other"


def test_what_would_come_too_late_is_refused(start, origin):
    def slow(exchange):
        time.sleep(0.05)
        exchange.answer(200)
    origin.on("/x", slow)
    proxy = start(config_of(origin))
    for _ in range(3):
        threads = [threading.Thread(target=proxy.ask, args=("/x",)) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    seen = len(origin.seen("/x"))
    answer = proxy.ask("/x", fields=[(HEADER, "10")])
    assert answer.status == 504 and "half of the answers" in answer.get("Proxy-Status")
    assert len(origin.seen("/x")) == seen
    until(lambda: proxy.metric("pando_deadline_refused_total", service="shop") == 1, "no metric")
