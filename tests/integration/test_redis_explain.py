# SPDX-License-Identifier: Apache-2.0
"""`pando explain KEY`: where a key is, and why; of the running process, and of a file where none runs."""
import json
import subprocess
import time

import pytest

import pando
from redis_front import Client, config, serving

LAYOUT = {"users": {"partition": "range", "shards": 3, "splits": ["h", "o"]},
          "carts": {"partition": "hash", "shards": 4},
          "tenants": {"partition": "directory", "shards": 3, "directory": [{"prefix": "acme:", "shard": 2}]}}
ENGINES = pytest.mark.parametrize("engine", ["memory", "lmdb"])


def said(proxy, *words):
    done = proxy.command("explain", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def explained(proxy, *words):
    return json.loads(said(proxy, *words, "--json"))


@ENGINES
def test_the_example_of_the_theory(io, engine):
    """Users A-G, H-N, O-Z on three shards."""
    with serving(LAYOUT, io, engine) as proxy, Client(proxy.redis_port) as client:
        names = {"anna": 0, "gus": 0, "h": 1, "henry": 1, "nora": 1, "o": 2, "olga": 2, "zoe": 2}
        for name in names:
            assert client("set", f"users:{name}", 1) == "OK"
        assert said(proxy, "users:henry").startswith(f"users:henry: range h to o, shard 1 of 3, engine {engine}\n")
        assert said(proxy, "users:anna").startswith("users:anna: range up to h, shard 0 of 3")
        assert said(proxy, "users:zoe").startswith("users:zoe: range o and up, shard 2 of 3")
        for name, shard in names.items():
            assert explained(proxy, f"users:{name}")["shard"] == shard
        assert client("pando.range", "users:h", "users:nzz") == [b"users:h", b"users:henry", b"users:nora"]


@ENGINES
def test_what_is_known_of_a_key(io, engine):
    with serving(LAYOUT, io, engine) as proxy, Client(proxy.redis_port) as client:
        x = explained(proxy, "carts:42")
        assert (x["keyspace"], x["partition"], x["shard"], x["shards"], x["engine"]) == ("carts", "hash", 1, 4, engine)
        assert x["why"] == "slot 8000, of the slots 4096 to 8191" and x["copies"] == 1
        assert x["live"] is True and x["there"] is False and x["type"] is None and x["expires_ms"] is None
        makers = {"string": ("set", "v"), "hash": ("hset", "f", "v"), "list": ("rpush", "v"), "set": ("sadd", "v"),
                  "zset": ("zadd", 1, "v")}
        for kind, (maker, *words) in makers.items():
            key = f"carts:{kind}"
            client(maker, key, *words)
            x = explained(proxy, key)
            assert x["there"] is True and x["type"] == kind and x["expires_ms"] is None
            # The command line that it names reaches it.
            done = subprocess.run(["bash", "-c", x["command"]], capture_output=True, text=True, timeout=20, check=False)
            assert done.returncode == 0 and "v" in done.stdout and "ERR" not in done.stdout, x["command"]
            if engine == "lmdb":
                assert x["file"] == str((proxy.folder / "data").resolve() / "keys" / "carts" / f"{x['shard']:04}" / "data.mdb")
                assert (proxy.folder / "data" / "keys" / "carts" / f"{x['shard']:04}" / "data.mdb").exists()
            else:
                assert x["file"] is None
        client("pexpire", "carts:hash", 90_000)
        left_s = explained(proxy, "carts:hash")["expires_ms"] / 1000 - time.time()
        assert 60 < left_s <= 90
        text = said(proxy, "carts:hash")
        assert "there      yes: a hash, expires in " in text and "copies     1\n" in text and "HGETALL carts:hash" in text


def test_odd_bytes_are_quoted(io):
    with serving(LAYOUT, io) as proxy, Client(proxy.redis_port) as client:
        client("set", b"carts:a b\0\n'\"\\\xff", "found")
        quoted = '"carts:a b\\x00\\n\'\\"\\\\\\xff"'
        x = explained(proxy, quoted)
        assert x["there"] is True and x["key"] == quoted
        client("set", "carts:a 'b", "found")
        x = explained(proxy, "carts:a 'b")
        assert x["there"] is True and x["key"] == '"carts:a \'b"'
        done = subprocess.run(["bash", "-c", x["command"]], capture_output=True, text=True, timeout=20, check=False)
        assert done.stdout == "found\n"
        wrong = proxy.command("explain", '"carts:a')
        assert wrong.returncode == 2 and "must be quoted whole" in wrong.stderr


def test_a_url_is_told_from_a_key(io):
    with serving({**LAYOUT, "default": {}}, io) as proxy, Client(proxy.redis_port) as client:
        client("set", "http://x/y", 1)
        assert said(proxy, "http://x/y").startswith("no service")
        assert explained(proxy, "http://x/y", "--key")["there"] is True
        assert explained(proxy, "--key", "/a")["keyspace"] == "default"
        assert explained(proxy, "http:8")["keyspace"] == "default"
        assert proxy.command("explain").returncode == 2


def test_a_key_of_no_keyspace(io):
    with serving(LAYOUT, io) as proxy:
        assert explained(proxy, "nobody:1")["keyspace"] is None
        assert said(proxy, "nobody:1").startswith("nobody:1: no keyspace has this key") and "default" in said(proxy, "nobody:1")


def test_where_none_runs_the_file_says_it(tmp_path):
    _, settings = config(LAYOUT, "lmdb")
    settings["data"] = str(tmp_path / "data")
    settings["control"] = str(tmp_path / "control.sock")
    file = tmp_path / "pando.json"      # which is YAML, too
    file.write_text(json.dumps(settings))
    done = pando.command("explain", "users:henry", file)
    assert done.returncode == 0 and done.stdout.startswith("users:henry: range h to o, shard 1 of 3, engine lmdb\n")
    assert "no Pando runs here, so this is what the file says" in done.stdout
    x = json.loads(pando.command("explain", "tenants:acme:1", file, "--json").stdout)
    assert x["live"] is False and "there" not in x and x["shard"] == 2 and x["why"] == "directory entry acme:"
    assert x["file"] == str(tmp_path / "data" / "keys" / "tenants" / "0002" / "data.mdb")
    assert "no keyspace" in pando.command("explain", "nobody:1", file).stdout
    file.write_text("keyspaces: {a: {shards: x}}\ncontrol: " + str(tmp_path / "control.sock"))
    assert pando.command("explain", "a:1", file).returncode == 2
