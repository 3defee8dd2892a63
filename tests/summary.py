#!/usr/bin/python3
"""Adds up the JUnit files of a folder: names what failed, and ends with the line `N passed, N failed`.

usage: summary.py RESULTS
Exit status 0: something ran, and nothing failed. Skipped cases count as neither, and are named.
"""

import glob
import os
import sys
import xml.etree.ElementTree as ElementTree


def cases(path):
    """Yields (name, "passed" | "failed" | "skipped") of a JUnit file; an unreadable file is a failure."""
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        yield f"{os.path.basename(path)}: {error}", "failed"
        return
    for case in root.iter("testcase"):
        name = f"{case.get('classname', '')}.{case.get('name', '')}".strip(".")
        if case.find("failure") is not None or case.find("error") is not None:
            yield name, "failed"
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            yield name, "skipped"
        else:
            yield name, "passed"


def main():
    outcomes = {"passed": [], "failed": [], "skipped": []}
    for path in sorted(glob.glob(os.path.join(sys.argv[1], "**", "*.xml"), recursive=True)):
        seen = set()
        for name, outcome in cases(path):
            # pytest reports a failed case and its failed teardown as two entries; it is one case.
            key = (name, outcome)
            if key not in seen:
                seen.add(key)
                suite = os.path.relpath(path, sys.argv[1])
                outcomes[outcome].append(f"{name} ({suite})")
    for outcome in ("skipped", "failed"):
        for name in outcomes[outcome]:
            print(f"{outcome}: {name}")
    passed, failed = len(outcomes["passed"]), len(outcomes["failed"])
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
