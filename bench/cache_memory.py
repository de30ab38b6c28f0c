# SPDX-License-Identifier: Apache-2.0
"""bench/cache_memory.py - does a full cache keep the process within its limit?

One Pando with two workers and a cache, before a server of which every answer may be kept; sizes.h says how large
they are. `crowd` asks with 64 fast connections, by Zipf's law and for URLs of 1,000 variants each, while 1,000 slow
readers hold on to what is evicted under them. The memory of the server process (RssAnon) is read all along.

    bar: peak <= limit + baseline + 5 % of the limit

The baseline is that process before any request, and what as many connections with answers under way add to one
that has no cache, which is measured first in the same way. What that one takes for slow readers is large (each holds
what its buffers hold) and flatters the bar; so the table also has the peak beside a baseline in which these
connections are idle after one answer.
"""
import json
import os
import re
import threading
import time
import urllib.request

import idle
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


def plain(place, site, io, seed, slow):
    """What connections add to a process without a cache: (bytes, the crowd's figures)."""
    proxy = Proxy(place, "plain-busy" if slow else "plain-idle", site, io, 0)
    try:
        idlers = [] if slow else [idle.open_one(proxy.port) for _ in range(SLOW)]
        figures = crowd(place, proxy.port, requests=PLAIN_REQUESTS, fast=FAST, slow=slow, seed=seed)
        for sock in idlers:
            sock.close()
    finally:
        proxy.end()
    return proxy.peak - proxy.fresh, figures


def measure(place, io, arguments):
    site = Site(place)
    try:
        idle_bytes, _ = plain(place, site, io, arguments.seed, 0)
        say(f"  {io}: {FAST} busy and {SLOW} idle connections without a cache add {idle_bytes / MIB:.1f} MiB")
        busy_bytes, _ = plain(place, site, io, arguments.seed, SLOW)
        say(f"  {io}: {FAST} busy and {SLOW} slow connections without a cache add {busy_bytes / MIB:.1f} MiB")
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
    baseline = proxy.fresh + busy_bytes
    limit = LIMIT_MIB * MIB
    return {"crowd": figures, "store": store, "limit": limit, "fresh": proxy.fresh, "idle": idle_bytes,
            "busy": busy_bytes, "baseline": baseline, "peak": proxy.peak,
            "over": (proxy.peak - limit - baseline) / limit,
            "over_idle": (proxy.peak - limit - proxy.fresh - idle_bytes) / limit, "by_second": proxy.by_second}


def table_of(io, found):
    figures, store = found["crowd"], found["store"]
    cells = [["", "MiB"]] + [[title, f"{found[key] / MIB:.1f}"] for title, key in (
        ("limit", "limit"), ("process before any request", "fresh"),
        (f"{FAST} busy and {SLOW} idle connections, no cache", "idle"),
        (f"{FAST} busy and {SLOW} slow connections, no cache", "busy"),
        ("baseline: before any request + busy and slow", "baseline"), ("peak of RssAnon", "peak"))]
    return [f"cache-memory, {io}: {figures['answered']} requests in {figures['seconds']:.0f} s, "
            f"{figures['bytes'] / 2**30:.1f} GiB; slow readers: {figures['slow_answered']} answers, "
            f"{figures['slow_cut']} cut off", *aligned(cells),
            f"  over limit + baseline: {found['over']:+.1%} of the limit (at most {SLACK:.0%}); "
            f"with idle connections in the baseline: {found['over_idle']:+.1%}",
            "  store: " + ", ".join(f"{name} {store.get(name)}" for name in WANTED)]


def run(arguments, place):
    for name in ("pando", "sized", "crowd"):
        if name not in place.programs:
            raise Failed(f"{name} is missing (./dev bench cache-memory builds it)")
    place.cores = os.sched_getaffinity(0)
    rows, well = {}, True
    for io in ("io_uring", "epoll"):
        found = rows[io] = measure(place, io, arguments)
        met = found["over"] <= SLACK and found["crowd"]["errors"] == found["crowd"]["wrong"] == 0
        well = well and met
        print("\n".join([*table_of(io, found), f"  {'met' if met else 'MISSED'}"]), flush=True)
    if arguments.json:
        write(arguments.json, json.dumps({"machine": machine(), "seed": arguments.seed, "rows": rows}, indent=1))
    return 0 if well else 1
