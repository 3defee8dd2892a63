"""What an administrator decides about POP3 and mailboxes, by configuration and by `postern user set`."""

import json

from harness import messages, wire
from harness.server import PASSWORD
from harness.waiting import wait_until

SENDER = "author@elsewhere.example"


def expire_of(session):
    """The arguments of EXPIRE in CAPA."""
    (line,) = [line for line in session.multiline("CAPA") if line.split()[:1] == [b"EXPIRE"]]
    return line.split()[1:]


def deliver(postern, name, count=1):
    for number in range(count):
        wire.deliver(postern, [name], messages.plain(number, SENDER, [name]))


def test_expire_is_what_holds_for_the_account(running_postern):
    """POP-22, RFC 2449 6.7: server default, per user, and before the login the strictest of all."""
    postern, (anna, bert) = running_postern(users=2, settings={"mailbox": {"keep": "30d"}})
    with wire.Pop3(postern.ports.pop3_plain) as stranger:
        assert expire_of(stranger) == [b"30"]
    postern.cli("user", "set", bert, "--keep-days", "7")
    with wire.Pop3(postern.ports.pop3_plain) as stranger:
        assert expire_of(stranger) == [b"7", b"USER"]
    with wire.open_pop3(postern, anna, PASSWORD) as session:
        assert expire_of(session) == [b"30"]
    with wire.open_pop3(postern, bert, PASSWORD) as session:
        assert expire_of(session) == [b"7"]
    postern.cli("user", "set", bert, "--keep-days", "never")
    with wire.open_pop3(postern, bert, PASSWORD) as session:
        assert expire_of(session) == [b"NEVER"]
    users = {user["name"]: user for user in json.loads(postern.cli("user", "list", "--json").stdout)}
    assert users[bert]["keep_days"] == "never" and users[anna]["keep_days"] == "default"
    postern.cli("user", "set", bert, "--keep-days", "default", "--delete-after-retrieval", "yes")
    with wire.open_pop3(postern, bert, PASSWORD) as session:
        assert expire_of(session) == [b"0"]
    for wrong in (("--keep-days", "-1"), ("--keep-days", "x"), ("--delete-after-retrieval", "2"), ()):
        assert postern.cli("user", "set", bert, *wrong, check=False).returncode != 0, wrong
    postern.stop()


def test_delete_after_retrieval(running_postern):
    """By server default and against it; only what RETR sent, only at QUIT."""
    postern, (anna, bert) = running_postern(
        users=2, settings={"pop3": {"delete_after_retrieval": True}})
    postern.cli("user", "set", bert, "--delete-after-retrieval", "no")
    for name in (anna, bert):
        deliver(postern, name, 3)
        with wire.open_pop3(postern, name, PASSWORD) as session:
            session.retrieve(1)  # and no QUIT
        with wire.open_pop3(postern, name, PASSWORD) as session:
            assert session.ok("STAT").split()[1] == b"3"
            session.retrieve(2)
            session.multiline("TOP 3 1")
            session.ok("QUIT")
    with wire.open_pop3(postern, anna, PASSWORD) as session:
        assert session.ok("STAT").split()[1] == b"2"
    with wire.open_pop3(postern, bert, PASSWORD) as session:
        assert session.ok("STAT").split()[1] == b"3"
    postern.stop()


def test_login_delay(running_postern):
    """LOGIN-DELAY: announced, kept for each account, over all sessions; a wrong password learns nothing of it."""
    postern, (anna, bert) = running_postern(users=2, settings={"pop3": {"login_delay": 4}})
    with wire.open_pop3(postern, anna, PASSWORD) as session:
        assert b"LOGIN-DELAY 4" in session.multiline("CAPA")
    with wire.Pop3(postern.ports.pop3_plain) as session:
        assert b"LOGIN-DELAY 4" in session.multiline("CAPA")
        session.ok(f"USER {anna}")
        assert session.error(f"PASS {PASSWORD}").startswith(b"-ERR [LOGIN-DELAY]")
        session.ok(f"USER {anna}")
        assert session.error("PASS wrong").startswith(b"-ERR [AUTH]")
        assert session.login(bert, PASSWORD).startswith(b"+OK")

    def admitted():
        with wire.Pop3(postern.ports.pop3_plain) as session:
            return session.login(anna, PASSWORD).startswith(b"+OK")

    wait_until(admitted, 10, "the delay is over")
    with wire.open_imap(postern, anna, PASSWORD):
        pass  # IMAP has no such delay
    postern.stop()


def test_old_mail_goes(running_postern):
    """POP-20: by age, whoever reads it; not what is younger, not where the account says otherwise."""
    postern, (anna, bert) = running_postern(
        users=2, settings={"mailbox": {"keep": 6, "keep_check_interval": 1}})
    postern.cli("user", "set", bert, "--keep-days", "never")
    deliver(postern, anna, 3)
    deliver(postern, bert, 3)

    def count(name):
        # Not by reading them: one may go meanwhile.
        with wire.open_pop3(postern, name, PASSWORD) as session:
            return int(session.ok("STAT").split()[1])

    with wire.open_pop3(postern, anna, PASSWORD) as early:
        assert early.ok("STAT").split()[1] == b"3"
        assert expire_of(early) == [b"0"], "less than a day is sure"
        wait_until(lambda: count(anna) == 0, 30, "old messages are removed")
        assert early.error("RETR 1"), "POP-03"
        assert early.ok("STAT").split()[1] == b"3"
    assert count(bert) == 3
    deliver(postern, anna)
    assert count(anna) == 1
    wait_until(lambda: "retention.done" in postern.log_text("gateway"), 10, "the log says so")
    postern.stop()


def test_commands_of_a_session(running_postern):
    postern, (anna,) = running_postern(settings={"pop3": {"commands_max": 10}})
    deliver(postern, anna)
    with wire.open_pop3(postern, anna, PASSWORD) as session:
        session.ok("DELE 1")
        for _ in range(7):
            session.ok("NOOP")
        session.error("QUIT")
        session.expect_closed()
    assert len(wire.read_all_pop3(postern, anna, PASSWORD)) == 1
    postern.stop()


def test_logon_failures_of_a_session(running_postern):
    postern, (anna,) = running_postern(settings={"pop3": {"logon_failures_max": 2}})
    with wire.Pop3(postern.ports.pop3_plain) as session:
        assert session.login(anna, "wrong").startswith(b"-ERR [AUTH]")
        assert session.login(anna, "wrong").startswith(b"-ERR [AUTH]")
        session.expect_closed()
    postern.stop()


def test_command_length(running_postern):
    """POP-02: 40 to 1024 octets, CRLF included; CAPA at each. RFC 2449 raises 40 to 255 but for Exchange's profile."""
    for profile, limit, obeyed in (("modern", 1024, 1024), ("modern", 40, 255),
                                   ("exchange", 40, 40), ("exchange", 300, 300)):
        postern, (anna,) = running_postern(
            settings={"profile": profile, "pop3": {"command_octets_max": limit}})
        with wire.Pop3(postern.ports.pop3_plain) as session:
            assert b"UIDL" in session.multiline("CAPA")
            session.ok("USER " + "u" * (obeyed - 7))
            session.error("USER " + "u" * (obeyed - 6))
            session.ok("USER u")
        postern.stop()
