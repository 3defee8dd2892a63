"""POP-01, 02, 05 to 12, 16 to 18 and 22: the session of POP3 around the maildrop."""

import base64
import concurrent.futures
import re
import ssl
import time

import pytest

from harness import wire
from harness.waiting import scaled

LATE_S = 1.5


def plain(account):
    return wire.plain_response(account.name, account.password).decode()


@pytest.fixture
def fresh(server):
    """An unauthenticated session where passwords may be sent."""
    with server.pop3_for_login() as session:
        yield session


@pytest.fixture
def maildrop(server, account):
    """An authenticated session on a maildrop of two mails."""
    server.fill(account, [server.message(account.name)[1] for _ in range(2)])
    with server.maildrop(account) as session:
        yield session


# -- POP-01, POP-02 --------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["LIST 1", "LIST\t1", "LIST  1", "LIST \t \t1", "list 1", "LiSt 1"])
def test_pop_01_words_are_parted_by_any_blanks(line, maildrop):
    assert maildrop.ok(line).split()[1] == b"1"


def test_pop_01_two_arguments_too(maildrop):
    maildrop.ok("TOP \t 1 \t 0")
    maildrop.multiline_octets()


def test_pop_01_user_and_pass(fresh, account):
    fresh.ok(f"USER \t{account.name}")
    fresh.ok(f"PASS {account.password}")


def longest(command, octets):
    """`command` filled up to `octets` with its CRLF."""
    return command + "x" * (octets - len(command) - 2)


def test_pop_02_255_octets_are_a_command(fresh):
    """RFC 2449 4: with CAPA at least that much."""
    fresh.ok(longest("USER ", 255))


@pytest.mark.parametrize("value", [None, 40, 255, 600, 1024])
def test_pop_02_a_command_up_to_the_limit_and_not_one_octet_more(value, server, configured):
    if value is not None:
        # Less than 255 octets contradict RFC 2449: the modern profile does not go below.
        profile = "exchange" if value < 255 else "modern"
        server = configured(settings={"profile": profile, "pop3": {"command_octets_max": value}},
                            shared=True)
    limit = value or server.expected("pop3_command")
    with server.pop3_for_login() as session:
        session.ok(longest("USER ", limit))
    with server.pop3_for_login() as session:
        try:
            session.error(longest("USER ", limit + 1))
            session.ok("USER somebody")
        except wire.Closed:
            pass  # the server may close after an error (POP-12)


def test_pop_02_arguments_have_no_limit_of_their_own(server, account):
    """RFC 1939 3 says 40 octets; only the line counts here."""
    with server.pop3_for_login() as session:
        session.ok("USER " + "u" * 200)
        session.error("PASS " + "p" * 200)


def test_pop_02_an_endless_line_is_refused(fresh):
    fresh.send(b"USER " + b"x" * 100_000 + b"\r\n")
    try:
        assert fresh.status().startswith(b"-ERR")
    except (wire.Closed, OSError):
        pass


# -- POP-05, POP-22: ports, CAPA, STLS -------------------------------------------------------------


def test_pop_05_22_a_clear_port_with_stls_and_a_tls_port(server, account):
    with server.pop3("pop3") as session:
        assert session.greeting.startswith(b"+OK")
        assert b"STLS" in session.multiline("CAPA")
        session.ok("STLS")
        session.start_tls(server.context())
        assert b"STLS" not in session.multiline("CAPA")
        assert session.login(account.name, account.password).startswith(b"+OK")
    with server.pop3("pop3s") as session:
        assert b"STLS" not in session.multiline("CAPA")
        assert session.login(account.name, account.password).startswith(b"+OK")


def capabilities(session):
    return {line.split()[0].decode(): line.decode().split()[1:] for line in session.multiline("CAPA")}


@pytest.mark.parametrize("keyword", ["TOP", "UIDL", "USER", "SASL", "RESP-CODES", "AUTH-RESP-CODE",
                                     "PIPELINING", "EXPIRE", "IMPLEMENTATION", "UTF8"])
def test_pop_22_capa_names_what_works(keyword, server, account):
    with server.maildrop(account) as session:
        found = capabilities(session)
        if keyword == "IMPLEMENTATION":
            assert keyword in found or not server.own, found
        elif keyword not in found and not server.own:
            pytest.skip(f"the server does not announce {keyword}")
        else:
            assert keyword in found, found


