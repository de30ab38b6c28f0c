# SPDX-License-Identifier: Apache-2.0
"""test_commands.py - what one types: exit codes, where words go, and the commands that ask a running Pando."""
import itertools
import json
import os
import pty
import re
import signal
import socket
import subprocess

import pytest

import pando
from pando import command, free_port, until

COMMANDS = ["run", "init", "check", "reload", "status", "tap", "explain", "purge", "config", "completion", "man", "help"]


@pytest.fixture
def folder(tmp_path):
    """An empty folder to be in, and an environment in which no file of this machine is found."""
    return {"folder": tmp_path, "environment": {"HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": "",
                                                "XDG_RUNTIME_DIR": ""}}


@pytest.fixture
def shop(start, origin):
    return start({"services": {"shop": {"targets": [origin.address]}}})


# --- help ---

def test_help_lists_every_command(folder):
    for asked in (["help"], ["--help"], ["-h"]):
        done = command(*asked, **folder)
        assert done.returncode == 0 and done.stderr == ""
        for name in COMMANDS:
            assert re.search(rf"^  {name} ", done.stdout, re.M), name


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_one_command(folder, name):
    texts = [command("help", name, **folder), command(name, "--help", **folder), command(name, "-h", **folder)]
    for done in texts:
        assert done.returncode == 0 and done.stdout.startswith(f"pando {name}") and "flags:" in done.stdout
        assert max(map(len, done.stdout.splitlines())) <= 80
    assert texts[0].stdout == texts[1].stdout


def test_version(folder):
    done = command("--version", **folder)
    assert done.returncode == 0 and re.fullmatch(r"pando \d+\.\d+\.\d+\n", done.stdout)


def test_a_slip_gets_a_suggestion_and_nothing_is_done(folder):
    for line, words in (("stauts", "did you mean `status`?"), ("run --too x", "did you mean `--to`?"),
                        ("shop.yaml", "did you mean `pando run shop.yaml`?"), ("help chek", "`check`"),
                        ("config dif a b", "schema | docs"), ("completion tcsh", "bash | zsh | fish"), ("", "")):
        done = command(*line.split(), **folder)
        assert done.returncode == 2, line
        assert words in done.stderr, line


def test_results_that_cannot_be_written_are_a_failure(folder):
    with open("/dev/full", "w") as full:
        done = subprocess.run([pando.PROGRAM, "config", "docs"], stdout=full, stderr=subprocess.PIPE, text=True,
                              check=False)
    assert done.returncode == 1 and "No space left" in done.stderr


# --- a configuration ---

MISTAKES = """listeners:
  web: {http: ":8080x"}
services:
  shop:
    targets: ["127.0.0.1:3000"]
    balnce: least-connections
    balance: rund-robin
http:
  idle-timeout: 30
  idle-timout: 30s
"""


def test_check_says_all_mistakes_with_their_places(folder):
    (folder["folder"] / "bad.yaml").write_text(MISTAKES)
    done = command("check", "bad.yaml", **folder)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("error: ") == 5
    for place in ("bad.yaml:2:15", "bad.yaml:6:5", "bad.yaml:7:14", "bad.yaml:9:17", "bad.yaml:10:3"):
        assert f" --> {place}\n" in done.stderr
    assert done.stderr.endswith("\n5 mistakes\n")


def test_check_as_json(folder):
    (folder["folder"] / "bad.yaml").write_text(MISTAKES)
    done = command("check", "--json", "bad.yaml", **folder)
    answer = json.loads(done.stdout)
    assert done.returncode == 2 and answer["count"] == 5
    assert answer["errors"][1]["place"]["line"] == 6
    done = command("check", "--json", "--to", "127.0.0.1:3000", **folder)
    assert done.returncode == 0 and json.loads(done.stdout) == {"count": 0, "errors": []}


def test_run_tells_mistakes_once_and_starts_nothing(folder):
    (folder["folder"] / "bad.yaml").write_text(MISTAKES)
    done = command("run", "bad.yaml", **folder)
    assert done.returncode == 2 and done.stderr.count("error: ") == 5


