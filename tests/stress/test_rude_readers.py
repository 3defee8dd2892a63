"""POP3 and IMAP clients that misbehave harm nobody else and cost bounded memory."""

import random

import pytest

from harness import messages, wire
from harness.rude import push, undisturbed

SENDER = "author@elsewhere.example"
OPENERS = {"pop3": wire.open_pop3, "imap": wire.open_imap}
GREETERS = {"pop3": wire.Pop3, "imap": wire.Imap}
KINDS = ("pop3", "pop3s", "imap", "imaps")


@pytest.fixture
def victim(new_account):
    return new_account().name


def protocol_of(kind):
    return kind.rstrip("s") if kind != "pop3" else "pop3"


def fill(postern, account, count, size_octets):
    for number in range(count):
        wire.deliver(postern, [account.name],
                     messages.of_size(number, SENDER, [account.name], size_octets), sender=SENDER)


@pytest.mark.serial
@pytest.mark.parametrize("protocol, command", [
    ("pop3", b"RETR 1\r\n"), ("imap", b"f FETCH 1 (BODY.PEEK[])\r\n"),
    ("imap", b"f FETCH 1:* (FLAGS BODY.PEEK[])\r\n")])
def test_asks_for_much_and_never_reads(protocol, command, postern, account, victim):
    """Requests for 8 GiB of mail, pipelined; the answers are never read."""
    fill(postern, account, 1, 8 * messages.MIB)
    with undisturbed(postern, victim):
        sessions = [OPENERS[protocol](postern, account.name, account.password) for _ in range(8)]
        for session in sessions:
            session.send(command * 128)
        with undisturbed(postern, account_of(postern)):
            pass  # and others still read their mail while these sessions are stuck
        for session in sessions:
            session.reset()


def account_of(postern):
    return postern.add_user()


@pytest.mark.serial
@pytest.mark.parametrize("protocol, command", [("pop3", b"NOOP\r\n"), ("imap", b"n NOOP\r\n")])
def test_never_reads_replies(protocol, command, postern, account, victim):
    with undisturbed(postern, victim):
        sessions = [OPENERS[protocol](postern, account.name, account.password) for _ in range(3)]
        for session in sessions:
            sent, end = push(session, command * 2000, 200 * messages.MIB)
            assert end != "sent", f"{sent} octets of commands were swallowed without reading a reply"
        for session in sessions:
            session.close()


@pytest.mark.parametrize("kind", KINDS)
def test_garbage(kind, postern, victim):
    source = random.Random(f"{kind} garbage")
    with undisturbed(postern, victim):
        for size in (1, 100, 10_000, 1_000_000):
            session = wire.Wire(getattr(postern.ports, kind))
            try:
                session.send(source.randbytes(size))
                session.half_close()
                session.expect_closed()
            except OSError:
                pass  # thrown out while we were still sending
            session.close()


@pytest.mark.parametrize("protocol", ("pop3", "imap"))
def test_bad_commands_are_refused_and_change_nothing(protocol, postern, account, victim):
    fill(postern, account, 1, 2000)
    source = random.Random(f"{protocol} bad commands")
    with undisturbed(postern, victim):
        for bad in (b"", b" ", b"\0", b"XYZZY", b"\xff\xfe", b"RETR", b"RETR -1", b"RETR 2",
                    b"RETR 99999999999999999999", b"TOP 1", b"DELE 0", b"t", b"t FETCH",
                    b"t FETCH 0 (FLAGS)", b"t FETCH 1 (BODY[", b"t STORE 1 FLAGS (", b"t FETCH 1 ()",
                    b"t UID", b"t SELECT", b't SELECT "', b"(((((((((" * 100,
                    source.randbytes(60).hex().encode()):
            with OPENERS[protocol](postern, account.name, account.password) as session:
                try:
                    if protocol == "pop3":
                        session.error(bad)
                        session.ok("NOOP")
                    else:
                        session.send(bad + b"\r\n")
                        if bad:  # an empty line has no tag to answer to
                            answer = session.response()
                            assert not answer.startswith(b"t OK"), (bad, answer)
                        session.ok("NOOP")
                except wire.Closed:
                    pass  # a server may hang up on nonsense
                except TimeoutError:
                    raise AssertionError(f"no answer after {bad[:50]!r}") from None
        assert len(wire.read_all_pop3(postern, account.name, account.password)) == 1


