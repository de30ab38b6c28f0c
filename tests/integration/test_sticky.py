# SPDX-License-Identifier: Apache-2.0
"""test_sticky.py - a client that comes back gets the target it had, by a sealed cookie, and nothing is kept for it."""
import contextlib
import os
import secrets

import pytest

import origins
import pando
from pando import until


@pytest.fixture
def trio():
    """Three origins that say who they are, and keep what they were sent."""
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(origins.Origin()) for _ in range(3)]
        for index, server in enumerate(made):
            server.default = lambda exchange, index=index: exchange.answer(200, [("Server", f"s{index}")], b"ok")
        yield made


def write_keys(path, *keys, mode=0o600):
    path.write_text("# keys of the test\n" + "".join(f"{key}\n" for key in keys))
    os.chmod(path, mode)
    return str(path)


@pytest.fixture
def keys(tmp_path):
    return write_keys(tmp_path / "sticky.key", secrets.token_hex(32))


def config_of(servers, key_file, **more):
    return pando.merged({"services": {"shop": {"balance": "round-robin", "sticky": {"key-file": key_file},
                                               "targets": [server.address for server in servers]}}, "workers": 2}, more)


def visit(proxy, cookie=None, *others, path="/", fields=()):
    """One request over a new connection: who answered, and the cookie that was set, if any."""
    cookies = [f"pando-target={cookie}"] if cookie else []
    fields = [*fields, *([("Cookie", "; ".join([*others, *cookies]))] if cookies or others else [])]
    answer = proxy.ask(path, fields=fields)
    assert answer.status == 200
    set_cookie = answer.get("Set-Cookie")
    return answer.get("Server"), set_cookie


def value_of(set_cookie):
    return set_cookie.split(";")[0].split("=", 1)[1]


def index_of(server):
    return int(server[1:])


def test_a_client_keeps_its_target(start, trio, keys):
    proxy = start(config_of(trio, keys))
    seen = set()
    for _ in range(6):
        server, set_cookie = visit(proxy)
        seen.add(server)
        assert "HttpOnly" in set_cookie and "SameSite=Lax" in set_cookie and "Secure" not in set_cookie
        assert "Max-Age=86400" in set_cookie and "Path=/" in set_cookie
        for _ in range(6):
            assert visit(proxy, value_of(set_cookie)) == (server, None)
    assert len(seen) == 3
    assert proxy.metric("pando_sticky_set_total") == 6 and proxy.metric("pando_sticky_ignored_total") == 0


def test_another_node_knows_the_client(start, trio, keys):
    one, other = start(config_of(trio, keys)), start(config_of(trio[::-1], keys, workers=1))
    for _ in range(3):
        server, set_cookie = visit(one)
        for _ in range(3):
            assert visit(other, value_of(set_cookie)) == (server, None)


def test_targets_do_not_see_the_cookie(start, trio, keys):
    proxy = start(config_of(trio, keys))
    _, set_cookie = visit(proxy)
    value = value_of(set_cookie)
    visit(proxy, value, path="/alone")
    visit(proxy, value, "a=1", "b=2", path="/behind")
    proxy.ask("/between", fields=[("Cookie", f"a=1; pando-target={value}; b=2")])
    sent = {path: [server.seen(path)[0].get("Cookie") for server in trio if server.seen(path)]
            for path in ("/alone", "/behind", "/between")}
    assert sent == {"/alone": [None], "/behind": ["a=1; b=2"], "/between": ["a=1; b=2"]}


@pytest.mark.parametrize("forge", [
    lambda value: value[:-1] + ("A" if value[-1] != "A" else "B"),
    lambda value: value[::-1],
    lambda value: "",
    lambda value: "s1",
    lambda value: value + value,
    lambda value: "%00" * 30,
])
def test_a_forged_cookie_is_ignored(start, trio, keys, forge):
    proxy = start(config_of(trio, keys))
    _, set_cookie = visit(proxy)
    servers = []
    for _ in range(3):
        server, again = visit(proxy, forge(value_of(set_cookie)), "x=y")
        assert again is not None
        servers.append(server)
    assert len(set(servers)) > 1


def test_a_cookie_of_another_service_is_ignored(start, trio, keys):
    proxy = start({"services": {
        "a": {"match": {"path": "/a"}, "balance": "round-robin", "targets": [trio[0].address, trio[1].address],
              "sticky": {"key-file": keys}},
        "b": {"match": {"path": "/b"}, "balance": "round-robin", "targets": [trio[0].address, trio[1].address],
              "sticky": {"key-file": keys}}}})
    _, set_cookie = visit(proxy, path="/a")
    assert visit(proxy, value_of(set_cookie), path="/a")[1] is None
    assert visit(proxy, value_of(set_cookie), path="/b")[1] is not None


