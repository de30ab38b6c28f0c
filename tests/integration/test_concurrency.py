# SPDX-License-Identifier: Apache-2.0
"""test_concurrency.py - as many requests at once as a service can do; the others wait, and who cannot be served
in time is told.

Nothing here depends on how fast anything is: a held request ends when the test says so.
"""
import json
import threading

import pytest

import origins
import pando
import raw
from pando import until


class Gate:
    """/held at an origin: each request there ends when open() is called; counts those inside."""

    def __init__(self, origin):
        self.lock = threading.Condition()
        self.inside = self.most = self.tickets = 0
        self.order = []
        origin.on("/held", self._serve)

    def _serve(self, exchange):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.order.append(exchange.request.get("X-Name"))
            self.lock.notify_all()
            assert self.lock.wait_for(lambda: self.tickets > 0, pando.PATIENCE_S)
            self.tickets -= 1
            self.inside -= 1
        exchange.answer(200, body=b"held")

    def open(self, count=1):
        with self.lock:
            self.tickets += count
            self.lock.notify_all()

    def wait_inside(self, count):
        with self.lock:
            assert self.lock.wait_for(lambda: self.inside == count, pando.PATIENCE_S), self.inside


class Ask:
    """A request under way on a connection of its own."""

    def __init__(self, proxy, name=None, path="/held", source=None, **fields):
        self.client = raw.Client(("127.0.0.1", proxy.port), source=source)
        fields = [(key.replace("_", "-"), value) for key, value in fields.items()]
        self.client.send(raw.request(path, fields=fields + ([("X-Name", name)] if name else [])))

    def answer(self):
        try:
            return self.client.answer()
        finally:
            self.client.close()


def config_of(*servers, workers=1, **concurrency):
    return {
        "workers": workers,
        "services": {"shop": {"targets": [server.address for server in servers],
                              "concurrency": {"limit": "fixed", "start": 1, "most-wait": "1h", **concurrency}}},
    }


def waiting(proxy, priority="normal"):
    return proxy.metric("pando_waiting", service="shop", priority=priority)


def wait_waiting(proxy, count, priority="normal"):
    until(lambda: waiting(proxy, priority) == count, lambda: f"{waiting(proxy, priority)} wait, not {count}")


def shed(proxy, why):
    return proxy.metric(f"pando_{why}_total", service="shop")


@pytest.fixture
def gate(origin):
    return Gate(origin)


def test_one_more_than_the_limit_waits(start, origin, gate):
    proxy = start(config_of(origin))
    first = Ask(proxy, "first")
    gate.wait_inside(1)
    second = Ask(proxy, "second")
    wait_waiting(proxy, 1)
    assert proxy.metric("pando_concurrency_limit", service="shop") == 1
    assert proxy.metric("pando_concurrency_inflight", service="shop") == 1
    status = proxy.status()["services"][0]["concurrency"]
    assert status == {"limit": "fixed", "now": 1, "inflight": 1,
                      "waiting": {"critical": 0, "high": 0, "normal": 1, "low": 0}}
    assert "waiting <b>1</b>" in proxy.admin("/").body.decode()
    assert "limit 1 (fixed), 1 in progress; waiting: critical 0 high 0 normal 1 low 0" in \
        proxy.command("status").stdout
    gate.open(2)
    assert first.answer().status == 200 and second.answer().status == 200
    assert gate.order == ["first", "second"] and gate.most == 1
    lines = proxy.log_lines(2)
    assert sorted(line.get("room", 0) > 0 for line in lines) == [False, True]
    assert shed(proxy, "waited") == 1
    wait_waiting(proxy, 0)


def test_a_full_room_refuses_and_says_so(start, origin, gate):
    proxy = start(config_of(origin, waiting=1))
    asked = [Ask(proxy)]
    gate.wait_inside(1)
    asked.append(Ask(proxy))
    wait_waiting(proxy, 1)
    with proxy.client() as client:
        answer = client.ask("/over")
        assert answer.status == 503 and int(answer.get("Retry-After")) >= 1
        assert answer.get("Proxy-Status").startswith("pando; error=connection_limit_reached")
        problem = json.loads(answer.body)
        assert "waiting room is full" in problem["detail"]
        gate.open(2)
        assert [one.answer().status for one in asked] == [200, 200]
        assert client.ask("/after").status == 200    # the connection goes on
    assert not origin.seen("/over")
    until(lambda: shed(proxy, "shed_full") == 1, "no metric")
    assert proxy.status()["services"][0]["limits"]["shed_full"] == 1
    assert proxy.metric("pando_errors_total", service="shop", kind="OVERLOAD") == 1
    assert "waiting room was full: 1 requests" in proxy.command("status").stdout


