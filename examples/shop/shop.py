#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""shop.py - a small web shop: catalogue, cart and orders, as pages and as JSON.

    shop.py --listen 127.0.0.1:3001 --name shop-1 --keys 127.0.0.1:6380

Any number of copies serve the same shop: a copy keeps nothing between two requests, all state is in Pando's keys,
asked for with redis-py. Every answer says in X-Shop-Copy which copy gave it.

Writes come in two forms. PUT names what it makes (/api/orders/ID), so it may be sent again without harm. POST
is what a browser's form sends; an order by POST carries an Idempotency-Key (a hidden field in the form),
and the same key never makes a second order.

What is the same for everybody (catalogue, products, pictures) says how long caches may keep it, and has an ETag that
all copies agree on; so it names no copy and sets no cookie. Carts and orders are private, and say so.

Read it in this order: the data, what a request asks, the JSON answers, the pages, the pictures, the routes, the server.
"""
import argparse
import collections
import functools
import hashlib
import html
import http.cookies
import json
import re
import secrets
import signal
import socket
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import redis

BODY_BYTES_MAX = 64 * 1024
QUANTITY_MAX = 99
LATEST = 20         # orders on the list of orders
RESTART_S = 5       # how long a copy waits for its keys while Pando restarts
ID = r"[A-Za-z0-9_-]{1,64}"

# How many seconds caches may keep what is the same for everybody. A price on the list is never older than two.
LIST_S, PRODUCT_S, BESTSELLERS_S, PICTURE_S = 2, 300, 30, 24 * 3600
PRIVATE = "private, no-cache"

# ---- the data: keys in Pando, shared by the copies ----

PRODUCTS = [
    # sku, name, price in cents, words
    ("aspen", "Quaking aspen, 1 m", 2900, "One of many trunks on one root. Plant two and you have a grove."),
    ("birch", "Silver birch, 1 m", 2400, "White bark, light shade, asks for nothing."),
    ("rowan", "Rowan, 80 cm", 2150, "Flowers in May, berries in September, birds all winter."),
    ("oak", "Sessile oak, 60 cm", 1900, "For your grandchildren."),
    ("larch", "European larch, 70 cm", 1750, "The conifer that turns gold and lets go."),
    ("pine", "Scots pine, 50 cm", 1450, "Sand, wind, drought: all the same to it."),
    ("hazel", "Hazel, three stems", 1600, "Nuts in four years, bean poles in two."),
    ("apple", "Apple 'Boskoop', 2 years", 3400, "Sour, keeps till March, makes the best cake."),
    ("spade", "Planting spade, ash handle", 4200, "Narrow blade, for roots and stones."),
    ("gloves", "Leather gloves", 1850, "Goatskin, sizes 7 to 11."),
    ("stake", "Chestnut stakes, 6", 1290, "Split, not sawn; last ten years."),
    ("twine", "Coir twine, 50 m", 590, "Holds for two seasons, then rots, as it should."),
]


class Store:
    """What the shop keeps in Pando, by Redis' protocol; any client of Redis would do.

        catalogue:SKU       hash: name, cents, words, rank      a range keyspace, so it can be listed in order
        sales:cart:NAME      hash: sku -> quantity
        sales:order:NUMBER   the order as JSON
        sales:orders         sorted set: numbers of orders by the time they were made
        sales:revenue        cents of all orders
        sales:sold           hash: sku -> quantity of all orders

    What is in `sales` lies together, so an order is one transaction: made whole, with its cart emptied, or not at all.
    """

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self.keys = redis.Redis(host or "127.0.0.1", int(port), decode_responses=True, socket_timeout=10)
        with self.keys.pipeline(transaction=False) as pipe:
            for rank, (sku, name, cents, words) in enumerate(PRODUCTS):
                for field, value in (("name", name), ("cents", cents), ("words", words), ("rank", rank)):
                    pipe.hsetnx(f"catalogue:{sku}", field, value)
            pipe.execute()


def steadily(function):
    """Asks again while Pando restarts, for what does the same however often it is done."""
    @functools.wraps(function)
    def asks(*arguments):
        ends = time.monotonic() + RESTART_S
        while True:
            try:
                return function(*arguments)
            except redis.ConnectionError:
                if time.monotonic() > ends:
                    raise
            time.sleep(0.05)
    return asks


@steadily
def products(store):
    names = store.keys.execute_command("PANDO.RANGE", "catalogue:", "catalogue:~")
    with store.keys.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hgetall(name)
        found = [as_product(name.removeprefix("catalogue:"), fields) for name, fields in zip(names, pipe.execute())]
    return [fields for _, fields in sorted(found, key=lambda one: one[0])]


def as_product(sku, fields):
    """Its place in the list, and what is told of it."""
    return int(fields["rank"]), {"sku": sku, "name": fields["name"], "cents": int(fields["cents"]),
                                 "words": fields["words"]}


@steadily
def product(store, sku):
    fields = store.keys.hgetall(f"catalogue:{sku}")
    if not fields:
        raise Refusal(404, f"there is no product {sku}")
    return as_product(sku, fields)[1]


@steadily
def bestsellers(store):
    """Skus by how many were ordered, most first. Slow, as such a question is in a shop with many orders."""
    time.sleep(0.3)
    counts = collections.Counter({sku: 0 for sku, *_ in PRODUCTS})
    counts.update({sku: int(count) for sku, count in store.keys.hgetall("sales:sold").items()})
    return counts.most_common()


@steadily
def cart(store, name):
    return cart_of(name, store.keys.hgetall(f"sales:cart:{name}"), products(store))


def cart_of(name, quantities, catalogue):
    items = [{"sku": item["sku"], "name": item["name"], "quantity": int(quantities[item["sku"]]),
              "cents": item["cents"], "sum_cents": int(quantities[item["sku"]]) * item["cents"]}
             for item in catalogue if item["sku"] in quantities]
    return {"cart": name, "items": items, "cents": sum(item["sum_cents"] for item in items)}


def check_item(store, sku, quantity):
    product(store, sku)
    if not isinstance(quantity, int) or isinstance(quantity, bool) or not 0 <= quantity <= QUANTITY_MAX:
        raise Refusal(400, f"quantity is a whole number from 0 to {QUANTITY_MAX}")


@steadily
def put_in_cart(store, name, sku, quantity):
    check_item(store, sku, quantity)
    if quantity == 0:
        store.keys.hdel(f"sales:cart:{name}", sku)
    else:
        store.keys.hset(f"sales:cart:{name}", sku, quantity)


def add_to_cart(store, name, sku, quantity):
    """Not done again by itself: nobody knows whether it was done."""
    check_item(store, sku, quantity)
    key = f"sales:cart:{name}"
    if quantity > 0 and store.keys.hincrby(key, sku, quantity) > QUANTITY_MAX:
        store.keys.hset(key, sku, QUANTITY_MAX)


@steadily
def order(store, number):
    found = store.keys.get(f"sales:order:{number}")
    if found is None:
        raise Refusal(404, f"there is no order {number}")
    return json.loads(found)


@steadily
def place_order(store, number, cart_name):
    """Turns a cart into the order of that number; if the order is there already, nothing happens. True if made."""
    order_key, cart_key, catalogue = f"sales:order:{number}", f"sales:cart:{cart_name}", products(store)

    def place(pipe):
        if pipe.exists(order_key):
            pipe.multi()
            return False
        content = cart_of(cart_name, pipe.hgetall(cart_key), catalogue)
        if not content["items"]:
            raise Refusal(409, "the cart is empty")
        now = time.time()
        made = {"id": number, "cents": content["cents"], "items": content["items"],
                "ordered_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))}
        pipe.multi()
        pipe.set(order_key, json.dumps(made))
        pipe.delete(cart_key)
        pipe.zadd("sales:orders", {number: now})
        pipe.incrby("sales:revenue", content["cents"])
        for item in content["items"]:
            pipe.hincrby("sales:sold", item["sku"], item["quantity"])
        return True

    return store.keys.transaction(place, order_key, cart_key, value_from_callable=True)


@steadily
def orders(store):
    keys = store.keys
    numbers = keys.zrevrange("sales:orders", 0, LATEST - 1)
    latest = [json.loads(text) for text in keys.mget([f"sales:order:{number}" for number in numbers])] if numbers else []
    return {"count": keys.zcard("sales:orders"), "cents": int(keys.get("sales:revenue") or 0),
            "latest": [{field: one[field] for field in ("id", "cents", "ordered_at")} for one in latest]}


# ---- what a request asks, and what it gets ----

class Refusal(Exception):
    def __init__(self, status, why, **fields):
        super().__init__(why)
        self.status, self.why, self.fields = status, why, fields


class Request:
    """Method, path, fields and body of one request; what the answering functions below get."""

    def __init__(self, store, handler, body):
        self.store, self.fields, self.body = store, handler.headers, body
        cookies = http.cookies.SimpleCookie()
        try:
            cookies.load(handler.headers.get("Cookie", ""))
        except http.cookies.CookieError:
            pass
        known = cookies["cart"].value if "cart" in cookies else ""
        self.cart_is_new = not re.fullmatch(ID, known)
        self.cart = secrets.token_urlsafe(12) if self.cart_is_new else known

    def json(self):
        try:
            value = json.loads(self.body or b"{}")
        except ValueError as error:
            raise Refusal(400, f"the body is not JSON: {error}") from None
        if not isinstance(value, dict):
            raise Refusal(400, "the body must be a JSON object")
        return value

    def form(self):
        return dict(urllib.parse.parse_qsl(self.body.decode("utf-8", "replace")))


class Answer:
    def __init__(self, status, kind, body, **fields):
        self.status, self.kind, self.body = status, kind, body.encode()
        self.fields = {name.replace("_", "-"): value for name, value in fields.items()}


def as_json(value, status=200, **fields):
    fields.setdefault("Cache_Control", PRIVATE)
    return Answer(status, "application/json", json.dumps(value) + "\n", **fields)


def for_all(answer, seconds):
    """The same for everybody, and it may be kept that long; `public` since browsers send a cookie."""
    answer.fields["Cache-Control"] = f"public, max-age={seconds}"
    answer.fields["ETag"] = '"' + hashlib.sha256(answer.body).hexdigest()[:16] + '"'
    return answer


# ---- the JSON answers ----

def api_products(request):
    return for_all(as_json({"products": products(request.store)}), LIST_S)


def api_product(request, sku):
    return for_all(as_json(product(request.store, sku)), PRODUCT_S)


def api_cart(request, name):
    return as_json(cart(request.store, name))


def api_cart_put(request, name, sku):
    put_in_cart(request.store, name, sku, request.json().get("quantity"))
    return as_json(cart(request.store, name))


def api_cart_delete(request, name, sku):
    put_in_cart(request.store, name, sku, 0)
    return as_json(cart(request.store, name))


def api_cart_post(request, name):
    asked = request.json()
    add_to_cart(request.store, name, str(asked.get("sku")), asked.get("quantity", 1))
    return as_json(cart(request.store, name))


def api_order(request, number):
    return as_json(order(request.store, number))


def api_order_put(request, number):
    made = place_order(request.store, number, str(request.json().get("cart")))
    return as_json(order(request.store, number), 201 if made else 200, Location=f"/api/orders/{number}")


def number_of_key(key):
    """The order that belongs to an Idempotency-Key, the same in every copy."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def api_order_post(request):
    key = request.fields.get("Idempotency-Key")
    if not key:
        raise Refusal(400, "an order needs an Idempotency-Key, so that sending it twice does not order twice")
    return api_order_put(request, number_of_key(key))


