"""The suite can be pointed at a server that is there: here one of ours, which it then knows nothing about."""

import json
import os
import subprocess
import sys

import pytest

from harness.server import REPOSITORY
from harness.waiting import scaled


def test_it_runs_against_a_server_named_on_the_command_line(server, tmp_path):
    if not server.own:
        pytest.skip("it is being done")
    account = server.account()
    ports = server.postern.ports
    tests = os.path.join(REPOSITORY, "tests")
    files = [os.path.join(tests, "conformance", name) for name in (
        "test_smtp_commands.py", "test_smtp_timers.py", "test_smtp_auth.py", "test_pop3_maildrop.py")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", os.path.join(tests, "pytest.ini"), *files, "-q",
         "-p", "no:cacheprovider", "-k", "greeting or smtp_05 or ext_01 or pop_14 or smtp_01_a_command",
         "--target", f"127.0.0.1:{ports.relay}", "--submission", f"127.0.0.1:{ports.submission}",
         "--pop3", f"127.0.0.1:{ports.pop3}", "--pop3s", f"127.0.0.1:{ports.pop3s}",
         "--user", account.name, "--password", account.password, "--tls-ca", server.authority.ca,
         "--expect-command", "2048", "--conformance-table", str(tmp_path / "table")],
        cwd=tests, capture_output=True, text=True, timeout=scaled(300), stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    with open(tmp_path / "table.json", encoding="utf-8") as file:
        rows = {row["id"]: row for row in json.load(file)}
    for name in ("SMTP-01", "EXT-01", "POP-14"):
        assert rows[name]["result"] == "passed", rows[name]
    assert rows["SMTP-05"]["result"] == "skipped"
    assert "needs a changed configuration" in rows["SMTP-05"]["reason"]
    assert rows["SMTP-17"]["result"] == "untested"


def test_a_wrong_expectation_is_a_failure(server, tmp_path):
    """What is not so must not pass, and what was not given must not be guessed."""
    if not server.own:
        pytest.skip("it is being done")
    tests = os.path.join(REPOSITORY, "tests")
    command = [sys.executable, "-m", "pytest", "-c", os.path.join(tests, "pytest.ini"),
               os.path.join(tests, "conformance", "test_smtp_commands.py"), "-q", "-p",
               "no:cacheprovider", "-k", "longer_than_the_limit and None",
               "--target", f"127.0.0.1:{server.postern.ports.relay}"]
    for more, status in ((["--expect-command", "1000"], 1), (["--expect-command", "2048"], 0), ([], 0)):
        done = subprocess.run(command + more, cwd=tests, capture_output=True, text=True,
                              timeout=scaled(120), stdin=subprocess.DEVNULL)
        assert done.returncode == status, (more, done.stdout[-3000:])
        assert ("1 skipped" in done.stdout) == (not more), done.stdout[-3000:]
