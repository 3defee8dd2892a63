"""A throw-away certificate authority and server certificates, made with the openssl command."""

import os
import ssl
import subprocess

NAMES = "DNS:localhost,DNS:mail.postern.test,IP:127.0.0.1,IP:::1"


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
        ca_key = os.path.join(folder, "ca.key")
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

    def context(self):
        """A client context that trusts this authority only and checks the name."""
        return ssl.create_default_context(cafile=self.ca)
