# SPDX-License-Identifier: Apache-2.0
"""integration/origins.py - servers behind Pando: a scriptable one, nginx, and Node.

    origin = Origin()
    origin.on("/slow", lambda exchange: (time.sleep(0.2), exchange.answer(200, body=b"late")))
    origin.on("/early", lambda exchange: exchange.answer(413, close=True), read_body=False)

A script gets an Exchange. It may answer properly (answer), in bytes of its own (send), in parts, late, not at
all, or end the connection (close, reset). What has no script is answered with 200 and a JSON description of
the request. `requests` has every request in order of arrival, each with the index of its connection.
"""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

import raw
from pando import free_port, until, PATIENCE_S

NODE = "node"
NGINX = "nginx"


class Exchange:
    """One request at the origin, and the connection to answer it on."""

    def __init__(self, origin, connection, request):
        self.origin = origin
        self.connection = connection
        self.request = request
        self.keep = True            # read the next request after the script

    @property
    def sock(self):
        return self.connection.sock

    @property
    def reader(self):
        return self.connection.reader

    def read_body(self):
        """For scripts with read_body=False."""
        self.reader.body(self.request)
        return self.request.body

    def send(self, data):
        self.sock.sendall(data)
        return self

    def send_pieces(self, data, cuts, pause_s=0.002):
        edges = [0, *sorted(set(cut for cut in cuts if 0 < cut < len(data))), len(data)]
        for i in range(len(edges) - 1):
            if i > 0:
                time.sleep(pause_s)
            self.sock.sendall(data[edges[i]:edges[i + 1]])
        return self

    def answer(self, status=200, fields=(), body=b"", close=False, chunk=0, trailers=()):
        """A proper answer. chunk: in chunks of that size. close: says so, and does."""
        fields = list(fields)
        if chunk:
            fields.append(("Transfer-Encoding", "chunked"))
        elif status not in raw.BODYLESS and not any(name.lower() == "content-length" for name, _ in fields):
            fields.append(("Content-Length", str(len(body))))
        if close:
            fields.append(("Connection", "close"))
        data = raw.head(f"HTTP/1.1 {status} X", fields)
        if self.request.method != "HEAD":
            data += raw.chunked(body, chunk, trailers) if chunk else body
        self.send(data)
        if close:
            self.close()
        return self

    def close(self):
        """FIN, and the script is the last of this connection."""
        self.keep = False
        return self

    def reset(self):
        """RST."""
        self.keep = False
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def ended(self, timeout_s=None):
        """Waits until Pando ends the connection: "fin" or "rst"."""
        self.keep = False
        self.sock.settimeout(timeout_s or PATIENCE_S)
        try:
            while True:
                self.reader.some()
        except raw.Ended as end:
            return end.how


class Connection:
    """A connection from Pando: its requests, how it ended."""

    def __init__(self, index, sock):
        self.index = index
        self.sock = sock
        self.reader = raw.Reader(sock)
        self.requests_count = 0
        self.error = None          # a malformed request
        self.end = None            # "fin" or "rst": Pando ended it; "own": the script did


