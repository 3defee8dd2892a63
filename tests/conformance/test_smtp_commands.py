"""SMTP-01 and SMTP-23: the session of RFC 5321, command by command."""

import re

import pytest

from conformance.target import expect
from harness import wire

SENDER = "stranger@elsewhere.example"


def test_smtp_01_greeting_names_the_server(server):
    with server.smtp() as session:
        assert session.greeting.code == 220, session.greeting
        name = session.greeting.text.split()[0]
        assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[^]]+\]", name), name
        assert server.hostname in (None, name)


def test_smtp_01_ehlo_reply_has_the_form_of_the_grammar(server):
    """RFC 5321 4.1.1.1: a domain, then keywords of letters, digits and hyphens, with printable parameters."""
    with server.smtp() as session:
        reply = session.must(250, "EHLO client.example")
        assert server.hostname in (None, reply.lines[0].decode().split()[0])
        for line in reply.lines[1:]:
            assert re.fullmatch(rb"[A-Za-z0-9][A-Za-z0-9-]*([ =][!-~]+)*", line), line
        keywords = [line.split()[0].upper() for line in reply.lines[1:]]
        assert len(set(keywords)) == len(keywords), keywords


def test_smtp_01_helo_offers_nothing(server):
    with server.smtp() as session:
        assert len(session.must(250, "HELO client.example").lines) == 1


@pytest.mark.parametrize("name", ["client.example", "a", "[192.0.2.1]", "[IPv6:2001:db8::1]",
                                  "CLIENT.Example", "x--y.example", "1.2.example"])
@pytest.mark.parametrize("verb", ["EHLO", "HELO"])
def test_smtp_01_hello_with_every_kind_of_name(verb, name, server):
    with server.smtp() as session:
        session.must(250, f"{verb} {name}")


@pytest.mark.parametrize("verb", ["EHLO", "HELO"])
def test_smtp_01_hello_without_a_name_is_501(verb, server):
    with server.smtp() as session:
        assert session.command(verb).code == 501
        session.must(250, f"{verb} client.example")


ORDER = [
    # commands, the code of the last one
    (["MAIL FROM:<a@b.example>"], (503, 250)),  # a server may do without a greeting (4.1.4: SHOULD)
    (["RCPT TO:<{to}>"], (503,)),
    (["DATA"], (503,)),
    (["EHLO c.example", "RCPT TO:<{to}>"], (503,)),
    (["EHLO c.example", "DATA"], (503,)),
    (["EHLO c.example", "MAIL FROM:<a@b.example>", "MAIL FROM:<a@b.example>"], (503,)),
    (["EHLO c.example", "MAIL FROM:<a@b.example>", "DATA"], (503, 554)),
    (["EHLO c.example", "MAIL FROM:<a@b.example>", "RCPT TO:<{to}>", "MAIL FROM:<a@b.example>"],
     (503,)),
    (["EHLO c.example", "MAIL FROM:<a@b.example>", "RSET", "RCPT TO:<{to}>"], (503,)),
    (["EHLO c.example", "MAIL FROM:<a@b.example>", "RCPT TO:<{to}>", "RSET", "DATA"], (503,)),
    (["EHLO c.example", "MAIL FROM:<a@b.example>", "EHLO c.example", "RCPT TO:<{to}>"], (503,)),
    (["EHLO c.example", "MAIL FROM:<a@b.example>", "HELO c.example", "RCPT TO:<{to}>"], (503,)),
    (["EHLO c.example", "MAIL FROM:<a@b.example>", "NOOP", "RCPT TO:<{to}>"], (250,)),
    (["EHLO c.example", "MAIL FROM:<a@b.example>", "VRFY x", "RCPT TO:<{to}>"], (250,)),
    (["EHLO c.example", "RSET"], (250,)),
    (["RSET"], (250,)),
    (["NOOP"], (250,)),
    (["NOOP anything at all"], (250,)),
    (["VRFY someone"], (250, 251, 252, 501, 502, 550, 553)),
    (["EHLO c.example", "EXPN list"], (250, 252, 502, 550)),
    (["EHLO c.example", "HELP"], (211, 214, 502)),
    (["QUIT"], (221,)),
]


