# SPDX-License-Identifier: Apache-2.0
"""test_redis_differential.py - random commands of all kinds have the answers that redis-server has.

The short seeded form; PANDO_LONG=1 runs more seeds and more commands. PANDO_KEYS_PROGRAM names a program that is run
as `PROGRAM PORT` in Pando's place: the engines' commands without a front.
"""
import contextlib
import os
import re
import subprocess
import time

import pytest

import pando
import redis_server
from pando import until
from redis_compare import Comparison
from redis_front import serving
from redis_shapes import SHAPES

COMMANDS = 40000 if pando.LONG else 4000
SEEDS = range(pando.SEED, pando.SEED + (8 if pando.LONG else 2))
PROGRAM = os.environ.get("PANDO_KEYS_PROGRAM")

pytestmark = pytest.mark.skipif(redis_server.PROGRAM is None, reason="redis-server is not installed")


@contextlib.contextmanager
def bare_engine():
    """PANDO_KEYS_PROGRAM; its port."""
    port = pando.free_port()
    with subprocess.Popen([PROGRAM, str(port)], stdin=subprocess.DEVNULL) as process:
        try:
            until(lambda: answers(port), f"{PROGRAM} does not answer")
            yield port
            assert process.poll() is None, f"{PROGRAM} ended with {process.returncode}"
        finally:
            process.kill()


def answers(port):
    try:
        with redis_server.Client(port) as client:
            return client.ask(b"PING") == ("+", b"PONG")
    except OSError:
        return False


@pytest.fixture(scope="module")
def redis():
    with redis_server.RedisServer() as server:
        yield server.port


# More rows come with the engines: each is asked the same.
@pytest.fixture(scope="module", params=["memory", "lmdb"])
def store(request):
    """The port of what is compared with Redis."""
    if PROGRAM:
        with bare_engine() as port:
            yield port
    else:
        with serving({"default": {"engine": request.param}}) as proxy:
            yield proxy.redis_port


@pytest.mark.parametrize("seed", SEEDS)
def test_random_commands_are_answered_as_redis_answers_them(redis, store, seed):
    comparison = Comparison(redis, store, seed, transactions=not PROGRAM)
    with contextlib.closing(comparison):
        comparison.run(COMMANDS)
    print(comparison.table())
    assert not comparison.differences, comparison.describe()


@pytest.mark.parametrize("seed", SEEDS[:1])
def test_each_command_option_wrong_type_and_expiry_is_met_so_often(redis, store, seed):
    """Each of everything, counted; in full it takes most of an hour on each engine."""
    least, seconds = (1000, 3 * 3600) if pando.LONG else (1, 600)
    comparison = Comparison(redis, store, seed, transactions=not PROGRAM)
    with contextlib.closing(comparison):
        is_whole = comparison.run_until(least, time.monotonic() + seconds)
    print(comparison.edges_table(least), f"{comparison.count} commands", comparison.table(), sep="\n")
    assert not comparison.differences, comparison.describe()
    assert is_whole and set(comparison.edges) >= set(SHAPES)


def test_every_command_of_the_engines_has_a_shape():
    folder = pando.ROOT / "src" / "path" / "command"
    rows = "".join((folder / name).read_text() for name in ("rows_values.h", "rows_collections.h"))
    names = {name for name, route in re.findall(r'X\(\w+, "([\w.]+)", -?\d+,.*?, -?\d+, -?\d+, -?\d+, (\w+), "', rows)
             if route != "FRONT"}
    assert len(names) > 100
    # `memory` tells sizes, which are not Redis' own: test_redis_node.py
    assert names - {"memory", "pando.range", "pando.get", "pando.put", "pando.del"} == set(SHAPES)
