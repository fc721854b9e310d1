#!/usr/bin/env python3
"""Lower layers never include upper ones, and a third-party library stays behind one folder.

The tables below are the rules. Run without arguments: reads the repository this file is in, and first checks
itself on planted violations.
"""

import pathlib
import re
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

GROUND = {"libs/base", "libs/config", "libs/telemetry"}
ALL_LIBS = {"libs/*"}

# What each folder may include besides itself. A service may include every library, no other service.
MAY_INCLUDE = {
    "libs/base": set(),
    "libs/config": {"libs/base"},
    "libs/telemetry": {"libs/base", "libs/config"},
    "libs/bus": GROUND,
    "libs/store": GROUND,
    "libs/http": GROUND,
    "libs/rpc": GROUND,
    "libs/routing": {"libs/base"},
    "libs/domain": {"libs/base", "libs/routing"},
    "libs/connections": GROUND | {"libs/bus", "libs/store"},
    "libs/views": {"libs/base", "libs/bus", "libs/domain", "libs/store"},
    "libs/service": GROUND,
    "libs/serving": GROUND | {"libs/http", "libs/rpc", "libs/service"},
    "libs/channel": GROUND | {"libs/bus", "libs/http", "libs/store", "libs/domain"},
    "libs/testing": ALL_LIBS,
    "libs/sim": ALL_LIBS,
    "services/*": ALL_LIBS,
    # `wisselctl normalize` is the channels' own code.
    "services/ctl": ALL_LIBS | {"services/email", "services/whatsapp"},
    "services/dev": ALL_LIBS | {"services/*"},
    "tests/*": ALL_LIBS | {"services/*", "tests/*"},
    "bench": ALL_LIBS | {"services/*"},
    "bench/*": ALL_LIBS | {"services/*", "bench/*"},
}

# A test, benchmark, fuzzer or conformance suite of a lower layer may use the fixtures.
CHECKS = re.compile(r"_(test|benchmark|fuzz)\.(cc|h)$|/conformance/|^libs/[a-z]+/testing[/_]")
CHECKS_MAY_ALSO_INCLUDE = {"libs/testing", "libs/sim"}
# They are also the clients of what they check.
CLIENTS = re.compile(r"(curl|grpcpp|grpc)/|.*\.grpc\.pb\.h")

# Who may include a library's headers. Tests and benchmarks of whole systems may include any.
OWNERS = {
    r"librdkafka/": {"libs/bus"},
    r"sqlite3\.h": {"libs/bus"},
    r"hiredis/": {"libs/store"},
    r"boost/(asio|beast)": {"libs/http"},
    r"curl/": {"libs/http", "services/email"},
    r"(gmime|libetpan)/|gumbo\.h": {"services/email"},
    r"prometheus/": {"libs/telemetry"},
    r"yaml-cpp/": {"libs/config", "services/admin", "services/ctl"},
    r"jwt\.h": {"libs/rpc"},
    r"(grpcpp|grpc)/|.*\.grpc\.pb\.h": {
        "libs/rpc", "libs/serving", "libs/testing", "services/agent-gateway", "services/admin", "services/history",
        "services/ctl", "services/dev",
    },
}

# The pure folders take time as an argument and do no input or output.
PURE = {"libs/domain", "libs/routing"}
IMPURE = re.compile(
    r"absl/(time/clock|random/|synchronization/).*|libs/base/(clock|mutex|bounded_queue)\.h"
    r"|chrono|thread|mutex|condition_variable|future|random|ctime|fstream|iostream|sys/.*|unistd\.h")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')


def folder_of(path):
    """`libs/bus` of `libs/bus/kafka/log.h`; `bench` of a file directly in it."""
    parts = path.split("/")
    return "/".join(parts[:2]) if len(parts) > 2 else parts[0]


def listed(folder, names):
    return folder in names or folder.split("/")[0] + "/*" in names


def may_include(folder):
    if folder in MAY_INCLUDE:
        return MAY_INCLUDE[folder]
    return MAY_INCLUDE.get(folder.split("/")[0] + "/*")


