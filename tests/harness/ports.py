"""Ports for test servers.

Blocks of a thousand ports below the kernel's ephemeral range, so that no client socket can take one by chance.
A block belongs to the process that holds the lock on its file; the kernel lets go of it when the process ends.
"""

import fcntl
import os
import socket
import tempfile

BLOCK_PORTS = 1000
FIRST_BASE = 10000
LAST_BASE = 31000  # Linux hands out 32768 and above to clients

_held_blocks = []  # lock files stay open for the life of the process
_next_port = None
_last_port = None


def _lock_folder():
    folder = os.path.join(tempfile.gettempdir(), f"postern-test-ports-{os.getuid()}")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    return folder


def is_free(port, addresses=("127.0.0.1", "::1")):
    """True when a server could listen on the port now."""
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
                probe.listen(1)
            except OSError as error:
                if family == socket.AF_INET6 and not has_ipv6_loopback():
                    continue
                del error
                return False
    return True


def has_ipv6_loopback():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def reserve_block(offsets=()):
    """A base such that base+offset is free for every offset; the whole block is this process's from now on."""
    for base in range(FIRST_BASE, LAST_BASE + 1, BLOCK_PORTS):
        handle = open(os.path.join(_lock_folder(), f"{base}.lock"), "w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            continue
        if all(is_free(base + offset) for offset in offsets):
            _held_blocks.append(handle)
            return base
        handle.close()
    raise RuntimeError("no block of free ports left between "
                       f"{FIRST_BASE} and {LAST_BASE + BLOCK_PORTS}")


def free_port():
    """A free port that no other test process will be given."""
    global _next_port, _last_port
    while True:
        if _next_port is None or _next_port > _last_port:
            _next_port = reserve_block()
            _last_port = _next_port + BLOCK_PORTS - 1
        port = _next_port
        _next_port += 1
        if is_free(port):
            return port
