"""No 250 leaves before its fsync, shown from outside with strace's fault injection.

The replies go out through io_uring, so they cannot be seen as system calls. What can be seen: when every
fdatasync/fsync of the gateway is made slow, the 250 comes as much later; when they fail, it does not come at all.
"""

import os
import re
import signal
import subprocess
import time

import pytest

from harness import messages, wire
from harness.server import PASSWORD, command_path
from harness.waiting import wait_until

DELAY_MS = 600
# What an answer may take without the delay; a plain disk needs a few milliseconds.
UNDELAYED_MS_MAX = 500


class Strace:
    """strace attached to the gateway and all its threads; leaves it running when detached."""

    def __init__(self, postern, *expressions):
        self.log_path = os.path.join(postern.folder, "strace.log")
        command = [command_path("strace"), "-f", "-ttt", "-y", "-o", self.log_path, "-e",
                   "trace=fsync,fdatasync"]
        for expression in expressions:
            command += ["-e", expression]
        self.popen = subprocess.Popen(command + ["-p", str(postern["gateway"].pid)],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.PIPE, text=True)
        pid = postern["gateway"].pid

        def traced():
            assert self.popen.poll() is None, f"strace ended: {self.popen.stderr.read()}"
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as file:
                    if re.search(r"^TracerPid:\s+0$", file.read(), re.M):
                        return False
            return True

        wait_until(traced, 20, "strace is attached to every thread of the gateway")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.popen.send_signal(signal.SIGINT)
        try:
            self.popen.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self.popen.stderr.close()

    def completed_syncs(self):
        """[(moment of the end, text)] of successful fsync and fdatasync calls; complete once strace has been left."""
        result, unfinished = [], {}
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            for line in file:
                match = re.match(r"(\d+)\s+(\d+\.\d+) (.*)", line)
                if not match or "sync" not in match[3]:
                    continue
                thread, moment, text = match[1], float(match[2]), match[3]
                if "<unfinished" in text:  # another thread's call came between its begin and its end
                    unfinished[thread] = text
                    continue
                if "resumed>" in text:
                    text = unfinished.pop(thread, "") + text
                if re.search(r"= 0\b", text):
                    result.append((moment, text))
        return result


def timed_send(session, account, seed):
    """Sends one small mail; returns (reply, seconds from its last octet to the reply, moment of that octet)."""
    mail = messages.plain(seed, "a@elsewhere.example", [account])
    session.transaction("a@elsewhere.example", [account])
    moment = time.time()
    begin = time.monotonic()
    session.send(messages.dot_stuffed(mail))
    reply = session.reply()
    return reply, time.monotonic() - begin, moment


@pytest.mark.serial
def test_250_waits_for_a_slow_fsync(running_postern):
    postern, (account,) = running_postern()
    with wire.open_smtp(postern) as session:
        fastest_s = min(timed_send(session, account, seed)[1] for seed in range(5))
        assert fastest_s * 1000 < UNDELAYED_MS_MAX, "the disk is too slow for this measurement"
        with Strace(postern, f"inject=fsync,fdatasync:delay_enter={DELAY_MS * 1000}") as strace:
            windows = []
            for seed in range(5, 9):
                reply, took_s, sent_at = timed_send(session, account, seed)
                windows.append((sent_at, time.time()))
                assert reply.code == 250, reply
                assert took_s * 1000 >= DELAY_MS, (
                    f"250 after {took_s * 1000:.0f} ms although every fsync takes {DELAY_MS} ms")
        syncs = strace.completed_syncs()
        for begin, end in windows:
            synced = [text for moment, text in syncs if begin < moment < end]
            # The mail's octets and the redo record of its rows share a log, and that is waited for.
            assert any("/store/bodies/" in text for text in synced), (
                f"a 250 without an fsync of bodies/ between the mail's last octet and it: {synced}")
        reply, took_s, _ = timed_send(session, account, 9)
        assert reply.code == 250 and took_s * 1000 < DELAY_MS, "the delay came from elsewhere"


@pytest.mark.serial
@pytest.mark.parametrize("size_octets", [2000, 300 * messages.KIB, 3 * messages.MIB])
def test_failed_fsync_is_never_answered_with_250(size_octets, running_postern, record_property):
    postern, (account,) = running_postern()
    kept = messages.sealed("kept", "a@elsewhere.example", [account], b"kept\r\n")
    wire.deliver(postern, [account], kept)
    outcomes = []
    with Strace(postern, "inject=fsync,fdatasync:error=EIO") as strace:
        for number in range(3):
            mail = messages.of_size(f"failed-{number}", "a@elsewhere.example", [account],
                                    size_octets)
            try:
                with wire.open_smtp(postern) as session:
                    reply = session.command("MAIL FROM:<a@elsewhere.example>")
                    if reply.code == 250:
                        reply = session.command(f"RCPT TO:<{account}>")
                    if reply.code == 250:
                        reply = session.command("DATA")
                    if reply.code == 354:
                        session.send(messages.dot_stuffed(mail))
                        reply = session.reply()
                    outcomes.append(reply.code)
                    assert 400 <= reply.code < 500, f"not a temporary failure: {reply}"
            except (wire.Closed, OSError):
                outcomes.append("closed")
            except AssertionError as failure:
                # A greeting of 421 or 452 is as good: nothing was promised.
                if not re.search(r"<(421|452) ", str(failure)):
                    raise
                outcomes.append("refused")
    assert len(outcomes) == 3 and 250 not in outcomes, outcomes
    with open(strace.log_path, encoding="utf-8", errors="replace") as file:
        assert "(INJECTED)" in file.read(), "no fsync failed: the test shows nothing"
    record_property("outcomes", outcomes)
    # After an fsync failed nobody knows what is on the disk: a restart finds out. Nothing acknowledged is lost.
    postern["gateway"].kill()
    postern.start("gateway")

    def stored():
        try:
            return wire.read_all_pop3(postern, account, PASSWORD)
        except (OSError, wire.Closed, AssertionError):
            return None

    mails = wait_until(stored, 20, "the mailbox is readable again")
    assert any(octets.endswith(kept) for octets in mails.values()), "an acknowledged mail is lost"
    reply = wire.deliver(postern, [account], messages.plain(9, "a@elsewhere.example", [account]))
    assert reply.code == 250
