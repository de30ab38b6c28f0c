#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""demo.py - three copies of the shop behind Pando; one is killed while visitors shop, and comes back; then the cache,
and the keys in which the shop keeps its catalogue, carts and orders.

`./dev demo` calls this. It prints what the visitors saw and ends with 1 if a single request failed, or if anything
that it says of the cache (cache_scenes.py) and of the keys (keys_scenes.py) was not so. All that it starts is on 127.0.0.1, on free ports, with its
files in a temporary folder, and is ended when it ends.
"""
import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import load as shop_load
from cache_scenes import CacheScenes
from keys_scenes import KeysScenes

HERE = os.path.dirname(os.path.abspath(__file__))
COPIES = ["shop-1", "shop-2", "shop-3"]
VICTIM = "shop-2"


class Trouble(Exception):
    """The demo cannot go on; the text says why."""


def free_ports(count):
    """Ports that are free now: all held at once, then let go."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def get(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read()


class Child:
    """One program that the demo started, in a process group of its own; ended by its id, with all it started."""

    def __init__(self, name, arguments, log):
        self.name, self.log = name, log
        with open(log, "ab") as out:
            self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            start_new_session=True)

    def await_page(self, url, seconds=10):
        ends = time.monotonic() + seconds
        while True:
            try:
                return get(url)
            except (OSError, urllib.error.URLError) as error:
                if self.process.poll() is not None:
                    raise Trouble(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}") from None
                if time.monotonic() > ends:
                    raise Trouble(f"{self.name} does not answer at {url}: {error}\n{self.tail()}") from None
            time.sleep(0.05)

    def tail(self):
        with open(self.log, encoding="utf-8", errors="replace") as text:
            return "".join(text.readlines()[-15:])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self, patience_s=10):
        """Asks, waits, and only then kills, its group too: a supervisor may have died before its child."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(patience_s)
            except subprocess.TimeoutExpired:
                print(f"{self.name} did not end in {patience_s} s and is killed", file=sys.stderr)
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


class Demo:
    def __init__(self, options):
        self.options = options
        self.folder = tempfile.mkdtemp(prefix="pando-demo-")
        self.children = {}
        ports = free_ports(len(COPIES) + 3)
        self.ports = dict(zip(COPIES, ports))
        self.site, self.admin, self.keys = ports[-3:]

    # ---- starting and ending ----

    def start_copy(self, name):
        self.children[name] = Child(name, [
            "/usr/bin/python3", f"{HERE}/shop.py", "--listen", f"127.0.0.1:{self.ports[name]}",
            "--name", name, "--keys", f"127.0.0.1:{self.keys}"], f"{self.folder}/{name}.log")
        self.children[name].await_page(f"http://127.0.0.1:{self.ports[name]}/health")

    def write_config(self):
        path = f"{self.folder}/pando.yaml"
        targets = ", ".join(f'"127.0.0.1:{self.ports[name]}"' for name in COPIES)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"""listeners:
  web:   {{http: "127.0.0.1:{self.site}"}}
  data:  {{redis: "127.0.0.1:{self.keys}"}}
  admin: {{admin: "127.0.0.1:{self.admin}"}}
control: {self.folder}/control.sock
data: {self.folder}/pando
services:
  shop:
    match: {{path: /}}
    targets: [{targets}]
    cache: {{memory: 64MiB}}
keyspaces:
  catalogue: {{partition: range, shards: 2, splits: [m]}}
  sales: {{}}
