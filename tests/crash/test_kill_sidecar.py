"""A sidecar's death costs its own sessions and nothing else."""

import pytest

from harness import messages, wire
from harness.load import strip_trace
from harness.server import PASSWORD


@pytest.mark.parametrize("victim, witness", [("pop3", "imap"), ("imap", "pop3")])
def test_killed_sidecar_harms_nobody_else(victim, witness, running_postern):
    postern, (account,) = running_postern()
    openers = {"pop3": wire.open_pop3, "imap": wire.open_imap}
    readers = {"pop3": wire.read_all_pop3, "imap": wire.read_all_imap}
    sent = []
    for round_number in range(3):
        dying = [openers[victim](postern, account, PASSWORD) for _ in range(3)]
        with openers[witness](postern, account, PASSWORD) as living:
            with wire.open_smtp(postern) as smtp:
                smtp.transaction("a@elsewhere.example", [account])
                postern[victim].kill()
                mail = messages.plain(f"{victim}-{round_number}", "a@elsewhere.example", [account])
                smtp.send(messages.dot_stuffed(mail))
                assert smtp.reply().code == 250
                sent.append(mail)
            for session in dying:
                session.expect_closed()
                session.close()
            living.ok("NOOP")
            stored = readers[witness](postern, account, PASSWORD)
            assert sorted(map(strip_trace, stored.values())) == sorted(sent)
        postern.start(victim)
        stored = readers[victim](postern, account, PASSWORD)
        assert sorted(map(strip_trace, stored.values())) == sorted(sent)
    postern.stop()


def test_pop3_killed_before_quit_deletes_nothing(running_postern):
    """DELE takes effect in UPDATE, which only QUIT enters (RFC 1939 section 6)."""
    postern, (account,) = running_postern()
    wire.deliver(postern, [account], messages.plain(1, "a@elsewhere.example", [account]))
    with wire.open_pop3(postern, account, PASSWORD) as session:
        session.ok("DELE 1")
        postern["pop3"].kill()
    postern.start("pop3")
    assert len(wire.read_all_pop3(postern, account, PASSWORD)) == 1


def test_sidecars_started_before_the_gateway_wait_for_it(own_postern):
    """A machine that boots starts the three in any order."""
    from harness.waiting import wait_until
    postern = own_postern().start()
    postern.add_domain()
    account = postern.add_user()
    wire.deliver(postern, [account], messages.plain(1, "a@elsewhere.example", [account]))
    postern.stop()
    for name in ("pop3", "imap"):
        postern.spawn(name)
    postern.start("gateway")
    for name in ("pop3", "imap"):
        postern[name].wait_ready()

    def readable():
        try:
            return (len(wire.read_all_pop3(postern, account, PASSWORD)) == 1
                    and len(wire.read_all_imap(postern, account, PASSWORD)) == 1)
        except (OSError, wire.Closed, AssertionError):
            return False

    wait_until(readable, 20, "both sidecars serve mail")
    postern.stop()
