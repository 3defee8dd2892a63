"""Options, fixtures and the table of the conformance suite. README.md says how to point it at a server."""

import json
import os
import re
import shutil
import tempfile

import pytest

from conformance.table import Table, ids_of
from conformance.target import DEFAULTS, SMTP_KEYS, ForeignTarget, OwnTarget
from harness.server import Postern

_ADDRESSES = {
    "--target": "HOST:PORT of a server that takes mail for its domains from strangers (port 25's role)",
    "--submission": "HOST:PORT of its submission with STARTTLS",
    "--implicit-tls": "HOST:PORT of its submission with TLS from the first octet",
    "--pop3": "HOST:PORT of its POP3",
    "--pop3s": "HOST:PORT of its POP3 with TLS from the first octet",
}


def pytest_addoption(parser):
    group = parser.getgroup("conformance", "conformance: any server instead of a Postern of our own")
    for name, text in _ADDRESSES.items():
        group.addoption(name, help=text)
    group.addoption("--user", help="login name of a TEST account: its mail is deleted")
    group.addoption("--password", help="its password")
    group.addoption("--recipient", help="its mail address (default: --user)")
    group.addoption("--recipient-pattern", help="accepted addresses, e.g. user%%d@example.org")
    group.addoption("--domain", help="a domain the server takes mail for (default: of --user)")
    group.addoption("--maildir", help="Maildir of the account, if this machine has it")
    group.addoption("--pop3-plaintext", action="store_true", help="POP3 logins without TLS are allowed")
    group.addoption("--tls-ca", help="PEM file of the authority; without it certificates are not checked")
    for limit in DEFAULTS:
        group.addoption("--expect-" + limit.replace("_", "-"), help=f"the server's limit: {limit}")
    group.addoption("--conformance-table", metavar="PATH", help="write the table to PATH.md and PATH.json")


def pytest_configure(config):
    if not hasattr(config, "conformance_table"):
        config.conformance_table = Table()


def pytest_runtest_logreport(report):
    if "conformance/" not in report.nodeid or _table is None:
        return
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        # One line, without what differs between two runs.
        text = (crash.message if crash else str(report.longrepr)).split("\n")[0]
        _table.add(report.nodeid, "failed", re.sub(r"0x[0-9a-f]+|[0-9a-f]{24}", "...", text)[:200])
    elif hasattr(report, "wasxfail"):
        _table.add(report.nodeid, "missing", report.wasxfail)
    elif report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _table.add(report.nodeid, "skipped", reason.removeprefix("Skipped: "))
    elif report.when == "call":
        _table.add(report.nodeid, "passed")


_table = None
_covered = set()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    # Before -k and -m take tests away.
    for item in items:
        _covered.update(ids_of(item.name))


@pytest.fixture(scope="session")
def covered_ids():
    """The statements that the collected tests are about."""
    return _covered


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session):
    global _table
    if not hasattr(session.config, "workerinput"):
        _table = session.config.conformance_table


def pytest_sessionfinish(session):
    path = session.config.getoption("--conformance-table")
    if path and _table is not None:
        _table.write(path)


# -- targets ---------------------------------------------------------------------------------------


def _foreign(config):
    return any(config.getoption(name) for name in _ADDRESSES)


def _start(folder, authority, smtp_limits=None, settings=None, processes=("gateway", "pop3")):
    server = Postern(folder, authority, settings=settings, smtp_limits=smtp_limits)
    try:
        server.start(*processes)
        server.add_domain()
        server.add_user("postmaster")  # RFC 5321 4.5.1: every domain has one
    except BaseException:
        server.close()
        raise
    return server


@pytest.fixture(scope="session")
def _default_target(request, work_folder):
    if _foreign(request.config):
        yield ForeignTarget(request.config.getoption)
        return
    authority = request.getfixturevalue("authority")
    folder = tempfile.mkdtemp(prefix="conformance-", dir=work_folder)
    postern = _start(folder, authority)
    try:
        yield OwnTarget(postern, authority)
        postern.stop()
    finally:
        postern.close()


@pytest.fixture
def server(_default_target, request):
    """The server under test with its settings as they are; every test may use it."""
    if _default_target.own:
        request.node.postern_logs = [(_default_target.postern, _default_target.postern.log_sizes())]
    return _default_target


@pytest.fixture(scope="session")
def _shared_servers():
    """Changed servers that several tests use: {settings: Postern}."""
    servers = {}
    yield servers
    for postern in servers.values():
        postern.close()


@pytest.fixture
def configured(request, work_folder, _shared_servers):
    """A factory: a server with settings of the test's own. smtp: keys of every SMTP listener; settings: sections.
    shared: tests that ask for the same settings get the same server, as long as they all say so."""
    made = []

    def make(smtp=None, settings=None, shared=False, **options):
        if _foreign(request.config):
            pytest.skip(f"needs a changed configuration: {smtp or settings}")
        authority = request.getfixturevalue("authority")
        key = json.dumps([smtp, settings, options], sort_keys=True)
        postern = _shared_servers.get(key) if shared else None
        if postern is None:
            folder = tempfile.mkdtemp(prefix="changed-", dir=work_folder)
            postern = _start(folder, authority, smtp, settings, **options)
            if shared:
                _shared_servers[key] = postern
            else:
                made.append(postern)
        if not hasattr(request.node, "postern_logs"):
            request.node.postern_logs = []
        request.node.postern_logs.append((postern, postern.log_sizes() if shared else {}))
        target = OwnTarget(postern, authority)
        target.changed = {name: smtp[key] for name, key in SMTP_KEYS.items() if key in (smtp or {})}
        return target

    yield make
    for postern in made:
        postern.close()
        if not os.environ.get("POSTERN_KEEP"):
            shutil.rmtree(postern.folder, ignore_errors=True)


@pytest.fixture
def with_limit(server, configured):
    """A factory: (server, value) where `limit` is `value`; None is the default, wherever the server is."""
    def make(limit, value, **more):
        if value is None and not more:
            return server, server.expected(limit)
        smtp = dict(more)
        if value is not None:
            smtp[SMTP_KEYS[limit]] = value
        target = configured(smtp=smtp, shared=True)
        return target, target.expected(limit)
    return make


@pytest.fixture
def account(server):
    return server.account()
