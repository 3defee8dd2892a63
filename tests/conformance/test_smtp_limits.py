"""SMTP-06 to SMTP-12, without the rates: each limit at exactly its value, at exactly its moment."""

import concurrent.futures

import pytest

from conformance.target import expect
from harness import messages, wire

SENDER = "stranger@elsewhere.example"

DATA, BDAT = "DATA", "BDAT"


def submit(session, recipient, mail, how, parameters=""):
    """One mail by DATA or by BDAT in two chunks; returns the reply to its end."""
    session.must(250, f"MAIL FROM:<{SENDER}>{parameters}")
    session.must(250, f"RCPT TO:<{recipient}>")
    if how == DATA:
        session.must(354, "DATA")
        session.send(messages.dot_stuffed(mail))
        return session.reply()
    half = len(mail) // 2
    session.send(b"BDAT %d\r\n" % half + mail[:half])
    first = session.reply()
    session.send(b"BDAT %d LAST\r\n" % (len(mail) - half) + mail[half:])
    last = session.reply()
    # A limit that is passed already may be told at once; it must be told at LAST.
    assert first.code in (250, last.code), (first, last)
    return last


def able(server, how):
    session = server.session()
    if how == BDAT:
        server.extension(session, "CHUNKING")
    return session


def hop(number, by="relay.example"):
    return (f"Received: from h{number}.example by {by} with ESMTP id {number};\r\n"
            f"\tMon, 03 Feb 2025 10:00:{number % 60:02} +0000\r\n").encode()


# -- SMTP-06, SMTP-07 ------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [DATA, BDAT])
@pytest.mark.parametrize("value", [None, 1, 5, 500])
def test_smtp_06_22_received_fields_up_to_the_limit(value, how, with_limit):
    server, limit = with_limit("hops", value)
    account = server.account()
    for count, allowed in ((limit, True), (limit + 1, False), (0, True)):
        token, mail = server.message(account.name)
        mail = b"".join(hop(number) for number in range(count)) + mail
        with able(server, how) as session:
            reply = submit(session, account.name, mail, how)
            if allowed:
                assert reply.code == 250, (count, reply)
                server.stored(account, token)
            else:
                expect(reply, 554, "5.4.6")
                session.must(250, "NOOP")
                server.stored(account, token, 0)


def test_smtp_06_only_received_fields_of_the_header_count(with_limit):
    server, limit = with_limit("hops", 3)
    account = server.account()
    body = b"".join(hop(number) for number in range(10))
    with server.session() as session:
        for count, code in ((limit, 250), (limit + 1, 554)):
            mail = b"".join(hop(n) for n in range(count)) + server.message(account.name, body)[1]
            assert submit(session, account.name, mail, DATA).code == code
        mail = (b"X-Received: a\r\nReceived-SPF: pass\r\n" * 10 + b"rEcEiVeD: from x by y; now\r\n" * limit
                + server.message(account.name)[1])
        assert submit(session, account.name, mail, DATA).code == 250
        mail = b"received \t: from x by y; now\r\n" * (limit + 1) + server.message(account.name)[1]
        assert submit(session, account.name, mail, DATA).code == 554


@pytest.mark.parametrize("how", [DATA, BDAT])
@pytest.mark.parametrize("value", [None, 1, 3, 50])
def test_smtp_07_22_received_here_before_up_to_the_limit(value, how, with_limit):
    server, limit = with_limit("local_hops", value, **({"hops_max": 500} if value else {}))
    if server.hostname is None:
        pytest.skip("the server's name in its Received fields is not known")
    account = server.account()
    # Through the server again and again, as a loop does: its own fields count, whoever reads them.
    token, mail = server.message(account.name)
    ours = None
    for turn in range(limit + 2):
        with able(server, how) as session:
            reply = submit(session, account.name, (ours or b"") * turn + mail, how)
        if turn <= limit:
            assert reply.code == 250, (turn, reply)
            if ours is None:
                (stored,) = server.stored(account, token)
                ours = stored[stored.index(b"Received:"):stored.index(b"Date:")]
        else:
            assert reply.code == 554 and reply.text.startswith("5.4.6"), (turn, reply)


def test_smtp_07_zero_switches_it_off(configured):
    server = configured(smtp={"local_hops_max": 0, "hops_max": 500})
    account = server.account()
    mail = (b"".join(hop(n, server.hostname) for n in range(400)) + server.message(account.name)[1])
    with server.session() as session:
        assert submit(session, account.name, mail, DATA).code == 250


