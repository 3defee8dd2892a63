"""Many idle connections: raw sockets, one thread, epoll."""

import resource
import select
import socket
import time

from .waiting import scaled


def allow_files(count):
    """Raises this process's limit of open files to `count`, or as far as it may. Returns the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(hard, count)))
        except (ValueError, PermissionError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class Crowd:
    """Connections to 127.0.0.1:port that were greeted and stay silent. Sources: 127.0.1.1, 127.0.1.2, ... with at
    most `per_source` connections each, since a source has only so many ports."""

    def __init__(self, port, count, tls=None, per_source=10_000):
        """tls: an ssl.SSLContext for implicit TLS."""
        self.sockets = {}
        self.greeted = {}
        self._poll = select.epoll()
        try:
            for number in range(count):
                raw = socket.socket()
                raw.settimeout(scaled(60))
                raw.bind((f"127.0.1.{1 + number // per_source}", 0))
                raw.connect(("127.0.0.1", port))
                member = tls.wrap_socket(raw, server_hostname="localhost") if tls else raw
                greeting = member.recv(1024)
                assert greeting.startswith((b"220 ", b"+OK")), greeting
                self.greeted[member.fileno()] = time.monotonic()
                self.sockets[member.fileno()] = member
                self._poll.register(member.fileno(), select.EPOLLIN)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def last_words(self, time_s):
        """Waits until the server has said something to everybody and closed. Returns a list of (what it said, seconds
        after the greeting)."""
        result = []
        waiting = dict(self.sockets)
        said = {}
        deadline = time.monotonic() + time_s
        while waiting:
            left_s = deadline - time.monotonic()
            assert left_s > 0, f"{len(waiting)} of {len(self.sockets)} connections are still open"
            for number, _ in self._poll.poll(left_s):
                now = time.monotonic()
                octets = self.sockets[number].recv(1024)
                if octets and number not in said:
                    said[number] = (octets, now - self.greeted[number])
                if not octets:
                    self._poll.unregister(number)
                    del waiting[number]
                    result.append(said.get(number, (b"", now - self.greeted[number])))
        return result

    def close(self):
        for member in self.sockets.values():
            member.close()
        self._poll.close()
