"""SMTP, POP3 and IMAP as octets on a socket, for tests that care which octets.

A `Wire` reads lines that end in CRLF and nothing else: a bare LF from the server is a failure.
"""

import base64
import re
import socket
import ssl
import struct

from . import messages
from .waiting import scaled

TIMEOUT_S = 30
LINE_OCTETS_MAX = 1 << 20


class Closed(Exception):
    """The server closed the connection."""


class Wire:
    def __init__(self, port, address="127.0.0.1", tls=None, time_s=TIMEOUT_S, receive_octets=None,
                 source=None, preface=b"", server_name="localhost"):
        """tls: an ssl.SSLContext for implicit TLS. receive_octets: SO_RCVBUF, for clients that stop reading.
        source: the address to come from. preface: sent first, in the clear. server_name: for SNI."""
        self.server_name = server_name
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_octets:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_octets)
        self.socket.settimeout(scaled(time_s))
        self.buffer = bytearray()
        try:
            if source is not None:
                self.socket.bind((source, 0))
            self.socket.connect((address, port))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if preface:
                self.socket.sendall(preface)
            if tls is not None:
                self.start_tls(tls)
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def start_tls(self, context):
        self.socket = context.wrap_socket(self.socket, server_hostname=self.server_name)

    def send(self, octets):
        self.socket.sendall(octets)

    def _fill(self):
        try:
            octets = self.socket.recv(1 << 16)
        except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError) as error:
            raise Closed(str(error)) from error
        if not octets:
            raise Closed(f"end of stream after {bytes(self.buffer[-200:])!r}")
        self.buffer += octets

    def line(self):
        """The next line without its CRLF."""
        start = 0
        while True:
            end = self.buffer.find(b"\n", start)
            if end >= 0:
                break
            start = len(self.buffer)
            assert start < LINE_OCTETS_MAX, "a line without end from the server"
            self._fill()
        assert end > 0 and self.buffer[end - 1:end] == b"\r", (
            f"a bare LF from the server: {bytes(self.buffer[:end + 1])[-200:]!r}")
        result = bytes(self.buffer[:end - 1])
        assert b"\r" not in result, f"a bare CR from the server: {result[-200:]!r}"
        del self.buffer[:end + 1]
        return result

    def octets(self, count):
        while len(self.buffer) < count:
            self._fill()
        result = bytes(self.buffer[:count])
        del self.buffer[:count]
        return result

    def expect_closed(self, time_s=TIMEOUT_S):
        """Reads on until the server closes; returns what it still said. Fails when it does not close."""
        self.socket.settimeout(scaled(time_s))
        try:
            while True:
                self._fill()
        except Closed:
            return bytes(self.buffer)
        except (TimeoutError, socket.timeout):
            raise AssertionError("the server did not close the connection; it said "
                                 f"{bytes(self.buffer[-300:])!r}") from None

    def silent(self, time_s):
        """True when the server says nothing for time_s seconds."""
        if self.buffer:
            return False
        self.socket.settimeout(time_s)
        try:
            self._fill()
        except (TimeoutError, socket.timeout):
            return True
        except Closed:
            return False
        finally:
            self.socket.settimeout(scaled(TIMEOUT_S))
        return False

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Leaves with RST, as a crashed client's kernel does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()


def plain_response(user, password):
    """The SASL PLAIN response (RFC 4616) in base64."""
    return base64.b64encode(f"\0{user}\0{password}".encode())


# -- SMTP ------------------------------------------------------------------------------------------


class Reply:
    def __init__(self, code, lines):
        self.code = code
        self.lines = lines
        self.text = b"\n".join(lines).decode(errors="replace")

    def __repr__(self):
        return f"<{self.code} {self.text!r}>"


class Smtp(Wire):
    """greeting: the Reply to the connection."""

    def __init__(self, port, **options):
        super().__init__(port, **options)
        self.greeting = self.reply()

    def reply(self):
        lines = []
        code = None
        while True:
            line = self.line()
            match = re.fullmatch(rb"(\d{3})(?:([ -])(.*))?", line)
            assert match, f"not an SMTP reply line: {line!r}"
            assert code in (None, match[1]), f"reply codes differ within a reply: {line!r}"
            code = match[1]
            lines.append(match[3] or b"")
            if match[2] != b"-":
                return Reply(int(code), lines)

    def command(self, text):
        self.send(text.encode() if isinstance(text, str) else text)
        self.send(b"\r\n")
        return self.reply()

    def must(self, code, text):
        """Sends a command whose reply must have this code."""
        reply = self.command(text)
        assert reply.code == code, f"{text!r}: {reply}"
        return reply

    def ehlo(self, name="client.example"):
        """EHLO; returns {KEYWORD: parameters}."""
        reply = self.must(250, f"EHLO {name}")
        keywords = {}
        for line in reply.lines[1:]:
            keyword, _, parameters = line.decode().partition(" ")
            keywords[keyword.upper()] = parameters
        return keywords

    def starttls(self, context):
        self.must(220, "STARTTLS")
        self.start_tls(context)

    def auth_plain(self, user, password):
        return self.command(b"AUTH PLAIN " + plain_response(user, password))

    def transaction(self, sender, recipients, eight_bit=False):
        """MAIL, RCPT ... and DATA, each accepted."""
        self.must(250, f"MAIL FROM:<{sender}>" + (" BODY=8BITMIME" if eight_bit else ""))
        for recipient in recipients:
            self.must(250, f"RCPT TO:<{recipient}>")
        self.must(354, "DATA")

    def send_mail(self, sender, recipients, message):
        """One mail; returns the reply to its end."""
        self.transaction(sender, recipients, eight_bit=not message.isascii())
        self.send(messages.dot_stuffed(message))
        return self.reply()


