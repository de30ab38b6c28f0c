# SPDX-License-Identifier: Apache-2.0
"""Channels over all workers and listeners of the process: who gets what, in which order, and that one who does not
read costs nobody else anything."""
import contextlib
import subprocess
import threading

import pytest

import pando
from pando import until
from redis_front import Client, Closed, Refused, encode, serving

redis = pytest.importorskip("redis")

REFUSED = ("ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
           "context")


@pytest.fixture(scope="module")
def store(io):
    """Two workers, two listeners."""
    second = pando.free_port()
    with serving(io=io, listeners={"second": {"redis": f"127.0.0.1:{second}"}}) as proxy:
        proxy.second_port = second
        yield proxy


@pytest.fixture
def publisher(store):
    with Client(store.redis_port) as client:
        yield client
        until(lambda: client("pubsub", "channels") == [] and client("pubsub", "numpat") == 0, "all have left")


@contextlib.contextmanager
def clients(proxy, count, version=2):
    """Connections to all listeners, which the kernel spreads over the workers."""
    ports = (proxy.redis_port, getattr(proxy, "second_port", proxy.redis_port))
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(Client(ports[index % 2])) for index in range(count)]
        for client in made if version == 3 else ():
            client("hello", 3)
        yield made


def is_spread(proxy):
    """Has each worker some of the connections?"""
    counts = [value for name, value in proxy.metrics().items() if name.startswith("pando_worker_connections_open{")]
    return sum(count > 0 for count in counts) >= 2


# --- who gets what ---

def test_everybody_on_all_workers_gets_it(store, publisher):
    with clients(store, 30) as subscribers:
        for client in subscribers:
            assert client("subscribe", "news") == [b"subscribe", b"news", 1]
        until(lambda: is_spread(store), lambda: str(store.metrics()))
        assert publisher("pubsub", "numsub", "news", "none") == [b"news", 30, b"none", 0]
        assert publisher("publish", "news", "hello") == 30
        assert publisher("publish", "other", "hello") == 0
        for client in subscribers:
            assert client.read() == [b"message", b"news", b"hello"]
        assert subscribers[0]("unsubscribe", "news") == [b"unsubscribe", b"news", 0]
        assert publisher("publish", "news", "again") == 29
        for client in subscribers[1:]:
            assert client.read() == [b"message", b"news", b"again"]
        assert subscribers[0]("ping") == "PONG", "nothing came before it"
    until(lambda: publisher("publish", "news", "nobody") == 0, "they have left")


def test_a_channel_and_patterns_that_match_it(publisher, store):
    with clients(store, 1) as (client,):
        assert client("subscribe", "news.art", "x") == [b"subscribe", b"news.art", 1]
        assert client.read() == [b"subscribe", b"x", 2]
        assert client("psubscribe", "news.*") == [b"psubscribe", b"news.*", 3]
        assert client("psubscribe", "n?ws.[a-c]rt") == [b"psubscribe", b"n?ws.[a-c]rt", 4]
        assert publisher("pubsub", "numpat") == 2
        assert publisher("publish", "news.art", "hello") == 3
        assert client.read() == [b"message", b"news.art", b"hello"]
        assert client.read() == [b"pmessage", b"news.*", b"news.art", b"hello"]
        assert client.read() == [b"pmessage", b"n?ws.[a-c]rt", b"news.art", b"hello"]
        assert publisher("publish", "news.zrt", "") == 1
        assert client.read() == [b"pmessage", b"news.*", b"news.zrt", b""]
        assert client("punsubscribe", "news.*") == [b"punsubscribe", b"news.*", 3]
        assert publisher("publish", "news.zrt", "") == 0


def test_shard_channels_have_names_of_their_own(publisher, store):
    with clients(store, 2) as (shard, plain):
        assert shard("ssubscribe", "a") == [b"ssubscribe", b"a", 1]
        assert plain("subscribe", "a") == [b"subscribe", b"a", 1]
        assert plain("psubscribe", "*") == [b"psubscribe", b"*", 2]
        assert publisher("spublish", "a", "1") == 1
        assert shard.read() == [b"smessage", b"a", b"1"]
        assert publisher("publish", "a", "2") == 2
        assert [plain.read()[-1], plain.read()[-1]] == [b"2", b"2"]
        assert publisher("pubsub", "shardchannels") == publisher("pubsub", "channels", "[a]") == [b"a"]
        assert publisher("pubsub", "shardnumsub", "a", "b") == [b"a", 1, b"b", 0]
        assert shard("sunsubscribe") == [b"sunsubscribe", b"a", 0]
        assert shard("sunsubscribe") == [b"sunsubscribe", None, 0]


