"""Limits of one session and of one message: their metrics, and what the conformance suite does not show of them."""

import time

from harness import messages, wire
from harness.server import HOSTNAME, PASSWORD
from harness.waiting import scaled, wait_until

SENDER = "stranger@elsewhere.example"

# What a busy machine may add to a timer. Nothing may take away from it.
LATE_S = 3


def begin(server, kind="relay", user=None, source=None):
    """A connection that has said EHLO, and AUTH when there is a user."""
    session = wire.Smtp(getattr(server.ports, kind), source=source)
    session.keywords = session.ehlo()
    if user:
        assert session.auth_plain(user, PASSWORD).code == 235
    return session


def refused_with(reply, code, status):
    assert reply.code == code and reply.text.startswith(status + " "), reply


# -- MAIL commands of a session (RFC 9422) ---------------------------------------------------------


def test_transactions_of_a_session_trip_at_their_value(gateway, at_once):
    server = gateway({"transactions_max": 3, "tarpit_delay": 5})
    user = server.add_user()

    def one(number):
        with begin(server, source=f"127.0.0.{2 + number % 5}") as session:
            assert session.keywords["LIMITS"].split()[0] == "MAILMAX=3"
            for mail in range(3):
                octets = messages.plain(f"{number} {mail}", SENDER, [user])
                assert session.send_mail(SENDER, [user], octets).code == 250
            session.must(250, "NOOP")
            refused_with(session.command(f"MAIL FROM:<{SENDER}>"), 421, "4.7.0")
            session.expect_closed()

    at_once(12, one)
    at_once(12, one)
    assert server.metric("postern_smtp_limit_exceeded_total", limit="transactions_max") == 24
    assert server.metric("postern_smtp_messages_total", outcome="accepted") == 72
    # Nobody waited, also who came back: whoever runs into this limit did nothing wrong.
    assert server.metric("postern_smtp_tarpit_total", reply="error") == 0
    assert server.metric("postern_smtp_tarpit_total", reply="greeting") == 0
    wait_until(lambda: server.log_text("gateway").count("reason=transactions") == 24, 10, "the log says why")


def test_transactions_that_are_refused_count_and_starttls_forgets_none(gateway):
    server = gateway({"transactions_max": 4})
    with wire.Smtp(server.ports.submission) as session:
        assert session.command(f"MAIL FROM:<{SENDER}>").code == 503, "before EHLO"
        assert "MAILMAX=4" in session.ehlo()["LIMITS"].split()
        assert session.command(f"MAIL FROM:<{SENDER}>").code == 530, "before AUTH"
        session.starttls(server.authority.context())
        assert "MAILMAX=4" in session.ehlo()["LIMITS"].split()
        assert session.auth_plain(server.add_user("joe"), PASSWORD).code == 235
        assert session.command(f"MAIL FROM:<{SENDER}>").code == 550, "somebody else's address"
        session.must(250, "MAIL FROM:<joe@postern.test>")
        refused_with(session.command("MAIL FROM:<joe@postern.test>"), 421, "4.7.0")
        session.expect_closed()


# -- a counter for each ----------------------------------------------------------------------------