def test_init_writes_a_file_that_says_what_the_flags_said(folder):
    flags = ["--to", "127.0.0.1:3000,127.0.0.1:3001", "--workers", "3", "--set", "http.idle-timeout=7s"]
    done = command("init", *flags, **folder)
    assert done.returncode == 0
    (folder["folder"] / "new.yaml").write_text(done.stdout)
    by_file = command("config", "show", "new.yaml", **folder)
    by_flags = command("config", "show", *flags, **folder)
    assert by_file.returncode == 0 and by_file.stdout == by_flags.stdout
    (folder["folder"] / "shown.yaml").write_text(by_file.stdout)
    done = command("config", "diff", "new.yaml", "shown.yaml", **folder)
    assert done.returncode == 0 and done.stdout == "nothing would change\n"


def test_diff_says_what_a_reload_would_change(folder):
    for name, seconds in (("a", 30), ("b", 40)):
        (folder["folder"] / f"{name}.yaml").write_text(
            f"services: {{shop: {{targets: ['127.0.0.1:3000']}}}}\nhttp: {{idle-timeout: {seconds}s}}\n")
    done = command("config", "diff", "a.yaml", "b.yaml", **folder)
    assert done.returncode == 0 and "http.idle-timeout: 30s -> 40s" in done.stdout
    assert command("config", "diff", "a.yaml", "none.yaml", **folder).returncode == 2


def test_the_schema_is_json(folder):
    done = command("config", "schema", **folder)
    assert json.loads(done.stdout)["$schema"].endswith("2020-12/schema")


def test_which_file_is_read(folder):
    here, user = folder["folder"] / "pando.yaml", folder["folder"] / "config" / "pando" / "pando.yaml"
    folder["environment"]["XDG_CONFIG_HOME"] = str(folder["folder"] / "config")
    done = command("check", **folder)
    assert done.returncode == 2 and "pando run --to localhost:3000" in done.stderr
    user.parent.mkdir(parents=True)
    user.write_text("services: {shop: {targets: ['127.0.0.1:1', '127.0.0.1:2']}}\n")
    assert "2 targets" in command("check", **folder).stdout
    here.write_text("services: {shop: {targets: ['127.0.0.1:1']}}\n")
    assert command("check", **folder).stdout.startswith("ok: pando.yaml: ")
    assert "the flags" in command("check", "--to", "127.0.0.1:3", **folder).stdout


# --- check --live ---

ANY_PORTS = ["--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"]    # for what is about targets only


def test_live_tells_targets_that_are_there_from_those_that_are_not(folder, origin):
    path = folder["folder"] / "app.sock"
    gone = free_port()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        done = command("check", "--live", *ANY_PORTS, "--to", f"{origin.address},unix:{path}", **folder)
        assert done.returncode == 0 and done.stdout.count("connected in") == 2
        targets = [origin.address, f"unix:{path}", f"unix:{path}.not", f"127.0.0.1:{gone}",
                   "nowhere.invalid:80", "srv:_http._tcp.nowhere.invalid"]
        done = command("check", "--live", "--json", *ANY_PORTS, "--to", ",".join(targets), **folder)
    assert done.returncode == 1
    found = {one["target"]: one for one in json.loads(done.stdout)["targets"]}
    assert set(found) == set(targets)
    assert [found[target]["ok"] for target in targets] == [True, True, False, False, False, False]
    assert found[f"127.0.0.1:{gone}"]["why"] == "Connection refused"


