"""Prometheus endpoints of the processes under test."""

import contextlib
import http.client
import re

from . import ports
from .waiting import scaled


class Endpoints:
    """Ports for the metrics of the three processes: `settings` for a Postern, value() once it runs."""

    def __init__(self):
        self.ports = {name: ports.free_port() for name in ("gateway", "pop3", "imap")}

    @property
    def settings(self):
        return {"listen": f"127.0.0.1:{self.ports['gateway']}",
                "listen_pop3": f"127.0.0.1:{self.ports['pop3']}",
                "listen_imap": f"127.0.0.1:{self.ports['imap']}"}

    def value(self, process, name, **labels):
        """The present value of a metric. Fails when there is none of that name and labels."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[process],
                                                timeout=scaled(10))
        with contextlib.closing(connection):
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        for line in text.splitlines():
            match = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if match and match[1] == name and dict(
                    re.findall(r'(\w+)="([^"]*)"', match[2] or "")) == labels:
                return float(match[3])
        raise AssertionError(f"{process} has no {name} {labels}:\n{text[:3000]}")
