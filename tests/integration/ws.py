# SPDX-License-Identifier: Apache-2.0
"""integration/ws.py - WebSocket frames (RFC 6455), enough of them to test a tunnel with.

    ws = connect(proxy.client(), "/echo")        client side; sends masked frames
    origin.on("/echo", serve(echo))              origin side
"""
import base64
import hashlib
import os
import struct

import raw

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_of(key):
    return base64.b64encode(hashlib.sha1((key + MAGIC).encode()).digest()).decode()


def mask_of(data, key):
    """`data` with the mask laid on (or taken off): XOR of big integers is fast in plain Python."""
    if not data:
        return b""
    whole = (key * (len(data) // 4 + 1))[:len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(whole, "big")).to_bytes(len(data), "big")


def frame(opcode, data, masked):
    length = len(data)
    bit = 0x80 if masked else 0
    head = bytes([0x80 | opcode])
    if length < 126:
        head += bytes([bit | length])
    elif length < 1 << 16:
        head += bytes([bit | 126]) + struct.pack(">H", length)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", length)
    if not masked:
        return head + data
    key = os.urandom(4)
    return head + key + mask_of(data, key)


class Socket:
    """One side of an open WebSocket."""

    def __init__(self, sock, reader, masked):
        self.sock = sock
        self.reader = reader
        self.masked = masked

    def send(self, data, opcode=BINARY):
        self.sock.sendall(frame(opcode, data, self.masked))

    def receive(self):
        """(opcode, data) of the next frame; raises raw.Ended at the end of the connection."""
        first, second = self.reader.take(2)
        length = second & 0x7f
        if length == 126:
            length = struct.unpack(">H", self.reader.take(2))[0]
        elif length == 127:
            length = struct.unpack(">Q", self.reader.take(8))[0]
        key = self.reader.take(4) if second & 0x80 else None
        data = self.reader.take(length)
        return first & 15, mask_of(data, key) if key else data

    def close(self, code=1000):
        self.send(struct.pack(">H", code), CLOSE)


def upgrade_request(target, key="dGhlIHNhbXBsZSBub25jZQ==", fields=()):
    return raw.request(target, "GET", [
        ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Key", key),
        ("Sec-WebSocket-Version", "13"), *fields])


def connect(client, target, fields=()):
    """Upgrades a raw.Client; the Socket."""
    key = base64.b64encode(os.urandom(16)).decode()
    client.send(upgrade_request(target, key, fields))
    answer = client.answer()
    assert answer.status == 101, answer.head
    assert answer.get("Sec-WebSocket-Accept") == accept_of(key)
    assert answer.get("Upgrade").lower() == "websocket"
    opened = Socket(client.sock, client.reader, masked=True)
    opened.answer = answer
    return opened


def serve(script):
    """A script for an Origin: answers 101 and runs script(Socket)."""
    def upgrade(exchange):
        exchange.keep = False
        key = exchange.request.get("Sec-WebSocket-Key")
        exchange.send(raw.head("HTTP/1.1 101 Switching Protocols", [
            ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept_of(key))]))
        script(Socket(exchange.sock, exchange.reader, masked=False))
    return upgrade


def echo(socket):
    """Sends back what comes, until CLOSE, which it answers."""
    while True:
        opcode, data = socket.receive()
        socket.send(data, opcode)
        if opcode == CLOSE:
            return
