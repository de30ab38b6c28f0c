# SPDX-License-Identifier: Apache-2.0
"""integration/test_cache.py - what the cache keeps, uses, asks for and says: one row for each rule.

The pure rules have their own tables (src/cache/rules); here a real server is behind a real Pando, and what counts is
whether it is asked.
"""
import contextlib
import email.utils
import json
import threading
import time

import pytest

import pando
import raw
from cache_origin import CacheOrigin, body_serial, cache_status, hit, serial
from pando import until

HIT, ASKED, VALIDATED = "hit", "asked", "validated"


def config_of(server, **cache):
    return {"services": {"shop": {"targets": [server.address], "cache": {"memory": "64MiB", **cache}}}}


@pytest.fixture
def origin():
    with CacheOrigin() as server:
        yield server


def date(offset_s):
    return email.utils.formatdate(time.time() + offset_s, usegmt=True)


class Row:
    """`page` is asked for twice, with these fields; what becomes of the second request."""

    def __init__(self, name, second, page=None, ask=(), again=None, method="GET", cache=None, wait_s=0, rfc="9111"):
        self.name, self.second, self.page = name, second, page or {}
        self.ask, self.method = list(ask), method
        self.again = self.ask if again is None else list(again)      # not said: the same
        self.cache, self.wait_s, self.rfc = cache or {}, wait_s, rfc


AUTH = ("Authorization", "Basic YTpi")
COOKIE = ("Cookie", "id=1")

