# SPDX-License-Identifier: Apache-2.0
"""keys_scenes.py - the last part of the demo: the shop's data in Pando's keys, and what a kill of Pando loses.

Each scene says one sentence and checks it; what is not so is printed, and the demo ends with 1.
"""
import json
import os
import signal
import time

import redis

import load as shop_load

SECONDS = 1.5       # of visitors before, between and after the kills
SERVED_S = 10       # the longest that anything may take to be served again


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as text:
        return [int(word) for word in text.read().split()]


class KeysScenes:
    def __init__(self, demo, load):
        self.demo, self.loads, self.good = demo, [load], True
        self.keys = redis.Redis("127.0.0.1", demo.keys, decode_responses=True, socket_timeout=10)

    def run(self):
        """All scenes in turn. True: everything was as it is said."""
        self.say("The keys, `keyspaces: {catalogue: {partition: range, shards: 2, splits: [m]}, sales: {}}`:")
        self.what_is_there()
        self.pando_dies()
        self.no_order_is_lost()
        return self.good

    def say(self, text):
        print(text, flush=True)

    def check(self, true, what):
        if not true:
            self.good = False
            self.say(f"      NOT SO: {what}")

    # ---- the scenes ----

    def what_is_there(self):
        names = self.keys.execute_command("PANDO.RANGE", "catalogue:a", "catalogue:m")
        self.say(f"  $ redis-cli -p {self.demo.keys} pando.range catalogue:a catalogue:m    # of one shard, in order")
        self.say(f"    {' '.join(names)}")
        wanted = sorted(f"catalogue:{sku}" for sku in shop_load.PRICES if sku < "m")
        self.check(names == wanted, f"the catalogue from a to m is {wanted}")

    def served_again(self, since):
        """Seconds from @since until the shop's page and its keys are there."""
        while time.monotonic() < since + SERVED_S:
            try:
                shop_load.Connection(("127.0.0.1", self.demo.site), 1).ask("GET", "/api/orders")
                self.keys.ping()
                return time.monotonic() - since
            except (shop_load.Failure, redis.RedisError):
                time.sleep(0.01)
        self.check(False, "Pando does not serve again")
        return SERVED_S

    def kill_both(self):
        """The supervisor first, so that it starts nothing again."""
        supervisor = self.demo.children["pando"]
        servers = children_of(supervisor.process.pid)
        supervisor.kill()
        for server in servers:
            os.kill(server, signal.SIGKILL)

    def pando_dies(self):
        """First the server alone, which its supervisor starts again, then both at once."""
        load = shop_load.Load(("127.0.0.1", self.demo.site), self.demo.options.rate, seed=f"{self.demo.options.seed}/keys")
        self.loads.append(load)
        load.start()
        time.sleep(SECONDS)
        for server in children_of(self.demo.children["pando"].process.pid):
            os.kill(server, signal.SIGKILL)
        alone = self.served_again(time.monotonic())
        time.sleep(SECONDS)
        self.kill_both()
        killed = time.monotonic()
        self.demo.start_pando()
        both = self.served_again(killed)
        time.sleep(SECONDS)
        load.stop()
        failed = sum(1 for one in load.seen if one.failure)
        self.say(f"  Visitors shop while Pando is killed with -9: its server serves again {alone:.2f} s later, started by "
                 f"its supervisor;\n    both killed and started anew, {both:.2f} s. {failed} of {len(load.seen)} requests "
                 f"were cut off, {len(load.confirmed)} orders confirmed.")
        self.check(load.confirmed, "no order was confirmed")

    def no_order_is_lost(self):
        confirmed = {number: cents for load in self.loads for number, cents in load.confirmed.items()}
        kept = {number: self.keys.get(f"sales:order:{number}") for number in confirmed}
        lost = [number for number, text in kept.items() if text is None]
        wrong = [number for number, text in kept.items() if text and json.loads(text)["cents"] != confirmed[number]]
        count, revenue = self.keys.zcard("sales:orders"), int(self.keys.get("sales:revenue"))
        numbers = self.keys.zrange("sales:orders", 0, -1)
        sum_of = sum(json.loads(self.keys.get(f"sales:order:{number}"))["cents"] for number in numbers)
        self.say(f"  Orders confirmed to visitors before and between: {len(confirmed)}, {len(lost)} lost, {len(wrong)} wrong. "
                 f"Of {count} orders in all,\n    with those whose answer was cut off, none is there by halves: revenue {revenue / 100:.2f}, "
                 f"their sum {sum_of / 100:.2f}.")
        self.check(not lost, f"lost: {lost[:5]}")
        self.check(not wrong, f"wrong: {wrong[:5]}")
        self.check(revenue == sum_of, "an order was made by halves")
