#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""integration/cache_crowd.py - a server that stamps its answers with whom they are for, and a crowd that reads them.

    cache_crowd.py server PORT                       until it is ended
    cache_crowd.py clients PORT SEED COUNT           asks so often, and prints what it found as JSON

Both are processes of their own, as test_cache_private.py needs them to be fast. Every request has a number. The
server puts into each answer (field and body) a stamp: that number, the Cookie, Authorization and Accept-Language that
it saw, and for whom the answer is, by the words of SHARES. What it says to caches hangs on the first segment of the
path, KINDS. The crowd knows nothing of caching: for each answer it compares the stamp with its own request.
"""
import asyncio
import collections
import json
import random
import re
import sys
import time

CONNECTIONS = 40
PIPELINE = [1, 1, 1, 2, 3, 6]
URLS = 20                       # of each kind
USERS = 12
LANGUAGES = ["", "de", "en", "fr, en;q=0.5"]
FAILURES_MAX = 20


# ---- who may see an answer: `made` and `mine` are requests ----

def is_anonymous(request):
    return not request["cookie"] and not request["login"]


# The answer's word in its stamp: may somebody see it who did not ask for it himself?
SHARES = {
    "own": lambda made, mine: False,
    "all": lambda made, mine: True,
    # Fresh without a word that it is for all: not what was made for somebody known, and not for requests with a
    # Cookie (the setting `cookies: explicit`).
    "plain": lambda made, mine: is_anonymous(made) and not mine["cookie"],
    # must-revalidate: also what was made for somebody with Authorization (RFC 9111 3.5).
    "login": lambda made, mine: not made["cookie"] and not mine["cookie"],
    "cookie": lambda made, mine: made["cookie"] == mine["cookie"],
    "same-login": lambda made, mine: made["login"] == mine["login"],
    "language": lambda made, mine: made["language"] == mine["language"],
    "plain-language": lambda made, mine: SHARES["plain"](made, mine) and made["language"] == mine["language"],
}

FAR = "Fri, 01 Jan 2100 00:00:00 GMT"
PAST = "Wed, 01 Jan 2020 00:00:00 GMT"

# kind: (share, fields, status). A function gives these three from the request.
KINDS = {
    "public": ("all", "Cache-Control: public, max-age=60", 200),
    "public-short": ("all", "Cache-Control: public, max-age=1", 200),
    "s-maxage": ("all", "Cache-Control: s-maxage=60", 200),
    "revalidated": ("all", "Cache-Control: public, no-cache", 200),
    "swr": ("all", "Cache-Control: public, max-age=1, stale-while-revalidate=60", 200),
    "max-age": ("plain", "Cache-Control: max-age=60", 200),
    "expires": ("plain", f"Expires: {FAR}", 200),
    "heuristic": ("plain", f"Last-Modified: {PAST}", 200),
    "must-revalidate": ("login", "Cache-Control: max-age=60, must-revalidate", 200),
    "gone": ("plain", "Cache-Control: max-age=60", 404),
    "moved": ("plain", "Cache-Control: max-age=60\r\nLocation: /elsewhere", 301),
    "private": ("own", "Cache-Control: private, max-age=60", 200),
    "private-two": ("own", "Cache-Control: public, max-age=60\r\nCache-Control: private", 200),
    "no-store": ("own", "Cache-Control: no-store, max-age=60", 200),
    # It has an ETag, so it may be kept, asked about, and used by who takes it stale.
    "nothing": ("plain", "X-Nothing: 1", 200),
    "set-cookie": ("own", "Cache-Control: public, max-age=60\r\nSet-Cookie: sid=new; Path=/", 200),
    "vary-any": ("own", "Cache-Control: public, max-age=60\r\nVary: *", 200),
    "vary-cookie": ("cookie", "Cache-Control: public, max-age=60\r\nVary: Cookie", 200),
    "vary-login": ("same-login", "Cache-Control: public, max-age=60\r\nVary: Authorization", 200),
    "vary-language": ("language", "Cache-Control: public, max-age=60\r\nVary: Accept-Language", 200),
    "plain-language": ("plain-language", "Cache-Control: max-age=60\r\nVary: Accept-Language", 200),
    "to-caches": ("all", "Cache-Control: private, no-store\r\nCDN-Cache-Control: max-age=60", 200),
    "not-to-caches": ("own", "Cache-Control: public, max-age=60\r\nCDN-Cache-Control: private", 200),
    "garbled-to-caches": ("own", 'Cache-Control: private\r\nCDN-Cache-Control: max-age=60;;', 200),
    "error": ("own", "X-Nothing: 1", 503),
    "missing": ("own", "X-Nothing: 1", 404),
    # An application: the same page for all strangers, and another for each user.
    "app": lambda request: ("plain", "Cache-Control: max-age=60", 200) if is_anonymous(request) else
                           ("own", "Cache-Control: private, max-age=60", 200),
    # Now for all, now for one: what was shared is not shared for ever.
    "flips": lambda request: ("all", "Cache-Control: public, max-age=1", 200) if request["number"] % 2 else
                             ("own", "Cache-Control: private", 200),
}


def size_of(path):
    """Bytes of the body, by the last segment."""
    return [60, 200, 1000, 4000, 20_000][int(path.rsplit("/", 1)[1]) % 5]


def body_of(stamp, size):
    return ((stamp + "\n") * (size // len(stamp) + 1)).encode()[:size]


def stamp_of(request, share):
    return "|".join([str(request["number"]), share, request["cookie"], request["login"], request["language"]])


def read_stamp(text):
    number, share, cookie, login, language = text.split("|")
    return {"number": int(number), "cookie": cookie, "login": login, "language": language}, share


# ---- the server ----

FIELD = re.compile(r"\r\n([^:\r\n]+):[ \t]*([^\r\n]*)")
RANGE = re.compile(r"bytes=(\d+)-(\d+)$")


def fields_of(head):
    fields = {}
    for name, value in FIELD.findall(head):
        name = name.lower()
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


class Server(asyncio.Protocol):
    made = collections.OrderedDict()        # ETag: (request, share), of the last ones

    def connection_made(self, transport):
        self.transport, self.waiting = transport, b""

    def data_received(self, data):
        self.waiting += data
        while True:
            end = self.waiting.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.waiting[:end].decode("latin-1")
            fields = fields_of(head)
            whole = end + 4 + int(fields.get("content-length", 0))
            if len(self.waiting) < whole:
                return
            self.waiting = self.waiting[whole:]
            self.transport.write(self.answer(*head.split(" ", 2)[:2], fields))

    def answer(self, method, path, fields):
        request = {"number": int(fields["x-number"]), "cookie": fields.get("cookie", ""),
                   "login": fields.get("authorization", ""), "language": fields.get("accept-language", "")}
        kind = KINDS[path.split("/")[1]]
        share, said, status = kind(request) if callable(kind) else kind
        if method == "POST":
            share = "own"
        date = time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT", time.gmtime())
        for tag in fields.get("if-none-match", "").split(", "):
            before = self.made.get(tag)
            if before and status == 200 and (before[1] == share == "all" or before[0]["cookie"] == request["cookie"]
                                             and before[0]["login"] == request["login"]
                                             and before[0]["language"] == request["language"]):
                return f"HTTP/1.1 304 X\r\n{date}\r\n{said}\r\nETag: {tag}\r\n\r\n".encode()
        stamp = stamp_of(request, share)
        body = body_of(stamp, size_of(path))
        tag = f'"t{request["number"]}"'
        if method == "GET":
            self.made[tag] = request, share
            if len(self.made) > 50_000:
                self.made.popitem(last=False)
        part = RANGE.match(fields.get("range", "")) if status == 200 and method == "GET" and "if-range" not in fields \
            and request["number"] % 2 else None
        more = ""
        if part and int(part.group(1)) < len(body) and int(part.group(1)) <= int(part.group(2)):
            first, last = int(part.group(1)), min(int(part.group(2)), len(body) - 1)
            status, more = 206, f"Content-Range: bytes {first}-{last}/{len(body)}\r\n"
            body = body[first:last + 1]
        head = f"HTTP/1.1 {status} X\r\n{date}\r\n{said}\r\nETag: {tag}\r\nX-Stamp: {stamp}\r\n{more}"
        if request["number"] % 3 or method == "HEAD":
            head += f"Content-Length: {len(body)}\r\n\r\n"
        else:
            head += "Transfer-Encoding: chunked\r\n\r\n"
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        return head.encode() + (body if method != "HEAD" else b"")


async def serve(port):
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


# ---- the crowd ----

class Crowd:
    """What all clients of this process share: the draw, the tags they have seen, and what they found."""

    def __init__(self, port, seed, count):
        self.port, self.left, self.draw = port, count, random.Random(seed)
        # Numbers of different processes differ, as their seeds do.
        self.number = (seed % 1000 + 1) * 10_000_000
        self.tags = {}                      # (path, cookie, login): the last ETag
        self.found = collections.Counter()
        self.by_kind = collections.defaultdict(collections.Counter)
        self.failures = []

    def request(self):
        """(its dict, its bytes)"""
        draw = self.draw
        self.left -= 1
        self.number += 1
        kind = draw.choice(KIND_NAMES)
        user = draw.randrange(USERS)
        # Few urls are asked for often, as it is.
        path = f"/{kind}/{int(URLS * draw.random() ** 2)}"
        mine = {"number": self.number, "path": path, "kind": kind, "method": "GET", "language": draw.choice(LANGUAGES),
                "cookie": f"sid=u{user}; theme=dark" if draw.random() < 0.35 else "",
                "login": f"Bearer u{user}" if draw.random() < 0.15 else "", "tag": "", "range": "", "cache": ""}
        fate = draw.random()
        if fate < 0.03:
            mine["method"] = "HEAD"
        elif fate < 0.035:
            mine["method"] = "POST"
        elif fate < 0.09:
            first = draw.randrange(size_of(path) + 5)
            mine["range"] = f"bytes={first}-{first + draw.randrange(500)}"
        elif fate < 0.16:
            mine["tag"] = self.tags.get((path, mine["cookie"], mine["login"]), "")
        elif fate < 0.20:
            mine["cache"] = draw.choice(["no-cache", "max-age=0", "no-store", "only-if-cached", "max-stale",
                                         "min-fresh=30"])
        lines = [f"{mine['method']} {path} HTTP/1.1", "Host: crowd.test", f"X-Number: {self.number}"]
        for name, value in (("Cookie", mine["cookie"]), ("Authorization", mine["login"]), ("Range", mine["range"]),
                            ("Accept-Language", mine["language"]), ("If-None-Match", mine["tag"]),
                            ("Cache-Control", mine["cache"])):
            if value:
                lines.append(f"{name}: {value}")
        body = "hello" if mine["method"] == "POST" else ""
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return mine, "\r\n".join([*lines, "", body]).encode()

    def fail(self, what, mine, head, body):
        self.found["failures"] += 1
        if len(self.failures) < FAILURES_MAX:
            self.failures.append(f"{what}: asked {mine}, got {head!r} {body[:160]!r}")

    def judge(self, mine, status, head, fields, body):
        """Is this answer for this client?"""
        self.found["answers"] += 1
        counts = self.by_kind[mine["kind"]]
        counts["answers"] += 1
        own_word = fields.get("cache-status", "")
        is_hit = re.search(r"\bpando\b[^,]*;\s*hit\b", own_word) is not None
        counts["hits"] += is_hit
        self.found["hits"] += is_hit
        stamp = fields.get("x-stamp")
        if stamp is None:
            if status == 304 and mine["tag"]:
                self.found["unmodified"] += 1
                if fields.get("etag", mine["tag"]).removeprefix("W/") != mine["tag"].removeprefix("W/"):
                    self.fail("304 about another tag", mine, head, body)
            elif status == 504 and mine["cache"] == "only-if-cached":
                self.found["not cached"] += 1
            elif status == 416 and mine["range"]:
                self.found["beyond"] += 1
            else:
                self.fail("an answer without a stamp", mine, head, body)
            return
        made, share = read_stamp(stamp)
        is_own = made["number"] == mine["number"]
        counts["others'"] += not is_own
        self.found["others'"] += not is_own
        if is_hit and is_own:
            self.fail("a hit that the server made for this request", mine, head, body)
        if not is_own and not SHARES[share](made, mine):
            self.fail(f"NOT FOR THIS CLIENT, but {share}", mine, head, body)
        if not is_own and mine["method"] == "POST":
            self.fail("an answer to POST that is another's", mine, head, body)
        if not is_own and not own_word:
            self.fail("another's answer, and Cache-Status does not say so", mine, head, body)
        self.check_body(mine, status, head, fields, body, stamp)
        if status == 200 and "etag" in fields:
            self.tags[mine["path"], mine["cookie"], mine["login"]] = fields["etag"]

    def check_body(self, mine, status, head, fields, body, stamp):
        """Do head and body belong together?"""
        if mine["method"] == "HEAD" or status == 304:
            return
        whole = body_of(stamp, size_of(mine["path"]))
        if status == 416 and mine["range"]:
            return
        if status == 206:
            self.found["parts"] += 1
            part = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", fields.get("content-range", ""))
            if not mine["range"] or not part or int(part.group(3)) != len(whole):
                self.fail("a part that nobody asked for", mine, head, body)
                return
            whole = whole[int(part.group(1)):int(part.group(2)) + 1]
        if body != whole:
            self.fail("the body is not the head's", mine, head, body)


KIND_NAMES = list(KINDS)


class Client(asyncio.Protocol):
    """One connection, which many users share; several requests may be on their way."""

    def __init__(self, crowd, done):
        self.crowd, self.done = crowd, done
        self.waiting, self.asked = b"", collections.deque()

    def connection_made(self, transport):
        self.transport = transport
        self.ask()

    def ask(self):
        if self.crowd.left <= 0:
            self.finish()
            return
        batch = [self.crowd.request() for _ in range(self.crowd.draw.choice(PIPELINE))]
        self.asked.extend(mine for mine, _ in batch)
        self.transport.write(b"".join(data for _, data in batch))

    def finish(self):
        if not self.done.done():
            self.done.set_result(None)
        self.transport.close()

    def connection_lost(self, _error):
        if not self.done.done():
            mine = self.asked[0] if self.asked else {}
            self.crowd.fail("the connection ended", mine, self.waiting[:500], b"")
            self.done.set_result(None)

    def data_received(self, data):
        self.waiting += data
        while self.asked and self.step():
            pass
        if not self.asked:
            self.ask()

    def step(self):
        """One answer, if it is there."""
        end = self.waiting.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = self.waiting[:end].decode("latin-1")
        status, fields, start = int(head[9:12]), fields_of(head), end + 4
        if status < 200:
            self.waiting = self.waiting[start:]
            return True
        if self.asked[0]["method"] == "HEAD" or status in (204, 304):
            body, after = b"", start
        elif "transfer-encoding" in fields:
            body, after = self.chunks(start)
        else:
            after = start + int(fields["content-length"])
            body = self.waiting[start:after] if len(self.waiting) >= after else None
        if body is None:
            return False
        self.waiting = self.waiting[after:]
        self.crowd.judge(self.asked.popleft(), status, head, fields, body)
        return True

    def chunks(self, at):
        """(the body, where it ends), or (None, 0) if more must come."""
        parts = []
        while (line := self.waiting.find(b"\r\n", at)) >= 0:
            size = int(self.waiting[at:line], 16)
            after = line + 2 + size + 2
            if len(self.waiting) < after:
                break
            if size == 0:
                return b"".join(parts), after       # no trailers are sent here
            parts.append(self.waiting[line + 2:line + 2 + size])
            at = after
        return None, 0


async def crowd_of(port, seed, count):
    loop, crowd = asyncio.get_running_loop(), Crowd(port, seed, count)
    ends = []
    for _ in range(CONNECTIONS):
        done = loop.create_future()
        ends.append(done)
        await loop.create_connection(lambda done=done: Client(crowd, done), "127.0.0.1", port)
    await asyncio.gather(*ends)
    print(json.dumps({"found": crowd.found, "by_kind": crowd.by_kind, "failures": crowd.failures}))


def main():
    what, port = sys.argv[1], int(sys.argv[2])
    asyncio.run(serve(port) if what == "server" else crowd_of(port, int(sys.argv[3]), int(sys.argv[4])))


if __name__ == "__main__":
    main()
