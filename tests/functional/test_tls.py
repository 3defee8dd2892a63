"""Certificates by name, renewed without a restart; versions; tickets on every core; client certificates."""

import os
import re
import shutil
import signal
import socket
import ssl
import time

import pytest

from harness import wire
from harness.metrics import Endpoints
from harness.waiting import wait_until

IMPLICIT = {"gateway": "submissions", "pop3": "pop3s", "imap": "imaps"}


def handshake(postern, kind, name="localhost", session=None, context=None):
    """A TLS connection past its greeting, so that tickets have arrived; the caller closes it."""
    context = context or postern.authority.context()
    raw = socket.create_connection(("127.0.0.1", getattr(postern.ports, kind)), timeout=20)
    try:
        tls = context.wrap_socket(raw, server_hostname=name, session=session)
    except BaseException:
        raw.close()
        raise
    assert tls.recv(1000)
    return tls


def common_name(postern, kind, name):
    """Of the certificate that a client is shown which asks for `name`; it need not fit."""
    context = postern.authority.context()
    context.check_hostname = False
    with handshake(postern, kind, name, context=context) as tls:
        subject = dict(field[0] for field in tls.getpeercert()["subject"])
        return subject["commonName"]


def names_on_starttls(postern, name):
    context = postern.authority.context()
    with wire.Smtp(postern.ports.relay, server_name=name) as session:
        session.ehlo()
        session.starttls(context)
        return dict(field[0] for field in session.socket.getpeercert()["subject"])["commonName"]


@pytest.fixture
def own_files(own_postern, authority, tmp_path):
    """A factory: a Postern whose certificate files are its own; `files` are their paths."""
    def make(settings=None, **tls):
        files = {}
        for name, source in (("certificate", authority.certificate), ("key", authority.key)):
            files[name] = str(tmp_path / f"own-{name}.pem")
            shutil.copy(source, files[name])
        settings = {"tls": {**files, **tls}, "runtime": {"drain_timeout": 5, "cores": 2},
                    **(settings or {})}
        more = tls.pop("certificates", None)
        if more:
            del settings["tls"]["certificates"]
            settings["tls.certificates"] = more
        postern = own_postern(settings=settings)
        postern.files = files
        return postern
    return make


def reload(postern, names=("gateway", "pop3", "imap"), expected="tls.certificate.read"):
    since = postern.log_sizes()
    for name in names:
        postern[name].signal(signal.SIGHUP)
    for name in names:
        wait_until(lambda: expected in postern.log_text(name, since[name]), 10,
                   f"{name} has read its certificates")


def test_certificates_by_name(own_files, authority):
    two = authority.issue("two", "DNS:two.postern.test")
    wild = authority.issue("wild", "DNS:*.wild.test")
    named = authority.issue("named", "DNS:in-the-file.test")
    postern = own_files(certificates=[
        {"certificate": two[0], "key": two[1]}, {"certificate": wild[0], "key": wild[1]},
        {"certificate": named[0], "key": named[1], "names": ["by-configuration.test"]}])
    postern.start()
    for kind in IMPLICIT.values():
        assert common_name(postern, kind, "localhost") == "mail.postern.test"
        assert common_name(postern, kind, "two.postern.test") == "two"
        assert common_name(postern, kind, "TWO.postern.test") == "two"
        assert common_name(postern, kind, "any.wild.test") == "wild"
        assert common_name(postern, kind, "a.b.wild.test") == "mail.postern.test"
        assert common_name(postern, kind, "by-configuration.test") == "named"
        assert common_name(postern, kind, "in-the-file.test") == "mail.postern.test"
    assert names_on_starttls(postern, "two.postern.test") == "two"
    postern.stop()


