"""Quotas of mailboxes (POP-19) over the real programs: who is refused, and what the owner is told."""

import email
import email.policy
import json
import re

import pytest

from harness import messages, wire
from harness.metrics import Endpoints
from harness.server import PASSWORD
from harness.waiting import wait_until

SENDER = "author@elsewhere.example"
FULL = re.compile(r"4\.2\.2 ")


def mail_of(octets, name, number=0):
    """A mail of exactly so many octets as it is sent."""
    mail = messages.plain(number, SENDER, [name], lines=[])
    missing = octets - len(mail)
    assert missing >= 2, octets
    lines, rest = divmod(missing, 72)
    if rest < 2:
        lines, rest = lines - 1, rest + 72
    return mail + (b"x" * 70 + b"\r\n") * lines + b"y" * (rest - 2) + b"\r\n"


def rcpt(postern, name, parameters=""):
    """The reply to RCPT; nothing is sent."""
    with wire.open_smtp(postern) as session:
        session.must(250, f"MAIL FROM:<{SENDER}>{parameters}")
        reply = session.command(f"RCPT TO:<{name}>")
        session.must(221, "QUIT")
        return reply


def assert_full(reply):
    assert reply.code == 452 and FULL.match(reply.text), reply


def deliver(postern, name, octets, number=0):
    wire.deliver(postern, [name], mail_of(octets, name, number), sender=SENDER)


def user(postern, name):
    users = json.loads(postern.cli("user", "list", "--json").stdout)
    return next(entry for entry in users if entry["name"] == name)


def stat(postern, name):
    with wire.open_pop3(postern, name, PASSWORD) as session:
        _, count, octets = session.ok("STAT").split()[:3]
        return int(count), int(octets)


def notices(postern, name):
    """The parsed mails of the server's own, oldest first."""
    mails = wire.read_all_pop3(postern, name, PASSWORD)
    parsed = [email.message_from_bytes(octets, policy=email.policy.default)
              for _, octets in sorted(mails.items(), key=lambda item: int(item[0]))]
    return [mail for mail in parsed if mail["Auto-Submitted"]]


def empty(postern, name):
    with wire.open_pop3(postern, name, PASSWORD) as session:
        for number in session.unique_ids():
            session.ok(f"DELE {number}")
        session.ok("QUIT")


def without_warnings(quota):
    return {"mailbox": {"quota": quota, "quota_warning_percent": 0}}


def test_default_and_accounts_of_their_own(running_postern):
    """Server default, a larger one, none; every change holds for the next RCPT."""
    postern, (anna, bert, cora) = running_postern(users=3, settings=without_warnings("8KiB"))
    postern.cli("user", "set", bert, "--quota", "32K")
    postern.cli("user", "set", cora, "--quota", "unlimited")
    for name in (anna, bert, cora):
        deliver(postern, name, 9000)
    assert_full(rcpt(postern, anna))
    assert rcpt(postern, bert).code == 250
    assert rcpt(postern, cora).code == 250

    _, octets = stat(postern, anna)
    entry = user(postern, anna)
    assert (entry["used_octets"], entry["quota_octets"], entry["quota"]) == (octets, 8192, "default")
    entry = user(postern, bert)
    assert (entry["quota_octets"], entry["quota"]) == (32768, "32KiB")
    entry = user(postern, cora)
    assert (entry["quota_octets"], entry["quota"]) == (None, "unlimited")
    table = postern.cli("user", "list").stdout
    assert re.search(rf"{re.escape(anna)} .* KiB, 1\d\d %\s+8KiB \(default\)", table), table
    assert re.search(rf"{re.escape(cora)} .* KiB\s+unlimited\s", table), table

    postern.cli("user", "set", anna, "--quota", str(octets + 1))
    assert rcpt(postern, anna).code == 250
    postern.cli("user", "set", anna, "--quota", str(octets))
    assert_full(rcpt(postern, anna))
    postern.cli("user", "set", cora, "--quota", "default")
    assert_full(rcpt(postern, cora))
    for wrong in ("2", "-1", "2GB", "many", "", "0", "2PiB", "1.5G"):
        done = postern.cli("user", "set", anna, "--quota", wrong, check=False)
        assert done.returncode != 0, wrong
    assert user(postern, anna)["quota_octets"] == octets
    postern.stop()


