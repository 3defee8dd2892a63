"""What the conformance tests talk to: a Postern that a fixture started, or any server named on the command line.

A Target knows addresses, accounts and limits, and opens sessions. What it was not told makes the test that needs
it skip with the reason; it never guesses.
"""

import glob
import itertools
import os
import re
import secrets
import socket
import ssl
import time

import pytest

from harness import wire
from harness.server import DOMAIN, HOSTNAME, PASSWORD
from harness.waiting import wait_until

# Seconds that a mail may take from 250 to its mailbox. Postern's are there at once; other servers have queues.
DELIVERY_S = 20

# What Postern is specified to have without configuration.
DEFAULTS = {
    "size": 36 << 20, "header": 256 << 10, "recipients": 200, "hops": 30, "local_hops": 8,
    "protocol_errors": 5, "logon_failures": 3, "command": 2048, "pop3_command": 512,
    "pop3_logon_failures": 3,
}

# The keys of a limit in Postern's [[gateway.listener]].
SMTP_KEYS = {
    "size": "message_octets_max", "header": "header_octets_max", "recipients": "recipients_max",
    "hops": "hops_max", "local_hops": "local_hops_max", "protocol_errors": "protocol_errors_max",
    "logon_failures": "logon_failures_max", "command": "command_octets_max",
}

# kind of SMTP session: (what Postern's harness calls its port, the option that names one elsewhere, implicit TLS)
SMTP_KINDS = {
    "relay": ("relay", "--target", False),
    "submission": ("submission", "--submission", False),
    "submissions": ("submissions", "--implicit-tls", True),
}


# Postern sends enhanced status codes after EHLO. Of others, SMTP-23 asks; elsewhere what they send must be right.
enhanced_codes_wanted = True


def expect(reply, code, enhanced):
    """The reply has this code and, where there is one, an enhanced status code that begins so."""
    assert reply.code == code, reply
    if enhanced_codes_wanted or re.match(r"\d\.\d+\.\d+( |$)", reply.text):
        assert reply.text.startswith(enhanced), reply


class Account:
    def __init__(self, name, password):
        self.name = name
        self.password = password


class Target:
    """Common to both kinds. own: a Postern of ours, whose configuration tests may change."""

    sender = "stranger@elsewhere.example"
    postern = None

    def smtp(self, kind="relay", source=None):
        """A fresh SMTP connection with its greeting read."""
        host, port, implicit = self.smtp_address(kind)
        return wire.Smtp(port, address=host, tls=self.context() if implicit else None,
                         source=source)

    def session(self, kind="relay", login=None):
        """An SMTP session past EHLO, and past STARTTLS and AUTH on a submission port. `keywords` holds EHLO's."""
        session = self.smtp(kind)
        assert session.greeting.code == 220, session.greeting
        session.keywords = session.ehlo()
        if kind == "submission":
            session.starttls(self.context())
            session.keywords = session.ehlo()
        if login is not None:
            reply = session.auth_plain(login.name, login.password)
            assert reply.code == 235, reply
        return session

    def extension(self, session, keyword):
        """The parameters of an extension that EHLO offers; elsewhere than at Postern its absence skips."""
        if keyword not in session.keywords:
            assert not self.own, f"{keyword} is not offered: {session.keywords}"
            pytest.skip(f"the server does not offer {keyword}")
        return session.keywords[keyword]

    def pop3(self, kind="pop3"):
        """A fresh POP3 connection, for kind pop3 without TLS."""
        host, port = self.pop3_address(kind)
        return wire.Pop3(port, address=host, tls=self.context() if kind == "pop3s" else None)

    def maildrop(self, account):
        """A POP3 session in TRANSACTION state."""
        session = self.pop3_for_login()
        status = session.login(account.name, account.password)
        assert status.startswith(b"+OK"), status
        return session

    def message(self, recipient, text=b"text\r\n", extra=b""):
        """A small mail with a token that finds it again; returns (token, octets)."""
        token = secrets.token_hex(12)
        return token, (b"Date: Mon, 03 Feb 2025 10:11:12 +0100\r\nFrom: <" + self.sender.encode()
                       + b">\r\nTo: <" + recipient.encode() + b">\r\nSubject: conformance\r\n"
                       + b"Message-ID: <" + token.encode() + b"@conformance.example>\r\n" + extra
                       + b"\r\n" + text)

    def stored(self, account, token, count=1):
        """The mails with this token in the account's mailbox once `count` are there."""
        def look():
            found = [mail for mail in self.mailbox(account) if token.encode() in mail]
            return found if len(found) >= count else None
        if count == 0:
            # Absence is shown by the arrival of a later mail.
            later, mail = self.message(account.name)
            self.deliver(account, mail)
            self.stored(account, later)
            assert look() == [], f"a mail that was not accepted is in the mailbox: {look()}"
            return []
        found = wait_until(look, DELIVERY_S, f"{count} mail(s) in the mailbox")
        assert len(found) == count, f"{len(found)} copies, not {count}"
        return found

    def deliver(self, account, mail):
        """One mail into the account's mailbox, by SMTP."""
        with self.session() as session:
            reply = session.send_mail(self.sender, [account.name], mail)
            assert reply.code == 250, reply
            session.command("QUIT")


