"""Real mail clients as functions: SENDERS hand in one mail, READERS read a whole mailbox.

Modes: "plain" (no TLS), "starttls" (upgraded), "implicit" (TLS from the first octet). Every client checks the
server's certificate where TLS is used.

A reader returns Mail objects. Some clients store what they read with LF line ends or add fields of their own;
each reader undoes exactly what its client is documented to do, and nothing more.
"""

import imaplib
import os
import poplib
import re
import smtplib
import subprocess
import urllib.parse

from .server import command_path
from .waiting import scaled

PLAIN, STARTTLS, IMPLICIT = "plain", "starttls", "implicit"
MODES = (PLAIN, STARTTLS, IMPLICIT)
TIMEOUT_S = 180

SMTP_KINDS = {PLAIN: "submission_plain", STARTTLS: "submission", IMPLICIT: "submissions"}
POP3_KINDS = {PLAIN: "pop3_plain", STARTTLS: "pop3", IMPLICIT: "pop3s"}
IMAP_KINDS = {PLAIN: "imap_plain", STARTTLS: "imap", IMPLICIT: "imaps"}


def run(command, input_octets=None, folder=None, success=(0,), environment=None):
    """Runs a client; returns its standard output. An unexpected exit status fails with what it said."""
    stdin = {"input": input_octets} if input_octets is not None else {"stdin": subprocess.DEVNULL}
    done = subprocess.run(command, capture_output=True, timeout=scaled(TIMEOUT_S), cwd=folder,
                          env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})}, **stdin)
    assert done.returncode in success, (
        f"{os.path.basename(command[0])} ended with status {done.returncode}:\n"
        f"{done.stdout[-2000:].decode(errors='replace')}\n"
        f"{done.stderr[-4000:].decode(errors='replace')}")
    return done.stdout


