#!/usr/bin/env python3
"""Counts test cases: count_tests.py CTEST_JUNIT_XML RESULTS_FOLDER prints `passed failed skipped`.

CTest knows programs, GoogleTest's reports know the cases in them. A program without a report (a script, a
corpus, or one that crashed before it could write) counts as one; so does one that failed although each of
its cases passed. A test that CTest could not run has failed.
"""

import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def count_cases(report):
    """(passed, failed, skipped) of a GoogleTest report."""
    passed = failed = skipped = 0
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        if case.get("status") == "notrun":
            continue
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
            print(f"failed: {case.get('classname')}.{case.get('name')}", file=sys.stderr)
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def count(ctest_report, results):
    totals = [0, 0, 0]
    if not pathlib.Path(ctest_report).exists():  # CTest writes none when there is no test.
        return totals
    for program in ElementTree.parse(ctest_report).getroot().iter("testcase"):
        succeeded = program.get("status") == "run"
        cases = (0, 0, 0)
        report = results / f"{program.get('name')}.xml"
        if report.exists():
            try:
                cases = count_cases(report)
            except ElementTree.ParseError:
                succeeded = False
        elif succeeded:
            cases = (1, 0, 0)
        if not succeeded and cases[1] == 0:
            cases = (cases[0], 1, cases[2])
            print(f"failed: {program.get('name')} ({program.get('status')})", file=sys.stderr)
        totals = [a + b for a, b in zip(totals, cases)]
    return totals


if __name__ == "__main__":
    print(*count(sys.argv[1], pathlib.Path(sys.argv[2])))
