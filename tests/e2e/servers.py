"""A Kafka and a Redis of one test's own, and the services as processes of their own."""

import json
import pathlib
import shlex
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

from journey import ROOT, JourneyError, until


def free_ports(count):
    """Ports that are free now, and that nobody else here is given at the same time."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class OwnServers:
    """Kafka and Redis of scripts/stack in a folder of the test's: topics have their usual names, and nobody else's records."""

    def __init__(self, folder, brokers=1):
        self.folder = pathlib.Path(folder)
        exports = self._stack("up", "--kafka", "--redis", "--env", "--brokers", str(brokers))
        self.environment = dict(word.split("=", 1) for line in exports.splitlines() for word in shlex.split(line)[1:])
        self.kafka = self.environment["WISSEL_TEST_KAFKA"]
        self.redis = self.environment["WISSEL_TEST_REDIS"]

    def _stack(self, command, *words):
        return subprocess.run([ROOT / "scripts" / "stack", command, "--dir", self.folder, *words], check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=90).stdout

    def restart_kafka(self):
        self._stack("restart", "kafka")

    def kill_kafka(self, which="kafka"):
        """All of it, or "kafka-2" alone. Ports stay its own."""
        self._stack("kill", which)

    def start_kafka(self):
        self._stack("up", "--kafka")

    def down(self):
        self._stack("down", "--purge")


class Service:
    """One service as a process. `settings` are KEY=VALUE; the log is a file in `folder`."""

    def __init__(self, binaries, name, folder, settings, config=None):
        (self.port,) = free_ports(1)
        self.log = pathlib.Path(folder) / f"{name}.log"
        self.argv = [pathlib.Path(binaries) / f"wissel-{name}", *(("--config", config) if config else ()),
                     "--set", f"telemetry.listen=127.0.0.1:{self.port}",
                     "--set", "log.level=debug"]  # so that all that can be logged is searched for leaks
        for setting in settings:
            self.argv += ["--set", setting]
        self.name = name
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ready(self):
        """None, or what it waits for."""
        if self.process.poll() is not None:
            raise JourneyError(f"wissel-{self.name} ended by itself; see {self.log}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=10):
                return None
        except urllib.error.HTTPError as error:
            return json.load(error)
        except (urllib.error.URLError, OSError) as error:
            return str(error)

    def wait_ready(self, timeout=30):
        if not until(lambda: self.ready() is None, timeout):
            raise JourneyError(f"wissel-{self.name} is not ready: {self.ready()}; see {self.log}")

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.kill()
                raise JourneyError(f"wissel-{self.name} did not drain in time") from None


def make_topics(ctl, partitions, replication=1):
    """By an admin service that has just been started: it serves before it is ready, which needs the topics."""
    def made():
        try:
            return ctl.run("topics", "create", "--partitions", partitions, "--replication", replication)
        except JourneyError:
            return None
    if not until(made):
        raise JourneyError("the topics could not be made")
