"""Limits that all cores keep together, over sockets, with clients that come to all of them at one moment: exactly the
limit passes, the next one does not. There may be more cores than CPUs."""

import threading
import time

import pytest

from harness import messages, wire
from harness.server import PASSWORD
from harness.waiting import scaled, wait_until

SENDER = "stranger@elsewhere.example"


def begin(server, kind="relay", user=None, source=None):
    """A connection that has said EHLO, and AUTH when there is a user."""
    session = wire.Smtp(getattr(server.ports, kind), source=source)
    assert session.greeting.code == 220, session.greeting
    session.ehlo()
    if user:
        assert session.auth_plain(user, PASSWORD).code == 235
    return session


def refused_with(reply, code, status):
    assert reply.code == code and reply.text.startswith(status + " "), reply


# -- rates of an account ---------------------------------------------------------------------------


def test_messages_of_an_account(gateway, at_once):
    server = gateway({"identity_message_rate": "60/h"})
    user, other = server.add_user(), server.add_user()

    def one(_):
        with begin(server, "submission_plain", user=user) as session:
            for count in range(200):
                reply = session.command(f"MAIL FROM:<{user}>")
                if reply.code != 250:
                    refused_with(reply, 421, "4.4.2")
                    session.expect_closed()
                    return count
                session.must(250, "RSET")
            return 200

    counts = at_once(12, one)
    assert sum(counts) == 60, counts
    assert server.metric("postern_smtp_rate_exceeded_total", rate="identity_message") == 12
    with begin(server, "submission_plain", user=other) as session:
        session.must(250, f"MAIL FROM:<{other}>")


def test_recipients_of_an_account(gateway, at_once):
    server = gateway({"identity_recipient_rate": "50/h"})
    user, other = server.add_user(), server.add_user()
    sessions = [begin(server, "submission_plain", user=user) for _ in range(12)]

    def one(number):
        session = sessions[number]
        session.must(250, f"MAIL FROM:<{user}>")
        replies = [session.command(f"RCPT TO:<{other}>") for _ in range(10)]
        for reply in replies:
            assert reply.code == 250 or reply.text.startswith("4.7.1 "), reply
        return [reply.code for reply in replies]

    codes = sum(at_once(12, one), [])
    assert codes.count(250) == 50 and codes.count(452) == 70, codes
    for session in sessions:
        session.close()
    assert server.metric("postern_smtp_rate_exceeded_total", rate="identity_recipient") == 70


def test_octets_of_an_account_to_the_octet(gateway):
    server = gateway({"identity_octet_rate": "8KiB/h"}, cores=2)
    user = server.add_user()
    with begin(server, "submission_plain", user=user) as session:
        # One too many: told at the end, and it costs nothing.
        refused_with(session.send_mail(user, [user], messages.of_size(1, user, [user], 8193)), 452, "4.7.1")
        assert session.send_mail(user, [user], messages.of_size(2, user, [user], 8192 - 1500)).code == 250
        refused_with(session.send_mail(user, [user], messages.of_size(3, user, [user], 1501)), 452, "4.7.1")
        refused_with(session.command(f"MAIL FROM:<{user}> SIZE=1501"), 452, "4.7.1")
        session.must(250, f"MAIL FROM:<{user}> SIZE=1500")
        session.must(250, "RSET")
        assert session.send_mail(user, [user], messages.of_size(4, user, [user], 1500)).code == 250
        # Nothing is left.
        refused_with(session.command(f"MAIL FROM:<{user}>"), 452, "4.7.1")
    assert server.metric("postern_smtp_rate_exceeded_total", rate="identity_octet") == 4


def test_octets_of_an_account_from_all_cores(gateway, at_once):
    server = gateway({"identity_octet_rate": "20000B/h"})
    user = server.add_user()
    sessions = [begin(server, "submission_plain", user=user) for _ in range(10)]

    def one(number):
        codes = []
        for mail in range(4):
            reply = sessions[number].command(f"MAIL FROM:<{user}>")
            if reply.code == 250:
                sessions[number].must(250, f"RCPT TO:<{user}>")
                sessions[number].must(354, "DATA")
                octets = messages.of_size(f"{number}-{mail}", user, [user], 1000)
                sessions[number].send(messages.dot_stuffed(octets))
                reply = sessions[number].reply()
            assert reply.code == 250 or reply.text.startswith("4.7.1 "), reply
            codes.append(reply.code)
        return codes

    codes = sum(at_once(10, one), [])
    assert codes.count(250) == 20 and codes.count(452) == 20, codes
    for session in sessions:
        session.close()


def test_every_window_of_a_rate_holds(gateway, at_once):
    """The hour's 12 come out of the minute's 5 only when time has passed: never more than the smallest allows."""
    server = gateway({"source_message_rate": "5/min, 12/h"})

    def one(_):
        with begin(server) as session:
            reply = session.command(f"MAIL FROM:<{SENDER}>")
            assert reply.code == 250 or reply.text.startswith("4.4.2 "), reply
            return reply.code

    codes = at_once(16, one)
    assert codes.count(250) == 5 and codes.count(421) == 11, codes


