"""SMTP clients that misbehave harm nobody else, and nothing is delivered that was not finished with CRLF.CRLF."""

import random
import socket
import time

import pytest

from harness import messages, wire
from harness.load import strip_trace
from harness.server import PASSWORD
from harness.rude import push, undisturbed
from harness.waiting import wait_until

SENDER = "rude@elsewhere.example"


@pytest.fixture
def victim(new_account):
    return new_account().name


def mails_of(postern, account):
    return [strip_trace(octets)
            for octets in wire.read_all_pop3(postern, account.name, account.password).values()]


def in_data(postern, account):
    session = wire.open_smtp(postern)
    session.transaction(SENDER, [account.name])
    return session


@pytest.mark.parametrize("kind", ("relay", "submissions"))
def test_octet_at_a_time(kind, postern, account, victim):
    mail = messages.awkward(1, SENDER, [account.name])[:3000].rsplit(b"\r\n", 1)[0] + b"\r\n"
    with undisturbed(postern, victim):
        context = postern.authority.context() if kind == "submissions" else None
        with wire.Smtp(getattr(postern.ports, kind), tls=context) as session:
            script = [b"EHLO slow.example\r\n"]
            if kind == "submissions":
                script.append(b"AUTH PLAIN " + wire.plain_response(account.name, account.password)
                              + b"\r\n")
            script += [b"MAIL FROM:<" + SENDER.encode() + b">\r\n",
                       b"RCPT TO:<" + account.name.encode() + b">\r\n", b"DATA\r\n",
                       messages.dot_stuffed(mail)]
            if kind == "submissions":
                script[2] = b"MAIL FROM:<" + account.name.encode() + b">\r\n"
            codes = []
            for command in script:
                for octet in command:
                    session.send(bytes([octet]))
                codes.append(session.reply().code)
            assert codes == [250] + ([235] if kind == "submissions" else []) + [250, 250, 354, 250]
    assert mails_of(postern, account) == [mail]


@pytest.mark.serial
def test_a_flood_behind_the_end_of_a_session_is_cut_off(postern, victim):
    """What comes behind a session's last reply is dropped for a while, so that the reply arrives, and not for ever."""
    with undisturbed(postern, victim):
        session = wire.open_smtp(postern)
        session.send(b"QUIT\r\n")
        sent, end = push(session, b"NOOP\r\n" * 2000, 200 * messages.MIB)
        assert end != "sent", f"{sent} octets were swallowed behind QUIT"


@pytest.mark.serial
def test_never_reads_replies(postern, victim):
    """Commands pour in, replies are never read: the server must stop reading, not buffer replies without end."""
    with undisturbed(postern, victim):
        sessions = [wire.open_smtp(postern) for _ in range(4)]
        for session in sessions:
            sent, end = push(session, b"RSET\r\n" * 2000, 200 * messages.MIB)
            assert end != "sent", f"{sent} octets of commands were swallowed without reading a reply"
        for session in sessions:
            session.close()


@pytest.mark.serial
def test_never_reads_replies_over_tls(postern, account, victim):
    with undisturbed(postern, victim):
        sessions = [wire.open_smtp(postern, "submissions", account.name, account.password)
                    for _ in range(3)]
        for session in sessions:
            sent, end = push(session, b"RSET\r\n" * 2000, 100 * messages.MIB)
            assert end != "sent", f"{sent} octets of commands were swallowed without reading a reply"
        for session in sessions:
            session.reset()


def test_half_close_in_data_delivers_nothing(postern, account, victim):
    with undisturbed(postern, victim):
        for ending in (b"", b"\r\n", b"\r\n.", b"\r\n.\r"):
            with in_data(postern, account) as session:
                session.send(b"Subject: unfinished\r\n\r\ntext" + ending)
                session.half_close()
                said = session.expect_closed()
                assert not said.startswith(b"250"), said
    assert mails_of(postern, account) == []


def test_half_close_after_the_end_is_delivered_once(postern, account):
    """A client that says all it has to say and then closes its sending side has finished its mail."""
    mail = messages.plain(2, SENDER, [account.name])
    with in_data(postern, account) as session:
        session.send(messages.dot_stuffed(mail))
        session.half_close()
        assert session.reply().code == 250
        session.expect_closed()
    assert mails_of(postern, account) == [mail]


