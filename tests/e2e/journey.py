"""A morning at the example web shop, through wissel-dev's real interfaces. The demo shows it; tests/e2e runs it
headless. Standard library only; everything is done and seen through wisselctl, and as a customer sees it."""

import argparse
import email
import email.policy
import hashlib
import imaplib
import json
import os
import pathlib
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

from leaks import leaks, texts_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "deploy" / "examples"
MESSAGES = EXAMPLES / "messages"


class JourneyError(Exception):
    """A step was not seen."""


def take_option(name, **about):
    """Takes --NAME VALUE off the command line, what is left being unittest's."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(f"--{name}", **{"required": True, **about})
    known, sys.argv[1:] = parser.parse_known_args()
    return getattr(known, name)


class Dev:
    """One wissel-dev with a state folder; its ports are free ones, and the same after a restart."""

    LISTENERS = ("grpc_listen", "admin_listen", "history_listen", "webhook_listen", "page_listen", "telemetry.listen")

    def __init__(self, binaries, state, config=None, flags=()):
        self.binary = pathlib.Path(binaries) / "wissel-dev"
        self.state = pathlib.Path(state)
        self.config = config
        self.flags = flags
        self.process = None
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in self.LISTENERS]
        self.ports = [s.getsockname()[1] for s in sockets]
        for s in sockets:
            s.close()

    @property
    def context(self):
        return self.state / "context.yaml"

    @property
    def log(self):
        return self.state / "wissel-dev.log"

    def start(self, timeout=30):
        self.state.mkdir(parents=True, exist_ok=True)
        self.context.unlink(missing_ok=True)
        log = open(self.log, "ab")
        began = time.monotonic()
        self.process = subprocess.Popen(
            [self.binary, "--state", self.state, "--workspace-file", EXAMPLES / "web-shop.yaml",
             *(("--config", self.config) if self.config else ()), *self.flags,
             *(word for name, port in zip(self.LISTENERS, self.ports)
               for word in ("--set", f"{name}=127.0.0.1:{port}"))],
            # As Python has it, SIGXFSZ is ignored: a file's limit makes writing fail, and no more.
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, restore_signals=False)
        log.close()
        while not self.context.exists():
            if self.process.poll() is not None or time.monotonic() - began > timeout:
                raise JourneyError(f"wissel-dev is not ready; see {self.log}")
            time.sleep(0.01)
        return time.monotonic() - began

    def readiness(self):
        """The status of /readyz, and its page."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[-1]}/readyz", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def secrets(self):
        """Those that it has drawn, and what each is."""
        return {file.read_text(encoding="ascii").strip(): f"what stands in {folder}/{file.name}"
                for folder in ("secrets", "tokens") for file in (self.state / folder).glob("*")}

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                return self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.kill()
                raise JourneyError("wissel-dev did not drain in time") from None
        return 0


