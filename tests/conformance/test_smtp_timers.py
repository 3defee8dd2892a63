"""SMTP-04 and SMTP-05: the two timers, to the tenth of a second."""

import time

import pytest

from harness.waiting import scaled

SENDER = "stranger@elsewhere.example"

# What a busy machine may add to a timer. Nothing may take away from it.
LATE_S = 1.5


def wait_for_421(session, started):
    """(seconds since started, reply) of the 421 that ends a session."""
    reply = session.reply()
    elapsed = time.monotonic() - started
    assert reply.code == 421, reply
    session.expect_closed(5)
    return elapsed


def assert_exact(elapsed, seconds):
    assert seconds <= elapsed < seconds + scaled(LATE_S), f"{elapsed:.3f} s instead of {seconds} s"


@pytest.mark.parametrize("state", ["greeting", "ehlo", "transaction", "data", "bdat", "auth"])
def test_smtp_05_silence_ends_the_session(state, configured):
    server = configured(smtp={"inactivity_timeout": 2, "connection_timeout": 60})
    account = server.account()
    kind = "submissions" if state == "auth" else "relay"
    with server.smtp(kind) as session:
        started = time.monotonic()
        if state != "greeting":
            session.ehlo()
        if state == "auth":
            session.must(334, "AUTH LOGIN")
        if state in ("transaction", "data", "bdat"):
            session.must(250, f"MAIL FROM:<{SENDER}>")
            session.must(250, f"RCPT TO:<{account.name}>")
        if state == "data":
            session.must(354, "DATA")
        started = time.monotonic()
        if state == "bdat":
            session.send(b"BDAT 100\r\nhalf")
        assert_exact(wait_for_421(session, started), 2)


def test_smtp_05_every_command_starts_it_anew(configured):
    server = configured(smtp={"inactivity_timeout": 2, "connection_timeout": 60})
    with server.smtp() as session:
        for _ in range(4):
            assert session.silent(1.2)
            session.must(250, "NOOP")
        assert_exact(wait_for_421(session, time.monotonic()), 2)


def test_smtp_04_a_session_has_its_time(configured):
    """Commands extend the one timer, and never the other."""
    server = configured(smtp={"inactivity_timeout": 2, "connection_timeout": 4})
    with server.smtp() as session:
        started = time.monotonic()
        # The timer began a little before the greeting was read.
        while time.monotonic() - started < 3.2:
            session.must(250, "NOOP")
            time.sleep(0.2)
        elapsed = wait_for_421(session, started)
        assert 4 - 0.3 <= elapsed < 4 + scaled(LATE_S), f"{elapsed:.3f} s"


def test_smtp_04_it_ends_a_message_that_is_still_coming(configured):
    server = configured(smtp={"inactivity_timeout": 1, "connection_timeout": 3})
    account = server.account()
    token, mail = server.message(account.name)
    with server.session() as session:
        started = time.monotonic()
        session.transaction(SENDER, [account.name])
        session.send(mail)
        while time.monotonic() - started < 2.5:
            session.send(b"and more\r\n")
            time.sleep(0.1)
        elapsed = wait_for_421(session, started)
        assert 3 - 0.3 <= elapsed < 3 + scaled(LATE_S), f"{elapsed:.3f} s"
    server.stored(account, token, 0)


def test_smtp_04_05_many_sessions_each_at_its_own_moment(configured):
    server = configured(smtp={"inactivity_timeout": 3, "connection_timeout": 60},
                        settings={"runtime": {"cores": 4}})
    sessions = []
    for _ in range(40):
        sessions.append((server.smtp(), time.monotonic()))
        time.sleep(0.02)
    for session, started in sessions:
        assert_exact(wait_for_421(session, started) + 0.05, 3)
        session.close()