""")
        return path

    def start_pando(self):
        """Nothing is asked of the shop before it returns: that is for the visitors."""
        io = ["--io", self.options.io] if self.options.io else []
        arguments = [self.options.pando, "run", *io, self.write_config()]
        self.children["pando"] = Child("pando", arguments, f"{self.folder}/pando.log")
        self.children["pando"].await_page(f"http://127.0.0.1:{self.admin}/readyz")

    def end(self):
        # Pando first: it still has requests to finish, and a copy that goes before it would be missed.
        for name in sorted(self.children, key=lambda name: name != "pando"):
            self.children[name].end()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- the show ----

    def run(self):
        seconds = self.options.seconds
        self.start_pando()    # first: the copies keep their data there
        for name in COPIES:
            self.start_copy(name)
        print(f"Pando at http://127.0.0.1:{self.site}/ before {', '.join(COPIES)}; visitors for {seconds:g} s, "
              f"{self.options.rate:g} requests a second, nothing is sent twice by them.", flush=True)
        load = shop_load.Load(("127.0.0.1", self.site), self.options.rate, writes=self.options.writes,
                              seed=self.options.seed)
        load.start()
        started = time.monotonic()
        time.sleep(seconds / 3)
        killed = time.monotonic()
        self.children[VICTIM].kill()
        print(f"{killed - started:5.1f} s  kill -9 {VICTIM}", flush=True)
        time.sleep(seconds / 3)
        self.start_copy(VICTIM)
        back = time.monotonic()
        print(f"{back - started:5.1f} s  {VICTIM} is up again", flush=True)
        time.sleep(seconds / 3)
        load.stop()
        good = self.report(load, [("all three up", load.started, killed), (f"{VICTIM} killed", killed, back),
                                  (f"{VICTIM} back", back, float("inf"))])
        print()
        good = CacheScenes(self, COPIES, load).run() and good
        print()
        return KeysScenes(self, load).run() and good

    def report(self, load, phases):
        failed = sum(1 for one in load.seen if one.failure)
        print()
        print("\n".join(shop_load.table(phases, load.seen, [*COPIES, shop_load.CACHE])))
        print()
        good = self.report_orders(load) and not failed
        if not any(one.copy == VICTIM and one.at_s >= phases[2][1] for one in load.seen):
            good = False
            print(f"{VICTIM} came back but was given nothing.")
        if failed:
            print(f"{failed} of {len(load.seen)} requests failed:")
            print("\n".join(shop_load.failures(load.seen)))
        else:
            kept = sum(1 for one in load.seen if one.copy == shop_load.CACHE)
            print(f"{len(load.seen)} requests, 0 failures. Copies answered {len(load.seen) - kept}, all carts and orders "
                  f"among them, the cache {kept}.")
        return good

    def report_orders(self, load):
        """What was confirmed must be in the shop, once; what is there more must have been asked for."""
        held = json.loads(get(f"http://127.0.0.1:{self.ports[COPIES[0]]}/api/orders"))
        lost = [number for number, cents in load.confirmed.items() if not self.is_held(number, cents)]
        most = load.attempted
        print(f"Orders: {len(load.confirmed)} confirmed to visitors, {len(lost)} of them lost; "
              f"{held['count']} in the shop, {most} sent.")
        return not lost and len(load.confirmed) <= held["count"] <= most

    def is_held(self, number, cents):
        try:
            return json.loads(get(f"http://127.0.0.1:{self.ports[COPIES[0]]}/api/orders/{number}"))["cents"] == cents
        except urllib.error.HTTPError:
            return False

    def stay(self):
        print(f"""
Everything stays up; Ctrl-C ends it.
    the shop      http://127.0.0.1:{self.site}/
    status page   http://127.0.0.1:{self.admin}/
    metrics       http://127.0.0.1:{self.admin}/metrics
    the file      {self.folder}/pando.yaml
    the keys      redis-cli -p {self.keys} hgetall catalogue:oak
    the copies    {'  '.join(f'http://127.0.0.1:{port}/' for port in self.ports.values())}
    visitors      examples/shop/load.py --to 127.0.0.1:{self.site} --seconds 60
    kill a copy   kill -9 {self.children[VICTIM].process.pid}""", flush=True)
        while True:
            time.sleep(3600)


def main():
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__.split("\n")[0])
    parser.add_argument("--pando", default="build/pando", help=argparse.SUPPRESS)
    parser.add_argument("--stay", action="store_true", help="keep everything running and print the addresses")
    parser.add_argument("--seconds", type=float, default=12, help="of traffic")
    parser.add_argument("--rate", type=float, default=300, help="requests a second")
    parser.add_argument("--io", help="epoll or io_uring, for pando run")
    parser.add_argument("--writes", choices=("put", "post"), default="put", help="how visitors write; see load.py")
    parser.add_argument("--seed", default=os.environ.get("PANDO_SEED", "1"))
    options = parser.parse_args()
    if not os.access(options.pando, os.X_OK):
        sys.exit(f"demo: there is no program {options.pando}; ./dev build makes it")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    demo, good = Demo(options), False
    try:
        good = demo.run()
        if options.stay:
            demo.stay()
    except Trouble as trouble:
        print(f"demo: {trouble}", file=sys.stderr)
    except KeyboardInterrupt:
        good = good and options.stay    # to end --stay is how it is meant to end
    finally:
        demo.end()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
