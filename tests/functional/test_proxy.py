"""PROXY protocol: the client is who a trusted proxy says it is, and nobody else may say so."""

import ipaddress
import struct
import tempfile
import time

import pytest

from harness import messages, wire
from harness.metrics import Endpoints
from harness.server import PASSWORD, Postern
from harness.waiting import wait_until

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
PROXY = "127.0.0.50"


def v1(client, server="192.0.2.200", port=40000):
    family = "TCP6" if ":" in client else "TCP4"
    return f"PROXY {family} {client} {server} {port} 25\r\n".encode()


def v2(client, server=None, port=40000, tlvs=b"", command=0x21):
    source = ipaddress.ip_address(client)
    target = ipaddress.ip_address(server or ("2001:db8::ff" if source.version == 6 else "192.0.2.200"))
    body = source.packed + target.packed + struct.pack(">HH", port, 25) + tlvs
    family = 0x21 if source.version == 6 else 0x11
    return SIGNATURE + bytes([command, family]) + struct.pack(">H", len(body)) + body


def crc32c(octets):
    value = 0xffffffff
    for octet in octets:
        value ^= octet
        for _ in range(8):
            value = (value >> 1) ^ (0x82f63b78 if value & 1 else 0)
    return value ^ 0xffffffff


def v2_with_checksum(client, spoil=0):
    header = v2(client, tlvs=b"\x03\0\4" + b"\0" * 4)
    return header[:-4] + struct.pack(">I", crc32c(header) ^ spoil)


@pytest.fixture(scope="module")
def proxied(work_folder, authority):
    rules = {"proxy_protocol": True, "proxy_from": ["127.0.0.50"], "proxy_timeout": 2,
             "connections_per_source_max": 3, "deny": ["203.0.113.0/24"],
             "trusted": ["198.51.100.0/24"]}
    endpoints = Endpoints()
    postern = Postern(tempfile.mkdtemp(prefix="proxy-", dir=work_folder), authority,
                      smtp_limits=rules, mailbox_limits=rules,
                      settings={"metrics": endpoints.settings,
                                "runtime": {"drain_timeout": 5, "cores": 2}})
    postern.endpoints = endpoints
    try:
        postern.start()
        postern.add_domain()
        postern.user = postern.add_user()
        yield postern
        postern.stop()
    finally:
        postern.close()


def smtp(postern, preface, kind="relay", source=PROXY, **options):
    return wire.Smtp(getattr(postern.ports, kind), source=source, preface=preface, **options)


def newest_mail(postern):
    with wire.Pop3(postern.ports.pop3_plain, source=PROXY, preface=v1("192.0.2.1")) as session:
        assert session.login(postern.user, PASSWORD).startswith(b"+OK")
        return session.retrieve(max(session.unique_ids()))


@pytest.mark.parametrize("preface,client", [
    (v1("192.0.2.7"), "192.0.2.7"), (v1("2001:db8:1::7", "2001:db8::1"), "2001:db8:1::7"),
    (v2("192.0.2.8"), "192.0.2.8"), (v2("2001:db8:2::8"), "2001:db8:2::8"),
    (v2("192.0.2.9", tlvs=b"\x01\0\2h2\x04\0\3abc"), "192.0.2.9"),
    (v2_with_checksum("192.0.2.10"), "192.0.2.10")],
    ids=["v1-4", "v1-6", "v2-4", "v2-6", "v2-tlvs", "v2-crc"])
def test_the_session_sees_the_client(preface, client, proxied):
    since = proxied.log_sizes()
    with smtp(proxied, preface) as session:
        assert session.greeting.code == 220
        session.ehlo()
        mail = messages.plain(1, "a@elsewhere.example", [proxied.user])
        assert session.send_mail("a@elsewhere.example", [proxied.user], mail).code == 250
        session.must(221, "QUIT")
    head = newest_mail(proxied).partition(b"\r\n\r\n")[0]
    assert client.encode() in head and PROXY.encode() not in head, head

    def logged():
        log = proxied.log_text("gateway", since["gateway"])
        return f"client={client}" in log and f"proxy={PROXY}" in log

    wait_until(logged, 5, "client and proxy are in the log")


def test_header_in_pieces_and_commands_right_behind_it(proxied):
    for header in (v1("192.0.2.11"), v2("192.0.2.11", tlvs=b"\x04\0\1x")):
        with wire.Wire(proxied.ports.relay, source=PROXY) as client:
            for octet in header:
                client.send(bytes([octet]))
                time.sleep(0.002)
            assert client.line().startswith(b"220 ")
        with wire.Wire(proxied.ports.imap, source=PROXY, preface=header + b"a CAPABILITY\r\n") as client:
            assert client.line().startswith(b"* OK")
            assert client.line().startswith(b"* CAPABILITY")


