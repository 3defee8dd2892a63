"""What one session does, the others see: the reader view, the change feed and IDLE from outside."""

import re
import threading
import time

import pytest

from harness import messages, wire
from harness.load import strip_trace
from harness.server import PASSWORD
from harness.waiting import scaled, wait_until

SENDER = "author@elsewhere.example"
READ_YOUR_WRITES_COUNT = 200


def mail_for(account, number):
    return messages.sealed(f"view-{number}", SENDER, [account.name], b"text %d\r\n" % number)


def wait_for_untagged(session, pattern, time_s):
    """Reads until an untagged response matches; returns the match."""
    session.socket.settimeout(scaled(time_s))
    while True:
        response = session.response()
        match = re.match(rb"\* " + pattern, response, re.I | re.S)
        if match:
            return match


def test_read_your_own_writes(postern, account):
    """After its 250 a mail is in every session that starts then, in both sidecars, every time."""
    with wire.open_smtp(postern) as smtp:
        for count in range(1, READ_YOUR_WRITES_COUNT + 1):
            mail = mail_for(account, count)
            assert smtp.send_mail(SENDER, [account.name], mail).code == 250
            with wire.open_imap(postern, account.name, account.password, select=False) as imap:
                assert imap.select() == count, "IMAP does not see a mail that was acknowledged"
                if count % 20 == 0:
                    assert strip_trace(imap.fetch(imap.uids()[-1])) == mail
            with wire.open_pop3(postern, account.name, account.password) as pop3:
                status = pop3.ok("STAT").split()
                assert int(status[1]) == count, "POP3 does not see a mail that was acknowledged"
                if count % 20 == 10:
                    assert strip_trace(pop3.retrieve(count)) == mail


def test_read_your_own_writes_within_a_selected_session(postern, account):
    """NOOP after the 250 shows the mail; so does the answer to STORE and EXPUNGE."""
    with wire.open_imap(postern, account.name, account.password) as imap, \
            wire.open_smtp(postern) as smtp:
        for count in range(1, 31):
            assert smtp.send_mail(SENDER, [account.name], mail_for(account, count)).code == 250
            response = imap.ok("NOOP")
            found = [int(match[1]) for match in response.matching(rb"(\d+) EXISTS")]
            already = imap.ok("FETCH 1:* (UID)").matching(rb"\d+ FETCH")
            assert len(already) == count, (count, found)
            flag = f"\\{'Seen' if count % 2 else 'Flagged'}"
            stored = imap.ok(f"STORE {count} +FLAGS ({flag})")
            assert stored.matching(rf"{count} FETCH .*\{flag}".encode()), stored
            assert flag in list(imap.flags().values())[-1]


def test_idle_client_sees_new_mail_within_a_second(postern, account):
    with wire.open_imap(postern, account.name, account.password) as imap:
        imap.idle()
        for count in range(1, 6):
            wire.deliver(postern, [account.name], mail_for(account, count))
            begin = time.monotonic()
            match = wait_for_untagged(imap, rb"(\d+) EXISTS", 10)
            assert time.monotonic() - begin < scaled(1), "later than a second after the 250"
            assert int(match[1]) == count
        assert imap.done().status == "OK"
        assert len(imap.uids()) == 5


def test_idle_clients_see_each_others_changes(postern, account):
    for count in range(1, 4):
        wire.deliver(postern, [account.name], mail_for(account, count))
    with wire.open_imap(postern, account.name, account.password) as watcher, \
            wire.open_imap(postern, account.name, account.password) as actor:
        uids = actor.uids()
        watcher.idle()
        actor.ok("STORE 2 +FLAGS (\\Flagged)")
        match = wait_for_untagged(watcher, rb"2 FETCH (.*)", 10)
        assert b"\\Flagged" in match[1]
        actor.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        actor.ok("EXPUNGE")
        assert int(wait_for_untagged(watcher, rb"(\d+) EXPUNGE", 10)[1]) == 1
        assert watcher.done().status == "OK"
        assert watcher.uids() == uids[1:]


def test_many_idle_clients_all_see_the_mail(postern, account):
    sessions = [wire.open_imap(postern, account.name, account.password) for _ in range(30)]
    for session in sessions:
        session.idle()
    wire.deliver(postern, [account.name], mail_for(account, 1))
    for session in sessions:
        assert int(wait_for_untagged(session, rb"(\d+) EXISTS", 10)[1]) == 1
    for session in sessions:
        assert session.done().status == "OK"
        session.close()


def test_flags_are_seen_by_a_second_session(postern, account):
    for count in range(1, 4):
        wire.deliver(postern, [account.name], mail_for(account, count))
    with wire.open_imap(postern, account.name, account.password) as first, \
            wire.open_imap(postern, account.name, account.password) as second:
        uids = first.uids()
        first.ok(f"UID STORE {uids[1]} +FLAGS (\\Seen \\Answered)")
        response = second.ok("NOOP")
        (match,) = response.matching(rb"2 FETCH (.*)")
        assert b"\\Seen" in match[1] and b"\\Answered" in match[1]
        assert second.flags() == {uids[0]: set(), uids[1]: {"\\Seen", "\\Answered"}, uids[2]: set()}
        second.ok(f"UID STORE {uids[1]} -FLAGS (\\Seen)")
        second.ok(f"UID STORE {uids[0]} FLAGS (\\Draft)")
        first.ok("NOOP")
        assert first.flags() == {uids[0]: {"\\Draft"}, uids[1]: {"\\Answered"}, uids[2]: set()}
        # Nothing changed since: nothing is reported.
        assert not first.ok("NOOP").matching(rb"\d+ (FETCH|EXISTS|EXPUNGE)")


