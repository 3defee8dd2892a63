"""Postern's processes as a test drives them: `Postern` is a folder, a configuration and up to three processes.

POSTERN_BUILD names the build folder. Every process dies with the test process that started it.
"""

import ctypes
import json
import os
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import time

from . import ports
from .waiting import scaled, wait_until

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DOMAIN = "postern.test"
HOSTNAME = "mail.postern.test"
PASSWORD = "correct horse battery staple 42"

# Where each program is inside a build folder.
PROGRAMS = {
    "gateway": ("postern-gateway", ("gateway",)),
    "pop3": ("postern-pop3", ("sidecars/pop3", "sidecars")),
    "imap": ("postern-imap", ("sidecars/imap", "sidecars")),
    "cli": ("postern", ("deploy/cli", "deploy")),
}
PROCESSES = ("gateway", "pop3", "imap")

READY_S = 20
STOP_S = 20

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_SANITIZER_REPORT = re.compile(
    r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|ERROR: libFuzzer")


def build_folder():
    folder = os.environ.get("POSTERN_BUILD") or os.path.join(REPOSITORY, "build", "test")
    return os.path.abspath(folder)


def program(name):
    """The path of a program by its short name (PROGRAMS)."""
    file_name, folders = PROGRAMS[name]
    candidates = [os.path.join(build_folder(), folder, file_name) for folder in folders + ("",)]
    for candidate in candidates:
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    raise FileNotFoundError(f"{file_name} is not built: none of {', '.join(candidates)} "
                            "(set POSTERN_BUILD to the build folder)")


# Tests hold many sockets; the processes under test start with the limit that a user's shell gives them.
_FILES_SOFT, _FILES_HARD = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES_HARD, _FILES_HARD))


def child_setup():
    """Runs in the child before its program: dies with the test process, has the default limits."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, _FILES_SOFT), _FILES_HARD))


class StartError(AssertionError):
    """A process ended, or said nothing, instead of becoming ready."""


class Process:
    """One started program. Its stderr is appended to `log_path`."""

    def __init__(self, name, command, log_path, environment=None, preexec=child_setup):
        self.name = name
        self.log_path = log_path
        read_fd, write_fd = os.pipe()
        with open(log_path, "ab") as log:
            self.popen = subprocess.Popen(
                command + ["--ready-fd", str(write_fd)], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, pass_fds=(write_fd,), env=environment, preexec_fn=preexec)
        os.close(write_fd)
        self._ready_fd = read_fd

    @property
    def pid(self):
        return self.popen.pid

    def log(self, from_octet=0):
        with open(self.log_path, "rb") as file:
            file.seek(from_octet)
            return file.read().decode(errors="replace")

    def wait_ready(self, time_s=READY_S):
        """Returns once the process wrote its line; StartError with the log when it does not."""
        deadline = time.monotonic() + scaled(time_s)
        line = b""
        try:
            while not line.endswith(b"\n"):
                left_s = deadline - time.monotonic()
                readable = left_s > 0 and select.select([self._ready_fd], [], [], left_s)[0]
                octets = os.read(self._ready_fd, 4096) if readable else b""
                if not octets:
                    time.sleep(0.1)  # let a dying process finish its last words
                    state = self.popen.poll()
                    raise StartError(
                        f"{self.name} is not ready "
                        f"({'still running' if state is None else f'exit status {state}'}):\n"
                        + self.log()[-4000:])
                line += octets
        finally:
            os.close(self._ready_fd)
            self._ready_fd = -1
        return line.decode(errors="replace").strip()

    def running(self):
        return self.popen.poll() is None

    def signal(self, number):
        self.popen.send_signal(number)

    def kill(self):
        """kill -9, and wait until it is gone."""
        self.popen.kill()
        self.popen.wait(timeout=scaled(STOP_S))

    def stop(self, time_s=STOP_S):
        """SIGTERM; returns the exit status. A process that does not end is killed and reported."""
        if self.popen.poll() is None:
            self.popen.terminate()
        try:
            return self.popen.wait(timeout=scaled(time_s))
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {scaled(time_s):g} s of SIGTERM; "
                                 f"its log:\n{self.log()[-4000:]}") from None

    def resident_octets(self):
        """Memory in use now (VmRSS)."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        raise AssertionError(f"{self.name} has no VmRSS: it ended")

    def close(self):
        if self._ready_fd >= 0:
            os.close(self._ready_fd)
            self._ready_fd = -1
        if self.popen.poll() is None:
            self.kill()


