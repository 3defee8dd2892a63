"""deploy/up as a new user runs it: the printed commands are executed as they are printed."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

from harness import messages, ports, wire
from harness.server import REPOSITORY, child_setup
from harness.waiting import scaled, wait_until

# The well-known ports that --port-base is added to.
OFFSETS = (25, 587, 465, 110, 995, 143, 993)
UP = os.path.join(REPOSITORY, "deploy", "up")
DEMO_USER = "demo@postern.test"
# The first start may build a release.
FIRST_START_S = float(os.environ.get("POSTERN_UP_BUILD_S", "1500"))
SECOND_START_S = 10


class Up:
    """deploy/up in a process group of its own. Its output is collected while it runs."""

    def __init__(self, state, base, *more):
        self.popen = subprocess.Popen(
            ["bash", UP, "--no-install", "--state", state, "--port-base", str(base), *more],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            cwd=REPOSITORY, preexec_fn=child_setup, start_new_session=True)
        self.lines = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.popen.stdout:
            self.lines.append(line)

    @property
    def output(self):
        return "".join(self.lines)

    def commands(self, program):
        """Printed command lines of a program, continuation lines joined."""
        text = re.sub(r"\\\n\s*", "", self.output)
        return [line.strip().lstrip("$ ") for line in text.splitlines()
                if re.match(rf"\s*(\$ )?{program}\s", line)]

    def wait_commands(self, time_s):
        def printed():
            if self.popen.poll() is not None:
                raise AssertionError(f"deploy/up ended with status {self.popen.returncode}:\n"
                                     + self.output[-5000:])
            return bool(self.commands("swaks") or self.commands("curl"))

        deadline = time.monotonic() + time_s
        while not printed():
            assert time.monotonic() < deadline, "deploy/up prints no commands:\n" + self.output[-5000:]
            time.sleep(0.1)
        time.sleep(0.5)  # the rest of the page

    def stop(self, number=signal.SIGTERM):
        self.popen.send_signal(number)
        status = self.popen.wait(timeout=scaled(40))
        self._reader.join(timeout=10)
        return status

    def close(self):
        if self.popen.poll() is None:
            os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()


@pytest.fixture
def up(request):
    """A factory of started Up objects with a state folder and ports of their own."""
    folder = tempfile.mkdtemp(prefix="postern-up-")
    base = ports.reserve_block(OFFSETS)
    started = []

    def start(*more, state=None):
        started.append(Up(state or os.path.join(folder, "state"), base, *more))
        return started[-1]

    start.state = os.path.join(folder, "state")
    start.base = base
    yield start
    for process in started:
        process.close()
    shutil.rmtree(folder, ignore_errors=True)


def run_as_printed(command):
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=REPOSITORY,
                          stdin=subprocess.DEVNULL, timeout=scaled(60))
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def mailbox(up):
    with open(os.path.join(up.state, "demo-password"), encoding="ascii") as file:
        password = file.read().strip()
    import ssl
    context = ssl.create_default_context(cafile=os.path.join(up.state, "ca.pem"))
    with wire.Imap(up.base + 993, tls=context) as session:
        assert session.login(DEMO_USER, password).status == "OK"
        session.select()
        return {uid: session.fetch(uid) for uid in session.uids()}


def test_first_start_second_start_and_stop(up):
    first = up()
    first.wait_commands(FIRST_START_S)
    for offset in OFFSETS:
        socket.create_connection(("127.0.0.1", up.base + offset), timeout=5).close()
        assert str(up.base + offset) in first.output, f"port {up.base + offset} is not in the output"
    for name in ("ca.pem", "demo-password", "postern.toml"):
        assert os.path.exists(os.path.join(up.state, name)), name
    assert os.stat(os.path.join(up.state, "demo-password")).st_mode & 0o077 == 0
    assert DEMO_USER in first.output

    # Commands that send put a mail into the mailbox, commands that read show it: as printed.
    sending = first.commands("swaks") + [c for c in first.commands("curl") if "--mail-from" in c]
    reading = [c for c in first.commands("curl") if re.search(r"\b(imap|pop3)s?://", c)]
    assert sending and reading, first.output
    for count, command in enumerate(sending, 1):
        run_as_printed(command)
        assert len(mailbox(up)) == count, f"no mail from: {command}"
    mails = mailbox(up)
    shown = "".join(run_as_printed(command) for command in reading)
    assert re.search(r"^(Subject|Received):", shown, re.M | re.I) or "FETCH" in shown or re.search(
        r"^1 \d+", shown, re.M), shown
    assert first.stop() == 0, first.output[-3000:]
    for offset in OFFSETS:
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", up.base + offset), timeout=5).close()

    begin = time.monotonic()
    second = up()
    second.wait_commands(scaled(SECOND_START_S) + 20)
    assert time.monotonic() - begin < scaled(SECOND_START_S), "the second start takes too long"
    assert mailbox(up) == mails, "the second start lost mail"
    run_as_printed(second.commands(shlex.split(sending[0])[0])[0])
    assert len(mailbox(up)) == len(mails) + 1
    assert second.stop(signal.SIGINT) == 0, second.output[-3000:]


def test_taken_port_is_named_and_nothing_stays(up):
    with socket.socket() as blocker:
        blocker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        blocker.bind(("127.0.0.1", up.base + 143))
        blocker.listen(1)
        process = up()
        status = process.popen.wait(timeout=FIRST_START_S)
        process._reader.join(timeout=10)
        assert status > 0
        assert str(up.base + 143) in process.output, process.output
        assert "--port-base" in process.output, "the remedy is not named:\n" + process.output
    for offset in OFFSETS:
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", up.base + offset), timeout=5).close()


def test_everything_stays_inside_the_state_folder(up):
    """A stranger's home and working directory are left alone."""
    home = tempfile.mkdtemp(prefix="postern-home-")
    try:
        old = os.environ.get("HOME")
        os.environ["HOME"] = home
        process = up()
        process.wait_commands(FIRST_START_S)
        assert process.stop() == 0
        assert [name for name in os.listdir(home) if name not in (".cache", ".ccache")] == []
        assert os.listdir(up.state)
    finally:
        if old is None:
            del os.environ["HOME"]
        else:
            os.environ["HOME"] = old
        shutil.rmtree(home, ignore_errors=True)


