"""Starting, draining, stopping; addresses; configuration errors; the command line."""

import ctypes
import json
import os
import re
import resource
import socket
import subprocess
import time

import pytest

from harness import messages, ports, wire
from harness.load import strip_trace
from harness.server import DOMAIN, PASSWORD, child_setup, program
from harness.waiting import scaled, wait_until

SENDER = "author@elsewhere.example"


# -- stopping ------------------------------------------------------------------------------------


def test_sigterm_drains_the_gateway(running_postern):
    """A mail that is being sent is finished and acknowledged; new connections are not taken; then the end."""
    postern, (account,) = running_postern()
    mail = messages.of_size(1, SENDER, [account], 200_000)
    octets = messages.dot_stuffed(mail)
    with wire.open_smtp(postern) as session:
        session.transaction(SENDER, [account])
        session.send(octets[:100_000])
        postern["gateway"].popen.terminate()

        def refuses():
            try:
                with wire.Smtp(postern.ports.relay, time_s=5) as late:
                    return late.greeting.code == 421
            except (OSError, wire.Closed):
                return True

        wait_until(refuses, 10, "new connections are refused while draining")
        assert postern["gateway"].running(), "ended in the middle of a mail"
        session.send(octets[100_000:])
        assert session.reply().code == 250
        said = session.expect_closed()
        assert said == b"" or said.startswith(b"421"), said
    assert postern["gateway"].popen.wait(timeout=scaled(20)) == 0
    postern.start("gateway")

    def stored():
        try:
            return wire.read_all_pop3(postern, account, PASSWORD)
        except (OSError, wire.Closed, AssertionError):
            return None

    (octets,) = wait_until(stored, 20, "the mailbox can be read again").values()
    assert strip_trace(octets) == mail


def test_sigterm_does_not_wait_for_ever(running_postern):
    """drain_timeout bounds it (5 s here): a session that says nothing does not keep the process."""
    postern, (account,) = running_postern()
    sessions = [wire.open_smtp(postern), wire.open_pop3(postern, account, PASSWORD),
                wire.open_imap(postern, account, PASSWORD)]
    sessions[0].transaction(SENDER, [account])
    sessions[0].send(b"Subject: never finished\r\n\r\n")
    sessions[2].idle()
    for name in ("imap", "pop3", "gateway"):
        begin = time.monotonic()
        assert postern[name].stop() == 0, postern[name].log()[-3000:]
        assert time.monotonic() - begin < scaled(5 + 5), f"{name} took too long to stop"
    said = sessions[2].expect_closed()
    assert b"* BYE" in said, f"IMAP says BYE before it goes: {said!r}"
    for session in sessions:
        session.close()
    postern.start()
    assert wire.read_all_pop3(postern, account, PASSWORD) == {}


@pytest.mark.parametrize("number", (2, 15))
def test_idle_processes_stop_at_once(number, running_postern):
    """SIGINT (Ctrl-C) and SIGTERM alike."""
    postern, _ = running_postern()
    for name in ("imap", "pop3", "gateway"):
        begin = time.monotonic()
        postern[name].signal(number)
        assert postern[name].popen.wait(timeout=scaled(20)) == 0
        assert time.monotonic() - begin < scaled(4), f"{name} has nothing to drain"


def test_load_during_sigterm_loses_nothing(running_postern):
    """Senders run into the stop; what got 250 is there, exactly once."""
    from harness.load import Ledger, Sender
    postern, accounts = running_postern(users=2)
    ledger = Ledger()
    for round_number in range(3):
        senders = [Sender(postern, ledger, f"drain-{number}", accounts, round_number,
                          (1000, 30000, 400000), tls=number == 1, pipelined=number != 2)
                   for number in range(4)]
        before = len(ledger.promised)
        for sender in senders:
            sender.start()
        wait_until(lambda: len(ledger.promised) > before + 20, 60, "mail is being accepted")
        # A session in the middle of a transaction may be told 421: the sender takes it for the end.
        assert postern["gateway"].stop() == 0
        for sender in senders:
            sender.stop()
            sender.join(timeout=scaled(60))
            assert not sender.is_alive()
            text = repr(sender.failure)
            assert sender.failure is None or "421" in text, text
        postern.start("gateway")

    def mailbox_ids(account):
        try:
            return [messages.unseal(strip_trace(octets)) for octets in
                    wire.read_all_pop3(postern, account, PASSWORD).values()]
        except (OSError, wire.Closed):
            return None

    for account in accounts:
        identities = wait_until(lambda: mailbox_ids(account), 20, "the mailbox can be read")
        ledger.check(account, identities)


