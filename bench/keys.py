# SPDX-License-Identifier: Apache-2.0
"""bench/keys.py - what a GET and a SET cost: Pando's keys beside redis-server, and beside a bare hash table on epoll.
One worker on one core each, alternately in one run; redis-benchmark from the other core.

Rows `get`, `set`: 64 connections, one command at a time; `get-16`, `set-16`: 16 in a pipeline. 100,000 keys that are
all there before it counts, values of 100 bytes. `bytes`: what a key takes, from the memory that they added. Rows
`workers-*`: two workers beside one, client and server on both cores, over all keys and on one. Rows `disk-*`: engine
lmdb beside a redis-server that appends and syncs before it answers; what counts for SET is how many a second.
"""
import json
import os
import random
import socket
import time

from children import Child, Failed, file_name, free_port, run_bounded
from contenders import IDLE_SECONDS, write
from meter import measured, memory_bytes
from report import UNSTEADY, aligned, caveats, lines_of_bars, machine, median, ratio, say, shown, spread

KEYS = 100_000
VALUE_BYTES = 100
CONNECTIONS = 64
WARM_COMMANDS = 20_000
PER_SECOND = {1: 60_000, 16: 500_000}     # what a measurement of a second asks, roughly: redis-benchmark counts commands
SYNCED_PER_SECOND = {1: 2_000, 64: 20_000, 512: 30_000}    # the same of SETs that are synced, by connections
FILL_AT_ONCE = 1000

PANDOS = ("pando-io_uring", "pando-epoll")
PEERS = ("redis", "floor")


class Row:
    """One kind of load: a command, how many in a pipeline, over how many keys; `engine` of the stores."""

    def __init__(self, title, command, pipeline=1, keys=KEYS, **more):
        self.title, self.command, self.pipeline, self.keys = title, command, pipeline, keys
        self.workers = more.get("workers", False)
        self.engine = more.get("engine", "memory")
        self.connections = more.get("connections", CONNECTIONS)

    def commands_a_second(self):
        if self.engine == "lmdb" and self.command == "set":
            return SYNCED_PER_SECOND[self.connections]
        return PER_SECOND[self.pipeline]


ROWS = {
    "get": Row("GET, 64 connections, one at a time", "get"),
    "set": Row("SET, 64 connections, one at a time", "set"),
    "get-16": Row("GET, 64 connections, 16 in a pipeline", "get", 16),
    "set-16": Row("SET, 64 connections, 16 in a pipeline", "set", 16),
    "workers-keys": Row("GET, two workers beside one, all keys, client and server on both cores", "get", workers=True),
    "workers-hot": Row("the same on one hot key", "get", keys=1, workers=True),
    "disk-get": Row("GET of engine lmdb, 64 connections, one at a time", "get", engine="lmdb"),
    "disk-get-16": Row("GET of engine lmdb, 64 connections, 16 in a pipeline", "get", 16, engine="lmdb"),
    **{f"disk-set-{count}": Row(f"SET, synced before it is answered; {count} connections", "set", engine="lmdb",
                                connections=count) for count in SYNCED_PER_SECOND},
}

# row, contender, against, most; of the CPU time per command
BARS = [
    *[(row, one, "redis", 0.90) for row in ("get", "set") for one in PANDOS],
    *[(row, one, "redis", 0.65) for row in ("get-16", "set-16") for one in PANDOS],
    *[(row, "pando-epoll", "floor", 1.3) for row in ("get", "set", "get-16", "set-16")],
    *[("workers-keys", f"{one} x2", f"{one} x1", 1.10) for one in PANDOS],
    *[("workers-hot", f"{one} x2", f"{one} x1", 1.50) for one in PANDOS],
    *[("disk-get", one, "redis", 1.0) for one in PANDOS],
    *[("disk-get-16", one, "redis", 1.1) for one in PANDOS],
]

# row, contender, against, least; of the commands a second
SPEED_BARS = [(f"disk-set-{count}", one, "redis", least)
              for count, least in ((1, 0.85), (64, 1.05), (512, 1.15)) for one in PANDOS]


# ---- the contenders: (place, name, port, workers, engine) -> their command ----