def write_private(path, text):
    """A configuration file that only its owner reads; fetchmail and msmtp insist on it."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    return path


def lf(octets):
    return octets.replace(b"\r\n", b"\n")


def crlf(octets):
    assert b"\r" not in octets
    return octets.replace(b"\n", b"\r\n")


# -- senders: (postern, account, mode, recipients, message, folder) -------------------------------


def send_swaks(postern, account, mode, recipients, message, folder):
    # swaks adds the last line end itself, also where one is.
    path = write_private(os.path.join(folder, "swaks.eml"), message.removesuffix(b"\r\n"))
    tls = {PLAIN: [], STARTTLS: ["--tls"], IMPLICIT: ["--tls-on-connect"]}[mode]
    if tls:
        tls += ["--tls-verify", "--tls-ca-path", postern.authority.ca]
    run([command_path("swaks"), "--server", "127.0.0.1",
         "--port", str(getattr(postern.ports, SMTP_KINDS[mode])), "--helo", "swaks.example",
         "--auth", "PLAIN", "--auth-user", account.name, "--auth-password", account.password,
         "--from", account.name, "--to", ",".join(recipients), "--suppress-data",
         "--timeout", f"{scaled(120):.0f}", "--data", f"@{path}", *tls])


def send_curl(postern, account, mode, recipients, message, folder):
    path = write_private(os.path.join(folder, "curl.eml"), message)
    port = getattr(postern.ports, SMTP_KINDS[mode])
    scheme = "smtps" if mode == IMPLICIT else "smtp"
    command = [command_path("curl"), "--silent", "--show-error", "--url",
               f"{scheme}://127.0.0.1:{port}/curl.example", "--user",
               f"{account.name}:{account.password}", "--mail-from", account.name,
               "--upload-file", path, "--cacert", postern.authority.ca]
    for recipient in recipients:
        command += ["--mail-rcpt", recipient]
    if mode == STARTTLS:
        command += ["--ssl-reqd"]
    run(command)


def send_msmtp(postern, account, mode, recipients, message, folder):
    port = getattr(postern.ports, SMTP_KINDS[mode])
    tls = {PLAIN: "tls off\n",
           STARTTLS: f"tls on\ntls_starttls on\ntls_trust_file {postern.authority.ca}\n",
           IMPLICIT: f"tls on\ntls_starttls off\ntls_trust_file {postern.authority.ca}\n"}[mode]
    configuration = write_private(
        os.path.join(folder, "msmtprc"),
        "defaults\nset_date_header off\nset_from_header off\nundisclosed_recipients off\n"
        f"account postern\nhost localhost\nsource_ip 127.0.0.1\nport {port}\n"
        f"domain msmtp.example\nauth plain\nuser {account.name}\npassword \"{account.password}\"\n"
        f"from {account.name}\n{tls}account default : postern\n")
    # msmtp reads LF line ends and sends CRLF.
    run([command_path("msmtp"), "--file", configuration, "--", *recipients], lf(message))


def send_smtplib(postern, account, mode, recipients, message, folder):
    del folder
    port = getattr(postern.ports, SMTP_KINDS[mode])
    context = postern.authority.context()
    options = {"local_hostname": "smtplib.example", "timeout": scaled(TIMEOUT_S)}
    client = (smtplib.SMTP_SSL("127.0.0.1", port, context=context, **options)
              if mode == IMPLICIT else smtplib.SMTP("127.0.0.1", port, **options))
    with client:
        if mode == STARTTLS:
            client.starttls(context=context)
        client.login(account.name, account.password)
        eight_bit = [] if message.isascii() else ["BODY=8BITMIME"]
        refused = client.sendmail(account.name, recipients, message, mail_options=eight_bit)
        assert refused == {}


SENDERS = {"swaks": send_swaks, "curl": send_curl, "msmtp": send_msmtp, "smtplib": send_smtplib}


def send_s_nail(postern, account, mode, recipients, text, folder, subject):
    """s-nail writes its mails itself, from a subject and a text (str with LF)."""
    port = getattr(postern.ports, SMTP_KINDS[mode])
    user, password = (urllib.parse.quote(word, safe="") for word in (account.name, account.password))
    scheme = "submissions" if mode == IMPLICIT else "submission" if mode == STARTTLS else "smtp"
    settings = ["v15-compat=yes", f"mta={scheme}://{user}:{password}@localhost:{port}",
                f"from={account.name}", "smtp-auth=plain", f"tls-ca-file={postern.authority.ca}",
                "tls-verify=strict", "tls-ca-no-defaults", "hostname=s-nail.example"]
    if mode == STARTTLS:
        settings.append("smtp-use-starttls")
    command = [command_path("s-nail"), "-:/", "-#"]
    for setting in settings:
        command += ["-S", setting]
    run([*command, "-s", subject, *recipients], text.encode(), folder,
        environment={"HOME": folder, "MAILRC": "/dev/null"})


# -- readers: (postern, account, mode, folder) -> [stored octets] ---------------------------------


def _curl_url(command, url):
    return run([*command, "--url", url])


def _curl(postern, account, mode):
    command = [command_path("curl"), "--silent", "--show-error", "--user",
               f"{account.name}:{account.password}", "--cacert", postern.authority.ca]
    return command + (["--ssl-reqd"] if mode == STARTTLS else [])


def read_curl_pop3(postern, account, mode, folder):
    del folder
    command = _curl(postern, account, mode)
    scheme = "pop3s" if mode == IMPLICIT else "pop3"
    base = f"{scheme}://127.0.0.1:{getattr(postern.ports, POP3_KINDS[mode])}"
    numbers = [int(line.split()[0]) for line in _curl_url(command, base + "/").splitlines() if line]
    return [_curl_url(command, f"{base}/{number}") for number in numbers]


def read_curl_imap(postern, account, mode, folder):
    del folder
    command = _curl(postern, account, mode)
    scheme = "imaps" if mode == IMPLICIT else "imap"
    base = f"{scheme}://127.0.0.1:{getattr(postern.ports, IMAP_KINDS[mode])}/INBOX"
    listing = run([*command, "--url", base, "--request", "UID FETCH 1:* (UID RFC822.SIZE)"])
    uids = [int(uid) for uid in re.findall(rb"UID (\d+)", listing)]
    return [_curl_url(command, f"{base};UID={uid}") for uid in uids]


def _delivery_agent(folder):
    """(a program that writes its input to a file of its own, the folder of those files)."""
    store = os.path.join(folder, "fetched")
    os.makedirs(store)
    agent = write_private(os.path.join(folder, "agent"),
                          "#!/bin/sh\nexec cat >\"$(mktemp '" + store + "/mail.XXXXXX')\"\n")
    os.chmod(agent, 0o700)
    return agent, store


def _delivered(store):
    """The mails in the agent's folder, which clients hand over with LF line ends."""
    result = []
    for name in sorted(os.listdir(store)):
        with open(os.path.join(store, name), "rb") as file:
            result.append(crlf(file.read()))
    return result


