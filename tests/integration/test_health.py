# SPDX-License-Identifier: Apache-2.0
"""test_health.py - who is asked whether he is well, who takes no traffic, and who says so."""
import collections
import contextlib
import os
import signal
import socket
import threading

import pytest

import origins
import pando
import raw
from pando import until

QUICK = {"interval": "20ms", "timeout": "2s", "rise": 2, "fall": 2}


@pytest.fixture
def trio():
    """Three scriptable origins that say who they are; `well` is what they answer to /health."""
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(origins.Origin()) for _ in range(3)]
        for index, server in enumerate(made):
            server.default = lambda exchange, index=index: exchange.answer(200, [("Server", f"s{index}")], b"ok")
            server.well = lambda exchange: exchange.answer(200, body=b"all is well")
            server.on("/health", lambda exchange, server=server: server.well(exchange))
        yield made


def config_of(servers, check, **more):
    targets = [server.address for server in servers]
    return pando.merged({"services": {"shop": {"balance": "round-robin", "targets": targets,
                                               "health": {**QUICK, **check}}}}, more)


def target_of(proxy, server):
    targets = proxy.status()["services"][0]["targets"]
    return next(target for target in targets if target["name"] == server.address)


def await_state(proxy, server, state):
    until(lambda: target_of(proxy, server)["state"] == state,
          lambda: f"{server.address} {state}: {target_of(proxy, server)}")
    return target_of(proxy, server)


def who_answers(proxy, count=12):
    answers = [proxy.ask(f"/{i}") for i in range(count)]
    assert {answer.status for answer in answers} == {200}
    return {answer.get("Server") for answer in answers}


HTTP = {"check": "http", "path": "/health", "status": "200-299", "body": "well"}


@pytest.mark.parametrize("answer, reason", [
    (lambda exchange: exchange.answer(503, body=b"well"), "status 503"),
    (lambda exchange: exchange.answer(200, body=b"ill"), "does not contain"),
    (lambda exchange: exchange.answer(200, body=b"ill" * 9, chunk=5), "does not contain"),
    (lambda exchange: exchange.send(b"HTTP/1.1 200 OK\r\n\r\nill").close(), "does not contain"),
    (lambda exchange: exchange.send(b"SSH-2.0-x\r\n").close(), "no HTTP"),
    (lambda exchange: exchange.close(), "ended before an answer"),
])
def test_a_failing_check_takes_a_target_out_and_a_passing_one_brings_it_back(start, trio, answer, reason):
    proxy = start(config_of(trio, HTTP))
    assert who_answers(proxy) == {"s0", "s1", "s2"}
    trio[1].well = answer
    down = await_state(proxy, trio[1], "down")
    assert reason in down["reason"], down
    until(lambda: who_answers(proxy) == {"s0", "s2"}, "the set without it")
    assert reason in proxy.command("status").stdout
    assert reason in proxy.admin("/").text.replace("&quot;", '"')
    assert proxy.metric("pando_upstream_down", target=trio[1].address) == 1
    assert proxy.metric("pando_upstream_check_failures_total", target=trio[1].address) >= 2
    trio[1].well = lambda exchange: exchange.answer(200, body=b"w" * 20 + b"ell, well", chunk=3)
    await_state(proxy, trio[1], "up")
    until(lambda: who_answers(proxy) == {"s0", "s1", "s2"}, "the set with it")
    assert f"{trio[1].address} is down: health check" in proxy.stderr
    assert f"{trio[1].address} is up again: its health checks pass" in proxy.stderr


def test_a_server_that_accepts_and_never_answers_fails_in_time(start, trio):
    hold = threading.Event()
    proxy = start(config_of(trio, {**HTTP, "timeout": "50ms"}))
    trio[2].well = lambda exchange: hold.wait(20)
    try:
        assert "no answer within 50 ms" in await_state(proxy, trio[2], "down")["reason"]
    finally:
        hold.set()
    trio[2].well = lambda exchange: exchange.answer(204)
    trio[2].well = lambda exchange: exchange.answer(200, body=b"well")
    await_state(proxy, trio[2], "up")


def test_a_tcp_check_finds_who_does_not_listen_before_any_request_does(start, trio):
    port = pando.free_port()
    config = config_of(trio, {"check": "tcp"})
    config["services"]["shop"]["targets"].append(f"127.0.0.1:{port}")
    proxy = start(config)
    name = f"127.0.0.1:{port}"
    targets = lambda: {target["name"]: target for target in proxy.status()["services"][0]["targets"]}
    until(lambda: targets()[name]["state"] == "down", "the first verdict decides alone")
    assert "refused" in targets()[name]["reason"]
    with socket.socket() as late:
        late.bind(("127.0.0.1", port))
        late.listen(64)
        until(lambda: targets()[name]["state"] == "up", "it listens now")
        until(lambda: targets()[name]["reason"] is None, "no reason is left")


