# SPDX-License-Identifier: Apache-2.0
"""Real clients of the Redis protocol, as they are installed, without special settings."""
import asyncio
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


# --- clients of Redis Cluster: Pando is the one node ---

def test_redis_cli_of_a_cluster(store):
    cli = ["redis-cli", "-c", "-p", store.redis_port]
    assert run(*cli, stdin="set {a}x 1\nmset {a}y 2 {b}z 3\nmget {a}x {a}y {b}z\n") == "OK\nOK\n1\n2\n3\n"
    assert "All 16384 slots covered." in run("redis-cli", "--cluster", "check", f"127.0.0.1:{store.redis_port}")


def test_redis_py_cluster(store):
    client = redis.RedisCluster(host="127.0.0.1", port=store.redis_port)
    client.flushall()
    assert client.mset_nonatomic({"a": 1, "b": 2, "carts:1": 3})
    assert client.mget_nonatomic("a", "b", "carts:1") == [b"1", b"2", b"3"]
    assert client.mget("{t}x", "{t}y") == [None, None] and client.keyslot("a") == client.cluster_keyslot("a")
    with client.pipeline() as pipeline:
        assert pipeline.incr("n").incr("n").get("a").execute() == [1, 2, b"1"]
    assert client.cluster_info()["cluster_state"] == "ok" and client.dbsize() == 4
    assert [node["flags"] for node in client.cluster_nodes().values()] == ["myself,master"]
    ours = client.get_default_node()
    assert client.cluster_shards(target_nodes=ours)[0]["slots"] == [(0, 16383)]
    assert client.client_list(target_nodes=ours) and client.slowlog_len(target_nodes=ours) >= 0
    client.close()


def test_redis_py_cluster_with_asyncio(store):
    asyncio_cluster = pytest.importorskip("redis.asyncio.cluster")

    async def session():
        client = asyncio_cluster.RedisCluster(host="127.0.0.1", port=store.redis_port)
        try:
            await client.set("a", 5)
            return await client.get("a")
        finally:
            await client.close()
    assert asyncio.run(session()) == b"5"


NODE_CLUSTER = """
const { createCluster } = require('redis');
(async () => {
  const client = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${process.argv[1]}` }] });
  await client.connect();
  await client.set('a', '1');
  await client.mSet({ '{t}x': '2', '{t}y': '3' });
  console.log(JSON.stringify([await client.get('a'), await client.mGet(['{t}x', '{t}y'])]));
  await client.quit();
})().catch(e => { console.error(e); process.exit(1); });
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
def test_node_redis_of_a_cluster(store):
    text = run("node", "-e", NODE_CLUSTER, store.redis_port, environment={"NODE_PATH": "/usr/share/nodejs"})
    assert text == '["1",["2","3"]]\n'


IOREDIS = """
const Redis = require('ioredis');
(async () => {
  const client = new Redis.Cluster([{ host: '127.0.0.1', port: +process.argv[1] }]);
  await client.set('a', '1');
  await client.mset('{t}x', '2', '{t}y', '3');
  const pipeline = await client.pipeline().incr('n').incr('n').exec();
  console.log(JSON.stringify([await client.get('a'), await client.mget('{t}x', '{t}y'), pipeline.length,
                              client.nodes('master').length]));
  await client.quit();
})().catch(e => { console.error(e); process.exit(1); });
"""


@pytest.mark.skipif("IOREDIS_PATH" not in os.environ, reason="IOREDIS_PATH does not say where node finds ioredis")
def test_ioredis_of_a_cluster(store):
    text = run("node", "-e", IOREDIS, store.redis_port, environment={"NODE_PATH": os.environ["IOREDIS_PATH"]})
    assert text == '["1",["2","3"],2,1]\n'
