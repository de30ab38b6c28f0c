# SPDX-License-Identifier: Apache-2.0
"""run.py - one run: three servers behind Pando, load, one server falls ill and is well again.

    with three(io, strategy, fault) as (proxy, servers):
        with pace(proxy, rate) as load:
            watch = one_falls_ill(proxy, servers, fault)
            figures = result_of(load)
"""
import contextlib
import json
import pathlib
import subprocess
import threading
import time

import pytest

import ill
import pando
from ill import FAULTS, Server, tell, until

ROOT = pathlib.Path(__file__).parents[2]
RATE = 2000 if pando.LONG else 400
BEFORE_S, ILL_S, AFTER_S = (2, 5, 8) if pando.LONG else (0.7, 2, 1.5)
SECONDS = round(BEFORE_S + ILL_S + AFTER_S)
CONNECT_MS, TRY_MS = 300, 500
# More than a third of the requests of one try-timeout, which may all wait for the ill server: one that waits for a
# connection of the client's counts as slow.
CONNECTIONS = "800"
STRATEGIES = pando.strategies()


def config_of(servers, strategy):
    return {
        "log": {"access": False},
        "upstream": {"connect-timeout": f"{CONNECT_MS}ms", "try-timeout": f"{TRY_MS}ms"},
        "outlier": {"eject-first": "1s"},
        "services": {"shop": {"balance": strategy, "hash": {"key": "path"}, "targets": [server.address for server in servers]}},
    }


@contextlib.contextmanager
def three(io, strategy, fault, **more):
    """A Pando in front of three servers, of which the first is the one that @fault can befall."""
    _, apart = FAULTS[fault]
    if apart and not ill.can_cut_off():
        pytest.skip("network namespaces and nftables are not to be had here")
    with Server("one", apart) as sick, Server("two") as two, Server("three") as other:
        servers = [sick, two, other]
        with pando.running(pando.merged(config_of(servers, strategy), more), io) as proxy:
            warm(proxy)
            yield proxy, servers


def pace_words(proxy, rate, seconds):
    """A thousand paths, so that `hash` has keys for all servers."""
    return [ROOT / "build/pace", "--to", str(proxy.port), "--path", "/", "--paths", "1000", "--connections", CONNECTIONS,
            "--rate", str(rate), "--seconds", str(seconds)]


def warm(proxy):
    """Servers that have just begun are slower by tens of milliseconds a request until their code is compiled: of 2,000
    a second they would be ill all three. What this load is told does not count."""
    if pando.LONG:
        subprocess.run(pace_words(proxy, RATE // 2, 3), stdout=subprocess.DEVNULL, check=False)
        until(lambda: all(target["state"] == "up" for service in proxy.status()["services"]
                          for target in service["targets"]), "all three to be well")


def pace(proxy, rate):
    """GETs at @rate a second for the whole run, none of them twice; result_of() gives the figures."""
    return subprocess.Popen(pace_words(proxy, rate, SECONDS), stdout=subprocess.PIPE, text=True)


def result_of(load):
    out, _ = load.communicate(timeout=60)
    return json.loads(out)


class Watch(threading.Thread):
    """When a server was seen to go out of service and to come back, by the status page."""

    def __init__(self, proxy, address):
        super().__init__(daemon=True)
        self.proxy, self.address = proxy, address
        self.changes = []    # (moment, whether it is in)
        self.began_s = self.ill_s = self.well_s = None
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
            if not self.changes or self.changes[-1][1] != is_in:
                self.changes.append((now_s, is_in))
            time.sleep(0.005)

    def end(self):
        self.going = False
        self.join()

    @property
    def out_s(self):
        """From the moment when it was ill until it was seen out; None: never."""
        return next((max(0.0, at_s - self.ill_s) for at_s, is_in in self.changes if at_s > self.began_s and not is_in), None)

    @property
    def back_s(self):
        """From the moment when it was well again until it was seen in; None: never, or it never was out."""
        before = [is_in for at_s, is_in in self.changes if at_s <= self.well_s]
        if before[-1]:
            return 0.0 if self.out_s is not None else None
        return next((at_s - self.well_s for at_s, is_in in self.changes if at_s > self.well_s and is_in), None)


def one_falls_ill(proxy, servers, fault):
    """The first server falls ill after a while, and is well again after another; the Watch, which goes on."""
    watch = Watch(proxy, servers[0].address)
    watch.start()
    time.sleep(BEFORE_S)
    watch.began_s = time.monotonic()
    tell(servers[0], fault, True)
    watch.ill_s = time.monotonic()    # nft takes tens of milliseconds to begin
    time.sleep(ILL_S)
    tell(servers[0], fault, False)
    watch.well_s = time.monotonic()
    return watch
