# SPDX-License-Identifier: Apache-2.0
"""bench/fleet.py - what the measurements with waiting servers share: the servers, those before them, and a load of a given rate.

A contender is told `more`, in its own words: for nginx lines of its upstream, for HAProxy (lines of its backend,
words after each server), for Pando settings of the service. All keep connections, and unless `repeats` none tries
another server after a failure.
"""
import json
import sys

from children import Child, Failed, free_port, run_bounded
from contenders import IDLE_SECONDS, nginx_head, write

CONNECTIONS = 1024          # of the load client: it never waits for a free one


def say(text):
    print(text, file=sys.stderr, flush=True)


def nginx(place, name, servers, port, more="", repeats=False):
    lines = "\n".join(f"        server {one} max_fails=0;" for one in servers)
    config = write(f"{place.folder}/{name}.conf", nginx_head(place, name, 1) + f"""
    access_log off;
    upstream bench {{
        zone bench 256k;
        {more}
{lines}
        keepalive 1024;
        keepalive_requests 1000000000;
        keepalive_timeout {IDLE_SECONDS}s;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://bench;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            {"" if repeats else "proxy_next_upstream off;"}
        }}
    }}
}}
""")
    return [place.programs["nginx"], "-e", "stderr", "-c", config]


def haproxy(place, name, servers, port, more=("", ""), repeats=False):
    lines, words = more
    of_servers = "\n".join(f"    server s{number} {one} {words}" for number, one in enumerate(servers))
    config = write(f"{place.folder}/{name}.conf", f"""global
    nbthread 1
    maxconn 8000
    no strict-limits
defaults
    mode http
    option http-keep-alive
    http-reuse always
    retries {3 if repeats else 0}
    timeout connect 5s
    timeout client {IDLE_SECONDS}s
    timeout server {IDLE_SECONDS}s
    timeout http-keep-alive {IDLE_SECONDS}s
frontend web
    bind 127.0.0.1:{port} backlog 4096
    default_backend bench
backend bench
    {lines}
{of_servers}
""")
    return [place.programs["haproxy"], "-db", "-f", config]


def pando(place, name, servers, port, more=None, repeats=False):
    config = write(f"{place.folder}/{name}.yaml", json.dumps({
        "listeners": {"web": {"http": f"127.0.0.1:{port}"}, "admin": {"admin": f"127.0.0.1:{free_port()}"}},
        "control": f"{place.folder}/{name}.sock", "data": f"{place.folder}/{name}.data", "workers": 1,
        "log": {"access": False}, "shutdown": {"drain-for": "1s"}, **({} if repeats else {"breaker": {"tries": 1}}),
        "services": {"bench": {"match": {"path": "/"}, "targets": list(servers), **(more or {})}}}))
    return [place.programs["pando"], "run", config]


PROGRAMS = {"nginx": nginx, "haproxy": haproxy, "pando": pando}


def check_programs(place):
    if "waiter" not in place.programs or "pace" not in place.programs:
        raise Failed("bench/waiter.c or bench/pace.c does not compile")


def start_waiter(place, name, port, slots, mean_us, seed, address="127.0.0.1"):
    """A server that works on @slots requests at once."""
    child = Child(name, [place.programs["waiter"], "--address", address, "--port", str(port), "--slots", str(slots),
                         "--mean-us", str(mean_us), "--seed", str(seed)], place.folder, place.load_cores)
    try:
        child.wait_until_answers(port, "/small", address)
    except BaseException:
        child.end()
        raise
    return child


def paced(place, targets, rate, seconds, seed, more=(), connections=CONNECTIONS):
    """Requests for / at @rate for @seconds; what pace found."""
    code, out, err = run_bounded([place.programs["pace"], "--to", ",".join(map(str, targets)), "--path", "/",
                                  "--connections", str(connections), "--rate", str(round(rate)),
                                  "--seconds", str(seconds), "--seed", str(seed), *more], place.load_cores,
                                 seconds + 30)
    try:
        return json.loads(out)
    except ValueError:
        raise Failed(f"pace ended with {code}: {(out + err)[-300:]}") from None
