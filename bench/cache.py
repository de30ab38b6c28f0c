# SPDX-License-Identifier: Apache-2.0
"""bench/cache.py - what a hit costs: Pando's cache beside nginx's, HAProxy's and Varnish, and beside the bare floor
that answers the same bytes from memory. One worker on one core each, alternately in one run.

Rows `hit-*`: one object, 64 kept connections, saturated. Rows `workers-*`: two workers of Pando beside one, at the
same rate (half of what the slower does), all on one core, as in the row `workers` of `bench http`.

Everything is fetched once before it counts, and the server behind counts its requests: whoever lets one through
while it is measured was not measured on hits, and has no figure but a failure.
"""
import json
import os
import random
import shutil
import tempfile
import time
import urllib.error
import urllib.request

from children import Child, Failed, file_name, free_port
from contenders import IDLE_SECONDS, nginx_head, write
from meter import measured, pace, wrk
from report import UNSTEADY, aligned, caveats, lines_of_bars, machine, median, ratio, say, shown, spread

KEYS = 1000
HALF = 0.5
WARM_SECONDS = 1
STORED_WITHIN = 50              # requests after which an object must come from the cache
LASTING = "public, max-age=86400"
# Room for what is asked for and far more; Pando takes no object over a tenth of one of its shards.
MEMORY_MIB, PANDO_MEMORY_MIB = 256, 1024
SMALL, MEDIUM, LARGE = 100, 16 << 10, 1 << 20

# What Varnish writes of a hit into its log in memory, which is always there; with these masked nothing is left of it.
VARNISH_LOG = ("Begin End Hit ReqStart ReqMethod ReqURL ReqProtocol ReqHeader ReqUnset ReqAcct RespProtocol RespStatus "
               "RespReason RespHeader RespUnset Timestamp VCL_call VCL_return VCL_use Filters Length").split()

PANDOS = ("pando-io_uring", "pando-epoll")
FLOORS = ("floor-io_uring", "floor-epoll")
PEERS = ("nginx", "haproxy", "varnish")


class Row:
    """One kind of load: a path, its bytes, and how many keys it stands for (PATH0000 and on; 0: itself)."""

    def __init__(self, title, path, size, keys=0, workers=False):
        self.title, self.path, self.size, self.keys, self.workers = title, path, size, keys, workers

    @property
    def first(self):
        return f"{self.path}0000" if self.keys else self.path


ROWS = {
    "hit-100": Row("one object of 100 bytes, 64 kept connections, saturated", "/100", SMALL),
    "hit-16k": Row("one object of 16 KiB, 64 kept connections, saturated", "/16k", MEDIUM),
    "hit-1m": Row("one object of 1 MiB, 64 kept connections, saturated", "/1m", LARGE),
    "workers-keys": Row(f"two workers beside one, {KEYS} keys of 100 bytes at the same rate, all on one core",
                        "/key", SMALL, keys=KEYS, workers=True),
    "workers-hot": Row("the same on one hot key", "/100", SMALL, workers=True),
}

# row, contender, against, most; of the CPU time per hit
BARS = [
    *[("hit-100", one, other, most) for one in PANDOS
      for other, most in (("nginx", 0.5), ("haproxy", 0.8), ("varnish", 0.33), ("floor", 1.25))],
    *[("workers-keys", f"{one} x2", f"{one} x1", 1.10) for one in PANDOS],
    *[("workers-hot", f"{one} x2", f"{one} x1", 1.50) for one in PANDOS],
]


# ---- the server behind all ----

