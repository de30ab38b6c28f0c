# SPDX-License-Identifier: Apache-2.0
"""test_orders.py - a POST that may have been carried out is never sent again, whatever happens to a server; GETs beside it do not fail.

    ./dev test faults -k orders

Each order is a POST with an id of its own that its client sends once. Servers write down every id that reaches them; none may
stand there twice. An order may fail: how many did, and how, is in the table. Hedging is on, so that there is
something to be tempted by.
"""
import pytest

import pando
import run
from ill import FAULTS
from orders import Orders
from run import RATE, SECONDS
from tables import POSTS

STRATEGIES = run.STRATEGIES if pando.LONG else ["two-choices", "round-robin"]
HEDGED = {"retry": {"hedge": "after", "hedge-after": "50ms"}}


def ordered(proxy, servers, fault):
    """One run with orders among the GETs; the orders, compared, and the figures of the GETs."""
    with run.pace(proxy, RATE * 3 // 4) as load, Orders(proxy.port, RATE // 4, SECONDS) as orders:
        run.one_falls_ill(proxy, servers, fault).end()
        orders.finish()
        figures = run.result_of(load)
    for server in servers:
        server.settle()
    return orders.compare(servers), figures


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("fault", FAULTS)
def test_no_order_reaches_two(io, fault, strategy):
    with run.three(io, strategy, fault, **HEDGED) as (proxy, servers):
        orders, gets = ordered(proxy, servers, fault)
    gets_failed = gets["errors"] + gets["unanswered"]
    sent = len(orders.statuses)
    POSTS.add(fault, strategy, io, sent, len(orders.repeated), orders.failed_count,
              f"{100 * orders.failed_count / sent:.2f}", orders.shown(), gets["answered"], gets_failed)
    assert orders.repeated == {}
    assert orders.wrong == []
    assert gets_failed == 0, gets
    assert sent > RATE // 4 * SECONDS // 2


def test_a_repetition_would_be_seen(io):
    """The same with a Pando that was told to repeat them: the records show it."""
    with run.three(io, "round-robin", "answers 500", retry={"any-method": True}) as (proxy, servers):
        orders, _ = ordered(proxy, servers, "answers 500")
    assert orders.repeated != {}
    assert orders.wrong == []
    assert orders.failed_count == 0, orders.shown()
