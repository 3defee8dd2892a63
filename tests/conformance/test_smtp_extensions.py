"""SMTP-21 and SMTP-24: SMTPUTF8, STARTTLS, implicit TLS, SIZE, 8BITMIME, PIPELINING, DSN, submission, LIMITS."""

import concurrent.futures
import re
import ssl

import pytest

from conformance.target import expect
from conformance.test_smtp_content import content
from harness import messages, wire

SENDER = "stranger@elsewhere.example"


@pytest.fixture
def session(server):
    with server.session() as session:
        yield session


def refused(reply, codes):
    assert reply.code in codes, reply


# -- SMTP-24: STARTTLS (RFC 3207) ------------------------------------------------------------------


def test_smtp_24_starttls_and_then_it_is_offered_no_more(server):
    with server.session() as session:
        server.extension(session, "STARTTLS")
        session.starttls(server.context())
        assert "STARTTLS" not in session.ehlo()
        refused(session.command("STARTTLS"), (503, 554, 500, 502, 454))
        session.must(250, "NOOP")


def test_smtp_24_starttls_forgets_what_was_said_before(server, account):
    """RFC 3207 4.2: the name of EHLO, and a transaction."""
    with server.session() as session:
        server.extension(session, "STARTTLS")
        session.must(250, f"MAIL FROM:<{SENDER}>")
        reply = session.command("STARTTLS")
        if reply.code != 220:
            refused(reply, (503,))  # within a transaction some servers say no
            session.must(250, "RSET")
            session.must(220, "STARTTLS")
        session.start_tls(server.context())
        assert session.command(f"RCPT TO:<{account.name}>").code == 503
        session.ehlo()
        session.must(250, f"MAIL FROM:<{SENDER}>")


def test_smtp_24_what_is_pipelined_behind_starttls_is_discarded(server, account):
    """The injection of RFC 3207's readers: octets in the clear are never commands under TLS."""
    with server.smtp() as session:
        session.keywords = session.ehlo()
        server.extension(session, "STARTTLS")
        session.send(b"STARTTLS\r\nNOOP injected\r\nMAIL FROM:<" + SENDER.encode() + b">\r\n")
        reply = session.reply()
        try:
            if reply.code != 220:
                refused(reply, (501, 503, 554, 421))
                return
            session.buffer.clear()
            session.start_tls(server.context())
            session.ehlo()
            # Had the injected MAIL counted, this one would be 503; had NOOP, its reply would be read here.
            session.must(250, f"MAIL FROM:<{SENDER}>")
            session.must(250, f"RCPT TO:<{account.name}>")
        except (ssl.SSLError, wire.Closed, OSError):
            pass  # ending such a session is as good


def test_smtp_24_starttls_with_a_parameter_is_501(session, server):
    server.extension(session, "STARTTLS")
    refused(session.command("STARTTLS now"), (501,))
    session.must(250, "NOOP")


def test_smtp_24_without_tls_submission_takes_nothing_of_weight(server, account):
    with server.smtp("submission") as session:
        session.must(250, "EHLO client.example")
        for command in ("NOOP", "RSET"):
            refused(session.command(command), (250,))
        expect(session.command(f"MAIL FROM:<{account.name}>"), 530, "5.7.0")


def test_smtp_24_implicit_tls_talks_first_and_offers_no_starttls(server):
    with server.session("submissions") as session:
        assert session.greeting.code == 220
        assert "STARTTLS" not in session.keywords and "AUTH" in session.keywords
        refused(session.command("STARTTLS"), (503, 500, 502, 554))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_smtp_24_current_tls_versions(version, server):
    context = server.context()
    context.minimum_version = context.maximum_version = version
    with server.smtp() as session:
        session.keywords = session.ehlo()
        server.extension(session, "STARTTLS")
        session.starttls(context)
        session.ehlo()


def test_smtp_24_old_tls_versions_are_refused(server):
    context = server.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with server.smtp() as session:
        session.keywords = session.ehlo()
        server.extension(session, "STARTTLS")
        session.must(220, "STARTTLS")
        with pytest.raises((ssl.SSLError, OSError)):
            session.start_tls(context)


