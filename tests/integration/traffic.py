# SPDX-License-Identifier: Apache-2.0
"""traffic.py - clients that ask all the time while something happens, and never ask twice for the same.

    with Traffic(proxy.port, clients=4) as traffic:
        ...
    assert traffic.failures == []

Each client numbers its requests and compares what comes back with what it asked (the origins' describe() tells
it), so that an answer that is lost, cut, mixed up or not 2xx is a failure. A connection that ends in
between is a failure as well, unless the answer before said that it would.
"""
import json
import subprocess
import threading
import time

import raw


class Traffic:
    def __init__(self, port, clients=4, keep=True, pause_s=0.0, method="GET", body=b"", path="/traffic", host="shop.example"):
        self.port, self.keep, self.pause_s, self.method, self.body = port, keep, pause_s, method, body
        self.path, self.host = path, host
        self.done = 0
        self.failures = []
        self.connections = 0
        self.longest_s = 0.0
        self.servers = {}  # the field Server of the answers, counted
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(i,), daemon=True) for i in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive(), "a client still waits for its answer"

    def wait_for(self, more):
        """Until so many more requests were answered."""
        end, wanted = time.monotonic() + 30, self.done + more
        while self.done < wanted:
            assert time.monotonic() < end, f"{self.done} of {wanted} answers; {self.failures[:3]}"
            time.sleep(0.005)

    def _fail(self, what):
        with self.lock:
            self.failures.append(what)

    def _run(self, number):
        client, count = None, 0
        while not self.stopping.is_set():
            count += 1
            target = f"{self.path}?c={number}&n={count}"
            began = time.monotonic()
            try:
                if client is None:
                    client = raw.Client(("127.0.0.1", self.port), 20)
                    self.connections += 1
                fields = [("Host", self.host)] + ([] if self.keep else [("Connection", "close")])
                answer = client.ask(target, self.method, fields, self.body)
            except (OSError, raw.Ended, raw.Malformed) as error:
                self._fail(f"{time.monotonic():.3f} {target}: {type(error).__name__}: {error}")
                client = None
                time.sleep(0.01)
                continue
            self._judge(target, answer, time.monotonic() - began)
            if answer.closes:
                client.close()
                client = None
            if self.pause_s:
                time.sleep(self.pause_s)
        if client is not None:
            client.close()

    def _judge(self, target, answer, took_s):
        if answer.status != 200:
            self._fail(f"{target}: {answer.status} {answer.body[:200]!r}")
            return
        if answer.get("Content-Type") == "application/json":
            told = json.loads(answer.body)
            if told["target"] != target or told["body"] != self.body.decode("latin-1"):
                self._fail(f"{target}: the answer of {told['target']}")
                return
        server = answer.get("Server", "")
        with self.lock:
            self.done += 1
            self.longest_s = max(self.longest_s, took_s)
            self.servers[server] = self.servers.get(server, 0) + 1


def wrk(url, seconds=2, connections=32, threads=1, fields=(), timeout_s=10):
    """Runs wrk in the background; result() of what it gives back is {"requests", "per_s", "errors", "not_2xx"}."""
    command = ["wrk", "-d", f"{seconds}s", "-c", str(connections), "-t", str(threads), "--timeout", f"{timeout_s}s"]
    for name, value in fields:
        command += ["-H", f"{name}: {value}"]
    return Wrk(subprocess.Popen([*command, url], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))


class Wrk:
    def __init__(self, process):
        self.process = process

    def result(self):
        text = self.process.communicate(timeout=120)[0]
        assert self.process.returncode == 0, text
        result = {"requests": 0, "per_s": 0.0, "errors": 0, "not_2xx": 0, "text": text}
        for line in text.splitlines():
            words = line.replace(",", "").split()
            if "requests in" in line:
                result["requests"] = int(words[0])
            elif line.startswith("Requests/sec:"):
                result["per_s"] = float(words[1])
            elif "Socket errors:" in line:
                result["errors"] = sum(int(word) for word in words if word.isdigit())
            elif "Non-2xx" in line:
                result["not_2xx"] = int(words[-1])
        return result
