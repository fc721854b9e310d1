#!/usr/bin/env python3
"""A router whose topics differ in their number of partitions must not run: it would decide in the wrong ones."""

import argparse
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

from journey import Ctl  # noqa: E402  pylint: disable=wrong-import-position
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
    def test_the_router_ends_and_names_the_counts(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="wissel-topics-")))
        kafka = os.environ["WISSEL_TEST_KAFKA"]
        prefix = f"test-{uuid.uuid4().hex}."
        settings = [f"kafka.brokers={kafka}", f"kafka.topic_prefix={prefix}"]
        (folder / "secret").write_text("0123456789abcdef0123456789abcdef", encoding="ascii")
        (port,) = free_ports(1)
        admin = Service(BINARIES, "admin", folder, [
            *settings, f"admin.grpc.listen=127.0.0.1:{port}", f"admin.auth.hs256_secret=file:{folder}/secret",
            "admin.operator_workspace=shop"])
        admin.start()
        self.addCleanup(admin.stop)
        self.context = folder / "context.yaml"
        self.context.write_text(f"admin_server: 127.0.0.1:{port}\nworkspace: shop\ninsecure_local: true\n"
                                "token_files: {admin: admin.token}\n", encoding="utf-8")
        ctl = Ctl(BINARIES, self)
        (folder / "admin.token").write_text(
            ctl.run("token", "mint", "--secret-file", folder / "secret", "--role", "admin", "--subject", "admin"),
            encoding="ascii")
        make_topics(ctl, partitions=2)

        def router():
            service = Service(BINARIES, "router", folder,
                              [*settings, f"redis.address={os.environ['WISSEL_TEST_REDIS']}"])
            service.start()
            self.addCleanup(service.stop)
            return service
        router().wait_ready()  # as they are, it runs
        add_partitions(kafka, f"{prefix}commands.v1", 3)
        ended = router()
        self.assertEqual(ended.process.wait(timeout=30), 1)
        self.assertIn("topics must have the same number of partitions, but have: "
                      "inbound.v1 2, commands.v1 3, receipts.v1 2, log.v1 2", ended.log.read_text(encoding="utf-8"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--binaries", required=True)
    known, rest = parser.parse_known_args()
    BINARIES = known.binaries
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
