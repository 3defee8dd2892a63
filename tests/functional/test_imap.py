"""IMAP over a real socket: the commands of the first sidecar."""

import re
import time

import pytest

from harness import messages, wire
from harness.load import strip_trace

SENDER = "author@elsewhere.example"


@pytest.fixture
def filled(postern, account):
    mails = [messages.awkward(1, SENDER, [account.name], eight_bit=True),
             messages.multipart(2, SENDER, [account.name], (messages.KIB, 40 * messages.KIB)),
             messages.plain(3, SENDER, [account.name])]
    for mail in mails:
        wire.deliver(postern, [account.name], mail, sender=SENDER)
    return postern, account, mails


def literal_of(response, item):
    """The octets that a FETCH response gives for an item, from its literal or quoted string."""
    for line in response.untagged:
        match = re.search(re.escape(item) + rb" (?:\{(\d+)\}\r\n|\"([^\"]*)\"|NIL)", line)
        if match:
            if match[1] is None:
                return match[2] or b""
            return line[match.end():match.end() + int(match[1])]
    raise AssertionError(f"no {item} in {response}")


def test_greeting_and_capabilities(postern, account):
    with wire.Imap(postern.ports.imap) as session:
        assert session.greeting.startswith(b"* OK")
        (match,) = session.ok("CAPABILITY").matching(rb"CAPABILITY (.*)")
        words = match[1].split()
        assert {b"IMAP4rev1", b"STARTTLS", b"LOGINDISABLED", b"IDLE"} <= set(words), words
        for command in ("SELECT INBOX", 'LIST "" "*"', "FETCH 1 (FLAGS)", "IDLE", "EXPUNGE"):
            assert session.command(command).status in ("BAD", "NO"), command
        session.ok("NOOP")
        response = session.ok("LOGOUT")
        assert response.matching(rb"BYE")
        session.expect_closed()


def test_login_forms_and_failures(postern, account):
    """IMAP-45: literals are asked for. IMAP-46: four failures end the session (default 4)."""
    with wire.Imap(postern.ports.imap_plain) as session:
        session.send(b"a LOGIN {%d}\r\n" % len(account.name))
        assert session.response().startswith(b"+")
        session.send(account.name.encode() + b" {%d}\r\n" % len(account.password))
        assert session.response().startswith(b"+")
        session.send(account.password.encode() + b"\r\n")
        assert session.finish(b"a").status == "OK"
        assert session.login(account.name, account.password).status in ("BAD", "NO")
    texts = set()
    for name in (account.name, "nobody-of-that-name@postern.test"):
        with wire.Imap(postern.ports.imap_plain) as session:
            response = session.login(name, "wrong")
            assert response.status == "NO", response
            texts.add(response.text)
    assert len(texts) == 1, f"the answer tells who exists: {texts}"
    with wire.Imap(postern.ports.imap_plain) as session:
        tries = 0
        try:
            for tries in range(1, 10):
                assert session.login(account.name, "wrong").status == "NO"
        except wire.Closed:
            pass
        assert tries <= 5, "nine wrong passwords in one session"


def test_password_that_needs_quoting(postern):
    name = postern.add_user(password='a "quoted" \\ back-slashed {5} (pass) % * word')
    with wire.Imap(postern.ports.imap_plain) as session:
        assert session.login(name, 'a "quoted" \\ back-slashed {5} (pass) % * word').status == "OK"


