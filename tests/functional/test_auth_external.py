"""AUTH EXTERNAL: who the client's certificate says it is, over real TLS (RFC 4422 appendix A, SMTP-03)."""

import base64
import smtplib
import socket
import ssl

import pytest

from harness import messages, wire
from harness.certificates import Authority
from harness.server import PASSWORD
from harness.waiting import wait_until

KINDS = ("submissions", "submission")


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def context_with(authority, pair=None):
    context = authority.context()
    if pair is not None:
        context.load_cert_chain(*pair)
    return context


@pytest.fixture(scope="module")
def names(work_folder, authority):
    """Certificates by what is in them."""
    import tempfile
    stranger = Authority(tempfile.mkdtemp(prefix="other-ca-", dir=work_folder))
    return {
        "joe": authority.issue("anything", "email:joe@postern.test", usage="clientAuth"),
        "joe-in-capitals": authority.issue("anything", "email:JOE@Postern.Test", usage="clientAuth"),
        "alias": authority.issue("anything", "email:sales@postern.test", usage="clientAuth"),
        "nobody": authority.issue("joe@postern.test", "email:nobody@postern.test", usage="clientAuth"),
        "nameless": authority.issue("joe@postern.test", usage="clientAuth"),
        "server": authority.issue("anything", "email:joe@postern.test", usage="serverAuth"),
        "forged": stranger.issue("anything", "email:joe@postern.test", usage="clientAuth"),
    }


@pytest.fixture(scope="module")
def external(work_folder, authority):
    import tempfile
    from harness.server import Postern
    postern = Postern(tempfile.mkdtemp(prefix="external-", dir=work_folder), authority,
                      settings={"tls": {"certificate": authority.certificate, "key": authority.key,
                                        "client_ca": authority.ca},
                                "runtime": {"drain_timeout": 5, "cores": 2}},
                      smtp_limits={"client_certificates": "request"})
    try:
        postern.start("gateway", "pop3")
        postern.add_domain()
        postern.cli("user", "add", "joe@postern.test", "--no-password", "--alias", "sales@postern.test")
        postern.add_user("other")
        yield postern
        postern.stop()
    finally:
        postern.close()


def connect(postern, kind, pair):
    """A session past EHLO inside TLS, with this certificate; `offered` are the mechanisms."""
    context = context_with(postern.authority, pair)
    if kind == "submissions":
        session = wire.Smtp(postern.ports.submissions, tls=context)
    else:
        session = wire.Smtp(getattr(postern.ports, kind))
        assert "EXTERNAL" not in session.ehlo().get("AUTH", ""), "nothing is known before TLS"
        session.starttls(context)
    session.offered = session.ehlo().get("AUTH", "").split()
    return session


@pytest.mark.parametrize("kind", KINDS)
def test_the_certificates_address_logs_in(kind, external, names):
    since = external.log_sizes()
    with connect(external, kind, names["joe"]) as session:
        assert session.offered == ["PLAIN", "LOGIN", "EXTERNAL"]
        assert session.command("MAIL FROM:<joe@postern.test>").code == 530, "a certificate alone is no login"
        reply = session.command("AUTH EXTERNAL =")
        assert reply.code == 235 and reply.text.startswith("2.7.0 "), reply
        assert session.command("AUTH EXTERNAL =").code == 503
        assert session.command("MAIL FROM:<other@postern.test>").code == 550
        mail = messages.plain(kind, "joe@postern.test", ["other@postern.test"])
        assert session.send_mail("joe@postern.test", ["other@postern.test"], mail).code == 250
    (stored, *_) = wire.read_all_pop3(external, "other@postern.test", PASSWORD).values()
    assert b" with ESMTPSA " in stored.replace(b"\r\n\t", b" "), stored
    def logged():
        log = external.log_text("gateway", since["gateway"])
        return any("smtp.auth.ok" in line and "mechanism=EXTERNAL" in line and "user=joe@postern.test" in line
                   for line in log.splitlines())
    wait_until(logged, 10, "the log says who has logged in, and how")


@pytest.mark.parametrize("spelling", ["EXTERNAL", "external", "External"])
def test_without_initial_response_it_is_supported(spelling, external, names):
    for response in ("", encoded("joe@postern.test")):
        with connect(external, "submissions", names["joe"]) as session:
            reply = session.command(f"AUTH {spelling}")
            assert (reply.code, reply.text) == (334, f"{spelling} supported")
            assert session.command(response).code == 235
            session.must(250, "MAIL FROM:<joe@postern.test>")


