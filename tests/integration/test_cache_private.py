# SPDX-License-Identifier: Apache-2.0
"""integration/test_cache_private.py - in a hundred thousand mixed requests nobody sees what is not for him.

Users with cookies and logins, strangers, parts, conditions, pipelines, pages of every kind, two workers. The server
stamps each answer, and the crowd compares each stamp with its own request: cache_crowd.py. So that this is no test
of an empty cache, a good share must have come from it, and from every kind of page that may be shared.
"""
import collections
import json
import pathlib
import socket
import subprocess
import sys
import time

import pytest

import cache_crowd
import pando
from pando import until

PROGRAM = str(pathlib.Path(__file__).with_name("cache_crowd.py"))
REQUESTS = 1_000_000 if pando.LONG else 20_000 if pando.SANITIZED else 100_000
CROWDS = 2
LASTING = ["public", "s-maxage", "to-caches", "vary-language", "max-age", "expires", "gone", "moved"]


class Server:
    """cache_crowd.py as the server."""

    def __init__(self):
        self.port = pando.free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.process = subprocess.Popen([sys.executable, PROGRAM, "server", str(self.port)], stdin=subprocess.DEVNULL)

    def __enter__(self):
        until(self._answers, "the server is there")
        return self

    def _answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)


def crowds(port, seed, count):
    """What all of them found, added up."""
    processes = [subprocess.Popen([sys.executable, PROGRAM, "clients", str(port), str(seed + number),
                                   str(count // CROWDS)],
                                  stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
                 for number in range(CROWDS)]
    found, by_kind, failures = collections.Counter(), collections.defaultdict(collections.Counter), []
    try:
        for process in processes:
            out, _ = process.communicate(timeout=pando.PATIENCE_S * (60 if pando.LONG else 10))
            assert process.returncode == 0, "a crowd broke"
            told = json.loads(out)
            found.update(told["found"])
            failures += told["failures"]
            for kind, counts in told["by_kind"].items():
                by_kind[kind].update(counts)
    finally:
        for process in processes:
            process.kill()
    return found, by_kind, failures


# Once with room for all, once so small that answers are thrown out all the time.
@pytest.mark.parametrize("memory, count, least", [("64MiB", REQUESTS, 0.20), ("2MiB", REQUESTS // 5, 0.02)],
                         ids=["roomy", "narrow"])
def test_nobody_sees_what_is_not_for_him(start, io, memory, count, least):
    seed = pando.SEED
    if io != "epoll" and not pando.LONG:      # the whole crowd once, since it takes a while
        count //= 5
    with Server() as server:
        proxy = start({"log": {"access": False},
                       "services": {"all": {"targets": [server.address], "cache": {"memory": memory}}}})
        began = time.monotonic()
        found, by_kind, failures = crowds(proxy.port, seed, count)
        took = time.monotonic() - began
    table = "\n".join(f"{kind:20} {dict(counts)}" for kind, counts in sorted(by_kind.items()))
    story = f"PANDO_SEED={seed}, {took:.0f} s, {dict(found)}\n{table}"
    print(story)
    # A list of few, and no diff of it: what is wrong is said once.
    assert not failures, f"{found['failures']} answers were wrong; {story}\n" + "\n".join(failures[:10])
    assert found["answers"] >= count
    assert set(by_kind) == set(cache_crowd.KINDS), "every kind was asked for"
    assert found["hits"] >= least * count, f"too few came from the cache: {story}"
    if memory == "64MiB":
        for kind in LASTING:
            share = by_kind[kind]["hits"] / by_kind[kind]["answers"]
            assert share > 0.3, f"{kind}: {share:.2f} came from the cache; {story}"