ROWS = [
    # 3: storing
    Row("max-age is kept", HIT, {"cache": "max-age=60"}),
    Row("public alone has no lifetime", ASKED, {"cache": "public"}),
    Row("s-maxage is kept", HIT, {"cache": "s-maxage=60"}),
    Row("s-maxage beats max-age", HIT, {"cache": "s-maxage=60, max-age=0"}),
    Row("s-maxage=0 beats max-age", ASKED, {"cache": "s-maxage=0, max-age=60"}),
    Row("max-age beats Expires", HIT, {"cache": "max-age=60", "headers": (("Expires", "Thu, 01 Jan 1970 00:00:00 GMT"),)}),
    Row("Expires is kept", HIT, {"headers": (("Expires", date(100)),)}),
    Row("Expires that is no date is past", ASKED, {"headers": (("Expires", "0"),)}),
    Row("no-store", ASKED, {"cache": "no-store, max-age=60"}),
    Row("private", ASKED, {"cache": "private, max-age=60"}),
    Row("no-cache without validator", ASKED, {"cache": "no-cache, max-age=60"}),
    Row("no-cache with a validator is asked for", VALIDATED, {"cache": "no-cache, max-age=60", "etag": '"a"'}),
    Row("case of directives", ASKED, {"cache": "MAX-AGE=60, No-StOrE"}),
    Row("quoted arguments", HIT, {"cache": 'max-age="60"'}),
    Row("what stands in quotes is no directive", HIT, {"cache": 'x="no-store", max-age=60'}),
    Row("unknown directives are ignored", HIT, {"cache": "max-age=60, grue"}),
    Row("nothing said", ASKED),
    Row("a guess from Last-Modified", HIT, {"modified": "-360000"}),
    Row("no guess where Last-Modified is now", VALIDATED, {"modified": date(0)}, wait_s=1.1),
    Row("a guess can be replaced", HIT, cache={"fresh-for": "60s"}),
    Row("404 is kept if it says so", HIT, {"status": 404, "cache": "max-age=60"}),
    Row("404 is not kept by a guess", ASKED, {"status": 404, "modified": "-360000"}),
    Row("404 by setting", HIT, {"status": 404}, cache={"negative-for": "60s"}),
    Row("500 is kept if it says so", HIT, {"status": 500, "cache": "max-age=60"}),
    Row("301 is kept", HIT, {"status": 301, "cache": "max-age=60", "headers": (("Location", "/x"),)}),
    Row("204 is kept", HIT, {"status": 204, "cache": "max-age=60"}),
    Row("an unknown status with must-understand is not kept", ASKED,
        {"status": 299, "cache": "max-age=60, must-understand"}),
    Row("Set-Cookie is not kept", ASKED, {"cache": "max-age=60", "headers": (("Set-Cookie", "a=b"),)}),
    Row("an answer in chunks is kept", HIT, {"cache": "max-age=60", "chunk": 7000, "bytes": 20000}),
    Row("an answer until close is kept", HIT, {"cache": "max-age=60", "until_close": True, "bytes": 20000}),
    Row("a large answer is kept", HIT, {"cache": "max-age=60", "bytes": 3_000_000}),
    Row("an empty answer is kept", HIT, {"cache": "max-age=60", "body": b""}),
    # 3.5: Authorization
    Row("Authorization is not kept", ASKED, {"cache": "max-age=60"}, [AUTH]),
    Row("Authorization with public is", HIT, {"cache": "max-age=60, public"}, [AUTH]),
    Row("Authorization with s-maxage is", HIT, {"cache": "s-maxage=60"}, [AUTH]),
    Row("Authorization with must-revalidate is", HIT, {"cache": "max-age=60, must-revalidate"}, [AUTH]),
    Row("what anybody got is for Authorization, too", HIT, {"cache": "max-age=60, public"}, [], [AUTH]),
    # cookies
    Row("a Cookie asks for an explicit answer", ASKED, {"cache": "max-age=60"}, [COOKIE], [COOKIE]),
    Row("which may be public", HIT, {"cache": "max-age=60, public"}, [COOKIE], []),
    Row("or the setting ignores them", HIT, {"cache": "max-age=60"}, [COOKIE], [("Cookie", "id=2")],
        cache={"cookies": "ignore"}),
    Row("or passes them all", ASKED, {"cache": "max-age=60, public"}, [COOKIE], [COOKIE], cache={"cookies": "pass"}),
    # 4.1: Vary
    Row("the same field", HIT, {"cache": "max-age=60", "vary": "Foo"}, [("Foo", "1")], [("Foo", "1")]),
    Row("another field", ASKED, {"cache": "max-age=60", "vary": "Foo"}, [("Foo", "1")], [("Foo", "2")]),
    Row("a missing field", ASKED, {"cache": "max-age=60", "vary": "Foo"}, [("Foo", "1")], []),
    Row("missing both times", HIT, {"cache": "max-age=60", "vary": "Foo"}),
    Row("an empty field is not a missing one", ASKED, {"cache": "max-age=60", "vary": "Foo"}, [("Foo", "")], []),
    Row("one of two fields", ASKED, {"cache": "max-age=60", "vary": "Foo, Bar"}, [("Foo", "1"), ("Bar", "1")],
        [("Foo", "1"), ("Bar", "2")]),
    Row("white space does not count", HIT, {"cache": "max-age=60", "vary": "Foo"}, [("Foo", "1, 2")], [("Foo", "1,2")]),
    Row("lines are joined", HIT, {"cache": "max-age=60", "vary": "Foo"}, [("Foo", "1, 2")], [("Foo", "1"), ("Foo", "2")]),
    Row("Vary: *", ASKED, {"cache": "max-age=60", "vary": "*"}),
    Row("Vary: Foo, *", ASKED, {"cache": "max-age=60", "vary": "Foo, *"}),
    Row("codings in another order", HIT, {"cache": "max-age=60", "vary": "Accept-Encoding"},
        [("Accept-Encoding", "gzip, br")], [("Accept-Encoding", "br;q=0.9,  gzip")]),
    Row("other codings", ASKED, {"cache": "max-age=60", "vary": "Accept-Encoding"}, [("Accept-Encoding", "gzip")],
        [("Accept-Encoding", "identity")]),
    Row("the case of languages", HIT, {"cache": "max-age=60", "vary": "Accept-Language"},
        [("Accept-Language", "en-US")], [("Accept-Language", "en-us")]),
    # 4.2: freshness
    Row("Age counts", ASKED, {"cache": "max-age=60", "headers": (("Age", "60"),)}),
    Row("a smaller Age leaves some", HIT, {"cache": "max-age=60", "headers": (("Age", "30"),)}),
    Row("an old Date counts", ASKED, {"cache": "max-age=60", "headers": (("Date", date(-120)),)}),
    Row("it ends", ASKED, {"cache": "max-age=1"}, wait_s=2.1),
    Row("and is validated by ETag", VALIDATED, {"cache": "max-age=1", "etag": '"a"'}, wait_s=2.1),
    Row("or by Last-Modified", VALIDATED, {"cache": "max-age=1", "modified": date(-1000)}, wait_s=2.1),
    Row("a weak ETag validates", VALIDATED, {"cache": "max-age=1", "etag": 'W/"a"'}, wait_s=2.1),
    # 5.2.1: requests
    Row("request no-cache", ASKED, {"cache": "max-age=60"}, [], [("Cache-Control", "no-cache")]),
    Row("request no-cache validates", VALIDATED, {"cache": "max-age=60", "etag": '"a"'}, [],
        [("Cache-Control", "no-cache")]),
    Row("Pragma: no-cache", ASKED, {"cache": "max-age=60"}, [], [("Pragma", "no-cache")]),
    Row("Pragma does not count beside Cache-Control", HIT, {"cache": "max-age=60"}, [],
        [("Pragma", "no-cache"), ("Cache-Control", "max-stale=1")]),
    Row("request no-store", ASKED, {"cache": "max-age=60"}, [("Cache-Control", "no-store")]),
    Row("request max-age", ASKED, {"cache": "max-age=60", "headers": (("Age", "20"),)}, [],
        [("Cache-Control", "max-age=10")]),
    Row("request min-fresh", ASKED, {"cache": "max-age=60"}, [], [("Cache-Control", "min-fresh=100")]),
    Row("request max-stale", HIT, {"cache": "max-age=60", "headers": (("Age", "70"),)}, [],
        [("Cache-Control", "max-stale=1000")]),
    Row("but not against must-revalidate", ASKED,
        {"cache": "max-age=60, must-revalidate", "headers": (("Age", "70"),)}, [],
        [("Cache-Control", "max-stale=1000")]),
    # RFC 9213
    Row("CDN-Cache-Control beats Cache-Control", HIT,
        {"cache": "no-store", "headers": (("CDN-Cache-Control", "max-age=60"),)}, rfc="9213"),
    Row("and forbids, too", ASKED, {"cache": "max-age=60", "headers": (("CDN-Cache-Control", "no-store"),)}, rfc="9213"),
    Row("what is malformed there is ignored", HIT,
        {"cache": "max-age=60", "headers": (("CDN-Cache-Control", "no-store="),)}, rfc="9213"),
    # keys
    Row("the query counts", ASKED, {"cache": "max-age=60"}, again=[("query", "b=1")]),
    Row("another host is another answer", ASKED, {"cache": "max-age=60"}, again=[("Host", "other.example")]),
    Row("the case of the host is not", HIT, {"cache": "max-age=60"}, [("Host", "Shop.Example")],
        [("Host", "shop.example")]),
    Row("GET answers HEAD", HIT, {"cache": "max-age=60"}, method="HEAD"),
    Row("POST goes to the server", ASKED, {"cache": "max-age=60"}, method="POST"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.rfc}: {row.name}")
def test_rule(row, start_shared, origin_shared):
    page = origin_shared.page(path := f"/row/{ROWS.index(row)}", **row.page)
    proxy = start_shared(row.cache)
    first = proxy.ask(path, "GET", row.ask)
    assert not hit(first) and first.status == page.status, first.head
    time.sleep(row.wait_s)
    query = dict(row.again).get("query")
    fields = [field for field in row.again if field[0] != "query"]
    second = proxy.ask(path + ("?" + query if query else ""), row.method, fields)
    assert second.status == page.status, second.head
    asked = len(origin_shared.seen(path))
    if row.second == HIT:
        assert hit(second) and asked == 1, (second.head, asked)
        assert row.method == "HEAD" or second.body == first.body
        assert int(second.get("Age")) >= 0
    elif row.second == ASKED:
        assert not hit(second) and asked == 2, (second.head, asked)
        assert serial(second) == 2 or query or row.method == "POST" or "Host" in dict(row.again)
    else:
        assert asked == 2 and second.body == first.body and serial(second) == 2, second.head
        conditional = origin_shared.seen(path)[1]
        assert conditional.get("If-None-Match") or conditional.get("If-Modified-Since")
        assert cache_status(second).get("fwd-status") == "304", second.head


@pytest.fixture(scope="module")
def origin_shared():
    with CacheOrigin() as server:
        yield server


@pytest.fixture(scope="module")
def start_shared(io, origin_shared):
    """One Pando for all rows with the same settings."""
    proxies = {}
    with contextlib.ExitStack() as stack:
        def start_it(cache):
            key = json.dumps(cache, sort_keys=True)
            if key not in proxies:
                proxies[key] = stack.enter_context(pando.running(config_of(origin_shared, **cache), io))
            return proxies[key]
        yield start_it
