# SPDX-License-Identifier: Apache-2.0
"""test_cache_memory.py - a full cache keeps the process within its limit, whoever holds on to what it lets go of.

The short form of `./dev bench cache-memory`, with its server and its readers (bench/sized.c, crowd.c): 16 MiB, and a
hundred slow readers of 128 to 512 KiB, who together want to hold twice of that. PANDO_LONG=1 asks ten times as often.
"""
import json
import re
import subprocess
import threading

import pytest

import pando
from pando import until

MIB = 1 << 20
LIMIT = 16 * MIB
REQUESTS = 1_000_000 if pando.LONG else 2_000 if pando.SANITIZED else 8_000
FAST, SLOW = 64, 100
SLACK = 0.05
BENCH = pando.ROOT / "bench"


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """{name: path} of the two, compiled here: the build that is tested may have none."""
    folder = tmp_path_factory.mktemp("bench")
    for name in ("sized", "crowd"):
        subprocess.run(["cc", "-O2", "-std=gnu17", "-D_GNU_SOURCE", BENCH / f"{name}.c", "-o", folder / name, "-lm"],
                       check=True)
    return {name: folder / name for name in ("sized", "crowd")}


@pytest.fixture
def site(programs):
    """The port of a server of which every answer may be kept."""
    port = pando.free_port()
    process = subprocess.Popen([programs["sized"], "--port", str(port)])
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


class Peak:
    """The most memory that the server had in between."""

    def __init__(self, proxy):
        self.proxy, self.bytes, self.stopping = proxy, proxy.memory_bytes(), threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def _run(self):
        while not self.stopping.wait(0.05):
            self.bytes = max(self.bytes, self.proxy.memory_bytes())


def crowd(programs, proxy, requests, slow):
    done = subprocess.run([programs["crowd"], "--port", str(proxy.port), "--requests", str(requests), "--fast", str(FAST),
                           "--slow", str(slow), "--paths", "20000", "--slow-rate", "16384", "--seed", str(pando.SEED)],
                          capture_output=True, text=True, timeout=600, check=False)
    figures = json.loads(done.stdout)
    assert figures["wrong"] == 0, figures
    return figures


def config_of(port, **cache):
    # Small buffers: what connections have of their own is not what is asked about.
    service = {"targets": [f"127.0.0.1:{port}"], **({"cache": cache} if cache else {})}
    return {"services": {"shop": service}, "log": {"access": False}, "http": {"buffer-bytes": "16KiB"}}


def test_a_full_cache_keeps_to_its_limit(start, site, programs):
    """Baseline: the process before any request, and what the same readers add where there is no cache. While slow ones
    hold all of the memory nothing can be kept for the others, and an answer that is passed on costs what it costs there."""
    plain = start(config_of(site))
    fresh = plain.memory_bytes()
    with Peak(plain) as peak:
        assert crowd(programs, plain, min(REQUESTS, 10_000), SLOW)["errors"] == 0
    added = peak.bytes - fresh
    proxy = start(config_of(site, memory="16MiB", variants=1000, **{"warm-start": False}))
    baseline = proxy.memory_bytes() + added
    with Peak(proxy) as peak:
        figures = crowd(programs, proxy, REQUESTS, SLOW)
    metrics = proxy.metrics()
    # Where slow readers hold all of the memory, an answer that several read passes through a window: who is behind may
    # be cut off. That is counted, and nobody else is.
    assert figures["errors"] <= proxy.metric("pando_cache_left_behind_total") <= REQUESTS / 1000, figures
    store = {name: metrics[f'pando_cache_{name}{{service="shop"}}']
             for name in ("used_bytes", "limit_bytes", "evicted_total", "refused_total", "hits_total", "entries")}
    print(f"peak {peak.bytes / MIB:.1f} MiB, limit {LIMIT / MIB:.0f}, baseline {baseline / MIB:.1f}; {figures}; {store}")
    assert store["used_bytes"] <= store["limit_bytes"] == LIMIT
    assert store["evicted_total"] > 100 and store["hits_total"] > 0
    assert peak.bytes <= LIMIT + baseline + SLACK * LIMIT
    # Nobody holds anything any more, and the cache takes what is new.
    until(lambda: proxy.metric("pando_cache_pinned_bytes") == 0, "all to be let go of")
    assert not re.search("hit", proxy.ask("/any/another").get("Cache-Status"))
    assert re.search("hit", proxy.ask("/any/another").get("Cache-Status"))
