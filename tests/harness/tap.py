"""A wire tap: stands between a client and a server on loopback and keeps what both say."""

import socket
import threading


class Tap:
    """listen_port: where the client connects. Octets go to 127.0.0.1:server_port and back, one connection after
    another or several at once. sent: what clients said, received: what the server said, each in order of arrival."""

    def __init__(self, listen_port, server_port):
        self.server_port = server_port
        self.sent = bytearray()
        self.received = bytearray()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", listen_port))
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # A thread blocked in accept() would keep the port.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.server_port))
            for source, target, log in ((client, server, self.sent), (server, client, self.received)):
                threading.Thread(target=self._copy, args=(source, target, log), daemon=True).start()

    def _copy(self, source, target, log):
        try:
            while octets := source.recv(1 << 16):
                with self._lock:
                    log += octets
                target.sendall(octets)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def commands(self):
        """The lines clients said so far."""
        with self._lock:
            return bytes(self.sent).split(b"\r\n")
