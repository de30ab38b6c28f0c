# SPDX-License-Identifier: Apache-2.0
"""bench/balance.py - what choosing a server is worth: latency behind eight that wait, two of them four times slower.

Rows: `one` balancer; `two` balancers that share the servers and do not know of one another, while two of the fast
servers have work from elsewhere too. In all rounds everybody gets the same open (Poisson) load through the same
servers, one after the other, in an order that the seed shuffles for each round. Latency counts from the moment a
request was due. All contenders keep connections and none repeats a request.
"""
import contextlib
import json
import random
import statistics
import subprocess
import threading
import time
import urllib.request

from children import Child, Failed, file_name, free_port
from contenders import write
from fleet import PROGRAMS, check_programs, paced, say, start_waiter

SLOTS = 4                   # requests that a server works on at once
FAST_US, SLOW_US = 10_000, 40_000
FAST, SLOW = 6, 2
CAPACITY = SLOTS * (FAST * 1e6 / FAST_US + SLOW * 1e6 / SLOW_US)    # requests a second, all servers together
LOAD = 0.7
IDLE_WITHIN_SECONDS = 30
FIRST_ADDRESS = 11          # of the servers: 127.0.0.11 and on
ELSEWHERE = (0, 1)          # fast servers that have other work, in the row `two`
ELSEWHERE_LOAD = 0.6        # of such a server's capacity
QUANTILES = ("p50_us", "p99_us", "p999_us")

# contender: (program, what it is told)
PEERS = {
    "haproxy leastconn": ("haproxy", ("balance leastconn", "")),
    "haproxy random(2)": ("haproxy", ("balance random(2)", "")),
    "nginx least_conn": ("nginx", "least_conn;"),
    "nginx random two": ("nginx", "random two least_conn;"),
}

# row, contender, against (a name, or "best peer"), most; of the 99th percentiles
BARS = [
    ("one", "pando least-connections", "best peer", 1.05),
    ("one", "pando resource", "best peer", 1.05),
    ("one", "pando two-choices", "haproxy random(2)", 1.05),
    ("two", "pando resource", "best peer", 1.0),
]


def own_strategies(program):
    """What `balance:` may say, from the program's own schema."""
    schema = json.loads(subprocess.run([program, "config", "schema"], check=True, capture_output=True,
                                       text=True).stdout)

    def words(node):
        if isinstance(node, dict):
            if "balance" in node and isinstance(node["balance"], dict) and "enum" in node["balance"]:
                yield node["balance"]["enum"]
            node = list(node.values())
        if isinstance(node, list):
            for one in node:
                yield from words(one)
    return next(words(schema), [])


def told(place, strategy):
    return {"balance": strategy, **({"resource": {"probe-port": place.servers_port}} if strategy == "resource" else {})}


def start_servers(place):
    """(children, "address:port" of each): one port, as all are probed at the same, so each has an address of its own."""
    children, servers = [], []
    place.servers_port = free_port()
    try:
        for number in range(FAST + SLOW):
            address = f"127.0.0.{FIRST_ADDRESS + number}"
            mean_us = FAST_US if number < FAST else SLOW_US
            children.append(start_waiter(place, f"server {number}", place.servers_port, SLOTS, mean_us, number + 1, address))
            servers.append(f"{address}:{place.servers_port}")
    except BaseException:
        for child in children:
            child.end()
        raise
    return children, servers


def wait_until_idle(servers):
    """What one contender left in the servers' queues is not to meet the next one's requests."""
    until = time.monotonic() + IDLE_WITHIN_SECONDS
    for server in servers:
        while time.monotonic() < until:
            with urllib.request.urlopen(f"http://{server}/probe", timeout=5) as answer:
                if json.load(answer)["rif"] == 0:
                    break
            time.sleep(0.05)
        else:
            raise Failed(f"{server} still works {IDLE_WITHIN_SECONDS} s after the last request")


class Elsewhere(threading.Thread):
    """Work that some servers have from others than the balancers, while one measurement lasts."""

    def __init__(self, place, servers, seconds, seed):
        super().__init__()
        rate = len(ELSEWHERE) * ELSEWHERE_LOAD * SLOTS * 1e6 / FAST_US
        self.work = (place, [servers[number] for number in ELSEWHERE], rate, seconds, seed)

    def run(self):
        with contextlib.suppress(Failed):
            paced(*self.work)


