# SPDX-License-Identifier: Apache-2.0
"""integration/test_cache_disk.py - the cache's second tier: more is kept than fits into memory, over restarts and
kills; what was invalidated does not come back; a disk that is full or fails costs hits, never answers."""
import contextlib
import os
import pathlib
import random
import re
import signal
import subprocess
import threading
import time

import pytest

import pando
import raw
from cache_origin import CacheOrigin, body_serial, cache_status, hit, made_body
from pando import until

BODY_BYTES = 64 * 1024
PAGES = 1000                # 64 MiB
PAGE = "/p{}?cache=max-age%3D600&bytes=" + str(BODY_BYTES)


@pytest.fixture
def origin():
    with CacheOrigin() as server:
        yield server


def config_of(server, **cache):
    return {"log": {"access": False},
            "services": {"shop": {"targets": [server.address],
                                  # what is asked for pushes out what was asked for before, not what is warm
                                  "cache": {"memory": "8MiB", "disk": "256MiB", "policy": "lru",
                                            "warm-start": False, **cache}}}}


def disk_file(proxy):
    return proxy.folder / "data" / "cache" / "shop.disk"


def from_disk(answer):
    return hit(answer) and cache_status(answer).get("detail") == "disk"


def ask_all(proxy, numbers, page=PAGE):
    """Asks for these in turn on one connection; every body is compared. The answers by number."""
    answers = {}
    with proxy.client() as client:
        for number in numbers:
            answer = client.ask(page.format(number), "GET")
            assert answer.status == 200
            assert answer.body == made_body(body_serial(answer), len(answer.body)), number
            answers[number] = answer
    return answers


def restart(proxy):
    proxy.signal(signal.SIGTERM)
    proxy.process.wait(pando.PATIENCE_S)
    proxy.examine()
    proxy.start()


def is_told_of(proxy, answers):
    """What the disk holds and gave is in /api/status, /metrics, `pando status` and on the page."""
    disk = next(one for one in proxy.status()["services"] if one["name"] == "shop")["cache"]["disk"]
    assert disk["hits"] == sum(map(from_disk, answers.values())) and disk["objects"] > PAGES * 0.5
    assert disk["limit_bytes"] == 256 << 20 and 0 < disk["live_bytes"] <= disk["used_bytes"] <= 256 << 20
    metrics = proxy.metrics()
    assert metrics['pando_cache_disk_hits_total{service="shop"}'] == disk["hits"]
    assert metrics['pando_cache_disk_limit_bytes{service="shop"}'] == 256 << 20
    told = proxy.command("status").stdout
    assert "of 256 MiB on disk, " in told and " objects there, " in told and " hits from it" in told
    assert "of 256 MiB on disk" in re.sub("<[^>]*>", "", proxy.admin("/").text)


def test_more_is_kept_than_fits_into_memory_also_over_a_restart(origin, io):
    usual = {"policy": "s3-fifo", "warm-start": True} if io == "io_uring" else {}
    with pando.running(config_of(origin, **usual), io) as proxy:
        first = ask_all(proxy, range(PAGES))
        assert not any(hit(answer) for answer in first.values())
        second = ask_all(proxy, range(PAGES))
        hits = sum(map(hit, second.values()))
        # what comes faster than the disk takes it is dropped
        assert hits > PAGES * 0.6, f"{hits} of {PAGES} without the server"
        assert sum(map(from_disk, second.values())) > PAGES * 0.5
        assert disk_file(proxy).stat().st_size <= 256 << 20
        is_told_of(proxy, second)
        restart(proxy)
        third = ask_all(proxy, range(PAGES))
        hits = sum(map(hit, third.values()))
        assert hits > PAGES * 0.5, f"{hits} of {PAGES} after a restart"


def test_the_disk_keeps_to_its_limit(origin):
    with pando.running(config_of(origin, disk="16MiB")) as proxy:
        for _ in range(3):
            ask_all(proxy, range(PAGES))
            assert disk_file(proxy).stat().st_size <= 16 << 20
            assert disk_file(proxy).stat().st_blocks * 512 <= 16 << 20


def test_it_ends_while_the_disk_is_read_and_written(origin):
    with pando.running(config_of(origin, memory="2MiB")) as proxy:
        ask_all(proxy, range(300))
        for _ in range(3):
            threads = [threading.Thread(target=ask_until_it_ends, args=(proxy,)) for _ in range(4)]
            for thread in threads:
                thread.start()
            time.sleep(0.3)
            restart(proxy)
            for thread in threads:
                thread.join()
        proxy.write(config_of(origin, disk="none"))
        restart(proxy)
        assert not disk_file(proxy).exists()


def ask_until_it_ends(proxy):
    with contextlib.suppress(OSError, raw.Ended, AssertionError):
        while True:
            ask_all(proxy, [random.randrange(300) for _ in range(50)])


