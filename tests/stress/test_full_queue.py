"""More requests than the queues to the store have places: answers say so, and nothing of it stays behind."""

import selectors
import time

from harness import messages, wire
from harness.metrics import Endpoints
from harness.waiting import scaled, wait_until

SENDER = "stranger@elsewhere.example"
# On two cores, with queues of 64: each is full when all sessions want something of the store at once.
SESSIONS = 200
# Above what is held in memory, so that a part is in the store before the message's end.
CHUNK = b"x" * 998 + b"\r\n"
LARGE = CHUNK * 1_200


def start(running_postern):
    metrics = Endpoints()
    postern, (user,) = running_postern(
        settings={"metrics": metrics.settings, "runtime": {"cores": 2}, "store": {"commit_queue_requests": 64}},
        smtp_limits={"connections_per_source_max": 0, "connections_per_source_percent": 0, "source_message_rate": "0",
                     "tarpit_delay": 0})

    def open_bodies():
        return metrics.value("gateway", "postern_store_bodies_open")

    return postern, user, open_bodies


def greeted(postern, count):
    sessions = []
    for _ in range(count):
        sessions.append(wire.Smtp(postern.ports.relay))
        sessions[-1].ehlo()
    return sessions


def send_to_all(sessions, octets, time_s=60):
    """`octets` to every session at the same time; what they answer is read and thrown away."""
    deadline = time.monotonic() + scaled(time_s)
    with selectors.DefaultSelector() as selector:
        for session in sessions:
            session.socket.setblocking(False)
            selector.register(session.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, [session, 0])
        while any(key.data[1] < len(octets) for key in selector.get_map().values()):
            assert time.monotonic() < deadline, "the sessions stand still"
            for key, events in selector.select(1):
                session, sent = key.data
                if events & selectors.EVENT_READ:
                    assert session.socket.recv(1 << 16), "the server closed the connection"
                if events & selectors.EVENT_WRITE:
                    key.data[1] = sent + session.socket.send(octets[sent:sent + (1 << 17)])
                    if key.data[1] == len(octets):
                        selector.modify(session.socket, selectors.EVENT_READ, key.data)


def test_large_messages_given_up_at_once_leave_nothing(running_postern):
    postern, user, open_bodies = start(running_postern)
    sessions = greeted(postern, SESSIONS)
    try:
        for session in sessions:
            session.must(250, f"MAIL FROM:<{SENDER}>")
            session.must(250, f"RCPT TO:<{user}>")
            session.must(354, "DATA")
        send_to_all(sessions, LARGE)
        # Not of all: some were told that the store is busy.
        wait_until(lambda: open_bodies() > SESSIONS / 4, 30, "parts of messages are in the store")
    finally:
        for session in sessions:
            session.reset()
    wait_until(lambda: open_bodies() == 0, 30, "all are removed")
    wire.deliver(postern, [user], messages.plain(2, SENDER, [user]))


def test_message_after_message_given_up_in_one_session(running_postern):
    """The end of one may still wait for a place while the next one begins."""
    postern, user, open_bodies = start(running_postern)
    begun = (f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{user}>\r\n".encode() +
             b"BDAT %d\r\n" % len(LARGE) + LARGE + b"RSET\r\n")
    sessions = greeted(postern, SESSIONS)
    try:
        send_to_all(sessions, begun * 2)
        assert postern["gateway"].running()
    finally:
        for session in sessions:
            session.reset()
    wait_until(lambda: open_bodies() == 0, 30, "all are removed")
    wire.deliver(postern, [user], messages.plain(2, SENDER, [user]))
