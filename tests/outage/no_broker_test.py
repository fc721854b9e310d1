#!/usr/bin/env python3
"""With no broker behind it each service runs, says why it is not ready, and ends at once when it is told to."""

import argparse
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

PATIENCE_S = 30

# Nobody listens on ports that belong to other things.
KAFKA, REDIS = "127.0.0.1:1", "127.0.0.1:2"

ACCOUNT = "workspace_id: shop, routing_group_id: main, account_id: it"
# Each with what it cannot do without.
SERVICES = {
    "router": "redis: {{address: {redis}}}",
    "projector": "redis: {{address: {redis}}}",
    "agent-gateway": "redis: {{address: {redis}}}\n"
                     "gateway: {{grpc: {{listen: '127.0.0.1:0'}}, auth: {{hs256_secret: {{file: {secret}}}}}}}",
    "history": "redis: {{address: {redis}}}\n"
               "history: {{grpc: {{listen: '127.0.0.1:0'}}, auth: {{hs256_secret: {{file: {secret}}}}}}}",
    "admin": "admin: {{grpc: {{listen: '127.0.0.1:0'}}, auth: {{hs256_secret: {{file: {secret}}}}}}}",
    "email": "state_folder: {folder}/email\nblobs: {{folder: {folder}/blobs}}\n"
             "thread_keys: [{{key: {{file: {secret}}}}}]\n"
             f"accounts: [{{{{{ACCOUNT}, address: it@shop.example,\n"
             "  imap: {{host: 127.0.0.1, port: 1, user: it, password: {{file: {secret}}}}},\n"
             "  smtp: {{host: 127.0.0.1, port: 1, user: it, password: {{file: {secret}}}}}}}]",
    "whatsapp": "webhook: {{listen: '127.0.0.1:0'}}\nblobs: {{folder: {folder}/blobs}}\n"
                f"accounts: [{{{{{ACCOUNT}, phone_number_id: '1', access_token: {{{{file: {{secret}}}}}},\n"
                "  app_secret: {{file: {secret}}}}}]",
}


class Service:
    """A service in the background, its log in a file."""

    def __init__(self, binaries, name, folder):
        (folder / "secret").write_text("0123456789abcdef0123456789abcdef", encoding="ascii")
        settings = SERVICES[name].format(folder=folder, secret=folder / "secret", redis=REDIS)
        config = folder / "config.yaml"
        config.write_text(f"telemetry: {{listen: '127.0.0.1:0'}}\nlog: {{format: json}}\n"
                          f"kafka: {{brokers: '{KAFKA}', request_timeout: 100ms}}\n{settings}\n", encoding="utf-8")
        self.log = folder / "log"
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                [binaries / f"wissel-{name}", "--config", config], stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def said(self):
        return self.log.read_text(encoding="utf-8")

    def await_said(self, message):
        """The first line of the log with this message."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and self.process.poll() is None:
            for line in self.said().splitlines():
                if line.endswith("}") and json.loads(line)["message"] == message:
                    return json.loads(line)
            time.sleep(0.01)
        raise AssertionError(f"it did not say {message!r}:\n{self.said()}")

    def readiness(self, port):
        """(HTTP status, what it says)"""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


class NoBrokerTest(unittest.TestCase):
    """One service each."""

    binaries: pathlib.Path

    def check(self, name):
        with tempfile.TemporaryDirectory() as folder:
            service = Service(self.binaries, name, pathlib.Path(folder))
            try:
                port = service.await_said("starting")["telemetry_port"]
                service.await_said("started")
                deadline = time.monotonic() + PATIENCE_S
                reasons = ""
                while not any(word in reasons for word in ("topic", "broker", "Connect")):
                    status, body = service.readiness(port)
                    self.assertEqual(status, 503, body)
                    reasons = " ".join(c.get("reason", "") for c in body["conditions"])
                    self.assertLess(time.monotonic(), deadline, f"no reason that helps: {body}")
                    time.sleep(0.01)
                service.process.send_signal(signal.SIGTERM)
                self.assertEqual(service.process.wait(PATIENCE_S), 0, service.said())
            finally:
                if service.process.poll() is None:
                    service.process.kill()
                    service.process.wait()


def add_case(name):
    def test(self):
        self.check(name)
    setattr(NoBrokerTest, f"test_{name.replace('-', '_')}", test)


for service_name in SERVICES:
    add_case(service_name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--binaries", type=pathlib.Path, required=True)
    arguments, rest = parser.parse_known_args()
    NoBrokerTest.binaries = arguments.binaries
    unittest.main(argv=[sys.argv[0], *rest])