def test_if_too_few_are_well_the_checks_are_ignored(start, trio):
    proxy = start(config_of(trio, HTTP))
    for server in trio[:2]:
        server.well = lambda exchange: exchange.answer(500)
    for server in trio[:2]:
        await_state(proxy, server, "down")
    until(lambda: who_answers(proxy) == {"s0", "s1", "s2"}, "all of them again")
    assert "checks and ejections are ignored" in proxy.status()["services"][0]["trouble"]
    trio[0].well = lambda exchange: exchange.answer(200, body=b"well")
    await_state(proxy, trio[0], "up")
    until(lambda: who_answers(proxy) == {"s0", "s2"}, "those that are well")
    assert proxy.status()["services"][0]["trouble"] is None


def test_a_reload_changes_checks_and_takes_them_away(start, trio):
    config = config_of(trio, HTTP)
    proxy = start(config)
    trio[0].well = lambda exchange: exchange.answer(500)
    await_state(proxy, trio[0], "down")
    config["services"]["shop"]["health"]["status"] = "500, 200"
    config["services"]["shop"]["health"]["body"] = ""
    assert proxy.reload(config).returncode == 0
    await_state(proxy, trio[0], "up")
    config["services"]["shop"]["health"]["status"] = "200"
    assert proxy.reload(config).returncode == 0
    await_state(proxy, trio[0], "down")
    config["services"]["shop"]["health"] = {"check": "none"}
    assert proxy.reload(config).returncode == 0
    await_state(proxy, trio[0], "up")
    until(lambda: who_answers(proxy) == {"s0", "s1", "s2"}, "all without checks")


@pytest.mark.parametrize("setting, hint", [
    ({"status": "20"}, "numbers and ranges"), ({"path": "health"}, "begins with /"), ({"host": "a b"}, "a host")])
def test_what_cannot_be_asked_is_refused(setting, hint, tmp_path):
    file = tmp_path / "pando.yaml"
    file.write_text(pando.json.dumps({"services": {"shop": {"targets": ["127.0.0.1:1"],
                                                            "health": {"check": "http", **setting}}}}))
    checked = pando.command("check", file)
    assert checked.returncode == 2 and hint in checked.stdout + checked.stderr


# --- what operators order ---