def test_a_subscriber_of_version_2_may_do_nothing_else(publisher, store):
    with clients(store, 1) as (client,):
        client("subscribe", "a")
        assert client("get", "k") == Refused(REFUSED.format("get"))
        assert client("client", "ID") == Refused(REFUSED.format("client|id"))
        assert client("exec") == Refused("EXECABORT Transaction discarded because of: " + REFUSED.format("exec")[4:])
        assert client("ping") == [b"pong", b""] and client("ping", "x") == [b"pong", b"x"]
        assert client("reset") == "RESET"
        assert publisher("publish", "a", "x") == 0
        assert client("ping") == "PONG" and client("unsubscribe") == [b"unsubscribe", None, 0]
        client("subscribe", "a")
        assert client("quit") == "OK" and client.is_closed()
        assert publisher("publish", "a", "x") == 0


def test_one_of_version_3_may_and_hears_itself_first(publisher, store):
    with clients(store, 1, version=3) as (client,):
        assert client("subscribe", "a") == (b"subscribe", b"a", 1)
        client.send(encode("set", "k", "v") + encode("publish", "a", "x") + encode("get", "k"))
        assert [client.read() for _ in range(4)] == ["OK", (b"message", b"a", b"x"), 1, b"v"]
        client.send(encode("client", "reply", "off") + encode("publish", "a", "y") + encode("client", "reply", "on"))
        assert client.read() == (b"message", b"a", b"y") and client.read() == "OK"


@pytest.mark.parametrize("engine", ["memory", "lmdb"])
def test_transactions(io, engine):
    with serving(io=io, engine=engine) as proxy, clients(proxy, 1, version=3) as (client,):
        client("subscribe", "a")
        client.send(b"".join(encode(*words) for words in (
            ["multi"], ["publish", "a", "x"], ["set", "k", "v"], ["subscribe", "b"], ["ssubscribe", "s"],
            ["pubsub", "numsub", "b"], ["exec"])))
        assert [client.read() for _ in range(6)] == ["OK"] + 5 * ["QUEUED"]
        assert client.read() == [1, "OK", (b"subscribe", b"b", 2),
                                 "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client", [b"b", 1]]
        assert client.read() == (b"message", b"a", b"x"), "behind the answer, not in it"
        assert client("multi") == "OK" and client("pubsub", "what").startswith("ERR unknown subcommand 'what'")
        assert client("exec") == "EXECABORT Transaction discarded because of previous errors."


# --- order ---