# -- SMTP-08 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, 1, 2, 7])
def test_smtp_08_a_recipient_too_many_is_452_and_the_others_stand(value, with_limit):
    server, limit = with_limit("recipients", value)
    account = server.account()
    recipients = server.recipients(limit)
    token, mail = server.message(account.name)
    with server.session() as session:
        session.must(250, f"MAIL FROM:<{SENDER}>")
        for recipient in recipients:
            session.must(250, f"RCPT TO:<{recipient}>")
        for _ in range(3):
            expect(session.command(f"RCPT TO:<{account.name}>"), 452, "4.5.3")
        session.must(354, "DATA")
        session.send(mail + b".\r\n")
        assert session.reply().code == 250
        # The next transaction counts from nothing.
        session.must(250, f"MAIL FROM:<{SENDER}>")
        for recipient in recipients:
            session.must(250, f"RCPT TO:<{recipient}>")
        expect(session.command(f"RCPT TO:<{account.name}>"), 452, "4.5.3")


def test_smtp_08_refused_recipients_do_not_count(with_limit):
    server, limit = with_limit("recipients", 2)
    account = server.account()
    with server.session() as session:
        session.must(250, f"MAIL FROM:<{SENDER}>")
        for _ in range(4):
            assert session.command(f"RCPT TO:<nobody-at-all-here@{server.domain}>").code == 550
        for _ in range(limit):
            session.must(250, f"RCPT TO:<{account.name}>")
        expect(session.command(f"RCPT TO:<{account.name}>"), 452, "4.5.3")


