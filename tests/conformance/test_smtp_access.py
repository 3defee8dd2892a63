"""SMTP-09, 13 to 18 and 20: who may connect, how often, and what strangers who err have to wait for.

Every client address of 127.0.0.0/8 is a source of its own here. All of these need a server that the tests configure.
"""

import concurrent.futures
import contextlib
import resource
import threading
import time

import pytest

from conformance.target import expect
from harness import wire
from harness.waiting import scaled, wait_until

SENDER = "stranger@elsewhere.example"

# What a busy machine may add to a delay. Nothing may take away from it.
LATE_S = 1.5


def greeting(server, kind="relay", source=None):
    """The greeting of a new connection; when it is an error the server must close after it."""
    with server.smtp(kind, source) as session:
        if session.greeting.code != 220:
            session.expect_closed(5)
        return session.greeting


@contextlib.contextmanager
def held(server, count, kind="relay", source=None):
    """`count` connections that are greeted with 220 and stay."""
    sessions = []
    try:
        for _ in range(count):
            sessions.append(server.smtp(kind, source))
            assert sessions[-1].greeting.code == 220, (len(sessions), sessions[-1].greeting)
        yield sessions
    finally:
        for session in sessions:
            session.close()


# -- SMTP-16 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [1, 3, 50])
def test_smtp_16_connections_up_to_the_limit(value, configured):
    server = configured(smtp={"connections_max": value})
    with held(server, value) as sessions:
        for _ in range(3):
            expect(greeting(server), 421, "4.3.2")
        # Those that are there go on; a place that is left is free again.
        assert all(session.command("NOOP").code == 250 for session in sessions)
        sessions[0].must(221, "QUIT")
        sessions[0].expect_closed()
        wait_until(lambda: greeting(server).code == 220, 5, "the place is free again")


def test_smtp_16_exact_when_all_cores_are_asked_at_once(configured):
    server = configured(smtp={"connections_max": 40}, settings={"runtime": {"cores": 4}})
    gate = threading.Barrier(20)

    def some(_):
        gate.wait()
        return [server.smtp() for _ in range(6)]
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        sessions = [session for part in pool.map(some, range(20)) for session in part]
    codes = [session.greeting.code for session in sessions]
    for session in sessions:
        session.close()
    assert codes.count(220) == 40 and codes.count(421) == 80, (codes.count(220), codes.count(421))


def test_smtp_16_listeners_count_for_themselves(configured):
    server = configured(smtp={"connections_max": 2})
    with held(server, 2), held(server, 2, "submission"):
        expect(greeting(server), 421, "4.3.2")
        expect(greeting(server, "submission"), 421, "4.3.2")


# -- SMTP-17 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, 1, 5])
def test_smtp_17_connections_of_a_source_up_to_the_limit(value, configured):
    server = configured(smtp={"connections_per_source_max": value})
    limit = 20 if value is None else value
    with held(server, limit, source="127.0.0.2"):
        expect(greeting(server, source="127.0.0.2"), 421, "4.3.2")
        with held(server, limit, source="127.0.0.3"):
            expect(greeting(server, source="127.0.0.3"), 421, "4.3.2")
            expect(greeting(server, source="127.0.0.2"), 421, "4.3.2")
    wait_until(lambda: greeting(server, source="127.0.0.2").code == 220, 5, "the places are free again")


