# SPDX-License-Identifier: Apache-2.0
"""Who may connect to a Redis listener with a users-file, what each may say, and what a changed file does."""
import contextlib
import hashlib
import json
import os
import signal
import subprocess

import pytest

import pando
from redis_front import Client, Closed, Refused, encode, serving

NOAUTH = "NOAUTH Authentication required."
WRONGPASS = "WRONGPASS invalid username-password pair or user is disabled."
NOPERM_KEY = "NOPERM this user has no permissions to access one of the keys used as arguments"
EXECABORT = "EXECABORT Transaction discarded because of previous errors."

KEYSPACES = {"carts": {}, "catalogue": {"partition": "range", "shards": 2, "splits": ["m"]}, "users": {},
             "default": {}}


def sha256(password):
    return hashlib.sha256(password.encode()).hexdigest()


# Who is in the file, as a rule: boss may everything, shop writes to two keyspaces, anna reads one of them and what
# has no keyspace; whoever says nothing reads the catalogue.
USERS = {
    "boss": {"password-sha256": sha256("boss's")},
    "shop": {"password-sha256": sha256("shop's"), "keyspaces": ["carts", "catalogue"]},
    "anna": {"password-sha256": sha256("anna's"), "keyspaces": ["carts", "default"], "access": "read"},
    "default": {"nopass": True, "keyspaces": "catalogue", "access": "read"},
}
STRICT = {name: user for name, user in USERS.items() if name != "default"}


def write_users(path, users):
    path.write_text(json.dumps({"users": users}))    # which is YAML
    path.chmod(0o640)


@contextlib.contextmanager
def serving_users(folder, users, io="epoll", engine="memory", keyspaces=None, **more):
    """A Pando whose listener has these users; `users_path` is their file."""
    path = folder / "users.yaml"
    write_users(path, users)
    with serving(keyspaces or KEYSPACES, io, engine, listeners={"data": {"users-file": str(path)}}, **more) as proxy:
        proxy.users_path = path
        yield proxy


@contextlib.contextmanager
def client_of(proxy, name=None):
    with Client(proxy.redis_port) as client:
        if name is not None:
            assert client("auth", name, f"{name}'s") == "OK"
        yield client


@pytest.fixture(scope="module", params=["memory", "lmdb"])
def store(io, request, tmp_path_factory):
    with serving_users(tmp_path_factory.mktemp("users"), USERS, io, request.param) as proxy:
        yield proxy


@pytest.fixture
def full(store):
    """Three keys in each of carts, catalogue and users, and one of no keyspace."""
    with client_of(store, "boss") as boss:
        assert boss("flushall") == "OK"
        for keyspace in ("carts", "catalogue", "users"):
            for name in ("a", "n", "z"):
                assert boss("set", f"{keyspace}:{name}", keyspace) == "OK"
        assert boss("set", "plain", "x") == "OK"
        yield store


@pytest.fixture(scope="module")
def strict(io, tmp_path_factory):
    """Here everybody has to say a password."""
    with serving_users(tmp_path_factory.mktemp("users"), STRICT, io, redis={"inline": True}) as proxy:
        yield proxy


# --- saying who one is ---


def test_nobody_may_say_nothing_else(strict):
    with Client(strict.redis_port) as client:
        for words in (["get", "carts:a"], ["ping"], ["multi"], ["client", "list"], ["info"], ["acl", "whoami"],
                      ["command"], ["flushall"], ["config", "get", "x"]):
            assert client(*words) == NOAUTH
        assert client("hello", 3).startswith("NOAUTH HELLO must be called with the client already authenticated")
        assert client("nosuch").startswith("ERR unknown command") and client("get").startswith("ERR wrong number")
        for words in (["auth", "anna", "x"], ["auth", "nobody", "anna's"], ["auth", "anna's"], ["auth", "default", ""],
                      ["hello", 3, "auth", "anna", "shop's"], ["auth", "anna", "x" * 5000]):
            assert client(*words) == WRONGPASS
        assert client("auth", "anna", "anna's", "x") == "ERR syntax error"
        assert client("ping") == NOAUTH
        assert client("auth", "anna", "anna's") == "OK"
        assert client("ping") == "PONG" and client("acl", "whoami") == b"anna"
        assert b" user=anna " in client("client", "info") and b" user=anna " in client("client", "list")
        assert client("reset") == "RESET" and client("ping") == NOAUTH
        assert client("hello", 3, "auth", "boss", "boss's", "setname", "me")[b"proto"] == 3
        assert client("client", "getname") == b"me" and client("acl", "whoami") == b"boss"
        assert client("quit") == "OK"


