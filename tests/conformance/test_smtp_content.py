"""SMTP-01: what becomes of a message: stuffing, lines, trace fields, and what does not end it."""

import re

import pytest

from harness import messages, wire
from harness.trace import describe_difference, split_trace

SENDER = "stranger@elsewhere.example"

# Fields other servers put on top of the ones RFC 5321 asks for.
DELIVERY_FIELDS = re.compile(
    rb"\A(?:(?:Return-Path|Received|Delivered-To|X-Original-To|Envelope-To|Delivery-Date):"
    rb"[^\r\n]*(?:\r\n[ \t][^\r\n]*)*\r\n)*", re.I)


def content(stored):
    return stored[DELIVERY_FIELDS.match(stored).end():]


def received(stored):
    """The first Received field, unfolded."""
    head = DELIVERY_FIELDS.match(stored)[0]
    field = re.search(rb"^Received:((?:[^\r\n]|\r\n[ \t])*)", head, re.I | re.M)
    assert field, f"no Received in {head!r}"
    return re.sub(r"\r\n[ \t]+", " ", field[1].decode()).strip()


TEXTS = {
    "dots": [b".", b"..", b"...", b". ", b".x", b"x.", b"", b".", b"." * 998],
    "blanks": [b"", b"", b" ", b"\t", b"trailing  ", b" leading"],
    "commands": [b"QUIT", b"RSET", b"DATA", b"MAIL FROM:<a@b.example>", b"BDAT 10 LAST"],
    "long": [b"x" * 998, b"." + b"y" * 997, b"z" * 998],
    "controls": [b"\x01\x02\x07\x0b\x0c\x1b\x7f"],
    "from": [b"From here", b">From here"],
}


@pytest.mark.parametrize("name", TEXTS)
def test_smtp_01_text_arrives_as_sent(name, server, account):
    token, mail = server.message(account.name, b"".join(line + b"\r\n" for line in TEXTS[name]))
    server.deliver(account, mail)
    (stored,) = server.stored(account, token)
    assert content(stored) == mail, describe_difference(mail, content(stored))


def test_smtp_01_an_empty_text_and_a_header_without_text(server, account):
    for text in (b"", b"\r\n"):
        token, mail = server.message(account.name, text)
        server.deliver(account, mail)
        (stored,) = server.stored(account, token)
        assert content(stored).rstrip(b"\r\n") == mail.rstrip(b"\r\n")


def test_smtp_01_a_text_line_above_1000_octets_is_kept_or_refused(server, account):
    token, mail = server.message(account.name, b"x" * 5000 + b"\r\n")
    with server.session() as session:
        session.transaction(SENDER, [account.name])
        session.send(mail + b".\r\n")
        reply = session.reply()
    assert reply.code == 250 or reply.code // 100 == 5, reply
    if reply.code == 250:
        (stored,) = server.stored(account, token)
        assert content(stored) == mail, "a long line was changed"
    else:
        server.stored(account, token, 0)


@pytest.mark.parametrize("ending", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n",
                                    b"\r\n. \r\n", b"\r\n..\r\n", b"\r\n\0.\r\n"])
def test_smtp_01_only_crlf_dot_crlf_ends_a_message(ending, server, account):
    """What stands behind a false end is text of the message, or goes with it; it is never a command."""
    outer, mail = server.message(account.name, b"outer" + ending)
    inner, smuggled = server.message(account.name, b"smuggled\r\n.\r\n")
    script = (b"MAIL FROM:<smuggler@elsewhere.example>\r\nRCPT TO:<" + account.name.encode()
              + b">\r\nDATA\r\n" + smuggled)
    with server.session() as session:
        session.transaction(SENDER, [account.name])
        session.send(mail[:-2] if mail.endswith(ending + b"\r\n") else mail)
        session.send(script)
        first = session.reply()
        try:
            assert session.command("NOOP").code in (250, 421, 500, 503, 521, 554)
        except (wire.Closed, OSError):
            pass
    server.stored(account, "never-there", 0)
    both = [mail for mail in server.mailbox(account) if inner.encode() in mail]
    assert len(both) <= 1
    for stored in both:
        assert first.code == 250 and outer.encode() in stored, "smuggled mail stands alone"


@pytest.mark.parametrize("how", ["DATA", "BDAT"])
@pytest.mark.parametrize("policy", [None, "reject", "normalize", "allow"])
def test_smtp_01_22_bare_line_ends_as_configured(policy, how, configured):
    """RFC 5321 2.3.8: refused by default; made CRLF, or kept, where that is asked for. They never end a message."""
    server = configured(smtp={"bare_newline": policy}, shared=True)
    account = server.account()
    token, mail = server.message(account.name, b"one\ntwo\r\n\n.\nthree\r\n")
    with server.session() as session:
        session.must(250, f"MAIL FROM:<{SENDER}>")
        session.must(250, f"RCPT TO:<{account.name}>")
        if how == "DATA":
            session.must(354, "DATA")
            session.send(mail + b".\r\n")
        else:
            session.send(b"BDAT %d LAST\r\n" % len(mail) + mail)
        reply = session.reply()
        if policy in (None, "reject"):
            assert reply.code == 550 and reply.text.startswith("5.6.11"), reply
        else:
            assert reply.code == 250, reply
        session.must(250, "NOOP")
    if policy in (None, "reject"):
        server.stored(account, token, 0)
        return
    stored = server.stored(account, token)[0]
    # POP3 sends lines; what was kept as it was comes out as CRLF there, too.
    text = content(stored).partition(b"\r\n\r\n")[2]
    lines = re.split(rb"\r\n|\n", text)
    # A line of one dot that normalizing makes is DATA's text like every other; unstuffing is over by then.
    assert lines[:5] == [b"one", b"two", b"", b".", b"three"], text