def test_smtp_17_exact_when_all_cores_are_asked_at_once(configured):
    server = configured(smtp={"connections_per_source_max": 15}, settings={"runtime": {"cores": 4}})
    gate = threading.Barrier(24)

    def some(number):
        source = f"127.0.0.{10 + number % 3}"
        gate.wait()
        return [(source, server.smtp(source=source)) for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        sessions = [pair for part in pool.map(some, range(24)) for pair in part]
    accepted = {}
    for source, session in sessions:
        accepted[source] = accepted.get(source, 0) + (session.greeting.code == 220)
        session.close()
    assert set(accepted.values()) == {15}, accepted


def test_smtp_17_percentage_of_what_remains(configured):
    """Of 100 places with 10 %: a source gets places while it has less than a tenth of those that are free."""
    server = configured(smtp={"connections_max": 100, "connections_per_source_percent": 10})
    sessions = []
    try:
        while len(sessions) < 100:
            session = server.smtp(source="127.0.0.2")
            sessions.append(session)
            if session.greeting.code != 220:
                break
        count = len(sessions) - 1
        # With n places taken the limit is (100 - n) / 10: the ninth or the tenth is the last.
        assert count in (9, 10), count
        expect(sessions[-1].greeting, 421, "4.3.2")
        with held(server, 1, source="127.0.0.3"):
            pass
    finally:
        for session in sessions:
            session.close()


def test_smtp_17_one_connection_is_always_allowed(configured):
    server = configured(smtp={"connections_max": 10, "connections_per_source_percent": 1})
    for number in range(2, 8):
        assert greeting(server, source=f"127.0.0.{number}").code == 220


def test_smtp_17_sources_are_networks_where_that_is_configured(configured):
    server = configured(smtp={"connections_per_source_max": 4, "source_prefix_ipv4": 24})
    with held(server, 2, source="127.0.1.2"), held(server, 2, source="127.0.1.77"):
        expect(greeting(server, source="127.0.1.200"), 421, "4.3.2")
        assert greeting(server, source="127.0.2.2").code == 220


def test_smtp_17_trusted_networks_are_free_of_it(configured):
    server = configured(smtp={"connections_per_source_max": 2, "trusted": ["127.0.0.2/32"]})
    with held(server, 10, source="127.0.0.2"), held(server, 2, source="127.0.0.3"):
        expect(greeting(server, source="127.0.0.3"), 421, "4.3.2")


# -- SMTP-15, SMTP-18 ------------------------------------------------------------------------------


def test_smtp_15_addresses_that_the_listener_is_not_for(configured):
    server = configured(smtp={"allow": ["127.0.0.8/29", "192.0.2.0/24"]})
    for last, allowed in ((7, False), (8, True), (12, True), (15, True), (16, False), (1, False)):
        reply = greeting(server, source=f"127.0.0.{last}")
        if allowed:
            assert reply.code == 220, (last, reply)
        else:
            expect(reply, 421, "4.3.2")


def test_smtp_15_users_that_the_listener_is_not_for(configured):
    server = configured(smtp={"users": ["boss@postern.test", "@elsewhere.example"]})
    account = server.account()
    boss = server.postern.add_user("boss")
    with server.session("submissions") as session:
        expect(session.auth_plain(account.name, account.password), 421, "4.3.2")
        session.expect_closed()
    with server.session("submissions") as session:
        assert session.auth_plain(boss, account.password).code == 235
    with server.session("submissions") as session:
        # Somebody who has no password is told nothing else than ever.
        expect(session.auth_plain(account.name, "wrong"), 535, "5.7.8")


def test_smtp_18_refused_addresses(configured):
    server = configured(smtp={"deny": ["127.0.0.8/29", "127.0.1.0/24"]})
    for address, allowed in (("127.0.0.7", True), ("127.0.0.8", False), ("127.0.0.15", False),
                             ("127.0.0.16", True), ("127.0.1.255", False), ("127.0.2.0", True)):
        reply = greeting(server, source=address)
        if allowed:
            assert reply.code == 220, (address, reply)
        else:
            expect(reply, 550, "5.7.1")


def test_smtp_18_15_refusing_goes_before_allowing(configured):
    server = configured(smtp={"allow": ["127.0.0.0/24"], "deny": ["127.0.0.9/32"]})
    assert greeting(server, source="127.0.0.8").code == 220
    expect(greeting(server, source="127.0.0.9"), 550, "5.7.1")
    expect(greeting(server, source="127.0.1.1"), 421, "4.3.2")


# -- SMTP-13, SMTP-14 ------------------------------------------------------------------------------


def test_smtp_13_a_full_disk_is_told_at_connect(configured):
    server = configured(settings={"store": {"disk_free_min_octets": 1 << 50}})
    with server.smtp() as session:
        expect(session.greeting, 452, "4.3.1")


def test_smtp_14_a_failed_store_is_told_at_connect(configured):
    """No file of the gateway may grow any more: a commit fails, and from then on nobody is served."""
    server = configured(settings={"store": {"memory_budget_octets": 16 << 20}})
    account = server.account()
    pid = server.postern["gateway"].pid
    with server.session() as session:
        session.must(250, f"MAIL FROM:<{SENDER}>")
        session.must(250, f"RCPT TO:<{account.name}>")
        session.must(354, "DATA")
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        _, mail = server.message(account.name)
        session.send(mail + b".\r\n")
        assert session.reply().code // 100 == 4

    def refused():
        reply = greeting(server)
        return reply if reply.code != 220 else None
    expect(wait_until(refused, 10, "the next connection is refused"), 421, "4.4.2")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


# -- SMTP-09 ---------------------------------------------------------------------------------------


def one_message(session, server, account):
    """The reply that ended the transaction: to MAIL, or to the message."""
    reply = session.command(f"MAIL FROM:<{SENDER}>")
    if reply.code != 250:
        return reply
    session.must(250, f"RCPT TO:<{account.name}>")
    session.must(354, "DATA")
    session.send(server.message(account.name)[1] + b".\r\n")
    return session.reply()


@pytest.mark.parametrize("rate, limit", [("3/min", 3), ("10/h", 10), ("2/min, 100/h", 2)])
def test_smtp_09_messages_up_to_the_rate(rate, limit, configured):
    server = configured(smtp={"source_message_rate": rate})
    account = server.account()
    with server.session() as session:
        for _ in range(limit):
            assert one_message(session, server, account).code == 250
        expect(session.command(f"MAIL FROM:<{SENDER}>"), 421, "4.4.2")
        session.expect_closed()
    # Not by another connection, either; but from elsewhere.
    with server.session() as session:
        expect(session.command(f"MAIL FROM:<{SENDER}>"), 421, "4.4.2")
    with server.smtp(source="127.0.0.9") as session:
        session.ehlo()
        assert one_message(session, server, account).code == 250


def test_smtp_09_the_default_is_600_a_minute(configured):
    server = configured(smtp={"source_message_rate": None})
    with server.session() as session:
        for number in range(600):
            assert session.command(f"MAIL FROM:<{SENDER}>").code == 250, number
            session.must(250, "RSET")
        expect(session.command(f"MAIL FROM:<{SENDER}>"), 421, "4.4.2")


def test_smtp_09_exact_when_all_cores_are_asked_at_once(configured):
    server = configured(smtp={"source_message_rate": "100/h"}, settings={"runtime": {"cores": 4}})
    account = server.account()

    def some(_):
        codes = []
        for _ in range(3):
            with server.session() as session:
                try:
                    for _ in range(5):
                        codes.append(one_message(session, server, account).code)
                        if codes[-1] != 250:
                            break
                except (wire.Closed, OSError):
                    pass
        return codes
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        codes = [code for part in pool.map(some, range(16)) for code in part]
    assert codes.count(250) == 100, codes.count(250)
    assert set(codes) == {250, 421}


def test_smtp_09_accounts_have_a_rate_of_their_own(configured):
    server = configured(smtp={"identity_message_rate": "2/min"})
    first, second = server.account(), server.account()
    for account in (first, second):
        with server.session("submissions", login=account) as session:
            for _ in range(2):
                session.must(250, f"MAIL FROM:<{account.name}>")
                session.must(250, f"RCPT TO:<{first.name}>")
                session.must(354, "DATA")
                session.send(server.message(first.name)[1] + b".\r\n")
                assert session.reply().code == 250
            expect(session.command(f"MAIL FROM:<{account.name}>"), 421, "4.4.2")


def test_smtp_09_the_window_slides(configured):
    server = configured(smtp={"source_message_rate": "4/s"})
    account = server.account()
    accepted = []
    end = time.monotonic() + 4
    while time.monotonic() < end:
        with server.session() as session:
            try:
                while one_message(session, server, account).code == 250:
                    accepted.append(time.monotonic())
            except (wire.Closed, OSError):
                pass
    # Counted at MAIL, seen here at the message's end: a little is between them.
    for start in accepted:
        inside = sum(start <= moment < start + 0.9 for moment in accepted)
        assert inside <= 4, f"{inside} messages within a second of 4/s"
    assert len(accepted) >= 8, f"only {len(accepted)} messages in 4 s of 4/s"


# -- SMTP-20 ---------------------------------------------------------------------------------------


def timed(session, command):
    begin = time.monotonic()
    reply = session.command(command)
    return reply, time.monotonic() - begin


def assert_held_back(elapsed, seconds):
    assert seconds <= elapsed < seconds + scaled(LATE_S), f"{elapsed:.3f} s instead of {seconds} s"


@pytest.mark.parametrize("value", [None, 1])
def test_smtp_20_errors_to_strangers_wait(value, configured):
    server = configured(smtp={"tarpit_delay": value})
    with server.session() as session:
        reply, elapsed = timed(session, f"RCPT TO:<nobody-at-all-here@{server.domain}>")
        assert reply.code == 503
        assert_held_back(elapsed, 5 if value is None else value)
        reply, elapsed = timed(session, "NOOP")
        assert reply.code == 250 and elapsed < 0.5, "what is no error does not wait"


def test_smtp_20_commands_that_came_meanwhile_wait_their_turn(configured):
    server = configured(smtp={"tarpit_delay": 1}, shared=True)
    with server.session() as session:
        begin = time.monotonic()
        session.send(b"NO-SUCH\r\nRSET\r\nNO-SUCH\r\nRSET\r\n")
        codes = [session.reply().code for _ in range(4)]
        assert codes == [500, 250, 500, 250]
        assert 2 <= time.monotonic() - begin < 2 + scaled(LATE_S)


def test_smtp_20_the_same_client_waits_again_when_it_comes_back(configured):
    server = configured(smtp={"tarpit_delay": 1})
    with server.smtp(source="127.0.0.5") as session:
        session.ehlo()
        assert session.command("NO-SUCH").code == 500
    begin = time.monotonic()
    assert greeting(server, source="127.0.0.5").code == 220
    assert_held_back(time.monotonic() - begin, 1)
    begin = time.monotonic()
    assert greeting(server, source="127.0.0.6").code == 220
    assert time.monotonic() - begin < 0.5, "somebody else waited"


def test_smtp_20_not_for_those_who_logged_in_and_not_for_the_trusted(configured):
    server = configured(smtp={"tarpit_delay": 2, "trusted": ["127.0.0.7/32"]})
    account = server.account()
    with server.session("submissions", login=account) as session:
        reply, elapsed = timed(session, "NO-SUCH")
        assert reply.code == 500 and elapsed < 1
    with server.smtp(source="127.0.0.7") as session:
        session.ehlo()
        reply, elapsed = timed(session, "NO-SUCH")
        assert reply.code == 500 and elapsed < 1


def test_smtp_20_zero_switches_it_off(server):
    """As the fixtures' own server has it."""
    if not server.own:
        pytest.skip("needs a changed configuration: tarpit_delay")
    with server.session() as session:
        reply, elapsed = timed(session, "NO-SUCH")
        assert reply.code == 500 and elapsed < 0.5


def test_smtp_20_hundreds_who_wait_keep_nobody_else_waiting(configured):
    server = configured(smtp={"tarpit_delay": 3})
    account = server.account()
    sessions = [server.session() for _ in range(300)]
    begin = time.monotonic()
    for session in sessions:
        session.send(b"NO-SUCH\r\n")
    slowest = 0.0
    with server.session("submissions", login=account) as session:
        while time.monotonic() - begin < 2:
            reply, elapsed = timed(session, "NOOP")
            assert reply.code == 250
            slowest = max(slowest, elapsed)
    for session in sessions:
        assert session.reply().code == 500
        session.close()
    assert 3 <= time.monotonic() - begin < 3 + scaled(3)
    assert slowest < scaled(0.5), f"somebody waited {slowest:.3f} s"
