#!/usr/bin/env python3
"""The morning of scripts/demo as a test, and what a kill -9 of wissel-dev in the middle must not change."""

import argparse
import collections
import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from journey import EXAMPLES, Ctl, Dev, JourneyError, Morning, Stage, until  # noqa: E402  pylint: disable=wrong-import-position

BINARIES = None


class Journey(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="wissel-e2e-")))
        self.dev = Dev(BINARIES, self.folder / "state")
        self.dev.start()
        self.ctl = Ctl(BINARIES, self.dev)
        self.morning = Morning(self.ctl, self.folder, Stage(out=None))
        self.addCleanup(self.dev.stop)
        self.addCleanup(self.morning.leave)

    def test_a_morning(self):
        self.morning.run()
        self.assertEqual(self.dev.stop(), 0)

    def test_kill_in_the_middle_loses_and_doubles_nothing(self):
        m = self.morning
        m.agents_arrive()
        m.whatsapp_question()
        before = self.ctl.events()
        self.dev.kill()
        self.dev.start()
        self.assertEqual(self.ctl.events()[:len(before)], before, "what was acknowledged is there")
        # The provider had no answer to its last webhook, for all it knows, and repeats it.
        m.webhook_repeated()
        m.leave()
        for agent in m.agents.values():
            agent.cursor_file.unlink(missing_ok=True)
            agent.connect()
            agent.do("available")
        m.mail_with_attachment()
        m.verify()
        sent = collections.Counter(file["conversation_id"] for file in self.ctl.outbox())
        self.assertEqual(sent, {m.jan: 1, m.mail: 1})

    def test_what_operations_asks(self):
        shop = EXAMPLES / "web-shop.yaml"
        self.ctl.run("diff", "-f", shop)  # exit code 0: the same
        changed = self.folder / "shop.yaml"
        changed.write_text(self.ctl.run("get", "config").replace("capacity_units: 4", "capacity_units: 5"),
                           encoding="utf-8")
        self.assertIn("agents[bram].capacity_units: 4 → 5", self.ctl.run("apply", "-f", changed, "--dry-run"))
        self.ctl.run("apply", "-f", changed)
        with self.assertRaisesRegex(JourneyError, "exit code 4"):
            self.ctl.run("apply", "-f", changed)  # written for version 1, and 2 is in force
        self.ctl.run("topics", "check")
        self.assertEqual(json.loads(self.ctl.run("deadletter", "list", "--output", "json")), {})
        self.morning.agents_arrive()
        self.morning.whatsapp_question()
        jan = self.morning.jan
        listed = until(lambda: json.loads(self.ctl.run("conversations", "list", "--output", "json")))
        self.assertEqual([c["conversation_id"] for c in listed["conversations"]], [jan])
        self.assertIn("Dag Jan", self.ctl.run("conversations", "show", jan))
        self.assertIn("chosen: anna", self.ctl.run("explain", jan[:8]))

    def test_one_redis_at_a_time(self):
        def sockets():
            return list((self.dev.state / "redis").glob("*.sock"))
        self.assertEqual(len(sockets()), 1)
        self.dev.kill()
        self.dev.start()
        self.assertTrue(until(lambda: len(sockets()) == 1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--binaries", required=True)
    known, rest = parser.parse_known_args()
    BINARIES = known.binaries
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
