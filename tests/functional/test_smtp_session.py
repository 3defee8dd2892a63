"""The SMTP session over a real socket: greeting, extensions, order of commands, limits, ends."""

import base64
import time

import pytest

from harness import messages, wire
from harness.load import strip_trace
from harness.server import HOSTNAME, PASSWORD

SENDER = "stranger@elsewhere.example"


def test_greeting_and_extensions(postern):
    with wire.Smtp(postern.ports.relay) as session:
        assert session.greeting.code == 220
        assert session.greeting.text.split()[0] == HOSTNAME
        keywords = session.ehlo()
        for keyword in ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "STARTTLS"):
            assert keyword in keywords, keywords
        assert int(keywords["SIZE"]) == 48 * messages.MIB
        assert "AUTH" not in keywords, "a relay listener offers no AUTH by default"


def test_submission_offers_auth_only_under_tls(postern):
    with wire.Smtp(postern.ports.submission) as session:
        keywords = session.ehlo()
        assert "AUTH" not in keywords and "STARTTLS" in keywords
        session.starttls(postern.authority.context())
        keywords = session.ehlo()
        assert set(keywords["AUTH"].split()) >= {"PLAIN", "LOGIN"}
        assert "STARTTLS" not in keywords
    with wire.open_smtp(postern, "submissions") as session:
        assert "PLAIN" in session.ehlo()["AUTH"].split()


def test_auth_without_tls_is_refused(postern, account):
    with wire.Smtp(postern.ports.submission) as session:
        session.ehlo()
        reply = session.auth_plain(account.name, account.password)
        assert reply.code in (530, 538), reply


def test_helo_works_without_extensions(postern, account):
    with wire.Smtp(postern.ports.relay) as session:
        reply = session.must(250, "HELO old.example")
        assert len(reply.lines) == 1
        mail = messages.plain(1, SENDER, [account.name])
        assert session.send_mail(SENDER, [account.name], mail).code == 250
    (octets,) = wire.read_all_pop3(postern, account.name, account.password).values()
    assert b" with SMTP " in octets.split(b"\r\nDate:")[0].replace(b"\r\n", b" ")


def test_order_of_commands(postern, account):
    with wire.Smtp(postern.ports.relay) as session:
        assert session.command(f"RCPT TO:<{account.name}>").code == 503
        session.ehlo()
        assert session.command("DATA").code == 503
        session.must(250, f"MAIL FROM:<{SENDER}>")
        assert session.command(f"MAIL FROM:<{SENDER}>").code == 503
    with wire.open_smtp(postern) as session:
        session.must(250, f"MAIL FROM:<{SENDER}>")
        assert session.command("DATA").code in (503, 554)
        session.must(250, f"RCPT TO:<{account.name}>")
        session.must(250, "RSET")
        assert session.command(f"RCPT TO:<{account.name}>").code == 503
        session.must(250, "NOOP")
        session.must(250, "NOOP with an argument")
        assert session.command("HELP").code == 214
        assert session.command(f"VRFY {account.name}").code in (250, 252)
        session.must(221, "QUIT")
        session.expect_closed()
    assert wire.read_all_pop3(postern, account.name, account.password) == {}


def test_unknown_and_malformed_commands(postern):
    for line, codes in (("XYZZY", (500, 502)), ("MAIL FRUM:<a@b.example>", (501,)),
                        ("MAIL FROM:a b c", (501, 553)), ("MAIL FROM:<a@b.example> NO=SUCH", (555,)),
                        ("EHLO", (501,)), ("STARTTLS now", (501,)),
                        ("MAIL FROM:<a@b.example> SIZE=abc", (501, 555))):
        with wire.open_smtp(postern) as session:
            reply = session.command(line)
            assert reply.code in codes, (line, reply)
            session.must(250, "NOOP")


def test_commands_are_case_insensitive_and_replies_carry_enhanced_codes(postern, account):
    with wire.open_smtp(postern) as session:
        for line, code in ((f"mail from:<{SENDER}>", 250), (f"RcPt tO:<{account.name}>", 250),
                           ("rset", 250), ("noop", 250), ("nonsense", 500), ("quit", 221)):
            reply = session.command(line)
            assert reply.code // 100 == code // 100, (line, reply)
            assert reply.text.startswith(f"{code // 100}."), f"no enhanced status code: {reply}"


@pytest.mark.parametrize("mechanism", ("PLAIN", "PLAIN-late", "LOGIN", "LOGIN-initial"))
@pytest.mark.parametrize("good", (True, False))
def test_auth(mechanism, good, postern, account):
    password = account.password if good else account.password + "x"
    encode = lambda text: base64.b64encode(text.encode()).decode()  # noqa: E731
    with wire.open_smtp(postern, "submissions") as session:
        if mechanism == "PLAIN":
            reply = session.auth_plain(account.name, password)
        elif mechanism == "PLAIN-late":
            session.must(334, "AUTH PLAIN")
            reply = session.command(wire.plain_response(account.name, password))
        else:
            if mechanism == "LOGIN":
                assert base64.b64decode(session.must(334, "AUTH LOGIN").text).lower().startswith(b"user")
                reply = session.command(encode(account.name))
            else:
                reply = session.command(f"AUTH LOGIN {encode(account.name)}")
            assert reply.code == 334 and base64.b64decode(reply.text).lower().startswith(b"pass"), reply
            reply = session.command(encode(password))
        if good:
            assert reply.code == 235 and reply.text.startswith("2.7.0"), reply
            assert session.command("AUTH PLAIN").code == 503
            session.must(250, f"MAIL FROM:<{account.name}>")
        else:
            assert reply.code == 535 and reply.text.startswith("5.7.8"), reply
            assert session.command(f"MAIL FROM:<{account.name}>").code == 530