def order(proxy, *words):
    done = proxy.command(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_drained_target_finishes_what_it_has_and_takes_nothing_new(start, trio):
    gate = threading.Event()
    for server in trio:
        server.on("/hold", lambda exchange, server=server: (gate.wait(20), server.default(exchange)))
    proxy = start({"services": {"shop": {"balance": "round-robin", "targets": [s.address for s in trio]}}})
    with proxy.client() as holder:
        holder.send(raw.request("/hold"))
        held = until(lambda: next((s for s in trio if s.seen("/hold")), None), "a request in flight")
        assert "is draining; 1 in flight" in order(proxy, "drain", f"shop/{held.address}")
        others = {f"s{index}" for index, server in enumerate(trio) if server is not held}
        until(lambda: who_answers(proxy) == others, "nothing new")
        assert target_of(proxy, held)["state"] == "draining"
        assert "operator" in target_of(proxy, held)["reason"]
        assert proxy.status()["health"]["tone"] == "good"    # it was meant
        assert proxy.metric("pando_upstream_draining", target=held.address) == 1
        gate.set()
        answer = holder.answer()
        assert answer.status == 200 and answer.get("Server") == f"s{trio.index(held)}"
    assert "draining" in proxy.command("status").stdout
    assert "is up" in order(proxy, "undrain", f"shop/{held.address}")
    until(lambda: who_answers(proxy) == {"s0", "s1", "s2"}, "all again")


def counts(proxy, count):
    answers = [proxy.ask(f"/{i}") for i in range(count)]
    assert {answer.status for answer in answers} == {200}
    return collections.Counter(answer.get("Server") for answer in answers)


def test_weights_and_drains_survive_reload_and_restart_until_the_file_says_otherwise(start, trio):
    def weighted(weight):
        return {"services": {"shop": {"balance": "round-robin", "targets": [
            {"address": trio[0].address, "weight": weight}, trio[1].address, trio[2].address]}}, "workers": 1}
    proxy = start(weighted(2))
    assert "has weight 5" in order(proxy, "weight", f"shop/{trio[0].address}", "5")
    order(proxy, "drain", f"shop/{trio[1].address}")
    until(lambda: counts(proxy, 6) == {"s0": 5, "s2": 1}, "five to one")

    def holds():
        return target_of(proxy, trio[0])["weight"] == 5 and target_of(proxy, trio[1])["state"] == "draining"
    assert proxy.reload(weighted(2)).returncode == 0 and holds()
    proxy.may_die = True
    server = proxy.server_pid()
    os.kill(server, signal.SIGKILL)
    until(lambda: proxy.server_pids() not in ([], [server]) and proxy._is_ready(), "the supervisor starts another")
    until(holds, "as before the restart")
    until(lambda: counts(proxy, 6) == {"s0": 5, "s2": 1}, "five to one again")
    assert proxy.reload(weighted(3)).returncode == 0
    assert target_of(proxy, trio[0])["weight"] == 3    # the file has the last word
    assert target_of(proxy, trio[1])["state"] == "draining"
    order(proxy, "weight", f"shop/{trio[0].address}", "9")
    assert "has weight 3" in order(proxy, "weight", f"shop/{trio[0].address}", "file")
    order(proxy, "undrain", f"shop/{trio[1].address}")
    assert (proxy.folder / "data" / "targets").read_text() == "pando targets 1\n"
    assert counts(proxy, 5) == {"s0": 3, "s1": 1, "s2": 1}


def test_an_order_ends_when_the_file_takes_its_target_away(start, trio):
    def with_targets(*servers):
        return {"services": {"shop": {"targets": [server.address for server in servers]}}}
    proxy = start(with_targets(*trio))
    order(proxy, "drain", f"shop/{trio[1].address}")
    assert proxy.reload(with_targets(trio[0], trio[2])).returncode == 0
    assert proxy.reload(with_targets(*trio)).returncode == 0
    assert target_of(proxy, trio[1])["state"] == "up"


def test_the_last_target_may_be_drained_too_and_it_is_said(start, origin):
    proxy = start({"services": {"shop": {"targets": [origin.address]}}})
    order(proxy, "drain", f"shop/{origin.address}")
    until(lambda: proxy.ask("/").status == 503, "nobody left")
    assert "no target is left" in proxy.stderr
    assert proxy.status()["health"]["tone"] == "bad"


@pytest.mark.parametrize("words, status, hint", [
    (["drain", "shop/10.9.9.9:1"], 1, "has no target 10.9.9.9:1; it has 127.0.0.1:"),
    (["drain", "shoe/127.0.0.1:1"], 1, "no service shoe"),
    (["drain", "shop"], 2, "SERVICE/TARGET"),
    (["drain"], 2, "which target?"),
    (["weight", "shop/127.0.0.1:1"], 2, "wanted"),
    (["weight", "shop/127.0.0.1:1", "0"], 2, "pando drain"),
    (["weight", "shop/127.0.0.1:1", "257"], 2, "1 to 256"),
])
def test_orders_that_cannot_be_followed_say_why(start, origin, words, status, hint):
    proxy = start({"services": {"shop": {"targets": [origin.address]}}})
    done = proxy.command(*words)
    assert done.returncode == status and hint in done.stderr, done.stderr


def test_a_file_of_orders_that_is_damaged_is_told_and_left(start, origin, tmp_path):
    (tmp_path / "targets").write_text("nonsense\n")
    proxy = start({"services": {"shop": {"targets": [origin.address]}}, "data": str(tmp_path)})
    assert "drains and weights of before are lost" in proxy.stderr
    assert proxy.ask("/").status == 200


# --- outliers ---


def bad(exchange):
    exchange.answer(500, body=b"bad")


@pytest.mark.parametrize("fault", [bad, lambda exchange: exchange.close()])
def test_a_target_that_answers_badly_is_ejected_and_comes_back(start, trio, fault):
    good = trio[1].default
    proxy = start({"services": {"shop": {
        "balance": "round-robin", "targets": [server.address for server in trio],
        "outlier": {"errors-in-a-row": 4, "eject-first": "300ms"}}}})
    assert who_answers(proxy) == {"s0", "s1", "s2"}
    trio[1].default = fault

    def ejected():
        for i in range(6):
            proxy.ask(f"/{i}", "POST", body=b"x")
        return proxy.metric("pando_upstream_ejections_total", target=trio[1].address) >= 1
    until(ejected, "an ejection")
    trio[1].default = good
    assert f"{trio[1].address} is ejected for 0.3 s: " in proxy.stderr and "errors in a row" in proxy.stderr
    until(lambda: f"{trio[1].address} is ejected no more" in proxy.stderr, "its return")
    until(lambda: who_answers(proxy) == {"s0", "s1", "s2"}, "all again")


def test_while_it_is_ejected_it_takes_nothing_and_the_reason_is_shown(start, trio):
    proxy = start({"services": {"shop": {"balance": "round-robin", "targets": [s.address for s in trio]}}})
    trio[2].default = bad
    until(lambda: [proxy.ask("/") for _ in range(6)] and target_of(proxy, trio[2])["state"] == "ejected", "an ejection")
    assert "errors in a row" in target_of(proxy, trio[2])["reason"]
    until(lambda: who_answers(proxy) == {"s0", "s1"}, "the set without it")
    before = len(trio[2].requests)
    assert who_answers(proxy, 20) == {"s0", "s1"} and len(trio[2].requests) == before
    assert proxy.metric("pando_upstream_ejected", target=trio[2].address) == 1
    assert "ejected" in proxy.command("status").stdout and "errors in a row" in proxy.admin("/").text


def test_a_health_check_that_passes_ends_an_ejection(start, trio):
    proxy = start(config_of(trio, {"check": "tcp", "interval": "1s"}))
    trio[2].default = bad
    until(lambda: [proxy.ask("/") for _ in range(6)] and "is ejected for 30.0 s" in proxy.stderr, "an ejection")
    until(lambda: f"{trio[2].address} is ejected no more" in proxy.stderr, "a check ends it")


@pytest.mark.parametrize("script", [
    lambda exchange: exchange.answer(429),
    lambda exchange: exchange.answer(503, [("Retry-After", "1")])])
def test_backpressure_is_no_fault(start, trio, script):
    proxy = start({"services": {"shop": {"balance": "round-robin", "targets": [s.address for s in trio]}},
                   "workers": 1})
    trio[2].default = script
    for i in range(60):
        proxy.ask(f"/{i}")
    assert proxy.metric("pando_upstream_backpressure_total", target=trio[2].address) == 20
    trio[1].default = bad    # when it is ejected, the other was looked at as well
    until(lambda: [proxy.ask("/") for _ in range(6)] and target_of(proxy, trio[1])["state"] == "ejected", "an ejection")
    assert target_of(proxy, trio[2])["state"] == "up"


# --- slow start ---


def warming(proxy, server):
    return proxy.metric("pando_upstream_withheld_percent", target=server.address)


@pytest.mark.parametrize("balance", pando.strategies())
def test_a_target_that_comes_starts_with_a_part_of_its_weight(start, trio, balance):
    def with_targets(count, slow_start):
        return {"services": {"shop": {"balance": balance, "hash": {"key": "path"},
                                      "targets": [s.address for s in trio[:count]],
                                      "health": {"slow-start": slow_start, "slow-start-least": 10}}}, "workers": 1}
    proxy = start(with_targets(2, "1h"))
    assert warming(proxy, trio[0]) == 0    # all are new
    assert proxy.reload(with_targets(3, "1h")).returncode == 0
    assert warming(proxy, trio[2]) == 90 and warming(proxy, trio[0]) == 0
    assert "slow start: 10 % of its weight" in target_of(proxy, trio[2])["reason"]
    assert target_of(proxy, trio[2])["state"] == "up" and target_of(proxy, trio[2])["weight"] == 1
    shares = counts(proxy, 210)
    if balance == "round-robin":
        assert shares == {"s0": 100, "s1": 100, "s2": 10}
    assert 0 < shares["s2"] < 40, shares
    assert proxy.reload(with_targets(3, "1s")).returncode == 0
    until(lambda: warming(proxy, trio[2]) == 0, "its whole weight")
    until(lambda: target_of(proxy, trio[2])["reason"] is None, "no word of it")
    if balance == "round-robin":
        until(lambda: counts(proxy, 30) == {"s0": 10, "s1": 10, "s2": 10}, "equal shares")


def test_a_target_that_recovers_starts_slowly_and_its_own_weight_counts(start, trio):
    config = config_of(trio, {**HTTP, "slow-start": "1h", "slow-start-least": 50}, workers=1)
    proxy = start(config)
    trio[1].well = lambda exchange: exchange.answer(500)
    await_state(proxy, trio[1], "down")
    assert warming(proxy, trio[1]) == 0
    trio[1].well = lambda exchange: exchange.answer(200, body=b"well")
    await_state(proxy, trio[1], "up")
    assert warming(proxy, trio[1]) == 50
    until(lambda: counts(proxy, 10) == {"s0": 4, "s1": 2, "s2": 4}, "half of its share")
    order(proxy, "weight", f"shop/{trio[1].address}", "4")
    until(lambda: counts(proxy, 16) == {"s0": 4, "s1": 8, "s2": 4}, "half of its new share")
    order(proxy, "drain", f"shop/{trio[0].address}")
    order(proxy, "undrain", f"shop/{trio[0].address}")
    assert warming(proxy, trio[0]) == 50
    config["services"]["shop"]["health"]["slow-start"] = "none"
    assert proxy.reload(config).returncode == 0
    until(lambda: [warming(proxy, server) for server in trio] == [0, 0, 0], "no slow start")
    until(lambda: counts(proxy, 12) == {"s0": 2, "s1": 8, "s2": 2}, "whole shares")
