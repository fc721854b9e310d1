#!/usr/bin/env python3
"""A router whose topics differ in their number of partitions, or from that of the log's beginning, must not run: it
would decide in the wrong ones."""

import os
import pathlib
import socket
import struct
import sys
import tempfile
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from journey import Ctl, take_option, until  # noqa: E402  pylint: disable=wrong-import-position
from servers import Service, free_ports, make_topics  # noqa: E402  pylint: disable=wrong-import-position

BINARIES = None


def add_partitions(broker, topic, count):
    """As an operator does with kafka-topics.sh --alter: a CreatePartitions request (version 0; layout:
    kafka.apache.org/protocol, CreatePartitions API)."""
    def text(value):
        return struct.pack(">h", len(value)) + value.encode()
    request = (struct.pack(">hhi", 37, 0, 1) + text("wissel-test") + struct.pack(">i", 1) + text(topic)
               + struct.pack(">ii", count, -1) + struct.pack(">i?", 10_000, False))
    host, _, port = broker.partition(",")[0].rpartition(":")
    with socket.create_connection((host, int(port)), timeout=15) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = connection.makefile("rb")
        (size,) = struct.unpack(">i", answer.read(4))
        # Correlation id, throttle time, one topic: its name, then its error.
        body = answer.read(size)
        (error,) = struct.unpack_from(">h", body, 14 + len(topic))
        if error:
            raise AssertionError(f"{topic}: Kafka's error {error}")


class UnequalTopicsTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="wissel-topics-")))
        self.kafka = os.environ["WISSEL_TEST_KAFKA"]
        self.prefix = f"test-{uuid.uuid4().hex}."
        self.settings = [f"kafka.brokers={self.kafka}", f"kafka.topic_prefix={self.prefix}"]
        (self.folder / "secret").write_text("0123456789abcdef0123456789abcdef", encoding="ascii")
        (port,) = free_ports(1)
        admin = Service(BINARIES, "admin", self.folder, [
            *self.settings, f"admin.grpc.listen=127.0.0.1:{port}", f"admin.auth.hs256_secret=file:{self.folder}/secret",
            "admin.operator_workspace=shop"])
        admin.start()
        self.addCleanup(admin.stop)
        self.context = self.folder / "context.yaml"
        self.context.write_text(f"admin_server: 127.0.0.1:{port}\nworkspace: shop\ninsecure_local: true\n"
                                "token_files: {admin: admin.token}\n", encoding="utf-8")
        self.ctl = Ctl(BINARIES, self)
        (self.folder / "admin.token").write_text(
            self.ctl.run("token", "mint", "--secret-file", self.folder / "secret", "--role", "admin",
                         "--subject", "admin"), encoding="ascii")
        make_topics(self.ctl, partitions=2)

    def router(self):
        service = Service(BINARIES, "router", self.folder, [*self.settings, "router.use_checkpoints=false"])
        service.start()
        self.addCleanup(service.stop)
        return service

    def expect_ends(self, reason):
        ended = self.router()
        self.assertEqual(ended.process.wait(timeout=30), 1)
        self.assertIn(reason, ended.log.read_text(encoding="utf-8"))

    def test_the_router_ends_and_names_the_counts(self):
        self.router().wait_ready()  # as they are, it runs
        add_partitions(self.kafka, f"{self.prefix}commands.v1", 3)
        self.expect_ends("topics must have the same number of partitions, but have: "
                         "inbound.v1 2, commands.v1 3, receipts.v1 2, log.v1 2")

    def test_as_many_more_everywhere_will_not_do_either(self):
        shop = ["workspace_id: shop", "routing_groups:"]
        shop += [f"  - routing_group_id: g{group}" for group in range(8)]
        shop += ["queues:"] + [f"  - {{queue_id: q{group}, routing_group_id: g{group}}}" for group in range(8)]
        (self.folder / "shop.yaml").write_text("\n".join(shop) + "\n", encoding="utf-8")
        self.ctl.run("apply", "-f", self.folder / "shop.yaml")
        router = self.router()
        if not until(lambda: router.log.read_text(encoding="utf-8").count("configuration in force") == 2, 30):
            self.fail(f"the configuration is not in force in both partitions: {router.log.read_text(encoding='utf-8')}")
        router.stop()
        for topic in ("inbound", "commands", "receipts", "log"):
            add_partitions(self.kafka, f"{self.prefix}{topic}.v1", 3)
        self.expect_ends("the log was begun with another number of partitions than the 3 that it has")


if __name__ == "__main__":
    BINARIES = take_option("binaries")
    unittest.main(verbosity=2)
