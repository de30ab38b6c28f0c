# SPDX-License-Identifier: Apache-2.0
"""integration/test_cache_compress.py - texts that are kept compressed: what clients are told and given, how often the
server is asked for it, and who is held up."""
import random
import threading
import time
import zlib

import brotli
import pytest
import zstandard

import pando
import raw
from cache_origin import CacheOrigin, cache_status, hit
from pando import until

CODINGS = ("br", "zstd", "gzip")
HTML = ("Content-Type", "text/html; charset=utf-8")
TEXT = b"".join(b"<li class=\"item\">number %d of the list</li>\n" % i for i in range(2000))


def decode(coding, body):
    if coding in (None, "identity"):
        return body
    if coding == "br":
        return brotli.decompress(body)
    if coding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    whole = zlib.decompressobj(31)
    text = whole.decompress(body) + whole.flush()
    assert whole.eof and not whole.unused_data
    return text


@pytest.fixture
def origin():
    with CacheOrigin() as server:
        yield server


def config_of(server, rules=({"path": "/", "compress": True},), **cache):
    return {"services": {"shop": {"targets": [server.address],
                                  "cache": {"memory": "64MiB", "rules": list(rules), **cache}}}}


def accept(*codings):
    return [("Accept-Encoding", ", ".join(codings))] if codings else []


def text_page(origin, path="/a", **how):
    how = {"cache": "max-age=600", "body": TEXT, "headers": (HTML,), "etag": '"v1"', **how}
    return origin.page(path, **how)


# --- what clients get ---


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("chunk", (0, 700), ids=("length", "chunked"))
def test_a_text_is_kept_compressed(start, origin, coding, chunk):
    proxy = start(config_of(origin))
    text_page(origin, chunk=chunk, vary="Foo")
    first = proxy.ask("/a", fields=accept(coding))
    again = proxy.ask("/a", fields=accept(coding))
    for answer in (first, again):
        assert answer.get("Content-Encoding") == coding
        assert decode(coding, answer.body) == TEXT
        assert [name.strip().lower() for name in answer.get("Vary").split(",")] == ["foo", "accept-encoding"]
        assert answer.get("ETag") == f'W/"v1-{coding}"'
        assert answer.get("Content-Type") == HTML[1]
    assert hit(again) and again.get("Content-Length") == str(len(again.body))
    assert first.body == again.body and len(again.body) < len(TEXT) / 5
    assert origin.count("/a") == 1


def test_each_coding_has_its_own_tag_and_is_made_once(start, origin):
    proxy = start(config_of(origin))
    text_page(origin)
    tags = set()
    for _ in range(3):
        for coding in CODINGS:
            answer = proxy.ask("/a", fields=accept(coding, "deflate", "x-new"))
            assert answer.get("Content-Encoding") == coding and decode(coding, answer.body) == TEXT
            tags.add(answer.get("ETag"))
    assert len(tags) == 3
    assert origin.count("/a") == 3


def test_what_else_a_client_accepts_makes_no_variant(start, origin):
    proxy = start(config_of(origin))
    text_page(origin, vary="Accept-Encoding")
    for fields in ("br", "gzip, br", "zstd, gzip, deflate, br", "br;q=1.0, gzip;q=0.8, *;q=0.1", "*"):
        answer = proxy.ask("/a", fields=accept(fields))
        assert answer.get("Content-Encoding") == "br" and answer.get("Vary") == "Accept-Encoding"
    assert origin.count("/a") == 1


@pytest.mark.parametrize("fields, coding", [
    ((), None),
    (("identity",), None),
    (("deflate",), None),
    (("br;q=0", "gzip"), "gzip"),
    (("br;q=0", "zstd;q=0", "gzip;q=0"), None),
    (("gzip;q=1", "br;q=0.5"), "gzip"),
    (("identity", "br;q=0.5"), None),
    (("gzip;q=0.5",), "gzip"),
    (("*;q=0",), None),
    (("x-gzip",), "gzip"),
    (("br;q=0.2", "zstd;q=0.3", "*;q=0.1"), "zstd"),
], ids=str)
def test_the_client_chooses(start, origin, fields, coding):
    proxy = start(config_of(origin))
    text_page(origin)
    for _ in range(2):
        answer = proxy.ask("/a", fields=accept(*fields))
        assert answer.get("Content-Encoding") == coding
        assert decode(coding, answer.body) == TEXT
        assert answer.get("Vary") == "Accept-Encoding"
        assert answer.get("ETag") == (f'W/"v1-{coding}"' if coding else '"v1"')
    assert origin.count("/a") == 1


