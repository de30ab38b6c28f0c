# SPDX-License-Identifier: Apache-2.0
"""integration/test_cache_seen.py - what people are told of a cache: metrics, status, the page, `pando explain`."""
import json
import re
import time

import pytest

from cache_origin import CacheOrigin, cache_status, hit
from pando import until

HOST = "http://x"


@pytest.fixture
def origin():
    with CacheOrigin() as server:
        yield server


@pytest.fixture
def shop(start, origin):
    return start({"services": {
        "shop": {"targets": [origin.address], "cache": {"memory": "64MiB"}},
        "plain": {"targets": [origin.address], "match": {"path": "/plain"}}}})


def ask(proxy, path, *fields, method="GET"):
    return proxy.ask(path, method, fields=[("Host", "x"), *fields])


def warm(proxy, path, *fields):
    until(lambda: hit(ask(proxy, path, *fields)), f"{path} is kept")


def cache_of(proxy, name="shop"):
    return next(one for one in proxy.status()["services"] if one["name"] == name)["cache"]


# --- figures ---

def test_figures(shop, origin):
    origin.page("/a", cache="max-age=600", bytes=1000)
    for _ in range(10):
        ask(shop, "/a")
    ask(shop, "/b?cache=no-store")
    ask(shop, "/a", method="POST")    # which makes it invalid
    cache = cache_of(shop)
    assert (cache["hits"], cache["misses"], cache["requests"], cache["collapsed"]) == (9, 2, 11, 0)
    assert cache["passed"] == 1 and cache["invalidated"] == 1 and cache["not_stored"] == 1
    assert cache["hit_ratio"] == pytest.approx(9 / 11, abs=1e-3)
    assert cache["spared_requests"] == 9 and cache["spared_bytes"] == 9000
    assert cache["spared_ratio"] == pytest.approx(9 / 12, abs=1e-3)
    assert cache["limit_bytes"] == 64 << 20 and 0 < cache["used_bytes"] < 64 << 20
    assert cache["policy"] == "s3-fifo" and cache["disk"] is None
    assert cache_of(shop, "plain") is None


def test_metrics_say_the_same(shop, origin):
    origin.page("/a", cache="max-age=600", headers=(("Age", "100"),))
    for _ in range(10):
        ask(shop, "/a")
    cache, metrics = cache_of(shop), shop.metrics()
    assert metrics['pando_cache_hits_total{service="shop"}'] == 9
    assert 900 <= metrics['pando_cache_hit_age_seconds_total{service="shop"}'] < 1000
    assert 100 <= cache["mean_age_s"] < 110
    assert metrics['pando_cache_entries{service="shop"}'] == 1
    counted = 0
    for sample, value in metrics.items():
        found = re.fullmatch(r'pando_cache_(\w+?)(?:_total)?\{service="shop"\}', sample)
        if found and found.group(1) != "used_bytes":
            assert cache[found.group(1)] == value, sample
            counted += 1
    assert counted > 25
    assert not any("pando_cache" in sample and "plain" in sample for sample in metrics)


def test_a_second_asker_spares_the_server_a_request(shop, origin):
    import threading
    gate = threading.Event()
    origin.page("/g", cache="max-age=600", before=gate, bytes=5000)
    threads = [threading.Thread(target=ask, args=(shop, "/g")) for _ in range(8)]
    for thread in threads:
        thread.start()
    until(lambda: origin.count("/g") == 1, "the server is asked")
    time.sleep(0.3)    # the others have come by then, or it would be a hit
    gate.set()
    for thread in threads:
        thread.join()
    cache = cache_of(shop)
    assert cache["hits"] + cache["collapsed"] == 7 == cache["spared_requests"]
    assert cache["spared_bytes"] == 7 * 5000 and origin.count("/g") == 1


def test_status_is_one_line(shop, origin):
    origin.page("/a", cache="max-age=600", bytes=1000)
    for _ in range(10):
        ask(shop, "/a")
    lines = [line for line in shop.command("status").stdout.splitlines() if " cache " in line]
    assert len(lines) == 1, lines
    assert re.fullmatch(r"  cache 90 % hits \(9 of 10\), [\d.]+ [KM]iB of 64.0 MiB, 1 entries, "
                        r"servers were spared 9 requests and 8.8 KiB", lines[0]), lines[0]


