# SPDX-License-Identifier: Apache-2.0
"""Power cuts: kill -9 keeps what the kernel holds, a power cut does not. Every write and sync of a Pando under load is
recorded; every state of the file that a cut may leave is made and opened, and nothing that was answered may be missing."""
import random
import shutil
import threading

import pytest

import pando
import redis_power
from redis_front import Client, config
from redis_power import Disk, Group, Looker, Recording

CLIENTS = 4
WRITES = 400 if pando.LONG else 15          # of each client
CUTS_EACH = 12 if pando.LONG else 1         # states between one event and the next
SIZES = [10] * 10 + [200] * 6 + [3000] * 3 + [70_000]

pytestmark = pytest.mark.skipif(pando.SANITIZED, reason="a sanitizer's library must be loaded before ours")


def write(port, groups, seed):
    """A client's writes, one after the other."""
    draw = random.Random(seed)
    with Client(port) as client:
        for _ in range(WRITES):
            draw.choice(groups).write(client, draw, SIZES)


def record(folder, io, sync, shards=1):
    """Runs a Pando under load; the groups that were written, the events, and a copy of the file at the end."""
    recording = Recording(folder)
    port, settings = config({"default": {"sync": sync, "shards": shards}}, "lmdb")
    groups = [[Group(f"{number}-{one}") for one in range(5)] for number in range(CLIENTS)]
    with pando.running(settings, io, environment=recording.environment) as proxy:
        writers = [threading.Thread(target=write, args=(port, own, f"{pando.SEED} {number}"), daemon=True)
                   for number, own in enumerate(groups)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(4 * pando.PATIENCE_S)
            assert not writer.is_alive()
        data = proxy.folder / "data"
        shutil.copy(data / "keys" / "default" / "0000" / "data.mdb", folder / "copy.mdb")
    return sum(groups, []), recording.events(), data


def cuts(disk, each, every=1):
    """States of the disk before each event, or each @every-th: as all were written, and as some were."""
    for cut in range(0, len(disk.events) + 1, every):
        disk.go_to(cut)
        yield disk.cut_ns(), disk.all_done()
        if disk.waiting or not disk.has_name:
            for _ in range(each):
                yield disk.cut_ns(), disk.some_done()
        if disk.is_through():
            yield disk.cut_ns(), disk.through_under_way()


@pytest.fixture
def draw():
    return random.Random(f"power {pando.SEED}")


def test_a_power_cut_loses_nothing_that_was_answered(io, tmp_path, draw):
    """`sync: always`: at every write and every sync, with any part of what was not synced yet."""
    groups, events, data = record(tmp_path, io, "always")
    with Looker(tmp_path / "looked", tmp_path / "copy.mdb") as looker:
        disk = Disk(events, draw)
        figures, sentences = redis_power.examine(groups, looker, cuts(disk, CUTS_EACH))
    syncs = sum(event.what == redis_power.SYNC for event in disk.events)
    print(f"{len(disk.events) - syncs} writes, {syncs} syncs: {figures}")
    assert figures.answered == CLIENTS * WRITES and syncs > WRITES / 2 and figures.cuts > len(disk.events)
    assert figures.lost == figures.torn == figures.half == figures.damaged == figures.early == 0, (figures, sentences[:3])
    check_folders(events, data)


def check_folders(events, data):
    """The file's name, and those of its folders, are on the disk before anything is answered: each folder was synced
    after what lies in it was made."""
    opened = next(place for place, event in enumerate(events) if event.what == redis_power.OPEN)
    synced = {event.data.decode() for event in events[opened:] if event.what == redis_power.FOLDER}
    wanted = {str(folder) for folder in (data / "keys" / "default" / "0000", data / "keys" / "default", data / "keys", data)}
    assert wanted <= synced, wanted - synced


def test_without_syncs_the_same_cuts_lose_writes(tmp_path, draw):
    """That the test above can fail: as if the disk had ignored every sync, and with `sync: never`."""
    groups, events, _ = record(tmp_path, "epoll", "always")
    with Looker(tmp_path / "looked", tmp_path / "copy.mdb") as looker:
        disk = Disk(events, draw, syncs=False)
        figures, _ = redis_power.examine(groups, looker, cuts(disk, 1, every=len(disk.events) // 60))
    print(f"syncs ignored: {figures}")
    assert figures.lost + figures.torn + figures.half + figures.damaged > 20
    never = tmp_path / "never"
    never.mkdir()
    groups, events, _ = record(never, "epoll", "never")
    with Looker(never / "looked", never / "copy.mdb") as looker:
        disk = Disk(events, draw)
        assert not any(event.what == redis_power.SYNC for event in disk.events[40:])
        figures, _ = redis_power.examine(groups, looker, cuts(disk, 1, every=len(disk.events) // 60))
    print(f"sync: never: {figures}")
    assert figures.lost + figures.torn + figures.half + figures.damaged > 20
