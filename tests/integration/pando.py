# SPDX-License-Identifier: Apache-2.0
"""integration/pando.py - a running Pando: started with a dict as its configuration, stopped and examined.

    with running({"services": {"shop": {"targets": [origin.address]}}}, io="epoll") as proxy:
        client = proxy.client()

A configuration says only what matters to its test. Added unless said: the listeners `web` and `admin` on
free ports of 127.0.0.1, the control socket, the data folder and the access log in a folder of its own, two
workers. stop() asserts that Pando ended with 0, that no server process died, and that neither an assertion
nor a sanitizer had anything to say. Everything is in `proxy.folder` until then.
"""
import contextlib
import copy
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import raw

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("PANDO") or str(ROOT / "build" / "pando")
LONG = os.environ.get("PANDO_LONG", "") not in ("", "0")
SEED = int(os.environ.get("PANDO_SEED", "1"))
# Built with ASan or TSan: then its memory is mostly theirs, and it is several times slower.
SANITIZED = any(word in pathlib.Path(PROGRAM).read_bytes() for word in (b"__asan_init", b"__tsan_init")) \
    if pathlib.Path(PROGRAM).exists() else False
# Sanitized builds are slower; so are shared machines.
PATIENCE_S = float(os.environ.get("PANDO_PATIENCE_S", "20"))

TROUBLE = re.compile(
    r"[Aa]ssert|AddressSanitizer|LeakSanitizer|ThreadSanitizer|UndefinedBehavior|runtime error:|"
    r"stack smashing|double free|corrupted")
DEATH = re.compile(r"was ended by signal|ended with status")

# Below what the kernel gives to outgoing connections, so that none of these takes a port between its choice
# and its use. Each process of one run has ports of its own.
PROCESSES_MAX = 8
PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % PROCESSES_MAX
_ports = itertools.count(os.getppid() * 37 % 20000)


def free_port():
    """A port of 127.0.0.1 on which nobody listens."""
    while True:
        port = 10000 + (next(_ports) * PROCESSES_MAX + PROCESS) % 22000
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def until(condition, what, timeout_s=None, pause_s=0.01):
    """Waits until condition() is true and returns what it returned; fails with `what`, text or function."""
    end = time.monotonic() + (timeout_s or PATIENCE_S)
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError("not in time: " + (what() if callable(what) else what))
        time.sleep(pause_s)


def merged(base, over):
    """`over` laid on `base`, section by section; both stay as they are."""
    result = copy.deepcopy(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def command(*arguments, timeout_s=60, environment=None, folder=None, **more):
    """Runs `pando ARGUMENTS` to its end; has .returncode, .stdout and .stderr as text."""
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=timeout_s,
                          env={**os.environ, **(environment or {})}, cwd=folder, stdin=subprocess.DEVNULL,
                          check=False, **more)


def strategies():
    """Every strategy that a service may choose, as the program's own schema names them; the preset first."""
    schema = json.loads(command("config", "schema").stdout)
    return schema["properties"]["services"]["additionalProperties"]["properties"]["balance"]["enum"]


def has_io_uring():
    """Containers may forbid io_uring; then its half of the tests is skipped."""
    import ctypes
    parameters = ctypes.create_string_buffer(120)
    fd = ctypes.CDLL(None, use_errno=True).syscall(425, 4, parameters)
    if fd < 0:
        return False
    os.close(fd)
    return True


