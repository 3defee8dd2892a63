"""Limits that remember a client beyond its connection, on two cores: rates and the tarpit."""

import pathlib
import re
import shutil
import tempfile
import threading
import time
import urllib.request

import pytest

from harness import messages, ports, wire
from harness.server import PASSWORD
from harness.waiting import wait_until

SENDER = "stranger@elsewhere.example"
TWO_CORES = {"runtime": {"drain_timeout": 5, "cores": 2}}


def metric(server, line):
    """The value of one line of the gateway's metrics, named with its labels."""
    text = urllib.request.urlopen(f"http://{server.metrics}/metrics", timeout=10).read().decode()
    found = re.search(rf"^{re.escape(line)} ([0-9.e+]+)$", text, re.M)
    assert found, f"{line} is not in\n{text}"
    return float(found[1])


@pytest.fixture
def limited(own_postern):
    """A factory: a gateway on two cores with these keys on every SMTP listener."""

    def start(smtp, **sections):
        listen = f"127.0.0.1:{ports.free_port()}"
        server = own_postern(settings={**TWO_CORES, "metrics": {"listen": listen}, **sections},
                             smtp_limits=smtp)
        server.metrics = listen
        server.start("gateway")
        server.add_domain()
        return server

    return start


def begin(server, kind="relay", user=None, source=None):
    """A connection that has said EHLO, and AUTH when there is a user."""
    session = wire.Smtp(getattr(server.ports, kind), source=source)
    session.ehlo()
    if user:
        assert session.auth_plain(user, PASSWORD).code == 235
    return session


def mail_until_refused(server, most, **whom):
    """MAIL on one connection after the other; how many were accepted, and the reply to the next."""
    for count in range(most):
        with begin(server, **whom) as session:
            reply = session.command(f"MAIL FROM:<{SENDER}>")
            if reply.code != 250:
                session.expect_closed()
                return count, reply
    return most, None


def test_message_rate_of_a_source_trips_at_its_value_over_connections_and_cores(limited):
    server = limited({"source_message_rate": "7/h"})
    count, reply = mail_until_refused(server, 20)
    assert count == 7 and reply.code == 421 and reply.text.startswith("4.4.2 "), (count, reply)
    # Everyone else goes on.
    with begin(server, source="127.0.0.2") as session:
        session.must(250, f"MAIL FROM:<{SENDER}>")
    assert metric(server, 'postern_smtp_rate_exceeded_total{rate="source_message"}') == 1
    assert metric(server, "postern_smtp_rate_keys") == 2


def test_message_rate_is_exact_for_connections_at_once(limited):
    server = limited({"source_message_rate": "50/h"})
    accepted, others = [], []

    def send():
        with begin(server) as session:
            while True:
                reply = session.command(f"MAIL FROM:<{SENDER}>")
                if reply.code != 250:
                    others.append(reply.code)
                    return
                accepted.append(1)
                session.must(250, "RSET")

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(accepted) == 50 and others == [421] * 8, (len(accepted), others)


def test_message_rate_of_a_second_is_over_after_a_second(limited):
    server = limited({"source_message_rate": "3/s, 100/h"})
    count, _ = mail_until_refused(server, 10)
    assert count == 3
    time.sleep(1.1)
    with begin(server) as session:
        session.must(250, f"MAIL FROM:<{SENDER}>")


def test_an_account_is_counted_on_all_listeners(limited):
    server = limited({"source_message_rate": "1/h", "identity_message_rate": "4/h"})
    user = server.add_user()
    with begin(server, kind="submission_plain", user=user) as session:
        for _ in range(3):
            session.must(250, f"MAIL FROM:<{user}>")
            session.must(250, "RSET")
    with wire.open_smtp(server, "submissions", user=user, password=PASSWORD) as session:
        session.must(250, f"MAIL FROM:<{user}>")
        session.must(250, "RSET")
        reply = session.command(f"MAIL FROM:<{user}>")
        assert reply.code == 421 and reply.text.startswith("4.4.2 "), reply
        session.expect_closed()


def test_recipients_and_octets_of_an_account(limited):
    server = limited({"identity_recipient_rate": "3/h", "identity_octet_rate": "4KiB/h"})
    user = server.add_user()
    mail = messages.plain(1, user, [user])
    with begin(server, kind="submission_plain", user=user) as session:
        session.must(250, f"MAIL FROM:<{user}>")
        for _ in range(3):
            session.must(250, f"RCPT TO:<{user}>")
        reply = session.command(f"RCPT TO:<{user}>")
        assert reply.code == 452 and reply.text.startswith("4.7.1 "), reply
        session.must(250, "RSET")
        reply = session.command(f"MAIL FROM:<{user}> SIZE=4097")
        assert reply.code == 452 and reply.text.startswith("4.7.1 "), reply
        session.must(250, f"MAIL FROM:<{user}> SIZE={len(mail)}")
    assert metric(server, 'postern_smtp_rate_exceeded_total{rate="identity_recipient"}') == 1
    assert metric(server, 'postern_smtp_rate_exceeded_total{rate="identity_octet"}') == 1