def test_after_a_kill_no_object_is_torn(origin, draw):
    with pando.running(config_of(origin), may_die=True) as proxy:
        ask_all(proxy, range(PAGES // 2))
        for _ in range(4 if not pando.LONG else 20):
            stop = threading.Event()

            def ask_on():
                with contextlib.suppress(OSError, raw.Ended):
                    while not stop.is_set():
                        ask_all(proxy, [random.randrange(PAGES) for _ in range(50)])

            threads = [threading.Thread(target=ask_on) for _ in range(3)]
            for thread in threads:
                thread.start()
            time.sleep(0.5 + draw.random())
            stop.set()
            proxy.kill()
            for thread in threads:
                thread.join()
            proxy.start()
            answers = ask_all(proxy, range(PAGES // 4))    # compares every byte
            assert any(from_disk(answer) for answer in answers.values())


def test_many_who_ask_wait_for_one_read(origin):
    with pando.running(config_of(origin)) as proxy:
        ask_all(proxy, range(300))
        before = origin.count("/p0")
        results = []

        def ask():
            results.append(proxy.ask(PAGE.format(0)))

        threads = [threading.Thread(target=ask) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(results) == 40 and all(hit(answer) for answer in results)
        assert any(from_disk(answer) for answer in results)
        assert origin.count("/p0") == before
        assert {answer.body for answer in results} == {made_body(1, BODY_BYTES)}


def test_variants_ranges_conditions_and_heads_come_from_the_disk(origin):
    page = "/v?cache=max-age%3D600&bytes=50000&vary=X-Kind&etag=%22e%22"
    with pando.running(config_of(origin)) as proxy:
        for kind in ("a", "b"):
            proxy.ask(page, fields=[("X-Kind", kind)])
            proxy.ask(page, fields=[("X-Kind", kind)])
        ask_all(proxy, range(300))    # pushes sign and variants out
        count = origin.count("/v")
        whole = proxy.ask(page, fields=[("X-Kind", "a")])
        assert from_disk(whole)
        ask_all(proxy, range(300, 600))
        part = proxy.ask(page, fields=[("X-Kind", "a"), ("Range", "bytes=100-199")])
        assert part.status == 206 and part.body == whole.body[100:200]
        ask_all(proxy, range(600, 900))
        same = proxy.ask(page, fields=[("X-Kind", "b"), ("If-None-Match", '"e"')])
        assert same.status == 304
        ask_all(proxy, range(300))
        head = proxy.ask(page, "HEAD", fields=[("X-Kind", "b")])
        assert head.status == 200 and hit(head) and head.get("Content-Length") == "50000"
        ask_all(proxy, range(300, 600))
        only = proxy.ask(page, fields=[("X-Kind", "b"), ("Cache-Control", "only-if-cached")])
        assert only.status == 200
        assert origin.count("/v") == count
        other = proxy.ask(page, fields=[("X-Kind", "c")])
        assert not hit(other) and origin.count("/v") == count + 1


def test_what_is_stale_on_the_disk_is_validated(origin):
    page = origin.page("/s", cache="max-age=1", etag='"v1"', bytes=50000)
    with pando.running(config_of(origin)) as proxy:
        body = proxy.ask("/s").body
        ask_all(proxy, range(300))
        time.sleep(1.2)
        answer = proxy.ask("/s")
        assert answer.status == 200 and answer.body == body
        assert cache_status(answer).get("fwd-status") == "304"
        page.etag = '"v2"'
        ask_all(proxy, range(300, 600))
        time.sleep(1.2)
        answer = proxy.ask("/s")
        assert answer.body != body and cache_status(answer).get("fwd-status") == "200"


@pytest.mark.parametrize("again", ["at once", "after a restart", "after a kill"])
def test_what_is_invalidated_does_not_come_back(origin, again):
    origin.page("/i", cache="max-age=600", bytes=50000)
    with pando.running(config_of(origin), may_die=True) as proxy:
        proxy.ask("/i")
        proxy.ask("/i")
        ask_all(proxy, range(300))
        assert from_disk(proxy.ask("/i"))
        ask_all(proxy, range(300, 600))
        assert origin.count("/i") == 1
        proxy.ask("/i", "POST", body=b"x")
        assert origin.count("/i") == 2
        if again == "after a restart":
            restart(proxy)
        elif again == "after a kill":
            time.sleep(0.3)
            proxy.kill()
            proxy.start()
        answer = proxy.ask("/i")
        assert not hit(answer) and origin.count("/i") == 3
        assert hit(proxy.ask("/i"))


PURGES = [("url", ["http://shop.example/t/1"], 1), ("prefix", ["--prefix", "http://shop.example/t/"], 5),
          ("tag", ["--tag", "red"], 5), ("soft", ["--soft", "--prefix", "http://shop.example/t/"], 5)]


@pytest.mark.parametrize("again", ["at once", "after a restart", "after a kill"])
@pytest.mark.parametrize("by", PURGES, ids=lambda row: row[0])
def test_what_is_purged_does_not_come_back(origin, by, again):
    host = [("Host", "shop.example")]
    _, arguments, count = by
    with pando.running(config_of(origin), may_die=True) as proxy:
        for number in range(5):
            origin.page(f"/t/{number}", cache="max-age=600", bytes=50000, headers=(("Surrogate-Key", "red blue"),))
            for _ in range(2):
                proxy.ask(f"/t/{number}", fields=host)
        origin.page("/u", cache="max-age=600", bytes=50000, headers=(("Surrogate-Key", "blue"),))
        proxy.ask("/u", fields=host)
        proxy.ask("/u", fields=host)
        ask_all(proxy, range(300))
        assert from_disk(proxy.ask("/t/1", fields=host))
        ask_all(proxy, range(300, 600))
        done = proxy.command("purge", *arguments)
        assert done.returncode == 0 and str(count) in done.stdout, done.stdout + done.stderr
        if again == "after a restart":
            restart(proxy)
        elif again == "after a kill":
            time.sleep(0.3)
            proxy.kill()
            proxy.start()
        for number in range(5):
            answer = proxy.ask(f"/t/{number}", fields=host)
            is_purged = count == 5 or number == 1
            assert hit(answer) != is_purged, number
            assert hit(proxy.ask(f"/t/{number}", fields=host))
        assert hit(proxy.ask("/u", fields=host))


def test_purges_while_the_disk_is_read_and_written(origin):
    """After a purge has ended, nobody is given what was there before it."""
    host = [("Host", "shop.example")]
    with pando.running(config_of(origin, memory="2MiB", disk="64MiB")) as proxy:
        for number in range(20):
            origin.page(f"/t/{number}", cache="max-age=600", bytes=30000, headers=(("Surrogate-Key", "red"),))
        stop = threading.Event()

        def crowd():
            while not stop.is_set():
                ask_all(proxy, random.sample(range(200), 20))
                for number in random.sample(range(20), 5):
                    proxy.ask(f"/t/{number}", fields=host)

        threads = [threading.Thread(target=crowd) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for turn in range(15 if not pando.LONG else 200):
                before = {number: origin.answers[f"/t/{number}"] for number in range(20)}
                assert proxy.command("purge", *PURGES[1 + turn % 2][1]).returncode == 0
                for number in range(20):
                    answer = proxy.ask(f"/t/{number}", fields=host)
                    assert body_serial(answer) > before[number], (turn, number)
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def test_invalidated_while_it_moves_it_never_comes_back(origin):
    """Evicting, writing, reading and invalidating at the same time: an answer is never older than the last change."""
    with pando.running(config_of(origin, memory="2MiB", disk="64MiB")) as proxy:
        for number in range(20):
            origin.page(f"/m{number}", cache="max-age=600", bytes=30000)
        stop = threading.Event()

        def crowd():
            while not stop.is_set():
                ask_all(proxy, random.sample(range(200), 20))

        thread = threading.Thread(target=crowd)
        thread.start()
        try:
            with proxy.client() as client:
                end = time.monotonic() + (4 if not pando.LONG else 60)
                while time.monotonic() < end:
                    path = f"/m{random.randrange(20)}"
                    if random.random() < 0.3:
                        client.ask(path, "POST", body=b"x")
                    seen = origin.answers[path]
                    answer = client.ask(path, "GET")
                    last_change = max((n for n, kind in changes(origin, path) if kind == "POST"), default=0)
                    assert body_serial(answer) > last_change, (path, body_serial(answer), last_change, seen)
        finally:
            stop.set()
            thread.join()


def changes(origin, path):
    return [(number + 1, exchange.method) for number, exchange in enumerate(origin.seen(path))]


def test_a_disk_that_cannot_be_opened_is_told_and_done_without(origin):
    proxy = pando.Pando(config_of(origin))
    (proxy.folder / "data").mkdir()
    (proxy.folder / "data" / "cache").write_text("a file where a folder is wanted")
    proxy.start()
    try:
        until(lambda: "its cache has no disk" in proxy.stderr, lambda: proxy.stderr)
        ask_all(proxy, range(5))
        assert hit(proxy.ask(PAGE.format(0)))
    finally:
        proxy.stop()


def test_another_policy_or_memory_keeps_the_disk(origin):
    with pando.running(config_of(origin)) as proxy:
        ask_all(proxy, range(300))
        assert proxy.reload(config_of(origin, policy="sieve")).returncode == 0
        assert from_disk(proxy.ask(PAGE.format(0)))
        done = proxy.reload(config_of(origin, policy="sieve", disk="64MiB"))
        assert done.returncode == 0 and "after a restart" in done.stdout
        assert from_disk(proxy.ask(PAGE.format(1)))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MiB."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", tmp_path], capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr}")
    yield pathlib.Path(tmp_path)
    subprocess.run(["umount", "-l", tmp_path], check=True)


def test_a_full_disk_costs_hits_and_no_answers(origin, small_disk):
    config = config_of(origin, disk="64MiB")
    config["data"] = str(small_disk / "data")
    with pando.running(config) as proxy:
        for _ in range(3):
            ask_all(proxy, range(PAGES))
        (small_disk / "other").write_bytes(b"")
        answers = ask_all(proxy, random.sample(range(PAGES), 200))
        assert any(from_disk(answer) for answer in answers.values())
        filesystem = os.statvfs(small_disk)
        assert filesystem.f_blocks * filesystem.f_frsize <= 24 << 20
