"""SMTP-22: CHUNKING and BINARYMIME (RFC 3030): any split, any order of errors, every limit of DATA."""

import random

import pytest

from conformance.test_smtp_content import content
from harness import wire

SENDER = "stranger@elsewhere.example"


@pytest.fixture
def chunking(server):
    """A session whose server offers CHUNKING."""
    with server.session() as session:
        server.extension(session, "CHUNKING")
        yield session


def begin(session, account, parameters=""):
    session.must(250, f"MAIL FROM:<{SENDER}>{parameters}")
    session.must(250, f"RCPT TO:<{account.name}>")


def chunk(session, octets, last=False):
    session.send(b"BDAT %d%s\r\n" % (len(octets), b" LAST" if last else b"") + octets)


def send_split(session, mail, cuts):
    """The mail in chunks that end at the cuts; every one is acknowledged."""
    edges = [0, *cuts, len(mail)]
    for start, end in zip(edges, edges[1:]):
        chunk(session, mail[start:end], last=end == len(mail) and start == edges[-2])
        reply = session.reply()
        assert reply.code == 250, reply


def test_smtp_22_one_last_chunk_is_a_message(chunking, server, account):
    token, mail = server.message(account.name, b".\r\n..\r\n.x\r\ntext\r\n")
    begin(chunking, account)
    chunk(chunking, mail, last=True)
    assert chunking.reply().code == 250
    (stored,) = server.stored(account, token)
    assert content(stored) == mail, "dots are nothing special in BDAT"


@pytest.mark.parametrize("count", [2, 3, 10, 100])
def test_smtp_22_any_split_gives_the_same_message(count, chunking, server, account):
    source = random.Random(count)
    token, mail = server.message(account.name, b"0123456789\r\n" * 300)
    begin(chunking, account)
    send_split(chunking, mail, sorted(source.sample(range(1, len(mail)), count - 1)))
    (stored,) = server.stored(account, token)
    assert content(stored) == mail


def test_smtp_22_split_at_every_octet(chunking, server, account):
    token, mail = server.message(account.name, b"a\r\n.\r\nb\r\n")
    begin(chunking, account)
    octets = b"".join(b"BDAT 1\r\n" + mail[at:at + 1] for at in range(len(mail)))
    chunking.send(octets + b"BDAT 0 LAST\r\n")
    codes = [chunking.reply().code for _ in range(len(mail) + 1)]
    assert set(codes) == {250}
    (stored,) = server.stored(account, token)
    assert content(stored) == mail


def test_smtp_22_a_split_between_cr_and_lf(chunking, server, account):
    token, mail = server.message(account.name, b"one\r\ntwo\r\n")
    at = mail.index(b"one\r") + 4
    begin(chunking, account)
    send_split(chunking, mail, [at])
    assert content(server.stored(account, token)[0]) == mail


def test_smtp_22_last_with_no_octets_ends_a_message(chunking, server, account):
    token, mail = server.message(account.name)
    begin(chunking, account)
    chunk(chunking, mail)
    assert chunking.reply().code == 250
    chunking.must(250, "BDAT 0 LAST")
    assert content(server.stored(account, token)[0]) == mail


def test_smtp_22_pipelined_whole_transactions(chunking, server, account):
    """RFC 3030 4.2: MAIL, RCPT and all chunks in one go, two messages after each other."""
    script, tokens = b"", []
    for _ in range(2):
        token, mail = server.message(account.name)
        tokens.append(token)
        half = len(mail) // 2
        script += (b"MAIL FROM:<" + SENDER.encode() + b">\r\nRCPT TO:<" + account.name.encode()
                   + b">\r\nBDAT %d\r\n" % half + mail[:half]
                   + b"BDAT %d LAST\r\n" % (len(mail) - half) + mail[half:])
    chunking.send(script + b"NOOP\r\n")
    assert [chunking.reply().code for _ in range(9)] == [250] * 9
    for token in tokens:
        server.stored(account, token)


@pytest.mark.parametrize("line", ["BDAT", "BDAT x", "BDAT -1", "BDAT 1 2", "BDAT 5 FIRST",
                                  "BDAT 1x LAST", "BDAT  LAST"])
def test_smtp_22_malformed_bdat_is_501(line, chunking, account):
    begin(chunking, account)
    assert chunking.command(line).code in (500, 501)


def test_smtp_22_last_is_read_in_any_case(chunking, server, account):
    token, mail = server.message(account.name)
    begin(chunking, account)
    chunking.send(b"bdat %d last\r\n" % len(mail) + mail)
    assert chunking.reply().code == 250
    server.stored(account, token)


def test_smtp_22_bdat_without_a_transaction_is_503_and_its_octets_are_no_commands(chunking):
    for command in (b"BDAT 10\r\n", b"BDAT 10 LAST\r\n"):
        chunking.send(command + b"QUIT\r\nQU\r\n")
        reply = chunking.reply()
        assert reply.code == 503, reply
    chunking.must(250, "NOOP")