@pytest.mark.parametrize("workers", [1, 3])
def test_the_lowest_priority_makes_room(start, origin, gate, workers):
    """On one worker, and wherever the kernel puts the connections."""
    proxy = start(config_of(origin, workers=workers, waiting=2, **{"priority-header": "X-Priority"}))
    first = Ask(proxy, "first")
    gate.wait_inside(1)
    low = [Ask(proxy, "low", X_Priority="low") for _ in range(2)]
    wait_waiting(proxy, 2, "low")
    high = Ask(proxy, "high", X_Priority="high")
    until(lambda: shed(proxy, "shed_displaced") == 1, "nobody made room")
    wait_waiting(proxy, 1, "high")
    wait_waiting(proxy, 1, "low")
    gate.open(3)
    assert first.answer().status == 200 and high.answer().status == 200
    assert sorted(one.answer().status for one in low) == [200, 503]
    assert gate.order == ["first", "high", "low"]


def test_clients_take_turns(start, origin, gate):
    proxy = start(config_of(origin, client="header:X-Who"))
    asked = [Ask(proxy, "first")]
    gate.wait_inside(1)
    for i, name in enumerate("aaaab"):
        asked.append(Ask(proxy, name, X_Who=name))
        wait_waiting(proxy, i + 1)
    gate.open(6)
    assert all(one.answer().status == 200 for one in asked)
    assert gate.order == ["first", "a", "b", "a", "a", "a"]


def test_a_client_that_leaves_leaves_the_room(start, origin, gate):
    proxy = start(config_of(origin))
    first = Ask(proxy)
    gate.wait_inside(1)
    second = Ask(proxy)
    wait_waiting(proxy, 1)
    second.client.reset()    # a FIN alone is a half-close, which is answered
    wait_waiting(proxy, 0)
    assert shed(proxy, "wait_cancelled") == 1
    gate.open()
    assert first.answer().status == 200
    assert gate.order == [None]


def test_nobody_waits_longer_than_is_set(start, origin, gate):
    proxy = start(config_of(origin, **{"most-wait": "50ms"}))
    first = Ask(proxy)
    gate.wait_inside(1)
    answer = Ask(proxy).answer()
    assert answer.status == 503 and "most-wait" in json.loads(answer.body)["detail"]
    assert shed(proxy, "shed_waited") == 1
    gate.open()
    assert first.answer().status == 200


def test_the_deadline_of_a_request_ends_its_wait(start, origin, gate):
    config = config_of(origin)
    config["services"]["shop"]["http"] = {"request-timeout": "300ms"}
    proxy = start(config)
    first = Ask(proxy)
    gate.wait_inside(1)
    second = Ask(proxy)    # it may be let in for the little time that it has left when the first is given up
    assert first.answer().status == 504
    assert second.answer().status in (503, 504)
    wait_waiting(proxy, 0)
    gate.open(2)


def test_who_would_be_too_late_is_refused_at_once(start, origin, gate):
    """A request is seen to take long; then one that would have to wait for another is not kept waiting."""
    proxy = start(config_of(origin, **{"most-wait": "1ms"}))
    first = Ask(proxy)
    gate.wait_inside(1)
    until(lambda: Ask(proxy, path="/x").answer().status == 503, "the room does not refuse")
    gate.open()
    assert first.answer().status == 200
    again = []

    def is_refused_at_once():
        """Control looks ten times a second."""
        before = shed(proxy, "shed_deadline")
        again.append(Ask(proxy))
        gate.wait_inside(1)
        assert Ask(proxy, path="/x").answer().status == 503
        gate.open()
        assert again.pop().answer().status == 200
        return shed(proxy, "shed_deadline") > before

    until(is_refused_at_once, "it waits, although its turn would come too late")