# -- SMTP-24: SIZE, 8BITMIME, PIPELINING -----------------------------------------------------------


def test_smtp_24_size_is_announced_and_its_parameter_taken(session, server):
    assert re.fullmatch(r"\d*", server.extension(session, "SIZE"))
    session.must(250, f"MAIL FROM:<{SENDER}> SIZE=1000")
    session.must(250, "RSET")
    for value in ("x", "", "-1", "1" * 21):
        refused(session.command(f"MAIL FROM:<{SENDER}> SIZE={value}"), (501, 552, 555))
    session.must(250, "NOOP")


@pytest.mark.parametrize("body", ["7BIT", "8BITMIME", "8bitmime"])
def test_smtp_24_body_parameter(body, session, server):
    server.extension(session, "8BITMIME")
    session.must(250, f"MAIL FROM:<{SENDER}> BODY={body}")


def test_smtp_24_unknown_body_types_are_refused(session, server):
    server.extension(session, "8BITMIME")
    refused(session.command(f"MAIL FROM:<{SENDER}> BODY=9BIT"), (501, 555))
    refused(session.command(f"MAIL FROM:<{SENDER}> BODY"), (501, 555))
    session.must(250, "NOOP")


def test_smtp_24_eight_bit_text_arrives_as_sent(server, account):
    token, mail = server.message(account.name, "Grüße, Ελλάδα, 日本\r\n".encode() + bytes(range(128, 256))
                                 + b"\r\n", b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n"
                                 b"Content-Type: text/plain; charset=utf-8\r\n")
    with server.session() as session:
        server.extension(session, "8BITMIME")
        assert session.send_mail(SENDER, [account.name], mail).code == 250
    assert content(server.stored(account, token)[0]) == mail


@pytest.mark.parametrize("parameters", ["SIZE=1000 SIZE=1000", "BODY=7BIT BODY=8BITMIME"])
def test_smtp_24_a_parameter_twice_is_refused(parameters, session):
    refused(session.command(f"MAIL FROM:<{SENDER}> {parameters}"), (501, 555))


def test_smtp_24_pipelined_groups_are_answered_in_order(server, account):
    """RFC 2920: MAIL, RCPTs and DATA in one segment; the message, and the next group, in another."""
    first, mail_1 = server.message(account.name)
    second, mail_2 = server.message(account.name)
    to = b"RCPT TO:<" + account.name.encode() + b">\r\n"
    nobody = b"RCPT TO:<nobody-at-all-here@" + server.domain.encode() + b">\r\n"
    group = b"MAIL FROM:<" + SENDER.encode() + b">\r\n" + to + nobody + to + b"DATA\r\n"
    with server.session() as session:
        server.extension(session, "PIPELINING")
        session.send(group)
        codes = [session.reply().code for _ in range(5)]
        assert codes == [250, 250, 550, 250, 354]
        session.send(mail_1 + b".\r\n" + group)
        assert [session.reply().code for _ in range(6)] == [250, 250, 250, 550, 250, 354]
        session.send(mail_2 + b".\r\nQUIT\r\n")
        assert [session.reply().code for _ in range(2)] == [250, 221]
    for token in (first, second):
        assert content(server.stored(account, token)[0]) in (mail_1, mail_2)


def test_smtp_24_a_group_without_recipients_gets_no_354(server):
    """RFC 2920 3.2: DATA at its end fails, and the session is in step."""
    nobody = b"RCPT TO:<nobody-at-all-here@" + server.domain.encode() + b">\r\n"
    with server.session() as session:
        server.extension(session, "PIPELINING")
        session.send(b"MAIL FROM:<" + SENDER.encode() + b">\r\n" + nobody + nobody + b"DATA\r\n")
        codes = [session.reply().code for _ in range(4)]
        assert codes[:3] == [250, 550, 550] and codes[3] in (503, 554, 354), codes
        if codes[3] == 354:  # allowed to be surprised; then the end must fail
            session.send(b".\r\n")
            assert session.reply().code // 100 == 5
        session.must(250, "NOOP")


