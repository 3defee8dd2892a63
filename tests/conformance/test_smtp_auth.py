"""SMTP-02, SMTP-03, SMTP-25 and EXT-01: authentication (RFC 4954) and what must not leak through it."""

import base64
import statistics
import time

import pytest

from conformance.target import expect
from harness import wire

SENDER = "stranger@elsewhere.example"
# Mechanisms whose server has nothing to say first (RFC 4422: the client begins).
CLIENT_FIRST = ("PLAIN", "EXTERNAL", "XOAUTH2", "OAUTHBEARER", "SCRAM-SHA-1", "SCRAM-SHA-256")


def encoded(text):
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def submission(server):
    """A session on a submission port, TLS under it, not authenticated."""
    with server.session("submission") as session:
        server.extension(session, "AUTH")
        yield session


def mechanisms(session):
    return session.keywords["AUTH"].upper().split()


def need(session, mechanism):
    if mechanism not in mechanisms(session):
        pytest.skip(f"{mechanism} is not offered: {session.keywords['AUTH']}")


# -- SMTP-02 ---------------------------------------------------------------------------------------


def test_smtp_02_plain_with_initial_response(submission, account):
    expect(submission.auth_plain(account.name, account.password), 235, "2.7.0")
    submission.must(250, f"MAIL FROM:<{account.name}>")


def test_smtp_02_plain_with_the_response_after_334(submission, account):
    submission.must(334, "AUTH PLAIN")
    expect(submission.command(wire.plain_response(account.name, account.password)), 235, "2.7.0")


@pytest.mark.parametrize("spelling", ["auth plain", "Auth Plain", "AUTH plain"])
def test_smtp_02_mechanism_names_in_any_case(spelling, submission, account):
    response = wire.plain_response(account.name, account.password).decode()
    submission.must(235, f"{spelling} {response}")


def test_smtp_02_plain_with_an_authorization_identity_of_its_own(submission, account):
    response = f"{account.name}\0{account.name}\0{account.password}"
    submission.must(235, f"AUTH PLAIN {encoded(response)}")


def test_smtp_02_another_authorization_identity_is_refused(submission, account):
    response = f"someone-else@{account.name.partition('@')[2]}\0{account.name}\0{account.password}"
    assert submission.command(f"AUTH PLAIN {encoded(response)}").code in (535, 501)


def test_smtp_02_an_empty_initial_response_is_an_equals_sign(submission):
    """`=` is a response of no octets: nothing PLAIN could use."""
    reply = submission.command("AUTH PLAIN =")
    assert reply.code in (501, 535), reply
    submission.must(250, "NOOP")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_smtp_02_a_star_cancels(mechanism, submission, account):
    need(submission, mechanism)
    submission.must(334, f"AUTH {mechanism}")
    expect(submission.command("*"), 501, "5.")
    submission.must(250, "NOOP")
    submission.must(235, "AUTH PLAIN " + wire.plain_response(account.name, account.password).decode())


@pytest.mark.parametrize("response", ["!!!!", "abc", "====", "QUJD RA==", "\x80\x81", "A" * 21 + "="])
def test_smtp_02_what_is_not_base64_is_501(response, submission):
    submission.must(334, "AUTH PLAIN")
    assert submission.command(response.encode("latin-1")).code in (501, 500)
    submission.must(250, "NOOP")


@pytest.mark.parametrize("response", ["", "a", "\0", "a\0b", "\0\0", "a\0b\0c\0d", "\0user\0"])
def test_smtp_02_what_is_not_plain_is_refused(response, submission):
    reply = submission.command(f"AUTH PLAIN {encoded(response) or '='}")
    assert reply.code in (501, 535), reply
    submission.must(250, "NOOP")


def test_smtp_02_unknown_mechanisms_are_504(submission):
    assert submission.command("AUTH NO-SUCH-MECHANISM").code == 504
    assert submission.command("AUTH NO-SUCH-MECHANISM AAAA").code == 504
    assert submission.command("AUTH").code == 501
    submission.must(250, "NOOP")


def test_smtp_02_25_wrong_password_is_535_5_7_8(submission, account):
    expect(submission.auth_plain(account.name, account.password + "x"), 535, "5.7.8")
    assert submission.command(f"MAIL FROM:<{account.name}>").code == 530


def test_smtp_02_a_second_auth_is_503(submission, account):
    assert submission.auth_plain(account.name, account.password).code == 235
    assert submission.auth_plain(account.name, account.password).code == 503
    assert submission.command("AUTH NO-SUCH-MECHANISM").code == 503


def test_smtp_02_auth_within_a_transaction_is_503(server, configured, account):
    """Needs a listener that takes MAIL before AUTH."""
    own = configured(smtp={"auth": True, "auth_required": False}) if server.own else server
    user = own.account()
    with own.session("submission") as session:
        own.extension(session, "AUTH")
        reply = session.command(f"MAIL FROM:<{SENDER}>")
        if reply.code == 530 and not own.own:
            pytest.skip("the submission port wants AUTH first")
        assert reply.code == 250, reply
        assert session.auth_plain(user.name, user.password).code == 503
        session.must(250, "RSET")
        assert session.auth_plain(user.name, user.password).code == 235


