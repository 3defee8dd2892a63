"""A stored mail is the mail that was sent, with trace fields on top (RFC 5321 section 4.4)."""

import re

_FIELD = re.compile(rb"(?P<name>[!-9;-~]+):(?P<value>[^\r\n]*(?:\r\n[ \t][^\r\n]*)*)\r\n")
TRACE_FIELDS = (b"return-path", b"received")


def split_trace(stored):
    """(trace fields in order as (lower-case name, unfolded value), the octets below them)."""
    fields = []
    position = 0
    while True:
        match = _FIELD.match(stored, position)
        if match is None or match["name"].lower() not in TRACE_FIELDS:
            return fields, stored[position:]
        fields.append((match["name"].lower(), re.sub(rb"\r\n[ \t]+", b" ", match["value"]).strip()))
        position = match.end()


def describe_difference(expected, actual):
    """One line that says where two octet strings part; whole mails are no help in a report."""
    if expected == actual:
        return "identical"
    length = min(len(expected), len(actual))
    low, high = 0, length
    while low < high:  # longest common prefix, by halving
        middle = (low + high + 1) // 2
        if expected[:middle] == actual[:middle]:
            low = middle
        else:
            high = middle - 1
    window = slice(max(0, low - 40), low + 60)
    return (f"{len(expected)} octets expected, {len(actual)} found; they part at octet {low}:\n"
            f"  expected ...{expected[window]!r}\n  found    ...{actual[window]!r}")


def assert_stored_as_sent(stored, sent, reverse_path=None, protocol=None):
    """The stored mail is Return-Path, one Received, and then exactly what was sent.

    stored, sent: octets with CRLF line ends. reverse_path: what Return-Path must hold, without brackets.
    protocol: the `with` keyword of RFC 3848 that Received must name.
    """
    fields, rest = split_trace(stored)
    names = [name for name, _ in fields]
    assert names == [b"return-path", b"received"], (
        f"trace header is {names}, not Return-Path and one Received; mail starts {stored[:300]!r}")
    assert rest == sent, describe_difference(sent, rest)
    if reverse_path is not None:
        assert fields[0][1] == b"<" + reverse_path.encode() + b">", fields[0]
    if protocol is not None:
        assert re.search(rb"\bwith " + protocol.encode() + rb"\b", fields[1][1]), fields[1]
