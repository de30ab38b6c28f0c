# SPDX-License-Identifier: Apache-2.0
"""integration/agent.py - a running `pando agent`.

    with agent.running(io, "--port", origin.port) as beside:
        beside.say("drain #deploy")
"""
import contextlib
import json
import pathlib
import signal
import socket
import subprocess
import tempfile

import pando
import raw
from pando import until


class Agent:
    """One `pando agent` with a state file and a report file of its own."""

    def __init__(self, io, flags, host="127.0.0.1", port=None, http_port=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pando-agent-"))
        self.host, self.port, self.http_port = host, port or pando.free_port(), http_port or pando.free_port()
        self.report = self.folder / "report"
        self.state = self.folder / "state"
        self._err = open(self.folder / "stderr", "wb")
        self.process = subprocess.Popen(
            [pando.PROGRAM, "agent", "--io", io, "--listen", f"{host}:{self.port}", "--http",
             f"{host}:{self.http_port}", "--report", str(self.report), "--state", str(self.state),
             *map(str, flags)], stdin=subprocess.DEVNULL, stderr=self._err)
        until(lambda: "GET /probe" in self.stderr, lambda: f"the agent answers: {self.stderr}")

    @property
    def stderr(self):
        return (self.folder / "stderr").read_text()

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def write(self, path, text):
        """As a whole or not at all."""
        beside = path.with_suffix(".new")
        beside.write_text(text)
        beside.rename(path)

    def say(self, text):
        self.write(self.state, text + "\n")

    def line(self, send=b""):
        """What agent-check gets."""
        with socket.create_connection((self.host, self.port), pando.PATIENCE_S) as sock:
            sock.sendall(send)
            data = b""
            while more := sock.recv(1000):
                data += more
            return data.decode()

    def client(self):
        return raw.Client((self.host, self.http_port), pando.PATIENCE_S)

    def probe(self):
        with self.client() as client:
            return json.loads(client.ask("/probe").body)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(pando.PATIENCE_S) == 0, self.stderr
            assert not pando.TROUBLE.search(self.stderr), self.stderr
        self._err.close()


@contextlib.contextmanager
def running(io, *flags, **more):
    """An agent that answers; ended and examined at the end, unless it was killed."""
    beside = Agent(io, flags, **more)
    try:
        yield beside
    except BaseException:
        beside.kill()
        raise
    finally:
        beside.stop()