def test_rates_and_connections_of_ipv6_networks(gateway, at_once):
    """A source is a network of the configured length, for connections and for rates, whatever proxy it comes through."""
    server = gateway({"proxy_protocol": True, "proxy_from": ["127.0.0.50"], "source_prefix_ipv6": 48,
                      "connections_per_source_max": 5, "source_message_rate": "7/h"})

    def connect(client):
        preface = f"PROXY TCP6 {client} 2001:db8::ff 40000 25\r\n".encode()
        return wire.Smtp(server.ports.relay, source="127.0.0.50", preface=preface)

    sessions = at_once(12, lambda number: connect(f"2001:db8:1:{number:x}::1"))
    served = [session for session in sessions if session.greeting.code == 220]
    assert len(served) == 5, [session.greeting for session in sessions]
    with connect("2001:db8:2::1") as other:
        assert other.greeting.code == 220
        other.ehlo()
        other.must(250, f"MAIL FROM:<{SENDER}>")

    def send(number):
        served[number].ehlo()
        codes = []
        while not codes or codes[-1] == 250:
            codes.append(served[number].command(f"MAIL FROM:<{SENDER}>").code)
            if codes[-1] == 250:
                served[number].must(250, "RSET")
        return codes

    codes = sum(at_once(5, send), [])
    assert codes.count(250) == 7 and codes.count(421) == 5, codes
    for session in sessions:
        session.close()


# -- connections -----------------------------------------------------------------------------------


def test_percentage_of_what_is_free_in_a_rush(gateway, at_once):
    """SMTP-17: of 100 places with 10 % the tenth connection would be of 91 free ones, which allow nine."""
    server = gateway({"connections_max": 100, "connections_per_source_percent": 10})
    sessions = sum(at_once(16, lambda _: [wire.Smtp(server.ports.relay, source="127.0.0.2") for _ in range(3)]), [])
    codes = [session.greeting.code for session in sessions]
    assert codes.count(220) == 9 and codes.count(421) == 39, codes
    for session in sessions:
        if session.greeting.code == 421:
            refused_with(session.greeting, 421, "4.3.2")
    # Another source finds 91 free places, and fewer with each that it takes.
    others = sum(at_once(12, lambda _: [wire.Smtp(server.ports.relay, source="127.0.0.3") for _ in range(2)]), [])
    assert [session.greeting.code for session in others].count(220) == 8, "83 free ones allow eight"
    for session in sessions + others:
        session.close()
    assert server.metric("postern_smtp_connections_refused_total", reason="per_source") == 39 + 16


@pytest.mark.parametrize("keys", [{"connections_max": 8}, {"connections_per_source_max": 8}],
                         ids=["total", "source"])
def test_places_are_never_more_than_there_are_and_all_come_back(keys, gateway, at_once):
    """SMTP-16, SMTP-17: while connections come and go on all cores."""
    server = gateway(keys)
    lock = threading.Lock()
    state = {"open": 0, "most": 0, "served": 0}

    def one(_):
        for _ in range(40):
            with wire.Smtp(server.ports.relay) as session:
                if session.greeting.code != 220:
                    refused_with(session.greeting, 421, "4.3.2")
                    continue
                with lock:
                    state["open"] += 1
                    state["most"] = max(state["most"], state["open"])
                    state["served"] += 1
                time.sleep(0.002)
                with lock:  # before the server can know
                    state["open"] -= 1
                session.must(221, "QUIT")

    at_once(16, one)
    assert state["most"] <= 8 and state["served"] >= 8, state

    def eight():
        sessions = [wire.Smtp(server.ports.relay) for _ in range(8)]
        if all(session.greeting.code == 220 for session in sessions):
            return sessions
        for session in sessions:
            session.close()
        return None

    sessions = wait_until(eight, 10, "all places are free again")
    with wire.Smtp(server.ports.relay) as session:
        refused_with(session.greeting, 421, "4.3.2")
    for session in sessions:
        session.close()


# -- logins ----------------------------------------------------------------------------------------


def login(server, user, password, source):
    """(code, moment) of the answer to AUTH on a connection of its own."""
    with wire.Smtp(server.ports.submission_plain, source=source) as session:
        session.ehlo()
        code = session.auth_plain(user, password).code
        return code, time.monotonic()


def penalties(server):
    return tuple(server.metric("postern_login_penalties_total", outcome=outcome)
                 for outcome in ("delayed", "refused"))


