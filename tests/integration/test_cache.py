# SPDX-License-Identifier: Apache-2.0
"""integration/test_cache.py - what the cache keeps, uses, asks for and says: one row for each rule.

The pure rules have their own tables (src/cache/rules); here a real server is behind a real Pando, and what counts is
whether it is asked.
"""
import contextlib
import email.utils
import json
import os
import signal
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
    Row("no guess where Last-Modified is now", VALIDATED, {"modified": date(3600)}, wait_s=1.1),
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
def test_rule(row, io, start_shared, origin_shared):
    page = origin_shared.page(path := f"/{io}/row/{ROWS.index(row)}", **row.page)
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


# --- what is used though it is old ---

def test_stale_while_revalidate(start, origin):
    """The old answer at once, the new one fetched behind it, once."""
    page = origin.page("/swr", cache="max-age=1, stale-while-revalidate=60")
    proxy = start(config_of(origin))
    proxy.ask("/swr")
    time.sleep(2.1)
    page.before = threading.Event()
    for _ in range(3):
        answer = proxy.ask("/swr")
        assert hit(answer) and serial(answer) == 1 and int(cache_status(answer)["ttl"]) < 0
    until(lambda: origin.count("/swr") == 2, "one fetch behind it")
    page.before.set()
    until(lambda: serial(proxy.ask("/swr")) == 2, "then there is the new one")
    assert origin.count("/swr") == 2


@pytest.mark.parametrize("how", ["header", "setting"])
@pytest.mark.parametrize("error", ["status", "gone"])
def test_stale_if_error(start, origin, how, error):
    """Where no server gives a good answer, an old one is better than none; must-revalidate forbids it."""
    said = ", stale-if-error=60" if how == "header" else ""
    page = origin.page("/sie", cache="max-age=1" + said)
    strict = origin.page("/strict", cache="max-age=1, must-revalidate" + said)
    proxy = start(config_of(origin, **({"stale-if-error": "60s"} if how == "setting" else {})))
    for path in ("/sie", "/strict"):
        proxy.ask(path)
    time.sleep(2.1)
    if error == "status":
        page.status = strict.status = 503
    else:
        origin.stop()
    for _ in range(2):
        answer = proxy.ask("/sie")
        assert answer.status == 200 and serial(answer) == 1, answer.head
        assert cache_status(answer)["fwd"] == "stale" and int(answer.get("Age")) >= 2
    assert proxy.ask("/strict").status >= 500
    assert proxy.metric("pando_cache_hits_on_error_total") == 2


# --- validation ---

def test_304_renews_the_head_and_keeps_the_body(start, origin):
    page = origin.page("/v", cache="max-age=1", etag='"a"', headers=(("X-Old", "1"), ("X-New", "1")), bytes=9000)
    proxy = start(config_of(origin))
    first = proxy.ask("/v")
    time.sleep(2.1)
    page.cache, page.headers = "max-age=60", (("X-New", "2"),)
    second, third = proxy.ask("/v"), proxy.ask("/v")
    for answer in (second, third):
        assert answer.get("X-Old") == "1" and answer.get("X-New") == "2" and answer.body == first.body
        assert serial(answer) == 2 and body_serial(answer) == 1
    assert hit(third) and not hit(second) and origin.count("/v") == 2


def test_a_new_answer_takes_the_old_ones_place(start, origin):
    page = origin.page("/new", cache="max-age=1", etag='"a"')
    proxy = start(config_of(origin))
    proxy.ask("/new")
    time.sleep(2.1)
    page.etag, page.cache = '"b"', "max-age=60"
    second = proxy.ask("/new")
    assert serial(second) == 2 == body_serial(second) and second.get("ETag") == '"b"'
    assert hit(proxy.ask("/new"))


CONDITIONS = [
    ("If-None-Match", '"a"', 304), ("If-None-Match", 'W/"a"', 304), ("If-None-Match", '"b", "a"', 304),
    ("If-None-Match", "*", 304), ("If-None-Match", '"b"', 200), ("If-Modified-Since", date(0), 304),
    ("If-Modified-Since", date(-100000), 200), ("If-Modified-Since", "yesterday", 200),
]