def open_smtp(postern, kind="relay", user=None, password=None, address="127.0.0.1"):
    """A session past EHLO (and STARTTLS, and AUTH when a user is given)."""
    context = postern.authority.context()
    implicit = kind == "submissions"
    session = Smtp(getattr(postern.ports, kind), address=address, tls=context if implicit else None)
    assert session.greeting.code == 220, session.greeting
    keywords = session.ehlo()
    if kind == "submission":
        assert "STARTTLS" in keywords, keywords
        session.starttls(context)
        session.ehlo()
    if user is not None:
        reply = session.auth_plain(user, password)
        assert reply.code == 235, reply
    return session


def deliver(postern, recipients, message, sender="sender@elsewhere.example"):
    """Hands one mail to the relay listener; it must be accepted."""
    with open_smtp(postern) as session:
        reply = session.send_mail(sender, recipients, message)
        assert reply.code == 250, reply
        assert session.command("QUIT").code == 221
        return reply


# -- POP3 ------------------------------------------------------------------------------------------


class Pop3(Wire):
    def __init__(self, port, **options):
        super().__init__(port, **options)
        self.greeting = self.status()

    def status(self):
        line = self.line()
        assert line.startswith((b"+OK", b"-ERR")), f"not a POP3 status: {line!r}"
        return line

    def command(self, text):
        self.send(text.encode() if isinstance(text, str) else text)
        self.send(b"\r\n")
        return self.status()

    def ok(self, text):
        status = self.command(text)
        assert status.startswith(b"+OK"), f"{text!r}: {status!r}"
        return status

    def error(self, text):
        status = self.command(text)
        assert status.startswith(b"-ERR"), f"{text!r}: {status!r}"
        return status

    def multiline_octets(self, bare_line_feeds=False):
        """A multi-line response up to its lone dot, dot-stuffing undone and checked. bare_line_feeds: they are no
        fault, since the mail was accepted with them; a dot behind one is stuffed, because a client that takes LF for
        the end of a line would else see the response end there."""
        searched = 0
        while not self.buffer.startswith(b".\r\n"):
            end = self.buffer.find(b"\r\n.\r\n", searched)
            if end >= 0:
                data = bytes(self.buffer[:end + 2])
                del self.buffer[:end + 5]
                assert bare_line_feeds or data.count(b"\n") == data.count(b"\r\n"), (
                    "a bare LF in a response")
                assert not re.search(rb"(\A|\n)\.[^.]", data), "a dot that is not stuffed"
                data = data.replace(b"\n..", b"\n.")
                return data[1:] if data.startswith(b"..") else data
            searched = max(0, len(self.buffer) - 4)
            self._fill()
        del self.buffer[:3]
        return b""

    def multiline(self, text):
        """The lines of a command's multi-line response."""
        self.ok(text)
        return self.multiline_octets().split(b"\r\n")[:-1]

    def login(self, user, password):
        self.ok(f"USER {user}")
        return self.command(f"PASS {password}")

    def unique_ids(self):
        """{message number: unique id}."""
        return {int(number): unique for number, unique in
                (line.decode().split(" ", 1) for line in self.multiline("UIDL"))}

    def retrieve(self, number, bare_line_feeds=False):
        """The mail's octets."""
        self.ok(f"RETR {number}")
        return self.multiline_octets(bare_line_feeds)


def open_pop3(postern, user, password, kind="pop3_plain"):
    context = postern.authority.context()
    session = Pop3(getattr(postern.ports, kind), tls=context if kind == "pop3s" else None)
    assert session.greeting.startswith(b"+OK"), session.greeting
    if kind == "pop3":
        session.ok("STLS")
        session.start_tls(context)
    status = session.login(user, password)
    assert status.startswith(b"+OK"), status
    return session


