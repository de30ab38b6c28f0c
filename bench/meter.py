# SPDX-License-Identifier: Apache-2.0
"""bench/meter.py - what a contender used, and what the load clients counted.

CPU: nanoseconds on a core, from /proc/PID/task/*/schedstat, summed over all threads of the whole process tree.
It holds what the kernel did in the process's name, and not what it did in that of the client or server.
Memory: RssAnon + RssShmem of the tree; what the kernel keeps for sockets is not in it.
"""
import json
import os
import time

from children import Failed, run_bounded, tree

CONNECTIONS = 64
WRK_SCRIPT = """
done = function(summary, latency, requests)
    local e = summary.errors
    io.write(string.format('\\nJSON {"answered": %d, "seconds": %.6f, "errors": %d, "p50_us": %d, "p99_us": %d, "bytes": %.0f}\\n',
        summary.requests, summary.duration / 1e6,
        e.connect + e.read + e.write + e.status + e.timeout,
        latency:percentile(50), latency:percentile(99), summary.bytes))
end
"""


def cpu_ns(pid):
    """{thread: nanoseconds} of the tree under @pid."""
    used = {}
    for process in tree(pid):
        try:
            threads = os.listdir(f"/proc/{process}/task")
        except OSError:
            continue
        for thread in threads:
            try:
                with open(f"/proc/{process}/task/{thread}/schedstat", encoding="utf-8") as stat:
                    used[process, thread] = int(stat.read().split()[0])
            except OSError:
                pass
    return used


def memory_bytes(pid):
    """Private and shared memory that is not a file's, of the tree under @pid."""
    total = 0
    for process in tree(pid):
        try:
            with open(f"/proc/{process}/status", encoding="utf-8") as status:
                for line in status:
                    if line.startswith(("RssAnon:", "RssShmem:")):
                        total += int(line.split()[1]) * 1024
        except OSError:
            pass
    return total


def wrk(place, port, path, seconds, close=False, cores=None):
    """As fast as 64 connections go; with @close each for one request only."""
    script = f"{place.folder}/wrk.lua"
    if not os.path.exists(script):
        with open(script, "w", encoding="utf-8") as file:
            file.write(WRK_SCRIPT)
    arguments = [place.programs["wrk"], "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", script]
    if close:
        arguments += ["-H", "Connection: close"]
    code, out, err = run_bounded(arguments + [f"http://127.0.0.1:{port}{path}"], cores or place.load_cores,
                                 seconds * 3 + 20)
    for line in out.splitlines():
        if line.startswith("JSON "):
            return json.loads(line[5:])
    raise Failed(f"wrk ended with {code}: {(out + err)[-500:]}")


def pace(place, port, path, cores=None, bound_seconds=120, **options):
    """bench/pace with --name VALUE for each option."""
    arguments = [place.programs["pace"], "--to", str(port), "--path", path]
    for name, value in options.items():
        arguments += [f"--{name}", str(value)]
    code, out, err = run_bounded(arguments, cores or place.load_cores, bound_seconds)
    try:
        return json.loads(out)
    except ValueError:
        raise Failed(f"pace ended with {code}: {(out + err)[-500:]}") from None


def measured(contender, load):
    """Runs load() and returns its figures with the contender's CPU added. Threads that ended meanwhile took their
    figures with them, which is said in `lost_threads`."""
    before = cpu_ns(contender.pid)
    begin = time.monotonic()
    figures = load()
    wall = time.monotonic() - begin
    after = cpu_ns(contender.pid)
    if contender.process.poll() is not None:
        raise Failed(f"{contender.name} ended under load: {contender.said()}")
    figures["cpu_ns"] = sum(ns - before.get(thread, 0) for thread, ns in after.items())
    figures["lost_threads"] = len(set(before) - set(after))
    figures["busy"] = figures["cpu_ns"] / 1e9 / wall
    if figures["answered"] == 0:
        raise Failed(f"{contender.name} answered nothing: {contender.said()}")
    figures["cpu_us"] = figures["cpu_ns"] / 1e3 / figures["answered"]
    figures["per_second"] = figures["answered"] / figures["seconds"]
    return figures