@pytest.mark.parametrize("number", range(len(CONDITIONS)))
def test_clients_conditions_are_answered_here(io, start_shared, origin_shared, number):
    page = f"/{io}/condition/{number}"
    name, value, status = CONDITIONS[number]
    origin_shared.page(page, cache="max-age=60", etag='"a"', modified=date(-50000))
    proxy = start_shared({})
    proxy.ask(page)
    answer = proxy.ask(page, fields=[(name, value)])
    assert answer.status == status and hit(answer), answer.head
    assert answer.get("ETag") == '"a"' and (answer.body == b"") == (status == 304)
    assert len(origin_shared.seen(page)) == 1


def test_an_answer_without_validator_is_given_one(start, origin):
    """From the second time on, when its body is known; it stays the same as long as the body does."""
    origin.page("/plain", cache="max-age=60", bytes=50_000)
    proxy = start(config_of(origin))
    proxy.ask("/plain")
    etag = proxy.ask("/plain").get("ETag")
    assert etag and not etag.startswith("W/")
    answer = proxy.ask("/plain", fields=[("If-None-Match", etag)])
    assert answer.status == 304 and answer.get("ETag") == etag and origin.count("/plain") == 1


# --- methods ---

@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "FOO"])
def test_unsafe_methods_invalidate(io, start_shared, origin_shared, method):
    """The URL itself, and what Location and Content-Location name of the same host."""
    base = f"/{io}/unsafe/{method}"
    for name in ("", "/l", "/c"):
        origin_shared.page(base + name, cache="max-age=60")
    page = origin_shared.pages[base]
    proxy = start_shared({})
    for name in ("", "/l", "/c"):
        proxy.ask(base + name)
        assert hit(proxy.ask(base + name))
    page.status = 500
    proxy.ask(base, method)
    assert hit(proxy.ask(base)), "an error has changed nothing"
    page.status, page.headers = 201, (("Location", base + "/l"), ("Content-Location", "c"))
    proxy.ask(base, method)
    page.status, page.headers = 200, ()
    for name in ("", "/l"):
        assert not hit(proxy.ask(base + name)), name


def test_what_was_fetched_before_a_change_is_not_kept(start, origin):
    """A POST is answered while a GET of the same URL is still under way: its answer may be the old state."""
    page = origin.page("/race", cache="max-age=60", before=threading.Event())
    proxy = start(config_of(origin))
    with proxy.client() as slow:
        slow.send(raw.request("/race"))
        origin.wait_for("/race")
        gate, page.before = page.before, None
        assert proxy.ask("/race", "POST").status == 200
        gate.set()
        assert slow.answer().status == 200
    assert not hit(proxy.ask("/race")), "the GET was asked before the POST"


# --- ranges ---

WHOLE = bytes(range(256)) * 400      # 102,400 bytes


def serve_ranges(seen, etag='"r"'):
    def answer(exchange):
        asked = exchange.request.get("Range")
        seen.append(asked)
        head = [("Cache-Control", "max-age=60"), ("ETag", etag), ("Date", date(0))]
        if asked is None:
            exchange.answer(200, head, WHOLE)
            return
        first, _, last = asked.removeprefix("bytes=").partition("-")
        first, last = (len(WHOLE) - int(last), len(WHOLE) - 1) if not first else \
            (int(first), min(int(last or len(WHOLE)), len(WHOLE) - 1))
        exchange.answer(206, [*head, ("Content-Range", f"bytes {first}-{last}/{len(WHOLE)}")], WHOLE[first:last + 1])
    return answer


def ask_range(proxy, path, text):
    answer = proxy.ask(path, fields=[("Range", f"bytes={text}")])
    assert answer.status == 206, answer.head
    first, last = map(int, answer.get("Content-Range").removeprefix("bytes ").split("/")[0].split("-"))
    assert answer.body == WHOLE[first:last + 1]
    return answer


def test_ranges_of_a_whole_answer(start, origin):
    origin.on("/whole", serve_ranges(seen := []))
    proxy = start(config_of(origin))
    assert proxy.ask("/whole").body == WHOLE
    for text in ("0-0", "100-199", "102399-", "-5", "50000-999999"):
        assert hit(ask_range(proxy, "/whole", text))
    beyond = proxy.ask("/whole", fields=[("Range", "bytes=102400-")])
    assert beyond.status == 416 and beyond.get("Content-Range") == "bytes */102400"
    for ignored in ("bytes=5-1", "lines=1-2", "bytes=a-b", "bytes=0-1,5-6"):
        answer = proxy.ask("/whole", fields=[("Range", ignored)])
        assert answer.status == 200 and answer.body == WHOLE and hit(answer)
    assert proxy.ask("/whole", fields=[("Range", "bytes=0-1"), ("If-Range", '"other"')]).status == 200
    assert proxy.ask("/whole", fields=[("Range", "bytes=0-1"), ("If-Range", '"r"')]).status == 206
    assert seen == [None]