class Origin(Child):
    """nginx: everything is good for a day, and /count says how many requests there were."""

    def __init__(self, place):
        www = f"{place.folder}/lasting"
        os.makedirs(www)
        for name, size in (("16k", MEDIUM), ("1m", LARGE)):
            write(f"{www}/{name}", "x" * size)
        self.port = free_port()
        config = write(f"{place.folder}/lasting.conf", nginx_head(place, "lasting", 1) + f"""
    access_log off;
    sendfile on;
    server {{
        listen 127.0.0.1:{self.port} backlog=4096;
        root {www};
        default_type text/plain;
        add_header Cache-Control "{LASTING}";
        location = /100 {{ return 200 "{'x' * SMALL}"; }}
        location /key {{ return 200 "{'x' * SMALL}"; }}
        location = /count {{ stub_status; }}
    }}
}}
""")
        super().__init__("lasting", [place.programs["nginx"], "-e", "stderr", "-c", config], place.folder,
                         place.load_cores)
        self.asked = 0
        self.wait_until_answers(self.port, "/100")

    def count(self):
        """How many requests came from others than us."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/count", timeout=5) as answer:
            total = int(answer.read().split(b"\n")[2].split()[2])
        self.asked += 1
        return total - self.asked


# ---- the contenders: (place, name, port, workers, size) -> their command; all files in folders of the run ----

def pando(io):
    def command(place, name, port, workers, _size):
        config = write(f"{place.folder}/{name}.yaml", f"""listeners:
  web: {{http: "127.0.0.1:{port}"}}
  admin: {{admin: "127.0.0.1:{free_port()}"}}
control: {place.folder}/{name}.sock
data: {place.folder}/{name}.data
workers: {workers}
io: {io}
log: {{access: false}}
http: {{idle-timeout: {IDLE_SECONDS}s, forwarded: false}}
upstream: {{idle-timeout: {IDLE_SECONDS}s}}
shutdown: {{drain-for: 1s}}
services:
  bench:
    match: {{path: /}}
    targets: ["127.0.0.1:{place.origin_port}"]
    cache: {{memory: {PANDO_MEMORY_MIB}MiB, warm-start: false}}
""")
        return [place.programs["pando"], "run", config]
    return command


def nginx(place, name, port, workers, _size):
    """Its files lie in memory and stay open: a hit is one open_file_cache entry and one sendfile."""
    config = write(f"{place.folder}/{name}.conf", nginx_head(place, name, workers) + f"""
    access_log off;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=10000 inactive=1d;
    open_file_cache_valid 1d;
    open_file_cache_min_uses 1;
    proxy_cache_path {place.ram}/{name} levels=1:2 keys_zone=bench:64m max_size={MEMORY_MIB}m inactive=1d use_temp_path=off;
    upstream bench {{
        server 127.0.0.1:{place.origin_port};
        keepalive 128;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096{" reuseport" if workers > 1 else ""};
        location / {{
            proxy_pass http://bench;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_cache bench;
            proxy_cache_lock on;
        }}
    }}
}}
""")
    return [place.programs["nginx"], "-e", "stderr", "-c", config]


def haproxy(place, name, port, workers, _size):
    """Its cache lives 60 seconds unless told otherwise, and takes objects of up to half of its size."""
    config = write(f"{place.folder}/{name}.conf", f"""global
    nbthread {workers}
    maxconn 4000
defaults
    mode http
    option http-keep-alive
    http-reuse always
    timeout connect 5s
    timeout client {IDLE_SECONDS}s
    timeout server {IDLE_SECONDS}s
    timeout http-keep-alive {IDLE_SECONDS}s
    timeout http-request {IDLE_SECONDS}s
cache bench
    total-max-size {MEMORY_MIB}
    max-object-size {4 * LARGE}
    max-age 86400
frontend web
    bind 127.0.0.1:{port} backlog 4096
    http-request cache-use bench
    http-response cache-store bench
    default_backend bench
backend bench
    server origin 127.0.0.1:{place.origin_port}
""")
    return [place.programs["haproxy"], "-db", "-f", config]


def varnish(place, name, port, _workers, _size):
    """One pool of threads, more than there are connections, so that none is made or waits while it is measured."""
    config = write(f"{place.folder}/{name}.vcl", f"""vcl 4.1;
