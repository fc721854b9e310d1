#!/usr/bin/env python3
"""Of three brokers the one that leads a partition of the log is killed while records are appended: nothing that was
acknowledged is lost or there twice, each customer's messages keep their order, and no service ends."""

import itertools
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from floor import PRIVATE_WORD, Floor, Phone, text_of  # noqa: E402  pylint: disable=wrong-import-position
from journey import take_option, until  # noqa: E402  pylint: disable=wrong-import-position
from servers import OwnServers  # noqa: E402  pylint: disable=wrong-import-position

BINARIES = None

CUSTOMERS = 4
BEFORE, AFTER = 10, 10  # Messages of each customer before and after the end of the broker.


class Customer(threading.Thread):
    """Writes one message after the other, each sent until it is answered with 200."""

    def __init__(self, phone, number):
        super().__init__(daemon=True)
        self.phone = phone
        self.address = f"3160000000{number}"
        self.acknowledged = 0
        self.enough = threading.Event()

    def text(self, i):
        return f"{PRIVATE_WORD} {self.address} {i:06}"

    def run(self):
        for i in itertools.count():
            while not self.enough.is_set() and self.phone.post(self.address, f"{self.address}.{i}", self.text(i))[0] != 200:
                self.enough.wait(0.1)
            if self.enough.is_set():
                return
            self.acknowledged += 1


class ThreeBrokersTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="wissel-three-")))
        self.servers = OwnServers(self.folder / "stack", brokers=3)
        self.addCleanup(self.servers.down)
        self.floor = Floor(BINARIES, self.folder, self.servers)
        self.addCleanup(self.floor.stop)
        self.phone = Phone(BINARIES, self.folder, self.servers)
        self.addCleanup(self.phone.stop)

    def partitions_of_the_log(self):
        """Of each its leader's number and its copies'."""
        listed = subprocess.run(["kcat", "-L", "-J", "-b", self.servers.kafka, "-t", "wissel.log.v1"], check=True,
                                capture_output=True, text=True, timeout=30).stdout
        return {p["partition"]: (p["leader"], {copy["id"] for copy in p["isrs"]})
                for p in json.loads(listed)["topics"][0]["partitions"]}

    def received(self):
        """The texts of the log by customer, in its order."""
        found = {}
        for kind, event in self.floor.ctl.events():
            if kind == "message_received":
                found.setdefault(event["message"]["sender"]["address"], []).append(text_of(event["message"]))
        return found

    def busy_partitions(self):
        """Those with a message: that of the shop's group a."""
        found = set()
        for line in self.floor.ctl.run("log", "tail", "--output", "json").splitlines():
            entry = json.loads(line)
            if any("message_received" in event for event in entry["record"].get("decision", {}).get("events", [])):
                found.add(entry["partition"])
        return found

    def test_nothing_is_lost_with_one_of_them(self):
        self.floor.admin.start()
        self.floor.configure(replication=3)
        self.assertEqual([copies for _, copies in self.partitions_of_the_log().values()], [{1, 2, 3}] * 4)
        services = (self.floor.admin, self.floor.router, self.floor.projector, self.phone)
        for service in services[1:]:
            service.start()
        for service in services:
            service.wait_ready()
        customers = [Customer(self.phone, i) for i in range(CUSTOMERS)]
        for customer in customers:
            self.addCleanup(customer.enough.set)
            customer.start()

        def each_has(count):
            return until(lambda: all(c.acknowledged >= count for c in customers), timeout=90)
        self.assertTrue(each_has(BEFORE))
        (partition,) = until(self.busy_partitions)
        victim, _ = self.partitions_of_the_log()[partition]
        self.servers.kill_kafka(f"kafka-{victim}")
        at_its_end = max(c.acknowledged for c in customers)
        self.assertTrue(each_has(at_its_end + AFTER), "writing goes on with two of three")
        self.assertTrue(until(lambda: self.partitions_of_the_log()[partition][0] not in (victim, -1), timeout=60),
                        "another leads the log")
        for customer in customers:
            customer.enough.set()
            customer.join()

        written = {c.address: [c.text(i) for i in range(c.acknowledged)] for c in customers}

        def all_there():
            received = self.received()
            return all(len(received.get(address, [])) >= len(texts) for address, texts in written.items())
        until(all_there, timeout=60)
        received = self.received()
        for customer in customers:
            texts = received[customer.address]
            # The last one may have been taken without being answered.
            self.assertIn(texts, (written[customer.address], [*written[customer.address], customer.text(len(texts) - 1)]))
        self.servers.start_kafka()
        self.assertTrue(until(lambda: all(copies == {1, 2, 3} for _, copies in self.partitions_of_the_log().values()),
                              timeout=60), "the broker that is back catches up")
        report = json.loads(self.floor.ctl.run("log", "verify", "--output", "json"))
        self.assertTrue(report["ok"], report)
        for service in services:
            self.assertIsNone(service.process.poll(), f"{service.name} is the process that was started")
        self.assertEqual(self.floor.leaks(), [])


if __name__ == "__main__":
    BINARIES = take_option("binaries")
    unittest.main(verbosity=2)