def test_list_and_status(filled):
    postern, account, mails = filled
    with wire.open_imap(postern, account.name, account.password, select=False) as session:
        for pattern in ('"" "*"', '"" "%"', '"" INBOX', '"" "inbox"'):
            assert session.ok(f"LIST {pattern}").matching(rb'LIST \([^)]*\) "/" "?INBOX"?'), pattern
        assert session.ok('LIST "" ""').matching(rb'LIST \([^)]*\\Noselect[^)]*\) "/" ""')
        assert not session.ok('LIST "" "nothing-here"').untagged
        (match,) = session.ok(
            "STATUS INBOX (MESSAGES UNSEEN UIDNEXT UIDVALIDITY RECENT)").matching(
                rb'STATUS "?INBOX"? \((.*)\)')
        words = match[1].split()
        status = {words[i].decode(): int(words[i + 1]) for i in range(0, len(words), 2)}
        assert status["MESSAGES"] == 3 and status["UNSEEN"] == 3 and status["UIDVALIDITY"] > 0
        assert session.command("SELECT no-such-mailbox").status == "NO"
        assert session.command("FETCH 1 (FLAGS)").status == "BAD"
        response = session.ok("SELECT inbox")
        uids = session.uids()
        assert status["UIDNEXT"] > max(uids) and uids == sorted(set(uids))
        for wanted in (rb"3 EXISTS", rb"\d+ RECENT", rb"FLAGS \(.*\\Seen.*\)",
                       rb"OK \[UIDVALIDITY %d\]" % status["UIDVALIDITY"],
                       rb"OK \[UIDNEXT %d\]" % status["UIDNEXT"], rb"OK \[PERMANENTFLAGS \(.*\\Seen"):
            assert response.matching(wanted), (wanted, response)
        assert "[READ-WRITE]" in response.text


def test_fetch_items(filled):
    postern, account, mails = filled
    with wire.open_imap(postern, account.name, account.password) as session:
        whole = {number: strip_trace(session.fetch(uid)) for number, uid in
                 enumerate(session.uids(), 1)}
        assert whole == dict(enumerate(mails, 1))
        response = session.ok("FETCH 1:3 (FLAGS UID RFC822.SIZE INTERNALDATE)")
        assert len(response.matching(rb"\d+ FETCH")) == 3
        for number in (1, 2, 3):
            (match,) = response.matching(rb"%d FETCH \((.*)\)\Z" % number)
            assert re.search(rb"FLAGS \([^)]*\)", match[1]) and re.search(rb"UID \d+", match[1])
            stored = session.fetch(session.uids()[number - 1])
            assert int(re.search(rb"RFC822\.SIZE (\d+)", match[1])[1]) == len(stored)
            assert re.search(rb'INTERNALDATE "[ \d]\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d [+-]\d{4}"',
                             match[1])
            head, _, body = stored.partition(b"\r\n\r\n")
            head += b"\r\n\r\n"
            for item, wanted in ((b"BODY[HEADER]", head), (b"BODY[TEXT]", body),
                                 (b"BODY[]", stored)):
                response_2 = session.ok(f"FETCH {number} (BODY.PEEK{item[4:].decode()})")
                assert literal_of(response_2, item) == wanted, item
            for start, count in ((0, 10), (5, 100), (len(stored) - 3, 100), (len(stored) + 5, 10)):
                response_2 = session.ok(f"FETCH {number} (BODY.PEEK[]<{start}.{count}>)")
                assert literal_of(response_2, b"BODY[]<%d>" % start) == stored[start:start + count]
        response = session.ok("FETCH 2 (BODY.PEEK[HEADER.FIELDS (SUBJECT Message-ID)])")
        part = re.search(rb"BODY\[HEADER\.FIELDS \(\"?SUBJECT\"? \"?Message-ID\"?\)\] \{(\d+)\}\r\n",
                         response.untagged[0], re.I)
        assert part, response
        fields = response.untagged[0][part.end():part.end() + int(part[1])]
        assert fields.lower().startswith((b"subject:", b"message-id:")) and fields.endswith(b"\r\n\r\n")
        assert b"from:" not in fields.lower() and b"message-id:" in fields.lower()


