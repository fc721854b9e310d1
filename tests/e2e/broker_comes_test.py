#!/usr/bin/env python3
"""Every service is started while the broker is away, and a customer writes by WhatsApp and by mail: nothing is taken that
could be lost. Then the broker comes: all become ready as they are, and what was written is in the log once."""

import email.message
import json
import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from floor import MAILBOXES, PRIVATE_WORD, Floor, Phone, Provider, text_of  # noqa: E402  pylint: disable=wrong-import-position
from journey import take_option, until  # noqa: E402  pylint: disable=wrong-import-position
from servers import OwnServers  # noqa: E402  pylint: disable=wrong-import-position

BINARIES = None

SHOP = MAILBOXES[0][2]


class BrokerComesTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="wissel-broker-")))
        self.provider = Provider(os.environ)
        for _, _, address in MAILBOXES:
            self.provider.empty(address)  # other tests share them
        self.servers = OwnServers(self.folder / "stack")
        self.addCleanup(self.servers.down)
        self.servers.kill_kafka()  # a port where nobody is, and will be; no topic
        self.floor = Floor(BINARIES, self.folder, self.servers, self.provider)
        self.addCleanup(self.floor.stop)
        self.phone = Phone(BINARIES, self.folder, self.servers)
        self.addCleanup(self.phone.stop)

    def received(self):
        """Each text of the log, as often as it is there."""
        return sorted(text_of(event["message"]) for kind, event in self.floor.ctl.events()
                      if kind == "message_received")

    def test_what_was_written_before_is_there_once(self):
        services = (*self.floor.services, self.phone)
        for service in services:
            service.start()
        for service in services:
            # A page of its own: not an end, nor a port where nobody listens.
            self.assertTrue(until(lambda s=service: isinstance(s.ready(), dict), timeout=30), service.name)
        self.assertTrue(until(self.phone.listens))
        by_phone, by_mail = f"{PRIVATE_WORD} by phone", f"{PRIVATE_WORD} by mail"

        def post():
            return self.phone.post("31612345678", 1, by_phone)
        status, again = post()
        self.assertEqual(status, 503)
        self.assertGreater(int(again), 0)
        mail = email.message.EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "customer@example.org", SHOP, f"{PRIVATE_WORD}s"
        mail["Message-ID"] = "<early@example.org>"
        mail.set_content(by_mail + "\n")
        self.provider.send(mail)
        self.assertTrue(until(lambda: self.provider.count(SHOP) == 1))

        self.servers.start_kafka()
        self.floor.configure()
        for service in services:
            service.wait_ready(timeout=60)
        # As Meta does: again, and once more, as the answer may not have reached it.
        self.assertTrue(until(lambda: post()[0] == 200))
        self.assertEqual(post()[0], 200)
        self.assertTrue(until(lambda: "duplicate_skipped" in [kind for kind, _ in self.floor.ctl.events()]))
        until(lambda: len(self.received()) >= 2)
        self.assertEqual(self.received(), sorted([by_phone, by_mail]))
        report = json.loads(self.floor.ctl.run("log", "verify", "--output", "json"))
        self.assertTrue(report["ok"], report)
        self.assertEqual(self.floor.leaks(), [])
        for service in services:
            self.assertIsNone(service.process.poll(), f"{service.name} is the process that was started")


if __name__ == "__main__":
    BINARIES = take_option("binaries")
    unittest.main(verbosity=2)