def test_pop_22_capa_before_login_names_authentication(fresh):
    found = capabilities(fresh)
    assert "USER" in found and "PLAIN" in found["SASL"], found


def test_pop_22_user_and_plain_are_not_offered_where_they_are_not_permitted(server):
    with server.clear_pop3() as session:
        found = capabilities(session)
        assert "USER" not in found and "PLAIN" not in found.get("SASL", ()), found


def test_pop_22_expire_is_a_number_or_never(server, account):
    with server.maildrop(account) as session:
        found = capabilities(session)
        if "EXPIRE" not in found and not server.own:
            pytest.skip("the server does not announce EXPIRE")
        assert re.fullmatch(r"(NEVER|\d+)( USER)?", " ".join(found["EXPIRE"])), found


def test_pop_22_stls_forgets_and_discards(server):
    """RFC 2595 4: what came in the clear behind STLS is no command."""
    with server.pop3("pop3") as session:
        session.send(b"STLS\r\nCAPA\r\n")
        assert session.status().startswith(b"+OK")
        try:
            session.buffer.clear()
            session.start_tls(server.context())
            assert session.command("NOOP").startswith(b"-ERR"), "injected CAPA was answered"
        except (ssl.SSLError, wire.Closed, OSError, AssertionError) as error:
            assert not isinstance(error, AssertionError) or "injected" not in str(error), error


def test_pop_22_stls_twice_or_after_login_is_an_error(server, account):
    with server.pop3("pop3") as session:
        session.ok("STLS")
        session.start_tls(server.context())
        session.error("STLS")
        assert session.login(account.name, account.password).startswith(b"+OK")
        session.error("STLS")


def test_pop_22_utf8_before_login(server, account):
    """RFC 6856 2: UTF8 is a command of AUTHORIZATION; afterwards names and passwords are UTF-8."""
    with server.pop3_for_login() as session:
        if "UTF8" not in capabilities(session) and not server.own:
            pytest.skip("the server does not announce UTF8")
        session.ok("UTF8")
        assert session.login(account.name, account.password).startswith(b"+OK")


def test_pop_22_lang_lists_languages(server):
    with server.pop3_for_login() as session:
        if "LANG" not in capabilities(session):
            pytest.skip("the server does not announce LANG")
        lines = session.multiline("LANG")
        assert lines and all(re.match(rb"[A-Za-z0-9-]+( .*)?$", line) for line in lines), lines
        tag = lines[0].split()[0].decode()
        assert session.ok(f"LANG {tag}").split()[1].decode().lower() == tag.lower()
        session.error("LANG x-no-such-language")


def test_pop_22_pipelined_commands_are_answered_in_order(maildrop):
    maildrop.send(b"STAT\r\nLIST 2\r\nLIST 9\r\nNOOP\r\nRETR 1\r\nUIDL 1\r\nQUIT\r\n")
    assert maildrop.status().startswith(b"+OK 2 ")
    assert maildrop.status().startswith(b"+OK 2 ")
    assert maildrop.status().startswith(b"-ERR")
    assert maildrop.status().startswith(b"+OK")
    assert maildrop.status().startswith(b"+OK")
    assert maildrop.multiline_octets()
    assert maildrop.status().startswith(b"+OK 1 ")
    assert maildrop.status().startswith(b"+OK")
    maildrop.expect_closed()


# -- POP-06, POP-08 --------------------------------------------------------------------------------


def test_pop_06_responses_fit_512_octets(server, account):
    with server.pop3_for_login() as session:
        lines = [session.greeting]
        for command in ("NO-SUCH " + "x" * 400, "USER " + "y" * 400, "PASS " + "z" * 400):
            try:
                lines.append(session.command(command))
            except wire.Closed:
                break
        for line in lines:
            assert len(line) + 2 <= 512, line
    with server.maildrop(account) as session:
        lines = [session.command(command) for command in
                 ("RETR 999999999", "LIST " + "1" * 400, "NO-SUCH " + "x" * 400)]
        assert all(len(line) + 2 <= 512 for line in lines), lines


