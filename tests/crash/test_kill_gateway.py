"""kill -9 at random moments under load. The client keeps the ledger (harness/load.py)."""

import random
import time

import pytest

from harness import messages, wire
from harness.load import Ledger, Sender, strip_trace
from harness.server import PASSWORD
from harness.waiting import wait_until

ROUNDS = 20
RECOVERY_S = 20

# (name, sizes in octets, tls, pipelined, mails per session)
SESSIONS = [
    ("small-keepalive", (500, 4096), False, True, 10 ** 9),
    ("small-connections", (500, 4096), False, False, 1),
    ("small-tls", (1000, 8192), True, True, 10 ** 9),
    ("mixed", (4096, 65536, 300000), False, True, 10 ** 9),
    ("mixed-tls", (100, 200000), True, False, 5),
    ("large", (3 * messages.MIB, 6 * messages.MIB), False, True, 10 ** 9),
]


class Mailbox:
    """What a test has read of one mailbox so far, by POP3; each mail is read once and its id remembered."""

    def __init__(self, postern, account):
        self.postern = postern
        self.account = account
        self.mails = {}  # unique id: identity

    def read_new(self):
        """Reads mails that are new since the last call. Fails when one that was there is gone."""
        with wire.open_pop3(self.postern, self.account, PASSWORD) as session:
            unique_ids = session.unique_ids()
            present = set(unique_ids.values())
            assert len(present) == len(unique_ids), f"{self.account}: a unique id twice"
            gone = self.mails.keys() - present
            assert not gone, f"{self.account}: mails vanished: {sorted(gone)[:5]}"
            for number, unique in unique_ids.items():
                if unique not in self.mails:
                    mail = strip_trace(session.retrieve(number))
                    self.mails[unique] = messages.unseal(mail)
            session.ok("QUIT")

    def identities(self):
        return list(self.mails.values())


def sidecars_answer(postern, account):
    """True when fresh POP3 and IMAP sessions work."""
    try:
        with wire.open_pop3(postern, account, PASSWORD) as pop3:
            pop3.ok("STAT")
        with wire.open_imap(postern, account, PASSWORD) as imap:
            imap.ok("NOOP")
        return True
    except (wire.Closed, OSError, AssertionError):
        return False


@pytest.mark.serial
def test_twenty_kills_under_load_lose_and_double_nothing(running_postern, record_property):
    postern, accounts = running_postern(users=4)
    sidecar_pids = {name: postern[name].pid for name in ("pop3", "imap")}
    mailboxes = [Mailbox(postern, account) for account in accounts]
    ledger = Ledger()
    source = random.Random("twenty kills")
    cut_off_count = 0
    for round_number in range(ROUNDS):
        promised_before = len(ledger.promised)
        senders = [Sender(postern, ledger, name, accounts, round_number, sizes, tls, pipelined, count)
                   for name, sizes, tls, pipelined, count in SESSIONS]
        for sender in senders:
            sender.start()
        wait_until(lambda: len(ledger.promised) > promised_before + 5, 60,
                   f"round {round_number}: mail is being accepted")
        time.sleep(source.uniform(0.0, 1.5))
        postern["gateway"].kill()
        for sender in senders:
            sender.stop()
        for sender in senders:
            sender.join(timeout=60)
            assert not sender.is_alive(), f"{sender.name} hangs on a dead connection"
            if sender.failure is not None:
                raise AssertionError(f"{sender.name}: {sender.failure!r}") from sender.failure
        cut_off_count += len(ledger.possible) - len(ledger.promised)
        assert not ledger.refusals, f"refused under light load: {ledger.refusals}"

        postern.start("gateway")
        wait_until(lambda: sidecars_answer(postern, accounts[0]), RECOVERY_S,
                   f"round {round_number}: the sidecars work with the restarted gateway")
        for name, pid in sidecar_pids.items():
            assert postern[name].running() and postern[name].pid == pid, f"{name} did not survive"
        for mailbox in mailboxes:
            mailbox.read_new()
            ledger.check(mailbox.account, mailbox.identities())
        ledger.settle({i for mailbox in mailboxes for i in mailbox.identities()})

    record_property("acknowledged", len(ledger.promised))
    record_property("cut_off_after_last_octet", cut_off_count)
    assert len(ledger.promised) > ROUNDS * 5

    # The same once more from the disk alone, and through IMAP.
    postern.stop()
    postern.start()
    for mailbox in mailboxes:
        mailbox.read_new()
        ledger.check(mailbox.account, mailbox.identities())
        stored = wire.read_all_imap(postern, mailbox.account, PASSWORD)
        identities = [messages.unseal(strip_trace(octets)) for octets in stored.values()]
        assert sorted(identities) == sorted(mailbox.identities()), "POP3 and IMAP disagree"
    postern.stop()