def test_smtp_24_many_recipients_in_one_group(server, account):
    count = 90
    to = b"RCPT TO:<" + account.name.encode() + b">\r\n"
    with server.session() as session:
        server.extension(session, "PIPELINING")
        session.send(b"MAIL FROM:<" + SENDER.encode() + b">\r\n" + to * count + b"RSET\r\n")
        assert [session.reply().code for _ in range(count + 2)] == [250] * (count + 2)


@pytest.mark.parametrize("group", [b"EHLO c.example\r\nMAIL FROM:<a@b.example>\r\n",
                                   b"EHLO c.example\r\nNOOP\r\n"])
def test_smtp_24_what_may_only_end_a_group_ends_the_session_otherwise(group, configured):
    """RFC 2920 3.1, where the server insists on it; where it does not, every command is answered."""
    with configured(shared=True).smtp() as session:
        session.send(group)
        replies = []
        try:
            while True:
                replies.append(session.reply().code)
        except (wire.Closed, OSError):
            pass
        assert replies and replies[-1] in (421, 503, 521, 554), replies
    with configured(smtp={"pipelining_strict": False}, shared=True).smtp() as session:
        session.send(group)
        assert [session.reply().code for _ in range(2)] == [250, 250]


# -- SMTP-24: LIMITS (RFC 9422), HELP --------------------------------------------------------------


def test_smtp_24_08_limits_are_those_that_hold(server):
    with server.session() as session:
        parameters = server.extension(session, "LIMITS").split()
        limits = {}
        for parameter in parameters:
            match = re.fullmatch(r"([A-Z][A-Z0-9-]*)=(\d+)", parameter)
            assert match, f"not a limit as RFC 9422 writes it: {parameter}"
            limits[match[1]] = int(match[2])
        assert limits, "LIMITS without a limit"
        if server.own:
            assert limits["RCPTMAX"] == server.expected("recipients")


def test_smtp_24_08_limits_follow_the_configuration(configured):
    server = configured(smtp={"recipients_max": 17, "transactions_max": 9})
    with server.session() as session:
        assert session.keywords["LIMITS"] == "MAILMAX=9 RCPTMAX=17"


# More than this would be a test of patience.
MAILMAX_TESTED = 200


@pytest.mark.parametrize("value", [None, 1, 2, 150])
def test_smtp_24_mailmax_is_how_many_mail_commands_are_served(value, server, configured):
    target = server if value is None else configured(smtp={"transactions_max": value})
    account = target.account()
    with target.session() as session:
        limits = dict(limit.split("=") for limit in target.extension(session, "LIMITS").split())
        limit = int(limits.get("MAILMAX", 0))
        if value is not None:
            assert limit == value, limits
        if limit > MAILMAX_TESTED:
            pytest.skip(f"MAILMAX={limit}")
        mail = target.message(account.name)[1]
        # None is named: none holds, as far as anybody would go.
        for number in range(limit or MAILMAX_TESTED):
            reply = session.send_mail(SENDER, [account.name], mail)
            assert reply.code == 250, (number, reply)
        reply = session.command(f"MAIL FROM:<{SENDER}>")
        if limit:
            assert reply.code // 100 in (4, 5), reply
            if target.own:
                expect(reply, 421, "4.7.0")
                session.expect_closed()
        else:
            assert reply.code == 250, reply


def test_smtp_24_mailmax_counts_what_is_refused_too(configured):
    """RFC 9422 section 4: the server counts MAIL commands whether they succeed or fail."""
    server = configured(smtp={"transactions_max": 4})
    with server.smtp() as session:
        assert session.command(f"MAIL FROM:<{SENDER}>").code == 503
        session.ehlo()
        assert session.command("MAIL FROM:broken").code == 501
        assert session.command(f"MAIL FROM:<{SENDER}> SIZE=99999999999").code == 552
        session.must(250, f"MAIL FROM:<{SENDER}>")
        session.must(250, "RSET")
        session.must(250, "NOOP MAIL")
        expect(session.command("MAIL FROM:broken"), 421, "4.7.0")
        session.expect_closed()