def test_fetch_sets_seen_unless_peeked(filled):
    postern, account, _ = filled
    with wire.open_imap(postern, account.name, account.password) as session:
        session.ok("FETCH 1 (BODY.PEEK[])")
        assert not any("\\Seen" in flags for flags in session.flags().values())
        session.ok("FETCH 1 (BODY[])")
        assert ["\\Seen" in flags for flags in session.flags().values()] == [True, False, False]
    with wire.open_imap(postern, account.name, account.password, select=False) as session:
        assert "[READ-ONLY]" in session.ok("EXAMINE INBOX").text
        session.ok("FETCH 2 (BODY[])")
        assert ["\\Seen" in flags for flags in session.flags().values()] == [True, False, False]
        assert session.command("STORE 2 +FLAGS (\\Seen)").status in ("NO", "BAD")
        assert session.command("EXPUNGE").status in ("NO", "BAD")
        assert len(session.uids()) == 3


def test_sequence_sets(filled):
    postern, account, _ = filled
    with wire.open_imap(postern, account.name, account.password) as session:
        uids = session.uids()

        def numbers(command):
            return [int(match[1]) for match in session.ok(command).matching(rb"(\d+) FETCH")]

        assert numbers("FETCH 1:* (UID)") == [1, 2, 3]
        assert numbers("FETCH *:2 (UID)") == [2, 3]
        assert numbers("FETCH 3,1 (UID)") in ([1, 3], [3, 1])
        assert numbers("FETCH * (UID)") == [3]
        assert numbers(f"UID FETCH {uids[1]} (FLAGS)") == [2]
        assert numbers(f"UID FETCH {uids[2] + 1000}:* (FLAGS)") == [3]
        assert numbers(f"UID FETCH {uids[2] + 1000} (FLAGS)") == []
        for bad in ("FETCH 4 (FLAGS)", "FETCH 0 (FLAGS)", "FETCH 1:x (FLAGS)", "FETCH (FLAGS)",
                    "FETCH 1", "FETCH 1 (NOSUCH)"):
            assert session.command(bad).status in ("BAD", "NO"), bad


def test_store_and_expunge(filled):
    postern, account, _ = filled
    with wire.open_imap(postern, account.name, account.password) as session:
        uids = session.uids()
        response = session.ok("STORE 1:2 FLAGS (\\Answered \\Flagged)")
        assert len(response.matching(rb"[12] FETCH .*\\Answered")) == 2
        assert not session.ok("STORE 3 +FLAGS.SILENT (\\Draft)").matching(rb"3 FETCH")
        session.ok("STORE 1 -FLAGS (\\Answered)")
        assert session.flags() == {uids[0]: {"\\Flagged"}, uids[1]: {"\\Flagged", "\\Answered"},
                                   uids[2]: {"\\Draft"}}
        session.ok(f"UID STORE {uids[0]},{uids[2]} +FLAGS.SILENT (\\Deleted)")
        response = session.ok("EXPUNGE")
        expunged = [int(match[1]) for match in response.matching(rb"(\d+) EXPUNGE")]
        assert expunged in ([1, 2], [3, 1]), expunged
        assert session.uids() == [uids[1]]
        assert session.select() == 1
    assert len(wire.read_all_pop3(postern, account.name, account.password)) == 1


def test_selecting_shows_recent_once(filled):
    postern, account, _ = filled

    def recent():
        with wire.open_imap(postern, account.name, account.password, select=False) as session:
            return int(session.ok("SELECT INBOX").matching(rb"(\d+) RECENT")[-1][1])

    first = recent()
    assert recent() <= first <= 3


class SlowImap(wire.Imap):
    """A client that takes 8 KiB every few milliseconds, with a small window."""

    def _fill(self):
        time.sleep(0.004)
        octets = self.socket.recv(8192)
        if not octets:
            raise wire.Closed("end of stream")
        self.buffer += octets


def test_large_mail_is_whole_while_the_reader_is_slow(postern, account):
    mail = messages.of_size(1, SENDER, [account.name], 6 * messages.MIB)
    wire.deliver(postern, [account.name], mail)
    with SlowImap(postern.ports.imap_plain, receive_octets=16384) as session:
        assert session.login(account.name, account.password).status == "OK"
        session.select()
        assert strip_trace(session.fetch(session.uids()[0])) == mail
        session.ok("LOGOUT")