def test_disconnect_in_data_delivers_nothing(postern, account, victim):
    mail = messages.multipart(3, SENDER, [account.name], (2 * messages.MIB,))
    octets = messages.dot_stuffed(mail)
    source = random.Random(3)
    cuts = [0, 1, 100, 5000, 70000, messages.MIB, len(octets) - 5, len(octets) - 4,
            len(octets) - 3, len(octets) - 2, len(octets) - 1]
    cuts += [source.randrange(len(octets)) for _ in range(10)]
    with undisturbed(postern, victim):
        for number, cut in enumerate(cuts):
            session = in_data(postern, account)
            session.send(octets[:cut])
            if number % 2:
                session.reset()
            else:
                session.close()
    assert mails_of(postern, account) == []


@pytest.mark.parametrize("ending", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\n.\r",
                                    b"\r.\r\n", b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n. \r\n",
                                    b"\r\n..\r\n"])
def test_only_crlf_dot_crlf_ends_a_mail(ending, postern, account):
    """SMTP smuggling: whatever else looks like an end must not end a mail, so nothing behind it is a command."""
    smuggled = (b"MAIL FROM:<smuggler@elsewhere.example>\r\nRCPT TO:<" + account.name.encode()
                + b">\r\nDATA\r\nSubject: smuggled\r\n\r\nsmuggled\r\n.\r\n")
    with in_data(postern, account) as session:
        session.send(b"Subject: outer\r\n\r\nouter" + ending + smuggled)
        first = session.reply()
        try:
            session.command("NOOP")
        except (wire.Closed, OSError):
            pass
    mails = mails_of(postern, account)
    assert len(mails) <= 1, f"one DATA command became {len(mails)} mails"
    if first.code == 250:
        assert mails and mails[0].startswith(b"Subject: outer\r\n")
    else:
        # Refusing a mail with bare CR, LF or NUL is as good; then none of it may be there.
        assert 500 <= first.code < 600 and mails == [], (first, mails)


@pytest.mark.parametrize("ending", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r"])
def test_disconnect_after_a_false_end_delivers_nothing(ending, postern, account):
    with in_data(postern, account) as session:
        session.send(b"Subject: unfinished\r\n\r\ntext" + ending)
        session.silent(0.5)  # the server may refuse at once or wait for the true end
    with in_data(postern, account) as session:
        session.send(b"Subject: unfinished\r\n\r\ntext" + ending)
        session.reset()
    assert mails_of(postern, account) == []


@pytest.mark.serial
def test_ten_megabyte_command_line(postern, victim):
    with undisturbed(postern, victim):
        for start in (b"", b"EHLO ", b"MAIL FROM:<", b"AUTH PLAIN ", b"\0"):
            with wire.Smtp(postern.ports.relay) as session:
                session.send(start)
                sent, end = push(session, b"x" * 65536, 10 * messages.MIB)
                session.socket.settimeout(30)
                if end != "sent":
                    continue  # thrown out on the way: fine
                try:
                    session.send(b"\r\n")
                    code = session.reply().code
                    assert 500 <= code < 600 or code == 421, code
                    session.send(b"QUIT\r\n")
                    session.expect_closed()
                except (wire.Closed, OSError):
                    pass


@pytest.mark.serial
@pytest.mark.parametrize("part", ("header", "body"))
def test_ten_megabyte_line_in_data(part, postern, account, victim):
    """Too long for RFC 5321: refused with 5xx, or kept whole. Never half, never in memory many times over."""
    line = b"y" * (10 * messages.MIB)
    head = b"Subject: long\r\n" + (b"X-Long: " + line + b"\r\n" if part == "header" else b"") + b"\r\n"
    mail = head + (line + b"\r\n" if part == "body" else b"text\r\n")
    code = None
    with undisturbed(postern, victim):
        try:
            with in_data(postern, account) as session:
                session.send(messages.dot_stuffed(mail))
                code = session.reply().code
        except (wire.Closed, OSError):
            pass
    assert code is None or code == 250 or 500 <= code < 600, code
    assert mails_of(postern, account) == ([mail] if code == 250 else [])


def test_garbage(postern, victim):
    source = random.Random("smtp garbage")
    with undisturbed(postern, victim):
        for size in (1, 100, 10_000, 1_000_000):
            for kind in ("relay", "submission", "submissions"):
                session = wire.Wire(getattr(postern.ports, kind))
                try:
                    session.send(source.randbytes(size))
                    session.half_close()
                    session.expect_closed()
                except OSError:
                    pass  # thrown out while we were still sending
                session.close()
        # Lines of garbage: protocol errors end the session (SMTP-12).
        with wire.Smtp(postern.ports.relay) as session:
            codes = []
            try:
                for _ in range(50):
                    codes.append(session.command(source.randbytes(40).hex()).code)
            except (wire.Closed, OSError):
                pass
            assert all(500 <= code < 600 or code == 421 for code in codes), codes
            assert codes and len(codes) < 50 and codes[-1] == 421, (
                "fifty bad commands did not end the session with 421")


def test_tls_garbage_and_abandoned_handshakes(postern, victim):
    context = postern.authority.context()
    source = random.Random("tls garbage")
    with undisturbed(postern, victim):
        for cut in (1, 5, 50, 200):
            session = wire.Wire(postern.ports.submissions)
            session.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[:cut] + source.randbytes(cut))
            session.reset() if cut % 2 else session.close()
        # A record of garbage in the middle of an established session.
        raw = socket.create_connection(("127.0.0.1", postern.ports.submissions), timeout=30)
        session = context.wrap_socket(raw.dup(), server_hostname="localhost")
        assert session.recv(4) == b"220 "
        raw.sendall(b"\x17\x03\x03\x00\x40" + source.randbytes(64))
        raw.settimeout(30)
        while raw.recv(65536):
            pass  # an alert, then the end: the server gives up the connection
        session.close()
        raw.close()


