#!/usr/bin/env python3
"""A reader of wissel.log.v1 made from proto/wissel/log/v1/log.proto alone, as a stranger would make one.

Nothing of ours is in it: protoc reads the records, and the reader's rule is written down once more, in the words of
the contract. Over each file of test vectors it must accept the lines marked valid and no others.
"""

import argparse
import base64
import json
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
VECTORS = ROOT / "proto" / "wissel" / "log" / "v1" / "testdata"
PROTOC = None


def parse(value):
    """(kind, fields) of a LogRecord's bytes; None where they are none, or of no kind."""
    done = subprocess.run(
        [PROTOC, "-I", ROOT / "proto", "--decode", "wissel.log.v1.LogRecord", "wissel/log/v1/log.proto"],
        input=value, capture_output=True, check=False)
    kind = re.match(r"(\w+) {$", done.stdout.decode(), re.MULTILINE)
    if done.returncode != 0 or kind is None:
        return None
    # What protoc leaves out has its default.
    fields = dict.fromkeys(("epoch", "sequence", "claim_offset"), 0)
    fields.update((name, int(number)) for name, number in
                  re.findall(r"^  (\w+): (-?\d+)$", done.stdout.decode(), re.MULTILINE))
    return kind[1], fields


class Reader:
    """One partition, read from `start`, the first offset that is left of it, without a saved place."""

    def __init__(self, start):
        self.epoch = 0
        self.claim_offset = None
        self.next_sequence = 1
        # Behind a cut head claims are provisional up to the first valid decision, save those of an epoch above `start`.
        self.start = start
        self.proven = start == 0

    def accepts(self, offset, value):
        record = parse(value)
        if record is None:
            return False
        kind, fields = record
        return self.claim(offset, fields) if kind == "owner_claimed" else self.decision(fields)

    def claim(self, offset, fields):
        if not self.epoch < fields["epoch"] <= offset + 1:
            return False
        self.proven = self.proven or fields["epoch"] > self.start
        self.epoch, self.claim_offset, self.next_sequence = fields["epoch"], offset, 1
        return self.proven

    def decision(self, fields):
        if (fields["epoch"], fields["claim_offset"], fields["sequence"]) != (
                self.epoch, self.claim_offset, self.next_sequence):
            return False
        self.next_sequence += 1
        self.proven = True
        return True


class LogReaderTest(unittest.TestCase):
    def test_accepts_what_is_marked_valid_and_nothing_else(self):
        files = sorted(VECTORS.glob("*.jsonl"))
        self.assertGreaterEqual(len(files), 3)
        for file in files:
            with self.subTest(file.name):
                lines = [json.loads(line) for line in file.read_text(encoding="ascii").splitlines()]
                reader = Reader(lines[0]["offset"])
                accepted = [line["offset"] for line in lines
                            if reader.accepts(line["offset"], base64.b64decode(line["value"]))]
                self.assertEqual(accepted, [line["offset"] for line in lines if line["valid"]])
                self.assertGreater(len(accepted), 2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--protoc", default="protoc")
    known, rest = parser.parse_known_args()
    PROTOC = known.protoc
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