class Balancers:
    """One contender: so many processes of it, each with its port."""

    def __init__(self, place, name, program, more, servers, count):
        self.name, self.children, self.ports = name, [], []
        for number in range(count):
            port = free_port()
            file = file_name(f"{name} {number}").replace("(", "-").replace(")", "")
            command = PROGRAMS[program](place, file, servers, port, more)
            child = Child(file, command, place.folder, place.proxy_cores)
            self.children.append(child)
            self.ports.append(port)
            child.wait_until_answers(port, "/small")

    def end(self):
        for child in self.children:
            child.end()


def row(place, arguments, name, count, contenders, servers):
    """{contender: [figures of each round]}"""
    elsewhere = ELSEWHERE_LOAD * SLOTS * 1e6 / FAST_US * len(ELSEWHERE) if count > 1 else 0
    rate = LOAD * CAPACITY - elsewhere
    say(f"{name}: {count} balancing, {rate:.0f} requests a second"
        + (f", {elsewhere:.0f} from elsewhere to {len(ELSEWHERE)} servers" if elsewhere else ""))
    figures = {}
    for number in range(arguments.rounds):
        order = random.Random(f"{arguments.seed} {name} {number}")
        for contender in order.sample(contenders, len(contenders)):
            balancers = Balancers(place, *contender, servers, count)
            try:
                other = Elsewhere(place, servers, arguments.seconds + 2, number + 1) if elsewhere else None
                if other is not None:
                    other.start()
                    time.sleep(0.5)
                figures.setdefault(contender[0], []).append(
                    paced(place, balancers.ports, rate, arguments.seconds, number + 1))
                if other is not None:
                    other.join()
            finally:
                balancers.end()
            wait_until_idle(servers)
        say(f"  {name}: round {number + 1} of {arguments.rounds}")
    return figures


def medians(rounds):
    return {quantile: statistics.median(one[quantile] for one in rounds) for quantile in QUANTILES}


def table(name, figures):
    lines = [f"{name}: milliseconds, medians of the rounds",
             "  " + "".ljust(26) + "".join(head.rjust(10) for head in ("p50", "p99", "p99.9", "errors"))]
    for contender, rounds in figures.items():
        found = medians(rounds)
        errors = sum(one["errors"] + one["unanswered"] for one in rounds)
        lines.append("  " + contender.ljust(26) + "".join(f"{found[q] / 1e3:10.1f}" for q in QUANTILES)
                     + f"{errors:10d}")
    return lines


def judge(figures):
    """Lines, and whether all bars that could be judged are met."""
    lines, well = [], True
    for name, contender, other, most in BARS:
        of_row = figures.get(name, {})
        if contender not in of_row:
            continue
        peers = {one: medians(of_row[one])["p99_us"] for one in PEERS if one in of_row}
        if other == "best peer":
            other = min(peers, key=peers.get, default=None)
        if other not in peers:
            continue
        value = medians(of_row[contender])["p99_us"] / peers[other]
        well = well and value <= most
        lines.append(f"  {'met   ' if value <= most else 'MISSED'}  {name:<4} p99 {contender} / {other}: "
                     f"{value:.2f}, at most {most:.2f}")
    return lines, well


def run(arguments, place):
    check_programs(place)
    contenders = [(name, program, more) for name, (program, more) in PEERS.items() if program in place.programs]
    children, servers = start_servers(place)
    if "pando" in place.programs:
        contenders += [(f"pando {strategy}", "pando", told(place, strategy))
                       for strategy in own_strategies(place.programs["pando"])]
    figures = {}
    try:
        for name, count in (("one", 1), ("two", 2)):
            figures[name] = row(place, arguments, name, count, contenders, servers)
            figures[name] = {one[0]: figures[name][one[0]] for one in contenders}
            print("\n".join(table(name, figures[name])) + "\n", flush=True)
    finally:
        for child in children:
            child.end()
    lines, well = judge(figures)
    print("\n".join(["bars:", *lines]), flush=True)
    if arguments.json:
        write(arguments.json, json.dumps({"rounds": arguments.rounds, "seconds": arguments.seconds,
                                          "seed": arguments.seed, "rows": figures}, indent=1))
    return 0 if well else 1
