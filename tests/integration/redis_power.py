# SPDX-License-Identifier: Apache-2.0
"""integration/redis_power.py - power cuts, replayed: what a disk may hold at each moment, opened and compared.

    recording = Recording(environment)      # Pando runs with its environment: tests/faults/preload/record.c is preloaded
    disk = Disk(recording.events())
    for cut in ...: disk.image(cut)         # the bytes of data.mdb after a cut

A cut is before an event of the log begins. What was written before the last sync is there. Of what was written after
it, and of a write-through that was under way, any part may be there, in sectors of 512 bytes.
"""
import collections
import pathlib
import re
import struct
import subprocess
import time

import pando
from redis_front import Refused

WRITE, WRITE_THROUGH, SYNC, TRUNCATE, OPEN, FOLDER, RENAME = range(1, 8)
SECTOR_BYTES, PAGE_BYTES = 512, 4096
PRELOAD = pando.ROOT / "tests" / "faults" / "preload"

Event = collections.namedtuple("Event", "begun_ns ended_ns offset what file data")


def preload(name, folder):
    """tests/faults/preload/NAME.c as a library."""
    made = pathlib.Path(folder) / f"{name}.so"
    subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror",
                    "-o", made, PRELOAD / f"{name}.c", "-pthread"], check=True)
    return made


class Recording:
    """The log of one Pando, and the environment that makes it write one."""

    def __init__(self, folder):
        self.path = pathlib.Path(folder) / "record"
        self.environment = {"LD_PRELOAD": str(preload("record", folder)), "PANDO_RECORD": str(self.path)}

    def events(self):
        """What was written and synced, in its order."""
        head = struct.Struct("=QQQIHH")
        log, at, events = self.path.read_bytes(), 0, []
        while at + head.size <= len(log):
            begun, ended, offset, length, what, file = head.unpack_from(log, at)
            at += head.size
            events.append(Event(begun, ended, offset, what, file, log[at:at + length]))
            at += length
        assert at == len(log)
        return events


