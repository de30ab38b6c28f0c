# SPDX-License-Identifier: Apache-2.0
"""Disks that fail and files that are damaged: what was answered stays, what is not known is said, and no value is wrong."""
import os
import random
import signal

import pytest

import pando
from redis_front import Client, Closed, Refused, config
from redis_power import preload

unsanitized = pytest.mark.skipif(pando.SANITIZED, reason="a sanitizer's library must be loaded before ours")


@unsanitized
@pytest.mark.parametrize("what", ["sync 1", "sync 3", "write 1", "head 1"])
def test_a_disk_that_fails_takes_no_writes_and_loses_none(tmp_path, what):
    """One call fails with EIO, and the next would succeed: what was in that transaction is uncertain, nothing is
    written after it, reads go on, and after a restart all is there that was answered. Where the head of the file could
    not be written, LMDB gives nothing more: then reads have the error, too."""
    orders = tmp_path / "fail"
    port, settings = config({"default": {}}, "lmdb")
    environment = {"LD_PRELOAD": str(preload("fail", tmp_path)), "PANDO_FAIL": str(orders)}
    with pando.running(settings, environment=environment) as proxy:
        with Client(port) as client:
            assert client("set", "before", 1) == "OK"
            orders.write_text(what)
            answered, said = [], None
            for number in range(10):
                answer = client("mset", f"k{number}", number, f"l{number}", "x" * 5000)
                if answer != "OK":
                    said = answer
                    break
                answered.append(number)
            assert not orders.exists() and len(answered) < 10
            assert said.startswith("UNCERTAIN the disk of the keyspace failed")
            failed = len(answered)
            for words in (("set", "after", 1), ("del", "before"), ("incr", "before")):
                assert client(*words) == "ERR the disk of the keyspace does not take writes any more"
            client("multi")
            client("incr", "before")
            assert "does not take writes any more" in client("exec")
            reads = [client("get", "before"), *(client("get", f"k{number}") for number in answered)]
            if what.startswith("head"):
                assert all(isinstance(answer, Refused) and "disk of the keyspace" in answer for answer in reads)
            else:
                assert reads == [b"1", *(b"%d" % number for number in answered)] and client("exists", "after") == 0
        proxy.signal(signal.SIGTERM)
        assert proxy.process.wait(pando.PATIENCE_S) == 0
        proxy.start()
        with Client(port) as client:
            for number in answered:
                assert client("mget", f"k{number}", f"l{number}") == [b"%d" % number, b"x" * 5000]
            assert client("mget", f"k{failed}", f"l{failed}") in ([None, None], [b"%d" % failed, b"x" * 5000])
            assert client("get", "before") == b"1" and client("exists", "after") == 0
            assert client("set", "after", 1) == "OK"
