# SPDX-License-Identifier: Apache-2.0
"""integration/conftest.py - fixtures that all parts share.

io      the back end of the loop; every test that uses it runs on epoll and on io_uring
start   start(config, **more): a Pando for this test alone, stopped and examined at its end
origin  a scriptable origin for this test alone
draw    random.Random, seeded with PANDO_SEED and the test's name

A module that can share a Pando makes a fixture of scope "module" with pando.running(config, io).
"""
import contextlib
import pathlib
import random
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import origins  # noqa: E402
import pando  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "long: only with PANDO_LONG=1")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("long") and not pando.LONG:
            item.add_marker(pytest.mark.skip(reason="only with PANDO_LONG=1"))


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
