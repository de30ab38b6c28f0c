#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""load.py - visitors of the shop: they look, fill a cart, order, and check every answer.

    load.py --to 127.0.0.1:8080 --seconds 12 --rate 300

Each connection is one visitor after another: catalogue, two products with their pictures, both into a cart, the cart,
an order, the order again. Nothing is ever sent twice: what fails is counted, with its kind, and that visitor leaves. An
answer counts as good only if status, length and content are as they must be: names, quantities, sums. Pages and
pictures may come from a cache, and then count as answered by "cache"; a cart or an order that does is a failure.

Cart and order are written by PUT unless told otherwise (--writes post). The difference shows when a copy is killed
while it holds a request: a proxy may send a PUT to another copy, for done twice is done once; of a POST
it can only say that nobody knows, and that is counted as the failure it is for a visitor.

Python's standard library only; demo.py uses the class Load.
"""
import argparse
import collections
import json
import random
import select
import socket
import sys
import threading
import time

PRICES = {"aspen": 2900, "birch": 2400, "rowan": 2150, "oak": 1900, "larch": 1750, "pine": 1450,
          "hazel": 1600, "apple": 3400, "spade": 4200, "gloves": 1850, "stake": 1290, "twine": 590}

# One request as the visitor saw it; failure is None or its kind.
Seen = collections.namedtuple("Seen", "at_s what copy seconds failure")


class Failure(Exception):
    """Its text is the kind under which it is counted."""


PRIVATE = ("cart", "order")
CACHE = "cache"    # in place of a copy's name: no copy was asked for this answer


def is_from_cache(cache_status):
    """Does Cache-Status (RFC 9211) say so: a hit, what was fetched for another, or stale since no server answered?"""
    said = [one.strip() for one in cache_status.split(";")[1:]]
    return "hit" in said or "collapsed" in said or ("fwd=stale" in said and not any(
        one.startswith("fwd-status=") for one in said))


# ---- one connection ----

class Connection:
    """HTTP/1.1 over one kept connection, opened when needed. Never sends a request a second time."""

    def __init__(self, address, timeout_s):
        self.address, self.timeout_s = address, timeout_s
        self.socket = self.reader = None

    def close(self):
        if self.socket:
            self.reader.close()
            self.socket.close()
        self.socket = self.reader = None

    def open(self):
        # What the server closed while it was idle carries no request: that is not a failure.
        if self.socket and select.select([self.socket], [], [], 0)[0]:
            self.close()
        if self.socket:
            return
        try:
            self.socket = socket.create_connection(self.address, self.timeout_s)
        except TimeoutError:
            raise Failure("no connection in time") from None
        except OSError as error:
            raise Failure(f"no connection: {error.strerror}") from None
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.socket.makefile("rb")

    def ask(self, method, path, body=None, fields=()):
        """Returns status, fields and body. Raises Failure."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.address[0]}:{self.address[1]}", *fields]
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        self.open()
        try:
            self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b""))
            status, answered, content = self.read_answer(method)
        except TimeoutError:
            self.close()
            raise Failure(f"no answer in {self.timeout_s:g} s") from None
        except OSError as error:
            self.close()
            raise Failure(f"connection broke: {error.strerror}") from None
        except Failure:
            self.close()
            raise
        if answered.get("connection", "").lower() == "close":
            self.close()
        return status, answered, content

    def line(self):
        line = self.reader.readline(65537)
        if not line.endswith(b"\r\n"):
            raise Failure("closed within an answer" if line else "closed without an answer")
        return line[:-2].decode("latin-1")

    def exactly(self, count):
        content = self.reader.read(count)
        if len(content) < count:
            raise Failure("closed within an answer")
        return content

    def read_answer(self, method):
        status_line = self.line().split(" ", 2)
        if len(status_line) < 2 or status_line[0] != "HTTP/1.1" or not status_line[1].isdigit():
            raise Failure("not HTTP/1.1")
        fields = {}
        while line := self.line():
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        status = int(status_line[1])
        if method == "HEAD" or status in (204, 304):
            return status, fields, b""
        if fields.get("transfer-encoding", "").lower() == "chunked":
            return status, fields, self.read_chunks()
        if "content-length" not in fields:
            raise Failure("an answer without a length")
        return status, fields, self.exactly(int(fields["content-length"]))

    def read_chunks(self):
        content = b""
        while size := int(self.line().split(";")[0], 16):
            content += self.exactly(size)
            self.line()
        while self.line():
            pass
        return content


