# SPDX-License-Identifier: Apache-2.0
"""bench/metastable.py - does a service come back by itself when what made it slow is over?

Three servers that wait (bench/waiter.c) are asked for a share of what they can do, all the time. For five seconds
they are ten times slower, or stand still; then they are well again. Clients have patience for a second; those that
repeat do so at once, three times. A server works on what it was given though the client has left, as most do: so
the work of those who left may keep it too late for those who came (a metastable state: Bronson and others, HotOS
2021; Huang and others, OSDI 2022).

For each contender, both kinds of clients and both triggers: goodput a minute after as a share of that before, by
load. The vulnerable point is the lowest load that does not come back; the breaking point the lowest at which too
little was answered already before. All loads of one contender run at the same time, each before servers of its own.
"""
import json
import os
import signal
import statistics
import threading
import time

from children import Child, Failed, file_name, free_port
from contenders import write
from fleet import PROGRAMS, check_programs, paced, say, start_waiter

SERVERS, SLOTS, MEAN_US = 3, 4, 60_000
CAPACITY = SERVERS * SLOTS * 1e6 / MEAN_US
LOADS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)    # of the capacity
BEFORE_S, ILL_S, AFTER_S = 15, 5, 60
JUDGED_S = 10                       # at the end of before and of after; not the last second, which the trigger may reach
PATIENCE_MS, RETRIES = 1000, 3
CONNECTIONS = 4000
MOST_WAIT = "500ms"
WELL = 0.9                          # of what was asked for, or of what there was before

TRIGGERS = {"ten times slower": (signal.SIGUSR1, signal.SIGUSR2), "stand still": (signal.SIGSTOP, signal.SIGCONT)}

# contender: (program, what it is told)
CONTENDERS = {
    "nginx": ("nginx", ""),
    "haproxy": ("haproxy", ("", "")),
    "haproxy maxconn": ("haproxy", (f"timeout queue {MOST_WAIT}", f"maxconn {SLOTS * 2}")),
    "pando": ("pando", {}),
    "pando concurrency": ("pando", {"concurrency": {"limit": "gradient", "least": SERVERS * SLOTS,
                                                    "most-wait": MOST_WAIT}}),
}
JUDGED = "pando concurrency"


class Service:
    """One contender before servers of its own, asked for @load of what they can do."""

    def __init__(self, place, contender, load, retries, seed):
        program, more = CONTENDERS[contender]
        self.place, self.load, self.retries, self.seed = place, load, retries, seed
        self.children, self.port, self.good, self.failed = [], free_port(), None, None
        ports = [free_port() for _ in range(SERVERS)]
        try:
            for number, port in enumerate(ports):
                self.children.append(start_waiter(place, f"server {port}", port, SLOTS, MEAN_US,
                                                  seed * SERVERS + number))
            file = file_name(f"{contender} {load:.1f}")
            command = PROGRAMS[program](place, file, [f"127.0.0.1:{port}" for port in ports], self.port, more, repeats=True)
            self.children.append(Child(file, command, place.folder, place.proxy_cores))
            self.children[-1].wait_until_answers(self.port, "/small")
        except BaseException:
            self.end()
            raise
        self.thread = threading.Thread(target=self._ask)

    def _ask(self):
        try:
            self.good = paced(self.place, [self.port], CAPACITY * self.load, BEFORE_S + ILL_S + AFTER_S, self.seed,
                              ["--good-ms", str(PATIENCE_MS * (self.retries + 1)), "--give-up-ms", str(PATIENCE_MS),
                               "--retries", str(self.retries)], CONNECTIONS)["good"]
        except Failed as failed:
            self.failed = failed

    def tell_servers(self, number):
        for child in self.children[:SERVERS]:
            os.kill(child.pid, number)

    def figures(self):
        """{load, before, after: goodput as shares of what was asked for, by_second}"""
        self.thread.join()
        if self.failed is not None:
            raise self.failed
        asked = CAPACITY * self.load
        return {"load": self.load, "before": statistics.mean(self.good[BEFORE_S - JUDGED_S - 1:BEFORE_S - 1]) / asked,
                "after": statistics.mean(self.good[-JUDGED_S - 1:-1]) / asked, "by_second": self.good}

    def end(self):
        for child in reversed(self.children):
            child.end()


def measure(place, contender, retries, trigger, seed):
    """[figures of each load]"""
    services = []
    begin, end = TRIGGERS[trigger]
    try:
        for load in LOADS:
            services.append(Service(place, contender, load, retries, seed))
        for service in services:
            service.thread.start()
        time.sleep(BEFORE_S)
        for service in services:
            service.tell_servers(begin)
        time.sleep(ILL_S)
        for service in services:
            service.tell_servers(end)
        return [service.figures() for service in services]
    finally:
        for service in services:
            service.end()


def is_broken(one):
    """Too little was answered before anything happened. Of more than there is, all that there is would be well."""
    return one["before"] < WELL * min(1, 1 / one["load"])


def is_back(one):
    return one["after"] >= WELL * one["before"]


def point(figures, is_it):
    """The lowest load of which @is_it is true, as a text."""
    return next((f"{one['load'] * 100:.0f} %" for one in figures if is_it(one)), "none")


def table(found):
    lines = ["metastable: goodput a minute after as a share of that before, by load; x: broken before already",
             "  " + "".ljust(20) + "clients".ljust(12) + "servers".ljust(18)
             + "".join(f"{load * 100:.0f} %".rjust(7) for load in LOADS) + "  vulnerable  breaking"]
    for (contender, retries, trigger), figures in found.items():
        cells = ["x" if is_broken(one) else f"{one['after'] / one['before']:.2f}" for one in figures]
        lines.append("  " + contender.ljust(20) + ("ask once" if retries == 0 else f"repeat {retries}x").ljust(12)
                     + trigger.ljust(18) + "".join(cell.rjust(7) for cell in cells)
                     + point(figures, lambda one: not is_broken(one) and not is_back(one)).rjust(12)
                     + point(figures, is_broken).rjust(10))
    return lines


def bars_of(found):
    """Lines, and whether all are met: with a concurrency limit every load that was well before is well after."""
    lines, well = [], True
    for (contender, retries, trigger), figures in found.items():
        if contender == JUDGED:
            lost = [one["load"] for one in figures if is_broken(one) or not is_back(one)]
            well = well and not lost
            lines.append(f"  {'MISSED' if lost else 'met   '}  {contender}, clients that repeat {retries}x, servers {trigger}: "
                         + (f"lost at {', '.join(f'{load * 100:.0f} %' for load in lost)}" if lost else
                            f"well before and after at {LOADS[0] * 100:.0f} to {LOADS[-1] * 100:.0f} %"))
    return lines, well


def run(arguments, place):
    check_programs(place)
    found = {}
    for contender, (program, _) in CONTENDERS.items():
        for retries in (0, RETRIES) if program in place.programs else ():
            for trigger in TRIGGERS:
                found[contender, retries, trigger] = measure(place, contender, retries, trigger, arguments.seed)
                say(f"  {contender}, {retries} retries, servers {trigger}: "
                    + " ".join(f"{one['before']:.2f}>{one['after']:.2f}" for one in found[contender, retries, trigger]))
    print("\n".join(table(found)) + "\n", flush=True)
    lines, well = bars_of(found)
    print("\n".join(["bars:", *lines]), flush=True)
    if arguments.json:
        write(arguments.json, json.dumps({"seed": arguments.seed, "rows": [
            {"contender": key[0], "retries": key[1], "trigger": key[2], "loads": figures} for key, figures in found.items()]},
                                         indent=1))
    return 0 if well else 1