@pytest.mark.parametrize("who", ["joe", "joe-in-capitals"])
def test_the_name_is_the_same_in_any_case(who, external, names):
    for authorize_as in ("=", encoded("joe@postern.test"), encoded("Joe@POSTERN.test")):
        with connect(external, "submissions", names[who]) as session:
            assert session.command(f"AUTH EXTERNAL {authorize_as}").code == 235, (who, authorize_as)
            session.must(250, "MAIL FROM:<joe@postern.test>")


@pytest.mark.parametrize("who, response", [
    ("nobody", "="), ("nobody", encoded("joe@postern.test")), ("nobody", encoded("nobody@postern.test")),
    ("alias", "="), ("joe", encoded("sales@postern.test")), ("joe", encoded("other@postern.test")),
    ("joe", encoded("nobody@postern.test")), ("joe", encoded("joe"))])
def test_nobody_logs_in_as_another(who, response, external, names):
    """Nor by an alias: as with passwords, only an account's name is a login name."""
    since = external.log_sizes()
    with connect(external, "submissions", names[who]) as session:
        assert "EXTERNAL" in session.offered
        reply = session.command(f"AUTH EXTERNAL {response}")
        assert reply.code == 535 and reply.text.startswith("5.7.8 "), reply
        assert session.command("MAIL FROM:<joe@postern.test>").code == 530
        # The session may yet log in otherwise.
        assert session.auth_plain("other@postern.test", PASSWORD).code == 235
    wait_until(lambda: "smtp.auth.failed" in external.log_text("gateway", since["gateway"]), 10, "the log says so")


def test_failed_ones_are_logon_failures(external, names):
    """SMTP-12: three, and the fourth ends the session."""
    with connect(external, "submissions", names["nobody"]) as session:
        assert [session.command("AUTH EXTERNAL =").code for _ in range(4)] == [535, 535, 535, 421]
        session.expect_closed()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("who", [None, "nameless", "server", "forged"])
def test_not_offered_without_a_certificate_that_names_somebody(who, kind, external, names):
    with connect(external, kind, names[who] if who else None) as session:
        assert session.offered == ["PLAIN", "LOGIN"]
        for command in ("AUTH EXTERNAL", "AUTH EXTERNAL =", "AUTH EXTERNAL " + encoded("joe@postern.test")):
            reply = session.command(command)
            assert reply.code == 504 and reply.text.startswith("5.5.4 "), reply


def test_not_in_the_clear_and_not_where_nobody_logs_in(external, names):
    with wire.Smtp(external.ports.submission) as session:
        session.ehlo()
        assert session.command("AUTH EXTERNAL =").code == 504
    with connect(external, "relay", names["joe"]) as session:
        assert session.offered == []
        assert session.command("AUTH EXTERNAL =").code == 502


def test_it_can_be_cancelled_and_survives_nonsense(external, names):
    with connect(external, "submissions", names["joe"]) as session:
        session.must(334, "AUTH EXTERNAL")
        reply = session.command("*")
        assert reply.code == 501 and reply.text.startswith("5.7.0 "), reply
        assert session.command("AUTH EXTERNAL !!!").code == 501
        session.must(334, "AUTH EXTERNAL")
        assert session.command("no base64").code == 501
        assert session.command("AUTH EXTERNAL =").code == 235


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_resumed_connection_is_the_same_client(version, external, names):
    """With a ticket no certificate is sent again: it is the one that the ticket was made for."""
    context = context_with(external.authority, names["joe"])
    context.minimum_version = context.maximum_version = version
    session = None
    for turn in range(4):
        raw = socket.create_connection(("127.0.0.1", external.ports.submissions), timeout=30)
        with context.wrap_socket(raw, server_hostname="localhost", session=session) as tls:
            assert tls.session_reused == (turn > 0)
            file = tls.makefile("rwb")
            assert file.readline().startswith(b"220 ")
            for line in (b"EHLO c.example\r\n", b"AUTH EXTERNAL =\r\n"):
                file.write(line)
                file.flush()
                reply = file.readline()
                while reply[3:4] == b"-":
                    reply = file.readline()
            assert reply.startswith(b"235 "), reply
            session = tls.session


def test_pythons_own_client(external, names):
    context = context_with(external.authority, names["joe"])
    with smtplib.SMTP("localhost", external.ports.submission, timeout=30) as client:
        client.starttls(context=context)
        client.ehlo()
        assert "EXTERNAL" in client.esmtp_features["auth"].split()
        code, text = client.auth("EXTERNAL", lambda challenge=None: "joe@postern.test")
        assert code == 235, text
        client.sendmail("joe@postern.test", ["other@postern.test"],
                        messages.plain("smtplib", "joe@postern.test", ["other@postern.test"]))
