# SPDX-License-Identifier: Apache-2.0
"""integration/test_cache_purge.py - what `pando purge` takes out of a cache, and what must not survive it."""
import json
import threading

import pytest

import pando
from cache_origin import CacheOrigin, body_serial, cache_status, hit, serial
from pando import until

HOST = "http://x"


@pytest.fixture
def origin():
    with CacheOrigin() as server:
        yield server


@pytest.fixture
def shop(start, origin):
    return start({"services": {"shop": {"targets": [origin.address], "cache": {"memory": "64MiB"}}}})


def ask(proxy, path, *fields):
    return proxy.ask(path, fields=[("Host", "x"), *fields])


def warm(proxy, path, *fields):
    """Asks until it is a hit, so that it is kept for certain."""
    until(lambda: hit(ask(proxy, path, *fields)), f"{path} is kept")


def purge(proxy, *arguments, expected=None, verb="purged"):
    done = proxy.command("purge", *arguments)
    assert done.returncode == 0, done.stderr
    if expected is not None:
        words = "1 answer" if expected == 1 else f"{expected} answers"
        assert done.stdout == f"{verb} {words} of shop\n"
    return done


# --- by URL ---

def test_a_url_is_asked_for_again(shop, origin):
    origin.page("/a", cache="max-age=600")
    origin.page("/ab", cache="max-age=600")
    warm(shop, "/a")
    warm(shop, "/ab")
    purge(shop, f"{HOST}/a", expected=1)
    assert cache_status(ask(shop, "/a"))["fwd"] == "uri-miss"
    assert hit(ask(shop, "/ab")) and origin.count("/a") == 2
    assert shop.status()["services"][0]["cache"]["purged"] == 1
    purge(shop, f"{HOST}/never", expected=0)


def test_the_url_is_written_as_people_write_it(shop, origin):
    origin.page("/", cache="max-age=600")
    for url in ("HTTP://X", "http://x#top", "http://X/#top", "http://x/"):
        warm(shop, "/")
        purge(shop, url, expected=1)


def test_a_url_with_its_variants(shop, origin):
    origin.page("/v", cache="max-age=600", vary="Foo")
    for number in range(5):
        warm(shop, "/v", ("Foo", str(number)))
    purge(shop, f"{HOST}/v", expected=5)
    for number in range(5):
        assert not hit(ask(shop, "/v", ("Foo", str(number))))


def test_several_at_once(shop, origin):
    for path in ("/a", "/b", "/c?d=1&e=%20"):
        origin.page(path.split("?")[0], cache="max-age=600")
        warm(shop, path)
    purge(shop, f"{HOST}/a", f"{HOST}/b", f"{HOST}/c?d=1&e=%20", expected=3)
    assert [hit(ask(shop, path)) for path in ("/a", "/b", "/c?d=1&e=%20")] == [False] * 3


# --- by prefix and tag ---

def test_a_prefix(shop, origin):
    for path in ("/images/1", "/images/2", "/imagination", "/other"):
        origin.page(path, cache="max-age=600", vary="Foo" if path == "/images/2" else "")
        warm(shop, path)
    warm(shop, "/images/2", ("Foo", "1"))
    purge(shop, "--prefix", f"{HOST}/images/", expected=3)
    assert [hit(ask(shop, path)) for path in ("/images/1", "/images/2", "/imagination", "/other")] == \
        [False, False, True, True]


def test_a_prefix_that_is_a_host_ends_there(shop, origin):
    origin.page("/", cache="max-age=600")
    for host in ("x", "x.evil"):
        until(lambda: hit(shop.ask("/", fields=[("Host", host)])), "kept")  # noqa: B023
    purge(shop, "--prefix", HOST, expected=1)
    assert hit(shop.ask("/", fields=[("Host", "x.evil")]))


@pytest.mark.parametrize("name, value", [("Surrogate-Key", "product-1 home"), ("Cache-Tag", "product-1,home")])
def test_a_tag(shop, origin, name, value):
    origin.page("/1", cache="max-age=600", headers=((name, value),))
    origin.page("/2", cache="max-age=600", headers=((name, "product-10"),))
    origin.page("/3", cache="max-age=600", headers=((name, "home"),))
    for path in ("/1", "/2", "/3"):
        warm(shop, path)
    purge(shop, "--tag", "product-1", expected=1)
    assert [hit(ask(shop, path)) for path in ("/1", "/2", "/3")] == [False, True, True]
    purge(shop, "--tag", "product-10", "--tag", "home", expected=3)    # one of them was fetched again


