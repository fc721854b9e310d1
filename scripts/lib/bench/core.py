"""Programs that are measured, and the figures that come out."""

import dataclasses
import json
import os
import pathlib
import re
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request

STOP_TIMEOUT_S = 60


class BenchError(Exception):
    """Something the caller can act upon; printed without a traceback."""


def note(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


@dataclasses.dataclass
class Figure:
    """One comparison. `better` says whether the ratio ours/bare should be "higher" or "lower"; `aim` is
    what it should reach, `limit` what it must (None: nothing is asked of it)."""

    name: str
    unit: str
    better: str
    aim: float | None = None
    limit: float | None = None
    comment: str = ""
    ours: list[float] = dataclasses.field(default_factory=list)
    bare: list[float] = dataclasses.field(default_factory=list)

    def add(self, ours, bare):
        """One round: both measured one after the other."""
        self.ours.append(ours)
        self.bare.append(bare)

    @property
    def ratio(self):
        """The median of the rounds' ratios: what disturbs a round disturbs both its sides."""
        return statistics.median(o / b for o, b in zip(self.ours, self.bare))

    @property
    def verdict(self):
        def reaches(value):
            return self.ratio >= value if self.better == "higher" else self.ratio <= value
        if self.aim is None:
            return ""
        if reaches(self.aim):
            return "reached"
        if self.limit is not None and self.limit != self.aim:
            return "within limit" if reaches(self.limit) else "MISSED"
        return "MISSED"

    def as_json(self):
        return {
            "name": self.name, "ours": statistics.median(self.ours),
            "bare": statistics.median(self.bare), "ratio": self.ratio, "unit": self.unit,
            "aim": self.aim, "limit": self.limit, "better": self.better, "verdict": self.verdict,
            "comment": self.comment, "rounds": {"ours": self.ours, "bare": self.bare}}


def readable(value):
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(figures):
    """Aligned columns, for people."""
    rows = [("figure", "ours", "bare", "unit", "ratio", "aim", "")]
    for figure in figures:
        sign = ">=" if figure.better == "higher" else "<="
        aim = "" if figure.aim is None else f"{sign} {figure.aim:g}"
        if figure.limit is not None and figure.limit != figure.aim:
            aim += f" ({figure.limit:g})"
        rows.append((figure.name, readable(statistics.median(figure.ours)),
                     readable(statistics.median(figure.bare)), figure.unit, f"{figure.ratio:.2f}",
                     aim, figure.verdict))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    right = (1, 2, 4)
    return "\n".join("  ".join(
        cell.rjust(width) if i in right else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in rows)


class Program:
    """A process of ours in the background, its output in a file. As a context manager it is ended with
    the block, killed if need be."""

    def __init__(self, name, argv, folder):
        self.name = name
        self.log = folder / f"{name}.log"
        self._out = open(self.log, "ab")  # pylint: disable=consider-using-with
        self._from = self.log.stat().st_size
        self._process = subprocess.Popen(  # pylint: disable=consider-using-with
            [str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=self._out, stderr=self._out)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process.returncode is None:
            self.kill()
        self._out.close()

    @property
    def pid(self):
        return self._process.pid

    def cpu_seconds(self):
        """User and system time so far."""
        stat = pathlib.Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii", errors="replace")
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024

    def records(self):
        """Its log lines, where it logs JSON."""
        with open(self.log, encoding="utf-8", errors="replace") as lines:
            lines.seek(self._from)
            for line in lines:
                if line.startswith("{") and line.endswith("}\n"):
                    yield json.loads(line)

    def await_record(self, message, timeout_s=120):
        """The first log line with this message."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for record in self.records():
                if record["message"] == message:
                    return record
            if self._process.poll() is not None:
                raise BenchError(f"{self.name} ended with {self._process.returncode}: see {self.log}")
            time.sleep(0.02)
        raise BenchError(f"{self.name} did not say '{message}' in {timeout_s} s: see {self.log}")

    def await_ready(self, timeout_s=60):
        """Until /readyz says so."""
        port = self.await_record("starting")["telemetry_port"]
        deadline = time.monotonic() + timeout_s
        reason = ""
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10):
                    return
            except urllib.error.HTTPError as error:
                reason = error.read().decode()
            time.sleep(0.05)
        raise BenchError(f"{self.name} is not ready after {timeout_s} s: {reason}")

    def wait(self, timeout_s):
        code = self._process.wait(timeout_s)
        if code != 0:
            raise BenchError(f"{self.name} ended with {code}: see {self.log}")

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        self.wait(STOP_TIMEOUT_S)

    def kill(self):
        """Returns when the signal was sent, in seconds since 1970."""
        at = time.time()
        self._process.kill()
        self._process.wait()
        return at


class Run:
    """One run of the benchmarks: where the binaries are, and the servers if there are any; how often, how much."""

    def __init__(self, build, folder, environment, options):
        self.build = build
        self.folder = folder
        self.kafka = environment.get("WISSEL_TEST_KAFKA")
        self.redis = environment.get("WISSEL_TEST_REDIS_SOCKET")
        self.options = options
        self._prefixes = 0
        self._programs = 0

    @property
    def rounds(self):
        return range(self.options.rounds)

    def new_prefix(self):
        """For topics that nobody has used yet."""
        self._prefixes += 1
        return f"bench-{os.getpid()}-{self._prefixes}."

    def service(self, name, *settings, prefix, config=None):
        """A service's binary on this run's servers."""
        self._programs += 1
        argv = [self.build / "bin" / f"wissel-{name}", "--log-format", "json"]
        for setting in (f"kafka.brokers={self.kafka}", f"kafka.topic_prefix={prefix}",
                        "telemetry.listen=127.0.0.1:0", *settings):
            argv += ["--set", setting]
        if config:
            argv += ["--config", config]
        return Program(f"{name}-{self._programs}", argv, self.folder)

    def tool_argv(self, command, prefix, *flags):
        return [str(a) for a in (self.build / "bin" / "wissel-spine-bench", command, "--brokers",
                                 self.kafka, "--prefix", prefix, *flags)]

    def tool_program(self, command, prefix, *flags):
        """A command of wissel-spine-bench in the background."""
        self._programs += 1
        return Program(f"{command}-{self._programs}", self.tool_argv(command, prefix, *flags),
                       self.folder)

    def tool(self, command, prefix, *flags):
        """Runs a command of wissel-spine-bench; what it measured, with its own processor time added."""
        argv = self.tool_argv(command, prefix, *flags)
        before = os.times()
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        after = os.times()
        if done.returncode != 0:
            raise BenchError(f"{shlex.join(argv)}: {done.stderr.strip()[-2000:]}")
        result = json.loads(done.stdout) if done.stdout.strip() else {}
        result["cpu_seconds"] = (after.children_user - before.children_user
                                 + after.children_system - before.children_system)
        return result

    def google_benchmark(self, name, pattern, value="cpu_time"):
        """Runs a benchmark that stands beside its code; a value of each result (None: all of them) by
        its name, or the value itself where there is one result only."""
        binary = self.build / "bench" / name
        argv = [str(binary), "--benchmark_format=json", f"--benchmark_filter={pattern}"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"{shlex.join(argv)}: {done.stderr.strip()[-2000:]}")
        values = {b["name"]: b if value is None else b[value]
                  for b in json.loads(done.stdout)["benchmarks"]}
        return values if len(values) != 1 else next(iter(values.values()))


def in_turns(number, ours, bare):
    """Runs both, in an order that changes from round to round; (ours, bare)."""
    if number % 2 == 0:
        first = bare()
        return ours(), first
    first = ours()
    return first, bare()


def seconds_of(duration):
    """What absl::FormatDuration printed."""
    units = {"h": 3600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
    parts = re.findall(r"([\d.]+)(h|ms|us|ns|m|s)", duration)
    if not parts:
        raise BenchError(f"not a duration: {duration}")
    return sum(float(value) * units[unit] for value, unit in parts)


def redis_request(*commands):
    return b"".join(
        b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)
        for words in ([w.encode() for w in command] for command in commands))


def redis_get(path, *command):
    """The answer to a command that gives a short string; "" for none."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(redis_request(command))
        answer = connection.recv(4096).decode()
    return answer.split("\r\n")[1] if answer.startswith("$") else ""


def redis_transfer_seconds(path, commands):
    """How long Redis takes to answer these, the bytes read and thrown away."""
    request = redis_request(*commands, ("ECHO", "the-end"))
    start = time.monotonic()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(request)
        buffer = bytearray(1 << 20)
        tail = b""
        while not tail.endswith(b"the-end\r\n"):
            size = connection.recv_into(buffer)
            if size == 0:
                raise BenchError("Redis closed the connection")
            tail = (tail + bytes(buffer[max(0, size - 16):size]))[-16:]
    return time.monotonic() - start
