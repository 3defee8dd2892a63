"""Every limit of the SMTP server has a test over sockets: its key is found in one. What each test shows is for people to
read; that there is none shows here."""

import glob
import os
import re
import tomllib

import pytest

from harness.server import REPOSITORY

pytestmark = pytest.mark.tool

SUITES = ("functional", "conformance", "stress", "crash")

# Limits that no client can show, with the reason. Each has unit tests.
NOT_OVER_SOCKETS = {
    "backlog": "the kernel's: it holds connections back and refuses none that a client could tell",
    "duplicates_max": "which message is forgotten first hangs on random hashes",
    "policy_keys_max": "which source is forgotten first hangs on random hashes",
}


def numbers(table):
    """The keys whose values are numbers, sizes, times or rates."""
    return [key for key, value in table.items() if type(value) is int
            or isinstance(value, str) and re.match(r"\d[\d.]*([A-Za-z/]|$)", value)]


def limit_keys():
    with open(os.path.join(REPOSITORY, "deploy", "postern.toml"), "rb") as file:
        sample = tomllib.load(file)
    gateway = sample["gateway"]
    return (numbers(gateway["listener"][0]) + numbers(gateway) + numbers(gateway["pressure"])
            + numbers(sample["store"]))


def test_every_limit_of_the_gateway_has_a_test_over_sockets():
    keys = limit_keys()
    assert len(keys) > 45 and {"transactions_max", "source_message_rate", "tarpit_delay", "patience"} <= set(keys)
    text = ""
    for suite in SUITES:
        for name in glob.glob(os.path.join(REPOSITORY, "tests", suite, "*.py")):
            with open(name, encoding="utf-8") as file:
                text += file.read()
    shown = {key for key in keys if f'"{key}"' in text}
    missing = sorted(set(keys) - shown - NOT_OVER_SOCKETS.keys())
    assert not missing, f"limits without a test in tests/functional or tests/conformance: {missing}"
    idle = sorted(NOT_OVER_SOCKETS.keys() & shown)
    assert not idle, f"these have a test over sockets now, the exception can go: {idle}"