@pytest.mark.parametrize("workers", [2, 4])
def test_one_permit_and_several_workers_starve_nobody(start, workers):
    with origins.Origin() as origin:
        lock, inside, most = threading.Lock(), [0], [0]

        def serve(exchange):
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            exchange.read_body()
            with lock:
                inside[0] -= 1
            exchange.answer(200)

        origin.on("/", serve)
        proxy = start(config_of(origin, workers=workers))
        statuses = []

        def run():
            with proxy.client() as client:
                for _ in range(30):
                    statuses.append(client.ask("/").status)

        threads = [threading.Thread(target=run) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 16 * 30
        assert most[0] == 1
        until(lambda: proxy.metric("pando_concurrency_inflight", service="shop") == 0, "a permit is lost")


def test_a_reload_serves_who_waits(start, origin, gate):
    """A higher limit holds at once for those who wait already; without any, they are served as permits come back."""
    config = config_of(origin)
    proxy = start(config)
    asked = [Ask(proxy, "1")]
    gate.wait_inside(1)
    asked += [Ask(proxy, str(i)) for i in range(2, 5)]
    wait_waiting(proxy, 3)
    config["services"]["shop"]["concurrency"]["start"] = 2
    assert proxy.reload(config).returncode == 0
    gate.wait_inside(2)
    wait_waiting(proxy, 2)
    del config["services"]["shop"]["concurrency"]
    assert proxy.reload(config).returncode == 0
    assert proxy.ask("/free").status == 200
    gate.open(4)
    assert all(one.answer().status == 200 for one in asked)
    assert gate.most == 2


def test_overload_lowers_an_aimd_limit_and_a_reload_keeps_it(start, origin):
    def limit():
        return proxy.metric("pando_concurrency_limit", service="shop")

    origin.on("/busy", lambda exchange: exchange.answer(503))
    config = config_of(origin, limit="aimd", start=20)
    proxy = start(config)
    assert limit() == 20

    def is_lower():
        proxy.ask("/busy")
        return limit() <= 10

    until(is_lower, lambda: f"the limit is {limit()}")
    assert proxy.reload({**config, "http": {"header-count": 50}}).returncode == 0
    assert limit() <= 10
    config["services"]["shop"]["concurrency"]["least"] = 15
    assert proxy.reload(config).returncode == 0
    assert limit() == 15


@pytest.mark.parametrize("workers", [1, 3])
def test_a_target_has_no_more_than_it_may(start, workers):
    with origins.Origin() as one, origins.Origin() as other:
        gates = Gate(one), Gate(other)
        config = config_of(one, other, workers=workers, **{"per-target": 2})
        for key in ("limit", "start"):
            del config["services"]["shop"]["concurrency"][key]
        proxy = start(config)
        asked = [Ask(proxy, str(i)) for i in range(9)]
        for gate in gates:
            gate.wait_inside(2)
        wait_waiting(proxy, 5)
        assert proxy.metric("pando_concurrency_limit", service="shop") == 4
        for gate in gates:
            gate.open(9)
        assert all(answer.status == 200 for answer in [one.answer() for one in asked])
        assert all(gate.most <= 2 for gate in gates)


def test_a_body_waits_too(start, origin):
    """It is held back, not lost."""
    gate = Gate(origin)
    proxy = start(config_of(origin))
    first = Ask(proxy)
    gate.wait_inside(1)
    body = b"0123456789" * 200_000
    answers = []
    thread = threading.Thread(target=lambda: answers.append(proxy.ask("/echo", method="POST", body=body)))
    thread.start()
    wait_waiting(proxy, 1)
    gate.open()
    thread.join()
    assert first.answer().status == 200 and answers[0].status == 200
    assert origin.seen("/echo")[0].body == body


@pytest.mark.parametrize("setting, words", [
    ("limit=vegas", "fixed"),
    ("start=5", "bounds but no limit"),
    ("client=path", "address, header:NAME or cookie:NAME"),
])
def test_mistakes_are_told(setting, words):
    result = pando.command("check", "--to", "127.0.0.1:1", "--set", f"services.default.concurrency.{setting}")
    assert result.returncode == 2
    assert words in result.stdout + result.stderr


def test_bounds_that_contradict_are_told():
    result = pando.command("check", "--to", "127.0.0.1:1", "--set", "services.default.concurrency.limit=gradient",
                           "--set", "services.default.concurrency.start=5")
    assert result.returncode == 2
    assert "least is 20, start is 5, most is 200" in result.stdout + result.stderr