@pytest.mark.parametrize("commands, codes", ORDER, ids=["; ".join(row[0]) for row in ORDER])
def test_smtp_01_order_of_commands(commands, codes, server, account):
    with server.smtp() as session:
        for command in commands[:-1]:
            reply = session.command(command.format(to=account.name))
            assert reply.code // 100 in (2, 5), (command, reply)
        reply = session.command(commands[-1].format(to=account.name))
        assert reply.code in codes, (commands[-1], reply)


@pytest.mark.parametrize("line, codes", [
    ("XYZZY", (500, 502)), ("", (500, 501, 502)), ("MAILFROM:<a@b.example>", (500, 501, 502)),
    ("MAIL", (501,)), ("MAIL FROM", (501,)), ("MAIL FRUM:<a@b.example>", (501,)),
    ("MAIL TO:<a@b.example>", (501,)), ("MAIL FROM:<a@b.example> NO-SUCH=1", (555, 501)),
    ("MAIL FROM:<a@b.example> SIZE=", (501, 555)), ("MAIL FROM:<a@b.example> SIZE=x", (501, 555)),
    ("MAIL FROM:<a@b.example", (501, 553, 555)), ("MAIL FROM:a b", (501, 553, 555)),
    ("MAIL FROM:<a@b.example>garbage", (501, 555)), ("MAIL FROM:<a@>", (501, 553)),
    ("MAIL FROM:<a b@c.example>", (501, 553, 555)), ("MAIL FROM:<a@b@c.example>", (501, 553)),
    ("MAIL FROM:<@b.example>", (501, 553)), ('MAIL FROM:<"a@b.example>', (501, 553, 555)),
    ("MAIL FROM:<a@[999.1.1.1]>", (501, 553)), ("MAIL FROM:<a\x01b@c.example>", (500, 501, 553)),
    ("MAIL FROM:<a@-b.example>", (501, 553)), ("MAIL FROM:<a..b@c.example>", (501, 553)),
    ("DATA now", (501, 503)), ("RSET now", (501,)), ("VRFY", (501, 502)),
])
def test_smtp_01_malformed_commands_cost_only_themselves(line, codes, server):
    with server.session() as session:
        reply = session.command(line)
        assert reply.code in codes, reply
        session.must(250, "NOOP")


@pytest.mark.parametrize("line, codes", [
    ("RCPT TO:<>", (501, 550, 553)), ("RCPT FROM:<x@y.example>", (501,)), ("RCPT", (501,)),
    ("RCPT TO:<{to}> NO-SUCH=1", (555, 501)), ("RCPT TO:<{to}", (501, 553, 555)),
    ("RCPT TO:<a b@c.example>", (501, 553, 555)), ("RCPT TO:<@>", (501, 553)),
])
def test_smtp_01_malformed_recipients_leave_the_transaction(line, codes, server, account):
    with server.session() as session:
        session.must(250, f"MAIL FROM:<{SENDER}>")
        reply = session.command(line.format(to=account.name))
        assert reply.code in codes, reply
        session.must(250, f"RCPT TO:<{account.name}>")
        session.must(354, "DATA")
        _, mail = server.message(account.name)
        session.send(mail + b".\r\n")
        assert session.reply().code == 250


@pytest.mark.parametrize("path", [
    "", "a@b.example", "first.last@b.example", '"quoted local"@b.example', '"with@at"@b.example',
    r'"back\\slash"@b.example', r'"quote\"inside"@b.example', '""@b.example', "a@[192.0.2.1]",
    "a@[IPv6:2001:db8::1]", "!#$%&'*+-/=?^_`{|}~@b.example", "@one.example,@two.example:a@b.example",
    "l" * 64 + "@b.example", "a@" + "d" * 63 + ".example", "a@1b.example",
    "a@" + ".".join(["d" * 49] * 5) + ".ex",
])
def test_smtp_01_reverse_paths_of_every_form(path, server):
    with server.session() as session:
        session.must(250, f"MAIL FROM:<{path}>")


