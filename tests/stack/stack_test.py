#!/usr/bin/env python3
"""scripts/stack starts, stops and remembers servers as it says; mostly shown with Redis, the quickest of them."""

import json
import pathlib
import socket
import subprocess
import tempfile
import unittest

STACK = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "stack"


def run(folder, command, *arguments):
    return subprocess.run([STACK, command, "--dir", folder, *arguments], capture_output=True,
                          text=True, check=False, timeout=60)


def ask(address, *words, timeout=5):
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), timeout=timeout) as connection:
        connection.sendall(" ".join(words).encode() + b"\r\n")
        return connection.recv(256).decode().strip()


class StackTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()  # pylint: disable=consider-using-with
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name) / "stack"
        self.addCleanup(run, self.folder, "down", "--purge")

    def up(self, folder=None):
        """Starts Redis and returns its address."""
        result = run(folder or self.folder, "up", "--redis", "--env")
        self.assertEqual(result.returncode, 0, result.stderr)
        exports = dict(line.removeprefix("export ").split("=", 1)
                       for line in result.stdout.splitlines())
        return exports["WISSEL_TEST_REDIS"]

    def pid(self):
        record = json.loads((self.folder / "stack.json").read_text(encoding="utf-8"))
        return record["processes"]["redis"]["pid"]

    def test_up_twice_keeps_what_runs(self):
        address, pid = self.up(), self.pid()
        self.assertEqual(ask(address, "PING"), "+PONG")
        self.assertEqual((self.up(), self.pid()), (address, pid))
        self.assertEqual(run(self.folder, "status").returncode, 0)

    def test_a_stack_keeps_its_number_of_brokers(self):
        self.assertEqual(run(self.folder, "up", "--kafka").returncode, 0)
        other = run(self.folder, "up", "--kafka", "--brokers", "3")
        self.assertNotEqual(other.returncode, 0)
        self.assertIn("this stack has 1 broker(s)", other.stderr)
        self.assertEqual(run(self.folder, "up", "--kafka", "--brokers", "1").returncode, 0)

    def test_killed_server_comes_back_at_its_address(self):
        address, pid = self.up(), self.pid()
        self.assertEqual(run(self.folder, "kill", "redis").returncode, 0)
        with self.assertRaises(OSError):
            ask(address, "PING")
        self.assertEqual(run(self.folder, "status").returncode, 1)
        self.assertEqual(self.up(), address)
        self.assertNotEqual(self.pid(), pid)

    def test_restart_keeps_the_data(self):
        address = self.up()
        self.assertEqual(ask(address, "SET", "k", "v"), "+OK")
        self.assertEqual(run(self.folder, "restart", "redis").returncode, 0)
        self.assertEqual(ask(address, "GET", "k").split()[-1], "v")

    def test_paused_server_is_silent_until_resumed(self):
        address = self.up()
        run(self.folder, "pause", "redis")
        with self.assertRaises(TimeoutError):
            ask(address, "PING", timeout=0.2)
        run(self.folder, "resume", "redis")
        self.assertEqual(ask(address, "PING"), "+PONG")

    def test_down_ends_a_paused_server(self):
        address = self.up()
        run(self.folder, "pause", "redis")
        self.assertEqual(run(self.folder, "down", "--purge").returncode, 0)
        with self.assertRaises(OSError):
            ask(address, "PING")
        self.assertFalse(self.folder.exists())

    def test_stacks_run_side_by_side(self):
        other = self.folder.with_name("other")
        self.addCleanup(run, other, "down", "--purge")
        first, second = self.up(), self.up(other)
        self.assertNotEqual(first, second)
        run(other, "down", "--purge")
        self.assertEqual(ask(first, "PING"), "+PONG")

    def test_a_process_that_got_a_recorded_id_is_left_alone(self):
        self.up()
        run(self.folder, "kill", "redis")
        with subprocess.Popen(["sleep", "60"], start_new_session=True) as bystander:
            record = json.loads((self.folder / "stack.json").read_text(encoding="utf-8"))
            record["processes"]["redis"]["pid"] = bystander.pid
            (self.folder / "stack.json").write_text(json.dumps(record), encoding="utf-8")
            self.assertEqual(run(self.folder, "down").returncode, 0)
            self.assertIsNone(bystander.poll())
            bystander.kill()

    def test_unknown_server_is_named(self):
        self.up()
        result = run(self.folder, "kill", "rabbit")
        self.assertEqual(result.returncode, 1)
        self.assertIn("no server named rabbit", result.stderr)


if __name__ == "__main__":
    unittest.main()
