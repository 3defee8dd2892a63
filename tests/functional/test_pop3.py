"""POP3 over a real socket."""

import pytest

from harness import messages, wire
from harness.load import strip_trace

SENDER = "author@elsewhere.example"


@pytest.fixture
def filled(postern, account):
    """Three mails; returns (postern, account, mails)."""
    mails = [messages.awkward(1, SENDER, [account.name]),
             messages.multipart(2, SENDER, [account.name], (messages.KIB,)),
             messages.plain(3, SENDER, [account.name])]
    for mail in mails:
        wire.deliver(postern, [account.name], mail, sender=SENDER)
    return postern, account, mails


def test_before_login_only_a_few_commands(postern, account):
    """POP-07, POP-18."""
    with wire.Pop3(postern.ports.pop3_plain) as session:
        assert session.greeting.startswith(b"+OK")
        assert b"<" not in session.greeting, "a greeting with a timestamp offers APOP"
        for command in ("STAT", "LIST", "RETR 1", "DELE 1", "UIDL", "TOP 1 0", "RSET", "NOOP",
                        "APOP a b"):
            session.error(command)
        capabilities = session.multiline("CAPA")
        for capability in (b"TOP", b"UIDL", b"USER", b"RESP-CODES", b"PIPELINING"):
            assert any(line.split()[:1] == [capability] for line in capabilities), capabilities
        assert session.login(account.name, account.password).startswith(b"+OK")
        session.error("USER again")
    with wire.Pop3(postern.ports.pop3) as session:
        assert b"STLS" in session.multiline("CAPA")


def test_wrong_logins(postern, account):
    """POP-16: USER tells nothing. A wrong password is [AUTH] (RFC 3206); three end the session."""
    answers = []
    for name in (account.name, "nobody-of-that-name@postern.test"):
        with wire.Pop3(postern.ports.pop3_plain) as session:
            session.ok(f"USER {name}")
            answers.append(session.error("PASS wrong"))
    assert answers[0] == answers[1] and b"[AUTH]" in answers[0], answers
    with wire.Pop3(postern.ports.pop3_plain) as session:
        tries = 0
        try:
            for tries in range(1, 9):
                session.login(account.name, "wrong")
        except wire.Closed:
            pass
        assert tries <= 5, "eight wrong passwords in one session"


def test_password_with_spaces(postern):
    """POP-17: PASS takes the rest of the line."""
    name = postern.add_user(password=" two  words and a colon: ")
    with wire.Pop3(postern.ports.pop3_plain) as session:
        session.ok(f"USER {name}")
        session.ok("PASS  two  words and a colon: ")


def test_stat_list_uidl_retr_top(filled):
    postern, account, mails = filled
    with wire.open_pop3(postern, account.name, account.password) as session:
        _, count, octets = session.ok("STAT").split()[:3]
        sizes = dict(map(int, line.split()) for line in session.multiline("LIST"))
        assert int(count) == 3 and sizes.keys() == {1, 2, 3} and int(octets) == sum(sizes.values())
        unique_ids = session.unique_ids()
        assert len(set(unique_ids.values())) == 3
        # POP-15: decimal, increasing.
        assert sorted(map(int, unique_ids.values())) == [int(unique_ids[n]) for n in (1, 2, 3)]
        for number, mail in enumerate(mails, 1):
            octets = session.retrieve(number)
            assert strip_trace(octets) == mail
            assert len(octets) == sizes[number], "LIST is exact (POP-04)"
            assert session.ok(f"LIST {number}").split()[1:3] == [b"%d" % number, b"%d" % sizes[number]]
            assert session.ok(f"UIDL {number}").split()[2].decode() == unique_ids[number]
            head, _, body = octets.partition(b"\r\n\r\n")
            for lines in (0, 1, 3, 10_000):
                top = b"".join(line + b"\r\n" for line in session.multiline(f"TOP {number} {lines}"))
                wanted = b"".join(line + b"\r\n" for line in body.split(b"\r\n")[:-1][:lines])
                assert top == head + b"\r\n\r\n" + wanted, (number, lines)
        for command in ("RETR 0", "RETR 4", "RETR x", "RETR", "LIST 4", "UIDL 4", "TOP 1", "TOP 4 1",
                        "DELE 4", "DELE"):
            session.error(command)
        session.ok("QUIT")
    with wire.open_pop3(postern, account.name, account.password) as session:
        assert session.unique_ids() == unique_ids, "unique ids persist"