def test_smtp_01_recipients_quoted_source_routed_and_in_capitals_are_the_same_mailbox(server, account):
    local, _, domain = account.name.partition("@")
    token, mail = server.message(account.name)
    for form in (f'"{local}"@{domain}', f"@relay.example,@other.example:{account.name}",
                 f"{local}@{domain.upper()}"):
        with server.session() as session:
            session.must(250, f"MAIL FROM:<{SENDER}>")
            session.must(250, f"RCPT TO:<{form}>")
            session.must(354, "DATA")
            session.send(mail + b".\r\n")
            assert session.reply().code == 250
    server.stored(account, token, 3)


@pytest.mark.parametrize("form", ["postmaster", "Postmaster", "POSTMASTER", "postmaster@{domain}",
                                  "PostMaster@{domain}"])
def test_smtp_01_postmaster_is_always_there(form, server):
    """RFC 5321 4.5.1, 4.1.1.3: also without a domain, in any case of letters."""
    with server.session() as session:
        session.must(250, f"MAIL FROM:<{SENDER}>")
        session.must(250, f"RCPT TO:<{form.format(domain=server.domain)}>")


def test_smtp_01_verbs_and_keywords_in_any_case_and_trailing_blanks(server, account):
    with server.smtp() as session:
        for command, code in (("ehlo client.example", 250), (f"mail from:<{SENDER}>", 250),
                              (f"RcPt tO:<{account.name}>", 250), ("rSeT", 250), ("noop ", 250),
                              ("RSET  ", 250), (f"MAIL FROM:<{SENDER}> ", 250), ("quit ", 221)):
            session.must(code, command)


def test_smtp_01_refused_recipients_leave_the_others(server, account):
    token, mail = server.message(account.name)
    with server.session() as session:
        session.must(250, f"MAIL FROM:<{SENDER}>")
        assert session.command(f"RCPT TO:<nobody-{token}@{server.domain}>").code // 100 == 5
        session.must(250, f"RCPT TO:<{account.name}>")
        assert session.command("RCPT TO:<someone@not-served-here.example>").code // 100 == 5
        session.must(354, "DATA")
        session.send(mail + b".\r\n")
        assert session.reply().code == 250
        session.must(221, "QUIT")
        session.expect_closed()
    server.stored(account, token)


def test_smtp_01_no_accepted_recipient_no_data(server):
    with server.session() as session:
        session.must(250, f"MAIL FROM:<{SENDER}>")
        assert session.command(f"RCPT TO:<nobody-at-all-here@{server.domain}>").code // 100 == 5
        assert session.command("DATA").code in (503, 554)


def test_smtp_01_several_transactions_do_not_mix(server, account):
    first, mail_1 = server.message(account.name)
    second, mail_2 = server.message(account.name)
    with server.session() as session:
        for mail in (mail_1, mail_2):
            assert session.send_mail(SENDER, [account.name], mail).code == 250
            assert session.command("DATA").code == 503
    (stored_1,), (stored_2,) = server.stored(account, first), server.stored(account, second)
    assert second.encode() not in stored_1 and first.encode() not in stored_2


def test_smtp_01_a_hundred_recipients_fit(server):
    """RFC 5321 4.5.3.1.8."""
    recipients = server.recipients(100)
    with server.session() as session:
        session.must(250, f"MAIL FROM:<{SENDER}>")
        for recipient in recipients:
            session.must(250, f"RCPT TO:<{recipient}>")


def test_smtp_01_a_line_of_512_octets_is_a_command(server):
    with server.session() as session:
        session.must(250, "NOOP " + "x" * (512 - len("NOOP \r\n")))


@pytest.mark.parametrize("value", [None, 512, 1000])
def test_smtp_01_a_command_line_longer_than_the_limit_is_500(value, with_limit):
    server, limit = with_limit("command", value)
    with server.session() as session:
        session.must(250, "NOOP " + "x" * (limit - len("NOOP \r\n")))
        assert session.command("NOOP " + "x" * (limit + 1 - len("NOOP \r\n"))).code == 500
        session.must(250, "NOOP")
        # However long: one line is one error, and what comes behind it is a command.
        assert session.command("NOOP " + "x" * (8 * limit)).code == 500
        session.must(250, "NOOP")


