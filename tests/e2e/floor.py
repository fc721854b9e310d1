"""A shop of two routing groups with a mailbox each, and a phone number: its services as processes, the mail servers they
read, and Meta, which sends signed webhooks."""

import email.message
import email.policy
import hashlib
import hmac
import imaplib
import json
import pathlib
import re
import smtplib
import socket
import ssl
import urllib.error
import urllib.request

from journey import Ctl, JourneyError
from leaks import leaks
from servers import Service, free_ports, make_topics

# Stands in all that customers and agents write, and in nothing else.
PRIVATE_WORD = "aubergine"

SECRET = "0123456789abcdef0123456789abcdef"

AGENTS = {"ada": "a", "bo": "b"}
# The shop's mailboxes: routing group, account, address.
MAILBOXES = (("a", "support-mail", "support@shop.example"), ("b", "sales-mail", "sales@shop.example"))

WORKSPACE = """\
workspace_id: shop
routing_groups: [{routing_group_id: a}, {routing_group_id: b}]
accounts:
  - {account: {kind: email, account_id: support-mail}, routing_group_id: a, address: support@shop.example}
  - {account: {kind: email, account_id: sales-mail}, routing_group_id: b, address: sales@shop.example}
  - {account: {kind: whatsapp, account_id: phone}, routing_group_id: a, address: "1061234567"}
queues:
  - {queue_id: qa, routing_group_id: a, strategy: longest_idle, offer_timeout: 30s, max_missed_offers: 9}
  - {queue_id: qb, routing_group_id: b, strategy: longest_idle, offer_timeout: 30s, max_missed_offers: 9}
agents:
  - {agent_id: ada, routing_group_id: a, queue_ids: [qa], capacity_units: 100}
  - {agent_id: bo, routing_group_id: b, queue_ids: [qb], capacity_units: 100}
channels: [{kind: email, weight_units: 1}, {kind: whatsapp, weight_units: 1}]
"""


def text_of(message):
    return message["contents"][0]["text"]["text"].strip()


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


class Phone(Service):
    """wissel-whatsapp with a number of routing group a. `folder` has the file "secret"."""

    ID = "1061234567"

    def __init__(self, binaries, folder, servers):
        (self.webhook_port,) = free_ports(1)
        config = folder / "whatsapp.yaml"
        config.write_text(f"""\
accounts:
  - workspace_id: shop
    routing_group_id: a
    account_id: phone
    phone_number_id: "{self.ID}"
    access_token: {{file: {folder}/secret}}
    app_secret: {{file: {folder}/secret}}
""", encoding="utf-8")
        super().__init__(binaries, "whatsapp", folder, [
            f"kafka.brokers={servers.kafka}", f"webhook.listen=127.0.0.1:{self.webhook_port}",
            f"blobs.folder={folder}/blobs"], config)

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.webhook_port), timeout=10).close()
        except ConnectionRefusedError:
            return False
        return True

    def post(self, customer, message_id, text):
        """What Meta sends when a customer has written. The status, and what Retry-After says."""
        message = {"from": customer, "id": f"wamid.{message_id}", "timestamp": "1767251400", "type": "text",
                   "text": {"body": text}}
        value = {"messaging_product": "whatsapp", "metadata": {"display_phone_number": "1", "phone_number_id": self.ID},
                 "contacts": [{"profile": {"name": "Jan"}, "wa_id": customer}], "messages": [message]}
        body = json.dumps({"object": "whatsapp_business_account",
                           "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]}).encode()
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        request = urllib.request.Request(f"http://127.0.0.1:{self.webhook_port}/whatsapp/webhook", data=body, headers={
            "Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={signature}"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, None
        except urllib.error.HTTPError as error:
            return error.code, error.headers["Retry-After"]


class Floor:
    """The services, each a process, and what wisselctl needs to find them."""

    def __init__(self, binaries, folder, servers, provider=None):
        """Without a provider there is no wissel-email."""
        self.folder = folder
        self.private = {PRIVATE_WORD: "what somebody wrote", SECRET: "a secret"}
        self.context = folder / "context.yaml"
        (folder / "secret").write_text(SECRET, encoding="ascii")
        gateway, admin, history = free_ports(3)
        kafka, redis = f"kafka.brokers={servers.kafka}", f"redis.address={servers.redis}"

        def grpc(section, port):
            return (f"{section}.grpc.listen=127.0.0.1:{port}",
                    f"{section}.auth.hs256_secret=file:{folder}/secret")
        self.admin = Service(binaries, "admin", folder,
                             [kafka, *grpc("admin", admin), "admin.operator_workspace=shop"])
        self.history = Service(binaries, "history", folder, [kafka, redis, *grpc("history", history)])
        self.router = Service(binaries, "router", folder, [kafka, redis])
        self.projector = Service(binaries, "projector", folder, [kafka, redis])
        self.services = [
            self.admin, self.router, self.history, self.projector,
            Service(binaries, "agent-gateway", folder, [kafka, redis, *grpc("gateway", gateway)])]
        if provider:
            (folder / "password").write_text(provider.password, encoding="ascii")
            self.private[provider.password] = "the mailboxes' password"
            # Quick to notice a death; an attempt whose outcome nobody knows is soon made again.
            self.email = Service(binaries, "email", folder, [
                kafka, redis, f"state_folder={folder}/state", f"blobs.folder={folder}/blobs",
                "delivery.session_timeout=1s", "delivery.start_limit=1s", "delivery.call_timeout=4s",
                "delivery.settle_wait=0s", "delivery.initial_backoff=100ms", "delivery.max_backoff=1s",
                "delivery.max_attempts=100"], self._mail_config(folder, provider))
            self.services.append(self.email)
        self.context.write_text(
            f"server: 127.0.0.1:{gateway}\nadmin_server: 127.0.0.1:{admin}\n"
            f"history_server: 127.0.0.1:{history}\nworkspace: shop\n"
            f"insecure_local: true\nkafka: {servers.kafka}\nredis: {servers.redis}\n"
            f"statez: [\"127.0.0.1:{self.router.port}\"]\ntoken_files:\n"
            + "".join(f"  {who}: {who}.token\n" for who in ("admin", "supervisor", *AGENTS)), encoding="utf-8")
        self.ctl = Ctl(binaries, self)
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

    def configure(self, replication=1):
        """With admin running: makes the topics and puts the shop's configuration in force."""
        make_topics(self.ctl, 4, replication)
        self.admin.wait_ready()
        (self.folder / "shop.yaml").write_text(WORKSPACE, encoding="utf-8")
        self.ctl.run("apply", "-f", self.folder / "shop.yaml")

    def start(self):
        self.admin.start()
        self.configure()
        for service in self.services[1:]:
            service.start()
        for service in self.services[1:]:
            service.wait_ready()

    def stop(self):
        for service in reversed(self.services):
            service.stop()

    def leaks(self):
        """What the services' logs have and must not: texts, secrets, passwords, tokens."""
        logs = list(self.folder.glob("*.log"))
        if not logs or not all(log.stat().st_size for log in logs):
            raise JourneyError(f"a service has logged nothing: {logs}")
        return [leak for log in logs for leak in leaks(log, self.private)]