# ---- one visitor ----

class Visitor:
    """Asks in the order of visit() and checks what comes; every answer is reported to the load."""

    def __init__(self, load, connection, draw):
        self.load, self.connection, self.draw = load, connection, draw

    def ask(self, what, method, path, body=None, fields=(), want=(200,)):
        """The body of a good answer. Reports; on a failure raises."""
        self.load.pace()
        started = time.monotonic()
        copy, failure, content = None, None, b""
        try:
            text = json.dumps(body).encode() if body is not None else None
            status, answered, content = self.connection.ask(method, path, text, fields)
            is_kept = is_from_cache(answered.get("cache-status", ""))
            copy = CACHE if is_kept and "x-shop-copy" in answered else answered.get("x-shop-copy")
            if status not in want:
                why = answered.get("proxy-status", "").partition(";")[2].strip()
                failure = f"status {status}" + (f" ({why})" if why else "")
            elif copy is None:
                failure = "X-Shop-Copy is missing"
            elif is_kept and what in PRIVATE:
                failure = "from a cache"
        except Failure as kind:
            failure = str(kind)
        self.load.report(Seen(started, f"{method} {what}", copy, time.monotonic() - started, failure))
        if failure:
            raise Failure(failure)
        return content

    def check(self, what, true):
        """Content that is wrong makes the answer just reported a failure."""
        if not true:
            self.load.spoil_last(f"wrong content: {what}")
            raise Failure(what)

    def ask_json(self, *args, **more):
        content = self.ask(*args, **more)
        try:
            return json.loads(content)
        except ValueError:
            self.check("not JSON", False)

    def put_in_cart(self, cart, sku, quantity):
        if self.load.writes == "put":
            return self.ask_json("cart", "PUT", f"/api/carts/{cart}/items/{sku}", {"quantity": quantity})
        return self.ask_json("cart", "POST", f"/api/carts/{cart}/items", {"sku": sku, "quantity": quantity})

    def place_order(self, cart, number):
        if self.load.writes == "put":
            return self.ask_json("order", "PUT", f"/api/orders/{number}", {"cart": cart}, want=(200, 201))
        return self.ask_json("order", "POST", "/api/orders", {"cart": cart},
                             fields=[f"Idempotency-Key: {number}"], want=(200, 201))

    def visit(self):
        cart, number = f"{self.draw.getrandbits(64):016x}", f"{self.draw.getrandbits(64):016x}"
        wanted = {sku: self.draw.randint(1, 5) for sku in self.draw.sample(list(PRICES), 2)}
        page = self.ask("catalogue page", "GET", "/").decode("utf-8", "replace")
        self.check("catalogue", page.endswith("</html>\n") and all(f"/products/{sku}" in page for sku in PRICES))
        for sku, quantity in wanted.items():
            page = self.ask("product page", "GET", f"/products/{sku}").decode("utf-8", "replace")
            self.check("product", page.endswith("</html>\n") and f"{PRICES[sku] // 100}.{PRICES[sku] % 100:02d}" in page)
            drawing = self.ask("picture", "GET", f"/pictures/{sku}.svg")
            self.check("picture", drawing.startswith(b"<svg ") and drawing.endswith(b"</svg>\n"))
            content = self.put_in_cart(cart, sku, quantity)
            self.check("cart after writing", (sku, quantity) in quantities(content))
        cents = sum(PRICES[sku] * quantity for sku, quantity in wanted.items())
        content = self.ask_json("cart", "GET", f"/api/carts/{cart}")
        self.check("cart", quantities(content) == set(wanted.items()) and content.get("cents") == cents)
        self.load.attempted += 1
        content = self.place_order(cart, number)
        self.check("order", quantities(content) == set(wanted.items()) and content.get("cents") == cents)
        self.load.confirmed[content["id"]] = cents
        again = self.ask_json("order", "GET", f"/api/orders/{content['id']}")
        self.check("order read again", again == content)


def quantities(content):
    try:
        return {(item["sku"], item["quantity"]) for item in content["items"]}
    except (KeyError, TypeError):
        return set()


