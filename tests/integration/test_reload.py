# SPDX-License-Identifier: Apache-2.0
"""test_reload.py - a configuration that changes under load: nothing is lost, nothing starts anew, nothing leaks.

Short form: 25 reloads. PANDO_LONG=1: 100. Each changes something else, drawn with PANDO_SEED; every tenth is wrong.
"""
import json
import re
import signal
import threading
import time

import origins
import pando
import raw
import slow
import ws
from pando import until
from traffic import Traffic, wrk

RELOADS = 100 if pando.LONG else 25
MIB = 1 << 20


def named_origin(name):
    """An origin that says who it is in the field Server."""
    server = origins.Origin()

    def describe(exchange):
        request = exchange.request
        told = {"target": request.target, "body": request.body.decode("latin-1")}
        exchange.answer(200, [("Content-Type", "application/json"), ("Server", name)], json.dumps(told).encode())

    server.default = describe
    return server


class Changes:
    """The configuration, and what may be done to it. Every change is one that a reload can make."""

    def __init__(self, draw, servers, bodies):
        self.draw, self.servers = draw, servers
        self.config = {
            "services": {
                "shop": {"targets": [self.target(i) for i in range(3)]},
                "bodies": {"match": {"host": "bodies.test"}, "targets": [bodies]},
            },
            "listeners": {},
        }
        self.kinds = [self.target_set, self.weight, self.service, self.listener, self.limit, self.balance, self.match,
                      self.timeouts]

    def target(self, index):
        return {"address": self.servers[index].address, "weight": 1}

    def change(self, number):
        """Changes something; its name."""
        kind = self.kinds[number % len(self.kinds)]
        kind()
        return kind.__name__

    def target_set(self):
        """One comes or goes; two stay, and one of them is always the first."""
        targets = self.config["services"]["shop"]["targets"]
        if len(targets) > 2:
            targets.pop(self.draw.randrange(1, len(targets)))
        else:
            used = {target["address"] for target in targets}
            free = [i for i in range(len(self.servers)) if self.servers[i].address not in used]
            targets.append(self.target(self.draw.choice(free)))

    def weight(self):
        target = self.draw.choice(self.config["services"]["shop"]["targets"])
        target["weight"] = target["weight"] % 5 + 1

    def service(self):
        services = self.config["services"]
        if "extra" in services:
            del services["extra"]
        else:
            services["extra"] = {"match": {"path": "/extra"}, "targets": [self.target(self.draw.randrange(4))]}

    def listener(self):
        listeners = self.config["listeners"]
        if "extra" in listeners:
            del listeners["extra"]
        else:
            listeners["extra"] = {"http": f"127.0.0.1:{pando.free_port()}"}

    def limit(self):
        limits = self.config.setdefault("limits", {})
        limits["connections"] = self.draw.randrange(20_000, 60_000)
        limits["requests-in-flight"] = self.draw.randrange(10_000, 20_000)
        self.config["http"] = {"header-count": self.draw.randrange(50, 200)}

    def balance(self):
        shop = self.config["services"]["shop"]
        names = pando.strategies()
        shop["balance"] = names[(names.index(shop.get("balance", names[0])) + 1) % len(names)]

    def match(self):
        shop = self.config["services"]["shop"]
        shop["match"] = [{"path": "/"}, {"host": f"n{self.draw.randrange(1000)}.test", "path": "/"}]

    def timeouts(self):
        self.config["upstream"] = {"answer-timeout": f"{self.draw.randrange(20, 60)}s",
                                   "idle-timeout": f"{self.draw.randrange(20, 60)}s"}


BROKEN = [
    (lambda config: {**config, "servcies": {}}, "servcies"),
    (lambda config: pando.merged(config, {"http": {"header-bytes": "32"}}), "header-bytes"),
    (lambda config: pando.merged(config, {"services": {"shop": {"balance": "fair"}}}), "fair"),
    (lambda config: pando.merged(config, {"services": {"shop": {"targets": ["nowhere:99999"]}}}), "99999"),
]


def echo_for_ever(proxy, state):
    """A WebSocket over which a counter goes to and fro until it is told to end."""
    try:
        with proxy.client() as client:
            tunnel = ws.connect(client, "/echo")
            state["open"] = True
            while not state["stop"].is_set():
                state["count"] += 1
                text = b"%d" % state["count"]
                tunnel.send(text, ws.TEXT)
                assert tunnel.receive() == (ws.TEXT, text)
                time.sleep(0.005)
            tunnel.close()
            assert tunnel.receive()[0] == ws.CLOSE
    except Exception as error:    # told to the test's thread
        state["error"] = repr(error)


