#!/usr/bin/env python3
"""The morning of scripts/demo as a test, and what a kill -9 of wissel-dev in the middle must not change."""

import collections
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from journey import EXAMPLES, MESSAGES, Ctl, Dev, JourneyError, MailServers, Morning, Stage, take_option, until  # noqa: E402  pylint: disable=wrong-import-position
from leaks import leaks  # noqa: E402  pylint: disable=wrong-import-position
from servers import OwnServers  # noqa: E402  pylint: disable=wrong-import-position

BINARIES = None


class Journey(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="wissel-e2e-")))
        self.begin()

    def begin(self, config=None, mail_servers=None, flags=()):
        # Debug, so that all that can be logged is searched at the end.
        self.dev = Dev(BINARIES, self.folder / "state", config, (*flags, "--set", "log.level=debug"))
        self.dev.start()
        self.ctl = Ctl(BINARIES, self.dev)
        self.morning = Morning(self.ctl, self.folder, Stage(out=None), mail_servers)
        self.addCleanup(self.nothing_is_told, self.dev, self.morning)
        self.addCleanup(self.dev.stop)
        self.addCleanup(self.morning.leave)

    def nothing_is_told(self, dev, morning):
        """After its end, however it ended."""
        self.assertEqual(leaks(dev.log, morning.private()), [])

    def test_a_morning_without_providers(self):
        self.morning.run()
        self.assertEqual(self.dev.stop(), 0)
        self.assertFalse(self.dev.context.exists(), "it is there while all of it is ready")

    def test_a_morning_with_real_mail(self):
        self.dev.stop()
        servers = MailServers(os.environ)
        for user in (servers.SHOP, Morning.PIETER):
            servers.empty(user)  # other tests share them
        self.begin(servers.configuration(self.folder), servers)
        self.morning.run()
        self.assertEqual(self.dev.stop(), 0)

    def test_whatsapp_through_a_graph(self):
        # With a number of its own the answer goes to the Graph API, and the webhook needs the app's secret.
        self.dev.stop()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            graph = f"127.0.0.1:{probe.getsockname()[1]}"
        secrets = {"app": "s3cret-of-the-app", "token": "t0ken-of-the-number", "verify": "w0rd-of-the-webhook"}
        for name, secret in secrets.items():
            (self.folder / name).write_text(secret, encoding="utf-8")
        self.addCleanup(lambda: self.assertEqual(leaks(self.dev.log, {v: k for k, v in secrets.items()}), []))
        with open(self.folder / "stub.log", "ab") as log:
            stub = subprocess.Popen(
                [pathlib.Path(BINARIES) / "stub-graph", "--listen", graph, "--app-secret-file", self.folder / "app",
                 "--access-token-file", self.folder / "token",
                 "--webhook-url", f"http://127.0.0.1:{self.dev.ports[3]}/whatsapp/webhook"], stdout=log, stderr=log)
        self.addCleanup(stub.wait)
        self.addCleanup(stub.kill)
        config = self.folder / "whatsapp.yaml"
        config.write_text(f"""\
whatsapp:
  graph: {{base_url: "http://{graph}"}}
  accounts:
    - workspace_id: web-shop
      routing_group_id: desk
      account_id: whatsapp-main
      phone_number_id: "106540352242922"
      access_token: {{file: {self.folder}/token}}
      app_secret: {{file: {self.folder}/app}}
      verify_token: {{file: {self.folder}/verify}}
""", encoding="utf-8")
        self.dev.config = config
        self.dev.start()

        def call(path, body=None):
            data = json.dumps(body).encode() if body else None
            with urllib.request.urlopen(f"http://{graph}{path}", data=data, timeout=10) as answer:
                return json.loads(answer.read() or b"{}")
        m = self.morning
        m.agents_arrive()
        call("/_customer", {"phone_number_id": "106540352242922", "from": "31612345678", "text": "Waar is mijn fiets?"})
        jan = until(lambda: m.conversation_with("31612345678"))
        self.assertTrue(jan)
        name = m.take(jan)
        m.agent(name).do(f"reply @{jan} Onderweg.")
        accepted = until(lambda: call("/_book")["accepted"])
        self.assertEqual(len(accepted), 1)
        self.assertIn("Onderweg.", json.dumps(accepted))
        self.assertTrue(until(lambda: [e for k, e in self.ctl.events() if k == "delivery_updated"
                                       and e["state"] == "DELIVERY_STATE_SENT"]))
        self.assertEqual(self.ctl.outbox(), [])
        with self.assertRaisesRegex(JourneyError, "401"):
            self.ctl.run("inject", "whatsapp", "--secret-file", self.folder / "verify", MESSAGES / "thank-you.json")

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

    def test_on_a_kafka_and_redis_of_ones_own(self):
        self.dev.stop()
        servers = OwnServers(self.folder / "servers")
        self.addCleanup(servers.down)
        self.folder = self.folder / "own"
        self.begin(flags=("--kafka", servers.kafka, "--redis", servers.redis))
        m = self.morning
        m.agents_arrive()
        m.whatsapp_question()
        self.assertFalse((self.dev.state / "log.sqlite").exists(), "the log is Kafka's")
        self.assertFalse((self.dev.state / "redis-child").exists(), "no Redis child")
        before = self.ctl.events()
        self.dev.kill()
        self.dev.start()
        self.assertEqual(self.ctl.events()[:len(before)], before)
        self.assertIn("Dag Jan", until(lambda: self.shown(m.jan)))
        # Whoever is asked to do it again sees that it is done, and the work goes on where it was.
        m.webhook_repeated()
        m.leave()
        for agent in m.agents.values():
            agent.connect()
            agent.do("available")
        m.answer(m.jans_agent, m.jan, "Kan ik verder nog helpen?")
        m.verify()
        self.assertEqual(self.dev.stop(), 0)

    def shown(self, conversation):
        try:
            return self.ctl.run("conversations", "show", conversation)
        except JourneyError:
            return ""

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
        self.assertEqual(json.loads(self.ctl.run("deadletter", "list", "--output", "json")),
                         {"dead_letters": []})
        self.morning.agents_arrive()
        self.morning.whatsapp_question()
        jan = self.morning.jan
        listed = until(lambda: json.loads(self.ctl.run("conversations", "list", "--output", "json")))
        self.assertEqual([c["conversation_id"] for c in listed["conversations"]], [jan])
        self.assertIn("Dag Jan", self.ctl.run("conversations", "show", jan))
        self.assertIn("chosen: anna", self.ctl.run("explain", jan[:8]))

    def test_kill_with_work_in_flight(self):
        m = self.morning
        m.agents_arrive()
        m.whatsapp_question()
        agent = m.agent(m.jans_agent)

        def provide():
            # As a provider does: until it is told that the webhook was taken.
            while True:
                try:
                    return self.ctl.run("inject", "whatsapp", MESSAGES / "thank-you.json")
                except JourneyError:
                    time.sleep(0.05)
        provider = threading.Thread(target=provide)
        provider.start()
        agent.type(f"reply @{m.jan} Tot morgen.")
        time.sleep(0.02)
        self.dev.kill()
        self.dev.start()
        provider.join()

        # The agent's client has come back by itself, and has sent again what had no outcome.
        def farewell(event):
            return event["message"]["contents"][0]["text"]["text"] == "Tot morgen."
        self.assertTrue(until(lambda: agent.count("outcome", lambda o: "rejected" not in o) >= 3), agent.seen)
        sent = until(lambda: len(self.ctl.outbox()) == 2)
        self.assertTrue(sent, self.ctl.run("log", "tail")[-3000:])
        m.verify()
        events = self.ctl.events()
        self.assertEqual(sum(1 for k, e in events if k == "reply_sent" and farewell(e)), 1)
        self.assertEqual(sum(1 for k, e in events if k == "message_received"), 2)
        self.assertTrue(until(lambda: agent.count("reply_sent", farewell) == 1), agent.seen)
        # The first message came before the offer, and so not on this stream.
        self.assertTrue(until(lambda: agent.count("message_received") == 1), agent.seen)
        time.sleep(0.5)
        self.assertEqual(agent.count("reply_sent", farewell), 1)
        self.assertEqual(agent.count("message_received"), 1)

    def test_a_full_disk_is_said_and_survived(self):
        m = self.morning
        m.agents_arrive()
        m.whatsapp_question()
        before = self.ctl.events()
        limits = resource.prlimit(self.dev.process.pid, resource.RLIMIT_FSIZE)
        # No file may grow, as on a disk without room.
        resource.prlimit(self.dev.process.pid, resource.RLIMIT_FSIZE, (1, limits[1]))
        with self.assertRaisesRegex(JourneyError, "503"):
            self.ctl.run("inject", "whatsapp", MESSAGES / "thank-you.json")
        self.assertTrue(until(lambda: self.dev.readiness()[0] == 503), "it is said")
        self.assertIn("embedded log: disk I/O error", self.dev.readiness()[1])
        self.assertEqual(self.ctl.events()[:len(before)], before, "reading goes on")
        resource.prlimit(self.dev.process.pid, resource.RLIMIT_FSIZE, limits)
        self.assertTrue(until(lambda: self.dev.readiness()[0] == 200, timeout=60), self.dev.readiness())
        # The provider had no answer, and repeats it.
        self.ctl.run("inject", "whatsapp", MESSAGES / "thank-you.json")
        def received():
            return [e for k, e in self.ctl.events() if k == "message_received"][1:]
        self.assertTrue(until(received))
        m.answer(m.jans_agent, m.jan, "Graag gedaan, Jan, tot morgen.")
        # By now whatever was written before the answer is decided on.
        self.assertEqual(len(received()), 1)
        m.verify()

    def test_redis_is_there_as_long_as_it_is_and_no_longer(self):
        def children():
            mine = str(self.dev.state / "redis-child")
            found = []
            for process in pathlib.Path("/proc").glob("[0-9]*"):
                try:
                    words = (process / "cmdline").read_text(encoding="utf-8")
                except OSError:
                    continue
                if "redis-server" in words and mine in words:
                    found.append(process.name)
            return found
        def listed():
            try:
                return json.loads(self.ctl.run("-o", "json", "conversations", "list"))
            except (JourneyError, ValueError):
                return None
        self.morning.agents_arrive()
        self.morning.whatsapp_question()
        self.assertTrue(until(listed))
        first = children()
        self.assertEqual(len(first), 1)
        os.kill(int(first[0]), signal.SIGKILL)
        self.assertTrue(until(lambda: len(children()) == 1 and children() != first))
        self.assertTrue(until(listed))
        self.dev.kill()
        self.assertTrue(until(lambda: not children()))
        self.dev.start()
        self.assertEqual(len(children()), 1)


if __name__ == "__main__":
    BINARIES = take_option("binaries")
    unittest.main(verbosity=2)
