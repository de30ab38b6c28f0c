# SPDX-License-Identifier: Apache-2.0
"""test_supervisor.py - the process that holds the sockets: a server that dies, an upgrade, the ways to stop."""
import contextlib
import os
import pathlib
import signal
import socket
import time

import pytest

import pando
import raw
from pando import until
from traffic import Traffic


@contextlib.contextmanager
def unexamined(config, io, **more):
    """A Pando that ends in a way that stop() would not accept."""
    proxy = pando.Pando(config, io, may_die=True, **more)
    try:
        proxy.start()
        yield proxy
    except BaseException:
        print(proxy.stderr)
        raise
    finally:
        proxy._close()


def config_of(origin, **more):
    # Clients of these tests stay after a FIN; a drain would wait for them.
    config = {"services": {"shop": {"targets": [origin.address]}}, "http": {"linger-timeout": "100ms"}}
    return pando.merged(config, more)


def is_gone(pid):
    return not pathlib.Path(f"/proc/{pid}").exists()


def first_answer_after(proxy, began):
    """Milliseconds from then to the first answer 200 on a new connection."""
    while True:
        try:
            if proxy.ask("/again").status == 200:
                return (time.monotonic() - began) * 1000
        except (OSError, raw.Ended):
            pass
        assert time.monotonic() - began < 20, proxy.stderr
        time.sleep(0.001)


# --- a server that dies ---


def test_a_killed_server_is_back_on_the_same_sockets(start, origin, record_property):
    proxy = start(config_of(origin), may_die=True)
    assert proxy.ask().status == 200
    pid = proxy.server_pid()
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    # What the dying process accepted is lost with it. Whoever connects once it is gone finds the sockets open.
    until(lambda: is_gone(pid), "it to be gone", pause_s=0.0005)
    waiting = [proxy.client() for _ in range(20)]
    for i, client in enumerate(waiting):
        client.send(raw.request(f"/between/{i}"))
    took_ms = first_answer_after(proxy, began)
    for client in waiting:
        assert client.answer().status == 200
        client.close()
    print(f"back after {took_ms:.1f} ms")
    record_property("back_after_ms", round(took_ms, 1))
    assert took_ms < 2000
    assert proxy.server_pid() != pid
    assert f"(pid {pid}) was ended by signal 9" in proxy.stderr


def test_a_killed_server_costs_only_what_was_in_flight(start, origin):
    """Clients that make a connection for each request: at most the request that each had in progress is lost."""
    proxy = start(config_of(origin), may_die=True)
    with Traffic(proxy.port, clients=4, keep=False) as traffic:
        traffic.wait_for(50)
        os.kill(proxy.server_pid(), signal.SIGKILL)
        traffic.wait_for(50)
    assert len(traffic.failures) <= 4, traffic.failures


def test_a_server_that_dies_quickly_is_started_after_growing_pauses(io, origin):
    with unexamined(config_of(origin), io) as proxy:
        time.sleep(1.1)    # the first has lived long enough: the next is started at once
        born = [0.0]
        pid = proxy.server_pid()
        for _ in range(6):
            os.kill(pid, signal.SIGKILL)
            died = time.monotonic()
            before = pid
            pid = until(lambda: next((p for p in proxy.server_pids() if p != before and is_alive(p)), None),
                        "a new server", pause_s=0.001)
            born.append(time.monotonic() - died)
        print("pauses in ms:", [round(pause * 1000) for pause in born[1:]])
        assert born[1] < 0.05 or born[1] < born[3]
        assert born[4] > born[2] * 1.5 and born[6] > born[4] * 1.5    # 50, 100, 200, 400, 800 ms
        assert born[6] < 6
        assert "it is started again after a pause" in proxy.stderr
        assert until(lambda: answers(proxy), "an answer after all these deaths") == 200
        # Having lived for a while it is trusted again.
        time.sleep(1.1)
        began = time.monotonic()
        os.kill(proxy.server_pid(), signal.SIGKILL)
        assert first_answer_after(proxy, began) < 2000


def is_alive(pid):
    """Not a zombie: those are in the list of children until they are waited for."""
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    return False


def answers(proxy):
    with contextlib.suppress(OSError, raw.Ended):
        return proxy.ask().status
    return None


# --- an upgrade ---


def upgrade(proxy):
    """SIGUSR2, and waits until the old server is gone."""
    old = proxy.server_pid()
    proxy.signal(signal.SIGUSR2)
    until(lambda: is_gone(old), lambda: f"the old server to end:\n{proxy.stderr}")
    assert proxy.server_pid() != old


@pytest.mark.parametrize("keep", [False, True], ids=["connection-each", "kept-connections"])
def test_an_upgrade_under_load_loses_nothing(start, origin, keep):
    proxy = start(config_of(origin))
    origin.on("/slow", lambda exchange: (time.sleep(1), exchange.answer(200, body=b"late")))
    with Traffic(proxy.port, clients=4, keep=keep) as traffic:
        traffic.wait_for(50)
        slow = proxy.client()
        slow.send(raw.request("/slow"))
        origin.wait_for("/slow")
        for _ in range(5 if pando.LONG else 1):
            upgrade(proxy)
            traffic.wait_for(50)
        assert slow.answer().body == b"late"
    assert traffic.failures == []


def test_an_upgrade_that_does_not_get_ready_changes_nothing(start, origin):
    proxy = start(config_of(origin), may_die=True)
    old = proxy.server_pid()
    good = proxy.file.read_text()
    proxy.file.write_text("servcies: {}\n")
    proxy.signal(signal.SIGUSR2)
    until(lambda: "the old one goes on" in proxy.stderr, lambda: f"the refusal:\n{proxy.stderr}")
    assert proxy.ask().status == 200
    assert proxy.server_pids() == [old]
    proxy.file.write_text(good)
    upgrade(proxy)
    assert proxy.ask().status == 200


