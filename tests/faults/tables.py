# SPDX-License-Identifier: Apache-2.0
"""tables.py - the figures of all runs as tables: on the terminal, and in a page where PANDO_TABLE names one.

A page has a table between `<!-- table NAME -->` and `<!-- end -->`; rows that were measured replace theirs there, the others stay.
"""
import datetime
import os
import pathlib
import platform
import re

import run
from ill import FAULTS

IO = ["epoll", "io_uring"]
BY_IO = "epoll / io_uring"


class Table:
    """Rows by fault and strategy; each cell is text and was measured on one back end, so that a row has two of each."""

    def __init__(self, name, columns):
        self.name, self.columns, self.cells = name, columns, {}

    def add(self, fault, strategy, io, *cells):
        assert len(cells) == len(self.columns)
        self.cells[fault, strategy, io] = [str(cell) for cell in cells]

    def keys(self):
        """Fault and strategy of each row, in the order in which the tests have them."""
        faults, strategies = list(FAULTS), run.STRATEGIES
        return sorted({key[:2] for key in self.cells},
                      key=lambda key: (faults.index(key[0]), strategies.index(key[1])))

    def rows(self):
        for fault, strategy in self.keys():
            both = [self.cells.get((fault, strategy, io), ["?"] * len(self.columns)) for io in IO]
            yield [fault, strategy, *(" / ".join(pair) for pair in zip(*both))]

    def lines(self):
        """For a terminal."""
        rows = [["fault", "strategy", *self.columns], *self.rows()]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        yield f"{self.name}, {BY_IO}:"
        for row in rows:
            yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()

    def read(self, text):
        """Takes the rows of a page, where nothing was measured."""
        for line in text.splitlines():
            words = [word.strip() for word in line.strip("| ").split("|")]
            if len(words) != 2 + len(self.columns) or words[0] not in FAULTS or words[1] not in run.STRATEGIES:
                continue
            for i, io in enumerate(IO):
                self.cells.setdefault((words[0], words[1], io), [word.split(" / ")[i] for word in words[2:]])

    def markdown(self):
        yield f"| fault | strategy | {' | '.join(self.columns)} |"
        yield "|---|---|" + "---|" * len(self.columns)
        for row in self.rows():
            yield f"| {' | '.join(row)} |"


GETS = Table("GETs", ["requests", "failed", "slowest, ms", "until out, ms", "until back, ms"])
POSTS = Table("POSTs", ["POSTs", "reached two", "failed", "failed %", "answers", "GETs", "GETs failed"])


def write(path):
    """Puts the tables into the page, and when and where they were measured."""
    page = pathlib.Path(path)
    text = page.read_text()
    for table in (GETS, POSTS):
        if not table.cells:
            continue
        span = re.compile(f"(<!-- table {table.name} -->\n)(.*?)(<!-- end -->)", re.DOTALL)
        found = span.search(text)
        assert found, f"{path} has no place for the table {table.name}"
        table.read(found[2])
        said = (f"Last measured {datetime.date.today()} on Linux {'.'.join(platform.release().split('.')[:2])}, {os.cpu_count()} cores, shared: "
                f"{run.RATE:,} requests a second; each cell is {BY_IO}.")
        body = "\n".join([said, "", *table.markdown(), ""])
        text = text[:found.start(2)] + body + text[found.start(3):]
    page.write_text(text)