def problem(path, bracket, header, root):
    """What is wrong with one include of one file, or None."""
    folder = folder_of(path)
    is_check = CHECKS.search(path) is not None
    allowed = may_include(folder)
    if bracket == '"' and ((root / path).parent / header).exists() and not (root / header).exists():
        return "includes are written from the repository's root"
    if header.split("/")[0] in ("libs", "services", "tests", "bench"):
        other = folder_of(header)
        if other != folder and not listed(other, allowed) and not (
                is_check and other in CHECKS_MAY_ALSO_INCLUDE):
            return f"{folder} may not include {other}"
    if folder.split("/")[0] in ("tests", "bench"):
        return None
    for pattern, owners in OWNERS.items():
        if is_check and CLIENTS.match(header):
            break
        if re.match(pattern, header) and folder not in owners:
            return f"only {', '.join(sorted(owners))} may include it"
    if folder in PURE and not is_check and IMPURE.fullmatch(header):
        return f"{folder} is pure: no clock, lock, thread, random device, input or output"
    return None


def violations(root):
    """(files read, ["file:line: what"]) of the C++ below `root`."""
    files = 0
    found = []
    for top in ("libs", "services", "tests", "bench"):
        for file in sorted((root / top).rglob("*")):
            if file.suffix not in (".h", ".cc"):
                continue
            files += 1
            path = file.relative_to(root).as_posix()
            if may_include(folder_of(path)) is None:
                found.append(f"{path}: {folder_of(path)} is not in tests/layering/layering_test.py")
                continue
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
                include = INCLUDE.match(line)
                what = include and problem(path, include[1], include[2], root)
                if what:
                    found.append(f"{path}:{number}: {include[2]}: {what}")
    return files, found


class Planted(unittest.TestCase):
    """The rules bite: each case is one file with one include."""

    def judge(self, path, include, also=()):
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            for file in (path, *also):
                (root / file).parent.mkdir(parents=True, exist_ok=True)
                (root / file).touch()
            (root / path).write_text(f"#include {include}\n", encoding="utf-8")
            return violations(root)[1]

    def test_violations_are_found(self):
        for path, include in (
                ("libs/base/a.h", '"libs/bus/bus.h"'),
                ("libs/store/a.cc", '"libs/bus/bus.h"'),
                ("libs/routing/a.h", '"libs/domain/state.h"'),
                ("libs/domain/a.cc", '"libs/bus/bus.h"'),
                ("libs/domain/a_test.cc", '"libs/bus/bus.h"'),
                ("libs/channel/a.cc", '"libs/rpc/server.h"'),
                ("libs/channel/a.cc", '"services/router/app.h"'),
                ("libs/domain/a.cc", '"libs/testing/fixture.h"'),
                ("libs/domain/a.cc", "<chrono>"),
                ("libs/routing/a.cc", '"absl/time/clock.h"'),
                ("services/router/a.cc", '"services/projector/app.h"'),
                ("services/router/a.cc", "<librdkafka/rdkafka.h>"),
                ("services/router/a.cc", '"wissel/agent/v1/agent_service.grpc.pb.h"'),
                ("services/chat/handlers/a.cc", "<boost/beast/http.hpp>"),
                ("libs/store/a.cc", "<sqlite3.h>"),
                ("libs/store/a_test.cc", "<sqlite3.h>"),
                ("libs/novelty/a.cc", "<string>")):
            self.assertEqual(len(self.judge(path, include)), 1, f"{path} includes {include}")

    def test_relative_include_is_found(self):
        self.assertEqual(len(self.judge("libs/base/a.cc", '"b.h"', also=["libs/base/b.h"])), 1)

    def test_what_is_allowed_passes(self):
        for path, include in (
                ("libs/bus/kafka/a.cc", "<librdkafka/rdkafka.h>"),
                ("libs/bus/a.cc", '"libs/telemetry/metrics.h"'),
                ("libs/domain/a.cc", '"libs/routing/match.h"'),
                ("libs/domain/a.cc", '"absl/time/time.h"'),
                ("libs/domain/a_test.cc", '"libs/testing/matchers.h"'),
                ("libs/domain/a.cc", '"wissel/log/v1/log.pb.h"'),
                ("libs/telemetry/a_test.cc", "<curl/curl.h>"),
                ("services/dev/main.cc", '"services/router/app.h"'),
                ("services/agent-gateway/handlers/a.cc", "<grpcpp/grpcpp.h>"),
                ("tests/e2e/a_test.cc", '"services/router/app.h"'),
                ("bench/spine.cc", "<librdkafka/rdkafka.h>")):
            self.assertEqual(self.judge(path, include), [], f"{path} includes {include}")


def main():
    planted = unittest.TextTestRunner(verbosity=0).run(
        unittest.defaultTestLoader.loadTestsFromTestCase(Planted))
    files, found = violations(ROOT)
    print(f"{files} files, {len(found)} violations of the layering")
    print("\n".join(found))
    return 0 if planted.wasSuccessful() and files > 0 and not found else 1


if __name__ == "__main__":
    sys.exit(main())
