"""The harness itself: what it is to notice, it notices. Needs nothing built."""

import pytest

from harness import messages
from harness.load import Ledger
from harness.trace import assert_stored_as_sent, split_trace
from harness.wire import Reply

pytestmark = pytest.mark.tool

TRACE = (b"Return-Path: <a@b.example>\r\n"
         b"Received: from x ([192.0.2.1])\r\n\tby y with ESMTP id 1;\r\n\tMon, 03 Feb 2025 10:11:12 +0000\r\n")


def unstuffed(octets):
    """DATA's octets back to the mail, the way RFC 5321 section 4.5.2 says, one line at a time."""
    lines = octets.split(b"\r\n")
    assert lines[-2:] == [b".", b""]
    return b"".join((line[1:] if line.startswith(b".") else line) + b"\r\n" for line in lines[:-2])


@pytest.mark.parametrize("make", [messages.plain, messages.awkward, messages.multipart])
def test_mails_are_the_same_every_time_and_fit_the_wire(make):
    mail = make(7, "a@b.example", ["c@d.example"])
    assert mail == make(7, "a@b.example", ["c@d.example"])
    assert mail != make(8, "a@b.example", ["c@d.example"])
    assert mail.endswith(b"\r\n") and mail.count(b"\r\n") == mail.count(b"\n") == mail.count(b"\r")
    assert max(map(len, mail.split(b"\r\n"))) <= messages.LINE_OCTETS_MAX
    assert unstuffed(messages.dot_stuffed(mail)) == mail


def test_awkward_mails_hold_what_transports_damage():
    mail = messages.awkward(1, "a@b.example", ["c@d.example"], eight_bit=True)
    for needle in (b"\r\n.\r\n", b"\r\n..\r\n", b"\r\nFrom ", b"   \r\n", b"\t\r\n", "ü".encode()):
        assert needle in mail, needle
    assert max(map(len, mail.split(b"\r\n"))) == messages.LINE_OCTETS_MAX


def test_sealed_mails_tell_damage():
    mail = messages.sealed("id-1", "a@b.example", ["c@d.example"], b"one\r\ntwo\r\n")
    assert messages.unseal(mail) == "id-1"
    for damaged in (mail[:-5], mail + b"x\r\n", mail.replace(b"two", b"twO"), mail[:40]):
        with pytest.raises(AssertionError):
            messages.unseal(damaged)


def test_trace_is_told_from_the_mail():
    mail = b"Received: from an.earlier.hop by x; Mon, 03 Feb 2025 10:11:12 +0000\r\nSubject: x\r\n\r\nbody\r\n"
    fields, rest = split_trace(TRACE + b"Subject: x\r\n\r\nReceived: in the body\r\n")
    assert [name for name, _ in fields] == [b"return-path", b"received"]
    assert rest == b"Subject: x\r\n\r\nReceived: in the body\r\n"
    assert_stored_as_sent(TRACE + b"Subject: x\r\n\r\nbody\r\n", b"Subject: x\r\n\r\nbody\r\n")
    for stored, sent in ((TRACE + mail, b"Subject: x\r\n\r\nbody\r\n"), (mail, mail), (TRACE, b"x\r\n"),
                         (TRACE + b"Subject: x\r\n\r\nbodY\r\n", b"Subject: x\r\n\r\nbody\r\n")):
        with pytest.raises(AssertionError):
            assert_stored_as_sent(stored, sent)


def test_ledger_notices_loss_repetition_and_strangers():
    ledger = Ledger()
    for identity in ("kept", "cut-off", "refused"):
        ledger.sending(identity, ["a"])
    ledger.answered("kept", Reply(250, [b""]))
    ledger.answered("refused", Reply(452, [b""]))
    ledger.check("a", ["kept"])
    ledger.check("a", ["kept", "cut-off"])
    ledger.check("b", [])
    for account, identities in (("a", []), ("a", ["cut-off"]), ("a", ["kept", "kept"]),
                                ("a", ["kept", "refused"]), ("a", ["kept", "never-sent"]), ("b", ["kept"])):
        with pytest.raises(AssertionError):
            ledger.check(account, identities)
    ledger.settle({"kept"})
    with pytest.raises(AssertionError):
        ledger.check("a", ["kept", "cut-off"])
