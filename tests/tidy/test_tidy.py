"""Checks of the repository itself. They need nothing built; each says what to do about what it finds."""

import os
import re
import subprocess

import pytest

from harness.server import REPOSITORY, command_path

pytestmark = pytest.mark.tool

ROOMS = ("runtime", "store", "gateway", "sidecars")
LINE_COLUMNS_MAX = 100
FILE_LINES_MAX = 400
TEST_FILE_LINES_MAX = 450  # a list of cases reads on where a mechanism would not

# Who may include whom (ARCHITECTURE.md).
MAY_INCLUDE = {
    "runtime": {"runtime"},
    "store": {"runtime", "store"},
    "gateway": {"runtime", "store", "gateway"},
    "sidecars": {"runtime", "store", "sidecars"},
    "deploy": {"runtime", "store", "deploy"},
}

# Folders of protocol state machines, parsers and codecs: octets in, actions out.
# Each is a folder, or the beginning of file names.
SANS_IO_PLACES = ("gateway/smtp/", "gateway/policy/", "sidecars/pop3/", "sidecars/imap/", "store/sasl/", "store/mime_",
                  "store/message_structure", "store/rpc/protocol", "store/rpc/service_session",
                  "store/rpc/client_core", "sidecars/common/mail_requests", "sidecars/common/mail_session",
                  "runtime/session")
# Files in those folders that are the driver, not the session: named here one by one, with the reason.
SANS_IO_EXCEPT = (
    "sidecars/pop3/main.cpp",  # the process: logs what sessions tell
    "sidecars/imap/main.cpp",  # likewise
)
SANS_IO_FORBIDDEN = re.compile(
    r'#\s*include\s*[<"](liburing\.h|liburing/|sys/socket\.h|netinet/|arpa/|netdb\.h|sys/epoll\.h|poll\.h|'
    r'unistd\.h|fcntl\.h|openssl/|rocksdb/|thread>|mutex>|condition_variable>|runtime/log|runtime/ring)')
SANS_IO_CLOCKS = re.compile(r"\b(steady_clock|system_clock|high_resolution_clock)::now\b|"
                            r"\bclock_gettime\s*\(|\bgettimeofday\s*\(")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def tracked_files():
    """Committed files and those that are about to be."""
    done = subprocess.run(["git", "-C", REPOSITORY, "ls-files", "-z", "--cached", "--others",
                           "--exclude-standard"], capture_output=True, check=True)
    names = done.stdout.decode().split("\0")
    return sorted({name for name in names if name
                   and os.path.isfile(os.path.join(REPOSITORY, name))})


def read(name):
    with open(os.path.join(REPOSITORY, name), encoding="utf-8") as file:
        return file.read()


def cpp_files(*folders):
    return [name for name in tracked_files() if name.endswith((".cpp", ".hpp", ".h", ".cc"))
            and (not folders or name.startswith(tuple(folder + "/" for folder in folders)))]


def fail_with(findings, advice):
    assert not findings, f"{advice}:\n  " + "\n  ".join(findings)


def test_there_is_something_to_check():
    """Guards the checks below against an empty list of files."""
    for room in ROOMS:
        assert len(cpp_files(room)) > 3, room


@pytest.mark.parametrize("room", MAY_INCLUDE)
def test_includes_between_rooms(room):
    known = set(MAY_INCLUDE) | {"tests", "bench"}
    findings = []
    for name in cpp_files(room):
        for quote, target in INCLUDE.findall(read(name)):
            head = target.split("/")[0]
            if "/" in target and head in known and head not in MAY_INCLUDE[room]:
                findings.append(f"{name} includes {target}")
            if quote == '"' and ("/" not in target or target.startswith("../")):
                findings.append(f"{name} includes {target}: include paths start at the project's root")
    fail_with(findings, f"{room}/ may include {sorted(MAY_INCLUDE[room])} only")


def test_sidecars_do_not_include_each_other():
    findings = [f"{name} includes {target}" for one, other in (("pop3", "imap"), ("imap", "pop3"))
                for name in cpp_files(f"sidecars/{one}")
                for _, target in INCLUDE.findall(read(name))
                if target.startswith(f"sidecars/{other}/")]
    fail_with(findings, "what both sidecars need belongs into sidecars/common/")


def test_liburing_stays_in_its_room():
    findings = [name for name in cpp_files()
                if re.search(r"#\s*include\s*[<\"](liburing|linux/io_uring)", read(name))
                and not name.startswith(("runtime/", "bench/", "tests/"))]
    fail_with(findings, "io_uring is runtime/'s business")


@pytest.mark.parametrize("place", SANS_IO_PLACES)
def test_sessions_and_parsers_do_no_io(place):
    findings = []
    names = [name for name in cpp_files() if name.startswith(place)]
    assert names, f"nothing is called {place} any more"
    for name in names:
        if name in SANS_IO_EXCEPT:
            continue
        text = read(name)
        findings += [f"{name} includes {match[1]}" for match in SANS_IO_FORBIDDEN.finditer(text)]
        findings += [f"{name} asks a clock: {match[0]}" for match in SANS_IO_CLOCKS.finditer(text)]
    fail_with(findings, "octets in, actions out: the driver does the IO and passes the time in")


