# SPDX-License-Identifier: Apache-2.0
"""test_breaker.py - circuit breakers of services and targets: when they open, what is answered then, who may try.

One request is one connection, so that the kernel spreads them over the workers. Time passes only where a breaker's
own short times are waited for.
"""
import contextlib
import json
import re
import threading

import pytest

import origins
import pando
import raw
from pando import until

# Opens for the first twenty answers if half of them failed, and stays open until a test is over.
LONG = {"enabled": True, "volume": 20, "window": "60s", "open-first": "1h", "open-most": "1h", "trials": 10}
SHORT = {**LONG, "open-first": "100ms", "open-most": "100ms"}
NOBODY_EJECTED = {"errors-in-a-row": "none", "silences-in-a-row": "none", "deviations": "none"}


def config_of(servers, service=None, target=None, fallback=None, **more):
    breaker = {name: value for name, value in
               (("service", service), ("target", target), ("fallback", fallback)) if value is not None}
    shop = {"balance": "round-robin", "targets": [server.address for server in servers], "breaker": breaker,
            "outlier": NOBODY_EJECTED}
    return pando.merged({"services": {"shop": shop}}, more)


def circuit_of(proxy, service=0):
    return proxy.status()["services"][service]["breaker"]


def await_circuit(proxy, state):
    until(lambda: circuit_of(proxy)["state"] == state, lambda: f"{state}: {circuit_of(proxy)}")
    return circuit_of(proxy)


def target_of(proxy, server):
    return next(target for target in proxy.status()["services"][0]["targets"] if target["name"] == server.address)


def state_of(proxy, server):
    return target_of(proxy, server)["state"]


def await_target(proxy, server, state):
    until(lambda: state_of(proxy, server) == state, lambda: f"{server.address} {state}: {target_of(proxy, server)}")
    return target_of(proxy, server)


def ask(proxy, path="/", **more):
    with raw.Client(("127.0.0.1", proxy.port)) as client:
        return client.ask(path, **more)


def fail(origin, status=500, fields=()):
    origin.default = lambda exchange: exchange.answer(status, fields)


def heal(origin, body=b"well"):
    origin.default = lambda exchange: exchange.answer(200, body=body)


def open_service(proxy, origin, count=20):
    """Fails so many requests; the breaker is open then."""
    fail(origin)
    assert {ask(proxy, f"/bad/{i}").status for i in range(count)} == {500}
    return await_circuit(proxy, "open")