# --- stopping ---


def is_refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return False
    except ConnectionRefusedError:
        return True


def test_sigterm_drains(start, origin):
    gate = {"open": False}

    def slow(exchange):
        exchange.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"a" * 100000)
        until(lambda: gate["open"], "the gate")
        exchange.sock.sendall(b"b" * 100000)

    origin.on("/slow", slow)
    proxy = start(config_of(origin))
    client = proxy.client()
    client.send(raw.request("/slow"))
    origin.wait_for("/slow")
    idle = proxy.client()
    assert idle.ask().status == 200
    proxy.signal(signal.SIGTERM)
    until(lambda: is_refused(proxy.port), "new connections to be refused")
    assert idle.ended() == "fin"
    idle.close()
    assert proxy.process.poll() is None
    assert proxy.admin("/readyz").status == 503    # the pages go last
    gate["open"] = True
    answer = client.answer()
    assert answer.body == b"a" * 100000 + b"b" * 100000
    assert client.ended() == "fin"
    assert proxy.process.wait(10) == 0
    assert is_refused(proxy.admin_port)


def test_readyz_fails_before_anything_closes(start, origin):
    proxy = start(config_of(origin, shutdown={"unready-for": "800ms"}))
    assert proxy.admin("/readyz").status == 200
    began = time.monotonic()
    proxy.signal(signal.SIGTERM)
    until(lambda: proxy.admin("/readyz").status == 503, "/readyz to fail")
    while time.monotonic() - began < 0.6:
        assert proxy.ask().status == 200    # those who have not looked yet are served
        assert proxy.admin("/readyz").status == 503
        assert proxy.admin("/healthz").status == 200
        time.sleep(0.05)
    until(lambda: is_refused(proxy.port), "the end of accepting")
    assert time.monotonic() - began > 0.75
    assert proxy.process.wait(10) == 0


def test_what_lasts_longer_than_the_drain_is_cut(start, origin):
    origin.on("/for-ever", lambda exchange: exchange.ended())
    proxy = start(config_of(origin, shutdown={"drain-for": "500ms"}))
    client = proxy.client()
    client.send(raw.request("/for-ever"))
    origin.wait_for("/for-ever")
    began = time.monotonic()
    proxy.signal(signal.SIGTERM)
    assert proxy.process.wait(10) == 0
    assert 0.4 < time.monotonic() - began < 5
    with pytest.raises(raw.Ended):
        client.answer()


def test_a_second_sigterm_ends_at_once(io, origin):
    origin.on("/for-ever", lambda exchange: exchange.ended())
    with unexamined(config_of(origin), io) as proxy:
        client = proxy.client()
        client.send(raw.request("/for-ever"))
        origin.wait_for("/for-ever")
        pid = proxy.server_pid()
        proxy.signal(signal.SIGTERM)
        until(lambda: is_refused(proxy.port), "the drain to begin")
        time.sleep(0.3)
        assert proxy.process.poll() is None
        began = time.monotonic()
        proxy.signal(signal.SIGTERM)
        proxy.process.wait(5)
        assert time.monotonic() - began < 1
        assert is_gone(pid)
        with pytest.raises(raw.Ended):
            client.answer()


def test_a_server_ends_when_its_supervisor_is_killed(io, origin):
    """Else it would go on, unseen, on sockets that nobody can take over."""
    with unexamined(config_of(origin), io) as proxy:
        pid = proxy.server_pid()
        assert proxy.ask().status == 200
        proxy.process.kill()
        proxy.process.wait()
        until(lambda: is_gone(pid) or not is_alive(pid), "the server to end")
        until(lambda: is_refused(proxy.port), "the port to be free")


# --- refusals ---


def refusal_of(config, io):
    """A Pando that must not start: its exit status and what it says."""
    proxy = pando.Pando(config, io)
    try:
        finished = pando.command("run", proxy.file, "--io", io, timeout_s=20, folder=proxy.folder)
        return finished.returncode, finished.stderr
    finally:
        import shutil
        shutil.rmtree(proxy.folder, ignore_errors=True)


def test_a_taken_port_is_named(io, origin):
    config = config_of(origin, listeners={"web": {"http": origin.address}})
    status, text = refusal_of(config, io)
    assert status != 0
    assert f"{origin.address}: another process listens there" in text
    assert "listener web" in text


def test_a_second_pando_on_the_same_port_is_refused(start, io, origin):
    proxy = start(config_of(origin))
    config = config_of(origin, listeners={"web": {"http": f"127.0.0.1:{proxy.port}"}})
    status, text = refusal_of(config, io)
    assert status != 0
    assert "another process listens there" in text
    assert proxy.ask().status == 200


def test_an_address_of_another_machine_is_named(io, origin):
    status, text = refusal_of(config_of(origin, listeners={"web": {"http": "192.0.2.1:8080"}}), io)
    assert status != 0
    assert "192.0.2.1:8080: this machine has no such address" in text


def test_a_stale_control_socket_is_replaced(start, io, origin):
    """What a killed Pando left behind does not keep the next one from starting."""
    with unexamined(config_of(origin), io) as proxy:
        proxy.kill()
        assert proxy.control.exists()
        proxy.start()
        assert proxy.ask().status == 200
        assert proxy.command("status").returncode == 0
        proxy.kill()