@pytest.mark.parametrize("name, how", [
    ("small", {"body": TEXT[:255]}),
    ("image", {"headers": (("Content-Type", "image/png"),)}),
    ("woff", {"headers": (("Content-Type", "font/woff2"),)}),
    ("no type", {"headers": ()}),
    ("no-transform", {"cache": "max-age=600, no-transform"}),
    ("coded already", {"headers": (HTML, ("Content-Encoding", "x-own"))}),
    ("not found", {"status": 404}),
    ("empty", {"body": b""}),
])
def test_the_rest_is_kept_as_it_came(start, origin, name, how):
    proxy = start(config_of(origin))
    page = text_page(origin, **how)
    for _ in range(2):
        answer = proxy.ask("/a", fields=accept("br", "gzip"))
        assert answer.body == page.body
        assert answer.get("Content-Encoding") == dict(page.headers).get("Content-Encoding")
        assert answer.get("ETag") == '"v1"' and answer.get("Vary") is None
    assert origin.count("/a") == 1


def test_only_where_the_rule_says_so(start, origin):
    proxy = start(config_of(origin, rules=[{"path": "/static", "compress": True}]))
    text_page(origin, "/a")
    text_page(origin, "/static/a")
    assert proxy.ask("/a", fields=accept("br")).body == TEXT
    assert proxy.ask("/static/a", fields=accept("br")).get("Content-Encoding") == "br"


def test_what_is_not_kept_passes_as_it_came(start, origin):
    proxy = start(config_of(origin))
    text_page(origin, cache="no-store")
    for _ in range(2):
        answer = proxy.ask("/a", fields=accept("br"))
        assert answer.body == TEXT and answer.get("ETag") == '"v1"' and answer.get("Content-Encoding") is None


def test_the_server_is_asked_for_the_one_coding(start, origin):
    proxy = start(config_of(origin))
    text_page(origin)
    proxy.ask("/a", fields=accept("gzip", "br", "zstd;q=0.5"))
    assert origin.seen("/a")[0].all("Accept-Encoding") == ["br"]


# --- from the copy that is kept ---


def test_a_copy_without_coding_is_coded_in_place_of_asking(start, origin):
    proxy = start(config_of(origin))
    text_page(origin, cache="max-age=600, public", headers=(HTML, ("Age", "100")))
    assert proxy.ask("/a").body == TEXT
    for coding in CODINGS:
        answer = proxy.ask("/a", fields=accept(coding))
        assert decode(coding, answer.body) == TEXT and answer.get("ETag") == f'W/"v1-{coding}"'
        assert answer.get("Vary") == "Accept-Encoding"
        assert hit(answer) and 100 <= int(answer.get("Age")) < 130
    assert origin.count("/a") == 1


def test_a_small_copy_and_a_large_one(start, origin):
    proxy = start(config_of(origin))
    for path, body in (("/small", TEXT[:1000]), ("/large", TEXT * 8)):
        text_page(origin, path, body=body)
        assert proxy.ask(path).body == body
        assert decode("zstd", proxy.ask(path, fields=accept("zstd")).body) == body
        assert origin.count(path) == 1


def test_a_request_that_wants_the_server_asks_it(start, origin):
    proxy = start(config_of(origin))
    text_page(origin)
    proxy.ask("/a")
    proxy.ask("/a", fields=[*accept("br"), ("Cache-Control", "no-cache")])
    assert origin.count("/a") == 2


# --- conditions, parts, HEAD ---


@pytest.mark.parametrize("coding", CODINGS)
def test_304_by_the_tag_of_the_coding(start, origin, coding):
    proxy = start(config_of(origin))
    text_page(origin)
    tag = proxy.ask("/a", fields=accept(coding)).get("ETag")
    answer = proxy.ask("/a", fields=[*accept(coding), ("If-None-Match", tag)])
    assert answer.status == 304 and answer.get("ETag") == tag and answer.get("Vary") == "Accept-Encoding"
    other = proxy.ask("/a", fields=[*accept(coding), ("If-None-Match", '"v1"')])
    assert other.status == 200 and decode(coding, other.body) == TEXT
    assert origin.count("/a") == 1


