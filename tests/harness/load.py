"""Sessions that send while a server may die, and the ledger of what they were promised.

The client keeps the ledger: a mail is `promised` when its 250 was read, `possible` from the moment its last octet
may have reached the server. After any crash the store must hold every promised mail exactly once per recipient,
every possible one at most once, and nothing else.
"""

import collections
import random
import ssl
import threading
import time

from . import messages, wire
from .trace import split_trace


class Ledger:
    """promised, possible: {identity: recipients}. Any thread may write."""

    def __init__(self):
        self._lock = threading.Lock()
        self.promised = {}
        self.possible = {}
        self.refusals = collections.Counter()

    def sending(self, identity, recipients):
        with self._lock:
            self.possible[identity] = tuple(recipients)

    def answered(self, identity, reply):
        with self._lock:
            if reply.code == 250:
                self.promised[identity] = self.possible[identity]
            else:
                assert 400 <= reply.code < 600, reply
                self.refusals[reply.code] += 1
                del self.possible[identity]

    def check(self, account, identities):
        """identities: what every mail of the account's mailbox says it is, in any order, repeats included."""
        found = collections.Counter(identities)
        with self._lock:
            promised = {i for i, recipients in self.promised.items() if account in recipients}
            possible = {i for i, recipients in self.possible.items() if account in recipients}
        twice = {identity: count for identity, count in found.items() if count != 1}
        assert not twice, f"{account}: stored more than once: {twice}"
        lost = promised - found.keys()
        assert not lost, (f"{account}: {len(lost)} of {len(promised)} acknowledged mails are lost: "
                          f"{sorted(lost)[:5]}")
        strange = found.keys() - possible
        assert not strange, f"{account}: never sent to it: {sorted(strange)[:5]}"

    def settle(self, identities):
        """After a restart: what is in no mailbox now must not turn up later."""
        with self._lock:
            self.possible = {i: to for i, to in self.possible.items() if i in identities}


def strip_trace(octets):
    fields, rest = split_trace(octets)
    assert [name for name, _ in fields] == [b"return-path", b"received"], (
        f"a mail without its trace header: {octets[:200]!r}")
    return rest


# Between two mails of a session. Six sessions then leave a verifiable heap of mail, not a huge one.
PAUSE_S_MAX = 0.01


class Sender(threading.Thread):
    """Sends mails over one session until the connection dies or stop() is called.

    sizes: body sizes in octets to choose from. pipelined: MAIL, RCPT and DATA in one segment.
    failure: what ended the thread, other than a dead connection.
    """

    def __init__(self, postern, ledger, name, accounts, seed, sizes, tls=False, pipelined=False,
                 mails_per_session=10 ** 9):
        super().__init__(name=name, daemon=True)
        self.postern = postern
        self.ledger = ledger
        self.accounts = accounts
        self.source = random.Random(f"{name} {seed}")
        self.seed = seed
        self.sizes = sizes
        self.tls = tls
        self.pipelined = pipelined
        self.mails_per_session = mails_per_session
        self.failure = None
        self.sent_count = 0
        self._stop_event = threading.Event()

    def stop(self):
        self._stop_event.set()

    def run(self):
        try:
            while not self._stop_event.is_set():
                with wire.open_smtp(self.postern) as session:
                    if self.tls:
                        session.starttls(self.postern.authority.context())
                        session.ehlo()
                    for _ in range(self.mails_per_session):
                        if self._stop_event.is_set():
                            session.command("QUIT")
                            break
                        self._send_one(session)
                        time.sleep(self.source.uniform(0, PAUSE_S_MAX))
                    else:
                        session.command("QUIT")
        except (wire.Closed, ConnectionError, ssl.SSLError):
            pass  # the server was killed: that is the point
        except BaseException as failure:  # noqa: reported by the test
            self.failure = failure

    def _send_one(self, session):
        identity = f"{self.name}-{self.seed}-{self.sent_count}"
        self.sent_count += 1
        recipients = self.source.sample(self.accounts, self.source.randrange(
            1, min(3, len(self.accounts)) + 1))
        size = self.source.choice(self.sizes)
        body = _body(self.source, size)
        mail = messages.sealed(identity, "load@elsewhere.example", recipients, body)
        octets = messages.dot_stuffed(mail)
        if self.pipelined:
            session.send(b"".join(
                [b"MAIL FROM:<load@elsewhere.example>\r\n"]
                + [b"RCPT TO:<" + recipient.encode() + b">\r\n" for recipient in recipients]
                + [b"DATA\r\n"]))
            replies = [session.reply() for _ in range(len(recipients) + 2)]
            if replies[-1].code != 354:
                # Out of room for a moment (452, 421): a refusal is an answer, a lost mail is not.
                assert all(reply.code < 500 or reply.code == 503 for reply in replies), replies
                session.command("RSET")
                return
        else:
            session.transaction("load@elsewhere.example", recipients)
        for start in range(0, len(octets) - 1, 1 << 18):
            session.send(octets[start:min(start + (1 << 18), len(octets) - 1)])
        self.ledger.sending(identity, recipients)  # from here on the server may have it all
        session.send(octets[-1:])
        self.ledger.answered(identity, session.reply())


def _body(source, size_octets):
    """Text of about size_octets with lines of all lengths, some of them starting with dots."""
    filler = source.randbytes(1 << 10).hex()
    lines, octets = [], 0
    while octets < size_octets:
        length = source.randrange(0, 900)
        start = source.randrange(0, len(filler) - 900)
        line = ("." if length % 7 == 0 else "") + filler[start:start + length]
        lines.append(line)
        octets += len(line) + 2
    return "".join(line + "\r\n" for line in lines).encode()


class Probe(threading.Thread):
    """A well-behaved user: every cycle sends a mail, reads it by POP3 and looks at it by IMAP, and notes how long
    each took. Its own account is `account`. Any error ends it and is kept in `failure`."""

    PAUSE_S = 0.05

    def __init__(self, postern, account, password):
        super().__init__(name="probe", daemon=True)
        self.postern = postern
        self.account = account
        self.password = password
        self.latencies_s = []
        self.failure = None
        self._stop_event = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, exception_type, *_):
        self._stop_event.set()
        self.join(timeout=120)
        if exception_type is None:
            assert not self.is_alive(), "the well-behaved session hangs"
            if self.failure is not None:
                raise AssertionError(f"the well-behaved session failed: {self.failure!r}"
                                     ) from self.failure

    def run(self):
        try:
            count = 0
            while not self._stop_event.wait(self.PAUSE_S):
                mail = messages.plain(f"probe-{count}", "probe@elsewhere.example", [self.account])
                begin = time.monotonic()
                wire.deliver(self.postern, [self.account], mail)
                with wire.open_pop3(self.postern, self.account, self.password) as pop3:
                    unique_ids = pop3.unique_ids()
                    assert len(unique_ids) == 1, unique_ids
                    assert strip_trace(pop3.retrieve(1)) == mail
                    with wire.open_imap(self.postern, self.account, self.password) as imap:
                        assert len(imap.uids()) == 1
                        imap.ok("LOGOUT")
                    pop3.ok("DELE 1")
                    pop3.ok("QUIT")
                self.latencies_s.append(time.monotonic() - begin)
                count += 1
        except BaseException as failure:  # noqa: reported by __exit__
            self.failure = failure