def test_smtp_08_exact_on_every_core_at_once(configured):
    server = configured(smtp={"recipients_max": 5}, settings={"runtime": {"cores": 4}})
    account = server.account()

    def one(_):
        with server.session() as session:
            session.must(250, f"MAIL FROM:<{SENDER}>")
            return [session.command(f"RCPT TO:<{account.name}>").code for _ in range(8)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for codes in pool.map(one, range(64)):
            assert codes == [250] * 5 + [452] * 3


# -- SMTP-10, SMTP-11 ------------------------------------------------------------------------------


def with_header_of(server, recipient, octets):
    """A mail whose header block, its empty line not counted, has exactly that many octets."""
    token, mail = server.message(recipient)
    head, _, text = mail.partition(b"\r\n\r\n")
    head += b"\r\n"
    name = b"X-Fill: "
    while len(head) < octets:
        room = min(octets - len(head), 900)
        if octets - len(head) - room < 20 and octets - len(head) != room:
            room -= 40
        head += name + b"f" * (room - len(name) - 2) + b"\r\n"
    assert len(head) == octets
    return token, head + b"\r\n" + text


@pytest.mark.parametrize("how", [DATA, BDAT])
@pytest.mark.parametrize("value", [None, 1024, 5000])
def test_smtp_10_22_header_up_to_the_limit(value, how, with_limit):
    """The block's empty line may count or not: two octets of tolerance in the definition, none in the tests."""
    server, limit = with_limit("header", value)
    account = server.account()
    results = {}
    for octets in (limit - 2, limit - 1, limit, limit + 1):
        token, mail = with_header_of(server, account.name, octets)
        with able(server, how) as session:
            reply = submit(session, account.name, mail, how)
            results[octets] = reply.code
            if reply.code != 250:
                expect(reply, 552, "5.3.4")
                session.must(250, "NOOP")
                server.stored(account, token, 0)
    assert results[limit - 2] == 250 and results[limit + 1] == 552, results
    # Once over, always over.
    assert sorted(results.values()) == list(results.values()), results


def sized(server, recipient, octets):
    token, mail = server.message(recipient, b"")
    line = b"0123456789abcdef" * 4 + b"\r\n"
    mail += line * ((octets - len(mail) - 100) // len(line))
    rest = octets - len(mail)
    mail += b"z" * (rest - 2) + b"\r\n"
    assert len(mail) == octets
    return token, mail


@pytest.mark.parametrize("how", [DATA, BDAT])
@pytest.mark.parametrize("value", [None, 2048, 100_000])
def test_smtp_11_22_message_up_to_the_limit(value, how, with_limit):
    server, limit = with_limit("size", value)
    account = server.account()
    for octets, allowed in ((limit, True), (limit + 1, False)):
        token, mail = sized(server, account.name, octets)
        with able(server, how) as session:
            reply = submit(session, account.name, mail, how)
            if allowed:
                assert reply.code == 250, reply
                server.stored(account, token)
            else:
                expect(reply, 552, "5.3.4")
                session.must(250, "NOOP")
                server.stored(account, token, 0)


def test_smtp_11_dots_that_stuffing_added_do_not_count(with_limit):
    server, limit = with_limit("size", 4000)
    account = server.account()
    token, mail = server.message(account.name, b"")
    mail += b".\r\n" * ((limit - len(mail)) // 3)
    mail += b"." * (limit - len(mail) - 2) + b"\r\n" if limit - len(mail) > 2 else b""
    with server.session() as session:
        assert submit(session, account.name, mail, DATA).code == 250


@pytest.mark.parametrize("value", [None, 2048])
def test_smtp_11_24_size_parameter_above_the_limit_is_refused_at_mail(value, with_limit):
    server, limit = with_limit("size", value)
    with server.session() as session:
        assert int(server.extension(session, "SIZE") or 0) in (0, limit)
        session.must(250, f"MAIL FROM:<{SENDER}> SIZE={limit}")
        session.must(250, "RSET")
        expect(session.command(f"MAIL FROM:<{SENDER}> SIZE={limit + 1}"), 552, "5.3.4")
        expect(session.command(f"MAIL FROM:<{SENDER}> SIZE=99999999999999999999"), 552, "5.3.4")
        session.must(250, f"MAIL FROM:<{SENDER}> SIZE=0")


def test_smtp_11_an_endless_message_costs_no_memory(configured):
    server = configured(smtp={"message_octets_max": 1 << 20})
    account = server.account()
    before = server.postern["gateway"].resident_octets()
    with server.session() as session:
        session.transaction(SENDER, [account.name])
        line = b"0123456789abcde\r\n" * (1 << 12)
        for _ in range((64 << 20) // len(line)):
            session.send(line)
        session.send(b".\r\n")
        expect(session.reply(), 552, "5.3.4")
        session.must(250, "NOOP")
    assert server.postern["gateway"].resident_octets() - before < 32 << 20


# -- SMTP-12 ---------------------------------------------------------------------------------------


def provoke(session, command, count):
    """The codes of `count` answers; stops when the server closes."""
    replies = []
    try:
        for _ in range(count):
            replies.append(session.command(command))
    except (wire.Closed, OSError):
        pass
    return replies


@pytest.mark.parametrize("value", [None, 1, 2, 12])
def test_smtp_12_protocol_errors_up_to_the_limit(value, with_limit):
    server, limit = with_limit("protocol_errors", value)
    with server.session() as session:
        replies = provoke(session, "NO-SUCH-COMMAND", limit + 3)
        assert [reply.code for reply in replies[:limit]] == [500] * limit, replies
        assert len(replies) == limit + 1, replies
        expect(replies[-1], 421, "4.7.0")
        session.expect_closed()


@pytest.mark.parametrize("command", ["NO-SUCH", "MAIL FROM:broken", "EHLO", "RCPT TO:<a@b.example>",
                                     "DATA", "STARTTLS now"])
def test_smtp_12_every_kind_of_error_counts(command, with_limit):
    server, limit = with_limit("protocol_errors", 3)
    with server.session() as session:
        replies = provoke(session, command, limit + 1)
        assert all(500 <= reply.code < 600 for reply in replies[:limit]), replies
        assert replies[limit].code == 421, replies


def test_smtp_12_good_commands_between_do_not_help_and_do_not_hurt(with_limit):
    server, limit = with_limit("protocol_errors", 3)
    with server.session() as session:
        for _ in range(limit):
            session.must(500, "NO-SUCH")
            for _ in range(5):
                session.must(250, "NOOP")
        expect(session.command("NO-SUCH"), 421, "4.7.0")


def test_smtp_12_pipelined_errors_end_exactly_there(with_limit):
    server, limit = with_limit("protocol_errors", 4)
    with server.session() as session:
        session.send(b"NO-SUCH\r\n" * 20)
        codes = []
        try:
            while True:
                codes.append(session.reply().code)
        except (wire.Closed, OSError):
            pass
        assert codes == [500] * limit + [421], codes


def test_smtp_12_zero_protocol_errors_means_no_limit(configured):
    server = configured(smtp={"protocol_errors_max": 0})
    with server.session() as session:
        assert len(provoke(session, "NO-SUCH", 60)) == 60


@pytest.mark.parametrize("value", [None, 1, 5])
def test_smtp_12_failed_logins_up_to_the_limit(value, with_limit):
    server, limit = with_limit("logon_failures", value)
    account = server.account()
    wrong = b"AUTH PLAIN " + wire.plain_response(account.name, "not this")
    with server.session("submissions") as session:
        replies = provoke(session, wrong, limit + 2)
        assert [reply.code for reply in replies[:limit]] == [535] * limit, replies
        assert len(replies) == limit + 1, replies
        expect(replies[-1], 421, "4.7.0")
        session.expect_closed()


def test_smtp_12_zero_failed_logins_means_no_limit(configured):
    server = configured(smtp={"logon_failures_max": 0, "protocol_errors_max": 3})
    account = server.account()
    wrong = b"AUTH PLAIN " + wire.plain_response(account.name, "not this")
    with server.session("submissions") as session:
        assert [reply.code for reply in provoke(session, wrong, 8)] == [535] * 8
        assert session.auth_plain(account.name, account.password).code == 235


def test_smtp_12_sessions_count_for_themselves(configured):
    server = configured(smtp={"protocol_errors_max": 2}, settings={"runtime": {"cores": 4}})

    def one(_):
        with server.session() as session:
            return [reply.code for reply in provoke(session, "NO-SUCH", 5)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for codes in pool.map(one, range(64)):
            assert codes == [500, 500, 421]


