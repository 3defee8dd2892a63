"""Postfix and Exim relay to us, unmodified: TLS, pipelining, BDAT, DSN, SMTPUTF8."""

import os
import re

import pytest

from harness import messages, ports, wire
from harness.sending_mtas import Exim, Postfix
from harness.tap import Tap
from harness.trace import split_trace
from harness.waiting import wait_until

SENDER = "author@elsewhere.example"

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="the MTAs' own services need root")


@pytest.fixture(params=["postfix", "exim"])
def mta(request, tmp_path_factory):
    """A factory: an MTA that relays to a port."""
    stack = []

    def make(port, authority=None):
        # Its services run as users of their own, who must be able to come in.
        folder = tmp_path_factory.mktemp(request.param)
        parent = str(folder)
        while parent != "/" and os.stat(parent).st_uid == os.getuid():
            os.chmod(parent, os.stat(parent).st_mode | 0o055)
            parent = os.path.dirname(parent)
        sender = (Postfix if request.param == "postfix" else Exim)(folder, port, authority)
        if request.param == "postfix":
            sender.__enter__()
            stack.append(sender)
        sender.name = request.param
        return sender

    yield make
    for sender in stack:
        sender.__exit__(None, None, None)


def arrived(postern, account, sender, count):
    """The mails of the mailbox once so many are there; the MTA's log says why not."""
    try:
        return wait_until(lambda: (lambda mails: mails if len(mails) >= count else None)(
            list(wire.read_all_pop3(postern, account.name, account.password).values())),
            30, f"{count} mails from {sender.name}")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{sender.log()[-3000:]}") from None


def body(stored):
    return stored.partition(b"\r\n\r\n")[2]


def test_over_tls_with_a_verified_certificate(mta, postern, account):
    sender = mta(postern.ports.relay, postern.authority.ca)
    mails = [messages.plain(1, SENDER, [account.name]), messages.awkward(2, SENDER, [account.name]),
             messages.multipart(3, SENDER, [account.name], (messages.MIB,))]
    for mail in mails:
        sender.send(SENDER, [account.name], mail)
    stored = arrived(postern, account, sender, 3)
    assert sorted(map(body, stored)) == sorted(map(body, mails))
    for mail in stored:
        fields = split_trace(mail)[0]
        assert re.search(rb"\bwith ESMTPS\b", fields[1][1]), fields[1]
        assert mail.startswith(b"Return-Path: <" + SENDER.encode() + b">")


def test_many_recipients_in_one_transaction(mta, postern, new_account):
    accounts = [new_account() for _ in range(8)]
    sender = mta(postern.ports.relay)
    mail = messages.awkward(4, SENDER, [account.name for account in accounts])
    sender.send(SENDER, [account.name for account in accounts], mail)
    for account in accounts:
        assert [body(stored) for stored in arrived(postern, account, sender, 1)] == [body(mail)]


def test_what_it_uses_of_what_we_offer(mta, postern, account):
    """Pipelining, and Exim's BDAT: seen on the wire."""
    tapped = ports.free_port()
    with Tap(tapped, postern.ports.relay) as tap:
        sender = mta(tapped)
        mail = messages.awkward(5, SENDER, [account.name])
        sender.send(SENDER, [account.name], mail)
        assert body(arrived(postern, account, sender, 1)[0]) == body(mail)
        commands = tap.commands()
        assert commands[0].startswith(b"EHLO "), commands[0]
        assert any(re.match(rb"MAIL FROM:<[^>]*>.* SIZE=\d+", line) for line in commands), commands[:5]
        if sender.name == "exim":
            assert any(re.match(rb"BDAT \d+ LAST", line) for line in commands), commands[:8]
        else:
            assert b"DATA" in commands


def test_internationalised_addresses(mta, postern):
    name = postern.add_user(f"grüße{postern.user_count}")
    from harness.server import PASSWORD
    account = type("Account", (), {"name": name, "password": PASSWORD})
    tapped = ports.free_port()
    with Tap(tapped, postern.ports.relay) as tap:
        sender = mta(tapped)
        mail = ("From: <jörg@elsewhere.example>\r\nSubject: Grüße\r\nMessage-ID: <1@elsewhere.example>\r\n"
                "Date: Mon, 03 Feb 2025 10:11:12 +0100\r\n\r\nText: ä\r\n").encode()
        sender.send("jörg@elsewhere.example", [name], mail, " SMTPUTF8 BODY=8BITMIME")
        (stored,) = arrived(postern, account, sender, 1)
        assert body(stored) == body(mail) and "Subject: Grüße".encode() in stored
        assert any(line.startswith(b"MAIL ") and b" SMTPUTF8" in line for line in tap.commands())
    assert re.search(rb"\bwith UTF8SMTP\b", split_trace(stored)[0][1][1])


def test_delivery_status_parameters_are_passed_on(mta, running_postern):
    postern, (name,) = running_postern(smtp_limits={"dsn": True})
    from harness.server import PASSWORD
    account = type("Account", (), {"name": name, "password": PASSWORD})
    tapped = ports.free_port()
    with Tap(tapped, postern.ports.relay) as tap:
        sender = mta(tapped)
        mail = messages.plain(6, SENDER, [name])
        sender.send(SENDER, [name], mail, " RET=HDRS ENVID=QQ314159", " NOTIFY=SUCCESS,FAILURE")
        arrived(postern, account, sender, 1)
        said = b"\n".join(tap.commands())
    assert re.search(rb"MAIL FROM:.* RET=HDRS", said) and b"ENVID=QQ314159" in said, said[:500]
    assert re.search(rb"RCPT TO:.* NOTIFY=SUCCESS,FAILURE", said), said[:500]


def test_a_refused_recipient_comes_back_as_such(mta, postern, account):
    """A recipient that we refuse fails at once, the others get the mail."""
    sender = mta(postern.ports.relay)
    mail = messages.plain(7, SENDER, [account.name])
    sender.send(SENDER, [account.name, "nobody-at-all-here@postern.test"], mail)
    assert len(arrived(postern, account, sender, 1)) == 1
    wait_until(lambda: re.search(r"nobody-at-all-here.*550.5\.1\.1", sender.log(), re.S), 20,
               "its log has our 550 5.1.1")