# -- addresses -----------------------------------------------------------------------------------


@pytest.mark.skipif(not ports.has_ipv6_loopback(), reason="this machine has no ::1")
def test_ipv6(running_postern):
    postern, (account,) = running_postern(ipv6=True)
    mail = messages.plain(1, SENDER, [account])
    with wire.open_smtp(postern, address="::1") as session:
        assert session.send_mail(SENDER, [account], mail).code == 250
    wire.deliver(postern, [account], mail)
    with wire.Pop3(postern.ports.pop3_plain, address="::1") as session:
        assert session.login(account, PASSWORD).startswith(b"+OK")
        assert strip_trace(session.retrieve(1)) == mail
        # RFC 5321 section 4.1.3: address literals of IPv6 carry a tag.
        head = session.retrieve(1).replace(b"\r\n", b" ")[:600]
        assert b"[IPv6:::1]" in head, head
    with wire.Imap(postern.ports.imap_plain, address="::1") as session:
        assert session.login(account, PASSWORD).status == "OK"
        assert session.select() == 2


def test_port_taken_is_said_clearly(own_postern):
    postern = own_postern()
    with socket.socket() as blocker:
        blocker.bind(("127.0.0.1", postern.ports.relay))
        blocker.listen(1)
        process = postern.spawn("gateway")
        assert process.popen.wait(timeout=scaled(20)) not in (0, -6, -11)
        log = process.log()
        assert str(postern.ports.relay) in log and re.search("in use|taken", log), log


# -- io_uring ------------------------------------------------------------------------------------

_SECCOMP_SET_MODE_FILTER = 1
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_SYSCALL_IO_URING_SETUP = 425  # the same on every architecture
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_EPERM = 1


class _Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte),
                ("k", ctypes.c_uint)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Instruction))]


def forbid_io_uring():
    """In the child: io_uring_setup() answers EPERM, as container runtimes' seccomp profiles have it."""
    child_setup()
    instructions = (_Instruction * 4)(
        _Instruction(0x20, 0, 0, 0),  # load the system call's number
        _Instruction(0x15, 0, 1, _SYSCALL_IO_URING_SETUP),
        _Instruction(0x06, 0, 0, _ERRNO | _EPERM), _Instruction(0x06, 0, 0, _ALLOW))
    libc = ctypes.CDLL(None, use_errno=True)
    program_ = _Program(len(instructions), instructions)
    if (libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            or libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program_), 0, 0) != 0):
        os._exit(99)


@pytest.mark.parametrize("name", ("gateway", "pop3", "imap"))
def test_forbidden_io_uring_is_said_clearly(name, own_postern):
    postern = own_postern()
    if name != "gateway":
        postern.start("gateway")
    process = postern.spawn(name, preexec=forbid_io_uring)
    status = process.popen.wait(timeout=scaled(20))
    assert status not in (0, 99) and status > 0, f"status {status}: {process.log()}"
    log = process.log()
    assert "io_uring" in log, log
    # The remedy is named: what forbids it is a container's seccomp profile or the sysctl.
    assert "seccomp" in log or "io_uring_disabled" in log, log


# -- configuration -------------------------------------------------------------------------------


def run_cli(*arguments):
    return subprocess.run([program("cli"), *arguments], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=scaled(30))


def test_config_check_accepts_the_configuration_and_show_prints_it(own_postern):
    postern = own_postern()
    postern.cli("config", "check")
    shown = postern.cli("config", "show").stdout
    assert str(postern.ports.relay) in shown and "mail.postern.test" in shown
    # What show prints is a configuration.
    copy = os.path.join(postern.folder, "shown.toml")
    with open(copy, "w", encoding="utf-8") as file:
        file.write(shown)
    done = run_cli("--config", copy, "config", "check")
    assert done.returncode == 0, done.stderr