def test_smtp_01_return_path_is_on_top_and_says_who_sent(server, account):
    token, mail = server.message(account.name)
    server.deliver(account, mail)
    (stored,) = server.stored(account, token)
    fields, _ = split_trace(stored)
    assert fields[0] == (b"return-path", b"<" + SENDER.encode() + b">"), fields
    assert stored.lower().count(b"\r\nreturn-path:") == 0, "Return-Path twice"


def test_smtp_01_the_null_reverse_path_stays_empty(server, account):
    token, mail = server.message(account.name)
    with server.session() as session:
        assert session.send_mail("", [account.name], mail).code == 250
    (stored,) = server.stored(account, token)
    assert split_trace(stored)[0][0] == (b"return-path", b"<>")


def test_smtp_01_received_is_added_above_those_that_are_there(server, account):
    old = b"Received: from old.example by older.example; Mon, 03 Feb 2025 10:00:00 +0000\r\n"
    token, mail = server.message(account.name)
    server.deliver(account, old + mail)
    (stored,) = server.stored(account, token)
    new, above, rest = stored.partition(old)
    assert above and rest == mail, "the old fields or the message were touched"
    assert b"Received:" in new


def test_smtp_01_received_has_from_by_with_id_and_date(server, account):
    """RFC 5321 4.4: and the client's address, in brackets."""
    token, mail = server.message(account.name)
    server.deliver(account, mail)
    line = received(server.stored(account, token)[0])
    assert re.match(r"from client\.example\b" if server.own else r"from .*\bclient\.example\b", line), line
    assert re.search(r"\[\d+\.\d+\.\d+\.\d+\]|\[IPv6:[0-9a-f:]+\]", line), line
    assert re.search(r"\bby [A-Za-z0-9.-]+\b", line), line
    assert re.search(r"\bid [^\s;]+", line), line
    assert re.search(r"; +(Mon|Tue|Wed|Thu|Fri|Sat|Sun), +\d{1,2} [A-Z][a-z]{2} \d{4} "
                     r"\d\d:\d\d:\d\d [+-]\d{4}", line), line


PROTOCOLS = [("SMTP", "relay", "HELO", False, False), ("ESMTP", "relay", "EHLO", False, False),
             ("ESMTPS", "relay", "EHLO", True, False), ("ESMTPA", "submission_plain", "EHLO", False, True),
             ("ESMTPSA", "submission", "EHLO", True, True),
             ("ESMTPSA", "submissions", "EHLO", False, True),
             ("UTF8SMTP", "relay", "EHLO", False, False), ("UTF8SMTPS", "relay", "EHLO", True, False),
             ("UTF8SMTPA", "submission_plain", "EHLO", False, True),
             ("UTF8SMTPSA", "submissions", "EHLO", False, True)]


@pytest.mark.parametrize("protocol, kind, hello, tls, login", PROTOCOLS)
def test_smtp_01_21_received_names_the_protocol(protocol, kind, hello, tls, login, server, account):
    """RFC 3848 and RFC 6531 4.3."""
    token, mail = server.message(account.name)
    with server.smtp(kind) as session:
        if hello == "HELO":
            session.must(250, "HELO client.example")
        else:
            session.keywords = session.ehlo()
        if tls:
            server.extension(session, "STARTTLS")
            session.starttls(server.context())
            session.keywords = session.ehlo()
        if login:
            assert session.auth_plain(account.name, account.password).code == 235
        utf8 = protocol.startswith("UTF8")
        if utf8:
            server.extension(session, "SMTPUTF8")
        session.must(250, f"MAIL FROM:<{account.name if login else SENDER}>" + " SMTPUTF8" * utf8)
        session.must(250, f"RCPT TO:<{account.name}>")
        session.must(354, "DATA")
        session.send(messages.dot_stuffed(mail))
        assert session.reply().code == 250
    line = received(server.stored(account, token)[0])
    assert re.search(rf"\bwith {protocol}\b", line, re.I), line


def test_smtp_01_a_large_message_arrives_whole(server, account):
    size = min(8 << 20, server.expected("size"))
    token, head = server.message(account.name, b"")
    line = b"0123456789abcdef" * 4 + b"\r\n"
    mail = head + line * ((size - len(head) - 4096) // len(line))
    with server.session() as session:
        assert session.send_mail(SENDER, [account.name], mail).code == 250
    (stored,) = server.stored(account, token)
    assert content(stored) == mail, describe_difference(mail, content(stored))
