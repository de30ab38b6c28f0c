# SPDX-License-Identifier: Apache-2.0
"""bench/contenders.py - who is measured, and the server that stands behind all of them.

A contender is a name and a function that writes its configuration and gives its command line. All get the same
features: HTTP/1.1 on both sides, connections to the server kept, no log (or a log, in the row `log`), no
forwarding headers (or these, in the row `forwarded`), long idle limits, answers never spooled to disk.
"""
import getpass
import os
import shutil

from children import Child, file_name, free_port

SMALL_BYTES = 100
FILE_BYTES = 16384
STREAM_BYTES = 1 << 30
IDLE_SECONDS = 600


class Place:
    """Where one measurement happens: folder, cores, descriptors, programs."""

    def __init__(self, folder, proxy_cores, load_cores, descriptors, programs):
        self.folder = folder
        self.proxy_cores = proxy_cores
        self.load_cores = load_cores
        self.descriptors = descriptors
        self.programs = programs     # {name: path}; a missing program is not in it
        self.origin, self.origin_port = None, 0      # the server behind all


class Wish:
    """What a row asks of the contenders."""

    def __init__(self, workers=1, log=False, forwarded=False, cores=None):
        self.workers, self.log, self.forwarded, self.cores = workers, log, forwarded, cores


def find_program(name, *more):
    """Its path, also where an ordinary user's PATH does not look; None if there is none."""
    for path in more:
        if os.access(path, os.X_OK):
            return os.path.abspath(path)
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def nginx_head(place, name, workers):
    """What every nginx of ours starts with; all its files lie in the temporary folder."""
    folder = f"{place.folder}/{name}"
    os.makedirs(folder, exist_ok=True)
    user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
    paths = "\n".join(f"    {kind}_temp_path {folder}/{kind};"
                      for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return f"""{user}
worker_processes {workers};
daemon off;
pid {folder}/pid;
error_log stderr error;
worker_rlimit_nofile {place.descriptors};
events {{ worker_connections {place.descriptors}; }}
http {{
{paths}
    keepalive_requests 1000000000;
    keepalive_timeout {IDLE_SECONDS}s;
"""


def start_origin(place):
    """The server behind everybody: nginx, /small from memory, /16k and /1g from files, /slow at 4 KiB/s."""
    www = f"{place.folder}/www"
    os.makedirs(www)
    write(f"{www}/16k", "x" * FILE_BYTES)
    write(f"{www}/slow", "x" * FILE_BYTES)
    with open(f"{www}/1g", "wb") as file:
        file.truncate(STREAM_BYTES)      # a hole: read from the page cache, never from a disk
    place.origin_port = free_port()
    config = write(f"{place.folder}/origin.conf", nginx_head(place, "origin", 1) + f"""
    access_log off;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=16 inactive=1h;
    open_file_cache_valid 1h;
    server {{
        listen 127.0.0.1:{place.origin_port} backlog=4096;
        root {www};
        location = /small {{ return 200 "{'x' * SMALL_BYTES}"; }}
        location = /slow {{ limit_rate 4k; }}
    }}
}}
""")
    child = Child("origin", [place.programs["nginx"], "-e", "stderr", "-c", config], place.folder,
                  place.load_cores)
    child.wait_until_answers(place.origin_port, "/small")
    return child


def nginx(place, name, port, wish):
    forwarded = """proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Host $host;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header Forwarded "for=$remote_addr;host=$host;proto=$scheme";
            proxy_set_header Via "1.1 nginx";""" if wish.forwarded else ""
    # Buffered, though that is not the preset: nginx at its best.
    log = f"{place.folder}/{name}.access combined buffer=64k flush=1s" if wish.log else "off"
    config = write(f"{place.folder}/{name}.conf", nginx_head(place, name, wish.workers) + f"""
    access_log {log};
    upstream bench {{
        server 127.0.0.1:{place.origin_port};
        keepalive 128;
        keepalive_requests 1000000000;
        keepalive_timeout {IDLE_SECONDS}s;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096{" reuseport" if wish.workers > 1 else ""};
        location / {{
            proxy_pass http://bench;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_max_temp_file_size 0;
            {forwarded}
        }}
    }}
}}
""")
    return [place.programs["nginx"], "-e", "stderr", "-c", config]


def haproxy(place, name, port, wish):
    forwarded = """option forwardfor
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Forwarded-Proto http
    http-request set-header Forwarded for=%[src];host=%[req.hdr(host)];proto=http
    http-request set-header Via "1.1 haproxy"
""" if wish.forwarded else ""
    log = "log global\n    option httplog" if wish.log else ""
    config = write(f"{place.folder}/{name}.conf", f"""global
    nbthread {wish.workers}
    maxconn {max(1000, min(12000, place.descriptors - 1000))}
    # Only the idle row comes near maxconn, and there few connections have a second side.
    no strict-limits
    {"log stdout format raw local0" if wish.log else ""}
defaults
    mode http
    {log}
    option http-keep-alive
    http-reuse always
    timeout connect 5s
    timeout client {IDLE_SECONDS}s
    timeout server {IDLE_SECONDS}s
    timeout http-keep-alive {IDLE_SECONDS}s
    timeout http-request {IDLE_SECONDS}s
frontend web
    bind 127.0.0.1:{port} backlog 4096
    maxconn {max(1000, min(12000, place.descriptors - 1000))}
    {forwarded}
    default_backend bench
backend bench
    server origin 127.0.0.1:{place.origin_port}
""")
    return [place.programs["haproxy"], "-db", "-f", config]


def pando(io, program="pando"):
    def command(place, name, port, wish):
        log = f"{{access: true, path: {place.folder}/{name}.access}}" if wish.log else "{access: false}"
        config = write(f"{place.folder}/{name}.yaml", f"""listeners:
  web: {{http: "127.0.0.1:{port}"}}
  admin: {{admin: "127.0.0.1:{free_port()}"}}
control: {place.folder}/{name}.sock
data: {place.folder}/{name}.data
workers: {wish.workers}
io: {io}
log: {log}
http: {{idle-timeout: {IDLE_SECONDS}s, forwarded: {"true" if wish.forwarded else "false"}}}
upstream: {{idle-timeout: {IDLE_SECONDS}s}}
shutdown: {{drain-for: 1s}}
services:
  bench:
    match: {{path: /}}
    targets: ["127.0.0.1:{place.origin_port}"]
""")
        return [place.programs[program], "run", config]
    return command


def floor(io):
    def command(place, _name, port, wish):
        return [place.programs["floor"], "--io", io, "--listen", str(port), "--to",
                str(place.origin_port), "--relay", "--workers", str(wish.workers)]
    return command


# name: (program that must be there, its command)
CONTENDERS = {
    "pando-io_uring": ("pando", pando("io_uring")),
    "pando-epoll": ("pando", pando("epoll")),
    "before-io_uring": ("before", pando("io_uring", "before")),
    "before-epoll": ("before", pando("epoll", "before")),
    "nginx": ("nginx", nginx),
    "haproxy": ("haproxy", haproxy),
    "floor-io_uring": ("floor", floor("io_uring")),
    "floor-epoll": ("floor", floor("epoll")),
}


class Contender(Child):
    """A started contender that answers on .port."""

    def __init__(self, place, name, wish, label=None):
        label = label or name
        self.port = free_port()
        file = file_name(label)
        command = CONTENDERS[name][1](place, file, self.port, wish)
        super().__init__(label, command, place.folder, wish.cores or place.proxy_cores)
        try:
            self.wait_until_answers(self.port, "/small")
        except BaseException:
            self.end()
            raise
        self.logs = [self.log, f"{place.folder}/{file}.access"]

    def forget_logs(self):
        """Empties its logs, which are opened for appending, so that a long run does not fill the disk."""
        for path in self.logs:
            if os.path.exists(path):
                os.truncate(path, 0)
