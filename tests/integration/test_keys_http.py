# SPDX-License-Identifier: Apache-2.0
"""Keys over HTTP: what a client sees of a key, what the Redis protocol sees of the same, conditions that no other writer
comes between, types that last, and what is refused in words."""
import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import urllib.parse

import pytest

import pando
from redis_front import Client, Refused
from test_redis_users import USERS, write_users

ENGINES = ("memory", "lmdb")


def config(engine, **more):
    port, redis = pando.free_port(), pando.free_port()
    settings = pando.merged({
        "listeners": {"kv": {"http": f"127.0.0.1:{port}", "keys": True}, "data": {"redis": f"127.0.0.1:{redis}"}},
        "keyspaces": {name: {"engine": engine, **rest} for name, rest in {
            "default": {}, "carts": {"shards": 3}, "users": {"partition": "range", "shards": 3, "splits": ["h", "o"]},
            "small": {"value-bytes": "10KiB"}}.items()}}, more)
    return port, redis, settings


class Face:
    """Says requests to /kv/ and reads answers whole."""

    def __init__(self, port):
        self.port = port

    def __call__(self, method, path, body=None, **fields):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=pando.PATIENCE_S)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): text for name, text in fields.items()})
            answer = connection.getresponse()
            answer.body = answer.read()
            return answer
        finally:
            connection.close()

    def detail(self, status, *words, **fields):
        """The sentence of a refusal, which must have that status."""
        answer = self(*words, **fields)
        assert answer.status == status, (words, answer.status, answer.body)
        assert answer.headers["Content-Type"] == "application/problem+json"
        problem = json.loads(answer.body)
        assert problem["status"] == status
        return problem["detail"]


@pytest.fixture(scope="module", params=ENGINES)
def proxy(io, request):
    port, redis, settings = config(request.param)
    with pando.running(settings, io) as proxy:
        proxy.face, proxy.redis_port, proxy.engine = Face(port), redis, request.param
        with Client(redis) as proxy.redis:
            yield proxy


@pytest.fixture
def face(proxy):
    proxy.redis("flushall")
    return proxy.face


def test_a_value_comes_and_goes(face, proxy):
    made = face("PUT", "/kv/carts/42", b"{}", Content_Type="application/json")
    assert made.status == 201 and made.body == b""
    found = face("GET", "/kv/carts/42")
    assert (found.status, found.body) == (200, b"{}")
    assert found.headers["Content-Type"] == "application/json" and found.headers["ETag"] == made.headers["ETag"]
    assert "no-cache" in found.headers["Cache-Control"] and "Pando-Expires-In" not in found.headers
    assert found.headers["X-Content-Type-Options"] == "nosniff" and "Access-Control-Allow-Origin" not in found.headers
    assert proxy.redis("get", "carts:42") == b"{}"
    head = face("HEAD", "/kv/carts/42")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", "2")
    assert head.headers["ETag"] == made.headers["ETag"]
    replaced = face("PUT", "/kv/carts/42", b"[]", Content_Type="application/json")
    assert replaced.status == 204 and replaced.headers["ETag"] != made.headers["ETag"]
    assert face("DELETE", "/kv/carts/42").status == 204
    assert face.detail(404, "GET", "/kv/carts/42") == "there is no such key"
    assert face.detail(404, "DELETE", "/kv/carts/42") == "there is no such key"
    assert face("HEAD", "/kv/carts/42").status == 404


def test_an_empty_value_is_a_value(face, proxy):
    assert face("PUT", "/kv/carts/empty", b"").status == 201
    assert face("PUT", "/kv/carts/empty").status == 204
    found = face("GET", "/kv/carts/empty")
    assert (found.status, found.body, found.headers["Content-Length"]) == (200, b"", "0")
    assert proxy.redis("get", "carts:empty") == b""