def test_empty_configuration_works(tmp_path):
    path = tmp_path / "empty.toml"
    path.write_text("")
    done = run_cli("--config", str(path), "config", "check")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text, line, word", [
    ("hostname = \n", 1, ""),
    ("hostname = 'a'\n\nno_such_key = 1\n", 3, "no_such_key"),
    ("[runtime]\ncores = 'many'\n", 2, "cores"),
    ("[log]\nlevel = 'loud'\n", 2, "level"),
    ("[runtime]\nreceive_buffers = 1000\n", 2, "receive_buffers"),
    ("[[gateway.listener]]\naddresses = ['127.0.0.1:99999']\n", 2, "99999"),
    ("[[gateway.listener]]\naddresses = ['127.0.0.1:2525']\ntls = 'sometimes'\n", 3, "tls"),
    ("[pop3]\ncommand_octets_max = 10\n", 2, "command_octets_max"),
])
def test_configuration_errors_name_file_and_line(text, line, word, tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    done = run_cli("--config", str(path), "config", "check")
    said = done.stdout + done.stderr
    assert done.returncode not in (0, -6, -11), said
    assert "bad.toml" in said and f":{line}" in said.replace("line ", ":") and word in said, said
    # The gateway says the same and does not start.
    read_fd, write_fd = os.pipe()
    try:
        started = subprocess.run([program("gateway"), "--config", str(path), "--ready-fd",
                                  str(write_fd)], capture_output=True, text=True, pass_fds=(write_fd,),
                                 stdin=subprocess.DEVNULL, timeout=scaled(20))
    finally:
        os.close(read_fd)
        os.close(write_fd)
    assert started.returncode > 0 and "bad.toml" in started.stderr, started.stderr


def test_missing_configuration_and_certificate(tmp_path, own_postern):
    done = run_cli("--config", str(tmp_path / "absent.toml"), "config", "check")
    assert done.returncode > 0 and "absent.toml" in done.stdout + done.stderr
    postern = own_postern(settings={"tls": {"certificate": "/nonexistent/leaf.pem",
                                            "key": "/nonexistent/leaf.key"}})
    process = postern.spawn("gateway")
    assert process.popen.wait(timeout=scaled(20)) > 0
    assert "/nonexistent/leaf.pem" in process.log()


def test_second_gateway_on_the_same_state_does_not_start(running_postern, own_postern):
    """RocksDB has one primary; the second process says so and harms nothing."""
    postern, (account,) = running_postern()
    other = own_postern(settings={"state": postern.state})
    process = other.spawn("gateway")
    assert process.popen.wait(timeout=scaled(20)) > 0
    assert postern.state in process.log() or "lock" in process.log().lower(), process.log()
    wire.deliver(postern, [account], messages.plain(1, SENDER, [account]))
    assert len(wire.read_all_pop3(postern, account, PASSWORD)) == 1


def test_clear_text_only_without_certificate(own_postern):
    """Without [tls] nothing offers STARTTLS, and implicit-TLS listeners stay closed (with a warning)."""
    postern = own_postern(settings={"tls": None}).start()
    with wire.Smtp(postern.ports.relay) as session:
        assert "STARTTLS" not in session.ehlo()
        assert session.command("STARTTLS").code in (454, 500, 502, 503)
    with wire.Imap(postern.ports.imap) as session:
        assert b"STARTTLS" not in b" ".join(session.ok("CAPABILITY").untagged)
    for port in (postern.ports.submissions, postern.ports.pop3s, postern.ports.imaps):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
    wait_until(lambda: "warn" in postern.log_text("gateway").lower(), 10, "a warning in the log")


def test_many_files_are_not_needed_from_the_shell(running_postern):
    """Started with the usual soft limit of 1024 files, the gateway raises it to the hard one itself."""
    postern, _ = running_postern()
    with open(f"/proc/{postern['gateway'].pid}/limits", encoding="ascii") as file:
        (line,) = [line for line in file if line.startswith("Max open files")]
    soft, hard = line.split()[3:5]
    if int(resource.getrlimit(resource.RLIMIT_NOFILE)[1]) > 1024:
        assert soft == hard, line


# -- command line --------------------------------------------------------------------------------


def test_user_and_domain_administration(running_postern):
    postern, (account,) = running_postern()
    postern.add_domain("second.example")
    listing = json.loads(postern.cli("domain", "list", "--json").stdout)
    assert {"second.example", DOMAIN} <= set(str(listing).replace("'", " ").split()), listing
    user = postern.add_user("somebody", domain="second.example")
    assert user in postern.cli("user", "list").stdout
    assert user in str(json.loads(postern.cli("user", "list", "--json").stdout))
    wire.deliver(postern, [user], messages.plain(1, SENDER, [user]))
    assert len(wire.read_all_imap(postern, user, PASSWORD)) == 1
    again = postern.cli("user", "add", user, "--password-file",
                        os.path.join(postern.folder, "password-1"), check=False)
    assert again.returncode > 0 and user in again.stderr, again
    unknown = postern.cli("user", "add", "x@not-ours.example", "--password-file",
                          os.path.join(postern.folder, "password-1"), check=False)
    assert unknown.returncode > 0 and "not-ours.example" in unknown.stderr, unknown
    postern.cli("user", "delete", user)
    assert user not in postern.cli("user", "list").stdout
    with wire.open_smtp(postern) as session:
        session.must(250, f"MAIL FROM:<{SENDER}>")
        assert session.command(f"RCPT TO:<{user}>").code == 550
    with wire.Imap(postern.ports.imap_plain) as session:
        assert session.login(user, PASSWORD).status == "NO"
    # A new account of an old name does not inherit mail.
    postern.add_user("somebody", domain="second.example")
    assert wire.read_all_imap(postern, user, PASSWORD) == {}
    assert postern.cli("user", "delete", "nobody@second.example", check=False).returncode > 0


def test_accounts_survive_a_kill(running_postern):
    postern, _ = running_postern()
    user = postern.add_user("durable")
    postern["gateway"].kill()
    postern.start("gateway")
    assert user in postern.cli("user", "list").stdout
    wire.deliver(postern, [user], messages.plain(1, SENDER, [user]))


def test_command_line_without_gateway_says_so(own_postern):
    postern = own_postern()
    done = postern.cli("user", "list", check=False)
    assert done.returncode > 0 and "gateway" in done.stderr.lower(), done


def test_help_and_usage_errors():
    for name in ("gateway", "pop3", "imap", "cli"):
        done = subprocess.run([program(name), "--help"], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=scaled(20))
        assert done.returncode == 0 and "--config" in done.stdout, (name, done)
        done = subprocess.run([program(name), "--no-such-option"], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=scaled(20))
        assert done.returncode > 0 and "--no-such-option" in done.stderr, (name, done)
    for command in ("up", "user", "domain", "queue", "config"):
        done = run_cli(command, "--help")
        assert done.returncode == 0 and len(done.stdout.splitlines()) > 3, (command, done)


def test_passwords_are_in_no_log_and_not_in_the_store(running_postern):
    postern, _ = running_postern()
    secret = "a-password-that-stands-out-4711"
    user = postern.add_user("secretive", password=secret)
    with wire.open_smtp(postern, "submissions") as session:
        assert session.auth_plain(user, secret).code == 235
    with wire.open_smtp(postern, "submissions") as session:
        assert session.auth_plain(user, secret + "-wrong").code == 535
    wire.open_pop3(postern, user, secret).close()
    wire.open_imap(postern, user, secret).close()
    postern.stop()
    needles = (secret.encode(), wire.plain_response(user, secret))
    for folder, _, names in os.walk(postern.folder):
        for name in names:
            if name.startswith("password-"):
                continue  # written by the test itself
            with open(os.path.join(folder, name), "rb") as file:
                octets = file.read()
            assert not any(needle in octets for needle in needles), os.path.join(folder, name)


def test_mail_on_disk_is_private(running_postern):
    """In a state folder that everyone may enter, nobody else can read the mail or talk to the store service."""
    postern, (account,) = running_postern()
    wire.deliver(postern, [account], messages.plain(1, SENDER, [account]))
    store = os.path.join(postern.state, "store")
    assert os.stat(store).st_mode & 0o077 == 0, oct(os.stat(store).st_mode)
    service = os.path.join(postern.state, "postern.sock")
    assert os.stat(service).st_mode & 0o007 == 0, oct(os.stat(service).st_mode)


def test_missing_state_folder_is_made_and_private(own_postern):
    postern = own_postern()
    os.rmdir(postern.state)
    postern.start("gateway")
    assert os.stat(postern.state).st_mode & 0o077 == 0, oct(os.stat(postern.state).st_mode)
