"""An OpenSMTPD of the tests' own, which knows neither PIPELINING nor CHUNKING: its paths are compiled in, so that
it runs in a mount name space where these are its own."""

import pathlib
import re
import shutil
import subprocess

from dovecot import PASSWORD, USER
from mail_server import MailServer
from process import Process, free_port

# Where scripts/install-packages has unpacked it: beside Postfix it cannot be installed.
UNPACKED = pathlib.Path("/var/cache/outbox-lab/opensmtpd")
PROGRAM = UNPACKED / "usr/sbin/smtpd"
OWNER = "opensmtpq"

# Nothing of this is seen outside.
MOUNTS = """
set -e
for place in /var/spool /usr/libexec /var/lib /run; do mount -t tmpfs outbox-test "$place"; done
mkdir -p /var/spool/smtpd /usr/libexec/opensmtpd /var/lib/opensmtpd/empty
chmod 711 /var/lib/opensmtpd/empty
mount --bind "$1" /var/spool/smtpd
for helpers in "$2"/usr/libexec/opensmtpd "$2"/usr/lib/*/opensmtpd; do
    if [ -d "$helpers" ]; then mount --bind "$helpers" /usr/libexec/opensmtpd; fi
done
exec "$2/usr/sbin/smtpd" -d -v -f "$3"
"""

CONFIGURATION = """
pki lab cert "{directory}/etc/certificate"
pki lab key "{directory}/etc/key"
table users {{ "{user}" = "{hash}" }}
table everybody {{ "@" = "{owner}" }}
{options}
listen on 127.0.0.1 port {smtp} hostname mail.lab.test {listen}
listen on 127.0.0.1 port {submission} tls-require pki lab hostname mail.lab.test auth <users>
listen on 127.0.0.1 port {submissions} smtps pki lab hostname mail.lab.test auth <users>
action "kept" maildir "{directory}/mail" virtual <everybody>
match from any auth for rcpt-to "refused@lab.test" reject
match from any for rcpt-to "refused@lab.test" reject
match from any for domain "lab.test" action "kept"
"""

# The TLS of release 6.8, which Debian 12 has, loses its private key with OpenSSL 3: what it takes out of the key
# is a copy there. This puts it back. https://github.com/OpenSMTPD/OpenSMTPD/issues/1171
KEPT_KEY = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

RSA *EVP_PKEY_get1_RSA(EVP_PKEY *key)
{
    RSA *rsa = ((RSA *(*)(EVP_PKEY *))dlsym(RTLD_NEXT, "EVP_PKEY_get1_RSA"))(key);

    if (rsa)
        EVP_PKEY_set1_RSA(key, rsa);
    return rsa;
}

EC_KEY *EVP_PKEY_get1_EC_KEY(EVP_PKEY *key)
{
    EC_KEY *ec = ((EC_KEY *(*)(EVP_PKEY *))dlsym(RTLD_NEXT, "EVP_PKEY_get1_EC_KEY"))(key);

    if (ec)
        EVP_PKEY_set1_EC_KEY(key, ec);
    return ec;
}
"""

TRACE_FIELDS = re.compile(
    rb"(?:Return-Path: <(?P<sender>[^\n]*)>\n)?"
    rb"Delivered-To: (?P<recipient>[^\n]*)\n"
    rb"Received: [^\n]*\n(?:[ \t][^\n]*\n)*"
)


def release():
    said = subprocess.run([PROGRAM, "-h"], capture_output=True, check=False)
    return tuple(int(n) for n in re.search(r"OpenSMTPD (\d+)\.(\d+)", (said.stdout + said.stderr).decode()).groups())


class OpenSmtpd(MailServer):
    """`port` has "smtp", which is in clear, "submission", which requires STARTTLS, and "submissions"; the last two
    require a login. `options` are lines of smtpd.conf(5), `listen` options of the first port.
    Without `keeps_key` its TLS fails, where it does so by itself."""

    log_name = "smtpd.log"
    inbox_name = "mail"
    trace_fields = TRACE_FIELDS

    def __init__(self, directory, certificates, options="", listen="", keeps_key=True):
        super().__init__(directory)
        self.keeps_key = keeps_key
        self.port = {name: free_port() for name in ("smtp", "submission", "submissions")}
        self._lay_out(certificates)
        self.configuration = self.directory / "etc/smtpd.conf"
        hashed = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=PASSWORD.encode(),
                                capture_output=True, check=True).stdout.decode().strip()
        self.configuration.write_text(
            CONFIGURATION.format(directory=self.directory, user=USER, hash=hashed, owner=OWNER, options=options,
                                 listen=listen, **self.port), encoding="ascii")
        self.start()

    def _lay_out(self, certificates):
        for name in ("", "etc", "spool", "mail"):
            (self.directory / name).mkdir(mode=0o755)
        (self.directory / "spool").chmod(0o711)
        shutil.chown(self.directory / "mail", OWNER)
        shutil.copy(certificates.certificate("localhost"), self.directory / "etc/certificate")
        shutil.copy(certificates.key("localhost"), self.directory / "etc/key")
        (self.directory / "etc/key").chmod(0o600)

    def _keep_key(self):
        """A wrapper."""
        if release() > (6, 8) or not self.keeps_key:
            return ()
        source, library = self.directory / "kept-key.c", self.directory / "kept-key.so"
        source.write_text(KEPT_KEY, encoding="ascii")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-w", "-o", library, source], check=True)
        return ("env", f"LD_PRELOAD={library}")

    def start(self):
        self.process = Process(
            [*self._keep_key(), "unshare", "-m", "--propagation", "private", "sh", "-c", MOUNTS, "sh",
             self.directory / "spool", UNPACKED, self.configuration],
            self.directory / self.log_name)
        for port in self.port.values():
            self.process.wait_for_port(port)
