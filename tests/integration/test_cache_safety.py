# SPDX-License-Identifier: Apache-2.0
"""integration/test_cache_safety.py - attempts to make the cache give somebody what was made for another.

Two tables. A Poison row: attackers ask first, in a way that makes the server say something bad ("evil"), and then
the victim asks: the answer is the one that the server gives to exactly the victim's request, without a trace of
them. Each is tried on a cold key and on one that the victim had fetched before. A Leak row: somebody is given what
is his alone ("secret"), and then others ask, who must not see it.

The server is as bad as servers are: it reflects into body and fields whatever it saw, believes every field that
some framework believes, and says `Cache-Control: max-age=60` to all. What it says, and to what, is in the row. What
a server does with fields of no special meaning (it reflects X-Anything and does not say Vary) no cache can know,
and no row is about it.

In a row's text {host} stands for a host of its own. All attempts are known ones, told in our words; where they come
from: web cache poisoning and deception (unkeyed fields, path confusion, parameter cloaking, fat GET), CPDoS (error
pages made by oversize, meta-character and method-override fields), RangeAmp, and the rules of RFC 9110 to 9112.
"""
import contextlib
import dataclasses
import email.utils
import itertools
import json
import time

import pytest

import origins
import pando
import raw
from cache_origin import hit
from pando import until

FRESH = [("Cache-Control", "max-age=60")]
PUBLIC = [("Cache-Control", "public, max-age=60")]
OLD = [("Last-Modified", "Wed, 01 Jan 2020 00:00:00 GMT")]


def ask(line, *fields, body="", host="{host}"):
    """The text of a request. `line`: a target, or a whole request line."""
    start = line if " HTTP/" in line else f"GET {line} HTTP/1.1"
    hosts = [f"Host: {host}"] if host is not None else []
    return "\r\n".join([start, *hosts, *fields, "", body])


# ---- the server ----

class Reflector(origins.Origin):
    """Answers with a JSON of all that it saw, and as the row that is tried says."""

    def __init__(self):
        super().__init__()
        self.says = FRESH
        self.default = self._reflect

    def _reflect(self, exchange):
        request = exchange.request
        says = self.says(request) if callable(self.says) else self.says
        if says is None:
            return exchange.close()
        if isinstance(says, bytes):
            return exchange.send(says)
        status, fields = says if isinstance(says, tuple) else (200, says)
        saw = {"method": request.method, "target": request.target, "host": request.get("Host"),
               "fields": [[name.lower(), value] for name, value in request.fields],
               "body": request.body.decode("latin-1"), "trailers": request.trailers}
        believed = " ".join(value for name, value in request.fields if "evil" in value.lower())
        more = [("X-Reflected", believed.encode("ascii", "replace").decode())] if believed else []
        if not any(name == "Date" for name, _ in fields):
            more.append(("Date", email.utils.formatdate(usegmt=True)))
        return exchange.answer(status, [*fields, *more], json.dumps(saw).encode())


@pytest.fixture(scope="module")
def server():
    with Reflector() as server:
        yield server


@pytest.fixture(scope="module")
def proxy(io, server):
    with pando.running({"log": {"access": False}, "services": {
            "all": {"targets": [server.address], "cache": {"memory": "16MiB"},
                    "upstream": {"answer-timeout": "2s"}}}}, io) as proxy:
        yield proxy


HOSTS = itertools.count(1)


@pytest.fixture
def host():
    return f"row{next(HOSTS)}.test"


def send(proxy, text, host):
    """One request on a connection of its own; its answer, or None if the connection ended instead of one."""
    data = text if isinstance(text, bytes) else text.encode("latin-1")
    data = data.replace(b"{host}", host.encode()).replace(b"{HOST}", host.upper().encode())
    with proxy.client() as client, contextlib.suppress(raw.Ended, ConnectionResetError, BrokenPipeError):
        client.send(data)
        return client.answer(data.split(b" ", 1)[0].decode("latin-1"))
    return None


def has(answer, mark):
    return answer is not None and mark in (answer.head + answer.body + repr(answer.trailers).encode()).lower()


def test_the_cache_is_there(proxy, server, host):
    """Or everything below would hold for nothing."""
    server.says = FRESH
    first, second = (send(proxy, ask("/page"), host) for _ in range(2))
    assert not hit(first) and hit(second) and first.body == second.body


# ---- poison ----

@dataclasses.dataclass
class Poison:
    name: str
    why: str
    attacks: list
    victim: str = ask("/page")
    says: object = None             # fields of a 200; or a function of the request: those, (status, fields), bytes
    attack_status: int = None       # what all attacks must be answered with, if that is a promise
    expects: object = None          # of what the server saw: more that must hold


# Fields by which frameworks are told another URL, host, scheme or method than the request line's. Pando replaces
# some of them; whatever else it does, their answers are for nobody else.
BELIEVED = [
    ("X-Forwarded-Host", "evil.test"), ("X-Forwarded-Proto", "evil"), ("X-Forwarded-Scheme", "evil"),
    ("X-Forwarded-Port", "6666evil"), ("X-Forwarded-For", "evil"), ("X-Forwarded-Server", "evil.test"),
    ("X-Forwarded-Prefix", "/evil"), ("X-Forwarded-Ssl", "evil"), ("X-Real-IP", "evil"),
    ("Forwarded", "for=evil;host=evil.test;proto=evil"), ("X-Host", "evil.test"), ("X-HTTP-Host-Override", "evil.test"),
    ("X-Original-Host", "evil.test"), ("X-Original-URL", "/evil"), ("X-Rewrite-URL", "/evil"),
    ("X-HTTP-Method-Override", "EVIL"), ("X-HTTP-Method", "EVIL"), ("X-Method-Override", "EVIL"),
    ("Surrogate-Capability", 'evil="Surrogate/1.0"'), ("Pando-Session", "evil"),
]