def api_orders(request):
    return as_json(orders(request.store))


def health(request):
    """Also how many requests this copy has answered, not counting these."""
    request.store.keys.ping()
    return as_json({"status": "ok", "answered": Handler.answered}, Cache_Control="no-store")


# ---- the pages ----

STYLE = """
:root { color-scheme: light dark; --ink: #23302a; --paper: #fbfaf6; --leaf: #3d7a57; --line: #dcd9cd; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9e2; --paper: #18201c; --leaf: #86c79f; --line: #38433c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 0 1.2rem 3rem; font: 17px/1.5 system-ui, sans-serif;
       color: var(--ink); background: var(--paper); }
header { display: flex; gap: 1.5rem; align-items: baseline; padding: 1.2rem 0; margin-bottom: 1.5rem;
         border-bottom: 1px solid var(--line); }
header b { font-size: 1.35rem; margin-right: auto; }
a { color: var(--leaf); text-decoration: none; } a:hover { text-decoration: underline; }
.shelf { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem; }
.card { border: 1px solid var(--line); border-radius: .6rem; padding: 1rem; display: flex; flex-direction: column; }
.card h2, h1 { margin: 0 0 .4rem; } .card h2 { font-size: 1.05rem; } .card p { margin: 0 0 1rem; flex: 1; }
.row { display: flex; justify-content: space-between; align-items: center; gap: 1rem; }
button { font: inherit; padding: .35rem .9rem; border: 0; border-radius: .4rem; background: var(--leaf);
         color: var(--paper); cursor: pointer; }
input { font: inherit; width: 4rem; padding: .3rem; }
table { width: 100%; border-collapse: collapse; margin: 1rem 0; }
td, th { text-align: left; padding: .5rem 0; border-bottom: 1px solid var(--line); }
td:nth-child(n+2), th:nth-child(n+2) { text-align: right; }
footer { margin-top: 3rem; font-size: .85rem; opacity: .7; }
"""


