"""SMTP-04 and SMTP-05: the two timers, to the tenth of a second."""

import time

import pytest

from harness.waiting import scaled

SENDER = "stranger@elsewhere.example"

# What a busy machine may add to a timer. Nothing may take away from it.
LATE_S = 1.5


def wait_for_421(session, started):
    """Seconds from `started` to the 421 that ends a session. A timer begins when the server has what the client sends,
    so `started` is a moment before that is sent: nothing may come earlier than the time behind it."""
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
    last = {"greeting": None, "ehlo": "EHLO c.example", "transaction": f"RCPT TO:<{account.name}>", "data": "DATA",
            "bdat": b"BDAT 100\r\nhalf", "auth": "AUTH LOGIN"}[state]
    started = time.monotonic()
    with server.smtp(kind) as session:
        if state not in ("greeting", "ehlo"):
            session.ehlo()
        if state in ("transaction", "data", "bdat"):
            session.must(250, f"MAIL FROM:<{SENDER}>")
        if state in ("data", "bdat"):
            session.must(250, f"RCPT TO:<{account.name}>")
        if last is not None:
            started = time.monotonic()
        if state == "bdat":
            session.send(last)
        elif last is not None:
            assert session.command(last).code in (250, 334, 354)
        assert_exact(wait_for_421(session, started), 2)


def test_smtp_05_every_command_starts_it_anew(configured):
    server = configured(smtp={"inactivity_timeout": 2, "connection_timeout": 60})
    with server.smtp() as session:
        for _ in range(4):
            assert session.silent(1.2)
            started = time.monotonic()
            session.must(250, "NOOP")
        assert_exact(wait_for_421(session, started), 2)


def test_smtp_04_a_session_has_its_time(configured):
    """Commands extend the one timer, and never the other."""
    server = configured(smtp={"inactivity_timeout": 2, "connection_timeout": 4})
    started = time.monotonic()
    with server.smtp() as session:
        while time.monotonic() - started < 3.2:
            session.must(250, "NOOP")
            time.sleep(0.2)
        assert_exact(wait_for_421(session, started), 4)


def test_smtp_04_it_ends_a_message_that_is_still_coming(configured):
    server = configured(smtp={"inactivity_timeout": 1, "connection_timeout": 3})
    account = server.account()
    token, mail = server.message(account.name)
    started = time.monotonic()
    with server.session() as session:
        session.transaction(SENDER, [account.name])
        session.send(mail)
        while time.monotonic() - started < 2.5:
            session.send(b"and more\r\n")
            time.sleep(0.1)
        assert_exact(wait_for_421(session, started), 3)
    server.stored(account, token, 0)


def test_smtp_04_05_many_sessions_each_at_its_own_moment(configured):
    server = configured(smtp={"inactivity_timeout": 3, "connection_timeout": 60},
                        settings={"runtime": {"cores": 4}})
    sessions = []
    for _ in range(40):
        started = time.monotonic()
        sessions.append((server.smtp(), started))
        time.sleep(0.02)
    for session, started in sessions:
        assert_exact(wait_for_421(session, started), 3)
        session.close()