def test_a_value_lives_as_long_as_it_was_told(face, proxy):
    assert face("PUT", "/kv/a", b"x").status == 404      # no keyspace of that name
    assert face("PUT", "/kv/default/a", b"x", Pando_Expires_In="60s").headers["Pando-Expires-In"] == "60000ms"
    assert 50_000 < int(face("GET", "/kv/default/a").headers["Pando-Expires-In"].removesuffix("ms")) <= 60_000
    assert 50_000 < proxy.redis("pttl", "a") <= 60_000
    assert face("PUT", "/kv/default/a", b"y", Pando_Expires_In="keep").status == 204
    assert 50_000 < proxy.redis("pttl", "a") <= 60_000
    assert face("PUT", "/kv/default/a", b"y").status == 204
    assert proxy.redis("pttl", "a") == -1
    assert face("PUT", "/kv/default/a", b"y", Pando_Expires_In="1ms").status == 204
    pando.until(lambda: face("GET", "/kv/default/a").status == 404, "it is over")
    for wrong in ("60", "-1s", "0s", "1.5s", "forever", "999999999999d", ""):
        assert "takes keep, or a time" in face.detail(400, "PUT", "/kv/default/a", b"z", Pando_Expires_In=wrong)


def test_types_belong_to_values(face, proxy):
    def type_of(key):
        return face("GET", f"/kv/default/{key}").headers["Content-Type"]

    face("PUT", "/kv/default/a", b"x", Content_Type="text/html;Charset=\"UTF-8\"")
    assert type_of("a") == "text/html; charset=utf-8"
    proxy.redis("append", "a", "yz")
    proxy.redis("copy", "a", "b")
    proxy.redis("rename", "a", "c")
    assert type_of("b") == type_of("c") == "text/html; charset=utf-8"
    proxy.redis("set", "b", "other")
    assert type_of("b") == "application/octet-stream"
    face("PUT", "/kv/default/c", b"x")
    assert type_of("c") == "application/octet-stream"
    for wrong in ("text/plain; charset=latin1", "foo/bar", "multipart/form-data; boundary=x"):
        assert "not one of those that are kept" in face.detail(415, "PUT", "/kv/default/c", b"y", Content_Type=wrong)
    assert "content coding" in face.detail(415, "PUT", "/kv/default/c", b"y", Content_Encoding="gzip")
    assert "a part of a value" in face.detail(400, "PUT", "/kv/default/c", b"y", Content_Range="bytes 0-0/5")
    assert face("GET", "/kv/default/c").body == b"x"


def test_what_a_client_has_is_not_sent_again(face):
    tag = face("PUT", "/kv/default/a", b"x" * 1000).headers["ETag"]
    for known in (tag, "W/" + tag, f'"1", {tag}', "*"):
        answer = face("GET", "/kv/default/a", If_None_Match=known)
        assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", tag)
    assert face("GET", "/kv/default/a", If_None_Match='"1"').status == 200
    assert face("GET", "/kv/default/a", If_Match=tag).status == 200
    assert face("GET", "/kv/default/a", If_Match="W/" + tag).status == 412
    assert face("GET", "/kv/default/none", If_None_Match="*").status == 404


def test_conditions_of_writes(face):
    assert face("PUT", "/kv/default/a", b"1", If_Match="*").status == 412
    assert face("PUT", "/kv/default/a", b"1", If_None_Match="*").status == 201
    assert face("PUT", "/kv/default/a", b"2", If_None_Match="*").status == 412
    tag = face("GET", "/kv/default/a").headers["ETag"]
    assert face("PUT", "/kv/default/a", b"2", If_Match='"1"').status == 412
    assert face("PUT", "/kv/default/a", b"2", If_Match="W/" + tag).status == 412
    assert face("PUT", "/kv/default/a", b"2", If_Match='"*"').status == 412
    assert face("PUT", "/kv/default/a", b"2", If_None_Match=tag).status == 412
    assert face("PUT", "/kv/default/a", b"2", If_Match=f'"1" , {tag}').status == 204
    assert face("DELETE", "/kv/default/a", If_Match=tag).status == 412
    assert face("DELETE", "/kv/default/b", If_Match="*").status == 412
    assert face("GET", "/kv/default/a").body == b"2"
    assert face("DELETE", "/kv/default/a", If_Match="*").status == 204
    for wrong in ("x", '"', 'W/x', '"a""b"', ",".join(f'"{i}"' for i in range(17))):
        assert "entity tags in quotes" in face.detail(400, "PUT", "/kv/default/a", b"1", If_Match=wrong)