def test_who_says_nothing_is_default_where_that_needs_no_password(full):
    with Client(full.redis_port) as client:
        assert client("acl", "whoami") == b"default"
        assert client("get", "catalogue:a") == b"catalogue"
        assert client("get", "carts:a") == NOPERM_KEY
        assert client("set", "catalogue:a", 1) == "NOPERM this user has no permissions to run the 'set' command"
        assert client("auth", "x").startswith("ERR AUTH <password> called without any password configured")
        assert client("auth", "shop", "shop's") == "OK" and client("get", "carts:a") == b"carts"
        assert client("reset") == "RESET" and client("get", "carts:a") == NOPERM_KEY


def test_redis_cli(full):
    def cli(*words, environment=None):
        return subprocess.run(["redis-cli", "-p", str(full.redis_port), "--no-auth-warning", *words], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
                              env={**os.environ, **(environment or {})}).stdout
    assert cli("--user", "shop", "-a", "shop's", "set", "carts:a", "1") == "OK\n"
    assert cli("--user", "anna", "--pass", "anna's", "get", "carts:a") == "1\n"
    assert cli("--user", "anna", "-a", "anna's", "set", "carts:a", "2").startswith("NOPERM")
    assert cli("-u", f"redis://shop:shop's@127.0.0.1:{full.redis_port}", "get", "carts:a") == "1\n"
    assert cli("get", "catalogue:a") == "catalogue\n"
    assert sorted(cli("--user", "shop", "-a", "shop's", "--scan").split()) == [
        "carts:a", "carts:n", "carts:z", "catalogue:a", "catalogue:n", "catalogue:z"]


def test_redis_py(full):
    redis = pytest.importorskip("redis")
    client = redis.Redis(port=full.redis_port, username="shop", password="shop's")
    assert client.set("carts:a", 1) and client.get("carts:a") == b"1"
    assert client.acl_whoami() == "shop"
    with client.pipeline() as pipeline:
        assert pipeline.incr("carts:a").get("carts:a").execute() == [2, b"2"]
    with pytest.raises(redis.exceptions.NoPermissionError):
        client.get("users:a")
    reader = redis.Redis(port=full.redis_port, username="anna", password="anna's")
    with pytest.raises(redis.exceptions.NoPermissionError):
        reader.delete("carts:a")
    assert reader.get("carts:a") == b"2"
    with pytest.raises(redis.exceptions.ResponseError):
        redis.Redis(port=full.redis_port, username="anna", password="x").ping()


# --- keyspaces ---


def test_a_key_that_is_not_granted_is_refused_whatever_the_command(full):
    with client_of(full, "shop") as shop, client_of(full, "boss") as boss:
        for words in (["get", "users:a"], ["set", "users:a", 1], ["get", "plain"], ["del", "users:a"],
                      ["mget", "carts:a", "users:a"], ["mget", "users:a", "carts:a"], ["mset", "carts:a", 1, "plain", 1],
                      ["del", "carts:a", "catalogue:a", "users:a"], ["exists", "users:a"], ["unlink", "carts:a", "plain"],
                      ["rename", "carts:a", "users:b"], ["copy", "users:a", "carts:q"], ["lpush", "users:l", 1],
                      ["type", "users:a"], ["ttl", "plain"], ["object", "encoding", "users:a"],
                      ["zunionstore", "carts:u", 2, "carts:a", "users:a"], ["sinter", "users:a"],
                      ["sort", "carts:a", "store", "users:s"], ["watch", "carts:a", "users:a"],
                      ["pando.range", "-", "+"], ["eval", "x", 0]):
            answer = shop(*words)
            assert isinstance(answer, Refused), words
            assert answer == NOPERM_KEY or words[0] == "eval", (words, answer)
        assert boss("mget", "carts:a", "catalogue:a", "users:a", "plain") == [b"carts", b"catalogue", b"users", b"x"]
        assert shop("mget", "carts:a", "catalogue:z", "carts:q") == [b"carts", b"catalogue", None]
        assert shop("mset", "carts:a", 1, "catalogue:a", 2) == "OK" and shop("del", "carts:a", "catalogue:a") == 2
        assert shop("pando.range", "catalogue:", "catalogue:~") == [b"catalogue:n", b"catalogue:z"]
        assert shop("get", "nosuch:a") == NOPERM_KEY     # it would be of `default`