COUNTERS = re.compile(r"^pando_.*(_total|_count)(\{|$)")


def counters_of(proxy):
    return {name: value for name, value in proxy.metrics().items() if COUNTERS.match(name)}


def fell(before, after, gone=()):
    """Counters that are smaller than before, or missing though nothing they belong to has gone."""
    return [(name, value, after.get(name)) for name, value in before.items()
            if not any(label in name for label in gone) and after.get(name, -1) < value]


def test_reloads_under_load_lose_nothing(start, draw):
    servers = [named_origin(f"s{i}") for i in range(4)]
    for server in servers:
        server.on("/echo", ws.serve(ws.echo))
    with slow.BodyServer() as bodies:
        changes = Changes(draw, servers, bodies.address)
        proxy = start(changes.config)
        pid = proxy.server_pid()
        socket = {"stop": threading.Event(), "count": 0, "error": None, "open": False}
        echo = threading.Thread(target=echo_for_ever, args=(proxy, socket), daemon=True)
        echo.start()
        until(lambda: socket["open"] or socket["error"], "the WebSocket to open")
        # Bodies that last longer than all reloads, at a pace that leaves room for the rest.
        length = (400 if pando.LONG else 64) * MIB
        long_ones = [slow.Upload(proxy.port, length, rate=2 * MIB), slow.Download(proxy.port, length, rate=2 * MIB)]
        load = [Traffic(proxy.port, clients=2, pause_s=0.002),
                Traffic(proxy.port, clients=2, keep=False, pause_s=0.002),
                Traffic(proxy.port, clients=1, method="POST", body=b"p" * 3000, pause_s=0.005)]
        memory, descriptors = [], []
        for each in load:
            each.__enter__()
        try:
            for each in load:
                each.wait_for(500)    # every buffer of every worker has been in use
            refused = 0
            for number in range(RELOADS):
                before = counters_of(proxy)
                if number % 10 == 9:
                    broken, word = BROKEN[refused % len(BROKEN)]
                    refused += 1
                    finished = proxy.reload(broken(changes.config))
                    text = finished.stdout + finished.stderr
                    assert finished.returncode != 0
                    assert word in text and f"{proxy.file}:" in text, text    # which file and line
                    assert "nothing was changed" in text
                    proxy.write(changes.config)
                    gone = ()
                else:
                    shop = {t["address"] for t in changes.config["services"]["shop"]["targets"]}
                    what = changes.change(number - refused)
                    finished = proxy.reload(changes.config)
                    assert finished.returncode == 0, finished.stdout + finished.stderr
                    assert "nothing has changed" not in finished.stdout, what
                    now = {t["address"] for t in changes.config["services"]["shop"]["targets"]}
                    gone = [f'target="{address}"' for address in shop - now] + ['service="extra"']
                load[number % len(load)].wait_for(5)
                assert fell(before, counters_of(proxy), gone) == []
                healthy = [v for name, v in proxy.metrics().items() if name.startswith("pando_upstream_healthy{")]
                assert len(healthy) >= 3 and set(healthy) == {1.0}
                memory.append(proxy.memory_bytes())
                descriptors.append(proxy.descriptors_count())
                failures = [failure for each in load for failure in each.failures]
                assert failures == [], (number, failures[:5])
                assert socket["error"] is None, (number, socket["error"])
                assert all(body.is_alive() for body in long_ones), [body.error for body in long_ones]
        finally:
            for each in load:
                each.stop()
            for body in long_ones:
                body.set_rate(None)
            socket["stop"].set()
        for body in long_ones:
            body.join(60)
            assert body.error is None
        echo.join(10)
        assert socket["error"] is None
        assert proxy.server_pid() == pid
        assert sum(each.done for each in load) > RELOADS * 5
        print(f"{RELOADS} reloads; requests {sum(each.done for each in load)}; WebSocket messages {socket['count']}; "
              f"memory {memory[4] // 1024} -> {memory[-1] // 1024} KiB; descriptors {descriptors[4]} -> {descriptors[-1]}")
        # It grows at first, until whatever a change may need has been in use; then it stays.
        assert memory[-1] - memory[RELOADS // 2] <= MIB and memory[-1] - memory[4] <= 4 * MIB
        assert max(descriptors[-5:]) <= max(descriptors[:5]) + 16
    for server in servers:
        server.stop()


def test_many_reloads_do_not_grow(start, origin):
    """Without load, so that the figures are exact: the same two configurations in turn."""
    first = {"services": {"shop": {"targets": [origin.address]}}}
    second = pando.merged(first, {"services": {"other": {"match": {"path": "/o"}, "targets": [origin.address]}},
                                  "listeners": {"extra": {"http": f"127.0.0.1:{pando.free_port()}"}},
                                  "http": {"header-count": 150}})
    proxy = start(first)
    control = proxy.control

    def both():
        for config in (second, first):
            proxy.write(config)
            with raw.Client(str(control)) as client:    # what `pando reload` does, without a process for each
                answer = client.ask("/control/reload", "POST")
                assert answer.status == 200, answer.body

    # The receive buffers of io_uring are used in turn: only after this have all of them been memory once.
    with proxy.client() as one, proxy.client() as two, raw.Client(str(control)) as three:
        for _ in range(600):
            assert one.ask().status == two.ask().status == three.ask("/healthz").status == 200
    for _ in range(300):
        assert proxy.ask().status == 200
    for _ in range(5):
        both()
    time.sleep(0.3)
    memory, descriptors = proxy.memory_bytes(), proxy.descriptors_count()
    count = 500 if pando.LONG else 50
    for _ in range(count):
        both()
        assert proxy.ask().status == 200
    time.sleep(0.3)
    grown = proxy.memory_bytes() - memory
    print(f"{2 * count} reloads: memory grew by {grown // 1024} KiB")
    assert grown <= 256 * 1024
    assert abs(proxy.descriptors_count() - descriptors) <= 4    # a kept connection more or less


def test_a_reload_under_the_load_of_wrk(start):
    """More requests than a Python client can send: not one may fail."""
    with origins.Nginx("return 200 'one';") as one, origins.Nginx("return 200 'two';") as two:
        configs = [{"services": {"shop": {"targets": targets, "balance": balance}}, "log": {"access": access}}
                   for targets, balance, access in (
                       ([one.address], "round-robin", True), ([one.address, two.address], "two-choices", False),
                       ([two.address], "least-connections", True))]
        proxy = start(configs[0])
        url = f"http://127.0.0.1:{proxy.port}/"
        lasting_s = 10 if pando.SANITIZED else 2
        loads = [wrk(url, lasting_s, 16), wrk(url, lasting_s, 8, fields=[("Connection", "close")])]
        time.sleep(0.2)
        reloads = 0
        while loads[0].process.poll() is None and reloads < 40:
            reloads += 1
            assert proxy.reload(configs[reloads % 3]).returncode == 0
        for load in loads:
            result = load.result()
            assert result["requests"] > 1000 and result["errors"] == 0 and result["not_2xx"] == 0, result["text"]
        assert reloads >= 10


# --- what a reload says and does ---


def test_it_says_what_changes(start, origin):
    proxy = start({"services": {"shop": {"targets": [origin.address]}}, "http": {"header-count": 50}})
    finished = proxy.reload({"services": {"shop": {"targets": [origin.address]}}, "http": {"header-count": 60}})
    assert finished.returncode == 0
    assert re.search(r"http\.header-count.*50.*60", finished.stdout), finished.stdout
    finished = proxy.reload()
    assert "nothing has changed" in finished.stdout


def test_a_wrong_file_is_refused_whole_and_located(start, origin):
    proxy = start({"services": {"shop": {"targets": [origin.address]}}})
    proxy.file.write_text(f"""listeners:
  web: {{http: "127.0.0.1:{proxy.port}"}}
  admin: {{admin: "127.0.0.1:{proxy.admin_port}"}}
  more: {{http: "127.0.0.1:{pando.free_port()}"}}
control: {proxy.control}
services:
  shop:
    targets: ["{origin.address}"]
    balance: fair
http:
  header-bytes: 32
  idle-timout: 5s
""")
    finished = proxy.command("reload")
    text = finished.stdout + finished.stderr
    assert finished.returncode != 0
    for line in (9, 11, 12):
        assert f"pando.yaml:{line}:" in text, text
    assert "nothing was changed" in text
    assert proxy.ask().status == 200
    assert 'listener="more"' not in json.dumps(proxy.metrics()) and "more" not in json.dumps(proxy.status())
    assert proxy.metrics()    # the admin listener is where it was


def test_sighup_reloads_too(start, origin):
    other = origins.Origin()
    proxy = start({"services": {"shop": {"targets": [origin.address]}}})
    assert proxy.ask("/one").status == 200
    proxy.write({"services": {"shop": {"targets": [other.address]}}})
    proxy.signal(signal.SIGHUP)
    until(lambda: proxy.ask("/two").status == 200 and other.seen("/two"), "the other target to be asked")
    until(lambda: "reloaded" in proxy.stderr, lambda: f"a word about it:\n{proxy.stderr}")
    proxy.file.write_text("services: [")
    proxy.signal(signal.SIGHUP)
    until(lambda: "reload refused" in proxy.stderr, lambda: f"the refusal:\n{proxy.stderr}")
    assert proxy.ask("/three").status == 200
    other.stop()


def test_a_target_that_leaves_ends_what_it_began(start, origin):
    """A request in progress on a target that is taken out ends there, whole."""
    other = origins.Origin()
    gate = threading.Event()
    origin.on("/slow", lambda exchange: (gate.wait(20), exchange.answer(200, body=b"from the old one")))
    proxy = start({"services": {"shop": {"targets": [origin.address]}}})
    with proxy.client() as client:
        client.send(raw.request("/slow"))
        origin.wait_for("/slow")
        assert proxy.reload({"services": {"shop": {"targets": [other.address]}}}).returncode == 0
        for _ in range(5):
            assert proxy.ask("/new").status == 200
        assert len(other.seen("/new")) == 5
        gate.set()
        assert client.answer().body == b"from the old one"
        assert client.ask("/new").status == 200
    until(lambda: origin.open_count == 0, "the connections to the old target to close")
    other.stop()


def test_a_listener_moves(start, origin):
    """It closes at the old address and answers at the new one; what is open there goes on until it is done."""
    port = pando.free_port()
    gate = threading.Event()
    origin.on("/slow", lambda exchange: (gate.wait(20), exchange.answer(200, body=b"late")))
    config = {"services": {"shop": {"targets": [origin.address]}}}
    proxy = start(config)
    old = proxy.port
    with proxy.client() as client:
        client.send(raw.request("/slow"))
        origin.wait_for("/slow")
        moved = pando.merged(config, {"listeners": {"web": {"http": f"127.0.0.1:{port}"}}})
        assert proxy.reload(moved).returncode == 0
        proxy.port = port
        assert proxy.ask().status == 200
        until(lambda: is_closed(old), "the old address to close")
        gate.set()
        assert client.answer().body == b"late"
    proxy.port = old
    assert proxy.reload(config).returncode == 0    # and back
    assert proxy.ask().status == 200
    until(lambda: is_closed(port), "the other address to close")


def is_closed(port):
    try:
        raw.Client(("127.0.0.1", port)).close()
        return False
    except ConnectionRefusedError:
        return True


def test_a_listener_whose_port_is_taken_refuses_the_reload(start, origin):
    config = {"services": {"shop": {"targets": [origin.address]}}}
    proxy = start(config)
    before, after = pando.free_port(), pando.free_port()
    wanted = pando.merged(config, {"listeners": {"before": {"http": f"127.0.0.1:{before}"},
                                                 "taken": {"http": origin.address},
                                                 "after": {"http": f"127.0.0.1:{after}"}}})
    for _ in range(2):
        finished = proxy.reload(wanted)
        text = finished.stdout + finished.stderr
        assert finished.returncode != 0 and "taken" in text and "another process listens there" in text, text
        assert is_closed(before) and is_closed(after)    # refused whole; what was opened is given back
        assert proxy.ask().status == 200


def test_what_only_a_start_can_change_is_said(start, origin):
    proxy = start({"services": {"shop": {"targets": [origin.address]}}, "workers": 2})
    finished = proxy.reload({"services": {"shop": {"targets": [origin.address]}}, "workers": 3})
    assert "workers" in finished.stdout and "start" in finished.stdout, finished.stdout
    assert proxy.ask().status == 200


def test_limits_change_at_once(start, origin):
    config = {"services": {"shop": {"targets": [origin.address]}}}
    proxy = start(config)
    with proxy.client() as client:
        assert client.ask("/x", "POST", body=b"x" * 2000).status == 200
        assert proxy.reload(pando.merged(config, {"http": {"body-bytes": "1KiB", "header-count": 8}})).returncode == 0
        assert client.ask("/x", fields=[(f"X-{i}", "1") for i in range(8)]).status == 431
    assert proxy.ask("/x", "POST", body=b"x" * 2000).status == 413
    assert proxy.reload(config).returncode == 0
    assert proxy.ask("/x", "POST", body=b"x" * 2000).status == 200
