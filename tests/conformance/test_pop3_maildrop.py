"""POP-03, 04, 13 to 15, 19 to 21: the maildrop."""

import random
import time

import pytest


from harness.waiting import scaled, wait_until


def mails(server, account, count):
    return [server.message(account.name, b"text %d\r\n" % number)[1] for number in range(count)]


@pytest.fixture
def filled(server, account):
    """(server, account) with three mails."""
    server.fill(account, mails(server, account, 3))
    return server, account


AWKWARD = {
    "dots": b".\r\n..\r\n.x\r\n" + b"." * 500 + b"\r\n", "long": b"x" * 998 + b"\r\n",
    "empty": b"", "blank": b"\r\n\r\n\r\n", "eight": bytes(range(128, 256)) + b"\r\n",
    "controls": b"\x01\x02\x7f\r\n", "many": b"line\r\n" * 5000, "dot-at-end": b"x\r\n.\r\n",
}


def fetch_sizes(session):
    return dict(map(int, line.split()) for line in session.multiline("LIST"))


# -- POP-04, POP-21 --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", AWKWARD)
def test_pop_04_21_sizes_are_what_retr_sends(name, server, account):
    server.fill(account, [server.message(account.name, AWKWARD[name])[1]])
    with server.maildrop(account) as session:
        size = fetch_sizes(session)[1]
        octets = session.retrieve(1)
        assert len(octets) == size == int(session.ok("STAT").split()[2]), name
        assert octets.endswith(b"\r\n") and (b"\r\n\r\n" + AWKWARD[name] in octets)


def test_pop_04_a_text_without_last_line_end_and_with_bare_line_feeds(configured):
    """BDAT can bring such a text, where the listener lets it: what RETR sends is what LIST says."""
    server = configured(smtp={"bare_newline": "allow", "nul_octets": "allow"})
    account = server.account()
    for text in (b"no end", b"one\ntwo\r\nthree\n", b"nul \0 octet\r\n", b"\n.\n", b"x\r"):
        mail = server.message(account.name, text)[1]
        with server.session() as session:
            session.must(250, f"MAIL FROM:<{server.sender}>")
            session.must(250, f"RCPT TO:<{account.name}>")
            session.send(b"BDAT %d LAST\r\n" % len(mail) + mail)
            assert session.reply().code == 250
    with server.maildrop(account) as session:
        sizes = fetch_sizes(session)
        assert len(sizes) == 5
        for number, size in sizes.items():
            assert len(session.retrieve(number, bare_line_feeds=True)) == size, number
            session.ok(f"TOP {number} 100")
            assert len(session.multiline_octets(bare_line_feeds=True)) == size, number
        assert int(session.ok("STAT").split()[2]) == sum(sizes.values())


def test_pop_04_nothing_follows_the_sizes(filled):
    server, account = filled
    with server.maildrop(account) as session:
        sizes = fetch_sizes(session)
        total = sum(sizes.values())
        assert session.ok("STAT") == b"+OK 3 %d" % total
        assert session.ok("LIST 2") == b"+OK 2 %d" % sizes[2]


def test_pop_04_14_an_empty_maildrop(server, account):
    with server.maildrop(account) as session:
        assert session.ok("STAT") == b"+OK 0 0"
        assert session.multiline("LIST") == [] and session.multiline("UIDL") == []
        session.error("LIST 1")
        session.ok("RSET")
        session.ok("QUIT")


@pytest.mark.parametrize("lines", [0, 1, 2, 5, 1000000])
def test_pop_14_21_top_is_the_header_and_so_many_lines(lines, server, account):
    text = b"".join(b".%d\r\n" % number for number in range(5))
    server.fill(account, [server.message(account.name, text)[1]])
    with server.maildrop(account) as session:
        head, _, body = session.retrieve(1).partition(b"\r\n\r\n")
        assert body == text
        wanted = head.split(b"\r\n") + [b""] + text.split(b"\r\n")[:-1][:lines]
        assert session.multiline(f"TOP 1 {lines}") == wanted


def test_pop_21_many_mails_pipelined(server, account):
    server.fill(account, mails(server, account, 50))
    with server.maildrop(account) as session:
        session.send(b"".join(b"RETR %d\r\n" % number for number in range(1, 51)))
        for number in range(50):
            assert session.status().startswith(b"+OK")
            assert b"text %d\r\n" % number in session.multiline_octets()


# -- POP-13, POP-14 --------------------------------------------------------------------------------


