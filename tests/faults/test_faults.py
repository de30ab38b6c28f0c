# SPDX-License-Identifier: Apache-2.0
"""test_faults.py - three real servers under load, one of them falls ill: no GET fails, and how soon it is out and back.

    ./dev test faults                      every fault, every strategy, both back ends; prints the table
    PANDO_LONG=1 ./dev test faults         2,000 requests a second, and the bars on times

The load client (bench/pace) keeps its rate whatever happens and repeats nothing.
"""
import pytest

import pando
import run
from ill import FAULTS
from run import CONNECT_MS, RATE, SECONDS, TRY_MS
from tables import GETS

ROUND_MS = 100

# How a fault is found, and what the slowest GET and the time until the server is out are bounded by (reliability 4.2).
BOUND_MS = {
    "kill -9": 100,
    "SIGSTOP": TRY_MS,
    "answers 500": None,
    "200 ms slow": None,
    "never answers": TRY_MS,
    "cut off": CONNECT_MS,
}


def shown_ms(seconds):
    return "-" if seconds is None else f"{seconds * 1000:.0f}"


@pytest.mark.parametrize("strategy", run.STRATEGIES)
@pytest.mark.parametrize("fault", FAULTS)
def test_no_get_fails(io, fault, strategy):
    with run.three(io, strategy, fault) as (proxy, servers):
        with run.pace(proxy, RATE) as load:
            watch = run.one_falls_ill(proxy, servers, fault)
            figures = run.result_of(load)
        watch.end()
    failed = figures["errors"] + figures["unanswered"]
    slowest_ms = figures["max_us"] / 1000
    GETS.add(fault, strategy, io, figures["answered"], failed, f"{slowest_ms:.0f}", shown_ms(watch.out_s),
             shown_ms(watch.back_s))
    assert failed == 0, figures
    assert figures["answered"] > RATE * SECONDS / 2
    if pando.LONG and BOUND_MS[fault] is not None:
        assert slowest_ms <= TRY_MS + ROUND_MS
        assert watch.out_s is not None and watch.out_s * 1000 <= BOUND_MS[fault] + ROUND_MS