class Pando:
    """One `pando run`. Start it with start(), or use running()."""

    def __init__(self, config, io="epoll", flags=(), environment=None, may_die=False, prefix=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pando-"))
        self.file = self.folder / "pando.yaml"
        self.control = self.folder / "control.sock"
        self.log_path = self.folder / "access.log"
        self.port = free_port()
        self.admin_port = free_port()
        self.io = io
        self.flags = [str(flag) for flag in flags]
        self.environment = environment or {}
        self.may_die = may_die        # the test kills server processes itself
        self.prefix = list(prefix)    # a command before ours: ["prlimit", "--nofile=200"]
        self.process = None
        self.was_told_to_end = False
        self.write(config)

    # --- configuration ---

    def whole(self, config):
        """`config` with what the harness adds."""
        return merged({
            "listeners": {"web": {"http": f"127.0.0.1:{self.port}"},
                          "admin": {"admin": f"127.0.0.1:{self.admin_port}"}},
            "control": str(self.control),
            "data": str(self.folder / "data"),
            "workers": 2,
            "log": {"path": str(self.log_path)},
        }, config)

    def write(self, config):
        """Writes the file anew (JSON is YAML); reload() makes it count."""
        self.config = config
        beside = self.file.with_suffix(".new")
        beside.write_text(json.dumps(self.whole(config), indent=1))
        beside.rename(self.file)

    # --- life ---

    def start(self):
        """Starts it and waits until it is ready."""
        self._out = open(self.folder / "stdout", "wb")
        self._err = open(self.folder / "stderr", "wb")
        self.process = subprocess.Popen(
            [*self.prefix, PROGRAM, "run", str(self.file), "--io", self.io, *self.flags], stdout=self._out,
            stderr=self._err, stdin=subprocess.DEVNULL, cwd=self.folder,
            env={**os.environ, **self.environment})
        until(self._is_ready, lambda: f"Pando is not ready:\n{self.stderr}")
        return self

    def _is_ready(self):
        assert self.process.poll() is None, f"Pando ended with {self.process.returncode}:\n{self.stderr}"
        try:
            return self.admin("/readyz").status != 503
        except (OSError, raw.Ended):
            return False

    def stop(self, timeout_s=None):
        """SIGTERM, then the end is waited for and examined."""
        if self.process is None:
            return
        try:
            if self.process.poll() is None:
                self.signal(signal.SIGTERM)
                try:
                    self.process.wait(timeout_s or PATIENCE_S / 2)
                except subprocess.TimeoutExpired:
                    self.kill()
                    raise AssertionError(f"Pando did not stop:\n{self.stderr}") from None
            self.examine()
        finally:
            self._close()

    def examine(self):
        """What must be true of a Pando that has ended."""
        text = self.stderr
        assert self.was_told_to_end, f"Pando ended by itself with {self.process.returncode}:\n{text}"
        assert self.process.returncode == 0, f"Pando ended with {self.process.returncode}:\n{text}"
        assert not TROUBLE.search(text), text
        assert self.may_die or not DEATH.search(text), text

    def kill(self):
        """Ends supervisor and server at once."""
        pids = self.server_pids()
        self.process.kill()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def _close(self):
        if self.process.poll() is None:
            self.kill()
        self.process = None
        self._out.close()
        self._err.close()
        if not os.environ.get("PANDO_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)

    def signal(self, number):
        """Sends a signal to the supervisor."""
        self.was_told_to_end |= number in (signal.SIGTERM, signal.SIGINT)
        self.process.send_signal(number)

    def server_pids(self):
        """The processes below the supervisor; most often one."""
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with contextlib.suppress(OSError):
            return [int(word) for word in pathlib.Path(path).read_text().split()]
        return []

    def server_pid(self):
        return until(self.server_pids, "there is no server process")[0]

    def memory_bytes(self):
        """Resident memory of the server that is not backed by files. In a sanitized build 0, so that what is
        asserted about it holds: freed memory is kept back there, and each access has its shadow."""
        if SANITIZED:
            return 0
        text = pathlib.Path(f"/proc/{self.server_pid()}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+) kB", text).group(1)) * 1024

    def descriptors_count(self):
        return len(os.listdir(f"/proc/{self.server_pid()}/fd"))

    # --- talking to it ---

    def client(self, timeout_s=None):
        """A new connection to the listener `web`."""
        return raw.Client(("127.0.0.1", self.port), timeout_s or PATIENCE_S)

    def ask(self, target="/", method="GET", fields=(), body=b""):
        """One request on a connection of its own; the answer."""
        with self.client() as client:
            return client.ask(target, method, fields, body)

    def admin(self, target, fields=()):
        """GET on the listener `admin`."""
        with raw.Client(("127.0.0.1", self.admin_port), PATIENCE_S) as client:
            return client.ask(target, "GET", fields)

    def metrics(self):
        """All samples of /metrics: {"name": value, 'name{label="x"}': value}."""
        answer = self.admin("/metrics")
        assert answer.status == 200
        samples = {}
        for line in answer.text.splitlines():
            if line and not line.startswith("#"):
                name, value = re.match(r"(.*?\}|[^ ]+) ([^ ]+)", line).groups()
                samples[name] = float(value)
        return samples

    def metric(self, name, **labels):
        """The sum of all samples of a name that have these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(value for sample, value in self.metrics().items()
                   if sample.split("{")[0] == name and all(label in sample for label in wanted))

    def status(self):
        """/api/status, parsed."""
        return json.loads(self.admin("/api/status").body)

    def command(self, name, *arguments, **more):
        """`pando NAME --control SOCKET ARGUMENTS`."""
        return command(name, "--control", self.control, *arguments, **more)

    def reload(self, config=None):
        """Writes the new configuration, if any, and reloads; the finished command."""
        if config is not None:
            self.write(config)
        return self.command("reload")

    # --- what it wrote ---

    @property
    def stderr(self):
        return (self.folder / "stderr").read_text(errors="replace")

    @property
    def stdout(self):
        return (self.folder / "stdout").read_text(errors="replace")

    def log_lines(self, at_least=0):
        """The access log, parsed, once it has so many lines."""
        until(lambda: len(self._log()) >= at_least, lambda: f"{at_least} log lines; there are {len(self._log())}")
        return [json.loads(line) for line in self._log()]

    def _log(self):
        text = self.log_path.read_text() if self.log_path.exists() else ""
        return text[:text.rfind("\n") + 1].splitlines()

    def log_of(self, path):
        """The first log line of a path, once it is there."""
        written = json.dumps(path, ensure_ascii=False)
        def find():
            lines = [json.loads(line) for line in self._log() if written in line]
            return next((line for line in lines if line.get("path") == path), None)
        return until(find, f"a log line of {path}")


@contextlib.contextmanager
def running(config, io="epoll", **more):
    """A Pando that is ready; stopped and examined at the end."""
    proxy = Pando(config, io, **more)
    try:
        proxy.start()
        yield proxy
    except BaseException:
        if proxy.process is not None:
            print(proxy.stderr)    # pytest shows it with the failure
            proxy._close()
        raise
    proxy.stop()
