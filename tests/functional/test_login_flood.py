"""More logins than the gateway can hash: told so in time, and at nobody else's cost."""

import time

from harness import wire
from harness.server import PASSWORD
from harness.waiting import scaled

CLIENTS = 250  # one worker hashes for some twenty seconds
ANSWER_S = 15  # what a sidecar waits for the gateway's answer


def test_a_flood_of_wrong_logins_keeps_the_link(running_postern):
    postern, (anna,) = running_postern(settings={"runtime": {"drain_timeout": 5,
                                                             "worker_threads": 1}})
    wire.open_pop3(postern, anna, PASSWORD).close()  # remembered: needs no hash again
    sessions = [wire.Pop3(postern.ports.pop3_plain) for _ in range(CLIENTS)]
    start = time.monotonic()
    for number, session in enumerate(sessions):
        session.send(f"USER stranger{number}@elsewhere.example\r\nPASS wrong\r\n".encode())
    # While they wait, an account's own client is served: login, snapshot, UPDATE.
    with wire.open_pop3(postern, anna, PASSWORD) as session:
        session.ok("QUIT")
    assert time.monotonic() - start < scaled(5)
    answers = []
    for session in sessions:
        with session:
            assert session.status().startswith(b"+OK")
            answers.append(session.status())
    took_s = time.monotonic() - start
    judged = sum(answer.startswith(b"-ERR [AUTH]") for answer in answers)
    turned_away = sum(answer.startswith(b"-ERR [SYS/TEMP]") for answer in answers)
    assert judged + turned_away == CLIENTS, set(answers)
    assert judged >= 50 and turned_away >= 50, (judged, turned_away)
    assert took_s < scaled(ANSWER_S), took_s
    assert "link.lost" not in postern.log_text("pop3")
    postern.stop()
