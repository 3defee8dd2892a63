"""A TLS client that hands out its records, for tests that send broken ones."""

import ssl

from . import wire


class RawTls:
    """Over a wire.Wire whose next octet is the handshake's first."""

    def __init__(self, plain, context):
        self.wire = plain
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=plain.server_name)
        self._clear = b""
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.flush()
                self._receive()
        self.flush()

    def _receive(self):
        octets = self.wire.socket.recv(1 << 16)
        if not octets:
            raise wire.Closed()
        self._in.write(octets)

    def encrypt(self, clear):
        """The records of `clear`, not yet sent."""
        self._tls.write(clear)
        return self._out.read()

    def flush(self):
        self.wire.send(self._out.read())

    def read_until(self, end):
        """Clear text up to and with `end`."""
        while end not in self._clear:
            try:
                self._clear += self._tls.read(1 << 16)
            except ssl.SSLWantReadError:
                self._receive()
        head, _, self._clear = self._clear.partition(end)
        return head + end

    def ask(self, command, end=b"\r\n"):
        self.wire.send(self.encrypt(command))
        return self.read_until(end)
