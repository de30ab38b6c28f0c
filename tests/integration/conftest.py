# SPDX-License-Identifier: Apache-2.0
"""integration/conftest.py - fixtures that all parts share.

io      the back end of the loop; a test that uses it runs on epoll and on io_uring, or, where it is about a room above
        the loop, on one of the two (both with PANDO_LONG=1)
start   start(config, **more): a Pando for this test alone, stopped and examined at its end
origin  a scriptable origin for this test alone
draw    random.Random, seeded with PANDO_SEED and the test's name

A module that can share a Pando makes a fixture of scope "module" with pando.running(config, io).
"""
import contextlib
import pathlib
import random
import sys
import zlib

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import origins  # noqa: E402
import pando  # noqa: E402


# Modules about rooms above the loop.
ROOMS = {"agent", "agent_check", "balance", "breaker", "cache", "cache_compress", "cache_disk", "cache_purge",
         "cache_safety", "cache_seen", "concurrency", "deadlines", "hash", "health", "hedging", "keys_http", "location", "names",
         "proximity", "rate", "redis_backup", "redis_cache", "redis_clients", "redis_directory", "redis_explain", "redis_keyspaces",
         "redis_node", "redis_power_cut", "redis_users", "resource", "retries", "sticky"}


def pytest_configure(config):
    config.addinivalue_line("markers", "long: only with PANDO_LONG=1")


def pytest_collection_modifyitems(config, items):
    for item in items:
        if item.get_closest_marker("long") and not pando.LONG:
            item.add_marker(pytest.mark.skip(reason="only with PANDO_LONG=1"))
    if not pando.LONG and pando.has_io_uring():
        others = [item for item in items if is_for_the_other(item)]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in set(others)]


def is_for_the_other(item):
    """Of a test of a room that does not see the loop, one of the two back ends is enough each time; which of them is
    a matter of its name, so that half of a module's tests run on each. PANDO_LONG=1 runs both."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    if "io" not in params or item.path.stem.removeprefix("test_") not in ROOMS:
        return False
    name = item.nodeid.replace(params["io"], "")
    return params["io"] != ("epoll", "io_uring")[zlib.crc32(name.encode()) % 2]


def pytest_report_header():
    return f"pando: {pando.PROGRAM}, seed {pando.SEED}, {'long' if pando.LONG else 'short'}"


@pytest.fixture(scope="session", params=["epoll", "io_uring"])
def io(request):
    if request.param == "io_uring" and not pando.has_io_uring():
        pytest.skip("this machine forbids io_uring")
    return request.param


@pytest.fixture
def start(io):
    with contextlib.ExitStack() as stack:
        yield lambda config, **more: stack.enter_context(pando.running(config, io, **more))


@pytest.fixture
def origin():
    with origins.Origin() as server:
        yield server


@pytest.fixture
def draw(request):
    return random.Random(f"{pando.SEED} {request.node.name}")