def test_parts_are_kept_and_put_together(start, origin):
    origin.on("/parts", serve_ranges(seen := []))
    proxy = start(config_of(origin))
    assert not hit(ask_range(proxy, "/parts", "1000-1999"))
    assert hit(ask_range(proxy, "/parts", "1200-1299")) and hit(ask_range(proxy, "/parts", "1000-1999"))
    assert not hit(ask_range(proxy, "/parts", "1900-60000"))
    assert hit(ask_range(proxy, "/parts", "1000-60000")), "they overlap, so they are one"
    assert not hit(ask_range(proxy, "/parts", "0-999"))
    assert not hit(ask_range(proxy, "/parts", "60001-"))
    assert len(seen) == 4
    answer = proxy.ask("/parts")
    assert hit(answer) and answer.status == 200 and answer.body == WHOLE and len(seen) == 4, "all of it is there"


def test_parts_of_different_states_are_not_put_together(start, origin):
    origin.on("/states", serve_ranges([]))
    proxy = start(config_of(origin))
    ask_range(proxy, "/states", "0-999")
    origin.on("/states", serve_ranges(seen := [], etag='"new"'))
    ask_range(proxy, "/states", "1000-1999")
    assert not hit(ask_range(proxy, "/states", "500-1500")) and len(seen) == 2


def test_a_part_does_not_answer_for_all(start, origin):
    origin.on("/some", serve_ranges(seen := []))
    proxy = start(config_of(origin))
    ask_range(proxy, "/some", "0-9")
    answer = proxy.ask("/some")
    assert answer.status == 200 and answer.body == WHOLE and seen == ["bytes=0-9", None]


# --- variants ---

def test_variants_of_a_url_are_bounded(start, origin):
    """The oldest makes room; the others stay."""
    origin.page("/many", cache="max-age=60", vary="X-Kind")
    proxy = start(config_of(origin, variants=4))
    for number in range(6):
        assert not hit(proxy.ask("/many", fields=[("X-Kind", str(number))]))
    hits = [hit(proxy.ask("/many", fields=[("X-Kind", str(number))])) for number in (5, 4, 3, 2)]
    assert hits == [True] * 4
    assert not hit(proxy.ask("/many", fields=[("X-Kind", "0")]))


def test_names_of_vary_add_up(start, origin):
    """Two answers that vary by different fields: both fields count from then on, and nobody gets the wrong one."""
    page = origin.page("/names", cache="max-age=60", vary="A")
    proxy = start(config_of(origin))
    proxy.ask("/names", fields=[("A", "1"), ("B", "1")])
    page.vary = "B"
    second = proxy.ask("/names", fields=[("A", "2"), ("B", "2")])
    assert serial(second) == 2
    assert serial(proxy.ask("/names", fields=[("A", "2"), ("B", "1")])) == 3
    assert hit(proxy.ask("/names", fields=[("A", "2"), ("B", "2")]))


# --- for browsers ---

def test_rules_for_browsers_and_edges(start, origin):
    origin.page("/static/x", cache="max-age=5, public")
    origin.page("/other", cache="max-age=5")
    origin.page("/never", cache="max-age=60")
    proxy = start(config_of(origin, rules=[{"path": "/static", "browser-for": "1h", "edge-for": "1d"},
                                           {"path": "/never", "bypass": True}]))
    for _ in range(2):
        answer = proxy.ask("/static/x")
        assert answer.get("Cache-Control") == "max-age=3600", answer.head
        assert proxy.ask("/other").get("Cache-Control") == "max-age=5"
        assert not hit(proxy.ask("/never"))
    assert int(cache_status(answer)["ttl"]) > 80000 and origin.count("/never") == 2


def test_only_if_cached(start, origin):
    origin.page("/only", cache="max-age=60")
    proxy = start(config_of(origin))
    fields = [("Cache-Control", "only-if-cached")]
    assert proxy.ask("/only", fields=fields).status == 504 and origin.count("/only") == 0
    proxy.ask("/only")
    assert hit(proxy.ask("/only", fields=fields))


def test_a_reload_keeps_what_is_cached(start, origin):
    origin.page("/kept", cache="max-age=60")
    proxy = start(config_of(origin))
    proxy.ask("/kept")
    assert proxy.reload(config_of(origin, memory="32MiB", **{"negative-for": "5s"})).returncode == 0
    assert hit(proxy.ask("/kept"))