def test_smtp_02_without_auth_nothing_is_submitted(submission, account):
    for command in (f"MAIL FROM:<{account.name}>", "MAIL FROM:<>"):
        expect(submission.command(command), 530, "5.7.0")
    for command in ("NOOP", "RSET", "EHLO again.example"):
        submission.must(250, command)


def test_smtp_02_auth_survives_rset_and_ehlo(submission, account):
    """RFC 4954 4: only STARTTLS and QUIT end it. EHLO after AUTH without a security layer changes nothing."""
    assert submission.auth_plain(account.name, account.password).code == 235
    for command in ("RSET", "EHLO again.example", f"MAIL FROM:<{account.name}>"):
        submission.must(250, command)


@pytest.mark.parametrize("value, good", [("<>", True), ("{name}", True), ("e+3Dmc2@b.example", True),
                                         ("+ZZ", False), ("a=b", False), ("", False)])
def test_smtp_02_auth_parameter_of_mail(value, good, submission, account):
    """RFC 4954 5: an xtext mailbox or <>; it changes nothing for whom it does not concern."""
    assert submission.auth_plain(account.name, account.password).code == 235
    reply = submission.command(f"MAIL FROM:<{account.name}> AUTH={value.format(name=account.name)}")
    assert reply.code == 250 if good else reply.code in (501, 555), reply


def test_smtp_02_a_response_of_12288_octets_is_read(submission):
    """RFC 4954 4.: lines of 12,288 octets. The answer may be no; the session goes on."""
    submission.must(334, "AUTH PLAIN")
    reply = submission.command("A" * 12286)
    assert reply.code in (500, 501, 535), reply
    submission.must(250, "NOOP")


def test_smtp_02_responses_in_any_pieces(submission, account):
    for line, code in ((b"AUTH PLAIN\r\n", 334),
                       (wire.plain_response(account.name, account.password) + b"\r\n", 235)):
        for octet in line:
            submission.send(bytes([octet]))
        assert submission.reply().code == code


# -- SMTP-03 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", [str.upper, str.lower, str.title])
def test_smtp_03_an_empty_first_challenge_says_supported(spelling, server, submission):
    offered = [name for name in mechanisms(submission) if name in CLIENT_FIRST]
    if not offered:
        pytest.skip("no mechanism with an empty first challenge is offered")
    for mechanism in offered:
        name = spelling(mechanism)
        reply = submission.must(334, f"AUTH {name}")
        if not server.own:
            assert reply.text in ("", f"{name} supported"), reply
        else:
            assert reply.text == f"{name} supported", reply
        submission.must(501, "*")


def test_smtp_03_a_challenge_that_is_not_empty_stays_one(submission):
    need(submission, "LOGIN")
    assert base64.b64decode(submission.must(334, "AUTH LOGIN").text, validate=True)
    submission.must(501, "*")


def test_smtp_03_an_exchange_goes_on_after_it(submission, account):
    need(submission, "PLAIN")
    submission.must(334, "AUTH PLAIN")
    submission.must(235, wire.plain_response(account.name, account.password).decode())


# -- EXT-01 ----------------------------------------------------------------------------------------


def test_ext_01_login_prompts_for_name_and_password(submission, account):
    need(submission, "LOGIN")
    prompt = submission.must(334, "AUTH LOGIN").text
    assert base64.b64decode(prompt, validate=True).lower().startswith(b"user"), prompt
    prompt = submission.must(334, encoded(account.name)).text
    assert base64.b64decode(prompt, validate=True).lower().startswith(b"pass"), prompt
    expect(submission.command(encoded(account.password)), 235, "2.7.0")


def test_ext_01_login_takes_the_name_as_initial_response(submission, account):
    need(submission, "LOGIN")
    prompt = submission.must(334, f"AUTH LOGIN {encoded(account.name)}").text
    assert base64.b64decode(prompt, validate=True).lower().startswith(b"pass"), prompt
    submission.must(235, encoded(account.password))


@pytest.mark.parametrize("step", [1, 2])
def test_smtp_02_ext_01_login_can_be_cancelled_and_refused_at_each_step(step, submission, account):
    need(submission, "LOGIN")
    submission.must(334, "AUTH LOGIN")
    if step == 2:
        submission.must(334, encoded(account.name))
    submission.must(501, "*")
    submission.must(334, "AUTH LOGIN")
    submission.must(334, encoded(account.name))
    expect(submission.command(encoded("wrong")), 535, "5.7.8")
    submission.must(250, "NOOP")


def test_smtp_25_ext_01_no_password_mechanism_without_tls(server, account):
    with server.smtp("submission") as session:
        keywords = session.ehlo()
        offered = keywords.get("AUTH", "").upper().split()
        assert not {"PLAIN", "LOGIN"} & set(offered), keywords
        assert "STARTTLS" in keywords, keywords
        for command in ("AUTH LOGIN", "AUTH PLAIN",
                        "AUTH PLAIN " + wire.plain_response(account.name, account.password).decode()):
            reply = session.command(command)
            assert reply.code in (530, 538) or (not server.own and reply.code in (502, 503, 504)), reply
            if reply.code == 538:
                assert reply.text.startswith("5.7.11"), reply


