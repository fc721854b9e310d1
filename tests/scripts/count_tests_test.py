#!/usr/bin/env python3
"""scripts/lib/count_tests.py counts every way in which a test can end."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

COUNT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "lib" / "count_tests.py"

GOOD = '<testcase name="a" classname="S" status="run"/>'
BAD = '<testcase name="b" classname="S" status="run"><failure message="no"/></testcase>'
SKIPPED = '<testcase name="c" classname="S" status="run"><skipped/></testcase>'
DISABLED = '<testcase name="d" classname="S" status="notrun"/>'


def count(programs, reports):
    """What it prints for CTest's {name: status} and the programs' {name: cases}."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if programs:
            cases = "".join(f'<testcase name="{n}" status="{s}"/>' for n, s in programs.items())
            (folder / "ctest.xml").write_text(f"<testsuite>{cases}</testsuite>", encoding="utf-8")
        for program, text in reports.items():
            (folder / f"{program}.xml").write_text(text, encoding="utf-8")
        output = subprocess.run([sys.executable, COUNT, folder / "ctest.xml", folder],
                                capture_output=True, text=True, check=True).stdout
        return tuple(int(number) for number in output.split())


def report(*cases):
    return f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>"


class CountTests(unittest.TestCase):

    def test_cases_are_counted(self):
        self.assertEqual(
            count({"x": "fail", "y": "run"},
                  {"x": report(GOOD, BAD, SKIPPED, DISABLED), "y": report(GOOD, GOOD)}),
            (3, 1, 1))

    def test_a_program_without_a_report_is_one(self):
        self.assertEqual(count({"x": "run", "y": "fail"}, {}), (1, 1, 0))

    def test_a_program_that_ends_badly_after_good_cases_failed(self):
        self.assertEqual(count({"x": "fail"}, {"x": report(GOOD)}), (1, 1, 0))

    def test_half_a_report_failed(self):
        self.assertEqual(count({"x": "run"}, {"x": "<testsuites><testsu"}), (0, 1, 0))

    def test_what_could_not_run_failed(self):
        self.assertEqual(count({"x": "notrun"}, {}), (0, 1, 0))

    def test_no_test_is_none(self):
        self.assertEqual(count({}, {}), (0, 0, 0))


if __name__ == "__main__":
    unittest.main()
