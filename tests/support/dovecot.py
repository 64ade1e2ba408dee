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

PASSWORD_MECHANISMS = ("plain", "login", "cram-md5", "digest-md5", "scram-sha-1", "scram-sha-256")
BOUND_MECHANISMS = ("scram-sha-1-plus", "scram-sha-256-plus")  # of release 2.4

# What both releases understand.
COMMON = """
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/dovecot.log
protocols = submission
listen = 127.0.0.1
hostname = mail.lab.test
submission_relay_host = 127.0.0.1
submission_relay_port = {relay_port}
submission_relay_trusted = no
submission_max_recipients = 1000

ssl = yes
auth_ssl_username_from_cert = yes
auth_ssl_require_client_cert = no
auth_mechanisms = {passwords} xoauth2 oauthbearer external
auth_failure_delay = 0

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

RELEASE_2_3 = """
mail_location = maildir:{directory}/home/%u
disable_plaintext_auth = no
ssl_cert = <{certificate}
ssl_key = <{key}
ssl_ca = <{ca}
ssl_verify_client_cert = yes
ssl_require_crl = no
ssl_cert_username_field = commonName

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
  mechanisms = {passwords}
  args = {directory}/etc/users
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={directory}/home/%u
}}
"""

# Beside all that, where a realm is given.
KERBEROS = """
auth_gssapi_hostname = "$ALL"
auth_krb5_keytab = {keytab}
"""
KERBEROS_2_3 = KERBEROS + "import_environment = KRB5_CONFIG={configuration}\n"
KERBEROS_2_4 = KERBEROS + "import_environment {{\n  KRB5_CONFIG = {configuration}\n}}\n"

OAUTH2_2_3 = """
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={directory}/keys/
username_attribute = sub
"""

RELEASE_2_4 = """
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
mail_driver = maildir
mail_path = {directory}/home/%{{user}}
auth_allow_cleartext = yes
ssl_server_cert_file = {certificate}
ssl_server_key_file = {key}
ssl_server_ca_file = {ca}
ssl_server_request_client_cert = yes
ssl_server_require_crl = no
ssl_server_cert_username_field = commonName

oauth2 {{
  introspection_mode = local
  username_attribute = sub
}}
oauth2_local_validation {{
  dict fs {{
    fs posix {{
      prefix = {directory}/keys/
    }}
  }}
}}
passdb static {{
  mechanisms_filter = external
  fields {{
    nopassword = yes
  }}
}}
passdb oauth2 {{
  mechanisms_filter = xoauth2 oauthbearer
}}
passdb passwd-file {{
  mechanisms_filter = {passwords}
  passwd_file_path = {directory}/etc/users
}}
userdb static {{
  fields {{
    uid = 65534
    gid = 65534
    home = {directory}/home/%{{user}}
  }}
}}
"""


def is_2_3():
    """Whether this is Debian 12's release; the next one has other names for most settings."""
    result = subprocess.run(["dovecot", "--version"], capture_output=True, text=True, check=True)
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
    relay_port of this machine. With a `kerberos` realm it takes its tickets, too."""

    def __init__(self, directory, certificates, relay_port, kerberos=None):
        self.directory = pathlib.Path(directory)
        self.sasl = self.directory / "sasl"
        self.port = {"submission": free_port(), "submissions": free_port()}
        self._lay_out(certificates, relay_port, kerberos)
        self.process = Process(
            ["dovecot", "-F", "-c", self.directory / "etc/dovecot.conf"],
            self.directory / "output.log",
        )
        for port in self.port.values():
            self.process.wait_for_port(port)

    def _lay_out(self, certificates, relay_port, kerberos):
        for name in ("", "etc", "run", "state", "home", "keys", "keys/default", "keys/default/HS256"):
            (self.directory / name).mkdir(mode=0o755)
        (self.directory / "home").chmod(0o777)
        (self.directory / "keys/default/HS256/default").write_bytes(base64.b64encode(TOKEN_KEY))
        (self.directory / "etc/users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n", encoding="ascii")
        (self.directory / "etc/oauth2.conf").write_text(
            OAUTH2_2_3.format(directory=self.directory), encoding="ascii"
        )
        passwords = PASSWORD_MECHANISMS if is_2_3() else PASSWORD_MECHANISMS + BOUND_MECHANISMS
        configuration = (RELEASE_2_3 if is_2_3() else RELEASE_2_4) + COMMON
        realm = {}
        if kerberos:
            passwords = (*passwords, "gssapi")
            configuration += KERBEROS_2_3 if is_2_3() else KERBEROS_2_4
            realm = {"keytab": kerberos.service_keytab, "configuration": kerberos.configuration}
        (self.directory / "etc/dovecot.conf").write_text(
            configuration.format(
                directory=self.directory, relay_port=relay_port, passwords=" ".join(passwords), **self.port, **realm,
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
