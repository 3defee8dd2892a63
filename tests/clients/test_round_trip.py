"""Real clients send real mails; real clients read them back, octet by octet (plus the trace header)."""

import re

import pytest

from harness import messages, wire
from harness.mail_clients import IMPLICIT, MODES, PLAIN, READERS, SENDERS, STARTTLS
from harness.trace import assert_stored_as_sent, describe_difference, split_trace

# RFC 3848: what Received names the transmission.
PROTOCOLS = {PLAIN: "ESMTPA", STARTTLS: "ESMTPSA", IMPLICIT: "ESMTPSA"}


def mails_for(seed, sender, recipients):
    """The everyday mix: small, awkward, 8-bit, attachments of 1 KiB, 100 KiB and 1 MiB."""
    return [
        messages.plain(seed, sender, recipients),
        messages.awkward(seed + 1, sender, recipients),
        messages.awkward(seed + 2, sender, recipients, eight_bit=True),
        messages.multipart(seed + 3, sender, recipients, (messages.KIB, 100 * messages.KIB)),
        messages.multipart(seed + 4, sender, recipients, (messages.MIB,), eight_bit=True),
    ]


def large_mail(seed, sender, recipients):
    """About 41 MiB on the wire: base64 of a 30 MiB attachment."""
    return messages.multipart(seed, sender, recipients, (30 * messages.MIB,))


def assert_mailbox_is(stored, sent, reader):
    """The mailbox holds exactly the sent mails, in any order."""
    assert len(stored) == len(sent), f"{reader} read {len(stored)} mails, {len(sent)} were sent"
    bodies = {}
    for octets in stored:
        fields, rest = split_trace(octets)
        names = [name for name, _ in fields]
        assert names == [b"return-path", b"received"], f"{reader}: trace header is {names}"
        bodies[rest] = bodies.get(rest, 0) + 1
    for mail in sent:
        if mail not in bodies:
            closest = max(bodies, key=lambda body: len(body) == len(mail))
            raise AssertionError(f"{reader}: " + describe_difference(mail, closest))
        assert bodies[mail] == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sender", SENDERS)
def test_sent_mail_is_stored_as_sent(sender, mode, postern, new_account, tmp_path):
    author, first, second = new_account(), new_account(), new_account()
    recipients = [first.name, second.name]
    mails = mails_for(100, author.name, recipients)
    for mail in mails:
        SENDERS[sender](postern, author, mode, recipients, mail, str(tmp_path))
    for reader in (first, second):
        stored = list(wire.read_all_imap(postern, reader.name, reader.password).values())
        assert len(stored) == len(mails)
        for octets, mail in zip(stored, mails):
            assert_stored_as_sent(octets, mail, reverse_path=author.name,
                                  protocol=PROTOCOLS[mode])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reader", READERS)
def test_mailbox_is_read_as_sent(reader, mode, postern, account, tmp_path):
    sent = mails_for(200, "author@elsewhere.example", [account.name])
    for mail in sent:
        wire.deliver(postern, [account.name], mail, sender="author@elsewhere.example")
    stored = READERS[reader](postern, account, mode, str(tmp_path))
    assert_mailbox_is(stored, sent, reader)
    # Reading leaves the mailbox as it was.
    assert len(wire.read_all_imap(postern, account.name, account.password)) == len(sent)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sender", SENDERS)
def test_thirty_mebibyte_attachment_is_stored_as_sent(sender, mode, postern, new_account, tmp_path):
    author, recipient = new_account(), new_account()
    mail = large_mail(300, author.name, [recipient.name])
    SENDERS[sender](postern, author, mode, [recipient.name], mail, str(tmp_path))
    (stored,) = wire.read_all_pop3(postern, recipient.name, recipient.password).values()
    assert_stored_as_sent(stored, mail, reverse_path=author.name, protocol=PROTOCOLS[mode])


@pytest.fixture(scope="module")
def large_mailbox(shared_postern):
    """One account with a 30 MiB attachment in its mailbox, for all readers of this worker."""
    from harness.server import PASSWORD
    name = shared_postern.add_user()
    mail = large_mail(400, "author@elsewhere.example", [name])
    wire.deliver(shared_postern, [name], mail, sender="author@elsewhere.example")
    return name, PASSWORD, mail


@pytest.mark.parametrize("mode", (PLAIN, IMPLICIT))
@pytest.mark.parametrize("reader", READERS)
def test_thirty_mebibyte_attachment_is_read_as_sent(reader, mode, postern, large_mailbox, tmp_path):
    class Reader:
        name, password, _ = large_mailbox
    stored = READERS[reader](postern, Reader, mode, str(tmp_path))
    assert_mailbox_is(stored, [large_mailbox[2]], reader)


@pytest.mark.parametrize("size_octets", [messages.KIB, 16 * messages.KIB - 1, 16 * messages.KIB,
                                         16 * messages.KIB + 1, 64 * messages.KIB,
                                         256 * messages.KIB + 1, messages.MIB,
                                         4 * messages.MIB + 3])
def test_sizes_around_buffers_survive_every_segmentation(size_octets, postern, account):
    """A mail in one segment, and cut at odd places, over plain and TLS."""
    sent = []
    for kind, step in (("relay", size_octets), ("relay", 16 * messages.KIB - 1),
                       ("submissions", 7919), ("submission", 65537)):
        # Not the same one again: submission recognises it.
        mail = messages.of_size(f"{size_octets}-{len(sent)}", "author@elsewhere.example",
                                [account.name], size_octets)
        sent.append(mail)
        octets = messages.dot_stuffed(mail)
        user = (account.name, account.password) if kind != "relay" else (None, None)
        with wire.open_smtp(postern, kind, *user) as session:
            session.transaction(account.name, [account.name])
            for start in range(0, len(octets), step):
                session.send(octets[start:start + step])
            assert session.reply().code == 250
    stored = wire.read_all_imap(postern, account.name, account.password)
    assert len(stored) == 4
    for octets, mail in zip((stored[uid] for uid in sorted(stored)), sent):
        assert_stored_as_sent(octets, mail)


def test_received_names_client_server_protocol_id_and_date(postern, account):
    mail = messages.plain(500, "author@elsewhere.example", [account.name])
    reply = wire.deliver(postern, [account.name], mail, sender="author@elsewhere.example")
    assert re.match(r"2\.\d+\.\d+ ", reply.text), reply
    (stored,) = wire.read_all_imap(postern, account.name, account.password).values()
    fields, _ = split_trace(stored)
    received = fields[1][1].decode()
    assert re.search(r"^from client\.example\b", received), received
    assert "127.0.0.1" in received
    assert re.search(r"\bby mail\.postern\.test\b", received)
    assert re.search(r"\bwith ESMTP\b", received)
    assert re.search(r"\bid \S+", received)
    assert re.search(r"; (Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{1,2} [A-Z][a-z]{2} \d{4} "
                     r"\d\d:\d\d:\d\d [+-]\d{4}", received), received