def test_without_a_tag_each_coding_gets_its_own(start, origin):
    proxy = start(config_of(origin))
    text_page(origin, etag="")
    tags = []
    for coding in ("br", "gzip", ""):
        proxy.ask("/a", fields=accept(coding or "identity"))
        answer = proxy.ask("/a", fields=accept(coding or "identity"))
        tags.append(answer.get("ETag"))
        asked = [*accept(coding or "identity"), ("If-None-Match", tags[-1])]
        assert proxy.ask("/a", fields=asked).status == 304
    assert len(set(tags)) == 3


def test_parts_of_what_was_coded_are_not_given(start, origin):
    """Coded once more it may be other bytes, so parts of the two would not fit."""
    proxy = start(config_of(origin))
    text_page(origin, headers=(HTML, ("Accept-Ranges", "bytes")))
    whole = proxy.ask("/a", fields=accept("br"))
    part = proxy.ask("/a", fields=[*accept("br"), ("Range", "bytes=0-9")])
    assert part.status == 200 and part.body == whole.body
    assert whole.get("Accept-Ranges") is None
    tagged = proxy.ask("/a", fields=[*accept("br"), ("Range", "bytes=0-9"), ("If-Range", whole.get("ETag"))])
    assert tagged.status == 200 and tagged.body == whole.body
    proxy.ask("/a")
    plain = proxy.ask("/a", fields=[("Range", "bytes=0-9"), ("If-Range", '"v1"')])
    assert plain.status == 206 and plain.body == TEXT[:10]


def test_digests_of_the_other_bytes_go(start, origin):
    proxy = start(config_of(origin))
    text_page(origin, headers=(HTML, ("Repr-Digest", "sha-256=:AAAA:"), ("Content-MD5", "AAAA"), ("X-Own", "1")))
    answer = proxy.ask("/a", fields=accept("br"))
    assert answer.get("Repr-Digest") is None and answer.get("Content-MD5") is None and answer.get("X-Own") == "1"
    assert proxy.ask("/a").get("Repr-Digest") is not None


def test_head_says_the_same(start, origin):
    proxy = start(config_of(origin))
    text_page(origin)
    proxy.ask("/a", fields=accept("br"))
    got = proxy.ask("/a", fields=accept("br"))
    head = proxy.ask("/a", method="HEAD", fields=accept("br"))
    for name in ("Content-Encoding", "Content-Length", "ETag", "Vary", "Content-Type"):
        assert head.get(name) == got.get(name), name


@pytest.mark.parametrize("renewed", ((), (("Vary", "Foo"),), (("Repr-Digest", "sha-256=:AAAA:"),)),
                         ids=("nothing", "vary", "digest"))
def test_a_304_keeps_the_coded_body(start, origin, renewed):
    proxy = start(config_of(origin))
    page = text_page(origin, cache="max-age=1")
    first = proxy.ask("/a", fields=accept("gzip"))
    time.sleep(2.1)
    page.headers = (HTML, *renewed)
    page.cache = "max-age=600"
    again = proxy.ask("/a", fields=accept("gzip"))
    assert origin.seen("/a")[1].get("If-None-Match") == '"v1"'
    assert cache_status(again).get("fwd-status") == "304"
    third = proxy.ask("/a", fields=accept("gzip"))
    for answer in (again, third):
        assert answer.body == first.body and answer.get("Content-Encoding") == "gzip"
        assert answer.get("ETag") == 'W/"v1-gzip"' and answer.get("Vary").endswith("Accept-Encoding")
        assert answer.get("Repr-Digest") is None
    assert hit(third) and origin.count("/a") == 2


def test_a_change_at_the_server_is_coded_anew(start, origin):
    proxy = start(config_of(origin))
    page = text_page(origin, cache="max-age=1")
    proxy.ask("/a", fields=accept("br"))
    time.sleep(2.1)
    page.etag, page.body = '"v2"', TEXT[::-1]
    answer = proxy.ask("/a", fields=accept("br"))
    assert decode("br", answer.body) == TEXT[::-1] and answer.get("ETag") == 'W/"v2-br"'


def test_a_weak_tag_stays_the_servers(start, origin):
    proxy = start(config_of(origin))
    text_page(origin, cache="max-age=1", etag='W/"v-1"')
    assert proxy.ask("/a", fields=accept("br")).get("ETag") == 'W/"v-1-br"'
    time.sleep(2.1)
    assert proxy.ask("/a", fields=accept("br")).get("ETag") == 'W/"v-1-br"'
    assert origin.seen("/a")[1].get("If-None-Match") == 'W/"v-1"'


# --- bodies that come slowly, break, or are large ---


