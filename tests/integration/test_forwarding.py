# SPDX-License-Identifier: Apache-2.0
"""integration/test_forwarding.py - what servers learn of the client, and whom Pando believes; traces; routing."""
import json
import re

import pytest

import origins
import pando

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@pytest.fixture(scope="module")
def server():
    with origins.Origin() as server:
        yield server


@pytest.fixture(scope="module")
def other():
    with origins.Origin() as server:
        server.default = lambda exchange: exchange.answer(body=b"other")
        yield server


@pytest.fixture(scope="module")
def believing_port():
    return pando.free_port()


@pytest.fixture(scope="module")
def proxy(io, server, other, believing_port):
    believing = {"http": f"127.0.0.1:{believing_port}", "trust": ["10.0.0.0/8", "127.0.0.0/8"]}
    services = {
        "all": {"targets": [server.address]},
        "quiet": {"match": {"path": "/quiet"}, "targets": [server.address],
                  "http": {"forwarded": False, "via": "gate-1"}},
        "host": {"match": {"host": "other.example"}, "targets": [other.address]},
        "wild": {"match": {"host": "*.wild.example"}, "targets": [other.address]},
        "deep": {"match": [{"path": "/deep"}, {"host": "shop.example", "path": "/b"}], "targets": [other.address]},
        "deeper": {"match": {"path": "/deep/er"}, "targets": [server.address]},
    }
    with pando.running({"listeners": {"believing": believing}, "services": services}, io) as proxy:
        yield proxy


@pytest.fixture
def seen(proxy, server):
    """seen(fields): the fields that the server got, as {lower name: [values]}, from a client nobody knows."""
    def ask(fields=(), target="/seen"):
        return fields_of(proxy.ask(target, fields=fields))
    return ask


@pytest.fixture
def believed(proxy, believing_port):
    """The same over the listener that believes its clients."""
    def ask(fields=()):
        with pando.raw.Client(("127.0.0.1", believing_port)) as client:
            return fields_of(client.ask("/seen", fields=fields))
    return ask


def fields_of(answer):
    assert answer.status == 200, answer.head
    fields = {}
    for name, value in json.loads(answer.body)["fields"]:
        fields.setdefault(name.lower(), []).append(value)
    return fields


# --- who the client is ---

def test_the_server_learns_of_the_client(seen):
    fields = seen()
    assert fields["x-forwarded-for"] == ["127.0.0.1"]
    assert fields["x-forwarded-proto"] == ["http"]
    assert fields["x-forwarded-host"] == ["shop.example"]
    assert fields["forwarded"] == ['for=127.0.0.1;host="shop.example";proto=http']


FORGED = [
    ("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "7.7.7.7"), ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Port", "443"), ("X-Real-IP", "6.6.6.6"),
    ("Forwarded", "for=6.6.6.6;proto=https"),
]


def test_what_a_stranger_says_of_others_is_dropped(seen):
    fields = seen(FORGED)
    assert fields["x-forwarded-for"] == ["127.0.0.1"]
    assert fields["x-forwarded-proto"] == ["http"]
    assert fields["x-forwarded-host"] == ["shop.example"]
    assert fields["forwarded"] == ['for=127.0.0.1;host="shop.example";proto=http']
    assert "x-real-ip" not in fields and "x-forwarded-port" not in fields


def test_a_believed_peer_is_continued(believed):
    fields = believed([("X-Forwarded-For", "192.0.2.1, 10.1.1.1"), ("X-Forwarded-Proto", "https")])
    assert fields["x-forwarded-for"] == ["192.0.2.1, 10.1.1.1, 127.0.0.1"]
    assert fields["x-forwarded-proto"] == ["https"]
    assert "proto=https" in fields["forwarded"][-1]


def test_a_believed_peer_that_says_nothing(believed):
    fields = believed()
    assert fields["x-forwarded-for"] == ["127.0.0.1"] and fields["x-forwarded-proto"] == ["http"]


def test_the_log_names_the_client_of_a_believed_peer(believed, proxy):
    believed([("X-Forwarded-For", "192.0.2.77")])
    pando.until(lambda: any(line.get("client") == "192.0.2.77" for line in proxy.log_lines()),
                lambda: f"a log line of the client 192.0.2.77 in {proxy.log_lines()[-1]}", 5)


def test_the_port_of_the_host_stays(proxy):
    fields = fields_of(proxy.ask("/seen", fields=[("Host", "shop.example:8080")]))
    assert fields["host"] == ["shop.example:8080"]
    assert fields["x-forwarded-host"] == ["shop.example:8080"]


def test_telling_can_be_turned_off_and_drops_all_the_same(seen):
    fields = seen(FORGED, "/quiet/seen")
    assert not any("forward" in name for name in fields) and "x-real-ip" not in fields
    assert fields["via"] == ["1.1 gate-1"]