def test_trusted_clients_have_no_rate_and_no_tarpit(limited):
    server = limited({"source_message_rate": "2/h", "tarpit_delay": 5, "trusted": ["127.0.0.3"]})
    count, reply = mail_until_refused(server, 6, source="127.0.0.3")
    assert (count, reply) == (6, None)
    with begin(server, source="127.0.0.3") as session:
        start = time.monotonic()
        session.must(500, "NONSENSE")
        assert time.monotonic() - start < 3


def test_tarpit_holds_errors_back_and_greets_late_afterwards(limited):
    server = limited({"tarpit_delay": 2})
    with begin(server) as session:
        start = time.monotonic()
        session.send(b"NONSENSE\r\nNOOP\r\n")
        assert session.reply().code == 500
        assert 2 <= time.monotonic() - start < 4
        assert session.reply().code == 250, "what came meanwhile is answered afterwards"
        # Another client of another address is not slowed.
        other = time.monotonic()
        with begin(server, source="127.0.0.2") as stranger:
            stranger.must(250, "NOOP")
        assert time.monotonic() - other < 1.5
    start = time.monotonic()
    with begin(server) as session:
        assert 2 <= time.monotonic() - start < 4, "the same client again"
    assert metric(server, 'postern_smtp_tarpit_total{reply="error"}') == 1
    assert metric(server, 'postern_smtp_tarpit_total{reply="greeting"}') == 1


def test_tarpit_spares_who_has_logged_in(limited):
    server = limited({"tarpit_delay": 3})
    user = server.add_user()
    with begin(server, kind="submission_plain", user=user) as session:
        start = time.monotonic()
        session.must(500, "NONSENSE")
        assert time.monotonic() - start < 2


def test_early_talkers_are_refused_and_counted(limited):
    server = limited({"greeting_delay": 1})
    with wire.Wire(server.ports.relay) as session:
        start = time.monotonic()
        session.send(b"EHLO impatient.example\r\n")
        assert session.line().startswith(b"554 5.5.1 ")
        session.expect_closed()
        assert time.monotonic() - start < 1
    start = time.monotonic()
    with begin(server) as session:
        assert 1 <= time.monotonic() - start < 3
        session.must(250, "NOOP")
    assert metric(server, "postern_smtp_early_talkers_total") == 1


def test_a_message_that_trickles_is_cut_off(limited):
    server = limited({"data_octets_per_second_min": 100, "data_rate_grace": 2})
    user = server.add_user()
    with begin(server) as session:
        session.must(250, f"MAIL FROM:<{SENDER}>")
        session.must(250, f"RCPT TO:<{user}>")
        session.must(354, "DATA")
        start = time.monotonic()
        for _ in range(3):
            session.send(b"Subject: one\r\n")
            time.sleep(0.4)
        reply = session.reply()
        assert reply.code == 421 and reply.text.startswith("4.4.2 "), reply
        assert 2 <= time.monotonic() - start < 4
        session.expect_closed()
    assert metric(server, "postern_smtp_slow_messages_total") == 1


def test_pipelined_commands_beyond_the_depth_wait_and_are_answered(limited):
    server = limited({"pipeline_commands_max": 2})
    with begin(server) as session:
        session.send(b"RSET\r\n" * 500)
        assert [session.reply().code for _ in range(500)] == [250] * 500


def timed_login(server, user, password, **options):
    """AUTH on a new connection: the code, and how long its answer took."""
    with wire.Smtp(server.ports.submission_plain, **options) as session:
        session.ehlo()
        start = time.monotonic()
        code = session.auth_plain(user, password).code
        return code, time.monotonic() - start


LOGIN_PENALTIES = {"gateway": {"login_failures_free": 2, "login_delay_max": 2}}


def test_login_penalty_of_a_source_holds_right_passwords_back_too(limited):
    server = limited({}, **LOGIN_PENALTIES)
    user = server.add_user()
    for _ in range(3):
        code, took = timed_login(server, user, "wrong")
        assert code == 535
    code, took = timed_login(server, user, PASSWORD)
    assert code == 235 and took >= 0.5, (code, took)
    # Nobody knows the account at this address, and it has failures of its own by now.
    for name in (user, "nobody@postern.test"):
        code, took = timed_login(server, name, "wrong")
        assert code in (535, 454) and took >= 0.5, (name, code, took)
    assert metric(server, 'postern_login_penalties_total{outcome="delayed"}') >= 2