def test_smtp_24_mailmax_is_of_each_session(configured):
    server = configured(smtp={"transactions_max": 3}, settings={"runtime": {"cores": 4}})

    def one(_):
        with server.session() as session:
            session.send(f"MAIL FROM:<{SENDER}>\r\nRSET\r\n".encode() * 6)
            codes = []
            try:
                while True:
                    codes.append(session.reply().code)
            except (wire.Closed, OSError):
                return codes
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for codes in pool.map(one, range(64)):
            assert codes == [250] * 6 + [421]


# -- SMTP-24: DSN (RFC 3461) -----------------------------------------------------------------------


@pytest.fixture
def dsn(server, configured):
    """A session with DSN; Postern offers it where it is switched on."""
    own = configured(smtp={"dsn": True}, shared=True) if server.own else server
    with own.session() as session:
        own.extension(session, "DSN")
        session.account = own.account()
        yield session


@pytest.mark.parametrize("parameters, good", [
    ("RET=FULL", True), ("RET=HDRS", True), ("ret=full", True), ("RET=NONE", False), ("RET=", False),
    ("ENVID=QQ314159", True), ("ENVID=a+2Bb", True), ("RET=HDRS ENVID=x", True), ("ENVID=", False),
    ("ENVID=a+b", False), ("ENVID=a=b", False), ("RET=FULL RET=HDRS", False),
    ("ENVID=" + "x" * 100, True), ("ENVID=" + "x" * 101, False), ("ENVID=a ENVID=b", False),
])
def test_smtp_24_dsn_parameters_of_mail(parameters, good, dsn):
    reply = dsn.command(f"MAIL FROM:<{SENDER}> {parameters}")
    assert reply.code == 250 if good else reply.code in (501, 555), reply


@pytest.mark.parametrize("parameters, good", [
    ("NOTIFY=NEVER", True), ("NOTIFY=SUCCESS", True), ("NOTIFY=SUCCESS,FAILURE,DELAY", True),
    ("notify=failure,delay", True), ("NOTIFY=NEVER,SUCCESS", False), ("NOTIFY=", False),
    ("NOTIFY=SOMETIMES", False), ("NOTIFY=SUCCESS,", False), ("NOTIFY=DELAY NOTIFY=DELAY", False),
    ("ORCPT=rfc822;a@b.example", True), ("ORCPT=utf-8;a@b.example", True),
    ("ORCPT=rfc822;a+2Bb@c.example", True), ("ORCPT=a@b.example", False), ("ORCPT=", False),
    ("ORCPT=rfc822;a+b@c.example", False), ("NOTIFY=FAILURE ORCPT=rfc822;x@y.example", True),
    ("ORCPT=rfc822;" + "x" * 480 + "@y.example", True),
])
def test_smtp_24_dsn_parameters_of_rcpt(parameters, good, dsn):
    dsn.must(250, f"MAIL FROM:<{SENDER}>")
    reply = dsn.command(f"RCPT TO:<{dsn.account.name}> {parameters}")
    assert reply.code == 250 if good else reply.code in (501, 555), reply


# -- SMTP-24: submission (RFC 6409) ----------------------------------------------------------------


def test_smtp_24_submission_adds_date_and_message_id_where_they_are_missing(server, account):
    token, mail = server.message(account.name)
    bare = b"From: <" + account.name.encode() + b">\r\nX-Token: " + token.encode() + b"\r\n\r\ntext\r\n"
    with server.session("submissions", login=account) as session:
        assert session.send_mail(account.name, [account.name], bare).code == 250
        assert session.send_mail(account.name, [account.name], mail).code == 250
    for stored in server.stored(account, token, 2):
        head = stored.partition(b"\r\n\r\n")[0] + b"\r\n"
        assert len(re.findall(rb"(?mi)^Date: [^\r]+\r$", head)) == 1, head
        assert len(re.findall(rb"(?mi)^Message-ID: <[^@>]+@[^>]+>\r$", head)) == 1, head


