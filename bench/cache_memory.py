# SPDX-License-Identifier: Apache-2.0
"""bench/cache_memory.py - does a full cache keep the process within its limit?

One Pando with two workers and a cache, before a server of which every answer may be kept; sizes.h says how large
they are. `crowd` asks with 64 fast connections, by Zipf's law and for URLs of 1,000 variants each, while 1,000 slow
readers hold on to what is evicted under them. The memory of the server process (RssAnon) is read all along.

    bar: peak <= limit + baseline + 5 % of the limit

The baseline is that process before any request, and what connections add to one that has no cache, measured first in
the same way: the fast ones, and 1,000 more with a request under way that its server has not answered. So it has all
that a connection needs but the buffers of bodies. What slow readers take without a cache, and the peak over a baseline
with that, are in the table, too; it is several times more, since each then holds what its buffers hold.
"""
import json
import os
import re
import socket
import threading
import time
import urllib.request

from children import Child, Failed, free_port, run_bounded, tree
from contenders import IDLE_SECONDS, write
from report import aligned, machine, say

MIB = 1 << 20
LIMIT_MIB = 256
REQUESTS = 10_000_000
FAST, SLOW = 64, 1000
PLAIN_REQUESTS = 100_000        # for the baselines
SLACK = 0.05
SAMPLE_S = 0.05
BOUND_S = 4 * 3600
WANTED = ("limit_bytes", "used_bytes", "overhead_bytes", "pinned_bytes", "entries", "inserted_total", "evicted_total",
          "evicted_bytes_total", "rejected_total", "refused_total", "hits_total", "misses_total", "collapsed_total",
          "not_stored_total", "outgrown_total", "left_behind_total")


class Site(Child):
    """bench/sized: the server behind all."""

    def __init__(self, place):
        self.port = free_port()
        super().__init__("sized", [place.programs["sized"], "--port", str(self.port)], place.folder, place.cores)
        self.wait_until_answers(self.port, "/small")