@pytest.mark.parametrize("by", ["source", "account"])
def test_failed_logins_are_free_up_to_their_number(by, gateway):
    """Three failures and their answers cost nothing; after them every login waits: one second, two, two."""
    server = gateway({"logon_failures_max": 0}, gateway={"login_failures_free": 2, "login_delay_max": 2})
    users = [server.add_user() for _ in range(4)]

    def attempt(number, password="wrong"):
        if by == "source":
            return login(server, users[number % 4], password, "127.0.0.2")
        return login(server, users[0], password, f"127.0.0.{2 + number}")

    for number in range(3):
        sent = time.monotonic()
        assert attempt(number)[0] == 535
        assert penalties(server) == (0, 0), f"failure {number + 1} and the answer to it are free"
    # Each answer comes that much behind the one before.
    for number, wait_s in ((3, 1), (4, 1 + 2), (5, 1 + 2 + 2)):
        code, answered = attempt(number)
        assert code == 535 and penalties(server) == (number - 2, 0), (number, code)
        assert answered - sent >= wait_s, (number, answered - sent)
    # The right one waits as well.
    code, answered = attempt(7, PASSWORD)
    assert code == 235 and penalties(server) == (4, 0) and answered - sent >= 1 + 2 + 2 + 2
    # Other sources, or other accounts, know nothing of it.
    if by == "source":
        assert login(server, users[3], PASSWORD, "127.0.0.99")[0] == 235
    else:
        assert login(server, users[3], PASSWORD, "127.0.0.5")[0] == 235
    assert penalties(server) == (4, 0)


def test_guesses_made_all_at_once_gain_nothing(gateway, at_once):
    """Two free failures, then a second, then two: of sixteen guesses at one moment only three are answered within a
    second, four within three, and the others are told to come later. Each core but one may stand between looking at the
    count and counting its own."""
    server = gateway(gateway={"login_failures_free": 2, "login_delay_max": 2})
    users = [server.add_user() for _ in range(16)]
    started = time.monotonic()
    answers = at_once(16, lambda number: login(server, users[number], "wrong", "127.0.0.2"))
    told = sorted(moment - started for code, moment in answers if code == 535)
    assert {code for code, _ in answers} == {535, 454}, answers
    assert len(told) >= 3 and sum(moment < 1 for moment in told) <= 3 + 3, told
    assert sum(moment < 3 for moment in told) <= 4 + 3, told
    delayed, refused = penalties(server)
    assert delayed <= 13 and refused == sum(code == 454 for code, _ in answers)


def test_right_passwords_at_once_wait_for_nothing(gateway, at_once):
    server = gateway(gateway={"login_failures_free": 1, "login_delay_max": 5})
    users = [server.add_user() for _ in range(4)]
    answers = at_once(16, lambda number: login(server, users[number % 4], PASSWORD, "127.0.0.2"))
    assert [code for code, _ in answers] == [235] * 16
    assert penalties(server) == (0, 0)


def test_half_of_the_failures_is_forgotten_after_the_half_life(gateway):
    half_life_s = int(scaled(6))
    server = gateway(gateway={"login_failures_free": 2, "login_delay_max": 1,
                              "login_failures_half_life": half_life_s})
    user = server.add_user()
    started = time.monotonic()
    for _ in range(3):
        assert login(server, user, "wrong", "127.0.0.2")[0] == 535
    failed = time.monotonic()
    assert login(server, user, PASSWORD, "127.0.0.3")[0] == 235
    # The account had its three failures; unless the machine was so slow that they were forgotten.
    assert penalties(server)[0] == 1 or time.monotonic() - started >= half_life_s
    time.sleep(max(0.0, failed + half_life_s - time.monotonic()))
    before = penalties(server)
    assert login(server, user, PASSWORD, "127.0.0.4")[0] == 235
    assert penalties(server) == before, "one failure is left, and two are free"


# -- the tarpit's memory ---------------------------------------------------------------------------


def test_an_error_on_one_core_is_known_to_all(gateway, at_once):
    memory_s = int(scaled(10))
    server = gateway({"tarpit_delay": 2}, gateway={"tarpit_memory": memory_s})
    with begin(server, source="127.0.0.2") as session:
        sent = time.monotonic()
        session.must(500, "NO-SUCH")
        read = time.monotonic()
        assert 2 <= read - sent < 2 + scaled(3)

    def greeted(source):
        started = time.monotonic()
        with wire.Smtp(server.ports.relay, source=source) as session:
            assert session.greeting.code == 220
        return time.monotonic() - started

    waits = at_once(16, lambda _: greeted("127.0.0.2"))
    if time.monotonic() - sent < memory_s:
        assert min(waits) >= 2, waits
        assert server.metric("postern_smtp_tarpit_total", reply="greeting") == 16
    at_once(16, lambda number: greeted(f"127.0.0.{3 + number}"))
    # Greetings that were late are no errors: they make the memory no longer.
    time.sleep(max(0.0, read + memory_s - time.monotonic()))
    before = server.metric("postern_smtp_tarpit_total", reply="greeting")
    assert before <= 16, "nobody else waited"
    at_once(16, lambda _: greeted("127.0.0.2"))
    assert server.metric("postern_smtp_tarpit_total", reply="greeting") == before, "it is forgotten"