def test_killed_process_is_reported(up):
    """When one of the three dies, up says which and does not go on pretending."""
    process = up()
    process.wait_commands(FIRST_START_S)
    children = subprocess.run(["ps", "-e", "-o", "pid=,sid=,comm="], capture_output=True, text=True,
                              check=True).stdout
    (victim,) = [int(line.split()[0]) for line in children.splitlines()
                 if line.split()[1] == str(process.popen.pid)
                 and line.split()[2].startswith("postern-imap")]
    said_before = len(process.output)
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: "imap" in process.output[said_before:].lower(), 20, "up says which one died")
    # It either ends as a whole, with an error, or starts the process again.
    wait_until(lambda: process.popen.poll() is not None or _connects(up.base + 143), 40,
               "up ends, or port 143 answers again")
    if process.popen.poll() is None:
        assert process.stop() == 0
    else:
        assert process.popen.returncode > 0
        assert not any(_connects(up.base + offset) for offset in OFFSETS), "something stayed behind"


def _connects(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
        return True
    except OSError:
        return False


def test_help_names_the_options():
    done = subprocess.run(["bash", UP, "--help"], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    for option in ("--state", "--port-base", "--listen", "--no-install"):
        assert option in done.stdout, option
    done = subprocess.run(["bash", UP, "--no-such-option"], capture_output=True, text=True,
                          timeout=60, stdin=subprocess.DEVNULL, cwd=REPOSITORY)
    assert done.returncode > 0 and "--no-such-option" in done.stdout + done.stderr