@pytest.mark.serial
@pytest.mark.parametrize("logged_in", (False, True))
@pytest.mark.parametrize("protocol", ("pop3", "imap"))
def test_ten_megabyte_line(protocol, logged_in, postern, account, victim):
    with undisturbed(postern, victim):
        for start in (b"", b"t LOGIN ", b"USER ", b"t FETCH 1:", b"t SELECT \""):
            session = (OPENERS[protocol](postern, account.name, account.password) if logged_in
                       else GREETERS[protocol](getattr(postern.ports, f"{protocol}_plain")))
            with session:
                session.send(start)
                _, end = push(session, b"1" * 65536, 10 * messages.MIB)
                session.socket.settimeout(30)
                if end != "sent":
                    continue  # thrown out on the way: fine
                try:
                    session.send(b"\r\n")
                    answer = session.line()
                    assert not answer.startswith((b"+OK", b"t OK")), answer
                except (wire.Closed, OSError):
                    pass


@pytest.mark.serial
@pytest.mark.parametrize("literal", (b"{10000000000}", b"{4294967296}", b"{99999999999999999999999}",
                                     b"{100000000}", b"{-1}", b"{}"))
def test_oversized_imap_literal_is_not_awaited(literal, postern, victim):
    with undisturbed(postern, victim):
        with wire.Imap(postern.ports.imap_plain) as session:
            session.send(b"t LOGIN " + literal + b"\r\n")
            try:
                answer = session.line()
            except wire.Closed:
                return
            assert answer.startswith((b"t BAD", b"t NO", b"* BYE", b"* BAD")), answer


@pytest.mark.parametrize("kind", KINDS)
def test_octet_at_a_time(kind, postern, account, victim):
    fill(postern, account, 2, 3000)
    context = postern.authority.context()
    protocol = protocol_of(kind)
    with undisturbed(postern, victim):
        implicit = kind.endswith("s")
        port = getattr(postern.ports, kind if implicit else f"{protocol}_plain")
        with GREETERS[protocol](port, tls=context if implicit else None) as session:
            if protocol == "pop3":
                script = [f"USER {account.name}", f"PASS {account.password}", "STAT", "DELE 1",
                          "RSET", "QUIT"]
            else:
                script = [f't LOGIN "{account.name}" "{account.password}"', "t SELECT INBOX",
                          "t FETCH 1:2 (FLAGS RFC822.SIZE)", "t LOGOUT"]
            for command in script:
                for octet in command.encode() + b"\r\n":
                    session.send(bytes([octet]))
                if protocol == "pop3":
                    assert session.status().startswith(b"+OK"), command
                else:
                    assert session.finish(b"t").status == "OK", command


@pytest.mark.parametrize("protocol", ("pop3", "imap"))
def test_half_close_ends_the_session(protocol, postern, account, victim):
    fill(postern, account, 1, 2000)
    with undisturbed(postern, victim):
        session = OPENERS[protocol](postern, account.name, account.password)
        if protocol == "pop3":
            session.ok("DELE 1")
        session.half_close()
        session.expect_closed()
        session.close()
        # Half a command and then nothing more to come.
        session = GREETERS[protocol](getattr(postern.ports, f"{protocol}_plain"))
        session.send(b"t LOGI")
        session.half_close()
        session.expect_closed()
        session.close()
        # In the middle of a large answer.
        session = OPENERS[protocol](postern, account.name, account.password)
        session.send(b"RETR 1\r\n" if protocol == "pop3" else b"t FETCH 1 (BODY.PEEK[])\r\n")
        session.half_close()
        said = session.expect_closed()
        assert b"Postern test mail" in said or said == b""
        session.close()
    # No QUIT, no UPDATE: the deleted mark is void.
    assert len(wire.read_all_pop3(postern, account.name, account.password)) == 1


@pytest.mark.serial
@pytest.mark.parametrize("protocol", ("pop3", "imap"))
def test_many_idle_connections(protocol, postern, victim):
    port = getattr(postern.ports, f"{protocol}_plain")
    with undisturbed(postern, victim):
        sessions = [GREETERS[protocol](port) for _ in range(500)]
        for session in sessions[::2]:
            session.reset()
        for session in sessions[1::2]:
            session.close()


def test_reset_in_the_middle_of_answers(postern, account, victim):
    """Sessions that vanish while mail is being sent to them, fifty times."""
    fill(postern, account, 1, 4 * messages.MIB)
    with undisturbed(postern, victim):
        for number in range(50):
            protocol = ("pop3", "imap")[number % 2]
            session = OPENERS[protocol](postern, account.name, account.password)
            session.send(b"RETR 1\r\n" if protocol == "pop3" else b"t FETCH 1 (BODY.PEEK[])\r\n")
            session.octets(1000 * (number % 7))
            session.reset()
    mails = wire.read_all_imap(postern, account.name, account.password)
    assert len(mails) == 1
