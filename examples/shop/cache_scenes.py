# SPDX-License-Identifier: Apache-2.0
"""cache_scenes.py - the second half of the demo: what the cache in front of the shop does, scene by scene.

Each scene says one sentence and checks it; what is not so is printed, and the demo ends with 1. Who was asked is not
taken from Pando's word alone: each copy counts what it answers.
"""
import collections
import json
import subprocess
import threading
import time
import urllib.error
import urllib.request

import load as shop_load

CROWD = 100
PRODUCT_PAGES = [f"/products/{sku}" for sku in shop_load.PRICES]
PICTURES = [f"/pictures/{sku}.svg" for sku in shop_load.PRICES]
PAGES = ["/", "/bestsellers", "/style.css", *PRODUCT_PAGES, *PICTURES]
LIST_FRESH_S = 2    # as the shop says of its list of products


class Seen(collections.namedtuple("Seen", "status said content")):
    """An answer; @said is Cache-Status, or Proxy-Status of an error, without the name of who says it."""

    def field(self):
        return "Cache-Status" if self.status < 500 else "Proxy-Status"

    def is_hit(self):
        return self.said.startswith("hit")


class CacheScenes:
    def __init__(self, demo, copies, load):
        self.demo, self.copies, self.load, self.good = demo, copies, load, True

    def run(self):
        """All scenes in turn. True: everything was as it is said."""
        self.say("The cache, `cache: {memory: 64MiB}`; the shop says what may be kept:")
        for scene in (self.a_crowd_is_one_request, self.what_it_saved, self.why, self.all_copies_die,
                      self.copies_come_back, self.a_restart_stays_warm):
            scene()
        return self.good

    # ---- saying, checking, asking ----

    def say(self, text):
        print(text, flush=True)

    def check(self, true, what):
        if not true:
            self.good = False
            self.say(f"      NOT SO: {what}")

    def connection(self):
        return shop_load.Connection(("127.0.0.1", self.demo.site), 10)

    def ask(self, path, method="GET", body=None, connection=None):
        """The answer; status 0 and why if there is none."""
        text = json.dumps(body).encode() if body is not None else None
        mine = connection or self.connection()
        try:
            status, fields, content = mine.ask(method, path, text)
        except shop_load.Failure as failure:
            return Seen(0, str(failure), b"")
        finally:
            if connection is None:
                mine.close()
        said = fields.get(Seen(status, "", b"").field().lower(), "")
        return Seen(status, said.partition(";")[2].strip(), content)

    def copies_answered(self):
        """Requests that the copies have answered since they were started, each asked directly."""
        count = 0
        for name in self.copies:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.demo.ports[name]}/health", timeout=5) as answer:
                count += json.load(answer)["answered"]
        return count

    def figures(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.demo.admin}/api/status", timeout=5) as answer:
            return next(one for one in json.load(answer)["services"] if one["name"] == "shop")["cache"]

    def pando(self, *arguments):
        done = subprocess.run([self.demo.options.pando, *arguments, "--control", f"{self.demo.folder}/control.sock"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, check=False)
        self.check(done.returncode == 0, f"pando {arguments[0]} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    # ---- the scenes ----

    def a_crowd_is_one_request(self):
        """The page of bestsellers takes a copy 0.3 s; nobody has asked for it yet."""
        before, seen = self.copies_answered(), []
        together = threading.Barrier(CROWD, timeout=10)

        def visitor():
            connection = self.connection()
            try:
                connection.open()
                together.wait()
                seen.append(self.ask("/bestsellers", connection=connection))
                connection.close()
            except (shop_load.Failure, threading.BrokenBarrierError):
                pass    # one answer is missing then, which is seen below

        threads = [threading.Thread(target=visitor) for _ in range(CROWD)]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - started
        asked = self.copies_answered() - before
        collapsed = sum(1 for one in seen if "collapsed" in one.said)
        hits = sum(1 for one in seen if one.is_hit())
        later = f", {hits} came when it was there" if hits else ""
        self.say(f"  {CROWD} visitors ask at once for a page that takes 0.3 s to make: the copies got {asked} request, "
                 f"{collapsed} waited\n    for the same answer{later}; all in {took:.1f} s.")
        self.check(asked == 1, f"the copies got {asked} requests")
        self.check([one.status for one in seen] == [200] * CROWD, "not all were answered")
        self.check(len({one.content for one in seen}) == 1, "not all got the same page")
        self.check(collapsed + hits == CROWD - 1, "Cache-Status does not say so")

    def what_it_saved(self):
        figures = self.figures()
        kept = sum(1 for one in self.load.seen if one.copy == shop_load.CACHE)
        sent = len(self.load.seen)
        asked = figures["requests"] + figures["passed"]
        self.say(f"  Hit ratio {figures['hit_ratio']:.0%}: misses are mostly carts and orders, which are not kept. "
                 f"The copies were spared {figures['spared_requests']} of\n    {asked} requests ({figures['spared_ratio']:.0%}) and "
                 f"{figures['spared_bytes'] / 2**20:.1f} MiB of answers.")
        self.say("  $ pando status")
        for line in self.pando("status").splitlines():
            if line.strip().startswith(("shop ", "cache ")):
                self.say(f"    {line}")
        # What stood in for an error is seen as from the cache, but Pando does not count it as spared.
        self.check(0 <= kept + CROWD - 1 - figures["spared_requests"] <= figures["hits_on_error"],
                   f"visitors saw {kept} and {CROWD - 1} answers from the cache, "
                   f"Pando counts {figures['spared_requests']}")
        self.check(kept > sent / 3, f"only {kept} of {sent} came from the cache")

    def why(self):
        url = f"http://127.0.0.1:{self.demo.site}/products/oak"
        self.say(f"  $ pando explain {url}")
        text = self.pando("explain", url)
        self.say("".join(f"    {line}\n" for line in text.splitlines()).rstrip())
        self.check(text.startswith("shop: hit"), "it is no hit")

    def all_copies_die(self):
        for path in PAGES:
            self.check(self.ask(path).status == 200, f"{path} was not there before")
        for name in self.copies:
            self.demo.children[name].kill()
        time.sleep(LIST_FRESH_S + 0.5)
        seen = {path: self.ask(path) for path in PAGES}
        fresh = sum(1 for one in seen.values() if one.is_hit())
        served = sum(1 for one in seen.values() if one.status == 200)
        self.say(f"  kill -9 {', '.join(self.copies)}: {served} of {len(PAGES)} pages and pictures are still "
                 f"served, {fresh} fresh, {served - fresh} stale.")
        for path in ("/pictures/oak.svg", "/"):
            self.say(f"    GET {path:20}{seen[path].status}  {seen[path].field()}: {seen[path].said}")
        self.refused = self.orders_refused()
        for path, one in seen.items():
            self.check(one.status == 200, f"{path} got {one.status} {one.said}")
        listed = seen["/"]
        self.check(listed.said.startswith("fwd=stale"), "the list is not said to be stale")
        self.check(all(f"/products/{sku}".encode() in listed.content for sku in shop_load.PRICES), "the list is torn")

    def orders_refused(self):
        """Tries to order while no copy lives; returns the numbers of these orders."""
        numbers = [f"dead-{number}" for number in range(3)]
        cart = self.ask("/api/carts/dead")
        orders = [self.ask(f"/api/orders/{number}", "PUT", {"cart": "dead"}) for number in numbers]
        kept = self.ask(f"/api/orders/{next(iter(self.load.confirmed))}")
        self.say(f"    PUT /api/orders/...     {orders[0].status}  {orders[0].field()}: {orders[0].said}")
        for what, one in (("a cart", cart), ("an order of before", kept), *(("an order", one) for one in orders)):
            self.check(one.status in (502, 503, 504), f"{what} was answered with {one.status}")
        return numbers

    def copies_come_back(self):
        for name in self.copies:
            self.demo.start_copy(name)
        started = time.monotonic()
        cents = 3 * shop_load.PRICES["oak"]
        put = order = None
        while time.monotonic() < started + 10:
            put = self.ask("/api/carts/alive/items/oak", "PUT", {"quantity": 3})
            order = self.ask("/api/orders/alive", "PUT", {"cart": "alive"})
            if put.status == 200 and order.status == 201:
                break
            time.sleep(0.1)
        took = time.monotonic() - started
        listed = self.ask("/")
        self.say(f"  The copies are started again: an order is taken {took:.1f} s later, of those refused none was "
                 f"made.\n    GET {'/':20}{listed.status}  Cache-Status: {listed.said}")
        self.check(order.status == 201 and json.loads(order.content)["cents"] == cents, "no order was taken")
        self.check("fwd-status" in listed.said and listed.status == 200, "the list was not asked for")
        for number in self.refused:
            self.check(self.ask(f"/api/orders/{number}").status == 404, f"order {number} was made, though refused")

    def a_restart_stays_warm(self):
        for path in PRODUCT_PAGES:    # so that they are fresh, whatever time the scenes before took
            self.ask(path)
        before = self.copies_answered()
        stopped = time.monotonic()
        self.demo.children["pando"].end()
        self.demo.start_pando()
        away = time.monotonic() - stopped
        paths = [*PICTURES, *PRODUCT_PAGES]
        seen = [self.ask(path) for path in paths]
        hits = sum(1 for one in seen if one.is_hit() and one.status == 200)
        asked = self.copies_answered() - before
        self.say(f"  Pando is stopped and started ({away:.1f} s): of the first {len(paths)} requests {hits} are hits, "
                 f"the copies got {asked}.")
        self.check(hits == len(paths), "not all of them: " + ", ".join(
            f"{path}: {one.status} {one.said}" for path, one in zip(paths, seen) if not one.is_hit())[:400])
        self.check(asked == 0, f"the copies got {asked} requests")
