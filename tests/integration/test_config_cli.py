# SPDX-License-Identifier: Apache-2.0
"""integration/test_config_cli.py - the configuration as its user meets it: mistakes, presets, precedence, reloads.

What the commands print otherwise is in test_commands.py.
"""
import itertools
import json
import re
import signal
import socket

import pytest

from pando import command, until


@pytest.fixture
def folder(tmp_path):
    """An empty folder to be in, and an environment in which no file of this machine is found."""
    return {"folder": tmp_path, "environment": {"HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": "",
                                                "XDG_RUNTIME_DIR": "", "NO_COLOR": "1"}}


def written(folder, name, text):
    path = folder["folder"] / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return name


class Mistake:
    """One error as `check` prints it; asserts that its parts fit together."""

    def __init__(self, text, files):
        lines = text.split("\n")
        assert lines[0].startswith("error: "), text
        self.message = lines[0][7:]
        place = re.fullmatch(r" *--> (.+):(\d+):(\d+)", lines[1])
        assert place, text
        self.file, self.line, self.column = place.group(1), int(place.group(2)), int(place.group(3))
        excerpt = re.fullmatch(rf" *{self.line} \| (.*)", lines[2]).group(1)
        source = files[self.file].split("\n")[self.line - 1].replace("\t", " ")    # or the carets would be off
        assert excerpt == source, (excerpt, source)
        carets = re.fullmatch(r" *\| ( *)(\^+) ?(.*)", lines[3])
        assert len(carets.group(1)) == self.column - 1, text
        self.marked = source[self.column - 1:self.column - 1 + len(carets.group(2))]
        self.hint = carets.group(3)


def mistakes_of(done, **files):
    """The errors of a command that ended with 2; files: {name without its ending: text}."""
    assert done.returncode == 2 and done.stdout == "", done
    texts = {f"{name}.yaml": text for name, text in files.items()}
    *errors, count = done.stderr.rstrip("\n").split("\n\n")
    assert count == f"{len(errors)} mistake{'' if len(errors) == 1 else 's'}"
    return [Mistake(text, texts) for text in errors]


# --- mistakes ---

FIVE = """\
listeners:
  web: {http: "127.0.0.1:99999"}
services:
  shop:
    targets: ["localhost:3000"]
    balnce: least-connections
    upstream:
      connect-timeout: 5
http:
  header-bytes: 32 kilobytes
log:
  format: xml
"""


def test_five_mistakes_are_told_at_once_with_place_excerpt_and_what_to_do(folder):
    written(folder, "five.yaml", FIVE)
    found = mistakes_of(command("check", "five.yaml", **folder), five=FIVE)
    assert [(one.line, one.column, one.marked) for one in found] == [
        (2, 15, '"127.0.0.1:99999"'), (6, 5, "balnce"), (8, 24, "5"), (10, 17, "32 kilobytes"), (12, 11, "xml")]
    assert "did you mean `balance`?" in found[1].hint and "services.shop" in found[1].message
    assert "5s" in found[2].hint and "64KiB" in found[3].hint
    assert "json, common or combined" in found[4].hint
    assert len(re.findall(r"^ +=? ?= the manual: ", command("check", "five.yaml", **folder).stderr, re.M)) == 5