def test_each_limit_is_counted_once_by_its_name(gateway):
    server = gateway({"message_octets_max": 100_000, "header_octets_max": 10_000, "recipients_max": 1, "hops_max": 3,
                      "local_hops_max": 1, "protocol_errors_max": 1, "logon_failures_max": 1,
                      "transactions_max": 20, "inactivity_timeout": 3, "connection_timeout": 8})
    user = server.add_user()
    names = ("message_octets_max", "header_octets_max", "recipients_max", "hops_max", "local_hops_max",
             "protocol_errors_max", "logon_failures_max", "transactions_max", "inactivity_timeout",
             "connection_timeout")
    counts = dict.fromkeys(names, 0)

    def tripped(name, times=1):
        counts[name] += times
        seen = {each: server.metric("postern_smtp_limit_exceeded_total", limit=each) for each in names}
        assert seen == counts

    hop = b"Received: from a.example by %s with ESMTP id 1; Mon, 03 Feb 2025 10:11:12 +0100\r\n"
    mail = messages.plain(1, SENDER, [user])
    with begin(server) as session:
        assert session.command(f"MAIL FROM:<{SENDER}> SIZE=100001").code == 552
        tripped("message_octets_max")
        assert session.send_mail(SENDER, [user], messages.of_size(2, SENDER, [user], 100_001)).code == 552
        tripped("message_octets_max")
        assert session.send_mail(SENDER, [user], b"X-Fill: %s\r\n" % (b"f" * 900) * 12 + mail).code == 552
        tripped("header_octets_max")
        assert session.send_mail(SENDER, [user], hop % b"b.example" * 4 + mail).code == 554
        tripped("hops_max")
        assert session.send_mail(SENDER, [user], hop % HOSTNAME.encode() * 2 + mail).code == 554
        tripped("local_hops_max")
        session.must(250, f"MAIL FROM:<{SENDER}>")
        session.must(250, f"RCPT TO:<{user}>")
        assert [session.command(f"RCPT TO:<{user}>").code for _ in range(2)] == [452, 452]
        tripped("recipients_max", 2)
    with begin(server) as session:
        assert [session.command("NO-SUCH").code for _ in range(2)] == [500, 421]
        tripped("protocol_errors_max")
    with begin(server, "submission_plain") as session:
        assert [session.auth_plain(user, "wrong").code for _ in range(2)] == [535, 421]
        tripped("logon_failures_max")
    with begin(server) as session:
        for _ in range(20):
            session.must(250, f"MAIL FROM:<{SENDER}>")
            session.must(250, "RSET")
        assert session.command(f"MAIL FROM:<{SENDER}>").code == 421
        tripped("transactions_max")
    with begin(server) as session:
        assert session.reply().code == 421
        session.expect_closed()
        tripped("inactivity_timeout")
    started = time.monotonic()
    with begin(server) as session:
        while (reply := session.command("NOOP")).code == 250:
            time.sleep(0.2)
        assert reply.code == 421 and time.monotonic() - started >= 8
        tripped("connection_timeout")


# -- the pace of a message -------------------------------------------------------------------------


def open_message(server, user):
    session = begin(server)
    session.must(250, f"MAIL FROM:<{SENDER}>")
    session.must(250, f"RCPT TO:<{user}>")
    sent = time.monotonic()
    session.must(354, "DATA")
    return session, sent


def test_pace_of_a_message_to_the_octet(gateway):
    """100 octets a second over 2 s: 200 octets are enough, 199 are not."""
    server = gateway({"data_octets_per_second_min": 100, "data_rate_grace": 2}, cores=2)
    user = server.add_user()
    for octets, windows in ((199, 1), (200, 2)):
        session, sent = open_message(server, user)
        with session:
            session.send(b"Subject: pace\r\n\r\n".ljust(octets, b"x"))
            reply = session.reply()
            elapsed = time.monotonic() - sent
            refused_with(reply, 421, "4.4.2")
            # In the second window nothing came, so that is where the one with enough in the first ends.
            assert 2 * windows <= elapsed < 2 * windows + scaled(LATE_S), (octets, elapsed)
            session.expect_closed()
    assert server.metric("postern_smtp_slow_messages_total") == 2


def test_greeting_delay_to_the_moment(gateway, at_once):
    server = gateway({"greeting_delay": 2})

    def one(number):
        source = f"127.0.0.{2 + number}"
        started = time.monotonic()
        with wire.Smtp(server.ports.relay, source=source) as session:
            elapsed = time.monotonic() - started
            assert session.greeting.code == 220
            assert 2 <= elapsed < 2 + scaled(LATE_S), elapsed
            # From now on talking is what a client is to do.
            session.ehlo()

    at_once(20, one)
    assert server.metric("postern_smtp_early_talkers_total") == 0


# -- messages that are sent again ------------------------------------------------------------------


def test_a_repeated_message_is_remembered_for_its_time_and_no_longer(gateway):
    window_s = int(scaled(4))
    server = gateway({"duplicate_window": window_s})
    user = server.add_user()
    mail = messages.plain(1, user, [user])

    def send():
        with begin(server, "submission_plain", user=user) as session:
            reply = session.send_mail(user, [user], mail)
            assert reply.code == 250, reply
            return reply.text.split()[1]

    started = time.monotonic()
    first = send()
    stored = time.monotonic()
    again = send()
    # Unless the machine was so slow that the time was over.
    assert again == first or time.monotonic() - started >= window_s
    assert server.metric("postern_smtp_messages_total", outcome="repeated") == (again == first)
    time.sleep(max(0.0, stored + window_s - time.monotonic()))
    if again == first:
        assert send() != first, "a repetition does not make the memory longer"