# ---- all visitors ----

class Load:
    """`connections` threads, together `rate` requests a second at most, from start() to stop()."""

    def __init__(self, address, rate=300, connections=16, writes="put", seed=1, timeout_s=10):
        self.address, self.rate, self.writes, self.timeout_s = address, rate, writes, timeout_s
        self.seen = []            # of Seen, in no strict order
        self.confirmed = {}       # order id: cents
        self.attempted = 0        # orders sent, whatever became of them
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.next_at = 0.0
        self.latest = threading.local()
        self.threads = [threading.Thread(target=self.run, args=(random.Random(f"{seed}/{i}"),), daemon=True)
                        for i in range(connections)]

    def start(self):
        self.started = self.next_at = time.monotonic()
        for thread in self.threads:
            thread.start()

    def stop(self):
        """Lets requests on their way end, none is cut off."""
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        self.seconds = time.monotonic() - self.started

    def run(self, draw):
        connection = Connection(self.address, self.timeout_s)
        while not self.stopping.is_set():
            try:
                Visitor(self, connection, draw).visit()
            except Failure:
                pass    # reported already
            except Stopped:
                break
        connection.close()

    def pace(self):
        """Returns when the next request is due."""
        with self.lock:
            now = time.monotonic()
            # A stall is not made up for by a burst.
            due = self.next_at = max(self.next_at + 1 / self.rate, now - 0.1)
        if self.stopping.wait(max(0.0, due - now)):
            raise Stopped

    def report(self, seen):
        with self.lock:
            self.latest.index = len(self.seen)
            self.seen.append(seen)

    def spoil_last(self, failure):
        """The answer that this thread reported last was none."""
        self.seen[self.latest.index] = self.seen[self.latest.index]._replace(failure=failure)


class Stopped(Exception):
    pass


# ---- what it came to ----

def percentile_ms(share, seen):
    ranked = sorted(one.seconds for one in seen if not one.failure)
    return 1000 * ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else float("nan")


def table(phases, seen, copies):
    """Lines of text: a row per phase (name, from, to in monotonic seconds) and one for all, a column per copy."""
    wide = max(len(name) for name, _, _ in phases)
    yield (f"{'':{wide}}  {'requests':>8}  {'failed':>6}  " + "  ".join(f"{copy:>7}" for copy in copies)
           + f"  {'p50 ms':>7}  {'p99 ms':>7}")
    rows = list(phases)
    if len(phases) > 1:
        rows.append(("all", phases[0][1], phases[-1][2]))
    for name, first, last in rows:
        these = [one for one in seen if first <= one.at_s < last]
        by_copy = collections.Counter(one.copy for one in these if not one.failure)
        yield (f"{name:{wide}}  {len(these):8d}  {sum(1 for one in these if one.failure):6d}  "
               + "  ".join(f"{by_copy[copy]:>{max(7, len(copy))}}" for copy in copies)
               + f"  {percentile_ms(0.5, these):7.1f}  {percentile_ms(0.99, these):7.1f}")


def failures(seen):
    """Lines: how many of each kind."""
    kinds = collections.Counter(f"{one.what}: {one.failure}" for one in seen if one.failure)
    for kind, count in kinds.most_common():
        yield f"    {count:5d}  {kind}"


def main():
    parser = argparse.ArgumentParser(description="Visitors of the shop; see the head of this file.")
    parser.add_argument("--to", default="127.0.0.1:8080", metavar="HOST:PORT")
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--rate", type=float, default=300, help="requests a second, of all connections together")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--writes", choices=("put", "post"), default="put")
    parser.add_argument("--seed", default="1")
    options = parser.parse_args()
    host, _, port = options.to.rpartition(":")
    load = Load((host, int(port)), options.rate, options.connections, options.writes, options.seed)
    load.start()
    try:
        time.sleep(options.seconds)
    except KeyboardInterrupt:
        pass
    load.stop()
    copies = sorted({one.copy for one in load.seen if one.copy})
    print("\n".join(table([("all", load.started, time.monotonic())], load.seen, copies)))
    print("\n".join(failures(load.seen)) or f"No failure in {load.seconds:.1f} s; {len(load.confirmed)} orders.")
    return 1 if any(one.failure for one in load.seen) else 0


if __name__ == "__main__":
    sys.exit(main())