def test_smtp_01_reply_lines_fit_512_octets(server):
    with server.session() as session:
        for command in ("EHLO client.example", "HELP", "NO-SUCH " + "x" * 400, "VRFY " + "y" * 400,
                        "MAIL FROM:<" + "l" * 64 + "@" + "d" * 63 + ".example>", "RSET"):
            for line in session.command(command).lines:
                assert len(line) + len("250-\r\n") <= 512, line


def test_smtp_01_leaving_without_a_word_delivers_nothing(server, account):
    token, mail = server.message(account.name)
    session = server.session()
    session.transaction(SENDER, [account.name])
    session.send(mail)
    session.close()
    server.stored(account, token, 0)


def test_smtp_01_quit_is_answered_and_the_server_closes(server):
    with server.smtp() as session:
        session.must(221, "QUIT")
        assert session.expect_closed() == b""


CLASSES = [("NOOP", 250), ("RSET", 250), ("NO-SUCH", 500), ("MAIL FROM:<broken", 501), ("DATA", 503),
           (f"MAIL FROM:<{SENDER}>", 250), ("RCPT TO:<x@not-served-here.example>", 550),
           ("VRFY someone", 252), ("QUIT", 221)]


def test_smtp_23_enhanced_codes_on_every_reply_after_ehlo(server):
    """RFC 2034: the class agrees with the reply code; greeting, EHLO's reply and 3xx carry none."""
    with server.smtp() as session:
        assert not re.match(r"\d\.\d+\.\d+ ", session.greeting.text)
        session.keywords = session.ehlo()
        server.extension(session, "ENHANCEDSTATUSCODES")
        for command, _ in CLASSES:
            reply = session.command(command)
            for line in reply.lines:
                match = re.match(rb"([245])\.\d{1,3}\.\d{1,3}( |$)", line)
                assert match and int(match[1]) == reply.code // 100, (command, reply)


def test_smtp_23_enhanced_codes_through_a_transaction(server, account):
    with server.session() as session:
        server.extension(session, "ENHANCEDSTATUSCODES")
        expect(session.command(f"MAIL FROM:<{SENDER}>"), 250, "2.1.0")
        expect(session.command(f"RCPT TO:<{account.name}>"), 250, "2.1.5")
        expect(session.command(f"RCPT TO:<nobody-at-all-here@{server.domain}>"), 550, "5.1.1")
        reply = session.command("RCPT TO:<x@not-served-here.example>")
        assert reply.code in (550, 551, 554) and reply.text.startswith("5.7.1"), reply
        assert not re.match(r"\d\.\d+\.\d+ ", session.must(354, "DATA").text)
        session.send(server.message(account.name)[1] + b".\r\n")
        assert session.reply().text.startswith("2."), "250 of the message"


@pytest.mark.parametrize("octet_count", [1, 2, 3, 7])
def test_smtp_01_commands_arrive_in_any_pieces(octet_count, server, account):
    token, mail = server.message(account.name)
    with server.smtp() as session:
        for line, code in ((b"EHLO c.example\r\n", 250), (b"MAIL FROM:<" + SENDER.encode() + b">\r\n", 250),
                           (b"RCPT TO:<" + account.name.encode() + b">\r\n", 250),
                           (b"DATA\r\n", 354), (mail + b".\r\n", 250), (b"QUIT\r\n", 221)):
            for start in range(0, len(line), octet_count):
                session.send(line[start:start + octet_count])
            assert session.reply().code == code
    server.stored(account, token)


def test_smtp_01_half_a_command_is_no_command(server, account):
    """The line that the end of the connection cuts is not carried out."""
    token, mail = server.message(account.name)
    session = server.session()
    session.transaction(SENDER, [account.name])
    session.send(mail + b".")
    session.half_close()
    try:
        assert not session.expect_closed().startswith(b"250")
    except wire.Closed:
        pass
    server.stored(account, token, 0)