@pytest.mark.parametrize("kind,greeting", [("submissions", b"220 "), ("pop3s", b"+OK"),
                                           ("imaps", b"* OK")])
def test_before_implicit_tls(kind, greeting, proxied):
    with wire.Wire(getattr(proxied.ports, kind), source=PROXY, preface=v2("192.0.2.12"),
                   tls=proxied.authority.context()) as client:
        assert client.line().startswith(greeting)


@pytest.mark.parametrize("preface", [b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x20\0\0\0",
                                     v2("192.0.2.13", command=0x20)],
                         ids=["v1-unknown", "v2-local", "v2-local-with-addresses"])
def test_the_proxys_own_checks(preface, proxied):
    since = proxied.log_sizes()
    with smtp(proxied, preface) as session:
        assert session.greeting.code == 220
        session.must(221, "QUIT")
        session.expect_closed()
    wait_until(lambda: f"client={PROXY}" in proxied.log_text("gateway", since["gateway"]), 5,
               "the session is logged as the proxy's own")


def test_limits_and_networks_follow_the_client(proxied):
    """SMTP-17: IPv6 by /64, whatever proxy the connections come through."""
    clients = [f"2001:db8:aa::{number}" for number in range(1, 6)]
    sessions = [smtp(proxied, v2(client)) for client in clients[:3]]
    assert [session.greeting.code for session in sessions] == [220] * 3
    for client in clients[3:]:
        with smtp(proxied, v2(client)) as refused:
            assert refused.greeting.code == 421 and refused.greeting.text.startswith("4.3.2")
    with smtp(proxied, v2("2001:db8:aa:1::1")) as other:
        assert other.greeting.code == 220
    with smtp(proxied, v1("203.0.113.9")) as denied:
        assert denied.greeting.code == 550 and denied.greeting.text.startswith("5.7.1")
    trusted = [smtp(proxied, v1("198.51.100.1")) for _ in range(6)]
    assert [session.greeting.code for session in trusted] == [220] * 6
    for session in sessions + trusted:
        session.close()


@pytest.mark.parametrize("preface", [
    b"EHLO x\r\n", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 99999\r\n", b"PROXY " + b"x" * 200,
    b"\x16\x03\x01\0\1", SIGNATURE + b"\x31\x11\0\0", SIGNATURE + b"\x21\x11\0\1x",
    v2("192.0.2.1", tlvs=b"\x01\0\5abc"), v2_with_checksum("192.0.2.1", spoil=1)],
    ids=["none", "port", "long", "tls", "version", "short", "tlv", "crc"])
def test_malformed_headers_are_cut_off(preface, proxied):
    for port in (proxied.ports.relay, proxied.ports.pop3, proxied.ports.imaps):
        with wire.Wire(port, source=PROXY, preface=preface) as client:
            assert client.expect_closed(5) == b""


def test_only_from_proxies_and_in_time(proxied):
    def refusals():
        return proxied.endpoints.value("gateway", "postern_smtp_connections_refused_total",
                                       reason="proxy")

    before = refusals()
    for source in ("127.0.0.1", "127.0.0.51"):
        with wire.Wire(proxied.ports.relay, source=source, preface=v1("192.0.2.1")) as client:
            assert client.expect_closed(5) == b""
    begin = time.monotonic()
    with wire.Wire(proxied.ports.relay, source=PROXY, preface=b"PROXY TCP4 192.0.2.1") as client:
        assert client.expect_closed(10) == b""
    assert 2 <= time.monotonic() - begin < 8, "proxy_timeout is 2 s"
    wait_until(lambda: refusals() == before + 3, 5, "each refusal is counted")


def test_silent_connections_do_not_hold_a_stop(running_postern):
    rules = {"proxy_protocol": True, "proxy_from": ["127.0.0.0/8"], "proxy_timeout": 60}
    postern, _ = running_postern(users=0, smtp_limits=rules, mailbox_limits=rules)
    clients = [wire.Wire(port, preface=b"PROXY ") for port in
               (postern.ports.relay, postern.ports.imap, postern.ports.pop3)]
    begin = time.monotonic()
    postern.stop()
    assert time.monotonic() - begin < 4, "drain_timeout is 5 s"
    for client in clients:
        assert client.expect_closed(5) == b""