def test_what_is_stale_is_used_while_no_server_can_be_reached(start, origin):
    """By preset, for an hour; a server that answers with an error is reached."""
    page = origin.page("/cut", cache="max-age=1", etag='"a"')
    proxy = start(config_of(origin))
    proxy.ask("/cut")
    time.sleep(2.1)
    page.status, page.cache = 503, ""
    assert proxy.ask("/cut").status == 503
    origin.stop()
    answer = proxy.ask("/cut")
    assert answer.status == 200 and serial(answer) == 1 and int(answer.get("Age")) >= 2


def test_a_304_about_something_else_is_not_passed_on(start, origin):
    """RFC 9111 4.3.4: it freshens nothing; and a client that asked without conditions never sees it."""
    page = origin.page("/odd", cache="max-age=1", etag='"a"')
    proxy = start(config_of(origin))
    proxy.ask("/odd")
    time.sleep(2.1)
    def other(exchange):
        if exchange.request.get("If-None-Match"):
            exchange.answer(304, [("ETag", '"b"'), ("Cache-Control", "max-age=60")])
        else:
            exchange.answer(200, [("ETag", '"b"'), ("Cache-Control", "max-age=60")], b"new")
    page.status = 200
    origin.on("/odd", other)
    answer = proxy.ask("/odd")
    assert answer.status == 200 and answer.body == b"new"


@pytest.mark.parametrize("how", ["clean", "killed"])
def test_a_restart_keeps_the_cache_warm(start, origin, how):
    """A clean stop writes what is kept, variants, parts and all; a crash may lose it, and brings nothing back."""
    origin.page("/small", cache="max-age=600", bytes=100)
    origin.page("/large", cache="max-age=600", bytes=3_000_000, chunk=50_000)
    origin.page("/varies", cache="max-age=600", vary="Accept-Language")
    origin.page("/gone", cache="max-age=600")
    origin.on("/part", serve_ranges(seen := []))
    language = [("Accept-Language", "de")]
    proxy = start(config_of(origin), may_die=True)
    bodies = {path: proxy.ask(path, fields=language).body for path in ("/small", "/large", "/varies", "/gone")}
    ask_range(proxy, "/part", "100-5000")
    assert proxy.ask("/gone", "DELETE").status == 200
    if how == "killed":
        os.kill(proxy.server_pid(), signal.SIGKILL)
        until(lambda: proxy.ask("/small").status == 200, "the supervisor has started it anew")
        assert not hit(proxy.ask("/large")), "nothing was written"
        return
    restart(proxy)
    for path in ("/small", "/large", "/varies"):
        answer = proxy.ask(path, fields=language)
        assert hit(answer) and answer.body == bodies[path], path
    assert hit(ask_range(proxy, "/part", "200-300")) and not hit(proxy.ask("/gone"))
    assert not hit(proxy.ask("/varies", fields=[("Accept-Language", "fr")]))
    assert not list((proxy.folder / "data" / "cache").glob("*.snapshot")), "it is used up"
    assert "the cache was read back" in proxy.stderr


def test_an_upgrade_leaves_nothing_that_comes_back(start, origin):
    """SIGUSR2: the old server ends after the new one has begun, and what it had may be out of date by then."""
    origin.page("/a", cache="max-age=600")
    proxy = start(config_of(origin), may_die=True)
    proxy.ask("/a")
    before = proxy.server_pid()
    proxy.signal(signal.SIGUSR2)
    until(lambda: before not in proxy.server_pids() and proxy.server_pids(), "the old server has ended")
    assert proxy.ask("/a", "DELETE").status == 200
    assert not list((proxy.folder / "data" / "cache").glob("*.snapshot"))
    os.kill(proxy.server_pid(), signal.SIGKILL)
    until(lambda: before not in proxy.server_pids() and proxy.server_pids(), "there is a new one")
    until(lambda: answers(proxy), "it answers")
    assert not hit(proxy.ask("/a"))


def answers(proxy):
    try:
        return proxy.ask("/b").status == 200
    except (OSError, raw.Ended):
        return False


def restart(proxy):
    """SIGTERM, and the same configuration again in the same folder."""
    proxy.signal(signal.SIGTERM)
    assert proxy.process.wait(pando.PATIENCE_S) == 0
    proxy.was_told_to_end = False
    proxy.start()