def test_no_increment_is_lost(face, proxy):
    """Twenty clients count with If-Match, one beside them by INCR."""
    clients, each = 20, 5
    face("PUT", "/kv/default/n", b"0", Content_Type="text/plain")
    failures = []

    def count():
        done = 0
        while done < each:
            seen = face("GET", "/kv/default/n")
            answer = face("PUT", "/kv/default/n", b"%d" % (int(seen.body) + 1), If_Match=seen.headers["ETag"],
                          Content_Type="text/plain")
            if answer.status not in (204, 412):
                failures.append(answer.status)
                return
            done += answer.status == 204

    threads = [threading.Thread(target=count) for _ in range(clients)]
    for thread in threads:
        thread.start()
    with Client(proxy.redis_port) as client:
        for _ in range(50):
            client("incr", "n")
    for thread in threads:
        thread.join()
    assert not failures and proxy.redis("get", "n") == b"%d" % (clients * each + 50)
    assert face("GET", "/kv/default/n").headers["Content-Type"] == "text/plain"


def test_one_of_many_creates(face):
    statuses = []
    threads = [threading.Thread(target=lambda i=i: statuses.append(
        face("PUT", "/kv/carts/one", b"%d" % i, If_None_Match="*").status)) for i in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201] + [412] * 9


@pytest.mark.parametrize("path, key", [
    ("/kv/carts/a%20b", b"carts:a b"), ("/kv/carts/a/b//c", b"carts:a/b//c"), ("/kv/carts/%61%2fb", b"carts:a/b"),
    ("/kv/carts/%00%ff%0d%0a", b"carts:\0\xff\r\n"), ("/kv/carts/a+b", b"carts:a+b"), ("/kv/carts/%25", b"carts:%"),
    ("/kv/%63arts/x?ignored=1", b"carts:x"), ("/kv/default/plain", b"plain"), ("/kv/default/other:1", b"other:1"),
    ("/kv/carts/..%2F..", b"carts:../.."), ("/kv/carts/{tag}:1".replace("{", "%7B").replace("}", "%7D"), b"carts:{tag}:1")])
def test_a_path_is_a_key(face, proxy, path, key):
    assert face("PUT", path, b"x").status == 201
    assert proxy.redis("get", key) == b"x" and proxy.redis("dbsize") == 1
    assert face("GET", path).body == b"x"
    assert face("DELETE", path).status == 204 and proxy.redis("dbsize") == 0


def test_paths_that_are_none(face):
    for path in ("/kv/carts/%", "/kv/carts/%4", "/kv/carts/%zz", "/kv/%g0/x"):
        assert "percent sign" in face.detail(400, "GET", path)
    for path in ("/kv", "/kv/", "/kv//x", "/kv/none/x", "/kv/carts:1"):
        assert "no keyspace of this name" in face.detail(404, "GET", path)
    assert "another keyspace stands before" in face.detail(404, "PUT", "/kv/default/carts:1", b"x")
    assert "have no order" in face.detail(404, "GET", "/kv/carts/")
    for method, path, allowed in (("POST", "/kv/carts/1", "GET, HEAD, PUT, DELETE"), ("PUT", "/kv/users/", "GET, HEAD"),
                                  ("OPTIONS", "/kv/carts/1", "GET, HEAD, PUT, DELETE")):
        answer = face(method, path)
        assert (answer.status, answer.headers["Allow"]) == (405, allowed)


def test_other_types_are_named_and_left_alone(face, proxy):
    proxy.redis("rpush", "carts:l", "x")
    proxy.redis("sadd", "carts:s", "x")
    for method, body in (("GET", None), ("HEAD", None), ("PUT", b"x"), ("DELETE", None)):
        answer = face(method, "/kv/carts/l", body)
        assert answer.status == 409 and (method == "HEAD" or b"holds a list, not a string" in answer.body)
    assert "holds a set" in face.detail(409, "PUT", "/kv/carts/s", b"x", If_Match="*")
    assert proxy.redis("llen", "carts:l") == 1 and proxy.redis("scard", "carts:s") == 1