def toml_value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, str):
        return json.dumps(value)
    return str(value)


def toml(settings):
    """A configuration file from {section: {key: value} or [{...}, ...] or value}."""
    plain_lines, tables = [], []
    for name, value in settings.items():
        if isinstance(value, dict):
            tables.append(f"[{name}]\n" + "".join(f"{k} = {toml_value(v)}\n"
                                                  for k, v in value.items()))
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for row in value:
                tables.append(f"[[{name}]]\n" + "".join(f"{k} = {toml_value(v)}\n"
                                                        for k, v in row.items()))
        else:
            plain_lines.append(f"{name} = {toml_value(value)}\n")
    return "".join(plain_lines) + "\n" + "\n".join(tables)


# Limits that remember a client after its connection, and delays: off, since all clients of a test
# are one source. Tests of these limits set them.
SMTP_POLICIES_OFF = {"source_message_rate": "0", "identity_message_rate": "0", "tarpit_delay": 0}


class Ports:
    """One port per kind of listener; the names are the attributes."""

    NAMES = ("relay", "submission", "submissions", "submission_plain",
             "pop3", "pop3s", "pop3_plain", "imap", "imaps", "imap_plain")

    def __init__(self):
        for name in self.NAMES:
            setattr(self, name, ports.free_port())


class Postern:
    """A state folder with its configuration, and the processes that run on it.

    settings: {"section": {"key": value}} laid over the defaults below; None removes a section. smtp_limits: keys for every SMTP listener.
    mailbox_limits: the same for POP3 and IMAP. ipv6: listen on [::1] too.
    """

    def __init__(self, folder, authority, settings=None, smtp_limits=None, ipv6=False,
                 mailbox_limits=None):
        self.folder = str(folder)
        self.authority = authority
        self.ports = Ports()
        self.state = os.path.join(self.folder, "state")
        self.config = os.path.join(self.folder, "postern.toml")
        self.processes = {}
        self.user_count = 0
        os.makedirs(self.state, mode=0o755, exist_ok=True)
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(toml(self._settings(settings or {}, smtp_limits or {}, ipv6,
                                           mailbox_limits or {})))

    def _settings(self, overrides, smtp_limits, ipv6, mailbox_limits):
        def listener(name, tls, **more):
            port = getattr(self.ports, name)
            addresses = [f"127.0.0.1:{port}"] + ([f"[::1]:{port}"] if ipv6 else [])
            # All clients of a test are one source; tests of these limits set them. None: the default.
            keys = {"name": name, "addresses": addresses, "tls": tls,
                    **(SMTP_POLICIES_OFF if "role" in more else {}),
                    "connections_per_source_max": 0, "connections_per_source_percent": 0, **more}
            return {key: value for key, value in keys.items() if value is not None}

        result = {
            "hostname": HOSTNAME,
            "state": self.state,
            "tls": {"certificate": self.authority.certificate, "key": self.authority.key},
            "runtime": {"drain_timeout": 5},
            # The default refuses mail on a nearly full disk; a test machine's disk says nothing about Postern.
            "store": {"disk_free_min_octets": 64 << 20},
            # Nor does the machine's load, or what another test's client guessed.
            "gateway": {"login_delay_max": 0},
            "gateway.listener": [
                listener("relay", "starttls", role="relay", **smtp_limits),
                listener("submission", "starttls", role="submission", **smtp_limits),
                listener("submissions", "implicit", role="submission", **smtp_limits),
                listener("submission_plain", "none", role="submission",
                         **{"auth_plaintext": True, **smtp_limits}),
            ],
            "pop3.listener": [
                listener("pop3", "starttls", **mailbox_limits),
                listener("pop3s", "implicit", **mailbox_limits),
                listener("pop3_plain", "none", login_plaintext=True, **mailbox_limits),
            ],
            "imap.listener": [
                listener("imap", "starttls", **mailbox_limits),
                listener("imaps", "implicit", **mailbox_limits),
                listener("imap_plain", "none", login_plaintext=True, **mailbox_limits),
            ],
        }
        for section, keys in overrides.items():
            if keys is None:
                del result[section]
            elif isinstance(keys, dict):
                result[section] = {**result.get(section, {}), **keys}
            else:
                result[section] = keys
        # [pop3] and [imap] tables come before their listeners in the file.
        return dict(sorted(result.items(), key=lambda item: isinstance(item[1], list)
                           and bool(item[1]) and isinstance(item[1][0], dict)))

    # -- processes -----------------------------------------------------------------------------

    def log_path(self, name):
        return os.path.join(self.folder, f"{name}.log")

    def spawn(self, name, **options):
        """Starts a process without waiting for it."""
        old = self.processes.get(name)
        assert old is None or not old.running(), f"{name} runs already"
        if old is not None:
            old.close()
        process = Process(name, [program(name), "--config", self.config], self.log_path(name),
                          **options)
        self.processes[name] = process
        return process

    def start(self, *names):
        """Starts the named processes (all three when none is named) and waits until they are ready."""
        for name in names or PROCESSES:
            self.spawn(name).wait_ready()
        return self

    def __getitem__(self, name):
        return self.processes[name]

    def stop(self, *names):
        """SIGTERM to the named processes (default: all, sidecars first); each must end with status 0."""
        for name in names or reversed(PROCESSES):
            process = self.processes.get(name)
            if process is not None and process.running():
                status = process.stop()
                assert status == 0, (f"{name} ended with status {status} after SIGTERM; its log:\n"
                                     + process.log()[-4000:])

    def close(self):
        """Kills what still runs. Fails when a log holds a sanitizer's report or a failed assertion."""
        for process in self.processes.values():
            process.close()
        self.check_logs()

    def check_logs(self):
        for name in PROCESSES:
            text = self.log_text(name)
            report = _SANITIZER_REPORT.search(text) or re.search(r"assertion failed", text, re.I)
            assert report is None, f"{name} reported:\n" + text[report.start():][:6000]

    def log_text(self, name, from_octet=0):
        path = self.log_path(name)
        if not os.path.exists(path):
            return ""
        with open(path, "rb") as file:
            file.seek(from_octet)
            return file.read().decode(errors="replace")

    def log_sizes(self):
        return {name: os.path.getsize(self.log_path(name)) if os.path.exists(self.log_path(name))
                else 0 for name in PROCESSES}

    def log_report(self, since=None, tail_octets=6000):
        """The ends of all logs, for a failure's report."""
        parts = []
        for name in PROCESSES:
            text = self.log_text(name, (since or {}).get(name, 0))
            if text:
                parts.append(f"--- {name} ---\n{text[-tail_octets:]}")
        return "\n".join(parts)

    # -- administration ------------------------------------------------------------------------

    def cli(self, *arguments, check=True, time_s=30):
        """Runs `postern --config ... arguments`; returns the finished process (text mode)."""
        done = subprocess.run([program("cli"), "--config", self.config, *arguments],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              timeout=scaled(time_s))
        if check:
            assert done.returncode == 0, (f"postern {' '.join(arguments)}: status "
                                          f"{done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def add_domain(self, name=DOMAIN):
        self.cli("domain", "add", name)

    def add_user(self, local_part=None, password=PASSWORD, domain=DOMAIN):
        """Makes an account; returns its address, which is also its login name."""
        self.user_count += 1
        address = f"{local_part or f'user{self.user_count}'}@{domain}"
        secret = os.path.join(self.folder, f"password-{self.user_count}")
        with open(os.open(secret, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            file.write(password + "\n")
        self.cli("user", "add", address, "--password-file", secret)
        return address

    def queue(self):
        """The rows of `postern queue list --json`."""
        listing = json.loads(self.cli("queue", "list", "--json").stdout)
        assert listing["total"] == len(listing["entries"]), listing
        return listing["entries"]


def wait_listening(port, address="127.0.0.1", time_s=READY_S):
    """Waits until something accepts connections on the port."""

    def connects():
        try:
            socket.create_connection((address, port), timeout=1).close()
            return True
        except OSError:
            return False

    wait_until(connects, time_s, f"port {port} accepts connections", interval_s=0.1)


def command_path(name):
    """A client program that the suites need; a missing one is an error, never a skip."""
    path = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin")
    assert path is not None, f"{name} is not installed: tests/run installs it"
    return path