class Crowd:
    """So many clients at once, each with a connection of its own."""

    def __init__(self, proxy, count, path):
        self.answers = []
        self.threads = [threading.Thread(target=self._run, args=(proxy, path)) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def _run(self, proxy, path):
        self.answers.append(ask(proxy, path))

    def statuses(self):
        return sorted(answer.status for answer in list(self.answers))

    def join(self):
        for thread in self.threads:
            thread.join()
        return self.statuses()


def test_one_state_for_four_workers(start, origin):
    """Failures that are spread over all workers open it at their total; then exactly so many may try, in total."""
    proxy = start({**config_of([origin], {**SHORT, "volume": 80, "window": "1h"}), "workers": 4})
    heal(origin)
    assert Crowd(proxy, 39, "/good").join() == [200] * 39
    fail(origin)
    assert Crowd(proxy, 40, "/bad").join() == [500] * 40
    assert circuit_of(proxy)["state"] == "closed"    # 79 answers
    held = threading.Event()
    origin.on("/trial", lambda exchange: (held.wait(pando.PATIENCE_S), exchange.answer(200)))
    assert ask(proxy, "/bad").status == 500
    until(lambda: circuit_of(proxy)["openings"] == 1, "the 80th answer opens it")
    assert "51 % of 80 answers" in proxy.stderr
    await_circuit(proxy, "half-open")
    crowd = Crowd(proxy, 60, "/trial")
    until(lambda: crowd.statuses() == [503] * 50 and len(origin.seen("/trial")) == 10,
          lambda: f"{len(origin.seen('/trial'))} trials, refused: {crowd.statuses()}")
    assert circuit_of(proxy)["trials_left"] == 0
    held.set()
    assert crowd.join() == [200] * 10 + [503] * 50
    await_circuit(proxy, "closed")
    assert len(origin.seen("/trial")) == 10
    assert Crowd(proxy, 30, "/trial").join() == [200] * 30


def test_a_client_that_leaves_gives_its_trial_back(start, origin):
    proxy = start({**config_of([origin], {**SHORT, "trials": 1}), "workers": 2})
    open_service(proxy, origin)
    await_circuit(proxy, "half-open")
    held = threading.Event()
    origin.on("/held", lambda exchange: (held.wait(pando.PATIENCE_S), exchange.close()))
    client = raw.Client(("127.0.0.1", proxy.port))
    client.send(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
    until(lambda: origin.seen("/held"), "the trial under way")
    assert ask(proxy).status == 503
    client.reset()
    heal(origin)
    until(lambda: ask(proxy).status == 200, "another may try")
    held.set()
    await_circuit(proxy, "closed")


def test_an_open_one_refuses_at_once_and_says_why_everywhere(start, origin):
    proxy = start(config_of([origin], {**LONG, "failure-rate": 60}))
    assert proxy.metric("pando_service_breaker_state", service="shop") == 0
    assert circuit_of(proxy) == {"state": "closed", "reason": None, "half_open_in_s": None, "openings": 0,
                                 "trials_left": 0}
    seen = open_service(proxy, origin)
    reason = "100 % of 20 answers in 60 s were failures"
    assert seen["reason"] == reason and 2800 < seen["half_open_in_s"] <= 4320
    count = len(origin.requests)
    answer = ask(proxy)
    assert answer.status == 503 and len(origin.requests) == count
    assert 2800 < int(answer.get("Retry-After")) <= 4320
    detail = f"the circuit breaker of shop is open: {reason}"
    assert answer.get("Proxy-Status") == f'pando; error=destination_unavailable; details="{detail}"'
    problem = json.loads(answer.body)
    assert problem["detail"] == detail and problem["kind"] == "CIRCUIT_OPEN"
    assert re.search(rf"circuit breaker open: {reason}; tried again in \d", proxy.command("status").stdout)
    assert "refused by the circuit breaker: 1 requests" in proxy.command("status").stdout
    page = proxy.admin("/").text
    assert f"circuit breaker <b>open</b>: {reason}" in page and f"circuit breaker of shop is open: {reason}" in page
    assert proxy.metric("pando_service_breaker_state", service="shop") == 2
    assert proxy.metric("pando_service_breaker_openings_total", service="shop") == 1
    assert proxy.metric("pando_breaker_refused_total", service="shop") == 1
    assert proxy.metric("pando_errors_total", service="shop", kind="CIRCUIT_OPEN") == 1
    assert re.search(rf"shop: its circuit breaker is open for [\d.]+ s: {reason}", proxy.stderr)


@pytest.mark.parametrize("ill", ["reset", "close", "nonsense", "nobody", "slow"])
def test_what_else_opens_it(start, origin, ill):
    scripts = {"reset": lambda exchange: exchange.reset(),
               "close": lambda exchange: exchange.close(),
               "nonsense": lambda exchange: exchange.send(b"SSH-2.0-x\r\n\r\n").close(),
               "slow": lambda exchange: (threading.Event().wait(0.03), exchange.answer(200))}
    breaker = {**LONG, "slow-after": "20ms", "slow-rate": 100} if ill == "slow" else LONG
    proxy = start(config_of([origin], breaker))
    if ill == "nobody":
        origin.stop()
    else:
        origin.default = scripts[ill]
    for _ in range(20):
        ask(proxy, method="GET")
    seen = await_circuit(proxy, "open")
    assert ("too slow" in seen["reason"]) == (ill == "slow")
    assert ask(proxy).status == 503


def test_what_does_not_open_it(start, origin):
    """Who defends itself is well; the client's mistakes are the client's."""
    proxy = start(config_of([origin], LONG))
    for status, fields in ((429, ()), (503, [("Retry-After", "1")]), (404, ()), (501, ())):
        fail(origin, status, fields)
        assert {ask(proxy).status for _ in range(25)} == {status}
    heal(origin)
    assert ask(proxy).status == 200 and circuit_of(proxy)["state"] == "closed"


def test_which_statuses_are_failures_is_a_setting(start, origin):
    proxy = start(config_of([origin], {**LONG, "failure-statuses": "418"}))
    fail(origin, 500)
    assert {ask(proxy).status for _ in range(30)} == {500}
    fail(origin, 418)
    until(lambda: ask(proxy).status == 503, "50 % of them 418")
    assert "failures" in circuit_of(proxy)["reason"]


def test_trials_that_fail_open_it_again(start, origin):
    proxy = start(config_of([origin], {**SHORT, "trials": 3}))
    open_service(proxy, origin)
    until(lambda: ask(proxy, "/again").status in (500, 503) and circuit_of(proxy)["openings"] >= 3, "open again")
    assert "% of 3 trials were failures" in proxy.stderr
    heal(origin)
    until(lambda: ask(proxy).status == 200 and circuit_of(proxy)["state"] == "closed", "closed")
    until(lambda: "shop: its circuit breaker is closed again" in proxy.stderr, "told")


def test_a_fallback_of_text_or_file(start, origin, tmp_path):
    page = tmp_path / "page.html"
    page.write_bytes(b"<p>soon</p>" * 20000)
    for fallback, status, kind, body in (
            ({"status": 200, "body": "[]", "content-type": "application/json"}, 200, "application/json", b"[]"),
            ({"status": 503, "file": str(page), "content-type": "text/html"}, 503, "text/html", page.read_bytes()),
            ({"status": 204}, 204, None, b"")):
        proxy = start(config_of([origin], LONG, fallback=fallback))
        open_service(proxy, origin)
        with proxy.client() as client:    # the connection goes on
            for _ in range(3):
                answer = client.ask("/")
                assert (answer.status, answer.get("Content-Type"), answer.body) == (status, kind, body)
                assert "the circuit breaker of shop is open" in answer.get("Proxy-Status")
        assert ask(proxy, method="HEAD").body == b""
        assert ask(proxy, method="POST", body=b"x" * 1000).status == status
        assert proxy.metric("pando_breaker_fallback_total", service="shop") == 5


def test_a_fallback_by_another_service(start, origin):
    with origins.Origin() as spare:
        heal(spare, b"spare")
        config = config_of([origin], LONG, fallback={"service": "spare"})
        config["services"]["spare"] = {"match": {"host": "spare"}, "targets": spare.address}
        proxy = start(config)
        open_service(proxy, origin)
        for _ in range(3):
            answer = ask(proxy)
            assert answer.status == 200 and answer.body == b"spare"
        assert proxy.metric("pando_breaker_fallback_total", service="shop") == 3


def test_a_reload_keeps_it_open(start, origin):
    config = config_of([origin], LONG)
    proxy = start({**config, "workers": 2})
    before = open_service(proxy, origin)
    heal(origin)
    again = {**pando.merged(config, {"http": {"header-count": 50}}), "workers": 2}
    again["services"]["shop"]["breaker"]["fallback"] = {"status": 203}
    assert proxy.reload(again).returncode == 0
    assert {ask(proxy).status for _ in range(10)} == {203}
    after = circuit_of(proxy)
    assert after["state"] == "open" and after["openings"] == 1 and after["reason"] == before["reason"]
    assert after["half_open_in_s"] <= before["half_open_in_s"]
    del again["services"]["shop"]["breaker"]
    assert proxy.reload(again).returncode == 0
    assert ask(proxy).status == 200 and circuit_of(proxy) is None


# --- targets ---------------------------------------------------------------------------------------


@pytest.fixture
def pair():
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(origins.Origin()) for _ in range(2)]
        for index, server in enumerate(made):
            heal(server, b"%d" % index)
        yield made


def open_target(proxy, server):
    fail(server)
    until(lambda: (ask(proxy, "/bad"), proxy.metric("pando_upstream_breaker_open", target=server.address))[1] == 1,
          "its breaker open")


def test_an_open_target_is_passed_over_and_says_why(start, pair):
    proxy = start({**config_of(pair, target={**LONG, "volume": 10}), "workers": 4})
    open_target(proxy, pair[0])
    seen = await_target(proxy, pair[0], "open")
    assert re.fullmatch(r"circuit breaker open: \d+ % of \d+ answers in 60 s were failures", seen["reason"])
    assert 2800 < seen["retry_in_s"] <= 4320 and seen["openings"] == 1
    until(lambda: {ask(proxy).body for _ in range(20)} == {b"1"}, "all at the other one")
    assert "circuit breaker open: " in proxy.command("status").stdout
    assert "open</span>: circuit breaker open: " in proxy.admin("/").text
    assert proxy.metric("pando_upstream_breaker_openings_total", target=pair[0].address) == 1
    assert proxy.metric("pando_upstream_breaker_open", target=pair[1].address) == 0
    assert f"shop: the circuit breaker of {pair[0].address} is open for" in proxy.stderr
    assert proxy.status()["services"][0]["breaker"] is None


def test_a_targets_trials_are_admitted_exactly(start, pair):
    """Of all that come while it is half-open, ten try it; the others go to the other target, and none fails."""
    proxy = start({**config_of(pair, target={**SHORT, "volume": 10}), "workers": 4})
    held = threading.Event()
    open_target(proxy, pair[0])
    pair[0].on("/trial", lambda exchange: (held.wait(pando.PATIENCE_S), exchange.answer(200, body=b"0")))
    heal(pair[0], b"0")
    await_target(proxy, pair[0], "trial")
    crowd = Crowd(proxy, 80, "/trial")
    until(lambda: len(crowd.statuses()) == 70, lambda: f"{len(crowd.statuses())} answered")
    assert len(pair[0].seen("/trial")) == 10 and crowd.statuses() == [200] * 70
    held.set()
    assert crowd.join() == [200] * 80
    await_target(proxy, pair[0], "up")
    assert len(pair[0].seen("/trial")) == 10 and len(pair[1].seen("/trial")) == 70
    assert f"shop: the circuit breaker of {pair[0].address} is half-open: 10 requests may try it" in proxy.stderr
    until(lambda: {ask(proxy).body for _ in range(10)} == {b"0", b"1"}, "both take requests")


def test_a_target_that_cannot_be_connected_to_while_half_open(start, pair):
    """A pause and an open breaker at once: the trials of the one are those of the other."""
    proxy = start(config_of(pair, target={**SHORT, "volume": 10, "trials": 2},
                            breaker={"pause-first": "20ms", "pause-most": "20ms"}))
    open_target(proxy, pair[0])
    port = pair[0].port
    pair[0].stop()
    until(lambda: (ask(proxy), proxy.metric("pando_upstream_breaker_openings_total", target=pair[0].address))[1] > 1,
          "trials that fail")
    assert ask(proxy).status == 200
    with origins.Origin(port=port) as again:
        heal(again, b"0")
        until(lambda: (ask(proxy), state_of(proxy, again))[1] == "up", "it is back")
        until(lambda: ask(proxy).body == b"0", "it takes requests")


def test_a_reload_keeps_a_target_open(start, pair):
    config = config_of(pair, target={**LONG, "volume": 10})
    proxy = start(config)
    open_target(proxy, pair[0])
    heal(pair[0], b"0")
    config["services"]["shop"]["targets"] = [{"address": pair[0].address, "weight": 3}, pair[1].address]
    assert proxy.reload(config).returncode == 0
    assert await_target(proxy, pair[0], "open")["openings"] == 1
    assert {ask(proxy).body for _ in range(10)} == {b"1"}
    config["services"]["shop"]["breaker"]["target"]["enabled"] = False
    assert proxy.reload(config).returncode == 0
    await_target(proxy, pair[0], "up")
    until(lambda: {ask(proxy).body for _ in range(10)} == {b"0", b"1"}, "both take requests")


def test_all_targets_open(start, pair):
    proxy = start(config_of(pair, target={**LONG, "volume": 10}))
    for server in pair:
        fail(server)
    until(lambda: ask(proxy).status == 503, "none is left")
    assert "no target is left" in proxy.stderr
    assert 2800 < int(ask(proxy).get("Retry-After")) <= 4320    # the first of them is tried again in an hour or so


# --- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize("sets, expected", [
    (["service.failure-statuses=many"], "numbers and ranges with commas"),
    (["service.failure-rate=0"], "1 to 100"),
    (["service.trials=2000"], "1 to 1000"),
    (["target.open-first=2m"], "over open-most"),
    (["target.enabled=true", "target.failure-rate=none"], "nothing would open it"),
    (["fallback.body=x"], "has no status to go with it"),
    (["fallback.status=200", "fallback.body=x", "fallback.file=/etc/hostname"], "stands beside fallback.body"),
    (["fallback.status=200", "fallback.file=/nowhere/at/all"], "No such file"),
    (["fallback.status=200", "fallback.file=/etc"], "no regular file"),
    (["fallback.service=other"], "is no service of this file"),
    (["fallback.service=default"], "leads back to this service"),
    (["fallback.status=200", "fallback.service=default"], "stands beside fallback.status"),
])
def test_mistakes_are_told(sets, expected):
    flags = [flag for text in sets for flag in ("--set", f"services.default.breaker.{text}")]
    result = pando.command("check", "--to", "127.0.0.1:1", *flags)
    assert result.returncode == 2 and expected in result.stdout + result.stderr


def test_a_circle_of_fallbacks_is_told(tmp_path):
    file = tmp_path / "pando.yaml"
    file.write_text("".join(
        f"  {name}: {{match: {{host: {name}}}, targets: ['127.0.0.1:1'], breaker: {{fallback: {{service: {to}}}}}}}\n"
        for name, to in (("a", "b"), ("b", "c"), ("c", "a"), ("d", "a"))).join(["services:\n", ""]))
    result = pando.command("check", str(file))
    assert result.returncode == 2 and (result.stdout + result.stderr).count("leads back to this service") == 3
