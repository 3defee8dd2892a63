"""Who may connect and how often: networks, limits in total and per source, accounts of a listener.

All of 127.0.0.0/8 is this machine, so one machine is as many sources as a test wants.
"""

import contextlib
import threading

import pytest

from harness import wire
from harness.metrics import Endpoints
from harness.server import PASSWORD
from harness.waiting import wait_until

REMOTE = "someone@remote.example"


def smtp(postern, source, kind="relay"):
    implicit = kind == "submissions"
    return wire.Smtp(getattr(postern.ports, kind), source=source,
                     tls=postern.authority.context() if implicit else None)


def assert_refused(session, code, status):
    with session:
        assert session.greeting.code == code, session.greeting
        assert session.greeting.text.startswith(status), session.greeting
        session.expect_closed()


def assert_mailbox_refusals(postern, source, pop3_code, imap_code):
    for kind in ("pop3", "pop3s", "imap", "imaps"):
        tls = postern.authority.context() if kind.endswith("s") else None
        client = wire.Pop3 if kind.startswith("pop3") else wire.Imap
        with client(getattr(postern.ports, kind), source=source, tls=tls) as session:
            expected = b"-ERR " + pop3_code if kind.startswith("pop3") else b"* BYE " + imap_code
            assert session.greeting.startswith(expected), session.greeting
            session.expect_closed()


def hold(open_one, count):
    """`count` sessions, opened one after the other; each must be welcome."""
    sessions = contextlib.ExitStack()
    for number in range(count):
        session = sessions.enter_context(open_one())
        greeting = session.greeting
        welcome = greeting.code == 220 if isinstance(greeting, wire.Reply) else (
            greeting.startswith((b"+OK", b"* OK")))
        assert welcome, f"session {number + 1} of {count}: {greeting}"
    return sessions


@pytest.fixture
def networks(running_postern):
    rules = {"allow": ["127.0.0.1", "127.0.1.0/24", "127.0.2.0/24"], "deny": ["127.0.2.128/25"]}
    endpoints = Endpoints()
    postern, _ = running_postern(users=0, smtp_limits=rules, mailbox_limits=rules,
                                 settings={"metrics": endpoints.settings})
    return postern, endpoints


def test_networks(networks):
    """SMTP-15: not configured for this address. SMTP-18: a gateway (role relay) told to refuse it."""
    postern, endpoints = networks
    for kind in ("relay", "submission", "submissions"):
        assert_refused(smtp(postern, "127.0.0.2", kind), 421, "4.3.2")
        assert_refused(smtp(postern, "127.0.3.0", kind), 421, "4.3.2")
        for welcome in ("127.0.1.0", "127.0.1.255", "127.0.2.127"):
            with smtp(postern, welcome, kind) as session:
                assert session.greeting.code == 220, (welcome, session.greeting)
    assert_refused(smtp(postern, "127.0.2.128"), 550, "5.7.1")
    for kind in ("submission", "submissions"):
        assert_refused(smtp(postern, "127.0.2.255", kind), 421, "4.3.2")
    for denied in ("127.0.0.2", "127.0.2.128"):
        assert_mailbox_refusals(postern, denied, b"[SYS/PERM]", b"Your address")
    with wire.Pop3(postern.ports.pop3, source="127.0.1.7") as session:
        assert session.greeting.startswith(b"+OK")
    refused = "postern_smtp_connections_refused_total"
    assert endpoints.value("gateway", refused, reason="not_allowed") == 6
    assert endpoints.value("gateway", refused, reason="denied") == 3
    for process in ("pop3", "imap"):
        name = f"postern_{process}_connections_refused_total"
        assert endpoints.value(process, name, reason="not_allowed") == 2
        assert endpoints.value(process, name, reason="denied") == 2
    wait_until(lambda: "client=127.0.2.128" in postern.log_text("gateway"), 5, "refusals are logged")
    wait_until(lambda: "smtp.connection.refused" in postern.log_text("gateway"), 10, "the log says so")


def test_connections_per_source_default(running_postern):
    """SMTP-17: the 20th connection of an address is welcome, the 21st is not, another's is."""
    postern, _ = running_postern(users=0, settings={"runtime": {"drain_timeout": 5, "cores": 2}},
                                 smtp_limits={"connections_per_source_max": None,
                                              "connections_per_source_percent": None})
    with hold(lambda: smtp(postern, "127.0.0.9"), 20):
        assert_refused(smtp(postern, "127.0.0.9"), 421, "4.3.2")
        assert_refused(smtp(postern, "127.0.0.9"), 421, "4.3.2")
        hold(lambda: smtp(postern, "127.0.0.10"), 1).close()
        # Listeners count apart.
        hold(lambda: smtp(postern, "127.0.0.9", "submission"), 1).close()