def test_renewal_without_a_restart(own_files, authority):
    endpoints = Endpoints()
    postern = own_files(settings={"metrics": endpoints.settings}).start()
    for process, name in (("gateway", "smtp"), ("pop3", "pop3"), ("imap", "imap")):
        left_s = endpoints.value(process, f"postern_{name}_tls_certificate_expires_seconds") - time.time()
        assert 1.9 * 86400 < left_s < 2.1 * 86400, "the test's certificates live two days"
        wait_until(lambda: "tls.certificate.expires" in postern.log_text(process), 5,
                   f"{process} warns of it")
    pids = {name: postern[name].pid for name in IMPLICIT}
    with wire.Imap(postern.ports.imaps, tls=authority.context()) as open_session, \
            wire.Smtp(postern.ports.relay) as before_starttls:
        before_starttls.ehlo()
        certificate, key = authority.issue("renewed", "DNS:localhost,IP:127.0.0.1")
        shutil.copy(certificate, postern.files["certificate"])
        shutil.copy(key, postern.files["key"])
        assert common_name(postern, "submissions", "localhost") == "mail.postern.test"
        reload(postern)
        # Each core has taken it: connections land on either.
        for kind in IMPLICIT.values():
            wait_until(lambda: [common_name(postern, kind, "localhost") for _ in range(8)]
                       == ["renewed"] * 8, 10, f"{kind} shows the renewed certificate")
        # A connection of before goes on, and begins TLS with what is there now.
        assert open_session.finish(open_session.start("NOOP")).status == "OK"
        before_starttls.starttls(authority.context())
        subject = dict(f[0] for f in before_starttls.socket.getpeercert()["subject"])
        assert subject["commonName"] == "renewed"
    assert pids == {name: postern[name].pid for name in IMPLICIT}
    postern.stop()


def test_a_broken_file_keeps_the_old_certificate(own_files, authority):
    two = authority.issue("two", "DNS:two.postern.test")
    postern = own_files(certificates=[{"certificate": two[0], "key": two[1]}]).start()
    renewed = authority.issue("renewed", "DNS:localhost")
    other = authority.issue("two-renewed", "DNS:two.postern.test")

    def break_with(action):
        action()
        # What is good is renewed all the same.
        shutil.copy(other[0], two[0])
        shutil.copy(other[1], two[1])
        reload(postern, expected="tls.reload.failed")
        for process, kind in IMPLICIT.items():
            wait_until(lambda: common_name(postern, kind, "two.postern.test") == "two-renewed", 10,
                       f"{process} renews the good certificate")
            assert common_name(postern, kind, "localhost") == "mail.postern.test"
            wait_until(lambda: postern.files["certificate"] in postern.log_text(process), 10,
                       "the log says so")

    # A certificate whose key is still the old one: renewal in two steps.
    break_with(lambda: shutil.copy(renewed[0], postern.files["certificate"]))
    # Half a file, no file.
    break_with(lambda: os.truncate(postern.files["certificate"], 300))
    break_with(lambda: os.unlink(postern.files["certificate"]))
    shutil.copy(renewed[0], postern.files["certificate"])
    shutil.copy(renewed[1], postern.files["key"])
    reload(postern)
    for kind in IMPLICIT.values():
        wait_until(lambda: common_name(postern, kind, "localhost") == "renewed", 10, "all is well again")
    postern.stop()


@pytest.mark.parametrize("version", (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3))
def test_tickets_work_on_every_core_and_not_for_ever(version, own_files, authority):
    """With two cores, resumption that depended on the core would fail every other time."""
    postern = own_files(ticket_key_period=4).start()
    context = authority.context()
    context.minimum_version = context.maximum_version = version
    first = {}
    for kind in IMPLICIT.values():
        with handshake(postern, kind, context=context) as tls:
            assert not tls.session_reused
            first[kind] = tls.session
        begin = time.monotonic()
        resumed = []
        for _ in range(8):
            with handshake(postern, kind, session=first[kind], context=context) as tls:
                resumed.append(tls.session_reused)
        if time.monotonic() - begin < 3:
            assert resumed == [True] * 8
    time.sleep(9)  # two periods and one for the timer
    for kind in IMPLICIT.values():
        with handshake(postern, kind, session=first[kind], context=context) as tls:
            assert not tls.session_reused, "a ticket of two key periods ago"
    postern.stop()