@pytest.mark.parametrize("coding", CODINGS)
def test_what_has_come_is_not_held_back(start, origin, coding):
    proxy = start(config_of(origin))
    gate = threading.Event()
    text_page(origin, chunk=1000, middle=gate)
    with proxy.client() as client:
        client.send(raw.request("/a", fields=accept(coding)))
        seen = b""

        def half_can_be_read():
            nonlocal seen
            seen += client.sock.recv(65536)
            body = seen.partition(b"\r\n\r\n")[2]
            return len(readable(coding, unchunked(body))) == len(TEXT) // 2
        until(half_can_be_read, "half of the body at the client")
        gate.set()
        while not seen.endswith(b"\r\n0\r\n\r\n"):
            seen += client.sock.recv(65536)
        assert decode(coding, unchunked(seen.partition(b"\r\n\r\n")[2])) == TEXT
    assert proxy.ask("/a", fields=accept(coding)).get("Content-Length") is not None
    assert origin.count("/a") == 1


def unchunked(body):
    """The bytes of all chunks that are there whole."""
    out = b""
    while (end := body.find(b"\r\n")) > 0:
        size = int(body[:end], 16)
        if len(body) < end + 4 + size:
            break
        out += body[end + 2:end + 2 + size]
        body = body[end + 4 + size:]
    return out


def readable(coding, body):
    if coding == "br":
        return brotli.Decompressor().process(body)
    whole = zstandard.ZstdDecompressor().decompressobj() if coding == "zstd" else zlib.decompressobj(31)
    return whole.decompress(body)


@pytest.mark.parametrize("coding", CODINGS)
def test_half_a_body_is_not_kept_and_not_given_as_whole(start, origin, coding):
    proxy = start(config_of(origin))
    page = text_page(origin, half=True)
    with pytest.raises(Exception):
        proxy.ask("/a", fields=accept(coding))
    page.half = False
    assert decode(coding, proxy.ask("/a", fields=accept(coding)).body) == TEXT
    assert origin.count("/a") == 2


def test_a_crowd_gets_one_compressed_body(start, origin):
    proxy = start(config_of(origin))
    gate = threading.Event()
    text_page(origin, before=gate)
    answers = []
    crowd = [threading.Thread(target=lambda: answers.append(proxy.ask("/a", fields=accept("br")))) for _ in range(20)]
    for thread in crowd:
        thread.start()
    until(lambda: origin.count("/a") == 1, "a request at the server")
    time.sleep(0.2)
    gate.set()
    for thread in crowd:
        thread.join()
    assert [decode("br", answer.body) == TEXT for answer in answers] == [True] * 20
    assert origin.count("/a") == 1


def test_a_large_body_does_not_hold_up_others(start, origin):
    """20 MiB are compressed a piece at a time: others are answered meanwhile, on the same worker."""
    proxy = start({"workers": 1, **config_of(origin)})
    body = TEXT * (20 * 1024 * 1024 // len(TEXT))
    text_page(origin, "/large", body=body, chunk=60000)
    text_page(origin, "/small")
    proxy.ask("/small", fields=accept("br"))
    large, begun = [], threading.Event()

    def read_large():
        with proxy.client() as client:
            client.send(raw.request("/large", fields=accept("gzip")))
            while not b"".join(large[-2:]).endswith(b"\r\n0\r\n\r\n"):
                large.append(client.sock.recv(65536))
                assert large[-1], "the connection ended early"
                begun.set()
    thread = threading.Thread(target=read_large)
    thread.start()
    assert begun.wait(pando.PATIENCE_S * 3)
    progress = set()
    with proxy.client() as client:
        while thread.is_alive():
            assert hit(client.ask("/small", fields=accept("br")))
            progress.add(len(large))
    thread.join()
    assert decode("gzip", unchunked(b"".join(large).partition(b"\r\n\r\n")[2])) == body
    assert len(progress) >= 5, "nobody was answered while the large body was being compressed"


def test_an_answer_too_large_to_be_kept_passes(start, origin):
    proxy = start(config_of(origin, **{"object-bytes": "64KiB"}))
    text_page(origin, body=TEXT)
    answer = proxy.ask("/a", fields=accept("br"))
    assert answer.body == TEXT and answer.get("Content-Encoding") is None
    noise = random.Random(1).randbytes(400_000)
    text_page(origin, "/unknown", body=noise, chunk=5000)
    assert decode("br", proxy.ask("/unknown", fields=accept("br")).body) == noise