class MailServers:
    """The mail servers of scripts/stack: the shop's provider and its customers'. `environment` is what `up` exports."""

    SHOP = "support@fietsbel.example"

    def __init__(self, environment):
        self.authority = environment["WISSEL_TEST_CA"]
        self.password = environment["WISSEL_TEST_MAIL_PASSWORD"]
        self.imaps = environment["WISSEL_TEST_IMAPS"].rpartition(":")[2]
        self.smtp = environment["WISSEL_TEST_SMTP"].rpartition(":")[2]
        self.tls = ssl.create_default_context(cafile=self.authority)

    def configuration(self, folder):
        """A file for wissel-dev in which the shop's mailbox has its provider."""
        secret = pathlib.Path(folder) / "mail-password"
        secret.write_text(self.password, encoding="utf-8")
        server = f"host: localhost, ca_file: {self.authority}, user: {self.SHOP}, password: {{file: {secret}}}"
        file = pathlib.Path(folder) / "wissel-dev.yaml"
        file.write_text(f"""\
email:
  accounts:
    - workspace_id: web-shop
      routing_group_id: desk
      account_id: support-mail
      address: {self.SHOP}
      display_name: Fietsbel & Co
      imap: {{port: {self.imaps}, security: tls, {server}}}
      smtp: {{port: {self.smtp}, security: starttls, {server}}}
""", encoding="utf-8")
        return file

    def send(self, sender, mail):
        """The customer's mail program gives it to the customer's provider."""
        with smtplib.SMTP("127.0.0.1", int(self.smtp), timeout=15) as connection:
            connection.starttls(context=self.tls)
            connection.login(sender, self.password)
            connection.sendmail(sender, [self.SHOP], mail)

    def _open(self, user):
        connection = imaplib.IMAP4_SSL("127.0.0.1", int(self.imaps), ssl_context=self.tls, timeout=15)
        connection.login(user, self.password)
        connection.select("INBOX")
        return connection

    def mails(self, user):
        with self._open(user) as connection:
            numbers = connection.search(None, "ALL")[1][0].split()
            fetched = [connection.fetch(number, "(BODY.PEEK[])")[1][0][1] for number in numbers]
        return [email.message_from_bytes(mail, policy=email.policy.default) for mail in fetched]

    def empty(self, user):
        with self._open(user) as connection:
            if connection.search(None, "ALL")[1][0]:
                connection.store("1:*", "+FLAGS", "\\Deleted")
                connection.expunge()