@pytest.mark.parametrize("text, marked, words", [
    ("servces: {}", "servces", "did you mean `services`?"),
    ("http: 5", "5", ""),
    ("http: {idle-timeout: 1m, idle-timeout: 2m}", "idle-timeout", ""),
    ("http: {idle-timeout: 2 weeks}", "2 weeks", "duration"),
    ("http: {idle-timeout: 48h}", "48h", ""),
    ("http: {pipeline-depth: 0}", "0", "from 1 to 1024"),
    ("http: {pipeline-depth: many}", "many", "whole number"),
    ("http: {forwarded: maybe}", "maybe", "true"),
    ("http: {via: 'two words'}", "'two words'", ""),
    ("services: {shop: {balance: two-choices}}", "shop", "targets"),
    ("services: {'a b': {targets: ['a:1']}}", "'a b'", ""),
    ("services: {shop: {targets: []}}", "[]", ""),
    ("services: {shop: {targets: ['a:1', 'a:1']}}", "'a:1'", ""),
    ("services: {shop: {targets: ['nohost']}}", "'nohost'", "port"),
    ("services: {shop: {targets: [{address: 'a:1', weight: 0}]}}", "0", "from 1 to 256"),
    ("services: {shop: {targets: ['a:1'], match: {path: x}}}", "x", ""),
    ("services: {a: {targets: ['a:1']}, b: {targets: ['a:1']}}", None, ""),
    ("listeners: {a: {admin: '0.0.0.0:80'}}", "'0.0.0.0:80'", "open: true"),
    ("listeners: {a: {http: ':80', admin: ':81'}}", None, ""),
    ("listeners: {a: {}}", None, "http"),
    ("listeners: {a: {http: ':80'}, b: {http: '127.0.0.1:80'}}", "'127.0.0.1:80'", ""),
    ("listeners: {a: {http: ':80', trust: ['10.0.0.0/33']}}", "'10.0.0.0/33'", ""),
    ("listeners: {a: {redis: '127.0.0.1:80'}}", "redis", ""),
    ("include: [none.yaml]", "none.yaml", ""),
    ("http: {idle-timeout: 1m", None, ""),
    ("\thttp: {}", None, ""),
    ("http: *anchor", None, ""),
    ("- a\n- b", None, ""),
])
def test_a_mistake_is_found_where_it_stands(folder, text, marked, words):
    written(folder, "bad.yaml", text + "\n")
    found = mistakes_of(command("check", "bad.yaml", **folder), bad=text + "\n")
    assert len(found) == 1
    if marked is not None:
        assert found[0].marked == marked, vars(found[0])
    assert words in found[0].hint + found[0].message, vars(found[0])


def test_mistakes_are_told_up_to_a_limit_and_counted(folder):
    written(folder, "bad.yaml", "http:\n" + "".join(f"  nonsense-{i}: 1\n" for i in range(100)))
    done = command("check", "bad.yaml", **folder)
    assert done.returncode == 2 and done.stderr.count("error: ") == 20 and "100 mistakes" in done.stderr


def test_mistakes_in_flags_name_the_flag(folder):
    done = command("check", "--to", "a:1,b", "--workers", "x", "--io", "foo", "--set", "http.idle-timout=3s", **folder)
    assert done.returncode == 2
    for flag in ("--to", "--workers", "--io", "--set"):
        assert f"--> {flag}\n" in done.stderr
    assert "did you mean `idle-timeout`?" in done.stderr


def test_files_of_any_bytes_are_refused_not_crashed_on(folder, draw):
    for i in range(30):
        size = draw.choice([0, 1, 10, 1000])
        (folder["folder"] / "any.yaml").write_bytes(draw.randbytes(size))
        done = command("check", "any.yaml", **folder)
        assert done.returncode in (0, 2), (done, i)
    (folder["folder"] / "deep.yaml").write_text("[" * 100_000)
    assert command("check", "deep.yaml", **folder).returncode == 2


# --- presets, files, flags ---

def test_what_init_writes_passes_check_with_every_setting_taken_out_of_its_comment(folder):
    text = command("init", "--to", "127.0.0.1:3000", **folder).stdout
    every = re.sub(r"(?m)^( *)#([a-z-]+:)", r"\1\2", text)
    assert every != text
    written(folder, "init.yaml", text)
    written(folder, "every.yaml", every)
    assert command("check", "init.yaml", **folder).returncode == 0
    assert command("check", "every.yaml", **folder).returncode == 0, command("check", "every.yaml", **folder).stderr
    assert command("config", "show", "init.yaml", **folder).stdout == \
        command("config", "show", "every.yaml", **folder).stdout


def test_included_files_are_joined_and_contradictions_refused(folder):
    main = "include: [services.yaml, more/limits.yaml]\nhttp: {pipeline-depth: 3}\n"
    limits = "http: {idle-timeout: 7s}\n"
    written(folder, "main.yaml", main)
    written(folder, "services.yaml", "services: {shop: {targets: ['127.0.0.1:1']}}\n")
    written(folder, "more/limits.yaml", limits)
    shown = command("config", "show", "main.yaml", **folder).stdout
    assert re.search(r"(?m)^  idle-timeout: 7s$", shown) and re.search(r"(?m)^  pipeline-depth: 3$", shown)
    written(folder, "services.yaml", "http: {idle-timeout: 8s}\n")
    done = command("check", "main.yaml", **folder)
    assert done.returncode == 2 and "more/limits.yaml:1:8" in done.stderr and "services.yaml:1:8" in done.stderr
    written(folder, "services.yaml", "include: [main.yaml]\n")
    assert command("check", "main.yaml", **folder).returncode == 2


