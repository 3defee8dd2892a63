"""Back pressure (SMTP-13) over sockets: its levels are entered at one value and left at another; strangers wait, then
they are refused, then all are; what was begun is finished. And the memory budget itself, which nobody gets past.

The tests decide what is in memory: messages that do not end. A unit is half a mebibyte of one.
"""

import shutil
import tempfile
import time

import pytest

from harness import messages, wire
from harness.server import PASSWORD
from harness.waiting import scaled, wait_until

SENDER = "stranger@elsewhere.example"
TRUSTED = "127.0.0.7"
UNIT_OCTETS = messages.MIB // 2
BUDGET_OCTETS = 16 * messages.MIB  # the smallest there is
HEADER = b"Subject: ballast\r\n\r\n"

# Of 32 units: medium begins at 20 % (7 units) and ends at 10 % (3); high begins at 40 % (13) and ends at 20 % (6).
PRESSURE = {"memory_medium_percent": 20, "memory_high_percent": 40, "recovery_percent": 50, "delay": 1,
            "patience": int(scaled(12)), "stall_medium_percent": 0, "stall_high_percent": 0, "latency_medium_ms": 0,
            "latency_high_ms": 0, "disk_medium_percent": 0}
NONE, MEDIUM, HIGH = 0, 1, 2
NOTHING, DELAY, REFUSE_STRANGERS, REFUSE_ALL = range(4)

# Messages that do not end must not end for another reason.
PATIENT = {"inactivity_timeout": 800, "connection_timeout": 900, "data_octets_per_second_min": 0}

# The machine is looked at once a second: after this long at least once.
LOOK_S = 2.5


def begin(server, kind="relay", user=None, source=None):
    session = wire.Smtp(getattr(server.ports, kind), source=source)
    assert session.greeting.code == 220, session.greeting
    session.ehlo()
    if user:
        assert session.auth_plain(user, PASSWORD).code == 235
    return session


def refused_with(reply, code, status):
    assert reply.code == code and reply.text.startswith(status + " "), reply


class Ballast:
    """Messages of trusted clients that have not ended."""

    def __init__(self, server, user):
        self.server = server
        self.user = user
        self.sessions = []

    def become(self, units):
        while len(self.sessions) > units:
            self.sessions.pop().close()
        while len(self.sessions) < units:
            session = begin(self.server, source=TRUSTED)
            session.transaction(SENDER, [self.user])
            session.send(HEADER.ljust(UNIT_OCTETS, b"x"))
            self.sessions.append(session)
        # The rest of a unit is the trace field, a few hundred octets.
        wait_until(lambda: units * UNIT_OCTETS <= self.server.metric("postern_smtp_held_octets")
                   < units * (UNIT_OCTETS + 2000) + 1, 20, f"{units} units are in memory")

    def finish_one(self):
        """The reply to a message that ends now."""
        session = self.sessions.pop()
        with session:
            session.send(b"\r\n.\r\n")
            return session.reply()


@pytest.fixture
def pressed(gateway):
    server = gateway({"trusted": [TRUSTED + "/32"], **PATIENT}, cores=2,
                     store={"memory_budget_octets": BUDGET_OCTETS}, **{"gateway.pressure": PRESSURE})
    server.user = server.add_user()
    server.ballast = Ballast(server, server.user)
    yield server
    for session in server.ballast.sessions:
        session.close()


def state(server):
    return (server.metric("postern_pressure_level", resource="memory"), server.metric("postern_pressure_action"))


def becomes(server, level, action):
    wait_until(lambda: state(server) == (level, action), 10, f"level {level}, action {action}")


def stays(server, level, action):
    assert state(server) == (level, action)
    time.sleep(LOOK_S)
    assert state(server) == (level, action)


def delays(server):
    return server.metric("postern_pressure_delays_total")


def refusals(server):
    return server.metric("postern_pressure_refusals_total")


def greeting(server, kind="relay", source=None):
    with wire.Smtp(getattr(server.ports, kind), source=source) as session:
        if session.greeting.code != 220:
            session.expect_closed()
        return session.greeting