def test_auth_of_unknown_user_looks_like_a_wrong_password(postern, account):
    replies = []
    for name in (account.name, "nobody-of-that-name@postern.test", "nobody@elsewhere.example", "x"):
        with wire.open_smtp(postern, "submissions") as session:
            reply = session.auth_plain(name, "wrong")
            replies.append((reply.code, reply.text))
    assert len(set(replies)) == 1 and replies[0][0] == 535, replies


def test_auth_can_be_cancelled_and_survives_nonsense(postern, account):
    with wire.open_smtp(postern, "submissions") as session:
        session.must(334, "AUTH PLAIN")
        session.must(501, "*")
        assert session.command("AUTH PLAIN !!!not-base64!!!").code == 501
        assert session.command("AUTH NOSUCH").code == 504
        assert session.auth_plain(account.name, account.password).code == 235


def test_too_many_failed_logins_end_the_session(postern, account):
    """SMTP-12: default 3."""
    with wire.open_smtp(postern, "submissions") as session:
        codes = []
        try:
            for _ in range(8):
                codes.append(session.auth_plain(account.name, "wrong").code)
        except wire.Closed:
            pass
        assert codes[:3] == [535, 535, 535][:len(codes[:3])] or 421 in codes[:4], codes
        assert 421 in codes and len(codes) <= 5, codes
        session.expect_closed()


def test_changed_password_counts_at_once(postern, account):
    with wire.open_smtp(postern, "submissions", account.name, account.password):
        pass  # the success is now remembered
    secret = postern.folder + "/new-password"
    with open(secret, "w", encoding="ascii") as file:
        file.write("another password\n")
    postern.cli("user", "passwd", account.name, "--password-file", secret)
    with wire.open_smtp(postern, "submissions") as session:
        assert session.auth_plain(account.name, account.password).code == 535
        assert session.auth_plain(account.name, "another password").code == 235
    with wire.Pop3(postern.ports.pop3_plain) as session:
        assert session.login(account.name, account.password).startswith(b"-ERR")
    wire.open_imap(postern, account.name, "another password").close()


def test_pipelining_answers_in_order(postern, account):
    mails = [messages.plain(number, SENDER, [account.name]) for number in range(3)]
    with wire.open_smtp(postern) as session:
        rcpt = b"RCPT TO:<" + account.name.encode() + b">\r\n"
        session.send(b"MAIL FROM:<" + SENDER.encode() + b">\r\n" + rcpt
                     + b"RCPT TO:<nobody-of-that-name@postern.test>\r\n" + rcpt + b"DATA\r\n")
        assert [session.reply().code for _ in range(5)] == [250, 250, 550, 250, 354]
        # The next transaction is in the same segment as the mail's end; DATA ends its group (RFC 2920 3.1).
        for mail in mails[:-1]:
            session.send(messages.dot_stuffed(mail) + b"MAIL FROM:<" + SENDER.encode() + b">\r\n" + rcpt
                         + b"DATA\r\n")
            assert [session.reply().code for _ in range(4)] == [250, 250, 250, 354]
        session.send(messages.dot_stuffed(mails[-1]) + b"QUIT\r\n")
        assert [session.reply().code for _ in range(2)] == [250, 221]
    stored = wire.read_all_imap(postern, account.name, account.password)
    assert [strip_trace(octets) for octets in stored.values()] == mails


def test_second_ehlo_ends_the_transaction(postern, account):
    with wire.open_smtp(postern) as session:
        session.must(250, f"MAIL FROM:<{SENDER}>")
        session.must(250, f"RCPT TO:<{account.name}>")
        session.ehlo()
        assert session.command("DATA").code == 503


# -- limits --------------------------------------------------------------------------------------


@pytest.fixture
def limited(running_postern):
    postern, (account,) = running_postern(smtp_limits={
        "message_octets_max": 100_000, "header_octets_max": 10_000, "recipients_max": 3,
        "hops_max": 4, "local_hops_max": 2, "protocol_errors_max": 3, "inactivity_timeout": 2})
    return postern, account