class Proxy(Child):
    """Pando with two workers before @site, with a cache of so many MiB or none; its memory is sampled."""

    def __init__(self, place, name, site, io, limit_mib):
        self.port, self.admin = free_port(), free_port()
        cache = f"cache: {{memory: {limit_mib}MiB, variants: 1000, warm-start: false}}" if limit_mib else ""
        config = write(f"{place.folder}/{name}.yaml", f"""listeners:
  web: {{http: "127.0.0.1:{self.port}"}}
  admin: {{admin: "127.0.0.1:{self.admin}"}}
control: {place.folder}/{name}.sock
data: {place.folder}/{name}.data
workers: 2
io: {io}
log: {{access: false}}
http: {{idle-timeout: {IDLE_SECONDS}s, send-timeout: {IDLE_SECONDS}s}}
upstream: {{idle-timeout: {IDLE_SECONDS}s}}
shutdown: {{drain-for: 1s}}
services:
  shop:
    match: {{path: /}}
    targets: ["127.0.0.1:{site.port}"]
    {cache}
""")
        super().__init__(name, [place.programs["pando"], "run", config], place.folder, place.cores)
        self.wait_until_answers(self.admin, "/readyz")
        self.server = max(tree(self.pid), key=anonymous_bytes)
        self.fresh = self.peak = anonymous_bytes(self.server)
        self.by_second = []
        self.sampling = True
        self.sampler = threading.Thread(target=self.sample, daemon=True)
        self.sampler.start()

    def sample(self):
        begin = time.monotonic()
        while self.sampling:
            now = anonymous_bytes(self.server)
            self.peak = max(self.peak, now)
            if len(self.by_second) <= time.monotonic() - begin:
                self.by_second.append(now)
            time.sleep(SAMPLE_S)

    def figures(self):
        """What /metrics says of the cache: {name without pando_cache_: value}."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        found = re.findall(r"^pando_cache_(\w+)\{[^}]*\} (\S+)", text, re.M)
        return {name: int(float(value)) for name, value in found}

    def end(self):
        self.sampling = False
        self.sampler.join()
        super().end()


def anonymous_bytes(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as status:
            return next((int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon:")), 0)
    except OSError:
        return 0


def crowd(place, port, **options):
    """bench/crowd with --name VALUE for each option."""
    arguments = [place.programs["crowd"], "--port", str(port)]
    for name, value in options.items():
        arguments += [f"--{name}", str(value)]
    code, out, err = run_bounded(arguments, place.cores, BOUND_S)
    try:
        return json.loads(out)
    except ValueError:
        raise Failed(f"crowd ended with {code}: {(out + err)[-500:]}") from None


def waiting(port):
    """So many connections with a request under way."""
    socks = []
    for number in range(SLOW):
        socks.append(socket.create_connection(("127.0.0.1", port), 10))
        socks[-1].sendall(f"GET /wait/{number} HTTP/1.1\r\nHost: shop\r\n\r\n".encode())
    return socks


def plain(place, site, io, seed, slow):
    """What connections add to a process without a cache: (bytes, requests a second)."""
    proxy = Proxy(place, "plain-slow" if slow else "plain", site, io, 0)
    try:
        others = [] if slow else waiting(proxy.port)
        figures = crowd(place, proxy.port, requests=PLAIN_REQUESTS, fast=FAST, slow=slow, seed=seed)
        for sock in others:
            sock.close()
    finally:
        proxy.end()
    return proxy.peak - proxy.fresh, figures["answered"] / figures["seconds"]


def measure(place, io, arguments):
    site = Site(place)
    try:
        active_bytes, rate = plain(place, site, io, arguments.seed, 0)
        slow_bytes, _ = plain(place, site, io, arguments.seed, SLOW)
        say(f"  {io}: without a cache connections add {active_bytes / MIB:.1f} MiB, {slow_bytes / MIB:.1f} MiB with slow "
            f"readers; {rate:.0f} requests a second")
        proxy = Proxy(place, "full", site, io, LIMIT_MIB)
        try:
            figures = crowd(place, proxy.port, requests=arguments.requests, fast=FAST, slow=SLOW,
                            seed=arguments.seed)
            store = proxy.figures()
            if proxy.process.poll() is not None:
                raise Failed(f"Pando ended under load: {proxy.said()}")
        finally:
            proxy.end()
    finally:
        site.end()
    limit, baseline = LIMIT_MIB * MIB, proxy.fresh + active_bytes
    return {"crowd": figures, "store": store, "limit": limit, "fresh": proxy.fresh, "active": active_bytes,
            "slow": slow_bytes, "baseline": baseline, "peak": proxy.peak,
            "over": (proxy.peak - limit - baseline) / limit,
            "over_slow": (proxy.peak - limit - proxy.fresh - slow_bytes) / limit, "by_second": proxy.by_second}


def table_of(io, found):
    figures, store = found["crowd"], found["store"]
    cells = [["", "MiB"]] + [[title, f"{found[key] / MIB:.1f}"] for title, key in (
        ("limit", "limit"), ("process before any request", "fresh"),
        (f"{FAST} fast connections and {SLOW} that wait, no cache", "active"),
        ("baseline: both", "baseline"), ("peak of RssAnon", "peak"),
        (f"beside it: {FAST} fast connections and {SLOW} slow readers, no cache", "slow"))]
    return [f"cache-memory, {io}: {figures['answered']} requests in {figures['seconds']:.0f} s, "
            f"{figures['bytes'] / 2**30:.1f} GiB, {figures['errors']} errors, {figures['wrong']} wrong; slow readers: "
            f"{figures['slow_answered']} answers, {figures['slow_cut']} cut off", *aligned(cells),
            f"  over limit + baseline: {found['over']:+.1%} of the limit (at most {SLACK:.0%}); over that of slow readers: "
            f"{found['over_slow']:+.1%}",
            "  store: " + ", ".join(f"{name} {store.get(name)}" for name in WANTED)]


def run(arguments, place):
    for name in ("pando", "sized", "crowd"):
        if name not in place.programs:
            raise Failed(f"{name} is missing (./dev bench cache-memory builds it)")
    place.cores = os.sched_getaffinity(0)
    rows, well = {}, True
    for io in (io for io in ("io_uring", "epoll") if f"pando-{io}" not in arguments.without):
        found = rows[io] = measure(place, io, arguments)
        met = found["over"] <= SLACK and found["crowd"]["wrong"] == 0 and \
            found["crowd"]["errors"] <= found["store"]["left_behind_total"]
        well = well and met
        print("\n".join([*table_of(io, found), f"  {'met' if met else 'MISSED'}"]), flush=True)
    if arguments.json:
        write(arguments.json, json.dumps({"machine": machine(), "seed": arguments.seed, "rows": rows}, indent=1))
    return 0 if well else 1
