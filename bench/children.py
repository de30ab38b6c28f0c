# SPDX-License-Identifier: Apache-2.0
"""bench/children.py - the processes that a measurement starts, and their end.

Everything that bench/run starts is a Child. Each runs in a session of its own on the cores it was given, dies
with us (PR_SET_PDEATHSIG), and is ended by its process id: asked, waited for, and only then killed, with the
descendants that it left. Nothing else on the machine is ever signalled.
"""
import ctypes
import os
import random
import resource
import signal
import socket
import subprocess
import time

ASKED_SECONDS = 6
READY_SECONDS = 10
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class Failed(Exception):
    """A child did not do what it was started for; the text says what it wrote."""


def parents():
    """{process: its parent} of the whole machine."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                    found[int(name)] = int(stat.read().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                pass
    return found


def tree(pid):
    """@pid and all its descendants."""
    children = {}
    for child, parent in parents().items():
        children.setdefault(parent, []).append(child)
    found, rest = [], [pid]
    while rest:
        one = rest.pop()
        found.append(one)
        rest += children.get(one, [])
    return found


GIVEN_PORTS = set()


def free_port():
    """A port that nobody listens on, below the range from which outgoing connections take theirs."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="utf-8") as limits:
        lowest = int(limits.read().split()[0])
    for _ in range(1000):
        port = random.SystemRandom().randrange(min(10000, lowest // 2), lowest)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in GIVEN_PORTS:
            GIVEN_PORTS.add(port)
            return port
    raise Failed("no free port")


def raise_descriptors():
    """Open files up to the hard limit, for us and all children; returns it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def bound_to(cores):
    """What a new process does before it becomes the program."""
    def prepare():
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        os.sched_setaffinity(0, cores)
    return prepare


def file_name(name):
    """@name without blanks, which nginx would take for the end of a word."""
    return name.replace(" ", "-")


class Child:
    """One started program, with its output in a file of the temporary folder."""

    def __init__(self, name, arguments, folder, cores):
        self.name = name
        self.log = f"{folder}/{file_name(name)}.log"
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=folder,
                start_new_session=True, preexec_fn=bound_to(cores))
        self.pid = self.process.pid

    def said(self):
        """The end of what it wrote, for an error message."""
        with open(self.log, encoding="utf-8", errors="replace") as text:
            return text.read()[-2000:].strip()

    def wait_until_answers(self, port, path, address="127.0.0.1"):
        """Until GET @path on @port is answered with 200."""
        last, until = "nothing", time.monotonic() + READY_SECONDS
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise Failed(f"{self.name} ended with {self.process.returncode}: {self.said()}")
            try:
                with socket.create_connection((address, port), 1) as connection:
                    connection.settimeout(1)
                    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                                       "Connection: close\r\n\r\n".encode())
                    last = connection.recv(4096).split(b"\r\n")[0].decode("latin-1")
                    if " 200 " in last + " ":
                        return
            except OSError as error:
                last = str(error)
            time.sleep(0.05)
        raise Failed(f"{self.name} does not answer on port {port} ({last}): {self.said()}")

    def move_to(self, cores):
        """All that it runs, to @cores."""
        for pid in tree(self.pid):
            os.sched_setaffinity(pid, cores)

    def end(self):
        """Asks, waits, and kills what is left of it."""
        if self.process.poll() is not None:
            return
        family = tree(self.pid)
        self.process.terminate()
        try:
            self.process.wait(ASKED_SECONDS)
        except subprocess.TimeoutExpired:
            family = sorted(set(family) | set(tree(self.pid)))
            self.process.kill()
            self.process.wait()
        for pid in set(family) - {self.pid}:
            # Only what is still of our child's session: the number may be somebody else's by now.
            try:
                if os.getsid(pid) == self.pid:
                    os.kill(pid, signal.SIGKILL)
            except OSError:
                pass


def run_bounded(arguments, cores, seconds):
    """Runs a load client to its end, at most @seconds long; returns (exit code, stdout, stderr)."""
    with subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, start_new_session=True,
                          preexec_fn=bound_to(cores)) as process:
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise Failed(f"{os.path.basename(arguments[0])} was not through after {seconds:.0f} s: "
                         f"{(out + err)[-500:]}") from None
        except BaseException:
            process.kill()
            raise
        return process.returncode, out, err