def errors_of(status, condition, fields=()):
    """The server answers so what fulfils the condition."""
    return lambda request: (status, list(fields)) if condition(request) else FRESH


def is_large(request):
    return len(request.head) > 4000


def is_odd(request):
    return any(ord(character) > 126 or character in "\t^`" for _, value in request.fields for character in value)


def overrides(request):
    return any("method" in name.lower() for name, _ in request.fields)


def by_language(request):
    """A page in the language that was asked for, and honest about it."""
    return [*FRESH, ("Vary", "Accept-Language"), ("X-Language", ", ".join(request.all("Accept-Language")) or "none")]


def ranges(request):
    """A server of parts, each with its lifetime."""
    wanted = request.get("Range")
    if wanted is None:
        return FRESH
    if "9999" in wanted:
        return 416, [*FRESH, ("Content-Range", "bytes */1000")]
    if "," in wanted:
        return 206, [*FRESH, ("Content-Type", "multipart/byteranges; boundary=evil")]
    return raw.head("HTTP/1.1 206 X", [*FRESH, ("Content-Range", "bytes 0-3/1000"), ("Content-Length", "4")]) + b"evil"


def conditions(request):
    """304 and 412, with a lifetime."""
    if request.all("If-None-Match") or request.all("If-Modified-Since"):
        return 304, [*FRESH, ("ETag", '"a"'), ("X-Reflected", "evil")]
    if request.all("If-Match") or request.all("If-Unmodified-Since"):
        return 412, FRESH
    return [*FRESH, ("ETag", '"a"')]


