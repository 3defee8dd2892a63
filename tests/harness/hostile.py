#!/usr/bin/python3
"""A client that breaks every rule it can, at full speed, for some seconds; run as a program, since Python's threads
would slow each other and the measuring test down.

usage: hostile.py PORT TLS_PORT POP3_PORT RECIPIENT SECONDS SEED
Ends with status 0 when its time is over; prints how many connections and octets it made.
"""

import random
import socket
import struct
import sys
import time

LINES = [b"EHLO hostile.example\r\n", b"HELO [999.999.1.1]\r\n", b"EHLO \xff\xfe\r\n", b"MAIL FROM:<\r\n",
         b"MAIL FROM:<a@b.example> SIZE=99999999999999999999\r\n", b"RCPT TO:<@@@@>\r\n", b"DATA\r\n",
         b"BDAT 99999999999999999999 LAST\r\n", b"BDAT -1\r\n", b"BDAT 4294967296\r\n", b"BDAT 10 LAST\r\n",
         b"AUTH PLAIN\r\n", b"AUTH PLAIN ====\r\n", b"*\r\n", b"STARTTLS\r\n", b"NOOP\n", b"RSET\r",
         b"\0\0\0\0\r\n", b"\r\n\r\n\r\n", b".\r\n", b"QUIT now\r\n", b"VRFY " + b"x" * 600 + b"\r\n",
         b"HELP\r\n", b"RETR 99999999999\r\n", b"TOP 1 -1\r\n", b"USER " + b"u" * 900 + b"\r\n",
         b"PASS x\r\n", b"UIDL \t \t\r\n", b"CAPA\r\nCAPA\r\n", b"STLS\r\nSTAT\r\n", b"LIST 1 2 3\r\n"]


class Hostile:
    def __init__(self, ports, recipient, seed):
        self.relay, self.implicit, self.pop3 = ports
        self.recipient = recipient
        self.source = random.Random(seed)
        self.connections = 0
        self.octets = 0
        self.kept = []

    def connect(self, port):
        client = socket.socket()
        client.settimeout(0.5)
        client.connect(("127.0.0.1", port))
        self.connections += 1
        return client

    def send(self, client, octets):
        self.octets += len(octets)
        client.sendall(octets)

    def leave(self, client):
        """By FIN, by RST, or not at all."""
        way = self.source.randrange(4)
        if way == 0:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif way == 1:
            self.kept.append(client)
            if len(self.kept) > 300:
                self.kept.pop(0).close()
            return
        client.close()

    def transaction(self, client):
        self.send(client, b"EHLO x.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<"
                  + self.recipient.encode() + b">\r\n")

    # -- the ways to be a nuisance; each takes a fresh connection -----------------------------------

    def garbage(self):
        client = self.connect(self.source.choice((self.relay, self.implicit, self.pop3)))
        self.send(client, self.source.randbytes(self.source.randrange(1, 20_000)))
        self.leave(client)

    def lines(self):
        client = self.connect(self.source.choice((self.relay, self.pop3)))
        self.send(client, b"".join(self.source.choices(LINES, k=self.source.randrange(1, 60))))
        self.leave(client)

    def flood_unread(self):
        client = self.connect(self.relay)
        for _ in range(20):
            self.send(client, self.source.choice((b"NOOP\r\n", b"HELP\r\n", b"EHLO x\r\n")) * 500)
        self.leave(client)

    def endless_line(self):
        client = self.connect(self.source.choice((self.relay, self.pop3)))
        for _ in range(8):
            self.send(client, b"y" * 65536)
        self.leave(client)

    def endless_header(self):
        client = self.connect(self.relay)
        self.transaction(client)
        self.send(client, b"DATA\r\n")
        client.recv(4096)
        for _ in range(16):
            self.send(client, b"X-Endless: " + b"z" * 30_000 + b"\r\n")
        self.leave(client)

    def half_message(self):
        client = self.connect(self.relay)
        self.transaction(client)
        self.send(client, b"BDAT 1000000\r\n" + b"b" * self.source.randrange(500_000))
        self.leave(client)

    def smuggle(self):
        client = self.connect(self.relay)
        self.transaction(client)
        self.send(client, b"DATA\r\nSubject: x\r\n\r\ntext\n.\nMAIL FROM:<x@y.example>\n\r.\r\r\n.\n")
        self.leave(client)

    def inject(self):
        client = self.connect(self.relay)
        self.send(client, b"EHLO x\r\nSTARTTLS\r\nMAIL FROM:<a@b.example>\r\n" + b"\x16\x03\x01\x02\x00"
                  + self.source.randbytes(512))
        self.leave(client)

    def bad_tls(self):
        client = self.connect(self.implicit)
        self.send(client, b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03"
                  + self.source.randbytes(self.source.randrange(17_000)))
        self.leave(client)

    def harvest(self):
        client = self.connect(self.relay)
        self.send(client, b"EHLO x\r\nMAIL FROM:<>\r\n" + b"".join(
            b"RCPT TO:<user%d@postern.test>\r\n" % self.source.randrange(10_000) for _ in range(150)))
        self.leave(client)

    def run(self, seconds):
        ways = [self.garbage, self.lines, self.lines, self.flood_unread, self.endless_line,
                self.endless_header, self.half_message, self.smuggle, self.inject, self.bad_tls,
                self.harvest]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                self.source.choice(ways)()
            except OSError:
                pass  # thrown out, or nobody reads any more: as it should be


if __name__ == "__main__":
    nuisance = Hostile([int(word) for word in sys.argv[1:4]], sys.argv[4], int(sys.argv[6]))
    nuisance.run(float(sys.argv[5]))
    print(nuisance.connections, nuisance.octets)