def test_live_gives_up_after_two_seconds(folder):
    """A socket whose backlog is full does not answer."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        taken = [socket.socket() for _ in range(4)]
        for client in taken:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        done = command("check", "--live", *ANY_PORTS, "--to", f"127.0.0.1:{port}", timeout_s=15, **folder)
        for client in taken:
            client.close()
    assert done.returncode == 1 and "no answer within 2000 ms" in done.stdout


def test_live_tells_listeners_that_cannot_have_their_address(folder, origin):
    addresses = [origin.address, "192.0.2.1:80"]
    for address, why in zip(addresses, ["another process listens there", "this machine has no such address"]):
        done = command("check", "--live", "--http", address, "--admin", "127.0.0.1:0", "--to", origin.address, **folder)
        assert done.returncode == 1 and why in done.stdout
        assert "1 of 2 listeners cannot have its address" in done.stdout


def test_live_knows_the_listeners_of_the_server_that_runs(shop):
    """A check before a reload is of use while it runs."""
    done = command("check", "--live", shop.file)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("served by the running Pando") == 2
    done = command("check", "--live", "--json", shop.file)
    assert [one["served"] for one in json.loads(done.stdout)["listeners"]] == [True, True]


# --- reload ---

def test_reload_says_what_changed(shop, origin):
    done = shop.reload({"services": {"shop": {"targets": [origin.address], "balance": "round-robin"}}})
    assert done.returncode == 0
    assert "services.shop.balance: two-choices -> round-robin" in done.stdout
    assert shop.reload().stdout == "nothing has changed\n"


def test_reload_refuses_a_file_with_mistakes_whole(shop):
    shop.file.write_text(shop.file.read_text().replace('"workers"', '"wrkers"'))
    done = shop.command("reload")
    assert done.returncode == 2
    assert "did you mean `workers`?" in done.stderr and f"{shop.file}:" in done.stderr
    assert done.stdout == ""
    assert shop.ask("/").status == 200


def test_reload_finds_the_socket_in_the_file(shop):
    assert command("reload", shop.file).returncode == 0


def test_reload_finds_the_socket_in_a_file_with_mistakes(shop):
    """That file is what it is to be told about."""
    shop.file.write_text(shop.file.read_text().replace('"workers"', '"wrkers"'))
    done = command("reload", shop.file)
    assert done.returncode == 2 and "did you mean `workers`?" in done.stderr
    assert "is `pando run` running?" not in done.stderr


@pytest.mark.parametrize("name", ["reload", "status", "tap"])
def test_without_a_server(folder, name):
    done = command(name, "--control", folder["folder"] / "none.sock", **folder)
    assert done.returncode == 1 and "is `pando run` running?" in done.stderr
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(folder["folder"] / "dead.sock"))
    done = command(name, "--control", folder["folder"] / "dead.sock", **folder)
    assert done.returncode == 1 and "no server listens on the control socket" in done.stderr


def test_something_else_on_the_control_socket(folder):
    path = folder["folder"] / "other.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        running = subprocess.Popen([pando.PROGRAM, "status", "--control", path], stderr=subprocess.PIPE, text=True)
        connection, _ = other.accept()
        connection.sendall(b"220 mail.example ESMTP\r\n")
        _, stderr = running.communicate(timeout=20)
        connection.close()
    assert running.returncode == 1 and "is not a server of this program" in stderr


# --- status ---

def test_status_shows_services_and_targets(shop, origin):
    for _ in range(3):
        assert shop.ask("/").status == 200
    done = until(lambda: (lambda done: "shop  two-choices: 3 requests" in done.stdout and done)(
        shop.command("status")), "three requests in the status")
    assert done.returncode == 0 and "\x1b" not in done.stdout
    row = next(line for line in done.stdout.splitlines() if line.split()[:1] == [origin.address])
    assert row.split()[1:3] == ["up", "3"]
    assert f"127.0.0.1:{shop.port}" in done.stdout
    answer = json.loads(shop.command("status", "--json").stdout)
    assert answer["services"][0]["targets"][0]["state"] == "up"


def seen_on_terminal(*arguments, environment=None):
    """What a command writes to a terminal."""
    main, other = pty.openpty()
    done = subprocess.Popen([pando.PROGRAM, *map(str, arguments)], stdout=other, stderr=other,
                            env={**os.environ, "TERM": "xterm", "NO_COLOR": "", **(environment or {})})
    os.close(other)
    seen = b""
    while True:
        try:
            piece = os.read(main, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    os.close(main)
    assert done.wait(20) == 0
    return seen


def test_colour_is_for_terminals_that_want_it(shop):
    asked = ["status", "--control", shop.control]
    assert b"\x1b[32mup\x1b[0m" in seen_on_terminal(*asked)
    assert b"\x1b" not in seen_on_terminal(*asked, "--no-color")
    assert b"\x1b" not in seen_on_terminal(*asked, environment={"NO_COLOR": "1"})
    assert b"\x1b" not in seen_on_terminal(*asked, environment={"TERM": "dumb"})


# --- tap ---

_taps = itertools.count()


class Tap:
    """A running `pando tap`; lines() gives what it wrote so far."""

    def __init__(self, proxy, *arguments):
        self.path = proxy.folder / f"tap-{next(_taps)}"
        with open(self.path, "w") as out:
            self.process = subprocess.Popen(
                [pando.PROGRAM, "tap", "--control", str(proxy.control), *arguments], stdout=out,
                stderr=subprocess.PIPE, text=True)

    def lines(self):
        return self.path.read_text().splitlines()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=20)


@pytest.fixture
def tap(shop):
    running = []

    def begin(*arguments):
        running.append(Tap(shop, *arguments))
        return running[-1]
    yield begin
    for one in running:
        one.stop()


def until_seen(shop, tap, target):
    """Asks for a target until the tap shows it: it may not be listening yet."""
    def seen():
        shop.ask(target)
        return [line for line in tap.lines() if target in line]
    return until(seen, f"{target} in the tap", pause_s=0.05)


def test_tap_shows_requests_as_they_finish(shop, origin, tap):
    line = until_seen(shop, tap(), "/cart?id=7")[0]
    assert re.match(r"\d\d:\d\d:\d\d\.\d\d\d +200 +[\d.]+ ms  GET +shop\.example/cart\?id=7  " +
                    re.escape(origin.address), line)


def test_tap_as_json(shop, tap):
    line = json.loads(until_seen(shop, tap("--json"), "/raw")[0])
    assert line["st"] == 200 and line["path"] == "/raw"


def test_tap_chooses(shop, origin, tap):
    origin.on("/broken", lambda exchange: exchange.answer(500, body=b"no"))
    everything, broken, below = tap(), tap("--status", "5xx"), tap("--path", "/api/", "--service", "shop")
    until_seen(shop, everything, "/first")
    until_seen(shop, broken, "/broken")
    until_seen(shop, below, "/api/x")
    shop.ask("/last")
    until(lambda: any("/last" in line for line in everything.lines()), "/last in the tap")
    assert all("/broken" in line for line in broken.lines()), broken.lines()
    assert all("/api/x" in line for line in below.lines()), below.lines()


def test_tap_of_nonsense(shop):
    done = shop.command("tap", "--status", "many")
    assert done.returncode == 2 and done.stderr != "" and done.stdout == ""


def test_a_client_cannot_steer_the_terminal_of_who_taps(shop, tap):
    """The path is shown as it came; what would move the cursor or turn the text round is not."""
    one = tap()
    until_seen(shop, one, "/ready")
    shop.ask("/%1b[2J", fields=[("Host", "x.example")])
    with shop.client() as client:
        client.send("GET /\u202egnp.exe\u009b HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        client.answer()
    shop.ask("/end")
    until(lambda: any("/end" in line for line in one.lines()), "/end in the tap")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]",
                         one.path.read_text(errors="replace"))


def test_tap_ends_with_the_server(io, origin):
    with pando.running({"services": {"shop": {"targets": [origin.address]}}}, io) as proxy:
        one = Tap(proxy)
        until_seen(proxy, one, "/x")
        proxy.stop()
        assert one.process.wait(20) in (0, 1)


# --- for shells and readers ---

def test_bash_completes(folder):
    script = command("completion", "bash", **folder).stdout
    (folder["folder"] / "completion").write_text(script)

    def completed(*words):
        quoted = " ".join(f"'{word}'" for word in words)
        done = subprocess.run(
            ["bash", "-c", f"source ./completion; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _pando; "
             "printf '%s\\n' \"${COMPREPLY[@]}\""], capture_output=True, text=True, cwd=folder["folder"],
            check=True)
        assert done.stderr == ""
        return done.stdout.split()
    assert completed("pando", "st") == ["status"]
    assert completed("pando", "tap", "--s") == ["--service", "--status"]
    assert completed("pando", "config", "sh") == ["show"]
    assert completed("pando", "check", "compl") == ["completion"]
    assert set(COMMANDS) <= set(completed("pando", ""))


def test_the_other_shells_have_every_command(folder):
    for shell in ("zsh", "fish"):
        done = command("completion", shell, **folder)
        assert done.returncode == 0 and all(re.search(rf"\b{name}\b", done.stdout) for name in COMMANDS)


def test_the_manual_page_has_every_command_and_setting(folder):
    text = command("man", **folder).stdout
    assert text.startswith(".TH PANDO 1 ")
    for name in COMMANDS:
        assert f".SS {name}" in text
    assert "idle\\-timeout" in text
