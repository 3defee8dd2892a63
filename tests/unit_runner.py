#!/usr/bin/python3
"""Runs the GoogleTest programs of a build folder and keeps one JUnit file for each.

usage: unit_runner.py [--under FOLDER]... [--filter PATTERN] [--list-targets] BUILD RESULTS

--under FOLDER   only programs with a source file below it ("tests/unit/store"); may be repeated
--filter WORD    only test cases whose full name contains WORD
--list-targets   print the ninja targets of the selection instead of running them

Exit status 0: everything passed.
"""

import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

PARALLEL = 2
TIMEOUT_S = 900


def introspect(build, what):
    done = subprocess.run(["meson", "introspect", f"--{what}", build], capture_output=True, text=True,
                          check=True)
    return json.loads(done.stdout)


def selected(build, folders):
    """[(name, command, environment, ninja target)] of the tests with a source below one of folders."""
    targets = {}
    for target in introspect(build, "targets"):
        for file_name in target["filename"]:
            sources = [os.path.normpath(path) for group in target["target_sources"]
                       for path in group.get("sources", [])]
            targets[os.path.normpath(file_name)] = sources
    result = []
    for test in introspect(build, "tests"):
        program = os.path.normpath(test["cmd"][0])
        sources = targets.get(program, [])
        if folders and not any(f"/{folder.strip('/')}/" in path for folder in folders
                               for path in sources):
            continue
        result.append((test["name"], test["cmd"], test["env"], os.path.relpath(program, build)))
    return result


def failure_file(path, name, text):
    """A JUnit file with one failed case, for a program that could not report for itself."""
    suite = ElementTree.Element("testsuite", name=name, tests="1", failures="1", errors="0")
    case = ElementTree.SubElement(suite, "testcase", classname=name, name="program")
    ElementTree.SubElement(case, "failure", message=text[:200]).text = text
    ElementTree.ElementTree(suite).write(path)


def counts(path):
    """(cases, failures) of a JUnit file."""
    root = ElementTree.parse(path).getroot()
    return int(root.get("tests", 0)), int(root.get("failures", 0)) + int(root.get("errors", 0))


def run(test, word, results):
    name, command, environment, _ = test
    path = os.path.join(results, f"unit-{name.replace('/', '_').replace(' ', '_')}.xml")
    options = [f"--gtest_output=xml:{path}"] + ([f"--gtest_filter=*{word}*"] if word else [])
    try:
        done = subprocess.run(command + options, env={**os.environ, **environment}, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=TIMEOUT_S, errors="replace")
        status, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as error:
        status = f"no end within {TIMEOUT_S} s"
        output = (error.stdout or b"").decode(errors="replace")
    try:
        cases, failures = counts(path)
    except (OSError, ElementTree.ParseError):
        cases, failures = 0, 0
    if cases == 0 and not word:
        failure_file(path, name, f"status {status}, no test case reported\n{output[-8000:]}")
        cases, failures = 1, 1
    elif status != 0 and failures == 0:
        # It died after its last case, or a sanitizer reported at exit.
        failure_file(path + ".exit.xml", name, f"status {status}\n{output[-8000:]}")
        failures = 1
    return name, cases, failures, output


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--under", action="append", default=[])
    parser.add_argument("--filter", default="")
    parser.add_argument("--list-targets", action="store_true")
    parser.add_argument("build")
    parser.add_argument("results")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    tests = selected(build, options.under)
    if options.list_targets:
        print("\n".join(sorted({target for *_, target in tests})))
        return 0
    if not tests:
        print(f"no unit tests in {build}", file=sys.stderr)
        return 1
    os.makedirs(options.results, exist_ok=True)
    failed = False
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        for name, cases, failures, output in pool.map(
                lambda test: run(test, options.filter, options.results), tests):
            print(f"  {name}: {cases} cases, {failures} failed", flush=True)
            if failures:
                failed = True
                print(output[-8000:], flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