def test_smtp_25_ext_01_with_tls_optional_password_mechanisms_wait_for_it(configured):
    """A listener that takes AUTH in the clear for nobody: 538 5.7.11."""
    server = configured(smtp={"auth": True, "auth_required": False})
    with server.smtp("relay") as session:
        assert "AUTH" not in session.ehlo()
        expect(session.command("AUTH PLAIN"), 538, "5.7.11")
        session.starttls(server.context())
        assert {"PLAIN", "LOGIN"} <= set(session.ehlo()["AUTH"].split())


def test_smtp_25_unless_it_is_configured(configured):
    server = configured(smtp={"auth": True, "auth_plaintext": True})
    account = server.account()
    with server.smtp("relay") as session:
        assert {"PLAIN", "LOGIN"} <= set(session.ehlo()["AUTH"].split())
        assert session.auth_plain(account.name, account.password).code == 235


def test_smtp_02_the_mechanisms_offered_are_the_configured_ones(configured):
    server = configured(smtp={"auth_mechanisms": ["LOGIN"]})
    account = server.account()
    with server.session("submissions") as session:
        assert session.keywords["AUTH"].split() == ["LOGIN"]
        assert session.auth_plain(account.name, account.password).code == 504
        session.must(334, f"AUTH LOGIN {encoded(account.name)}")
        session.must(235, encoded(account.password))


# -- SMTP-25 ---------------------------------------------------------------------------------------


def refusals(server, names):
    replies = []
    for name in names:
        with server.session("submission") as session:
            reply = session.auth_plain(name, "certainly wrong")
            replies.append((reply.code, reply.text))
    return replies


def test_smtp_25_a_wrong_name_reads_like_a_wrong_password(server, account):
    domain = account.name.partition("@")[2]
    replies = refusals(server, [account.name, f"nobody-at-all-here@{domain}",
                                "nobody@elsewhere.example", "nobody", "ß@é.example"])
    assert len(set(replies)) == 1 and replies[0][0] == 535, replies


def test_smtp_25_a_wrong_name_takes_as_long_as_a_wrong_password(configured):
    """RFC 4954 9, by time: medians of interleaved tries differ by less than the spread of each."""
    server = configured(smtp={"logon_failures_max": 0, "protocol_errors_max": 0})
    account = server.account()
    times_s = {"known": [], "unknown": []}
    with server.session("submissions") as session:
        for number in range(20):
            for kind, name in (("known", account.name),
                               ("unknown", f"nobody-{number}@{server.domain}")):
                begin = time.monotonic()
                assert session.auth_plain(name, f"wrong {number}").code == 535
                times_s[kind].append(time.monotonic() - begin)
    known, unknown = (statistics.median(times_s[kind]) for kind in ("known", "unknown"))
    spread = max(statistics.quantiles(times_s["known"], n=4)[2]
                 - statistics.quantiles(times_s["known"], n=4)[0], 0.25 * known)
    assert abs(known - unknown) < 2 * spread, f"known {known:.4f} s, unknown {unknown:.4f} s"


def test_smtp_25_vrfy_and_expn_tell_nothing(server, account):
    """Without AUTH the answer for a user who exists is the answer for one who does not."""
    domain = account.name.partition("@")[2]
    with server.session() as session:
        for verb in ("VRFY", "EXPN"):
            known = session.command(f"{verb} {account.name}")
            unknown = session.command(f"{verb} nobody-at-all-here@{domain}")
            assert known.code == unknown.code and \
                known.text.replace(account.name, "") == \
                unknown.text.replace(f"nobody-at-all-here@{domain}", ""), (known, unknown)


def test_smtp_25_relaying_needs_auth(server):
    """RFC 6409 and 5321 7.1: strangers reach local domains, and nothing else by detours."""
    with server.session() as session:
        session.must(250, f"MAIL FROM:<{SENDER}>")
        for path in ("x@elsewhere.example", f"x%elsewhere.example@{server.domain}",
                     f"x!y@{server.domain}", f"@{server.domain}:x@elsewhere.example",
                     f'"x@elsewhere.example"@{server.domain}', '"x@elsewhere.example"'):
            reply = session.command(f"RCPT TO:<{path}>")
            assert reply.code // 100 == 5, (path, reply)


def test_smtp_25_a_password_is_not_logged(configured):
    server = configured(settings={"log": {"level": "debug"}})
    account = server.account()
    secret = "a password nobody may read 815"
    with server.session("submissions") as session:
        assert session.auth_plain(account.name, secret).code == 535
        assert session.auth_plain(account.name, account.password).code == 235
    text = server.postern.log_text("gateway")
    assert text, "no log to look at"
    for password in (secret, account.password):
        for form in (password, encoded(password),
                     wire.plain_response(account.name, password).decode()):
            assert form not in text
