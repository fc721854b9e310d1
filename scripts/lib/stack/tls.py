"""A certificate authority of our own, and a certificate of it for this machine."""

import subprocess

from . import stack as core


def make_certificates(folder):
    """Makes ca.pem, server.pem and server.key (PKCS #8) where they are not there."""
    if (folder / "server.pem").exists():
        return
    folder.mkdir(exist_ok=True)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-days", "3650", "-subj", "/CN=Wissel test authority",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout", folder / "ca.key", "-out", folder / "ca.pem")
    openssl("req", *key, "-subj", "/CN=localhost", "-keyout", folder / "server.key",
            "-out", folder / "server.csr")
    extensions = folder / "server.ext"
    extensions.write_text("subjectAltName=DNS:localhost,DNS:mail.shop.example,IP:127.0.0.1\n"
                          "basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n",
                          encoding="ascii")
    openssl("x509", "-req", "-in", folder / "server.csr", "-CA", folder / "ca.pem",
            "-CAkey", folder / "ca.key", "-CAcreateserial", "-days", "3650",
            "-extfile", extensions, "-out", folder / "server.pem")


def openssl(*arguments):
    result = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True,
                            check=False)
    if result.returncode != 0:
        raise core.StackError(f"openssl {arguments[0]} failed:\n{result.stderr}")
