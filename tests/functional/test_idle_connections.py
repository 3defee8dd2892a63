"""Idle connections: what one costs, plain and under TLS, and that each has its own timer.

The short run holds 2,000, the long one 50,000 (SMTP) and 10,000 (POP3), from several addresses of 127.0.0.0/8, or as
many as the machine's limit of open files (ulimit -Hn) lets a process have; the figures say how many. Memory is the process's own (VmRSS); the kernel's part of a socket is not in it.
"""

import pytest

from harness.crowd import Crowd, allow_files
from harness.server import child_setup
from harness.waiting import MEMORY_SCALE, scaled

pytestmark = pytest.mark.serial

# Octets of a process per idle connection. Measured: some 1,900 (SMTP), 1,600 (POP3), 15,000 under TLS.
PLAIN_OCTETS_MAX = 6 << 10
TLS_OCTETS_MAX = 40 << 10

# How late a timer may be when all of them run out together; never early.
LATE_S = 3


FILES = 120_000

# Listeners, databases and logs, in the server and in the test.
OTHER_FILES = 1_000


def many_files():
    """A server's limit of open files, as its service file gives it one; it inherits what the test may have."""
    child_setup()
    allow_files(FILES)


def start(own_postern, names, count, **options):
    """(Postern, how many connections can be held)."""
    permitted = allow_files(FILES)
    postern = own_postern(**options)
    with open(postern.config, encoding="utf-8") as file:
        configuration = file.read()
    with open(postern.config, "w", encoding="utf-8") as file:
        file.write(configuration.replace("[[pop3.listener]]\n", "[[pop3.listener]]\nconnections_max = 0\n"))
    for name in names:
        postern.spawn(name, preexec=many_files).wait_ready()
    postern.add_domain()
    return postern, min(count, permitted - OTHER_FILES)


def cost(process, port, count, record_property, what, tls=None):
    """Holds `count` idle connections; returns octets of memory per connection."""
    with Crowd(port, 50, tls):
        pass  # whatever the first ones bring along
    before = process.resident_octets()
    with Crowd(port, count, tls):
        octets = (process.resident_octets() - before) / count
    record_property(what, f"{octets:.0f} octets each of {count}")
    print(f"{what}: {octets:.0f} octets for each of {count} idle connections")
    return octets


LONG = pytest.mark.long
SMTP_COUNTS = [2_000, pytest.param(50_000, marks=LONG)]
TLS_COUNTS = [300, pytest.param(5_000, marks=LONG)]
POP3_COUNTS = [1_000, pytest.param(10_000, marks=LONG)]


@pytest.mark.parametrize("count", SMTP_COUNTS)
def test_an_idle_smtp_connection_costs_little(count, own_postern, record_property):
    postern, count = start(own_postern, ["gateway"], count, smtp_limits={"connections_max": 0})
    octets = cost(postern["gateway"], postern.ports.relay, count, record_property, "SMTP, plain")
    assert octets < PLAIN_OCTETS_MAX * MEMORY_SCALE


@pytest.mark.parametrize("count", TLS_COUNTS)
def test_an_idle_smtp_connection_under_tls_costs_little(count, own_postern, record_property):
    postern, count = start(own_postern, ["gateway"], count, smtp_limits={"connections_max": 0})
    octets = cost(postern["gateway"], postern.ports.submissions, count, record_property, "SMTP, TLS",
                  postern.authority.context())
    assert octets < TLS_OCTETS_MAX * MEMORY_SCALE


@pytest.mark.parametrize("count", POP3_COUNTS)
def test_an_idle_pop3_connection_costs_little(count, own_postern, record_property):
    postern, count = start(own_postern, ["gateway", "pop3"], count)
    octets = cost(postern["pop3"], postern.ports.pop3, count, record_property, "POP3, plain")
    assert octets < PLAIN_OCTETS_MAX * MEMORY_SCALE


@pytest.mark.parametrize("count, timeout_s", [(2_000, 6), pytest.param(50_000, 60, marks=LONG)])
def test_each_smtp_connection_ends_at_its_own_moment(count, timeout_s, own_postern):
    postern, count = start(own_postern, ["gateway"], count, smtp_limits={
        "connections_max": 0, "inactivity_timeout": timeout_s, "connection_timeout": 600})
    with Crowd(postern.ports.relay, count) as crowd:
        endings = crowd.last_words(timeout_s + scaled(60))
    assert_exact(endings, b"421 ", timeout_s)


@pytest.mark.parametrize("count, timeout_s", [(1_000, 5), pytest.param(10_000, 30, marks=LONG)])
def test_each_pop3_connection_ends_at_its_own_moment(count, timeout_s, own_postern):
    postern, count = start(own_postern, ["gateway", "pop3"], count,
                           settings={"pop3": {"login_timeout": timeout_s}})
    with Crowd(postern.ports.pop3, count) as crowd:
        endings = crowd.last_words(timeout_s + scaled(60))
    assert_exact(endings, b"-ERR", timeout_s)


def assert_exact(endings, words, timeout_s):
    wrong = [said for said, _ in endings if not said.startswith(words)]
    assert not wrong, wrong[:5]
    times_s = sorted(elapsed for _, elapsed in endings)
    # The timer starts a little before the client has read its greeting.
    assert times_s[0] > timeout_s - 0.3, f"the first ended after {times_s[0]:.2f} s of {timeout_s}"
    assert times_s[-1] < timeout_s + scaled(LATE_S), f"the last ended after {times_s[-1]:.2f} s"
    print(f"{len(endings)} timers of {timeout_s} s: {times_s[0]:.3f} to {times_s[-1]:.3f} s")