def money(cents):
    return f"{cents // 100}.{cents % 100:02d} €"


def page(title, content, foot, **fields):
    return Answer(200, "text/html; charset=utf-8", f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{html.escape(title)} - The Grove</title><link rel="stylesheet" href="/style.css"></head><body>
<header><b><a href="/">The Grove</a></b><a href="/">Catalogue</a><a href="/bestsellers">Bestsellers</a>
<a href="/cart">Cart</a></header>
{content}
<footer>{foot} An example shop; nothing here is for sale.</footer>
</body></html>
""", **fields)


def page_for_all(title, content, seconds):
    """Whoever asked and whichever copy answered: the same bytes."""
    return for_all(page(title, content, f"The same for everybody, for {seconds} s."), seconds)


def page_for_one(request, title, content):
    fields = {"Cache_Control": PRIVATE}
    if request.cart_is_new:
        fields["Set_Cookie"] = f"cart={request.cart}; Path=/; HttpOnly; SameSite=Lax"
    return page(title, content, f"Served by {html.escape(COPY)}.", **fields)


def buy_form(sku):
    return (f'<form method="post" action="/cart"><input type="hidden" name="sku" value="{sku}">'
            f'<input type="hidden" name="quantity" value="1"><button>Add to cart</button></form>')


def picture_of(sku):
    return f'<img src="/pictures/{sku}.svg" alt="" width="96" height="96">'


def page_catalogue(request):
    cards = "".join(
        f'<div class="card">{picture_of(item["sku"])}'
        f'<h2><a href="/products/{item["sku"]}">{html.escape(item["name"])}</a></h2>'
        f'<p>{html.escape(item["words"])}</p><div class="row"><b>{money(item["cents"])}</b>'
        f'{buy_form(item["sku"])}</div></div>' for item in products(request.store))
    return page_for_all("Catalogue", f'<div class="shelf">{cards}</div>', LIST_S)


def page_product(request, sku):
    item = product(request.store, sku)
    return page_for_all(item["name"], f'{picture_of(sku)}<h1>{html.escape(item["name"])}</h1>'
                        f'<p>{html.escape(item["words"])}</p><p><b>{money(item["cents"])}</b></p>{buy_form(sku)}',
                        PRODUCT_S)


def page_bestsellers(request):
    names = {item["sku"]: item["name"] for item in products(request.store)}
    rows = "".join(f'<tr><td><a href="/products/{sku}">{html.escape(names[sku])}</a></td><td>{count}</td></tr>'
                   for sku, count in bestsellers(request.store))
    return page_for_all("Bestsellers", f"<h1>Bestsellers</h1><table><tr><th>What</th><th>Sold</th></tr>{rows}</table>",
                        BESTSELLERS_S)


def item_rows(items, editable):
    for item in items:
        count = item["quantity"]
        if editable:
            count = (f'<form method="post" action="/cart/change"><input type="hidden" name="sku" value="{item["sku"]}">'
                     f'<input type="number" name="quantity" min="0" max="99" value="{count}"> '
                     f'<button>Change</button></form>')
        yield (f'<tr><td>{html.escape(item["name"])}</td><td>{count}</td><td>{money(item["cents"])}</td>'
               f'<td>{money(item["sum_cents"])}</td></tr>')


def item_table(content, editable=False):
    rows = "".join(item_rows(content["items"], editable))
    return (f"<table><tr><th>What</th><th>How many</th><th>Each</th><th>Sum</th></tr>{rows}"
            f'<tr><td colspan="3"><b>Total</b></td><td><b>{money(content["cents"])}</b></td></tr></table>')


def page_cart(request):
    content = cart(request.store, request.cart)
    if not content["items"]:
        return page_for_one(request, "Cart", '<h1>Your cart</h1><p>Nothing in it yet. <a href="/">To the catalogue</a></p>')
    # The key is in the page, so a second press of the button is the same order.
    return page_for_one(request, "Cart", "<h1>Your cart</h1>" + item_table(content, editable=True)
                        + '<form method="post" action="/orders"><input type="hidden" name="key" '
                        f'value="{secrets.token_urlsafe(12)}"><button>Order</button></form>')


def page_order(request, number):
    content = order(request.store, number)
    return page_for_one(request, "Order", f"<h1>Thank you</h1><p>Order <b>{number}</b>, {content['ordered_at']}</p>"
                        + item_table(content))


def see(request, place):
    """303: the browser goes there with GET, and reloading that page posts nothing again."""
    fields = {"Set_Cookie": f"cart={request.cart}; Path=/; HttpOnly; SameSite=Lax"} if request.cart_is_new else {}
    return Answer(303, "text/plain", f"See {place}\n", Location=place, Cache_Control="no-store", **fields)


def form_quantity(request):
    try:
        return int(request.form().get("quantity", "1"))
    except ValueError:
        raise Refusal(400, "quantity is a whole number") from None


def form_add(request):
    add_to_cart(request.store, request.cart, request.form().get("sku", ""), form_quantity(request))
    return see(request, "/cart")


def form_change(request):
    put_in_cart(request.store, request.cart, request.form().get("sku", ""), form_quantity(request))
    return see(request, "/cart")


def form_order(request):
    key = request.form().get("key")
    if not key:
        raise Refusal(400, "the form's key is missing")
    number = number_of_key(key)
    place_order(request.store, number, request.cart)
    return see(request, f"/orders/{number}")


def style(_request):
    return for_all(Answer(200, "text/css", STYLE), PICTURE_S)


# ---- the pictures: drawn from the sku ----

def picture(request, sku):
    """A tree whose crown, height and greens are the product's own; tools get one, too: they are made of wood."""
    product(request.store, sku)
    draw = hashlib.sha256(sku.encode()).digest()
    hue, top, wide = 70 + draw[0] % 90, 8 + draw[1] % 14, 18 + draw[2] % 14
    crowns = "".join(f'<ellipse cx="{48 + step * (draw[3 + step] % 7 - 3)}" cy="{top + 14 + 11 * step}" '
                     f'rx="{wide - 5 * abs(step - 2)}" ry="14" fill="hsl({hue + 6 * step} 45% {30 + 4 * step}%)"/>'
                     for step in range(4))
    return for_all(Answer(200, "image/svg+xml", f'''<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96">
<rect width="96" height="96" rx="8" fill="hsl({hue} 30% 92%)"/><path d="M45 90l2-42h2l2 42z" fill="#6b4f35"/>
{crowns}
</svg>
'''), PICTURE_S)


# ---- the routes: method, path, who answers ----

def pattern_of(path):
    return re.compile(re.escape(path).replace(r"\{\}", f"({ID})"))


ROUTES = [(method, pattern_of(path), function) for method, path, function in [
    ("GET", "/", page_catalogue),
    ("GET", "/products/{}", page_product),
    ("GET", "/cart", page_cart),
    ("POST", "/cart", form_add),
    ("POST", "/cart/change", form_change),
    ("POST", "/orders", form_order),
    ("GET", "/orders/{}", page_order),
    ("GET", "/bestsellers", page_bestsellers),
    ("GET", "/pictures/{}.svg", picture),
    ("GET", "/style.css", style),
    ("GET", "/health", health),
    ("GET", "/api/products", api_products),
    ("GET", "/api/products/{}", api_product),
    ("GET", "/api/carts/{}", api_cart),
    ("POST", "/api/carts/{}/items", api_cart_post),
    ("PUT", "/api/carts/{}/items/{}", api_cart_put),
    ("DELETE", "/api/carts/{}/items/{}", api_cart_delete),
    ("GET", "/api/orders", api_orders),
    ("POST", "/api/orders", api_order_post),
    ("PUT", "/api/orders/{}", api_order_put),
    ("GET", "/api/orders/{}", api_order),
]]


def route(method, path):
    allowed = []
    for known, pattern, function in ROUTES:
        found = pattern.fullmatch(path)
        if found and (known == method or (known, method) == ("GET", "HEAD")):
            return function, found.groups()
        if found:
            allowed.append(known)
    if allowed:
        raise Refusal(405, f"{method} is not possible here", Allow=", ".join(allowed))
    raise Refusal(404, f"there is nothing at {path}")


# ---- the server ----

COPY = "shop"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 120                     # seconds that a connection may be silent
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024              # flushed once per answer: see send()
    store = None
    logs = False
    answered, counting = 0, threading.Lock()

    def read_body(self):
        if "Transfer-Encoding" in self.headers:
            self.close_connection = True
            raise Refusal(411, "send a Content-Length")
        length = self.headers.get("Content-Length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > BODY_BYTES_MAX:
            self.close_connection = True
            raise Refusal(413 if length.isdigit() else 400, f"a body has at most {BODY_BYTES_MAX} bytes")
        return self.rfile.read(int(length))

    def answer(self):
        path = urllib.parse.unquote(self.path.split("?")[0])
        try:
            body = self.read_body()
            function, values = route(self.command, path)
            answer = function(Request(self.store, self, body), *values)
        except Refusal as refusal:
            answer = self.refused(path, refusal)
        except redis.RedisError as error:
            answer = self.refused(path, Refusal(503, f"the shop's data cannot be reached: {error}"))
        if path != "/health":
            with self.counting:
                Handler.answered += 1
        self.send(answer)

    def refused(self, path, refusal):
        if path.startswith("/api/"):
            problem = {"title": self.responses[refusal.status][0], "status": refusal.status, "detail": refusal.why}
            return Answer(refusal.status, "application/problem+json", json.dumps(problem) + "\n", **refusal.fields)
        return Answer(refusal.status, "text/plain; charset=utf-8", refusal.why + "\n", **refusal.fields)

    def is_known(self, etag):
        """Has who asks this very answer already (RFC 9110 13.1.2)?"""
        known = self.headers.get("If-None-Match", "")
        return etag is not None and etag in [one.strip().removeprefix("W/") for one in known.split(",")]

    def send(self, answer):
        """Head and body in one write, so that a copy killed between two writes leaves no half an answer."""
        if answer.status == 200 and self.is_known(answer.fields.get("ETag")):
            answer = Answer(304, answer.kind, "", **answer.fields)
        self.log_request(answer.status)
        self.send_response_only(answer.status)
        self.send_header("Date", self.date_time_string())
        self.send_header("X-Shop-Copy", COPY)
        if answer.status != 304:
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.fields.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, format, *values):
        if self.logs:
            sys.stderr.write(f"{COPY} {format % values}\n")


class Server(ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True

    def server_bind(self):
        # As HTTPServer does it, but without asking DNS for the name of this host.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, request, client_address):
        # A client that went away is no news.
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


def main():
    global COPY
    parser = argparse.ArgumentParser(description="A small web shop; see the head of this file.")
    parser.add_argument("--listen", default="127.0.0.1:3001", metavar="HOST:PORT")
    parser.add_argument("--name", default="shop-1", help="what X-Shop-Copy says")
    parser.add_argument("--keys", default="127.0.0.1:6380", metavar="HOST:PORT",
                        help="where Pando speaks Redis' protocol; has the keyspaces catalogue and sales")
    parser.add_argument("--log", action="store_true", help="a line per request on standard error")
    options = parser.parse_args()
    COPY = options.name
    host, _, port = options.listen.rpartition(":")
    Handler.store, Handler.logs = Store(options.keys), options.log
    server = Server((host or "127.0.0.1", int(port)), Handler)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"{COPY} on http://{server.server_name}:{server.server_port}/", flush=True)
    server.serve_forever(poll_interval=0.2)


if __name__ == "__main__":
    main()
