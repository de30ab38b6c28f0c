# SPDX-License-Identifier: Apache-2.0
"""conftest.py - the harness of the integration tests, and the table at the end."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))

import pando           # noqa: E402
import test_faults     # noqa: E402

HEAD = ["fault", "strategy", "I/O", "requests", "failed", "slowest ms", "ms until out", "ms until back"]


@pytest.fixture(params=["epoll", "io_uring"])
def io(request):
    if request.param == "io_uring" and not pando.has_io_uring():
        pytest.skip("this kernel or container has no io_uring")
    return request.param


def pytest_terminal_summary(terminalreporter):
    if not test_faults.TABLE:
        return
    rows = [HEAD, *([str(cell) for cell in row] for row in sorted(test_faults.TABLE, key=lambda row: row[:3]))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    terminalreporter.write_line("")
    for row in rows:
        terminalreporter.write_line("  ".join(
            cell.ljust(width) if i < 3 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))))
