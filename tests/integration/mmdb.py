# SPDX-License-Identifier: Apache-2.0
"""mmdb.py - writes small databases of MaxMind's format, version 2.0 (maxmind.github.io/MaxMind-DB).

The same arguments give the same bytes. As a program: mmdb.py FOLDER writes those that the unit tests read.
"""
import ipaddress
import os
import struct
import sys

MARKER = b"\xab\xcd\xefMaxMind.com"
TYPES = {"text": 2, "double": 3, "uint16": 5, "uint32": 6, "map": 7, "uint64": 9, "array": 11, "float": 15}
BUILT = 1_700_000_000


class Sized(int):
    """A whole number of one of the format's types."""

    def __new__(cls, value, kind):
        self = super().__new__(cls, value)
        self.kind = kind
        return self


class Single(float):
    """A number in four bytes."""


def control(kind, size):
    number = TYPES[kind]
    first, more = (number << 5, b"") if number <= 7 else (0, bytes([number - 7]))
    if size < 29:
        return bytes([first | size]) + more
    assert size < 29 + 256, "nothing so long is needed here"
    return bytes([first | 29]) + more + bytes([size - 29])


def encode(value):
    if isinstance(value, str):
        return control("text", len(value.encode())) + value.encode()
    if isinstance(value, Sized):
        digits = int(value).to_bytes((int(value).bit_length() + 7) // 8, "big")
        return control(value.kind, len(digits)) + digits
    if isinstance(value, Single):
        return control("float", 4) + struct.pack(">f", value)
    if isinstance(value, float):
        return control("double", 8) + struct.pack(">d", value)
    if isinstance(value, dict):
        return control("map", len(value)) + b"".join(encode(key) + encode(item) for key, item in value.items())
    if isinstance(value, list):
        return control("array", len(value)) + b"".join(map(encode, value))
    raise TypeError(value)


def bits_of(network, version):
    """The path of a network from the root; in a database for IPv6, IPv4 lies under ::/96."""
    network = ipaddress.ip_network(network)
    assert network.version <= version
    text = f"{int(network.network_address):0{network.max_prefixlen}b}"[:network.prefixlen]
    return "0" * 96 + text if network.version < version else text


def database(records, kind="Test-City", version=6, built=BUILT):
    """The bytes of a database of {network: record}; a longer network within another one wins."""
    data, offsets, nodes = b"", {}, [[None, None]]
    for network, record in sorted(records.items(), key=lambda pair: ipaddress.ip_network(pair[0]).prefixlen):
        encoded = encode(record)
        if encoded not in offsets:
            offsets[encoded] = len(data)
            data += encoded
        *path, last = map(int, bits_of(network, version))
        at = 0
        for bit in path:
            below = nodes[at][bit]
            if not isinstance(below, int):    # a wider network's record goes to both halves
                nodes.append([below, below])
                below = nodes[at][bit] = len(nodes) - 1
            at = below
        assert not isinstance(nodes[at][last], int), "shorter networks come first"
        nodes[at][last] = (offsets[encoded],)
    count = len(nodes)

    def number(entry):
        return count if entry is None else entry if isinstance(entry, int) else count + 16 + entry[0]

    tree = b"".join(number(entry).to_bytes(3, "big") for node in nodes for entry in node)
    about = {"node_count": Sized(count, "uint32"), "record_size": Sized(24, "uint16"),
             "ip_version": Sized(version, "uint16"), "database_type": kind, "languages": ["en"],
             "binary_format_major_version": Sized(2, "uint16"), "binary_format_minor_version": Sized(0, "uint16"),
             "build_epoch": Sized(built, "uint64"), "description": {"en": "of a test"}}
    return tree + bytes(16) + data + MARKER + encode(about)


def city(latitude, longitude, country=None):
    record = {"location": {"latitude": float(latitude), "longitude": float(longitude)}}
    return {**record, "country": {"iso_code": country}} if country else record


def country(code):
    return {"country": {"iso_code": code}}


# One of each layout, for src/core/geo/file_test.c and others. The networks are for documentation (RFC 5737, 3849).
FIXTURES = {
    "city.mmdb": ({"192.0.2.0/24": city(52.52, 13.4, "DE"), "192.0.2.128/25": city(-33.87, 151.2, "AU"),
                   "198.51.100.0/24": country("JP"), "203.0.113.0/24": {"traits": {"asn": Sized(64496, "uint32")}},
                   "2001:db8::/32": city(40.71, -74.01, "US")}, "Test-City", 6),
    "country.mmdb": ({"192.0.2.0/24": country("DE"), "2001:db8::/32": country("US"),
                      "203.0.113.0/24": country("QQ")}, "Test-Country", 6),
    "flat.mmdb": ({"192.0.2.0/24": {"country_code": "DE"},
                   "198.51.100.0/24": {"latitude": Single(35.5), "longitude": Single(139.5)}}, "Test-Flat", 4),
    "other.mmdb": ({"192.0.2.0/24": {"autonomous_system_number": Sized(64496, "uint32")}}, "Test-ASN", 6),
}


def fixture(name):
    records, kind, version = FIXTURES[name]
    return database(records, kind, version)


def main():
    for name in FIXTURES:
        with open(os.path.join(sys.argv[1], name), "wb") as out:
            out.write(fixture(name))


if __name__ == "__main__":
    main()