def expect_strangers_wait(server, at_once):
    """Each greeting and each MAIL, whatever core they come to; nobody else."""
    before = delays(server)

    def stranger(_):
        started = time.monotonic()
        with begin(server) as session:
            assert time.monotonic() - started >= 1
            sent = time.monotonic()
            session.must(250, f"MAIL FROM:<{SENDER}>")
            assert time.monotonic() - sent >= 1

    at_once(10, stranger)
    assert delays(server) == before + 2 * 10
    before = delays(server)
    with begin(server, source=TRUSTED) as session:
        session.must(250, f"MAIL FROM:<{SENDER}>")
    assert delays(server) == before
    with begin(server, "submission_plain", user=server.user) as session:
        assert delays(server) == before + 1, "before AUTH he is a stranger too"
        session.must(250, f"MAIL FROM:<{server.user}>")
        assert delays(server) == before + 1


def expect_strangers_are_refused(server, inside):
    """`inside`: a stranger's session from before."""
    before = refusals(server)
    for number in range(1, 9):
        refused_with(greeting(server), 452, "4.3.1")
        assert refusals(server) == before + number
    refused_with(inside.command(f"MAIL FROM:<{SENDER}>"), 452, "4.3.1")
    inside.must(250, "NOOP")
    assert refusals(server) == before + 9
    mail = messages.plain(1, server.user, [server.user])
    with begin(server, "submission_plain", user=server.user) as session:
        assert session.send_mail(server.user, [server.user], mail).code == 250
    with begin(server, source=TRUSTED) as session:
        assert session.send_mail(SENDER, [server.user], mail).code == 250
    with begin(server, "submission_plain") as session:
        assert session.command(f"MAIL FROM:<{server.user}>").code == 530, "he may log in yet"
    assert refusals(server) == before + 9


def test_levels_up_and_down_and_what_follows_for_whom(pressed, at_once):
    server, ballast = pressed, pressed.ballast
    with begin(server) as inside, begin(server, "submission_plain", user=server.user) as user:
        ballast.become(6)
        stays(server, NONE, NOTHING)
        assert (delays(server), refusals(server)) == (0, 0)

        started = time.monotonic()
        ballast.become(7)
        becomes(server, MEDIUM, DELAY)
        expect_strangers_wait(server, at_once)
        # Patience begins with the level, and that did not begin before its cause was there.
        wait_until(lambda: state(server) == (MEDIUM, REFUSE_STRANGERS), 30, "patience is over")
        assert time.monotonic() - started >= PRESSURE["patience"]
        expect_strangers_are_refused(server, inside)

        ballast.become(12)
        stays(server, MEDIUM, REFUSE_STRANGERS)
        ballast.become(13)
        becomes(server, HIGH, REFUSE_ALL)
        before = refusals(server)
        for kind, source in (("relay", None), ("relay", TRUSTED), ("submission_plain", None)) * 3:
            refused_with(greeting(server, kind, source), 452, "4.3.1")
        refused_with(user.command(f"MAIL FROM:<{server.user}>"), 452, "4.3.1")
        refused_with(inside.command(f"MAIL FROM:<{SENDER}>"), 452, "4.3.1")
        assert refusals(server) == before + 11
        # What was begun is finished.
        assert ballast.finish_one().code == 250

        ballast.become(7)
        stays(server, HIGH, REFUSE_ALL)
        ballast.become(6)
        becomes(server, MEDIUM, REFUSE_STRANGERS)
        user.must(250, f"MAIL FROM:<{server.user}>")
        user.must(250, "RSET")
        ballast.become(12)
        stays(server, MEDIUM, REFUSE_STRANGERS)
        ballast.become(4)
        stays(server, MEDIUM, REFUSE_STRANGERS)
        ballast.become(3)
        becomes(server, NONE, NOTHING)
        before = (delays(server), refusals(server))
        inside.must(250, f"MAIL FROM:<{SENDER}>")
        assert greeting(server).code == 220
        ballast.become(6)
        stays(server, NONE, NOTHING)
        assert (delays(server), refusals(server)) == before

    def logged():
        lines = [line for line in server.log_text("gateway").splitlines() if "smtp.pressure" in line]
        actions = [word.partition("=")[2] for line in lines for word in line.split() if word.startswith("action=")]
        return actions == ["delay_strangers", "refuse_strangers", "refuse_all", "refuse_strangers", "none"]
    wait_until(logged, 10, "the log has each change once")