@pytest.mark.serial
def test_many_idle_connections(postern, victim):
    """Idle connections hold no buffer; a thousand of them cost little and slow nobody."""
    with undisturbed(postern, victim):
        sessions = [wire.Smtp(postern.ports.relay) for _ in range(1000)]
        assert all(session.greeting.code == 220 for session in sessions)
        for session in sessions[::2]:
            session.reset()
        for session in sessions[1::2]:
            session.close()


@pytest.mark.serial
def test_many_slow_large_mails_cost_little_memory(postern, new_account, victim):
    """Forty mails of 30 MiB arrive at once and stop before their end: 1,200 MiB of mail, a few buffers of memory."""
    # Forty times a mebibyte and a chunk on the way to the store, and what the store's engine may hold in
    # memory while its disk is behind: six memtables of 64 MiB and a group.
    bound = (40 * 2 + 6 * 64 + 16) * messages.MIB
    account = new_account()
    body = b"Subject: slow\r\n\r\n" + b"0123456789abcde\r\n" * (messages.MIB // 17)
    with undisturbed(postern, victim, growth_octets_max=bound):
        sessions = [in_data(postern, account) for _ in range(40)]
        for _ in range(30):
            for session in sessions:
                session.send(body)
        for session in sessions:
            session.close()
    assert mails_of(postern, account) == []


def test_rude_clients_all_at_once(running_postern):
    """The mixture, against processes of its own, which must then still stop cleanly."""
    postern, (victim, target) = running_postern(users=2)
    with undisturbed(postern, victim):
        sessions = []
        for number in range(60):
            session = wire.Smtp(postern.ports.relay)
            sessions.append(session)
            if number % 4 == 0:
                session.send(b"EHLO rude.example\r\nMAIL FROM:<r@elsewhere.example>\r\nRCPT TO:<"
                             + target.encode() + b">\r\nDATA\r\nSubject: x\r\n\r\n" + b"half a ")
            elif number % 4 == 1:
                session.send(b"EH")
            elif number % 4 == 2:
                session.send(b"NOOP\r\n" * 5000)
            else:
                session.half_close()
        for session in sessions[::3]:
            session.reset()
    postern.stop()
    postern.start()
    assert wire.read_all_pop3(postern, target, PASSWORD) == {}
    for session in sessions:
        session.close()


def test_memory_budget_refuses_new_mail_and_lets_go(running_postern):
    """[store] memory_budget_octets: messages in memory beyond it make MAIL 452 4.3.1, until they are gone. Back
    pressure, which would refuse at connect before that, is off."""
    postern, (target,) = running_postern(
        settings={"store": {"memory_budget_octets": 16 * messages.MIB}, "runtime": {"cores": 1},
                  "gateway.pressure": {"memory_medium_percent": 0, "memory_high_percent": 0}})
    holders = []
    half = b"Subject: held\r\n\r\n" + b"0123456789abcde\r\n" * (900 * 1024 // 17)
    refused = None
    for _ in range(40):
        session = wire.open_smtp(postern)
        reply = session.command(f"MAIL FROM:<{SENDER}>")
        if reply.code == 452:
            assert "4.3.1" in reply.text, reply
            refused = session
            break
        assert reply.code == 250, reply
        session.must(250, f"RCPT TO:<{target}>")
        session.must(354, "DATA")
        session.send(half)
        holders.append(session)
        time.sleep(0.05)
    assert refused is not None, "forty half mails of 900 KiB fitted into 16 MiB"
    assert len(holders) >= 16, f"refused after {len(holders)} mails: the budget is larger"
    for session in holders:
        session.close()
    wait_until(lambda: refused.command(f"MAIL FROM:<{SENDER}>").code == 250, 10,
               "there is room again")
    refused.close()