def test_dele_rset_quit(filled):
    postern, account, mails = filled
    with wire.open_pop3(postern, account.name, account.password) as session:
        session.ok("DELE 1")
        session.error("DELE 1")
        session.error("RETR 1")
        session.error("LIST 1")
        assert [line.split()[0] for line in session.multiline("LIST")] == [b"2", b"3"]
        assert session.ok("STAT").split()[1] == b"2"
        session.ok("RSET")
        assert session.ok("STAT").split()[1] == b"3"
        session.ok("DELE 2")
    # No QUIT: nothing was removed.
    with wire.open_pop3(postern, account.name, account.password) as session:
        before = session.unique_ids()
        assert len(before) == 3
        session.ok("DELE 1")
        session.ok("DELE 3")
        session.ok("QUIT")
        session.expect_closed()
    with wire.open_pop3(postern, account.name, account.password) as session:
        assert list(session.unique_ids().values()) == [before[2]]
        assert strip_trace(session.retrieve(1)) == mails[1]
        session.ok("DELE 1")
        session.ok("QUIT")
    wire.deliver(postern, [account.name], mails[0])
    with wire.open_pop3(postern, account.name, account.password) as session:
        (unique,) = session.unique_ids().values()
        assert int(unique) > max(map(int, before.values())), "a unique id was used again (POP-15)"


def test_two_sessions_share_a_maildrop(filled):
    """POP-03: no exclusive lock."""
    postern, account, _ = filled
    with wire.open_pop3(postern, account.name, account.password) as first, \
            wire.open_pop3(postern, account.name, account.password) as second:
        first.ok("DELE 2")
        first.ok("QUIT")
        second.error("RETR 2")
        second.ok("DELE 2")
        second.ok("DELE 3")
        second.command("QUIT")
    assert len(wire.read_all_pop3(postern, account.name, account.password)) == 1


def test_pipelined_commands_and_spaces(filled):
    """POP-01: separators are runs of SPACE and TAB. RFC 2449 PIPELINING: answers in order."""
    postern, account, mails = filled
    with wire.open_pop3(postern, account.name, account.password) as session:
        session.send(b"stat\r\nLIST \t 1\r\nRETR\t2\r\nNoop\r\nRETR 9\r\nRETR 3\r\nQUIT\r\n")
        assert session.status().startswith(b"+OK 3 ")
        assert session.status().startswith(b"+OK 1 ")
        assert session.status().startswith(b"+OK")
        assert strip_trace(session.multiline_octets()) == mails[1]
        assert session.status().startswith(b"+OK")
        assert session.status().startswith(b"-ERR")
        assert session.status().startswith(b"+OK")
        assert strip_trace(session.multiline_octets()) == mails[2]
        assert session.status().startswith(b"+OK")
        session.expect_closed()


def test_empty_maildrop(postern, account):
    with wire.open_pop3(postern, account.name, account.password) as session:
        assert session.ok("STAT").split()[1:3] == [b"0", b"0"]
        assert session.multiline("LIST") == [] and session.multiline("UIDL") == []
        session.ok("QUIT")


def test_too_long_a_command(postern, account):
    """POP-02: 512 octets by default; the session survives or ends, the command is not obeyed."""
    with wire.open_pop3(postern, account.name, account.password) as session:
        try:
            session.error("NOOP " + "x" * 600)
            session.ok("NOOP")
        except wire.Closed:
            pass


def test_inactivity(running_postern):
    """POP-09, POP-10: logged in or not, the session ends; marked mails stay."""
    from harness.server import PASSWORD
    postern, (name,) = running_postern(
        settings={"pop3": {"inactivity_timeout": 2, "login_timeout": 2}})
    wire.deliver(postern, [name], messages.plain(1, SENDER, [name]))
    with wire.Pop3(postern.ports.pop3_plain) as stranger, \
            wire.open_pop3(postern, name, PASSWORD) as user:
        user.ok("DELE 1")
        for session in (stranger, user):
            said = session.expect_closed(20)
            assert said.startswith(b"-ERR") or said == b"", said
    assert len(wire.read_all_pop3(postern, name, PASSWORD)) == 1