def test_many_answers(shop, origin):
    """More than one step of the walk; the count is exact."""
    count = 3000
    with shop.client() as client:
        for number in range(count):
            client.ask(f"/n/{number}?cache=max-age%3D600&bytes=10", "GET", [("Host", "x")])
    kept = shop.status()["services"][0]["cache"]["entries"]
    assert kept == count
    purge(shop, "--prefix", f"{HOST}/n/", expected=count)
    assert shop.status()["services"][0]["cache"]["entries"] == 0


# --- soft ---

@pytest.mark.parametrize("how", [[f"{HOST}/s"], ["--prefix", f"{HOST}/s"], ["--tag", "s"]])
def test_softly_the_server_is_asked_whether_it_holds(shop, origin, how):
    origin.page("/s", cache="max-age=600", etag='"1"', headers=(("Cache-Tag", "s"),))
    warm(shop, "/s")
    purge(shop, "--soft", *how, expected=1, verb="made stale")
    answer = ask(shop, "/s")
    assert cache_status(answer)["fwd"] == "stale" and cache_status(answer)["fwd-status"] == "304"
    assert body_serial(answer) == 1 and serial(answer) == 2
    assert hit(ask(shop, "/s")), "what was found to hold is fresh"


def test_softly_variants_too(shop, origin):
    origin.page("/v", cache="max-age=600", vary="Foo", etag='"1"')
    for number in range(3):
        warm(shop, "/v", ("Foo", str(number)))
    purge(shop, "--soft", f"{HOST}/v", expected=3, verb="made stale")
    for number in range(3):
        assert cache_status(ask(shop, "/v", ("Foo", str(number))))["fwd-status"] == "304"


def test_what_was_purged_softly_stands_in_for_a_server_that_fails(shop, origin):
    page = origin.page("/s", cache="max-age=600, stale-if-error=600", etag='"1"')
    warm(shop, "/s")
    purge(shop, "--soft", f"{HOST}/s", expected=1, verb="made stale")
    page.status = 503
    assert ask(shop, "/s").status == 200
    purge(shop, f"{HOST}/s", expected=1)
    assert ask(shop, "/s").status == 503


# --- what is on its way ---

PURGES = [[f"{HOST}/g"], ["--prefix", f"{HOST}/"], ["--tag", "t"]]


@pytest.mark.parametrize("how", PURGES)
@pytest.mark.parametrize("vary", ["", "Foo"])
@pytest.mark.parametrize("gate, size", [("before", 100), ("before", 500_000), ("middle", 500_000)])
def test_what_was_asked_for_before_the_purge_is_not_kept(shop, origin, how, vary, gate, size):
    """The server's old answer comes after the purge."""
    held = threading.Event()
    page = origin.page("/g", cache="max-age=600", bytes=size, vary=vary, headers=(("Cache-Tag", "t"),))
    warm(shop, "/g")
    purge(shop, f"{HOST}/g")
    asked = origin.count("/g")
    setattr(page, gate, held)
    answers = []
    first = threading.Thread(target=lambda: answers.append(ask(shop, "/g")))
    first.start()
    until(lambda: origin.count("/g") == asked + 1, "the server is asked")
    if gate == "middle":    # the first half is there, so that its head has come
        until(lambda: shop.metric("pando_cache_pinned_bytes") > 0, "the answer grows")
    purge(shop, *how)
    setattr(page, gate, None)
    # Must not be given what is on its way; by which tags that goes is only known when it comes.
    later = threading.Thread(target=lambda: answers.append(ask(shop, "/g")))
    later.start()
    if how[0] != "--tag":
        later.join()
        assert serial(answers.pop()) == asked + 2
    held.set()
    first.join()
    later.join()
    assert sorted(map(serial, answers)) == [asked + 1, asked + 2][:len(answers)]
    answers.sort(key=serial)
    assert answers[0].status == 200 and serial(answers[0]) == asked + 1
    assert serial(ask(shop, "/g")) >= asked + 2
    until(lambda: shop.metric("pando_cache_pinned_bytes") == 0, "all is settled")
    assert serial(ask(shop, "/g")) >= asked + 2


def test_a_rule_does_not_mean_what_comes_after_it(shop, origin):
    origin.page("/a", cache="max-age=600", headers=(("Cache-Tag", "t"),))
    held = threading.Event()
    origin.page("/slow", cache="max-age=600", before=held)
    slow = threading.Thread(target=lambda: ask(shop, "/slow"))
    slow.start()
    until(lambda: origin.count("/slow") == 1, "a fetch keeps the rules")
    for _ in range(5):
        warm(shop, "/a")
        purge(shop, "--tag", "t", expected=1)
        warm(shop, "/a")
        assert hit(ask(shop, "/a"))
    held.set()
    slow.join()
    warm(shop, "/slow")


