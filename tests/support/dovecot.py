"""A Dovecot of the tests' own: SASL for Postfix, and a submission service of another make."""

import base64
import hashlib
import hmac
import json
import pathlib
import subprocess
import time

from process import Process, free_port

USER = "alice"
PASSWORD = "wonder land"
TOKEN_KEY = b"a key that only the tests' Dovecot and the tests know"

MECHANISMS = (
    *("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"),
    *("XOAUTH2", "OAUTHBEARER", "EXTERNAL"),
)

CONFIGURATION = """
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/dovecot.log
protocols = submission
listen = 127.0.0.1
mail_location = maildir:{directory}/home/%u
hostname = mail.lab.test
submission_relay_host = 127.0.0.1
submission_relay_port = {relay_port}
submission_relay_trusted = no
submission_max_recipients = 1000

ssl = required
ssl_cert = <{certificate}
ssl_key = <{key}
ssl_ca = <{ca}
ssl_verify_client_cert = yes
ssl_require_crl = no
ssl_cert_username_field = commonName
auth_ssl_username_from_cert = yes
auth_ssl_require_client_cert = no
disable_plaintext_auth = no

auth_mechanisms = plain login cram-md5 digest-md5 scram-sha-1 scram-sha-256 xoauth2 oauthbearer external
auth_failure_delay = 0
auth_debug = yes

passdb {{
  driver = static
  mechanisms = external
  args = nopassword=y
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {directory}/etc/oauth2.conf
}}
passdb {{
  driver = passwd-file
  mechanisms = plain login cram-md5 digest-md5 scram-sha-1 scram-sha-256
  args = {directory}/etc/users
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={directory}/home/%u
}}

service auth {{
  unix_listener {directory}/sasl {{
    mode = 0666
  }}
}}
# No delay after failed logins from one address: all of them come from this one.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service submission-login {{
  inet_listener submission {{
    port = {submission}
  }}
  inet_listener submissions {{
    port = {submissions}
    ssl = yes
  }}
}}
"""

OAUTH2 = """
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={directory}/keys/
username_attribute = sub
"""


def is_supported():
    """Whether the installed Dovecot reads a configuration of this form."""
    result = subprocess.run(["dovecot", "--version"], capture_output=True, text=True, check=False)
    return result.stdout.startswith("2.3.")


def token(user=USER, seconds=3600):
    """A JSON Web Token (RFC 7519) that lets the user in for so long."""

    def encode(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    claims = {"sub": user, "iat": int(time.time()) - 10, "exp": int(time.time()) + seconds}
    signed = b".".join(
        encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)
    )
    signature = hmac.new(TOKEN_KEY, signed, hashlib.sha256).digest()
    return (signed + b"." + encode(signature)).decode("ascii")


class Dovecot:
    """Runs below a directory that does not exist yet. Its submission service hands everything on to
    relay_port of this machine."""

    def __init__(self, directory, certificates, relay_port):
        self.directory = pathlib.Path(directory)
        self.sasl = self.directory / "sasl"
        self.port = {"submission": free_port(), "submissions": free_port()}
        self._lay_out(certificates, relay_port)
        self.process = Process(
            ["dovecot", "-F", "-c", self.directory / "etc/dovecot.conf"],
            self.directory / "output.log",
        )
        for port in self.port.values():
            self.process.wait_for_port(port)

    def _lay_out(self, certificates, relay_port):
        for name in ("", "etc", "run", "state", "home", "keys", "keys/default", "keys/default/HS256"):
            (self.directory / name).mkdir(mode=0o755)
        (self.directory / "home").chmod(0o777)
        (self.directory / "keys/default/HS256/default").write_bytes(base64.b64encode(TOKEN_KEY))
        (self.directory / "etc/users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n", encoding="ascii")
        (self.directory / "etc/oauth2.conf").write_text(
            OAUTH2.format(directory=self.directory), encoding="ascii"
        )
        (self.directory / "etc/dovecot.conf").write_text(
            CONFIGURATION.format(
                directory=self.directory, relay_port=relay_port, **self.port,
                certificate=certificates.certificate("localhost"),
                key=certificates.key("localhost"), ca=certificates.certificate("ca"),
            ),
            encoding="ascii",
        )

    def log(self):
        path = self.directory / "dovecot.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def stop(self):
        self.process.stop()
