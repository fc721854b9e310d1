"""One stack: its folder, its ports, its processes, and the record of them in stack.json.

A process is known by its id and its start time, so that a recorded id which the system has given to
another process since is never signalled. One command at a time works on a folder (a file lock).
"""

import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

# A unix socket's path has 108 bytes (unix(7)); the longest name below the run folder takes 40.
LONGEST_RUN_FOLDER = 66
READY_TIMEOUT_S = 60
STOP_TIMEOUT_S = 20
POLL_S = 0.02


class StackError(Exception):
    """Something the caller can act upon; printed without a traceback."""


@dataclasses.dataclass
class Server:
    """How to run one server. `ready` is called until it returns True; exceptions of the network count
    as not ready. `user` is the account to run as when started by root."""

    name: str
    argv: list[str]
    log: pathlib.Path
    ready: callable
    exports: dict[str, str] = dataclasses.field(default_factory=dict)
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    user: str = ""


def note(text):
    print(f"stack: {text}", file=sys.stderr, flush=True)


def start_time(pid):
    """The process's start in clock ticks since boot, or None when there is no such live process."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


def free_ports(count):
    """Ports nobody listens on, from below the range that outgoing connections are given."""
    lowest = int(
        pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0]
    )
    with contextlib.ExitStack() as held:
        ports = []
        while len(ports) < count:
            port = random.randrange(10000, max(lowest, 20000))
            probe = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                ports.append(port)
        return ports


class Stack:
    """The stack in one folder. Not for several threads."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder).absolute()
        self._record = {"ports": {}, "processes": {}, "options": {}, "run": ""}

    @property
    def exists(self):
        return (self.folder / "stack.json").exists()

    @contextlib.contextmanager
    def locked(self):
        """Loads the record, yields, and stores it, with the folder to ourselves meanwhile."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.exists:
                self._record = json.loads((self.folder / "stack.json").read_text(encoding="utf-8"))
            try:
                yield self
            finally:
                if self.folder.exists():
                    self._store()

    def _store(self):
        text = json.dumps(self._record, indent=2)
        fresh = self.folder / "stack.json.new"
        fresh.write_text(text + "\n", encoding="utf-8")
        fresh.rename(self.folder / "stack.json")

    @property
    def options(self):
        """What the servers were made with, kept for the life of the folder."""
        return self._record["options"]

    @property
    def processes(self):
        return self._record["processes"]

    def ports(self, name, count):
        """The server's ports: chosen once, then the same at each start."""
        if name not in self._record["ports"]:
            self._record["ports"][name] = free_ports(count)
        return self._record["ports"][name]

    def run_folder(self):
        """Where sockets and mail go: in the folder, unless its path is too long for a unix socket, or
        root starts servers whose own accounts cannot get in; then below the system's temporary folder."""
        if self._record["run"] and pathlib.Path(self._record["run"]).exists():
            return pathlib.Path(self._record["run"])
        run = self.folder / "run"
        closed = any(not p.stat().st_mode & 0o001 for p in (self.folder, *self.folder.parents))
        if len(str(run)) > LONGEST_RUN_FOLDER or (closed and os.geteuid() == 0):
            run = pathlib.Path(tempfile.mkdtemp(prefix="wissel-"))
        run.mkdir(exist_ok=True)
        run.chmod(0o755)
        self._record["run"] = str(run)
        return run

    def is_running(self, name):
        process = self.processes.get(name)
        return process is not None and start_time(process["pid"]) == process["start"]

    def names(self, wanted):
        """The processes meant by a name: `kafka` is every broker, `kafka-2` is one."""
        found = [n for n in self.processes if n == wanted or n.rpartition("-")[0] == wanted]
        if not found:
            known = ", ".join(self.processes) or "none"
            raise StackError(f"no server named {wanted} in {self.folder} (there: {known})")
        return found

    def signal(self, name, number):
        """Sends a signal to the server and whatever it started; False when it is not running."""
        if not self.is_running(name):
            return False
        os.killpg(self.processes[name]["pid"], number)
        return True

    def start(self, servers):
        """Starts those that do not run, all at once, and returns when every one answers."""
        waiting = {}
        for server in servers:
            if self.is_running(server.name):
                continue
            server.log.parent.mkdir(parents=True, exist_ok=True)
            identity = {}
            if server.user and os.geteuid() == 0:
                identity = {"user": server.user, "group": server.user, "extra_groups": []}
            with open(server.log, "ab") as log:
                child = subprocess.Popen(  # pylint: disable=consider-using-with
                    server.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                    env={**os.environ, **server.environment}, start_new_session=True, **identity)
            waiting[server.name] = (server, child)
            self.processes[server.name] = {
                "pid": child.pid,
                "start": start_time(child.pid),
                "log": str(server.log),
                "exports": server.exports,
            }
            self._store()
        self._await_ready(waiting)

    def _await_ready(self, waiting):
        began = time.monotonic()
        while waiting:
            for name, (server, child) in list(waiting.items()):
                if child.poll() is not None:
                    raise StackError(
                        f"{name} ended with code {child.returncode}; the end of {server.log}:\n"
                        + tail(server.log))
                try:
                    if not server.ready():
                        continue
                except (OSError, EOFError):
                    continue
                note(f"{name} answers after {time.monotonic() - began:.1f} s")
                del waiting[name]
            if waiting and time.monotonic() - began > READY_TIMEOUT_S:
                late = next(iter(waiting.values()))[0]
                raise StackError(
                    f"no answer from {', '.join(waiting)} in {READY_TIMEOUT_S} s; the end of"
                    f" {late.log}:\n" + tail(late.log))
            time.sleep(POLL_S if waiting else 0)

    def stop(self, names):
        """Ends them: SIGTERM to all, SIGKILL to those that do not follow in time."""
        running = [n for n in names if self.signal(n, signal.SIGTERM)]
        for name in running:  # One that was paused cannot hear it otherwise.
            self.signal(name, signal.SIGCONT)
        if not self._await_gone(running, STOP_TIMEOUT_S):
            for name in running:
                if self.signal(name, signal.SIGKILL):
                    note(f"{name} did not end in {STOP_TIMEOUT_S} s and was killed")
            self._await_gone(running, STOP_TIMEOUT_S)

    def kill(self, names):
        """SIGKILL: no goodbye, nothing flushed."""
        running = [n for n in names if self.signal(n, signal.SIGKILL)]
        self._await_gone(running, STOP_TIMEOUT_S)

    def _await_gone(self, names, timeout_s):
        deadline = time.monotonic() + timeout_s
        while any(self.is_running(n) for n in names):
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True

    def forget(self, purge):
        """Drops the record of processes; with `purge` the folder and all data as well."""
        self.processes.clear()
        (self.folder / "env").unlink(missing_ok=True)
        if purge:
            if self._record["run"]:
                shutil.rmtree(self._record["run"], ignore_errors=True)
            shutil.rmtree(self.folder)

    def exports(self):
        """The environment that tests read, of the servers that run."""
        merged = {}
        for name, process in self.processes.items():
            if self.is_running(name):
                merged.update(process["exports"])
        return "".join(f"export {key}={shlex.quote(value)}\n" for key, value in sorted(merged.items()))

    def write_env(self):
        (self.folder / "env").write_text(self.exports(), encoding="utf-8")


def tail(log, lines=20):
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"  ({error})"
    return "\n".join("  " + line for line in text.splitlines()[-lines:])