backend origin {{ .host = "127.0.0.1"; .port = "{place.origin_port}"; }}
sub vcl_recv {{ return (hash); }}
sub vcl_deliver {{ return (deliver); }}
""")
    settings = {"thread_pools": 1, "thread_pool_min": 100, "thread_pool_max": 200, "thread_pool_timeout": 600,
                "timeout_idle": IDLE_SECONDS, "http_gzip_support": "off", "listen_depth": 4096,
                "vsl_mask": ",".join(f"-{tag}" for tag in VARNISH_LOG)}
    return [place.programs["varnishd"], "-F", "-j", "none", "-n", f"{place.ram}/{name}", "-a", f"127.0.0.1:{port}",
            "-f", config, "-s", f"malloc,{MEMORY_MIB}m",
            *(word for key, value in settings.items() for word in ("-p", f"{key}={value}"))]


def floor(io):
    def command(place, _name, port, workers, size):
        return [place.programs["floor"], "--io", io, "--listen", str(port), "--answer", "--body", str(size),
                "--workers", str(workers)]
    return command


# name: (program that must be there, its command)
CACHES = {
    "pando-io_uring": ("pando", pando("io_uring")),
    "pando-epoll": ("pando", pando("epoll")),
    "nginx": ("nginx", nginx),
    "haproxy": ("haproxy", haproxy),
    "varnish": ("varnishd", varnish),
    "floor-io_uring": ("floor", floor("io_uring")),
    "floor-epoll": ("floor", floor("epoll")),
}


class Contender(Child):
    """A started contender that answers on .port."""

    def __init__(self, place, name, row, workers=1, cores=None, label=None):
        label = label or name
        self.port = free_port()
        command = CACHES[name][1](place, file_name(label), self.port, workers, row.size)
        super().__init__(label, command, place.folder, cores or place.proxy_cores)
        try:
            # Not the row's own object: this leaves after the first bytes, and HAProxy then never keeps a large one.
            self.wait_until_answers(self.port, "/100")
        except BaseException:
            self.end()
            raise

    def fetch(self, path):
        """The body of @path."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.read()
        except (OSError, urllib.error.URLError) as error:
            raise Failed(f"{self.name} did not answer {path}: {error}") from None


# ---- the run ----