def test_expunge_is_not_reported_during_fetch(postern, account):
    """RFC 3501 section 7.4.1: no EXPUNGE response while FETCH, STORE or SEARCH is answered."""
    for count in range(1, 4):
        wire.deliver(postern, [account.name], mail_for(account, count))
    with wire.open_imap(postern, account.name, account.password) as first, \
            wire.open_imap(postern, account.name, account.password) as second:
        uids = second.uids()
        first.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        response = first.ok("EXPUNGE")
        assert response.matching(rb"1 EXPUNGE")
        response = second.ok("FETCH 1:3 (UID)")
        assert not response.matching(rb"\d+ EXPUNGE"), response
        response = second.ok("NOOP")
        assert [int(match[1]) for match in response.matching(rb"(\d+) EXPUNGE")] == [1]
        assert second.uids() == uids[1:]


def test_pop3_deletion_is_seen_by_imap_after_quit(postern, account):
    for count in range(1, 5):
        wire.deliver(postern, [account.name], mail_for(account, count))
    with wire.open_imap(postern, account.name, account.password) as imap, \
            wire.open_pop3(postern, account.name, account.password) as pop3:
        uids = imap.uids()
        pop3.ok("DELE 2")
        pop3.ok("DELE 4")
        assert not imap.ok("NOOP").matching(rb"\d+ EXPUNGE"), "deleted before QUIT"
        assert imap.uids() == uids
        pop3.ok("QUIT")
        response = imap.ok("NOOP")
        assert sorted(int(m[1]) for m in response.matching(rb"(\d+) EXPUNGE")) in ([2, 3], [2, 4])
        assert imap.uids() == [uids[0], uids[2]]
    with wire.open_pop3(postern, account.name, account.password) as pop3:
        assert len(pop3.unique_ids()) == 2


def test_imap_deletion_during_a_pop3_session(postern, account):
    """POP-03: the session works on its snapshot; RETR of a mail deleted meanwhile is -ERR, the rest stays."""
    for count in range(1, 4):
        wire.deliver(postern, [account.name], mail_for(account, count))
    with wire.open_pop3(postern, account.name, account.password) as pop3:
        assert pop3.ok("STAT").split()[1] == b"3"
        with wire.open_imap(postern, account.name, account.password) as imap:
            imap.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
            imap.ok("EXPUNGE")
        wire.deliver(postern, [account.name], mail_for(account, 4))
        assert pop3.ok("STAT").split()[1] == b"3", "the list of a session does not change"
        pop3.error("RETR 2")
        assert messages.unseal(strip_trace(pop3.retrieve(3))) == "view-3"
        pop3.ok("DELE 1")
        pop3.ok("QUIT")
    identities = [messages.unseal(strip_trace(octets)) for octets in
                  wire.read_all_pop3(postern, account.name, account.password).values()]
    assert identities == ["view-3", "view-4"]


def test_concurrent_writers_agree_in_the_end(postern, account):
    """Four IMAP sessions set and clear flags and expunge while mail arrives; all views end up the same."""
    failures = []

    def work(number):
        try:
            with wire.open_imap(postern, account.name, account.password) as imap:
                for step in range(15):
                    count = len(imap.uids())
                    if count:
                        index = step * 7 % count + 1
                        sign = "+-"[step % 2]
                        imap.command(f"STORE {index} {sign}FLAGS (\\Flagged)")
                    if step % 5 == 4 and count > 3:
                        imap.command(f"STORE {number + 1} +FLAGS.SILENT (\\Deleted)")
                        imap.ok("EXPUNGE")
                    imap.ok("NOOP")
        except BaseException as failure:  # noqa: reported below
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(4)]
    for thread in threads:
        thread.start()
    with wire.open_smtp(postern) as smtp:
        for count in range(40):
            assert smtp.send_mail(SENDER, [account.name], mail_for(account, count)).code == 250
    for thread in threads:
        thread.join(timeout=scaled(60))
        assert not thread.is_alive(), "a session hangs"
    if failures:
        raise failures[0]
    with wire.open_imap(postern, account.name, account.password) as first, \
            wire.open_imap(postern, account.name, account.password) as second:
        assert first.flags() == second.flags()
        uids = first.uids()
        assert len(uids) == len(set(uids)) and 40 - 12 <= len(uids) <= 40
        identities = [messages.unseal(strip_trace(first.fetch(uid))) for uid in uids]
        assert len(set(identities)) == len(identities)
    with wire.open_pop3(postern, account.name, account.password) as pop3:
        assert len(pop3.unique_ids()) == len(uids)


@pytest.mark.serial
def test_views_stay_right_across_a_gateway_restart(running_postern):
    """A session that was open before the gateway's restart ends or goes on correctly; new ones are right."""
    postern, (name,) = running_postern()

    class Account:
        pass
    account = Account()
    account.name, account.password = name, PASSWORD
    wire.deliver(postern, [name], mail_for(account, 1))
    old = wire.open_imap(postern, name, PASSWORD)
    old.ok("STORE 1 +FLAGS (\\Seen)")
    postern.stop("gateway")
    postern.start("gateway")
    wire.deliver(postern, [name], mail_for(account, 2))

    def sees_both():
        try:
            with wire.open_imap(postern, name, PASSWORD, select=False) as imap:
                return imap.select() == 2 and "\\Seen" in list(imap.flags().values())[0]
        except (wire.Closed, OSError, AssertionError):
            return False

    wait_until(sees_both, 20, "a new session sees the mails from before and after the restart")
    try:
        response = old.command("NOOP")
        assert response.status in ("OK", "NO"), response
        if response.status == "OK":
            wait_until(lambda: old.ok("NOOP") and len(old.uids()) == 2, 20,
                       "the session from before sees the new mail")
    except wire.Closed:
        pass  # it was ended: fine
    old.close()
