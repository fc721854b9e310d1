#!/usr/bin/env python3
"""Mail in and out over real servers while wissel-email is killed and the broker goes away: nothing is lost, nothing is
in a conversation twice, and the order stays. History and admin, which people ask meanwhile, are killed too: they answer,
or cannot be reached. The seed is printed; --seed repeats its draws."""

import collections
import email.message
import itertools
import json
import os
import pathlib
import random
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from floor import AGENTS, MAILBOXES, PRIVATE_WORD, Floor, Provider, text_of  # noqa: E402  pylint: disable=wrong-import-position
from journey import Agent, JourneyError, take_option, until  # noqa: E402  pylint: disable=wrong-import-position
from servers import OwnServers  # noqa: E402  pylint: disable=wrong-import-position

BINARIES = None
SEED = None

CUSTOMERS = 12
MAILS_EACH = 5
MAX_PAUSE_S = 0.4
QUIET_S = 60


def customer_address(customer):
    """All in one mailbox, and each a contact of its own."""
    return f"customer+{customer}@example.org"


class Desk(Agent):
    """An agent who takes every offer and answers every mail once."""

    def __init__(self, ctl, name, cursor_file):
        self.typed = {}  # The answers of which the log was told to have them: text to conversation.
        self.failure = None
        super().__init__(ctl, name, cursor_file)
        self.do("available")
        self.worker = threading.Thread(target=self._work, daemon=True)
        self.worker.start()

    def _work(self):
        try:
            for index in itertools.count():
                with self.lock:
                    while len(self.seen) <= index:
                        self.lock.wait()
                    kind, event = self.seen[index]
                if kind == "offered":
                    self.do(f"accept {event['offer_id']}")
                elif kind == "assigned" and event["agent_id"] == self.name:
                    self._answer(event["conversation_id"], f"{self.name} {len(self.typed)}: {PRIVATE_WORD}s?")
                elif kind == "message_received":
                    asked = text_of(event["message"])
                    self._answer(event["conversation_id"], f"{self.name} {len(self.typed)}: you wrote {asked}")
        except Exception as error:  # pylint: disable=broad-exception-caught
            self.failure = error

    def _answer(self, conversation, text):
        self.do(f"reply @{conversation} {text}")
        self.typed[text] = conversation


class Customers(threading.Thread):
    """Write at random times. What follows a first mail answers the latest the customer has got, if any."""

    def __init__(self, provider, lot):
        super().__init__(daemon=True)
        self.provider = provider
        self.lot = lot
        self.sent = 0
        self.failure = None

    def run(self):
        try:
            order = [c for c in range(CUSTOMERS) for _ in range(MAILS_EACH)]
            self.lot.shuffle(order)
            steps = collections.Counter()
            for customer in order:
                self._write(customer, steps[customer])
                steps[customer] += 1
                self.sent += 1
                time.sleep(self.lot.uniform(0, MAX_PAUSE_S))
        except Exception as error:  # pylint: disable=broad-exception-caught
            self.failure = error

    def _write(self, customer, step):
        mail = email.message.EmailMessage()
        mail["From"], mail["To"] = customer_address(customer), MAILBOXES[customer % len(MAILBOXES)][2]
        mail["Subject"] = f"{PRIVATE_WORD}s for customer {customer}"
        mail["Message-ID"] = f"<mail-{customer}-{step}@example.org>"
        answers = [m for m in self.provider.mails(Provider.CUSTOMERS) if m["To"] == mail["From"]] if step else []
        if answers:
            mail["In-Reply-To"] = answers[-1]["Message-ID"]
        mail.set_content(f"{PRIVATE_WORD} {customer}.{step}\n")
        self.provider.send(mail)