def test_a_listing_is_in_order_over_shards(face, proxy):
    names = sorted(["anna", "gus", "hans", "ida", "otto", "zoe", "z z", "%", "\x7f", "é", "\"q\\"], key=str.encode)
    for name in names:
        assert face("PUT", "/kv/users/" + urllib.parse.quote(name), name.encode()).status == 201
    proxy.redis("set", b"users:\xff", "bytes")
    listing = json.loads(face("GET", "/kv/users/").body)
    assert listing["keyspace"] == "users" and listing["next"] is None
    assert [key["key"] for key in listing["keys"]] == names + [None]
    for key in listing["keys"][:-1]:
        assert face("GET", key["path"]).body.decode() == key["key"]
    assert face("GET", listing["keys"][-1]["path"]).body == b"bytes"
    for query in ("count=1", "count=2", "count=5", "count=3&reverse"):
        found, path = [], "/kv/users/?" + query
        while path:
            page = json.loads(face("GET", path).body)
            found += [key["key"] for key in page["keys"]]
            path = page["next"]
        assert found == (names + [None] if "reverse" not in query else [None] + names[::-1])
    part = json.loads(face("GET", "/kv/users/?from=gus&to=otto").body)
    assert [key["key"] for key in part["keys"]] == ["gus", "hans", "ida", "otto"]
    part = json.loads(face("GET", "/kv/users?from=z+z&to=z%20z").body)
    assert [key["key"] for key in part["keys"]] == ["z z"]
    assert json.loads(face("GET", "/kv/users/?from=x&to=a").body)["keys"] == []
    for wrong in ("count=0", "count=10001", "count=x", "order=1", "reverse=1"):
        assert "a listing takes" in face.detail(400, "GET", "/kv/users/?" + wrong)
    assert face("HEAD", "/kv/users/").status == 200


def test_large_values(face, proxy):
    body = os.urandom(1 << 20) * 24
    tag = face("PUT", "/kv/carts/large", body).headers["ETag"]
    found = face("GET", "/kv/carts/large")
    assert found.body == body and found.headers["ETag"] == tag
    assert proxy.redis("strlen", "carts:large") == len(body)
    chunked = face("PUT", "/kv/carts/large", iter([body[:1000], body[1000:70_000], body[70_000:]]), If_Match=tag)
    assert chunked.status == 204 and chunked.headers["ETag"] == tag