def test_smtp_22_bdat_without_recipients_is_refused_with_its_octets(chunking):
    chunking.must(250, f"MAIL FROM:<{SENDER}>")
    chunking.send(b"BDAT 6 LAST\r\nQUIT\r\n")
    assert chunking.reply().code in (503, 554)
    chunking.must(250, "NOOP")


def test_smtp_22_after_an_error_further_chunks_are_503_until_rset(chunking, server, account):
    """RFC 3030 2: a failed transaction stays failed; the octets of each chunk are still taken."""
    token, mail = server.message(account.name)
    chunking.must(250, f"MAIL FROM:<{SENDER}>")
    assert chunking.command(f"RCPT TO:<nobody-at-all-here@{server.domain}>").code == 550
    for last in (False, False, True):
        chunk(chunking, b"QUIT\r\nRSET\r\n", last)
        assert chunking.reply().code in (503, 554)
    chunking.must(250, "RSET")
    begin(chunking, account)
    chunk(chunking, mail, last=True)
    assert chunking.reply().code == 250
    server.stored(account, token)


@pytest.mark.parametrize("command", ["DATA", "MAIL FROM:<x@y.example>"])
def test_smtp_22_between_chunks_data_and_mail_are_503(command, chunking, server, account):
    token, mail = server.message(account.name)
    begin(chunking, account)
    chunk(chunking, mail[:20])
    assert chunking.reply().code == 250
    assert chunking.command(command).code == 503


def test_smtp_22_rset_between_chunks_forgets_them(chunking, server, account):
    lost, half = server.message(account.name)
    token, mail = server.message(account.name)
    begin(chunking, account)
    chunk(chunking, half)
    assert chunking.reply().code == 250
    chunking.must(250, "RSET")
    begin(chunking, account)
    chunk(chunking, mail, last=True)
    assert chunking.reply().code == 250
    (stored,) = server.stored(account, token)
    assert content(stored) == mail
    server.stored(account, lost, 0)


def test_smtp_22_leaving_before_last_delivers_nothing(server, account):
    token, mail = server.message(account.name)
    with server.session() as session:
        server.extension(session, "CHUNKING")
        begin(session, account)
        chunk(session, mail)
        assert session.reply().code == 250
    server.stored(account, token, 0)


def test_smtp_22_noop_between_chunks(chunking, server, account):
    token, mail = server.message(account.name)
    begin(chunking, account)
    chunk(chunking, mail[:30])
    assert chunking.reply().code == 250
    chunking.must(250, "NOOP")
    chunk(chunking, mail[30:], last=True)
    assert chunking.reply().code == 250
    server.stored(account, token)


def test_smtp_22_binarymime_keeps_every_octet(server, account):
    """BODY=BINARYMIME: any octets, no lines. (Reading them back needs a protocol that keeps them: POP3 would not.)"""
    token, head = server.message(account.name, b"", b"MIME-Version: 1.0\r\nContent-Type: application/"
                                 b"octet-stream\r\nContent-Transfer-Encoding: binary\r\n")
    body = bytes(range(1, 256)) * 20
    with server.session() as session:
        server.extension(session, "BINARYMIME")
        server.extension(session, "CHUNKING")
        begin(session, account, " BODY=BINARYMIME")
        chunk(session, head + body, last=True)
        reply = session.reply()
        assert reply.code == 250, reply
    if server.own:
        stored = wire.read_all_imap(server.postern, account.name, account.password) \
            if "imap" in server.postern.processes else {}
        for octets in stored.values():
            if token.encode() in octets:
                assert body in octets
    server.stored(account, token)


def test_smtp_22_binarymime_needs_bdat(server, account):
    """RFC 3030 3: DATA after BODY=BINARYMIME is 503."""
    with server.session() as session:
        server.extension(session, "BINARYMIME")
        begin(session, account, " BODY=BINARYMIME")
        assert session.command("DATA").code == 503


def test_smtp_22_data_is_refused_after_the_first_chunk(chunking, server, account):
    begin(chunking, account)
    chunk(chunking, b"Subject: x\r\n")
    assert chunking.reply().code == 250
    assert chunking.command("DATA").code == 503


def test_smtp_22_many_megabytes_in_chunks(chunking, server, account):
    token, head = server.message(account.name, b"")
    mail = head + b"0123456789abcdef" * 4096 * 16
    mail += b"\r\n"
    size = 1 << 16
    begin(chunking, account)
    lines = b"".join(mail[at:at + 900] + b"\r\n" for at in range(len(head), len(mail), 900))
    mail = head + lines
    for at in range(0, len(mail), size):
        chunk(chunking, mail[at:at + size], last=at + size >= len(mail))
        assert chunking.reply().code == 250
    (stored,) = server.stored(account, token)
    assert content(stored) == mail


def test_smtp_22_a_chunk_size_beyond_every_number_is_refused(chunking, account):
    begin(chunking, account)
    reply = chunking.command("BDAT 99999999999999999999999999 LAST")
    assert reply.code // 100 == 5, reply
