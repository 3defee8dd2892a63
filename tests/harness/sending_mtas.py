"""Postfix and Exim as clients: mail is given to them, and they relay it to a Postern.

Each lives in a folder of its own, runs as root does its services (the tests that use them are run as root), and
is handed mail by SMTP on loopback (Postfix) or on standard input (Exim).
"""

import os
import pwd
import shutil
import subprocess

from . import ports, wire
from .mail_clients import run
from .server import command_path, wait_listening

HERE = os.path.dirname(os.path.abspath(__file__))


class Postfix:
    """relay_port: where it sends everything. authority: a path makes it use TLS and check the certificate."""

    def __init__(self, folder, relay_port, authority=None, extra=()):
        self.folder = str(folder)
        self.port = ports.free_port()
        etc = os.path.join(self.folder, "etc")
        for name in ("etc", "queue", "data"):
            os.makedirs(os.path.join(self.folder, name))
        os.chmod(self.folder, 0o755)
        shutil.chown(os.path.join(self.folder, "data"), "postfix")
        settings = [
            "compatibility_level = 3.6", f"queue_directory = {self.folder}/queue",
            f"data_directory = {self.folder}/data", "myhostname = postfix.example",
            f"maillog_file = {self.folder}/maillog", f"maillog_file_prefixes = {self.folder}",
            "mydestination =", "inet_interfaces = 127.0.0.1", "inet_protocols = ipv4",
            "mynetworks = 127.0.0.0/8", "alias_maps =", "smtputf8_enable = yes",
            "smtpd_peername_lookup = no", f"relayhost = [localhost]:{relay_port}",
            "smtp_host_lookup = native", "smtp_dns_support_level = disabled",
            "minimal_backoff_time = 300s", *extra]
        if authority:
            settings += ["smtp_tls_security_level = secure", f"smtp_tls_CAfile = {authority}",
                         "smtp_tls_secure_cert_match = nexthop", "smtp_tls_loglevel = 1"]
        with open(os.path.join(etc, "main.cf"), "w", encoding="utf-8") as file:
            file.write("\n".join(settings) + "\n")
        defaults = run([command_path("postconf"), "-d", "-h", "meta_directory"]).decode().strip()
        with open(os.path.join(defaults, "master.cf"), encoding="utf-8") as file:
            lines = [line for line in file if line.strip() and not line.startswith(("#", " ", "\t"))]
        services = []
        for line in lines:
            fields = line.split()
            if fields[1] in ("unix", "unix-dgram") and fields[0] not in ("pickup", "maildrop"):
                services.append(" ".join(fields[:4] + ["n"] + fields[5:]))
        services.append(f"127.0.0.1:{self.port} inet n - n - - smtpd")
        services = [line for line in services if not line.split()[-1].startswith(("flags", "pipe"))]
        with open(os.path.join(etc, "master.cf"), "w", encoding="utf-8") as file:
            file.write("\n".join(services) + "\n")
        self.etc = etc

    def __enter__(self):
        run([command_path("postfix"), "-c", self.etc, "start"])
        wait_listening(self.port)
        return self

    def __exit__(self, *_):
        subprocess.run([command_path("postfix"), "-c", self.etc, "stop"], capture_output=True,
                       stdin=subprocess.DEVNULL, timeout=60)

    def log(self):
        path = os.path.join(self.folder, "maillog")
        if not os.path.exists(path):
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def send(self, sender, recipients, message, mail_parameters="", rcpt_parameters=""):
        """Hands the mail over; the relaying happens behind it."""
        with wire.Smtp(self.port) as session:
            session.ehlo()
            session.must(250, f"MAIL FROM:<{sender}>{mail_parameters}")
            for recipient in recipients:
                session.must(250, f"RCPT TO:<{recipient}>{rcpt_parameters}")
            session.must(354, "DATA")
            session.send(wire.messages.dot_stuffed(message))
            assert session.reply().code == 250
            session.must(221, "QUIT")


class Exim:
    """Like Postfix; it delivers in the foreground, so send() returns when the mail is out or has failed."""

    def __init__(self, folder, relay_port, authority=None):
        self.folder = str(folder)
        self.program = run([os.path.join(HERE, "unpack-exim")]).decode().strip()
        user = pwd.getpwnam("Debian-exim")
        os.chmod(self.folder, 0o755)
        for name in ("spool", "spool/log"):
            path = os.path.join(self.folder, name)
            os.makedirs(path)
            os.chown(path, user.pw_uid, user.pw_gid)
        trust = os.path.join(self.folder, "ca.pem")
        tls = "  hosts_avoid_tls = *\n"
        if authority:
            shutil.copy(authority, trust)
            os.chmod(trust, 0o644)
            tls = f"  hosts_require_tls = *\n  tls_verify_certificates = {trust}\n"
            tls += "  tls_verify_hosts = *\n  tls_verify_cert_hostnames = *\n"
        self.configuration = os.path.join(self.folder, "exim.conf")
        with open(self.configuration, "w", encoding="utf-8") as file:
            file.write(f"""\
spool_directory = {self.folder}/spool
log_file_path = {self.folder}/spool/log/%slog
log_selector = +all
primary_hostname = exim.example
dsn_advertise_hosts = *
smtputf8_advertise_hosts = *
chunking_advertise_hosts = *
deliver_drop_privilege = true
host_lookup =
acl_not_smtp = accept
acl_smtp_rcpt = accept
acl_smtp_data = accept
begin routers
all:
  driver = manualroute
  transport = relay
  route_list = * localhost byname
  self = send
  host_find_failed = fail
begin transports
relay:
  driver = smtp
  port = {relay_port}
  allow_localhost
{tls}begin retry
* * F,1h,5m
""")
        os.chmod(self.configuration, 0o644)

    def log(self):
        path = os.path.join(self.folder, "spool", "log", "mainlog")
        if not os.path.exists(path):
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def send(self, sender, recipients, message, mail_parameters="", rcpt_parameters=""):
        """Local SMTP on standard input, delivered before it returns."""
        script = f"EHLO local.example\r\nMAIL FROM:<{sender}>{mail_parameters}\r\n"
        for recipient in recipients:
            script += f"RCPT TO:<{recipient}>{rcpt_parameters}\r\n"
        octets = (script + "DATA\r\n").encode() + wire.messages.dot_stuffed(message) + b"QUIT\r\n"
        said = run([self.program, "-C", self.configuration, "-odf", "-bs"], octets)
        assert b"\r\n250 OK id=" in said or b"\n250 OK id=" in said, said.decode(errors="replace")
