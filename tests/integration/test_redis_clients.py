# SPDX-License-Identifier: Apache-2.0
"""Real clients of the Redis protocol, as they are installed, without special settings."""
import os
import shutil
import subprocess

import pytest

redis = pytest.importorskip("redis")

from redis_front import serving    # noqa: E402


@pytest.fixture(scope="module", params=["memory", "lmdb"])
def store(io, request):
    with serving({"default": {}, "carts": {"shards": 3}}, io, request.param) as proxy:
        yield proxy


def run(*words, stdin="", environment=None):
    done = subprocess.run([str(word) for word in words], input=stdin, capture_output=True, text=True, timeout=120,
                          env={**os.environ, **(environment or {})}, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_redis_cli(store):
    cli = ["redis-cli", "-p", store.redis_port]
    assert run(*cli, "set", "greeting", "hello world") == "OK\n"
    assert run(*cli, "get", "greeting") == "hello world\n"
    assert run(*cli, "-3", "hset", "h", "a", "1") == "1\n"
    assert run(*cli, "-3", "--json", "hgetall", "h") == '{"a":"1"}\n'
    assert run(*cli, stdin="multi\nincr n\nincr n\nexec\n") == "OK\nQUEUED\nQUEUED\n1\n2\n"
    assert sorted(run(*cli, "--scan").split()) == ["greeting", "h", "n"]
    assert run(*cli, "dbsize") == "3\n"


def test_redis_benchmark(store):
    text = run("redis-benchmark", "-p", store.redis_port, "-n", 2000, "-c", 20, "-P", 8, "-q", "-t",
               "ping,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange_100,mset").replace("\r", "\n")
    assert text.count("requests per second") >= 15 and "rror" not in text


@pytest.mark.parametrize("pool", [redis.ConnectionPool], ids=["pool"])
def test_redis_py(store, pool):
    client = redis.Redis(connection_pool=pool(host="127.0.0.1", port=store.redis_port))
    client.flushall()
    assert client.set("a", 1, ex=100) and client.get("a") == b"1" and 0 < client.ttl("a") <= 100
    assert client.hset("h", mapping={"x": 1, "y": 2}) == 2 and client.hgetall("h") == {b"x": b"1", b"y": b"2"}
    assert client.zadd("z", {"a": 1, "b": 2.5}) == 2
    assert client.zrange("z", 0, -1, withscores=True) == [(b"a", 1.0), (b"b", 2.5)]
    with client.pipeline() as pipeline:    # a transaction, which is its preset
        pipeline.incr("n").incr("n").lpush("l", "x", "y").lrange("l", 0, -1)
        assert pipeline.execute() == [1, 2, 2, [b"y", b"x"]]

    def raise_it(pipeline):
        number = int(pipeline.get("n"))
        pipeline.multi()
        pipeline.set("n", number + 10)
    assert client.transaction(raise_it, "n") == [True]
    assert client.get("n") == b"12"
    assert {key for key in client.scan_iter(count=2)} == {b"a", b"h", b"z", b"n", b"l"}
    assert client.info()["redis_version"].startswith("7.")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        client.incr("h")
    assert client.client_list()


NODE = """
const { createClient } = require('redis');
(async () => {
  const client = createClient({ url: `redis://127.0.0.1:${process.argv[1]}` });
  await client.connect();
  await client.flushAll();
  await client.set('a', '1', { EX: 100 });
  await client.hSet('h', { x: '1', y: '2' });
  const multi = await client.multi().incr('n').incr('n').lPush('l', ['x', 'y']).exec();
  const keys = [];
  for await (const key of client.scanIterator({ COUNT: 2 })) keys.push(key);
  console.log(JSON.stringify([await client.get('a'), await client.hGetAll('h'), multi, keys.sort()]));
  await client.quit();
})().catch(e => { console.error(e); process.exit(1); });
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
def test_node_redis(store):
    folder = "/usr/share/nodejs"    # where Debian puts what node finds by itself with its own build
    text = run("node", "-e", NODE, store.redis_port, environment={"NODE_PATH": folder})
    assert text == '["1",{"x":"1","y":"2"},[1,2,2],["a","h","l","n"]]\n'