def test_an_owner_is_not_locked_out_where_he_logged_in_before(limited):
    server = limited({}, **LOGIN_PENALTIES)
    user, other = server.add_user(), server.add_user()
    assert timed_login(server, user, PASSWORD)[0] == 235
    for source in ("127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"):
        timed_login(server, user, "wrong", source=source)
    code, took = timed_login(server, user, PASSWORD, source="127.0.0.6")
    assert code == 235 and took >= 0.5, "a network he never came from"
    for _ in range(4):
        timed_login(server, other, "wrong")  # his own network is penalised as well
    delayed = metric(server, 'postern_login_penalties_total{outcome="delayed"}')
    assert timed_login(server, user, PASSWORD)[0] == 235
    assert metric(server, 'postern_login_penalties_total{outcome="delayed"}') == delayed


def test_an_owner_is_known_on_his_network_after_a_restart(limited):
    server = limited({}, **LOGIN_PENALTIES)
    user = server.add_user()
    assert timed_login(server, user, PASSWORD)[0] == 235
    server.stop("gateway")
    server.start("gateway")
    assert metric(server, "postern_login_networks_known") == 1
    for source in ("127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"):
        timed_login(server, user, "wrong", source=source)
    delayed = metric(server, 'postern_login_penalties_total{outcome="delayed"}')
    assert delayed >= 1
    assert timed_login(server, user, PASSWORD)[0] == 235
    assert metric(server, 'postern_login_penalties_total{outcome="delayed"}') == delayed
    assert "login.memory.failed" not in server.log_text("gateway")


def test_a_gateway_starts_with_a_damaged_file_of_known_logins(limited):
    server = limited({}, **LOGIN_PENALTIES)
    user = server.add_user()
    assert timed_login(server, user, PASSWORD)[0] == 235
    server.stop("gateway")
    path = pathlib.Path(server.state) / "store" / "known-logins"
    assert path.stat().st_mode & 0o777 == 0o600
    octets = path.read_bytes()
    path.write_bytes(octets[:-1])
    server.start("gateway")
    wait_until(lambda: "login.memory.failed" in server.log_text("gateway"), 10, "the log says so")
    assert timed_login(server, user, PASSWORD)[0] == 235
    assert metric(server, "postern_login_networks_known") == 1


def test_many_connections_beside_an_owner_are_refused_and_it_is_seen(limited):
    server = limited({}, **LOGIN_PENALTIES)
    user = server.add_user()
    assert timed_login(server, user, PASSWORD)[0] == 235
    codes = []
    start = time.monotonic()

    def guess(number):
        codes.append(timed_login(server, user, f"secret-guess-{number}")[0])

    for round_number in range(2):
        guesses = [threading.Thread(target=guess, args=(f"{round_number}-{number}",))
                   for number in range(12)]
        for thread in guesses:
            thread.start()
        for thread in guesses:
            thread.join()
    # Three of the first are told at once, one has its turn within two seconds; then one in two.
    most = 6 + (time.monotonic() - start) / 2
    assert codes.count(535) + codes.count(454) == 24
    assert 3 <= codes.count(535) <= most, codes
    assert metric(server, 'postern_login_penalties_total{outcome="refused"}') == codes.count(454)
    log = server.log_text("gateway")
    assert log.count("login.refused") == codes.count(454)
    assert user in log and "secret-guess" not in log


def test_penalties_are_one_for_smtp_and_pop3(limited):
    server = limited({}, **LOGIN_PENALTIES)
    server.start("pop3")
    user = server.add_user()
    with wire.Pop3(server.ports.pop3_plain) as session:
        session.ok(f"USER {user}")
        session.error("PASS wrong")
    for _ in range(2):
        timed_login(server, user, "wrong")
    # Two are free: without POP3's failure, or without SMTP's, nothing would wait here.
    start = time.monotonic()
    with wire.open_pop3(server, user, PASSWORD) as session:
        assert time.monotonic() - start >= 0.5
        session.ok("QUIT")
    assert metric(server, 'postern_login_penalties_total{outcome="delayed"}') >= 1


def test_back_pressure_of_a_disk_that_fills_refuses_strangers_then_nobody_else(limited):
    # Free is less than a thousand times the minimum: medium, with no patience.
    minimum = max(1 << 20, shutil.disk_usage(tempfile.gettempdir()).free // 500)
    server = limited({}, store={"disk_free_min_octets": minimum},
                     **{"gateway.pressure": {"disk_medium_percent": 100_000, "patience": 0}})
    user = server.add_user()
    deadline = time.monotonic() + 15
    while metric(server, "postern_pressure_action") != 2:
        assert time.monotonic() < deadline, "no pressure seen"
        time.sleep(0.2)
    assert metric(server, 'postern_pressure_level{resource="disk"}') == 1
    with wire.Wire(server.ports.relay) as session:
        assert session.line().startswith(b"452 4.3.1 ")
        session.expect_closed()
    with begin(server, kind="submission_plain", user=user) as session:
        session.must(250, f"MAIL FROM:<{user}>")
        session.must(250, f"RCPT TO:<{user}>")
    assert metric(server, "postern_pressure_refusals_total") == 1
    wait_until(lambda: "smtp.pressure" in server.log_text("gateway"), 10, "the log says so")