class Curious(threading.Thread):
    """Asks history and admin again and again, and kills whom it asks. Each answers, or says that it cannot be reached:
    nothing else."""

    QUESTIONS = (("conversations", "list"), ("get", "config"), ("deadletter", "list"))

    def __init__(self, floor, lot):
        super().__init__(daemon=True)
        self.floor = floor
        self.lot = lot
        self.answered = self.unreachable = self.kills = 0
        self.failure = None
        self.enough = threading.Event()

    def run(self):
        try:
            while not self.enough.wait(self.lot.uniform(0, 0.5)):
                victim = self.lot.choice((self.floor.history, self.floor.admin))
                killer = threading.Timer(self.lot.uniform(0, 0.2), victim.kill)
                killer.start()
                for question in self.QUESTIONS:
                    self._ask(question)
                killer.join()
                self.kills += 1
                victim.start()
        except Exception as error:  # pylint: disable=broad-exception-caught
            self.failure = error

    def _ask(self, question):
        try:
            json.loads(self.floor.ctl.run("--output", "json", "--timeout", "3s", *question))
            self.answered += 1
        except JourneyError as error:
            if "exit code 3" not in str(error):
                raise
            self.unreachable += 1


class MailKillTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="wissel-mail-")))
        self.provider = Provider(os.environ)
        for user in (Provider.CUSTOMERS, *(address for _, _, address in MAILBOXES)):
            self.provider.empty(user)  # other tests share them
        self.servers = OwnServers(self.folder / "stack")
        self.addCleanup(self.servers.down)
        self.floor = Floor(BINARIES, self.folder, self.servers, self.provider)
        self.addCleanup(self.floor.stop)

    def until_something_arrives(self, lot):
        """Waits until answers are going out (or a while), and a moment of a call longer."""
        before = self.provider.count(Provider.CUSTOMERS)
        until(lambda: self.provider.count(Provider.CUSTOMERS) > before, timeout=4)
        time.sleep(lot.uniform(0, 0.05))

    def test_nothing_is_lost_or_out_of_order(self):
        seed = SEED if SEED is not None else random.SystemRandom().randrange(1 << 31)
        print(f"seed {seed}", flush=True)
        lot = random.Random(seed)
        self.floor.start()
        desks = [Desk(self.floor.ctl, name, self.folder / f"{name}.cursor") for name in AGENTS]
        for desk in desks:
            self.addCleanup(desk.leave)
        customers = Customers(self.provider, random.Random(seed + 1))
        customers.start()
        curious = Curious(self.floor, random.Random(seed + 2))
        curious.start()
        kills, broker = 0, None
        while customers.is_alive() or broker is None:
            # By turns: while answers go out, and at any moment, which finds it reading or connecting.
            if kills % 2:
                self.until_something_arrives(lot)
            else:
                time.sleep(lot.uniform(0.1, 1.5))
            self.floor.email.kill()
            kills += 1
            time.sleep(lot.uniform(0, 0.5))
            self.floor.email.start()
            if broker is None and customers.sent >= CUSTOMERS * MAILS_EACH / 2:
                broker = threading.Thread(target=self.servers.restart_kafka)
                broker.start()
        broker.join()
        curious.enough.set()
        curious.join()
        self.assertIsNone(customers.failure)
        self.assertIsNone(curious.failure)
        self.assertGreater(curious.answered, 0)
        begin = time.monotonic()
        self.await_quiet(desks)
        print(f"{customers.sent} mails, {kills} kills; quiet after {time.monotonic() - begin:.1f} s", flush=True)
        print(f"history and admin: {curious.kills} kills, {curious.answered} answers, {curious.unreachable} times not "
              "reached", flush=True)
        self.judge(desks, kills)

    def await_quiet(self, desks):
        """Until each mail is in the log, is answered, and each answer has arrived; what is missing, the judge finds."""
        def quiet():
            for desk in desks:
                if desk.failure:
                    raise desk.failure
            events = self.floor.ctl.events()
            received = [e for k, e in events if k == "message_received"]
            replies = {e["outbound_id"] for k, e in events if k == "reply_sent"}
            sent = {e["outbound_id"] for k, e in events
                    if k == "delivery_updated" and e["state"] == "DELIVERY_STATE_SENT"}
            # Each mail has an answer but those that came before the agent took the conversation.
            answered = sum(len(desk.typed) for desk in desks)
            shown = sum(desk.count("message_received") + desk.count(
                "assigned", lambda e, name=desk.name: e["agent_id"] == name) for desk in desks)
            return (len(received) >= CUSTOMERS * MAILS_EACH and answered == shown and replies == sent
                    and self.provider.count(Provider.CUSTOMERS) >= len(replies))
        until(quiet, timeout=QUIET_S)

    def judge(self, desks, kills):
        events = self.floor.ctl.events()
        received = collections.defaultdict(list)  # by conversation, in the log's order
        for kind, event in events:
            if kind == "message_received":
                received[event["conversation_id"]].append(text_of(event["message"]))
        # Each mail once, in the order of its mailbox; each customer's in one conversation.
        in_mailboxes = collections.defaultdict(list)
        for _, _, address in MAILBOXES:
            for mail in self.provider.mails(address):
                in_mailboxes[mail["From"]].append(mail.get_content().strip())
        self.assertEqual(sum(map(len, in_mailboxes.values())), CUSTOMERS * MAILS_EACH)
        self.assertEqual(sorted(received.values()), sorted(in_mailboxes.values()))

        # Each answer that an agent was told is done is in the log once.
        replies = [e for k, e in events if k == "reply_sent"]
        self.assertEqual(sorted((text_of(e["message"]), e["conversation_id"]) for e in replies),
                         sorted(pair for desk in desks for pair in desk.typed.items()))

        # Each of them is with the customer, under one Message-ID, as often as it is told here; nothing else is.
        mailed = self.provider.mails(Provider.CUSTOMERS)
        ids = collections.defaultdict(set)
        for mail in mailed:
            ids[mail["X-Wissel-Id"]].add(mail["Message-ID"])
        self.assertEqual(set(ids), {e["outbound_id"] for e in replies})
        self.assertEqual({key: len(found) for key, found in ids.items() if len(found) > 1}, {})
        contacts = {e["conversation_id"]: e["contact"]["address"] for k, e in events if k == "conversation_opened"}
        texts = {e["outbound_id"]: (contacts[e["conversation_id"]], text_of(e["message"])) for e in replies}
        for mail in mailed:
            to, text = texts[mail["X-Wissel-Id"]]
            self.assertEqual(mail["To"], to)
            self.assertIn(text, mail.get_body(("plain",)).get_content())
        doubles = len(mailed) - len(ids)
        skipped = sum(1 for k, _ in events if k == "duplicate_skipped")
        uncertain = sum(1 for k, e in events
                        if k == "delivery_updated" and e["state"] == "DELIVERY_STATE_UNCERTAIN")
        print(f"{len(ids)} answers: {uncertain} times uncertain, {doubles} mails a second copy; "
              f"{skipped} inputs came again", flush=True)
        # A copy needs a kill between the server's 250 and its receipt.
        self.assertLessEqual(doubles, kills)

        # Answers of a conversation went out in its order.
        place = {}
        for i, message_id in enumerate(self.provider.taken()):
            place.setdefault(message_id, i)
        by_conversation = collections.defaultdict(list)
        for event in replies:
            (message_id,) = ids[event["outbound_id"]]
            by_conversation[event["conversation_id"]].append(place[message_id])
        for conversation, places in by_conversation.items():
            self.assertEqual(places, sorted(places), conversation)

        # History tells what the log does; admin has what was put in force.
        for service in (self.floor.history, self.floor.admin):
            service.wait_ready()
        listed = json.loads(self.floor.ctl.run("--output", "json", "conversations", "list"))
        self.assertEqual({c["conversation_id"] for c in listed["conversations"]}, set(received))
        for conversation, texts_of in received.items():
            shown = json.loads(self.floor.ctl.run("--output", "json", "conversations", "show", conversation))
            messages = shown["messages"]
            self.assertEqual([text_of(m["inbound"]) for m in messages if "inbound" in m], texts_of)
            self.assertEqual([text_of(m["outbound"]) for m in messages if "outbound" in m],
                             [text_of(e["message"]) for e in replies if e["conversation_id"] == conversation])
        self.floor.ctl.run("diff", "-f", self.folder / "shop.yaml")

        report = json.loads(self.floor.ctl.run("log", "verify", "--output", "json"))
        self.assertTrue(report["ok"], report)
        self.assertEqual(self.floor.leaks(), [])


if __name__ == "__main__":
    BINARIES, SEED = take_option("binaries"), take_option("seed", required=False, type=int)
    unittest.main(verbosity=2)