def test_more_rules_than_there_are_places(shop, origin):
    """A fetch that does not end keeps no purge from being made."""
    held = threading.Event()
    origin.page("/slow", cache="max-age=600", before=held)
    slow = threading.Thread(target=lambda: ask(shop, "/slow"))
    slow.start()
    until(lambda: origin.count("/slow") == 1, "a fetch keeps the rules")
    urls = [f"{HOST}/{number}" for number in range(60)]
    for _ in range(6):
        purge(shop, *urls, expected=0)
    held.set()
    slow.join()


def test_purges_under_load(shop, origin):
    """After a purge has ended, nobody is given what was there before it."""
    page = origin.page("/n", cache="max-age=600", headers=(("Cache-Tag", "t"),), delay_ms=2)
    ended = threading.Event()
    lowest = [0]
    wrong = []

    def crowd():
        with shop.client() as client:
            while not ended.is_set():
                least = lowest[0]
                answer = client.ask("/n", "GET", [("Host", "x")])
                if int(answer.get("X-Version")) < least:
                    wrong.append((least, answer.head))

    def headers(version):
        return (("Cache-Tag", "t"), ("X-Version", str(version)))

    page.headers = headers(0)
    threads = [threading.Thread(target=crowd) for _ in range(4)]
    for thread in threads:
        thread.start()
    for version in range(1, 25):
        page.headers = headers(version)
        purge(shop, *PURGES[version % 3][:-1], PURGES[version % 3][-1].replace("/g", "/n"))
        lowest[0] = version
    ended.set()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[0]


# --- what one is told ---

def test_mistakes(shop, origin):
    for arguments, words in (([], "what is to be purged?"), (["x/cart"], "begins with http://"),
                             (["http://"], "begins with http://"), (["--tag", "a b"], "no spaces"),
                             (["http://x/a b"], "%XX"), ([f"{HOST}/{'a' * 7000}"], "too much for one command")):
        done = shop.command("purge", *arguments)
        assert done.returncode == 2 and words in done.stderr, (arguments, done)
        assert done.stdout == ""
    done = shop.command("purge", f"{HOST}/a", "--service", "shp")
    assert done.returncode == 1 and "shp: there is no service of that name that has a cache" in done.stderr


def test_without_a_cache(start, origin):
    proxy = start({"services": {"shop": {"targets": [origin.address]}}})
    done = proxy.command("purge", f"{HOST}/a")
    assert done.returncode == 1 and "no service has a cache" in done.stderr


def test_services_and_json(start, origin):
    both = {name: {"targets": [origin.address], "match": {"path": f"/{name}"}, "cache": {"memory": "4MiB"}}
            for name in ("one", "two")}
    proxy = start({"services": both})
    origin.page("/one", cache="max-age=600", headers=(("Cache-Tag", "t"),))
    origin.page("/two", cache="max-age=600", headers=(("Cache-Tag", "t"),))
    warm(proxy, "/one")
    warm(proxy, "/two")
    done = proxy.command("purge", "--tag", "t", "--service", "two", "--json")
    answer = json.loads(done.stdout)
    assert answer["done"] and answer["purged"] == 1 and answer["services"] == [{"name": "two", "purged": 1}]
    assert hit(ask(proxy, "/one")) and not hit(ask(proxy, "/two"))
    done = proxy.command("purge", "--tag", "t")
    assert done.stdout == "purged 1 answer of one\npurged 1 answer of two\n"


def test_the_listener_only_shows(shop):
    assert shop.admin("/control/purge?tag=a").status == 404
    assert shop.admin("/control/explain?url=http://x/").status == 404


def test_a_reload_that_takes_the_cache_away(shop, origin):
    origin.page("/a", cache="max-age=600")
    warm(shop, "/a")
    purge(shop, "--prefix", HOST, expected=1)
    assert shop.reload({"services": {"shop": {"targets": [origin.address]}}}).returncode == 0
    assert shop.command("purge", "--prefix", HOST).returncode == 1
    config = {"services": {"shop": {"targets": [origin.address], "cache": {"memory": "64MiB", "policy": "lru"}}}}
    assert shop.reload(config).returncode == 0
    warm(shop, "/a")
    purge(shop, "--prefix", HOST, expected=1)
    assert pando.command("purge", "--control", shop.control, f"{HOST}/a").returncode == 0
