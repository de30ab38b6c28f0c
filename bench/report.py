# SPDX-License-Identifier: Apache-2.0
"""bench/report.py - what is said of rounds: medians, ratios of medians, tables, bars. Nothing here measures.

`rounds` is a list of the figures of one contender, one dict for each round.
"""
import os
import platform
import statistics
import sys

UNSTEADY = 1.25         # highest over lowest round, from which a ratio is called unsteady


def say(text):
    print(text, file=sys.stderr, flush=True)


def median(rounds, metric):
    values = [one[metric] for one in rounds if metric in one]
    return statistics.median(values) if values else None


def ratio(of, to):
    return of / to if of is not None and to else None


def median_of_ratios(rounds, others, metric):
    """Of rounds that were measured side by side: what the machine did to both is not in it."""
    other_of = {other["round"]: other.get(metric) for other in others}
    ratios = [one[metric] / other_of[one["round"]] for one in rounds if metric in one and other_of.get(one["round"])]
    return statistics.median(ratios) if ratios else None


def shown(value, form="{:.2f}"):
    return "-" if value is None else form.format(value)


def aligned(cells):
    """The lines of a table; the first column to the left."""
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    return ["  " + line[0].ljust(widths[0]) + "".join(
        "  " + cell.rjust(width) for cell, width in zip(line[1:], widths[1:])) for line in cells]


def caveats(rounds_by_contender):
    """What a reader of the figures must know of single contenders."""
    lines = []
    for one, rounds in rounds_by_contender.items():
        lost = sum(figures.get("lost_threads", 0) for figures in rounds)
        if lost:
            lines.append(f"  {one}: {lost} threads ended while it was measured; their CPU is not in it")
        late = sum(figures.get("unanswered", 0) for figures in rounds)
        if late:
            lines.append(f"  {one}: {late} due requests were not answered; the rate was too much for it or the machine")
    return lines


def spread(rounds, metric):
    """Highest over lowest round; 1 is perfectly steady."""
    values = [figures[metric] for figures in rounds if metric in figures]
    return max(values) / min(values) if values and min(values) > 0 else 1


def lines_of_bars(bars):
    lines = ["bars:"]
    for bar in bars:
        what = f"{bar['contender']} / {bar['against']}" if bar["against"] else bar["contender"]
        form = "{:.2f}" if bar["against"] else "{:.0f}"
        lines.append(f"  {'met   ' if bar['met'] else 'MISSED'}  {bar['row']:<12} {bar['metric']:<17} {what}: "
                     f"{form.format(bar['value'])}, "
                     + (f"at most {form.format(bar['most'])}" if "most" in bar else f"at least {form.format(bar['least'])}")
                     + (f"; {bar['errors']} errors" if bar["errors"] else "")
                     + (f"; unsteady, rounds differ by {bar['spread']:.2f}" if bar["spread"] > UNSTEADY else ""))
    return lines


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        models = [line.split(":", 1)[1].strip() for line in info if line.startswith("model name")]
    return {"kernel": platform.release(), "cpu": models[0] if models else platform.machine(),
            "cores": os.cpu_count(), "load": os.getloadavg()}
