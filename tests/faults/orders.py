# SPDX-License-Identifier: Apache-2.0
"""orders.py - clients that order something with each POST, and what servers say that they carried out of it.

    with Orders(proxy.port, rate=100, seconds=4) as orders:
        ...                                       # a server falls ill
    orders.compare(servers)
    assert orders.repeated == {}
"""
import collections
import pathlib
import subprocess

from origins import NODE

HERE = pathlib.Path(__file__).parent


class Orders:
    """Each order has an id of its own and is sent by its client once (orders.js). Servers write down every id that
    reached them before they answer (server.js), and what is written survives kill -9."""

    def __init__(self, port, rate, seconds):
        self.words = [NODE, str(HERE / "orders.js"), str(port), str(rate), str(seconds)]
        self.statuses = {}    # by id, as orders.js names them
        self.repeated = {}    # by id: the servers that it reached, if more than once
        self.wrong = []       # sentences about anything else that must not be

    def __enter__(self):
        self.client = subprocess.Popen(self.words, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        if self.statuses == {}:
            self.client.kill()
            self.client.communicate()

    def finish(self):
        """Waits for the last answer."""
        out, _ = self.client.communicate(timeout=60)
        assert self.client.returncode == 0
        self.statuses = dict(line.split() for line in out.splitlines())
        return self

    def compare(self, servers):
        """What clients were told against what the servers wrote down. Servers must have read all that reached them."""
        seen, done = collections.defaultdict(list), collections.Counter()
        for server in servers:
            for line in server.record.read_text().splitlines():
                what, order = line.split()
                if what == "seen":
                    seen[order].append(server.name)
                elif what == "done":
                    done[order] += 1
                else:
                    self.wrong.append(f"{server.name} got another body with {order}")
        self.repeated = {order: names for order, names in seen.items() if len(names) > 1}
        for order, status in self.statuses.items():
            if status in ("broken", "none"):
                self.wrong.append(f"{order} was not answered: {status}")
            if status == "200" and done[order] == 0:
                self.wrong.append(f"{order} was answered with 200, but nobody carried it out")
        self.wrong += [f"{order} was never sent" for order in seen if order not in self.statuses]
        return self

    @property
    def failed_count(self):
        return sum(status != "200" for status in self.statuses.values())

    def shown(self):
        """How many ended how, most frequent first: "1990 x 200, 10 x 502"."""
        counts = collections.Counter(self.statuses.values())
        return ", ".join(f"{count} x {status}" for status, count in counts.most_common())
