"""Thunderbird's sequences of commands, as its protocol logs and documentation show them, spoken step by step.

A graphical client does not run here; what it says is fixed, and we answer what it can go on from.
"""

import base64
import re

import pytest

from harness import messages, wire
from harness.mail_clients import IMPLICIT, MODES, PLAIN, POP3_KINDS, SMTP_KINDS, STARTTLS
from harness.trace import assert_stored_as_sent

SENDER = "author@elsewhere.example"


def capabilities(session):
    return {line.split()[0].decode(): line.decode().split()[1:] for line in session.multiline("CAPA")}


def connect_pop3(postern, mode):
    context = postern.authority.context()
    session = wire.Pop3(getattr(postern.ports, POP3_KINDS[mode]),
                        tls=context if mode == IMPLICIT else None)
    assert session.greeting.startswith(b"+OK")
    found = capabilities(session)
    if mode == STARTTLS:
        assert "STLS" in found
        session.ok("STLS")
        session.start_tls(context)
        found = capabilities(session)  # asked again: what came in the clear is not believed
    return session, found


def login_pop3(session, found, account, method):
    if method == "PLAIN":
        assert "PLAIN" in found["SASL"]
        session.send(b"AUTH PLAIN\r\n")
        assert session.line().startswith(b"+")
        session.ok(wire.plain_response(account.name, account.password))
    elif method == "LOGIN":
        assert "LOGIN" in found["SASL"]
        session.send(b"AUTH LOGIN\r\n")
        assert base64.b64decode(session.line()[2:]).lower().startswith(b"user")
        session.send(base64.b64encode(account.name.encode()) + b"\r\n")
        assert base64.b64decode(session.line()[2:]).lower().startswith(b"pass")
        session.ok(base64.b64encode(account.password.encode()))
    else:
        assert "USER" in found
        session.ok(f"USER {account.name}")
        session.ok(f"PASS {account.password}")


@pytest.mark.parametrize("method", ["PLAIN", "LOGIN", "USERPASS"])
@pytest.mark.parametrize("mode", MODES)
def test_pop3_get_messages_leaving_them_on_the_server(mode, method, postern, account):
    """CAPA, authentication, STAT, LIST, UIDL, RETR of what is new; the next time nothing is new; then DELE."""
    mails = [messages.awkward(number, SENDER, [account.name]) for number in range(3)]
    for mail in mails:
        wire.deliver(postern, [account.name], mail, sender=SENDER)
    known = set()
    for visit, new in ((1, 3), (2, 0), (3, 1)):
        session, found = connect_pop3(postern, mode)
        with session:
            login_pop3(session, found, account, method)
            count = int(session.ok("STAT").split()[1])
            sizes = dict(map(int, line.split()) for line in session.multiline("LIST"))
            assert "UIDL" in found
            identities = session.unique_ids()
            assert len(sizes) == len(identities) == count
            fresh = [number for number in identities if identities[number] not in known]
            assert len(fresh) == new, (visit, fresh)
            for number in fresh:
                octets = session.retrieve(number)
                assert len(octets) == sizes[number]
                known.add(identities[number])
            if visit == 3:
                for number in identities:
                    session.ok(f"DELE {number}")
            session.ok("QUIT")
            session.expect_closed()
        if visit == 2:
            wire.deliver(postern, [account.name], mails[0], sender=SENDER)
    assert wire.read_all_pop3(postern, account.name, account.password) == {}


@pytest.mark.parametrize("mode", MODES)
def test_pop3_headers_only_then_the_rest(mode, postern, account):
    """"Fetch headers only": TOP n 0 for what is larger than the limit, RETR when it is opened."""
    mail = messages.multipart(9, SENDER, [account.name], (100 * messages.KIB,))
    wire.deliver(postern, [account.name], mail, sender=SENDER)
    session, found = connect_pop3(postern, mode)
    with session:
        login_pop3(session, found, account, "PLAIN")
        session.ok("STAT")
        session.multiline("LIST")
        session.multiline("UIDL")
        assert "TOP" in found
        head = b"\r\n".join(session.multiline("TOP 1 0"))
        assert b"Subject:" in head and head.endswith(b"\r\n")
        session.ok("QUIT")
    session, found = connect_pop3(postern, mode)
    with session:
        login_pop3(session, found, account, "PLAIN")
        session.multiline("UIDL")
        assert_stored_as_sent(session.retrieve(1), mail)
        session.ok("QUIT")


def test_pop3_a_wrong_password_asks_again_on_the_same_connection(postern, account):
    """It tries its methods one after the other, [AUTH] makes it ask for the password."""
    session, found = connect_pop3(postern, PLAIN)
    with session:
        session.send(b"AUTH PLAIN\r\n")
        session.line()
        assert b"[AUTH]" in session.error(wire.plain_response(account.name, "wrong"))
        login_pop3(session, found, account, "PLAIN")
        session.ok("QUIT")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("method", ["PLAIN", "LOGIN"])
def test_smtp_send(mode, method, postern, new_account):
    """EHLO with an address literal, STARTTLS, EHLO, AUTH, MAIL with BODY and SIZE, RCPT, DATA, QUIT."""
    author, recipient = new_account(), new_account()
    mail = messages.multipart(11, author.name, [recipient.name], (messages.KIB,))
    context = postern.authority.context()
    with wire.Smtp(getattr(postern.ports, SMTP_KINDS[mode]),
                   tls=context if mode == IMPLICIT else None) as session:
        keywords = session.ehlo("[127.0.0.1]")
        if mode == STARTTLS:
            session.starttls(context)
            keywords = session.ehlo("[127.0.0.1]")
        assert method in keywords["AUTH"].split()
        if method == "PLAIN":
            assert session.auth_plain(author.name, author.password).code == 235
        else:
            session.must(334, "AUTH LOGIN")
            session.must(334, base64.b64encode(author.name.encode()))
            session.must(235, base64.b64encode(author.password.encode()))
        assert "8BITMIME" in keywords and re.fullmatch(r"\d+", keywords["SIZE"])
        session.must(250, f"MAIL FROM:<{author.name}> BODY=8BITMIME SIZE={len(mail)}")
        session.must(250, f"RCPT TO:<{recipient.name}>")
        session.must(354, "DATA")
        session.send(messages.dot_stuffed(mail))
        assert session.reply().code == 250
        session.must(221, "QUIT")
    (stored,) = wire.read_all_pop3(postern, recipient.name, recipient.password).values()
    assert_stored_as_sent(stored, mail, reverse_path=author.name)