class OwnTarget(Target):
    own = True
    domain = DOMAIN
    hostname = HOSTNAME

    def __init__(self, postern, authority):
        self.postern = postern
        self.authority = authority
        self.changed = {}

    def context(self):
        return self.authority.context()

    def smtp_address(self, kind):
        name, _, implicit = SMTP_KINDS.get(kind, (kind, None, False))
        return "127.0.0.1", getattr(self.postern.ports, name), implicit

    def pop3_address(self, kind):
        return "127.0.0.1", getattr(self.postern.ports, kind)

    def pop3_for_login(self):
        return self.pop3("pop3_plain")

    def clear_pop3(self):
        return self.pop3("pop3")

    def account(self):
        """A fresh account with an empty mailbox."""
        return Account(self.postern.add_user(), PASSWORD)

    def recipients(self, count):
        """That many accepted recipients, of one mailbox or more."""
        # The same mailbox under detours that RFC 5321 4.1.2 makes the same: RCPT counts commands.
        return [self.account().name] * count

    def expected(self, limit):
        return self.changed.get(limit, DEFAULTS[limit])

    def mailbox(self, account):
        with self.maildrop(account) as session:
            return [session.retrieve(number, bare_line_feeds=True)
                    for number in sorted(session.unique_ids())]

    def fill(self, account, mails):
        for mail in mails:
            wire.deliver(self.postern, [account.name], mail, sender=self.sender)


class ForeignTarget(Target):
    """Any server; `options` are pytest's. It has one account, so its tests run one after the other."""

    own = False

    def __init__(self, options):
        global enhanced_codes_wanted
        enhanced_codes_wanted = False
        self.options = options
        self.hostname = None
        self.names = itertools.count()
        user = options("--user")
        self.domain = options("--domain") or (user.partition("@")[2] if user else "")

    def _address(self, option):
        value = self.options(option)
        if not value:
            pytest.skip(f"{option} is not given")
        host, _, port = value.rpartition(":")
        host = host.strip("[]") or "127.0.0.1"
        return (host if ":" in host else socket.gethostbyname(host)), int(port)

    def context(self):
        authority = self.options("--tls-ca")
        context = ssl.create_default_context(cafile=authority)
        context.check_hostname = False
        if authority is None:
            context.verify_mode = ssl.CERT_NONE
        return context

    def smtp_address(self, kind):
        if kind not in SMTP_KINDS:
            pytest.skip(f"needs a listener of Postern's test configuration: {kind}")
        _, option, implicit = SMTP_KINDS[kind]
        host, port = self._address(option)
        return host, port, implicit

    def pop3_address(self, kind):
        return self._address("--pop3s" if kind == "pop3s" else "--pop3")

    def pop3_for_login(self):
        if self.options("--pop3-plaintext") or not self.options("--pop3s"):
            session = self.pop3("pop3")
            if not self.options("--pop3-plaintext"):
                session.ok("STLS")
                session.start_tls(self.context())
            return session
        return self.pop3("pop3s")

    def clear_pop3(self):
        """A clear POP3 connection where passwords may not be sent."""
        if self.options("--pop3-plaintext"):
            pytest.skip("this server lets passwords be sent in the clear (--pop3-plaintext)")
        return self.pop3("pop3")

    def account(self):
        """The configured account, emptied where that is possible."""
        name = self.options("--recipient") or self.options("--user")
        if not name:
            pytest.skip("neither --recipient nor --user is given")
        account = Account(name, self.options("--password"))
        if self.options("--maildir"):
            for path in glob.glob(os.path.join(self.options("--maildir"), "[cn]*", "*")):
                os.remove(path)
        elif self.options("--pop3") or self.options("--pop3s"):
            with self.maildrop(account) as session:
                for number in session.unique_ids():
                    session.ok(f"DELE {number}")
                session.ok("QUIT")
        return account

    def recipients(self, count):
        """--recipient-pattern user-%d@example.org: distinct recipients; else the one again and again."""
        pattern = self.options("--recipient-pattern")
        one = self.options("--recipient") or self.options("--user")
        if not pattern and not one:
            pytest.skip("neither --recipient-pattern nor --recipient is given")
        return [pattern % number for number in range(count)] if pattern else [one] * count

    def expected(self, limit):
        value = self.options("--expect-" + limit.replace("_", "-"))
        if value is None and limit == "size":
            with self.session() as session:
                value = session.keywords.get("SIZE") or None
        if value is None or int(value) == 0:
            pytest.skip(f"--expect-{limit.replace('_', '-')} is not given")
        return int(value)

    def mailbox(self, account):
        folder = self.options("--maildir")
        if folder:
            result = []
            for path in sorted(glob.glob(os.path.join(folder, "[cn]*", "*")), key=os.path.getmtime):
                with open(path, "rb") as file:
                    result.append(re.sub(rb"(?<!\r)\n", b"\r\n", file.read()))
            return result
        if not (self.options("--pop3") or self.options("--pop3s")):
            pytest.skip("neither --maildir nor --pop3 is given: the mailbox cannot be read")
        with self.maildrop(account) as session:
            return [session.retrieve(number) for number in sorted(session.unique_ids())]

    def fill(self, account, mails):
        """Into --maildir when it is given, by SMTP otherwise."""
        folder = self.options("--maildir")
        if not folder:
            for mail in mails:
                self.deliver(account, mail)
            wait_until(lambda: len(self.mailbox(account)) >= len(mails), DELIVERY_S, "the mails")
            return
        owner = os.stat(folder)
        for mail in mails:
            name = f"{time.time():.6f}.{next(self.names):06d}.conformance"
            path = os.path.join(folder, "tmp", name)
            with open(path, "wb") as file:
                file.write(mail.replace(b"\r\n", b"\n"))
            os.chown(path, owner.st_uid, owner.st_gid)
            os.rename(path, os.path.join(folder, "new", name))