class Ctl:
    """wisselctl against one wissel-dev."""

    def __init__(self, binaries, dev):
        self.binary = pathlib.Path(binaries) / "wisselctl"
        self.dev = dev
        self.texts = set()  # Of all that people wrote, as far as it was seen in the log.

    def command(self, *words):
        return [str(self.binary), "--context", str(self.dev.context), *map(str, words)]

    def run(self, *words):
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise JourneyError(f"wisselctl {' '.join(map(str, words))}: exit code {done.returncode}: "
                               f"{done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def events(self):
        """Every event of the log with its kind, in order: (kind, event)."""
        found = []
        for line in self.run("log", "tail", "--output", "json").splitlines():
            decision = json.loads(line)["record"].get("decision", {})
            for event in decision.get("events", []):
                found.extend(event.items())
        self.texts |= texts_of([event for _, event in found])
        return found

    def outbox(self):
        return json.loads(self.run("outbox", "list", "--output", "json"))


class Agent:
    """An agent at `wisselctl agent --output json`."""

    def __init__(self, ctl, name, cursor_file):
        self.ctl = ctl
        self.name = name
        self.cursor_file = cursor_file
        self.lock = threading.Condition()
        self.process = None
        self.reader = None
        self.seen = []  # (kind, event) of this connection, in order
        self.taken = 0
        self.connect()

    def connect(self):
        with self.lock:
            self.seen, self.taken = [], 0
        self.process = subprocess.Popen(
            self.ctl.command("agent", "--as", self.name, "--output", "json", "--cursor-file", self.cursor_file),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self.reader.start()
        self.wait("welcome")

    def _read(self, stream):
        for line in stream:
            message = json.loads(line)
            found = [(kind, value) for kind, value in message.items() if kind not in ("events", "outcome")]
            for event in message.get("events", {}).get("events", []):
                found.extend(event.items())
            if "outcome" in message:
                found.append(("outcome", message["outcome"]))
            with self.lock:
                self.seen.extend(found)
                self.lock.notify_all()

    def wait(self, kind, where=lambda event: True, timeout=15):
        """The next event of this kind that has not been waited for."""
        deadline = time.monotonic() + timeout
        with self.lock:
            while True:
                while self.taken < len(self.seen):
                    found, event = self.seen[self.taken]
                    self.taken += 1
                    if found == kind and where(event):
                        return event
                left = deadline - time.monotonic()
                if left <= 0:
                    raise JourneyError(f"{self.name} saw no {kind} within {timeout} s")
                self.lock.wait(left)

    def type(self, line):
        with self.lock:
            self.taken = len(self.seen)
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def do(self, line):
        """Types a line and waits for its outcome."""
        self.type(line)
        outcome = self.wait("outcome")
        if "rejected" in outcome:
            raise JourneyError(f"{self.name}: {line}: refused: {outcome['rejected']}")
        return outcome

    def count(self, kind, where=lambda event: True):
        with self.lock:
            return sum(1 for found, event in self.seen if found == kind and where(event))

    def lose(self):
        """The client dies, without a word."""
        self.process.kill()
        self._end()

    def leave(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self._end()

    def _end(self):
        self.process.wait()
        self.reader.join()
        self.process.stdin.close()
        self.process.stdout.close()


class Stage:
    """Says what happens, for people."""

    def __init__(self, out=sys.stdout):
        self.out = out
        self.colour = out is not None and out.isatty() and "NO_COLOR" not in os.environ
        self.checks = 0

    def _paint(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self.colour else text

    def say(self, text):
        if self.out:
            print(text, file=self.out, flush=True)

    def step(self, title):
        self.say("\n" + self._paint("1", title))

    def who(self, who, what):
        self.say(f"  {self._paint('36', who):<{20 if self.colour else 11}} {what}")

    def output(self, command, text):
        """What a program printed, as it did."""
        self.say("\n".join([f"  $ {command}", *("    " + line for line in text.rstrip().splitlines())]))

    def check(self, holds, what):
        if not holds:
            self.say("  " + self._paint("31", f"✗ {what}"))
            raise JourneyError(f"not seen: {what}")
        self.checks += 1
        self.say("  " + self._paint("32", f"✓ {what}"))


def until(condition, timeout=15):
    """The first true value of `condition`, or its last."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(0.05)


class Morning:
    """The steps. Each can be run once, in order. Without `mail_servers` mail comes in by the development's door and
    goes to the outbox."""

    PIETER = "pieter@customer.example"

    def __init__(self, ctl, folder, stage, mail_servers=None):
        self.ctl = ctl
        self.mail_servers = mail_servers
        self.folder = pathlib.Path(folder)
        self.stage = stage
        self.agents = {}
        self.jan = self.mail = self.olivia = None  # conversation ids
        self.jans_agent = None

    def agent(self, name):
        return self.agents[name]

    def offered(self, conversation):
        """(agent, explanation) of the conversation's latest offer."""
        offers = [event for kind, event in self.ctl.events()
                  if kind == "offered" and event["conversation_id"] == conversation]
        return offers[-1] if offers else None

    def queue_of(self, conversation):
        """The queue the conversation was put into last."""
        return [event["queue_id"] for kind, event in self.ctl.events()
                if kind == "queued" and event["conversation_id"] == conversation][-1]

    def conversation_with(self, address):
        for kind, event in self.ctl.events():
            if kind == "conversation_opened" and event["contact"]["address"] == address:
                return event["conversation_id"]
        return None

    def wait_assigned(self, conversation, agent):
        return until(lambda: [e for k, e in self.ctl.events() if k == "assigned"
                              and e["conversation_id"] == conversation and e["agent_id"] == agent])

    def sent(self):
        """(outbound id, conversation) of everything that customers got."""
        found = [(file["outbound_id"], file["conversation_id"]) for file in self.ctl.outbox()]
        if self.mail_servers:
            for mail in self.mail_servers.mails(self.PIETER):
                found.append((mail["X-Wissel-Id"], mail["Message-ID"].split(".")[1]))
        return found

    def answers_sent(self, conversation):
        return {outbound for outbound, of in self.sent() if of == conversation}

    def private(self):
        """What no log may have, and what each is."""
        private = {**self.ctl.dev.secrets(), **{text: "what somebody wrote" for text in self.ctl.texts}}
        if self.mail_servers:
            private[self.mail_servers.password] = "the mailboxes' password"
        return private

    def take(self, conversation):
        """Whoever it is offered to accepts; the agent's name."""
        offer = until(lambda: self.offered(conversation))
        self.stage.check(offer, "the conversation was offered")
        name = offer["agent_id"]
        why = offer.get("explanation", {})
        self.stage.who("router", f"offers it to {name}: {why.get('agents_eligible', 0)} of "
                                 f"{why.get('agents_considered', 0)} agents could take it, longest idle first")
        self.agent(name).do(f"accept {offer['offer_id']}")
        self.stage.check(self.wait_assigned(conversation, name), f"{name} accepted, and the log says so")
        return name

    def answer(self, name, conversation, text):
        self.stage.who(name, f"answers: {text}")
        before = self.answers_sent(conversation)
        self.agent(name).do(f"reply @{conversation} {text}")
        sent = until(lambda: self.answers_sent(conversation) - before)
        by_mail = self.mail_servers and conversation == self.mail
        self.stage.check(len(sent) == 1,
                         "the customer's mailbox has the answer" if by_mail else "the answer is in the outbox")
        (outbound,) = sent
        delivered = until(lambda: [e for k, e in self.ctl.events() if k == "delivery_updated"
                                   and e["outbound_id"] == outbound and e["state"] == "DELIVERY_STATE_SENT"])
        self.stage.check(delivered, "the log shows its delivery")

    # The steps.

    def agents_arrive(self):
        self.stage.step("The agents start their day")
        for name in ("anna", "bram", "chloe"):
            self.agents[name] = Agent(self.ctl, name, self.folder / f"{name}.cursor")
            self.agent(name).do("available")
            self.stage.who(name, "is connected and available")
        available = [e["agent_id"] for k, e in self.ctl.events()
                     if k == "agent_presence_changed" and e["presence"] == "PRESENCE_AVAILABLE"]
        self.stage.check(sorted(available) == ["anna", "bram", "chloe"], "the log has all three available")

    def whatsapp_question(self):
        self.stage.step("A customer asks on WhatsApp: a signed webhook")
        self.stage.who("Jan", "Kunnen jullie zien waar mijn bestelling nu is?")
        self.ctl.run("inject", "whatsapp", MESSAGES / "where-is-my-bike.json")
        self.jan = until(lambda: self.conversation_with("31612345678"))
        self.stage.check(self.jan, "the webhook was accepted and opened a conversation")
        self.jans_agent = self.take(self.jan)
        self.answer(self.jans_agent, self.jan, "Dag Jan, hij is onderweg en komt morgen.")

    def webhook_repeated(self):
        self.stage.step("The provider sends the same webhook again")
        before = len(self.ctl.events())
        self.ctl.run("inject", "whatsapp", MESSAGES / "where-is-my-bike.json")
        skipped = until(lambda: [k for k, _ in self.ctl.events()[before:] if k == "duplicate_skipped"])
        self.stage.check(skipped, "the log recognises it as decided before")
        received = [e for k, e in self.ctl.events() if k == "message_received" and e["conversation_id"] == self.jan]
        self.stage.check(len(received) == 1, "Jan's message is there once")

    def mail_with_attachment(self):
        self.stage.step("An e-mail comes in, with a picture")
        self.stage.who("Pieter", "De bel doet het niet meer. [bel.png]")
        file = MESSAGES / "broken-bell.eml"
        if self.mail_servers:
            self.mail_servers.send(self.PIETER, file.read_bytes())
            self.stage.who("Pieter", "sent it by SMTP; the shop's mailbox is read by IMAP")
        else:
            self.ctl.run("inject", "email", file)
        self.mail = until(lambda: self.conversation_with(self.PIETER))
        self.stage.check(self.mail, "the mail opened a conversation")
        contents = [c for k, e in self.ctl.events() if k == "message_received" and e["conversation_id"] == self.mail
                    for c in e["message"]["contents"]]
        blobs = [c["media"]["blob"] for c in contents if "media" in c]
        self.stage.check([b["file_name"] for b in blobs] == ["bel.png"], "the log has its attachment by reference")
        file = self.ctl.dev.state / "blobs" / blobs[0]["blob_id"][:2] / blobs[0]["blob_id"]
        self.stage.check(file.exists() and hashlib.sha256(file.read_bytes()).hexdigest() == blobs[0]["blob_id"],
                         "its bytes are in the blob store")
        name = self.take(self.mail)
        self.answer(name, self.mail, "Beste Pieter, er is een nieuwe bel naar je onderweg.")
        if self.mail_servers:
            self.mail_threads(name)

    def mail_threads(self, name):
        """The answer stands below the question in Pieter's mail program, and what he writes back below both."""
        answers = self.mail_servers.mails(self.PIETER)
        answer, question = answers[0], "<bel-4713@customer.example>"
        self.stage.who("Pieter", f"reads: {answer['Subject']}, from {answer['From']}")
        self.stage.check(len(answers) == 1 and answer["In-Reply-To"] == question and question in answer["References"]
                         and answer["Subject"] == "Re: Bel kapot na een week"
                         and "een nieuwe bel" in answer.get_body(("plain",)).get_content(),
                         "it is one mail, and an answer to his own")
        thanks = email.message.EmailMessage()
        thanks["From"], thanks["To"] = f"Pieter de Boer <{self.PIETER}>", self.mail_servers.SHOP
        thanks["Subject"], thanks["Message-ID"] = answer["Subject"], "<dank-4713@customer.example>"
        thanks["In-Reply-To"] = answer["Message-ID"]
        thanks.set_content("Dat is snel, dank je wel!\n")
        self.stage.who("Pieter", "answers: Dat is snel, dank je wel!")
        self.mail_servers.send(self.PIETER, thanks.as_bytes())
        received = until(lambda: len([1 for k, e in self.ctl.events() if k == "message_received"
                                      and e["conversation_id"] == self.mail]) == 2)
        self.stage.check(received, f"it is in the same conversation, with {name}")

    def transfer(self):
        self.stage.step("A customer writes English, and is handed on")
        self.stage.who("Olivia", "I would like to change the delivery address of my order 4712")
        self.ctl.run("inject", "whatsapp", MESSAGES / "english-customer.json")
        self.olivia = until(lambda: self.conversation_with("447700900123"))
        self.stage.check(self.olivia, "the webhook opened a conversation")
        name = self.take(self.olivia)
        colleague = "anna" if name == "chloe" else "chloe"
        self.stage.check(self.offered(self.olivia) and self.queue_of(self.olivia) == "en",
                         "it is English, and went to the queue en")
        self.stage.who(name, f"transfers it to {colleague}, with a note")
        self.agent(name).do(f"transfer @{self.olivia} agent {colleague} wants to change an address")
        moved = until(lambda: self.offered(self.olivia)["agent_id"] == colleague)
        self.stage.check(moved, f"it is offered to {colleague}")
        name = self.take(self.olivia)
        self.stage.check(name == colleague, f"{colleague} has it now")
        self.answer(name, self.olivia, "Of course, Olivia. Which address should it be?")

    def stream_lost(self):
        name = self.jans_agent
        self.stage.step(f"{name} loses the connection, a message comes, {name} is back")
        self.agent(name).lose()
        self.stage.who(name, "is gone without a word (kill -9 of the client)")
        self.ctl.run("inject", "whatsapp", MESSAGES / "thank-you.json")
        self.stage.who("Jan", "Wat fijn dat jullie zo snel antwoorden!")
        received = until(lambda: len([1 for k, e in self.ctl.events()
                                      if k == "message_received" and e["conversation_id"] == self.jan]) == 2)
        self.stage.check(received, "the message is in the log while nobody looks")
        agent = self.agent(name)
        agent.connect()

        def jans(event):
            return event["conversation_id"] == self.jan
        agent.wait("message_received", jans)
        self.stage.who(name, "resumes by cursor")
        time.sleep(0.3)
        self.stage.check(agent.count("message_received", jans) == 1 and agent.count("snapshot") == 0,
                         "the stream goes on where it was: the message once, nothing again")

    def offline_with_work(self):
        name = self.last_agent(self.olivia)
        self.stage.step(f"{name} goes offline with work open")
        before = len(self.ctl.events())
        self.agent(name).do("offline")
        self.agent(name).leave()
        self.stage.who(name, "goes home")
        gone = until(lambda: [e for k, e in self.ctl.events()[before:]
                              if k == "agent_presence_changed" and e["agent_id"] == name
                              and e.get("presence") == "PRESENCE_OFFLINE"])
        self.stage.check(gone, f"the log has {name} offline")
        queued = until(lambda: [e for k, e in self.ctl.events()[before:]
                                if k == "queued" and e["conversation_id"] == self.olivia], timeout=30)
        self.stage.check(queued, "Olivia's conversation waits for somebody else")

    def last_agent(self, conversation):
        return [e["agent_id"] for k, e in self.ctl.events()
                if k == "assigned" and e["conversation_id"] == conversation][-1]

    def verify(self):
        self.stage.step("The log proves it")
        report = json.loads(self.ctl.run("log", "verify", "--output", "json"))
        decisions = sum(p["decisions"] for p in report["partitions"])
        busy = [p for p in report["partitions"] if p["decisions"] > 0]
        agree = all({w["who"].split()[0] for w in p["witnesses"] if w["result"] == "OK"} == {"router", "redis"}
                    for p in busy)
        self.stage.check(report["ok"] and busy and agree,
                         f"{decisions} decisions folded again: router, Redis and log agree")
        self.stage.output("wisselctl replay", self.ctl.run("replay"))
        again = json.loads(self.ctl.run("replay", "--output", "json"))
        self.stage.check(again["identical"] and again["decisions"] >= decisions,
                         f"{again['decisions']} decisions made again from their inputs: the same, bit for bit")
        outbounds = [outbound for outbound, _ in self.sent()]
        replies = [e["outbound_id"] for k, e in self.ctl.events() if k == "reply_sent"]
        self.stage.check(sorted(outbounds) == sorted(replies), "every answer was sent once, no other was sent")

    def promises(self):
        self.stage.step("What was promised, and why it went the way it went")
        sla = json.loads(self.ctl.run("sla", self.jan, "--output", "json"))
        first = [s for s in sla["stretches"] if s["metric"] == "first_response"]
        self.stage.output("wisselctl sla", self.ctl.run("sla", self.jan))
        self.stage.check(first and all(s["kind"] == "counted" for s in first)
                         and sum(s["seconds"] for s in first) < 600
                         and [c["target_seconds"] for c in sla["clocks"] if c["metric"] == "first_response"] == [600],
                         "Jan's first answer was promised within 10 minutes, and came in time")
        applied = [e["sla_policy_id"] for k, e in self.ctl.events() if k == "sla_policy_applied"
                   and e["conversation_id"] == self.mail]
        self.stage.check(applied == ["mail"], "the mail has the mail's policy, which counts the desk's hours")
        why = self.ctl.run("explain", self.olivia)
        self.stage.output("wisselctl explain", why)
        self.stage.check("may take it" in why and "bram: does not serve queue en: add it to their queue_ids; lacks" in why,
                         "of every agent it says why, or why not, and what would have to change")

    def nothing_is_told(self):
        self.stage.step("What the service's own log tells of it")
        private = self.private()
        found = leaks(self.ctl.dev.log, private)
        for where in found[:10]:
            self.stage.say(f"  {where}")
        self.stage.check(self.ctl.texts and len(private) > len(self.ctl.texts) and not found,
                         f"none of {len(self.ctl.texts)} lines that people wrote, no secret, password or token")

    def run(self):
        for step in (self.agents_arrive, self.whatsapp_question, self.webhook_repeated, self.mail_with_attachment,
                     self.transfer, self.stream_lost, self.offline_with_work, self.promises,
                     self.verify, self.nothing_is_told):
            step()

    def leave(self):
        for agent in self.agents.values():
            agent.leave()