def _fetchmail(postern, account, mode, folder, protocol, kinds):
    agent, store = _delivery_agent(folder)
    tls = {PLAIN: "sslproto ''", STARTTLS: "sslproto 'auto'", IMPLICIT: "ssl"}[mode]
    if mode != PLAIN:
        tls += f" sslcertck sslcertfile '{postern.authority.ca}'"
    configuration = write_private(
        os.path.join(folder, "fetchmailrc"),
        "set invisible\nset no bouncemail\nset no syslog\n"
        f"poll localhost protocol {protocol} port {getattr(postern.ports, kinds[mode])}\n"
        f"  auth password user '{account.name}' there with password '{account.password}'\n"
        f"  {tls} no rewrite no mimedecode keep fetchall mda '{agent}'\n")
    run([command_path("fetchmail"), "--fetchmailrc", configuration, "--idfile",
         os.path.join(folder, "ids"), "--pidfile", os.path.join(folder, "pid"), "--nodetach",
         "--daemon", "0"], environment={"HOME": folder, "FETCHMAILHOME": folder})
    return _delivered(store)


def read_fetchmail_pop3(postern, account, mode, folder):
    return _fetchmail(postern, account, mode, folder, "pop3", POP3_KINDS)


def read_fetchmail_imap(postern, account, mode, folder):
    return _fetchmail(postern, account, mode, folder, "imap", IMAP_KINDS)


def read_mbsync(postern, account, mode, folder):
    kind = IMAP_KINDS[mode]
    tls = {PLAIN: "None", STARTTLS: "STARTTLS", IMPLICIT: "IMAPS"}[mode]
    maildir = os.path.join(folder, "maildir")
    os.makedirs(maildir, exist_ok=True)
    configuration = write_private(os.path.join(folder, "mbsyncrc"), f"""\
IMAPAccount postern
Host localhost
Port {getattr(postern.ports, kind)}
User {account.name}
Pass "{account.password}"
SSLType {tls}
SystemCertificates no
CertificateFile {postern.authority.ca}
AuthMechs LOGIN

IMAPStore far
Account postern

MaildirStore near
Inbox {maildir}/INBOX
Path {maildir}/

Channel inbox
Far :far:INBOX
Near :near:INBOX
Sync Pull New
Create Near
SyncState *
""")
    run([command_path("mbsync"), "--config", configuration, "--all"],
        environment={"HOME": folder})
    result = []
    for part in ("new", "cur"):
        mails = os.path.join(maildir, "INBOX", part)
        for name in sorted(os.listdir(mails)):
            with open(os.path.join(mails, name), "rb") as file:
                octets = file.read()
            # mbsync marks a mail it is about to store, and writes LF line ends into a Maildir.
            octets = re.sub(rb"\A((?:[^\n]+\n)*?)X-TUID: \S{12}\n", rb"\1", octets, count=1)
            result.append(crlf(octets))
    return result


