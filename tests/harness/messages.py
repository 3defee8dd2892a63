"""Mails as octets with CRLF line ends. The same arguments always give the same octets."""

import base64
import hashlib
import random

KIB = 1024
MIB = 1024 * 1024

# A text line's most octets without CRLF (RFC 5322 section 2.1.1).
LINE_OCTETS_MAX = 998

_WORDS = ("gate post harbour lantern quay ledger rope tide anchor signal paper seal letter courier "
          "grüße größer naïve café señor łódź Ελλάδα Москва 日本語 한국어 عربى").split()
_ASCII_WORDS = [word for word in _WORDS if word.isascii()]


def _encoded_word(text):
    return "=?UTF-8?B?" + base64.b64encode(text.encode()).decode() + "?="


def _lines(source, count, words):
    for _ in range(count):
        yield " ".join(source.choice(words) for _ in range(source.randrange(1, 11)))


def awkward_lines(source, eight_bit=False):
    """Text lines that transports like to damage."""
    words = _WORDS if eight_bit else _ASCII_WORDS
    lines = [".", "..", "...", ". a dot and a space", ".hidden", "..two dots", "", "",
             "From the start of a line", ">From quoted already", "ends in spaces   ", "\tstarts with a tab",
             "ends in a tab\t", "=3D=20=", "EHLO not.a.command", "QUIT", "x" * LINE_OCTETS_MAX,
             "." + "y" * (LINE_OCTETS_MAX - 1), "." * LINE_OCTETS_MAX, "--", "-- ", "+OK", "* 1 EXISTS",
             ") a1 OK done", "{10}", "\x01\x7f control characters \x0b"]
    if eight_bit:
        lines += ["Grüße aus Köln", ".Ελλάδα", "日" * (LINE_OCTETS_MAX // 3)]
    lines += list(_lines(source, 20, words))
    source.shuffle(lines)
    return lines


def header(seed, sender, recipients, subject=None, extra=()):
    """The common header fields, without the empty line that ends a header."""
    subject = subject or f"Postern test mail {seed}"
    lines = ["Date: Mon, 03 Feb 2025 10:11:12 +0100",
             f"From: {_encoded_word('Käthe Kruse')} <{sender}>",
             "To: " + ",\r\n ".join(f"<{recipient}>" for recipient in recipients),
             f"Message-ID: <seed-{seed}.{len(extra)}@sender.example>",
             f"Subject: {subject if subject.isascii() else _encoded_word(subject)}",
             "X-Folded: first line\r\n\tsecond line after a tab\r\n   third line after spaces",
             "X-Empty:", *extra, "MIME-Version: 1.0"]
    return ("\r\n".join(lines) + "\r\n").encode()


def plain(seed, sender, recipients, subject=None, lines=None, extra=()):
    """A single-part us-ascii mail; `lines` are its text lines."""
    source = random.Random(f"plain {seed}")
    lines = list(_lines(source, 12, _ASCII_WORDS)) if lines is None else lines
    return (header(seed, sender, recipients, subject, extra)
            + b"Content-Type: text/plain; charset=us-ascii\r\n\r\n"
            + "".join(line + "\r\n" for line in lines).encode())


def awkward(seed, sender, recipients, eight_bit=False):
    """A single-part mail of awkward lines."""
    source = random.Random(f"awkward {seed}")
    encoding = "8bit" if eight_bit else "7bit"
    charset = "utf-8" if eight_bit else "us-ascii"
    body = "".join(line + "\r\n" for line in awkward_lines(source, eight_bit))
    return (header(seed, sender, recipients, "Grüße, with awkward lines")
            + f"Content-Type: text/plain; charset={charset}\r\n"
              f"Content-Transfer-Encoding: {encoding}\r\n\r\n".encode() + body.encode())


def multipart(seed, sender, recipients, attachment_octets=(KIB,), eight_bit=False):
    """A multipart/mixed mail: alternatives, awkward text, one base64 attachment per size given."""
    source = random.Random(f"multipart {seed}")
    outer, inner = (f"=_{name}_{source.getrandbits(64):016x}" for name in ("outer", "inner"))
    text_encoding = "8bit" if eight_bit else "7bit"
    charset = "utf-8" if eight_bit else "us-ascii"
    text = "\r\n".join(awkward_lines(source, eight_bit))
    parts = [header(seed, sender, recipients, "Anhänge – attachments"),
             f'Content-Type: multipart/mixed;\r\n boundary="{outer}"\r\n\r\n'
             "This is a multi-part message in MIME format.\r\n"
             f'--{outer}\r\nContent-Type: multipart/alternative; boundary="{inner}"\r\n\r\n'
             f"--{inner}\r\nContent-Type: text/plain; charset={charset}\r\n"
             f"Content-Transfer-Encoding: {text_encoding}\r\n\r\n{text}\r\n"
             f"--{inner}\r\nContent-Type: text/html; charset=us-ascii\r\n\r\n"
             f"<p>hello</p>\r\n--{inner}--\r\n".encode()]
    for number, size in enumerate(attachment_octets):
        encoded = base64.encodebytes(source.randbytes(size)).replace(b"\n", b"\r\n")
        parts.append(f"--{outer}\r\nContent-Type: application/octet-stream\r\n"
                     "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n"
                     f" filename*=UTF-8''anh%C3%A4ngsel-{number}.bin\r\n\r\n".encode())
        parts.append(encoded)
    parts.append(f"--{outer}--\r\n".encode())
    return b"".join(parts)


def of_size(seed, sender, recipients, size_octets):
    """A plain mail of exactly size_octets."""
    head = header(seed, sender, recipients) + b"\r\n"
    room = size_octets - len(head)
    assert room >= 2, "too small for a header"
    line = b"0123456789abcdef" * 4 + b"\r\n"
    body = line * ((room - 2) // len(line))
    rest = room - len(body)
    return head + body + b"z" * (rest - 2) + b"\r\n"


def sealed(identity, sender, recipients, body):
    """A mail that can be checked on its own: X-Identity names it, X-Digest is its body's SHA-256."""
    digest = hashlib.sha256(body).hexdigest()
    return (header(identity, sender, recipients,
                   extra=(f"X-Identity: {identity}", f"X-Digest: {digest}"))
            + b"\r\n" + body)


def unseal(stored):
    """The identity of a sealed mail that came back whole, else an AssertionError."""
    head, separator, body = stored.partition(b"\r\n\r\n")
    assert separator, f"a mail without a body: {stored[:200]!r}"
    fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n") if b": " in line)
    assert b"X-Identity" in fields and b"X-Digest" in fields, f"a mail that was never sent: {head!r}"
    identity = fields[b"X-Identity"].decode()
    digest = hashlib.sha256(body).hexdigest().encode()
    assert digest == fields[b"X-Digest"], (
        f"mail {identity} is damaged: {len(body)} octets with digest {digest.decode()}")
    return identity


def dot_stuffed(message):
    """The mail as DATA carries it, end marker included."""
    assert message.endswith(b"\r\n")
    stuffed = message.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    return stuffed + b".\r\n"