def test_kill_while_a_message_streams_leaves_nothing_of_it(running_postern):
    """Big messages go to disk while they arrive; without their end they must not show up, nor stay for ever."""
    postern, (account,) = running_postern()
    mail = messages.of_size("streamed", "a@elsewhere.example", [account], 12 * messages.MIB)
    octets = messages.dot_stuffed(mail)
    for cut in (messages.MIB, 8 * messages.MIB, len(octets) - 5, len(octets) - 1):
        session = wire.open_smtp(postern)
        session.transaction("a@elsewhere.example", [account])
        session.send(octets[:cut])
        assert session.silent(0.3), "an answer before the end of DATA"
        postern["gateway"].kill()
        session.close()
        postern.start("gateway")
        wait_until(lambda: sidecars_answer(postern, account), RECOVERY_S, "the sidecars work again")
        assert wire.read_all_pop3(postern, account, PASSWORD) == {}
    reply = wire.deliver(postern, [account], mail)
    assert reply.code == 250
    (stored,) = wire.read_all_pop3(postern, account, PASSWORD).values()
    assert strip_trace(stored) == mail


def test_uids_and_uidvalidity_survive_kills(running_postern):
    """A uid names one mail for ever (IMAP-02, POP-15), also when the newest mail was deleted before the crash."""
    postern, (account,) = running_postern()
    seen = {}
    validity = None
    for round_number in range(4):
        for number in range(3):
            wire.deliver(postern, [account], messages.sealed(
                f"uid-{round_number}-{number}", "a@elsewhere.example", [account], b"body\r\n"))
        with wire.open_imap(postern, account, PASSWORD, select=False) as imap:
            response = imap.ok("SELECT INBOX")
            (found,) = response.matching(rb"OK \[UIDVALIDITY (\d+)\]")
            assert validity in (None, found[1]), "UIDVALIDITY changed"
            validity = found[1]
            for uid in imap.uids():
                identity = messages.unseal(strip_trace(imap.fetch(uid)))
                assert seen.setdefault(uid, identity) == identity, f"uid {uid} was used twice"
            assert len(set(seen.values())) == len(seen) == 3 * (round_number + 1)
            # Delete the newest: its uid must not come back.
            newest = max(imap.uids())
            imap.ok(f"UID STORE {newest} +FLAGS.SILENT (\\Deleted)")
            imap.ok("EXPUNGE")
        postern["gateway"].kill()
        postern.start("gateway")
        wait_until(lambda: sidecars_answer(postern, account), RECOVERY_S, "the sidecars work again")


def test_acknowledged_changes_survive_kill(running_postern):
    """Flags and deletions that were answered OK are as durable as mail."""
    postern, (account,) = running_postern()
    for number in range(6):
        wire.deliver(postern, [account], messages.sealed(
            f"change-{number}", "a@elsewhere.example", [account], b"body\r\n"))
    with wire.open_imap(postern, account, PASSWORD) as imap:
        uids = imap.uids()
        imap.ok(f"UID STORE {uids[0]} +FLAGS (\\Seen \\Flagged)")
        imap.ok(f"UID STORE {uids[1]} +FLAGS (\\Deleted)")
        imap.ok("EXPUNGE")
    with wire.open_pop3(postern, account, PASSWORD) as pop3:
        unique_ids = pop3.unique_ids()
        assert len(unique_ids) == 5
        pop3.ok("DELE 5")
        pop3.ok("QUIT")
    postern["gateway"].kill()
    postern.start("gateway")
    wait_until(lambda: sidecars_answer(postern, account), RECOVERY_S, "the sidecars work again")
    with wire.open_imap(postern, account, PASSWORD) as imap:
        flags = imap.flags()
        assert set(flags) == {uids[0], *uids[2:5]}
        assert flags[uids[0]] >= {"\\Seen", "\\Flagged"}
        assert not any(flags[uid] & {"\\Seen", "\\Flagged"} for uid in uids[2:5])