def test_the_page(shop, origin):
    origin.page("/a", cache="max-age=600", bytes=1000)
    assert shop.admin("/").text.count("<h3>cache</h3>") == 1
    assert "no requests yet" in shop.admin("/").text
    for _ in range(10):
        ask(shop, "/a")
    page = shop.admin("/").text
    assert "<b>90.0 %</b> hits" in page and "servers were spared <b>9</b> requests (90 %)" in page


# --- explain ---

def explain(proxy, path, *arguments):
    done = proxy.command("explain", f"{HOST}{path}", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def said(proxy, path, *arguments):
    done = proxy.command("explain", f"{HOST}{path}", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_explaining_changes_nothing(shop, origin):
    origin.page("/a", cache="max-age=600, public", bytes=1234, etag='"1"', headers=(("Cache-Tag", "a, b"),))
    assert explain(shop, "/a")["expected"] == "miss" and origin.count("/a") == 0
    assert "no answer to this URL is kept" in said(shop, "/a")
    ask(shop, "/a")
    before = cache_of(shop)
    x = explain(shop, "/a")
    assert x["service"] == "shop" and x["expected"] == "hit" and x["key"] == f"{HOST}/a" and x["vary"] is None
    kept = x["kept"]
    assert kept["status"] == 200 and kept["bytes"] == 1234 and kept["tags"] == 2 and kept["etag"] == '"1"'
    assert kept["cache_control"] == "max-age=600, public" and kept["lifetime_s"] == 600
    assert 590 < kept["ttl_s"] <= 600 and kept["age_s"] < 10
    text = said(shop, "/a")
    assert text.startswith("shop: hit, the cache answers\n") and "max-age=600, public" in text
    after = cache_of(shop)
    assert (before["hits"], before["misses"]) == (after["hits"], after["misses"])


@pytest.mark.parametrize("why, page, fields", [
    ("no-store", {"cache": "no-store"}, []), ("private", {"cache": "private, max-age=9"}, []),
    ("set-cookie", {"cache": "max-age=9", "headers": (("Set-Cookie", "a=b"),)}, []),
    ("cookie", {"cache": "max-age=9"}, [("Cookie", "a=b")]),
    ("authorization", {"cache": "max-age=9"}, [("Authorization", "Basic YTpi")]),
    ("vary-any", {"cache": "max-age=9", "vary": "*"}, []), ("no-lifetime", {"cache": "public"}, []),
    ("no-lifetime", {"cache": "", "status": 500}, []), ("large", {"cache": "max-age=9", "bytes": 60 << 20}, []),
], ids=lambda value: value if isinstance(value, str) else "")
def test_an_answer_that_is_not_kept_says_why(shop, origin, why, page, fields):
    origin.page("/a", **page)
    status = cache_status(ask(shop, "/a", *fields))
    assert status.get("detail") == why and "stored" not in status and status["fwd"] == "uri-miss", status


# What explain says must be what Cache-Status says of the same request right after it.
REQUESTS = [
    ("GET", []), ("HEAD", []), ("POST", []), ("GET", [("Cache-Control", "no-cache")]),
    ("GET", [("Cache-Control", "no-store")]), ("GET", [("Cache-Control", "only-if-cached")]),
    ("GET", [("Cookie", "a=b")]), ("GET", [("Authorization", "Basic YTpi")]), ("GET", [("If-Match", '"1"')]),
    ("GET", [("X-Original-URL", "/b")]), ("GET", [("Foo", "1")]), ("GET", [("Cache-Control", "max-age=0")]),
]
PAGES = {
    "fresh": {"cache": "max-age=600"},
    "fresh, for all": {"cache": "max-age=600, public", "etag": '"1"'},
    "stale": {"cache": "max-age=10", "headers": (("Age", "20"),), "etag": '"1"'},
    "stale, used meanwhile": {"cache": "max-age=10, stale-while-revalidate=600", "headers": (("Age", "20"),)},
    "varies": {"cache": "max-age=600", "vary": "Foo"},
    "not kept": {"cache": "no-store"},
    "bypassed": {"cache": "max-age=600"},
}
EXPECTED = {"hit": lambda status: status.get("hit") is True,
            "revalidate": lambda status: status.get("fwd") in ("stale", "request"),
            "miss": lambda status: status.get("fwd") in ("uri-miss", "vary-miss"),
            "pass": lambda status: "fwd" in status and "hit" not in status and "stored" not in status,
            "refuse": lambda status: "fwd" in status}


@pytest.mark.parametrize("name", PAGES)
def test_explain_is_right(start, origin, name):
    shop = start({"services": {"shop": {"targets": [origin.address],
                                        "cache": {"memory": "64MiB", "rules": [{"path": "/no", "bypass": True}]}}}})
    for number, (method, fields) in enumerate(REQUESTS):
        path = f"/no/{number}" if name == "bypassed" else f"/{number}"
        origin.page(path, **PAGES[name])
        for known in (False, True):    # nothing is known; the last answer was
            if known:
                ask(shop, path)
            x = explain(shop, path, "--method", method, *[word for field in fields
                                                          for word in ("-H", f"{field[0]}: {field[1]}")])
            answer = ask(shop, path, *fields, method=method)
            status = cache_status(answer)
            assert EXPECTED[x["expected"]](status), (name, method, fields, known, x, answer.head)
            if x["forward"] is not None:
                assert status.get("fwd") == x["forward"], (name, method, fields, known, x, answer.head)
            assert x["why"], x


def test_explain_variants(shop, origin):
    origin.page("/v", cache="max-age=600", vary="Foo, Accept-Encoding")
    warm(shop, "/v", ("Foo", "1"))
    one, two = explain(shop, "/v", "-H", "Foo: 1"), explain(shop, "/v", "--header", "Foo: 2")
    assert one["expected"] == "hit" and two["expected"] == "miss" and two["forward"] == "vary-miss"
    assert one["vary"]["names"] == "accept-encoding,foo"
    assert one["vary"]["variant"] != two["vary"]["variant"]
    assert "varies by      accept-encoding,foo; this is variant" in said(shop, "/v")


def test_explain_a_sign(shop, origin):
    origin.page("/p", cache="private")
    ask(shop, "/p")
    x = explain(shop, "/p")
    assert x["expected"] == "pass" and 100 < x["passes"]["for_s"] <= 120 and len(x["passes"]["for"]) == 4
    assert "all requests" in said(shop, "/p") and "was not to be kept" in said(shop, "/p")


def test_explain_what_was_purged(shop, origin):
    origin.page("/a", cache="max-age=600", etag='"1"')
    warm(shop, "/a")
    assert shop.command("purge", "--soft", f"{HOST}/a").returncode == 0
    x = explain(shop, "/a")
    assert x["expected"] == "revalidate" and x["kept"]["purged_softly"] and "purged softly" in said(shop, "/a")
    assert shop.command("purge", f"{HOST}/a").returncode == 0
    assert explain(shop, "/a")["expected"] == "miss"


def test_explain_without_a_cache_or_a_service(start, origin):
    proxy = start({"services": {"shop": {"targets": [origin.address], "match": {"host": "x"}}}})
    assert said(proxy, "/") == "shop: every request goes to a server, as the service has no cache\n"
    done = proxy.command("explain", "http://other/")
    assert done.returncode == 0 and done.stdout.startswith("no service: the request is answered with 404")


def test_explain_mistakes(shop):
    for arguments, words in (([], "which URL?"), (["/a"], "begins with http://"),
                             ([f"{HOST}/", "-H", "nonsense"], "'Name: value'"),
                             ([f"{HOST}/", "-H", "a b: c"], "as a request"),
                             ([f"{HOST}/", "--method", "G T"], "method")):
        done = shop.command("explain", *arguments)
        assert done.returncode == 2 and words in done.stderr and done.stdout == "", (arguments, done)
