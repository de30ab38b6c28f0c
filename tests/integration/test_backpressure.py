# SPDX-License-Identifier: Apache-2.0
"""test_backpressure.py - a fast side and a slow side: what stands in between holds little, and nobody else suffers.

Short form: bodies of 64 MiB that move at 1 MiB/s for a while and then as fast as they can. PANDO_LONG=1: 2 GiB.
"""
import re
import subprocess
import time

import pytest

import pando
import slow
from origins import Nginx
from relay import Relay

KIB, MIB = 1 << 10, 1 << 20
BODY_BYTES = 2048 * MIB if pando.LONG else 64 * MIB
SLOW_S = 120 if pando.LONG else 2
BUFFER_BYTES = 128 * KIB     # the preset of http.buffer-bytes
RECEIVED_BYTES = 32 * KIB    # a received buffer may go over it
# Sockets of the test's own sides, small, so that the rest is Pando's and its sockets'. Smaller than this and the
# loopback's segments of 64 KiB make no progress.
SOCKET_BYTES = 256 * KIB


def config_of(*targets, **more):
    return pando.merged({"log": {"access": False}, "services": {"bodies": {"targets": list(targets)}}}, more)


def queues():
    """{(own port, other port): (bytes sent and not acknowledged, bytes received and not read)} of 127.0.0.1."""
    found = {}
    with open("/proc/net/tcp", encoding="ascii") as table:
        for line in table.readlines()[1:]:
            words = line.split()
            if words[3] == "01":
                own, other = (int(word.split(":")[1], 16) for word in words[1:3])
                found[own, other] = tuple(int(word, 16) for word in words[4].split(":"))
    return found


def warm_up(port, host="bodies.test"):
    """Brings every buffer of every worker into use; memory is compared with what it is after this."""
    for _ in range(2):
        some = [kind(port, 4 * MIB, host=host) for kind in (slow.Upload, slow.Download) for _ in range(4)]
        for transfer in some:
            transfer.join(30)
            assert transfer.error is None


class Held:
    """What is on its way of one upload or one download, and where it stands. Exact while nothing moves."""

    def __init__(self, table, sender, receiver, sent, read, in_the_middle):
        # (sender, middle): unacknowledged at the sender; (middle, sender): unread by Pando, and so on.
        self.on_the_way = sent - read
        self.at_sender = table[sender][0]
        self.unread = table[sender[::-1]][1]
        self.unsent = table[receiver[::-1]][0]
        self.at_receiver = table[receiver][1]
        self.inside = self.on_the_way - self.at_sender - self.unread - self.unsent - self.at_receiver
        self.name = in_the_middle

    def __str__(self):
        return (f"{self.name}: {self.inside // KIB} KiB inside; in the kernel {self.unread // KIB} KiB unread and "
                f"{self.unsent // KIB} KiB unsent of Pando's, {self.at_sender // KIB} KiB of the sender's, "
                f"{self.at_receiver // KIB} KiB of the receiver's")


def upstream_ports(table, server_port, port):
    """(of the upload, of the download): the upload's has bytes to send, the download's bytes to read."""
    mine = [own for own, other in table if other == server_port and own != port]
    upload = max(mine, key=lambda own: table[own, server_port][0])
    download = max(mine, key=lambda own: table[own, server_port][1])
    return upload, download


def test_one_slow_side_holds_the_fast_one_back(start):
    """An upload to a server that reads 1 MiB/s, and a download by a client that does."""
    with slow.BodyServer(buffer_bytes=SOCKET_BYTES) as server:
        proxy = start(config_of(server.address, workers=1))
        warm_up(proxy.port)
        before, read_before, sent_before = proxy.memory_bytes(), server.read_bytes, server.sent_bytes
        most = before
        server.set_rate(MIB)
        upload = slow.Upload(proxy.port, BODY_BYTES, buffer_bytes=SOCKET_BYTES)
        download = slow.Download(proxy.port, BODY_BYTES, rate=MIB, buffer_bytes=SOCKET_BYTES)
        for _ in range(SLOW_S * 10):
            time.sleep(0.1)
            most = max(most, proxy.memory_bytes())
        # They do move, and at the pace of the slow side.
        assert 0.3 * SLOW_S * MIB < server.read_bytes - read_before < 1.5 * SLOW_S * MIB
        assert 0.3 * SLOW_S * MIB < download.moved < 1.5 * SLOW_S * MIB
        # A halt shows exactly where everything is that was taken from the fast side.
        server.set_rate(0)
        download.set_rate(0)
        time.sleep(0.4)
        table = queues()
        up_port, down_port = upstream_ports(table, server.port, proxy.port)
        upload_port, download_port = (each.sock.getsockname()[1] for each in (upload, download))
        held = [
            Held(table, (upload_port, proxy.port), (server.port, up_port), upload.moved,
                 server.read_bytes - read_before, "upload"),
            Held(table, (server.port, down_port), (download_port, proxy.port), server.sent_bytes - sent_before,
                 download.moved, "download"),
        ]
        print(*held, sep="\n")
        most = max(most, proxy.memory_bytes())
        server.set_rate(None)
        download.set_rate(None)
        for transfer in (upload, download):
            transfer.join(300)
            assert not transfer.is_alive() and transfer.error is None, transfer.error
        most = max(most, proxy.memory_bytes())
        print(f"memory grew by {(most - before) // KIB} KiB")
        assert most - before <= 2 * MIB
        for each in held:
            assert each.inside <= BUFFER_BYTES + RECEIVED_BYTES + 4 * KIB, str(each)


