# SPDX-License-Identifier: Apache-2.0
"""test_hedging.py - a second attempt beside one that takes long: who wins, and what becomes of the other."""
import threading

import pytest

from origins import Origin
from pando import until


@pytest.fixture
def pair():
    with Origin() as one, Origin() as two:
        yield one, two


def config_of(pair, **retry):
    return {"workers": 1, "services": {"shop": {
        "targets": [origin.address for origin in pair], "balance": "round-robin",
        "retry": {"hedge": "after", "hedge-after": "50ms", **retry}}}}


def hang(exchange):
    exchange.ended()


def first_hangs(pair):
    """Whoever is asked first does not answer; the other does."""
    lock, asked = threading.Lock(), []

    def script(exchange):
        with lock:
            asked.append(exchange)
            is_first = len(asked) == 1
        if is_first:
            hang(exchange)
        else:
            exchange.answer(200, body=b"second")
    for origin in pair:
        origin.on("/x", script)


def seen(pair):
    return [len(origin.seen("/x")) for origin in pair]


def test_the_second_wins(start, pair):
    first_hangs(pair)
    proxy = start(config_of(pair))
    answer = proxy.ask("/x")
    assert answer.status == 200 and answer.body == b"second"
    assert seen(pair) == [1, 1], "at different targets"
    until(lambda: proxy.metric("pando_hedge_wins_total", service="shop") == 1, "no metric")
    assert proxy.metric("pando_hedges_total", service="shop") == 1
    assert proxy.log_lines(1)[0]["hedge"] == "won"
    until(lambda: all(target["inflight"] == 0 for target in proxy.status()["services"][0]["targets"]),
          "the loser is still in flight")


def test_a_quick_answer_needs_no_second(start, pair):
    proxy = start(config_of(pair, **{"hedge-after": "20s"}))
    for _ in range(10):
        assert proxy.ask("/x").status == 200
    assert sum(seen(pair)) == 10 and proxy.metric("pando_hedges_total") == 0


def test_a_long_body_passes_whole(start, pair):
    body = bytes(range(256)) * 4000
    lock, asked = threading.Lock(), []

    def script(exchange):
        with lock:
            asked.append(1)
            is_first = len(asked) == 1
        hang(exchange) if is_first else exchange.answer(200, body=body, chunk=5000)
    for origin in pair:
        origin.on("/x", script)
    proxy = start(config_of(pair))
    assert proxy.ask("/x").body == body


def test_posts_and_bodies_are_not_hedged(start, pair):
    for origin in pair:
        origin.on("/x", hang)
    proxy = start(config_of(pair) | {"upstream": {"try-timeout": "300ms"}})
    assert proxy.ask("/x", "POST", body=b"order").status == 504
    assert sum(seen(pair)) == 1


def test_a_client_that_leaves_ends_both(start, pair):
    for origin in pair:
        origin.on("/x", hang)
    proxy = start(config_of(pair))
    with proxy.client() as client:
        client.send(b"GET /x HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        until(lambda: seen(pair) == [1, 1], "no second")
        client.reset()      # a FIN after a request is a half-close, and is answered
    until(lambda: all(origin.open_count == 0 for origin in pair), "an attempt goes on")


def test_the_budget_counts_them(start, pair):
    for origin in pair:
        origin.on("/x", hang)
    proxy = start(config_of(pair, budget=0, **{"budget-min": 0}) | {"upstream": {"try-timeout": "300ms"}})
    assert proxy.ask("/x").status == 504
    assert sum(seen(pair)) == 1
    until(lambda: proxy.metric("pando_hedges_denied_total", service="shop") == 1, "no metric")
