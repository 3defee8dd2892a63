"""Fixtures of the tests of limits: a gateway on several cores, clients that come all at once."""

import concurrent.futures
import threading

import pytest

from harness.metrics import Endpoints


@pytest.fixture
def gateway(own_postern):
    """A factory: a running gateway on `cores` cores (there may be more of them than CPUs) with these keys on every SMTP
    listener and these sections. metric(name, **labels) reads its metrics."""
    def start(smtp=None, cores=4, **sections):
        endpoints = Endpoints()
        settings = {"runtime": {"drain_timeout": 5, "cores": cores},
                    "metrics": {"listen": endpoints.settings["listen"]}, **sections}
        server = own_postern(settings=settings, smtp_limits=smtp or {})
        server.metric = lambda name, **labels: endpoints.value("gateway", name, **labels)
        server.start("gateway")
        server.add_domain()
        return server
    return start


@pytest.fixture
def at_once():
    """A function: runs work(number) for each number below `count` on threads that begin together; the results."""
    def run(count, work):
        gate = threading.Barrier(count)

        def one(number):
            gate.wait(timeout=60)
            return work(number)
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            return list(pool.map(one, range(count)))
    return run