class Bench:
    """One run: its place, its choices, and all figures so far."""

    def __init__(self, arguments, place, origin, names):
        self.seconds, self.rounds, self.seed = arguments.seconds, arguments.rounds, arguments.seed
        self.place, self.origin, self.names = place, origin, names
        self.figures = {}        # row: contender: [figures of each round]
        self.failures = []

    def failed(self, where, failure):
        self.failures.append(f"{where}: {failure}")
        say(f"  FAILED {where}: {failure}")

    def start(self, row_name, name, **more):
        """A contender whose objects are in its cache, or None if that failed, which is remembered."""
        row, contender = ROWS[row_name], None
        try:
            contender = Contender(self.place, name, row, **more)
            self.fill(contender, row)
            return contender
        except Failed as failure:
            self.failed(f"{row_name}, {more.get('label') or name}", failure)
            if contender is not None:
                contender.end()
            return None

    def fill(self, contender, row):
        """Everything is fetched, until nothing of it asks the server; and it is what the server gave."""
        if row.keys:
            self.all_keys(contender, row)
        for _ in range(STORED_WITHIN):
            before = self.origin.count()
            body = contender.fetch(row.first)
            if body != b"x" * row.size:
                raise Failed(f"{contender.name} answered {row.first} with {len(body)} other bytes than {row.size}")
            if row.keys:
                self.all_keys(contender, row)
            passed = self.origin.count() - before
            if passed == 0:
                return
            time.sleep(0.02)
        raise Failed(f"{contender.name} keeps nothing of {row.path}: after {STORED_WITHIN} rounds {passed} requests "
                     "still went to the server")

    def all_keys(self, contender, row):
        pace(self.place, contender.port, row.path, requests=row.keys, paths=row.keys, connections=8)

    def load(self, contender, row, cores=None, rate=None, number=0):
        """One measurement, which is none if anything went through to the server."""
        def paced():
            return pace(self.place, contender.port, row.path, cores=cores, seconds=self.seconds, rate=rate,
                        seed=number + 1, **({"paths": row.keys} if row.keys else {}))

        def saturated():
            return wrk(self.place, contender.port, row.path, self.seconds)
        before = self.origin.count()
        figures = measured(contender, paced if rate else saturated)
        passed = self.origin.count() - before
        if passed != 0:
            raise Failed(f"{passed} of {figures['answered']} requests went to the server: these are no hits")
        if figures["bytes"] < figures["answered"] * row.size:
            raise Failed(f"{figures['answered']} answers had {figures['bytes']} bytes, not {row.size} each")
        return figures

    def one(self, row_name, contender, load, number):
        try:
            figures = load(contender, number)
        except Failed as failure:
            self.failed(f"{row_name}, {contender.name}", failure)
            return
        figures["round"] = number
        self.figures.setdefault(row_name, {}).setdefault(contender.name, []).append(figures)

    def rounds_of(self, row_name, contenders, load):
        """All contenders in every round, each round in another order. An unsteady row gets as many rounds again."""
        most, number = self.rounds, 0
        while number < most:
            order = random.Random(f"{self.seed} {row_name} {number}")
            for contender in order.sample(contenders, len(contenders)):
                self.one(row_name, contender, load, number)
            number += 1
            say(f"  {row_name}: round {number} of {most}")
            if number == most == self.rounds and self.is_unsteady(row_name):
                most = 2 * self.rounds

    def is_unsteady(self, row_name):
        """Do the rounds of a contender that a bar names differ too much to be believed?"""
        named = {one for bar in BARS if bar[0] == row_name for one in (bar[1], against(bar[1], bar[2]))}
        return any(spread(rounds, "cpu_us") > UNSTEADY
                   for one, rounds in self.figures.get(row_name, {}).items() if one in named)

    def row(self, name):
        row, contenders = ROWS[name], []
        say(f"{name}: {row.title}")
        if row.workers:
            self.row_workers(name)
            return
        try:
            for one in self.names:
                contender = self.start(name, one)
                if contender is not None:
                    contenders.append(contender)
            for contender in contenders:
                wrk(self.place, contender.port, row.path, WARM_SECONDS)
            self.rounds_of(name, contenders, lambda contender, _number: self.load(contender, row))
        finally:
            for contender in contenders:
                contender.end()

    def row_workers(self, name):
        """One worker and two at the same rate, with the client on the same core."""
        cores = sorted(self.place.proxy_cores)
        for one in self.names:
            if one in PANDOS + FLOORS:
                self.one_beside_two(name, one, cores)

    def one_beside_two(self, row_name, name, cores):
        row, contenders = ROWS[row_name], []
        try:
            for count in (1, 2):
                contender = self.start(row_name, name, workers=count, cores=cores, label=f"{name} x{count}")
                if contender is None:
                    return
                contenders.append(contender)
            paths = {"paths": row.keys} if row.keys else {}
            rates = []
            for contender in contenders:
                figures = pace(self.place, contender.port, row.path, cores=cores, seconds=WARM_SECONDS, **paths)
                rates.append(figures["answered"] / figures["seconds"])
            rate = max(1, round(min(rates) * HALF))
            say(f"  {name} at {rate} requests a second")
            self.rounds_of(row_name, contenders,
                           lambda contender, number: self.load(contender, row, cores, rate, number))
        finally:
            for contender in contenders:
                contender.end()


# ---- the report ----

def against(name, kind):
    """The contender that the column @kind compares @name with."""
    if kind == "x1":
        return f"{name.split()[0]} x1"
    if kind == "floor":
        return "floor-epoll" if name.endswith("epoll") else "floor-io_uring"
    return kind