def test_flags_win_over_the_file_and_set_over_both(folder):
    written(folder, "pando.yaml", "workers: 1\nservices: {shop: {targets: ['127.0.0.1:1']}}\n")

    def workers(*flags):
        done = command("check", "pando.yaml", *flags, "--set", "http.via=x", **folder)
        assert done.returncode == 0, done.stderr
        shown = command("config", "show", "pando.yaml", *flags, **folder)
        return re.search(r"(?m)^workers: (\d+)", shown.stdout).group(1)
    assert workers() == "1"
    assert workers("--set", "workers=3") == "3"


def test_flags_reach_the_running_server(start, origin):
    proxy = start({"services": {"shop": {"targets": [origin.address]}}},
                  flags=["--workers", "1", "--set", "services.shop.http.via=flagged", "--set", "http.pipeline-depth=1"])
    proxy.ask("/a")
    assert origin.seen("/a")[0].get("Via") == "1.1 flagged"
    assert "1 worker" in proxy.stderr


# --- the schema ---

def fits(schema, value, root=None):
    """A small part of JSON Schema: what ours uses."""
    root = root or schema
    if "$ref" in schema:
        schema = json.loads(json.dumps(walk(root, schema["$ref"])))
    for one in schema.get("allOf", []):
        if not fits(one, value, root):
            return False
    for key in ("anyOf", "oneOf"):
        if key in schema and not any(fits(one, value, root) for one in schema[key]):
            return False
    kinds = schema.get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(is_kind(value, kind) for kind in kinds):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        return False
    if is_kind(value, "number") and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return False
    if isinstance(value, list):
        return len(value) >= schema.get("minItems", 0) and \
            all(fits(schema.get("items", {}), one, root) for one in value)
    if isinstance(value, dict):
        return fits_object(schema, value, root)
    return True


def fits_object(schema, value, root):
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    if any(name not in value for name in schema.get("required", [])):
        return False
    for name, one in value.items():
        rule = known.get(name, others)
        if rule is False or (isinstance(rule, dict) and not fits(rule, one, root)):
            return False
    return True


def walk(root, reference):
    for part in reference.lstrip("#/").split("/"):
        root = root[part]
    return root


def is_kind(value, kind):
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
                              "integer": int, "number": (int, float)}[kind])


GOOD = {
    "listeners": {"web": {"http": ":8080", "trust": ["10.0.0.0/8"]}, "admin": {"admin": "127.0.0.1:9780"}},
    "workers": 2, "io": "epoll", "control": "/tmp/c.sock",
    "services": {"shop": {
        "match": [{"host": "a.example"}, {"path": "/x"}], "balance": "round-robin",
        "targets": ["127.0.0.1:1", {"address": "127.0.0.1:2", "weight": 5, "zone": "a/b"}],
        "http": {"body-bytes": "none"},
        "upstream": {"connect-timeout": "250ms"}, "breaker": {"tries": 2}, "limits": {"requests-in-flight": 7}}},
    "http": {"header-bytes": "64KiB", "idle-timeout": "1m30s", "forwarded": False},
    "log": {"format": "common", "slow": "none"}, "shutdown": {"unready-for": "0s"},
}
WRONG = [("unknown", 1), ("services", {"shop": {"targets": ["a:1"], "balnce": "x"}}), ("io", "foo"), ("workers", "two"),
         ("workers", -1), ("http", {"forwarded": "perhaps"}), ("log", {"format": "xml"}), ("services", {"shop": {}}),
         ("services", []), ("http", {"pipeline-depth": 0})]


def test_the_schema_and_check_agree(folder):
    schema = json.loads(command("config", "schema", **folder).stdout)
    cases = [(GOOD, True), *(({**GOOD, key: value}, False) for key, value in WRONG)]
    for config, is_good in cases:
        written(folder, "one.yaml", json.dumps(config))
        done = command("check", "one.yaml", **folder)
        assert (done.returncode == 0) == is_good, (config, done.stderr)
        assert fits(schema, config) == is_good, config


def test_every_setting_of_the_schema_is_in_the_manual(folder):
    schema = json.loads(command("config", "schema", **folder).stdout)
    manual = command("config", "docs", **folder).stdout
    names = set(re.findall(r"(?m)^\| `([a-z-]+)` \|", manual))

    def named(node):
        if isinstance(node, dict):
            for name, one in node.get("properties", {}).items():
                yield name
            for one in node.values():
                yield from named(one)
        elif isinstance(node, list):
            yield from itertools.chain.from_iterable(map(named, node))
    sections = {"listeners", "services", "match", "targets", "http", "upstream", "breaker", "limits", "log",
                "shutdown", "include", "health", "outlier", "rate", "service", "target", "fallback",
                "agent", "sticky", "concurrency", "proximity", "retry", "hash", "resource", "two-choices", "cache", "rules",
                "keyspaces", "splits", "directory", "kv"}
    assert set(named(schema)) - sections <= names


