# SPDX-License-Identifier: Apache-2.0
"""conftest.py - the harness of the integration tests, and the tables at the end."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))

import pando     # noqa: E402
import tables    # noqa: E402


@pytest.fixture(params=["epoll", "io_uring"])
def io(request):
    if request.param == "io_uring" and not pando.has_io_uring():
        pytest.skip("this kernel or container has no io_uring")
    return request.param


def pytest_terminal_summary(terminalreporter):
    for table in (tables.GETS, tables.POSTS):
        if table.cells:
            terminalreporter.write_line("")
            for line in table.lines():
                terminalreporter.write_line(line)
    if os.environ.get("PANDO_TABLE"):
        tables.write(os.environ["PANDO_TABLE"])