def keys_of(client):
    cursor, keys = b"0", []
    while True:
        cursor, some = client("scan", cursor, "count", 1)
        keys += some
        if cursor == b"0":
            return sorted(set(keys))


def test_walks_leave_out_what_is_not_granted(full):
    granted = {"boss": ["carts", "catalogue", "users"], "shop": ["carts", "catalogue"], "anna": ["carts"],
               None: ["catalogue"]}
    for name, keyspaces in granted.items():
        keys = sorted(f"{keyspace}:{key}".encode() for keyspace in keyspaces for key in "anz")
        if name in ("boss", "anna"):
            keys = sorted([*keys, b"plain"])
        with client_of(full, name) as client:
            assert sorted(client("keys", "*")) == keys and keys_of(client) == keys
            assert client("dbsize") == len(keys)
            assert {client("randomkey") for _ in range(20)} <= set(keys)
    with client_of(full, "anna") as anna, client_of(full, "shop") as shop, client_of(full, "boss") as boss:
        assert anna("flushall") == "NOPERM this user has no permissions to run the 'flushall' command"
        assert shop("flushall") == "OK"
        assert sorted(boss("keys", "*")) == [b"plain", b"users:a", b"users:n", b"users:z"]
        assert shop("dbsize") == 0 and shop("randomkey") is None and keys_of(shop) == []


def test_a_cursor_of_another_user_shows_nothing(full):
    with client_of(full, "boss") as boss, Client(full.redis_port) as client:
        cursor, seen = b"0", set()
        while True:
            cursor, some = boss("scan", cursor, "count", 1)
            if cursor == b"0":
                break
            seen |= set(client("scan", cursor, "count", 100)[1])
        assert seen <= {b"catalogue:a", b"catalogue:n", b"catalogue:z"}


def test_transactions(full):
    with client_of(full, "shop") as shop, client_of(full, "boss") as boss:
        assert shop("multi") == "OK" and shop("set", "carts:a", 1) == shop("get", "users:a") == "QUEUED"
        assert shop("exec") == NOPERM_KEY
        assert boss("get", "carts:a") == b"carts"
        assert shop("multi") == "OK" and shop("get", "users:a") == "QUEUED" and shop("exec") == NOPERM_KEY
        assert shop("watch", "users:a") == NOPERM_KEY
        assert shop("watch", "carts:a") == "OK" and boss("set", "carts:a", 2) == "OK"
        assert shop("multi") == "OK" and shop("get", "carts:a") == "QUEUED" and shop("exec") is None
        for _ in range(2):    # what names no key is about a keyspace that is granted
            assert shop("multi") == "OK" and shop("acl", "whoami") == "QUEUED" and shop("dbsize") == "QUEUED"
            assert shop("exec") == [b"shop", 3]


def test_a_transaction_that_changes_keys_is_not_for_readers(full):
    with client_of(full, "anna") as anna:
        assert anna("multi") == "OK" and anna("get", "carts:a") == "QUEUED"
        assert anna("incr", "carts:a") == "NOPERM this user has no permissions to run the 'incr' command"
        assert anna("exec") == EXECABORT
        assert anna("multi") == "OK" and anna("get", "carts:a") == "QUEUED" and anna("exec") == [b"carts"]


