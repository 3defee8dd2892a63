"""Connections that come and go quickly: each gets its own greeting and its own goodbye, whatever became of the
descriptor's previous owner."""

import threading

import pytest

from harness import wire
from harness.waiting import scaled

THREADS = 6
CONNECTIONS_PER_THREAD = 300


def visit(postern, kind, step):
    """One short session; how it ends varies with `step`."""
    session = {"relay": wire.Smtp, "pop3": wire.Pop3, "imap": wire.Imap}[kind](
        getattr(postern.ports, kind))
    try:
        way = step % 5
        if way == 0:
            session.send({"relay": b"QUIT\r\n", "pop3": b"QUIT\r\n", "imap": b"a LOGOUT\r\n"}[kind])
            assert session.expect_closed(), "no goodbye"
        elif way == 4:
            # Reads the goodbye and is gone at the moment when the server closes.
            session.send({"relay": b"QUIT\r\n", "pop3": b"QUIT\r\n", "imap": b"a LOGOUT\r\n"}[kind])
            session.line()
        elif way == 1:
            session.half_close()
            session.expect_closed()
        elif way == 2:
            session.send(b"NOOP\r\n")
            session.reset()
        else:
            session.send({"relay": b"NOOP\r\n", "pop3": b"CAPA\r\n", "imap": b"a NOOP\r\n"}[kind])
            session.line()
    finally:
        session.close()


@pytest.mark.parametrize("kind", ("relay", "pop3", "imap"))
def test_quick_visitors_all_get_their_greeting(kind, postern):
    failures = []

    def work(number):
        for step in range(CONNECTIONS_PER_THREAD):
            try:
                visit(postern, kind, step + number)
            except BaseException as failure:  # noqa: reported below
                failures.append(f"visitor {number}, session {step}: {failure!r}")

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=scaled(120))
        assert not thread.is_alive(), "a visitor hangs"
    assert not failures, (f"{len(failures)} of {THREADS * CONNECTIONS_PER_THREAD} sessions were harmed:\n"
                          + "\n".join(failures[:5]))
