#!/usr/bin/env python3
"""Mail in and out over real servers while wissel-email is killed and the broker goes away: nothing is lost, nothing is
in a conversation twice, and the order stays. History and admin, which people ask meanwhile, are killed too: they answer,
or cannot be reached. The seed is printed; --seed repeats its draws."""

import argparse
import collections
import email.message
import email.policy
import imaplib
import itertools
import json
import os
import pathlib
import random
import re
import smtplib
import ssl
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from journey import Agent, Ctl, JourneyError, until  # noqa: E402  pylint: disable=wrong-import-position
from servers import OwnServers, Service, free_ports, make_topics  # noqa: E402  pylint: disable=wrong-import-position

BINARIES = None
SEED = None

CUSTOMERS = 12
MAILS_EACH = 5
MAX_PAUSE_S = 0.4
AGENTS = {"ada": "a", "bo": "b"}
# The shop's mailboxes: routing group, account, address.
MAILBOXES = (("a", "support-mail", "support@shop.example"), ("b", "sales-mail", "sales@shop.example"))
QUIET_S = 60

WORKSPACE = """\
workspace_id: shop
routing_groups: [{routing_group_id: a}, {routing_group_id: b}]
accounts:
  - {account: {kind: email, account_id: support-mail}, routing_group_id: a, address: support@shop.example}
  - {account: {kind: email, account_id: sales-mail}, routing_group_id: b, address: sales@shop.example}
queues:
  - {queue_id: qa, routing_group_id: a, strategy: longest_idle, offer_timeout: 30s, max_missed_offers: 9}
  - {queue_id: qb, routing_group_id: b, strategy: longest_idle, offer_timeout: 30s, max_missed_offers: 9}
agents:
  - {agent_id: ada, routing_group_id: a, queue_ids: [qa], capacity_units: 100}
  - {agent_id: bo, routing_group_id: b, queue_ids: [qb], capacity_units: 100}
channels: [{kind: email, weight_units: 1}]
"""


def customer_address(customer):
    """All in one mailbox, and each a contact of its own."""
    return f"customer+{customer}@example.org"


class Provider:
    """Dovecot and Postfix of scripts/stack: the shop's provider and its customers'."""

    CUSTOMERS = "customer@example.org"

    def __init__(self, environment):
        self.authority = environment["WISSEL_TEST_CA"]
        self.password = environment["WISSEL_TEST_MAIL_PASSWORD"]
        self.imaps = int(environment["WISSEL_TEST_IMAPS"].rpartition(":")[2])
        self.smtp = int(environment["WISSEL_TEST_SMTP"].rpartition(":")[2])
        self.mx = int(environment["WISSEL_TEST_MX"].rpartition(":")[2])
        self.log = pathlib.Path(self.authority).parents[1] / "postfix" / "log"
        self.log_begin = self.log.stat().st_size
        self.tls = ssl.create_default_context(cafile=self.authority)

    def send(self, mail):
        """As another provider hands it over."""
        with smtplib.SMTP("127.0.0.1", self.mx, timeout=15) as connection:
            connection.send_message(mail)

    def mails(self, user):
        """The headers of the mailbox in its order, and the first part's text."""
        with imaplib.IMAP4_SSL("127.0.0.1", self.imaps, ssl_context=self.tls, timeout=15) as connection:
            connection.login(user, self.password)
            connection.select("INBOX", readonly=True)
            numbers = connection.search(None, "ALL")[1][0].split()
            if not numbers:
                return []
            fetched = connection.fetch(b"1:*", "(BODY.PEEK[])")[1]
        return [email.message_from_bytes(part[1], policy=email.policy.default)
                for part in fetched if isinstance(part, tuple)]

    def count(self, user):
        with imaplib.IMAP4_SSL("127.0.0.1", self.imaps, ssl_context=self.tls, timeout=15) as connection:
            connection.login(user, self.password)
            return int(connection.select("INBOX", readonly=True)[1][0])

    def empty(self, user):
        with imaplib.IMAP4_SSL("127.0.0.1", self.imaps, ssl_context=self.tls, timeout=15) as connection:
            connection.login(user, self.password)
            if int(connection.select("INBOX")[1][0]):
                connection.store("1:*", "+FLAGS", "\\Deleted")
                connection.expunge()

    def taken(self):
        """The Message-IDs that Postfix answered with 250, in order: mailboxes may be filled in another."""
        with open(self.log, encoding="utf-8") as log:
            log.seek(self.log_begin)
            lines = log.read()
        queued = set(re.findall(r"postfix/qmgr\[\d+\]: (\w+): from=", lines))
        return [message for item, message in
                re.findall(r"postfix/cleanup\[\d+\]: (\w+): message-id=(<[^>]+>)", lines) if item in queued]


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
                    self._answer(event["conversation_id"], f"{self.name} {len(self.typed)}: good morning")
                elif kind == "message_received":
                    asked = text_of(event["message"])
                    self._answer(event["conversation_id"], f"{self.name} {len(self.typed)}: you wrote {asked}")
        except Exception as error:  # pylint: disable=broad-exception-caught
            self.failure = error

    def _answer(self, conversation, text):
        self.do(f"reply @{conversation} {text}")
        self.typed[text] = conversation