def read_all_pop3(postern, user, password):
    """{unique id: octets} of a mailbox."""
    with open_pop3(postern, user, password) as session:
        result = {unique: session.retrieve(number)
                  for number, unique in session.unique_ids().items()}
        session.ok("QUIT")
        return result


# -- IMAP ------------------------------------------------------------------------------------------


class ImapResponse:
    """Tagged status, its text, and the untagged responses, each as octets with its literals in place."""

    def __init__(self, status, text, untagged):
        self.status = status
        self.text = text
        self.untagged = untagged

    def __repr__(self):
        return f"<{self.status} {self.text!r} {[line[:200] for line in self.untagged[:20]]}>"

    def matching(self, pattern):
        """Match objects of the untagged responses that match from their start."""
        found = (re.match(pattern, line, re.S | re.I) for line in self.untagged)
        return [match for match in found if match]


_LITERAL = re.compile(rb"\{(\d+)\}\Z")


def quoted(text):
    """An IMAP quoted string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Imap(Wire):
    def __init__(self, port, **options):
        super().__init__(port, **options)
        self.tag_count = 0
        self.greeting = self.response()

    def response(self):
        """One response: a line, and what its literals hold, glued as on the wire."""
        result = b""
        while True:
            line = self.line()
            result += line
            literal = _LITERAL.search(line)
            if literal is None:
                return result
            result += b"\r\n" + self.octets(int(literal[1]))

    def start(self, text):
        """Sends a command, returns its tag."""
        self.tag_count += 1
        tag = f"t{self.tag_count}"
        self.send(tag.encode() + b" " + (text.encode() if isinstance(text, str) else text) + b"\r\n")
        return tag.encode()

    def finish(self, tag):
        untagged = []
        while True:
            response = self.response()
            if response.startswith(b"* "):
                untagged.append(response[2:])
            elif response.startswith(tag + b" "):
                status, _, text = response[len(tag) + 1:].partition(b" ")
                return ImapResponse(status.decode().upper(), text.decode(errors="replace"), untagged)
            else:
                raise AssertionError(f"neither untagged nor {tag!r}: {response[:300]!r}")

    def command(self, text):
        return self.finish(self.start(text))

    def ok(self, text):
        response = self.command(text)
        assert response.status == "OK", f"{text!r}: {response}"
        return response

    def login(self, user, password):
        return self.command(f"LOGIN {quoted(user)} {quoted(password)}")

    def select(self, mailbox="INBOX"):
        """SELECT; returns the number of messages."""
        return int(self.ok(f"SELECT {mailbox}").matching(rb"(\d+) EXISTS")[-1][1])

    def uids(self):
        response = self.ok("UID FETCH 1:* (UID)")
        return [int(match[1]) for match in response.matching(rb"\d+ FETCH \(.*?UID (\d+)")]

    def fetch(self, uid):
        """The mail's octets (BODY.PEEK[])."""
        response = self.ok(f"UID FETCH {uid} (BODY.PEEK[])")
        for match in response.matching(rb"\d+ FETCH \(.*?BODY\[\] \{(\d+)\}\r\n"):
            data = match.string[match.end():match.end() + int(match[1])]
            assert len(data) == int(match[1]), "a literal shorter than announced"
            return data
        raise AssertionError(f"no BODY[] for uid {uid}: {response}")

    def flags(self):
        """{uid: set of flags} of the selected mailbox."""
        result = {}
        for line in self.ok("UID FETCH 1:* (FLAGS)").untagged:
            uid = re.search(rb"UID (\d+)", line)
            flags = re.search(rb"FLAGS \(([^)]*)\)", line)
            if uid and flags:
                result[int(uid[1])] = set(flags[1].decode().split()) - {"\\Recent"}
        return result

    # IDLE (RFC 2177)
    def idle(self):
        self.idle_tag = self.start("IDLE")
        while True:
            response = self.response()
            if response.startswith(b"+"):
                return
            assert response.startswith(b"* "), f"no continuation for IDLE: {response!r}"

    def done(self):
        self.send(b"DONE\r\n")
        return self.finish(self.idle_tag)


def open_imap(postern, user, password, kind="imap_plain", select=True):
    context = postern.authority.context()
    session = Imap(getattr(postern.ports, kind), tls=context if kind == "imaps" else None)
    assert session.greeting.startswith(b"* OK"), session.greeting
    if kind == "imap":
        session.ok("STARTTLS")
        session.start_tls(context)
    response = session.login(user, password)
    assert response.status == "OK", response
    if select:
        session.select()
    return session


def read_all_imap(postern, user, password):
    """{uid: octets} of INBOX."""
    with open_imap(postern, user, password) as session:
        result = {uid: session.fetch(uid) for uid in session.uids()}
        session.ok("LOGOUT")
        return result