def read_mpop(postern, account, mode, folder):
    agent, store = _delivery_agent(folder)
    tls = {PLAIN: "tls off\n",
           STARTTLS: f"tls on\ntls_starttls on\ntls_trust_file {postern.authority.ca}\n",
           IMPLICIT: f"tls on\ntls_starttls off\ntls_trust_file {postern.authority.ca}\n"}[mode]
    configuration = write_private(
        os.path.join(folder, "mpoprc"),
        f"account postern\nhost localhost\nport {getattr(postern.ports, POP3_KINDS[mode])}\n"
        f"user {account.name}\npassword \"{account.password}\"\nauth plain\nkeep on\n{tls}"
        f"delivery mda {agent}\nuidls_file {folder}/uidls\nreceived_header off\n"
        "account default : postern\n")
    run([command_path("mpop"), "--file", configuration], environment={"HOME": folder})
    return _delivered(store)


def read_getmail(postern, account, mode, folder):
    assert mode != STARTTLS, "getmail6 has no STLS"
    agent, store = _delivery_agent(folder)  # its own Maildir delivery refuses to run as root
    kind = "SimplePOP3SSLRetriever" if mode == IMPLICIT else "SimplePOP3Retriever"
    trust = f"ca_certs = {postern.authority.ca}\n" if mode == IMPLICIT else ""
    write_private(
        os.path.join(folder, "getmailrc"),
        f"[retriever]\ntype = {kind}\nserver = localhost\nusername = {account.name}\n"
        f"port = {getattr(postern.ports, POP3_KINDS[mode])}\npassword = {account.password}\n{trust}"
        f"[destination]\ntype = MDA_external\npath = {agent}\nallow_root_commands = true\n"
        "[options]\nread_all = true\ndelete = false\nreceived = false\ndelivered_to = false\n")
    run([command_path("getmail"), "--getmaildir", folder, "--rcfile", "getmailrc"],
        environment={"HOME": folder})
    return _delivered(store)


def read_poplib(postern, account, mode, folder):
    del folder
    context = postern.authority.context()
    port = getattr(postern.ports, POP3_KINDS[mode])
    timeout_s = scaled(TIMEOUT_S)
    client = (poplib.POP3_SSL("127.0.0.1", port, context=context, timeout=timeout_s)
              if mode == IMPLICIT else poplib.POP3("127.0.0.1", port, timeout=timeout_s))
    if mode == STARTTLS:
        client.stls(context)
    client.user(account.name)
    client.pass_(account.password)
    count, octets = client.stat()
    result = [b"".join(line + b"\r\n" for line in client.retr(number)[1])
              for number in range(1, count + 1)]
    assert sum(map(len, result)) == octets, "STAT disagrees with the mails"
    client.quit()
    return result


def read_imaplib(postern, account, mode, folder):
    del folder
    context = postern.authority.context()
    port = getattr(postern.ports, IMAP_KINDS[mode])
    timeout_s = scaled(TIMEOUT_S)
    client = (imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=context, timeout=timeout_s)
              if mode == IMPLICIT else imaplib.IMAP4("127.0.0.1", port, timeout=timeout_s))
    if mode == STARTTLS:
        client.starttls(context)
    client.login(account.name, account.password)
    status, count = client.select("INBOX", readonly=True)
    assert status == "OK", count
    result = []
    for number in range(1, int(count[0]) + 1):
        status, data = client.fetch(str(number), "(RFC822.SIZE BODY.PEEK[])")
        assert status == "OK", data
        size = int(re.search(rb"RFC822\.SIZE (\d+)", data[0][0])[1])
        assert len(data[0][1]) == size, "RFC822.SIZE disagrees with the mail"
        result.append(data[0][1])
    client.logout()
    return result


READERS = {
    "curl-pop3": read_curl_pop3, "curl-imap": read_curl_imap,
    "fetchmail-pop3": read_fetchmail_pop3, "fetchmail-imap": read_fetchmail_imap,
    "mbsync": read_mbsync, "mpop": read_mpop, "poplib": read_poplib, "imaplib": read_imaplib,
}
