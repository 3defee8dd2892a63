"""What POP3 sessions cost in memory: slow readers of large messages, and sessions that do nothing."""

import time

import pytest

from harness import messages, wire
from harness.load import strip_trace
from harness.messages import MIB
from harness.server import PASSWORD
from harness.waiting import MEMORY_SCALE, wait_until

SENDER = "author@elsewhere.example"
# A read batch, two times the high-water mark of output, and what the connection has handed to the kernel
# (limits.hpp), with room for allocator and threads.
SLOW_READER_OCTETS_MAX = 3 * MIB
IDLE_SESSION_OCTETS_MAX = 16 * 1024


@pytest.mark.serial
def test_fifty_mebibytes_to_slow_readers(running_postern, record_property):
    """RETR of 50 MiB to clients that read a little and stop costs a few buffers each, not the message."""
    readers = 6
    postern, (account,) = running_postern(smtp_limits={"message_octets_max": 64 * MIB})
    mail = messages.of_size(1, SENDER, [account], 50 * MIB)
    wire.deliver(postern, [account], mail, sender=SENDER)
    with wire.open_pop3(postern, account, PASSWORD) as session:
        assert strip_trace(session.retrieve(1)) == mail  # caches are filled
    process = postern["pop3"]
    before = process.resident_octets()
    sessions = [wire.open_pop3(postern, account, PASSWORD) for _ in range(readers)]
    for session in sessions:
        session.send(b"RETR 1\r\n")
        assert session.status().startswith(b"+OK")
    largest = 0
    for _ in range(10):
        for session in sessions:
            session.octets(64 * 1024)
        time.sleep(0.1)
        largest = max(largest, process.resident_octets() - before)
    record_property("octets of a slow reader", largest // readers)
    assert largest < readers * SLOW_READER_OCTETS_MAX * MEMORY_SCALE, f"{largest / MIB:.1f} MiB"
    for session in sessions:
        session.reset()
    with wire.open_pop3(postern, account, PASSWORD) as session:
        assert session.ok("STAT").split()[1] == b"1"
    postern.stop()


def hold_idle_sessions(postern, account, count, record_property):
    """Logs `count` sessions in, leaves them alone, and checks what each costs."""
    process = postern["pop3"]
    first = [wire.open_pop3(postern, account, PASSWORD) for _ in range(50)]
    # The receive buffers are the cores', not the sessions', and become resident one by one with their first use:
    # 1024 a core (runtime.receive_buffers), taken in turn.
    for _ in range(120):
        for session in first:
            session.ok("NOOP")
    before = process.resident_octets()
    sessions = [wire.open_pop3(postern, account, PASSWORD) for _ in range(count)]
    time.sleep(1)
    grown = process.resident_octets() - before
    record_property("octets of an idle session", grown // count)
    print(f"{count} idle sessions: {grown / count:.0f} octets each")
    assert grown < count * IDLE_SESSION_OCTETS_MAX * MEMORY_SCALE, f"{grown // count} octets each"
    for session in (first[0], sessions[0], sessions[-1], sessions[count // 2]):
        session.ok("NOOP")
        assert len(session.multiline("LIST")) == 1
    for session in first + sessions:
        session.reset()

    def only_one_left():
        with wire.open_pop3(postern, account, PASSWORD) as session:
            return session.ok("STAT").startswith(b"+OK 1 ")

    wait_until(only_one_left, 30, "the server lives on")


IDLE_SETTINGS = {"pop3": {"inactivity_timeout": 3600, "login_timeout": 600}}


@pytest.mark.serial
@pytest.mark.parametrize("count", [pytest.param(500, id="500"),
                                   pytest.param(10_000, id="10000", marks=pytest.mark.long)])
def test_idle_sessions(count, own_postern, record_property):
    """Memory of a session that is logged in and does nothing; thousands of them at once."""
    postern = own_postern(settings=IDLE_SETTINGS)
    with open(postern.config, encoding="utf-8") as file:
        text = file.read()
    # The listener's limit on connections is not what is tested.
    text = text.replace('[[pop3.listener]]\n', '[[pop3.listener]]\nconnections_max = 0\n')
    with open(postern.config, "w", encoding="utf-8") as file:
        file.write(text)
    postern.start()
    postern.add_domain()
    account = postern.add_user()
    wire.deliver(postern, [account], messages.plain(1, SENDER, [account]), sender=SENDER)
    hold_idle_sessions(postern, account, count, record_property)
    postern.stop()
