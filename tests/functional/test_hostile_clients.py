"""Clients that violate every rule they can at full speed: bounded memory, and others' sessions go on."""

import statistics
import subprocess
import sys
import time

import pytest

from harness import hostile, messages, wire
from harness.server import PASSWORD, child_setup
from harness.waiting import MEMORY_SCALE, scaled

pytestmark = pytest.mark.serial

SENDER = "author@elsewhere.example"

# Other sessions wait for their turn on the same cores; the hostile ones must not make it seconds.
P99_S_MAX = 1.5
# Receive buffers, half messages below the size limit and the store's memtables; the hostile clients' octets are
# many times that.
GROWTH_OCTETS_MAX = 256 * messages.MIB


def measure(session, account, seconds, latencies_s):
    """One transaction after the other for so many seconds; appends how long each took."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.monotonic()
        reply = session.send_mail(SENDER, [account], messages.plain(1, SENDER, [account]))
        assert reply.code == 250, reply
        latencies_s.append(time.monotonic() - begin)
        time.sleep(0.005)


def p99_ms(latencies_s):
    return statistics.quantiles(latencies_s, n=100)[98] * 1000


@pytest.mark.parametrize("seconds", [6, pytest.param(60, marks=pytest.mark.long)])
def test_hostile_clients_harm_nobody_else(seconds, running_postern, record_property):
    postern, (account, target) = running_postern(users=2)
    with wire.open_smtp(postern) as session:
        calm_s, noisy_s, new_s = [], [], []
        measure(session, account, 2, calm_s)
        before = {name: process.resident_octets() for name, process in postern.processes.items()}
        ports = [str(port) for port in (postern.ports.relay, postern.ports.submissions,
                                        postern.ports.pop3)]
        nuisances = [subprocess.Popen(
            [sys.executable, hostile.__file__, *ports, target, str(seconds), str(seed)],
            stdout=subprocess.PIPE, text=True, preexec_fn=child_setup) for seed in range(2)]
        try:
            end = time.monotonic() + seconds - 0.5
            while time.monotonic() < end:
                measure(session, account, 0.5, noisy_s)
                # Newcomers are served, too.
                begin = time.monotonic()
                wire.deliver(postern, [account], messages.plain(2, SENDER, [account]))
                new_s.append(time.monotonic() - begin)
            growth = {name: process.resident_octets() - before[name]
                      for name, process in postern.processes.items()}
        finally:
            said = [nuisance.communicate(timeout=scaled(60))[0] for nuisance in nuisances]
        assert all(nuisance.returncode == 0 for nuisance in nuisances)
    connections, octets = (sum(values) for values in zip(*(map(int, line.split()) for line in said)))
    assert connections > 100 * seconds, f"only {connections} hostile connections: nothing was shown"
    figures = (f"p99 {p99_ms(calm_s):.1f} ms alone, {p99_ms(noisy_s):.1f} ms beside {connections} hostile "
               f"connections with {octets / messages.MIB:.0f} MiB in {seconds} s; new sessions at most "
               f"{max(new_s) * 1000:.0f} ms; growth "
               + ", ".join(f"{name} {grown / messages.MIB:.0f} MiB" for name, grown in growth.items()))
    record_property("hostile", figures)
    print(figures)
    assert p99_ms(noisy_s) < scaled(P99_S_MAX) * 1000, figures
    assert max(growth.values()) < GROWTH_OCTETS_MAX * MEMORY_SCALE, figures
    for name, process in postern.processes.items():
        assert process.running(), f"{name} did not survive"
    # What they left behind is in nobody's mailbox.
    assert all(b"Subject: x\r\n" not in mail
               for mail in wire.read_all_pop3(postern, target, PASSWORD).values())