def test_smtp_24_submission_wants_a_sender_of_ones_own(server, account):
    other = server.account() if server.own else None
    with server.session("submissions", login=account) as session:
        session.must(250, f"MAIL FROM:<{account.name}>")
        session.must(250, "RSET")
        if other is None:
            pytest.skip("a second account is not known here")
        expect(session.command(f"MAIL FROM:<{other.name}>"), 550, "5.7.1")


def test_smtp_24_submission_takes_mail_for_other_domains(server, account):
    with server.session("submissions", login=account) as session:
        session.must(250, f"MAIL FROM:<{account.name}>")
        session.must(250, "RCPT TO:<someone@far-away.example>")


# -- SMTP-21 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["jörg@b.example", "ελληνικά@παράδειγμα.example", "用户@例子.example",
                                  '"dé jà"@b.example', "a@bücher.example"])
def test_smtp_21_internationalised_reverse_paths(path, session, server):
    server.extension(session, "SMTPUTF8")
    session.must(250, f"MAIL FROM:<{path}> SMTPUTF8")


@pytest.mark.parametrize("path", ["jörg@b.example", "a@bücher.example"])
def test_smtp_21_without_the_parameter_they_are_refused(path, session, server):
    server.extension(session, "SMTPUTF8")
    refused(session.command(f"MAIL FROM:<{path}>"), (501, 550, 553))
    session.must(250, f"MAIL FROM:<{SENDER}>")
    refused(session.command(f"RCPT TO:<{path}>"), (501, 550, 553))


def test_smtp_21_the_parameter_has_no_value(session, server):
    server.extension(session, "SMTPUTF8")
    refused(session.command(f"MAIL FROM:<{SENDER}> SMTPUTF8=1"), (501, 555))


@pytest.mark.parametrize("octets", [b"\xff@b.example", b"\xc3@b.example", b"\xc0\xaf@b.example",
                                    b"\xed\xa0\x80@b.example", b"a@\xf5\x80\x80\x80.example"])
def test_smtp_21_what_is_not_utf_8_is_refused(octets, session, server):
    server.extension(session, "SMTPUTF8")
    refused(session.command(b"MAIL FROM:<" + octets + b"> SMTPUTF8"), (500, 501, 550, 553))
    session.must(250, "NOOP")


def test_smtp_21_headers_in_utf_8_arrive_as_sent(server, account):
    token, mail = server.message(account.name, "Grüße\r\n".encode(),
                                 "Subject: Grüße aus Köln\r\nX-Who: Ελλάδα\r\n".encode())
    with server.session() as session:
        server.extension(session, "SMTPUTF8")
        session.must(250, f"MAIL FROM:<jörg@elsewhere.example> SMTPUTF8 BODY=8BITMIME")
        session.must(250, f"RCPT TO:<{account.name}>")
        session.must(354, "DATA")
        session.send(messages.dot_stuffed(mail))
        assert session.reply().code == 250
    stored = server.stored(account, token)[0]
    assert content(stored) == mail
    assert re.match("Return-Path: <jörg@elsewhere.example>".encode(), stored, re.I)


@pytest.mark.parametrize("local", ["grüße", "ελληνικά", "用户"])
def test_smtp_21_an_internationalised_mailbox_gets_its_mail(local, server):
    if not server.own:
        pytest.skip("the account is given by the command line")
    from harness.server import PASSWORD
    name = server.postern.add_user(f"{local}-{server.message('x')[0][:6]}")
    account = type("Account", (), {"name": name, "password": PASSWORD})
    token, mail = server.message("x@elsewhere.example")
    with server.session() as session:
        session.must(250, f"MAIL FROM:<{SENDER}> SMTPUTF8")
        session.must(250, f"RCPT TO:<{name}>")
        session.must(354, "DATA")
        session.send(mail + b".\r\n")
        assert session.reply().code == 250
    server.stored(account, token)


def test_smtp_21_vrfy_and_expn_may_be_asked_in_utf_8(session, server):
    """RFC 6531 3.7.4.2."""
    server.extension(session, "SMTPUTF8")
    refused(session.command("VRFY jörg SMTPUTF8"), (250, 251, 252, 502, 550, 553))