def test_via_names_the_version_of_the_client(proxy):
    with proxy.client() as client:
        client.send(b"GET /seen HTTP/1.0\r\nHost: a\r\nVia: 1.1 outer\r\n\r\n")
        assert fields_of(client.answer())["via"] == ["1.1 outer", "1.0 pando"]


@pytest.mark.parametrize("told, left", [("10", "09"), ("1", "0"), ("100", "099"), ("007", "006"), ("x", "x")])
def test_options_count_how_often_they_are_passed_on(proxy, told, left):
    fields = fields_of(proxy.ask("/seen", "OPTIONS", fields=[("Max-Forwards", told)]))
    assert fields["max-forwards"] == [left]


def test_options_that_may_not_be_passed_on_are_answered_here(proxy, server):
    before = len(server.seen("/last"))
    with proxy.client() as client:
        for zero in ("0", "000"):
            answer = client.ask("/last", "OPTIONS", fields=[("Max-Forwards", zero)])
            assert answer.status == 200 and "GET" in answer.get("Allow") and answer.body == b""
        assert fields_of(client.ask("/seen", fields=[("Max-Forwards", "0")]))["max-forwards"] == ["0"]
    assert len(server.seen("/last")) == before


def test_connection_may_not_take_out_what_others_rely_on(proxy):
    """Or a client could hide where it comes from, or its authority."""
    for name in ("X-Forwarded-For", "Forwarded", "Host", "Via", "Content-Length", "Authorization", "Cookie"):
        answer = proxy.ask("/seen", fields=[("Connection", name)])
        assert answer.status == 400, name


# --- traces ---

def test_a_trace_is_created(seen):
    traces = {seen()["traceparent"][0] for _ in range(20)}
    assert len({trace.split("-")[1] for trace in traces}) == 20
    assert all(re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", trace) for trace in traces)


def test_a_trace_is_passed_on_with_a_span_of_ours(seen):
    fields = seen([("traceparent", f"00-{TRACE}-{PARENT}-01"), ("tracestate", "a=1,b=2"), ("baggage", "k=v")])
    version, trace, span, flags = fields["traceparent"][0].split("-")
    assert (version, trace, flags) == ("00", TRACE, "01")
    assert re.fullmatch("[0-9a-f]{16}", span) and span not in (PARENT, "0" * 16)
    assert fields["tracestate"] == ["a=1,b=2"] and fields["baggage"] == ["k=v"]


def test_a_trace_of_a_later_version_is_read_as_far_as_it_is_known(seen):
    assert seen([("traceparent", f"cc-{TRACE}-{PARENT}-01-more")])["traceparent"][0].split("-")[1] == TRACE


@pytest.mark.parametrize("value", [
    f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01", f"ff-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}",
    f"00-{TRACE.upper()}-{PARENT}-01", f"00-{TRACE}-{PARENT}-01-more", f"00-{TRACE[:-1]}g-{PARENT}-01", "", "x"])
def test_a_wrong_trace_is_replaced_and_its_state_dropped(seen, value):
    fields = seen([("traceparent", value), ("tracestate", "a=1")])
    assert len(fields["traceparent"]) == 1
    trace = fields["traceparent"][0].split("-")[1]
    assert trace not in (TRACE, "0" * 32) and re.fullmatch("[0-9a-f]{32}", trace)
    assert "tracestate" not in fields


def test_two_traces_are_none(seen):
    fields = seen([("traceparent", f"00-{TRACE}-{PARENT}-01")] * 2)
    assert len(fields["traceparent"]) == 1 and TRACE not in fields["traceparent"][0]


def test_the_log_has_the_trace(seen, proxy):
    fields = seen(target="/traced")
    assert proxy.log_of("/traced")["trace"] == fields["traceparent"][0].split("-")[1]


# --- which service ---

@pytest.mark.parametrize("host, path, is_other", [
    ("shop.example", "/", False),
    ("other.example", "/", True), ("OTHER.example", "/x", True), ("other.example:80", "/x", True),
    ("other.example.", "/x", False), ("x.other.example", "/x", False),
    ("a.wild.example", "/", True), ("a.b.wild.example", "/", True), ("wild.example", "/", False),
    ("awild.example", "/", False),
    ("any.example", "/deep", True), ("any.example", "/deep/", True), ("any.example", "/deep/x", True),
    ("any.example", "/deep?x", True), ("any.example", "/deepest", False), ("any.example", "/deep/er", False),
    ("any.example", "/deep/er/x", False), ("any.example", "/deep/err", True), ("any.example", "/Deep", False),
    ("shop.example", "/b", True), ("any.example", "/b", False), ("any.example", "/%64eep", False),
])
def test_a_service_is_found_by_host_and_longest_path(proxy, host, path, is_other):
    assert (proxy.ask(path, fields=[("Host", host)]).body == b"other") == is_other


def test_an_absolute_target_is_routed_by_its_own_host(proxy):
    assert proxy.ask("http://other.example/", fields=[("Host", "other.example")]).body == b"other"
