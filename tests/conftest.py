"""Fixtures of the end-to-end suites.

postern        one set of processes per test worker, shared: use accounts of your own (`account`) and leave it running
account        a fresh account on it
own_postern    a factory for sets of processes of a test's own, to kill, stop and configure
authority      certificates
"""

import itertools
import os
import shutil
import tempfile

import pytest

from harness import messages
from harness.certificates import Authority
from harness.server import PASSWORD, Postern

# Room for a base64 attachment of 30 MiB; the default limit (36 MiB) has tests of its own.
SHARED_MESSAGE_OCTETS_MAX = 48 * messages.MIB


class Account:
    """name: address and login name. password: its password."""

    def __init__(self, name, password):
        self.name = name
        self.password = password


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Puts the logs of every Postern that a failed test used into its report."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for server, since in getattr(item, "postern_logs", ()):
            text = server.log_report(since)
            if text:
                report.sections.append((f"logs in {server.folder}", text))


def _watch_logs(request, server):
    if not hasattr(request.node, "postern_logs"):
        request.node.postern_logs = []
    request.node.postern_logs.append((server, server.log_sizes()))


@pytest.fixture(scope="session")
def work_folder():
    """A folder of this worker's own; short, because Unix sockets live in it (108 octets at most)."""
    folder = tempfile.mkdtemp(prefix="postern-test-")
    yield folder
    if not os.environ.get("POSTERN_KEEP"):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def authority(work_folder):
    return Authority(os.path.join(work_folder, "certificates"))


@pytest.fixture(scope="session")
def shared_postern(work_folder, authority):
    folder = os.path.join(work_folder, "shared")
    os.makedirs(folder)
    server = Postern(folder, authority,
                     smtp_limits={"message_octets_max": SHARED_MESSAGE_OCTETS_MAX})
    try:
        server.start()
        server.add_domain()
        yield server
        server.stop()
    finally:
        server.close()


@pytest.fixture
def postern(shared_postern, request):
    _watch_logs(request, shared_postern)
    identities = {name: shared_postern[name].pid for name in shared_postern.processes}
    yield shared_postern
    for name, pid in identities.items():
        assert shared_postern[name].running() and shared_postern[name].pid == pid, (
            f"{name} did not survive the test:\n" + shared_postern.log_text(name)[-4000:])


@pytest.fixture
def new_account(postern):
    """A factory of fresh accounts on the shared processes."""
    def make():
        return Account(postern.add_user(), PASSWORD)
    return make


@pytest.fixture
def account(new_account):
    return new_account()


@pytest.fixture
def own_postern(work_folder, authority, request):
    """A factory of Postern objects (not started) that are closed, and their folders removed, after the test."""
    made = []
    numbers = itertools.count()

    def make(**options):
        folder = tempfile.mkdtemp(prefix=f"own{next(numbers)}-", dir=work_folder)
        server = Postern(folder, authority, **options)
        made.append(server)
        _watch_logs(request, server)
        return server

    yield make
    failures = []
    for server in made:
        try:
            server.close()
        except AssertionError as failure:
            failures.append(str(failure))
        if not os.environ.get("POSTERN_KEEP"):
            shutil.rmtree(server.folder, ignore_errors=True)
    assert not failures, "\n".join(failures)


@pytest.fixture
def running_postern(own_postern):
    """A factory: a started Postern with the domain and `users` accounts; returns it and the account names."""
    def make(users=1, **options):
        server = own_postern(**options).start()
        server.add_domain()
        return server, [server.add_user() for _ in range(users)]
    return make