def test_acl_shows_no_digests_and_only_to_who_may_everything(full):
    with client_of(full, "boss") as boss, client_of(full, "shop") as shop:
        assert boss("acl", "users") == [b"anna", b"boss", b"default", b"shop"]
        assert boss("acl", "list") == [
            b"user anna on #(not shown) ~carts:* ~(default) &* +@all -@write",
            b"user boss on #(not shown) ~* &* +@all",
            b"user default on nopass ~catalogue:* &* +@all -@write",
            b"user shop on #(not shown) ~carts:* ~catalogue:* &* +@all",
        ]
        for words in (["list"], ["users"], ["getuser", "anna"]):
            assert shop("acl", *words) == f"NOPERM this user has no permissions to run the 'acl|{words[0]}' command"
        assert shop("client", "kill", "user", "boss") == 0
        assert boss("acl", "setuser", "eve", "on", "nopass").startswith("ERR users are those of the listener's")
        assert boss("hello", 3) and boss("acl", "getuser", "anna")[b"commands"] == b"+@all -@write"


# --- before one has said it ---


def test_long_commands_wait_for_the_password(strict):
    longest = "x" * (16 * 1024)
    with Client(strict.redis_port) as client:
        assert client("auth", "anna", longest) == WRONGPASS
        assert client(*(["auth"] + [longest] * 15)) == "ERR syntax error"
        client.send(encode("auth", "boss", "boss's") + encode("set", "carts:a", longest + "x") +
                    encode("mget", *["carts:a"] * 30))
        assert client.read() == "OK" and client.read() == "OK" and client.read() == [longest.encode() + b"x"] * 30


@pytest.mark.parametrize("sent, error", [
    (b"*17\r\n", "ERR Protocol error: unauthenticated multibulk length"),
    (b"*2147483647\r\n", "ERR Protocol error: unauthenticated multibulk length"),
    (b"*2\r\n$4\r\nauth\r\n$16385\r\n", "ERR Protocol error: unauthenticated bulk length"),
    (b"*2\r\n$536870912\r\n", "ERR Protocol error: unauthenticated bulk length"),
    (b"auth" + b" x" * 17 + b"\r\n", "ERR Protocol error"),
    (b"auth " + b"x" * 17000, "ERR Protocol error"),
])
def test_what_is_too_long_before_the_password_ends_the_connection(strict, sent, error):
    with Client(strict.redis_port) as client:
        client.send(sent)
        assert client.read().startswith(error)
        assert client.is_closed()


def test_more_than_1_kib_of_answers_before_the_password_ends_the_connection(strict):
    with Client(strict.redis_port) as client:
        few = 1024 // len(f"-{NOAUTH}\r\n")
        assert client.pipeline([["ping"]] * few) == [NOAUTH] * few
        assert client.pipeline([["ping"]] * few) == [NOAUTH] * few    # those before were taken
        client.send(encode("ping") * 10000)
        answers = []
        with pytest.raises((Closed, ConnectionResetError)):
            while True:
                answers.append(client.read())
        assert answers[:-1] == [NOAUTH] * (few + 1)
        assert answers[-1] == "ERR more than 1 KiB of answers wait for a client that has not said who it is"


def test_the_slow_log_shows_no_password_and_only_to_whom_may_everything(tmp_path, io):
    with serving_users(tmp_path, USERS, io, redis={"slowlog-slower-than": "0ms"}) as proxy, \
            client_of(proxy, "boss") as boss, client_of(proxy, "shop") as shop:
        assert boss("slowlog", "reset") == "OK"
        assert shop("auth", "anna", "anna's") == "OK" and shop("hello", 2, "auth", "shop", "shop's")
        assert shop("set", "carts:a", "secret" * 5000) == "OK"     # gathered, and let go of before it is noted
        entries = boss("slowlog", "get")
        assert [b"auth", b"(redacted)"] in [entry[3] for entry in entries]
        assert [b"hello", b"(redacted)"] in [entry[3] for entry in entries]
        assert not any(b"'s" in word for entry in entries for word in entry[3])
        for words in (("slowlog", "get"), ("slowlog", "reset")):
            assert shop(*words) == f"NOPERM this user has no permissions to run the 'slowlog|{words[1]}' command"


