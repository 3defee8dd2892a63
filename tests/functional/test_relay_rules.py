"""Who may send what to whom: no open relay, unknown users, sender rules, the relay queue."""

import pytest

from harness import messages, wire
from harness.load import strip_trace
from harness.server import PASSWORD

SENDER = "stranger@elsewhere.example"
REMOTE = "somebody@remote.example"


def stored(postern, account):
    return [strip_trace(octets)
            for octets in wire.read_all_pop3(postern, account.name, account.password).values()]


def queued(postern, needle):
    """Rows of `postern queue list --json` that name the recipient."""
    return [row for row in postern.queue() if needle in str(row)]


@pytest.mark.parametrize("recipient", [
    REMOTE, "a@b.example", f"user1%{REMOTE.replace('@', '%')}@elsewhere.example",
    "@postern.test:somebody@remote.example", '"user@postern.test"@remote.example',
    "somebody@[192.0.2.1]", "somebody@sub.postern.test", "somebody@postern.test.remote.example"])
def test_stranger_cannot_relay(recipient, postern, account):
    with wire.open_smtp(postern) as session:
        session.must(250, f"MAIL FROM:<{SENDER}>")
        reply = session.command(f"RCPT TO:<{recipient}>")
        assert reply.code in (550, 551, 553, 554), reply
        # The refused recipient costs the accepted one nothing, and gets nothing.
        session.must(250, f"RCPT TO:<{account.name}>")
        session.must(354, "DATA")
        mail = messages.plain(1, SENDER, [recipient, account.name])
        session.send(messages.dot_stuffed(mail))
        assert session.reply().code == 250
    assert stored(postern, account) == [mail]
    assert queued(postern, recipient) == []


def test_stranger_cannot_relay_with_a_local_or_empty_sender(postern, account):
    for sender in (account.name, ""):
        with wire.open_smtp(postern) as session:
            session.must(250, f"MAIL FROM:<{sender}>")
            reply = session.command(f"RCPT TO:<{REMOTE}>")
            assert reply.code in (550, 551, 553, 554), reply
            assert reply.text.startswith("5.7."), f"not a policy refusal (RFC 3463): {reply}"


@pytest.mark.parametrize("kind", ("submission", "submissions", "submission_plain"))
def test_submission_wants_authentication(kind, postern, account):
    with wire.open_smtp(postern, kind) as session:
        codes = [session.command(f"MAIL FROM:<{account.name}>").code,
                 session.command(f"RCPT TO:<{account.name}>").code, session.command("DATA").code]
        assert codes[0] == 530 and all(code in (503, 530) for code in codes[1:]), codes
        assert session.auth_plain(account.name, account.password).code == 235
        session.must(250, f"MAIL FROM:<{account.name}>")


@pytest.mark.parametrize("kind", ("submission", "submissions", "submission_plain"))
def test_authenticated_user_may_send_to_anyone_and_it_is_queued(kind, postern, new_account):
    author, local = new_account(), new_account()
    remote = f"remote-of-{author.name.split('@')[0]}@remote.example"
    mail = messages.multipart(2, author.name, [local.name, remote])
    with wire.open_smtp(postern, kind, author.name, author.password) as session:
        reply = session.send_mail(author.name, [local.name, remote], mail)
        assert reply.code == 250, reply
    assert stored(postern, local) == [mail]
    (row,) = queued(postern, remote)
    assert author.name in str(row), f"the row does not name the sender: {row}"
    assert local.name not in str(row), "the local recipient is delivered, not queued"
    # The plain listing is for people; it shows the same.
    assert remote in postern.cli("queue", "list").stdout


def test_queue_survives_a_kill(running_postern):
    postern, (author,) = running_postern()
    recipients = [f"r{number}@remote.example" for number in range(3)]
    with wire.open_smtp(postern, "submission", author, PASSWORD) as session:
        mail = messages.plain(3, author, recipients)
        assert session.send_mail(author, recipients, mail).code == 250
    before = postern.queue()
    assert all(any(recipient in str(row) for row in before) for recipient in recipients)
    postern["gateway"].kill()
    postern.start("gateway")
    assert postern.queue() == before


@pytest.mark.parametrize("kind", ("relay", "submission"))
def test_unknown_user_is_refused_at_rcpt(kind, postern, account):
    user = (account.name, account.password) if kind == "submission" else (None, None)
    with wire.open_smtp(postern, kind, *user) as session:
        session.must(250, f"MAIL FROM:<{account.name if user[0] else SENDER}>")
        reply = session.command("RCPT TO:<nobody-of-that-name@postern.test>")
        assert reply.code == 550 and reply.text.startswith("5.1.1"), reply
        reply = session.command("DATA")
        assert reply.code in (503, 554), f"DATA without a recipient: {reply}"


def test_bounce_to_local_user_is_accepted(postern, account):
    """The empty reverse-path is how bounces travel (RFC 5321 section 4.5.5)."""
    mail = messages.plain(4, "MAILER-DAEMON@elsewhere.example", [account.name])
    with wire.open_smtp(postern) as session:
        assert session.send_mail("", [account.name], mail).code == 250
    (octets,) = wire.read_all_pop3(postern, account.name, account.password).values()
    assert octets.startswith(b"Return-Path: <>\r\n")


def test_recipient_case_and_repetition(postern, account):
    """The domain compares without case; the same recipient twice is one delivery."""
    local, domain = account.name.split("@")
    mail = messages.plain(5, SENDER, [account.name])
    with wire.open_smtp(postern) as session:
        reply = session.send_mail(
            SENDER, [account.name, f"{local}@{domain.upper()}", account.name], mail)
        assert reply.code == 250, reply
    assert stored(postern, account) == [mail]


def test_single_mail_to_many_recipients_reaches_each_once(postern, new_account):
    accounts = [new_account() for _ in range(5)]
    mail = messages.multipart(6, SENDER, [a.name for a in accounts], (300 * messages.KIB,))
    with wire.open_smtp(postern) as session:
        assert session.send_mail(SENDER, [a.name for a in accounts], mail).code == 250
    for account in accounts:
        assert stored(postern, account) == [mail]