def test_pop_14_dele_marks_and_rset_unmarks(filled):
    server, account = filled
    with server.maildrop(account) as session:
        total = int(session.ok("STAT").split()[2])
        session.ok("DELE 2")
        for command in ("DELE 2", "RETR 2", "TOP 2 0", "LIST 2", "UIDL 2"):
            session.error(command)
        assert [line.split()[0] for line in session.multiline("LIST")] == [b"1", b"3"]
        assert [line.split()[0] for line in session.multiline("UIDL")] == [b"1", b"3"]
        count, octets = map(int, session.ok("STAT").split()[1:3])
        assert count == 2 and octets < total
        session.ok("RSET")
        assert session.ok("STAT").split()[1:3] == [b"3", b"%d" % total]
        session.ok("NOOP")
        session.ok("QUIT")
        session.expect_closed()
    assert len(server.mailbox(account)) == 3


def test_pop_13_14_quit_removes_the_marked_and_nothing_else(server, account):
    source = random.Random(14)
    server.fill(account, mails(server, account, 30))
    marked = set(source.sample(range(1, 31), 15))
    with server.maildrop(account) as session:
        identities = session.unique_ids()
        for number in marked:
            session.ok(f"DELE {number}")
        session.ok("QUIT")
    with server.maildrop(account) as session:
        kept = [identities[number] for number in sorted(set(identities) - marked)]
        assert list(session.unique_ids().values()) == kept


@pytest.mark.parametrize("ending", ["close", "reset"])
def test_pop_13_leaving_without_quit_removes_nothing(ending, filled):
    server, account = filled
    session = server.maildrop(account)
    session.ok("DELE 1")
    getattr(session, ending)()
    if not server.own:
        time.sleep(1)  # servers that lock the maildrop need a moment to let go
    assert len(server.mailbox(account)) == 3


def test_pop_13_14_pipelined_dele_and_quit(filled):
    server, account = filled
    with server.maildrop(account) as session:
        session.send(b"DELE 1\r\nDELE 2\r\nQUIT\r\n")
        assert [session.status()[:3] for _ in range(3)] == [b"+OK"] * 3
        session.expect_closed()
    assert len(server.mailbox(account)) == 1


# -- POP-03 ----------------------------------------------------------------------------------------


def test_pop_03_several_sessions_at_once(filled):
    server, account = filled
    sessions = []
    try:
        for _ in range(5):
            sessions.append(server.maildrop(account))
        assert [session.ok("STAT").split()[1] for session in sessions] == [b"3"] * 5
    finally:
        for session in sessions:
            session.close()


def test_pop_03_new_mail_is_for_the_next_session(filled):
    server, account = filled
    with server.maildrop(account) as session:
        before = session.ok("STAT")
        server.fill(account, mails(server, account, 1))
        assert session.ok("STAT") == before
        assert len(session.multiline("LIST")) == 3
        session.error("RETR 4")
    with server.maildrop(account) as session:
        assert session.ok("STAT").split()[1] == b"4"


def test_pop_03_what_another_session_removed_stays_listed_and_cannot_be_read(filled):
    server, account = filled
    with server.maildrop(account) as first, server.maildrop(account) as second:
        sizes = fetch_sizes(second)
        first.ok("DELE 2")
        first.ok("QUIT")
        first.expect_closed()
        assert fetch_sizes(second) == sizes
        second.error("RETR 2")
        second.error("TOP 2 0")
        assert len(second.retrieve(1)) == sizes[1] and len(second.retrieve(3)) == sizes[3]
        second.ok("DELE 3")
        second.ok("QUIT")
    assert len(server.mailbox(account)) == 1


def test_pop_03_13_both_remove_the_same_mail(filled):
    server, account = filled
    with server.maildrop(account) as first, server.maildrop(account) as second:
        first.ok("DELE 1")
        second.ok("DELE 1")
        first.ok("QUIT")
        second.command("QUIT")
    assert len(server.mailbox(account)) == 2


# -- POP-15 ----------------------------------------------------------------------------------------


def test_pop_15_decimal_increasing_lasting(filled):
    server, account = filled
    with server.maildrop(account) as session:
        identities = list(session.unique_ids().values())
    assert len(set(identities)) == 3
    assert all(1 <= len(identity) <= 70 for identity in identities)  # RFC 1939 7
    if server.own:
        numbers = list(map(int, identities))
        assert all(identity.isdecimal() for identity in identities) and numbers == sorted(numbers)
    server.fill(account, mails(server, account, 1))
    with server.maildrop(account) as session:
        assert list(session.unique_ids().values())[:3] == identities
        assert session.ok("UIDL 2").split()[1:] == [b"2", identities[1].encode()]


def test_pop_15_never_used_twice(server, account):
    seen = []
    for _ in range(4):
        server.fill(account, mails(server, account, 2))
        with server.maildrop(account) as session:
            identities = list(session.unique_ids().values())
            assert not set(identities) & set(seen), "a unique id came back"
            seen += identities
            for number in range(1, len(identities) + 1):
                session.ok(f"DELE {number}")
            session.ok("QUIT")
    if server.own:
        assert list(map(int, seen)) == sorted(map(int, seen))