def test_connections_per_source_on_two_cores(running_postern):
    """SMTP-17 and its likes are exact whichever core a connection comes to; freed places can be used."""
    limits = {"connections_per_source_max": 5, "trusted": ["127.0.7.0/24"]}
    endpoints = Endpoints()
    postern, _ = running_postern(
        users=0, smtp_limits=limits, mailbox_limits=limits,
        settings={"runtime": {"drain_timeout": 5, "cores": 2}, "metrics": endpoints.settings})
    opens = {
        "gateway": lambda source: smtp(postern, source),
        "pop3": lambda source: wire.Pop3(postern.ports.pop3, source=source),
        "imap": lambda source: wire.Imap(postern.ports.imap, source=source),
    }
    for process, open_one in opens.items():
        for source in ("127.0.0.20", "127.0.0.21"):
            with hold(lambda: open_one(source), 5):
                for _ in range(4):
                    with open_one(source) as refused:
                        text = repr(refused.greeting)
                        assert any(word in text for word in ("4.3.2", "SYS/TEMP", "UNAVAILABLE")), text
                        refused.expect_closed()
        # All five places come back.
        def again():
            try:
                hold(lambda: open_one("127.0.0.20"), 5).close()
                return True
            except AssertionError:
                return False
        wait_until(again, 10, f"{process}: places of closed connections can be used")
        hold(lambda: open_one("127.0.7.3"), 12).close()
        protocol = "smtp" if process == "gateway" else process
        assert endpoints.value(process, f"postern_{protocol}_connections_refused_total",
                               reason="per_source") >= 8


def test_share_of_the_remaining_connections(running_postern):
    """SMTP-17: a percentage of what is free, which becomes less; a source without any always gets one."""
    postern, _ = running_postern(users=0, smtp_limits={
        "connections_max": 40, "connections_per_source_percent": 10})
    # 10 % of 40 .. 38 free: 4, 3, 3; the fourth would be of 37 free, which allow 3.
    with hold(lambda: smtp(postern, "127.0.0.30"), 3):
        assert_refused(smtp(postern, "127.0.0.30"), 421, "4.3.2")
        with hold(lambda: smtp(postern, "127.0.0.31"), 3):
            numbers = iter(range(32, 100))
            with hold(lambda: smtp(postern, f"127.0.0.{next(numbers)}"), 34):
                assert_refused(smtp(postern, "127.0.1.1"), 421, "4.3.2")


@pytest.mark.parametrize("cores", (1, 2))
def test_total_is_exact_under_a_rush(cores, running_postern):
    """SMTP-16: of 120 clients at the same moment exactly as many are served as may be."""
    postern, _ = running_postern(users=0, smtp_limits={"connections_max": 50},
                                 settings={"runtime": {"drain_timeout": 5, "cores": cores}})
    start = threading.Barrier(12)
    sessions, lock = [], threading.Lock()

    def rush():
        start.wait()
        for _ in range(10):
            session = smtp(postern, "127.0.0.1")
            with lock:
                sessions.append(session)

    threads = [threading.Thread(target=rush) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    codes = sorted(session.greeting.code for session in sessions)
    assert codes == [220] * 50 + [421] * 70
    for session in sessions:
        session.close()


@pytest.mark.parametrize("kind", ("pop3", "imap"))
def test_total_of_mailbox_listeners(kind, running_postern):
    postern, _ = running_postern(users=0, mailbox_limits={"connections_max": 6})
    client = wire.Pop3 if kind == "pop3" else wire.Imap
    with hold(lambda: client(getattr(postern.ports, kind)), 6):
        with client(getattr(postern.ports, kind)) as refused:
            expected = b"-ERR [SYS/TEMP]" if kind == "pop3" else b"* BYE [UNAVAILABLE]"
            assert refused.greeting.startswith(expected), refused.greeting
            refused.expect_closed()


def test_accounts_of_a_listener(running_postern):
    """SMTP-15: not configured for that user."""
    postern, (stranger,) = running_postern(
        smtp_limits={"users": ["joe@postern.test", "@other.test"], "auth_mechanisms": ["LOGIN"]})
    postern.add_domain("other.test")
    joe = postern.add_user("joe")
    other = postern.add_user("anybody", domain="other.test")

    def login(user, password=PASSWORD):
        session = wire.open_smtp(postern, "submission_plain")
        assert session.command("AUTH LOGIN").code == 334
        for text in (user, password):
            reply = session.command(wire.base64.b64encode(text.encode()))
        return session, reply

    for user in (joe, other):
        session, reply = login(user)
        with session:
            assert reply.code == 235, (user, reply)
            session.must(250, f"MAIL FROM:<{user}>")
    session, reply = login(stranger)
    with session:
        assert reply.code == 421 and reply.text.startswith("4.3.2"), reply
        session.expect_closed()
    # A wrong password says nothing about the listener.
    session, reply = login(stranger, "wrong")
    with session:
        assert reply.code == 535, reply
    with wire.open_smtp(postern, "submission_plain") as session:
        assert session.ehlo()["AUTH"] == "LOGIN"
        assert session.auth_plain(joe, PASSWORD).code == 504


def test_trusted_networks_may_relay(running_postern):
    postern, (user,) = running_postern(
        smtp_limits={"trusted": ["127.0.5.0/24"], "trusted_relay": True})
    for kind in ("relay", "submission_plain"):
        with smtp(postern, "127.0.5.5", kind) as session:
            session.ehlo()
            session.must(250, f"MAIL FROM:<{user}>")
            session.must(250, f"RCPT TO:<{REMOTE}>")
        with smtp(postern, "127.0.4.5", kind) as session:
            session.ehlo()
            reply = session.command(f"MAIL FROM:<{user}>")
            assert reply.code == (250 if kind == "relay" else 530), reply
            if kind == "relay":
                reply = session.command(f"RCPT TO:<{REMOTE}>")
                assert reply.code == 550 and reply.text.startswith("5.7"), reply