# --- the file changes ---


def test_a_password_is_changed_without_a_gap(tmp_path, io):
    both = {"anna": {"password-sha256": [sha256("old"), sha256("new")]}}
    with serving_users(tmp_path, {"anna": {"password-sha256": sha256("old")}}, io) as proxy, \
            Client(proxy.redis_port) as early, Client(proxy.redis_port) as late:
        assert early("auth", "anna", "old") == "OK" and early("set", "carts:a", 1) == "OK"
        assert late("auth", "anna", "new") == WRONGPASS
        write_users(proxy.users_path, both)
        done = proxy.reload()
        assert done.returncode == 0 and f"users-file: {proxy.users_path} has changed and was read anew" in done.stdout
        assert early("get", "carts:a") == b"1" and late("auth", "anna", "new") == "OK"
        write_users(proxy.users_path, {"anna": {"password-sha256": sha256("new")}})
        assert proxy.reload().returncode == 0
        assert early("get", "carts:a") == NOAUTH and late("get", "carts:a") == b"1"
        assert early("auth", "anna", "old") == WRONGPASS and early("auth", "anna", "new") == "OK"
        assert "nothing has changed" in proxy.reload().stdout and early("get", "carts:a") == b"1"


def test_a_user_who_is_gone_is_nobody(tmp_path, io):
    with serving_users(tmp_path, USERS, io, workers=1) as proxy, client_of(proxy, "shop") as shop, \
            client_of(proxy, "boss") as boss, Client(proxy.redis_port) as nameless:
        assert shop("watch", "carts:a") == "OK" and shop("multi") == "OK" and shop("set", "carts:a", 1) == "QUEUED"
        write_users(proxy.users_path, {"boss": USERS["boss"]})
        proxy.signal(signal.SIGHUP)
        pando.until(lambda: nameless("ping") == NOAUTH, "the reload")
        assert shop("exec") == NOAUTH and shop("set", "carts:a", 1) == NOAUTH
        assert boss("get", "carts:a") is None and boss("acl", "users") == [b"boss"]
        assert b"user=(nobody)" in boss("client", "list")


def test_a_user_who_is_gone_hears_no_channel(tmp_path, io):
    with serving_users(tmp_path, USERS, io) as proxy, client_of(proxy, "shop") as shop, client_of(proxy, "boss") as boss:
        assert shop("hello", "3")[b"proto"] == 3 and shop("subscribe", "news") == ("subscribe".encode(), b"news", 1)
        assert boss("publish", "news", "before") == 1 and shop.read() == (b"message", b"news", b"before")
        write_users(proxy.users_path, {"boss": USERS["boss"]})
        assert proxy.reload().returncode == 0
        assert boss("publish", "news", "after") == 0
        assert shop("ping") == NOAUTH


def test_grants_change_for_whom_is_there(tmp_path, io):
    with serving_users(tmp_path, USERS, io) as proxy, client_of(proxy, "shop") as shop, \
            client_of(proxy, "anna") as anna:
        assert shop("set", "carts:a", 1) == "OK" and shop("multi") == "OK" and shop("incr", "carts:a") == "QUEUED"
        write_users(proxy.users_path, {**USERS, "shop": {**USERS["shop"], "access": "read", "keyspaces": "users"},
                                       "anna": {**USERS["anna"], "access": "write"}})
        assert proxy.reload().returncode == 0
        assert shop("exec") == EXECABORT and shop("get", "carts:a") == NOPERM_KEY and shop("get", "users:a") is None
        assert anna("incr", "carts:a") == 2