def test_full_until_something_is_deleted(running_postern):
    """452 4.2.2 by the octet and by SIZE=; accepted again behind DELE and QUIT, IMAP's EXPUNGE, an account's renewal."""
    postern, (anna, bert) = running_postern(users=2, settings=without_warnings("20000"))
    deliver(postern, anna, 9000)
    deliver(postern, anna, 9000)
    _, octets = stat(postern, anna)
    left = 20000 - octets
    assert left > 500
    assert rcpt(postern, anna, f" SIZE={left}").code == 250
    assert_full(rcpt(postern, anna, f" SIZE={left + 1}"))
    reply = rcpt(postern, anna, " SIZE=20001")
    assert reply.code == 552 and reply.text.startswith("5.2.3 "), reply
    deliver(postern, anna, 9000)  # of unknown size: it gets in, and is the last that does
    assert_full(rcpt(postern, anna))

    with wire.open_smtp(postern) as session:
        session.must(250, f"MAIL FROM:<{SENDER}>")
        assert_full(session.command(f"RCPT TO:<{anna}>"))
        session.must(250, f"RCPT TO:<{bert}>")
        session.must(354, "DATA")
        session.send(messages.dot_stuffed(mail_of(2000, bert)))
        assert session.reply().code == 250, "others get their mail"
        session.must(250, f"MAIL FROM:<{SENDER}>")
        with wire.open_pop3(postern, anna, PASSWORD) as reader:
            reader.ok("DELE 1")
            assert_full(session.command(f"RCPT TO:<{anna}>"))
            reader.ok("QUIT")
        session.must(250, f"RCPT TO:<{anna}>")

    deliver(postern, anna, 9000)
    assert_full(rcpt(postern, anna))
    with wire.open_imap(postern, anna, PASSWORD) as reader:
        reader.ok("UID STORE 1:* +FLAGS.SILENT (\\Deleted)")
        reader.ok("EXPUNGE")
        assert rcpt(postern, anna, " SIZE=20000").code == 250
    deliver(postern, anna, 20000)
    assert_full(rcpt(postern, anna))
    postern.cli("user", "delete", anna)
    postern.add_user(anna.partition("@")[0])
    assert rcpt(postern, anna, " SIZE=20000").code == 250
    postern.stop()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_use_is_known_after_a_restart(running_postern, end):
    postern, (anna,) = running_postern(settings=without_warnings("20000"))
    for number in range(3):
        deliver(postern, anna, 5000, number)
    _, octets = stat(postern, anna)
    getattr(postern["gateway"], end)()
    postern.start("gateway")
    assert user(postern, anna)["used_octets"] == octets
    assert rcpt(postern, anna, f" SIZE={20000 - octets}").code == 250
    assert_full(rcpt(postern, anna, f" SIZE={20000 - octets + 1}"))
    postern["gateway"].stop()
    with open(postern.config, encoding="utf-8") as file:
        text = file.read()
    with open(postern.config, "w", encoding="utf-8") as file:
        file.write(text.replace('quota = "20000"', 'quota = "10000"'))
    postern.start("gateway")
    assert_full(rcpt(postern, anna))
    postern.stop()


def test_the_owner_is_told_once(running_postern):
    """Near and full, each once a crossing, by a mail that POP3 and IMAP show; not again behind a restart."""
    endpoints = Endpoints()
    postern, (anna, bert) = running_postern(
        users=2, settings={"mailbox": {"quota": 40_000}, "metrics": endpoints.settings})
    deliver(postern, anna, 36_800)
    (near,) = wait_until(lambda: notices(postern, anna), 20, "a warning")
    assert near["Subject"] == "Your mailbox is nearly full (92 %)", near
    assert near["Return-Path"] == "<>" and near["Auto-Submitted"] == "auto-generated"
    domain = anna.partition("@")[2]
    assert near["From"].addresses[0].addr_spec == f"postmaster@{domain}"
    assert near["To"].addresses[0].addr_spec == anna
    assert near["Date"].datetime and near["Message-ID"]
    text = near.get_content()
    assert "(40000 octets)" in text and "nearly full" in text, text

    through_pop3 = sorted(wire.read_all_pop3(postern, anna, PASSWORD).values())
    assert through_pop3 == sorted(wire.read_all_imap(postern, anna, PASSWORD).values())
    assert stat(postern, anna) == (2, sum(map(len, through_pop3))), "its size is counted as it is"
    assert user(postern, anna)["used_octets"] == sum(map(len, through_pop3))

    def metric(name, **labels):
        return endpoints.value("gateway", name, **labels)

    wait_until(lambda: metric("postern_quota_accounts", state="near") == 1, 20, "the gauge")
    postern["gateway"].stop()
    postern.start("gateway")
    wait_until(lambda: metric("postern_quota_accounts", state="near") == 1, 20, "a look")
    deliver(postern, anna, 3000)
    near, full = wait_until(lambda: len(notices(postern, anna)) == 2 and notices(postern, anna), 20,
                            "it is full, and was told near once")
    assert full["Subject"] == "Your mailbox is full", full
    assert "is refused now" in full.get_content()
    assert_full(rcpt(postern, anna))
    assert metric("postern_quota_warnings_total") == 1, "since the restart"
    assert metric("postern_smtp_recipients_over_quota_total") == 1
    wait_until(lambda: metric("postern_quota_accounts", state="full") == 1, 20, "the gauge")
    wait_until(lambda: postern.log_text("gateway").count("quota.warned") == 2, 10, "the log")

    empty(postern, anna)
    wait_until(lambda: metric("postern_quota_accounts", state="full") == 0, 20, "the gauge")
    deliver(postern, anna, 37_000)
    wait_until(lambda: len(notices(postern, anna)) == 1, 20, "a new crossing")
    assert notices(postern, bert) == []
    postern.stop()


def test_the_owner_is_told_again_while_it_lasts(running_postern):
    postern, (anna,) = running_postern(
        settings={"mailbox": {"quota": 40_000, "quota_warning_percent": 50,
                              "quota_warning_interval": 3}})
    deliver(postern, anna, 22_000)
    wait_until(lambda: len(notices(postern, anna)) >= 2, 30, "told again")
    empty(postern, anna)
    assert rcpt(postern, anna, " SIZE=40000").code == 250
    postern.stop()


def test_a_quota_that_is_set_later_warns_too(running_postern):
    """Of an account on a server without quotas; killed at once, the gateway neither loses nor doubles a warning."""
    postern, (anna,) = running_postern()
    deliver(postern, anna, 9000)
    postern.cli("user", "set", anna, "--quota", "8K")
    wait_until(lambda: "quota.warned" in postern.log_text("gateway"), 20, "a warning")
    postern["gateway"].kill()
    postern.start("gateway")
    deliver_to = postern.add_user()
    postern.cli("user", "set", deliver_to, "--quota", "8K")
    deliver(postern, deliver_to, 9000)
    wait_until(lambda: notices(postern, deliver_to), 20, "the job has looked")
    (full,) = notices(postern, anna)
    assert full["Subject"] == "Your mailbox is full"
    postern.stop()
