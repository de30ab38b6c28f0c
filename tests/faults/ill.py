# SPDX-License-Identifier: Apache-2.0
"""ill.py - three real servers, one of which falls ill in one of six ways, and is well again.

    with Server(2, FAULTS["silent"]) as server:
        server.fall_ill(); ...; server.recover()
"""
import contextlib
import http.client
import os
import pathlib
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "integration"))

from pando import free_port, until          # noqa: E402
from origins import Process, NODE           # noqa: E402

NAMESPACES = iter(range(1, 250))


def run(*words):
    subprocess.run(words, check=True, capture_output=True, text=True)


class Server(Process):
    """A Node server on an address of its own, in this network or, @apart, behind a pair of veths."""

    def __init__(self, name, apart=False):
        super().__init__()
        self.name, self.apart, self.host, self.prefix = name, apart, "127.0.0.1", []
        self.port, self.mode_port = free_port(), free_port()
        self.record = self.folder / "orders"    # what it may have carried out; server.js says how
        if apart:
            self._open_namespace()
        self.address = f"{self.host}:{self.port}"
        self.start()

    def start(self):
        self.spawn([*self.prefix, NODE, str(HERE / "server.js")], env={
            **os.environ, "PORT": str(self.port), "MODE_PORT": str(self.mode_port), "HOST": self.host,
            "NAME": self.name, "RECORD": str(self.record)})

    def stop(self):
        super().stop()
        if self.apart:
            with contextlib.suppress(subprocess.CalledProcessError):
                run("ip", "netns", "del", self.namespace)

    def _open_namespace(self):
        number = next(NAMESPACES)
        self.namespace = f"pando-{os.getpid()}-{number}"
        near, far = f"pd{os.getpid() % 100000}n{number}", f"pd{os.getpid() % 100000}f{number}"
        ours = f"10.{200 + os.getpid() % 50}.{number}.1"
        self.host = ours[:-1] + "2"
        run("ip", "netns", "add", self.namespace)
        run("ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", self.namespace)
        run("ip", "address", "add", f"{ours}/30", "dev", near)
        run("ip", "link", "set", near, "up")
        for words in (["link", "set", "lo", "up"], ["address", "add", f"{self.host}/30", "dev", far],
                      ["link", "set", far, "up"]):
            run("ip", "-n", self.namespace, *words)
        self.prefix = ["ip", "netns", "exec", self.namespace]

    def _answers(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            with contextlib.closing(http.client.HTTPConnection(self.host, self.port, timeout=1)) as client:
                client.request("GET", "/")
                return client.getresponse().status == 200
        except OSError:
            return False

    def settle(self):
        """Returns when it has read all that had reached it: one process, whose turns take connections in order."""
        until(self._answers, f"{self.name} to answer")

    # --- the six faults ---

    def killed(self, ill):
        if ill:
            self.process.kill()
            self.process.wait()
        else:
            self.start()

    def stopped(self, ill):
        self.process.send_signal(signal.SIGSTOP if ill else signal.SIGCONT)

    def _mode(self, mode):
        with contextlib.closing(http.client.HTTPConnection(self.host, self.mode_port, timeout=5)) as client:
            client.request("GET", f"/{mode}")
            assert client.getresponse().status == 200

    def wrong(self, ill):
        self._mode("error" if ill else "ok")

    def slow(self, ill):
        self._mode("slow" if ill else "ok")

    def mute(self, ill):
        self._mode("mute" if ill else "ok")

    def cut_off(self, ill):
        nft = [*self.prefix, "nft"]
        if ill:
            run(*nft, "add table ip cut; add chain ip cut in { type filter hook input priority 0; policy drop; };"
                      " add chain ip cut out { type filter hook output priority 0; policy drop; }")
        else:
            run(*nft, "delete table ip cut")


# What a user calls it, the method above, and whether it needs a network of its own.
FAULTS = {
    "kill -9": ("killed", False),
    "SIGSTOP": ("stopped", False),
    "answers 500": ("wrong", False),
    "200 ms slow": ("slow", False),
    "never answers": ("mute", False),
    "cut off": ("cut_off", True),
}


def tell(server, fault, ill):
    getattr(server, FAULTS[fault][0])(ill)


def can_cut_off():
    """May we make network namespaces and filter in them?"""
    name = f"pando-probe-{os.getpid()}"
    try:
        run("ip", "netns", "add", name)
    except (OSError, subprocess.CalledProcessError):
        return False
    try:
        run("ip", "netns", "exec", name, "nft", "add table ip cut")
        return True
    except (OSError, subprocess.CalledProcessError):
        return False
    finally:
        run("ip", "netns", "del", name)


__all__ = ["FAULTS", "Server", "can_cut_off", "tell", "until"]