def test_a_file_with_mistakes_changes_nothing(tmp_path, io):
    with serving_users(tmp_path, STRICT, io) as proxy, client_of(proxy, "anna") as anna:
        write_users(proxy.users_path, {"boss": {**USERS["boss"], "keyspaces": ["cart"]}})
        done = proxy.reload()
        assert done.returncode != 0
        assert "there is no keyspace `cart`" in done.stderr
        assert f"{proxy.users_path}:1:" in done.stderr
        proxy.users_path.chmod(0o644)
        assert "everybody may read or change it" in proxy.reload().stderr
        assert anna("get", "carts:a") is None and anna("acl", "whoami") == b"anna"
        with client_of(proxy, "shop") as shop:
            assert shop("set", "carts:a", 1) == "OK"
        write_users(proxy.users_path, STRICT)    # or it could not be restarted


def test_a_listener_gets_users_and_loses_them(tmp_path, io):
    with serving_users(tmp_path, STRICT, io) as proxy:
        listener = {"redis": f"127.0.0.1:{proxy.redis_port}"}
        keyspaces = {name: {"engine": "memory", **keyspace} for name, keyspace in KEYSPACES.items()}
        def reload(**more):
            done = proxy.reload({"keyspaces": keyspaces, "listeners": {"data": {**listener, **more}}})
            assert done.returncode == 0, done.stdout
        with Client(proxy.redis_port) as client:
            assert client("get", "carts:a") == NOAUTH
            reload()
            assert client("get", "carts:a") is None and client("acl", "whoami") == b"default"
            reload(**{"users-file": str(proxy.users_path)})
            assert client("get", "carts:a") == NOAUTH and client("auth", "anna", "anna's") == "OK"


# --- the commands ---


def check(folder, text):
    (folder / "pando.yaml").write_text(text)
    return pando.command("check", "pando.yaml", folder=folder)


def test_with_users_a_listener_may_stand_before_other_machines(tmp_path):
    listening = 'listeners: {data: {redis: "0.0.0.0:1%s"}}\nkeyspaces: {carts: {engine: memory}}\n'
    write_users(tmp_path / "users.yaml", {"anna": {"password-sha256": sha256("x")}})
    assert "asks for no password and would be open to other machines" in check(tmp_path, listening % "").stderr
    assert check(tmp_path, listening % '", users-file: "users.yaml').returncode == 0
    write_users(tmp_path / "users.yaml", {"anna": {"nopass": True}})
    done = check(tmp_path, listening % '", users-file: "users.yaml')
    assert done.returncode == 2 and "a user with `nopass: true` would be open to other machines" in done.stderr


def test_the_row_that_is_printed_is_taken(tmp_path):
    drawn = pando.command("password", "anna")
    password = drawn.stderr.split(": ")[1].strip()
    assert drawn.returncode == 0 and len(password) == 32 and password not in drawn.stdout
    assert drawn.stdout == f'  anna: {{password-sha256: "{sha256(password)}"}}\n'
    (tmp_path / "users.yaml").write_text("users:\n" + drawn.stdout)
    (tmp_path / "users.yaml").chmod(0o600)
    done = check(tmp_path, 'listeners: {data: {redis: "127.0.0.1:1", users-file: users.yaml}}\n'
                           'keyspaces: {carts: {engine: memory}}\n')
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("said, digest", [("a long enough one\n", sha256("a long enough one")), ("x", sha256("x")),
                                          ("with spaces  \r\n", sha256("with spaces  \r"))])
def test_a_password_is_read_as_it_is_typed(said, digest):
    done = subprocess.run([pando.PROGRAM, "password", "--stdin"], input=said.encode(), capture_output=True, timeout=60,
                          check=False)
    assert done.stdout.decode() == f'password-sha256: "{digest}"\n'
    assert (b"warning: a short password" in done.stderr) == (len(said) < 16)


@pytest.mark.parametrize("said", [b"", b"\n", b"x" * 4097 + b"\n"])
def test_what_is_no_password_is_refused(said):
    done = subprocess.run([pando.PROGRAM, "password", "--stdin"], input=said, capture_output=True, timeout=60,
                          check=False)
    assert done.returncode == 1 and done.stdout == b"" and done.stderr.startswith(b"error: ")
