"""Clients that do a part of what test_round_trip.py asks for: s-nail writes its own mails, getmail6 and node-pop3
know no STLS."""

import email

import pytest

from clients.test_node_clients import node
from harness import messages, wire
from harness.mail_clients import IMPLICIT, MODES, PLAIN, POP3_KINDS, read_getmail, send_s_nail
from harness.trace import assert_stored_as_sent, split_trace

SENDER = "author@elsewhere.example"


@pytest.mark.parametrize("mode", MODES)
def test_s_nail_sends(mode, postern, new_account, tmp_path):
    author, first, second = new_account(), new_account(), new_account()
    text = "A text of s-nail.\n.\n..two dots\nFrom the start of a line\n" + "x" * 500 + "\n"
    send_s_nail(postern, author, mode, [first.name, second.name], text, str(tmp_path), "from s-nail")
    for reader in (first, second):
        (stored,) = wire.read_all_pop3(postern, reader.name, reader.password).values()
        fields, rest = split_trace(stored)
        assert fields[0] == (b"return-path", b"<" + author.name.encode() + b">")
        assert b"\r\nSubject: from s-nail\r\n" in rest
        # It encodes what transports could damage (quoted-printable, for the line that begins with "From").
        assert email.message_from_bytes(rest).get_payload(decode=True).decode() == \
            text.replace("\n", "\r\n")


@pytest.mark.parametrize("mode", (PLAIN, IMPLICIT))
def test_getmail_reads_as_sent(mode, postern, account, tmp_path):
    mails = [messages.plain(21, SENDER, [account.name]), messages.awkward(22, SENDER, [account.name]),
             messages.awkward(23, SENDER, [account.name], eight_bit=True),
             messages.of_size(24, SENDER, [account.name], messages.MIB)]
    for mail in mails:
        wire.deliver(postern, [account.name], mail, sender=SENDER)
    stored = read_getmail(postern, account, mode, str(tmp_path))
    # It takes mails apart and writes them anew; texts it leaves alone.
    assert sorted(octets.partition(b"\r\n\r\n")[2] for octets in stored) == \
        sorted(mail.partition(b"\r\n\r\n")[2] for mail in mails)
    identities = sorted(email.message_from_bytes(octets)["Message-ID"] for octets in stored)
    assert identities == sorted(email.message_from_bytes(mail)["Message-ID"] for mail in mails)


@pytest.mark.parametrize("mode", (PLAIN, IMPLICIT))
def test_node_pop3_reads_as_sent(mode, postern, account, tmp_path):
    mails = [messages.plain(number, SENDER, [account.name]) for number in range(31, 34)]
    mails.append(messages.multipart(34, SENDER, [account.name], (200 * messages.KIB,)))
    for mail in mails:
        wire.deliver(postern, [account.name], mail, sender=SENDER)
    output = tmp_path / "mails"
    output.mkdir()
    node("read_pop3.js", {"host": "localhost", "port": getattr(postern.ports, POP3_KINDS[mode]),
                          "mode": mode, "user": account.name, "password": account.password,
                          "authority": postern.authority.ca}, str(output))
    stored = [path.read_bytes() for path in sorted(output.iterdir())]
    assert len(stored) == len(mails)
    for octets, mail in zip(stored, mails):
        # node-pop3 gives the lines as they are on the wire: stuffed.
        assert_stored_as_sent(octets.replace(b"\r\n..", b"\r\n."), mail)
