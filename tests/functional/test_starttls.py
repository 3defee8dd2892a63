"""STARTTLS and STLS: nothing said in clear text counts afterwards, nothing injected is obeyed."""

import ssl

import pytest

from harness import messages, wire

SENDER = "stranger@elsewhere.example"


@pytest.mark.parametrize("behind", [b"NOOP\r\n", b"RSET\r\nNOOP\r\nNOOP\r\n",
                                    b"MAIL FROM:<injected@elsewhere.example>\r\n", b"x" * 5000])
def test_smtp_discards_what_is_pipelined_behind_starttls(behind, postern, account):
    """CVE-2011-0411: clear text behind STARTTLS must not be executed inside TLS."""
    with wire.Smtp(postern.ports.relay) as session:
        session.ehlo()
        session.send(b"STARTTLS\r\n" + behind)
        assert session.reply().code == 220
        try:
            session.start_tls(postern.authority.context())
        except (ssl.SSLError, OSError):
            return  # refusing such a client altogether is safe, too
        assert session.silent(0.5), "the server answered a command from before the handshake"
        session.ehlo()
        mail = messages.plain(1, SENDER, [account.name])
        assert session.send_mail(SENDER, [account.name], mail).code == 250


def test_smtp_forgets_the_state_from_before(postern, account):
    with wire.Smtp(postern.ports.relay) as session:
        session.ehlo("before.example")
        session.must(250, f"MAIL FROM:<{SENDER}>")
        session.must(250, f"RCPT TO:<{account.name}>")
        reply = session.command("STARTTLS")
        if reply.code == 503:  # allowed: not in the middle of a transaction
            session.must(250, "RSET")
            reply = session.command("STARTTLS")
        assert reply.code == 220, reply
        session.start_tls(postern.authority.context())
        assert session.command("DATA").code == 503
        assert session.command(f"RCPT TO:<{account.name}>").code == 503
        keywords = session.ehlo("after.example")
        assert "STARTTLS" not in keywords
        assert session.command("STARTTLS").code in (502, 503)
        mail = messages.plain(1, SENDER, [account.name])
        assert session.send_mail(SENDER, [account.name], mail).code == 250
    (octets,) = wire.read_all_pop3(postern, account.name, account.password).values()
    head = octets.partition(mail[:30])[0]
    assert b"after.example" in head and b"before.example" not in head
    assert b"with ESMTPS" in head


@pytest.mark.parametrize("behind", [b"NOOP\r\n", b"CAPA\r\nCAPA\r\n",
                                    b"USER injected\r\nPASS injected\r\n", b"x" * 5000])
def test_pop3_discards_what_is_pipelined_behind_stls(behind, postern, account):
    with wire.Pop3(postern.ports.pop3) as session:
        session.send(b"STLS\r\n" + behind)
        assert session.status().startswith(b"+OK")
        try:
            session.start_tls(postern.authority.context())
        except (ssl.SSLError, OSError):
            return
        assert session.silent(0.5), "the server answered a command from before the handshake"
        assert session.login(account.name, account.password).startswith(b"+OK")
        session.error("STLS")


@pytest.mark.parametrize("behind", [b"a2 NOOP\r\n", b"a2 CAPABILITY\r\n", b"a2 LOGIN a b\r\n", b"x" * 5000])
def test_imap_discards_what_is_pipelined_behind_starttls(behind, postern, account):
    with wire.Imap(postern.ports.imap) as session:
        session.send(b"a1 STARTTLS\r\n" + behind)
        assert session.finish(b"a1").status == "OK"
        try:
            session.start_tls(postern.authority.context())
        except (ssl.SSLError, OSError):
            return
        assert session.silent(0.5), "the server answered a command from before the handshake"
        assert session.login(account.name, account.password).status == "OK"
        assert session.command("STARTTLS").status in ("BAD", "NO")


def test_passwords_are_not_taken_in_clear_text(postern, account):
    """IMAP-03, IMAP-24, POP-16: LOGINDISABLED and refusal until TLS, then neither."""
    with wire.Imap(postern.ports.imap) as session:
        assert b"LOGINDISABLED" in b" ".join(session.ok("CAPABILITY").untagged)
        assert session.login(account.name, account.password).status == "NO"
        session.ok("STARTTLS")
        session.start_tls(postern.authority.context())
        capabilities = b" ".join(session.ok("CAPABILITY").untagged)
        assert b"LOGINDISABLED" not in capabilities and b"STARTTLS" not in capabilities
        assert session.login(account.name, account.password).status == "OK"
    with wire.Pop3(postern.ports.pop3) as session:
        session.error(f"USER {account.name}")
        session.ok("STLS")
        session.start_tls(postern.authority.context())
        assert session.login(account.name, account.password).startswith(b"+OK")


@pytest.mark.parametrize("kind", ("submissions", "pop3s", "imaps"))
@pytest.mark.parametrize("version", (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3))
def test_tls_versions(kind, version, postern):
    context = postern.authority.context()
    context.minimum_version = context.maximum_version = version
    with wire.Wire(getattr(postern.ports, kind), tls=context) as session:
        assert session.line().startswith((b"220 ", b"+OK", b"* OK"))
        assert session.socket.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2",
                                            ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]


@pytest.mark.parametrize("kind", ("submissions", "pop3s", "imaps"))
def test_weak_tls_is_refused(kind, postern):
    context = postern.authority.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, OSError)):
        wire.Wire(getattr(postern.ports, kind), tls=context).line()


@pytest.mark.parametrize("kind", ("submissions", "pop3s", "imaps"))
def test_clear_text_on_an_implicit_tls_port_gets_no_service(kind, postern):
    with wire.Wire(getattr(postern.ports, kind)) as session:
        session.send(b"EHLO clear.example\r\nCAPA\r\na CAPABILITY\r\n")
        said = session.expect_closed()
        assert b"250" not in said and b"+OK" not in said and b"CAPABILITY" not in said, said