ENGINES = {"memory": "{engine: memory, memory: 1GiB}", "lmdb": "{engine: lmdb, disk: 4GiB, sync: always}"}


def pando(io):
    def command(place, name, port, workers, engine):
        config = write(f"{place.folder}/{name}.yaml", f"""listeners:
  data: {{redis: "127.0.0.1:{port}"}}
control: {place.folder}/{name}.sock
data: {place.folder}/{name}.data
workers: {workers}
io: {io}
redis: {{idle-timeout: {IDLE_SECONDS}s}}
shutdown: {{drain-for: 1s}}
keyspaces:
  default: {ENGINES[engine]}
""")
        return [place.programs["pando"], "run", config]
    return command


def redis(place, name, port, _workers, engine):
    folder = f"{place.folder}/{name}"
    os.makedirs(folder, exist_ok=True)
    appends = ["--appendonly", "yes", "--appendfsync", "always"] if engine == "lmdb" else ["--appendonly", "no"]
    return [place.programs["redis-server"], "--port", str(port), "--bind", "127.0.0.1", "--save", "", *appends,
            "--dir", folder, "--protected-mode", "no"]


def floor(place, _name, port, _workers, _engine):
    return [place.programs["key-floor"], "--listen", str(port), "--keys", str(KEYS)]


STORES = {
    "pando-io_uring": ("pando", pando("io_uring")),
    "pando-epoll": ("pando", pando("epoll")),
    "redis": ("redis-server", redis),
    "floor": ("key-floor", floor),
}


def key(number):
    """As redis-benchmark writes it."""
    return b"key:%012d" % number


