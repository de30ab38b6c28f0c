# SPDX-License-Identifier: Apache-2.0
"""test_faults.py - three real servers under load, one of them falls ill: no GET fails, and how soon it is out and back.

    ./dev test faults                      every fault, every strategy, both back ends; prints the table
    PANDO_LONG=1 ./dev test faults         2,000 requests a second, and the bars on times

The load client (bench/pace) keeps its rate whatever happens and repeats nothing.
"""
import json
import pathlib
import subprocess
import threading
import time

import pytest

import ill
import pando
from ill import FAULTS, Server, tell

ROOT = pathlib.Path(__file__).parents[2]
RATE = 2000 if pando.LONG else 400
BEFORE_S, ILL_S, AFTER_S = (2, 5, 8) if pando.LONG else (0.7, 2, 1.5)
CONNECT_MS, TRY_MS = 300, 500
ROUND_MS = 100
STRATEGIES = pando.strategies()
TABLE = []

# How a fault is found, and what the slowest GET and the time until the server is out are bounded by (reliability 4.2).
BOUND_MS = {
    "kill -9": 100,
    "SIGSTOP": TRY_MS,
    "answers 500": None,
    "200 ms slow": None,
    "never answers": TRY_MS,
    "cut off": CONNECT_MS,
}


def config_of(servers, strategy):
    return {
        "log": {"access": False},
        "upstream": {"connect-timeout": f"{CONNECT_MS}ms", "try-timeout": f"{TRY_MS}ms"},
        "outlier": {"eject-first": "1s"},
        "services": {"shop": {"balance": strategy, "targets": [server.address for server in servers]}},
    }


class Watch(threading.Thread):
    """When the ill server was first seen out, and first seen in again after it was well."""

    def __init__(self, proxy, address):
        super().__init__(daemon=True)
        self.proxy, self.address = proxy, address
        self.ill_s = self.well_s = self.out_s = self.back_s = None
        self.going = True

    def is_in(self):
        for service in self.proxy.status()["services"]:
            for target in service["targets"]:
                if target["name"] == self.address:
                    return target["state"] == "up"
        return False

    def run(self):
        while self.going:
            now_s, is_in = time.monotonic(), self.is_in()
            if self.ill_s is not None and self.out_s is None and not is_in:
                self.out_s = now_s - self.ill_s
            if self.well_s is not None and self.back_s is None and is_in:
                self.back_s = max(0.0, now_s - self.well_s)
            time.sleep(0.01)


def shown_ms(seconds):
    return "-" if seconds is None else f"{seconds * 1000:.0f}"


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("fault", FAULTS)
def test_no_get_fails(io, fault, strategy):
    _, apart = FAULTS[fault]
    if apart and not ill.can_cut_off():
        pytest.skip("network namespaces and nftables are not to be had here")
    with Server("one", apart) as sick, Server("two") as two, Server("three") as three:
        servers = [sick, two, three]
        with pando.running(config_of(servers, strategy), io) as proxy:
            seconds = BEFORE_S + ILL_S + AFTER_S
            watch = Watch(proxy, sick.address)
            with subprocess.Popen([ROOT / "build/pace", "--to", str(proxy.port), "--path", "/", "--connections", "256",
                                   "--rate", str(RATE), "--seconds", str(round(seconds))],
                                  stdout=subprocess.PIPE, text=True) as load:
                watch.start()
                time.sleep(BEFORE_S)
                watch.ill_s = time.monotonic()
                tell(sick, fault, True)
                time.sleep(ILL_S)
                tell(sick, fault, False)
                watch.well_s = time.monotonic()
                out, _ = load.communicate(timeout=60)
            watch.going = False
            watch.join()
            figures = json.loads(out)
            failed = figures["errors"] + figures["unanswered"]
            slowest_ms = figures["max_us"] / 1000
            TABLE.append([fault, strategy, io, figures["answered"], failed, f"{slowest_ms:.0f}",
                          shown_ms(watch.out_s), shown_ms(watch.back_s if watch.out_s is not None else None)])
            assert failed == 0, figures
            assert figures["answered"] > RATE * seconds / 2
            if pando.LONG and BOUND_MS[fault] is not None:
                assert slowest_ms <= TRY_MS + ROUND_MS
                assert watch.out_s is not None and watch.out_s * 1000 <= BOUND_MS[fault] + ROUND_MS
