"""What an SMTP listener does with senders, messages and parameters, over real sockets: smuggling, pipelining, submission
rules, extensions, repeated messages, internationalised addresses, XCLIENT."""

import contextlib
import datetime
import threading

import pytest

from harness import messages, wire
from harness.load import strip_trace
from harness.server import PASSWORD
from harness.waiting import wait_until

SENDER = "stranger@elsewhere.example"
BODY = b"Subject: x\r\n\r\nbody\r\n"


def stored(postern, user):
    return [strip_trace(octets) for octets in wire.read_all_pop3(postern, user, PASSWORD).values()]


def send_raw(session, sender, recipients, octets, parameters=""):
    """DATA with exactly these octets before the final CRLF.CRLF; the reply."""
    session.must(250, f"MAIL FROM:<{sender}>{parameters}")
    for recipient in recipients:
        session.must(250, f"RCPT TO:<{recipient}>")
    session.must(354, "DATA")
    session.send(octets + b"\r\n.\r\n")
    return session.reply()


# -- line ends, pipelining -------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n"])
@pytest.mark.parametrize("policy", ["reject", "normalize", "allow"])
def test_no_policy_lets_a_message_be_smuggled(policy, end, smuggling_servers):
    postern, user = smuggling_servers(policy)
    mail = (b"Subject: x\r\n\r\nfirst" + end + b"MAIL FROM:<evil@b.example>\r\nRCPT TO:<" + user.encode()
            + b">\r\nDATA\r\nSubject: smuggled\r\n\r\n")
    before = len(wire.read_all_imap(postern, user, PASSWORD))
    with wire.open_smtp(postern) as session:
        reply = send_raw(session, SENDER, [user], mail)
        assert reply.code == (550 if policy == "reject" else 250), reply
        session.must(250, "NOOP")
    # IMAP's literals carry bare line ends; POP3's lines do not.
    found = list(wire.read_all_imap(postern, user, PASSWORD).values())[before:]
    assert len(found) == (0 if policy == "reject" else 1)
    for octets in found:
        assert b"smuggled" in octets, "it is text of the one message"
        assert policy == "allow" or octets.count(b"\n") == octets.count(b"\r\n") == octets.count(b"\r")


@pytest.fixture(scope="module")
def smuggling_servers(work_folder, authority, tmp_path_factory):
    import tempfile
    from harness.server import Postern
    made = {}

    def get(policy):
        if policy not in made:
            folder = tempfile.mkdtemp(prefix="ends-", dir=work_folder)
            server = Postern(folder, authority, smtp_limits={"bare_newline": policy}).start()
            server.add_domain()
            made[policy] = (server, server.add_user())
        return made[policy]

    yield get
    for server, _ in made.values():
        server.close()


