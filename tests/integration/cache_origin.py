# SPDX-License-Identifier: Apache-2.0
"""integration/cache_origin.py - a server for tests of the cache: pages that are told how they answer, and counted.

    with CacheOrigin() as origin:
        page = origin.page("/a", cache="max-age=60", etag='"v1"')      # a path has a page ...
        proxy.ask("/b?cache=max-age%3D60&bytes=5000&chunk=700")        # ... or its query says it
        page.etag, page.cache = '"v2"', "no-store"                     # from now on
        assert origin.count("/a") == 1

Every answer has Date, and X-Serial: the number of answers to this target so far. The body that is made for a page
without `body` begins with the same number, so a test sees which answer a body came with, also after a 304 has
renewed the head. serial(answer) and body_serial(answer) read them; hit(answer) asks Cache-Status.

If-None-Match and If-Modified-Since are answered with 304 where the page has the validator. A page may wait at two
gates, which a test opens: `before` its head, and in `middle` of its body.
"""
import collections
import dataclasses
import email.utils
import re
import threading
import time
import urllib.parse

import origins
import raw
from pando import PATIENCE_S


@dataclasses.dataclass
class Page:
    """How a path answers. In a query: the same names, header=Name:Value as often as wanted, numbers in decimal."""

    status: int = 200
    cache: str = ""             # Cache-Control; "": none
    vary: str = ""
    headers: tuple = ()         # more of them, as (name, value); a Date here replaces the true one
    body: bytes = None          # None: made, `bytes` long
    bytes: int = 100
    etag: str = ""
    modified: str = ""          # Last-Modified: a date, or seconds from now, such as -3600
    chunk: int = 0              # chunks of this size; 0: Content-Length
    until_close: bool = False   # neither: the body ends with the connection
    half: bool = False          # dies after half of the body
    delay_ms: int = 0           # before the head
    before: threading.Event = None
    middle: threading.Event = None

    @property
    def last_modified(self):
        if re.fullmatch(r"[+-]?\d+", self.modified):
            return email.utils.formatdate(time.time() + int(self.modified), usegmt=True)
        return self.modified


def page_of_query(query):
    """The page that a query describes."""
    page = Page()
    for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True):
        if name == "header":
            page.headers += (tuple(value.split(":", 1)),)
        elif name == "body":
            page.body = value.encode()
        elif hasattr(page, name) and name not in ("before", "middle", "last_modified"):
            kind = type(getattr(page, name))
            setattr(page, name, value not in ("", "0") if kind is bool else kind(value))
    return page


def made_body(number, size):
    """What the answer of this number has as its body."""
    start = b"%d\n" % number
    return (start + bytes(i * 7 % 251 for i in range(251)) * (size // 251 + 1))[:max(size, len(start))]


def serial(answer):
    return int(answer.get("X-Serial"))


def body_serial(answer):
    return int(answer.body.split(b"\n", 1)[0])


def cache_status(answer):
    """What Pando says in Cache-Status, as {parameter: value}; True where it has none. Empty: it says nothing."""
    for member in ",".join(answer.all("Cache-Status")).split(","):
        name, *parameters = [part.strip() for part in member.split(";")]
        if name == "pando":
            return {key: value.strip('"') if equals else True
                    for key, equals, value in (parameter.partition("=") for parameter in parameters)}
    return {}


def hit(answer):
    """Did it come from the cache, without asking the server?"""
    return cache_status(answer).get("hit", False) is True


class CacheOrigin(origins.Origin):
    """An Origin whose paths without a script answer as their pages say, or else as their queries do."""

    def __init__(self, **more):
        self.pages = {}
        self.answers = collections.Counter()    # by target
        super().__init__(**more)
        self.default = self._serve_page

    def page(self, path, **how):
        """What a path (without its query) answers from now on; the Page may be changed at any time."""
        self.pages[path] = page = Page(**how)
        return page

    def count(self, path):
        """How many requests of a path (without its query) came here."""
        return len(self.seen(path))

    def _serve_page(self, exchange):
        request = exchange.request
        path, _, query = request.target.partition("?")
        page = self.pages.get(path) or page_of_query(query)
        with self.lock:
            self.answers[request.target] += 1
            number = self.answers[request.target]
        wait(page.before)
        time.sleep(page.delay_ms / 1000)
        head = head_of(page, number)
        if is_unmodified(page, request):
            exchange.answer(304, head)
            return
        body = made_body(number, page.bytes) if page.body is None else page.body
        send(exchange, page, head, body)


def wait(gate):
    assert gate is None or gate.wait(PATIENCE_S * 3), "a test did not open its gate"


def head_of(page, number):
    fields = [("X-Serial", str(number)), *page.headers]
    if not any(name.lower() == "date" for name, _ in page.headers):
        fields.append(("Date", email.utils.formatdate(usegmt=True)))
    for name, value in (("Cache-Control", page.cache), ("Vary", page.vary), ("ETag", page.etag),
                        ("Last-Modified", page.last_modified)):
        if value:
            fields.append((name, value))
    return fields


def is_unmodified(page, request):
    """RFC 9110 13.2.2, as far as a page needs it."""
    if page.status != 200 or request.method not in ("GET", "HEAD"):
        return False
    tags = request.all("If-None-Match")
    if tags:
        known = [tag.strip().removeprefix("W/") for tag in ",".join(tags).split(",")]
        return bool(page.etag) and (page.etag.removeprefix("W/") in known or known == ["*"])
    since, modified = request.get("If-Modified-Since"), page.last_modified
    if since is None or not modified:
        return False
    return email.utils.parsedate_to_datetime(modified) <= email.utils.parsedate_to_datetime(since)


def send(exchange, page, head, body):
    """The answer, perhaps with a rest in the middle or an end there."""
    if exchange.request.method == "HEAD" or page.status in raw.BODYLESS:
        framed = [] if page.status in raw.BODYLESS or page.chunk else [("Content-Length", str(len(body)))]
        exchange.answer(page.status, [*head, *framed])
        return
    half = len(body) // 2
    if page.chunk:
        head = [*head, ("Transfer-Encoding", "chunked")]
        parts = [raw.chunked(body[:half], page.chunk)[:-len(b"0\r\n\r\n")], raw.chunked(body[half:], page.chunk)]
    else:
        head = [*head, ("Connection", "close") if page.until_close else ("Content-Length", str(len(body)))]
        parts = [body[:half], body[half:]]
    exchange.send(raw.head(f"HTTP/1.1 {page.status} X", head) + parts[0])
    wait(page.middle)
    if page.half:
        exchange.reset() if page.until_close else exchange.close()
        return
    exchange.send(parts[1])
    if page.until_close:
        exchange.close()