def table_of(name, rounds_by_contender):
    """The lines of a row's table, and the same as data."""
    medians = {one: median(rounds, "cpu_us") for one, rounds in rounds_by_contender.items()}
    compared = ["x1"] if ROWS[name].workers else [*PEERS, "floor"]
    order = [*CACHES, *(f"{one} x{count}" for one in CACHES for count in (1, 2))]
    rounds_by_contender = {one: rounds_by_contender[one] for one in order if one in rounds_by_contender}
    cells = [["", "CPU us/hit", "lowest..highest", "hits/s", "p50 ms", "p99 ms", "cores busy", "errors",
              *(f"/{kind}" for kind in compared)]]
    data = {}
    for one, rounds in rounds_by_contender.items():
        values = [figures["cpu_us"] for figures in rounds]
        ratios = {kind: ratio(medians[one], medians.get(against(one, kind))) for kind in compared}
        data[one] = {"median": medians[one], "rounds": rounds, "ratios": ratios}
        cells.append([one, f"{medians[one]:.2f}", f"{min(values):.2f}..{max(values):.2f}",
                      f"{median(rounds, 'per_second'):.0f}", f"{median(rounds, 'p50_us') / 1e3:.2f}",
                      f"{median(rounds, 'p99_us') / 1e3:.2f}", f"{median(rounds, 'busy'):.2f}",
                      str(sum(figures["errors"] for figures in rounds)), *map(shown, ratios.values())])
    return [f"{name}: {ROWS[name].title}", *aligned(cells), *caveats(rounds_by_contender)], data


def judge(bench):
    """The bars of the rows that were run, as bench/run has them. A bar that lacks one of its two is not judged: the
    failure says why."""
    found = []
    for row, contender, kind, most in BARS:
        of_row = bench.figures.get(row, {})
        other = against(contender, kind)
        if contender not in of_row or other not in of_row:
            continue
        value = ratio(median(of_row[contender], "cpu_us"), median(of_row[other], "cpu_us"))
        errors = sum(figures["errors"] for figures in of_row[contender])
        found.append({"row": row, "contender": contender, "metric": "cpu_us", "against": other, "most": most,
                      "value": value, "errors": errors, "met": value <= most and errors == 0,
                      "spread": max(spread(of_row[one], "cpu_us") for one in (contender, other))})
    return found


# ---- the beginning and the end ----

def those_there(arguments, place):
    """The contenders whose program is there and that are wanted."""
    names = []
    for name, (program, _) in CACHES.items():
        if name in arguments.without:
            continue
        if program in place.programs:
            names.append(name)
        else:
            say(f"{name} is left out: {program} is missing")
    return names


def memory_folder(place):
    """A folder in memory, for those who keep files; of the run's if there is none."""
    if os.access("/dev/shm", os.W_OK):
        return tempfile.mkdtemp(prefix="pando-bench-", dir="/dev/shm")
    say("there is no /dev/shm: nginx keeps its cache on a disk")
    return tempfile.mkdtemp(prefix="ram-", dir=place.folder)


def run(arguments, place):
    begin = {"machine": machine(), "layout": {"proxy": sorted(place.proxy_cores), "load": sorted(place.load_cores)}}
    place.ram = memory_folder(place)
    origin = Origin(place)
    place.origin_port = origin.port
    bench = Bench(arguments, place, origin, those_there(arguments, place))
    try:
        for name in arguments.only or ROWS:
            bench.row(name)
            lines = table_of(name, bench.figures[name])[0] if name in bench.figures else [f"{name}: nothing was measured"]
            print("\n".join(lines) + "\n", flush=True)
    finally:
        origin.end()
        shutil.rmtree(place.ram, ignore_errors=True)
    bars = judge(bench)
    print("\n".join(lines_of_bars(bars)) if bars else "bars: none could be judged", flush=True)
    for failure in bench.failures:
        print(f"failed: {failure}")
    if arguments.json:
        write(arguments.json, json.dumps({
            **begin, "rounds": arguments.rounds, "seconds": arguments.seconds, "seed": arguments.seed,
            "rows": {name: table_of(name, figures)[1] for name, figures in bench.figures.items()},
            "bars": bars, "failures": bench.failures}, indent=1))
    if bench.failures or any(not bar["met"] for bar in bars):
        return 1
    return 0 if bars or "pando" in place.programs else 3
