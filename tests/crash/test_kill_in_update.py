"""kill -9 in POP3's UPDATE (POP-13): all or some of the marked messages are gone, never another one."""

import random
import time

import pytest

from harness import messages, wire
from harness.server import PASSWORD
from harness.waiting import wait_until

MESSAGES = 40
ROUNDS = 12


def unique_ids(postern, account):
    """The maildrop as it is now, once the processes answer again."""
    def read():
        try:
            with wire.open_pop3(postern, account, PASSWORD) as session:
                found = set(session.unique_ids().values())
                session.ok("QUIT")
                return found or {"none"}
        except (wire.Closed, OSError, AssertionError):
            return None

    return wait_until(read, 30, "POP3 answers again") - {"none"}


def top_up(postern, account, count):
    mail = messages.plain(1, "a@elsewhere.example", [account])
    with wire.open_smtp(postern) as smtp:
        for _ in range(count):
            smtp.transaction("a@elsewhere.example", [account])
            smtp.send(messages.dot_stuffed(mail))
            assert smtp.reply().code == 250


@pytest.mark.parametrize("victim", ("pop3", "gateway"))
def test_kill_in_update_removes_no_unmarked_message(victim, running_postern, record_property):
    postern, (account,) = running_postern()
    source = random.Random(f"update {victim}")
    seen = {"all": 0, "some": 0, "none": 0}
    ledger = set()  # unique ids that must be there
    for round_number in range(ROUNDS):
        top_up(postern, account, MESSAGES - len(ledger))
        before = unique_ids(postern, account)
        assert ledger <= before and len(before) == MESSAGES
        session = wire.open_pop3(postern, account, PASSWORD)
        ids = session.unique_ids()
        marked = set(source.sample(sorted(ids), source.randint(1, MESSAGES)))
        for number in marked:
            session.ok(f"DELE {number}")
        gone_at_most = {ids[number] for number in marked}
        session.send(b"QUIT\r\n")
        # From before the request reaches the gateway to behind its answer; the first ones wait for none.
        time.sleep(source.choice((0, 0.0005, 0.001, 0.002, 0.004, 0.008)) if round_number else 0)
        postern[victim].kill()
        said = b""
        if victim == "pop3":
            said = session.expect_closed()
        session.close()
        postern.start(victim)
        after = unique_ids(postern, account)
        ledger = before - gone_at_most
        assert ledger <= after, f"unmarked messages are gone: {sorted(ledger - after)[:5]}"
        assert after <= before, "messages came back, or from nowhere"
        left = after & gone_at_most
        if said.startswith(b"+OK"):
            assert not left, f"+OK, and {len(left)} marked messages are still there"
        seen["none" if left == gone_at_most else "some" if left else "all"] += 1
        ledger = after
    record_property("rounds that removed", seen)
    assert seen["all"], f"no round got as far as removing anything: {seen}"
    postern.stop()
