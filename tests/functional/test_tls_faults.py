"""TLS that breaks in the middle: nobody but its own session notices, and nothing of it is left behind."""

import pytest

from harness import messages, wire
from harness.metrics import Endpoints
from harness.raw_tls import RawTls
from harness.waiting import wait_until

SENDER = "stranger@elsewhere.example"
# No record begins like this: the content type does not exist.
BAD_RECORD = b"\xffXXXX" + b"x" * 100


@pytest.mark.parametrize("port, command", [("submissions", b"NOOP\r\n"), ("pop3s", b"CAPA\r\n"),
                                           ("imaps", b"a NOOP\r\n")])
def test_a_bad_record_behind_a_command_ends_its_own_session_only(port, command, postern, account):
    """The command is decrypted, its answer cannot be encrypted any more."""
    for _ in range(3):
        with wire.Wire(getattr(postern.ports, port)) as plain:
            tls = RawTls(plain, postern.authority.context())
            tls.read_until(b"\r\n")
            plain.send(tls.encrypt(command) + BAD_RECORD)
            plain.expect_closed()
    wire.deliver(postern, [account.name], messages.plain(1, SENDER, [account.name]))
    assert len(wire.read_all_pop3(postern, account.name, account.password)) == 1
    assert len(wire.read_all_imap(postern, account.name, account.password)) == 1


@pytest.fixture
def metrics():
    return Endpoints()


def test_a_bad_record_in_a_large_message_leaves_nothing_of_it(running_postern, metrics):
    postern, (user,) = running_postern(settings={"metrics": metrics.settings})

    def open_bodies():
        return metrics.value("gateway", "postern_store_bodies_open")

    with wire.Smtp(postern.ports.relay) as session:
        session.ehlo()
        session.must(220, "STARTTLS")
        tls = RawTls(session, postern.authority.context())
        tls.ask(b"EHLO client.example\r\n", b"250 ")
        tls.read_until(b"\r\n")
        assert tls.ask(f"MAIL FROM:<{SENDER}>\r\n".encode()).startswith(b"250")
        assert tls.ask(f"RCPT TO:<{user}>\r\n".encode()).startswith(b"250")
        assert tls.ask(b"DATA\r\n").startswith(b"354")
        session.send(tls.encrypt((b"x" * 70 + b"\r\n") * 60_000))
        wait_until(lambda: open_bodies() == 1, 10, "a part of the message is in the store")
        session.send(BAD_RECORD)
        session.expect_closed()
    wait_until(lambda: open_bodies() == 0, 10, "what was stored of it is removed")
    wait_until(lambda: "event=smtp.session.end" in postern.log_text("gateway"), 5, "the session's end is logged")
    wire.deliver(postern, [user], messages.plain(2, SENDER, [user]))


def test_a_drain_survives_held_logins_of_vanished_clients(running_postern):
    postern, (user,) = running_postern(settings={"gateway": {"login_failures_free": 0, "login_delay_max": 10}})
    sessions = [wire.open_smtp(postern, "submission") for _ in range(6)]
    for _ in range(4):  # the penalty grows
        with wire.open_smtp(postern, "submission") as session:
            session.auth_plain(user, "wrong")
    for session in sessions:
        session.send(b"AUTH PLAIN " + wire.plain_response(user, "wrong") + b"\r\n")
    for session in sessions:
        assert session.silent(0.2), "the answer is held back"
        session.reset()
    assert postern["gateway"].stop() == 0