def test_the_kernel_is_held_back_too_where_it_is_asked(start):
    """With receive-buffer on both sides all of what Pando and its sockets hold of a stalled body is bounded."""
    most, limit = BUFFER_BYTES + RECEIVED_BYTES + 4 * KIB, 128 * KIB
    with slow.BodyServer(rate=0, buffer_bytes=SOCKET_BYTES) as server:
        proxy = start(pando.merged(config_of(server.address, workers=1, upstream={"receive-buffer": "128KiB"}),
                                   {"listeners": {"web": {"receive-buffer": "128KiB"}}}))
        upload = slow.Upload(proxy.port, 32 * MIB, buffer_bytes=SOCKET_BYTES)
        download = slow.Download(proxy.port, 32 * MIB, rate=0, buffer_bytes=SOCKET_BYTES)
        time.sleep(0.6)
        table = queues()
        up_port, down_port = upstream_ports(table, server.port, proxy.port)
        upload_port, download_port = (each.sock.getsockname()[1] for each in (upload, download))
        up = Held(table, (upload_port, proxy.port), (server.port, up_port), upload.moved, server.read_bytes, "upload")
        down = Held(table, (server.port, down_port), (download_port, proxy.port), server.sent_bytes, download.moved,
                    "download")
        print(up, down, sep="\n")
        server.set_rate(None)
        download.set_rate(None)
        for transfer in (upload, download):
            transfer.join(60)
            assert transfer.error is None
        for each in (up, down):
            assert each.inside <= most and each.unread <= 2 * limit, str(each)


def test_an_answer_that_a_cache_passes_on_holds_no_more(start):
    """It goes from op to op, and both together hold what one may."""
    with slow.BodyServer(buffer_bytes=SOCKET_BYTES) as server:
        proxy = start(pando.merged(config_of(server.address, workers=1), {"services": {"bodies": {"cache": {"memory": "16MiB"}}}}))
        download = slow.Download(proxy.port, BODY_BYTES, rate=0, buffer_bytes=SOCKET_BYTES)
        time.sleep(0.6)
        table = queues()
        _, down_port = upstream_ports(table, server.port, proxy.port)
        held = Held(table, (server.port, down_port), (download.sock.getsockname()[1], proxy.port), server.sent_bytes,
                    download.moved, "download")
        print(held)
        download.set_rate(None)
        download.join(300)
        assert download.error is None
        assert held.inside <= BUFFER_BYTES + RECEIVED_BYTES + 4 * KIB, str(held)


def test_where_readers_hold_all_memory_of_a_cache_the_others_hold_little(start):
    """Answers that might be kept, but there is no memory for them: small pipes take the place of those of the setting."""
    small, body = 2 * 16 * KIB, MIB * 3 // 2
    cache = {"memory": "16MiB", "fresh-for": "1h"}
    with slow.BodyServer(buffer_bytes=SOCKET_BYTES) as server:
        proxy = start(pando.merged(config_of(server.address, workers=1), {"services": {"bodies": {"cache": cache}}}))
        readers = [slow.Download(proxy.port, body + number, rate=0, buffer_bytes=SOCKET_BYTES) for number in range(40)]
        time.sleep(1)
        assert proxy.metric("pando_cache_refused_total", service="bodies") > 0
        sent, table = server.sent_bytes, queues()
        download = slow.Download(proxy.port, body + 40, rate=0, buffer_bytes=SOCKET_BYTES)
        time.sleep(0.6)
        table = {ends: sizes for ends, sizes in queues().items() if ends not in table or not any(table[ends])}
        _, down_port = upstream_ports(table, server.port, proxy.port)
        held = Held(table, (server.port, down_port), (download.sock.getsockname()[1], proxy.port),
                    server.sent_bytes - sent, download.moved, "download")
        print(held)
        for each in [*readers, download]:
            each.set_rate(None)
        for each in [*readers, download]:
            each.join(60)
            assert each.error is None
        assert held.inside <= small + RECEIVED_BYTES + 4 * KIB, str(held)