def test_without_tickets(own_files, authority):
    postern = own_files(ticket_key_period=0).start("gateway")
    context = authority.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with handshake(postern, "submissions", context=context) as tls:
        session = tls.session
    with handshake(postern, "submissions", session=session, context=context) as tls:
        assert not tls.session_reused
    postern.stop()


def test_oldest_version(own_files, authority):
    postern = own_files(version_min="1.3").start()
    old = authority.context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    for kind in IMPLICIT.values():
        with pytest.raises((ssl.SSLError, OSError)):
            handshake(postern, kind, context=old)
        with handshake(postern, kind) as tls:
            assert tls.version() == "TLSv1.3"
    postern.stop()


def client_context(authority, pair=None):
    context = authority.context()
    if pair is not None:
        context.load_cert_chain(*pair)
    return context


def served(open_one):
    """Whether a session can be opened: a TLS 1.3 client learns of a refusal only when it reads."""
    try:
        with open_one():
            return True
    except (ssl.SSLError, OSError, wire.Closed):
        return False


def test_client_certificates(own_postern, authority, tmp_path):
    from harness.certificates import Authority
    joe = authority.issue("joe", "email:joe@postern.test", usage="clientAuth")
    stranger = Authority(str(tmp_path / "other")).issue("stranger", usage="clientAuth")
    keys = {"client_certificates": "require"}
    postern = own_postern(
        settings={"tls": {"certificate": authority.certificate, "key": authority.key,
                          "client_ca": authority.ca}},
        smtp_limits={"client_certificates": "request"}, mailbox_limits=keys).start()
    clients = {
        "submissions": lambda pair: wire.Smtp(postern.ports.submissions,
                                              tls=client_context(authority, pair)),
        "pop3s": lambda pair: wire.Pop3(postern.ports.pop3s, tls=client_context(authority, pair)),
        "imaps": lambda pair: wire.Imap(postern.ports.imaps, tls=client_context(authority, pair)),
    }
    for kind, open_one in clients.items():
        required = kind != "submissions"
        assert served(lambda: open_one(joe))
        assert served(lambda: open_one(None)) != required
        assert served(lambda: open_one(stranger)) != required
    for process in IMPLICIT:
        wait_until(lambda: "CN=joe" in postern.log_text(process), 10, f"{process} logs the client")
    for process, words in (("gateway", ("CN=joe", "verified=yes")),
                           ("gateway", ("CN=stranger", "verified=no")),
                           ("pop3", ("pop3.tls.failed",))):
        # The log is written by a thread of its own.
        wait_until(lambda: all(word in postern.log_text(process) for word in words), 10,
                   f"{process} logs {words}")
    # STARTTLS asks too.
    with wire.Smtp(postern.ports.relay) as session:
        session.ehlo()
        since = postern.log_sizes()
        session.starttls(client_context(authority, joe))
        session.ehlo()
    wait_until(lambda: "CN=joe" in postern.log_text("gateway", since["gateway"]), 10,
               "the relay listener logs the client")
    postern.stop()


@pytest.mark.parametrize("octets", [b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"r" * 40,
                                    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                                    b"POST / HTTP/1.0\r\n\r\n"], ids=["tls", "get", "post"])
def test_talkers_of_other_protocols_are_cut_off(octets, postern):
    with wire.Wire(postern.ports.relay) as client:
        assert client.line().startswith(b"220 ")
        client.send(octets)
        assert client.expect_closed(5).startswith(b"421 4.7.0")


def test_a_bad_handshake_is_logged_with_the_client_of_a_trusted_network(running_postern):
    trusted = {"trusted": ["127.0.0.0/8"]}
    postern, _ = running_postern(users=0, smtp_limits=trusted, mailbox_limits=trusted)
    for process, kind in IMPLICIT.items():
        with wire.Wire(getattr(postern.ports, kind), source="127.0.0.9") as client:
            client.send(b"NOOP\r\n")
            client.expect_closed()
        event = re.compile(r"(smtp|pop3|imap)\.tls\.failed.*client=127\.0\.0\.9\b")
        wait_until(lambda: event.search(postern.log_text(process)), 10, f"{process} says whose it was")
    postern.stop()