def test_pop_15_they_outlive_the_processes(configured):
    server = configured()
    account = server.account()
    server.fill(account, mails(server, account, 3))
    with server.maildrop(account) as session:
        before = session.unique_ids()
        session.ok("DELE 3")
        session.ok("QUIT")
    server.postern.stop("pop3", "gateway")
    server.postern.start("gateway", "pop3")
    server.fill(account, mails(server, account, 1))
    with server.maildrop(account) as session:
        after = session.unique_ids()
    assert [after[1], after[2]] == [before[1], before[2]]
    assert int(after[3]) > int(before[3])


# -- POP-19, POP-20 --------------------------------------------------------------------------------


def test_pop_20_old_messages_are_deleted(configured):
    server = configured(settings={"mailbox": {"keep": int(scaled(3)), "keep_check_interval": 1}})
    account = server.account()

    def is_empty():
        with server.maildrop(account) as session:
            return session.ok("STAT") == b"+OK 0 0"

    server.fill(account, mails(server, account, 2))
    assert len(server.mailbox(account)) == 2, "deleted before their time"
    wait_until(is_empty, 15, "messages older than 3 s are gone")
    with server.maildrop(account) as session:
        server.fill(account, mails(server, account, 1))
        assert session.ok("STAT") == b"+OK 0 0"


def test_pop_20_22_expire_is_what_the_store_does(configured):
    server = configured(settings={"mailbox": {"keep": 10 * 24 * 3600}})
    account = server.account()
    with server.maildrop(account) as session:
        assert b"EXPIRE 10" in session.multiline("CAPA")


def _offers(server, account, count):
    """So many mails of some 6 KiB offered to the account, SIZE declared; the replies to RCPT, or to the end of a mail
    that was sent."""
    replies = []
    for _ in range(count):
        _, mail = server.message(account.name, b"0123456789abcde\r\n" * 400)
        with server.session() as session:
            session.must(250, f"MAIL FROM:<{server.sender}> SIZE={len(mail)}")
            reply = session.command(f"RCPT TO:<{account.name}>")
            if reply.code == 250:
                session.must(354, "DATA")
                session.send(mail + b".\r\n")
                reply = session.reply()
            replies.append(reply)
    return replies


def test_pop_19_a_full_mailbox_gets_no_more_mail(configured):
    """Server-wide default; what does not fit is refused (RFC 3463: x.2.2), what is there stays readable and makes room
    when it goes (RFC 1939 section 8)."""
    server = configured(settings={"mailbox": {"quota": 20_000, "quota_warning_percent": 0}})
    account = server.account()
    replies = _offers(server, account, 5)
    assert [reply.code for reply in replies] == [250, 250, 452, 452, 452], replies
    assert all(reply.text.startswith("4.2.2 ") for reply in replies[2:]), replies
    assert len(server.mailbox(account)) == 2
    with server.maildrop(account) as session:
        session.ok("DELE 1")
        session.ok("QUIT")
    assert [reply.code for reply in _offers(server, account, 2)] == [250, 452]


def test_pop_19_an_account_may_have_a_quota_of_its_own(configured):
    server = configured(settings={"mailbox": {"quota": 10_000, "quota_warning_percent": 0}})
    larger, none, default = server.account(), server.account(), server.account()
    server.postern.cli("user", "set", larger.name, "--quota", "20000")
    server.postern.cli("user", "set", none.name, "--quota", "unlimited")
    for account, codes in ((default, [250, 452, 452]), (larger, [250, 250, 452]),
                           (none, [250, 250, 250])):
        assert [reply.code for reply in _offers(server, account, 3)] == codes, account.name


def test_pop_19_the_user_is_informed_of_impending_exhaustion(configured):
    """E0004: by a message in the maildrop, also when it is full; and not a second time."""
    server = configured(settings={"mailbox": {"quota": 20_000, "quota_warning_percent": 60}})
    account = server.account()

    def warnings():
        return [mail for mail in server.mailbox(account) if b"Auto-Submitted: auto-generated" in mail]

    assert [reply.code for reply in _offers(server, account, 1)] == [250]
    assert warnings() == []
    assert [reply.code for reply in _offers(server, account, 1)] == [250]
    (warning,) = wait_until(warnings, 20, "a warning")
    assert warning.startswith(b"Return-Path: <>\r\n") and b"nearly full" in warning
    with server.maildrop(account) as session:
        count, octets = (int(word) for word in session.ok("STAT").split()[1:3])
    assert (count, octets) == (3, sum(map(len, server.mailbox(account))))
    server.fill(account, [server.message(account.name, b"y" * 70 + b"\r\n")[1]])
    assert len(warnings()) == 1