def test_a_cookie_past_half_of_its_time_is_renewed(start, trio, keys):
    """The clock does not move in a test: the cookie is sealed to expire in an hour, for a node that takes an hour for
    less than half of its time. That it ends is shown in src/session/sticky_test.c, which moves the clock."""
    proxy = start(config_of(trio, keys, services={"shop": {"sticky": {"for": "1h"}}}))
    server, set_cookie = visit(proxy)
    longer = start(config_of(trio, keys, services={"shop": {"sticky": {"for": "3h"}}}))
    again, renewed = visit(longer, value_of(set_cookie))
    assert again == server and "Max-Age=10800" in renewed


def test_https_makes_it_secure(start, trio, keys):
    proxy = start(config_of(trio, keys, listeners={"web": {"trust": ["127.0.0.0/8"]}}))
    assert "; Secure" in visit(proxy, fields=[("X-Forwarded-Proto", "https")])[1]
    assert "; Secure" not in visit(proxy, fields=[("X-Forwarded-Proto", "http")])[1]
    always = start(config_of(trio, keys, services={"shop": {"sticky": {"secure": "always", "cookie": "where"}}}))
    assert "; Secure" in visit(always)[1] and visit(always)[1].startswith("where=")


def test_if_the_target_is_dead_another_is_chosen(start, trio, keys):
    proxy = start(config_of(trio, keys, breaker={"pause-first": "100ms", "pause-most": "200ms"}))
    server, set_cookie = visit(proxy)
    trio[index_of(server)].stop()
    other, again = visit(proxy, value_of(set_cookie))
    assert other != server and again is not None
    for _ in range(5):
        assert visit(proxy, value_of(again)) == (other, None)


def test_if_the_target_left_the_file_another_is_chosen(start, trio, keys):
    proxy = start(config_of(trio, keys))
    server, set_cookie = visit(proxy)
    left = [one for index, one in enumerate(trio) if index != index_of(server)]
    assert proxy.reload(config_of(left, keys)).returncode == 0
    other, again = visit(proxy, value_of(set_cookie))
    assert other != server and again is not None


def test_a_target_that_drains_keeps_its_clients_and_gets_no_new_ones(start, trio, keys):
    proxy = start(config_of(trio, keys))
    server, set_cookie = visit(proxy)
    address = trio[index_of(server)].address
    assert proxy.command("drain", f"shop/{address}").returncode == 0
    for _ in range(6):
        assert visit(proxy, value_of(set_cookie)) == (server, None)
        assert visit(proxy)[0] != server
    # If it dies while it drains, its clients go elsewhere too.
    trio[index_of(server)].stop()
    other, again = visit(proxy, value_of(set_cookie))
    assert other != server and again is not None


def test_keys_are_changed_without_losing_anybody(start, trio, tmp_path):
    old, new = secrets.token_hex(32), secrets.token_hex(32)
    file = tmp_path / "sticky.key"
    proxy = start(config_of(trio, write_keys(file, old)))
    server, set_cookie = visit(proxy)
    write_keys(file, new, old)
    assert proxy.reload().returncode == 0
    again, renewed = visit(proxy, value_of(set_cookie))
    assert again == server and renewed is not None
    write_keys(file, new)
    assert proxy.reload().returncode == 0
    assert visit(proxy, value_of(renewed)) == (server, None)
    assert visit(proxy, value_of(set_cookie))[1] is not None


@pytest.mark.parametrize("content, mode, message", [
    (secrets.token_hex(32), 0o644, "everybody may read or change it"),
    (secrets.token_hex(16), 0o600, "line 1 is not a key of 64 hexadecimal digits"),
    ("", 0o600, "it holds no key"),
], ids=["open", "short", "empty"])
def test_a_key_file_that_will_not_do_is_refused(tmp_path, content, mode, message):
    file, config = tmp_path / "k", tmp_path / "p.yaml"
    file.write_text(content + "\n")
    os.chmod(file, mode)
    config.write_text(f'services: {{shop: {{targets: "a:1", sticky: {{key-file: {file}}}}}}}\n')
    done = pando.command("check", config)
    assert done.returncode == 2 and message in done.stdout + done.stderr


def test_a_cookie_without_keys_is_refused(tmp_path):
    config = tmp_path / "p.yaml"
    config.write_text('services: {shop: {targets: "a:1", sticky: {cookie: where}}}\n')
    done = pando.command("check", config)
    assert done.returncode == 2 and "openssl rand -hex 32" in done.stdout + done.stderr


def test_a_reload_with_a_bad_key_file_changes_nothing(start, trio, keys):
    proxy = start(config_of(trio, keys))
    server, set_cookie = visit(proxy)
    os.chmod(keys, 0o644)
    assert proxy.reload().returncode != 0
    assert visit(proxy, value_of(set_cookie)) == (server, None)
    until(lambda: proxy.ask("/").status == 200, "it to serve on")
