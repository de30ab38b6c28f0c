# SPDX-License-Identifier: Apache-2.0
"""bench/overload.py - what is left of a service when it is asked for twice what it can do, and how soon it is back.

One server that waits (bench/waiter.c) works on SLOTS requests at once. Half of its capacity is asked for all the
time; for a while, one and a half times more. Requests come at random moments whatever the answers (an open load),
from clients who turn away after GOOD_MS: an answer that comes later is worth nothing, but the server worked on it.
Goodput is answers of 200 in time. Everybody gets the same load, one after the other.
"""
import json
import statistics
import threading
import time

from children import Child, Failed, file_name, free_port
from contenders import write
from fleet import PROGRAMS, check_programs, paced, say, start_waiter

SLOTS, MEAN_US = 4, 10_000
CAPACITY = SLOTS * 1e6 / MEAN_US
CALM, SURGE = 0.5, 1.5              # of the capacity; together twice of it
BEFORE_S, SURGE_S, AFTER_S = 4, 15, 9
SETTLE_S = 3                        # at the surge's begin, not counted: the limit finds its place
GOOD_MS = 1000
MOST_WAIT = "500ms"
LEAST_GOODPUT, RECOVERY_S = 0.9, 5  # the bars

# contender: (program, what it is told)
CONTENDERS = {
    "nginx": ("nginx", ""),
    "haproxy": ("haproxy", ("", "")),
    "haproxy maxconn": ("haproxy", (f"timeout queue {MOST_WAIT}", f"maxconn {SLOTS * 2}")),
    "pando": ("pando", {}),
    "pando fixed": ("pando", {"concurrency": {"limit": "fixed", "start": SLOTS * 2, "most-wait": MOST_WAIT}}),
    "pando aimd": ("pando", {"concurrency": {"limit": "aimd", "slow-after": "100ms", "most-wait": MOST_WAIT}}),
    "pando gradient": ("pando", {"concurrency": {"limit": "gradient", "least": 4, "most-wait": MOST_WAIT}}),
}
JUDGED = ("pando fixed", "pando aimd", "pando gradient")


class Load(threading.Thread):
    """Requests of one rate from clients of their own."""

    def __init__(self, place, port, share, seconds, seed):
        super().__init__()
        self.work = (place, [port], CAPACITY * share, seconds, seed, ["--good-ms", str(GOOD_MS)])
        self.found, self.failed = None, None

    def run(self):
        try:
            self.found = paced(*self.work)
        except Failed as failed:
            self.failed = failed

    def result(self):
        self.join()
        if self.failed is not None:
            raise self.failed
        return self.found


def measure(place, contender, seed):
    """One contender before a fresh server. {goodput, calm, recovered_s, ...}"""
    program, more = CONTENDERS[contender]
    server, port = free_port(), free_port()
    children = []
    try:
        children.append(start_waiter(place, "server", server, SLOTS, MEAN_US, seed))
        file = file_name(contender)
        children.append(Child(file, PROGRAMS[program](place, file, [f"127.0.0.1:{server}"], port, more, repeats=True),
                              place.folder, place.proxy_cores))
        children[1].wait_until_answers(port, "/small")
        base = Load(place, port, CALM, BEFORE_S + SURGE_S + AFTER_S, seed)
        base.start()
        time.sleep(BEFORE_S)
        surge = Load(place, port, SURGE, SURGE_S, seed + 1000)
        surge.start()
        more, all_time = surge.result(), base.result()
    finally:
        for child in reversed(children):
            child.end()
    return judge_series(all_time["good"], more["good"])


def judge_series(base, surge):
    """From good answers by the second in which they were due."""
    sums = [base[BEFORE_S + i] + surge[i] for i in range(SETTLE_S, SURGE_S)]
    after = base[BEFORE_S + SURGE_S:]
    well = [good >= LEAST_GOODPUT * CAPACITY * CALM * 0.9 for good in after]    # Poisson: a second may have fewer
    recovered = next((i for i in range(len(well)) if all(well[i:])), None)
    return {
        "calm": statistics.mean(base[1:BEFORE_S]) / (CAPACITY * CALM),
        "goodput": statistics.mean(sums) / CAPACITY,
        "worst_second": min(sums) / CAPACITY,
        "recovered_s": recovered,
        "by_second": [base[i] + (surge[i - BEFORE_S] if BEFORE_S <= i < BEFORE_S + SURGE_S else 0)
                      for i in range(len(base))],
    }


def table(figures):
    lines = ["overload: answers in time, as shares of the capacity (before: of what was asked for); medians",
             "  " + "".ljust(18) + "".join(head.rjust(14) for head in ("before", "at 2x", "worst second",
                                                                       "recovered"))]
    for contender, rounds in figures.items():
        back = [one["recovered_s"] for one in rounds]
        word = f"not in {AFTER_S} s" if None in back else f"{max(back)} s"
        shares = (statistics.median(one[key] for one in rounds) for key in ("calm", "goodput", "worst_second"))
        lines.append("  " + contender.ljust(18) + "".join(f"{share:14.2f}" for share in shares) + word.rjust(14))
    return lines


def bars_of(figures):
    """Lines, and whether all bars that could be judged are met."""
    lines, well = [], True
    for contender in JUDGED:
        for one in figures.get(contender, [])[:1]:
            rounds = figures[contender]
            goodput = statistics.median(one["goodput"] for one in rounds)
            back = max((AFTER_S + 1 if one["recovered_s"] is None else one["recovered_s"]) for one in rounds)
            met = goodput >= LEAST_GOODPUT and back <= RECOVERY_S
            well = well and met
            lines.append(f"  {'met   ' if met else 'MISSED'}  {contender}: {goodput:.2f} of the capacity, at least "
                         f"{LEAST_GOODPUT:.2f}; back after {back} s, at most {RECOVERY_S}")
    return lines, well


def run(arguments, place):
    check_programs(place)
    figures = {}
    for number in range(arguments.rounds):
        for contender, (program, _) in CONTENDERS.items():
            if program in place.programs:
                figures.setdefault(contender, []).append(measure(place, contender, number + 1))
                say(f"  {contender}: {figures[contender][-1]['by_second']}")
    print("\n".join(table(figures)) + "\n", flush=True)
    lines, well = bars_of(figures)
    print("\n".join(["bars:", *lines]), flush=True)
    if arguments.json:
        write(arguments.json, json.dumps({"rounds": arguments.rounds, "seed": arguments.seed, "rows": figures},
                                         indent=1))
    return 0 if well else 1