@pytest.mark.parametrize("command", ["RETR 99", "LIST 99", "DELE 99", "TOP 99 1", "UIDL 99", "NO-SUCH",
                                     "RETR", "RETR x", "RETR -1", "RETR 0", "TOP 1", "TOP 1 x",
                                     "TOP 1 -1", "RETR 1 2", "DELE", "STAT now", "LIST 1 2", ""])
def test_pop_08_errors_say_why(command, maildrop):
    status = maildrop.command(command)
    assert re.match(rb"-ERR (\[[A-Z/-]+\] )?\S+", status), status
    maildrop.ok("NOOP")


def test_pop_08_a_wrong_password_is_auth(server, account):
    """RFC 3206."""
    with server.pop3_for_login() as session:
        announced = "AUTH-RESP-CODE" in capabilities(session)
        session.ok(f"USER {account.name}")
        status = session.error("PASS certainly wrong")
        assert status.startswith(b"-ERR [AUTH] ") or not (announced or server.own), status


# -- POP-07, POP-12, POP-16 to POP-18 --------------------------------------------------------------


@pytest.mark.parametrize("command", ["STAT", "LIST", "UIDL", "RETR 1", "TOP 1 1", "DELE 1", "RSET",
                                     "NOOP", "PASS without-a-user"])
def test_pop_07_nothing_of_a_maildrop_before_login(command, fresh):
    fresh.error(command)
    fresh.ok("CAPA")
    fresh.multiline_octets()


def test_pop_07_quit_before_login(fresh):
    fresh.ok("QUIT")
    fresh.expect_closed()


@pytest.mark.parametrize("command", ["USER x", "PASS x", "AUTH PLAIN", "STLS"])
def test_pop_07_nothing_of_authentication_after_login(command, maildrop):
    maildrop.error(command)


@pytest.mark.parametrize("value", [None, 1, 5])
def test_pop_12_failed_logins_end_the_session_after_an_answer(value, server, configured):
    if value is not None:
        server = configured(settings={"pop3": {"logon_failures_max": value}}, shared=True)
    limit = value or server.expected("pop3_logon_failures")
    account = server.account()
    with server.pop3_for_login() as session:
        for number in range(1, limit + 1):
            session.ok(f"USER {account.name}")
            session.error("PASS certainly wrong")
            if number < limit:
                session.ok("CAPA")
                session.multiline_octets()
        session.expect_closed()


def test_pop_16_user_tells_nothing(server, account):
    domain = account.name.partition("@")[2]
    answers = []
    for name in (account.name, f"nobody-at-all-here@{domain}", "nobody"):
        with server.pop3_for_login() as session:
            user = session.ok(f"USER {name}")
            answers.append((user.replace(name.encode(), b""), session.error("PASS certainly wrong")))
    assert len(set(answers)) == 1, answers


def test_pop_16_user_is_refused_in_the_clear(server, account):
    with server.clear_pop3() as session:
        session.error(f"USER {account.name}")
        session.error(f"PASS {account.password}")
        session.error("STAT")


@pytest.mark.parametrize("password", ["two words", " leading", "trailing ", "  many   spaces  ", "tab\tin",
                                      "colon: and \"quotes\"", "grün"])
def test_pop_17_pass_is_the_rest_of_the_line(password, server):
    if not server.own:
        pytest.skip("the password is given by the command line")
    name = server.postern.add_user(password=password)
    with server.pop3_for_login() as session:
        if not password.isascii():
            session.ok("UTF8")
        assert session.login(name, password).startswith(b"+OK")
    with server.pop3_for_login() as session:
        assert session.login(name, password + " ").startswith(b"-ERR")


def test_pop_18_no_apop(fresh, account):
    """Neither its timestamp in the greeting nor the command."""
    assert not re.search(rb"<[^<>\s]+@[^<>\s]+>", fresh.greeting), fresh.greeting
    fresh.error(f"APOP {account.name} c4c9334bac560ecc979e58001b3e22fb")


# -- POP-11 ----------------------------------------------------------------------------------------


def test_pop_11_user_and_pass(fresh, account):
    assert fresh.login(account.name, account.password).startswith(b"+OK")
    fresh.ok("STAT")


