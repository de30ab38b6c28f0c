# SPDX-License-Identifier: Apache-2.0
"""test_rate.py - how often each client may ask, over all workers, and what it is told.

Rates here are so slow that nothing refills while a test runs, or are waited for.
"""
import re
import threading

import pando
import raw
from pando import until


def config_of(origin, **rate):
    return {"services": {"shop": {"targets": [origin.address], "rate": rate}}}


def ask_from(proxy, address, **more):
    """One request of its own connection, which may reach any worker, from 127.0.0.x."""
    with raw.Client(("127.0.0.1", proxy.port), source=address) as client:
        return client.ask("/", **more)


def test_over_the_rate(start, origin):
    proxy = start(config_of(origin, requests=5, per="1h"))
    for _ in range(5):
        answer = proxy.ask("/in")
        assert answer.status == 200 and answer.get("RateLimit") is None
    answer = proxy.ask("/over")
    assert answer.status == 429
    assert answer.get("RateLimit-Policy") == '"default";q=5;w=3600'
    retry_s = int(answer.get("Retry-After"))
    assert 600 < retry_s <= 720
    assert re.fullmatch(rf'"default";r=0;t={retry_s}', answer.get("RateLimit"))
    assert answer.get("Proxy-Status").startswith("pando; error=http_request_denied")
    assert not origin.seen("/over")
    until(lambda: proxy.metric("pando_rate_limited_total", service="shop") == 1, "no metric")
    assert proxy.status()["services"][0]["limits"]["rate_limited"] == 1
    assert proxy.metric("pando_errors_total", service="shop", kind="RATE_LIMIT") == 1
    assert "1 requests" in proxy.command("status").stdout


def test_the_connection_goes_on(start, origin):
    proxy = start(config_of(origin, requests=1, per="1h"))
    with proxy.client() as client:
        assert [client.ask("/").status for _ in range(4)] == [200, 429, 429, 429]


def test_what_is_left_is_told(start, origin):
    proxy = start(config_of(origin, requests=10, per="10s", burst=20, tell=True))
    answer = proxy.ask("/")
    assert answer.get("RateLimit-Policy") == '"default";q=10;w=10'
    assert re.fullmatch(r'"default";r=19;t=\d+', answer.get("RateLimit"))


def test_the_bucket_fills_again(start, origin):
    proxy = start(config_of(origin, requests=2, per="1s"))
    statuses = [proxy.ask("/").status for _ in range(3)]
    assert statuses == [200, 200, 429]
    until(lambda: proxy.ask("/").status == 200, "no token came")


def test_clients_do_not_share(start, origin):
    proxy = start(config_of(origin, requests=2, per="1h"))
    for address in ("127.0.0.2", "127.0.0.3"):
        assert [ask_from(proxy, address).status for _ in range(3)] == [200, 200, 429]


def test_by_header_and_by_cookie(start, origin):
    for key, name, value in (("header:X-Key", "X-Key", "{}"), ("cookie:id", "Cookie", "a=b; id={}")):
        proxy = start(config_of(origin, requests=2, per="1h", key=key))
        for who in ("one", "two"):
            fields = [(name, value.format(who))]
            assert [proxy.ask("/", fields=fields).status for _ in range(3)] == [200, 200, 429]
        assert [proxy.ask("/").status for _ in range(3)] == [200, 200, 429]    # the address


def test_workers_share_the_bucket(start, origin):
    """Whatever workers the kernel picks, no more than the burst get in."""
    proxy = start({**config_of(origin, requests=50, per="1h"), "workers": 4})
    statuses = []

    def run():
        for _ in range(25):
            statuses.append(proxy.ask("/").status)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(statuses) == 200 and statuses.count(200) == 50 and statuses.count(429) == 150


def test_a_reload_keeps_the_buckets(start, origin):
    config = config_of(origin, requests=2, per="1h")
    proxy = start(config)
    assert [proxy.ask("/").status for _ in range(3)] == [200, 200, 429]
    assert proxy.reload({**config, "http": {"header-count": 50}}).returncode == 0
    assert proxy.ask("/").status == 429
    assert proxy.reload(config_of(origin, requests=1000, per="1s")).returncode == 0
    until(lambda: proxy.ask("/").status == 200, "the old debt was held against the client")
    del config["services"]["shop"]["rate"]
    assert proxy.reload(config).returncode == 0
    assert all(proxy.ask("/").status == 200 for _ in range(10))


def test_full_of_clients(start, origin):
    for when_full, statuses in (("forget", {200}), ("refuse", {200, 429})):
        proxy = start(config_of(origin, requests=5, per="1h", keys=8, key="header:X-Key",
                                **{"when-full": when_full}))
        seen = [proxy.ask("/", fields=[("X-Key", str(i))]).status for i in range(20)]
        assert set(seen) == statuses and seen[:8] == [200] * 8
        if when_full == "forget":
            assert proxy.metric("pando_rate_forgotten_total", service="shop") == 12


def test_a_wrong_key_is_told():
    result = pando.command("check", "--to", "127.0.0.1:1", "--set", "services.default.rate.key=path")
    assert result.returncode == 2
    assert "address, header:NAME or cookie:NAME" in result.stdout + result.stderr
