"""A throw-away certificate authority and server certificates, made with the openssl command."""

import itertools
import os
import ssl
import subprocess

NAMES = "DNS:localhost,DNS:mail.postern.test,IP:127.0.0.1,IP:::1"


_NUMBERS = itertools.count(1)


def _openssl(*arguments):
    done = subprocess.run(("openssl",) + arguments, capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"openssl {arguments[0]} failed:\n{done.stderr}"


class Authority:
    """ca.pem, server.pem (leaf first, then the authority) and server.key in `folder`."""

    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.ca = os.path.join(folder, "ca.pem")
        self.certificate = os.path.join(folder, "server.pem")
        self.key = os.path.join(folder, "server.key")
        self.folder = folder
        self.ca_key = ca_key = os.path.join(folder, "ca.key")
        leaf = os.path.join(folder, "leaf.pem")
        request = os.path.join(folder, "server.csr")
        extensions = os.path.join(folder, "extensions.cnf")
        with open(extensions, "w", encoding="ascii") as file:
            file.write(f"subjectAltName={NAMES}\nbasicConstraints=critical,CA:FALSE\n"
                       "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n")
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                 "-nodes", "-keyout", ca_key, "-out", self.ca, "-days", "2",
                 "-subj", "/CN=Postern test authority",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-keyout", self.key, "-out", request, "-subj", "/CN=mail.postern.test")
        _openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", ca_key,
                 "-CAcreateserial", "-days", "2", "-extfile", extensions, "-out", leaf)
        with open(self.certificate, "w", encoding="ascii") as chain:
            for part in (leaf, self.ca):
                with open(part, encoding="ascii") as file:
                    chain.write(file.read())

    def issue(self, common_name, alternative_names="", usage="serverAuth", rsa=False):
        """A certificate signed by this authority; returns the paths of certificate and key."""
        base = os.path.join(self.folder, f"issued-{os.getpid()}-{next(_NUMBERS)}")
        with open(base + ".cnf", "w", encoding="ascii") as file:
            file.write("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
                       f"extendedKeyUsage={usage}\n"
                       + (f"subjectAltName={alternative_names}\n" if alternative_names else ""))
        kind = ("rsa:2048",) if rsa else ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
        _openssl("req", "-newkey", *kind, "-nodes", "-keyout", base + ".key", "-out", base + ".csr",
                 "-subj", f"/CN={common_name}")
        _openssl("x509", "-req", "-in", base + ".csr", "-CA", self.ca, "-CAkey", self.ca_key,
                 "-set_serial", str(1000 + next(_NUMBERS)), "-days", "2", "-extfile", base + ".cnf",
                 "-out", base + ".pem")
        return base + ".pem", base + ".key"

    def context(self):
        """A client context that trusts this authority only and checks the name."""
        return ssl.create_default_context(cafile=self.ca)
