# SPDX-License-Identifier: Apache-2.0
"""integration/names.py - a DNS server whose answers a test changes, and a Pando that asks nobody else.

    with Names() as names:
        names.say("app.test", a=["127.0.0.1"], ttl_s=1)
        proxy = start(config, prefix=names.prefix(tmp_path))

It answers A, AAAA and SRV over UDP on port 53 of a loopback address of its own. `trouble` makes it ill: "nxdomain",
"servfail", "silent" (it answers nothing), or a number: so many seconds late. Needs root.
"""
import contextlib
import os
import socket
import struct
import subprocess
import threading
import time

import pytest

A, AAAA, SRV = 1, 28, 33
NO_ERROR, SERVFAIL, NXDOMAIN = 0, 2, 3


def packed_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split(".")) + b"\0"


def read_question(query):
    """(name in small letters, type, the question's bytes)"""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]])
        at += 1 + query[at]
    return b".".join(labels).decode().lower(), struct.unpack("!H", query[at + 1:at + 3])[0], query[12:at + 5]


class Names:
    def __init__(self):
        if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False).returncode != 0:
            pytest.skip("port 53 and a mount namespace need root")
        self.address = f"127.{64 + os.getpid() % 64}.{os.getpid() // 64 % 256}.53"
        self.records = {}     # (name, type): (ttl_s, [data])
        self.trouble = None
        self.asked = []       # names, in order
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((self.address, 53))
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.sock.sendto(b"", (self.address, 53))    # wakes it up to end
        self.thread.join(10)
        self.sock.close()

    def say(self, name, a=(), srv=(), ttl_s=1):
        """What is answered from now on. @srv: (priority, weight, port, name)."""
        self.records[name, A] = (ttl_s, [socket.inet_aton(address) for address in a])
        self.records[name, SRV] = (ttl_s, [struct.pack("!HHH", *row[:3]) + packed_name(row[3]) for row in srv])

    def prefix(self, folder):
        """A command before Pando's, in whose mount namespace this server is the only one."""
        (folder / "resolv.conf").write_text(f"nameserver {self.address}\noptions timeout:1 attempts:1\n")
        (folder / "nsswitch.conf").write_text("hosts: files dns\n")
        mounts = " && ".join(f"mount --bind {folder / name} /etc/{name}" for name in ("resolv.conf", "nsswitch.conf"))
        return ["unshare", "-m", "sh", "-c", mounts + ' && exec "$@"', "sh"]

    def _serve(self):
        while True:
            query, client = self.sock.recvfrom(4096)
            if not query:
                return
            name, kind, question = read_question(query)
            self.asked.append(name)
            if self.trouble == "silent":
                continue
            answer = self._answer(query, name, kind, question)
            if isinstance(self.trouble, (int, float)):
                threading.Timer(self.trouble, self._send, (answer, client)).start()
            else:
                self._send(answer, client)

    def _send(self, answer, client):
        with contextlib.suppress(OSError):    # it may have ended meanwhile
            self.sock.sendto(answer, client)

    def _answer(self, query, name, kind, question):
        code = {"nxdomain": NXDOMAIN, "servfail": SERVFAIL}.get(self.trouble, NO_ERROR)
        if code == NO_ERROR and not any(known == name for known, _ in self.records):
            code = NXDOMAIN
        ttl_s, rows = self.records.get((name, kind), (0, [])) if code == NO_ERROR else (0, [])
        head = query[:2] + struct.pack("!HHHHH", 0x8580 | code, 1, len(rows), 0, 0)
        return head + question + b"".join(
            b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, ttl_s, len(data)) + data for data in rows)

    def wait_until_asked(self, more=2, timeout_s=20):
        """Until it was asked so many more times."""
        end, wanted = time.monotonic() + timeout_s, len(self.asked) + more
        while len(self.asked) < wanted:
            assert time.monotonic() < end, f"asked {len(self.asked)} times, not {wanted}"
            time.sleep(0.01)
