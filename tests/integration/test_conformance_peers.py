# SPDX-License-Identifier: Apache-2.0
"""integration/test_conformance_peers.py - what Pando passed on is read alike by nginx and by Node.

For each accepted row: the bytes that Pando sent to the server are sent, exactly, to nginx and to Node, with a
second request right behind them. Both must find the same method, target, fields and body, and must see the
second request where it begins. The bytes that Pando sent to the client are given to both as a server's answer.
What a peer does not know at all (methods of its own choosing) is listed, with the reason.
"""
import json

import pytest

import origins
import pando
import raw
from test_conformance import ANSWERS, REQUESTS, Recorder, Speaker, ask_of, bytes_of, rows

ACCEPTED = [row for row in REQUESTS if row["expect"] != "refuse"]
ACCEPTED_ANSWERS = [row for row in ANSWERS if row["expect"] != "refuse" and not row.get("upgrade_asked")]

# Rows whose request the peer refuses with 4xx, closing the connection: it is stricter, which is no danger.
NGINX_REFUSES = {
    "a method with every kind of token byte": "nginx knows methods of letters, - and _ alone",
    "OPTIONS for the server": "nginx takes targets that begin with / alone",
    "OPTIONS for the server in absolute form": "the same",
}
NODE_REFUSES = {
    "a method that nobody knows": "llhttp has a fixed list of methods",
    "a method with every kind of token byte": "the same",
}

# Fields that nginx writes anew when it passes a request or an answer on.
NGINX_ITS_OWN = {"host", "connection", "content-length", "transfer-encoding", "te", "x-peer-target", "x-peer-method",
                 "keep-alive", "upgrade", "date", "server"}

NODE_PROGRAM = """
const http = require('http');
const told = (response, what) => {
    const body = JSON.stringify(what);
    response.writeHead(200, {'Content-Length': Buffer.byteLength(body)});
    response.end(body);
};
const names = (raw) => raw.filter((_, i) => i % 2 == 0).map((name) => name.toLowerCase());
const read = (stream, then) => {
    const parts = [];
    stream.on('data', (part) => parts.push(part));
    stream.on('end', () => then(Buffer.concat(parts).toString('latin1')));
};
const fetch = (port, method, response) => {
    const request = http.request({host: '127.0.0.1', port, path: '/row', method, agent: false}, (answer) => {
        read(answer, (body) => told(response, {
            status: answer.statusCode, names: names(answer.rawHeaders), body, whole: answer.complete}));
    });
    request.on('error', (error) => told(response, {error: String(error)}));
    request.end();
};
const server = http.createServer({keepAliveTimeout: 60000}, (request, response) => {
    if (request.headers['x-fetch'])
        return fetch(+request.headers['x-fetch'], request.headers['x-method'], response);
    read(request, (body) => told(response, {
        method: request.method, target: request.url, names: names(request.rawHeaders), body,
        trailers: names(request.rawTrailers)}));
});
server.listen(+process.env.PORT, '127.0.0.1');
"""

SECOND = raw.request("/second", fields=[("Connection", "close")])


class Peers:
    """nginx before an origin that describes what it got; Node; and an origin that says given bytes to /row."""

    def __init__(self):
        self.behind = origins.Origin()
        self.speaker = Speaker()
        self.nginx = origins.Nginx(f"""
            location / {{
                proxy_pass http://{self.behind.address}; proxy_set_header Host $http_host;
                proxy_set_header X-Peer-Method $request_method; proxy_set_header X-Peer-Target $request_uri;
            }}
            location = /row {{ proxy_pass http://{self.speaker.server.address}; }}
        """, http="""
            large_client_header_buffers 8 64k; underscores_in_headers on; ignore_invalid_headers off;
            proxy_http_version 1.1; proxy_buffer_size 64k; proxy_buffers 8 64k; proxy_next_upstream off;
        """)
        self.node = origins.Node(NODE_PROGRAM)

    def stop(self):
        for server in (self.nginx, self.node, self.behind, self.speaker.server):
            server.stop()


@pytest.fixture(scope="module")
def peers():
    peers = Peers()
    yield peers
    peers.stop()


@pytest.fixture(scope="module")
def recorder():
    recorder = Recorder()
    yield recorder
    recorder.server.stop()


@pytest.fixture(scope="module")
def proxy(io, recorder):
    with pando.running({"workers": 1, "services": {
            "all": {"targets": [recorder.server.address], "upstream": {"requests-per-connection": 1}}}}, io) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def speaker():
    speaker = Speaker()
    yield speaker
    speaker.server.stop()


@pytest.fixture(scope="module")
def before_speaker(io, speaker):
    with pando.running({"workers": 1, "services": {"all": {"targets": [speaker.server.address]}}}, io) as proxy:
        yield proxy


def lower_names(fields, without=()):
    return sorted(name.lower() for name, _ in fields if name.lower() not in without)


def read_by(port, data):
    """What a peer makes of the bytes: the description of the first request, or None if it refuses it."""
    with raw.Client(("127.0.0.1", port)) as client:
        client.send(data + SECOND)
        first = client.answer()
        if first.status >= 400:
            assert client.ended() in ("fin", "rst")
            return None
        assert first.status == 200, first.head
        second = client.answer()
        assert second.status == 200 and json.loads(second.body)["target"] == "/second", second.body
        client.reader.rest()
        return json.loads(first.body)


@rows(ACCEPTED)
def test_request_is_read_alike(row, proxy, recorder, peers):
    recorder.since()
    with proxy.client() as client:
        client.send(bytes_of(row))
        assert client.answer().status == 200
    recorder.settle()
    (mine,), (data,) = recorder.since()

    told = read_by(peers.node.port, data)
    assert (told is None) == (row["name"] in NODE_REFUSES)
    if told is not None:
        assert (told["method"], told["target"]) == (mine.method, mine.target)
        assert told["names"] == [name.lower() for name, _ in mine.fields]
        assert told["body"] == mine.body.decode("latin-1")
        assert told["trailers"] == [name.lower() for name, _ in mine.trailers]

    told = read_by(peers.nginx.port, data)
    assert (told is None) == (row["name"] in NGINX_REFUSES)
    if told is not None:
        fields = dict(told["fields"])
        assert (fields["X-Peer-Method"], fields["X-Peer-Target"]) == (mine.method, mine.target)
        assert lower_names(told["fields"], NGINX_ITS_OWN) == lower_names(mine.fields, NGINX_ITS_OWN)
        assert told["body"] == mine.body.decode("latin-1")


@rows(ACCEPTED_ANSWERS)
def test_answer_is_read_alike(row, before_speaker, speaker, peers):
    asked = row.get("asked", "GET")
    speaker.data, speaker.ends = bytes_of(row), row.get("ends", False)
    with before_speaker.client() as client:
        client.reader.keep = True
        client.send(ask_of(row))
        mine = client.answer(asked)
        data = bytes(client.reader.seen)
    peers.speaker.data = data

    with raw.Client(("127.0.0.1", peers.node.port)) as client:
        told = json.loads(client.ask("/", fields=[("X-Fetch", str(peers.speaker.server.port)),
                                                  ("X-Method", asked)]).body)
    assert told.get("error") is None and told["whole"]
    assert told["status"] == mine.status and told["body"] == mine.body.decode("latin-1")
    assert told["names"] == [name.lower() for name, _ in mine.fields]

    with raw.Client(("127.0.0.1", peers.nginx.port)) as client:
        told = client.ask("/row", asked)
    assert told.status == mine.status and told.body == mine.body
    assert lower_names(told.fields, NGINX_ITS_OWN) == lower_names(mine.fields, NGINX_ITS_OWN)