def test_a_larger_buffer_holds_more(start):
    """The setting is what bounds it, not something else."""
    with slow.BodyServer(rate=0, buffer_bytes=SOCKET_BYTES) as server:
        proxy = start(config_of(server.address, workers=1, http={"buffer-bytes": "512KiB"}))
        upload = slow.Upload(proxy.port, 64 * MIB, buffer_bytes=SOCKET_BYTES)
        time.sleep(0.6)
        table = queues()
        up_port, _ = upstream_ports(table, server.port, proxy.port)
        held = Held(table, (upload.sock.getsockname()[1], proxy.port), (server.port, up_port), upload.moved,
                    server.read_bytes, "upload")
        print(held)
        server.set_rate(None)
        upload.join(60)
        assert upload.error is None
        assert BUFFER_BYTES + RECEIVED_BYTES + 4 * KIB < held.inside <= 512 * KIB + RECEIVED_BYTES + 4 * KIB


def median_ms(url, host, seconds):
    """Median of the answer times of one client, measured by wrk."""
    text = subprocess.run(["wrk", "-d", f"{seconds}s", "-c", "1", "-t", "1", "--latency", "-H", f"Host: {host}", url],
                          capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in text and "Socket errors" not in text, text
    value, unit = re.search(r"50%\s+([\d.]+)(us|ms|s)", text).groups()
    return float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def test_many_slow_bodies_leave_another_client_unharmed(start):
    """64 bodies at once, 32 each way, through relays at 1 MiB/s for each of them, before and behind Pando."""
    count, body = 64, (32 if pando.LONG else 4) * MIB
    with slow.BodyServer() as server, Relay(server.address, rate=MIB) as behind, Nginx("return 200 'other';") as nginx:
        proxy = start(pando.merged(config_of(behind.address), {"services": {
            "bodies": {"match": {"host": "bodies.test"}},
            "direct": {"match": {"host": "direct.test"}, "targets": [server.address]},
            "other": {"match": {"host": "other.test"}, "targets": [nginx.address]}}}))
        url = f"http://127.0.0.1:{proxy.port}/"
        with Relay(f"127.0.0.1:{proxy.port}", rate=MIB) as before_it:
            warm_up(proxy.port, "direct.test")
            alone_ms = median_ms(url, "other.test", 1)
            memory = proxy.memory_bytes()
            transfers = [slow.Upload(proxy.port, body) for _ in range(count // 2)]
            transfers += [slow.Download(before_it.port, body, host="direct.test") for _ in range(count // 2)]
            time.sleep(1)
            beside_ms = median_ms(url, "other.test", 1)
            grown = proxy.memory_bytes() - memory
            assert all(transfer.is_alive() for transfer in transfers), [t.error for t in transfers if t.error]
            # Both directions were held to the rate, so that the others had to wait for it.
            assert behind.stats()["forth"] < count / 2 * 6 * MIB
            behind.set_rate(None)
            before_it.set_rate(None)
            for transfer in transfers:
                transfer.join(120)
                assert not transfer.is_alive() and transfer.error is None, transfer.error
    print(f"median of another client: {alone_ms:.2f} ms alone, {beside_ms:.2f} ms beside {count} slow bodies; "
          f"memory grew by {grown // KIB} KiB")
    assert beside_ms < alone_ms * 5 + 5
    # Beside the bodies: io_uring's rings of buffers, 4 MiB a worker, are touched now for the first time.
    assert grown <= count * (BUFFER_BYTES + RECEIVED_BYTES) + 4 * MIB + 2 * 4 * MIB


@pytest.mark.parametrize("way", ["upload", "download"])
def test_a_body_of_unknown_length_is_held_back_too(start, origin, way):
    """Chunked, with a side that halts: reading stops, and goes on when the other side does."""
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    count = 512    # 32 MiB
    state = {"go": False, "sent": 0}

    def give(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(count):
            exchange.send(chunk)
            state["sent"] += 1
        exchange.send(b"0\r\n\r\n")

    def take(exchange):
        pando.until(lambda: state["go"], "the halt to end")
        exchange.answer(200, body=b"%d" % len(exchange.read_body()))

    origin.on("/give", give)
    origin.on("/take", take, read_body=False)
    proxy = start(config_of(origin.address))
    with proxy.client() as client:
        if way == "upload":
            client.send(b"POST /take HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.sock.setblocking(False)
            data, at = memoryview(chunk * count + b"0\r\n\r\n"), 0
            still = time.monotonic()
            while time.monotonic() - still < 0.5:    # until nothing was taken for a while
                try:
                    at += client.sock.send(data[at:])
                    still = time.monotonic()
                except BlockingIOError:
                    time.sleep(0.01)
            assert at < len(data)
            state["go"] = True
            client.sock.settimeout(20)
            client.sock.sendall(data[at:])
            assert client.answer().body == b"%d" % (count * 65536)
        else:
            client.send(b"GET /give HTTP/1.1\r\nHost: a\r\n\r\n")
            time.sleep(0.3)
            seen = -1
            while seen != state["sent"]:
                seen = state["sent"]
                time.sleep(0.3)
            assert seen < count
            assert client.answer().body == b"x" * 65536 * count
