# SPDX-License-Identifier: Apache-2.0
"""A client reads its own writes: random pipelines on keys of its own, many connections at once, against a model."""
import random
import threading

import pytest

import pando
from redis_front import Client, serving

CONNECTIONS = 24
PIPELINES = 200 if pando.LONG else 25
KEYSPACES = {"default": {}, "carts": {"shards": 3}, "users": {"partition": "range", "shards": 2, "splits": ["m"]}}


class Model:
    """Two keys of one client, a text and a number, and what each command on them answers."""

    def __init__(self, draw, name):
        self.draw = draw
        self.text, self.number = (f"{name}:text", f"{name}:number")
        self.values = {}

    def one(self):
        """A command and its answer."""
        what = self.draw.choice(["set", "set", "append", "get", "get", "incr", "incr", "number", "del", "strlen"])
        if what == "set":
            value = b"v%d" % self.draw.randrange(10 ** self.draw.choice([1, 9]))
            self.values[self.text] = value
            return ("set", self.text, value), "OK"
        if what == "append":
            self.values[self.text] = self.values.get(self.text, b"") + b"+"
            return ("append", self.text, "+"), len(self.values[self.text])
        if what == "incr":
            self.values[self.number] = b"%d" % (int(self.values.get(self.number, b"0")) + 1)
            return ("incr", self.number), int(self.values[self.number])
        if what == "del":
            key = self.draw.choice([self.text, self.number])
            return ("del", key), 1 if self.values.pop(key, None) is not None else 0
        if what == "strlen":
            return ("strlen", self.text), len(self.values.get(self.text, b""))
        key = self.text if what == "get" else self.number
        return ("get", key), self.values.get(key)

    def pipeline(self):
        """Commands, some of them in transactions, and all answers."""
        commands, answers = [], []
        for _ in range(self.draw.randrange(1, 30)):
            if self.draw.random() < 0.8:
                command, answer = self.one()
                commands.append(command)
                answers.append(answer)
                continue
            parts = [self.one() for _ in range(self.draw.randrange(1, 5))]
            commands += [("multi",), *(command for command, _ in parts), ("exec",)]
            answers += ["OK", *["QUEUED"] * len(parts), [answer for _, answer in parts]]
        return commands, answers


@pytest.mark.parametrize("engine", ["memory", "lmdb"])
def test_pipelines_on_keys_of_ones_own(io, engine):
    wrong = []
    with serving(KEYSPACES, io, engine, workers=2) as proxy:
        def client(number):
            try:
                talk(number)
            except Exception as failure:    # told by the main thread
                wrong.append((number, failure))

        def talk(number):
            draw = random.Random(f"{pando.SEED} {number}")
            # A tag, so that both keys are of one shard, as a transaction must be.
            model = Model(draw, draw.choice(["{%d}", "carts:{%d}", "users:{%d}", "users:z{%d}"]) % number)
            with Client(proxy.redis_port) as mine:
                for _ in range(PIPELINES):
                    commands, answers = model.pipeline()
                    got = mine.pipeline(commands)
                    if got != answers:
                        wrong.append((number, *next(each for each in zip(commands, got, answers) if each[1] != each[2])))
                        return

        threads = [threading.Thread(target=client, args=(number,)) for number in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong, f"client, and command, answer, what it should be, or what was raised: {wrong[0]}"
