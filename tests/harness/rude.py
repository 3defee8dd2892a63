"""What the rude-client tests share: a bound on latency and memory while something unpleasant goes on."""

import contextlib
import socket
import time

from .load import Probe
from .messages import MIB
from .server import PASSWORD
from .waiting import MEMORY_SCALE, scaled

# A send-and-read cycle of the well-behaved user takes some tens of milliseconds on an idle machine. Seconds mean
# that somebody else's session got in its way.
CYCLE_S_MAX = 5

# What a process may grow by while rude clients do their worst. Their data is hundreds of MiB in every test.
GROWTH_OCTETS_MAX = 96 * MIB


@contextlib.contextmanager
def undisturbed(postern, account, cycles=3, growth_octets_max=None):
    """Inside the block a well-behaved user works beside it; at its end the bounds are checked. At least `cycles`
    whole cycles must begin and end while the rude clients are there."""
    with Probe(postern, account, PASSWORD) as probe:
        _wait_cycles(probe, 2)  # start-up costs (first login, first read) are behind us
        before = {name: postern[name].resident_octets() for name in postern.processes}
        seen = len(probe.latencies_s)
        yield probe
        _wait_cycles(probe, seen + cycles)
        growth = {name: postern[name].resident_octets() - before[name]
                  for name in postern.processes}
    slowest_s = max(probe.latencies_s[seen:])
    assert slowest_s < scaled(CYCLE_S_MAX), f"a well-behaved user waited {slowest_s:.1f} s"
    for name, octets in growth.items():
        assert octets < (growth_octets_max or GROWTH_OCTETS_MAX) * MEMORY_SCALE, f"{name} grew by {octets / MIB:.0f} MiB"


def _wait_cycles(probe, count):
    deadline = time.monotonic() + scaled(60)
    while len(probe.latencies_s) < count:
        assert probe.failure is None, f"the well-behaved session failed: {probe.failure!r}"
        assert time.monotonic() < deadline, "the well-behaved session makes no progress"
        time.sleep(0.02)


def push(session, octets, total_octets, stalled_s=2):
    """Sends `octets` again and again without reading a reply, until total_octets are out, the server closes, or it
    stops reading for stalled_s seconds. Returns (octets sent, how it ended: "sent", "closed" or "stalled")."""
    session.socket.settimeout(scaled(stalled_s))
    sent = 0
    view = memoryview(octets)
    try:
        while sent < total_octets:
            sent += session.socket.send(view[sent % len(octets):])
        return sent, "sent"
    except (TimeoutError, socket.timeout):
        return sent, "stalled"
    except OSError:
        return sent, "closed"