def encoded(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class Contender(Child):
    """A started store that has all keys; .key_bytes is what each added to its memory."""

    def __init__(self, place, name, workers=1, cores=None, label=None, engine="memory"):
        label = label or name
        self.port = free_port()
        command = STORES[name][1](place, f"{file_name(label)}-{self.port}", self.port, workers, engine)
        super().__init__(label, command, place.folder, cores or place.proxy_cores)
        try:
            with self.connect() as connection:
                before = memory_bytes(self.pid)
                self.fill(connection)
                self.key_bytes = (memory_bytes(self.pid) - before) / KEYS
        except BaseException:
            self.end()
            raise

    def connect(self):
        until = time.monotonic() + 10
        while True:
            if self.process.poll() is not None:
                raise Failed(f"{self.name} ended with {self.process.returncode}: {self.said()}")
            try:
                return socket.create_connection(("127.0.0.1", self.port), 5)
            except OSError as error:
                if time.monotonic() > until:
                    raise Failed(f"{self.name} does not answer on port {self.port} ({error}): {self.said()}") from None
                time.sleep(0.05)

    def fill(self, connection):
        """All keys, and a look at one of them."""
        for begin in range(0, KEYS, FILL_AT_ONCE):
            connection.sendall(b"".join(encoded(b"SET", key(number), b"x" * VALUE_BYTES)
                                        for number in range(begin, begin + FILL_AT_ONCE)))
            self.expect(connection, b"+OK\r\n" * FILL_AT_ONCE)
        connection.sendall(encoded(b"GET", key(KEYS - 1)))
        self.expect(connection, b"$%d\r\n%s\r\n" % (VALUE_BYTES, b"x" * VALUE_BYTES))

    def expect(self, connection, wanted):
        got = b""
        while len(got) < len(wanted):
            data = connection.recv(1 << 16)
            if not data:
                break
            got += data
        if got != wanted:
            raise Failed(f"{self.name} answered {got[:80]!r}, not {wanted[:80]!r}")


def ask(place, contender, row, commands, cores=None):
    """redis-benchmark: so many commands; what it says of them."""
    arguments = [place.programs["redis-benchmark"], "-p", str(contender.port), "-c", str(row.connections), "-n", str(commands),
                 "-d", str(VALUE_BYTES), "-r", str(row.keys), "-P", str(row.pipeline), "-t", row.command, "--csv"]
    begin = time.monotonic()
    code, out, err = run_bounded(arguments, cores or place.load_cores, 120)
    seconds = time.monotonic() - begin
    line = next((line for line in out.splitlines() if line.startswith(f'"{row.command.upper()}"')), None)
    if code != 0 or line is None or "rror" in out + err:
        raise Failed(f"redis-benchmark on {contender.name} ended with {code}: {(out + err)[-500:]}")
    cells = [float(cell.strip('"')) for cell in line.split(",")[1:]]
    return {"answered": commands, "seconds": seconds, "errors": 0, "p50_us": cells[3] * 1e3, "p99_us": cells[5] * 1e3}


# ---- the run ----

class Bench:
    """One run: its place, its choices, and all figures so far."""

    def __init__(self, arguments, place, names):
        self.seconds, self.rounds, self.seed = arguments.seconds, arguments.rounds, arguments.seed
        self.place, self.names = place, names
        self.figures, self.key_bytes, self.failures = {}, {}, []

    def failed(self, where, failure):
        self.failures.append(f"{where}: {failure}")
        say(f"  FAILED {where}: {failure}")

    def start(self, name, **more):
        try:
            contender = Contender(self.place, name, **more)
        except Failed as failure:
            self.failed(more.get("label") or name, failure)
            return None
        if more.get("engine", "memory") == "memory":
            self.key_bytes.setdefault(name, contender.key_bytes)
        return contender

    def one(self, row_name, contender, number, cores):
        row = ROWS[row_name]
        commands = self.seconds * row.commands_a_second()
        try:
            figures = measured(contender, lambda: ask(self.place, contender, row, commands, cores))
        except Failed as failure:
            self.failed(f"{row_name}, {contender.name}", failure)
            return
        figures["round"] = number
        self.figures.setdefault(row_name, {}).setdefault(contender.name, []).append(figures)

    def rounds_of(self, row_name, contenders, cores=None):
        """All contenders in every round, each round in another order. An unsteady row gets as many rounds again."""
        for contender in contenders:
            ask(self.place, contender, ROWS[row_name], min(WARM_COMMANDS, ROWS[row_name].commands_a_second()), cores)
        most, number = self.rounds, 0
        while number < most:
            order = random.Random(f"{self.seed} {row_name} {number}")
            for contender in order.sample(contenders, len(contenders)):
                self.one(row_name, contender, number, cores)
            number += 1
            say(f"  {row_name}: round {number} of {most}")
            if number == most == self.rounds and self.is_unsteady(row_name):
                most = 2 * self.rounds

    def is_unsteady(self, row_name):
        metric = "per_second" if row_name in (row for row, *_ in SPEED_BARS) else "cpu_us"
        return any(spread(rounds, metric) > UNSTEADY for rounds in self.figures.get(row_name, {}).values())

    def row(self, name):
        say(f"{name}: {ROWS[name].title}")
        if ROWS[name].workers:
            cores = sorted(self.place.proxy_cores | self.place.load_cores)
            for one in self.names:
                if one in PANDOS:
                    self.together(name, [(one, {"workers": count, "cores": cores, "label": f"{one} x{count}"})
                                         for count in (1, 2)], cores)
        else:
            of_engine = [one for one in self.names if one != "floor" or ROWS[name].engine == "memory"]
            self.together(name, [(one, {"engine": ROWS[name].engine}) for one in of_engine])

    def together(self, row_name, wanted, cores=None):
        contenders = []
        try:
            for name, more in wanted:
                contender = self.start(name, **more)
                if contender is not None:
                    contenders.append(contender)
            self.rounds_of(row_name, contenders, cores)
        finally:
            for contender in contenders:
                contender.end()


# ---- the report ----

def table_of(name, rounds_by_contender):
    """The lines of a row's table, and the same as data."""
    medians = {one: median(rounds, "cpu_us") for one, rounds in rounds_by_contender.items()}
    compared = ["x1"] if ROWS[name].workers else PEERS if ROWS[name].engine == "memory" else PEERS[:1]
    order = [*STORES, *(f"{one} x{count}" for one in STORES for count in (1, 2))]
    rounds_by_contender = {one: rounds_by_contender[one] for one in order if one in rounds_by_contender}
    cells = [["", "CPU us/op", "lowest..highest", "op/s", "p50 ms", "p99 ms", "cores busy", *(f"/{kind}" for kind in compared),
              *(["op/s /redis"] if ROWS[name].engine == "lmdb" else [])]]
    data = {}
    for one, rounds in rounds_by_contender.items():
        values = [figures["cpu_us"] for figures in rounds]
        ratios = {kind: ratio(medians[one], medians.get(f"{one.split()[0]} x1" if kind == "x1" else kind))
                  for kind in compared}
        data[one] = {"median": medians[one], "rounds": rounds, "ratios": ratios}
        cells.append([one, f"{medians[one]:.3f}", f"{min(values):.3f}..{max(values):.3f}",
                      f"{median(rounds, 'per_second'):.0f}", f"{median(rounds, 'p50_us') / 1e3:.2f}",
                      f"{median(rounds, 'p99_us') / 1e3:.2f}", f"{median(rounds, 'busy'):.2f}", *map(shown, ratios.values()),
                      *([shown(ratio(median(rounds, "per_second"), median(rounds_by_contender.get("redis", []), "per_second")))]
                        if ROWS[name].engine == "lmdb" else [])])
    return [f"{name}: {ROWS[name].title}", *aligned(cells), *caveats(rounds_by_contender)], data


def judge(bench):
    """The bars of the rows that were run, and that a key takes no more memory than with Redis."""
    found = []
    judged = [*[(*bar, "cpu_us", "most") for bar in BARS], *[(*bar, "per_second", "least") for bar in SPEED_BARS]]
    for row, contender, other, bound, metric, side in judged:
        of_row = bench.figures.get(row, {})
        if contender in of_row and other in of_row:
            value = ratio(median(of_row[contender], metric), median(of_row[other], metric))
            found.append({"row": row, "contender": contender, "metric": metric, "against": other, side: bound,
                          "value": value, "errors": 0, "met": value <= bound if side == "most" else value >= bound,
                          "spread": max(spread(of_row[one], metric) for one in (contender, other))})
    for one in PANDOS:
        if one in bench.key_bytes and "redis" in bench.key_bytes:
            value = ratio(bench.key_bytes[one], bench.key_bytes["redis"])
            found.append({"row": "bytes", "contender": one, "metric": "key_bytes", "against": "redis", "most": 1.0,
                          "value": value, "errors": 0, "met": value <= 1.0, "spread": 1})
    return found


def those_there(arguments, place):
    names = []
    for name, (program, _) in STORES.items():
        if name in arguments.without:
            continue
        if program in place.programs:
            names.append(name)
        else:
            say(f"{name} is left out: {program} is missing")
    return names


def run(arguments, place):
    if "redis-benchmark" not in place.programs:
        raise Failed("redis-benchmark is missing, and nothing can be measured without it (./dev deps bench)")
    begin = {"machine": machine(), "layout": {"store": sorted(place.proxy_cores), "load": sorted(place.load_cores)}}
    bench = Bench(arguments, place, those_there(arguments, place))
    for name in arguments.only or ROWS:
        bench.row(name)
        lines = table_of(name, bench.figures[name])[0] if name in bench.figures else [f"{name}: nothing was measured"]
        print("\n".join(lines) + "\n", flush=True)
    print("bytes of memory that each of the keys added: "
          + ", ".join(f"{one} {value:.0f}" for one, value in bench.key_bytes.items()) + "\n")
    bars = judge(bench)
    print("\n".join(lines_of_bars(bars)) if bars else "bars: none could be judged", flush=True)
    for failure in bench.failures:
        print(f"failed: {failure}")
    if arguments.json:
        write(arguments.json, json.dumps({
            **begin, "rounds": arguments.rounds, "seconds": arguments.seconds, "seed": arguments.seed,
            "rows": {name: table_of(name, figures)[1] for name, figures in bench.figures.items()},
            "key_bytes": bench.key_bytes, "bars": bars, "failures": bench.failures}, indent=1))
    if bench.failures or any(not bar["met"] for bar in bars):
        return 1
    return 0 if bars or "pando" in place.programs else 3