def test_line_and_file_lengths():
    findings = []
    for name in cpp_files():
        lines = read(name).splitlines()
        if len(lines) > (TEST_FILE_LINES_MAX if name.startswith("tests/") else FILE_LINES_MAX):
            findings.append(f"{name}: {len(lines)} lines")
        findings += [f"{name}:{number}: {len(line)} columns" for number, line in enumerate(lines, 1)
                     if len(line) > LINE_COLUMNS_MAX]
    fail_with(findings, f"at most {FILE_LINES_MAX} lines a file, {LINE_COLUMNS_MAX} columns a line")


def test_headers_say_what_lives_there():
    findings = []
    for name in cpp_files():
        if name.endswith((".hpp", ".h")):
            text = read(name)
            if not text.lstrip().startswith("//"):
                findings.append(f"{name}: no comment at its top")
            if "#pragma once" not in text:
                findings.append(f"{name}: no #pragma once")
    fail_with(findings, "a header's top comment says what lives there")


def test_no_machine_paths():
    """A path, host or account of somebody's machine in a committed file breaks on the next one."""
    patterns = re.compile(
        r"(?<![\w./-])/(work|home/\w+|root|Users/\w+|mnt/\w+|opt/wheels)(?=[/\s'\"`)]|$)"
        r"|(?<![\w./$-])/tmp/[A-Za-z0-9]"
        r"|https?://(localhost|127\.0\.0\.1|10\.\d+\.\d+\.\d+|192\.168\.\d+\.\d+)[:/]"
        r"|\"resolved\": \"http", re.M)
    findings = []
    for name in tracked_files():
        if name == os.path.relpath(__file__, REPOSITORY):
            continue
        try:
            text = read(name)
        except UnicodeDecodeError:
            continue
        for match in patterns.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            findings.append(f"{name}:{line}: {text.splitlines()[line - 1].strip()[:100]}")
    fail_with(findings, "machine paths")


def test_no_unfinished_business():
    findings = []
    for name in tracked_files():
        if not name.startswith(ROOMS + ("deploy", "tests", "bench")) or name.startswith("tests/tidy/"):
            continue
        try:
            text = read(name)
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line):
                findings.append(f"{name}:{number}: {line.strip()[:100]}")
    fail_with(findings, "finish it, or open an issue and say there what is missing")


def test_clang_format():
    names = cpp_files()
    done = subprocess.run([command_path("clang-format-19"), "--dry-run", "--Werror", *names],
                          cwd=REPOSITORY, capture_output=True, text=True, timeout=300,
                          stdin=subprocess.DEVNULL)
    files = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", done.stderr, re.M)))
    fail_with(files or ([done.stderr[:2000]] if done.returncode else []),
              "run clang-format-19 -i on")


def test_python_and_shell_files_parse():
    findings = []
    for name in tracked_files():
        path = os.path.join(REPOSITORY, name)
        if name.endswith(".py"):
            try:
                compile(read(name), name, "exec")
            except SyntaxError as error:
                findings.append(str(error))
        else:
            with open(path, "rb") as file:
                first = file.readline(80)
            if re.match(rb"#!.*\b(ba)?sh\b", first):
                done = subprocess.run(["bash", "-n", path], capture_output=True, text=True, timeout=30)
                if done.returncode != 0:
                    findings.append(done.stderr.strip())
    fail_with(findings, "syntax errors")


def test_every_meson_source_is_listed():
    """A .cpp that no meson.build names is compiled and tested by nobody."""
    findings = []
    builds = {os.path.dirname(name): read(name) for name in tracked_files()
              if os.path.basename(name) == "meson.build"}
    for name in cpp_files():
        if not name.endswith((".cpp", ".cc")):
            continue
        folder = os.path.dirname(name)
        listed = False
        while True:
            if folder in builds:
                relative = os.path.relpath(name, folder) if folder else name
                stem = os.path.splitext(relative)[0]
                listed = bool(re.search(rf"'{re.escape(relative)}'|'{re.escape(stem)}'"
                                        rf"|'{re.escape(os.path.basename(stem))}'", builds[folder]))
            if listed or not folder:
                break
            folder = os.path.dirname(folder)
        if not listed:
            findings.append(name)
    fail_with(findings, "named by no meson.build")


def test_shellcheck():
    names = []
    for name in tracked_files():
        with open(os.path.join(REPOSITORY, name), "rb") as file:
            if re.match(rb"#!.*\b(ba)?sh\b", file.readline(80)):
                names.append(name)
    assert "tests/run" in names and "deploy/up" in names
    done = subprocess.run([command_path("shellcheck"), "--severity=warning", "--external-sources", *names],
                          cwd=REPOSITORY, capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout[-6000:]