def test_speaking_before_the_turn_ends_the_session(postern, account):
    with wire.Smtp(postern.ports.relay) as session:
        session.send(b"EHLO c.example\r\nMAIL FROM:<a@b.example>\r\n")
        reply = session.reply()
        assert reply.code == 554 and reply.text.startswith("5.5.0"), reply
        session.expect_closed()
    with wire.open_smtp(postern) as session:
        session.send(f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{account.name}>\r\nDATA\r\n".encode() + BODY + b".\r\n")
        assert [session.reply().code for _ in range(3)] == [250, 250, 554]
        session.expect_closed()
    assert stored(postern, account.name) == []


def test_other_protocols_are_cut_off(postern):
    for hello in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST / HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n\r\n",
                  b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"):
        with wire.Smtp(postern.ports.relay) as session:
            session.send(hello)
            assert session.reply().code == 421
            session.expect_closed()


# -- submission ------------------------------------------------------------------------------------


def test_sender_must_be_ones_own_or_granted(running_postern):
    postern, (author, other) = running_postern(users=2)
    postern.cli("user", "add", "carol@postern.test", "--no-password", "--alias", "sales@postern.test")

    def answer(sender, user=author):
        with wire.open_smtp(postern, "submission", user, PASSWORD) as session:
            return session.command(f"MAIL FROM:<{sender}>")

    assert answer(author).code == answer(author.upper()).code == answer("").code == 250
    for stranger in (other, "sales@postern.test", "press@far.example"):
        reply = answer(stranger)
        assert reply.code == 550 and reply.text.startswith("5.7.1"), reply
    postern.cli("user", "send-as", author, "press@far.example")
    postern.cli("user", "send-as", author, "@news.example")
    assert answer("Press@far.example").code == answer("any.body@NEWS.example").code == 250
    assert answer("press@far.example", other).code == 550
    assert "press@far.example" in postern.cli("user", "list").stdout
    postern.cli("user", "send-as", author, "press@far.example", "--revoke")
    assert answer("press@far.example").code == 550
    again = postern.cli("user", "send-as", author, "press@far.example", "--revoke", check=False)
    assert again.returncode != 0 and "no grant" in again.stderr


def test_missing_fields_are_added_on_submission_only(postern, new_account):
    author, reader = new_account(), new_account()
    with wire.open_smtp(postern, "submission", author.name, PASSWORD) as session:
        assert session.send_mail(author.name, [reader.name], BODY).code == 250
    (octets,) = stored(postern, reader.name)
    head, _, body = octets.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"Subject: x" and body == b"body\r\n"
    assert lines[1].startswith(b"Date: ") and lines[1].endswith(b" +0000")
    assert lines[2].startswith(b"Message-ID: <") and lines[2].endswith(b"@mail.postern.test>"), lines
    other = new_account()
    wire.deliver(postern, [other.name], BODY)
    assert stored(postern, other.name) == [BODY]


def test_bcc_and_client_address_go_when_asked(running_postern):
    postern, (author, reader) = running_postern(
        users=2, smtp_limits={"remove_bcc": True, "hide_client_address": True, "add_missing_fields": False})
    with wire.open_smtp(postern, "submission", author, PASSWORD) as session:
        mail = b"Bcc: secret@b.example,\r\n more@b.example\r\nTo: x@y.example\r\n\r\nBcc: body\r\n"
        assert session.send_mail(author, [reader], mail).code == 250
    (octets,) = wire.read_all_pop3(postern, reader, PASSWORD).values()
    assert octets.endswith(b"To: x@y.example\r\n\r\nBcc: body\r\n") and b"secret" not in octets
    assert b"127.0.0.1" not in octets and b"client.example" not in octets, octets
    assert b"Received: by " in octets


# -- repeated messages -----------------------------------------------------------------------------


def test_a_repeated_message_is_answered_and_not_stored(postern, new_account):
    author, reader = new_account(), new_account()
    mail = messages.plain(1, author.name, [reader.name])

    def send(octets=mail):
        with wire.open_smtp(postern, "submission", author.name, PASSWORD) as session:
            reply = session.send_mail(author.name, [reader.name], octets)
            assert reply.code == 250, reply
            return reply.text.split()[1]

    first = send()
    assert [send() for _ in range(5)] == [first] * 5
    assert send(mail + b"another line\r\n") != first
    assert len(stored(postern, reader.name)) == 2


def test_repeated_at_the_same_time_on_many_connections(postern, new_account):
    author, reader = new_account(), new_account()
    sessions = [wire.open_smtp(postern, "submission", author.name, PASSWORD) for _ in range(12)]
    mail = messages.plain(7, author.name, [reader.name])
    for session in sessions:
        session.transaction(author.name, [reader.name])
    start = threading.Barrier(len(sessions))
    replies = []

    def finish(session):
        start.wait()
        session.send(messages.dot_stuffed(mail))
        replies.append(session.reply())

    threads = [threading.Thread(target=finish, args=(session,)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for session in sessions:
        session.close()
    assert {reply.code for reply in replies} == {250}
    assert len({reply.text.split()[1] for reply in replies}) == 1, replies
    assert len(stored(postern, reader.name)) == 1


def test_strangers_may_repeat_themselves(postern, account):
    mail = messages.plain(1, SENDER, [account.name])
    for _ in range(2):
        wire.deliver(postern, [account.name], mail)
    assert len(stored(postern, account.name)) == 2


# -- extensions ------------------------------------------------------------------------------------


def test_extensions_are_offered_and_kept(running_postern):
    offered = {"dsn": True, "require_tls": True, "mt_priority": True, "deliver_by": True, "hold_max": "1d"}
    postern, (author, reader) = running_postern(users=2, smtp_limits=offered)
    with wire.open_smtp(postern, "submission", author, PASSWORD) as session:
        keywords = session.ehlo()
        for keyword in ("DSN", "REQUIRETLS", "MT-PRIORITY", "DELIVERBY", "FUTURERELEASE", "BINARYMIME", "LIMITS"):
            assert keyword in keywords, keywords
        longest, latest = keywords["FUTURERELEASE"].split()
        assert longest == "86400"
        latest = datetime.datetime.strptime(latest, "%Y-%m-%dT%H:%M:%SZ")
        assert abs((latest - datetime.datetime.utcnow()).total_seconds() - 86400) < 60
        session.must(250, f"MAIL FROM:<{author}> RET=HDRS ENVID=abc REQUIRETLS MT-PRIORITY=3 BY=7200;N HOLDFOR=3600")
        session.must(250, f"RCPT TO:<{reader}> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x+40y.example")
        session.must(250, "RCPT TO:<far@remote.example> NOTIFY=NEVER")
        session.must(354, "DATA")
        session.send(BODY + b".\r\n")
        assert session.reply().code == 250
        assert session.command(f"MAIL FROM:<{author}> HOLDFOR=86401").code == 501
    # Held: also from those who have a mailbox here.
    assert stored(postern, reader) == []
    (row,) = postern.queue()
    assert sorted(row["recipients"]) == sorted([reader, "far@remote.example"])
    arrival, due = (datetime.datetime.fromisoformat(row[key].replace("Z", "+00:00"))
                    for key in ("arrival", "next_attempt"))
    assert 3590 <= (due - arrival).total_seconds() <= 3610, row
    with wire.open_smtp(postern) as session:
        keywords = session.ehlo()
        assert "FUTURERELEASE" not in keywords and "REQUIRETLS" not in keywords, "no AUTH, no TLS here"
        assert session.command(f"MAIL FROM:<{SENDER}> HOLDFOR=60").code == 555


def test_binarymime_keeps_every_octet_but_needs_bdat(postern, account):
    mail = (b"MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"
            + bytes(range(256)) + b"\r\n")
    with wire.open_smtp(postern) as session:
        session.must(250, f"MAIL FROM:<{SENDER}> BODY=BINARYMIME")
        session.must(250, f"RCPT TO:<{account.name}>")
        assert session.command("DATA").code == 503
        for octets, last in ((mail[:120], b""), (mail[120:], b" LAST")):
            session.send(b"BDAT %d%s\r\n" % (len(octets), last) + octets)
            assert session.reply().code == 250
    assert len(wire.read_all_imap(postern, account.name, account.password)) == 1


# -- internationalised addresses ---------------------------------------------------------------------


def test_every_spelling_of_an_international_address_is_one_mailbox(running_postern):
    postern, _ = running_postern()
    postern.cli("domain", "add", "B\u00fccher.example")
    assert "xn--bcher-kva.example" in postern.cli("domain", "list").stdout
    user = postern.add_user("J\u00fcrgen", domain="b\u00fccher.example")
    spellings = ["j\u00fcrgen@b\u00fccher.example", "J\u00dcRGEN@xn--bcher-kva.example", "ju\u0308rgen@BU\u0308CHER.example"]
    for number, spelling in enumerate(spellings):
        with wire.open_smtp(postern) as session:
            assert session.command("MAIL FROM:<a@b.example>").code == 250
            assert session.command(f"RCPT TO:<{spelling}>").code == 553, "not without SMTPUTF8"
            session.must(250, "RSET")
            mail = messages.plain(number, SENDER, ["x@y.example"])
            reply = send_raw(session, SENDER, [spelling], mail[:-2], " SMTPUTF8")
            assert reply.code == 250, reply
    assert len(stored(postern, user)) == len(spellings)
    (first, *_) = wire.read_all_pop3(postern, user, PASSWORD).values()
    assert b" with UTF8SMTP" in first.replace(b"\r\n\t", b" ")


# -- XCLIENT ---------------------------------------------------------------------------------------


def test_a_trusted_proxy_names_its_client(own_postern):
    postern = own_postern(smtp_limits={"trusted": ["127.0.0.0/8"], "xclient": True}).start()
    postern.add_domain()
    user = postern.add_user()
    with wire.open_smtp(postern) as session:
        assert "XCLIENT" in session.ehlo()
        session.must(220, "XCLIENT ADDR=203.0.113.77 PORT=4711 HELO=real.example")
        session.ehlo("real.example")
        assert session.send_mail(SENDER, [user], BODY).code == 250
    (octets,) = wire.read_all_pop3(postern, user, PASSWORD).values()
    assert b"from real.example ([203.0.113.77])" in octets
    wait_until(lambda: "203.0.113.77" in postern.log_text("gateway"), 10, "the log says so")


def test_the_named_client_is_judged_as_if_he_had_come_himself(own_postern):
    postern = own_postern(smtp_limits={
        "trusted": ["127.0.0.0/8"], "xclient": True, "connections_per_source_max": 2,
        "allow": ["127.0.0.0/8", "203.0.113.0/24"], "deny": ["203.0.113.128/25"],
    }).start()
    postern.add_domain()

    def named(address, kind="relay"):
        session = wire.Smtp(getattr(postern.ports, kind))
        session.ehlo()
        return session, session.command(f"XCLIENT ADDR={address}")

    for kind, address, code, status in [
        ("relay", "203.0.113.200", 550, "5.7.1"),
        ("submission", "203.0.113.200", 421, "4.3.2"),
        ("relay", "198.51.100.1", 421, "4.3.2"),
    ]:
        session, reply = named(address, kind)
        with session:
            assert (reply.code, reply.text[:5]) == (code, status), (address, reply)
            session.expect_closed()
    with contextlib.ExitStack() as held:
        for _ in range(2):
            session, reply = named("203.0.113.5")
            held.enter_context(session)
            assert reply.code == 220, reply
        refused, reply = named("203.0.113.5")
        with refused:
            assert (reply.code, reply.text[:5]) == (421, "4.3.2"), reply
            refused.expect_closed()
        other, reply = named("203.0.113.6")
        held.enter_context(other)
        assert reply.code == 220, reply
        # The same connection speaks for somebody else: the place of the last one is free.
        assert session.command("XCLIENT ADDR=203.0.113.6").code == 220
        again, reply = named("203.0.113.5")
        held.enter_context(again)
        assert reply.code == 220, reply
    wait_until(lambda: "denied" in postern.log_text("gateway"), 10, "the log says why")


def test_strangers_may_not(postern):
    with wire.open_smtp(postern) as session:
        assert "XCLIENT" not in session.ehlo()
        assert session.command("XCLIENT ADDR=203.0.113.77").code in (500, 550, 554)