def test_a_body_over_the_limit_is_refused(face, proxy):
    over = "larger than 'value-bytes'"
    assert face("PUT", "/kv/small/a", b"x" * 10240).status == 201
    assert over in face.detail(413, "PUT", "/kv/small/a", b"x" * 10241)
    with socket.create_connection(("127.0.0.1", face.port), pando.PATIENCE_S) as client:
        client.sendall(b"PUT /kv/small/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.sendall(b"2801\r\n" + b"y" * 10241 + b"\r\n")
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 413 ")
    assert proxy.redis("get", "small:a") == b"x" * 10240


def test_an_upload_that_breaks_off_changes_nothing(face, proxy):
    assert face("PUT", "/kv/carts/a", b"before").status == 201
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", face.port), pando.PATIENCE_S) as client:
            client.sendall(b"PUT /kv/carts/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 70_000)
    assert face("PUT", "/kv/carts/b", b"x").status == 201
    assert proxy.redis("get", "carts:a") == b"before"


def test_clients_that_leave_before_the_answer(face, proxy):
    """Whole requests whose clients do not wait: each is done, or was never read; the server is as well as before."""
    for i in range(60):
        with socket.create_connection(("127.0.0.1", face.port), pando.PATIENCE_S) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.sendall(b"PUT /kv/carts/%d HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx" % i)
    assert face("PUT", "/kv/carts/after", b"x").status == 201
    for i in range(60):
        assert proxy.redis("get", f"carts:{i}") in (None, b"x")


def test_who_may_ask(face):
    """DNS rebinding and pages of other sites."""
    assert "address and localhost" in face.detail(421, "GET", "/kv/carts/a", Host="evil.example")
    for host in ("localhost", "127.0.0.1", "[::1]:80", "localhost:1"):
        assert face("GET", "/kv/carts/a", Host=host).status == 404
    for site in ("cross-site", "same-site"):
        assert "another site" in face.detail(403, "PUT", "/kv/carts/a", b"x", Sec_Fetch_Site=site)
        assert face("GET", "/kv/carts/a", Sec_Fetch_Site=site).status == 404
    assert face("PUT", "/kv/carts/a", b"x", Sec_Fetch_Site="same-origin").status == 201


def test_both_views_agree(face, proxy, draw):
    """Random steps over either protocol on a few keys, against a model."""
    model, names = {}, ["a", "b b", "c/c", "ä"]
    types = ["text/plain", "application/json", "image/png", None]
    for _ in range(300):
        name, value = draw.choice(names), os.urandom(draw.choice([0, 1, 50, 400]))
        path, key = "/kv/carts/" + urllib.parse.quote(name), "carts:" + name
        step = draw.randrange(7)
        if step == 0:
            kind = draw.choice(types)
            answer = face("PUT", path, value, **({"Content_Type": kind} if kind else {}))
            assert answer.status == (204 if name in model else 201)
            model[name] = (value, kind)
        elif step == 1:
            assert proxy.redis("set", key, value) == "OK"
            model[name] = (value, None)
        elif step == 2:
            assert face("DELETE", path).status == (204 if name in model else 404)
            model.pop(name, None)
        elif step == 3:
            assert proxy.redis("del", key) == (name in model)
            model.pop(name, None)
        elif step == 4:
            before = model.get(name, (b"", None))
            assert proxy.redis("append", key, value) == len(before[0] + value)
            model[name] = (before[0] + value, before[1])
        answer = face("GET", path)
        if name in model:
            assert (answer.status, answer.body) == (200, model[name][0]) and proxy.redis("get", key) == model[name][0]
            assert answer.headers["Content-Type"] == (model[name][1] or "application/octet-stream")
            assert answer.headers["ETag"].strip('"').encode() == proxy.redis("pando.get", key, "meta")[2]
        else:
            assert answer.status == 404 and proxy.redis("get", key) is None


def test_curl_puts_and_gets_a_file(face, tmp_path):
    (tmp_path / "in.json").write_bytes(b'{"a": 1}\n')
    url = f"http://127.0.0.1:{face.port}/kv/carts/file"
    run = lambda *words: subprocess.run(["curl", "-sS", "--fail", "--max-time", "20", *words, url], check=True,
                                        capture_output=True, stdin=subprocess.DEVNULL).stdout
    run("-T", tmp_path / "in.json", "-H", "Content-Type: application/json")
    assert run() == b'{"a": 1}\n'


# --- a Pando of its own each ---

def test_types_and_tags_survive_a_restart(start):
    port, redis, settings = config("lmdb")
    proxy, face, large = start(settings), Face(port), b"z" * 300_000
    tags = [face("PUT", f"/kv/users/{name}", body, Content_Type=kind).headers["ETag"] for name, body, kind in (
        ("a", b"x", "image/png"), ("b", large, "text/csv; charset=utf-8"))]
    with Client(redis) as client:
        client("expire", "users:a", 1000)
    proxy.signal(signal.SIGTERM)
    assert proxy.process.wait(pando.PATIENCE_S) == 0
    proxy.start()
    found = [face("GET", f"/kv/users/{name}") for name in "ab"]
    assert [answer.headers["Content-Type"] for answer in found] == ["image/png", "text/csv; charset=utf-8"]
    assert [answer.headers["ETag"] for answer in found] == tags and found[1].body == large
    assert "Pando-Expires-In" in found[0].headers


def test_full_memory_is_said(start):
    port, _, settings = config("memory", keyspaces={"carts": {"memory": "1MiB", "eviction": "none"}})
    start(settings)
    face = Face(port)
    statuses = [face("PUT", f"/kv/carts/{i}", b"x" * 100_000).status for i in range(12)]
    assert statuses[0] == 201 and statuses[-1] == 507
    assert "used memory" in face.detail(507, "PUT", "/kv/carts/more", b"x" * 500_000)
    assert face("GET", "/kv/carts/0").status == 200 and face("DELETE", "/kv/carts/0").status == 204


def test_values_on_their_way_are_bounded(start):
    port, _, settings = config("memory", workers=1, kv={"held-bytes": "1MiB"})
    proxy, face = start(settings), Face(port)
    head = b"PUT /kv/carts/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), pando.PATIENCE_S) as client:
        client.sendall(head + b"x" * 899_000)
        pando.until(lambda: proxy.metrics()['pando_worker_charged_bytes{worker="0"}'] > 850_000, "it is held", pause_s=0.2)
        refused = face("PUT", "/kv/carts/b", b"y" * 400_000)
        assert (refused.status, refused.headers["Retry-After"]) == (503, "1") and b"kv.held-bytes" in refused.body
        assert face("PUT", "/kv/carts/c", b"y" * 100).status == 201
        client.sendall(b"x" * 1000)
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 201 ")
    assert face("PUT", "/kv/carts/b", b"y" * 400_000).status == 201
    assert face("GET", "/kv/carts/a").body == b"x" * 900_000


def test_a_listener_answers_keys_only_if_it_is_told_to(start, origin):
    port, _, settings = config("memory", services={"shop": {"targets": [origin.address]}})
    proxy = start(settings)
    assert Face(port)("PUT", "/kv/carts/a", b"x").status == 201
    assert Face(port)("GET", "/other").status == 200
    assert Face(proxy.port)("GET", "/kv/carts/a").headers.get("ETag") is None


def test_a_reload_keeps_keys_and_takes_the_word_back(start):
    port, _, settings = config("memory")
    proxy, face = start(settings), Face(port)
    kept = http.client.HTTPConnection("127.0.0.1", port, timeout=pando.PATIENCE_S)
    kept.request("PUT", "/kv/carts/a", b"x")
    assert kept.getresponse().read() == b""
    proxy.write(pando.merged(settings, {"http": {"via": "other"}}))
    assert proxy.reload().returncode == 0
    kept.request("GET", "/kv/carts/a")
    assert kept.getresponse().read() == b"x"
    proxy.write(pando.merged(settings, {"listeners": {"kv": {"keys": False}}}))
    assert proxy.reload().returncode == 0
    assert face("GET", "/kv/carts/a").headers.get("ETag") is None
    kept.close()


def test_a_stop_answers_what_came(start):
    port, _, settings = config("lmdb")
    proxy, statuses = start(settings), []

    def put(i):
        try:
            statuses.append(Face(port)("PUT", f"/kv/carts/{i}", b"x" * 100_000).status)
        except OSError:
            pass

    threads = [threading.Thread(target=put, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    proxy.stop()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {201}


def test_an_admin_listener_has_keys_beside_its_pages(start):
    settings = {"keyspaces": {"default": {"engine": "lmdb"}}, "listeners": {"admin": {"keys": True}}}
    proxy = start(settings)
    face = Face(proxy.admin_port)
    assert face("PUT", "/kv/default/a", b"x").status == 201
    assert face("GET", "/healthz").status == 200 and face("GET", "/").body.startswith(b"<!doctype html>")
    assert "address and localhost" in face.detail(421, "GET", "/kv/default/a", Host="evil.example")
    assert proxy.reload(pando.merged(settings, {"http": {"via": "other"}})).returncode == 0
    assert face("GET", "/kv/default/a").body == b"x"
    with socket.create_connection(("127.0.0.1", proxy.admin_port), pando.PATIENCE_S) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.sendall(b"PUT /kv/default/b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx")
    assert proxy.reload(pando.merged(settings, {"listeners": {"admin": {"keys": False}}})).returncode == 0
    assert face("GET", "/kv/default/a").status == 404 and face("GET", "/healthz").status == 200


def test_alone_it_serves_keys_beside_the_dashboard(tmp_path):
    """Where nothing is said of listeners and services."""
    def admin_of(text):
        (tmp_path / "pando.yaml").write_text(text)
        shown = pando.command("config", "show", tmp_path / "pando.yaml")
        assert shown.returncode == 0, shown.stderr
        return re.search(r"^  admin:\n((?:    .*\n)*)", shown.stdout, re.M)[1]

    assert "keys: true" in admin_of("keyspaces: {default: {}}\n")
    assert "keys: true" not in admin_of("keyspaces: {default: {}}\nservices: {shop: {targets: '127.0.0.1:1'}}\n")


def checked(tmp_path, listeners, **more):
    file = tmp_path / "pando.yaml"
    file.write_text(json.dumps({"listeners": listeners, "data": str(tmp_path), **more}))
    done = pando.command("check", file)
    return done.returncode, done.stderr + done.stdout


def test_check_says_where_keys_may_stand(tmp_path):
    keyspaces = {"default": {"engine": "memory"}}
    status, text = checked(tmp_path, {"kv": {"http": ":8099", "keys": True}}, keyspaces=keyspaces)
    assert status == 2 and "asks for no password and would be open to other machines" in text
    assert checked(tmp_path, {"kv": {"http": ":8099", "keys": True, "open": True}}, keyspaces=keyspaces)[0] == 0
    assert checked(tmp_path, {"kv": {"http": "127.0.0.1:8099", "keys": True}}, keyspaces=keyspaces)[0] == 0
    status, text = checked(tmp_path, {"kv": {"http": "127.0.0.1:8099", "keys": True}})
    assert status == 2 and "has no keyspace to serve" in text
    status, text = checked(tmp_path, {"kv": {"redis": "127.0.0.1:8099", "keys": True}}, keyspaces=keyspaces)
    assert status == 2 and "does not answer /kv/" in text


def test_what_two_readers_could_read_in_two_ways_is_refused(face, proxy):
    assert face("PUT", "/kv/carts/1", b"x").status == 201
    for fields in (["Content-Type: text/html", "Content-Type: application/json"],
                   ["Pando-Expires-In: 60s", "Pando-Expires-In: keep"], ['If-Match: "a"', "If-Match: *"]):
        with socket.create_connection(("127.0.0.1", face.port), pando.PATIENCE_S) as sock:
            sock.sendall("\r\n".join(["PUT /kv/carts/1 HTTP/1.1", "Host: localhost", "Content-Length: 1",
                                       *fields, "", "y"]).encode())
            assert sock.recv(4096).startswith(b"HTTP/1.1 400 "), fields
    assert proxy.redis("get", "carts:1") == b"x"


# --- the users of a listener's file ---

def basic(name, password=None):
    return "Basic " + base64.b64encode(f"{name}:{password or name + chr(39) + 's'}".encode()).decode()


@pytest.mark.parametrize("engine", ENGINES)
def test_users_are_those_of_the_redis_protocol(io, engine, tmp_path):
    """The same names, passwords, keyspaces and access, and the same refusals."""
    path = tmp_path / "users.yaml"
    write_users(path, USERS)
    port, _, settings = config(engine)
    settings["keyspaces"]["catalogue"] = {"engine": engine, "partition": "range"}
    for listener in settings["listeners"].values():
        listener["users-file"] = str(path)
    with pando.running(settings, io):
        face = Face(port)
        assert face("PUT", "/kv/carts/1", b"x", Authorization=basic("shop")).status == 201
        assert face("GET", "/kv/carts/1", Authorization=basic("anna")).body == b"x"
        assert "change nothing" in face.detail(403, "PUT", "/kv/carts/1", b"y", Authorization=basic("anna"))
        assert face("DELETE", "/kv/carts/1", Authorization=basic("anna")).status == 403
        assert face("GET", "/kv/users/1", Authorization=basic("anna")).status == 403
        assert face("GET", "/kv/catalogue/1").status == 404      # whoever says nothing reads the catalogue
        assert face("GET", "/kv/carts/1").status == 403
        for wrong in (basic("anna", "wrong"), basic("nobody"), "Basic !", "Bearer x"):
            refused = face("GET", "/kv/carts/1", Authorization=wrong)
            assert refused.status == 401 and refused.headers["WWW-Authenticate"].startswith("Basic "), wrong
        assert face("GET", "/kv/carts/1", Authorization=basic("shop")).body == b"x"
        assert "private" in face("GET", "/kv/carts/1", Authorization=basic("shop")).headers["Cache-Control"]


def test_a_listener_with_users_need_not_be_local(io, tmp_path):
    path = tmp_path / "users.yaml"
    write_users(path, {"boss": USERS["boss"]})
    port, _, settings = config("memory")
    settings["listeners"]["kv"] = {"http": f"0.0.0.0:{port}", "keys": True, "users-file": str(path)}
    with pando.running(settings, io):
        face = Face(port)
        assert face("GET", "/kv/carts/1").status == 401
        assert face("GET", "/kv/carts/1", Authorization=basic("boss"), Host="shop.example").status == 404