class Disk:
    """The file of a log, and what a power cut may leave of it: its bytes, or None where it has no name yet. @syncs: False:
    as if none had ever been done."""

    def __init__(self, events, draw, syncs=True):
        self.folder = next(pathlib.Path(event.data.decode()).parent for event in events if event.what == RENAME)
        self.events = [event for event in events if event.what not in (OPEN, FOLDER) or self.is_folder(event)]
        self.draw, self.syncs = draw, syncs
        self.durable, self.waiting, self.at = bytearray(), [], 0
        self.has_name = self.may_have_name = False

    def is_folder(self, event):
        return event.what == FOLDER and event.data.decode() == str(self.folder)

    def go_to(self, cut):
        """All before event @cut has been done; cuts only go on."""
        for event in self.events[self.at:cut]:
            if event.what == RENAME:
                self.may_have_name = True
            elif event.what == FOLDER:
                self.has_name |= self.may_have_name and self.syncs
            elif event.what == SYNC and self.syncs:
                for each in self.waiting:
                    apply(self.durable, each)
                self.waiting = []
            elif event.what == WRITE_THROUGH and self.syncs:
                apply(self.durable, event)
            elif event.what != SYNC:
                self.waiting.append(event)
        self.at = cut

    def cut_ns(self):
        """The latest moment at which this cut may be."""
        return self.events[self.at].begun_ns if self.at < len(self.events) else 1 << 63

    def all_done(self):
        """The file as a kill -9 leaves it."""
        return self.image(lambda event: [event])

    def some_done(self):
        """The file after a power cut: of each write that was not synced all, nothing or some."""
        if not self.has_name and self.draw.random() < 0.5:
            return None
        share = self.draw.choice((0.1, 0.5, 0.9))
        return self.image(lambda event: self.parts(event) if self.draw.random() < share else [])

    def through_under_way(self):
        """The same, in the middle of event `at`, a write-through."""
        image = self.some_done()
        for part in () if image is None else self.parts(self.events[self.at]):
            apply(image, part)
        return image

    def is_through(self):
        return self.at < len(self.events) and self.events[self.at].what == WRITE_THROUGH

    def image(self, parts_of):
        if not self.may_have_name:
            return None
        image = bytearray(self.durable)
        for event in self.waiting:
            for part in parts_of(event):
                apply(image, part)
        return image

    def parts(self, event):
        """A write, whole or torn at sectors or pages."""
        unit = self.draw.choice((0, 0, SECTOR_BYTES, PAGE_BYTES))
        if unit == 0 or not event.data:
            return [event]
        parts, end = [], event.offset + len(event.data)
        begin = event.offset
        while begin < end:
            stop = min(end, (begin // unit + 1) * unit)
            if self.draw.random() < 0.5:
                parts.append(event._replace(offset=begin, data=event.data[begin - event.offset:stop - event.offset]))
            begin = stop
        return parts


def apply(image, event):
    """Does one write, or a change of the length, to the bytes of a file."""
    if event.what == TRUNCATE:
        del image[event.offset:]
        image.extend(bytes(event.offset - len(image)))
        return
    end = event.offset + len(event.data)
    if end > len(image):
        image.extend(bytes(end - len(image)))
    image[event.offset:end] = event.data


class Looker:
    """Opens data.mdb as Pando does; pando-shard-open, beside the program under test."""

    def __init__(self, folder, like):
        """@like: a data.mdb that says which layout it has."""
        self.folder = pathlib.Path(folder)
        (self.folder / "0000").mkdir(parents=True)
        layout = re.search(rb"(?:hash|range|directory), shard \d+ of \d+, [0-9a-f]{16}", pathlib.Path(like).read_bytes()).group()
        program = pathlib.Path(pando.PROGRAM).with_name("pando-shard-open")
        self.process = subprocess.Popen([program, self.folder, layout], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        assert self.process.wait(pando.PATIENCE_S) == 0
        self.process.stdout.close()

    def look(self, image):
        """(what is wrong, {key: string or {field: value}}) of a file with these bytes; None: of a folder without one."""
        file = self.folder / "0000" / "data.mdb"
        if image is None:
            file.unlink(missing_ok=True)
        else:
            file.write_bytes(image)
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        wrong, there, read = [], {}, self.process.stdout.read
        while True:
            word, rest = self.process.stdout.readline()[:-1].split(b" ", 1)
            if word == b"end":
                return wrong + ([f"ended with {rest.decode()}"] if rest != b"0" else []), there
            if word in (b"refused", b"found"):
                wrong.append(f"{word.decode()} {rest.decode()}")
                continue
            key, *parts = [read(int(length)) for length in rest.split()]
            if word == b"string":
                there[key] = parts[0]
            else:
                there.setdefault(key, {})[parts[0]] = parts[1]


class Group:
    """Keys that one client writes together, and each time all or none; what it wrote, and when that was answered."""

    def __init__(self, name):
        self.name = name.encode()
        self.first, self.second, self.hash = (f"{{{name}}}:{part}".encode() for part in ("a", "b", "h"))
        self.history = [[0, 0, None]]      # asked_ns, answered_ns or None, value
        self.count = 0

    def write(self, client, draw, sizes):
        """One write to all keys."""
        self.count += 1
        value = b"%d %s " % (self.count, self.name) + b"v" * draw.choice(sizes)
        if draw.random() < 0.2:
            value, commands = None, [("del", self.first, self.second, self.hash)]
        elif draw.random() < 0.5:
            commands = [("multi",), ("set", self.first, value), ("set", self.second, value),
                        ("hset", self.hash, "f", value), ("exec",)]
        else:
            commands = [("multi",), ("hset", self.hash, "f", value, "g", self.count), ("set", self.second, "gone"),
                        ("mset", self.first, value, self.second, value), ("exec",)]
        entry = [time.monotonic_ns(), None, value]
        self.history.append(entry)
        answers = client.pipeline(commands)
        entry[1] = time.monotonic_ns()
        assert not any(isinstance(answer, Refused) for answer in answers), answers

    def answered(self):
        return sum(ended is not None for _, ended, _ in self.history[1:])

    def may_be(self, moment_ns):
        """The values that may be found after a cut before @moment_ns; the first was answered last."""
        answered = max(place for place, (_, ended, _) in enumerate(self.history) if ended is not None and ended < moment_ns)
        return [value for asked, _, value in self.history[answered:] if asked < moment_ns]

    def judge(self, there, moment_ns):
        """What is wrong with {key: string or {field: value}}: None, "half", "lost" or "torn"."""
        values = {there.get(self.first), there.get(self.second), (there.get(self.hash) or {}).get(b"f")}
        if any(value not in [known for _, _, known in self.history] for value in values):
            return "torn"
        if len(values) != 1:
            return "half"
        return None if values.pop() in self.may_be(moment_ns) else "lost"

    def begin_anew(self, there):
        """What was found is what was answered from here on."""
        self.history = [[0, 0, there.get(self.first)]]


Figures = collections.namedtuple("Figures", "cuts answered lost torn half damaged early")


def examine(groups, looker, states):
    """Compares states (moment_ns, image) with what the clients know. `early`: refused before the first answer."""
    counts, sentences = collections.Counter(), []
    first_ns = min(ended for group in groups for _, ended, value in group.history if ended and value is not None)
    for moment_ns, image in states:
        counts["cuts"] += 1
        wrong, there = looker.look(image)
        if wrong:
            counts["early" if moment_ns <= first_ns else "damaged"] += 1
            sentences.append(wrong[0])
        else:
            counts.update(filter(None, (group.judge(there, moment_ns) for group in groups)))
    counts["answered"] = sum(group.answered() for group in groups)
    return Figures(**{name: counts[name] for name in Figures._fields}), sentences