def test_a_disk_that_is_full_refuses_all(gateway):
    """Less free than the minimum: high at once, for trusted clients and users too."""
    free = shutil.disk_usage(tempfile.gettempdir()).free
    server = gateway({"trusted": [TRUSTED + "/32"]}, cores=2, store={"disk_free_min_octets": 2 * free + (1 << 40)})
    wait_until(lambda: server.metric("postern_pressure_level", resource="disk") == HIGH, 20, "it is seen")
    assert server.metric("postern_pressure_action") == REFUSE_ALL
    for kind, source in (("relay", None), ("relay", TRUSTED), ("submission_plain", None)) * 3:
        refused_with(greeting(server, kind, source), 452, "4.3.1")


# -- the budget ------------------------------------------------------------------------------------


NO_PRESSURE = {**PRESSURE, "memory_medium_percent": 0, "memory_high_percent": 0}


def test_memory_budget_to_the_octet(gateway):
    server = gateway(PATIENT, cores=1, store={"memory_budget_octets": BUDGET_OCTETS},
                     **{"gateway.pressure": NO_PRESSURE})
    user = server.add_user()

    def held():
        return int(server.metric("postern_smtp_held_octets"))

    def send(message, octets):
        """Octets that are in memory when this returns."""
        expected = held() + len(octets)
        message.send(octets)
        wait_until(lambda: held() == expected, 20, f"{expected} octets in memory, not {held()}")

    with begin(server) as session, begin(server) as small:
        small.transaction(SENDER, [user])
        send(small, b"Subject: small\r\n\r\nbegun in time")
        messages_held = []
        while BUDGET_OCTETS - held() > 900_000:  # below the mebibyte from which a message goes ahead to the disk
            messages_held.append(begin(server))
            messages_held[-1].transaction(SENDER, [user])
            send(messages_held[-1], HEADER.ljust(800_000, b"x"))
        last = begin(server)
        messages_held.append(last)
        last.transaction(SENDER, [user])
        send(last, HEADER)
        send(last, b"x" * (BUDGET_OCTETS - 1 - held()))
        session.must(250, f"MAIL FROM:<{SENDER}>")
        session.must(250, "RSET")
        assert server.metric("postern_smtp_memory_refusals_total") == 0
        send(last, b"x")
        refused_with(session.command(f"MAIL FROM:<{SENDER}>"), 452, "4.3.1")
        assert server.metric("postern_smtp_memory_refusals_total") == 1
        session.must(250, "NOOP")
        # What a message holds itself does not speak against it: what others hold does. It is refused at its end.
        send(last, b"x" * 2000)
        small.send(b" and there is no room for the rest\r\n.\r\n")
        refused_with(small.reply(), 452, "4.3.1")
        assert server.metric("postern_smtp_memory_refusals_total") == 2
        assert held() < BUDGET_OCTETS + 2000, "nothing of it stays"
        with messages_held.pop():
            last.send(b"\r\n.\r\n")
            assert last.reply().code == 250
        small.must(250, f"MAIL FROM:<{SENDER}>")
        session.must(250, f"MAIL FROM:<{SENDER}>")
        for message in messages_held:
            with message:
                message.send(b"\r\n.\r\n")
                assert message.reply().code == 250
        wait_until(lambda: held() == 0, 20, "nothing is left in memory")


def test_memory_budget_holds_when_all_come_at_once(gateway, at_once):
    """Sixty messages begun while there was room would be three times the budget."""
    server = gateway(PATIENT, cores=4, store={"memory_budget_octets": BUDGET_OCTETS},
                     **{"gateway.pressure": NO_PRESSURE})
    user = server.add_user()
    sessions = [begin(server) for _ in range(60)]
    for session in sessions:
        session.transaction(SENDER, [user])
    most = []

    def one(number):
        if number == 0:
            end = time.monotonic() + scaled(3)
            while time.monotonic() < end:
                most.append(server.metric("postern_smtp_held_octets"))
            return
        for session in sessions[number - 1::12]:
            session.send(HEADER.ljust(900_000, b"x"))

    at_once(13, one)
    # A core's share may be full but for an octet when a message fills up and another one comes.
    assert max(most) <= BUDGET_OCTETS + 4 * 2 * messages.MIB, max(most)
    assert server.metric("postern_smtp_memory_refusals_total") > 0
    codes = []
    for session in sessions:
        with session:
            session.send(b"\r\n.\r\n")
            codes.append(session.reply().code)
    assert set(codes) == {250, 452} and codes.count(250) >= 8, codes
    server.start("pop3")
    with wire.open_pop3(server, user, PASSWORD) as session:
        assert len(session.unique_ids()) == codes.count(250)