def test_all_see_all_messages_in_one_order(store, publisher):
    """So those of each publisher in the order in which they were published."""
    publishers, each, subscribers_count = 4, 1500, 8
    answered = []    # by all, in pieces of 50

    def publish(name):
        with Client(store.redis_port) as client:
            for start in range(0, each, 50):
                answered.append(client.pipeline([("publish", "ch", f"{name}:{n}") for n in range(start, start + 50)]))

    with clients(store, subscribers_count) as subscribers:
        for client in subscribers:
            client("subscribe", "ch")
        until(lambda: is_spread(store), "connections on both workers")
        threads = [threading.Thread(target=publish, args=(name,)) for name in range(publishers)]
        for thread in threads:
            thread.start()
        heard = [[client.read()[2].decode() for _ in range(publishers * each)] for client in subscribers]
        for thread in threads:
            thread.join()
        assert answered == [[subscribers_count] * 50] * (publishers * each // 50)
    for name in range(publishers):
        assert [text for text in heard[0] if text.startswith(f"{name}:")] == [f"{name}:{n}" for n in range(each)]
    assert all(each == heard[0] for each in heard)


def test_what_was_published_comes_before_later_answers(store, publisher):
    """Also from another worker: whoever is told of a PUBLISH that was answered can rely on it."""
    with clients(store, 6) as subscribers:
        for client in subscribers:
            client("subscribe", "ch")
        for number in range(300):
            client = subscribers[number % len(subscribers)]
            assert publisher("publish", "ch", number) == len(subscribers)
            client.send(encode("ping"))
            while True:
                answer = client.read()
                if answer[0] == b"pong":
                    break
                last = answer[2]
            assert int(last) == number


def test_a_message_does_not_cut_an_answer(store, publisher):
    """One who asks for large answers all the time gets messages between them."""
    value = b"v" * 300_000
    stop = threading.Event()

    def publish():
        with Client(store.second_port) as client:
            number = 0
            while not stop.is_set():
                client("publish", "ch", f"{number}:" + "m" * (number * 37 % 30_000))
                number += 1

    publisher("set", "large", value)
    with clients(store, 1, version=3) as (client,):
        client("subscribe", "ch")
        thread = threading.Thread(target=publish)
        thread.start()
        expected = asked = answered = 0
        try:
            while answered < 60 or expected < 100:
                if asked - answered < 3:
                    client.send(encode("get", "large"))
                    asked += 1
                answer = client.read()
                if isinstance(answer, tuple):
                    number, text = answer[2].split(b":")
                    assert int(number) == expected and text == b"m" * (expected * 37 % 30_000)
                    expected += 1
                else:
                    assert answer == value
                    answered += 1
        finally:
            stop.set()
            thread.join()


def test_large_messages_are_whole(store, publisher):
    texts = [bytes([65 + n]) * (n * 700_001 + 16_300) for n in range(4)]
    with clients(store, 10) as subscribers:
        for client in subscribers:
            client("subscribe", "ch")
            client("psubscribe", "c*")
        for text in texts:
            assert publisher("publish", "ch", text) == 20
        for client in subscribers:
            for text in texts:
                assert client.read() == [b"message", b"ch", text]
                assert client.read() == [b"pmessage", b"c*", b"ch", text]


# --- bounds ---

def test_a_subscriber_that_does_not_read_is_closed_and_no_other(io):
    with serving(io=io, redis={"unread-messages-bytes": "256KiB"}) as proxy, clients(proxy, 6) as subscribers, \
            Client(proxy.redis_port) as publisher:
        for client in subscribers:
            client("subscribe", "ch")
        slow, others = subscribers[0], subscribers[1:]
        for number in range(2000):
            receivers = publisher("publish", "ch", b"%d:" % number + b"x" * 50_000)
            for client in others:
                assert client.read()[2].startswith(b"%d:" % number)
            if receivers == 5:
                break
        assert receivers == 5
        assert proxy.metric("pando_pubsub_closed_total") == 1
        assert proxy.metric("pando_pubsub_subscriptions") == 5
        with pytest.raises((Closed, ConnectionResetError)):
            while True:
                assert slow.read()[0] == b"message", "what it had is whole"


def test_a_publisher_that_is_ahead_of_all_waits(store, publisher):
    """Megabytes in one piece to many: everything comes, and is not gathered meanwhile."""
    count, text = 4000, b"t" * 8000
    one = encode("message", "ch", text)
    with clients(store, 8) as subscribers, Client(store.second_port) as ahead:
        for client in subscribers:
            client("subscribe", "ch")
        heard = [0] * len(subscribers)

        def read(index):
            while heard[index] < count * len(one):
                data = subscribers[index].socket.recv(1 << 20)
                assert data
                heard[index] += len(data)

        threads = [threading.Thread(target=read, args=(index,)) for index in range(len(subscribers))]
        for thread in threads:
            thread.start()
        ahead.send(encode("publish", "ch", text) * count)
        assert [ahead.read() for _ in range(count)] == [len(subscribers)] * count
        for thread in threads:
            thread.join()
        assert heard == [count * len(one)] * len(subscribers)


def test_how_much_one_may_subscribe(io):
    with serving(io=io, redis={"subscriptions": 3, "channel-bytes": "16B"}) as proxy, Client(proxy.redis_port) as client:
        too_many = "ERR the connection would subscribe more than 'subscriptions' allows"
        assert client("subscribe", "a", "b", "c", "d") == Refused(too_many)
        assert client("subscribe", "n" * 17) == Refused("ERR a name is longer than 'channel-bytes' allows")
        assert client("subscribe", "a", "b") == [b"subscribe", b"a", 1] and client.read() == [b"subscribe", b"b", 2]
        assert client("psubscribe", "c") == [b"psubscribe", b"c", 3]
        assert client("ssubscribe", "d") == Refused(too_many)
        with Client(proxy.redis_port) as publisher:
            assert publisher("publish", "n" * 17, "") == \
                Refused("ERR the channel's name is longer than 'channel-bytes' allows")
            assert publisher("publish", "n" * 16, "") == 0


def test_subscribers_are_not_idle(io):
    with serving(io=io, redis={"idle-timeout": "100ms"}) as proxy, Client(proxy.redis_port) as client, \
            Client(proxy.redis_port) as idle:
        client("subscribe", "a")
        assert idle.is_closed()
        with Client(proxy.redis_port) as publisher:
            assert publisher("publish", "a", "x") == 1
        assert client.read() == [b"message", b"a", b"x"]


# --- life ---

def test_subscriptions_stay_over_a_reload(io):
    with serving(io=io, redis={"linger-timeout": "10ms"}) as proxy, clients(proxy, 8) as subscribers:
        for client in subscribers:
            client("subscribe", "a")
        done = proxy.reload({**proxy.config, "redis": {"subscriptions": 1, "linger-timeout": "10ms"}})
        assert done.returncode == 0, done.stderr
        with Client(proxy.redis_port) as publisher:
            assert publisher("publish", "a", "x") == 8
        for client in subscribers:
            assert client.read() == [b"message", b"a", b"x"]
        assert subscribers[0]("subscribe", "b").startswith("ERR the connection would subscribe more")
        proxy.stop()
        assert all(client.is_closed() for client in subscribers)


def test_what_operators_see(store, publisher):
    before = store.metric("pando_pubsub_messages_total")
    with clients(store, 3, version=3) as subscribers:
        for client in subscribers:
            client("subscribe", "a", "b"), client.read()
        assert subscribers[0]("psubscribe", "p*") == (b"psubscribe", b"p*", 3)
        publisher("publish", "a", "x")
        assert store.metric("pando_pubsub_channels") == 2 and store.metric("pando_pubsub_patterns") == 1
        assert store.metric("pando_pubsub_subscriptions") == 7
        assert store.metric("pando_pubsub_messages_total") == before + 1
        assert store.status()["channels"]["subscriptions"] == 7
        info = publisher("info", "stats").decode()
        assert "pubsub_channels:2\r\n" in info and "pubsub_patterns:1\r\n" in info
        for client in subscribers:
            client.read()
        assert " flags=P db=0 sub=2 psub=1 ssub=0 " in subscribers[0]("client", "info").decode()
        assert "sub=2" in subscribers[0]("client", "list", "type", "pubsub").decode()
        assert publisher("client", "list", "type", "normal").decode().count(" sub=0 psub=0 ") >= 1


# --- clients as they are ---

def test_redis_py(store, publisher):
    client = redis.Redis(port=store.redis_port)
    with contextlib.closing(client.pubsub()) as pubsub:
        heard = []
        pubsub.subscribe("a", "b")
        pubsub.psubscribe(**{"a*": heard.append})
        assert [pubsub.get_message(timeout=pando.PATIENCE_S)["type"] for _ in range(3)] == \
            ["subscribe", "subscribe", "psubscribe"]
        assert client.publish("a", "x") == 2
        assert pubsub.get_message(timeout=pando.PATIENCE_S) == \
            {"type": "message", "pattern": None, "channel": b"a", "data": b"x"}
        until(lambda: pubsub.get_message(timeout=0.1) is None and heard, "the pattern's message")
        assert heard == [{"type": "pmessage", "pattern": b"a*", "channel": b"a", "data": b"x"}]
        assert client.pubsub_numsub("a", "b") == [(b"a", 1), (b"b", 1)] and client.pubsub_numpat() == 1
        pubsub.ping()
        assert pubsub.get_message(timeout=pando.PATIENCE_S)["type"] == "pong"
        pubsub.unsubscribe()
        pubsub.punsubscribe()
        assert [pubsub.get_message(timeout=pando.PATIENCE_S)["data"] for _ in range(3)] == [2, 1, 0]


def test_redis_cli(store, publisher, tmp_path):
    with open(tmp_path / "heard", "wb") as out, subprocess.Popen(
            ["redis-cli", "-p", str(store.redis_port), "psubscribe", "n*"], stdin=subprocess.DEVNULL, stdout=out,
            stderr=out) as cli:
        try:
            until(lambda: publisher("pubsub", "numpat") == 1, "redis-cli has subscribed")
            said = subprocess.run(["redis-cli", "-p", str(store.second_port), "publish", "news", "hello"], timeout=60,
                                  capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True)
            assert said.stdout == "1\n"
            until(lambda: b"hello" in (tmp_path / "heard").read_bytes(), "redis-cli has it")
        finally:
            cli.kill()
    heard = (tmp_path / "heard").read_text()
    assert all(word in heard for word in ("psubscribe", "pmessage", "n*", "news", "hello")), heard