# --- run ---

def test_check_without_anything_says_what_to_type(folder):
    done = command("check", **folder)
    assert done.returncode == 2 and done.stdout == ""
    for words in ("./pando.yaml", "/etc/pando/pando.yaml", "pando run --to", "pando init --to"):
        assert words in done.stderr


def test_a_taken_address_is_said_with_its_listener(folder, io):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = command("run", "--to", "127.0.0.1:1", "--http", address, "--admin", "127.0.0.1:0", "--io", io,
                       "--control", "c.sock", "--data", "data", **folder)
    assert done.returncode == 1
    assert f"listener web: {address}" in done.stderr and "another process listens there" in done.stderr


def test_a_control_path_that_is_too_long_is_a_mistake(folder):
    done = command("run", "--to", "127.0.0.1:1", "--control", "/tmp/" + "x" * 200, **folder)
    assert done.returncode == 2 and "107" in done.stderr


@pytest.mark.parametrize("name", ["reload", "status", "tap"])
def test_a_wrong_control_path_is_explained(folder, name):
    done = command(name, "--control", "/nonexistent/pando.sock", **folder)
    assert done.returncode == 1 and done.stdout == ""
    assert "/nonexistent/pando.sock" in done.stderr and "--control" in done.stderr


@pytest.mark.parametrize("name, slip, meant", [
    ("run", "--htp", "--http"), ("check", "--jsn", "--json"), ("status", "--wach", "--watch"),
    ("tap", "--servce", "--service"), ("reload", "--contrl", "--control"), ("init", "--too", "--to")])
def test_a_slip_in_a_flag_gets_a_suggestion(folder, name, slip, meant):
    done = command(name, slip, **folder)
    assert done.returncode == 2 and f"did you mean `{meant}`?" in done.stderr


# --- reload ---

@pytest.mark.parametrize("way", ["command", "signal"])
def test_a_reload_counts_for_the_next_request(start, origin, way):
    proxy = start({"services": {"shop": {"targets": [origin.address]}}, "http": {"via": "one"}})
    proxy.ask("/a")
    config = {"services": {"shop": {"targets": [origin.address]}}, "http": {"via": "two"}}
    if way == "command":
        done = proxy.reload(config)
        assert done.returncode == 0 and 'http.via: "one" -> "two"' in done.stdout
    else:
        proxy.write(config)
        proxy.signal(signal.SIGHUP)
        until(lambda: "configuration reloaded" in proxy.stderr, "the reload")
    with proxy.client() as client:
        until(lambda: client.ask("/b").get("Via") == "1.1 two", "the new setting")


def test_a_reload_keeps_an_open_connection_and_a_request_on_it(start, origin):
    proxy = start({"services": {"shop": {"targets": [origin.address]}}})
    with proxy.client() as client:
        assert client.ask("/a").status == 200
        client.send(b"GET /b HTTP/1.1\r\nHo")
        for pause in ("1s", "2s", "3s"):
            assert proxy.reload({"services": {"shop": {"targets": [origin.address]}},
                                 "breaker": {"pause-first": pause}}).returncode == 0
        client.send(b"st: a\r\n\r\n")
        assert client.answer().status == 200
        assert client.ask("/c").status == 200
    assert len(origin.connections) == 1


def test_a_wrong_reload_by_signal_is_told_and_nothing_changes(start, origin):
    proxy = start({"services": {"shop": {"targets": [origin.address]}}})
    proxy.file.write_text("http: {nonsense: 1}\n")
    proxy.signal(signal.SIGHUP)
    until(lambda: "nonsense" in proxy.stderr, "the mistake in the log")
    assert proxy.ask("/a").status == 200
    until(lambda: proxy.metric("pando_config_last_reload_success") == 0, "the metric")


def test_a_setting_that_a_reload_cannot_change_is_said(start, origin):
    proxy = start({"services": {"shop": {"targets": [origin.address]}}})
    done = proxy.reload({"services": {"shop": {"targets": [origin.address]}}, "workers": 1})
    assert "workers: 2 -> 1" in done.stdout and "after a restart" in done.stdout