class Origin:
    """A threaded server on 127.0.0.1 or, with path=, on a unix socket."""

    def __init__(self, path=None, keep_bytes=False, port=None, backlog=512, host="127.0.0.1"):
        self.path = path
        self.host = host
        self.keep_bytes = keep_bytes       # connection.reader.seen has all that Pando sent
        self.scripts = {}
        self.default = describe
        self.requests = []
        self.connections = []
        self.lock = threading.Condition()
        self._backlog = backlog
        self._stopping = False
        self._listen(port if port is not None or path else free_port())

    def _listen(self, port):
        family = socket.AF_UNIX if self.path else socket.AF_INET
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(self.path or (self.host, port))
        self.listener.listen(self._backlog)
        self.port = port
        self.address = f"unix:{self.path}" if self.path else f"{self.host}:{port}"
        self._thread = threading.Thread(target=self._accept, args=(self.listener,), daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def on(self, path, script, read_body=True):
        """What happens to requests of a path (without its query)."""
        self.scripts[path] = (script, read_body)
        return self

    def forget(self):
        """Forgets what was seen so far."""
        with self.lock:
            self.requests.clear()

    def seen(self, path):
        """The requests of a path (without its query) so far."""
        with self.lock:
            return [request for request in self.requests if request.target.split("?")[0] == path]

    def wait_for(self, path, count=1):
        """The requests of a path, once there are so many."""
        until(lambda: len(self.seen(path)) >= count, f"{count} requests of {path} at the origin")
        return self.seen(path)

    @property
    def open_count(self):
        """Connections that neither side ended."""
        with self.lock:
            return sum(connection.end is None for connection in self.connections)

    @property
    def errors(self):
        with self.lock:
            return [connection.error for connection in self.connections if connection.error is not None]

    def stop(self):
        """Closes the listener and all connections."""
        self._stopping = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.drop_all()
        if self.path:
            with contextlib.suppress(OSError):
                os.unlink(self.path)

    def restart(self):
        """Listens again, at the same place, after stop()."""
        self._stopping = False
        self._listen(self.port)

    def drop_all(self):
        """Closes every connection that is open."""
        with self.lock:
            connections = list(self.connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            if self.path is None:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                connection = Connection(len(self.connections), sock)
                self.connections.append(connection)
            connection.reader.keep = self.keep_bytes
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            while self._exchange(connection):
                pass
            connection.end = connection.end or "own"
        except raw.Ended as end:
            connection.end = end.how
        except raw.Malformed as error:
            connection.error = str(error)
            connection.end = "own"
        except (ConnectionResetError, BrokenPipeError):
            connection.end = "rst"
        except OSError:
            connection.end = connection.end or "own"
        with contextlib.suppress(OSError):
            connection.sock.close()

    def _exchange(self, connection):
        request = connection.reader.head(raw.Request)
        script, read_body = self.scripts.get(request.target.split("?")[0], (self.default, True))
        request.connection = connection.index
        if read_body:
            connection.reader.body(request)
        connection.requests_count += 1
        with self.lock:
            self.requests.append(request)
        exchange = Exchange(self, connection, request)
        script(exchange)
        return exchange.keep and not (request.closes and request.version == "HTTP/1.0")


def describe(exchange):
    """The script of paths that have none: the request as JSON."""
    request = exchange.request
    body = json.dumps({"method": request.method, "target": request.target, "fields": request.fields,
                       "body": request.body.decode("latin-1"), "trailers": request.trailers,
                       "framing": request.framing, "connection": request.connection}).encode()
    exchange.answer(200, [("Content-Type", "application/json")], body)


class Process:
    """A server that is a process of its own."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pando-origin-"))
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def spawn(self, arguments, **more):
        log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(arguments, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **more)
        log.close()
        until(self._answers, lambda: f"{arguments[0]} is not ready: {(self.folder / 'log').read_text()}")

    def _answers(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Nginx(Process):
    """nginx with `server` as the inside of its server block; `http` stands before it."""

    def __init__(self, server, http="", port=None):
        super().__init__()
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        (self.folder / "html").mkdir()
        os.chmod(self.folder, 0o755)
        (self.folder / "nginx.conf").write_text(f"""
worker_processes 1; daemon off; master_process off; pid {self.folder}/pid; error_log {self.folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log off; server_tokens off; keepalive_requests 1000000;
    client_body_temp_path {self.folder}/body; proxy_temp_path {self.folder}/proxy;
    fastcgi_temp_path {self.folder}/fastcgi; uwsgi_temp_path {self.folder}/uwsgi; scgi_temp_path {self.folder}/scgi;
    root {self.folder}/html; default_type application/octet-stream;
    {http}
    server {{ listen 127.0.0.1:{self.port} backlog=4096; {server} }}
}}
""")
        self.spawn([NGINX, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"),
                    "-e", str(self.folder / "error.log")])

    def put(self, name, data):
        """A file that `/name` gives."""
        path = self.folder / "html" / name
        path.write_bytes(data)
        os.chmod(path, 0o644)


class Node(Process):
    """A Node program; its environment says PORT."""

    def __init__(self, program, port=None):
        super().__init__()
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        path = self.folder / "server.js"
        path.write_text(program)
        self.spawn([NODE, str(path)], env={**os.environ, "PORT": str(self.port)})


@contextlib.contextmanager
def serving(family, address, port):
    """The smallest server: every request is answered with where it came in."""
    listener = socket.create_server((address, port), family=family)

    def serve(sock):
        reader = raw.Reader(sock)
        with contextlib.suppress(raw.Ended, OSError):
            while True:
                reader.request()
                sock.sendall(b"HTTP/1.1 200 OK\r\nServer: %s\r\nContent-Length: 2\r\n\r\nok" % address.encode())

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