def poison_rows():
    yield from (Poison(f"believed: {name}", "a field that servers believe is not in the key",
                       [ask("/page", f"{name}: {value}")]) for name, value in BELIEVED)
    yield Poison("believed: twice", "one of two equal fields is looked at, the other believed",
                 [ask("/page", "X-Forwarded-Host: {host}", "X-Forwarded-Host: evil.test")])
    yield Poison("believed: underscore", "servers that make variables of fields take _ and - for one",
                 [ask("/page", "X_Forwarded_Host: evil.test")])
    yield Poison("redirect by scheme", "told of http, the server sends everybody to https: a loop for all",
                 [ask("/page", "X-Forwarded-Scheme: evil"), ask("/page", "X-Forwarded-Proto: evil")],
                 says=lambda r: (301, [*FRESH, ("Location", "https://{host}/page")])
                 if any("evil" in value for _, value in r.fields) else FRESH)

    # --- the path: the key is what is forwarded, byte for byte ---
    for name, attack, victim in [
            ("encoded slash", "/a%2fpage", "/a/page"), ("encoded dot", "/%2e/page", "/page"),
            ("dot segment", "/evil/../page", "/page"), ("encoded dot segment", "/evil/..%2fpage", "/page"),
            ("double slash", "//page", "/page"), ("slash dot", "/./page", "/page"),
            ("slash at the end", "/page/", "/page"),
            ("semicolon", "/page;evil", "/page"), ("encoded question mark", "/page%3fevil", "/page"),
            ("encoded hash", "/page%23evil", "/page"), ("hash", "/page#evil", "/page"),
            ("encoded newline", "/page%0aevil", "/page"), ("encoded zero", "/page%00evil", "/page"),
            ("backslash", "/evil\\..\\page", "/page"), ("encoded backslash", "/evil%5c..%5cpage", "/page"),
            ("letter case", "/PAGE", "/page"), ("case of an escape", "/%2Fpage", "/%2fpage"),
            ("encoded letter", "/%70age", "/page"), ("encoded percent", "/%2570age", "/%70age"),
            ("overlong", "/page%c0%afevil", "/page"), ("tab", "/page\tevil", "/page"),
            ("bytes over 127", "/page\xa0evil", "/page"), ("wrong escape", "/page%", "/page"),
            ("another key in the path", "/page HTTP/1.1\\r\\nHost: evil", "/page")]:
        yield Poison(f"path: {name}", "two paths that a server takes for one, or that a careless key makes one",
                     [ask(f"GET {attack} HTTP/1.1")], ask(victim))

    # --- the query ---
    for name, attack, victim in [
            ("semicolon", "/page?a=1;b=evil", "/page?a=1"), ("twice", "/page?a=1&a=evil", "/page?a=1"),
            ("twice, first", "/page?a=evil&a=1", "/page?a=1"), ("utm", "/page?a=1&utm_source=evil", "/page?a=1"),
            ("utm cloaks", "/page?a=1&utm_content=x;a=evil", "/page?a=1&utm_content=x"),
            ("empty query", "/page?", "/page"), ("only utm", "/page?utm_source=evil", "/page"),
            ("order", "/page?b=evil&a=1", "/page?a=1"), ("encoded name", "/page?%61=evil", "/page?a=1"),
            ("encoded ampersand", "/page?a=1%26b=evil", "/page?a=1"), ("question marks", "/page??a=evil", "/page?a=1"),
            ("in the path", "/page%3fa=1", "/page?a=1"), ("letter case", "/page?A=evil", "/page?a=1"),
            ("empty parameter", "/page?a=1&", "/page?a=1"), ("array", "/page?a[]=evil", "/page?a=1"),
            ("cache buster", "/page?_=evil", "/page"), ("jsonp", "/page?callback=evil", "/page")]:
        yield Poison(f"query: {name}", "a parameter that the server sees and a key leaves out, or splits otherwise",
                     [ask(attack)], ask(victim))

    # --- requests with a body ---
    fat = "callback=evil&a=evil"
    yield Poison("fat GET", "servers that read parameters of a GET from its body",
                 [ask("/page", f"Content-Length: {len(fat)}", body=fat)])
    yield Poison("fat GET, chunked", "the same, without a length",
                 [ask("/page", "Transfer-Encoding: chunked", body=f"{len(fat):x}\r\n{fat}\r\n0\r\n\r\n")])
    yield Poison("fat GET, form", "the same, as a form", [ask("/page",
                                                              "Content-Type: application/x-www-form-urlencoded",
                                                            f"Content-Length: {len(fat)}", body=fat)])
    yield Poison("fat HEAD", "a body where nobody looks for it",
                 [ask("HEAD /page HTTP/1.1", f"Content-Length: {len(fat)}", body=fat)])
    yield Poison("request trailer", "fields after the body, merged by the server",
                 [ask("/page", "Transfer-Encoding: chunked", "Trailer: X-Forwarded-Host",
                      body="1\r\nx\r\n0\r\nX-Forwarded-Host: evil.test\r\nHost: evil.test\r\nCookie: evil\r\n\r\n")])

    # --- the host ---
    for name, attack in [("port", "{host}:1337"), ("usual port", "{host}:80"), ("capitals", "{HOST}"),
                         ("dot at the end", "{host}."), ("leading zeros", "{host}:0080")]:
        yield Poison(f"host: {name}", "the server makes links of the Host that it sees; the key forgives more",
                     [ask("/page", host=attack)])
    for name, text in [
            ("two of them", ask("/page", "Host: evil.test")), ("two, first",
                                                               ask("/page", "Host: {host}", host="evil.test")),
            ("two, equal but for case", ask("/page", "host: EVIL.test")),
            ("absolute target", ask("GET http://evil.test/page HTTP/1.1")),
            ("absolute target, other way", ask("GET http://{host}/page HTTP/1.1", host="evil.test")),
            ("absolute with user", ask("GET http://evil@{host}/page HTTP/1.1")),
            ("user", ask("/page", host="evil@{host}")), ("path", ask("/page", host="{host}/evil")),
            ("blank", ask("/page", host="{host} evil")), ("comma", ask("/page", host="{host}, evil.test")),
            ("quote", ask("/page", host='{host}"><evil>')), ("port is no number", ask("/page", host="{host}:evil")),
            ("escape", ask("/page", host="{host}%2eevil")), ("none", ask("/page", host=None)),
            ("folded", ask("/page", " evil.test")), ("blank before colon", ask("/page", "Host : evil.test")),
            ("another scheme", ask("GET evil://{host}/page HTTP/1.1"))]:
        yield Poison(f"host: {name}", "two parsers could read two hosts: refused before anything is asked", [text],
                     attack_status=400)

    # --- error pages that an attacker can cause ---
    big = "x" * 9000
    for status, fields in [(400, []), (400, OLD), (431, []), (431, FRESH), (413, FRESH), (502, []), (500, OLD),
                           (404, [])]:
        said = ", ".join(f"{name}: {value}" for name, value in fields) or "nothing more"
        yield Poison(f"oversize header: {status}, {said}", "a head that the cache takes and the server refuses",
                     [ask("/page", f"X-Oversize: {big}evil"), ask("/page", *(f"X-{i}: {'y' * 90}" for i in range(80)))],
                     says=errors_of(status, is_large, fields))
    yield Poison("oversize header: for us", "over our own limits: the refusal is not kept",
                 [ask("/page", f"X-Oversize: {'x' * 100_000}"), ask("/page", *(f"X-{i}: y" for i in range(200)))])
    yield Poison("oversize cookie", "cookies are fields, too", [ask("/page", f"Cookie: a={big}")],
                 says=errors_of(400, is_large))
    for name, value in [("control", "\x01"), ("delete", "\x7f"), ("bell", "\x07"), ("obs-text", "\xff"),
                        ("tab", "a\tb"),
                        ("newline", "a\nb"), ("return", "a\rb"), ("zero", "a\x00b"), ("caret", "^`")]:
        yield Poison(f"meta character: {name}", "a byte that one takes and the other refuses",
                     [ask("/page", f"X-Meta: {value}")], says=errors_of(400, is_odd))
    for name, status in [("X-HTTP-Method-Override", 404), ("X-HTTP-Method", 405), ("X-Method-Override", 501)]:
        yield Poison(f"method override: {name}", "the server treats the GET as another method, and fails lastingly",
                     [ask("/page", f"{name}: POST"), ask("/page", f"{name}: DELETE")],
                     says=errors_of(status, overrides, FRESH))
    yield Poison("unknown expectation", "417 is for the one who expected",
                 [ask("/page", "Expect: evil")], says=errors_of(417, lambda r: r.all("Expect"), FRESH))
    yield Poison("only-if-cached", "504 of our own is for the one who asked so",
                 [ask("/page", "Cache-Control: only-if-cached")])
    yield Poison("errors without a lifetime", "a server that stumbles once",
                 [ask("/page", "X-Stumble: 1")], says=errors_of(503, lambda r: r.all("X-Stumble")))
    yield Poison("the server dies", "502 of our own is for the one who met it",
                 [ask("/page", "X-Die: 1")], says=lambda r: None if r.all("X-Die") else FRESH)
    yield Poison("Upgrade", "what was said to one who wanted to speak otherwise",
                 [ask("/page", "Connection: Upgrade", "Upgrade: evil"),
                  ask("/page", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: evil")])
    yield Poison("Max-Forwards", "TRACE and OPTIONS that we answer ourselves", [
        ask("OPTIONS /page HTTP/1.1", "Max-Forwards: 0"), ask("TRACE /page HTTP/1.1", "X-Evil: evil")])

    # --- methods ---
    for method in ("HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "EVIL", "get", "Get", "GETT", "QUERY", "PURGE"):
        length = ["Content-Length: 4"] if method in ("POST", "PUT", "PATCH", "QUERY") else []
        yield Poison(f"method: {method}", "only what was said to GET is kept, and methods have a case",
                     [ask(f"{method} /page HTTP/1.1", "X-Host: evil", *length, body="evil" if length else "")])

    # --- parts and conditions ---
    for name, value in [("a part", "bytes=0-3"), ("beyond", "bytes=9999-"), ("several", "bytes=0-1,4-5"),
                        ("the end", "bytes=-4"), ("all", "bytes=0-"), ("another unit", "evil=0-3")]:
        yield Poison(f"range: {name}", "206 and 416 are no answers to those who asked for no part",
                     [ask("/page", f"Range: {value}")], says=ranges)
    yield Poison("range: If-Range", "a date or tag that always fits",
                 [ask("/page", "Range: bytes=0-3", 'If-Range: "a"')], says=ranges)
    yield Poison("range: unasked", "a server that sends a part to one who wanted all",
                 [ask("/page", "X-Evil: 1")],
                 says=lambda r: (206, [*FRESH, ("Content-Range", "bytes 0-3/1000")]) if r.all("X-Evil") else FRESH)
    for name, fields in [("If-None-Match", ['If-None-Match: "a"']), ("If-None-Match: *", ["If-None-Match: *"]),
                         ("If-Modified-Since", ["If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"]),
                         ("If-Match", ['If-Match: "evil"']),
                         ("If-Unmodified-Since", ["If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT"])]:
        yield Poison(f"condition: {name}", "304 and 412 without a kept answer are the asker's alone, and say nothing "
                     "of what others may see", [ask("/page", *fields)], says=conditions)

    # --- fields that Connection names ---
    for name in ("X-Host", "Cache-Control", "Cookie", "Authorization", "Host", "X-Forwarded-For", "Range", "close",
                 "Vary",
                 "If-None-Match", "X-Forwarded-Host", "Content-Length", "Transfer-Encoding", "Pando-Session"):
        yield Poison(f"connection: {name}", "a client takes out of its request what the next one relies on",
                     [ask("/page", f"Connection: {name}", "X-Host: evil", "Cookie: evil=1")])
    yield Poison("connection: takes a variant's field out", "the server saw another request than the key tells",
                 [ask("/page", "Accept-Language: de", "Connection: Accept-Language")],
                 ask("/page", "Accept-Language: de"),
                 says=by_language, expects=lambda saw: ["accept-language", "de"] in saw["fields"])

    # --- variants ---
    yield Poison("vary: another language", "each gets his own",
                 [ask("/page", "Accept-Language: evil"), ask("/page", "Accept-Language: de, evil;q=0.5"), ask("/page")],
                 ask("/page", "Accept-Language: de"), says=by_language,
                 expects=lambda saw: ["accept-language", "de"] in saw["fields"])
    yield Poison("vary: missing and empty", "are two requests", [ask("/page", "Accept-Language:")], ask("/page"),
                 says=by_language, expects=lambda saw: not any(name == "accept-language" for name, _ in saw["fields"]))
    yield Poison("vary: two lines", "joined they are one value, not the first",
                 [ask("/page", "Accept-Language: de", "Accept-Language: evil")], ask("/page", "Accept-Language: de"),
                 says=by_language)
    yield Poison("vary: *", "nobody but the server knows", [ask("/page", "X-Anything: evil")],
                 says=[*PUBLIC, ("Vary", "*")])
    yield Poison("vary: * in a list", "the same", [ask("/page", "X-Anything: evil")],
                 says=[*PUBLIC, ("Vary", "Accept, *")])
    yield Poison("vary: two lines of names", "both count", [ask("/page", "X-Anything: evil")],
                 says=[*FRESH, ("Vary", "Accept"), ("Vary", "X-Anything")])
    yield Poison("vary: names without end", "more than can be looked at",
                 [ask("/page", "X-Anything: evil")],
                 says=[*FRESH, ("Vary", ", ".join(f"X-{i}" for i in range(300)) + ", X-Anything")])
    yield Poison("vary: malformed", "read with care, or not at all", [ask("/page", "X-Anything: evil")],
                 says=[*FRESH, ("Vary", "X-Anything; (")])
    yield Poison("vary: changes", "the server says it on its second answer only",
                 [ask("/page"), ask("/page", "Cache-Control: no-cache", "X-Anything: evil")],
                 says=lambda r: [*FRESH, ("Vary", "X-Anything")] if r.all("X-Anything") else FRESH)

    # --- framing that two could read in two ways: none of it is passed on as one request that is two ---
    smuggled = "GET /page HTTP/1.1\r\nHost: {host}\r\nX-Host: evil\r\n\r\n"
    for name, fields, body in [
            ("length and coding", ["Content-Length: 4", "Transfer-Encoding: chunked"], "0\r\n\r\n" + smuggled),
            ("two lengths", ["Content-Length: 0", f"Content-Length: {len(smuggled)}"], smuggled),
            ("list of lengths", [f"Content-Length: 0, {len(smuggled)}"], smuggled),
            ("signed length", ["Content-Length: +0"], smuggled), ("hex length", ["Content-Length: 0x0"], smuggled),
            ("blank in the name", ["Content-Length : 5"], smuggled),
            ("coding in disguise", ["Transfer-Encoding: xchunked"], smuggled),
            ("coding with a tab", ["Transfer-Encoding:\tchunked", "Transfer-Encoding: x"], "0\r\n\r\n" + smuggled),
            ("coding with return", ["Transfer-Encoding: chunked\r"], "0\r\n\r\n" + smuggled),
            ("bare newline", ["X: y\nTransfer-Encoding: chunked"], "0\r\n\r\n" + smuggled),
            ("folded", ["X: y", " Transfer-Encoding: chunked"], "0\r\n\r\n" + smuggled)]:
        yield Poison(f"framing: {name}", "one request for us and two for the server",
                     [ask("POST /other HTTP/1.1", *fields, body=body)],
                     attack_status=400)
    yield Poison("framing: chunk extension", "an extension that hides a request", [ask(
        "POST /other HTTP/1.1", "Transfer-Encoding: chunked", body=f"0;evil=\r\n\r\n{smuggled}")])
    yield Poison("framing: a body that is a request", "it is the first one's body, and no more",
                 [ask("/other", f"Content-Length: {len(smuggled)}", body=smuggled)])


POISONS = list(poison_rows())


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("row", POISONS, ids=[row.name for row in POISONS])
def test_poison(proxy, server, host, row, warm):
    says = row.says or FRESH
    server.says = says
    if warm:
        send(proxy, row.victim, host)
    for attack in row.attacks:
        answer = send(proxy, attack, host)
        if row.attack_status is not None:
            assert answer is not None and answer.status == row.attack_status, (row.why, answer and answer.head)
    target = row.victim.split(" ", 2)[1]
    for _ in range(2):
        answer = send(proxy, row.victim, host)
        assert answer is not None and answer.status == 200, (row.why, answer and answer.head)
        assert not has(answer, b"evil"), (row.why, answer.head, answer.body)
        saw = json.loads(answer.body)
        assert (saw["method"], saw["target"], saw["host"], saw["body"]) == ("GET", target, host, ""), row.why
        assert row.expects is None or row.expects(saw), (row.why, saw)


# ---- leaks ----

@dataclasses.dataclass
class Leak:
    name: str
    why: str
    owner: list                     # requests of the one whose secret it is
    others: list = None             # requests of others; None: the owner's, without what makes him known
    says: object = None             # as above


COOKIE, LOGIN = "Cookie: session=secret", "Authorization: Bearer secret"


def secret_part(request):
    """The beginning of a page of 1000 bytes, to one who is known."""
    if not request.all("Range") or not request.all("Cookie"):
        return FRESH
    return raw.head("HTTP/1.1 206 X", [*FRESH, ("ETag", '"a"'), ("Content-Range", "bytes 0-5/1000"),
                                       ("Content-Length", "6")]) + b"secret"


def leak_rows():
    # --- deception: a private page under a name that looks lasting ---
    for name, path in [
            ("suffix", "/account/x.css"), ("suffix after a semicolon", "/account;x.css"),
            ("encoded slash", "/account%2fx.css"),
            ("encoded hash", "/account%23x.css"), ("encoded question mark", "/account%3fx.css"),
            ("encoded newline", "/account%0ax.css"), ("encoded zero", "/account%00x.css"),
            ("encoded semicolon", "/account%3bx.css"), ("encoded ampersand", "/account%26x.css"),
            ("dots encoded", "/static/..%2faccount"), ("dots", "/static/../account"),
            ("dots, twice encoded", "/static/..%252faccount"),
            ("backslash", "/static%5c..%5caccount"), ("double slash", "//account/x.css"),
            ("slash dot", "/account/./x.css"),
            ("robots", "/account/robots.txt"), ("index", "/account/index.js?x.css"), ("query", "/account?x.css"),
            ("long ending", "/account/x.woff2"), ("dot at the end", "/account/.")]:
        for kind, fields in [("nothing", []), ("a date", OLD), ("max-age", FRESH), ("a tag", [("ETag", '"a"')])]:
            yield Leak(f"deception: {name}, {kind}", "the ending of a path does not say whether it may be shared",
                       [ask(path, COOKIE)], says=fields)

    # --- who is known by Cookie or Authorization ---
    for name, fields in [
            ("nothing", []), ("a date", OLD), ("max-age", FRESH),
            ("Expires", [("Expires", "Fri, 01 Jan 2100 00:00:00 GMT")])]:
        yield Leak(f"cookie: {name}", "no word that it is for all", [ask("/page", COOKIE)], says=fields)
        yield Leak(f"authorization: {name}", "RFC 9111 3.5", [ask("/page", LOGIN)], says=fields)
    yield Leak("cookie: lower case", "names have no case", [ask("/page", COOKIE.replace("Cookie", "cookie"))])
    yield Leak("cookie: second line", "each line counts", [ask("/page", "Cookie: a=1", COOKIE)])
    yield Leak("cookie: HTTP/1.0", "old clients have cookies, too", [ask("GET /page HTTP/1.0", COOKIE)])
    yield Leak("cookie: others have one", "another user is another", [ask("/page", COOKIE)],
               [ask("/page", "Cookie: session=mine")])
    yield Leak("cookie: a part", "parts are as private as the whole", [ask("/page", COOKIE, "Range: bytes=0-")],
               [ask("/page"), ask("/page", "Range: bytes=0-3")], says=secret_part)
    yield Leak("authorization: others have one", "another user is another", [ask("/page", LOGIN)],
               [ask("/page", "Authorization: Bearer mine")])
    yield Leak("proxy-authorization", "it is ours, yet the server may have seen it",
               [ask("/page", "Proxy-Authorization: Basic secret")])
    yield Leak("vary: cookie", "for this cookie only", [ask("/page", COOKIE)],
               [ask("/page"), ask("/page", "Cookie: session=mine"), ask("/page", "Cookie: session=secre")],
               says=[*PUBLIC, ("Vary", "Cookie")])
    yield Leak("vary: authorization", "for this one only", [ask("/page", LOGIN)],
               [ask("/page"), ask("/page", "Authorization: Bearer mine")], says=[*PUBLIC, ("Vary", "Authorization")])

    # --- what the server says ---
    for name, values in [
            ("private", ["private, max-age=60"]), ("after", ["max-age=60, private"]),
            ("capitals", ["max-age=60, PRIVATE"]),
            ("two lines", ["public, max-age=60", "private"]), ("beside s-maxage", ["s-maxage=60, private"]),
            ("beside public", ["public, private, max-age=60"]), ("blanks", ["max-age=60 ,  private "]),
            ("empty members", [",,private,,max-age=60"]),
            ("beside an extension's value", ['x="a, b", private, max-age=60']),
            ("with empty names", ['private="", max-age=60']),
            ("no-store", ["no-store, max-age=60"]), ("no-store, two lines", ["max-age=60", "no-store"]),
            ("no-store with a value", ['no-store="x", max-age=60']), ("missing comma", ["max-age=60 private"]),
            ("unfinished quote", ['max-age=60, x="private'])]:
        yield Leak(f"said: {name}", "however it is written", [ask("/page", "X-User: secret")],
                   says=[("Cache-Control", value) for value in values])
    yield Leak("said: private beside Expires", "Cache-Control has the last word", [ask("/page", "X-User: secret")],
               says=[("Cache-Control", "private"), ("Expires", "Fri, 01 Jan 2100 00:00:00 GMT"), *OLD])
    yield Leak("said: to caches only", "CDN-Cache-Control is for us, and stricter", [ask("/page", "X-User: secret")],
               says=[*PUBLIC, ("CDN-Cache-Control", "private")])
    yield Leak("said: to caches only, no-store", "the same", [ask("/page", "X-User: secret")],
               says=[*PUBLIC, ("CDN-Cache-Control", "no-store")])
    for value in ('max-age="60"', "max-age=60;;", "max-age=60,", "max-age", "MAX-AGE=60", "max-age=-1", "?",
                  "max-age=60 private"):
        yield Leak(f"said: malformed to caches: {value}", "what cannot be read says nothing; private still holds",
                   [ask("/page", "X-User: secret")], says=[("Cache-Control", "private"), ("CDN-Cache-Control", value)])
    yield Leak("said: a field is private", "the rest may be kept, the field not", [ask("/page")],
               [ask("/page", "X-Other: 1")],
               says=lambda r: [("Cache-Control", 'public, max-age=60, private="X-User"')]
               + ([("X-User", "secret")] if not r.all("X-Other") else []))
    yield Leak("said: fields are private", "each of a list, and in any case", [ask("/page")],
               [ask("/page", "X-Other: 1")],
               says=lambda r: [("Cache-Control", 'public, max-age=60, private="x-a, x-USER"')]
               + ([("X-User", "secret")] if not r.all("X-Other") else []))

    # --- cookies that are set ---
    for name, fields in [("max-age", FRESH), ("public", PUBLIC), ("s-maxage", [("Cache-Control", "s-maxage=60")]),
                         ("to caches", [("CDN-Cache-Control", "max-age=60")]), ("a date", OLD)]:
        yield Leak(f"set-cookie: {name}", "one who is given another's cookie is him", [ask("/page")],
                   [ask("/page", "X-Other: 1")],
                   says=lambda r, fields=fields: [*fields, *([] if r.all("X-Other") else [("Set-Cookie",
                                                                                           "session=secret")])])
    yield Leak("set-cookie: on 304", "a renewal does not bring one in", [ask("/page"), ask("/page", "X-Known: 1")],
               [ask("/page", "X-Other: 1")],
               says=lambda r: (304, [("ETag", '"a"'), ("Set-Cookie", "session=secret")])
               if r.all("If-None-Match") and r.all("X-Known") else [("Cache-Control", "public, no-cache"),
                                                                    ("ETag", '"a"')])
    yield Leak("304 that says private", "what is kept is private from then on",
               [ask("/page"), ask("/page", "X-Known: 1")], [ask("/page", "X-Other: 1")],
               says=lambda r: (304, [("ETag", '"a"'), ("Cache-Control", "private"), ("X-User", "secret")])
               if r.all("If-None-Match") and r.all("X-Known") else [("Cache-Control", "public, no-cache"),
                                                                    ("ETag", '"a"')])
    yield Leak("HEAD that says private", "what a HEAD says of a kept answer is for the one who asked",
               [ask("/page"), ask("HEAD /page HTTP/1.1", COOKIE)], [ask("/page")],
               says=lambda r: [("Cache-Control", "private"), ("X-User", "secret"), ("ETag", '"a"')]
               if r.method == "HEAD" else [*PUBLIC, ("ETag", '"a"')])
    yield Leak("session", "an answer that carries a session", [ask("/page")], [ask("/page", "X-Other: 1")],
               says=lambda r: [*PUBLIC, *([] if r.all("X-Other") else [("Pando-Session", "secret")])])

    # --- fields that the server's Connection names ---
    yield Leak("connection: Cache-Control", "the server takes its own word out of the answer",
               [ask("/page", "X-User: secret")], says=[("Connection", "Cache-Control"), ("Cache-Control", "private"),
                                                       *OLD])
    yield Leak("connection: Vary", "the same", [ask("/page", "X-User: secret")],
               says=[*FRESH, ("Connection", "Vary"), ("Vary", "X-User")])
    yield Leak("connection: Set-Cookie", "the same", [ask("/page")], [ask("/page", "X-Other: 1")],
               says=lambda r: [*PUBLIC, ("Connection", "Set-Cookie"),
                               *([] if r.all("X-Other") else [("Set-Cookie", "a=secret")])])
    yield Leak("proxy-authenticate", "it is for one hop", [ask("/page")], [ask("/page", "X-Other: 1")],
               says=lambda r: [*PUBLIC, *([] if r.all("X-Other") else [("Proxy-Authentication-Info", "secret")])])

    # --- methods ---
    for method in ("POST", "PUT", "PATCH"):
        yield Leak(f"method: {method}", "what was said to it is for the one who did it",
                   [ask(f"{method} /page HTTP/1.1", "Content-Length: 6", body="secret")], [ask("/page")],
                   says=[*PUBLIC, ("Content-Location", "/page")])
    for status in (401, 403, 407, 500, 503):
        yield Leak(f"status: {status}", "an error page says whom it refuses", [ask("/page", LOGIN)],
                   says=lambda r, status=status: (status, []) if status != 407 else (403, []))


LEAKS = list(leak_rows())


def anonymous(text):
    """The request without what makes its sender known."""
    return "\r\n".join(line for line in text.split("\r\n") if "secret" not in line)


@pytest.mark.parametrize("row", LEAKS, ids=[row.name for row in LEAKS])
def test_leak(proxy, server, host, row):
    server.says = row.says if row.says is not None else FRESH
    for text in row.owner:
        send(proxy, text, host)
    for text in row.others or [anonymous(text) for text in row.owner]:
        answer = send(proxy, text, host)
        assert not has(answer, b"secret"), (row.why, answer.head, answer.body)


# ---- what takes more than a row ----

def test_an_interim_answer_is_for_one(proxy, server, host):
    """103 comes before an answer and is no part of it."""
    server.says = lambda request: raw.head("HTTP/1.1 103 X", [("Link", "</secret>; rel=preload"),
                                                              ("Set-Cookie", "a=secret")]) + raw.head(
        "HTTP/1.1 200 X", [*PUBLIC, ("Content-Length", "2")]) + b"ok"
    first, second = (send(proxy, ask("/page"), host) for _ in range(2))
    assert first.status == second.status == 200 and first.body == second.body == b"ok"
    assert hit(second) and second.interims == [] and not has(second, b"secret")


def test_trailers_carry_nothing_private(proxy, server, host):
    """Fields after a kept body that could set a cookie or say how it is kept."""
    server.says = lambda request: raw.head("HTTP/1.1 200 X", [*PUBLIC, ("Transfer-Encoding", "chunked")]) + raw.chunked(
        b"ok", 2, [("Set-Cookie", "a=secret"), ("Cache-Control", "secret"), ("Age", "0"), ("Vary", "secret")])
    for _ in range(3):
        answer = send(proxy, ask("/page"), host)
        assert answer.body == b"ok" and not has(answer, b"secret")


def test_a_switched_protocol_is_not_kept(proxy, server, host):
    """101 makes a tunnel, and who comes next is not in it."""
    server.says = lambda request: raw.head("HTTP/1.1 101 X", [*FRESH, ("Connection", "Upgrade"),
                                                              ("Upgrade", "secret")]) \
        if request.all("Upgrade") else FRESH
    with proxy.client() as client:
        client.send(ask("/page", "Connection: Upgrade", "Upgrade: secret").replace("{host}", host).encode())
        assert client.answer().status == 101
    for _ in range(2):
        answer = send(proxy, ask("/page"), host)
        assert answer.status == 200 and not has(answer, b"secret")


def test_a_client_that_breaks_off_joins_nobody(proxy, server, host):
    """A body that is shorter than was promised, and then the victim on a connection of its own."""
    server.says = FRESH
    client = proxy.client()
    client.send(ask("POST /page HTTP/1.1", "Content-Length: 100", body="evil").replace("{host}", host).encode())
    for _ in range(2):
        answer = send(proxy, ask("/page"), host)
        assert answer.status == 200 and not has(answer, b"evil") and json.loads(answer.body)["body"] == ""
    client.close()


def test_pipelined_after_a_smuggled_one(proxy, server, host):
    """Two requests in a row on a connection: each has its own answer, from the cache or not."""
    server.says = FRESH
    send(proxy, ask("/page"), host)
    with proxy.client() as client:
        client.send((ask("/page") + ask("/evil") + ask("/page") + ask("/page?evil")).replace("{host}", host).encode())
        targets = [json.loads(client.answer().body)["target"] for _ in range(4)]
    assert targets == ["/page", "/evil", "/page", "/page?evil"]


def test_many_ranges_cost_no_more_than_the_whole(proxy, server, host):
    """RangeAmp: a short request for the same bytes over and over."""
    size = 100_000
    server.says = lambda request: raw.head("HTTP/1.1 200 X", [*PUBLIC, ("ETag", '"a"'),
                                                              ("Content-Length", str(size))]) + b"x" * size
    assert len(send(proxy, ask("/page"), host).body) == size
    for ranges_text in (",".join(["0-"] * 1000), ",".join(f"{i}-" for i in range(500)), ",".join(["-1"] * 2000)):
        answer = send(proxy, ask("/page", f"Range: bytes={ranges_text}"), host)
        assert answer is None or len(answer.body) < size * 2
    # What was asked for in a small part costs the server no more than that or the whole, once.
    server.forget()
    for first in range(0, 1000, 100):
        answer = send(proxy, ask("/page", f"Range: bytes={first}-{first + 9}"), host)
        assert answer.status in (200, 206)
    assert len(server.seen("/page")) == 0, "parts of a kept whole are answered from it"


def test_variants_without_end_push_nobody_out(proxy, server, host):
    """A field that the server varies by, with a new value in each request."""
    server.says = [*PUBLIC, ("Vary", "X-Variant")]
    send(proxy, ask("/keeps"), host)
    assert hit(send(proxy, ask("/keeps"), host))
    with proxy.client() as client:
        for start in range(0, 3000, 50):
            client.send("".join(ask("/page", f"X-Variant: {start + i}") for i in range(50)).replace("{host}",
                                                                                                    host).encode())
            for i in range(50):
                answer = client.answer()
                assert answer.status == 200 and ["x-variant", str(start + i)] in json.loads(answer.body)["fields"]
    answer = send(proxy, ask("/page"), host)
    assert not any(name == "x-variant" for name, _ in json.loads(answer.body)["fields"])
    assert hit(send(proxy, ask("/keeps"), host)), "another URL is still kept"


def test_another_host_cannot_throw_ours_out(proxy, server, host):
    """Location of an answer to POST makes kept answers invalid, but of its own host only (RFC 9111 4.4)."""
    server.says = FRESH
    send(proxy, ask("/page"), host)
    assert hit(send(proxy, ask("/page"), host))
    server.says = lambda request: [("Location", f"http://{host}/page"), ("Content-Location", f"http://{host}/page")]
    send(proxy, ask("POST /other HTTP/1.1", "Content-Length: 0", host="evil.test"), host)
    server.says = FRESH
    assert hit(send(proxy, ask("/page"), host))


@pytest.mark.parametrize("method", ["PURGE", "BAN", "REFRESH", "INVALIDATE"])
def test_a_stranger_cannot_purge(proxy, server, host, method):
    """There is no method for it on a listener of the web; the server may refuse it, and then nothing has changed."""
    server.says = lambda request: FRESH if request.method == "GET" else (405, [])
    send(proxy, ask("/page"), host)
    send(proxy, ask(f"{method} /page HTTP/1.1"), host)
    send(proxy, ask(f"{method} / HTTP/1.1", "X-Purge-Regex: .*", "Surrogate-Key: all", "Cache-Tag: all"), host)
    assert hit(send(proxy, ask("/page"), host))


def test_a_forced_reload_does_not_bring_a_bad_answer_in(proxy, server, host):
    """`Cache-Control: no-cache` of a client fetches anew; what it gets is judged as any."""
    server.says = lambda request: (500, []) if request.all("X-Stumble") else PUBLIC
    send(proxy, ask("/page"), host)
    send(proxy, ask("/page", "Cache-Control: no-cache", "X-Stumble: 1"), host)
    for _ in range(2):
        answer = send(proxy, ask("/page"), host)
        assert answer.status == 200


def test_a_believed_peer_s_words_are_in_the_key(start, server):
    """Where X-Forwarded-Proto is believed and passed on, an answer made for https is not one for http."""
    server.says = FRESH
    proxy = start({"listeners": {"web": {"trust": ["127.0.0.0/8"]}}, "log": {"access": False},
                   "services": {"all": {"targets": [server.address], "cache": {"memory": "16MiB"}}}})

    def scheme_seen(*fields):
        answer = send(proxy, ask("/page", *fields), "believed.test")
        return dict(json.loads(answer.body)["fields"]).get("x-forwarded-proto")
    for _ in range(2):
        assert scheme_seen("X-Forwarded-Proto: https") == "https"
        assert scheme_seen("X-Forwarded-Proto: http") == "http"
        assert scheme_seen() == "http"


def test_a_stale_answer_is_no_way_around_private(start, server, host):
    """What was public once and is private now: the old one may be used no longer than it was good for."""
    server.says = [("Cache-Control", "public, max-age=1")]
    proxy = start({"log": {"access": False}, "services": {"all": {
        "targets": [server.address], "cache": {"memory": "16MiB", "stale-while-revalidate": "1s"}}}})
    send(proxy, ask("/page"), host)
    server.says = [("Cache-Control", "private")]
    time.sleep(1.2)
    send(proxy, ask("/page", COOKIE, "X-User: secret"), host)      # it may fetch a new one behind it
    until(lambda: not has(send(proxy, ask("/page"), host), b"secret"), "others do not see it")
    for _ in range(5):
        assert not has(send(proxy, ask("/page"), host), b"secret")
        time.sleep(0.1)
