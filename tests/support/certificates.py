"""A certificate authority of the tests, and what it signs; made by the openssl command."""

import os
import pathlib
import subprocess

CONFIGURATION = """
[ca]
default_ca = lab
[lab]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = anything
unique_subject = no
preserve = yes
[anything]
C = optional
ST = optional
O = optional
CN = supplied
emailAddress = optional
[req]
distinguished_name = name
prompt = no
[name]
commonName = lab
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = ${ENV::NAMES}
[asked]
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = ${ENV::NAMES}
authorityInfoAccess = OCSP;URI:${ENV::ASKED}/ocsp
crlDistributionPoints = URI:${ENV::ASKED}/crl
[nameless]
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth
[client]
basicConstraints = CA:FALSE
extendedKeyUsage = clientAuth
"""

CURRENT = ("20200101000000Z", "20491231235959Z")
HERE = "DNS:localhost,DNS:mail.lab.test,IP:127.0.0.1,IP:::1"
EXPIRED = ("20200101000000Z", "20200201000000Z")


class Signer:
    """The openssl command in a directory, with what it keeps of certificates that it signs.

    `sections` are more kinds of certificates than those above, in openssl's words."""

    def __init__(self, directory, serial, sections=""):
        self.directory = pathlib.Path(directory)
        (self.directory / "openssl.cnf").write_text(CONFIGURATION + sections, encoding="ascii")
        (self.directory / "index.txt").touch()
        (self.directory / "serial").write_text(f"{serial}\n", encoding="ascii")

    def openssl(self, *arguments, names="DNS:unused.lab.test", asked="http://unused.lab.test"):
        subprocess.run(
            ["openssl", *arguments],
            cwd=self.directory,
            env={**os.environ, "NAMES": names, "ASKED": asked},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        )

    def sign(self, name, kind, subject, authority, dates=CURRENT, **values):
        """Makes NAME.pem for NAME.key, signed by that of the authority, None: by itself."""
        self.openssl("req", "-new", "-config", "openssl.cnf", "-key", f"{name}.key", "-subj", subject,
                     "-out", f"{name}.csr", **values)
        signer = ("-cert", f"{authority}.pem", "-keyfile", f"{authority}.key") if authority else (
            "-selfsign", "-keyfile", f"{name}.key")
        self.openssl("ca", "-batch", "-notext", "-config", "openssl.cnf", "-extensions", kind, *signer,
                     "-startdate", dates[0], "-enddate", dates[1], "-in", f"{name}.csr", "-out", f"{name}.pem", **values)


class Certificates:
    """Makes NAME.pem (certificate) and NAME.key below a directory.

    localhost, wrong-name and expired are of the authority "ca"; stranger is of the authority
    "stranger-ca", which nobody trusts; chained is of "middle-ca", whom "ca" has signed, and comes
    without it; nameless has its host as a common name alone; alice is a client's, its common name a user's."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(mode=0o755)
        self._signer = Signer(self.directory, "1000")
        self._signed("ca", "authority", "ca", authority=None)
        self._signed("stranger-ca", "authority", "stranger-ca", authority=None)
        self._signed("localhost", "server", "localhost", names=HERE)
        self._signed("wrong-name", "server", "wrong", names="DNS:other.lab.test")
        self._signed("expired", "server", "localhost", names=HERE, dates=EXPIRED)
        self._signed("stranger", "server", "localhost", names=HERE, authority="stranger-ca")
        self._signed("middle-ca", "authority", "middle-ca")
        self._signed("chained", "server", "localhost", names=HERE, authority="middle-ca")
        self._signed("nameless", "nameless", "localhost")
        self._signed("alice", "client", "alice")

    def certificate(self, name):
        return self.directory / f"{name}.pem"

    def key(self, name):
        return self.directory / f"{name}.key"

    def chain(self, name):
        """Key and certificate in one file, the key first, as Postfix wants it."""
        path = self.directory / f"{name}.chain"
        if not path.exists():
            path.write_bytes(self.key(name).read_bytes() + self.certificate(name).read_bytes())
            path.chmod(0o600)
        return path

    def asked(self, name, url):
        """Makes NAME, a server's, which says that it is confirmed, or revoked, below this address."""
        self._signed(name, "asked", "localhost", names=HERE, asked=url)

    def named(self, name, names):
        """Makes NAME, a server's, for these names ("DNS:a.lab.test,DNS:b.lab.test")."""
        self._signed(name, "server", name, names=names)

    def ending(self, name, kind, end):
        """Makes NAME, "server" or "client", which ends then."""
        self._signed(name, kind, "localhost", names=HERE, dates=(CURRENT[0], end))

    def revoke(self, name):
        self._signer.openssl(*("ca", "-config", "openssl.cnf", "-cert", "ca.pem", "-keyfile", "ca.key"), "-revoke", f"{name}.pem")

    def ocsp(self, request=None, name=None):
        """The authority's answer to a request, or about a certificate."""
        (self.directory / "request").write_bytes(request or b"")
        about = ["-reqin", "request"] if request else ["-issuer", "ca.pem", "-cert", f"{name}.pem"]
        self._signer.openssl(
            *("ocsp", "-index", "index.txt", "-CA", "ca.pem", "-rsigner", "ca.pem", "-rkey", "ca.key", "-nmin", "60"),
            *about, "-respout", "answer",
        )
        return (self.directory / "answer").read_bytes()

    def crl(self):
        """The authority's list, DER."""
        self._signer.openssl(
            *("ca", "-config", "openssl.cnf", "-cert", "ca.pem", "-keyfile", "ca.key"),
            *("-gencrl", "-crlhours", "1", "-out", "list.pem"),
        )
        self._signer.openssl("crl", "-in", "list.pem", "-outform", "DER", "-out", "list")
        return (self.directory / "list").read_bytes()

    def _signed(self, name, kind, subject, names="DNS:unused", dates=CURRENT, authority="ca", asked=""):
        self._signer.openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")
        self._signer.sign(name, kind, f"/CN={subject}", authority, dates, names=names, asked=asked)