def test_message_size_limit(limited):
    """SMTP-11: at MAIL FROM when SIZE says so, else at the end of DATA; the session goes on."""
    postern, account = limited
    with wire.open_smtp(postern) as session:
        assert session.ehlo()["SIZE"] == "100000"
        reply = session.command(f"MAIL FROM:<{SENDER}> SIZE=100001")
        assert reply.code == 552 and reply.text.startswith("5.3.4"), reply
        session.must(250, f"MAIL FROM:<{SENDER}> SIZE=100000")
        session.must(250, "RSET")
        for size in (100_001, 150_000, 3_000_000):
            mail = messages.of_size(size, SENDER, [account], size)
            reply = session.send_mail(SENDER, [account], mail)
            assert reply.code == 552 and reply.text.startswith("5.3.4"), (size, reply)
        mail = messages.of_size(1, SENDER, [account], 100_000)
        assert session.send_mail(SENDER, [account], mail).code == 250
    assert [strip_trace(octets) for octets in
            wire.read_all_pop3(postern, account, PASSWORD).values()] == [mail]


def test_default_message_size_limit_is_36_mib(running_postern):
    postern, (account,) = running_postern()
    with wire.open_smtp(postern) as session:
        assert session.ehlo()["SIZE"] == str(36 * messages.MIB)
        mail = messages.of_size(1, SENDER, [account], 36 * messages.MIB + 1)
        assert session.send_mail(SENDER, [account], mail).code == 552
        mail = messages.of_size(2, SENDER, [account], 36 * messages.MIB)
        assert session.send_mail(SENDER, [account], mail).code == 250
    (octets,) = wire.read_all_imap(postern, account, PASSWORD).values()
    assert strip_trace(octets) == mail


def test_header_size_limit(limited):
    postern, account = limited
    with wire.open_smtp(postern) as session:
        fat = b"".join(b"X-Fat-%d: %s\r\n" % (n, b"f" * 900) for n in range(12))
        mail = messages.plain(1, SENDER, [account])
        reply = session.send_mail(SENDER, [account], fat + mail)
        assert reply.code == 552 and reply.text.startswith("5.3.4"), reply
        assert session.send_mail(SENDER, [account], mail).code == 250
    assert len(wire.read_all_pop3(postern, account, PASSWORD)) == 1


def test_recipient_limit(limited):
    """SMTP-08: the earlier recipients stand."""
    postern, account = limited
    others = [postern.add_user() for _ in range(3)]
    with wire.open_smtp(postern) as session:
        session.must(250, f"MAIL FROM:<{SENDER}>")
        for recipient in (account, *others[:2]):
            session.must(250, f"RCPT TO:<{recipient}>")
        reply = session.command(f"RCPT TO:<{others[2]}>")
        assert reply.code == 452 and reply.text.startswith("4.5.3"), reply
        session.must(354, "DATA")
        session.send(messages.dot_stuffed(messages.plain(1, SENDER, [account])))
        assert session.reply().code == 250
    counts = [len(wire.read_all_pop3(postern, name, PASSWORD)) for name in (account, *others)]
    assert counts == [1, 1, 1, 0]


@pytest.mark.parametrize("field, at_limit", [
    (b"Received: from a.example by b.example with ESMTP id 1; Mon, 03 Feb 2025 10:11:12 +0100\r\n", 4),
    (b"Received: from a.example by " + HOSTNAME.encode()
     + b" with ESMTP id 1; Mon, 03 Feb 2025 10:11:12 +0100\r\n", 2)])
def test_hop_limits(field, at_limit, limited):
    """SMTP-06, SMTP-07: a mail that goes in circles is refused for good."""
    postern, account = limited
    mail = messages.plain(1, SENDER, [account])
    with wire.open_smtp(postern) as session:
        assert session.send_mail(SENDER, [account], field * at_limit + mail).code == 250
        reply = session.send_mail(SENDER, [account], field * (at_limit + 1) + mail)
        assert reply.code == 554 and reply.text.startswith("5.4.6"), reply
    assert len(wire.read_all_pop3(postern, account, PASSWORD)) == 1


def test_inactivity_ends_the_session_with_421(limited):
    """SMTP-05; also in the middle of DATA, and nothing of that mail is kept."""
    postern, account = limited
    with wire.open_smtp(postern) as idle, wire.open_smtp(postern) as in_data:
        in_data.transaction(SENDER, [account])
        in_data.send(b"Subject: never finished\r\n\r\ntext\r\n")
        begin = time.monotonic()
        assert idle.reply().code == 421
        assert time.monotonic() - begin > 1, "the timer went off early"
        idle.expect_closed()
        assert in_data.reply().code == 421
        in_data.expect_closed()
    assert wire.read_all_pop3(postern, account, PASSWORD) == {}


def test_connection_limit(running_postern):
    """SMTP-16: above the limit the greeting is 421 4.3.2; a place that becomes free can be used."""
    postern, _ = running_postern(smtp_limits={"connections_max": 4})
    sessions = [wire.open_smtp(postern) for _ in range(4)]
    with wire.Smtp(postern.ports.relay) as refused:
        assert refused.greeting.code == 421 and refused.greeting.text.startswith("4.3.2")
        refused.expect_closed()
    sessions.pop().command("QUIT")
    from harness.waiting import wait_until

    def welcome():
        with wire.Smtp(postern.ports.relay) as session:
            return session.greeting.code == 220

    wait_until(welcome, 10, "a freed connection can be used again")
    for session in sessions:
        session.close()
