#!/usr/bin/python3
"""Runs the conformance suite against the peers and writes ../PEERS.md: where they differ from the statements.

usage: run.py [postfix] [exim] [dovecot]      (root; default: all; results of the others are kept in --results)
"""

import argparse
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SUITE = os.path.dirname(HERE)
TESTS = os.path.dirname(SUITE)
sys.path.insert(0, TESTS)

from conformance.table import statements  # noqa: E402
from harness import ports  # noqa: E402
from harness.certificates import Authority  # noqa: E402

PEERS = {"postfix": ("test_smtp_*.py",), "exim": ("test_smtp_*.py",), "dovecot": ("test_pop3_*.py",)}


def suite_files(patterns):
    return sorted(path for pattern in patterns for path in glob.glob(os.path.join(SUITE, pattern)))


def run_peer(name, results):
    """Starts the peer, runs the suite at it, ends it. The table is RESULTS/name.json."""
    folder = tempfile.mkdtemp(prefix=f"peer-{name}-")
    authority = Authority(os.path.join(folder, "ca"))
    shutil.copy(authority.certificate, os.path.join(folder, "certificate.pem"))
    shutil.copy(authority.key, os.path.join(folder, "key.pem"))
    environment = {**os.environ, **{f"PORT_{kind}": str(ports.free_port()) for kind in (
        "SMTP", "SUBMISSION", "SUBMISSIONS", "POP3", "POP3S")}}
    script = os.path.join(HERE, f"{name}.sh")

    def peer(verb):
        return subprocess.run([script, verb, folder], env=environment, text=True, timeout=120,
                              stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        started = peer("start")
        if started.returncode != 0:
            raise SystemExit(f"{name} does not start; its files are in {folder}")
        options = started.stdout.split("\n")[-2].split()
        # The files first: pytest finds the suite's options through them.
        command = [sys.executable, "-m", "pytest", "-c", os.path.join(TESTS, "pytest.ini"),
                   *suite_files(PEERS[name]), "-q", "--tb=line", "-p", "no:cacheprovider",
                   "--conformance-table", os.path.join(results, name), "--tls-ca", authority.ca,
                   *options]
        subprocess.run(command, stdin=subprocess.DEVNULL, timeout=3600, cwd=TESTS)
        version = peer("version").stdout.strip()
        with open(os.path.join(results, f"{name}.version"), "w", encoding="utf-8") as file:
            file.write(version + "\n")
    finally:
        peer("stop")
        shutil.rmtree(folder, ignore_errors=True)


def load(name, results):
    with open(os.path.join(results, f"{name}.json"), encoding="utf-8") as file:
        rows = json.load(file)
    with open(os.path.join(results, f"{name}.version"), encoding="utf-8") as file:
        version = file.read().strip()
    return version, {row["id"]: {test["name"].split("::")[-1]: test for test in row["tests"]}
                     for row in rows}


def summary(tests):
    counts = {kind: sum(test["outcome"] == kind for test in tests.values())
              for kind in ("passed", "failed", "skipped")}
    return (f"{counts['passed']}/{counts['passed'] + counts['failed']}"
            if counts["passed"] + counts["failed"] else "not testable")


def report(names, results):
    """The text of PEERS.md."""
    found = {name: load(name, results) for name in names}
    lines = ["# What peers do differently", "",
             "Written by peers/run.py from runs of this suite; do not edit. A difference is no verdict: many",
             "statements here are one server's choice (MS-OXSMTP, MS-STANXPOP3), and a skipped test needs a",
             "configuration that only Postern's fixtures can change.", "",
             "Cells: tests passed / tests that could be run.", "",
             "| id | statement | " + " | ".join(version for version, _ in found.values()) + " |",
             "|---|---|" + "---|" * len(found)]
    for name, text in statements().items():
        cells = [summary(rows.get(name, {})) if rows.get(name) else "" for _, rows in found.values()]
        if any(cells):
            lines.append(f"| {name} | {text} | " + " | ".join(cells) + " |")
    for version, rows in found.values():
        lines += ["", f"## {version}", ""]
        seen = set()
        for tests in rows.values():
            for name, test in sorted(tests.items()):
                if test["outcome"] == "failed" and name not in seen:
                    seen.add(name)
                    why = f": {test['reason']}" if test["reason"] else ""
                    lines.append(f"- `{name}`{why}")
        if not seen:
            lines.append("No difference.")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("peers", nargs="*", choices=[*PEERS, []], help="default: all")
    parser.add_argument("--results", help="where the tables of the runs are kept")
    arguments = parser.parse_args()
    results = os.path.abspath(arguments.results or tempfile.mkdtemp(prefix="peers-"))
    os.makedirs(results, exist_ok=True)
    for name in arguments.peers or PEERS:
        run_peer(name, results)
    names = [name for name in PEERS if os.path.exists(os.path.join(results, f"{name}.json"))]
    with open(os.path.join(SUITE, "PEERS.md"), "w", encoding="utf-8") as file:
        file.write(report(names, results))
    print(f"tables: {results}")


if __name__ == "__main__":
    main()