def test_pop_11_auth_plain_with_initial_response(fresh, account):
    fresh.ok(f"AUTH PLAIN {plain(account)}")
    fresh.ok("STAT")


def test_pop_11_auth_plain_with_the_response_after_a_continuation(fresh, account):
    fresh.send(b"AUTH PLAIN\r\n")
    assert fresh.line().rstrip() == b"+"
    fresh.ok(plain(account))
    fresh.ok("STAT")


def test_pop_11_auth_login(fresh, account):
    if "LOGIN" not in capabilities(fresh).get("SASL", ()):
        pytest.skip("LOGIN is not offered")
    fresh.send(b"AUTH LOGIN\r\n")
    assert fresh.line().startswith(b"+ ")
    fresh.send(base64.b64encode(account.name.encode()) + b"\r\n")
    assert fresh.line().startswith(b"+ ")
    fresh.ok(base64.b64encode(account.password.encode()))


def test_pop_11_auth_alone_lists_mechanisms(fresh):
    """Older than RFC 5034, and clients do it: a list, or an error."""
    if fresh.command("AUTH").startswith(b"+OK"):
        assert b"PLAIN" in fresh.multiline_octets()


@pytest.mark.parametrize("answer", ["*", "!!!", "AAAA", "="])
def test_pop_11_an_exchange_cancelled_or_broken_is_an_error(answer, fresh, account):
    fresh.send(b"AUTH PLAIN\r\n")
    assert fresh.line().startswith(b"+")
    fresh.error(answer)
    assert fresh.login(account.name, account.password).startswith(b"+OK")


def test_pop_11_unknown_mechanisms_are_errors(fresh):
    fresh.error("AUTH NO-SUCH-MECHANISM")
    fresh.error("AUTH NO-SUCH-MECHANISM AAAA")


def test_pop_11_16_no_plain_in_the_clear(server, account):
    with server.clear_pop3() as session:
        session.error(f"AUTH PLAIN {plain(account)}")
        session.error("STAT")


# -- POP-09, POP-10 --------------------------------------------------------------------------------


def last_words(session):
    """(what the server said before it closed, when that was)."""
    line = session.line()
    moment = time.monotonic()
    session.expect_closed(5)
    return line, moment


@pytest.mark.parametrize("state", ["greeting", "user", "auth"])
def test_pop_09_10_silence_before_login(state, configured):
    server = configured(settings={"pop3": {"login_timeout": 2, "inactivity_timeout": 60}}, shared=True)
    with server.pop3_for_login() as session:
        if state == "user":
            session.ok("USER someone")
        if state == "auth":
            session.send(b"AUTH PLAIN\r\n")
            session.line()
        started = time.monotonic()
        line, moment = last_words(session)
        assert line.startswith(b"-ERR"), line
        assert 1.9 <= moment - started < 2 + scaled(LATE_S), moment - started


def test_pop_09_every_command_starts_it_anew(configured):
    server = configured(settings={"pop3": {"login_timeout": 2, "inactivity_timeout": 2}}, shared=True)
    account = server.account()
    with server.maildrop(account) as session:
        for _ in range(3):
            assert session.silent(1.2)
            session.ok("NOOP")
        started = time.monotonic()
        line, moment = last_words(session)
        assert line.startswith((b"-ERR", b"+OK")), line
        assert 1.9 <= moment - started < 2 + scaled(LATE_S), moment - started


def test_pop_10_13_autologout_removes_nothing(configured):
    server = configured(settings={"pop3": {"login_timeout": 2, "inactivity_timeout": 2}}, shared=True)
    account = server.account()
    server.fill(account, [server.message(account.name)[1] for _ in range(3)])
    with server.maildrop(account) as session:
        session.ok("DELE 1")
        session.ok("DELE 3")
        last_words(session)
    assert len(server.mailbox(account)) == 3


def test_pop_09_many_sessions_each_at_its_own_moment(configured):
    server = configured(settings={"pop3": {"login_timeout": 3}, "runtime": {"cores": 4}})

    def one(_):
        with server.pop3_for_login() as session:
            started = time.monotonic()
            return last_words(session)[1] - started
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        for elapsed in pool.map(one, range(40)):
            assert 2.9 <= elapsed < 3 + scaled(LATE_S), elapsed
