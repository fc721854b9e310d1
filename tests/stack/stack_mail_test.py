#!/usr/bin/env python3
"""The stack's mail servers do what scripts/lib/stack/mail.py promises to the tests that use them."""

import email
import email.message
import imaplib
import os
import smtplib
import ssl
import sys
import time
import unittest
import uuid

DEADLINE_S = 20


def address(name):
    value = os.environ.get(name)
    if not value:
        sys.exit(f'{name} is not set: eval "$(scripts/stack up --env)" first')
    host, _, port = value.rpartition(":")
    return host, int(port)


IMAPS, SMTP, SMTPS, MX = (
    address(f"WISSEL_TEST_{name}") for name in ("IMAPS", "SMTP", "SMTPS", "MX"))
SHOP = os.environ["WISSEL_TEST_MAIL_USER"]
CUSTOMER = os.environ["WISSEL_TEST_MAIL_CUSTOMER"]
PASSWORD = os.environ["WISSEL_TEST_MAIL_PASSWORD"]


def tls():
    return ssl.create_default_context(cafile=os.environ["WISSEL_TEST_CA"])


def mail(sender, recipient, size=0):
    message = email.message.EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, recipient, uuid.uuid4().hex
    message.set_content("Where is my order?\n" + "x" * 70 + "\n" * (size // 71))
    return message


def submission():
    client = smtplib.SMTP(*SMTP, timeout=DEADLINE_S)
    client.starttls(context=tls())
    return client


def await_mail(user, criterion):
    """The first mail of the mailbox that matches, fetched anew until it is there."""
    deadline = time.monotonic() + DEADLINE_S
    with imaplib.IMAP4_SSL(*IMAPS, ssl_context=tls()) as client:
        client.login(user, PASSWORD)
        while time.monotonic() < deadline:
            client.select("INBOX")
            found = client.search(None, *criterion)[1][0].split()
            if found:
                return email.message_from_bytes(client.fetch(found[0], "(RFC822)")[1][0][1])
            time.sleep(0.05)
    raise AssertionError(f"no mail {criterion} for {user} in {DEADLINE_S} s")


class MailTest(unittest.TestCase):

    def test_submitted_mail_reaches_the_mailbox(self):
        message = mail(SHOP, CUSTOMER)
        with submission() as client:
            client.login(SHOP, PASSWORD)
            client.send_message(message)
        self.assertEqual(await_mail(CUSTOMER, ("SUBJECT", message["Subject"]))["From"], SHOP)

    def test_mail_from_elsewhere_reaches_a_plus_address(self):
        user, _, domain = SHOP.partition("@")
        message = mail(CUSTOMER, f"{user}+c123@{domain}")
        with smtplib.SMTP(*MX, timeout=DEADLINE_S) as client:
            client.send_message(message)
        received = await_mail(SHOP, ("SUBJECT", message["Subject"]))
        self.assertEqual(received["To"], message["To"])

    def test_implicit_tls_takes_thirty_megabytes(self):
        with smtplib.SMTP_SSL(*SMTPS, context=tls(), timeout=DEADLINE_S) as client:
            client.login(SHOP, PASSWORD)
            self.assertGreater(int(client.esmtp_features["size"]), 30 * 1024 * 1024)
            self.assertEqual(client.send_message(mail(SHOP, CUSTOMER, size=1 << 20)), {})

    def test_submission_wants_tls_and_a_login(self):
        with smtplib.SMTP(*SMTP, timeout=DEADLINE_S) as client:
            self.assertEqual(client.docmd("MAIL", f"FROM:<{SHOP}>")[0], 530)
        with submission() as client:
            with self.assertRaises(smtplib.SMTPRecipientsRefused):
                client.send_message(mail(SHOP, CUSTOMER))
            with self.assertRaises(smtplib.SMTPAuthenticationError):
                client.login(SHOP, "wrong")

    def test_refusals_are_permanent_or_passing(self):
        with submission() as client:
            client.login(SHOP, PASSWORD)
            for name, code in (("bounce", 550), ("busy", 450)):
                client.mail(SHOP)
                self.assertEqual(client.rcpt(f"{name}@example.org")[0], code)
                client.rset()

    def test_closed_mailbox_sends_a_delivery_report(self):
        message = mail(SHOP, "gone@example.org")
        message["Message-ID"] = f"<{uuid.uuid4().hex}@shop.example>"
        with submission() as client:
            client.login(SHOP, PASSWORD)
            client.send_message(message)
        report = await_mail(SHOP, ("TEXT", message["Message-ID"]))
        self.assertEqual(report.get_content_type(), "multipart/report")
        self.assertIn("Status: 5.1.1", report.as_string())

    def test_nothing_leaves_this_machine(self):
        with submission() as client:
            client.login(SHOP, PASSWORD)
            client.mail(SHOP)
            code, reason = client.rcpt("someone@elsewhere.example")
        self.assertEqual(code, 550)
        self.assertIn(b"own users only", reason)


if __name__ == "__main__":
    unittest.main()
