"""Deadlines. Nothing in the suites waits without one, and nothing sleeps where a condition can be asked."""

import os
import time

# Sanitizer builds are several times slower; tests/run sets this for them.
TIME_SCALE = float(os.environ.get("POSTERN_TIME_SCALE", "1"))

# Octets a process may grow by are multiplied by this: a sanitizer keeps freed memory in quarantine.
MEMORY_SCALE = float(os.environ.get("POSTERN_MEMORY_SCALE", "1"))


def scaled(time_s):
    """`time_s` seconds on a plain build, more on a slow one."""
    return time_s * TIME_SCALE


def wait_until(condition, time_s, what, interval_s=0.02):
    """Returns the first true value of condition(); fails after time_s (scaled) seconds, naming `what`."""
    deadline = time.monotonic() + scaled(time_s)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {scaled(time_s):g} s: {what}")
        time.sleep(interval_s)