def text_of(message):
    return message["contents"][0]["text"]["text"].strip()


class Floor:
    """The services, each a process, and what wisselctl needs to find them."""

    def __init__(self, folder, servers, provider):
        self.context = folder / "context.yaml"
        (folder / "secret").write_text("0123456789abcdef0123456789abcdef", encoding="ascii")
        (folder / "password").write_text(provider.password, encoding="ascii")
        gateway, admin, history = free_ports(3)
        kafka, redis = f"kafka.brokers={servers.kafka}", f"redis.address={servers.redis}"

        def grpc(section, port):
            return (f"{section}.grpc.listen=127.0.0.1:{port}",
                    f"{section}.auth.hs256_secret=file:{folder}/secret")
        self.admin = Service(BINARIES, "admin", folder,
                             [kafka, *grpc("admin", admin), "admin.operator_workspace=shop"])
        self.history = Service(BINARIES, "history", folder, [kafka, redis, *grpc("history", history)])
        self.others = [
            Service(BINARIES, "router", folder, [kafka, redis]),
            Service(BINARIES, "projector", folder, [kafka, redis]),
            Service(BINARIES, "agent-gateway", folder, [kafka, redis, *grpc("gateway", gateway)])]
        # Quick to notice a death; an attempt whose outcome nobody knows is soon made again.
        self.email = Service(BINARIES, "email", folder, [
            kafka, redis, f"state_folder={folder}/state", f"blobs.folder={folder}/blobs",
            "delivery.session_timeout=1s", "delivery.start_limit=1s", "delivery.call_timeout=4s",
            "delivery.settle_wait=0s", "delivery.initial_backoff=100ms", "delivery.max_backoff=1s",
            "delivery.max_attempts=100"], self._mail_config(folder, provider))
        self.context.write_text(
            f"server: 127.0.0.1:{gateway}\nadmin_server: 127.0.0.1:{admin}\n"
            f"history_server: 127.0.0.1:{history}\nworkspace: shop\n"
            f"insecure_local: true\nkafka: {servers.kafka}\nredis: {servers.redis}\n"
            f"statez: [\"127.0.0.1:{self.others[0].port}\"]\ntoken_files:\n"
            + "".join(f"  {who}: {who}.token\n" for who in ("admin", "supervisor", *AGENTS)), encoding="utf-8")
        self.ctl = Ctl(BINARIES, self)
        for who, words in (*((role, ("--role", role, "--subject", role)) for role in ("admin", "supervisor")),
                           *((agent, ("--role", "agent", "--agent", agent, "--group", group))
                             for agent, group in AGENTS.items())):
            token = self.ctl.run("token", "mint", "--secret-file", folder / "secret", *words)
            (folder / f"{who}.token").write_text(token, encoding="ascii")

    @staticmethod
    def _mail_config(folder, provider):
        file = folder / "email.yaml"
        text = f"thread_keys: [{{key: {{file: {folder}/secret}}}}]\naccounts:\n"
        for group, account, address in MAILBOXES:
            server = (f"host: localhost, ca_file: {provider.authority}, user: {address}, timeout: 2s,"
                      f" password: {{file: {folder}/password}}")
            text += (f"  - workspace_id: shop\n    routing_group_id: {group}\n    account_id: {account}\n"
                     f"    address: {address}\n    imap: {{port: {provider.imaps}, security: tls, {server}}}\n"
                     f"    smtp: {{port: {provider.smtp}, security: starttls, {server}}}\n")
        file.write_text(text, encoding="utf-8")
        return file

    def start(self, workspace):
        self.admin.start()
        make_topics(self.ctl, partitions=4)
        self.admin.wait_ready()
        self.ctl.run("apply", "-f", workspace)
        for service in (*self.others, self.history, self.email):
            service.start()
        for service in (*self.others, self.history, self.email):
            service.wait_ready()

    def stop(self):
        for service in (self.email, self.history, *reversed(self.others), self.admin):
            service.stop()


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
        mail["Subject"] = f"order of customer {customer}"
        mail["Message-ID"] = f"<mail-{customer}-{step}@example.org>"
        answers = [m for m in self.provider.mails(Provider.CUSTOMERS) if m["To"] == mail["From"]] if step else []
        if answers:
            mail["In-Reply-To"] = answers[-1]["Message-ID"]
        mail.set_content(f"mail {customer}.{step}\n")
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
        self.floor = Floor(self.folder, self.servers, self.provider)
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
        workspace = self.folder / "shop.yaml"
        workspace.write_text(WORKSPACE, encoding="utf-8")
        self.floor.start(workspace)
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


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--binaries", required=True)
    parser.add_argument("--seed", type=int)
    known, rest = parser.parse_known_args()
    BINARIES, SEED = known.binaries, known.seed
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
